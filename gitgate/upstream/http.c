#include "upstream/http.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <curl/curl.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define POOL_MAX     64
#define MAX_IDLE_S   4L /* shorter than what common servers allow */
#define BUFFER_BYTES 262144L
#define AGENT        "gitgate/" GG_VERSION

/* Idle handles, each with its connection. */
struct idle {
	struct idle *next;
	char *key;
	CURL *curl;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct idle *pool;
static size_t n_pool;

struct transfer {
	const struct http_request *r;
	CURL *curl;
	struct gg_error *err;
	struct view head; /* still to be sent */
	off_t at;
	bool file_failed;
	bool checked; /* status and type were looked at */
	bool wanted;  /* the answer is one to be taken */
	int verdict;  /* of take() */
};

int
http_start(struct gg_error *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return gg_fail(err, GG_E_UNAVAILABLE, "libcurl does not start");
	return 0;
}

static void
idle_free(struct idle *i)
{
	curl_easy_cleanup(i->curl);
	free(i->key);
	free(i);
}

void
http_forget_connections(void)
{
	struct idle *list, *next;

	(void)pthread_mutex_lock(&pool_lock);
	list = gg_take(pool);
	n_pool = 0;
	(void)pthread_mutex_unlock(&pool_lock);
	for (; list != NULL; list = next) {
		next = list->next;
		idle_free(list);
	}
}

static struct idle *
pool_get(const char *key)
{
	struct idle *i, **at;

	(void)pthread_mutex_lock(&pool_lock);
	for (at = &pool; *at != NULL && strcmp((*at)->key, key) != 0;)
		at = &(*at)->next;
	if ((i = *at) != NULL) {
		*at = i->next;
		n_pool--;
	}
	(void)pthread_mutex_unlock(&pool_lock);
	if (i != NULL)
		return i;
	if ((i = calloc(1, sizeof(*i))) == NULL ||
	    (i->key = strdup(key)) == NULL ||
	    (i->curl = curl_easy_init()) == NULL)
		gg_die("no memory for a connection");
	return i;
}

static void
pool_put(struct idle *i, bool good)
{
	/* The header with the secret must not stay in the handle. */
	curl_easy_reset(i->curl);
	(void)pthread_mutex_lock(&pool_lock);
	if (good && n_pool < POOL_MAX) {
		i->next = pool;
		pool = gg_take(i);
		n_pool++;
	}
	(void)pthread_mutex_unlock(&pool_lock);
	if (i != NULL)
		idle_free(i);
}

/* Same host, same credential: one connection may serve both. */
static char *
pool_key(const struct upstream *u)
{
	const struct credential *c = &u->credential;
	const char *parts[] = { u->url, c->username, c->password_file,
		c->token_file, c->helper, c->ca_file };
	struct buf b = BUF_INIT(65536);
	struct view url = view_str(u->url), host = url;
	char *key;

	view_skip(&host, view_has_prefix(url, "https://") ? 8 : 7);
	(void)view_cut(&host, '/', &host);
	buf_addv(&b, view_of(url.p, (size_t)(host.p + host.n - url.p)));
	for (size_t i = 1; i < GG_COUNT(parts); i++) {
		buf_addc(&b, '\n');
		buf_adds(&b, parts[i] != NULL ? parts[i] : "");
	}
	if ((key = buf_take(&b)) == NULL)
		gg_die("no memory for a name");
	return key;
}

static size_t
body_left(const struct transfer *t)
{
	off_t file = t->r->file >= 0 ? t->r->file_bytes - t->at : 0;

	return t->head.n + (size_t)file;
}

static size_t
on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t room = size * n, left = body_left(t);
	ssize_t got;

	if (room > left)
		room = left;
	if (room == 0)
		return 0;
	if (t->r->begun != NULL)
		*t->r->begun = true;
	if (t->head.n > 0) {
		if (room > t->head.n)
			room = t->head.n;
		memcpy(to, t->head.p, room);
		view_skip(&t->head, room);
		return room;
	}
	do
		got = pread(t->r->file, to, room, t->at);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		t->file_failed = true;
		return CURL_READFUNC_ABORT;
	}
	t->at += got;
	return (size_t)got;
}

/* A body is sent once: a second try after the first may have been read would
 * turn upstream's ok into a refusal. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct transfer *t = ctx;

	if (origin == SEEK_SET && offset == 0 && t->at == 0 &&
	    t->head.n == t->r->head.n)
		return CURL_SEEKFUNC_OK;
	return CURL_SEEKFUNC_FAIL;
}

static int
check_type(const struct transfer *t, const char *type, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) want = BUF_INIT(256);

	buf_addf(&want, "application/x-%s-%s",
	    upstream_service_name(t->r->service),
	    t->r->post ? "result" : "advertisement");
	if (type == NULL || strcasecmp(type, buf_str(&want)) != 0)
		return gg_fail(err, GG_E_PEER,
		    "upstream does not speak git's smart HTTP here "
		    "(content type %.100s)",
		    type != NULL ? type : "missing");
	return 0;
}

static int
check_answer(struct transfer *t, struct gg_error *err)
{
	const char *type = NULL;
	long status = 0;

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
	if (status == 401 || status == 403)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "upstream refused our credential");
	if (status >= 300 && status < 400)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "upstream redirects (HTTP %ld); redirects are not "
		    "followed",
		    status);
	if (status != 200)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "upstream answered HTTP %ld", status);
	return check_type(t, type, err);
}

static void
look_at_answer(struct transfer *t)
{
	if (t->checked)
		return;
	t->checked = true;
	t->verdict = check_answer(t, t->err);
	t->wanted = t->verdict == 0;
}

static size_t
on_write(char *from, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	look_at_answer(t);
	if (t->verdict == 0)
		t->verdict = t->r->take(t->r->ctx, view_of(from, size * n),
		    t->err);
	/* Going on in silence lets a body that is being sent end; without
	 * one there is nothing to wait for. */
	if (t->verdict < 0 && body_left(t) == 0)
		return 0;
	return size * n;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	struct buf b = BUF_INIT(262144);
	struct curl_slist *more;

	buf_addf(&b, "%s: %s", name, value);
	if (b.failed != 0 ||
	    (more = curl_slist_append(list, buf_str(&b))) == NULL)
		gg_die("no memory for a header");
	secret_release(&b);
	return more;
}

