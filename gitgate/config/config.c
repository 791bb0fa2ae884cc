#include "config/internal.h"
#include "config/limits.h"

#include "base/fd.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <limits.h>

/* systemd's LoadCredential= puts files into a directory that only the unit's
 * environment names. */
int
config_expand_path(const struct loading *l, const struct yaml_node *at,
    char **path, struct gg_error *err)
{
	static const char var[] = "$CREDENTIALS_DIRECTORY/";
	const char *dir;
	char *full;

	if ((*path)[0] == '/')
		return 0;
	if (strncmp(*path, var, sizeof(var) - 1) == 0) {
		dir = getenv("CREDENTIALS_DIRECTORY");
		if (dir == NULL || dir[0] != '/')
			return yaml_fail(l->tree, at, err,
			    "$CREDENTIALS_DIRECTORY is not set (systemd sets it where the unit has LoadCredential=)");
		full = path_f("%s/%s", dir, *path + sizeof(var) - 1);
	} else {
		full = path_f("%s/%s", l->dir, *path);
	}
	free(*path);
	*path = full;
	return 0;
}

int
config_take_path(const struct loading *l, const struct yaml_node *map,
    const char *name, char **out, struct gg_error *err)
{
	int rc = yaml_take_text(l->tree, map, name, out, err);

	if (rc < 0 || yaml_get(map, name) == NULL)
		return rc;
	return config_expand_path(l, yaml_get(map, name), out, err);
}

int
config_take_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc = yaml_take_list(l->tree, map, name, out, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; at != NULL && i < at->n; i++) {
		const char *glob = at->item[i].text;

		if (glob_check(glob + (glob[0] == '!'), err) < 0)
			return yaml_fail_wrap(l->tree, &at->item[i], err, name);
	}
	return 0;
}

int
config_list_room(const struct loading *l, const struct yaml_node *at,
    const char *what, size_t most, size_t size, void **room,
    struct gg_error *err)
{
	*room = NULL;
	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST || at->n > most)
		return yaml_fail(l->tree, at, err,
		    "%s must be a list of at most %zu", what, most);
	if (at->n > 0 && (*room = calloc(at->n, size)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", what);
	return 0;
}

static bool
is_numeric_address(const char *s)
{
	unsigned char addr[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, s, addr) == 1 ||
	    inet_pton(AF_INET6, s, addr) == 1;
}

/* "127.0.0.1:8080", "[::1]:8080" */
static int
take_listen(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	GG_AUTO_MEM char *text = strdup("127.0.0.1:8080");
	struct config *c = l->conf;
	char *colon, *host;
	uint64_t port = 0;
	int rc;

	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "listen");
	if ((rc = yaml_take_text(l->tree, root, "listen", &text, err)) < 0)
		return rc;
	host = text;
	colon = strrchr(text, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (host[0] == '[' && colon > host && colon[-1] == ']') {
			colon[-1] = '\0';
			host++;
		}
	}
	if (colon == NULL || !is_numeric_address(host) ||
	    (strchr(host, ':') != NULL) != (host != text) ||
	    num_parse(view_str(colon + 1), UINT16_MAX, &port, NULL) < 0)
		return yaml_fail(l->tree, yaml_get(root, "listen"), err,
		    "listen must be ADDRESS:PORT with a numeric address, like 127.0.0.1:8080 or \"[::1]:8080\"");
	c->listen_host = strdup(host);
	c->listen_port = (uint16_t)port;
	return c->listen_host ? 0 : gg_fail(err, GG_E_NOMEM, "listen");
}

/* scheme://host[:port], nothing behind it but maybe a slash */
static bool
public_url_is_valid(const char *s)
{
	struct view v = view_str(s);

	if (view_has_prefix(v, "https://"))
		view_skip(&v, strlen("https://"));
	else if (view_has_prefix(v, "http://"))
		view_skip(&v, strlen("http://"));
	else
		return false;
	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char x = v.p[i];

		if (!(x >= 'a' && x <= 'z') && !(x >= 'A' && x <= 'Z') &&
		    !(x >= '0' && x <= '9') && strchr(".-_:[]", x) == NULL)
			return false;
	}
	return true;
}

