/* The sign-in page, and the browser's cookie before there is a session. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "http/addr.h"
#include "web/signin.h"

#include <stdlib.h>

static const char *
form_cookie_name(const struct config *cfg)
{
	return auth_is_https(cfg) ? "__Host-gitgate-form" : "gitgate-form";
}

char *
signin_cookie(const struct config *cfg, const char *name, const char *value,
    const char *more)
{
	return path_f("%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name, value,
	    auth_is_https(cfg) ? "; Secure" : "", more);
}

void
signin_hidden(struct buf *b, const char *name, const char *value)
{
	html_lit(b, "<input type=\"hidden\" name=\"");
	html_attrs(b, name);
	html_lit(b, "\" value=\"");
	html_attrs(b, value);
	html_lit(b, "\">");
}

static void
local_form(struct buf *b, const char *token, const char *next)
{
	html_lit(b, "<form method=\"post\" action=\"/-/login\">");
	signin_hidden(b, "csrf", token);
	signin_hidden(b, "next", next);
	html_lit(b,
	    "<label for=\"user\">Name</label><input id=\"user\" "
	    "name=\"user\" autocomplete=\"username\" autocapitalize=\"none\" "
	    "required autofocus><label for=\"password\">Password</label>"
	    "<input id=\"password\" name=\"password\" type=\"password\" "
	    "autocomplete=\"current-password\" required>"
	    "<button class=\"primary\">Sign in</button></form>");
}

static void
provider_form(struct buf *b, const struct provider *p, const char *token,
    const char *next)
{
	html_lit(b, "<form method=\"post\" action=\"/-/login/");
	html_urls(b, p->name);
	html_lit(b, "\">");
	signin_hidden(b, "csrf", token);
	signin_hidden(b, "next", next);
	html_lit(b, "<button class=\"primary\">Sign in with ");
	html_texts(b, p->title);
	html_lit(b, "</button></form>");
}

static void
ways(const struct web_call *c, struct buf *b, const char *token,
    const char *next)
{
	const struct identity *id = &c->cfg->identity;

	for (size_t i = 0; i < id->n_providers; i++)
		provider_form(b, &id->providers[i], token, next);
	if (id->local_accounts && id->n_providers > 0)
		html_lit(b, "<p>Or with an account of this gate:</p>");
	if (id->local_accounts)
		local_form(b, token, next);
	else if (id->n_providers == 0)
		html_lit(b,
		    "<p>This gate has no way to sign in here. The API takes "
		    "tokens.</p>");
}

/*
 * The form's token before there is a session: a random one, in the form and
 * in a cookie; another site can set neither.
 */
char *
signin_form_token(struct web_call *c)
{
	const char *again = http_cookie(c->rq, form_cookie_name(c->cfg));

	return again != NULL && strlen(again) == 43 ?
	    view_dup(view_str(again)) :
	    auth_random();
}

void
signin_show(struct web_call *c, unsigned status, const char *complaint)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	GG_AUTO_MEM char *token = signin_form_token(c);
	GG_AUTO_MEM char *cookie = NULL;
	const char *next = http_query(c->rq, "next");

	if (token == NULL) {
		http_reply_text(c->rq, 500, "no memory");
		return;
	}
	cookie = signin_cookie(c->cfg, form_cookie_name(c->cfg), token, "");
	if (next == NULL)
		next = http_form(c->rq, "next");
	page_begin(c, &b, "Sign in", "");
	html_lit(&b, "<div class=\"card narrow\"><h1>Sign in</h1>");
	if (complaint[0] != '\0') {
		html_lit(&b, "<p class=\"alert\" role=\"alert\">");
		html_texts(&b, complaint);
		html_lit(&b, "</p>");
	}
	ways(c, &b, token, page_safe_next(next));
	html_lit(&b, "</div>");
	page_reply_with(c, status, &b, "Set-Cookie", cookie);
}

