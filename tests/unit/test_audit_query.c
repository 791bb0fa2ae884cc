/*
 * Every answer of store_audit_query() against looking at each entry, on SQLite
 * and, where GITGATE_TEST_PG names a database that may be emptied, on
 * PostgreSQL. There are enough entries for each way that a question is
 * answered in.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fd.h"
#include "config/config.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES 5200
#define PUSHES  (ENTRIES / 2)
#define DAY_MS  1767225600000 /* 2026-01-01 */

static struct world {
	const char *where;
	char dir[64];
	struct store *s;
} w;

/* Entry i, made of small numbers, so that everybody can tell what fits. */
struct model {
	char repository[8], ref[24], principal[8], type[24], push[16], hold[16];
	char verdict[8], rule[8], reviewer[8], path[40];
	int64_t time_ms;
};

static struct model
model_of(unsigned i)
{
	unsigned push = i / 2;
	struct model m = { .time_ms = DAY_MS + (int64_t)i * 60000 };

	(void)snprintf(m.push, sizeof(m.push), "P%05u", push);
	(void)snprintf(m.repository, sizeof(m.repository), "r%u", push % 2);
	(void)snprintf(m.ref, sizeof(m.ref), "refs/heads/%u",
	    push % 500 == 7 ? 9 : push / 3 % 2);
	(void)snprintf(m.principal, sizeof(m.principal), "p%u", push % 40);
	(void)snprintf(m.type, sizeof(m.type), "%s",
	    i % 2 == 0 ? "ref.update" : "forward.result");
	(void)snprintf(m.verdict, sizeof(m.verdict), "%s",
	    i % 2 != 0         ? "" :
		push % 25 == 3 ? "deny" :
				 "allow");
	if (push % 100 == 5)
		(void)snprintf(m.hold, sizeof(m.hold), "H%05u", push);
	(void)snprintf(m.rule, sizeof(m.rule), "u%u",
	    push % 300 == 1 ? 9 : push % 2);
	if (push % 10 == 0)
		(void)snprintf(m.reviewer, sizeof(m.reviewer), "a%u", push % 3);
	(void)snprintf(m.path, sizeof(m.path), "%s/%u/f%u.c",
	    push % 200 == 11 ? "rare" : "src", push % 7, push % 90);
	return m;
}

static void
add_push(unsigned n)
{
	struct model m = model_of(2 * n);
	struct stored_push p = { .id = m.push,
		.repository = m.repository,
		.principal = m.principal,
		.state = PUSH_RECEIVING };

	p.request = json_object();
	p.updates = json_pack("[{s:s, s:s, s:s, s:[{s:s, s:[{s:s}]}]}]", "ref",
	    m.ref, "old", "a", "new", "b", "reasons", "rule", m.rule, "paths",
	    "path", m.path);
	assert_int_equal(store_push_add(w.s, &p, NULL), 0);
	p.state = PUSH_FORWARDING;
	assert_int_equal(store_push_update(w.s, &p, PUSH_RECEIVING, NULL), 0);
	json_decref(p.request);
	json_decref(p.updates);
}

static void
add_entry(unsigned i)
{
	struct model m = model_of(i);
	char time[CLOCK_RFC3339_SIZE];
	json_t *e;
	char *text;

	clock_format(m.time_ms, time);
	e = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s,"
		      " s:[{s:s}], s:[s]}",
	    "seq", (int)i, "time", time, "type", m.type, "repository",
	    m.repository, "ref", m.ref, "principal", m.principal, "push",
	    m.push, "verdict", m.verdict, "hold", m.hold, "rules", "rule",
	    m.rule, "reviewers", m.reviewer);
	assert_non_null(e);
	text = json_dumps(e, JSON_COMPACT);
	assert_int_equal(store_audit_add(w.s, i, text, strlen(text), NULL), 0);
	free(text);
	json_decref(e);
}

static bool
is_or_any(const char *want, const char *have)
{
	return want == NULL || strcmp(want, have) == 0;
}

static bool
path_fits(const char *want, const char *have)
{
	size_t n;

	if (want == NULL)
		return true;
	n = strlen(want);
	if (strpbrk(want, "*?[\\") != NULL)
		return glob_match(want, view_str(have));
	return strcmp(want, have) == 0 ||
	    (want[n - 1] == '/' && strncmp(want, have, n) == 0);
}

static bool
fits(const struct audit_query *q, unsigned i)
{
	struct model m = model_of(i);

	return is_or_any(q->repository, m.repository) &&
	    is_or_any(q->ref, m.ref) && is_or_any(q->principal, m.principal) &&
	    is_or_any(q->type, m.type) && is_or_any(q->push, m.push) &&
	    is_or_any(q->verdict, m.verdict) && is_or_any(q->hold, m.hold) &&
	    is_or_any(q->rule, m.rule) && is_or_any(q->reviewer, m.reviewer) &&
	    path_fits(q->path, m.path) &&
	    (!q->movements || strcmp(m.type, "forward.result") == 0) &&
	    (q->since_ms == 0 || m.time_ms >= q->since_ms) &&
	    (q->until_ms == 0 || m.time_ms < q->until_ms);
}

