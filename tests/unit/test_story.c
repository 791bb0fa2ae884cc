/* What the entries of a log say together. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/story.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define REF(type, push, old, new, more)                        \
	"{\"type\":\"" type "\",\"push\":\"" push              \
	"\",\"repository\":\"r\",\"ref\":\"m\",\"old\":\"" old \
	"\",\"new\":\"" new "\"" more "}"
#define ALLOWED(push, old, new) \
	REF("ref.update", push, old, new, ",\"verdict\":\"allow\"")
#define DENIED(push, old, new) \
	REF("ref.update", push, old, new, ",\"verdict\":\"deny\"")
#define HELD(push, old, new) \
	REF("ref.update", push, old, new, ",\"verdict\":\"hold\"")
#define MEANT(push, old, new) REF("forward.intended", push, old, new, "")
#define SENT(push, old, new) \
	REF("forward.result", push, old, new, ",\"result\":\"ok\"")
#define FAILED(push, old, new) \
	REF("forward.result", push, old, new, ",\"result\":\"failed\"")
#define PUSHED(push, old, new) \
	ALLOWED(push, old, new), MEANT(push, old, new), SENT(push, old, new)
#define MOVED(old, new)                                               \
	"{\"type\":\"ref.out-of-band\",\"repository\":\"r\",\"ref\":" \
	"\"m\",\"old\":\"" old "\",\"new\":\"" new "\",\"kind\":\"move\"}"
#define OPENED(push)                                                      \
	"{\"type\":\"hold.opened\",\"push\":\"" push                      \
	"\",\"needs\":[{\"rule\":\"two\",\"required\":2,\"from\":[\"g\"]" \
	",\"people\":[\"Zoe\"]}]}"
#define REVIEW(push, who, verdict, more)                                      \
	"{\"type\":\"hold.review\",\"push\":\"" push "\",\"reviewer\":\"" who \
	"\",\"verdict\":\"" verdict "\"" more "}"
#define YES(push, who) \
	REVIEW(push, who, "approve", ",\"reviewer_groups\":[\"g\"]")
#define CLOSED(push, more) \
	"{\"type\":\"hold.closed\",\"push\":\"" push "\"" more "}"
#define AT(time) "{\"type\":\"log.start\",\"time\":\"2026-01-01T00:" time "Z\"}"

struct story_case {
	const char *why;
	const char *entries[20];
	const char *want; /* "kind@entry " of each */
};

static void
take(void *ctx, const struct story_finding *f)
{
	struct buf *b = ctx;

	print_message("    %s@%d: %s\n", story_kind_name(f->kind),
	    (int)f->index, f->text);
	buf_addf(b, "%s@%d ", story_kind_name(f->kind), (int)f->index);
}

static void
run_case(const struct story_case *c)
{
	GG_AUTO_RELEASE(buf) got = BUF_INIT(100000);
	GG_AUTO(story) s = story_new(take, &got);

	print_message("  %s\n", c->why);
	for (unsigned i = 0; i < 20 && c->entries[i] != NULL; i++) {
		json_t *e = json_loads(c->entries[i], 0, NULL);

		assert_non_null(e);
		story_entry(s, i, e);
		json_decref(e);
	}
	story_end(s);
	assert_string_equal(got.n > 0 ? buf_str(&got) : "", c->want);
}

