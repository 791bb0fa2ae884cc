/*
 * What gitgate remembers, over SQLite or PostgreSQL. Every function is one
 * transaction, safe from any thread (connections are pooled), and returns
 * 0, GG_E_NOTFOUND, GG_E_EXISTS, GG_E_REFUSED (a state that does not allow
 * it), GG_E_UNAVAILABLE (the database is gone for now) or GG_E_CORRUPT.
 * Times are wall-clock milliseconds. Structs filled by the store own their
 * strings; *_release() frees them.
 */
#ifndef GITGATE_STORE_STORE_H
#define GITGATE_STORE_STORE_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/text.h"
#include "config/config.h"
#include "model/grant.h"
#include "model/hold.h"
#include "model/push.h"
#include "store/kept.h"

#include <jansson.h>
#include <stdint.h>

struct store;

/* where: "sqlite" (then state_dir/gitgate.db) or a postgresql:// URL. Runs
 * the schema migrations that are missing, one transaction each. */
GG_MUST_USE int store_open(const char *where, const char *state_dir,
    struct store **out, struct gg_error *err);
/* NULL is fine. */
void store_free(struct store *s);
GG_DEFINE_AUTO(store);
/* A cheap query that proves the database answers (readyz). */
GG_MUST_USE int store_ping(struct store *s, struct gg_error *err);

/* -- tokens: only the SHA-256 (hex) of a token is stored -- */
struct stored_token {
	char *id; /* ULID */
	char *principal;
	char *owner; /* the person that it acts for; "": nobody */
	struct strv groups;
	int64_t created_ms, expires_ms; /* expires 0: never */
	int64_t revoked_ms;             /* 0: not */
	int64_t used_ms;                /* last use, to the minute; 0: never */
};
void stored_token_release(struct stored_token *t);
GG_DEFINE_AUTO_RELEASE(stored_token);
GG_MUST_USE int store_token_add(struct store *s, const struct stored_token *t,
    const char *hash_hex, struct gg_error *err);
/* Whatever its state; the caller checks expiry and revocation. */
GG_MUST_USE int store_token_find(struct store *s, const char *hash_hex,
    struct stored_token *out, struct gg_error *err);
GG_MUST_USE int store_token_used(struct store *s, const char *id,
    int64_t now_ms, struct gg_error *err);
/* By id, or every token of a principal. *n: how many. */
GG_MUST_USE int store_token_revoke(struct store *s, const char *id_or_name,
    int64_t now_ms, uint64_t *n, struct gg_error *err);
typedef int (*store_token_cb)(void *ctx, const struct stored_token *t);
GG_MUST_USE int store_token_list(struct store *s, store_token_cb cb, void *ctx,
    struct gg_error *err);

/* -- local accounts -- */
struct stored_user {
	char *name;
	char *password_hash; /* argon2id, encoded; "": signs in by a provider
	                        only */
	struct strv groups;
	struct strv aliases; /* e-mail addresses, vouched for by the admin */
	int64_t created_ms, disabled_ms;
	char *totp_secret; /* base 32; "": none */
	int64_t totp_step; /* the last one that was used */
};
void stored_user_release(struct stored_user *u);
GG_DEFINE_AUTO_RELEASE(stored_user);
GG_MUST_USE int store_user_add(struct store *s, const struct stored_user *u,
    struct gg_error *err); /* GG_E_EXISTS */
GG_MUST_USE int store_user_set_password(struct store *s, const char *name,
    const char *password_hash, struct gg_error *err); /* ends its sessions */
GG_MUST_USE int store_user_find(struct store *s, const char *name,
    struct stored_user *out, struct gg_error *err);
/* Replace its e-mail addresses. */
GG_MUST_USE int store_user_set_aliases(struct store *s, const char *name,
    const struct strv *aliases, struct gg_error *err);
/*
 * A new secret for its one-time codes ("": none any more), step: the last one
 * that counts as used. Ends its sessions. only_first: GG_E_EXISTS where it has
 * one already.
 */
GG_MUST_USE int store_user_set_totp(struct store *s, const char *name,
    const char *secret, int64_t step, bool only_first, struct gg_error *err);
/* A step is used once, and none before it any more. GG_E_REFUSED: it was, or
 * the secret is another by now. */
GG_MUST_USE int store_user_use_totp(struct store *s, const char *name,
    const char *secret, int64_t step, struct gg_error *err);
GG_MUST_USE int store_user_remove(struct store *s, const char *name,
    struct gg_error *err); /* and its sessions and links */
typedef int (*store_user_cb)(void *ctx, const struct stored_user *u);
GG_MUST_USE int store_user_list(struct store *s, store_user_cb cb, void *ctx,
    struct gg_error *err);

