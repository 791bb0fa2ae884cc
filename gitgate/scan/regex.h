/*
 * Regular expressions in the dialect that gitleaks' files use (RE2's), by
 * PCRE2: bytes, not characters; `$` only at the very end. No JIT: the
 * inspector may not have memory that can be written and executed.
 */
#ifndef GITGATE_SCAN_REGEX_H
#define GITGATE_SCAN_REGEX_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

struct regex;

#define REGEX_GROUPS_MAX 32
#define REGEX_NONE       SIZE_MAX

/* A range of the subject; begin REGEX_NONE: the group took no part. */
struct span {
	size_t begin, end;
};

enum {
	REGEX_NOT_BOL = 1, /* the subject's first byte begins no text */
	REGEX_NOT_EOL = 2, /* its last one ends none */
};

/* GG_E_INPUT with the reason, without the expression. */
GG_MUST_USE int
regex_compile(const char *text, struct regex **out, struct gg_error *err);
void regex_free(struct regex *re);
GG_DEFINE_AUTO(regex);
/* Groups beside the whole match. */
unsigned regex_groups(const struct regex *re);

/*
 * The first match that begins in [from, last]. 1 and its spans (the whole
 * match, then the groups, up to REGEX_GROUPS_MAX + 1); 0: none; GG_E_LIMIT:
 * it takes too many steps to tell.
 */
GG_MUST_USE int regex_search(struct regex *re, struct view subject, size_t from,
    size_t last, unsigned flags, struct span *spans, struct gg_error *err);
/* Anywhere? What is too hard counts as no. */
bool regex_matches(struct regex *re, struct view subject);

#endif
