/* ipc: fields and frames; what is not in the table does not pass. */
#include "base/clock.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "ipc/frame.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void
write_all(struct buf *b)
{
	GG_AUTO_RELEASE(strv) list = STRV_INIT;

	strv_add(&list, "a");
	strv_add(&list, "");
	enc_u8(b, 0xfe);
	enc_u32(b, 0xdeadbeef);
	enc_u64(b, 0x0123456789abcdef);
	enc_i64(b, INT64_MIN);
	enc_bytes(b, view_of("x\0y", 3));
	enc_str(b, "text");
	enc_str(b, NULL);
	enc_strv(b, &list);
}

static int
read_all(struct view v, bool check)
{
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	struct dec d = dec_of(v);
	uint8_t a = dec_u8(&d);
	uint32_t b = dec_u32(&d);
	uint64_t c = dec_u64(&d);
	int64_t e = dec_i64(&d);
	struct view f = dec_bytes(&d);
	GG_AUTO_MEM char *g = dec_str(&d, 4);
	GG_AUTO_MEM char *h = dec_str(&d, 4);

	dec_strv(&d, &list, 2);
	if (check) {
		assert_int_equal(a, 0xfe);
		assert_int_equal(b, 0xdeadbeef);
		assert_true(c == 0x0123456789abcdef);
		assert_true(e == INT64_MIN);
		assert_true(view_eq(f, view_of("x\0y", 3)));
		assert_string_equal(g, "text");
		assert_string_equal(h, "");
		assert_int_equal(list.n, 2);
		assert_string_equal(list.v[0], "a");
	}
	return dec_end(&d, NULL);
}

static void
fields_travel(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1000);

	(void)state;
	write_all(&b);
	assert_int_equal(read_all(buf_view(&b), true), 0);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(read_all(view_of(b.p, n), false), GG_E_PEER);
	buf_addc(&b, 'x');
	assert_int_equal(read_all(buf_view(&b), false), GG_E_PEER);
}

static void
fields_are_bounded(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1000);
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	GG_AUTO_MEM char *s = NULL;
	GG_AUTO_MEM char *t = NULL;
	struct dec d;

	(void)state;
	enc_str(&b, "12345");
	d = dec_of(buf_view(&b));
	s = dec_str(&d, 4);
	assert_true(d.failed && s[0] == '\0');
	buf_clear(&b);
	enc_bytes(&b, view_of("a\0b", 3));
	d = dec_of(buf_view(&b));
	t = dec_str(&d, 10);
	assert_true(d.failed && t[0] == '\0');
	/* failure sticks: what would still be there is not read */
	assert_int_equal(dec_u8(&d), 0);
	buf_clear(&b);
	strv_add(&list, "a");
	strv_add(&list, "b");
	enc_strv(&b, &list);
	strv_release(&list);
	d = dec_of(buf_view(&b));
	dec_strv(&d, &list, 1);
	assert_true(d.failed && list.n == 0);
	buf_clear(&b);
	enc_u32(&b, 3);
	buf_adds(&b, "0123456789ab");
	d = dec_of(buf_view(&b));
	assert_int_equal(dec_count(&d, 4), 3);
	d = dec_of(buf_view(&b));
	assert_int_equal(dec_count(&d, 5), 0);
	assert_true(d.failed);
	buf_clear(&b);
	enc_u32(&b, UINT32_MAX);
	d = dec_of(buf_view(&b));
	assert_int_equal(dec_count(&d, SIZE_MAX), 0);
	assert_true(d.failed);
}

