#include "config/internal.h"

int
config_take_certificates(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	if (at == NULL)
		return 0;
	return yaml_fail(l->tree, at, err,
	    "client-certificates: not known to this version");
}

int
config_take_tls(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	if (at == NULL)
		return 0;
	return yaml_fail(l->tree, at, err, "tls: not known to this version");
}
