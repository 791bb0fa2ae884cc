/* Claims and records of how commits were made, on pages: hostile texts, all
 * of them, shown as text only. */
#include "web/provenance.h"

#include "web/line_claims.h"

#define VALUE_SHOWN   ((size_t)2000)
#define PROMPT_SHOWN  ((size_t)16000)
#define FILES_SHOWN   20
#define RANGES_SHOWN  20
#define RECORDS_SHOWN 50
/* Of one page's provenance beside one commit, and of what a push brought. */
#define COMMIT_BYTES  ((size_t)128 * 1024)
#define BROUGHT_BYTES ((size_t)1024 * 1024)

static void
cut(struct buf *b, struct view v, size_t most)
{
	size_t n = v.n <= most ? v.n : most;

	while (n < v.n && n > 0 && ((unsigned char)v.p[n] & 0xc0) == 0x80)
		n--;
	html_text(b, view_of(v.p, n));
	if (n == v.n)
		return;
	html_lit(b, "<span class=\"cut\">not shown: ");
	html_u64(b, v.n - n);
	html_lit(b, " bytes</span>");
}

static void
badge(struct buf *b, const char *look, const char *text)
{
	html_lit(b, "<span class=\"badge ");
	html_attrs(b, look);
	html_lit(b, "\">");
	html_texts(b, text);
	html_lit(b, "</span> ");
}

static void
level_badge(struct buf *b, const char *level)
{
	badge(b, strcmp(level, "verified-session") == 0 ? "verified" : "level",
	    provenance_level_words(level));
}

static void
fact(struct buf *b, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	html_lit(b, "<dt>");
	html_texts(b, name);
	html_lit(b, "</dt><dd>");
	cut(b, view_str(value), VALUE_SHOWN);
	html_lit(b, "</dd>");
}

/* ---- what a message says ---- */

static void
message_claims(struct buf *b, const json_t *commit)
{
	const json_t *claims = json_object_get(commit, "claims"), *x;
	size_t i;

	if (json_array_size(claims) == 0)
		return;
	html_lit(b,
	    "<p><span class=\"badge claimed\">claimed</span> by the commit "
	    "message</p><dl>");
	json_array_foreach(claims, i, x)
	{
		fact(b, json_get(x, "kind"), json_get(x, "value"));
		if (json_is_true(json_object_get(x, "verified")))
			html_lit(b,
			    "<dd><span class=\"badge verified\">verified"
			    "</span> the credential of the push names it, "
			    "too</dd>");
	}
	html_lit(b, "</dl>");
}

/* ---- records ---- */

static void
short_id(struct buf *b, const char *hex)
{
	html_lit(b, "<code>");
	html_text(b, view_of(hex, strnlen(hex, 12)));
	html_lit(b, "</code>");
}

static const char *
source_words(const char *source)
{
	if (strcmp(source, "git-ai") == 0)
		return "a git-ai note";
	if (strcmp(source, "agent-trace") == 0)
		return "an Agent Trace file";
	if (strcmp(source, "entire") == 0)
		return "an Entire checkpoint";
	return source;
}

/* Who says so: another one may say things about somebody's commit. */
static void
said_by(struct buf *b, const json_t *r)
{
	const json_t *by = json_object_get(r, "claimed_by");
	const char *state = json_get(by, "state");

	html_lit(b, "<p><span class=\"badge claimed\">claimed</span> ");
	level_badge(b, json_get(r, "level"));
	html_lit(b, "by <strong>");
	html_texts(b, json_get(by, "principal"));
	html_lit(b, "</strong> with ");
	html_texts(b, source_words(json_get(r, "source")));
	html_lit(b, " in <a href=\"/-/pushes/");
	html_urls(b, json_get(by, "push"));
	html_lit(b, "\">push ");
	html_text(b,
	    view_of(json_get(by, "push"),
		strnlen(json_get(by, "push"), ULID_SIZE)));
	html_lit(b, "</a> ");
	html_when(b, json_get(by, "time"));
	if (strcmp(state, "forwarded") != 0) {
		html_lit(b, " ");
		badge(b, state, state);
	}
	html_lit(b, "</p>");
}

