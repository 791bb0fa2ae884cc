/* A reviewer's question about a held push: nothing but one answer is
 * written. */
#include "base/auto.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "pack/inspect.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"
#include "scan/scanner.h"

static int
enter(int sock, const struct view_job *job, struct gg_error *err)
{
	int rc = inspector_deadline(sock, job->push.limits.wall_ms, err);

	if (rc == 0)
		rc = walls_view(job, err);
	return rc == 0 ? walls_no_exec(job->push.sandbox_required, err) : rc;
}

static int
look(int sock, const struct view_job *job, int fd, int rules_fd,
    const char **limit, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) said = BUF_INIT(8);
	GG_AUTO(scanner) scanner = NULL;
	uint64_t written = 0;
	int rc = 0;

	if ((job->push.wants & JOB_WANT_SECRETS) != 0)
		rc = rules_fd < 0 ? gg_fail(err, GG_E_PEER,
					"a view job without its secret rules") :
				    scanner_open(rules_fd, &scanner, err);
	if (rc == 0)
		rc = inspection_view(job, scanner, fd, &written, limit, err);
	if (rc != 0)
		return rc;
	enc_u64(&said, written);
	return frame_send(sock, MSG_VIEW_DONE, 0, buf_view(&said), NULL, 0,
	    err);
}

int
inspector_view(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(view_job) job = { 0 };
	GG_AUTO_FD fd = frame_take_fd(f, 0);
	GG_AUTO_FD rules_fd = frame_take_fd(f, 1);
	int rc = view_job_decode(f->body, &job, err);

	if (rc == 0 && fd < 0)
		rc = gg_fail(err, GG_E_PEER, "a view job without its file");
	if (rc == 0)
		rc = enter(sock, &job, err);
	if (rc == 0)
		rc = look(sock, &job, fd, rules_fd, limit, err);
	inspector_deadline_clear();
	return rc;
}
