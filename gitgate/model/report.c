#include "model/report.h"

#include "ipc/codec.h"
#include "model/report_priv.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX_BYTES 65536
/* Least encoded sizes, for dec_count(). */
#define PATH_LEAST_BYTES    (4 + 1 + 4 + 4 + 2 * OID_BYTES + 8 + 8)
#define COMMIT_LEAST_BYTES  (3 * OID_BYTES + 4 + 5 * 4 + 2 * 8 + 4 + 8)
#define UPDATE_LEAST_BYTES  (1 + 1 + OID_BYTES + 1 + 4 + 4 + 8)
#define FINDING_LEAST_BYTES (1 + 5 * 4 + 3 * 4)

static const char *const kind_names[] = { "create", "fast-forward", "force",
	"delete", "tag-move" };

const char *
update_kind_name(enum update_kind k)
{
	return (size_t)k < GG_COUNT(kind_names) ? kind_names[k] : "?";
}

const char *
change_name(unsigned kinds)
{
	static const struct {
		unsigned bit;
		const char *name;
	} words[] = {
		{ CHANGE_SUBMODULE, "submodule" },
		{ CHANGE_SYMLINK, "symlink" },
		{ CHANGE_ADD, "added" },
		{ CHANGE_DELETE, "deleted" },
		{ CHANGE_MODIFY, "modified" },
		{ CHANGE_MODE, "mode" },
	};

	for (size_t i = 0; i < GG_COUNT(words); i++)
		if ((kinds & words[i].bit) != 0)
			return words[i].name;
	return "modified";
}

/* Room for one more item of size bytes; dies without memory. */
static void *
grow(void *v, size_t n, size_t *alloc, size_t size)
{
	size_t want = *alloc ? *alloc * 2 : 4;

	if (n < *alloc)
		return v;
	if ((v = reallocarray(v, want, size)) == NULL)
		gg_die("no memory for a change report");
	*alloc = want;
	return v;
}

void
path_changes_release(struct path_changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].path);
	free(c->v);
	*c = (struct path_changes){ 0 };
}

struct path_change *
path_changes_add(struct path_changes *c, struct view path)
{
	struct path_change *p;

	c->v = grow(c->v, c->n, &c->alloc, sizeof(*c->v));
	p = &c->v[c->n];
	*p = (struct path_change){ .path = view_dup(path) };
	if (p->path == NULL)
		gg_die("no memory for a path");
	c->n++;
	return p;
}

void
commit_list_add(struct commit_list *l, uint32_t index)
{
	l->v = grow(l->v, l->n, &l->alloc, sizeof(*l->v));
	l->v[l->n++] = index;
}

struct change_report *
change_report_new(size_t n_updates, size_t n_scopes)
{
	struct change_report *r = calloc(1, sizeof(*r));

	if (n_scopes > REPORT_MAX_SCOPES)
		gg_die("%zu scopes in a change report", n_scopes);
	if (r != NULL && n_updates > 0)
		r->updates = calloc(n_updates, sizeof(*r->updates));
	if (r == NULL || (n_updates > 0 && r->updates == NULL))
		gg_die("no memory for a change report");
	r->n_updates = n_updates;
	r->n_scopes = n_scopes;
	return r;
}

static void
commit_info_release(struct commit_info *c)
{
	free(c->author_name);
	free(c->author_email);
	free(c->committer_name);
	free(c->committer_email);
	free(c->message);
	free(c->signature);
	free(c->payload);
	path_changes_release(&c->paths);
}

static void
update_report_release(struct update_report *u)
{
	free(u->too_large_why);
	for (size_t i = 0; i < REPORT_MAX_SCOPES; i++)
		free(u->scopes[i].v);
	path_changes_release(&u->net);
	free(u->owners_path);
	free(u->owners);
}

static void
finding_release(struct finding *f)
{
	free(f->rule);
	free(f->description);
	free(f->path);
	free(f->masked);
	free(f->fingerprint);
}

