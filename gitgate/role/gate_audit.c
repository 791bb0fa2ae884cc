#include "role/gate_push.h"

#include "base/log.h"
#include "base/text.h"

#include <string.h>

/* An entry has at most 64 KiB, and a byte may take six in it: so many rules,
 * so long a name, a comment (with the reviewer's name before it), and so much
 * of what the pusher claims. All of it is in the store. */
#define AUDIT_RULES_MAX    50
#define AUDIT_TEXT_MAX     1000
#define AUDIT_WORDS_MAX    4200
#define AUDIT_CLAIMED_MAX  3000
#define AUDIT_VERIFIED_MAX 1500

json_t *
audit_text_view(struct view v, size_t max)
{
	GG_AUTO_RELEASE(buf) clean = BUF_INIT(max + 1);

	utf8_replace(&clean, v, max);
	if (buf_check(&clean, NULL) != 0)
		gg_die("no memory for a log entry");
	return json_stringn(buf_str(&clean), clean.n);
}

json_t *
audit_text_cut(const char *s, size_t max)
{
	return audit_text_view(view_str(s), max);
}

json_t *
audit_text(const char *s)
{
	return audit_text_cut(s, AUDIT_TEXT_MAX);
}

json_t *
audit_words(const char *s)
{
	return audit_text_cut(s, AUDIT_WORDS_MAX);
}

json_t *
strv_to_json(const struct strv *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n; i++)
		(void)json_array_append_new(a, audit_text(s->v[i]));
	return a;
}

/* Claims have no bound but the request's, or the token's: as many as fit into
 * `left` bytes, shortened. */
static json_t *
some_of(json_t *claimed, size_t left)
{
	json_t *some = json_object(), *v;
	const char *key;

	json_object_foreach(claimed, key, v)
	{
		size_t n = strlen(key), most;

		if (n >= left)
			continue;
		left -= n;
		most = left < AUDIT_TEXT_MAX ? left : AUDIT_TEXT_MAX;
		(void)json_object_set_new(some, key,
		    audit_text_cut(json_string_value(v), most));
		n = json_string_length(json_object_get(some, key));
		left -= n < left ? n : left;
	}
	return some;
}

/* How the pusher's identity was proven. */
static json_t *
auth_of(const struct stored_push *p)
{
	static const char *const words[] = { "issuer", "subject", NULL };
	json_t *auth = json_object(), *v;

	(void)json_object_set_new(auth, "method", audit_text(p->auth_method));
	(void)json_object_set_new(auth, "credential",
	    audit_text(p->credential_id));
	for (size_t i = 0; words[i] != NULL; i++)
		if ((v = json_object_get(p->identity, words[i])) != NULL)
			(void)json_object_set_new(auth, words[i],
			    audit_text(json_string_value(v)));
	if ((v = json_object_get(p->identity, "verified")) != NULL)
		(void)json_object_set_new(auth, "verified",
		    some_of(v, AUDIT_VERIFIED_MAX));
	return auth;
}

json_t *
audit_of_push(const char *type, const struct stored_push *p)
{
	json_t *e = json_object(), *client = json_object();
	const char *owner = json_string_value(json_object_get(p->identity,
	    "owner"));

	(void)json_object_set_new(client, "addr", audit_text(p->client_addr));
	(void)json_object_set_new(client, "agent", audit_text(p->client_agent));
	(void)json_object_set_new(e, "type", json_string(type));
	(void)json_object_set_new(e, "push", audit_text(p->id));
	(void)json_object_set_new(e, "repository", audit_text(p->repository));
	(void)json_object_set_new(e, "principal", audit_text(p->principal));
	if (owner != NULL)
		(void)json_object_set_new(e, "owner", audit_text(owner));
	(void)json_object_set_new(e, "auth", auth_of(p));
	(void)json_object_set_new(e, "client", client);
	return e;
}

static json_t *
rule_of(const char *name, const char *verdict, json_int_t matches)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "rule", audit_text(name));
	(void)json_object_set_new(o, "verdict", audit_text(verdict));
	(void)json_object_set_new(o, "matches", json_integer(matches));
	return o;
}

static json_t *
rules_of(const struct ref_decision *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->n_reasons && i < AUDIT_RULES_MAX; i++)
		(void)json_array_append_new(a,
		    rule_of(r->reasons[i].rule, reason_word(&r->reasons[i]),
			(json_int_t)r->reasons[i].n_matches_all));
	return a;
}