/* -- web sessions: the id's SHA-256 (hex) is stored -- */
struct stored_session {
	char *id;               /* ULID: names it, opens nothing */
	char *person;           /* the principal's name */
	char *provider;         /* "": a local account of that name */
	char *issuer, *subject; /* who vouched, and for whom; "" local */
	/* As the provider's claims gave them at the sign-in; a local account's
	 * are read at each use and not kept here. */
	struct strv groups;
	struct strv aliases; /* verified e-mail addresses */
	char *csrf;          /* the session's CSRF token */
	int64_t created_ms, used_ms;
	int64_t signed_in_ms; /* when the person last proved who they are */
	char *client_addr;    /* at the sign-in */
};
void stored_session_release(struct stored_session *x);
GG_DEFINE_AUTO_RELEASE(stored_session);
GG_MUST_USE int store_session_add(struct store *s, const char *hash_hex,
    const struct stored_session *x, struct gg_error *err);
GG_MUST_USE int store_session_find(struct store *s, const char *hash_hex,
    struct stored_session *out, struct gg_error *err);
GG_MUST_USE int store_session_used(struct store *s, const char *hash_hex,
    int64_t now_ms, struct gg_error *err);
GG_MUST_USE int store_session_remove(struct store *s, const char *hash_hex,
    struct gg_error *err);
/* One of a person's sessions by its id, or (id NULL) all of them. *n: how many
 * ended. */
GG_MUST_USE int store_session_end(struct store *s, const char *person,
    const char *id, uint64_t *n, struct gg_error *err);
typedef int (*store_session_cb)(void *ctx, const struct stored_session *x);
/* Newest first, at most 200; over ones may be among them. */
GG_MUST_USE int store_session_list(struct store *s, const char *person,
    store_session_cb cb, void *ctx, struct gg_error *err);

/* -- sign-ins under way at a provider: the state's SHA-256 (hex) is the key */
struct stored_sign_in {
	char *provider;
	char *browser; /* hash of the cookie of the browser that began it */
	char *next;    /* where to go afterwards, a safe path */
	char *data;    /* JSON of the protocol: nonce, verifier, request id */
	char *client_addr;
	int64_t created_ms;
};
void stored_sign_in_release(struct stored_sign_in *x);
GG_DEFINE_AUTO_RELEASE(stored_sign_in);
/* Those from before oldest_ms are forgotten. GG_E_LIMIT, its words the limit's
 * key, when there are max in all or max_addr of this address. */
GG_MUST_USE int store_sign_in_add(struct store *s, const char *hash_hex,
    const struct stored_sign_in *x, int64_t oldest_ms, uint64_t max,
    uint64_t max_addr, struct gg_error *err);
/* Take it out: it can be finished once. browser NULL: whichever.
 * GG_E_NOTFOUND: unknown, used, too old, another provider's or browser's (then
 * it stays). */
GG_MUST_USE int store_sign_in_take(struct store *s, const char *hash_hex,
    const char *provider, const char *browser, int64_t oldest_ms,
    struct stored_sign_in *out, struct gg_error *err);

/* -- SAML assertions that were used -- */
/* Once for (issuer, id), until end_ms: GG_E_EXISTS the next time. Those that
 * have ended are forgotten. */
GG_MUST_USE int store_assertion_use(struct store *s, const char *issuer,
    const char *id, int64_t end_ms, int64_t now_ms, struct gg_error *err);

/* -- people whom a provider vouches for -- */
struct stored_link {
	char *provider, *subject;
	char *issuer;        /* "": not seen yet */
	char *person;        /* a name here */
	bool by_admin;       /* linked to a local account */
	struct strv aliases; /* verified e-mail addresses at the last sign-in */
	int64_t created_ms, used_ms;
};
void stored_link_release(struct stored_link *l);
GG_DEFINE_AUTO_RELEASE(stored_link);
/*
 * Who is this subject here? The name of its first sign-in or the account that
 * it is linked to, whatever seen->person says now; a new one becomes
 * seen->person. GG_E_EXISTS: that name is another subject's or a local
 * account's; GG_E_REFUSED: the provider is another issuer than before.
 */
GG_MUST_USE int
store_person_bind(struct store *s, const struct stored_link *seen,
    char **person, bool *linked, struct gg_error *err);
/* The subject is this local account from now on. Ends the subject's sessions.
 * GG_E_NOTFOUND: no such account; GG_E_EXISTS: linked already. */
GG_MUST_USE int
store_person_link(struct store *s, const char *provider, const char *subject,
    const char *person, int64_t now_ms, struct gg_error *err);
/* Forget the subject: linked or not, its next sign-in is its first. */
GG_MUST_USE int store_person_unlink(struct store *s, const char *provider,
    const char *subject, struct gg_error *err);