void
change_report_free(struct change_report *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_commits; i++)
		commit_info_release(&r->commits[i]);
	for (size_t i = 0; i < r->n_updates; i++)
		update_report_release(&r->updates[i]);
	for (size_t i = 0; i < r->n_findings; i++)
		finding_release(&r->findings[i]);
	free(r->commits);
	free(r->updates);
	free(r->findings);
	free(r->scan_incomplete);
	report_documents_release(r);
	free(r);
}

struct commit_info *
change_report_add_commit(struct change_report *r)
{
	/* The room is the next power of two: no field for it is needed. */
	if ((r->n_commits & (r->n_commits - 1)) == 0) {
		size_t want = r->n_commits ? r->n_commits * 2 : 1;
		struct commit_info *v = reallocarray(r->commits, want,
		    sizeof(*v));

		if (v == NULL)
			gg_die("no memory for a change report");
		r->commits = v;
	}
	r->commits[r->n_commits] = (struct commit_info){ 0 };
	return &r->commits[r->n_commits++];
}

struct finding *
change_report_add_finding(struct change_report *r)
{
	r->findings_all++;
	if (r->n_findings >= REPORT_MAX_FINDINGS)
		return NULL;
	if (r->findings == NULL)
		r->findings = calloc(REPORT_MAX_FINDINGS, sizeof(*r->findings));
	if (r->findings == NULL)
		gg_die("no memory for a change report");
	return &r->findings[r->n_findings++];
}

static void
enc_paths(struct buf *b, const struct path_changes *c)
{
	enc_u32(b, (uint32_t)c->n);
	for (size_t i = 0; i < c->n; i++) {
		const struct path_change *p = &c->v[i];

		enc_str(b, p->path);
		enc_u8(b, (uint8_t)(p->kinds & CHANGE_ALL));
		enc_u32(b, p->old_mode);
		enc_u32(b, p->new_mode);
		enc_oid(b, &p->old_oid);
		enc_oid(b, &p->new_oid);
		enc_u64(b, p->new_bytes);
		enc_u32(b, p->lines_added);
		enc_u32(b, p->lines_removed);
	}
}

static void
enc_commit(struct buf *b, const struct commit_info *c)
{
	enc_oid(b, &c->oid);
	enc_oid(b, &c->tree);
	enc_u32(b, c->n_parents);
	enc_oid(b, &c->first_parent);
	enc_str(b, c->author_name);
	enc_str(b, c->author_email);
	enc_str(b, c->committer_name);
	enc_str(b, c->committer_email);
	enc_i64(b, c->author_time);
	enc_i64(b, c->committer_time);
	enc_str(b, c->message);
	enc_paths(b, &c->paths);
	enc_str(b, c->signature);
	enc_bytes(b, view_of(c->payload, c->payload_n));
}

static void
enc_update(struct buf *b, const struct update_report *u, size_t n_scopes)
{
	enc_u8(b, (uint8_t)u->kind);
	enc_u8(b, (uint8_t)u->object);
	enc_oid(b, &u->peeled);
	enc_u8(b, u->too_large);
	enc_str(b, u->too_large_why);
	for (size_t s = 0; s < n_scopes; s++) {
		enc_u32(b, (uint32_t)u->scopes[s].n);
		for (size_t i = 0; i < u->scopes[s].n; i++)
			enc_u32(b, u->scopes[s].v[i]);
	}
	enc_paths(b, &u->net);
	enc_str(b, u->owners_path);
	enc_bytes(b, view_of(u->owners, u->owners_n));
}

static void
enc_finding(struct buf *b, const struct finding *f)
{
	enc_u8(b, (uint8_t)f->place);
	enc_str(b, f->rule);
	enc_str(b, f->description);
	enc_str(b, f->path);
	enc_u32(b, f->commit);
	enc_u32(b, f->update);
	enc_u32(b, f->line);
	enc_str(b, f->masked);
	enc_str(b, f->fingerprint);
}

