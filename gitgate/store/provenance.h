/*
 * What pushes claim of how commits were made (docs/formats.md, "Provenance
 * records"), kept so that a claim and its commit find each other by a key,
 * whichever came first. Rows go with their push's recording.
 */
#ifndef GITGATE_STORE_PROVENANCE_H
#define GITGATE_STORE_PROVENANCE_H

#include "store/store.h"

/* A key's length at most; what is longer is no key. */
#define PROVENANCE_KEY_MAX 200

/*
 * Keep the records of a push: an array of objects with the texts "source"
 * and, where it is about something, "key". Its earlier ones are replaced. A kill does not lose them, and
 * with a later durable change they are durable, too.
 */
GG_MUST_USE int store_provenance_put(struct store *s, const char *repository,
    const char *push, const json_t *records, struct gg_error *err);

/* One record, and who brought it; all borrowed for the call. */
struct stored_record {
	const char *key, *push, *principal;
	enum push_state state;  /* of that push */
	int64_t created_ms;     /* when it came */
	uint64_t number;        /* of the record within its push */
	uint64_t of_key;        /* how many records the key has */
	const json_t *identity; /* the pusher's (stored_push), or NULL */
	const json_t *record;
};
/* Non-zero stops, and is passed on. */
typedef int (*store_record_cb)(void *ctx, const struct stored_record *r);

struct provenance_query {
	const char *repository;
	const struct strv *keys;
	/* Of one key come first: what this push brought, then this
	 * principal's, then the newest of each other one, then the second
	 * newest of each, and so on. */
	const char *push, *principal;
	/* only this principal's, of pushes that were let through (forwarded,
	 * kept) */
	bool own;
	bool trailers; /* commits that name the keys, or else what is not so */
	size_t each;   /* of a key, at most */
	size_t most;   /* in all */
};
/* Records by key; at most 200 keys are looked at. What was not judged, came
 * to nothing or was taken back (receiving, invalid, aborted) is left out. */
GG_MUST_USE int
store_provenance_find(struct store *s, const struct provenance_query *q,
    store_record_cb cb, void *ctx, struct gg_error *err);
/* Those that one push brought, in its order, but what commits name. *n: how
 * many there are. */
GG_MUST_USE int
store_provenance_of_push(struct store *s, const char *push, size_t most,
    store_record_cb cb, void *ctx, uint64_t *n, struct gg_error *err);

#endif
