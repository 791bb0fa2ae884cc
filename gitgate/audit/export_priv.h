/* Between the formats of audit/export.h. */
#ifndef GITGATE_AUDIT_EXPORT_PRIV_H
#define GITGATE_AUDIT_EXPORT_PRIV_H

#include "audit/export.h"

#include <stdint.h>

/* What the formats ask of an entry. Borrowed from it. */
struct export_facts {
	const json_t *entry;
	const char *type, *time; /* "" where the entry has none; so below */
	int64_t time_ms;
	const char *repository, *ref, *old, *new, *kind, *push, *hold;
	const char *principal, *reviewer, *actor; /* actor: who did it */
	const char *method, *credential, *issuer, *subject;
	const char *addr, *agent;
	const char *ip; /* addr, if it is one */
	const char *verdict, *result, *state, *reason;
	bool is_sign_in; /* or a refused credential */
	bool is_alarm;   /* somebody should look at it now */
	bool failed;     /* refused, denied, failed */
};

const char *export_text(const json_t *o, const char *key); /* "" if none */
/* Set where the text is not "". */
void export_put(json_t *o, const char *key, const char *text);
/* A path of keys, made where missing: {"a":{"b":text}}. */
void
export_put_in(json_t *o, const char *parent, const char *key, const char *text);

/* New references. */
json_t *export_ecs(const struct export_facts *f);
json_t *export_ocsf(const struct export_facts *f);
json_t *export_github(const struct export_facts *f);
void export_csv_head(struct buf *out);
void export_csv(const struct export_facts *f, struct buf *out);

#endif
