/*
 * The gate process: what its parts share. One file per concern:
 *
 *	gate_main.c        start, frames of the supervisor, routes, stop
 *	gate_state.c       config and policy in force, repositories, admission
 *	gate_inspector.c   the pool of idle inspectors, talking to one
 *	gate_rules.c       secret rules: compiled when config is loaded
 *	gate_peer.c        requests to another role, and their answers
 *	gate_courier.c     requests to the courier
 *	gate_messenger.c   requests to the messenger
 *	gate_issuers.c     ID tokens: issuers' keys
 *	gate_token_use.c   ID tokens: each for one repository
 *	gate_mirror.c      keeping mirrors up to date
 *	gate_out_of_band.c  upstream moved, and not by us
 *	gate_known.c       what it had before
 *	gate_own_moves.c   what our pushes made of that
 *	gate_inbox.c       what lists of holds and repositories show
 *	gate_fetch.c       clone and fetch
 *	gate_receive.c     reading a push
 *	gate_intake.c      its body, as it arrives
 *	gate_push_refs.c   what the repository has when a push comes
 *	gate_judge.c       inspection and policy of a push
 *	gate_view.c        what reviewers ask of held objects
 *	gate_forward.c     sending upstream, and finding out what happened
 *	gate_kept.c        refs that the gate keeps: which, and their objects
 *	gate_keep.c        pushes of such refs
 *	gate_settle.c      log, do, log, tell: an allowed push to its end
 *	gate_hold.c        holds: how they begin
 *	gate_hold_review.c  how they are decided
 *	gate_hold_forward.c  what an approved one does
 *	gate_hold_end.c    how they end otherwise
 *	gate_hold_entry.c  what the log says of them
 *	gate_hold_recover.c  reviews that a crash left half done
 *	gate_wait.c        clients that wait for one
 *	gate_grants.c      grants: asked for, approved, ended
 *	gate_grant_hold.c  grants that come with the review of a hold
 *	gate_grant_use.c   grants at the moment of decision
 *	gate_grant_recover.c  changes of grants that a crash left half done
 *	gate_recover.c     closing what a crash left open
 *	gate_audit.c       entries of the audit log
 *	gate_client.c      what the pusher is told
 *	gate_limits.c      how often an address or a principal may ask
 *	gate_tls.c         the gate's certificate; those of clients
 *	gate_signin.c      people of OIDC providers
 *	gate_notices.c     who else is told
 *	gate_witness.c     who else signs the audit log
 *	gate_delivery.c    where the audit log goes
 *
 * Threads: the main thread reads the supervisor's frames; one each reads
 * the courier's and the messenger's; one ticks; requests run on the HTTP
 * server's workers. Locks are never held over a call that leaves the process,
 * but for repo_state.mutex's `running` flag, which is a lock made visible.
 */
#ifndef GITGATE_ROLE_GATE_H
#define GITGATE_ROLE_GATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/text.h"
#include "config/config.h"
#include "http/server.h"
#include "ipc/frame.h"
#include "model/hold.h"
#include "model/job.h"
#include "model/push.h"
#include "model/refname.h"
#include "model/report.h"
#include "model/verdict.h"
#include "policy/policy.h"
#include "proto/advert.h"
#include "proto/relay.h"
#include "role/inspection_order.h"
#include "store/auditlog.h"
#include "store/store.h"
#include "web/web.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* -- config and policy in force (gate_state.c) -- */

/* Immutable; counted, so that a push is judged by what it began with. */
struct snapshot {
	atomic_int refs;
	struct gate *gate;
	struct snapshot *next; /* all that somebody still holds */
	struct config *config;
	struct ruleset *ruleset;
	struct tlog_policy *witnesses; /* as in config, with their quorum */
	int rules_fd; /* compiled secret rules, 0: none (gate_rules.c) */
	char rules_digest[65];
};

/* An upstream advertisement, shared and immutable. */
struct shared_advert {
	atomic_int refs;
	struct advert *advert;
};

