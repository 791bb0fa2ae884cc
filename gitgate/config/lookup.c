#include "config/config.h"
#include "config/repo_name.h"

void
repo_ref_release(struct repo_ref *r)
{
	free(r->upstream);
	*r = (struct repo_ref){ 0 };
}

/* Does path cover name? took gets what its star took (empty: no star). */
static bool
path_covers(const char *path, struct view name, struct view *took)
{
	const char *star = strchr(path, '*');
	size_t before, after;

	*took = view_of(NULL, 0);
	if (star == NULL)
		return view_eq_str(name, path);
	before = (size_t)(star - path);
	after = strlen(star + 1);
	if (name.n <= before + after || memcmp(name.p, path, before) != 0 ||
	    !view_has_suffix(name, star + 1))
		return false;
	*took = view_of(name.p + before, name.n - before - after);
	return repository_component_is_valid(*took);
}

static char *
fill_star(const char *upstream, struct view took)
{
	const char *star = strchr(upstream, '*');
	struct buf b = BUF_INIT(1 << 20);

	if (star == NULL || took.n == 0)
		return strdup(upstream);
	buf_add(&b, upstream, (size_t)(star - upstream));
	buf_addv(&b, took);
	buf_adds(&b, star + 1);
	return buf_take(&b);
}

int
config_find_repository(const struct config *c, struct view name,
    struct repo_ref *out, struct gg_error *err)
{
	struct view took;

	if (!repository_is_valid(name) || name.n >= sizeof(out->name))
		return gg_fail(err, GG_E_NOTFOUND, "no such repository");
	for (size_t i = 0; i < c->n_repositories; i++) {
		const struct repository *r = &c->repositories[i];

		if (!path_covers(r->path, name, &took))
			continue;
		repo_ref_release(out);
		out->upstream = fill_star(r->upstream, took);
		if (out->upstream == NULL)
			return gg_fail(err, GG_E_NOMEM, "repository");
		out->conf = r;
		memcpy(out->name, name.p, name.n);
		out->name[name.n] = '\0';
		return 0;
	}
	return gg_fail(err, GG_E_NOTFOUND, "no such repository");
}

const struct issuer *
config_find_issuer(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->identity.n_issuers; i++)
		if (strcmp(c->identity.issuers[i].name, name) == 0)
			return &c->identity.issuers[i];
	return NULL;
}

const struct provider *
config_find_provider(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->identity.n_providers; i++)
		if (strcmp(c->identity.providers[i].name, name) == 0)
			return &c->identity.providers[i];
	return NULL;
}

const struct delivery_target *
config_find_delivery(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_deliveries; i++)
		if (strcmp(c->deliveries[i].name, name) == 0)
			return &c->deliveries[i];
	return NULL;
}

const struct witness *
config_find_witness(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_witnesses; i++)
		if (strcmp(c->witnesses[i].name, name) == 0)
			return &c->witnesses[i];
	return NULL;
}

const struct notice_target *
config_find_notice(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_notices; i++)
		if (strcmp(c->notices[i].name, name) == 0)
			return &c->notices[i];
	return NULL;
}
