/* gitgate audit accept-database: a database that is older than the log. */
#include "cli/cli.h"

#include "audit/checkpoint.h"
#include "base/fd.h"
#include "store/audit_age.h"
#include "store/auditlog.h"

#include <string.h>

static int
read_entry(void *ctx, uint64_t index, struct buf *out, struct gg_error *err)
{
	return auditlog_read_dir(ctx, index, out, err);
}

static void
say_act(const json_t *e)
{
	static const char *const names[] = { "principal", "subject", "token",
		"reviewer", "hold", "grant", "allowance", "keep", "push",
		"state" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);

	buf_addf(&b, "%lld %s %s",
	    (long long)json_integer_value(json_object_get(e, "seq")),
	    json_str(e, "time"), json_str(e, "type"));
	for (size_t i = 0; i < GG_COUNT(names); i++)
		if (json_str(e, names[i])[0] != '\0')
			buf_addf(&b, " %s=%s", names[i], json_str(e, names[i]));
	if (buf_check(&b, NULL) == 0)
		say_safe("  ", buf_str(&b));
}

static void
report(const struct cli *cli, const struct audit_age *age)
{
	const json_t *e;
	size_t i;

	if (cli->json) {
		say_json(age->acts);
		return;
	}
	say("the database lacks the entries from %llu to %llu.\n",
	    (unsigned long long)age->first, (unsigned long long)age->size - 1);
	say(json_array_size(age->acts) > 0 ?
		"These acts are in the log only; do again what must hold:\n" :
		"None of them must be done again.\n");
	json_array_foreach(age->acts, i, e) say_act(e);
}

static int
accept_database(const struct cli *cli, const struct config *c, struct store *s,
    const char *reason, struct gg_error *err)
{
	GG_AUTO_RELEASE(audit_age) age = { 0 };
	GG_AUTO_MEM char *dir = path_f("%s/log", c->state_dir);
	uint64_t size = 0;
	int rc = auditlog_size_dir(dir, &size, err);

	if (rc != 0 ||
	    (rc = store_audit_age(s, size, read_entry, dir, &age, err)) != 0)
		return rc;
	if (!age.is_older)
		return gg_fail(err, GG_E_REFUSED,
		    "the database is not older than the log: there is nothing "
		    "to accept");
	rc = cli_note_act(s, "admin.database.accept",
	    json_pack("{s:s, s:I, s:I}", "reason", reason, "first",
		(json_int_t)age.first, "size", (json_int_t)size),
	    err);
	if (rc == 0)
		rc = store_audit_accept(s, size, err);
	if (rc == 0)
		report(cli, &age);
	return rc;
}

int
cmd_audit_accept(struct cli *cli, int argc, char **argv)
{
	const char *reason = NULL;
	const struct option_spec specs[] = { { "reason", OPT_TEXT, &reason } };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 0, 0, &w, &err) != 0 ||
	    cli_check_reason(reason, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    accept_database(cli, c, s, reason, &err) != 0)
		return cli_fail(&err);
	return cli_flush();
}
