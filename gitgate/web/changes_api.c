/*
 * What a push changes, for programs: the commits and the diff that its page
 * shows. A diff's lines begin as those of a unified diff do; since every one
 * has that first character, contents cannot pass for anything else.
 */
#include "base/text.h"
#include "ipc/codec.h"
#include "web/diff_view.h"

/* Any bytes as a string; what is no UTF-8 becomes U+FFFD. */
static json_t *
bytes_json(char first, struct view v)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(v.n * 3 + 2);

	if (first != '\0')
		buf_addc(&b, first);
	utf8_replace(&b, v, SIZE_MAX);
	return json_stringn(buf_str(&b), b.n);
}

static json_t *
view_json(struct view v)
{
	return bytes_json('\0', v);
}

static json_t *
view_or_null(struct view v)
{
	return v.n > 0 ? view_json(v) : json_null();
}

static json_t *
oid_json(const struct oid *oid)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	return json_string(hex);
}

/* -- the diff -- */

static json_t *
hunk_json(struct view body)
{
	struct dec d = dec_of(body);
	uint32_t old_start = dec_u32(&d), old_n = dec_u32(&d);
	uint32_t new_start = dec_u32(&d), new_n = dec_u32(&d);
	struct view section = dec_bytes(&d);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(section.n + 100);

	buf_addf(&b, "@@ -%u,%u +%u,%u @@%s", old_start, old_n, new_start,
	    new_n, section.n > 0 ? " " : "");
	buf_addv(&b, section);
	return view_json(buf_view(&b));
}

static json_t *
lines_json(const struct diff_entry *e)
{
	struct view in = e->records, body;
	json_t *list = json_array();
	enum diff_kind kind;

	for (uint64_t i = 0; i < e->n_records; i++) {
		if (diff_record_next(&in, &kind, &body, NULL) != 1)
			break;
		json_array_append_new(list,
		    kind == DIFF_HUNK ? hunk_json(body) :
					bytes_json((char)kind, body));
	}
	return list;
}

static json_t *
side_json(struct view path, uint32_t mode, uint64_t bytes, struct view oid)
{
	if (mode == 0)
		return json_null();
	return json_pack("{s:o, s:o, s:I, s:o}", "path", view_json(path),
	    "mode", json_sprintf("%06o", mode), "bytes", (json_int_t)bytes,
	    "oid", view_or_null(oid));
}

static json_t *
file_json(const struct diff_entry *e)
{
	const struct diff_file *f = &e->f;
	unsigned flags = f->flags;

	return json_pack("{s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:o}", "old",
	    side_json(f->old_path, f->old_mode, f->old_bytes, f->old_oid),
	    "new",
	    side_json(f->new_path, f->new_mode, f->new_bytes, f->new_oid),
	    "binary", (flags & DIFF_FLAG_BINARY) != 0, "submodule",
	    (flags & DIFF_FLAG_SUBMODULE) != 0, "symlink",
	    (flags & DIFF_FLAG_SYMLINK) != 0, "too_large",
	    (flags & DIFF_FLAG_TOO_LARGE) != 0, "renamed_from",
	    e->renamed_from != NULL ?
		view_json(diff_entry_path(e->renamed_from)) :
		json_null(),
	    "rule", e->rule != NULL ? json_text(e->rule) : json_null(), "lines",
	    lines_json(e));
}

static json_t *
section_json(const struct diff_index *x, size_t at)
{
	const struct diff_section *s = &x->sections[at];
	json_t *files = json_array(), *cuts = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(files,
		    file_json(&x->files[s->first + i]));
	for (size_t i = 0; i < x->n_cuts; i++)
		if (x->cuts[i].section == at)
			json_array_append_new(cuts,
			    json_pack("{s:o, s:I, s:I}", "why",
				view_json(x->cuts[i].why), "files",
				(json_int_t)x->cuts[i].files, "lines",
				(json_int_t)x->cuts[i].lines));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ref",
	    view_or_null(s->ref), "from", view_or_null(s->from), "to",
	    view_or_null(s->to), "commit", view_or_null(s->commit), "subject",
	    view_or_null(s->subject), "files", files, "not_shown", cuts);
}

json_t *
json_of_diff(const struct diff_index *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->n_sections; i++) {
		const struct diff_section *s = &x->sections[i];

		/* what one commit's diff, read on demand, begins with */
		if (s->ref.n > 0 || s->commit.n > 0 || s->n > 0)
			json_array_append_new(list, section_json(x, i));
	}
	return list;
}

/* -- the commits -- */

static json_t *
person_json(const char *name, const char *email, int64_t seconds)
{
	/* a commit's time is whatever its author wrote */
	bool sane = seconds > 0 && seconds < INT64_C(253402300800);

	return json_pack("{s:o, s:o, s:o}", "name", json_text(name), "email",
	    json_text(email), "time",
	    sane ? json_time(seconds * 1000) : json_null());
}

static json_t *
commits_json(const struct change_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; r != NULL && i < r->n_commits; i++) {
		const struct commit_info *k = &r->commits[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:i, s:o, s:o, s:o}", "id",
			oid_json(&k->oid), "tree", oid_json(&k->tree),
			"parents", (int)k->n_parents, "author",
			person_json(k->author_name, k->author_email,
			    k->author_time),
			"committer",
			person_json(k->committer_name, k->committer_email,
			    k->committer_time),
			"message", json_text(k->message)));
	}
	return list;
}

void
api_changes(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(change) ch = { 0 };
	struct gg_error err = { 0 };
	char hold[ULID_SIZE] = "";
	int rc = load_push(c, &p, hold, &err);

	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	change_load(c, p.id, p.updates, NULL, &ch);
	api_reply(c, 200,
	    json_pack("{s:o, s:o, s:o}", "push", json_text(p.id), "commits",
		ch.report != NULL ? commits_json(ch.report) : json_null(),
		"diff", ch.has_diff ? json_of_diff(&ch.x) : json_null()));
}
