#include "audit/note.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <string.h>

#define PRIVATE_PREFIX "PRIVATE+KEY+"

struct note_skey {
	struct note_vkey vkey;
	struct sign_key *key;
};

/* Unicode White_Space; v begins with the n bytes of one character. */
static bool
is_space(struct view v, size_t n)
{
	static const char *const wide[] = { "\xc2\x85", "\xc2\xa0",
		"\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe3\x80\x80" };

	if (n == 1)
		return v.p[0] == ' ' || (v.p[0] >= '\t' && v.p[0] <= '\r');
	if (n == 3 && memcmp(v.p, "\xe2\x80", 2) == 0 &&
	    (unsigned char)v.p[2] >= 0x80 && (unsigned char)v.p[2] <= 0x8a)
		return true;
	for (size_t i = 0; i < GG_COUNT(wide); i++)
		if (view_eq_str(view_of(v.p, n), wide[i]))
			return true;
	return false;
}

bool
note_name_is_valid(struct view name)
{
	size_t n;

	if (name.n == 0 || name.n > NOTE_NAME_MAX_BYTES)
		return false;
	for (; name.n > 0; view_skip(&name, n)) {
		if ((n = utf8_len(name)) == 0 || is_space(name, n))
			return false;
		if (n == 1 && (name.p[0] == '+' || name.p[0] < 0x20))
			return false;
	}
	return true;
}

