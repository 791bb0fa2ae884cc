/* A pack from upstream: indexed and checked apart, then taken over. */
#include "mirror/mirror_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "model/job.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A directory of its own per pack, so that a child whose parent was killed
 * cannot disturb the next one. Its alternate is the mirror's objects, for
 * thin packs' bases and for the check of links.
 */
static int
make_incoming(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/incoming-%d-%lld", m->path,
	    (int)getpid(), (long long)clock_mono_ns());
	GG_AUTO_MEM char *packs = path_f("%s/pack", dir);
	GG_AUTO_MEM char *info = path_f("%s/info", dir);
	GG_AUTO_MEM char *alternates = path_f("%s/alternates", info);
	int rc = dir_make(packs, 0700, err);

	if (rc == 0)
		rc = dir_make(info, 0700, err);
	if (rc == 0)
		rc = file_write(alternates, view_str("../objects\n"), 0600,
		    false, err);
	m->incoming = gg_take(dir);
	return rc;
}

/* Before index-pack runs, which must know where history is cut. */
static int
write_shallow(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/shallow", m->path);

	if (m->next_shallow.n > 0)
		return file_write(path, buf_view(&m->next_shallow), 0600, true,
		    err);
	if (unlink(path) != 0 && errno != ENOENT)
		return gg_fail(err, GG_E_SYS, "the mirror's shallow file");
	return 0;
}

static void
fill_env(const struct mirror *m, struct strv *env)
{
	GG_AUTO_RELEASE(strv) config = STRV_INIT;

	strv_add(&config, "core.bigFileThreshold");
	strv_add(&config, "1m");
	strv_add(&config, "pack.threads");
	strv_add(&config, "2");
	strv_add(&config, "pack.windowMemory");
	strv_add(&config, "128m");
	mirror_git_env(&config, env);
	strv_addf(env, "GIT_DIR=%s", m->path);
	if (m->incoming != NULL)
		strv_addf(env, "GIT_OBJECT_DIRECTORY=%s", m->incoming);
}

int
mirror_receive_start(struct mirror *m, int pack_fd, int *done_fd,
    struct gg_error *err)
{
	/*
	 * The last option makes index-pack look for everything that an
	 * object of the pack refers to, in the pack and in the mirror. With
	 * objects/ being closed, that is the whole check of connectivity.
	 */
	static const char *const args[] = { "index-pack", "--stdin",
		"--fix-thin", "--check-self-contained-and-connected", NULL };
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	int rc = make_incoming(m, err);

	if (rc == 0)
		rc = write_shallow(m, err);
	if (rc != 0)
		return rc;
	fill_env(m, &env);
	if ((rc = child_start(&m->child, args, &env, pack_fd, err)) != 0)
		return rc;
	*done_fd = m->child.out_fd;
	return 0;
}

static int
check_tips(const struct mirror *m, struct gg_error *err)
{
	char hex[OID_HEX + 1];

	for (size_t i = 0; i < m->n_wants; i++) {
		if (mirror_has_object(m, &m->wants[i]))
			continue;
		oid_format(&m->wants[i], hex);
		return gg_fail(err, GG_E_PEER,
		    "upstream's pack lacks %s, which it was asked for", hex);
	}
	return 0;
}

int
mirror_receive_finish(struct mirror *m, struct gg_error *err)
{
	/* 1: the pack stands on objects that the mirror has. */
	int rc = child_wait(&m->child, 1, GG_E_PEER, "upstream's pack", err);

	if (rc != 0)
		return rc;
	if (git_odb_add_disk_alternate(m->odb, m->incoming) != 0)
		return mirror_git_fail(err, GG_E_SYS, "received pack");
	return check_tips(m, err);
}

