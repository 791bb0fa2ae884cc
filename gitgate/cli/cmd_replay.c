/* gitgate pushes replay: does a recorded push come out the same? */
#include "cli/judge.h"
#include "cli/logged.h"
#include "cli/remote.h"

#include "base/fd.h"
#include "role/kept_policy.h"

#include <string.h>

struct replay {
	struct judge judge;
	struct stored_push push;
	struct rejudged now;
	json_t *trace;
	bool same_policy;
	struct strv faults;      /* of the recording */
	struct strv differences; /* of what comes out */
};

static void
replay_release(struct replay *r)
{
	judge_release(&r->judge);
	stored_push_release(&r->push);
	rejudged_release(&r->now);
	json_decref(r->trace);
	strv_release(&r->faults);
	strv_release(&r->differences);
}
GG_DEFINE_AUTO_RELEASE(replay);

/* Does the log say of this push what the database says? */
static void
compare_entry(struct replay *r, const json_t *e)
{
	const struct {
		const char *key, *want;
	} fields[] = { { "report", r->push.report_digest },
		{ "policy", r->push.policy_digest },
		{ "pack_sha256", json_str(r->push.request, "pack_sha256") },
		{ "repository", r->push.repository } };

	for (size_t i = 0; i < GG_COUNT(fields); i++)
		if (strcmp(json_str(e, fields[i].key), fields[i].want) != 0)
			strv_addf(&r->faults,
			    "entry %lld of the log has %s %s, the database %s",
			    (long long)json_integer_value(json_object_get(e,
				"seq")),
			    fields[i].key, json_str(e, fields[i].key),
			    fields[i].want);
}

/* A long name is shortened in the log. */
#define LOGGED_REF_MIN 900

static bool
is_entry_of(const json_t *e, const json_t *update)
{
	static const char *const keys[] = { "old", "new", "verdict", "kind" };
	const char *logged = json_str(e, "ref"), *ref = json_str(update, "ref");

	for (size_t i = 0; i < GG_COUNT(keys); i++)
		if (strcmp(json_str(e, keys[i]), json_str(update, keys[i])) !=
		    0)
			return false;
	return strcmp(logged, ref) == 0 ||
	    (strlen(logged) >= LOGGED_REF_MIN &&
		strncmp(logged, ref, LOGGED_REF_MIN) == 0);
}

static bool
is_among(const json_t *e, const json_t *updates)
{
	const json_t *u;
	size_t i;

	json_array_foreach(updates, i, u) if (is_entry_of(e, u)) return true;
	return false;
}

static int
check_log(struct replay *r, struct gg_error *err)
{
	const json_t *updates = r->push.updates, *e;
	json_t *entries = NULL;
	size_t i, n = json_array_size(updates);
	int rc = logged_entries(r->judge.config, r->judge.store, "ref.update",
	    r->push.id, &entries, &r->faults, err);

	if (rc != 0)
		return rc;
	if (json_array_size(entries) != n)
		strv_addf(&r->faults,
		    "the log has %zu ref updates of it, the database %zu",
		    json_array_size(entries), n);
	json_array_foreach(entries, i, e)
	{
		compare_entry(r, e);
		if (!is_among(e, updates))
			strv_addf(&r->faults,
			    "the database does not have what entry %lld of the "
			    "log says of %s",
			    (long long)json_integer_value(json_object_get(e,
				"seq")),
			    json_str(e, "ref"));
	}
	json_decref(entries);
	return 0;
}

/* Whether the trace of then can be read was said by recorded_check(). */
static void
compare_trace(struct replay *r)
{
	GG_AUTO_MEM char *dir = path_f("%s/pushes/%s",
	    r->judge.config->state_dir, r->push.id);
	json_t *kept = NULL;

	if (trace_read(dir, r->push.request, &kept, NULL) == 0 &&
	    json_array_size(json_object_get(kept, "trace")) !=
		json_array_size(r->trace))
		strv_add(&r->differences,
		    "the trace has another number of judgements");
	json_decref(kept);
}

