/*
 * When an issuer's keys are used, fetched or done without. Pure logic with the
 * caller's clock; the caller locks, fetches and waits (role/gate_issuers.c).
 *
 * Keys are fresh for as long as the issuer says, within bounds. An unknown
 * key id is worth one fetch per cool-down, whatever ids are asked for. While
 * the issuer cannot be asked, keys that are known serve on for a day; unknown
 * ones never do.
 */
#ifndef GITGATE_IDENTITY_KEY_CACHE_H
#define GITGATE_IDENTITY_KEY_CACHE_H

#include "base/error.h"
#include "identity/jws.h"

#include <stdatomic.h>
#include <stdint.h>

#define KEY_CACHE_FRESH_MS    (10 * 60 * (int64_t)1000) /* nothing was said */
#define KEY_CACHE_MIN_MS      (5 * 60 * (int64_t)1000)
#define KEY_CACHE_MAX_MS      (24 * 3600 * (int64_t)1000)
#define KEY_CACHE_STALE_MS    (24 * 3600 * (int64_t)1000)
#define KEY_CACHE_MAX_COOL_MS (10 * 60 * (int64_t)1000)

/* Keys in use by several threads at once. */
struct key_set {
	atomic_int refs;
	struct jwks *keys;
};
/* Takes keys; dies without memory. */
struct key_set *key_set_new(struct jwks *keys);
struct key_set *key_set_ref(struct key_set *s);
void key_set_unref(struct key_set *s); /* NULL is fine */

/* Of one issuer. Begin with zeros but for cool_ms; end with
 * key_cache_release(). */
struct key_cache {
	int64_t cool_ms;     /* from one fetch to the next, at least */
	struct key_set *set; /* NULL: none yet */
	int64_t fetched, fresh_until;
	int64_t not_before; /* of the next fetch */
	bool fetching;
	bool failed; /* the last fetch did */
	struct gg_error err;
};
void key_cache_release(struct key_cache *c);

enum key_advice {
	KEY_USE,     /* what is there */
	KEY_FETCH,   /* you do: then key_cache_got() or _failed(), ask again */
	KEY_WAIT,    /* somebody does: ask again after it */
	KEY_UNKNOWN, /* the issuer has no such key */
	KEY_DOWN,    /* the issuer cannot be asked: c->err */
};
/*
 * kid NULL: the token names none. KEY_FETCH marks the fetch as under way.
 * now: milliseconds of a clock that only goes forward.
 */
enum key_advice
key_cache_ask(struct key_cache *c, const char *kid, int64_t now);
/* max_age_s: of Cache-Control, 0: none. Takes keys. */
void key_cache_got(struct key_cache *c, struct jwks *keys, uint64_t max_age_s,
    int64_t now);
/* retry_after_s: 0: not said. */
void key_cache_failed(struct key_cache *c, const struct gg_error *err,
    uint64_t retry_after_s, int64_t now);
/* Seconds until a fetch may be made, for Retry-After; at least 1. */
unsigned key_cache_retry_s(const struct key_cache *c, int64_t now);

#endif
