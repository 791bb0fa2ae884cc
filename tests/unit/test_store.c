/*
 * The same cases on SQLite and, where GITGATE_TEST_PG names a database that
 * may be emptied (tests/lib/with_postgres.sh), on PostgreSQL.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"
#include "store/erasure.h"
#include "store/provenance.h"
#include "store/store_priv.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_C "cccccccccccccccccccccccccccccccccccccccc"

static struct world {
	const char *where;
	char dir[64];
	struct store *s;
} w;

/* -- fixtures -- */

static void
empty_postgresql(void)
{
	struct gg_error err = { 0 };
	struct db *c;

	assert_int_equal(pgsql_driver.open(w.where, &c, &err), 0);
	assert_int_equal(pgsql_driver.script(c,
			     "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
			     &err),
	    0);
	pgsql_driver.close(c);
}

static struct store *
reopen(void)
{
	struct gg_error err = { 0 };
	struct store *s = NULL;

	if (store_open(w.where, w.dir, &s, &err) != 0)
		fail_msg("%s", err.msg);
	return s;
}

static int
set_up(void **state)
{
	(void)state;
	snprintf(w.dir, sizeof(w.dir), "/tmp/gitgate-store.XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	if (strcmp(w.where, "sqlite") != 0)
		empty_postgresql();
	w.s = reopen();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	store_free(w.s);
	w.s = NULL;
	return dir_remove(w.dir, NULL);
}

static json_t *
updates_json(const char *ref, const char *old, const char *new)
{
	return json_pack("[{s:s, s:s, s:s}]", "ref", ref, "old", old, "new",
	    new);
}

static struct stored_push
push_make(const char *id, const char *ref, const char *old, const char *new)
{
	struct stored_push p = { .id = strdup(id),
		.repository = strdup("acme/app"),
		.principal = strdup("agent"),
		.auth_method = strdup("token"),
		.credential_id = strdup("c1"),
		.client_addr = strdup("127.0.0.1"),
		.client_agent = strdup("git/2 \xff\x01"),
		.created_ms = 1000,
		.policy_digest = strdup(""),
		.report_digest = strdup("") };

	strv_add(&p.groups, "agents");
	strv_add(&p.groups, "b\"ots");
	p.request = json_pack("{s:b, s:[s]}", "atomic", 1, "options", "a=b");
	p.updates = updates_json(ref, old, new);
	return p;
}

static void
add_push(const char *id, const char *ref, const char *old, const char *new)
{
	GG_AUTO_RELEASE(stored_push) p = push_make(id, ref, old, new);

	assert_int_equal(store_push_add(w.s, &p, NULL), 0);
}

static char *
key_make(const char *name)
{
	return strdup(name);
}

/* Open a hold for a push that is there; the code of store_hold_open. */
static int
open_hold(const char *id, const char *push, const char *key,
    struct strv *superseded, char existing[ULID_SIZE])
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct strv none = STRV_INIT;
	char unused[ULID_SIZE];
	int rc;

	assert_int_equal(store_push_get(w.s, push, &p, NULL), 0);
	p.decided_ms = 1500;
	h = (struct stored_hold){ .id = strdup(id),
		.push_id = strdup(push),
		.repository = strdup(p.repository),
		.principal = strdup(p.principal),
		.created_ms = 2000,
		.expires_ms = 5000,
		.key = key_make(key),
		.report_digest = strdup("r"),
		.policy_digest = strdup("p") };
	h.updates = json_incref(p.updates);
	h.needs = json_pack("[{s:s, s:i}]", "rule", "x", "required", 2);
	rc = store_hold_open(w.s, &h, &p, superseded ? superseded : &none,
	    existing ? existing : unused, NULL);
	strv_release(&none);
	return rc;
}

static void
add_hold(const char *id, const char *push, const char *ref, const char *key)
{
	add_push(push, ref, OID_A, OID_B);
	assert_int_equal(open_hold(id, push, key, NULL, NULL), 0);
}

static enum hold_state
hold_state_of(const char *id)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };

	assert_int_equal(store_hold_get(w.s, id, &h, NULL), 0);
	return h.state;
}

static enum push_state
push_state_of(const char *id)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };

	assert_int_equal(store_push_get(w.s, id, &p, NULL), 0);
	return p.state;
}

static int
review(const char *id, const char *reviewer, bool approve, size_t expected,
    enum hold_state next)
{
	struct stored_review r = { .reviewer = strdup(reviewer),
		.comment = strdup("fine \"so\" far"),
		.approve = approve,
		.time_ms = 2500 };
	int rc;

	strv_add(&r.groups, "dba");
	rc = store_hold_review(w.s, id, &r, expected, next, 2600, NULL);
	free(r.reviewer);
	free(r.comment);
	strv_release(&r.groups);
	return rc;
}

/* -- opening -- */

static void
opens_twice_and_pings(void **state)
{
	(void)state;
	struct store *other = reopen();

	assert_int_equal(store_ping(w.s, NULL), 0);
	assert_int_equal(store_ping(other, NULL), 0);
	store_free(other);
}

static void
refuses_a_newer_database(void **state)
{
	struct gg_error err = { 0 };
	struct store *s = NULL;
	(void)state;

	assert_int_equal(store_do(w.s, DB_DURABLE, NULL, NULL,
			     "UPDATE schema_version SET version = $1",
			     arg_i(999)),
	    0);
	assert_int_equal(store_open(w.where, w.dir, &s, &err), GG_E_REFUSED);
	assert_null(s);
	assert_non_null(strstr(err.msg, "newer"));
}

static void
refuses_unknown_places(void **state)
{
	struct store *s = NULL;
	(void)state;

	assert_int_equal(store_open("mysql://x", w.dir, &s, NULL), GG_E_INPUT);
	assert_int_equal(store_open("postgresql://x@127.0.0.1:1/x", w.dir, &s,
			     NULL),
	    GG_E_UNAVAILABLE);
	assert_null(s);
}

static void *
open_thread(void *arg)
{
	struct store *s = NULL;
	int *rc = arg;

	*rc = store_open(w.where, w.dir, &s, NULL);
	store_free(s);
	return NULL;
}

static void
many_open_a_new_database_at_once(void **state)
{
	pthread_t t[6];
	int rc[6];
	(void)state;

	store_free(w.s);
	if (strcmp(w.where, "sqlite") != 0) {
		empty_postgresql();
	} else {
		assert_int_equal(dir_remove(w.dir, NULL), 0);
	}
	for (size_t i = 0; i < GG_COUNT(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, open_thread,
				     &rc[i]),
		    0);
	for (size_t i = 0; i < GG_COUNT(t); i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(rc[i], 0);
	}
	w.s = reopen();
}

static void
files_are_private(void **state)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate.db", w.dir);
	struct stat st;
	(void)state;

	if (strcmp(w.where, "sqlite") != 0)
		return;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* -- tokens, accounts, sessions -- */

static int
count_token(void *ctx, const struct stored_token *t)
{
	(void)t;
	++*(int *)ctx;
	return 0;
}

static void
add_token(const char *id, const char *principal, const char *hash)
{
	struct stored_token t = { .id = strdup(id),
		.principal = strdup(principal),
		.created_ms = 1,
		.expires_ms = 99 };

	strv_add(&t.groups, "agents");
	assert_int_equal(store_token_add(w.s, &t, hash, NULL), 0);
	stored_token_release(&t);
}