static void
refs_go_from_value_to_value(void **state)
{
	static const struct story_case cases[] = {
		{ "one after the other",
		    { PUSHED("A", "1", "2"), PUSHED("B", "2", "3") }, "" },
		{ "a value that nobody told of",
		    { PUSHED("A", "1", "2"), PUSHED("B", "7", "3") },
		    "gap@5 " },
		{ "told before",
		    { PUSHED("A", "1", "2"), MOVED("2", "7"),
			PUSHED("B", "7", "3") },
		    "" },
		{ "told later",
		    { PUSHED("A", "1", "2"), PUSHED("B", "7", "3"),
			MOVED("2", "7") },
		    "" },
		{ "told in two steps",
		    { PUSHED("A", "1", "2"), PUSHED("B", "7", "3"),
			MOVED("2", "5"), MOVED("5", "7") },
		    "" },
		{ "half told",
		    { PUSHED("A", "1", "2"), PUSHED("B", "7", "3"),
			MOVED("2", "5") },
		    "gap@5 " },
		{ "two results in the other order",
		    { MOVED("0", "1"), ALLOWED("A", "1", "2"),
			MEANT("A", "1", "2"), ALLOWED("B", "2", "3"),
			MEANT("B", "2", "3"), SENT("B", "2", "3"),
			SENT("A", "1", "2"), PUSHED("C", "3", "4") },
		    "" },
		{ "a result told twice, as after a crash",
		    { PUSHED("A", "1", "2"), SENT("A", "1", "2"),
			PUSHED("B", "2", "3") },
		    "" },
		{ "what upstream refused moved nothing",
		    { PUSHED("A", "1", "2"), ALLOWED("B", "2", "3"),
			MEANT("B", "2", "3"), FAILED("B", "2", "3"),
			PUSHED("C", "2", "4") },
		    "" },
		{ "a movement without the gate that does not fit either",
		    { PUSHED("A", "1", "2"), MOVED("8", "9") }, "gap@3 " },
		{ "more moved than was told one by one",
		    { PUSHED("A", "1", "2"),
			"{\"type\":\"ref.out-of-band\",\"repository\":\"r\","
			"\"kind\":\"more\",\"refs\":2}",
			PUSHED("B", "7", "3") },
		    "" },
		{ "of another repository that excuses nothing",
		    { PUSHED("A", "1", "2"),
			"{\"type\":\"ref.out-of-band\",\"repository\":\"q\","
			"\"kind\":\"more\",\"refs\":2}",
			PUSHED("B", "7", "3") },
		    "gap@6 " },
	};
	(void)state;

	for (size_t i = 0; i < GG_COUNT(cases); i++)
		run_case(&cases[i]);
}

static void
what_is_sent_was_decided(void **state)
{
	static const struct story_case cases[] = {
		{ "sent without intent",
		    { ALLOWED("A", "1", "2"), SENT("A", "1", "2") },
		    "unannounced@1 " },
		{ "sent without a verdict",
		    { MEANT("A", "1", "2"), SENT("A", "1", "2") },
		    "unannounced@0 unannounced@1 " },
		{ "denied and sent",
		    { DENIED("A", "1", "2"), MEANT("A", "1", "2"),
			SENT("A", "1", "2") },
		    "unannounced@1 unannounced@2 " },
		{ "another old value than was judged",
		    { ALLOWED("A", "1", "2"), MEANT("A", "1", "2"),
			SENT("A", "9", "2") },
		    "altered@2 " },
		{ "another new value",
		    { ALLOWED("A", "1", "2"), MEANT("A", "1", "5") },
		    "altered@1 " },
		{ "a refused push says nothing of another",
		    { ALLOWED("A", "1", "2"),
			"{\"type\":\"push.refused\",\"push\":\"A\"}",
			PUSHED("B", "1", "2") },
		    "" },
	};
	(void)state;

	for (size_t i = 0; i < GG_COUNT(cases); i++)
		run_case(&cases[i]);
}

