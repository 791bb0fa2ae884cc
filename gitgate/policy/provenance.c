/* What a push claims of its making, and whether that is what a rule asks. */
#include "policy/provenance.h"

#include "base/text.h"
#include "model/provenance.h"
#include "policy/judging.h"

#include <string.h>

static bool
names_it(const json_t *verified, const char *claim, const char *session)
{
	const char *s = json_string_value(json_object_get(verified, claim));

	return s != NULL && strcmp(s, session) == 0;
}

bool
session_is_proven(const json_t *verified, const struct strv *names,
    const char *session)
{
	static const char *const usual[] = { "session", "session_id",
		"agent_session", "agent_session_id", "run_id", "pipeline_id",
		"job_id" };

	if (session == NULL || *session == '\0')
		return false;
	if (names != NULL && names->n > 0) {
		for (size_t i = 0; i < names->n; i++)
			if (names_it(verified, names->v[i], session))
				return true;
		return false;
	}
	for (size_t i = 0; i < GG_COUNT(usual); i++)
		if (names_it(verified, usual[i], session))
			return true;
	return false;
}

bool
session_is_the_tokens(struct judging *j, const char *session)
{
	const char *text = j->in->principal->verified;

	if (j->proven == NULL && text != NULL)
		j->proven = json_loads(text, 0, NULL);
	return session_is_proven(j->proven, &j->in->principal->session_claims,
	    session);
}

static const char *
option(const struct judging *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j->in->claimed,
	    name));

	return s != NULL ? s : "";
}

/* Do the push's options say it for all that it brings? */
static bool
options_say(struct judging *j)
{
	const struct provenance_condition *p = &j->r->provenance;
	const char *session = option(j, "agent.session");
	unsigned char digest[DIGEST_SHA256_BYTES];
	bool prompt = *option(j, "agent.prompt") != '\0' ||
	    hex_decode(view_str(option(j, "agent.prompt-sha256")), digest,
		sizeof(digest));

	switch (p->require) {
	case PROVENANCE_SESSION:
		return *session != '\0' &&
		    (!p->verified || session_is_the_tokens(j, session));
	case PROVENANCE_PROMPT:
		return prompt;
	case PROVENANCE_MODEL:
		return *option(j, "agent.model") != '\0';
	case PROVENANCE_ANY:
		return *session != '\0' || prompt ||
		    *option(j, "agent.model") != '\0' ||
		    *option(j, "agent.url") != '\0';
	case PROVENANCE_NONE:
		break;
	}
	return true;
}

static bool
has_session(struct judging *j, const struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].kind == CLAIM_SESSION &&
		    (!j->r->provenance.verified ||
			session_is_the_tokens(j, c->v[i].value)))
			return true;
	return false;
}

/* That a human helped says nothing about an agent. */
static bool
has_any(const struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].kind != CLAIM_HUMAN)
			return true;
	return false;
}

static bool
message_says(struct judging *j, const struct claims *c)
{
	switch (j->r->provenance.require) {
	case PROVENANCE_SESSION:
		return has_session(j, c);
	case PROVENANCE_MODEL:
		return claims_first(c, CLAIM_MODEL) != NULL;
	case PROVENANCE_ANY:
		return has_any(c);
	case PROVENANCE_PROMPT:
	case PROVENANCE_NONE:
		break;
	}
	return false;
}

/* Does this commit's message say it, or a record that is about it? */
static bool
is_said_of(struct judging *j, const struct commit_info *commit)
{
	GG_AUTO_RELEASE(claims) c = { .n = 0 };

	claims_of_message(&c, view_str(commit->message));
	return message_says(j, &c) || records_say(j, commit, &c);
}

static const char *
what_is_required(const struct provenance_condition *p)
{
	switch (p->require) {
	case PROVENANCE_SESSION:
		return p->verified ? "verified session" : "session";
	case PROVENANCE_PROMPT:
		return "prompt";
	case PROVENANCE_MODEL:
		return "model";
	case PROVENANCE_ANY:
	case PROVENANCE_NONE:
		break;
	}
	return "provenance";
}

static size_t
count_missing(struct judging *j)
{
	const struct commit_list *list = judged_commits(j);
	char text[40];
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "no %s",
	    what_is_required(&j->r->provenance));
	for (size_t i = 0; i < list->n; i++) {
		const struct commit_info *c =
		    &j->in->report->commits[list->v[i]];
		struct found *f = &j->found[list->v[i]];

		if (!f->claims_known)
			f->claims_missing = !is_said_of(j, c);
		f->claims_known = true;
		if (!f->claims_missing)
			continue;
		reason_add_match(&j->reason, "", text, &c->oid);
		n++;
	}
	return n;
}

/* What no commit brings (a net difference, a tree) only options vouch for,
 * and so it is with what was not looked at. */
bool
test_provenance(struct judging *j)
{
	const struct update_report *u = judged_update(j);
	const char *what = what_is_required(&j->r->provenance);
	bool unseen = u->too_large || u->net.n > 0;
	size_t n;

	if (options_say(j)) {
		because(j, "the push options give the %s", what);
		return false;
	}
	n = count_missing(j);
	if (n > 0)
		because(j, "%zu commits give no %s, nor do the push options", n,
		    what);
	else if (unseen)
		because(j, "the push options give no %s", what);
	else
		because(j, "every commit gives the %s", what);
	return n > 0 || unseen;
}
