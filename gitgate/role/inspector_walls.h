/*
 * What an inspector may reach, per kind of job. The production code and
 * tests/unit/test_sandbox.c enter the same functions.
 *
 * Order: walls_idle() when the process starts, one of the job walls when it
 * has its job, walls_no_exec() when its only child has been started. All
 * return 0, GG_E_SYS, or GG_E_UNAVAILABLE where the kernel lacks what
 * `sandbox: required` asks for.
 */
#ifndef GITGATE_ROLE_INSPECTOR_WALLS_H
#define GITGATE_ROLE_INSPECTOR_WALLS_H

#include "base/error.h"
#include "model/job.h"

#include <stdbool.h>

/* Any mirror, any quarantine, git; no network, no sockets. */
GG_MUST_USE int walls_idle(const char *mirrors_dir, const char *quarantine_dir,
    bool required, struct gg_error *err);
/* Read one mirror, write one quarantine. */
GG_MUST_USE int walls_push(const struct push_job *job, struct gg_error *err);
/* Write one mirror (which must exist). */
GG_MUST_USE int
walls_mirror(const struct mirror_job *job, struct gg_error *err);
/* Read one mirror. */
GG_MUST_USE int walls_serve(const struct serve_job *job, struct gg_error *err);
/* Read one mirror and one quarantine; no program. */
GG_MUST_USE int walls_view(const struct view_job *job, struct gg_error *err);
/* Nothing but the two files that were passed along: no file, no program. */
GG_MUST_USE int
walls_rules(uint64_t file_bytes, bool required, struct gg_error *err);
/* No new program, process or executable memory from here on. */
GG_MUST_USE int walls_no_exec(bool required, struct gg_error *err);

#endif
