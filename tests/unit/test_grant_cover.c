/* hold/grant_cover: what a grant covers, in every dimension, and when grants
 * lift a hold. */
#include "hold/grant_cover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* Lists in tests are one blank-separated string. */
static void
split(const char *words, struct strv *out)
{
	struct view v = view_str(words), one;

	while (view_cut(&v, ' ', &one))
		strv_addv(out, one);
	if (v.n > 0)
		strv_addv(out, v);
}

#define NOW 1000000

/* One grant against one held update of "acme/App", refs/heads/main, by
 * "bot", a fast-forward, held by rule "r" for paths "db/a db/b". */
struct one {
	const char *why;
	const char *principal, *repositories, *refs, *paths, *rules;
	unsigned verbs;
	int64_t expires;
	const char *target; /* of a symbolic ref */
	const char *evidence;
	size_t cut; /* matches that were left out */
	bool wanted, covers;
};
#define FF    GRANT_UPDATE(UPDATE_FAST_FORWARD)
#define PLAIN "bot", "acme/app", "", "", "", FF, NOW + 1, NULL, "db/a db/b", 0
#define PATHS(p, evidence, cut) \
	"bot", "acme/app", "", p, "", FF, NOW + 1, NULL, evidence, cut
#define REFS(r, target) \
	"bot", "acme/app", r, "", "", FF, NOW + 1, target, "db/a", 0

static const struct one ones[] = {
	{ "all of it", PLAIN, true, true },
	{ "a rule that wants none", PLAIN, false, false },
	{ "another principal", "bot2", "acme/app", "", "", "", FF, NOW + 1,
	    NULL, "db/a", 0, true, false },
	{ "the principal in other letters", "Bot", "acme/app", "", "", "", FF,
	    NOW + 1, NULL, "db/a", 0, true, false },
	{ "over now", "bot", "acme/app", "", "", "", FF, NOW, NULL, "db/a", 0,
	    true, false },
	{ "a repository glob", "bot", "other acme/*", "", "", "", FF, NOW + 1,
	    NULL, "db/a", 0, true, true },
	{ "another repository", "bot", "acme/app2 acme", "", "", "", FF,
	    NOW + 1, NULL, "db/a", 0, true, false },
	{ "no repository is no repository", "bot", "", "", "", "", FF, NOW + 1,
	    NULL, "db/a", 0, true, false },
	{ "another kind", "bot", "acme/app", "", "", "", GRANT_UPDATES & ~FF,
	    NOW + 1, NULL, "db/a", 0, true, false },
	{ "access is no approval", "bot", "acme/app", "", "", "", GRANT_ACCESS,
	    NOW + 1, NULL, "db/a", 0, true, false },
	{ "the rule by name", "bot", "acme/app", "", "", "q r", FF, NOW + 1,
	    NULL, "db/a", 0, true, true },
	{ "another rule", "bot", "acme/app", "", "", "q R", FF, NOW + 1, NULL,
	    "db/a", 0, true, false },
	{ "the ref", REFS("refs/heads/main", NULL), true, true },
	{ "a ref glob", REFS("refs/tags/* refs/heads/m*", NULL), true, true },
	{ "another ref", REFS("refs/heads/mai refs/heads/main2", NULL), true,
	    false },
	{ "the ref in other letters", REFS("refs/heads/Main", NULL), true,
	    false },
	{ "what a symbolic ref leads to",
	    REFS("refs/heads/main refs/heads/x", "refs/heads/x"), true, true },
	{ "a symbolic ref that leads out",
	    REFS("refs/heads/main", "refs/heads/x"), true, false },
	{ "every path", PATHS("db/**", "db/a db/x/y", 0), true, true },
	{ "paths of two globs", PATHS("db/a db/b", "db/a db/b", 0), true,
	    true },
	{ "one path outside", PATHS("db/**", "db/a etc/b", 0), true, false },
	{ "a twin by case", PATHS("db/**", "db/a DB/b", 0), true, false },
	{ "a twin by what NTFS drops", PATHS("db/**", "db./a", 0), true,
	    false },
	{ "the directory's own name is not below it", PATHS("db/**", "db", 0),
	    true, false },
	{ "evidence that was cut", PATHS("**", "db/a", 1), true, false },
	{ "a rule without paths", PATHS("**", "", 0), true, false },
	{ "cut, but every path is meant", PATHS("", "db/a", 7), true, true },
	{ "without paths, every path is meant", PATHS("", "", 0), true, true },
};

