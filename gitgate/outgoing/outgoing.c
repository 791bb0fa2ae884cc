#include "outgoing/outgoing.h"

#include "outgoing/address.h"
#include "outgoing/place.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define AGENT         "gitgate/" GG_VERSION
#define MAX_IDLE_S    30L
#define MAX_CONNECTS  64L
#define BODY_MAX      ((size_t)64 << 20)
#define MAX_AGE_MAX_S (366UL * 86400)

struct transfer {
	struct transfer *next;
	struct outgoing *owner;
	CURL *curl;
	CURLU *url;
	struct curl_slist *headers, *to;
	struct place place;
	const char *timeout_name;
	struct buf body; /* to be sent */
	size_t sent;
	struct outgoing_answer answer;
	bool refused;   /* an address was not allowed */
	bool too_large; /* its answer */
	char why[CURL_ERROR_SIZE];
	outgoing_done *done;
	void *ctx;
};

struct outgoing {
	CURLM *multi;
	struct transfer *transfers;
	unsigned n;
};

int
outgoing_new(struct outgoing **out, struct gg_error *err)
{
	GG_AUTO(outgoing) o = calloc(1, sizeof(*o));

	if (o == NULL)
		return gg_fail(err, GG_E_NOMEM, "requests to the outside");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (o->multi = curl_multi_init()) == NULL ||
	    curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTS) !=
		CURLM_OK)
		return gg_fail(err, GG_E_UNAVAILABLE, "libcurl does not start");
	*out = gg_take(o);
	return 0;
}

static void
wipe_list(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

static void
transfer_free(struct transfer *t)
{
	if (t->curl != NULL) {
		(void)curl_multi_remove_handle(t->owner->multi, t->curl);
		curl_easy_cleanup(t->curl);
	}
	curl_url_cleanup(t->url);
	wipe_list(t->headers);
	curl_slist_free_all(t->to);
	/* It may hold a secret, as its answer may. */
	if (t->body.p != NULL)
		explicit_bzero(t->body.p, t->body.n);
	buf_release(&t->body);
	if (t->answer.body.p != NULL)
		explicit_bzero(t->answer.body.p, t->answer.body.n);
	buf_release(&t->answer.body);
	free(t);
}

void
outgoing_free(struct outgoing *o)
{
	struct transfer *t, *next;

	if (o == NULL)
		return;
	for (t = o->transfers; t != NULL; t = next) {
		next = t->next;
		transfer_free(t);
	}
	if (o->multi != NULL)
		(void)curl_multi_cleanup(o->multi);
	free(o);
}

unsigned
outgoing_running(const struct outgoing *o)
{
	return o->n;
}

/* -- walls: which address may be connected to -- */

static curl_socket_t
on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = ctx;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !place_permits(&t->place, address_class(&a->addr))) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A connection that is used again was made for another request. */
static int
on_connected(void *ctx, char *to, char *from, int to_port, int from_port)
{
	struct transfer *t = ctx;

	(void)from;
	(void)to_port;
	(void)from_port;
	if (place_permits(&t->place, address_class_text(to)))
		return CURL_PREREQFUNC_OK;
	t->refused = true;
	return CURL_PREREQFUNC_ABORT;
}

/* -- bytes -- */

static size_t
on_write(char *from, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	buf_add(&t->answer.body, from, size * n);
	if (t->answer.body.failed == 0)
		return size * n;
	t->too_large = true;
	return 0;
}

static size_t
on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t room = size * n, left = t->body.n - t->sent;

	if (room > left)
		room = left;
	if (room > 0)
		memcpy(to, t->body.p + t->sent, room);
	t->sent += room;
	return room;
}

/* libcurl sends it again on a fresh connection when a kept one was closed
 * before anything was answered. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct transfer *t = ctx;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > t->body.n)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct view v = view_of(line, size * n), name;

	/* A status line: of a 100 or the answer; what was before is past. */
	if (view_has_prefix(v, "HTTP/"))
		t->answer.max_age_s = 0;
	if (view_cut(&v, ':', &name) && name.n == strlen("Cache-Control") &&
	    strncasecmp(name.p, "Cache-Control", name.n) == 0)
		t->answer.max_age_s = place_max_age(v, MAX_AGE_MAX_S);
	return size * n;
}

