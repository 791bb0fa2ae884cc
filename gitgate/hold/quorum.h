/*
 * Who may review a hold, and when it has the approvals that it needs. Pure
 * logic over records; the store keeps them.
 *
 * An approval counts for every need whose groups the reviewer is in or whose
 * people name the reviewer (neither groups nor people: for anybody). People are
 * distinct by name, without regard to case, and those who share a verified
 * name (an e-mail address, the owner of a machine) are one. Unless a need says
 * allow-self, neither the pusher, nor whom it acts for, nor whoever is named as
 * author or committer of the push counts for it. One rejection by
 * somebody entitled ends the hold.
 */
#ifndef GITGATE_HOLD_QUORUM_H
#define GITGATE_HOLD_QUORUM_H

#include "base/error.h"
#include "base/strv.h"
#include "model/push.h"
#include "model/verdict.h"

#include <jansson.h>
#include <stddef.h>

/* The push, as far as it matters here. Borrowed. */
struct quorum_push {
	const char *pusher; /* the principal's name */
	/* The person that it acts for, NULL or "": nobody; and further verified
	 * names of either, may be NULL. All of them are the pusher. */
	const char *owner;
	const struct strv *aliases;
	/* Names and e-mail addresses of all authors and committers. */
	const struct strv *people;
};

/* One person's act, or (approve not looked at) one who would act. Borrowed. */
struct quorum_review {
	const char *reviewer; /* the principal's name; never "" */
	const struct strv *groups;
	/* Further names the reviewer is known by (verified e-mail addresses,
	 * whom a machine acts for); may be NULL. */
	const struct strv *aliases;
	bool approve;
	/* A machine: further names are other people's. They tell who it is
	 * not to judge, and never make it the one whose approval is asked. */
	bool machine;
};

enum quorum_refusal {
	QUORUM_MAY = 0,
	QUORUM_OWN_PUSH,     /* is the pusher */
	QUORUM_OWN_COMMITS,  /* is author or committer */
	QUORUM_NOT_IN_GROUP, /* in none of the groups that are asked */
};
/* A reason for people, lower case without a full stop; "" for MAY. */
const char *quorum_refusal_text(enum quorum_refusal r);

/*
 * May this person review a hold with these needs? MAY when they would count
 * for at least one need; else the reason that stands closest to a yes.
 * Without any need nobody may.
 */
enum quorum_refusal quorum_may_review(const struct need *needs, size_t n_needs,
    const struct quorum_push *push, const struct quorum_review *who);

/* Would this approval count for this need? */
bool quorum_counts_for(const struct need *need, const struct quorum_push *push,
    const struct quorum_review *review);
/* Are two reviewers one person: has one a name of the other? */
bool quorum_same_person(const struct quorum_review *a,
    const struct quorum_review *b);
/* How many distinct people's approvals count for the need. A need of zero
 * approvals still takes one: a hold is never approved by nobody. */
size_t quorum_count(const struct need *need, const struct quorum_push *push,
    const struct quorum_review *reviews, size_t n);

enum quorum_state { QUORUM_OPEN, QUORUM_REACHED, QUORUM_REJECTED };
enum quorum_state quorum_state(const struct need *needs, size_t n_needs,
    const struct quorum_push *push, const struct quorum_review *reviews,
    size_t n);

/*
 * Needs from stored JSON, as decision_needs_json() wrote it: a list of
 * {"rule", "required", "from", "allow_self", "wait_ms", "expires_ms"} and, where
 * there are any, "people"; other members are passed over. 0, *out the caller's to needs_free(); GG_E_CORRUPT
 * for anything else (then nothing may be approved).
 */
GG_MUST_USE int needs_from_json(const json_t *json, struct need **out,
    size_t *n, struct gg_error *err);
void needs_free(struct need *needs, size_t n);

/*
 * The bytes that name "the same push again": equal for equal principal,
 * repository and set of updates, whatever their order, and for no others.
 * The hold's key is their SHA-256.
 */
void hold_key_text(const char *principal, const char *repository,
    const struct ref_updates *updates, struct buf *out);

#endif
