/* model: oids, ref updates, principals, states, decisions. */
#include "model/hold.h"
#include "model/oid.h"
#include "model/push.h"
#include "model/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
oids(void **state)
{
	static const struct {
		const char *why, *in;
		bool ok;
	} cases[] = {
		{ "forty digits", A, true },
		{ "zeros", "0000000000000000000000000000000000000000", true },
		{ "39", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "41", A "a", false },
		{ "upper case", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		    false },
		{ "one upper-case digit",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaF", false },
		{ "no digit", "gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    false },
		{ "nothing", "", false },
	};
	char hex[OID_HEX + 1];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct oid o = { { 7 } };

		if (oid_parse(view_str(cases[i].in), &o) != cases[i].ok)
			fail_msg("%s", cases[i].why);
		if (!cases[i].ok)
			continue;
		oid_format(&o, hex);
		assert_string_equal(hex, cases[i].in);
		assert_int_equal(oid_is_zero(&o), hex[0] == '0');
	}
}

static void
updates_are_limited(void **state)
{
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	struct oid x = { { 1 } }, z = { 0 };
	char name[32];

	(void)state;
	for (int i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "refs/heads/%d", i);
		assert_int_equal(ref_updates_add(&u, &z, &x, view_str(name), 9,
				     NULL),
		    0);
	}
	assert_int_equal(ref_updates_add(&u, &z, &x, view_str("refs/heads/x"),
			     9, NULL),
	    GG_E_LIMIT);
	assert_int_equal(u.n, 9);
	assert_ptr_equal(ref_updates_find(&u, view_str("refs/heads/4")),
	    &u.v[4]);
	assert_null(ref_updates_find(&u, view_str("refs/heads/")));
}

static void
principal_names(void **state)
{
	static const struct {
		const char *in;
		bool ok;
	} cases[] = { { "ann", true }, { "ann@example.org", true },
		{ "github:acme/app:ci.yml", true }, { "a+b-c_d", true },
		{ "", false }, { "-x", false }, { ".x", false },
		{ "a b", false }, { "a\n", false }, { "a\"", false },
		{ "\xc3\xbc", false }, { "a<b", false } };
	char longest[130];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (principal_name_is_valid(view_str(cases[i].in)) !=
		    cases[i].ok)
			fail_msg("\"%s\"", cases[i].in);
	memset(longest, 'a', sizeof(longest));
	assert_true(principal_name_is_valid(view_of(longest, 128)));
	assert_false(principal_name_is_valid(view_of(longest, 129)));
	assert_false(principal_name_is_valid(view_of("a\0b", 3)));
}

static void
principal_groups(void **state)
{
	GG_AUTO_RELEASE(principal) a = { .method = AUTH_TOKEN };
	GG_AUTO_RELEASE(principal) b = { 0 };
	GG_AUTO_RELEASE(strv) none = STRV_INIT;
	GG_AUTO_RELEASE(strv) dba = STRV_INIT;

	(void)state;
	a.name = strdup("ann");
	strv_add(&a.groups, "dba");
	strv_add(&dba, "ops");
	assert_false(principal_in_any(&a, &none));
	assert_false(principal_in_any(&a, &dba));
	strv_add(&dba, "dba");
	principal_copy(&b, &a);
	assert_true(principal_in_any(&b, &dba));
	assert_string_equal(b.name, "ann");
	assert_string_equal(b.credential_id, "");
	assert_string_equal(auth_method_name(b.method), "token");
	assert_string_equal(auth_method_name(AUTH_ANONYMOUS), "anonymous");
	assert_string_equal(auth_method_name(AUTH_SESSION), "session");
}

