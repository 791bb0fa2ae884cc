/* Who am I, in which groups, and where am I signed in. */
#include "base/clock.h"
#include "base/fd.h"
#include "identity/session.h"
#include "web/signin.h"

#include <stdlib.h>

static void
list_of(struct buf *b, const struct strv *v)
{
	for (size_t i = 0; i < v->n; i++) {
		html_lit(b, "<code>");
		html_texts(b, v->v[i]);
		html_lit(b, "</code> ");
	}
	if (v->n == 0)
		html_lit(b, "none");
}

/* The provider's title, or its name where it is gone. */
static const char *
title_of(const struct web_call *c, const char *provider)
{
	const struct provider *p = config_find_provider(c->cfg, provider);

	if (provider[0] == '\0')
		return "an account of this gate";
	return p != NULL ? p->title : provider;
}

static void
facts(const struct web_call *c, struct buf *b)
{
	html_lit(b, "<section class=\"card\"><dl><dt>Name</dt><dd><code>");
	html_texts(b, c->who.name);
	html_lit(b, "</code></dd><dt>Signed in with</dt><dd>");
	html_texts(b, title_of(c, c->session.s.provider));
	html_lit(b, "</dd><dt>Groups</dt><dd>");
	list_of(b, &c->who.groups);
	html_lit(b, "</dd><dt>Verified e-mail addresses</dt><dd>");
	list_of(b, &c->who.aliases);
	html_lit(b, "</dd></dl></section>");
}

struct listing {
	struct web_call *c;
	struct buf *b;
};

static int
session_item(void *ctx, const struct stored_session *s)
{
	const struct listing *l = ctx;
	const struct limits *limits = &l->c->cfg->limits;
	struct buf *b = l->b;

	if (session_state(s->created_ms, s->used_ms,
		(int64_t)limits->session_idle_ms,
		(int64_t)limits->session_total_ms,
		clock_wall_ms()) != CREDENTIAL_GOOD)
		return 0;
	html_lit(b, "<tr><td>");
	html_time(b, s->signed_in_ms);
	html_lit(b, "</td><td>");
	html_time(b, s->used_ms);
	html_lit(b, "</td><td>");
	html_texts(b, s->client_addr);
	html_lit(b, "</td><td>");
	html_texts(b, title_of(l->c, s->provider));
	html_lit(b, "</td><td>");
	if (strcmp(s->id, l->c->session.s.id) == 0) {
		html_lit(b, "this one");
	} else {
		html_lit(b,
		    "<form method=\"post\" action=\"/-/account/sessions/");
		html_urls(b, s->id);
		html_lit(b, "/end\">");
		page_csrf(l->c, b);
		html_lit(b, "<button class=\"quiet\">End</button></form>");
	}
	html_lit(b, "</td></tr>");
	return 0;
}

void
account_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	struct listing l = { c, &b };
	struct gg_error err = { 0 };
	int rc;

	if (!c->session.is_open) {
		page_error(c, 403, "No session",
		    "This page is for people who are signed in.");
		return;
	}
	page_begin(c, &b, "Your account", "");
	html_lit(&b, "<h1>Your account</h1>");
	facts(c, &b);
	html_lit(&b,
	    "<section class=\"card\"><h2>Sessions</h2><div class=\"scroll\">"
	    "<table><thead><tr><th>Signed in</th>"
	    "<th>Last used</th><th>From</th><th>With</th><th>End</th></tr>"
	    "</thead><tbody>");
	rc = store_session_list(c->ops->store, c->who.name, session_item, &l,
	    &err);
	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	html_lit(&b,
	    "</tbody></table></div><form method=\"post\" "
	    "action=\"/-/account/sign-out\">");
	page_csrf(c, &b);
	html_lit(&b,
	    "<button>Sign out everywhere</button></form>"
	    "</section>");
	page_reply(c, 200, &b);
}

struct search {
	const char *id;
	bool found;
};

static int
is_it(void *ctx, const struct stored_session *s)
{
	struct search *x = ctx;

	x->found = x->found || strcmp(s->id, x->id) == 0;
	return 0;
}

/* What is not there is not said to have ended. */
static int
find_session(struct web_call *c, const char *id, struct gg_error *err)
{
	struct search x = { .id = id };
	int rc = store_session_list(c->ops->store, c->who.name, is_it, &x, err);

	if (rc == 0 && !x.found)
		return gg_fail(err, GG_E_NOTFOUND, "no such session of yours");
	return rc;
}

int
account_end(struct web_call *c, const char *id, uint64_t *n,
    struct gg_error *err)
{
	struct stored_session which = { .id = (char *)(uintptr_t)id };
	const struct principal *by = c->session.is_open ? NULL : &c->who;
	GG_AUTO_RELEASE(buf) how = BUF_INIT(512);
	int rc = id != NULL ? find_session(c, id, err) : 0;

	if (rc != 0)
		return rc;
	if (id == NULL)
		buf_adds(&how, "everywhere");
	if (by != NULL)
		buf_addf(&how, "%sby %s %s", id == NULL ? ", " : "",
		    auth_method_name(by->method),
		    by->credential_id != NULL ? by->credential_id : "");
	rc = signin_note(c, "session.ended", c->who.name, &which,
	    how.n > 0 ? buf_str(&how) : NULL, err);
	return rc != 0 ?
	    rc :
	    store_session_end(c->ops->store, c->who.name, id, n, err);
}

void
account_end_session(struct web_call *c)
{
	struct gg_error err = { 0 };
	uint64_t n = 0;
	int rc = account_end(c, c->id, &n, &err);

	if (rc != 0)
		page_failure(c, rc, &err);
	else
		page_redirect(c, "/-/account", NULL);
}

void
account_sign_out(struct web_call *c)
{
	GG_AUTO_MEM char *cookie = signin_cookie(c->cfg,
	    auth_cookie_name(c->cfg), "", "; Max-Age=0");
	struct gg_error err = { 0 };
	uint64_t n = 0;
	int rc = account_end(c, NULL, &n, &err);

	if (rc != 0)
		page_failure(c, rc, &err);
	else
		page_redirect(c, "/-/login", cookie);
}
