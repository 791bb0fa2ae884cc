/* Agent Trace records, version 0.1: which lines which conversation made. */
#include "provenance/read_priv.h"

#include "base/clock.h"
#include "model/provenance.h"

#include <string.h>

enum { MODEL_MAX = 250, ENTRIES_MAX = 64, RELATED_MAX = 16 };

/* The record being read, and where to note what is wrong with it. */
struct trace {
	struct reading *r;
	const struct document *d;
	json_t *record;
	const char *wrong; /* NULL: nothing yet */
};

static bool
is_version(const char *s)
{
	if (s == NULL || strncmp(s, "0.1", 3) != 0)
		return false;
	s += 3;
	return *s == '\0' ||
	    (*s == '.' && s[1] != '\0' &&
		strspn(s + 1, "0123456789") == strlen(s + 1));
}

/* RFC 9562: 8-4-4-4-12 digits. */
static bool
is_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (s == NULL || strlen(s) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == '-' ?
			s[i] != '-' :
			strchr("0123456789abcdefABCDEF", s[i]) == NULL)
			return false;
	return true;
}

static bool
is_time(const char *s)
{
	int64_t ms;

	return s != NULL && strchr(s, 'T') != NULL &&
	    clock_parse(view_str(s), &ms, NULL) == 0;
}

static const char *
word_of(const json_t *contributor)
{
	static const char *const words[] = { "human", "ai", "mixed",
		"unknown" };
	const char *s = member_text(contributor, "type");

	for (size_t i = 0; s != NULL && i < GG_COUNT(words); i++)
		if (strcmp(s, words[i]) == 0)
			return words[i];
	return NULL;
}

/* "provider/model" */
static const char *
model_of(const json_t *contributor)
{
	const char *s = member_text(contributor, "model_id");

	return s != NULL && strlen(s) <= MODEL_MAX ? s : NULL;
}

/* -- files -- */

static const json_t *
related_session(const json_t *conversation)
{
	const json_t *list = json_object_get(conversation, "related"), *one;
	const char *type;
	size_t i;

	json_array_foreach(list, i, one)
	{
		type = member_text(one, "type");
		if (i < RELATED_MAX && type != NULL &&
		    strcmp(type, "session") == 0)
			return json_object_get(one, "url");
	}
	return NULL;
}

static void
put_conversation(struct trace *t, json_t *file, const json_t *conversation,
    const json_t *contributor)
{
	const json_t *session = related_session(conversation);
	const char *model = model_of(contributor);

	if (model != NULL && !put_view(file, "model", view_str(model)))
		record_cut(t->record);
	if (json_object_get(contributor, "model_id") != NULL && model == NULL)
		record_cut(t->record);
	if (session != NULL && json_is_string(session) &&
	    !put_view(file, "session",
		link_last_component(view_str(json_string_value(session)))))
		record_cut(t->record);
	if (!put_link(file, "link", json_object_get(conversation, "url")))
		(void)put_link(file, "link", session);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The entries of one conversation: one for each contributor. */
struct entries {
	struct {
		const char *by, *model;
		json_t *file;
	} v[ENTRIES_MAX];
	size_t n;
};

static json_t *
entry_for(struct trace *t, struct entries *e, struct view path,
    const json_t *conversation, const json_t *contributor)
{
	const char *by = word_of(contributor), *model = model_of(contributor);
	json_t *file;

	if (by == NULL)
		by = "unknown";
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].by == by && same_text(e->v[i].model, model))
			return e->v[i].file;
	if (e->n == ENTRIES_MAX) {
		record_cut(t->record);
		return NULL;
	}
	if ((file = file_add(t->r, t->record, path, by)) == NULL)
		return NULL;
	put_conversation(t, file, conversation, contributor);
	file_done(t->r, file);
	e->v[e->n].by = by;
	e->v[e->n].model = model;
	e->v[e->n++].file = file;
	return file;
}

static bool
contributor_is_known(const json_t *contributor)
{
	return contributor == NULL || word_of(contributor) != NULL;
}

static void
take_conversation(struct trace *t, struct view path, const json_t *c)
{
	const json_t *mine = json_object_get(c, "contributor"), *own, *range;
	const json_t *first, *last;
	struct entries e = { .n = 0 };
	json_t *file;
	size_t i;

	if (!contributor_is_known(mine))
		t->wrong = "contributor.type";
	json_array_foreach(json_object_get(c, "ranges"), i, range)
	{
		own = json_object_get(range, "contributor");
		first = json_object_get(range, "start_line");
		last = json_object_get(range, "end_line");
		if (!contributor_is_known(own))
			t->wrong = "contributor.type";
		file = entry_for(t, &e, path, c, own != NULL ? own : mine);
		if (file == NULL)
			continue;
		if (!json_is_integer(first) || !json_is_integer(last) ||
		    !range_add(t->r, t->record, file, json_integer_value(first),
			json_integer_value(last)))
			t->wrong = "ranges";
	}
	if (e.n == 0 && t->wrong == NULL)
		(void)entry_for(t, &e, path, c, mine);
}

static void
take_file(struct trace *t, const json_t *file)
{
	const json_t *path = json_object_get(file, "path"), *c;
	size_t i;

	if (!json_is_string(path)) {
		t->wrong = "files[].path";
		return;
	}
	json_array_foreach(json_object_get(file, "conversations"), i, c)
	    take_conversation(t, view_str(json_string_value(path)), c);
}

