/*
 * Movements of upstream's refs that no push of ours explains. What a refresh
 * reads is compared with what the gate knew: the refs that it read before, or
 * at the first refresh after a start those of the mirror. Who went past the
 * gate is unknown; that somebody did is certain, and goes into the log before
 * the mirror follows.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "mirror/refs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* So many of one refresh are told one by one; the rest is counted. */
#define ONE_BY_ONE_MAX 1000
#define REFS_MAX_BYTES ((size_t)512 << 20)
#define HEAD_MAX_BYTES 70000
/* How long before what is known was read a push of ours may have ended and
 * not be in it: clocks step, upstream's replicas lag, and a mirror follows some
 * time later. */
#define SLACK_MS      ((int64_t)60 * 1000)
#define SLACK_DISK_MS ((int64_t)15 * 60 * 1000)
/* So much later than another one a push of ours must have ended to have come
 * after it for certain: the end of one is noted some time behind it. */
#define AFTER_MS ((int64_t)1000)
/* A chain of pushes of ours that lies between two refreshes. */
#define CHAIN_MAX 1000

/* -- what was known -- */

struct known {
	struct ref_list refs; /* those that are watched */
	int64_t since_ms;     /* when they were read */
	char *head;           /* HEAD's target; NULL: it told nothing */
	bool from_disk;
};

static void
known_release(struct known *k)
{
	ref_list_release(&k->refs);
	free(k->head);
}
GG_DEFINE_AUTO_RELEASE(known);

static void
hash_text(struct digest_ctx *d, const char *s)
{
	digest_ctx_update(d, s, strlen(s) + 1);
}

/* Of where upstream is, and (all) of which refs are carried. */
static void
place_digest(const struct repo_ref *repo, bool all,
    char hex[DIGEST_SHA256_HEX_SIZE])
{
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	unsigned char sum[DIGEST_SHA256_BYTES];

	hash_text(d, repo->upstream);
	for (size_t i = 0; all && i < repo->conf->refs.n; i++)
		hash_text(d, repo->conf->refs.v[i]);
	digest_ctx_final(d, sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static char *
place_key(const struct repo_ref *repo)
{
	return path_f("upstream-seen:%s", repo->name);
}

/* Where no `refs` says what is carried: what forges move by themselves. */
static bool
is_forges_own(const char *ref)
{
	static const char *const below[] = { "refs/pull/",
		"refs/pull-requests/", "refs/merge-requests/", "refs/changes/",
		"refs/pipelines/", "refs/environments/", "refs/keep-around/" };

	for (size_t i = 0; i < GG_COUNT(below); i++)
		if (strncmp(ref, below[i], strlen(below[i])) == 0)
			return true;
	return false;
}

static bool
is_watched(const struct repo_ref *repo, const char *ref)
{
	return repo->conf->refs.n == 0 ?
	    !is_forges_own(ref) :
	    glob_list_match(&repo->conf->refs, view_str(ref));
}

/* Nor what was the gate's own: upstream never had it. */
static void
drop_unwatched(struct ref_list *l, const struct ref_list *own,
    const struct repo_ref *repo)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (is_watched(repo, l->v[i].name) &&
		    ref_list_find(own, l->v[i].name) == NULL)
			l->v[kept++] = l->v[i];
		else
			free(l->v[i].name);
	}
	l->n = kept;
}

/* What a symbolic ref names moves under its own name. */
static int
watched_of(const struct advert *a, const struct repo_ref *repo,
    struct ref_list *out, struct gg_error *err)
{
	const struct oid none = { 0 };
	int rc = 0;

	for (size_t i = 0; i < a->n_refs && rc == 0; i++)
		if (a->refs[i].symref == NULL &&
		    is_watched(repo, a->refs[i].name))
			rc = ref_list_add(out, view_str(a->refs[i].name),
			    &a->refs[i].oid, &none, err);
	return rc;
}

/* As the mirror has it from upstream. */
static char *
head_on_disk(const char *mirror)
{
	GG_AUTO_MEM char *path = path_f("%s/HEAD", mirror);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(HEAD_MAX_BYTES);
	struct view v, line;

	if (file_read(path, &text, NULL) != 0)
		return NULL;
	v = buf_view(&text);
	if (!view_cut(&v, '\n', &line) || !view_has_prefix(line, "ref: ") ||
	    view_eq_str(line, MIRROR_HEAD_UNKNOWN))
		return NULL;
	view_skip(&line, strlen("ref: "));
	return view_dup(line);
}

