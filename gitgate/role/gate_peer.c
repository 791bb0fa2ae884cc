#include "role/gate_peer.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/wait.h"
#include "role/gate.h"

#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 20000

int
peer_new(struct gate *g, enum role role, enum log_event_id gone,
    bool (*answer)(struct peer *p, struct peer_call *k, struct frame *f),
    struct peer **out, struct gg_error *err)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", role_name(role));
	p->gate = g;
	p->role = role;
	p->gone = gone;
	p->answer = answer;
	p->sock = -1;
	pthread_mutex_init(&p->mutex, NULL);
	cond_init(&p->cond);
	*out = p;
	return 0;
}

/* All that were asked of the process at sock (-1: of any) and have no answer:
 * it has gone, or is not waited for. */
static void
fail_all(struct peer *p, int sock)
{
	for (struct peer_call *k = p->calls; k != NULL; k = k->next) {
		if (k->done || (sock >= 0 && k->sock != sock))
			continue;
		k->rc = p->stopping ?
		    gg_fail(&k->err, GG_E_UNAVAILABLE, "the gate stops") :
		    gg_fail(&k->err, GG_E_UNAVAILABLE,
			"the %s ended before its answer", role_name(p->role));
		k->dropped = true;
		k->done = true;
	}
	pthread_cond_broadcast(&p->cond);
}

/* With the mutex held. */
static void
on_frame(struct peer *p, struct frame *f)
{
	struct peer_call *k = p->calls;

	while (k != NULL && k->id != f->id)
		k = k->next;
	if (k == NULL || k->done)
		return; /* its asker has given up */
	if (p->answer(p, k, f))
		k->done = true;
	pthread_cond_broadcast(&p->cond);
}

struct reader {
	struct peer *peer;
	int sock;
};

static void *
read_peer(void *arg)
{
	struct reader *r = arg;
	struct peer *p = r->peer;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err = { 0 };
	int rc;

	while ((rc = frame_recv(r->sock, p->role, ROLE_GATE, &f, &err)) > 0) {
		pthread_mutex_lock(&p->mutex);
		on_frame(p, &f);
		pthread_mutex_unlock(&p->mutex);
	}
	if (!atomic_load(&p->gate->stopping))
		log_event(p->gone,
		    kv_str("error", rc < 0 ? err.msg : "it ended"));
	pthread_mutex_lock(&p->mutex);
	if (p->sock == r->sock)
		p->sock = -1;
	fail_all(p, r->sock);
	fd_close(r->sock);
	pthread_mutex_unlock(&p->mutex);
	free(r);
	return NULL;
}

void
peer_connected(struct peer *p, int sock)
{
	struct reader *r = calloc(1, sizeof(*r));
	pthread_attr_t attr;
	pthread_t t;

	if (r == NULL)
		gg_die("no memory for the %s", role_name(p->role));
	*r = (struct reader){ p, sock };
	pthread_mutex_lock(&p->mutex);
	p->sock = sock;
	pthread_mutex_unlock(&p->mutex);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	if (pthread_create(&t, &attr, read_peer, r) != 0)
		gg_die("no thread for the %s", role_name(p->role));
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&p->mutex);
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->mutex);
}

bool
peer_is_connected(struct peer *p)
{
	bool yes;

	pthread_mutex_lock(&p->mutex);
	yes = p->sock >= 0;
	pthread_mutex_unlock(&p->mutex);
	return yes;
}

void
peer_abandon(struct peer *p)
{
	pthread_mutex_lock(&p->mutex);
	p->stopping = true;
	fail_all(p, -1);
	pthread_mutex_unlock(&p->mutex);
}

/* Until woken or the time (0: none) has come; false: it has. */
static bool
wait_until(struct peer *p, int64_t deadline)
{
	if (deadline == 0)
		return pthread_cond_wait(&p->cond, &p->mutex) == 0;
	return cond_wait_until(&p->cond, &p->mutex, deadline);
}

static int
wait_for_socket(struct peer *p, int64_t deadline, struct gg_error *err)
{
	int64_t until = clock_mono_ms() + CONNECT_TIMEOUT_MS;

	if (deadline != 0 && deadline < until)
		until = deadline;
	while (p->sock < 0 && !p->stopping)
		if (!wait_until(p, until))
			break;
	if (p->stopping)
		return gg_fail(err, GG_E_UNAVAILABLE, "the gate stops");
	if (p->sock < 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "the %s is not running",
		    role_name(p->role));
	return 0;
}

static void
forget(struct peer *p, struct peer_call *k)
{
	for (struct peer_call **at = &p->calls; *at != NULL;
	     at = &(*at)->next) {
		if (*at == k) {
			*at = k->next;
			return;
		}
	}
}

/* With the mutex held: it was sent. */
static int
wait_for_end(struct peer *p, const struct peer_request *r, struct peer_call *k,
    struct gg_error *err)
{
	bool in_time = true;

	while (k->busy || (!k->done && in_time))
		in_time = wait_until(p, k->busy ? 0 : r->deadline);
	if (!k->done)
		return gg_fail(err, GG_E_LIMIT, "the %s does not answer",
		    role_name(p->role));
	if (k->rc != 0)
		*err = k->err;
	return k->rc;
}

int
peer_run(struct peer *p, const struct peer_request *r, struct peer_call *k,
    struct gg_error *err)
{
	int rc;

	if ((rc = buf_check(r->body, err)) != 0)
		return rc;
	pthread_mutex_lock(&p->mutex);
	rc = wait_for_socket(p, r->deadline, err);
	if (rc == 0) {
		k->id = ++p->next_id;
		k->sock = p->sock;
		k->next = p->calls;
		p->calls = k;
		rc = frame_send(p->sock, r->type, k->id, buf_view(r->body),
		    r->fds, r->n_fds, err);
		if (r->close_after != NULL)
			fd_close(fd_take(r->close_after));
		if (rc == 0)
			rc = wait_for_end(p, r, k, err);
		else
			k->unsent = true;
		/* Its reader closes it, and may not have seen it yet: who
		 * tries again waits for the next one. */
		if (k->unsent && rc == GG_E_UNAVAILABLE && p->sock == k->sock)
			p->sock = -1;
		forget(p, k);
	}
	pthread_mutex_unlock(&p->mutex);
	return rc;
}
