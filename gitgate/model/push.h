/*
 * What a pusher asks for: ref updates, and who they are. Plain records that
 * travel; every receiver checks them.
 */
#ifndef GITGATE_MODEL_PUSH_H
#define GITGATE_MODEL_PUSH_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/oid.h"

#include <stdint.h>

/* One command of a push. Zero old-oid: create; zero new-oid: delete. */
struct ref_update {
	struct oid old_oid;
	struct oid new_oid;
	char *refname; /* owned */
};

struct ref_updates {
	struct ref_update *v;
	size_t n;
	size_t alloc;
};

void ref_updates_release(struct ref_updates *u);
GG_DEFINE_AUTO_RELEASE(ref_updates);
/* Add a copy. 0; GG_E_LIMIT past max; GG_E_NOMEM. */
GG_MUST_USE int ref_updates_add(struct ref_updates *u,
    const struct oid *old_oid, const struct oid *new_oid, struct view refname,
    size_t max, struct gg_error *err);
/* The update of refname, or NULL; borrowed. */
const struct ref_update *
ref_updates_find(const struct ref_updates *u, struct view refname);

/* How a principal proved who it is. */
enum auth_method {
	AUTH_ANONYMOUS,
	AUTH_TOKEN,       /* a static token of gitgate's */
	AUTH_SESSION,     /* a person's web session */
	AUTH_OIDC,        /* an OIDC ID token of a configured issuer */
	AUTH_CERTIFICATE, /* a TLS client certificate */
};
const char *auth_method_name(enum auth_method m);

/* An authenticated someone or something (or the anonymous one). */
struct principal {
	char *name; /* "anonymous" where method is AUTH_ANONYMOUS */
	struct strv groups;
	enum auth_method method;
	char *credential_id; /* id of the token or session used, "" if none */
	/* The person that a machine acts for: counts as the pusher where
	 * approvals are counted. NULL or "": nobody. */
	char *owner;
	/* Further names, all verified (e-mail addresses, logins at an issuer):
	 * for "not by who wrote it" and "distinct people". */
	struct strv aliases;
	/* Who vouches: an issuer or provider of the config, and its name for
	 * this one. NULL for tokens and local accounts of our own. */
	char *issuer, *subject;
	/* What the credential itself proved, as a JSON object with text values
	 * ("repository", "ref", "run_id", "session", ...); NULL: nothing. */
	char *verified;
	/* Which of those name a session or a run, where the issuer's entry says
	 * it (`session-claims`); empty: the usual ones. */
	struct strv session_claims;
};

void principal_release(struct principal *p);
GG_DEFINE_AUTO_RELEASE(principal);
void principal_copy(struct principal *to, const struct principal *from);
/* Is it in one of the groups? An empty list of groups: no. */
bool principal_in_any(const struct principal *p, const struct strv *groups);
/* Does a machine, or a token with an owner, act here and not a person? Its
 * aliases and owner are then somebody else's names. */
bool principal_is_machine(const struct principal *p);
/* Is it its name, a verified further one, or whom it acts for? Without regard
 * to case, as where approvals are counted; "" is nobody's. */
bool principal_is_called(const struct principal *p, const char *name);
/* Names of principals and groups: 1..128 of [A-Za-z0-9._@:/+-], first one a
 * letter or digit. */
bool principal_name_is_valid(struct view v);
/* Could it be an e-mail address: at most 254 printable bytes without spaces,
 * with one '@' inside? Case is kept. */
bool email_is_valid(struct view v);

#endif
