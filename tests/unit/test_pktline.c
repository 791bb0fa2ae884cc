/* proto: pkt-lines, sidebands, capability lists. */
#include "proto/caps.h"
#include "proto/pktline.h"
#include "proto/sideband.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static const struct {
	const char *why;
	const char *in;
	int want; /* 1 packet, 0 more bytes needed, or a code */
	enum pkt_kind kind;
	size_t body, left;
} cases[] = {
	{ "nothing asks for more", "", 0, PKT_DATA, 0, 0 },
	{ "a short header asks for more", "000", 0, PKT_DATA, 0, 3 },
	{ "a short body asks for more", "0009abcd", 0, PKT_DATA, 0, 8 },
	{ "flush", "0000rest", 1, PKT_FLUSH, 0, 4 },
	{ "delim", "0001", 1, PKT_DELIM, 0, 0 },
	{ "response end", "0002", 1, PKT_RESPONSE_END, 0, 0 },
	{ "0003 can hold nothing", "0003", GG_E_PEER, PKT_DATA, 0, 4 },
	{ "0004 is an empty line, not a flush", "0004", 1, PKT_DATA, 0, 0 },
	{ "the body is cut at its length", "0007abcdef", 1, PKT_DATA, 3, 3 },
	{ "upper-case digits", "000Aabcdef", 1, PKT_DATA, 6, 0 },
	{ "a sign is no digit", "-001", GG_E_PEER, PKT_DATA, 0, 4 },
	{ "a blank is no digit", " 004", GG_E_PEER, PKT_DATA, 0, 4 },
	{ "0x is no digit", "0x04", GG_E_PEER, PKT_DATA, 0, 4 },
	{ "65521 is refused before it is awaited", "fff1", GG_E_PEER, PKT_DATA,
	    0, 4 },
	{ "65520 is awaited", "fff0", 0, PKT_DATA, 0, 4 },
};

static void
pkt_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct view in = view_str(cases[i].in), body = { 0 };
		enum pkt_kind kind = PKT_DATA;
		struct gg_error err = { 0 };
		int rc = pkt_next(&in, &kind, &body, &err);

		if (rc != cases[i].want || in.n != cases[i].left ||
		    (rc == 1 &&
			(kind != cases[i].kind || body.n != cases[i].body)) ||
		    (rc < 0) != (err.msg[0] != '\0'))
			fail_msg("%s: %d", cases[i].why, rc);
	}
}

static void
pkt_writing(void **state)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(200000);
	GG_AUTO_MEM char *big = calloc(1, PKT_BODY_MAX + 1);

	(void)state;
	pkt_addf(&out, "%s %d\n", "x", 7);
	pkt_flush(&out);
	pkt_delim(&out);
	assert_string_equal(buf_str(&out), "0008x 7\n00000001");
	buf_clear(&out);
	pkt_add(&out, view_of(big, PKT_BODY_MAX));
	assert_int_equal(out.n, LARGE_PACKET_MAX);
	assert_memory_equal(out.p, "fff0", 4);
	pkt_add(&out, view_of(big, PKT_BODY_MAX + 1));
	assert_int_equal(buf_check(&out, NULL), GG_E_LIMIT);
	assert_int_equal(out.n, LARGE_PACKET_MAX);
	assert_true(view_eq_str(pkt_text(view_str("a\n")), "a"));
	assert_true(view_eq_str(pkt_text(view_str("a\n\n")), "a\n"));
	assert_true(view_eq_str(pkt_text(view_str("")), ""));
}