static void
tokens(void **state)
{
	GG_AUTO_RELEASE(stored_token) t = { 0 };
	uint64_t n = 0;
	int count = 0;
	(void)state;

	add_token("T1", "bot", "h1");
	add_token("T2", "bot", "h2");
	add_token("T3", "T1", "h3"); /* a principal named like an id */
	assert_int_equal(store_token_find(w.s, "h0", &t, NULL), GG_E_NOTFOUND);
	assert_int_equal(store_token_used(w.s, "T1", 120000, NULL), 0);
	assert_int_equal(store_token_used(w.s, "T1", 120001, NULL), 0);
	assert_int_equal(store_token_used(w.s, "T9", 1, NULL), GG_E_NOTFOUND);
	assert_int_equal(store_token_find(w.s, "h1", &t, NULL), 0);
	assert_string_equal(t.principal, "bot");
	assert_int_equal(t.groups.n, 1);
	assert_int_equal(t.expires_ms, 99);
	assert_int_equal(t.used_ms, 120000);
	assert_int_equal(store_token_revoke(w.s, "T1", 7, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_token_revoke(w.s, "bot", 8, &n, NULL), 0);
	assert_int_equal(n, 1); /* the other one */
	assert_int_equal(store_token_revoke(w.s, "bot", 8, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_token_revoke(w.s, "x", 8, &n, NULL),
	    GG_E_NOTFOUND);
	stored_token_release(&t);
	assert_int_equal(store_token_find(w.s, "h1", &t, NULL), 0);
	assert_int_equal(t.revoked_ms, 7);
	stored_token_release(&t);
	assert_int_equal(store_token_find(w.s, "h3", &t, NULL), 0);
	assert_int_equal(t.revoked_ms, 0);
	assert_int_equal(store_token_list(w.s, count_token, &count, NULL), 0);
	assert_int_equal(count, 3);
}

static int
count_user(void *ctx, const struct stored_user *u)
{
	(void)u;
	++*(int *)ctx;
	return 0;
}

/* Steps of one-time codes: each once, none from before, only of this key. */
static void
one_time_codes(void **state)
{
	struct stored_user u = { .name = strdup("ann"),
		.password_hash = strdup("$argon2id$1"),
		.created_ms = 5 };
	struct stored_session x = { .id = strdup("S0"),
		.person = strdup("ann"),
		.csrf = strdup("tok"),
		.created_ms = 10,
		.used_ms = 10 };
	GG_AUTO_RELEASE(stored_user) found = { 0 };
	GG_AUTO_RELEASE(stored_session) got = { 0 };
	(void)state;

	assert_int_equal(store_user_add(w.s, &u, NULL), 0);
	assert_int_equal(store_session_add(w.s, "s1", &x, NULL), 0);
	assert_int_equal(store_user_use_totp(w.s, "ann", "AAAA", 7, NULL),
	    GG_E_REFUSED);
	assert_int_equal(store_user_set_totp(w.s, "ann", "AAAA", 5, true, NULL),
	    0);
	assert_int_equal(store_session_find(w.s, "s1", &got, NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_user_set_totp(w.s, "ann", "BBBB", 0, true, NULL),
	    GG_E_EXISTS);
	assert_int_equal(store_user_set_totp(w.s, "bob", "BBBB", 0, false,
			     NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_user_use_totp(w.s, "ann", "AAAA", 5, NULL),
	    GG_E_REFUSED);
	assert_int_equal(store_user_use_totp(w.s, "ann", "AAAA", 7, NULL), 0);
	for (int64_t step = 6; step <= 7; step++)
		assert_int_equal(store_user_use_totp(w.s, "ann", "AAAA", step,
				     NULL),
		    GG_E_REFUSED);
	assert_int_equal(store_user_use_totp(w.s, "ann", "BBBB", 8, NULL),
	    GG_E_REFUSED);
	assert_int_equal(store_user_find(w.s, "ann", &found, NULL), 0);
	assert_string_equal(found.totp_secret, "AAAA");
	assert_int_equal(found.totp_step, 7);
	assert_int_equal(store_user_set_totp(w.s, "ann", "", 0, false, NULL),
	    0);
	assert_int_equal(store_user_use_totp(w.s, "ann", "AAAA", 9, NULL),
	    GG_E_REFUSED);
	stored_user_release(&u);
	stored_session_release(&x);
}

static void
users_and_sessions(void **state)
{
	struct stored_user u = { .name = strdup("ann"),
		.password_hash = strdup("$argon2id$1"),
		.created_ms = 5 };
	struct stored_session x = { .id = strdup("S0"),
		.person = strdup("ann"),
		.csrf = strdup("tok"),
		.created_ms = 10,
		.used_ms = 10 };
	GG_AUTO_RELEASE(stored_session) got = { 0 };
	GG_AUTO_RELEASE(stored_user) found = { 0 };
	int count = 0;
	(void)state;

	assert_int_equal(store_user_add(w.s, &u, NULL), 0);
	assert_int_equal(store_user_add(w.s, &u, NULL), GG_E_EXISTS);
	assert_int_equal(store_session_add(w.s, "s1", &x, NULL), 0);
	assert_int_equal(store_session_used(w.s, "s1", 5000, NULL), 0);
	assert_int_equal(store_session_find(w.s, "s1", &got, NULL), 0);
	assert_string_equal(got.person, "ann");
	assert_string_equal(got.csrf, "tok");
	assert_int_equal(got.used_ms, 5000);
	assert_int_equal(store_user_set_password(w.s, "ann", "new", NULL), 0);
	stored_session_release(&got);
	assert_int_equal(store_session_find(w.s, "s1", &got, NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_user_set_password(w.s, "bob", "new", NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_user_find(w.s, "ann", &found, NULL), 0);
	assert_string_equal(found.password_hash, "new");
	assert_int_equal(store_user_list(w.s, count_user, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(store_session_add(w.s, "s2", &x, NULL), 0);
	x.id[1] = '1';
	assert_int_equal(store_session_add(w.s, "s3", &x, NULL), 0);
	assert_int_equal(store_session_remove(w.s, "s3", NULL), 0);
	assert_int_equal(store_session_remove(w.s, "s3", NULL), GG_E_NOTFOUND);
	assert_int_equal(store_user_remove(w.s, "ann", NULL), 0);
	assert_int_equal(store_user_remove(w.s, "ann", NULL), GG_E_NOTFOUND);
	assert_int_equal(store_session_find(w.s, "s2", &got, NULL),
	    GG_E_NOTFOUND);
	stored_user_release(&u);
	stored_session_release(&x);
}

static struct stored_link
seen(const char *subject, const char *issuer, const char *name, int64_t now)
{
	struct stored_link l = { .provider = strdup("corp"),
		.subject = strdup(subject),
		.issuer = strdup(issuer),
		.person = strdup(name),
		.created_ms = now,
		.used_ms = now };

	return l;
}

/* The name it gets, "" where it is refused; rc in *out. */
static const char *
bound(const char *subject, const char *issuer, const char *name, int *out)
{
	static char kept[64];
	struct stored_link l = seen(subject, issuer, name, 1);
	GG_AUTO_MEM char *person = NULL;
	bool linked = false;

	strv_add(&l.aliases, "a@b.c");
	*out = store_person_bind(w.s, &l, &person, &linked, NULL);
	snprintf(kept, sizeof(kept), "%s%s", linked ? "+" : "",
	    person != NULL ? person : "");
	stored_link_release(&l);
	return kept;
}

static int
count_link(void *ctx, const struct stored_link *l)
{
	*(int *)ctx += l->by_admin ? 10 : 1;
	return 0;
}

static void
people_of_providers(void **state)
{
	struct stored_user u = { .name = strdup("ann"),
		.password_hash = strdup(""),
		.created_ms = 5 };
	GG_AUTO_RELEASE(strv) aliases = STRV_INIT;
	int rc, n = 0;
	(void)state;

	assert_string_equal(bound("s1", "i", "corp:bob", &rc), "corp:bob");
	assert_string_equal(bound("s1", "i", "corp:robert", &rc), "corp:bob");
	assert_string_equal(bound("s1", "j", "corp:bob", &rc), "");
	assert_int_equal(rc, GG_E_REFUSED);
	assert_string_equal(bound("s2", "i", "corp:BOB", &rc), "");
	assert_int_equal(rc, GG_E_EXISTS);
	u.name[0] = 'A';
	assert_int_equal(store_user_add(w.s, &u, NULL), 0);
	assert_string_equal(bound("s2", "i", "ann", &rc), "");
	assert_int_equal(rc, GG_E_EXISTS);
	free(u.name);
	u.name = strdup("corp:Bob");
	assert_int_equal(store_user_add(w.s, &u, NULL), GG_E_EXISTS);
	assert_int_equal(store_person_link(w.s, "corp", "s1", "no", 1, NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_person_link(w.s, "corp", "s1", "Ann", 1, NULL),
	    0);
	assert_int_equal(store_person_link(w.s, "corp", "s1", "Ann", 1, NULL),
	    GG_E_EXISTS);
	assert_string_equal(bound("s1", "j", "corp:bob", &rc), "+Ann");
	assert_string_equal(bound("s1", "i", "corp:bob", &rc), "");
	assert_int_equal(rc, GG_E_REFUSED); /* its first issuer was j */
	assert_string_equal(bound("s2", "i", "corp:bob", &rc), "corp:bob");
	assert_int_equal(store_person_aliases(w.s, "ANN", &aliases, NULL), 0);
	assert_int_equal(aliases.n, 1);
	assert_int_equal(store_person_list(w.s, count_link, &n, NULL), 0);
	assert_int_equal(n, 11);
	assert_int_equal(store_user_remove(w.s, "Ann", NULL), 0);
	assert_int_equal(store_person_unlink(w.s, "corp", "s1", NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_person_unlink(w.s, "corp", "s2", NULL), 0);
	stored_user_release(&u);
}

static void
assertions_are_used_once(void **state)
{
	(void)state;

	assert_int_equal(store_assertion_use(w.s, "idp", "a", 500, 100, NULL),
	    0);
	assert_int_equal(store_assertion_use(w.s, "idp", "a", 500, 499, NULL),
	    GG_E_EXISTS);
	/* An id is its issuer's own, and no other case of itself. */
	assert_int_equal(store_assertion_use(w.s, "idp2", "a", 500, 499, NULL),
	    0);
	assert_int_equal(store_assertion_use(w.s, "idp", "A", 500, 499, NULL),
	    0);
	/* Over: nobody would accept it, and it need not be known. */
	assert_int_equal(store_assertion_use(w.s, "idp", "b", 900, 500, NULL),
	    0);
	assert_int_equal(store_assertion_use(w.s, "idp", "a", 900, 500, NULL),
	    0);
	assert_int_equal(store_assertion_use(w.s, "idp", "b", 900, 899, NULL),
	    GG_E_EXISTS);
}

static void
sign_ins_under_way(void **state)
{
	struct stored_sign_in x = { .provider = strdup("corp"),
		.browser = strdup("b1"),
		.next = strdup("/-/x"),
		.data = strdup("{}"),
		.client_addr = strdup("::1"),
		.created_ms = 100 };
	GG_AUTO_RELEASE(stored_sign_in) got = { 0 };
	(void)state;

	assert_int_equal(store_sign_in_add(w.s, "h1", &x, 0, 3, 2, NULL), 0);
	assert_int_equal(store_sign_in_add(w.s, "h2", &x, 0, 3, 2, NULL), 0);
	assert_int_equal(store_sign_in_add(w.s, "h3", &x, 0, 3, 2, NULL),
	    GG_E_LIMIT);
	x.client_addr[2] = '2';
	assert_int_equal(store_sign_in_add(w.s, "h3", &x, 0, 3, 2, NULL), 0);
	assert_int_equal(store_sign_in_add(w.s, "h4", &x, 0, 3, 2, NULL),
	    GG_E_LIMIT);
	assert_int_equal(store_sign_in_take(w.s, "h1", "other", "b1", 0, &got,
			     NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_sign_in_take(w.s, "h1", "corp", "b2", 0, &got,
			     NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_sign_in_take(w.s, "h1", "corp", "b1", 101, &got,
			     NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_sign_in_take(w.s, "h1", "corp", "b1", 100, &got,
			     NULL),
	    0);
	assert_string_equal(got.next, "/-/x");
	assert_int_equal(got.created_ms, 100);
	stored_sign_in_release(&got);
	assert_int_equal(store_sign_in_take(w.s, "h1", "corp", "b1", 0, &got,
			     NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_sign_in_take(w.s, "h2", "corp", NULL, 0, &got,
			     NULL),
	    0);
	/* the old ones make room */
	x.created_ms = 300;
	assert_int_equal(store_sign_in_add(w.s, "h5", &x, 200, 1, 1, NULL), 0);
	assert_int_equal(store_sign_in_take(w.s, "h3", "corp", NULL, 0, &got,
			     NULL),
	    GG_E_NOTFOUND);
	stored_sign_in_release(&x);
}

static void
sign_in_failures(void **state)
{
	uint64_t n = 9;
	(void)state;

	assert_int_equal(store_signin_failed(w.s, "user:x", 100, NULL), 0);
	assert_int_equal(store_signin_failed(w.s, "user:x", 200, NULL), 0);
	assert_int_equal(store_signin_failed(w.s, "user:y", 200, NULL), 0);
	assert_int_equal(store_signin_count(w.s, "user:x", 0, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_signin_count(w.s, "user:x", 150, &n, NULL), 0);
	assert_int_equal(n, 1);
	/* a day later the old ones are forgotten */
	assert_int_equal(store_signin_failed(w.s, "user:y", 90000000, NULL), 0);
	assert_int_equal(store_signin_count(w.s, "user:x", 0, &n, NULL), 0);
	assert_int_equal(n, 0);
}

/* -- recordings -- */

static int
note_id(void *ctx, const struct stored_push *p)
{
	strv_add(ctx, p->id);
	return 0;
}

static int
count_keep(void *ctx, const struct stored_keep *k)
{
	(void)k;
	++*(int *)ctx;
	return 0;
}

static char *
word_of(const char *s)
{
	return view_dup(view_str(s));
}

static void
recordings_go_and_stay(void **state)
{
	GG_AUTO_RELEASE(stored_push)
	a = push_make("P1", "refs/heads/m", OID_A, OID_B);
	GG_AUTO_RELEASE(stored_push)
	b = push_make("P2", "refs/heads/n", OID_A, OID_B);
	GG_AUTO_RELEASE(strv)
	ids = STRV_INIT, more = STRV_INIT, gone = STRV_INIT;
	struct stored_keep one = { .id = word_of("K1"),
		.push_id = word_of("P1"),
		.repository = word_of(""),
		.reason = word_of("why"),
		.created_ms = 5 };
	struct stored_keep all = { .id = word_of("K2"),
		.push_id = word_of(""),
		.repository = word_of(a.repository),
		.reason = word_of("why"),
		.since_ms = b.created_ms,
		.until_ms = b.created_ms + 1,
		.created_ms = 6 };
	int64_t at = 1;
	bool yes = false;
	int n = 0;
	(void)state;

	assert_int_equal(store_push_add(w.s, &a, NULL), 0);
	assert_int_equal(store_push_add(w.s, &b, NULL), 0);
	assert_int_equal(store_recorded(w.s, "", 10, note_id, &ids, NULL), 0);
	assert_int_equal(ids.n, 2);
	assert_int_equal(store_recorded(w.s, "P1", 10, note_id, &more, NULL),
	    0);
	assert_int_equal(more.n, 1);
	assert_string_equal(more.v[0], "P2");

	assert_int_equal(store_push_is_kept(w.s, &a, &yes, NULL), 0);
	assert_false(yes);
	assert_int_equal(store_keep_add(w.s, &one, NULL), 0);
	assert_int_equal(store_push_is_kept(w.s, &a, &yes, NULL), 0);
	assert_true(yes);
	assert_int_equal(store_keep_end(w.s, "K1", 9, NULL), 0);
	assert_int_equal(store_keep_end(w.s, "K1", 9, NULL), GG_E_REFUSED);
	assert_int_equal(store_keep_end(w.s, "K9", 9, NULL), GG_E_NOTFOUND);
	assert_int_equal(store_push_is_kept(w.s, &a, &yes, NULL), 0);
	assert_false(yes);
	assert_int_equal(store_keep_add(w.s, &all, NULL), 0);
	assert_int_equal(store_push_is_kept(w.s, &b, &yes, NULL), 0);
	assert_true(yes);
	b.created_ms++; /* at the end of the time that is kept */
	assert_int_equal(store_push_is_kept(w.s, &b, &yes, NULL), 0);
	assert_false(yes);
	b.created_ms -= 2; /* before it */
	assert_int_equal(store_push_is_kept(w.s, &b, &yes, NULL), 0);
	assert_false(yes);
	assert_int_equal(store_keep_list(w.s, NULL, count_keep, &n, NULL), 0);
	assert_int_equal(n, 2);

	assert_int_equal(store_recording_state(w.s, "P1", &at, NULL), 0);
	assert_int_equal(at, 0);
	strv_add(&gone, "P1");
	assert_int_equal(store_recording_gone(w.s, &gone, 77, NULL), 0);
	assert_int_equal(store_recording_state(w.s, "P1", &at, NULL), 0);
	assert_int_equal(at, 77);
	assert_int_equal(store_recording_state(w.s, "P9", &at, NULL),
	    GG_E_NOTFOUND);
	strv_release(&ids);
	memset(&ids, 0, sizeof(ids));
	assert_int_equal(store_recorded(w.s, "", 10, note_id, &ids, NULL), 0);
	assert_int_equal(ids.n, 1);
	assert_int_equal(store_policy_is_used(w.s, "none", &yes, NULL), 0);
	assert_false(yes);
	stored_keep_release(&one);
	stored_keep_release(&all);
}

/* -- provenance -- */

/* A push in a state, and a record of it for a key and a source. */
static void
push_with_record(const char *id, const char *principal, enum push_state state,
    const char *source, const char *key)
{
	GG_AUTO_RELEASE(stored_push)
	p = push_make(id, "refs/notes/ai", OID_A, OID_B);
	json_t *records = json_pack("[{s:s, s:s, s:s}]", "source", source,
	    "key", key, "of", id);

	free(p.principal);
	p.principal = strdup(principal);
	assert_int_equal(store_push_add(w.s, &p, NULL), 0);
	p.state = state;
	if (state != PUSH_RECEIVING)
		assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING,
				     NULL),
		    0);
	assert_int_equal(store_provenance_put(w.s, p.repository, id, records,
			     NULL),
	    0);
	json_decref(records);
}

static int
note_record(void *ctx, const struct stored_record *r)
{
	assert_string_equal(json_string_value(json_object_get(r->record, "of")),
	    r->push);
	buf_addf(ctx, "%s:%s ", r->push, r->principal);
	return 0;
}

static void
assert_found_for(const char *key, bool trailers, bool own, size_t each,
    const char *want)
{
	GG_AUTO_RELEASE(buf) found = BUF_INIT(1000);
	GG_AUTO_RELEASE(strv) keys = STRV_INIT;
	GG_AUTO_RELEASE(stored_push)
	like = push_make("x", "r", OID_A, OID_B);
	struct provenance_query q = { .repository = like.repository,
		.keys = &keys,
		.push = "P3",
		.principal = "ann",
		.own = own,
		.trailers = trailers,
		.each = each,
		.most = 100 };

	strv_add(&keys, "commit:0");
	strv_add(&keys, key);
	assert_int_equal(store_provenance_find(w.s, &q, note_record, &found,
			     NULL),
	    0);
	assert_string_equal(buf_str(&found), want);
}

static void
assert_found(const char *key, bool trailers, size_t each, const char *want)
{
	assert_found_for(key, trailers, false, each, want);
}

/* The asking push's own record comes first, then its principal's, then the
 * newest; what came to nothing says nothing. */
static void
provenance_is_found_by_key(void **state)
{
	GG_AUTO_RELEASE(buf) own = BUF_INIT(1000);
	GG_AUTO_RELEASE(strv) gone = STRV_INIT;
	uint64_t n = 0;
	(void)state;

	push_with_record("P1", "ann", PUSH_FORWARDED, "git-ai", "commit:1");
	push_with_record("P2", "eve", PUSH_FORWARDED, "git-ai", "commit:1");
	push_with_record("P3", "bob", PUSH_HELD, "git-ai", "commit:1");
	push_with_record("P4", "eve", PUSH_DENIED, "git-ai", "commit:1");
	push_with_record("P5", "ann", PUSH_ABORTED, "git-ai", "commit:1");
	push_with_record("P6", "ann", PUSH_RECEIVING, "git-ai", "commit:1");
	push_with_record("P7", "ann", PUSH_FORWARDED, "entire", "checkpoint:1");
	push_with_record("P8", "ann", PUSH_HELD, "trailer", "checkpoint:1");
	assert_found("commit:1", false, 9, "P3:bob P1:ann P4:eve P2:eve ");
	assert_found("commit:1", false, 2, "P3:bob P1:ann ");
	/* of the same principal, and let through */
	assert_found_for("commit:1", false, true, 9, "P1:ann ");
	push_with_record("P81", "ann", PUSH_KEPT, "git-ai", "commit:1");
	push_with_record("P82", "ann", PUSH_HELD, "git-ai", "commit:1");
	push_with_record("P83", "ann", PUSH_FAILED, "git-ai", "commit:1");
	assert_found_for("commit:1", false, true, 9, "P81:ann P1:ann ");
	strv_add(&gone, "P81");
	strv_add(&gone, "P82");
	strv_add(&gone, "P83");
	assert_int_equal(store_recording_gone(w.s, &gone, 9, NULL), 0);
	/* who says it often hides nobody */
	push_with_record("P90", "eve", PUSH_FORWARDED, "git-ai", "commit:1");
	push_with_record("P10", "olga", PUSH_FORWARDED, "git-ai", "commit:1");
	assert_found("commit:1", false, 4, "P3:bob P1:ann P90:eve P10:olga ");
	assert_found("commit:1", false, 9,
	    "P3:bob P1:ann P90:eve P10:olga P4:eve P2:eve ");
	assert_found("commit:2", false, 9, "");
	assert_found("checkpoint:1", false, 9, "P7:ann ");
	assert_found("checkpoint:1", true, 9, "P8:ann ");

	assert_int_equal(store_provenance_of_push(w.s, "P7", 9, note_record,
			     &own, &n, NULL),
	    0);
	assert_string_equal(buf_str(&own), "P7:ann ");
	assert_int_equal(n, 1);
	assert_int_equal(store_provenance_of_push(w.s, "P8", 9, note_record,
			     &own, &n, NULL),
	    0);
	assert_int_equal(n, 0);
	strv_add(&gone, "P3");
	assert_int_equal(store_recording_gone(w.s, &gone, 9, NULL), 0);
	assert_found("commit:1", false, 9,
	    "P1:ann P90:eve P10:olga P4:eve P2:eve ");
}

/* What is erased of a push is so in the ones that were judged by it. */
static void
provenance_is_erased_where_it_is_quoted(void **state)
{
	static const char erased[] =
	    "{\"erased\":[\"claimed\"],\"push\":\"P1\"}";
	const char *ids[] = { "P2", "P3" };
	json_t *entry = json_loads(erased, 0, NULL);
	struct erased_entry e = { .opened = entry, .text = erased };
	(void)state;

	push_with_record("P1", "ann", PUSH_FORWARDED, "entire", "checkpoint:1");
	for (size_t i = 0; i < GG_COUNT(ids); i++) {
		GG_AUTO_RELEASE(stored_push)
		p = push_make(ids[i], "r", OID_A, OID_B);

		free(p.principal);
		p.principal = strdup("ann");
		(void)json_object_set_new(p.request, "earlier_records",
		    json_pack("[{s:s, s:s, s:[{s:s}]}]", "push",
			i == 0 ? "P1" : "P0", "session", "s-1", "sessions",
			"session", "s-1"));
		assert_int_equal(store_push_add(w.s, &p, NULL), 0);
	}
	assert_int_equal(store_erase_copies(w.s, &e, 1, false, NULL), 0);
	for (size_t i = 0; i < GG_COUNT(ids); i++) {
		GG_AUTO_RELEASE(stored_push) p = { 0 };
		GG_AUTO_MEM char *text = NULL;

		assert_int_equal(store_push_get(w.s, ids[i], &p, NULL), 0);
		text = json_dumps(json_object_get(p.request, "earlier_records"),
		    JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(text,
		    i == 0 ?
			"[{\"push\":\"P1\",\"session\":\"[erased]\",\"sessions\":[{\"session\":\"[erased]\"}]}]" :
			"[{\"push\":\"P0\",\"session\":\"s-1\",\"sessions\":[{\"session\":\"s-1\"}]}]");
	}
	json_decref(entry);
}

static void
provenance_of_a_push_is_replaced(void **state)
{
	json_t *records = json_pack("[{s:s, s:s}, {s:s}]", "source", "git-ai",
	    "key", "commit:1", "source", "git-ai");
	GG_AUTO_RELEASE(buf) found = BUF_INIT(1000);
	uint64_t n = 0;
	(void)state;

	push_with_record("P1", "ann", PUSH_FORWARDED, "git-ai", "commit:2");
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_provenance_put(w.s, "r", "P1", records,
				     NULL),
		    0);
	json_decref(records);
	assert_int_equal(store_provenance_of_push(w.s, "P1", 0, note_record,
			     &found, &n, NULL),
	    0);
	assert_found("commit:2", false, 9, "");
	assert_int_equal(store_provenance_put(w.s, "r", "none", NULL, NULL), 0);
}

/* Who asks for something to stay, and what removes it, decide one after the
 * other: either it stays, or the asking is refused. */
static void
legal_hold_against_a_removal(void **state)
{
	GG_AUTO_RELEASE(stored_push)
	a = push_make("P1", "refs/heads/m", OID_A, OID_B);
	struct stored_keep one = { .id = word_of("K1"),
		.push_id = word_of("P1"),
		.repository = word_of(""),
		.reason = word_of("why"),
		.created_ms = 5 };
	struct stored_keep all = { .id = word_of("K2"),
		.push_id = word_of(""),
		.repository = word_of(a.repository),
		.reason = word_of("why"),
		.created_ms = 6 };
	json_t *cut = json_pack("{s:s, s:[{s:s}, {s:s}]}", "batch", "B",
	    "pushes", "push", "P0", "push", "P1");
	json_t *found = NULL;
	bool kept = true;
	(void)state;

	assert_int_equal(store_push_add(w.s, &a, NULL), 0);
	assert_int_equal(store_cut_get(w.s, &found, NULL), GG_E_NOTFOUND);
	assert_int_equal(store_cut_begin(w.s, cut, &kept, NULL), 0);
	assert_false(kept);
	assert_int_equal(store_cut_get(w.s, &found, NULL), 0);
	assert_true(json_equal(cut, found));
	assert_int_equal(store_keep_add(w.s, &one, NULL), GG_E_UNAVAILABLE);
	assert_int_equal(store_keep_add(w.s, &all, NULL), GG_E_UNAVAILABLE);
	assert_int_equal(store_push_is_kept(w.s, &a, &kept, NULL), 0);
	assert_false(kept);
	assert_int_equal(store_cut_end(w.s, NULL), 0);
	assert_int_equal(store_cut_get(w.s, &found, NULL), GG_E_NOTFOUND);

	assert_int_equal(store_keep_add(w.s, &one, NULL), 0);
	assert_int_equal(store_cut_begin(w.s, cut, &kept, NULL), 0);
	assert_true(kept);
	assert_int_equal(store_keep_end(w.s, "K1", 9, NULL), 0);
	assert_int_equal(store_keep_add(w.s, &all, NULL), 0);
	assert_int_equal(store_cut_begin(w.s, cut, &kept, NULL), 0);
	assert_true(kept);
	assert_int_equal(store_cut_get(w.s, &found, NULL), GG_E_NOTFOUND);
	json_decref(cut);
	json_decref(found);
	stored_keep_release(&one);
	stored_keep_release(&all);
}

/* -- pushes -- */

static void
push_round_trip(void **state)
{
	GG_AUTO_RELEASE(stored_push)
	p = push_make("P1", "refs/heads/m", OID_A, OID_B);
	GG_AUTO_RELEASE(stored_push) got = { 0 };
	(void)state;

	assert_int_equal(store_push_add(w.s, &p, NULL), 0);
	assert_int_equal(store_push_add(w.s, &p, NULL), GG_E_EXISTS);
	assert_int_equal(store_push_get(w.s, "P1", &got, NULL), 0);
	assert_string_equal(got.repository, "acme/app");
	assert_string_equal(got.groups.v[1], "b\"ots");
	assert_string_equal(got.client_agent, "git/2 ?\x01");
	assert_true(json_equal(got.request, p.request));
	assert_true(json_equal(got.updates, p.updates));
	assert_null(got.outcome);
	assert_int_equal(got.state, PUSH_RECEIVING);
	stored_push_release(&got);
	assert_int_equal(store_push_get(w.s, "P2", &got, NULL), GG_E_NOTFOUND);
	assert_null(got.id);
}

static void
push_moves_only_from_the_named_state(void **state)
{
	GG_AUTO_RELEASE(stored_push)
	p = push_make("P1", "refs/heads/m", OID_A, OID_B);
	(void)state;

	assert_int_equal(store_push_add(w.s, &p, NULL), 0);
	p.state = PUSH_FORWARDING;
	assert_int_equal(store_push_update(w.s, &p, PUSH_HELD, NULL),
	    GG_E_REFUSED);
	assert_int_equal(push_state_of("P1"), PUSH_RECEIVING);
	assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING, NULL), 0);
	assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING, NULL),
	    GG_E_REFUSED);
	p.state = PUSH_FORWARDED;
	p.done_ms = 77;
	p.outcome = json_pack("{s:s}", "state", "forwarded");
	assert_int_equal(store_push_update(w.s, &p, PUSH_FORWARDING, NULL), 0);
	free(p.id);
	p.id = strdup("P9");
	assert_int_equal(store_push_update(w.s, &p, PUSH_FORWARDING, NULL),
	    GG_E_NOTFOUND);
}

static int
collect_push(void *ctx, const struct stored_push *p)
{
	strv_add(ctx, p->id);
	/* a callback may use the store */
	return store_ping(w.s, NULL);
}

static void
expect_pushes(const struct store_query *q, const char *want,
    const char *want_next)
{
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	GG_AUTO_RELEASE(buf) got = BUF_INIT(1000);
	char next[ULID_SIZE];

	assert_int_equal(store_push_list(w.s, q, collect_push, &ids, next,
			     NULL),
	    0);
	for (size_t i = 0; i < ids.n; i++)
		buf_addf(&got, "%s ", ids.v[i]);
	assert_string_equal(buf_str(&got), want);
	assert_string_equal(next, want_next);
}

static void
push_lists(void **state)
{
	static const struct {
		const char *why;
		struct store_query q;
		const char *want, *next;
	} cases[] = {
		{ "all, newest first", { .limit = 9 }, "P4 P3 P2 P1 ", "" },
		{ "a page and its cursor", { .limit = 2 }, "P4 P3 ", "P3" },
		{ "the next page", { .limit = 2, .cursor = "P3" }, "P2 P1 ",
		    "" },
		{ "by ref", { .ref = "refs/heads/a" }, "P3 P1 ", "" },
		{ "by ref and cursor",
		    { .ref = "refs/heads/a", .cursor = "P3" }, "P1 ", "" },
		{ "by state", { .state = "denied" }, "", "" },
		{ "by repository", { .repository = "acme/app" }, "P4 P3 P2 P1 ",
		    "" },
		{ "no such repository", { .repository = "acme" }, "", "" },
		{ "by principal", { .principal = "agent", .limit = 1 }, "P4 ",
		    "P4" },
		{ "since is inclusive", { .since_ms = 1000 }, "P4 P3 P2 P1 ",
		    "" },
		{ "until is exclusive", { .until_ms = 1000 }, "", "" },
		{ "quotes are data", { .ref = "x' OR '1'='1" }, "", "" },
	};
	(void)state;

	add_push("P1", "refs/heads/a", OID_A, OID_B);
	add_push("P2", "refs/heads/b", OID_A, OID_B);
	add_push("P3", "refs/heads/a", OID_A, OID_C);
	add_push("P4", "refs/heads/c", OID_A, OID_B);
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		print_message("  %s\n", cases[i].why);
		expect_pushes(&cases[i].q, cases[i].want, cases[i].next);
	}
}

static void
unfinished_pushes(void **state)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	(void)state;

	add_push("P1", "refs/heads/a", OID_A, OID_B);
	add_push("P2", "refs/heads/b", OID_A, OID_B);
	add_push("P3", "refs/heads/c", OID_A, OID_B);
	assert_int_equal(store_push_get(w.s, "P2", &p, NULL), 0);
	p.state = PUSH_DENIED;
	assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING, NULL), 0);
	assert_int_equal(store_push_unfinished(w.s, collect_push, &ids, NULL),
	    0);
	assert_int_equal(ids.n, 2);
	assert_string_equal(ids.v[0], "P1");
}

/* -- holds -- */

static void
hold_round_trip(void **state)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	uint64_t n = 0;
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	assert_int_equal(push_state_of("P1"), PUSH_HELD);
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_string_equal(h.push_id, "P1");
	assert_int_equal(h.state, HOLD_PENDING);
	assert_int_equal(h.expires_ms, 5000);
	assert_int_equal(h.n_reviews, 0);
	assert_int_equal(json_array_size(h.needs), 1);
	assert_int_equal(store_hold_count(w.s, &n, NULL), 0);
	assert_int_equal(n, 1);
	stored_hold_release(&h);
	assert_int_equal(store_hold_get(w.s, "H2", &h, NULL), GG_E_NOTFOUND);
}

static void
same_key_joins(void **state)
{
	char existing[ULID_SIZE] = "";
	GG_AUTO_RELEASE(strv) superseded = STRV_INIT;
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	add_push("P2", "refs/heads/m", OID_A, OID_B);
	assert_int_equal(open_hold("H2", "P2", "k1", &superseded, existing),
	    GG_E_EXISTS);
	assert_string_equal(existing, "H1");
	assert_int_equal(superseded.n, 0);
	assert_int_equal(push_state_of("P2"), PUSH_RECEIVING);
	assert_int_equal(store_hold_find_key(w.s, "k1", &h, NULL), 0);
	assert_string_equal(h.id, "H1");
	/* once it is over, the same push opens another one */
	assert_int_equal(store_hold_move(w.s, "H1", HOLD_PENDING,
			     HOLD_WITHDRAWN, NULL, PUSH_STATE_COUNT, 3000,
			     NULL),
	    0);
	assert_int_equal(open_hold("H2", "P2", "k1", NULL, existing), 0);
}

static void
newer_push_supersedes(void **state)
{
	GG_AUTO_RELEASE(strv) superseded = STRV_INIT;
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	add_hold("H2", "P2", "refs/heads/other", "k2");
	add_push("P3", "refs/heads/m", OID_A, OID_C);
	assert_int_equal(open_hold("H3", "P3", "k3", &superseded, NULL), 0);
	assert_int_equal(superseded.n, 1);
	assert_string_equal(superseded.v[0], "H1");
	assert_int_equal(hold_state_of("H1"), HOLD_SUPERSEDED);
	assert_int_equal(hold_state_of("H2"), HOLD_PENDING);
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_int_equal(h.closed_ms, 2000);
	assert_non_null(h.outcome);
}

static void
an_approved_hold_is_not_superseded(void **state)
{
	GG_AUTO_RELEASE(strv) superseded = STRV_INIT;
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	assert_int_equal(review("H1", "ann", true, 0, HOLD_APPROVED), 0);
	add_push("P2", "refs/heads/m", OID_A, OID_C);
	assert_int_equal(open_hold("H2", "P2", "k2", &superseded, NULL), 0);
	assert_int_equal(superseded.n, 0);
	assert_int_equal(hold_state_of("H1"), HOLD_APPROVED);
}

static void
hold_needs_a_receiving_push(void **state)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_push("P1", "refs/heads/m", OID_A, OID_B);
	assert_int_equal(store_push_get(w.s, "P1", &p, NULL), 0);
	p.state = PUSH_ABORTED;
	assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING, NULL), 0);
	assert_int_equal(open_hold("H1", "P1", "k", NULL, NULL), GG_E_REFUSED);
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), GG_E_NOTFOUND);
	assert_int_equal(push_state_of("P1"), PUSH_ABORTED);
}

