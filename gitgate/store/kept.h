/*
 * Refs that the gate keeps and upstream has not: their values, and which
 * pushes have packs that are kept. Part of store.h.
 */
#ifndef GITGATE_STORE_KEPT_H
#define GITGATE_STORE_KEPT_H

#include "base/error.h"
#include "base/strv.h"
#include "model/push.h"

#include <stdint.h>

struct store;

struct kept_ref {
	const char *repository, *ref;
	struct oid oid;
	const char *push;      /* that gave it this value */
	const char *principal; /* whose push that was */
	int64_t time_ms;
};
/* How much a repository has of them. version: another one whenever a ref or a
 * value is another one; 0: it never had any. bytes: of the packs. */
struct kept_state {
	int64_t version;
	uint64_t refs, bytes;
};
struct kept_change {
	const char *repository, *push, *principal;
	const struct ref_updates *updates;
	int64_t seen;   /* the version in which all new names have room */
	uint64_t bytes; /* of the pack that is kept for it */
	int64_t now_ms;
	uint64_t max_refs, max_bytes; /* of the repository, after it */
};
/*
 * Move all these refs, or none: each from the old value that its update names.
 * GG_E_STALE where one has another; GG_E_EXISTS where one cannot stand beside
 * a kept one; GG_E_LIMIT (*limit: its key). Done before for this push: 0.
 */
GG_MUST_USE int store_kept_change(struct store *s, const struct kept_change *c,
    const char **limit, struct gg_error *err);
/* Did store_kept_change() succeed for this push? Final: one that was under way
 * has ended. */
GG_MUST_USE int store_kept_was_done(struct store *s, const char *repository,
    const char *push, bool *done, struct gg_error *err);
GG_MUST_USE int store_kept_state(struct store *s, const char *repository,
    struct kept_state *out, struct gg_error *err);
/* In the order of their names, at most limit, behind `after` ("": from the
 * first). Borrowed for the call. repository "": of all. */
typedef int (*store_kept_cb)(void *ctx, const struct kept_ref *k);
GG_MUST_USE int
store_kept_list(struct store *s, const char *repository, const char *after,
    size_t limit, store_kept_cb cb, void *ctx, struct gg_error *err);
/* Repositories that have any, in the order of their names. */
typedef int (*store_kept_repository_cb)(void *ctx, const char *repository,
    const struct kept_state *state);
GG_MUST_USE int store_kept_repositories(struct store *s,
    store_kept_repository_cb cb, void *ctx, struct gg_error *err);
/* Pushes whose packs are kept. */
typedef int (*store_kept_push_cb)(void *ctx, const char *repository,
    const char *push);
GG_MUST_USE int store_kept_pushes(struct store *s, store_kept_push_cb cb,
    void *ctx, struct gg_error *err);
/* The packs of these pushes are gone; one of so many bytes, under a new id,
 * has what the repository's kept refs reach. */
GG_MUST_USE int store_kept_pruned(struct store *s, const char *repository,
    const struct strv *pushes, const char *id, uint64_t bytes,
    struct gg_error *err);
/* The present value of one; GG_E_NOTFOUND. */
GG_MUST_USE int store_kept_value(struct store *s, const char *repository,
    const char *ref, struct oid *out, struct gg_error *err);
/* An administrator's act: the ref is kept no more. GG_E_NOTFOUND where it is
 * not, or has another value than was. */
GG_MUST_USE int store_kept_drop(struct store *s, const char *repository,
    const char *ref, const struct oid *was, struct gg_error *err);

#endif
