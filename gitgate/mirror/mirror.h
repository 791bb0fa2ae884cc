/*
 * The mirror: a bare copy of what upstream has, below state-dir/mirrors.
 *
 *	HEAD config packed-refs [shallow] refs/ (empty) objects/pack/
 *	gitgate-lock       held while it changes
 *	gitgate-unclean    objects/ may hold what no ref reaches any more
 *	gitgate-kept       those of packed-refs that are not upstream's but
 *	                   kept by the gate, in the same form; also one that
 *	                   has just been or is about to be there
 *	incoming-*         a pack that is not believed yet
 *
 * Invariants, whatever crashes when:
 * - objects/ is closed: what an object in it refers to is in it too. Packs
 *   come in through incoming-*, are checked there and then renamed, the
 *   index last. (The gate adds packs of accepted pushes, which inspection
 *   found complete.)
 * - All refs are in packed-refs, which is replaced as one file: a reader
 *   sees the old refs or the new ones, and every one names an object that
 *   is there. There are no loose refs.
 *
 * Not thread-safe: one process, one job.
 */
#ifndef GITGATE_MIRROR_MIRROR_H
#define GITGATE_MIRROR_MIRROR_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/oid.h"
#include "proto/advert.h"

#include <stdint.h>
#include <sys/types.h>

/* As many old values are offered to upstream as a base at most. */
#define MIRROR_MAX_HAVES 256

struct mirror;

/* Start libgit2, which takes longer than many a job: while idle. */
void mirror_warm_up(void);
/* Make the directory itself, so that walls can be built around it. */
GG_MUST_USE int mirror_make_dir(const char *path, struct gg_error *err);
/*
 * For a job that changes it: waits for the lock, makes what is missing,
 * removes what a job that died has left, reads the refs.
 */
GG_MUST_USE int
mirror_open(const char *path, struct mirror **out, struct gg_error *err);
/* Does one of these (full names; what lies below one is hidden too) hide
 * what the mirror's HEAD points to? True where HEAD cannot be read. */
bool mirror_head_is_hidden(const char *path, const struct strv *hidden);
/* For reading: no lock, no repair. GG_E_NOTFOUND where there is none. */
GG_MUST_USE int mirror_open_readonly(const char *path, struct mirror **out,
    struct gg_error *err);
void mirror_free(struct mirror *m);
GG_DEFINE_AUTO(mirror);

/*
 * What an update to upstream's refs (those that globs carry; none: all)
 * takes. What *a marks as kept by the gate is carried always, if its object
 * is there: upstream is never asked for it. Keeps what it needs of *a: a may go. Then, in this order, and only
 * where mirror_needs_pack(): mirror_need_format(), mirror_receive_start(),
 * mirror_receive_finish(). Then mirror_apply().
 */
GG_MUST_USE int mirror_plan(struct mirror *m, const struct advert *a,
    const struct strv *globs, struct gg_error *err);
/* How many kept refs name an object that is not there. */
uint32_t mirror_n_kept_missing(const struct mirror *m);
bool mirror_needs_pack(const struct mirror *m);
/* Lines "want <oid>", "have <oid>". */
void mirror_need_format(const struct mirror *m, struct buf *out);

/*
 * Start git index-pack with its stdin at pack_fd (borrowed). *done_fd is
 * borrowed and readable at its end when the child is done.
 */
GG_MUST_USE int mirror_receive_start(struct mirror *m, int pack_fd,
    int *done_fd, struct gg_error *err);
/*
 * Wait for the child and check: GG_E_PEER with git's words when upstream's
 * pack is broken or lacks objects. Nothing is in objects/ yet.
 */
GG_MUST_USE int mirror_receive_finish(struct mirror *m, struct gg_error *err);

/* Take over what was received, then move the refs and HEAD. *changed: did
 * any of them change? */
GG_MUST_USE int
mirror_apply(struct mirror *m, bool *changed, struct gg_error *err);

/* As mirror_receive_start(): git repack into one pack with a bitmap. */
GG_MUST_USE int
mirror_repack_start(struct mirror *m, int *done_fd, struct gg_error *err);
GG_MUST_USE int mirror_repack_finish(struct mirror *m, struct gg_error *err);

/* Is everything in objects/ reachable from the refs? */
bool mirror_is_clean(const struct mirror *m);
uint32_t mirror_n_packs(const struct mirror *m);

/*
 * May these objects (hex) be sent to someone who sees `visible` (NULL: all
 * refs of the mirror but those named in hidden)? Each must be in the mirror,
 * and where it is not clean reachable from those refs. max_entries bounds the
 * tree entries that are looked at. GG_E_REFUSED names the first that may not;
 * GG_E_LIMIT.
 */
GG_MUST_USE int mirror_check_wants(struct mirror *m, const struct strv *wants,
    const struct advert *visible, const struct strv *hidden, bool clean,
    uint64_t max_entries, struct gg_error *err);

/*
 * The environment of a git child on this mirror: nothing inherited, no
 * configuration but the mirror's own and `config` ("key", "value", ...).
 */
void mirror_git_env(const struct strv *config, struct strv *env);
#define MIRROR_GIT "/usr/bin/git"

#endif
