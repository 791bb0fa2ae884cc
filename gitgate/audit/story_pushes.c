/*
 * Pushes, from their verdicts to upstream's answer: what was sent was to be
 * sent, was so decided, and has the approvals that it needed.
 */
#include "audit/story_priv.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Ended ones are kept for a while: an end may be void, a result told twice. */
#define DONE_KEPT 1024

struct update {
	struct story_key ref;
	char old[STORY_VALUE_SIZE], new[STORY_VALUE_SIZE];
	bool held, intended, done;
};

struct story_push {
	char id[STORY_ID_SIZE];
	struct update *updates;
	size_t n, alloc;
	json_t *needs;   /* of its hold; NULL: not told */
	json_t *reviews; /* reviewer -> the hold.review */
	bool was_judged; /* its approvals were counted */
	bool is_done;
	struct story_push *next_done;
};

static void
free_push(void *value)
{
	struct story_push *p = value;

	free(p->updates);
	json_decref(p->needs);
	json_decref(p->reviews);
	free(p);
}

static void
forget(struct story *s, const char *id)
{
	struct story_key k = story_key_of(id, NULL);
	struct story_push *p = story_map_get(&s->pushes, &k);

	/* One that is done is in the queue. */
	if (p != NULL && !p->is_done)
		free_push(story_map_take(&s->pushes, &k));
}

static struct story_push *
find(struct story *s, const json_t *e, bool make)
{
	struct story_key k = story_key_of(story_text(e, "push"), NULL);
	struct story_push *p = story_map_get(&s->pushes, &k);

	if (p == NULL && make) {
		p = story_alloc(sizeof(*p));
		story_copy(p->id, sizeof(p->id), story_text(e, "push"));
		if ((p->reviews = json_object()) == NULL)
			gg_die("no memory to read the log");
		story_map_put(&s->pushes, &k, p);
	}
	return p;
}

static void
finish(struct story *s, struct story_push *p)
{
	struct story_push *oldest = s->done_first;
	struct story_key k;

	if (p->is_done)
		return;
	p->is_done = true;
	p->next_done = NULL;
	if (oldest == NULL)
		s->done_first = p;
	else
		s->done_last->next_done = p;
	s->done_last = p;
	if (++s->n_done <= DONE_KEPT || oldest == NULL)
		return;
	s->done_first = oldest->next_done;
	s->n_done--;
	k = story_key_of(oldest->id, NULL);
	free_push(story_map_take(&s->pushes, &k));
}

static struct update *
update_of(const struct story_push *p, const json_t *e)
{
	struct story_key k = story_key_of(story_text(e, "ref"), NULL);

	for (size_t i = 0; p != NULL && i < p->n; i++)
		if (memcmp(p->updates[i].ref.b, k.b, sizeof(k.b)) == 0)
			return &p->updates[i];
	return NULL;
}

static void
add_update(struct story *s, const json_t *e)
{
	const char *verdict = story_text(e, "verdict");
	struct story_push *p;
	struct update *u;

	/* With one of its refs the whole push is refused. */
	if (strcmp(story_text(e, "push"), s->denied) == 0)
		return;
	if (strcmp(verdict, "deny") == 0) {
		forget(s, story_text(e, "push"));
		story_copy(s->denied, sizeof(s->denied), story_text(e, "push"));
		return;
	}
	p = find(s, e, true);
	if (p->n == p->alloc) {
		p->alloc = p->alloc ? p->alloc * 2 : 1;
		p->updates = reallocarray(p->updates, p->alloc,
		    sizeof(*p->updates));
		if (p->updates == NULL)
			gg_die("no memory to read the log");
	}
	u = &p->updates[p->n++];
	*u = (struct update){ .ref = story_key_of(story_text(e, "ref"), NULL),
		.held = strcmp(verdict, "hold") == 0 };
	story_copy(u->old, sizeof(u->old), story_text(e, "old"));
	story_copy(u->new, sizeof(u->new), story_text(e, "new"));
}

/* -- approvals -- */

static bool
has_name(const json_t *names, const char *name)
{
	const json_t *x;
	size_t i;

	json_array_foreach(names, i, x) if (json_is_string(x) &&
	    strcasecmp(json_string_value(x), name) == 0) return true;
	return false;
}

static bool
is_approval(const json_t *review)
{
	return strcmp(story_text(review, "verdict"), "approve") == 0;
}

static bool
counts_for(const json_t *need, const json_t *review)
{
	const json_t *from = json_object_get(need, "from"), *group;
	const json_t *people = json_object_get(need, "people");
	size_t i;

	if (json_array_size(from) == 0 && json_array_size(people) == 0)
		return true;
	if (has_name(people, story_text(review, "reviewer")))
		return true;
	json_array_foreach(json_object_get(review, "reviewer_groups"), i,
	    group) if (json_is_string(group) &&
	    has_name(from, json_string_value(group))) return true;
	return false;
}

static long long
count_for(const struct story_push *p, const json_t *need)
{
	const char *name;
	json_t *review;
	long long n = 0;

	json_object_foreach(p->reviews, name, review)
	{
		if (is_approval(review) &&
		    (need == NULL || counts_for(need, review)))
			n++;
	}
	return n;
}