typedef int (*store_link_cb)(void *ctx, const struct stored_link *l);
GG_MUST_USE int store_person_list(struct store *s, store_link_cb cb, void *ctx,
    struct gg_error *err);
/* E-mail addresses of whoever has this name, account or subjects; added to
 * out, each once. */
GG_MUST_USE int store_person_aliases(struct store *s, const char *name,
    struct strv *out, struct gg_error *err);

/* Failed sign-ins for a key ("user:x", "addr:y") since a time; add one. */
GG_MUST_USE int store_signin_failed(struct store *s, const char *key,
    int64_t now_ms, struct gg_error *err);
GG_MUST_USE int store_signin_count(struct store *s, const char *key,
    int64_t since_ms, uint64_t *n, struct gg_error *err);

/* -- issuers' tokens: what each was used for first -- */
struct token_use {
	const char *issuer;     /* its name in the configuration */
	const char *repository; /* of the gate */
	const char *client;     /* the network of its address */
	int64_t expires_ms;     /* kept until then */
};
struct stored_token_use {
	char *repository, *client;
};
void stored_token_use_release(struct stored_token_use *u);
GG_DEFINE_AUTO_RELEASE(stored_token_use);
/* What the token of this hash is bound to; u where it was not yet. Among
 * several at once one wins, and all are told the same. */
GG_MUST_USE int
store_token_use(struct store *s, const char *hash, const struct token_use *u,
    struct stored_token_use *out, struct gg_error *err);

/* -- pushes -- */
struct stored_push {
	char *id; /* ULID */
	char *repository;
	char *principal;
	struct strv groups; /* the principal's at that time */
	/* What else is known of the principal: NULL, or principal_json()'s
	 * {"owner", "aliases", "issuer", "subject", "verified",
	 * "session_claims"}, each only where there is one. */
	json_t *identity;
	char *auth_method, *credential_id;
	char *client_addr, *client_agent;
	enum push_state state;
	int64_t created_ms;
	int64_t decided_ms, done_ms; /* 0: not yet */
	json_t *request;     /* {"atomic":bool,"options":[...],"caps":[...],
	                        "has_pack":bool,"pack_bytes":N,
	                        "pack_sha256":hex,"claimed":{...}} */
	json_t *updates;     /* decision_updates_json(); before a decision:
	                        [{"ref","old","new"}] */
	json_t *outcome;     /* NULL, or {"state","message",
	                        "refs":[{"ref","status","message"}]} */
	char *policy_digest; /* hex, "" before a decision */
	char *report_digest; /* hex SHA-256 of the report file, "" before */
	int64_t purged_ms; /* since then the recording is gone; 0: it is not */
	/* What it changes, UTF-8: written with a decision, for searches in the
	 * audit log; never read back. */
	struct strv paths;
	int64_t erase_ms; /* since then it is to go (store_recorded only) */
};
void stored_push_release(struct stored_push *p);
GG_DEFINE_AUTO_RELEASE(stored_push);
GG_MUST_USE int store_push_add(struct store *s, const struct stored_push *p,
    struct gg_error *err);
/* What a push keeps of its principal besides name and groups: a new reference,
 * NULL where there is nothing; and back (what is not there becomes NULL or
 * empty). */
json_t *push_identity(const struct principal *p);
void push_identity_read(const json_t *identity, struct principal *out);
/* Write state, request, updates, outcome, digests and times; only if the stored
 * state is `from`: GG_E_REFUSED otherwise. */
GG_MUST_USE int store_push_update(struct store *s, const struct stored_push *p,
    enum push_state from, struct gg_error *err);
GG_MUST_USE int store_push_get(struct store *s, const char *id,
    struct stored_push *out, struct gg_error *err);

struct store_query {
	const char *repository, *principal, *ref, *state; /* NULL: any */
	int64_t since_ms, until_ms;                       /* 0: open */
	const char *cursor; /* NULL: from the newest */
	size_t limit;       /* at most 200; 0: 50 */
	/* Somewhere in the row, whatever the case of ASCII letters: finds all
	 * that have it in a name, ref, message or path, and some others. */
	const char *text;
	const char *rule; /* is among the reasons of an update */
	/* For holds only: open ones (pending, approved) or the others; asked: a
	 * name, of a group or of a person, of whom one is in a need (finds
	 * some others, too); not_of: neither its pusher nor a reviewer. */
	enum { STORE_ALL, STORE_OPEN, STORE_DONE } phase;
	const struct strv *asked;
	const char *not_of;
};
typedef int (*store_push_cb)(void *ctx, const struct stored_push *p);
/* Newest first. next: id to go on from, "" at the end. */
GG_MUST_USE int store_push_list(struct store *s, const struct store_query *q,
    store_push_cb cb, void *ctx, char next[ULID_SIZE], struct gg_error *err);
