/* gitgate doctor: can this machine and this configuration run a gate? */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "cli/git.h"
#include "crypto/x509.h"
#include "role/spawn.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON_MS    ((int64_t)14 * 24 * 3600 * 1000)

#define KEPT_SHOWN 10

enum health { GOOD, ODD, BAD };

struct doctor {
	bool bad;
	json_t *findings; /* [{"health","what"}] */
	const struct config *config;
};

static void __attribute__((format(printf, 3, 4)))
find(struct doctor *d, enum health h, const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warning", "error" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	char text[2000];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_safe_add(&b, text);
	d->bad = d->bad || h == BAD;
	json_array_append_new(d->findings,
	    json_pack("{s:s, s:s}", "health", names[h], "what", buf_str(&b)));
}

static void
kernel(struct doctor *d, const struct config *c)
{
	bool required = c == NULL || c->sandbox == SANDBOX_REQUIRED;
	int abi = sandbox_landlock_abi();

	if (abi > 0)
		find(d, GOOD, "Landlock, ABI %d%s", abi,
		    abi < 4 ? " (TCP is held back by seccomp only)" : "");
	else
		find(d, required ? BAD : ODD, "the kernel has no Landlock%s",
		    required ? ", and sandbox: required" : "");
	if (sandbox_has_seccomp())
		find(d, GOOD, "seccomp");
	else
		find(d, required ? BAD : ODD, "the kernel has no seccomp");
}

/* "git version 2.39.5" is at least 2.30? */
static bool
git_is_recent(const char *text)
{
	static const char prefix[] = "git version ";
	uint64_t major, minor;
	struct view v = view_str(text), part;

	if (!view_has_prefix(v, prefix))
		return false;
	view_skip(&v, strlen(prefix));
	if (!view_cut(&v, '.', &part) ||
	    num_parse(part, 1000, &major, NULL) != 0)
		return false;
	part = view_of(v.p, strspn(v.p, "0123456789"));
	if (num_parse(part, 100000, &minor, NULL) != 0)
		return false;
	return major > 2 || (major == 2 && minor >= 30);
}

static void
programs(struct doctor *d)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(400);
	struct gg_error err = { 0 };

	if (git_run("/", -1, &out, &err, "--version", NULL) != 0) {
		find(d, BAD, "%s", err.msg);
	} else {
		while (out.n > 0 && out.p[out.n - 1] == '\n')
			out.p[--out.n] = '\0';
		find(d, git_is_recent(buf_str(&out)) ? GOOD : BAD,
		    "%s (2.30 or newer is needed)", buf_str(&out));
	}
}

/* Only the inspector is linked with libgit2: it knows which one. */
static void
inspector(struct doctor *d)
{
	GG_AUTO_RELEASE(buf) said = BUF_INIT(400);
	GG_AUTO_MEM char *dir = NULL, *path = NULL;
	struct gg_error err = { 0 };

	if (spawn_find_dir(&dir, &err) != 0) {
		find(d, BAD, "%s", err.msg);
		return;
	}
	path = path_f("%s/gitgate-inspector", dir);
	if (program_line(path, "--versions", &said, &err) != 0)
		find(d, BAD, "%s", err.msg);
	else
		find(d, GOOD, "%s", buf_str(&said));
}

static void
state_dir(struct doctor *d, const struct config *c)
{
	struct stat st;

	if (stat(c->state_dir, &st) != 0) {
		find(d, errno == ENOENT ? ODD : BAD,
		    "state-dir %s is not there%s", c->state_dir,
		    errno == ENOENT ? " (it is made at the first start)" : "");
		return;
	}
	if (!S_ISDIR(st.st_mode) ||
	    access(c->state_dir, R_OK | W_OK | X_OK) != 0)
		find(d, BAD, "state-dir %s cannot be written", c->state_dir);
	else if ((st.st_mode & 077) != 0)
		find(d, ODD,
		    "state-dir %s is open to others (mode %03o,"
		    " 700 is right)",
		    c->state_dir, (unsigned)st.st_mode & 0777);
	else
		find(d, GOOD, "state-dir %s", c->state_dir);
}

/* A file with a secret: there, ours, and not for others. */
static void
secret(struct doctor *d, const char *what, const char *path)
{
	struct stat st;

	if (path == NULL)
		return;
	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		find(d, BAD, "%s %s cannot be read", what, path);
	else if ((st.st_mode & 077) != 0 &&
	    !(st.st_uid == 0 && st.st_gid == 0 && (st.st_mode & 07777) == 0440))
		find(d, BAD, "%s %s is open to others (mode %03o)", what, path,
		    (unsigned)st.st_mode & 0777);
	else
		find(d, GOOD, "%s %s", what, path);
}

