#include "audit/export_priv.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "jsonl", "csv", "ecs", "ocsf", "github" };

bool
export_format_parse(struct view name, enum export_format *out)
{
	for (size_t i = 0; i < GG_COUNT(names); i++)
		if (view_eq_str(name, names[i])) {
			*out = (enum export_format)i;
			return true;
		}
	return false;
}

const char *
export_content_type(enum export_format f)
{
	return f == EXPORT_CSV ? "text/csv; header=present; charset=utf-8" :
				 "application/x-ndjson";
}

const char *
export_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

void
export_put(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		(void)json_object_set_new(o, key, json_string(text));
}

void
export_put_in(json_t *o, const char *parent, const char *key, const char *text)
{
	json_t *in = json_object_get(o, parent);

	if (text[0] == '\0')
		return;
	if (in == NULL) {
		in = json_object();
		(void)json_object_set_new(o, parent, in);
	}
	export_put(in, key, text);
}

static bool
is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static bool
has_failed(const struct export_facts *f)
{
	static const char *const refused[] = { "push.refused",
		"session.failure", "auth.failure", "grant.rejected", NULL };
	static const char *const ends[] = { "rejected", "failed", "stale",
		"expired", NULL };

	if (is_one_of(f->type, refused))
		return true;
	if (strcmp(f->type, "forward.result") == 0 ||
	    strcmp(f->type, "keep.result") == 0)
		return strcmp(f->result, "ok") != 0;
	if (strcmp(f->type, "hold.closed") == 0)
		return is_one_of(f->state, ends);
	return strcmp(f->verdict, "deny") == 0;
}

/* What takes an address refuses a record where something else stands for one
 * ("[erased]"). */
static bool
is_address(const char *s)
{
	struct in6_addr any;

	return inet_pton(AF_INET, s, &any) == 1 ||
	    inet_pton(AF_INET6, s, &any) == 1;
}

static void
read_who(struct export_facts *f)
{
	const json_t *auth = json_object_get(f->entry, "auth");
	const json_t *client = json_object_get(f->entry, "client");

	f->principal = export_text(f->entry, "principal");
	f->reviewer = export_text(f->entry, "reviewer");
	f->actor = f->reviewer[0] != '\0' ? f->reviewer : f->principal;
	f->method = export_text(auth, "method");
	f->credential = export_text(auth, "credential");
	f->issuer = export_text(auth, "issuer");
	f->subject = export_text(auth, "subject");
	f->addr = export_text(client, "addr");
	f->agent = export_text(client, "agent");
	if (f->reviewer[0] != '\0') {
		f->method = export_text(f->entry, "reviewer_auth");
		f->issuer = export_text(f->entry, "reviewer_issuer");
		f->subject = export_text(f->entry, "reviewer_subject");
		f->addr = export_text(f->entry, "reviewer_addr");
	}
	f->ip = is_address(f->addr) ? f->addr : "";
}

static int
read_facts(const json_t *e, struct export_facts *f, struct gg_error *err)
{
	static const char *const sign_ins[] = { "session.login",
		"session.logout", "session.ended", "session.failure",
		"auth.failure", NULL };
	static const char *const alarms[] = { "ref.out-of-band",
		"witness.forked", NULL };
	const struct {
		const char *name, **to;
	} texts[] = { { "type", &f->type }, { "time", &f->time },
		{ "repository", &f->repository }, { "ref", &f->ref },
		{ "old", &f->old }, { "new", &f->new }, { "kind", &f->kind },
		{ "push", &f->push }, { "hold", &f->hold },
		{ "verdict", &f->verdict }, { "result", &f->result },
		{ "state", &f->state }, { "reason", &f->reason } };

	*f = (struct export_facts){ .entry = e };
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		*texts[i].to = export_text(e, texts[i].name);
	if (clock_parse(view_str(f->time), &f->time_ms, NULL) != 0)
		return gg_fail(err, GG_E_CORRUPT, "an entry without a time");
	read_who(f);
	f->is_sign_in = is_one_of(f->type, sign_ins);
	f->is_alarm = is_one_of(f->type, alarms);
	f->failed = has_failed(f);
	return 0;
}

bool
export_has_failed(const json_t *entry)
{
	struct export_facts f;

	return read_facts(entry, &f, NULL) != 0 || f.failed ||
	    strcmp(f.type, "ref.out-of-band") == 0;
}

void
export_head(enum export_format f, struct buf *out)
{
	if (f == EXPORT_CSV)
		export_csv_head(out);
}

static int
add_json(json_t *o, struct buf *out, struct gg_error *err)
{
	char *text = o != NULL ?
	    json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII) :
	    NULL;

	json_decref(o);
	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "a record");
	buf_adds(out, text);
	buf_addc(out, '\n');
	free(text);
	return buf_check(out, err);
}

int
export_entry(enum export_format format, const json_t *entry, struct buf *out,
    struct gg_error *err)
{
	struct export_facts f;
	int rc = read_facts(entry, &f, err);

	if (rc != 0)
		return rc;
	switch (format) {
	case EXPORT_JSONL:
		return add_json(json_incref((json_t *)(uintptr_t)entry), out,
		    err);
	case EXPORT_ECS:
		return add_json(export_ecs(&f), out, err);
	case EXPORT_OCSF:
		return add_json(export_ocsf(&f), out, err);
	case EXPORT_GITHUB:
		return add_json(export_github(&f), out, err);
	case EXPORT_CSV:
		break;
	}
	export_csv(&f, out);
	return buf_check(out, err);
}
