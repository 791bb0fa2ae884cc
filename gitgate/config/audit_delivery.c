/* `audit-delivery:`: where the audit log is written to, besides its files. */
#include "config/internal.h"

#include "base/fd.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX      20
#define JOURNAL_SOCKET   "/run/systemd/journal/socket"
#define UNIX_PATH_MAX    107 /* of a sockaddr_un */
#define MESSAGE_MIN      480 /* what every receiver takes (RFC 5424 6.1) */
#define MESSAGE_MAX      65000
#define MESSAGE_STREAM   8192 /* what rsyslog takes unless told otherwise */
#define MESSAGE_DATAGRAM 2048 /* what receivers should take (RFC 5426 3.2) */

static int
check_name(const struct loading *l, const struct yaml_node *at,
    const struct delivery_target *t, struct gg_error *err)
{
	const struct config *c = l->conf;

	if (t->name == NULL || !delivery_name_is_valid(t->name))
		return yaml_fail(l->tree, at, err,
		    "audit-delivery: name must be 1 to 60 of a-z, 0-9 and -");
	for (size_t i = 0; i + 1 < c->n_deliveries; i++)
		if (strcmp(c->deliveries[i].name, t->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "audit-delivery: %s twice (first on line %d)",
			    t->name, c->deliveries[i].line);
	return 0;
}

/* -- syslog: tls://HOST[:PORT], tcp://, udp://, unix:PATH -- */

static const struct {
	const char *prefix;
	enum syslog_way way;
	uint16_t port;
} ways[] = {
	{ "tls://", SYSLOG_TLS, 6514 }, /* RFC 5425 */
	{ "tcp://", SYSLOG_TCP, 601 },  /* RFC 6587 */
	{ "udp://", SYSLOG_UDP, 514 },  /* RFC 5426 */
};

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool
take_host(struct view v, struct delivery_target *t)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	struct view host, port = { 0 };
	uint64_t n = t->port;

	if (v.n > 0 && v.p[0] == '[') {
		view_skip(&v, 1);
		if (!view_cut(&v, ']', &host) || (v.n > 0 && v.p[0] != ':'))
			return false;
		view_skip(&v, v.n > 0 ? 1 : 0);
		port = v;
	} else if (view_cut(&v, ':', &host)) {
		if (v.n == 0)
			return false;
		port = v;
	} else {
		host = v;
	}
	if (port.n > 0 && (num_parse(port, 65535, &n, NULL) != 0 || n == 0))
		return false;
	t->port = (uint16_t)n;
	if ((t->host = view_dup(host)) == NULL)
		return false;
	return host.n > 0 && host.n <= 253 &&
	    (strspn(t->host, chars) == host.n ||
		strspn(t->host, "0123456789abcdefABCDEF:.") == host.n);
}

static int
take_syslog(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	struct view v = view_str(t->url);

	if (view_has_prefix(v, "unix:/") && v.n - 5 <= UNIX_PATH_MAX) {
		t->way = SYSLOG_UNIX;
		t->path = path_f("%s", t->url + 5);
		return 0;
	}
	for (size_t i = 0; i < GG_COUNT(ways); i++) {
		if (!view_has_prefix(v, ways[i].prefix))
			continue;
		t->way = ways[i].way;
		t->port = ways[i].port;
		view_skip(&v, strlen(ways[i].prefix));
		if (take_host(v, t))
			return 0;
	}
	return yaml_fail(l->tree, yaml_get(at, "syslog"), err,
	    "syslog must be tls://HOST[:PORT], tcp://HOST[:PORT], udp://HOST[:PORT] or unix:/PATH");
}

static int
take_message_size(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	if (t->kind != DELIVER_SYSLOG && yaml_get(at, "max-message") != NULL)
		return yaml_fail(l->tree, yaml_get(at, "max-message"), err,
		    "max-message goes with syslog");
	t->max_message = t->way == SYSLOG_UDP ? MESSAGE_DATAGRAM :
						MESSAGE_STREAM;
	return yaml_take_u64(l->tree, at, "max-message", MESSAGE_MIN,
	    MESSAGE_MAX, &t->max_message, err);
}