static void
fill_reason(struct reason *r, const char *evidence, size_t cut)
{
	GG_AUTO_RELEASE(strv) paths = STRV_INIT;

	r->rule = strdup("r");
	r->message = strdup("");
	r->verdict = VERDICT_HOLD;
	r->may_grant = true;
	split(evidence, &paths);
	for (size_t i = 0; i < paths.n; i++)
		reason_add_match(r, paths.v[i], "added", NULL);
	r->n_matches_all += cut;
}

static void
fill_scope(const struct one *o, struct grant_scope *s)
{
	split(o->repositories, &s->repositories);
	split(o->refs, &s->refs);
	split(o->paths, &s->paths);
	split(o->rules, &s->rules);
	s->verbs = o->verbs;
}

static void
dimensions(void **state)
{
	char bot[] = "bot";
	const struct principal pusher = { .name = bot };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(ones); i++) {
		const struct one *o = &ones[i];
		GG_AUTO_RELEASE(grant_scope) s = { 0 };
		GG_AUTO(decision) d = decision_new(1);
		struct reason *r = ref_decision_add(&d->refs[0]);
		struct grant_case c = { .repository = "acme/App",
			.pusher = &pusher,
			.now_ms = NOW };
		struct grant_in_force g = { .id = "1",
			.principal = o->principal,
			.scope = &s,
			.expires_ms = o->expires };

		d->refs[0].refname = strdup("refs/heads/main");
		d->refs[0].kind = UPDATE_FAST_FORWARD;
		fill_reason(r, o->evidence, o->cut);
		r->may_grant = o->wanted;
		fill_scope(o, &s);
		if (grant_covers(&g, &c, &d->refs[0], o->target, r) !=
		    o->covers)
			fail_msg("%s", o->why);
	}
}

/* A path that rules know by a commit only is not known. */
static void
empty_path(void **state)
{
	GG_AUTO_RELEASE(grant_scope) s = { 0 };
	GG_AUTO(decision) d = decision_new(1);
	struct reason *r = ref_decision_add(&d->refs[0]);
	char bot[] = "bot";
	const struct principal pusher = { .name = bot };
	struct grant_case c = { .repository = "a", .pusher = &pusher };
	struct grant_in_force g = {
		.id = "1", .principal = "bot", .scope = &s, .expires_ms = 1
	};

	(void)state;
	d->refs[0].refname = strdup("refs/heads/main");
	fill_reason(r, "db/a", 0);
	reason_add_match(r, "", "subject", NULL);
	s.verbs = GRANT_UPDATES;
	strv_add(&s.repositories, "a");
	assert_true(grant_covers(&g, &c, &d->refs[0], NULL, r));
	strv_add(&s.paths, "**");
	assert_false(grant_covers(&g, &c, &d->refs[0], NULL, r));
}

/* -- lifting -- */

/* "rita:dba ops,carl:dba": approvals of one grant. */
struct approvals {
	struct quorum_review v[8];
	struct strv groups[8], names;
	size_t n;
};

static void
fill_approvals(struct approvals *a, const char *text)
{
	GG_AUTO_RELEASE(strv) words = STRV_INIT;

	split(text, &words);
	for (size_t i = 0; i < words.n; i++) {
		char *colon = strchr(words.v[i], ':');

		if (colon == NULL)
			continue;
		*colon = '\0';
		strv_add(&a->groups[i], colon + 1);
		strv_add(&a->names, words.v[i]);
	}
	for (; a->n < a->names.n; a->n++)
		a->v[a->n] = (struct quorum_review){ a->names.v[a->n],
			&a->groups[a->n], NULL, true, false };
}

