/*
 * gitgate audit verify: a whole log, or one receipt, against its key, its
 * witnesses and a checkpoint that was kept elsewhere.
 */
#include "cli/audit_story.h"
#include "cli/audit_trust.h"

#include "base/fd.h"
#include "base/text.h"
#include "store/auditlog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One signed checkpoint, and what the policy finds in it. */
struct seen {
	struct buf note;
	struct checkpoint c; /* borrows from note */
	struct tlog_policy_found found;
};

/* A log: where its files are, and the checkpoints that were read. */
struct log {
	auditlog_fetch fetch;
	void *ctx;
	const struct tlog_policy *policy;
	struct told *told; /* what the entries say together */
	struct seen now, cosigned, since;
	bool has_cosigned, has_since;
	bool is_fork; /* now and since exclude each other */
	struct private_census census;
};
static void
log_release(struct log *l)
{
	buf_release(&l->now.note);
	buf_release(&l->cosigned.note);
	buf_release(&l->since.note);
}
GG_DEFINE_AUTO_RELEASE(log);

/* -- checkpoints -- */

static int
open_seen(const struct log *l, struct seen *s, struct gg_error *err)
{
	return tlog_policy_open(l->policy, buf_view(&s->note), &s->c, &s->found,
	    err);
}

/* What a quorum signed last. Before the checkpoint, which may go on. */
static int
read_cosigned(struct log *l, struct gg_error *err)
{
	int rc;

	if (!trust_has_witnesses(l->policy))
		return 0;
	rc = l->fetch(l->ctx, "cosigned", &l->cosigned.note, err);
	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc == 0)
		rc = open_seen(l, &l->cosigned, err);
	if (rc != 0)
		return gg_wrap(err, rc, "cosigned");
	l->has_cosigned = true;
	return 0;
}

static int
read_now(struct log *l, struct gg_error *err)
{
	int rc = l->fetch(l->ctx, "checkpoint", &l->now.note, err);

	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_CORRUPT, "checkpoint is missing");
	if (rc == 0)
		rc = open_seen(l, &l->now, err);
	return rc == 0 ? 0 : gg_wrap(err, rc, "checkpoint");
}

static int
read_since(struct log *l, const char *file, struct gg_error *err)
{
	int rc;

	if (file == NULL)
		return 0;
	if ((rc = file_read(file, &l->since.note, err)) != 0 ||
	    (rc = open_seen(l, &l->since, err)) != 0)
		return gg_wrap(err, rc, "--since %s", file);
	if (!view_eq(l->since.c.origin, l->now.c.origin))
		return gg_fail(err, GG_E_INPUT, "--since %s is of another log",
		    file);
	l->has_since = true;
	return 0;
}

/* The quorum signed the newest checkpoint, or else an older one. */
static int
check_quorum(struct log *l, struct gg_error *err)
{
	if (l->now.found.is_met || !l->has_cosigned ||
	    !l->cosigned.found.is_met) {
		l->has_cosigned = false;
		return trust_check_quorum(l->policy, &l->now.found, err);
	}
	if (!view_eq(l->cosigned.c.origin, l->now.c.origin))
		return gg_fail(err, GG_E_CORRUPT, "cosigned: of another log");
	if (l->cosigned.c.size > l->now.c.size)
		return gg_fail(err, GG_E_CORRUPT,
		    "witnesses signed %llu entries, and the checkpoint has "
		    "%llu: the log was cut",
		    (unsigned long long)l->cosigned.c.size,
		    (unsigned long long)l->now.c.size);
	return 0;
}

/* -- one history -- */

/* Is what `old` says the beginning of what `l->now` says? GG_E_STALE: no. */
static int
check_continues(const struct log *l, const struct checkpoint *old,
    struct gg_error *err)
{
	const struct checkpoint *now = &l->now.c;
	struct merkle_proof proof = { 0 };
	int rc;

	if (old->size > now->size)
		return gg_fail(err, GG_E_STALE,
		    "the log had %llu entries, and now it has %llu",
		    (unsigned long long)old->size,
		    (unsigned long long)now->size);
	if (old->size < now->size) {
		rc = tile_prove_consistency(l->fetch, l->ctx, old->size,
		    now->size, &proof, err);
		if (rc != 0)
			return rc;
	}
	if (!merkle_verify_consistency(old->size, &old->root, now->size,
		&now->root, &proof))
		return gg_fail(err, GG_E_STALE,
		    "the log's first %llu entries are not those that it had",
		    (unsigned long long)old->size);
	return 0;
}

