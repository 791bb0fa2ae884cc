#include "role/notice_text.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "hold/quorum.h"

#include <string.h>

#define UPDATES_MAX 20  /* told one by one; the rest is counted */
#define RULES_MAX   10  /* per update */
#define WORDS_MAX   500 /* of a rule's message, a comment, a reason */
#define BODY_MAX    ((size_t)256 << 10)
#define SLACK_TEXT  2900 /* Slack refuses 3000 characters and more */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

const char *
notice_event(const json_t *entry)
{
	static const char *const closed[] = { "forwarded", "kept", "failed",
		"expired", "stale", "withdrawn", "superseded", "rejected" };
	const char *type = text_of(entry, "type");
	const char *state = text_of(entry, "state");

	if (json_is_true(json_object_get(entry, "void")))
		return NULL;
	/* Of those that one look at upstream found, the first. */
	if (strcmp(type, "ref.out-of-band") == 0)
		return json_is_integer(json_object_get(entry, "seen_at_once")) ?
		    NOTICE_OUT_OF_BAND :
		    NULL;
	if (strcmp(type, "hold.opened") == 0)
		return "held";
	/* a rejection is told by the hold's end, which stands beside it */
	if (strcmp(type, "hold.review") == 0)
		return strcmp(text_of(entry, "verdict"), "approve") == 0 ?
		    "approved" :
		    NULL;
	if (strcmp(type, "hold.closed") != 0)
		return NULL;
	for (size_t i = 0; i < GG_COUNT(closed); i++)
		if (strcmp(state, closed[i]) == 0)
			return closed[i];
	return NULL;
}

static bool
asks_one_of(const json_t *needs, const struct strv *groups)
{
	const json_t *need, *from;
	size_t i, k;

	json_array_foreach(needs, i, need)
	{
		json_array_foreach(json_object_get(need, "from"), k, from)
		{
			const char *s = json_string_value(from);

			if (s != NULL && strv_has(groups, s))
				return true;
		}
	}
	return false;
}

static bool
is_by_rule(const json_t *needs, const struct strv *rules)
{
	const json_t *need;
	size_t i;

	json_array_foreach(needs, i, need)
	{
		if (glob_list_match(rules, view_str(text_of(need, "rule"))))
			return true;
	}
	return false;
}

bool
notice_is_for(const struct notice_target *t, const char *event,
    const struct stored_hold *h)
{
	if (t->events.n > 0 && !strv_has(&t->events, event))
		return false;
	if (!glob_list_match(&t->repositories, view_str(h->repository)))
		return false;
	if (t->rules.n > 0 && !is_by_rule(h->needs, &t->rules))
		return false;
	return t->groups.n == 0 || asks_one_of(h->needs, &t->groups);
}

bool
notice_is_for_refs(const struct notice_target *t, const json_t *entry)
{
	return (t->events.n == 0 || strv_has(&t->events, NOTICE_OUT_OF_BAND)) &&
	    glob_list_match(&t->repositories,
		view_str(text_of(entry, "repository"))) &&
	    t->rules.n == 0 && t->groups.n == 0;
}

static char *
taken(struct buf *b)
{
	char *s;

	if (buf_check(b, NULL) != 0 || (s = buf_take(b)) == NULL)
		gg_die("no memory for a notice");
	return s;
}

/* Cut, and safe to read. */
static void
add_words(struct buf *b, const char *s)
{
	GG_AUTO_RELEASE(buf) cut = BUF_INIT(WORDS_MAX + 8);

	utf8_replace(&cut, view_str(s), WORDS_MAX);
	text_safe_add(b, buf_str(&cut));
	if (strlen(s) > WORDS_MAX)
		buf_adds(b, "...");
}

static json_t *
json_words(const char *s)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(WORDS_MAX * 8);

	add_words(&b, s);
	return json_string(buf_str(&b));
}

char *
notice_subject(const char *event, const struct stored_hold *h)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(16384);
	size_t n = json_array_size(h->updates);

	buf_addf(&b, "%s: ", event);
	add_words(&b, h->repository);
	buf_adds(&b, " ");
	add_words(&b, text_of(json_array_get(h->updates, 0), "ref"));
	if (n > 1)
		buf_addf(&b, " and %zu more", n - 1);
	buf_adds(&b, " by ");
	add_words(&b, h->principal);
	return taken(&b);
}

