/* gitgate audit query, verify. */
#include "cli/audit_source.h"

#include "audit/note.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "store/auditlog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CELL_BYTES (1u << 20)

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

int
cmd_audit_query(struct cli *cli, int argc, char **argv)
{
	struct audit_filter f = { 0 };
	const struct option_spec specs[] = { AUDIT_FILTER_OPTIONS(f),
		{ "limit", OPT_TEXT, &f.limit },
		{ "cursor", OPT_TEXT, &f.cursor } };
	struct gg_error err = { 0 };
	GG_AUTO(audit_source) src = NULL;
	json_t *answer = NULL;
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		&err) != 0 ||
	    audit_filter_read(&f, &err) != 0)
		return cli_usage(&err);
	if (audit_source_open(cli, &src, &err) != 0 ||
	    audit_source_query(src, &f.q, &answer, &err) != 0)
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
