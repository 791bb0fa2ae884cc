/*
 * The values of refs. A movement begins where the one before ended, or some
 * entry tells how the ref came from one to the other. Results of two pushes
 * may be written in the other order than upstream took them, and a movement
 * without the gate is seen later: so what is not explained yet waits for what
 * comes (a jump), and is told when it is too much or when the log ends.
 */
#include "audit/story_priv.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUMPS_MAX 8
#define NAME_SIZE 600

struct jump {
	struct jump *next; /* a newer one */
	char from[STORY_VALUE_SIZE], to[STORY_VALUE_SIZE];
	uint64_t before, at; /* entries */
	char name[];
};

struct story_ref {
	char value[STORY_VALUE_SIZE];
	char push[STORY_ID_SIZE]; /* that made it; "" none of ours */
	uint64_t at;
	struct jump *jumps;
	unsigned n_jumps;
};

static void
tell_jump(struct story *s, const struct jump *j)
{
	story_tell(s, STORY_GAP, j->at,
	    "%s moved without the gate between entries %llu and %llu: from "
	    "%.12s to %.12s",
	    j->name, (unsigned long long)j->before, (unsigned long long)j->at,
	    j->from, j->to);
}

static void
drop_jump(struct story_ref *r, struct jump **at)
{
	struct jump *j = *at;

	*at = j->next;
	r->n_jumps--;
	free(j);
}

/* Does it go on where a jump began? Then that is shorter, or gone. */
static bool
explains(struct story_ref *r, const char *old, const char *new)
{
	for (struct jump **j = &r->jumps; *j != NULL; j = &(*j)->next) {
		if (strcmp((*j)->from, old) != 0)
			continue;
		if (strcmp((*j)->to, new) == 0)
			drop_jump(r, j);
		else
			story_copy((*j)->from, STORY_VALUE_SIZE, new);
		return true;
	}
	return false;
}

static void
add_jump(struct story *s, struct story_ref *r, uint64_t index, const json_t *e)
{
	char name[NAME_SIZE];
	struct jump *j, **end = &r->jumps;
	size_t n;

	(void)snprintf(name, sizeof(name), "%s %s", story_text(e, "repository"),
	    story_text(e, "ref"));
	n = strlen(name) + 1;
	j = story_alloc(sizeof(*j) + n);
	memcpy(j->name, name, n);
	story_copy(j->from, sizeof(j->from), r->value);
	story_copy(j->to, sizeof(j->to), story_text(e, "old"));
	j->before = r->at;
	j->at = index;
	while (*end != NULL)
		end = &(*end)->next;
	*end = j;
	if (++r->n_jumps > JUMPS_MAX) {
		tell_jump(s, r->jumps);
		drop_jump(r, &r->jumps);
	}
}

/* "And more of them moved": any of the repository's. */
static void
moved_untold(struct story *s, uint64_t index, const json_t *e)
{
	struct story_key k = story_key_of(story_text(e, "repository"), NULL);
	uint64_t *at = story_map_get(&s->repositories, &k);

	if (at == NULL) {
		at = story_alloc(sizeof(*at));
		story_map_put(&s->repositories, &k, at);
	}
	*at = index;
}

static bool
may_have_moved_untold(const struct story *s, const struct story_ref *r,
    const json_t *e)
{
	struct story_key k = story_key_of(story_text(e, "repository"), NULL);
	const uint64_t *at = story_map_get(&s->repositories, &k);

	return at != NULL && *at > r->at;
}

void
story_moved(struct story *s, uint64_t index, const json_t *e)
{
	const char *old = story_text(e, "old"), *new = story_text(e, "new");
	const char *push = story_text(e, "push");
	struct story_key k = story_key_of(story_text(e, "repository"),
	    story_text(e, "ref"));
	struct story_ref *r = story_map_get(&s->refs, &k);

	if (strcmp(story_text(e, "kind"), "more") == 0) {
		moved_untold(s, index, e);
		return;
	}
	if (r == NULL) {
		r = story_alloc(sizeof(*r));
		story_map_put(&s->refs, &k, r);
	} else if (strncmp(old, r->value, STORY_VALUE_SIZE - 1) != 0) {
		/* A result is told twice where a crash came behind it. */
		if (push[0] != '\0' && strcmp(push, r->push) == 0 &&
		    strcmp(new, r->value) == 0)
			return;
		if (explains(r, old, new))
			return;
		if (!may_have_moved_untold(s, r, e))
			add_jump(s, r, index, e);
	}
	story_copy(r->value, sizeof(r->value), new);
	story_copy(r->push, sizeof(r->push), push);
	r->at = index;
}

void
story_refs_end(struct story *s)
{
	for (size_t i = 0; i < s->refs.alloc; i++) {
		struct story_ref *r = s->refs.slots[i].value;

		for (; r != NULL && r->jumps != NULL; drop_jump(r, &r->jumps))
			tell_jump(s, r->jumps);
	}
}

static void
free_ref(void *value)
{
	struct story_ref *r = value;

	while (r->jumps != NULL)
		drop_jump(r, &r->jumps);
	free(r);
}

void
story_refs_free(struct story *s)
{
	story_map_free(&s->refs, free_ref);
	story_map_free(&s->repositories, free);
}
