/* An open hash table; keys are digests, so they spread. */
#include "audit/story_priv.h"
#include "base/error.h"
#include "crypto/digest.h"

#include <stdlib.h>
#include <string.h>

void *
story_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		gg_die("no memory to read the log");
	return p;
}

struct story_key
story_key_of(const char *a, const char *b)
{
	unsigned char sum[DIGEST_SHA256_BYTES];
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	struct story_key k;

	if (a != NULL)
		digest_ctx_update(d, a, strlen(a));
	digest_ctx_update(d, "", 1);
	if (b != NULL)
		digest_ctx_update(d, b, strlen(b));
	digest_ctx_final(d, sum);
	memcpy(k.b, sum, sizeof(k.b));
	return k;
}

static size_t
home_of(const struct story_key *k, size_t alloc)
{
	uint64_t at;

	memcpy(&at, k->b, sizeof(at));
	return (size_t)(at & (alloc - 1));
}

static struct story_slot *
slot_of(const struct story_map *m, const struct story_key *k)
{
	for (size_t at = home_of(k, m->alloc);; at = (at + 1) & (m->alloc - 1))
		if (m->slots[at].value == NULL ||
		    memcmp(m->slots[at].key.b, k->b, sizeof(k->b)) == 0)
			return &m->slots[at];
}

void *
story_map_get(const struct story_map *m, const struct story_key *k)
{
	return m->alloc == 0 ? NULL : slot_of(m, k)->value;
}

static void
grow(struct story_map *m)
{
	struct story_map old = *m;

	m->alloc = old.alloc ? old.alloc * 2 : 64;
	m->slots = story_alloc(m->alloc * sizeof(*m->slots));
	for (size_t i = 0; i < old.alloc; i++)
		if (old.slots[i].value != NULL)
			*slot_of(m, &old.slots[i].key) = old.slots[i];
	free(old.slots);
}

void
story_map_put(struct story_map *m, const struct story_key *k, void *value)
{
	struct story_slot *s;

	if (m->n >= m->alloc / 4 * 3)
		grow(m);
	s = slot_of(m, k);
	if (s->value == NULL)
		m->n++;
	s->key = *k;
	s->value = value;
}

/* Those behind a hole move up, so that none of them is lost. */
void *
story_map_take(struct story_map *m, const struct story_key *k)
{
	struct story_slot *s;
	size_t hole, at;
	void *value;

	if (m->alloc == 0 || (value = (s = slot_of(m, k))->value) == NULL)
		return NULL;
	m->n--;
	s->value = NULL;
	hole = (size_t)(s - m->slots);
	for (at = (hole + 1) & (m->alloc - 1); m->slots[at].value != NULL;
	     at = (at + 1) & (m->alloc - 1)) {
		size_t home = home_of(&m->slots[at].key, m->alloc);

		if (((at - home) & (m->alloc - 1)) <
		    ((at - hole) & (m->alloc - 1)))
			continue;
		m->slots[hole] = m->slots[at];
		m->slots[at].value = NULL;
		hole = at;
	}
	return value;
}

void
story_map_free(struct story_map *m, void (*free_value)(void *))
{
	for (size_t i = 0; i < m->alloc; i++)
		if (m->slots[i].value != NULL)
			free_value(m->slots[i].value);
	free(m->slots);
	*m = (struct story_map){ 0 };
}