static void
reviews(void **state)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	assert_int_equal(review("H9", "ann", true, 0, HOLD_PENDING),
	    GG_E_NOTFOUND);
	assert_int_equal(review("H1", "ann", true, 1, HOLD_APPROVED),
	    GG_E_REFUSED); /* nobody has reviewed yet */
	assert_int_equal(review("H1", "ann", true, 0, HOLD_FORWARDED),
	    GG_E_REFUSED); /* no such move, and no review is left */
	assert_int_equal(review("H1", "ann", true, 0, HOLD_PENDING), 0);
	assert_int_equal(review("H1", "ann", true, 1, HOLD_APPROVED),
	    GG_E_EXISTS);
	assert_int_equal(review("H1", "bob", true, 0, HOLD_APPROVED),
	    GG_E_REFUSED); /* counted on none */
	assert_int_equal(review("H1", "bob", true, 1, HOLD_APPROVED), 0);
	assert_int_equal(review("H1", "cid", false, 2, HOLD_REJECTED),
	    GG_E_REFUSED); /* no longer pending */
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_int_equal(h.state, HOLD_APPROVED);
	assert_int_equal(h.closed_ms, 0);
	assert_int_equal(h.n_reviews, 2);
	assert_string_equal(h.reviews[0].reviewer, "ann");
	assert_string_equal(h.reviews[1].reviewer, "bob");
	assert_string_equal(h.reviews[1].comment, "fine \"so\" far");
	assert_true(h.reviews[1].approve);
	assert_string_equal(h.reviews[1].groups.v[0], "dba");
}

