/* Reading for API and pages alike: what the caller may see, and nothing of
 * the rest. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "model/refname.h"
#include "web/web_priv.h"

#include <stdlib.h>

unsigned
status_of(int rc)
{
	switch (rc) {
	case 0:
		return 200;
	case GG_E_NOTFOUND:
		return 404;
	case GG_E_REFUSED:
		return 403;
	case GG_E_STALE:
	case GG_E_EXISTS:
		return 409;
	case GG_E_PEER:
	case GG_E_INPUT:
		return 400;
	case GG_E_LIMIT:
		return 413;
	case GG_E_UNAVAILABLE:
		return 503;
	default:
		return 500;
	}
}

/* "" in a form's field means: any. */
static const char *
query_text(const struct web_call *c, const char *name)
{
	const char *s = http_query(c->rq, name);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

static int
query_time(const struct web_call *c, const char *name, int64_t *out,
    struct gg_error *err)
{
	const char *s = query_text(c, name);
	int64_t ago;

	if (s == NULL || clock_parse(view_str(s), out, NULL) == 0)
		return 0;
	if (num_parse_duration(view_str(s), &ago, NULL) != 0)
		return gg_fail(err, GG_E_PEER,
		    "%s must be a date, an RFC 3339 time, or how long ago "
		    "(7d)",
		    name);
	*out = clock_wall_ms() - ago;
	return 0;
}

static int
query_number(const struct web_call *c, const char *name, uint64_t max,
    uint64_t *out, struct gg_error *err)
{
	const char *s = query_text(c, name);

	if (s != NULL && num_parse(view_str(s), max, out, NULL) != 0)
		return gg_fail(err, GG_E_PEER, "%s must be a number up to %llu",
		    name, (unsigned long long)max);
	return 0;
}

#define TEXT_MAX_BYTES 200

static char *
query_ref(const struct web_call *c)
{
	const char *ref = query_text(c, "ref");

	return ref == NULL ? NULL : refname_meant(ref);
}

/* ref: memory for its ref, the caller's. */
static int
query_read(const struct web_call *c, struct store_query *q, char **ref,
    struct gg_error *err)
{
	uint64_t limit = c->rows != 0 ? c->rows : 50;
	int rc;

	*ref = query_ref(c);
	*q = (struct store_query){ .repository = query_text(c, "repository"),
		.principal = query_text(c, "principal"),
		.ref = *ref,
		.state = query_text(c, "state"),
		.cursor = query_text(c, "cursor"),
		.text = query_text(c, "text"),
		.rule = query_text(c, "rule") };
	if (q->text != NULL && strlen(q->text) > TEXT_MAX_BYTES)
		return gg_fail(err, GG_E_PEER, "text is longer than %d bytes",
		    TEXT_MAX_BYTES);
	if (q->rule != NULL && strlen(q->rule) > TEXT_MAX_BYTES)
		return gg_fail(err, GG_E_PEER, "rule is longer than %d bytes",
		    TEXT_MAX_BYTES);
	if (q->cursor != NULL && !ulid_is_valid(view_str(q->cursor)))
		return gg_fail(err, GG_E_PEER, "cursor is not valid");
	if ((rc = query_number(c, "limit", 200, &limit, err)) != 0 ||
	    (rc = query_time(c, "since", &q->since_ms, err)) != 0 ||
	    (rc = query_time(c, "until", &q->until_ms, err)) != 0)
		return rc;
	q->limit = (size_t)limit;
	return 0;
}

struct listing {
	const struct web_call *c;
	json_t *items;
	const char *text;
	uint64_t budget; /* of change reports that are read */
	size_t n;        /* counted, where items is NULL */
};

/* Is the text in a value of it? The store looked at keys, too. */
static bool
has_text(const json_t *o, const char *text)
{
	const char *s = json_string_value(o);
	/* jansson's iterators want a pointer to what they do not change */
	json_t *all = (json_t *)(uintptr_t)o, *v;
	const char *key;
	size_t i;

	if (s != NULL)
		return strcasestr(s, text) != NULL;
	json_array_foreach(all, i, v) if (has_text(v, text)) return true;
	json_object_foreach(all, key, v) if (has_text(v, text)) return true;
	return false;
}

static bool
fits_text(const struct listing *l, const char *repository,
    const char *principal, const json_t *updates)
{
	return l->text == NULL || strcasestr(repository, l->text) != NULL ||
	    strcasestr(principal, l->text) != NULL ||
	    has_text(updates, l->text);
}

/* What others may not see is left out after it was read: read on until the
 * page is full, but not for ever (then a page is short, and has a next). */
#define ROUNDS_MAX 200

/* Is there room for more, and more to read? Then q goes on from next. */
static bool
read_on(struct store_query *q, const json_t *items, size_t *limit,
    char next[ULID_SIZE])
{
	if (*limit == 0)
		*limit = q->limit;
	if (next[0] == '\0' || json_array_size(items) >= *limit)
		return false;
	q->limit = *limit - json_array_size(items);
	q->cursor = next;
	return true;
}

static int
add_hold(void *ctx, const struct stored_hold *h)
{
	struct listing *l = ctx;
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	int rc;

	if (!access_may_see(l->c, h->repository, h->needs) ||
	    !fits_text(l, h->repository, h->principal, h->updates))
		return 0;
	rc = store_push_get(l->c->ops->store, h->push_id, &p, NULL);
	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	return json_array_append_new(l->items,
		   json_of_hold(l->c, h, rc == 0 ? &p : NULL)) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

/* -- what one may decide -- */

/* Of one list. The change report of an ordinary push has some KiB. */
#define REPORTS_BYTES ((uint64_t)4 << 20)

static bool
is_mine(struct listing *l, const struct stored_hold *h)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	const struct web_ops *ops = l->c->ops;

	return access_may_see(l->c, h->repository, h->needs) &&
	    store_push_get(ops->store, h->push_id, &p, NULL) == 0 &&
	    ops->may_review_listed(ops->ctx, h, &p, &l->c->who, &l->budget,
		NULL) == 0;
}

static int
add_mine(void *ctx, const struct stored_hold *h)
{
	return is_mine(ctx, h) ? add_hold(ctx, h) : 0;
}

/* The names by which a need may ask for the caller. */
static void
add_names(const struct principal *p, struct strv *out)
{
	strv_copy(out, &p->groups);
	for (size_t i = 0; i < p->aliases.n; i++)
		strv_add(out, p->aliases.v[i]);
	strv_add(out, p->name);
	if (p->owner != NULL && p->owner[0] != '\0')
		strv_add(out, p->owner);
}

static const char *const view_names[HOLD_VIEW_COUNT] = {
	[HOLD_VIEW_ALL] = "all",
	[HOLD_VIEW_MINE] = "mine",
	[HOLD_VIEW_OPEN] = "open",
	[HOLD_VIEW_DONE] = "done",
};

const char *
hold_view_name(enum hold_view v)
{
	return view_names[v];
}

bool
hold_view_parse(const char *s, enum hold_view *out)
{
	for (unsigned i = 0; s != NULL && i < HOLD_VIEW_COUNT; i++) {
		if (strcmp(s, view_names[i]) != 0)
			continue;
		*out = (enum hold_view)i;
		return true;
	}
	return false;
}

/* names: memory for q. */
static store_hold_cb
narrow(const struct web_call *c, enum hold_view view, struct store_query *q,
    struct strv *names)
{
	if (view == HOLD_VIEW_OPEN)
		q->phase = STORE_OPEN;
	else if (view == HOLD_VIEW_DONE)
		q->phase = STORE_DONE;
	if (view != HOLD_VIEW_MINE)
		return add_hold;
	add_names(&c->who, names);
	q->state = hold_state_name(HOLD_PENDING);
	q->asked = names;
	q->not_of = c->who.name;
	return add_mine;
}

int
list_holds(const struct web_call *c, enum hold_view view, json_t *items,
    char next[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	GG_AUTO_MEM char *ref = NULL;
	struct listing l = { .c = c, .items = items, .budget = REPORTS_BYTES };
	struct store_query q;
	enum hold_state known;
	store_hold_cb add;
	size_t limit = 0;
	int rc = query_read(c, &q, &ref, err);

	if (rc != 0)
		return rc;
	if (q.state != NULL && strcmp(q.state, "all") == 0)
		q.state = NULL;
	if (q.state != NULL && !hold_state_parse(view_str(q.state), &known))
		return gg_fail(err, GG_E_PEER, "state is not one of a hold");
	l.text = q.text;
	add = narrow(c, view, &q, &names);
	if ((rc = strv_check(&names, err)) != 0)
		return rc;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		rc = store_hold_list(c->ops->store, &q, add, &l, next, err);
		if (rc != 0 || !read_on(&q, items, &limit, next))
			break;
	}
	return rc;
}

static int
count_seen(void *ctx, const struct stored_hold *h)
{
	struct listing *l = ctx;

	l->n += access_may_see(l->c, h->repository, h->needs);
	return 0;
}

static int
count_mine(void *ctx, const struct stored_hold *h)
{
	struct listing *l = ctx;

	l->n += is_mine(l, h);
	return 0;
}

/* It is on every page: what is looked at has an end. */
#define COUNT_ROUNDS 4

int
count_holds(const struct web_call *c, enum hold_view view, size_t most,
    struct hold_count *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	struct listing l = { .c = c, .budget = REPORTS_BYTES };
	struct store_query q = { .limit = most };
	char next[ULID_SIZE] = "";
	int rc;

	(void)narrow(c, view, &q, &names);
	if ((rc = strv_check(&names, err)) != 0)
		return rc;
	for (int i = 0; i < COUNT_ROUNDS && l.n < most; i++) {
		rc = store_hold_list(c->ops->store, &q,
		    view == HOLD_VIEW_MINE ? count_mine : count_seen, &l, next,
		    err);
		if (rc != 0 || next[0] == '\0')
			break;
		q.cursor = next;
	}
	out->n = l.n < most ? l.n : most;
	out->more = next[0] != '\0';
	return rc;
}

static int
add_push(void *ctx, const struct stored_push *p)
{
	struct listing *l = ctx;
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	const char *hold = "";
	int rc;

	rc = store_hold_of_push(l->c->ops->store, p->id, &h, NULL);
	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	if (!access_may_see(l->c, p->repository, h.needs) ||
	    !fits_text(l, p->repository, p->principal, p->updates))
		return 0;
	if (rc == 0)
		hold = h.id;
	return json_array_append_new(l->items, json_of_push(l->c, p, hold)) ==
		0 ?
	    0 :
	    GG_E_NOMEM;
}

int
list_pushes(const struct web_call *c, json_t *items, char next[ULID_SIZE],
    struct gg_error *err)
{
	struct listing l = { .c = c, .items = items };
	GG_AUTO_MEM char *ref = NULL;
	struct store_query q;
	enum push_state known;
	size_t limit = 0;
	int rc = query_read(c, &q, &ref, err);

	if (rc != 0)
		return rc;
	l.text = q.text;
	if (q.state != NULL && !push_state_parse(view_str(q.state), &known))
		return gg_fail(err, GG_E_PEER, "state is not one of a push");
	for (int i = 0; i < ROUNDS_MAX; i++) {
		rc = store_push_list(c->ops->store, &q, add_push, &l, next,
		    err);
		if (rc != 0 || !read_on(&q, items, &limit, next))
			break;
	}
	return rc;
}

static int
add_entry(void *ctx, uint64_t index, const char *text)
{
	struct listing *l = ctx;
	json_t *entry = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	(void)index;
	if (entry == NULL)
		return GG_E_CORRUPT;
	if (!access_may_read_entry(l->c, entry)) {
		json_decref(entry);
		return 0;
	}
	return json_array_append_new(l->items, entry) == 0 ? 0 : GG_E_NOMEM;
}

static int
list_entries(const struct web_call *c, struct audit_query q, uint64_t limit,
    json_t *items, uint64_t *next, struct gg_error *err)
{
	struct listing l = { .c = c, .items = items };
	int rc = 0;

	q.limit = (size_t)limit;
	*next = 0;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		rc = store_audit_query(c->ops->store, &q, add_entry, &l, next,
		    err);
		if (rc != 0 || *next == 0 || json_array_size(items) >= limit)
			break;
		q.cursor = *next;
		q.limit = limit - json_array_size(items);
	}
	return rc;
}

