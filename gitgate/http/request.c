#include "base/fd.h"
#include "base/num.h"
#include "http/server_priv.h"

#include <stdlib.h>
#include <strings.h>

struct http_request *
request_new(struct http_server *s, const char *target,
    struct MHD_Connection *conn)
{
	struct http_request *rq = calloc(1, sizeof(*rq));

	if (rq == NULL || (rq->target = view_dup(view_str(target))) == NULL) {
		free(rq);
		return NULL;
	}
	rq->s = s;
	rq->conn = conn;
	rq->fd = -1;
	atomic_init(&rq->refs, 1);
	(void)pthread_mutex_init(&rq->lock, NULL);
	(void)pthread_mutex_lock(&s->lock);
	rq->next = s->requests;
	if (rq->next != NULL)
		rq->next->prev = rq;
	s->requests = rq;
	(void)pthread_mutex_unlock(&s->lock);
	return rq;
}

void
request_ref(struct http_request *rq)
{
	(void)atomic_fetch_add(&rq->refs, 1);
}

static void
request_unlink(struct http_request *rq)
{
	struct http_server *s = rq->s;

	(void)pthread_mutex_lock(&s->lock);
	if (rq->prev != NULL)
		rq->prev->next = rq->next;
	else
		s->requests = rq->next;
	if (rq->next != NULL)
		rq->next->prev = rq->prev;
	(void)pthread_mutex_unlock(&s->lock);
}

void
request_unref(struct http_request *rq)
{
	if (atomic_fetch_sub(&rq->refs, 1) != 1)
		return;
	request_unlink(rq);
	if (rq->response != NULL)
		MHD_destroy_response(rq->response);
	for (size_t i = 0; i < rq->n_headers; i++) {
		free(rq->headers[i].name);
		free(rq->headers[i].value);
	}
	free(rq->headers);
	free(rq->method);
	free(rq->target);
	free(rq->path);
	fields_release(&rq->query);
	fields_release(&rq->form);
	strv_release(&rq->kept);
	buf_release(&rq->certificates);
	buf_release(&rq->body);
	buf_release(&rq->head);
	buf_release(&rq->stream.out);
	buf_release(&rq->stream.keepalive);
	fd_close(rq->fd);
	(void)pthread_mutex_destroy(&rq->lock);
	free(rq);
}

static enum MHD_Result
count_header(void *cls, enum MHD_ValueKind kind, const char *k, const char *v)
{
	(void)kind;
	(void)k;
	(void)v;
	++*(size_t *)cls;
	return MHD_YES;
}

static enum MHD_Result
copy_header(void *cls, enum MHD_ValueKind kind, const char *k, const char *v)
{
	struct http_request *rq = cls;
	struct header *h = &rq->headers[rq->n_headers++];

	(void)kind;
	h->name = view_dup(view_str(k));
	h->value = view_dup(view_str(v != NULL ? v : ""));
	if (h->name == NULL || h->value == NULL)
		rq->bad_head = true;
	return MHD_YES;
}

/* Where a body ends must not be open to two readings. */
static bool
framing_is_fine(struct http_request *rq)
{
	const char *te = http_header(rq, "Transfer-Encoding");
	const char *cl = http_header(rq, "Content-Length");

	if (http_header_count(rq, "Transfer-Encoding") > 1 ||
	    http_header_count(rq, "Content-Length") > 1 ||
	    http_header_count(rq, "Host") > 1 || (te != NULL && cl != NULL))
		return false;
	if (te != NULL) {
		rq->has_body = rq->chunked = true;
		return strcasecmp(te, "chunked") == 0;
	}
	if (cl == NULL)
		return true;
	if (num_parse(view_str(cl), INT64_MAX, &rq->content_length, NULL) != 0)
		return false;
	rq->has_body = rq->content_length > 0;
	return true;
}

