/*
 * Movements of upstream's refs that no push of ours explains. What a refresh
 * reads is compared with what the gate knew: the refs that it read before, or
 * at the first refresh after a start those of the mirror. Who went past the
 * gate is unknown; that somebody did is certain, and goes into the log before
 * the mirror follows.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/log.h"
#include "role/out_of_band.h"

#include <stdlib.h>
#include <string.h>

/* So many of one refresh are told one by one; the rest is counted. */
#define ONE_BY_ONE_MAX 1000
/* How long before what is known was read a push of ours may have ended and
 * not be in it: clocks step, upstream's replicas lag, and a mirror follows some
 * time later. */
#define SLACK_MS      ((int64_t)60 * 1000)
#define SLACK_DISK_MS ((int64_t)15 * 60 * 1000)

/* -- comparing -- */

struct gone_by {
	struct ref_updates moves; /* that nothing explains */
	char *head_was, *head_is; /* borrowed; NULL: it has not moved */
};

static void
gone_by_release(struct gone_by *f)
{
	ref_updates_release(&f->moves);
}
GG_DEFINE_AUTO_RELEASE(gone_by);

/* Both lists are sorted. Every ref whose value differs, unexplained or not. */
static int
differences(const struct ref_list *was, const struct ref_list *is,
    struct ref_updates *out, struct gg_error *err)
{
	const struct oid none = { 0 };
	size_t i = 0, k = 0;
	int rc = 0;

	while ((i < was->n || k < is->n) && rc == 0) {
		int cmp = i == was->n ? 1 :
		    k == is->n        ? -1 :
					strcmp(was->v[i].name, is->v[k].name);
		const char *name = cmp <= 0 ? was->v[i].name : is->v[k].name;
		const struct oid *a = cmp <= 0 ? &was->v[i].oid : &none;
		const struct oid *b = cmp >= 0 ? &is->v[k].oid : &none;

		if (!oid_eq(a, b))
			rc = ref_updates_add(out, a, b, view_str(name),
			    SIZE_MAX, err);
		i += cmp <= 0;
		k += cmp >= 0;
	}
	return rc;
}

/* The log's last word on who moved a ref. */
struct last {
	bool seen, ours;
	struct oid was, is;
	int64_t time_ms;
};

static void
read_last(struct last *l, const json_t *e)
{
	const char *type = json_string_value(json_object_get(e, "type"));
	const char *old = json_string_value(json_object_get(e, "old"));
	const char *new = json_string_value(json_object_get(e, "new"));
	const char *time = json_string_value(json_object_get(e, "time"));

	const char *result = json_string_value(json_object_get(e, "result"));

	if (type == NULL || old == NULL || new == NULL || time == NULL ||
	    (result != NULL && strcmp(result, "ok") != 0) ||
	    !oid_parse(view_str(old), &l->was) ||
	    !oid_parse(view_str(new), &l->is) ||
	    clock_parse(view_str(time), &l->time_ms, NULL) != 0)
		return;
	l->seen = true;
	l->ours = strcmp(type, OUT_OF_BAND_TYPE) != 0;
}

static int
take_last(void *ctx, uint64_t index, const char *text)
{
	struct last *l = ctx;
	json_t *e = json_loads(text, JSON_ALLOW_NUL, NULL);

	(void)index;
	if (!l->seen)
		read_last(l, e);
	json_decref(e);
	return 0;
}

/* In doubt nobody has moved it: what is so is told twice rather than never. */
static struct last
last_of(struct gate *g, const char *repository, const char *ref)
{
	struct audit_query q = { .repository = repository,
		.ref = ref,
		.movements = true,
		.limit = 20 };
	struct gg_error err = { 0 };
	struct last l = { .ours = true };
	uint64_t next;

	if (store_audit_query(g->store, &q, take_last, &l, &next, &err) != 0)
		return (struct last){ .ours = true };
	return l;
}

/* Is there something to tell of what is left of a difference? */
static bool
is_news(struct gate *g, const struct repo_ref *repo, const struct known *k,
    const struct own_moves *own, int64_t asked_ms, bool may_ask,
    struct ref_update *left)
{
	struct last last = may_ask ? last_of(g, repo->name, left->refname) :
				     (struct last){ .ours = true };
	struct span span = { .since_ms = k->since_ms, .asked_ms = asked_ms };

	if (!last.ours && oid_eq(&last.is, &left->old_oid))
		span.told_ms = last.time_ms;
	if (own_moves_explain(own, &span, left))
		return false;
	/* After a crash between log and mirror the log has it already. */
	return !k->from_disk || last.ours ||
	    !oid_eq(&last.was, &left->old_oid) ||
	    !oid_eq(&last.is, &left->new_oid);
}

static int
keep_unexplained(struct gate *g, const struct repo_ref *repo,
    const struct known *k, const struct ref_updates *all, int64_t asked_ms,
    struct gone_by *f, struct gg_error *err)
{
	GG_AUTO_RELEASE(own_moves) own = { 0 };
	int64_t slack = k->from_disk ? SLACK_DISK_MS : SLACK_MS;
	int rc = own_moves_read(g, repo, k->since_ms - slack, &own, err);

	for (size_t i = 0; i < all->n && rc == 0; i++) {
		struct ref_update left = all->v[i];

		if (is_news(g, repo, k, &own, asked_ms, i < ONE_BY_ONE_MAX,
			&left))
			rc = ref_updates_add(&f->moves, &left.old_oid,
			    &left.new_oid, view_str(left.refname), SIZE_MAX,
			    err);
	}
	return rc;
}

