#include "config/internal.h"

int
config_take_notices(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	if (at == NULL)
		return 0;
	return yaml_fail(l->tree, at, err,
	    "notices: not known to this version");
}
