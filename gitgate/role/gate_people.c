#include "role/gate_people.h"

#include "base/fd.h"
#include "crypto/digest.h"
#include "model/report.h"

#include <string.h>

#define REPORT_MEMORY_MAX (((size_t)24 << 20) + REPORT_DOCUMENTS_MAX)

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
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report", c->state_dir,
	    push_id);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(REPORT_MEMORY_MAX);
	GG_AUTO(change_report) r = NULL;
	char digest[DIGEST_SHA256_HEX_SIZE];
	int rc;

	if ((rc = file_read(path, &bytes, err)) != 0)
		return rc;
	digest_sha256_hex(buf_view(&bytes), digest);
	if (strcmp(digest, report_digest) != 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "the change report of this push was altered");
	if ((rc = change_report_decode(buf_view(&bytes), &r, err)) != 0)
		return gg_wrap(err, rc, "change report");
	people_of_report(r, out);
	return strv_check(out, err);
}
