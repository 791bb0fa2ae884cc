#include "saml/conditions.h"

#include "base/clock.h"

#include <stdlib.h>

#define BEARER "urn:oasis:names:tc:SAML:2.0:cm:bearer"

struct check {
	const struct saml_party *party;
	const struct saml_want *want;
	int64_t not_after_ms;
};

/* 1: the attribute is there and a time; 0: not there; GG_E_REFUSED. */
static int
take_time(const xmlNode *n, const char *name, int64_t *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *v = xml_attr(n, name);

	if (v == NULL)
		return 0;
	if (clock_parse(view_str(v), out, NULL) != 0)
		return gg_fail(err, GG_E_REFUSED, "%s is not a time", name);
	return 1;
}

static int
check_not_after(struct check *c, const xmlNode *n, const char *name,
    bool needed, struct gg_error *err)
{
	int64_t end = 0;
	int rc = take_time(n, name, &end, err);

	if (rc < 0 || (rc == 0 && !needed))
		return rc;
	if (rc == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has no end (%s)", name);
	if (end > INT64_MAX / 2)
		end = INT64_MAX / 2;
	end += SAML_SKEW_MS;
	if (end <= c->want->now_ms)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has expired (%s); is the clock right here "
		    "and at the identity provider?",
		    name);
	if (end < c->not_after_ms)
		c->not_after_ms = end;
	return 0;
}

static int
check_not_before(const struct check *c, const xmlNode *n, struct gg_error *err)
{
	int64_t begin = 0;
	int rc = take_time(n, "NotBefore", &begin, err);

	if (rc <= 0)
		return rc;
	if (begin > c->want->now_ms + SAML_SKEW_MS)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion is not valid yet (NotBefore); is the clock "
		    "right here and at the identity provider?");
	return 0;
}

static bool
text_is(const xmlNode *n, const char *text)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

	return n != NULL && xml_text(n, &b) && strcmp(buf_str(&b), text) == 0;
}

/* "" for none. */
static bool
answers(const struct check *c, const xmlNode *n)
{
	GG_AUTO_MEM char *to = xml_attr(n, "InResponseTo");

	return strcmp(to != NULL ? to : "", c->want->request_id) == 0;
}

static int
refuse_request(const struct check *c, struct gg_error *err)
{
	return gg_fail(err, GG_E_REFUSED, "%s",
	    c->want->request_id[0] != '\0' ?
		"the response does not answer this sign-in (InResponseTo)" :
		"the response answers a sign-in that is not under way here "
		"(InResponseTo)");
}

static int
check_response(const struct check *c, const struct idp *idp,
    const struct shape *s, struct gg_error *err)
{
	GG_AUTO_MEM char *to = xml_attr(s->response, "Destination");
	xmlNode *issuer = xml_next_named(s->response, NULL, NS_ASSERTION,
	    "Issuer");

	if (c->want->response_signed && s->response_signature == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the response itself is not signed, only its assertion "
		    "(require-signed-response)");
	if (issuer != NULL && !text_is(issuer, idp->entity_id))
		return gg_fail(err, GG_E_REFUSED,
		    "the response is of another issuer than the metadata's");
	/* Where the response is signed the binding asks for it. */
	if (to == NULL ? s->response_signature != NULL :
			 strcmp(to, c->party->consumer) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the response is for another address (Destination)");
	return answers(c, s->response) ? 0 : refuse_request(c, err);
}

static int
check_bearer(struct check *c, const xmlNode *confirmation, struct gg_error *err)
{
	xmlNode *data = xml_only(confirmation, NS_ASSERTION,
	    "SubjectConfirmationData");
	int rc;

	if (data == NULL || !xml_attr_is(data, "Recipient", c->party->consumer))
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion is for another address (Recipient)");
	if (!answers(c, data))
		return refuse_request(c, err);
	if ((rc = check_not_before(c, data, err)) != 0)
		return rc;
	return check_not_after(c, data, "NotOnOrAfter", true, err);
}

/* One bearer confirmation, and no other: "any of them" would be open to
 * surprises. */
static int
check_subject(struct check *c, const struct shape *s, struct gg_error *err)
{
	xmlNode *subject = xml_only(s->assertion, NS_ASSERTION, "Subject");
	xmlNode *confirmation = subject != NULL ?
	    xml_only(subject, NS_ASSERTION, "SubjectConfirmation") :
	    NULL;

	if (confirmation == NULL ||
	    !xml_attr_is(confirmation, "Method", BEARER))
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has not exactly one subject with one bearer "
		    "confirmation");
	return check_bearer(c, confirmation, err);
}

static bool
is_for_us(const struct check *c, const xmlNode *restriction)
{
	for (xmlNode *a = xml_next(restriction, NULL); a != NULL;
	     a = xml_next(restriction, a))
		if (xml_is(a, NS_ASSERTION, "Audience") &&
		    text_is(a, c->party->entity_id))
			return true;
	return false;
}

/* Restrictions add up: we must be in each of them. */
static int
check_audience(const struct check *c, const xmlNode *conditions,
    struct gg_error *err)
{
	unsigned n = 0;

	for (xmlNode *x = xml_next(conditions, NULL); x != NULL;
	     x = xml_next(conditions, x)) {
		if (xml_is(x, NS_ASSERTION, "OneTimeUse") ||
		    xml_is(x, NS_ASSERTION, "ProxyRestriction"))
			continue;
		if (!xml_is(x, NS_ASSERTION, "AudienceRestriction"))
			return gg_fail(err, GG_E_REFUSED,
			    "the assertion has a condition that gitgate does "
			    "not know");
		n++;
		if (!is_for_us(c, x))
			return gg_fail(err, GG_E_REFUSED,
			    "the assertion is for another audience than %.200s",
			    c->party->entity_id);
	}
	if (n == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has no audience");
	return 0;
}

static int
check_conditions(struct check *c, const struct shape *s, struct gg_error *err)
{
	xmlNode *conditions = xml_only(s->assertion, NS_ASSERTION,
	    "Conditions");
	int rc;

	if (conditions == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has not exactly one set of conditions");
	if ((rc = check_not_before(c, conditions, err)) != 0 ||
	    (rc = check_not_after(c, conditions, "NotOnOrAfter", false, err)) !=
		0)
		return rc;
	return check_audience(c, conditions, err);
}

/* That somebody signed in, and has not been signed out again by time. */
static int
check_authn(struct check *c, const struct shape *s, struct gg_error *err)
{
	xmlNode *n = xml_only(s->assertion, NS_ASSERTION, "AuthnStatement");

	if (n == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion does not say once that somebody signed in "
		    "(AuthnStatement)");
	return check_not_after(c, n, "SessionNotOnOrAfter", false, err);
}

int
conditions_check(const struct saml_party *party, const struct saml_want *want,
    const struct idp *idp, const struct shape *s, int64_t *not_after_ms,
    struct gg_error *err)
{
	struct check c = { party, want, INT64_MAX };
	int rc;

	if ((rc = check_response(&c, idp, s, err)) != 0)
		return rc;
	if (!text_is(xml_only(s->assertion, NS_ASSERTION, "Issuer"),
		idp->entity_id))
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion is of another issuer than the metadata's");
	if ((rc = check_subject(&c, s, err)) != 0 ||
	    (rc = check_conditions(&c, s, err)) != 0 ||
	    (rc = check_authn(&c, s, err)) != 0)
		return rc;
	*not_after_ms = c.not_after_ms;
	return 0;
}
