/* Where a job's token comes from. */
#include "cli/credential.h"

#include "base/fd.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_VARIABLE  "GITGATE_ID_TOKEN"
#define DEFAULT_PROJECTED "/var/run/secrets/gitgate/token"

bool
mint_from_parse(const char *word, enum mint_from *out)
{
	static const struct {
		const char *word;
		enum mint_from from;
	} all[] = {
		{ "auto", MINT_AUTO },
		{ "github", MINT_GITHUB },
		{ "gitlab", MINT_GITLAB },
		{ "env", MINT_GITLAB },
		{ "buildkite", MINT_BUILDKITE },
		{ "circleci", MINT_CIRCLECI },
		{ "kubernetes", MINT_KUBERNETES },
		{ "file", MINT_FILE },
		{ "command", MINT_COMMAND },
	};

	for (size_t i = 0; i < GG_COUNT(all); i++)
		if (strcmp(all[i].word, word) == 0) {
			*out = all[i].from;
			return true;
		}
	return false;
}

/* The variable's value; NULL where it is not set or empty. */
static const char *
variable(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

static const char *
projected_file(const struct mint *m)
{
	return m->file ? m->file : DEFAULT_PROJECTED;
}

/* What is named on the command line first, then a token that somebody put
 * into the environment for us, then the CI system. */
static bool
detect(const struct mint *m, enum mint_from *from)
{
	if (m->command != NULL)
		*from = MINT_COMMAND;
	else if (m->file != NULL)
		*from = MINT_FILE;
	else if (m->env != NULL || variable(DEFAULT_VARIABLE) != NULL)
		*from = MINT_GITLAB;
	else if (variable("ACTIONS_ID_TOKEN_REQUEST_URL") != NULL ||
	    variable("GITHUB_ACTIONS") != NULL)
		*from = MINT_GITHUB;
	else if (variable("GITLAB_CI") != NULL)
		*from = MINT_GITLAB;
	else if (variable("BUILDKITE") != NULL)
		*from = MINT_BUILDKITE;
	else if (variable("CIRCLECI") != NULL)
		*from = MINT_CIRCLECI;
	else if (access(DEFAULT_PROJECTED, F_OK) == 0)
		*from = MINT_KUBERNETES;
	else
		return false;
	return true;
}

int
mint_detect(struct mint *m, struct gg_error *err)
{
	if (m->from != MINT_AUTO || detect(m, &m->from))
		return 0;
	return gg_fail(err, GG_E_NOTFOUND,
	    "nothing here mints a token for the gate: no " DEFAULT_VARIABLE
	    ", no CI system that is known, no file " DEFAULT_PROJECTED
	    "; name one with --from, --env, --file or --command");
}

static int
from_variable(const struct mint *m, struct buf *out, struct gg_error *err)
{
	const char *name = m->env ? m->env : DEFAULT_VARIABLE;
	const char *value = variable(name);

	if (value != NULL) {
		buf_adds(out, value);
		return 0;
	}
	if (variable("GITLAB_CI") != NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "this job has no ID token: give it `id_tokens: {%s: {aud: "
		    "%s}}`",
		    name, m->audience);
	return gg_fail(err, GG_E_NOTFOUND, "%s is not set", name);
}

/* Read again at each use: what projects it also renews it. */
static int
from_file(const char *path, struct buf *out, struct gg_error *err)
{
	struct stat st;
	int rc;

	/* a pipe would wait for a writer for ever */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return gg_fail(err, GG_E_INPUT, "%s is no regular file", path);
	if ((rc = file_read(path, out, err)) == GG_E_LIMIT)
		return gg_fail(err, rc,
		    "%s holds no token: it is longer than"
		    " %d bytes",
		    path, MINT_TOKEN_BYTES);
	return rc;
}

static int
from_buildkite(const struct mint *m, struct buf *out, struct gg_error *err)
{
	/* one issuer mints for all customers: without its id nobody could say
	 * whose job this is */
	static const char *const claims[] = { "--claim", "organization_id",
		"--claim", "pipeline_id" };
	static const char *const words[] = { "buildkite-agent", "oidc",
		"request-token", "--audience" };
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;

	for (size_t i = 0; i < GG_COUNT(words); i++)
		strv_add(&argv, words[i]);
	strv_add(&argv, m->audience);
	for (size_t i = 0; i < GG_COUNT(claims); i++)
		strv_add(&argv, claims[i]);
	return mint_run("buildkite-agent", &argv, out, err);
}

/* The variable's token is for the organisation's id as audience; the command
 * mints one for ours. */
static int
from_circleci(const struct mint *m, struct buf *out, struct gg_error *err)
{
	GG_AUTO_MEM char *program = mint_find_program("circleci");
	const char *value = variable("CIRCLE_OIDC_TOKEN_V2");
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;
	GG_AUTO_MEM char *claims = NULL;
	json_t *j;

	if (program == NULL && value == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "this job has no OIDC token: it needs a context"
		    " (CIRCLE_OIDC_TOKEN_V2) or the circleci command");
	if (program == NULL) {
		buf_adds(out, value);
		return 0;
	}
	if ((j = json_pack("{s:s}", "aud", m->audience)) != NULL)
		claims = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (claims == NULL)
		return gg_fail(err, GG_E_INPUT, "the audience is no text");
	strv_add(&argv, "circleci");
	strv_add(&argv, "run");
	strv_add(&argv, "oidc");
	strv_add(&argv, "get");
	strv_add(&argv, "--claims");
	strv_add(&argv, claims);
	return mint_run("circleci run oidc get", &argv, out, err);
}

static int
from_command(const struct mint *m, struct buf *out, struct gg_error *err)
{
	struct view rest = view_str(m->command), word;
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;

	if (m->shell) {
		strv_add(&argv, "sh");
		strv_add(&argv, "-c");
		strv_add(&argv, m->command);
		return mint_run("the command", &argv, out, err);
	}
	while (rest.n > 0) {
		if (!view_cut(&rest, ' ', &word)) {
			word = rest;
			rest = view_of("", 0);
		}
		if (word.n > 0)
			strv_addv(&argv, word);
	}
	if (argv.n == 0)
		return gg_fail(err, GG_E_INPUT, "--command is empty");
	return mint_run("the command", &argv, out, err);
}

static int
from_source(const struct mint *m, struct buf *out, struct gg_error *err)
{
	switch (m->from) {
	case MINT_GITHUB:
		return mint_github(m, out, err);
	case MINT_GITLAB:
		return from_variable(m, out, err);
	case MINT_BUILDKITE:
		return from_buildkite(m, out, err);
	case MINT_CIRCLECI:
		return from_circleci(m, out, err);
	case MINT_KUBERNETES:
		return from_file(projected_file(m), out, err);
	case MINT_FILE:
		if (m->file == NULL)
			return gg_fail(err, GG_E_INPUT,
			    "--from file needs --file");
		return from_file(m->file, out, err);
	case MINT_COMMAND:
		if (m->command == NULL)
			return gg_fail(err, GG_E_INPUT,
			    "--from command needs --command");
		return from_command(m, out, err);
	case MINT_AUTO:
		break;
	}
	gg_die("a source that was not looked for");
}

/* It becomes a line of git's protocol and a header: one visible word. */
static int
check_word(struct buf *b, struct gg_error *err)
{
	int rc = buf_check(b, err);

	if (rc != 0)
		return gg_wrap(err, rc, "the token");
	while (b->n > 0 && strchr(" \t\r\n", b->p[b->n - 1]) != NULL)
		b->p[--b->n] = '\0';
	if (b->n == 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "the token is empty");
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] <= ' ' || b->p[i] > '~')
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "what came is no token: it is not one line of "
			    "visible characters");
	return 0;
}

int
mint_token(const struct mint *m, struct buf *out, struct gg_error *err)
{
	int rc = from_source(m, out, err);

	return rc != 0 ? rc : check_word(out, err);
}
