#include "pack/extras.h"

#include "base/clock.h"
#include "pack/obj_check.h"
#include "pack/tree_walk.h"

#include <git2.h>
#include <stdlib.h>
#include <string.h>

/* A text file above this is not compared line by line. */
#define LINES_MAX_BYTES    ((uint64_t)1 << 20)
#define BINARY_LOOK_BYTES  8000
#define OWNERS_ENTRIES_MAX 1000000

/* -- signatures -- */

/* One header line with its continuation lines, cut off raw's start. */
static bool
cut_header(struct view *raw, struct view *out)
{
	size_t n = 0;

	for (;;) {
		const char *nl = memchr(raw->p + n, '\n', raw->n - n);

		if (nl == NULL)
			return false;
		n = (size_t)(nl - raw->p) + 1;
		if (n >= raw->n || raw->p[n] != ' ')
			break;
	}
	*out = view_of(raw->p, n);
	view_skip(raw, n);
	return true;
}

/* "gpgsig -----BEGIN...\n line\n line\n" without the name and the blanks. */
static void
unfold(struct view header, struct buf *out)
{
	struct view line;

	view_skip(&header, strlen("gpgsig "));
	while (view_cut(&header, '\n', &line)) {
		buf_addv(out, line);
		buf_addc(out, '\n');
		if (header.n > 0)
			view_skip(&header, 1);
	}
}

void
extras_signature(struct view raw, struct commit_info *out)
{
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(REPORT_SIGNATURE_MAX);
	GG_AUTO_RELEASE(buf) payload = BUF_INIT(REPORT_PAYLOAD_MAX);
	struct view header;

	while (raw.n > 0 && raw.p[0] != '\n' && cut_header(&raw, &header)) {
		if (view_has_prefix(header, "gpgsig ") && sig.n == 0)
			unfold(header, &sig);
		else
			buf_addv(&payload, header);
	}
	buf_addv(&payload, raw);
	if (sig.n == 0 || sig.failed != 0 || payload.failed != 0 ||
	    memchr(sig.p, '\0', sig.n) != NULL)
		return;
	out->payload_n = payload.n;
	out->signature = buf_take(&sig);
	out->payload = buf_take(&payload);
	if (out->signature == NULL || out->payload == NULL)
		gg_die("no memory for a signature");
}

/* -- lines -- */

static bool
is_text_mode(uint32_t mode)
{
	return mode == 0100644 || mode == 0100755;
}

static bool
is_binary(struct view v)
{
	return v.n > 0 &&
	    memchr(v.p, '\0',
		v.n < BINARY_LOOK_BYTES ? v.n : BINARY_LOOK_BYTES) != NULL;
}

/* One side; an entry that is no file, or none, is empty. too_large: its size
 * speaks for it. */
static int
read_side(struct inspection *in, uint32_t mode, const struct oid *oid,
    struct object *out, uint64_t *large, struct gg_error *err)
{
	enum object_kind kind;
	uint64_t size;
	int rc;

	*large = 0;
	if (!is_text_mode(mode))
		return 0;
	rc = objects_header(in->objects, oid, &kind, &size, err);
	if (rc != 0)
		return rc;
	if (size > LINES_MAX_BYTES) {
		*large = size;
		return 0;
	}
	return objects_read(in->objects, oid, LINES_MAX_BYTES, out, err);
}

static uint32_t
cap(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static int
count_lines(struct path_change *p, struct view old, struct view new)
{
	git_patch *patch = NULL;
	size_t context, added = 0, removed = 0;
	git_diff_options o;

	if (git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION) != 0)
		return -1;
	o.context_lines = 0;
	if (git_patch_from_buffers(&patch, old.p ? old.p : "", old.n, NULL,
		new.p ? new.p : "", new.n, NULL, &o) != 0)
		return -1;
	(void)git_patch_line_stats(&context, &added, &removed, patch);
	git_patch_free(patch);
	p->lines_added = cap(added);
	p->lines_removed = cap(removed);
	return 0;
}

static int
lines_of_change(struct inspection *in, struct path_change *p,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(object) old = { 0 };
	GG_AUTO_RELEASE(object) new = { 0 };
	uint64_t old_large, new_large;
	int rc;

	if ((rc = read_side(in, p->old_mode, &p->old_oid, &old, &old_large,
		 err)) != 0 ||
	    (rc = read_side(in, p->new_mode, &p->new_oid, &new, &new_large,
		 err)) != 0)
		return rc;
	if (old_large > 0 || new_large > 0) {
		/* Not looked into: a line of 40 bytes is a fair guess, and
		 * one that "more-than: lines" errs on the strict side with. */
		p->lines_added = cap((new_large ? new_large : new.data.n) / 40);
		p->lines_removed = cap((old_large ? old_large : old.data.n) /
		    40);
		return 0;
	}
	if (is_binary(old.data) || is_binary(new.data))
		return 0;
	if (count_lines(p, old.data, new.data) != 0)
		return gg_fail(err, GG_E_NOMEM, "no memory for a diff");
	return 0;
}

