#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* -- what upstream has now -- */

static struct oid
value_of(const struct advert *a, const char *refname)
{
	const struct advert_ref *r = advert_find(a, view_str(refname));
	struct oid zero = { { 0 } };

	return r != NULL ? r->oid : zero;
}

static enum forward_state
weigh(size_t n, size_t ok, size_t stale)
{
	if (ok == n)
		return FORWARD_DONE;
	if (stale > 0 && ok == 0)
		return FORWARD_STALE;
	return FORWARD_REFUSED;
}

enum forward_state
forward_compare(const struct forward *f, bool settle,
    struct ref_statuses *statuses, struct gg_error *message)
{
	GG_AUTO(advert) now = NULL;
	size_t ok = 0, stale = 0, n = f->updates->n;

	if (courier_list(f->gate, f->repo->name, true, settle, &now, message) !=
	    0)
		return FORWARD_UNKNOWN;
	for (size_t i = 0; i < f->updates->n; i++) {
		const struct ref_update *u = &f->updates->v[i];
		struct oid cur = value_of(now, u->refname);

		statuses->v[i].ok = oid_eq(&cur, &u->new_oid);
		ok += statuses->v[i].ok;
		if (statuses->v[i].ok)
			continue;
		if (oid_eq(&cur, &u->old_oid)) {
			ref_status_set(&statuses->v[i],
			    "gate unavailable: the push did not reach "
			    "upstream");
		} else {
			ref_status_set(&statuses->v[i],
			    "stale: upstream moved");
			stale++;
		}
	}
	if (f->in_doubt && ok + stale < n) {
		gg_fail(message, GG_E_UNAVAILABLE,
		    "upstream may still be at work on it");
		return FORWARD_UNKNOWN;
	}
	if (ok == 0 && stale == 0) {
		gg_fail(message, GG_E_UNAVAILABLE,
		    "the push did not reach upstream");
		return FORWARD_UNAVAILABLE;
	}
	return weigh(n, ok, stale);
}

/* -- reading the result of a relay -- */

/* Upstream refused: because it had moved, or for its own reasons? */
static size_t
tell_stale(const struct forward *f, const struct advert *now,
    struct ref_statuses *statuses)
{
	size_t stale = 0;

	for (size_t i = 0; i < f->updates->n; i++) {
		const struct ref_update *u = &f->updates->v[i];
		struct oid cur = value_of(now, u->refname);

		if (statuses->v[i].ok || oid_eq(&cur, &u->old_oid) ||
		    oid_eq(&cur, &u->new_oid))
			continue;
		ref_status_set(&statuses->v[i], "stale: upstream moved");
		stale++;
	}
	return stale;
}

static size_t
take_statuses(const struct forward *f, const struct relay_result *res,
    struct ref_statuses *statuses)
{
	size_t ok = 0;

	for (size_t i = 0; i < f->updates->n; i++) {
		const struct relay_ref *r = relay_result_find(res,
		    f->updates->v[i].refname);
		struct ref_status *s = &statuses->v[i];

		if (!res->unpack_ok) {
			ref_status_set(s, "upstream refused: unpack: %s",
			    res->unpack_message);
		} else if (r == NULL) {
			ref_status_set(s,
			    "upstream refused: it said nothing of this ref");
		} else if (r->ok) {
			s->ok = true;
			strv_copy(&s->options, &r->options);
			ok++;
		} else {
			ref_status_set(s, "upstream refused: %s", r->message);
		}
	}
	return ok;
}

static enum forward_state
conclude(const struct forward *f, const struct relay_result *res,
    struct ref_statuses *statuses, struct gg_error *message)
{
	GG_AUTO(advert) now = NULL;
	struct gg_error ignored = { 0 };
	size_t ok = take_statuses(f, res, statuses), stale = 0;

	if (ok == f->updates->n)
		return FORWARD_DONE;
	if (courier_list(f->gate, f->repo->name, true, false, &now, &ignored) ==
	    0)
		stale = tell_stale(f, now, statuses);
	if (stale > 0)
		log_event(EV_lease_lost, kv_str("repository", f->repo->name),
		    kv_str("push", f->push_id));
	(void)gg_fail(message, stale > 0 ? GG_E_STALE : GG_E_REFUSED,
	    stale > 0 ? "upstream moved meanwhile" : "upstream refused");
	return weigh(f->updates->n, ok, stale);
}

/* -- the relay -- */

/*
 * The pack as index-pack completed it: with the bases of thin deltas in it.
 * -1 when there is none.
 */
