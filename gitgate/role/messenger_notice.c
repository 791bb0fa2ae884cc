/* Notices: what is sent to a target, and how it is signed. */
#include "role/messenger.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/sign.h"

#include <string.h>
#include <time.h>

#define SECRET_MAX_BYTES 4096
#define KEY_LEAST_BYTES  24 /* Standard Webhooks: 24 to 64 */
#define KEY_MOST_BYTES   64
#define WORD_BYTES       42 /* of text in one encoded word (RFC 2047: 75) */
#define LINE_CHARS       76 /* of base64 in a mail's line (RFC 2045) */

/* -- webhooks: https://github.com/standard-webhooks/standard-webhooks -- */

/* The bytes behind "whsec_" or "whsk_". */
static int
key_bytes(struct view secret, const char *prefix, struct buf *out,
    struct gg_error *err)
{
	view_skip(&secret, strlen(prefix));
	if (base64_decode(out, secret, err) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "what stands behind %s in the secret file is no base64",
		    prefix);
	if (out->n < KEY_LEAST_BYTES || out->n > KEY_MOST_BYTES)
		return gg_fail(err, GG_E_INPUT,
		    "a webhook's secret has 24 to 64 bytes, this one %zu",
		    out->n);
	return 0;
}

/* "v1a,": Ed25519; the key is a seed, alone or with its public half. */
static int
sign_ed25519(struct view key, struct view text, struct buf *out,
    struct gg_error *err)
{
	unsigned char sig[SIGN_BYTES];
	GG_AUTO(sign_key) k = NULL;
	int rc;

	if (key.n != SIGN_SEED_BYTES && key.n != 2 * SIGN_SEED_BYTES)
		return gg_fail(err, GG_E_INPUT,
		    "whsk_ needs the 32 or 64 bytes of an Ed25519 key");
	if ((rc = sign_key_new((const unsigned char *)key.p, &k, err)) != 0 ||
	    (rc = sign_make(k, text, sig, err)) != 0)
		return rc;
	buf_adds(out, "v1a,");
	base64_encode(out, view_of(sig, sizeof(sig)));
	return 0;
}

static int
sign_with(struct view secret, struct view text, struct buf *out,
    struct gg_error *err)
{
	bool pair = view_has_prefix(secret, "whsk_");
	struct buf key = BUF_INIT(SECRET_MAX_BYTES);
	unsigned char mac[DIGEST_SHA256_BYTES];
	int rc;

	if (!pair && !view_has_prefix(secret, "whsec_"))
		return gg_fail(err, GG_E_INPUT,
		    "a webhook's secret begins with whsec_ or whsk_");
	rc = key_bytes(secret, pair ? "whsk_" : "whsec_", &key, err);
	if (rc == 0 && pair)
		rc = sign_ed25519(buf_view(&key), text, out, err);
	if (rc == 0 && !pair) {
		hmac_sha256(buf_view(&key), text, mac);
		buf_adds(out, "v1,");
		base64_encode(out, view_of(mac, sizeof(mac)));
	}
	if (key.p != NULL)
		explicit_bzero(key.p, key.n);
	buf_release(&key);
	return rc;
}

/* One line of the secret file a signature each: while a secret is changed
 * receivers may know either. */
static int
sign_all(struct view secrets, struct view text, struct buf *out,
    struct gg_error *err)
{
	struct view line;
	bool last;

