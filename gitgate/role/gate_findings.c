/* Findings in a push: which are allowed, who pushed them, what to do. */
#include "role/gate_push.h"

#include "base/fd.h"

/* As many are named on the pusher's terminal. */
#define FINDINGS_SHOWN 10

int
push_allowed_findings(const struct push *p, int64_t now_ms, struct strv *out,
    struct gg_error *err)
{
	if (p->report->n_findings == 0)
		return 0;
	return store_allowance_in_force(p->gate->store, p->who.repo.name,
	    now_ms, out, err);
}

int
push_note_findings(const struct push *p, const struct strv *allowed,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) prints = STRV_INIT;
	const char *owner = p->who.principal.owner;
	int rc;

	for (size_t i = 0; i < p->report->n_findings; i++) {
		const char *print = p->report->findings[i].fingerprint;

		if (!strv_has(allowed, print) && !strv_has(&prints, print))
			strv_add(&prints, print);
	}
	if (prints.n == 0)
		return 0;
	rc = store_finding_pushed(p->gate->store, p->who.repo.name,
	    p->rec.principal, p->rec.id, &prints, err);
	/* Whom it acts for has pushed it as well. */
	if (rc == 0 && owner != NULL && owner[0] != '\0')
		rc = store_finding_pushed(p->gate->store, p->who.repo.name,
		    owner, p->rec.id, &prints, err);
	return rc;
}

/* Was it this that a rule saw? Policy names findings by rule and place. */
static bool
is_named(const struct decision *d, const struct finding *f)
{
	GG_AUTO_MEM char *words = path_f("secret %s", f->rule);
	size_t n = strlen(words);

	for (size_t i = 0; i < d->n_refs; i++)
		for (size_t k = 0; k < d->refs[i].n_reasons; k++) {
			const struct reason *r = &d->refs[i].reasons[k];

			for (size_t m = 0; m < r->n_matches; m++)
				if (strncmp(r->matches[m].change, words, n) ==
					0 &&
				    strcmp(r->matches[m].path, f->path) == 0)
					return true;
		}
	return false;
}

void
push_say_findings(struct push *p)
{
	const struct finding *last = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->report->n_findings && n < FINDINGS_SHOWN;
	     i++) {
		const struct finding *f = &p->report->findings[i];

		if (!is_named(p->decision, f))
			continue;
		if (n == FINDINGS_SHOWN) {
			client_say(&p->client, "gitgate:   and more");
			break;
		}
		client_say(&p->client, "gitgate:   finding %s: %s in %s:%u",
		    f->fingerprint, f->rule,
		    *f->path != '\0' ? f->path : "a message",
		    (unsigned)f->line);
		last = f;
		n++;
	}
	if (last == NULL)
		return;
	client_say(&p->client,
	    "gitgate:   If it is a secret: take it out of the commits, and "
	    "revoke it where it is known.");
	client_say(&p->client,
	    "gitgate:   If it is none, somebody of group security may say so:");
	client_say(&p->client,
	    "gitgate:     gitgate findings allow %s --repository %s "
	    "--comment WHY",
	    last->fingerprint, p->who.repo.name);
}
