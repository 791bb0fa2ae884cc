/* What the policy in force says to a recorded push. */
#include "role/gate_push.h"

#include "base/fd.h"

int
gate_preview(void *ctx, const struct stored_push *push, json_t **out,
    struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(rejudged) r = { 0 };
	GG_AUTO_FD inspector = -1;
	json_t *trace;
	int rc;

	if ((rc = inspectors_take(g, &inspector, err)) != 0)
		return rc;
	trace = json_array();
	const struct rejudge_fds fds = { inspector, snap->rules_fd, -1 };

	rc = recorded_rejudge(snap->config, g->store, snap->ruleset, &fds, push,
	    trace, &r, err);
	if (rc == 0) {
		*out = recorded_explanation(snap->ruleset, push, &r, trace);
		rc = *out != NULL ?
		    0 :
		    gg_fail(err, GG_E_NOMEM, "no memory for a preview");
	}
	json_decref(trace);
	return rc;
}