/*
 * Refs that pushes of ours may have moved upstream: those under way (allowed,
 * or approved holds), and those that upstream took and that ended at or after
 * since_ms. done_ms: when it ended, 0: it is under way. A non-zero return of
 * cb stops it and is passed on.
 */
typedef int (*store_move_cb)(void *ctx, const char *ref, const char *old_hex,
    const char *new_hex, int64_t done_ms);
GG_MUST_USE int store_push_moves(struct store *s, const char *repository,
    int64_t since_ms, store_move_cb cb, void *ctx, struct gg_error *err);
/* Every push that is receiving or forwarding, oldest first: for recovery. */
GG_MUST_USE int store_push_unfinished(struct store *s, store_push_cb cb,
    void *ctx, struct gg_error *err);
/* Every push to this repository that is receiving, forwarding or held. */
GG_MUST_USE int store_push_open(struct store *s, const char *repository,
    store_push_cb cb, void *ctx, struct gg_error *err);

/* -- how long recordings stay (role/gate_retention.h) -- */
/*
 * Pushes whose recording is not removed yet, by id from behind `after`, at
 * most limit. updates and outcome are not read; erase_ms is.
 */
GG_MUST_USE int store_recorded(struct store *s, const char *after, size_t limit,
    store_push_cb cb, void *ctx, struct gg_error *err);
/*
 * What is being removed, from before the first of it until after the last: a
 * JSON object with an array "pushes" of objects with a "push". Nothing is
 * begun, and *kept true, where one of them must stay by now.
 */
GG_MUST_USE int store_cut_begin(struct store *s, const json_t *cut, bool *kept,
    struct gg_error *err);
/* GG_E_NOTFOUND: nothing is being removed. */
GG_MUST_USE int
store_cut_get(struct store *s, json_t **cut, struct gg_error *err);
GG_MUST_USE int store_cut_end(struct store *s, struct gg_error *err);
/* Their recordings are gone, and so are their provenance records. */
GG_MUST_USE int store_recording_gone(struct store *s, const struct strv *ids,
    int64_t now_ms, struct gg_error *err);
/* Is there a row of this push, and since when is its recording gone (0: it is
 * not)? GG_E_NOTFOUND. */
GG_MUST_USE int store_recording_state(struct store *s, const char *id,
    int64_t *purged_ms, struct gg_error *err);
/* Is a push to the repository from before this time still recorded? In doubt
 * true. */
GG_MUST_USE int store_recorded_before(struct store *s, const char *repository,
    int64_t time_ms, bool *any, struct gg_error *err);
/* Is there a legal hold on the repository, or on one of its pushes? In doubt
 * true. */
GG_MUST_USE int store_repository_is_kept(struct store *s,
    const char *repository, bool *kept, struct gg_error *err);
/* Does a recording need the policy of this digest? */
GG_MUST_USE int store_policy_is_used(struct store *s, const char *digest,
    bool *used, struct gg_error *err);

/* What may not be removed, whatever retention says: one push, or all of a
 * repository that came between two times. */
struct stored_keep {
	char *id;                   /* ULID */
	char *push_id, *repository; /* one of them; "" the other */
	int64_t since_ms, until_ms; /* of a repository's pushes; 0: open */
	char *reason;
	int64_t created_ms, released_ms; /* released 0: in force */
};
void stored_keep_release(struct stored_keep *k);
GG_DEFINE_AUTO_RELEASE(stored_keep);
/* GG_E_UNAVAILABLE while recordings are being removed: whether this would keep
 * one of them cannot be told until they are gone. */
GG_MUST_USE int store_keep_add(struct store *s, const struct stored_keep *k,
    struct gg_error *err);
/* GG_E_NOTFOUND, or GG_E_REFUSED when it was released already. */
GG_MUST_USE int store_keep_end(struct store *s, const char *id, int64_t now_ms,
    struct gg_error *err);
typedef int (*store_keep_cb)(void *ctx, const struct stored_keep *k);
/* Newest first, released ones too; push NULL: all. */
GG_MUST_USE int store_keep_list(struct store *s, const struct stored_push *push,
    store_keep_cb cb, void *ctx, struct gg_error *err);
GG_MUST_USE int store_push_is_kept(struct store *s, const struct stored_push *p,
    bool *kept, struct gg_error *err);

