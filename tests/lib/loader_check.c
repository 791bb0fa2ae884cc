/* loader_check policy|config FILE...: per file a line "ok" or what is wrong
 * with it; a policy file is taken as a rule set of its own. */
#include "base/fd.h"
#include "config/config.h"
#include "policy/policy.h"

#include <stdio.h>

static int
check_policy(const char *file, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT((size_t)2 << 20);
	GG_AUTO(ruleset) rs = ruleset_new();
	int rc = file_read(file, &text, err);

	return rc < 0 ? rc : ruleset_parse(rs, "p", buf_view(&text), err);
}

static int
check_config(const char *file, struct gg_error *err)
{
	GG_AUTO(config) c = NULL;

	return config_load(file, &c, err);
}

int
main(int argc, char **argv)
{
	bool config = argc > 1 && strcmp(argv[1], "config") == 0;

	for (int i = 2; i < argc; i++) {
		struct gg_error err = { 0 };
		int rc = config ? check_config(argv[i], &err) :
				  check_policy(argv[i], &err);

		(void)puts(rc == 0 ? "ok" : err.msg);
	}
	return 0;
}