static bool
is_proven(const json_t *r, const char *session)
{
	const json_t *x;
	size_t i;

	json_array_foreach(json_object_get(r, "verified_sessions"), i, x)
	{
		if (strcmp(json_string_value(x), session) == 0)
			return true;
	}
	return false;
}

static void
facts(struct buf *b, const json_t *r, const json_t *of)
{
	static const char *const names[] = { "tool", "model", "session",
		"human", "link", "strategy", "branch" };

	for (size_t i = 0; i < GG_COUNT(names); i++) {
		const char *value = json_get(of, names[i]);

		fact(b, names[i], value);
		if (strcmp(names[i], "session") == 0 && is_proven(r, value))
			html_lit(b,
			    "<dd><span class=\"badge verified\">verified"
			    "</span> a credential names it, too</dd>");
	}
}

static void
prompt(struct buf *b, const json_t *o)
{
	const json_t *text = json_object_get(o, "prompt");
	size_t n = json_string_length(text);

	fact(b, "prompt's SHA-256", json_get(o, "prompt_sha256"));
	if (n == 0)
		return;
	html_lit(b, "<dt>prompt</dt><dd><details><summary>Show the prompt (");
	html_bytes(b, n);
	html_texts(b,
	    json_is_true(json_object_get(o, "prompt_cut")) ? ", cut)" : ")");
	html_lit(b, "</summary><pre class=\"prompt\">");
	cut(b, view_of(json_string_value(text), n), PROMPT_SHOWN);
	html_lit(b, "</pre></details></dd>");
}

static const char *
by_words(const char *by)
{
	if (strcmp(by, "ai") == 0)
		return "an agent";
	if (strcmp(by, "human") == 0)
		return "a human";
	if (strcmp(by, "mixed") == 0)
		return "an agent and a human";
	return "an unknown one";
}

static void
lines(struct buf *b, const json_t *ranges)
{
	const json_t *x;
	size_t i;

	html_texts(b, json_array_size(ranges) == 0 ? " " : " lines ");
	json_array_foreach(ranges, i, x)
	{
		if (i == RANGES_SHOWN) {
			html_lit(b, ", \xe2\x80\xa6 ");
			html_u64(b, json_array_size(ranges) - i);
			html_lit(b, " more");
			break;
		}
		html_texts(b, i > 0 ? ", " : "");
		view_line_range(b,
		    (uint64_t)json_integer_value(json_array_get(x, 0)),
		    (uint64_t)json_integer_value(json_array_get(x, 1)));
	}
}

