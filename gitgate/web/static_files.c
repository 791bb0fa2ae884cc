/* The files of web/assets, with an ETag each. */
#include "web/web_priv.h"

void
root_page(struct web_call *c)
{
	page_redirect(c, "/-/holds", NULL);
}

/* Pages name them with their digest: such an address never means anything
 * else. Without it, or with another gate's, they are asked for again. */
void
static_file(struct web_call *c)
{
	const struct asset *a = asset_find(c->verb);
	const char *known = http_header(c->rq, "If-None-Match");
	const char *version = http_query(c->rq, "v");
	char etag[24];
	struct http_headers h[] = {
		{ "Cache-Control", "public, max-age=300" },
		{ "ETag", etag },
		{ NULL, NULL },
	};

	if (a == NULL) {
		http_reply_text(c->rq, 404, "not found");
		return;
	}
	if (version != NULL && strcmp(version, a->digest) == 0)
		h[0].value = "public, max-age=31536000, immutable";
	(void)snprintf(etag, sizeof(etag), "\"%s\"", a->digest);
	if (known != NULL && strstr(known, etag) != NULL)
		http_reply(c->rq, 304, NULL, view_of("", 0), h);
	else
		http_reply(c->rq, 200, a->type, a->text, h);
}
