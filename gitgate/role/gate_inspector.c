#include "role/gate.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/wait.h"
#include "ipc/codec.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MAX 64
#define TAKE_MS  15000

struct inspectors {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int idle[IDLE_MAX];
	size_t n;
};

int
inspectors_new(struct inspectors **out, struct gg_error *err)
{
	struct inspectors *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return gg_fail(err, GG_E_NOMEM, "inspectors");
	pthread_mutex_init(&in->mutex, NULL);
	cond_init(&in->cond);
	*out = in;
	return 0;
}

void
inspectors_add(struct inspectors *in, int fd)
{
	pthread_mutex_lock(&in->mutex);
	if (in->n < IDLE_MAX)
		in->idle[in->n++] = fd;
	else
		fd_close(fd);
	pthread_cond_signal(&in->cond);
	pthread_mutex_unlock(&in->mutex);
}

/* An idle inspector says nothing; one that can be read from has died. */
static bool
is_alive(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int
ask_for_one(struct gate *g, enum msg_type wanted, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8);

	enc_u32(&body, 1);
	return frame_send(g->supervisor, wanted, 0, buf_view(&body), NULL, 0,
	    err);
}

/* One that is idle, waiting for it until `until`; -1: none came. */
static int
pop(struct inspectors *in, int64_t until)
{
	bool in_time = true;
	int got = -1;

	pthread_mutex_lock(&in->mutex);
	while (in->n == 0 && in_time)
		in_time = cond_wait_until(&in->cond, &in->mutex, until);
	if (in->n > 0) {
		got = in->idle[0];
		memmove(in->idle, in->idle + 1, --in->n * sizeof(in->idle[0]));
	}
	pthread_mutex_unlock(&in->mutex);
	return got;
}

int
inspectors_take(struct gate *g, int *fd, struct gg_error *err)
{
	int64_t until = clock_mono_ms() + TAKE_MS;
	int got = -1, rc;

	while (got < 0) {
		if ((got = pop(g->inspectors, until)) < 0)
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "no inspector is free");
		if ((rc = ask_for_one(g, MSG_INSPECTOR_WANTED, err)) != 0) {
			fd_close(got);
			return rc;
		}
		if (!is_alive(got))
			fd_close(fd_take(&got));
	}
	*fd = got;
	return 0;
}

bool
inspectors_idle(struct gate *g)
{
	struct inspectors *in = g->inspectors;
	bool idle;

	pthread_mutex_lock(&in->mutex);
	idle = in->n > 0;
	pthread_mutex_unlock(&in->mutex);
	return idle;
}

/* Hooks are rare: none is kept idle. */
int
hook_runner_take(struct gate *g, int *fd, struct gg_error *err)
{
	int64_t until = clock_mono_ms() + TAKE_MS;
	int rc;

	if ((rc = ask_for_one(g, MSG_HOOK_WANTED, err)) != 0)
		return rc;
	if ((*fd = pop(g->hooks, until)) < 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "no hook runner could be started");
	return 0;
}
