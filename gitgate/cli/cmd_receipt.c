/* gitgate audit receipt; gitgate audit verify --receipt. */
#include "cli/audit_trust.h"

#include "audit/private.h"
#include "audit/receipt.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- getting them -- */

static int
print_one(struct api *a, const char *index, const char *what,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	uint64_t n;
	int rc;

	if (num_parse(view_str(index), INT64_MAX, &n, NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s is no number of an entry: give its \"seq\"", index);
	buf_addf(&path, "-/api/v1/audit/%llu/%s", (unsigned long long)n, what);
	if ((rc = api_fetch(a, buf_str(&path), &text, err)) != 0)
		return rc;
	say("%s", buf_str(&text));
	return 0;
}

/* A new file; one that is there is not touched. */
static int
write_receipt(const char *dir, const json_t *r, struct gg_error *err)
{
	json_int_t index = json_integer_value(json_object_get(r, "index"));
	const json_t *text = json_object_get(r, "receipt");
	GG_AUTO_MEM char *path = path_f("%s/entry-%lld.tlog-proof", dir,
	    (long long)index);
	GG_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0644);
	int rc;

	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	rc = fd_write_all(fd,
	    view_of(json_string_value(text), json_string_length(text)), err);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", path);
	say("%s %s %s\n", path, json_str(r, "type"), json_str(r, "ref"));
	return 0;
}

/* All receipts of a push, page by page. */
static int
of_push(struct cli *cli, struct api *a, const char *push, const char *dir,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) cursor = BUF_INIT(100);
	json_t *all = json_array(), *answer, *r;
	size_t i;
	int rc = 0;

	do {
		GG_AUTO_RELEASE(buf) path = BUF_INIT(1024);

		buf_addf(&path, "-/api/v1/pushes/%s/receipts", push);
		api_query(&path, "cursor",
		    cursor.n > 0 ? buf_str(&cursor) : NULL);
		if ((rc = buf_check(&path, err)) != 0)
			break;
		rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err);
		if (rc != 0)
			break;
		json_array_extend(all, json_object_get(answer, "receipts"));
		buf_clear(&cursor);
		buf_adds(&cursor, json_str(answer, "next"));
		json_decref(answer);
	} while (cursor.n > 0);
	if (rc == 0 && cli->json)
		say_json(all);
	else if (rc == 0)
		json_array_foreach(all, i,
		    r) if ((rc = write_receipt(dir, r, err)) != 0) break;
	json_decref(all);
	return rc;
}

int
cmd_audit_receipt(struct cli *cli, int argc, char **argv)
{
	const char *push = NULL, *dir = ".";
	bool opening = false;
	const struct option_spec specs[] = { { "push", OPT_TEXT, &push },
		{ "dir", OPT_TEXT, &dir }, { "opening", OPT_FLAG, &opening } };
	struct gg_error err = { 0 };
	GG_AUTO(api) a = NULL;
	struct words w;
	int rc;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 1, &w,
		&err) != 0)
		return cli_usage(&err);
	if ((w.n == 0) == (push == NULL) || (opening && push != NULL)) {
		gg_fail(&err, GG_E_INPUT,
		    "give the number of an entry, or --push ID");
		return cli_usage(&err);
	}
	if (push != NULL && !ulid_is_valid(view_str(push))) {
		gg_fail(&err, GG_E_INPUT, "%s is no id of a push", push);
		return cli_usage(&err);
	}
	if ((rc = api_open(cli, NULL, &a, &err)) == 0)
		rc = push != NULL ?
		    of_push(cli, a, push, dir, &err) :
		    print_one(a, w.v[0], opening ? "opening" : "receipt", &err);
	return rc == 0 ? cli_flush() : cli_fail(&err);
}

/* -- verifying one -- */

/* A file with the entry; the newline that an editor or a query's output ends
 * with is not part of one. */
static int
read_entry(const char *file, struct buf *out, struct gg_error *err)
{
	int rc = file_read(file, out, err);

	if (rc != 0)
		return gg_wrap(err, rc, "--entry");
	if (out->n > 0 && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	return 0;
}

static void
print_receipt(const struct cli *cli, const struct receipt *r,
    const struct checkpoint *c, const struct tlog_policy *policy,
    const struct tlog_policy_found *f, const struct buf *entry)
{
	char root[CHECKPOINT_ROOT_SIZE];
	json_t *report;

	checkpoint_root_base64(&c->root, root);
	if (cli->json) {
		report = json_pack("{s:b, s:s, s:I, s:I, s:s, s:s}", "verified",
		    1, "origin", f->log->name, "index", (json_int_t)r->index,
		    "size", (json_int_t)c->size, "root", root, "entry",
		    buf_str(entry));
		if (trust_has_witnesses(policy))
			trust_report(policy, f, c->size, report);
		say_json(report);
		json_decref(report);
		return;
	}
	say("verified: entry %llu of the log %s (%llu entries, root %s)\n",
	    (unsigned long long)r->index, f->log->name,
	    (unsigned long long)c->size, root);
	if (trust_has_witnesses(policy))
		trust_say(policy, f, c->size, c->size);
	say("%s\n", buf_str(entry));
}

/* The entry with the values that the opening gives, if they are its own. */
static int
open_entry(const char *file, const struct buf *entry, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(PRIVATE_OPENING_MAX_BYTES + 1);
	int rc;

	if (file == NULL)
		return 0;
	if ((rc = file_read(file, &text, err)) != 0)
		return gg_wrap(err, rc, "--opening");
	rc = private_open_text(buf_view(entry), buf_view(&text), out, err);
	return rc == 0 ? 0 : gg_wrap(err, rc, "%s", file);
}

int
verify_receipt(const struct cli *cli, const struct receipt_files *files,
    const struct tlog_policy *policy, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) opened = BUF_INIT(PRIVATE_OPENED_MAX_BYTES);
	const char *file = files->receipt, *entry_file = files->entry;
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	GG_AUTO_RELEASE(buf) entry = BUF_INIT(RECEIPT_MAX_BYTES);
	GG_AUTO_RELEASE(receipt) r = { 0 };
	struct tlog_policy_found found;
	struct checkpoint c;
	int rc;

	if ((rc = file_read(file, &text, err)) != 0)
		return gg_wrap(err, rc, "--receipt");
	if ((rc = receipt_parse(buf_view(&text), &r, err)) != 0)
		return gg_wrap(err, rc, "%s", file);
	if (entry_file != NULL)
		rc = read_entry(entry_file, &entry, err);
	else if (r.has_entry)
		buf_addv(&entry, buf_view(&r.entry));
	else
		rc = gg_fail(err, GG_E_INPUT,
		    "the receipt does not carry its entry: give it with "
		    "--entry FILE");
	if (rc != 0)
		return rc;
	if ((rc = buf_check(&entry, err)) != 0)
		return rc;
	if ((rc = tlog_policy_open(policy, r.checkpoint, &c, &found, err)) !=
		0 ||
	    (rc = receipt_verify(&r, buf_view(&entry), found.log, NULL, err)) !=
		0 ||
	    (rc = trust_check_quorum(policy, &found, err)) != 0)
		return gg_wrap(err, rc, "%s", file);
	rc = open_entry(files->opening, &entry, &opened, err);
	if (rc != 0)
		return rc;
	print_receipt(cli, &r, &c, policy, &found,
	    files->opening != NULL ? &opened : &entry);
	return 0;
}
