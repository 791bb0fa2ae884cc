/* A push: read its pack as it grows, report what it changes. */
#include "base/auto.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "pack/inspect.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"
#include "scan/scanner.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES      65536
#define MAX_REPORT_BYTES ((size_t)1 << 30)

/* Everything of one job, so that its steps are short. */
struct work {
	int sock;
	struct frame *f;
	int pack_fd, report_fd;
	uint64_t wall_ms; /* what one answer may take */
	struct inspection *in;
	struct scanner *scanner; /* NULL: secrets are not wanted */
};

/* How far the pack file may be read, and whether it will grow. */
struct tail {
	uint64_t fed, known;
	bool ended;
};

enum { GATE_GONE = 1 };

/* 0; GATE_GONE when the gate gave up; a code. */
static int
hear_more(struct work *w, struct tail *t, struct gg_error *err)
{
	struct dec d;
	uint64_t n;
	int rc;

	inspector_deadline_pause();
	rc = frame_recv(w->sock, ROLE_GATE, ROLE_INSPECTOR, w->f, err);
	inspector_deadline_resume();
	if (rc <= 0)
		return rc == 0 ? GATE_GONE : rc;
	if (w->f->type == MSG_JOB_END)
		return GATE_GONE;
	if (w->f->type != MSG_PACK_MORE && w->f->type != MSG_PACK_END)
		return gg_fail(err, GG_E_PEER, "%s while a pack arrives",
		    msg_name(w->f->type));
	d = dec_of(w->f->body);
	n = dec_u64(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	t->ended = w->f->type == MSG_PACK_END;
	if (t->ended && n < t->fed)
		return gg_fail(err, GG_E_PEER,
		    "the pack file is longer than announced");
	/* A late PACK_MORE says less than the file's size told already. */
	if (t->ended || n > t->known)
		t->known = n;
	return 0;
}

/* The file itself may have grown further than the last frame said. */
static int
look_for_more(const struct work *w, struct tail *t, struct gg_error *err)
{
	struct stat st;

	if (fstat(w->pack_fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "the pack file");
	if ((uint64_t)st.st_size > t->known)
		t->known = (uint64_t)st.st_size;
	return 0;
}

static int
feed_piece(struct work *w, struct tail *t, struct gg_error *err)
{
	char piece[PIECE_BYTES];
	uint64_t want = t->known - t->fed;
	ssize_t n;

	if (want > sizeof(piece))
		want = sizeof(piece);
	do
		n = pread(w->pack_fd, piece, (size_t)want, (off_t)t->fed);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return gg_fail(err, GG_E_SYS, "the pack file");
	if (n == 0)
		return gg_fail(err, GG_E_PEER,
		    "the pack file is shorter than announced");
	t->fed += (uint64_t)n;
	return inspection_feed(w->in, view_of(piece, (size_t)n), err);
}

static int
feed_all(struct work *w, struct gg_error *err)
{
	struct tail t = { 0 };
	int rc = 0;

	while (rc == 0) {
		if (t.fed == t.known && !t.ended)
			rc = look_for_more(w, &t, err);
		if (rc != 0)
			break;
		if (t.fed < t.known)
			rc = feed_piece(w, &t, err);
		else if (!t.ended)
			rc = hear_more(w, &t, err);
		else
			return 0;
	}
	return rc;
}

static int
send_report(struct work *w, struct gg_error *err)
{
	GG_AUTO(change_report) report = NULL;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_REPORT_BYTES);
	GG_AUTO_RELEASE(buf) said = BUF_INIT(8);
	int rc = inspection_report(w->in, &report, err);

	if (rc != 0)
		return rc;
	change_report_encode(report, &b);
	if ((rc = buf_check(&b, err)) != 0)
		return gg_wrap(err, rc, "change report");
	if ((rc = fd_write_all(w->report_fd, buf_view(&b), err)) != 0)
		return gg_wrap(err, rc, "change report");
	enc_u64(&said, b.n);
	FAILPOINT("inspector.before-report");
	return frame_send(w->sock, MSG_REPORT, 0, buf_view(&said), NULL, 0,
	    err);
}

static int
send_diff(struct work *w, struct gg_error *err)
{
	GG_AUTO_FD fd = frame_take_fd(w->f, 0);
	GG_AUTO_RELEASE(buf) said = BUF_INIT(8);
	struct dec d = dec_of(w->f->body);
	uint64_t max = dec_u64(&d), written = 0;
	int rc = dec_end(&d, err);

	if (rc == 0 && fd < 0)
		rc = gg_fail(err, GG_E_PEER, "DIFF without a file");
	if (rc == 0)
		rc = inspector_deadline(w->sock, w->wall_ms, err);
	if (rc == 0)
		rc = inspection_diff(w->in, fd, max, &written, err);
	inspector_deadline_pause();
	if (rc != 0)
		return rc;
	enc_u64(&said, written);
	return frame_send(w->sock, MSG_DIFF_DONE, 0, buf_view(&said), NULL, 0,
	    err);
}

static int
answer_diffs(struct work *w, struct gg_error *err)
{
	int rc;

	for (;;) {
		rc = frame_recv(w->sock, ROLE_GATE, ROLE_INSPECTOR, w->f, err);
		if (rc <= 0 || w->f->type == MSG_JOB_END)
			return rc < 0 ? rc : 0;
		if (w->f->type != MSG_DIFF)
			return gg_fail(err, GG_E_PEER, "%s after the report",
			    msg_name(w->f->type));
		if ((rc = send_diff(w, err)) != 0)
			return rc;
	}
}

/* Waiting to be asked for a diff is no inspection: only the gate's going
 * ends it. */
static int
report_and_answer(struct work *w, struct gg_error *err)
{
	int rc = send_report(w, err);

	inspector_deadline_pause();
	return rc == 0 ? answer_diffs(w, err) : rc;
}

static int
inspect(struct work *w, const struct push_job *job,
    const struct push_job_refs *refs, const char **limit, struct gg_error *err)
{
	GG_AUTO(inspection) in = NULL;
	int rc = inspection_begin(job, refs, &in, limit, err);

	w->in = in;
	if (rc == 0)
		inspection_secrets(in, w->scanner);
	if (rc == 0)
		rc = walls_no_exec(job->sandbox_required, err);
	if (rc == 0 && job->has_pack)
		rc = feed_all(w, err);
	if (rc == 0)
		rc = inspection_finish(in, err);
	if (rc == 0)
		rc = report_and_answer(w, err);
	return rc == GATE_GONE ? 0 : rc;
}

/*
 * One clock is enough: the inspector's, which stands still while the sender
 * is waited for. The inspection's own, which would not, is set far away.
 */
static int
start_clock(struct work *w, struct push_job *job, struct gg_error *err)
{
	w->wall_ms = job->limits.wall_ms;
	job->limits.wall_ms = INT_MAX;
	return inspector_deadline(w->sock, w->wall_ms, err);
}

static int
load_rules(const struct push_job *job, int rules_fd, struct scanner **out,
    struct gg_error *err)
{
	if (!(job->wants & JOB_WANT_SECRETS))
		return 0;
	if (rules_fd < 0)
		return gg_fail(err, GG_E_PEER,
		    "a push job without its secret rules");
	return scanner_open(rules_fd, out, err);
}

int
inspector_push(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(push_job) job = { 0 };
	GG_AUTO_RELEASE(push_job_refs) refs = { 0 };
	GG_AUTO_RELEASE(buf) text = BUF_INIT(INSPECTOR_MAX_FILE_BYTES);
	GG_AUTO_FD refs_fd = frame_take_fd(f, 0);
	GG_AUTO_FD pack_fd = frame_take_fd(f, 1);
	GG_AUTO_FD report_fd = frame_take_fd(f, 2);
	GG_AUTO_FD rules_fd = frame_take_fd(f, 3);
	GG_AUTO(scanner) scanner = NULL;
	struct work w = {
		.sock = sock, .f = f, .pack_fd = pack_fd, .report_fd = report_fd
	};
	int rc = push_job_decode(f->body, &job, err);

	if (rc == 0 && (pack_fd < 0 || report_fd < 0))
		rc = gg_fail(err, GG_E_PEER, "a push job without its files");
	if (rc == 0)
		rc = start_clock(&w, &job, err);
	if (rc == 0)
		rc = walls_push(&job, err);
	if (rc == 0)
		rc = inspector_read_fd(refs_fd, &text, err);
	if (rc == 0)
		rc = push_job_refs_decode(buf_view(&text), &refs, err);
	buf_release(&text);
	if (rc == 0)
		rc = load_rules(&job, rules_fd, &scanner, err);
	w.scanner = scanner;
	FAILPOINT("inspector.job");
	return rc == 0 ? inspect(&w, &job, &refs, limit, err) : rc;
}
