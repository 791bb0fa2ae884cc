/* The names of GitHub's audit log stream (REST "audit log", git.push), so that
 * parsers for it find what they know. GitHub has neither ref nor ids; ours are
 * added under names of their own. */
#include "audit/export_priv.h"

#include <string.h>

static const char *
action_of(const struct export_facts *f)
{
	static const struct {
		const char *type, *action;
	} known[] = { { "forward.result", "git.push" },
		{ "keep.result", "git.push" }, { "push.refused", "git.reject" },
		{ "session.login", "user.login" },
		{ "session.failure", "user.failed_login" },
		{ "session.logout", "user.logout" },
		{ "ref.out-of-band", "git.out_of_band" } };

	if (strcmp(f->type, "ref.update") == 0 &&
	    strcmp(f->verdict, "deny") == 0)
		return "git.reject";
	for (size_t i = 0; i < GG_COUNT(known); i++) {
		if (strcmp(known[i].type, f->type) != 0)
			continue;
		if (f->failed && strcmp(known[i].action, "git.push") == 0)
			return "git.reject";
		return known[i].action;
	}
	return f->type;
}

json_t *
export_github(const struct export_facts *f)
{
	const char *slash = strchr(f->repository, '/');
	json_int_t seq = json_integer_value(json_object_get(f->entry, "seq"));
	json_t *o = json_object();

	(void)json_object_set_new(o, "@timestamp",
	    json_integer((json_int_t)f->time_ms));
	(void)json_object_set_new(o, "created_at",
	    json_integer((json_int_t)f->time_ms));
	(void)json_object_set_new(o, "_document_id",
	    json_sprintf("%lld", (long long)seq));
	(void)json_object_set_new(o, "action", json_string(action_of(f)));
	export_put(o, "actor", f->actor);
	export_put(o, "actor_ip", f->ip);
	export_put(o, "user_agent", f->agent);
	export_put(o, "repo", f->repository);
	export_put(o, "repository", f->repository);
	if (slash != NULL)
		(void)json_object_set_new(o, "org",
		    json_stringn(f->repository,
			(size_t)(slash - f->repository)));
	if (f->push[0] != '\0') {
		(void)json_object_set_new(o, "transport_protocol",
		    json_integer(1));
		(void)json_object_set_new(o, "transport_protocol_name",
		    json_string("http"));
	}
	export_put(o, "external_identity_nameid", f->subject);
	export_put(o, "gitgate_type", f->type);
	export_put(o, "gitgate_ref", f->ref);
	export_put(o, "gitgate_before", f->old);
	export_put(o, "gitgate_after", f->new);
	export_put(o, "gitgate_verdict", f->verdict);
	export_put(o, "gitgate_push", f->push);
	export_put(o, "gitgate_hold", f->hold);
	return o;
}