static void
read_client(struct http_request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(rq->conn,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	GG_AUTO_RELEASE(buf) all = BUF_INIT((size_t)64 * 1024);

	addr_format(info != NULL ? info->client_addr : NULL, rq->peer);
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcasecmp(rq->headers[i].name, "X-Forwarded-For") == 0)
			buf_addf(&all, "%s%s", all.n ? "," : "",
			    rq->headers[i].value);
	/* Cut short, its rightmost part would be missing. */
	if (all.failed != 0)
		buf_clear(&all);
	addr_client(rq->peer, buf_view(&all), rq->s->c.trusted_proxies,
	    rq->client);
	rq->peer_trusted = addr_in_list(rq->peer, rq->s->c.trusted_proxies);
}

void
request_read_head(struct http_request *rq, const char *method)
{
	struct view query = { 0 };
	const char *expect;
	size_t n = 0;

	rq->method = view_dup(view_str(method));
	(void)MHD_get_connection_values(rq->conn, MHD_HEADER_KIND, count_header,
	    &n);
	rq->headers = calloc(n + 1, sizeof(*rq->headers));
	if (rq->method == NULL || rq->headers == NULL) {
		rq->bad_head = true;
		return;
	}
	(void)MHD_get_connection_values(rq->conn, MHD_HEADER_KIND, copy_header,
	    rq);
	read_client(rq);
	tls_read_peer(rq);
	if (!framing_is_fine(rq) ||
	    target_parse(view_str(rq->target), &rq->path, &query, NULL) != 0 ||
	    fields_parse(query, &rq->query, NULL) != 0)
		rq->bad_head = true;
	expect = http_header(rq, "Expect");
	rq->expects = expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

const char *
http_method(const struct http_request *rq)
{
	return rq->method;
}

const char *
http_path(const struct http_request *rq)
{
	return rq->path;
}

const char *
http_query(const struct http_request *rq, const char *name)
{
	return fields_get(&rq->query, name, NULL);
}

const char *
http_header(const struct http_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcasecmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

unsigned
http_header_count(const struct http_request *rq, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < rq->n_headers; i++)
		n += strcasecmp(rq->headers[i].name, name) == 0;
	return n;
}

const char *
http_cookie(const struct http_request *rq, const char *name)
{
	/* What is kept is no part of what the request says. */
	struct strv *kept = &((struct http_request *)(uintptr_t)rq)->kept;
	struct view v;

	if (http_header_count(rq, "Cookie") != 1 ||
	    !cookie_find(view_str(http_header(rq, "Cookie")), name, &v))
		return NULL;
	strv_addv(kept, v);
	return strv_check(kept, NULL) == 0 ? kept->v[kept->n - 1] : NULL;
}

const char *
http_client_addr(const struct http_request *rq)
{
	return rq->client;
}

bool
http_peer_is_trusted(const struct http_request *rq)
{
	return rq->peer_trusted;
}

const struct view *
http_peer_certificates(const struct http_request *rq, size_t *n)
{
	*n = rq->n_certificates;
	return rq->certificate;
}

void
http_retry_after(struct http_request *rq, unsigned seconds)
{
	rq->retry_after = seconds;
}

unsigned
http_retry_seconds(const struct http_request *rq)
{
	return rq->retry_after;
}

void *
http_request_cookie(const struct http_request *rq)
{
	return rq->plan.cookie;
}

struct view
http_body(const struct http_request *rq)
{
	return buf_view(&rq->body);
}

const char *
http_form(struct http_request *rq, const char *name)
{
	const char *type = http_header(rq, "Content-Type");
	static const char form[] = "application/x-www-form-urlencoded";
	const char *value;
	unsigned n;

	if (!rq->form_parsed) {
		rq->form_parsed = true;
		if (type != NULL &&
		    strncasecmp(type, form, sizeof(form) - 1) == 0 &&
		    (type[sizeof(form) - 1] == '\0' ||
			type[sizeof(form) - 1] == ';' ||
			type[sizeof(form) - 1] == ' '))
			(void)!fields_parse(buf_view(&rq->body), &rq->form,
			    NULL);
	}
	value = fields_get(&rq->form, name, &n);
	return n == 1 ? value : NULL;
}
