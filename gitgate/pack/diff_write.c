/* The diff for people: per update its net difference, then its commits. */
#include "base/clock.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "model/diff.h"
#include "pack/inspect_state.h"
#include "pack/obj_check.h"

#include <git2.h>

enum {
	BLOB_MAX = 1 << 20,   /* larger ones are named, not shown */
	RECORD_MAX = 2 << 20, /* one record: a line of a blob, a path */
	FLUSH_AT = 256 << 10,
	CUT_ROOM = 512,     /* kept free for the last record */
	BINARY_LOOK = 8000, /* bytes in which a NUL means binary */
	SUBJECT_MAX = 200,
};

struct writer {
	struct inspection *in;
	int fd;
	uint64_t left;
	uint64_t written;
	struct buf out;        /* whole records, not written yet */
	struct buf body;       /* the record being made */
	struct buf masked;     /* a text without the secrets in it */
	bool full;             /* nothing more fits */
	uint64_t skip;         /* files to leave out before the first */
	uint64_t files, lines; /* that are not shown */
	int failed;
	struct gg_error *err;
};

static void
writer_release(struct writer *w)
{
	buf_release(&w->out);
	buf_release(&w->body);
	buf_release(&w->masked);
}
GG_DEFINE_AUTO_RELEASE(writer);

static int
flush(struct writer *w)
{
	int rc;

	if ((rc = buf_check(&w->out, w->err)) != 0 ||
	    (rc = fd_write_all(w->fd, buf_view(&w->out), w->err)) != 0)
		return rc;
	w->written += w->out.n;
	buf_clear(&w->out);
	return 0;
}

static int
put(struct writer *w, enum diff_kind kind, uint64_t reserve)
{
	size_t n = 5 + w->body.n;
	int rc;

	if ((rc = buf_check(&w->body, w->err)) != 0)
		return rc;
	if (w->full || n + reserve > w->left) {
		w->full = true;
		buf_clear(&w->body);
		return 0;
	}
	diff_record_encode(&w->out, kind, buf_view(&w->body));
	buf_clear(&w->body);
	w->left -= n;
	return w->out.n >= FLUSH_AT ? flush(w) : 0;
}

/* The body made so far becomes a record, if it fits. */
static int
record(struct writer *w, enum diff_kind kind)
{
	return put(w, kind, CUT_ROOM);
}

/* Without what was found in the push; borrowed until the next call. */
static struct view
shown(struct writer *w, struct view text)
{
	return masks_apply(&w->in->masks, text, &w->masked) ?
	    buf_view(&w->masked) :
	    text;
}

/* ---- one file ---- */

static int
on_hunk(const git_diff_delta *delta, const git_diff_hunk *h, void *ctx)
{
	struct writer *w = ctx;
	struct view head = view_of(h->header, h->header_len), part;

	(void)delta;
	/* "@@ -1,2 +3,4 @@ section\n" */
	for (int i = 0; i < 2; i++) {
		const char *at = memmem(head.p, head.n, "@@", 2);

		if (at != NULL)
			view_skip(&head, (size_t)(at - head.p) + 2);
	}
	if (head.n > 0 && head.p[0] == ' ')
		view_skip(&head, 1);
	if (!view_cut(&head, '\n', &part))
		part = head;
	enc_u32(&w->body, (uint32_t)h->old_start);
	enc_u32(&w->body, (uint32_t)h->old_lines);
	enc_u32(&w->body, (uint32_t)h->new_start);
	enc_u32(&w->body, (uint32_t)h->new_lines);
	enc_bytes(&w->body, shown(w, part));
	return w->failed = record(w, DIFF_HUNK);
}

static int
on_line(const git_diff_delta *delta, const git_diff_hunk *h,
    const git_diff_line *line, void *ctx)
{
	struct view v = view_of(line->content, line->content_len);
	struct writer *w = ctx;
	enum diff_kind kind = DIFF_NO_NEWLINE;

	(void)delta;
	(void)h;
	if (line->origin == GIT_DIFF_LINE_CONTEXT)
		kind = DIFF_CONTEXT;
	else if (line->origin == GIT_DIFF_LINE_ADDITION)
		kind = DIFF_ADDED;
	else if (line->origin == GIT_DIFF_LINE_DELETION)
		kind = DIFF_REMOVED;
	if (kind != DIFF_NO_NEWLINE) {
		if (v.n > 0 && v.p[v.n - 1] == '\n')
			v.n--;
		buf_addv(&w->body, shown(w, v));
		w->lines += w->full;
	}
	w->failed = record(w, kind);
	if (w->full && kind != DIFF_NO_NEWLINE && w->lines == 0)
		w->lines = 1; /* the first that did not fit */
	return w->failed;
}

