#include "role/courier.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

void
courier_init(struct courier *c, const char *run_dir, bool required)
{
	*c = (struct courier){ .run_dir = run_dir,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.sup = { .required = required, .drain_deadline = -1 } };
	c->jobs_end = &c->jobs;
	if (c->wake < 0)
		gg_die("no eventfd");
}

static struct offer *
offer_find(struct courier *c, const char *url)
{
	struct offer *o = c->offers;

	while (o != NULL && strcmp(o->url, url) != 0)
		o = o->next;
	return o;
}

void
courier_keep_offer(struct courier *c, const struct job *j)
{
	struct offer *o;

	(void)pthread_mutex_lock(&c->lock);
	if ((o = offer_find(c, j->upstream->url)) == NULL) {
		if ((o = calloc(1, sizeof(*o))) == NULL ||
		    (o->url = strdup(j->upstream->url)) == NULL)
			gg_die("no memory for capabilities");
		o->next = c->offers;
		c->offers = o;
	}
	strv_copy(&o->caps, &j->offered);
	(void)pthread_mutex_unlock(&c->lock);
}

void
courier_forget_offers(struct courier *c)
{
	struct offer *o, *next;

	(void)pthread_mutex_lock(&c->lock);
	o = gg_take(c->offers);
	(void)pthread_mutex_unlock(&c->lock);
	for (; o != NULL; o = next) {
		next = o->next;
		strv_release(&o->caps);
		free(o->url);
		free(o);
	}
}

void
courier_add(struct courier *c, struct job *j)
{
	struct gg_error err;

	j->courier = c;
	j->gate = gate_link_use(c->gate);
	j->deadline = clock_mono_ms() +
	    (int64_t)c->sup.config->limits.upstream_total_ms;
	if (c->n_jobs >= COURIER_QUEUE_MAX) {
		(void)gg_fail(&err, GG_E_UNAVAILABLE,
		    "too many requests wait for upstream");
		job_fail(j, GG_E_UNAVAILABLE, &err, false);
		job_free(j);
		return;
	}
	*c->jobs_end = j;
	c->jobs_end = &j->next;
	c->n_jobs++;
}

