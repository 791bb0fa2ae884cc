#include "role/inspection_order.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "ipc/codec.h"
#include "model/job.h"
#include "role/kept_refs.h"

#include <stdlib.h>
#include <string.h>

/* The parsed report is kept in memory: this bounds it (the limits on listed
 * paths and commits keep honest reports far below; documents have their own). */
#define REPORT_MEMORY_MAX                            \
	(((size_t)24 << 20) + REPORT_DOCUMENTS_MAX + \
	    (size_t)REPORT_MAX_KNOWN * OID_BYTES)

char *
gate_mirror_path(const struct config *c, const char *name)
{
	return path_f("%s/mirrors/%s.git", c->state_dir, name);
}

bool
gate_ref_is_hidden(const struct repository *conf, const char *refname)
{
	return conf->hide_refs.n > 0 &&
	    glob_list_match(&conf->hide_refs, view_str(refname));
}

/* -- the refs part of the job -- */

struct oid_set {
	struct oid *v;
	size_t n, alloc;
};

static int
oid_set_add(struct oid_set *s, const struct oid *o, struct gg_error *err)
{
	struct oid *grown;
	size_t want;

	if (oid_is_zero(o))
		return 0;
	if (s->n == s->alloc) {
		want = s->alloc ? s->alloc * 2 : 64;
		grown = reallocarray(s->v, want, sizeof(*grown));
		if (grown == NULL)
			return gg_fail(err, GG_E_NOMEM, "list of refs");
		s->v = grown;
		s->alloc = want;
	}
	s->v[s->n++] = *o;
	return 0;
}

/* Is this ref no base of the push? */
static bool
is_left_out(const struct inspection_order *o, const struct advert_ref *r)
{
	return (r->kept && !o->kept_is_base) ||
	    gate_ref_is_hidden(o->repo->conf, r->name);
}

/* Fill one scope: the present values of the visible refs that it covers. */
static int
fill_scope(const struct inspection_order *o, size_t scope,
    struct push_job_scope *out, struct gg_error *err)
{
	const struct advert *a = o->upstream;
	const struct ruleset *rs = o->ruleset;
	struct oid_set set = { 0 };
	bool all = true;
	int rc = 0;

	out->needed = ruleset_scope_needed(rs, scope, o->principal,
	    o->repo->name);
	for (size_t i = 0; out->needed && i < a->n_refs && rc == 0; i++) {
		if (is_left_out(o, &a->refs[i]))
			continue;
		if (ruleset_scope_covers(rs, scope, a->refs[i].name))
			rc = oid_set_add(&set, &a->refs[i].oid, err);
		else
			all = false;
	}
	set.n = oids_sort_unique(set.v, set.n);
	out->covers_all = out->needed && all && a->n_refs > 0;
	if (out->covers_all || rc != 0) {
		free(set.v);
		return rc;
	}
	out->oids = set.v;
	out->n_oids = set.n;
	return 0;
}

static int
fill_known(const struct change_report *r, struct push_job_refs *out,
    struct gg_error *err)
{
	struct oid_set known = { 0 };
	int rc = 0;

	for (size_t i = 0; i < r->n_known && rc == 0; i++)
		rc = oid_set_add(&known, &r->known[i], err);
	out->judged_before = true;
	out->known = known.v;
	out->n_known = known.n;
	return rc;
}

static int
fill_refs(const struct inspection_order *o, struct push_job_refs *out,
    struct gg_error *err)
{
	const struct advert *a = o->upstream;
	struct oid_set visible = { 0 };
	int rc = 0;

	for (size_t i = 0; i < o->updates->n && rc == 0; i++)
		rc = ref_updates_add(&out->updates, &o->updates->v[i].old_oid,
		    &o->updates->v[i].new_oid,
		    view_str(o->updates->v[i].refname), SIZE_MAX, err);
	for (size_t i = 0; i < a->n_refs && rc == 0; i++)
		if (!is_left_out(o, &a->refs[i]))
			rc = oid_set_add(&visible, &a->refs[i].oid, err);
	visible.n = oids_sort_unique(visible.v, visible.n);
	out->advertised = visible.v;
	out->n_advertised = visible.n;
	for (size_t i = 0; i < visible.n; i++)
		if (oid_eq(&visible.v[i], &o->head))
			out->head = o->head;
	out->n_scopes = ruleset_n_scopes(o->ruleset);
	for (size_t i = 0; i < out->n_scopes && rc == 0; i++)
		rc = fill_scope(o, i, &out->scopes[i], err);
	return rc == 0 && o->before != NULL ? fill_known(o->before, out, err) :
					      rc;
}

static int
refs_file(const struct inspection_order *o, struct gg_error *err)
{
	GG_AUTO_RELEASE(push_job_refs) refs = { 0 };
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);

	if (fill_refs(o, &refs, err) != 0)
		return -1;
	push_job_refs_encode(&refs, &bytes);
	if (buf_check(&bytes, err) != 0)
		return -1;
	return fd_memfile("push-refs", buf_view(&bytes), err);
}

