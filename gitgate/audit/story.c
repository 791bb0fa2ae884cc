#include "audit/story_priv.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries of one moment are written by many; more is a clock that was set. */
#define CLOCK_SLACK_MS 5000

const char *
story_kind_name(enum story_kind k)
{
	static const char *const names[STORY_KINDS] = { "gap", "unannounced",
		"unapproved", "altered", "clock" };

	return k < STORY_KINDS ? names[k] : "";
}

struct story *
story_new(story_cb fn, void *ctx)
{
	struct story *s = story_alloc(sizeof(*s));

	s->fn = fn;
	s->ctx = ctx;
	return s;
}

void
story_free(struct story *s)
{
	if (s == NULL)
		return;
	story_refs_free(s);
	story_pushes_free(s);
	free(s);
}

const char *
story_text(const json_t *e, const char *name)
{
	const char *s = json_string_value(json_object_get(e, name));

	return s != NULL ? s : "";
}

void
story_copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from);
}

void
story_tell(struct story *s, enum story_kind k, uint64_t index, const char *fmt,
    ...)
{
	char text[1200];
	struct story_finding f = { k, index, text };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->fn(s->ctx, &f);
}

static void
look_at_clock(struct story *s, uint64_t index, const json_t *e)
{
	const char *time = story_text(e, "time");
	int64_t ms;

	if (clock_parse(view_str(time), &ms, NULL) != 0)
		return;
	if (ms + CLOCK_SLACK_MS < s->latest_ms)
		story_tell(s, STORY_CLOCK, index,
		    "the clock went back by %lld s, to %s",
		    (long long)((s->latest_ms - ms) / 1000), time);
	if (ms > s->latest_ms || ms + CLOCK_SLACK_MS < s->latest_ms)
		s->latest_ms = ms;
}

void
story_entry(struct story *s, uint64_t index, const json_t *entry)
{
	const char *type = story_text(entry, "type");

	look_at_clock(s, index, entry);
	if (strcmp(type, "ref.out-of-band") == 0) {
		story_moved(s, index, entry);
		return;
	}
	if (story_text(entry, "push")[0] != '\0')
		story_of_push(s, index, type, entry);
	if (strcmp(type, "forward.result") == 0 &&
	    strcmp(story_text(entry, "result"), "ok") == 0)
		story_moved(s, index, entry);
}

void
story_end(struct story *s)
{
	story_refs_end(s);
}
