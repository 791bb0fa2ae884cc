/*
 * The scan of a push. What lies in the pack and not upstream is looked at
 * once: blobs under the path of the oldest listed commit that brings them,
 * then the messages, then whatever of the pack no list named (lists end at
 * limits; what is scanned does not).
 */
#include "pack/secrets_priv.h"

#include "base/fd.h"
#include "pack/blob_stream.h"
#include "pack/obj_check.h"

#include <fcntl.h>

#define TAG_CHAIN_MAX 32

/* How an object of the pack was met: as upstream's own; passed over for its
 * path; with nothing in it, under whatever path; with something, so that it
 * has to be looked at again for each path and commit that has it, since rules
 * judge those. */
enum { NOT_MET, MET_KNOWN, MET_ALLOWED, MET_CLEAN, MET_AGAIN };

static void
scan_release(struct scan *s)
{
	free(s->met);
	free(s->lists);
	free(s->block);
	fd_close(s->pack_fd);
}
GG_DEFINE_AUTO_RELEASE(scan);

/* ---- objects ---- */

/* Does upstream have it? A push that is judged again goes by what was found
 * then. Past what a report holds everything is looked at. */
static bool
upstream_has(struct scan *s, const struct oid *oid, uint32_t i)
{
	const struct push_job_refs *refs = s->in->refs;
	bool has = refs->judged_before ?
	    oids_find(refs->known, refs->n_known, oid) != NULL :
	    s->in->job->mirror_clean && objects_in_mirror(s->in->objects, oid);

	if (!has || !change_report_add_known(s->in->report, oid))
		return false;
	s->met[i] = MET_KNOWN;
	return true;
}

/* Its place in the pack, if the push brings it: bases that complete a thin
 * pack, and what upstream has, are no news. */
static bool
is_news(struct scan *s, const struct oid *oid, uint32_t *i)
{
	struct objects *o = s->in->objects;

	*i = objects_find(o, oid);
	if (*i == NOT_IN_PACK || s->met[*i] == MET_CLEAN ||
	    s->met[*i] == MET_KNOWN)
		return false;
	return objects_offset(o, *i) < s->sent_end && !upstream_has(s, oid, *i);
}

static int
scan_blob(struct scan *s, const struct place *at, const struct oid *oid,
    struct gg_error *err)
{
	uint64_t limit = s->in->job->limits.scan_blob_bytes, size = 0;
	enum object_kind kind;
	char hex[OID_HEX + 1];
	uint32_t i;
	int rc;

	if (!is_news(s, oid, &i))
		return 0;
	if (scanner_skips_path(s->in->scanner, at->path, at->hex)) {
		s->met[i] = MET_ALLOWED;
		return 0;
	}
	s->met[i] = MET_AGAIN;
	rc = objects_header(s->in->objects, oid, &kind, &size, err);
	if (rc != 0 || kind != OBJECT_BLOB)
		return rc;
	if (limit != 0 && size > limit) {
		oid_format(oid, hex);
		secrets_incomplete(s->in,
		    "blob %.12s is larger than limit scan-blob-size", hex);
		return 0;
	}
	secrets_begin(s, at);
	rc = blob_stream(s->in->objects, s->pack_fd, i, size, secrets_feed, s,
	    err);
	if (rc == 0)
		rc = secrets_block(s, true, err);
	if (!s->again)
		s->met[i] = MET_CLEAN;
	return rc;
}

static struct view
tag_message(struct view raw)
{
	const char *at = raw.n > 0 ? memmem(raw.p, raw.n, "\n\n", 2) : NULL;

	if (at != NULL)
		view_skip(&raw, (size_t)(at - raw.p) + 2);
	return raw;
}

/* A commit or a tag. */
static int
scan_tag(struct scan *s, struct place *at, struct view raw,
    struct gg_error *err)
{
	at->kind = FINDING_TAG_MESSAGE;
	return secrets_text(s, at, tag_message(raw), err);
}

static int
scan_commit_text(struct scan *s, struct place *at, struct view raw,
    struct gg_error *err)
{
	struct commit_fields f;
	int rc = commit_parse(raw, &f, err);

