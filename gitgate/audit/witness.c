#include "audit/witness.h"

#include "audit/receipt.h"
#include "base/num.h"

void
witness_request_format(uint64_t old_size, const struct merkle_proof *proof,
    struct view note, struct buf *out)
{
	buf_addf(out, "old %llu\n", (unsigned long long)old_size);
	proof_lines_format(proof, out);
	buf_addc(out, '\n');
	buf_addv(out, note);
}

int
witness_request_parse(struct view body, struct witness_request *out,
    struct gg_error *err)
{
	struct witness_request r = { 0 };
	struct view line;

	if (body.n > WITNESS_REQUEST_MAX_BYTES)
		return gg_fail(err, GG_E_PEER, "the request is too long");
	if (!view_cut(&body, '\n', &line) || !view_has_prefix(line, "old "))
		return gg_fail(err, GG_E_PEER,
		    "the request does not begin with \"old <size>\"");
	view_skip(&line, strlen("old "));
	if (line.n == 0 || (line.p[0] == '0' && line.n > 1) ||
	    num_parse(line, MERKLE_SIZE_MAX, &r.old_size, NULL) != 0)
		return gg_fail(err, GG_E_PEER, "the old size is no number");
	for (;;) {
		if (!view_cut(&body, '\n', &line))
			return gg_fail(err, GG_E_PEER,
			    "the request has no checkpoint");
		if (line.n == 0)
			break;
		if (r.proof.n == WITNESS_PROOF_MAX ||
		    !proof_line_parse(line, &r.proof))
			return gg_fail(err, GG_E_PEER,
			    "the request has a bad proof line, or too many");
	}
	r.note = body;
	*out = r;
	return 0;
}

static const struct note_sig *
find_sig(const struct note *n, const struct note_vkey *k)
{
	for (size_t i = 0; i < n->n_sigs; i++)
		if (n->sigs[i].id == k->id &&
		    view_eq_str(n->sigs[i].name, k->name))
			return &n->sigs[i];
	return NULL;
}

int
witness_take_line(struct view note, struct view answer,
    const struct note_vkey *k, uint64_t now_s, struct buf *line,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) both = BUF_INIT(2 * NOTE_MAX_BYTES);
	const struct note_sig *s;
	struct note ours, n;
	uint64_t t = 0;
	int rc;

	if ((rc = note_parse(note, &ours, err)) != 0)
		return rc;
	buf_addv(&both, ours.text);
	buf_addc(&both, '\n');
	buf_addv(&both, answer);
	if ((rc = buf_check(&both, err)) != 0)
		return rc;
	/* An answer with empty lines in it would be another text. */
	if (note_parse(buf_view(&both), &n, err) != 0 ||
	    !view_eq(n.text, ours.text))
		return gg_fail(err, GG_E_PEER,
		    "its answer is not made of signature lines");
	if (note_verify(&n, k, &t, err) != 0 || (s = find_sig(&n, k)) == NULL)
		return gg_fail(err, GG_E_PEER,
		    "its answer has no good cosignature of %s+%08x", k->name,
		    k->id);
	if (t > now_s + WITNESS_SKEW_S || t + WITNESS_SKEW_S < now_s)
		return gg_fail(err, GG_E_PEER,
		    "its cosignature is of another time than now: %llu",
		    (unsigned long long)t);
	buf_addf(line, "\xe2\x80\x94 %s %.*s\n", k->name, (int)s->base64.n,
	    s->base64.p);
	return buf_check(line, err);
}

bool
witness_take_size(struct view answer, uint64_t *size)
{
	while (answer.n > 0 && answer.p[answer.n - 1] == '\n')
		answer.n--;
	return answer.n > 0 &&
	    num_parse(answer, MERKLE_SIZE_MAX, size, NULL) == 0;
}
