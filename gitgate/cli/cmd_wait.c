/* gitgate wait: until a hold is over. */
#include "cli/remote.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS         2000
#define DEFAULT_TIMEOUT "30m"

/*
 * An id, or a hold's URL: "BASE/-/holds/ID". The base is used only where no
 * gate is configured otherwise, so that a token goes where it belongs.
 */
static int
parse_target(const char *arg, char **base, const char **id,
    struct gg_error *err)
{
	static const char middle[] = "/-/holds/";
	const char *at = strstr(arg, middle);

	*base = NULL;
	*id = arg;
	if (at != NULL) {
		*id = at + strlen(middle);
		*base = view_dup(view_of(arg, (size_t)(at - arg)));
		if (*base == NULL || !api_url_is_valid(*base))
			return gg_fail(err, GG_E_INPUT,
			    "%s is no URL of a hold", arg);
	}
	return remote_check_id(*id, err);
}

static void
pause_until(int64_t mono_ms)
{
	const struct timespec ts = { .tv_sec = (time_t)(mono_ms / 1000),
		.tv_nsec = (long)(mono_ms % 1000) * 1000000 };

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int
outcome(const struct cli *cli, const json_t *hold, enum hold_state state)
{
	int rc;

	if (cli->json)
		say_json(hold);
	else
		remote_state(hold);
	if ((rc = cli_flush()) != CLI_YES)
		return rc;
	if (!hold_is_over(state))
		return CLI_PENDING;
	return state == HOLD_FORWARDED ? CLI_YES : CLI_NO;
}

/* Ask until it is over or the time is. A gate that does not answer for a
 * while is asked again: it may be restarting. */
static int
wait_for(const struct cli *cli, struct api *a, const char *id, int64_t deadline)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	enum hold_state state = HOLD_PENDING;
	struct gg_error err = { 0 };
	int64_t next;
	json_t *hold;
	int rc;

	buf_addf(&path, "-/api/v1/holds/%s", id);
	for (;;) {
		hold = NULL;
		rc = api_call(a, "GET", buf_str(&path), NULL, &hold, &err);
		if (rc != 0 && rc != GG_E_UNAVAILABLE)
			return cli_fail(&err);
		next = clock_mono_ms() + POLL_MS;
		if (rc == 0 &&
		    !hold_state_parse(view_str(json_str(hold, "state")),
			&state)) {
			json_decref(hold);
			gg_fail(&err, GG_E_PEER, "the hold has no known state");
			return cli_fail(&err);
		}
		if (rc == 0 && (hold_is_over(state) || next > deadline)) {
			rc = outcome(cli, hold, state);
			json_decref(hold);
			return rc;
		}
		json_decref(hold);
		if (next > deadline) {
			(void)cli_fail(&err);
			return CLI_PENDING;
		}
		pause_until(next);
	}
}

int
cmd_wait(struct cli *cli, int argc, char **argv)
{
	const char *timeout = DEFAULT_TIMEOUT, *id;
	const struct option_spec specs[] = { { "timeout", OPT_TEXT,
	    &timeout } };
	GG_AUTO_MEM char *base = NULL;
	GG_AUTO(api) a = NULL;
	struct gg_error err = { 0 };
	int64_t ms, deadline;
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0 ||
	    num_parse_duration(view_str(timeout), &ms, &err) != 0 ||
	    parse_target(w.v[0], &base, &id, &err) != 0 ||
	    api_open(cli, base, &a, &err) != 0)
		return cli_usage(&err);
	if (__builtin_add_overflow(clock_mono_ms(), ms, &deadline))
		deadline = INT64_MAX;
	return wait_for(cli, a, id, deadline);
}
