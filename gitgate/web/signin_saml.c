/*
 * Signing in by SAML 2.0. The provider's answer comes as a POST from another
 * site, so without our Lax cookies: it is matched by its relay state, checked
 * (role/gate_saml.c), put down as proven, and the browser is sent to a page of
 * ours, where its cookie says whether it is the one that began. Otherwise
 * somebody could be signed in as whom they did not choose.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "identity/id_token.h"
#include "web/signin.h"

#include <stdlib.h>

#define FORMAT_TRANSIENT "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
#define REQUEST_ID_BYTES 16

static void
drop(json_t **j)
{
	json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(drop))) json_t *

static const struct provider *
find(struct web_call *c)
{
	const struct provider *p = config_find_provider(c->cfg, c->name);

	if (p != NULL && p->kind == PROVIDER_SAML)
		return p;
	page_error(c, 404, "Not found", "There is no such way to sign in.");
	return NULL;
}

/* What went wrong before anybody was refused or let in. Answers. */
static void
answer_failure(struct web_call *c, const struct provider *p, int rc,
    const struct gg_error *err)
{
	if (rc == GG_E_REFUSED)
		signin_refuse(c, p, err);
	else
		signin_unavailable(c, err);
}

/* -- beginning -- */

static int
remember(struct web_call *c, const struct provider *p, const char *relay,
    const char *id, struct gg_error *err)
{
	AUTO_JSON o = json_pack("{s:s}", "request", id);
	GG_AUTO_MEM char *data = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

	if (data == NULL)
		return gg_fail(err, GG_E_NOMEM, "sign-in");
	return signin_remember(c, p, relay, data, err);
}

void
signin_saml_begin(struct web_call *c, const struct provider *p)
{
	GG_AUTO_MEM char *relay = auth_random();
	GG_AUTO_MEM char *url = NULL;
	unsigned char random[REQUEST_ID_BYTES];
	char id[2 * REQUEST_ID_BYTES + 2] = "_"; /* an XML name */
	struct gg_error err = { 0 };
	int rc;

	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), id + 1);
	if (relay == NULL)
		rc = gg_fail(&err, GG_E_NOMEM, "sign-in");
	else if ((rc = remember(c, p, relay, id, &err)) == 0)
		rc = c->ops->saml_begin(c->ops->ctx, c->cfg, p, id, relay, &url,
		    &err);
	if (rc == 0)
		signin_go(c, p->title, url);
	else if (rc == GG_E_REFUSED)
		signin_show(c, 403, err.msg);
	else
		signin_unavailable(c, &err);
}

/* -- the answer -- */

/* XML from the form field, which providers break into lines. */
static int
decode(struct web_call *c, struct buf *xml, struct gg_error *err)
{
	const char *field = http_form(c->rq, "SAMLResponse");
	GG_AUTO_RELEASE(buf) tight = BUF_INIT(4 * xml->max);

	if (field == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "The provider's answer is missing. Try again.");
	for (const char *p = field; *p != '\0'; p++)
		if (strchr(" \t\r\n", *p) == NULL)
			buf_addc(&tight, *p);
	if (base64_decode(xml, buf_view(&tight), NULL) == 0)
		return 0;
	if (xml->failed == GG_E_LIMIT || tight.failed == GG_E_LIMIT)
		return gg_fail(err, GG_E_REFUSED,
		    "The provider's answer is larger than the limit "
		    "saml-response.");
	return gg_fail(err, GG_E_REFUSED,
	    "The provider's answer is not base64.");
}

/* The request that the answer must be to, "" where none was made and that is
 * allowed. */
static int
recall_request(struct web_call *c, const struct provider *p,
    struct stored_sign_in *began, char **id, struct gg_error *err)
{
	const char *relay = http_form(c->rq, "RelayState");
	AUTO_JSON data = NULL;
	const char *text;
	int rc = signin_recall(c, p, relay != NULL ? relay : "", true, began,
	    err);

	if (rc == GG_E_REFUSED && p->allow_idp_initiated) {
		*id = path_f("%s", "");
		return 0;
	}
	if (rc != 0)
		return rc;
	data = json_loads(began->data, JSON_REJECT_DUPLICATES, NULL);
	text = json_string_value(json_object_get(data, "request"));
	if (text == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "This sign-in was answered before. Try again.");
	*id = path_f("%s", text);
	return 0;
}

/* A list of one is as good as its text: templates want that. */
static void
take_attributes(json_t *claims, const json_t *attributes)
{
	const char *name;
	json_t *list;

	json_object_foreach((json_t *)(uintptr_t)attributes, name, list)
	{
		if (json_array_size(list) == 1)
			(void)json_object_set(claims, name,
			    json_array_get(list, 0));
		else if (json_array_size(list) > 1)
			(void)json_object_set(claims, name, list);
	}
}

