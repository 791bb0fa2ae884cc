/* model/job: what the gate asks of an inspector survives the way. */
#include "model/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define OUT_MAX ((size_t)1 << 20)

static const struct job_limits some_limits = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
	11, UINT64_MAX, 13, 14, 15, 16, 17 };

/* Every truncation of what encode wrote is refused, and a byte too many. */
#define CHECK_STRICT(type, out)                                              \
	do {                                                                 \
		for (size_t n_ = 0; n_ < (out).n; n_++) {                    \
			struct type b_ = { 0 };                              \
			assert_true(type##_decode(view_of((out).p, n_), &b_, \
					NULL) < 0);                          \
			type##_release(&b_);                                 \
		}                                                            \
		buf_addc(&(out), 'x');                                       \
		assert_int_equal(type##_decode(buf_view(&(out)),             \
				     &(struct type){ 0 }, NULL),             \
		    GG_E_PEER);                                              \
	} while (0)

static void
push_job_travels(void **state)
{
	GG_AUTO_RELEASE(push_job)
	a = { .push_id = strdup("01J"),
		.mirror = strdup("/m"),
		.quarantine = strdup("/q"),
		.has_pack = true,
		.recorded = true,
		.sandbox_required = true,
		.limits = some_limits };
	GG_AUTO_RELEASE(push_job) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

	(void)state;
	strv_add(&a.fsck, "missingEmail=ignore");
	strv_add(&a.shallow, "aaaa");
	push_job_encode(&a, &out);
	assert_int_equal(push_job_decode(buf_view(&out), &b, NULL), 0);
	assert_string_equal(b.push_id, "01J");
	assert_string_equal(b.mirror, "/m");
	assert_string_equal(b.quarantine, "/q");
	assert_true(b.has_pack && !b.mirror_clean && b.sandbox_required);
	assert_true(b.recorded);
	assert_string_equal(b.fsck.v[0], "missingEmail=ignore");
	assert_int_equal(b.shallow.n, 1);
	assert_memory_equal(&b.limits, &some_limits, sizeof(some_limits));
	CHECK_STRICT(push_job, out);
}

static void
mirror_job_travels(void **state)
{
	GG_AUTO_RELEASE(mirror_job)
	a = { .mirror = strdup("/m"),
		.sandbox_required = true,
		.limits = some_limits };
	GG_AUTO_RELEASE(mirror_job) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

	(void)state;
	strv_add(&a.refs, "refs/heads/*");
	mirror_job_encode(&a, &out);
	assert_int_equal(mirror_job_decode(buf_view(&out), &b, NULL), 0);
	assert_string_equal(b.mirror, "/m");
	assert_string_equal(b.refs.v[0], "refs/heads/*");
	assert_true(b.sandbox_required);
	assert_memory_equal(&b.limits, &some_limits, sizeof(some_limits));
	CHECK_STRICT(mirror_job, out);
}

static void
serve_job_travels(void **state)
{
	GG_AUTO_RELEASE(serve_job)
	a = { .mirror = strdup("/m"),
		.advertise = true,
		.protocol = strdup("version=2"),
		.mirror_clean = true,
		.limits = some_limits };
	GG_AUTO_RELEASE(serve_job) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

	(void)state;
	strv_add(&a.hide_refs, "refs/secret");
	strv_add(&a.wants, "bbbb");
	serve_job_encode(&a, &out);
	assert_int_equal(serve_job_decode(buf_view(&out), &b, NULL), 0);
	assert_string_equal(b.protocol, "version=2");
	assert_true(b.advertise && b.mirror_clean && !b.sandbox_required);
	assert_string_equal(b.hide_refs.v[0], "refs/secret");
	assert_string_equal(b.wants.v[0], "bbbb");
	CHECK_STRICT(serve_job, out);
}

