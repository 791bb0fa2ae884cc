/*
 * Verification from files alone. One pass over the bundles computes every
 * hash of the tree anew. Where a file differs from that, the signed root tells
 * who is right: if the computed root is the signed one, the entries are good
 * and the file is not; else the entries are not what was signed, and the first
 * one that differs from its tile is named.
 */
#include "base/fd.h"
#include "store/auditlog_priv.h"

#include <stdarg.h>
#include <stdio.h>

/* The first fault of a kind. */
struct fault {
	bool is_set;
	uint64_t index; /* of the entry where it shows */
	char msg[300];
};

struct verifier {
	auditlog_fetch fetch;
	void *ctx;
	uint64_t size;
	uint64_t next; /* index of the next entry */
	struct merkle_tree merkle;
	struct level levels[TILE_LEVELS]; /* computed, not read */
	struct buf tile;                  /* as read */
	struct prev_map prev;
	auditlog_each each; /* NULL: nobody listens */
	void *each_ctx;
	struct fault entry; /* an entry that breaks the rules of the log */
	struct fault leaf;  /* an entry that is not what its tile says */
	struct fault tiles; /* a tile that is not what its entries give */
};

static void verifier_release(struct verifier *v);
GG_DEFINE_AUTO_RELEASE(verifier);

static void
verifier_release(struct verifier *v)
{
	buf_release(&v->tile);
	prev_map_release(&v->prev);
}

static void set_fault(struct fault *f, uint64_t index, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void
set_fault(struct fault *f, uint64_t index, const char *fmt, ...)
{
	va_list ap;

	if (f->is_set)
		return;
	f->is_set = true;
	f->index = index;
	va_start(ap, fmt);
	(void)vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
}

/* seq, and the chain of its (repository, ref). */
static int
check_entry(struct verifier *v, const char *path, struct view entry,
    struct gg_error *err)
{
	struct gg_error why = { 0 };
	struct entry_facts f;
	unsigned long long at = v->next, was;
	json_auto_t *j = NULL;
	uint64_t last = 0;
	bool has_last;

	if (entry_load(entry, &f, &j, &why) != 0) {
		if (why.code == GG_E_NOMEM)
			return gg_fail(err, GG_E_NOMEM, "%s", why.msg);
		set_fault(&v->entry, at, "%s: entry %llu: %s", path, at,
		    why.msg);
		return 0;
	}
	if (v->each != NULL)
		v->each(v->each_ctx, v->next, j);
	was = f.seq;
	if (f.seq != v->next)
		set_fault(&v->entry, at, "%s: entry %llu says it is %llu", path,
		    at, was);
	has_last = f.has_pair && prev_map_get(&v->prev, &f.pair, &last);
	was = last;
	if (has_last && (!f.has_prev || f.prev != last))
		set_fault(&v->entry, at,
		    "%s: entry %llu does not name entry %llu as the previous "
		    "one of its ref",
		    path, at, was);
	if (!has_last && f.has_prev)
		set_fault(&v->entry, at,
		    "%s: entry %llu names a previous one that is not there",
		    path, at);
	return f.has_pair ? prev_map_set(&v->prev, &f.pair, v->next, err) : 0;
}

/* Compare a computed level's tile with the one that is published. */
static int
compare_tile(struct verifier *v, unsigned i, struct gg_error *err)
{
	const struct level *lv = &v->levels[i];
	struct tile t = { .level = i, .n = lv->n, .width = lv->width };
	unsigned long long first;
	char path[TILE_PATH_SIZE], bundle[TILE_PATH_SIZE];
	unsigned at = 0;
	int rc;

	if (t.width == 0)
		return 0;
	if ((rc = tile_fetch(v->fetch, v->ctx, &t, &v->tile, err)) != 0)
		return rc;
	if (memcmp(v->tile.p, lv->h, v->tile.n) == 0)
		return 0;
	while (memcmp(v->tile.p + (size_t)at * MERKLE_HASH_BYTES, lv->h[at].b,
		   MERKLE_HASH_BYTES) == 0)
		at++;
	first = (lv->n * TILE_WIDTH + at) << 8 * i;
	tile_path(&t, path);
	set_fault(&v->tiles, first,
	    "%s: hash %u is not that of the entries from %llu on", path, at,
	    first);
	t.is_bundle = true;
	tile_path(&t, bundle);
	if (i == 0)
		set_fault(&v->leaf, first,
		    "%s: entry %llu is not what was logged (%s)", bundle, first,
		    path);
	return 0;
}

static int
add_hash(struct verifier *v, const struct merkle_hash *h, struct gg_error *err)
{
	struct merkle_hash up = *h;
	int rc;

	for (unsigned i = 0; i < TILE_LEVELS; i++) {
		struct level *lv = &v->levels[i];

		lv->h[lv->width++] = up;
		if (lv->width < TILE_WIDTH)
			return 0;
		if ((rc = compare_tile(v, i, err)) != 0)
			return rc;
		merkle_complete_root(lv->h, TILE_WIDTH, &up);
		lv->n++;
		lv->width = 0;
	}
	return gg_fail(err, GG_E_CORRUPT, "the log is too large");
}

static int
check_bundle(struct verifier *v, const struct tile *t, struct buf *b,
    struct gg_error *err)
{
	struct view rest, entry;
	struct merkle_hash h;
	char path[TILE_PATH_SIZE];
	int rc;

	tile_path(t, path);
	if ((rc = tile_fetch(v->fetch, v->ctx, t, b, err)) != 0)
		return rc;
	rest = buf_view(b);
	while ((rc = tile_next_entry(&rest, &entry, err)) == 1) {
		if ((rc = check_entry(v, path, entry, err)) != 0)
			return rc;
		merkle_leaf(entry, &h);
		merkle_tree_add(&v->merkle, &h);
		v->next++;
		if ((rc = add_hash(v, &h, err)) != 0)
			return rc;
	}
	return rc;
}

static int
check_all(struct verifier *v, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TILE_BUNDLE_MAX_BYTES + 1);
	int rc;

	while (v->next < v->size) {
		struct tile t = { .is_bundle = true,
			.n = v->next / TILE_WIDTH,
			.width = TILE_WIDTH };

		if (v->size - v->next < TILE_WIDTH)
			t.width = (unsigned)(v->size - v->next);
		if ((rc = check_bundle(v, &t, &b, err)) != 0)
			return rc;
	}
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		if ((rc = compare_tile(v, i, err)) != 0)
			return rc;
	return 0;
}

