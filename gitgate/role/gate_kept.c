/*
 * Refs that the gate keeps and upstream never gets. Their values are in the
 * store, their packs below state-dir/kept/<repository>.git/<push id>/, for as
 * long as they are kept; the mirror has its own links to these packs and may
 * be lost: it is fed again.
 */
#include "role/gate.h"

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- which -- */

/* Rows of one question; the list may be longer. */
#define ROWS_MAX 10000

struct reading {
	struct advert *list;
	char *last; /* the name of the last row */
	size_t n;   /* rows of this question */
};

static int
take_row(void *ctx, const struct kept_ref *k)
{
	struct reading *r = ctx;
	struct gg_error err = { 0 };

	free(r->last);
	r->last = path_f("%s", k->ref);
	r->n++;
	return advert_add(r->list, view_str(k->ref), &k->oid, &err);
}

static int
read_list(struct gate *g, const char *repository, struct advert **out,
    struct gg_error *err)
{
	GG_AUTO(advert) a = advert_new();
	struct reading r = { .list = a, .last = path_f("%s", ""), .n = 1 };
	int rc = 0;

	if (a == NULL)
		rc = gg_fail(err, GG_E_NOMEM, "kept refs");
	while (rc == 0 && r.n > 0) {
		GG_AUTO_MEM char *after = path_f("%s", r.last);

		r.n = 0;
		rc = store_kept_list(g->store, repository, after, ROWS_MAX,
		    take_row, &r, err);
		if (r.n < ROWS_MAX)
			break;
	}
	free(r.last);
	if (rc == 0 && (rc = advert_sort(a, err)) == 0)
		*out = gg_take(a);
	return rc;
}

/* The list changes with its version, and is read once for each. */
static int
kept_list(struct gate *g, struct repo_state *st, struct shared_advert **out,
    int64_t *version, struct gg_error *err)
{
	struct kept_state now;
	struct advert *a = NULL;
	int rc = store_kept_state(g->store, st->name, &now, err);

	if (rc != 0)
		return rc;
	*version = now.version;
	pthread_mutex_lock(&st->mutex);
	*out = st->kept != NULL && st->kept_version == now.version ?
	    shared_advert_ref(st->kept) :
	    NULL;
	pthread_mutex_unlock(&st->mutex);
	if (*out != NULL)
		return 0;
	/* What changes between the two questions is read as the newer: its
	 * version is asked for again next time. */
	if ((rc = read_list(g, st->name, &a, err)) != 0)
		return rc;
	*out = shared_advert_new(a);
	pthread_mutex_lock(&st->mutex);
	shared_advert_unref(st->kept);
	st->kept = shared_advert_ref(*out);
	st->kept_version = now.version;
	pthread_mutex_unlock(&st->mutex);
	return 0;
}

/* Somebody made a ref upstream, past the gate, that is kept here: nothing of
 * ours is lost, but it is not shown while upstream has its own. */
static void
note_shadowed(struct repo_state *st, size_t n)
{
	bool news;

	pthread_mutex_lock(&st->mutex);
	news = n > st->n_shadowed;
	st->n_shadowed = n;
	pthread_mutex_unlock(&st->mutex);
	if (news)
		log_event(EV_kept_shadowed, kv_str("repository", st->name),
		    kv_u64("refs", n));
}

int
kept_merge(struct gate *g, const char *repository,
    struct shared_advert *upstream, struct shared_advert **out,
    int64_t *version, struct gg_error *err)
{
	struct repo_state *st = gate_repo(g, repository);
	GG_AUTO_ADVERT kept = NULL;
	struct advert *a = NULL;
	size_t shadowed = 0;
	int rc = kept_list(g, st, &kept, version, err);

	if (rc != 0)
		return gg_wrap(err, rc, "refs that the gate keeps");
	if (kept->advert->n_refs == 0) {
		*out = shared_advert_ref(upstream);
		note_shadowed(st, 0);
		return 0;
	}
	rc = advert_merge(upstream->advert, kept->advert, &a, &shadowed, err);
	if (rc != 0)
		return rc;
	note_shadowed(st, shadowed);
	*out = shared_advert_new(a);
	return 0;
}

/* -- their packs -- */

static char *
kept_dir(const struct config *c, const char *repository)
{
	return path_f("%s/kept/%s.git", c->state_dir, repository);
}

static bool
is_of_pack(const char *name, const char *suffix)
{
	return strncmp(name, "pack-", 5) == 0 &&
	    view_has_suffix(view_str(name), suffix);
}

static int
link_one(int from, int to, const char *name, bool durable, uint64_t *bytes,
    struct gg_error *err)
{
	GG_AUTO_FD fd = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || (durable && fsync(fd) != 0) ||
	    (linkat(from, name, to, name, 0) != 0 && errno != EEXIST))
		return gg_fail(err, GG_E_SYS, "%s", name);
	*bytes += (uint64_t)st.st_size;
	return 0;
}

/* Links to the packs in from; git looks for the index first, so it is last.
 * A directory that is not there has none. */
static int
link_packs(const char *from, const char *to, bool durable, uint64_t *bytes,
    struct gg_error *err)
{
	static const char *const order[] = { ".pack", ".rev", ".idx" };
	GG_AUTO_FD target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (target < 0)
		return gg_fail(err, GG_E_SYS, "%s", to);
	for (size_t i = 0; i < GG_COUNT(order) && rc == 0; i++) {
		DIR *d = opendir(from);
		struct dirent *e;

		if (d == NULL)
			return errno == ENOENT ?
			    0 :
			    gg_fail(err, GG_E_SYS, "%s", from);
		while (rc == 0 && (e = readdir(d)) != NULL)
			if (is_of_pack(e->d_name, order[i]))
				rc = link_one(dirfd(d), target, e->d_name,
				    durable, bytes, err);
		(void)closedir(d);
	}
	return rc;
}

