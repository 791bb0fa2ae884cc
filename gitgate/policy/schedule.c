#include "policy/schedule.h"

#include "base/clock.h"

#define DAY_MS ((int64_t)24 * 3600000)

void
time_windows_release(struct time_windows *w)
{
	for (size_t i = 0; i < w->n; i++)
		zone_free(w->v[i].zone);
	free(w->v);
	*w = (struct time_windows){ 0 };
}

static int
take_days(const struct yaml_tree *t, const struct yaml_node *map, unsigned *out,
    struct gg_error *err)
{
	static const char *const names[] = { "sun", "mon", "tue", "wed", "thu",
		"fri", "sat" };
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	const struct yaml_node *at = yaml_get(map, "days");
	int rc;

	*out = 0x7f;
	if (at == NULL)
		return 0;
	if ((rc = yaml_take_list(t, map, "days", &list, err)) < 0)
		return rc;
	if (list.n == 0)
		return yaml_fail(t, at, err,
		    "days is empty: leave it out, or name something");
	*out = 0;
	for (size_t i = 0; i < list.n; i++) {
		size_t d = 0;

		while (d < GG_COUNT(names) && strcmp(names[d], list.v[i]) != 0)
			d++;
		if (d == GG_COUNT(names))
			return yaml_fail(t, &at->item[i], err,
			    "days: unknown word \"%.60s\"", list.v[i]);
		*out |= 1u << d;
	}
	return 0;
}

static bool
parse_minutes(const char *s, unsigned *out)
{
	unsigned h, m;

	if (strlen(s) != 5 || strspn(s, "0123456789") != 2 || s[2] != ':' ||
	    strspn(s + 3, "0123456789") != 2)
		return false;
	h = (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
	m = (unsigned)(s[3] - '0') * 10 + (unsigned)(s[4] - '0');
	*out = h * 60 + m;
	return m < 60 && *out <= SCHEDULE_DAY_MINUTES;
}

static int
take_minutes(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, unsigned *out, struct gg_error *err)
{
	GG_AUTO_MEM char *s = NULL;
	int rc = yaml_take_text(t, map, name, &s, err);

	if (rc < 0 || s == NULL || parse_minutes(s, out))
		return rc;
	return yaml_fail(t, yaml_get(map, name), err,
	    "%s must be a time of day like \"17:00\"", name);
}

static int
take_moment(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, struct moment *out, struct gg_error *err)
{
	GG_AUTO_MEM char *s = NULL;
	int rc = yaml_take_text(t, map, name, &s, err);

	if (rc < 0 || s == NULL)
		return rc;
	if (clock_parse(view_str(s), &out->ms, err) < 0)
		return yaml_fail_wrap(t, yaml_get(map, name), err, name);
	out->there = true;
	out->local = strlen(s) == strlen("2026-11-22");
	return 0;
}

static int
take_zone(const struct yaml_tree *t, const struct yaml_node *map,
    struct zone **out, struct gg_error *err)
{
	GG_AUTO_MEM char *name = NULL;
	int rc = yaml_take_text(t, map, "timezone", &name, err);

	if (rc < 0)
		return rc;
	if (zone_load(name != NULL ? name : "UTC", out, err) < 0)
		return yaml_fail_wrap(t, yaml_get(map, "timezone"), err,
		    "timezone");
	return 0;
}

static int
check_window(const struct yaml_tree *t, const struct yaml_node *at,
    const struct time_window *w, struct gg_error *err)
{
	if (yaml_get(at, "days") == NULL && yaml_get(at, "from") == NULL &&
	    yaml_get(at, "to") == NULL && !w->since.there && !w->until.there)
		return yaml_fail(t, at, err,
		    "a window needs days, from, to, since or until");
	if (w->from == w->to || w->from == SCHEDULE_DAY_MINUTES || w->to == 0)
		return yaml_fail(t, at, err,
		    "a window from a time to the same one is empty (the whole day is 00:00 to 24:00)");
	if (w->since.there && w->until.there && w->until.ms <= w->since.ms)
		return yaml_fail(t, at, err, "until must be later than since");
	return 0;
}

static int
take_window(const struct yaml_tree *t, const struct yaml_node *at,
    struct time_window *w, struct gg_error *err)
{
	static const char *const keys[] = { "days", "from", "to", "timezone",
		"since", "until", NULL };
	int rc;

	w->to = SCHEDULE_DAY_MINUTES;
	if ((rc = yaml_check_keys(t, at, "a window", keys, err)) < 0 ||
	    (rc = take_days(t, at, &w->days, err)) < 0 ||
	    (rc = take_minutes(t, at, "from", &w->from, err)) < 0 ||
	    (rc = take_minutes(t, at, "to", &w->to, err)) < 0 ||
	    (rc = take_moment(t, at, "since", &w->since, err)) < 0 ||
	    (rc = take_moment(t, at, "until", &w->until, err)) < 0 ||
	    (rc = take_zone(t, at, &w->zone, err)) < 0)
		return rc;
	return check_window(t, at, w, err);
}

int
time_windows_take(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, struct time_windows *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(t, at, err, "%s must be a list", name);
	if (at->n == 0)
		return yaml_fail(t, at, err,
		    "%s is empty: leave it out, or name something", name);
	if (at->n > SCHEDULE_MAX_WINDOWS)
		return yaml_fail(t, at, err, "%s: more than %d windows", name,
		    SCHEDULE_MAX_WINDOWS);
	if ((out->v = calloc(at->n, sizeof(*out->v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	for (size_t i = 0; i < at->n && rc == 0; i++) {
		out->n++;
		rc = take_window(t, &at->item[i], &out->v[i], err);
	}
	return rc;
}

static bool
reached(const struct moment *m, int64_t now, int64_t local)
{
	return (m->local ? local : now) >= m->ms;
}

static bool
in_week(const struct time_window *w, int64_t local)
{
	int64_t day = local / DAY_MS - (local % DAY_MS < 0);
	unsigned minute = (unsigned)((local - day * DAY_MS) / 60000);
	/* day 0 was a Thursday */
	unsigned today = (unsigned)((day % 7 + 11) % 7);
	unsigned before = (today + 6) % 7;

	if (w->from < w->to)
		return (w->days >> today & 1) && minute >= w->from &&
		    minute < w->to;
	return ((w->days >> today & 1) && minute >= w->from) ||
	    ((w->days >> before & 1) && minute < w->to);
}

bool
time_windows_match(const struct time_windows *w, int64_t now, size_t *which)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct time_window *x = &w->v[i];
		int64_t local = now + zone_offset_s(x->zone, now) * 1000;

		if ((!x->since.there || reached(&x->since, now, local)) &&
		    (!x->until.there || !reached(&x->until, now, local)) &&
		    in_week(x, local)) {
			*which = i;
			return true;
		}
	}
	return false;
}

bool
time_windows_over(const struct time_windows *w, int64_t now)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct time_window *x = &w->v[i];
		int64_t local = now + zone_offset_s(x->zone, now) * 1000;

		if (!x->until.there || !reached(&x->until, now, local))
			return false;
	}
	return w->n > 0;
}
