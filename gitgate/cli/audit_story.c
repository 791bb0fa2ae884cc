#include "cli/audit_story.h"

#include "cli/cli.h"

static void
take(void *ctx, const struct story_finding *f)
{
	struct told *t = ctx;

	t->n[f->kind]++;
	if (json_array_size(t->shown) < STORY_SHOWN_MAX)
		(void)json_array_append_new(t->shown,
		    json_pack("{s:s, s:I, s:s}", "kind",
			story_kind_name(f->kind), "entry", (json_int_t)f->index,
			"text", f->text));
}

void
told_init(struct told *t)
{
	*t = (struct told){ .story = story_new(take, t),
		.shown = json_array() };
}

void
told_release(struct told *t)
{
	story_free(t->story);
	json_decref(t->shown);
}

void
told_entry(void *ctx, uint64_t index, const json_t *entry)
{
	story_entry(((struct told *)ctx)->story, index, entry);
}

uint64_t
told_end(struct told *t)
{
	uint64_t n = 0;

	story_end(t->story);
	for (size_t i = 0; i < STORY_KINDS; i++)
		n += i == STORY_CLOCK ? 0 : t->n[i];
	return n;
}

static uint64_t
all_of(const struct told *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < STORY_KINDS; i++)
		n += t->n[i];
	return n;
}

void
told_say(const struct told *t)
{
	const json_t *f;
	size_t i;

	json_array_foreach(t->shown, i, f)
	{
		say("%s, entry %lld: ", json_str(f, "kind"),
		    (long long)json_integer_value(json_object_get(f, "entry")));
		say_safe("", json_str(f, "text"));
	}
	if (all_of(t) > json_array_size(t->shown))
		say("and %llu more\n",
		    (unsigned long long)(all_of(t) -
			json_array_size(t->shown)));
}

void
told_report(const struct told *t, json_t *report)
{
	json_t *counts = json_object();

	for (size_t i = 0; i < STORY_KINDS; i++)
		if (t->n[i] > 0)
			(void)json_object_set_new(counts,
			    story_kind_name((enum story_kind)i),
			    json_integer((json_int_t)t->n[i]));
	(void)json_object_set_new(report, "counts", counts);
	(void)json_object_set(report, "findings", t->shown);
}
