/* When an issuer's keys are fetched, by a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/key_cache.h"

#include <string.h>

#include <cmocka.h>

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define NOW    (1000 * HOUR)

/* Two Ed25519 keys (RFC 8032's first two test vectors) of these names. */
static struct jwks *
keys(const char *a, const char *b)
{
	GG_AUTO_RELEASE(buf) json = BUF_INIT(4096);
	struct jwks *out = NULL;

	buf_addf(&json,
	    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\","
	    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\","
	    "\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\"}]}",
	    a, b);
	assert_int_equal(jwks_parse(buf_view(&json), "sig", &out, NULL), 0);
	assert_int_equal(jwks_n(out), 2);
	return out;
}

static void
go_down(struct key_cache *c, uint64_t retry_after_s, int64_t now)
{
	struct gg_error err = { 0 };

	(void)gg_fail(&err, GG_E_UNAVAILABLE, "down");
	key_cache_failed(c, &err, retry_after_s, now);
}

static void
test_first_use(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };

	(void)state;
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
	/* one flight: everybody else waits for it, whatever they ask for */
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_WAIT);
	assert_int_equal(key_cache_ask(&c, "x", NOW), KEY_WAIT);
	assert_int_equal(key_cache_ask(&c, NULL, NOW), KEY_WAIT);
	key_cache_got(&c, keys("a", "b"), 0, NOW);
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_USE);
	assert_int_equal(key_cache_ask(&c, NULL, NOW), KEY_USE);
	assert_int_equal(key_cache_ask(&c, "a", NOW + 10 * MINUTE - 1),
	    KEY_USE);
	assert_int_equal(key_cache_ask(&c, "a", NOW + 10 * MINUTE), KEY_FETCH);
	key_cache_release(&c);
}

static void
test_max_age_has_bounds(void **state)
{
	static const struct {
		uint64_t said;
		int64_t fresh;
	} cases[] = {
		{ 0, 10 * MINUTE },
		{ 1, 5 * MINUTE },
		{ 300, 5 * MINUTE },
		{ 301, 301 * SECOND },
		{ 3600, HOUR },
		{ 86400, 24 * HOUR },
		{ 86401, 24 * HOUR },
		{ UINT64_MAX, 24 * HOUR },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct key_cache c = { .cool_ms = 30 * SECOND };

		assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
		key_cache_got(&c, keys("a", "b"), cases[i].said, NOW);
		assert_int_equal(key_cache_ask(&c, "a",
				     NOW + cases[i].fresh - 1),
		    KEY_USE);
		assert_int_equal(key_cache_ask(&c, "a", NOW + cases[i].fresh),
		    KEY_FETCH);
		key_cache_release(&c);
	}
}

/* A flood of ids that no key has costs one fetch per cool-down. */
static void
test_unknown_ids(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };
	unsigned fetches = 0;

	(void)state;
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
	key_cache_got(&c, keys("a", "b"), 86400, NOW);
	for (int64_t t = 0; t < 10 * MINUTE; t += 100) {
		char kid[32];
		enum key_advice got;

		(void)snprintf(kid, sizeof(kid), "k%lld", (long long)t);
		got = key_cache_ask(&c, kid, NOW + t);
		assert_true(got == KEY_FETCH || got == KEY_UNKNOWN);
		if (got == KEY_FETCH) {
			fetches++;
			/* those who are known wait for nothing meanwhile */
			assert_int_equal(key_cache_ask(&c, "a", NOW + t),
			    KEY_USE);
			key_cache_got(&c, keys("a", "b"), 86400, NOW + t);
		}
		assert_int_equal(key_cache_ask(&c, "b", NOW + t), KEY_USE);
	}
	assert_int_equal(fetches, 19);
	key_cache_release(&c);
}

