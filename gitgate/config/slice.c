/* What the slices of a config have in common. */
#include "config/internal.h"

#include "ipc/codec.h"

void
slice_enc_optional(struct buf *b, const char *s)
{
	enc_u8(b, s != NULL);
	if (s != NULL)
		enc_str(b, s);
}

char *
slice_dec_optional(struct dec *d)
{
	uint8_t there = dec_u8(d);

	if (there > 1)
		d->failed = true;
	return there == 1 ? dec_str(d, SLICE_MAX_TEXT) : NULL;
}
