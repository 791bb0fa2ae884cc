/*
 * Grants (docs/identity.md): asked for, approved, used, ended. Every change
 * is in the log before it is in the store; grants_void_unstored() takes back
 * what a crash left between the two.
 */
#ifndef GITGATE_ROLE_GATE_GRANTS_H
#define GITGATE_ROLE_GATE_GRANTS_H

#include "hold/grant_cover.h"
#include "role/gate_push.h"

/* -- services for pages and API; ctx is the gate, codes as web/web.h says -- */
GG_MUST_USE int gate_grant_ask(void *ctx, const struct grant_request *rq,
    char id[ULID_SIZE], struct gg_error *err);
GG_MUST_USE int gate_grant_review(void *ctx, const char *id,
    const struct principal *who, const char *client_addr, bool approve,
    const char *comment, struct gg_error *err);
GG_MUST_USE int gate_may_review_grant(void *ctx, const char *id,
    const struct principal *who, struct gg_error *err);
GG_MUST_USE int
gate_grant_end(void *ctx, const char *id, const struct principal *who,
    const char *client_addr, const char *comment, struct gg_error *err);
GG_MUST_USE int gate_review_granting(void *ctx, const char *hold_id,
    const struct principal *reviewer, const char *client_addr,
    const char *comment, int64_t for_ms, struct gg_error *err);

/* -- gate_grant_hold.c -- */
/* What became of the hold that an asked grant came with: then it becomes
 * active or ends. Nothing while reviewers still look at it. */
void grant_follow_hold(struct gate *g, const char *id);

/* -- gate_grant_use.c: at the moment of decision -- */
/* Bits of enum access that active grants give on a repository now. */
unsigned gate_access_by_grants(struct gate *g, const struct snapshot *snap,
    const struct principal *p, const char *repository);
/*
 * The decision is made: deny what a grant let in that no longer holds, and
 * allow what grants approve in advance. Counts their use, unless it is a dry
 * run, and tells the client.
 */
GG_MUST_USE int push_apply_grants(struct push *p, struct gg_error *err);

/* Every second: those whose time is over, those of holds. */
void grants_tick(struct gate *g);
/* gate_grant_recover.c, at start. */
void grants_void_unstored(struct gate *g);

/* -- between the files of grants -- */
/* An entry of a type with the fields of a grant; new reference. */
json_t *audit_of_grant(const char *type, const struct stored_grant *g);
/* This entry was logged and did not come to be. who may be NULL. */
void audit_void_grant(struct gate *g, const char *type,
    const struct stored_grant *gr, const char *who);
/* Log, store; with the mutex of grants. client_addr and comment may be "". */
GG_MUST_USE int grant_move(struct gate *g, const struct stored_grant *gr,
    enum grant_state to, const char *by, const char *client_addr,
    const char *comment, struct gg_error *err);
/* Log and store a new one, with the mutex of grants. */
GG_MUST_USE int grant_add(struct gate *g, const struct stored_grant *gr,
    size_t most, const char *client_addr, struct gg_error *err);
/* One more approval or rejection; next is what it becomes. */
struct grant_act {
	const struct principal *who;
	const char *client_addr, *comment;
	bool approve;
	enum grant_state next;
};
GG_MUST_USE int grant_review(struct gate *g, const struct stored_grant *gr,
    const struct grant_act *a, struct gg_error *err);

#endif