static int
take_public_url(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	struct config *c = l->conf;
	/* take_listen() has set it.
	 * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	bool v6 = strchr(c->listen_host, ':') != NULL;
	size_t n;
	int rc;

	c->public_url = path_f("http://%s%s%s:%u", v6 ? "[" : "",
	    c->listen_host, v6 ? "]" : "", (unsigned)c->listen_port);
	rc = yaml_take_text(l->tree, root, "public-url", &c->public_url, err);
	if (rc < 0)
		return rc;
	n = strlen(c->public_url);
	if (n > 0 && c->public_url[n - 1] == '/')
		c->public_url[n - 1] = '\0';
	if (!public_url_is_valid(c->public_url))
		return yaml_fail(l->tree, yaml_get(root, "public-url"), err,
		    "public-url must be https://HOST[:PORT] or http://HOST[:PORT], without a path");
	return 0;
}

/* A password there would be shown by everything that shows the config. */
static bool
store_has_password(const char *url)
{
	const char *from = strstr(url, "://") + 3;
	const char *end = from + strcspn(from, "/?");
	const char *at = memrchr(from, '@', (size_t)(end - from));

	return strstr(url, "password") != NULL ||
	    (at != NULL && memchr(from, ':', (size_t)(at - from)) != NULL);
}

static int
take_store(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(root, "store");
	struct config *c = l->conf;
	int rc;

	if ((c->store = strdup("sqlite")) == NULL)
		return gg_fail(err, GG_E_NOMEM, "store");
	if ((rc = yaml_take_text(l->tree, root, "store", &c->store, err)) < 0)
		return rc;
	if (strcmp(c->store, "sqlite") == 0)
		return 0;
	if (!view_has_prefix(view_str(c->store), "postgresql://") &&
	    !view_has_prefix(view_str(c->store), "postgres://"))
		return yaml_fail(l->tree, at, err,
		    "store must be sqlite or postgresql://...");
	if (store_has_password(c->store))
		return yaml_fail(l->tree, at, err,
		    "store: a password in a URL is refused: use ?passfile=FILE");
	return 0;
}

static int
take_log(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	struct config *c = l->conf;
	int rc;

	c->log_origin = path_f("%s", strstr(c->public_url, "://") + 3);
	c->log_key = path_f("%s/log-key", c->state_dir);
	if ((rc = yaml_take_text(l->tree, root, "log-origin", &c->log_origin,
		 err)) < 0 ||
	    (rc = config_take_path(l, root, "log-key", &c->log_key, err)) < 0)
		return rc;
	/* it is the key's name in a signed note too */
	if (strpbrk(c->log_origin, " +") != NULL)
		return yaml_fail(l->tree, yaml_get(root, "log-origin"), err,
		    "log-origin may not have a space or a + in it");
	return 0;
}

/* "192.0.2.1", "2001:db8::/32"; one that covers everybody is a mistake. */
static bool
is_address_or_prefix(const char *s)
{
	struct view rest = view_str(s), host = { 0 };
	GG_AUTO_MEM char *text = NULL;
	uint64_t bits = 0;

	if (!view_cut(&rest, '/', &host))
		return is_numeric_address(s);
	if ((text = view_dup(host)) == NULL || !is_numeric_address(text))
		return false;
	return num_parse(rest, strchr(text, ':') != NULL ? 128 : 32, &bits,
		   NULL) == 0 &&
	    bits > 0;
}

static int
take_proxies(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(root, "trusted-proxies");
	int rc = yaml_take_list(l->tree, root, "trusted-proxies",
	    &l->conf->trusted_proxies, err);

	for (size_t i = 0; rc == 0 && at != NULL && i < at->n; i++)
		if (!is_address_or_prefix(at->item[i].text))
			return yaml_fail(l->tree, &at->item[i], err,
			    "trusted-proxies: \"%.60s\" is neither a numeric address nor a prefix like 10.0.0.0/8",
			    at->item[i].text);
	return rc;
}

static int
take_limits(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(root, "limits");

	limits_default(&l->conf->limits);
	if (at == NULL)
		return 0;
	if (at->kind != NODE_MAP)
		return yaml_fail(l->tree, at, err, "limits must be a map");
	for (size_t i = 0; i < at->n; i++) {
		const struct yaml_node *value = &at->item[i];
		const char *key = at->key[i].text;
		int rc;

		if (value->text == NULL)
			return yaml_fail(l->tree, value, err,
			    "limits: %.60s needs a value", key);
		rc = limits_set(&l->conf->limits, key, view_str(value->text),
		    err);
		if (rc == GG_E_NOTFOUND)
			return yaml_fail(l->tree, &at->key[i], err,
			    "unknown key \"%.60s\"", key);
		if (rc < 0)
			return yaml_fail_wrap(l->tree, value, err, key);
	}
	return 0;
}

static int
take_sandbox(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	static const char *const modes[] = { "required", "best-effort", NULL };
	unsigned mode = 0;
	uint64_t n = 2;
	int rc;

	if ((rc = yaml_take_word(l->tree, root, "sandbox", modes, &mode, err)) <
		0 ||
	    (rc = yaml_take_u64(l->tree, root, "inspectors", 1, 64, &n, err)) <
		0)
		return rc;
	l->conf->sandbox = mode == 0 ? SANDBOX_REQUIRED : SANDBOX_BEST_EFFORT;
	l->conf->inspectors = (uint32_t)n;
	return 0;
}

static int
take_dirs(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	struct config *c = l->conf;
	int rc;

	if ((rc = config_take_path(l, root, "listen-file", &c->listen_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, root, "state-dir", &c->state_dir, err)) <
		0 ||
	    (rc = config_take_path(l, root, "policy-dir", &c->policy_dir,
		 err)) < 0 ||
	    (rc = config_take_path(l, root, "hooks-dir", &c->hooks_dir, err)) <
		0)
		return rc;
	if (c->state_dir == NULL || c->policy_dir == NULL)
		return yaml_fail(l->tree, root, err, "%s is missing",
		    c->state_dir == NULL ? "state-dir" : "policy-dir");
	return 0;
}

static int
take_identity(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "issuers", "providers",
		"client-certificates", "local-accounts", "totp", NULL };
	static const char *const totp[] = { "optional", "required", NULL };
	struct identity *id = &l->conf->identity;
	unsigned word = 0;
	int rc;

	id->local_accounts = true;
	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "identity", keys, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "local-accounts",
		 &id->local_accounts, err)) < 0 ||
	    (rc = yaml_take_word(l->tree, at, "totp", totp, &word, err)) < 0)
		return rc;
	id->totp_required = word == 1;
	if ((rc = config_take_issuers(l, yaml_get(at, "issuers"), err)) < 0 ||
	    (rc = config_take_providers(l, yaml_get(at, "providers"), err)) < 0)
		return rc;
	return config_take_certificates(l, yaml_get(at, "client-certificates"),
	    err);
}

