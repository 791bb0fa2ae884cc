/* From TOML to rules. */
#include "base/buf.h"
#include "scan/rules.h"
#include "scan/toml.h"

#include <stdarg.h>

struct reader {
	struct scan_rules *r;
	const char *file;
	uint32_t file_index;
	struct gg_error *err;
};

__attribute__((format(printf, 3, 4))) static int
wrong(struct reader *rd, unsigned line, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return gg_fail(rd->err, GG_E_INPUT, "%s:%u: %s", rd->file, line, text);
}

static int
no_memory(struct reader *rd)
{
	return gg_fail(rd->err, GG_E_NOMEM, "%s", rd->file);
}

/* ---- typed values ---- */

static int
expect(struct reader *rd, const struct toml *t, enum toml_type type)
{
	if (t->type == type)
		return 0;
	return wrong(rd, t->line, "%s must be of type %s, not %s",
	    t->key != NULL ? t->key : "an element", toml_type_name(type),
	    toml_type_name(t->type));
}

static int
get_string(struct reader *rd, const struct toml *table, const char *key,
    size_t max, char **out)
{
	const struct toml *t = toml_get(table, key);
	int rc;

	if (t == NULL)
		return 0;
	if ((rc = expect(rd, t, TOML_STRING)) != 0)
		return rc;
	if (strlen(t->str) > max)
		return wrong(rd, t->line, "%s is longer than %zu bytes", key,
		    max);
	free(*out);
	if ((*out = strdup(t->str)) == NULL)
		return no_memory(rd);
	return 0;
}

static int
get_pattern(struct reader *rd, const struct toml *table, const char *key,
    struct scan_pattern *out)
{
	const struct toml *t = toml_get(table, key);
	int rc = get_string(rd, table, key, SCAN_PATTERN_MAX, &out->text);

	if (rc != 0 || t == NULL)
		return rc;
	out->line = t->line;
	if (*out->text != '\0')
		return 0;
	free(gg_take(out->text)); /* "" is as good as none */
	return 0;
}

static int
check_strings(struct reader *rd, const struct toml *t)
{
	int rc;

	if ((rc = expect(rd, t, TOML_ARRAY)) != 0)
		return rc;
	for (const struct toml *e = t->first; e != NULL; e = e->next) {
		if ((rc = expect(rd, e, TOML_STRING)) != 0)
			return rc;
		if (strlen(e->str) > 4096)
			return wrong(rd, e->line, "longer than 4096 bytes");
	}
	return 0;
}

static int
get_patterns(struct reader *rd, const struct toml *table, const char *key,
    struct scan_patterns *out)
{
	const struct toml *t = toml_get(table, key);
	int rc;

	if (t == NULL)
		return 0;
	if ((rc = expect(rd, t, TOML_ARRAY)) != 0)
		return rc;
	if ((out->v = calloc(t->n + 1, sizeof(*out->v))) == NULL)
		return no_memory(rd);
	for (const struct toml *e = t->first; e != NULL; e = e->next) {
		if ((rc = expect(rd, e, TOML_STRING)) != 0)
			return rc;
		if (strlen(e->str) > SCAN_PATTERN_MAX)
			return wrong(rd, e->line, "a regex is too long");
		if ((out->v[out->n].text = strdup(e->str)) == NULL)
			return no_memory(rd);
		out->v[out->n++].line = e->line;
	}
	return 0;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s | 0x20);
}

static int
get_words(struct reader *rd, const struct toml *table, const char *key,
    struct strv *out)
{
	const struct toml *t = toml_get(table, key);
	int rc;

	if (t == NULL)
		return 0;
	if ((rc = check_strings(rd, t)) != 0)
		return rc;
	for (const struct toml *e = t->first; e != NULL; e = e->next) {
		if (*e->str == '\0')
			return wrong(rd, e->line, "%s: an empty word", key);
		strv_add(out, e->str);
		if (out->failed == 0)
			lower(out->v[out->n - 1]);
	}
	return strv_check(out, rd->err);
}

static void
warn_unknown(struct reader *rd, const struct toml *table,
    const char *const *known)
{
	for (const struct toml *t = table->first; t != NULL; t = t->next) {
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], t->key) != 0)
			i++;
		if (known[i] == NULL && rd->r->warnings.n < 20)
			strv_addf(&rd->r->warnings, "%s:%u: unknown key %s",
			    rd->file, t->line, t->key);
	}
}

/* ---- allowlists ---- */

static int
allow_condition(struct reader *rd, const struct toml *t, bool *all)
{
	GG_AUTO_MEM char *s = NULL;
	int rc = get_string(rd, t, "condition", 16, &s);

	if (rc != 0 || s == NULL)
		return rc;
	lower(s);
	*all = strcmp(s, "and") == 0 || strcmp(s, "&&") == 0;
	if (*all || *s == '\0' || strcmp(s, "or") == 0 || strcmp(s, "||") == 0)
		return 0;
	return wrong(rd, toml_get(t, "condition")->line,
	    "condition is \"AND\" or \"OR\"");
}