static void
rejection_closes_and_tells(void **state)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	assert_int_equal(review("H1", "ann", false, 0, HOLD_REJECTED), 0);
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_int_equal(h.state, HOLD_REJECTED);
	assert_int_equal(h.closed_ms, 2600);
	assert_false(h.reviews[0].approve);
	assert_string_equal(json_string_value(json_object_get(h.outcome,
				"message")),
	    "rejected by ann: fine \"so\" far");
}

static void
moves_follow_the_table(void **state)
{
	(void)state;

	for (unsigned from = 0; from < HOLD_STATE_COUNT; from++)
		for (unsigned to = 0; to < HOLD_STATE_COUNT; to++) {
			enum hold_state a = (enum hold_state)from;
			enum hold_state b = (enum hold_state)to;
			char id[16], push[16], ref[32];
			bool ok = a <= HOLD_APPROVED &&
			    hold_move_is_allowed(a, b);
			int want = ok ? 0 : GG_E_REFUSED;

			snprintf(id, sizeof(id), "H%02u%02u", from, to);
			snprintf(push, sizeof(push), "P%02u%02u", from, to);
			snprintf(ref, sizeof(ref), "refs/heads/%s", id);
			add_hold(id, push, ref, id);
			if (a == HOLD_APPROVED)
				assert_int_equal(review(id, "ann", true, 0,
						     HOLD_APPROVED),
				    0);
			assert_int_equal(store_hold_move(w.s, id, a, b, NULL,
					     PUSH_STATE_COUNT, 3000, NULL),
			    want);
		}
}