static struct curl_slist *
make_headers(const struct http_request *r)
{
	const char *service = upstream_service_name(r->service);
	struct curl_slist *list = NULL;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(256);

	if (r->authorization[0] != '\0')
		list = add_header(list, "Authorization", r->authorization);
	if (r->v2)
		list = add_header(list, "Git-Protocol", "version=2");
	if (!r->post)
		return add_header(list, "Pragma", "no-cache");
	buf_addf(&b, "application/x-%s-request", service);
	list = add_header(list, "Content-Type", buf_str(&b));
	buf_clear(&b);
	buf_addf(&b, "application/x-%s-result", service);
	return add_header(list, "Accept", buf_str(&b));
}

static void
wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

static int
make_url(const struct upstream *u, const struct http_request *r,
    struct buf *out, struct gg_error *err)
{
	const char *service = upstream_service_name(r->service);
	struct view base = view_str(u->url);

	if (!view_has_prefix(base, "http://") &&
	    !view_has_prefix(base, "https://"))
		return gg_fail(err, GG_E_INPUT, "not an http URL");
	if (memchr(base.p, '@', base.n) != NULL ||
	    memchr(base.p, '?', base.n) != NULL ||
	    memchr(base.p, '#', base.n) != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "upstream URL with userinfo or query");
	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	buf_addv(out, base);
	if (r->post)
		buf_addf(out, "/%s", service);
	else
		buf_addf(out, "/info/refs?service=%s", service);
	return buf_check(out, err);
}

/* An environment's proxy is not for this machine. */
static bool
is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	return strncmp(host, "127.", 4) == 0 ||
	    strncmp(host, "localhost", 9) == 0 ||
	    strncmp(host, "[::1]", 5) == 0;
}

static long
seconds(uint64_t ms)
{
	uint64_t s = (ms + 999) / 1000;

	return s == 0 ? 1 : s > 86400 * 30 ? 86400 * 30 : (long)s;
}

/* libcurl copies what it is given, except slists and callbacks' data. */
#define SET(option, value)                                             \
	do {                                                           \
		if (curl_easy_setopt(curl, option, value) != CURLE_OK) \
			bad = true;                                    \
	} while (0)

static bool
set_walls(CURL *curl, const struct upstream *u, int64_t left_ms)
{
	bool bad = false;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_USERAGENT, AGENT);
	SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_S);
	SET(CURLOPT_MAXCONNECTS, 1L);
	SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)u->limits.upstream_connect_ms);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, seconds(u->limits.upstream_idle_ms));
	SET(CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
	if (u->credential.ca_file != NULL) {
		SET(CURLOPT_CAINFO, u->credential.ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (is_loopback(u->url))
		SET(CURLOPT_PROXY, "");
	return !bad;
}

static bool
set_request(CURL *curl, struct transfer *t, const char *url,
    struct curl_slist *headers, char *why)
{
	bool bad = false;

	SET(CURLOPT_URL, url);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_ERRORBUFFER, why);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, t);
	if (t->r->post) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_left(t));
		SET(CURLOPT_READFUNCTION, on_read);
		SET(CURLOPT_READDATA, t);
		SET(CURLOPT_SEEKFUNCTION, on_seek);
		SET(CURLOPT_SEEKDATA, t);
		SET(CURLOPT_KEEP_SENDING_ON_ERROR, 1L);
	}
	return !bad;
}

static int
outcome(struct transfer *t, CURLcode rc, const char *why)
{
	struct gg_error *err = t->err;

	if (t->file_failed)
		return gg_fail(err, GG_E_CORRUPT, "the pack file was cut");
	if (t->verdict < 0)
		return t->verdict;
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return gg_fail(err, GG_E_LIMIT, "upstream is too slow: %s",
		    why);
	if (rc != CURLE_OK)
		return gg_fail(err, GG_E_UNAVAILABLE, "upstream: %s",
		    why[0] != '\0' ? why : curl_easy_strerror(rc));
	look_at_answer(t);
	return t->verdict < 0 ? t->verdict : 0;
}

int
http_request(const struct upstream *u, const struct http_request *r,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) url = BUF_INIT(8192);
	GG_AUTO_MEM char *key = NULL;
	char why[CURL_ERROR_SIZE] = "";
	struct transfer t = { .r = r, .err = err, .head = r->head };
	struct curl_slist *headers;
	struct idle *i;
	int rc = make_url(u, r, &url, err);

	if (rc != 0)
		return rc;
	key = pool_key(u);
	i = pool_get(key);
	t.curl = i->curl;
	headers = make_headers(r);
	if (!set_walls(i->curl, u, r->deadline - clock_mono_ms()) ||
	    !set_request(i->curl, &t, buf_str(&url), headers, why))
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "libcurl lacks something that is needed");
	else
		rc = outcome(&t, curl_easy_perform(i->curl), why);
	pool_put(i, rc == 0);
	wipe_headers(headers);
	return rc;
}
