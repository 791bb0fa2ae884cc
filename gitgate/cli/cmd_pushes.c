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

	return remote_list(cli, argc, argv, "pushes", filters, print_pushes);
}

int
cmd_pushes_show(struct cli *cli, int argc, char **argv)
{
	return remote_show(cli, argc, argv, "pushes", remote_details);
}