static void
move_carries_the_push(void **state)
{
	json_t *outcome = json_pack("{s:s, s:s}", "state", "forwarded",
	    "message", "ok");
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	assert_int_equal(store_hold_move(w.s, "H1", HOLD_APPROVED,
			     HOLD_FORWARDED, outcome, PUSH_FORWARDED, 3000,
			     NULL),
	    GG_E_REFUSED);
	assert_int_equal(push_state_of("P1"), PUSH_HELD);
	assert_int_equal(review("H1", "ann", true, 0, HOLD_APPROVED), 0);
	assert_int_equal(store_hold_attempted(w.s, "H1", NULL), 0);
	assert_int_equal(store_hold_attempted(w.s, "H9", NULL), GG_E_NOTFOUND);
	assert_int_equal(store_hold_move(w.s, "H1", HOLD_APPROVED,
			     HOLD_FORWARDED, outcome, PUSH_FORWARDED, 3000,
			     NULL),
	    0);
	assert_int_equal(store_push_get(w.s, "P1", &p, NULL), 0);
	assert_int_equal(p.state, PUSH_FORWARDED);
	assert_int_equal(p.done_ms, 3000);
	assert_true(json_equal(p.outcome, outcome));
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_true(json_equal(h.outcome, outcome));
	assert_int_equal(h.closed_ms, 3000);
	assert_int_equal(h.attempts, 1);
	assert_int_equal(store_hold_move(w.s, "H9", HOLD_PENDING, HOLD_EXPIRED,
			     NULL, PUSH_STATE_COUNT, 1, NULL),
	    GG_E_NOTFOUND);
	json_decref(outcome);
}

static int
collect_hold(void *ctx, const struct stored_hold *h)
{
	strv_add(ctx, h->id);
	return (int)h->n_reviews;
}

static void
hold_lists_and_due(void **state)
{
	GG_AUTO_RELEASE(strv) approved = STRV_INIT;
	GG_AUTO_RELEASE(strv) expired = STRV_INIT;
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	GG_AUTO_RELEASE(strv) stale = STRV_INIT;
	struct store_query q = { .state = "pending", .limit = 1 };
	char next[ULID_SIZE];
	(void)state;

	add_hold("H1", "P1", "refs/heads/a", "k1");
	add_hold("H2", "P2", "refs/heads/b", "k2");
	add_hold("H3", "P3", "refs/heads/c", "k3");
	assert_int_equal(review("H2", "ann", true, 0, HOLD_APPROVED), 0);
	assert_int_equal(store_hold_list(w.s, &q, collect_hold, &ids, next,
			     NULL),
	    0);
	assert_int_equal(ids.n, 1);
	assert_string_equal(ids.v[0], "H3");
	assert_string_equal(next, "H3");
	q = (struct store_query){ .ref = "refs/heads/b" };
	/* the callback's return stops the list: it is the one review */
	assert_int_equal(store_hold_list(w.s, &q, collect_hold, &ids, next,
			     NULL),
	    1);
	assert_string_equal(ids.v[1], "H2");
	assert_int_equal(store_hold_due(w.s, 4999, &approved, &expired, NULL),
	    0);
	assert_int_equal(approved.n, 1);
	assert_int_equal(expired.n, 0);
	assert_int_equal(store_hold_due(w.s, 5000, &approved, &expired, NULL),
	    0);
	assert_int_equal(expired.n, 2);
	assert_int_equal(store_hold_stale(w.s, "acme/app", "refs/heads/a",
			     OID_A, &stale, NULL),
	    0);
	assert_int_equal(stale.n, 0);
	assert_int_equal(store_hold_stale(w.s, "acme/app", "refs/heads/a",
			     OID_C, &stale, NULL),
	    0);
	assert_int_equal(stale.n, 1);
	assert_string_equal(stale.v[0], "H1");
}

/* -- at once -- */

struct racer {
	pthread_t t;
	pthread_barrier_t *start;
	unsigned n;
	int rc;
	char existing[ULID_SIZE];
};

static void
race(struct racer *r, size_t n, void *(*fn)(void *))
{
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, (unsigned)n);
	for (size_t i = 0; i < n; i++) {
		r[i] = (struct racer){ .start = &start, .n = (unsigned)i };
		assert_int_equal(pthread_create(&r[i].t, NULL, fn, &r[i]), 0);
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(r[i].t, NULL);
	pthread_barrier_destroy(&start);
}

static size_t
wins(const struct racer *r, size_t n, int other)
{
	size_t won = 0;

	for (size_t i = 0; i < n; i++) {
		if (r[i].rc == 0)
			won++;
		else
			assert_int_equal(r[i].rc, other);
	}
	return won;
}

static void *
approve_thread(void *arg)
{
	struct racer *r = arg;
	char name[16];

	snprintf(name, sizeof(name), "rev%u", r->n);
	pthread_barrier_wait(r->start);
	r->rc = review("H1", name, true, 0, HOLD_APPROVED);
	return NULL;
}

static void
approvals_at_once_move_once(void **state)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct racer r[12];
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	race(r, GG_COUNT(r), approve_thread);
	assert_int_equal(wins(r, GG_COUNT(r), GG_E_REFUSED), 1);
	assert_int_equal(store_hold_get(w.s, "H1", &h, NULL), 0);
	assert_int_equal(h.n_reviews, 1);
	assert_int_equal(h.state, HOLD_APPROVED);
}

static void *
move_thread(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->rc = store_hold_move(w.s, "H1", HOLD_PENDING,
	    r->n % 2 ? HOLD_EXPIRED : HOLD_WITHDRAWN, NULL, PUSH_ABORTED, 3000,
	    NULL);
	return NULL;
}

static void
moves_at_once_move_once(void **state)
{
	struct racer r[12];
	(void)state;

	add_hold("H1", "P1", "refs/heads/m", "k1");
	race(r, GG_COUNT(r), move_thread);
	assert_int_equal(wins(r, GG_COUNT(r), GG_E_REFUSED), 1);
}

static void *
open_same_thread(void *arg)
{
	struct racer *r = arg;
	char id[8], push[8];

	snprintf(id, sizeof(id), "H%u", r->n);
	snprintf(push, sizeof(push), "P%u", r->n);
	pthread_barrier_wait(r->start);
	r->rc = open_hold(id, push, "same", NULL, r->existing);
	return NULL;
}

static void
opens_of_one_key_make_one_hold(void **state)
{
	struct racer r[8];
	uint64_t n = 0;
	(void)state;

	for (unsigned i = 0; i < GG_COUNT(r); i++) {
		char push[16];

		snprintf(push, sizeof(push), "P%u", i);
		add_push(push, "refs/heads/m", OID_A, OID_B);
	}
	race(r, GG_COUNT(r), open_same_thread);
	assert_int_equal(wins(r, GG_COUNT(r), GG_E_EXISTS), 1);
	assert_int_equal(store_hold_count(w.s, &n, NULL), 0);
	assert_int_equal(n, 1);
	for (size_t i = 0; i < GG_COUNT(r); i++)
		if (r[i].rc != 0)
			assert_int_equal(hold_state_of(r[i].existing),
			    HOLD_PENDING);
}

static void *
open_other_thread(void *arg)
{
	struct racer *r = arg;
	char id[8], push[8];

	snprintf(id, sizeof(id), "H%u", r->n);
	snprintf(push, sizeof(push), "P%u", r->n);
	pthread_barrier_wait(r->start);
	r->rc = open_hold(id, push, id, NULL, r->existing);
	return NULL;
}

