/* The table behind `limits:`, for reading it and for printing it. */
#ifndef GITGATE_CONFIG_LIMITS_H
#define GITGATE_CONFIG_LIMITS_H

#include "config/config.h"

enum limit_kind { LIMIT_BYTES, LIMIT_COUNT, LIMIT_MS };

struct limit_info {
	const char *key;
	enum limit_kind kind;
	uint64_t value; /* the default */
	const char *doc;
	size_t offset; /* of its field in struct limits */
};

typedef void limits_fn(const struct limit_info *i, void *arg);
/* In the order of limits.def. */
void limits_each(limits_fn *fn, void *arg);
uint64_t limits_get(const struct limits *l, const struct limit_info *i);
/* As an operator writes it: "2GiB", "15m", "1000". */
void limits_format(const struct limit_info *i, uint64_t value, struct buf *out);
/* Set one by its key. GG_E_NOTFOUND: no such limit; GG_E_INPUT. */
GG_MUST_USE int limits_set(struct limits *l, const char *key, struct view value,
    struct gg_error *err);

#endif
