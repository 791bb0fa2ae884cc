/* The HTTP API of a running gate, and files of a log that is served. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>

#define CONNECT_MS   10000L
#define TOTAL_MS     60000L
#define ANSWER_BYTES (64u << 20)

struct api {
	CURL *curl;
	char *base; /* no trailing slash */
	struct curl_slist *headers;
	bool has_token;
};

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || strchr(".-:[]", c) != NULL;
}

bool
api_url_is_valid(const char *url)
{
	struct view v = view_str(url);
	size_t host = 0;

	if (view_has_prefix(v, "https://"))
		view_skip(&v, 8);
	else if (view_has_prefix(v, "http://"))
		view_skip(&v, 7);
	else
		return false;
	while (host < v.n && is_host_char(v.p[host]))
		host++;
	if (host == 0 || (host < v.n && v.p[host] != '/'))
		return false;
	for (size_t i = host; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~' ||
		    strchr("?#@\\\"", v.p[i]) != NULL)
			return false;
	return v.n < 2000;
}

bool
api_is_wanted(const struct cli *cli)
{
	const char *env = getenv("GITGATE_URL");

	if (cli->url != NULL)
		return true;
	return cli->config_file == NULL && env != NULL && env[0] != '\0';
}

bool
api_same_gate(const struct cli *cli, const char *url)
{
	const char *ours = cli->url ? cli->url : getenv("GITGATE_URL");
	const char *host;
	size_t n;

	if (ours == NULL || ours[0] == '\0')
		return true;
	if ((host = strstr(ours, "://")) == NULL)
		return false;
	n = (size_t)(host + 3 - ours) + strcspn(host + 3, "/");
	return strncmp(ours, url, n) == 0 && (url[n] == '/' || url[n] == '\0');
}

/* A token goes into a header: nothing but visible ASCII. */
static bool
token_is_clean(const char *t)
{
	if (*t == '\0')
		return false;
	for (; *t != '\0'; t++)
		if (*t <= ' ' || *t > '~')
			return false;
	return true;
}

static int
add_token(struct api *a, const char *token, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) h = BUF_INIT(70000);
	struct curl_slist *l;

	if (!token_is_clean(token))
		return gg_fail(err, GG_E_INPUT,
		    "the token is not one line of visible characters");
	buf_addf(&h, "Authorization: Bearer %s", token);
	l = curl_slist_append(a->headers, buf_str(&h));
	explicit_bzero(h.p, h.n);
	if (l == NULL)
		return gg_fail(err, GG_E_NOMEM, "headers");
	a->headers = l;
	a->has_token = true;
	return 0;
}

static int
read_token(struct api *a, const struct cli *cli, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65537);
	const char *env = getenv("GITGATE_TOKEN");
	int rc;

	if (cli->token_file != NULL) {
		rc = file_read_secret(cli->token_file, &b, err);
		if (rc == 0)
			rc = add_token(a, buf_str(&b), err);
		if (b.p != NULL)
			explicit_bzero(b.p, b.n);
		return rc;
	}
	if (env != NULL && env[0] != '\0')
		return add_token(a, env, err);
	return 0;
}

static int
set_base(struct api *a, const struct cli *cli, const char *base,
    struct gg_error *err)
{
	const char *env = getenv("GITGATE_URL"), *url = cli->url;

	if (url == NULL && env != NULL && env[0] != '\0')
		url = env;
	if (url == NULL)
		url = base;
	if (url == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "no gate: give --url or set GITGATE_URL");
	if (!api_url_is_valid(url))
		return gg_fail(err, GG_E_INPUT,
		    "%s is not a http:// or https:// URL of a gate", url);
	if ((a->base = strdup(url)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "URL");
	for (size_t n = strlen(a->base); n > 0 && a->base[n - 1] == '/'; n--)
		a->base[n - 1] = '\0';
	return 0;
}

/* What must hold for every request: bounded in time, nothing but HTTP, and
 * no redirect is followed (a token must not travel to another host). */
static int
set_up(struct api *a, struct gg_error *err)
{
	CURL *c = a->curl = curl_easy_init();

	if (c == NULL ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") ||
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) ||
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) ||
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) ||
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, TOTAL_MS) ||
	    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "") ||
	    curl_easy_setopt(c, CURLOPT_USERAGENT, "gitgate/" GG_VERSION))
		return gg_fail(err, GG_E_NOMEM, "HTTP client");
	return 0;
}

