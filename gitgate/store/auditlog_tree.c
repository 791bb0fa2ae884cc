#include "base/failpoint.h"
#include "base/fd.h"
#include "base/num.h"
#include "store/auditlog_priv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

void
tree_release(struct tree *t)
{
	free(t->dir);
	t->dir = NULL;
	buf_release(&t->tail);
}

/* Make the directories above dir/path, each durable in its parent. */
static int
make_parents(const char *dir, const char *path, struct gg_error *err)
{
	const char *slash = path;
	int rc;

	while ((slash = strchr(slash, '/')) != NULL) {
		GG_AUTO_MEM char *made = path_f("%s/%.*s", dir,
		    (int)(slash - path), path);

		slash++;
		if (mkdir(made, LOG_DIR_MODE) != 0) {
			if (errno == EEXIST)
				continue;
			return gg_fail(err, GG_E_SYS, "mkdir %s", made);
		}
		*strrchr(made, '/') = '\0';
		if ((rc = dir_sync(made, err)) != 0)
			return rc;
	}
	return 0;
}

int
log_file_write(const char *dir, const char *path, struct view v,
    struct gg_error *err)
{
	GG_AUTO_MEM char *full = path_f("%s/%s", dir, path);
	int rc;

	if ((rc = make_parents(dir, path, err)) != 0)
		return rc;
	return file_write(full, v, LOG_FILE_MODE, true, err);
}

static int
load_level(struct tree *t, unsigned i, uint64_t size, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TILE_BYTES + 1);
	struct level *lv = &t->levels[i];
	struct tile tile = { .level = i,
		.n = tile_full_count(i, size),
		.width = tile_partial_width(i, size) };
	int rc;

	lv->n = tile.n;
	lv->width = tile.width;
	if (tile.width == 0)
		return 0;
	if ((rc = tile_fetch(auditlog_fetch_dir, t->dir, &tile, &b, err)) != 0)
		return rc;
	memcpy(lv->h, b.p, b.n);
	merkle_tree_graft(&t->merkle, 8 * i, lv->h, lv->width);
	return 0;
}

int
tree_load(struct tree *t, const char *dir, uint64_t size, struct gg_error *err)
{
	struct tile bundle = { .is_bundle = true,
		.n = size / TILE_WIDTH,
		.width = tile_partial_width(0, size) };
	struct view rest, entry;
	int rc;

	t->dir = path_f("%s", dir);
	buf_init(&t->tail, TILE_BUNDLE_MAX_BYTES + 1);
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		if ((rc = load_level(t, i, size, err)) != 0)
			return rc;
	if (bundle.width == 0)
		return 0;
	rc = tile_fetch(auditlog_fetch_dir, t->dir, &bundle, &t->tail, err);
	if (rc != 0)
		return rc;
	rest = buf_view(&t->tail);
	for (unsigned i = 0; tile_next_entry(&rest, &entry, NULL) == 1; i++) {
		struct merkle_hash h;

		merkle_leaf(entry, &h);
		if (!merkle_hash_eq(&h, &t->levels[0].h[i]))
			return gg_fail(err, GG_E_CORRUPT,
			    "entry %llu is not what its tile says",
			    (unsigned long long)bundle.n * TILE_WIDTH + i);
	}
	return 0;
}

static int
write_tile(const struct tree *t, const struct tile *tile, struct view v,
    struct gg_error *err)
{
	char path[TILE_PATH_SIZE];

	tile_path(tile, path);
	return log_file_write(t->dir, path, v, err);
}

static int
write_level(struct tree *t, unsigned i, struct gg_error *err)
{
	struct level *lv = &t->levels[i];
	struct tile tile = { .level = i, .n = lv->n, .width = lv->width };
	int rc;

	rc = write_tile(t, &tile,
	    view_of(lv->h, (size_t)lv->width * MERKLE_HASH_BYTES), err);
	if (rc == 0)
		lv->dirty = false;
	return rc;
}

static int
write_bundle(struct tree *t, struct gg_error *err)
{
	struct tile tile = { .is_bundle = true,
		.n = t->levels[0].n,
		.width = t->levels[0].width };

	return write_tile(t, &tile, buf_view(&t->tail), err);
}

/* Add a hash to a level; a tile that is full is written and goes up as one. */
static int
push_hash(struct tree *t, unsigned i, const struct merkle_hash *h,
    struct gg_error *err)
{
	struct merkle_hash up = *h;
	int rc;

