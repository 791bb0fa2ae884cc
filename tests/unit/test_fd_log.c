/* base/fd and base/log: files without surprises, lines without forgeries. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static int
setup(void **state)
{
	char tmpl[] = "/tmp/gitgate-unit-XXXXXX";

	if (mkdtemp(tmpl) == NULL)
		return -1;
	*state = strdup(tmpl);
	return 0;
}

static int
teardown(void **state)
{
	int rc = dir_remove(*state, NULL);

	free(*state);
	return rc;
}

static void
files(void **state)
{
	GG_AUTO_MEM char *path = path_f("%s/f", (char *)*state);
	GG_AUTO_RELEASE(buf) got = BUF_INIT(10);
	struct stat st;

	assert_int_equal(file_write(path, view_str("one"), 0600, true, NULL),
	    0);
	assert_int_equal(file_write(path, view_str("second"), 0640, false,
			     NULL),
	    0);
	assert_int_equal(file_read(path, &got, NULL), 0);
	assert_string_equal(buf_str(&got), "second");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	buf_clear(&got);
	assert_int_equal(file_write(path, view_str("eleven byte"), 0600, false,
			     NULL),
	    0);
	assert_int_equal(file_read(path, &got, NULL), GG_E_LIMIT);
	assert_int_equal(unlink(path), 0);
	assert_true(file_read(path, &got, NULL) < 0);
}

static void
secrets(void **state)
{
	const struct {
		const char *why, *text;
		mode_t mode;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "one newline is cut", "s3cret\n", 0600, "s3cret" },
		{ "only one", "s3cret\n\n", 0400, "s3cret\n" },
		{ "no newline", "s3cret", 0600, "s3cret" },
		{ "empty", "", 0600, NULL },
		{ "a newline alone", "\n", 0600, NULL },
		{ "the group may read", "s3cret", 0640, NULL },
		{ "others may read", "s3cret", 0604, NULL },
		{ "a credential of systemd's: root's alone", "s3cret", 0440,
		    geteuid() == 0 && getegid() == 0 ? "s3cret" : NULL },
	};

	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_MEM char *path = path_f("%s/s%zu", (char *)*state, i);
		GG_AUTO_RELEASE(buf) got = BUF_INIT(100);
		struct gg_error err = { 0 };
		int rc;

		assert_int_equal(file_write(path, view_str(rows[i].text),
				     rows[i].mode, false, NULL),
		    0);
		rc = file_read_secret(path, &got, &err);
		if ((rc == 0) != (rows[i].want != NULL) ||
		    (rc == 0 && strcmp(buf_str(&got), rows[i].want) != 0))
			fail_msg("%s: %d", rows[i].why, rc);
		assert_null(strstr(err.msg, "s3cret"));
	}
}

/* Removing a tree must not follow what an attacker put in it. */
static void
trees(void **state)
{
	GG_AUTO_MEM char *deep = path_f("%s/a/b/c", (char *)*state);
	GG_AUTO_MEM char *top = path_f("%s/a", (char *)*state);
	GG_AUTO_MEM char *outside = path_f("%s/keep", (char *)*state);
	GG_AUTO_MEM char *kept = path_f("%s/keep/file", (char *)*state);
	GG_AUTO_MEM char *link = path_f("%s/a/b/link", (char *)*state);

	assert_int_equal(dir_make(deep, 0700, NULL), 0);
	assert_int_equal(dir_make(deep, 0700, NULL), 0);
	assert_int_equal(dir_make(outside, 0700, NULL), 0);
	assert_int_equal(file_write(kept, view_str("x"), 0600, false, NULL), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(dir_remove(top, NULL), 0);
	assert_int_not_equal(access(top, F_OK), 0);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(dir_remove(top, NULL), 0);
	assert_int_equal(dir_sync(*state, NULL), 0);
}

static void
memfiles_and_waiting(void **state)
{
	GG_AUTO_FD fd = fd_memfile("test", view_str("content"), NULL);
	GG_AUTO_RELEASE(buf) got = BUF_INIT(100);
	GG_AUTO_FD in = -1;
	GG_AUTO_FD out = -1;
	int p[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, &got, NULL), 0);
	assert_int_equal(fd_pread_all(fd, &got, NULL), 0);
	assert_string_equal(buf_str(&got), "contentcontent");
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	in = p[0];
	out = p[1];
	assert_int_equal(fd_wait_readable(in, clock_mono_ms() + 5, NULL), 0);
	assert_int_equal(fd_write_all(out, view_str("x"), NULL), 0);
	assert_int_equal(fd_wait_readable(in, -1, NULL), 1);
	assert_int_equal(fd_nonblock(in, true, NULL), 0);
	assert_int_equal(fcntl(in, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	fd_close(fd_take(&out));
	assert_int_equal(out, -1);
}

/* Emit with stderr in a file; the line comes back. */
static void
emit(const char *value, struct buf *got)
{
	int keep = dup(STDERR_FILENO);
	GG_AUTO_FD fd = fd_memfile("log", view_str(""), NULL);

	assert_true(keep >= 0 && fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	log_setup("gate", LOG_DEBUG);
	log_event((enum log_event_id)0, kv_str("ref", value), kv_u64("n", 7));
	assert_true(dup2(keep, STDERR_FILENO) >= 0);
	(void)close(keep);
	assert_int_equal(fd_pread_all(fd, got, NULL), 0);
}

/* Whatever a peer says: one line, printable, its quotes closed. */
static void
log_lines_cannot_be_forged(void **state)
{
	static const char *const values[] = { "plain", "a\nb",
		"x\"\n<0>event=fake ref=\"", "\x1b[2J", "\\", "\\\"",
		"\xff\xfe", "\r\n\t", "", "gr\xc3\xbc\xc3\x9f" };
	GG_AUTO_MEM char *big = calloc(1, 100001);

	(void)state;
	memset(big, '\n', 100000);
	for (size_t i = 0; i <= GG_COUNT(values); i++) {
		GG_AUTO_RELEASE(buf) got = BUF_INIT(100000);
		size_t quotes = 0;

		emit(i < GG_COUNT(values) ? values[i] : big, &got);
		assert_true(got.n > 1 && got.p[got.n - 1] == '\n');
		for (size_t j = 0; j + 1 < got.n; j++) {
			assert_true(got.p[j] >= 0x20 && got.p[j] < 0x7f);
			if (got.p[j] == '\\')
				j++;
			else if (got.p[j] == '"')
				quotes++;
		}
		assert_int_equal(quotes, 2);
		assert_non_null(strstr(got.p, " role=gate "));
		assert_non_null(strstr(got.p, " n=7\n"));
	}
}

static void
log_escapes(void **state)
{
	GG_AUTO_RELEASE(buf) got = BUF_INIT(10000);

	(void)state;
	emit("a\"b\\c\nd\xff", &got);
	assert_non_null(strstr(buf_str(&got),
	    "ref=\"a\\\"b\\\\c\\x0ad\\xff\""));
	assert_non_null(log_event_name((enum log_event_id)0));
	assert_null(log_event_name(EV_COUNT));
	assert_null(log_event_doc(EV_COUNT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(trees, setup, teardown),
		cmocka_unit_test(memfiles_and_waiting),
		cmocka_unit_test(log_lines_cannot_be_forged),
		cmocka_unit_test(log_escapes),
	};

	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