static int
lines_of(struct inspection *in, struct path_changes *c, const char **limit,
    struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < c->n && rc == 0; i++) {
		if (clock_mono_ms() > in->deadline) {
			*limit = "inspection-time";
			return gg_fail(err, GG_E_LIMIT,
			    "counting lines takes too long");
		}
		rc = lines_of_change(in, &c->v[i], err);
	}
	return rc;
}

int
extras_lines(struct inspection *in, const char **limit, struct gg_error *err)
{
	struct change_report *r = in->report;
	int rc = 0;

	for (size_t i = 0; i < r->n_commits && rc == 0; i++)
		rc = lines_of(in, &r->commits[i].paths, limit, err);
	for (size_t i = 0; i < r->n_updates && rc == 0; i++)
		rc = lines_of(in, &r->updates[i].net, limit, err);
	return rc;
}

/* -- CODEOWNERS -- */

static int
find_entry(struct inspection *in, const struct oid *tree, struct view name,
    struct tree_value *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tree_list) list = { 0 };
	int rc = tree_list_read(in->objects, tree, OWNERS_ENTRIES_MAX, &list,
	    err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < list.n; i++) {
		if (!view_eq(list.v[i].name, name))
			continue;
		out->mode = list.v[i].mode;
		out->oid = list.v[i].oid;
		return 0;
	}
	return gg_fail(err, GG_E_NOTFOUND, "no such entry");
}

static int
find_path(struct inspection *in, struct oid tree, const char *path,
    struct oid *blob, struct gg_error *err)
{
	struct view left = view_str(path), part;
	struct tree_value v = { 0 };
	int rc;

	while (view_cut(&left, '/', &part)) {
		if ((rc = find_entry(in, &tree, part, &v, err)) != 0)
			return rc;
		if (v.mode != 040000)
			return gg_fail(err, GG_E_NOTFOUND, "no directory");
		tree = v.oid;
	}
	if ((rc = find_entry(in, &tree, left, &v, err)) != 0)
		return rc;
	if (!is_text_mode(v.mode))
		return gg_fail(err, GG_E_NOTFOUND, "no file");
	*blob = v.oid;
	return 0;
}

static int
take_owners(struct inspection *in, const struct oid *blob, const char *path,
    struct update_report *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	int rc = objects_read(in->objects, blob, REPORT_OWNERS_MAX, &obj, err);

	if (rc == GG_E_PEER) /* upstream's file, not the pusher's fault */
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "upstream's %s is larger than %d bytes", path,
		    REPORT_OWNERS_MAX);
	if (rc != 0)
		return rc;
	free(out->owners);
	free(out->owners_path);
	out->owners = view_dup(obj.data);
	out->owners_n = obj.data.n;
	out->owners_path = strdup(path);
	if (out->owners == NULL || out->owners_path == NULL)
		return gg_fail(err, GG_E_NOMEM, "CODEOWNERS");
	return 0;
}

/* The tree that decides: never one that the push brings. */
static int
base_tree(struct inspection *in, const struct ref_update *update,
    struct oid *tree, struct gg_error *err)
{
	const struct oid *base = oid_is_zero(&update->old_oid) ?
	    &in->refs->head :
	    &update->old_oid;
	enum object_kind kind;
	struct oid commit;
	uint32_t node;
	int rc;

	*tree = (struct oid){ 0 };
	if (oid_is_zero(base))
		return 0;
	rc = objects_peel(in->objects, base, &commit, &kind, err);
	if (rc != 0 || kind != OBJECT_COMMIT)
		return rc == GG_E_NOTFOUND ? 0 : rc;
	node = commits_node(&in->commits, &commit);
	if ((rc = commits_load(&in->commits, node, err)) == 0)
		*tree = in->commits.nodes[node].tree;
	return rc;
}

int
extras_owners(struct inspection *in, const struct ref_update *update,
    struct update_report *out, struct gg_error *err)
{
	static const char *const places[] = { ".github/CODEOWNERS",
		"CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS" };
	struct oid tree, blob;
	int rc;

	if ((rc = base_tree(in, update, &tree, err)) != 0)
		return rc;
	for (size_t i = 0; !oid_is_zero(&tree) && i < GG_COUNT(places); i++) {
		rc = find_path(in, tree, places[i], &blob, err);
		if (rc == 0)
			return take_owners(in, &blob, places[i], out, err);
		if (rc != GG_E_NOTFOUND)
			return rc;
	}
	return 0;
}
