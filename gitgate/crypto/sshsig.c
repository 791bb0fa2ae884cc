/* SSH signatures of files (PROTOCOL.sshsig) against allowed signers. */
#include "crypto/signature.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/text.h"
#include "crypto/ssh_key.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SIGNATURE_MAX_BYTES 16384
#define LINE_MAX_BYTES      16384

struct sshsig {
	struct view key, name_space, hash, sig; /* of the decoded bytes */
};

static int
refuse(struct gg_error *err, const char *why)
{
	return gg_fail(err, GG_E_REFUSED, "%s", why);
}

/* The lines between BEGIN and END, without white space. */
static int
unarmor(struct view armor, struct buf *out, struct gg_error *err)
{
	static const char begin[] = "-----BEGIN SSH SIGNATURE-----";
	static const char end[] = "-----END SSH SIGNATURE-----";
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SIGNATURE_MAX_BYTES);
	const char *stop;

	if (!view_has_prefix(armor, begin))
		return refuse(err, "no SSH signature");
	view_skip(&armor, sizeof(begin) - 1);
	stop = memmem(armor.p, armor.n, end, sizeof(end) - 1);
	if (stop == NULL)
		return refuse(err, "the signature is cut off");
	for (const char *p = armor.p; p < stop; p++)
		if (*p != '\n' && *p != '\r' && *p != ' ')
			buf_addc(&text, *p);
	if (text.failed != 0 || base64_decode(out, buf_view(&text), err) != 0)
		return refuse(err, "the signature is malformed");
	return 0;
}

static int
parse(struct view v, struct sshsig *s, struct gg_error *err)
{
	struct view reserved;
	uint32_t version;

	if (!view_has_prefix(v, "SSHSIG"))
		return refuse(err, "the signature is malformed");
	view_skip(&v, 6);
	if (!ssh_cut_u32(&v, &version) || version != 1 ||
	    !ssh_cut_string(&v, &s->key) ||
	    !ssh_cut_string(&v, &s->name_space) ||
	    !ssh_cut_string(&v, &reserved) || !ssh_cut_string(&v, &s->hash) ||
	    !ssh_cut_string(&v, &s->sig) || v.n != 0)
		return refuse(err, "the signature is malformed");
	if (!view_eq_str(s->name_space, "git"))
		return refuse(err, "the signature is not for git");
	return 0;
}

static void
put_string(struct buf *b, const void *p, size_t n)
{
	unsigned char len[4] = { (unsigned char)(n >> 24 & 0xff),
		(unsigned char)(n >> 16 & 0xff), (unsigned char)(n >> 8 & 0xff),
		(unsigned char)(n & 0xff) };

	buf_add(b, len, sizeof(len));
	buf_add(b, p, n);
}

/* What was signed: the payload's digest in its context. */
static int
signed_bytes(const struct sshsig *s, struct view payload, struct buf *out,
    struct gg_error *err)
{
	const EVP_MD *md = view_eq_str(s->hash, "sha512") ? EVP_sha512() :
	    view_eq_str(s->hash, "sha256")                ? EVP_sha256() :
							    NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (md == NULL)
		return refuse(err, "the signature's hash is not taken");
	if (EVP_Digest(payload.p, payload.n, digest, &n, md, NULL) != 1)
		return gg_fail(err, GG_E_NOMEM, "digest");
	buf_adds(out, "SSHSIG");
	put_string(out, s->name_space.p, s->name_space.n);
	put_string(out, "", 0);
	put_string(out, s->hash.p, s->hash.n);
	put_string(out, digest, n);
	return buf_check(out, err);
}

/* -- allowed signers -- */

struct signer {
	struct view principals;
	struct buf key; /* the blob */
	bool authority;
	bool for_git;
	int64_t after_ms, before_ms; /* INT64_MIN / INT64_MAX: open */
};

/* YYYYMMDD[HHMM[SS]][Z]; without Z it is the machine's local time. */
static bool
parse_time(struct view v, int64_t *ms)
{
	struct tm tm = { .tm_isdst = -1 };
	bool utc = view_has_suffix(v, "Z");
	int f[6] = { 0 };
	static const size_t width[6] = { 4, 2, 2, 2, 2, 2 };
	size_t i = 0;

	if (utc)
		v.n--;
	if (v.n != 8 && v.n != 12 && v.n != 14)
		return false;
	for (; v.n > 0; i++) {
		for (size_t k = 0; k < width[i]; k++) {
			if (v.p[k] < '0' || v.p[k] > '9')
				return false;
			f[i] = f[i] * 10 + (v.p[k] - '0');
		}
		view_skip(&v, width[i]);
	}
	tm.tm_year = f[0] - 1900;
	tm.tm_mon = f[1] - 1;
	tm.tm_mday = f[2];
	tm.tm_hour = f[3];
	tm.tm_min = f[4];
	tm.tm_sec = f[5];
	if (f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] > 23 ||
	    f[4] > 59 || f[5] > 60)
		return false;
	*ms = (int64_t)(utc ? timegm(&tm) : mktime(&tm)) * 1000;
	return true;
}

/* Cut a word; quotes protect blanks and are kept. */
static bool
cut_word(struct view *v, struct view *out)
{
	bool quoted = false;
	size_t n = 0;

	while (v->n > 0 && (v->p[0] == ' ' || v->p[0] == '\t'))
		view_skip(v, 1);
	for (; n < v->n && (quoted || (v->p[n] != ' ' && v->p[n] != '\t')); n++)
		if (v->p[n] == '"')
			quoted = !quoted;
	*out = view_of(v->p, n);
	view_skip(v, n);
	return n > 0 && !quoted;
}