/* -- holds -- */
struct stored_review {
	char *reviewer, *comment;
	bool approve;
	int64_t time_ms;
	struct strv groups;  /* the reviewer's at that time */
	struct strv aliases; /* and further verified names */
	bool machine;        /* which are those of whom it acts for */
};
struct stored_hold {
	char *id; /* ULID */
	char *push_id;
	char *repository, *principal;
	enum hold_state state;
	int64_t created_ms, expires_ms, closed_ms;
	json_t *updates; /* as the push's */
	json_t *needs;   /* decision_needs_json() */
	json_t *outcome; /* NULL, or {"state","message",...} */
	char *key;       /* identity of the request: hex SHA-256 over
	                      principal, repository, sorted (ref,old,new) */
	char *report_digest, *policy_digest;
	struct stored_review *reviews; /* oldest first */
	size_t n_reviews;
	uint32_t attempts; /* of forwarding */
};
void stored_hold_release(struct stored_hold *h);
GG_DEFINE_AUTO_RELEASE(stored_hold);
/*
 * Open a hold and mark its push PUSH_HELD (from PUSH_RECEIVING) in one
 * transaction. Pending holds of the same principal and repository that touch
 * one of the same refs become superseded, their pushes aborted; their ids go
 * to superseded. A
 * pending hold with the same key: GG_E_EXISTS, nothing changed, its id in
 * existing.
 */
GG_MUST_USE int store_hold_open(struct store *s, const struct stored_hold *h,
    const struct stored_push *p, struct strv *superseded,
    char existing[ULID_SIZE], struct gg_error *err);
GG_MUST_USE int store_hold_get(struct store *s, const char *id,
    struct stored_hold *out, struct gg_error *err);
/* The hold of a push; GG_E_NOTFOUND. */
GG_MUST_USE int store_hold_of_push(struct store *s, const char *push_id,
    struct stored_hold *out, struct gg_error *err);
/* The pending or approved hold with this key; GG_E_NOTFOUND. */
GG_MUST_USE int store_hold_find_key(struct store *s, const char *key,
    struct stored_hold *out, struct gg_error *err);
/*
 * Add a review and move pending -> next in one transaction (next may be
 * HOLD_PENDING: not enough yet; HOLD_REJECTED: the push is denied). GG_E_REFUSED when it is no longer pending
 * or n_reviews changed meanwhile (expected_reviews: the caller counted the
 * quorum on that many); GG_E_EXISTS when this reviewer has reviewed already.
 */
GG_MUST_USE int store_hold_review(struct store *s, const char *id,
    const struct stored_review *r, size_t expected_reviews,
    enum hold_state next, int64_t now_ms, struct gg_error *err);
/* Move from -> to, with the outcome (may be NULL) and, where push_to is not
 * PUSH_STATE_COUNT, the push's state and the same outcome. GG_E_REFUSED when
 * the state is not `from`. */
GG_MUST_USE int store_hold_move(struct store *s, const char *id,
    enum hold_state from, enum hold_state to, json_t *outcome,
    enum push_state push_to, int64_t now_ms, struct gg_error *err);
GG_MUST_USE int
store_hold_attempted(struct store *s, const char *id, struct gg_error *err);
typedef int (*store_hold_cb)(void *ctx, const struct stored_hold *h);
GG_MUST_USE int store_hold_list(struct store *s, const struct store_query *q,
    store_hold_cb cb, void *ctx, char next[ULID_SIZE], struct gg_error *err);
/*
 * Has what an entry of the log ("hold.opened", "hold.review", "hold.closed")
 * says of this hold come to be? The log is written first; an entry that the
 * store then refused is void.
 */
bool hold_entry_is_true(const json_t *entry, const struct stored_hold *h);
/* One that is not true yet: is it so new that the store may still follow? */
bool hold_entry_may_follow(const json_t *entry);
/* Ids of approved holds, and of pending ones with expires_ms <= now. */
GG_MUST_USE int store_hold_due(struct store *s, int64_t now_ms,
    struct strv *approved, struct strv *expired, struct gg_error *err);
/* Pending holds on one (repository, ref) whose old oid is not cur_hex: ids
 * (they are stale now). */
GG_MUST_USE int
store_hold_stale(struct store *s, const char *repository, const char *ref,
    const char *cur_hex, struct strv *ids, struct gg_error *err);
/* A repository that pushes were made to. */
struct stored_repository {
	const char *name, *last_push; /* the newest push's id; borrowed */
	uint64_t open_holds;
};
typedef int (*store_repository_cb)(void *ctx,
    const struct stored_repository *r);
/* By name, at most `most` of them. */
GG_MUST_USE int store_repository_list(struct store *s, size_t most,
    store_repository_cb cb, void *ctx, struct gg_error *err);
/* How many are pending (metrics). */
GG_MUST_USE int
store_hold_count(struct store *s, uint64_t *pending, struct gg_error *err);