/* Only where the operator says that the provider's addresses are people's. */
static void
take_emails(const struct provider *p, const json_t *attributes,
    struct strv *out)
{
	const json_t *list = json_object_get(attributes, p->email_claim);
	size_t i;
	const json_t *v;

	if (!p->trust_email)
		return;
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);

		if (text != NULL && strchr(text, '@') != NULL &&
		    strlen(text) <= 254)
			strv_add(out, text);
	}
}

/* A transient NameID names nobody twice: then the name that attributes give
 * is who it is. */
static int
subject_of(const struct provider *p, const json_t *answer, const char *name,
    char **out, struct gg_error *err)
{
	const char *format = json_get(answer, "name_id_format");

	if (strcmp(format, FORMAT_TRANSIENT) != 0)
		*out = path_f("%s %s", format, json_get(answer, "name_id"));
	else if (strstr(p->principal, "{NameID}") == NULL)
		*out = path_f("principal %s", name);
	else
		return gg_fail(err, GG_E_REFUSED,
		    "The provider gives a new name each time (transient). "
		    "principal must name an attribute.");
	return 0;
}

struct person {
	char *issuer, *subject, *name;
	struct strv groups, emails;
	int64_t signed_in_ms;
};

static void
person_release(struct person *x)
{
	free(x->issuer);
	free(x->subject);
	free(x->name);
	strv_release(&x->groups);
	strv_release(&x->emails);
}
GG_DEFINE_AUTO_RELEASE(person);

static int
person_of(const struct provider *p, const json_t *answer, struct person *out,
    struct gg_error *err)
{
	const json_t *attributes = json_object_get(answer, "attributes");
	const char *when = json_get(answer, "authn_instant");
	AUTO_JSON claims = json_object();
	int64_t now = clock_wall_ms();
	int rc;

	take_attributes(claims, attributes);
	(void)json_object_set(claims, "NameID",
	    json_object_get(answer, "name_id"));
	rc = claims_fill(p->principal, claims, &out->name, err);
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_REFUSED,
		    "The provider did not say who you are: an attribute of "
		    "principal is missing.");
	if (rc != 0 ||
	    (rc = subject_of(p, answer, out->name, &out->subject, err)) != 0 ||
	    (rc = claims_groups(claims, p->groups, p->n_groups, &out->groups,
		 err)) != 0)
		return rc;
	out->issuer = path_f("%s", json_get(answer, "issuer"));
	take_emails(p, attributes, &out->emails);
	if (clock_parse(view_str(when), &out->signed_in_ms, NULL) != 0 ||
	    out->signed_in_ms > now)
		out->signed_in_ms = now;
	return strv_check(&out->emails, err);
}

/* A random code of whoever was proven, for the browser that began. */
static int
put_down(struct web_call *c, const struct stored_sign_in *began,
    const struct person *who, char **code, struct gg_error *err)
{
	const struct limits *l = &c->cfg->limits;
	json_t *groups = json_array(), *emails = json_array();
	AUTO_JSON o = json_pack("{s:{s:s, s:s, s:s, s:o, s:o, s:I}}", "person",
	    "issuer", who->issuer, "subject", who->subject, "name", who->name,
	    "groups", groups, "emails", emails, "signed_in_ms",
	    (json_int_t)who->signed_in_ms);
	GG_AUTO_MEM char *data = NULL;
	char hash[DIGEST_SHA256_HEX_SIZE];
	struct stored_sign_in x = *began;

	for (size_t i = 0; o != NULL && i < who->groups.n; i++)
		(void)json_array_append_new(groups,
		    json_string(who->groups.v[i]));
	for (size_t i = 0; o != NULL && i < who->emails.n; i++)
		(void)json_array_append_new(emails,
		    json_string(who->emails.v[i]));
	data = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	if (data == NULL || (*code = auth_random()) == NULL)
		return gg_fail(err, GG_E_NOMEM, "sign-in");
	x.data = data;
	digest_sha256_hex(view_str(*code), hash);
	return store_sign_in_add(c->ops->store, hash, &x,
	    clock_wall_ms() - (int64_t)l->sign_in_ms, l->sign_ins_pending,
	    l->sign_ins_pending_per_address, err);
}

static void
let_in(struct web_call *c, const struct provider *p, const struct person *who,
    const char *next)
{
	const struct proven proven = { who->issuer, who->subject, who->name,
		&who->groups, &who->emails, who->signed_in_ms };

	signin_accept(c, p, &proven, next);
}

