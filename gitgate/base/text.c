#include "base/text.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>

static const char b64_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
hex_encode(const void *p, size_t n, char *out)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = "0123456789abcdef"[b[i] >> 4];
		*out++ = "0123456789abcdef"[b[i] & 15];
	}
	*out = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
hex_decode(struct view v, void *out, size_t n)
{
	unsigned char *b = out;

	if (v.n / 2 != n || v.n % 2 != 0)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (hex_digit(v.p[i]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		b[i] = (unsigned char)(hex_digit(v.p[2 * i]) * 16 +
		    hex_digit(v.p[2 * i + 1]));
	return true;
}

static void
encode64(struct buf *out, struct view v, const char *abc, bool pad)
{
	const unsigned char *b = (const unsigned char *)v.p;

	for (size_t i = 0; i < v.n; i += 3) {
		size_t left = v.n - i;
		uint32_t x = (uint32_t)b[i] << 16;

		if (left > 1)
			x |= (uint32_t)b[i + 1] << 8;
		if (left > 2)
			x |= b[i + 2];
		buf_addc(out, abc[x >> 18]);
		buf_addc(out, abc[(x >> 12) & 63]);
		if (left > 1)
			buf_addc(out, abc[(x >> 6) & 63]);
		else if (pad)
			buf_addc(out, '=');
		if (left > 2)
			buf_addc(out, abc[x & 63]);
		else if (pad)
			buf_addc(out, '=');
	}
}

void
base64_encode(struct buf *out, struct view v)
{
	encode64(out, v, b64_std, true);
}

void
base64url_encode(struct buf *out, struct view v)
{
	encode64(out, v, b64_url, false);
}

/* v has no padding here. */
static int
decode64(struct buf *out, struct view v, const char *abc, struct gg_error *err)
{
	uint32_t x = 0;
	unsigned bits = 0;

	if (v.n % 4 == 1)
		return gg_fail(err, GG_E_PEER, "base64: bad length");
	for (size_t i = 0; i < v.n; i++) {
		const char *at = v.p[i] ? strchr(abc, v.p[i]) : NULL;

		if (at == NULL)
			return gg_fail(err, GG_E_PEER, "base64: bad character");
		x = (x << 6 | (uint32_t)(at - abc)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(out, (char)(x >> bits & 0xff));
		}
	}
	if ((x & ((1U << bits) - 1)) != 0)
		return gg_fail(err, GG_E_PEER, "base64: spare bits");
	return buf_check(out, err);
}

int
base64_decode(struct buf *out, struct view v, struct gg_error *err)
{
	if (v.n % 4 != 0)
		return gg_fail(err, GG_E_PEER, "base64: bad length");
	if (view_has_suffix(v, "=="))
		v.n -= 2;
	else if (view_has_suffix(v, "="))
		v.n -= 1;
	return decode64(out, v, b64_std, err);
}

int
base64url_decode(struct buf *out, struct view v, struct gg_error *err)
{
	return decode64(out, v, b64_url, err);
}

static bool
is_tail(struct view v, size_t n, unsigned char low, unsigned char high)
{
	if (v.n < n)
		return false;
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (i == 1 ? (c < low || c > high) : (c & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* RFC 3629 section 4. */
size_t
utf8_len(struct view v)
{
	unsigned char c;

	if (v.n == 0)
		return 0;
	c = (unsigned char)v.p[0];
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return is_tail(v, 2, 0x80, 0xbf) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef)
		return is_tail(v, 3, c == 0xe0 ? 0xa0 : 0x80,
			   c == 0xed ? 0x9f : 0xbf) ?
		    3 :
		    0;
	if (c >= 0xf0 && c <= 0xf4)
		return is_tail(v, 4, c == 0xf0 ? 0x90 : 0x80,
			   c == 0xf4 ? 0x8f : 0xbf) ?
		    4 :
		    0;
	return 0;
}

bool
utf8_is_valid(struct view v)
{
	size_t n;

	for (; v.n > 0; view_skip(&v, n))
		if ((n = utf8_len(v)) == 0)
			return false;
	return true;
}

void
utf8_replace(struct buf *out, struct view v, size_t max)
{
	static const char mark[] = "\xef\xbf\xbd";
	size_t done = 0;

	while (v.n > 0) {
		size_t n = utf8_len(v), adds = n > 0 ? n : sizeof(mark) - 1;

		if (max - done < adds)
			return;
		buf_add(out, n > 0 ? v.p : mark, adds);
		done += adds;
		view_skip(&v, n > 0 ? n : 1);
	}
}

void
random_bytes(void *p, size_t n)
{
	unsigned char *b = p;

	while (n > 0) {
		ssize_t got = getrandom(b, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			gg_die("no randomness from the kernel");
		b += got;
		n -= (size_t)got;
	}
}

void
ulid_new(char out[ULID_SIZE])
{
	unsigned char r[16];
	uint64_t t = (uint64_t)clock_wall_ms();

	random_bytes(r, sizeof(r));
	for (int i = 9; i >= 0; i--, t >>= 5)
		out[i] = crockford[t & 31];
	for (int i = 0; i < 16; i++)
		out[10 + i] = crockford[r[i] & 31];
	out[ULID_SIZE - 1] = '\0';
}

bool
ulid_is_valid(struct view v)
{
	if (v.n != ULID_SIZE - 1 || v.p[0] > '7')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || strchr(crockford, v.p[i]) == NULL)
			return false;
	return true;
}

int64_t
ulid_time(const char *ulid)
{
	int64_t t = 0;

	for (int i = 0; i < 10 && ulid[i] != '\0'; i++) {
		const char *at = strchr(crockford, ulid[i]);

		t = t * 32 + (at != NULL ? at - crockford : 0);
	}
	return t;
}

bool
view_eq_consttime(struct view a, struct view b)
{
	unsigned char diff = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		diff |= (unsigned char)(a.p[i] ^ b.p[i]);
	return diff == 0;
}

uint32_t
utf8_char(struct view v, size_t *len)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *p = (const unsigned char *)v.p;
	size_t n = utf8_len(v);
	uint32_t c;

	if (n == 0) {
		*len = 1;
		return 0xfffd;
	}
	c = p[0] & masks[n];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	*len = n;
	return c;
}

bool
char_is_deceptive(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad ||
	    c == 0x34f || c == 0x61c || c == 0x115f || c == 0x1160 ||
	    c == 0x17b4 || c == 0x17b5 || (c >= 0x180b && c <= 0x180f) ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0x3164 ||
	    (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || c == 0xffa0 ||
	    (c >= 0xfff0 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

/* The character at v's start as it may be read; how many bytes it takes. */
static size_t
safe_char(struct view v, char out[16])
{
	size_t n = utf8_len(v), len;
	uint32_t c = utf8_char(v, &len);

	if (n == 0 || (c < 0x80 && char_is_deceptive(c)))
		(void)snprintf(out, 16, "\\x%02x", (unsigned char)*v.p);
	else if (char_is_deceptive(c))
		(void)snprintf(out, 16, "\\u{%04x}", c);
	else {
		memcpy(out, v.p, n);
		out[n] = '\0';
	}
	return len;
}

void
text_safe_add(struct buf *out, const char *s)
{
	struct view v = view_str(s);
	char safe[16];

	while (v.n > 0) {
		view_skip(&v, safe_char(v, safe));
		buf_adds(out, safe);
	}
}

bool
text_safe_lines_add(struct buf *out, struct view v, size_t max)
{
	size_t done = 0, n, len;
	char safe[16];

	for (; v.n > 0; view_skip(&v, len)) {
		len = 1;
		if (v.n > 1 && v.p[0] == '\r' && v.p[1] == '\n')
			continue;
		if (*v.p == '\n' || *v.p == '\t') {
			safe[0] = *v.p;
			safe[1] = '\0';
		} else {
			len = safe_char(v, safe);
		}
		n = strlen(safe);
		if (n > max - done)
			return false;
		buf_add(out, safe, n);
		done += n;
	}
	return true;
}
