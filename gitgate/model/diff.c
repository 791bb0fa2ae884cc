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

void
diff_file_encode(struct buf *body, const struct diff_file *f)
{
	enc_bytes(body, f->old_path);
	enc_bytes(body, f->new_path);
	enc_u32(body, f->old_mode);
	enc_u32(body, f->new_mode);
	enc_u64(body, f->old_bytes);
	enc_u64(body, f->new_bytes);
	enc_u8(body, f->flags);
	enc_bytes(body, f->old_oid);
	enc_bytes(body, f->new_oid);
}

static bool
is_hex_or_empty(struct view v)
{
	struct oid oid;

	return v.n == 0 || oid_parse(v, &oid);
}

int
diff_file_decode(struct view body, struct diff_file *out, struct gg_error *err)
{
	struct dec d = dec_of(body);

	out->old_path = dec_bytes(&d);
	out->new_path = dec_bytes(&d);
	out->old_mode = dec_u32(&d);
	out->new_mode = dec_u32(&d);
	out->old_bytes = dec_u64(&d);
	out->new_bytes = dec_u64(&d);
	out->flags = dec_u8(&d);
	out->old_oid = dec_bytes(&d);
	out->new_oid = dec_bytes(&d);
	if (!is_hex_or_empty(out->old_oid) || !is_hex_or_empty(out->new_oid))
		return gg_fail(err, GG_E_PEER, "diff: a malformed oid");
	return dec_end(&d, err);
}
