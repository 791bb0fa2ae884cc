#include "role/courier.h"

#include "upstream/credential.h"

#include <stdlib.h>
#include <string.h>

/* Programs, name resolution, certificates. */
static void
add_system(struct walls *w)
{
	static const char *const programs[] = { "/usr", "/bin", "/lib",
		"/lib64" };

	for (size_t i = 0; i < GG_COUNT(programs); i++)
		walls_add(w, programs[i], SANDBOX_READ | SANDBOX_EXEC);
	walls_add_network(w);
}

/* The upstream itself; with a star, the directory above it. Hooks of the
 * repository are executed there. */
static void
add_local(struct walls *w, const char *upstream)
{
	GG_AUTO_MEM char *path = strdup(upstream);
	char *star = path != NULL ? strchr(path, '*') : NULL;

	if (path == NULL)
		gg_die("no memory for the walls");
	if (star != NULL) {
		while (star > path && *star != '/')
			star--;
		*star = '\0';
	}
	walls_add(w, path, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_EXEC);
}

static void
add_helper(struct walls *w, const char *helper)
{
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;

	if (helper != NULL && credential_argv(helper, &argv, NULL) == 0)
		walls_add(w, argv.v[0], SANDBOX_READ | SANDBOX_EXEC);
}

void
walls_of_config(const struct config *c, const char *run_dir, struct walls *out)
{
	add_system(out);
	walls_add(out, run_dir, SANDBOX_READ | SANDBOX_WRITE);
	for (size_t i = 0; i < c->n_repositories; i++) {
		const struct repository *r = &c->repositories[i];

		walls_add(out, r->credential.password_file, SANDBOX_READ);
		walls_add(out, r->credential.token_file, SANDBOX_READ);
		walls_add(out, r->credential.ssh_key, SANDBOX_READ);
		walls_add(out, r->credential.known_hosts, SANDBOX_READ);
		walls_add(out, r->credential.ca_file, SANDBOX_READ);
		add_helper(out, r->credential.helper);
		if (r->kind == UPSTREAM_LOCAL)
			add_local(out, r->upstream);
	}
}
