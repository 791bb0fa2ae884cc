/*
 * The scanner over hostile text with fixed rules. Oracle: PCRE2 alone, over
 * the whole text, for rules that ask nothing but their expression: the two
 * engines have to find the same matches; and a secret lies inside its match,
 * inside the text.
 */
#include "fuzz.h"
#include "ipc/codec.h"
#include "scan/compile.h"
#include "scan/scanner.h"

static const char rules[] =
    "[[rules]]\nid = '0'\nregex = '\\b(k[a-z]{3,9})\\b'\n"
    "[[rules]]\nid = '1'\nregex = '(?i)key[ =:]{1,3}([a-z0-9]{4,12})(?:[^a-z0-9]|$)'\n"
    "[[rules]]\nid = '2'\nregex = '-BEGIN-[\\s\\S]{3,30}?-END-'\n";

struct seen {
	struct view text;
	size_t n[3];
	size_t sum[3];
};

static struct scanner *
scanner(void)
{
	static struct scanner *s;
	GG_AUTO_RELEASE(buf) text = BUF_INIT(65536);
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)16 << 20);
	GG_AUTO_RELEASE(strv) warnings = STRV_INIT;
	uint32_t n;

	if (s != NULL)
		return s;
	enc_str(&text, "f");
	enc_str(&text, rules);
	FUZZ_CHECK(scan_compile(buf_view(&text), &out, &n, &warnings, NULL) ==
	    0);
	FUZZ_CHECK(scanner_new(buf_view(&out), &s, NULL) == 0);
	return s;
}

static int
note(void *ctx, const struct scan_hit *h, struct gg_error *err)
{
	struct seen *s = ctx;
	size_t rule = (size_t)(h->rule->id[0] - '0');

	(void)err;
	FUZZ_CHECK(h->match.begin <= h->secret.begin &&
	    h->secret.begin < h->secret.end && h->secret.end <= h->match.end &&
	    h->match.end <= s->text.n);
	s->n[rule]++;
	s->sum[rule] += h->match.begin;
	return 0;
}

static void
compare(const struct seen *s, size_t rule, const char *regex)
{
	GG_AUTO(regex) re = NULL;
	struct span spans[REGEX_GROUPS_MAX + 1];
	size_t from = 0, n = 0, sum = 0;

	FUZZ_CHECK(regex_compile(regex, &re, NULL) == 0);
	while (regex_search(re, s->text, from, s->text.n, 0, spans, NULL) ==
	    1) {
		n++;
		sum += spans[0].begin;
		from = spans[0].end;
	}
	FUZZ_CHECK(n == s->n[rule] && sum == s->sum[rule]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct seen s = { .text = view_of(data, n) };
	struct scan_fragment f = { s.text, view_of("p", 1), "", true, true };

	if (n > 65536)
		return 0;
	FUZZ_CHECK(scanner_scan(scanner(), &f, note, &s, NULL) == 0);
	compare(&s, 0, "\\b(k[a-z]{3,9})\\b");
	compare(&s, 1, "(?i)key[ =:]{1,3}([a-z0-9]{4,12})(?:[^a-z0-9]|$)");
	compare(&s, 2, "-BEGIN-[\\s\\S]{3,30}?-END-");
	return 0;
}