static int
allow_target(struct reader *rd, const struct toml *t, enum scan_target *out)
{
	GG_AUTO_MEM char *s = NULL;
	int rc = get_string(rd, t, "regexTarget", 16, &s);

	if (rc != 0 || s == NULL)
		return rc;
	if (strcmp(s, "match") == 0)
		*out = SCAN_TARGET_MATCH;
	else if (strcmp(s, "line") == 0)
		*out = SCAN_TARGET_LINE;
	else if (strcmp(s, "secret") != 0 && *s != '\0')
		return wrong(rd, toml_get(t, "regexTarget")->line,
		    "regexTarget is \"secret\", \"match\" or \"line\"");
	return 0;
}

static int
read_allow(struct reader *rd, const struct toml *t, struct scan_allow *out)
{
	static const char *const known[] = { "description", "condition",
		"commits", "paths", "regexTarget", "regexes", "stopwords",
		"targetRules", NULL };
	int rc;

	if ((rc = expect(rd, t, TOML_TABLE)) != 0 ||
	    (rc = allow_condition(rd, t, &out->all)) != 0 ||
	    (rc = allow_target(rd, t, &out->target)) != 0 ||
	    (rc = get_patterns(rd, t, "regexes", &out->regexes)) != 0 ||
	    (rc = get_patterns(rd, t, "paths", &out->paths)) != 0 ||
	    (rc = get_words(rd, t, "commits", &out->commits)) != 0 ||
	    (rc = get_words(rd, t, "stopwords", &out->stopwords)) != 0)
		return rc;
	warn_unknown(rd, t, known);
	if (out->regexes.n + out->paths.n + out->commits.n + out->stopwords.n ==
	    0)
		return wrong(rd, t->line,
		    "an allowlist without commits, paths, regexes or "
		    "stopwords");
	return 0;
}

static int
add_allow(struct reader *rd, const struct toml *t, struct scan_allows *to)
{
	struct scan_allow *grown = reallocarray(to->v, to->n + 1,
	    sizeof(*grown));

	if (grown == NULL)
		return no_memory(rd);
	to->v = grown;
	to->v[to->n] = (struct scan_allow){ 0 };
	return read_allow(rd, t, &to->v[to->n++]);
}

/* With targetRules: for these rules alone, which must be of this file. */
static int
add_targeted(struct reader *rd, const struct toml *t,
    const struct toml *targets)
{
	int rc = check_strings(rd, targets);

	for (const struct toml *e = targets->first; rc == 0 && e != NULL;
	     e = e->next) {
		struct scan_rule *rule = NULL;

		for (size_t i = 0; i < rd->r->n; i++)
			if (rd->r->v[i].file == rd->file_index &&
			    strcmp(rd->r->v[i].id, e->str) == 0)
				rule = &rd->r->v[i];
		if (rule == NULL)
			return wrong(rd, e->line, "there is no rule %s",
			    e->str);
		rc = add_allow(rd, t, &rule->allows);
	}
	return rc;
}

/* rule: where a rule's own lists go; NULL: the file's. */
static int
add_allows(struct reader *rd, const struct toml *table, struct scan_rule *rule)
{
	const struct toml *one = toml_get(table, "allowlist");
	const struct toml *many = toml_get(table, "allowlists");
	const struct toml *t, *targets;
	int rc = 0;

	if (one != NULL && many != NULL)
		return wrong(rd, many->line,
		    "allowlist and allowlists exclude each other");
	if (many != NULL && (rc = expect(rd, many, TOML_ARRAY)) != 0)
		return rc;
	for (t = many != NULL ? many->first : one; rc == 0 && t != NULL;
	     t = many != NULL ? t->next : NULL) {
		if ((rc = expect(rd, t, TOML_TABLE)) != 0)
			return rc;
		targets = toml_get(t, "targetRules");
		if (rule != NULL && targets != NULL)
			return wrong(rd, targets->line,
			    "targetRules stands in global allowlists only");
		if (targets != NULL && targets->n > 0)
			rc = add_targeted(rd, t, targets);
		else
			rc = add_allow(rd, t,
			    rule != NULL ?
				&rule->allows :
				&rd->r->files[rd->file_index].allows);
	}
	return rc;
}

/* ---- rules ---- */

static int
get_numbers(struct reader *rd, const struct toml *t, struct scan_rule *rule)
{
	const struct toml *e = toml_get(t, "entropy");
	const struct toml *g = toml_get(t, "secretGroup");

	if (e != NULL) {
		if (e->type != TOML_FLOAT && e->type != TOML_INTEGER)
			return expect(rd, e, TOML_FLOAT);
		if (!(e->real >= 0 && e->real <= 32))
			return wrong(rd, e->line,
			    "entropy is between 0 and 32");
		rule->entropy = e->real;
	}
	if (g == NULL)
		return 0;
	if (g->type != TOML_INTEGER || g->integer < 0 ||
	    g->integer > REGEX_GROUPS_MAX)
		return wrong(rd, g->line, "secretGroup is from 0 to %d",
		    REGEX_GROUPS_MAX);
	rule->group = (uint32_t)g->integer;
	return 0;
}