struct repo_state {
	char name[REPOSITORY_MAX_BYTES + 1];
	struct repo_state *next;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	/* what the mirror holds: upload-pack's view at the last refresh, and
	 * the refs that the gate keeps, in that version */
	struct shared_advert *seen;
	int64_t seen_kept;
	/* the gate's own, as last read from the store */
	struct shared_advert *kept;
	int64_t kept_version;
	size_t n_shadowed;  /* of them: names that upstream has, too */
	uint64_t n_fed;     /* times that kept packs went to the mirror */
	uint64_t n_repacks; /* and that it lost what no ref reached */
	/* receive-pack's view, when it was read, and whether the mirror was
	 * brought up to date after it */
	struct shared_advert *push_refs;
	int64_t push_refs_mono_ms;
	bool push_refs_mirrored;
	bool clean; /* MIRROR_DONE said so */
	uint32_t n_packs;
	/* one refresh at a time, shared by all who wait for it */
	bool running;
	/* the push_refs from before the one that runs; only compared */
	const struct shared_advert *running_after;
	uint64_t started, done; /* numbers of refreshes */
	int done_rc;
	struct gg_error done_err;
	int64_t refreshed_wall_ms;
	/* What the runner compares with (gate_out_of_band.c): the refs that
	 * were read last, when they were asked for, and of which upstream. */
	struct shared_advert *known;
	int64_t known_ms;
	char known_place[65];
	int64_t failed_wall_ms; /* 0: the last one did not fail */
};

enum metric {
	METRIC_PUSHES,
	METRIC_DENIED,
	METRIC_HELD,
	METRIC_FORWARDED,
	METRIC_FAILED,
	METRIC_INVALID,
	METRIC_ABORTED,
	METRIC_FETCHES,
	METRIC_REFRESHES,
	METRIC_AUTH_FAILURES,
	METRIC_NOTICES,
	METRIC_NOTICES_FAILED,
	METRIC_OUT_OF_BAND,
	METRIC_KEPT,
	METRIC_COUNT
};

struct peer;
struct gate_tls;
struct gate_limits;
struct inspectors;
struct saml_desk;
struct issuers;
struct waiters;
struct signin;

struct in_hand {
	struct in_hand *next;
	char principal[130];
	unsigned n;
};

struct gate {
	int supervisor; /* socket; frame_send is safe from any thread */
	const char *config_file;
	bool sandbox_required;
	pthread_mutex_t mutex; /* snap, repos, live, counts */
	struct snapshot *snap; /* in force; first of the list of all */
	struct repo_state *repos;
	struct strv live; /* ids of pushes and holds that a thread has in
	                        hand: recovery leaves them alone */
	struct in_hand *hands;
	unsigned n_pushes, n_fetches, n_views;
	unsigned n_refusals; /* pushes read only to be refused in git's words */
	struct store *store;
	struct auditlog *log;
	struct http_server *http;
	struct peer *courier, *messenger;
	struct gate_tls *tls;
	struct issuers *issuers;
	struct gate_limits *limits;
	struct inspectors *inspectors;
	struct saml_desk *saml;
	struct inspectors *hooks; /* runners on their way to whoever asked */
	struct waiters *waiters;
	struct signin *signin; /* OIDC providers, as far as they are known */
	struct notices *notices;
	struct witnesses *witnesses;
	struct deliveries *deliveries;
	unsigned char salt[JOB_SALT_BYTES]; /* of fingerprints */
	/* A frame that had to wait until the secret rules were compiled. */
	struct frame late;
	pthread_mutex_t review_mutex; /* one change of a hold at a time */
	pthread_mutex_t grant_mutex;  /* and one of a grant */
	/* Entries before this one took effect, whatever the store has of them
	 * (an older copy of the store that was accepted); 0: as usual. */
	uint64_t log_accepted;
	pthread_mutex_t index_mutex; /* of the index over the log */
	pthread_t ticker;
	atomic_bool stopping;
	atomic_bool recovered;
	bool index_behind; /* the store lacks entries of the log; index_mutex */
	atomic_ullong metrics[METRIC_COUNT];
	struct web_ops web;
};

/* The snapshot in force; give it back with snapshot_unref(). */
struct snapshot *gate_snapshot(struct gate *g);
void snapshot_unref(struct snapshot *s);
static inline void
snapshot_unrefp(struct snapshot **s)
{
	snapshot_unref(*s);
}
/* The one that this config or rule set (either may be NULL) belongs to. */
struct snapshot *gate_snapshot_of(struct gate *g, const struct config *c,
    const struct ruleset *rs);
#define GG_AUTO_SNAPSHOT \
	__attribute__((cleanup(snapshot_unrefp))) struct snapshot *
/* Read config text (policy_fd: that of the witness policy, or -1) and rules,
 * put them in force. GG_E_INPUT: the old one
 * stays. */
GG_MUST_USE int
gate_load(struct gate *g, int config_fd, int policy_fd, struct gg_error *err);

/* Take out of a message what is nobody's business outside: where our state
 * lies. */
void gate_hide_places(const struct config *c, char *msg);

