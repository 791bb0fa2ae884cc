#include "pack/oidmap.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

void
oidmap_release(struct oidmap *m)
{
	free(m->slots);
	*m = (struct oidmap){ 0 };
}

static size_t
slot_of(const struct oidmap *m, const struct oid *oid)
{
	uint64_t x, y;
	size_t i;

	memcpy(&x, oid->b, sizeof(x));
	memcpy(&y, oid->b + sizeof(x), sizeof(y));
	x = (x ^ m->seed) * 0x9e3779b97f4a7c15ULL;
	x ^= x >> 32;
	x = (x + y) * 0xbf58476d1ce4e5b9ULL;
	i = (size_t)(x >> 17) & (m->alloc - 1);
	while (m->slots[i].used && !oid_eq(&m->slots[i].oid, oid))
		i = (i + 1) & (m->alloc - 1);
	return i;
}

uint32_t *
oidmap_get(const struct oidmap *m, const struct oid *oid)
{
	size_t i;

	if (m->alloc == 0)
		return NULL;
	i = slot_of(m, oid);
	return m->slots[i].used ? &m->slots[i].value : NULL;
}

static void
grow(struct oidmap *m)
{
	struct oidmap old = *m;

	m->alloc = old.alloc == 0 ? 64 : old.alloc * 2;
	if (m->seed == 0)
		random_bytes(&m->seed, sizeof(m->seed));
	m->slots = calloc(m->alloc, sizeof(*m->slots));
	if (m->slots == NULL)
		gg_die("no memory for %zu object ids", m->alloc);
	for (size_t i = 0; i < old.alloc; i++)
		if (old.slots[i].used)
			m->slots[slot_of(m, &old.slots[i].oid)] = old.slots[i];
	free(old.slots);
}

uint32_t *
oidmap_put(struct oidmap *m, const struct oid *oid, uint32_t value, bool *added)
{
	size_t i;

	if (m->n * 4 >= m->alloc * 3)
		grow(m);
	i = slot_of(m, oid);
	if (added != NULL)
		*added = !m->slots[i].used;
	if (!m->slots[i].used) {
		m->slots[i] = (struct oidmap_slot){ *oid, value, true };
		m->n++;
	}
	return &m->slots[i].value;
}

void
u32s_release(struct u32s *s)
{
	free(s->v);
	*s = (struct u32s){ 0 };
}

void
u32s_add(struct u32s *s, uint32_t x)
{
	if (s->n == s->alloc) {
		size_t want = s->alloc == 0 ? 16 : s->alloc * 2;
		void *p = reallocarray(s->v, want, sizeof(*s->v));

		if (p == NULL)
			gg_die("no memory for a list of %zu", want);
		s->v = p;
		s->alloc = want;
	}
	s->v[s->n++] = x;
}
