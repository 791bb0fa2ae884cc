/*
 * Upstream's refs at one moment: what the courier read from an advertisement
 * (v0/v1) or from ls-refs (v2), in one form for all roles.
 *
 * Invariant: refs are sorted by name, names are valid and unique; "HEAD" is
 * not among the refs but in head_*.
 */
#ifndef GITGATE_PROTO_ADVERT_H
#define GITGATE_PROTO_ADVERT_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/oid.h"

#include <stdint.h>

/* Ceilings for what an upstream may announce. */
#define ADVERT_MAX_REFS  2000000
#define ADVERT_MAX_BYTES ((size_t)256 << 20)

struct advert_ref {
	struct oid oid;
	struct oid peeled; /* zero where upstream said nothing */
	char *name;
	char *symref; /* the target's name, or NULL */
	bool kept;    /* not upstream's: the gate keeps it (advert_merge()) */
};

struct advert {
	struct strv caps; /* upstream's capabilities, as said */
	struct advert_ref *refs;
	size_t n_refs;
	size_t alloc;
	char *head_target;   /* what HEAD points to ("refs/heads/main"), also
	                          unborn; NULL: unknown or detached */
	struct oid head_oid; /* zero: unborn or not announced */
	struct oid *shallow; /* upstream's own shallow commits */
	size_t n_shallow;
};

struct advert *advert_new(void);
void advert_free(struct advert *a);
GG_DEFINE_AUTO(advert);

/* Add in any order; then advert_sort() once, which also refuses doubles. */
GG_MUST_USE int advert_add(struct advert *a, struct view name,
    const struct oid *oid, struct gg_error *err);
GG_MUST_USE int advert_sort(struct advert *a, struct gg_error *err);
/* Binary search; borrowed; NULL when it is not there. */
const struct advert_ref *advert_find(const struct advert *a, struct view name);
/* Does upstream announce this capability ("atomic", or "agent" of
 * "agent=git/2.39")? */
bool advert_has_cap(const struct advert *a, const char *cap);
/* The same refs, values, symrefs, HEAD (caps are not compared)? */
bool advert_same_refs(const struct advert *a, const struct advert *b);

/* Is there a ref that this one cannot stand beside: "a/b" for "a", "a" for
 * "a/b"? */
bool advert_in_the_way(const struct advert *a, const char *refname);
/*
 * What a repository has: upstream's refs, and those that the gate keeps for
 * it (kept: sorted; only its refs are looked at). Upstream's win: what has
 * the name of one of them, or cannot stand beside it, is left out and counted
 * in *shadowed. Only the gate's are marked as kept.
 */
GG_MUST_USE int
advert_merge(const struct advert *upstream, const struct advert *kept,
    struct advert **out, size_t *shadowed, struct gg_error *err);

/* Private form between roles (ipc/codec). decode checks everything. */
void advert_encode(const struct advert *a, struct buf *out);
GG_MUST_USE int
advert_decode(struct view v, struct advert **out, struct gg_error *err);

/*
 * Parse a v0/v1 advertisement (gitprotocol-pack(5), "Reference Discovery"):
 * pkt-lines from "version 1" or the first ref to the flush-pkt; the
 * "# service=" lines of smart HTTP must be cut off already. GG_E_PEER for
 * anything out of the grammar, GG_E_LIMIT.
 */
GG_MUST_USE int
advert_parse_v0(struct view pkts, struct advert **out, struct gg_error *err);
/*
 * Parse the answer of the v2 command ls-refs with "peel", "symrefs" and
 * "unborn" (gitprotocol-v2(5)); caps stay empty.
 */
GG_MUST_USE int
advert_parse_v2(struct view pkts, struct advert **out, struct gg_error *err);

/*
 * Write the receive-pack advertisement for a client: the refs that hidden()
 * does not hide, caps as given (one string, blanks between), shallow lines,
 * flush. An empty list gives the "capabilities^{}" line. hidden may be NULL.
 */
void advert_format_receive_pack(const struct advert *a, const char *caps,
    bool (*hidden)(void *ctx, const char *refname), void *ctx, struct buf *out);

#endif
