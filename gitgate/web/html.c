#include "web/html.h"

#include "base/clock.h"
#include "base/text.h"

bool
html_is_deceptive(uint32_t c)
{
	return c != '\t' && c != '\n' && char_is_deceptive(c);
}

static const char *
entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '`':
		return "&#96;";
	case '=':
		return "&#61;";
	case 0xfffd:
		return "\xef\xbf\xbd";
	default:
		return NULL;
	}
}

static void
escape(struct buf *out, struct view v, bool spans)
{
	while (v.n > 0) {
		size_t n;
		uint32_t c = utf8_char(v, &n);
		const char *e = entity(c);

		if (e != NULL)
			buf_adds(out, e);
		else if (!html_is_deceptive(c))
			buf_add(out, v.p, n);
		else if (spans)
			buf_addf(out, "<span class=\"inv\">U+%04X</span>", c);
		else
			buf_addf(out, "[U+%04X]", c);
		view_skip(&v, n);
	}
}

void
html_text(struct buf *out, struct view v)
{
	escape(out, v, true);
}

void
html_attr(struct buf *out, struct view v)
{
	escape(out, v, false);
}

void
html_url(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
		    c == '_' || c == '~')
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

void
html_u64(struct buf *out, uint64_t n)
{
	buf_addf(out, "%llu", (unsigned long long)n);
}

void
html_time(struct buf *out, int64_t wall_ms)
{
	char t[CLOCK_RFC3339_SIZE];

	clock_format(wall_ms, t);
	buf_addf(out, "<time datetime=\"%s\">%.10s %.5s UTC</time>", t, t,
	    t + 11);
}

void
html_when(struct buf *out, const char *rfc3339)
{
	int64_t ms;

	if (clock_parse(view_str(rfc3339), &ms, NULL) == 0)
		html_time(out, ms);
	else
		html_texts(out, rfc3339);
}

void
html_span(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { 86400000, "day" }, { 3600000, "hour" },
		{ 60000, "minute" } };

	for (size_t i = 0; i < GG_COUNT(units); i++) {
		long long n = ms / units[i].ms;

		if (n < 1)
			continue;
		buf_addf(out, "%lld %s%s", n, units[i].name, n > 1 ? "s" : "");
		return;
	}
	buf_adds(out, "less than a minute");
}

void
html_bytes(struct buf *out, uint64_t n)
{
	if (n < 1024)
		buf_addf(out, "%llu bytes", (unsigned long long)n);
	else if (n < (uint64_t)1024 * 1024)
		buf_addf(out, "%llu KiB", (unsigned long long)(n / 1024));
	else
		buf_addf(out, "%llu MiB",
		    (unsigned long long)(n / 1024 / 1024));
}
