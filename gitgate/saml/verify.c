/* With xmlsec, which liblasso uses too: here on the tree that is read
 * afterwards, so that what is believed is what was signed. */
#include "saml/verify.h"

#include <libxml/parser.h>

#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

#define NAME(s) ((const xmlChar *)(s))

static void
say_nothing(const char *file, int line, const char *func, const char *object,
    const char *subject, int reason, const char *msg)
{
	(void)file;
	(void)line;
	(void)func;
	(void)object;
	(void)subject;
	(void)reason;
	(void)msg;
}

int
verify_init(struct gg_error *err)
{
	/* xmlsec itself was started by lasso_init(). What it says of a
	 * stranger's bytes is for nobody. */
	xmlSecErrorsSetCallback(say_nothing);
	return xmlSecCheckVersion() == 1 ?
	    0 :
	    gg_fail(err, GG_E_UNAVAILABLE, "xmlsec is of another version");
}

static xmlSecKey *
load_key(const struct buf *der)
{
	return xmlSecCryptoAppKeyLoadMemory((const xmlSecByte *)der->p,
	    (xmlSecSize)der->n, xmlSecKeyDataFormatCertDer, NULL, NULL, NULL);
}

/* The id attribute of the signed element is made one for this document, and
 * it is the only one there is. */
static bool
declare_id(xmlNode *element)
{
	xmlAttr *a = xmlHasProp(element, NAME("ID"));
	xmlChar *id = a != NULL ? xmlGetNoNsProp(element, NAME("ID")) : NULL;
	bool ok = id != NULL &&
	    (xmlGetID(element->doc, id) == a ||
		xmlAddID(NULL, element->doc, id, a) != NULL);

	xmlFree(id);
	return ok;
}

static void
free_ctx(xmlSecDSigCtx **c)
{
	if (*c != NULL)
		xmlSecDSigCtxDestroy(*c);
}

static bool
key_fits(const struct buf *der, xmlNode *signature)
{
	__attribute__((cleanup(free_ctx)))
	xmlSecDSigCtx *ctx = xmlSecDSigCtxCreate(NULL);

	if (ctx == NULL || (ctx->signKey = load_key(der)) == NULL)
		return false;
	ctx->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
	return xmlSecDSigCtxVerify(ctx, signature) == 0 &&
	    ctx->status == xmlSecDSigStatusSucceeded &&
	    xmlSecPtrListGetSize(&ctx->signedInfoReferences) == 1 &&
	    xmlSecPtrListGetSize(&ctx->manifestReferences) == 0;
}

static int
verify_one(const struct idp *idp, xmlNode *signature, struct gg_error *err)
{
	if (!declare_id(signature->parent))
		return gg_fail(err, GG_E_REFUSED, "an id is not unique");
	for (size_t i = 0; i < idp->n_keys; i++)
		if (key_fits(&idp->key[i], signature))
			return 0;
	return gg_fail(err, GG_E_REFUSED,
	    "the signature of the %s is not by a key of the identity "
	    "provider's metadata, or what it signed was changed",
	    (const char *)signature->parent->name);
}

int
verify_signatures(const struct idp *idp, const struct shape *s,
    struct gg_error *err)
{
	int rc = 0;

	if (rc == 0 && s->response_signature != NULL)
		rc = verify_one(idp, s->response_signature, err);
	if (rc == 0 && s->assertion_signature != NULL)
		rc = verify_one(idp, s->assertion_signature, err);
	return rc;
}