/* Every pair: what is not in this list of moves may not happen. */
static void
hold_moves(void **state)
{
	static const enum hold_state moves[][2] = {
		{ HOLD_PENDING, HOLD_APPROVED },
		{ HOLD_PENDING, HOLD_STALE },
		{ HOLD_PENDING, HOLD_REJECTED },
		{ HOLD_PENDING, HOLD_EXPIRED },
		{ HOLD_PENDING, HOLD_WITHDRAWN },
		{ HOLD_PENDING, HOLD_SUPERSEDED },
		{ HOLD_APPROVED, HOLD_FORWARDED },
		{ HOLD_APPROVED, HOLD_KEPT },
		{ HOLD_APPROVED, HOLD_FAILED },
		{ HOLD_APPROVED, HOLD_STALE },
	};

	(void)state;
	for (unsigned i = 0; i < HOLD_STATE_COUNT * HOLD_STATE_COUNT; i++) {
		enum hold_state a = (enum hold_state)(i / HOLD_STATE_COUNT);
		enum hold_state b = (enum hold_state)(i % HOLD_STATE_COUNT);
		bool want = false;

		for (size_t m = 0; m < GG_COUNT(moves); m++)
			want = want || (moves[m][0] == a && moves[m][1] == b);
		if (hold_move_is_allowed(a, b) != want)
			fail_msg("%s to %s", hold_state_name(a),
			    hold_state_name(b));
		if (hold_is_over(a))
			assert_false(hold_move_is_allowed(a, b));
	}
}

static void
state_names(void **state)
{
	enum hold_state h;
	enum push_state p;

	(void)state;
	for (unsigned i = 0; i < HOLD_STATE_COUNT; i++) {
		const char *s = hold_state_name((enum hold_state)i);

		assert_true(hold_state_parse(view_str(s), &h));
		assert_int_equal(h, i);
	}
	for (unsigned i = 0; i < PUSH_STATE_COUNT; i++) {
		const char *s = push_state_name((enum push_state)i);

		assert_true(push_state_parse(view_str(s), &p));
		assert_int_equal(p, i);
	}
	assert_false(hold_state_parse(view_str("Pending"), &h));
	assert_false(push_state_parse(view_str(""), &p));
	assert_string_equal(hold_state_name(HOLD_STATE_COUNT), "?");
}

static void
decisions(void **state)
{
	GG_AUTO(decision) d = decision_new(2);
	struct reason *r = ref_decision_add(&d->refs[1]);
	struct oid c = { { 3 } };

	(void)state;
	assert_int_equal(d->verdict, VERDICT_DENY);
	assert_int_equal(d->refs[0].verdict, VERDICT_DENY);
	assert_int_equal(r->verdict, VERDICT_DENY);
	for (int i = 0; i < REASON_MAX_MATCHES + 5; i++)
		reason_add_match(r, "a", "added", i == 0 ? &c : NULL);
	assert_int_equal(r->n_matches, REASON_MAX_MATCHES);
	assert_int_equal(r->n_matches_all, REASON_MAX_MATCHES + 5);
	assert_true(oid_eq(&r->matches[0].commit, &c));
	assert_true(oid_is_zero(&r->matches[1].commit));
	strv_add(&decision_add_need(d)->from, "dba");
	decision_add_need(d)->rule = strdup("two");
	assert_int_equal(d->n_needs, 2);
	assert_string_equal(d->needs[0].from.v[0], "dba");
	assert_int_equal(verdict_strictest(VERDICT_ALLOW, VERDICT_HOLD),
	    VERDICT_HOLD);
	assert_int_equal(verdict_strictest(VERDICT_DENY, VERDICT_HOLD),
	    VERDICT_DENY);
	assert_string_equal(verdict_name(VERDICT_ALLOW), "allow");
	assert_string_equal(verdict_name((enum verdict)7), "deny");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oids),
		cmocka_unit_test(updates_are_limited),
		cmocka_unit_test(principal_names),
		cmocka_unit_test(principal_groups),
		cmocka_unit_test(hold_moves),
		cmocka_unit_test(state_names),
		cmocka_unit_test(decisions),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