static int
check_id(struct reader *rd, const struct toml *t, const struct scan_rule *rule)
{
	if (rule->id == NULL || *rule->id == '\0')
		return wrong(rd, t->line, "a rule without id");
	for (const char *c = rule->id; *c != '\0'; c++)
		if (*c <= ' ' || *c == 0x7f)
			return wrong(rd, t->line,
			    "an id holds no blanks or control characters");
	for (size_t i = 0; i + 1 < rd->r->n; i++)
		if (strcmp(rd->r->v[i].id, rule->id) == 0)
			return wrong(rd, t->line, "rule %s is there twice",
			    rule->id);
	if (rule->regex.text == NULL && rule->path.text == NULL)
		return wrong(rd, t->line, "rule %s has neither regex nor path",
		    rule->id);
	return 0;
}

static int
fill_rule(struct reader *rd, const struct toml *t, struct scan_rule *rule)
{
	static const char *const known[] = { "id", "description", "regex",
		"path", "secretGroup", "entropy", "keywords", "tags",
		"allowlist", "allowlists", "skipReport", "required", NULL };
	const struct toml *required = toml_get(t, "required");
	int rc;

	if (required != NULL)
		return wrong(rd, required->line,
		    "rules with `required` are not supported");
	rule->file = rd->file_index;
	rule->line = t->line;
	rule->width = SCAN_WIDTH_NONE;
	if ((rule->description = strdup("")) == NULL)
		return no_memory(rd);
	if ((rc = get_string(rd, t, "id", SCAN_ID_MAX, &rule->id)) != 0 ||
	    (rc = get_string(rd, t, "description", 1000, &rule->description)) !=
		0 ||
	    (rc = get_pattern(rd, t, "regex", &rule->regex)) != 0 ||
	    (rc = get_pattern(rd, t, "path", &rule->path)) != 0 ||
	    (rc = get_numbers(rd, t, rule)) != 0 ||
	    (rc = get_words(rd, t, "keywords", &rule->keywords)) != 0 ||
	    (rc = check_id(rd, t, rule)) != 0)
		return rc;
	warn_unknown(rd, t, known);
	return add_allows(rd, t, rule);
}

static int
add_rule(struct reader *rd, const struct toml *t)
{
	struct scan_rules *r = rd->r;
	const struct toml *skip;
	struct scan_rule *grown;
	int rc;

	if ((rc = expect(rd, t, TOML_TABLE)) != 0)
		return rc;
	if ((skip = toml_get(t, "skipReport")) != NULL) {
		if ((rc = expect(rd, skip, TOML_BOOLEAN)) != 0)
			return rc;
		if (skip->boolean)
			return 0;
	}
	if (r->n >= SCAN_RULES_MAX)
		return wrong(rd, t->line, "more than %d rules", SCAN_RULES_MAX);
	grown = reallocarray(r->v, r->n + 1, sizeof(*grown));
	if (grown == NULL)
		return no_memory(rd);
	r->v = grown;
	r->v[r->n] = (struct scan_rule){ 0 };
	return fill_rule(rd, t, &r->v[r->n++]);
}

static int
add_rules(struct reader *rd, const struct toml *root)
{
	const struct toml *rules = toml_get(root, "rules");
	int rc;

	if (rules == NULL)
		return 0;
	if ((rc = expect(rd, rules, TOML_ARRAY)) != 0)
		return rc;
	for (const struct toml *t = rules->first; t != NULL; t = t->next)
		if ((rc = add_rule(rd, t)) != 0)
			return rc;
	return 0;
}

static int
add_file(struct reader *rd)
{
	struct scan_rules *r = rd->r;
	struct scan_file *grown = reallocarray(r->files, r->n_files + 1,
	    sizeof(*grown));

	if (grown == NULL)
		return no_memory(rd);
	r->files = grown;
	rd->file_index = (uint32_t)r->n_files;
	r->files[r->n_files] = (struct scan_file){ .name = strdup(rd->file) };
	if (r->files[r->n_files].name == NULL)
		return no_memory(rd);
	r->n_files++;
	return 0;
}

int
scan_rules_add(struct scan_rules *r, const char *file, struct view text,
    struct gg_error *err)
{
	static const char *const known[] = { "title", "description",
		"minVersion", "extend", "rules", "allowlist", "allowlists",
		NULL };
	struct reader rd = { .r = r, .file = file, .err = err };
	GG_AUTO(toml) root = NULL;
	const struct toml *extend;
	int rc;

	if ((rc = toml_parse(file, text, &root, err)) != 0)
		return rc;
	if ((extend = toml_get(root, "extend")) != NULL)
		return wrong(&rd, extend->line,
		    "`extend` is not supported: name every rule file in the "
		    "policy");
	if ((rc = add_file(&rd)) != 0 || (rc = add_rules(&rd, root)) != 0)
		return rc;
	warn_unknown(&rd, root, known);
	return add_allows(&rd, root, NULL);
}
