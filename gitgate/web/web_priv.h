/* Inside of web/: one struct per request in hand, and who answers what. */
#ifndef GITGATE_WEB_WEB_PRIV_H
#define GITGATE_WEB_WEB_PRIV_H

#include "base/buf.h"
#include "crypto/digest.h"
#include "web/html.h"
#include "web/web.h"

#include <jansson.h>

#define PAGE_MAX_BYTES    ((size_t)12 * 1024 * 1024)
#define COMMENT_MAX_BYTES 4000

struct web_session {
	bool is_open;
	char hash[DIGEST_SHA256_HEX_SIZE];
	struct stored_session s;
};

struct hold_count {
	size_t n;
	bool more; /* than were counted */
};

struct web_call {
	const struct web_ops *ops;
	struct http_request *rq;
	const struct config *cfg;
	const struct ruleset *rs;
	struct principal who;
	struct web_session session;
	char id[ULID_SIZE];     /* of the path, "" where it has none */
	uint64_t index;         /* of an entry, likewise */
	char name[40];          /* of a provider, likewise */
	const char *verb;       /* approve, reject, withdraw, ... */
	size_t rows;            /* of a list, unless it is asked for; 0: 50 */
	bool is_counted;        /* mine is known */
	struct hold_count mine; /* HOLD_VIEW_MINE */
};
void web_call_release(struct web_call *c);
GG_DEFINE_AUTO_RELEASE(web_call);

/* -- auth.c -- */
/* As web_authenticate(), and the session where one is used. */
GG_MUST_USE int
auth_identify(struct web_call *c, bool allow_session, struct gg_error *err);
/* For what auth_identify() refused: 401, where another credential may help;
 * 403 for a certificate. */
unsigned auth_refused_status(const struct web_call *c);
/* Does the request come from our own pages (headers and token)? */
bool auth_origin_is_ours(const struct web_call *c);
bool auth_csrf_is_ours(const struct web_call *c, const char *token);
/* What every new session gets: ids, CSRF token, times, address; *id is for the
 * cookie, to be wiped. Then it is opened. */
GG_MUST_USE int auth_session_fill(struct web_call *c, struct stored_session *s,
    char **id, struct gg_error *err);
GG_MUST_USE int auth_session_open(struct web_call *c,
    const struct stored_session *s, const char *id, struct gg_error *err);
/* "__Host-gitgate" or "gitgate-session". */
const char *auth_cookie_name(const struct config *cfg);
bool auth_is_https(const struct config *cfg);
/* {"addr", "agent"} of the request. */
json_t *auth_client_json(const struct web_call *c);
/* Random text of 256 bits, malloc'ed. */
char *auth_random(void);

/* -- refused.c -- */
/* A credential was refused: for the audit log, at most once a minute per
 * address. */
void refused_note(const struct web_call *c, const struct gg_error *why);
/* Write what was gathered longer ago than that. */
void refused_flush(const struct web_ops *ops);

/* -- events.c -- */
void events_tick(const struct web_ops *ops);
void events_stop(void);

/* -- access.c -- */
bool access_is_auditor(const struct principal *p); /* admins too */
bool access_is_admin(const struct principal *p);
/* May it allow findings (what looks like a secret and is none)? */
bool access_may_allow(const struct principal *p);
/* May this principal see pushes, holds and entries of the repository? needs
 * may be NULL. */
bool access_may_see(const struct web_call *c, const char *repository,
    const json_t *needs);
/* An entry of the audit log: all for auditors, else of a repository that it
 * may fetch. */
bool access_may_read_entry(const struct web_call *c, const json_t *entry);
/* May it review at all, and if not, why (a sentence)? */
bool access_may_review(const struct web_call *c, const struct stored_hold *h,
    struct gg_error *why);

/* -- json.c: new references, NULL without memory -- */
json_t *json_of_hold(const struct web_call *c, const struct stored_hold *h,
    const struct stored_push *p); /* p may be NULL */
