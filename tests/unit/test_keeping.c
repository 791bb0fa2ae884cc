/* policy/keeping: what stays at the gate, and what cannot. */
#include "base/fd.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define KEEP  "  - {name: k, when: {refs: [refs/notes/**]}, then: keep}\n"
#define HOLD  "  - {name: h, when: {refs: [refs/notes/**]}, then: hold}\n"
#define DENY  "  - {name: d, when: {refs: [refs/notes/no]}, then: deny}\n"
#define ALLOW "  - {name: a, when: {refs: [refs/notes/**]}, then: allow}\n"
#define NOTES "refs/notes/ai"
#define TOPIC "refs/heads/topic"
#define APART                                      \
	"refs/notes/ai is kept at the gate: push " \
	"it apart from refs/heads/topic"

struct one {
	const char *ref;
	enum update_kind kind;
	unsigned place;
	enum verdict want;
	bool keep;
	const char *message; /* of the rule "kept"; NULL: it says nothing */
};

static const struct {
	const char *why, *rules;
	struct one u[2];
} cases[] = {
	{ "kept", KEEP,
	    { { NOTES, UPDATE_CREATE, 0, VERDICT_ALLOW, true, NULL } } },
	{ "kept before it is allowed", KEEP ALLOW,
	    { { NOTES, UPDATE_CREATE, 0, VERDICT_ALLOW, true, NULL } } },
	{ "whatever the order", ALLOW KEEP,
	    { { NOTES, UPDATE_FORCE, POLICY_KEPT, VERDICT_ALLOW, true,
		NULL } } },
	{ "held, then kept", KEEP HOLD,
	    { { NOTES, UPDATE_CREATE, 0, VERDICT_HOLD, true, NULL } } },
	{ "denied before it is kept", KEEP DENY,
	    { { "refs/notes/no", UPDATE_CREATE, 0, VERDICT_DENY, false,
		NULL } } },
	{ "another ref", KEEP,
	    { { TOPIC, UPDATE_CREATE, 0, VERDICT_ALLOW, false, NULL } } },
	{ "two kept ones", KEEP,
	    { { NOTES, UPDATE_CREATE, 0, VERDICT_ALLOW, true, NULL },
		{ "refs/notes/b", UPDATE_DELETE, POLICY_KEPT, VERDICT_ALLOW,
		    true, NULL } } },
	{ "mixed", KEEP,
	    { { NOTES, UPDATE_CREATE, 0, VERDICT_DENY, false, APART },
		{ TOPIC, UPDATE_CREATE, 0, VERDICT_ALLOW, false, NULL } } },
	{ "mixed, the other way round", KEEP HOLD,
	    { { TOPIC, UPDATE_CREATE, 0, VERDICT_ALLOW, false, NULL },
		{ NOTES, UPDATE_CREATE, 0, VERDICT_DENY, false, APART } } },
	{ "mixed and denied anyhow", KEEP DENY,
	    { { "refs/notes/no", UPDATE_CREATE, 0, VERDICT_DENY, false, NULL },
		{ TOPIC, UPDATE_CREATE, 0, VERDICT_ALLOW, false, NULL } } },
	{ "upstream has it", KEEP,
	    { { NOTES, UPDATE_FAST_FORWARD, POLICY_UPSTREAM_HAS, VERDICT_DENY,
		false,
		"upstream has refs/notes/ai itself; only a ref that upstream "
		"has not can be kept" } } },
	{ "no room beside another", KEEP,
	    { { NOTES, UPDATE_CREATE, POLICY_IN_THE_WAY, VERDICT_DENY, false,
		"a ref that refs/notes/ai cannot stand beside is there "
		"already" } } },
	{ "upstream may have what no rule keeps", ALLOW,
	    { { NOTES, UPDATE_FAST_FORWARD, POLICY_UPSTREAM_HAS, VERDICT_ALLOW,
		false, NULL } } },
	{ "kept, and no rule keeps it now", ALLOW,
	    { { NOTES, UPDATE_FAST_FORWARD, POLICY_KEPT, VERDICT_DENY, false,
		"refs/notes/ai is kept at the gate, and no rule keeps it now: "
		"delete it there (git push --delete, or gitgate kept drop), "
		"then push it again" } } },
	{ "kept, and removed without a rule", "",
	    { { NOTES, UPDATE_DELETE, POLICY_KEPT, VERDICT_ALLOW, true,
		NULL } } },
};

