#include "base/failpoint.h"

#ifdef GG_FAILPOINTS

#	include <errno.h>
#	include <signal.h>
#	include <stdlib.h>
#	include <string.h>
#	include <unistd.h>

/* Behind walls a role sees the file but may not remove it: the test does. */
static int
is_armed(const char *file)
{
	return unlink(file) == 0 ||
	    (errno != ENOENT && access(file, F_OK) == 0);
}

/* What is to happen at this place, or NULL. */
static const char *
action(const char *name)
{
	const char *want = getenv("GITGATE_FAILPOINT");
	size_t n = strlen(name);

	if (want == NULL || strncmp(want, name, n) != 0 || want[n] != '=')
		return NULL;
	return want + n + 1;
}

bool
failpoint_fails(const char *name)
{
	const char *act = action(name);

	return act != NULL && strncmp(act, "fail:", 5) == 0 &&
	    access(act + 5, F_OK) == 0;
}

void
failpoint_hit(const char *name)
{
	const char *act = action(name);

	if (act == NULL)
		return;
	if (strncmp(act, "kill:", 5) == 0 && is_armed(act + 5))
		(void)raise(SIGKILL);
	if (strncmp(act, "stop:", 5) == 0 && is_armed(act + 5))
		(void)raise(SIGSTOP);
}

#else
typedef int failpoint_unused; /* ISO C wants a declaration in each file */
#endif
