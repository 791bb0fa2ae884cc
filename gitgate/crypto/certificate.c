#include "crypto/certificate.h"

#include "crypto/pkey.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* An encrypted key is refused, not asked about on a terminal. */
static int
no_password(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static BIO *
open_pem(struct view pem)
{
	return pem.n > 0 && pem.n < INT_MAX ?
	    BIO_new_mem_buf(pem.p, (int)pem.n) :
	    NULL;
}

static int
sign(EVP_PKEY *key, struct view data, struct buf *sig, struct gg_error *err)
{
	unsigned char out[RSA_SIG_MAX_BYTES];
	size_t n = sizeof(out);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, out, &n, (const unsigned char *)data.p,
		data.n) == 1;

	EVP_MD_CTX_free(ctx);
	if (!ok)
		return gg_fail(err, GG_E_INPUT, "the key does not sign");
	buf_add(sig, out, n);
	return buf_check(sig, err);
}

int
rsa_sign_sha256(struct view pem, struct view data, struct buf *sig,
    struct gg_error *err)
{
	BIO *in = open_pem(pem);
	EVP_PKEY *key = in != NULL ?
	    PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) :
	    NULL;
	int rc;

	BIO_free(in);
	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
	    EVP_PKEY_get_bits(key) < PKEY_RSA_BITS_MIN ||
	    EVP_PKEY_get_size(key) > RSA_SIG_MAX_BYTES)
		rc = gg_fail(err, GG_E_INPUT,
		    "not an unencrypted RSA key of %d to %d bits in PEM",
		    PKEY_RSA_BITS_MIN, RSA_SIG_MAX_BYTES * 8);
	else
		rc = sign(key, data, sig, err);
	EVP_PKEY_free(key);
	return rc;
}

int
certificate_der(struct view pem, struct buf *der, struct gg_error *err)
{
	BIO *in = open_pem(pem);
	X509 *cert = in != NULL ?
	    PEM_read_bio_X509(in, NULL, no_password, NULL) :
	    NULL;
	unsigned char *out = NULL;
	int n = cert != NULL ? i2d_X509(cert, &out) : -1;

	BIO_free(in);
	X509_free(cert);
	if (n <= 0)
		return gg_fail(err, GG_E_INPUT, "not a certificate in PEM");
	buf_add(der, out, (size_t)n);
	OPENSSL_free(out);
	return buf_check(der, err);
}

int
certificate_check_rsa(struct view der, struct gg_error *err)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *cert = der.n > 0 && der.n < LONG_MAX ?
	    d2i_X509(NULL, &p, (long)der.n) :
	    NULL;
	EVP_PKEY *key = cert != NULL ? X509_get0_pubkey(cert) : NULL;
	bool ok = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(key) >= PKEY_RSA_BITS_MIN;

	X509_free(cert);
	return ok ?
	    0 :
	    gg_fail(err, GG_E_INPUT, "a key that is not RSA (%d bits or more)",
		PKEY_RSA_BITS_MIN);
}
