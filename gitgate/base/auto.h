/*
 * Scope owns, handing over is visible (docs/contributing.md, "Ownership").
 */
#ifndef GITGATE_BASE_AUTO_H
#define GITGATE_BASE_AUTO_H

#include <stdlib.h>

/* After the prototype of <type>_free(): makes GG_AUTO(<type>) usable. */
#define GG_DEFINE_AUTO(type)                              \
	static inline void type##_freep(struct type **pp) \
	{                                                 \
		type##_free(*pp);                         \
	}                                                 \
	struct type

/* Declare an owned pointer; its scope frees it. Initialise it at once. */
#define GG_AUTO(type) __attribute__((cleanup(type##_freep))) struct type *

/* After <type>_release(struct type *): storage of the caller's own scope. */
#define GG_DEFINE_AUTO_RELEASE(type)                       \
	static inline void type##_releasep(struct type *p) \
	{                                                  \
		type##_release(p);                         \
	}                                                  \
	struct type

#define GG_AUTO_RELEASE(type) \
	__attribute__((cleanup(type##_releasep))) struct type

/* A malloc'ed string or array. */
static inline void
gg_freep(void *pp)
{
	free(*(void **)pp);
}
#define GG_AUTO_MEM __attribute__((cleanup(gg_freep)))

/* Hand the pointer on: yields its value and leaves NULL behind. */
#define gg_take(p)                         \
	(__extension__({                   \
		__typeof__(p) took_ = (p); \
		(p) = NULL;                \
		took_;                     \
	}))

#define GG_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
