#include "upstream/credential.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "upstream/carrier.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_BYTES 65536
#define ANSWER_BYTES (2 * SECRET_BYTES)

/* A header value cannot carry control bytes. */
static int
check_secret(struct view v, struct gg_error *err)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return gg_fail(err, GG_E_INPUT,
			    "a secret with a control byte");
	return 0;
}

static int
basic(const char *username, struct view password, struct redact *red,
    struct buf *out, struct gg_error *err)
{
	struct buf pair = BUF_INIT(ANSWER_BYTES);
	int rc = check_secret(view_str(username), err);

	if (rc == 0)
		rc = check_secret(password, err);
	if (rc != 0)
		return rc;
	redact_add_basic(red, username, password);
	buf_addf(&pair, "%s:", username);
	buf_addv(&pair, password);
	buf_adds(out, "Basic ");
	base64_encode(out, buf_view(&pair));
	rc = buf_check(&pair, err);
	secret_release(&pair);
	return rc != 0 ? rc : buf_check(out, err);
}

static int
bearer(struct view token, struct redact *red, struct buf *out,
    struct gg_error *err)
{
	int rc = check_secret(token, err);

	if (rc != 0)
		return rc;
	redact_add(red, token);
	buf_adds(out, "Bearer ");
	buf_addv(out, token);
	return buf_check(out, err);
}

static void
split_words(const char *s, struct strv *out)
{
	while (*s != '\0') {
		size_t n = strcspn(s, " \t");

		if (n > 0)
			strv_addv(out, view_of(s, n));
		s += n + strspn(s + n, " \t");
	}
}

int
credential_argv(const char *helper, struct strv *argv, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) words = STRV_INIT;
	size_t from = 0;

	split_words(helper[0] == '!' ? helper + 1 : helper, &words);
	if (words.n == 0)
		return gg_fail(err, GG_E_INPUT, "an empty credential helper");
	if (words.v[0][0] != '/' && helper[0] == '!')
		return gg_fail(err, GG_E_INPUT,
		    "credential helper: an absolute path is needed");
	if (words.v[0][0] != '/') {
		strv_add(argv, "/usr/bin/git");
		strv_addf(argv, "credential-%s", words.v[0]);
		from = 1;
	}
	for (size_t i = from; i < words.n; i++)
		strv_add(argv, words.v[i]);
	strv_add(argv, "get");
	return strv_check(argv, err);
}

/* "protocol=", "host=" from the URL, as git asks a helper. */
static int
helper_question(const struct upstream *u, struct buf *out, struct gg_error *err)
{
	struct view v = view_str(u->url), scheme, host;

	if (!view_cut(&v, ':', &scheme) || !view_has_prefix(v, "//"))
		return gg_fail(err, GG_E_INPUT, "not a URL");
	view_skip(&v, 2);
	if (!view_cut(&v, '/', &host))
		host = v;
	buf_addf(out, "protocol=%.*s\nhost=%.*s\n", (int)scheme.n, scheme.p,
	    (int)host.n, host.p);
	if (u->credential.username != NULL)
		buf_addf(out, "username=%s\n", u->credential.username);
	buf_addc(out, '\n');
	return buf_check(out, err);
}

static int
ask_helper(const struct upstream *u, struct buf *answer, struct gg_error *err)
{
	static char *const envp[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
		(char *)(uintptr_t) "LANG=C", (char *)(uintptr_t) "HOME=/",
		(char *)(uintptr_t) "GIT_TERMINAL_PROMPT=0",
		(char *)(uintptr_t) "GIT_CONFIG_NOSYSTEM=1", NULL };
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;
	GG_AUTO_RELEASE(buf) question = BUF_INIT(8192);
	GG_AUTO_RELEASE(carrier) c = CARRIER_INIT;
	struct carrier_io io = { .file = -1,
		.close_in = true,
		.take = buf_collect,
		.ctx = answer,
		.idle_ms = CREDENTIAL_HELPER_MS,
		.deadline = clock_mono_ms() + CREDENTIAL_HELPER_MS };
	int rc, status;

	if ((rc = credential_argv(u->credential.helper, &argv, err)) != 0 ||
	    (rc = helper_question(u, &question, err)) != 0)
		return rc;
	io.head = buf_view(&question);
	if ((rc = carrier_start(&c, argv.v, envp, err)) != 0 ||
	    (rc = carrier_pump(&c, &io, err)) != 0)
		return gg_wrap(err, rc, "credential helper");
	carrier_end(&c, CREDENTIAL_HELPER_MS, &status);
	if (status != 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the credential helper failed");
	return 0;
}

/* The value of "key=" in a helper's answer. */
static bool
answer_value(struct view answer, const char *key, struct view *value)
{
	struct view line, name;

	while (view_cut(&answer, '\n', &line)) {
		if (!view_cut(&line, '=', &name) || !view_eq_str(name, key))
			continue;
		*value = line;
		return true;
	}
	return false;
}

static int
from_helper(const struct upstream *u, struct redact *red, struct buf *out,
    struct gg_error *err)
{
	struct buf answer = BUF_INIT(ANSWER_BYTES);
	GG_AUTO_MEM char *name = NULL;
	struct view username, password = { 0 };
	int rc = ask_helper(u, &answer, err);

	if (rc == 0 && !answer_value(buf_view(&answer), "password", &password))
		rc = gg_fail(err, GG_E_UNAVAILABLE,
		    "the credential helper has no password");
	if (rc == 0) {
		if (!answer_value(buf_view(&answer), "username", &username))
			username = view_str(u->credential.username);
		if ((name = view_dup(username)) == NULL)
			rc = gg_fail(err, GG_E_NOMEM, "credential");
		else
			rc = basic(name, password, red, out, err);
	}
	secret_release(&answer);
	return rc;
}

static int
from_file(const char *file, const char *username, struct redact *red,
    struct buf *out, struct gg_error *err)
{
	struct buf secret = BUF_INIT(SECRET_BYTES);
	int rc = file_read_secret(file, &secret, err);

	if (rc == 0 && username != NULL)
		rc = basic(username, buf_view(&secret), red, out, err);
	else if (rc == 0)
		rc = bearer(buf_view(&secret), red, out, err);
	secret_release(&secret);
	return rc;
}

int
credential_header(const struct upstream *u, struct redact *red, struct buf *out,
    struct gg_error *err)
{
	const struct credential *c = &u->credential;
	int rc = 0;

	if (c->helper != NULL)
		rc = from_helper(u, red, out, err);
	else if (c->token_file != NULL)
		rc = from_file(c->token_file, NULL, red, out, err);
	else if (c->password_file != NULL)
		rc = from_file(c->password_file,
		    c->username != NULL ? c->username : "git", red, out, err);
	if (rc == 0)
		return 0;
	(void)gg_wrap(err, rc, "credential of upstream");
	if (err != NULL)
		err->code = GG_E_UNAVAILABLE;
	return GG_E_UNAVAILABLE;
}
