#include "role/gate_people.h"

#include "model/report.h"
#include "role/inspection_order.h"

static void
add_once(struct strv *s, const char *name)
{
	if (*name != '\0' && !strv_has(s, name))
		strv_add(s, name);
}

void
people_of_report(const struct change_report *r, struct strv *out)
{
	for (size_t i = 0; i < r->n_commits; i++) {
		add_once(out, r->commits[i].author_name);
		add_once(out, r->commits[i].author_email);
		add_once(out, r->commits[i].committer_name);
		add_once(out, r->commits[i].committer_email);
	}
}

int
gate_people(const struct config *c, const char *push_id,
    const char *report_digest, struct strv *out, struct gg_error *err)
{
	GG_AUTO(change_report) r = NULL;
	int rc = recorded_report_read(c, push_id, report_digest, &r, err);

	if (rc != 0)
		return rc;
	people_of_report(r, out);
	return strv_check(out, err);
}
