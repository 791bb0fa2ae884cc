/*
 * The request's way through libmicrohttpd, on the network threads. Its
 * access handler is called once with the headers (and again each time the
 * connection was resumed in that state), then with each piece of the body,
 * then once more at its end; an answer can be queued at the first and the
 * last of these only.
 */
#include "base/log.h"
#include "http/server_priv.h"

#include <stdlib.h>
#include <sys/socket.h>

void
request_suspend(struct http_request *rq)
{
	rq->suspended = true;
	MHD_suspend_connection(rq->conn);
}

void
request_resume(struct http_request *rq)
{
	if (!rq->suspended)
		return;
	rq->suspended = false;
	MHD_resume_connection(rq->conn);
}

void *
access_begin(void *cls, const char *uri, struct MHD_Connection *conn)
{
	return request_new(cls, uri, conn);
}

/* Answer at once, without a handler. */
static enum MHD_Result
refuse(struct http_request *rq, unsigned status, const char *text)
{
	struct MHD_Response *r = answer_text(text);
	enum MHD_Result ok;

	rq->phase = PHASE_OVER;
	if (r == NULL)
		return MHD_NO;
	ok = MHD_queue_response(rq->conn, status, r);
	MHD_destroy_response(r);
	return ok;
}

/* Give the stored answer to the connection. Not under the lock: the library
 * calls content readers under a lock of its own, and they take ours. */
static enum MHD_Result
queue_answer(struct http_request *rq)
{
	enum MHD_Result ok;

	rq->phase = PHASE_OVER;
	if (rq->response == NULL)
		return MHD_NO;
	ok = MHD_queue_response(rq->conn, rq->status, rq->response);
	MHD_destroy_response(gg_take(rq->response));
	return ok;
}

/* The worker's side of a request. */
static void
run_handler(void *arg)
{
	struct http_request *rq = arg;
	bool answered;

	rq->plan.handler(rq->s->c.ctx, rq);
	(void)pthread_mutex_lock(&rq->lock);
	answered = rq->answered;
	(void)pthread_mutex_unlock(&rq->lock);
	if (!answered) {
		log_event(EV_http_error, kv_str("path", rq->path),
		    kv_str("error", "the handler gave no answer"));
		http_reply_text(rq, 500, "internal error");
	}
	request_unref(rq);
}

/* Suspend and hand over to a worker. Under the lock. */
static void
dispatch(struct http_request *rq)
{
	request_ref(rq);
	request_suspend(rq);
	rq->task = (struct task){ .fn = run_handler, .arg = rq };
	workers_put(&rq->s->workers, &rq->task);
}

static bool
head_is_too_large(struct http_request *rq)
{
	size_t n = strlen(rq->target);

	for (size_t i = 0; i < rq->n_headers; i++)
		n += strlen(rq->headers[i].name) +
		    strlen(rq->headers[i].value) + 4;
	return n > rq->s->c.header_bytes;
}

static enum MHD_Result
refuse_size(struct http_request *rq)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(256);

	if (rq->plan.limit != NULL)
		buf_addf(&text, "limit %s: ", rq->plan.limit);
	buf_adds(&text, "the body is too large");
	return refuse(rq, 413, buf_str(&text));
}

/*
 * The client may have gone right behind its last bytes. libmicrohttpd (0.9.75)
 * is told of both at once, takes a read that did not fill its buffer for all
 * there is, and is not told again: the request would stay until request-idle.
 * This changes nothing of a connection that has ended, but is told.
 */
