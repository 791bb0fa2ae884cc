/* File descriptors and files, without surprises. Everything is CLOEXEC. */
#ifndef GITGATE_BASE_FD_H
#define GITGATE_BASE_FD_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>
#include <sys/types.h>

/* Close unless negative; keeps errno. */
void fd_close(int fd);
static inline void
fd_closep(int *fd)
{
	fd_close(*fd);
}
/* GG_AUTO_FD fd = -1;  hand on with fd_take(&fd). */
#define GG_AUTO_FD __attribute__((cleanup(fd_closep))) int
static inline int
fd_take(int *fd)
{
	int was = *fd;

	*fd = -1;
	return was;
}

/* Write all of v, over short writes and EINTR. 0 or GG_E_SYS. */
GG_MUST_USE int fd_write_all(int fd, struct view v, struct gg_error *err);
/*
 * Read to the end of fd into out (up to its ceiling).
 * 0, GG_E_SYS, GG_E_LIMIT past the ceiling, GG_E_NOMEM.
 */
GG_MUST_USE int fd_read_all(int fd, struct buf *out, struct gg_error *err);
/* Read from a regular file's start by pread; else like fd_read_all(). */
GG_MUST_USE int fd_pread_all(int fd, struct buf *out, struct gg_error *err);
GG_MUST_USE int
file_read(const char *path, struct buf *out, struct gg_error *err);
/*
 * A secret from a file: one trailing newline cut, refused when group or
 * others may read it (GG_E_INPUT), when empty, or over 64 KiB.
 */
GG_MUST_USE int
file_read_secret(const char *path, struct buf *out, struct gg_error *err);
/*
 * Write path by temp name + rename, so that a reader sees old or new.
 * durable: fsync of file and directory before returning 0. 0 or GG_E_SYS.
 */
GG_MUST_USE int file_write(const char *path, struct view v, mode_t mode,
    bool durable, struct gg_error *err);
/* fsync a directory. 0 or GG_E_SYS. */
GG_MUST_USE int dir_sync(const char *path, struct gg_error *err);
/* mkdir -p with mode for what is made. 0 or GG_E_SYS. */
GG_MUST_USE int dir_make(const char *path, mode_t mode, struct gg_error *err);
/*
 * Remove a tree, never following symlinks. A path that is not there is
 * fine. 0 or GG_E_SYS (it goes on as far as it can).
 */
int dir_remove(const char *path, struct gg_error *err);
/* A sealed-size-free anonymous file holding v, at offset 0; -1 + err. */
int fd_memfile(const char *name, struct view v, struct gg_error *err);

/*
 * Open (made with mode; how: O_RDWR, or O_RDONLY) and lock (flock(2)) a file;
 * *fd holds the lock until it is closed, or its process ends. 0, GG_E_EXISTS
 * where another process has the lock, GG_E_SYS.
 */
GG_MUST_USE int file_lock(const char *path, int how, mode_t mode, int *fd,
    struct gg_error *err);

/*
 * Where descriptors 0, 1 or 2 are closed, /dev/null, which can be read only.
 * For main(), first: a file that is opened there would get our log lines, or
 * be lost to a child's pipe.
 */
void fd_fill_standard(void);

GG_MUST_USE int fd_nonblock(int fd, bool on, struct gg_error *err);
/*
 * Wait until fd is readable (or hung up). 1 ready, 0 deadline passed,
 * GG_E_SYS. mono_deadline_ms as of clock_mono_ms(); negative: no deadline.
 */
int fd_wait_readable(int fd, int64_t mono_deadline_ms, struct gg_error *err);

/* A malloc'ed path by printf; dies without memory. */
char *path_f(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
