/* Claims as texts: found, compared, put into templates. */
#include "identity/claims.h"

#include "config/repo_name.h"

#include <string.h>

#define CLAIM_MAX_BYTES 4096
#define GROUPS_MAX      200

/* -- finding -- */

/* A path's ends: every '/' may part a name from one inside of it. A node is
 * met once at most, for its names from the root on are the path's. */
static void
search(const json_t *o, const char *path, const json_t **hit, size_t *n)
{
	const json_t *v = json_object_get(o, path);

	if (v != NULL) {
		*hit = v;
		(*n)++;
	}
	for (const char *s = strchr(path, '/'); s != NULL;
	     s = strchr(s + 1, '/')) {
		v = json_object_getn(o, path, (size_t)(s - path));
		if (json_is_object(v))
			search(v, s + 1, hit, n);
	}
}

const json_t *
claim_find(const json_t *claims, const char *name)
{
	const json_t *hit = json_object_get(claims, name);
	size_t n = 0;

	if (hit != NULL)
		return hit;
	search(claims, name, &hit, &n);
	/* two ways to read a path: neither */
	return n == 1 ? hit : NULL;
}

static bool
text_of(const json_t *v, struct buf *out)
{
	char *text;

	if (json_is_string(v)) {
		buf_add(out, json_string_value(v), json_string_length(v));
		return out->failed == 0;
	}
	if (!json_is_number(v) && !json_is_boolean(v))
		return false;
	text = json_dumps(v, JSON_ENCODE_ANY);
	if (text == NULL)
		return false;
	buf_adds(out, text);
	free(text);
	return out->failed == 0;
}

bool
claim_text(const json_t *claims, const char *name, struct buf *out)
{
	return text_of(claim_find(claims, name), out);
}

/* -- comparing -- */

static bool
value_matches(const json_t *v, const struct claim_rule *rule)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(CLAIM_MAX_BYTES);

	if (!text_of(v, &text))
		return false;
	for (size_t i = 0; i < rule->values.n; i++)
		if (glob_match_claim(rule->values.v[i], buf_view(&text)))
			return true;
	return false;
}

static bool
rule_matches(const json_t *claims, const struct claim_rule *rule)
{
	const json_t *v = claim_find(claims, rule->claim), *one;
	size_t i;

	if (!json_is_array(v))
		return value_matches(v, rule);
	json_array_foreach(v, i, one) if (value_matches(one, rule)) return true;
	return false;
}

bool
claims_match(const json_t *claims, const struct claim_rule *rules, size_t n,
    const char **which)
{
	for (size_t i = 0; i < n; i++) {
		if (rule_matches(claims, &rules[i]))
			continue;
		if (which != NULL)
			*which = rules[i].claim;
		return false;
	}
	return true;
}

/* -- templates -- */

static int
fill_claim(struct view name, const json_t *claims, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(CLAIM_MAX_BYTES);
	GG_AUTO_MEM char *claim = view_dup(name);

	if (claim == NULL)
		return gg_fail(err, GG_E_NOMEM, "claim");
	if (!claim_text(claims, claim, &text) || text.n == 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the claim \"%s\" is missing or empty", claim);
	for (size_t i = 0; i < text.n; i++)
		if (!template_byte_is_valid(text.p[i]))
			return gg_fail(err, GG_E_REFUSED,
			    "the claim \"%s\" has a character that a name may not have (letters, digits and ._@:/+- are)",
			    claim);
	buf_addv(out, buf_view(&text));
	return 0;
}

static int
fill(const char *template, const json_t *claims, struct buf *out,
    struct gg_error *err)
{
	struct view left = view_str(template), piece;
	bool claim;
	int rc;

	while ((rc = template_next(&left, &piece, &claim, err)) > 0) {
		if (!claim)
			buf_addv(out, piece);
		else if ((rc = fill_claim(piece, claims, out, err)) < 0)
			return rc;
	}
	return rc;
}

int
claims_fill(const char *template, const json_t *claims, char **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) name = BUF_INIT(128);
	int rc = fill(template, claims, &name, err);

	if (rc < 0)
		return rc;
	if (name.failed != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the name that follows from the claims is longer than 128 bytes");
	if (!principal_name_is_valid(buf_view(&name)))
		return gg_fail(err, GG_E_REFUSED,
		    "the name that follows from the claims does not begin with a letter or digit");
	*out = buf_take(&name);
	return *out != NULL ? 0 : gg_fail(err, GG_E_NOMEM, "name");
}

int
claims_fill_repository(const char *template, const json_t *claims,
    struct buf *out, struct gg_error *err)
{
	int rc;

	buf_init(out, REPOSITORY_MAX_BYTES);
	rc = fill(template, claims, out, err);
	return rc < 0 ? rc : buf_check(out, err);
}

void
template_each_claim(const char *template,
    void (*fn)(const char *claim, void *arg), void *arg)
{
	struct view left = view_str(template), piece;
	bool claim;

	while (template_next(&left, &piece, &claim, NULL) > 0) {
		GG_AUTO_MEM char *name = claim ? view_dup(piece) : NULL;

		if (name != NULL)
			fn(name, arg);
	}
}

/* -- groups -- */

static int
add_group(struct strv *out, const char *name, struct gg_error *err)
{
	if (strv_has(out, name) || !principal_name_is_valid(view_str(name)))
		return 0;
	if (out->n >= GROUPS_MAX)
		return gg_fail(err, GG_E_REFUSED,
		    "more than %d groups follow from the claims: choose some with `only`",
		    GROUPS_MAX);
	strv_add(out, name);
	return strv_check(out, err);
}

static int
add_member(const json_t *v, const struct group_rule *r, struct strv *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(CLAIM_MAX_BYTES);
	GG_AUTO_RELEASE(buf) name = BUF_INIT(CLAIM_MAX_BYTES);

	if (!text_of(v, &text) || !glob_list_match(&r->only, buf_view(&text)))
		return 0;
	if (r->prefix != NULL)
		buf_adds(&name, r->prefix);
	buf_addv(&name, buf_view(&text));
	return name.failed != 0 ? 0 : add_group(out, buf_str(&name), err);
}

static int
add_members(const json_t *claims, const struct group_rule *r, struct strv *out,
    struct gg_error *err)
{
	const json_t *v = claim_find(claims, r->from_claim), *one;
	size_t i;
	int rc = 0;

	if (!json_is_array(v))
		return add_member(v, r, out, err);
	json_array_foreach(v, i, one) if (rc == 0)
	    rc = add_member(one, r, out, err);
	return rc;
}

int
claims_groups(const json_t *claims, const struct group_rule *rules, size_t n,
    struct strv *out, struct gg_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct group_rule *r = &rules[i];
		int rc = 0;

		if (!claims_match(claims, r->when, r->n_when, NULL))
			continue;
		if (r->group != NULL)
			rc = add_group(out, r->group, err);
		else
			rc = add_members(claims, r, out, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
