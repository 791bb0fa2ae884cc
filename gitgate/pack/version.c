#include "pack/version.h"

#include <git2.h>

#include <stdio.h>

void
pack_library_version(char out[PACK_VERSION_SIZE])
{
	int major = 0, minor = 0, revision = 0;

	(void)git_libgit2_version(&major, &minor, &revision);
	(void)snprintf(out, PACK_VERSION_SIZE, "%d.%d.%d", major, minor,
	    revision);
}
