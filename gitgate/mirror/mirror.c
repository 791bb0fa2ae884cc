#include "mirror/mirror.h"

#include "base/failpoint.h"
#include "base/fd.h"
#include "mirror/mirror_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_REFS_BYTES ((size_t)512 << 20)
/* So many refs that moved are asked for their ancestry; with more the mirror
 * counts as unclean until it is repacked. */
#define MAX_ANCESTRY_CHECKS 256

/* Packs that are open at once; a job may have 1024 files (sandbox/limits.c). */
#define OPEN_PACKS_MAX ((size_t)256)

static const char config_text[] = "[core]\n"
				  "\trepositoryformatversion = 0\n"
				  "\tfilemode = true\n"
				  "\tbare = true\n"
				  "\tbigFileThreshold = 1m\n"
				  "[gc]\n"
				  "\tauto = 0\n"
				  "[maintenance]\n"
				  "\tauto = false\n";

int
mirror_git_fail(struct gg_error *err, enum gg_code code, const char *what)
{
	const git_error *e = git_error_last();

	return gg_fail(err, code, "%s: %s", what,
	    e == NULL || e->message == NULL ? "no reason given" : e->message);
}

void
mirror_free(struct mirror *m)
{
	if (m == NULL)
		return;
	child_release(&m->child);
	/* What was not taken over is worth nothing. */
	if (m->incoming != NULL)
		(void)dir_remove(m->incoming, NULL);
	git_odb_free(m->odb);
	if (m->odb != NULL)
		(void)git_libgit2_shutdown();
	ref_list_release(&m->now);
	ref_list_release(&m->next);
	ref_list_release(&m->kept_now);
	ref_list_release(&m->kept_next);
	buf_release(&m->next_shallow);
	free(m->head);
	free(m->next_head);
	free(m->wants);
	free(m->haves);
	free(m->incoming);
	free(m->path);
	fd_close(m->lock_fd);
	free(m);
}

void
mirror_warm_up(void)
{
	/* Never shut down: the process has one job. Where it fails, the job
	 * fails in the same way and can say so. */
	(void)git_libgit2_init();
}

int
mirror_make_dir(const char *path, struct gg_error *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return gg_fail(err, GG_E_SYS, "mkdir of the mirror");
	return 0;
}

int
mirror_open_odb(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/objects", m->path);

	if (m->odb != NULL)
		return 0;
	if (git_libgit2_init() < 0)
		return mirror_git_fail(err, GG_E_NOMEM, "libgit2");
	/* index-pack has just hashed what is here, so reading need not. */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	/* A mirror that is fed again has as many packs as pushes were kept:
	 * more than a job may have files open. */
	(void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, OPEN_PACKS_MAX);
	if (git_odb_open(&m->odb, dir) != 0) {
		(void)mirror_git_fail(err, GG_E_CORRUPT, "mirror's objects");
		(void)git_libgit2_shutdown();
		return GG_E_CORRUPT;
	}
	return 0;
}

bool
mirror_has_object(const struct mirror *m, const struct oid *o)
{
	git_oid id;

	memcpy(id.id, o->b, OID_BYTES);
	return git_odb_exists_ext(m->odb, &id, GIT_ODB_LOOKUP_NO_REFRESH) == 1;
}

static int
file_make(const struct mirror *m, const char *name, const char *text,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", m->path, name);

	if (access(path, F_OK) == 0)
		return 0;
	return file_write(path, view_str(text), 0600, false, err);
}

/* HEAD comes last: without it git takes the directory for no repository. */
static int
make_skeleton(const struct mirror *m, struct gg_error *err)
{
	static const char *const dirs[] = { "refs/heads", "objects/pack",
		"objects/info" };
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(dirs) && rc == 0; i++) {
		GG_AUTO_MEM char *dir = path_f("%s/%s", m->path, dirs[i]);

		rc = dir_make(dir, 0700, err);
	}
	if (rc == 0)
		rc = file_make(m, "config", config_text, err);
	if (rc == 0)
		rc = file_make(m, "HEAD", MIRROR_HEAD_UNKNOWN "\n", err);
	return rc;
}

static bool
is_leftover(const char *name)
{
	return strncmp(name, "incoming-", 9) == 0 ||
	    strncmp(name, "tmp_", 4) == 0 || strncmp(name, ".tmp-", 5) == 0 ||
	    view_has_suffix(view_str(name), ".tmp") ||
	    view_has_suffix(view_str(name), ".lock");
}

/* Remove what a job that died has left in one directory. */
static int
remove_leftovers(const struct mirror *m, const char *below,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/%s", m->path, below);
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "%s of the mirror", below);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *path = path_f("%s/%s", dir, e->d_name);

		if (is_leftover(e->d_name))
			rc = dir_remove(path, err);
	}
	(void)closedir(d);
	return rc;
}

