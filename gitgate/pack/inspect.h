/*
 * Inspection of one push inside the inspector process (docs/inspection.md).
 * Order of calls, enforced: begin -> feed* -> finish -> report -> diff? ->
 * free. begin() starts the only child (`git index-pack`), after it the
 * process may give up exec and fork for good.
 *
 * Failures: GG_E_PEER (the push is malformed; the message is for the
 * pusher), GG_E_LIMIT (the limit's key is in *limit as in
 * config/limits.def), GG_E_SYS / GG_E_NOMEM / GG_E_UNAVAILABLE (ours).
 */
#ifndef GITGATE_PACK_INSPECT_H
#define GITGATE_PACK_INSPECT_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"
#include "model/job.h"
#include "model/report.h"

struct inspection;
struct scanner;

/*
 * job and refs are borrowed until inspection_free(). *limit points to a
 * constant ("" when no limit is meant) and stays valid.
 */
GG_MUST_USE int
inspection_begin(const struct push_job *job, const struct push_job_refs *refs,
    struct inspection **out, const char **limit, struct gg_error *err);
/* Before the report: look for secrets with s, borrowed until the end. */
void inspection_secrets(struct inspection *in, struct scanner *s);
/* The next bytes of the pack, in order: scanned against the limits before
 * the child gets them. */
GG_MUST_USE int
inspection_feed(struct inspection *in, struct view piece, struct gg_error *err);
/* The pack is whole: waits for the child (deadline: the job's wall_ms). */
GG_MUST_USE int inspection_finish(struct inspection *in, struct gg_error *err);
/* Check what came and compute what changed. *out is the caller's. */
GG_MUST_USE int inspection_report(struct inspection *in,
    struct change_report **out, struct gg_error *err);
/* Write diff records (model/diff.h) to fd, at most max_bytes of them with an
 * honest DIFF_CUT where something is left out. */
GG_MUST_USE int inspection_diff(struct inspection *in, int fd,
    uint64_t max_bytes, uint64_t *written, struct gg_error *err);
/*
 * Answer a reviewer's question about a held push into fd: reads mirror and
 * quarantine, whatever of them is there. scanner may be NULL. GG_E_LIMIT with
 * *limit; GG_E_NOTFOUND when the objects are gone.
 */
GG_MUST_USE int inspection_view(const struct view_job *job, struct scanner *s,
    int fd, uint64_t *written, const char **limit, struct gg_error *err);
/* Kills a child that still runs. */
void inspection_free(struct inspection *in);
GG_DEFINE_AUTO(inspection);

#endif
