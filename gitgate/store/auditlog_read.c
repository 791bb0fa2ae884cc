/*
 * Reading entries: those of the bundle being filled from memory, others from
 * their files.
 */
#include "store/auditlog_priv.h"

struct view
records_from(struct view records, uint64_t n)
{
	struct view one;

	while (n-- > 0 && tile_next_entry(&records, &one, NULL) == 1)
		;
	return records;
}

/* Copy record number n of some records. */
static int
copy_record(struct view records, uint64_t n, struct buf *out,
    struct gg_error *err)
{
	struct view entry;

	records = records_from(records, n);
	if (tile_next_entry(&records, &entry, NULL) != 1)
		return gg_fail(err, GG_E_CORRUPT, "audit entry is missing");
	buf_addv(out, entry);
	return buf_check(out, err);
}

/* *found: it was in memory. entry and opening may each be NULL. */
static int
read_tail(struct auditlog *l, uint64_t index, struct buf *entry,
    struct buf *opening, bool *found, struct gg_error *err)
{
	uint64_t at;
	int rc = 0;

	(void)pthread_mutex_lock(&l->mu);
	*found = index >= l->tail_first;
	at = index - l->tail_first;
	if (index >= l->durable)
		rc = gg_fail(err, GG_E_NOTFOUND, "there is no entry %llu",
		    (unsigned long long)index);
	if (rc == 0 && *found && entry != NULL)
		rc = copy_record(buf_view(&l->tail), at, entry, err);
	if (rc == 0 && *found && opening != NULL)
		rc = copy_record(buf_view(&l->tail_open), at, opening, err);
	(void)pthread_mutex_unlock(&l->mu);
	return rc;
}

/* From a bundle of that many entries. */
static int
read_file(const char *dir, uint64_t index, unsigned width, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TILE_BUNDLE_MAX_BYTES + 1);
	struct tile t = {
		.is_bundle = true, .n = index / TILE_WIDTH, .width = width
	};
	int rc = tile_fetch(auditlog_fetch_dir, (void *)(uintptr_t)dir, &t, &b,
	    err);

	if (rc != 0)
		return rc;
	return copy_record(buf_view(&b), index % TILE_WIDTH, out, err);
}

static int
read_private(const char *dir, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	struct view rest, one;
	int rc = private_bundle_read(dir, index / TILE_WIDTH, &b, err);

	if (rc != 0)
		return rc;
	rest = records_from(buf_view(&b), index % TILE_WIDTH);
	if (tile_next_entry(&rest, &one, NULL) == 1)
		buf_addv(out, one);
	return buf_check(out, err);
}

int
auditlog_read(struct auditlog *l, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	bool found;
	int rc = read_tail(l, index, out, NULL, &found, err);

	return rc != 0 || found ?
	    rc :
	    read_file(l->dir, index, TILE_WIDTH, out, err);
}

int
auditlog_read_opening(struct auditlog *l, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	bool found;
	int rc = read_tail(l, index, NULL, out, &found, err);

	return rc != 0 || found ? rc : read_private(l->dir, index, out, err);
}

int
auditlog_read_opened(struct auditlog *l, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) entry = BUF_INIT(AUDIT_ENTRY_MAX_BYTES);
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	bool found;
	int rc = read_tail(l, index, &entry, &opening, &found, err);

	if (rc == 0 && !found &&
	    (rc = read_file(l->dir, index, TILE_WIDTH, &entry, err)) == 0)
		rc = read_private(l->dir, index, &opening, err);
	if (rc != 0)
		return rc;
	rc = private_open_text(buf_view(&entry), buf_view(&opening), out, err);
	return rc == 0 ?
	    0 :
	    gg_wrap(err, rc, "entry %llu", (unsigned long long)index);
}

int
auditlog_size_dir(const char *dir, uint64_t *size, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(NOTE_MAX_BYTES);
	struct checkpoint c;
	struct note n;
	int rc;

	rc = auditlog_fetch_dir((void *)(uintptr_t)dir, LOG_CHECKPOINT, &b,
	    err);
	if (rc != 0 || (rc = note_parse(buf_view(&b), &n, err)) != 0 ||
	    (rc = checkpoint_parse(n.text, &c, err)) != 0)
		return gg_wrap(err, rc, "%s/" LOG_CHECKPOINT, dir);
	*size = c.size;
	return 0;
}

int
auditlog_read_dir(const char *dir, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) entry = BUF_INIT(AUDIT_ENTRY_MAX_BYTES);
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	unsigned width = TILE_WIDTH;
	uint64_t size;
	int rc;

	if ((rc = auditlog_size_dir(dir, &size, err)) != 0)
		return rc;
	if (index >= size)
		return gg_fail(err, GG_E_NOTFOUND,
		    "entry %llu is not published", (unsigned long long)index);
	if (index / TILE_WIDTH == size / TILE_WIDTH)
		width = (unsigned)(size % TILE_WIDTH);
	if ((rc = read_file(dir, index, width, &entry, err)) != 0 ||
	    (rc = read_private(dir, index, &opening, err)) != 0)
		return rc;
	rc = private_open_text(buf_view(&entry), buf_view(&opening), out, err);
	return rc == 0 ?
	    0 :
	    gg_wrap(err, rc, "entry %llu", (unsigned long long)index);
}
