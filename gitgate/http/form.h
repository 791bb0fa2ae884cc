/*
 * Query strings, form bodies, cookies and request targets as pure functions
 * over bytes: percent-decoding with limits, nothing else.
 */
#ifndef GITGATE_HTTP_FORM_H
#define GITGATE_HTTP_FORM_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#define FIELDS_MAX 256

/* Names and values of application/x-www-form-urlencoded, decoded. */
struct field {
	char *name, *value; /* owned; no NUL inside */
};
struct fields {
	struct field *v;
	size_t n;
};

void fields_release(struct fields *f);
GG_DEFINE_AUTO_RELEASE(fields);
/*
 * Decode "a=b&c=d" ('+' is a space; "a" alone has the value ""). GG_E_PEER
 * for a broken escape or a NUL, GG_E_LIMIT past FIELDS_MAX fields,
 * GG_E_NOMEM. *out is written on success only.
 */
GG_MUST_USE int
fields_parse(struct view in, struct fields *out, struct gg_error *err);
/* The first value of name, or NULL; *count (may be NULL) gets how many. */
const char *
fields_get(const struct fields *f, const char *name, unsigned *count);

/*
 * Undo %XX (and '+' where plus is true). A malloc'ed string; NULL for a
 * broken escape, a NUL byte or no memory.
 */
char *percent_decode(struct view in, bool plus);

/*
 * Split a request target (origin or absolute form) into the decoded path and
 * the query, which stays encoded (borrowed from target). The path begins with
 * '/'; "//", "." and ".." as components and control bytes are GG_E_PEER; one
 * slash at the end is kept.
 */
GG_MUST_USE int target_parse(struct view target, char **path,
    struct view *query, struct gg_error *err);

/*
 * Value of one cookie in a Cookie header, borrowed. False when it is missing
 * or given twice: a second one was planted by somebody.
 */
bool cookie_find(struct view header, const char *name, struct view *value);

#endif
