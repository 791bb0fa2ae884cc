/* hold/quorum: who may review, what counts, and when it is enough. */
#include "hold/quorum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* Groups in tests are one blank-separated string. */
static void
split(const char *words, struct strv *out)
{
	struct view v = view_str(words), one;

	while (view_cut(&v, ' ', &one))
		strv_addv(out, one);
	if (v.n > 0)
		strv_addv(out, v);
}

static const struct {
	const char *why, *from;
	bool allow_self;
	const char *reviewer, *groups, *alias;
	enum quorum_refusal want;
} may[] = {
	{ "in the group", "dba", false, "rita", "dba", NULL, QUORUM_MAY },
	{ "in one of several", "dba ops", false, "rita", "x ops", NULL,
	    QUORUM_MAY },
	{ "no group is asked", "", false, "rita", "", NULL, QUORUM_MAY },
	{ "in no group", "dba", false, "rita", "", NULL, QUORUM_NOT_IN_GROUP },
	{ "group names are exact", "dba", false, "rita", "DBA dbas", NULL,
	    QUORUM_NOT_IN_GROUP },
	{ "the pusher", "dba", false, "bot", "dba", NULL, QUORUM_OWN_PUSH },
	{ "the pusher in other letters", "", false, "BOT", "", NULL,
	    QUORUM_OWN_PUSH },
	{ "the pusher by another name", "", false, "rita", "", "bot",
	    QUORUM_OWN_PUSH },
	{ "the pusher where it is allowed", "dba", true, "bot", "dba", NULL,
	    QUORUM_MAY },
	{ "allow-self opens no group", "dba", true, "bot", "x", NULL,
	    QUORUM_NOT_IN_GROUP },
	{ "an author by e-mail", "", false, "ann@example.org", "", NULL,
	    QUORUM_OWN_COMMITS },
	{ "an author by name", "", false, "Ann", "", NULL, QUORUM_OWN_COMMITS },
	{ "an author by a verified address", "", false, "a17", "",
	    "Ann@Example.org", QUORUM_OWN_COMMITS },
	{ "an author where it is allowed", "", true, "ann", "", NULL,
	    QUORUM_MAY },
	{ "part of an author's name", "", false, "an", "", NULL, QUORUM_MAY },
};

static void
who_may(void **state)
{
	GG_AUTO_RELEASE(strv) people = STRV_INIT;
	const struct quorum_push push = { .pusher = "bot", .people = &people };

	(void)state;
	strv_add(&people, "Ann");
	strv_add(&people, "ann@example.org");
	for (size_t i = 0; i < GG_COUNT(may); i++) {
		GG_AUTO_RELEASE(strv) groups = STRV_INIT;
		GG_AUTO_RELEASE(strv) aliases = STRV_INIT;
		struct need need = { .required = 1,
			.allow_self = may[i].allow_self };
		struct quorum_review who = { may[i].reviewer, &groups, &aliases,
			true, false };
		enum quorum_refusal got;

		split(may[i].groups, &groups);
		split(may[i].alias ? may[i].alias : "", &aliases);
		split(may[i].from, &need.from);
		got = quorum_may_review(&need, 1, &push, &who);
		if (got != may[i].want ||
		    quorum_counts_for(&need, &push, &who) !=
			(got == QUORUM_MAY))
			fail_msg("%s: %d", may[i].why, (int)got);
		assert_int_equal(quorum_refusal_text(got)[0] == '\0',
		    got == QUORUM_MAY);
		strv_release(&need.from);
	}
}

/* People that a need names count beside its groups, and nobody else does. */
static void
test_people(void **state)
{
	static const struct {
		const char *reviewer, *group, *alias;
		bool want;
	} who[] = {
		{ "ann", "", "", true },
		{ "ANN", "", "", true },
		{ "x", "dba", "", true },
		{ "x", "", "ann@b.c", true },
		{ "x", "dev", "y@b.c", false },
	};
	const struct quorum_push push = { .pusher = "bot" };
	struct need need = { .required = 1 };

	(void)state;
	strv_add(&need.from, "dba");
	strv_add(&need.people, "ann");
	strv_add(&need.people, "ann@b.c");
	for (int without_groups = 0; without_groups < 2; without_groups++) {
		for (size_t i = 0; i < GG_COUNT(who); i++) {
			GG_AUTO_RELEASE(strv) groups = STRV_INIT;
			GG_AUTO_RELEASE(strv) aliases = STRV_INIT;
			struct quorum_review r = { who[i].reviewer, &groups,
				&aliases, true, false };
			bool want = who[i].want &&
			    !(without_groups && *who[i].group);

			split(who[i].group, &groups);
			split(who[i].alias, &aliases);
			if (quorum_counts_for(&need, &push, &r) != want)
				fail_msg("%s %s", who[i].reviewer,
				    who[i].alias);
		}
		strv_release(&need.from);
	}
	strv_release(&need.people);
}