static void
readable(struct doctor *d, const char *what, const char *path)
{
	if (path != NULL && access(path, R_OK) != 0)
		find(d, BAD, "%s %s cannot be read", what, path);
}

static void
repositories(struct doctor *d, const struct config *c)
{
	for (size_t i = 0; i < c->n_repositories; i++) {
		const struct repository *r = &c->repositories[i];

		secret(d, "password-file", r->credential.password_file);
		secret(d, "token-file", r->credential.token_file);
		secret(d, "ssh-key", r->credential.ssh_key);
		readable(d, "known-hosts", r->credential.known_hosts);
		readable(d, "ca-file", r->credential.ca_file);
		if (r->kind == UPSTREAM_LOCAL &&
		    strchr(r->upstream, '*') == NULL)
			readable(d, "upstream", r->upstream);
	}
}

/* How long until then; gone by is BAD. */
static void
ends(struct doctor *d, const char *what, const char *path, int64_t ends_ms)
{
	int64_t left = ends_ms - clock_wall_ms();
	char at[CLOCK_RFC3339_SIZE];

	clock_format(ends_ms, at);
	find(d,
	    left < 0           ? BAD :
		left < SOON_MS ? ODD :
				 GOOD,
	    "%s %s %s %s", what, path, left < 0 ? "ended at" : "ends at", at);
}

static bool
read_text(struct doctor *d, const char *path, struct buf *out)
{
	struct gg_error err = { 0 };

	out->max = X509_FILE_MAX_BYTES;
	if (file_read(path, out, &err) == 0)
		return true;
	find(d, BAD, "tls: %s: %s", path, err.msg);
	return false;
}

static void
server_pair(struct doctor *d, const struct tls *t)
{
	GG_AUTO_RELEASE(buf) chain = { 0 }, key = { 0 };
	struct x509_server facts;
	struct gg_error err = { 0 };
	struct stat st;

	if (t->certificate_file == NULL)
		return;
	/* Debian's group ssl-cert may read keys. */
	if (stat(t->key_file, &st) == 0 && (st.st_mode & 007) != 0)
		find(d, BAD, "tls: %s is open to others (mode %03o)",
		    t->key_file, (unsigned)st.st_mode & 0777);
	if (!read_text(d, t->certificate_file, &chain) ||
	    !read_text(d, t->key_file, &key))
		return;
	if (x509_server_check(buf_view(&chain), buf_view(&key), NULL, &facts,
		&err) != 0)
		find(d, BAD, "tls: %s", err.msg);
	else
		ends(d, "tls: the certificate", t->certificate_file,
		    facts.not_after_ms);
	if (key.p != NULL)
		explicit_bzero(key.p, key.n);
}

static void
client_trust(struct doctor *d, const struct tls *t)
{
	GG_AUTO_RELEASE(buf) ca = { 0 };
	struct gg_error err = { 0 };

	if (t->client_ca_file == NULL || !read_text(d, t->client_ca_file, &ca))
		return;
	for (size_t i = 0; i <= t->client_crl_files.n; i++) {
		GG_AUTO(x509_trust) trust = NULL;
		GG_AUTO_RELEASE(buf) crl = { 0 };
		struct view text;
		bool last = i == t->client_crl_files.n;

		if (!last && !read_text(d, t->client_crl_files.v[i], &crl))
			continue;
		text = buf_view(&crl);
		if (x509_trust_new(buf_view(&ca), &text, last ? 0 : 1, &trust,
			&err) != 0)
			find(d, BAD, "tls: %s", err.msg);
		else if (!last)
			ends(d, "tls: client-crl", t->client_crl_files.v[i],
			    x509_trust_ends_ms(trust));
		else
			find(d, GOOD, "tls: client-ca %s", t->client_ca_file);
	}
}

static void
providers(struct doctor *d, const struct config *c)
{
	for (size_t i = 0; i < c->identity.n_providers; i++) {
		const struct provider *p = &c->identity.providers[i];

		secret(d, "client-secret-file", p->client_secret_file);
		secret(d, "sp-key-file", p->sp_key_file);
		readable(d, "ca-file", p->ca_file);
		readable(d, "idp-metadata-file", p->idp_metadata_file);
		readable(d, "sp-certificate-file", p->sp_certificate_file);
	}
}