	at->kind = FINDING_COMMIT_MESSAGE;
	return rc == 0 ? secrets_text(s, at, f.message, err) : rc;
}

/* A commit or a tag. */
static int
scan_message(struct scan *s, struct place *at, const struct oid *oid,
    enum object_kind kind, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	uint32_t i;
	int rc;

	if (!is_news(s, oid, &i))
		return 0;
	if ((rc = objects_read_as(s->in->objects, oid, kind, &obj, err)) != 0)
		return rc;
	at->path = view_of("", 0);
	rc = kind == OBJECT_TAG ? scan_tag(s, at, obj.data, err) :
				  scan_commit_text(s, at, obj.data, err);
	s->met[i] = s->again ? MET_AGAIN : MET_CLEAN;
	return rc;
}

static int
scan_name(struct scan *s, struct place *at, struct gg_error *err)
{
	const struct scan_rule *rule;
	size_t next = 0;
	int rc;

	at->kind = FINDING_PATH;
	if ((rc = secrets_text(s, at, at->path, err)) != 0)
		return rc;
	while ((rule = scanner_path_rule(s->in->scanner, at->path, at->hex,
		    &next)) != NULL)
		if ((rc = secrets_add(s, rule, CHECKSUM_NONE, at->path, 0,
			 err)) != 0)
			return rc;
	return 0;
}

static int
scan_paths(struct scan *s, struct place *at, const struct path_changes *p,
    struct gg_error *err)
{
	int rc;

	for (size_t i = 0; i < p->n; i++) {
		const struct path_change *c = &p->v[i];

		if (c->new_mode == 0 ||
		    (c->new_mode & MODE_TYPE) == MODE_GITLINK)
			continue;
		at->path = view_str(c->path);
		if ((c->kinds & CHANGE_ADD) &&
		    (rc = scan_name(s, at, err)) != 0)
			return rc;
		at->kind = FINDING_BLOB;
		if ((rc = scan_blob(s, at, &c->new_oid, err)) != 0)
			return rc;
	}
	return 0;
}

static int
scan_commit(struct scan *s, uint32_t index, struct gg_error *err)
{
	struct commit_info *c = &s->in->report->commits[index];
	struct place at = { .commit = index };
	int rc;

	oid_format(&c->oid, at.hex);
	if ((rc = scan_paths(s, &at, &c->paths, err)) != 0)
		return rc;
	return scan_message(s, &at, &c->oid, OBJECT_COMMIT, err);
}

static int
scan_update(struct scan *s, uint32_t index, struct gg_error *err)
{
	struct place at = { .commit = UINT32_MAX, .update = index };
	struct oid oid = s->in->refs->updates.v[index].new_oid;
	enum object_kind kind;
	struct tag_fields tag;
	uint64_t size;
	int rc;

	rc = scan_paths(s, &at, &s->in->report->updates[index].net, err);
	for (int i = 0; rc == 0 && i < TAG_CHAIN_MAX && !oid_is_zero(&oid);
	     i++) {
		GG_AUTO_RELEASE(object) obj = { 0 };

		if ((rc = objects_header(s->in->objects, &oid, &kind, &size,
			 err)) != 0 ||
		    kind != OBJECT_TAG)
			return rc;
		if ((rc = scan_message(s, &at, &oid, kind, err)) != 0 ||
		    (rc = objects_read_as(s->in->objects, &oid, kind, &obj,
			 err)) != 0 ||
		    (rc = tag_parse(obj.data, &tag, err)) != 0)
			return rc;
		oid = tag.target;
	}
	return rc;
}

/* What no list names. */
static int
scan_rest(struct scan *s, struct gg_error *err)
{
	enum object_kind kind;
	uint64_t size;
	struct oid oid;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < objects_count(s->in->objects);
	     i++) {
		struct place at = { .commit = UINT32_MAX,
			.update = UINT32_MAX };

		if (s->met[i] != NOT_MET)
			continue;
		objects_oid_at(s->in->objects, i, &oid);
		rc = objects_header(s->in->objects, &oid, &kind, &size, err);
		if (rc != 0)
			return rc;
		at.kind = FINDING_BLOB;
		at.path = view_of("", 0);
		if (kind == OBJECT_BLOB)
			rc = scan_blob(s, &at, &oid, err);
		else if (kind == OBJECT_COMMIT || kind == OBJECT_TAG)
			rc = scan_message(s, &at, &oid, kind, err);
	}
	return rc;
}

