/* gitgate kept prune: what the kept refs of a repository still reach, as one
 * pack; the packs of all earlier pushes go. On the gate's machine. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"
#include "cli/git.h"
#include "role/inspection_order.h"
#include "role/kept_refs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX       1000
#define LIST_MAX_BYTES ((size_t)256 << 20)

/* Pushes under way are soon done; so often it is looked again. */
#define LOOKS_MAX 50
#define LOOK_MS   200

struct prune {
	struct config *c;
	struct store *s;
	const char *repository;
	char *base; /* kept/<repository>.git */
	char id[ULID_SIZE];
	char *dir;       /* of the new pack */
	struct strv old; /* pushes whose packs go */
	struct buf oids; /* what is kept, a line each */
	char *last;      /* name of the last ref that was read */
	size_t n;        /* rows of one question */
	size_t n_open;   /* pushes that may need what would go */
	bool any_held;   /* one of them waits for people */
	uint64_t bytes;  /* of the new pack */
};

static void
prune_release(struct prune *p)
{
	store_free(p->s);
	config_free(p->c);
	strv_release(&p->old);
	buf_release(&p->oids);
	free(p->base);
	free(p->dir);
	free(p->last);
}
GG_DEFINE_AUTO_RELEASE(prune);

static int
add_old(void *ctx, const char *repository, const char *push)
{
	struct prune *p = ctx;

	if (strcmp(repository, p->repository) == 0)
		strv_add(&p->old, push);
	return p->old.failed;
}

static int
add_value(void *ctx, const struct kept_ref *k)
{
	struct prune *p = ctx;
	char hex[OID_HEX + 1];

	oid_format(&k->oid, hex);
	buf_addf(&p->oids, "%s\n", hex);
	free(p->last);
	p->last = path_f("%s", k->ref);
	p->n++;
	return p->oids.failed;
}

/* One that goes upstream is whole without what is kept; of one that is still
 * received nobody knows. */
static int
count_open(void *ctx, const struct stored_push *push)
{
	struct prune *p = ctx;

	if (push->state == PUSH_RECEIVING || kept_in_json(push->updates)) {
		p->n_open++;
		p->any_held |= push->state == PUSH_HELD;
	}
	return 0;
}

/* The packs first: what came since has one that stays. */
static int
read_all(struct prune *p, struct gg_error *err)
{
	int rc = store_kept_pushes(p->s, add_old, p, err);

	free(p->last);
	p->last = path_f("%s", "");
	p->n = ROWS_MAX;
	while (rc == 0 && p->n == ROWS_MAX) {
		GG_AUTO_MEM char *after = path_f("%s", p->last);

		p->n = 0;
		rc = store_kept_list(p->s, p->repository, after, ROWS_MAX,
		    add_value, p, err);
	}
	if (rc == 0)
		rc = strv_check(&p->old, err);
	return rc == 0 ? buf_check(&p->oids, err) : rc;
}

/*
 * A push is judged with the kept refs of its beginning, and may stand on one
 * that is dropped before it ends, or before it is approved. So none may have
 * begun before the refs were read: who begins later sees what is packed.
 */
static int
read_at_rest(struct prune *p, struct gg_error *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	int rc;

	for (unsigned look = 0; look < LOOKS_MAX; look++) {
		strv_release(&p->old);
		buf_clear(&p->oids);
		p->n_open = 0;
		if ((rc = read_all(p, err)) != 0 ||
		    (rc = store_push_open(p->s, p->repository, count_open, p,
			 err)) != 0 ||
		    p->n_open == 0)
			return rc;
		if (p->any_held)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return gg_fail(err, GG_E_REFUSED,
	    "pushes to %s that are on their way, or held to be kept: %zu; they "
	    "may stand on what would go, so try again when they are done",
	    p->repository, p->n_open);
}

static int
sync_one(struct prune *p, int dir, const char *name, struct gg_error *err)
{
	GG_AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || fsync(fd) != 0)
		return gg_fail(err, GG_E_SYS, "%s", name);
	p->bytes += (uint64_t)st.st_size;
	return 0;
}

static int
sync_pack(struct prune *p, struct gg_error *err)
{
	DIR *d = opendir(p->dir);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "%s", p->dir);
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "pack-", 5) == 0)
			rc = sync_one(p, dirfd(d), e->d_name, err);
	(void)closedir(d);
	if (rc == 0)
		rc = dir_sync(p->dir, err);
	return rc == 0 ? dir_sync(p->base, err) : rc;
}

/*
 * The mirror has all of it; where it has not yet, git says so, and nothing
 * has changed. It is not written to: an inspector that is at it removes what
 * a job seems to have left there.
 */
static int
write_pack(struct prune *p, struct gg_error *err)
{
	GG_AUTO_MEM char *mirror = gate_mirror_path(p->c, p->repository);
	GG_AUTO_MEM char *start = path_f("%s/pack", p->dir);
	GG_AUTO_MEM char *objects = path_f("%s/objects", p->dir);
	GG_AUTO_FD in = fd_memfile("kept", buf_view(&p->oids), err);
	int rc;

	if (in < 0)
		return err->code;
	if ((rc = dir_make(p->dir, 0700, err)) != 0 ||
	    (rc = dir_make(objects, 0700, err)) != 0)
		return rc;
	rc = git_run_apart(mirror, objects, in, err, "pack-objects", "--revs",
	    "--quiet", "--delta-base-offset", start, NULL);
	if (rc != 0)
		return gg_wrap(err, rc,
		    "packing what is kept (fetch once, and try again)");
	if ((rc = dir_remove(objects, err)) != 0)
		return rc;
	return sync_pack(p, err);
}

static int
run(struct prune *p, struct gg_error *err)
{
	int rc = read_at_rest(p, err);

	if (rc == 0 && p->oids.n > 0 && (rc = write_pack(p, err)) != 0) {
		(void)dir_remove(p->dir, NULL);
		return rc;
	}
	if (rc == 0)
		rc = cli_note_act(p->s, "admin.kept.prune",
		    json_pack("{s:s, s:I, s:I}", "repository", p->repository,
			"packs", (json_int_t)p->old.n, "bytes",
			(json_int_t)p->bytes),
		    err);
	if (rc == 0)
		rc = store_kept_pruned(p->s, p->repository, &p->old, p->id,
		    p->bytes, err);
	/* A commit that failed may have been made: then all packs stay. */
	for (size_t i = 0; rc == 0 && i < p->old.n; i++) {
		GG_AUTO_MEM char *dir = path_f("%s/%s", p->base, p->old.v[i]);

		rc = dir_remove(dir, err);
	}
	return rc;
}

int
cmd_kept_prune(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(prune) p = { .oids = BUF_INIT(LIST_MAX_BYTES) };
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &p.c, &p.s, &err) != 0 ||
	    config_find_repository(p.c, view_str(w.v[0]), &repo, &err) != 0)
		return cli_fail(&err);
	p.repository = repo.name;
	ulid_new(p.id);
	p.base = path_f("%s/kept/%s.git", p.c->state_dir, p.repository);
	p.dir = path_f("%s/%s", p.base, p.id);
	if (run(&p, &err) != 0)
		return cli_fail(&err);
	say("%zu %s became one of %llu bytes\n", p.old.n,
	    p.old.n == 1 ? "pack" : "packs", (unsigned long long)p.bytes);
	return cli_flush();
}
