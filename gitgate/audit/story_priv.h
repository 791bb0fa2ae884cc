/* Between story.c and its parts. */
#ifndef GITGATE_AUDIT_STORY_PRIV_H
#define GITGATE_AUDIT_STORY_PRIV_H

#include "audit/story.h"

#include <stdbool.h>
#include <stddef.h>

/* -- texts to things of ours: story_map.c -- */
struct story_key {
	unsigned char b[16];
};
/* Of two texts; NULL is as "". */
struct story_key story_key_of(const char *a, const char *b);
struct story_slot {
	struct story_key key;
	void *value; /* NULL: free */
};
struct story_map {
	struct story_slot *slots;
	size_t n, alloc;
};
void *story_map_get(const struct story_map *m, const struct story_key *k);
/* value is not NULL; one that is there is replaced. */
void story_map_put(struct story_map *m, const struct story_key *k, void *value);
void *story_map_take(struct story_map *m, const struct story_key *k);
void story_map_free(struct story_map *m, void (*free_value)(void *));
void *story_alloc(size_t n);

/* An object id in hex, or a name; cut. */
#define STORY_VALUE_SIZE 65
/* A ULID. */
#define STORY_ID_SIZE 27
void story_copy(char *to, size_t size, const char *from);

struct story_ref;
struct story_push;
struct story {
	story_cb fn;
	void *ctx;
	int64_t latest_ms;
	struct story_map refs, repositories; /* story_refs.c */
	struct story_map pushes;             /* story_pushes.c */
	struct story_push *done_first, *done_last;
	size_t n_done;
	char denied[STORY_ID_SIZE];
};

/* The value of a text member; "" where there is none. */
const char *story_text(const json_t *e, const char *name);
void story_tell(struct story *s, enum story_kind k, uint64_t index,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* forward.result (ok) and ref.out-of-band. */
void story_moved(struct story *s, uint64_t index, const json_t *e);
void story_refs_end(struct story *s);
void story_refs_free(struct story *s);

/* Everything of a push. */
void story_of_push(struct story *s, uint64_t index, const char *type,
    const json_t *e);
void story_pushes_free(struct story *s);

#endif