/* The push of "bot" needs one approval of dba and two of dev. Reviews are
 * given as "name:group:+" or "-". */
static const struct {
	const char *why;
	const char *reviews[6];
	enum quorum_state want;
} states[] = {
	{ "nothing yet", { NULL }, QUORUM_OPEN },
	{ "one need only", { "d:dba:+" }, QUORUM_OPEN },
	{ "two people of dev, nobody of dba", { "a:dev:+", "b:dev:+" },
	    QUORUM_OPEN },
	{ "enough", { "a:dev:+", "b:dev:+", "d:dba:+" }, QUORUM_REACHED },
	{ "one person twice is one person", { "a:dev:+", "a:dev:+", "d:dba:+" },
	    QUORUM_OPEN },
	{ "also in other letters", { "a:dev:+", "A:dev:+", "d:dba:+" },
	    QUORUM_OPEN },
	{ "one approval counts for both needs", { "a:dev,dba:+", "b:dev:+" },
	    QUORUM_REACHED },
	{ "the pusher does not count", { "a:dev:+", "bot:dev:+", "d:dba:+" },
	    QUORUM_OPEN },
	{ "a stranger does not count", { "a:dev:+", "x:y:+", "d:dba:+" },
	    QUORUM_OPEN },
	{ "one rejection ends it",
	    { "a:dev:+", "b:dev:+", "d:dba:+", "c:dev:-" }, QUORUM_REJECTED },
	{ "also one's own change of mind", { "a:dev:+", "a:dev:-" },
	    QUORUM_REJECTED },
	{ "a stranger cannot reject", { "x:y:-" }, QUORUM_OPEN },
	{ "nor the pusher, who may withdraw", { "bot:dev:-" }, QUORUM_OPEN },
};

static enum quorum_state
state_of(const struct need *needs, size_t n_needs, const char *const *list)
{
	const struct quorum_push push = { .pusher = "bot" };
	struct quorum_review r[6] = { 0 };
	struct strv groups[6] = { 0 };
	enum quorum_state got;
	size_t n = 0;

	for (; list[n] != NULL; n++) {
		struct view v = view_str(list[n]), name, group, one;

		assert_true(view_cut(&v, ':', &name) &&
		    view_cut(&v, ':', &group));
		while (view_cut(&group, ',', &one))
			strv_addv(&groups[n], one);
		strv_addv(&groups[n], group);
		r[n] = (struct quorum_review){ view_dup(name), &groups[n], NULL,
			v.p[0] == '+', false };
	}
	got = quorum_state(needs, n_needs, &push, r, n);
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)r[i].reviewer);
		strv_release(&groups[i]);
	}
	return got;
}

static void
when_enough(void **state)
{
	struct need needs[2] = { { .required = 1 }, { .required = 2 } };

	(void)state;
	strv_add(&needs[0].from, "dba");
	strv_add(&needs[1].from, "dev");
	for (size_t i = 0; i < GG_COUNT(states); i++)
		if (state_of(needs, 2, states[i].reviews) != states[i].want)
			fail_msg("%s", states[i].why);
	strv_release(&needs[0].from);
	strv_release(&needs[1].from);
}

static void
never_by_nobody(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const one[] = { "a:x:+", NULL };
	struct need zero = { .required = 0 };

	(void)state;
	assert_int_equal(state_of(NULL, 0, none), QUORUM_OPEN);
	assert_int_equal(state_of(NULL, 0, one), QUORUM_OPEN);
	assert_int_equal(state_of(&zero, 1, none), QUORUM_OPEN);
	assert_int_equal(state_of(&zero, 1, one), QUORUM_REACHED);
}

/* Adding an approval never takes one away; taking reviews away never
 * approves. Over random reviews of a small world. */
