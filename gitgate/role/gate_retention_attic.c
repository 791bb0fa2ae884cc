#include "role/gate_retention_attic.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "model/job.h"
#include "role/gate_push.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name has no more parts. */
#define DEPTH_MAX 64
/* The clock of pushes and that of files may differ by less. */
#define MARGIN_MS ((int64_t)24 * 3600 * 1000)

struct attic {
	struct gate *gate;
	const struct config *config;
	const char *repository;
	const char *dir; /* .../attic/pack */
	int64_t now_ms;
	struct strv stems; /* of the packs that go: "pack-..." */
	uint64_t bytes;
	bool by_age; /* one of them, though recordings may stand on it */
};

/* -- which -- */

static int
count_one(void *ctx, const struct stored_push *push)
{
	size_t *n = ctx;

	(void)push;
	++*n;
	return 0;
}

/* Is something under way that may stand on it? A held push is fed from there
 * when it is kept (kept_feed()). */
static int
is_open(const struct attic *a, bool *open, struct gg_error *err)
{
	size_t n = 0;
	int rc = store_push_open(a->gate->store, a->repository, count_one, &n,
	    err);

	*open = rc != 0 || n > 0;
	return rc;
}

/* When it came there, it had just been written. */
static int
look_at_pack(struct attic *a, const char *name, const struct stat *st,
    struct gg_error *err)
{
	int64_t came_ms = (int64_t)st->st_mtime * 1000;
	int64_t keep_ms = a->config->retention.attic_ms;
	bool needed = true, kept = false, old;
	int rc = 0;

	old = keep_ms > 0 && a->now_ms - came_ms >= keep_ms;
	if (!old && a->now_ms - came_ms < MARGIN_MS)
		return 0;
	rc = store_recorded_before(a->gate->store, a->repository,
	    came_ms + MARGIN_MS, &needed, err);
	if (rc == 0 && needed && old)
		rc = store_repository_is_kept(a->gate->store, a->repository,
		    &kept, err);
	if (rc != 0 || (needed && (!old || kept)))
		return rc;
	strv_addv(&a->stems, view_of(name, strlen(name) - strlen(".pack")));
	a->bytes += (uint64_t)st->st_size;
	a->by_age = a->by_age || needed;
	return strv_check(&a->stems, err);
}

static int
choose(struct attic *a, struct gg_error *err)
{
	DIR *d = opendir(a->dir);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 :
					 gg_fail(err, GG_E_SYS, "%s", a->dir);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *path = path_f("%s/%s", a->dir, e->d_name);
		struct stat st;

		if (strncmp(e->d_name, "pack-", 5) == 0 &&
		    view_has_suffix(view_str(e->d_name), ".pack") &&
		    lstat(path, &st) == 0)
			rc = look_at_pack(a, e->d_name, &st, err);
	}
	(void)closedir(d);
	return rc;
}

/* -- removing -- */

static int
log_it(const struct attic *a, struct gg_error *err)
{
	json_t *e = json_pack("{s:s, s:o, s:I, s:I, s:s}", "type",
	    "retention.attic", "repository", audit_text(a->repository), "packs",
	    (json_int_t)a->stems.n, "bytes", (json_int_t)a->bytes, "reason",
	    a->by_age ? "age" : "unneeded");

	log_event(EV_retention, kv_str("repository", a->repository),
	    kv_u64("packs", a->stems.n),
	    kv_str("what", "what upstream has lost is removed"));
	return audit_write(a->gate, &e, 1, err);
}

/* The pack last: as long as it is there, it is found again. */
static int
remove_pack(const struct attic *a, const char *stem, struct gg_error *err)
{
	static const char *const order[] = { ".idx", ".mtimes", ".rev",
		".pack" };

	for (size_t i = 0; i < GG_COUNT(order); i++) {
		GG_AUTO_MEM char *path = path_f("%s/%s%s", a->dir, stem,
		    order[i]);

		if (unlink(path) != 0 && errno != ENOENT)
			return gg_fail(err, GG_E_SYS, "%s", path);
	}
	return 0;
}

/* As exclusive as a refresh: a repack would move packs there meanwhile, a push
 * that is kept link them. So it is looked again what goes. */
static int
sweep_alone(struct attic *a, struct gg_error *err)
{
	bool open = true;
	int rc;

	strv_release(&a->stems);
	a->bytes = 0;
	a->by_age = false;
	if ((rc = choose(a, err)) != 0 || a->stems.n == 0 ||
	    (rc = is_open(a, &open, err)) != 0 || open)
		return rc;
	rc = log_it(a, err);
	for (size_t i = 0; rc == 0 && i < a->stems.n; i++)
		rc = remove_pack(a, a->stems.v[i], err);
	return rc == 0 ? dir_sync(a->dir, err) : rc;
}

static int
take_turn(struct attic *a, struct gg_error *err)
{
	struct repo_state *st = gate_repo(a->gate, a->repository);
	bool busy;
	int rc;

	pthread_mutex_lock(&st->mutex);
	busy = st->running;
	st->running = true;
	pthread_mutex_unlock(&st->mutex);
	if (busy)
		return 0; /* in an hour, then */
	rc = sweep_alone(a, err);
	pthread_mutex_lock(&st->mutex);
	st->running = false;
	pthread_cond_broadcast(&st->cond);
	pthread_mutex_unlock(&st->mutex);
	return rc;
}

static int
sweep_one(struct gate *g, const struct config *c, const char *repository,
    const char *dir, struct gg_error *err)
{
	struct attic a = { .gate = g,
		.config = c,
		.repository = repository,
		.dir = dir,
		.now_ms = clock_wall_ms(),
		.stems = STRV_INIT };
	int rc = choose(&a, err);

	if (rc == 0 && a.stems.n > 0)
		rc = take_turn(&a, err);
	strv_release(&a.stems);
	return rc;
}

/* -- all of them -- */

static int sweep_below(struct gate *g, const struct config *c, const char *name,
    unsigned depth, struct gg_error *err);

/* One entry of a directory; name: that of the directory below mirrors/. */
static int
sweep_entry(struct gate *g, const struct config *c, const char *name,
    unsigned depth, const char *entry, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s%s", name, entry);
	GG_AUTO_MEM char *attic = path_f("%s/mirrors/%s/" MIRROR_ATTIC "/pack",
	    c->state_dir, path);

	if (!view_has_suffix(view_str(path), ".git")) {
		GG_AUTO_MEM char *below = path_f("%s/", path);

		return depth < DEPTH_MAX ?
		    sweep_below(g, c, below, depth + 1, err) :
		    0;
	}
	path[strlen(path) - strlen(".git")] = '\0';
	return access(attic, F_OK) == 0 ? sweep_one(g, c, path, attic, err) : 0;
}

static int
sweep_below(struct gate *g, const struct config *c, const char *name,
    unsigned depth, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/mirrors/%s", c->state_dir, name);
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT || errno == ENOTDIR ?
		    0 :
		    gg_fail(err, GG_E_SYS, "%s", dir);
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			rc = sweep_entry(g, c, name, depth, e->d_name, err);
	(void)closedir(d);
	return rc;
}

int
attic_sweep(struct gate *g, const struct config *c, struct gg_error *err)
{
	return sweep_below(g, c, "", 0, err);
}
