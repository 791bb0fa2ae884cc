/*
 * What a report holds beside commits and paths, where some rule asks for it
 * (JOB_WANT_* of model/job.h).
 */
#ifndef GITGATE_PACK_EXTRAS_H
#define GITGATE_PACK_EXTRAS_H

#include "base/error.h"
#include "base/view.h"
#include "model/report.h"
#include "pack/inspect_state.h"

/*
 * The gpgsig header of a commit's raw bytes, unfolded, and the bytes without
 * it: what was signed. A signature over REPORT_SIGNATURE_MAX or a commit over
 * REPORT_PAYLOAD_MAX is left out, and so counts as none.
 */
void extras_signature(struct view raw, struct commit_info *out);

/* Lines added and removed of every listed change of a text file, as a diff
 * would say; a file over 1 MiB counts whole on both sides. 0; GG_E_LIMIT
 * when time is up (*limit set). */
GG_MUST_USE int
extras_lines(struct inspection *in, const char **limit, struct gg_error *err);

/* CODEOWNERS as upstream has it now on the ref (a new ref: on HEAD): the
 * first of .github/, the root, docs/, .gitlab/. */
GG_MUST_USE int
extras_owners(struct inspection *in, const struct ref_update *update,
    struct update_report *out, struct gg_error *err);

#endif
