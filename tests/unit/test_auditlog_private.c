/*
 * Openings beside the log: erased from files, memory and journal; verified;
 * and a journal of the version before them.
 */
#include "auditlog_place.h"

#include "crypto/digest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static void
get_file(const struct place *p, const char *name, struct buf *out)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->log, name);

	buf_clear(out);
	assert_int_equal(file_read(path, out, NULL), 0);
}

static void
set_file(const struct place *p, const char *name, struct view v)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->log, name);

	assert_int_equal(file_write(path, v, 0600, false, NULL), 0);
}

static bool
is_erased(struct auditlog *l, uint64_t i)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	struct gg_error err = { 0 };

	if (auditlog_read_opened(l, i, &b, &err) != 0)
		fail_msg("%llu: %s", (unsigned long long)i, err.msg);
	return strstr(buf_str(&b), "[erased]") != NULL;
}

/* An entry that says so, as the gate writes it before. */
static void
say_erased(struct auditlog *l, const struct audit_range *r, size_t n)
{
	json_t *e = json_pack("{s:s, s:[], s:[s, s]}", "type", "redaction",
	    "entries", "places", "client.addr", "claimed");

	for (size_t i = 0; i < n; i++)
		json_array_append_new(json_object_get(e, "entries"),
		    json_pack("[I, I]", (json_int_t)r[i].first,
			(json_int_t)r[i].last));
	assert_int_equal(auditlog_append(l, &e, 1, NULL, NULL), 0);
	json_decref(e);
}

static int
census(const struct place *p, struct private_census *out, struct gg_error *err)
{
	uint64_t size = 0;
	char root[45];

	assert_int_equal(verify_log(p, &size, root, NULL), 0);
	return auditlog_verify_private(p->log, size, out, err);
}

static void
erased_everywhere(void **state)
{
	static const struct audit_range gone[] = { { 0, 0 }, { 3, 3 },
		{ 250, 261 }, { 595, 596 } };
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct private_census c;
	uint64_t values = 0;
	struct gg_error err = { 0 };

	must_append(l, 0, 600);
	if (auditlog_erase(l, gone, GG_COUNT(gone), PRIVATE_ALL, &values,
		&err) != 0)
		fail_msg("%s", err.msg);
	/* of 16 entries, 3 (254, 259, and none else) have no personal data */
	assert_int_equal(values, 2 * (16 - 2));
	/* twice is once */
	assert_int_equal(auditlog_erase(l, gone, GG_COUNT(gone), PRIVATE_ALL,
			     &values, NULL),
	    0);
	assert_int_equal(values, 0);
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < 600; i++) {
			bool in = i == 0 || i == 3 || (i >= 250 && i <= 261) ||
			    (i >= 595 && i <= 596);

			if (in && i % 5 != 4)
				assert_true(is_erased(l, i));
			else
				expect_entry(l, i);
		}
		/* what comes does not bring it back */
		must_append(l, 600 + 5 * (unsigned)again, 5);
		auditlog_close(l);
		l = open_log(p);
	}
	auditlog_close(l);
	/* nobody said so */
	assert_int_equal(census(p, &c, &err), GG_E_CORRUPT);
	assert_non_null(strstr(err.msg, "entry 0: the opening of client.addr"));
	l = open_log(p);
	say_erased(l, gone, GG_COUNT(gone));
	auditlog_close(l);
	if (census(p, &c, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c.erased, 28);
	assert_int_equal(c.values, 2 * (610 - 610 / 5) - 28);
	must_verify(p, 611);
}

/* Only what is asked for, and only there. */
static void
some_places(void **state)
{
	static const struct audit_range all[] = { { 0, 9 } };
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	uint64_t values = 0;

	must_append(l, 0, 10);
	assert_int_equal(auditlog_erase(l, all, 1, private_addresses(), &values,
			     NULL),
	    0);
	assert_int_equal(values, 8);
	assert_int_equal(auditlog_read_opened(l, 1, &b, NULL), 0);
	assert_non_null(strstr(buf_str(&b), "\"addr\":\"[erased]\""));
	assert_non_null(strstr(buf_str(&b), " weiter"));
	assert_non_null(strstr(buf_str(&b), "\"erased\":[\"client.addr\"]"));
	auditlog_close(l);
}

/* Any byte of any opening, named. */
static void
damage_is_named(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	GG_AUTO_RELEASE(buf) good = BUF_INIT(1 << 20);
	struct private_census c;
	struct gg_error err = { 0 };

	must_append(l, 0, 300);
	auditlog_close(l);
	assert_int_equal(census(p, &c, &err), 0);
	assert_true(c.has_openings);
	for (int n = 0; n < 2; n++) {
		const char *name = n == 0 ? "private/000" : "private/001";

		get_file(p, name, &good);
		for (size_t at = 0; at < good.n; at += 211) {
			good.p[at] = (char)(good.p[at] ^ 4);
			set_file(p, name, buf_view(&good));
			good.p[at] = (char)(good.p[at] ^ 4);
			err = (struct gg_error){ 0 };
			assert_int_equal(census(p, &c, &err), GG_E_CORRUPT);
			assert_non_null(strstr(err.msg, name));
		}
		set_file(p, name, buf_view(&good));
	}
	assert_int_equal(census(p, &c, &err), 0);
}

