#include "role/delivery_batch.h"

#include "ipc/codec.h"

#include <stdlib.h>

#define TEXT_MAX_BYTES 4096

void
delivery_batch_release(struct delivery_batch *b)
{
	free(b->content_type);
	free(b->head);
	free(b->v);
	*b = (struct delivery_batch){ 0 };
}

void
delivery_batch_begin(struct buf *out, const char *content_type,
    const char *head)
{
	enc_str(out, content_type);
	enc_str(out, head);
}

void
delivery_batch_add(struct buf *out, const struct record *r)
{
	const struct view texts[] = { r->time, r->type, r->repository, r->ref,
		r->principal, r->push, r->hold, r->text };

	enc_u64(out, r->seq);
	enc_u8(out, r->severity);
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		enc_bytes(out, texts[i]);
}

static void
decode_record(struct dec *d, struct record *r)
{
	struct view *const texts[] = { &r->time, &r->type, &r->repository,
		&r->ref, &r->principal, &r->push, &r->hold, &r->text };

	r->seq = dec_u64(d);
	r->severity = dec_u8(d);
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		*texts[i] = dec_bytes(d);
	if (r->severity > 7 || r->text.n == 0)
		d->failed = true;
}

int
delivery_batch_decode(struct view v, struct delivery_batch *out,
    struct gg_error *err)
{
	struct dec d = dec_of(v);
	size_t room = 0;

	out->content_type = dec_str(&d, TEXT_MAX_BYTES);
	out->head = dec_str(&d, TEXT_MAX_BYTES);
	while (d.left.n > 0 && !d.failed) {
		if (out->n == room) {
			room = room > 0 ? 2 * room : 64;
			struct record *more = reallocarray(out->v, room,
			    sizeof(*more));

			if (more == NULL)
				return gg_fail(err, GG_E_NOMEM, "a delivery");
			out->v = more;
		}
		decode_record(&d, &out->v[out->n++]);
	}
	if (out->n == 0)
		return gg_fail(err, GG_E_PEER, "a delivery without entries");
	return dec_end(&d, err);
}
