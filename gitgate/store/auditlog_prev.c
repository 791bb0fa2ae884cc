/* An open hash table; the pairs are digests already, so they spread. */
#include "store/auditlog_priv.h"

#include <string.h>

void
prev_map_release(struct prev_map *m)
{
	free(m->slots);
	*m = (struct prev_map){ 0 };
}

static struct prev_slot *
find_slot(struct prev_slot *slots, size_t alloc, const struct entry_pair *pair)
{
	uint64_t at;

	memcpy(&at, pair->b, sizeof(at));
	for (;; at++) {
		struct prev_slot *s = &slots[at & (alloc - 1)];

		if (s->index1 == 0 ||
		    memcmp(s->pair.b, pair->b, sizeof(pair->b)) == 0)
			return s;
	}
}

bool
prev_map_get(const struct prev_map *m, const struct entry_pair *pair,
    uint64_t *index)
{
	const struct prev_slot *s;

	if (m->alloc == 0)
		return false;
	s = find_slot(m->slots, m->alloc, pair);
	if (s->index1 == 0)
		return false;
	*index = s->index1 - 1;
	return true;
}

static int
grow(struct prev_map *m, struct gg_error *err)
{
	size_t want = m->alloc ? m->alloc * 2 : 64;
	struct prev_slot *slots = calloc(want, sizeof(*slots));

	if (slots == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for the refs' map");
	for (size_t i = 0; i < m->alloc; i++)
		if (m->slots[i].index1 != 0)
			*find_slot(slots, want,
			    &m->slots[i].pair) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->alloc = want;
	return 0;
}

int
prev_map_set(struct prev_map *m, const struct entry_pair *pair, uint64_t index,
    struct gg_error *err)
{
	struct prev_slot *s;
	int rc;

	if (m->n >= m->alloc / 4 * 3 && (rc = grow(m, err)) != 0)
		return rc;
	s = find_slot(m->slots, m->alloc, pair);
	if (s->index1 == 0)
		m->n++;
	s->pair = *pair;
	s->index1 = index + 1;
	return 0;
}
