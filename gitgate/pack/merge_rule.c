#include "pack/merge_rule.h"

/* Has parent `side` left the path as every base with `other` had it? */
static bool
is_untouched(const struct merge_rule *r, const struct tree_value *v,
    size_t side, size_t other)
{
	const struct tree_value *base = v + 1 + r->n_parents;
	bool any = false;

	if (r->blind)
		return false;
	for (size_t i = 0; i < r->n_bases; i++) {
		const struct merge_base *b = &r->bases[i];

		if (!(b->one == side && b->two == other) &&
		    !(b->one == other && b->two == side))
			continue;
		any = true;
		if (!tree_value_eq(&v[1 + side], &base[i]))
			return false;
	}
	return any || v[1 + side].mode == 0;
}

/* Is the result parent `winner`'s value, and rightly so? */
static bool
wins(const struct merge_rule *r, const struct tree_value *v, size_t winner)
{
	if (!tree_value_eq(&v[0], &v[1 + winner]))
		return false;
	for (size_t i = 0; i < r->n_parents; i++)
		if (i != winner && !tree_value_eq(&v[1 + i], &v[0]) &&
		    !is_untouched(r, v, i, winner))
			return false;
	return true;
}

bool
merge_explains(const struct merge_rule *r, const struct tree_value *v)
{
	for (size_t i = 0; i < r->n_parents; i++)
		if (wins(r, v, i))
			return true;
	return false;
}

size_t
merge_old_side(const struct merge_rule *r, const struct tree_value *v)
{
	size_t differs = 0;

	for (size_t i = 0; i < r->n_parents; i++) {
		bool untouched = false;

		if (tree_value_eq(&v[0], &v[1 + i]))
			continue;
		if (differs == 0)
			differs = 1 + i;
		for (size_t k = 0; k < r->n_parents && !untouched; k++)
			untouched = k != i && is_untouched(r, v, i, k);
		if (!untouched)
			return 1 + i;
	}
	return differs == 0 ? 1 : differs;
}
