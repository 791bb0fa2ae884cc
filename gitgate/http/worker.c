/*
 * Worker threads: made when work waits and none is idle, ended when idle for
 * a while. So many waiting pushes cost nothing, and a burst gets threads.
 */
#include "base/clock.h"
#include "base/wait.h"
#include "http/server_priv.h"

#include <limits.h>
#include <stdlib.h>

#define IDLE_MS 10000
/* http_server_run() may have so many waiting. */
#define EXTRA_MAX 4096
#ifdef GG_SANITIZE
#	define STACK_BYTES ((size_t)1024 * 1024)
#else
#	define STACK_BYTES ((size_t)256 * 1024)
#endif

void
workers_init(struct workers *w, unsigned most)
{
	*w = (struct workers){ .most = most > 0 ? most : 1 };
	w->last = &w->first;
	(void)pthread_mutex_init(&w->lock, NULL);
	cond_init(&w->work);
	cond_init(&w->ended);
}

static struct task *
take(struct workers *w)
{
	struct task *t = w->first;

	w->first = t->next;
	if (w->first == NULL)
		w->last = &w->first;
	w->queued--;
	if (t->owned)
		w->extra--;
	return t;
}

/* Wait for work; false when this thread should end. Under the lock. */
static bool
await_work(struct workers *w)
{
	int64_t until = clock_mono_ms() + IDLE_MS;
	bool in_time = true;

	w->idle++;
	while (w->first == NULL && !w->stop && in_time)
		in_time = cond_wait_until(&w->work, &w->lock, until);
	w->idle--;
	return w->first != NULL;
}

static void *
work(void *arg)
{
	struct workers *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	while (await_work(w)) {
		struct task *t = take(w);
		void (*fn)(void *) = t->fn;
		void *fn_arg = t->arg;

		(void)pthread_mutex_unlock(&w->lock);
		if (t->owned)
			free(t);
		fn(fn_arg);
		(void)pthread_mutex_lock(&w->lock);
	}
	w->running--;
	if (w->running == 0)
		(void)pthread_cond_broadcast(&w->ended);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Under the lock. A thread that cannot be made is no harm as long as one
 * runs: the work waits. */
static void
grow(struct workers *w)
{
	pthread_attr_t a;
	pthread_t t;

	if (w->queued <= w->idle || w->running >= w->most)
		return;
	if (pthread_attr_init(&a) != 0)
		return;
	(void)pthread_attr_setstacksize(&a, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	w->running++;
	if (pthread_create(&t, &a, work, w) != 0) {
		w->running--;
		if (w->running == 0)
			gg_die("cannot start any worker thread");
	}
	(void)pthread_attr_destroy(&a);
}

void
workers_put(struct workers *w, struct task *t)
{
	(void)pthread_mutex_lock(&w->lock);
	t->next = NULL;
	*w->last = t;
	w->last = &t->next;
	w->queued++;
	if (t->owned)
		w->extra++;
	grow(w);
	(void)pthread_cond_signal(&w->work);
	(void)pthread_mutex_unlock(&w->lock);
}

int
workers_run(struct workers *w, void (*fn)(void *), void *arg,
    struct gg_error *err)
{
	struct task *t;
	bool full;

	(void)pthread_mutex_lock(&w->lock);
	full = w->extra >= EXTRA_MAX || w->stop;
	(void)pthread_mutex_unlock(&w->lock);
	if (full)
		return gg_fail(err, GG_E_LIMIT, "too much work is waiting");
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return gg_fail(err, GG_E_NOMEM, "work");
	*t = (struct task){ .fn = fn, .arg = arg, .owned = true };
	workers_put(w, t);
	return 0;
}

bool
workers_stop(struct workers *w, int64_t mono_deadline_ms)
{
	bool all, in_time = true;

	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_broadcast(&w->work);
	while (w->running > 0 && in_time)
		in_time = cond_wait_until(&w->ended, &w->lock,
		    mono_deadline_ms);
	all = w->running == 0;
	(void)pthread_mutex_unlock(&w->lock);
	return all;
}
