/* Pages: what a pusher names never becomes markup, nothing is left out in
 * silence, and every page carries its headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web_place.h"

#define PUSH1  "01JD0000000000000000000001"
#define HOLD1  "01JD0000000000000000000002"
#define PUSH2  "01JD0000000000000000000003"
#define COMMIT "2222222222222222222222222222222222222222"

/* Goes wherever a pusher can put a string. */
#define EVIL      "<script>alert(1)</script>\" onload='x'"
#define EVIL_JSON "<script>alert(1)</script>\\\" onload='x'"
#define EVIL_SHOWN \
	"&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload&#61;&#39;x&#39;"

static char dora[256], bob[256], ann[256], sam[256];

static const char updates[] = "[{\"ref\":\"" EVIL_JSON "\",\"old\":\"" EVIL_JSON
			      "\",\"new\":\"" EVIL_JSON
			      "\",\"kind\":\"" EVIL_JSON
			      "\",\"verdict\":\"" EVIL_JSON
			      "\",\"reasons\":[{\"rule\":\"" EVIL_JSON
			      "\",\"verdict\":\"" EVIL_JSON
			      "\",\"message\":\"" EVIL_JSON
			      "\",\"paths\":[{\"path\":\"" EVIL_JSON
			      "\",\"change\":\"" EVIL_JSON
			      "\",\"commit\":\"" EVIL_JSON "\"}]}]}]";

static void
record(struct buf *out, enum diff_kind kind, struct buf *body)
{
	diff_record_encode(out, kind, buf_view(body));
	buf_clear(body);
}

static void
line(struct buf *out, enum diff_kind kind, const char *text)
{
	diff_record_encode(out, kind, view_str(text));
}

static void
write_file(struct buf *out, const char *path)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	const struct diff_file f = { .new_path = view_str(path),
		.new_mode = 0100644,
		.new_oid = view_str(COMMIT) };

	diff_file_encode(&b, &f);
	record(out, DIFF_FILE, &b);
}

static void
write_diff(const char *push, size_t many)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)8 << 20);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	GG_AUTO_MEM char *dir = path_f("%s/pushes/%s", place.dir, push);
	GG_AUTO_MEM char *path = path_f("%s/diff", dir);
	struct gg_error err = { 0 };

	enc_str(&b, EVIL);
	enc_str(&b, EVIL);
	enc_str(&b, EVIL);
	record(&out, DIFF_UPDATE, &b);
	enc_str(&b, EVIL);
	enc_str(&b, "new" EVIL);
	enc_u32(&b, 0100644);
	enc_u32(&b, 0100755);
	enc_u64(&b, 10);
	enc_u64(&b, 20000);
	enc_u8(&b, DIFF_FLAG_BINARY);
	enc_str(&b, "");
	enc_str(&b, "");
	record(&out, DIFF_FILE, &b);
	enc_u32(&b, 1);
	enc_u32(&b, 1);
	enc_u32(&b, 1);
	enc_u32(&b, 1);
	enc_str(&b, EVIL);
	record(&out, DIFF_HUNK, &b);
	line(&out, DIFF_CONTEXT, EVIL);
	line(&out, DIFF_ADDED, "a\xe2\x80\xae" EVIL);
	line(&out, DIFF_REMOVED, "\xff" EVIL);
	for (size_t i = 0; i < many; i++)
		line(&out, DIFF_ADDED, i + 1 == many ? "the last line" : "x");
	line(&out, DIFF_NO_NEWLINE, "");
	enc_str(&b, EVIL);
	enc_u64(&b, 7);
	enc_u64(&b, 12345);
	record(&out, DIFF_CUT, &b);
	enc_str(&b, COMMIT);
	enc_str(&b, EVIL);
	record(&out, DIFF_COMMIT, &b);
	write_file(&out, "of one commit " EVIL);
	must(dir_make(dir, 0700, &err), &err);
	must(file_write(path, buf_view(&out), 0600, false, &err), &err);
}

