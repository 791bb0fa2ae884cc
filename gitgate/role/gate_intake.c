#include "role/gate_intake.h"

#include "base/fd.h"
#include "crypto/digest.h"
#include "ipc/codec.h"

#include <sys/statvfs.h>

/* The inspector hears of new bytes in such steps. */
#define MORE_STEP_BYTES ((uint64_t)256 << 10)
/* After so much more of a pack the disk's room is looked at again. */
#define ROOM_STEP_BYTES ((uint64_t)1 << 20)

void
intake_init(struct intake *in, const struct push *p)
{
	const struct limits *l = &p->who.snap->config->limits;
	struct receive_limits rl = { l->ref_updates, l->command_bytes,
		l->push_options };

	/* atomic is offered or not by what upstream had at info/refs; a client
	 * that names it wrongly is refused when upstream is asked. */
	in->parser = receive_request_new(&rl,
	    "report-status report-status-v2 delete-refs side-band-64k quiet "
	    "ofs-delta push-options atomic object-format=sha1 "
	    "agent=gitgate/" GG_VERSION);
	in->digest = digest_ctx_new();
	in->max_bytes = l->pack_bytes;
	in->reserve = l->disk_reserve;
	in->inspector = -1;
	pthread_mutex_init(&in->mutex, NULL);
	pthread_cond_init(&in->cond, NULL);
}

static void
intake_refuse(struct intake *in, const char *limit)
{
	in->refused = true;
	in->limit = limit;
	/* Nobody needs it any more, and an inspector that is behind could
	 * still write as much again of its own: into the reserve. */
	if (in->fd >= 0)
		(void)!ftruncate(in->fd, 0);
	pthread_cond_broadcast(&in->cond);
}

/* Room is kept for the log and the database: a push that fills the disk must
 * not stop them. */
static bool
has_room(struct intake *in, struct gg_error *err)
{
	struct statvfs st;

	in->room_seen = in->n;
	if (fstatvfs(in->fd, &st) != 0 ||
	    (uint64_t)st.f_bavail * st.f_frsize >= in->reserve)
		return true;
	(void)gg_fail(err, GG_E_LIMIT,
	    "the gate's disk has less than %llu bytes left",
	    (unsigned long long)in->reserve);
	return false;
}

static void
take_pack(struct intake *in, struct view piece)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);

	if (piece.n == 0 || in->fd < 0 || in->refused || in->quiet)
		return;
	if (receive_request_check_tail(in->parser, in->n, piece, &in->err) !=
	    0) {
		intake_refuse(in, "");
		return;
	}
	if (piece.n > in->max_bytes - in->n) {
		(void)gg_fail(&in->err, GG_E_LIMIT,
		    "the pack is larger than %llu bytes",
		    (unsigned long long)in->max_bytes);
		intake_refuse(in, "pack-size");
		return;
	}
	if (in->n - in->room_seen >= ROOM_STEP_BYTES &&
	    !has_room(in, &in->err)) {
		intake_refuse(in, "disk-reserve");
		return;
	}
	if (fd_write_all(in->fd, piece, &in->err) != 0) {
		intake_refuse(in, "");
		return;
	}
	digest_ctx_update(in->digest, piece.p, piece.n);
	in->n += piece.n;
	if (in->inspector >= 0 && in->n - in->told >= MORE_STEP_BYTES) {
		enc_u64(&body, in->n);
		/* A full queue is fine: the inspector is behind anyway. */
		(void)frame_try_send(in->inspector, MSG_PACK_MORE, 0,
		    buf_view(&body));
		in->told = in->n;
	}
}

bool
intake_body(void *arg, struct view piece, bool end)
{
	struct intake *in = arg;
	size_t used = 0;
	bool more;
	int rc;

	pthread_mutex_lock(&in->mutex);
	if (piece.n == 0) {
		in->ended = end;
		in->gone = !end;
		pthread_cond_broadcast(&in->cond);
		pthread_mutex_unlock(&in->mutex);
		return true;
	}
	if (!in->parsed && !in->refused) {
		rc = receive_request_feed(in->parser, piece, &used, &in->err);
		if (rc < 0)
			intake_refuse(in,
			    in->parser->limit ? in->parser->limit : "");
		in->parsed = rc == 1;
		if (rc == 1)
			pthread_cond_broadcast(&in->cond);
		view_skip(&piece, used);
	}
	if (in->parsed)
		take_pack(in, piece);
	more = !in->refused && !in->quiet;
	if (!more) { /* we are not called again; the rest is dropped */
		in->ended = true;
		pthread_cond_broadcast(&in->cond);
	}
	pthread_mutex_unlock(&in->mutex);
	return more;
}

void
intake_wait_parsed(struct intake *in)
{
	pthread_mutex_lock(&in->mutex);
	while (!in->parsed && !in->refused && !in->ended && !in->gone)
		pthread_cond_wait(&in->cond, &in->mutex);
	pthread_mutex_unlock(&in->mutex);
}

void
intake_wait_end(struct intake *in)
{
	pthread_mutex_lock(&in->mutex);
	while (!in->ended && !in->gone)
		pthread_cond_wait(&in->cond, &in->mutex);
	pthread_mutex_unlock(&in->mutex);
}

void
intake_hush(struct intake *in)
{
	pthread_mutex_lock(&in->mutex);
	in->quiet = true;
	pthread_mutex_unlock(&in->mutex);
}

void
intake_release(struct intake *in)
{
	receive_request_free(in->parser);
	digest_ctx_free(in->digest);
	fd_close(in->fd);
	pthread_mutex_destroy(&in->mutex);
	pthread_cond_destroy(&in->cond);
}

void
intake_tell(struct intake *in, int inspector)
{
	pthread_mutex_lock(&in->mutex);
	in->inspector = inspector;
	pthread_mutex_unlock(&in->mutex);
}