/* -- setting up -- */

#define SET(option, value) \
	bad = bad || curl_easy_setopt(t->curl, (option), (value)) != CURLE_OK

static bool
set_walls(struct transfer *t, const struct outgoing_request *r)
{
	bool bad = false;

	SET(CURLOPT_CURLU, t->url);
	SET(CURLOPT_PROTOCOLS_STR, t->place.protocols);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (r->ca_file != NULL) {
		SET(CURLOPT_CAINFO, r->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	SET(CURLOPT_NOSIGNAL, 1L);
	/* Who asks no resolver any more does not wait for it. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(r->timeout_ms / 2 + 1));
	SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_S);
	return !bad;
}

static bool
set_bytes(struct transfer *t, const struct outgoing_request *r)
{
	bool bad = false;

	SET(CURLOPT_USERAGENT, AGENT);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_ERRORBUFFER, t->why);
	SET(CURLOPT_PRIVATE, t);
	if (r->kind != OUTGOING_GET) {
		SET(CURLOPT_READFUNCTION, on_read);
		SET(CURLOPT_READDATA, t);
		SET(CURLOPT_SEEKFUNCTION, on_seek);
		SET(CURLOPT_SEEKDATA, t);
	}
	if (r->kind == OUTGOING_POST) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.n);
	}
	return !bad;
}

static bool
set_mail(struct transfer *t, const struct outgoing_request *r)
{
	bool bad = false;

	if (r->kind != OUTGOING_MAIL)
		return true;
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->body.n);
	SET(CURLOPT_MAIL_FROM, r->from);
	SET(CURLOPT_MAIL_RCPT, t->to);
	/* Without TLS only on this machine. */
	SET(CURLOPT_USE_SSL,
	    (long)(t->place.plain ? CURLUSESSL_TRY : CURLUSESSL_ALL));
	if (r->username != NULL) {
		SET(CURLOPT_USERNAME, r->username);
		SET(CURLOPT_PASSWORD, r->password);
	}
	return !bad;
}

static int
copy_list(const struct strv *from, struct curl_slist **to, struct gg_error *err)
{
	for (size_t i = 0; from != NULL && i < from->n; i++) {
		struct curl_slist *more = curl_slist_append(*to, from->v[i]);

		if (more == NULL)
			return gg_fail(err, GG_E_NOMEM, "a header");
		*to = more;
	}
	return 0;
}

/* The parts of the URL, by libcurl's own parser: there is no other reading of
 * it that would be checked instead. */
static int
set_url(struct transfer *t, const struct outgoing_request *r,
    struct gg_error *err)
{
	char *scheme = NULL, *host = NULL;
	int rc = 0;

	if ((t->url = curl_url()) == NULL)
		return gg_fail(err, GG_E_NOMEM, "a URL");
	if (curl_url_set(t->url, CURLUPART_URL, r->url, CURLU_DISALLOW_USER) !=
		CURLUE_OK ||
	    curl_url_get(t->url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(t->url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		rc = gg_fail(err, GG_E_INPUT, "this is not a URL to go to");
	else
		rc = place_of(scheme, host, r->kind == OUTGOING_MAIL,
		    r->reach == REACH_NAMED, &t->place, err);
	curl_free(scheme);
	curl_free(host);
	return rc;
}

static int
prepare(struct transfer *t, const struct outgoing_request *r,
    struct gg_error *err)
{
	int rc;

	buf_init(&t->body, BODY_MAX);
	buf_init(&t->answer.body, (size_t)r->answer_bytes);
	buf_addv(&t->body, r->body);
	if ((rc = buf_check(&t->body, err)) != 0 ||
	    (rc = set_url(t, r, err)) != 0 ||
	    (rc = copy_list(r->headers, &t->headers, err)) != 0 ||
	    (rc = copy_list(r->to, &t->to, err)) != 0)
		return rc;
	if ((t->curl = curl_easy_init()) == NULL)
		return gg_fail(err, GG_E_NOMEM, "a request");
	if (!set_walls(t, r) || !set_bytes(t, r) || !set_mail(t, r) ||
	    curl_multi_add_handle(t->owner->multi, t->curl) != CURLM_OK)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "libcurl lacks something that is needed");
	return 0;
}

int
outgoing_start(struct outgoing *o, const struct outgoing_request *r,
    outgoing_done *done, void *ctx, struct gg_error *err)
{
	struct transfer *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return gg_fail(err, GG_E_NOMEM, "a request");
	t->owner = o;
	t->done = done;
	t->ctx = ctx;
	t->timeout_name = r->timeout_name;
	if ((rc = prepare(t, r, err)) != 0) {
		transfer_free(t);
		return rc;
	}
	t->next = o->transfers;
	o->transfers = t;
	o->n++;
	return 0;
}

/* -- going on -- */

int
outgoing_wait(struct outgoing *o, struct pollfd *p, unsigned n, int timeout_ms,
    struct gg_error *err)
{
	GG_AUTO_MEM struct curl_waitfd *w = calloc(n + 1, sizeof(*w));

	if (w == NULL)
		return gg_fail(err, GG_E_NOMEM, "waiting");
	for (unsigned i = 0; i < n; i++) {
		w[i].fd = p[i].fd;
		w[i].events = CURL_WAIT_POLLIN;
	}
	if (curl_multi_poll(o->multi, w, n, timeout_ms, NULL) != CURLM_OK)
		return gg_fail(err, GG_E_UNAVAILABLE, "libcurl cannot wait");
	for (unsigned i = 0; i < n; i++)
		p[i].revents = w[i].revents;
	return 0;
}

static void
judge(struct transfer *t, CURLcode code)
{
	struct outgoing_answer *a = &t->answer;

	if (t->refused && code != CURLE_OK)
		a->rc = gg_fail(&a->err, GG_E_REFUSED,
		    "it leads to an address that only the configuration may "
		    "name");
	else if (t->too_large)
		a->rc = gg_fail(&a->err, GG_E_LIMIT,
		    "limit messenger-answer: the answer is larger");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		a->rc = gg_fail(&a->err, GG_E_LIMIT,
		    "limit %s: there was no answer in time", t->timeout_name);
	else if (code != CURLE_OK)
		a->rc = gg_fail(&a->err, GG_E_UNAVAILABLE, "%s",
		    t->why[0] != '\0' ? t->why : curl_easy_strerror(code));
}

static void
finish(struct outgoing *o, struct transfer *t, CURLcode code)
{
	struct transfer **at = &o->transfers;
	curl_off_t retry = 0;
	long status = 0;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	o->n--;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &retry);
	t->answer.status = (unsigned)status;
	t->answer.retry_after_s = retry > 0 ? (uint64_t)retry : 0;
	judge(t, code);
	t->done(t->ctx, &t->answer);
	transfer_free(t);
}

void
outgoing_turn(struct outgoing *o)
{
	const CURLMsg *m;
	int ignored;

	(void)curl_multi_perform(o->multi, &ignored);
	while ((m = curl_multi_info_read(o->multi, &ignored)) != NULL) {
		CURLcode code = m->data.result;
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		finish(o, t, code);
	}
}

/* -- origins -- */

static bool
origin_of(const char *url, struct buf *out)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	CURLU *u = curl_url();
	bool ok = u != NULL &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) ==
		CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
		CURLUE_OK;

	if (ok) {
		buf_addf(out, "%s://%s:%s", scheme, host, port);
		for (size_t i = 0; i < out->n; i++)
			if (out->p[i] >= 'A' && out->p[i] <= 'Z')
				out->p[i] = (char)(out->p[i] - 'A' + 'a');
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok && out->failed == 0;
}

bool
outgoing_same_origin(const char *a, const char *b)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(8192);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(8192);

	return a != NULL && b != NULL && origin_of(a, &one) &&
	    origin_of(b, &two) && view_eq(buf_view(&one), buf_view(&two));
}
