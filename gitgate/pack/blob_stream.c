#include "pack/blob_stream.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>

enum {
	IN_BYTES = 65536,
	OUT_BYTES = 65536,
	PACK_TYPE_BLOB = 3,
	ENTRY_HEAD_MAX = 16,
};

static ssize_t
read_at(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t got;

	do
		got = pread(fd, p, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	return got;
}

/* gitformat-pack(5): three bits of type in a number of seven bits a byte. */
static bool
is_whole_blob(int fd, uint64_t *at)
{
	unsigned char head[ENTRY_HEAD_MAX];
	ssize_t got = read_at(fd, head, sizeof(head), *at);

	if (got <= 0 || (head[0] >> 4 & 7) != PACK_TYPE_BLOB)
		return false;
	for (ssize_t i = 0; i < got; i++)
		if (!(head[i] & 0x80)) {
			*at += (uint64_t)i + 1;
			return true;
		}
	return false;
}

static int
bad_entry(struct gg_error *err)
{
	return gg_fail(err, GG_E_CORRUPT, "a blob of the pack is unreadable");
}

static int
inflate_all(z_stream *z, int fd, uint64_t at, uint64_t size, blob_piece piece,
    void *ctx, struct gg_error *err)
{
	unsigned char in[IN_BYTES], out[OUT_BYTES];
	uint64_t done = 0;
	int end = Z_OK, rc;
	ssize_t got;

	while (end != Z_STREAM_END) {
		if (z->avail_in == 0) {
			if ((got = read_at(fd, in, sizeof(in), at)) <= 0)
				return bad_entry(err);
			at += (uint64_t)got;
			z->next_in = in;
			z->avail_in = (uInt)got;
		}
		z->next_out = out;
		z->avail_out = sizeof(out);
		end = inflate(z, Z_NO_FLUSH);
		if (end != Z_OK && end != Z_STREAM_END)
			return bad_entry(err);
		done += sizeof(out) - z->avail_out;
		if (done > size)
			return bad_entry(err);
		rc = piece(ctx, view_of(out, sizeof(out) - z->avail_out), err);
		if (rc != 0)
			return rc;
	}
	return done == size ? 0 : bad_entry(err);
}

int
blob_stream(struct objects *o, int pack_fd, uint32_t i, uint64_t size,
    blob_piece piece, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	uint64_t at = objects_offset(o, i);
	z_stream z = { 0 };
	struct oid oid;
	int rc;

	if (is_whole_blob(pack_fd, &at)) {
		if (inflateInit(&z) != Z_OK)
			return gg_fail(err, GG_E_NOMEM, "blob");
		rc = inflate_all(&z, pack_fd, at, size, piece, ctx, err);
		(void)inflateEnd(&z);
		return rc;
	}
	objects_oid_at(o, i, &oid);
	if ((rc = objects_read(o, &oid, size, &obj, err)) != 0)
		return rc;
	return piece(ctx, obj.data, err);
}