/* The directory, and every one above it that may have been made for it. */
static int
sync_up(const struct config *c, const char *dir, struct gg_error *err)
{
	GG_AUTO_MEM char *at = path_f("%s", dir);
	size_t stop = strlen(c->state_dir);
	int rc = 0;

	while (rc == 0 && strlen(at) >= stop) {
		rc = dir_sync(at, err);
		*strrchr(at, '/') = '\0';
	}
	return rc;
}

int
kept_store_pack(const struct config *c, const char *repository,
    const char *push_id, uint64_t *bytes, struct gg_error *err)
{
	GG_AUTO_MEM char *base = kept_dir(c, repository);
	GG_AUTO_MEM char *to = path_f("%s/%s", base, push_id);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s", c->state_dir,
	    push_id);
	GG_AUTO_MEM char *from = path_f("%s/objects/pack", quarantine);
	int rc;

	*bytes = 0;
	/* A restored backup has none; "nothing came" would be a lie. */
	if (access(quarantine, R_OK) != 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "what was pushed is not in quarantine any more: push it "
		    "again");
	if ((rc = dir_make(to, 0700, err)) != 0 ||
	    (rc = link_packs(from, to, true, bytes, err)) != 0)
		return gg_wrap(err, rc, "keeping the pack");
	if (*bytes == 0) { /* deletions, or refs to what is there already */
		(void)rmdir(to);
		return 0;
	}
	return sync_up(c, to, err);
}

void
kept_remove_pack(const struct config *c, const char *repository,
    const char *push_id)
{
	GG_AUTO_MEM char *base = kept_dir(c, repository);
	GG_AUTO_MEM char *dir = path_f("%s/%s", base, push_id);
	struct gg_error err = { 0 };

	if (dir_remove(dir, &err) != 0)
		log_event(EV_mirror_failed, kv_str("repository", repository),
		    kv_str("act", "remove"), kv_err(&err));
}

/* Among all that was ever kept may be what no ref names any more. */
static int
mark_unclean(const char *mirror, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-unclean", mirror);

	return file_write(path, view_str(""), 0600, true, err);
}

int
kept_feed(const struct config *c, const char *repository, const char *push_id,
    struct gg_error *err)
{
	GG_AUTO_MEM char *base = kept_dir(c, repository);
	GG_AUTO_MEM char *mirror = gate_mirror_path(c, repository);
	GG_AUTO_MEM char *to = path_f("%s/objects/pack", mirror);
	GG_AUTO_MEM char *attic = path_f("%s/" MIRROR_ATTIC "/pack", mirror);
	DIR *d = opendir(base);
	uint64_t bytes = 0;
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : gg_fail(err, GG_E_SYS, "%s", base);
	if (push_id == NULL && (rc = mark_unclean(mirror, err)) == 0)
		rc = link_packs(attic, to, false, &bytes, err);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *from = path_f("%s/%s", base, e->d_name);

		if (ulid_is_valid(view_str(e->d_name)) &&
		    (push_id == NULL || strcmp(push_id, e->d_name) == 0))
			rc = link_packs(from, to, false, &bytes, err);
	}
	(void)closedir(d);
	return rc;
}

/* Does the gate still keep all that these updates brought? In doubt no. */
static bool
all_stand(struct gate *g, const char *repository, const struct ref_updates *u)
{
	GG_AUTO_ADVERT kept = NULL;
	struct gg_error err = { 0 };
	int64_t version;

	if (kept_list(g, gate_repo(g, repository), &kept, &version, &err) != 0)
		return false;
	for (size_t i = 0; i < u->n; i++) {
		const struct advert_ref *r = advert_find(kept->advert,
		    view_str(u->v[i].refname));

		if (!oid_is_zero(&u->v[i].new_oid) &&
		    (r == NULL || !oid_eq(&r->oid, &u->v[i].new_oid)))
			return false;
	}
	return true;
}

int
kept_feed_push(struct gate *g, const struct config *c, const char *repository,
    const char *push_id, const struct ref_updates *updates, bool *clean,
    struct gg_error *err)
{
	GG_AUTO_MEM char *mirror = gate_mirror_path(c, repository);
	struct gg_error ignored = { 0 };
	int rc;

	*clean = true;
	if (!all_stand(g, repository, updates))
		return 0;
	FAILPOINT("gate.keep-feeding");
	rc = kept_feed(c, repository, push_id, err);
	*clean = push_id != NULL && rc == 0 &&
	    all_stand(g, repository, updates);
	if (*clean || (rc == 0 && push_id == NULL))
		return rc;
	return mark_unclean(mirror, rc == 0 ? err : &ignored) == 0 ? rc :
								     GG_E_SYS;
}

/* -- repositories that are not configured any more -- */

static int
warn_unserved(void *ctx, const char *repository, const struct kept_state *st)
{
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	GG_AUTO_RELEASE(buf) why = BUF_INIT(1024);

	if (config_find_repository(ctx, view_str(repository), &repo, NULL) == 0)
		return 0;
	buf_addf(&why,
	    "%s is not in the configuration: nobody can fetch what the gate "
	    "keeps of it (refs: %llu)",
	    repository, (unsigned long long)st->refs);
	log_event(EV_config_doubtful, kv_str("why", buf_str(&why)));
	return 0;
}

void
kept_warn(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct gg_error err = { 0 };

	if (store_kept_repositories(g->store, warn_unserved, snap->config,
		&err) != 0)
		log_event(EV_store_failed, kv_err(&err));
}