/* -- JSON -- */

static json_t *
rules_json(const json_t *update)
{
	const json_t *reasons = json_object_get(update, "reasons"), *r;
	json_t *out = json_array();
	size_t i;

	json_array_foreach(reasons, i, r)
	{
		if (i == RULES_MAX)
			break;
		(void)json_array_append_new(out,
		    json_pack("{s:o, s:s, s:o, s:I}", "rule",
			json_words(text_of(r, "rule")), "verdict",
			text_of(r, "verdict"), "message",
			json_words(text_of(r, "message")), "paths",
			(json_int_t)json_array_size(json_object_get(r,
			    "paths"))));
	}
	return out;
}

static json_t *
updates_json(const struct stored_hold *h)
{
	json_t *out = json_array();
	const json_t *u;
	size_t i;

	json_array_foreach(h->updates, i, u)
	{
		if (i == UPDATES_MAX)
			break;
		(void)json_array_append_new(out,
		    json_pack("{s:o, s:s, s:s, s:s, s:o}", "ref",
			json_words(text_of(u, "ref")), "old", text_of(u, "old"),
			"new", text_of(u, "new"), "kind", text_of(u, "kind"),
			"rules", rules_json(u)));
	}
	return out;
}

static json_t *
needs_json(const struct stored_hold *h)
{
	json_t *out = json_array();
	const json_t *n;
	size_t i;

	json_array_foreach(h->needs, i, n)
	{
		if (i == RULES_MAX)
			break;
		(void)json_array_append_new(out,
		    json_pack("{s:o, s:O?, s:O?}", "rule",
			json_words(text_of(n, "rule")), "required",
			json_object_get(n, "required"), "from",
			json_object_get(n, "from")));
	}
	return out;
}

static char *
time_text(int64_t ms)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format(ms, text);
	return path_f("%s", text);
}

static json_t *
data_json(const char *event, uint64_t index, const json_t *entry,
    const struct stored_hold *h, const char *public_url)
{
	GG_AUTO_MEM char *url = path_f("%s/-/holds/%s", public_url, h->id);
	GG_AUTO_MEM char *created = time_text(h->created_ms);
	GG_AUTO_MEM char *expires = time_text(h->expires_ms);
	json_t *o = json_pack(
	    "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:s, s:s, s:I}",
	    "event", event, "hold", h->id, "push", h->push_id, "url", url,
	    "repository", json_words(h->repository), "principal",
	    json_words(h->principal), "updates", updates_json(h),
	    "updates_total", (json_int_t)json_array_size(h->updates), "needs",
	    needs_json(h), "created", created, "expires", expires,
	    "audit_index", (json_int_t)index);

	if (*text_of(entry, "reviewer") != '\0') {
		(void)json_object_set_new(o, "reviewer",
		    json_words(text_of(entry, "reviewer")));
		(void)json_object_set_new(o, "comment",
		    json_words(text_of(entry, "comment")));
		(void)json_object_set_new(o, "complete",
		    json_boolean(strcmp(text_of(entry, "state"), "approved") ==
			0));
	}
	if (*text_of(entry, "reason") != '\0')
		(void)json_object_set_new(o, "reason",
		    json_words(text_of(entry, "reason")));
	return o;
}

static char *
dumped(json_t *o)
{
	char *s = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

	if (s == NULL)
		gg_die("no memory for a notice");
	json_decref(o);
	return s;
}

static char *
json_body(const char *event, uint64_t index, const json_t *entry,
    const struct stored_hold *h, const char *public_url)
{
	GG_AUTO_MEM char *type = path_f("hold.%s", event);

	return dumped(json_pack("{s:s, s:s, s:o}", "type", type, "timestamp",
	    text_of(entry, "time"), "data",
	    data_json(event, index, entry, h, public_url)));
}

/* -- text -- */

static const char *
headline(const char *event)
{
	static const struct {
		const char *event, *text;
	} lines[] = {
		{ "held", "A push is held and waits for a decision." },
		{ "approved", "A held push was approved." },
		{ "rejected", "A held push was rejected." },
		{ "forwarded", "A held push was approved and is upstream." },
		{ "kept", "A held push was approved and is kept at the gate." },
		{ "failed", "An approved push failed." },
		{ "expired", "A held push expired: nobody decided in time." },
		{ "stale", "A held push is stale: upstream moved." },
		{ "withdrawn", "A held push was withdrawn." },
		{ "superseded", "A held push was superseded by a newer one." },
	};

	for (size_t i = 0; i < GG_COUNT(lines); i++)
		if (strcmp(lines[i].event, event) == 0)
			return lines[i].text;
	return event;
}

