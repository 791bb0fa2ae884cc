/*
 * A list of refs and its form on disk, git's packed-refs
 * (gitrepository-layout(5)): sorted, fully peeled.
 */
#ifndef GITGATE_MIRROR_REFS_H
#define GITGATE_MIRROR_REFS_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "model/oid.h"

struct mirror_ref {
	char *name;
	struct oid oid;
	struct oid peeled; /* what a tag object names in the end; zero: oid
	                      names no tag object */
};

/* Sorted by name, no name twice. */
struct ref_list {
	struct mirror_ref *v;
	size_t n;
	size_t alloc;
};

void ref_list_release(struct ref_list *l);
GG_DEFINE_AUTO_RELEASE(ref_list);
/* Add behind the last one; GG_E_CORRUPT when the order is broken. */
GG_MUST_USE int ref_list_add(struct ref_list *l, struct view name,
    const struct oid *oid, const struct oid *peeled, struct gg_error *err);
/* Borrowed, or NULL. */
const struct mirror_ref *
ref_list_find(const struct ref_list *l, const char *name);
/* The same names with the same values? */
bool ref_list_same(const struct ref_list *a, const struct ref_list *b);

/* Strict: GG_E_CORRUPT for anything that packed_refs_format() would not
 * have written. */
GG_MUST_USE int
packed_refs_parse(struct view text, struct ref_list *out, struct gg_error *err);
void packed_refs_format(const struct ref_list *l, struct buf *out);

/* What HEAD holds while upstream's is unknown. No refname may begin with a
 * dot: nobody can push it, and git shows no HEAD. */
#define MIRROR_HEAD_UNKNOWN "ref: refs/heads/.invalid"

#endif
