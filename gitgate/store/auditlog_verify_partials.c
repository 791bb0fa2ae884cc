/*
 * Partial tiles of earlier sizes, which stay until the full one is there and
 * are served to whoever asks for a proof of then: each has to be the beginning
 * of the tile that was verified.
 */
#include "base/fd.h"
#include "store/auditlog_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* tile/entries/x123/456.p/7, and more groups than any log has. */
#define DEPTH_MAX 10

struct partials {
	const char *dir;
	uint64_t size;
	struct tile last; /* whose bytes were verified; width 0: none */
	struct buf good, bytes;
};
static void
partials_release(struct partials *p)
{
	buf_release(&p->good);
	buf_release(&p->bytes);
}
GG_DEFINE_AUTO_RELEASE(partials);

/* The tile that t is a beginning of, in the log of that size. False: t is of a
 * later one. */
static bool
widest(const struct partials *p, const struct tile *t, struct tile *out)
{
	uint64_t full = tile_full_count(t->level, p->size);

	*out = *t;
	out->width = t->n < full ? TILE_WIDTH :
	    t->n == full         ? tile_partial_width(t->level, p->size) :
				   0;
	return out->width >= t->width;
}

static int
read_good(struct partials *p, const struct tile *t, struct gg_error *err)
{
	int rc;

	if (p->last.width == t->width && p->last.n == t->n &&
	    p->last.level == t->level && p->last.is_bundle == t->is_bundle)
		return 0;
	p->last.width = 0;
	rc = tile_fetch(auditlog_fetch_dir, (void *)(uintptr_t)p->dir, t,
	    &p->good, err);
	if (rc == 0)
		p->last = *t;
	return rc;
}

/* As many bytes as the first n entries, or hashes, have. */
static size_t
beginning(const struct partials *p, const struct tile *t)
{
	struct view rest = buf_view(&p->good), entry;

	if (!t->is_bundle)
		return (size_t)t->width * MERKLE_HASH_BYTES;
	for (unsigned i = 0; i < t->width; i++)
		if (tile_next_entry(&rest, &entry, NULL) != 1)
			break;
	return p->good.n - rest.n;
}

static int
check_partial(struct partials *p, const char *path, const struct tile *t,
    struct gg_error *err)
{
	struct tile whole;
	size_t n;
	int rc;

	if (!widest(p, t, &whole) || whole.width == t->width)
		return 0;
	buf_clear(&p->bytes);
	rc = auditlog_fetch_dir((void *)(uintptr_t)p->dir, path, &p->bytes,
	    err);
	if (rc == GG_E_NOTFOUND) /* the full one has come meanwhile */
		return 0;
	if (rc != 0 && rc != GG_E_LIMIT)
		return gg_wrap(err, rc, "%s", path);
	if (rc == 0 && (rc = read_good(p, &whole, err)) != 0)
		return rc;
	n = rc == 0 ? beginning(p, t) : 0;
	if (rc != 0 || p->bytes.n != n || memcmp(p->bytes.p, p->good.p, n) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "%s: it is not the first %u of the tile that was verified",
		    path, t->width);
	return 0;
}

/* Whose log it is may have made the directory for us: links to directories
 * could lead on for ever. */
static bool
is_dir(DIR *d, const char *name)
{
	struct stat st;

	return fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode);
}

static int
walk(struct partials *p, const char *path, unsigned depth, struct gg_error *err)
{
	GG_AUTO_MEM char *full = path_f("%s/%s", p->dir, path);
	DIR *d = opendir(full);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT || errno == ENOTDIR ?
		    0 :
		    gg_fail(err, GG_E_SYS, "%s", path);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *sub = path_f("%s/%s", path, e->d_name);
		struct tile t;

		if (e->d_name[0] == '.')
			continue;
		if (tile_path_parse(view_str(sub), &t, NULL) == 0)
			rc = check_partial(p, sub, &t, err);
		else if (depth > 0 && is_dir(d, e->d_name))
			rc = walk(p, sub, depth - 1, err);
	}
	(void)closedir(d);
	return rc;
}

int
auditlog_verify_partials(const char *dir, uint64_t size, struct gg_error *err)
{
	GG_AUTO_RELEASE(partials) p = { .dir = dir, .size = size };

	buf_init(&p.good, TILE_BUNDLE_MAX_BYTES + 1);
	buf_init(&p.bytes, TILE_BUNDLE_MAX_BYTES + 1);
	return walk(&p, "tile", DEPTH_MAX, err);
}