static void
approvals_only_add_up(void **state)
{
	static const char *const pool[] = { "a:dev:+", "b:dev:+", "c:dba:+",
		"bot:dba:+", "A:dba:+", "x:y:+" };
	struct need needs[2] = { { .required = 1 }, { .required = 2 } };
	unsigned seed = 7;

	(void)state;
	strv_add(&needs[0].from, "dba");
	strv_add(&needs[1].from, "dev");
	for (int round = 0; round < 500; round++) {
		const char *list[6] = { NULL };
		enum quorum_state last = QUORUM_OPEN;

		for (size_t n = 0; n < 5; n++) {
			enum quorum_state now;

			list[n] = pool[(size_t)rand_r(&seed) % GG_COUNT(pool)];
			now = state_of(needs, 2, list);
			assert_int_not_equal(now, QUORUM_REJECTED);
			assert_false(last == QUORUM_REACHED &&
			    now != QUORUM_REACHED);
			/* at least two distinct names are needed for dev */
			assert_false(now == QUORUM_REACHED && n == 0);
			last = now;
		}
	}
	strv_release(&needs[0].from);
	strv_release(&needs[1].from);
}

static const struct {
	const char *why, *json;
	int want;
} jsons[] = {
	{ "one",
	    "[{\"rule\":\"m\",\"required\":2,\"from\":[\"dba\"],"
	    "\"allow_self\":true,\"wait_ms\":1,\"expires_ms\":2,"
	    "\"reviews\":[]}]",
	    0 },
	{ "none", "[]", 0 },
	{ "no list", "{}", GG_E_CORRUPT },
	{ "no object", "[1]", GG_E_CORRUPT },
	{ "no rule",
	    "[{\"required\":2,\"from\":[],\"allow_self\":true,"
	    "\"wait_ms\":1,\"expires_ms\":2}]",
	    GG_E_CORRUPT },
	{ "no count",
	    "[{\"rule\":\"m\",\"from\":[],\"allow_self\":true,"
	    "\"wait_ms\":1,\"expires_ms\":2}]",
	    GG_E_CORRUPT },
	{ "a negative count",
	    "[{\"rule\":\"m\",\"required\":-1,\"from\":[],"
	    "\"allow_self\":true,\"wait_ms\":1,\"expires_ms\":2}]",
	    GG_E_CORRUPT },
	{ "self is a word",
	    "[{\"rule\":\"m\",\"required\":1,\"from\":[],"
	    "\"allow_self\":\"no\",\"wait_ms\":1,\"expires_ms\":2}]",
	    GG_E_CORRUPT },
	{ "a group is a number",
	    "[{\"rule\":\"m\",\"required\":1,\"from\":[\"a\",1],"
	    "\"allow_self\":false,\"wait_ms\":1,\"expires_ms\":2}]",
	    GG_E_CORRUPT },
};

static void
needs_are_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(jsons); i++) {
		json_t *j = json_loads(jsons[i].json, 0, NULL);
		struct need *needs = NULL;
		size_t n = 0;

		assert_non_null(j);
		if (needs_from_json(j, &needs, &n, NULL) != jsons[i].want)
			fail_msg("%s", jsons[i].why);
		if (n == 1) {
			assert_string_equal(needs[0].rule, "m");
			assert_int_equal(needs[0].required, 2);
			assert_string_equal(needs[0].from.v[0], "dba");
			assert_true(needs[0].allow_self);
			assert_int_equal(needs[0].expires_ms, 2);
		}
		needs_free(needs, n);
		json_decref(j);
	}
	assert_int_equal(needs_from_json(NULL, &(struct need *){ 0 },
			     &(size_t){ 0 }, NULL),
	    GG_E_CORRUPT);
}

static void
key_of(const char *who, const char *repo, const char *const *refs,
    unsigned char value, struct buf *out)
{
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	struct oid z = { 0 }, x = { { value } };

	for (; *refs != NULL; refs++)
		assert_int_equal(ref_updates_add(&u, &z, &x, view_str(*refs), 9,
				     NULL),
		    0);
	buf_clear(out);
	hold_key_text(who, repo, &u, out);
	assert_int_equal(buf_check(out, NULL), 0);
}