static void
write_report(const char *push)
{
	GG_AUTO(change_report) r = change_report_new(1, 1);
	struct commit_info *c = change_report_add_commit(r);
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)1 << 20);
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report", place.dir, push);
	struct path_change *p;
	struct gg_error err = { 0 };

	c->author_name = view_dup(view_str(EVIL));
	c->author_email = view_dup(view_str(EVIL));
	c->committer_name = view_dup(view_str(EVIL));
	c->committer_email = view_dup(view_str(EVIL));
	c->message = view_dup(view_str("subject " EVIL "\n\nbody " EVIL));
	memset(&c->oid, 0x22, sizeof(c->oid));
	memset(&c->tree, 0x33, sizeof(c->tree));
	p = path_changes_add(&c->paths, view_str("path " EVIL));
	p->kinds = CHANGE_ADD;
	p->new_mode = 0100644;
	memset(&p->new_oid, 0x44, sizeof(p->new_oid));
	r->updates[0].object = OBJECT_COMMIT;
	r->updates[0].kind = UPDATE_FAST_FORWARD;
	r->updates[0].peeled = c->oid;
	r->updates[0].too_large = true;
	r->updates[0].too_large_why = view_dup(view_str("walk-commits"));
	commit_list_add(&r->updates[0].scopes[0], 0);
	change_report_encode(r, &out);
	must(buf_check(&out, &err), &err);
	must(file_write(path, buf_view(&out), 0600, false, &err), &err);
}

static int
setup(void **state)
{
	GG_AUTO_MEM char *comment = view_dup(view_str("fine " EVIL));
	GG_AUTO_MEM char *reviewer = view_dup(view_str("dana"));
	struct stored_review r = {
		.reviewer = reviewer, .comment = comment, .approve = true
	};
	struct gg_error err = { 0 };

	(void)state;
	place_open("http://127.0.0.1:8080");
	place_user("dora", "dba");
	place_user("bob", "agents");
	place_user("ann", "auditors");
	place_user("sam", "");
	place_push(PUSH1, HOLD1, updates,
	    "{\"agent." EVIL_JSON "\":\"" EVIL_JSON "\"}");
	place_push(PUSH2, NULL, updates, "{}");
	write_diff(PUSH1, 0);
	write_report(PUSH1);
	write_diff(PUSH2, 5000);
	strv_add(&r.groups, "dba");
	must(store_hold_review(place.store, HOLD1, &r, 0, HOLD_PENDING,
		 clock_wall_ms(), &err),
	    &err);
	strv_release(&r.groups);
	assert_int_equal(sign_in("dora", "correct+horse", dora), 303);
	assert_int_equal(sign_in("bob", "correct+horse", bob), 303);
	assert_int_equal(sign_in("ann", "correct+horse", ann), 303);
	assert_int_equal(sign_in("sam", "correct+horse", sam), 303);
	must(store_audit_add(place.store, 0,
		 "{\"v\":1,\"seq\":0,\"time\":\"2026-11-22T07:00:00.000Z\","
		 "\"type\":\"push.received\",\"repository\":\"acme/app\","
		 "\"ref\":\"" EVIL_JSON "\",\"principal\":\"" EVIL_JSON "\"}",
		 strlen(
		     "{\"v\":1,\"seq\":0,\"time\":\"2026-11-22T07:00:00.000Z\","
		     "\"type\":\"push.received\",\"repository\":\"acme/app\","
		     "\"ref\":\"" EVIL_JSON "\",\"principal\":\"" EVIL_JSON
		     "\"}"),
		 &err),
	    &err);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	place_close();
	return 0;
}

static void
test_no_markup_from_outside(void **state)
{
	static const char *const paths[] = { "/-/holds", "/-/holds/" HOLD1,
		"/-/pushes", "/-/pushes/" PUSH1, "/-/pushes/" PUSH2, "/-/audit",
		"/-/audit?ref=%3Cscript%3Ealert(1)%3C/script%3E",
		"/-/holds?state=%3Cscript%3Ealert(1)",
		"/-/login?next=%22%3E%3Cscript%3Ealert(1)" };
	struct raw_answer a = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(paths); i++) {
		ask(&a, "GET", paths[i], ann, NULL);
		if (strstr(TEXT_OF(a), "<script>") != NULL ||
		    strstr(TEXT_OF(a), "alert(1)</script") != NULL ||
		    strstr(TEXT_OF(a), "onload='") != NULL ||
		    strstr(TEXT_OF(a), "\xe2\x80\xae") != NULL)
			fail_msg("%s: %s", paths[i], TEXT_OF(a));
		if (a.status == 303)
			continue;
		assert_true(utf8_is_valid(buf_view(&a.body)));
		assert_non_null(strstr(raw_header(&a,
					   "Content-Security-Policy"),
		    "default-src 'none'"));
		assert_null(strstr(raw_header(&a, "Content-Security-Policy"),
		    "unsafe"));
		assert_string_equal(raw_header(&a, "X-Frame-Options"), "DENY");
		assert_string_equal(raw_header(&a, "X-Content-Type-Options"),
		    "nosniff");
		assert_string_equal(raw_header(&a, "Referrer-Policy"),
		    "no-referrer");
		assert_string_equal(raw_header(&a,
					"Cross-Origin-Opener-Policy"),
		    "same-origin");
		assert_string_equal(raw_header(&a, "Cache-Control"),
		    "no-store");
	}
	buf_release(&a.body);
}

