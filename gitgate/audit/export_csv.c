/* CSV (RFC 4180), for spreadsheets too. */
#include "audit/export_priv.h"

#include <string.h>

static const char *const columns[] = { "seq", "time", "type", "repository",
	"ref", "old", "new", "kind", "principal", "owner", "reviewer",
	"auth_method", "auth_credential", "client_addr", "client_agent", "push",
	"hold", "verdict", "rules", "result", "state", "reason", "comment",
	"upstream" };

void
export_csv_head(struct buf *out)
{
	for (size_t i = 0; i < GG_COUNT(columns); i++) {
		if (i > 0)
			buf_addc(out, ',');
		buf_adds(out, columns[i]);
	}
	buf_adds(out, "\r\n");
}

/* A spreadsheet takes what begins so for a formula: a quote before it makes
 * it text. */
static bool
is_formula(const char *s)
{
	/* the wide ones are taken for them, too */
	static const char *const wide[] = { "\uff1d", "\uff0b", "\uff0d",
		"\uff20" };

	for (size_t i = 0; i < GG_COUNT(wide); i++)
		if (strncmp(s, wide[i], strlen(wide[i])) == 0)
			return true;
	return s[0] != '\0' && strchr("=+-@\t\r\n", s[0]) != NULL;
}

/* How long is the control character that s begins with, but for tab and line
 * ends? 0: it begins with none. Who looks at a table with cat must not have a
 * terminal obey it. */
static size_t
control_length(const char *s)
{
	unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1];

	if (a == 0xc2 && b >= 0x80 && b < 0xa0)
		return 2;
	return (a < 0x20 && strchr("\t\r\n", a) == NULL) || a == 0x7f;
}

static void
add_field(struct buf *out, const char *s)
{
	bool quoted = is_formula(s) || strpbrk(s, ",\"\r\n") != NULL;

	if (quoted)
		buf_addc(out, '"');
	if (is_formula(s))
		buf_addc(out, '\'');
	for (size_t n; *s != '\0'; s += n > 0 ? n : 1) {
		if ((n = control_length(s)) > 0) {
			buf_adds(out, "\ufffd");
			continue;
		}
		if (*s == '"')
			buf_addc(out, '"');
		buf_addc(out, *s);
	}
	if (quoted)
		buf_addc(out, '"');
}

static void
add_rules(struct buf *out, const json_t *rules)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)128 << 10);
	const json_t *r;
	size_t i;

	json_array_foreach(rules, i, r)
	{
		buf_adds(&b, i > 0 ? ";" : "");
		buf_adds(&b, export_text(r, "rule"));
		buf_addc(&b, '=');
		buf_adds(&b, export_text(r, "verdict"));
	}
	add_field(out, b.n > 0 ? buf_str(&b) : "");
}

static const char *
value_of(const struct export_facts *f, const char *column)
{
	const struct {
		const char *name, *value;
	} ours[] = { { "auth_method", f->method },
		{ "auth_credential", f->credential },
		{ "client_addr", f->addr }, { "client_agent", f->agent } };

	for (size_t i = 0; i < GG_COUNT(ours); i++)
		if (strcmp(ours[i].name, column) == 0)
			return ours[i].value;
	return export_text(f->entry, column);
}

void
export_csv(const struct export_facts *f, struct buf *out)
{
	for (size_t i = 0; i < GG_COUNT(columns); i++) {
		if (i > 0)
			buf_addc(out, ',');
		if (strcmp(columns[i], "seq") == 0)
			buf_addf(out, "%lld",
			    (long long)
				json_integer_value(json_object_get(f->entry,
				    "seq")));
		else if (strcmp(columns[i], "rules") == 0)
			add_rules(out, json_object_get(f->entry, "rules"));
		else
			add_field(out, value_of(f, columns[i]));
	}
	buf_adds(out, "\r\n");
}
