#include "crypto/x509.h"

#include "base/buf.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* As OpenSSL counts: keys and signatures of at least 112 bits of security. */
#define AUTH_LEVEL       2
#define CERTIFICATES_MAX 1000 /* of a file of anchors */
#define NAME_MAX_BYTES   1024

struct x509_trust {
	X509_STORE *store;
	bool has_crls;
	int64_t ends_ms;
};

#define DEFINE_FREEP(name, type, fn) \
	static void name(type **p)   \
	{                            \
		fn(*p);              \
	}
DEFINE_FREEP(bio_freep, BIO, BIO_free_all)
DEFINE_FREEP(crl_freep, X509_CRL, X509_CRL_free)
DEFINE_FREEP(pkey_freep, EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(ctx_freep, X509_STORE_CTX, X509_STORE_CTX_free)
DEFINE_FREEP(names_freep, GENERAL_NAMES, GENERAL_NAMES_free)

static void
stack_freep(STACK_OF(X509) * *p)
{
	sk_X509_pop_free(*p, X509_free);
}

#define AUTO_BIO   __attribute__((cleanup(bio_freep))) BIO
#define AUTO_CRL   __attribute__((cleanup(crl_freep))) X509_CRL
#define AUTO_PKEY  __attribute__((cleanup(pkey_freep))) EVP_PKEY
#define AUTO_CTX   __attribute__((cleanup(ctx_freep))) X509_STORE_CTX
#define AUTO_NAMES __attribute__((cleanup(names_freep))) GENERAL_NAMES
#define AUTO_STACK __attribute__((cleanup(stack_freep))) STACK_OF(X509)

static BIO *
bio_of(struct view v)
{
	return v.n <= INT_MAX ? BIO_new_mem_buf(v.p, (int)v.n) : NULL;
}

/* No question on a terminal. */
static int
no_passphrase(char *out, int n, int writing, void *arg)
{
	(void)out;
	(void)n;
	(void)writing;
	(void)arg;
	return -1;
}

static int64_t
time_ms(const ASN1_TIME *t)
{
	struct tm tm = { 0 };

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm) * 1000;
}

/* Has the text one more block after the last good one, that could not be
 * read? */
static bool
ended_well(void)
{
	unsigned long e = ERR_peek_last_error();
	bool well = e == 0 ||
	    (ERR_GET_LIB(e) == ERR_LIB_PEM &&
		ERR_GET_REASON(e) == PEM_R_NO_START_LINE);

	ERR_clear_error();
	return well;
}

static int
read_chain(struct view pem, size_t most, STACK_OF(X509) * *out,
    struct gg_error *err)
{
	AUTO_BIO *bio = bio_of(pem);
	AUTO_STACK *all = sk_X509_new_null();
	X509 *x;

	if (bio == NULL || all == NULL)
		return gg_fail(err, GG_E_NOMEM, "certificates");
	ERR_clear_error();
	while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) !=
	    NULL) {
		if (sk_X509_push(all, x) == 0) {
			X509_free(x);
			return gg_fail(err, GG_E_NOMEM, "certificates");
		}
		if ((size_t)sk_X509_num(all) > most)
			return gg_fail(err, GG_E_INPUT,
			    "more than %zu certificates", most);
	}
	if (!ended_well())
		return gg_fail(err, GG_E_INPUT,
		    "a certificate in it is damaged");
	if (sk_X509_num(all) == 0)
		return gg_fail(err, GG_E_INPUT,
		    "no certificate in it (PEM is wanted)");
	*out = gg_take(all);
	return 0;
}

/* -- a server's -- */

static int
read_key(struct view pem, EVP_PKEY **out, struct gg_error *err)
{
	AUTO_BIO *bio = bio_of(pem);

	if (bio == NULL)
		return gg_fail(err, GG_E_NOMEM, "key");
	*out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	ERR_clear_error();
	if (*out == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "key: no private key in it (PEM without a passphrase is "
		    "wanted)");
	return 0;
}

static int
check_order(STACK_OF(X509) * chain, struct gg_error *err)
{
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i + 1),
			sk_X509_value(chain, i)) != X509_V_OK)
			return gg_fail(err, GG_E_INPUT,
			    "certificate: number %d of the chain did not "
			    "issue number %d (the server's own comes first, "
			    "then whoever issued it)",
			    i + 2, i + 1);
	return 0;
}

int
x509_server_check(struct view chain, struct view key, const char *host,
    struct x509_server *out, struct gg_error *err)
{
	AUTO_STACK *all = NULL;
	AUTO_PKEY *pkey = NULL;
	const X509 *leaf;
	int rc;