static void
free_approvals(struct approvals *a)
{
	for (size_t i = 0; i < GG_COUNT(a->groups); i++)
		strv_release(&a->groups[i]);
	strv_release(&a->names);
}

static const struct {
	const char *why;
	const char *need[2]; /* groups of the needs of rule "r"; NULL: none */
	uint32_t required;
	bool allow_self;
	const char *first, *second; /* approvals of two grants; NULL: none */
	enum verdict was;
	bool lifts;
	size_t n_used;
} lifts[] = {
	{ "one of the group", { "dba" }, 1, false, "rita:dba", NULL,
	    VERDICT_HOLD, true, 1 },
	{ "of another group", { "dba" }, 1, false, "rita:ops", NULL,
	    VERDICT_HOLD, false, 0 },
	{ "nobody yet", { "dba" }, 1, false, "", NULL, VERDICT_HOLD, false, 0 },
	{ "one of two", { "dba" }, 2, false, "rita:dba", NULL, VERDICT_HOLD,
	    false, 0 },
	{ "two of two", { "dba" }, 2, false, "rita:dba carl:dba", NULL,
	    VERDICT_HOLD, true, 1 },
	{ "two of two in two grants", { "dba" }, 2, false, "rita:dba",
	    "carl:dba", VERDICT_HOLD, true, 2 },
	{ "one person twice", { "dba" }, 2, false, "rita:dba", "RITA:dba",
	    VERDICT_HOLD, false, 0 },
	{ "both needs", { "dba", "ops" }, 1, false, "rita:dba carl:ops", NULL,
	    VERDICT_HOLD, true, 1 },
	{ "one need of two", { "dba", "ops" }, 1, false, "rita:dba carl:dba",
	    NULL, VERDICT_HOLD, false, 0 },
	{ "no need is known", { NULL }, 1, false, "rita:dba", NULL,
	    VERDICT_HOLD, false, 0 },
	{ "the pusher", { "dba" }, 1, true, "bot:dba", NULL, VERDICT_HOLD,
	    false, 0 },
	{ "whom the pusher acts for", { "dba" }, 1, true, "olga:dba", NULL,
	    VERDICT_HOLD, false, 0 },
	{ "an author", { "dba" }, 1, true, "ann:dba", NULL, VERDICT_HOLD, false,
	    0 },
	{ "a denial", { "dba" }, 1, false, "rita:dba", NULL, VERDICT_DENY,
	    false, 0 },
	{ "what is allowed", { "dba" }, 1, false, "rita:dba", NULL,
	    VERDICT_ALLOW, false, 0 },
};

static void
fill_decision(struct decision *d, size_t row)
{
	struct ref_decision *ref = &d->refs[0];

	ref->refname = strdup("refs/heads/main");
	ref->kind = UPDATE_FAST_FORWARD;
	ref->verdict = d->verdict = lifts[row].was;
	fill_reason(ref_decision_add(ref), "db/a", 0);
	ref->reasons[0].verdict = lifts[row].was;
	for (size_t i = 0; i < 2 && lifts[row].need[i] != NULL; i++) {
		struct need *n = decision_add_need(d);

		n->rule = strdup("r");
		n->required = lifts[row].required;
		n->allow_self = lifts[row].allow_self;
		split(lifts[row].need[i], &n->from);
	}
}

