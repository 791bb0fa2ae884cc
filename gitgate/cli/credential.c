#include "cli/credential.h"

#include "base/num.h"
#include "identity/jws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
credential_question_release(struct credential_question *q)
{
	free(q->protocol);
	free(q->host);
	free(q->username);
	*q = (struct credential_question){ 0 };
}

/* The last line of a name counts, as in git. */
static void
keep(char **to, struct view value)
{
	free(*to);
	if ((*to = view_dup(value)) == NULL)
		gg_die("no memory for a credential");
}

static void
take_line(struct credential_question *q, struct view key, struct view value)
{
	if (view_eq_str(key, "protocol"))
		keep(&q->protocol, value);
	else if (view_eq_str(key, "host"))
		keep(&q->host, value);
	else if (view_eq_str(key, "username"))
		keep(&q->username, value);
	else if (view_eq_str(key, "capability[]") &&
	    view_eq_str(value, "authtype"))
		q->authtype = true;
}

int
credential_question_parse(struct view text, struct credential_question *out,
    struct gg_error *err)
{
	struct view line, key;

	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
		return gg_fail(err, GG_E_INPUT, "git's question has a NUL");
	while (text.n > 0) {
		if (!view_cut(&text, '\n', &line)) {
			line = text;
			text = view_of("", 0);
		}
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			break;
		if (!view_cut(&line, '=', &key))
			return gg_fail(err, GG_E_INPUT,
			    "git's question has a line without =");
		take_line(out, key, line);
	}
	return 0;
}

/* -- which gate -- */

struct place {
	bool https;
	struct view host; /* IPv6 without its brackets */
	uint64_t port;
};

static bool
read_port(struct view text, uint64_t *port)
{
	return num_parse(text, 65535, port, NULL) == 0 && *port > 0;
}

/* "host", "host:port", "[::1]:port" */
static bool
read_host(struct view v, struct place *p)
{
	struct view port = { 0 };
	bool has_port;

	if (v.n > 0 && v.p[0] == '[') {
		view_skip(&v, 1);
		if (!view_cut(&v, ']', &p->host))
			return false;
		has_port = v.n > 0;
		if (has_port && v.p[0] != ':')
			return false;
		view_skip(&v, 1);
		port = v;
	} else if ((has_port = view_cut(&v, ':', &p->host))) {
		port = v;
	} else {
		p->host = v;
	}
	p->port = p->https ? 443 : 80;
	if (has_port && !read_port(port, &p->port))
		return false;
	for (size_t i = 0; i < p->host.n; i++)
		if (p->host.p[i] <= ' ' || strchr("/@\\?#", p->host.p[i]))
			return false;
	return p->host.n > 0;
}

static bool
read_place(const char *protocol, size_t n, struct view host, struct place *p)
{
	p->https = n == 5 && strncasecmp(protocol, "https", n) == 0;
	if (!p->https && !(n == 4 && strncasecmp(protocol, "http", n) == 0))
		return false;
	return read_host(host, p);
}

static bool
place_of_url(const char *url, struct place *p)
{
	const char *at = strstr(url, "://");

	if (at == NULL)
		return false;
	return read_place(url, (size_t)(at - url),
	    view_of(at + 3, strcspn(at + 3, "/")), p);
}

static bool
place_of_question(const struct credential_question *q, struct place *p)
{
	return q->protocol != NULL && q->host != NULL &&
	    read_place(q->protocol, strlen(q->protocol), view_str(q->host), p);
}

bool
credential_is_for(const struct credential_question *q, const char *url)
{
	struct place ours, asked;

	return place_of_url(url, &ours) && place_of_question(q, &asked) &&
	    ours.https == asked.https && ours.port == asked.port &&
	    ours.host.n == asked.host.n &&
	    strncasecmp(ours.host.p, asked.host.p, ours.host.n) == 0;
}

/* 127.0.0.0/8 as a numeric address, not a name that begins so. */
static bool
is_loopback_v4(struct view v)
{
	uint64_t number;
	struct view part;
	int parts = 0;

	if (!view_has_prefix(v, "127."))
		return false;
	for (; parts < 4; parts++) {
		if (!view_cut(&v, '.', &part)) {
			part = v;
			v = view_of("", 0);
		}
		if (num_parse(part, 255, &number, NULL) != 0)
			return false;
	}
	return v.n == 0;
}

bool
credential_is_safe(const struct credential_question *q)
{
	struct place p;

	if (!place_of_question(q, &p))
		return false;
	return p.https || is_loopback_v4(p.host) ||
	    view_eq_str(p.host, "::1") || view_eq_str(p.host, "localhost");
}

char *
credential_origin(const char *url)
{
	struct place p;
	const char *at;

	if (!place_of_url(url, &p))
		return NULL;
	at = strstr(url, "://") + 3;
	return view_dup(view_of(url, (size_t)(at - url) + strcspn(at, "/")));
}

/* -- a token's own words -- */

void
token_claims_release(struct token_claims *t)
{
	strv_release(&t->audience);
	*t = (struct token_claims){ 0 };
}

static void
take_claims(const json_t *claims, struct token_claims *out)
{
	const json_t *exp = json_object_get(claims, "exp");
	const json_t *aud = json_object_get(claims, "aud");
	const json_t *one;
	size_t i;

	if (json_is_integer(exp))
		out->exp = json_integer_value(exp);
	if (json_is_string(aud))
		strv_add(&out->audience, json_string_value(aud));
	json_array_foreach(aud, i, one) if (json_is_string(one))
	    strv_add(&out->audience, json_string_value(one));
}

int
token_claims_read(struct view token, struct token_claims *out,
    struct gg_error *err)
{
	static const char *const types[] = { "JWT", "JOSE", "at+jwt", NULL };
	GG_AUTO_RELEASE(jws) j = { 0 };
	int rc;

	if (!jws_is_likely(token))
		return 0;
	if ((rc = jws_parse(token, types, &j, err)) != 0)
		return rc;
	if (j.claims == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the token's claims are no JSON object");
	take_claims(j.claims, out);
	return strv_check(&out->audience, err);
}
