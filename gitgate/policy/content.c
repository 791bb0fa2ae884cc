/* Conditions on what a push brings: paths, commits, secrets, amounts. */
#include "policy/judging.h"

#include "config/config.h"
#include "policy/signed.h"

#define EMPTY_BLOB "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
/* Report fields are cut there (model/report.h): the rest was not seen. */
#define EMAIL_CUT   ((size_t)1024)
#define MESSAGE_CUT ((size_t)65536)

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

/* A size that the inspector could not tell is 0: that may be anything. */
static bool
blob_is_larger(const struct rule *r, const struct path_change *c)
{
	char hex[OID_HEX + 1];

	if (c->new_bytes > r->blob_larger_than)
		return true;
	if (c->new_bytes > 0 || c->new_mode == 0 ||
	    (c->new_mode & 0170000) == 0160000)
		return false;
	oid_format(&c->new_oid, hex);
	return strcmp(hex, EMPTY_BLOB) != 0;
}

bool
path_is_meant(const struct rule *r, const struct path_change *c)
{
	GG_AUTO_RELEASE(path_forms) forms = { 0 };

	if (r->changes != 0 && (r->changes & c->kinds) == 0)
		return false;
	if (r->has_blob_limit && !blob_is_larger(r, c))
		return false;
	if (r->n_paths == 0)
		return true;
	path_forms_init(&forms, view_str(c->path));
	return path_globs_match(r->paths, r->n_paths, &forms);
}

static void
keep(struct found *f, size_t index)
{
	if (f->n++ >= REASON_MAX_MATCHES)
		return;
	f->kept = reallocarray(f->kept, f->n_kept + 1, sizeof(*f->kept));
	if (f->kept == NULL)
		gg_die("no memory for a decision");
	f->kept[f->n_kept++] = (uint32_t)index;
}

static void
look(const struct rule *r, const struct path_changes *changes, struct found *f)
{
	for (size_t i = 0; i < changes->n; i++)
		if (path_is_meant(r, &changes->v[i]))
			keep(f, i);
	f->known = true;
}

static void
tell(const struct found *f, const struct path_changes *changes,
    const struct oid *commit, struct reason *out)
{
	for (size_t i = 0; i < f->n_kept; i++) {
		const struct path_change *c = &changes->v[f->kept[i]];

		reason_add_match(out, c->path, change_name(c->kinds), commit);
	}
	out->n_matches_all += f->n - f->n_kept;
}

/* Why a path counts, or that none does. */
static void
explain_paths(struct judging *j, size_t n, const char *first)
{
	const struct rule *r = j->r;
	const char *glob = NULL;

	if (j->why == NULL)
		return;
	if (n == 0) {
		because(j, "no change of a path is meant");
		return;
	}
	for (size_t i = r->n_paths; i-- > 0 && glob == NULL;) {
		GG_AUTO_RELEASE(path_forms) f = { 0 };

		path_forms_init(&f, view_str(first));
		if (!r->paths[i].away && path_glob_match(&r->paths[i], &f))
			glob = r->paths[i].exact.glob;
	}
	if (glob != NULL)
		because(j, "\"%s\" covers %s (%zu in all)", glob, first, n);
	else
		because(j, "%s is meant (%zu in all)", first, n);
}

static bool
test_paths(struct judging *j)
{
	static const struct oid net_oid = { { 0 } };
	const struct change_report *report = j->in->report;
	const struct update_report *update = judged_update(j);
	const struct commit_list *list = judged_commits(j);
	size_t before = j->reason.n_matches_all;
	size_t first = j->reason.n_matches, n;
	struct found net = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		const struct commit_info *c = &report->commits[list->v[i]];
		struct found *f = &j->found[list->v[i]];

		if (!f->known)
			look(j->r, &c->paths, f);
		tell(f, &c->paths, &c->oid, &j->reason);
	}
	look(j->r, &update->net, &net);
	tell(&net, &update->net, &net_oid, &j->reason);
	free(net.kept);
	n = j->reason.n_matches_all - before;
	explain_paths(j, n,
	    j->reason.n_matches > first ? j->reason.matches[first].path : "");
	return n > 0;
}

static bool
has_paths(const struct rule *r)
{
	return rule_has_paths(r);
}