int
api_open(const struct cli *cli, const char *base, struct api **out,
    struct gg_error *err)
{
	GG_AUTO(api) a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return gg_fail(err, GG_E_NOMEM, "HTTP client");
	if ((rc = set_base(a, cli, base, err)) != 0 ||
	    (rc = set_up(a, err)) != 0 || (rc = read_token(a, cli, err)) != 0)
		return rc;
	*out = gg_take(a);
	return 0;
}

void
api_free(struct api *a)
{
	if (a == NULL)
		return;
	for (struct curl_slist *l = a->headers; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(a->headers);
	if (a->curl != NULL)
		curl_easy_cleanup(a->curl);
	free(a->base);
	free(a);
}

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_add(b, p, size * n);
	return b->failed ? 0 : size * n;
}

/* One request; the answer's status. 0 or GG_E_UNAVAILABLE and the like. */
static int
perform(struct api *a, const char *method, const char *path, const char *body,
    struct buf *out, long *status, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) url = BUF_INIT(16384);
	CURLcode e;
	CURL *c = a->curl;
	int rc;

	buf_addf(&url, "%s/%s", a->base, path);
	if ((rc = buf_check(&url, err)) != 0)
		return rc;
	if (curl_easy_setopt(c, CURLOPT_URL, buf_str(&url)) ||
	    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) ||
	    (body != NULL &&
		(curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
		     (curl_off_t)strlen(body)) ||
		    curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body))) ||
	    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method) ||
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, a->headers) ||
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes) ||
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, out))
		return gg_fail(err, GG_E_NOMEM, "HTTP request");
	e = curl_easy_perform(c);
	if ((rc = buf_check(out, err)) != 0)
		return gg_wrap(err, rc, "the gate's answer");
	if (e != CURLE_OK)
		return gg_fail(err, GG_E_UNAVAILABLE, "%s: %s", a->base,
		    curl_easy_strerror(e));
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	return 0;
}

static enum gg_code
code_of(long status)
{
	if (status == 404)
		return GG_E_NOTFOUND;
	if (status == 401 || status == 403)
		return GG_E_REFUSED;
	if (status == 409)
		return GG_E_STALE;
	if (status == 429 || status >= 500)
		return GG_E_UNAVAILABLE;
	return GG_E_PEER;
}

/* The words of a problem document (RFC 9457), else the bare status. */
static int
refusal(const struct api *a, long status, const struct buf *text,
    struct gg_error *err)
{
	json_t *j = json_loadb(buf_str(text), text->n, 0, NULL);
	const char *detail = json_str(j, "detail");
	const char *title = json_str(j, "title");
	int rc;

	if (detail[0] == '\0')
		detail = title;
	if (detail[0] == '\0' && status >= 300 && status < 400)
		detail = "it redirects; give the URL it leads to";
	if (detail[0] == '\0' && status == 401 && !a->has_token)
		detail = "sign in: set GITGATE_TOKEN or give --token-file";
	rc = gg_fail(err, code_of(status), "the gate answers %ld%s%s", status,
	    detail[0] ? ": " : "", detail);
	json_decref(j);
	return rc;
}

int
api_fetch(struct api *a, const char *path, struct buf *out,
    struct gg_error *err)
{
	long status = 0;
	int rc;

	if ((rc = perform(a, "GET", path, NULL, out, &status, err)) != 0)
		return rc;
	if (status != 200) {
		rc = refusal(a, status, out, err);
		buf_clear(out);
		return gg_wrap(err, rc, "%s", path);
	}
	return 0;
}