static void
test_rotation(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };
	int64_t later = NOW + 30 * SECOND;

	(void)state;
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
	key_cache_got(&c, keys("a", "b"), 86400, NOW);
	assert_int_equal(key_cache_ask(&c, "c", later - 1), KEY_UNKNOWN);
	assert_int_equal(key_cache_retry_s(&c, later - 1500), 2);
	assert_int_equal(key_cache_retry_s(&c, later + 5), 1);
	assert_int_equal(key_cache_ask(&c, "c", later), KEY_FETCH);
	key_cache_got(&c, keys("b", "c"), 86400, later);
	assert_int_equal(key_cache_ask(&c, "c", later), KEY_USE);
	/* what the issuer took away is gone */
	assert_int_equal(key_cache_ask(&c, "a", later), KEY_UNKNOWN);
	key_cache_release(&c);
}

static void
test_issuer_is_down(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };
	int64_t t = NOW + 10 * MINUTE;

	(void)state;
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
	key_cache_got(&c, keys("a", "b"), 0, NOW);
	assert_int_equal(key_cache_ask(&c, "a", t), KEY_FETCH);
	/* stale keys serve while it is asked, and after it did not answer */
	assert_int_equal(key_cache_ask(&c, "a", t), KEY_USE);
	go_down(&c, 0, t);
	assert_int_equal(key_cache_ask(&c, "a", t), KEY_USE);
	assert_int_equal(key_cache_ask(&c, "x", t), KEY_DOWN);
	assert_string_equal(c.err.msg, "down");
	assert_int_equal(key_cache_ask(&c, "x", t + 30 * SECOND - 1), KEY_DOWN);
	assert_int_equal(key_cache_ask(&c, "x", t + 30 * SECOND), KEY_FETCH);
	go_down(&c, 0, t + 30 * SECOND);
	/* for a day after they were fetched, no longer */
	t = NOW + 24 * HOUR;
	assert_int_equal(key_cache_ask(&c, "a", t - 1), KEY_FETCH);
	go_down(&c, 0, t - 1);
	assert_int_equal(key_cache_ask(&c, "a", t - 1), KEY_USE);
	assert_int_equal(key_cache_ask(&c, "a", t), KEY_DOWN);
	key_cache_release(&c);
}

static void
test_never_reached(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };

	(void)state;
	assert_int_equal(key_cache_ask(&c, NULL, NOW), KEY_FETCH);
	go_down(&c, 0, NOW);
	assert_int_equal(key_cache_ask(&c, "a", NOW + 1), KEY_DOWN);
	assert_int_equal(key_cache_ask(&c, "a", NOW + 30 * SECOND), KEY_FETCH);
	key_cache_release(&c);
}

static void
test_retry_after_has_bounds(void **state)
{
	static const struct {
		uint64_t said;
		int64_t wait;
	} cases[] = {
		{ 1, 30 * SECOND },
		{ 31, 31 * SECOND },
		{ 600, 10 * MINUTE },
		{ UINT64_MAX, 10 * MINUTE },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct key_cache c = { .cool_ms = 30 * SECOND };

		assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
		go_down(&c, cases[i].said, NOW);
		assert_int_equal(key_cache_ask(&c, "a",
				     NOW + cases[i].wait - 1),
		    KEY_DOWN);
		assert_int_equal(key_cache_ask(&c, "a", NOW + cases[i].wait),
		    KEY_FETCH);
		key_cache_release(&c);
	}
}

/* Who verifies with a set keeps it, whatever the cache does. */
static void
test_a_set_in_use_stays(void **state)
{
	struct key_cache c = { .cool_ms = 30 * SECOND };
	struct key_set *mine;

	(void)state;
	assert_int_equal(key_cache_ask(&c, "a", NOW), KEY_FETCH);
	key_cache_got(&c, keys("a", "b"), 0, NOW);
	mine = key_set_ref(c.set);
	key_cache_got(&c, keys("c", "d"), 0, NOW);
	assert_true(jwks_has(mine->keys, "a"));
	assert_false(jwks_has(c.set->keys, "a"));
	key_cache_release(&c);
	assert_true(jwks_has(mine->keys, "b"));
	key_set_unref(mine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_use),
		cmocka_unit_test(test_max_age_has_bounds),
		cmocka_unit_test(test_unknown_ids),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_issuer_is_down),
		cmocka_unit_test(test_never_reached),
		cmocka_unit_test(test_retry_after_has_bounds),
		cmocka_unit_test(test_a_set_in_use_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