/* -- secrets that a reviewer has said are none (model/report.h findings) -- */
struct stored_allowance {
	char *id;          /* ULID */
	char *fingerprint; /* 64 hex */
	char *repository;
	char *reviewer, *comment;
	int64_t created_ms, expires_ms; /* in force from one to the other */
	int64_t revoked_ms;             /* 0: not */
	char *revoker;                  /* "" before */
};
void stored_allowance_release(struct stored_allowance *a);
GG_DEFINE_AUTO_RELEASE(stored_allowance);
GG_MUST_USE int store_allowance_add(struct store *s,
    const struct stored_allowance *a, struct gg_error *err);
GG_MUST_USE int store_allowance_get(struct store *s, const char *id,
    struct stored_allowance *out, struct gg_error *err);
/* GG_E_REFUSED when it is revoked already. */
GG_MUST_USE int store_allowance_revoke(struct store *s, const char *id,
    const char *revoker, int64_t now_ms, struct gg_error *err);
typedef int (*store_allowance_cb)(void *ctx, const struct stored_allowance *a);
/* Newest first, ended ones too; repository NULL: of all. next: id to go on
 * from (cursor, NULL at first), "" at the end. limit 0: 50. */
GG_MUST_USE int store_allowance_list(struct store *s, const char *repository,
    const char *cursor, size_t limit, store_allowance_cb cb, void *ctx,
    char next[ULID_SIZE], struct gg_error *err);
/* Fingerprints that were in force for a repository at a time, each once. */
GG_MUST_USE int
store_allowance_in_force(struct store *s, const char *repository, int64_t at_ms,
    struct strv *out, struct gg_error *err);
/* Remember who pushed what was found: nobody allows a finding of their own.
 * Idempotent. */
GG_MUST_USE int store_finding_pushed(struct store *s, const char *repository,
    const char *principal, const char *push_id, const struct strv *fingerprints,
    struct gg_error *err);
/* The pushers of a finding to a repository, added to out. */
GG_MUST_USE int store_finding_pushers(struct store *s, const char *repository,
    const char *fingerprint, struct strv *out, struct gg_error *err);

/* -- notices on their way (role/gate_notices.h) -- */
enum notice_state { NOTICE_DUE, NOTICE_DELIVERED, NOTICE_FAILED };
const char *notice_state_name(enum notice_state s);
bool notice_state_parse(struct view v, enum notice_state *out);
struct stored_notice {
	char *id;      /* ULID; the same at every try */
	int64_t entry; /* index in the audit log; -1: asked for by hand */
	char *target, *event, *hold_id;
	char *subject, *body;
	int64_t created_ms, next_ms;
	uint32_t attempts;
	enum notice_state state;
	int64_t done_ms; /* 0: due */
	char *last_error;
};
void stored_notice_release(struct stored_notice *n);
GG_DEFINE_AUTO_RELEASE(stored_notice);
/* Add n notices (one per entry and target: a second one is passed over) and
 * remember how far the log was read, in one transaction. cursor_key NULL: add
 * only. */
GG_MUST_USE int store_notice_add(struct store *s, const struct stored_notice *v,
    size_t n, const char *cursor_key, const char *cursor, struct gg_error *err);
typedef int (*store_notice_cb)(void *ctx, const struct stored_notice *n);
/* Of those whose time has come the oldest of each target. */
GG_MUST_USE int store_notice_due(struct store *s, int64_t now_ms, size_t limit,
    store_notice_cb cb, void *ctx, struct gg_error *err);
/* One more try was made: what became of it, and when the next one is due. */
GG_MUST_USE int
store_notice_tried(struct store *s, const char *id, enum notice_state state,
    int64_t next_ms, const char *error, int64_t now_ms, struct gg_error *err);
/* Make it due again, whatever became of it. */
GG_MUST_USE int store_notice_replay(struct store *s, const char *id,
    int64_t now_ms, struct gg_error *err);
/* Newest first; state "" or NULL: all. next as in store_allowance_list(). */
GG_MUST_USE int store_notice_list(struct store *s, const char *state,
    const char *cursor, size_t limit, store_notice_cb cb, void *ctx,
    char next[ULID_SIZE], struct gg_error *err);
/* Forget what ended before. */
GG_MUST_USE int store_notice_purge(struct store *s, int64_t delivered_before_ms,
    int64_t failed_before_ms, struct gg_error *err);
GG_MUST_USE int store_notice_count(struct store *s, enum notice_state state,
    uint64_t *n, struct gg_error *err);

