#include "model/push.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
ref_updates_release(struct ref_updates *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->v[i].refname);
	free(u->v);
	*u = (struct ref_updates){ 0 };
}

int
ref_updates_add(struct ref_updates *u, const struct oid *old_oid,
    const struct oid *new_oid, struct view refname, size_t max,
    struct gg_error *err)
{
	struct ref_update *grown;
	char *name;
	size_t want;

	if (u->n >= max)
		return gg_fail(err, GG_E_LIMIT,
		    "more than %zu ref updates in one push", max);
	if (u->n == u->alloc) {
		want = u->alloc ? u->alloc * 2 : 4;
		grown = reallocarray(u->v, want, sizeof(*grown));
		if (grown == NULL)
			return gg_fail(err, GG_E_NOMEM, "ref update list");
		u->v = grown;
		u->alloc = want;
	}
	if ((name = view_dup(refname)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "refname");
	u->v[u->n++] = (struct ref_update){ *old_oid, *new_oid, name };
	return 0;
}

const struct ref_update *
ref_updates_find(const struct ref_updates *u, struct view refname)
{
	for (size_t i = 0; i < u->n; i++)
		if (view_eq_str(refname, u->v[i].refname))
			return &u->v[i];
	return NULL;
}

const char *
auth_method_name(enum auth_method m)
{
	switch (m) {
	case AUTH_ANONYMOUS:
		return "anonymous";
	case AUTH_TOKEN:
		return "token";
	case AUTH_SESSION:
		return "session";
	case AUTH_OIDC:
		return "oidc";
	case AUTH_CERTIFICATE:
		return "certificate";
	}
	return "anonymous";
}

void
principal_release(struct principal *p)
{
	free(p->name);
	free(p->credential_id);
	free(p->owner);
	free(p->issuer);
	free(p->subject);
	free(p->verified);
	strv_release(&p->groups);
	strv_release(&p->aliases);
	strv_release(&p->session_claims);
	*p = (struct principal){ 0 };
}

static char *
copy_of(const char *s)
{
	char *copy = s != NULL ? strdup(s) : NULL;

	if (s != NULL && copy == NULL)
		gg_die("no memory for a principal");
	return copy;
}

void
principal_copy(struct principal *to, const struct principal *from)
{
	principal_release(to);
	to->method = from->method;
	to->name = copy_of(from->name != NULL ? from->name : "");
	to->credential_id = copy_of(from->credential_id != NULL ?
		from->credential_id :
		"");
	to->owner = copy_of(from->owner);
	to->issuer = copy_of(from->issuer);
	to->subject = copy_of(from->subject);
	to->verified = copy_of(from->verified);
	strv_copy(&to->groups, &from->groups);
	strv_copy(&to->aliases, &from->aliases);
	strv_copy(&to->session_claims, &from->session_claims);
	if (to->groups.failed != 0 || to->aliases.failed != 0 ||
	    to->session_claims.failed != 0)
		gg_die("no memory for a principal");
}

bool
principal_in_any(const struct principal *p, const struct strv *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strv_has(&p->groups, groups->v[i]))
			return true;
	return false;
}

bool
principal_is_machine(const struct principal *p)
{
	return p->method == AUTH_OIDC || p->method == AUTH_CERTIFICATE ||
	    (p->owner != NULL && *p->owner != '\0');
}

bool
principal_is_called(const struct principal *p, const char *name)
{
	if (*name == '\0')
		return false;
	if (strcasecmp(p->name, name) == 0 ||
	    (p->owner != NULL && strcasecmp(p->owner, name) == 0))
		return true;
	for (size_t i = 0; i < p->aliases.n; i++)
		if (strcasecmp(p->aliases.v[i], name) == 0)
			return true;
	return false;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

bool
principal_name_is_valid(struct view v)
{
	if (v.n == 0 || v.n > 128 || !is_alnum(v.p[0]))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!is_alnum(v.p[i]) &&
		    (v.p[i] == '\0' || strchr("._@:/+-", v.p[i]) == NULL))
			return false;
	return true;
}

bool
email_is_valid(struct view v)
{
	size_t ats = 0;

	if (v.n < 3 || v.n > 254 || v.p[0] == '@' || v.p[v.n - 1] == '@')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] <= ' ' || v.p[i] > '~' ||
		    strchr("<>\"\\,;:()[]", v.p[i]) != NULL)
			return false;
		ats += v.p[i] == '@';
	}
	return ats == 1;
}