static void
opens_on_one_ref_leave_one_pending(void **state)
{
	struct racer r[8];
	uint64_t n = 0;
	(void)state;

	for (unsigned i = 0; i < GG_COUNT(r); i++) {
		char push[16];

		snprintf(push, sizeof(push), "P%u", i);
		add_push(push, "refs/heads/m", OID_A, OID_B);
	}
	race(r, GG_COUNT(r), open_other_thread);
	assert_int_equal(wins(r, GG_COUNT(r), 0), GG_COUNT(r));
	assert_int_equal(store_hold_count(w.s, &n, NULL), 0);
	assert_int_equal(n, 1);
}

/* -- another process (this program, with a mode as its argument) -- */

static int
other_process(const char *mode, const char *dir)
{
	struct tx t;

	w.where = "sqlite";
	snprintf(w.dir, sizeof(w.dir), "%s", dir);
	w.s = reopen();
	if (strcmp(mode, "--add") == 0) {
		add_push("P9", "refs/heads/m", OID_A, OID_B);
		store_free(w.s);
		return 0;
	}
	if (tx_begin(w.s, DB_DURABLE, &t, NULL) != 0 ||
	    tx_run(&t, NULL, NULL, "UPDATE push SET state = $1",
		arg_s("forwarded")) != 0 ||
	    write(STDOUT_FILENO, "x", 1) != 1)
		return 1;
	pause();
	return 1;
}

static pid_t
start(const char *mode, int *out)
{
	char *const argv[] = { strdup("test_store"), strdup(mode),
		strdup(w.dir), NULL };
	pid_t pid;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	if ((pid = fork()) == 0) {
		if (dup2(p[1], STDOUT_FILENO) >= 0)
			execv("/proc/self/exe", argv);
		_exit(127);
	}
	for (size_t i = 0; i < 3; i++)
		free(argv[i]);
	close(p[1]);
	*out = p[0];
	return pid;
}

/* A process that dies inside a transaction leaves nothing of it. */
static void
a_kill_rolls_back(void **state)
{
	int status, out;
	pid_t pid;
	char c;
	(void)state;

	if (strcmp(w.where, "sqlite") != 0)
		return;
	add_push("P1", "refs/heads/m", OID_A, OID_B);
	pid = start("--hang", &out);
	assert_int_equal(read(out, &c, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(push_state_of("P1"), PUSH_RECEIVING);
	assert_int_equal(open_hold("H1", "P1", "k", NULL, NULL), 0);
	close(out);
}

/* The command line writes while the gate has several connections open: both
 * go on seeing what the other does. */
static void
two_processes_share_the_database(void **state)
{
	GG_AUTO_MEM char *wal = path_f("%s/gitgate.db-wal", w.dir);
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct tx t;
	int status, out;
	pid_t pid;
	(void)state;

	if (strcmp(w.where, "sqlite") != 0)
		return;
	add_push("P1", "refs/heads/m", OID_A, OID_B);
	assert_int_equal(tx_begin(w.s, DB_READ, &t, NULL), 0);
	assert_int_equal(store_ping(w.s, NULL), 0); /* a second connection */
	tx_release(&t);
	pid = start("--add", &out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(wal, F_OK), 0);
	assert_int_equal(store_push_get(w.s, "P9", &p, NULL), 0);
	close(out);
}

/* Connections that the server dropped are made anew. */
static void
comes_back_after_a_lost_connection(void **state)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	struct gg_error err = { 0 };
	struct db *c;
	(void)state;

	if (strcmp(w.where, "sqlite") == 0)
		return;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pgsql_driver.open(w.where, &c, &err), 0);
		assert_int_equal(
		    pgsql_driver.query(c,
			"SELECT pg_terminate_backend(pid, 5000)"
			" FROM pg_stat_activity WHERE application_name = 'gitgate'"
			" AND pid <> pg_backend_pid()",
			NULL, 0, &r, &err),
		    0);
		assert_true(r.n_rows >= 1);
		rows_release(&r);
		pgsql_driver.close(c);
		if (i == 0)
			assert_int_equal(store_ping(w.s, NULL), 0);
		else
			add_push("P1", "refs/heads/m", OID_A, OID_B);
	}
}

static void
uncommitted_is_undone(void **state)
{
	struct tx t;
	(void)state;

	add_push("P1", "refs/heads/m", OID_A, OID_B);
	assert_int_equal(tx_begin(w.s, DB_WRITE, &t, NULL), 0);
	assert_int_equal(tx_run(&t, NULL, NULL, "UPDATE push SET state = $1",
			     arg_s("failed")),
	    0);
	tx_release(&t);
	assert_int_equal(push_state_of("P1"), PUSH_RECEIVING);
}

/* -- audit index, acts, facts -- */

static int
collect_entry(void *ctx, uint64_t index, const char *json)
{
	assert_int_equal(json[0], '{');
	strv_addf(ctx, "%llu", (unsigned long long)index);
	return 0;
}

static void
add_entries(void)
{
	char text[256];

	for (int i = 0; i < 6; i++) {
		int n = snprintf(text, sizeof(text),
		    "{\"seq\":%d,\"time\":\"2026-01-0%dT00:00:00.000Z\","
		    "\"type\":\"%s\",\"repository\":\"r%d\","
		    "\"ref\":\"refs/heads/m\",\"principal\":\"p\"}",
		    i, i + 1, i % 2 ? "ref.update" : "push.received", i / 3);

		assert_int_equal(store_audit_add(w.s, (uint64_t)i, text,
				     (size_t)n, NULL),
		    0);
		assert_int_equal(store_audit_add(w.s, (uint64_t)i, text,
				     (size_t)n, NULL),
		    0);
	}
}

static void
audit_queries(void **state)
{
	static const struct {
		const char *why;
		struct audit_query q;
		const char *want;
		uint64_t next;
	} cases[] = {
		{ "newest first", { 0 }, "5 4 3 2 1 0 ", 0 },
		{ "a page", { .limit = 2 }, "5 4 ", 4 },
		{ "the next", { .limit = 2, .cursor = 4 }, "3 2 ", 2 },
		{ "oldest first", { .limit = 2, .oldest_first = true }, "0 1 ",
		    2 },
		{ "on from there",
		    { .limit = 4, .oldest_first = true, .cursor = 2 },
		    "2 3 4 5 ", 0 },
		{ "by type", { .type = "ref.update" }, "5 3 1 ", 0 },
		{ "by repository", { .repository = "r0" }, "2 1 0 ", 0 },
		{ "by both", { .repository = "r0", .type = "ref.update" }, "1 ",
		    0 },
		{ "a push that nobody made", { .push = "x" }, "", 0 },
		{ "since (2026-01-05)", { .since_ms = 1767571200000 }, "5 4 ",
		    0 },
		{ "until (2026-01-02)", { .until_ms = 1767312000000 }, "0 ",
		    0 },
		{ "a huge cursor", { .cursor = UINT64_MAX, .limit = 1 }, "5 ",
		    5 },
	};
	(void)state;

	add_entries();
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(strv) got = STRV_INIT;
		GG_AUTO_RELEASE(buf) text = BUF_INIT(1000);
		uint64_t next = 99;

		print_message("  %s\n", cases[i].why);
		assert_int_equal(store_audit_query(w.s, &cases[i].q,
				     collect_entry, &got, &next, NULL),
		    0);
		for (size_t k = 0; k < got.n; k++)
			buf_addf(&text, "%s ", got.v[k]);
		assert_string_equal(buf_str(&text), cases[i].want);
		assert_int_equal(next, cases[i].next);
	}
}

