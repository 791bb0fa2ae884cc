#include "base/zone.h"

#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_FILE_MAX   ((size_t)256 * 1024)
#define ZONE_NAME_MAX   64
#define ZONE_HEADER     44
#define ZONE_OFFSET_MAX (26 * 3600) /* RFC 9636 section 3.2 */
#define DAY_S           86400

/* A day of the year on which the clocks change, as in POSIX's TZ. */
struct change_day {
	char kind;    /* 'M', 'J' (1..365, never February 29) or 'n' (0..365) */
	int month;    /* 1..12 */
	int week;     /* 1..5; 5 is the last */
	int day;      /* of the week (0: Sunday) or the year */
	int64_t at_s; /* in the local time before it */
};

struct zone {
	int64_t *times; /* n transitions */
	int32_t *after; /* the offset from each on */
	size_t n;
	int32_t first; /* before all of them */
	/* behind the last transition */
	bool has_rule, has_summer;
	int32_t standard, summer;
	struct change_day begin, end;
};

void
zone_free(struct zone *z)
{
	if (z == NULL)
		return;
	free(z->times);
	free(z->after);
	free(z);
}

static int64_t
be(const char *p, size_t n)
{
	uint64_t x = (unsigned char)p[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		x = x << 8 | (unsigned char)p[i];
	return (int64_t)x;
}

/* The six counts of a header, and where its data begins and ends. */
struct tzif {
	size_t isutc, isstd, leap, time, type, chars;
	size_t at, size;
};

static bool
read_header(struct view file, size_t at, size_t time_bytes, struct tzif *out)
{
	size_t *const counts[] = { &out->isutc, &out->isstd, &out->leap,
		&out->time, &out->type, &out->chars };

	if (file.n < at + ZONE_HEADER || memcmp(file.p + at, "TZif", 4) != 0)
		return false;
	for (size_t i = 0; i < GG_COUNT(counts); i++) {
		int64_t x = be(file.p + at + 20 + 4 * i, 4);

		if (x < 0 || (uint64_t)x > file.n)
			return false;
		*counts[i] = (size_t)x;
	}
	out->at = at + ZONE_HEADER;
	out->size = out->time * (time_bytes + 1) + out->type * 6 + out->chars +
	    out->leap * (time_bytes + 4) + out->isstd + out->isutc;
	return file.n - out->at >= out->size;
}

static bool
read_offset(struct view file, const struct tzif *t, size_t type, int32_t *out)
{
	int64_t x;

	if (type >= t->type)
		return false;
	x = be(file.p + t->at + t->time * 9 + type * 6, 4);
	*out = (int32_t)x;
	return x > -ZONE_OFFSET_MAX && x < ZONE_OFFSET_MAX;
}

static bool
read_transitions(struct view file, const struct tzif *t, struct zone *z)
{
	const char *times = file.p + t->at, *types = times + t->time * 8;

	z->times = calloc(t->time + 1, sizeof(*z->times));
	z->after = calloc(t->time + 1, sizeof(*z->after));
	if (z->times == NULL || z->after == NULL)
		gg_die("no memory for a time zone");
	for (size_t i = 0; i < t->time; i++) {
		z->times[i] = be(times + i * 8, 8);
		if (i > 0 && z->times[i] <= z->times[i - 1])
			return false;
		if (!read_offset(file, t, (unsigned char)types[i],
			&z->after[i]))
			return false;
	}
	z->n = t->time;
	return read_offset(file, t, 0, &z->first);
}

/* At most 167 hours, minutes, seconds (RFC 9636 section 3.3.2). */
static bool
cut_time(struct view *v, int64_t *out)
{
	int64_t sign = 1, unit = 3600;

	*out = 0;
	if (v->n > 0 && (v->p[0] == '-' || v->p[0] == '+')) {
		sign = v->p[0] == '-' ? -1 : 1;
		view_skip(v, 1);
	}
	for (;; unit /= 60) {
		int64_t x = 0;
		size_t n = 0;

		for (; n < v->n && n < 3 && v->p[n] >= '0' && v->p[n] <= '9';
		     n++)
			x = x * 10 + (v->p[n] - '0');
		if (n == 0 || x > (unit == 3600 ? 167 : 59))
			return false;
		view_skip(v, n);
		*out += sign * x * unit;
		if (unit == 1 || v->n == 0 || v->p[0] != ':')
			return true;
		view_skip(v, 1);
	}
}

static bool
cut_letters(struct view *v)
{
	size_t n = 0;

	if (v->n > 0 && v->p[0] == '<') {
		struct view head;

		return view_cut(v, '>', &head);
	}
	while (n < v->n && ((v->p[n] | 32) >= 'a' && (v->p[n] | 32) <= 'z'))
		n++;
	view_skip(v, n);
	return n >= 3;
}

static bool
cut_number(struct view *v, int min, int max, int *out)
{
	size_t n = 0;

	*out = 0;
	for (; n < v->n && n < 3 && v->p[n] >= '0' && v->p[n] <= '9'; n++)
		*out = *out * 10 + (v->p[n] - '0');
	view_skip(v, n);
	return n > 0 && *out >= min && *out <= max;
}

static bool
cut_char(struct view *v, char c)
{
	if (v->n == 0 || v->p[0] != c)
		return false;
	view_skip(v, 1);
	return true;
}

static bool
cut_day(struct view *v, struct change_day *d)
{
	bool ok;

	if (!cut_char(v, ','))
		return false;
	d->at_s = 7200;
	if (cut_char(v, 'M')) {
		d->kind = 'M';
		ok = cut_number(v, 1, 12, &d->month) && cut_char(v, '.') &&
		    cut_number(v, 1, 5, &d->week) && cut_char(v, '.') &&
		    cut_number(v, 0, 6, &d->day);
	} else {
		d->kind = cut_char(v, 'J') ? 'J' : 'n';
		ok = cut_number(v, d->kind == 'J', 365, &d->day);
	}
	return ok && (!cut_char(v, '/') || cut_time(v, &d->at_s));
}

/* POSIX's TZ: "CET-1CEST,M3.5.0,M10.5.0/3". Offsets count westwards. */
static bool
read_rule(struct view v, struct zone *z)
{
	int64_t west;

	if (v.n == 0)
		return true;
	if (!cut_letters(&v) || !cut_time(&v, &west) || west > 25 * 3600 ||
	    west < -25 * 3600)
		return false;
	z->has_rule = true;
	z->standard = (int32_t)-west;
	if (v.n == 0)
		return true;
	z->has_summer = true;
	z->summer = z->standard + 3600;
	if (!cut_letters(&v))
		return false;
	if (v.n > 0 && v.p[0] != ',') {
		if (!cut_time(&v, &west) || west > 25 * 3600 ||
		    west < -25 * 3600)
			return false;
		z->summer = (int32_t)-west;
	}
	return cut_day(&v, &z->begin) && cut_day(&v, &z->end) && v.n == 0;
}

/* Version 2 and later: the second block has 64-bit times, then a TZ line. */
static bool
read_file(struct view file, struct zone *z)
{
	struct tzif one = { 0 }, two = { 0 };
	struct view rest, line;

	if (!read_header(file, 0, 4, &one) || file.p[4] < '2' ||
	    !read_header(file, one.at + one.size, 8, &two) ||
	    !read_transitions(file, &two, z))
		return false;
	rest = view_of(file.p + two.at + two.size, file.n - two.at - two.size);
	return cut_char(&rest, '\n') && view_cut(&rest, '\n', &line) &&
	    read_rule(line, z);
}

int
zone_parse(struct view file, struct zone **out, struct gg_error *err)
{
	GG_AUTO(zone) z = calloc(1, sizeof(*z));

	if (z == NULL)
		return gg_fail(err, GG_E_NOMEM, "time zone");
	if (!read_file(file, z))
		return gg_fail(err, GG_E_INPUT, "the time zone is damaged");
	*out = gg_take(z);
	return 0;
}

/* No path leaves the folder: letters, digits, "_", "+", "-" and "/". */
static bool
name_is_valid(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= ZONE_NAME_MAX &&
	    strspn(s,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") ==
	    n &&
	    s[0] != '/' && s[n - 1] != '/' && strstr(s, "//") == NULL;
}

int
zone_load(const char *name, struct zone **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(ZONE_FILE_MAX);
	char file[ZONE_NAME_MAX + 32];

	if (strcmp(name, "UTC") == 0) {
		if ((*out = calloc(1, sizeof(**out))) == NULL)
			return gg_fail(err, GG_E_NOMEM, "time zone");
		return 0;
	}
	if (!name_is_valid(name))
		return gg_fail(err, GG_E_INPUT, "no time zone \"%.70s\"", name);
	(void)snprintf(file, sizeof(file), "/usr/share/zoneinfo/%s", name);
	if (file_read(file, &text, NULL) < 0)
		return gg_fail(err, GG_E_INPUT,
		    "no time zone \"%s\" on this system", name);
	return zone_parse(buf_view(&text), out, err);
}

static bool
is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* Days from 1970-01-01 to January 1 of year y. */
static int64_t
days_to_year(int64_t y)
{
	int64_t p = y - 1;

	return 365 * (y - 1970) + (p / 4 - 492) - (p / 100 - 19) +
	    (p / 400 - 4);
}

/* Day of the year, from 0, of a rule. */
static int64_t
rule_day(const struct change_day *d, int64_t year)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243,
		273, 304, 334, 365 };
	bool leap = is_leap(year);
	int64_t first, length, weekday, day;

	if (d->kind == 'n')
		return d->day;
	if (d->kind == 'J')
		return d->day - 1 + (leap && d->day >= 60);
	first = before[d->month - 1] + (leap && d->month > 2);
	length = before[d->month] - before[d->month - 1] +
	    (leap && d->month == 2);
	/* 1970-01-01 was a Thursday */
	weekday = ((days_to_year(year) + first) % 7 + 11) % 7;
	day = (d->day - weekday + 7) % 7 + 7 * (d->week - 1);
	return first + (day >= length ? day - 7 : day);
}

