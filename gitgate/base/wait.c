#include "base/wait.h"

#include "base/error.h"

#include <errno.h>
#include <time.h>

void
cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) != 0 ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(c, &attr) != 0)
		gg_die("no memory for a condition variable");
	(void)pthread_condattr_destroy(&attr);
}

bool
cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_ms)
{
	const struct timespec t = { .tv_sec = deadline_ms / 1000,
		.tv_nsec = deadline_ms % 1000 * 1000000 };

	return pthread_cond_timedwait(c, m, &t) != ETIMEDOUT;
}
