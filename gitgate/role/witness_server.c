#include "role/witness_server.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define METRICS_MAX_BYTES ((size_t)256 * 1024)
#define ORIGIN_SHOWN      (NOTE_NAME_MAX_BYTES + 1)

static const struct {
	unsigned status;
	int counter;
} refusals[] = { { 400, WITNESS_400 }, { 403, WITNESS_403 },
	{ 404, WITNESS_404 }, { 409, WITNESS_409 }, { 422, WITNESS_422 },
	{ 500, WITNESS_500 } };

/* -- taking a checkpoint -- */

static void
show_origin(struct view origin, char out[ORIGIN_SHOWN])
{
	int n = (int)(origin.n < ORIGIN_SHOWN ? origin.n : ORIGIN_SHOWN - 1);

	(void)snprintf(out, ORIGIN_SHOWN, "%.*s", n, n > 0 ? origin.p : "");
}

static void
count(struct witness_service *s, const struct witness_verdict *v)
{
	if (v->status == 200)
		atomic_fetch_add(&s->counters[WITNESS_SIGNED], 1);
	for (size_t i = 0; i < GG_COUNT(refusals); i++)
		if (v->status == refusals[i].status)
			atomic_fetch_add(&s->counters[refusals[i].counter], 1);
}

static void
log_fork(const char *origin, uint64_t size, const char *why)
{
	log_event(EV_log_forked, kv_str("log", origin), kv_u64("size", size),
	    kv_str("why", why));
}

void
witness_take(struct witness_service *s, const struct witness_request *r,
    struct witness_verdict *v)
{
	char origin[ORIGIN_SHOWN];

	witness_book_add(s->book, r, v);
	count(s, v);
	show_origin(v->c.origin, origin);
	if (v->is_fork)
		log_fork(origin, v->c.size, v->err.msg);
	else if (v->status == 500)
		log_event(EV_witness_broken, kv_str("log", origin),
		    kv_err(&v->err));
	else if (v->status == 200 && v->is_new)
		log_event(EV_log_cosigned, kv_str("log", origin),
		    kv_u64("size", v->c.size));
	else if (v->status == 403 || v->status == 422)
		log_event(EV_cosigning_refused, kv_str("log", origin),
		    kv_u64("status", v->status), kv_err(&v->err));
}

void
witness_found_fork(struct witness_service *s, struct view origin,
    struct view note, const char *why)
{
	char shown[ORIGIN_SHOWN];

	if (!witness_book_fork(s->book, origin, note, why))
		return;
	show_origin(origin, shown);
	log_fork(shown, 0, why);
}

/* -- requests -- */

static void
add_checkpoint(void *ctx, struct http_request *rq)
{
	GG_AUTO_RELEASE(witness_verdict) v = { 0 };
	struct witness_service *s = ctx;
	struct witness_request r;
	char size[32];

	if (witness_request_parse(http_body(rq), &r, &v.err) == 0) {
		witness_take(s, &r, &v);
	} else {
		v.status = 400;
		count(s, &v);
	}
	switch (v.status) {
	case 200:
		http_reply(rq, 200, "text/plain; charset=utf-8",
		    buf_view(&v.line), NULL);
		return;
	case 409:
		(void)snprintf(size, sizeof(size), "%llu\n",
		    (unsigned long long)v.size);
		http_reply(rq, 409, "text/x.tlog.size", view_str(size), NULL);
		return;
	case 500:
		http_reply_text(rq, 500,
		    "the signature cannot be kept, so none is given");
		return;
	default:
		http_reply_text(rq, v.status, "%s", v.err.msg);
	}
}

static void
read_checkpoint(void *ctx, struct http_request *rq)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	struct witness_service *s = ctx;
	struct view name = view_str(http_path(rq) + 1);

	name.n -= strlen("/checkpoint");
	if (witness_book_read(s->book, name, &note))
		http_reply(rq, 200, "text/plain; charset=utf-8",
		    buf_view(&note), NULL);
	else
		http_reply_text(rq, 404, "nothing was signed of this log");
}

