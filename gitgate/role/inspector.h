/*
 * The inspector: one process, one job, then it is gone. inspector_main.c
 * starts it, inspector.c reads the job and dispatches, inspector_push.c,
 * _mirror.c, _serve.c and the others do the jobs.
 */
#ifndef GITGATE_ROLE_INSPECTOR_H
#define GITGATE_ROLE_INSPECTOR_H

#include "base/error.h"
#include "ipc/frame.h"
#include "model/job.h"

/* Refs and reports that the gate hands over in files are at most this. */
#define INSPECTOR_MAX_FILE_BYTES ((size_t)512 << 20)

/* Read the job from sock, do it, report. The exit status of the process. */
int inspector_run(int sock);

/*
 * The jobs. 0: done, or the gate went away (nobody to tell). Otherwise the
 * code, with *limit (a constant, may be "") naming a limit that was hit:
 * inspector_run() tells the gate. Each enters its walls first.
 */
GG_MUST_USE int inspector_push(int sock, struct frame *f, const char **limit,
    struct gg_error *err);
GG_MUST_USE int inspector_mirror(int sock, struct frame *f, const char **limit,
    struct gg_error *err);
GG_MUST_USE int inspector_repack(int sock, struct frame *f, const char **limit,
    struct gg_error *err);
GG_MUST_USE int inspector_rules(int sock, struct frame *f, const char **limit,
    struct gg_error *err);
GG_MUST_USE int inspector_view(int sock, struct frame *f, const char **limit,
    struct gg_error *err);
/* Does not return where all went well: it becomes git upload-pack. */
GG_MUST_USE int inspector_serve(int sock, struct frame *f, const char **limit,
    struct gg_error *err);

/*
 * From now on: when wall_ms of real time (0: no end) are over, or the CPU
 * limit of the walls is hit, the gate is told JOB_FAILED with
 * inspection-time or inspection-cpu, and the process ends.
 */
GG_MUST_USE int
inspector_deadline(int sock, uint64_t wall_ms, struct gg_error *err);
/* The clock stands still while nothing can be done (a slow sender's time is
 * not ours); from pause to resume. */
void inspector_deadline_pause(void);
void inspector_deadline_resume(void);
/* Both signals and the timer back to what a fresh program expects. */
void inspector_deadline_clear(void);

/* JOB_FAILED; the gate being gone is no matter. */
void inspector_fail(int sock, int code, const char *limit, const char *message);
/* The fd's whole content (a memfd, a file) into out. */
GG_MUST_USE int
inspector_read_fd(int fd, struct buf *out, struct gg_error *err);

#endif
