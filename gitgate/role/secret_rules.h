/*
 * Compiled secret rules, seen from whoever orders inspections: the gate, and
 * `gitgate policy test`. The compiling is an inspector's job (JOB_RULES),
 * since a rule file can make the engine need any amount of memory.
 */
#ifndef GITGATE_ROLE_SECRET_RULES_H
#define GITGATE_ROLE_SECRET_RULES_H

#include "base/error.h"
#include "base/view.h"
#include "model/job.h"

#include <stdbool.h>

/*
 * text: scan_rules_text(). sock: a fresh inspector, used up by it. The
 * compiled rules go to result_fd, an empty file. GG_E_INPUT with "file:line:
 * what is wrong".
 */
GG_MUST_USE int secret_rules_compile(int sock, struct view text,
    bool sandbox_required, int result_fd, struct gg_error *err);

/* The installation's key for fingerprints, made on first use in
 * state_dir/rules/salt. */
GG_MUST_USE int secret_rules_salt(const char *state_dir,
    unsigned char salt[JOB_SALT_BYTES], struct gg_error *err);

#endif
