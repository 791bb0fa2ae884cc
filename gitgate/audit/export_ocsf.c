/*
 * OCSF 1.3 (https://schema.ocsf.io): API Activity [6003], with the profile
 * security_control where there is a verdict, and Authentication [3002] for sign-ins. It has no class
 * for version control; the entry itself is in unmapped.gitgate.
 */
#include "audit/export_priv.h"

#include <string.h>

#define OCSF_VERSION "1.3.0"

enum { CLASS_AUTHENTICATION = 3002, CLASS_API = 6003 };
enum {
	SEVERITY_INFORMATIONAL = 1,
	SEVERITY_LOW,
	SEVERITY_MEDIUM,
	SEVERITY_HIGH
};

struct code {
	int id;
	const char *name;
};

static struct code
activity_of(const struct export_facts *f)
{
	if (f->is_sign_in &&
	    (strcmp(f->type, "session.logout") == 0 ||
		strcmp(f->type, "session.ended") == 0))
		return (struct code){ 2, "Logoff" };
	if (f->is_sign_in)
		return (struct code){ 1, "Logon" };
	if (f->ref[0] == '\0')
		return (struct code){ 99, f->type };
	if (strcmp(f->kind, "create") == 0)
		return (struct code){ 1, "Create" };
	if (strcmp(f->kind, "delete") == 0)
		return (struct code){ 4, "Delete" };
	return (struct code){ 3, "Update" };
}

/* Of the profile security_control: what was done, and what became of it. */
static void
put_verdict(const struct export_facts *f, json_t *o)
{
	static const struct {
		const char *verdict;
		int action, disposition;
		const char *action_name, *disposition_name;
	} known[] = { { "allow", 1, 1, "Allowed", "Allowed" },
		{ "deny", 2, 2, "Denied", "Blocked" },
		{ "hold", 2, 3, "Denied", "Quarantined" },
		{ "approve", 1, 8, "Allowed", "Approved" },
		{ "reject", 2, 25, "Denied", "Rejected" } };

	for (size_t i = 0; i < GG_COUNT(known); i++) {
		if (strcmp(known[i].verdict, f->verdict) != 0)
			continue;
		(void)json_object_set_new(o, "action_id",
		    json_integer(known[i].action));
		(void)json_object_set_new(o, "action",
		    json_string(known[i].action_name));
		(void)json_object_set_new(o, "disposition_id",
		    json_integer(known[i].disposition));
		(void)json_object_set_new(o, "disposition",
		    json_string(known[i].disposition_name));
		/* it asks for an action: only where there is one */
		(void)json_object_set_new(json_object_get(o, "metadata"),
		    "profiles", json_pack("[s]", "security_control"));
	}
}

static struct code
severity_of(const struct export_facts *f)
{
	if (f->is_alarm)
		return (struct code){ SEVERITY_HIGH, "High" };
	if (strcmp(f->verdict, "deny") == 0)
		return (struct code){ SEVERITY_MEDIUM, "Medium" };
	if (f->failed)
		return (struct code){ SEVERITY_LOW, "Low" };
	return (struct code){ SEVERITY_INFORMATIONAL, "Informational" };
}

static struct code
status_of(const struct export_facts *f)
{
	if (f->failed)
		return (struct code){ 2, "Failure" };
	if (strcmp(f->verdict, "hold") == 0)
		return (struct code){ 0, "Unknown" };
	return (struct code){ 1, "Success" };
}

static void
put_code(json_t *o, const char *id_key, const char *name_key, struct code c)
{
	(void)json_object_set_new(o, id_key, json_integer(c.id));
	(void)json_object_set_new(o, name_key, json_string(c.name));
}

/* One of name, uid must be there. */
static json_t *
user_of(const struct export_facts *f)
{
	json_t *user = json_object();

	export_put(user, "name", f->actor[0] != '\0' ? f->actor : "unknown");
	export_put(user, "uid", f->subject);
	export_put(user, "domain", f->issuer);
	return user;
}

