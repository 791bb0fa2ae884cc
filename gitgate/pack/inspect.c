#include "pack/inspect.h"

#include "base/clock.h"
#include "base/fd.h"
#include "pack/inspect_state.h"

#include <fcntl.h>
#include <git2.h>
#include <limits.h>

enum { STRICT_MAX = 16384, WINDOW = 1 << 20, WINDOWS = 256 << 20 };

/* libgit2 as a reader: no caches beside its own of delta bases, small maps,
 * and no second hashing of what index-pack has just hashed. */
int
inspection_setup_git(struct gg_error *err)
{
	if (git_libgit2_init() < 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "libgit2");
	(void)git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	(void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW);
	(void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT,
	    (size_t)WINDOWS);
	(void)git_libgit2_opts(GIT_OPT_DISABLE_PACK_KEEP_FILE_CHECKS, 1);
	return 0;
}

/* ---- the quarantine as a bare repository ---- */

static int
write_in(const char *dir, const char *name, struct view text,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);

	return file_write(path, text, 0600, false, err);
}

static int
make_dirs(const char *dir, struct gg_error *err)
{
	static const char *const names[] = { "objects/pack", "objects/info",
		"refs/heads" };
	int rc;

	for (size_t i = 0; i < GG_COUNT(names); i++) {
		GG_AUTO_MEM char *path = path_f("%s/%s", dir, names[i]);

		if ((rc = dir_make(path, 0700, err)) != 0)
			return rc;
	}
	return 0;
}

/* git reads it for itself: index-pack asks for no parents of these. */
static int
write_shallow(const struct push_job *job, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(64U << 20);
	struct oid oid;
	int rc;

	if (job->shallow.n == 0)
		return 0;
	for (size_t i = 0; i < job->shallow.n; i++) {
		if (!oid_parse(view_str(job->shallow.v[i]), &oid))
			return gg_fail(err, GG_E_PEER,
			    "malformed shallow line");
		buf_adds(&text, job->shallow.v[i]);
		buf_addc(&text, '\n');
	}
	if ((rc = buf_check(&text, err)) != 0)
		return rc;
	return write_in(job->quarantine, "shallow", buf_view(&text), err);
}

static char *
alternates_of(const struct push_job *job)
{
	GG_AUTO_MEM char *attic = path_f("%s/" MIRROR_ATTIC, job->mirror);

	if (!job->recorded || access(attic, F_OK) != 0)
		return path_f("%s/objects\n", job->mirror);
	return path_f("%s/objects\n%s\n", job->mirror, attic);
}

static int
make_quarantine(const struct push_job *job, struct gg_error *err)
{
	static const char config[] = "[core]\n"
				     "\trepositoryformatversion = 0\n"
				     "\tbare = true\n";
	GG_AUTO_MEM char *alternate = alternates_of(job);
	const char *dir = job->quarantine;
	int rc;

	if ((rc = make_dirs(dir, err)) != 0 ||
	    (rc = write_in(dir, "HEAD", view_str("ref: refs/heads/none\n"),
		 err)) != 0 ||
	    (rc = write_in(dir, "config", view_str(config), err)) != 0 ||
	    (rc = write_in(dir, "objects/info/alternates", view_str(alternate),
		 err)) != 0)
		return rc;
	return write_shallow(job, err);
}

/* ---- begin, feed, finish ---- */

static int
prepare(struct inspection *in, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) strict = BUF_INIT(STRICT_MAX);
	const struct push_job *job = in->job;
	int rc;

	if ((rc = inspection_setup_git(err)) != 0)
		return rc;
	in->git = true;
	if ((rc = fsck_levels(&job->fsck, &strict, &in->relax, err)) != 0 ||
	    (rc = make_quarantine(job, err)) != 0)
		return rc;
	if (!job->has_pack)
		return 0;
	if ((in->scan = pack_scan_new(&job->limits)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "pack scanner");
	return index_child_start(job, buf_str(&strict), &in->child, err);
}

int
inspection_begin(const struct push_job *job, const struct push_job_refs *refs,
    struct inspection **out, const char **limit, struct gg_error *err)
{
	GG_AUTO(inspection) in = calloc(1, sizeof(*in));
	uint64_t wall = job->limits.wall_ms;
	int rc;

	*limit = "";
	if (in == NULL)
		return gg_fail(err, GG_E_NOMEM, "inspection");
	in->job = job;
	in->refs = refs;
	in->limit = limit;
	in->deadline = clock_mono_ms() + (wall > INT_MAX ? INT_MAX : (int)wall);
	if ((rc = prepare(in, err)) != 0)
		return rc;
	in->state = job->has_pack ? INSPECT_FEEDING : INSPECT_INDEXED;
	*out = gg_take(in);
	return 0;
}

void
inspection_secrets(struct inspection *in, struct scanner *s)
{
	in->scanner = s;
}

int
inspection_feed(struct inspection *in, struct view piece, struct gg_error *err)
{
	int rc;

	if (in->state != INSPECT_FEEDING)
		gg_die("inspection_feed out of order");
	if ((rc = pack_scan_feed(in->scan, piece, in->limit, err)) != 0)
		return rc;
	rc = index_child_write(in->child, piece, err);
	if (rc == GG_E_LIMIT)
		*in->limit = "inspection-time";
	return rc;
}

int
inspection_finish(struct inspection *in, struct gg_error *err)
{
	int rc;

	if (in->state == INSPECT_INDEXED)
		return 0; /* there was no pack */
	if (in->state != INSPECT_FEEDING)
		gg_die("inspection_finish out of order");
	if ((rc = pack_scan_end(in->scan, err)) != 0)
		return rc;
	rc = index_child_finish(in->child, in->limit, &in->idx, err);
	if (rc != 0)
		return rc;
	in->state = INSPECT_INDEXED;
	return 0;
}

void
inspection_free(struct inspection *in)
{
	if (in == NULL)
		return;
	index_child_free(in->child);
	pack_scan_free(in->scan);
	commits_release(&in->commits);
	objects_free(in->objects);
	oidmap_release(&in->listed);
	free(in->cut);
	free(in->plans);
	masks_release(&in->masks);
	change_report_free(in->report);
	free(in->idx);
	if (in->git)
		(void)git_libgit2_shutdown();
	free(in);
}