static void
what_was_held_is_approved(void **state)
{
	static const struct story_case cases[] = {
		{ "by two of the group",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			YES("A", "bob"), MEANT("A", "1", "2"),
			SENT("A", "1", "2"), CLOSED("A", "") },
		    "" },
		{ "a review is missing",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			MEANT("A", "1", "2"), SENT("A", "1", "2") },
		    "unapproved@3 " },
		{ "both are missing",
		    { HELD("A", "1", "2"), OPENED("A"), MEANT("A", "1", "2"),
			SENT("A", "1", "2") },
		    "unapproved@2 " },
		{ "one of them twice",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			YES("A", "ann"), MEANT("A", "1", "2") },
		    "unapproved@4 " },
		{ "one is not in the group",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			REVIEW("A", "bob", "approve", ""),
			MEANT("A", "1", "2") },
		    "unapproved@4 " },
		{ "one is named",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			REVIEW("A", "zoe", "approve", ""),
			MEANT("A", "1", "2") },
		    "" },
		{ "one is void",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			YES("A", "bob"),
			REVIEW("A", "bob", "approve", ",\"void\":true"),
			MEANT("A", "1", "2") },
		    "unapproved@5 " },
		{ "one said no",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			YES("A", "bob"), REVIEW("A", "cid", "reject", ""),
			MEANT("A", "1", "2") },
		    "unapproved@5 " },
		{ "an approver whose review is not there",
		    { HELD("A", "1", "2"), OPENED("A"), YES("A", "ann"),
			YES("A", "bob"),
			REF("forward.intended", "A", "1", "2",
			    ",\"reviewers\":[\"ann\",\"bob\",\"eve\"]") },
		    "unapproved@4 " },
		{ "an end that was void: it waits on",
		    { HELD("A", "1", "2"), OPENED("A"), CLOSED("A", ""),
			CLOSED("A", ",\"void\":true"), YES("A", "ann"),
			YES("A", "bob"), MEANT("A", "1", "2"),
			SENT("A", "1", "2"), CLOSED("A", "") },
		    "" },
		{ "an entry of before needs were told",
		    { HELD("A", "1", "2"),
			"{\"type\":\"hold.opened\",\"push\":\"A\"}",
			YES("A", "ann"), MEANT("A", "1", "2"),
			HELD("B", "1", "2"),
			"{\"type\":\"hold.opened\",\"push\":\"B\"}",
			MEANT("B", "1", "2") },
		    "unapproved@6 " },
	};
	(void)state;

	for (size_t i = 0; i < GG_COUNT(cases); i++)
		run_case(&cases[i]);
}

static void
the_clock_goes_on(void **state)
{
	static const struct story_case cases[] = {
		{ "forward", { AT("01:00.000"), AT("02:00.000") }, "" },
		{ "a little back", { AT("01:00.000"), AT("00:57.000") }, "" },
		{ "back, once",
		    { AT("05:00.000"), AT("01:00.000"), AT("01:01.000") },
		    "clock@1 " },
	};
	(void)state;

	for (size_t i = 0; i < GG_COUNT(cases); i++)
		run_case(&cases[i]);
}

static json_t *
numbered(const char *type, unsigned push, const char *more)
{
	char text[400];
	json_t *e;

	(void)snprintf(text, sizeof(text),
	    "{\"type\":\"%s\",\"push\":\"P%u\",\"repository\":\"r\",\"ref\":"
	    "\"x%u\",\"old\":\"%u\",\"new\":\"%u\"%s}",
	    type, push, push % 3000, push, push + 3000, more);
	e = json_loads(text, 0, NULL);
	assert_non_null(e);
	return e;
}

static void
tell(struct story *s, unsigned index, json_t *e)
{
	story_entry(s, index, e);
	json_decref(e);
}

/* More pushes and refs than are kept, some of which wait while thousands
 * pass; voids of ends among them. */
static void
many_pass_and_some_wait(void **state)
{
	GG_AUTO_RELEASE(buf) got = BUF_INIT(100000);
	GG_AUTO(story) s = story_new(take, &got);
	(void)state;

	for (unsigned i = 0; i < 9000; i++) {
		bool held = i % 1000 == 7;

		tell(s, i,
		    numbered("ref.update", i,
			held ? ",\"verdict\":\"hold\"" :
			       ",\"verdict\":\"allow\""));
		if (held) {
			tell(s, i, numbered("hold.opened", i, ""));
			tell(s, i, numbered("hold.closed", i, ""));
			tell(s, i,
			    numbered("hold.closed", i, ",\"void\":true"));
			continue;
		}
		tell(s, i, numbered("forward.intended", i, ""));
		tell(s, i, numbered("forward.result", i, ",\"result\":\"ok\""));
	}
	for (unsigned i = 6007; i < 9000; i += 1000) {
		tell(s, i,
		    numbered("hold.review", i,
			",\"reviewer\":\"ann\",\"verdict\":\"approve\""));
		tell(s, i, numbered("forward.intended", i, ""));
	}
	story_end(s);
	assert_string_equal(got.n > 0 ? buf_str(&got) : "", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refs_go_from_value_to_value),
		cmocka_unit_test(what_is_sent_was_decided),
		cmocka_unit_test(what_was_held_is_approved),
		cmocka_unit_test(the_clock_goes_on),
		cmocka_unit_test(many_pass_and_some_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
