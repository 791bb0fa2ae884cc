#include "role/state_dir.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_WAIT_MS   10000
#define LOCK_RETRY_MS  20
#define LOCK_MODE      0600
#define RUN_FORM       "/tmp/gitgate-XXXXXX"
#define RUN_FORM_FIXED (sizeof("/tmp/gitgate-") - 1)
#define ROOM_BYTES     ((uint64_t)4 << 20)

/* Blocked and not yet read: who reads them comes after us. */
static bool
must_stop(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	    (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

/* For whoever finds the directory taken; without it the lock works, too. */
static void
sign(int lock)
{
	GG_AUTO_MEM char *line = path_f("%d\n", (int)getpid());
	struct gg_error ignored;

	if (ftruncate(lock, 0) == 0)
		(void)!fd_write_all(lock, view_str(line), &ignored);
}

static int
taken(const char *state_dir, const char *path, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) who = BUF_INIT(32);
	struct view text, pid;

	if (file_read(path, &who, NULL) != 0)
		buf_clear(&who);
	text = buf_view(&who);
	if (!view_cut(&text, '\n', &pid))
		pid = view_str("unknown");
	return gg_fail(err, GG_E_EXISTS,
	    "another `gitgate serve` (process %.*s) has the state directory "
	    "%s: stop it first, or give this one a directory of its own",
	    (int)pid.n, pid.p, state_dir);
}

static int
take(const char *state_dir, int *lock, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/lock", state_dir);
	int64_t deadline = clock_mono_ms() + LOCK_WAIT_MS;
	bool told = false;
	int rc;

	while ((rc = file_lock(path, O_RDWR, LOCK_MODE, lock, err)) ==
	    GG_E_EXISTS) {
		rc = taken(state_dir, path, err);
		if (clock_mono_ms() >= deadline)
			return rc;
		if (!told)
			log_event(EV_start_waits, kv_str("for", "lock"),
			    kv_err(err));
		told = true;
		if (must_stop())
			return 1;
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	}
	if (rc == 0)
		sign(*lock);
	return rc;
}

/* Said in time: a database that has no room calls it a disk I/O error. */
static int
check_room(const char *state_dir, struct gg_error *err)
{
	struct statvfs st;
	uint64_t room;

	/* some file systems do not say */
	if (statvfs(state_dir, &st) != 0 || st.f_blocks == 0)
		return 0;
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (room >= ROOM_BYTES)
		return 0;
	return gg_fail(err, GG_E_UNAVAILABLE,
	    "there is no room in the state directory %s: %llu KiB are free, a "
	    "start needs %llu",
	    state_dir, (unsigned long long)(room / 1024),
	    (unsigned long long)(ROOM_BYTES / 1024));
}

int
state_dir_take(const char *state_dir, int *lock, struct gg_error *err)
{
	static const char *const dirs[] = { "mirrors", "quarantine", "pushes",
		"log" };
	int rc = dir_make(state_dir, 0700, err);

	if (rc == 0)
		rc = take(state_dir, lock, err);
	if (rc == 0)
		rc = check_room(state_dir, err);
	for (size_t i = 0; i < GG_COUNT(dirs) && rc == 0; i++) {
		GG_AUTO_MEM char *d = path_f("%s/%s", state_dir, dirs[i]);

		rc = dir_make(d, 0700, err);
	}
	return rc;
}

int
state_dir_courier(const char *state_dir, int *lock, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/courier-lock", state_dir);

	int rc = file_lock(path, O_RDONLY, LOCK_MODE, lock, err);

	/* NFS wants to write what it locks */
	if (rc == GG_E_SYS && err->sys == EBADF)
		rc = file_lock(path, O_RDWR, LOCK_MODE, lock, err);
	return rc;
}

/* Locked, if it is a directory of ours that nobody else has locked; or -1. */
static int
lock_run(const char *dir)
{
	GG_AUTO_FD fd = open(dir,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_uid != geteuid() ||
	    (st.st_mode & 0077) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return -1;
	return fd_take(&fd);
}

/*
 * The directory of the supervisor before: a courier of its, that still ends
 * relays, makes sockets there. Only what mkdtemp() can have made, whatever the
 * file says.
 */
static bool
take_old_run(const char *file, char **dir, int *lock)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(sizeof(RUN_FORM) + 1);
	struct view rest, line;

	if (file_read(file, &text, NULL) != 0)
		return false;
	rest = buf_view(&text);
	if (!view_cut(&rest, '\n', &line) || line.n != strlen(RUN_FORM) ||
	    memcmp(line.p, RUN_FORM, RUN_FORM_FIXED) != 0 ||
	    memchr(line.p + RUN_FORM_FIXED, '/', line.n - RUN_FORM_FIXED))
		return false;
	GG_AUTO_MEM char *old = view_dup(line);

	if (old == NULL || (*lock = lock_run(old)) < 0)
		return false;
	*dir = gg_take(old);
	return true;
}

int
state_dir_make_run(const char *state_dir, char **dir, int *lock,
    struct gg_error *err)
{
	GG_AUTO_MEM char *file = path_f("%s/run-dir", state_dir);
	GG_AUTO_MEM char *line = NULL;
	char made[] = RUN_FORM;

	if (take_old_run(file, dir, lock))
		return 0;
	if (mkdtemp(made) == NULL)
		return gg_fail(err, GG_E_SYS, "directory for ssh sockets");
	*dir = path_f("%s", made);
	if ((*lock = lock_run(made)) < 0)
		return gg_fail(err, GG_E_SYS, "%s", made);
	line = path_f("%s\n", made);
	return file_write(file, view_str(line), LOCK_MODE, false, err);
}
