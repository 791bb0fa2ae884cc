/* What lists of holds and of repositories show: many at once, so each cheap. */
#include "role/gate_push.h"

#include "base/fd.h"
#include "hold/quorum.h"
#include "role/gate_people.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/* -- may this person review -- */

static bool
has_reviewed(const struct stored_hold *h, const struct quorum_review *me)
{
	for (size_t i = 0; i < h->n_reviews; i++) {
		const struct stored_review *r = &h->reviews[i];
		struct quorum_review other = { r->reviewer, &r->groups,
			&r->aliases, r->approve, r->machine };

		if (quorum_same_person(&other, me))
			return true;
	}
	return false;
}

/* Does the push have a report that the budget suffices for? Takes it. */
static bool
can_afford(const char *path, uint64_t *budget)
{
	struct stat st;

	if (stat(path, &st) != 0 || (uint64_t)st.st_size > *budget)
		return false;
	*budget -= (uint64_t)st.st_size;
	return true;
}

static int
authors_of(struct gate *g, const struct stored_hold *h, uint64_t *budget,
    struct strv *people, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report",
	    snap->config->state_dir, h->push_id);

	return can_afford(path, budget) ? gate_people(snap->config, h->push_id,
					      h->report_digest, people, err) :
					  0;
}

static int
judge(const struct stored_hold *h, const struct need *needs, size_t n,
    const struct quorum_push *push, const struct principal *who,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	struct quorum_review me = { who->name, &who->groups, &names, true,
		principal_is_machine(who) };
	enum quorum_refusal no;
	int rc;

	strv_copy(&names, &who->aliases);
	if (who->owner != NULL && who->owner[0] != '\0')
		strv_add(&names, who->owner);
	if ((rc = strv_check(&names, err)) != 0)
		return rc;
	if ((no = quorum_may_review(needs, n, push, &me)) != QUORUM_MAY)
		return gg_fail(err, GG_E_REFUSED, "%s",
		    quorum_refusal_text(no));
	if (has_reviewed(h, &me))
		return gg_fail(err, GG_E_REFUSED,
		    "you have reviewed this already");
	return 0;
}

int
gate_may_review_listed(void *ctx, const struct stored_hold *h,
    const struct stored_push *p, const struct principal *who, uint64_t *budget,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(principal) pusher = { 0 };
	GG_AUTO_RELEASE(strv) people = STRV_INIT;
	struct quorum_push push = { h->principal, NULL, &pusher.aliases,
		&people };
	struct need *needs = NULL;
	size_t n = 0;
	int rc;

	if (who->method == AUTH_ANONYMOUS || h->state != HOLD_PENDING)
		return gg_fail(err, GG_E_REFUSED, "there is nothing to review");
	if ((rc = needs_from_json(h->needs, &needs, &n, err)) != 0)
		return rc;
	push_identity_read(p->identity, &pusher);
	push.owner = pusher.owner;
	/* the report is read only where the rest allows it */
	if ((rc = judge(h, needs, n, &push, who, err)) == 0 &&
	    (rc = authors_of(ctx, h, budget, &people, err)) == 0)
		rc = judge(h, needs, n, &push, who, err);
	needs_free(needs, n);
	return rc;
}

/* -- mirrors -- */

static void
add_name(struct strv *out, size_t most, const char *name)
{
	if (out->n < most && !strv_has(out, name))
		strv_add(out, name);
}

/* A mirror of this name, below a pattern with a star? */
static void
add_mirror(const struct config *c, const char *name, size_t most,
    struct strv *out)
{
	GG_AUTO_MEM char *path = gate_mirror_path(c, name);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		add_name(out, most, name);
}

/* Mirrors on disk that "acme/<star>" or "<star>/app" stands for. */
static void
add_below(const struct config *c, const char *pattern, size_t most,
    struct strv *out)
{
	const char *star = strchr(pattern, '*');
	GG_AUTO_MEM char *above = path_f("%s/mirrors/%.*s", c->state_dir,
	    (int)(star - pattern), pattern);
	char *slash = strrchr(above, '/');
	struct dirent *e;
	DIR *d;

	*slash = '\0';
	if ((d = opendir(above)) == NULL)
		return;
	while (out->n < most && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		if (star[1] == '\0' && n > 4 &&
		    strcmp(e->d_name + n - 4, ".git") == 0)
			n -= 4;
		GG_AUTO_MEM char *name = path_f("%.*s%.*s%s",
		    (int)(star - pattern), pattern, (int)n, e->d_name,
		    star + 1);

		add_mirror(c, name, most, out);
	}
	(void)closedir(d);
}

void
gate_mirror_names(void *ctx, const struct config *c, size_t most,
    struct strv *out)
{
	struct gate *g = ctx;

	pthread_mutex_lock(&g->mutex);
	for (const struct repo_state *r = g->repos; r != NULL; r = r->next)
		add_name(out, most, r->name);
	pthread_mutex_unlock(&g->mutex);
	for (size_t i = 0; i < c->n_repositories; i++)
		if (strchr(c->repositories[i].path, '*') != NULL)
			add_below(c, c->repositories[i].path, most, out);
}

void
gate_mirror_state(void *ctx, const struct config *c, const char *name,
    struct mirror_state *out)
{
	struct gate *g = ctx;
	struct repo_state *r;

	*out = (struct mirror_state){ 0 };
	pthread_mutex_lock(&g->mutex);
	for (r = g->repos; r != NULL && strcmp(r->name, name) != 0; r = r->next)
		continue;
	pthread_mutex_unlock(&g->mutex);
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->mutex);
	out->is_reading = r->running;
	out->refreshed_ms = r->refreshed_wall_ms;
	out->failed_ms = r->failed_wall_ms;
	out->kept_shadowed = r->n_shadowed;
	if (r->failed_wall_ms != 0)
		out->why = r->done_err;
	pthread_mutex_unlock(&r->mutex);
	gate_hide_places(c, out->why.msg);
}
