/*
 * What the gate knew of upstream's refs before it read them now: those that it
 * read last, or, at the first refresh after a start, those of the mirror.
 */
#include "role/out_of_band.h"

#include "base/fd.h"
#include "crypto/digest.h"
#include "mirror/refs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REFS_MAX_BYTES ((size_t)512 << 20)
#define HEAD_MAX_BYTES 70000

void
known_release(struct known *k)
{
	ref_list_release(&k->refs);
	free(k->head);
}

static void
hash_text(struct digest_ctx *d, const char *s)
{
	digest_ctx_update(d, s, strlen(s) + 1);
}

/* Of where upstream is, and (all) of which refs are carried. */
void
upstream_place(const struct repo_ref *repo, bool all,
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
int
known_watched(const struct advert *a, const struct repo_ref *repo,
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

	upstream_place(repo, true, digest);
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

int
known_find(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, const struct repo_state *st, struct known *out,
    struct gg_error *err)
{
	char digest[DIGEST_SHA256_HEX_SIZE];

	if (st->known == NULL)
		return known_on_disk(g, snap, repo, out, err);
	upstream_place(repo, false, digest);
	if (strcmp(digest, st->known_place) != 0)
		return gg_fail(err, GG_E_NOTFOUND, "another upstream");
	out->since_ms = st->known_ms;
	if (st->known->advert->head_target != NULL)
		out->head = path_f("%s", st->known->advert->head_target);
	return known_watched(st->known->advert, repo, &out->refs, err);
}

int
out_of_band_mirrored(struct gate *g, const struct repo_ref *repo,
    struct gg_error *err)
{
	GG_AUTO_MEM char *key = place_key(repo);
	GG_AUTO_MEM char *value = NULL;
	char digest[DIGEST_SHA256_HEX_SIZE];

	upstream_place(repo, true, digest);
	if (store_meta_get(g->store, key, &value, NULL) == 0 &&
	    strcmp(value, digest) == 0)
		return 0;
	return store_meta_set(g->store, key, digest, err);
}
