/* gitgate audit rotate-key: another key signs the audit log. */
#include "cli/cli.h"

#include "audit/checkpoint.h"
#include "audit/tlog_policy.h"
#include "base/fd.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX_BYTES 4096

/* The file's lines: the key, and maybe the one that it replaces. */
static int
read_keys(const char *file, struct buf *text, struct view *first,
    struct view *second, struct gg_error *err)
{
	struct stat st;
	int rc;

	if (stat(file, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", file);
	if (st.st_uid != geteuid())
		return gg_fail(err, GG_E_INPUT,
		    "%s belongs to another user: run this as the one that the "
		    "gate runs as",
		    file);
	if ((rc = file_read_secret(file, text, err)) != 0)
		return gg_wrap(err, rc, "%s", file);
	*second = buf_view(text);
	if (!view_cut(second, '\n', first)) {
		*first = *second;
		*second = (struct view){ 0 };
	}
	return 0;
}

/* Has this key signed the file of the log? One that is not there needs no
 * signature. */
static int
check_signed(const struct config *c, const char *name,
    const struct note_vkey *k, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/log/%s", c->state_dir, name);
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	struct checkpoint at;
	int rc = file_read(path, &note, err);

	if (rc == GG_E_NOTFOUND && strcmp(name, "cosigned") == 0)
		return 0;
	if (rc != 0)
		return rc;
	if (checkpoint_open(buf_view(&note), k, &at, NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "the new key has not signed %s yet: restart the gate, and "
		    "come again when all who verify have the new key",
		    path);
	return 0;
}

/* Would the gate start with its witnesses' policy when only this key signs? */
static int
check_policy(const struct config *c, const struct note_vkey *k,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(1024);
	GG_AUTO(tlog_policy) p = NULL;
	int rc;

	if (c->witness_policy == NULL)
		return 0;
	if ((rc = tlog_policy_load(c->witness_policy, &p, err)) != 0)
		return rc;
	for (size_t i = 0; i < p->n_logs; i++)
		if (note_vkey_is(&p->logs[i].key, k))
			return 0;
	if (p->n_logs == 0)
		return 0;
	note_vkey_format(k, &vkey);
	return gg_fail(err, GG_E_INPUT,
	    "%s does not name the new key, without which the gate would not "
	    "start; first add the line: log %s",
	    c->witness_policy, buf_str(&vkey));
}

static int
retire(const struct config *c, struct view first, struct view second,
    struct buf *out, struct gg_error *err)
{
	GG_AUTO(note_skey) k = NULL;
	int rc;

	if (second.n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s has one key: there is none to retire", c->log_key);
	if ((rc = note_skey_parse(first, &k, err)) != 0 ||
	    (rc = check_signed(c, "checkpoint", note_skey_vkey(k), err)) != 0 ||
	    (rc = check_signed(c, "cosigned", note_skey_vkey(k), err)) != 0 ||
	    (rc = check_policy(c, note_skey_vkey(k), err)) != 0)
		return rc;
	buf_addv(out, first);
	buf_addc(out, '\n');
	return 0;
}

static int
add_key(const struct config *c, struct view first, struct view second,
    struct buf *out, struct gg_error *err)
{
	unsigned char seed[SIGN_SEED_BYTES];
	GG_AUTO(note_skey) k = NULL;
	int rc;

	if (second.n != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s has a new and an old key already: audit rotate-key "
		    "--retire comes first",
		    c->log_key);
	if ((rc = note_skey_parse(first, &k, err)) != 0)
		return rc;
	random_bytes(seed, sizeof(seed));
	rc = note_skey_format(view_str(note_skey_vkey(k)->name), seed, out,
	    err);
	explicit_bzero(seed, sizeof(seed));
	buf_addc(out, '\n');
	buf_addv(out, first);
	buf_addc(out, '\n');
	return rc;
}

static int
print_first(struct view text, bool is_end, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(1024);
	GG_AUTO(note_skey) k = NULL;
	struct view line;
	int rc;

	if (!view_cut(&text, '\n', &line))
		line = text;
	if ((rc = note_skey_parse(line, &k, err)) != 0)
		return rc;
	note_vkey_format(note_skey_vkey(k), &vkey);
	say("%s\n", buf_str(&vkey));
	if (!is_end)
		(void)fprintf(stderr,
		    "policy files of witnesses and auditors, beside the old "
		    "key's line: log %s\n",
		    buf_str(&vkey));
	return 0;
}

static int
rotate(const struct config *c, bool is_end, struct gg_error *err)
{
	struct buf old = BUF_INIT(KEYS_MAX_BYTES);
	struct buf fresh = BUF_INIT(KEYS_MAX_BYTES);
	struct view first = { 0 }, second = { 0 };
	int rc = read_keys(c->log_key, &old, &first, &second, err);

	if (rc == 0)
		rc = is_end ? retire(c, first, second, &fresh, err) :
			      add_key(c, first, second, &fresh, err);
	if (rc == 0)
		rc = buf_check(&fresh, err);
	if (rc == 0)
		rc = file_write(c->log_key, buf_view(&fresh), 0600, true, err);
	if (rc == 0)
		rc = print_first(buf_view(&fresh), is_end, err);
	if (old.p != NULL)
		explicit_bzero(old.p, old.alloc);
	if (fresh.p != NULL)
		explicit_bzero(fresh.p, fresh.alloc);
	buf_release(&old);
	buf_release(&fresh);
	return rc;
}

int
cmd_audit_rotate_key(struct cli *cli, int argc, char **argv)
{
	bool is_end = false;
	const struct option_spec specs[] = { { "retire", OPT_FLAG, &is_end } };
	struct gg_error err = { 0 };
	GG_AUTO(config) c = NULL;
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_config(cli, &c, &err) != 0 || rotate(c, is_end, &err) != 0)
		return cli_fail(&err);
	return cli_flush();
}