static int
take_all(const struct loading *l, struct gg_error *err)
{
	static const char *const keys[] = { "listen", "listen-file",
		"public-url", "state-dir", "policy-dir", "hooks-dir", "store",
		"log-origin", "log-key", "trusted-proxies", "sandbox",
		"inspectors", "repositories", "limits", "identity", "tls",
		"notices", "witnesses", "audit-delivery", "retention", NULL };
	const struct yaml_node *root = &l->tree->root;
	int rc;

	if ((rc = yaml_check_keys(l->tree, root, "the file", keys, err)) < 0)
		return rc;
	if ((rc = take_listen(l, root, err)) < 0 ||
	    (rc = take_public_url(l, root, err)) < 0 ||
	    (rc = take_dirs(l, root, err)) < 0 ||
	    (rc = take_store(l, root, err)) < 0 ||
	    (rc = take_log(l, root, err)) < 0 ||
	    (rc = take_proxies(l, root, err)) < 0 ||
	    (rc = take_sandbox(l, root, err)) < 0 ||
	    (rc = take_limits(l, root, err)) < 0 ||
	    (rc = take_identity(l, yaml_get(root, "identity"), err)) < 0 ||
	    (rc = config_take_tls(l, yaml_get(root, "tls"), err)) < 0 ||
	    (rc = config_take_notices(l, yaml_get(root, "notices"), err)) < 0 ||
	    (rc = config_take_witnesses(l, yaml_get(root, "witnesses"), err)) <
		0 ||
	    (rc = config_take_deliveries(l, yaml_get(root, "audit-delivery"),
		 err)) < 0 ||
	    (rc = config_take_retention(l, yaml_get(root, "retention"), err)) <
		0)
		return rc;
	if ((rc = config_take_repositories(l, root, err)) < 0)
		return rc;
	if ((rc = config_check_secrets(l, err)) < 0 ||
	    (rc = config_check_deliveries(l, err)) < 0)
		return rc;
	return config_check_tls(l, err);
}

static int
parse_in(struct view text, const char *file, const char *dir,
    struct config **out, struct gg_error *err)
{
	GG_AUTO(yaml_tree) tree = NULL;
	GG_AUTO(config) c = NULL;
	struct loading l = { .dir = dir };
	int rc;

	if ((rc = yaml_tree_parse(text, file, &tree, err)) < 0)
		return rc;
	c = calloc(1, sizeof(*c));
	if (c == NULL || (c->file = strdup(file)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "config");
	l.tree = tree;
	l.conf = c;
	if ((rc = take_all(&l, err)) < 0)
		return rc;
	*out = gg_take(c);
	return 0;
}

static char *
dir_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (slash == NULL)
		return path_f(".");
	if (slash == file)
		return path_f("/.");
	return path_f("%.*s", (int)(slash - file), file);
}

int
config_parse(struct view text, const char *file, struct config **out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = dir_of(file);

	return parse_in(text, file, dir, out, err);
}

int
config_load(const char *file, struct config **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(YAML_TREE_MAX_BYTES + 1);
	GG_AUTO_MEM char *dir = dir_of(file), *real = NULL;
	int rc;

	if ((rc = file_read(file, &text, err)) < 0)
		return gg_wrap(err, rc, "%s", file);
	if ((real = realpath(dir, NULL)) == NULL)
		return gg_fail(err, GG_E_SYS, "%s", dir);
	return parse_in(buf_view(&text), file, real, out, err);
}
