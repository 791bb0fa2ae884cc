/*
 * Signed notes and keys. Oracle: text and signatures lie within the input and
 * in their order; a note by our own key is accepted only as it was signed; a
 * key that parses is formatted back to the same bytes, but for the case of
 * its id.
 */
#include "audit/note.h"
#include "fuzz.h"

#include <string.h>
#include <strings.h>

static void
check_key(struct view in)
{
	GG_AUTO_RELEASE(buf) back = BUF_INIT(4096);
	struct note_vkey k;

	if (note_vkey_parse(in, &k, NULL) != 0)
		return;
	note_vkey_format(&k, &back);
	FUZZ_CHECK(back.n == in.n);
	FUZZ_CHECK(strncasecmp(back.p, in.p, in.n) == 0);
}

static void
check_signature(const struct note *n)
{
	static const unsigned char seed[SIGN_SEED_BYTES] = { 7 };
	GG_AUTO_RELEASE(buf) skey = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) ours = BUF_INIT(NOTE_MAX_BYTES + 4096);
	GG_AUTO(note_skey) k = NULL;
	struct note again;

	FUZZ_CHECK(note_skey_format(view_str("fuzz.example"), seed, &skey,
		       NULL) == 0);
	FUZZ_CHECK(note_skey_parse(buf_view(&skey), &k, NULL) == 0);
	/* nobody has signed with this key but we, here */
	FUZZ_CHECK(note_verify(n, note_skey_vkey(k), NULL, NULL) != 0);
	FUZZ_CHECK(note_sign(n->text, k, &ours, NULL) == 0);
	if (ours.n > NOTE_MAX_BYTES)
		return;
	FUZZ_CHECK(note_parse(buf_view(&ours), &again, NULL) == 0);
	FUZZ_CHECK(view_eq(again.text, n->text));
	FUZZ_CHECK(note_verify(&again, note_skey_vkey(k), NULL, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_of(data, size);
	struct note n;
	const char *at;

	check_key(in);
	if (note_parse(in, &n, NULL) != 0)
		return 0;
	FUZZ_CHECK(n.text.p == in.p && n.text.n > 0 && n.text.n < in.n);
	FUZZ_CHECK(n.n_sigs > 0 && n.n_sigs <= NOTE_SIGS_MAX);
	at = n.text.p + n.text.n;
	for (size_t i = 0; i < n.n_sigs; i++) {
		FUZZ_CHECK(n.sigs[i].name.p > at);
		at = n.sigs[i].base64.p + n.sigs[i].base64.n;
		FUZZ_CHECK(at < in.p + in.n);
	}
	check_signature(&n);
	return 0;
}
