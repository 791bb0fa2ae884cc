/*
 * A diff file read into an index: which sections it has, which files each
 * shows. Everything is a view into the bytes, which the caller keeps. What
 * the inspector wrote is hostile: a damaged record ends the index there, and
 * it says so.
 */
#ifndef GITGATE_WEB_DIFF_INDEX_H
#define GITGATE_WEB_DIFF_INDEX_H

#include "model/diff.h"

#include <jansson.h>
#include <stdbool.h>

struct diff_entry {
	struct diff_file f;
	struct view records; /* its hunks and lines */
	uint64_t n_records;
	uint64_t added, removed;
	/* The same contents under another name in the same section: there
	 * they come from; the other entry is then not shown by itself. */
	const struct diff_entry *renamed_from;
	bool is_rename_source;
	const char *rule; /* that asks for a look at it, borrowed; or NULL */
};

/* What was left out, as the inspector said it. */
struct diff_cut {
	struct view why;
	uint64_t files, lines;
	size_t section;
};

/* The net diff of a ref update, or one commit's. */
struct diff_section {
	struct view ref, from, to;   /* of the update */
	struct view commit, subject; /* empty: the net diff */
	size_t first, n;             /* into files */
};

struct diff_index {
	struct diff_section *sections;
	size_t n_sections, sections_alloc;
	struct diff_entry *files;
	size_t n_files, files_alloc;
	struct diff_cut *cuts;
	size_t n_cuts, cuts_alloc;
	bool in_file; /* while reading: lines may follow */
	bool damaged;
};
void diff_index_release(struct diff_index *x);
GG_DEFINE_AUTO_RELEASE(diff_index);

/* updates (may be NULL): a push's updates with their reasons, for rules. Dies
 * without memory: the size of the bytes bounds it. */
void
diff_index_read(struct diff_index *x, struct view bytes, const json_t *updates);

/* The path that a reader knows it by. */
static inline struct view
diff_entry_path(const struct diff_entry *e)
{
	return e->f.new_path.n > 0 ? e->f.new_path : e->f.old_path;
}

#endif
