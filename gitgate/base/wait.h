/* Condition variables that wait by the clock that only goes forward. */
#ifndef GITGATE_BASE_WAIT_H
#define GITGATE_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Dies without memory. Ended with pthread_cond_destroy(). */
void cond_init(pthread_cond_t *c);
/*
 * With m held: wait until woken or until clock_mono_ms() is deadline_ms;
 * false: it is. As always, being woken says nothing: ask again.
 */
bool
cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_ms);

#endif
