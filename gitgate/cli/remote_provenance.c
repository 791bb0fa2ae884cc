/* What is claimed of how commits were made, for people. */
#include "cli/remote.h"

#include <string.h>

#define LINE_BYTES    ((size_t)1 << 20)
#define COMMITS_SHOWN 20
#define PROMPT_SHOWN  300

/* A claim's text is anybody's: in quotes where it could be taken for more than
 * one word of ours ("run-7 (verified)"). */
static void
add_word(struct buf *b, const char *s)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "-_.:/@+%=&?#~";

	if (s[0] != '\0' && s[strspn(s, plain)] == '\0') {
		buf_adds(b, s);
		return;
	}
	buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

static void
add(struct buf *b, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_addf(b, " %s ", name);
	add_word(b, value);
}

void
remote_claimed(const char *label, const json_t *push)
{
	json_t *claimed = json_object_get(push, "claimed"), *v;
	const json_t *proven = json_object_get(push, "verified");
	const char *key;

	json_object_foreach(claimed, key, v)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);

		add_word(&b, key); /* all behind "agent." is the pusher's */
		buf_adds(&b, ": ");
		add_word(&b, json_string_value(v) ? json_string_value(v) : "");
		if (strcmp(key, "agent.session") == 0 &&
		    json_str(proven, "session")[0] != '\0')
			buf_adds(&b, " (verified: the credential names it)");
		say_safe(label, buf_str(&b));
	}
}

static void
print_prompt(const json_t *o)
{
	const char *s = json_str(o, "prompt");
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == '\n')
		n--;
	if (n == 0)
		return;
	buf_addf(&b, "%.*s%s", n > PROMPT_SHOWN ? PROMPT_SHOWN : (int)n, s,
	    n > PROMPT_SHOWN ? " ..." : "");
	say_safe("      prompt: ", buf_str(&b));
}

static void
print_record(const json_t *r)
{
	static const char *const names[] = { "tool", "model", "session",
		"human", "link" };
	const json_t *by = json_object_get(r, "claimed_by"), *s;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);
	size_t i;

	buf_addf(&b,
	    "%s, claimed by %s in push %s (%s), %s:", json_str(r, "source"),
	    json_str(by, "principal"), json_str(by, "push"),
	    json_str(by, "state"), json_str(r, "level"));
	for (i = 0; i < GG_COUNT(names); i++)
		add(&b, names[i], json_str(r, names[i]));
	add(&b, "unreadable:", json_str(r, "unreadable"));
	say_safe("    record: ", buf_str(&b));
	print_prompt(r);
	json_array_foreach(json_object_get(r, "sessions"), i, s)
	{
		if (json_str(s, "session")[0] != '\0' &&
		    strcmp(json_str(s, "session"), json_str(r, "session")) == 0)
			continue; /* that was said */
		buf_clear(&b);
		for (size_t k = 0; k < GG_COUNT(names); k++)
			add(&b, names[k], json_str(s, names[k]));
		say_safe("      session:", buf_str(&b));
		print_prompt(s);
	}
}

static void
print_commit(const json_t *all, const json_t *c)
{
	const json_t *records = json_object_get(all, "records"), *x;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);
	size_t i;

	buf_addf(&b, "%.12s %s", json_str(c, "commit"), json_str(c, "level"));
	json_array_foreach(json_object_get(c, "claims"), i, x)
	{
		buf_adds(&b, i > 0 ? "," : ":");
		add(&b, json_str(x, "kind"), json_str(x, "value"));
		if (json_is_true(json_object_get(x, "verified")))
			buf_adds(&b, " (verified)");
	}
	say_safe("  commit: ", buf_str(&b));
	json_array_foreach(json_object_get(c, "records"), i, x)
	    print_record(json_array_get(records,
		(size_t)json_integer_value(x)));
}

void
remote_provenance(const json_t *all)
{
	const json_t *commits = json_object_get(all, "commits"), *x;
	const json_t *brought = json_object_get(all, "brought");
	const json_t *records = json_object_get(all, "records");
	size_t i;

	if (json_array_size(commits) + json_array_size(brought) == 0)
		return;
	say("provenance (claimed, but what is verified):\n");
	json_array_foreach(commits, i, x)
	{
		if (i == COMMITS_SHOWN) {
			say("  ... %zu more commits\n",
			    json_array_size(commits) - i);
			break;
		}
		print_commit(all, x);
	}
	json_array_foreach(brought, i, x)
	{
		const json_t *r = json_array_get(records,
		    (size_t)json_integer_value(x));

		if (i == COMMITS_SHOWN) {
			say("  ... %zu more records\n",
			    json_array_size(brought) - i);
			break;
		}
		say_safe("  brought for ", json_str(r, "key"));
		print_record(r);
	}
}