int
list_push_entries(const struct web_call *c, json_t *items, uint64_t *next,
    struct gg_error *err)
{
	struct audit_query q = { .push = c->id, .oldest_first = true };
	uint64_t limit = 50;
	int rc;

	if ((rc = query_number(c, "limit", 200, &limit, err)) != 0 ||
	    (rc = query_number(c, "cursor", INT64_MAX, &q.cursor, err)) != 0)
		return rc;
	return list_entries(c, q, limit, items, next, err);
}

/* ref: memory for its ref, the caller's. */
static int
read_audit_query(const struct web_call *c, struct audit_query *out, char **ref,
    uint64_t *limit, struct gg_error *err)
{
	struct audit_query q = { .repository = query_text(c, "repository"),
		.ref = *ref = query_ref(c),
		.principal = query_text(c, "principal"),
		.type = query_text(c, "type"),
		.push = query_text(c, "push"),
		.verdict = query_text(c, "verdict"),
		.hold = query_text(c, "hold"),
		.reviewer = query_text(c, "reviewer"),
		.rule = query_text(c, "rule"),
		.path = query_text(c, "path") };
	int rc;

	*limit = 100;
	if ((rc = query_number(c, "limit", 1000, limit, err)) != 0 ||
	    (rc = query_number(c, "cursor", INT64_MAX, &q.cursor, err)) != 0 ||
	    (rc = query_time(c, "since", &q.since_ms, err)) != 0 ||
	    (rc = query_time(c, "until", &q.until_ms, err)) != 0)
		return rc;
	*out = q;
	return 0;
}