static json_t *
metadata_of(const struct export_facts *f)
{
	json_int_t seq = json_integer_value(json_object_get(f->entry, "seq"));
	json_t *m = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s, s:o, s:I, s:I}",
	    "version", OCSF_VERSION, "product", "name", "gitgate",
	    "vendor_name", "gitgate", "version", GG_VERSION, "event_code",
	    f->type, "uid", json_sprintf("%lld", (long long)seq), "sequence",
	    seq, "logged_time", (json_int_t)f->time_ms);

	export_put(m, "correlation_uid", f->push);
	return m;
}

/* Required, with at least one of its members. */
static json_t *
endpoint_of(const struct export_facts *f)
{
	json_t *e = json_object();

	export_put(e, "ip", f->ip);
	if (json_object_size(e) == 0)
		export_put(e, "name",
		    strcmp(f->type, "ref.out-of-band") == 0 ? "upstream" :
							      "gitgate");
	return e;
}

static void
put_resource(const struct export_facts *f, json_t *o)
{
	json_t *data = json_object();

	if (f->repository[0] == '\0') {
		json_decref(data);
		return;
	}
	export_put(data, "ref", f->ref);
	export_put(data, "old", f->old);
	export_put(data, "new", f->new);
	(void)json_object_set_new(o, "resources",
	    json_pack("[{s:s, s:s, s:o}]", "name", f->repository, "type",
		"git repository", "data", data));
}

static void
put_api(const struct export_facts *f, json_t *o)
{
	json_t *api = json_pack("{s:s, s:{s:s}}", "operation", f->type,
	    "service", "name", "gitgate");

	if (f->push[0] != '\0')
		(void)json_object_set_new(api, "request",
		    json_pack("{s:s}", "uid", f->push));
	(void)json_object_set_new(o, "api", api);
	(void)json_object_set_new(o, "actor",
	    json_pack("{s:o}", "user", user_of(f)));
	if (f->agent[0] != '\0')
		(void)json_object_set_new(o, "http_request",
		    json_pack("{s:s}", "user_agent", f->agent));
	put_verdict(f, o);
	put_resource(f, o);
}

json_t *
export_ocsf(const struct export_facts *f)
{
	int class = f->is_sign_in ? CLASS_AUTHENTICATION : CLASS_API;
	struct code activity = activity_of(f);
	json_t *o = json_object();

	(void)json_object_set_new(o, "class_uid", json_integer(class));
	(void)json_object_set_new(o, "class_name",
	    json_string(f->is_sign_in ? "Authentication" : "API Activity"));
	(void)json_object_set_new(o, "category_uid",
	    json_integer(class / 1000));
	(void)json_object_set_new(o, "category_name",
	    json_string(f->is_sign_in ? "Identity & Access Management" :
					"Application Activity"));
	put_code(o, "activity_id", "activity_name", activity);
	(void)json_object_set_new(o, "type_uid",
	    json_integer((json_int_t) class * 100 + activity.id));
	put_code(o, "severity_id", "severity", severity_of(f));
	put_code(o, "status_id", "status", status_of(f));
	export_put(o, "status_detail", f->reason);
	(void)json_object_set_new(o, "time",
	    json_integer((json_int_t)f->time_ms));
	(void)json_object_set_new(o, "metadata", metadata_of(f));
	(void)json_object_set_new(o, "src_endpoint", endpoint_of(f));
	if (f->is_sign_in) {
		(void)json_object_set_new(o, "user", user_of(f));
		(void)json_object_set_new(o, "service",
		    json_pack("{s:s}", "name", "gitgate"));
	} else {
		put_api(f, o);
	}
	(void)json_object_set_new(o, "unmapped",
	    json_pack("{s:O}", "gitgate", (json_t *)(uintptr_t)f->entry));
	return o;
}
