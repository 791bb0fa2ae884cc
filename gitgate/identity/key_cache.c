#include "identity/key_cache.h"

#include <stdlib.h>

struct key_set *
key_set_new(struct jwks *keys)
{
	struct key_set *s = calloc(1, sizeof(*s));

	if (s == NULL)
		gg_die("no memory for keys");
	atomic_init(&s->refs, 1);
	s->keys = keys;
	return s;
}

struct key_set *
key_set_ref(struct key_set *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void
key_set_unref(struct key_set *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	jwks_free(s->keys);
	free(s);
}

void
key_cache_release(struct key_cache *c)
{
	key_set_unref(c->set);
	*c = (struct key_cache){ .cool_ms = c->cool_ms };
}

/* A token without key id is the set's to judge. */
static bool
is_known(const struct key_cache *c, const char *kid)
{
	if (c->set == NULL)
		return false;
	return kid != NULL ? jwks_has(c->set->keys, kid) :
			     jwks_n(c->set->keys) > 0;
}

enum key_advice
key_cache_ask(struct key_cache *c, const char *kid, int64_t now)
{
	bool known = is_known(c, kid);

	if (known && now < c->fresh_until)
		return KEY_USE;
	if (!c->fetching && now >= c->not_before) {
		c->fetching = true;
		return KEY_FETCH;
	}
	if (known && now - c->fetched < KEY_CACHE_STALE_MS)
		return KEY_USE;
	if (c->fetching)
		return KEY_WAIT;
	return c->failed || known ? KEY_DOWN : KEY_UNKNOWN;
}

static int64_t
between(uint64_t s, int64_t least, int64_t most)
{
	if (s > (uint64_t)most / 1000)
		return most > least ? most : least;
	return (int64_t)s * 1000 > least ? (int64_t)s * 1000 : least;
}

void
key_cache_got(struct key_cache *c, struct jwks *keys, uint64_t max_age_s,
    int64_t now)
{
	key_set_unref(c->set);
	c->set = key_set_new(keys);
	c->fetched = now;
	c->fresh_until = now +
	    (max_age_s > 0 ?
		    between(max_age_s, KEY_CACHE_MIN_MS, KEY_CACHE_MAX_MS) :
		    KEY_CACHE_FRESH_MS);
	c->not_before = now + c->cool_ms;
	c->fetching = c->failed = false;
}

void
key_cache_failed(struct key_cache *c, const struct gg_error *err,
    uint64_t retry_after_s, int64_t now)
{
	c->err = *err;
	c->not_before = now +
	    between(retry_after_s, c->cool_ms, KEY_CACHE_MAX_COOL_MS);
	c->fetching = false;
	c->failed = true;
}

unsigned
key_cache_retry_s(const struct key_cache *c, int64_t now)
{
	int64_t left = c->not_before - now;

	return left > 1000 ? (unsigned)((left + 999) / 1000) : 1;
}
