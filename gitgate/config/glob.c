#include "config/config.h"

#include "base/text.h"

/*
 * A glob becomes a row of tokens; matching runs all of its positions at once
 * over the text, so that no glob makes it slow: time is text times tokens.
 */
enum token_kind {
	TOKEN_BYTE,
	TOKEN_ANY,  /* ? */
	TOKEN_SET,  /* [...] */
	TOKEN_STAR, /* * */
	TOKEN_DEEP, /* ** */
	/* A double star and a slash where a component begins: no component, or
	 * any number of whole ones. The second token is the inside of the run:
	 * it is left behind a slash only. */
	TOKEN_DIRS,
	TOKEN_DIRS_INSIDE,
};

struct token {
	unsigned char kind;
	unsigned char byte;
	uint16_t from, to; /* of a set: offsets in the glob */
};

struct tokens {
	const char *glob;
	struct token v[GLOB_MAX_BYTES + 1];
	size_t n;
	bool colons;       /* ':' ends a component, too */
	const char *fault; /* why it is not well-formed */
};

static void
add(struct tokens *t, enum token_kind kind, char byte)
{
	t->v[t->n++] = (struct token){ .kind = (unsigned char)kind,
		.byte = (unsigned char)byte };
}

/* Of "[...]" at g[i]: the index behind it, 0 where it is not well-formed. */
static size_t
add_set(struct tokens *t, size_t i)
{
	const char *g = t->glob;
	size_t from = i + 1, end;

	end = from + (g[from] == '!' || g[from] == '^');
	/* the first one is a member, "]" too */
	for (bool first = true; g[end] != ']' || first; first = false, end++) {
		if (g[end] == '\\' && g[end + 1] != '\0')
			end++;
		if (g[end] == '\0' || g[end] == '/') {
			t->fault = "a set [ without its ]";
			return 0;
		}
	}
	t->v[t->n++] = (struct token){
		.kind = TOKEN_SET, .from = (uint16_t)from, .to = (uint16_t)end
	};
	return end + 1;
}

static size_t
add_stars(struct tokens *t, size_t i)
{
	const char *g = t->glob;

	if (g[i + 1] != '*') {
		add(t, TOKEN_STAR, 0);
		return i + 1;
	}
	if (g[i + 2] == '*') {
		t->fault = "more than two * in a row";
		return 0;
	}
	if (g[i + 2] == '/' && (i == 0 || g[i - 1] == '/')) {
		add(t, TOKEN_DIRS, 0);
		add(t, TOKEN_DIRS_INSIDE, 0);
		return i + 3;
	}
	add(t, TOKEN_DEEP, 0);
	return i + 2;
}

static bool
tokenize(struct tokens *t, const char *glob)
{
	size_t i = 0;

	t->glob = glob;
	t->n = 0;
	t->fault = NULL;
	if (strnlen(glob, GLOB_MAX_BYTES + 1) > GLOB_MAX_BYTES) {
		t->fault = "too long";
		return false;
	}
	while (glob[i] != '\0') {
		if (glob[i] == '*') {
			i = add_stars(t, i);
		} else if (glob[i] == '[') {
			i = add_set(t, i);
		} else if (glob[i] == '?') {
			add(t, TOKEN_ANY, 0);
			i++;
		} else if (glob[i] == '\\') {
			if (glob[i + 1] == '\0')
				t->fault = "a \\ at the end";
			else
				add(t, TOKEN_BYTE, glob[i + 1]);
			i += 2;
		} else {
			add(t, TOKEN_BYTE, glob[i++]);
		}
		if (t->fault != NULL)
			return false;
	}
	return true;
}

static bool
set_has(const char *g, const struct token *t, unsigned char c)
{
	size_t i = t->from;
	bool negated = g[i] == '!' || g[i] == '^', found = false;

	for (i += negated; i < t->to; i++) {
		unsigned char low, high;

		if (g[i] == '\\' && i + 1 < t->to)
			i++;
		low = high = (unsigned char)g[i];
		if (i + 2 < t->to && g[i + 1] == '-') {
			i += 2;
			if (g[i] == '\\' && i + 1 < t->to)
				i++;
			high = (unsigned char)g[i];
		}
		found = found || (c >= low && c <= high);
	}
	return found != negated;
}

