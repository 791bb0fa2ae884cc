/* git as a child: no shell, a fixed environment, nobody's configuration. */
#ifndef GITGATE_CLI_GIT_H
#define GITGATE_CLI_GIT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

/*
 * Run "git ARG..." (the list ends with NULL) in dir. in: descriptor for its
 * standard input, -1 for /dev/null. out: gets its standard output, NULL: it
 * is dropped. What it says on standard error ends up in err.
 * 0; GG_E_SYS; GG_E_REFUSED when it exits with another status than 0.
 */
GG_MUST_USE int git_run(const char *dir, int in, struct buf *out,
    struct gg_error *err, ...) __attribute__((sentinel));

/*
 * The same in a bare repository that others write meanwhile: what it makes, it
 * makes in objects (an absolute path to a directory that is there), besides
 * files that ARG... names; objects of the repository at dir are only read.
 * Standard output is dropped. Returns as git_run().
 */
GG_MUST_USE int git_run_apart(const char *dir, const char *objects, int in,
    struct gg_error *err, ...) __attribute__((sentinel));

/* What a program of ours says about itself when given one option, without
 * the last newline. Returns as git_run(). */
GG_MUST_USE int program_line(const char *path, const char *option,
    struct buf *out, struct gg_error *err);

#endif
