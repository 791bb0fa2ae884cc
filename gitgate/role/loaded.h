/*
 * What the supervisor works by: a configuration as it was read at one moment,
 * with the bytes that it was made of. A gate that has to be started again gets
 * these, not what somebody has written into the file since.
 */
#ifndef GITGATE_ROLE_LOADED_H
#define GITGATE_ROLE_LOADED_H

#include "base/auto.h"
#include "base/buf.h"
#include "config/config.h"

struct loaded {
	struct config *config;
	struct buf text;           /* of the configuration's file */
	struct buf witness_policy; /* of the file that it names, if any */
};

void loaded_release(struct loaded *l);
GG_DEFINE_AUTO_RELEASE(loaded);
/* Read file, an absolute path. l is to be released, whatever is returned:
 * 0, or what is wrong with it. */
GG_MUST_USE int
loaded_read(const char *file, struct loaded *l, struct gg_error *err);
/* The same at a reload: refused, too, where the policy is broken or what only
 * a restart can change differs from now. Doubts are logged. */
GG_MUST_USE int loaded_again(const char *file, const struct config *now,
    struct loaded *l, struct gg_error *err);
/* Is the policy in order, with the hooks that it names? */
GG_MUST_USE int
loaded_check_policy(const struct loaded *l, struct gg_error *err);
void loaded_log_doubts(const struct loaded *l);

#endif
