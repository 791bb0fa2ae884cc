/*
 * git-ai's notes (refs/notes/ai, authorship/3.0.0): which session or person
 * wrote which lines, then a line "---", then JSON about these.
 */
#include "provenance/read_priv.h"

#include "base/num.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { SESSIONS_MAX = 100 };

struct note {
	struct reading *r;
	json_t *record;
	json_t *about; /* the JSON behind the line; NULL: there is none */
	struct view path;
	unsigned line;
};

static bool
is_hex(struct view v, size_t n)
{
	unsigned char raw[16];

	return hex_decode(v, raw, n / 2);
}

/* "s_" or "h_" and 14 digits. */
static bool
is_id(struct view v, const char *prefix)
{
	if (!view_has_prefix(v, prefix))
		return false;
	view_skip(&v, strlen(prefix));
	return is_hex(v, 14);
}

/* -- the JSON -- */

/* Tool, model, session and human of an entry of sessions{} or prompts{}. */
static void
put_agent(json_t *record, json_t *to, const json_t *entry)
{
	const json_t *agent = json_object_get(entry, "agent_id");
	const json_t *url = json_object_get(entry, "messages_url");
	bool whole = put_text(to, "tool", json_object_get(agent, "tool")) &&
	    put_text(to, "model", json_object_get(agent, "model")) &&
	    put_text(to, "session", json_object_get(agent, "id")) &&
	    put_text(to, "human", json_object_get(entry, "human_author"));

	if (json_is_string(url) && !put_link(to, "link", url))
		whole = false;
	if (!whole)
		record_cut(record);
}

static const json_t *
entry_of(const struct note *n, const char *table, struct view key)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "%.*s", (int)key.n, key.p);
	return json_object_get(json_object_get(n->about, table), id);
}

static void
list_sessions(struct note *n, const char *table)
{
	json_t *list = json_object_get(n->record, "sessions"), *entry, *to;
	const json_t *all = json_object_get(n->about, table);
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)all, key, entry)
	{
		bool known = *table == 's' ? is_id(view_str(key), "s_") :
					     is_hex(view_str(key), 16);

		if (!known || json_array_size(list) == SESSIONS_MAX) {
			record_cut(n->record);
			continue;
		}
		if (list == NULL) {
			list = json_or_die(json_array());
			json_put(n->record, "sessions", list);
		}
		to = json_or_die(json_object());
		json_push(list, to);
		json_put(to, "part", json_string(key));
		put_agent(n->record, to, entry);
	}
}

/* Who it all was, where it was one. */
static void
sum_up(struct note *n)
{
	static const char *const members[] = { "tool", "model", "session",
		"human", "link" };
	const json_t *list = json_object_get(n->record, "sessions");
	const json_t *humans = json_object_get(n->about, "humans");
	json_t *one = json_array_get(list, 0), *entry;
	const char *key;

	for (size_t i = 0; json_array_size(list) == 1 && i < GG_COUNT(members);
	     i++)
		if (json_object_get(one, members[i]) != NULL)
			json_put(n->record, members[i],
			    json_incref(json_object_get(one, members[i])));
	if (json_object_size(humans) != 1 ||
	    json_object_get(n->record, "human") != NULL)
		return;
	json_object_foreach((json_t *)(uintptr_t)humans, key,
	    entry) if (!put_text(n->record, "human",
			   json_object_get(entry, "author")))
	    record_cut(n->record);
}

static bool
check_about(struct note *n, struct view text)
{
	struct gg_error why = { 0 };
	const char *version;

	if ((n->about = json_read(text, &why)) == NULL) {
		record_unreadable(n->record, "%s", why.msg);
		return false;
	}
	version = member_text(n->about, "schema_version");
	if (version == NULL || strncmp(version, "authorship/3.", 13) != 0) {
		record_unreadable(n->record, "an unknown form of notes: %.40s",
		    version != NULL ? version : "no schema_version");
		return false;
	}
	return true;
}

/* -- lines -- */

