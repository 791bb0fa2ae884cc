/* Allowlists: what is found but shall not be reported. */
#ifndef GITGATE_SCAN_ALLOW_H
#define GITGATE_SCAN_ALLOW_H

#include "scan/rules.h"

/* What an allowlist may ask about. Empty views never match. */
struct allow_subject {
	struct view secret, match, line, path;
	const char *commit;
};

/* Does one of them hold? *by_path, if not NULL, becomes true where one that
 * names paths did: under another path it might not. */
bool allows_hold(struct scan_allows *a, const struct allow_subject *s,
    bool *by_path);
/* Compile if need be and look; a pattern that is not there: false. */
bool pattern_matches(struct scan_pattern *p, struct view v);
/* The compiled form; dies where it does not compile, which was checked. */
struct regex *pattern_regex(struct scan_pattern *p);

#endif