/* To our own page, which gets the cookie. */
static void
go_on(struct web_call *c, const struct provider *p,
    const struct stored_sign_in *began, const struct person *who)
{
	GG_AUTO_MEM char *code = NULL;
	GG_AUTO_MEM char *where = NULL;
	struct gg_error err = { 0 };

	if (put_down(c, began, who, &code, &err) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	where = path_f("/-/login/%s/finish?code=%s", p->name, code);
	page_redirect(c, where, NULL);
}

/* Believed by its signature: has it been used before? */
static int
use_once(struct web_call *c, const json_t *answer, struct gg_error *err)
{
	int64_t end = json_integer_value(json_object_get(answer,
	    "not_on_or_after"));
	int rc = store_assertion_use(c->ops->store, json_get(answer, "issuer"),
	    json_get(answer, "assertion_id"), end, clock_wall_ms(), err);

	return rc == GG_E_EXISTS ?
	    gg_fail(err, GG_E_REFUSED,
		"This answer of the provider was used before. Try again.") :
	    rc;
}

static int
check(struct web_call *c, const struct provider *p, const char *request_id,
    json_t **answer, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) xml = BUF_INIT(c->cfg->limits.saml_response);
	int rc;

	if ((rc = decode(c, &xml, err)) != 0 ||
	    (rc = c->ops->saml_finish(c->ops->ctx, c->cfg, p, request_id,
		 buf_view(&xml), answer, err)) != 0)
		return rc;
	return use_once(c, *answer, err);
}

static void
consume(struct web_call *c, const struct provider *p)
{
	GG_AUTO_RELEASE(stored_sign_in) began = { 0 };
	GG_AUTO_RELEASE(person) who = { 0 };
	GG_AUTO_MEM char *request_id = NULL;
	AUTO_JSON answer = NULL;
	struct gg_error err = { 0 };
	int rc;

	rc = recall_request(c, p, &began, &request_id, &err);
	if (rc == GG_E_REFUSED) {
		signin_refuse_unasked(c, p, &err);
		return;
	}
	if (rc != 0 || (rc = check(c, p, request_id, &answer, &err)) != 0 ||
	    (rc = person_of(p, answer, &who, &err)) != 0)
		answer_failure(c, p, rc, &err);
	else if (request_id[0] != '\0')
		go_on(c, p, &began, &who);
	else
		let_in(c, p, &who, NULL);
}

/* POST /-/saml/NAME/acs */
void
saml_consumer_act(struct web_call *c)
{
	const struct provider *p = find(c);
	struct throttle t;

	if (p == NULL)
		return;
	throttle_keys(c, NULL, &t);
	if (signin_may_try(c, &t))
		consume(c, p);
}

/* -- our own page -- */

static int
read_texts(const json_t *list, struct strv *out, struct gg_error *err)
{
	size_t i;
	const json_t *v;

	json_array_foreach(list, i, v) strv_add(out, json_string_value(v));
	return strv_check(out, err);
}

static int
read_person(const char *data, struct person *out, struct gg_error *err)
{
	AUTO_JSON o = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
	const json_t *x = json_object_get(o, "person");
	int rc;

	if (x == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "This sign-in has not been answered yet. Try again.");
	out->issuer = path_f("%s", json_get(x, "issuer"));
	out->subject = path_f("%s", json_get(x, "subject"));
	out->name = path_f("%s", json_get(x, "name"));
	out->signed_in_ms = json_integer_value(json_object_get(x,
	    "signed_in_ms"));
	if ((rc = read_texts(json_object_get(x, "groups"), &out->groups,
		 err)) != 0)
		return rc;
	return read_texts(json_object_get(x, "emails"), &out->emails, err);
}

/* GET /-/login/NAME/finish?code= */
void
signin_finish(struct web_call *c)
{
	const struct provider *p = find(c);
	const char *code = http_query(c->rq, "code");
	GG_AUTO_RELEASE(stored_sign_in) x = { 0 };
	GG_AUTO_RELEASE(person) who = { 0 };
	struct gg_error err = { 0 };
	int rc;

	if (p == NULL)
		return;
	rc = signin_recall(c, p, code != NULL ? code : "", false, &x, &err);
	if (rc == GG_E_REFUSED)
		signin_refuse_unasked(c, p, &err);
	else if (rc != 0 || (rc = read_person(x.data, &who, &err)) != 0)
		answer_failure(c, p, rc, &err);
	else
		let_in(c, p, &who, x.next);
}

/* GET /-/saml/NAME/metadata: what a provider's operator needs of us. */
void
saml_metadata_page(struct web_call *c)
{
	const struct http_headers extra[] = { { "X-Content-Type-Options",
						  "nosniff" },
		{ "Cache-Control", "no-store" }, { NULL, NULL } };
	const struct provider *p = find(c);
	GG_AUTO_MEM char *xml = NULL;
	struct gg_error err = { 0 };

	if (p == NULL)
		return;
	if (c->ops->saml_metadata(c->ops->ctx, c->cfg, p, &xml, &err) != 0)
		signin_unavailable(c, &err);
	else
		http_reply(c->rq, 200, "application/samlmetadata+xml",
		    view_str(xml), extra);
}
