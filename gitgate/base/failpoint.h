/*
 * Named places where a test may kill or stop a role (tests/e2e, crash
 * tests). Compiled to nothing unless GG_FAILPOINTS is defined; release
 * builds do not contain it.
 *
 * GITGATE_FAILPOINT="<name>=kill:<file>": the first time a process reaches
 * the place while <file> exists, it removes <file> and kills itself with
 * SIGKILL. "=stop:" sends itself SIGSTOP instead. A role whose walls do not
 * let it remove <file> acts every time until the test has removed it.
 * "=fail:": as long as <file> exists, what FAILPOINT_FAILS() guards behaves
 * as if it had failed.
 */
#ifndef GITGATE_BASE_FAILPOINT_H
#define GITGATE_BASE_FAILPOINT_H

#include <stdbool.h>

#ifdef GG_FAILPOINTS
void failpoint_hit(const char *name);
bool failpoint_fails(const char *name);
#	define FAILPOINT(name)       failpoint_hit(name)
#	define FAILPOINT_FAILS(name) failpoint_fails(name)
#else
#	define FAILPOINT(name)       ((void)0)
#	define FAILPOINT_FAILS(name) (false)
#endif

#endif
