/* gitgate user add, list, passwd, remove: local accounts for reviewers. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/password.h"

#include <string.h>
#include <unistd.h>

#define PASSWORD_MIN_CHARACTERS 8
#define CELL_BYTES              (60u << 10)

/* The first line of standard input. */
static int
read_password(struct buf *out, struct gg_error *err)
{
	ssize_t n;
	char c;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		buf_addc(out, c);
	if (n < 0)
		return gg_fail(err, GG_E_SYS, "standard input");
	if (out->n > 0 && out->p[out->n - 1] == '\r')
		out->p[--out->n] = '\0';
	return buf_check(out, err);
}

static int
check_password(const struct buf *p, struct gg_error *err)
{
	size_t n = 0;

	if (!utf8_is_valid(buf_view(p)) ||
	    (p->n > 0 && memchr(p->p, '\0', p->n) != NULL))
		return gg_fail(err, GG_E_INPUT, "the password is not UTF-8");
	for (size_t i = 0; i < p->n; i++)
		n += ((unsigned char)p->p[i] & 0xc0) != 0x80;
	if (n < PASSWORD_MIN_CHARACTERS)
		return gg_fail(err, GG_E_INPUT,
		    "the password is shorter than %d characters",
		    PASSWORD_MIN_CHARACTERS);
	return 0;
}

/* Read it, hash it, forget it. */
static int
new_hash(bool from_stdin, char **hash, struct gg_error *err)
{
	static const char room[PASSWORD_MAX_BYTES];
	GG_AUTO_RELEASE(buf) p = BUF_INIT(PASSWORD_MAX_BYTES);
	int rc;

	if (!from_stdin)
		return gg_fail(err, GG_E_INPUT,
		    "give --password-stdin and the password on standard"
		    " input");
	/* room from the start: growing would leave copies behind */
	buf_add(&p, room, sizeof(room));
	buf_clear(&p);
	rc = read_password(&p, err);
	if (rc == 0)
		rc = check_password(&p, err);
	if (rc == 0)
		rc = password_hash(buf_view(&p), hash, err);
	if (p.p != NULL)
		explicit_bzero(p.p, p.n);
	return rc;
}

/* An account without a password is for people who sign in by a provider. */
static int
first_hash(bool from_stdin, bool no_password, char **hash, struct gg_error *err)
{
	if (from_stdin && no_password)
		return gg_fail(err, GG_E_INPUT,
		    "--password-stdin and --no-password exclude each other");
	if (!no_password)
		return new_hash(from_stdin, hash, err);
	return (*hash = strdup("")) != NULL ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "account");
}

int
cmd_user_add(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	bool from_stdin = false, no_password = false;
	const struct option_spec specs[] = { { "group", OPT_LIST, &u.groups },
		{ "email", OPT_LIST, &u.aliases },
		{ "password-stdin", OPT_FLAG, &from_stdin },
		{ "no-password", OPT_FLAG, &no_password } };
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 4, 1, 1, &w, &err) != 0 ||
	    cli_check_names(w.v[0], &u.groups, &err) != 0 ||
	    cli_check_emails(&u.aliases, &err) != 0 ||
	    first_hash(from_stdin, no_password, &u.password_hash, &err) != 0)
		return cli_usage(&err);
	u.name = strdup(w.v[0]);
	u.created_ms = clock_wall_ms();
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s, "admin.user.add",
		json_pack("{s:s, s:o, s:o}", "subject", u.name, "groups",
		    cli_json_strv(&u.groups), "emails",
		    cli_json_strv(&u.aliases)),
		&err) != 0 ||
	    store_user_add(s, &u, &err) != 0)
		return cli_fail(&err);
	say_safe("added ", u.name);
	return cli_flush();
}

int
cmd_user_passwd(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_MEM char *hash = NULL;
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	bool from_stdin = false;
	const struct option_spec specs[] = { { "password-stdin", OPT_FLAG,
	    &from_stdin } };
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0 ||
	    new_hash(from_stdin, &hash, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s, "admin.user.passwd",
		json_pack("{s:s}", "subject", w.v[0]), &err) != 0 ||
	    store_user_set_password(s, w.v[0], hash, &err) != 0)
		return cli_fail(&err);
	say_safe("changed the password of ", w.v[0]);
	return cli_flush();
}

static int
remove_user(const struct local *l, struct gg_error *err)
{
	const char *name = l->words->v[0];
	int rc;

	if ((rc = cli_note_act(l->store, "admin.user.remove",
		 json_pack("{s:s}", "subject", name), err)) != 0 ||
	    (rc = store_user_remove(l->store, name, err)) != 0)
		return rc;
	say_safe("removed ", name);
	return 0;
}

int
cmd_user_remove(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, NULL, remove_user);
}

static int
to_json(void *ctx, const struct stored_user *u)
{
	json_array_append_new(ctx,
	    json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:b}", "name", u->name,
		"groups", cli_json_strv(&u->groups), "emails",
		cli_json_strv(&u->aliases), "created",
		cli_json_time(u->created_ms), "disabled", u->disabled_ms != 0,
		"password", u->password_hash[0] != '\0', "totp",
		u->totp_secret[0] != '\0'));
	return 0;
}

static void
print_users(const json_t *users)
{
	GG_AUTO_RELEASE(table) t = { .n_cols = 3 };
	json_t *u;
	size_t i;

	table_add(&t, "name");
	table_add(&t, "groups");
	table_add(&t, "created");
	json_array_foreach(users, i, u)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(CELL_BYTES);

		json_join(&b, json_object_get(u, "groups"), NULL);
		table_add(&t, json_str(u, "name"));
		table_add(&t, buf_str(&b));
		table_add(&t, json_str(u, "created"));
	}
	table_print(&t);
}

static int
fill(const struct local *l, json_t *users, struct gg_error *err)
{
	return store_user_list(l->store, to_json, users, err);
}

int
cmd_user_list(struct cli *cli, int argc, char **argv)
{
	return cli_list(cli, argc, argv, "users", fill, print_users);
}
