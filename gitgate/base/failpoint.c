#include "base/failpoint.h"

#ifdef GG_FAILPOINTS

#	include <signal.h>
#	include <stdlib.h>
#	include <string.h>
#	include <unistd.h>

void
failpoint_hit(const char *name)
{
	const char *want = getenv("GITGATE_FAILPOINT"), *act;
	size_t n = strlen(name);

	if (want == NULL || strncmp(want, name, n) != 0 || want[n] != '=')
		return;
	act = want + n + 1;
	if (strncmp(act, "kill:", 5) == 0 && unlink(act + 5) == 0)
		(void)raise(SIGKILL);
	if (strncmp(act, "stop:", 5) == 0 && unlink(act + 5) == 0)
		(void)raise(SIGSTOP);
}

#else
typedef int failpoint_unused; /* ISO C wants a declaration in each file */
#endif
