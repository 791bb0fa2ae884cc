#include "cli/cli.h"

#include "base/clock.h"
#include "base/num.h"

#include <string.h>

static int
store_value(const struct option_spec *s, const char *value)
{
	if (s->kind == OPT_LIST)
		strv_add(s->to, value);
	else
		*(const char **)s->to = value;
	return 0;
}

static const struct option_spec *
find(const struct option_spec *specs, size_t n, struct view name)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq_str(name, specs[i].name))
			return &specs[i];
	return NULL;
}

/* argv[*i] is "--name..."; takes the next word where it needs a value. */
static int
one_option(const struct option_spec *specs, size_t n, int argc, char **argv,
    int *i, struct gg_error *err)
{
	struct view rest = view_str(argv[*i] + 2), name;
	const struct option_spec *s;
	bool has_value = view_cut(&rest, '=', &name);

	if (!has_value)
		name = view_str(argv[*i] + 2);
	if ((s = find(specs, n, name)) == NULL)
		return gg_fail(err, GG_E_INPUT, "unknown option --%.*s",
		    (int)name.n, name.p);
	if (s->kind == OPT_FLAG) {
		if (has_value)
			return gg_fail(err, GG_E_INPUT, "--%s takes no value",
			    s->name);
		*(bool *)s->to = true;
		return 0;
	}
	if (has_value)
		return store_value(s, rest.p);
	if (*i + 1 >= argc)
		return gg_fail(err, GG_E_INPUT, "--%s needs a value", s->name);
	return store_value(s, argv[++*i]);
}

#define COMMON 5
#define MOST   32

int
cli_options(struct cli *cli, int argc, char **argv,
    const struct option_spec *specs, size_t n, size_t min, size_t max,
    struct words *words, struct gg_error *err)
{
	struct option_spec all[MOST] = { { "config", OPT_TEXT,
					     &cli->config_file },
		{ "url", OPT_TEXT, &cli->url },
		{ "token-file", OPT_TEXT, &cli->token_file },
		{ "json", OPT_FLAG, &cli->json },
		{ "help", OPT_FLAG, &cli->help } };
	bool ended = false;
	int rc;

	if (n + COMMON > MOST || max > GG_COUNT(words->v))
		gg_die("too many options");
	if (n > 0)
		memcpy(all + COMMON, specs, n * sizeof(*specs));
	*words = (struct words){ 0 };
	for (int i = 0; i < argc; i++) {
		if (!ended && strcmp(argv[i], "--") == 0) {
			ended = true;
		} else if (!ended && strncmp(argv[i], "--", 2) == 0) {
			rc = one_option(all, n + COMMON, argc, argv, &i, err);
			if (rc != 0)
				return rc;
		} else if (!ended && strcmp(argv[i], "-h") == 0) {
			cli->help = true;
		} else if (!ended && argv[i][0] == '-' && argv[i][1]) {
			return gg_fail(err, GG_E_INPUT, "unknown option %s",
			    argv[i]);
		} else if (words->n == max) {
			return gg_fail(err, GG_E_INPUT, "unexpected: %s",
			    argv[i]);
		} else {
			words->v[words->n++] = argv[i];
		}
	}
	if (!cli->help && words->n < min)
		return gg_fail(err, GG_E_INPUT, "an argument is missing");
	return 0;
}

int
cli_count(const char *text, uint64_t max, size_t *out, struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	if (text != NULL && (rc = num_parse(view_str(text), max, &n, err)) != 0)
		return gg_wrap(err, rc, "--limit");
	*out = (size_t)n;
	return 0;
}

int
cli_time(const char *text, int64_t *ms, struct gg_error *err)
{
	int64_t ago;

	*ms = 0;
	if (text == NULL || clock_parse(view_str(text), ms, NULL) == 0)
		return 0;
	if (num_parse_duration(view_str(text), &ago, NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s is no time: 2026-11-22, 2026-11-22T07:00:00Z, or 7d"
		    " for so long ago",
		    text);
	*ms = clock_wall_ms() - ago;
	return 0;
}
