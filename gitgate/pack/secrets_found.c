/* What a scan found: masks, fingerprints, and the report's findings. */
#include "pack/secrets_priv.h"

#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"

#include <stdarg.h>

enum {
	/* Of a secret of several lines, shorter ones give nothing away. */
	MASK_LINE_MIN = 8,
	MASK_LINES_MAX = 20000,
};

char *
secrets_keep(char *s)
{
	if (s == NULL)
		gg_die("no memory for a finding");
	return s;
}

void
secrets_set(char **at, char *with)
{
	free(*at);
	*at = secrets_keep(with);
}

void
secrets_incomplete(struct inspection *in, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (in->report->scan_incomplete != NULL &&
	    *in->report->scan_incomplete != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	secrets_set(&in->report->scan_incomplete, strdup(text));
}

static void
add_mask(struct masks *m, struct view line)
{
	for (size_t i = 0; i < m->n; i++)
		if (view_eq(view_of(m->v[i].secret, m->v[i].n), line))
			return;
	if (m->n == MASK_LINES_MAX) {
		m->everything = true;
		return;
	}
	if (m->n == m->alloc) {
		size_t want = m->alloc ? 2 * m->alloc : 16;
		void *p = reallocarray(m->v, want, sizeof(*m->v));

		if (p == NULL)
			gg_die("no memory for %zu masks", want);
		m->v = p;
		m->alloc = want;
	}
	m->v[m->n++] = (struct mask){ .secret = secrets_keep(view_dup(line)),
		.n = line.n,
		.shown = secret_shown(line) };
}

static void
add_masks(struct masks *m, struct view secret)
{
	struct view line;

	if (memchr(secret.p, '\n', secret.n) == NULL) {
		add_mask(m, secret);
		return;
	}
	while (secret.n > 0) {
		if (!view_cut(&secret, '\n', &line)) {
			line = secret;
			secret.n = 0;
		}
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n >= MASK_LINE_MIN)
			add_mask(m, line);
	}
}

/* HMAC-SHA-256 under the installation's key of "gitgate-finding-v1", the
 * rule, the path and the secret, each ended by a NUL but the last. */
static void
fingerprint(const struct scan *s, const char *rule, struct view secret,
    char hex[2 * SHA256_BYTES + 1])
{
	unsigned char digest[SHA256_BYTES];
	struct hmac_sha256 m;

	hmac_sha256_begin(&m,
	    view_of(s->in->job->salt, sizeof(s->in->job->salt)));
	hmac_sha256_add(&m, view_of("gitgate-finding-v1", 19));
	hmac_sha256_add(&m, view_of(rule, strlen(rule) + 1));
	hmac_sha256_add(&m, s->at->path);
	hmac_sha256_add(&m, view_of("", 1));
	hmac_sha256_add(&m, secret);
	hmac_sha256_end(&m, digest);
	hex_encode(digest, sizeof(digest), hex);
}

/* To rules, commits that stand in the same lists are alike: one of them is
 * enough. */
static bool
same_lists(const struct scan *s, const struct finding *f, uint32_t commit,
    uint32_t update)
{
	if (f->commit == UINT32_MAX || commit == UINT32_MAX)
		return f->commit == commit && f->update == update;
	return s->lists[f->commit] == s->lists[commit];
}

static bool
is_known(const struct scan *s, const char *hex, uint32_t update)
{
	const struct change_report *r = s->in->report;

	for (size_t i = 0; i < r->n_findings; i++)
		if (strcmp(r->findings[i].fingerprint, hex) == 0 &&
		    same_lists(s, &r->findings[i], s->at->commit, update))
			return true;
	return false;
}

static char *
description(const struct scan_rule *rule, enum checksum sum)
{
	return path_f("%s%s", rule->description,
	    sum == CHECKSUM_RIGHT     ? " (its checksum is right)" :
		sum == CHECKSUM_WRONG ? " (its checksum is wrong)" :
					"");
}

/* A path, without the secret if it stands there. */
static char *
shown_path(const struct scan *s)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);

	if (masks_apply(&s->in->masks, s->at->path, &b))
		return secrets_keep(buf_take(&b));
	return secrets_keep(view_dup(s->at->path));
}

static void
fill_finding(const struct scan *s, struct finding *f,
    const struct scan_rule *rule, enum checksum sum, struct view secret,
    uint64_t line)
{
	f->place = s->at->kind;
	f->commit = s->at->commit;
	f->line = s->at->kind == FINDING_PATH ? 0 :
	    line > UINT32_MAX                 ? UINT32_MAX :
						(uint32_t)line;
	secrets_set(&f->rule, strdup(rule->id));
	secrets_set(&f->description, description(rule, sum));
	secrets_set(&f->path, shown_path(s));
	secrets_set(&f->masked,
	    rule->regex.text != NULL ? secret_shown(secret) : strdup("..."));
}

static int
enough(struct scan *s, struct gg_error *err)
{
	s->in->masks.everything = true;
	secrets_incomplete(s->in, "there are more than %d secrets",
	    REPORT_MAX_FINDINGS);
	return gg_fail(err, GG_E_EXISTS, "enough was found");
}

int
secrets_add(struct scan *s, const struct scan_rule *rule, enum checksum sum,
    struct view secret, uint64_t line, struct gg_error *err)
{
	struct change_report *r = s->in->report;
	bool any = s->at->update == UINT32_MAX;
	uint32_t u = any ? 0 : s->at->update;
	char hex[2 * SHA256_BYTES + 1];
	struct finding *f;

	s->again = true;
	fingerprint(s, rule->id, secret, hex);
	if (rule->regex.text != NULL)
		add_masks(&s->in->masks, secret);
	do {
		if (is_known(s, hex, u))
			continue;
		if ((f = change_report_add_finding(r)) == NULL)
			return enough(s, err);
		f->update = u;
		secrets_set(&f->fingerprint, strdup(hex));
		fill_finding(s, f, rule, sum, secret, line);
	} while (any && ++u < r->n_updates);
	return 0;
}
