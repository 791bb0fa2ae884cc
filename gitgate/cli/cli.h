/*
 * What the commands share: options, the local configuration and store, the
 * HTTP API, and output that is safe for a terminal.
 */
#ifndef GITGATE_CLI_CLI_H
#define GITGATE_CLI_CLI_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "store/store.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes (DESIGN section 9). */
enum {
	CLI_YES = 0,
	CLI_NO = 1,
	CLI_USAGE = 2,
	CLI_PENDING = 3, /* wait only */
};

/* Options that every command takes, before or behind its name. */
struct cli {
	const char *config_file; /* as given; NULL: not given */
	const char *url;
	const char *token_file;
	bool json, help;
};

struct command {
	const char *name; /* "token create" */
	const char *args; /* for the usage line */
	const char *help; /* what it does, one paragraph */
	int (*run)(struct cli *cli, int argc, char **argv);
};
extern const struct command cli_commands[]; /* ends with a NULL name */

int cmd_serve(struct cli *cli, int argc, char **argv);
int cmd_check(struct cli *cli, int argc, char **argv);
int cmd_policy_check(struct cli *cli, int argc, char **argv);
int cmd_policy_explain(struct cli *cli, int argc, char **argv);
int cmd_policy_test(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_token_create(struct cli *cli, int argc, char **argv);
int cmd_token_list(struct cli *cli, int argc, char **argv);
int cmd_token_revoke(struct cli *cli, int argc, char **argv);
int cmd_user_add(struct cli *cli, int argc, char **argv);
int cmd_user_list(struct cli *cli, int argc, char **argv);
int cmd_user_passwd(struct cli *cli, int argc, char **argv);
int cmd_user_totp(struct cli *cli, int argc, char **argv);
int cmd_user_remove(struct cli *cli, int argc, char **argv);
int cmd_user_email(struct cli *cli, int argc, char **argv);
int cmd_user_link(struct cli *cli, int argc, char **argv);
int cmd_user_links(struct cli *cli, int argc, char **argv);
int cmd_user_unlink(struct cli *cli, int argc, char **argv);
int cmd_user_sign_out(struct cli *cli, int argc, char **argv);
int cmd_holds_list(struct cli *cli, int argc, char **argv);
int cmd_holds_show(struct cli *cli, int argc, char **argv);
int cmd_holds_approve(struct cli *cli, int argc, char **argv);
int cmd_holds_reject(struct cli *cli, int argc, char **argv);
int cmd_holds_withdraw(struct cli *cli, int argc, char **argv);
int cmd_pushes_list(struct cli *cli, int argc, char **argv);
int cmd_pushes_show(struct cli *cli, int argc, char **argv);
int cmd_pushes_checkout(struct cli *cli, int argc, char **argv);
int cmd_pushes_diff(struct cli *cli, int argc, char **argv);
int cmd_pushes_keep(struct cli *cli, int argc, char **argv);
int cmd_pushes_kept(struct cli *cli, int argc, char **argv);
int cmd_kept_list(struct cli *cli, int argc, char **argv);
int cmd_kept_prune(struct cli *cli, int argc, char **argv);
int cmd_kept_drop(struct cli *cli, int argc, char **argv);
int cmd_pushes_release(struct cli *cli, int argc, char **argv);
int cmd_pushes_verify(struct cli *cli, int argc, char **argv);
int cmd_pushes_replay(struct cli *cli, int argc, char **argv);
int cmd_findings_list(struct cli *cli, int argc, char **argv);
int cmd_findings_allow(struct cli *cli, int argc, char **argv);
int cmd_findings_revoke(struct cli *cli, int argc, char **argv);
int cmd_credential(struct cli *cli, int argc, char **argv);
int cmd_notices_list(struct cli *cli, int argc, char **argv);
int cmd_notices_replay(struct cli *cli, int argc, char **argv);
int cmd_notices_test(struct cli *cli, int argc, char **argv);
int cmd_grant_create(struct cli *cli, int argc, char **argv);
int cmd_grant_list(struct cli *cli, int argc, char **argv);
int cmd_grant_show(struct cli *cli, int argc, char **argv);
int cmd_grant_approve(struct cli *cli, int argc, char **argv);
int cmd_grant_reject(struct cli *cli, int argc, char **argv);
int cmd_grant_revoke(struct cli *cli, int argc, char **argv);
int cmd_wait(struct cli *cli, int argc, char **argv);
int cmd_audit_query(struct cli *cli, int argc, char **argv);
int cmd_audit_export(struct cli *cli, int argc, char **argv);
int cmd_audit_timeline(struct cli *cli, int argc, char **argv);
int cmd_audit_accept(struct cli *cli, int argc, char **argv);
int cmd_audit_erase(struct cli *cli, int argc, char **argv);
int cmd_delivery_list(struct cli *cli, int argc, char **argv);
int cmd_delivery_show(struct cli *cli, int argc, char **argv);
int cmd_delivery_set_cursor(struct cli *cli, int argc, char **argv);
int cmd_delivery_retry(struct cli *cli, int argc, char **argv);
int cmd_delivery_forget(struct cli *cli, int argc, char **argv);
int cmd_audit_rotate_key(struct cli *cli, int argc, char **argv);
int cmd_audit_explain_ref(struct cli *cli, int argc, char **argv);
int cmd_audit_receipt(struct cli *cli, int argc, char **argv);
int cmd_audit_verify(struct cli *cli, int argc, char **argv);

/* -- options.c -- */

struct option_spec {
	const char *name; /* without "--" */
	enum { OPT_FLAG, OPT_TEXT, OPT_LIST } kind;
	void *to; /* bool *, const char ** or struct strv * */
};
/*
 * Read "--name value", "--name=value", "--flag" and the common options;
 * "--" ends them. What is left goes to words (borrowed from argv), min to
 * max of them. 0, or GG_E_INPUT with a sentence.
 */
struct words {
	const char *v[8];
	size_t n;
};
GG_MUST_USE int cli_options(struct cli *cli, int argc, char **argv,
    const struct option_spec *specs, size_t n, size_t min, size_t max,
    struct words *words, struct gg_error *err);
/* The usual "how many": 0 where text is NULL. */
GG_MUST_USE int
cli_count(const char *text, uint64_t max, size_t *out, struct gg_error *err);
/* A time: RFC 3339, a date, or how long ago ("7d"). 0 where text is NULL. */
GG_MUST_USE int cli_time(const char *text, int64_t *ms, struct gg_error *err);

/* GG_E_INPUT names the first that is none. */
GG_MUST_USE int
cli_check_emails(const struct strv *emails, struct gg_error *err);

/* -- output.c -- */

/* One line on stderr; returns the exit code for it: 2 for GG_E_INPUT where
 * usage is true, else 1. */
int cli_fail(const struct gg_error *err);
int cli_usage(const struct gg_error *err);
/* printf to stdout for constant texts and strings made safe. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, with the strings of words in place of each %s. */
void say_safe(const char *label, const char *s);
/* JSON on stdout, indented, with a newline. */
void say_json(const json_t *j);
/* Was all of it written? CLI_YES, or CLI_NO with a line on stderr. */
int cli_flush(void);

/* A table whose cells are made safe; printed with aligned columns. */
struct table {
	struct strv cells;
	size_t n_cols;
};
void table_release(struct table *t);
GG_DEFINE_AUTO_RELEASE(table);
void table_add(struct table *t, const char *cell);
void table_print(const struct table *t);
/* A member as text: "" where it is missing, null or no string. */
const char *json_str(const json_t *o, const char *name);
/* "a, b" of an array of strings, or of objects' member `name`. */
void json_join(struct buf *out, const json_t *array, const char *name);
/* A stored time for people and JSON: RFC 3339; json_null / "-" for 0. */
json_t *cli_json_time(int64_t ms);

/* -- local.c -- */

/* --config, GITGATE_CONFIG or the usual place. */
const char *cli_config_file(const struct cli *cli);
GG_MUST_USE int
cli_config(const struct cli *cli, struct config **out, struct gg_error *err);
/* Opens config and store. As root it first becomes the owner of the state
 * directory, so that the gate can still use what is written. */
GG_MUST_USE int cli_store(const struct cli *cli, struct config **config,
    struct store **out, struct gg_error *err);
/* Who sits at the machine, for the log: a new reference. */
json_t *cli_actor(void);
/* Note an administrator's act for the audit log, in one transaction with the
 * change that follows. act is taken over. */
GG_MUST_USE int cli_note_act(struct store *s, const char *type, json_t *act,
    struct gg_error *err);

/* What such a command has in hand; all borrowed. */
struct local {
	const struct cli *cli;
	struct config *config;
	struct store *store;
	const struct words *words;
};
/* A whole command: lists what fill() puts into an array of that name, for a
 * person with print(), or as JSON. Its exit code. */
int cli_list(struct cli *cli, int argc, char **argv, const char *name,
    int (*fill)(const struct local *l, json_t *rows, struct gg_error *err),
    void (*print)(const json_t *rows));
/* A whole command of n words and no options: act() does it and says so. What
 * check() (NULL: nothing) finds of the words is a fault of the command line.
 * Its exit code. */
int cli_act(struct cli *cli, int argc, char **argv, size_t n,
    int (*check)(const struct words *w, struct gg_error *err),
    int (*act)(const struct local *l, struct gg_error *err));
/* Are these names of a principal and of groups? GG_E_INPUT. */
GG_MUST_USE int cli_check_names(const char *name, const struct strv *groups,
    struct gg_error *err);
/* Is --reason (NULL: not given) there, and one? GG_E_INPUT. */
GG_MUST_USE int cli_check_reason(const char *reason, struct gg_error *err);
json_t *cli_json_strv(const struct strv *v);

/* -- cmd_kept.c: places of kept packs that are not there, and repositories
 * with kept refs that are not in the configuration -- */
GG_MUST_USE int kept_look(const struct cli *cli, struct strv *gone,
    struct strv *unserved, struct gg_error *err);

/* -- cmd_receipt.c: what it proves is printed; 0, or GG_E_CORRUPT -- */
struct tlog_policy;
struct receipt_files {
	const char *receipt;
	const char *entry;   /* NULL: the receipt has it */
	const char *opening; /* NULL: personal values stay hashes */
};
GG_MUST_USE int
verify_receipt(const struct cli *cli, const struct receipt_files *files,
    const struct tlog_policy *policy, struct gg_error *err);

/* -- api.c -- */

struct api;
/* --url / GITGATE_URL and --token-file / GITGATE_TOKEN. base overrides the
 * URL where none is configured (may be NULL). GG_E_INPUT. */
GG_MUST_USE int api_open(const struct cli *cli, const char *base,
    struct api **out, struct gg_error *err);
void api_free(struct api *a);
GG_DEFINE_AUTO(api);
/* Is there a URL: on the command line, or in the environment without a
 * --config on the command line? */
bool api_is_wanted(const struct cli *cli);
/*
 * method path (below the base, query included) with an optional JSON body
 * (borrowed). 0 with the answer (a new reference) for 2xx; GG_E_NOTFOUND 404,
 * GG_E_REFUSED 401 and 403, GG_E_STALE 409, GG_E_UNAVAILABLE 5xx, 429 and no
 * answer, GG_E_PEER otherwise.
 */
GG_MUST_USE int api_call(struct api *a, const char *method, const char *path,
    const json_t *body, json_t **out, struct gg_error *err);
/* GET of bytes, without a look at them. Codes as above. */
GG_MUST_USE int api_fetch(struct api *a, const char *path, struct buf *out,
    struct gg_error *err);
/*
 * GET of server-sent events, on a connection of its own. on_line gets each
 * whole line and says whether that was enough. 0 when it was, when the stream
 * ended or when deadline (clock_mono_ms()) came; else as above. a may be used
 * from on_line.
 */
GG_MUST_USE int api_listen(struct api *a, const char *path, int64_t deadline,
    bool (*on_line)(void *ctx, const char *line), void *ctx,
    struct gg_error *err);
/* "?name=value" or "&name=value", escaped; nothing for a NULL value. */
void api_query(struct buf *path, const char *name, const char *value);
/* Is url at the gate that --url or GITGATE_URL names (scheme, host, port)?
 * Any is, where none is named. */
bool api_same_gate(const struct cli *cli, const char *url);
/* http(s)://host[:port][/path] without user, query and fragment. */
bool api_url_is_valid(const char *url);

#endif