/* -- delivery of the audit log (role/gate_delivery.h): a cursor per target -- */
struct stored_delivery {
	char *name;
	uint64_t next;        /* the first entry that has not arrived */
	int64_t generation;   /* counts what admins did to the cursor */
	uint32_t attempts;    /* that failed, since the last one that did not */
	int64_t retry_ms;     /* not before; 0: at once */
	int64_t delivered_ms; /* the last time; 0: never */
	int64_t failing_ms;   /* since when; 0: it does not fail */
	bool refused;         /* the target says that it never will take it */
	char *last_error;     /* "": none */
	/* by the index over the log: entries from next on, and when that one
	 * was made (0: there is none yet) */
	uint64_t behind;
	int64_t oldest_ms;
};
void stored_delivery_release(struct stored_delivery *d);
GG_DEFINE_AUTO_RELEASE(stored_delivery);
typedef int (*store_delivery_cb)(void *ctx, const struct stored_delivery *d);
/* For people and scripts: "name", "kind", "state" (delivering, retrying,
 * refused, not configured), "cursor", "behind", "oldest", "delivered",
 * "failing_since", "next_try", "attempts", "error". t NULL: not configured. New
 * reference. */
json_t *stored_delivery_json(const struct stored_delivery *d,
    const struct delivery_target *t);
/* All, by name. */
GG_MUST_USE int store_delivery_each(struct store *s, store_delivery_cb cb,
    void *ctx, struct gg_error *err);
/* A new target; one that is there stays as it is. */
GG_MUST_USE int store_delivery_add(struct store *s, const char *name,
    uint64_t next, struct gg_error *err);
/* [from, to) arrived; or was passed over, since the target does not want it.
 * GG_E_STALE: the cursor is elsewhere by now, and stays. */
GG_MUST_USE int
store_delivery_arrived(struct store *s, const char *name, int64_t generation,
    uint64_t from, uint64_t to, int64_t now_ms, struct gg_error *err);
GG_MUST_USE int store_delivery_passed(struct store *s, const char *name,
    int64_t generation, uint64_t from, uint64_t to, struct gg_error *err);
/* One try failed; the next one is not before retry_ms. */
GG_MUST_USE int store_delivery_failed(struct store *s, const char *name,
    int64_t generation, bool refused, int64_t retry_ms, const char *error,
    int64_t now_ms, struct gg_error *err);
/* An admin's acts. GG_E_NOTFOUND. */
GG_MUST_USE int store_delivery_set(struct store *s, const char *name,
    uint64_t next, struct gg_error *err);
GG_MUST_USE int
store_delivery_retry(struct store *s, const char *name, struct gg_error *err);
GG_MUST_USE int
store_delivery_forget(struct store *s, const char *name, struct gg_error *err);

/* -- grants: approvals and access in advance (docs/identity.md) -- */
struct stored_grant {
	char *id; /* ULID */
	char *principal, *asked_by;
	char *entry;   /* of policy's `grants:`; "" for one of a hold */
	char *hold_id; /* "" unless reviewers gave it with a hold */
	char *owner;   /* the person that asked_by acts for, or "" */
	char *reason;
	enum grant_state state;
	struct grant_scope scope;
	uint32_t required; /* approvals, from one of these groups */
	struct strv from;
	int64_t for_ms; /* how long it is active */
	int64_t created_ms, active_ms, expires_ms, closed_ms;
	char *closer; /* who ended it, "" for nobody */
	uint64_t uses;
	int64_t used_ms;
	struct stored_review *reviews; /* oldest first */
	size_t n_reviews;
};
void stored_grant_release(struct stored_grant *g);
GG_DEFINE_AUTO_RELEASE(stored_grant);
/* A new one with its reviews. GG_E_LIMIT where the principal, or who asks for
 * others, has `most` open ones already. */
GG_MUST_USE int store_grant_add(struct store *s, const struct stored_grant *g,
    size_t most, struct gg_error *err);
GG_MUST_USE int store_grant_get(struct store *s, const char *id,
    struct stored_grant *out, struct gg_error *err);
/* The asked or active grant that came with a hold; GG_E_NOTFOUND. */
GG_MUST_USE int store_grant_of_hold(struct store *s, const char *hold_id,
    struct stored_grant *out, struct gg_error *err);
/*
 * Add a review and move asked -> next (GRANT_ASKED: not enough yet; active:
 * until expires_ms) in one transaction. GG_E_REFUSED when it is no longer
 * asked or has other than expected reviews; GG_E_EXISTS when this reviewer
 * has reviewed already.
 */
GG_MUST_USE int store_grant_review(struct store *s, const char *id,
    const struct stored_review *r, size_t expected, enum grant_state next,
    int64_t expires_ms, struct gg_error *err);
/* Move from -> to. expires_ms: of an active one. GG_E_REFUSED when the state
 * is not `from`. */
GG_MUST_USE int store_grant_move(struct store *s, const char *id,
    enum grant_state from, enum grant_state to, const char *closer,
    int64_t now_ms, int64_t expires_ms, struct gg_error *err);
