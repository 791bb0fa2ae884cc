/*
 * A policy file. Oracle: what is refused says "file:line: ..."; what is
 * accepted can be asked everything (access, scopes, warnings by way of the
 * same calls as the gate), and every rule's scope covers what it may match.
 */
#include "fuzz.h"

#include "policy/policy.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const refs[] = { "refs/heads/main", "refs/tags/v1",
		"refs/x", "" };
	GG_AUTO(ruleset) rs = ruleset_new();
	GG_AUTO(ruleset) again = ruleset_new();
	GG_AUTO_RELEASE(principal) p = { .method = AUTH_TOKEN };
	struct gg_error err = { 0 };
	int rc = ruleset_parse(rs, "f.yaml", view_of(data, size), &err);

	if (rc < 0) {
		FUZZ_CHECK(rc == GG_E_INPUT);
		FUZZ_CHECK(strncmp(err.msg, "f.yaml:", 7) == 0);
		FUZZ_CHECK(err.msg[7] >= '1' && err.msg[7] <= '9');
		return 0;
	}
	p.name = strdup("bot");
	strv_add(&p.groups, "agents");
	FUZZ_CHECK(ruleset_n_scopes(rs) <= ruleset_n_rules(rs));
	FUZZ_CHECK(ruleset_n_scopes(rs) <= REPORT_MAX_SCOPES);
	FUZZ_CHECK(ruleset_access(rs, &p, "acme/app") <= 3);
	for (size_t s = 0; s < ruleset_n_scopes(rs); s++) {
		(void)ruleset_scope_needed(rs, s, &p, "acme/app");
		for (size_t i = 0; i < GG_COUNT(refs); i++)
			(void)ruleset_scope_covers(rs, s, refs[i]);
	}
	/* the same bytes are the same rule set */
	FUZZ_CHECK(ruleset_parse(again, "f.yaml", view_of(data, size), NULL) ==
	    0);
	FUZZ_CHECK(strcmp(ruleset_digest(rs), ruleset_digest(again)) == 0);
	return 0;
}