/* [{"time","event", and where there are "who","hold","state","message"}], in
 * the order of time (docs/formats.md, "The recorded push"). */
json_t *json_timeline(const struct web_call *c, const struct stored_push *p);
json_t *json_of_push(const struct web_call *c, const struct stored_push *p,
    const char *hold_id); /* may be NULL */
/* Reviews that count for one need. */
json_t *json_reviews_of(const struct stored_hold *h, const json_t *need);
/* Who, the verdict, when, and with which words; of a hold's or a grant's. */
json_t *json_of_review(const struct stored_review *r);
json_t *json_time(int64_t wall_ms); /* null for 0 */
/* A string that may hold any bytes. */
json_t *json_text(const char *s);
/* Each so. */
json_t *json_texts(const struct strv *v);
const char *json_get(const json_t *object, const char *key); /* "" if none */

/* -- filters.c: what narrows a list, as a form and in links -- */
struct filter {
	const char *name, *label, *hint; /* hint: an example, or NULL */
	/* A choice of these, NULL-terminated; NULL: a text. */
	const char *const *choices;
};
struct filters {
	const char *path;
	const char *kept; /* a query argument that is not one's to choose */
	const struct filter *v;
	size_t n;
};
/* The first one is always seen, the others where one asks for them or has
 * chosen one. */
void
view_filters(const struct web_call *c, struct buf *b, const struct filters *f);
/* Has the caller chosen any? */
bool filters_chosen(const struct web_call *c, const struct filters *f);
/* The address of the same list with another value of a query argument (""
 * leaves it out), for a quoted attribute; what was chosen stays where `keep`. */
void filters_link(const struct web_call *c, struct buf *b,
    const struct filters *f, bool keep, const char *name, const char *value);
/* "Older", where there is more. */
void view_older(const struct web_call *c, struct buf *b,
    const struct filters *f, const char *next);
/* Keys of a list, and what their rows are called. */
void view_list_keys(struct buf *b, const char *row);
/* "<time ...>3 hours ago</time>", from RFC 3339. */
void view_age(struct buf *b, const char *rfc3339);

/* -- page.c -- */
/* A page from its doctype to its <main>; section names the tab. */
void page_begin(const struct web_call *c, struct buf *b, const char *title,
    const char *section);
void page_end(struct buf *b);
/* Answer with it; a buffer that overflowed is a 500. */
void page_reply(struct web_call *c, unsigned status, struct buf *b);
void page_reply_with(struct web_call *c, unsigned status, struct buf *b,
    const char *name, const char *value); /* one more header */
void page_error(struct web_call *c, unsigned status, const char *title,
    const char *detail);
/* An error page for a code of the store or of web_ops. */
void page_failure(struct web_call *c, int rc, const struct gg_error *err);
void page_redirect(struct web_call *c, const char *where,
    const char *set_cookie); /* may be NULL */
/* The hidden field every form has. */
void page_csrf(const struct web_call *c, struct buf *b);
/* A button of a form that does `verb` to c->id of "holds" or "grants"; look: its
 * class. */
void page_act_button(const struct web_call *c, struct buf *b, const char *what,
    const char *verb, const char *label, const char *look);
/* A path of ours or "/-/holds". */
const char *page_safe_next(const char *next);

