/* gitgate audit query, verify. */
#include "cli/cli.h"

#include "audit/note.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "store/auditlog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CELL_BYTES (1u << 20)

struct filter {
	const char *repository, *ref, *principal, *type, *push;
	const char *since, *until, *limit, *cursor;
};

/* -- the two sources: both yield {"entries":[...],"next":...} -- */

static const char *
time_arg(int64_t ms, char text[CLOCK_RFC3339_SIZE])
{
	if (ms == 0)
		return NULL;
	clock_format(ms, text);
	return text;
}

static int
query_remote(const struct cli *cli, const struct filter *f,
    const struct audit_query *q, json_t **out, struct gg_error *err)
{
	char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];
	GG_AUTO_RELEASE(buf) path = BUF_INIT(8192);
	GG_AUTO(api) a = NULL;
	int rc;

	if ((rc = api_open(cli, NULL, &a, err)) != 0)
		return rc;
	buf_adds(&path, "-/api/v1/audit");
	api_query(&path, "repository", q->repository);
	api_query(&path, "ref", q->ref);
	api_query(&path, "principal", q->principal);
	api_query(&path, "type", q->type);
	api_query(&path, "push", q->push);
	api_query(&path, "since", time_arg(q->since_ms, since));
	api_query(&path, "until", time_arg(q->until_ms, until));
	api_query(&path, "limit", f->limit);
	api_query(&path, "cursor", f->cursor);
	if ((rc = buf_check(&path, err)) != 0)
		return rc;
	return api_call(a, "GET", buf_str(&path), NULL, out, err);
}

static int
add_entry(void *ctx, uint64_t index, const char *json)
{
	(void)index; /* it is the entry's own "seq" */
	return json_array_append_new(ctx,
		   json_loads(json, JSON_ALLOW_NUL, NULL)) == 0 ?
	    0 :
	    GG_E_CORRUPT;
}

static int
query_local(const struct cli *cli, const struct audit_query *q, json_t **out,
    struct gg_error *err)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	json_t *all, *entries;
	uint64_t next = 0;
	int rc;

	if ((rc = cli_store(cli, &c, &s, err)) != 0)
		return rc;
	all = json_pack("{s:[], s:n}", "entries", "next");
	entries = json_object_get(all, "entries");
	if ((rc = store_audit_query(s, q, add_entry, entries, &next, err)) !=
	    0) {
		json_decref(all);
		return gg_wrap(err, rc, "audit index");
	}
	if (next != 0)
		json_object_set_new(all, "next",
		    json_sprintf("%llu", (unsigned long long)next));
	*out = all;
	return 0;
}

/* -- for people -- */

static void
print_entries(const json_t *answer)
{
	static const char *const cols[] = { "time", "type", "repository", "ref",
		"principal", "push", "verdict" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) };
	const json_t *next = json_object_get(answer, "next");
	json_t *e;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	json_array_foreach(json_object_get(answer, "entries"), i,
	    e) for (size_t k = 0; k < GG_COUNT(cols); k++)
	    table_add(&t, json_str(e, cols[k]));
	table_print(&t);
	if (json_is_string(next)) {
		fflush(stdout);
		fprintf(stderr, "more: --cursor %s\n", json_string_value(next));
	}
}

static int
make_query(const struct filter *f, struct audit_query *q, struct gg_error *err)
{
	int rc;

	*q = (struct audit_query){ .repository = f->repository,
		.ref = f->ref,
		.principal = f->principal,
		.type = f->type,
		.push = f->push };
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
cmd_audit_query(struct cli *cli, int argc, char **argv)
{
	struct filter f = { 0 };
	const struct option_spec specs[] = { { "repository", OPT_TEXT,
						 &f.repository },
		{ "ref", OPT_TEXT, &f.ref },
		{ "principal", OPT_TEXT, &f.principal },
		{ "type", OPT_TEXT, &f.type }, { "push", OPT_TEXT, &f.push },
		{ "since", OPT_TEXT, &f.since },
		{ "until", OPT_TEXT, &f.until },
		{ "limit", OPT_TEXT, &f.limit },
		{ "cursor", OPT_TEXT, &f.cursor } };
	struct gg_error err = { 0 };
	struct audit_query q;
	json_t *answer = NULL;
	struct words w;
	int rc;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		&err) != 0 ||
	    make_query(&f, &q, &err) != 0)
		return cli_usage(&err);
	rc = api_is_wanted(cli) ? query_remote(cli, &f, &q, &answer, &err) :
				  query_local(cli, &q, &answer, &err);
	if (rc != 0)
		return cli_fail(&err);
	if (cli->json)
		say_json(answer);
	else
		print_entries(answer);
	json_decref(answer);
	return cli_flush();
}