/* -- a record -- */

/* That the record is about the commit that brings it. */
static void
put_own_key(const struct reading *r, const struct document *d, json_t *record)
{
	char hex[OID_HEX + 1];

	if (d->commit >= r->report->n_commits)
		return;
	oid_format(&r->report->commits[d->commit].oid, hex);
	(void)record_key_commit(record, view_str(hex));
}

/* What the record is about: the revision it names, or else its commit. */
static void
put_key(struct trace *t, const json_t *j)
{
	const json_t *vcs = json_object_get(j, "vcs");
	const char *type = member_text(vcs, "type");
	const char *revision = member_text(vcs, "revision");

	if (vcs != NULL && (type == NULL || revision == NULL))
		t->wrong = "vcs";
	if (type != NULL && revision != NULL && strcmp(type, "git") == 0) {
		if (!record_key_commit(t->record, view_str(revision)))
			t->wrong = "vcs.revision";
		return;
	}
	put_own_key(t->r, t->d, t->record);
}

/* The member, where all files that have it say the same. */
static void
sum_up(json_t *record, const char *member)
{
	const json_t *files = json_object_get(record, "files"), *file;
	json_t *one = NULL, *v;
	size_t i;

	json_array_foreach(files, i, file)
	{
		v = json_object_get(file, member);
		if (v != NULL && one != NULL && !json_equal(v, one))
			return;
		if (v != NULL)
			one = v;
	}
	if (one != NULL)
		json_put(record, member, json_incref(one));
}

static const char *
what_is_wrong(const json_t *j)
{
	if (!is_version(member_text(j, "version")))
		return "version";
	if (!is_uuid(member_text(j, "id")))
		return "id";
	if (!is_time(member_text(j, "timestamp")))
		return "timestamp";
	return json_is_array(json_object_get(j, "files")) ? NULL : "files";
}

/* NULL, or which member is not as it has to be: no record then. */
static const char *
take_record(struct reading *r, const struct document *d, const json_t *j)
{
	struct trace t = { .r = r, .d = d, .wrong = what_is_wrong(j) };
	const json_t *file;
	size_t i;

	if (t.wrong != NULL ||
	    (t.record = reading_add(r, d, "agent-trace")) == NULL)
		return t.wrong;
	put_key(&t, j);
	if (!put_text(t.record, "tool",
		json_object_get(json_object_get(j, "tool"), "name")))
		record_cut(t.record);
	json_array_foreach(json_object_get(j, "files"), i, file)
	    take_file(&t, file);
	if (t.wrong != NULL) {
		(void)json_array_remove(r->out, json_array_size(r->out) - 1);
		return t.wrong;
	}
	sum_up(t.record, "model");
	sum_up(t.record, "session");
	sum_up(t.record, "link");
	return NULL;
}

/* -- a file of them -- */

/* What of a file could not be read: told once. */
struct faults {
	size_t n;
	size_t at;
	char first[sizeof(((struct gg_error *)0)->msg)];
};

static void
note_fault(struct faults *f, size_t at, const char *what)
{
	if (f->n++ == 0) {
		f->at = at;
		(void)snprintf(f->first, sizeof(f->first), "%s", what);
	}
}

static void
take_value(struct reading *r, const struct document *d, const json_t *j,
    size_t at, struct faults *f)
{
	char text[60];
	const char *wrong = json_is_object(j) ? take_record(r, d, j) :
						"what it is";

	if (wrong == NULL)
		return;
	(void)snprintf(text, sizeof(text), "%s is not as the format has it",
	    wrong);
	note_fault(f, at, text);
}

static void
take_text(struct reading *r, const struct document *d, struct view text,
    size_t at, struct faults *f)
{
	struct gg_error why = { 0 };
	json_t *j = json_read(text, &why), *one;
	size_t i;

	if (j == NULL)
		note_fault(f, at, why.msg);
	else if (json_is_array(j)) {
		json_array_foreach(j, i, one) take_value(r, d, one, i + 1, f);
	} else {
		take_value(r, d, j, at, f);
	}
	json_decref(j);
}

static bool
is_blank(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != ' ' && v.p[i] != '\t' && v.p[i] != '\r')
			return false;
	return true;
}

static void
take_lines(struct reading *r, const struct document *d, struct faults *f)
{
	struct view rest = view_of(d->text, d->n), line;

	for (size_t at = 1; rest.n > 0; at++) {
		if (!view_cut(&rest, '\n', &line)) {
			line = rest;
			rest.n = 0;
		}
		if (!is_blank(line))
			take_text(r, d, line, at, f);
	}
}

void
read_agent_trace(struct reading *r, const struct document *d)
{
	size_t before = json_array_size(r->out);
	struct faults f = { 0 };
	json_t *record;

	if (view_has_suffix(view_str(d->key), ".jsonl"))
		take_lines(r, d, &f);
	else if (!d->cut)
		take_text(r, d, view_of(d->text, d->n), 1, &f);
	if (f.n == 0 && (json_array_size(r->out) > before || !d->cut))
		return;
	if ((record = reading_add(r, d, "agent-trace")) == NULL)
		return;
	put_own_key(r, d, record);
	if (f.n == 0)
		record_unreadable(record, "the file is too large");
	else
		record_unreadable(record, "record %zu of %zu that are new: %s",
		    f.at, f.n, f.first);
}
