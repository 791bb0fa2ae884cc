/*
 * Pages and API below "/-/": what reviewers, auditors and scripts use. Works
 * on the store and on the services that the gate hands in; knows no process.
 */
#ifndef GITGATE_WEB_WEB_H
#define GITGATE_WEB_WEB_H

#include "base/error.h"
#include "config/config.h"
#include "http/server.h"
#include "identity/oidc.h"
#include "model/hold.h"
#include "model/job.h"
#include "model/push.h"
#include "policy/policy.h"
#include "store/auditlog.h"
#include "store/store.h"

/* What a provider's answer is changed with. Borrowed. */
struct oidc_exchange {
	const char *code, *verifier, *redirect_uri, *nonce;
};

/* A question about a held push's objects (struct view_job); all borrowed. */
struct view_ask {
	enum view_kind kind;
	const char *ref, *path; /* may be "" */
	struct oid from, to;
	uint64_t skip;
};

/* Somebody asks for a grant. Borrowed. */
struct grant_request {
	const struct principal *asker;
	const char *principal; /* who is to have it */
	const struct grant_scope *scope;
	int64_t for_ms;
	const char *reason;
	const char *client_addr;
};

/* What the gate knows of a repository's mirror since it started. */
struct mirror_state {
	bool is_reading;        /* upstream is being read */
	int64_t refreshed_ms;   /* when that last worked, 0: not yet */
	int64_t failed_ms;      /* when the last one failed, 0: it did not */
	struct gg_error why;    /* then; may name upstream */
	uint64_t kept_shadowed; /* kept refs whose names upstream has, too */
};

