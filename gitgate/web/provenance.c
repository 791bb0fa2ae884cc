#include "web/provenance.h"

#include "base/fd.h"
#include "model/provenance.h"
#include "policy/provenance.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

/* Of one key, at most. */
#define OF_KEY       5
#define KEYS_AT_ONCE 200

/* From the strongest down; none is what has nothing. */
static const char *const levels[] = { "verified-session", "prompt", "link",
	"claim", "none" };
enum { VERIFIED, PROMPT, LINK, CLAIM, NONE };

const char *
provenance_level_words(const char *level)
{
	static const char *const words[] = { "session verified",
		"prompt text given", "link given", "only said",
		"nothing said" };

	for (size_t i = 0; i < GG_COUNT(levels); i++)
		if (strcmp(levels[i], level) == 0)
			return words[i];
	return level;
}

static int
level_of(const json_t *o)
{
	for (int i = 0; i < NONE; i++)
		if (strcmp(levels[i], json_get(o, "level")) == 0)
			return i;
	return NONE;
}

bool
identity_proves(const json_t *identity, const char *session)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	const json_t *x;
	size_t i;

	json_array_foreach(json_object_get(identity, "session_claims"), i, x)
	{
		if (json_is_string(x))
			strv_add(&names, json_string_value(x));
	}
	return strv_check(&names, NULL) == 0 &&
	    session_is_proven(json_object_get(identity, "verified"), &names,
		session);
}

struct joining {
	const struct web_call *c;
	const struct stored_push *p;
	json_t *records;
	json_t *by_key;   /* key: [index] */
	json_t *of_key;   /* key: how many there are */
	json_t *by_place; /* "push number": index */
	bool failed;
};

/* -- records -- */

static bool
is_the_pushers(const struct joining *j, const char *principal)
{
	return strcmp(principal, j->p->principal) == 0;
}

/* Sessions that the record names and a credential of who brought it proves: in
 * the push with the record, or in the one that is looked at. Who knows the name
 * of another's session proves nothing by it. */
static void
prove(const struct joining *j, const struct stored_record *r,
    const char *session, json_t *proven)
{
	const json_t *x;
	size_t i;

	if (session[0] == '\0' ||
	    (!identity_proves(r->identity, session) &&
		!(is_the_pushers(j, r->principal) &&
		    identity_proves(j->p->identity, session))))
		return;
	json_array_foreach(proven, i, x)
	{
		if (strcmp(json_string_value(x), session) == 0)
			return;
	}
	(void)json_array_append_new(proven, json_text(session));
}

static bool
has_prompt(const json_t *o)
{
	const json_t *x;
	size_t i;

	if (json_get(o, "prompt")[0] != '\0')
		return true;
	json_array_foreach(json_object_get(o, "sessions"), i, x)
	{
		if (json_get(x, "prompt")[0] != '\0')
			return true;
	}
	return false;
}

static bool
has_link(const json_t *o)
{
	const json_t *x;
	size_t i;

	if (json_get(o, "link")[0] != '\0')
		return true;
	json_array_foreach(json_object_get(o, "files"), i, x)
	{
		if (json_get(x, "link")[0] != '\0')
			return true;
	}
	return false;
}

/* By its words alone, whoever says them. */
static int
level_of_words(const json_t *o)
{
	if (json_get(o, "unreadable")[0] != '\0')
		return NONE;
	return has_prompt(o) ? PROMPT : has_link(o) ? LINK : CLAIM;
}

static void
judge_record(const struct joining *j, const struct stored_record *r, json_t *o)
{
	static const char *const lists[] = { "sessions", "files" };
	json_t *proven = json_array(), *x;
	size_t i;
	int level;

	prove(j, r, json_get(o, "session"), proven);
	for (size_t k = 0; k < GG_COUNT(lists); k++)
		json_array_foreach(json_object_get(o, lists[k]), i, x)
		    prove(j, r, json_get(x, "session"), proven);
	level = json_array_size(proven) > 0 ? VERIFIED : level_of_words(o);
	(void)json_object_set_new(o, "verified_sessions", proven);
	(void)json_object_set_new(o, "level", json_string(levels[level]));
}

