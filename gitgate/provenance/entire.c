/* Entire's checkpoints: what was asked for, session by session. */
#include "provenance/read_priv.h"

#include "base/text.h"
#include "crypto/digest.h"
#include "model/provenance.h"

#include <string.h>

enum { FILES_TOUCHED_MAX = 1000 };

static struct view
text_of(const struct document *d)
{
	return view_of(d->text, d->n);
}

/* The entry of the session that stands in this directory. */
static json_t *
session_of(json_t *record, const char *part)
{
	json_t *list = json_object_get(record, "sessions"), *one;
	size_t i;

	json_array_foreach(list, i,
	    one) if (strcmp(member_text(one, "part"), part) == 0) return one;
	if (list == NULL) {
		list = json_or_die(json_array());
		json_put(record, "sessions", list);
	}
	one = json_or_die(json_object());
	json_push(list, one);
	json_put(one, "part", json_string(part));
	return one;
}

static void
take_prompt(json_t *session, const struct document *d)
{
	GG_AUTO_RELEASE(buf) safe = BUF_INIT(PROVENANCE_PROMPT_MAX);
	char hex[DIGEST_SHA256_HEX_SIZE];
	bool whole = text_safe_lines_add(&safe, text_of(d),
	    PROVENANCE_PROMPT_MAX);

	if (safe.n > 0)
		json_put(session, "prompt", json_string(buf_str(&safe)));
	if (!whole || d->cut)
		json_put(session, "prompt_cut", json_true());
	/* with a secret in it the digest could be used to try that out */
	if (d->cut || d->masked || d->n == 0)
		return;
	digest_sha256_hex(text_of(d), hex);
	json_put(session, "prompt_sha256", json_string(hex));
}

static void
take_transcript(json_t *session, const struct document *d)
{
	unsigned char digest[DIGEST_SHA256_BYTES];
	struct view v = text_of(d);

	json_put(session, "transcript_bytes",
	    json_integer((json_int_t)d->bytes));
	while (v.n > 0 && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r'))
		v.n--;
	if (view_has_prefix(v, "sha256:"))
		view_skip(&v, strlen("sha256:"));
	if (!d->masked && hex_decode(v, digest, sizeof(digest)))
		json_put(session, "transcript_sha256", json_stringn(v.p, v.n));
}

static json_t *
read_metadata(json_t *record, const struct document *d)
{
	struct gg_error why = { 0 };
	json_t *j;

	if (d->cut) {
		record_unreadable(record, "metadata.json is too large");
		return NULL;
	}
	if ((j = json_read(text_of(d), &why)) == NULL)
		record_unreadable(record, "metadata.json: %s", why.msg);
	else if (!json_is_object(j))
		record_unreadable(record, "metadata.json is no object");
	return j;
}

static void
take_agent(json_t *record, json_t *session, const json_t *j)
{
	if (!put_text(session, "tool", json_object_get(j, "agent")) ||
	    !put_text(session, "model", json_object_get(j, "model")) ||
	    !put_text(session, "session", json_object_get(j, "session_id")))
		record_cut(record);
}

static void
take_session(json_t *record, json_t *session, const struct document *d)
{
	json_t *j = read_metadata(record, d);

	take_agent(record, session, j);
	json_decref(j);
}

static void
put_files(json_t *record, const json_t *touched)
{
	json_t *list = json_or_die(json_array());
	const json_t *one;
	size_t i;

	json_put(record, "files_touched", list);
	json_array_foreach(touched, i, one)
	{
		GG_AUTO_RELEASE(buf) safe = BUF_INIT((size_t)1 << 16);
		struct view path = view_str(json_string_value(one));

		if (path_is_sane(path))
			text_safe_add(&safe, json_string_value(one));
		if (safe.n == 0 || safe.failed != 0 ||
		    json_array_size(list) == FILES_TOUCHED_MAX)
			record_cut(record);
		else
			json_push(list, json_string(buf_str(&safe)));
	}
}

static void
take_root(json_t *record, const struct document *d)
{
	json_t *j = read_metadata(record, d);
	const char *id = member_text(j, "checkpoint_id");

	if (id != NULL && strcmp(id, d->key) != 0)
		record_unreadable(record, "it says that it is checkpoint %.40s",
		    id);
	if (!put_text(record, "strategy", json_object_get(j, "strategy")) ||
	    !put_text(record, "branch", json_object_get(j, "branch")))
		record_cut(record);
	/* an older one, which is its one session too */
	if (json_is_string(json_object_get(j, "session_id")))
		take_agent(record, session_of(record, ""), j);
	if (json_is_array(json_object_get(j, "files_touched")))
		put_files(record, json_object_get(j, "files_touched"));
	json_decref(j);
}

/* Of one session, what it says is the checkpoint's. */
static void
sum_up(json_t *record)
{
	static const char *const members[] = { "tool", "model", "session",
		"prompt", "prompt_cut", "prompt_sha256" };
	const json_t *list = json_object_get(record, "sessions");
	json_t *one = json_array_get(list, 0);

	if (json_array_size(list) != 1)
		return;
	for (size_t i = 0; i < GG_COUNT(members); i++)
		if (json_object_get(one, members[i]) != NULL)
			json_put(record, members[i],
			    json_incref(json_object_get(one, members[i])));
}

static void
take_document(json_t *record, const struct document *d)
{
	if (d->kind == DOCUMENT_ENTIRE_CHECKPOINT)
		take_root(record, d);
	else if (d->kind == DOCUMENT_ENTIRE_SESSION)
		take_session(record, session_of(record, d->part), d);
	else if (d->kind == DOCUMENT_ENTIRE_PROMPT)
		take_prompt(session_of(record, d->part), d);
	else
		take_transcript(session_of(record, d->part), d);
}

void
read_entire(struct reading *r, const struct document *d, size_t n)
{
	json_t *record = reading_add(r, d, "entire");
	char key[64];

	if (record == NULL)
		return;
	(void)snprintf(key, sizeof(key), "checkpoint:%.26s", d->key);
	json_put(record, "key", json_string(key));
	if (!checkpoint_id_is_valid(view_str(d->key))) {
		record_unreadable(record, "no id of a checkpoint");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (d[i].cut || d[i].masked)
			record_cut(record);
		take_document(record, &d[i]);
	}
	sum_up(record);
}
