#include "role/kept_policy.h"

#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As large as a rule file, a key file or secret rules may be. */
#define FILE_MAX_BYTES ((size_t)4 << 20)
/* Refs and rules are long at their longest; most traces have a few KiB. */
#define TRACE_MAX_BYTES ((size_t)16 << 20)

char *
kept_policy_dir(const struct config *c, const char *digest)
{
	return path_f("%s/policies/%s", c->state_dir, digest);
}

static int
copy_file(const char *from, const char *to, const char *name,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(FILE_MAX_BYTES);
	GG_AUTO_MEM char *a = path_f("%s/%s", from, name);
	GG_AUTO_MEM char *b = path_f("%s/%s", to, name);
	int rc;

	if ((rc = file_read(a, &bytes, err)) != 0)
		return gg_wrap(err, rc, "%s", a);
	return file_write(b, buf_view(&bytes), 0600, true, err);
}

static int
check_digest(const char *dir, const char *digest, struct ruleset **out,
    struct gg_error *err)
{
	GG_AUTO(ruleset) rs = NULL;
	int rc = ruleset_load(dir, &rs, NULL, err);

	if (rc != 0)
		return rc;
	if (strcmp(ruleset_digest(rs), digest) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "the policy kept in %s is not the one of its name", dir);
	if (out != NULL)
		*out = gg_take(rs);
	return 0;
}

static int
copy_all(const struct config *c, const struct ruleset *rs, const char *to,
    struct gg_error *err)
{
	const struct strv *files = ruleset_files(rs);
	int rc;

	if ((rc = dir_make(to, 0700, err)) != 0)
		return rc;
	for (size_t i = 0; i < files->n && rc == 0; i++)
		rc = copy_file(c->policy_dir, to, files->v[i], err);
	return rc;
}

int
kept_policy_add(const struct config *c, const struct ruleset *rs,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = kept_policy_dir(c, ruleset_digest(rs));
	GG_AUTO_MEM char *all = path_f("%s/policies", c->state_dir);
	GG_AUTO_MEM char *part = path_f("%s/.part", all);
	int rc;

	if (access(dir, F_OK) == 0)
		return 0;
	if ((rc = dir_make(all, 0700, err)) != 0 ||
	    (rc = dir_remove(part, err)) != 0)
		return rc;
	/* Read again, as a copy: it may be half of another one by now. */
	if ((rc = copy_all(c, rs, part, err)) == 0 &&
	    (rc = check_digest(part, ruleset_digest(rs), NULL, err)) != 0)
		rc = gg_fail(err, GG_E_STALE,
		    "the policy has changed while it was read");
	if (rc == 0 && (rc = dir_sync(part, err)) == 0 &&
	    rename(part, dir) != 0)
		rc = gg_fail(err, GG_E_SYS, "%s", dir);
	if (rc != 0)
		(void)dir_remove(part, NULL);
	return rc;
}

int
kept_policy_load(const struct config *c, const char *digest,
    struct ruleset **out, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = kept_policy_dir(c, digest);

	if (digest[0] == '\0' || access(dir, F_OK) != 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the policy of then is not kept");
	return check_digest(dir, digest, out, err);
}

/* -- what it said -- */

void
trace_keeper_release(struct trace_keeper *k)
{
	json_decref(k->trace);
	k->trace = NULL;
}

json_t *
trace_begin(struct trace_keeper *k, const struct config *c,
    const struct ruleset *rs, size_t n_updates)
{
	size_t rules = ruleset_n_rules(rs);

	if (rules == 0 || n_updates > c->limits.trace_items / rules)
		return NULL;
	return k->trace = json_array();
}

int
trace_keep(const struct trace_keeper *k, const char *push_dir,
    const char *policy_digest, json_t *request, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/trace", push_dir);
	GG_AUTO_MEM char *text = NULL;
	char hex[DIGEST_SHA256_HEX_SIZE];
	json_t *o;

	if (k->trace == NULL)
		return 0;
	o = json_pack("{s:s, s:O}", "policy", policy_digest, "trace", k->trace);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "trace");
	if (strlen(text) > TRACE_MAX_BYTES)
		return 0;
	digest_sha256_hex(view_str(text), hex);
	(void)json_object_set_new(request, "trace_sha256", json_string(hex));
	return file_write(path, view_str(text), 0600, false, err);
}

int
trace_read(const char *push_dir, const json_t *request, json_t **out,
    struct gg_error *err)
{
	const char *want = json_string_value(json_object_get(request,
	    "trace_sha256"));
	GG_AUTO_MEM char *path = path_f("%s/trace", push_dir);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(TRACE_MAX_BYTES);
	char hex[DIGEST_SHA256_HEX_SIZE];

	if (want == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no trace was kept");
	if (file_read(path, &bytes, err) != 0)
		return gg_fail(err, GG_E_NOTFOUND, "the trace is gone");
	digest_sha256_hex(buf_view(&bytes), hex);
	if (strcmp(hex, want) != 0 ||
	    (*out = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES,
		 NULL)) == NULL)
		return gg_fail(err, GG_E_CORRUPT,
		    "the trace is not the one that was recorded");
	return 0;
}