/* -- handlers -- */
typedef void (*web_handler)(struct web_call *c);
void api_holds(struct web_call *c);
void api_hold(struct web_call *c);
void api_hold_act(struct web_call *c);
void api_pushes(struct web_call *c);
void api_push(struct web_call *c);
void api_preview(struct web_call *c);
void api_audit(struct web_call *c);
void api_timeline(struct web_call *c);
void api_audit_export(struct web_call *c);
void api_deliveries(struct web_call *c);
/* A table of them, where there are any; the reader is an auditor. */
void view_deliveries(struct web_call *c, struct buf *b);
void timeline_page(struct web_call *c);
void api_explain(struct web_call *c);
void explain_page(struct web_call *c);
void api_receipt(struct web_call *c);
void api_opening(struct web_call *c);
void api_push_receipts(struct web_call *c);
void api_changes(struct web_call *c);
void api_hold_file(struct web_call *c);
void api_hold_diff(struct web_call *c);
void api_account(struct web_call *c);
void api_sessions(struct web_call *c);
void api_session_end(struct web_call *c);
void api_sign_out(struct web_call *c);
void api_events(struct web_call *c);
void api_findings(struct web_call *c);
void api_findings_allow(struct web_call *c);
void api_finding_revoke(struct web_call *c);
void api_grants(struct web_call *c);
void api_grant(struct web_call *c);
void api_grant_ask(struct web_call *c);
void api_grant_act(struct web_call *c);
void grants_page(struct web_call *c);
void grant_page(struct web_call *c);
void grant_ask_act(struct web_call *c);
void grant_act(struct web_call *c);
void log_file(struct web_call *c);
void static_file(struct web_call *c);
void signin_page(struct web_call *c);
void signin_act(struct web_call *c);
void signin_provider_act(struct web_call *c);
void signin_oidc_callback(struct web_call *c);
void account_page(struct web_call *c);
void account_end_session(struct web_call *c);
void account_sign_out(struct web_call *c);
void signout_act(struct web_call *c);
void signin_finish(struct web_call *c);
void saml_consumer_act(struct web_call *c);
void saml_metadata_page(struct web_call *c);
void root_page(struct web_call *c);
void holds_page(struct web_call *c);
void hold_page(struct web_call *c);
/* hold_seen.c: who may decide on it looks at it; the first time is logged. */
void hold_note_seen(const struct web_call *c, const struct stored_hold *h);
void hold_act(struct web_call *c);
void hold_file(struct web_call *c);
void hold_image(struct web_call *c);
void hold_diff(struct web_call *c);
void pushes_page(struct web_call *c);
void push_page(struct web_call *c);
void audit_page(struct web_call *c);
void repositories_page(struct web_call *c);
void api_repositories(struct web_call *c);
void kept_page(struct web_call *c);
void api_kept(struct web_call *c);

/* -- api.c: answers of the API -- */
void api_problem(struct web_call *c, unsigned status, const char *detail);
/* With headers of its own (NULL: none), and nothing else. */
void api_problem_with(struct web_call *c, unsigned status, const char *detail,
    const struct http_headers *extra);
/* o is taken; NULL is a 500. */
void api_reply(struct web_call *c, unsigned status, json_t *o);
/* {name: items, "next": next}; both are taken. */
void api_reply_list(struct web_call *c, const char *name, json_t *items,
    json_t *next);
/* What broke inside is for the operators' log, not for the client. */
void api_failure(struct web_call *c, int rc, const struct gg_error *err);
/* Is it an act that our own page or a script meant (CSRF token, type of the
 * body)? When not, it has been answered. */
bool api_may_act(struct web_call *c);
/* The comment of such an act, "" where it has none: a new string. NULL when it
 * is no act, or its body is not as it must be: it has been answered. */
char *api_act_comment(struct web_call *c);

/* -- account_page.c -- */
/* End one session of the caller's, or (id NULL) all; in the audit log first.
 * *n: how many there were. */
GG_MUST_USE int account_end(struct web_call *c, const char *id, uint64_t *n,
    struct gg_error *err);

/* -- lists.c: reading lists and records, for API and pages -- */
/* Which holds: all; those that the caller may still decide; open or ended. */
enum hold_view {
	HOLD_VIEW_ALL,
	HOLD_VIEW_MINE,
	HOLD_VIEW_OPEN,
	HOLD_VIEW_DONE,
	HOLD_VIEW_COUNT
};
const char *hold_view_name(enum hold_view v);
/* s may be NULL: false. */
bool hold_view_parse(const char *s, enum hold_view *out);
/* 0; GG_E_PEER for a wrong query argument; the store's codes. */
GG_MUST_USE int list_holds(const struct web_call *c, enum hold_view view,
    json_t *items, char next[ULID_SIZE], struct gg_error *err);
