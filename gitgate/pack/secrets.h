/*
 * Looking for secrets in what a push brings: blobs, messages of commits and
 * tags, file names. docs/inspection.md, "Secrets".
 */
#ifndef GITGATE_PACK_SECRETS_H
#define GITGATE_PACK_SECRETS_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

struct inspection;

/* What was found, to be kept out of everything that is written. */
struct mask {
	char *secret; /* one line of it */
	size_t n;
	char *shown;
};
struct masks {
	struct mask *v;
	size_t n, alloc;
	bool everything; /* too much was found: no text may be shown */
};
void masks_release(struct masks *m);
GG_DEFINE_AUTO_RELEASE(masks);

/* The text with every secret replaced. True: out holds it; false: there is
 * nothing to replace. */
bool masks_apply(const struct masks *m, struct view text, struct buf *out);

/* What may be seen of a secret: malloc'ed, at most its first four characters
 * and a third of it, then "...". */
char *secret_shown(struct view secret);

/* Fill the report's findings; take what was found out of its texts. */
GG_MUST_USE int secrets_scan(struct inspection *in, struct gg_error *err);

#endif