static void
fill_job(const struct inspection_order *o, struct push_job *job)
{
	const struct repository *conf = o->repo->conf;

	job->push_id = path_f("%s", o->push_id);
	job->mirror = gate_mirror_path(o->config, o->repo->name);
	job->quarantine = path_f("%s", o->quarantine);
	job->has_pack = o->has_pack;
	/* What is hidden is no base, though it lies in the mirror; nor is what
	 * only the gate has, for what is to go upstream. */
	job->mirror_clean = o->mirror_clean && conf->hide_refs.n == 0 &&
	    (o->kept_is_base || !kept_any(o->upstream));
	job->sandbox_required = o->sandbox_required;
	job->recorded = o->recorded;
	/* Secrets need compiled rules, which the caller may not have. */
	job->wants = (uint8_t)(ruleset_wants(o->ruleset, o->principal,
				   o->repo->name) &
	    (JOB_WANT_LINES | JOB_WANT_SIGNATURES | JOB_WANT_OWNERS));
	for (size_t i = 0; i < conf->n_fsck; i++)
		strv_addf(&job->fsck, "%s=%s", conf->fsck[i].id,
		    conf->fsck[i].severity);
	strv_copy(&job->shallow, o->shallow);
	gate_job_limits(&o->config->limits, &job->limits);
	job->wants = (uint8_t)ruleset_wants(o->ruleset, o->principal,
	    o->repo->name);
	if (o->salt != NULL)
		memcpy(job->salt, o->salt, sizeof(job->salt));
}

int
inspection_order_send(const struct inspection_order *o, int sock, int pack_fd,
    int report_fd, struct gg_error *err)
{
	GG_AUTO_RELEASE(push_job) job = { 0 };
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16384);
	GG_AUTO_FD refs = refs_file(o, err);
	bool secrets;
	int rc;

	if (refs < 0)
		return err->code;
	if ((rc = dir_make(o->quarantine, 0700, err)) != 0)
		return rc;
	fill_job(o, &job);
	secrets = (job.wants & JOB_WANT_SECRETS) != 0;
	if (secrets && (o->rules_fd <= 0 || o->salt == NULL))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the secret rules are not compiled");
	push_job_encode(&job, &body);
	if ((rc = buf_check(&body, err)) != 0)
		return rc;
	int fds[4] = { refs, pack_fd, report_fd, o->rules_fd };

	return frame_send(sock, MSG_JOB_PUSH, 0, buf_view(&body), fds,
	    secrets ? 4 : 3, err);
}

/* -- what comes back -- */

int
recorded_report_read(const struct config *c, const char *push_id,
    const char *digest, struct change_report **out, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report", c->state_dir,
	    push_id);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(REPORT_MEMORY_MAX);
	char hex[DIGEST_SHA256_HEX_SIZE];
	int rc;

	if ((rc = file_read(path, &bytes, err)) != 0)
		return rc;
	digest_sha256_hex(buf_view(&bytes), hex);
	if (strcmp(hex, digest) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "the change report of this push was altered");
	rc = change_report_decode(buf_view(&bytes), out, err);
	return rc != 0 ? gg_wrap(err, rc, "change report") : 0;
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
		.scan_blob_bytes = l->scan_blob_bytes,
		.documents = l->documents,
		.document_bytes = l->document_bytes,
		.documents_bytes = l->documents_bytes,
		.documents_read = l->documents_read,
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

static int
read_report(const struct inspection_order *o, int report_fd, uint64_t n,
    struct change_report **out, char digest[65], struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(REPORT_MEMORY_MAX);
	GG_AUTO(change_report) r = NULL;
	int rc;

	if ((rc = fd_pread_all(report_fd, &bytes, err)) != 0)
		return rc;
	if (bytes.n != n)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector's report is not whole");
	if (change_report_decode(buf_view(&bytes), &r, err) != 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector's report is malformed");
	if (r->n_updates != o->updates->n ||
	    r->n_scopes != ruleset_n_scopes(o->ruleset))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the inspector reported on another push");
	digest_sha256_hex(buf_view(&bytes), digest);
	*out = gg_take(r);
	return 0;
}

int
inspection_order_wait(const struct inspection_order *o, int sock, int report_fd,
    uint64_t n, struct change_report **out, char digest[65], char **limit,
    struct gg_error *err)
{
	int64_t deadline = clock_mono_ms() +
	    (int64_t)o->config->limits.inspection_ms + 5000;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error ignored = { 0 };
	uint64_t bytes;
	struct dec d;
	int rc;

	*limit = NULL;
	enc_u64(&body, n);
	/* When it has failed already its own words are waiting for us. */
	if (o->has_pack)
		(void)!frame_send(sock, MSG_PACK_END, 0, buf_view(&body), NULL,
		    0, &ignored);
	rc = inspector_expect(sock, MSG_REPORT, MSG_NONE, deadline, &f, limit,
	    err);
	if (rc != 0)
		return rc;
	d = dec_of(f.body);
	bytes = dec_u64(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	return read_report(o, report_fd, bytes, out, digest, err);
}
