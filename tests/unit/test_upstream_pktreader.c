#include "upstream/credential.h"
#include "upstream/pktreader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int
note(void *ctx, enum pkt_kind kind, struct view body, struct gg_error *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%d:%.*s;", (int)kind, (int)body.n, body.p);
	return view_eq_str(body, "stop") ? 7 : 0;
}

static void
test_any_split(void **state)
{
	static const char in[] = "0005a00000006bc00010008stuf0004";
	static const char want[] = "0:a;1:;0:bc;2:;0:stuf;0:;";
	size_t n = sizeof(in) - 1;

	(void)state;
	for (size_t i = 0; i <= n; i++)
		for (size_t k = i; k <= n; k++) {
			GG_AUTO_RELEASE(pktreader) r;
			GG_AUTO_RELEASE(buf) got = BUF_INIT(1000);

			pktreader_init(&r);
			assert_int_equal(pktreader_feed(&r, view_of(in, i),
					     note, &got, NULL),
			    0);
			assert_int_equal(pktreader_feed(&r,
					     view_of(in + i, k - i), note, &got,
					     NULL),
			    0);
			assert_int_equal(pktreader_feed(&r,
					     view_of(in + k, n - k), note, &got,
					     NULL),
			    0);
			assert_string_equal(buf_str(&got), want);
			assert_false(pktreader_is_torn(&r));
		}
}

static void
test_ends(void **state)
{
	GG_AUTO_RELEASE(pktreader) r;
	GG_AUTO_RELEASE(buf) got = BUF_INIT(1000);
	struct gg_error err;

	(void)state;
	pktreader_init(&r);
	assert_int_equal(pktreader_feed(&r, view_str("0008stop0005x"), note,
			     &got, &err),
	    7);
	assert_string_equal(buf_str(&got), "0:stop;");
	assert_int_equal(pktreader_feed(&r, view_str("zzzz"), note, &got, &err),
	    GG_E_PEER);
}

static void
test_large(void **state)
{
	GG_AUTO_RELEASE(pktreader) r;
	GG_AUTO_RELEASE(buf) in = BUF_INIT(1 << 20);
	GG_AUTO_RELEASE(buf) got = BUF_INIT(1 << 20);
	GG_AUTO_MEM char *body = calloc(1, PKT_BODY_MAX);

	(void)state;
	assert_non_null(body);
	memset(body, 'x', PKT_BODY_MAX);
	for (int i = 0; i < 4; i++)
		pkt_add(&in, view_of(body, PKT_BODY_MAX));
	pktreader_init(&r);
	assert_int_equal(pktreader_feed(&r, buf_view(&in), note, &got, NULL),
	    0);
	assert_int_equal(got.n, 4 * (PKT_BODY_MAX + strlen("0:;")));
}

static const struct {
	const char *helper, *argv; /* NULL: refused */
} helpers[] = {
	{ "store", "/usr/bin/git credential-store get" },
	{ "store --file=/x", "/usr/bin/git credential-store --file=/x get" },
	{ "/opt/vault  a\tb", "/opt/vault a b get" },
	{ "!/opt/vault a", "/opt/vault a get" },
	{ "/opt/vault $(id);id", "/opt/vault $(id);id get" },
	{ "!vault", NULL },
	{ "! ", NULL },
	{ "", NULL },
};

static void
test_helpers(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(helpers); i++) {
		GG_AUTO_RELEASE(strv) argv = STRV_INIT;
		GG_AUTO_RELEASE(buf) got = BUF_INIT(1000);
		int rc = credential_argv(helpers[i].helper, &argv, NULL);

		assert_int_equal(rc, helpers[i].argv ? 0 : GG_E_INPUT);
		for (size_t k = 0; k < argv.n && rc == 0; k++)
			buf_addf(&got, "%s%s", k ? " " : "", argv.v[k]);
		if (rc == 0)
			assert_string_equal(buf_str(&got), helpers[i].argv);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_split),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