int
list_audit(const struct web_call *c, json_t *items, uint64_t *next,
    struct gg_error *err)
{
	const char *order = query_text(c, "order");
	struct audit_query q;
	uint64_t limit;
	GG_AUTO_MEM char *ref = NULL;
	int rc = read_audit_query(c, &q, &ref, &limit, err);

	if (rc != 0)
		return rc;
	if (order != NULL && strcmp(order, "oldest") != 0 &&
	    strcmp(order, "newest") != 0)
		return gg_fail(err, GG_E_PEER,
		    "order must be newest or oldest");
	q.oldest_first = order != NULL && strcmp(order, "oldest") == 0;
	return list_entries(c, q, limit, items, next, err);
}

/* Where it was: what comes later goes on from there. */
static uint64_t
place_behind(const struct audit_query *q, const json_t *items)
{
	const json_t *last = json_array_get(items, json_array_size(items) - 1);

	return last == NULL ?
	    q->cursor :
	    (uint64_t)json_integer_value(json_object_get(last, "seq")) + 1;
}

int
list_audit_from(const struct web_call *c, json_t *items, uint64_t *next,
    struct gg_error *err)
{
	struct audit_query q;
	uint64_t limit;
	GG_AUTO_MEM char *ref = NULL;
	int rc = read_audit_query(c, &q, &ref, &limit, err);

