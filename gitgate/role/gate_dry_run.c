/* `git push -o gitgate.dry-run`: what policy would do, and nothing else. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <string.h>

static void
fill(const struct push *p, struct ref_statuses *s)
{
	const char *message, *rule;

	for (size_t i = 0; i < p->decision->n_refs; i++) {
		const struct ref_decision *r = &p->decision->refs[i];

		switch (r->verdict) {
		case VERDICT_ALLOW:
			ref_status_set(&s->v[i],
			    r->keep ? "dry run: would be kept at the gate" :
				      "dry run: would be allowed");
			break;
		case VERDICT_HOLD:
			ref_status_set(&s->v[i],
			    r->keep ? "dry run: would be held, then kept at "
				      "the gate" :
				      "dry run: would be held");
			break;
		case VERDICT_DENY:
			rule = push_denying_rule(r, &message);
			ref_status_set(&s->v[i],
			    "dry run: would be denied by rule %s%s%s", rule,
			    *message != '\0' ? ": " : "", message);
			break;
		}
	}
}

static int
record(struct push *p, struct gg_error *err)
{
	json_t *e = audit_of_push("push.dry-run", &p->rec);
	int rc;

	(void)json_object_set_new(e, "verdict",
	    json_string(verdict_name(p->decision->verdict)));
	if ((rc = audit_write(p->gate, &e, 1, err)) != 0)
		return rc;
	p->rec.state = PUSH_ABORTED;
	p->rec.decided_ms = p->rec.done_ms = clock_wall_ms();
	p->rec.outcome = json_pack("{s:s, s:s, s:s}", "state", "dry-run",
	    "message", "a dry run: nothing was forwarded or held", "verdict",
	    verdict_name(p->decision->verdict));
	rc = store_push_update(p->gate->store, &p->rec, PUSH_RECEIVING, err);
	if (rc != 0)
		p->rec.state = PUSH_RECEIVING;
	return rc;
}

void
push_say_verdict(struct push *p)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };

	if (record(p, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	ref_statuses_init(&s, &p->updates);
	fill(p, &s);
	(void)dir_remove(p->quarantine, &err);
	client_say(&p->client,
	    "gitgate: dry run, nothing was forwarded or held");
	push_say_reasons(p);
	push_leave(p);
	client_end(&p->client, &s);
}
