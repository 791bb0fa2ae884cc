/* The frame around every page, and the headers that keep it apart. */
#include "base/log.h"
#include "web/web_priv.h"

#define CSP                                                         \
	"default-src 'none'; style-src 'self'; script-src 'self'; " \
	"img-src 'self'; connect-src 'self'; form-action 'self'; "  \
	"base-uri 'none'; frame-ancestors 'none'"

static const struct http_headers page_headers[] = {
	{ "Content-Security-Policy", CSP },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ NULL, NULL },
};
#define N_PAGE_HEADERS (GG_COUNT(page_headers) - 1)
/* Room for those, and what a page adds. */
#define PAGE_HEADERS_SIZE (N_PAGE_HEADERS + 4)

/* How many. Where people come by https they stay with it. */
static size_t
fill_headers(const struct web_call *c, struct http_headers *h)
{
	size_t n = N_PAGE_HEADERS;

	memcpy(h, page_headers, n * sizeof(h[0]));
	if (auth_is_https(c->cfg))
		h[n++] = (struct http_headers){ "Strict-Transport-Security",
			"max-age=31536000" };
	return n;
}

static void
tab(struct buf *b, const char *path, const char *name, const char *section)
{
	html_lit(b, "<a href=\"");
	html_attrs(b, path);
	html_lit(b, "\"");
	if (strcmp(name, section) == 0)
		html_lit(b, " aria-current=\"page\"");
	html_lit(b, ">");
	html_texts(b, name);
	html_lit(b, "</a>");
}

/* How many of them wait for the reader. A page does without it where it
 * cannot be known. */
static void
holds_tab(const struct web_call *c, struct buf *b, const char *section)
{
	struct hold_count n = c->mine;
	int rc = c->is_counted ?
	    0 :
	    count_holds(c, HOLD_VIEW_MINE, COUNT_MOST, &n, NULL);

	html_lit(b, "<a href=\"/-/holds\"");
	if (strcmp(section, "Holds") == 0)
		html_lit(b, " aria-current=\"page\"");
	html_lit(b, ">Holds");
	if (rc == 0 && n.n > 0) {
		html_lit(b, " <span class=\"n\" id=\"mine\">");
		html_u64(b, n.n);
		html_texts(b, n.more ? "+" : "");
		html_lit(b, "<span class=\"vh\"> to decide</span></span>");
	}
	html_lit(b, "</a>");
}

static void
navigation(const struct web_call *c, struct buf *b, const char *section)
{
	html_lit(b, "<nav aria-label=\"Main\">");
	holds_tab(c, b, section);
	tab(b, "/-/pushes", "Pushes", section);
	tab(b, "/-/repositories", "Repositories", section);
	tab(b, "/-/grants", "Grants", section);
	tab(b, "/-/audit", "Audit", section);
	html_lit(b, "</nav><div class=\"who\">");
	if (c->session.is_open) {
		html_lit(b, "<a href=\"/-/account\">");
		html_texts(b, c->who.name);
		html_lit(b, "</a>");
		html_lit(b, "<form method=\"post\" action=\"/-/logout\">");
		page_csrf(c, b);
		html_lit(b, "<button class=\"quiet\">Sign out</button></form>");
	} else {
		html_lit(b, "<span>");
		html_texts(b, c->who.name);
		html_lit(b, "</span>");
	}
	html_lit(b, "</div>");
}

static void
head(struct buf *b, const char *title)
{
	html_lit(b,
	    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\"><meta name=\"color-scheme\" "
	    "content=\"light dark\"><title>");
	html_attrs(b, title);
	html_lit(b, " - gitgate</title><link rel=\"icon\" href=\"");
	asset_url(b, "icon.svg");
	html_lit(b, "\"><link rel=\"stylesheet\" href=\"");
	asset_url(b, "style.css");
	html_lit(b, "\"><script src=\"");
	asset_url(b, "app.js");
	html_lit(b, "\" defer></script></head>");
}