/* -- which kind it is -- */

static int
take_journald(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	const struct yaml_node *value = yaml_get(at, "journald");
	bool on = false;
	int rc;

	if (value->kind == NODE_BOOL)
		rc = yaml_take_bool(l->tree, at, "journald", &on, err);
	else
		rc = yaml_take_text(l->tree, at, "journald", &t->path, err);
	if (rc < 0)
		return rc;
	if (on)
		t->path = path_f("%s", JOURNAL_SOCKET);
	if (t->path == NULL || t->path[0] != '/' ||
	    strlen(t->path) > UNIX_PATH_MAX)
		return yaml_fail(l->tree, value, err,
		    "journald must be true or the absolute path of a socket");
	return 0;
}

static int
take_webhook(const struct loading *l, const struct yaml_node *at,
    const struct delivery_target *t, struct gg_error *err)
{
	if (config_is_web_url(t->url))
		return 0;
	return yaml_fail(l->tree, yaml_get(at, "webhook"), err,
	    "webhook must be an https:// URL without a user in it");
}

/* Which of the keys is there? The others must not be. */
static int
take_kind(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	static const char *const keys[] = { "webhook", "file", "syslog",
		"journald" };
	const char *key = NULL;
	size_t n = 0;

	for (size_t i = 0; i < GG_COUNT(keys); i++)
		if (yaml_get(at, keys[i]) != NULL) {
			t->kind = (enum delivery_kind)i;
			key = keys[i];
			n++;
		}
	if (n != 1)
		return yaml_fail(l->tree, at, err,
		    "audit-delivery: each has one of webhook, file, syslog and journald");
	switch (t->kind) {
	case DELIVER_FILE:
		return config_take_path(l, at, key, &t->path, err);
	case DELIVER_JOURNALD:
		return 0; /* take_journald() */
	case DELIVER_WEBHOOK:
	case DELIVER_SYSLOG:
		break;
	}
	return yaml_take_text(l->tree, at, key, &t->url, err);
}

static int
check_kind(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	bool tls = t->kind == DELIVER_WEBHOOK ||
	    (t->kind == DELIVER_SYSLOG && t->way == SYSLOG_TLS);

	if (t->kind != DELIVER_WEBHOOK &&
	    (t->secret_file != NULL || t->header_file != NULL ||
		t->allow_private))
		return yaml_fail(l->tree, at, err,
		    "secret-file, header-file and allow-private go with webhook");
	if (!tls && t->ca_file != NULL)
		return yaml_fail(l->tree, yaml_get(at, "ca-file"), err,
		    "ca-file goes with webhook and with syslog: tls://");
	return take_message_size(l, at, t, err);
}

static int
take_by_kind(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	int rc = take_kind(l, at, t, err);

	if (rc < 0)
		return rc;
	switch (t->kind) {
	case DELIVER_WEBHOOK:
		rc = take_webhook(l, at, t, err);
		break;
	case DELIVER_SYSLOG:
		rc = take_syslog(l, at, t, err);
		break;
	case DELIVER_JOURNALD:
		rc = take_journald(l, at, t, err);
		break;
	case DELIVER_FILE:
		break;
	}
	return rc;
}

static int
take_target(const struct loading *l, const struct yaml_node *at,
    struct delivery_target *t, struct gg_error *err)
{
	static const char *const keys[] = { "name", "webhook", "file", "syslog",
		"journald", "format", "types", "from", "secret-file",
		"header-file", "ca-file", "allow-private", "max-message",
		NULL };
	static const char *const from[] = { "start", "now", NULL };
	unsigned begin = 0;
	int rc;

