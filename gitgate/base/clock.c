#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
now_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	if (clock_gettime(id, &ts) != 0)
		gg_die("clock_gettime failed");
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
clock_wall_ms(void)
{
	return now_ns(CLOCK_REALTIME) / 1000000;
}

int64_t
clock_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

void
clock_format(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
	int64_t ms = wall_ms % 1000, s = wall_ms / 1000;
	struct tm tm = { 0 };
	time_t t;

	if (ms < 0) {
		ms += 1000;
		s--;
	}
	t = (time_t)s;
	if (gmtime_r(&t, &tm) == NULL)
		gg_die("time out of range");
	(void)snprintf(out, CLOCK_RFC3339_SIZE,
	    "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100, (unsigned)ms % 1000);
}

/* Cut exactly n digits followed by sep ('\0': none). */
static bool
cut_num(struct view *v, size_t n, char sep, int *out)
{
	int x = 0;

	if (v->n < n + (sep != '\0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9')
			return false;
		x = x * 10 + (v->p[i] - '0');
	}
	if (sep != '\0' && v->p[n] != sep)
		return false;
	view_skip(v, n + (sep != '\0'));
	*out = x;
	return true;
}

static bool
cut_zone(struct view *v, int64_t *offset_s)
{
	int h, m, sign;

	if (view_eq_str(*v, "Z") || view_eq_str(*v, "z")) {
		*offset_s = 0;
		return true;
	}
	if (v->n != 6 || (v->p[0] != '+' && v->p[0] != '-'))
		return false;
	sign = v->p[0] == '-' ? -1 : 1;
	view_skip(v, 1);
	if (!cut_num(v, 2, ':', &h) || !cut_num(v, 2, '\0', &m) || h > 23 ||
	    m > 59)
		return false;
	*offset_s = sign * (h * 3600 + m * 60);
	return true;
}

static bool
cut_clock(struct view *v, struct tm *tm, int *ms)
{
	int scale = 100;

	if (!cut_num(v, 2, ':', &tm->tm_hour) ||
	    !cut_num(v, 2, ':', &tm->tm_min) ||
	    !cut_num(v, 2, '\0', &tm->tm_sec))
		return false;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	if (v->n == 0 || v->p[0] != '.')
		return true;
	view_skip(v, 1);
	for (; v->n > 0 && v->p[0] >= '0' && v->p[0] <= '9'; scale /= 10) {
		*ms += (v->p[0] - '0') * scale;
		view_skip(v, 1);
	}
	return true;
}

/* timegm() turns a day that its month does not have into another one. */
static bool
date_exists(const struct tm *tm)
{
	struct tm day = { .tm_year = tm->tm_year,
		.tm_mon = tm->tm_mon,
		.tm_mday = tm->tm_mday };

	(void)timegm(&day);
	return day.tm_mday == tm->tm_mday;
}

int
clock_parse(struct view v, int64_t *wall_ms, struct gg_error *err)
{
	struct view all = v;
	struct tm tm = { 0 };
	int64_t offset_s = 0;
	int ms = 0;
	bool ok;

	ok = cut_num(&v, 4, '-', &tm.tm_year) &&
	    cut_num(&v, 2, '-', &tm.tm_mon) &&
	    cut_num(&v, 2, '\0', &tm.tm_mday) && tm.tm_mon >= 1 &&
	    tm.tm_mon <= 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31;
	if (ok && v.n > 0) {
		ok = v.p[0] == 'T' || v.p[0] == 't' || v.p[0] == ' ';
		view_skip(&v, 1);
		ok = ok && cut_clock(&v, &tm, &ms) && cut_zone(&v, &offset_s);
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!ok || !date_exists(&tm))
		return gg_fail(err, GG_E_INPUT,
		    "\"%.*s\" is not a time like 2026-11-22T07:00:00Z",
		    (int)(all.n > 60 ? 60 : all.n), all.p);
	*wall_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
	return 0;
}
