/*
 * People of OIDC providers: where they sign in, and who a code stands for. The
 * messenger speaks to the provider and adds the client's secret; documents and
 * keys are kept here (identity/key_cache.h) and shared by all sign-ins.
 */
#ifndef GITGATE_ROLE_GATE_SIGNIN_H
#define GITGATE_ROLE_GATE_SIGNIN_H

#include "identity/oidc.h"
#include "web/web.h"

struct gate;

GG_MUST_USE int signin_new(struct gate *g, struct gg_error *err);
/*
 * web_ops.oidc_site, web_ops.oidc_code; ctx: the gate. They wait for the
 * provider, with few others at most. GG_E_REFUSED: the provider's answer is
 * not good, a sentence for the person; GG_E_UNAVAILABLE: it cannot be asked
 * now.
 */
GG_MUST_USE int gate_oidc_site(void *ctx, const struct provider *p,
    struct oidc_site *out, struct gg_error *err);
GG_MUST_USE int gate_oidc_code(void *ctx, const struct provider *p,
    const struct oidc_exchange *x, struct oidc_person *out,
    struct gg_error *err);

#endif