static int
check_history(struct log *l, struct gg_error *err)
{
	int rc;

	if (l->has_since) {
		rc = check_continues(l, &l->since.c, err);
		l->is_fork = rc == GG_E_STALE;
		if (rc != 0)
			return l->is_fork ?
			    gg_wrap(err, GG_E_CORRUPT, "the log is forked") :
			    rc;
	}
	if (!l->has_cosigned)
		return 0;
	rc = check_continues(l, &l->cosigned.c, err);
	if (rc == GG_E_STALE)
		return gg_wrap(err, GG_E_CORRUPT,
		    "the log is not what its witnesses signed");
	return rc;
}

/* The checkpoint that was looked at, whatever the log has by now. */
static int
fetch_with_note(void *ctx, const char *path, struct buf *out,
    struct gg_error *err)
{
	struct log *l = ctx;

	if (strcmp(path, "checkpoint") != 0)
		return l->fetch(l->ctx, path, out, err);
	buf_addv(out, buf_view(&l->now.note));
	return buf_check(out, err);
}

static int
check_log(struct log *l, const char *since, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(4096);
	char root[CHECKPOINT_ROOT_SIZE];
	uint64_t size;
	int rc;

	if ((rc = read_cosigned(l, err)) != 0 || (rc = read_now(l, err)) != 0 ||
	    (rc = read_since(l, since, err)) != 0)
		return rc;
	/* a log that lost its end may be whole otherwise */
	if (l->has_since && l->since.c.size > l->now.c.size)
		return check_history(l, err);
	if ((rc = check_quorum(l, err)) != 0)
		return rc;
	note_vkey_format(l->now.found.log, &vkey);
	rc = auditlog_verify_each(fetch_with_note, l, buf_str(&vkey),
	    told_entry, l->told, &size, root, err);
	return rc != 0 ? rc : check_history(l, err);
}

/* -- where it is -- */

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

/* Somebody else's log is read without our token. */
static int
check_url(const struct cli *cli, const char *arg, struct log *l,
    const char *since, struct gg_error *err)
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
	l->fetch = fetch_url;
	l->ctx = a;
	return check_log(l, since, err);
}