static void *
job_thread(void *arg)
{
	struct job *j = arg;
	struct courier *c = j->courier;
	const uint64_t one = 1;

	job_run(j);
	(void)pthread_mutex_lock(&c->lock);
	j->state = JOB_DONE;
	(void)pthread_mutex_unlock(&c->lock);
	while (write(c->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static int
start_thread(struct job *j, struct gg_error *err)
{
	pthread_attr_t attr;
	pthread_t id;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return gg_fail(err, GG_E_NOMEM, "a thread");
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, COURIER_STACK);
	rc = pthread_create(&id, &attr, job_thread, j);
	(void)pthread_attr_destroy(&attr);
	if (rc != 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "no thread to be had");
	return 0;
}

/* 0: it runs; else it cannot, and err says why. */
static int
start(struct courier *c, struct job *j, struct gg_error *err)
{
	const struct offer *o;
	int rc = upstream_new(c->sup.config, view_str(j->repository),
	    c->run_dir, &j->upstream, err);

	if (rc != 0)
		return rc;
	o = offer_find(c, j->upstream->url);
	if (j->type == MSG_RELAY && o != NULL) {
		strv_copy(&j->offered, &o->caps);
		j->offered_known = strv_check(&j->offered, NULL) == 0;
	}
	j->state = JOB_RUNNING;
	return start_thread(j, err);
}

/* Is a relay to this repository in hand? */
static bool
is_relaying(const struct courier *c, const char *repository)
{
	for (const struct job *j = c->jobs; j != NULL; j = j->next)
		if (j->type == MSG_RELAY && j->state != JOB_DONE &&
		    strcmp(j->repository, repository) == 0)
			return true;
	return false;
}

static void
remove_job(struct courier *c, struct job **at)
{
	struct job *j = *at;

	*at = j->next;
	if (c->jobs_end == &j->next)
		c->jobs_end = at;
	c->n_jobs--;
	job_free(j);
}

/* Free what is done; what has settled may start then. */
static void
collect_done(struct courier *c)
{
	uint64_t ignored;

	(void)!read(c->wake, &ignored, sizeof(ignored));
	for (struct job **at = &c->jobs; *at != NULL;) {
		if ((*at)->state != JOB_DONE) {
			at = &(*at)->next;
			continue;
		}
		c->n_running--;
		remove_job(c, at);
	}
}

/* 1: may start, 0: must wait, negative: waited too long. */
static int
may_start(const struct courier *c, const struct job *j, struct gg_error *err)
{
	if (j->type != MSG_LIST_REFS || !j->settle ||
	    !is_relaying(c, j->repository))
		return c->n_running < COURIER_THREADS;
	if (clock_mono_ms() < j->deadline)
		return 0;
	return gg_fail(err, GG_E_LIMIT,
	    "limit upstream-total: a relay to this repository does not end");
}

void
courier_schedule(struct courier *c)
{
	struct gg_error err = { 0 };

	(void)pthread_mutex_lock(&c->lock);
	collect_done(c);
	for (struct job **at = &c->jobs; *at != NULL && !c->sup.draining;) {
		struct job *j = *at;
		int rc = j->state != JOB_QUEUED ? 0 : may_start(c, j, &err);

		if (rc == 1 && (rc = start(c, j, &err)) == 0)
			c->n_running++;
		if (rc >= 0) {
			at = &j->next;
			continue;
		}
		job_fail(j, rc, &err, false);
		remove_job(c, at);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

int
courier_timeout(const struct courier *c)
{
	int64_t left = c->sup.drain_deadline - clock_mono_ms();

	if (!c->sup.draining || c->sup.drain_deadline < 0 ||
	    left > COURIER_TICK_MS)
		return COURIER_TICK_MS;
	return left < 0 ? 0 : (int)left;
}

/* Drop what has not started; tell: its gate is still there. */
static void
drop_queued(struct courier *c, bool tell)
{
	struct gg_error err = { 0 };

	(void)gg_fail(&err, GG_E_UNAVAILABLE, "the courier ends");
	for (struct job **at = &c->jobs; *at != NULL;) {
		if ((*at)->state != JOB_QUEUED) {
			at = &(*at)->next;
			continue;
		}
		if (tell)
			job_fail(*at, GG_E_UNAVAILABLE, &err, false);
		remove_job(c, at);
	}
}

void
courier_drain(struct courier *c, int code, int64_t deadline)
{
	if (!c->sup.draining || code != SUPERVISED_EXIT_WALLS)
		c->sup.exit_code = code;
	if (!c->sup.draining || deadline >= 0)
		c->sup.drain_deadline = deadline;
	c->sup.draining = true;
	(void)pthread_mutex_lock(&c->lock);
	drop_queued(c, true);
	(void)pthread_mutex_unlock(&c->lock);
}

/* On request only relays are waited for: lists and fetches lose nothing. */
bool
courier_is_drained(struct courier *c)
{
	bool busy = false;

	if (!c->sup.draining)
		return false;
	if (c->sup.drain_deadline >= 0 &&
	    clock_mono_ms() >= c->sup.drain_deadline)
		return true;
	(void)pthread_mutex_lock(&c->lock);
	for (const struct job *j = c->jobs; j != NULL; j = j->next)
		busy = busy ||
		    (j->state == JOB_RUNNING &&
			(j->type == MSG_RELAY ||
			    c->sup.exit_code == SUPERVISED_EXIT_WALLS));
	(void)pthread_mutex_unlock(&c->lock);
	return !busy;
}

void
courier_set_gate(struct courier *c, int sock)
{
	(void)pthread_mutex_lock(&c->lock);
	drop_queued(c, false);
	(void)pthread_mutex_unlock(&c->lock);
	if (c->gate != NULL) {
		(void)shutdown(c->gate->sock, SHUT_RDWR);
		gate_link_drop(c->gate);
	}
	c->gate = sock >= 0 ? gate_link_new(sock) : NULL;
}
