/*
 * What is fetched beside the pages: the files of web/assets, as they are.
 * The assembler takes them in (paths are those of the make's folder), and
 * the Makefile lets this object depend on them.
 */
#include "web/web_priv.h"

#include <pthread.h>

#define ASSET(name, file)                                   \
	__asm__(".section .rodata.asset_" #name "\n"        \
		".global asset_" #name "\n"                 \
		".global asset_" #name "_end\n"             \
		"asset_" #name ":\n"                        \
		".incbin \"gitgate/web/assets/" file "\"\n" \
		"asset_" #name "_end:\n"                    \
		".byte 0\n"                                 \
		".text\n");                                 \
	extern const char asset_##name[], asset_##name##_end[];

ASSET(css, "style.css")
ASSET(js, "app.js")
ASSET(icon, "icon.svg")
ASSET(openapi, "openapi.json")

static struct asset assets[] = {
	{ .name = "style.css", .type = "text/css; charset=utf-8" },
	{ .name = "app.js", .type = "text/javascript; charset=utf-8" },
	{ .name = "icon.svg", .type = "image/svg+xml" },
	{ .name = "openapi.json", .type = "application/json" },
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
name_them(void)
{
	const char *const ends[][2] = { { asset_css, asset_css_end },
		{ asset_js, asset_js_end }, { asset_icon, asset_icon_end },
		{ asset_openapi, asset_openapi_end } };
	char hex[DIGEST_SHA256_HEX_SIZE];

	for (size_t i = 0; i < GG_COUNT(assets); i++) {
		assets[i].text = view_of(ends[i][0],
		    (size_t)(ends[i][1] - ends[i][0]));
		digest_sha256_hex(assets[i].text, hex);
		(void)snprintf(assets[i].digest, sizeof(assets[i].digest),
		    "%.16s", hex);
	}
}

const struct asset *
asset_find(const char *name)
{
	(void)pthread_once(&once, name_them);
	for (size_t i = 0; i < GG_COUNT(assets); i++)
		if (strcmp(assets[i].name, name) == 0)
			return &assets[i];
	return NULL;
}

void
asset_url(struct buf *b, const char *name)
{
	const struct asset *a = asset_find(name);

	if (a == NULL)
		gg_die("no asset %s", name);
	html_lit(b, "/-/static/");
	html_attrs(b, name);
	html_lit(b, "?v=");
	html_attrs(b, a->digest);
}
