/*
 * What the entries of a log say together. That they are whole, in order and
 * signed is for others to check (store/auditlog.h): who has the key could still
 * leave out a review, or tell of another old value. What cannot be true at
 * once, or should have been said before, is a finding.
 *
 * Memory grows with refs (some 200 bytes each) and with pushes that wait.
 */
#ifndef GITGATE_AUDIT_STORY_H
#define GITGATE_AUDIT_STORY_H

#include "base/auto.h"

#include <jansson.h>
#include <stdint.h>

enum story_kind {
	STORY_GAP,         /* a ref moved, and no entry tells of it */
	STORY_UNANNOUNCED, /* sent without intent or verdict in the log */
	STORY_UNAPPROVED,  /* sent with less approval than it needs */
	STORY_ALTERED,     /* entries of one update differ in its values */
	STORY_CLOCK,       /* the clock went back: a note */
	STORY_KINDS
};
const char *story_kind_name(enum story_kind k); /* "gap", ... */

struct story_finding {
	enum story_kind kind;
	uint64_t index;   /* of the entry where it shows */
	const char *text; /* for people; has names of others: not to be trusted
	                     with a terminal */
};
typedef void (*story_cb)(void *ctx, const struct story_finding *f);

struct story;
/* All of these die without memory. */
struct story *story_new(story_cb fn, void *ctx);
/* The next entry, in the order of the log; void ones are respected. Not what
 * its personal values say is looked at, so either form will do. */
void story_entry(struct story *s, uint64_t index, const json_t *entry);
/* There are no more: tell what nothing explained. */
void story_end(struct story *s);
/* NULL is fine. */
void story_free(struct story *s);
GG_DEFINE_AUTO(story);

#endif
