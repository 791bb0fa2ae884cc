#include "scan/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps and memory of one search: a few tenths of a second at worst. */
#define MATCH_LIMIT 4000000
#define HEAP_KIB    16384

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
	uint32_t groups;
};

static pcre2_code *
compile(const char *text, int *why)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	size_t at;

	if (c == NULL)
		return NULL;
	(void)pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
		PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
	    why, &at, c);
	pcre2_compile_context_free(c);
	return code;
}

int
regex_compile(const char *text, struct regex **out, struct gg_error *err)
{
	GG_AUTO(regex) re = calloc(1, sizeof(*re));
	char words[120] = "";
	int why = 0;

	if (re == NULL)
		return gg_fail(err, GG_E_NOMEM, "regex");
	if ((re->code = compile(text, &why)) == NULL) {
		(void)pcre2_get_error_message(why, (PCRE2_UCHAR *)words,
		    sizeof(words));
		return gg_fail(err, GG_E_INPUT, "bad regex: %s", words);
	}
	re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (re->data == NULL || re->limits == NULL)
		return gg_fail(err, GG_E_NOMEM, "regex");
	(void)pcre2_set_match_limit(re->limits, MATCH_LIMIT);
	(void)pcre2_set_heap_limit(re->limits, HEAP_KIB);
	(void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT,
	    &re->groups);
	*out = gg_take(re);
	return 0;
}

void
regex_free(struct regex *re)
{
	if (re == NULL)
		return;
	pcre2_match_context_free(re->limits);
	pcre2_match_data_free(re->data);
	pcre2_code_free(re->code);
	free(re);
}

unsigned
regex_groups(const struct regex *re)
{
	return re->groups;
}

static void
take_spans(const struct regex *re, struct span *spans)
{
	const size_t *at = pcre2_get_ovector_pointer(re->data);

	for (uint32_t i = 0; i <= re->groups && i <= REGEX_GROUPS_MAX; i++) {
		spans[i] = (struct span){ at[2 * i], at[2 * i + 1] };
		if (at[2 * i] == PCRE2_UNSET || at[2 * i] > at[2 * i + 1])
			spans[i] = (struct span){ REGEX_NONE, REGEX_NONE };
	}
}

int
regex_search(struct regex *re, struct view subject, size_t from, size_t last,
    unsigned flags, struct span *spans, struct gg_error *err)
{
	uint32_t options = (flags & REGEX_NOT_BOL ? PCRE2_NOTBOL : 0) |
	    (flags & REGEX_NOT_EOL ? PCRE2_NOTEOL : 0);
	int rc;

	(void)pcre2_set_offset_limit(re->limits, last);
	rc = pcre2_match(re->code, (PCRE2_SPTR)(subject.n ? subject.p : ""),
	    subject.n, from, options, re->data, re->limits);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return gg_fail(err, GG_E_LIMIT,
		    "matching takes too many steps");
	take_spans(re, spans);
	if (spans[0].begin == REGEX_NONE) /* \K in a lookahead */
		return 0;
	return 1;
}

bool
regex_matches(struct regex *re, struct view subject)
{
	struct span spans[REGEX_GROUPS_MAX + 1];

	return regex_search(re, subject, 0, subject.n, 0, spans, NULL) == 1;
}