/* -- telling -- */

static const char *
kind_of(const struct ref_update *u)
{
	return oid_is_zero(&u->old_oid) ? "create" :
	    oid_is_zero(&u->new_oid)    ? "delete" :
					  "move";
}

static json_t *
entry_for(const char *repository)
{
	return json_pack("{s:s, s:o}", "type", OUT_OF_BAND_TYPE, "repository",
	    audit_text(repository));
}

static json_t *
move_entry(const char *repository, const struct ref_update *u)
{
	json_t *e = entry_for(repository);
	char a[OID_HEX + 1], b[OID_HEX + 1];

	oid_format(&u->old_oid, a);
	oid_format(&u->new_oid, b);
	(void)json_object_set_new(e, "ref", audit_text(u->refname));
	(void)json_object_set_new(e, "old", json_string(a));
	(void)json_object_set_new(e, "new", json_string(b));
	(void)json_object_set_new(e, "kind", json_string(kind_of(u)));
	return e;
}

static json_t *
head_entry(const char *repository, const struct gone_by *f)
{
	json_t *e = entry_for(repository);

	(void)json_object_set_new(e, "ref", json_string("HEAD"));
	(void)json_object_set_new(e, "old", audit_text(f->head_was));
	(void)json_object_set_new(e, "new", audit_text(f->head_is));
	(void)json_object_set_new(e, "kind", json_string("default-branch"));
	return e;
}

static json_t *
rest_entry(const char *repository, size_t n)
{
	json_t *e = entry_for(repository);

	(void)json_object_set_new(e, "kind", json_string("more"));
	(void)json_object_set_new(e, "refs", json_integer((json_int_t)n));
	return e;
}

static int
write_entries(struct gate *g, const char *repository, const struct gone_by *f,
    struct gg_error *err)
{
	size_t one = f->moves.n < ONE_BY_ONE_MAX ? f->moves.n : ONE_BY_ONE_MAX;
	json_t **e = calloc(one + 2, sizeof(*e));
	size_t n = 0;
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (; n < one; n++)
		e[n] = move_entry(repository, &f->moves.v[n]);
	if (f->head_was != NULL)
		e[n++] = head_entry(repository, f);
	if (f->moves.n > one)
		e[n++] = rest_entry(repository, f->moves.n - one);
	/* Who is told of the first one is told how many there are. */
	(void)json_object_set_new(e[0], "seen_at_once",
	    json_integer((json_int_t)f->moves.n + (f->head_was != NULL)));
	rc = audit_write(g, e, n, err);
	free(e);
	return rc;
}

static int
tell(struct gate *g, const char *repository, struct gone_by *f,
    struct gg_error *err)
{
	const struct ref_update *first = f->moves.v;
	size_t n = f->moves.n + (f->head_was != NULL);
	struct ref_updates some = f->moves;
	int rc;

	if (n == 0)
		return 0;
	if ((rc = write_entries(g, repository, f, err)) != 0)
		return rc;
	atomic_fetch_add(&g->metrics[METRIC_OUT_OF_BAND], n);
	log_event(EV_out_of_band, kv_str("repository", repository),
	    kv_str("ref", f->moves.n > 0 ? first->refname : "HEAD"),
	    kv_u64("refs", n));
	if (some.n > ONE_BY_ONE_MAX)
		some.n = ONE_BY_ONE_MAX; /* forwarding finds out as well */
	holds_mark_stale(g, repository, &some);
	return 0;
}

/* HEAD's target before and now; an unborn or a detached one tells nothing. */
static void
compare_heads(const struct known *k, const struct advert *a, struct gone_by *f)
{
	if (k->head == NULL || a->head_target == NULL ||
	    strcmp(k->head, a->head_target) == 0)
		return;
	f->head_was = k->head;
	f->head_is = a->head_target;
}

static int
compare(struct gate *g, const struct repo_ref *repo, const struct known *k,
    const struct advert *a, int64_t asked_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(ref_list) now = { 0 };
	GG_AUTO_RELEASE(ref_updates) all = { 0 };
	GG_AUTO_RELEASE(gone_by) f = { 0 };
	int rc;

	if ((rc = known_watched(a, repo, &now, err)) != 0 ||
	    (rc = differences(&k->refs, &now, &all, err)) != 0)
		return rc;
	compare_heads(k, a, &f);
	if (all.n > 0 &&
	    (rc = keep_unexplained(g, repo, k, &all, asked_ms, &f, err)) != 0)
		return rc;
	return tell(g, repo->name, &f, err);
}

int
out_of_band_check(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, struct repo_state *st,
    struct shared_advert *fresh, int64_t asked_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(known) k = { 0 };
	int rc = known_find(g, snap, repo, st, &k, err);

	if (rc == 0)
		rc = compare(g, repo, &k, fresh->advert, asked_ms, err);
	else if (rc == GG_E_NOTFOUND)
		rc = 0; /* seen for the first time: nothing to compare with */
	if (rc != 0)
		return gg_wrap(err, rc, "comparing upstream's refs");
	shared_advert_unref(st->known);
	st->known = shared_advert_ref(fresh);
	st->known_ms = asked_ms;
	upstream_place(repo, false, st->known_place);
	return 0;
}
