#include "proto/gunzip.h"

#include <limits.h>
#include <zlib.h>

#define GUNZIP_CHUNK_BYTES 16384
/* 15 bits of window, and a gzip header is required. */
#define GUNZIP_WINDOW_BITS (15 + 16)

static int
inflate_all(z_stream *z, struct buf *out, struct gg_error *err)
{
	unsigned char chunk[GUNZIP_CHUNK_BYTES];
	int zrc;

	do {
		z->next_out = chunk;
		z->avail_out = sizeof(chunk);
		zrc = inflate(z, Z_NO_FLUSH);
		if (zrc != Z_OK && zrc != Z_STREAM_END)
			return gg_fail(err,
			    zrc == Z_MEM_ERROR ? GG_E_NOMEM : GG_E_PEER,
			    "the gzip body is damaged");
		buf_add(out, chunk, sizeof(chunk) - z->avail_out);
		if (out->failed != 0)
			return buf_check(out, err);
	} while (zrc != Z_STREAM_END);
	if (z->avail_in != 0)
		return gg_fail(err, GG_E_PEER, "bytes after the gzip body");
	return 0;
}

int
gunzip(struct view body, struct buf *out, struct gg_error *err)
{
	z_stream z = { 0 };
	int rc;

	if (body.n > UINT_MAX)
		return gg_fail(err, GG_E_LIMIT, "gzip body too large");
	if (inflateInit2(&z, GUNZIP_WINDOW_BITS) != Z_OK)
		return gg_fail(err, GG_E_NOMEM, "inflate");
	z.next_in = (unsigned char *)(uintptr_t)body.p;
	z.avail_in = (unsigned)body.n;
	rc = inflate_all(&z, out, err);
	(void)inflateEnd(&z);
	return rc;
}
