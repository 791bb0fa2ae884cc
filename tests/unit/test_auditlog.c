/*
 * The audit log on disk: durability, recovery, verification. With arguments
 * "make DIR N" it writes a log of N entries instead (tests/e2e uses that) and
 * prints its verifier key.
 */
#include "auditlog_place.h"

#include <pthread.h>
#include <sys/stat.h>

static void
empty_log(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100);
	struct stat st;

	assert_int_equal(auditlog_size(l), 0);
	assert_true(auditlog_is_writable(l));
	assert_int_equal(auditlog_read(l, 0, &b, &err), GG_E_NOTFOUND);
	assert_int_equal(auditlog_wait_published(l, 0, &err), GG_E_NOTFOUND);
	assert_int_equal(auditlog_append(l, NULL, 0, NULL, &err), GG_E_INPUT);
	auditlog_close(l);
	must_verify(p, 0);
	assert_int_equal(stat(p->key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
append_then_reopen(void **state)
{
	struct place *p = *state;
	static const unsigned sizes[] = { 1, 2, 250, 3, 1, 255, 257, 1 };
	unsigned total = 0;

	for (size_t i = 0; i < GG_COUNT(sizes); i++) {
		struct auditlog *l = open_log(p);

		assert_int_equal(auditlog_size(l), total);
		must_append(l, total, sizes[i]);
		total += sizes[i];
		assert_int_equal(auditlog_wait_published(l, total - 1, NULL),
		    0);
		must_verify(p, total);
		for (unsigned at = 0; at < total; at += 37)
			expect_entry(l, at);
		expect_entry(l, total - 1);
		auditlog_close(l);
	}
	must_verify(p, total);
}

static void
entry_is_canonical_and_chained(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	GG_AUTO_MEM char *one = NULL, *three = NULL;
	GG_AUTO_RELEASE(buf) opened = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	char time[32];
	json_int_t prev;
	json_t *j;

	must_append(l, 0, 4);
	one = read_entry(l, 1);
	three = read_entry(l, 3);
	assert_int_equal(auditlog_read_opened(l, 1, &opened, NULL), 0);
	auditlog_close(l);
	/* keys sorted, compact, ASCII; no prev on a ref's first entry */
	j = json_loads(one, 0, NULL);
	assert_non_null(j);
	(void)snprintf(time, sizeof(time), "%s",
	    json_string_value(json_object_get(j, "time")));
	json_decref(j);
	{
		GG_AUTO_MEM char *want =
		    path_f("{\"claimed\":{\"agent.prompt\":\"tr\\u00E4um "
			   "\\uD83D\\uDE00 weiter\"},\"client\":{\"addr\":"
			   "\"192.0.2.1\"},"
			   "\"forced\":true,\"new\":\"%040x\",\"ref\":"
			   "\"refs/heads/tr\\u00E4umerei\",\"repository\":"
			   "\"acme/app\",\"seq\":1,\"time\":\"%s\",\"type\":"
			   "\"ref.update\",\"v\":1}",
			1U, time);

		assert_string_equal(buf_str(&opened), want);
	}
	assert_int_equal(strncmp(one, "{\"claimed\":{\"sha256\":\"", 22), 0);
	j = json_loads(three, 0, NULL);
	assert_int_equal(json_unpack(j, "{s:I}", "prev", &prev), 0);
	assert_int_equal(prev, 0);
	json_decref(j);
}

static void
refused_entries_do_not_close_the_log(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };
	char *big = malloc(70000);
	json_t *e[2];

	memset(big, 'x', 69999);
	big[69999] = '\0';
	e[0] = entry(0);
	e[1] = json_pack("{s:s, s:s}", "type", "push.received", "agent", big);
	assert_int_equal(auditlog_append(l, e, 2, NULL, &err), GG_E_LIMIT);
	json_decref(e[1]);
	e[1] = json_pack("{s:s, s:f}", "type", "push.received", "x", 0.5);
	assert_int_equal(auditlog_append(l, e, 2, NULL, &err), GG_E_INPUT);
	json_decref(e[1]);
	e[1] = json_pack("{s:s}", "no-type", "push.received");
	assert_int_equal(auditlog_append(l, e, 2, NULL, &err), GG_E_INPUT);
	json_decref(e[1]);
	json_decref(e[0]);
	free(big);
	assert_true(auditlog_is_writable(l));
	assert_int_equal(auditlog_size(l), 0);
	must_append(l, 0, 1);
	auditlog_close(l);
	must_verify(p, 1);
}

static void
one_writer_only(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p), *other = NULL;
	struct gg_error err = { 0 };

	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &other, &err),
	    GG_E_EXISTS);
	assert_null(other);
	auditlog_close(l);
}