static int
delivery(void *ctx, const struct stored_delivery *s)
{
	struct doctor *d = ctx;
	const char *name = s->name;
	unsigned long long behind = s->behind;
	char since[CLOCK_RFC3339_SIZE] = "";

	clock_format(s->failing_ms, since);
	if (config_find_delivery(d->config, name) == NULL)
		find(d, ODD,
		    "audit-delivery %s is not configured any more (gitgate audit delivery forget %s)",
		    name, name);
	else if (s->failing_ms != 0)
		find(d, BAD,
		    "audit-delivery %s %s since %s, %llu entries behind: %s",
		    name, s->refused ? "is refused" : "fails", since, behind,
		    s->last_error);
	else
		find(d, GOOD, "audit-delivery %s, %llu entries behind", name,
		    behind);
	return 0;
}

/* The last thing that is looked at: reading the store may make us its owner. */
static void
deliveries(struct cli *cli, struct doctor *d, const struct config *c)
{
	GG_AUTO(config) again = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };

	for (size_t i = 0; i < c->n_deliveries; i++) {
		const struct delivery_target *t = &c->deliveries[i];

		secret(d, "secret-file", t->secret_file);
		secret(d, "header-file", t->header_file);
		readable(d, "ca-file", t->ca_file);
	}
	if (c->n_deliveries == 0 || access(c->state_dir, F_OK) != 0)
		return;
	d->config = c;
	if (cli_store(cli, &again, &s, &err) != 0 ||
	    store_delivery_each(s, delivery, d, &err) != 0)
		find(d, BAD, "the store: %s", err.msg);
}

static void
log_key(struct doctor *d, const struct config *c)
{
	if (access(c->log_key, F_OK) == 0)
		secret(d, "the audit log's key", c->log_key);
	else
		find(d, ODD,
		    "the audit log's key %s is made at the first"
		    " start",
		    c->log_key);
}

/* Where nothing was ever kept, there need not even be a database. */
static void
kept(struct doctor *d, const struct cli *cli, const struct config *c)
{
	GG_AUTO_RELEASE(strv) gone = STRV_INIT, unserved = STRV_INIT;
	GG_AUTO_MEM char *database = path_f("%s/gitgate.db", c->state_dir);
	GG_AUTO_MEM char *kept_dir = path_f("%s/kept", c->state_dir);
	struct gg_error err = { 0 };

	/* With another store there is no such file. */
	if (access(database, F_OK) != 0 && access(kept_dir, F_OK) != 0)
		return;
	if (kept_look(cli, &gone, &unserved, &err) != 0) {
		find(d, BAD, "refs that the gate keeps: %s", err.msg);
		return;
	}
	for (size_t i = 0; i < gone.n && i < KEPT_SHOWN; i++)
		find(d, BAD,
		    "%s is gone: a ref that the gate keeps may need it, and "
		    "upstream has it not; restore kept/ from a backup",
		    gone.v[i]);
	if (gone.n > KEPT_SHOWN)
		find(d, BAD, "and %zu more of kept/", gone.n - KEPT_SHOWN);
	for (size_t i = 0; i < unserved.n && i < KEPT_SHOWN; i++)
		find(d, ODD,
		    "%s has refs that the gate keeps, and is not in the "
		    "configuration: nobody can fetch them; put its name back "
		    "(gitgate kept list %s)",
		    unserved.v[i], unserved.v[i]);
}

static void
print(const struct doctor *d)
{
	const json_t *f;
	size_t i;

	json_array_foreach(d->findings, i, f)
	{
		say("%-8s ", json_str(f, "health"));
		say("%s\n", json_str(f, "what")); /* made safe by find() */
	}
}

int
cmd_doctor(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	struct doctor d = { 0 };
	struct gg_error err = { 0 };
	struct words w;
	int rc;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	d.findings = json_array();
	if (cli_config(cli, &c, &err) != 0)
		find(&d, BAD, "%s", err.msg);
	else
		find(&d, GOOD, "configuration %s", c->file);
	kernel(&d, c);
	programs(&d);
	inspector(&d);
	if (c != NULL) {
		state_dir(&d, c);
		providers(&d, c);
		log_key(&d, c);
		kept(&d, cli, c);
		repositories(&d, c);
		server_pair(&d, &c->tls);
		client_trust(&d, &c->tls);
		deliveries(cli, &d, c);
	}
	if (cli->json)
		say_json(d.findings);
	else
		print(&d);
	json_decref(d.findings);
	rc = cli_flush();
	return d.bad ? CLI_NO : rc;
}
