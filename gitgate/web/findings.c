/*
 * Findings that a reviewer allows by fingerprint: what looked like a secret
 * and is none. Who may is fixed (access.c); what is done is in the audit log
 * before it has an effect.
 */
#include "base/clock.h"
#include "base/num.h"
#include "web/web_priv.h"

#include <stdlib.h>
#include <strings.h>

#define FINGERPRINT_CHARS 64
#define ALLOWED_MS_MAX    (366 * 86400000LL)

static json_t *
json_of_allowance(const struct stored_allowance *a)
{
	int64_t now = clock_wall_ms();
	json_t *o = json_object();

	json_object_set_new(o, "id", json_text(a->id));
	json_object_set_new(o, "fingerprint", json_text(a->fingerprint));
	json_object_set_new(o, "repository", json_text(a->repository));
	json_object_set_new(o, "reviewer", json_text(a->reviewer));
	json_object_set_new(o, "comment", json_text(a->comment));
	json_object_set_new(o, "created", json_time(a->created_ms));
	json_object_set_new(o, "expires", json_time(a->expires_ms));
	json_object_set_new(o, "revoked", json_time(a->revoked_ms));
	json_object_set_new(o, "revoker",
	    a->revoked_ms != 0 ? json_text(a->revoker) : json_null());
	json_object_set_new(o, "in_force",
	    json_boolean(a->revoked_ms == 0 && a->expires_ms > now));
	return o;
}

/* -- listing -- */

struct listing {
	const struct web_call *c;
	json_t *items;
};

static int
add_allowance(void *ctx, const struct stored_allowance *a)
{
	struct listing *l = ctx;

	if (!access_may_allow(&l->c->who) &&
	    !access_may_see(l->c, a->repository, NULL))
		return 0;
	return json_array_append_new(l->items, json_of_allowance(a)) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

void
api_findings(struct web_call *c)
{
	const char *repository = http_query(c->rq, "repository");
	const char *cursor = http_query(c->rq, "cursor");
	const char *limit = http_query(c->rq, "limit");
	struct listing l = { .c = c, .items = json_array() };
	char next[ULID_SIZE] = "";
	struct gg_error err = { 0 };
	uint64_t n = 0;
	int rc = 0;

	if (limit != NULL && num_parse(view_str(limit), 200, &n, NULL) != 0)
		rc = gg_fail(&err, GG_E_PEER, "limit is a number up to 200");
	else if (cursor != NULL && !ulid_is_valid(view_str(cursor)))
		rc = gg_fail(&err, GG_E_PEER, "cursor is not valid");
	if (rc == 0)
		rc = store_allowance_list(c->ops->store, repository, cursor,
		    (size_t)n, add_allowance, &l, next, &err);
	if (rc == 0) {
		api_reply_list(c, "findings", l.items,
		    next[0] ? json_string(next) : json_null());
		return;
	}
	json_decref(l.items);
	api_failure(c, rc, &err);
}

/* -- allowing -- */

static int
note(struct web_call *c, const char *type, const struct stored_allowance *a,
    const char *comment, struct gg_error *err)
{
	json_t *e = json_object(), *auth = json_object();
	int rc;

	json_object_set_new(auth, "method",
	    json_text(auth_method_name(c->who.method)));
	json_object_set_new(auth, "credential",
	    json_text(c->who.credential_id != NULL ? c->who.credential_id :
						     ""));
	json_object_set_new(e, "type", json_string(type));
	json_object_set_new(e, "repository", json_text(a->repository));
	json_object_set_new(e, "principal", json_text(c->who.name));
	json_object_set_new(e, "auth", auth);
	json_object_set_new(e, "client", auth_client_json(c));
	json_object_set_new(e, "finding", json_text(a->fingerprint));
	json_object_set_new(e, "allowance", json_text(a->id));
	json_object_set_new(e, "expires", json_time(a->expires_ms));
	json_object_set_new(e, "comment", json_text(comment));
	rc = c->ops->audit(c->ops->ctx, e, err);
	json_decref(e);
	return rc;
}

static bool
is_fingerprint(const char *s)
{
	return strlen(s) == FINGERPRINT_CHARS &&
	    strspn(s, "0123456789abcdef") == FINGERPRINT_CHARS;
}

static bool
is_comment(const char *s)
{
	return strlen(s) <= COMMENT_MAX_BYTES &&
	    s[strspn(s, " \t\r\n")] != '\0';
}

/* "30d" or a point in time, ahead and not too far. */
static int
read_expiry(const char *text, int64_t now, int64_t *out, struct gg_error *err)
{
	int64_t ms;

	if (num_parse_duration(view_str(text), &ms, NULL) == 0) {
		if (ms > ALLOWED_MS_MAX)
			ms = ALLOWED_MS_MAX + 1;
		*out = now + ms;
	} else if (clock_parse(view_str(text), out, NULL) != 0) {
		return gg_fail(err, GG_E_PEER,
		    "expires must be a duration (30d), a date or a time");
	}
	if (*out <= now || *out > now + ALLOWED_MS_MAX)
		return gg_fail(err, GG_E_PEER,
		    "expires must be ahead, by 366 days at most");
	return 0;
}

/* {"fingerprint", "repository", "comment", "expires"}, all of them. */
static int
read_request(struct web_call *c, struct stored_allowance *a,
    struct gg_error *err)
{
	struct view body = http_body(c->rq);
	const char *print, *repository, *comment, *expires;
	json_t *o = json_loadb(body.n > 0 ? body.p : "", body.n,
	    JSON_REJECT_DUPLICATES, NULL);
	int rc;

	if (json_unpack(o, "{s:s, s:s, s:s, s:s !}", "fingerprint", &print,
		"repository", &repository, "comment", &comment, "expires",
		&expires) != 0)
		rc = gg_fail(err, GG_E_PEER,
		    "the body must be {\"fingerprint\", \"repository\", "
		    "\"comment\", \"expires\"}, all of them strings");
	else if (!is_fingerprint(print))
		rc = gg_fail(err, GG_E_PEER,
		    "a fingerprint is 64 hexadecimal digits, in lower case");
	else if (!is_comment(comment))
		rc = gg_fail(err, GG_E_PEER,
		    "a comment of 1 to %d bytes must say why it is no secret",
		    COMMENT_MAX_BYTES);
	else
		rc = read_expiry(expires, a->created_ms, &a->expires_ms, err);
	if (rc == 0) {
		a->fingerprint = view_dup(view_str(print));
		a->repository = view_dup(view_str(repository));
		a->comment = view_dup(view_str(comment));
	}
	json_decref(o);
	return rc;
}

/* By its own name, as pushes are recorded under. */
static int
find_repository(const struct web_call *c, struct stored_allowance *a,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };

	if (config_find_repository(c->cfg, view_str(a->repository), &repo,
		NULL) != 0)
		return gg_fail(err, GG_E_NOTFOUND, "no repository %.200s",
		    a->repository);
	free(a->repository);
	a->repository = view_dup(view_str(repo.name));
	return 0;
}

