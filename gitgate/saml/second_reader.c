/*
 * liblasso. Its headers bring alloca() in, which base/banned.h poisons: this
 * file alone is compiled with GG_ALLOW_BANNED (Makefile).
 */
#include "saml/second_reader.h"

#include "base/text.h"
#include "saml/verify.h"

#include <libxml/xmlerror.h>

#include <lasso/lasso.h>
#include <lasso/saml-2.0/saml2_helper.h>

static void
log_nothing(const char *domain, GLogLevelFlags level, const char *message,
    void *ctx)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)ctx;
}

static void
xml_says_nothing(void *ctx, const char *fmt, ...)
{
	(void)ctx;
	(void)fmt;
}

int
saml_init(struct gg_error *err)
{
	xmlSetGenericErrorFunc(NULL, xml_says_nothing);
	(void)g_log_set_default_handler(log_nothing, NULL);
	if (lasso_init() != 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "lasso does not start");
	return verify_init(err);
}

static void
unref(void *object)
{
	GObject **o = object;

	if (*o != NULL)
		g_object_unref(*o);
}
#define AUTO_UNREF __attribute__((cleanup(unref)))

static int
make_server(const struct saml_party *party, const struct idp *idp,
    LassoServer **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) ours = BUF_INIT(65536);
	AUTO_UNREF LassoServer *server = NULL;
	int rc;

	saml_sp_metadata(party->entity_id, party->consumer, view_str(""),
	    &ours);
	if ((rc = buf_check(&ours, err)) != 0)
		return rc;
	server = lasso_server_new_from_buffers(buf_str(&ours), NULL, NULL,
	    NULL);
	if (server == NULL ||
	    lasso_server_add_provider_from_buffer(server,
		LASSO_PROVIDER_ROLE_IDP, buf_str(&idp->xml.text), NULL,
		NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "its metadata is not understood");
	*out = server;
	server = NULL;
	return 0;
}

/* Did lasso read the same person from the same assertion? */
static bool
agrees(LassoSaml2Assertion *a, const json_t *claims)
{
	const char *id = json_string_value(json_object_get(claims,
	    "assertion_id"));
	const char *name = json_string_value(json_object_get(claims,
	    "name_id"));

	return a->ID != NULL && strcmp(a->ID, id) == 0 && a->Subject != NULL &&
	    a->Subject->NameID != NULL && a->Subject->NameID->content != NULL &&
	    view_eq_str(view_str(a->Subject->NameID->content), name);
}

int
second_reader(const struct saml_party *party, const struct saml_want *want,
    const struct idp *idp, const struct xml *x, const json_t *claims,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) message = BUF_INIT(2 * x->text.n + 8);
	AUTO_UNREF LassoServer *server = NULL;
	AUTO_UNREF LassoLogin *login = NULL;
	AUTO_UNREF LassoNode *node = NULL;
	LassoSaml2Assertion *a;
	int rc;

	base64_encode(&message, buf_view(&x->text));
	if ((rc = buf_check(&message, err)) != 0 ||
	    (rc = make_server(party, idp, &server, err)) != 0)
		return rc;
	if ((login = lasso_login_new(server)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "lasso");
	/* MAYBE: the Response or the Assertion. FORCE would want both; what is
	 * wanted has been verified here before (conditions.c, verify.c). */
	lasso_profile_set_signature_verify_hint(LASSO_PROFILE(login),
	    LASSO_PROFILE_SIGNATURE_VERIFY_HINT_MAYBE);
	rc = lasso_login_process_authn_response_msg(login, message.p);
	if (rc != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the response is not accepted: %.200s", lasso_strerror(rc));
	node = lasso_login_get_assertion(login);
	if (node == NULL || !LASSO_IS_SAML2_ASSERTION(node))
		return gg_fail(err, GG_E_REFUSED, "no assertion was found");
	a = LASSO_SAML2_ASSERTION(node);
	if (!agrees(a, claims))
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion can be read in two ways");
	if (lasso_saml2_assertion_validate_audience(a, party->entity_id) !=
		LASSO_SAML2_ASSERTION_VALID ||
	    lasso_saml2_assertion_validate_time_checks(a, SAML_SKEW_MS / 1000,
		(time_t)(want->now_ms / 1000)) != LASSO_SAML2_ASSERTION_VALID)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion is not for us, or not for now");
	return 0;
}
