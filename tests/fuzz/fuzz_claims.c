/*
 * A template, a line feed, and claims: a name that follows is a valid one and
 * has the template's own text; a principal has valid names only, and what is
 * verified is a flat object of texts.
 */
#include "fuzz.h"

#include "identity/id_token.h"

#include <strings.h>

#define NOW ((int64_t)1795340030 * 1000)

static const char config_text[] =
    "state-dir: /s\npolicy-dir: /p\npublic-url: https://gate.example\n"
    "repositories: [{path: a/b, upstream: /srv/b.git}]\n"
    "identity:\n"
    "  issuers:\n"
    "    - name: g\n"
    "      profile: github-actions\n"
    "      owner: \"person:{actor}\"\n"
    "      require: {repository_owner_id: 65}\n"
    "      repositories: \"{repository}\"\n"
    "      groups:\n"
    "        - {group: a, when: {repository: \"octo/*\", ref: \"refs/heads/**\"}}\n"
    "        - {from: environment, prefix: \"env:\"}\n"
    "    - {name: l, profile: gitlab, issuer: https://l, require: {namespace_id: 7}}\n"
    "    - {name: b, profile: buildkite, require: {organization_id: o}}\n"
    "    - {name: c, profile: circleci, issuer: https://c/org/x, require: {oidc.circleci.com/vcs-origin: h/o/*}}\n"
    "    - {name: k, profile: kubernetes, issuer: https://k, require: {kubernetes.io/serviceaccount/uid: u}}\n"
    "    - {name: s, profile: spiffe, issuer: spiffe://d, jwks-file: /b}\n"
    "    - {name: o, issuer: https://o}\n";

static void
check_valid(const char *name)
{
	FUZZ_CHECK(principal_name_is_valid(view_str(name)));
}

static void
check_principal(const struct principal *p)
{
	json_t *shown = json_loads(p->verified, JSON_REJECT_DUPLICATES, NULL);
	const char *claim;
	json_t *v;

	check_valid(p->name);
	if (p->owner != NULL)
		check_valid(p->owner);
	for (size_t i = 0; i < p->groups.n; i++)
		check_valid(p->groups.v[i]);
	for (size_t i = 0; i < p->aliases.n; i++)
		check_valid(p->aliases.v[i]);
	FUZZ_CHECK(p->method == AUTH_OIDC && p->subject[0] != '\0');
	FUZZ_CHECK(json_is_object(shown));
	json_object_foreach(shown, claim, v)
	    FUZZ_CHECK(json_is_string(v) && json_string_length(v) > 0);
	json_decref(shown);
}

static bool
is_of_repository(const json_t *claims)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(100);

	return claim_text(claims, "repository", &text) &&
	    strcasecmp(buf_str(&text), "octo/repo") == 0;
}

static void
try_issuers(const struct config *c, const json_t *claims)
{
	for (size_t i = 0; i < c->identity.n_issuers; i++) {
		const struct issuer *x = &c->identity.issuers[i];
		GG_AUTO_RELEASE(principal) p = { 0 };
		struct gg_error err = { 0 };
		int rc = issuer_principal(x, claims, NOW, &p, &err);

		FUZZ_CHECK(rc == 0 || rc == GG_E_REFUSED);
		FUZZ_CHECK(rc == 0 || (p.name == NULL && err.msg[0] != '\0'));
		if (rc == 0)
			check_principal(&p);
		/* it is of the one issuer that it names */
		FUZZ_CHECK(rc != 0 || issuer_select(x, 1, claims) == x);
		rc = issuer_repository(x, claims, "octo/repo", NULL);
		FUZZ_CHECK(rc == 0 || rc == GG_E_REFUSED);
		FUZZ_CHECK(rc != 0 || x->repositories.n == 0 ||
		    is_of_repository(claims));
	}
}

static void
try_template(const char *template, const json_t *claims)
{
	GG_AUTO_MEM char *name = NULL;
	int rc = claims_fill(template, claims, &name, NULL);
	size_t own = strcspn(template, "{");

	FUZZ_CHECK((rc == 0) == (name != NULL));
	if (rc != 0)
		return;
	check_valid(name);
	FUZZ_CHECK(template_check(template, NULL) == 0);
	FUZZ_CHECK(strncmp(name, template, own) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config *c;
	struct view in = view_of(data, size), head = { 0 };
	GG_AUTO_MEM char *template = NULL;
	json_t *claims;

	if (c == NULL)
		FUZZ_CHECK(config_parse(view_str(config_text), "c", &c, NULL) ==
		    0);
	if (!view_cut(&in, '\n', &head) || memchr(head.p, '\0', head.n) != NULL)
		return 0;
	claims = json_loadb(in.n > 0 ? in.p : "", in.n, JSON_REJECT_DUPLICATES,
	    NULL);
	template = view_dup(head);
	if (claims != NULL && template != NULL) {
		try_issuers(c, claims);
		try_template(template, claims);
	}
	json_decref(claims);
	return 0;
}