static json_t *
claimed_by(const struct stored_record *r)
{
	return json_pack("{s:o, s:o, s:o, s:s}", "push", json_text(r->push),
	    "principal", json_text(r->principal), "time",
	    json_time(r->created_ms), "state", push_state_name(r->state));
}

static void
append_index(json_t *by_key, const char *key, json_int_t index)
{
	json_t *list = json_object_get(by_key, key);

	if (list == NULL) {
		list = json_array();
		(void)json_object_set_new(by_key, key, list);
	}
	(void)json_array_append_new(list, json_integer(index));
}

/* Its index among the records, whether it is new there or not; -1: no room. */
static json_int_t
place_record(struct joining *j, const struct stored_record *r)
{
	GG_AUTO_MEM char *place = path_f("%s %llu", r->push,
	    (unsigned long long)r->number);
	const json_t *known = json_object_get(j->by_place, place);
	json_int_t index = (json_int_t)json_array_size(j->records);
	json_t *o;

	if (known != NULL)
		return json_integer_value(known);
	if (index >= PROVENANCE_RECORDS)
		return -1;
	o = json_deep_copy(r->record);
	judge_record(j, r, o);
	(void)json_object_set_new(o, "claimed_by", claimed_by(r));
	(void)json_array_append_new(j->records, o);
	(void)json_object_set_new(j->by_place, place, json_integer(index));
	return index;
}

static int
found_record(void *ctx, const struct stored_record *r)
{
	struct joining *j = ctx;
	json_int_t index;

	(void)json_object_set_new(j->of_key, r->key,
	    json_integer((json_int_t)r->of_key));
	if ((index = place_record(j, r)) >= 0)
		append_index(j->by_key, r->key, index);
	return 0;
}

static void
find_records(struct joining *j, const struct strv *keys, bool trailers,
    store_record_cb cb, void *ctx)
{
	for (size_t at = 0; at < keys->n; at += KEYS_AT_ONCE) {
		const struct strv some = { .v = keys->v + at,
			.n = keys->n - at < KEYS_AT_ONCE ? keys->n - at :
							   KEYS_AT_ONCE };
		struct provenance_query q = { .repository = j->p->repository,
			.keys = &some,
			.push = j->p->id,
			.principal = j->p->principal,
			.trailers = trailers,
			.each = OF_KEY,
			.most = PROVENANCE_RECORDS };

		if (store_provenance_find(j->c->ops->store, &q, cb, ctx,
			NULL) != 0)
			j->failed = true;
	}
}

/* -- commits -- */

static json_t *
claim_json(const struct joining *j, const struct claim *k)
{
	return json_pack("{s:s, s:o, s:s, s:b}", "kind",
	    claim_kind_name(k->kind), "value", json_text(k->value), "from",
	    k->from, "verified",
	    k->kind == CLAIM_SESSION &&
		identity_proves(j->p->identity, k->value));
}

static int
level_of_claims(const json_t *claims)
{
	const json_t *x;
	int level = NONE;
	size_t i;

	json_array_foreach(claims, i, x)
	{
		int one = json_is_true(json_object_get(x, "verified")) ?
		    VERIFIED :
		    strcmp(json_get(x, "kind"), "link") == 0 ? LINK :
							       CLAIM;

		if (one < level)
			level = one;
	}
	return level;
}

static json_t *
commit_json(const struct joining *j, const struct oid *oid, const char *message,
    struct strv *keys)
{
	GG_AUTO_RELEASE(claims) c = { .n = 0 };
	json_t *claims = json_array(), *of = json_array();
	GG_AUTO_MEM char *own = NULL;
	char hex[OID_HEX + 1];

