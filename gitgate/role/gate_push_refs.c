/* What the repository has when a push comes: upstream's refs and the gate's. */
#include "role/gate_push.h"

#include "base/clock.h"

#include <stdlib.h>

/* A push reads upstream's refs at info/refs; its POST comes at once. Older
 * than this they are read again. */
#define REFS_FRESH_MS 10000

/*
 * Read upstream's refs now and keep them for the POST that follows. They
 * count as mirrored only after a refresh that began later, even when they
 * are what they were: only upload-pack says which refs are symbolic, and a
 * ref can become an alias of a protected one without changing its value.
 */
int
push_read_upstream(struct gate *g, const struct git_request *who,
    struct shared_advert **out, struct gg_error *err)
{
	struct repo_state *st = gate_repo(g, who->repo.name);
	GG_AUTO(advert) a = NULL;
	struct shared_advert *fresh;
	int rc = courier_list(g, who->repo.name, true, false, &a, err);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&st->mutex);
	fresh = shared_advert_new(gg_take(a));
	shared_advert_unref(st->push_refs);
	st->push_refs = shared_advert_ref(fresh);
	st->push_refs_mono_ms = clock_mono_ms();
	st->push_refs_mirrored = false;
	pthread_mutex_unlock(&st->mutex);
	*out = fresh;
	return 0;
}

/* Old oids must be the present values; hidden refs do not exist. */
int
push_check_updates(struct push *p, struct gg_error *err)
{
	/* get_upstream() comes first and leaves with an error where it is not
	 * set. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	const struct advert *a = p->has->advert;

	for (size_t i = 0; i < p->updates.n; i++) {
		const struct ref_update *u = &p->updates.v[i];
		const struct advert_ref *r = advert_find(a,
		    view_str(u->refname));
		struct oid cur = { { 0 } };

		if (gate_ref_is_hidden(p->who.repo.conf, u->refname))
			return gg_fail(err, GG_E_PEER,
			    "%s is hidden and cannot be moved", u->refname);
		if (r != NULL)
			cur = r->oid;
		if (oid_eq(&cur, &u->old_oid))
			continue;
		return r != NULL && r->kept ?
		    gg_fail(err, GG_E_STALE, "%s moved at the gate",
			u->refname) :
		    gg_fail(err, GG_E_STALE, "upstream moved");
	}
	return 0;
}

/*
 * Only upload-pack says which refs are symbolic. Their target need not be among
 * receive-pack's refs: upstream may hide it there and move it through the other
 * name all the same. What is hidden here is not moved so either.
 */
int
push_find_symrefs(struct push *p, struct gg_error *err)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);
	const struct advert_ref *r;
	json_t *symrefs = json_object();

	(void)json_object_set_new(p->rec.request, "symrefs", symrefs);
	p->symref_targets = calloc(p->updates.n ? p->updates.n : 1,
	    sizeof(char *));
	if (p->symref_targets == NULL)
		gg_die("no memory for symbolic refs");
	pthread_mutex_lock(&st->mutex);
	p->seen = shared_advert_ref(st->seen);
	pthread_mutex_unlock(&st->mutex);
	for (size_t i = 0; p->seen != NULL && i < p->updates.n; i++) {
		const char *name = p->updates.v[i].refname;

		r = advert_find(p->seen->advert, view_str(name));
		if (r == NULL || r->symref == NULL)
			continue;
		if (gate_ref_is_hidden(p->who.repo.conf, r->symref))
			return gg_fail(err, GG_E_PEER,
			    "%s is hidden and cannot be moved", name);
		p->symref_targets[i] = r->symref;
		(void)json_object_set_new(symrefs, name, audit_text(r->symref));
	}
	return 0;
}

/* What the repository has, with upstream's refs as they are in p->upstream. */
static int
join_kept(struct push *p, struct gg_error *err)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);

	pthread_mutex_lock(&st->mutex);
	p->n_fed = st->n_fed;
	p->n_repacks = st->n_repacks;
	pthread_mutex_unlock(&st->mutex);
	shared_advert_unref(p->has);
	p->has = NULL;
	return kept_merge(p->gate, p->who.repo.name, p->upstream, &p->has,
	    &p->kept_version, err);
}

/* Upstream's refs as at info/refs, or newer; and the mirror up to date. */
int
push_get_upstream(struct push *p, struct gg_error *err)
{
	struct repo_state *st = gate_repo(p->gate, p->who.repo.name);
	int rc = 0;

	pthread_mutex_lock(&st->mutex);
	if (st->push_refs != NULL &&
	    clock_mono_ms() - st->push_refs_mono_ms < REFS_FRESH_MS)
		p->upstream = shared_advert_ref(st->push_refs);
	pthread_mutex_unlock(&st->mutex);
	if (p->upstream != NULL && (rc = join_kept(p, err)) == 0 &&
	    push_check_updates(p, err) == GG_E_STALE) {
		shared_advert_unref(p->upstream);
		p->upstream = NULL;
	}
	if (rc == 0 && p->upstream == NULL &&
	    (rc = push_read_upstream(p->gate, &p->who, &p->upstream, err)) == 0)
		rc = join_kept(p, err);
	if (rc != 0)
		return rc;
	if (mirror_has_followed(p->gate, p->who.repo.name, p->upstream,
		p->kept_version))
		return 0;
	return mirror_refresh(p->gate, p->who.snap, &p->who.repo, NULL, err);
}