	if ((rc = read_chain(chain, X509_CHAIN_MAX, &all, err)) != 0)
		return gg_wrap(err, rc, "certificate");
	if ((rc = read_key(key, &pkey, err)) != 0 ||
	    (rc = check_order(all, err)) != 0)
		return rc;
	leaf = sk_X509_value(all, 0);
	rc = X509_check_private_key(leaf, pkey);
	ERR_clear_error();
	if (rc != 1)
		return gg_fail(err, GG_E_INPUT,
		    "the key does not belong to the certificate");
	if (EVP_PKEY_get_security_bits(pkey) < 112)
		return gg_fail(err, GG_E_INPUT,
		    "the key is too short (RSA needs 2048 bits)");
	*out = (struct x509_server){
		.not_before_ms = time_ms(X509_get0_notBefore(leaf)),
		.not_after_ms = time_ms(X509_get0_notAfter(leaf)),
	};
	if (host != NULL)
		out->fits_host = X509_check_host(sk_X509_value(all, 0), host, 0,
				     0, NULL) == 1 ||
		    X509_check_ip_asc(sk_X509_value(all, 0), host, 0) == 1;
	return 0;
}

/* -- trust -- */

void
x509_trust_free(struct x509_trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	free(t);
}

int64_t
x509_trust_ends_ms(const struct x509_trust *t)
{
	return t->ends_ms;
}

static int
add_anchors(struct x509_trust *t, struct view ca, struct gg_error *err)
{
	AUTO_STACK *all = NULL;
	int rc = read_chain(ca, CERTIFICATES_MAX, &all, err);

	if (rc != 0)
		return gg_wrap(err, rc, "client-ca");
	for (int i = 0; i < sk_X509_num(all); i++) {
		if (X509_check_ca(sk_X509_value(all, i)) == 0)
			return gg_fail(err, GG_E_INPUT,
			    "client-ca: number %d in it is no CA", i + 1);
		if (X509_STORE_add_cert(t->store, sk_X509_value(all, i)) != 1)
			return gg_fail(err, GG_E_NOMEM, "client-ca");
	}
	return 0;
}

static int
add_crl(struct x509_trust *t, X509_CRL *crl, struct gg_error *err)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	int64_t ends = time_ms(next);

	if (ends == 0)
		return gg_fail(err, GG_E_INPUT,
		    "client-crl: a list in it does not say when it ends");
	if (X509_STORE_add_crl(t->store, crl) != 1)
		return gg_fail(err, GG_E_NOMEM, "client-crl");
	if (t->ends_ms == 0 || ends < t->ends_ms)
		t->ends_ms = ends;
	t->has_crls = true;
	return 0;
}

static int
add_crls(struct x509_trust *t, struct view pem, struct gg_error *err)
{
	AUTO_BIO *bio = bio_of(pem);
	int rc = 0, n = 0;

	if (bio == NULL)
		return gg_fail(err, GG_E_NOMEM, "client-crl");
	ERR_clear_error();
	for (;; n++) {
		AUTO_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase,
		    NULL);

		if (crl == NULL)
			break;
		if ((rc = add_crl(t, crl, err)) != 0)
			return rc;
	}
	if (!ended_well() || n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "client-crl: no revocation list in it, or a damaged one "
		    "(PEM is wanted)");
	return 0;
}

/* A list of the leaf's own issuer is needed, of those above only used. */
static int
decide(int ok, X509_STORE_CTX *ctx)
{
	if (ok == 0 &&
	    X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNABLE_TO_GET_CRL &&
	    X509_STORE_CTX_get_error_depth(ctx) > 0) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	return ok;
}

int
x509_trust_new(struct view ca, const struct view *crls, size_t n,
    struct x509_trust **out, struct gg_error *err)
{
	GG_AUTO(x509_trust) t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL || (t->store = X509_STORE_new()) == NULL)
		return gg_fail(err, GG_E_NOMEM, "client-ca");
	if ((rc = add_anchors(t, ca, err)) != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if ((rc = add_crls(t, crls[i], err)) != 0)
			return rc;
	X509_STORE_set_verify_cb(t->store, decide);
	*out = gg_take(t);
	return 0;
}

/* -- a client's -- */

void
x509_client_release(struct x509_client *c)
{
	strv_release(&c->uris);
	strv_release(&c->dns);
	strv_release(&c->emails);
	free(c->serial);
	free(c->issuer);
	*c = (struct x509_client){ 0 };
}

/* What the client is told; never a byte of the certificate. */
static const char *
reason_of(int e)
{
	switch (e) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "it has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "it is not valid yet";
	case X509_V_ERR_CERT_REVOKED:
		return "it was revoked";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "the gate has no revocation list of its issuer";
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return "the gate's revocation list is out of date";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return "the gate does not know who issued it";
	case X509_V_ERR_INVALID_PURPOSE:
		return "it is not for TLS clients";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return "its keys or signatures are too weak";
	default:
		return "it does not verify";
	}
}

static int
refuse(struct gg_error *err, const char *why)
{
	return gg_fail(err, GG_E_REFUSED, "client certificate refused: %s",
	    why);
}