/* All of messages.def, in both directions, at and above the ceilings. */
static const struct {
	enum role from, to;
	size_t max;
	unsigned fds;
} table[MSG_COUNT] = {
#define MSG(name, from, to, max, fds, body) \
	[MSG_##name] = { ROLE_##from, ROLE_##to, max, fds },
#include "ipc/messages.def"
#undef MSG
};

static void
permits(void **state)
{
	(void)state;
	for (int t = 1; t < MSG_COUNT; t++) {
		enum msg_type type = (enum msg_type)t;

		assert_true(table[t].max <=
		    FRAME_MAX_BYTES - FRAME_HEADER_BYTES);
		assert_true(table[t].fds <= FRAME_MAX_FDS);
		for (int pair = 0; pair < 16; pair++) {
			enum role from = (enum role)(pair / 4);
			enum role to = (enum role)(pair % 4);
			bool ok = from == table[t].from && to == table[t].to;

			assert_int_equal(msg_permitted(from, to, type,
					     table[t].max, table[t].fds),
			    ok);
			assert_false(msg_permitted(from, to, type,
			    table[t].max + 1, 0));
			assert_false(msg_permitted(from, to, type, 0,
			    table[t].fds + 1));
		}
		assert_string_not_equal(msg_name(type), "?");
	}
	assert_false(msg_permitted(ROLE_GATE, ROLE_COURIER, MSG_NONE, 0, 0));
	assert_false(msg_permitted(ROLE_GATE, ROLE_COURIER, MSG_COUNT, 0, 0));
}

struct pair {
	int a, b;
};

static int
open_pair(void **state)
{
	static struct pair p;
	int sv[2];

	if (frame_pair(sv, NULL) != 0)
		return -1;
	p = (struct pair){ sv[0], sv[1] };
	*state = &p;
	return 0;
}

static int
close_pair(void **state)
{
	struct pair *p = *state;

	fd_close(p->a);
	fd_close(p->b);
	return 0;
}

static void
frames_travel(void **state)
{
	struct pair *p = *state;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_RELEASE(buf) got = BUF_INIT(100);
	GG_AUTO_FD passed = fd_memfile("t", view_str("inside"), NULL);
	GG_AUTO_FD taken = -1;

	assert_int_equal(frame_send(p->a, MSG_CONFIG, 42, view_str("body"),
			     &passed, 1, NULL),
	    0);
	assert_int_equal(frame_send(p->a, MSG_SHUTDOWN, 0, view_str(""), NULL,
			     0, NULL),
	    0);
	assert_int_equal(frame_recv(p->b, ROLE_SUPERVISOR, ROLE_GATE, &f, NULL),
	    1);
	assert_int_equal(f.type, MSG_CONFIG);
	assert_int_equal(f.id, 42);
	assert_true(view_eq_str(f.body, "body"));
	assert_int_equal(f.n_fds, 1);
	taken = frame_take_fd(&f, 0);
	assert_int_equal(frame_take_fd(&f, 0), -1);
	assert_int_equal(fd_pread_all(taken, &got, NULL), 0);
	assert_string_equal(buf_str(&got), "inside");
	assert_int_equal(fcntl(taken, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(frame_recv(p->b, ROLE_SUPERVISOR, ROLE_GATE, &f, NULL),
	    1);
	assert_true(f.type == MSG_SHUTDOWN && f.body.n == 0 && f.n_fds == 0);
	fd_close(fd_take(&p->a));
	assert_int_equal(frame_recv(p->b, ROLE_SUPERVISOR, ROLE_GATE, &f, NULL),
	    0);
}

static void
senders_are_checked(void **state)
{
	struct pair *p = *state;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *big = calloc(1, 70000);
	int fds[2] = { p->a, p->b };

	/* what the table does not let out, is not sent */
	assert_int_equal(frame_send(p->a, MSG_READY, 0, view_of(big, 9), NULL,
			     0, NULL),
	    GG_E_LIMIT);
	assert_int_equal(frame_send(p->a, MSG_READY, 0, view_str(""), fds, 1,
			     NULL),
	    GG_E_LIMIT);
	assert_int_equal(frame_send(p->a, MSG_COUNT, 0, view_str(""), NULL, 0,
			     NULL),
	    GG_E_LIMIT);
	/* a message of another role than the socket's is not taken */
	assert_int_equal(frame_send(p->a, MSG_REPORT, 0, view_str(""), NULL, 0,
			     NULL),
	    0);
	assert_int_equal(frame_recv(p->b, ROLE_COURIER, ROLE_GATE, &f, NULL),
	    GG_E_PEER);
	fd_close(fd_take(&p->b));
	assert_int_equal(frame_send(p->a, MSG_READY, 0, view_str(""), NULL, 0,
			     NULL),
	    GG_E_UNAVAILABLE);
}

static void
send_raw(int sock, const void *p, size_t n, const int *fds, unsigned n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n_fds > 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(sock, &msg, 0), n);
}

static void
header(struct buf *b, uint32_t len, unsigned type, uint8_t n_fds)
{
	buf_clear(b);
	enc_u32(b, len);
	enc_u8(b, (uint8_t)(type >> 8));
	enc_u8(b, (uint8_t)(type & 0xff));
	enc_u8(b, 0);
	enc_u8(b, n_fds);
	enc_u32(b, 1);
}

static size_t
open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Frames that no frame_send() makes. No descriptor may be left open. */
static void
broken_frames_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint32_t len;
		unsigned type;
		uint8_t says_fds;
		unsigned fds;
		size_t sent;
	} rows[] = {
		{ "the length is too large", 13, MSG_READY, 0, 0, 12 },
		{ "the length is too small", 11, MSG_READY, 0, 0, 12 },
		{ "half a header", 12, MSG_READY, 0, 0, 6 },
		{ "one byte", 12, MSG_READY, 0, 0, 1 },
		{ "no type", 12, 0, 0, 0, 12 },
		{ "a type past the last", 12, MSG_COUNT, 0, 0, 12 },
		{ "type 65535", 12, 0xffff, 0, 0, 12 },
		{ "a promised descriptor that is not there", 12, MSG_CONFIG, 1,
		    0, 12 },
		{ "a descriptor that is not promised", 12, MSG_CONFIG, 0, 1,
		    12 },
		{ "a descriptor where none may be", 12, MSG_SHUTDOWN, 1, 1,
		    12 },
		{ "three where two may be", 12, MSG_CONFIG, 3, 3, 12 },
		{ "more than any message may have", 12, MSG_CONFIG, 8, 8, 12 },
	};
	struct pair *p = *state;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100);
	int fds[8];
	size_t before = open_fds();

	for (size_t i = 0; i < GG_COUNT(fds); i++)
		fds[i] = p->a;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(frame) f = FRAME_INIT;
		int rc;

		header(&b, rows[i].len, rows[i].type, rows[i].says_fds);
		send_raw(p->a, b.p, rows[i].sent, fds, rows[i].fds);
		rc = frame_recv(p->b, ROLE_SUPERVISOR, ROLE_GATE, &f, NULL);
		if (rc != GG_E_PEER)
			fail_msg("%s: %d", rows[i].why, rc);
		frame_release(&f);
		if (open_fds() != before)
			fail_msg("%s: a descriptor leaked", rows[i].why);
	}
}

static void
a_frame_in_time(void **state)
{
	struct pair *p = *state;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;

	assert_int_equal(frame_recv_until(p->b, ROLE_GATE, ROLE_SUPERVISOR,
			     clock_mono_ms() + 5, &f, NULL),
	    GG_E_LIMIT);
	assert_int_equal(frame_try_send(p->a, MSG_READY, 0, view_str("")), 1);
	assert_int_equal(frame_recv_until(p->b, ROLE_GATE, ROLE_SUPERVISOR,
			     clock_mono_ms() + 5000, &f, NULL),
	    1);
	for (int i = 0; i < 100000; i++)
		if (frame_try_send(p->a, MSG_READY, 0, view_str("")) == 0)
			return;
	fail_msg("the queue has no end");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_travel),
		cmocka_unit_test(fields_are_bounded),
		cmocka_unit_test(permits),
		cmocka_unit_test_setup_teardown(frames_travel, open_pair,
		    close_pair),
		cmocka_unit_test_setup_teardown(senders_are_checked, open_pair,
		    close_pair),
		cmocka_unit_test_setup_teardown(broken_frames_are_refused,
		    open_pair, close_pair),
		cmocka_unit_test_setup_teardown(a_frame_in_time, open_pair,
		    close_pair),
	};

	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