	if (rc != 0)
		return rc;
	q.oldest_first = true;
	if ((rc = list_entries(c, q, limit, items, next, err)) == 0)
		*next = place_behind(&q, items);
	return rc;
}

int
load_hold(const struct web_call *c, struct stored_hold *h,
    struct stored_push *p, struct gg_error *err)
{
	int rc = store_hold_get(c->ops->store, c->id, h, err);

	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	/* In the same words: nobody learns which of the two it is. */
	if (rc != 0 || !access_may_see(c, h->repository, h->needs))
		return gg_fail(err, GG_E_NOTFOUND, "no such hold");
	rc = store_push_get(c->ops->store, h->push_id, p, err);
	return rc == GG_E_NOTFOUND ? 0 : rc;
}

int
load_push(const struct web_call *c, struct stored_push *p,
    char hold_id[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	int rc = store_push_get(c->ops->store, c->id, p, err);

	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, rc, "no such push");
	if (rc != 0)
		return rc;
	rc = store_hold_of_push(c->ops->store, p->id, &h, err);
	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	(void)snprintf(hold_id, ULID_SIZE, "%s", rc == 0 ? h.id : "");
	if (!access_may_see(c, p->repository, h.needs))
		return gg_fail(err, GG_E_NOTFOUND, "no such push");
	return 0;
}

int
act_on_hold(struct web_call *c, const char *comment, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	const char *addr = http_client_addr(c->rq);
	struct view text = view_str(comment);
	bool approve = strcmp(c->verb, "approve") == 0;
	int64_t for_ms;
	int rc;

	if (text.n > COMMENT_MAX_BYTES || !utf8_is_valid(text))
		return gg_fail(err, GG_E_PEER,
		    "a comment is UTF-8 of at most %d bytes",
		    COMMENT_MAX_BYTES);
	if ((rc = load_hold(c, &h, &p, err)) != 0)
		return rc;
	if (strcmp(c->verb, "withdraw") == 0)
		return c->ops->withdraw(c->ops->ctx, c->id, &c->who, addr,
		    comment, err);
	if ((rc = grant_of_review(c, &for_ms, err)) != 0)
		return rc;
	if (approve && for_ms > 0)
		return c->ops->review_granting(c->ops->ctx, c->id, &c->who,
		    addr, comment, for_ms, err);
	return c->ops->review(c->ops->ctx, c->id, &c->who, addr, approve,
	    comment, err);
}

int
list_timeline(const struct web_call *c, json_t *steps, uint64_t *next,
    struct gg_error *err)
{
	const char *repository = query_text(c, "repository");
	GG_AUTO_MEM char *ref = query_ref(c);
	uint64_t limit = 100, cursor = 0;
	int rc;

	*next = 0;
	if (repository == NULL || ref == NULL)
		return gg_fail(err, GG_E_PEER,
		    "a timeline is of one repository and one ref");
	if ((rc = query_number(c, "limit", 1000, &limit, err)) != 0 ||
	    (rc = query_number(c, "cursor", INT64_MAX, &cursor, err)) != 0)
		return rc;
	if (!access_is_auditor(&c->who) &&
	    (ruleset_access(c->rs, &c->who, repository) & ACCESS_FETCH) == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such repository");
	return store_audit_timeline(c->ops->store, repository, ref, cursor,
	    (size_t)limit, steps, next, err);
}