static void
lifting(void **state)
{
	GG_AUTO_RELEASE(grant_scope) s = { .verbs = GRANT_UPDATES };
	GG_AUTO_RELEASE(strv) people = STRV_INIT;
	char bot[] = "bot", olga[] = "Olga";
	const struct principal pusher = { .name = bot, .owner = olga };
	const struct grant_case c = { "a", &pusher, &people, NULL, NOW };

	(void)state;
	strv_add(&s.repositories, "a");
	strv_add(&people, "Ann");
	for (size_t i = 0; i < GG_COUNT(lifts); i++) {
		GG_AUTO(decision) d = decision_new(1);
		struct approvals a = { 0 }, b = { 0 };
		struct grant_in_force g[2] = {
			{ "1", "bot", &s, NOW + 1, a.v, 0 },
			{ "2", "bot", &s, NOW + 1, b.v, 0 },
		};

		fill_approvals(&a, lifts[i].first);
		fill_approvals(&b, lifts[i].second ? lifts[i].second : "");
		g[0].n_approvals = a.n;
		g[1].n_approvals = b.n;
		fill_decision(d, i);
		if (grants_lift(d, &c, g, lifts[i].second ? 2 : 1) !=
			lifts[i].lifts ||
		    d->refs[0].grants.n != lifts[i].n_used)
			fail_msg("%s", lifts[i].why);
		assert_int_equal(d->verdict,
		    lifts[i].lifts ? VERDICT_ALLOW : lifts[i].was);
		assert_int_equal(d->refs[0].verdict, d->verdict);
		/* what a rule said stays said */
		assert_int_equal(d->refs[0].reasons[0].verdict, lifts[i].was);
		free_approvals(&a);
		free_approvals(&b);
	}
}

/* All of a push or nothing of it: one reason that no grant covers, one more
 * ref that is held or denied. */
static void
all_or_nothing(void **state)
{
	static const char *const second[] = { "refs/heads/x", "refs/heads/y" };
	GG_AUTO_RELEASE(grant_scope) s = { .verbs = GRANT_UPDATES };
	GG_AUTO_RELEASE(strv) people = STRV_INIT;
	struct strv dba = STRV_INIT;
	char bot[] = "bot";
	const struct principal pusher = { .name = bot };
	const struct grant_case c = { "a", &pusher, &people, NULL, NOW };
	struct quorum_review rita = { "rita", &dba, NULL, true, false };
	struct grant_in_force g = { "1", "bot", &s, NOW + 1, &rita, 1 };

	(void)state;
	strv_add(&s.repositories, "a");
	strv_add(&s.refs, "refs/heads/x");
	strv_add(&dba, "dba");
	for (int row = 0; row < 5; row++) {
		GG_AUTO(decision) d = decision_new(2);
		struct need *n = decision_add_need(d);

		n->rule = strdup("r");
		n->required = 1;
		d->verdict = VERDICT_HOLD;
		for (size_t u = 0; u < 2; u++) {
			d->refs[u].refname = strdup(second[u]);
			d->refs[u].verdict = VERDICT_HOLD;
			fill_reason(ref_decision_add(&d->refs[u]), "p", 0);
		}
		if (row == 1) { /* the other ref is allowed */
			d->refs[1].verdict = VERDICT_ALLOW;
			d->refs[1].reasons[0].verdict = VERDICT_ALLOW;
		} else if (row == 2) { /* denied */
			d->refs[1].verdict = d->verdict = VERDICT_DENY;
		} else if (row == 3) { /* a second rule that nobody approved */
			d->refs[1].verdict = VERDICT_ALLOW;
			fill_reason(ref_decision_add(&d->refs[0]), "p", 0);
			d->refs[0].reasons[1].rule[0] = 'q';
		} else if (row == 4) { /* too large */
			d->refs[1].verdict = VERDICT_ALLOW;
			fill_reason(ref_decision_add(&d->refs[0]), "p", 0);
			d->refs[0].reasons[1].may_grant = false;
		}
		assert_int_equal(grants_lift(d, &c, &g, 1), row == 1);
		assert_int_equal(d->refs[0].grants.n, row == 1);
		assert_int_equal(d->refs[1].grants.n, 0);
	}
	strv_release(&dba);
}

/* -- scopes -- */