	claims_of_message(&c, view_str(message));
	oid_format(oid, hex);
	own = path_f("commit:%s", hex);
	strv_add(keys, own);
	(void)json_array_append_new(of, json_string(own));
	for (size_t i = 0; i < c.n; i++) {
		GG_AUTO_MEM char *key = NULL;

		(void)json_array_append_new(claims, claim_json(j, &c.v[i]));
		if (c.v[i].kind != CLAIM_CHECKPOINT)
			continue;
		key = path_f("checkpoint:%.100s", c.v[i].value);
		strv_add(keys, key);
		(void)json_array_append_new(of, json_text(key));
	}
	return json_pack("{s:s, s:o, s:b, s:o}", "commit", hex, "claims",
	    claims, "more", c.cut, "keys", of);
}

static bool
report_has(const struct change_report *r, const struct oid *oid)
{
	for (size_t i = 0; r != NULL && i < r->n_commits; i++)
		if (oid_eq(&r->commits[i].oid, oid))
			return true;
	return false;
}

/* Rules did not need the commits of every push: its tips are known anyway. */
static void
add_tips(const struct joining *j, const struct change_report *r,
    json_t *commits, struct strv *keys)
{
	const json_t *u;
	struct oid oid;
	size_t i;

	json_array_foreach(j->p->updates, i, u)
	{
		if (json_array_size(commits) >= PROVENANCE_COMMITS)
			break;
		if (oid_parse(view_str(json_get(u, "new")), &oid) &&
		    !oid_is_zero(&oid) && !report_has(r, &oid))
			(void)json_array_append_new(commits,
			    commit_json(j, &oid, "", keys));
	}
}

/* What the record makes of a commit that the push brings. A session of another
 * principal is that one's: the commit is none of its making by that. */
static int
level_for_commit(const struct joining *j, const json_t *record)
{
	int level = level_of(record);

	if (level != VERIFIED ||
	    is_the_pushers(j,
		json_get(json_object_get(record, "claimed_by"), "principal")))
		return level;
	return level_of_words(record);
}

static void
take_records(const struct joining *j, json_t *commit)
{
	const json_t *keys = json_object_get(commit, "keys"), *k, *index;
	json_t *mine = json_array();
	json_int_t all = 0;
	size_t i, n;
	int level = level_of_claims(json_object_get(commit, "claims"));

	json_array_foreach(keys, i, k)
	{
		const char *key = json_string_value(k);

		all += json_integer_value(json_object_get(j->of_key, key));
		json_array_foreach(json_object_get(j->by_key, key), n, index)
		{
			int one = level_for_commit(j,
			    json_array_get(j->records,
				(size_t)json_integer_value(index)));

			level = one < level ? one : level;
			(void)json_array_append_new(mine,
			    json_integer(json_integer_value(index)));
		}
	}
	if (all > (json_int_t)json_array_size(mine))
		(void)json_object_set_new(commit, "more", json_true());
	(void)json_object_set_new(commit, "records", mine);
	(void)json_object_set_new(commit, "level", json_string(levels[level]));
	(void)json_object_del(commit, "keys");
}

/* Only those of which anything is said. */
static json_t *
join_commits(struct joining *j, const struct change_report *r)
{
	GG_AUTO_RELEASE(strv) keys = STRV_INIT;
	json_t *all = json_array(), *told = json_array(), *x;
	size_t i;

	for (i = 0; r != NULL && i < r->n_commits && i < PROVENANCE_COMMITS;
	     i++)
		(void)json_array_append_new(all,
		    commit_json(j, &r->commits[i].oid, r->commits[i].message,
			&keys));
	add_tips(j, r, all, &keys);
	if (strv_check(&keys, NULL) == 0)
		find_records(j, &keys, false, found_record, j);
	json_array_foreach(all, i, x)
	{
		take_records(j, x);
		if (json_array_size(json_object_get(x, "claims")) > 0 ||
		    json_array_size(json_object_get(x, "records")) > 0)
			(void)json_array_append(told, x);
	}
	json_decref(all);
	return told;
}