/* The push's options, and what its commits for this ref claim (bounded by
 * gate_provenance.c). Everything personal about it is in here. */
static json_t *
claimed_of(const struct stored_push *p, const char *refname)
{
	json_t *commits = json_object_get(json_object_get(p->request,
					      "commit_claims"),
	    refname);
	json_t *all = some_of(json_object_get(p->request, "claimed"),
	    AUDIT_CLAIMED_MAX);

	if (commits != NULL)
		(void)json_object_set(all, "commits", commits);
	return all;
}

/* By what it was judged, and what is claimed of it. */
static void
add_record(json_t *e, const struct stored_push *p, const char *refname)
{
	json_t *claimed = claimed_of(p, refname);

	(void)json_object_set_new(e, "policy", audit_text(p->policy_digest));
	(void)json_object_set_new(e, "report", audit_text(p->report_digest));
	(void)json_object_set(e, "pack_sha256",
	    json_object_get(p->request, "pack_sha256"));
	if (json_object_size(claimed) > 0)
		(void)json_object_set(e, "claimed", claimed);
	json_decref(claimed);
}

json_t *
audit_of_ref(const char *type, const struct stored_push *p,
    const struct ref_decision *r)
{
	json_t *e = audit_of_push(type, p);
	char a[OID_HEX + 1], b[OID_HEX + 1];

	oid_format(&r->old_oid, a);
	oid_format(&r->new_oid, b);
	(void)json_object_set_new(e, "ref", audit_text(r->refname));
	(void)json_object_set_new(e, "old", json_string(a));
	(void)json_object_set_new(e, "new", json_string(b));
	(void)json_object_set_new(e, "kind",
	    json_string(update_kind_name(r->kind)));
	(void)json_object_set_new(e, "verdict",
	    json_string(verdict_name(r->verdict)));
	if (r->keep)
		(void)json_object_set_new(e, "keep", json_true());
	(void)json_object_set_new(e, "rules", rules_of(r));
	if (r->grants.n > 0)
		(void)json_object_set_new(e, "grants",
		    strv_to_json(&r->grants));
	add_record(e, p, r->refname);
	return e;
}

json_t *
audit_of_update(const char *type, const struct stored_push *p,
    const json_t *update)
{
	static const char *const same[] = { "ref", "old", "new", "kind",
		"verdict" };
	json_t *e = audit_of_push(type, p), *rules = json_array();
	const json_t *reason;
	size_t i;

	for (i = 0; i < GG_COUNT(same); i++)
		(void)json_object_set_new(e, same[i],
		    audit_text(json_string_value(json_object_get(update,
			same[i]))));
	json_array_foreach(json_object_get(update, "reasons"), i, reason)
	{
		if (i == AUDIT_RULES_MAX)
			break;
		(void)json_array_append_new(rules,
		    rule_of(json_string_value(json_object_get(reason, "rule")),
			json_string_value(json_object_get(reason, "verdict")),
			json_integer_value(json_object_get(reason,
			    "paths_total"))));
	}
	(void)json_object_set_new(e, "rules", rules);
	add_record(e, p, json_string_value(json_object_get(update, "ref")));
	return e;
}

int
audit_write(struct gate *g, json_t **entries, size_t n, struct gg_error *err)
{
	uint64_t first;
	int rc = auditlog_append(g->log, entries, n, &first, err);

	if (rc != 0)
		log_event(EV_audit_failed, kv_err(err));
	for (size_t i = 0; i < n; i++)
		json_decref(entries[i]);
	return rc;
}

void
audit_note(struct gate *g, json_t *entry)
{
	struct gg_error err = { 0 };

	/* Logged by audit_write; the act itself has happened already. */
	(void)!audit_write(g, &entry, 1, &err);
}

static int
take_act(void *ctx, json_t *act)
{
	struct gg_error err = { 0 };
	json_t *entry = json_incref(act);

	return audit_write(ctx, &entry, 1, &err);
}

void
audit_drain(struct gate *g)
{
	struct gg_error err = { 0 };

	if (store_admin_act_take(g->store, take_act, g, &err) != 0)
		log_event(EV_store_failed, kv_err(&err));
}
