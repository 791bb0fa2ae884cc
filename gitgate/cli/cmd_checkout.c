/*
 * gitgate pushes checkout: a recorded push as a git repository of its own,
 * also one that was refused. Works on the gate's machine, from the mirror and
 * the recorded pack; what was pushed is data, nothing of it is run.
 */
#include "cli/git.h"
#include "cli/remote.h"

#include "base/fd.h"
#include "base/text.h"
#include "model/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFS_BYTES (64u << 20)

struct checkout {
	const char *dir; /* the new repository */
	char *mirror;    /* bare; may be missing */
	char *pack;      /* recorded; may be missing (only deletes) */
	char *alternates;
	struct stored_push push;
};

static void
checkout_release(struct checkout *c)
{
	free(c->mirror);
	free(c->pack);
	free(c->alternates);
	stored_push_release(&c->push);
}
GG_DEFINE_AUTO_RELEASE(checkout);

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int
make_repository(const struct checkout *c, struct gg_error *err)
{
	GG_AUTO_MEM char *attic = NULL;
	GG_AUTO_MEM char *line = NULL;
	int rc;

	/* our own directory, or nothing is touched */
	if (mkdir(c->dir, 0700) != 0)
		return gg_fail(err, GG_E_SYS, "%s", c->dir);
	rc = git_run(c->dir, -1, NULL, err, "init", "--quiet",
	    "--template=", NULL);
	if (rc != 0 || !exists(c->mirror))
		return rc;
	attic = path_f("%s/" MIRROR_ATTIC, c->mirror);
	line = exists(attic) ? path_f("%s/objects\n%s\n", c->mirror, attic) :
			       path_f("%s/objects\n", c->mirror);
	return file_write(c->alternates, view_str(line), 0600, false, err);
}

