/* What a reviewer asks of a held push's objects: an inspector looks. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/codec.h"

#include <sys/stat.h>

/* Few at once: nobody waits for a page as a push waits for its inspection. */
static int
enter(struct gate *g, const struct limits *l, struct gg_error *err)
{
	bool full;

	pthread_mutex_lock(&g->mutex);
	full = g->n_views >= l->views;
	if (!full)
		g->n_views++;
	pthread_mutex_unlock(&g->mutex);
	return full ? gg_fail(err, GG_E_UNAVAILABLE,
			  "limit concurrent-views: others are looking at the "
			  "moment; try again in a moment") :
		      0;
}

static void
leave(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	g->n_views--;
	pthread_mutex_unlock(&g->mutex);
}

static void
fill_job(struct gate *g, const struct snapshot *snap,
    const struct stored_push *push, const struct view_ask *ask,
    struct view_job *job)
{
	const struct limits *l = &snap->config->limits;
	struct push_job *p = &job->push;

	p->push_id = path_f("%s", push->id);
	p->mirror = gate_mirror_path(snap->config, push->repository);
	p->quarantine = path_f("%s/quarantine/%s", snap->config->state_dir,
	    push->id);
	p->has_pack = json_is_true(json_object_get(push->request, "has_pack"));
	p->sandbox_required = g->sandbox_required;
	p->wants = snap->rules_fd > 0 ? JOB_WANT_SECRETS : 0;
	memcpy(p->salt, g->salt, sizeof(p->salt));
	strv_from_json(json_object_get(push->request, "shallow"), &p->shallow);
	gate_job_limits(l, &p->limits);
	p->limits.wall_ms = l->view_ms;
	job->kind = ask->kind;
	job->ref = path_f("%s", ask->ref);
	job->from = ask->from;
	job->to = ask->to;
	job->path = path_f("%s", ask->path);
	job->skip = ask->skip;
	job->max_bytes = ask->kind == VIEW_BLOB ? l->view_bytes : l->diff_bytes;
}

static int
read_answer(int fd, uint64_t said, struct buf *out, struct gg_error *err)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != said ||
	    said > out->max)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector's answer is not what it said");
	if ((rc = fd_pread_all(fd, out, err)) != 0)
		return rc;
	return buf_check(out, err);
}

static int
ask_inspector(struct gate *g, const struct snapshot *snap,
    const struct view_job *job, struct buf *out, struct gg_error *err)
{
	int64_t deadline = clock_mono_ms() +
	    (int64_t)snap->config->limits.view_ms + 5000;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(24576);
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	GG_AUTO_FD sock = -1;
	GG_AUTO_FD file = fd_memfile("view", view_str(""), err);
	int fds[2] = { file, snap->rules_fd }, rc;
	struct dec d;
	uint64_t n;

	if (file < 0)
		return err->code;
	view_job_encode(job, &body);
	if ((rc = buf_check(&body, err)) != 0 ||
	    (rc = inspectors_take(g, &sock, err)) != 0 ||
	    (rc = frame_send(sock, MSG_JOB_VIEW, 0, buf_view(&body), fds,
		 job->push.wants != 0 ? 2 : 1, err)) != 0 ||
	    (rc = inspector_expect(sock, MSG_VIEW_DONE, MSG_NONE, deadline, &f,
		 &limit, err)) != 0)
		return rc == GG_E_LIMIT && limit != NULL && *limit != '\0' ?
		    gg_wrap(err, rc, "limit %s", limit) :
		    rc;
	d = dec_of(f.body);
	n = dec_u64(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	return read_answer(file, n, out, err);
}

int
gate_view(void *ctx, const struct stored_push *push, const struct view_ask *ask,
    struct buf *out, struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(view_job) job = { 0 };
	int rc = enter(g, &snap->config->limits, err);

	if (rc != 0)
		return rc;
	fill_job(g, snap, push, ask, &job);
	rc = ask_inspector(g, snap, &job, out, err);
	leave(g);
	if (rc != 0)
		gate_hide_places(snap->config, err->msg);
	return rc;
}