static void
audit_index_knows_its_gaps(void **state)
{
	uint64_t n = 99;
	(void)state;

	assert_int_equal(store_audit_indexed(w.s, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_audit_add(w.s, 1, "{}", 2, NULL), 0);
	assert_int_equal(store_audit_indexed(w.s, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_audit_add(w.s, 0, "{}", 2, NULL), 0);
	assert_int_equal(store_audit_add(w.s, 3, "{}", 2, NULL), 0);
	assert_int_equal(store_audit_indexed(w.s, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_audit_add(w.s, 2, "{}", 2, NULL), 0);
	assert_int_equal(store_audit_indexed(w.s, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_int_equal(store_audit_add(w.s, 4, "not json", 8, NULL),
	    GG_E_INPUT);
}

static int
take_act(void *ctx, json_t *entry)
{
	const char *type = json_string_value(json_object_get(entry, "type"));

	if (strcmp(type, "b") == 0 && ((struct strv *)ctx)->n == 1)
		return GG_E_UNAVAILABLE; /* the log is not writable */
	strv_add(ctx, type);
	return 0;
}

static void
admin_acts_are_taken_once(void **state)
{
	GG_AUTO_RELEASE(strv) got = STRV_INIT;
	json_t *a = json_pack("{s:s}", "type", "a");
	json_t *b = json_pack("{s:s}", "type", "b");
	(void)state;

	assert_int_equal(store_admin_act_add(w.s, a, NULL), 0);
	/* acts are ordered by millisecond */
	for (int64_t was = clock_wall_ms(); clock_wall_ms() == was;)
		;
	assert_int_equal(store_admin_act_add(w.s, b, NULL), 0);
	assert_int_equal(store_admin_act_take(w.s, take_act, &got, NULL),
	    GG_E_UNAVAILABLE);
	assert_int_equal(got.n, 1);
	strv_add(&got, "again");
	assert_int_equal(store_admin_act_take(w.s, take_act, &got, NULL), 0);
	assert_int_equal(store_admin_act_take(w.s, take_act, &got, NULL), 0);
	assert_int_equal(got.n, 3);
	assert_string_equal(got.v[2], "b");
	json_decref(a);
	json_decref(b);
}

/* An act is noted if and only if the change it tells of was made. */
static void
acts_come_with_their_change(void **state)
{
	GG_AUTO_RELEASE(strv) got = STRV_INIT;
	json_t *a = json_pack("{s:s}", "type", "c");
	uint64_t n;
	(void)state;

	assert_int_equal(store_admin_act_next(w.s, a, NULL), 0);
	assert_int_equal(store_token_revoke(w.s, "x", 1, &n, NULL),
	    GG_E_NOTFOUND);
	assert_int_equal(store_admin_act_take(w.s, take_act, &got, NULL), 0);
	assert_int_equal(got.n, 0);
	add_token("T1", "bot", "h1");
	add_token("T2", "bot", "h2");
	assert_int_equal(store_admin_act_take(w.s, take_act, &got, NULL), 0);
	assert_int_equal(got.n, 1);
	json_decref(a);
}

static void
facts(void **state)
{
	GG_AUTO_MEM char *v = NULL;
	(void)state;

	assert_int_equal(store_meta_get(w.s, "k", &v, NULL), GG_E_NOTFOUND);
	assert_int_equal(store_meta_set(w.s, "k", "1", NULL), 0);
	assert_int_equal(store_meta_set(w.s, "k", "2", NULL), 0);
	assert_int_equal(store_meta_get(w.s, "k", &v, NULL), 0);
	assert_string_equal(v, "2");
}

/* -- findings -- */

#define PRINT_A \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PRINT_B \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void
allow(const char *id, const char *repository, const char *print, int64_t from,
    int64_t to)
{
	struct stored_allowance a = { .created_ms = from, .expires_ms = to };

	a.id = strdup(id);
	a.repository = strdup(repository);
	a.fingerprint = strdup(print);
	a.reviewer = strdup("sue");
	a.comment = strdup("a test key, \"public\"");
	assert_int_equal(store_allowance_add(w.s, &a, NULL), 0);
	stored_allowance_release(&a);
}

static void
findings_in_force(void **state)
{
	static const struct {
		const char *repository;
		int64_t at;
		const char *want;
	} cases[] = {
		{ "acme/app", 999, "" },
		{ "acme/app", 1000, "a" },
		{ "acme/app", 1999, "ab" }, /* each once */
		{ "acme/app", 2000, "ab" },
		{ "acme/app", 2499, "ab" },
		{ "acme/app", 2500, "a" }, /* b is revoked */
		{ "acme/app", 3000, "" },
		{ "acme/other", 1500, "b" },
		{ "acme/ap", 1500, "" },
	};
	struct gg_error err = { 0 };

	(void)state;
	allow("01JD0000000000000000000001", "acme/app", PRINT_A, 1000, 2000);
	allow("01JD0000000000000000000002", "acme/app", PRINT_A, 1500, 3000);
	allow("01JD0000000000000000000003", "acme/app", PRINT_B, 1500, 3000);
	allow("01JD0000000000000000000004", "acme/other", PRINT_B, 1500, 3000);
	assert_int_equal(store_allowance_revoke(w.s,
			     "01JD0000000000000000000003", "tom", 2500, &err),
	    0);
	assert_int_equal(store_allowance_revoke(w.s,
			     "01JD0000000000000000000003", "tom", 2600, &err),
	    GG_E_REFUSED);
	assert_int_equal(store_allowance_revoke(w.s,
			     "01JD0000000000000000000009", "tom", 2600, &err),
	    GG_E_NOTFOUND);
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(strv) got = STRV_INIT;
		char letters[8] = "";

		assert_int_equal(store_allowance_in_force(w.s,
				     cases[i].repository, cases[i].at, &got,
				     &err),
		    0);
		for (size_t k = 0; k < got.n && k < 7; k++)
			letters[k] = got.v[k][0];
		if (strcmp(letters, cases[i].want) != 0)
			fail_msg("%s at %lld: %s", cases[i].repository,
			    (long long)cases[i].at, letters);
	}
}

static int
note_allowance(void *ctx, const struct stored_allowance *a)
{
	struct strv *seen = ctx;

	assert_string_equal(a->reviewer, "sue");
	assert_string_equal(a->comment, "a test key, \"public\"");
	strv_add(seen, a->id);
	return 0;
}

static void
findings_are_listed(void **state)
{
	GG_AUTO_RELEASE(stored_allowance) one = { 0 };
	GG_AUTO_RELEASE(strv) seen = STRV_INIT;
	char next[ULID_SIZE] = "", id[ULID_SIZE];
	struct gg_error err = { 0 };

	(void)state;
	for (int i = 1; i <= 5; i++) {
		(void)snprintf(id, sizeof(id), "01JD000000000000000000000%d",
		    i);
		allow(id, i == 3 ? "acme/other" : "acme/app", PRINT_A, 1, 2);
	}
	do {
		(void)snprintf(id, sizeof(id), "%s", next);
		assert_int_equal(store_allowance_list(w.s, "acme/app",
				     id[0] ? id : NULL, 2, note_allowance,
				     &seen, next, &err),
		    0);
	} while (next[0] != '\0');
	assert_int_equal(seen.n, 4);
	assert_string_equal(seen.v[0], "01JD0000000000000000000005");
	assert_string_equal(seen.v[3], "01JD0000000000000000000001");
	assert_int_equal(store_allowance_list(w.s, NULL, NULL, 0,
			     note_allowance, &seen, next, &err),
	    0);
	assert_int_equal(seen.n, 9);
	assert_int_equal(store_allowance_revoke(w.s, seen.v[3], "tom", 77,
			     &err),
	    0);
	assert_int_equal(store_allowance_get(w.s, seen.v[3], &one, &err), 0);
	assert_string_equal(one.revoker, "tom");
	assert_int_equal(one.revoked_ms, 77);
	assert_int_equal(store_allowance_get(w.s, "x", &one, &err),
	    GG_E_NOTFOUND);
}

static void
findings_know_their_pushers(void **state)
{
	GG_AUTO_RELEASE(strv) prints = STRV_INIT;
	GG_AUTO_RELEASE(strv) who = STRV_INIT;
	struct gg_error err = { 0 };

	(void)state;
	strv_add(&prints, PRINT_A);
	strv_add(&prints, PRINT_B);
	strv_add(&prints, PRINT_A);
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_finding_pushed(w.s, "acme/app", "bob",
				     "p1", &prints, &err),
		    0);
	prints.n = 1;
	assert_int_equal(store_finding_pushed(w.s, "acme/app", "ann", "p2",
			     &prints, &err),
	    0);
	prints.n = 3;
	assert_int_equal(store_finding_pushers(w.s, "acme/app", PRINT_A, &who,
			     &err),
	    0);
	assert_int_equal(who.n, 2);
	assert_string_equal(who.v[0], "ann");
	assert_int_equal(store_finding_pushers(w.s, "acme/app", PRINT_B, &who,
			     &err),
	    0);
	assert_int_equal(who.n, 3);
	assert_int_equal(store_finding_pushers(w.s, "acme/ap", PRINT_B, &who,
			     &err),
	    0);
	assert_int_equal(who.n, 3);
}

static void
use_token(const char *hash, const char *repository, int64_t expires_ms,
    const char *want)
{
	GG_AUTO_RELEASE(stored_token_use) use = { 0 };
	const struct token_use u = { "ci", repository, "10.0.0.0/24",
		expires_ms };

	assert_int_equal(store_token_use(w.s, hash, &u, &use, NULL), 0);
	assert_string_equal(use.repository, want);
	assert_string_equal(use.client, "10.0.0.0/24");
}

/* The first use says for which repository, until the token has expired. */
static void
tokens_are_bound_at_first_use(void **state)
{
	int64_t later = clock_wall_ms() + 3600000;

	(void)state;
	use_token(PRINT_A, "acme/app", later, "acme/app");
	use_token(PRINT_A, "acme/lib", later, "acme/app");
	use_token(PRINT_B, "acme/lib", 1, "acme/lib");
	use_token(PRINT_B, "acme/app", later, "acme/lib");
	/* a new row sweeps out those that are over */
	use_token("c", "acme/lib", later, "acme/lib");
	use_token(PRINT_A, "acme/lib", later, "acme/app");
	use_token(PRINT_B, "acme/app", later, "acme/app");
}

static int64_t
token_rows(const char *where)
{
	GG_AUTO_RELEASE(rows) r = { 0 };

	assert_int_equal(store_run(w.s, &r, NULL,
			     "SELECT COUNT(*) FROM token_use"
			     " WHERE client = $1",
			     arg_s(where)),
	    0);
	return rows_i(&r, 0, 0);
}

/* Where tokens were used first is erased; what they are bound to stays. */
static void
networks_of_tokens_are_erased(void **state)
{
	int64_t later = clock_wall_ms() + 3600000;
	GG_AUTO_RELEASE(stored_token_use) use = { 0 };
	const struct token_use v6 = { "ci", "acme/app", "2001:db8::/48",
		later };

	(void)state;
	use_token(PRINT_A, "acme/app", later, "acme/app");
	assert_int_equal(store_token_use(w.s, "c", &v6, &use, NULL), 0);
	use_token(PRINT_B, "acme/lib", 1, "acme/lib");
	assert_int_equal(store_erase_token_uses(w.s, NULL, NULL), 0);
	assert_int_equal(token_rows("10.0.0.0/24"), 1);
	assert_int_equal(store_erase_token_uses(w.s, "10.0.0.0/24", NULL), 0);
	assert_int_equal(token_rows("10.0.0.0/24"), 0);
	assert_int_equal(token_rows("2001:db8::/48"), 1);
	assert_int_equal(store_erase_token_uses(w.s, "", NULL), 0);
	assert_int_equal(token_rows(""), 2);
	assert_int_equal(store_token_use(w.s, "c", &v6, &use, NULL), 0);
	assert_string_equal(use.repository, "acme/app");
	assert_string_equal(use.client, "");
}

/* -- grants -- */

static char *
text(const char *s)
{
	char *copy = strdup(s);

	assert_non_null(copy);
	return copy;
}

static void
make_grant(struct stored_grant *g, const char *principal, const char *asker,
    const char *hold)
{
	char id[ULID_SIZE];

	ulid_new(id);
	*g = (struct stored_grant){ .state = GRANT_ASKED,
		.required = 2,
		.for_ms = 60000,
		.created_ms = 1000,
		.expires_ms = 5000 };
	g->id = text(id);
	g->principal = text(principal);
	g->asked_by = text(asker);
	g->entry = text(*hold ? "" : "incident");
	g->hold_id = text(hold);
	g->owner = text("");
	g->reason = text("why");
	g->closer = text("");
	strv_add(&g->scope.repositories, "acme/*");
	strv_add(&g->scope.paths, "db/**");
	g->scope.verbs = GRANT_UPDATE(UPDATE_FORCE);
	strv_add(&g->from, "dba");
}

static int
review_grant(const char *id, const char *who, size_t expected,
    enum grant_state next)
{
	struct stored_review r = { .reviewer = text(who),
		.comment = text("ok"),
		.approve = true,
		.time_ms = 2000 };
	struct gg_error err = { 0 };
	int rc;

	strv_add(&r.groups, "dba");
	strv_add(&r.aliases, "x@y.z");
	rc = store_grant_review(w.s, id, &r, expected, next, 62000, &err);
	stored_review_release(&r);
	return rc;
}

static size_t
n_active(const char *principal, int64_t now)
{
	GG_AUTO_RELEASE(stored_grants) l = { 0 };
	struct gg_error err = { 0 };

	assert_int_equal(store_grant_active(w.s, principal, now, &l, &err), 0);
	if (l.n > 0) {
		assert_int_equal(l.v[0].n_reviews, 2);
		assert_string_equal(l.v[0].reviews[1].reviewer, "rita");
		assert_string_equal(l.v[0].reviews[1].aliases.v[0], "x@y.z");
		assert_string_equal(l.v[0].scope.paths.v[0], "db/**");
	}
	return l.n;
}

static void
grants_move_once(void **state)
{
	GG_AUTO_RELEASE(stored_grant) g = { 0 };
	GG_AUTO_RELEASE(stored_grant) got = { 0 };
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	struct gg_error err = { 0 };

	(void)state;
	make_grant(&g, "bot", "bot", "");
	assert_int_equal(store_grant_add(w.s, &g, 10, &err), 0);
	strv_add(&ids, g.id);
	assert_int_equal(store_grant_used(w.s, &ids, 2000, &err), GG_E_REFUSED);
	assert_int_equal(review_grant(g.id, "ann", 1, GRANT_ASKED),
	    GG_E_REFUSED);
	assert_int_equal(review_grant(g.id, "ann", 0, GRANT_ASKED), 0);
	assert_int_equal(review_grant(g.id, "ann", 1, GRANT_ACTIVE),
	    GG_E_EXISTS);
	assert_int_equal(n_active("bot", 2000), 0);
	assert_int_equal(review_grant(g.id, "rita", 1, GRANT_ACTIVE), 0);
	assert_int_equal(review_grant(g.id, "max", 2, GRANT_ACTIVE),
	    GG_E_REFUSED);
	/* to the millisecond, and for nobody else */
	assert_int_equal(n_active("bot", 61999), 1);
	assert_int_equal(n_active("bot", 62000), 0);
	assert_int_equal(n_active("Bot", 3000), 0);
	assert_int_equal(store_grant_used(w.s, &ids, 3000, &err), 0);
	assert_int_equal(store_grant_used(w.s, &ids, 62000, &err),
	    GG_E_REFUSED);
	assert_int_equal(store_grant_move(w.s, g.id, GRANT_ACTIVE,
			     GRANT_REVOKED, "ann", 4000, 0, &err),
	    0);
	assert_int_equal(store_grant_move(w.s, g.id, GRANT_ACTIVE,
			     GRANT_EXPIRED, "", 4000, 0, &err),
	    GG_E_REFUSED);
	assert_int_equal(store_grant_used(w.s, &ids, 4000, &err), GG_E_REFUSED);
	assert_int_equal(store_grant_get(w.s, g.id, &got, &err), 0);
	assert_int_equal(got.uses, 1);
	assert_int_equal(got.used_ms, 3000);
	assert_int_equal(got.state, GRANT_REVOKED);
	assert_string_equal(got.closer, "ann");
}

static void
grants_have_limits_and_ends(void **state)
{
	static const struct {
		const char *principal, *asker, *hold;
		int want;
	} rows[] = {
		{ "bot", "bot", "", 0 }, { "bot", "eve", "", 0 },
		{ "bot", "ann", "", GG_E_LIMIT }, { "two", "eve", "", 0 },
		{ "three", "eve", "", GG_E_LIMIT }, /* as who asks */
		{ "three", "eve", "hold", 0 },      /* a review is no asking */
	};
	GG_AUTO_RELEASE(strv) over = STRV_INIT;
	GG_AUTO_RELEASE(strv) of_holds = STRV_INIT;
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(stored_grant) g = { 0 };

		make_grant(&g, rows[i].principal, rows[i].asker, rows[i].hold);
		assert_int_equal(store_grant_room(w.s, &g, 2, &err),
		    rows[i].want);
		assert_int_equal(store_grant_add(w.s, &g, 2, &err),
		    rows[i].want);
	}
	assert_int_equal(store_grant_due(w.s, 4999, &over, &of_holds, &err), 0);
	assert_int_equal(over.n, 0);
	assert_int_equal(of_holds.n, 1);
	assert_int_equal(store_grant_due(w.s, 5000, &over, &of_holds, &err), 0);
	assert_int_equal(over.n, 4);
}

/* -- refs that the gate keeps -- */

struct kept_step {
	const char *ref;
	char old, new; /* a digit: that oid; '0': none */
};

/* One push of up to two refs. */
static int
keep(const char *push, int64_t seen, const struct kept_step *v, size_t n,
    const char **limit)
{
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	struct kept_change c = { .repository = "acme/app",
		.push = push,
		.principal = "agent",
		.updates = &u,
		.seen = seen,
		.bytes = 10,
		.now_ms = 1000,
		.max_refs = 3,
		.max_bytes = 60 };
	struct gg_error err = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct oid a, b;

		memset(&a, v[i].old - '0', sizeof(a));
		memset(&b, v[i].new - '0', sizeof(b));
		assert_int_equal(ref_updates_add(&u, &a, &b, view_str(v[i].ref),
				     9, &err),
		    0);
	}
	return store_kept_change(w.s, &c, limit, &err);
}

static int
name_kept(void *ctx, const struct kept_ref *k)
{
	assert_string_equal(k->repository, "acme/app");
	buf_addf(ctx, "%s=%d@%s ", k->ref, k->oid.b[0], k->push);
	return 0;
}

static void
assert_kept(const char *want, int64_t version, uint64_t bytes)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct gg_error err = { 0 };
	struct kept_state st;

	assert_int_equal(store_kept_list(w.s, "acme/app", "", 100, name_kept,
			     &b, &err),
	    0);
	assert_string_equal(buf_str(&b), want);
	assert_int_equal(store_kept_state(w.s, "acme/app", &st, &err), 0);
	assert_int_equal(st.version, version);
	assert_int_equal(st.bytes, bytes);
}

