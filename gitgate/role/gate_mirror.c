#include "role/gate.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More packs than this in a mirror and it is repacked in the background. */
#define PACKS_MAX 50

struct refresh {
	struct gate *g;
	const struct snapshot *snap;
	const struct repo_ref *repo;
	struct repo_state *state;
	uint32_t kept_missing; /* as the last job found */
};

static int
make_parents(const char *path, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s", path);
	char *slash = strrchr(dir, '/');

	if (slash != NULL)
		*slash = '\0';
	return dir_make(dir, 0700, err);
}

static int
send_job(struct refresh *r, int sock, enum msg_type type, int fd,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8192);
	GG_AUTO_RELEASE(mirror_job) job = { 0 };
	int rc;

	job.mirror = gate_mirror_path(r->snap->config, r->repo->name);
	strv_copy(&job.refs, &r->repo->conf->refs);
	job.sandbox_required = r->g->sandbox_required;
	gate_job_limits(&r->snap->config->limits, &job.limits);
	mirror_job_encode(&job, &body);
	if ((rc = buf_check(&body, err)) != 0 ||
	    (rc = make_parents(job.mirror, err)) != 0)
		return rc;
	return frame_send(sock, type, 0, buf_view(&body), &fd, fd >= 0 ? 1 : 0,
	    err);
}

static int64_t
job_deadline(const struct refresh *r)
{
	const struct limits *l = &r->snap->config->limits;

	return clock_mono_ms() +
	    (int64_t)(l->upstream_total_ms + l->inspection_ms);
}