/* An inspection that refuses now what it took then is a result, too. */
static int
judge_now(struct replay *r, struct gg_error *err)
{
	enum verdict was;
	int rc;

	if (!recorded_verdict(&r->push, &was))
		return gg_fail(err, GG_E_REFUSED,
		    "push %s was refused before policy judged it: there is "
		    "nothing to replay",
		    r->push.id);
	rc = judge_again(&r->judge, &r->push, r->trace, -1, &r->now, err);
	if (rc == GG_E_PEER || rc == GG_E_LIMIT) {
		strv_addf(&r->differences, "the inspection refuses it now: %s",
		    err->msg);
		return 0;
	}
	if (rc != 0)
		return rc;
	recorded_compare(&r->push, &r->now, r->same_policy, &r->differences);
	if (r->same_policy)
		compare_trace(r);
	return 0;
}

static int
replay(struct replay *r, const char *policy_dir, struct gg_error *err)
{
	int rc;

	if ((rc = policy_dir != NULL ?
		    judge_rules(&r->judge, policy_dir, err) :
		    judge_rules_then(&r->judge, &r->push, err)) != 0)
		return rc;
	r->same_policy = strcmp(ruleset_digest(r->judge.rs),
			     r->push.policy_digest) == 0;
	if ((rc = recorded_check(r->judge.config, &r->push, &r->faults, err)) !=
		0 ||
	    (rc = check_log(r, err)) != 0 || (rc = judge_now(r, err)) != 0 ||
	    (rc = strv_check(&r->faults, err)) != 0)
		return rc;
	return strv_check(&r->differences, err);
}

static json_t *
replay_json(const struct replay *r, bool same)
{
	enum verdict was = VERDICT_DENY;
	const struct decision *d = r->now.decision;

	(void)recorded_verdict(&r->push, &was);
	return json_pack("{s:s, s:b, s:s, s:b, s:s, s:s?, s:o, s:o, s:O}",
	    "push", r->push.id, "same", same, "policy_digest",
	    ruleset_digest(r->judge.rs), "same_policy", r->same_policy,
	    "recorded", verdict_name(was), "verdict",
	    d != NULL ? verdict_name(d->verdict) : NULL, "faults",
	    cli_json_strv(&r->faults), "differences",
	    cli_json_strv(&r->differences), "trace", r->trace);
}

static void
say_replay(const struct replay *r, bool same)
{
	enum verdict was = VERDICT_DENY;
	const struct decision *d = r->now.decision;

	(void)recorded_verdict(&r->push, &was);
	say_part("push ", r->push.id);
	say_part(" to ", r->push.repository);
	say_part(" by ", r->push.principal);
	say("\npolicy: %s%s\n", ruleset_digest(r->judge.rs),
	    r->same_policy ? " (that of then)" : " (another than then)");
	say("verdict: %s, now %s\n", verdict_name(was),
	    d != NULL ? verdict_name(d->verdict) : "none");
	for (size_t i = 0; i < r->faults.n; i++)
		say_safe("fault: ", r->faults.v[i]);
	for (size_t i = 0; i < r->differences.n; i++)
		say_safe("different: ", r->differences.v[i]);
	say(same ? "it comes out the same\n" :
		   "it does not come out the same\n");
}

int
cmd_pushes_replay(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(replay) r = { 0 };
	struct gg_error err = { 0 };
	const char *dir = NULL;
	struct words w;
	bool same;
	const struct option_spec specs[] = { { "policy", OPT_TEXT, &dir } };

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0 ||
	    remote_check_id(w.v[0], &err) != 0)
		return cli_usage(&err);
	r.trace = json_array();
	if (judge_begin(cli, &r.judge, &err) != 0 ||
	    store_push_get(r.judge.store, w.v[0], &r.push, &err) != 0 ||
	    replay(&r, dir, &err) != 0)
		return cli_fail(&err);
	same = r.faults.n == 0 && r.differences.n == 0;
	if (cli->json) {
		json_t *o = replay_json(&r, same);

		say_json(o);
		json_decref(o);
	} else {
		say_replay(&r, same);
	}
	return cli_flush() == CLI_YES && same ? CLI_YES : CLI_NO;
}
