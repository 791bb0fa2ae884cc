/*
 * By what a push was judged, kept beside it: the rule files of then, and what
 * each rule said of each ref.
 */
#ifndef GITGATE_ROLE_KEPT_POLICY_H
#define GITGATE_ROLE_KEPT_POLICY_H

#include "base/auto.h"
#include "base/error.h"
#include "config/config.h"
#include "policy/policy.h"

#include <jansson.h>

/* state-dir/policies/<digest>, where the rule files of that digest are. */
char *kept_policy_dir(const struct config *c, const char *digest);
/*
 * Keep the files of rs, read from c's policy directory, once per digest.
 * GG_E_STALE when they have changed since rs was read: the next reload keeps
 * those.
 */
GG_MUST_USE int kept_policy_add(const struct config *c,
    const struct ruleset *rs, struct gg_error *err);
/* Those of that digest, checked against it. GG_E_NOTFOUND; GG_E_CORRUPT. */
GG_MUST_USE int kept_policy_load(const struct config *c, const char *digest,
    struct ruleset **out, struct gg_error *err);

/* The trace of one judgement. */
struct trace_keeper {
	json_t *trace; /* NULL: none is kept */
};
void trace_keeper_release(struct trace_keeper *k);
GG_DEFINE_AUTO_RELEASE(trace_keeper);
/* For policy_input.trace: an array that k owns, or NULL where it would have
 * more than the limit recorded-trace. */
json_t *trace_begin(struct trace_keeper *k, const struct config *c,
    const struct ruleset *rs, size_t n_updates);
/* Write push_dir/trace, and its SHA-256 as request.trace_sha256. */
GG_MUST_USE int trace_keep(const struct trace_keeper *k, const char *push_dir,
    const char *policy_digest, json_t *request, struct gg_error *err);
/* Read it back, if it is the one of request. New reference. GG_E_NOTFOUND: none
 * was kept, or it was removed; GG_E_CORRUPT: it is another one. */
GG_MUST_USE int trace_read(const char *push_dir, const json_t *request,
    json_t **out, struct gg_error *err);

#endif
