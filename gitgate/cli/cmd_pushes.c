/* gitgate pushes list, show: over the API. checkout: cmd_checkout.c. */
#include "cli/remote.h"

static void
print_pushes(const json_t *answer)
{
	remote_table(answer, "pushes");
}

int
cmd_pushes_list(struct cli *cli, int argc, char **argv)
{
	static const char *const filters[] = { "state", "repository",
		"principal", "ref", NULL };
	struct gg_error err = { 0 };

	return remote_exit(remote_list(cli, argc, argv, "pushes", filters,
			       print_pushes, &err),
	    &err);
}

int
cmd_pushes_show(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(remote_show(cli, argc, argv, "pushes",
			       remote_details, &err),
	    &err);
}
