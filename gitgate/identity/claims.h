/* What profile.c needs of claims beyond what is public in id_token.h. */
#ifndef GITGATE_IDENTITY_CLAIMS_H
#define GITGATE_IDENTITY_CLAIMS_H

#include "identity/id_token.h"

/* The claim of that name or path (as in claim_text()), borrowed; NULL. */
const json_t *claim_find(const json_t *claims, const char *name);
/* As claims_fill(), for the name of a repository: out is initialised. */
GG_MUST_USE int claims_fill_repository(const char *template,
    const json_t *claims, struct buf *out, struct gg_error *err);
/* Call fn for each claim that the template names. */
void template_each_claim(const char *template,
    void (*fn)(const char *claim, void *arg), void *arg);

#endif
