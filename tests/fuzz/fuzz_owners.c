/*
 * A CODEOWNERS file from a repository: the input's first line is the file's
 * place, its second a path. Oracles: total; a match has names, belongs to its
 * section and does not depend on a budget that is large enough; an empty
 * budget says so.
 */
#include "fuzz.h"

#include "policy/owners.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view all = view_of(data, size), place, path;
	GG_AUTO_MEM char *file = NULL;
	GG_AUTO(owners) o = NULL;

	if (!view_cut(&all, '\n', &place) || !view_cut(&all, '\n', &path) ||
	    all.n > 20000)
		return 0;
	FUZZ_CHECK((file = view_dup(place)) != NULL);
	o = owners_parse(file, all);
	FUZZ_CHECK(o->n_sections >= 1);
	for (size_t i = 0; i < o->n_entries; i++)
		FUZZ_CHECK(o->entries[i].section < o->n_sections);
	for (size_t s = 0; s < o->n_sections && s < 10; s++) {
		uint64_t much = 100000000, more = 200000000, none = 0;
		const struct owners_entry *e = owners_find(o, s, path, &much);

		FUZZ_CHECK(much > 0);
		FUZZ_CHECK(e == owners_find(o, s, path, &more));
		FUZZ_CHECK(o->n_entries == 0 ||
		    owners_find(o, s, path, &none) == NULL);
		if (e == NULL)
			continue;
		FUZZ_CHECK(e->section == s && !e->away && e->names.n > 0);
	}
	return 0;
}
