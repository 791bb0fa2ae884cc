#include "base/failpoint.h"
#include "base/fd.h"
#include "crypto/digest.h"
#include "store/auditlog_priv.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[4] = { 'G', 'G', 'J', '2' };
static const char old_magic[4] = { 'G', 'G', 'J', '1' };

static void
put_be(struct buf *b, uint64_t x, unsigned bytes)
{
	while (bytes-- > 0)
		buf_addc(b, (char)(x >> 8 * bytes & 255));
}

static uint64_t
get_be(const char *p, unsigned bytes)
{
	uint64_t x = 0;

	while (bytes-- > 0)
		x = x << 8 | (unsigned char)*p++;
	return x;
}

int
journal_open(struct journal *j, const char *dir, struct gg_error *err)
{
	struct stat st;

	j->path = path_f("%s/journal", dir);
	j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC,
	    LOG_FILE_MODE);
	if (j->fd < 0 || fstat(j->fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", j->path);
	j->size = (uint64_t)st.st_size;
	return dir_sync(dir, err);
}

void
journal_close(struct journal *j)
{
	fd_close(j->fd);
	j->fd = -1;
	free(j->path);
	j->path = NULL;
}

static int
frame_make(struct buf *out, uint64_t first, uint32_t n, struct view entries,
    struct view openings, struct gg_error *err)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	GG_AUTO(digest_ctx) d = digest_ctx_new();

	buf_add(out, magic, sizeof(magic));
	put_be(out, JOURNAL_INTRO2_BYTES + entries.n + openings.n, 4);
	put_be(out, 0, 8);
	put_be(out, first, 8);
	put_be(out, n, 4);
	put_be(out, entries.n, 4);
	buf_addv(out, entries);
	buf_addv(out, openings);
	if (buf_check(out, err) != 0)
		return gg_fail(err, GG_E_LIMIT, "audit: batch too large");
	digest_ctx_update(d, out->p + 4, 4);
	digest_ctx_update(d, out->p + JOURNAL_HEAD_BYTES,
	    out->n - JOURNAL_HEAD_BYTES);
	digest_ctx_final(d, sum);
	memcpy(out->p + 8, sum, 8);
	return 0;
}

int
journal_append(struct journal *j, uint64_t first, uint32_t n,
    struct view entries, struct view openings, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) frame = BUF_INIT(JOURNAL_FRAME_MAX_BYTES);
	int rc;

	if ((rc = frame_make(&frame, first, n, entries, openings, err)) != 0)
		return rc;
	rc = FAILPOINT_FAILS("log.write") ?
	    gg_fail(err, GG_E_SYS, "write") :
	    fd_write_all(j->fd, buf_view(&frame), err);
	if (rc == 0 && fdatasync(j->fd) != 0)
		rc = gg_fail(err, GG_E_SYS, "sync");
	if (rc != 0) {
		/* Nothing half accepted may come back at the next start. */
		if (ftruncate(j->fd, (off_t)j->size) == 0)
			(void)fdatasync(j->fd);
		return gg_wrap(err, rc, "%s", j->path);
	}
	j->size += frame.n;
	return 0;
}

int
journal_trim(struct journal *j, bool durable, struct gg_error *err)
{
	if (ftruncate(j->fd, 0) != 0 || (durable && fdatasync(j->fd) != 0))
		return gg_fail(err, GG_E_SYS, "%s", j->path);
	j->size = 0;
	return 0;
}

int
journal_replace(struct journal *j, uint64_t first, uint32_t n,
    struct view entries, struct view openings, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) frame = BUF_INIT(JOURNAL_FRAME_MAX_BYTES);
	GG_AUTO_FD fd = -1;
	int rc;

	if (n > 0 &&
	    (rc = frame_make(&frame, first, n, entries, openings, err)) != 0)
		return rc;
	rc = file_write(j->path, buf_view(&frame), LOG_FILE_MODE, true, err);
	if (rc != 0)
		return rc;
	fd = open(j->path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "%s", j->path);
	fd_close(j->fd);
	j->fd = fd_take(&fd);
	j->size = frame.n;
	return 0;
}

/*
 * Is there a whole frame at the start of v? Its payload, borrowed, and its
 * length in *whole.
 */