/* Services of the gate that pages and API need; role/gate fills it. */
struct web_ops {
	void *ctx;
	/* The config and policy in force; release gives it back (they may
	 * be replaced meanwhile by a reload). */
	const struct config *(*config)(void *ctx);
	const struct ruleset *(*ruleset)(void *ctx);
	void (*unref)(void *ctx, const struct config *c,
	    const struct ruleset *rs);
	struct store *store;
	struct auditlog *log;
	/*
	 * Approve or reject. Checks entitlement (hold/quorum.h), writes the
	 * review and the log entry, starts the forward when approvals
	 * suffice. GG_E_NOTFOUND; GG_E_REFUSED with GG-words for 403 (not
	 * entitled, own push, reviewed already); GG_E_STALE for 409 (no
	 * longer pending).
	 */
	int (*review)(void *ctx, const char *hold_id,
	    const struct principal *reviewer, const char *client_addr,
	    bool approve, const char *comment, struct gg_error *err);
	/* Would review() let this person? 0, or its code and words; changes
	 * nothing. */
	int (*may_review)(void *ctx, const char *hold_id,
	    const struct principal *reviewer, struct gg_error *err);
	/* By its pusher (or an admin group): withdraw. Codes as above. */
	int (*withdraw)(void *ctx, const char *hold_id,
	    const struct principal *who, const char *client_addr,
	    const char *comment, struct gg_error *err);
	/*
	 * Judge a recorded push by the policy in force. *out: new reference,
	 * {"verdict","recorded"|null,"policy_digest","same_policy","updates",
	 * "needs","trace"}. GG_E_NOTFOUND when its recording is not whole.
	 */
	int (*preview)(void *ctx, const struct stored_push *push, json_t **out,
	    struct gg_error *err);
	/* Approve a hold, and grant its principal the same for a while
	 * (GG_E_INPUT: too long). Codes as review(). */
	int (*review_granting)(void *ctx, const char *hold_id,
	    const struct principal *reviewer, const char *client_addr,
	    const char *comment, int64_t for_ms, struct gg_error *err);
	/* Grants (docs/identity.md): ask for one; approve or reject it; would
	 * that be let; withdraw or revoke it. GG_E_INPUT, GG_E_LIMIT, and the
	 * codes of review(). */
	int (*grant_ask)(void *ctx, const struct grant_request *rq,
	    char id[ULID_SIZE], struct gg_error *err);
	int (*grant_review)(void *ctx, const char *id,
	    const struct principal *who, const char *client_addr, bool approve,
	    const char *comment, struct gg_error *err);
	int (*may_review_grant)(void *ctx, const char *id,
	    const struct principal *who, struct gg_error *err);
	int (*grant_end)(void *ctx, const char *id, const struct principal *who,
	    const char *client_addr, const char *comment, struct gg_error *err);
	/*
	 * As may_review(), for a list: of a hold and push at hand. Reading who
	 * wrote the commits takes from *budget (bytes of change reports);
	 * when it is used up, authors are not looked at.
	 */
	int (*may_review_listed)(void *ctx, const struct stored_hold *h,
	    const struct stored_push *p, const struct principal *who,
	    uint64_t *budget, struct gg_error *err);
	/* Names of repositories that a mirror or a request was made of, added
	 * to out, at most `most`; and what is known of one. */
	void (*mirror_names)(void *ctx, const struct config *c, size_t most,
	    struct strv *out);
	void (*mirror_state)(void *ctx, const struct config *c,
	    const char *name, struct mirror_state *out);
	/*
	 * Ask an inspector; out has its ceiling. GG_E_NOTFOUND when the
	 * objects are gone, GG_E_LIMIT, GG_E_UNAVAILABLE when too many ask.
	 */
	int (*view)(void *ctx, const struct stored_push *push,
	    const struct view_ask *ask, struct buf *out, struct gg_error *err);
	/*
	 * A JWT that came as a credential, to the principal it proves
	 * (role/gate_issuers.c). GG_E_REFUSED with a sentence for the
	 * client; GG_E_UNAVAILABLE while its issuer's keys cannot be had.
	 */
	int (*verify_token)(void *ctx, struct view token, struct principal *out,
	    struct gg_error *err);
	/*
	 * Who the client is by its TLS certificate, its own or a trusted
	 * proxy's word for it (role/gate_tls.c). GG_E_NOTFOUND: nobody;
	 * GG_E_REFUSED with a sentence for the client.
	 */
	int (*verify_certificate)(void *ctx, struct http_request *rq,
	    struct principal *out, struct gg_error *err);
	/* OIDC (role/gate_signin.h): where a provider's people sign in, and who
	 * a code stands for, its token verified. GG_E_REFUSED;
	 * GG_E_UNAVAILABLE while the provider cannot be asked. */
	int (*oidc_site)(void *ctx, const struct provider *p,
	    struct oidc_site *out, struct gg_error *err);
	int (*oidc_code)(void *ctx, const struct provider *p,
	    const struct oidc_exchange *x, struct oidc_person *out,
	    struct gg_error *err);
	/* One more request of a principal; one more refused credential of an
	 * address: seconds to wait, 0: go on. NULL: not counted. */
	unsigned (*limit_principal)(void *ctx, const char *name);
	unsigned (*limit_failed)(void *ctx, const char *addr);
	/* SAML messages (role/gate_saml.h). */
	int (*saml_begin)(void *ctx, const struct config *c,
	    const struct provider *p, const char *request_id,
	    const char *relay_state, char **url, struct gg_error *err);
	int (*saml_finish)(void *ctx, const struct config *c,
	    const struct provider *p, const char *request_id, struct view xml,
	    json_t **out, struct gg_error *err);
	int (*saml_metadata)(void *ctx, const struct config *c,
	    const struct provider *p, char **xml, struct gg_error *err);
	/* Sign-ins and other acts that belong in the audit log; entry is
	 * borrowed. */
	int (*audit)(void *ctx, json_t *entry, struct gg_error *err);
};

/*
 * Who asks: the session cookie or "Authorization: Bearer/Basic". 0 and *out
 * filled (AUTH_ANONYMOUS when there is no credential); GG_E_REFUSED with a
 * sentence for a bad, expired or revoked one, two Authorization headers, or
 * too many failed tries. GG_E_LIMIT: where http_retry_seconds() is not 0, too
 * many refused credentials (429); else it cannot be known now (503: an issuer's
 * keys cannot be had). Used by the git endpoints too.
 */
GG_MUST_USE int
web_authenticate(const struct web_ops *ops, struct http_request *rq,
    bool allow_session, struct principal *out, struct gg_error *err);
/* A credential that was good and is refused for what it was used for: noted
 * for the audit log as a bad one is. */
void web_note_refused(const struct web_ops *ops, struct http_request *rq,
    const struct gg_error *why);

/* Plan for every path below "/-/" (404 for unknown ones). The cookie of the
 * plan is not used. ctx of the handlers is the gate's ctx; web keeps ops
 * from web_init(). */
void web_init(const struct web_ops *ops);
/* A 429 for a path of the pages or the API, in its form. limit: its key; how
 * long is http_retry_seconds(). */
void web_reply_limited(struct http_request *rq, const char *limit);
/* Every second or so: what was gathered for the audit log is written. */
void web_tick(void);
/* Often: who listens is told what happened. */
void web_tick_events(void);
/* Before the server stops: let go of those who listen. */
void web_stop(void);
void web_route(struct http_request *rq, struct http_plan *plan);

#endif