struct shared_advert *shared_advert_new(struct advert *a); /* takes a */
struct shared_advert *shared_advert_ref(struct shared_advert *s);
void shared_advert_unref(struct shared_advert *s);
static inline void
shared_advert_unrefp(struct shared_advert **s)
{
	shared_advert_unref(*s);
}
#define GG_AUTO_ADVERT \
	__attribute__((cleanup(shared_advert_unrefp))) struct shared_advert *

/* The state of a repository, made on first use; lives as long as the gate. */
struct repo_state *gate_repo(struct gate *g, const char *name);

/* Admission (limits): 0 or GG_E_LIMIT; *limit is its key. Leave after. */
GG_MUST_USE int gate_enter_push(struct gate *g, const struct limits *l,
    const char *principal, const char **limit, struct gg_error *err);
void gate_leave_push(struct gate *g, const char *principal);
/* Would gate_enter_push() refuse now? */
bool gate_is_full(struct gate *g, const struct limits *l, const char *principal,
    const char **limit);
/* What a client is asked to wait where the gate is full: nobody knows. */
#define GATE_FULL_RETRY_S 10
/* A push that was not let in is read on a worker all the same, so that git
 * shows why. Few at once (false: no more), or they would take every worker. */
bool gate_enter_refusal(struct gate *g);
void gate_leave_refusal(struct gate *g);
GG_MUST_USE int
gate_enter_fetch(struct gate *g, const struct limits *l, struct gg_error *err);
void gate_leave_fetch(struct gate *g);
/* Mark an id as in hand; false: somebody has it already. */
bool gate_take_live(struct gate *g, const char *id);
void gate_drop_live(struct gate *g, const char *id);
static inline void
gate_count(struct gate *g, enum metric m)
{
	atomic_fetch_add(&g->metrics[m], 1);
}

/* -- secret rules (gate_rules.c) -- */
/*
 * Compile what the snapshot's rule set names, or share what `old` (may be
 * NULL) has. On the main thread: reads the supervisor's frames meanwhile.
 * GG_E_INPUT with file and line.
 */
GG_MUST_USE int gate_rules_load(struct gate *g, struct snapshot *fresh,
    const struct snapshot *old, struct gg_error *err);
/* Once, before the first of them: the key, and what an earlier gate left. */
GG_MUST_USE int
gate_rules_begin(struct gate *g, const char *state_dir, struct gg_error *err);
/* A socket that the supervisor passes: INSPECTOR, HOOK_RUNNER, COURIER,
 * MESSENGER, SAML_RUNNER.
 * False: the frame is another one. */
bool gate_take_socket(struct gate *g, struct frame *f);

/* -- inspectors -- */
GG_MUST_USE int inspectors_new(struct inspectors **out, struct gg_error *err);
/* From the supervisor's frame; takes fd. */
void inspectors_add(struct inspectors *in, int fd);
/* An idle inspector's socket (the caller closes it: that ends it). Asks the
 * supervisor for its successor. GG_E_UNAVAILABLE after 15 s. */
GG_MUST_USE int inspectors_take(struct gate *g, int *fd, struct gg_error *err);
/* Is one idle? Then inspectors_take() does not wait. */
bool inspectors_idle(struct gate *g);
/* A fresh hook runner's socket, for one job; the caller closes it. */
GG_MUST_USE int hook_runner_take(struct gate *g, int *fd, struct gg_error *err);

/* -- courier -- */
GG_MUST_USE int courier_new(struct gate *g, struct gg_error *err);
void courier_connected(struct gate *g, int fd); /* takes fd */
bool courier_is_connected(struct gate *g);
/* The gate stops: who waits for upstream is let go (a relay may have been
 * applied), and nothing is asked any more. */
void courier_abandon(struct gate *g);
GG_MUST_USE int courier_list(struct gate *g, const char *repository,
    bool receive_pack, bool settle, struct advert **out, struct gg_error *err);
/* list_fd borrowed; pipe_fd is closed in any case. */
GG_MUST_USE int courier_fetch(struct gate *g, const char *repository,
    int list_fd, int pipe_fd, struct gg_error *err);

struct relay_order {
	const char *repository, *push_id;
	const struct ref_updates *updates;
	const struct strv *options;
	bool atomic;
	int pack_fd;                               /* -1: none */
	void (*text)(void *ctx, struct view text); /* upstream's messages */
	void *ctx;
};
/* 0 and the result; or why not, *maybe_applied true when upstream may have
 * applied it all the same. */
GG_MUST_USE int courier_relay(struct gate *g, const struct relay_order *o,
    struct relay_result **out, bool *maybe_applied, struct gg_error *err);

