/*
 * Force-included everywhere: names that our own code may not use. The system
 * headers that declare them come first, so that only our code trips.
 */
#ifndef GITGATE_BASE_BANNED_H
#define GITGATE_BASE_BANNED_H

#include <alloca.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#undef alloca
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf

#ifndef GG_ALLOW_BANNED
/* unbounded or silently truncating */
#	pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
/* hidden state */
#	pragma GCC poison strtok gmtime localtime asctime strerror
/* no error report */
#	pragma GCC poison atoi atol atoll strtol sscanf
/* shells, races, tempfile names, escapes */
#	pragma GCC poison system popen mktemp tmpnam tempnam alloca
#endif

#endif