static int
open_completed_pack(const struct forward *f)
{
	GG_AUTO_MEM char *dir = path_f("%s/quarantine/%s/objects/pack",
	    f->snap->config->state_dir, f->push_id);
	DIR *d = opendir(dir);
	struct dirent *e;
	int fd = -1;

	if (d == NULL)
		return -1;
	while (fd < 0 && (e = readdir(d)) != NULL)
		if (view_has_suffix(view_str(e->d_name), ".pack"))
			fd = openat(dirfd(d), e->d_name,
			    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	(void)closedir(d);
	return fd;
}

static int
relay(const struct forward *f, int pack_fd, struct relay_result **res,
    bool *maybe, struct gg_error *err)
{
	struct relay_order o = {
		.repository = f->repo->name,
		.push_id = f->push_id,
		.updates = f->updates,
		.options = f->options,
		.atomic = f->atomic,
		.pack_fd = pack_fd,
		.text = f->text,
		.ctx = f->ctx,
	};

	return courier_relay(f->gate, &o, res, maybe, err);
}

static int
relay_recorded(const struct forward *f, struct relay_result **res, bool *maybe,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/pack",
	    f->snap->config->state_dir, f->push_id);
	GG_AUTO(relay_result) first = NULL;
	GG_AUTO_FD pack = -1;
	int rc;

	if (f->has_pack &&
	    (pack = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return gg_fail(err, GG_E_SYS, "recorded pack");
	if ((rc = relay(f, pack, &first, maybe, err)) != 0)
		return rc;
	if (!first->unpack_ok && f->has_pack) {
		/* A base of the thin pack may be gone upstream: once more
		 * with the bases in it. */
		GG_AUTO_FD completed = open_completed_pack(f);

		if (completed >= 0)
			return relay(f, completed, res, maybe, err);
	}
	*res = gg_take(first);
	return 0;
}

/* The relay broke off. Upstream may have applied it, or may do so yet: a
 * dead connection does not end what runs at its other end. */
static enum forward_state
find_out(const struct forward *f, struct ref_statuses *statuses,
    struct gg_error *message)
{
	struct gg_error why = *message;
	struct forward doubtful = *f;
	enum forward_state st;

	log_event(EV_upstream_failed, kv_str("repository", f->repo->name),
	    kv_err(&why));
	doubtful.in_doubt = true;
	st = forward_compare(&doubtful, true, statuses, message);
	if (st == FORWARD_UNKNOWN)
		ref_statuses_refuse(statuses,
		    "gate unavailable: %s; the outcome is not known yet "
		    "(push %s)",
		    why.msg, f->push_id);
	return st;
}

enum forward_state
forward_run(const struct forward *f, struct ref_statuses *statuses,
    struct gg_error *message)
{
	GG_AUTO(relay_result) res = NULL;
	bool maybe = false;
	int rc = relay_recorded(f, &res, &maybe, message);

	if (rc == 0)
		return conclude(f, res, statuses, message);
	if (maybe)
		return find_out(f, statuses, message);
	if (rc == GG_E_STALE) {
		ref_statuses_refuse(statuses, "stale: upstream moved");
		return FORWARD_STALE;
	}
	log_event(EV_upstream_failed, kv_str("repository", f->repo->name),
	    kv_err(message));
	if (rc == GG_E_REFUSED) {
		ref_statuses_refuse(statuses, "upstream refused: %s",
		    message->msg);
		return FORWARD_REFUSED;
	}
	ref_statuses_refuse(statuses, "gate unavailable: %s", message->msg);
	return FORWARD_UNAVAILABLE;
}

static const char *
state_word(enum forward_state s)
{
	switch (s) {
	case FORWARD_DONE:
		return "forwarded";
	case FORWARD_REFUSED:
		return "failed";
	case FORWARD_STALE:
		return "stale";
	case FORWARD_UNAVAILABLE:
		return "unavailable";
	case FORWARD_UNKNOWN:
		return "unknown";
	}
	return "unknown";
}

json_t *
forward_outcome_json(enum forward_state state, const struct ref_statuses *s,
    const char *message)
{
	json_t *refs = json_array(), *all;

	for (size_t i = 0; i < s->n; i++) {
		const struct ref_status *r = &s->v[i];
		json_t *o = json_pack("{s:o, s:s, s:o}", "ref",
		    audit_text(r->refname), "status", r->ok ? "ok" : "ng",
		    "message", audit_words(r->ok ? "" : r->reason));

		if (o != NULL)
			(void)json_array_append_new(refs, o);
	}
	all = json_pack("{s:s, s:o, s:o}", "state", state_word(state),
	    "message", audit_words(message), "refs", refs);
	if (state == FORWARD_UNKNOWN)
		(void)json_object_set_new(all, "since_ms",
		    json_integer((json_int_t)clock_wall_ms()));
	return all;
}

void
forward_settled(struct gate *g, const struct snapshot *snap,
    const char *repository, const char *push_id,
    const struct ref_updates *updates)
{
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
	    snap->config->state_dir, push_id);
	struct gg_error err = { 0 };

	mirror_adopt(g, snap->config, repository, push_id);
	if (dir_remove(quarantine, &err) != 0)
		log_event(EV_push_forwarded, kv_str("push", push_id),
		    kv_err(&err));
	holds_mark_stale(g, repository, updates);
	mirror_refresh_later(g, repository);
}

/* -- an allowed push, to its end -- */

static void
text_to_client(void *ctx, struct view text)
{
	client_relay(ctx, text);
}

static enum forward_state
run(void *ctx, struct ref_statuses *s, struct gg_error *message)
{
	return forward_run(ctx, s, message);
}

static void
settled(void *ctx)
{
	const struct forward *f = ctx;

	forward_settled(f->gate, f->snap, f->repo->name, f->push_id,
	    f->updates);
}

static void
add_result(json_t *entry, enum forward_state state, const struct ref_status *s)
{
	(void)json_object_set_new(entry, "result",
	    json_string(s->ok ? "ok" : state_word(state)));
	(void)json_object_set_new(entry, "upstream",
	    audit_words(s->ok ? "" : s->reason));
}

static const struct settling way = {
	.intent = "forward.intended",
	.result = "forward.result",
	.done = PUSH_FORWARDED,
	.event = EV_push_forwarded,
	.metric = METRIC_FORWARDED,
	.run = run,
	.settled = settled,
	.outcome = forward_outcome_json,
	.add_result = add_result,
	.at_decided = "gate.decided",
	.at_intended = "gate.before-forward",
	.at_run = "gate.after-forward",
	.at_recorded = "gate.before-answer",
};

void
push_forward(struct push *p)
{
	struct forward f = { p->gate, p->who.snap, &p->who.repo, p->rec.id,
		&p->updates, &p->options, p->atomic, p->has_pack,
		text_to_client, &p->client, false };

	push_settle(p, &way, &f);
}
