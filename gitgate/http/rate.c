#include "http/rate.h"

#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS ((int64_t)1000000)
#define NS_PER_S  ((int64_t)1000000000)

struct entry {
	char key[RATE_KEY_SIZE];
	int64_t busy_ns;     /* until then its past use counts */
	struct entry *chain; /* of the same bucket */
	struct entry *newer, *older;
};

struct rate {
	pthread_mutex_t lock;
	uint64_t seed; /* so that nobody can choose keys of one bucket */
	size_t most, n;
	struct entry *entries;
	struct entry **buckets; /* as many as entries */
	struct entry *newest, *oldest;
};

int
rate_new(size_t entries, struct rate **out, struct gg_error *err)
{
	GG_AUTO(rate) r = calloc(1, sizeof(*r));

	if (r == NULL || pthread_mutex_init(&r->lock, NULL) != 0)
		return gg_fail(err, GG_E_NOMEM, "limits");
	r->most = entries;
	r->entries = calloc(entries, sizeof(*r->entries));
	r->buckets = calloc(entries, sizeof(struct entry *));
	if (r->entries == NULL || r->buckets == NULL)
		return gg_fail(err, GG_E_NOMEM, "limits");
	random_bytes(&r->seed, sizeof(r->seed));
	*out = gg_take(r);
	return 0;
}

void
rate_free(struct rate *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	free(r->entries);
	free(r->buckets);
	free(r);
}

/* FNV-1a, begun at a secret. Wrapping is meant. */
static struct entry **
bucket_of(const struct rate *r, const char *key)
{
	uint64_t h = r->seed ^ UINT64_C(0xcbf29ce484222325);

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return &r->buckets[(h ^ (h >> 32)) % r->most];
}

static void
unlink_age(struct rate *r, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &r->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &r->oldest) = e->newer;
}

static void
link_newest(struct rate *r, struct entry *e)
{
	e->newer = NULL;
	e->older = r->newest;
	*(r->newest != NULL ? &r->newest->newer : &r->oldest) = e;
	r->newest = e;
}

/* An unused entry, or the one used longest ago. */
static struct entry *
fresh_entry(struct rate *r)
{
	struct entry *e = r->oldest, **at;

	if (r->n < r->most)
		return &r->entries[r->n++];
	for (at = bucket_of(r, e->key); *at != e; at = &(*at)->chain)
		continue;
	*at = e->chain;
	unlink_age(r, e);
	return e;
}

static struct entry *
entry_of(struct rate *r, const char *key, int64_t now_ns)
{
	struct entry **bucket = bucket_of(r, key), *e;

	for (e = *bucket; e != NULL; e = e->chain)
		if (strcmp(e->key, key) == 0)
			break;
	if (e != NULL) {
		unlink_age(r, e);
	} else {
		e = fresh_entry(r);
		(void)snprintf(e->key, sizeof(e->key), "%s", key);
		e->busy_ns = now_ns;
		e->chain = *bucket;
		*bucket = e;
	}
	link_newest(r, e);
	return e;
}

unsigned
rate_take(struct rate *r, const char *key, uint64_t most, int64_t period_ms,
    int64_t now_ms)
{
	int64_t now_ns = now_ms * NS_PER_MS, period_ns = period_ms * NS_PER_MS;
	int64_t each_ns, over_ns;
	char cut[RATE_KEY_SIZE];
	struct entry *e;

	if (most == 0)
		return 0;
	each_ns = (int64_t)((uint64_t)period_ns / most);
	(void)snprintf(cut, sizeof(cut), "%s", key);
	(void)pthread_mutex_lock(&r->lock);
	e = entry_of(r, cut, now_ns);
	if (e->busy_ns < now_ns)
		e->busy_ns = now_ns;
	over_ns = e->busy_ns + each_ns - now_ns - period_ns;
	if (over_ns <= 0)
		e->busy_ns += each_ns;
	(void)pthread_mutex_unlock(&r->lock);
	return over_ns <= 0 ? 0 :
			      (unsigned)((over_ns + NS_PER_S - 1) / NS_PER_S);
}

size_t
rate_count(struct rate *r)
{
	size_t n;

	(void)pthread_mutex_lock(&r->lock);
	n = r->n;
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}
