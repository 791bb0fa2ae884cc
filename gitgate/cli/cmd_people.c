/* gitgate user email, link, links, unlink, sign-out: who a person is. */
#include "cli/cli.h"

#include "base/clock.h"

#include <string.h>

#define CELL_BYTES (60u << 10)

int
cli_check_emails(const struct strv *emails, struct gg_error *err)
{
	for (size_t i = 0; i < emails->n; i++)
		if (!email_is_valid(view_str(emails->v[i])))
			return gg_fail(err, GG_E_INPUT,
			    "%s is no e-mail address", emails->v[i]);
	return strv_check(emails, err);
}

int
cmd_user_email(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(strv) emails = STRV_INIT;
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 1, 8, &w, &err) != 0)
		return cli_usage(&err);
	for (size_t i = 1; i < w.n; i++)
		strv_add(&emails, w.v[i]);
	if (cli_check_emails(&emails, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s, "admin.user.email",
		json_pack("{s:s, s:o}", "subject", w.v[0], "emails",
		    cli_json_strv(&emails)),
		&err) != 0 ||
	    store_user_set_aliases(s, w.v[0], &emails, &err) != 0)
		return cli_fail(&err);
	say_safe("changed the e-mail addresses of ", w.v[0]);
	return cli_flush();
}

/* --provider and --subject, both needed; the provider must be configured. */
struct who {
	const char *provider, *subject;
};

/* n words stand beside them. */
static int
read_who(struct cli *cli, int argc, char **argv, size_t n, struct words *w,
    struct who *who, struct gg_error *err)
{
	const struct option_spec specs[] = {
		{ "provider", OPT_TEXT, &who->provider },
		{ "subject", OPT_TEXT, &who->subject },
	};
	int rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), n, n, w,
	    err);

	if (rc != 0)
		return rc;
	if (who->provider == NULL || who->subject == NULL ||
	    who->subject[0] == '\0')
		return gg_fail(err, GG_E_INPUT,
		    "give --provider and --subject");
	return 0;
}

int
cmd_user_link(struct cli *cli, int argc, char **argv)
{
	struct who who = { NULL, NULL };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (read_who(cli, argc, argv, 1, &w, &who, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	if (config_find_provider(c, who.provider) == NULL) {
		gg_fail(&err, GG_E_INPUT,
		    "there is no provider %s in the configuration",
		    who.provider);
		return cli_usage(&err);
	}
	if (cli_note_act(s, "admin.user.link",
		json_pack("{s:s, s:s, s:s}", "subject", w.v[0], "provider",
		    who.provider, "provider_subject", who.subject),
		&err) != 0 ||
	    store_person_link(s, who.provider, who.subject, w.v[0],
		clock_wall_ms(), &err) != 0)
		return cli_fail(&err);
	say_safe("linked to ", w.v[0]);
	return cli_flush();
}

int
cmd_user_unlink(struct cli *cli, int argc, char **argv)
{
	struct who who = { NULL, NULL };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (read_who(cli, argc, argv, 0, &w, &who, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s, "admin.user.unlink",
		json_pack("{s:s, s:s}", "provider", who.provider,
		    "provider_subject", who.subject),
		&err) != 0 ||
	    store_person_unlink(s, who.provider, who.subject, &err) != 0)
		return cli_fail(&err);
	say_safe("forgot ", who.subject);
	return cli_flush();
}

static int
to_json(void *ctx, const struct stored_link *l)
{
	json_array_append_new(ctx,
	    json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "person",
		l->person, "provider", l->provider, "subject", l->subject,
		"issuer", l->issuer, "linked", l->by_admin, "emails",
		cli_json_strv(&l->aliases), "created",
		cli_json_time(l->created_ms), "used",
		cli_json_time(l->used_ms)));
	return 0;
}

static void
print_links(const json_t *links)
{
	static const char *const cols[] = { "person", "provider", "subject",
		"linked", "emails", "used" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) };
	json_t *l;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	json_array_foreach(links, i, l)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(CELL_BYTES);

		json_join(&b, json_object_get(l, "emails"), NULL);
		table_add(&t, json_str(l, "person"));
		table_add(&t, json_str(l, "provider"));
		table_add(&t, json_str(l, "subject"));
		table_add(&t,
		    json_is_true(json_object_get(l, "linked")) ? "yes" : "no");
		table_add(&t, buf_str(&b));
		table_add(&t, json_str(l, "used"));
	}
	table_print(&t);
}

static int
fill(const struct local *l, json_t *links, struct gg_error *err)
{
	return store_person_list(l->store, to_json, links, err);
}

int
cmd_user_links(struct cli *cli, int argc, char **argv)
{
	return cli_list(cli, argc, argv, "links", fill, print_links);
}

static int
is_name(const struct words *w, struct gg_error *err)
{
	if (principal_name_is_valid(view_str(w->v[0])))
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is no name", w->v[0]);
}

static int
sign_out(const struct local *l, struct gg_error *err)
{
	const char *name = l->words->v[0];
	uint64_t n = 0;
	int rc;

	if ((rc = cli_note_act(l->store, "admin.user.sign-out",
		 json_pack("{s:s}", "subject", name), err)) != 0 ||
	    (rc = store_session_end(l->store, name, NULL, &n, err)) != 0)
		return rc;
	say("ended %llu\n", (unsigned long long)n);
	return 0;
}

int
cmd_user_sign_out(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, is_name, sign_out);
}
