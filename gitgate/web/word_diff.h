/* Which words of a line are others in the line that took its place. */
#ifndef GITGATE_WEB_WORD_DIFF_H
#define GITGATE_WEB_WORD_DIFF_H

#include "base/view.h"

#include <stdint.h>

#define WORD_SPANS_MAX 64

struct word_span {
	uint32_t begin, end; /* bytes; never inside a UTF-8 sequence */
};
struct word_spans {
	struct word_span v[WORD_SPANS_MAX];
	size_t n;
};

/*
 * True with the spans of both that differ. False, spans empty: the lines have
 * too little in common, are the same, or are too long to be looked at
 * (2000 bytes). budget: steps that all calls of a page may take together;
 * used up, the answer is false.
 */
bool word_diff(struct view a, struct view b, struct word_spans *in_a,
    struct word_spans *in_b, uint64_t *budget);

/* How alike two lines are, in percent, by their common ends alone. */
unsigned word_likeness(struct view a, struct view b);

#endif
