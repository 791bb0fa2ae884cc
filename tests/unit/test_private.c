/* Personal values of audit entries: sealed, opened, erased. */
#include "audit/private.h"
#include "audit/tile.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static json_t *
review(void)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:{s:s, s:i},"
			 " s:{s:s, s:{s:s}}, s:[s]}",
	    "type", "hold.review", "reviewer", "ann", "comment",
	    "tr\xc3\xa4um \"x\" \x7f\n", "client", "addr", "192.0.2.7", "agent",
	    "", "reason", "because", "claimed", "b", "\xf0\x9f\x98\x80", "a", 1,
	    "auth", "method", "oidc", "verified", "email", "ann@example.com",
	    "emails", "a@example.com");
}

static json_t *
sealed(struct buf *opening)
{
	struct gg_error err = { 0 };
	json_t *e = review();

	if (private_seal(e, opening, &err) != 0)
		fail_msg("%s", err.msg);
	return e;
}

static char *
text_of(const json_t *e)
{
	char *text = json_dumps(e, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	return text;
}

static void
sealed_and_opened(void **state)
{
	GG_AUTO_RELEASE(buf) a = BUF_INIT(10000), b = BUF_INIT(10000);
	json_t *one = sealed(&a), *two = sealed(&b), *was = review();
	GG_AUTO_MEM char *text = text_of(one);
	private_set erased = 1;
	struct gg_error err = { 0 };

	(void)state;
	/* names and methods stay, values do not; each has a salt of its own */
	assert_non_null(strstr(text, "\"reviewer\":\"ann\""));
	assert_non_null(strstr(text, "\"method\":\"oidc\""));
	for (const char **w = (const char *[]){ "192.0.2.7", "um ", "because",
		 "example.com", "\"a\":1", NULL };
	     *w != NULL; w++)
		assert_null(strstr(text, *w));
	assert_false(json_equal(one, two));
	assert_int_equal(private_clear(one), 0);
	assert_int_equal(private_sealed(one),
	    private_place_find("comment") | private_place_find("client.addr") |
		private_place_find("client.agent") |
		private_place_find("reason") | private_place_find("claimed") |
		private_place_find("auth.verified") |
		private_place_find("emails"));
	if (private_open(one, buf_view(&a), &erased, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(erased, 0);
	assert_true(json_equal(one, was));
	/* another entry's opening is not this one's */
	assert_int_equal(private_open(two, buf_view(&a), &erased, &err),
	    GG_E_CORRUPT);
	assert_non_null(strstr(err.msg, "not what was logged"));
	json_decref(one);
	json_decref(two);
	json_decref(was);
}

/* The reason of a machine is no person's; entries of before stay as they are */
static void
what_is_left_alone(void **state)
{
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(1000), out = BUF_INIT(1000);
	json_t *e = json_pack("{s:s, s:s, s:s}", "type", "push.refused",
	    "reason", "limit pack-size", "principal", "ann");
	json_t *was = json_deep_copy(e);
	const char *old =
	    "{\"client\":{\"addr\":\"192.0.2.7\"},\"type\":\"x\"}";
	json_t *clear;

	(void)state;
	assert_int_equal(private_seal(e, &opening, NULL), 0);
	assert_true(json_equal(e, was));
	assert_int_equal(opening.n, 0);
	assert_int_equal(private_open_text(view_str(old), view_str(""), &out,
			     NULL),
	    0);
	assert_string_equal(buf_str(&out), old);
	clear = json_loads(old, 0, NULL);
	assert_int_equal(private_clear(clear),
	    private_place_find("client.addr"));
	assert_int_equal(private_sealed(clear), 0);
	json_decref(clear);
	json_decref(e);
	json_decref(was);
}

static void
erased_in_parts(void **state)
{
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(10000), left = BUF_INIT(10000);
	GG_AUTO_RELEASE(buf) none = BUF_INIT(10000);
	private_set where = private_addresses() | private_place_find("claimed");
	private_set gone = 0, erased = 0;
	json_t *e = sealed(&opening), *list;

	(void)state;
	assert_int_equal(private_erase(buf_view(&opening), where, &left, &gone,
			     NULL),
	    0);
	assert_int_equal(gone,
	    private_place_find("client.addr") |
		private_place_find("client.agent") |
		private_place_find("claimed"));
	assert_null(strstr(buf_str(&left), "192.0.2.7"));
	assert_int_equal(private_open(e, buf_view(&left), &erased, NULL), 0);
	assert_int_equal(erased, gone);
	list = json_object_get(e, "erased");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_object_get(e,
								  "client"),
				"addr")),
	    "[erased]");
	assert_true(json_is_true(json_object_get(json_object_get(e, "claimed"),
	    "erased")));
	assert_string_equal(json_string_value(json_object_get(e, "reason")),
	    "because");
	/* again there is nothing; then all */
	assert_int_equal(private_erase(buf_view(&left), where, &none, &gone,
			     NULL),
	    0);
	assert_int_equal(gone, 0);
	buf_clear(&none);
	assert_int_equal(private_erase(buf_view(&left), PRIVATE_ALL, &none,
			     &gone, NULL),
	    0);
	assert_int_equal(none.n, 0);
	json_decref(e);
}

