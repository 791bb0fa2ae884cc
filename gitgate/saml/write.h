/* Writing XML and URLs. */
#ifndef GITGATE_SAML_WRITE_H
#define GITGATE_SAML_WRITE_H

#include "base/buf.h"

/* Between quotes of an attribute, or between tags. */
void write_escaped(struct buf *out, const char *s);
/* One value of a query (RFC 3986, unreserved characters stay). */
void write_query(struct buf *out, struct view v);

#endif
