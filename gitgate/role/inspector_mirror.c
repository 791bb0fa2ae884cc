/* A mirror job: bring the mirror to upstream's refs; or repack it. */
#include "base/auto.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "mirror/mirror.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define MAX_NEED_BYTES ((size_t)128 << 20)

enum { GATE_GONE = 1 };

/* What has been heard while git works. */
struct wait {
	int sock, done_fd;
	bool pack_ok; /* the courier had the whole pack */
	bool done;    /* the child has ended */
};

/* One frame of the gate: only "the pack was whole" is in order. */
static int
hear(struct wait *w, struct frame *f, struct gg_error *err)
{
	int rc = frame_recv(w->sock, ROLE_GATE, ROLE_INSPECTOR, f, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || f->type == MSG_JOB_END)
		return GATE_GONE;
	if (f->type != MSG_MIRROR_PACK_OK || w->pack_ok)
		return gg_fail(err, GG_E_PEER, "%s while a mirror is updated",
		    msg_name(f->type));
	w->pack_ok = true;
	return 0;
}

/* git's own output is read and forgotten: its end is what counts. */
static int
drain(struct wait *w, struct gg_error *err)
{
	char scrap[4096];
	ssize_t n = read(w->done_fd, scrap, sizeof(scrap));

	if (n < 0 && errno != EINTR)
		return gg_fail(err, GG_E_SYS, "reading from git");
	w->done = n == 0;
	return 0;
}

/* Until the child is done, or the gate has gone. */
static int
wait_for_child(struct wait *w, struct frame *f, struct gg_error *err)
{
	int rc = 0;

	while (rc == 0 && !w->done) {
		struct pollfd p[2] = { { .fd = w->sock, .events = POLLIN },
			{ .fd = w->done_fd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return gg_fail(err, GG_E_SYS, "poll");
		}
		if (p[0].revents != 0)
			rc = hear(w, f, err);
		else if (p[1].revents != 0)
			rc = drain(w, err);
	}
	return rc;
}

static int
ask_for_pack(int sock, const struct mirror *m, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT(MAX_NEED_BYTES);
	GG_AUTO_FD fd = -1;
	int rc;

	mirror_need_format(m, &lines);
	if ((rc = buf_check(&lines, err)) != 0)
		return rc;
	if ((fd = fd_memfile("need", buf_view(&lines), err)) < 0)
		return GG_E_SYS;
	return frame_send(sock, MSG_MIRROR_NEED, 0, view_of(NULL, 0), &fd, 1,
	    err);
}

/*
 * The pipe goes to git as it is. That it ended does not say that it was
 * whole: a pack that the courier did not vouch for is thrown away even where
 * git likes it.
 */
static int
receive_pack(int sock, struct frame *f, struct mirror *m, struct gg_error *err)
{
	struct wait w = { .sock = sock };
	GG_AUTO_FD pack = -1;
	int rc = ask_for_pack(sock, m, err);

	if (rc == 0)
		rc = frame_recv(sock, ROLE_GATE, ROLE_INSPECTOR, f, err);
	if (rc <= 0)
		return rc < 0 ? rc : GATE_GONE;
	if (f->type == MSG_JOB_END)
		return GATE_GONE;
	if (f->type != MSG_MIRROR_PACK || f->n_fds != 1)
		return gg_fail(err, GG_E_PEER, "%s instead of a pack",
		    msg_name(f->type));
	pack = frame_take_fd(f, 0);
	rc = mirror_receive_start(m, pack, &w.done_fd, err);
	/* Ours too would keep the writer from seeing that git has died. */
	fd_close(fd_take(&pack));
	if (rc == 0)
		rc = wait_for_child(&w, f, err);
	if (rc == 0)
		rc = mirror_receive_finish(m, err);
	while (rc == 0 && !w.pack_ok)
		rc = hear(&w, f, err);
	return rc;
}

static int
send_done(int sock, const struct mirror *m, bool changed, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(16);

	enc_u8(&b, changed);
	enc_u8(&b, mirror_is_clean(m));
	enc_u32(&b, mirror_n_packs(m));
	enc_u32(&b, mirror_n_kept_missing(m));
	return frame_send(sock, MSG_MIRROR_DONE, 0, buf_view(&b), NULL, 0, err);
}

static int
read_advert(int fd, struct advert **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(INSPECTOR_MAX_FILE_BYTES);
	int rc = inspector_read_fd(fd, &text, err);

	return rc == 0 ? advert_decode(buf_view(&text), out, err) : rc;
}

static int
update(int sock, struct frame *f, const struct mirror_job *job, int refs_fd,
    struct gg_error *err)
{
	GG_AUTO(advert) a = NULL;
	GG_AUTO(mirror) m = NULL;
	bool changed = false;
	int rc = read_advert(refs_fd, &a, err);

	if (rc == 0)
		rc = mirror_open(job->mirror, &m, err);
	if (rc == 0)
		rc = mirror_plan(m, a, &job->refs, err);
	if (rc == 0 && mirror_needs_pack(m))
		rc = receive_pack(sock, f, m, err);
	if (rc == 0)
		rc = mirror_apply(m, &changed, err);
	if (rc == 0)
		rc = send_done(sock, m, changed, err);
	return rc == GATE_GONE ? 0 : rc;
}

static int
enter(int sock, struct frame *f, struct mirror_job *job, struct gg_error *err)
{
	int rc = mirror_job_decode(f->body, job, err);

	if (rc == 0)
		rc = mirror_make_dir(job->mirror, err);
	/* Upstream and the wire may be slow, and the gate watches both: no
	 * end by the clock, only by CPU time. */
	if (rc == 0)
		rc = inspector_deadline(sock, 0, err);
	if (rc == 0)
		rc = walls_mirror(job, err);
	FAILPOINT("inspector.job");
	return rc;
}

int
inspector_mirror(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(mirror_job) job = { 0 };
	GG_AUTO_FD refs_fd = frame_take_fd(f, 0);
	int rc = enter(sock, f, &job, err);

	(void)limit;
	return rc == 0 ? update(sock, f, &job, refs_fd, err) : rc;
}

int
inspector_repack(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(mirror_job) job = { 0 };
	GG_AUTO(mirror) m = NULL;
	struct wait w = { .sock = sock, .pack_ok = true };
	int rc = enter(sock, f, &job, err);

	(void)limit;
	if (rc == 0)
		rc = mirror_open(job.mirror, &m, err);
	if (rc == 0)
		rc = mirror_repack_start(m, &w.done_fd, err);
	if (rc == 0)
		rc = wait_for_child(&w, f, err);
	if (rc == 0)
		rc = mirror_repack_finish(m, err);
	if (rc == 0)
		rc = send_done(sock, m, false, err);
	return rc == GATE_GONE ? 0 : rc;
}
