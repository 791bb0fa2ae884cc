#include "role/witness_follow.h"

#include "audit/tile_read.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "outgoing/outgoing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FETCH_MS 20000
/* A cache on the way may be behind for a moment; twice in a row it is not. */
#define SHRUNK_MAX 2

struct followed {
	char *url;
	unsigned shrunk; /* times in a row that it was shorter than what we
	                    signed */
};

struct witness_follower {
	struct witness_follow_config c;
	pthread_t thread;
	int stop_fd;
	struct outgoing *outgoing;
	struct followed *logs;
	size_t n;
};

/* -- fetching -- */

struct fetching {
	struct witness_follower *f;
	const char *url;
	bool done;
	unsigned status;
	struct buf *out;
	struct gg_error err;
};

static void
take_answer(void *ctx, const struct outgoing_answer *a)
{
	struct fetching *x = ctx;

	x->done = true;
	x->err = a->err;
	if (a->rc != 0)
		return;
	x->status = a->status;
	buf_addv(x->out, buf_view(&a->body));
}

static bool
is_stopping(const struct witness_follower *f, int timeout_ms)
{
	struct pollfd p = { .fd = f->stop_fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

/* A tile_source over HTTP; ctx is a struct fetching with f and url. */
static int
fetch(void *ctx, const char *path, struct buf *out, struct gg_error *err)
{
	const struct fetching *at = ctx;
	struct witness_follower *f = at->f;
	struct fetching x = { .out = out };
	GG_AUTO_MEM char *url = path_f("%s/%s", at->url, path);
	struct outgoing_request r = { .kind = OUTGOING_GET,
		.url = url,
		.reach = REACH_NAMED,
		.ca_file = f->c.ca_file,
		.headers = &(struct strv){ 0 },
		.timeout_ms = FETCH_MS,
		.answer_bytes = NOTE_MAX_BYTES };
	int rc = outgoing_start(f->outgoing, &r, take_answer, &x, err);

	while (rc == 0 && !x.done) {
		struct pollfd p = { .fd = f->stop_fd };

		rc = outgoing_wait(f->outgoing, &p, 1, 1000, err);
		outgoing_turn(f->outgoing);
		/* nobody may write to x when this function has returned */
		if (!x.done && (rc != 0 || p.revents != 0)) {
			outgoing_free(gg_take(f->outgoing));
			return rc != 0 ?
			    rc :
			    gg_fail(err, GG_E_UNAVAILABLE, "stopping");
		}
	}
	if (rc != 0)
		return rc;
	if (x.err.code != 0)
		return gg_fail(err, x.err.code, "%s: %s", url, x.err.msg);
	if (x.status == 404)
		return gg_fail(err, GG_E_NOTFOUND, "%s: not found", url);
	if (x.status != 200)
		return gg_fail(err, GG_E_UNAVAILABLE, "%s answers %u", url,
		    x.status);
	return buf_check(out, err);
}

/* -- one log -- */

static void
forked(struct witness_follower *f, const struct checkpoint *c, struct view note,
    const char *why)
{
	witness_found_fork(f->c.service, c->origin, note, why);
}

/*
 * The proof does not lead from what we signed. If the tiles lead from some
 * other beginning of that size to the signed root, the log has changed its
 * past; else the tiles are wrong, and that is no proof of anything.
 */
static int
explain(struct fetching *at, const struct checkpoint *c, struct view note,
    uint64_t old, const struct merkle_proof *proof, struct gg_error *err)
{
	struct merkle_hash theirs;
	int rc = tile_root_at(fetch, at, old, c->size, &theirs, err);

	if (rc != 0)
		return rc;
	if (!merkle_verify_consistency(old, &theirs, c->size, &c->root, proof))
		return gg_fail(err, GG_E_CORRUPT,
		    "%s: its tiles do not fit its checkpoint", at->url);
	forked(at->f, c, note,
	    "the log does not begin with the entries that were signed");
	return gg_fail(err, GG_E_CORRUPT, "%s: the log is forked", at->url);
}

static int
prove(struct fetching *at, const struct checkpoint *c, struct view note,
    struct witness_request *r, struct gg_error *err)
{
	struct merkle_hash root = { 0 };
	uint64_t size = 0;
	int rc;

	if (!witness_book_latest(at->f->c.service->book, c->origin, &size,
		&root))
		return 0;
	r->old_size = size;
	if (size == 0 || size >= c->size)
		return 0;
	rc = tile_prove_consistency(fetch, at, size, c->size, &r->proof, err);
	if (rc != 0)
		return rc;
	if (merkle_verify_consistency(size, &root, c->size, &c->root,
		&r->proof))
		return 0;
	return explain(at, c, note, size, &r->proof, err);
}

static int
shrunk(struct witness_follower *f, struct followed *l,
    const struct checkpoint *c, struct view note, uint64_t size,
    struct gg_error *err)
{
	if (++l->shrunk >= SHRUNK_MAX)
		forked(f, c, note, "the log is shorter than what was signed");
	return gg_fail(err, GG_E_CORRUPT,
	    "%s: it has %llu entries, and %llu were signed", l->url,
	    (unsigned long long)c->size, (unsigned long long)size);
}

static int
look_at(struct witness_follower *f, struct followed *l, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	GG_AUTO_RELEASE(witness_verdict) v = { 0 };
	struct fetching at = { .f = f, .url = l->url };
	struct witness_request r = { 0 };
	struct tlog_policy_found found;
	struct checkpoint c;
	int rc;

	if (f->outgoing == NULL && (rc = outgoing_new(&f->outgoing, err)) != 0)
		return rc;
	if ((rc = fetch(&at, "checkpoint", &note, err)) != 0)
		return rc;
	rc = tlog_policy_open(f->c.logs, buf_view(&note), &c, &found, err);
	if (rc != 0)
		return gg_wrap(err, rc, "%s/checkpoint", l->url);
	if ((rc = prove(&at, &c, buf_view(&note), &r, err)) != 0)
		return rc;
	if (r.old_size > c.size)
		return shrunk(f, l, &c, buf_view(&note), r.old_size, err);
	l->shrunk = 0;
	r.note = buf_view(&note);
	witness_take(f->c.service, &r, &v);
	/* a request that came in between may have been further */
	if (v.status == 200 || (v.status == 409 && v.size != r.old_size))
		return 0;
	return gg_fail(err, GG_E_CORRUPT, "%s: %s", l->url, v.err.msg);
}

/* -- the thread -- */

static void *
work(void *arg)
{
	struct witness_follower *f = arg;
	int64_t pause = f->c.pause_ms;

	do {
		for (size_t i = 0; i < f->n && !is_stopping(f, 0); i++) {
			struct gg_error err = { 0 };

			if (look_at(f, &f->logs[i], &err) == 0 ||
			    is_stopping(f, 0))
				continue;
			atomic_fetch_add(&f->c.service
					      ->counters[WITNESS_FOLLOW_FAILED],
			    1);
			log_event(EV_follow_failed, kv_err(&err));
		}
	} while (!is_stopping(f, (int)pause));
	return NULL;
}

/* As given, or a bare gate's with its log's usual place. */
static char *
log_url(const char *arg)
{
	const char *host = strstr(arg, "://");
	const char *slash = host != NULL ? strchr(host + 3, '/') : NULL;
	size_t n = strlen(arg);

	while (n > 0 && arg[n - 1] == '/')
		n--;
	if (slash == NULL || slash[1] == '\0')
		return path_f("%.*s/-/log", (int)n, arg);
	return path_f("%.*s", (int)n, arg);
}

static void
follower_free(struct witness_follower *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->logs[i].url);
	free(f->logs);
	outgoing_free(f->outgoing);
	fd_close(f->stop_fd);
	free(f);
}

int
witness_follow_start(const struct witness_follow_config *c,
    struct witness_follower **out, struct gg_error *err)
{
	struct witness_follower *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return gg_fail(err, GG_E_NOMEM, "follow");
	f->c = *c;
	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->logs = calloc(c->urls->n, sizeof(*f->logs));
	rc = f->stop_fd < 0 || f->logs == NULL ?
	    gg_fail(err, GG_E_SYS, "follow") :
	    outgoing_new(&f->outgoing, err);
	for (size_t i = 0; rc == 0 && i < c->urls->n; i++)
		f->logs[f->n++].url = log_url(c->urls->v[i]);
	if (rc == 0 && pthread_create(&f->thread, NULL, work, f) != 0)
		rc = gg_fail(err, GG_E_SYS, "thread");
	if (rc != 0) {
		follower_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void
witness_follow_stop(struct witness_follower *f)
{
	const uint64_t one = 1;

	if (f == NULL)
		return;
	if (write(f->stop_fd, &one, sizeof(one)) != sizeof(one))
		gg_die("eventfd");
	(void)pthread_join(f->thread, NULL);
	follower_free(f);
}