static struct ruleset *
parse(const char *rules)
{
	GG_AUTO_MEM char *text = path_f("rules:\n%s", rules);
	struct ruleset *rs = ruleset_new();
	struct gg_error err = { 0 };

	if (*rules != '\0' &&
	    ruleset_parse(rs, "p.yaml", view_str(text), &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return rs;
}

static struct decision *
judge(const struct ruleset *rs, const struct one *u, size_t n)
{
	GG_AUTO(change_report) r = change_report_new(n, ruleset_n_scopes(rs));
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	char bot[] = "bot";
	struct principal who = { .name = bot, .method = AUTH_TOKEN };
	struct oid none = { { 0 } }, one = { { 1 } };
	unsigned char places[2] = { 0 };
	struct policy_input in = { .repository = "acme/app",
		.principal = &who,
		.updates = &updates,
		.places = places,
		.report = r };
	struct decision *d = NULL;
	struct gg_error err = { 0 };

	for (size_t i = 0; i < n; i++) {
		places[i] = (unsigned char)u[i].place;
		r->updates[i].kind = u[i].kind;
		r->updates[i].too_large_why = strdup("");
		assert_int_equal(ref_updates_add(&updates,
				     u[i].kind == UPDATE_CREATE ? &none : &one,
				     u[i].kind == UPDATE_DELETE ? &none : &one,
				     view_str(u[i].ref), 2, NULL),
		    0);
	}
	if (policy_evaluate(rs, &in, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d;
}

static const char *
said_of_keeping(const struct ref_decision *r)
{
	for (size_t i = 0; i < r->n_reasons; i++)
		if (strcmp(r->reasons[i].rule, "kept") == 0)
			return r->reasons[i].message;
	return NULL;
}

static void
decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(ruleset) rs = parse(cases[i].rules);
		size_t n = cases[i].u[1].ref != NULL ? 2 : 1;
		GG_AUTO(decision) d = judge(rs, cases[i].u, n);

		for (size_t k = 0; k < n; k++) {
			const struct one *want = &cases[i].u[k];
			const char *said = said_of_keeping(&d->refs[k]);

			if (d->refs[k].verdict != want->want ||
			    d->refs[k].keep != want->keep ||
			    (said == NULL) != (want->message == NULL) ||
			    (said != NULL && strcmp(said, want->message) != 0))
				fail_msg("%s: %s: %s keep %d: %s", cases[i].why,
				    want->ref, verdict_name(d->refs[k].verdict),
				    d->refs[k].keep, said != NULL ? said : "");
		}
	}
}

static void
words(void **state)
{
	GG_AUTO(ruleset) rs = parse(KEEP HOLD);
	GG_AUTO(decision) d = judge(rs, cases[0].u, 1);
	json_t *j = decision_updates_json(d), *u = json_array_get(j, 0);

	(void)state;
	assert_string_equal(reason_word(&d->refs[0].reasons[0]), "keep");
	assert_string_equal(reason_word(&d->refs[0].reasons[1]), "hold");
	assert_true(json_is_true(json_object_get(u, "keep")));
	assert_true(decision_keeps(d));
	json_decref(j);
}

/* Only what is known before it was looked at. */
static void
foretold(void **state)
{
	static const struct {
		const char *when, *ref;
		bool want;
	} table[] = {
		{ "refs: [refs/notes/**]", NOTES, true },
		{ "refs: [refs/notes/**]", TOPIC, false },
		{ "repositories: [other/*]", NOTES, false },
		{ "principals: {names: [ann]}", NOTES, false },
		{ "updates: [create]", NOTES, true },
		{ "updates: [force]", NOTES, false },
		{ "paths: [a/**]", NOTES, false },
		{ "secrets: true", NOTES, false },
		{ "outside: [{days: [mon]}]", NOTES, false },
	};
	char bot[] = "bot";
	struct principal who = { .name = bot, .method = AUTH_TOKEN };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(table); i++) {
		GG_AUTO_MEM char *rule =
		    path_f("  - {name: k, when: {%s}, then: keep}\n",
			table[i].when);
		GG_AUTO(ruleset) rs = parse(rule);

		if (ruleset_keeps(rs, &who, "acme/app", table[i].ref) !=
		    table[i].want)
			fail_msg("%s: %s", table[i].when, table[i].ref);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(words),
		cmocka_unit_test(foretold),
	};

	return cmocka_run_group_tests_name("keeping", tests, NULL, NULL);
}
