/* Inside pack/: collecting documents, one form of them per file. */
#ifndef GITGATE_PACK_DOCUMENTS_PRIV_H
#define GITGATE_PACK_DOCUMENTS_PRIV_H

#include "pack/documents.h"
#include "pack/inspect_state.h"
#include "pack/obj_check.h"
#include "pack/tree_walk.h"

/* What is left of the limits. */
struct collecting {
	struct inspection *in;
	uint64_t documents, bytes, read;
};

/* Once: the first reason stands. why: the key of a limit. */
void documents_incomplete(struct collecting *c, const char *why);

static inline bool
is_file(uint32_t mode)
{
	return (mode & MODE_TYPE) == (MODE_FILE & MODE_TYPE);
}

/*
 * A blob, where the limit on what is read allows it and it is one: *got. Its
 * size is looked at before it is inflated.
 */
GG_MUST_USE int documents_blob(struct collecting *c, const struct oid *oid,
    struct object *out, bool *got, struct gg_error *err);

/*
 * Add a document, or NULL where there are enough. text: masked, then cut to
 * the limits; by whole lines where lines is set. bytes: of the whole.
 */
struct document *documents_add(struct collecting *c, enum document_kind kind,
    uint32_t update, const char *key, const char *part, struct view text,
    uint64_t bytes, bool lines);

/* Agent Trace, in the commits of the report. */
GG_MUST_USE int documents_traces(struct collecting *c, struct gg_error *err);
/* Likewise, where no rule looks at commits: of an update's two ends, for a new
 * ref from upstream's HEAD; in files that the push brings. */
GG_MUST_USE int documents_tip_traces(struct collecting *c, uint32_t update,
    struct gg_error *err);
/* Entire: is the ref one of its checkpoints, or its branch? */
bool documents_is_entire(const char *refname);
/* Its checkpoints that differ between the two trees (zero: none). */
GG_MUST_USE int documents_entire(struct collecting *c, uint32_t update,
    const struct oid *old_tree, const struct oid *new_tree,
    struct gg_error *err);

#endif
