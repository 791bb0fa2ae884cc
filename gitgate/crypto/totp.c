#include "crypto/totp.h"

#include "base/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void
totp_secret_new(char out[TOTP_SECRET_SIZE])
{
	unsigned char r[TOTP_SECRET_BYTES];
	unsigned bits = 0, n_bits = 0;
	char *p = out;

	random_bytes(r, sizeof(r));
	for (size_t i = 0; i < sizeof(r); i++) {
		bits = (bits << 8 | r[i]) & 0xfff;
		for (n_bits += 8; n_bits >= 5; n_bits -= 5)
			*p++ = alphabet[bits >> (n_bits - 5) & 31];
	}
	*p = '\0';
	explicit_bzero(r, sizeof(r));
}

/* 0 to 31, or -1. */
static int
digit_of(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	at = c != '\0' ? strchr(alphabet, c) : NULL;
	return at != NULL ? (int)(at - alphabet) : -1;
}

int
base32_decode(struct buf *out, struct view v, struct gg_error *err)
{
	unsigned bits = 0, n_bits = 0;
	int d;

	while (v.n > 0 && (v.p[v.n - 1] == '=' || v.p[v.n - 1] == ' '))
		v.n--;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == ' ')
			continue;
		if ((d = digit_of(v.p[i])) < 0)
			return gg_fail(err, GG_E_INPUT, "not base 32");
		bits = (bits << 5 | (unsigned)d) & 0xfff;
		n_bits += 5;
		if (n_bits >= 8) {
			n_bits -= 8;
			buf_addc(out, (char)(bits >> n_bits & 0xff));
		}
	}
	if (n_bits >= 5 || (bits & ((1U << n_bits) - 1)) != 0)
		return gg_fail(err, GG_E_INPUT, "base 32 that ends too early");
	return buf_check(out, err);
}

void
totp_code(struct view key, uint64_t step, unsigned digits, char out[9])
{
	unsigned char message[8], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0, at;
	uint32_t number;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)(step >> (56 - 8 * i));
	if (digits == 0 || digits > 8 || key.n > INT32_MAX ||
	    HMAC(EVP_sha1(), key.p, (int)key.n, message, sizeof(message), mac,
		&n) == NULL ||
	    n != 20)
		gg_die("hmac-sha1 failed");
	at = mac[19] & 15;
	number = (uint32_t)(mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 |
	    (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	for (unsigned i = digits; i > 0; i--, number /= 10)
		out[i - 1] = (char)('0' + number % 10);
	out[digits] = '\0';
	explicit_bzero(mac, sizeof(mac));
}

/* Six digits, however they were grouped; false for anything else. */
static bool
take_digits(struct view code, char out[TOTP_DIGITS])
{
	size_t n = 0;

	for (size_t i = 0; i < code.n; i++) {
		if (code.p[i] == ' ')
			continue;
		if (n == TOTP_DIGITS || code.p[i] < '0' || code.p[i] > '9')
			return false;
		out[n++] = code.p[i];
	}
	return n == TOTP_DIGITS;
}

int64_t
totp_match(const char *secret, struct view code, int64_t now_s, int64_t last)
{
	GG_AUTO_RELEASE(buf) key = BUF_INIT(256);
	int64_t found = 0, now = now_s / TOTP_STEP_S;
	char given[TOTP_DIGITS], want[9];

	if (secret[0] == '\0' || now_s < 0 || !take_digits(code, given) ||
	    base32_decode(&key, view_str(secret), NULL) != 0)
		return 0;
	for (int64_t s = now - TOTP_WINDOW; s <= now + TOTP_WINDOW; s++) {
		bool same;

		if (s <= 0)
			continue;
		totp_code(buf_view(&key), (uint64_t)s, TOTP_DIGITS, want);
		same = view_eq_consttime(view_of(given, TOTP_DIGITS),
		    view_of(want, TOTP_DIGITS));
		if (same && s > last && found == 0)
			found = s;
	}
	explicit_bzero(want, sizeof(want));
	explicit_bzero(key.p, key.alloc);
	return found;
}

/* Everything but what RFC 3986 calls unreserved. */
static void
add_escaped(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || strchr("-._~", *s) != NULL)
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

void
totp_uri(struct buf *out, const char *issuer, const char *account,
    const char *secret)
{
	buf_adds(out, "otpauth://totp/");
	add_escaped(out, issuer);
	buf_addc(out, ':');
	add_escaped(out, account);
	buf_addf(out, "?secret=%s&issuer=", secret);
	add_escaped(out, issuer);
}
