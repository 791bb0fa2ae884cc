/* The gate's end of its courier: who is told what when a courier ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "role/gate.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct asker {
	struct gate *gate;
	int rc;
	bool maybe;
	struct gg_error err;
	sem_t telling, go;
	atomic_bool is_telling;
};

/* A fresh courier's socket; ours is the courier's end. */
static int
connect_one(struct gate *g)
{
	struct gg_error err;
	int sv[2];

	assert_int_equal(frame_pair(sv, &err), 0);
	courier_connected(g, sv[0]);
	return sv[1];
}

static uint32_t
take_request(int sock, enum msg_type type)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err;

	assert_int_equal(frame_recv(sock, ROLE_GATE, ROLE_COURIER, &f, &err),
	    1);
	assert_int_equal(f.type, type);
	return f.id;
}

static void
answer_failed(int sock, uint32_t id)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(64);
	struct gg_error err;

	enc_u8(&body, (uint8_t)-GG_E_REFUSED);
	enc_str(&body, "no");
	enc_u8(&body, 0);
	assert_int_equal(frame_send(sock, MSG_REQUEST_FAILED, id,
			     buf_view(&body), NULL, 0, &err),
	    0);
}

static void *
ask_list(void *arg)
{
	struct asker *a = arg;
	GG_AUTO(advert) out = NULL;

	a->rc = courier_list(a->gate, "demo/app", true, false, &out, &a->err);
	return NULL;
}

/* What the last courier owed is no failure of what the next one was asked. */
static void
test_end_of_the_last(void **state)
{
	static struct gate g; /* a reader outlives the test */
	struct asker old = { .gate = &g }, new = { .gate = &g };
	struct gg_error err;
	pthread_t a, b;
	uint32_t id;
	int first, second;

	(void)state;
	assert_int_equal(courier_new(&g, &err), 0);
	first = connect_one(&g);
	assert_int_equal(pthread_create(&a, NULL, ask_list, &old), 0);
	(void)take_request(first, MSG_LIST_REFS);
	second = connect_one(&g);
	assert_int_equal(pthread_create(&b, NULL, ask_list, &new), 0);
	id = take_request(second, MSG_LIST_REFS);
	fd_close(first);
	assert_int_equal(pthread_join(a, NULL), 0);
	assert_int_equal(old.rc, GG_E_UNAVAILABLE);
	assert_true(courier_is_connected(&g));
	answer_failed(second, id);
	assert_int_equal(pthread_join(b, NULL), 0);
	assert_int_equal(new.rc, GG_E_REFUSED);
	assert_string_equal(new.err.msg, "no");
	atomic_store(&g.stopping, true);
	fd_close(second);
}

static void
hear(void *ctx, struct view text)
{
	struct asker *a = ctx;

	(void)text;
	atomic_store(&a->is_telling, true);
	(void)sem_post(&a->telling);
	(void)sem_wait(&a->go);
	atomic_store(&a->is_telling, false);
}

static void *
ask_relay(void *arg)
{
	struct asker *a = arg;
	struct ref_updates none = { 0 };
	struct strv options = { 0 };
	struct relay_order o = { .repository = "demo/app",
		.push_id = "1",
		.updates = &none,
		.options = &options,
		.pack_fd = -1,
		.text = hear,
		.ctx = a };
	GG_AUTO(relay_result) out = NULL;

	a->rc = courier_relay(a->gate, &o, &out, &a->maybe, &a->err);
	/* What text() is told by is gone with this thread. */
	assert_false(atomic_load(&a->is_telling));
	return NULL;
}

/* Given up while upstream's words are passed on: not before they are. */
static void
test_abandoned_while_told(void **state)
{
	const struct timespec chance = { .tv_nsec = 50 * 1000 * 1000 };
	GG_AUTO_RELEASE(buf) body = BUF_INIT(64);
	static struct gate g; /* a reader outlives the test */
	struct asker a = { .gate = &g };
	struct gg_error err;
	pthread_t t;
	uint32_t id;
	int sock;

	(void)state;
	assert_int_equal(sem_init(&a.telling, 0, 0), 0);
	assert_int_equal(sem_init(&a.go, 0, 0), 0);
	assert_int_equal(courier_new(&g, &err), 0);
	sock = connect_one(&g);
	assert_int_equal(pthread_create(&t, NULL, ask_relay, &a), 0);
	id = take_request(sock, MSG_RELAY);
	enc_bytes(&body, view_str("hello"));
	assert_int_equal(frame_send(sock, MSG_RELAY_TEXT, id, buf_view(&body),
			     NULL, 0, &err),
	    0);
	assert_int_equal(sem_wait(&a.telling), 0);
	atomic_store(&g.stopping, true);
	courier_abandon(&g);
	(void)nanosleep(&chance, NULL); /* to leave too early */
	assert_int_equal(sem_post(&a.go), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(a.rc, GG_E_UNAVAILABLE);
	assert_true(a.maybe);
	fd_close(sock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_the_last),
		cmocka_unit_test(test_abandoned_while_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
