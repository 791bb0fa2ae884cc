#include "role/inspector.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "mirror/mirror.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_FAILED_BYTES 1024
#define LINGER_SECONDS   10

/* What a signal handler sends: whole frames, made before they are needed,
 * since a handler may hardly call anything. */
static struct {
	int sock;
	char time[MAX_FAILED_BYTES], cpu[MAX_FAILED_BYTES];
	size_t n_time, n_cpu;
	struct itimerval paused; /* what was left of the time */
} last_words = { .sock = -1 };

static void
failed_body(struct buf *out, int code, const char *limit, const char *message)
{
	enc_u8(out, (uint8_t)-code);
	enc_str(out, limit);
	enc_str(out, message);
}

void
inspector_fail(int sock, int code, const char *limit, const char *message)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_FAILED_BYTES);

	failed_body(&b, code, limit, message);
	if (frame_send(sock, MSG_JOB_FAILED, 0, buf_view(&b), NULL, 0, NULL) !=
	    0)
		return; /* the gate is gone: nobody is left to tell */
}

static size_t
prepare(char out[MAX_FAILED_BYTES], const char *limit, const char *message)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(MAX_FAILED_BYTES / 2);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_FAILED_BYTES);

	failed_body(&body, GG_E_LIMIT, limit, message);
	enc_u32(&b, (uint32_t)(FRAME_HEADER_BYTES + body.n));
	enc_u8(&b, (uint8_t)(MSG_JOB_FAILED >> 8));
	enc_u8(&b, (uint8_t)(MSG_JOB_FAILED & 0xff));
	enc_u8(&b, 0);
	enc_u8(&b, 0);
	enc_u32(&b, 0);
	buf_addv(&b, buf_view(&body));
	if (body.failed != 0 || b.failed != 0)
		gg_die("no memory for the last words");
	memcpy(out, b.p, b.n);
	return b.n;
}

/*
 * Ending with frames unread would reset the connection under the gate's
 * hands, which may still be sending: so read, and forget, until it has heard
 * and closes. The alarm ends a gate that never does. Safe in a signal
 * handler.
 */
static void
linger(int sock)
{
	char scrap[64];
	struct iovec iov = { scrap, sizeof(scrap) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	inspector_deadline_clear();
	(void)alarm(LINGER_SECONDS);
	while (recvmsg(sock, &msg, 0) > 0)
		continue;
}

static void
say_and_die(int sig)
{
	bool cpu = sig == SIGXCPU;
	struct iovec iov = { cpu ? last_words.cpu : last_words.time,
		cpu ? last_words.n_cpu : last_words.n_time };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)!sendmsg(last_words.sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	linger(last_words.sock);
	_exit(1);
}

int
inspector_deadline(int sock, uint64_t wall_ms, struct gg_error *err)
{
	/* Not deferred: the alarm that ends the lingering must come. */
	struct sigaction act = { .sa_handler = say_and_die,
		.sa_flags = (int)(SA_NODEFER | SA_RESETHAND) };
	struct itimerval t = { .it_value = {
				   .tv_sec = (time_t)(wall_ms / 1000),
				   .tv_usec = (suseconds_t)(wall_ms % 1000) *
				       1000,
			       } };

	last_words.sock = sock;
	last_words.n_time = prepare(last_words.time, "inspection-time",
	    "looking at it took too long");
	last_words.n_cpu = prepare(last_words.cpu, "inspection-cpu",
	    "looking at it took too much CPU time");
	if (sigaction(SIGALRM, &act, NULL) != 0 ||
	    sigaction(SIGXCPU, &act, NULL) != 0 ||
	    setitimer(ITIMER_REAL, &t, NULL) != 0)
		return gg_fail(err, GG_E_SYS, "deadline");
	return 0;
}

void
inspector_deadline_pause(void)
{
	struct itimerval none = { 0 };

	(void)setitimer(ITIMER_REAL, &none, &last_words.paused);
}

void
inspector_deadline_resume(void)
{
	(void)setitimer(ITIMER_REAL, &last_words.paused, NULL);
}

void
inspector_deadline_clear(void)
{
	struct itimerval none = { 0 };

	(void)setitimer(ITIMER_REAL, &none, NULL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)signal(SIGXCPU, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
}

int
inspector_read_fd(int fd, struct buf *out, struct gg_error *err)
{
	if (fd < 0)
		return gg_fail(err, GG_E_PEER, "a job without its file");
	return fd_pread_all(fd, out, err);
}

static int
run_job(int sock, struct frame *f, const char **limit, struct gg_error *err)
{
	/* Only these begin a job; frame_recv() knows what the gate may say. */
	if (f->type == MSG_JOB_PUSH)
		return inspector_push(sock, f, limit, err);
	if (f->type == MSG_JOB_MIRROR)
		return inspector_mirror(sock, f, limit, err);
	if (f->type == MSG_JOB_SERVE)
		return inspector_serve(sock, f, limit, err);
	if (f->type == MSG_JOB_REPACK)
		return inspector_repack(sock, f, limit, err);
	if (f->type == MSG_JOB_RULES)
		return inspector_rules(sock, f, limit, err);
	if (f->type == MSG_JOB_VIEW)
		return inspector_view(sock, f, limit, err);
	if (f->type == MSG_JOB_END)
		return 0;
	return gg_fail(err, GG_E_PEER, "%s begins no job", msg_name(f->type));
}

int
inspector_run(int sock)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err = { 0 };
	const char *limit = "";
	int rc;

	/* git is no party to this conversation. */
	if (fcntl(sock, F_SETFD, FD_CLOEXEC) != 0)
		gg_die("no socket at descriptor %d", sock);
	mirror_warm_up();
	rc = frame_recv(sock, ROLE_GATE, ROLE_INSPECTOR, &f, &err);
	if (rc == 0)
		return 0;
	if (rc > 0)
		rc = run_job(sock, &f, &limit, &err);
	if (rc == 0)
		return 0;
	inspector_fail(sock, rc, limit, err.msg);
	log_event(EV_inspector_failed, kv_err(&err), kv_str("limit", limit));
	linger(sock);
	return 1;
}
