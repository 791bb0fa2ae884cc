/* The style sheet and the script, with an ETag each. */
#include "web/web_priv.h"

void
root_page(struct web_call *c)
{
	page_redirect(c, "/-/holds", NULL);
}

void
static_file(struct web_call *c)
{
	bool css = strcmp(c->verb, "style.css") == 0;
	struct view text = view_str(css ? asset_css : asset_js);
	const char *known = http_header(c->rq, "If-None-Match");
	char hash[DIGEST_SHA256_HEX_SIZE], etag[24];
	const struct http_headers h[] = {
		{ "Cache-Control", "public, max-age=300" },
		{ "ETag", etag },
		{ NULL, NULL },
	};

	digest_sha256_hex(text, hash);
	(void)snprintf(etag, sizeof(etag), "\"%.16s\"", hash);
	if (known != NULL && strstr(known, etag) != NULL)
		http_reply(c->rq, 304, NULL, view_of("", 0), h);
	else
		http_reply(c->rq, 200,
		    css ? "text/css; charset=utf-8" :
			  "text/javascript; charset=utf-8",
		    text, h);
}