static int
check_pusher(const struct web_call *c, const struct stored_allowance *a,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) pushers = STRV_INIT;
	int rc = store_finding_pushers(c->ops->store, a->repository,
	    a->fingerprint, &pushers, err);

	for (size_t i = 0; rc == 0 && i < pushers.n; i++)
		if (principal_is_called(&c->who, pushers.v[i]))
			rc = gg_fail(err, GG_E_REFUSED,
			    "it was found in a push of yours: somebody else "
			    "must allow it");
	return rc;
}

static int
may_act(const struct web_call *c, struct gg_error *err)
{
	if (access_may_allow(&c->who))
		return 0;
	return gg_fail(err, GG_E_REFUSED,
	    "only the groups security, admin and admins allow findings");
}

static int
allow(struct web_call *c, struct stored_allowance *a, struct gg_error *err)
{
	char id[ULID_SIZE];
	int rc;

	ulid_new(id);
	a->id = view_dup(view_str(id));
	a->reviewer = view_dup(view_str(c->who.name));
	a->revoker = view_dup(view_str(""));
	a->created_ms = clock_wall_ms();
	if ((rc = may_act(c, err)) != 0 ||
	    (rc = read_request(c, a, err)) != 0 ||
	    (rc = find_repository(c, a, err)) != 0 ||
	    (rc = check_pusher(c, a, err)) != 0 ||
	    (rc = note(c, "finding.allowed", a, a->comment, err)) != 0)
		return rc;
	return store_allowance_add(c->ops->store, a, err);
}

void
api_findings_allow(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_allowance) a = { 0 };
	struct gg_error err = { 0 };
	int rc;

	if (!api_may_act(c))
		return;
	if ((rc = allow(c, &a, &err)) != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 201, json_of_allowance(&a));
}

static int
take_back(struct web_call *c, const char *comment, struct stored_allowance *a,
    struct gg_error *err)
{
	struct store *s = c->ops->store;
	int rc;

	if ((rc = may_act(c, err)) != 0 ||
	    (rc = store_allowance_get(s, c->id, a, err)) != 0)
		return rc;
	if (strlen(comment) > COMMENT_MAX_BYTES)
		return gg_fail(err, GG_E_PEER, "a comment has at most %d bytes",
		    COMMENT_MAX_BYTES);
	if (a->revoked_ms != 0)
		return gg_fail(err, GG_E_STALE, "it is revoked already");
	if ((rc = note(c, "finding.revoked", a, comment, err)) != 0)
		return rc;
	rc = store_allowance_revoke(s, a->id, c->who.name, clock_wall_ms(),
	    err);
	if (rc == GG_E_REFUSED)
		return gg_fail(err, GG_E_STALE, "it is revoked already");
	if (rc != 0)
		return rc;
	stored_allowance_release(a);
	return store_allowance_get(s, c->id, a, err);
}

void
api_finding_revoke(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_allowance) a = { 0 };
	GG_AUTO_MEM char *comment = api_act_comment(c);
	struct gg_error err = { 0 };
	int rc;

	if (comment == NULL)
		return;
	if ((rc = take_back(c, comment, &a, &err)) != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, json_of_allowance(&a));
}