static int
add_pack(const struct checkout *c, struct gg_error *err)
{
	GG_AUTO_FD fd = -1;
	struct stat st;

	if ((fd = open(c->pack, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return errno == ENOENT ? 0 :
					 gg_fail(err, GG_E_SYS, "%s", c->pack);
	if (fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", c->pack);
	if (st.st_size == 0)
		return 0;
	return git_run(c->dir, fd, NULL, err, "index-pack", "--stdin",
	    "--fix-thin", NULL);
}

/* The mirror's refs as refs/upstream/..., and the pushed values as
 * refs/pushed/<n>, n counting the updates from 1. */
static int
add_refs(const struct checkout *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT(REFS_BYTES);
	GG_AUTO_MEM char *git_dir = path_f("--git-dir=%s", c->mirror);
	GG_AUTO_FD fd = -1;
	const json_t *u;
	struct oid oid;
	size_t i;
	int rc;

	if (exists(c->mirror) &&
	    (rc = git_run(c->dir, -1, &lines, err, git_dir, "for-each-ref",
		 "--format=create "
		 "refs/upstream/%(refname:lstrip=1) %(objectname)",
		 NULL)) != 0)
		return rc;
	json_array_foreach(c->push.updates, i, u)
	{
		const char *new = json_str(u, "new");

		if (oid_parse(view_str(new), &oid) && !oid_is_zero(&oid))
			buf_addf(&lines, "create refs/pushed/%zu %s\n", i + 1,
			    new);
	}
	if ((rc = buf_check(&lines, err)) != 0)
		return rc;
	if ((fd = fd_memfile("refs", buf_view(&lines), err)) < 0)
		return err->code;
	return git_run(c->dir, fd, NULL, err, "update-ref", "--stdin", NULL);
}

/* Take in what the mirror lends, and stand alone. */
static int
detach(const struct checkout *c, struct gg_error *err)
{
	int rc;

	rc = git_run(c->dir, -1, NULL, err, "repack", "-a", "-d", "-q", NULL);
	if (rc == 0 && unlink(c->alternates) != 0 && errno != ENOENT)
		return gg_fail(err, GG_E_SYS, "%s", c->alternates);
	return rc;
}

/* git says nothing by its exit code of files that it could not make. */
static int
fill_from(const struct checkout *c, const char *commit, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) missing = BUF_INIT(REFS_BYTES);
	int rc;

	rc = git_run(c->dir, -1, NULL, err, "checkout", "--quiet", "--detach",
	    commit, NULL);
	if (rc == 0)
		rc = git_run(c->dir, -1, &missing, err, "ls-files", "--deleted",
		    NULL);
	if (rc == 0 && missing.n > 0)
		rc = gg_fail(err, GG_E_REFUSED,
		    "not every path can be a file here (git ls-files --deleted "
		    "names them)");
	return rc;
}

/* The first pushed commit in the work tree; a tag on a blob has none. */
static int
fill_work_tree(const struct checkout *c, struct gg_error *err)
{
	char name[64];
	size_t n = json_array_size(c->push.updates);

	for (size_t i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "refs/pushed/%zu^{commit}", i);
		if (git_run(c->dir, -1, NULL, NULL, "rev-parse", "--verify",
			"--quiet", name, NULL) == 0)
			return fill_from(c, name, err);
	}
	return 0;
}

/* Why what was pushed is not there, where the pack was not kept. */
static int
explain(const struct checkout *c, int rc, struct gg_error *err)
{
	bool was_kept = c->push.state != PUSH_INVALID &&
	    c->push.state != PUSH_ABORTED;

	if (!json_is_true(json_object_get(c->push.request, "has_pack")) ||
	    exists(c->pack))
		return rc;
	if (!was_kept)
		return gg_fail(err, GG_E_NOTFOUND,
		    "push %s was refused before policy judged it: its pack was "
		    "not kept",
		    c->push.id);
	return gg_fail(err, GG_E_NOTFOUND,
	    "the recording of push %s was removed (retention), and the mirror "
	    "does not have all that it brought",
	    c->push.id);
}

static int
run(const struct checkout *c, struct gg_error *err)
{
	struct gg_error why = { 0 };
	int rc;

	if ((rc = make_repository(c, err)) != 0)
		return rc;
	if ((rc = add_pack(c, err)) != 0 || (rc = add_refs(c, err)) != 0 ||
	    (rc = detach(c, err)) != 0) {
		(void)dir_remove(c->dir, NULL);
		return explain(c, rc, err);
	}
	/* Not every tree can be files, least of all one that was refused for
	 * what it is: its objects are what was asked for. */
	if (fill_work_tree(c, &why) != 0) {
		GG_AUTO_RELEASE(buf) safe = BUF_INIT(65536);

		text_safe_add(&safe, why.msg);
		(void)fprintf(stderr,
		    "gitgate: the work tree is not complete: %s\n",
		    safe.n > 0 ? buf_str(&safe) : "");
	}
	return 0;
}

static void
report(const struct checkout *c)
{
	const json_t *u;
	size_t i;

	say_safe("push ", c->push.id);
	json_array_foreach(c->push.updates, i, u)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

		buf_addf(&b, "refs/pushed/%zu is %s at %s", i + 1,
		    json_str(u, "ref"), json_str(u, "new"));
		say_safe("  ", buf_str(&b));
	}
}

int
cmd_pushes_checkout(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(checkout) c = { 0 };
	GG_AUTO(config) conf = NULL;
	GG_AUTO(store) s = NULL;
	GG_AUTO_MEM char *cwd = NULL;
	GG_AUTO_MEM char *dir = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 2, 2, &w, &err) != 0 ||
	    remote_check_id(w.v[0], &err) != 0)
		return cli_usage(&err);
	if ((cwd = realpath(".", NULL)) == NULL) {
		gg_fail(&err, GG_E_SYS, "the current directory");
		return cli_fail(&err);
	}
	dir = w.v[1][0] == '/' ? path_f("%s", w.v[1]) :
				 path_f("%s/%s", cwd, w.v[1]);
	if (cli_store(cli, &conf, &s, &err) != 0 ||
	    store_push_get(s, w.v[0], &c.push, &err) != 0)
		return cli_fail(&err);
	c.dir = dir;
	c.mirror = path_f("%s/mirrors/%s.git", conf->state_dir,
	    c.push.repository);
	c.pack = path_f("%s/pushes/%s/pack", conf->state_dir, c.push.id);
	c.alternates = path_f("%s/.git/objects/info/alternates", dir);
	if (run(&c, &err) != 0)
		return cli_fail(&err);
	report(&c);
	return cli_flush();
}
