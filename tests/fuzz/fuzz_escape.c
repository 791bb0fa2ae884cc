/*
 * Escaping. Oracle: no delimiter of the context is left (but for our own
 * spans in text), the result is UTF-8, a link is plain ASCII, and undoing a
 * link's escapes gives the input.
 */
#include "base/text.h"
#include "http/form.h"
#include "web/html.h"

#include "fuzz.h"

#define SPAN     "<span class=\"inv\">U+"
#define SPAN_END "</span>"

static void
check_text(struct view v)
{
	while (v.n > 0) {
		if (view_has_prefix(v, SPAN)) {
			view_skip(&v, strlen(SPAN));
			while (v.n > 0 && v.p[0] != '<')
				view_skip(&v, 1);
			FUZZ_CHECK(view_has_prefix(v, SPAN_END));
			view_skip(&v, strlen(SPAN_END));
			continue;
		}
		FUZZ_CHECK(v.p[0] != '<' && v.p[0] != '>' && v.p[0] != '"');
		view_skip(&v, 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_of(data, size);
	GG_AUTO_RELEASE(buf) t = BUF_INIT(size * 40 + 64);
	GG_AUTO_RELEASE(buf) a = BUF_INIT(size * 40 + 64);
	GG_AUTO_RELEASE(buf) u = BUF_INIT(size * 40 + 64);
	GG_AUTO_MEM char *back = NULL;

	html_text(&t, in);
	html_attr(&a, in);
	html_url(&u, in);
	FUZZ_CHECK(!t.failed && !a.failed && !u.failed);
	FUZZ_CHECK(utf8_is_valid(buf_view(&t)));
	FUZZ_CHECK(utf8_is_valid(buf_view(&a)));
	check_text(buf_view(&t));
	for (size_t i = 0; i < a.n; i++)
		FUZZ_CHECK(strchr("<>\"'`=", a.p[i]) == NULL);
	for (size_t i = 0; i < u.n; i++)
		FUZZ_CHECK(strchr("<>\"'&=/?# ", u.p[i]) == NULL &&
		    u.p[i] > ' ' && u.p[i] < 0x7f);
	back = percent_decode(buf_view(&u), false);
	if (size == 0 || memchr(data, '\0', size) == NULL)
		FUZZ_CHECK(back != NULL && view_eq(view_str(back), in));
	return 0;
}