struct answer {
	const struct audit_query *q;
	unsigned at; /* the next entry that may come */
	size_t seen;
};

static int
expect(void *ctx, uint64_t index, const char *json)
{
	struct answer *a = ctx;

	(void)json;
	if (a->q->oldest_first) {
		while (a->at < ENTRIES && !fits(a->q, a->at))
			a->at++;
		assert_int_equal(index, a->at);
		a->at++;
	} else {
		while (a->at > 0 && !fits(a->q, a->at - 1))
			a->at--;
		assert_true(a->at > 0);
		a->at--;
		assert_int_equal(index, a->at);
	}
	a->seen++;
	return 0;
}

/* Page by page to the end: each entry that fits, once, and in order. */
static void
check(struct audit_query q)
{
	struct answer a = { &q, q.oldest_first ? 0 : ENTRIES, 0 };
	size_t all = 0;
	uint64_t next = 0;
	struct gg_error err = { 0 };

	for (unsigned i = 0; i < ENTRIES; i++)
		all += fits(&q, i);
	do {
		if (store_audit_query(w.s, &q, expect, &a, &next, &err) != 0)
			fail_msg("%s", err.msg);
		q.cursor = next;
	} while (next != 0);
	assert_int_equal(a.seen, all);
}

/* A question by some of the fields: bit i of `which` asks for field i. */
static struct audit_query
question(unsigned which, unsigned variant)
{
	static const char *const paths[] = { "src/", "rare/4/", "src/3/f3.c",
		"**/f1?.c", "rare/**", "src/*/f[12].c", "none/**", "no", "**" };
	struct audit_query q = { .limit = 700, .oldest_first = variant % 2 };

	if (which & 1)
		q.repository = variant % 3 ? "r1" : "r0";
	if (which & 2)
		q.ref = variant % 3 == 1 ? "refs/heads/9" : "refs/heads/1";
	if (which & 4)
		q.principal = "p7";
	if (which & 8)
		q.type = variant % 5 == 4 ? "none" : "forward.result";
	if (which & 16)
		q.verdict = variant % 3 == 2 ? "deny" : "allow";
	if (which & 32)
		q.rule = variant % 4 == 1 ? "u9" : "u1";
	if (which & 64)
		q.reviewer = "a1";
	if (which & 128)
		q.path = paths[variant % GG_COUNT(paths)];
	if (which & 256)
		q.since_ms = DAY_MS + (int64_t)1000 * 60000;
	if (which & 512)
		q.until_ms = DAY_MS + (int64_t)4000 * 60000;
	if (which & 1024)
		q.movements = true;
	return q;
}

static void
agrees_with_looking(void **state)
{
	(void)state;

	for (unsigned which = 0; which < 2048; which = which * 3 / 2 + 1)
		for (unsigned v = 0; v < 2; v++)
			check(question(which, which + v));
	for (unsigned v = 0; v < 18; v++) {
		check(question(128, v));
		check(question(128 | 2, v));
		check(question(128 | 8 | 1, v));
	}
	for (unsigned bit = 0; bit < 11; bit++)
		for (unsigned other = 0; other < bit; other++)
			check(question(1u << bit | 1u << other, bit + other));
	check((struct audit_query){ .push = "P00207", .type = "ref.update" });
	check((struct audit_query){ .hold = "H00205" });
}

static void
bad_patterns_are_refused(void **state)
{
	struct audit_query q = { .path = "src/[" };
	struct gg_error err = { 0 };
	struct answer a = { &q, 0, 0 };
	uint64_t next;
	(void)state;

	assert_int_equal(store_audit_query(w.s, &q, expect, &a, &next, &err),
	    GG_E_INPUT);
	assert_non_null(strstr(err.msg, "path"));
}

static void
empty_postgresql(void)
{
	struct db *c;

	assert_int_equal(pgsql_driver.open(w.where, &c, NULL), 0);
	assert_int_equal(pgsql_driver.script(c,
			     "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
			     NULL),
	    0);
	pgsql_driver.close(c);
}

static int
setup(void **state)
{
	struct gg_error err = { 0 };
	(void)state;

	(void)snprintf(w.dir, sizeof(w.dir), "%s/gitgate-query.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(w.dir) == NULL)
		return -1;
	if (strcmp(w.where, "sqlite") != 0)
		empty_postgresql();
	if (store_open(w.where, w.dir, &w.s, &err) != 0)
		fail_msg("%s", err.msg);
	for (unsigned n = 0; n < PUSHES; n++)
		add_push(n);
	for (unsigned i = 0; i < ENTRIES; i++)
		add_entry(i);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	store_free(w.s);
	return dir_remove(w.dir, NULL);
}

static int
run(const char *where, const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_looking),
		cmocka_unit_test(bad_patterns_are_refused)
	};

	w.where = where;
	return cmocka_run_group_tests_name(name, tests, setup, teardown);
}

int
main(void)
{
	const char *pg = getenv("GITGATE_TEST_PG");
	int rc = run("sqlite", "search on sqlite");

	if (pg != NULL && pg[0] != '\0')
		rc |= run(pg, "search on postgresql");
	return rc;
}