static void
healthz(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 200, "ok");
}

/* -- metrics -- */

static void
add_label(struct buf *out, const char *name, const char *origin)
{
	buf_addf(out, "%s{log=\"", name);
	for (; *origin != '\0'; origin++) {
		if (*origin == '"' || *origin == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *origin);
	}
	buf_adds(out, "\"} ");
}

static void
add_log(void *ctx, const char *origin, uint64_t size, uint64_t time_s,
    bool is_forked)
{
	int64_t now = clock_wall_ms() / 1000;
	struct buf *out = ctx;

	add_label(out, "gitgate_witness_log_entries", origin);
	buf_addf(out, "%llu\n", (unsigned long long)size);
	add_label(out, "gitgate_witness_log_forked", origin);
	buf_addf(out, "%d\n", is_forked ? 1 : 0);
	if (time_s == 0 || now < 0 || (uint64_t)now < time_s)
		return;
	add_label(out, "gitgate_witness_log_age_seconds", origin);
	buf_addf(out, "%llu\n", (unsigned long long)now - time_s);
}

static void
metrics(void *ctx, struct http_request *rq)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(METRICS_MAX_BYTES);
	struct witness_service *s = ctx;

	buf_addf(&b,
	    "# TYPE gitgate_witness_cosignatures_total counter\n"
	    "gitgate_witness_cosignatures_total %llu\n"
	    "# TYPE gitgate_witness_refusals_total counter\n",
	    atomic_load(&s->counters[WITNESS_SIGNED]));
	for (size_t i = 0; i < GG_COUNT(refusals); i++)
		buf_addf(&b,
		    "gitgate_witness_refusals_total{status=\"%u\"} %llu\n",
		    refusals[i].status,
		    atomic_load(&s->counters[refusals[i].counter]));
	buf_addf(&b,
	    "# TYPE gitgate_witness_follow_failures_total counter\n"
	    "gitgate_witness_follow_failures_total %llu\n"
	    "# TYPE gitgate_witness_log_entries gauge\n"
	    "# TYPE gitgate_witness_log_forked gauge\n"
	    "# TYPE gitgate_witness_log_age_seconds gauge\n",
	    atomic_load(&s->counters[WITNESS_FOLLOW_FAILED]));
	witness_book_each(s->book, add_log, &b);
	if (buf_check(&b, NULL) != 0)
		http_reply_text(rq, 500, "too many logs for one page");
	else
		http_reply(rq, 200, "text/plain; version=0.0.4", buf_view(&b),
		    NULL);
}

/* -- routes -- */

static void
not_here(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 404, "there is nothing here");
}

static void
wrong_method(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 405, "method not allowed");
}

static bool
is_checkpoint_path(const char *path)
{
	struct view v = view_str(path);

	return v.n == BOOK_NAME_SIZE + strlen("/checkpoint") &&
	    view_has_suffix(v, "/checkpoint");
}

void
witness_route(void *ctx, struct http_request *rq, struct http_plan *plan)
{
	const char *path = http_path(rq), *method = http_method(rq);
	bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	(void)ctx;
	plan->body = HTTP_BODY_NONE;
	if (strcmp(path, "/add-checkpoint") == 0) {
		plan->handler = wrong_method;
		if (strcmp(method, "POST") != 0)
			return;
		plan->body = HTTP_BODY_BUFFER;
		plan->max_body = WITNESS_REQUEST_MAX_BYTES;
		plan->limit = "witness-request";
		plan->handler = add_checkpoint;
		return;
	}
	plan->handler = strcmp(path, "/healthz") == 0 ? healthz :
	    strcmp(path, "/metrics") == 0             ? metrics :
	    is_checkpoint_path(path)                  ? read_checkpoint :
							not_here;
	if (!get && plan->handler != not_here)
		plan->handler = wrong_method;
}