static void
kept_refs_move_together(void **state)
{
	static const struct {
		const char *push;
		struct kept_step v[2];
		int64_t seen;
		int want;
		const char *limit;
	} steps[] = {
		{ "p1", { { "n/a", '0', '1' }, { "n/b", '0', '2' } }, 0, 0,
		    "" },
		/* done before: nothing more */
		{ "p1", { { "n/a", '0', '1' }, { "n/b", '0', '2' } }, 0, 0,
		    "" },
		{ "p2", { { "n/a", '0', '3' } }, 1, GG_E_STALE, "" },
		{ "p2", { { "n/c", '4', '3' } }, 1, GG_E_STALE, "" },
		/* one of two does not fit: none moves */
		{ "p2", { { "n/a", '1', '3' }, { "n/b", '1', '3' } }, 1,
		    GG_E_STALE, "" },
		{ "p2", { { "n/a/x", '0', '3' } }, 0, GG_E_EXISTS, "" },
		{ "p2", { { "n", '0', '3' } }, 0, GG_E_EXISTS, "" },
		{ "p2", { { "n/b/x/y", '0', '3' } }, 0, GG_E_EXISTS, "" },
		/* goes first, so there is room */
		{ "p2", { { "n/a/x", '0', '3' }, { "n/a", '1', '0' } }, 0, 0,
		    "" },
		{ "p3", { { "n/c", '0', '1' }, { "n/d", '0', '1' } }, 2,
		    GG_E_LIMIT, "kept-refs" },
		{ "p4", { { "n/b", '2', '5' } }, 2, 0, "" },
		{ "p5", { { "n/b", '5', '6' } }, 3, 0, "" },
		{ "p6", { { "n/b", '6', '7' } }, 4, 0, "" },
		{ "p7", { { "n/b", '7', '8' } }, 5, 0, "" },
		{ "p8", { { "n/b", '8', '9' } }, 6, GG_E_LIMIT, "kept-size" },
	};
	GG_AUTO_RELEASE(strv) packs = STRV_INIT;
	struct gg_error err = { 0 };
	struct oid was;
	bool done;

	(void)state;
	assert_kept("", 0, 0);
	for (size_t i = 0; i < GG_COUNT(steps); i++) {
		size_t n = steps[i].v[1].ref != NULL ? 2 : 1;
		const char *limit;

		if (keep(steps[i].push, steps[i].seen, steps[i].v, n, &limit) !=
			steps[i].want ||
		    strcmp(limit, steps[i].limit) != 0)
			fail_msg("step %zu: %s", i, limit);
	}
	assert_kept("n/a/x=3@p2 n/b=8@p7 ", 6, 60);
	assert_int_equal(store_kept_was_done(w.s, "r", "p7", &done, &err), 0);
	assert_true(done);
	assert_int_equal(store_kept_was_done(w.s, "r", "p8", &done, &err), 0);
	assert_false(done);
	assert_int_equal(store_kept_value(w.s, "acme/app", "n/a/x", &was, &err),
	    0);
	assert_int_equal(store_kept_drop(w.s, "acme/app", "n/b", &was, &err),
	    GG_E_NOTFOUND);
	assert_int_equal(store_kept_value(w.s, "acme/app", "n/b", &was, &err),
	    0);
	assert_int_equal(store_kept_drop(w.s, "acme/app", "n/b", &was, &err),
	    0);
	assert_int_equal(store_kept_drop(w.s, "acme/app", "n/b", &was, &err),
	    GG_E_NOTFOUND);
	assert_kept("n/a/x=3@p2 ", 7, 60);
	strv_add(&packs, "p1");
	strv_add(&packs, "p2");
	assert_int_equal(store_kept_pruned(w.s, "acme/app", &packs, "new", 7,
			     &err),
	    0);
	assert_kept("n/a/x=3@p2 ", 7, 47);
	assert_int_equal(store_kept_was_done(w.s, "r", "p1", &done, &err), 0);
	assert_true(done);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int
run(const char *where, const char *name)
{
	const struct CMUnitTest tests[] = { CASE(opens_twice_and_pings),
		CASE(refuses_a_newer_database), CASE(refuses_unknown_places),
		CASE(many_open_a_new_database_at_once), CASE(files_are_private),
		CASE(tokens), CASE(users_and_sessions), CASE(one_time_codes),
		CASE(people_of_providers), CASE(sign_ins_under_way),
		CASE(assertions_are_used_once), CASE(sign_in_failures),
		CASE(push_round_trip),
		CASE(push_moves_only_from_the_named_state),
		CASE(recordings_go_and_stay), CASE(provenance_is_found_by_key),
		CASE(provenance_of_a_push_is_replaced),
		CASE(provenance_is_erased_where_it_is_quoted),
		CASE(legal_hold_against_a_removal), CASE(push_lists),
		CASE(unfinished_pushes), CASE(hold_round_trip),
		CASE(same_key_joins), CASE(newer_push_supersedes),
		CASE(an_approved_hold_is_not_superseded),
		CASE(hold_needs_a_receiving_push), CASE(reviews),
		CASE(rejection_closes_and_tells), CASE(moves_follow_the_table),
		CASE(move_carries_the_push), CASE(hold_lists_and_due),
		CASE(approvals_at_once_move_once),
		CASE(moves_at_once_move_once),
		CASE(opens_of_one_key_make_one_hold),
		CASE(opens_on_one_ref_leave_one_pending),
		CASE(a_kill_rolls_back), CASE(two_processes_share_the_database),
		CASE(comes_back_after_a_lost_connection),
		CASE(uncommitted_is_undone), CASE(audit_queries),
		CASE(audit_index_knows_its_gaps),
		CASE(admin_acts_are_taken_once),
		CASE(acts_come_with_their_change), CASE(facts),
		CASE(findings_in_force), CASE(findings_are_listed),
		CASE(findings_know_their_pushers), CASE(grants_move_once),
		CASE(grants_have_limits_and_ends),
		CASE(tokens_are_bound_at_first_use),
		CASE(networks_of_tokens_are_erased),
		CASE(kept_refs_move_together) };

	w.where = where;
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
main(int argc, char **argv)
{
	const char *pg = getenv("GITGATE_TEST_PG");
	int rc;

	if (argc == 3)
		return other_process(argv[1], argv[2]);
	rc = run("sqlite", "store on sqlite");

	if (pg != NULL && pg[0] != '\0')
		rc |= run(pg, "store on postgresql");
	return rc;
}
