/* A batch has a ceiling of its own, whatever the configuration says. */
#include "auditlog_place.h"
#include "role/delivery_records.h"

#include <string.h>

#define ENTRIES 600
#define LARGE   60000

static void
append_large(struct auditlog *l)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(LARGE + 1);
	json_t *e[ENTRIES];

	for (int i = 0; i < LARGE; i++)
		buf_addc(&text, 'x');
	for (size_t i = 0; i < ENTRIES; i++)
		e[i] = json_pack("{s:s, s:s}", "type", "log.start", "version",
		    buf_str(&text));
	assert_int_equal(auditlog_append(l, e, ENTRIES, NULL, NULL), 0);
	for (size_t i = 0; i < ENTRIES; i++)
		json_decref(e[i]);
}

/* Read from there on; how many bytes the records have. */
static size_t
read_batch(struct auditlog *l, uint64_t from, struct delivery_records *out)
{
	const struct delivery_target t = { .format = 0 };
	const struct limits limits = { .delivery_bytes = UINT64_MAX };
	GG_AUTO_RELEASE(delivery_batch) b = { 0 };
	struct gg_error err = { 0 };
	size_t n = 0;

	if (delivery_records_read(l, &t, &limits, ENTRIES, from, ENTRIES, out,
		&err) != 0 ||
	    delivery_batch_decode(buf_view(&out->batch), &b, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(b.n, out->to - from);
	for (size_t i = 0; i < b.n; i++) {
		assert_int_equal(b.v[i].seq, from + i);
		n += b.v[i].text.n;
	}
	return n;
}

static void
no_batch_is_larger(void **state)
{
	struct auditlog *l = open_log(*state);
	GG_AUTO_RELEASE(delivery_records) first = { 0 }, second = { 0 };
	size_t n;

	append_large(l);
	n = read_batch(l, 0, &first);
	assert_true(first.to > 1 && first.to < ENTRIES);
	assert_in_range(n, DELIVERY_RECORDS_MAX - 2 * (size_t)LARGE,
	    DELIVERY_RECORDS_MAX);
	assert_true(first.batch.n <= DELIVERY_BATCH_MAX);
	assert_int_equal(DELIVERY_RECORDS_MAX, 32 << 20);
	/* the rest comes next */
	(void)read_batch(l, first.to, &second);
	assert_int_equal(second.to, ENTRIES);
	auditlog_close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_batch_is_larger, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
