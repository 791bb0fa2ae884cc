/* What the files of this folder share. */
#ifndef GITGATE_MIRROR_MIRROR_PRIV_H
#define GITGATE_MIRROR_MIRROR_PRIV_H

#include "mirror/mirror.h"
#include "mirror/refs.h"

#include <git2.h>

/* A git child of ours. stdout and stderr end when it does. */
struct child {
	pid_t pid;  /* 0: none */
	int out_fd; /* pipe: its stdout */
	int err_fd; /* memfd: its stderr */
};
#define CHILD_INIT ((struct child){ .out_fd = -1, .err_fd = -1 })

/* Kills one that still runs. */
void child_release(struct child *c);
/* args after "git", NULL at the end; stdin_fd -1: /dev/null. */
GG_MUST_USE int child_start(struct child *c, const char *const *args,
    const struct strv *env, int stdin_fd, struct gg_error *err);
/*
 * 0 when it ended with status 0 or also_ok; otherwise `code` with `what` and
 * the last line of its stderr.
 */
GG_MUST_USE int child_wait(struct child *c, int also_ok, enum gg_code code,
    const char *what, struct gg_error *err);

struct mirror {
	char *path;
	int lock_fd;
	git_odb *odb;
	struct ref_list now;
	struct ref_list kept_now; /* what gitgate-kept says */
	bool refs_broken;         /* packed-refs was unreadable: now is empty */
	char *head;               /* content of HEAD, without newline */

	/* the plan */
	struct ref_list next;
	struct ref_list kept_next;
	uint32_t n_kept_missing;
	char *next_head;
	struct buf next_shallow; /* content of the file shallow */
	struct oid *wants, *haves;
	size_t n_wants, n_haves;

	char *incoming; /* directory of the pack that arrives, or NULL */
	struct child child;
};

/* libgit2's last complaint as ours. */
int mirror_git_fail(struct gg_error *err, enum gg_code code, const char *what);
/* As uploadpack.hideRefs has it: what lies below a name is hidden too. */
bool mirror_is_hidden(const struct strv *hidden, const char *name);
bool mirror_has_object(const struct mirror *m, const struct oid *o);
GG_MUST_USE int mirror_open_odb(struct mirror *m, struct gg_error *err);
/* gitgate-kept, read by mirror_open(); what cannot be read is as good as
 * empty. */
GG_MUST_USE int mirror_read_kept(struct mirror *m, struct gg_error *err);
/* Before and after packed-refs is replaced. */
GG_MUST_USE int
mirror_kept_before(const struct mirror *m, struct gg_error *err);
GG_MUST_USE int mirror_kept_after(const struct mirror *m, struct gg_error *err);
/* Move the received pack, if any, into objects/. */
GG_MUST_USE int mirror_take_incoming(struct mirror *m, struct gg_error *err);

#endif