/* More of them are not counted: it is done for every page. */
#define COUNT_MOST 20
/* Rows of a list, where a page does not ask for another number. */
#define PAGE_ROWS 25
/* Counts at most `most`, and looks at a few times as many. */
GG_MUST_USE int count_holds(const struct web_call *c, enum hold_view view,
    size_t most, struct hold_count *out, struct gg_error *err);
GG_MUST_USE int list_pushes(const struct web_call *c, json_t *items,
    char next[ULID_SIZE], struct gg_error *err);
GG_MUST_USE int list_audit(const struct web_call *c, json_t *items,
    uint64_t *next, struct gg_error *err);
/* The entries of the push c->id that the caller may read, oldest first. */
GG_MUST_USE int list_push_entries(const struct web_call *c, json_t *items,
    uint64_t *next, struct gg_error *err);
/* Oldest first; *next: where to go on, also for what is yet to come. */
GG_MUST_USE int list_audit_from(const struct web_call *c, json_t *items,
    uint64_t *next, struct gg_error *err);
/* store_audit_timeline() of the arguments; GG_E_NOTFOUND as below. */
GG_MUST_USE int list_timeline(const struct web_call *c, json_t *steps,
    uint64_t *next, struct gg_error *err);
/* GG_E_NOTFOUND also for what the caller may not see. */
GG_MUST_USE int load_hold(const struct web_call *c, struct stored_hold *h,
    struct stored_push *p, struct gg_error *err);
/* hold_id: "" when the push has no hold. */
GG_MUST_USE int load_push(const struct web_call *c, struct stored_push *p,
    char hold_id[ULID_SIZE], struct gg_error *err);
/* Approve, reject or withdraw c->id; the code of web_ops. */
GG_MUST_USE int
act_on_hold(struct web_call *c, const char *comment, struct gg_error *err);
/* grants.c: does the reviewer also grant the same for a while (the form's
 * "grant", the body's {"grant": {"for": "30m"}})? *for_ms 0: no. */
GG_MUST_USE int grant_of_review(const struct web_call *c, int64_t *for_ms,
    struct gg_error *err);
/* grants_page.c: the part of the review's form that offers it; nothing where
 * it cannot be had. */
void view_grant_offer(const struct web_call *c, struct buf *b,
    const struct stored_hold *h);
/* The HTTP status for a code. */
unsigned status_of(int rc);

/* receipts.c: of the push c->id, as a part of its page. */
void view_receipts(struct web_call *c, struct buf *b);
/* {"index", "type", "ref", "receipt"} of an entry that the caller may read. */
GG_MUST_USE int receipt_add(const struct web_call *c, const json_t *entry,
    json_t *all, struct gg_error *err);
/* pushes_page.c: an entry of the log in a few words. */
void view_event(struct buf *b, const json_t *entry);

/* -- change_view.c (diff_view.h has more), holds_page.c -- */
/* The state's word, coloured. */
void view_state(struct buf *b, const char *state);
/* A link to one of where ("pushes", "holds"); nothing without an id. */
void
view_link(struct buf *b, const char *where, const char *what, const char *id);
void view_updates(struct buf *b, const char *heading, const char *repository,
    const json_t *updates);
/* record: the push's or hold's JSON, with "verified" and "claimed". */
void
view_facts(struct buf *b, const struct stored_push *p, const json_t *record);

/* -- assets.c -- */
struct asset {
	const char *name, *type;
	struct view text;
	char digest[17]; /* of the text: names this version */
};
/* NULL when there is none. */
const struct asset *asset_find(const char *name);
/* Its address with its digest, for a quoted attribute. */
void asset_url(struct buf *b, const char *name);

#endif
