#include "model/diff.h"

#include "ipc/codec.h"

static bool
kind_is_known(uint8_t kind)
{
	switch ((enum diff_kind)kind) {
	case DIFF_UPDATE:
	case DIFF_COMMIT:
	case DIFF_FILE:
	case DIFF_HUNK:
	case DIFF_CONTEXT:
	case DIFF_ADDED:
	case DIFF_REMOVED:
	case DIFF_NO_NEWLINE:
	case DIFF_CUT:
		return true;
	}
	return false;
}

void
diff_record_encode(struct buf *out, enum diff_kind kind, struct view body)
{
	enc_u8(out, (uint8_t)kind);
	enc_bytes(out, body);
}

int
diff_record_next(struct view *in, enum diff_kind *kind, struct view *body,
    struct gg_error *err)
{
	struct dec d = dec_of(*in);
	uint8_t k;
	struct view b;

	if (in->n == 0)
		return 0;
	k = dec_u8(&d);
	b = dec_bytes(&d);
	if (d.failed)
		return gg_fail(err, GG_E_PEER, "diff: a record is cut off");
	if (!kind_is_known(k))
		return gg_fail(err, GG_E_PEER, "diff: record of kind %u",
		    (unsigned)k);
	*kind = (enum diff_kind)k;
	*body = b;
	*in = d.left;
	return 1;
}