/* Does the byte end a component? */
static bool
splits(const struct tokens *t, unsigned char c)
{
	return c == '/' || (c == ':' && t->colons);
}

/* Mark position i, and those reached from it without a byte. */
static void
reach(const struct tokens *t, bool *at, size_t i)
{
	while (!at[i]) {
		at[i] = true;
		if (i >= t->n)
			return;
		if (t->v[i].kind == TOKEN_STAR || t->v[i].kind == TOKEN_DEEP)
			i += 1;
		else if (t->v[i].kind == TOKEN_DIRS)
			i += 2;
	}
}

static void
step(const struct tokens *t, size_t i, unsigned char c, bool *next)
{
	const struct token *k = &t->v[i];

	switch ((enum token_kind)k->kind) {
	case TOKEN_BYTE:
		if (c == k->byte)
			reach(t, next, i + 1);
		return;
	case TOKEN_ANY:
		if (!splits(t, c))
			reach(t, next, i + 1);
		return;
	case TOKEN_SET:
		if (!splits(t, c) && set_has(t->glob, k, c))
			reach(t, next, i + 1);
		return;
	case TOKEN_STAR:
		if (!splits(t, c))
			reach(t, next, i);
		return;
	case TOKEN_DEEP:
		reach(t, next, i);
		return;
	case TOKEN_DIRS:
	case TOKEN_DIRS_INSIDE:
		if (k->kind == TOKEN_DIRS)
			i++;
		next[i] = true;
		if (c == '/')
			reach(t, next, i + 1);
		return;
	}
}

static bool
run(const struct tokens *t, size_t first, struct view text)
{
	bool rows[2][GLOB_MAX_BYTES + 2];
	bool *now = rows[0], *next = rows[1], *swap;

	memset(now, 0, t->n + 1);
	reach(t, now, first);
	for (size_t k = 0; k < text.n; k++) {
		bool any = false;

		memset(next, 0, t->n + 1);
		for (size_t i = first; i < t->n; i++) {
			if (now[i]) {
				any = true;
				step(t, i, (unsigned char)text.p[k], next);
			}
		}
		if (!any)
			return false;
		swap = now;
		now = next;
		next = swap;
	}
	return now[t->n];
}

static bool
match(const char *glob, bool colons, struct view text)
{
	struct tokens t;
	size_t lead = 0;

	t.colons = colons;
	if (!tokenize(&t, glob))
		return false;
	/* most globs begin with plain bytes, most texts with others */
	for (; lead < t.n && t.v[lead].kind == TOKEN_BYTE; lead++)
		if (lead >= text.n ||
		    (unsigned char)text.p[lead] != t.v[lead].byte)
			return false;
	view_skip(&text, lead);
	return run(&t, lead, text);
}

bool
glob_match(const char *glob, struct view text)
{
	return match(glob, false, text);
}

bool
glob_match_claim(const char *glob, struct view text)
{
	return match(glob, true, text);
}

int
glob_check(const char *glob, struct gg_error *err)
{
	struct tokens t;

	if (*glob == '\0')
		return gg_fail(err, GG_E_INPUT, "an empty glob");
	if (!utf8_is_valid(view_str(glob)))
		return gg_fail(err, GG_E_INPUT, "a glob that is not UTF-8");
	if (!tokenize(&t, glob))
		return gg_fail(err, GG_E_INPUT, "glob \"%.60s\": %s", glob,
		    t.fault);
	return 0;
}

bool
glob_list_match(const struct strv *globs, struct view text)
{
	bool in = globs->n == 0 || globs->v[0][0] == '!';

	for (size_t i = 0; i < globs->n; i++) {
		bool away = globs->v[i][0] == '!';

		if (in == away && glob_match(globs->v[i] + away, text))
			in = !away;
	}
	return in;
}