	for (; i < TILE_LEVELS; i++) {
		struct level *lv = &t->levels[i];

		lv->h[lv->width++] = up;
		lv->dirty = true;
		if (lv->width < TILE_WIDTH)
			return 0;
		if ((rc = write_level(t, i, err)) != 0)
			return rc;
		merkle_complete_root(lv->h, TILE_WIDTH, &up);
		lv->n++;
		lv->width = 0;
	}
	return gg_fail(err, GG_E_LIMIT, "the audit log is full");
}

static int
add_entry(struct tree *t, struct view entry, struct gg_error *err)
{
	struct merkle_hash h;
	int rc;

	log_record_add(&t->tail, entry);
	if ((rc = buf_check(&t->tail, err)) != 0)
		return rc;
	merkle_leaf(entry, &h);
	merkle_tree_add(&t->merkle, &h);
	if (t->levels[0].width == TILE_WIDTH - 1) {
		/* entries before the hashes that speak of them */
		struct tile tile = { .is_bundle = true,
			.n = t->levels[0].n,
			.width = TILE_WIDTH };

		rc = write_tile(t, &tile, buf_view(&t->tail), err);
		if (rc != 0)
			return rc;
		FAILPOINT("log.after-bundle");
		buf_clear(&t->tail);
	}
	return push_hash(t, 0, &h, err);
}

int
tree_extend(struct tree *t, struct view records, struct gg_error *err)
{
	struct view entry;
	int rc;

	while ((rc = tile_next_entry(&records, &entry, err)) == 1)
		if ((rc = add_entry(t, entry, err)) != 0)
			return rc;
	if (rc != 0)
		return rc;
	if (t->levels[0].width > 0 && (rc = write_bundle(t, err)) != 0)
		return rc;
	FAILPOINT("log.after-bundle");
	for (unsigned i = 0; i < TILE_LEVELS; i++) {
		if (!t->levels[i].dirty || t->levels[i].width == 0)
			continue;
		if ((rc = write_level(t, i, err)) != 0)
			return rc;
		FAILPOINT("log.after-tile");
	}
	return 0;
}

static void
prune_one(const struct tree *t, struct tile tile)
{
	char path[TILE_PATH_SIZE], *slash;
	GG_AUTO_MEM char *full = NULL;

	tile.width = 1;
	tile_path(&tile, path);
	slash = strrchr(path, '/');
	*slash = '\0'; /* the directory of all its widths */
	full = path_f("%s/%s", t->dir, path);
	/* What stays is in nobody's way. */
	(void)dir_remove(full, NULL);
}

void
tree_prune(const struct tree *t, uint64_t old_size)
{
	for (unsigned i = 0; i < TILE_LEVELS; i++) {
		uint64_t n = tile_full_count(i, old_size);

		/* only the first of them can have had partial ones */
		if (n == tile_full_count(i, t->merkle.size))
			continue;
		prune_one(t, (struct tile){ .level = i, .n = n });
		if (i == 0)
			prune_one(t,
			    (struct tile){ .is_bundle = true, .n = n });
	}
}

/* The largest width among the partial tiles in a directory; 0: none. */
static unsigned
widest_partial(const char *path)
{
	DIR *d = opendir(path);
	unsigned widest = 0;
	struct dirent *e;
	uint64_t w;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		if (num_parse(view_str(e->d_name), TILE_WIDTH - 1, &w, NULL) ==
			0 &&
		    w > widest)
			widest = (unsigned)w;
	(void)closedir(d);
	return widest;
}

static bool
is_beyond(const char *dir, struct tile tile, uint64_t size)
{
	GG_AUTO_MEM char *full = NULL, *partial = NULL;
	char path[TILE_PATH_SIZE];
	struct stat st;

	tile.width = TILE_WIDTH;
	tile_path(&tile, path);
	full = path_f("%s/%s", dir, path);
	partial = path_f("%s/%s.p", dir, path);
	return stat(full, &st) == 0 ||
	    widest_partial(partial) > tile_partial_width(0, size);
}

int
tree_check_nothing_beyond(const char *dir, uint64_t size, struct gg_error *err)
{
	uint64_t n = tile_full_count(0, size);

	if (is_beyond(dir, (struct tile){ .is_bundle = true, .n = n }, size) ||
	    is_beyond(dir, (struct tile){ .n = n }, size))
		return gg_fail(err, GG_E_CORRUPT,
		    "%s: there are tiles of more than the %llu entries of "
		    "checkpoint and journal: one of these is older than the "
		    "tiles; restore all of the directory from the same moment",
		    dir, (unsigned long long)size);
	return 0;
}