static int
take_done(struct refresh *r, const struct frame *f, bool *changed,
    struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	bool clean;
	uint32_t packs;
	int rc;

	r->kept_missing = 0;
	*changed = dec_u8(&d) != 0;
	clean = dec_u8(&d) != 0;
	packs = dec_u32(&d);
	r->kept_missing = dec_u32(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	pthread_mutex_lock(&r->state->mutex);
	r->state->clean = clean;
	r->state->n_packs = packs;
	pthread_mutex_unlock(&r->state->mutex);
	return 0;
}

/* The inspector needs objects: the courier's bytes go straight to it. */
static int
feed(struct refresh *r, int sock, struct frame *f, struct gg_error *err)
{
	GG_AUTO_FD list = frame_take_fd(f, 0);
	int p[2], rc;

	if (list < 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector asked for nothing");
	if (pipe2(p, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	rc = frame_send(sock, MSG_MIRROR_PACK, 0, view_str(""), &p[0], 1, err);
	fd_close(p[0]);
	if (rc != 0) {
		fd_close(p[1]);
		return rc;
	}
	if ((rc = courier_fetch(r->g, r->repo->name, list, p[1], err)) != 0)
		return rc;
	return frame_send(sock, MSG_MIRROR_PACK_OK, 0, view_str(""), NULL, 0,
	    err);
}

static int
update_mirror(struct refresh *r, const struct advert *a, bool *changed,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	GG_AUTO_FD sock = -1;
	GG_AUTO_FD refs = -1;
	int64_t deadline = job_deadline(r);
	int rc;

	advert_encode(a, &bytes);
	if ((rc = buf_check(&bytes, err)) != 0)
		return rc;
	if ((refs = fd_memfile("refs", buf_view(&bytes), err)) < 0)
		return err->code;
	if ((rc = inspectors_take(r->g, &sock, err)) != 0 ||
	    (rc = send_job(r, sock, MSG_JOB_MIRROR, refs, err)) != 0)
		return rc;
	rc = inspector_expect(sock, MSG_MIRROR_NEED, MSG_MIRROR_DONE, deadline,
	    &f, &limit, err);
	if (rc == 0 && f.type == MSG_MIRROR_NEED) {
		if ((rc = feed(r, sock, &f, err)) == 0)
			rc = inspector_expect(sock, MSG_MIRROR_DONE, MSG_NONE,
			    deadline, &f, &limit, err);
	}
	return rc != 0 ? rc : take_done(r, &f, changed, err);
}

static void repack(void *arg);

struct later {
	struct gate *g;
	char name[REPOSITORY_MAX_BYTES + 1];
};

static void
run_later(struct gate *g, const char *repository, void (*fn)(void *))
{
	struct later *l = calloc(1, sizeof(*l));
	struct gg_error err = { 0 };

	if (l == NULL)
		return;
	l->g = g;
	(void)snprintf(l->name, sizeof(l->name), "%s", repository);
	if (http_server_run(g->http, fn, l, &err) != 0)
		free(l); /* the next fetch or push does it */
}

/* Its directory was removed, or a repack took away what no ref named yet. */
static int
feed_kept(struct refresh *r, const struct advert *a, struct gg_error *err)
{
	bool changed;
	int rc;

	pthread_mutex_lock(&r->state->mutex);
	r->state->clean = false;
	r->state->n_fed++;
	pthread_mutex_unlock(&r->state->mutex);
	rc = kept_feed(r->snap->config, r->repo->name, NULL, err);
	if (rc == 0)
		rc = update_mirror(r, a, &changed, err);
	if (rc == 0 && r->kept_missing > 0)
		log_event(EV_kept_lost, kv_str("repository", r->repo->name),
		    kv_u64("refs", r->kept_missing));
	return rc;
}

static int
follow(struct refresh *r, const struct advert *a, struct gg_error *err)
{
	bool changed;
	int rc = update_mirror(r, a, &changed, err);

	if (rc == 0 && r->kept_missing > 0)
		rc = feed_kept(r, a, err);
	return rc != 0 ? rc : out_of_band_mirrored(r->g, r->repo, err);
}

static int
refresh_once(struct refresh *r, struct gg_error *err)
{
	GG_AUTO(advert) a = NULL;
	GG_AUTO_ADVERT fresh = NULL;
	GG_AUTO_ADVERT has = NULL;
	struct repo_state *st = r->state;
	bool same, unclean;
	struct shared_advert *old;
	int64_t asked_ms = clock_wall_ms(), kept;
	int rc;

	rc = courier_list(r->g, r->repo->name, false, false, &a, err);
	if (rc != 0)
		return rc;
	fresh = shared_advert_new(gg_take(a));
	rc = kept_merge(r->g, r->repo->name, fresh, &has, &kept, err);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&st->mutex);
	same = st->seen != NULL &&
	    advert_same_refs(st->seen->advert, has->advert);
	pthread_mutex_unlock(&st->mutex);
	if ((rc = out_of_band_check(r->g, r->snap, r->repo, st, fresh, asked_ms,
		 err)) != 0 ||
	    (!same && (rc = follow(r, has->advert, err)) != 0))
		return rc;
	pthread_mutex_lock(&st->mutex);
	st->refreshed_wall_ms = clock_wall_ms();
	st->seen_kept = kept;
	if (!same) {
		old = st->seen;
		st->seen = shared_advert_ref(has);
		shared_advert_unref(old);
	}
	unclean = !st->clean || st->n_packs > PACKS_MAX;
	pthread_mutex_unlock(&st->mutex);
	gate_count(r->g, METRIC_REFRESHES);
	if (!same && unclean)
		run_later(r->g, r->repo->name, repack);
	return 0;
}

/* With st->mutex held: become the runner, give it up meanwhile. */
static void
run_refresh(struct refresh *r)
{
	struct repo_state *st = r->state;
	/* What a push has read before we read is in the mirror after us. */
	GG_AUTO_ADVERT before = st->push_refs != NULL ?
	    shared_advert_ref(st->push_refs) :
	    NULL;
	struct gg_error err = { 0 };
	uint64_t mine = ++st->started;
	int rc;

	st->running = true;
	st->running_after = before;
	pthread_mutex_unlock(&st->mutex);
	rc = refresh_once(r, &err);
	if (rc != 0)
		log_event(EV_mirror_failed, kv_str("repository", st->name),
		    kv_err(&err));
	pthread_mutex_lock(&st->mutex);
	st->running = false;
	st->running_after = NULL;
	if (rc == 0 && before != NULL && st->push_refs == before)
		st->push_refs_mirrored = true;
	st->done = mine;
	st->done_rc = rc;
	st->failed_wall_ms = rc != 0 ? clock_wall_ms() : 0;
	st->done_err = err;
	pthread_cond_broadcast(&st->cond);
}

int
mirror_refresh(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, struct shared_advert **seen,
    struct gg_error *err)
{
	struct refresh r = { g, snap, repo, gate_repo(g, repo->name), 0 };
	struct repo_state *st = r.state;
	uint64_t want;
	int rc;

	pthread_mutex_lock(&st->mutex);
	/* One that runs already may have read upstream before we came. */
	want = st->started + 1;
	while (st->done < want) {
		if (st->running)
			pthread_cond_wait(&st->cond, &st->mutex);
		else
			run_refresh(&r);
	}
	rc = st->done_rc;
	if (rc != 0)
		*err = st->done_err;
	else if (seen != NULL)
		*seen = shared_advert_ref(st->seen);
	pthread_mutex_unlock(&st->mutex);
	return rc;
}

bool
mirror_has_followed(struct gate *g, const char *repository,
    const struct shared_advert *push_refs, int64_t kept_version)
{
	struct repo_state *st = gate_repo(g, repository);
	bool yes;

	pthread_mutex_lock(&st->mutex);
	while (st->running && st->running_after == push_refs)
		pthread_cond_wait(&st->cond, &st->mutex);
	yes = st->push_refs == push_refs && st->push_refs_mirrored &&
	    st->seen_kept == kept_version;
	pthread_mutex_unlock(&st->mutex);
	return yes;
}

static void
refresh_in_background(void *arg)
{
	struct later *l = arg;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(l->g);
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	struct gg_error err = { 0 };

	/* A failure is logged where it happens, and the next one tries again. */
	if (config_find_repository(snap->config, view_str(l->name), &repo,
		&err) == 0)
		(void)!mirror_refresh(l->g, snap, &repo, NULL, &err);
	free(l);
}

void
mirror_refresh_later(struct gate *g, const char *repository)
{
	run_later(g, repository, refresh_in_background);
}

static void
repack_now(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo)
{
	struct refresh r = { g, snap, repo, gate_repo(g, repo->name), 0 };
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	GG_AUTO_FD sock = -1;
	struct gg_error err = { 0 };
	bool changed;
	int rc;

	if ((rc = inspectors_take(g, &sock, &err)) == 0)
		rc = send_job(&r, sock, MSG_JOB_REPACK, -1, &err);
	if (rc == 0)
		rc = inspector_expect(sock, MSG_MIRROR_DONE, MSG_NONE,
		    job_deadline(&r), &f, &limit, &err);
	if (rc == 0)
		rc = take_done(&r, &f, &changed, &err);
	if (rc != 0)
		log_event(EV_mirror_failed, kv_str("repository", repo->name),
		    kv_str("act", "repack"), kv_err(&err));
}

/* As exclusive as a refresh, by the same flag. */
static void
repack(void *arg)
{
	struct later *l = arg;
	struct repo_state *st = gate_repo(l->g, l->name);
	GG_AUTO_SNAPSHOT snap = gate_snapshot(l->g);
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	struct gg_error err = { 0 };

	if (config_find_repository(snap->config, view_str(l->name), &repo,
		&err) == 0) {
		pthread_mutex_lock(&st->mutex);
		while (st->running)
			pthread_cond_wait(&st->cond, &st->mutex);
		st->running = true;
		st->n_repacks++;
		pthread_mutex_unlock(&st->mutex);
		repack_now(l->g, snap, &repo);
		pthread_mutex_lock(&st->mutex);
		st->running = false;
		pthread_cond_broadcast(&st->cond);
		pthread_mutex_unlock(&st->mutex);
	}
	free(l);
}

/* -- what an accepted push brought -- */

static bool
is_pack_file(const char *name)
{
	size_t n = strlen(name);
	const char *dot;

	if (strncmp(name, "pack-", 5) != 0 || n < 5 + OID_HEX + 4)
		return false;
	dot = name + 5 + OID_HEX;
	for (const char *p = name + 5; p < dot; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
			return false;
	return strcmp(dot, ".pack") == 0 || strcmp(dot, ".idx") == 0 ||
	    strcmp(dot, ".rev") == 0;
}

/* The index last: git and libgit2 look for it first. */
static int
adopt_kind(const char *from, const char *to, const char *suffix,
    struct gg_error *err)
{
	DIR *d = opendir(from);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : gg_fail(err, GG_E_SYS, "%s", from);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *a = path_f("%s/%s", from, e->d_name);
		GG_AUTO_MEM char *b = path_f("%s/%s", to, e->d_name);

		if (!is_pack_file(e->d_name) ||
		    !view_has_suffix(view_str(e->d_name), suffix))
			continue;
		GG_AUTO_FD fd = open(a, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 || fsync(fd) != 0 || rename(a, b) != 0)
			rc = gg_fail(err, GG_E_SYS, "%s", e->d_name);
	}
	(void)closedir(d);
	return rc;
}

void
mirror_adopt(struct gate *g, const struct config *c, const char *repository,
    const char *push_id)
{
	static const char *const order[] = { ".pack", ".rev", ".idx" };
	struct repo_state *st = gate_repo(g, repository);
	GG_AUTO_MEM char *from = path_f("%s/quarantine/%s/objects/pack",
	    c->state_dir, push_id);
	GG_AUTO_MEM char *mirror = gate_mirror_path(c, repository);
	GG_AUTO_MEM char *to = path_f("%s/objects/pack", mirror);
	struct gg_error err = { 0 };
	int rc = 0;

	pthread_mutex_lock(&st->mutex);
	while (st->running)
		pthread_cond_wait(&st->cond, &st->mutex);
	st->running = true;
	pthread_mutex_unlock(&st->mutex);
	for (size_t i = 0; i < GG_COUNT(order) && rc == 0; i++)
		rc = adopt_kind(from, to, order[i], &err);
	if (rc == 0)
		rc = dir_sync(to, &err);
	if (rc != 0) /* the next refresh fetches it from upstream */
		log_event(EV_mirror_failed, kv_str("repository", repository),
		    kv_str("act", "adopt"), kv_err(&err));
	pthread_mutex_lock(&st->mutex);
	st->running = false;
	pthread_cond_broadcast(&st->cond);
	pthread_mutex_unlock(&st->mutex);
}
