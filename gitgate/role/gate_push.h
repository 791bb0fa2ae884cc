/* A push in hand, between the gate's files. */
#ifndef GITGATE_ROLE_GATE_PUSH_H
#define GITGATE_ROLE_GATE_PUSH_H

#include "base/log.h"
#include "proto/receive_request.h"
#include "role/gate.h"
#include "role/kept_refs.h"
#include "role/recorded.h"

/* -- what the pusher is told (gate_client.c) -- */

/* The answer to one receive-pack request. Once opened it must be ended. */
struct client {
	struct http_stream *stream; /* NULL: not opened, or ended */
	enum report_kind report;
	bool side_band;
};

/* The fate of one ref in the report. */
struct ref_status {
	const char *refname; /* borrowed */
	bool ok;
	char *reason;        /* after ng: begins with a word of DESIGN 14 */
	struct strv options; /* report-status-v2 option lines */
};
struct ref_statuses {
	struct ref_status *v; /* one per ref update, same order */
	size_t n;
};
void ref_statuses_release(struct ref_statuses *s);
GG_DEFINE_AUTO_RELEASE(ref_statuses);
void ref_statuses_init(struct ref_statuses *s, const struct ref_updates *u);
/* All refs: not ok, for this reason. */
void ref_statuses_refuse(struct ref_statuses *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void ref_status_set(struct ref_status *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Begin the answer (200, application/x-git-receive-pack-result). */
void client_open(struct client *c, struct http_request *rq);
/* One line for the person, on sideband 2; without sideband nothing. */
void client_say(struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Upstream's own text, as it comes. */
void client_relay(struct client *c, struct view text);
/* The report, then the end. */
void client_end(struct client *c, const struct ref_statuses *s);
bool client_gone(const struct client *c);

/* -- a push -- */

struct push {
	struct gate *gate;
	struct git_request who;
	struct stored_push rec; /* what the store knows of it */
	struct ref_updates updates;
	struct strv options; /* push options for upstream */
	bool atomic;
	bool has_pack;
	bool admitted;   /* counts among the pushes in hand */
	int64_t wait_ms; /* asked by option; -1: the rule's */
	bool dry_run;    /* asked by option: only say what would be */
	struct strv shallow;
	struct client client;
	char *dir;                      /* pushes/<id> */
	char *quarantine;               /* quarantine/<id> */
	struct shared_advert *upstream; /* receive-pack's view */
	struct shared_advert *has;      /* with what the gate keeps: of */
	int64_t kept_version;           /* this version */
	bool kept_is_base;              /* role/kept_refs.h */
	bool trusts_mirror;             /* all that is in it is a base */
	uint64_t n_fed;                 /* the mirror's, before `has` */
	uint64_t n_repacks;             /* so, too */
	unsigned char *places;          /* kept_places() */
	struct shared_advert *seen; /* upload-pack's view: which are symbolic */
	const char **symref_targets; /* per update, of seen, or NULL */
	int inspector;               /* socket, -1: none */
	struct change_report *report;
	json_t *records; /* of provenance, that the report holds */
	struct decision *decision;
};
void push_release(struct push *p);
/* It no longer counts among the pushes in hand. Called before the client hears
 * the end: who pushes one after the other never meets his own last push. */
void push_leave(struct push *p);
GG_DEFINE_AUTO_RELEASE(push);
/* This happens to the push now: kept in request.timings (docs/formats.md). */
void push_mark(struct push *p, const char *what);

/* -- gate_push_refs.c -- */
/* Read upstream's refs now and keep them for the POST that follows. *out: a
 * new reference. */
GG_MUST_USE int
push_read_upstream(struct gate *g, const struct git_request *who,
    struct shared_advert **out, struct gg_error *err);
/* upstream and has: as at info/refs, or newer; and the mirror up to date. */
GG_MUST_USE int push_get_upstream(struct push *p, struct gg_error *err);
/* Old oids must be the present values; hidden refs do not exist. */
GG_MUST_USE int push_check_updates(struct push *p, struct gg_error *err);
/* symref_targets; a ref that stands for a hidden one is refused. */
GG_MUST_USE int push_find_symrefs(struct push *p, struct gg_error *err);

/* -- gate_judge.c -- */
/* Give the job to an inspector; pack_file: the growing pack. */
GG_MUST_USE int push_begin_inspection(struct push *p, const char *pack_file,
    struct gg_error *err);
/* The pack is whole (n bytes): wait for the report. */
GG_MUST_USE int push_end_inspection(struct push *p, uint64_t n, char **limit,
    struct gg_error *err);
/* Have the inspector write the diff for the review page. */
GG_MUST_USE int push_write_diff(struct push *p, struct gg_error *err);
/* Judge and act: forwards, holds or denies, and answers the client. */
void push_decide(struct push *p);
/* What made a rule match, for the person at the other end. */
void push_say_reasons(struct push *p);
void push_match_words(const struct match *m, struct buf *out);
const char *
push_denying_rule(const struct ref_decision *r, const char **message);
/* Refuse before policy: answer, record, clean up. limit may be "". */
void push_refuse(struct push *p, enum push_state state, const char *limit,
    const struct gg_error *why);

/* -- gate_paths.c -- */
/* Which paths of the report the push is found by in the log, once it is
 * decided. */
GG_MUST_USE int push_note_paths(struct push *p, struct gg_error *err);

/* -- gate_findings.c -- */
/* Fingerprints in force for the push's repository; none are looked up for a
 * push without findings. */
GG_MUST_USE int push_allowed_findings(const struct push *p, int64_t now_ms,
    struct strv *out, struct gg_error *err);
/* Remember the pusher of what is not allowed: before the answer names it. */
GG_MUST_USE int push_note_findings(const struct push *p,
    const struct strv *allowed, struct gg_error *err);
/* Fingerprints of what rules found, and how one is allowed. */
void push_say_findings(struct push *p);

/* -- gate_dry_run.c -- */
/* Say what policy would do; forward and hold nothing. */
void push_say_verdict(struct push *p);

/* -- gate_forward.c -- */
enum forward_state {
	FORWARD_DONE,        /* every ref ok */
	FORWARD_REFUSED,     /* upstream refused one or more */
	FORWARD_STALE,       /* upstream had moved; nothing was done */
	FORWARD_UNAVAILABLE, /* nothing was done; may be tried again */
	FORWARD_UNKNOWN,     /* cannot be told now; recovery will */
};
struct forward {
	struct gate *gate;
	const struct snapshot *snap;
	const struct repo_ref *repo;
	const char *push_id;
	const struct ref_updates *updates;
	const struct strv *options;
	bool atomic, has_pack;
	void (*text)(void *ctx, struct view text);
	void *ctx;
	bool in_doubt; /* a relay of it may still be on its way: a ref at its
	                * old value says nothing yet */
};
/*
 * Relay a recorded push and find out what happened, whatever goes wrong
 * between. statuses (initialised by the caller) get the truth per ref;
 * message a sentence.
 */
enum forward_state forward_run(const struct forward *f,
    struct ref_statuses *statuses, struct gg_error *message);
/* Compare upstream with what the push wanted. settle: after any relay that
 * is still in flight. */
enum forward_state forward_compare(const struct forward *f, bool settle,
    struct ref_statuses *statuses, struct gg_error *message);
/* {"state","message","refs":[{"ref","status","message"}]}; of an unknown one
 * also "since_ms", wall clock. */
json_t *forward_outcome_json(enum forward_state state,
    const struct ref_statuses *s, const char *message);
/* Forward an allowed push: log, store, relay, log, store, tell. */
void push_forward(struct push *p);
/* After upstream said ok: mirror, stale holds, quarantine. */
void forward_settled(struct gate *g, const struct snapshot *snap,
    const char *repository, const char *push_id,
    const struct ref_updates *updates);

/* -- gate_keep.c: the same for what stays at the gate -- */
struct keep {
	struct gate *gate;
	const struct snapshot *snap;
	const char *repository, *push_id, *principal;
	const struct ref_updates *updates;
	int64_t seen; /* the version of kept refs that policy looked at, -1:
	                 an older one */
	uint64_t n_repacks; /* of the mirror, before that; UINT64_MAX: many */
};
/* Keep a push whose quarantine is there; FORWARD_UNKNOWN: the store did not
 * say. Again for the same push: nothing is done twice. */
enum forward_state keep_run(const struct keep *k, struct ref_statuses *statuses,
    struct gg_error *message);
/* Was it kept? FORWARD_DONE, FORWARD_UNAVAILABLE (no), FORWARD_UNKNOWN. */
enum forward_state keep_compare(const struct keep *k,
    struct ref_statuses *statuses, struct gg_error *message);
/* After the outcome is recorded: mirror, stale holds, quarantine. */
void keep_settled(const struct keep *k);
/* `result` of an entry keep.result. */
const char *keep_result_word(enum forward_state state);
/* As forward_outcome_json(); its state is "kept" where it was. */
json_t *keep_outcome_json(enum forward_state state,
    const struct ref_statuses *s, const char *message);
/* An allowed push that policy keeps: log, store, log, tell. */
void push_keep(struct push *p);

/* -- gate_settle.c: an allowed push, to its end -- */
/* What differs between the two ways that it may go: upstream, or kept. */
struct settling {
	const char *intent, *result; /* types of its entries in the log */
	enum push_state done;
	enum log_event_id event; /* logged when it is done */
	enum metric metric;      /* and counted */
	/* Do it; each with the ctx that push_settle() got. */
	enum forward_state (*run)(void *ctx, struct ref_statuses *statuses,
	    struct gg_error *message);
	/* It is done, and all that is to know it does. */
	void (*settled)(void *ctx);
	/* What the store keeps of the end; new reference. */
	json_t *(*outcome)(enum forward_state state,
	    const struct ref_statuses *s, const char *message);
	/* The end of one ref, into an entry `result`. */
	void (*add_result)(json_t *entry, enum forward_state state,
	    const struct ref_status *s);
	/* To the client when it is done; may be NULL. */
	void (*say)(struct push *p);
	/* Names of the places between its steps (base/failpoint.h). */
	const char *at_decided, *at_intended, *at_run, *at_recorded;
};
/* Log and store what is intended, do it, log and store what came of it, then
 * tell the client. */
void push_settle(struct push *p, const struct settling *way, void *ctx);

/* -- gate_inbox.c: for lists (web/web.h) -- */
GG_MUST_USE int gate_may_review_listed(void *ctx, const struct stored_hold *h,
    const struct stored_push *p, const struct principal *who, uint64_t *budget,
    struct gg_error *err);
void gate_mirror_names(void *ctx, const struct config *c, size_t most,
    struct strv *out);
void gate_mirror_state(void *ctx, const struct config *c, const char *name,
    struct mirror_state *out);

/* -- gate_hold.c -- */
void push_hold(struct push *p);

/* -- gate_hold_review.c -- */
GG_MUST_USE int gate_review(void *ctx, const char *hold_id,
    const struct principal *reviewer, const char *client_addr, bool approve,
    const char *comment, struct gg_error *err);
GG_MUST_USE int gate_may_review(void *ctx, const char *hold_id,
    const struct principal *reviewer, struct gg_error *err);

/* -- gate_hold_end.c -- */
GG_MUST_USE int
gate_withdraw(void *ctx, const char *hold_id, const struct principal *who,
    const char *client_addr, const char *comment, struct gg_error *err);
/* The end of a hold without a forward: log, quarantine, waiting clients. */
void hold_ended(struct gate *g, const struct stored_hold *h,
    enum hold_state state, const char *reason);
/* Every second: expiry, approved ones. */
void holds_tick(struct gate *g);
/* Pending holds on these refs whose old oid is no longer upstream's. */
void holds_mark_stale(struct gate *g, const char *repository,
    const struct ref_updates *updates);

/* -- gate_hold_entry.c -- */
/* Entry of a type with the fields of a hold; new reference. */
json_t *audit_of_hold(const char *type, const struct stored_hold *h);
/* hold.closed: a hold's end is in the log before it is in the store; new
 * reference. */
json_t *audit_of_closing(const struct stored_hold *h, enum hold_state state,
    const char *reason);
/* What it waits for ("needs"), and who has approved it ("reviewers"). */
void audit_add_needs(json_t *entry, const struct stored_hold *h);
void audit_add_reviewers(json_t *entry, const struct stored_hold *h);

/* -- gate_hold_recover.c -- */
/* This review was logged and did not come to be. */
void audit_void_review(struct gate *g, const struct stored_hold *h,
    const char *reviewer);
/* The same of a hold's end. */
void audit_void_closing(struct gate *g, const struct stored_hold *h);
/* At start: take back, in the log, the reviews and ends of pending holds that
 * were logged and never stored. */
void holds_void_unstored(struct gate *g);

/* -- gate_hold_forward.c -- */
/* Forward an approved hold on a worker. */
void hold_forward_later(struct gate *g, const char *hold_id);

/* -- gate_wait.c -- */
/* Clients that wait for a hold. */
GG_MUST_USE int waiters_new(struct waiters **out, struct gg_error *err);
/* Take over the client until the hold ends or mono_deadline_ms; false when
 * there are too many (the client stays the caller's). */
bool waiters_add(struct gate *g, const char *hold_id, const char *url,
    struct client *client, const struct ref_updates *updates,
    int64_t mono_deadline_ms);
void waiters_say(struct gate *g, const char *hold_id, struct view text);
/* The hold has ended so: tell and release all that wait for it. */
void waiters_end(struct gate *g, const char *hold_id,
    const struct ref_statuses *statuses);
void waiters_tick(struct gate *g);
/* Ask the store how the awaited holds stand: one that ended before its waiter
 * was listed, or by another process, is noticed so. */
void waiters_poll(struct gate *g);
void waiters_stop(struct gate *g);
size_t waiters_count(struct gate *g);

/* -- gate_hook.c: policy_hook; ctx is the gate -- */
/* Give a program in hooks-dir its input; 0 when it ended well. */
GG_MUST_USE int gate_tell_hook(struct gate *g, const char *program,
    struct view input, struct gg_error *err);
GG_MUST_USE int gate_ask_hook(void *ctx, const char *program,
    const json_t *input, struct hook_answer *out, struct gg_error *err);

/* -- gate_view.c -- */
GG_MUST_USE int gate_view(void *ctx, const struct stored_push *push,
    const struct view_ask *ask, struct buf *out, struct gg_error *err);

/* -- gate_preview.c -- */
GG_MUST_USE int gate_preview(void *ctx, const struct stored_push *push,
    json_t **out, struct gg_error *err);

/* -- gate_recover.c -- */
/* Close what earlier processes left open; what upstream must be asked for
 * on workers. Again and again: some answers come late. */
void recover(struct gate *g, bool at_start);

/* -- gate_audit.c -- */
/* Text from anywhere as JSON, never NULL: bytes that are no UTF-8 are replaced,
 * the rest behind max bytes is cut. New references. */
json_t *audit_text_cut(const char *s, size_t max);
json_t *audit_text_view(struct view v, size_t max);
json_t *audit_text(const char *s);  /* names and the like */
json_t *audit_words(const char *s); /* what a person or upstream said */
/* Entry of a type with the fields of a push; new reference. */
json_t *audit_of_push(const char *type, const struct stored_push *p);
/* ref.update entries (one per ref) with verdict and rules into v[]. */
json_t *audit_of_ref(const char *type, const struct stored_push *p,
    const struct ref_decision *r);
/* The same from an update as the store has it, of a hold or a push. */
json_t *audit_of_update(const char *type, const struct stored_push *p,
    const json_t *update);
/* Append and drop the references. On failure nothing may happen. */
GG_MUST_USE int
audit_write(struct gate *g, json_t **entries, size_t n, struct gg_error *err);
/* Where a failure changes nothing any more: write and log a failure. */
void audit_note(struct gate *g, json_t *entry);
/* Take admin acts of the command line into the log. */
void audit_drain(struct gate *g);

json_t *strv_to_json(const struct strv *s);

#endif