static bool
frame_at(struct view v, struct view *payload, size_t *whole)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	size_t n;

	if (v.n < JOURNAL_HEAD_BYTES + JOURNAL_INTRO_BYTES ||
	    (memcmp(v.p, magic, sizeof(magic)) != 0 &&
		memcmp(v.p, old_magic, sizeof(magic)) != 0))
		return false;
	n = (size_t)get_be(v.p + 4, 4);
	if (n < JOURNAL_INTRO_BYTES || n > v.n - JOURNAL_HEAD_BYTES)
		return false;
	{
		GG_AUTO(digest_ctx) d = digest_ctx_new();

		digest_ctx_update(d, v.p + 4, 4);
		digest_ctx_update(d, v.p + JOURNAL_HEAD_BYTES, n);
		digest_ctx_final(d, sum);
	}
	if (memcmp(v.p + 8, sum, 8) != 0)
		return false;
	*payload = view_of(v.p + JOURNAL_HEAD_BYTES, n);
	*whole = JOURNAL_HEAD_BYTES + n;
	return true;
}

/* Is there a whole frame anywhere in v, behind its first byte? */
static bool
has_later_frame(struct view v)
{
	struct view payload;
	size_t whole;
	const char *at;

	while (v.n > 1) {
		view_skip(&v, 1);
		at = memmem(v.p, v.n, magic, sizeof(magic) - 1);
		if (at == NULL)
			return false;
		view_skip(&v, (size_t)(at - v.p));
		if (frame_at(v, &payload, &whole))
			return true;
	}
	return false;
}

/*
 * The entries and openings of a frame's payload, behind its first index and
 * its count.
 */
static int
split_payload(struct view payload, bool is_old, struct view *entries,
    struct view *openings, struct gg_error *err)
{
	size_t n;

	*entries = payload;
	*openings = (struct view){ 0 };
	view_skip(entries, JOURNAL_INTRO_BYTES);
	if (is_old)
		return 0;
	n = entries->n < 4 ? SIZE_MAX : (size_t)get_be(entries->p, 4);
	if (n > entries->n - 4)
		return gg_fail(err, GG_E_CORRUPT, "a frame miscounts");
	view_skip(entries, 4);
	*openings = view_of(entries->p + n, entries->n - n);
	entries->n = n;
	return 0;
}

/* *next: the index expected next; UINT64_MAX before the first frame. */
static int
replay_frame(struct view payload, bool is_old, uint64_t from, uint64_t *next,
    journal_cb fn, void *ctx, struct gg_error *err)
{
	uint64_t index = get_be(payload.p, 8);
	uint64_t end = index + get_be(payload.p + 8, 4);
	struct view entries, openings, entry, opening = { 0 };
	int rc;

	if (*next == UINT64_MAX ? index > from : index != *next)
		return gg_fail(err, GG_E_CORRUPT,
		    "the journal goes on with entry %llu where %llu is next",
		    (unsigned long long)index,
		    (unsigned long long)(*next == UINT64_MAX ? from : *next));
	rc = split_payload(payload, is_old, &entries, &openings, err);
	if (rc != 0)
		return rc;
	for (; (rc = tile_next_entry(&entries, &entry, err)) == 1; index++) {
		if (!is_old && tile_next_entry(&openings, &opening, err) != 1)
			break;
		if (index >= from &&
		    (rc = fn(ctx, index, entry, opening, err)) != 0)
			return rc;
	}
	if (rc >= 0 && (index != end || entries.n != 0 || openings.n != 0))
		rc = gg_fail(err, GG_E_CORRUPT, "a frame miscounts");
	*next = end;
	return rc;
}

int
journal_replay(struct journal *j, uint64_t from, journal_cb fn, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) all = BUF_INIT((size_t)1 << 34);
	uint64_t next = UINT64_MAX;
	struct view v, payload;
	size_t whole;
	int rc;

	if ((rc = fd_pread_all(j->fd, &all, err)) != 0)
		return gg_wrap(err, rc, "%s", j->path);
	for (v = buf_view(&all); v.n > 0; view_skip(&v, whole)) {
		if (!frame_at(v, &payload, &whole))
			break;
		rc = replay_frame(payload,
		    memcmp(v.p, old_magic, sizeof(old_magic)) == 0, from, &next,
		    fn, ctx, err);
		if (rc != 0)
			return gg_wrap(err, rc, "%s", j->path);
	}
	if (v.n == 0)
		return 0;
	if (has_later_frame(v))
		return gg_fail(err, GG_E_CORRUPT,
		    "%s: broken at byte %zu, with whole entries behind it: "
		    "stop, copy the directory, check the disk, restore the "
		    "journal from a copy",
		    j->path, all.n - v.n);
	j->size = all.n - v.n;
	if (ftruncate(j->fd, (off_t)j->size) != 0 || fdatasync(j->fd) != 0)
		return gg_fail(err, GG_E_SYS, "%s", j->path);
	return 0;
}
