#include "role/gate.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MAX       64
#define TAKE_TIMEOUT_S 15

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
	pthread_condattr_t attr;

	if (in == NULL)
		return gg_fail(err, GG_E_NOMEM, "inspectors");
	pthread_mutex_init(&in->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&in->cond, &attr);
	pthread_condattr_destroy(&attr);
	*out = in;
	return 0;
}

void
inspectors_free(struct inspectors *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < in->n; i++)
		fd_close(in->idle[i]);
	pthread_mutex_destroy(&in->mutex);
	pthread_cond_destroy(&in->cond);
	free(in);
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
ask_for_one(struct gate *g, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8);

	enc_u32(&body, 1);
	return frame_send(g->supervisor, MSG_INSPECTOR_WANTED, 0,
	    buf_view(&body), NULL, 0, err);
}

int
inspectors_take(struct gate *g, int *fd, struct gg_error *err)
{
	struct inspectors *in = g->inspectors;
	struct timespec until;
	int got = -1, rc;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TAKE_TIMEOUT_S;
	while (got < 0) {
		int timed_out = 0;

		pthread_mutex_lock(&in->mutex);
		while (in->n == 0 && timed_out == 0)
			timed_out = pthread_cond_timedwait(&in->cond,
			    &in->mutex, &until);
		if (in->n > 0) {
			got = in->idle[0];
			memmove(in->idle, in->idle + 1,
			    --in->n * sizeof(in->idle[0]));
		}
		pthread_mutex_unlock(&in->mutex);
		if (got < 0)
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "no inspector is free");
		if ((rc = ask_for_one(g, err)) != 0) {
			fd_close(got);
			return rc;
		}
		if (!is_alive(got))
			fd_close(fd_take(&got));
	}
	*fd = got;
	return 0;
}

void
gate_job_limits(const struct limits *l, struct job_limits *out)
{
	*out = (struct job_limits){
		.pack_bytes = l->pack_bytes,
		.pack_objects = l->pack_objects,
		.object_bytes = l->object_bytes,
		.delta_depth = l->delta_depth,
		.path_bytes = l->path_bytes,
		.tree_depth = l->tree_depth,
		.walk_commits = l->walk_commits,
		.walk_entries = l->walk_entries,
		.listed_paths = l->listed_paths,
		.wall_ms = l->inspection_ms,
		.cpu_ms = l->inspection_cpu_ms,
		.memory_bytes = l->inspection_memory,
	};
}

static int
job_failed(const struct frame *f, char **limit, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	int code = -(int)dec_u8(&d);
	char *name = dec_str(&d, 64);
	GG_AUTO_MEM char *text = dec_str(&d, 380);

	free(*limit);
	*limit = name;
	if (dec_end(&d, err) != 0 || code == 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector broke its protocol");
	return gg_fail(err, (enum gg_code)code, "%s", text);
}

int
inspector_expect(int sock, enum msg_type want, enum msg_type other,
    int64_t mono_deadline_ms, struct frame *f, char **limit,
    struct gg_error *err)
{
	int rc = frame_recv_until(sock, ROLE_INSPECTOR, ROLE_GATE,
	    mono_deadline_ms, f, err);

	if (*limit == NULL && (*limit = strdup("")) == NULL)
		return gg_fail(err, GG_E_NOMEM, "limit");
	if (rc == GG_E_LIMIT) {
		free(*limit);
		*limit = strdup("inspection-time");
		return gg_fail(err, GG_E_LIMIT, "inspection took too long");
	}
	if (rc == GG_E_PEER || rc == 0) {
		log_event(EV_inspector_failed,
		    kv_str("error", rc == 0 ? "it ended" : err->msg));
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector ended before its report");
	}
	if (rc < 0)
		return rc;
	if (f->type == MSG_JOB_FAILED)
		return job_failed(f, limit, err);
	if (f->type != want && (other == MSG_NONE || f->type != other))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector answered out of turn");
	return 0;
}
