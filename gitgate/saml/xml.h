/* Inside of saml/: XML that was read with care, and looking into it. */
#ifndef GITGATE_SAML_XML_H
#define GITGATE_SAML_XML_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <libxml/tree.h>

#define NS_PROTOCOL  "urn:oasis:names:tc:SAML:2.0:protocol"
#define NS_ASSERTION "urn:oasis:names:tc:SAML:2.0:assertion"
#define NS_METADATA  "urn:oasis:names:tc:SAML:2.0:metadata"
#define NS_DSIG      "http://www.w3.org/2000/09/xmldsig#"
#define NS_XENC      "http://www.w3.org/2001/04/xmlenc#"
#define NS_EXC_C14N  "http://www.w3.org/2001/10/xml-exc-c14n#"

struct xml {
	xmlDoc *doc;     /* owned */
	struct buf text; /* what was parsed: without an XML declaration, so
	                    that every parser takes it for UTF-8 */
};
void xml_release(struct xml *x);
GG_DEFINE_AUTO_RELEASE(xml);

/*
 * Parse UTF-8 without a document type: no entities, no network, no files.
 * GG_E_REFUSED, with `what` ("the response") as the subject.
 */
GG_MUST_USE int xml_read(struct view in, const char *what, struct xml *out,
    struct gg_error *err);

/* White space as XML has it. */
static inline bool
xml_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool xml_is(const xmlNode *n, const char *ns, const char *name);
/* The next element child after `after` (NULL: the first); NULL: none. */
xmlNode *xml_next(const xmlNode *parent, const xmlNode *after);
/* The next element child of that name. */
xmlNode *xml_next_named(const xmlNode *parent, const xmlNode *after,
    const char *ns, const char *name);
/* The only one of that name; NULL where there is none or more than one. */
xmlNode *xml_only(const xmlNode *parent, const char *ns, const char *name);
/* The element after n in document order below root; NULL at the end. */
xmlNode *xml_walk(const xmlNode *root, const xmlNode *n);
/* An attribute without a namespace, appended to nothing else; NULL: none.
 * malloc'ed. */
char *xml_attr(const xmlNode *n, const char *name);
bool xml_attr_is(const xmlNode *n, const char *name, const char *value);
/*
 * The text of an element: all of it, comments left out and not a border,
 * white space around it cut. False: it has element children.
 */
bool xml_text(const xmlNode *n, struct buf *out);

#endif
