#include "base/auto.h"
#include "base/fd.h"
#include "config/config.h"
#include "config/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD       "state-dir: /s\npolicy-dir: /p\n"
#define REPO       "repositories: [{path: a/b, upstream: /srv/b.git}]\n"
#define OK         HEAD REPO
#define ONE(entry) HEAD "repositories:\n  - " entry "\n"
#define UP(url)    ONE("{path: a, upstream: \"" url "\"}")

/* Every message begins with file and line, so the rows say the rest. */
static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "the least there can be", OK, NULL },
	{ "nothing at all", "", "c.yaml:1: state-dir is missing" },
	{ "comments only", "# x\n", "c.yaml:1: state-dir is missing" },
	{ "only state-dir", "state-dir: /s\n",
	    "c.yaml:1: policy-dir is missing" },
	{ "no repositories", HEAD, "c.yaml:1: repositories is missing" },
	{ "repositories, none", HEAD "repositories: []\n",
	    "c.yaml:3: repositories must be a list with at least one entry" },
	{ "a list as a file", "- a\n",
	    "c.yaml:1: the file must be a map of keys" },
	{ "a word as a file", "hello\n",
	    "c.yaml:1: the file must be a map of keys" },
	{ "unknown key", OK "polcy-dir: /x\n",
	    "c.yaml:4: unknown key \"polcy-dir\"" },
	{ "a key twice", OK "state-dir: /x\n",
	    "c.yaml:4: key \"state-dir\" twice (first on line 1)" },
	{ "an anchor", OK "store: &a sqlite\n",
	    "c.yaml:4: anchors (&) are not allowed" },
	{ "an alias", OK "store: *a\n",
	    "c.yaml:4: aliases (*) are not allowed; a text that begins with \"*\" needs quotes" },
	{ "a tag", OK "store: !!str sqlite\n",
	    "c.yaml:4: tags (!) are not allowed; a text that begins with \"!\" needs quotes" },
	{ "a second document", OK "---\na: b\n",
	    "c.yaml:4: a second document" },
	{ "not YAML", OK "a: [b\n",
	    "c.yaml:5: did not find expected ',' or ']'" },
	{ "a key that is a list", OK "[a]: b\n",
	    "c.yaml:4: a key must be a word" },
	{ "NUL", OK "store: \"a\\0b\"\n",
	    "c.yaml:4: a NUL character is not allowed" },
	{ "too deep", OK "store: [[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]\n",
	    "c.yaml:4: nested too deeply" },
	{ "a number where a text is wanted", OK "store: 5\n",
	    "c.yaml:4: store: 5 needs quotes" },
	{ "a map where a text is wanted", OK "store: {}\n",
	    "c.yaml:4: store must be a text" },
	{ "an empty text", OK "store: \"\"\n", "c.yaml:4: store is empty" },
	{ "nothing where a text is wanted", OK "store:\n",
	    "c.yaml:4: store must be a text" },
	{ "two lines", OK "store: \"a\\nb\"\n",
	    "c.yaml:4: store must be one line without control characters" },
	{ "another store", OK "store: mysql://x\n",
	    "c.yaml:4: store must be sqlite or postgresql://..." },
	{ "a store", OK "store: postgresql://u@h/db?passfile=/x\n", NULL },
	{ "a store's password", OK "store: postgresql://u:hunter2@h/db\n",
	    "c.yaml:4: store: a password in a URL is refused: use ?passfile=FILE" },
	{ "a store's password as parameter",
	    OK "store: postgresql://h/db?password=hunter2\n",
	    "c.yaml:4: store: a password in a URL is refused: use ?passfile=FILE" },
	{ "listen without a port", OK "listen: 127.0.0.1\n",
	    "c.yaml:4: listen must be ADDRESS:PORT with a numeric address, like 127.0.0.1:8080 or \"[::1]:8080\"" },
	{ "listen on a name", OK "listen: localhost:80\n",
	    "c.yaml:4: listen must be ADDRESS:PORT with a numeric address, like 127.0.0.1:8080 or \"[::1]:8080\"" },
	{ "listen on a large port", OK "listen: 127.0.0.1:65536\n",
	    "c.yaml:4: listen must be ADDRESS:PORT with a numeric address, like 127.0.0.1:8080 or \"[::1]:8080\"" },
	{ "listen on bare IPv6", OK "listen: ::1:80\n",
	    "c.yaml:4: listen must be ADDRESS:PORT with a numeric address, like 127.0.0.1:8080 or \"[::1]:8080\"" },
	{ "listen on IPv6", OK "listen: \"[::1]:80\"\n", NULL },
	{ "public-url with a path", OK "public-url: https://h/gate\n",
	    "c.yaml:4: public-url must be https://HOST[:PORT] or http://HOST[:PORT], without a path" },
	{ "public-url of another scheme", OK "public-url: ftp://h\n",
	    "c.yaml:4: public-url must be https://HOST[:PORT] or http://HOST[:PORT], without a path" },
	{ "log-origin with a plus", OK "log-origin: a+b\n",
	    "c.yaml:4: log-origin may not have a space or a + in it" },
	{ "a proxy by name", OK "trusted-proxies: [10.0.0.1, lb]\n",
	    "c.yaml:4: trusted-proxies: \"lb\" is neither a numeric address nor a prefix like 10.0.0.0/8" },
	{ "a proxy that is no list", OK "trusted-proxies: 10.0.0.1\n",
	    "c.yaml:4: trusted-proxies must be a list" },
	{ "another sandbox", OK "sandbox: none\n",
	    "c.yaml:4: sandbox must be required or best-effort" },
	{ "no inspectors", OK "inspectors: 0\n",
	    "c.yaml:4: inspectors must be a number from 1 to 64" },
	{ "inspectors in words", OK "inspectors: two\n",
	    "c.yaml:4: inspectors must be a number from 1 to 64" },
	{ "identity", OK "identity:\n  people: []\n",
	    "c.yaml:5: unknown key \"people\"" },
	{ "a provider",
	    OK
	    "identity:\n  providers:\n    - {name: corp, kind: oidc, issuer: \"https://op\", client-id: x}\n",
	    NULL },
	{ "a provider on this machine",
	    OK
	    "identity:\n  providers:\n    - {name: corp, kind: oidc, issuer: \"http://127.0.0.1:1\", client-id: x}\n",
	    NULL },
	{ "a provider over plain HTTP",
	    OK
	    "identity:\n  providers:\n    - {name: corp, kind: oidc, issuer: \"http://op\", client-id: x}\n",
	    "c.yaml:6: issuer must be an https:// URL without query or fragment (http:// on this machine only)" },
	{ "a provider without a client",
	    OK
	    "identity:\n  providers:\n    - {name: corp, kind: oidc, issuer: \"https://op\"}\n",
	    "c.yaml:6: providers: corp needs issuer and client-id" },
	{ "a provider without kind",
	    OK "identity:\n  providers:\n    - {name: corp}\n",
	    "c.yaml:6: providers: each is a map with name and kind (oidc or saml)" },
	{ "a provider of another kind",
	    OK "identity:\n  providers:\n    - {name: corp, kind: ldap}\n",
	    "c.yaml:6: kind must be oidc or saml" },
	{ "a provider's name in capitals",
	    OK "identity:\n  providers:\n    - {name: Corp, kind: oidc}\n",
	    "c.yaml:6: providers: name must be 1 to 32 of a-z, 0-9 and -" },
	{ "a provider twice",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, issuer: \"https://op\", client-id: x}\n    - {name: a, kind: oidc}\n",
	    "c.yaml:7: providers: a is there twice" },
	{ "an OIDC provider with SAML's key",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, entity-id: x}\n",
	    "c.yaml:6: unknown key \"entity-id\"" },
	{ "a provider with a shared secret's algorithm",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, issuer: \"https://op\", client-id: x, algorithms: [HS256]}\n",
	    "c.yaml:6: algorithms: \"HS256\" is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA" },
	{ "scopes without openid",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, issuer: \"https://op\", client-id: x, scopes: [email]}\n",
	    "c.yaml:6: scopes: openid must be among them" },
	{ "a secret where the gate reads",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, issuer: \"https://op\", client-id: x, client-secret-file: /s/keys/a}\n",
	    "c.yaml:1: state-dir: the gate may read all of it, and it must not read /s/keys/a: keep that elsewhere, as in /etc/gitgate/keys" },
	{ "a secret beside the policy",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, issuer: \"https://op\", client-id: x, client-secret-file: /p/a}\n",
	    "c.yaml:2: policy-dir: the gate may read all of it, and it must not read /p/a: keep that elsewhere, as in /etc/gitgate/keys" },
	{ "a provider's broken template",
	    OK
	    "identity:\n  providers:\n    - {name: a, kind: oidc, principal: \"{x\", issuer: \"https://op\", client-id: x}\n",
	    "c.yaml:6: principal: a { without its }" },
	{ "a provider with an issuer's names",
	    OK
	    "identity:\n  issuers: [{name: corp, issuer: \"https://i\", audience: x, principal: \"Corp:{sub}\", require: {sub: x}}]\n"
	    "  providers:\n    - {name: corp, kind: oidc, issuer: \"https://op\", client-id: x}\n",
	    "c.yaml:7: providers: corp: its people would have names of the machines of issuer corp" },
	{ "a provider with names that an issuer's claim may make",
	    OK
	    "identity:\n  issuers: [{name: i, issuer: \"https://i\", audience: x, principal: \"co{sub}\", require: {sub: x}}]\n"
	    "  providers:\n    - {name: corp, kind: oidc, issuer: \"https://op\", client-id: x}\n",
	    "c.yaml:7: providers: corp: its people would have names of the machines of issuer i" },
	{ "an unknown limit", OK "limits:\n  pack: 1\n",
	    "c.yaml:5: unknown key \"pack\"" },
	{ "a limit's unit", OK "limits:\n  pack-size: 10 apples\n",
	    "c.yaml:5: pack-size: \"10 apples\" is not a size like 10MiB" },
	{ "a limit's duration", OK "limits:\n  max-wait: 15\n",
	    "c.yaml:5: max-wait: \"15\" is not a duration like 90s, 15m, 72h or 30d" },
	{ "a limit of nothing", OK "limits:\n  connections: 0\n",
	    "c.yaml:5: connections: must be more than 0" },
	{ "a limit that may be nothing", OK "limits: {push-options: 0}\n",
	    NULL },
	{ "a limit that is too much", OK "limits: {pack-size: 9000TiB}\n",
	    "c.yaml:4: pack-size: more than 1024TiB" },
	{ "a duration that is too much", OK "limits: {max-wait: 366d}\n",
	    "c.yaml:4: max-wait: more than 365d" },
	{ "a limit without a value", OK "limits: {max-wait: []}\n",
	    "c.yaml:4: limits: max-wait needs a value" },
	{ "limits in a list", OK "limits: [a]\n",
	    "c.yaml:4: limits must be a map" },

	{ "a repository that is a word", ONE("a"),
	    "c.yaml:4: a repository must be a map of keys" },
	{ "a repository's unknown key", ONE("{path: a, url: b}"),
	    "c.yaml:4: unknown key \"url\"" },
	{ "no path", ONE("{upstream: /b}"),
	    "c.yaml:4: a repository needs path" },
	{ "no upstream", ONE("{path: a}"),
	    "c.yaml:4: a repository needs upstream" },
	{ "a path that climbs", ONE("{path: ../a, upstream: /b}"),
	    "c.yaml:4: path \"../a\" is not a repository name (words of A-Z a-z 0-9 . _ - joined by \"/\", without .git; one of them may be \"*\")" },
	{ "half a star", ONE("{path: \"a*\", upstream: \"/b*\"}"),
	    "c.yaml:4: path \"a*\" is not a repository name (words of A-Z a-z 0-9 . _ - joined by \"/\", without .git; one of them may be \"*\")" },
	{ "two stars in path", ONE("{path: \"*/*\", upstream: \"/*\"}"),
	    "c.yaml:4: path \"*/*\" is not a repository name (words of A-Z a-z 0-9 . _ - joined by \"/\", without .git; one of them may be \"*\")" },
	{ "star in path only", ONE("{path: \"a/*\", upstream: /b}"),
	    "c.yaml:4: upstream needs exactly one *, as path has one" },
	{ "two stars in upstream", ONE("{path: \"*\", upstream: \"/*/*\"}"),
	    "c.yaml:4: upstream needs exactly one *, as path has one" },
	{ "star in upstream only", ONE("{path: a, upstream: \"/b/*\"}"),
	    "c.yaml:4: upstream has a * but path has none" },
	{ "star in the host",
	    ONE("{path: \"*\", upstream: \"https://*.com/a\"}"),
	    "c.yaml:4: upstream: the URL's host is not valid" },
	{ "star in an scp host", ONE("{path: \"*\", upstream: \"g@*:a\"}"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "star in the path of a URL",
	    ONE("{path: \"a/*\", upstream: \"https://h/x/*.git\"}"), NULL },
	{ "a repository twice",
	    ONE("{path: a, upstream: /b}\n  - {path: a, upstream: /c}"),
	    "c.yaml:5: repository a twice (first on line 4)" },
	{ "a relative upstream", UP("repo.git"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "a local path that climbs", UP("/srv/../x"),
	    "c.yaml:4: upstream: a local path may not have \".\" or \"..\" in it" },
	{ "another scheme", UP("git://h/a"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "a helper of git's", UP("ext::sh -c x"),
	    "c.yaml:4: upstream: a URL may not hold spaces or characters outside ASCII" },
	{ "a helper of git's without a space", UP("ext::sh"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "password in a URL", UP("https://u:hunter2@h/a"),
	    "c.yaml:4: upstream: a password in a URL is refused: name a file under `credential:`" },
	{ "password in an ssh URL", UP("ssh://u:hunter2@h/a"),
	    "c.yaml:4: upstream: a password in a URL is refused: name a file under `credential:`" },
	{ "user in a URL", UP("https://u@h/a"),
	    "c.yaml:4: upstream: a user name in a URL is refused: put it under `credential:`" },
	{ "query in a URL", UP("https://h/a?b"),
	    "c.yaml:4: upstream: the URL has a query or a fragment" },
	{ "no path in a URL", UP("https://h"),
	    "c.yaml:4: upstream: the URL has no path" },
	{ "only a slash in a URL", UP("https://h/"),
	    "c.yaml:4: upstream: the URL has no path" },
	{ "no host in a URL", UP("https:///a"),
	    "c.yaml:4: upstream: the URL's host is not valid" },
	{ "a host that is an option", UP("ssh://-oProxyCommand=x/a"),
	    "c.yaml:4: upstream: the URL's host is not valid" },
	{ "a user that is an option", UP("ssh://-x@h/a"),
	    "c.yaml:4: upstream: the URL's user is not valid" },
	{ "an scp host that is an option", UP("-x:a"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "an scp path that is an option", UP("h:-x"),
	    "c.yaml:4: upstream: is neither https://, ssh://, user@host:path nor an absolute path" },
	{ "a port that is none", UP("https://h:0/a"),
	    "c.yaml:4: upstream: the URL's port is not valid" },
	{ "http elsewhere", UP("http://h/a"),
	    "c.yaml:4: upstream: http:// to another machine sends the credential in clear: use https://, or set `allow-plain-http: true`" },
	{ "http to a name that only begins like loopback",
	    UP("http://127.0.0.1.example.com/a"),
	    "c.yaml:4: upstream: http:// to another machine sends the credential in clear: use https://, or set `allow-plain-http: true`" },
	{ "http to this machine", UP("http://127.0.0.1:3000/a"), NULL },
	{ "http to this machine, IPv6", UP("http://[::1]:3000/a"), NULL },
	{ "http elsewhere, allowed",
	    ONE("{path: a, upstream: \"http://h/a\", allow-plain-http: true}"),
	    NULL },
	{ "allowed in other words",
	    ONE("{path: a, upstream: \"http://h/a\", allow-plain-http: yes}"),
	    "c.yaml:4: allow-plain-http must be true or false" },
	{ "ssh key for http",
	    ONE("{path: a, upstream: \"https://h/a\", credential: {ssh-key: /k}}"),
	    "c.yaml:4: credential: ssh-key and known-hosts are for ssh upstreams" },
	{ "password for ssh",
	    ONE("{path: a, upstream: \"h:a\", credential: {username: u, password-file: /k}}"),
	    "c.yaml:4: credential: only ssh-key and known-hosts are for ssh, nothing is for a local path" },
	{ "two secrets",
	    ONE("{path: a, upstream: \"https://h/a\", credential: {token-file: /k, credential-helper: x}}"), "c.yaml:4: credential: one of password-file, token-file and credential-helper" },
	{ "password without a name",
	    ONE("{path: a, upstream: \"https://h/a\", credential: {password-file: /k}}"),
	    "c.yaml:4: credential: password-file needs a username" },
	{ "name without a password",
	    ONE("{path: a, upstream: \"https://h/a\", credential: {username: k}}"),
	    "c.yaml:4: credential: username needs a password-file or a credential-helper" },
	{ "a secret in the text",
	    ONE("{path: a, upstream: \"https://h/a\", credential: {password: x}}"),
	    "c.yaml:4: unknown key \"password\"" },
	{ "systemd's directory that is not there",
	    ONE("{path: a, upstream: \"h:a\", credential: {ssh-key: $CREDENTIALS_DIRECTORY/k}}"),
	    "c.yaml:4: $CREDENTIALS_DIRECTORY is not set (systemd sets it where the unit has LoadCredential=)" },
	{ "hide-refs that is no glob",
	    ONE("{path: a, upstream: /a, hide-refs: [\"refs/[x\"]}"),
	    "c.yaml:4: hide-refs: glob \"refs/[x\": a set [ without its ]" },
	{ "refs that take away",
	    ONE("{path: a, upstream: /a, refs: [\"**\", \"!refs/pull/**\"]}"),
	    NULL },
	{ "fsck lowered",
	    ONE("{path: a, upstream: /a, fsck: {zeroPaddedFilemode: warn}}"),
	    NULL },
	{ "fsck of another severity",
	    ONE("{path: a, upstream: /a, fsck: {zeroPaddedFilemode: info}}"),
	    "c.yaml:4: fsck: zeroPaddedFilemode must be error, warn or ignore" },
	{ "fsck of what deceives",
	    ONE("{path: a, upstream: /a, fsck: {HASDOTGIT: ignore}}"),
	    "c.yaml:4: fsck: HASDOTGIT may not be lowered: such objects deceive" },
	{ "fsck id with more in it",
	    ONE("{path: a, upstream: /a, fsck: {\"a=b\": warn}}"),
	    "c.yaml:4: fsck: \"a=b\" is not a message id of git's" },
	{ "fsck as a list", ONE("{path: a, upstream: /a, fsck: [a]}"),
	    "c.yaml:4: fsck must be a map" },
};

static void
test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(config) c = NULL;
		struct gg_error err = { 0 };
		int rc = config_parse(view_str(cases[i].text), "c.yaml", &c,
		    &err);

		if (rc != (cases[i].msg ? GG_E_INPUT : 0) ||
		    (c == NULL) != (cases[i].msg != NULL))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
		if (strcmp(err.msg, cases[i].msg ? cases[i].msg : "") != 0)
			fail_msg("%s: %s", cases[i].why, err.msg);
		if (strstr(err.msg, "hunter2") != NULL)
			fail_msg("%s: shows a secret", cases[i].why);
	}
}

static const char full[] =
    "listen: \"[::1]:0\"\n"
    "listen-file: run/addr\n"
    "public-url: https://gate.example.com/\n"
    "state-dir: state\n"
    "policy-dir: ./policy.d\n"
    "trusted-proxies: [10.0.0.1, \"::1\"]\n"
    "sandbox: best-effort\n"
    "inspectors: 3\n"
    "limits: {pack-size: 10MiB, max-wait: 15m, ref-updates: 7}\n"
    "repositories:\n"
    "  - path: acme/app\n"
    "    upstream: ssh://git@github.com:22/acme/app.git\n"
    "    credential: {ssh-key: keys/app, known-hosts: /etc/kh}\n"
    "    hide-refs: [refs/secret/**]\n"
    "  - path: acme/*\n"
    "    upstream: https://github.com/acme/*.git\n"
    "    credential: {username: x, password-file: keys/p, ca-file: ca}\n"
    "    fsck: {missingEmail: ignore}\n"
    "  - path: demo/app\n"
    "    upstream: /srv/git/app.git\n"
    "  - path: scp/app\n"
    "    upstream: git@host:acme/app.git\n";

static void
test_values(void **state)
{
	GG_AUTO(config) c = NULL;
	struct gg_error err = { 0 };

	(void)state;
	if (config_parse(view_str(full), "/etc/gg/c.yaml", &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->listen_host, "::1");
	assert_int_equal(c->listen_port, 0);
	assert_string_equal(c->listen_file, "/etc/gg/run/addr");
	assert_string_equal(c->public_url, "https://gate.example.com");
	assert_string_equal(c->state_dir, "/etc/gg/state");
	assert_string_equal(c->policy_dir, "/etc/gg/./policy.d");
	assert_string_equal(c->store, "sqlite");
	assert_string_equal(c->log_origin, "gate.example.com");
	assert_string_equal(c->log_key, "/etc/gg/state/log-key");
	assert_int_equal(c->trusted_proxies.n, 2);
	assert_int_equal(c->sandbox, SANDBOX_BEST_EFFORT);
	assert_int_equal(c->inspectors, 3);
	assert_int_equal(c->limits.pack_bytes, 10485760);
	assert_int_equal(c->limits.max_wait_ms, 900000);
	assert_int_equal(c->limits.ref_updates, 7);
	assert_int_equal(c->limits.tree_depth, 512);
	assert_int_equal(c->n_repositories, 4);
	assert_int_equal(c->repositories[0].kind, UPSTREAM_SSH);
	assert_int_equal(c->repositories[0].line, 11);
	assert_string_equal(c->repositories[0].credential.ssh_key,
	    "/etc/gg/keys/app");
	assert_int_equal(c->repositories[1].kind, UPSTREAM_HTTP);
	assert_string_equal(c->repositories[1].fsck[0].severity, "ignore");
	assert_int_equal(c->repositories[2].kind, UPSTREAM_LOCAL);
	assert_int_equal(c->repositories[3].kind, UPSTREAM_SSH);
}

static const struct {
	const char *why, *name, *upstream; /* NULL: not found */
} lookups[] = {
	{ "exact", "acme/app", "ssh://git@github.com:22/acme/app.git" },
	{ "by star", "acme/web", "https://github.com/acme/web.git" },
	{ "star with a dot", "acme/a.b", "https://github.com/acme/a.b.git" },
	{ "other case is by star", "acme/App",
	    "https://github.com/acme/App.git" },
	{ "other case is another name", "Acme/web", NULL },
	{ "star is one component", "acme/a/b", NULL },
	{ "star is not nothing", "acme/", NULL },
	{ "star does not climb", "acme/..", NULL },
	{ "star takes no option", "acme/-x", NULL },
	{ "star takes no suffix", "acme/web.git", NULL },
	{ "star takes no query", "acme/a?b", NULL },
	{ "unknown", "x/y", NULL },
	{ "empty", "", NULL },
};

static void
test_lookup(void **state)
{
	GG_AUTO(config) c = NULL;

	(void)state;
	assert_int_equal(config_parse(view_str(full), "/etc/gg/c.yaml", &c,
			     NULL),
	    0);
	for (size_t i = 0; i < GG_COUNT(lookups); i++) {
		GG_AUTO_RELEASE(repo_ref) r = { 0 };
		int rc = config_find_repository(c, view_str(lookups[i].name),
		    &r, NULL);

		if (rc != (lookups[i].upstream ? 0 : GG_E_NOTFOUND))
			fail_msg("%s: %d", lookups[i].why, rc);
		if (rc == 0 &&
		    (strcmp(r.upstream, lookups[i].upstream) != 0 ||
			strcmp(r.name, lookups[i].name) != 0))
			fail_msg("%s: %s", lookups[i].why, r.upstream);
		if (rc < 0 && (r.upstream != NULL || r.name[0] != '\0'))
			fail_msg("%s: touched", lookups[i].why);
	}
}

static void
test_load(void **state)
{
	char dir[] = "/tmp/gg-config-XXXXXX";
	GG_AUTO_MEM char *file = NULL, *want = NULL;
	GG_AUTO(config) c = NULL, *none = NULL;
	struct gg_error err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = path_f("%s/c.yaml", dir);
	want = path_f("%s/state", dir);
	assert_int_equal(file_write(file, view_str(full), 0600, false, &err),
	    0);
	assert_int_equal(config_load(file, &c, &err), 0);
	assert_string_equal(c->state_dir, want);
	assert_int_equal(dir_remove(dir, &err), 0);
	assert_int_equal(config_load(file, &none, &err), GG_E_NOTFOUND);
	assert_null(none);
}

static void
check_limit(const struct limit_info *i, void *arg)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(100);
	struct limits l = { 0 };
	struct gg_error err = { 0 };

	++*(size_t *)arg;
	limits_format(i, i->value, &text);
	if (limits_set(&l, i->key, buf_view(&text), &err) < 0 ||
	    limits_get(&l, i) != i->value)
		fail_msg("%s: %s %s", i->key, buf_str(&text), err.msg);
}

/* What is printed can be read again, and the table is the struct. */
static void
test_limits(void **state)
{
	size_t n = 0;

	(void)state;
	limits_each(check_limit, &n);
	assert_int_equal(n, sizeof(struct limits) / sizeof(uint64_t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_limits),
	};

	(void)unsetenv("CREDENTIALS_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
