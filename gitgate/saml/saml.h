/*
 * SAML 2.0 for a service provider: reading an identity provider's metadata,
 * asking it to sign somebody in (HTTP-Redirect), and checking its answer
 * (HTTP-POST). liblasso verifies; what it leaves out is checked here before
 * and after it. Everything but the metadata is hostile.
 *
 * One process, one message (role/saml_main.c): the libraries below keep state
 * of their own and nothing is freed for good.
 */
#ifndef GITGATE_SAML_SAML_H
#define GITGATE_SAML_SAML_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SAML_METADATA_MAX_BYTES ((size_t)1 << 20)
#define SAML_SKEW_MS            (60 * (int64_t)1000)
#define SAML_URL_MAX_BYTES      8192
#define SAML_ID_MAX_BYTES       256
#define SAML_ENTITY_MAX_BYTES   1024

/* What one process is for. */
enum saml_act {
	SAML_REQUEST,  /* write the URL of an AuthnRequest */
	SAML_RESPONSE, /* check a Response */
	SAML_METADATA, /* write our metadata */
	SAML_ACT_COUNT
};

/* Us, and whom we believe. Borrowed. */
struct saml_party {
	struct view metadata;  /* the identity provider's, XML */
	const char *entity_id; /* ours */
	const char *consumer;  /* URL of our assertion consumer service */
};

/* Load the libraries: once, before walls, for they read files. */
GG_MUST_USE int saml_init(struct gg_error *err);

/*
 * The URL to send a browser to: an AuthnRequest of that id with the relay
 * state. key_pem: a private RSA key that signs the query (empty: unsigned).
 * GG_E_INPUT when metadata or key are of no use, with what to change.
 */
GG_MUST_USE int saml_request_url(const struct saml_party *party, const char *id,
    const char *relay_state, int64_t now_ms, struct view key_pem,
    struct buf *url, struct gg_error *err);

struct saml_want {
	const char *request_id; /* that it must answer; "": to none */
	int64_t now_ms;
	bool response_signed; /* the Response itself, not only the Assertion */
};
/*
 * Believe a Response or say why not. *out, a new reference:
 *   name_id, name_id_format, session_index and authn_instant (may be
 *   ""), issuer,
 *   assertion_id, in_response_to (""; or the request's id),
 *   not_on_or_after: ms since 1970 from which it is refused for its age,
 *   attributes: {name: [text, ...]}
 * GG_E_REFUSED with a sentence that holds none of its bytes but short
 * names of algorithms and status codes; GG_E_INPUT: the metadata is wrong.
 */
GG_MUST_USE int saml_response_check(const struct saml_party *party,
    const struct saml_want *want, struct view xml, json_t **out,
    struct gg_error *err);

/* Our metadata for the identity provider's operator. certificate: base64 of
 * the DER that requests are signed with, or empty. Needs no library. */
void saml_sp_metadata(const char *entity_id, const char *consumer,
    struct view certificate, struct buf *out);

#endif
