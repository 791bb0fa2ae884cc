/* Documents of provenance in the change report. */
#include "model/report_priv.h"

#include <stdlib.h>
#include <string.h>

/* Least encoded size, for dec_count(). */
#define DOCUMENT_LEAST_BYTES (1 + 4 + 4 + 4 + 4 + 8 + 1 + 4)
#define PART_MAX_BYTES       16

enum { FLAG_CUT = 1, FLAG_MASKED = 2, FLAGS_ALL = 3 };

struct document *
change_report_add_document(struct change_report *r)
{
	size_t n = r->n_documents;

	r->documents_all++;
	if (n >= REPORT_MAX_DOCUMENTS)
		return NULL;
	/* The room is the next power of two: no field for it is needed. */
	if ((n & (n - 1)) == 0) {
		struct document *v = reallocarray(r->documents, n ? n * 2 : 1,
		    sizeof(*v));

		if (v == NULL)
			gg_die("no memory for a change report");
		r->documents = v;
	}
	r->documents[n] = (struct document){ .commit = UINT32_MAX };
	return &r->documents[r->n_documents++];
}

bool
change_report_add_known(struct change_report *r, const struct oid *o)
{
	if (r->n_known >= REPORT_MAX_KNOWN)
		return false;
	if ((r->n_known & (r->n_known - 1)) == 0) {
		size_t want = r->n_known ? r->n_known * 2 : 1;
		struct oid *v = reallocarray(r->known, want, sizeof(*v));

		if (v == NULL)
			gg_die("no memory for a change report");
		r->known = v;
	}
	r->known[r->n_known++] = *o;
	return true;
}

void
report_documents_release(struct change_report *r)
{
	free(r->known);

	for (size_t i = 0; i < r->n_documents; i++) {
		free(r->documents[i].key);
		free(r->documents[i].part);
		free(r->documents[i].text);
	}
	free(r->documents);
	free(r->documents_incomplete);
}

static bool
has_any(const struct change_report *r)
{
	return r->n_known > 0 || r->n_documents > 0 || r->documents_all > 0 ||
	    (r->documents_incomplete != NULL &&
		*r->documents_incomplete != '\0');
}

void
report_documents_encode(const struct change_report *r, struct buf *out)
{
	if (!has_any(r))
		return;
	enc_u32(out, (uint32_t)r->n_documents);
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct document *d = &r->documents[i];

		enc_u8(out, (uint8_t)d->kind);
		enc_u32(out, d->update);
		enc_u32(out, d->commit);
		enc_str(out, d->key);
		enc_str(out, d->part);
		enc_u64(out, d->bytes);
		enc_u8(out,
		    (uint8_t)((d->cut ? FLAG_CUT : 0) |
			(d->masked ? FLAG_MASKED : 0)));
		enc_bytes(out, view_of(d->text, d->n));
	}
	enc_u64(out, r->documents_all);
	enc_str(out, r->documents_incomplete);
	if (r->n_known == 0)
		return;
	enc_u32(out, (uint32_t)r->n_known);
	for (size_t i = 0; i < r->n_known; i++)
		buf_add(out, r->known[i].b, OID_BYTES);
}

static void
read_known(struct dec *d, struct change_report *r)
{
	uint32_t n = dec_count(d, OID_BYTES);
	struct oid o;

	if (n == 0 || n > REPORT_MAX_KNOWN)
		d->failed = true;
	for (uint32_t i = 0; i < n && !d->failed; i++) {
		for (size_t k = 0; k < OID_BYTES; k++)
			o.b[k] = dec_u8(d);
		if (i > 0 && oid_cmp(&r->known[i - 1], &o) >= 0)
			d->failed = true;
		(void)change_report_add_known(r, &o);
	}
}

static void
read_text(struct dec *d, struct document *doc, size_t *left)
{
	struct view v = dec_bytes(d);

	if (v.n > *left) {
		d->failed = true;
		v = view_of(NULL, 0);
	}
	*left -= v.n;
	doc->n = v.n;
	if ((doc->text = view_dup(v)) == NULL)
		gg_die("no memory for a change report");
}

static void
read_document(struct dec *d, const struct change_report *r,
    struct document *doc, size_t *left)
{
	uint8_t kind = dec_u8(d), flags;

	if (kind > DOCUMENT_ENTIRE_TRANSCRIPT)
		d->failed = true;
	doc->kind = d->failed ? DOCUMENT_GIT_AI_NOTE : (enum document_kind)kind;
	doc->update = dec_u32(d);
	doc->commit = dec_u32(d);
	if (doc->update >= r->n_updates ||
	    (doc->commit != UINT32_MAX && doc->commit >= r->n_commits))
		d->failed = true;
	doc->key = dec_str(d, REPORT_PATH_MAX);
	doc->part = dec_str(d, PART_MAX_BYTES);
	doc->bytes = dec_u64(d);
	flags = dec_u8(d);
	if (flags > FLAGS_ALL)
		d->failed = true;
	doc->cut = (flags & FLAG_CUT) != 0;
	doc->masked = (flags & FLAG_MASKED) != 0;
	read_text(d, doc, left);
}

void
report_documents_decode(struct dec *d, struct change_report *r)
{
	size_t left = REPORT_DOCUMENTS_MAX;
	uint32_t n;

	if (d->failed || d->left.n == 0)
		return;
	n = dec_count(d, DOCUMENT_LEAST_BYTES);
	if (n > REPORT_MAX_DOCUMENTS)
		d->failed = true;
	for (uint32_t i = 0; i < n && !d->failed; i++)
		read_document(d, r, change_report_add_document(r), &left);
	r->documents_all = dec_u64(d);
	r->documents_incomplete = dec_str(d, REPORT_TEXT_MAX);
	if (!d->failed && d->left.n > 0)
		read_known(d, r);
	/* one form for each report */
	if (!has_any(r) || r->documents_all < n)
		d->failed = true;
}