static int
take_lock(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-lock", m->path);

	m->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (m->lock_fd < 0)
		return gg_fail(err, GG_E_SYS, "the mirror's lock");
	while (flock(m->lock_fd, LOCK_EX) != 0) {
		if (errno != EINTR)
			return gg_fail(err, GG_E_SYS, "the mirror's lock");
	}
	return 0;
}

static int
set_unclean(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-unclean", m->path);

	return file_write(path, view_str(""), 0600, true, err);
}

/* A file of ours that cannot be read is as good as none: everything is
 * compared with upstream again. But what lies in objects/ is unknown then. */
static int
read_refs(struct mirror *m, bool repair, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/packed-refs", m->path);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_REFS_BYTES);
	int rc = file_read(path, &b, err);

	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = packed_refs_parse(buf_view(&b), &m->now, err);
	if (rc != GG_E_CORRUPT || !repair)
		return rc;
	m->refs_broken = true;
	return set_unclean(m, err);
}

static int
read_head(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/HEAD", m->path);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct view line, text;
	int rc = file_read(path, &b, err);

	if (rc != 0)
		return rc;
	text = buf_view(&b);
	if (!view_cut(&text, '\n', &line))
		line = text;
	if ((m->head = view_dup(line)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "HEAD");
	return 0;
}

bool
mirror_is_hidden(const struct strv *hidden, const char *name)
{
	for (size_t i = 0; hidden != NULL && i < hidden->n; i++) {
		size_t n = strlen(hidden->v[i]);

		if (strncmp(name, hidden->v[i], n) == 0 &&
		    (name[n] == '\0' || name[n] == '/'))
			return true;
	}
	return false;
}

static struct mirror *
mirror_new(const char *path)
{
	struct mirror *m = calloc(1, sizeof(*m));

	if (m == NULL || (m->path = strdup(path)) == NULL)
		gg_die("no memory for a mirror");
	m->lock_fd = -1;
	m->child = CHILD_INIT;
	m->next_shallow = BUF_INIT(MAX_REFS_BYTES);
	return m;
}

bool
mirror_head_is_hidden(const char *path, const struct strv *hidden)
{
	GG_AUTO(mirror) m = mirror_new(path);

	if (read_head(m, NULL) != 0)
		return true;
	return strncmp(m->head, "ref: ", 5) == 0 &&
	    mirror_is_hidden(hidden, m->head + 5);
}

int
mirror_open(const char *path, struct mirror **out, struct gg_error *err)
{
	GG_AUTO(mirror) m = mirror_new(path);
	int rc = mirror_make_dir(path, err);

	if (rc == 0)
		rc = take_lock(m, err);
	if (rc == 0)
		rc = make_skeleton(m, err);
	if (rc == 0)
		rc = remove_leftovers(m, ".", err);
	if (rc == 0)
		rc = remove_leftovers(m, "objects/pack", err);
	if (rc == 0)
		rc = read_refs(m, true, err);
	if (rc == 0)
		rc = mirror_read_kept(m, err);
	if (rc == 0)
		rc = read_head(m, err);
	if (rc == 0)
		*out = gg_take(m);
	return rc;
}

int
mirror_open_readonly(const char *path, struct mirror **out,
    struct gg_error *err)
{
	GG_AUTO(mirror) m = mirror_new(path);
	int rc = read_head(m, err);

	if (rc == 0)
		rc = read_refs(m, false, err);
	if (rc == 0)
		*out = gg_take(m);
	return rc;
}

bool
mirror_is_clean(const struct mirror *m)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-unclean", m->path);

	return access(path, F_OK) != 0 && errno == ENOENT;
}

uint32_t
mirror_n_packs(const struct mirror *m)
{
	GG_AUTO_MEM char *dir = path_f("%s/objects/pack", m->path);
	DIR *d = opendir(dir);
	struct dirent *e;
	uint32_t n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += view_has_suffix(view_str(e->d_name), ".pack") ? 1 : 0;
	(void)closedir(d);
	return n;
}

/* Applying */

/* What a tag object names in the end, or zero. */
static int
peel(const struct mirror *m, const struct oid *oid, struct oid *out,
    struct gg_error *err)
{
	git_repository *repo = NULL;
	git_object *tag = NULL, *to = NULL;
	git_object_t type;
	git_oid id;
	size_t bytes;
	int rc = 0;

	*out = (struct oid){ 0 };
	memcpy(id.id, oid->b, OID_BYTES);
	if (git_odb_read_header(&bytes, &type, m->odb, &id) != 0)
		return mirror_git_fail(err, GG_E_PEER, "upstream's tip");
	if (type != GIT_OBJECT_TAG)
		return 0;
	if (git_repository_wrap_odb(&repo, m->odb) != 0 ||
	    git_object_lookup(&tag, repo, &id, GIT_OBJECT_TAG) != 0 ||
	    git_tag_peel(&to, (git_tag *)tag) != 0)
		rc = mirror_git_fail(err, GG_E_PEER, "upstream's tag");
	else
		memcpy(out->b, git_object_id(to)->id, OID_BYTES);
	git_object_free(to);
	git_object_free(tag);
	git_repository_free(repo);
	return rc;
}

