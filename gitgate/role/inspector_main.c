/*
 * gitgate-inspector MIRRORS_DIR QUARANTINE_DIR required|best-effort
 *
 * Started by the supervisor with the gate's socket at FRAME_PARENT_FD.
 * With the one argument --versions it says which libgit2 it runs with, and
 * nothing else happens (`gitgate doctor` asks).
 */
#include "base/log.h"
#include "pack/version.h"
#include "role/inspector.h"
#include "role/inspector_walls.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
usage(void)
{
	(void)fputs("usage: gitgate-inspector MIRRORS_DIR QUARANTINE_DIR "
		    "required|best-effort\n"
		    "started by gitgate serve, not by hand\n",
	    stderr);
	return 2;
}

static int
versions(void)
{
	char libgit2[PACK_VERSION_SIZE];

	pack_library_version(libgit2);
	return printf("libgit2 %s\n", libgit2) < 0 || fflush(stdout) != 0;
}

int
main(int argc, char **argv)
{
	struct gg_error err = { 0 };
	bool required;

	if (argc == 2 && strcmp(argv[1], "--versions") == 0)
		return versions();
	if (argc != 4)
		return usage();
	required = strcmp(argv[3], "best-effort") != 0;
	if (required && strcmp(argv[3], "required") != 0)
		return usage();
	log_setup("inspector", LOG_NOTICE);
	/* What the supervisor left open by mistake is nobody's business. */
	if (close_range(FRAME_PARENT_FD + 1, ~0u, 0) != 0)
		gg_die("close_range failed");
	/* It may have been ignored by whoever started the supervisor; git
	 * needs the default to wait for its own children. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		gg_die("signal failed");
	if (chdir("/") != 0)
		gg_die("chdir failed");
	(void)umask(0077);
	if (walls_idle(argv[1], argv[2], required, &err) != 0) {
		log_event(EV_sandbox_weak, kv_err(&err));
		return 1;
	}
	return inspector_run(FRAME_PARENT_FD);
}