static bool
is_binary(struct view v)
{
	return v.n > 0 &&
	    memchr(v.p, '\0', v.n < BINARY_LOOK ? v.n : BINARY_LOOK) != NULL;
}

static uint64_t
bytes_of(struct writer *w, uint32_t mode, const struct oid *oid)
{
	enum object_kind kind;
	uint64_t size = 0;

	if (mode == 0 || (mode & MODE_TYPE) == MODE_GITLINK ||
	    objects_header(w->in->objects, oid, &kind, &size, NULL) != 0)
		return 0;
	return size;
}

static int
file_record(struct writer *w, const struct path_change *p, uint64_t old_bytes,
    uint64_t new_bytes, unsigned flags)
{
	const struct view path = shown(w, view_str(p->path));
	const struct view none = view_of(NULL, 0);
	char old_hex[OID_HEX + 1], new_hex[OID_HEX + 1];
	struct diff_file f = {
		.old_path = p->old_mode != 0 ? path : none,
		.new_path = p->new_mode != 0 ? path : none,
		.old_mode = p->old_mode,
		.new_mode = p->new_mode,
		.old_bytes = old_bytes,
		.new_bytes = new_bytes,
		.flags = (uint8_t)flags,
	};

	oid_format(&p->old_oid, old_hex);
	oid_format(&p->new_oid, new_hex);
	if (p->old_mode != 0)
		f.old_oid = view_str(old_hex);
	if (p->new_mode != 0)
		f.new_oid = view_str(new_hex);
	diff_file_encode(&w->body, &f);
	return record(w, DIFF_FILE);
}

static int
submodule_line(struct writer *w, enum diff_kind kind, uint32_t mode,
    const struct oid *oid)
{
	char hex[OID_HEX + 1];

	if ((mode & MODE_TYPE) != MODE_GITLINK)
		return 0;
	oid_format(oid, hex);
	buf_addf(&w->body, "commit %s", hex);
	return record(w, kind);
}

static int
show_submodule(struct writer *w, const struct path_change *p)
{
	int rc;

	enc_u32(&w->body, p->old_mode != 0);
	enc_u32(&w->body, p->old_mode != 0);
	enc_u32(&w->body, p->new_mode != 0);
	enc_u32(&w->body, p->new_mode != 0);
	enc_str(&w->body, "");
	if ((rc = record(w, DIFF_HUNK)) != 0 ||
	    (rc = submodule_line(w, DIFF_REMOVED, p->old_mode, &p->old_oid)) !=
		0)
		return rc;
	return submodule_line(w, DIFF_ADDED, p->new_mode, &p->new_oid);
}

static int
read_side(struct writer *w, uint32_t mode, const struct oid *oid,
    struct object *out)
{
	if (mode == 0)
		return 0;
	return objects_read(w->in->objects, oid, BLOB_MAX, out, w->err);
}

static int
show_text(struct writer *w, const struct path_change *p, unsigned flags)
{
	GG_AUTO_RELEASE(object) old = { 0 };
	GG_AUTO_RELEASE(object) new = { 0 };
	git_diff_options options;
	int rc;

	if ((rc = read_side(w, p->old_mode, &p->old_oid, &old)) != 0 ||
	    (rc = read_side(w, p->new_mode, &p->new_oid, &new)) != 0)
		return rc;
	if (is_binary(old.data) || is_binary(new.data))
		flags |= DIFF_FLAG_BINARY;
	rc = file_record(w, p, old.data.n, new.data.n, flags);
	if (rc != 0 || (flags & DIFF_FLAG_BINARY) ||
	    view_eq(old.data, new.data))
		return rc;
	if (w->full) {
		w->files++;
		return 0;
	}
	(void)git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
	options.flags |= GIT_DIFF_FORCE_TEXT;
	w->failed = 0;
	rc = git_diff_buffers(old.data.p, old.data.n, NULL, new.data.p,
	    new.data.n, NULL, &options, NULL, NULL, on_hunk, on_line, w);
	if (w->failed != 0)
		return w->failed;
	if (rc != 0)
		return gg_fail(w->err, GG_E_NOMEM, "diff");
	return 0;
}

