/*
 * Typed fields of a frame's body or of a stored record. Integers are
 * big-endian; bytes are a u32 length and the bytes.
 *
 * Writers append to a buf (sticky failure, buf_check()). The reader is
 * sticky too: after the first field that is not there, every read yields
 * zero/empty; dec_end() tells once, and requires that nothing is left.
 */
#ifndef GITGATE_IPC_CODEC_H
#define GITGATE_IPC_CODEC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

void enc_u8(struct buf *b, uint8_t x);
void enc_u32(struct buf *b, uint32_t x);
void enc_u64(struct buf *b, uint64_t x);
void enc_i64(struct buf *b, int64_t x);
void enc_bytes(struct buf *b, struct view v);
void enc_str(struct buf *b, const char *s); /* NULL is sent as "" */
void enc_strv(struct buf *b, const struct strv *s);

struct dec {
	struct view left;
	bool failed;
};

static inline struct dec
dec_of(struct view v)
{
	return (struct dec){ .left = v };
}

uint8_t dec_u8(struct dec *d);
/* 0 or 1; anything else fails. */
bool dec_flag(struct dec *d);
uint32_t dec_u32(struct dec *d);
uint64_t dec_u64(struct dec *d);
int64_t dec_i64(struct dec *d);
/* Borrowed from the input. */
struct view dec_bytes(struct dec *d);
/* A malloc'ed string without NUL inside, at most max bytes; "" on failure
 * (never NULL; dies without memory). */
char *dec_str(struct dec *d, size_t max);
/* At most max strings; each at most 4096 bytes. */
void dec_strv(struct dec *d, struct strv *out, size_t max);
/* A count of items that each take at least item_bytes: fails when so many
 * cannot be in what is left. Use it before allocating. */
uint32_t dec_count(struct dec *d, size_t item_bytes);
/* 0; GG_E_PEER when a field was missing or bytes are left over. */
GG_MUST_USE int dec_end(const struct dec *d, struct gg_error *err);

#endif