/* As the globs of a list are: in lower case. */
static bool
email_matches(const struct strv *globs, const char *email)
{
	char lower[EMAIL_CUT + 1];
	size_t n = strlen(email);

	if (globs->n == 0 || n >= EMAIL_CUT)
		return true;
	for (size_t i = 0; i < n; i++) {
		char c = email[i];

		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return glob_list_match(globs, view_of(lower, n));
}

static bool
text_matches(const struct strv *globs, struct view text)
{
	return globs->n == 0 || text.n >= MESSAGE_CUT ||
	    glob_list_match(globs, text);
}

static struct view
subject_of(const char *message)
{
	return view_of(message, strcspn(message, "\n"));
}

static bool
commit_matches(struct judging *j, const struct commit_info *c, struct found *f)
{
	const struct commit_condition *k = &j->r->commits;

	f->commit_why = k->author_email.n > 0 ? "author-email" :
	    k->committer_email.n > 0          ? "committer-email" :
	    k->message.n > 0                  ? "message" :
	    k->subject.n > 0                  ? "subject" :
	    k->want_signed                    ? "signed" :
						"not signed";
	/* a message that was cut was not looked at whole */
	return email_matches(&k->author_email, or_empty(c->author_email)) &&
	    email_matches(&k->committer_email, or_empty(c->committer_email)) &&
	    text_matches(&k->message, view_str(c->message)) &&
	    text_matches(&k->subject, subject_of(or_empty(c->message))) &&
	    (!k->signed_by ||
		commit_is_signed(k, c, j->in->now_wall_ms) == k->want_signed);
}

static void
explain_commit(struct judging *j, const struct commit_info *c, size_t n,
    const char *what)
{
	char hex[OID_HEX + 1];

	if (j->why == NULL)
		return;
	if (c == NULL) {
		because(j, "no commit is like that");
		return;
	}
	oid_format(&c->oid, hex);
	because(j, "commit %.12s, %s, by %.100s (%zu in all)", hex, what,
	    or_empty(c->author_email), n);
}

static bool
test_commits(struct judging *j)
{
	const struct commit_list *list = judged_commits(j);
	const struct commit_info *first = NULL;
	const char *what = "";
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct commit_info *c = &j->in->report->commits[list->v[i]];
		struct found *f = &j->found[list->v[i]];

		if (!f->commit_known)
			f->commit_matches = commit_matches(j, c, f);
		f->commit_known = true;
		if (!f->commit_matches)
			continue;
		reason_add_match(&j->reason, "", f->commit_why, &c->oid);
		if (n++ == 0) {
			first = c;
			what = f->commit_why;
		}
	}
	explain_commit(j, first, n, what);
	return n > 0;
}

static bool
has_commits(const struct rule *r)
{
	return r->has_commits;
}

static bool
has_secrets(const struct rule *r)
{
	return r->secrets;
}

static bool
is_allowed(const struct judging *j, const struct finding *f)
{
	return j->in->allowed_findings != NULL && f->fingerprint != NULL &&
	    strv_has(j->in->allowed_findings, f->fingerprint);
}

static void
add_finding(struct judging *j, const struct finding *f)
{
	static const struct oid none = { { 0 } };
	char text[300], line[32] = "";

	if (f->line > 0)
		(void)snprintf(line, sizeof(line), ", line %u",
		    (unsigned)f->line);
	(void)snprintf(text, sizeof(text), "secret %.120s%s: %.60s",
	    or_empty(f->rule), line, or_empty(f->masked));
	reason_add_match(&j->reason, or_empty(f->path), text,
	    f->commit == UINT32_MAX ? &none :
				      &j->in->report->commits[f->commit].oid);
}

/* Those that the rule's commits bring, or this update itself. */
static size_t
add_findings(struct judging *j, size_t *allowed)
{
	const struct change_report *report = j->in->report;
	const struct commit_list *list = judged_commits(j);
	GG_AUTO_MEM bool *in_scope = calloc(report->n_commits + 1, 1);
	size_t n = 0;

	if (in_scope == NULL)
		gg_die("no memory for a decision");
	for (size_t i = 0; i < list->n; i++)
		in_scope[list->v[i]] = true;
	for (size_t i = 0; i < report->n_findings; i++) {
		const struct finding *f = &report->findings[i];

		if (f->commit == UINT32_MAX ? f->update != j->u :
					      !in_scope[f->commit])
			continue;
		if (is_allowed(j, f)) {
			++*allowed;
			continue;
		}
		add_finding(j, f);
		n++;
	}
	return n;
}

