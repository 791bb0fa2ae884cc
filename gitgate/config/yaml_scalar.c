#include "config/yaml_scalar.h"

#include <strings.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasecmp(s, *words) == 0)
			return true;
	return false;
}

static const char *
skip_digits(const char *s)
{
	while (is_digit(*s) || *s == '_')
		s++;
	return s;
}

static bool
is_based_number(const char *s)
{
	if (s[0] != '0' || s[1] == '\0' || strchr("xXoObB", s[1]) == NULL)
		return false;
	for (s += 2; *s != '\0'; s++)
		if (!is_digit(*s) && *s != '_' &&
		    strchr("abcdefABCDEF", *s) == NULL)
			return false;
	return true;
}

/* 1.5, 1_000, 12:30, 6e3, .5 */
static bool
is_number(const char *s)
{
	const char *from, *exp;
	bool digits;

	if (*s == '-' || *s == '+')
		s++;
	if (is_based_number(s))
		return true;
	from = s;
	s = skip_digits(s);
	digits = s > from && is_digit(*from);
	while (digits && *s == ':' && is_digit(s[1]))
		s = skip_digits(s + 1);
	if (*s == '.') {
		digits = digits || is_digit(s[1]);
		s = skip_digits(s + 1);
	}
	if (digits && (*s == 'e' || *s == 'E')) {
		exp = s + 1 + (s[1] == '-' || s[1] == '+');
		if (is_digit(*exp))
			s = skip_digits(exp);
	}
	return digits && *s == '\0';
}

/* 2026-11-22, and with a time behind it */
static bool
is_date(const char *s)
{
	size_t i = 0;

	for (; i < 4; i++)
		if (!is_digit(s[i]))
			return false;
	for (int part = 0; part < 2; part++) {
		if (s[i] != '-' || !is_digit(s[i + 1]))
			return false;
		i += is_digit(s[i + 2]) ? 3 : 2;
	}
	return s[i] == '\0' || strchr("Tt \t", s[i]) != NULL;
}

static bool
is_integer(const char *s)
{
	if (*s == '-' || *s == '+')
		s++;
	/* a leading zero is octal to some */
	if (!is_digit(*s) || (*s == '0' && s[1] != '\0'))
		return false;
	while (is_digit(*s))
		s++;
	return *s == '\0';
}

enum node_kind
yaml_scalar_kind(const char *s)
{
	static const char *const odd[] = { "y", "n", "yes", "no", "on", "off",
		"true", "false", "null", ".inf", "-.inf", "+.inf", ".nan", "=",
		"<<", NULL };

	if (*s == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0)
		return NODE_NULL;
	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
		return NODE_BOOL;
	if (is_integer(s))
		return NODE_INT;
	if (is_one_of(s, odd) || is_number(s) || is_date(s))
		return NODE_OTHER;
	return NODE_TEXT;
}