static int
check_dir(const char *arg, struct log *l, const char *since,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s", arg);
	struct stat st;
	int rc;

	if (stat(dir, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return gg_fail(err, GG_E_INPUT, "%s is no directory", dir);
	l->fetch = auditlog_fetch_dir;
	l->ctx = dir;
	if ((rc = check_log(l, since, err)) != 0 ||
	    (rc = auditlog_verify_partials(dir, l->now.c.size, err)) != 0)
		return rc;
	return auditlog_verify_private(dir, l->now.c.size, &l->census, err);
}

/* -- what came of it -- */

static void
say_note(const char *label, const struct buf *note)
{
	struct view rest = buf_view(note), line;

	say("%s\n", label);
	while (view_cut(&rest, '\n', &line)) {
		GG_AUTO_MEM char *text = view_dup(line);

		say_safe("", text != NULL ? text : "");
	}
}

static int
print_fault(const struct cli *cli, const struct log *l,
    const struct gg_error *err)
{
	json_t *report;

	if (cli->json) {
		report = json_pack("{s:b, s:s}", "verified", 0, "error",
		    err->msg);
		if (l->is_fork)
			json_object_set_new(report, "fork",
			    json_pack("[s, s]", buf_str(&l->since.note),
				buf_str(&l->now.note)));
		say_json(report);
		json_decref(report);
	} else if (l->is_fork) {
		say_note("this was signed:", &l->since.note);
		say_note("and this, which excludes it:", &l->now.note);
	}
	(void)!cli_flush();
	return cli_fail(err);
}

/* What was found is no fault of the log, unless one wants none of it. */
static int
print_log(const struct cli *cli, const struct log *l, const char *since,
    bool strict)
{
	uint64_t found = told_end(l->told);
	const struct seen *by = l->has_cosigned ? &l->cosigned : &l->now;
	unsigned long long size = l->now.c.size;
	char root[CHECKPOINT_ROOT_SIZE];
	json_t *report;

	checkpoint_root_base64(&l->now.c.root, root);
	if (cli->json) {
		report = json_pack("{s:b, s:s, s:I, s:s}", "verified", 1,
		    "origin", l->now.found.log->name, "size",
		    (json_int_t)l->now.c.size, "root", root);
		if (trust_has_witnesses(l->policy))
			trust_report(l->policy, &by->found, by->c.size, report);
		if (l->has_since)
			json_object_set_new(report, "continues",
			    json_integer((json_int_t)l->since.c.size));
		told_report(l->told, report);
		if (l->census.has_openings)
			json_object_set_new(report, "openings",
			    json_pack("{s:I, s:I}", "verified",
				(json_int_t)l->census.values, "erased",
				(json_int_t)l->census.erased));
		say_json(report);
		json_decref(report);
		return cli_flush() != 0 || (strict && found > 0) ? 1 : 0;
	}
	say("verified %llu entries, root %s\n", size, root);
	if (trust_has_witnesses(l->policy))
		trust_say(l->policy, &by->found, by->c.size, l->now.c.size);
	if (l->census.has_openings)
		say("openings: %llu values are what was logged, %llu were "
		    "erased\n",
		    (unsigned long long)l->census.values,
		    (unsigned long long)l->census.erased);
	if (l->has_since) {
		say("continues the %llu entries of ",
		    (unsigned long long)l->since.c.size);
		say_safe("", since);
	}
	told_say(l->told);
	if (found > 0)
		say("%llu finding%s: what was logged does not fit together\n",
		    (unsigned long long)found, found == 1 ? "" : "s");
	return cli_flush() != 0 || (strict && found > 0) ? 1 : 0;
}

static int
verify_log(struct cli *cli, const char *where, const char *since,
    const struct tlog_policy *policy, bool strict)
{
	GG_AUTO_RELEASE(told) told;
	GG_AUTO_RELEASE(log) l = { .policy = policy, .told = &told };
	struct gg_error err = { 0 };
	int rc;

	told_init(&told);
	buf_init(&l.now.note, NOTE_MAX_BYTES + 1);
	buf_init(&l.cosigned.note, NOTE_MAX_BYTES + 1);
	buf_init(&l.since.note, NOTE_MAX_BYTES + 1);
	rc = is_url(where) ? check_url(cli, where, &l, since, &err) :
			     check_dir(where, &l, since, &err);
	return rc == 0 ? print_log(cli, &l, since, strict) :
			 print_fault(cli, &l, &err);
}

int
cmd_audit_verify(struct cli *cli, int argc, char **argv)
{
	struct receipt_files f = { 0 };
	const char *since = NULL;
	struct trust_options o = { 0 };
	bool strict = false;
	const struct option_spec specs[] = { { "key", OPT_TEXT, &o.key },
		{ "policy", OPT_TEXT, &o.policy },
		{ "witness", OPT_LIST, &o.witnesses },
		{ "since", OPT_TEXT, &since },
		{ "receipt", OPT_TEXT, &f.receipt },
		{ "entry", OPT_TEXT, &f.entry },
		{ "opening", OPT_TEXT, &f.opening },
		{ "strict", OPT_FLAG, &strict } };
	GG_AUTO(tlog_policy) policy = NULL;
	struct gg_error err = { 0 };
	struct words w;
	int rc;

	rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 1, &w,
	    &err);
	if (rc == 0 &&
	    ((w.n == 0) == (f.receipt == NULL) ||
		((f.entry != NULL || f.opening != NULL) && w.n > 0) ||
		((since != NULL || strict) && f.receipt != NULL)))
		rc = gg_fail(&err, GG_E_INPUT,
		    "give the directory or URL of a log, or --receipt FILE");
	if (rc == 0)
		rc = trust_read(&o, &policy, &err);
	strv_release(&o.witnesses);
	if (rc != 0)
		return cli_usage(&err);
	if (f.receipt == NULL)
		return verify_log(cli, w.v[0], since, policy, strict);
	if (verify_receipt(cli, &f, policy, &err) != 0)
		return print_fault(cli, &(struct log){ 0 }, &err);
	return cli_flush();
}
