/* GitHub Actions: a job asks for its token over HTTP. */
#include "cli/cli.h"
#include "cli/credential.h"
#include "upstream/redact.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS   5000L
#define TOTAL_MS     15000L
#define PAUSE_MS     1000
#define ANSWER_BYTES (2 * MINT_TOKEN_BYTES)
#define TRIES        2

struct request {
	CURL *curl;
	struct curl_slist *headers;
	struct buf url, answer;
};

static void
request_release(struct request *r)
{
	for (struct curl_slist *l = r->headers; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(r->headers);
	if (r->curl != NULL)
		curl_easy_cleanup(r->curl);
	buf_release(&r->url);
	secret_release(&r->answer);
}
GG_DEFINE_AUTO_RELEASE(request);

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_add(b, p, size * n);
	return b->failed ? 0 : size * n;
}

static int
add_header(struct request *r, const char *token, struct gg_error *err)
{
	struct buf h = BUF_INIT(ANSWER_BYTES);
	struct curl_slist *l = NULL;

	buf_addf(&h, "Authorization: Bearer %s", token);
	if (!h.failed && strpbrk(token, "\r\n") == NULL)
		l = curl_slist_append(r->headers, buf_str(&h));
	secret_release(&h);
	if (l == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "ACTIONS_ID_TOKEN_REQUEST_TOKEN is no token");
	r->headers = l;
	return 0;
}

/* Only https, but on this machine; no redirect is followed, for the job's
 * own token travels along. */
static int
set_up(struct request *r, const struct mint *m, const char *url,
    struct gg_error *err)
{
	GG_AUTO_MEM char *origin = credential_origin(url);
	struct credential_question q = { .protocol = NULL };
	bool safe;

	if (origin != NULL) {
		char *at = strstr(origin, "://");

		*at = '\0';
		q.protocol = origin;
		q.host = at + 3;
	}
	safe = credential_is_safe(&q);
	if (!safe)
		return gg_fail(err, GG_E_INPUT,
		    "ACTIONS_ID_TOKEN_REQUEST_URL is no https:// URL");
	buf_adds(&r->url, url);
	api_query(&r->url, "audience", m->audience);
	if (buf_check(&r->url, err) != 0)
		return GG_E_LIMIT;
	if ((r->curl = curl_easy_init()) == NULL ||
	    curl_easy_setopt(r->curl, CURLOPT_URL, buf_str(&r->url)) ||
	    curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https") ||
	    curl_easy_setopt(r->curl, CURLOPT_FOLLOWLOCATION, 0L) ||
	    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L) ||
	    curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) ||
	    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, TOTAL_MS) ||
	    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers) ||
	    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_bytes) ||
	    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, &r->answer) ||
	    curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "gitgate/" GG_VERSION))
		return gg_fail(err, GG_E_NOMEM, "HTTP client");
	return 0;
}

/* 0 for an answer of 200; GG_E_UNAVAILABLE where asking again may help. */
static int
ask_once(struct request *r, struct gg_error *err)
{
	long status = 0;
	CURLcode e;

	buf_clear(&r->answer);
	e = curl_easy_perform(r->curl);
	if (r->answer.failed)
		return gg_fail(err, GG_E_PEER,
		    "GitHub's answer is longer than a token");
	if (e != CURLE_OK)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "asking GitHub for the token: %s", curl_easy_strerror(e));
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return 0;
	return gg_fail(err,
	    status == 429 || status >= 500 ? GG_E_UNAVAILABLE : GG_E_REFUSED,
	    "GitHub answers %ld to the request for the token", status);
}

static int
ask(struct request *r, struct gg_error *err)
{
	const struct timespec pause = { .tv_sec = PAUSE_MS / 1000,
		.tv_nsec = PAUSE_MS % 1000 * 1000000L };
	int rc = ask_once(r, err);

	for (int i = 1; i < TRIES && rc == GG_E_UNAVAILABLE; i++) {
		(void)nanosleep(&pause, NULL);
		rc = ask_once(r, err);
	}
	return rc;
}

int
mint_github(const struct mint *m, struct buf *out, struct gg_error *err)
{
	const char *url = getenv("ACTIONS_ID_TOKEN_REQUEST_URL");
	const char *token = getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	GG_AUTO_RELEASE(request)
	r = { .url = BUF_INIT(16384), .answer = BUF_INIT(ANSWER_BYTES) };
	json_t *j;
	int rc;

	if (url == NULL || url[0] == '\0' || token == NULL || token[0] == '\0')
		return gg_fail(err, GG_E_REFUSED,
		    "permissions: id-token: write is missing: this job may not"
		    " ask GitHub for an ID token (nor may a pull request from a"
		    " fork)");
	if ((rc = add_header(&r, token, err)) != 0 ||
	    (rc = set_up(&r, m, url, err)) != 0 || (rc = ask(&r, err)) != 0)
		return rc;
	j = json_loadb(buf_str(&r.answer), r.answer.n, 0, NULL);
	buf_adds(out, json_str(j, "value"));
	json_decref(j);
	if (out->n == 0)
		return gg_fail(err, GG_E_PEER,
		    "GitHub's answer holds no token");
	return 0;
}