	do {
		int rc;

		last = !view_cut(&secrets, '\n', &line);
		if (last)
			line = secrets;
		while (line.n > 0 &&
		    (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
			line.n--;
		if (line.n == 0)
			continue;
		if (out->n > 0)
			buf_addc(out, ' ');
		if ((rc = sign_with(line, text, out, err)) != 0)
			return rc;
	} while (!last);
	return 0;
}

int
webhook_sign(const char *secret_file, const char *id, int64_t now_s,
    struct errand_request *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) secret = BUF_INIT(SECRET_MAX_BYTES);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(out->body.max + 1024);
	GG_AUTO_RELEASE(buf) sigs = BUF_INIT(8192);
	int rc = file_read_secret(secret_file, &secret, err);

	if (rc == 0) {
		buf_addf(&text, "%s.%lld.", id, (long long)now_s);
		buf_addv(&text, buf_view(&out->body));
		if ((rc = buf_check(&text, err)) == 0)
			rc = sign_all(buf_view(&secret), buf_view(&text), &sigs,
			    err);
	}
	if (secret.p != NULL)
		explicit_bzero(secret.p, secret.n);
	if (rc != 0)
		return rc;
	if (sigs.n == 0)
		return gg_fail(err, GG_E_INPUT, "its secret file is empty");
	strv_addf(&out->headers, "webhook-timestamp: %lld", (long long)now_s);
	strv_addf(&out->headers, "webhook-signature: %s", buf_str(&sigs));
	return 0;
}

static int
prepare_webhook(const struct notice_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err)
{
	out->r.kind = OUTGOING_POST;
	out->r.url = t->url;
	/* Plain HTTP was accepted by the configuration for loopback only. */
	out->r.reach = t->allow_private || strncmp(t->url, "http://", 7) == 0 ?
	    REACH_NAMED :
	    REACH_PUBLIC;
	buf_addv(&out->body, buf_view(&o->body));
	strv_add(&out->headers, "Content-Type: application/json");
	strv_addf(&out->headers, "webhook-id: %s", o->id);
	return webhook_sign(t->secret_file, o->id, now_s, out, err);
}

/* -- Slack's incoming webhooks -- */

static int
prepare_slack(const struct notice_target *t, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	int rc = file_read_secret(t->url_file, &out->url, err);

	if (rc != 0)
		return rc;
	out->r.kind = OUTGOING_POST;
	out->r.url = buf_str(&out->url);
	out->r.reach = strncmp(out->r.url, "http://", 7) == 0 ? REACH_NAMED :
								REACH_PUBLIC;
	buf_addv(&out->body, buf_view(&o->body));
	strv_add(&out->headers, "Content-Type: application/json");
	return 0;
}

/* -- mail: RFC 5322, 2045, 2047, 3834 -- */

static bool
is_plain_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

/* So many bytes of whole characters, at most WORD_BYTES. */
static size_t
word_length(struct view v)
{
	size_t n = 0;

	while (n < v.n) {
		size_t c = utf8_len(view_of(v.p + n, v.n - n));

		if (c == 0)
			c = 1;
		if (n + c > WORD_BYTES)
			break;
		n += c;
	}
	return n;
}

/* Encoded words, each on a line of its own: nothing in the text can end the
 * header. */
static void
add_subject(struct buf *out, const char *subject)
{
	struct view v = view_str(subject);
	const char *between = "Subject: ";

	if (is_plain_ascii(subject) && v.n <= 70) {
		buf_addf(out, "Subject: %s\r\n", subject);
		return;
	}
	while (v.n > 0) {
		size_t n = word_length(v);

		buf_addf(out, "%s=?utf-8?B?", between);
		base64_encode(out, view_of(v.p, n));
		buf_adds(out, "?=");
		view_skip(&v, n);
		between = "\r\n ";
	}
	buf_adds(out, "\r\n");
}

static void
add_date(struct buf *out, int64_t now_s)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)now_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	buf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], 1900 + tm.tm_year,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* As base64: no line of the text is taken for a command or a header. */
static int
add_text(struct buf *out, struct view text, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) coded = BUF_INIT(out->max);
	int rc;

	base64_encode(&coded, text);
	if ((rc = buf_check(&coded, err)) != 0)
		return rc;
	for (size_t at = 0; at < coded.n; at += LINE_CHARS) {
		size_t n = coded.n - at;

		buf_add(out, coded.p + at, n < LINE_CHARS ? n : LINE_CHARS);
		buf_adds(out, "\r\n");
	}
	return 0;
}

static int
prepare_mail(const struct notice_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err)
{
	int rc = 0;

	if (t->password_file != NULL &&
	    (rc = file_read_secret(t->password_file, &out->password, err)) != 0)
		return rc;
	out->r.kind = OUTGOING_MAIL;
	out->r.url = t->url;
	out->r.reach = REACH_NAMED;
	out->r.username = t->username;
	out->r.password = t->username != NULL ? buf_str(&out->password) : NULL;
	out->r.from = t->from;
	out->r.to = &t->to;
	buf_addf(&out->body, "From: %s\r\nTo: ", t->from);
	for (size_t i = 0; i < t->to.n; i++)
		buf_addf(&out->body, "%s%s", i > 0 ? ",\r\n " : "", t->to.v[i]);
	buf_adds(&out->body, "\r\n");
	add_subject(&out->body, o->subject);
	add_date(&out->body, now_s);
	buf_addf(&out->body,
	    "Message-ID: <%s@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    o->id, strchr(t->from, '@') + 1);
	return add_text(&out->body, buf_view(&o->body), err);
}

int
notice_prepare(const struct notice_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err)
{
	if (!ulid_is_valid(view_str(o->id)))
		return gg_fail(err, GG_E_PEER, "a notice without an id");
	out->r.ca_file = t->ca_file;
	switch (t->kind) {
	case NOTICE_WEBHOOK:
		return prepare_webhook(t, o, now_s, out, err);
	case NOTICE_SLACK:
		return prepare_slack(t, o, out, err);
	case NOTICE_EMAIL:
		return prepare_mail(t, o, now_s, out, err);
	case NOTICE_PROGRAM:
		break;
	}
	return gg_fail(err, GG_E_NOTFOUND, "%s is not the messenger's",
	    t->name);
}