static int64_t
rule_moment(const struct change_day *d, int64_t year, int32_t offset)
{
	return (days_to_year(year) + rule_day(d, year)) * DAY_S + d->at_s -
	    offset;
}

static int32_t
rule_offset(const struct zone *z, int64_t s)
{
	int64_t year = 1970 + (s + z->standard) / 31556952, begin, end;

	if (!z->has_summer)
		return z->standard;
	while (days_to_year(year) * DAY_S > s + z->standard)
		year--;
	while (days_to_year(year + 1) * DAY_S <= s + z->standard)
		year++;
	begin = rule_moment(&z->begin, year, z->standard);
	end = rule_moment(&z->end, year, z->summer);
	if (begin < end)
		return s >= begin && s < end ? z->summer : z->standard;
	return s >= end && s < begin ? z->standard : z->summer;
}

int64_t
zone_offset_s(const struct zone *z, int64_t wall_ms)
{
	int64_t s = wall_ms / 1000 - (wall_ms % 1000 < 0);
	size_t low = 0, high = z->n;

	if (z->n == 0 || s >= z->times[z->n - 1]) {
		if (z->has_rule)
			return rule_offset(z, s);
		return z->n == 0 ? z->first : z->after[z->n - 1];
	}
	if (s < z->times[0])
		return z->first;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (z->times[mid] <= s)
			low = mid;
		else
			high = mid;
	}
	return z->after[low];
}