static int
rename_with_suffix(const struct mirror *m, const char *suffix,
    struct gg_error *err)
{
	GG_AUTO_MEM char *from = path_f("%s/pack", m->incoming);
	DIR *d = opendir(from);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "received pack");
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *a = path_f("%s/%s", from, e->d_name);
		GG_AUTO_MEM char *b = path_f("%s/objects/pack/%s", m->path,
		    e->d_name);

		if (view_has_suffix(view_str(e->d_name), suffix) &&
		    rename(a, b) != 0)
			rc = gg_fail(err, GG_E_SYS, "taking the pack over");
	}
	(void)closedir(d);
	return rc;
}

int
mirror_take_incoming(struct mirror *m, struct gg_error *err)
{
	/* git sees a pack when its index is there: so that comes last. */
	static const char *const order[] = { ".pack", ".rev", ".idx" };
	GG_AUTO_MEM char *packs = path_f("%s/objects/pack", m->path);
	int rc = 0;

	if (m->incoming == NULL)
		return 0;
	for (size_t i = 0; i < GG_COUNT(order) && rc == 0; i++)
		rc = rename_with_suffix(m, order[i], err);
	if (rc == 0)
		rc = dir_sync(packs, err);
	if (rc == 0)
		rc = dir_remove(m->incoming, err);
	if (rc != 0)
		return rc;
	free(m->incoming);
	m->incoming = NULL;
	git_odb_free(m->odb);
	(void)git_libgit2_shutdown();
	m->odb = NULL;
	return mirror_open_odb(m, err);
}

int
mirror_repack_start(struct mirror *m, int *done_fd, struct gg_error *err)
{
	/* What no ref of upstream's leads to comes into a pack of its own. */
	static const char *const args[] = { "repack", "--cruft", "-d", "-q",
		"--write-bitmap-index", NULL };
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	int rc;

	fill_env(m, &env);
	if ((rc = child_start(&m->child, args, &env, -1, err)) != 0)
		return rc;
	*done_fd = m->child.out_fd;
	return 0;
}

/* The files of one cruft pack, its index last, as git wants it. */
static int
move_pack(const struct mirror *m, struct view stem, struct gg_error *err)
{
	static const char *const order[] = { ".rev", ".pack", ".idx",
		".mtimes" };

	for (size_t i = 0; i < GG_COUNT(order); i++) {
		GG_AUTO_MEM char *name = path_f("%.*s%s", (int)stem.n, stem.p,
		    order[i]);
		GG_AUTO_MEM char *from = path_f("%s/objects/pack/%s", m->path,
		    name);
		GG_AUTO_MEM char *to = path_f("%s/" MIRROR_ATTIC "/pack/%s",
		    m->path, name);

		if (rename(from, to) != 0 && errno != ENOENT)
			return gg_fail(err, GG_E_SYS, "the mirror's attic");
	}
	return 0;
}

/*
 * Out of the mirror, which is to have only what upstream has; recorded pushes
 * may stand on it (thin packs, what they are compared with). What a crash left
 * half moved is a cruft pack again after the next repack.
 */
static int
keep_apart(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *packs = path_f("%s/objects/pack", m->path);
	GG_AUTO_MEM char *attic = path_f("%s/" MIRROR_ATTIC "/pack", m->path);
	DIR *d = opendir(packs);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "the mirror's packs");
	while (rc == 0 && (e = readdir(d)) != NULL) {
		struct view stem = view_str(e->d_name);

		if (!view_has_suffix(stem, ".mtimes"))
			continue;
		stem.n -= strlen(".mtimes");
		if ((rc = dir_make(attic, 0700, err)) == 0)
			rc = move_pack(m, stem, err);
	}
	(void)closedir(d);
	return rc;
}

int
mirror_repack_finish(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-unclean", m->path);
	int rc = child_wait(&m->child, 0, GG_E_SYS, "repacking", err);

	if (rc != 0 || (rc = keep_apart(m, err)) != 0)
		return rc;
	if (unlink(path) != 0 && errno != ENOENT)
		return gg_fail(err, GG_E_SYS, "the mirror's marker");
	return 0;
}
