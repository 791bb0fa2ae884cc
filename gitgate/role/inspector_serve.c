/* A fetch: check what is asked for, then become git upload-pack. */
#include "base/auto.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "mirror/mirror.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DEFAULT_MAX_ENTRIES 20000000

/* Partial clones by these filters; any other is refused by git itself. */
static const char *const fixed_config[] = {
	"uploadpack.allowFilter",
	"true",
	"uploadpackfilter.allow",
	"false",
	"uploadpackfilter.blob:none.allow",
	"true",
	"uploadpackfilter.blob:limit.allow",
	"true",
	"uploadpackfilter.object:type.allow",
	"true",
	"uploadpackfilter.tree.allow",
	"true",
	"uploadpackfilter.tree.maxDepth",
	"16",
	/* What is wanted was checked, here or by the gate, against what is
	 * visible; git would look at the refs of this moment. */
	"uploadpack.allowAnySHA1InWant",
	"true",
	"transfer.advertiseSID",
	"false",
	"lsrefs.unborn",
	"advertise",
	"pack.threads",
	"2",
};

static void
fill_env(const struct serve_job *job, struct strv *env)
{
	GG_AUTO_RELEASE(strv) config = STRV_INIT;

	for (size_t i = 0; i < GG_COUNT(fixed_config); i++)
		strv_add(&config, fixed_config[i]);
	strv_add(&config, "safe.directory");
	strv_add(&config, job->mirror);
	for (size_t i = 0; i < job->hide_refs.n; i++) {
		strv_add(&config, "uploadpack.hideRefs");
		strv_add(&config, job->hide_refs.v[i]);
	}
	/* git hides a branch, but not that HEAD is at the same commit. */
	if (job->hide_refs.n > 0 &&
	    mirror_head_is_hidden(job->mirror, &job->hide_refs)) {
		strv_add(&config, "uploadpack.hideRefs");
		strv_add(&config, "HEAD");
	}
	mirror_git_env(&config, env);
	if (config.failed != 0)
		env->failed = config.failed;
	if (job->protocol[0] != '\0')
		strv_addf(env, "GIT_PROTOCOL=%s", job->protocol);
}

static int
check_wants(const struct serve_job *job, int refs_fd, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(INSPECTOR_MAX_FILE_BYTES);
	GG_AUTO(advert) visible = NULL;
	GG_AUTO(mirror) m = NULL;
	uint64_t max = job->limits.walk_entries;
	int rc;

	if (job->wants.n == 0)
		return 0;
	rc = mirror_open_readonly(job->mirror, &m, err);
	if (rc == 0 && refs_fd >= 0)
		rc = fd_pread_all(refs_fd, &text, err);
	if (rc == 0 && text.n > 0)
		rc = advert_decode(buf_view(&text), &visible, err);
	if (rc != 0)
		return rc;
	return mirror_check_wants(m, &job->wants, visible, &job->hide_refs,
	    job->mirror_clean, max == 0 ? DEFAULT_MAX_ENTRIES : max, err);
}

/* stdin, stdout, and nowhere for what git would say on stderr: a client
 * hears of errors by the protocol. */
static int
take_stdio(int request, int answer, struct gg_error *err)
{
	GG_AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return gg_fail(err, GG_E_SYS, "/dev/null");
	if (lseek(request, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return gg_fail(err, GG_E_SYS, "the request");
	if (dup2(request, 0) < 0 || dup2(answer, 1) < 0 || dup2(null, 2) < 0)
		return gg_fail(err, GG_E_SYS, "dup2");
	return 0;
}

static int
become_git(int sock, const struct serve_job *job, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	char *argv[] = { (char *)(uintptr_t) "git",
		(char *)(uintptr_t) "upload-pack",
		(char *)(uintptr_t) "--strict",
		(char *)(uintptr_t) "--stateless-rpc", job->mirror, NULL,
		NULL };
	int rc;

	if (job->advertise) {
		argv[4] = (char *)(uintptr_t) "--http-backend-info-refs";
		argv[5] = job->mirror;
	}
	fill_env(job, &env);
	if ((rc = strv_check(&env, err)) != 0)
		return rc;
	rc = frame_send(sock, MSG_SERVE_READY, 0, view_of(NULL, 0), NULL, 0,
	    err);
	if (rc != 0)
		return rc;
	inspector_deadline_clear();
	(void)execve(MIRROR_GIT, argv, env.v);
	return gg_fail(err, GG_E_SYS, "starting git upload-pack");
}

int
inspector_serve(int sock, struct frame *f, const char **limit,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(serve_job) job = { 0 };
	GG_AUTO_FD request = frame_take_fd(f, 0);
	GG_AUTO_FD answer = frame_take_fd(f, 1);
	GG_AUTO_FD refs = frame_take_fd(f, 2);
	int rc = serve_job_decode(f->body, &job, err);

	(void)limit;
	if (rc == 0 && (request < 0 || answer < 0))
		rc = gg_fail(err, GG_E_PEER, "a serve job without its files");
	if (rc == 0)
		rc = inspector_deadline(sock, job.limits.wall_ms, err);
	if (rc == 0)
		rc = walls_serve(&job, err);
	FAILPOINT("inspector.job");
	if (rc == 0)
		rc = check_wants(&job, refs, err);
	if (rc == 0)
		rc = take_stdio(request, answer, err);
	return rc == 0 ? become_git(sock, &job, err) : rc;
}
