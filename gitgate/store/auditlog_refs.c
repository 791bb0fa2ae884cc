/*
 * Which entry was the last of each (repository, ref), kept in a file beside
 * the tiles, so that a start need not read the whole log for it. The file is
 * made from the log and believed only where it is whole and of this log: its
 * root must be that of the tiles. Otherwise the log is read.
 */
#include "base/fd.h"
#include "crypto/digest.h"
#include "store/auditlog_priv.h"

#include <string.h>

#define LOG_REFS       "refs"
#define REFS_MAX_BYTES ((size_t)1 << 30)
/* A start after a crash reads at most about so many entries. */
#define REFS_EVERY 16384

static const char magic[4] = { 'G', 'G', 'R', '1' };

#define HEAD_BYTES (sizeof(magic) + DIGEST_SHA256_BYTES)
#define ITEM_BYTES (ENTRY_PAIR_BYTES + 8)

static void
put_u64(struct buf *b, uint64_t x)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_addc(b, (char)(x >> shift & 255));
}

static uint64_t
get_u64(struct view *v)
{
	uint64_t x = 0;

	for (int i = 0; i < 8; i++)
		x = x << 8 | (unsigned char)v->p[i];
	view_skip(v, 8);
	return x;
}

/* What follows the head: size, root, then the items. */
static void
write_body(const struct prev_map *m, uint64_t size,
    const struct merkle_hash *root, struct buf *out)
{
	put_u64(out, size);
	buf_add(out, (const char *)root->b, sizeof(root->b));
	for (size_t i = 0; i < m->alloc; i++) {
		if (m->slots[i].index1 == 0)
			continue;
		buf_add(out, (const char *)m->slots[i].pair.b,
		    sizeof(m->slots[i].pair.b));
		put_u64(out, m->slots[i].index1 - 1);
	}
}

static int
read_items(struct view v, uint64_t size, struct prev_map *out)
{
	while (v.n > 0) {
		struct entry_pair pair;
		uint64_t index;
		int rc;

		if (v.n < ITEM_BYTES)
			return GG_E_CORRUPT;
		memcpy(pair.b, v.p, sizeof(pair.b));
		view_skip(&v, sizeof(pair.b));
		index = get_u64(&v);
		if (index >= size)
			return GG_E_CORRUPT;
		if ((rc = prev_map_set(out, &pair, index, NULL)) != 0)
			return rc;
	}
	return 0;
}

/* *size: of the log that it was made from. */
static int
read_refs(const struct auditlog *l, uint64_t published, struct prev_map *out,
    uint64_t *size)
{
	GG_AUTO_RELEASE(buf) file = BUF_INIT(REFS_MAX_BYTES);
	GG_AUTO_MEM char *path = path_f("%s/" LOG_REFS, l->dir);
	unsigned char sum[DIGEST_SHA256_BYTES];
	struct merkle_hash root, want;
	struct view v;
	int rc;

	if ((rc = file_read(path, &file, NULL)) != 0)
		return rc;
	v = buf_view(&file);
	if (v.n < HEAD_BYTES + 8 + sizeof(root.b) ||
	    memcmp(v.p, magic, sizeof(magic)) != 0)
		return GG_E_CORRUPT;
	digest_sha256(v.p + HEAD_BYTES, v.n - HEAD_BYTES, sum);
	if (memcmp(v.p + sizeof(magic), sum, sizeof(sum)) != 0)
		return GG_E_CORRUPT;
	view_skip(&v, HEAD_BYTES);
	*size = get_u64(&v);
	memcpy(root.b, v.p, sizeof(root.b));
	view_skip(&v, sizeof(root.b));
	if (*size == 0 || *size > published)
		return GG_E_STALE;
	rc = tile_root_at(auditlog_fetch_dir, l->dir, *size, published, &want,
	    NULL);
	if (rc != 0 || !merkle_hash_eq(&root, &want))
		return GG_E_STALE;
	return read_items(v, *size, out);
}

uint64_t
log_refs_load(struct auditlog *l, uint64_t published)
{
	GG_AUTO_RELEASE(prev_map) m = { 0 };
	uint64_t size = 0;

	if (read_refs(l, published, &m, &size) != 0)
		return 0;
	prev_map_release(&l->prev);
	l->prev = m;
	m = (struct prev_map){ 0 };
	l->refs_kept = size;
	return size;
}

void
log_refs_keep(struct auditlog *l, bool now)
{
	GG_AUTO_RELEASE(buf) file = BUF_INIT(REFS_MAX_BYTES);
	GG_AUTO_MEM char *path = path_f("%s/" LOG_REFS, l->dir);
	unsigned char sum[DIGEST_SHA256_BYTES] = { 0 };
	struct merkle_hash root;

	/* The map knows of what is queued: only at rest is it that of a
	 * published size. */
	if (l->queued != l->published || l->refs_kept == l->published ||
	    (!now && l->published - l->refs_kept < REFS_EVERY))
		return;
	merkle_tree_root(&l->tree.merkle, &root);
	buf_add(&file, magic, sizeof(magic));
	buf_add(&file, (const char *)sum, sizeof(sum));
	write_body(&l->prev, l->published, &root, &file);
	l->refs_kept = l->published;
	(void)pthread_mutex_unlock(&l->mu);
	if (buf_check(&file, NULL) == 0) {
		digest_sha256(file.p + HEAD_BYTES, file.n - HEAD_BYTES, sum);
		memcpy(file.p + sizeof(magic), sum, sizeof(sum));
		/* Not waited for: without it a start takes longer. */
		(void)!file_write(path, buf_view(&file), LOG_FILE_MODE, false,
		    NULL);
	}
	(void)pthread_mutex_lock(&l->mu);
}