static bool
is_key_type(struct view w)
{
	return view_has_prefix(w, "ssh-") || view_has_prefix(w, "ecdsa-") ||
	    view_has_prefix(w, "sk-");
}

static struct view
unquote(struct view v)
{
	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		return view_of(v.p + 1, v.n - 2);
	return v;
}

static bool
names_git(struct view list)
{
	struct view one;
	bool more = true, found = false;

	while (more && !found) {
		more = view_cut(&list, ',', &one);
		if (!more)
			one = list;
		found = view_eq_str(one, "git") || view_eq_str(one, "*");
	}
	return found;
}

static bool
one_option(struct signer *s, struct view o)
{
	struct view name;

	if (view_eq_str(o, "cert-authority")) {
		s->authority = true;
		return true;
	}
	if (!view_cut(&o, '=', &name))
		return false;
	o = unquote(o);
	if (view_eq_str(name, "namespaces")) {
		s->for_git = names_git(o);
		return true;
	}
	if (view_eq_str(name, "valid-after"))
		return parse_time(o, &s->after_ms);
	return view_eq_str(name, "valid-before") &&
	    parse_time(o, &s->before_ms);
}

/* Options stand between commas, which quotes protect. */
static bool
read_options(struct signer *s, struct view v)
{
	bool quoted = false;
	size_t at = 0;

	for (size_t n = 0; n <= v.n; n++) {
		if (n < v.n && v.p[n] == '"')
			quoted = !quoted;
		if (n < v.n && (quoted || v.p[n] != ','))
			continue;
		if (!one_option(s, view_of(v.p + at, n - at)))
			return false;
		at = n + 1;
	}
	return true;
}

/* 1 a signer, 0 an empty line or comment, GG_E_INPUT. */
static int
read_line(struct view line, struct signer *s, struct gg_error *err)
{
	struct view word, blob;

	s->for_git = true;
	s->after_ms = INT64_MIN;
	s->before_ms = INT64_MAX;
	if (view_has_suffix(line, "\r"))
		line.n--;
	if (!cut_word(&line, &s->principals) || s->principals.p[0] == '#')
		return 0;
	if (!cut_word(&line, &word))
		return gg_fail(err, GG_E_INPUT, "a key is missing");
	if (!is_key_type(word) &&
	    (!read_options(s, word) || !cut_word(&line, &word) ||
		!is_key_type(word)))
		return gg_fail(err, GG_E_INPUT,
		    "its options or key type are "
		    "not known");
	if (!cut_word(&line, &blob) || base64_decode(&s->key, blob, err) != 0)
		return gg_fail(err, GG_E_INPUT, "its key is not base64");
	return 1;
}

static struct view
next_line(struct view *text)
{
	struct view line;

	if (!view_cut(text, '\n', &line)) {
		line = *text;
		view_skip(text, text->n);
	}
	return line;
}

int
signature_check_signers(struct view text, struct gg_error *err)
{
	unsigned n = 0;

	while (text.n > 0) {
		GG_AUTO_RELEASE(buf) key = BUF_INIT(LINE_MAX_BYTES);
		struct signer s = { .key = key };
		int rc = read_line(next_line(&text), &s, err);

		key = s.key;
		n++;
		if (rc < 0)
			return gg_wrap(err, rc, "line %u", n);
	}
	return 0;
}

static bool
counts(const struct signer *s, struct view key, int64_t when_ms)
{
	return !s->authority && s->for_git && when_ms >= s->after_ms &&
	    when_ms < s->before_ms && view_eq(buf_view(&s->key), key);
}

static int
find_signer(struct view text, struct view key, int64_t when_ms,
    char **principal, struct gg_error *err)
{
	while (text.n > 0) {
		GG_AUTO_RELEASE(buf) room = BUF_INIT(LINE_MAX_BYTES);
		struct signer s = { .key = room };
		int rc = read_line(next_line(&text), &s, err);

		room = s.key;
		if (rc <= 0 || !counts(&s, key, when_ms))
			continue;
		*principal = view_dup(unquote(s.principals));
		return *principal != NULL ? 0 :
					    gg_fail(err, GG_E_NOMEM, "signer");
	}
	return refuse(err, "the key is not among the allowed signers");
}

int
signature_verify_ssh(struct view armor, struct view payload,
    struct view allowed_signers, int64_t when_wall_ms, char **principal,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(SIGNATURE_MAX_BYTES);
	GG_AUTO_RELEASE(buf) data = BUF_INIT(4096);
	GG_AUTO_MEM char *who = NULL;
	struct sshsig s = { 0 };
	int rc;

	if ((rc = unarmor(armor, &raw, err)) != 0 ||
	    (rc = parse(buf_view(&raw), &s, err)) != 0 ||
	    (rc = find_signer(allowed_signers, s.key, when_wall_ms, &who,
		 err)) != 0 ||
	    (rc = signed_bytes(&s, payload, &data, err)) != 0 ||
	    (rc = ssh_key_verify(s.key, s.sig, buf_view(&data), err)) != 0)
		return rc;
	*principal = gg_take(who);
	return 0;
}
