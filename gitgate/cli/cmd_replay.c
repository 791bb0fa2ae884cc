/* gitgate pushes replay: does a recorded push come out the same? */
#include "cli/judge.h"
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
static int
check_entry(void *ctx, uint64_t index, const char *json)
{
	struct replay *r = ctx;
	json_t *e = json_loads(json, 0, NULL);
	const struct {
		const char *key, *want;
	} fields[] = { { "report", r->push.report_digest },
		{ "policy", r->push.policy_digest },
		{ "pack_sha256", json_str(r->push.request, "pack_sha256") } };

	for (size_t i = 0; i < GG_COUNT(fields); i++)
		if (strcmp(json_str(e, fields[i].key), fields[i].want) != 0)
			strv_addf(&r->faults,
			    "entry %llu of the log has %s %s, the database %s",
			    (unsigned long long)index, fields[i].key,
			    json_str(e, fields[i].key), fields[i].want);
	json_decref(e);
	return 0;
}

static int
check_log(struct replay *r, struct gg_error *err)
{
	struct audit_query q = {
		.type = "ref.update", .push = r->push.id, .limit = 1000
	};
	uint64_t next;

	return store_audit_query(r->judge.store, &q, check_entry, r, &next,
	    err);
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