static void
files(struct buf *b, const json_t *r)
{
	const json_t *all = json_object_get(r, "files"), *f;
	size_t i;

	if (json_array_size(all) == 0)
		return;
	html_lit(b, "<ul class=\"paths\">");
	json_array_foreach(all, i, f)
	{
		if (i == FILES_SHOWN)
			break;
		html_lit(b, "<li><code>");
		html_texts(b, json_get(f, "path"));
		html_lit(b, "</code>");
		lines(b, json_object_get(f, "ranges"));
		html_lit(b, " by ");
		html_texts(b, by_words(json_get(f, "by")));
		html_texts(b, json_get(f, "model")[0] != '\0' ? ", " : "");
		html_texts(b, json_get(f, "model"));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ul>");
	if (json_array_size(all) > FILES_SHOWN) {
		html_lit(b, "<p class=\"cut\">\xe2\x80\xa6 ");
		html_u64(b, json_array_size(all) - FILES_SHOWN);
		html_lit(b, " more files</p>");
	}
}

static void
record(struct buf *b, const json_t *r)
{
	const json_t *s;
	size_t i;

	html_lit(b, "<div class=\"record\">");
	said_by(b, r);
	html_lit(b, "<dl>");
	facts(b, r, r);
	prompt(b, r);
	json_array_foreach(json_object_get(r, "sessions"), i, s)
	{
		/* of one session the whole record speaks, too */
		if (json_get(s, "session")[0] != '\0' &&
		    strcmp(json_get(s, "session"), json_get(r, "session")) == 0)
			continue;
		facts(b, r, s);
		prompt(b, s);
	}
	fact(b, "not readable", json_get(r, "unreadable"));
	html_lit(b, "</dl>");
	files(b, r);
	if (json_is_true(json_object_get(r, "cut")))
		html_lit(b,
		    "<p class=\"cut\">There is more than was kept.</p>");
	html_lit(b, "</div>");
}

/* ---- beside a commit ---- */

void
view_commit_provenance(struct buf *b, const json_t *provenance,
    const json_t *commit)
{
	const json_t *all = json_object_get(provenance, "records"), *index;
	size_t i, start = b->n;

	if (commit == NULL)
		return;
	html_lit(b, "<div class=\"claims\"><p>Provenance ");
	level_badge(b, json_get(commit, "level"));
	html_lit(b, "</p>");
	message_claims(b, commit);
	json_array_foreach(json_object_get(commit, "records"), i, index)
	{
		if (b->n - start > COMMIT_BYTES)
			break;
		record(b,
		    json_array_get(all, (size_t)json_integer_value(index)));
	}
	if (json_is_true(json_object_get(commit, "more")) ||
	    i < json_array_size(json_object_get(commit, "records")))
		html_lit(b, "<p class=\"cut\">There is more.</p>");
	html_lit(b, "</div>");
}

/* ---- what a push brought ---- */

static void
about_commit(struct buf *b, const char *hex)
{
	html_lit(b, "<p>For commit <a href=\"/-/pushes?text=");
	html_urls(b, hex);
	html_lit(b, "\"><span class=\"vh\">pushes that name </span>");
	short_id(b, hex);
	html_lit(b, "</a></p>");
}

static void
named_by(struct buf *b, const json_t *r)
{
	const json_t *x;
	size_t i;

	html_lit(b, "<p>Checkpoint <code>");
	html_texts(b, json_get(r, "key") + strlen("checkpoint:"));
	html_lit(b, "</code>");
	if (json_array_size(json_object_get(r, "named_by")) == 0)
		html_lit(b, ", which no commit that came here names yet");
	json_array_foreach(json_object_get(r, "named_by"), i, x)
	{
		html_texts(b, i == 0 ? ", named by commit " : ", ");
		html_lit(b, "<a href=\"/-/pushes/");
		html_urls(b,
		    json_get(json_object_get(x, "claimed_by"), "push"));
		html_lit(b, "\">");
		short_id(b, json_get(x, "commit"));
		html_lit(b, "</a> ");
		html_texts(b, json_get(x, "subject"));
	}
	html_lit(b, "</p>");
}

static void
brought_one(struct buf *b, const json_t *r)
{
	const char *key = json_get(r, "key");

	html_lit(b, "<li>");
	if (strncmp(key, "commit:", 7) == 0)
		about_commit(b, key + 7);
	else if (strncmp(key, "checkpoint:", 11) == 0)
		named_by(b, r);
	record(b, r);
	html_lit(b, "</li>");
}

void
view_brought(struct buf *b, const json_t *provenance)
{
	const json_t *all = json_object_get(provenance, "records"), *index;
	const json_t *brought = json_object_get(provenance, "brought");
	json_int_t n = json_integer_value(json_object_get(provenance,
	    "brought_all"));
	const char *limit = json_get(provenance, "limit");
	size_t i, start = b->n;

	if (n == 0 && limit[0] == '\0')
		return;
	html_lit(b,
	    "<section class=\"card\" id=\"provenance\"><h2>Provenance</h2>"
	    "<p class=\"dim\">What this push says of how commits were made, "
	    "wherever they came. It is claimed and proves nothing.</p>"
	    "<ol class=\"commits\">");
	json_array_foreach(brought, i, index)
	{
		if (i == RECORDS_SHOWN || b->n - start > BROUGHT_BYTES)
			break;
		brought_one(b,
		    json_array_get(all, (size_t)json_integer_value(index)));
	}
	html_lit(b, "</ol>");
	if ((json_int_t)i < n) {
		html_lit(b, "<p class=\"cut\" role=\"note\">\xe2\x80\xa6 ");
		html_u64(b, (uint64_t)n - i);
		html_lit(b, " more</p>");
	}
	if (limit[0] != '\0') {
		html_lit(b,
		    "<p class=\"cut\" role=\"note\">Not everything that it "
		    "brought was read: the limit ");
		html_texts(b, limit);
		html_lit(b, " was reached.</p>");
	}
	html_lit(b, "</section>");
}