/* First four bytes of SHA-256(name || \n || type || public key). */
static uint32_t
key_id(const struct note_vkey *k)
{
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	unsigned char sum[DIGEST_SHA256_BYTES];
	unsigned char type = (unsigned char)k->type;

	digest_ctx_update(d, k->name, strlen(k->name));
	digest_ctx_update(d, "\n", 1);
	digest_ctx_update(d, &type, 1);
	digest_ctx_update(d, k->pub, sizeof(k->pub));
	digest_ctx_final(d, sum);
	return (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 |
	    (uint32_t)sum[2] << 8 | sum[3];
}

int
note_vkey_make(struct view name, enum note_type type,
    const unsigned char pub[SIGN_PUBLIC_BYTES], struct note_vkey *out,
    struct gg_error *err)
{
	struct note_vkey k = { .type = type };

	if (!note_name_is_valid(name))
		return gg_fail(err, GG_E_INPUT,
		    "a key's name must not be empty, nor have spaces or \"+\"");
	memcpy(k.name, name.p, name.n);
	memcpy(k.pub, pub, sizeof(k.pub));
	k.id = key_id(&k);
	*out = k;
	return 0;
}

/* "<name>+<8 hex digits>+<base64 of type and 32 bytes>" */
static int
parse_key(struct view text, struct view *name, uint32_t *id, struct buf *raw,
    struct gg_error *err)
{
	unsigned char b[4];
	struct view hex;

	if (!view_cut(&text, '+', name) || !view_cut(&text, '+', &hex) ||
	    !note_name_is_valid(*name) || !hex_decode(hex, b, sizeof(b)) ||
	    base64_decode(raw, text, NULL) != 0 ||
	    raw->n != 1 + SIGN_PUBLIC_BYTES)
		return gg_fail(err, GG_E_INPUT,
		    "not a key of the form name+id+base64");
	*id = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | b[3];
	return 0;
}

int
note_vkey_parse(struct view text, struct note_vkey *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(64);
	enum note_type type = NOTE_ED25519;
	struct note_vkey k;
	struct view name;
	uint32_t id;
	int rc;

	if ((rc = parse_key(text, &name, &id, &raw, err)) != 0)
		return rc;
	if (raw.p[0] == NOTE_COSIGNATURE)
		type = NOTE_COSIGNATURE;
	else if (raw.p[0] != NOTE_ED25519)
		return gg_fail(err, GG_E_INPUT,
		    "the key is of type %u, not Ed25519",
		    (unsigned)(unsigned char)raw.p[0]);
	rc = note_vkey_make(name, type, (const unsigned char *)raw.p + 1, &k,
	    err);
	if (rc != 0)
		return rc;
	if (k.id != id)
		return gg_fail(err, GG_E_INPUT,
		    "the key does not fit its name and id");
	*out = k;
	return 0;
}

static void
format_key(const char *name, uint32_t id, enum note_type type,
    const unsigned char bytes[32], struct buf *out)
{
	unsigned char raw[33] = { (unsigned char)type };

	memcpy(raw + 1, bytes, 32);
	buf_addf(out, "%s+%08x+", name, id);
	base64_encode(out, view_of(raw, sizeof(raw)));
	explicit_bzero(raw, sizeof(raw));
}

bool
note_vkey_is(const struct note_vkey *a, const struct note_vkey *b)
{
	return strcmp(a->name, b->name) == 0 && a->type == b->type &&
	    memcmp(a->pub, b->pub, sizeof(a->pub)) == 0;
}

void
note_vkey_format(const struct note_vkey *k, struct buf *out)
{
	format_key(k->name, k->id, k->type, k->pub, out);
}

static int
skey_from_seed(struct view name, const unsigned char seed[SIGN_SEED_BYTES],
    struct note_skey **out, struct gg_error *err)
{
	GG_AUTO(note_skey) k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for a key");
	if ((rc = sign_key_new(seed, &k->key, err)) != 0)
		return rc;
	rc = note_vkey_make(name, NOTE_ED25519, sign_key_public(k->key),
	    &k->vkey, err);
	if (rc != 0)
		return rc;
	*out = gg_take(k);
	return 0;
}

int
note_skey_parse(struct view text, struct note_skey **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(64);
	GG_AUTO(note_skey) k = NULL;
	struct view name;
	uint32_t id;
	int rc;

	if (!view_has_prefix(text, PRIVATE_PREFIX))
		return gg_fail(err, GG_E_INPUT,
		    "not a private key: it must begin with " PRIVATE_PREFIX);
	view_skip(&text, strlen(PRIVATE_PREFIX));
	rc = parse_key(text, &name, &id, &raw, err);
	if (rc == 0 && raw.p[0] != NOTE_ED25519)
		rc = gg_fail(err, GG_E_INPUT, "the key is not Ed25519");
	if (rc == 0)
		rc = skey_from_seed(name, (const unsigned char *)raw.p + 1, &k,
		    err);
	if (rc == 0 && k->vkey.id != id)
		rc = gg_fail(err, GG_E_INPUT,
		    "the key does not fit its name and id");
	if (raw.p != NULL)
		explicit_bzero(raw.p, raw.alloc);
	if (rc == 0)
		*out = gg_take(k);
	return rc;
}

int
note_skey_format(struct view name, const unsigned char seed[SIGN_SEED_BYTES],
    struct buf *out, struct gg_error *err)
{
	GG_AUTO(note_skey) k = NULL;
	int rc;

	if ((rc = skey_from_seed(name, seed, &k, err)) != 0)
		return rc;
	buf_adds(out, PRIVATE_PREFIX);
	format_key(k->vkey.name, k->vkey.id, NOTE_ED25519, seed, out);
	return buf_check(out, err);
}

void
note_skey_free(struct note_skey *k)
{
	if (k == NULL)
		return;
	sign_key_free(k->key);
	free(k);
}

const struct note_vkey *
note_skey_vkey(const struct note_skey *k)
{
	return &k->vkey;
}

/* One signature line: dash, name, base64 of id || head || signature. */
static int
sign_line(const struct note_skey *k, const struct note_vkey *as,
    struct view msg, struct view head, struct buf *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(128);
	unsigned char sig[SIGN_BYTES];
	int rc;

	if ((rc = sign_make(k->key, msg, sig, err)) != 0)
		return rc;
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_addc(&raw, (char)(as->id >> shift & 255));
	buf_addv(&raw, head);
	buf_add(&raw, sig, sizeof(sig));
	if ((rc = buf_check(&raw, err)) != 0)
		return rc;
	buf_addf(out, "\xe2\x80\x94 %s ", as->name);
	base64_encode(out, buf_view(&raw));
	buf_addc(out, '\n');
	return buf_check(out, err);
}

int
note_sign(struct view text, const struct note_skey *k, struct buf *out,
    struct gg_error *err)
{
	if (!view_has_suffix(text, "\n"))
		return gg_fail(err, GG_E_INPUT, "a note's text ends in a line");
	buf_addv(out, text);
	buf_addc(out, '\n');
	return sign_line(k, &k->vkey, text, (struct view){ 0 }, out, err);
}

int
note_cosign(struct view text, const struct note_skey *k, uint64_t time_s,
    struct buf *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) msg = BUF_INIT(NOTE_MAX_BYTES + 64);
	unsigned char be[8];
	struct note_vkey as;
	int rc;

	rc = note_vkey_make(view_str(k->vkey.name), NOTE_COSIGNATURE,
	    k->vkey.pub, &as, err);
	if (rc != 0)
		return rc;
	for (int i = 0; i < 8; i++)
		be[i] = (unsigned char)(time_s >> (56 - 8 * i));
	buf_addf(&msg, "cosignature/v1\ntime %llu\n",
	    (unsigned long long)time_s);
	buf_addv(&msg, text);
	if ((rc = buf_check(&msg, err)) != 0)
		return rc;
	return sign_line(k, &as, buf_view(&msg), view_of(be, sizeof(be)), out,
	    err);
}
