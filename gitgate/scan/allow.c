#include "scan/allow.h"

struct regex *
pattern_regex(struct scan_pattern *p)
{
	struct gg_error err = { 0 };

	if (p->re == NULL && regex_compile(p->text, &p->re, &err) != 0)
		gg_die("a checked regex: %s", err.msg);
	return p->re;
}

bool
pattern_matches(struct scan_pattern *p, struct view v)
{
	return p->text != NULL && regex_matches(pattern_regex(p), v);
}

static bool
any_matches(struct scan_patterns *p, struct view v)
{
	for (size_t i = 0; v.n > 0 && i < p->n; i++)
		if (pattern_matches(&p->v[i], v))
			return true;
	return false;
}

static char
low(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* word is in lower case. */
static bool
contains(struct view v, const char *word)
{
	size_t n = strlen(word), k;

	for (size_t i = 0; i + n <= v.n; i++) {
		for (k = 0; k < n && low(v.p[i + k]) == word[k]; k++)
			continue;
		if (k == n)
			return true;
	}
	return false;
}

static bool
any_word(const struct strv *words, struct view v)
{
	for (size_t i = 0; i < words->n; i++)
		if (contains(v, words->v[i]))
			return true;
	return false;
}

static bool
holds(struct scan_allow *a, const struct allow_subject *s)
{
	struct view target = a->target == SCAN_TARGET_MATCH ? s->match :
	    a->target == SCAN_TARGET_LINE                   ? s->line :
							      s->secret;
	const struct {
		size_t n;
		bool yes;
	} checks[] = {
		{ a->commits.n, strv_has(&a->commits, s->commit) },
		{ a->paths.n, any_matches(&a->paths, s->path) },
		{ a->regexes.n, any_matches(&a->regexes, target) },
		{ a->stopwords.n, any_word(&a->stopwords, s->secret) },
	};
	bool one = false, every = true;

	for (size_t i = 0; i < GG_COUNT(checks); i++) {
		if (checks[i].n == 0)
			continue;
		one = one || checks[i].yes;
		every = every && checks[i].yes;
	}
	return a->all ? every : one;
}

bool
allows_hold(struct scan_allows *a, const struct allow_subject *s, bool *by_path)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!holds(&a->v[i], s))
			continue;
		if (by_path != NULL && a->v[i].paths.n + a->v[i].commits.n > 0)
			*by_path = true;
		return true;
	}
	return false;
}
