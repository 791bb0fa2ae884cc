/*
 * A strict reader of TOML 1.0, as far as rule files in gitleaks' format need
 * it: tables, arrays of tables, inline tables, dotted and quoted keys, all
 * four kinds of strings, arrays over lines, integers, floats, booleans,
 * comments. Dates and times, inf and nan are refused by name.
 *
 * Bounds: TOML_MAX_BYTES of text, TOML_MAX_NODES values, TOML_MAX_DEPTH
 * levels, TOML_MAX_KEYS keys in one table. A string holds no NUL.
 */
#ifndef GITGATE_SCAN_TOML_H
#define GITGATE_SCAN_TOML_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

#define TOML_MAX_BYTES ((size_t)4 << 20)
#define TOML_MAX_NODES 200000
#define TOML_MAX_DEPTH 32
#define TOML_MAX_KEYS  2000

enum toml_type {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
};

/* How a table or an array came to be: decides who may add to it. */
enum toml_origin {
	TOML_CLOSED,   /* inline table, array value: nobody */
	TOML_IMPLICIT, /* named on the way to another by a header */
	TOML_HEADER,   /* [it]; an element of [[it]] */
	TOML_DOTTED,   /* by dotted keys */
	TOML_LIST,     /* an array of tables */
};

struct toml {
	enum toml_type type;
	enum toml_origin origin;
	unsigned line; /* from 1 */
	char *key;     /* in a table; NULL in an array */
	char *str;
	int64_t integer;
	double real; /* of an integer too */
	bool boolean;
	size_t n; /* children */
	struct toml *first, *last, *next;
};

/* The whole text as one table. GG_E_INPUT with "file:line: what". */
GG_MUST_USE int toml_parse(const char *file, struct view text,
    struct toml **out, struct gg_error *err);
void toml_free(struct toml *t);
GG_DEFINE_AUTO(toml);

/* The value of a key, or NULL. */
const struct toml *toml_get(const struct toml *table, const char *key);
/* "table", "string", ... for messages. */
const char *toml_type_name(enum toml_type t);

#endif
