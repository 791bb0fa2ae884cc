#include "base/auto.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char text[] =
    "state-dir: /state\n"
    "policy-dir: /policy\n"
    "store: postgresql://db/x\n"
    "limits: {upstream-idle: 7s}\n"
    "repositories:\n"
    "  - {path: a, upstream: /a, hide-refs: [refs/x], fsck: {badDate: warn}}\n"
    "  - path: b/*\n"
    "    upstream: http://h/*\n"
    "    allow-plain-http: true\n"
    "    credential: {username: u, password-file: /pw, ca-file: /ca}\n"
    "  - path: c\n"
    "    upstream: git@h:c\n"
    "    credential: {ssh-key: /key, known-hosts: /kh}\n"
    "  - path: d\n"
    "    upstream: https://h/d\n"
    "    credential: {token-file: /token}\n"
    "  - path: e\n"
    "    upstream: https://h/e\n"
    "    credential: {credential-helper: store}\n";

static void
encode(struct buf *out)
{
	GG_AUTO(config) c = NULL;

	assert_int_equal(config_parse(view_str(text), "c", &c, NULL), 0);
	config_courier_encode(c, out);
	assert_int_equal(buf_check(out, NULL), 0);
}

static void
test_round_trip(void **state)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(1 << 20);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(1 << 20);
	GG_AUTO(config) c = NULL;
	struct gg_error err = { 0 };

	(void)state;
	encode(&one);
	if (config_courier_decode(buf_view(&one), &c, &err) < 0)
		fail_msg("%s", err.msg);
	config_courier_encode(c, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_int_equal(c->n_repositories, 5);
	assert_int_equal(c->limits.upstream_idle_ms, 7000);
	assert_string_equal(c->repositories[1].credential.password_file, "/pw");
	assert_true(c->repositories[1].allow_plain_http);
	assert_null(c->repositories[1].credential.token_file);
	assert_int_equal(c->repositories[2].kind, UPSTREAM_SSH);
	assert_string_equal(c->repositories[4].credential.helper, "store");
}

/* What the courier may not know is not in the bytes at all. */
static void
test_nothing_else(void **state)
{
	static const char *const hidden[] = { "/state", "/policy", "postgres",
		"refs/x", "badDate" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

	(void)state;
	encode(&b);
	for (size_t i = 0; i < GG_COUNT(hidden); i++)
		assert_null(memmem(b.p, b.n, hidden[i], strlen(hidden[i])));
}

/* Every cut and every byte too many is refused, and nothing is handed out. */
static void
test_damaged(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

	(void)state;
	encode(&b);
	for (size_t n = 0; n < b.n; n++) {
		GG_AUTO(config) c = NULL;

		assert_int_not_equal(config_courier_decode(view_of(b.p, n), &c,
					 NULL),
		    0);
		assert_null(c);
	}
	for (size_t i = 0; i < b.n; i++) {
		GG_AUTO(config) c = NULL;
		char was = b.p[i];

		b.p[i] = (char)0xff;
		/* a text or a number may read differently, no more */
		if (config_courier_decode(buf_view(&b), &c, NULL) == 0)
			assert_true(c->n_repositories == 5);
		b.p[i] = was;
	}
	buf_addc(&b, 0);
	{
		GG_AUTO(config) c = NULL;

		assert_int_equal(config_courier_decode(buf_view(&b), &c, NULL),
		    GG_E_PEER);
		assert_null(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_nothing_else),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
