/* Clone and fetch: git upload-pack in an inspector, over a fresh mirror. */
#include "role/gate.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/gunzip.h"
#include "proto/pktline.h"
#include "proto/smart_path.h"
#include "proto/upload_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADVERTISEMENT_TYPE "application/x-git-upload-pack-advertisement"
#define RESULT_TYPE        "application/x-git-upload-pack-result"

struct fetch {
	struct gate *gate;
	struct http_request *rq;
	struct git_request who;
	const char *protocol; /* "", "version=1", "version=2" */
	bool advertise;
	struct shared_advert *seen;
	struct buf body;
	struct strv far_wants; /* hex: wants that are no tip */
};

static void
fetch_release(struct fetch *f)
{
	git_request_release(&f->who);
	shared_advert_unref(f->seen);
	buf_release(&f->body);
	strv_release(&f->far_wants);
}
GG_DEFINE_AUTO_RELEASE(fetch);

/* A refusal that git prints: at info/refs as text, later as an ERR packet. */
static void
refuse(struct fetch *f, const struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(4096);
	struct gg_error said = *err;

	gate_hide_places(f->who.snap->config, said.msg);
	if (f->advertise && err->code == GG_E_LIMIT)
		http_retry_after(f->rq, GATE_FULL_RETRY_S);
	if (f->advertise) {
		http_reply_text(f->rq,
		    err->code == GG_E_PEER      ? 400 :
			err->code == GG_E_LIMIT ? 429 :
						  503,
		    "gitgate: %s%s",
		    err->code == GG_E_UNAVAILABLE ? "gate unavailable: " : "",
		    said.msg);
		return;
	}
	pkt_addf(&out, "ERR gitgate: %s", said.msg);
	http_reply(f->rq, 200, RESULT_TYPE, buf_view(&out), NULL);
}

/* -- what the request may ask for -- */

/* Strike from wants (sorted, unique) what a visible ref points to. */
static void
mark_tip(const struct oid *wants, bool *is_tip, size_t n, const struct oid *o)
{
	const struct oid *at = oids_find(wants, n, o);

	if (at != NULL)
		is_tip[at - wants] = true;
}