/* -- what the push itself brought -- */

struct bringing {
	struct joining *j;
	json_t *list;
	struct strv keys; /* checkpoints */
};

static int
brought_record(void *ctx, const struct stored_record *r)
{
	struct bringing *w = ctx;
	json_int_t index;

	if ((index = place_record(w->j, r)) < 0)
		return 0;
	(void)json_array_append_new(w->list, json_integer(index));
	if (strncmp(r->key, "checkpoint:", 11) == 0)
		strv_add(&w->keys, r->key);
	return 0;
}

/* A commit that names a checkpoint of this push. */
static int
named_by(void *ctx, const struct stored_record *r)
{
	struct bringing *w = ctx;
	const json_t *index;
	size_t i;

	json_array_foreach(w->list, i, index)
	{
		json_t *o = json_array_get(w->j->records,
		    (size_t)json_integer_value(index));
		json_t *commits = json_object_get(o, "named_by");

		if (strcmp(json_get(o, "key"), r->key) != 0)
			continue;
		if (commits == NULL) {
			commits = json_array();
			(void)json_object_set_new(o, "named_by", commits);
		}
		(void)json_array_append_new(commits,
		    json_pack("{s:O*, s:O*, s:o}", "commit",
			json_object_get(r->record, "commit"), "subject",
			json_object_get(r->record, "subject"), "claimed_by",
			claimed_by(r)));
	}
	return 0;
}

static void
join_brought(struct joining *j, json_t *out)
{
	struct bringing w = { .j = j, .list = json_array(), .keys = STRV_INIT };
	uint64_t n = 0;

	if (store_provenance_of_push(j->c->ops->store, j->p->id,
		PROVENANCE_RECORDS, brought_record, &w, &n, NULL) != 0)
		j->failed = true;
	if (strv_check(&w.keys, NULL) == 0)
		find_records(j, &w.keys, true, named_by, &w);
	strv_release(&w.keys);
	(void)json_object_set_new(out, "brought", w.list);
	(void)json_object_set_new(out, "brought_all",
	    json_integer((json_int_t)n));
}

/* A limit's key where not all was read or kept, or NULL. */
static const char *
what_cut_it(const struct stored_push *p, const struct change_report *r)
{
	const json_t *n = json_object_get(p->request, "provenance");

	if (r != NULL && r->documents_incomplete != NULL &&
	    r->documents_incomplete[0] != '\0')
		return r->documents_incomplete;
	if (json_integer_value(json_object_get(n, "kept")) <
	    json_integer_value(json_object_get(n, "records")))
		return "provenance-kept";
	return NULL;
}

json_t *
json_of_provenance(const struct web_call *c, const struct stored_push *p,
    const struct change_report *r)
{
	struct joining j = { .c = c,
		.p = p,
		.records = json_array(),
		.by_key = json_object(),
		.of_key = json_object(),
		.by_place = json_object() };
	json_t *out = json_object();

	(void)json_object_set_new(out, "commits", join_commits(&j, r));
	join_brought(&j, out);
	(void)json_object_set_new(out, "records", j.records);
	(void)json_object_set_new(out, "complete", json_boolean(!j.failed));
	if (what_cut_it(p, r) != NULL)
		(void)json_object_set_new(out, "limit",
		    json_text(what_cut_it(p, r)));
	json_decref(j.by_key);
	json_decref(j.of_key);
	json_decref(j.by_place);
	return out;
}

const json_t *
provenance_of_commit(const json_t *provenance, const struct oid *commit)
{
	char hex[OID_HEX + 1];
	const json_t *x;
	size_t i;

	oid_format(commit, hex);
	json_array_foreach(json_object_get(provenance, "commits"), i, x)
	{
		if (strcmp(json_get(x, "commit"), hex) == 0)
			return x;
	}
	return NULL;
}
