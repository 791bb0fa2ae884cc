#include "config/yaml_tree.h"

#include "base/num.h"

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *name)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->key[i].text, name) == 0)
			return &map->item[i];
	return NULL;
}

static bool
is_among(const char *s, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

int
yaml_check_keys(const struct yaml_tree *t, const struct yaml_node *map,
    const char *what, const char *const *names, struct gg_error *err)
{
	if (map->kind != NODE_MAP)
		return yaml_fail(t, map, err, "%s must be a map of keys", what);
	for (size_t i = 0; i < map->n; i++)
		if (!is_among(map->key[i].text, names))
			return yaml_fail(t, &map->key[i], err,
			    "unknown key \"%.60s\"", map->key[i].text);
	return 0;
}

int
yaml_check_text(const struct yaml_tree *t, const struct yaml_node *at,
    const char *name, struct gg_error *err)
{
	if (at->kind == NODE_BOOL || at->kind == NODE_INT ||
	    at->kind == NODE_OTHER)
		return yaml_fail(t, at, err, "%s: %.60s needs quotes", name,
		    at->text);
	if (at->kind != NODE_TEXT)
		return yaml_fail(t, at, err, "%s must be a text", name);
	if (*at->text == '\0')
		return yaml_fail(t, at, err, "%s is empty", name);
	for (const char *s = at->text; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return yaml_fail(t, at, err,
			    "%s must be one line without control characters",
			    name);
	return 0;
}

int
yaml_take_text(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, char **out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	char *copy;
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_text(t, at, name, err)) < 0)
		return rc;
	if ((copy = strdup(at->text)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	free(*out);
	*out = copy;
	return 0;
}

int
yaml_take_bool(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, bool *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);

	if (at == NULL)
		return 0;
	if (at->kind != NODE_BOOL)
		return yaml_fail(t, at, err, "%s must be true or false", name);
	*out = strcmp(at->text, "true") == 0;
	return 0;
}

int
yaml_take_u64(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, uint64_t min, uint64_t max, uint64_t *out,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	uint64_t x = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_INT ||
	    num_parse(view_str(at->text), max, &x, NULL) < 0 || x < min)
		return yaml_fail(t, at, err,
		    "%s must be a number from %llu to %llu", name,
		    (unsigned long long)min, (unsigned long long)max);
	*out = x;
	return 0;
}

int
yaml_take_duration(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, int64_t *ms, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);

	if (at == NULL)
		return 0;
	if (at->kind != NODE_TEXT || strspn(at->text, "0123456789") > 9 ||
	    num_parse_duration(view_str(at->text), ms, NULL) < 0)
		return yaml_fail(t, at, err,
		    "%s must be a duration like 90s, 15m, 72h or 30d", name);
	return 0;
}

int
yaml_take_list(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(t, at, err, "%s must be a list", name);
	for (size_t i = 0; i < at->n; i++) {
		int rc = yaml_check_text(t, &at->item[i], name, err);

		if (rc < 0)
			return rc;
		strv_add(out, at->item[i].text);
	}
	return strv_check(out, err);
}

int
yaml_take_word(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, const char *const *words, unsigned *out,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	char all[200] = "";
	size_t n = 0;

	if (at == NULL)
		return 0;
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (at->kind == NODE_TEXT && strcmp(at->text, words[i]) == 0) {
			*out = i;
			return 0;
		}
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
			    i == 0                   ? "" :
				words[i + 1] == NULL ? " or " :
						       ", ",
			    words[i]);
	}
	return yaml_fail(t, at, err, "%s must be %s", name, all);
}
