#include "role/gate_provenance.h"

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/text.h"
#include "model/provenance.h"
#include "store/provenance.h"

#include <string.h>

/* Commits of a push whose messages are looked at, refs that are summed up,
 * values of a kind that are named, and bytes of one: an entry of the log has
 * little room. */
#define COMMITS_SUMMED 20000
#define REFS_SUMMED    200
#define VALUES_NAMED   5
#define VALUE_BYTES    80
#define SUBJECT_BYTES  200
/* Commits of a push that are found by the checkpoint that they name. */
#define TRAILERS_KEPT 1000
/* Bytes of one that is kept whole. */
#define RECORD_KEPT ((size_t)256 * 1024)
/* Of a push, for one commit or checkpoint. */
#define OF_KEY_KEPT 20
/* Checkpoints that earlier pushes are asked for, records of each and of all,
 * sessions of one, and where the text of a prompt was. */
#define EARLIER_KEYS     200
#define EARLIER_EACH     3
#define EARLIER_MOST     200
#define EARLIER_SESSIONS 50
#define PROMPT_IS_THERE  "in the push that brought it"

/* -- for the log -- */

struct sum {
	size_t with, seen, all;
	json_t *values; /* {"tools": [...], ...} */
};

static const char *
plural_of(enum claim_kind k)
{
	switch (k) {
	case CLAIM_TOOL:
		return "tools";
	case CLAIM_MODEL:
		return "models";
	case CLAIM_SESSION:
		return "sessions";
	case CLAIM_CHECKPOINT:
		return "checkpoints";
	case CLAIM_LINK:
	case CLAIM_HUMAN:
	case CLAIM_FLAG:
	case CLAIM_SHARE:
		break;
	}
	return NULL;
}

static bool
has_text(const json_t *list, const char *s)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x)
	{
		if (strcmp(json_string_value(x), s) == 0)
			return true;
	}
	return false;
}

static void
sum_claim(struct sum *s, const struct claim *c)
{
	const char *name = plural_of(c->kind);
	json_t *list, *value;

	if (name == NULL)
		return;
	if ((list = json_object_get(s->values, name)) == NULL) {
		list = json_array();
		(void)json_object_set_new(s->values, name, list);
	}
	value = audit_text_cut(c->value, VALUE_BYTES);
	if (json_array_size(list) < VALUES_NAMED &&
	    !has_text(list, json_string_value(value)))
		(void)json_array_append(list, value);
	json_decref(value);
}

static void
sum_commit(struct sum *s, const struct commit_info *ci)
{
	GG_AUTO_RELEASE(claims) c = { .n = 0 };

	claims_of_message(&c, view_str(ci->message));
	s->seen++;
	s->with += c.n > 0;
	for (size_t i = 0; i < c.n; i++)
		sum_claim(s, &c.v[i]);
}

/* What is new by the scope that knows most: the others list what some refs
 * have already, too; one that no rule needed lists nothing. */
static const struct commit_list *
shortest_list(const struct change_report *r, const struct update_report *u)
{
	const struct commit_list *l = NULL;

	for (size_t i = 0; i < r->n_scopes; i++)
		if (u->scopes[i].n > 0 && (l == NULL || u->scopes[i].n < l->n))
			l = &u->scopes[i];
	return l;
}

static json_t *
sum_up(const struct change_report *r, const struct update_report *u,
    size_t *budget)
{
	const struct commit_list *l = shortest_list(r, u);
	struct sum s = { .all = l != NULL ? l->n : 0 };

	if (s.all == 0 || *budget == 0)
		return NULL;
	s.values = json_object();
	for (size_t i = 0; i<l->n && * budget> 0; i++, --*budget)
		sum_commit(&s, &r->commits[l->v[i]]);
	(void)json_object_set_new(s.values, "with",
	    json_integer((json_int_t)s.with));
	(void)json_object_set_new(s.values, "without",
	    json_integer((json_int_t)(s.seen - s.with)));
	if (s.seen < s.all)
		(void)json_object_set_new(s.values, "not_read",
		    json_integer((json_int_t)(s.all - s.seen)));
	return s.values;
}

