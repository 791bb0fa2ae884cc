#include "model/job.h"

#include "ipc/codec.h"
#include "model/refname.h"

#include <stdlib.h>
#include <string.h>

#define JOB_PATH_MAX_BYTES 4096
#define JOB_STRINGS_MAX    100000

static void
enc_limits(struct buf *b, const struct job_limits *l)
{
	enc_u64(b, l->pack_bytes);
	enc_u64(b, l->pack_objects);
	enc_u64(b, l->object_bytes);
	enc_u64(b, l->delta_depth);
	enc_u64(b, l->path_bytes);
	enc_u64(b, l->tree_depth);
	enc_u64(b, l->walk_commits);
	enc_u64(b, l->walk_entries);
	enc_u64(b, l->listed_paths);
	enc_u64(b, l->wall_ms);
	enc_u64(b, l->cpu_ms);
	enc_u64(b, l->memory_bytes);
	enc_u64(b, l->scan_blob_bytes);
	enc_u64(b, l->documents);
	enc_u64(b, l->document_bytes);
	enc_u64(b, l->documents_bytes);
	enc_u64(b, l->documents_read);
}

static void
read_limits(struct dec *d, struct job_limits *l)
{
	l->pack_bytes = dec_u64(d);
	l->pack_objects = dec_u64(d);
	l->object_bytes = dec_u64(d);
	l->delta_depth = dec_u64(d);
	l->path_bytes = dec_u64(d);
	l->tree_depth = dec_u64(d);
	l->walk_commits = dec_u64(d);
	l->walk_entries = dec_u64(d);
	l->listed_paths = dec_u64(d);
	l->wall_ms = dec_u64(d);
	l->cpu_ms = dec_u64(d);
	l->memory_bytes = dec_u64(d);
	l->scan_blob_bytes = dec_u64(d);
	l->documents = dec_u64(d);
	l->document_bytes = dec_u64(d);
	l->documents_bytes = dec_u64(d);
	l->documents_read = dec_u64(d);
}

void
push_job_release(struct push_job *j)
{
	free(j->push_id);
	free(j->mirror);
	free(j->quarantine);
	strv_release(&j->fsck);
	strv_release(&j->shallow);
	*j = (struct push_job){ 0 };
}

void
push_job_encode(const struct push_job *j, struct buf *out)
{
	enc_str(out, j->push_id);
	enc_str(out, j->mirror);
	enc_str(out, j->quarantine);
	enc_u8(out, j->has_pack);
	enc_u8(out, j->mirror_clean);
	enc_u8(out, j->sandbox_required);
	enc_u8(out, j->recorded);
	enc_u8(out, j->wants);
	buf_add(out, j->salt, sizeof(j->salt));
	enc_strv(out, &j->fsck);
	enc_strv(out, &j->shallow);
	enc_limits(out, &j->limits);
}

static void
read_push_job(struct dec *d, struct push_job *j)
{
	j->push_id = dec_str(d, 64);
	j->mirror = dec_str(d, JOB_PATH_MAX_BYTES);
	j->quarantine = dec_str(d, JOB_PATH_MAX_BYTES);
	j->has_pack = dec_flag(d);
	j->mirror_clean = dec_flag(d);
	j->sandbox_required = dec_flag(d);
	j->recorded = dec_flag(d);
	j->wants = dec_u8(d);
	if (j->wants > JOB_WANT_ALL)
		d->failed = true;
	for (size_t i = 0; i < sizeof(j->salt); i++)
		j->salt[i] = dec_u8(d);
	dec_strv(d, &j->fsck, JOB_STRINGS_MAX);
	dec_strv(d, &j->shallow, JOB_STRINGS_MAX);
	read_limits(d, &j->limits);
}

int
push_job_decode(struct view v, struct push_job *out, struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO_RELEASE(push_job) j = { 0 };
	int rc;

	read_push_job(&d, &j);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "push job");
	*out = j;
	j = (struct push_job){ 0 };
	return 0;
}

void
view_job_release(struct view_job *j)
{
	push_job_release(&j->push);
	free(j->ref);
	free(j->path);
	*j = (struct view_job){ 0 };
}

void
view_job_encode(const struct view_job *j, struct buf *out)
{
	push_job_encode(&j->push, out);
	enc_u8(out, (uint8_t)j->kind);
	enc_str(out, j->ref);
	enc_oid(out, &j->from);
	enc_oid(out, &j->to);
	enc_str(out, j->path);
	enc_u64(out, j->skip);
	enc_u64(out, j->max_bytes);
}

int
view_job_decode(struct view v, struct view_job *out, struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO_RELEASE(view_job) j = { 0 };
	uint8_t kind;
	int rc;

	read_push_job(&d, &j.push);
	kind = dec_u8(&d);
	if (kind >= VIEW_KIND_COUNT)
		d.failed = true;
	j.kind = d.failed ? VIEW_NET : (enum view_kind)kind;
	j.ref = dec_str(&d, JOB_PATH_MAX_BYTES);
	dec_oid(&d, &j.from);
	dec_oid(&d, &j.to);
	j.path = dec_str(&d, JOB_PATH_MAX_BYTES);
	j.skip = dec_u64(&d);
	j.max_bytes = dec_u64(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "view job");
	*out = j;
	j = (struct view_job){ 0 };
	return 0;
}

void
push_job_refs_release(struct push_job_refs *r)
{
	ref_updates_release(&r->updates);
	free(r->advertised);
	free(r->known);
	for (size_t i = 0; i < REPORT_MAX_SCOPES; i++)
		free(r->scopes[i].oids);
	*r = (struct push_job_refs){ 0 };
}

