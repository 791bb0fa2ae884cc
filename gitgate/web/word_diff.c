#include "web/word_diff.h"

enum {
	LINE_MAX_BYTES = 2000,
	WORDS_MAX = 600,  /* of one line */
	MIDDLE_MAX = 128, /* words between the common ends that are compared */
	ALIKE_MIN = 35,   /* percent that must be common for marks to help */
};

struct words {
	struct word_span v[WORDS_MAX];
	size_t n;
};

enum class { OTHER, WORD, BLANK };

static enum class class_of(unsigned char c) {
	if (c == ' ' || c == '\t') return BLANK;
	if (c >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
	    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return WORD;
	return OTHER;
}

/* Words, runs of blanks, and every other byte by itself. */
static bool
split(struct view line, struct words *out)
{
	size_t i = 0;

	out->n = 0;
	while (i < line.n) {
		size_t start = i;
		enum class k = class_of((unsigned char)line.p[i++]);

		while (k != OTHER && i < line.n &&
		    class_of((unsigned char)line.p[i]) == k)
			i++;
		if (out->n == WORDS_MAX)
			return false;
		out->v[out->n++] = (struct word_span){ (uint32_t)start,
			(uint32_t)i };
	}
	return true;
}

static struct view
word_at(struct view line, const struct words *w, size_t i)
{
	return view_of(line.p + w->v[i].begin, w->v[i].end - w->v[i].begin);
}

/* Two lines and what is between their common ends. */
struct pair {
	struct view a, b;
	struct words wa, wb;
	size_t head, na, nb; /* words: common at the start; in the middles */
	bool same_a[WORDS_MAX], same_b[WORDS_MAX];
};

static bool
same(const struct pair *p, size_t i, size_t k)
{
	return view_eq(word_at(p->a, &p->wa, i), word_at(p->b, &p->wb, k));
}

static void
common_ends(struct pair *p)
{
	size_t na = p->wa.n, nb = p->wb.n;

	while (p->head < na && p->head < nb && same(p, p->head, p->head))
		p->head++;
	while (na > p->head && nb > p->head && same(p, na - 1, nb - 1)) {
		na--;
		nb--;
	}
	p->na = na - p->head;
	p->nb = nb - p->head;
	for (size_t i = 0; i < p->wa.n; i++)
		p->same_a[i] = i < p->head || i >= na;
	for (size_t i = 0; i < p->wb.n; i++)
		p->same_b[i] = i < p->head || i >= nb;
}

/* The longest common run of words of the middles, marked in same_*. */
static void
common_middle(struct pair *p)
{
	uint8_t t[MIDDLE_MAX + 1][MIDDLE_MAX + 1];
	size_t i, k;

	for (i = 0; i <= p->na; i++)
		t[i][p->nb] = 0;
	for (k = 0; k <= p->nb; k++)
		t[p->na][k] = 0;
	for (i = p->na; i-- > 0;)
		for (k = p->nb; k-- > 0;) {
			uint8_t down = t[i + 1][k], right = t[i][k + 1];

			if (same(p, p->head + i, p->head + k))
				t[i][k] = (uint8_t)(t[i + 1][k + 1] + 1);
			else
				t[i][k] = down > right ? down : right;
		}
	for (i = k = 0; i < p->na && k < p->nb;) {
		if (same(p, p->head + i, p->head + k)) {
			p->same_a[p->head + i++] = true;
			p->same_b[p->head + k++] = true;
		} else if (t[i + 1][k] >= t[i][k + 1]) {
			i++;
		} else {
			k++;
		}
	}
}

static bool
is_blank(struct view line, const struct words *w, size_t i)
{
	return class_of((unsigned char)line.p[w->v[i].begin]) == BLANK;
}

/* Bytes of the common words that are not blank, and of all. */
static void
weigh(struct view line, const struct words *w, const bool *same, uint64_t *both,
    uint64_t *all)
{
	for (size_t i = 0; i < w->n; i++) {
		uint64_t n = w->v[i].end - w->v[i].begin;

		if (is_blank(line, w, i))
			continue;
		*all += n;
		*both += same[i] ? n : 0;
	}
}

/* Blanks between two marked words are marked with them. */
static bool
spans_of(struct view line, const struct words *w, const bool *same,
    struct word_spans *out)
{
	for (size_t i = 0; i < w->n; i++) {
		bool joined = same[i] && is_blank(line, w, i) && i > 0 &&
		    i + 1 < w->n && !same[i - 1] && !same[i + 1];

		if (same[i] && !joined)
			continue;
		if (out->n > 0 && out->v[out->n - 1].end == w->v[i].begin) {
			out->v[out->n - 1].end = w->v[i].end;
			continue;
		}
		if (out->n == WORD_SPANS_MAX)
			return false;
		out->v[out->n++] = w->v[i];
	}
	return true;
}

static bool
fill(struct pair *p, struct word_spans *in_a, struct word_spans *in_b,
    uint64_t *budget)
{
	uint64_t both = 0, all = 0, steps;

	if (!split(p->a, &p->wa) || !split(p->b, &p->wb))
		return false;
	common_ends(p);
	steps = p->wa.n + p->wb.n + p->na * p->nb;
	if (steps > *budget)
		return false;
	*budget -= steps;
	if (p->na <= MIDDLE_MAX && p->nb <= MIDDLE_MAX)
		common_middle(p);
	weigh(p->a, &p->wa, p->same_a, &both, &all);
	weigh(p->b, &p->wb, p->same_b, &both, &all);
	if (all == 0 || both * 100 / all < ALIKE_MIN)
		return false;
	return spans_of(p->a, &p->wa, p->same_a, in_a) &&
	    spans_of(p->b, &p->wb, p->same_b, in_b);
}

bool
word_diff(struct view a, struct view b, struct word_spans *in_a,
    struct word_spans *in_b, uint64_t *budget)
{
	struct pair p = { .a = a, .b = b };

	in_a->n = in_b->n = 0;
	if (a.n > LINE_MAX_BYTES || b.n > LINE_MAX_BYTES || view_eq(a, b) ||
	    !fill(&p, in_a, in_b, budget)) {
		in_a->n = in_b->n = 0;
		return false;
	}
	return true;
}

unsigned
word_likeness(struct view a, struct view b)
{
	size_t least = a.n < b.n ? a.n : b.n, most = a.n < b.n ? b.n : a.n;
	size_t head = 0, tail = 0;

	if (least > LINE_MAX_BYTES)
		return 0;
	while (head < least && a.p[head] == b.p[head])
		head++;
	while (tail < least - head &&
	    a.p[a.n - 1 - tail] == b.p[b.n - 1 - tail])
		tail++;
	return most == 0 ? 0 : (unsigned)((head + tail) * 100 / most);
}