int
api_call(struct api *a, const char *method, const char *path,
    const json_t *body, json_t **out, struct gg_error *err)
{
	GG_AUTO_MEM char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	GG_AUTO_RELEASE(buf) answer = BUF_INIT(ANSWER_BYTES);
	struct curl_slist *l;
	long status = 0;
	int rc;

	if (text != NULL) {
		l = curl_slist_append(a->headers,
		    "Content-Type: application/json");
		if (l == NULL)
			return gg_fail(err, GG_E_NOMEM, "headers");
		a->headers = l;
	}
	if ((rc = perform(a, method, path, text, &answer, &status, err)) != 0)
		return rc;
	if (status < 200 || status > 299)
		return refusal(a, status, &answer, err);
	*out = json_loadb(buf_str(&answer), answer.n, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(*out)) {
		json_decref(*out);
		return gg_fail(err, GG_E_PEER, "%s does not answer like a gate",
		    a->base);
	}
	return 0;
}

/* -- events -- */

#define LINE_BYTES 65536
#define SILENCE_S  45L /* the gate says something every 15 */

struct listening {
	CURL *curl;
	struct buf line;
	bool (*on_line)(void *ctx, const char *line);
	void *ctx;
	bool answered, enough;
};

static size_t
on_event_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct listening *l = arg;
	long status = 0;

	curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return 0;
	l->answered = true;
	for (size_t i = 0; i < size * n && !l->enough; i++) {
		if (p[i] != '\n') {
			buf_addc(&l->line, p[i]);
			continue;
		}
		if (buf_check(&l->line, NULL) != 0)
			return 0;
		l->enough = l->on_line(l->ctx, buf_str(&l->line));
		buf_clear(&l->line);
	}
	return l->enough ? 0 : size * n;
}

static int
listen_on(struct api *a, struct listening *l, const char *url, int64_t ms,
    struct gg_error *err)
{
	CURL *c = l->curl;
	long status = 0;
	CURLcode e;

	if (curl_easy_setopt(c, CURLOPT_URL, url) ||
	    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) ||
	    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, NULL) ||
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, a->headers) ||
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ms) ||
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SILENCE_S) ||
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_event_bytes) ||
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, l))
		return gg_fail(err, GG_E_NOMEM, "HTTP request");
	e = curl_easy_perform(c);
	if (l->answered)
		return 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status != 0 && status != 200)
		return gg_fail(err, code_of(status), "the gate answers %ld",
		    status);
	return gg_fail(err, GG_E_UNAVAILABLE, "%s: %s", a->base,
	    curl_easy_strerror(e));
}

int
api_listen(struct api *a, const char *path, int64_t deadline,
    bool (*on_line)(void *ctx, const char *line), void *ctx,
    struct gg_error *err)
{
	struct listening l = { .curl = curl_easy_duphandle(a->curl),
		.line = BUF_INIT(LINE_BYTES),
		.on_line = on_line,
		.ctx = ctx };
	GG_AUTO_RELEASE(buf) url = BUF_INIT(16384);
	int64_t ms = deadline - clock_mono_ms();
	int rc;

	if (l.curl == NULL)
		return gg_fail(err, GG_E_NOMEM, "HTTP client");
	buf_addf(&url, "%s/%s", a->base, path);
	ms = ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : ms;
	rc = listen_on(a, &l, buf_str(&url), ms, err);
	curl_easy_cleanup(l.curl);
	buf_release(&l.line);
	return rc;
}

void
api_query(struct buf *path, const char *name, const char *value)
{
	char *escaped;

	if (value == NULL)
		return;
	escaped = curl_easy_escape(NULL, value, 0);
	buf_addf(path, "%c%s=%s", memchr(path->p, '?', path->n) ? '&' : '?',
	    name, escaped ? escaped : "");
	curl_free(escaped);
}