static void
view_job_travels(void **state)
{
	GG_AUTO_RELEASE(view_job)
	a = { .push = { .push_id = strdup("p"),
		  .mirror = strdup("/m"),
		  .quarantine = strdup("/q"),
		  .has_pack = true,
		  .wants = JOB_WANT_SECRETS,
		  .limits = some_limits },
		.kind = VIEW_COMMIT,
		.ref = strdup("refs/heads/x"),
		.from = { { 1 } },
		.to = { { 2 } },
		.path = strdup("a/b"),
		.skip = 7,
		.max_bytes = 1234567 };
	GG_AUTO_RELEASE(view_job) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	size_t kind_at;

	(void)state;
	view_job_encode(&a, &out);
	assert_int_equal(view_job_decode(buf_view(&out), &b, NULL), 0);
	assert_string_equal(b.push.quarantine, "/q");
	assert_string_equal(b.ref, "refs/heads/x");
	assert_string_equal(b.path, "a/b");
	assert_true(b.push.has_pack && b.kind == VIEW_COMMIT && b.skip == 7);
	assert_true(oid_eq(&a.from, &b.from) && oid_eq(&a.to, &b.to));
	assert_true(b.max_bytes == 1234567);
	assert_memory_equal(&b.push.limits, &some_limits, sizeof(some_limits));
	/* a question that nobody knows */
	kind_at = out.n - 16 - (4 + 3) - 2 * OID_BYTES - (4 + 12) - 1;
	assert_int_equal(out.p[kind_at], VIEW_COMMIT);
	out.p[kind_at] = VIEW_KIND_COUNT;
	view_job_release(&b);
	assert_int_equal(view_job_decode(buf_view(&out), &b, NULL), GG_E_PEER);
	out.p[kind_at] = VIEW_COMMIT;
	CHECK_STRICT(view_job, out);
}

/* It would become an environment variable of git. */
static void
serve_job_protocol_is_an_allow_list(void **state)
{
	static const char *const bad[] = { "version=3", "2", "version=2 ",
		"version=2:x" };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		GG_AUTO_RELEASE(serve_job) a = { .protocol = strdup(bad[i]) };
		GG_AUTO_RELEASE(serve_job) b = { 0 };
		GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

		serve_job_encode(&a, &out);
		assert_int_equal(serve_job_decode(buf_view(&out), &b, NULL),
		    GG_E_PEER);
	}
}

static void
push_job_refs_travel(void **state)
{
	GG_AUTO_RELEASE(push_job_refs) a = { .n_scopes = 2 };
	GG_AUTO_RELEASE(push_job_refs) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct oid x = { { 1 } }, y = { { 2 } };

	(void)state;
	assert_int_equal(ref_updates_add(&a.updates, &x, &y,
			     view_str("refs/heads/a"), 9, NULL),
	    0);
	a.head = y;
	a.advertised = calloc(2, sizeof(x));
	a.n_advertised = 2;
	a.advertised[1] = y;
	a.scopes[0].needed = a.scopes[0].covers_all = true;
	a.scopes[1].oids = calloc(1, sizeof(x));
	a.scopes[1].oids[0] = x;
	a.scopes[1].n_oids = 1;
	push_job_refs_encode(&a, &out);
	assert_int_equal(push_job_refs_decode(buf_view(&out), &b, NULL), 0);
	assert_false(b.judged_before);
	push_job_refs_release(&b);
	a.judged_before = true;
	a.known = calloc(1, sizeof(x));
	a.known[0] = y;
	a.n_known = 1;
	buf_clear(&out);
	push_job_refs_encode(&a, &out);
	assert_int_equal(push_job_refs_decode(buf_view(&out), &b, NULL), 0);
	assert_true(b.judged_before && b.n_known == 1);
	assert_true(oid_eq(&b.known[0], &y));
	assert_string_equal(b.updates.v[0].refname, "refs/heads/a");
	assert_true(oid_eq(&b.updates.v[0].new_oid, &y));
	assert_int_equal(b.n_advertised, 2);
	assert_true(oid_eq(&b.advertised[1], &y) && oid_eq(&b.head, &y));
	assert_true(b.scopes[0].needed && b.scopes[0].covers_all);
	assert_true(!b.scopes[1].needed && oid_eq(b.scopes[1].oids, &x));
	CHECK_STRICT(push_job_refs, out);
}

static void
push_job_refs_refuse(void **state)
{
	GG_AUTO_RELEASE(push_job_refs) a = { 0 };
	GG_AUTO_RELEASE(push_job_refs) b = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct oid x = { { 1 } };

	(void)state;
	assert_int_equal(ref_updates_add(&a.updates, &x, &x,
			     view_str("refs/../a"), 9, NULL),
	    0);
	push_job_refs_encode(&a, &out);
	assert_int_equal(push_job_refs_decode(buf_view(&out), &b, NULL),
	    GG_E_PEER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_job_travels),
		cmocka_unit_test(mirror_job_travels),
		cmocka_unit_test(serve_job_travels),
		cmocka_unit_test(view_job_travels),
		cmocka_unit_test(serve_job_protocol_is_an_allow_list),
		cmocka_unit_test(push_job_refs_travel),
		cmocka_unit_test(push_job_refs_refuse),
	};

	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
