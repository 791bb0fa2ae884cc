/* gitgate user totp: one-time codes of a local account. */
#include "cli/cli.h"

#include "crypto/totp.h"
#include "web/qr.h"

#include <string.h>
#include <unistd.h>

/* The gate's name without its scheme: what an app shows. */
static const char *
issuer_name(const struct config *c)
{
	const char *at = strstr(c->public_url, "://");

	return at != NULL ? at + 3 : c->public_url;
}

static void
print_secret(const struct cli *cli, const struct config *c, const char *name,
    const char *secret)
{
	GG_AUTO_RELEASE(buf) uri = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) picture = BUF_INIT(131072);
	json_t *j;

	totp_uri(&uri, issuer_name(c), name, secret);
	if (cli->json) {
		j = json_pack("{s:s, s:s, s:s}", "name", name, "secret", secret,
		    "uri", buf_str(&uri));
		say_json(j);
		json_decref(j);
	} else {
		say("key: %s\n%s\n", secret, buf_str(&uri));
		if (isatty(STDOUT_FILENO))
			qr_text(&picture, buf_str(&uri));
		say("%s", buf_str(&picture));
	}
	explicit_bzero(uri.p, uri.n);
	if (picture.p != NULL)
		explicit_bzero(picture.p, picture.n);
}

int
cmd_user_totp(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	char secret[TOTP_SECRET_SIZE] = "";
	bool removes = false;
	const struct option_spec specs[] = { { "remove", OPT_FLAG, &removes } };
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (!removes)
		totp_secret_new(secret);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s,
		removes ? "admin.user.totp-remove" : "admin.user.totp",
		json_pack("{s:s}", "subject", w.v[0]), &err) != 0 ||
	    store_user_set_totp(s, w.v[0], secret, 0, false, &err) != 0) {
		explicit_bzero(secret, sizeof(secret));
		return cli_fail(&err);
	}
	if (removes)
		say_safe("no codes are asked of ", w.v[0]);
	else
		print_secret(cli, c, w.v[0], secret);
	explicit_bzero(secret, sizeof(secret));
	return cli_flush();
}
