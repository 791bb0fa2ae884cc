/*
 * Looking for secrets in bytes. Vectorscan reads them once for all rules and
 * says where matches may end; PCRE2 then looks there, and what gitleaks asks
 * of a match is asked: keywords, groups, entropy, allowlists.
 *
 * Unlike gitleaks, nothing in what is scanned can switch it off: neither a
 * comment gitleaks:allow nor a file .gitleaksignore.
 */
#ifndef GITGATE_SCAN_SCANNER_H
#define GITGATE_SCAN_SCANNER_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"
#include "scan/checksum.h"
#include "scan/rules.h"

struct scanner;

/* No match of an expression without bounds is looked for further back. */
#define SCAN_LOOK_BACK ((size_t)64 << 10)
/* What a caller that cuts a text into pieces repeats of the one before. */
#define SCAN_OVERLAP      (SCAN_LOOK_BACK + 4096)
#define SCAN_FRAGMENT_MAX ((size_t)64 << 20)

/* fd: a file of scan_compile(). GG_E_CORRUPT where it is none, or made for
 * another processor. */
GG_MUST_USE int
scanner_open(int fd, struct scanner **out, struct gg_error *err);
/* The same from memory. */
GG_MUST_USE int
scanner_new(struct view file, struct scanner **out, struct gg_error *err);
void scanner_free(struct scanner *s);
GG_DEFINE_AUTO(scanner);

/* One text, or a piece of it. */
struct scan_fragment {
	struct view text;
	struct view path;   /* empty: it has none */
	const char *commit; /* hex, or "" */
	bool first, last;   /* of its text's pieces */
};

/* Offsets are into the fragment. */
struct scan_hit {
	const struct scan_rule *rule;
	struct span match, secret;
	enum checksum checksum;
};

/* found: non-zero ends the scan and is returned. */
typedef int (*scan_found)(void *ctx, const struct scan_hit *hit,
    struct gg_error *err);

/*
 * 0; GG_E_LIMIT where an expression takes too many steps (what was found
 * until then was told); what found() returned.
 */
GG_MUST_USE int scanner_scan(struct scanner *s, const struct scan_fragment *f,
    scan_found found, void *ctx, struct gg_error *err);

/* Was something passed over in the last scan only because of its path or
 * commit? */
bool scanner_path_mattered(const struct scanner *s);

/* Rules that look at nothing but the path: the next after *at (begin with
 * 0) that this path matches, or NULL. */
const struct scan_rule *scanner_path_rule(struct scanner *s, struct view path,
    const char *commit, size_t *at);

/* Does every file's global allowlist take this path out by itself? Then its
 * contents need not be read. */
bool
scanner_skips_path(struct scanner *s, struct view path, const char *commit);

#endif