void
change_report_encode(const struct change_report *r, struct buf *out)
{
	enc_u32(out, (uint32_t)r->n_scopes);
	enc_u64(out, r->n_objects);
	enc_u64(out, r->pack_bytes);
	enc_u32(out, (uint32_t)r->n_commits);
	for (size_t i = 0; i < r->n_commits; i++)
		enc_commit(out, &r->commits[i]);
	enc_u32(out, (uint32_t)r->n_updates);
	for (size_t i = 0; i < r->n_updates; i++)
		enc_update(out, &r->updates[i], r->n_scopes);
	enc_u32(out, (uint32_t)r->n_findings);
	for (size_t i = 0; i < r->n_findings; i++)
		enc_finding(out, &r->findings[i]);
	enc_u64(out, r->findings_all);
	enc_u64(out, r->scanned_bytes);
	enc_str(out, r->scan_incomplete);
	report_documents_encode(r, out);
}

/* What is being read, and how many paths it may still hold. */
struct reader {
	struct dec d;
	size_t paths_left;
};

/* A flag or an enum: at most max. */
static uint8_t
read_below(struct dec *d, uint8_t max)
{
	uint8_t x = dec_u8(d);

	if (x > max)
		d->failed = true;
	return d->failed ? 0 : x;
}

static void
read_paths(struct reader *r, struct path_changes *out)
{
	uint32_t n = dec_count(&r->d, PATH_LEAST_BYTES);

	if (n > r->paths_left)
		r->d.failed = true;
	for (uint32_t i = 0; i < n && !r->d.failed; i++) {
		struct view path = dec_bytes(&r->d);
		struct path_change *p;

		if (path.n > REPORT_PATH_MAX ||
		    (path.n > 0 && memchr(path.p, '\0', path.n) != NULL)) {
			r->d.failed = true;
			return;
		}
		p = path_changes_add(out, path);
		p->kinds = read_below(&r->d, CHANGE_ALL);
		p->old_mode = dec_u32(&r->d);
		p->new_mode = dec_u32(&r->d);
		dec_oid(&r->d, &p->old_oid);
		dec_oid(&r->d, &p->new_oid);
		p->new_bytes = dec_u64(&r->d);
		p->lines_added = dec_u32(&r->d);
		p->lines_removed = dec_u32(&r->d);
		r->paths_left--;
	}
}

/* Bytes of any kind, copied, with a NUL behind them. */
static char *
read_blob(struct dec *d, size_t max, size_t *n)
{
	struct view v = dec_bytes(d);
	char *s;

	if (v.n > max) {
		d->failed = true;
		v = view_of(NULL, 0);
	}
	if ((s = view_dup(v)) == NULL)
		gg_die("no memory for a change report");
	*n = v.n;
	return s;
}

static void
read_commit(struct reader *r, struct commit_info *c)
{
	dec_oid(&r->d, &c->oid);
	dec_oid(&r->d, &c->tree);
	c->n_parents = dec_u32(&r->d);
	dec_oid(&r->d, &c->first_parent);
	c->author_name = dec_str(&r->d, REPORT_TEXT_MAX);
	c->author_email = dec_str(&r->d, REPORT_TEXT_MAX);
	c->committer_name = dec_str(&r->d, REPORT_TEXT_MAX);
	c->committer_email = dec_str(&r->d, REPORT_TEXT_MAX);
	c->author_time = dec_i64(&r->d);
	c->committer_time = dec_i64(&r->d);
	c->message = dec_str(&r->d, MESSAGE_MAX_BYTES);
	read_paths(r, &c->paths);
	c->signature = dec_str(&r->d, REPORT_SIGNATURE_MAX);
	c->payload = read_blob(&r->d, REPORT_PAYLOAD_MAX, &c->payload_n);
}

static void
read_commit_list(struct dec *d, struct commit_list *l, size_t n_commits)
{
	uint32_t n = dec_count(d, 4);

	/* A commit is in a list once at most. */
	if (n > n_commits)
		d->failed = true;
	for (uint32_t i = 0; i < n && !d->failed; i++) {
		uint32_t index = dec_u32(d);

		if (index >= n_commits)
			d->failed = true;
		else
			commit_list_add(l, index);
	}
}

