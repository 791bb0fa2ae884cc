/* Inside provenance/: what the readers of the formats share. */
#ifndef GITGATE_PROVENANCE_READ_PRIV_H
#define GITGATE_PROVENANCE_READ_PRIV_H

#include "policy/json_build.h"
#include "provenance/read.h"

/* The reading of one push. */
struct reading {
	const struct change_report *report;
	json_t *out;
	size_t files_left, ranges_left, bytes_left;
};

/* Add a record; borrowed. NULL where there are enough (the last one says so). */
json_t *
reading_add(struct reading *r, const struct document *d, const char *source);
/* "commit:" and the id, in lower case. False when it is none. */
bool record_key_commit(json_t *record, struct view hex);
void record_cut(json_t *record);
/* Once: the first reason stands. Borrowed text, made safe. */
void record_unreadable(json_t *record, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * object[member] = text made safe to read; nothing where it is not there or
 * empty. Over PROVENANCE_TEXT_MAX bytes it is left out: false then.
 */
bool put_text(json_t *object, const char *member, const json_t *text);
bool put_view(json_t *object, const char *member, struct view text);
/* An https link without anything that hides or ends it; others are not put:
 * false then. */
bool put_link(json_t *object, const char *member, const json_t *text);

/* A path as git has it in a tree: relative, no empty, "." or ".." part. */
bool path_is_sane(struct view path);

/*
 * An entry of the record's files, or NULL where there are enough of them or
 * the path is none that a tree can hold (the record says "cut"). by: ai,
 * human, mixed or unknown.
 */
json_t *
file_add(struct reading *r, json_t *record, struct view path, const char *by);
/* Once all its texts are in: what they take of what the push may have. */
void file_done(struct reading *r, const json_t *file);
/* first..last, both counted from 1. False when it is no range; too many are
 * left out ("cut"). */
bool range_add(struct reading *r, json_t *record, json_t *file,
    json_int_t first, json_int_t last);

/* One JSON object or array, nested at most 32 deep; NULL with the reason.
 * New reference. */
json_t *json_read(struct view text, struct gg_error *err);

/* object[member] as text, or NULL. */
static inline const char *
member_text(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

void read_git_ai(struct reading *r, const struct document *d);
void read_agent_trace(struct reading *r, const struct document *d);
/* The documents of one checkpoint, n of them. */
void read_entire(struct reading *r, const struct document *d, size_t n);

#endif