static void
enc_oids(struct buf *b, const struct oid *v, size_t n)
{
	enc_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		enc_oid(b, &v[i]);
}

static void
read_oids(struct dec *d, struct oid **v, size_t *n)
{
	uint32_t count = dec_count(d, OID_BYTES);

	if (d->failed || count == 0)
		return;
	if ((*v = calloc(count, sizeof(**v))) == NULL)
		gg_die("no memory for a job");
	*n = count;
	for (uint32_t i = 0; i < count; i++)
		dec_oid(d, &(*v)[i]);
}

void
push_job_refs_encode(const struct push_job_refs *r, struct buf *out)
{
	enc_u32(out, (uint32_t)r->updates.n);
	for (size_t i = 0; i < r->updates.n; i++) {
		enc_oid(out, &r->updates.v[i].old_oid);
		enc_oid(out, &r->updates.v[i].new_oid);
		enc_str(out, r->updates.v[i].refname);
	}
	enc_oids(out, r->advertised, r->n_advertised);
	enc_oid(out, &r->head);
	enc_u32(out, (uint32_t)r->n_scopes);
	for (size_t i = 0; i < r->n_scopes; i++) {
		enc_u8(out, r->scopes[i].needed);
		enc_u8(out, r->scopes[i].covers_all);
		enc_oids(out, r->scopes[i].oids, r->scopes[i].n_oids);
	}
	enc_u8(out, r->judged_before);
	enc_oids(out, r->known, r->n_known);
}

static int
read_updates(struct dec *d, struct ref_updates *out, struct gg_error *err)
{
	uint32_t n = dec_count(d, 2 * OID_BYTES + 4);
	struct oid old_oid, new_oid;
	struct view name;
	int rc;

	for (uint32_t i = 0; i < n && !d->failed; i++) {
		dec_oid(d, &old_oid);
		dec_oid(d, &new_oid);
		name = dec_bytes(d);
		if (!refname_is_valid(name)) {
			d->failed = true;
			return 0;
		}
		rc = ref_updates_add(out, &old_oid, &new_oid, name, n, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
push_job_refs_decode(struct view v, struct push_job_refs *out,
    struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO_RELEASE(push_job_refs) r = { 0 };
	int rc;

	if ((rc = read_updates(&d, &r.updates, err)) != 0)
		return gg_wrap(err, rc, "refs of a job");
	read_oids(&d, &r.advertised, &r.n_advertised);
	dec_oid(&d, &r.head);
	r.n_scopes = dec_u32(&d);
	if (r.n_scopes > REPORT_MAX_SCOPES)
		return gg_fail(err, GG_E_PEER, "refs of a job: %zu scopes",
		    r.n_scopes);
	for (size_t i = 0; i < r.n_scopes; i++) {
		r.scopes[i].needed = dec_flag(&d);
		r.scopes[i].covers_all = dec_flag(&d);
		read_oids(&d, &r.scopes[i].oids, &r.scopes[i].n_oids);
	}
	r.judged_before = dec_flag(&d);
	read_oids(&d, &r.known, &r.n_known);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "refs of a job");
	*out = r;
	r = (struct push_job_refs){ 0 };
	return 0;
}

void
mirror_job_release(struct mirror_job *j)
{
	free(j->mirror);
	strv_release(&j->refs);
	*j = (struct mirror_job){ 0 };
}

void
mirror_job_encode(const struct mirror_job *j, struct buf *out)
{
	enc_str(out, j->mirror);
	enc_strv(out, &j->refs);
	enc_u8(out, j->sandbox_required);
	enc_limits(out, &j->limits);
}

int
mirror_job_decode(struct view v, struct mirror_job *out, struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO_RELEASE(mirror_job) j = { 0 };
	int rc;

	j.mirror = dec_str(&d, JOB_PATH_MAX_BYTES);
	dec_strv(&d, &j.refs, JOB_STRINGS_MAX);
	j.sandbox_required = dec_flag(&d);
	read_limits(&d, &j.limits);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "mirror job");
	*out = j;
	j = (struct mirror_job){ 0 };
	return 0;
}

void
serve_job_release(struct serve_job *j)
{
	free(j->mirror);
	free(j->protocol);
	strv_release(&j->hide_refs);
	strv_release(&j->wants);
	*j = (struct serve_job){ 0 };
}

void
serve_job_encode(const struct serve_job *j, struct buf *out)
{
	enc_str(out, j->mirror);
	enc_u8(out, j->advertise);
	enc_str(out, j->protocol);
	enc_strv(out, &j->hide_refs);
	enc_strv(out, &j->wants);
	enc_u8(out, j->mirror_clean);
	enc_u8(out, j->sandbox_required);
	enc_limits(out, &j->limits);
}

/* It becomes an environment variable of a child: only what is known. */
static bool
protocol_is_known(const char *s)
{
	return strcmp(s, "") == 0 || strcmp(s, "version=1") == 0 ||
	    strcmp(s, "version=2") == 0;
}

int
serve_job_decode(struct view v, struct serve_job *out, struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO_RELEASE(serve_job) j = { 0 };
	int rc;

	j.mirror = dec_str(&d, JOB_PATH_MAX_BYTES);
	j.advertise = dec_flag(&d);
	j.protocol = dec_str(&d, 32);
	dec_strv(&d, &j.hide_refs, JOB_STRINGS_MAX);
	dec_strv(&d, &j.wants, JOB_STRINGS_MAX);
	j.mirror_clean = dec_flag(&d);
	j.sandbox_required = dec_flag(&d);
	read_limits(&d, &j.limits);
	if (!protocol_is_known(j.protocol))
		d.failed = true;
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "serve job");
	*out = j;
	j = (struct serve_job){ 0 };
	return 0;
}