static void
read_update(struct reader *r, const struct change_report *whole,
    struct update_report *u)
{
	u->kind = (enum update_kind)read_below(&r->d, UPDATE_TAG_MOVE);
	u->object = (enum object_kind)read_below(&r->d, OBJECT_TAG);
	dec_oid(&r->d, &u->peeled);
	u->too_large = read_below(&r->d, 1) != 0;
	u->too_large_why = dec_str(&r->d, REPORT_TEXT_MAX);
	for (size_t s = 0; s < whole->n_scopes; s++)
		read_commit_list(&r->d, &u->scopes[s], whole->n_commits);
	read_paths(r, &u->net);
	u->owners_path = dec_str(&r->d, REPORT_TEXT_MAX);
	u->owners = read_blob(&r->d, REPORT_OWNERS_MAX, &u->owners_n);
}

/* An index below n, or the mark for none. */
static uint32_t
read_index(struct dec *d, size_t n)
{
	uint32_t x = dec_u32(d);

	if (x != UINT32_MAX && x >= n)
		d->failed = true;
	return x;
}

static void
read_findings(struct reader *r, struct change_report *whole)
{
	uint32_t n = dec_count(&r->d, FINDING_LEAST_BYTES);

	if (n > REPORT_MAX_FINDINGS)
		r->d.failed = true;
	for (uint32_t i = 0; i < n && !r->d.failed; i++) {
		struct finding *f = change_report_add_finding(whole);

		f->place = (enum finding_place)read_below(&r->d, FINDING_PATH);
		f->rule = dec_str(&r->d, REPORT_TEXT_MAX);
		f->description = dec_str(&r->d, REPORT_TEXT_MAX);
		f->path = dec_str(&r->d, REPORT_PATH_MAX);
		f->commit = read_index(&r->d, whole->n_commits);
		f->update = read_index(&r->d, whole->n_updates);
		f->line = dec_u32(&r->d);
		f->masked = dec_str(&r->d, REPORT_TEXT_MAX);
		f->fingerprint = dec_str(&r->d, 64);
	}
	whole->findings_all = dec_u64(&r->d);
	whole->scanned_bytes = dec_u64(&r->d);
	whole->scan_incomplete = dec_str(&r->d, REPORT_TEXT_MAX);
}

static void
read_updates(struct reader *r, struct change_report *whole)
{
	size_t least = UPDATE_LEAST_BYTES + 4 * whole->n_scopes;
	uint32_t n = dec_count(&r->d, least);

	if (r->d.failed || n == 0)
		return;
	whole->updates = calloc(n, sizeof(*whole->updates));
	if (whole->updates == NULL) {
		r->d.failed = true;
		return;
	}
	whole->n_updates = n;
	for (uint32_t i = 0; i < n && !r->d.failed; i++)
		read_update(r, whole, &whole->updates[i]);
}

int
change_report_decode(struct view v, struct change_report **out,
    struct gg_error *err)
{
	struct reader r = { dec_of(v), REPORT_MAX_PATHS };
	uint32_t n_scopes = dec_u32(&r.d), n;
	GG_AUTO(change_report) whole = NULL;
	int rc;

	if (n_scopes > REPORT_MAX_SCOPES)
		return gg_fail(err, GG_E_PEER, "change report: %u scopes",
		    (unsigned)n_scopes);
	whole = change_report_new(0, n_scopes);
	whole->n_objects = dec_u64(&r.d);
	whole->pack_bytes = dec_u64(&r.d);
	n = dec_count(&r.d, COMMIT_LEAST_BYTES);
	if (n > REPORT_MAX_COMMITS)
		return gg_fail(err, GG_E_LIMIT, "change report: %u commits",
		    (unsigned)n);
	for (uint32_t i = 0; i < n && !r.d.failed; i++)
		read_commit(&r, change_report_add_commit(whole));
	read_updates(&r, whole);
	read_findings(&r, whole);
	report_documents_decode(&r.d, whole);
	if ((rc = dec_end(&r.d, err)) != 0)
		return gg_wrap(err, rc, "change report");
	*out = gg_take(whole);
	return 0;
}
