#include "hold/quorum.h"

#include "ipc/codec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
quorum_refusal_text(enum quorum_refusal r)
{
	switch (r) {
	case QUORUM_MAY:
		return "";
	case QUORUM_OWN_PUSH:
		return "nobody reviews their own push";
	case QUORUM_OWN_COMMITS:
		return "nobody reviews a push with commits of their own";
	case QUORUM_NOT_IN_GROUP:
		return "none of your groups may review this push";
	}
	return "not entitled";
}

static bool
same_name(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

static bool
is_called(const struct quorum_review *who, const char *name)
{
	if (same_name(who->reviewer, name))
		return true;
	for (size_t i = 0; who->aliases != NULL && i < who->aliases->n; i++)
		if (same_name(who->aliases->v[i], name))
			return true;
	return false;
}

bool
quorum_same_person(const struct quorum_review *a, const struct quorum_review *b)
{
	if (is_called(a, b->reviewer))
		return true;
	for (size_t i = 0; b->aliases != NULL && i < b->aliases->n; i++)
		if (is_called(a, b->aliases->v[i]))
			return true;
	return false;
}

static bool
is_pusher(const struct quorum_push *push, const struct quorum_review *who)
{
	if (is_called(who, push->pusher) ||
	    (push->owner != NULL && push->owner[0] != '\0' &&
		is_called(who, push->owner)))
		return true;
	for (size_t i = 0; push->aliases != NULL && i < push->aliases->n; i++)
		if (is_called(who, push->aliases->v[i]))
			return true;
	return false;
}

static bool
is_author(const struct quorum_push *push, const struct quorum_review *who)
{
	for (size_t i = 0; push->people != NULL && i < push->people->n; i++)
		if (is_called(who, push->people->v[i]))
			return true;
	return false;
}

static bool
is_asked(const struct need *need, const struct quorum_review *who)
{
	if (need->from.n == 0 && need->people.n == 0)
		return true;
	for (size_t i = 0; i < need->people.n; i++)
		if (who->machine ? same_name(who->reviewer, need->people.v[i]) :
				   is_called(who, need->people.v[i]))
			return true;
	for (size_t i = 0; i < need->from.n; i++)
		if (who->groups != NULL &&
		    strv_has(who->groups, need->from.v[i]))
			return true;
	return false;
}

/* Why this person does not count for this need; MAY when they do. */
static enum quorum_refusal
refusal(const struct need *need, const struct quorum_push *push,
    const struct quorum_review *who)
{
	if (!is_asked(need, who))
		return QUORUM_NOT_IN_GROUP;
	if (need->allow_self)
		return QUORUM_MAY;
	if (is_pusher(push, who))
		return QUORUM_OWN_PUSH;
	return is_author(push, who) ? QUORUM_OWN_COMMITS : QUORUM_MAY;
}

enum quorum_refusal
quorum_may_review(const struct need *needs, size_t n_needs,
    const struct quorum_push *push, const struct quorum_review *who)
{
	enum quorum_refusal best = QUORUM_NOT_IN_GROUP;

	for (size_t i = 0; i < n_needs; i++) {
		enum quorum_refusal r = refusal(&needs[i], push, who);

		if (r == QUORUM_MAY)
			return r;
		if (r < best)
			best = r;
	}
	return best;
}

bool
quorum_counts_for(const struct need *need, const struct quorum_push *push,
    const struct quorum_review *review)
{
	return review->approve && refusal(need, push, review) == QUORUM_MAY;
}

size_t
quorum_count(const struct need *need, const struct quorum_push *push,
    const struct quorum_review *reviews, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		bool before = false;

		if (!quorum_counts_for(need, push, &reviews[i]))
			continue;
		for (size_t j = 0; j < i; j++)
			if (reviews[j].approve &&
			    quorum_same_person(&reviews[j], &reviews[i]))
				before = before ||
				    quorum_counts_for(need, push, &reviews[j]);
		if (!before)
			count++;
	}
	return count;
}

enum quorum_state
quorum_state(const struct need *needs, size_t n_needs,
    const struct quorum_push *push, const struct quorum_review *reviews,
    size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!reviews[i].approve &&
		    quorum_may_review(needs, n_needs, push, &reviews[i]) ==
			QUORUM_MAY)
			return QUORUM_REJECTED;
	for (size_t i = 0; i < n_needs; i++) {
		size_t want = needs[i].required > 0 ? needs[i].required : 1;

		if (quorum_count(&needs[i], push, reviews, n) < want)
			return QUORUM_OPEN;
	}
	return n_needs > 0 ? QUORUM_REACHED : QUORUM_OPEN;
}

static int
cmp_updates(const void *a, const void *b)
{
	const struct ref_update *const *x = a, *const *y = b;

	return strcmp((*x)->refname, (*y)->refname);
}

void
hold_key_text(const char *principal, const char *repository,
    const struct ref_updates *updates, struct buf *out)
{
	GG_AUTO_MEM const struct ref_update **v = calloc(updates->n + 1,
	    sizeof(*v));

	if (v == NULL)
		gg_die("no memory for a hold");
	for (size_t i = 0; i < updates->n; i++)
		v[i] = &updates->v[i];
	qsort(v, updates->n, sizeof(*v), cmp_updates);
	enc_str(out, "gitgate hold 1");
	enc_str(out, principal);
	enc_str(out, repository);
	enc_u32(out, (uint32_t)updates->n);
	for (size_t i = 0; i < updates->n; i++) {
		buf_add(out, v[i]->old_oid.b, OID_BYTES);
		buf_add(out, v[i]->new_oid.b, OID_BYTES);
		enc_str(out, v[i]->refname);
	}
}