/* Upstream's own word on what a tag peels to is not taken. */
static int
peel_all(struct mirror *m, struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < m->next.n && rc == 0; i++) {
		struct mirror_ref *r = &m->next.v[i];
		const struct mirror_ref *was = ref_list_find(&m->now, r->name);

		if (was != NULL && oid_eq(&was->oid, &r->oid))
			r->peeled = was->peeled;
		else
			rc = peel(m, &r->oid, &r->peeled, err);
	}
	return rc;
}

/* Is the old value reachable still? Asked the cheap ways only: no when in
 * doubt. */
static bool
is_kept(git_repository *repo, const struct mirror_ref *was,
    const struct mirror_ref *now, const struct oid *tips, size_t n_tips)
{
	git_oid a, b;

	if (oids_find(tips, n_tips, &was->oid) != NULL)
		return true;
	if (now == NULL || !oid_is_zero(&was->peeled))
		return false;
	memcpy(a.id, now->oid.b, OID_BYTES);
	memcpy(b.id, was->oid.b, OID_BYTES);
	return git_graph_descendant_of(repo, &a, &b) == 1;
}

/* Will an object that is there be reachable no more? */
static int
find_lost(struct mirror *m, bool *lost, struct gg_error *err)
{
	GG_AUTO_MEM struct oid *tips = NULL;
	git_repository *repo = NULL;
	size_t checks = 0, n_tips;

	if (m->next.n > 0 &&
	    (tips = reallocarray(NULL, m->next.n, sizeof(*tips))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "tips");
	for (size_t i = 0; i < m->next.n; i++)
		tips[i] = m->next.v[i].oid;
	n_tips = oids_sort_unique(tips, m->next.n);
	if (git_repository_wrap_odb(&repo, m->odb) != 0)
		return mirror_git_fail(err, GG_E_NOMEM, "mirror");
	*lost = false;
	for (size_t i = 0; i < m->now.n && !*lost; i++) {
		const struct mirror_ref *was = &m->now.v[i];
		const struct mirror_ref *now = ref_list_find(&m->next,
		    was->name);

		if (now != NULL && oid_eq(&now->oid, &was->oid))
			continue;
		*lost = ++checks > MAX_ANCESTRY_CHECKS ||
		    !is_kept(repo, was, now, tips, n_tips);
	}
	git_repository_free(repo);
	return 0;
}

/* A HEAD without a branch that moves on leaves its old commit behind. */
static bool
head_lost(const struct mirror *m)
{
	return strncmp(m->head, "ref: ", 5) != 0 &&
	    strcmp(m->head, m->next_head) != 0;
}

static int
write_refs(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/packed-refs", m->path);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_REFS_BYTES);
	int rc;

	packed_refs_format(&m->next, &b);
	if ((rc = buf_check(&b, err)) != 0)
		return rc;
	return file_write(path, buf_view(&b), 0600, true, err);
}

/* Loose refs are none of ours and would shadow packed-refs. */
static int
drop_loose_refs(const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/refs", m->path);
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "refs of the mirror");
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *path = path_f("%s/%s", dir, e->d_name);

		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = dir_remove(path, err);
	}
	(void)closedir(d);
	return rc;
}

static int
write_head(struct mirror *m, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/HEAD", m->path);
	GG_AUTO_MEM char *line = path_f("%s\n", m->next_head);

	return file_write(path, view_str(line), 0600, true, err);
}

static int
move_refs(struct mirror *m, bool refs, bool head, struct gg_error *err)
{
	bool lost = false;
	int rc = 0;

	if (refs && (rc = peel_all(m, err)) != 0)
		return rc;
	if (refs && (rc = find_lost(m, &lost, err)) != 0)
		return rc;
	FAILPOINT("mirror.before-refs");
	if ((lost || head_lost(m)) && (rc = set_unclean(m, err)) != 0)
		return rc;
	rc = mirror_kept_before(m, err);
	if (rc == 0 && refs)
		rc = write_refs(m, err);
	if (rc == 0)
		rc = mirror_kept_after(m, err);
	if (rc == 0 && head)
		rc = write_head(m, err);
	return rc;
}

int
mirror_apply(struct mirror *m, bool *changed, struct gg_error *err)
{
	bool refs = m->refs_broken || !ref_list_same(&m->now, &m->next);
	bool head = strcmp(m->head, m->next_head) != 0;
	int rc = mirror_take_incoming(m, err);

	if (rc == 0)
		rc = move_refs(m, refs, head, err);
	if (rc == 0)
		rc = drop_loose_refs(m, err);
	if (rc == 0)
		*changed = refs || head;
	return rc;
}
