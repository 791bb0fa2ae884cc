/*
 * The lines of one file's diff as table rows: one column of text, or old and
 * new side by side. Lines that took each other's place have the words marked
 * that differ.
 */
#ifndef GITGATE_WEB_DIFF_LINES_H
#define GITGATE_WEB_DIFF_LINES_H

#include "base/buf.h"
#include "web/diff_index.h"
#include "web/line_claims.h"

struct diff_lines {
	bool split;
	/* what the page may still show */
	uint64_t lines_left;
	size_t bytes_max;    /* of the buffer: no new line begins behind it */
	uint64_t words_left; /* word_diff()'s budget */
	struct file_claims claims; /* of the file's new side */
};

/*
 * Show e's records behind the first `skip` ones. How many records have been
 * shown or skipped in the end: e->n_records, or less where the page is full.
 */
uint64_t diff_lines_show(struct buf *b, struct diff_lines *l,
    const struct diff_entry *e, uint64_t skip);

/* One line's text, with what deceives made visible and trailing blanks
 * marked; cut where it is too long, saying so. */
void diff_line_text(struct buf *b, struct view line, bool mark_blanks);

#endif
