/* Elastic Common Schema 9 (https://www.elastic.co/docs/reference/ecs). It has
 * no fields for git: vcs.* are OpenTelemetry's, the entry itself is in
 * gitgate.*. */
#include "audit/export_priv.h"

#include <string.h>

#define ECS_VERSION "9.0.0"

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* event.category and event.type take these words only. */
static const char *
category_of(const struct export_facts *f)
{
	if (f->is_sign_in)
		return "authentication";
	if (begins(f->type, "admin.") || begins(f->type, "account."))
		return "iam";
	if (begins(f->type, "config.") || begins(f->type, "log."))
		return "configuration";
	return "api";
}

static const char *
change_of(const struct export_facts *f)
{
	if (f->ref[0] == '\0')
		return NULL;
	if (strcmp(f->kind, "create") == 0)
		return "creation";
	return strcmp(f->kind, "delete") == 0 ? "deletion" : "change";
}

static void
add_type(json_t *list, const char *s)
{
	(void)json_array_append_new(list, json_string(s));
}

static json_t *
types_of(const struct export_facts *f)
{
	json_t *list = json_array();
	const char *change = change_of(f);

	if (strcmp(f->type, "session.login") == 0 ||
	    strcmp(f->type, "session.failure") == 0)
		add_type(list, "start");
	else if (strcmp(f->type, "session.logout") == 0 ||
	    strcmp(f->type, "session.ended") == 0)
		add_type(list, "end");
	else if (begins(f->type, "admin.user.") || begins(f->type, "account."))
		add_type(list, "user");
	if (strcmp(f->verdict, "deny") == 0)
		add_type(list, "denied");
	else if (strcmp(f->verdict, "allow") == 0)
		add_type(list, "allowed");
	if (change != NULL)
		add_type(list, change);
	if (json_array_size(list) == 0)
		add_type(list, "info");
	return list;
}

static json_t *
event_of(const struct export_facts *f)
{
	json_t *e = json_object(), *category = json_array();
	const json_t *seq = json_object_get(f->entry, "seq");

	add_type(category, category_of(f));
	(void)json_object_set_new(e, "kind",
	    json_string(f->is_alarm ? "alert" : "event"));
	(void)json_object_set_new(e, "category", category);
	(void)json_object_set_new(e, "type", types_of(f));
	export_put(e, "action", f->type);
	(void)json_object_set_new(e, "outcome",
	    json_string(f->failed                   ? "failure" :
		    strcmp(f->verdict, "hold") == 0 ? "unknown" :
						      "success"));
	(void)json_object_set_new(e, "module", json_string("gitgate"));
	(void)json_object_set_new(e, "dataset", json_string("gitgate.audit"));
	(void)json_object_set_new(e, "sequence",
	    json_integer(json_integer_value(seq)));
	(void)json_object_set_new(e, "id",
	    json_sprintf("%lld", (long long)json_integer_value(seq)));
	export_put(e, "reason", f->reason);
	return e;
}

static void
put_vcs(const struct export_facts *f, json_t *o)
{
	const char *slash = strrchr(f->repository, '/');
	json_t *repository, *ref, *head = json_object(), *base = json_object();

	if (f->repository[0] == '\0') {
		json_decref(head);
		json_decref(base);
		return;
	}
	repository = json_pack("{s:s}", "name",
	    slash != NULL ? slash + 1 : f->repository);
	export_put(head, "name", f->ref);
	export_put(head, "revision", f->new);
	if (f->ref[0] != '\0')
		export_put(head, "type",
		    begins(f->ref, "refs/tags/") ? "tag" : "branch");
	export_put(base, "revision", f->old);
	ref = json_pack("{s:o, s:o}", "head", head, "base", base);
	(void)json_object_set_new(o, "vcs",
	    json_pack("{s:o, s:o}", "repository", repository, "ref", ref));
	if (slash != NULL)
		(void)json_object_set_new(json_object_get(o, "vcs"), "owner",
		    json_pack("{s:s%}", "name", f->repository,
			(size_t)(slash - f->repository)));
}

static void
put_rules(const struct export_facts *f, json_t *o)
{
	const json_t *r = json_array_get(json_object_get(f->entry, "rules"), 0);

	export_put_in(o, "rule", "name", export_text(r, "rule"));
	if (r != NULL)
		export_put_in(o, "rule", "ruleset",
		    export_text(f->entry, "policy"));
}

json_t *
export_ecs(const struct export_facts *f)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "@timestamp", json_string(f->time));
	(void)json_object_set_new(o, "ecs",
	    json_pack("{s:s}", "version", ECS_VERSION));
	(void)json_object_set_new(o, "event", event_of(f));
	(void)json_object_set_new(o, "observer",
	    json_pack("{s:s, s:s, s:s}", "vendor", "gitgate", "product",
		"gitgate", "type", "gateway"));
	export_put_in(o, "user", "name", f->actor);
	export_put_in(o, "user", "id", f->subject);
	export_put_in(o, "user", "domain", f->issuer);
	export_put_in(o, "source", "ip", f->ip);
	export_put_in(o, "user_agent", "original", f->agent);
	put_vcs(f, o);
	put_rules(f, o);
	(void)json_object_set(o, "gitgate", (json_t *)(uintptr_t)f->entry);
	return o;
}
