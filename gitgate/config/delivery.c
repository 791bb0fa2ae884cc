/* What is known of a target of `audit-delivery` once it has been read. */
#include "config/config.h"

#include "base/fd.h"

#include <string.h>

const char *const delivery_formats[] = { "jsonl", "csv", "ecs", "ocsf",
	"github", NULL };

bool
delivery_name_is_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 60 && name[n] == '\0';
}

void
delivery_target_copy(struct delivery_target *to,
    const struct delivery_target *from)
{
	const struct {
		char *const *from;
		char **to;
	} texts[] = { { &from->name, &to->name }, { &from->url, &to->url },
		{ &from->path, &to->path }, { &from->host, &to->host },
		{ &from->secret_file, &to->secret_file },
		{ &from->header_file, &to->header_file },
		{ &from->ca_file, &to->ca_file } };

	*to = *from;
	to->types = STRV_INIT;
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		if (*texts[i].from != NULL)
			*texts[i].to = path_f("%s", *texts[i].from);
}

char *
delivery_dir(const struct delivery_target *t)
{
	const char *slash = t->kind == DELIVER_FILE ? strrchr(t->path, '/') :
						      NULL;

	if (slash == NULL)
		return NULL;
	return slash == t->path ?
	    path_f("/") :
	    path_f("%.*s", (int)(slash - t->path), t->path);
}