static int
judge(const struct verifier *v, const struct merkle_hash *signed_root,
    struct gg_error *err)
{
	const struct fault *f = &v->tiles;
	struct merkle_hash root;

	merkle_tree_root(&v->merkle, &root);
	if (!merkle_hash_eq(&root, signed_root)) {
		if (v->leaf.is_set)
			f = &v->leaf;
		if (!f->is_set && !v->entry.is_set)
			return gg_fail(err, GG_E_CORRUPT,
			    "checkpoint: its root is not that of the %llu "
			    "entries",
			    (unsigned long long)v->size);
	}
	if (v->entry.is_set && (!f->is_set || v->entry.index <= f->index))
		f = &v->entry;
	if (f->is_set)
		return gg_fail(err, GG_E_CORRUPT, "%s", f->msg);
	return 0;
}

int
auditlog_verify_each(auditlog_fetch fetch, void *ctx, const char *vkey,
    auditlog_each each, void *each_ctx, uint64_t *size, char root_b64[45],
    struct gg_error *err)
{
	GG_AUTO_RELEASE(verifier)
	v = { .fetch = fetch, .ctx = ctx, .each = each, .each_ctx = each_ctx };
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	struct checkpoint c = { 0 };
	struct note_vkey key;
	int rc;

	buf_init(&v.tile, TILE_BYTES + 1);
	if ((rc = note_vkey_parse(view_str(vkey), &key, err)) != 0)
		return rc;
	rc = fetch(ctx, "checkpoint", &note, err);
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_CORRUPT, "checkpoint is missing");
	if (rc == 0)
		rc = checkpoint_open(buf_view(&note), &key, &c, err);
	if (rc != 0)
		return gg_wrap(err, rc, "checkpoint");
	v.size = c.size;
	if ((rc = check_all(&v, err)) != 0)
		return rc;
	if ((rc = judge(&v, &c.root, err)) != 0)
		return rc;
	*size = c.size;
	checkpoint_root_base64(&c.root, root_b64);
	return 0;
}

int
auditlog_verify(auditlog_fetch fetch, void *ctx, const char *vkey,
    uint64_t *size, char root_b64[45], struct gg_error *err)
{
	return auditlog_verify_each(fetch, ctx, vkey, NULL, NULL, size,
	    root_b64, err);
}

int
auditlog_fetch_dir(void *ctx, const char *path, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *full = NULL;
	struct tile t;
	int rc;

	/* Only what a log has: so there is no way out of the directory. */
	if (strcmp(path, "checkpoint") != 0 && strcmp(path, "cosigned") != 0 &&
	    (rc = tile_path_parse(view_str(path), &t, err)) != 0)
		return rc;
	full = path_f("%s/%s", (const char *)ctx, path);
	return file_read(full, out, err);
}