/* {source: how many} of each update that brought records, by its number. */
static json_t *
count_records(const json_t *records)
{
	json_t *all = json_object();
	const json_t *r;
	size_t i;

	json_array_foreach(records, i, r)
	{
		const char *source = json_string_value(json_object_get(r,
		    "source"));
		char at[24];
		json_t *n;

		(void)snprintf(at, sizeof(at), "%lld",
		    (long long)json_integer_value(json_object_get(r,
			"update")));
		if ((n = json_object_get(all, at)) == NULL) {
			n = json_object();
			(void)json_object_set_new(all, at, n);
		}
		if (source != NULL)
			(void)json_object_set_new(n, source,
			    json_integer(json_integer_value(json_object_get(n,
					     source)) +
				1));
	}
	return all;
}

void
push_sum_up_claims(struct push *p)
{
	json_t *all = json_object(), *counts = count_records(p->records);
	size_t budget = COMMITS_SUMMED;

	for (size_t i = 0; i < p->updates.n; i++) {
		json_t *o = i < REFS_SUMMED ?
		    sum_up(p->report, &p->report->updates[i], &budget) :
		    NULL;
		char at[24];
		json_t *n;

		(void)snprintf(at, sizeof(at), "%zu", i);
		if ((n = json_object_get(counts, at)) != NULL) {
			o = o != NULL ? o : json_object();
			(void)json_object_set(o, "records", n);
		}
		if (o != NULL)
			(void)json_object_set_new(all, p->updates.v[i].refname,
			    o);
	}
	json_decref(counts);
	if (json_object_size(all) > 0)
		(void)json_object_set(p->rec.request, "commit_claims", all);
	json_decref(all);
}

/* -- for the pages -- */

/* A commit that names a checkpoint is found by the checkpoint, too. */
static void
add_trailer(json_t *all, const struct commit_info *ci, const char *id)
{
	struct view rest = view_str(ci->message), subject;
	char hex[OID_HEX + 1];
	char key[PROVENANCE_KEY_MAX + 1];

	(void)snprintf(key, sizeof(key), "checkpoint:%.*s", 100, id);
	oid_format(&ci->oid, hex);
	if (!view_cut(&rest, '\n', &subject))
		subject = rest;
	(void)json_array_append_new(all,
	    json_pack("{s:s, s:o, s:s, s:o}", "source", "trailer", "key",
		audit_text(key), "commit", hex, "subject",
		audit_text_view(subject, SUBJECT_BYTES)));
}

static void
add_trailers(json_t *all, const struct change_report *r)
{
	size_t most = json_array_size(all) + TRAILERS_KEPT;

	for (size_t i = 0; i < r->n_commits && i < COMMITS_SUMMED; i++) {
		GG_AUTO_RELEASE(claims) c = { .n = 0 };

		claims_of_message(&c, view_str(r->commits[i].message));
		for (size_t k = 0; k < c.n && json_array_size(all) < most; k++)
			if (c.v[k].kind == CLAIM_CHECKPOINT)
				add_trailer(all, &r->commits[i], c.v[k].value);
	}
}

/* One more of its key; false: there are enough. So no push can make a page
 * look through thousands for one commit. */
static bool
has_room(json_t *by_key, const json_t *record)
{
	const char *key = json_string_value(json_object_get(record, "key"));
	json_int_t n;

	if (key == NULL)
		return true;
	n = json_integer_value(json_object_get(by_key, key)) + 1;
	return n <= OF_KEY_KEPT &&
	    json_object_set_new(by_key, key, json_integer(n)) == 0;
}

/* Without its long lists where it is too large: a page reads hundreds. */
static json_t *
of_bounded_size(json_t *record)
{
	static const char *const lists[] = { "files", "sessions",
		"files_touched" };
	json_t *o;

	if (json_dumpb(record, NULL, 0, JSON_COMPACT) <= RECORD_KEPT)
		return json_incref(record);
	o = json_copy(record);
	for (size_t i = 0; i < GG_COUNT(lists); i++)
		(void)json_object_del(o, lists[i]);
	(void)json_object_set_new(o, "cut", json_true());
	return o;
}

static json_t *
within_limit(const json_t *all, uint64_t most)
{
	json_t *kept = json_array(), *by_key = json_object(), *whole, *r;
	uint64_t bytes = 0;
	size_t i;

	json_array_foreach(all, i, whole)
	{
		if (!has_room(by_key, whole))
			continue;
		r = of_bounded_size(whole);
		bytes += json_dumpb(r, NULL, 0, JSON_COMPACT);
		if (bytes > most) {
			json_decref(r);
			break;
		}
		(void)json_array_append_new(kept, r);
	}
	json_decref(by_key);
	return kept;
}