/* ---- the whole ---- */

/* Messages travel with the report: without what was found in them. The
 * bytes that were signed go too, so such a commit counts as unsigned. */
static void
mask_messages(struct inspection *in)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);

	for (size_t i = 0; i < in->report->n_commits; i++) {
		struct commit_info *c = &in->report->commits[i];

		if (masks_apply(&in->masks, view_str(c->message), &b))
			secrets_set(&c->message, strdup(buf_str(&b)));
		if (c->payload_n > 0 &&
		    masks_apply(&in->masks, view_of(c->payload, c->payload_n),
			&b)) {
			secrets_set(&c->signature, strdup(""));
			secrets_set(&c->payload, strdup(""));
			c->payload_n = 0;
		}
	}
}

static int
open_pack(struct inspection *in, struct gg_error *err)
{
	GG_AUTO_MEM char *path = NULL;
	size_t n;
	int fd;

	if (in->idx == NULL || (n = strlen(in->idx)) < 4)
		return -1;
	path = path_f("%.*s.pack", (int)(n - 4), in->idx);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		gg_fail(err, GG_E_SYS, "pack");
	return fd;
}

static void
note_list(struct scan *s, const struct commit_list *l, uint64_t id)
{
	/* odd, and unlike for each list: sums of them tell sets apart */
	uint64_t mark = (id + 1) * 0x9e3779b97f4a7c15ULL | 1;

	mark ^= mark >> 29;
	mark *= 0xbf58476d1ce4e5b9ULL;
	for (size_t i = 0; i < l->n; i++)
		s->lists[l->v[i]] += mark;
}

static void
note_lists(struct scan *s)
{
	const struct change_report *r = s->in->report;

	for (size_t u = 0; u < r->n_updates; u++)
		for (size_t k = 0; k < r->n_scopes; k++)
			note_list(s, &r->updates[u].scopes[k],
			    (uint64_t)u * REPORT_MAX_SCOPES + k);
}

static int
scan_all(struct scan *s, struct gg_error *err)
{
	const struct change_report *r = s->in->report;
	int rc = 0;

	/* lists are newest first */
	for (size_t i = r->n_commits; rc == 0 && i-- > 0;)
		rc = scan_commit(s, (uint32_t)i, err);
	for (size_t i = 0; rc == 0 && i < r->n_updates; i++)
		rc = scan_update(s, (uint32_t)i, err);
	return rc == 0 ? scan_rest(s, err) : rc;
}

int
secrets_scan(struct inspection *in, struct gg_error *err)
{
	GG_AUTO_RELEASE(scan) s = { .in = in, .pack_fd = -1 };
	int rc;

	if (in->scanner == NULL)
		return 0;
	s.met = calloc((size_t)objects_count(in->objects) + 1, 1);
	s.lists = calloc(in->report->n_commits + 1, sizeof(*s.lists));
	s.block = malloc(SECRETS_BLOCK);
	if (s.met == NULL || s.lists == NULL || s.block == NULL)
		return gg_fail(err, GG_E_NOMEM, "secrets");
	note_lists(&s);
	/* Seen again later, nothing tells where what was sent ends: bases that
	 * were added to it count as sent. */
	s.sent_end = in->scan != NULL ? pack_scan_bytes(in->scan) - OID_BYTES :
					UINT64_MAX;
	if (in->idx != NULL && (s.pack_fd = open_pack(in, err)) < 0)
		return err->code;
	rc = scan_all(&s, err);
	in->report->n_known = oids_sort_unique(in->report->known,
	    in->report->n_known);
	if (rc != 0 && rc != GG_E_EXISTS) /* that: enough was found */
		return rc;
	mask_messages(in);
	return 0;
}
