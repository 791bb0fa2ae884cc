/* The change report for an external decision: docs/formats.md, "A hook's
 * input"; policy.d/hook-input.schema.json. */
#include "policy/json_build.h"
#include "policy/judging.h"

#include "base/clock.h"

#define MAX_COMMITS  200
#define MAX_PATHS    1000
#define MAX_FINDINGS 100
#define MAX_UPDATES  1000
#define MESSAGE_MAX  4096

static void
set_text(json_t *o, const char *key, const char *s)
{
	json_put(o, key, policy_text_json(s));
}

static void
set_count(json_t *o, const char *key, uint64_t n)
{
	json_put(o, key,
	    json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

static void
set_oid(json_t *o, const char *key, const struct oid *oid)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	set_text(o, key, hex);
}

static json_t *
strings(const struct strv *s)
{
	json_t *list = json_or_die(json_array());

	for (size_t i = 0; i < s->n; i++)
		json_push(list, policy_text_json(s->v[i]));
	return list;
}

static json_t *
principal_json(const struct principal *p)
{
	json_t *o = json_or_die(json_object());

	set_text(o, "name", p->name != NULL ? p->name : "anonymous");
	json_put(o, "groups", strings(&p->groups));
	set_text(o, "method", auth_method_name(p->method));
	return o;
}

static json_t *
update_json(const struct judging *j, size_t u)
{
	const struct ref_update *r = &j->in->updates->v[u];
	const struct update_report *report = &j->in->report->updates[u];
	json_t *o = json_or_die(json_object());

	set_text(o, "ref", r->refname);
	if (j->in->symref_targets != NULL && j->in->symref_targets[u] != NULL)
		set_text(o, "target", j->in->symref_targets[u]);
	set_oid(o, "old", &r->old_oid);
	set_oid(o, "new", &r->new_oid);
	set_text(o, "kind", update_kind_name(report->kind));
	json_put(o, "too_large", json_boolean(report->too_large));
	return o;
}

static json_t *
person_json(const char *name, const char *email, int64_t time)
{
	json_t *o = json_or_die(json_object());

	set_text(o, "name", name);
	set_text(o, "email", email);
	json_put(o, "time", json_integer(time));
	return o;
}

static json_t *
commit_json(const struct commit_info *c)
{
	json_t *o = json_or_die(json_object());
	GG_AUTO_MEM char *message = strndup(c->message ? c->message : "",
	    MESSAGE_MAX);

	set_oid(o, "oid", &c->oid);
	set_count(o, "parents", c->n_parents);
	json_put(o, "author",
	    person_json(c->author_name, c->author_email, c->author_time));
	json_put(o, "committer",
	    person_json(c->committer_name, c->committer_email,
		c->committer_time));
	set_text(o, "message", message);
	return o;
}

static json_t *
path_json(const struct path_change *p, const struct oid *commit)
{
	static const struct {
		unsigned bit;
		const char *name;
	} kinds[] = { { CHANGE_ADD, "add" }, { CHANGE_MODIFY, "modify" },
		{ CHANGE_DELETE, "delete" }, { CHANGE_MODE, "mode" },
		{ CHANGE_SYMLINK, "symlink" },
		{ CHANGE_SUBMODULE, "submodule" } };
	json_t *o = json_or_die(json_object()),
	       *list = json_or_die(json_array());
	char mode[16];

	for (size_t i = 0; i < GG_COUNT(kinds); i++)
		if (p->kinds & kinds[i].bit)
			json_push(list, policy_text_json(kinds[i].name));
	set_text(o, "path", p->path);
	json_put(o, "changes", list);
	(void)snprintf(mode, sizeof(mode), "%06o", p->old_mode);
	set_text(o, "old_mode", mode);
	(void)snprintf(mode, sizeof(mode), "%06o", p->new_mode);
	set_text(o, "new_mode", mode);
	set_oid(o, "old_oid", &p->old_oid);
	set_oid(o, "new_oid", &p->new_oid);
	set_count(o, "bytes", p->new_bytes);
	if (commit != NULL)
		set_oid(o, "commit", commit);
	else
		set_text(o, "commit", "");
	return o;
}

static void
add_paths(json_t *list, const struct path_changes *changes,
    const struct oid *commit)
{
	for (size_t i = 0; i < changes->n; i++) {
		if (json_array_size(list) >= MAX_PATHS)
			return;
		json_push(list, path_json(&changes->v[i], commit));
	}
}

static void
set_changes(const struct judging *j, json_t *o)
{
	const struct change_report *report = j->in->report;
	const struct commit_list *commits = judged_commits(j);
	const struct path_changes *net = &judged_update(j)->net;
	json_t *list = json_or_die(json_array()),
	       *paths = json_or_die(json_array());
	uint64_t n_paths = net->n;

	for (size_t i = 0; i < commits->n; i++) {
		const struct commit_info *c = &report->commits[commits->v[i]];

		if (i < MAX_COMMITS)
			json_push(list, commit_json(c));
		add_paths(paths, &c->paths, &c->oid);
		n_paths += c->paths.n;
	}
	add_paths(paths, net, NULL);
	json_put(o, "commits", list);
	set_count(o, "commits_total", commits->n);
	json_put(o, "paths", paths);
	set_count(o, "paths_total", n_paths);
}

static json_t *
finding_json(const struct judging *j, const struct finding *f)
{
	static const char *const places[] = { "blob", "commit-message",
		"tag-message", "path" };
	json_t *o = json_or_die(json_object());
	size_t place = f->place;

	set_text(o, "rule", f->rule);
	set_text(o, "place", place < GG_COUNT(places) ? places[place] : "");
	set_text(o, "path", f->path);
	set_count(o, "line", f->line);
	set_text(o, "masked", f->masked);
	set_text(o, "fingerprint", f->fingerprint);
	json_put(o, "allowed",
	    json_boolean(j->in->allowed_findings != NULL &&
		f->fingerprint != NULL &&
		strv_has(j->in->allowed_findings, f->fingerprint)));
	return o;
}

static json_t *
findings_json(const struct judging *j)
{
	const struct change_report *report = j->in->report;
	json_t *list = json_or_die(json_array());

	for (size_t i = 0; i < report->n_findings && i < MAX_FINDINGS; i++)
		json_push(list, finding_json(j, &report->findings[i]));
	return list;
}

json_t *
hook_input_json(const struct judging *j)
{
	const struct change_report *report = j->in->report;
	json_t *o = json_or_die(json_object()),
	       *updates = json_or_die(json_array());
	char now[CLOCK_RFC3339_SIZE];

	for (size_t u = 0; u < j->in->updates->n && u < MAX_UPDATES; u++)
		json_push(updates, update_json(j, u));
	clock_format(j->in->now_wall_ms, now);
	json_put(o, "version", json_integer(1));
	set_text(o, "time", now);
	set_text(o, "policy", j->rs->digest_hex);
	set_text(o, "rule", j->r->name);
	set_text(o, "repository", j->in->repository);
	json_put(o, "principal", principal_json(j->in->principal));
	json_put(o, "update", update_json(j, j->u));
	json_put(o, "updates", updates);
	set_count(o, "updates_total", j->in->updates->n);
	set_changes(j, o);
	json_put(o, "findings", findings_json(j));
	set_count(o, "findings_total", report->findings_all);
	set_text(o, "scan_incomplete",
	    report->scan_incomplete ? report->scan_incomplete : "");
	return o;
}