static bool
test_secrets(struct judging *j)
{
	const struct change_report *report = j->in->report;
	size_t allowed = 0, n = 0;

	if (report->n_findings > 0)
		n = add_findings(j, &allowed);
	if (n > 0) {
		because(j, "%zu found (and %zu allowed by a reviewer)", n,
		    allowed);
		return true;
	}
	if (report->scan_incomplete != NULL && *report->scan_incomplete)
		j->uncertain = report->scan_incomplete;
	else if (report->findings_all > report->n_findings)
		j->uncertain = "more was found than is listed";
	because(j, j->uncertain ? "not everything was scanned: %s" : "%s",
	    j->uncertain ? j->uncertain :
		allowed  ? "what was found is allowed by a reviewer" :
			   "nothing was found");
	return j->uncertain != NULL;
}

static bool
has_more_than(const struct rule *r)
{
	return r->has_more_than;
}

static uint64_t
add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
lines_of(const struct path_changes *changes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < changes->n; i++)
		n = add_capped(n,
		    (uint64_t)changes->v[i].lines_added +
			changes->v[i].lines_removed);
	return n;
}

static uint64_t
count_lines(struct judging *j)
{
	const struct commit_list *list = judged_commits(j);
	uint64_t n = 0, net = lines_of(&judged_update(j)->net);

	for (size_t i = 0; i < list->n; i++) {
		struct found *f = &j->found[list->v[i]];

		if (!f->lines_known)
			f->lines =
			    lines_of(&j->in->report->commits[list->v[i]].paths);
		f->lines_known = true;
		n = add_capped(n, f->lines);
	}
	/* the net difference is made of the same lines */
	return n > net ? n : net;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
add_paths(const struct path_changes *changes, const char **out, size_t *n)
{
	for (size_t i = 0; i < changes->n; i++)
		out[(*n)++] = changes->v[i].path;
}

static uint64_t
distinct_files(const struct judging *j)
{
	const struct change_report *report = j->in->report;
	const struct commit_list *list = judged_commits(j);
	const struct path_changes *net = &judged_update(j)->net;
	GG_AUTO_MEM const char **all = NULL;
	size_t n = net->n, at = 0;
	uint64_t distinct = 0;

	for (size_t i = 0; i < list->n; i++)
		n += report->commits[list->v[i]].paths.n;
	/* they cannot be more than limited: no need to sort them out */
	if (n <= j->r->more_than.files)
		return n;
	if ((all = calloc(n + 1, sizeof(*all))) == NULL)
		gg_die("no memory for a decision");
	add_paths(net, all, &at);
	for (size_t i = 0; i < list->n; i++)
		add_paths(&report->commits[list->v[i]].paths, all, &at);
	qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; i < n; i++)
		distinct += i == 0 || strcmp(all[i], all[i - 1]) != 0;
	return distinct;
}

/* Many refs of a push often bring the same commits: count them once. */
static uint64_t
count_files(struct judging *j)
{
	const struct commit_list *list = judged_commits(j);
	const struct commit_list *last = j->counted;

	if (last != NULL && last->n == list->n &&
	    judged_update(j)->net.n == 0 &&
	    (list->n == 0 ||
		memcmp(last->v, list->v, list->n * sizeof(*list->v)) == 0))
		return j->n_files;
	j->n_files = distinct_files(j);
	j->counted = judged_update(j)->net.n == 0 ? list : NULL;
	return j->n_files;
}

static bool
test_more_than(struct judging *j)
{
	const struct more_than *m = &j->r->more_than;
	uint64_t commits = judged_commits(j)->n;
	uint64_t files = m->files != UINT64_MAX ? count_files(j) : 0;
	uint64_t lines = m->lines != UINT64_MAX ? count_lines(j) : 0;

	if (m->lines != UINT64_MAX && lines > m->lines)
		because(j, "%llu lines", (unsigned long long)lines);
	else if (m->files != UINT64_MAX && files > m->files)
		because(j, "%llu files", (unsigned long long)files);
	else
		because(j, "%llu commits, %llu files, %llu lines",
		    (unsigned long long)commits, (unsigned long long)files,
		    (unsigned long long)lines);
	return commits > m->commits ||
	    (m->files != UINT64_MAX && files > m->files) ||
	    (m->lines != UINT64_MAX && lines > m->lines);
}

static bool
has_provenance(const struct rule *r)
{
	return r->provenance.require != PROVENANCE_NONE;
}

const struct condition content_conditions[] = {
	{ "paths", has_paths, test_paths, true },
	{ "secrets", has_secrets, test_secrets, true },
	{ "commits", has_commits, test_commits, true },
	{ "more-than", has_more_than, test_more_than, true },
	{ "provenance", has_provenance, test_provenance, true },
	{ NULL, NULL, NULL, false },
};
