#include "outgoing/append.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MODE      0640
#define TAIL_MAX  ((off_t)2 << 20) /* no record is longer */
#define BATCH_MAX ((size_t)64 << 20)

static int
open_file(const char *path, off_t *size, int *out, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path,
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
		O_NONBLOCK,
	    MODE);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return gg_fail(err, GG_E_REFUSED, "%s is a symbolic link",
		    path);
	if (fd < 0 || fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if (!S_ISREG(st.st_mode))
		return gg_fail(err, GG_E_REFUSED, "%s is not a file", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "%s: another process writes it", path);
	/* Only now nobody else of us changes it. */
	if (fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	*size = st.st_size;
	*out = fd_take(&fd);
	return 0;
}

static int
read_tail(int fd, off_t from, size_t n, char *to, const char *path,
    struct gg_error *err)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, to + got, n - got, from + (off_t)got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return gg_fail(err, GG_E_SYS, "%s", path);
		got += (size_t)k;
	}
	return 0;
}

/* Records begin with "{", or a number where they are a table. */
static bool
is_ours(struct view line, const char *head)
{
	return line.p[0] == '{' || (line.p[0] >= '0' && line.p[0] <= '9') ||
	    (line.n <= strlen(head) && memcmp(head, line.p, line.n) == 0);
}

/* Cut off the line that a crash left without its end. */
static int
repair(int fd, const char *path, const char *head, off_t *size,
    struct gg_error *err)
{
	off_t from = *size > TAIL_MAX ? *size - TAIL_MAX : 0;
	size_t n = (size_t)(*size - from);
	GG_AUTO_MEM char *tail = NULL;
	const char *end;
	char last;
	int rc;

	if (*size == 0)
		return 0;
	if ((rc = read_tail(fd, *size - 1, 1, &last, path, err)) != 0)
		return rc;
	if (last == '\n')
		return 0;
	if ((tail = malloc(n)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", path);
	if ((rc = read_tail(fd, from, n, tail, path, err)) != 0)
		return rc;
	end = memrchr(tail, '\n', n);
	if (end == NULL && from > 0)
		return gg_fail(err, GG_E_REFUSED,
		    "%s ends with a line that is too long to be ours", path);
	end = end != NULL ? end + 1 : tail;
	if (!is_ours(view_of(end, n - (size_t)(end - tail)), head))
		return gg_fail(err, GG_E_REFUSED,
		    "%s ends with a line without its end that is not ours",
		    path);
	*size = from + (end - tail);
	if (ftruncate(fd, *size) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	return 0;
}

/* fsync of the directory: the name of a new file must last, too. */
static int
sync_dir(const char *path, struct gg_error *err)
{
	const char *slash = strrchr(path, '/');
	GG_AUTO_MEM char *dir = slash == NULL || slash == path ?
	    path_f("%s", slash == NULL ? "." : "/") :
	    path_f("%.*s", (int)(slash - path), path);

	return dir_sync(dir, err);
}

int
append_records(const char *path, const char *head, const struct record *v,
    size_t n, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) all = BUF_INIT(BATCH_MAX);
	GG_AUTO_FD fd = -1;
	off_t size = 0;
	int rc;

	if ((rc = open_file(path, &size, &fd, err)) != 0 ||
	    (rc = repair(fd, path, head, &size, err)) != 0)
		return rc;
	if (size == 0)
		buf_adds(&all, head);
	for (size_t i = 0; i < n; i++)
		buf_addv(&all, v[i].text);
	if ((rc = buf_check(&all, err)) != 0)
		return rc;
	rc = fd_write_all(fd, buf_view(&all), err);
	if (rc == 0 && fsync(fd) != 0)
		rc = gg_fail(err, GG_E_SYS, "fsync");
	if (rc == 0 && size == 0)
		rc = sync_dir(path, err);
	if (rc == 0)
		return 0;
	/* Nothing of it stays: the whole batch comes again. */
	if (ftruncate(fd, size) != 0)
		return gg_wrap(err, rc,
		    "%s: a part of this cannot be taken back", path);
	return gg_wrap(err, rc, "%s", path);
}
