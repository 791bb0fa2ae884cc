/*
 * People whom a provider vouches for: which name a subject of a provider has
 * here. Keyed on the provider and its subject, never on an e-mail address.
 */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

void
stored_link_release(struct stored_link *l)
{
	free(l->provider);
	free(l->subject);
	free(l->issuer);
	free(l->person);
	strv_release(&l->aliases);
	*l = (struct stored_link){ 0 };
}

/* Names are told apart without regard to case, as where votes are counted. */
static char *
key_of(const char *name)
{
	char *key = strdup(name);

	if (key == NULL)
		gg_die("no memory for a name");
	for (char *p = key; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return key;
}

#define LINK_COLUMNS                                          \
	"SELECT provider, subject, issuer, person, by_admin," \
	" aliases, created_ms, used_ms FROM person_link"

static int
link_read(const struct rows *r, size_t i, struct stored_link *l,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &l->provider, err)) != 0 ||
	    (rc = col_text(r, i, 1, &l->subject, err)) != 0 ||
	    (rc = col_text(r, i, 2, &l->issuer, err)) != 0 ||
	    (rc = col_text(r, i, 3, &l->person, err)) != 0 ||
	    (rc = col_strv(r, i, 5, &l->aliases, err)) != 0)
		return rc;
	l->by_admin = rows_i(r, i, 4) != 0;
	l->created_ms = rows_i(r, i, 6);
	l->used_ms = rows_i(r, i, 7);
	return 0;
}

/* Is there an account or another subject of this name? */
static int
check_free(struct tx *t, const char *name, const char *key,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_run(t, &r, err,
	    "SELECT 1 FROM person_link WHERE person_key = $1 AND by_admin = 0"
	    " UNION SELECT 1 FROM account WHERE LOWER(name) = $1",
	    arg_s(key));
	if (rc == 0 && r.n_rows > 0)
		return gg_fail(err, GG_E_EXISTS,
		    "the name %s belongs to somebody else", name);
	return rc;
}

static int
add_link(struct tx *t, const struct stored_link *l, struct gg_error *err)
{
	GG_AUTO_MEM char *key = key_of(l->person);
	GG_AUTO_MEM char *aliases = NULL;
	int rc;

	if ((rc = col_dump_strv(&l->aliases, &aliases, err)) != 0)
		return rc;
	return tx_run(t, NULL, err,
	    "INSERT INTO person_link (provider, subject, issuer, person,"
	    " person_key, by_admin, aliases, created_ms, used_ms)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	    arg_s(l->provider), arg_s(l->subject), arg_s(l->issuer),
	    arg_s(l->person), arg_s(key), arg_i(l->by_admin), arg_s(aliases),
	    arg_i(l->created_ms), arg_i(l->used_ms));
}

static int
find_link(struct tx *t, const char *provider, const char *subject,
    struct stored_link *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_run(t, &r, err,
	    LINK_COLUMNS " WHERE provider = $1 AND subject = $2",
	    arg_s(provider), arg_s(subject));
	if (rc == 0 && r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such person");
	return rc != 0 ? rc : link_read(&r, 0, out, err);
}

/* Known already: what the provider says now is kept; the name stays. */
static int
renew_link(struct tx *t, const struct stored_link *known,
    const struct stored_link *seen, struct gg_error *err)
{
	GG_AUTO_MEM char *aliases = NULL;
	int rc;

	if (known->issuer[0] != '\0' &&
	    strcmp(known->issuer, seen->issuer) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "%s was known by another issuer of this provider",
		    known->person);
	if ((rc = col_dump_strv(&seen->aliases, &aliases, err)) != 0)
		return rc;
	return tx_run(t, NULL, err,
	    "UPDATE person_link SET issuer = $1, aliases = $2, used_ms = $3"
	    " WHERE provider = $4 AND subject = $5",
	    arg_s(seen->issuer), arg_s(aliases), arg_i(seen->used_ms),
	    arg_s(seen->provider), arg_s(seen->subject));
}

int
store_person_bind(struct store *s, const struct stored_link *seen,
    char **person, bool *linked, struct gg_error *err)
{
	GG_AUTO_MEM char *key = key_of(seen->person);
	GG_AUTO_RELEASE(stored_link) known = { 0 };
	GG_AUTO_RELEASE(tx) t = { 0 };
	const char *name = seen->person;
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, "person", err)) != 0)
		return rc;
	rc = find_link(&t, seen->provider, seen->subject, &known, err);
	if (rc == 0) {
		name = known.person;
		rc = renew_link(&t, &known, seen, err);
	} else if (rc == GG_E_NOTFOUND &&
	    (rc = check_free(&t, seen->person, key, err)) == 0) {
		rc = add_link(&t, seen, err);
	}
	if (rc != 0 || (rc = tx_commit(&t, err)) != 0)
		return rc;
	*linked = known.by_admin;
	return (*person = strdup(name)) != NULL ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "person");
}