static const struct {
	const char *json, *fault; /* NULL: good */
} scopes[] = {
	{ "{\"repositories\":[\"A/*\"],\"verbs\":[\"push\"]}", NULL },
	{ "{\"repositories\":[\"a\"],\"verbs\":[\"force\"],\"paths\":[\"d/**\"],"
	  "\"refs\":[\"refs/heads/x\"],\"rules\":[\"r\"]}",
	    NULL },
	{ "{\"verbs\":[\"push\"]}", "repositories are missing" },
	{ "{\"repositories\":[\"a\"]}", "verbs are missing" },
	{ "{\"repositories\":[\"a\"],\"verbs\":[\"write\"]}", "write" },
	{ "{\"repositories\":\"a\",\"verbs\":[\"push\"]}", "list" },
	{ "{\"repositories\":[1],\"verbs\":[\"push\"]}", "list" },
	{ "{\"repositories\":[\"a\\u0000b\"],\"verbs\":[\"push\"]}", "list" },
	{ "{\"repositories\":[\"a\"],\"verbs\":[\"push\"],\"paths\":[\"x\"]}",
	    "whole repositories" },
	{ "{\"repositories\":[\"!a\"],\"verbs\":[\"push\"]}", "no !" },
	{ "{\"repositories\":[\"a\"],\"verbs\":[\"force\"],\"paths\":[\"!x\"]}",
	    "no !" },
	{ "{\"repositories\":[\"[\"],\"verbs\":[\"push\"]}", "repositories" },
	{ "{\"repositories\":[\"\"],\"verbs\":[\"push\"]}", "256 bytes" },
	{ "{\"repositories\":[\"a\\n\"],\"verbs\":[\"push\"]}", "control" },
	{ "{\"repositories\":[\"a\",\"b\",\"c\"],\"verbs\":[\"push\"]}",
	    "grant-scope" },
	{ "[]", "object" },
};

static void
scope_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(scopes); i++) {
		GG_AUTO_RELEASE(grant_scope) s = { 0 };
		GG_AUTO_RELEASE(grant_scope) again = { 0 };
		json_t *o = json_loads(scopes[i].json, JSON_ALLOW_NUL, NULL);
		struct gg_error err = { 0 };
		int rc;

		assert_non_null(o);
		rc = grant_scope_from_json(o, &s, &err);
		json_decref(o);
		if (rc == 0)
			rc = grant_scope_check(&s, 2, &err);
		if ((rc != 0) != (scopes[i].fault != NULL) ||
		    (rc != 0 && strstr(err.msg, scopes[i].fault) == NULL))
			fail_msg("%s: %s", scopes[i].json, err.msg);
		if (rc != 0)
			continue;
		o = grant_scope_to_json(&s);
		assert_int_equal(grant_scope_from_json(o, &again, &err), 0);
		json_decref(o);
		assert_int_equal(again.verbs, s.verbs);
		assert_int_equal(again.repositories.v[0][0], 'a');
		assert_int_equal(again.paths.n + again.refs.n + again.rules.n,
		    s.paths.n + s.refs.n + s.rules.n);
	}
}

static void
access_of(void **state)
{
	GG_AUTO_RELEASE(grant_scope) s = { .verbs = GRANT_FETCH };

	(void)state;
	strv_add(&s.repositories, "acme/*");
	assert_true(grant_gives_access(&s, GRANT_FETCH, "Acme/App"));
	assert_false(grant_gives_access(&s, GRANT_PUSH, "acme/app"));
	assert_false(grant_gives_access(&s, GRANT_ACCESS, "acme/app"));
	assert_false(grant_gives_access(&s, GRANT_FETCH, "other/app"));
}

static void
states(void **state)
{
	(void)state;
	for (unsigned a = 0; a < GRANT_STATE_COUNT; a++) {
		enum grant_state back;

		assert_true(grant_state_parse(
		    view_str(grant_state_name((enum grant_state)a)), &back));
		assert_int_equal(back, a);
		/* nothing comes back to life */
		for (unsigned b = 0; b < GRANT_STATE_COUNT; b++)
			if (a > GRANT_ACTIVE || b == GRANT_ASKED)
				assert_false(grant_move_is_allowed(
				    (enum grant_state)a, (enum grant_state)b));
	}
	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++)
		assert_int_equal(grant_verb_parse(view_str(grant_verb_name(i))),
		    1u << i);
	assert_int_equal(grant_verb_parse(view_str("")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(dimensions),
		cmocka_unit_test(empty_path), cmocka_unit_test(lifting),
		cmocka_unit_test(all_or_nothing), cmocka_unit_test(scope_json),
		cmocka_unit_test(access_of), cmocka_unit_test(states) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