static int
show_file(struct writer *w, const struct path_change *p)
{
	uint32_t a = p->old_mode & MODE_TYPE, b = p->new_mode & MODE_TYPE;
	uint64_t old_bytes, new_bytes;
	unsigned flags = 0;
	int rc;

	if (w->skip > 0) {
		w->skip--;
		return 0;
	}
	if (w->full) {
		w->files++;
		return 0;
	}
	if (a == MODE_SYMLINK || b == MODE_SYMLINK)
		flags |= DIFF_FLAG_SYMLINK;
	if (a == MODE_GITLINK || b == MODE_GITLINK)
		flags |= DIFF_FLAG_SUBMODULE;
	old_bytes = bytes_of(w, p->old_mode, &p->old_oid);
	new_bytes = bytes_of(w, p->new_mode, &p->new_oid);
	if (old_bytes > BLOB_MAX || new_bytes > BLOB_MAX)
		flags |= DIFF_FLAG_TOO_LARGE;
	if (!(flags & (DIFF_FLAG_TOO_LARGE | DIFF_FLAG_SUBMODULE)))
		return show_text(w, p, flags);
	rc = file_record(w, p, old_bytes, new_bytes, flags);
	w->files += w->full;
	if (rc != 0 || !(flags & DIFF_FLAG_SUBMODULE))
		return rc;
	return show_submodule(w, p);
}

/* ---- commits and updates ---- */

static int
cut_record(struct writer *w, const char *why, uint64_t files, uint64_t lines,
    uint64_t reserve)
{
	enc_str(&w->body, why);
	enc_u64(&w->body, files);
	enc_u64(&w->body, lines);
	return put(w, DIFF_CUT, reserve);
}

static int
show_paths(struct writer *w, const struct path_changes *paths, const char *cut)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < paths->n; i++)
		rc = show_file(w, &paths->v[i]);
	if (rc == 0 && cut != NULL)
		rc = cut_record(w,
		    "there are more changed files than are "
		    "looked at",
		    1, 0, CUT_ROOM);
	return rc;
}

/* Each section has its own budget: the report's may be used up. */
static struct changes
fresh(const struct inspection *in)
{
	struct changes c = in->changes;

	c.entries_left = in->job->limits.walk_entries;
	c.paths_left = in->job->limits.listed_paths;
	return c;
}

/* A blob behind a tag: a file without a path. */
static int
show_blob(struct writer *w, const struct diff_plan *plan)
{
	char no_path[] = "";
	struct path_change p = {
		.path = no_path,
		.old_mode = oid_is_zero(&plan->old_blob) ? 0 : MODE_FILE,
		.new_mode = oid_is_zero(&plan->new_blob) ? 0 : MODE_FILE,
		.old_oid = plan->old_blob,
		.new_oid = plan->new_blob,
	};

	return oid_eq(&p.old_oid, &p.new_oid) ? 0 : show_file(w, &p);
}

static int
show_net(struct writer *w, const struct diff_plan *plan)
{
	GG_AUTO_RELEASE(path_changes) paths = { 0 };
	struct changes c = fresh(w->in);
	const char *cut = NULL;
	int rc;

	rc = changes_net(&c, &plan->old_tree, &plan->new_tree, &paths, &cut,
	    w->in->limit, w->err);
	if (rc != 0 || (rc = show_blob(w, plan)) != 0)
		return rc;
	return show_paths(w, &paths, cut);
}

static int
commit_head(struct writer *w, const struct oid *oid)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	struct commit_fields f;
	char hex[OID_HEX + 1];
	struct view subject;
	int rc;

	rc = objects_read_as(w->in->objects, oid, OBJECT_COMMIT, &obj, w->err);
	if (rc != 0 || (rc = commit_parse(obj.data, &f, w->err)) != 0)
		return rc;
	while (f.message.n > 0 && f.message.p[0] == '\n')
		view_skip(&f.message, 1);
	if (!view_cut(&f.message, '\n', &subject))
		subject = f.message;
	if (subject.n > SUBJECT_MAX)
		subject.n = SUBJECT_MAX;
	oid_format(oid, hex);
	enc_str(&w->body, hex);
	/* strings have no NUL, and nor do commits that were checked */
	enc_bytes(&w->body, shown(w, subject));
	return record(w, DIFF_COMMIT);
}