void
page_begin(const struct web_call *c, struct buf *b, const char *title,
    const char *section)
{
	head(b, title);
	html_lit(b,
	    "<body><a class=\"skip\" href=\"#main\">Skip to content</a>"
	    "<header class=\"top\"><a class=\"brand\" href=\"/-/holds\">"
	    "gitgate</a>");
	if (c->who.name != NULL && c->who.method != AUTH_ANONYMOUS)
		navigation(c, b, section);
	html_lit(b, "</header><main id=\"main\" tabindex=\"-1\">");
}

void
page_end(struct buf *b)
{
	html_lit(b, "</main></body></html>\n");
}

void
page_csrf(const struct web_call *c, struct buf *b)
{
	if (!c->session.is_open)
		return;
	html_lit(b, "<input type=\"hidden\" name=\"csrf\" value=\"");
	html_attrs(b, c->session.s.csrf);
	html_lit(b, "\">");
}

void
page_act_button(const struct web_call *c, struct buf *b, const char *what,
    const char *verb, const char *label, const char *look)
{
	html_lit(b, "<button class=\"");
	html_attrs(b, look);
	html_lit(b, "\" formaction=\"/-/");
	html_urls(b, what);
	html_lit(b, "/");
	html_urls(b, c->id);
	html_lit(b, "/");
	html_urls(b, verb);
	html_lit(b, "\">");
	html_texts(b, label);
	html_lit(b, "</button>");
}

void
page_reply(struct web_call *c, unsigned status, struct buf *b)
{
	struct http_headers h[PAGE_HEADERS_SIZE] = { { NULL, NULL } };
	struct gg_error err = { 0 };

	page_end(b);
	if (buf_check(b, &err) != 0) {
		log_event(EV_http_error, kv_str("path", http_path(c->rq)),
		    kv_err(&err));
		http_reply_text(c->rq, 500, "this page is too large");
		return;
	}
	(void)fill_headers(c, h);
	http_reply(c->rq, status, "text/html; charset=utf-8", buf_view(b), h);
}

void
page_error(struct web_call *c, unsigned status, const char *title,
    const char *detail)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	page_begin(c, &b, title, "");
	html_lit(&b, "<h1>");
	html_texts(&b, title);
	html_lit(&b, "</h1><p>");
	html_texts(&b, detail);
	html_lit(&b, "</p><p><a href=\"/-/holds\">To the holds</a></p>");
	page_reply(c, status, &b);
}

void
page_reply_with(struct web_call *c, unsigned status, struct buf *b,
    const char *name, const char *value)
{
	struct http_headers h[PAGE_HEADERS_SIZE] = { { NULL, NULL } };

	h[fill_headers(c, h)] = (struct http_headers){ name, value };
	page_end(b);
	if (buf_check(b, NULL) != 0)
		http_reply_text(c->rq, 500, "this page is too large");
	else
		http_reply(c->rq, status, "text/html; charset=utf-8",
		    buf_view(b), h);
}

void
page_redirect(struct web_call *c, const char *where, const char *set_cookie)
{
	struct http_headers h[PAGE_HEADERS_SIZE] = { { NULL, NULL } };
	size_t n = fill_headers(c, h);

	h[n++] = (struct http_headers){ "Location", where };
	if (set_cookie != NULL)
		h[n++] = (struct http_headers){ "Set-Cookie", set_cookie };
	http_reply(c->rq, 303, "text/plain; charset=utf-8",
	    view_str("see other\n"), h);
}

/* Only paths below "/-/", of plain characters: no host, no scheme, no
 * backslash that a browser would read as a slash. */
const char *
page_safe_next(const char *next)
{
	if (next == NULL || strncmp(next, "/-/", 3) != 0 ||
	    strstr(next, "//") != NULL || strstr(next, "..") != NULL ||
	    strlen(next) > 512)
		return "/-/holds";
	for (const char *p = next; *p != '\0'; p++)
		if (strchr("/-_.~?&=%", *p) == NULL &&
		    !(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'z') &&
		    !(*p >= 'A' && *p <= 'Z'))
			return "/-/holds";
	if (strncmp(next, "/-/login", 8) == 0 ||
	    strncmp(next, "/-/logout", 9) == 0)
		return "/-/holds";
	return next;
}
