#include "role/witness_policy.h"

#include "base/fd.h"

#include <stdlib.h>
#include <string.h>

int
witness_policy_read(const struct config *c, struct buf *text,
    struct gg_error *err)
{
	int rc;

	if (c->witness_policy == NULL)
		return 0;
	rc = file_read(c->witness_policy, text, err);
	return rc == 0 ? 0 :
			 gg_wrap(err, GG_E_INPUT, "%s: witnesses: policy: %s",
			     c->file, c->witness_policy);
}

/* -- a list -- */

static int
from_list(const struct config *c, struct tlog_policy *p, struct gg_error *err)
{
	for (size_t i = 0; i < c->n_witnesses; i++) {
		const struct witness *w = &c->witnesses[i];
		int rc = tlog_policy_add_witness(p, view_str(w->name),
		    view_str(w->vkey), view_str(w->url), err);

		if (rc != 0)
			return gg_wrap(err, rc, "%s:%d: witnesses: %s", c->file,
			    w->line, w->name);
	}
	return tlog_policy_k_of_all(p, (size_t)c->witness_quorum, err);
}

/* -- a file -- */

static int
take_witness(const struct config *c, const struct tlog_policy_witness *from,
    struct witness *to, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(1024);
	size_t n = from->url != NULL ? strlen(from->url) : 0;

	if (n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s:%d: the gate cannot ask %s without its URL",
		    c->witness_policy, from->line, from->name);
	if (service_url_check(from->url, err) != 0)
		return gg_wrap(err, GG_E_INPUT, "%s:%d", c->witness_policy,
		    from->line);
	while (n > 0 && from->url[n - 1] == '/')
		n--;
	note_vkey_format(&from->key, &vkey);
	to->line = from->line;
	to->name = view_dup(view_str(from->name));
	to->url = view_dup(view_of(from->url, n));
	to->vkey = buf_take(&vkey);
	if (c->witness_ca_file != NULL)
		to->ca_file = view_dup(view_str(c->witness_ca_file));
	if (to->name == NULL || to->url == NULL || to->vkey == NULL ||
	    (to->ca_file == NULL) != (c->witness_ca_file == NULL))
		return gg_fail(err, GG_E_NOMEM, "witnesses");
	return 0;
}

/* A policy is about our log, if it says about which. */
static int
check_logs(const struct config *c, const struct tlog_policy *p,
    struct gg_error *err)
{
	if (p->n_logs == 0 ||
	    tlog_policy_find_log(p, view_str(c->log_origin)) != NULL)
		return 0;
	return gg_fail(err, GG_E_INPUT,
	    "%s: it is about other logs, not about %s", c->witness_policy,
	    c->log_origin);
}

static int
from_file(struct config *c, const struct tlog_policy *p, struct gg_error *err)
{
	int rc;

	if ((rc = check_logs(c, p, err)) != 0)
		return rc;
	if (p->n_witnesses == 0 || p->root.kind == QUORUM_NONE)
		return gg_fail(err, GG_E_INPUT,
		    "%s: the gate needs witnesses, and a quorum of them",
		    c->witness_policy);
	c->witnesses = calloc(p->n_witnesses, sizeof(*c->witnesses));
	if (c->witnesses == NULL)
		return gg_fail(err, GG_E_NOMEM, "witnesses");
	for (size_t i = 0; i < p->n_witnesses; i++) {
		rc = take_witness(c, &p->witnesses[i],
		    &c->witnesses[c->n_witnesses++], err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
witness_policy_apply(struct config *c, struct view text,
    struct tlog_policy **out, struct gg_error *err)
{
	GG_AUTO(tlog_policy) p = NULL;
	int rc;

	if (c->witness_policy != NULL) {
		rc = tlog_policy_parse(text, c->witness_policy, &p, err);
		if (rc == 0)
			rc = from_file(c, p, err);
	} else if ((p = tlog_policy_new()) == NULL) {
		rc = gg_fail(err, GG_E_NOMEM, "witnesses");
	} else {
		rc = from_list(c, p, err);
	}
	if (rc == 0 && out != NULL)
		*out = gg_take(p);
	return rc;
}

int
witness_policy_check(struct config *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(TLOG_POLICY_MAX_BYTES + 1);
	int rc = witness_policy_read(c, &text, err);

	return rc == 0 ? witness_policy_apply(c, buf_view(&text), NULL, err) :
			 rc;
}