static bool
take_range(struct note *n, json_t *file, struct view v)
{
	struct view first = v, last = v;
	uint64_t a, b;

	if (view_cut(&last, '-', &first) && (first.n == 0 || last.n == 0))
		return false;
	if (num_parse(first, INT32_MAX, &a, NULL) != 0 ||
	    num_parse(last, INT32_MAX, &b, NULL) != 0)
		return false;
	return range_add(n->r, n->record, file, (json_int_t)a, (json_int_t)b);
}

static bool
take_ranges(struct note *n, json_t *file, struct view v)
{
	struct view one;

	while (view_cut(&v, ',', &one))
		if (!take_range(n, file, one))
			return false;
	return take_range(n, file, v);
}

/* "s_...::t_...", "h_..." or 16 digits; whose it is, and what is known. */
static const char *
who(const struct note *n, struct view key, const json_t **entry)
{
	struct view session, rest = key;

	*entry = NULL;
	if (is_hex(key, 16)) {
		*entry = entry_of(n, "prompts", key);
		return "ai";
	}
	if (is_id(key, "h_")) {
		*entry = entry_of(n, "humans", key);
		return "human";
	}
	if (!view_cut(&rest, ':', &session) || !is_id(session, "s_") ||
	    !is_id(rest, ":t_"))
		return NULL;
	*entry = entry_of(n, "sessions", session);
	return "ai";
}

/* "  KEY RANGES" */
static bool
take_entry(struct note *n, struct view line)
{
	struct view key;
	const json_t *entry;
	const char *by;
	json_t *file;

	if (n->path.n == 0 || !view_cut(&line, ' ', &key) ||
	    (by = who(n, key, &entry)) == NULL)
		return false;
	if ((file = file_add(n->r, n->record, n->path, by)) == NULL)
		return true;
	if (*by == 'a')
		put_agent(n->record, file, entry);
	else if (!put_text(file, "human", json_object_get(entry, "author")))
		record_cut(n->record);
	file_done(n->r, file);
	return take_ranges(n, file, line);
}

static bool
take_path(struct note *n, struct view line)
{
	if (line.n >= 2 && line.p[0] == '"' && line.p[line.n - 1] == '"')
		line = view_of(line.p + 1, line.n - 2);
	n->path = line;
	return line.n > 0;
}

static bool
take_line(struct note *n, struct view line)
{
	if (line.n == 0)
		return true;
	if (*line.p != ' ')
		return take_path(n, line);
	if (!view_has_prefix(line, "  ") || line.n == 2 || line.p[2] == ' ')
		return false;
	view_skip(&line, 2);
	return take_entry(n, line);
}

/* What stands before the line "---", and what behind. */
static bool
split(struct view text, struct view *before, struct view *behind)
{
	struct view rest = text, line;

	*before = text;
	*behind = view_of(NULL, 0);
	while (view_cut(&rest, '\n', &line)) {
		if (!view_eq_str(line, "---"))
			continue;
		*before = view_of(text.p, (size_t)(line.p - text.p));
		*behind = rest;
		return true;
	}
	return false;
}

static void
take_lines(struct note *n, struct view lines)
{
	struct view line;

	while (view_cut(&lines, '\n', &line)) {
		n->line++;
		if (take_line(n, line))
			continue;
		record_unreadable(n->record, "line %u is none of a note",
		    n->line);
		(void)json_object_del(n->record, "files");
		return;
	}
}

void
read_git_ai(struct reading *r, const struct document *d)
{
	struct note n = { .r = r, .record = reading_add(r, d, "git-ai") };
	struct view before, behind;
	bool whole;

	if (n.record == NULL)
		return;
	if (!record_key_commit(n.record, view_str(d->key)))
		record_unreadable(n.record, "the note is on no commit");
	whole = split(view_of(d->text, d->n), &before, &behind);
	if (!whole && !d->cut)
		record_unreadable(n.record, "no line ---");
	/* of a note that was cut the lines are still worth something */
	if ((whole && (d->cut || check_about(&n, behind))) ||
	    (!whole && d->cut)) {
		take_lines(&n, before);
		list_sessions(&n, "sessions");
		list_sessions(&n, "prompts");
		sum_up(&n);
	}
	json_decref(n.about);
}