bool
signin_form_is_ours(struct web_call *c)
{
	const char *token = http_form(c->rq, "csrf");
	const char *cookie = http_cookie(c->rq, form_cookie_name(c->cfg));

	return auth_origin_is_ours(c) && token != NULL && cookie != NULL &&
	    token[0] != '\0' &&
	    view_eq_consttime(view_str(token), view_str(cookie));
}

void
signin_go(struct web_call *c, const char *title, const char *url)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(131072);
	GG_AUTO_MEM char *refresh = path_f("0; url=%s", url);

	page_begin(c, &b, "Signing in", "");
	html_lit(&b, "<div class=\"card narrow\"><h1>Signing in</h1><p>");
	html_lit(&b, "<a id=\"go\" href=\"");
	html_attrs(&b, url);
	html_lit(&b, "\">Go on to ");
	html_texts(&b, title);
	html_lit(&b, "</a></p></div>");
	page_reply_with(c, 200, &b, "Refresh", refresh);
}

void
signin_unavailable(struct web_call *c, const struct gg_error *err)
{
	log_event(EV_http_error, kv_str("path", "/-/login"), kv_err(err));
	page_error(c, 503, "Not available",
	    "Signing in is not possible at the moment. Try again soon.");
}

/* -- which browser -- */

/* The hash of its cookie; false where it has none. */
static bool
browser_of(struct web_call *c, char hash[DIGEST_SHA256_HEX_SIZE])
{
	const char *cookie = http_cookie(c->rq, form_cookie_name(c->cfg));

	if (cookie == NULL || strlen(cookie) != 43)
		return false;
	digest_sha256_hex(view_str(cookie), hash);
	return true;
}

bool
signin_is_browser_of(struct web_call *c, const struct stored_sign_in *x)
{
	char hash[DIGEST_SHA256_HEX_SIZE];

	return browser_of(c, hash) && strcmp(hash, x->browser) == 0;
}

int
signin_remember(struct web_call *c, const struct provider *p, const char *state,
    const char *data, struct gg_error *err)
{
	char hash[DIGEST_SHA256_HEX_SIZE], browser[DIGEST_SHA256_HEX_SIZE];
	const struct limits *l = &c->cfg->limits;
	int64_t now = clock_wall_ms();
	char client[ADDR_SIZE];
	struct stored_sign_in x = {
		.provider = p->name,
		.browser = browser,
		.next = (char *)(uintptr_t)page_safe_next(http_form(c->rq,
		    "next")),
		.data = (char *)(uintptr_t)data,
		.client_addr = client,
		.created_ms = now,
	};

	if (!browser_of(c, browser))
		return gg_fail(err, GG_E_REFUSED,
		    "your browser sent no cookie: allow cookies for this site");
	addr_group(http_client_addr(c->rq), client);
	digest_sha256_hex(view_str(state), hash);
	return store_sign_in_add(c->ops->store, hash, &x,
	    now - (int64_t)l->sign_in_ms, l->sign_ins_pending,
	    l->sign_ins_pending_per_address, err);
}

int
signin_recall(struct web_call *c, const struct provider *p, const char *state,
    bool any_browser, struct stored_sign_in *out, struct gg_error *err)
{
	char hash[DIGEST_SHA256_HEX_SIZE], browser[DIGEST_SHA256_HEX_SIZE];
	int64_t oldest = clock_wall_ms() - (int64_t)c->cfg->limits.sign_in_ms;
	int rc;

	if (!any_browser && !browser_of(c, browser))
		return gg_fail(err, GG_E_REFUSED,
		    "This browser did not begin that sign-in. Try again.");
	digest_sha256_hex(view_str(state), hash);
	rc = store_sign_in_take(c->ops->store, hash, p->name,
	    any_browser ? NULL : browser, oldest, out, err);
	return rc == GG_E_NOTFOUND ?
	    gg_fail(err, GG_E_REFUSED,
		"This sign-in is over, too old, or another browser's. Try again.") :
	    rc;
}
