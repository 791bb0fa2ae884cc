/*
 * The form of commits, tags and trees, as pure functions over their bytes
 * (git's gitformat documents and git-fsck(1) name what is meant; where they
 * leave a choice the stricter one is taken: docs/inspection.md, "Objects").
 *
 * Messages are for the pusher and begin with what is wrong, not with the
 * object: the caller knows the id.
 */
#ifndef GITGATE_PACK_OBJ_CHECK_H
#define GITGATE_PACK_OBJ_CHECK_H

#include "base/error.h"
#include "base/view.h"
#include "model/oid.h"
#include "model/report.h"

#include <stdint.h>

/* What an operator's `fsck:` may lower (pack/fsck_levels.h). */
enum {
	RELAX_IDENT = 1,       /* malformed names, e-mails, dates, zones */
	RELAX_PADDED_MODE = 2, /* a mode with leading zeros */
	RELAX_FILE_MODE = 4,   /* 100664 and other bits of a file's mode */
	RELAX_TAG_NAME = 8,
};

#define MODE_TREE    0040000u
#define MODE_FILE    0100644u
#define MODE_EXEC    0100755u
#define MODE_SYMLINK 0120000u
#define MODE_GITLINK 0160000u
#define MODE_TYPE    0170000u

/* 0, or GG_E_PEER. */
GG_MUST_USE int
obj_check_commit(struct view raw, unsigned relax, struct gg_error *err);
GG_MUST_USE int
obj_check_tag(struct view raw, unsigned relax, struct gg_error *err);
GG_MUST_USE int
obj_check_tree(struct view raw, unsigned relax, struct gg_error *err);

/* One line "Name <mail> seconds zone". Views are borrowed. */
struct ident {
	struct view name, email;
	int64_t time; /* 0 where it cannot be read */
};
/* Takes what it can from a line, never fails; for old commits too. */
void ident_parse(struct view line, struct ident *out);

/*
 * A commit's fields, read leniently: also of commits that upstream already
 * has, whatever they look like. GG_E_PEER only without a tree line.
 */
struct commit_fields {
	struct oid tree;
	struct view parents; /* the lines "parent <hex>\n"; commit_parent() */
	uint32_t n_parents;
	struct ident author, committer;
	struct view message;
};
GG_MUST_USE int
commit_parse(struct view raw, struct commit_fields *out, struct gg_error *err);
void commit_parent(const struct commit_fields *c, uint32_t i, struct oid *out);

struct tag_fields {
	struct oid target;
	enum object_kind kind;
};
GG_MUST_USE int
tag_parse(struct view raw, struct tag_fields *out, struct gg_error *err);

/* One entry of a tree. name is borrowed and holds neither NUL nor nothing. */
struct tree_entry {
	struct view name;
	uint32_t mode;
	struct oid oid;
	bool padded; /* the mode had leading zeros */
};
/* The next entry: 1; 0 at the end; GG_E_PEER where it is malformed. */
GG_MUST_USE int
tree_next(struct view *raw, struct tree_entry *out, struct gg_error *err);
/* Git's order of entries: a tree's name counts with a slash behind it. */
int tree_entry_cmp(const struct tree_entry *a, const struct tree_entry *b);

#endif