static void
add_update(struct buf *b, const json_t *u)
{
	const json_t *r;
	size_t i;

	add_words(b, text_of(u, "ref"));
	buf_addf(b, "  %s  %.12s..%.12s\n", text_of(u, "kind"),
	    text_of(u, "old"), text_of(u, "new"));
	json_array_foreach(json_object_get(u, "reasons"), i, r)
	{
		if (i == RULES_MAX)
			break;
		buf_adds(b, "    rule ");
		add_words(b, text_of(r, "rule"));
		if (*text_of(r, "message") != '\0') {
			buf_adds(b, ": ");
			add_words(b, text_of(r, "message"));
		}
		buf_adds(b, "\n");
	}
}

static void
add_need(struct buf *b, const json_t *need)
{
	json_int_t n = json_integer_value(json_object_get(need, "required"));
	const json_t *from = json_object_get(need, "from"), *g;
	size_t i;

	buf_addf(b, "needs       %lld approval%s", (long long)n,
	    n == 1 ? "" : "s");
	json_array_foreach(from, i, g)
	{
		buf_adds(b, i == 0 ? " from " : ", ");
		add_words(b, json_string_value(g) ? json_string_value(g) : "");
	}
	buf_adds(b, " (rule ");
	add_words(b, text_of(need, "rule"));
	buf_adds(b, ")\n");
}

static void
add_line(struct buf *b, const char *label, const char *value)
{
	if (*value == '\0')
		return;
	buf_addf(b, "%-12s", label);
	add_words(b, value);
	buf_adds(b, "\n");
}

static void
add_facts(struct buf *b, const char *event, const json_t *entry,
    const struct stored_hold *h)
{
	GG_AUTO_MEM char *expires = time_text(h->expires_ms);
	const json_t *x;
	size_t i;

	add_line(b, "repository", h->repository);
	add_line(b, "pushed by", h->principal);
	add_line(b, "reviewer", text_of(entry, "reviewer"));
	add_line(b, "comment", text_of(entry, "comment"));
	add_line(b, "reason", text_of(entry, "reason"));
	if (strcmp(event, "held") == 0) {
		json_array_foreach(h->needs, i, x)
		{
			if (i == RULES_MAX)
				break;
			add_need(b, x);
		}
		add_line(b, "expires", expires);
	}
	buf_adds(b, "\n");
	json_array_foreach(h->updates, i, x)
	{
		if (i == UPDATES_MAX) {
			buf_addf(b, "and %zu more refs\n",
			    json_array_size(h->updates) - i);
			break;
		}
		add_update(b, x);
	}
}

static char *
text_body(const char *event, const json_t *entry, const struct stored_hold *h,
    const char *public_url)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(BODY_MAX);

	buf_addf(&b, "%s\n\n", headline(event));
	add_facts(&b, event, entry, h);
	buf_addf(&b, "\n%s/-/holds/%s\n", public_url, h->id);
	return taken(&b);
}

/* -- Slack: https://api.slack.com/reference/surfaces/formatting -- */

/* What would be a link, a mention or an entity there. */
static char *
slack_escaped(const char *s)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(BODY_MAX);

	for (; *s != '\0'; s++) {
		if (*s == '&')
			buf_adds(&b, "&amp;");
		else if (*s == '<')
			buf_adds(&b, "&lt;");
		else if (*s == '>')
			buf_adds(&b, "&gt;");
		else
			buf_add(&b, s, 1);
	}
	return taken(&b);
}

static char *
slack_json(const char *subject, const char *facts, const char *button,
    const char *url)
{
	GG_AUTO_RELEASE(buf) cut = BUF_INIT(SLACK_TEXT + 8);
	GG_AUTO_MEM char *fallback = slack_escaped(subject);

	utf8_replace(&cut, view_str(facts), SLACK_TEXT);
	/* plain_text: nothing in it is taken for a link or a mention */
	return dumped(json_pack("{s:s, s:[{s:s, s:{s:s, s:s, s:b}},"
				" {s:s, s:[{s:s, s:{s:s, s:s}, s:s}]}]}",
	    "text", fallback, "blocks", "type", "section", "text", "type",
	    "plain_text", "text", buf_str(&cut), "emoji", 0, "type", "actions",
	    "elements", "type", "button", "text", "type", "plain_text", "text",
	    button, "url", url));
}