/* -- verify -- */

static int
fetch_url(void *ctx, const char *path, struct buf *out, struct gg_error *err)
{
	return api_fetch(ctx, path, out, err);
}

static bool
is_url(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

/* A log's URL: as given, or a bare gate's with the log's usual place. */
static char *
log_url(const char *arg)
{
	const char *host = strstr(arg, "://") + 3;
	const char *slash = strchr(host, '/');

	if (slash == NULL || slash[1] == '\0')
		return path_f("%.*s/-/log",
		    (int)(slash ? slash - arg : (ptrdiff_t)strlen(arg)), arg);
	return path_f("%s", arg);
}

/* The key itself ("name+hash+base64"), or a file that holds it. */
static int
read_vkey(const char *arg, struct buf *out, struct gg_error *err)
{
	const char *plus = strchr(arg, '+');
	int rc;

	if (plus != NULL && strchr(plus + 1, '+') != NULL) {
		buf_adds(out, arg);
		return buf_check(out, err);
	}
	if ((rc = file_read(arg, out, err)) != 0)
		return gg_wrap(err, rc, "--key");
	while (out->n > 0 && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	return 0;
}

/* Somebody else's log is read without our token. */
static int
verify_url(const struct cli *cli, const char *arg, const char *vkey,
    uint64_t *size, char root[45], struct gg_error *err)
{
	struct cli at = { .token_file = cli->token_file };
	GG_AUTO_MEM char *url = NULL;
	GG_AUTO(api) a = NULL;
	int rc;

	if (!api_url_is_valid(arg))
		return gg_fail(err, GG_E_INPUT, "%s is no URL of a log", arg);
	at.url = url = log_url(arg);
	if (!api_same_gate(cli, url) && cli->token_file == NULL)
		unsetenv("GITGATE_TOKEN");
	if ((rc = api_open(&at, NULL, &a, err)) != 0)
		return rc;
	return auditlog_verify(fetch_url, a, vkey, size, root, err);
}

static int
verify_dir(const char *arg, const char *vkey, uint64_t *size, char root[45],
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s", arg);
	struct stat st;

	if (stat(dir, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return gg_fail(err, GG_E_INPUT, "%s is no directory", dir);
	return auditlog_verify(auditlog_fetch_dir, dir, vkey, size, root, err);
}

static int
verify_one(const char *receipt, const char *entry, const char *vkey)
{
	struct gg_error err = { 0 };
	struct note_vkey k;

	if (note_vkey_parse(view_str(vkey), &k, &err) != 0)
		return cli_usage(&err);
	if (verify_receipt(receipt, entry, &k, &err) != 0)
		return cli_fail(&err);
	return cli_flush();
}

int
cmd_audit_verify(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(4096);
	const char *key = NULL, *receipt = NULL, *entry = NULL;
	const struct option_spec specs[] = { { "key", OPT_TEXT, &key },
		{ "receipt", OPT_TEXT, &receipt },
		{ "entry", OPT_TEXT, &entry } };
	struct gg_error err = { 0 };
	char root[45] = "";
	uint64_t size = 0;
	struct words w;
	int rc;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 1, &w,
		&err) != 0)
		return cli_usage(&err);
	if ((w.n == 0) == (receipt == NULL) ||
	    (entry != NULL && receipt == NULL)) {
		gg_fail(&err, GG_E_INPUT,
		    "give the directory or URL of a log, or --receipt FILE");
		return cli_usage(&err);
	}
	if (key == NULL) {
		gg_fail(&err, GG_E_INPUT, "give the log's key: --key VKEY");
		return cli_usage(&err);
	}
	if (read_vkey(key, &vkey, &err) != 0)
		return cli_usage(&err);
	if (receipt != NULL)
		return verify_one(receipt, entry, buf_str(&vkey));
	rc = is_url(w.v[0]) ?
	    verify_url(cli, w.v[0], buf_str(&vkey), &size, root, &err) :
	    verify_dir(w.v[0], buf_str(&vkey), &size, root, &err);
	if (rc != 0)
		return cli_fail(&err);
	say("verified %llu entries, root %s\n", (unsigned long long)size, root);
	return cli_flush();
}
