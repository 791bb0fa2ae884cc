#include "audit/receipt.h"

#include "audit/tile.h"
#include "base/num.h"
#include "base/text.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

void
receipt_release(struct receipt *r)
{
	buf_release(&r->entry);
}

void
proof_lines_format(const struct merkle_proof *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		base64_encode(out, view_of(p->h[i].b, sizeof(p->h[i].b)));
		buf_addc(out, '\n');
	}
}

bool
proof_line_parse(struct view line, struct merkle_proof *p)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(64);

	if (p->n == MERKLE_PROOF_MAX || line.n != CHECKPOINT_ROOT_SIZE - 1 ||
	    base64_decode(&raw, line, NULL) != 0 || raw.n != MERKLE_HASH_BYTES)
		return false;
	memcpy(p->h[p->n++].b, raw.p, MERKLE_HASH_BYTES);
	return true;
}

void
receipt_format(const struct receipt *r, struct buf *out)
{
	buf_adds(out, FIRST_LINE "\n");
	if (r->has_entry) {
		buf_adds(out, "extra ");
		base64_encode(out, buf_view(&r->entry));
		buf_addc(out, '\n');
	}
	buf_addf(out, "index %llu\n", (unsigned long long)r->index);
	proof_lines_format(&r->proof, out);
	buf_addc(out, '\n');
	buf_addv(out, r->checkpoint);
}

/* "extra <base64>", where there is one. */
static int
parse_extra(struct view *line, struct view *text, struct receipt *out,
    struct gg_error *err)
{
	if (!view_has_prefix(*line, "extra "))
		return 0;
	view_skip(line, strlen("extra "));
	buf_init(&out->entry, TILE_ENTRY_MAX_BYTES);
	out->has_entry = true;
	if (base64_decode(&out->entry, *line, NULL) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "the receipt's extra line is no base64 of an entry");
	if (!view_cut(text, '\n', line))
		*line = (struct view){ 0 };
	return 0;
}

static bool
parse_index(struct view line, uint64_t *index)
{
	if (!view_has_prefix(line, "index "))
		return false;
	view_skip(&line, strlen("index "));
	if (line.n == 0 || (line.p[0] == '0' && line.n > 1))
		return false;
	return num_parse(line, MERKLE_SIZE_MAX, index, NULL) == 0;
}

int
receipt_parse(struct view text, struct receipt *out, struct gg_error *err)
{
	struct view line;
	int rc;

	if (text.n > RECEIPT_MAX_BYTES)
		return gg_fail(err, GG_E_CORRUPT, "the receipt is too long");
	if (!view_cut(&text, '\n', &line) || !view_eq_str(line, FIRST_LINE))
		return gg_fail(err, GG_E_CORRUPT,
		    "not a receipt: it must begin with " FIRST_LINE);
	if (!view_cut(&text, '\n', &line))
		return gg_fail(err, GG_E_CORRUPT, "the receipt ends early");
	if ((rc = parse_extra(&line, &text, out, err)) != 0)
		return rc;
	if (!parse_index(line, &out->index))
		return gg_fail(err, GG_E_CORRUPT,
		    "the receipt has no index line");
	for (;;) {
		if (!view_cut(&text, '\n', &line))
			return gg_fail(err, GG_E_CORRUPT,
			    "the receipt has no checkpoint");
		if (line.n == 0)
			break;
		if (!proof_line_parse(line, &out->proof))
			return gg_fail(err, GG_E_CORRUPT,
			    "the receipt has a bad proof line");
	}
	out->checkpoint = text;
	return 0;
}

int
receipt_verify(const struct receipt *r, struct view entry,
    const struct note_vkey *k, struct checkpoint *at, struct gg_error *err)
{
	struct merkle_hash leaf;
	struct checkpoint c;
	int rc;

	if ((rc = checkpoint_open(r->checkpoint, k, &c, err)) != 0)
		return rc;
	merkle_leaf(entry, &leaf);
	if (!merkle_verify_inclusion(&leaf, r->index, c.size, &r->proof,
		&c.root))
		return gg_fail(err, GG_E_CORRUPT,
		    "the receipt does not prove that this is entry %llu of "
		    "the log",
		    (unsigned long long)r->index);
	if (at != NULL)
		*at = c;
	return 0;
}
