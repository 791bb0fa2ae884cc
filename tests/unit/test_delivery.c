#include "base/auto.h"
#include "base/clock.h"
#include "base/fd.h"
#include "outgoing/append.h"
#include "outgoing/journal.h"
#include "outgoing/syslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#define R(number, words)                                                  \
	(struct record)                                                   \
	{                                                                 \
		.seq = (number), .severity = RECORD_NOTICE,               \
		.time = view_str("2026-11-22T07:00:00.123Z"),             \
		.type = view_str("hold.review"), .text = view_str(words), \
	}

static char *
make_dir(void)
{
	char *dir = strdup("/tmp/test-delivery-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	return dir;
}

/* -- syslog -- */

static void
test_one_message(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	const struct record r = R(12, "{\"seq\":12}\n");

	(void)state;
	assert_false(syslog_format(&r, "gate.example", 480, 1, &b));
	assert_string_equal(buf_str(&b),
	    "<109>1 2026-11-22T07:00:00.123Z gate.example gitgate - hold.review "
	    "[gitgate@32473 seq=\"12\" type=\"hold.review\"] {\"seq\":12}");
}

/* What comes from outside can end neither a field nor the structured data. */
static void
test_words_are_words(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct record r = R(1, "x\n");

	(void)state;
	r.type = view_str("a b\"]\\\n<1>");
	r.time = view_str("");
	r.severity = RECORD_WARNING;
	assert_false(syslog_format(&r, "ho st\n\xc3\xa9", 480, 1, &b));
	assert_string_equal(buf_str(&b),
	    "<108>1 - host gitgate - ab\"]\\<1> "
	    "[gitgate@32473 seq=\"1\" type=\"a b<1>\"] x");
}

static void
test_parts_are_whole_characters(void **state)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) all = BUF_INIT(4096);
	struct record r = R(1, "");
	unsigned part = 1;
	bool more = true;

	(void)state;
	for (int i = 0; i < 700; i++)
		buf_adds(&text, "\xe2\x82\xac"); /* three bytes each */
	r.text = buf_view(&text);
	for (; more; part++) {
		GG_AUTO_RELEASE(buf) one = BUF_INIT(4096);
		const char *at;

		more = syslog_format(&r, "h", 500, part, &one);
		assert_true(one.n <= 500 && (!more || one.n > 450));
		at = strstr(buf_str(&one), "] ") + 2;
		assert_int_equal((one.n - (size_t)(at - one.p)) % 3, 0);
		buf_adds(&all, at);
	}
	assert_true(part > 5);
	assert_true(view_eq(buf_view(&all), buf_view(&text)));
}

/* -- the journal -- */

static void
test_journal_fields(void **state)
{
	static const char lines[] = "MESSAGE\n\3\0\0\0\0\0\0\0a\nb\n"
				    "PRIORITY=5\nSYSLOG_FACILITY=13\n"
				    "SYSLOG_IDENTIFIER=gitgate\nGITGATE_SEQ=3\n"
				    "GITGATE_TIME=2026-11-22T07:00:00.123Z\n"
				    "GITGATE_TYPE=hold.review\n"
				    "GITGATE_PRINCIPAL=ann\n";
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct record r = R(3, "a\nb\r\n");

	(void)state;
	r.principal = view_str("ann");
	journal_format(&r, &b);
	assert_int_equal(b.n, sizeof(lines) - 1);
	assert_memory_equal(b.p, lines, b.n);
}

/* Too large for a datagram: a sealed file goes instead. */
static void
test_journal_large(void **state)
{
	GG_AUTO_MEM char *dir = make_dir();
	GG_AUTO_MEM char *path = path_f("%s/journal", dir);
	GG_AUTO_MEM char *text = malloc((1 << 20) + 1);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	GG_AUTO_FD sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	GG_AUTO_RELEASE(buf) want = BUF_INIT(2 << 20);
	GG_AUTO_RELEASE(buf) got = BUF_INIT(2 << 20);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct record r;
	GG_AUTO_FD file = -1;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	r = R(1, text);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(sock, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(journal_send(path, &r, 1, clock_mono_ms() + 30000,
			     NULL),
	    0);
	assert_int_equal(recvmsg(sock, &m, MSG_CMSG_CLOEXEC), 0);
	assert_non_null(CMSG_FIRSTHDR(&m));
	memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(file));
	assert_int_equal(fcntl(file, F_GET_SEALS),
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	journal_format(&r, &want);
	assert_int_equal(fd_pread_all(file, &got, NULL), 0);
	assert_true(view_eq(buf_view(&got), buf_view(&want)));
	assert_int_equal(dir_remove(dir, NULL), 0);
}

/* -- files -- */

static void
assert_content(const char *path, const char *text)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_str(&b), text);
}

static void
put(const char *path, const char *text)
{
	assert_int_equal(file_write(path, view_str(text), 0640, false, NULL),
	    0);
}

static void
test_files(void **state)
{
	GG_AUTO_MEM char *dir = make_dir();
	GG_AUTO_MEM char *path = path_f("%s/audit", dir);
	const struct record two[] = { R(1, "one\n"), R(2, "two\n") };
	static const struct {
		const char *was, *is;
	} table[] = {
		{ "", "head\none\ntwo\n" },
		{ "zero\n", "zero\none\ntwo\n" },
		{ "zero\n{hal", "zero\none\ntwo\n" },
		{ "zero\n17,hal", "zero\none\ntwo\n" },
		{ "hea", "head\none\ntwo\n" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(table); i++) {
		put(path, table[i].was);
		assert_int_equal(append_records(path, "head\n", two, 2, NULL),
		    0);
		assert_content(path, table[i].is);
	}
	assert_int_equal(dir_remove(dir, NULL), 0);
}

static void
test_files_that_are_none_of_ours(void **state)
{
	GG_AUTO_MEM char *dir = make_dir();
	GG_AUTO_MEM char *path = path_f("%s/audit", dir);
	GG_AUTO_MEM char *other = path_f("%s/other", dir);
	const struct record one = R(1, "one\n");
	GG_AUTO_FD fd = -1;

	(void)state;
	put(other, "mine\n");
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(append_records(path, "", &one, 1, NULL), GG_E_REFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(append_records(path, "", &one, 1, NULL), GG_E_REFUSED);
	assert_int_equal(unlink(path), 0);
	assert_content(other, "mine\n");
	/* words without a line end */
	put(path, "mine\nmine, too");
	assert_int_equal(append_records(path, "min", &one, 1, NULL),
	    GG_E_REFUSED);
	assert_content(path, "mine\nmine, too");
	assert_int_equal(unlink(path), 0);
	/* somebody else has it in hand */
	fd = open(other, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
	assert_int_equal(append_records(other, "", &one, 1, NULL),
	    GG_E_UNAVAILABLE);
	assert_content(other, "mine\n");
	assert_int_equal(dir_remove(dir, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_message),
		cmocka_unit_test(test_words_are_words),
		cmocka_unit_test(test_parts_are_whole_characters),
		cmocka_unit_test(test_journal_fields),
		cmocka_unit_test(test_journal_large),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_that_are_none_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
