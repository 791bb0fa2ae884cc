/* gitgate holds list, show, approve, reject, withdraw: over the API. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/remote.h"

#include <string.h>

void
remote_table(const json_t *answer, const char *what)
{
	static const char *const cols[] = { "id", "state", "repository",
		"principal", "created" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 1 };
	json_t *row;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "refs");
	json_array_foreach(json_object_get(answer, what), i, row)
	{
		GG_AUTO_RELEASE(buf) refs = BUF_INIT(1u << 20);

		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(row, cols[k]));
		json_join(&refs, json_object_get(row, "updates"), "ref");
		table_add(&t, buf_str(&refs));
	}
	table_print(&t);
	remote_more(answer);
}

static void
print_reason(const json_t *r)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const json_t *p;
	size_t i;

	buf_addf(&b, "%s by rule %s", json_str(r, "verdict"),
	    json_str(r, "rule"));
	if (json_str(r, "message")[0] != '\0')
		buf_addf(&b, ": %s", json_str(r, "message"));
	say_safe("    ", buf_str(&b));
	json_array_foreach(json_object_get(r, "paths"), i, p)
	{
		buf_clear(&b);
		buf_addf(&b, "%s (%s, commit %.12s)", json_str(p, "path"),
		    json_str(p, "change"), json_str(p, "commit"));
		say_safe("      ", buf_str(&b));
	}
}

void
remote_updates(const json_t *updates)
{
	const json_t *u, *r;
	size_t i, k;

	json_array_foreach(updates, i, u)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);

		buf_addf(&b, "%s %.12s..%.12s %s %s", json_str(u, "ref"),
		    json_str(u, "old"), json_str(u, "new"), json_str(u, "kind"),
		    json_str(u, "verdict"));
		say_safe("  ", buf_str(&b));
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		    print_reason(r);
	}
}

static void
print_need(const json_t *need)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const json_t *r;
	size_t i;

	buf_addf(&b, "%lld from ",
	    (long long)json_integer_value(json_object_get(need, "required")));
	json_join(&b, json_object_get(need, "from"), NULL);
	if (json_object_get(need, "people") != NULL) {
		buf_adds(&b, " ");
		json_join(&b, json_object_get(need, "people"), NULL);
	}
	buf_addf(&b, " (rule %s)", json_str(need, "rule"));
	say_safe("needs:      ", buf_str(&b));
	json_array_foreach(json_object_get(need, "reviews"), i, r)
	{
		buf_clear(&b);
		buf_addf(&b, "%s %s %s: %s", json_str(r, "time"),
		    json_str(r, "reviewer"), json_str(r, "verdict"),
		    json_str(r, "comment"));
		say_safe("            ", buf_str(&b));
	}
}

static void
print_timeline(const json_t *moments)
{
	static const char *const more[] = { "who", "hold", "state", "message" };
	const json_t *m;
	size_t i;

	json_array_foreach(moments, i, m)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);

		buf_addf(&b, "%s %s", json_str(m, "time"),
		    json_str(m, "event"));
		for (size_t k = 0; k < GG_COUNT(more); k++)
			if (json_str(m, more[k])[0] != '\0')
				buf_addf(&b, " %s", json_str(m, more[k]));
		say_safe("  ", buf_str(&b));
	}
}

void
remote_details(const json_t *o)
{
	static const char *const fields[][2] = { { "id", "id:         " },
		{ "state", "state:      " }, { "url", "url:        " },
		{ "repository", "repository: " },
		{ "principal", "principal:  " }, { "created", "created:    " },
		{ "expires", "expires:    " }, { "push", "push:       " },
		{ "hold", "hold:       " } };
	const json_t *outcome = json_object_get(o, "outcome"), *need;
	size_t i;

	for (i = 0; i < GG_COUNT(fields); i++)
		if (json_str(o, fields[i][0])[0] != '\0')
			say_safe(fields[i][1], json_str(o, fields[i][0]));
	if (json_str(outcome, "message")[0] != '\0')
		say_safe("outcome:    ", json_str(outcome, "message"));
	json_array_foreach(json_object_get(o, "needs"), i, need)
	    print_need(need);
	remote_updates(json_object_get(o, "updates"));
	remote_claimed("claimed:    ", o);
	remote_provenance(json_object_get(o, "provenance"));
	print_timeline(json_object_get(o, "timeline"));
}

static void
print_holds(const json_t *answer)
{
	remote_table(answer, "holds");
}

int
cmd_holds_list(struct cli *cli, int argc, char **argv)
{
	static const char *const filters[] = { "state", "repository",
		"principal", "ref", NULL };

	return remote_list(cli, argc, argv, "holds", filters, print_holds);
}

int
cmd_holds_show(struct cli *cli, int argc, char **argv)
{
	return remote_show(cli, argc, argv, "holds", remote_details);
}

/* -- deciding -- */

void
remote_state(const json_t *hold)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const char *message = json_str(json_object_get(hold, "outcome"),
	    "message");

	buf_addf(&b, "%s %s%s%s", json_str(hold, "id"), json_str(hold, "state"),
	    message[0] ? ": " : "", message);
	say_safe("hold ", buf_str(&b));
}

int
cmd_holds_approve(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "holds", "approve", remote_state);
}

int
cmd_holds_reject(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "holds", "reject", remote_state);
}

int
cmd_holds_withdraw(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "holds", "withdraw", remote_state);
}