static void
name_refs(const struct push *p, json_t *all)
{
	json_t *r;
	size_t i;

	json_array_foreach(all, i, r)
	{
		size_t u = (size_t)json_integer_value(json_object_get(r,
		    "update"));

		if (u < p->updates.n)
			(void)json_object_set_new(r, "ref",
			    audit_text(p->updates.v[u].refname));
	}
}

int
push_keep_provenance(struct push *p, struct gg_error *err)
{
	json_t *all = json_copy(p->records), *kept;
	int rc;

	if (all == NULL)
		return gg_fail(err, GG_E_NOMEM, "provenance");
	name_refs(p, all);
	add_trailers(all, p->report);
	if (json_array_size(all) == 0) {
		json_decref(all);
		return 0;
	}
	kept = within_limit(all, p->who.snap->config->limits.provenance_kept);
	(void)json_object_set_new(p->rec.request, "provenance",
	    json_pack("{s:I, s:I}", "records", (json_int_t)json_array_size(all),
		"kept", (json_int_t)json_array_size(kept)));
	rc = store_provenance_put(p->gate->store, p->rec.repository, p->rec.id,
	    kept, err);
	FAILPOINT("gate.provenance-kept");
	json_decref(kept);
	json_decref(all);
	return rc;
}

/* -- what earlier pushes brought -- */

static void
copy_text(json_t *to, const json_t *from, const char *name)
{
	json_t *text = json_object_get(from, name);

	if (json_string_length(text) > 0)
		(void)json_object_set(to, name, text);
}

/* What a rule may ask of a record, or of one of its sessions. */
static json_t *
in_brief(const json_t *o)
{
	static const char *const names[] = { "tool", "model", "session", "link",
		"prompt_sha256" };
	json_t *brief = json_object();

	for (size_t i = 0; i < GG_COUNT(names); i++)
		copy_text(brief, o, names[i]);
	if (json_string_length(json_object_get(o, "prompt")) > 0)
		(void)json_object_set_new(brief, "prompt",
		    json_string(PROMPT_IS_THERE));
	return brief;
}

static int
note_earlier(void *ctx, const struct stored_record *r)
{
	json_t *all = ctx, *brief = in_brief(r->record), *sessions, *s;
	size_t i;

	if (json_object_get(r->record, "unreadable") != NULL) {
		json_decref(brief);
		return 0;
	}
	copy_text(brief, r->record, "source");
	(void)json_object_set_new(brief, "key", audit_text(r->key));
	(void)json_object_set_new(brief, "push", audit_text(r->push));
	sessions = json_array();
	json_array_foreach(json_object_get(r->record, "sessions"), i, s)
	{
		if (i < EARLIER_SESSIONS)
			(void)json_array_append_new(sessions, in_brief(s));
	}
	(void)json_object_set_new(brief, "sessions", sessions);
	return json_array_append_new(all, brief);
}

static void
add_key(struct strv *keys, const char *id)
{
	GG_AUTO_MEM char *key = path_f("checkpoint:%.100s", id);

	if (!strv_has(keys, key))
		strv_add(keys, key);
}

static void
named_checkpoints(const struct change_report *r, struct strv *keys)
{
	for (size_t i = 0; i < r->n_commits && i < COMMITS_SUMMED; i++) {
		GG_AUTO_RELEASE(claims) c = { .n = 0 };

		claims_of_message(&c, view_str(r->commits[i].message));
		for (size_t k = 0; k < c.n && keys->n < EARLIER_KEYS; k++)
			if (c.v[k].kind == CLAIM_CHECKPOINT)
				add_key(keys, c.v[k].value);
	}
}

int
push_find_earlier(struct push *p, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) keys = STRV_INIT;
	json_t *all;
	struct provenance_query q = { .repository = p->rec.repository,
		.keys = &keys,
		.push = p->rec.id,
		.principal = p->rec.principal,
		.own = true,
		.each = EARLIER_EACH,
		.most = EARLIER_MOST };
	int rc;

	(void)json_object_del(p->rec.request, "earlier_records");
	/* nobody is the same as another who gives no name */
	if (p->who.principal.method == AUTH_ANONYMOUS)
		return 0;
	named_checkpoints(p->report, &keys);
	if ((rc = strv_check(&keys, err)) != 0 || keys.n == 0)
		return rc;
	if ((all = json_array()) == NULL)
		return gg_fail(err, GG_E_NOMEM, "provenance");
	rc = store_provenance_find(p->gate->store, &q, note_earlier, all, err);
	if (rc == 0 && json_array_size(all) > 0)
		(void)json_object_set(p->rec.request, "earlier_records", all);
	json_decref(all);
	return rc;
}
