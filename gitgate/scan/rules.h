/*
 * Secret rules as they stand in files of gitleaks' format, v8 (rules,
 * allowlists, entropy, keywords). What those files say is read unmodified,
 * with these exceptions, each an error with file and line: `extend` and
 * `required` are not supported. A rule with skipReport is left out; unknown
 * keys are warned of.
 *
 * Several files may be loaded; an id is there once. A file's global
 * allowlists hold for its own rules only.
 */
#ifndef GITGATE_SCAN_RULES_H
#define GITGATE_SCAN_RULES_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"
#include "ipc/codec.h"
#include "scan/regex.h"

#include <stdint.h>

#define SCAN_RULES_MAX   5000
#define SCAN_ID_MAX      200
#define SCAN_WIDTH_NONE  UINT32_MAX
#define SCAN_PATTERN_MAX 65536

/* An expression, compiled where it is first needed. */
struct scan_pattern {
	char *text; /* NULL: there is none */
	uint32_t line;
	struct regex *re;
};
struct scan_patterns {
	struct scan_pattern *v;
	size_t n;
};

enum scan_target { SCAN_TARGET_SECRET, SCAN_TARGET_MATCH, SCAN_TARGET_LINE };

struct scan_allow {
	bool all; /* condition = "AND" */
	enum scan_target target;
	struct scan_patterns regexes, paths;
	struct strv commits, stopwords; /* lower case */
};
struct scan_allows {
	struct scan_allow *v;
	size_t n;
};

struct scan_rule {
	char *id, *description;
	struct scan_pattern regex, path;
	uint32_t group;       /* secretGroup; 0: the first that is not empty */
	double entropy;       /* 0: any */
	struct strv keywords; /* lower case */
	struct scan_allows allows; /* its own, then those that target it */
	uint32_t file, line;
	/* Longest match in bytes, filled when compiled. */
	uint32_t width;
};

struct scan_file {
	char *name;
	struct scan_allows allows; /* global ones */
};

struct scan_rules {
	struct scan_file *files;
	size_t n_files;
	struct scan_rule *v;
	size_t n;
	struct strv warnings;
};

void scan_rules_release(struct scan_rules *r);
GG_DEFINE_AUTO_RELEASE(scan_rules);

/* Add one file. GG_E_INPUT with "file:line: what is wrong". The expressions
 * are not compiled. */
GG_MUST_USE int scan_rules_add(struct scan_rules *r, const char *file,
    struct view text, struct gg_error *err);
/* Compile every expression once, to be sure of it, and check that groups
 * exist. GG_E_INPUT likewise. */
GG_MUST_USE int
scan_rules_check(const struct scan_rules *r, struct gg_error *err);

/* For the compiled file; decode checks everything again. */
void scan_rules_encode(const struct scan_rules *r, struct buf *out);
GG_MUST_USE int
scan_rules_decode(struct view v, struct scan_rules *out, struct gg_error *err);

#endif