static char *
slack_body(const char *event, const json_t *entry, const struct stored_hold *h,
    const char *public_url)
{
	GG_AUTO_RELEASE(buf) facts = BUF_INIT(BODY_MAX);
	GG_AUTO_MEM char *url = path_f("%s/-/holds/%s", public_url, h->id);
	GG_AUTO_MEM char *subject = notice_subject(event, h);

	buf_addf(&facts, "%s\n", headline(event));
	add_facts(&facts, event, entry, h);
	return slack_json(subject, buf_str(&facts),
	    strcmp(event, "held") == 0 ? "Review" : "Open", url);
}

/* -- refs that moved without the gate -- */

static const char *
refs_headline(void)
{
	return "Upstream moved, and no push through the gate explains it.";
}

static long long
more_than_one(const json_t *entry)
{
	long long n = json_integer_value(json_object_get(entry,
	    "seen_at_once"));

	return n > 1 ? n - 1 : 0;
}

char *
notice_refs_subject(const json_t *entry)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(16384);

	buf_adds(&b, NOTICE_OUT_OF_BAND ": ");
	add_words(&b, text_of(entry, "repository"));
	buf_adds(&b, " ");
	add_words(&b, text_of(entry, "ref"));
	if (more_than_one(entry) > 0)
		buf_addf(&b, " and %lld more", more_than_one(entry));
	return taken(&b);
}

static void
add_refs_facts(struct buf *b, const json_t *entry)
{
	buf_addf(b, "%s\n\n", refs_headline());
	add_line(b, "repository", text_of(entry, "repository"));
	add_line(b, "ref", text_of(entry, "ref"));
	add_line(b, "was", text_of(entry, "old"));
	add_line(b, "is", text_of(entry, "new"));
	add_line(b, "seen", text_of(entry, "time"));
	if (more_than_one(entry) > 0)
		buf_addf(b, "and %lld more refs\n", more_than_one(entry));
}

static char *
refs_json(uint64_t index, const json_t *entry, const char *url)
{
	return dumped(json_pack(
	    "{s:s, s:s, s:{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:I, s:I}}",
	    "type", "ref." NOTICE_OUT_OF_BAND, "timestamp",
	    text_of(entry, "time"), "data", "event", NOTICE_OUT_OF_BAND, "url",
	    url, "repository", json_words(text_of(entry, "repository")), "ref",
	    json_words(text_of(entry, "ref")), "old",
	    json_words(text_of(entry, "old")), "new",
	    json_words(text_of(entry, "new")), "kind", text_of(entry, "kind"),
	    "refs_total", (json_int_t)more_than_one(entry) + 1, "audit_index",
	    (json_int_t)index));
}

char *
notice_refs_body(enum notice_kind kind, uint64_t index, const json_t *entry,
    const char *public_url)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(BODY_MAX);
	GG_AUTO_MEM char *url = path_f("%s/-/audit?type=ref." NOTICE_OUT_OF_BAND
				       "&repository=%s",
	    public_url, text_of(entry, "repository"));
	GG_AUTO_MEM char *subject = notice_refs_subject(entry);

	if (kind == NOTICE_WEBHOOK || kind == NOTICE_PROGRAM)
		return refs_json(index, entry, url);
	add_refs_facts(&b, entry);
	if (kind == NOTICE_SLACK)
		return slack_json(subject, buf_str(&b), "Open", url);
	buf_addf(&b, "\n%s\n", url);
	return taken(&b);
}

char *
notice_body(enum notice_kind kind, const char *event, uint64_t index,
    const json_t *entry, const struct stored_hold *h, const char *public_url)
{
	switch (kind) {
	case NOTICE_EMAIL:
		return text_body(event, entry, h, public_url);
	case NOTICE_SLACK:
		return slack_body(event, entry, h, public_url);
	case NOTICE_WEBHOOK:
	case NOTICE_PROGRAM:
		break;
	}
	return json_body(event, index, entry, h, public_url);
}
