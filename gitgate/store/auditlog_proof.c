/* Receipts, and what witnesses signed. */
#include "audit/receipt.h"
#include "audit/tile_read.h"
#include "store/auditlog_priv.h"

int
auditlog_checkpoint(struct auditlog *l, bool cosigned, struct buf *out,
    struct gg_error *err)
{
	return auditlog_fetch_dir(l->dir,
	    cosigned ? LOG_COSIGNED : LOG_CHECKPOINT, out, err);
}

static int
publish_lines(struct auditlog *l, struct view note, struct view lines,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) now = BUF_INIT(NOTE_MAX_BYTES);
	GG_AUTO_RELEASE(buf) both = BUF_INIT(NOTE_MAX_BYTES);
	struct note a, b;
	int rc;

	buf_addv(&both, note);
	buf_addv(&both, lines);
	if ((rc = buf_check(&both, err)) != 0 ||
	    (rc = note_parse(buf_view(&both), &a, err)) != 0 ||
	    (rc = auditlog_checkpoint(l, false, &now, err)) != 0 ||
	    (rc = note_parse(buf_view(&now), &b, err)) != 0)
		return rc;
	rc = log_file_write(l->dir, LOG_COSIGNED, buf_view(&both), err);
	if (rc == 0 && view_eq(a.text, b.text))
		rc = log_file_write(l->dir, LOG_CHECKPOINT, buf_view(&both),
		    err);
	return rc;
}

int
auditlog_cosigned(struct auditlog *l, struct view note, struct view lines,
    struct gg_error *err)
{
	int rc;

	(void)pthread_mutex_lock(&l->checkpoint_mu);
	rc = publish_lines(l, note, lines, err);
	(void)pthread_mutex_unlock(&l->checkpoint_mu);
	return rc;
}

int
log_check_cosigned(struct auditlog *l, uint64_t size,
    const struct merkle_hash *root, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	struct merkle_proof proof = { 0 };
	struct checkpoint c;
	int rc = auditlog_checkpoint(l, true, &note, err);

	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = log_open_checkpoint(l, buf_view(&note), &c, NULL, err);
	if (rc != 0)
		return gg_wrap(err, rc, "%s/" LOG_COSIGNED, l->dir);
	if (c.size > size)
		return gg_fail(err, GG_E_CORRUPT,
		    "witnesses signed %llu entries, but the checkpoint has "
		    "%llu: it is older; restore all of the directory from the "
		    "same moment",
		    (unsigned long long)c.size, (unsigned long long)size);
	rc = tile_prove_consistency(auditlog_fetch_dir, l->dir, c.size, size,
	    &proof, err);
	if (rc != 0)
		return rc;
	if (!merkle_verify_consistency(c.size, &c.root, size, root, &proof))
		return gg_fail(err, GG_E_CORRUPT,
		    "the log is not a continuation of what witnesses signed "
		    "(" LOG_COSIGNED "): restore all of the directory from the "
		    "same moment");
	return 0;
}

/* A checkpoint of ours that is large enough; what witnesses signed first. */
static int
checkpoint_beyond(struct auditlog *l, uint64_t index, struct buf *note,
    struct checkpoint *c, const struct note_vkey **k, struct gg_error *err)
{
	int rc;

	if (auditlog_checkpoint(l, true, note, NULL) == 0 &&
	    log_open_checkpoint(l, buf_view(note), c, k, NULL) == 0 &&
	    c->size > index)
		return 0;
	buf_clear(note);
	if ((rc = auditlog_wait_published(l, index, err)) != 0 ||
	    (rc = auditlog_checkpoint(l, false, note, err)) != 0)
		return rc;
	return log_open_checkpoint(l, buf_view(note), c, k, err);
}

int
auditlog_receipt(struct auditlog *l, uint64_t index, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	GG_AUTO_RELEASE(receipt) r = { .has_entry = true, .index = index };
	const struct note_vkey *k = NULL;
	struct checkpoint c;
	int rc;

	buf_init(&r.entry, TILE_ENTRY_MAX_BYTES);
	if ((rc = auditlog_read(l, index, &r.entry, err)) != 0 ||
	    (rc = checkpoint_beyond(l, index, &note, &c, &k, err)) != 0)
		return rc;
	rc = tile_prove_inclusion(auditlog_fetch_dir, l->dir, index, c.size,
	    &r.proof, err);
	if (rc != 0)
		return rc;
	r.checkpoint = buf_view(&note);
	/* What we give away holds, or is not given. */
	rc = receipt_verify(&r, buf_view(&r.entry), k, NULL, err);
	if (rc != 0)
		return rc;
	receipt_format(&r, out);
	return buf_check(out, err);
}
