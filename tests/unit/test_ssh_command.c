#include "upstream/ssh_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *url, *user, *host, *path;
	uint16_t port;
} good[] = {
	{ "ssh://git@host/a/b.git", "git", "host", "/a/b.git", 0 },
	{ "ssh://host:2222/x", NULL, "host", "/x", 2222 },
	{ "ssh://u@[::1]:22/x", "u", "::1", "/x", 22 },
	{ "ssh://u@[fe80::1]/x", "u", "fe80::1", "/x", 0 },
	{ "ssh://u@h/~me/x", "u", "h", "~me/x", 0 },
	{ "git@github.com:acme/app.git", "git", "github.com", "acme/app.git",
	    0 },
	{ "h:x", NULL, "h", "x", 0 },
	{ "u@[::1]:x", "u", "::1", "x", 0 },
	{ "u@h:22:x", "u", "h", "22:x", 0 },
	{ "u@h:it's", "u", "h", "it's", 0 },
};

static const struct {
	const char *why, *url;
} bad[] = {
	{ "empty", "" },
	{ "no path", "ssh://host" },
	{ "no path behind the colon", "host:" },
	{ "no host", "ssh:///x" },
	{ "no host before the colon", ":x" },
	{ "empty user", "ssh://@host/x" },
	{ "host like an option", "ssh://-oProxyCommand=x/x" },
	{ "host like an option, short form", "-oProxyCommand=x:x" },
	{ "user like an option", "ssh://-l@host/x" },
	{ "user with a blank", "ssh://a b@host/x" },
	{ "two users", "ssh://a@b@host/x" },
	{ "path like an option", "host:--upload-pack=x" },
	{ "newline in the path", "host:a\nb" },
	{ "escape in the path", "host:a\033b" },
	{ "host with a quote", "ssh://ho'st/x" },
	{ "host with a dollar", "ssh://$(id)/x" },
	{ "port 0", "ssh://h:0/x" },
	{ "port too large", "ssh://h:65536/x" },
	{ "port not a number", "ssh://h:2x/x" },
	{ "empty port", "ssh://h:/x" },
	{ "bracket left open", "ssh://[::1/x" },
	{ "text behind the bracket", "ssh://[::1]x/y" },
	{ "bracket with a name in it", "ssh://[-o]/y" },
	{ "password", "ssh://u:p@h/x" },
};

static void
test_urls(void **state)
{
	struct gg_error err;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(good); i++) {
		GG_AUTO_RELEASE(ssh_url) u = { 0 };

		if (ssh_url_parse(view_str(good[i].url), &u, &err) != 0)
			fail_msg("%s: %s", good[i].url, err.msg);
		assert_string_equal(u.user ? u.user : "-",
		    good[i].user ? good[i].user : "-");
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.path, good[i].path);
		assert_int_equal(u.port, good[i].port);
	}
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		GG_AUTO_RELEASE(ssh_url) u = { 0 };

		if (ssh_url_parse(view_str(bad[i].url), &u, &err) != GG_E_INPUT)
			fail_msg("%s was taken", bad[i].why);
	}
}

static const struct ssh_options plain = { .key = "/k/key",
	.known_hosts = "/k/known",
	.control = "/run/g/abc",
	.service = "git-receive-pack",
	.connect_ms = 1500,
	.alive_ms = 120000 };

static bool
has_option(const struct strv *argv, const char *value)
{
	for (size_t i = 0; i + 1 < argv->n; i++)
		if (strcmp(argv->v[i], "-o") == 0 &&
		    strcmp(argv->v[i + 1], value) == 0)
			return true;
	return false;
}

static void
build(const char *url, const struct ssh_options *o, struct strv *argv)
{
	GG_AUTO_RELEASE(ssh_url) u = { 0 };
	struct gg_error err;

	assert_int_equal(ssh_url_parse(view_str(url), &u, &err), 0);
	assert_int_equal(ssh_command(&u, o, argv, &err), 0);
}

static void
test_walls(void **state)
{
	static const char *const needed[] = { "BatchMode=yes",
		"StrictHostKeyChecking=yes", "UserKnownHostsFile=/k/known",
		"GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes",
		"IdentityAgent=none", "ForwardAgent=no",
		"ClearAllForwardings=yes", "PermitLocalCommand=no",
		"ProxyCommand=none", "ControlMaster=auto",
		"ControlPath=/run/g/abc", "ControlPersist=60",
		"ConnectTimeout=2", "ServerAliveInterval=40",
		"UpdateHostKeys=no" };
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;

	(void)state;
	build("ssh://git@host:7/x", &plain, &argv);
	assert_string_equal(argv.v[0], "/usr/bin/ssh");
	assert_string_equal(argv.v[1], "-F");
	assert_string_equal(argv.v[2], "none");
	for (size_t i = 0; i < GG_COUNT(needed); i++)
		if (!has_option(&argv, needed[i]))
			fail_msg("%s is missing", needed[i]);
}

static const struct {
	const char *url, *remote;
} quoting[] = {
	{ "h:a b", "git-receive-pack 'a b'" },
	{ "h:it's", "git-receive-pack 'it'\\''s'" },
	{ "h:a;id", "git-receive-pack 'a;id'" },
	{ "h:$(id)`id`", "git-receive-pack '$(id)`id`'" },
	{ "h:a!b", "git-receive-pack 'a'\\!'b'" },
	{ "h:a\\'b", "git-receive-pack 'a\\'\\''b'" },
};

static void
test_quoting(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(quoting); i++) {
		GG_AUTO_RELEASE(strv) argv = STRV_INIT;

		build(quoting[i].url, &plain, &argv);
		assert_string_equal(argv.v[argv.n - 1], quoting[i].remote);
		assert_string_equal(argv.v[argv.n - 2], "h");
		assert_string_equal(argv.v[argv.n - 3], "--");
	}
}

static void
test_refused_options(void **state)
{
	struct ssh_url u = { .host = (char *)(uintptr_t) "h",
		.path = (char *)(uintptr_t) "x" };
	struct ssh_options relative = plain, blank = plain, percent = plain,
			   none = plain, service = plain;
	const struct ssh_options *all[] = { &relative, &blank, &percent, &none,
		&service };

	(void)state;
	relative.key = "key";
	blank.known_hosts = "/a /b";
	percent.control = "/run/%C";
	none.key = NULL;
	service.service = "sh";
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		GG_AUTO_RELEASE(strv) argv = STRV_INIT;

		assert_int_equal(ssh_command(&u, all[i], &argv, NULL),
		    GG_E_INPUT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_walls),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_refused_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
