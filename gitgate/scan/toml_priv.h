/* Inside the TOML reader: its state, characters, strings and numbers. */
#ifndef GITGATE_SCAN_TOML_PRIV_H
#define GITGATE_SCAN_TOML_PRIV_H

#include "scan/toml.h"

struct toml_parser {
	const char *file;
	struct view in;
	unsigned line;
	unsigned depth;
	size_t nodes;
	struct gg_error *err;
};

/* GG_E_INPUT with file and line before the text. */
int toml_wrong(struct toml_parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline int
toml_peek(const struct toml_parser *p)
{
	return p->in.n > 0 ? (unsigned char)*p->in.p : -1;
}

static inline bool
toml_at_newline(const struct toml_parser *p)
{
	return view_has_prefix(p->in, "\n") || view_has_prefix(p->in, "\r\n");
}

static inline void
toml_skip_newline(struct toml_parser *p)
{
	view_skip(&p->in, *p->in.p == '\r' ? 2 : 1);
	p->line++;
}

static inline void
toml_skip_blank(struct toml_parser *p)
{
	while (toml_peek(p) == ' ' || toml_peek(p) == '\t')
		view_skip(&p->in, 1);
}

static inline bool
toml_is_control(int c)
{
	return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static inline bool
toml_is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* At its quote: the text, malloc'ed. */
GG_MUST_USE int
toml_read_string(struct toml_parser *p, bool may_be_long, char **out);
/* Type and value of an integer or a float into t. */
GG_MUST_USE int toml_read_number(struct toml_parser *p, struct toml *t);

#endif