static void
keys(void **state)
{
	static const char *const ab[] = { "refs/a", "refs/b", NULL };
	static const char *const ba[] = { "refs/b", "refs/a", NULL };
	static const char *const a[] = { "refs/a", NULL };
	GG_AUTO_RELEASE(buf) one = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(4096);

	(void)state;
	key_of("p", "r", ab, 1, &one);
	key_of("p", "r", ba, 1, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	key_of("p", "r", ab, 2, &two);
	assert_false(view_eq(buf_view(&one), buf_view(&two)));
	key_of("p", "r", a, 1, &two);
	assert_false(view_eq(buf_view(&one), buf_view(&two)));
	/* where one field ends and the next begins is part of it */
	key_of("pr", "", ab, 1, &two);
	assert_false(view_eq(buf_view(&one), buf_view(&two)));
}

/* Who is the pusher, and who is one person, by every name that is proven. */
static const struct {
	const char *why, *owner, *alias, *reviewer, *known_as;
	enum quorum_refusal want;
} owners[] = {
	{ "somebody else", "ann", "a@b.c", "rita", "r@b.c", QUORUM_MAY },
	{ "nobody's machine", NULL, NULL, "rita", "r@b.c", QUORUM_MAY },
	{ "an empty owner is nobody", "", NULL, "rita", "", QUORUM_MAY },
	{ "the owner", "ann", NULL, "Ann", NULL, QUORUM_OWN_PUSH },
	{ "another machine of the owner's", "ann", NULL, "bot2", "ann",
	    QUORUM_OWN_PUSH },
	{ "the owner by an address", "ann", "a@b.c", "corp:ann", "A@b.c",
	    QUORUM_OWN_PUSH },
};

static void
owners_are_pushers(void **state)
{
	(void)state;

	for (size_t i = 0; i < GG_COUNT(owners); i++) {
		GG_AUTO_RELEASE(strv) aliases = STRV_INIT;
		GG_AUTO_RELEASE(strv) known_as = STRV_INIT;
		struct need need = { .required = 1 };
		struct quorum_push push = { "bot", owners[i].owner, &aliases,
			NULL };
		struct quorum_review who = { owners[i].reviewer, NULL,
			&known_as, true, false };

		if (owners[i].alias != NULL)
			strv_add(&aliases, owners[i].alias);
		if (owners[i].known_as != NULL)
			strv_add(&known_as, owners[i].known_as);
		if (quorum_may_review(&need, 1, &push, &who) != owners[i].want)
			fail_msg("%s", owners[i].why);
	}
}

/* Names of others say whom it may not judge, not whose judgement it gives. */
static void
a_machine_answers_for_nobody(void **state)
{
	GG_AUTO_RELEASE(strv) known_as = STRV_INIT;
	struct need need = { .required = 1 };
	struct quorum_push push = { .pusher = "bot" };
	struct quorum_review who = { "helper", NULL, &known_as, true, false };
	(void)state;

	strv_add(&known_as, "ann");
	strv_add(&need.people, "Ann");
	assert_int_equal(quorum_may_review(&need, 1, &push, &who), QUORUM_MAY);
	who.machine = true;
	assert_int_equal(quorum_may_review(&need, 1, &push, &who),
	    QUORUM_NOT_IN_GROUP);
	assert_int_equal(quorum_count(&need, &push, &who, 1), 0);
	strv_add(&need.people, "HELPER");
	assert_int_equal(quorum_may_review(&need, 1, &push, &who), QUORUM_MAY);
	push.pusher = "ann";
	assert_int_equal(quorum_may_review(&need, 1, &push, &who),
	    QUORUM_OWN_PUSH);
	strv_release(&need.people);
}

static void
one_person_votes_once(void **state)
{
	GG_AUTO_RELEASE(strv) a = STRV_INIT;
	GG_AUTO_RELEASE(strv) b = STRV_INIT;
	struct need need = { .required = 2 };
	struct quorum_push push = { .pusher = "bot" };
	struct quorum_review r[] = { { "ann", NULL, &a, true, false },
		{ "corp:ann", NULL, &b, true, false },
		{ "zoe", NULL, NULL, true, false } };
	(void)state;

	strv_add(&a, "ann@example.com");
	assert_int_equal(quorum_count(&need, &push, r, 2), 2);
	strv_add(&b, "ANN@example.com");
	assert_true(quorum_same_person(&r[0], &r[1]));
	assert_false(quorum_same_person(&r[0], &r[2]));
	assert_int_equal(quorum_count(&need, &push, r, 2), 1);
	assert_int_equal(quorum_count(&need, &push, r, 3), 2);
	/* a machine is its owner */
	strv_release(&b);
	strv_add(&b, "Zoe");
	assert_int_equal(quorum_count(&need, &push, r + 1, 2), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_are_pushers),
		cmocka_unit_test(a_machine_answers_for_nobody),
		cmocka_unit_test(one_person_votes_once),
		cmocka_unit_test(test_people),
		cmocka_unit_test(who_may),
		cmocka_unit_test(when_enough),
		cmocka_unit_test(never_by_nobody),
		cmocka_unit_test(approvals_only_add_up),
		cmocka_unit_test(needs_are_read_back),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests_name("quorum", tests, NULL, NULL);
}
