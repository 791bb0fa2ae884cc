/* The TOML reader and the rule table: whatever the text, an error names file
 * and line; what is read is within the bounds, and the table survives its
 * own encoding unchanged. */
#include "fuzz.h"
#include "scan/rules.h"
#include "scan/toml.h"

static size_t
check(const struct toml *t, unsigned depth)
{
	size_t n = 0, all = 1;

	FUZZ_CHECK(depth < 600);
	for (const struct toml *c = t->first; c != NULL; c = c->next, n++) {
		FUZZ_CHECK((t->type == TOML_TABLE) == (c->key != NULL));
		FUZZ_CHECK(c->line >= 1);
		FUZZ_CHECK(c->type != TOML_STRING || c->str != NULL);
		if (c->key != NULL)
			FUZZ_CHECK(toml_get(t, c->key) == c);
		all += check(c, depth + 1);
	}
	FUZZ_CHECK(n == t->n);
	return all;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	GG_AUTO(toml) t = NULL;
	GG_AUTO_RELEASE(scan_rules) r = { 0 };
	GG_AUTO_RELEASE(scan_rules) again = { 0 };
	GG_AUTO_RELEASE(buf) one = BUF_INIT((size_t)64 << 20);
	GG_AUTO_RELEASE(buf) two = BUF_INIT((size_t)64 << 20);
	struct view text = view_of(data, n);
	struct gg_error err = { 0 };
	int rc = toml_parse("f", text, &t, &err);

	if (rc != 0) {
		FUZZ_CHECK(rc == GG_E_INPUT && strncmp(err.msg, "f:", 2) == 0);
		return 0;
	}
	FUZZ_CHECK(check(t, 0) <= TOML_MAX_NODES);
	rc = scan_rules_add(&r, "f", text, &err);
	if (rc != 0) {
		FUZZ_CHECK(rc == GG_E_INPUT && strncmp(err.msg, "f:", 2) == 0);
		return 0;
	}
	scan_rules_encode(&r, &one);
	FUZZ_CHECK(scan_rules_decode(buf_view(&one), &again, NULL) == 0);
	scan_rules_encode(&again, &two);
	FUZZ_CHECK(view_eq(buf_view(&one), buf_view(&two)));
	return 0;
}
