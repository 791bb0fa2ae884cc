/*
 * The one child of an inspection: `git index-pack --stdin --fix-thin
 * --strict`, which writes the pack and its index into the quarantine. It
 * runs under the walls that the inspector has around itself and is the only
 * program the inspector ever executes.
 */
#ifndef GITGATE_PACK_INDEX_CHILD_H
#define GITGATE_PACK_INDEX_CHILD_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"
#include "model/job.h"

struct index_child;

/*
 * Start it. strict is the value of --strict. The quarantine must be a
 * repository already. 0; GG_E_SYS; GG_E_NOMEM.
 */
GG_MUST_USE int index_child_start(const struct push_job *job,
    const char *strict, struct index_child **out, struct gg_error *err);
/* Kills it if it still runs. */
void index_child_free(struct index_child *c);
GG_DEFINE_AUTO(index_child);

/*
 * Hand it bytes; waits until it has taken them, at most to the deadline.
 * A child that has ended takes nothing: this is no failure here, finish()
 * tells why. 0; GG_E_LIMIT (late); GG_E_SYS.
 */
GG_MUST_USE int index_child_write(struct index_child *c, struct view piece,
    struct gg_error *err);
/*
 * End of input; waits for its end. On success *idx is the malloc'ed path of
 * the new index. GG_E_PEER with git's words; GG_E_LIMIT with *limit set.
 */
GG_MUST_USE int index_child_finish(struct index_child *c, const char **limit,
    char **idx, struct gg_error *err);

#endif
