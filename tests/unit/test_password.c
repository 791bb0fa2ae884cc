#include "crypto/password.h"

#include "base/auto.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

static void
hash_then_verify(void **state)
{
	GG_AUTO_MEM char *one = NULL, *two = NULL;
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(password_hash(view_str("tr0ub4dor"), &one, &err), 0);
	assert_int_equal(password_hash(view_str("tr0ub4dor"), &two, &err), 0);
	assert_string_not_equal(one, two); /* each has its own salt */
	assert_true(view_has_prefix(view_str(one),
	    "$argon2id$v=19$m=65536,t=3,p=1$"));
	assert_true(password_verify(one, view_str("tr0ub4dor")));
	assert_true(password_verify(two, view_str("tr0ub4dor")));
	assert_false(password_verify(one, view_str("tr0ub4dos")));
	assert_false(password_verify(one, view_of("tr0ub4dor\0", 10)));
	assert_false(password_verify_dummy(view_str("tr0ub4dor")));
}

/* Processor time, so that a busy machine does not change the answer. */
static int64_t
cpu_ns(void)
{
	struct timespec ts = { 0 };

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
dummy_costs_the_same(void **state)
{
	GG_AUTO_MEM char *hash = NULL;
	int64_t t0, t1, t2;

	(void)state;
	assert_int_equal(password_hash(view_str("right"), &hash, NULL), 0);
	t0 = cpu_ns();
	assert_false(password_verify(hash, view_str("wrong")));
	t1 = cpu_ns();
	assert_false(password_verify_dummy(view_str("wrong")));
	t2 = cpu_ns();
	assert_true(t2 - t1 > (t1 - t0) / 3);
	assert_true(t1 - t0 > (t2 - t1) / 3);
}

/* RFC 9106 has no vector without secret; this one is argon2's own tool's:
 * echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -v 13 */
static void
known_hash(void **state)
{
	(void)state;
	assert_true(
	    password_verify("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ"
			    "$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		view_str("password")));
}

static void
refusals(void **state)
{
	static const char *const bad[] = { "", "x", "$argon2id$",
		"$argon2id$v=19$m=99999999,t=3,p=1$c29tZXNhbHQ$AAAA",
		"$argon2id$v=19$m=65536,t=300,p=1$c29tZXNhbHQ$AAAA",
		"$argon2id$v=19$m=65536,t=3,p=99$c29tZXNhbHQ$AAAA",
		"$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$",
		("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
		 "wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA") };
	char big[PASSWORD_MAX_BYTES + 1];
	GG_AUTO_MEM char *out = NULL;
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++)
		assert_false(password_verify(bad[i], view_str("password")));
	assert_false(password_verify(NULL, view_str("password")));
	memset(big, 'x', sizeof(big));
	assert_int_equal(password_hash(view_of(big, sizeof(big)), &out, &err),
	    GG_E_INPUT);
	assert_int_equal(password_hash(view_str(""), &out, &err), GG_E_INPUT);
	assert_null(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_then_verify),
		cmocka_unit_test(dummy_costs_the_same),
		cmocka_unit_test(known_hash),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