typedef int (*store_grant_cb)(void *ctx, const struct stored_grant *g);
/* Newest first; principal and state NULL or "": any. next as elsewhere. */
GG_MUST_USE int store_grant_list(struct store *s, const char *principal,
    const char *state, const char *cursor, size_t limit, store_grant_cb cb,
    void *ctx, char next[ULID_SIZE], struct gg_error *err);
struct stored_grants {
	struct stored_grant *v;
	size_t n;
};
void stored_grants_release(struct stored_grants *l);
GG_DEFINE_AUTO_RELEASE(stored_grants);
/* The principal's that are active at that time, oldest first. */
GG_MUST_USE int store_grant_active(struct store *s, const char *principal,
    int64_t now_ms, struct stored_grants *out, struct gg_error *err);
/* Would store_grant_add() find room? 0 or GG_E_LIMIT. */
GG_MUST_USE int store_grant_room(struct store *s, const struct stored_grant *g,
    size_t most, struct gg_error *err);
/* They decide something now: counted, all or none. GG_E_REFUSED when one is
 * no longer active. */
GG_MUST_USE int store_grant_used(struct store *s, const struct strv *ids,
    int64_t now_ms, struct gg_error *err);
/* Ids of open ones whose time is over, and of asked ones that came with a
 * hold. */
GG_MUST_USE int store_grant_due(struct store *s, int64_t now_ms,
    struct strv *over, struct strv *of_holds, struct gg_error *err);

/* -- index over the audit log (the log itself is the truth) -- */
struct audit_query {
	const char *repository, *ref, *principal, *type, *push; /* NULL: any */
	const char *verdict, *hold;
	const char *reviewer, *rule; /* one of the entry's */
	/* That the push changes (as far as stored_push.paths goes), a
	 * directory above ("src/"), or a glob as in policies: the entries of
	 * such pushes. */
	const char *path;
	bool movements; /* only: upstream's ref moved, or was to move */
	int64_t since_ms, until_ms; /* 0: open */
	uint64_t cursor;            /* entries with index < cursor; 0: newest */
	size_t limit;               /* at most 1000; 0: 100 */
	bool oldest_first;          /* then cursor means index > cursor - 1 */
};
/* Index one entry (idempotent). Fields are read from the JSON. */
GG_MUST_USE int store_audit_add(struct store *s, uint64_t index,
    const char *json, size_t n, struct gg_error *err);
/* Number of entries indexed without a gap from 0. */
GG_MUST_USE int
store_audit_indexed(struct store *s, uint64_t *n, struct gg_error *err);
typedef int (*store_audit_cb)(void *ctx, uint64_t index, const char *json);
/* GG_E_INPUT: path is a bad glob, or one that would be compared with too much;
 * verdict is no verdict; type is a glob.
 * A non-zero return of cb stops it and is passed on. */
GG_MUST_USE int store_audit_query(struct store *s, const struct audit_query *q,
    store_audit_cb cb, void *ctx, uint64_t *next, struct gg_error *err);

/*
 * Every value that a ref had, as far as the log knows, newest first: appends
 * {"seq","time","how","old","new","kind","principal","push","hold","reviewers",
 * "gap","claimed"} to steps. how: "push" or "out-of-band"; gap: the value before is not
 * the old one, and how it came to be is not in the log. *next: cursor to go on
 * with, 0 at the end. limit as in an audit_query.
 */
GG_MUST_USE int store_audit_timeline(struct store *s, const char *repository,
    const char *ref, uint64_t cursor, size_t limit, json_t *steps,
    uint64_t *next, struct gg_error *err);

/* -- administrators' acts, on their way to the audit log -- */
/* The command line cannot append to the log (the gate holds its lock): it
 * leaves the entry here, in the transaction order of ULIDs. entry: a JSON
 * object, borrowed. */
GG_MUST_USE int
store_admin_act_add(struct store *s, const json_t *entry, struct gg_error *err);
/* The same, in one transaction with the next durable change that this store
 * makes: the act is noted if and only if it happened. For a program with one
 * thread. */
GG_MUST_USE int store_admin_act_next(struct store *s, const json_t *entry,
    struct gg_error *err);
/* cb must make the entry (borrowed, may be changed) durable in the log and
 * return 0; then the row is removed. At most 100 per call, oldest first. A
 * crash between the two logs an act twice, never not at all. Stops at the
 * first non-zero return and passes it on. */
typedef int (*store_act_cb)(void *ctx, json_t *entry);
GG_MUST_USE int store_admin_act_take(struct store *s, store_act_cb cb,
    void *ctx, struct gg_error *err);

/* -- small facts: mirrors' snapshots, the last checkpoint, ... -- */
GG_MUST_USE int store_meta_set(struct store *s, const char *key,
    const char *value, struct gg_error *err);
GG_MUST_USE int store_meta_get(struct store *s, const char *key, char **value,
    struct gg_error *err);

#endif
