#include "cli/cli.h"

#include "base/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REASON_MAX     1000
#define DEFAULT_CONFIG "/etc/gitgate/gitgate.yaml"

const char *
cli_config_file(const struct cli *cli)
{
	const char *env = getenv("GITGATE_CONFIG");

	if (cli->config_file != NULL)
		return cli->config_file;
	return env != NULL && env[0] != '\0' ? env : DEFAULT_CONFIG;
}

int
cli_config(const struct cli *cli, struct config **out, struct gg_error *err)
{
	const char *file = cli_config_file(cli);

	if (access(file, F_OK) != 0 && errno == ENOENT)
		return gg_fail(err, GG_E_NOTFOUND,
		    "%s: no such file: this runs on the gate's machine; name "
		    "the gate's configuration with --config",
		    file);
	return config_load(file, out, err);
}

/* A database that root makes or whose WAL root owns shuts the gate out. */
static int
become_owner(const char *state_dir, struct gg_error *err)
{
	struct stat st;

	if (geteuid() != 0 || stat(state_dir, &st) != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) != 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return gg_fail(err, GG_E_SYS, "becoming the owner of %s",
		    state_dir);
	return 0;
}

int
cli_store(const struct cli *cli, struct config **config, struct store **out,
    struct gg_error *err)
{
	int rc;

	if ((rc = cli_config(cli, config, err)) != 0 ||
	    (rc = become_owner((*config)->state_dir, err)) != 0)
		return rc;
	return store_open((*config)->store, (*config)->state_dir, out, err);
}

/* The login behind sudo where there is one. */
json_t *
cli_actor(void)
{
	const char *sudo = getenv("SUDO_USER");
	struct passwd *pw = getpwuid(getuid());

	if (sudo != NULL && sudo[0] != '\0')
		return json_sprintf("local:%s", sudo);
	if (pw != NULL)
		return json_sprintf("local:%s", pw->pw_name);
	return json_sprintf("local:%u", (unsigned)getuid());
}

int
cli_note_act(struct store *s, const char *type, json_t *act,
    struct gg_error *err)
{
	int rc = 0;

	if (act == NULL ||
	    json_object_set_new(act, "type", json_string(type)) != 0 ||
	    json_object_set_new(act, "principal", cli_actor()) != 0)
		rc = gg_fail(err, GG_E_NOMEM, "audit entry");
	if (rc == 0)
		rc = store_admin_act_next(s, act, err);
	json_decref(act);
	return rc;
}

int
cli_list(struct cli *cli, int argc, char **argv, const char *name,
    int (*fill)(const struct local *l, json_t *rows, struct gg_error *err),
    void (*print)(const json_t *rows))
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;
	json_t *all;
	int rc;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	all = json_pack("{s:[]}", name);
	if ((rc = cli_store(cli, &c, &s, &err)) == 0) {
		const struct local l = { cli, c, s, &w };

		rc = fill(&l, json_object_get(all, name), &err);
	}
	if (rc == 0 && cli->json)
		say_json(all);
	else if (rc == 0)
		print(json_object_get(all, name));
	json_decref(all);
	return rc == 0 ? cli_flush() : cli_fail(&err);
}

int
cli_act(struct cli *cli, int argc, char **argv, size_t n,
    int (*check)(const struct words *w, struct gg_error *err),
    int (*act)(const struct local *l, struct gg_error *err))
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct local l = { .cli = cli };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, n, n, &w, &err) != 0 ||
	    (check != NULL && check(&w, &err) != 0))
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	l.config = c;
	l.store = s;
	l.words = &w;
	return act(&l, &err) != 0 ? cli_fail(&err) : cli_flush();
}

int
cli_check_names(const char *name, const struct strv *groups,
    struct gg_error *err)
{
	if (!principal_name_is_valid(view_str(name)))
		return gg_fail(err, GG_E_INPUT,
		    "%s is no name: letters, digits and ._@:/+-, at most 128",
		    name);
	for (size_t i = 0; i < groups->n; i++)
		if (!principal_name_is_valid(view_str(groups->v[i])))
			return gg_fail(err, GG_E_INPUT,
			    "%s is no name of a group", groups->v[i]);
	return strv_check(groups, err);
}

int
cli_check_reason(const char *reason, struct gg_error *err)
{
	if (reason == NULL || reason[0] == '\0' ||
	    strlen(reason) > REASON_MAX || !utf8_is_valid(view_str(reason)))
		return gg_fail(err, GG_E_INPUT,
		    "--reason is needed: why, in at most %d bytes of UTF-8",
		    REASON_MAX);
	return 0;
}

json_t *
cli_json_strv(const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, json_string(v->v[i]));
	return a;
}
