/*
 * CODEOWNERS, as GitHub and GitLab read it. The file comes from the protected
 * branch; it is bounded by REPORT_OWNERS_MAX and nothing in it is trusted.
 *
 * GitHub: the last line that matches decides; a line without owners takes
 * them away; a pattern is that of gitignore, without "!" and sets; "docs" and
 * "docs/" cover what is below, "docs/" and one star does not go deeper.
 * GitLab: sections "[Name][2] @default", "^[Optional]"; the last line that
 * matches decides in each section; "!" excludes; a pattern without a slash at
 * its start may begin anywhere, and only one with a slash at its end covers
 * what is below.
 *
 * A file in .github is GitHub's, one in .gitlab GitLab's, another one is
 * GitLab's when it has a section. Paths are compared byte by byte.
 */
#ifndef GITGATE_POLICY_OWNERS_H
#define GITGATE_POLICY_OWNERS_H

#include "base/auto.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

struct owners_entry {
	char *glob;
	char *below;       /* what is in the folder; NULL: not covered */
	size_t n_prefix;   /* bytes of glob that stand for themselves */
	bool away;         /* GitLab's "!" */
	struct strv names; /* as in the file: "@user", "@org/team", "a@b.c" */
	size_t section;
	bool noted; /* the caller's */
};

struct owners_section {
	char *name;
	bool optional;
	uint32_t required; /* 1 unless "[Name][2]" */
	struct strv defaults;
};

struct owners {
	bool gitlab;
	struct owners_entry *entries;
	size_t n_entries;
	struct owners_section *sections; /* at least one */
	size_t n_sections;
};

/* Total: a line that is nothing is passed over. */
struct owners *owners_parse(const char *file, struct view text);
void owners_free(struct owners *o);
GG_DEFINE_AUTO(owners);

/*
 * Who owns the path, of one section: an entry with names, or NULL. *budget
 * falls with the work; at 0 the answer is NULL and worth nothing.
 */
struct owners_entry *owners_find(struct owners *o, size_t section,
    struct view path, uint64_t *budget);

#endif
