#include "scan/entropy.h"

#include "base/auto.h"
#include "base/error.h"
#include "base/text.h"

#include <math.h>
#include <stdint.h>

static double
part(size_t count, size_t n)
{
	double f = (double)count / (double)n;

	return -f * log2(f);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* One code point, taken off the front. */
static uint32_t
next(struct view *v)
{
	size_t n = utf8_len(*v);
	const unsigned char *p = (const unsigned char *)v->p;
	uint32_t c = 0xfffd;

	if (n == 1)
		c = p[0];
	else if (n > 1)
		c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	view_skip(v, n > 0 ? n : 1);
	return c;
}

static double
entropy_wide(struct view v)
{
	GG_AUTO_MEM uint32_t *c = calloc(v.n, sizeof(*c));
	size_t n = 0, bytes = v.n, run = 0;
	double sum = 0;

	if (c == NULL)
		gg_die("no memory to count characters");
	while (v.n > 0)
		c[n++] = next(&v);
	qsort(c, n, sizeof(*c), by_value);
	for (size_t i = 0; i < n; i++) {
		run++;
		if (i + 1 < n && c[i + 1] == c[i])
			continue;
		sum += part(run, bytes);
		run = 0;
	}
	return sum;
}

double
entropy_of(struct view v)
{
	size_t count[128] = { 0 };
	double sum = 0;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c >= 0x80)
			return entropy_wide(v);
		count[c]++;
	}
	for (size_t i = 0; i < 128; i++)
		if (count[i] > 0)
			sum += part(count[i], v.n);
	return sum;
}