static void
look_for_end(const struct http_request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(rq->conn,
	    MHD_CONNECTION_INFO_CONNECTION_FD);
	char next;

	if (info != NULL &&
	    recv(info->connect_fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		(void)shutdown(info->connect_fd, SHUT_RD);
}

/* Who is sending already would not see an answer before its end. */
static enum MHD_Result
buffer_begin(struct http_request *rq)
{
	size_t max = rq->plan.body == HTTP_BODY_BUFFER ? rq->plan.max_body :
							 UNASKED_BODY_BYTES;

	rq->body.max = max;
	if (rq->content_length > max) {
		if (rq->expects || rq->content_length > DRAIN_MAX_BYTES)
			return refuse_size(rq);
		rq->body.failed = GG_E_LIMIT;
	}
	rq->phase = PHASE_BODY;
	if (rq->has_body)
		look_for_end(rq);
	return MHD_YES;
}

static enum MHD_Result
handle_head(struct http_request *rq, const char *method)
{
	enum MHD_Result ok = MHD_YES;

	(void)atomic_fetch_add(&rq->s->n_active, 1);
	request_read_head(rq, method);
	if (rq->s->quiet)
		return refuse(rq, 503, "the gate is stopping");
	if (rq->bad_head)
		return refuse(rq, 400, "not a valid request");
	if (head_is_too_large(rq))
		return refuse(rq, 431, "limit header-size: too large");
	rq->s->c.route(rq->s->c.ctx, rq, &rq->plan);
	if (rq->plan.handler == NULL)
		return refuse(rq, 404, "not found");
	if (rq->plan.body != HTTP_BODY_STREAM)
		return buffer_begin(rq);
	rq->phase = PHASE_ASK;
	(void)pthread_mutex_lock(&rq->lock);
	if (rq->s->cut)
		ok = MHD_NO;
	else
		dispatch(rq);
	(void)pthread_mutex_unlock(&rq->lock);
	return ok;
}

/* One piece of a body; true goes on. Without the lock: a sink may answer. */
static bool
take_piece(struct http_request *rq, struct view piece)
{
	if (rq->plan.body != HTTP_BODY_STREAM) {
		buf_addv(&rq->body, piece);
		if (rq->body.failed == 0)
			return true;
		rq->drained += piece.n;
		return rq->drained <= DRAIN_MAX_BYTES;
	}
	if (!rq->sink_over && rq->sink(rq->sink_arg, piece, false))
		return true;
	rq->sink_over = true;
	rq->drained += piece.n;
	return rq->drained <= rq->drain_max;
}

/* Queue the answer, or sleep until there is one; to_worker: let a worker make
 * it. */
static enum MHD_Result
await_answer(struct http_request *rq, bool to_worker)
{
	bool answered, cut;

	(void)pthread_mutex_lock(&rq->lock);
	answered = rq->answered;
	cut = rq->s->cut;
	if (!answered && !cut && to_worker)
		dispatch(rq);
	else if (!answered && !cut)
		request_suspend(rq);
	(void)pthread_mutex_unlock(&rq->lock);
	if (answered)
		return queue_answer(rq);
	return cut ? MHD_NO : MHD_YES;
}

/* Resumed before the body: the handler has decided (or all is being cut). */
static enum MHD_Result
handle_decided(struct http_request *rq)
{
	bool accepted, answered, decided;

	(void)pthread_mutex_lock(&rq->lock);
	accepted = rq->accepted;
	answered = rq->answered;
	decided = accepted || answered || rq->s->cut;
	if (!decided)
		request_suspend(rq);
	(void)pthread_mutex_unlock(&rq->lock);
	if (!decided)
		return MHD_YES;
	if (accepted) {
		rq->phase = PHASE_BODY;
		return MHD_YES;
	}
	if (!answered || !rq->has_body || rq->expects ||
	    rq->content_length > DRAIN_MAX_BYTES)
		return await_answer(rq, false);
	rq->drain_max = DRAIN_MAX_BYTES;
	rq->sink_over = true;
	rq->phase = PHASE_BODY;
	return MHD_YES;
}

/* The body is in whole. */
static enum MHD_Result
handle_end(struct http_request *rq)
{
	rq->phase = PHASE_DONE;
	if (rq->plan.body == HTTP_BODY_STREAM) {
		if (!rq->sink_over) {
			rq->sink_over = true;
			(void)rq->sink(rq->sink_arg, view_of(NULL, 0), true);
		}
	} else if (rq->body.failed != 0) {
		return refuse_size(rq);
	}
	return await_answer(rq, rq->plan.body != HTTP_BODY_STREAM);
}

enum MHD_Result
access_handle(void *cls, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **con_cls)
{
	struct http_request *rq = *con_cls;
	struct view piece = view_of(data, *size);

	(void)cls;
	(void)conn;
	(void)url;
	(void)version;
	if (rq == NULL)
		return MHD_NO; /* no memory when it began */
	switch (rq->phase) {
	case PHASE_HEAD:
		return handle_head(rq, method);
	case PHASE_ASK:
		return handle_decided(rq);
	case PHASE_DONE:
		return await_answer(rq, false);
	case PHASE_BODY:
		if (piece.n == 0)
			return handle_end(rq);
		*size = 0;
		look_for_end(rq);
		return take_piece(rq, piece) ? MHD_YES : MHD_NO;
	case PHASE_OVER:
	default:
		*size = 0;
		return MHD_YES;
	}
}

void
access_end(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
	struct http_request *rq = *con_cls;
	bool tell, complete;

	(void)cls;
	(void)conn;
	if (rq == NULL)
		return;
	*con_cls = NULL;
	if (rq->phase != PHASE_HEAD)
		(void)atomic_fetch_sub(&rq->s->n_active, 1);
	(void)pthread_mutex_lock(&rq->lock);
	rq->gone = true;
	rq->suspended = false;
	tell = rq->accepted && !rq->sink_over;
	rq->sink_over = true;
	complete = rq->fd_ended && why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	(void)pthread_mutex_unlock(&rq->lock);
	if (tell)
		(void)rq->sink(rq->sink_arg, view_of(NULL, 0), false);
	stream_forget_fd(rq);
	if (rq->done != NULL)
		rq->done(rq->done_arg, complete);
	request_unref(rq);
}

void
access_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
    enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;

	(void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		(void)atomic_fetch_add(&s->n_connections, 1);
		tls_begin(s, conn);
	} else {
		(void)atomic_fetch_sub(&s->n_connections, 1);
	}
}