/* What is written on a band, of any size, is read there again. */
static void
sideband_travels(void **state)
{
	static const size_t sizes[] = { 0, 1, SIDEBAND_BODY_MAX - 1,
		SIDEBAND_BODY_MAX, SIDEBAND_BODY_MAX + 1,
		3 * SIDEBAND_BODY_MAX };
	GG_AUTO_MEM char *data = malloc(3 * SIDEBAND_BODY_MAX);

	(void)state;
	for (size_t i = 0; i < 3 * (size_t)SIDEBAND_BODY_MAX; i++)
		data[i] = (char)(i * 7);
	for (size_t i = 0; i < GG_COUNT(sizes); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(1000000);
		GG_AUTO_RELEASE(buf) back = BUF_INIT(1000000);
		struct view in, body;
		int band;

		sideband_add(&out, SIDEBAND_DATA, view_of(data, sizes[i]));
		pkt_flush(&out);
		in = buf_view(&out);
		while (sideband_next(&in, &band, &body, NULL) == 1 && band) {
			assert_int_equal(band, SIDEBAND_DATA);
			buf_addv(&back, body);
		}
		assert_int_equal(band, 0);
		assert_int_equal(in.n, 0);
		assert_true(view_eq(buf_view(&back), view_of(data, sizes[i])));
	}
}

static void
sideband_table(void **state)
{
	static const struct {
		const char *why;
		struct view in;
		int want;
	} rows[] = {
		{ "text", { "0009\2abc\n", 9 }, 1 },
		{ "empty keepalive", { "0005\1", 5 }, 1 },
		{ "flush", { "0000", 4 }, 1 },
		{ "not all there", { "0009\2ab", 7 }, 0 },
		{ "no band", { "0004", 4 }, GG_E_PEER },
		{ "band 0", { "0005\0", 5 }, GG_E_PEER },
		{ "band 4", { "0005\4", 5 }, GG_E_PEER },
		{ "band 255", { "0005\xff", 5 }, GG_E_PEER },
		{ "delim", { "0001", 4 }, GG_E_PEER },
	};
	GG_AUTO_RELEASE(buf) out = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct view in = rows[i].in, body;
		int band, rc = sideband_next(&in, &band, &body, NULL);

		if (rc != rows[i].want || (rc != 1 && in.n != rows[i].in.n))
			fail_msg("%s: %d", rows[i].why, rc);
	}
	sideband_text(&out, "held");
	assert_string_equal(buf_str(&out), "000a\2held\n");
}

static void
capabilities(void **state)
{
	GG_AUTO_RELEASE(strv) caps = STRV_INIT;
	GG_AUTO_RELEASE(strv) bad = STRV_INIT;
	GG_AUTO_MEM char *lots = calloc(1, 2 * (CAPS_MAX + 1) + 1);
	GG_AUTO_MEM char *big = calloc(1, CAPS_ONE_MAX_BYTES + 2);

	(void)state;
	assert_int_equal(caps_parse(view_str(" a  b=c=d ab=  "), &caps, NULL),
	    0);
	assert_int_equal(caps.n, 3);
	assert_string_equal(caps_value(&caps, "a"), "");
	assert_string_equal(caps_value(&caps, "b"), "c=d");
	assert_string_equal(caps_value(&caps, "ab"), "");
	assert_null(caps_value(&caps, "c"));
	assert_false(caps_has(&caps, ""));
	assert_int_equal(caps_parse(view_str("=x"), &bad, NULL), GG_E_PEER);
	assert_int_equal(caps_parse(view_str("a\tb"), &bad, NULL), GG_E_PEER);
	assert_int_equal(caps_parse(view_of("a\0b", 3), &bad, NULL), GG_E_PEER);
	memset(big, 'x', CAPS_ONE_MAX_BYTES + 1);
	assert_int_equal(caps_parse(view_str(big), &bad, NULL), GG_E_PEER);
	for (size_t i = 0; i <= CAPS_MAX; i++)
		memcpy(lots + 2 * i, "x ", 2);
	assert_int_equal(caps_parse(view_str(lots), &bad, NULL), GG_E_PEER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pkt_table),
		cmocka_unit_test(pkt_writing),
		cmocka_unit_test(sideband_travels),
		cmocka_unit_test(sideband_table),
		cmocka_unit_test(capabilities),
	};

	return cmocka_run_group_tests_name("pktline", tests, NULL, NULL);
}
