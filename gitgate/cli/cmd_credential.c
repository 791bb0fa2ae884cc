/* gitgate credential: git asks it for the job's token. */
#include "cli/cli.h"
#include "cli/credential.h"

#include "base/clock.h"
#include "base/fd.h"
#include "upstream/redact.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKEW_S 60 /* clocks differ; the gate allows as much */

/* --url, GITGATE_URL, or an audience that is a URL: the one gate that gets
 * the token. */
static const char *
gate_url(const struct cli *cli, const char *audience)
{
	const char *env = getenv("GITGATE_URL");

	if (cli->url != NULL)
		return cli->url;
	if (env != NULL && env[0] != '\0')
		return env;
	return audience;
}

static int
read_question(struct credential_question *q, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(CREDENTIAL_QUESTION_BYTES);
	int rc = fd_read_all(STDIN_FILENO, &text, err);

	if (rc != 0)
		return gg_wrap(err, rc, "git's question");
	return credential_question_parse(buf_view(&text), q, err);
}

/* What the gate would refuse anyhow is better said here, and a token that is
 * for somebody else stays here. */
static int
check_claims(const struct token_claims *t, const char *audience,
    struct gg_error *err)
{
	if (t->audience.n > 0 && !strv_has(&t->audience, audience))
		return gg_fail(err, GG_E_REFUSED,
		    "the token is for the audience %s, not for %s: it stays"
		    " here (--audience says which one the gate expects)",
		    t->audience.v[0], audience);
	if (t->exp > 0 && t->exp < clock_wall_ms() / 1000 - SKEW_S)
		return gg_fail(err, GG_E_REFUSED,
		    "the token has expired; this job has run longer than its"
		    " token lives");
	return 0;
}

static void
answer(const struct credential_question *q, const char *token, int64_t exp)
{
	if (q->authtype)
		say("capability[]=authtype\nauthtype=Bearer\ncredential=%s\n"
		    "ephemeral=1\n",
		    token);
	else
		say("username=%s\npassword=%s\n",
		    q->username && q->username[0] ? q->username : "oidc",
		    token);
	if (exp > 0)
		say("password_expiry_utc=%lld\n", (long long)exp);
}

static int
mint_and_answer(const struct credential_question *q, const struct mint *m,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(token_claims) claims = { 0 };
	struct buf token = BUF_INIT(MINT_TOKEN_BYTES);
	int rc = mint_token(m, &token, err);

	if (rc == 0)
		rc = token_claims_read(buf_view(&token), &claims, err);
	if (rc == 0)
		rc = check_claims(&claims, m->audience, err);
	if (rc == 0)
		answer(q, buf_str(&token), claims.exp);
	secret_release(&token);
	return rc;
}

/* Answers for one host. To others it says nothing: git asks whoever is next.
 * Where no token can be had for ours, nobody is asked for a password. */
static int
get(const char *url, struct mint *m)
{
	GG_AUTO_RELEASE(credential_question) q = { 0 };
	struct gg_error err = { 0 };

	if (read_question(&q, &err) != 0)
		return cli_fail(&err);
	if (!credential_is_for(&q, url))
		return CLI_YES;
	if (!credential_is_safe(&q)) {
		gg_fail(&err, GG_E_REFUSED,
		    "no token over plain http to another machine");
		say("quit=1\n");
	} else if (mint_detect(m, &err) == 0) {
		if (mint_and_answer(&q, m, &err) == 0)
			return cli_flush();
		say("quit=1\n");
	}
	(void)cli_fail(&err);
	(void)cli_flush();
	return CLI_NO;
}

/* Tokens are not kept: there is nothing to store and nothing to erase. */
static int
ignore(void)
{
	GG_AUTO_RELEASE(credential_question) q = { 0 };

	(void)!read_question(&q, NULL);
	return CLI_YES;
}

int
cmd_credential(struct cli *cli, int argc, char **argv)
{
	const char *from = "auto", *url;
	struct mint m = { 0 };
	const struct option_spec specs[] = {
		{ "audience", OPT_TEXT, &m.audience },
		{ "from", OPT_TEXT, &from },
		{ "env", OPT_TEXT, &m.env },
		{ "file", OPT_TEXT, &m.file },
		{ "command", OPT_TEXT, &m.command },
		{ "shell", OPT_FLAG, &m.shell },
	};
	GG_AUTO_MEM char *origin = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 1, 1, &w,
		&err) != 0)
		return cli_usage(&err);
	if (!mint_from_parse(from, &m.from)) {
		gg_fail(&err, GG_E_INPUT, "--from %s is not known", from);
		return cli_usage(&err);
	}
	url = gate_url(cli, m.audience);
	if (url == NULL || (origin = credential_origin(url)) == NULL) {
		gg_fail(&err, GG_E_INPUT,
		    "which gate? Give --url https://gate.example.com");
		return cli_usage(&err);
	}
	if (m.audience == NULL)
		m.audience = origin;
	/* an action that is not known is to be passed over (gitcredentials) */
	return strcmp(w.v[0], "get") == 0 ? get(origin, &m) : ignore();
}
