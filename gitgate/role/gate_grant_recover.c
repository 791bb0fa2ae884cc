/*
 * A change of a grant is in the log before it is in the store, one at a time.
 * Where a crash came between, nobody was told: only the last entry of each
 * type can be one that never came to be, and the log takes it back.
 */
#include "role/gate_grants.h"

#include "base/log.h"

#include <string.h>

struct last {
	uint64_t from; /* entries before this one took effect */
	bool found, is_void;
	char grant[ULID_SIZE];
	char reviewer[130];
};

static int
take_last(void *ctx, uint64_t index, const char *text)
{
	struct last *l = ctx;
	json_t *e = json_loads(text, 0, NULL);
	const char *id = json_string_value(json_object_get(e, "grant"));
	const char *who = json_string_value(json_object_get(e, "reviewer"));

	if (index >= l->from && id != NULL && ulid_is_valid(view_str(id))) {
		l->found = true;
		l->is_void = json_is_true(json_object_get(e, "void"));
		(void)snprintf(l->grant, sizeof(l->grant), "%s", id);
		(void)snprintf(l->reviewer, sizeof(l->reviewer), "%s",
		    who != NULL ? who : "");
	}
	json_decref(e);
	return 0;
}

static bool
has_review(const struct stored_grant *gr, const char *reviewer)
{
	for (size_t i = 0; i < gr->n_reviews; i++)
		if (strcmp(gr->reviews[i].reviewer, reviewer) == 0)
			return true;
	return false;
}

/* Did what the entry says come to be? */
static bool
is_stored(const struct stored_grant *gr, const char *type, const struct last *l)
{
	enum grant_state said;

	if (strcmp(type, "grant.asked") == 0)
		return true;
	if (*l->reviewer != '\0')
		return has_review(gr, l->reviewer);
	/* an active one may have ended since */
	if (strcmp(type, "grant.active") == 0)
		return gr->active_ms != 0;
	return grant_state_parse(view_str(type + strlen("grant.")), &said) &&
	    gr->state == said;
}

static void
look_at(struct gate *g, const char *type)
{
	struct audit_query q = { .type = type, .limit = 1 };
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct gg_error err = { 0 };
	struct last l = { .from = g->log_accepted };
	uint64_t next;
	int rc = store_audit_query(g->store, &q, take_last, &l, &next, &err);

	if (rc == 0 && l.found && !l.is_void) {
		rc = store_grant_get(g->store, l.grant, &gr, &err);
		if (rc == GG_E_NOTFOUND) {
			gr.id = l.grant;
			audit_void_grant(g, type, &gr, NULL);
			gr.id = NULL;
			return;
		}
		if (rc == 0 && !is_stored(&gr, type, &l))
			audit_void_grant(g, type, &gr,
			    *l.reviewer != '\0' ? l.reviewer : NULL);
	}
	if (rc != 0)
		log_event(EV_store_failed, kv_err(&err));
}

void
grants_void_unstored(struct gate *g)
{
	static const char *const types[] = { "grant.asked", "grant.approved",
		"grant.rejected", "grant.active", "grant.withdrawn",
		"grant.revoked", "grant.expired" };

	pthread_mutex_lock(&g->grant_mutex);
	for (size_t i = 0; i < GG_COUNT(types); i++)
		look_at(g, types[i]);
	pthread_mutex_unlock(&g->grant_mutex);
}
