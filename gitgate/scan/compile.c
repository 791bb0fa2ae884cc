#include "scan/compile.h"

#include "base/sha256.h"
#include "scan/rules.h"
#include "scan/text.h"

#include <hs/hs.h>

#include <limits.h>

/* What both engines need to be given, in step. */
struct expressions {
	const char **text;
	unsigned *flags, *ids;
	unsigned n;
};

static void
expressions_release(struct expressions *e)
{
	free((void *)e->text);
	free(e->flags);
	free(e->ids);
}
GG_DEFINE_AUTO_RELEASE(expressions);

static int
refused(const struct scan_rules *r, const struct expressions *e,
    hs_compile_error_t *why, struct gg_error *err)
{
	const struct scan_rule *rule = NULL;
	int rc;

	if (why == NULL)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	if (why->expression >= 0 && (unsigned)why->expression < e->n)
		rule = &r->v[e->ids[why->expression]];
	rc = rule != NULL ?
	    gg_fail(err, GG_E_INPUT, "%s:%u: rule %s: %s",
		r->files[rule->file].name, (unsigned)rule->regex.line, rule->id,
		why->message) :
	    gg_fail(err, GG_E_INPUT, "secret rules: %s", why->message);
	(void)hs_free_compile_error(why);
	return rc;
}

/* The longest match: how far before its end one may begin. */
static int
fill_width(struct scan_rule *rule, const struct scan_rules *r,
    struct gg_error *err)
{
	struct expressions one = { .n = 0 };
	hs_compile_error_t *why = NULL;
	hs_expr_info_t *info = NULL;

	if (hs_expression_info(rule->regex.text, 0, &info, &why) != HS_SUCCESS)
		return gg_wrap(err, refused(r, &one, why, err),
		    "%s:%u: rule %s", r->files[rule->file].name,
		    (unsigned)rule->regex.line, rule->id);
	rule->width = info->max_width == UINT_MAX ? SCAN_WIDTH_NONE :
						    info->max_width;
	free(info);
	return 0;
}

static int
gather(struct scan_rules *r, struct expressions *e, struct gg_error *err)
{
	int rc;

	e->text = calloc(r->n + 1, sizeof(*e->text));
	e->flags = calloc(r->n + 1, sizeof(*e->flags));
	e->ids = calloc(r->n + 1, sizeof(*e->ids));
	if (e->text == NULL || e->flags == NULL || e->ids == NULL)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].regex.text == NULL)
			continue;
		if ((rc = fill_width(&r->v[i], r, err)) != 0)
			return rc;
		e->text[e->n] = r->v[i].regex.text;
		e->ids[e->n++] = (unsigned)i;
	}
	return 0;
}

static int
add_database(const struct scan_rules *r, const struct expressions *e,
    struct buf *out, struct gg_error *err)
{
	hs_compile_error_t *why = NULL;
	hs_database_t *db = NULL;
	char *bytes = NULL;
	size_t n = 0;
	hs_error_t rc;

	if (e->n == 0)
		return 0;
	if (hs_compile_multi(e->text, e->flags, e->ids, e->n, HS_MODE_BLOCK,
		NULL, &db, &why) != HS_SUCCESS)
		return refused(r, e, why, err);
	rc = hs_serialize_database(db, &bytes, &n);
	(void)hs_free_database(db);
	if (rc != HS_SUCCESS)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	buf_add(out, bytes, n);
	free(bytes);
	return 0;
}

static int
read_all(struct view text, struct scan_rules *r, struct gg_error *err)
{
	struct view name, body;
	int rc;

	while ((rc = scan_rules_text_next(&text, &name, &body, err)) == 1) {
		GG_AUTO_MEM char *file = view_dup(name);

		if (file == NULL)
			return gg_fail(err, GG_E_NOMEM, "secret rules");
		if ((rc = scan_rules_add(r, file, body, err)) != 0)
			return rc;
	}
	return rc;
}

int
scan_compile(struct view text, struct buf *out, uint32_t *n_rules,
    struct strv *warnings, struct gg_error *err)
{
	GG_AUTO_RELEASE(scan_rules) r = { 0 };
	GG_AUTO_RELEASE(expressions) e = { 0 };
	GG_AUTO_RELEASE(buf) table = BUF_INIT(out->max);
	unsigned char digest[SHA256_BYTES] = { 0 };
	struct sha256 sum;
	int rc;

	if ((rc = read_all(text, &r, err)) != 0 ||
	    (rc = scan_rules_check(&r, err)) != 0 ||
	    (rc = gather(&r, &e, err)) != 0)
		return rc;
	scan_rules_encode(&r, &table);
	if ((rc = buf_check(&table, err)) != 0)
		return rc;
	buf_add(out, SCAN_MAGIC, SCAN_MAGIC_LEN);
	buf_add(out, digest, sizeof(digest));
	enc_u32(out, (uint32_t)table.n);
	buf_addv(out, buf_view(&table));
	if ((rc = add_database(&r, &e, out, err)) != 0 ||
	    (rc = buf_check(out, err)) != 0)
		return rc;
	sha256_begin(&sum);
	sha256_add(&sum,
	    view_of(out->p + SCAN_MAGIC_LEN + SHA256_BYTES,
		out->n - SCAN_MAGIC_LEN - SHA256_BYTES));
	sha256_end(&sum, digest);
	memcpy(out->p + SCAN_MAGIC_LEN, digest, sizeof(digest));
	*n_rules = (uint32_t)r.n;
	strv_copy(warnings, &r.warnings);
	return 0;
}
