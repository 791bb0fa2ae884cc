#include "base/fd.h"
#include "base/failpoint.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK_BYTES 65536
#define SECRET_MAX_BYTES 65536

void
fd_close(int fd)
{
	int keep = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = keep;
}

int
fd_write_all(int fd, struct view v, struct gg_error *err)
{
	while (v.n > 0) {
		ssize_t n = write(fd, v.p, v.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gg_fail(err, GG_E_SYS, "write");
		view_skip(&v, (size_t)n);
	}
	return 0;
}

static int
read_all(int fd, bool at_start, struct buf *out, struct gg_error *err)
{
	char chunk[READ_CHUNK_BYTES];
	off_t at = 0;
	ssize_t n;

	for (;;) {
		n = at_start ? pread(fd, chunk, sizeof(chunk), at) :
			       read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gg_fail(err, GG_E_SYS, "read");
		if (n == 0)
			return buf_check(out, err);
		at += n;
		buf_add(out, chunk, (size_t)n);
		if (out->failed != 0)
			return buf_check(out, err);
	}
}

int
fd_read_all(int fd, struct buf *out, struct gg_error *err)
{
	return read_all(fd, false, out, err);
}

int
fd_pread_all(int fd, struct buf *out, struct gg_error *err)
{
	return read_all(fd, true, out, err);
}

int
file_read(const char *path, struct buf *out, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return errno == ENOENT ?
		    gg_fail(err, GG_E_NOTFOUND, "%s: no such file", path) :
		    gg_fail(err, GG_E_SYS, "%s", path);
	if ((rc = fd_read_all(fd, out, err)) != 0)
		return gg_wrap(err, rc, "%s", path);
	return 0;
}

/* Mode 0440 of root's is what systemd's credentials show where an access list
 * names the service's user; the group root may read what is root's anyway. */
static bool
is_for_others(const struct stat *st)
{
	if (st->st_uid == 0 && st->st_gid == 0 && (st->st_mode & 07777) == 0440)
		return false;
	return (st->st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

int
file_read_secret(const char *path, struct buf *out, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if (fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if (is_for_others(&st))
		return gg_fail(err, GG_E_INPUT,
		    "%s: holds a secret but others may use it (mode %04o): "
		    "chmod 600",
		    path, (unsigned)(st.st_mode & 07777));
	if (st.st_size > SECRET_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT, "%s: too large for a secret",
		    path);
	if ((rc = fd_read_all(fd, out, err)) != 0)
		return gg_wrap(err, rc, "%s", path);
	if (out->n > 0 && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	if (out->n == 0)
		return gg_fail(err, GG_E_INPUT, "%s: empty", path);
	return 0;
}

int
dir_sync(const char *path, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return gg_fail(err, GG_E_SYS, "sync of %s", path);
	return 0;
}

int
file_write(const char *path, struct view v, mode_t mode, bool durable,
    struct gg_error *err)
{
	char tmp[PATH_MAX], dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int rc, n;

	n = snprintf(tmp, sizeof(tmp), "%s.%d.%llx.tmp", path, (int)getpid(),
	    (unsigned long long)clock_mono_ns());
	if (n < 0 || (size_t)n >= sizeof(tmp))
		return gg_fail(err, GG_E_LIMIT, "path too long");
	{
		GG_AUTO_FD fd = open(tmp,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

		if (fd < 0)
			return gg_fail(err, GG_E_SYS, "%s", tmp);
		rc = fd_write_all(fd, v, err);
		if (rc == 0 && durable && fsync(fd) != 0)
			rc = gg_fail(err, GG_E_SYS, "sync of %s", path);
	}
	FAILPOINT("file-written");
	if (rc == 0 && rename(tmp, path) != 0)
		rc = gg_fail(err, GG_E_SYS, "rename to %s", path);
	if (rc != 0) {
		(void)unlink(tmp);
		return rc;
	}
	if (!durable)
		return 0;
	n = slash == NULL ? snprintf(dir, sizeof(dir), ".") :
			    snprintf(dir, sizeof(dir), "%.*s",
				(int)(slash == path ? 1 : slash - path), path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return gg_fail(err, GG_E_LIMIT, "path too long");
	return dir_sync(dir, err);
}

int
dir_make(const char *path, mode_t mode, struct gg_error *err)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return gg_fail(err, GG_E_LIMIT, "path too long or empty");
	memcpy(part, path, n + 1);
	for (char *p = part + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char keep = *p;

		*p = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			return gg_fail(err, GG_E_SYS, "mkdir %s", part);
		*p = keep;
		if (keep == '\0')
			return 0;
	}
}

static int
remove_at(int at, const char *name, struct gg_error *err, int depth)
{
	struct dirent *e;
	DIR *d;
	int fd, rc = 0, one;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return gg_fail(err, GG_E_SYS, "remove %s", name);
	if (depth > 64)
		return gg_fail(err, GG_E_LIMIT, "directory too deep");
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "remove %s", name);
	if ((d = fdopendir(fd)) == NULL) {
		fd_close(fd);
		return gg_fail(err, GG_E_SYS, "remove %s", name);
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((one = remove_at(dirfd(d), e->d_name, err, depth + 1)) != 0)
			rc = one;
	}
	(void)closedir(d);
	if (unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT && rc == 0)
		rc = gg_fail(err, GG_E_SYS, "remove %s", name);
	return rc;
}

int
dir_remove(const char *path, struct gg_error *err)
{
	return remove_at(AT_FDCWD, path, err, 0);
}

int
fd_memfile(const char *name, struct view v, struct gg_error *err)
{
	GG_AUTO_FD fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0) {
		(void)gg_fail(err, GG_E_SYS, "memfd");
		return -1;
	}
	if (fd_write_all(fd, v, err) != 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) != 0) {
		(void)gg_fail(err, GG_E_SYS, "seek");
		return -1;
	}
	return fd_take(&fd);
}

void
fd_fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

int
fd_nonblock(int fd, bool on, struct gg_error *err)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 ||
	    fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK) != 0)
		return gg_fail(err, GG_E_SYS, "fcntl");
	return 0;
}

int
fd_wait_readable(int fd, int64_t mono_deadline_ms, struct gg_error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	int n;

	for (;;) {
		left = mono_deadline_ms < 0 ?
		    -1 :
		    mono_deadline_ms - clock_mono_ms();
		if (mono_deadline_ms >= 0 && left < 0)
			left = 0;
		if (left > INT_MAX)
			left = INT_MAX;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 1;
		if (n == 0 && left < INT_MAX)
			return 0;
		if (n < 0 && errno != EINTR)
			return gg_fail(err, GG_E_SYS, "poll");
	}
}

char *
path_f(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		gg_die("no memory for a path");
	va_end(ap);
	return s;
}

int
file_lock(const char *path, int how, mode_t mode, int *fd, struct gg_error *err)
{
	GG_AUTO_FD mine = open(path, how | O_CREAT | O_CLOEXEC, mode);

	if (mine < 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if (flock(mine, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ?
		    gg_fail(err, GG_E_EXISTS, "another process has %s locked",
			path) :
		    gg_fail(err, GG_E_SYS, "%s", path);
	*fd = fd_take(&mine);
	return 0;
}