static void
judge(struct story *s, uint64_t index, struct story_push *p, const json_t *e)
{
	const char *name;
	json_t *review, *need, *who;
	size_t i;

	if (p->was_judged)
		return;
	p->was_judged = true;
	json_object_foreach(p->reviews, name, review)
	{
		if (!is_approval(review))
			story_tell(s, STORY_UNAPPROVED, index,
			    "push %s was rejected by %s, and sent", p->id,
			    name);
	}
	json_array_foreach(p->needs, i, need)
	{
		long long have = count_for(p, need);
		long long want = json_integer_value(json_object_get(need,
		    "required"));

		if (have < want)
			story_tell(s, STORY_UNAPPROVED, index,
			    "push %s was sent with %lld of the %lld approvals "
			    "that rule %.200s needs",
			    p->id, have, want, story_text(need, "rule"));
	}
	if (json_array_size(p->needs) == 0 && count_for(p, NULL) == 0)
		story_tell(s, STORY_UNAPPROVED, index,
		    "push %s was held, and sent with no approval in the log",
		    p->id);
	json_array_foreach(json_object_get(e, "reviewers"), i, who)
	{
		name = json_string_value(who);
		if (name != NULL &&
		    !is_approval(json_object_get(p->reviews, name)))
			story_tell(s, STORY_UNAPPROVED, index,
			    "push %s was sent with the approval of %.200s, "
			    "which is not in the log",
			    p->id, name);
	}
}

/* -- sending -- */

static void
compare(struct story *s, uint64_t index, const struct update *u,
    const json_t *e)
{
	if (strcmp(u->old, story_text(e, "old")) == 0 &&
	    strcmp(u->new, story_text(e, "new")) == 0)
		return;
	story_tell(s, STORY_ALTERED, index,
	    "push %.26s: %.300s was judged from %.12s to %.12s, and sent from "
	    "%.12s to %.12s",
	    story_text(e, "push"), story_text(e, "ref"), u->old, u->new,
	    story_text(e, "old"), story_text(e, "new"));
}

static void
intended(struct story *s, uint64_t index, const json_t *e)
{
	struct story_push *p = find(s, e, false);
	struct update *u = update_of(p, e);

	if (u == NULL) {
		story_tell(s, STORY_UNANNOUNCED, index,
		    "push %.26s: %.300s is to be sent, and no entry says that "
		    "policy allows it",
		    story_text(e, "push"), story_text(e, "ref"));
		return;
	}
	u->intended = true;
	compare(s, index, u, e);
	if (u->held)
		judge(s, index, p, e);
}

static bool
all_done(const struct story_push *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->updates[i].done)
			return false;
	return true;
}

static void
answered(struct story *s, uint64_t index, const json_t *e)
{
	bool ok = strcmp(story_text(e, "result"), "ok") == 0;
	struct story_push *p = find(s, e, false);
	struct update *u = update_of(p, e);

	if (ok && (u == NULL || !u->intended))
		story_tell(s, STORY_UNANNOUNCED, index,
		    "push %.26s: %.300s was sent, and no entry before says "
		    "that it %s",
		    story_text(e, "push"), story_text(e, "ref"),
		    u == NULL ? "was allowed" : "was to be");
	if (u == NULL)
		return;
	if (ok) {
		compare(s, index, u, e);
		if (u->held)
			judge(s, index, p, e);
	}
	u->done = true;
	if (all_done(p))
		finish(s, p);
}

/* -- holds -- */

static void
reviewed(struct story *s, const json_t *e)
{
	const char *who = story_text(e, "reviewer");
	struct story_push *p = find(s, e, false);
	json_t *kept;

	if (p == NULL)
		return;
	if (json_is_true(json_object_get(e, "void"))) {
		(void)json_object_del(p->reviews, who);
		return;
	}
	kept = json_pack("{s:s, s:s, s:O?}", "reviewer", who, "verdict",
	    story_text(e, "verdict"), "reviewer_groups",
	    json_object_get(e, "reviewer_groups"));
	if (kept == NULL || json_object_set_new(p->reviews, who, kept) != 0)
		gg_die("no memory to read the log");
}

static void
opened(struct story *s, const json_t *e)
{
	struct story_push *p = find(s, e, false);

	if (p == NULL || p->needs != NULL)
		return;
	p->needs = json_incref(json_object_get(e, "needs"));
}

/* Its end did not come to be: it waits on. */
static void
reopen(struct story *s, struct story_push *p)
{
	struct story_push **at = &s->done_first, *before = NULL;

	if (!p->is_done)
		return;
	for (; *at != p; at = &before->next_done)
		before = *at;
	*at = p->next_done;
	if (s->done_last == p)
		s->done_last = before;
	s->n_done--;
	p->is_done = false;
}

static void
closed(struct story *s, const json_t *e)
{
	struct story_push *p = find(s, e, false);

	if (p != NULL && json_is_true(json_object_get(e, "void")))
		reopen(s, p);
	else if (p != NULL)
		finish(s, p);
}

void
story_of_push(struct story *s, uint64_t index, const char *type,
    const json_t *e)
{
	if (strcmp(type, "ref.update") == 0)
		add_update(s, e);
	else if (strcmp(type, "push.refused") == 0)
		forget(s, story_text(e, "push"));
	else if (strcmp(type, "hold.opened") == 0)
		opened(s, e);
	else if (strcmp(type, "hold.review") == 0)
		reviewed(s, e);
	else if (strcmp(type, "hold.closed") == 0)
		closed(s, e);
	else if (strcmp(type, "forward.intended") == 0)
		intended(s, index, e);
	else if (strcmp(type, "forward.result") == 0)
		answered(s, index, e);
}

void
story_pushes_free(struct story *s)
{
	story_map_free(&s->pushes, free_push);
	s->done_first = s->done_last = NULL;
}
