/* gitgate pushes list, show: over the API. checkout: cmd_checkout.c. */
#include "cli/remote.h"

static void
print_pushes(const json_t *answer)
{
	remote_table(json_object_get(answer, "pushes"),
	    json_object_get(answer, "next"));
}

int
cmd_pushes_list(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(remote_list(cli, argc, argv, "pushes", print_pushes,
			       &err),
	    &err);
}

int
cmd_pushes_show(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(remote_show(cli, argc, argv, "pushes", &err), &err);
}
