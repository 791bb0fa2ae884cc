/* Notices: what is sent to a target, and how it is signed. */
#include "role/messenger.h"

int
notice_prepare(const struct notice_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err)
{
	(void)o;
	(void)now_s;
	(void)out;
	return gg_fail(err, GG_E_NOTFOUND,
	    "notices of this kind are not known (%s)", t->name);
}