/* Every bit of an opening counts: none can be another's value. */
static void
flipped_bits(void **state)
{
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(10000), file = BUF_INIT(20000);
	GG_AUTO_RELEASE(buf) records = BUF_INIT(10000);
	json_t *e = sealed(&opening), *was = review();
	struct view got;

	(void)state;
	for (size_t at = 0; at < opening.n * 8; at++) {
		json_t *copy = json_deep_copy(e);
		private_set erased = 0;

		opening.p[at / 8] = (char)(opening.p[at / 8] ^ 1 << at % 8);
		if (private_open(copy, buf_view(&opening), &erased, NULL) == 0)
			assert_true(json_equal(copy, was));
		opening.p[at / 8] = (char)(opening.p[at / 8] ^ 1 << at % 8);
		json_decref(copy);
	}
	buf_addc(&records, 0);
	buf_addc(&records, 0);
	buf_addc(&records, (char)(opening.n >> 8));
	buf_addc(&records, (char)opening.n);
	buf_addv(&records, buf_view(&opening));
	private_bundle_format(buf_view(&records), &file);
	assert_int_equal(private_bundle_parse(buf_view(&file), &got, NULL), 0);
	assert_true(view_eq(got, buf_view(&records)));
	for (size_t at = 0; at < file.n * 8; at++) {
		file.p[at / 8] = (char)(file.p[at / 8] ^ 1 << at % 8);
		assert_int_equal(private_bundle_parse(buf_view(&file), &got,
				     NULL),
		    GG_E_CORRUPT);
		file.p[at / 8] = (char)(file.p[at / 8] ^ 1 << at % 8);
	}
	for (size_t n = 0; n < file.n; n++)
		assert_int_equal(private_bundle_parse(view_of(file.p, n), &got,
				     NULL),
		    GG_E_CORRUPT);
	json_decref(e);
	json_decref(was);
}

static void
too_much(void **state)
{
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	GG_AUTO_RELEASE(buf) records = BUF_INIT(1000), file = BUF_INIT(2000);
	GG_AUTO_MEM char *text = malloc(70001);
	struct view got;
	json_t *e;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	e = json_pack("{s:s, s:s}", "type", "hold.review", "comment", text);
	assert_int_equal(private_seal(e, &opening, NULL), GG_E_LIMIT);
	json_decref(e);
	for (unsigned i = 0; i < 2 * (TILE_WIDTH + 1); i++)
		buf_addc(&records, 0);
	private_bundle_format(buf_view(&records), &file);
	assert_int_equal(private_bundle_parse(buf_view(&file), &got, NULL),
	    GG_E_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_and_opened),
		cmocka_unit_test(what_is_left_alone),
		cmocka_unit_test(erased_in_parts),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