static void
keys_are_guarded(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };
	char away[120];

	must_append(l, 0, 1);
	auditlog_close(l);
	assert_int_equal(auditlog_open(p->log, p->key, "other", &l, &err),
	    GG_E_INPUT);
	assert_int_equal(chmod(p->key, 0640), 0);
	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &l, &err),
	    GG_E_INPUT);
	assert_int_equal(chmod(p->key, 0600), 0);
	(void)snprintf(away, sizeof(away), "%s.away", p->key);
	assert_int_equal(rename(p->key, away), 0);
	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &l, &err),
	    GG_E_INPUT);
	assert_non_null(strstr(err.msg, "put"));
	assert_int_not_equal(access(p->key, F_OK), 0); /* not made anew */
}

struct indexed {
	uint64_t n;
	bool in_order;
};

static void
count_indexed(void *ctx, uint64_t index, const char *json, size_t n)
{
	struct indexed *x = ctx;

	x->in_order = x->in_order && index == x->n && n > 2 && json[0] == '{';
	x->n++;
}

#define THREADS 8
#define EACH    40

static void *
append_some(void *arg)
{
	struct auditlog *l = arg;

	for (unsigned i = 0; i < EACH; i++)
		if (append(l, i, 1 + i % 3, NULL, NULL) != 0)
			return arg;
	return NULL;
}

static void
many_threads(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct indexed x = { .in_order = true };
	pthread_t t[THREADS];
	uint64_t total = 0;
	void *bad;

	for (unsigned i = 0; i < EACH; i++)
		total += THREADS * (1 + i % 3);
	auditlog_on_append(l, count_indexed, &x);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, append_some, l),
		    0);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
	assert_int_equal(auditlog_size(l), total);
	auditlog_close(l);
	assert_true(x.in_order);
	assert_int_equal(x.n, total);
	must_verify(p, total);
}

static int
count_replayed(void *ctx, uint64_t index, struct view e, struct view opening,
    struct gg_error *err)
{
	uint64_t *next = ctx;

	(void)err;
	assert_true(view_eq_str(opening, index == 7 ? "" : "hidden"));
	assert_int_equal(index, *next);
	assert_true(view_eq_str(e, index == 7 ? "seven" : "eight"));
	++*next;
	return 0;
}

/* A journal that is never idle is replaced by its unpublished end. */
static void
journal_replaced(void **state)
{
	struct place *p = *state;
	GG_AUTO_RELEASE(buf) old = BUF_INIT(1000), end = BUF_INIT(1000);
	GG_AUTO_RELEASE(buf) none = BUF_INIT(10), some = BUF_INIT(10);
	struct journal j = { .fd = -1 };
	uint64_t next = 7;

	assert_int_equal(dir_make(p->log, 0700, NULL), 0);
	assert_int_equal(journal_open(&j, p->log, NULL), 0);
	log_record_add(&none, view_str(""));
	log_record_add(&some, view_str("hidden"));
	log_record_add(&old, view_str("six"));
	assert_int_equal(journal_append(&j, 6, 1, buf_view(&old),
			     buf_view(&none), NULL),
	    0);
	log_record_add(&end, view_str("seven"));
	assert_int_equal(journal_replace(&j, 7, 1, buf_view(&end),
			     buf_view(&none), NULL),
	    0);
	buf_clear(&end);
	log_record_add(&end, view_str("eight"));
	assert_int_equal(journal_append(&j, 8, 1, buf_view(&end),
			     buf_view(&some), NULL),
	    0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, p->log, NULL), 0);
	assert_int_equal(journal_replay(&j, 7, count_replayed, &next, NULL), 0);
	assert_int_equal(next, 9);
	/* entries 5 and 6 are neither published nor here */
	assert_int_equal(journal_replay(&j, 5, count_replayed, &next, NULL),
	    GG_E_CORRUPT);
	journal_close(&j);
}

