#include "role/loaded.h"

#include "base/fd.h"
#include "base/log.h"
#include "policy/policy.h"
#include "role/hook_check.h"
#include "role/witness_policy.h"

#include <string.h>

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

void
loaded_release(struct loaded *l)
{
	config_free(l->config);
	buf_release(&l->text);
	buf_release(&l->witness_policy);
	*l = (struct loaded){ 0 };
}

int
loaded_read(const char *file, struct loaded *l, struct gg_error *err)
{
	int rc;

	buf_init(&l->text, CONFIG_MAX_BYTES);
	buf_init(&l->witness_policy, TLOG_POLICY_MAX_BYTES + 1);
	if ((rc = file_read(file, &l->text, err)) != 0 ||
	    (rc = config_parse(buf_view(&l->text), file, &l->config, err)) !=
		0 ||
	    (rc = witness_policy_read(l->config, &l->witness_policy, err)) != 0)
		return rc;
	return witness_policy_apply(l->config, buf_view(&l->witness_policy),
	    NULL, err);
}

int
loaded_check_policy(const struct loaded *l, struct gg_error *err)
{
	GG_AUTO(ruleset) rs = NULL;
	int rc = ruleset_load(l->config->policy_dir, &rs, NULL, err);

	return rc != 0 ? rc : hooks_check(l->config, rs, err);
}

static bool
same_place(const struct config *a, const struct config *b)
{
	return strcmp(a->state_dir, b->state_dir) == 0 &&
	    strcmp(a->policy_dir, b->policy_dir) == 0 &&
	    strcmp(a->store, b->store) == 0 &&
	    strcmp(a->listen_host, b->listen_host) == 0 &&
	    a->listen_port == b->listen_port && a->sandbox == b->sandbox;
}

int
loaded_again(const char *file, const struct config *now, struct loaded *l,
    struct gg_error *err)
{
	int rc;

	if ((rc = loaded_read(file, l, err)) != 0 ||
	    (rc = loaded_check_policy(l, err)) != 0)
		return rc;
	if (!same_place(now, l->config))
		return gg_fail(err, GG_E_INPUT,
		    "listen, state-dir, policy-dir, store and sandbox change "
		    "only with a restart");
	loaded_log_doubts(l);
	return 0;
}

void
loaded_log_doubts(const struct loaded *l)
{
	const struct strv *doubts = &l->config->warnings;

	for (size_t i = 0; i < doubts->n; i++)
		log_event(EV_config_doubtful, kv_str("why", doubts->v[i]));
}