static int
find_far_wants(struct fetch *f, struct upload_request *rq, struct gg_error *err)
{
	/* check_request() leaves with an error where it is not set.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	const struct advert *a = f->seen->advert;
	char hex[OID_HEX + 1];
	bool *is_tip;

	if (rq->n_wants == 0)
		return 0;
	if ((is_tip = calloc(rq->n_wants, sizeof(*is_tip))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "wants");
	rq->n_wants = oids_sort_unique(rq->wants, rq->n_wants);
	for (size_t i = 0; i < a->n_refs; i++) {
		if (gate_ref_is_hidden(f->who.repo.conf, a->refs[i].name))
			continue;
		mark_tip(rq->wants, is_tip, rq->n_wants, &a->refs[i].oid);
		mark_tip(rq->wants, is_tip, rq->n_wants, &a->refs[i].peeled);
	}
	for (size_t i = 0; i < rq->n_wants; i++) {
		oid_format(&rq->wants[i], hex);
		if (!is_tip[i])
			strv_add(&f->far_wants, hex);
	}
	free(is_tip);
	return strv_check(&f->far_wants, err);
}

/* Does HEAD stand on a branch that is not to be seen? */
static bool
head_is_hidden(const struct fetch *f)
{
	const char *target = f->seen->advert->head_target;

	return target != NULL && gate_ref_is_hidden(f->who.repo.conf, target);
}

/* git completes a short name in these ways (gitrevisions(7)). */
static bool
may_mean_hidden(const struct fetch *f, const char *name)
{
	static const char *const around[][2] = { { "", "" }, { "refs/", "" },
		{ "refs/tags/", "" }, { "refs/heads/", "" },
		{ "refs/remotes/", "" }, { "refs/remotes/", "/HEAD" } };

	for (size_t i = 0; i < GG_COUNT(around); i++) {
		GG_AUTO_MEM char *full = path_f("%s%s%s", around[i][0], name,
		    around[i][1]);

		if (gate_ref_is_hidden(f->who.repo.conf, full))
			return true;
	}
	return strcmp(name, "HEAD") == 0 && head_is_hidden(f);
}

static int
check_names(const struct fetch *f, const struct strv *names,
    struct gg_error *err)
{
	for (size_t i = 0; i < names->n; i++)
		if (may_mean_hidden(f, names->v[i]))
			return gg_fail(err, GG_E_PEER, "no such ref: %s",
			    names->v[i]);
	return 0;
}

static int
check_request(struct fetch *f, struct gg_error *err)
{
	GG_AUTO(upload_request) rq = NULL;
	struct repo_state *st = gate_repo(f->gate, f->who.repo.name);
	bool v2 = strcmp(f->protocol, "version=2") == 0;
	int rc;

	rc = upload_request_parse(buf_view(&f->body), v2,
	    (size_t)f->who.snap->config->limits.fetch_wants, &rq, err);
	if (rc == GG_E_LIMIT)
		return gg_wrap(err, rc, "limit fetch-wants");
	if (rc != 0)
		return rc;
	/* What ls-refs shows must be fresh; a fetch goes on from there. */
	pthread_mutex_lock(&st->mutex);
	if (rq->kind != UPLOAD_LS_REFS)
		f->seen = shared_advert_ref(st->seen);
	pthread_mutex_unlock(&st->mutex);
	if (f->seen == NULL &&
	    (rc = mirror_refresh(f->gate, f->who.snap, &f->who.repo, &f->seen,
		 err)) != 0)
		return rc;
	if ((rc = check_names(f, &rq->want_refs, err)) != 0 ||
	    (rc = check_names(f, &rq->deepen_not, err)) != 0)
		return rc;
	return find_far_wants(f, rq, err);
}

/* -- handing it to an inspector -- */

static void
fill_job(struct fetch *f, struct serve_job *job)
{
	const struct repository *conf = f->who.repo.conf;
	struct repo_state *st = gate_repo(f->gate, f->who.repo.name);

	job->mirror = gate_mirror_path(f->who.snap->config, f->who.repo.name);
	job->advertise = f->advertise;
	job->protocol = path_f("%s", f->protocol);
	job->sandbox_required = f->gate->sandbox_required;
	strv_copy(&job->wants, &f->far_wants);
	for (size_t i = 0; i < f->seen->advert->n_refs; i++)
		if (gate_ref_is_hidden(conf, f->seen->advert->refs[i].name))
			strv_add(&job->hide_refs,
			    f->seen->advert->refs[i].name);
	pthread_mutex_lock(&st->mutex);
	job->mirror_clean = st->clean && job->hide_refs.n == 0;
	pthread_mutex_unlock(&st->mutex);
	gate_job_limits(&f->who.snap->config->limits, &job->limits);
}

/* Upstream's refs without the hidden ones: what a want must be reached from. */
static int
visible_refs(const struct fetch *f, struct gg_error *err)
{
	const struct advert *a = f->seen->advert;
	GG_AUTO(advert) out = advert_new();
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	int rc = 0;

	if (out == NULL) {
		gg_fail(err, GG_E_NOMEM, "refs");
		return -1;
	}
	for (size_t i = 0; f->far_wants.n > 0 && i < a->n_refs && rc == 0; i++)
		if (!gate_ref_is_hidden(f->who.repo.conf, a->refs[i].name))
			rc = advert_add(out, view_str(a->refs[i].name),
			    &a->refs[i].oid, err);
	if (rc == 0)
		rc = advert_sort(out, err);
	advert_encode(out, &bytes);
	if (rc != 0 || buf_check(&bytes, err) != 0)
		return -1;
	return fd_memfile("visible", buf_view(&bytes), err);
}

static int
start_serving(struct fetch *f, int *answer, struct gg_error *err)
{
	GG_AUTO_RELEASE(serve_job) job = { 0 };
	GG_AUTO_RELEASE(buf) body = BUF_INIT(32768);
	GG_AUTO_RELEASE(frame) fr = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	GG_AUTO_FD request = -1;
	GG_AUTO_FD visible = -1;
	GG_AUTO_FD sock = -1;
	int p[2], rc;

	fill_job(f, &job);
	serve_job_encode(&job, &body);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	if ((request = fd_memfile("request", buf_view(&f->body), err)) < 0 ||
	    (visible = visible_refs(f, err)) < 0)
		return err->code;
	if ((rc = inspectors_take(f->gate, &sock, err)) != 0)
		return rc;
	if (pipe2(p, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	GG_AUTO_FD r = p[0], w = p[1];
	int fds[3] = { request, w, visible };

	rc = frame_send(sock, MSG_JOB_SERVE, 0, buf_view(&body), fds, 3, err);
	fd_close(fd_take(&w));
	if (rc != 0)
		return rc;
	rc = inspector_expect(sock, MSG_SERVE_READY, MSG_NONE,
	    clock_mono_ms() +
		(int64_t)f->who.snap->config->limits.inspection_ms,
	    &fr, &limit, err);
	if (rc != 0)
		return rc;
	*answer = fd_take(&r);
	return 0;
}

static void
served(void *arg, bool complete)
{
	(void)complete;
	gate_leave_fetch(arg);
}

static void
serve(struct fetch *f)
{
	static const char service[] = "001e# service=git-upload-pack\n0000";
	bool head = f->advertise && strcmp(f->protocol, "version=2") != 0;
	struct gg_error err = { 0 };
	int answer = -1;

	if (gate_enter_fetch(f->gate, &f->who.snap->config->limits, &err) !=
	    0) {
		refuse(f, &err);
		return;
	}
	if (start_serving(f, &answer, &err) != 0) {
		gate_leave_fetch(f->gate);
		refuse(f, &err);
		return;
	}
	http_reply_fd(f->rq, 200,
	    f->advertise ? ADVERTISEMENT_TYPE : RESULT_TYPE,
	    view_str(head ? service : ""), answer, served, f->gate);
}

static bool
begin(struct fetch *f, struct gate *g, struct http_request *rq)
{
	const char *protocol = http_header(rq, "Git-Protocol");

	f->gate = g;
	f->rq = rq;
	f->protocol = git_protocol_header(view_str(protocol ? protocol : ""));
	f->body = BUF_INIT((size_t)64 << 20);
	return git_request_open(g, rq, ACCESS_FETCH, &f->who);
}

void
gate_info_refs_upload(void *ctx, struct http_request *rq)
{
	GG_AUTO_RELEASE(fetch) f = { .advertise = true };
	struct gg_error err = { 0 };

	if (!begin(&f, ctx, rq))
		return;
	if (mirror_refresh(f.gate, f.who.snap, &f.who.repo, &f.seen, &err) !=
	    0) {
		refuse(&f, &err);
		return;
	}
	serve(&f);
}

static int
take_body(struct fetch *f, struct gg_error *err)
{
	const char *coding = http_header(f->rq, "Content-Encoding");

	f->body.max = (size_t)f->who.snap->config->limits.fetch_request_bytes;
	if (coding == NULL || strcasecmp(coding, "identity") == 0) {
		buf_addv(&f->body, http_body(f->rq));
		return buf_check(&f->body, err);
	}
	if (strcasecmp(coding, "gzip") == 0 ||
	    strcasecmp(coding, "x-gzip") == 0)
		return gunzip(http_body(f->rq), &f->body, err);
	return gg_fail(err, GG_E_INPUT, "content encoding %.60s is unknown",
	    coding);
}

void
gate_upload_pack(void *ctx, struct http_request *rq)
{
	const char *type = http_header(rq, "Content-Type");
	GG_AUTO_RELEASE(fetch) f = { 0 };
	struct gg_error err = { 0 };
	int rc;

	if (!begin(&f, ctx, rq))
		return;
	if (f.who.limited != NULL) {
		(void)gg_fail(&err, GG_E_LIMIT,
		    "limit %s: too many requests; try again in %u s",
		    f.who.limited, f.who.retry_seconds);
		refuse(&f, &err);
		return;
	}
	if (type == NULL ||
	    strcmp(type, "application/x-git-upload-pack-request") != 0) {
		http_reply_text(rq, 415, "gitgate: not a fetch request");
		return;
	}
	if ((rc = take_body(&f, &err)) != 0) {
		http_reply_text(rq,
		    rc == GG_E_LIMIT     ? 413 :
			rc == GG_E_INPUT ? 415 :
					   400,
		    "gitgate: %s%s",
		    rc == GG_E_LIMIT ? "limit fetch-request-size: " : "",
		    err.msg);
		return;
	}
	if (check_request(&f, &err) != 0)
		refuse(&f, &err);
	else
		serve(&f);
}
