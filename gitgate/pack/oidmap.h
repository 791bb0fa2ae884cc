/*
 * A hash map from object ids to numbers. The ids of a pack are chosen by the
 * pusher, but as SHA-1 values that index-pack has computed; a random seed
 * keeps them from being aimed at one bucket all the same.
 */
#ifndef GITGATE_PACK_OIDMAP_H
#define GITGATE_PACK_OIDMAP_H

#include "base/auto.h"
#include "model/oid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oidmap_slot {
	struct oid oid;
	uint32_t value;
	bool used;
};

struct oidmap {
	struct oidmap_slot *slots;
	size_t n;
	size_t alloc; /* 0 or a power of two */
	uint64_t seed;
};

void oidmap_release(struct oidmap *m);
GG_DEFINE_AUTO_RELEASE(oidmap);
/* Where the value of oid is, or NULL; valid until the next put. */
uint32_t *oidmap_get(const struct oidmap *m, const struct oid *oid);
/*
 * The value's place of oid, added with value where it was not there
 * (*added, if not NULL, tells). Dies without memory: callers bound n.
 */
uint32_t *oidmap_put(struct oidmap *m, const struct oid *oid, uint32_t value,
    bool *added);

/* A growing list of numbers. Dies without memory. */
struct u32s {
	uint32_t *v;
	size_t n;
	size_t alloc;
};
void u32s_release(struct u32s *s);
GG_DEFINE_AUTO_RELEASE(u32s);
void u32s_add(struct u32s *s, uint32_t x);

#endif