static void
has(const struct raw_answer *a, const char *text)
{
	if (strstr(TEXT_OF(*a), text) == NULL)
		fail_msg("no \"%s\" in %s", text, TEXT_OF(*a));
}

static void
test_review_page(void **state)
{
	struct raw_answer a = { 0 };

	(void)state;
	ask(&a, "GET", "/-/holds/" HOLD1, dora, NULL);
	assert_int_equal(a.status, 200);
	has(&a, ">verified<");
	has(&a, ">claimed<");
	has(&a, "agent." EVIL_SHOWN);
	has(&a, "subject " EVIL_SHOWN);
	has(&a, "body " EVIL_SHOWN);
	has(&a, "path " EVIL_SHOWN);
	has(&a, "fine " EVIL_SHOWN);
	has(&a, "the limit walk-commits was reached");
	has(&a, "a<span class=\"inv\">U+202E</span>" EVIL_SHOWN);
	has(&a, "\xef\xbf\xbd" EVIL_SHOWN);
	has(&a, "mode 100644 → 100755");
	has(&a, ">binary<");
	has(&a, "not shown: 7 files, 12345 lines.");
	has(&a, "/approve");
	has(&a, "/reject");
	has(&a, "One rejection ends it.");

	/* the pusher is told why not, and may withdraw */
	ask(&a, "GET", "/-/holds/" HOLD1, bob, NULL);
	assert_int_equal(a.status, 200);
	assert_null(strstr(TEXT_OF(a), "/approve"));
	has(&a, "You cannot review this push: ");
	has(&a, "/withdraw");
	/* who has no business here sees nothing */
	ask(&a, "GET", "/-/holds/" HOLD1, sam, NULL);
	assert_int_equal(a.status, 404);
	assert_null(strstr(TEXT_OF(a), "acme"));
	/* looking changes nothing */
	place.asked[0] = '\0';
	ask(&a, "GET", "/-/holds/" HOLD1 "/approve", dora, NULL);
	assert_int_equal(a.status, 405);
	ask(&a, "HEAD", "/-/holds/" HOLD1, dora, NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(place.asked, "");
	buf_release(&a.body);
}

/* The address of the link with this text, as a browser takes it. */
static void
link_called(const struct raw_answer *a, const char *text, char out[256])
{
	const char *at = strstr(TEXT_OF(*a), text), *from;
	size_t n = 0;

	assert_non_null(at);
	for (from = at; strncmp(from, "<a href=\"", 9) != 0; from--)
		assert_true(from > TEXT_OF(*a));
	for (from += 9; *from != '"' && *from != '#' && n < 255; from++) {
		out[n++] = *from;
		if (strncmp(from, "&amp;", 5) == 0)
			from += 4;
	}
	out[n] = '\0';
}

static void
test_long_diff_in_parts(void **state)
{
	struct raw_answer a = { 0 };
	char next[256];

	(void)state;
	ask(&a, "GET", "/-/pushes/" PUSH2, ann, NULL);
	assert_int_equal(a.status, 200);
	/* 5003 lines, the head of their hunk and what is said at the end */
	has(&a, "The diff goes on: 1 file with 2004 lines are not shown yet.");
	has(&a, "<td class=\"n\">2999</td>");
	assert_null(strstr(TEXT_OF(a), "the last line"));
	link_called(&a, "Next part", next);
	ask(&a, "GET", next, ann, NULL);
	has(&a, "the last line");
	has(&a, "This is not the beginning of the diff.");
	has(&a, "not shown: 7 files, 12345 lines.");
	has(&a, "new" EVIL_SHOWN); /* the file's name stands there again */
	/* 3 lines, then 1 to 5000 of this hunk: the last one is 5002 */
	has(&a,
	    "<td class=\"n\">5002</td><td class=\"line\"><span "
	    "class=\"sign\">+</span>the last line");
	link_called(&a, "From the beginning", next);
	assert_string_equal(next, "/-/pushes/" PUSH2);
	ask(&a, "GET", "/-/pushes/" PUSH2 "?from=999999&line=99999999", ann,
	    NULL);
	assert_int_equal(a.status, 200);
	has(&a, "<td class=\"n\">2999</td>");
	buf_release(&a.body);
}

static void
test_ways_of_showing(void **state)
{
	struct raw_answer a = { 0 };
	char next[256];

	(void)state;
	ask(&a, "GET", "/-/pushes/" PUSH2, ann, NULL);
	assert_null(strstr(TEXT_OF(a), "of one commit"));
	link_called(&a, "Side by side", next);
	ask(&a, "GET", next, ann, NULL);
	has(&a, "<table class=\"diff split\">");
	link_called(&a, "Next part", next);
	assert_non_null(strstr(next, "view=split"));
	ask(&a, "GET", "/-/pushes/" PUSH2 "?commit=" COMMIT, ann, NULL);
	has(&a, "of one commit " EVIL_SHOWN);
	assert_null(strstr(TEXT_OF(a), "<table"));
	link_called(&a, "Show all changes", next);
	assert_string_equal(next, "/-/pushes/" PUSH2);
	ask(&a, "GET",
	    "/-/pushes/" PUSH2
	    "?commit=4444444444444444444444444444444444444444",
	    ann, NULL);
	has(&a, "not in the recorded diff");
	/* what is no oid is as if it were not there */
	ask(&a, "GET", "/-/pushes/" PUSH2 "?commit=%3Cscript%3E&view=%22", ann,
	    NULL);
	has(&a, "<table class=\"diff unified\">");
	buf_release(&a.body);
}

static void
test_damaged_files(void **state)
{
	GG_AUTO_MEM char *diff = path_f("%s/pushes/" PUSH2 "/diff", place.dir);
	GG_AUTO_MEM char *report = path_f("%s/pushes/" PUSH2 "/report",
	    place.dir);
	struct raw_answer a = { 0 };
	struct gg_error err = { 0 };

	(void)state;
	must(file_write(diff, view_str("+\xff\xff"), 0600, false, &err), &err);
	must(file_write(report, view_str("junk"), 0600, false, &err), &err);
	ask(&a, "GET", "/-/pushes/" PUSH2, ann, NULL);
	assert_int_equal(a.status, 200);
	has(&a, "damaged and not shown");
	has(&a, "The list of commits is not available.");
	buf_release(&a.body);
}

static void
test_static_and_root(void **state)
{
	struct raw_answer a = { 0 };
	char headers[128], address[128];

	(void)state;
	ask(&a, "GET", "/-/static/style.css", "", NULL);
	assert_int_equal(a.status, 200);
	assert_true(a.body.n > 1000 && a.body.n < 100000);
	assert_null(strstr(TEXT_OF(a), "http"));
	(void)snprintf(headers, sizeof(headers), "If-None-Match: %.60s\r\n",
	    raw_header(&a, "ETag"));
	ask(&a, "GET", "/-/static/style.css", headers, NULL);
	assert_int_equal(a.status, 304);
	assert_string_equal(raw_header(&a, "Cache-Control"),
	    "public, max-age=300");
	/* by the address that pages name it with, for good */
	ask(&a, "GET", "/-/login", "", NULL);
	assert_non_null(strstr(TEXT_OF(a), "/-/static/style.css?v="));
	(void)snprintf(address, sizeof(address), "%.*s",
	    (int)strcspn(strstr(TEXT_OF(a), "/-/static/style.css?v="), "\""),
	    strstr(TEXT_OF(a), "/-/static/style.css?v="));
	ask(&a, "GET", address, "", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(raw_header(&a, "Cache-Control"),
	    "public, max-age=31536000, immutable");
	ask(&a, "GET", "/-/static/style.css?v=other", "", NULL);
	assert_string_equal(raw_header(&a, "Cache-Control"),
	    "public, max-age=300");
	ask(&a, "GET", "/-/static/icon.svg", "", NULL);
	assert_int_equal(a.status, 200);
	ask(&a, "GET", "/-/static/app.js", "", NULL);
	assert_int_equal(a.status, 200);
	ask(&a, "GET", "/-/static/other", "", NULL);
	assert_int_equal(a.status, 404);
	ask(&a, "GET", "/", "", NULL);
	assert_int_equal(a.status, 303);
	assert_string_equal(raw_header(&a, "Location"), "/-/holds");
	buf_release(&a.body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_markup_from_outside),
		cmocka_unit_test(test_review_page),
		cmocka_unit_test(test_long_diff_in_parts),
		cmocka_unit_test(test_ways_of_showing),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_static_and_root),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