#define LARGE 60000

static void
append_large(struct auditlog *l, unsigned n)
{
	json_t *e[64];
	char *text = test_malloc(LARGE + 1);
	struct gg_error err = { 0 };

	memset(text, 'x', LARGE);
	text[LARGE] = '\0';
	for (unsigned i = 0; i < n; i++)
		e[i] = json_pack("{s:s, s:{s:s}}", "type", "ref.update",
		    "claimed", "text", text);
	if (auditlog_append(l, e, n, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	for (unsigned i = 0; i < n; i++)
		json_decref(e[i]);
	test_free(text);
}

/* A bundle of nothing but entries whose values are as long as can be. */
static void
large_openings(void **state)
{
	static const struct audit_range gone[] = { { 1, 200 }, { 300, 319 } };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct private_census c;
	uint64_t values = 0;

	for (unsigned i = 0; i < 320; i += 64)
		append_large(l, 64);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(auditlog_read_opened(l, 255, &b, NULL), 0);
		assert_true(b.n > LARGE);
		assert_int_equal(auditlog_erase(l, gone, 2, PRIVATE_ALL,
				     &values, NULL),
		    0);
		assert_int_equal(values, again == 0 ? 220 : 0);
		auditlog_close(l);
		l = open_log(p);
	}
	say_erased(l, gone, 2);
	auditlog_close(l);
	assert_int_equal(census(p, &c, NULL), 0);
	assert_int_equal(c.values, 100);
	assert_int_equal(c.erased, 220);
	must_verify(p, 321);
}

struct writing {
	struct auditlog *l;
	atomic_bool stop;
	uint64_t n;
};

static void *
write_on(void *arg)
{
	struct writing *w = arg;

	for (; !atomic_load(&w->stop); w->n++)
		must_append(w->l, (unsigned)w->n, 1);
	return NULL;
}

/* Each as soon as it is there, while others write and are published. */
static void
erased_while_others_write(void **state)
{
	struct place *p = *state;
	struct writing w = { .l = open_log(p) };
	struct gg_error err = { 0 };
	uint64_t all = 0, size, next = 0;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, write_on, &w), 0);
	while (all < 100) {
		struct audit_range r = { next, next };
		uint64_t values = 0;

		if ((size = auditlog_size(w.l)) == next)
			continue;
		r.last = next = size - 1;
		if (auditlog_erase(w.l, &r, 1, PRIVATE_ALL, &values, &err) != 0)
			fail_msg("%s", err.msg);
		all += values;
		next++;
	}
	atomic_store(&w.stop, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < next; i++)
			if (i % 5 != 4)
				assert_true(is_erased(w.l, i));
		for (unsigned i = (unsigned)next; i < w.n; i++)
			expect_entry(w.l, i);
		auditlog_close(w.l);
		w.l = open_log(p);
	}
	auditlog_close(w.l);
}

static void
put_be(struct buf *b, uint64_t x, unsigned bytes)
{
	while (bytes-- > 0)
		buf_addc(b, (char)(x >> 8 * bytes & 255));
}

/* A frame as the version before openings wrote it is read, and published. */
static void
journal_of_before(void **state)
{
	static const char line[] =
	    "{\"client\":{\"addr\":\"192.0.2.9\"},\"seq\":3,"
	    "\"time\":\"2026-11-22T07:00:00.000Z\",\"type\":\"log.start\",\"v\":1}";
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	GG_AUTO_RELEASE(buf) body = BUF_INIT(1000), frame = BUF_INIT(1000);
	GG_AUTO_RELEASE(buf) got = BUF_INIT(1000);
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	unsigned char sum[DIGEST_SHA256_BYTES];

	must_append(l, 0, 3);
	auditlog_close(l);
	put_be(&body, 3, 8);
	put_be(&body, 1, 4);
	log_record_add(&body, view_str(line));
	buf_adds(&frame, "GGJ1");
	put_be(&frame, body.n, 4);
	digest_ctx_update(d, frame.p + 4, 4);
	digest_ctx_update(d, body.p, body.n);
	digest_ctx_final(d, sum);
	buf_add(&frame, sum, 8);
	buf_addv(&frame, buf_view(&body));
	set_file(p, "journal", buf_view(&frame));
	l = open_log(p);
	assert_int_equal(auditlog_size(l), 4);
	assert_int_equal(auditlog_read_opened(l, 3, &got, NULL), 0);
	assert_string_equal(buf_str(&got), line);
	must_append(l, 4, 2);
	auditlog_close(l);
	must_verify(p, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(erased_everywhere, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(some_places, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_named, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(large_openings, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(erased_while_others_write,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(journal_of_before, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
