/* gitgate token create, list, revoke: on the gate's machine. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "identity/token.h"

#include <string.h>

#define DEFAULT_EXPIRES "90d"
#define ACT_BYTES       (60u << 10)

/* "30d", a date, or "never", as a point in time. */
static int
parse_expiry(const char *text, int64_t now_ms, int64_t *out,
    struct gg_error *err)
{
	int64_t ms;

	*out = 0;
	if (strcmp(text, "never") == 0)
		return 0;
	if (clock_parse(view_str(text), out, NULL) != 0) {
		if (num_parse_duration(view_str(text), &ms, err) != 0)
			return gg_wrap(err, GG_E_INPUT, "--expires %s", text);
		if (__builtin_add_overflow(now_ms, ms, out))
			return gg_fail(err, GG_E_INPUT,
			    "--expires is too far away");
	}
	if (*out <= now_ms)
		return gg_fail(err, GG_E_INPUT, "--expires is not ahead");
	return 0;
}

static int
add_token(struct store *s, struct stored_token *t, const char *secret,
    struct gg_error *err)
{
	char hash[DIGEST_SHA256_HEX_SIZE], id[ULID_SIZE];
	int rc;

	digest_sha256_hex(view_str(secret), hash);
	ulid_new(id);
	if ((t->id = strdup(id)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "token");
	rc = cli_note_act(s, "admin.token.create",
	    json_pack("{s:s, s:s, s:s, s:o, s:o}", "subject", t->principal,
		"token", id, "owner", t->owner != NULL ? t->owner : "",
		"groups", cli_json_strv(&t->groups), "expires",
		cli_json_time(t->expires_ms)),
	    err);
	return rc != 0 ? rc : store_token_add(s, t, hash, err);
}

static int
check_owner(const char *owner, struct gg_error *err)
{
	if (owner != NULL && !principal_name_is_valid(view_str(owner)))
		return gg_fail(err, GG_E_INPUT, "--owner %s is no name", owner);
	return 0;
}

int
cmd_token_create(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(stored_token) t = { 0 };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	const char *expires = DEFAULT_EXPIRES, *owner = NULL;
	const struct option_spec specs[] = { { "group", OPT_LIST, &t.groups },
		{ "expires", OPT_TEXT, &expires },
		{ "owner", OPT_TEXT, &owner } };
	char secret[TOKEN_SIZE];
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 3, 1, 1, &w, &err) != 0 ||
	    cli_check_names(w.v[0], &t.groups, &err) != 0 ||
	    check_owner(owner, &err) != 0)
		return cli_usage(&err);
	t.owner = strdup(owner != NULL ? owner : "");
	t.created_ms = clock_wall_ms();
	if (parse_expiry(expires, t.created_ms, &t.expires_ms, &err) != 0)
		return cli_usage(&err);
	t.principal = strdup(w.v[0]);
	token_new(secret);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    add_token(s, &t, secret, &err) != 0) {
		explicit_bzero(secret, sizeof(secret));
		return cli_fail(&err);
	}
	say("%s\n", secret);
	explicit_bzero(secret, sizeof(secret));
	return cli_flush();
}

/* -- list -- */

static const char *
state_of(const struct stored_token *t, int64_t now_ms)
{
	if (t->revoked_ms != 0)
		return "revoked";
	return t->expires_ms != 0 && t->expires_ms <= now_ms ? "expired" :
							       "valid";
}

static int
to_json(void *ctx, const struct stored_token *t)
{
	json_array_append_new(ctx,
	    json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "id",
		t->id, "principal", t->principal, "owner", t->owner, "groups",
		cli_json_strv(&t->groups), "state",
		state_of(t, clock_wall_ms()), "created",
		cli_json_time(t->created_ms), "expires",
		cli_json_time(t->expires_ms), "revoked",
		cli_json_time(t->revoked_ms), "used",
		cli_json_time(t->used_ms)));
	return 0;
}

static void
print_tokens(const json_t *tokens)
{
	static const char *const cols[] = { "id", "principal", "owner",
		"groups", "state", "expires", "used" };
	GG_AUTO_RELEASE(table) table = { .n_cols = GG_COUNT(cols) };
	json_t *t;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&table, cols[i]);
	json_array_foreach(tokens, i, t) for (size_t k = 0; k < GG_COUNT(cols);
					      k++)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(ACT_BYTES);

		if (strcmp(cols[k], "groups") == 0)
			json_join(&b, json_object_get(t, "groups"), NULL);
		else
			buf_adds(&b, json_str(t, cols[k]));
		table_add(&table, buf_str(&b));
	}
	table_print(&table);
}

static int
fill(const struct local *l, json_t *tokens, struct gg_error *err)
{
	return store_token_list(l->store, to_json, tokens, err);
}

int
cmd_token_list(struct cli *cli, int argc, char **argv)
{
	return cli_list(cli, argc, argv, "tokens", fill, print_tokens);
}

static int
is_id_or_name(const struct words *w, struct gg_error *err)
{
	if (principal_name_is_valid(view_str(w->v[0])))
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is neither an id nor a name",
	    w->v[0]);
}

static int
revoke_token(const struct local *l, struct gg_error *err)
{
	const char *which = l->words->v[0];
	uint64_t n = 0;
	int rc;

	if ((rc = cli_note_act(l->store, "admin.token.revoke",
		 json_pack("{s:s}", "subject", which), err)) != 0 ||
	    (rc = store_token_revoke(l->store, which, clock_wall_ms(), &n,
		 err)) != 0)
		return rc;
	say("revoked %llu\n", (unsigned long long)n);
	return 0;
}

int
cmd_token_revoke(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, is_id_or_name, revoke_token);
}