static X509 *
from_der(struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;
	X509 *x = v.n <= LONG_MAX ? d2i_X509(NULL, &p, (long)v.n) : NULL;

	ERR_clear_error();
	if (x != NULL && (const char *)p != v.p + v.n) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static int
parse_chain(const struct view *chain, size_t n, STACK_OF(X509) * *out,
    struct gg_error *err)
{
	AUTO_STACK *all = sk_X509_new_null();

	if (all == NULL)
		return gg_fail(err, GG_E_NOMEM, "certificate");
	if (n == 0 || n > X509_CHAIN_MAX)
		return refuse(err, "its chain is too long");
	for (size_t i = 0; i < n; i++) {
		X509 *x = from_der(chain[i]);

		if (x == NULL)
			return refuse(err, "it is malformed");
		if (sk_X509_push(all, x) == 0) {
			X509_free(x);
			return gg_fail(err, GG_E_NOMEM, "certificate");
		}
	}
	*out = gg_take(all);
	return 0;
}

static int
verify(const struct x509_trust *t, STACK_OF(X509) * all, int64_t now_ms,
    struct gg_error *err)
{
	AUTO_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	int ok;

	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, t->store, sk_X509_value(all, 0), all) != 1)
		return gg_fail(err, GG_E_NOMEM, "certificate");
	param = X509_STORE_CTX_get0_param(ctx);
	if (t->has_crls)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	(void)X509_VERIFY_PARAM_set_flags(param, flags);
	(void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_depth(param, X509_CHAIN_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	X509_VERIFY_PARAM_set_time(param, (time_t)(now_ms / 1000));
	ok = X509_verify_cert(ctx);
	ERR_clear_error();
	if (ok != 1)
		return refuse(err, reason_of(X509_STORE_CTX_get_error(ctx)));
	return 0;
}

/* OpenSSL takes a certificate that says nothing of its use for anything. */
static int
check_leaf(X509 *leaf, struct gg_error *err)
{
	uint32_t use = X509_get_extended_key_usage(leaf);

	if (use == UINT32_MAX || (use & XKU_SSL_CLIENT) == 0)
		return refuse(err, "its extended key usage is not clientAuth");
	if (X509_check_ca(leaf) != 0)
		return refuse(err, "it is a CA's");
	return 0;
}

/* A name with anything but printable ASCII in it is read differently by
 * different readers. */
static int
add_name(const ASN1_IA5STRING *s, struct strv *out, struct gg_error *err)
{
	struct view v = view_of((const char *)ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s));

	if (v.n == 0 || v.n > NAME_MAX_BYTES || out->n >= X509_NAMES_MAX)
		return refuse(err, "its names are empty, too long or too many");
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~')
			return refuse(err, "one of its names is malformed");
	strv_addv(out, v);
	return strv_check(out, err);
}

static int
take_names(const X509 *leaf, struct x509_client *out, struct gg_error *err)
{
	int crit = 0, rc = 0;
	AUTO_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &crit,
	    NULL);

	ERR_clear_error();
	if (names == NULL && crit != -1)
		return refuse(err, "its names are malformed");
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && rc == 0; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_URI)
			rc = add_name(g->d.uniformResourceIdentifier,
			    &out->uris, err);
		else if (g->type == GEN_DNS)
			rc = add_name(g->d.dNSName, &out->dns, err);
		else if (g->type == GEN_EMAIL)
			rc = add_name(g->d.rfc822Name, &out->emails, err);
	}
	return rc;
}

static char *
serial_of(const X509 *leaf)
{
	const ASN1_INTEGER *s = X509_get0_serialNumber(leaf);
	size_t n = (size_t)ASN1_STRING_length(s);
	char hex[2 * 64 + 1];

	if (n > 64)
		return NULL;
	hex_encode(ASN1_STRING_get0_data(s), n, hex);
	return strdup(hex);
}

static char *
issuer_of(const X509 *leaf)
{
	AUTO_BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n;

	if (bio == NULL ||
	    X509_NAME_print_ex(bio, X509_get_issuer_name(leaf), 0,
		XN_FLAG_RFC2253) < 0)
		return NULL;
	n = BIO_get_mem_data(bio, &text);
	return n >= 0 ? view_dup(view_of(text, (size_t)n)) : NULL;
}

static int
take_facts(const X509 *leaf, struct x509_client *out, struct gg_error *err)
{
	unsigned char raw[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned n = 0;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der), ok;

	ok = len > 0 &&
	    EVP_Digest(der, (size_t)len, raw, &n, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	if (!ok)
		return refuse(err, "its key cannot be read");
	hex_encode(raw, n, out->spki);
	out->serial = serial_of(leaf);
	out->issuer = issuer_of(leaf);
	if (out->serial == NULL || out->issuer == NULL)
		return refuse(err, "its serial number or issuer is malformed");
	return take_names(leaf, out, err);
}

int
x509_client_verify(const struct x509_trust *t, const struct view *chain,
    size_t n, int64_t now_ms, struct x509_client *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(x509_client) c = { 0 };
	AUTO_STACK *all = NULL;
	int rc;

	if ((rc = parse_chain(chain, n, &all, err)) != 0 ||
	    (rc = verify(t, all, now_ms, err)) != 0 ||
	    (rc = check_leaf(sk_X509_value(all, 0), err)) != 0 ||
	    (rc = take_facts(sk_X509_value(all, 0), &c, err)) != 0)
		return rc;
	*out = c;
	c = (struct x509_client){ 0 };
	return 0;
}