static int
show_commit(struct writer *w, const struct oid *oid)
{
	GG_AUTO_RELEASE(path_changes) paths = { 0 };
	struct changes c = fresh(w->in);
	const char *cut = NULL;
	int rc;

	if (clock_mono_ms() >= w->in->deadline)
		w->full = true;
	if ((rc = commit_head(w, oid)) != 0)
		return rc;
	rc = changes_of_commit(&c, commits_node(&w->in->commits, oid), &paths,
	    &cut, w->in->limit, w->err);
	return rc != 0 ? rc : show_paths(w, &paths, cut);
}

/* One commit on top of where the net diff begins: it would be shown twice. */
static bool
net_is_the_commit(struct writer *w, const struct diff_plan *plan)
{
	struct commits *c = &w->in->commits;
	uint32_t node;

	if (plan->n_commits_all != 1 || oid_is_zero(&plan->from))
		return false;
	node = commits_node(c, &plan->commits[0]);
	return c->nodes[node].loaded && c->nodes[node].n_parents == 1 &&
	    oid_eq(&c->nodes[node].tree, &plan->new_tree) &&
	    oid_eq(&c->nodes[commits_parent(c, node, 0)].oid, &plan->from);
}

static int
show_update(struct writer *w, const struct ref_update *u,
    const struct diff_plan *plan)
{
	char from[OID_HEX + 1] = "", to[OID_HEX + 1] = "";
	char text[80];
	int rc;

	if (!oid_is_zero(&plan->from))
		oid_format(&plan->from, from);
	if (!oid_is_zero(&u->new_oid))
		oid_format(&u->new_oid, to);
	enc_str(&w->body, u->refname);
	enc_str(&w->body, from);
	enc_str(&w->body, to);
	if ((rc = record(w, DIFF_UPDATE)) != 0 || oid_is_zero(&u->new_oid) ||
	    (rc = show_net(w, plan)) != 0 || net_is_the_commit(w, plan))
		return rc;
	for (size_t i = 0; rc == 0 && i < plan->n_commits; i++)
		rc = show_commit(w, &plan->commits[i]);
	if (rc != 0 || plan->n_commits_all == plan->n_commits)
		return rc;
	(void)snprintf(text, sizeof(text), "%zu more commits",
	    plan->n_commits_all - plan->n_commits);
	return cut_record(w, text, 0, 0, CUT_ROOM);
}

static struct writer
writer_of(struct inspection *in, int fd, uint64_t max_bytes,
    struct gg_error *err)
{
	return (struct writer){
		.in = in,
		.fd = fd,
		.left = max_bytes < CUT_ROOM ? CUT_ROOM : max_bytes,
		.out = BUF_INIT(RECORD_MAX + FLUSH_AT),
		.body = BUF_INIT(RECORD_MAX),
		.masked = BUF_INIT(RECORD_MAX),
		.err = err,
	};
}

/* What did not fit is said; then nothing is kept back. */
static int
end(struct writer *w)
{
	int rc = 0;

	if (w->full) {
		w->full = false;
		rc = cut_record(w, "the diff is longer than is shown", w->files,
		    w->lines, 0);
	}
	return rc == 0 ? flush(w) : rc;
}

int
inspection_diff(struct inspection *in, int fd, uint64_t max_bytes,
    uint64_t *written, struct gg_error *err)
{
	GG_AUTO_RELEASE(writer) w = writer_of(in, fd, max_bytes, err);
	const struct ref_updates *u = &in->refs->updates;
	int rc = 0;

	if (in->state != INSPECT_REPORTED)
		gg_die("inspection_diff out of order");
	for (size_t i = 0; rc == 0 && i < u->n; i++)
		rc = show_update(&w, &u->v[i], &in->plans[i]);
	if (rc == 0)
		rc = end(&w);
	*written = w.written;
	return rc;
}

int
inspection_diff_part(struct inspection *in, const struct view_job *job,
    const struct diff_plan *plan, int fd, uint64_t *written,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(writer)
	w = writer_of(in, fd, job->max_bytes, err);
	char from[OID_HEX + 1] = "", to[OID_HEX + 1];
	int rc;

	w.skip = job->skip;
	if (!oid_is_zero(&job->from))
		oid_format(&job->from, from);
	oid_format(&job->to, to);
	enc_str(&w.body, job->ref);
	enc_str(&w.body, from);
	enc_str(&w.body, to);
	if ((rc = record(&w, DIFF_UPDATE)) == 0)
		rc = job->kind == VIEW_COMMIT ? show_commit(&w, &job->to) :
						show_net(&w, plan);
	if (rc == 0)
		rc = end(&w);
	*written = w.written;
	return rc;
}
