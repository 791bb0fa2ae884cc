#include "audit/note.h"

#include "base/text.h"

#include <string.h>

#define DASH          "\xe2\x80\x94 "
#define SIG_MAX_BYTES 4096

static int
parse_sig(struct view line, struct note_sig *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(SIG_MAX_BYTES);
	struct note_sig s = { 0 };
	const unsigned char *b;

	if (!view_has_prefix(line, DASH))
		return gg_fail(err, GG_E_CORRUPT,
		    "a signature line does not begin with a dash");
	view_skip(&line, strlen(DASH));
	if (!view_cut(&line, ' ', &s.name) || !note_name_is_valid(s.name))
		return gg_fail(err, GG_E_CORRUPT,
		    "a signature line has a bad name");
	s.base64 = line;
	if (base64_decode(&raw, line, NULL) != 0 || raw.n <= 4)
		return gg_fail(err, GG_E_CORRUPT,
		    "a signature line has bad base64");
	b = (const unsigned char *)raw.p;
	s.id = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | b[3];
	*out = s;
	return 0;
}

static int
check_bytes(struct view msg, struct gg_error *err)
{
	if (msg.n > NOTE_MAX_BYTES)
		return gg_fail(err, GG_E_CORRUPT, "the note is too long");
	if (!utf8_is_valid(msg))
		return gg_fail(err, GG_E_CORRUPT, "the note is not UTF-8");
	for (size_t i = 0; i < msg.n; i++)
		if ((unsigned char)msg.p[i] < 0x20 && msg.p[i] != '\n')
			return gg_fail(err, GG_E_CORRUPT,
			    "the note has control characters");
	return 0;
}

int
note_parse(struct view msg, struct note *out, struct gg_error *err)
{
	struct view sigs, line;
	struct note n = { 0 };
	const char *at;
	int rc;

	if ((rc = check_bytes(msg, err)) != 0)
		return rc;
	/* The text may have empty lines of its own: the last one counts. */
	at = msg.n ? memrchr(msg.p, '\n', msg.n) : NULL;
	while (at != NULL && at > msg.p && at[-1] != '\n')
		at = memrchr(msg.p, '\n', (size_t)(at - msg.p));
	if (at == NULL || at == msg.p)
		return gg_fail(err, GG_E_CORRUPT,
		    "the note has no empty line before its signatures");
	n.text = view_of(msg.p, (size_t)(at - msg.p));
	sigs = view_of(at + 1, msg.n - n.text.n - 1);
	while (view_cut(&sigs, '\n', &line)) {
		if (n.n_sigs == NOTE_SIGS_MAX)
			return gg_fail(err, GG_E_CORRUPT,
			    "the note has too many signatures");
		if ((rc = parse_sig(line, &n.sigs[n.n_sigs++], err)) != 0)
			return rc;
	}
	if (sigs.n != 0 || n.n_sigs == 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "the note does not end with a signature line");
	*out = n;
	return 0;
}

static bool
verify_cosignature(struct view text, const struct note_vkey *k,
    const unsigned char *b, uint64_t *time_s)
{
	GG_AUTO_RELEASE(buf) msg = BUF_INIT(NOTE_MAX_BYTES + 64);
	uint64_t t = 0;

	for (int i = 0; i < 8; i++)
		t = t << 8 | b[i];
	buf_addf(&msg, "cosignature/v1\ntime %llu\n", (unsigned long long)t);
	buf_addv(&msg, text);
	if (buf_check(&msg, NULL) != 0 ||
	    !sign_verify(k->pub, buf_view(&msg), b + 8))
		return false;
	*time_s = t;
	return true;
}

static bool
verify_one(const struct note *n, const struct note_sig *s,
    const struct note_vkey *k, uint64_t *time_s)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(SIG_MAX_BYTES);
	const unsigned char *b;

	if (base64_decode(&raw, s->base64, NULL) != 0 || raw.n <= 4)
		return false;
	b = (const unsigned char *)raw.p + 4;
	if (k->type == NOTE_COSIGNATURE)
		return raw.n == 4 + 8 + SIGN_BYTES &&
		    verify_cosignature(n->text, k, b, time_s);
	return raw.n == 4 + SIGN_BYTES && sign_verify(k->pub, n->text, b);
}

int
note_verify(const struct note *n, const struct note_vkey *k, uint64_t *time_s,
    struct gg_error *err)
{
	uint64_t t = 0;
	bool found = false;

	for (size_t i = 0; i < n->n_sigs; i++) {
		const struct note_sig *s = &n->sigs[i];

		if (s->id != k->id || !view_eq_str(s->name, k->name))
			continue;
		if (!verify_one(n, s, k, &t))
			return gg_fail(err, GG_E_CORRUPT,
			    "the signature of %s is wrong", k->name);
		found = true;
	}
	if (!found)
		return gg_fail(err, GG_E_NOTFOUND,
		    "there is no signature of %s+%08x", k->name, k->id);
	if (time_s != NULL)
		*time_s = t;
	return 0;
}
