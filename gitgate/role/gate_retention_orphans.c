#include "role/gate_retention_orphans.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "role/gate_push.h"
#include "role/gate_retention_attic.h"
#include "role/kept_policy.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define STEP_ENTRIES 200
#define PAUSE_MS     ((int64_t)3600 * 1000)
#define OLD_MS       ((int64_t)24 * 3600 * 1000)

/* Only the ticker touches it. */
static struct {
	DIR *pushes;
	int64_t next_ms; /* monotonic: when the next round begins */
} at;

static int
log_orphan(struct gate *g, const char *id, struct gg_error *err)
{
	json_t *e = json_pack("{s:s, s:[{s:s, s:s}]}", "type", "retention.cut",
	    "pushes", "push", id, "reason", "orphan");

	log_event(EV_retention, kv_str("push", id),
	    kv_str("what", "a recording of no push is removed"));
	return audit_write(g, &e, 1, err);
}

static int
look_at(struct gate *g, const struct config *c, const char *id,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/pushes/%s", c->state_dir, id);
	int64_t purged_ms = 0;
	int rc = store_recording_state(g->store, id, &purged_ms, err);

	if (rc == 0 && purged_ms == 0)
		return 0;
	if (rc == GG_E_NOTFOUND) {
		if (clock_wall_ms() - ulid_time(id) < OLD_MS)
			return 0; /* it is only coming */
		rc = log_orphan(g, id, err);
	}
	return rc != 0 ? rc : dir_remove(dir, err);
}

static int
sweep_policies(struct gate *g, const struct snapshot *snap,
    struct gg_error *err)
{
	GG_AUTO_MEM char *all = path_f("%s/policies", snap->config->state_dir);
	DIR *d = opendir(all);
	struct dirent *e;
	struct stat st;
	int rc = 0;

	while (rc == 0 && d != NULL && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *dir = path_f("%s/%s", all, e->d_name);
		bool used = true;

		/* A push in hand may be judged by one that was just left. */
		if (e->d_name[0] == '.' ||
		    strcmp(e->d_name, ruleset_digest(snap->ruleset)) == 0 ||
		    lstat(dir, &st) != 0 ||
		    clock_wall_ms() / 1000 - st.st_mtime < OLD_MS / 1000)
			continue;
		rc = store_policy_is_used(g->store, e->d_name, &used, err);
		if (rc == 0 && !used)
			rc = dir_remove(dir, err);
	}
	if (d != NULL)
		(void)closedir(d);
	return rc;
}

static int
begin_round(struct gate *g, const struct snapshot *snap, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/pushes", snap->config->state_dir);

	at.next_ms = clock_mono_ms() + PAUSE_MS;
	at.pushes = opendir(dir);
	/* What could not be kept when it came into force. */
	if (kept_policy_add(snap->config, snap->ruleset, err) != 0)
		log_event(EV_policy_not_kept, kv_err(err));
	if (attic_sweep(g, snap->config, err) != 0)
		log_event(EV_retention, kv_err(err));
	return sweep_policies(g, snap, err);
}

int
orphans_step(struct gate *g, const struct snapshot *snap, struct gg_error *err)
{
	struct dirent *e = NULL;
	int rc = 0;

	if (at.pushes == NULL)
		return clock_mono_ms() < at.next_ms ? 0 :
						      begin_round(g, snap, err);
	for (size_t i = 0; rc == 0 && i < STEP_ENTRIES; i++) {
		if ((e = readdir(at.pushes)) == NULL)
			break;
		if (ulid_is_valid(view_str(e->d_name)))
			rc = look_at(g, snap->config, e->d_name, err);
	}
	if (rc == 0 && e != NULL)
		return 0;
	(void)closedir(at.pushes);
	at.pushes = NULL;
	return rc;
}