static void *
append_large(void *arg)
{
	GG_AUTO_MEM char *text = malloc(60001);

	memset(text, 'x', 60000);
	text[60000] = '\0';
	for (unsigned i = 0; i < 100; i++) {
		json_t *e = json_pack("{s:s, s:s}", "type", "x", "t", text);
		int rc = auditlog_append(arg, &e, 1, NULL, NULL);

		json_decref(e);
		if (rc != 0)
			return arg;
	}
	return NULL;
}

/* Some 18 MB without a pause: trimming takes turns with the appenders. */
static void
large_entries_without_a_pause(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	pthread_t t[3];
	void *bad;

	for (size_t i = 0; i < GG_COUNT(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, append_large, l),
		    0);
	for (size_t i = 0; i < GG_COUNT(t); i++) {
		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
	auditlog_close(l);
	must_verify(p, 300);
	l = open_log(p);
	assert_int_equal(auditlog_size(l), 300);
	auditlog_close(l);
}

static void *
append_slowly(void *arg)
{
	struct auditlog *l = arg;
	uint64_t first;

	for (unsigned i = 0; i < 60; i++)
		if (append(l, i, 10, &first, NULL) != 0 ||
		    auditlog_wait_published(l, first + 9, NULL) != 0)
			return arg;
	return NULL;
}

/* Partial tiles go away under a reader's hands; the full ones do as well. */
static void
verified_while_it_grows(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	uint64_t size = 0, was = 0;
	pthread_t t;
	void *bad;

	assert_int_equal(pthread_create(&t, NULL, append_slowly, l), 0);
	while (size < 600) {
		struct gg_error err = { 0 };
		char root[45];

		if (verify_log(p, &size, root, &err) != 0)
			fail_msg("after %u: %s", (unsigned)was, err.msg);
		assert_true(size >= was && auditlog_is_writable(l));
		was = size;
	}
	assert_int_equal(pthread_join(t, &bad), 0);
	assert_null(bad);
	auditlog_close(l);
}

static int
make_log(const char *root, const char *count)
{
	struct place p = { 0 };
	struct auditlog *l = NULL;
	struct gg_error err = { 0 };
	uint64_t n = 0;

	(void)snprintf(p.log, sizeof(p.log), "%s/log", root);
	(void)snprintf(p.key, sizeof(p.key), "%s/key", root);
	if (num_parse(view_str(count), 100000, &n, &err) != 0 ||
	    auditlog_open(p.log, p.key, ORIGIN, &l, &err) != 0 ||
	    (n > 0 &&
		append(l, (unsigned)auditlog_size(l), (unsigned)n, NULL,
		    &err) != 0)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	(void)printf("%s\n", auditlog_vkey(l));
	auditlog_close(l);
	return 0;
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(empty_log),
		T(append_then_reopen),
		T(entry_is_canonical_and_chained),
		T(refused_entries_do_not_close_the_log),
		T(one_writer_only),
		T(keys_are_guarded),
		T(many_threads),
		T(verified_while_it_grows),
		T(journal_replaced),
		T(large_entries_without_a_pause),
	};

	if (argc == 4 && strcmp(argv[1], "make") == 0)
		return make_log(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