/* -- messenger (gate_messenger.h: what it is asked) -- */
GG_MUST_USE int messenger_new(struct gate *g, struct gg_error *err);
void messenger_connected(struct gate *g, int fd); /* takes fd */
/* The gate stops: who waits for an answer is let go. */
void messenger_abandon(struct gate *g);

/* -- mirrors -- */
/*
 * Bring the mirror up to date with what upstream has now; one refresh serves
 * all who wait. seen: upload-pack's view after it, a new reference.
 */
GG_MUST_USE int mirror_refresh(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, struct shared_advert **seen,
    struct gg_error *err);
/* The same on a worker, result ignored but logged. */
void mirror_refresh_later(struct gate *g, const char *repository);
/*
 * Was the mirror brought up to date after push_refs was read from upstream's
 * receive-pack, and with this version of the kept refs? A refresh that began after that and runs is waited for.
 */
bool mirror_has_followed(struct gate *g, const char *repository,
    const struct shared_advert *push_refs, int64_t kept_version);
/*
 * Compare what a refresh that runs has read (asked for at asked_ms) with what
 * was known; what no push of ours explains is written into the audit log, and
 * told. An error: it could not be; the mirror must not follow then.
 */
GG_MUST_USE int out_of_band_check(struct gate *g, const struct snapshot *snap,
    const struct repo_ref *repo, struct repo_state *st,
    struct shared_advert *fresh, int64_t asked_ms, struct gg_error *err);
/* The mirror has followed: after a restart it is what was known. */
GG_MUST_USE int out_of_band_mirrored(struct gate *g,
    const struct repo_ref *repo, struct gg_error *err);
#define OUT_OF_BAND_TYPE "ref.out-of-band"
/* Move what an accepted push brought from its quarantine into the mirror. */
void mirror_adopt(struct gate *g, const struct config *c,
    const char *repository, const char *push_id);

/* -- refs that the gate keeps (gate_kept.c) -- */
/*
 * What the repository has: upstream's refs and those that the gate keeps now.
 * *out: a new reference. version: of the kept ones (struct kept_state). The
 * only place where the two become one.
 */
GG_MUST_USE int kept_merge(struct gate *g, const char *repository,
    struct shared_advert *upstream, struct shared_advert **out,
    int64_t *version, struct gg_error *err);
/* Put the pack of a push where it stays, from its quarantine: *bytes of it
 * (0: it had none). On disk when this returns. */
GG_MUST_USE int kept_store_pack(const struct config *c, const char *repository,
    const char *push_id, uint64_t *bytes, struct gg_error *err);
/* It is not to stay after all. */
void kept_remove_pack(const struct config *c, const char *repository,
    const char *push_id);
/* Let the mirror have the packs that are kept: of one push, or (NULL) all, and
 * what it has put away of upstream's, which they may stand on.
 * While the repository's refresh is ours. */
GG_MUST_USE int kept_feed(const struct config *c, const char *repository,
    const char *push_id, struct gg_error *err);
/* Of one push that was kept just now, or all. What of it was dropped or moved on
 * already, and so is in no ref, is not fed (whoever needs it feeds all); is it
 * dropped at this very moment, *clean says so, and the mirror's own mark. */
GG_MUST_USE int kept_feed_push(struct gate *g, const struct config *c,
    const char *repository, const char *push_id,
    const struct ref_updates *updates, bool *clean, struct gg_error *err);
/* Log which kept refs are of repositories that are not configured any more. */
void kept_warn(struct gate *g);

/* -- requests -- */
void gate_info_refs_upload(void *ctx, struct http_request *rq);
void gate_upload_pack(void *ctx, struct http_request *rq);
void gate_info_refs_receive(void *ctx, struct http_request *rq);
void gate_receive_pack(void *ctx, struct http_request *rq);

/* One git request: who asks, for what, under which config and policy. */
struct git_request {
	struct snapshot *snap;
	struct repo_ref repo;
	struct principal principal;
	bool by_grant; /* let in by a grant, not by `access:` */
	char *client_addr, *client_agent;
	/* A limit on requests that this one is beyond, NULL: none. Only for a
	 * POST, which is refused in git's words; others have been answered. */
	const char *limited;
	unsigned retry_seconds;
};
void git_request_release(struct git_request *r);
GG_DEFINE_AUTO_RELEASE(git_request);
/*
 * Find out who asks and whether they may (need: bits of enum access). When
 * not, the answer (401, 403, 404, 400, 429) has been sent and the result is false.
 */
bool git_request_open(struct gate *g, struct http_request *rq, unsigned need,
    struct git_request *out);

#endif
