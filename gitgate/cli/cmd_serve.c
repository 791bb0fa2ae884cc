#include "cli/cli.h"

#include "role/supervisor.h"

#include <stdlib.h>

int
cmd_serve(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_MEM char *file = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	/* read again at SIGHUP, from wherever we were started */
	if ((file = realpath(cli_config_file(cli), NULL)) == NULL) {
		gg_fail(&err, GG_E_SYS, "%s", cli_config_file(cli));
		return cli_fail(&err);
	}
	if (supervisor_run(file, &err) != 0)
		return cli_fail(&err);
	return CLI_YES;
}
