/* Who is named inside a push's commits (unproven), for the four-eyes rule. */
#ifndef GITGATE_ROLE_GATE_PEOPLE_H
#define GITGATE_ROLE_GATE_PEOPLE_H

#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "model/report.h"

/*
 * Names and e-mail addresses of all authors and committers of a recorded
 * push, each once, from its report; the report must have the digest that the
 * hold was opened with (GG_E_CORRUPT otherwise: nobody may approve then).
 */
GG_MUST_USE int gate_people(const struct config *c, const char *push_id,
    const char *report_digest, struct strv *out, struct gg_error *err);

/* The same of a report that is at hand. */
void people_of_report(const struct change_report *r, struct strv *out);

#endif
