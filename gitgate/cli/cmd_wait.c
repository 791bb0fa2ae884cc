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
	return state == HOLD_FORWARDED || state == HOLD_KEPT ? CLI_YES : CLI_NO;
}

/* What is known of the hold. */
struct waiting {
	struct api *api;
	const char *id;
	json_t *hold; /* NULL: never seen */
	enum hold_state state;
	int rc; /* of the last look */
	struct gg_error err;
};

static void
waiting_release(struct waiting *w)
{
	json_decref(w->hold);
}
GG_DEFINE_AUTO_RELEASE(waiting);

/* Ask for it. True: there is nothing more to wait for. */
static bool
look(struct waiting *w)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	json_t *hold = NULL;

	buf_addf(&path, "-/api/v1/holds/%s", w->id);
	w->rc = api_call(w->api, "GET", buf_str(&path), NULL, &hold, &w->err);
	if (w->rc != 0)
		return w->rc != GG_E_UNAVAILABLE;
	json_decref(w->hold);
	w->hold = hold;
	if (!hold_state_parse(view_str(json_str(hold, "state")), &w->state)) {
		w->rc = gg_fail(&w->err, GG_E_PEER,
		    "the hold has no known state");
		return true;
	}
	return hold_is_over(w->state);
}

/* The stream begins with "retry:": looked at from then on, no event between
 * is missed. */
static bool
on_line(void *ctx, const char *line)
{
	if (strncmp(line, "retry:", 6) != 0 && strncmp(line, "data:", 5) != 0)
		return false;
	return look(ctx);
}

static int
ended(const struct cli *cli, struct waiting *w)
{
	if (w->rc != 0 && w->rc != GG_E_UNAVAILABLE)
		return cli_fail(&w->err);
	if (w->hold != NULL && (w->rc == 0 || hold_is_over(w->state)))
		return outcome(cli, w->hold, w->state);
	(void)cli_fail(&w->err);
	return CLI_PENDING;
}

/*
 * Listen until it is over or the time is. A gate that does not answer for a
 * while is asked again: it may be restarting. One that tells no events is
 * asked every two seconds.
 */
static int
wait_for(const struct cli *cli, struct api *a, const char *id, int64_t deadline)
{
	GG_AUTO_RELEASE(waiting) w = { .api = a, .id = id };
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	struct gg_error ignored = { 0 };

	buf_addf(&path, "-/api/v1/events?hold=%s", id);
	while (!look(&w)) {
		int64_t next = clock_mono_ms() + POLL_MS;

		if (next > deadline)
			break;
		(void)!api_listen(a, buf_str(&path), deadline, on_line, &w,
		    &ignored);
		if (w.hold != NULL && hold_is_over(w.state))
			break;
		/* where it fails or ends at once we ask without it */
		pause_until(next);
	}
	return ended(cli, &w);
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
