#include "cli/audit_source.h"

#include "base/clock.h"
#include "base/num.h"
#include "model/refname.h"

#include <stdlib.h>

struct audit_source {
	struct api *api; /* NULL: the local store */
	struct config *config;
	struct store *store;
};

int
audit_filter_read(struct audit_filter *f, struct gg_error *err)
{
	struct audit_query *q = &f->q;
	int rc;

	*q = (struct audit_query){ .repository = f->repository,
		.ref = f->ref,
		.principal = f->principal,
		.type = f->type,
		.push = f->push,
		.reviewer = f->reviewer,
		.rule = f->rule,
		.path = f->path,
		.verdict = f->verdict,
		.hold = f->hold };
	if ((rc = cli_time(f->since, &q->since_ms, err)) != 0 ||
	    (rc = cli_time(f->until, &q->until_ms, err)) != 0 ||
	    (rc = cli_count(f->limit, 1000, &q->limit, err)) != 0)
		return rc;
	if (f->cursor != NULL &&
	    num_parse(view_str(f->cursor), INT64_MAX, &q->cursor, err) != 0)
		return gg_wrap(err, GG_E_INPUT, "--cursor");
	return 0;
}

int
audit_source_open(const struct cli *cli, struct audit_source **out,
    struct gg_error *err)
{
	GG_AUTO(audit_source) s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "audit log");
	rc = api_is_wanted(cli) ? api_open(cli, NULL, &s->api, err) :
				  cli_store(cli, &s->config, &s->store, err);
	if (rc == 0)
		*out = gg_take(s);
	return rc;
}

void
audit_source_free(struct audit_source *s)
{
	if (s == NULL)
		return;
	api_free(s->api);
	store_free(s->store);
	config_free(s->config);
	free(s);
}

/* -- the API -- */

static void
add_number(struct buf *path, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	if (n != 0)
		api_query(path, name, text);
}

static void
add_time(struct buf *path, const char *name, int64_t ms)
{
	char text[CLOCK_RFC3339_SIZE];

	if (ms == 0)
		return;
	clock_format(ms, text);
	api_query(path, name, text);
}

static int
query_remote(struct audit_source *s, const struct audit_query *q, json_t **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(16384);
	const struct {
		const char *name, *value;
	} texts[] = { { "repository", q->repository }, { "ref", q->ref },
		{ "principal", q->principal }, { "type", q->type },
		{ "push", q->push }, { "reviewer", q->reviewer },
		{ "rule", q->rule }, { "path", q->path },
		{ "verdict", q->verdict }, { "hold", q->hold },
		{ "order", q->oldest_first ? "oldest" : NULL } };
	int rc;

	buf_adds(&path, "-/api/v1/audit");
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		api_query(&path, texts[i].name, texts[i].value);
	add_time(&path, "since", q->since_ms);
	add_time(&path, "until", q->until_ms);
	add_number(&path, "limit", q->limit);
	add_number(&path, "cursor", q->cursor);
	if ((rc = buf_check(&path, err)) != 0)
		return rc;
	return api_call(s->api, "GET", buf_str(&path), NULL, out, err);
}

/* -- the store -- */

static int
add_entry(void *ctx, uint64_t index, const char *json)
{
	(void)index; /* it is the entry's own "seq" */
	return json_array_append_new(ctx,
		   json_loads(json, JSON_ALLOW_NUL, NULL)) == 0 ?
	    0 :
	    GG_E_CORRUPT;
}

static json_t *
page_of(const char *name, json_t *items, uint64_t next)
{
	json_t *all = json_pack("{s:o, s:n}", name, items, "next");

	if (next != 0)
		(void)json_object_set_new(all, "next",
		    json_sprintf("%llu", (unsigned long long)next));
	return all;
}

static int
query_local(struct audit_source *s, const struct audit_query *q, json_t **out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *ref = q->ref != NULL ? refname_meant(q->ref) : NULL;
	struct audit_query meant = *q;
	json_t *entries = json_array();
	uint64_t next = 0;
	int rc;

	meant.ref = ref;
	rc = store_audit_query(s->store, &meant, add_entry, entries, &next,
	    err);

	if (rc != 0) {
		json_decref(entries);
		return gg_wrap(err, rc, "audit index");
	}
	*out = page_of("entries", entries, next);
	return 0;
}

int
audit_source_query(struct audit_source *s, const struct audit_query *q,
    json_t **out, struct gg_error *err)
{
	return s->api != NULL ? query_remote(s, q, out, err) :
				query_local(s, q, out, err);
}

int
audit_source_timeline(struct audit_source *s, const char *repository,
    const char *ref, uint64_t cursor, size_t limit, json_t **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(16384);
	json_t *steps;
	uint64_t next = 0;
	int rc;

	if (s->api == NULL) {
		GG_AUTO_MEM char *meant = refname_meant(ref);

		steps = json_array();
		rc = store_audit_timeline(s->store, repository, meant, cursor,
		    limit, steps, &next, err);
		if (rc == 0)
			*out = page_of("steps", steps, next);
		else
			json_decref(steps);
		return rc;
	}
	buf_adds(&path, "-/api/v1/audit/timeline");
	api_query(&path, "repository", repository);
	api_query(&path, "ref", ref);
	add_number(&path, "cursor", cursor);
	add_number(&path, "limit", limit);
	if ((rc = buf_check(&path, err)) != 0)
		return rc;
	return api_call(s->api, "GET", buf_str(&path), NULL, out, err);
}
