/* The file of each ref's last entry: believed only where it is of this log,
 * and never needed. Verifying checks every entry's prev. */
#include "auditlog_place.h"

#include <unistd.h>

static char *
path_of(const struct place *p, const char *name)
{
	return path_f("%s/%s", p->log, name);
}

static void
get(const struct place *p, const char *name, struct buf *out)
{
	GG_AUTO_MEM char *path = path_of(p, name);

	buf_clear(out);
	assert_int_equal(file_read(path, out, NULL), 0);
}

static void
put(const struct place *p, const char *name, struct view v)
{
	GG_AUTO_MEM char *path = path_of(p, name);

	assert_int_equal(file_write(path, v, 0600, false, NULL), 0);
}

/* Open, append, close; every entry names the one before of its ref. */
static void
go_on(const struct place *p, unsigned size, unsigned n)
{
	struct auditlog *l = open_log(p);

	assert_int_equal(auditlog_size(l), size);
	must_append(l, size, n);
	auditlog_close(l);
	must_verify(p, size + n);
}

static void
a_start_reads_only_what_is_new(void **state)
{
	GG_AUTO_RELEASE(buf) good = BUF_INIT((size_t)1 << 24);
	GG_AUTO_RELEASE(buf) bad = BUF_INIT((size_t)1 << 24);
	struct place *p = *state;
	GG_AUTO_MEM char *refs = path_of(p, "refs");
	struct auditlog *l = NULL;
	struct gg_error err = { 0 };

	go_on(p, 0, 700);
	get(p, "tile/entries/000", &good);
	buf_addv(&bad, buf_view(&good));
	memset(bad.p + 2, '#', 20);
	put(p, "tile/entries/000", buf_view(&bad));
	auditlog_close(open_log(p));
	/* it was not read; without the file it would be */
	assert_int_equal(unlink(refs), 0);
	assert_int_equal(auditlog_open(p->log, p->key, ORIGIN, &l, &err),
	    GG_E_CORRUPT);
	put(p, "tile/entries/000", buf_view(&good));
	go_on(p, 700, 20);
	assert_int_equal(access(refs, F_OK), 0);
}

/* As after a crash: the file is of the log when it was shorter. */
static void
an_older_one_is_gone_on_from(void **state)
{
	GG_AUTO_RELEASE(buf) old = BUF_INIT((size_t)1 << 20);
	struct place *p = *state;
	unsigned size = 0;

	for (unsigned n = 1; n < 600; n += 97) {
		go_on(p, size, n);
		size += n;
		if (old.n > 0)
			put(p, "refs", buf_view(&old));
		go_on(p, size, 3);
		size += 3;
		if (old.n == 0)
			get(p, "refs", &old);
	}
}

static void
any_damage_is_noticed(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	struct place *p = *state;
	unsigned size = 40;

	go_on(p, 0, size);
	get(p, "refs", &b);
	for (size_t at = 0; at < b.n; at += 5) {
		b.p[at] = (char)(b.p[at] ^ 4);
		put(p, "refs", buf_view(&b));
		go_on(p, size, 1);
		size++;
		get(p, "refs", &b);
	}
	for (size_t n = 0; n < b.n; n += 9) {
		put(p, "refs", view_of(b.p, n));
		go_on(p, size, 1);
		size++;
	}
}

/* A longer log's, as beside one that was restored; and another log's. */
static void
one_of_another_log_is_not_believed(void **state)
{
	GG_AUTO_RELEASE(buf) newer = BUF_INIT((size_t)1 << 20);
	struct place *p = *state, q = *p;
	struct auditlog *l;

	(void)snprintf(q.log, sizeof(q.log), "%s/other", p->root);
	(void)snprintf(q.key, sizeof(q.key), "%s/other-key", p->root);
	l = open_log(&q);
	assert_int_equal(append(l, 7, 100, NULL, NULL), 0);
	auditlog_close(l);
	go_on(p, 0, 50);
	for (unsigned n = 0; n < 3; n++) {
		get(&q, "refs", &newer);
		put(p, "refs", buf_view(&newer));
		go_on(p, 50 + 50 * n, 50);
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_start_reads_only_what_is_new),
		CASE(an_older_one_is_gone_on_from), CASE(any_damage_is_noticed),
		CASE(one_of_another_log_is_not_believed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
