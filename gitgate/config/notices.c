/* `notices:`: who is told of what, and how. */
#include "config/internal.h"

#include <stdlib.h>
#include <strings.h>

#define TARGETS_MAX 100

static const char *const known_events[] = { "held", "approved", "rejected",
	"forwarded", "kept", "failed", "expired", "stale", "withdrawn",
	"superseded", "out-of-band", NULL };

static int
check_name(const struct loading *l, const struct yaml_node *at,
    const struct notice_target *t, struct gg_error *err)
{
	size_t n = t->name != NULL ? strspn(t->name,
					 "abcdefghijklmnopqrstuvwxyz"
					 "0123456789-") :
				     0;

	if (n == 0 || n > 60 || t->name[n] != '\0')
		return yaml_fail(l->tree, at, err,
		    "notices: name must be 1 to 60 of a-z, 0-9 and -");
	for (size_t i = 0; i + 1 < l->conf->n_notices; i++)
		if (strcmp(l->conf->notices[i].name, t->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "notices: %s twice (first on line %d)", t->name,
			    l->conf->notices[i].line);
	return 0;
}

static int
check_events(const struct loading *l, const struct yaml_node *map,
    const struct notice_target *t, struct gg_error *err)
{
	for (size_t i = 0; i < t->events.n; i++) {
		size_t k = 0;

		while (known_events[k] != NULL &&
		    strcmp(known_events[k], t->events.v[i]) != 0)
			k++;
		if (known_events[k] == NULL)
			return yaml_fail(l->tree, yaml_get(map, "events"), err,
			    "events: \"%.40s\" is none of held, approved, rejected, forwarded, failed, expired, stale, withdrawn, superseded and out-of-band",
			    t->events.v[i]);
	}
	return 0;
}

/* A header's text: no control characters (yaml_check_text() has seen to
 * that), one address, no list. */
static bool
is_address(const char *s)
{
	const char *at = strchr(s, '@');

	return at != NULL && at > s && at[1] != '\0' &&
	    strpbrk(s, " ,;<>\"()[]\\") == NULL && strchr(at + 1, '@') == NULL;
}

static int
take_email(const struct loading *l, const struct yaml_node *at,
    struct notice_target *t, struct gg_error *err)
{
	static const char *const keys[] = { "server", "from", "to", "username",
		"password-file", "ca-file", NULL };
	int rc;

	if ((rc = yaml_check_keys(l->tree, at, "email", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "server", &t->url, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "from", &t->from, err)) < 0 ||
	    (rc = yaml_take_list(l->tree, at, "to", &t->to, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "username", &t->username, err)) <
		0 ||
	    (rc = config_take_path(l, at, "password-file", &t->password_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "ca-file", &t->ca_file, err)) < 0)
		return rc;
	if (t->url == NULL || t->from == NULL || t->to.n == 0)
		return yaml_fail(l->tree, at, err,
		    "email needs server, from and to");
	if (strncmp(t->url, "smtp://", 7) != 0 &&
	    strncmp(t->url, "smtps://", 8) != 0)
		return yaml_fail(l->tree, yaml_get(at, "server"), err,
		    "server must be smtps://HOST[:PORT] or smtp://HOST[:PORT]");
	if (strchr(strstr(t->url, "://") + 3, '@') != NULL)
		return yaml_fail(l->tree, yaml_get(at, "server"), err,
		    "server: user and password go to username and password-file");
	if ((t->username != NULL) != (t->password_file != NULL))
		return yaml_fail(l->tree, at, err,
		    "email: username and password-file go together");
	if (!is_address(t->from))
		return yaml_fail(l->tree, yaml_get(at, "from"), err,
		    "from must be one address, like gitgate@example.com");
	for (size_t i = 0; i < t->to.n; i++)
		if (!is_address(t->to.v[i]))
			return yaml_fail(l->tree, yaml_get(at, "to"), err,
			    "to: \"%.60s\" is not an address", t->to.v[i]);
	return 0;
}

/* https, or http to this machine. */
bool
config_is_web_url(const char *url)
{
	static const char *const here[] = { "http://127.0.0.1", "http://[::1]",
		"http://localhost" };

	if (strncmp(url, "https://", 8) == 0)
		return url[8] != '\0' && strchr(url + 8, '@') == NULL;
	for (size_t i = 0; i < GG_COUNT(here); i++) {
		size_t n = strlen(here[i]);

		if (strncmp(url, here[i], n) == 0 &&
		    (url[n] == ':' || url[n] == '/' || url[n] == '\0'))
			return strchr(url + n, '@') == NULL;
	}
	return false;
}

static int
take_kind(const struct loading *l, const struct yaml_node *at,
    struct notice_target *t, struct gg_error *err)
{
	const struct yaml_node *email = yaml_get(at, "email");
	bool webhook = yaml_get(at, "webhook") != NULL;
	bool slack = yaml_get(at, "slack-url-file") != NULL;
	bool program = yaml_get(at, "program") != NULL;

	if (webhook + slack + program + (email != NULL) != 1)
		return yaml_fail(l->tree, at, err,
		    "notices: each has one of webhook, slack-url-file, email and program");
	t->kind = webhook ? NOTICE_WEBHOOK :
	    slack         ? NOTICE_SLACK :
	    program       ? NOTICE_PROGRAM :
			    NOTICE_EMAIL;
	if (webhook && !config_is_web_url(t->url))
		return yaml_fail(l->tree, yaml_get(at, "webhook"), err,
		    "webhook must be an https:// URL without a user in it");
	if (webhook && t->secret_file == NULL)
		return yaml_fail(l->tree, at, err,
		    "webhook needs a secret-file: what it is signed with");
	if (!webhook && (t->secret_file != NULL || t->allow_private))
		return yaml_fail(l->tree, at, err,
		    "secret-file and allow-private go with webhook");
	if (program &&
	    (strchr(t->program, '/') != NULL || t->program[0] == '.'))
		return yaml_fail(l->tree, yaml_get(at, "program"), err,
		    "program must be the name of a file in hooks-dir");
	if (program && l->conf->hooks_dir == NULL)
		return yaml_fail(l->tree, yaml_get(at, "program"), err,
		    "program needs hooks-dir");
	return email != NULL ? take_email(l, email, t, err) : 0;
}

static int
take_target(const struct loading *l, const struct yaml_node *at,
    struct notice_target *t, struct gg_error *err)
{
	static const char *const keys[] = { "name", "webhook", "secret-file",
		"slack-url-file", "email", "program", "ca-file",
		"allow-private", "events", "repositories", "rules", "groups",
		NULL };
	int rc;

	t->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "notices", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "name", &t->name, err)) < 0 ||
	    (rc = check_name(l, at, t, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "webhook", &t->url, err)) < 0 ||
	    (rc = config_take_path(l, at, "secret-file", &t->secret_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "slack-url-file", &t->url_file,
		 err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "program", &t->program, err)) <
		0 ||
	    (rc = config_take_path(l, at, "ca-file", &t->ca_file, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "allow-private",
		 &t->allow_private, err)) < 0 ||
	    (rc = yaml_take_list(l->tree, at, "events", &t->events, err)) < 0 ||
	    (rc = config_take_globs(l, at, "repositories", &t->repositories,
		 err)) < 0 ||
	    (rc = config_take_globs(l, at, "rules", &t->rules, err)) < 0 ||
	    (rc = yaml_take_list(l->tree, at, "groups", &t->groups, err)) < 0 ||
	    (rc = check_events(l, at, t, err)) < 0)
		return rc;
	return take_kind(l, at, t, err);
}

int
config_take_notices(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct config *c = l->conf;
	void *room;
	int rc = config_list_room(l, at, "notices", TARGETS_MAX,
	    sizeof(*c->notices), &room, err);

	c->notices = room;
	for (size_t i = 0; rc == 0 && room != NULL && i < at->n; i++)
		rc = take_target(l, &at->item[i], &c->notices[c->n_notices++],
		    err);
	return rc;
}
