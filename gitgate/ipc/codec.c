#include "ipc/codec.h"

#include <stdlib.h>
#include <string.h>

void
enc_u8(struct buf *b, uint8_t x)
{
	buf_add(b, &x, 1);
}

void
enc_u32(struct buf *b, uint32_t x)
{
	unsigned char p[4];

	for (int i = 3; i >= 0; i--, x >>= 8)
		p[i] = (unsigned char)(x & 0xff);
	buf_add(b, p, sizeof(p));
}

void
enc_u64(struct buf *b, uint64_t x)
{
	enc_u32(b, (uint32_t)(x >> 32));
	enc_u32(b, (uint32_t)(x & UINT32_MAX));
}

void
enc_i64(struct buf *b, int64_t x)
{
	enc_u64(b, (uint64_t)x);
}

void
enc_bytes(struct buf *b, struct view v)
{
	if (v.n > UINT32_MAX)
		b->failed = GG_E_LIMIT;
	enc_u32(b, (uint32_t)v.n);
	buf_addv(b, v);
}

void
enc_str(struct buf *b, const char *s)
{
	enc_bytes(b, view_str(s));
}

void
enc_strv(struct buf *b, const struct strv *s)
{
	enc_u32(b, (uint32_t)s->n);
	for (size_t i = 0; i < s->n; i++)
		enc_str(b, s->v[i]);
}

static struct view
cut(struct dec *d, size_t n)
{
	struct view v = { 0 };

	if (d->failed || d->left.n < n) {
		d->failed = true;
		return v;
	}
	v = view_of(d->left.p, n);
	view_skip(&d->left, n);
	return v;
}

uint8_t
dec_u8(struct dec *d)
{
	struct view v = cut(d, 1);

	return v.n == 1 ? (uint8_t)v.p[0] : 0;
}

bool
dec_flag(struct dec *d)
{
	uint8_t x = dec_u8(d);

	if (x > 1)
		d->failed = true;
	return x == 1;
}

uint32_t
dec_u32(struct dec *d)
{
	struct view v = cut(d, 4);
	uint32_t x = 0;

	for (size_t i = 0; i < v.n; i++)
		x = x << 8 | (unsigned char)v.p[i];
	return x;
}

uint64_t
dec_u64(struct dec *d)
{
	uint64_t high = dec_u32(d);

	return high << 32 | dec_u32(d);
}

int64_t
dec_i64(struct dec *d)
{
	return (int64_t)dec_u64(d);
}

struct view
dec_bytes(struct dec *d)
{
	return cut(d, dec_u32(d));
}

char *
dec_str(struct dec *d, size_t max)
{
	struct view v = dec_bytes(d);
	char *s;

	if (v.n > max || (v.n > 0 && memchr(v.p, '\0', v.n) != NULL)) {
		d->failed = true;
		v = view_of(NULL, 0);
	}
	if ((s = view_dup(v)) == NULL)
		gg_die("no memory for a field");
	return s;
}

void
dec_strv(struct dec *d, struct strv *out, size_t max)
{
	uint32_t n = dec_count(d, 4);

	if (n > max)
		d->failed = true;
	for (uint32_t i = 0; i < n && !d->failed; i++) {
		char *s = dec_str(d, 4096);

		strv_add(out, s);
		free(s);
	}
}

uint32_t
dec_count(struct dec *d, size_t item_bytes)
{
	uint32_t n = dec_u32(d);

	if (item_bytes > 0 && n > d->left.n / item_bytes) {
		d->failed = true;
		return 0;
	}
	return n;
}

int
dec_end(const struct dec *d, struct gg_error *err)
{
	if (d->failed)
		return gg_fail(err, GG_E_PEER,
		    "a field is missing or too long");
	if (d->left.n != 0)
		return gg_fail(err, GG_E_PEER, "%zu bytes after the last field",
		    d->left.n);
	return 0;
}
