#include "config/repo_name.h"

bool
repository_component_is_valid(struct view c)
{
	if (c.n == 0 || c.p[0] == '.' || c.p[0] == '-' ||
	    view_has_suffix(c, ".git") || view_has_suffix(c, ".lock"))
		return false;
	for (size_t i = 0; i < c.n; i++) {
		char x = c.p[i];

		if (!(x >= 'a' && x <= 'z') && !(x >= 'A' && x <= 'Z') &&
		    !(x >= '0' && x <= '9') && x != '.' && x != '_' && x != '-')
			return false;
	}
	return true;
}

bool
repository_is_valid(struct view v)
{
	struct view head;

	if (v.n == 0 || v.n > REPOSITORY_MAX_BYTES)
		return false;
	while (view_cut(&v, '/', &head))
		if (!repository_component_is_valid(head))
			return false;
	return repository_component_is_valid(v);
}
