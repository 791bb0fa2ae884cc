/*
 * The secret of an HTTP upstream, read when it is used and wiped after. It
 * never is an argument or in the environment of any process.
 */
#ifndef GITGATE_UPSTREAM_CREDENTIAL_H
#define GITGATE_UPSTREAM_CREDENTIAL_H

#include "base/buf.h"
#include "base/error.h"
#include "upstream/redact.h"
#include "upstream/upstream.h"

#define CREDENTIAL_HELPER_MS 10000

/*
 * The value of the Authorization header into *out (empty: none is
 * configured); what must be redacted goes to red. The caller ends *out with
 * secret_release(). GG_E_UNAVAILABLE where a file or a helper gives none.
 */
GG_MUST_USE int credential_header(const struct upstream *u, struct redact *red,
    struct buf *out, struct gg_error *err);

/*
 * The argv of a credential helper: "!program arg" and "/program arg" as they
 * are, else "git credential-<name> arg"; "get" behind. Words are split at
 * blanks; there is no shell.
 */
GG_MUST_USE int
credential_argv(const char *helper, struct strv *argv, struct gg_error *err);

#endif
