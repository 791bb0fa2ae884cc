/* Where audit query, timeline and export read: a gate's API, or the local
 * store. */
#ifndef GITGATE_CLI_AUDIT_SOURCE_H
#define GITGATE_CLI_AUDIT_SOURCE_H

#include "cli/cli.h"

/* What is asked for: texts of options, borrowed, and what they mean. */
struct audit_filter {
	const char *repository, *ref, *principal, *type, *push;
	const char *reviewer, *rule, *path, *verdict, *hold;
	const char *since, *until, *limit, *cursor;
	struct audit_query q;
};
#define AUDIT_FILTER_OPTIONS(f)                                               \
	{ "repository", OPT_TEXT, &(f).repository },                          \
	    { "ref", OPT_TEXT, &(f).ref },                                    \
	    { "principal", OPT_TEXT, &(f).principal },                        \
	    { "type", OPT_TEXT, &(f).type }, { "push", OPT_TEXT, &(f).push }, \
	    { "reviewer", OPT_TEXT, &(f).reviewer },                          \
	    { "rule", OPT_TEXT, &(f).rule }, { "path", OPT_TEXT, &(f).path }, \
	    { "verdict", OPT_TEXT, &(f).verdict },                            \
	    { "hold", OPT_TEXT, &(f).hold },                                  \
	    { "since", OPT_TEXT, &(f).since },                                \
	{                                                                     \
		"until", OPT_TEXT, &(f).until                                 \
	}
/* Fill q; GG_E_INPUT. */
GG_MUST_USE int audit_filter_read(struct audit_filter *f, struct gg_error *err);

struct audit_source;
GG_MUST_USE int audit_source_open(const struct cli *cli,
    struct audit_source **out, struct gg_error *err);
void audit_source_free(struct audit_source *s);
GG_DEFINE_AUTO(audit_source);
/* {"entries": [...], "next": cursor or null}; a new reference. */
GG_MUST_USE int audit_source_query(struct audit_source *s,
    const struct audit_query *q, json_t **out, struct gg_error *err);
/* {"steps": [...], "next": ...} of one ref. */
GG_MUST_USE int audit_source_timeline(struct audit_source *s,
    const char *repository, const char *ref, uint64_t cursor, size_t limit,
    json_t **out, struct gg_error *err);

#endif