/* Their sessions carry the name of before. */
static int
end_sessions(struct tx *t, const char *provider, const char *subject,
    struct gg_error *err)
{
	return tx_run(t, NULL, err,
	    "DELETE FROM web_session WHERE provider = $1 AND subject = $2",
	    arg_s(provider), arg_s(subject));
}

static int
check_account(struct tx *t, const char *name, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err, "SELECT 1 FROM account WHERE name = $1",
	    arg_s(name));

	if (rc == 0 && r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	return rc;
}

int
store_person_link(struct store *s, const char *provider, const char *subject,
    const char *person, int64_t now_ms, struct gg_error *err)
{
	struct stored_link l = { .provider = (char *)(uintptr_t)provider,
		.subject = (char *)(uintptr_t)subject,
		.issuer = (char *)(uintptr_t) "",
		.person = (char *)(uintptr_t)person,
		.by_admin = true,
		.created_ms = now_ms };
	GG_AUTO_RELEASE(stored_link) known = { 0 };
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, "person", err)) != 0 ||
	    (rc = check_account(&t, person, err)) != 0)
		return rc;
	rc = find_link(&t, provider, subject, &known, err);
	if (rc == 0 && known.by_admin)
		return gg_fail(err, GG_E_EXISTS,
		    "this subject is linked to %s already", known.person);
	if (rc == 0)
		rc = tx_run(&t, NULL, err,
		    "DELETE FROM person_link"
		    " WHERE provider = $1 AND subject = $2",
		    arg_s(provider), arg_s(subject));
	else if (rc == GG_E_NOTFOUND)
		rc = 0;
	if (rc != 0 || (rc = add_link(&t, &l, err)) != 0 ||
	    (rc = end_sessions(&t, provider, subject, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_person_unlink(struct store *s, const char *provider, const char *subject,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "DELETE FROM person_link WHERE provider = $1 AND subject = $2",
		 arg_s(provider), arg_s(subject))) != 0)
		return rc;
	if (r.affected == 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "nobody is known by this subject of %s", provider);
	rc = end_sessions(&t, provider, subject, err);
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_person_list(struct store *s, store_link_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_read(s, LINK_COLUMNS " ORDER BY person, provider, subject",
	    NULL, 0, &r, err);
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_link) l = { 0 };

		if ((rc = link_read(&r, i, &l, err)) == 0)
			rc = cb(ctx, &l);
	}
	return rc;
}

int
store_person_aliases(struct store *s, const char *name, struct strv *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *key = key_of(name);
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT aliases FROM account WHERE LOWER(name) = $1"
	    " UNION ALL SELECT aliases FROM person_link WHERE person_key = $1",
	    arg_s(key));
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(strv) some = STRV_INIT;

		rc = col_strv(&r, i, 0, &some, err);
		for (size_t k = 0; rc == 0 && k < some.n; k++)
			if (!strv_has(out, some.v[k]))
				strv_add(out, some.v[k]);
	}
	return rc != 0 ? rc : strv_check(out, err);
}