/* Which of the mirror's refs the gate keeps; in doubt none. */
static void
read_own(const char *mirror, struct ref_list *out)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-kept", mirror);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(REFS_MAX_BYTES);

	if (file_read(path, &text, NULL) == 0)
		(void)!packed_refs_parse(buf_view(&text), out, NULL);
}

/* GG_E_NOTFOUND: this upstream, and these refs of it, were not seen yet. */
static int
known_on_disk(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, struct known *out, struct gg_error *err)
{
	GG_AUTO_MEM char *mirror = gate_mirror_path(snap->config, repo->name);
	GG_AUTO_MEM char *path = path_f("%s/packed-refs", mirror);
	GG_AUTO_MEM char *key = place_key(repo);
	GG_AUTO_MEM char *value = NULL;
	GG_AUTO_RELEASE(buf) text = BUF_INIT(REFS_MAX_BYTES);
	GG_AUTO_RELEASE(ref_list) own = { 0 };
	char digest[DIGEST_SHA256_HEX_SIZE];
	struct stat st;
	int rc;

	place_digest(repo, true, digest);
	if ((rc = store_meta_get(g->store, key, &value, err)) != 0)
		return rc;
	if (strcmp(value, digest) != 0 || stat(path, &st) != 0 ||
	    file_read(path, &text, NULL) != 0 ||
	    packed_refs_parse(buf_view(&text), &out->refs, NULL) != 0 ||
	    out->refs.n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "a mirror to begin with");
	read_own(mirror, &own);
	drop_unwatched(&out->refs, &own, repo);
	out->from_disk = true;
	out->head = head_on_disk(mirror);
	out->since_ms = (int64_t)st.st_mtim.tv_sec * 1000;
	return 0;
}

static int
find_known(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, const struct repo_state *st, struct known *out,
    struct gg_error *err)
{
	char digest[DIGEST_SHA256_HEX_SIZE];

	if (st->known == NULL)
		return known_on_disk(g, snap, repo, out, err);
	place_digest(repo, false, digest);
	if (strcmp(digest, st->known_place) != 0)
		return gg_fail(err, GG_E_NOTFOUND, "another upstream");
	out->since_ms = st->known_ms;
	if (st->known->advert->head_target != NULL)
		out->head = path_f("%s", st->known->advert->head_target);
	return watched_of(st->known->advert, repo, &out->refs, err);
}

/* -- movements of ours -- */

struct move {
	struct ref_update u;
	int64_t done_ms; /* 0: under way */
	bool used;
};

struct own {
	struct move *v; /* by name, and in the order of their ends */
	size_t n, alloc;
};

static void
own_release(struct own *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->v[i].u.refname);
	free(o->v);
}
GG_DEFINE_AUTO_RELEASE(own);

static int
add_move(void *ctx, const char *ref, const char *old, const char *new,
    int64_t done_ms)
{
	struct own *o = ctx;
	struct move m = { .done_ms = done_ms };

	if (!oid_parse(view_str(old), &m.u.old_oid) ||
	    !oid_parse(view_str(new), &m.u.new_oid))
		return 0;
	if (o->n == o->alloc) {
		o->alloc = o->alloc ? o->alloc * 2 : 16;
		o->v = reallocarray(o->v, o->alloc, sizeof(*o->v));
		if (o->v == NULL)
			gg_die("no memory for moves");
	}
	m.u.refname = path_f("%s", ref);
	o->v[o->n++] = m;
	return 0;
}

/* What is under way ends last. */
static int64_t
end_of(const struct move *m)
{
	return m->done_ms != 0 ? m->done_ms : INT64_MAX;
}

static int
cmp_moves(const void *a, const void *b)
{
	const struct move *x = a, *y = b;
	int cmp = strcmp(x->u.refname, y->u.refname);

	if (cmp != 0)
		return cmp;
	return end_of(x) < end_of(y) ? -1 : end_of(x) > end_of(y);
}

static int
own_read(struct gate *g, const struct repo_ref *repo, int64_t since_ms,
    struct own *o, struct gg_error *err)
{
	int rc = store_push_moves(g->store, repo->name, since_ms, add_move, o,
	    err);

	if (rc == 0 && o->n > 0)
		qsort(o->v, o->n, sizeof(*o->v), cmp_moves);
	return rc;
}

/* A ref's moves: *n of them, from the returned place on. */
static struct move *
own_of(const struct own *o, const char *ref, size_t *n)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(o->v[mid].u.refname, ref) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*n = 0; lo + *n < o->n; ++*n)
		if (strcmp(o->v[lo + *n].u.refname, ref) != 0)
			break;
	return o->v + lo;
}

/* The last move of ours that led to *to: its old value. *end: the latest end
 * of those that were taken. */
