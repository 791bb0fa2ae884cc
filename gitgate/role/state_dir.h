/*
 * What tells two generations of processes over one state directory apart. A
 * supervisor that was killed leaves children for a moment, and somebody may
 * start a second one beside a healthy one. Locks of the system (flock(2)),
 * which a process lets go of by ending:
 *
 *   lock          `gitgate serve` itself, before it changes anything there
 *   courier-lock  the courier, which without its supervisor first ends the
 *                 relays that it has in hand
 *   log/lock      the gate (store/auditlog.h)
 *   mirrors/REPOSITORY.git/gitgate-lock  who changes that mirror
 */
#ifndef GITGATE_ROLE_STATE_DIR_H
#define GITGATE_ROLE_STATE_DIR_H

#include "base/error.h"

/*
 * Make the state directory and take it; *lock is to be kept open. Another that
 * has it is waited for, for 10 s: a start right after a kill finds who was
 * killed still ending. SIGTERM and SIGINT must be blocked.
 * 0; 1: one of them came meanwhile; GG_E_EXISTS: another `gitgate serve` has
 * it; GG_E_UNAVAILABLE: less than 4 MiB are free there; GG_E_SYS.
 */
GG_MUST_USE int
state_dir_take(const char *state_dir, int *lock, struct gg_error *err);
/* The right to run a courier, which is to hold *lock (it can neither read nor
 * write anything by it). 0, GG_E_EXISTS while another one has it, GG_E_SYS.
 * Does not wait. */
GG_MUST_USE int
state_dir_courier(const char *state_dir, int *lock, struct gg_error *err);
/*
 * A short path for the sockets of shared ssh connections: a directory of its
 * own in /tmp, to be removed at the end; *lock is to be kept open until then.
 * It is the one that a supervisor of this state directory left when it was
 * killed, if any: its courier may still use it. *dir is malloc'ed. 0 or
 * GG_E_SYS.
 */
GG_MUST_USE int state_dir_make_run(const char *state_dir, char **dir, int *lock,
    struct gg_error *err);

#endif