	t->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "audit-delivery", keys, err)) <
		0 ||
	    (rc = yaml_take_text(l->tree, at, "name", &t->name, err)) < 0 ||
	    (rc = check_name(l, at, t, err)) < 0 ||
	    (rc = yaml_take_word(l->tree, at, "format", delivery_formats,
		 &t->format, err)) < 0 ||
	    (rc = config_take_globs(l, at, "types", &t->types, err)) < 0 ||
	    (rc = yaml_take_word(l->tree, at, "from", from, &begin, err)) < 0 ||
	    (rc = config_take_path(l, at, "secret-file", &t->secret_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "header-file", &t->header_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "ca-file", &t->ca_file, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "allow-private",
		 &t->allow_private, err)) < 0 ||
	    (rc = take_by_kind(l, at, t, err)) < 0)
		return rc;
	t->from_now = begin == 1;
	return check_kind(l, at, t, err);
}

int
config_take_deliveries(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct config *c = l->conf;
	void *room;
	int rc = config_list_room(l, at, "audit-delivery", TARGETS_MAX,
	    sizeof(*c->deliveries), &room, err);

	c->deliveries = room;
	for (size_t i = 0; rc == 0 && room != NULL && i < at->n; i++)
		rc = take_target(l, &at->item[i],
		    &c->deliveries[c->n_deliveries++], err);
	return rc;
}

/* -- what the messenger's walls would let it into -- */

/* Two that write one file would cut each other's lines. */
static int
check_once(const struct loading *l, const struct delivery_target *t,
    struct gg_error *err)
{
	for (const struct delivery_target *o = l->conf->deliveries; o < t; o++)
		if (o->kind == DELIVER_FILE && strcmp(o->path, t->path) == 0)
			return gg_fail(err, GG_E_INPUT,
			    "%s:%d: file: %s writes it already (line %d)",
			    l->conf->file, t->line, o->name, o->line);
	return 0;
}

/* "/", or directly below it; the last part of the path must be a name. */
static bool
is_too_wide(const char *dir)
{
	unsigned parts = 0;

	for (const char *s = dir; *s != '\0';) {
		s += strspn(s, "/");
		parts += *s != '\0';
		s += strcspn(s, "/");
	}
	return parts < 2;
}

static int
check_dir(const struct loading *l, const struct delivery_target *t,
    struct gg_error *err)
{
	const struct config *c = l->conf;
	const char *const ours[] = { c->state_dir, c->policy_dir, c->hooks_dir,
		c->log_key, c->file, c->tls.key_file };
	GG_AUTO_MEM char *dir = delivery_dir(t);
	GG_AUTO_MEM char *real = realpath(dir, NULL);
	const char *bad = config_secret_within(c, dir);

	if (is_too_wide(dir) || (real != NULL && is_too_wide(real)) ||
	    t->path[strlen(t->path) - 1] == '/')
		return gg_fail(err, GG_E_INPUT,
		    "%s:%d: file: %s is no file in a directory of its own, as /var/log/gitgate/audit.jsonl",
		    c->file, t->line, t->path);
	if (bad == NULL && real != NULL)
		bad = config_secret_within(c, real);
	for (size_t i = 0; i < GG_COUNT(ours) && bad == NULL; i++)
		if (ours[i] != NULL &&
		    (config_is_within(dir, ours[i]) ||
			config_is_within(ours[i], t->path) ||
			(real != NULL && config_is_within(real, ours[i]))))
			bad = ours[i];
	if (bad == NULL)
		return 0;
	return gg_fail(err, GG_E_INPUT,
	    "%s:%d: file: who writes it may write all of %s, and must not get at %s: give it a directory of its own, as /var/log/gitgate",
	    c->file, t->line, dir, bad);
}

int
config_check_deliveries(const struct loading *l, struct gg_error *err)
{
	for (size_t i = 0; i < l->conf->n_deliveries; i++) {
		const struct delivery_target *t = &l->conf->deliveries[i];
		int rc;

		if (t->kind == DELIVER_FILE &&
		    ((rc = check_once(l, t, err)) < 0 ||
			(rc = check_dir(l, t, err)) < 0))
			return rc;
	}
	return 0;
}