static bool
step_back(struct move *v, size_t n, struct oid *to, int64_t *end)
{
	while (n-- > 0) {
		if (v[n].used || !oid_eq(&v[n].u.new_oid, to))
			continue;
		v[n].used = true;
		if (end_of(&v[n]) > *end)
			*end = end_of(&v[n]);
		*to = v[n].u.old_oid;
		return true;
	}
	return false;
}

/* The first one that upstream took since: its new value. */
static bool
step_on(struct move *v, size_t n, int64_t since_ms, struct oid *from)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].used || v[i].done_ms < since_ms || v[i].done_ms == 0 ||
		    !oid_eq(&v[i].u.old_oid, from))
			continue;
		v[i].used = true;
		*from = v[i].u.new_oid;
		return true;
	}
	return false;
}

/* Has a push of ours moved the ref away from there again, behind all that
 * led there? Then something has put it back. */
static bool
was_left(const struct move *v, size_t n, const struct oid *now, int64_t end,
    int64_t asked_ms)
{
	for (size_t i = 0; i < n; i++)
		if (!v[i].used && v[i].done_ms != 0 &&
		    v[i].done_ms < asked_ms && end < INT64_MAX - AFTER_MS &&
		    v[i].done_ms > end + AFTER_MS &&
		    oid_eq(&v[i].u.old_oid, now))
			return true;
	return false;
}

/* What ended before the log said that somebody else had given the ref the
 * value that is known led there no more. */
static void
set_apart(struct move *v, size_t n, int64_t told_ms)
{
	for (size_t i = 0; i < n; i++)
		v[i].used = v[i].done_ms != 0 && v[i].done_ms < told_ms;
}

/* When what is compared was read. */
struct span {
	int64_t since_ms, asked_ms;
	int64_t told_ms; /* what is known was told of then; 0: it was not */
};

/*
 * Back from what upstream has over pushes of ours: true when that leads to
 * what was known, and no later one led away. Else u becomes the step that is
 * nobody's of ours: from what the last of ours made of what was known.
 */
static bool
is_explained(const struct own *o, const struct span *span, struct ref_update *u)
{
	size_t n;
	struct move *v = own_of(o, u->refname, &n);
	const struct oid now = u->new_oid;
	int64_t end = 0;
	int i;

	set_apart(v, n, span->told_ms);

	for (i = 0; i < CHAIN_MAX; i++) {
		if (!step_back(v, n, &u->new_oid, &end))
			break;
		if (!oid_eq(&u->old_oid, &u->new_oid))
			continue;
		if (!was_left(v, n, &now, end, span->asked_ms))
			return true;
		set_apart(v, n, span->told_ms);
		u->new_oid = now;
		break;
	}
	while (i++ < CHAIN_MAX && step_on(v, n, span->since_ms, &u->old_oid))
		continue;
	return false;
}

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
    const struct own *own, int64_t asked_ms, bool may_ask,
    struct ref_update *left)
{
	struct last last = may_ask ? last_of(g, repo->name, left->refname) :
				     (struct last){ .ours = true };
	struct span span = { .since_ms = k->since_ms, .asked_ms = asked_ms };

	if (!last.ours && oid_eq(&last.is, &left->old_oid))
		span.told_ms = last.time_ms;
	if (is_explained(own, &span, left))
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
	GG_AUTO_RELEASE(own) own = { 0 };
	int64_t slack = k->from_disk ? SLACK_DISK_MS : SLACK_MS;
	int rc = own_read(g, repo, k->since_ms - slack, &own, err);

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

	if ((rc = watched_of(a, repo, &now, err)) != 0 ||
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
	int rc = find_known(g, snap, repo, st, &k, err);

	if (rc == 0)
		rc = compare(g, repo, &k, fresh->advert, asked_ms, err);
	else if (rc == GG_E_NOTFOUND)
		rc = 0; /* seen for the first time: nothing to compare with */
	if (rc != 0)
		return gg_wrap(err, rc, "comparing upstream's refs");
	shared_advert_unref(st->known);
	st->known = shared_advert_ref(fresh);
	st->known_ms = asked_ms;
	place_digest(repo, false, st->known_place);
	return 0;
}

int
out_of_band_mirrored(struct gate *g, const struct repo_ref *repo,
    struct gg_error *err)
{
	GG_AUTO_MEM char *key = place_key(repo);
	GG_AUTO_MEM char *value = NULL;
	char digest[DIGEST_SHA256_HEX_SIZE];

	place_digest(repo, true, digest);
	if (store_meta_get(g->store, key, &value, NULL) == 0 &&
	    strcmp(value, digest) == 0)
		return 0;
	return store_meta_set(g->store, key, digest, err);
}
