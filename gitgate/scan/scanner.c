#include "scan/scanner.h"

#include "base/sha256.h"
#include "scan/allow.h"
#include "scan/compile.h"
#include "scan/entropy.h"

#include <hs/hs.h>

#include <sys/mman.h>
#include <sys/stat.h>

/* Where matches of one rule may begin: merged, in order of discovery. Nearly
 * all matches are short: what an expression without bounds (or with wide
 * ones) matched is first looked for near its end. */
#define WINDOWS_MAX     256
#define FIRST_LOOK_BACK 1024
#define WIDEN_BY        8
struct windows {
	struct span *v;
	size_t n, alloc;
};

struct scanner {
	struct scan_rules rules;
	hs_database_t *db; /* NULL: no rule has a regex */
	hs_scratch_t *scratch;
	struct windows *windows; /* per rule */
	char *lower;             /* the fragment, for keywords */
	size_t lower_alloc;
	bool lower_made;
	bool path_mattered;
};

/* ---- open ---- */

static int
bad_file(struct gg_error *err)
{
	return gg_fail(err, GG_E_CORRUPT,
	    "the compiled secret rules are damaged");
}

static int
take_database(struct scanner *s, struct view bytes, struct gg_error *err)
{
	hs_error_t rc;

	if (bytes.n == 0)
		return 0;
	rc = hs_deserialize_database(bytes.p, bytes.n, &s->db);
	if (rc == HS_DB_PLATFORM_ERROR || rc == HS_DB_VERSION_ERROR)
		return gg_fail(err, GG_E_CORRUPT,
		    "the secret rules were compiled for another processor or "
		    "library");
	if (rc != HS_SUCCESS)
		return bad_file(err);
	if (hs_alloc_scratch(s->db, &s->scratch) != HS_SUCCESS)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	return 0;
}

static bool
digest_fits(struct view file)
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 sum;

	sha256_begin(&sum);
	sha256_add(&sum,
	    view_of(file.p + SCAN_MAGIC_LEN + SHA256_BYTES,
		file.n - SCAN_MAGIC_LEN - SHA256_BYTES));
	sha256_end(&sum, digest);
	return memcmp(digest, file.p + SCAN_MAGIC_LEN, sizeof(digest)) == 0;
}

int
scanner_new(struct view file, struct scanner **out, struct gg_error *err)
{
	GG_AUTO(scanner) s = NULL;
	struct view rest = file, table;
	struct dec d;
	uint32_t n;
	int rc;

	if (file.n < SCAN_HEAD_BYTES || !view_has_prefix(file, SCAN_MAGIC) ||
	    !digest_fits(file))
		return bad_file(err);
	view_skip(&rest, SCAN_MAGIC_LEN + SHA256_BYTES);
	d = dec_of(rest);
	n = dec_u32(&d);
	if (n > d.left.n)
		return bad_file(err);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	table = view_of(d.left.p, n);
	view_skip(&d.left, n);
	if (scan_rules_decode(table, &s->rules, NULL) != 0)
		return bad_file(err);
	s->windows = calloc(s->rules.n + 1, sizeof(*s->windows));
	if (s->windows == NULL)
		return gg_fail(err, GG_E_NOMEM, "secret rules");
	if ((rc = take_database(s, d.left, err)) != 0)
		return rc;
	*out = gg_take(s);
	return 0;
}

int
scanner_open(int fd, struct scanner **out, struct gg_error *err)
{
	struct stat st;
	void *p;
	int rc;

	if (fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "secret rules");
	if (st.st_size <= 0)
		return bad_file(err);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return gg_fail(err, GG_E_SYS, "secret rules");
	rc = scanner_new(view_of(p, (size_t)st.st_size), out, err);
	(void)munmap(p, (size_t)st.st_size);
	return rc;
}

void
scanner_free(struct scanner *s)
{
	if (s == NULL)
		return;
	(void)hs_free_scratch(s->scratch);
	(void)hs_free_database(s->db);
	for (size_t i = 0; s->windows != NULL && i < s->rules.n; i++)
		free(s->windows[i].v);
	free(s->windows);
	scan_rules_release(&s->rules);
	free(s->lower);
	free(s);
}

/* ---- candidates ---- */

static void
add_window(struct windows *w, size_t begin, size_t end)
{
	struct span *last = w->n > 0 ? &w->v[w->n - 1] : NULL;

	/* Too many: one window over them all, which only costs time. */
	if (last != NULL &&
	    ((begin <= last->end && end >= last->begin) ||
		w->n == WINDOWS_MAX)) {
		last->begin = begin < last->begin ? begin : last->begin;
		last->end = end > last->end ? end : last->end;
		return;
	}
	if (w->n == w->alloc) {
		size_t want = w->alloc ? 2 * w->alloc : 4;
		void *p = reallocarray(w->v, want, sizeof(*w->v));

		if (p == NULL)
			gg_die("no memory for %zu candidates", want);
		w->v = p;
		w->alloc = want;
	}
	/* There is room: alloc is 0 where v is NULL.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	w->v[w->n++] = (struct span){ begin, end };
}

static int
on_candidate(unsigned id, unsigned long long from, unsigned long long to,
    unsigned flags, void *ctx)
{
	struct scanner *s = ctx;
	size_t end = (size_t)to, back = s->rules.v[id].width;

	(void)from;
	(void)flags;
	if (back > FIRST_LOOK_BACK)
		back = FIRST_LOOK_BACK;
	add_window(&s->windows[id], end > back ? end - back : 0, end);
	return 0;
}

static int
find_candidates(struct scanner *s, struct view text, struct gg_error *err)
{
	for (size_t i = 0; i < s->rules.n; i++)
		s->windows[i].n = 0;
	if (s->db == NULL || text.n == 0)
		return 0;
	if (text.n > SCAN_FRAGMENT_MAX)
		gg_die("a fragment of %zu bytes", text.n);
	if (hs_scan(s->db, text.p, (unsigned)text.n, 0, s->scratch,
		on_candidate, s) != HS_SUCCESS)
		return gg_fail(err, GG_E_CORRUPT, "scanning failed");
	return 0;
}

/* ---- confirming ---- */

static const char *
lower_text(struct scanner *s, struct view text)
{
	if (s->lower_made)
		return s->lower;
	if (text.n > s->lower_alloc) {
		free(s->lower);
		if ((s->lower = malloc(text.n)) == NULL)
			gg_die("no memory for a text of %zu bytes", text.n);
		s->lower_alloc = text.n;
	}
	for (size_t i = 0; i < text.n; i++)
		s->lower[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ?
		    (char)(text.p[i] | 0x20) :
		    text.p[i];
	s->lower_made = true;
	return s->lower;
}

static bool
has_keyword(struct scanner *s, const struct scan_rule *rule, struct view text)
{
	const char *low;

	if (rule->keywords.n == 0)
		return true;
	low = lower_text(s, text);
	for (size_t i = 0; i < rule->keywords.n; i++)
		if (memmem(low, text.n, rule->keywords.v[i],
			strlen(rule->keywords.v[i])) != NULL)
			return true;
	return false;
}

static struct span
trim(struct view text, struct span s)
{
	while (s.begin < s.end && text.p[s.begin] == '\n')
		s.begin++;
	while (s.end > s.begin && text.p[s.end - 1] == '\n')
		s.end--;
	return s;
}

/* Which part of the match is the secret. */
static struct span
secret_of(const struct scan_rule *rule, const struct span *spans,
    unsigned groups, struct span whole)
{
	if (rule->group > 0)
		return spans[rule->group];
	for (unsigned i = 1; i <= groups && i <= REGEX_GROUPS_MAX; i++)
		if (spans[i].begin != REGEX_NONE &&
		    spans[i].end > spans[i].begin)
			return spans[i];
	return whole;
}

static struct view
part(struct view text, struct span s)
{
	return view_of(text.p + s.begin, s.end - s.begin);
}

static struct view
line_of(struct view text, struct span s)
{
	const char *nl;

	while (s.begin > 0 && text.p[s.begin - 1] != '\n')
		s.begin--;
	nl = s.end < text.n ? memchr(text.p + s.end, '\n', text.n - s.end) :
			      NULL;
	s.end = nl != NULL ? (size_t)(nl - text.p) : text.n;
	return part(text, s);
}

/* Everything that is asked of a match. True: it is one. */
static bool
judge(struct scanner *s, const struct scan_fragment *f, struct scan_rule *rule,
    struct scan_hit *hit)
{
	struct view secret = part(f->text, hit->secret);
	struct allow_subject subject = {
		.secret = secret,
		.match = part(f->text, hit->match),
		.line = line_of(f->text, hit->match),
		.path = f->path,
		.commit = f->commit,
	};

	if (secret.n == 0)
		return false;
	hit->checksum = checksum_of(secret);
	if (hit->checksum == CHECKSUM_FORGED)
		return false;
	/* What a checksum proves needs no guessing. */
	if (rule->entropy > 0 && hit->checksum != CHECKSUM_RIGHT &&
	    entropy_of(secret) <= rule->entropy)
		return false;
	return !allows_hold(&s->rules.files[rule->file].allows, &subject,
		   &s->path_mattered) &&
	    !allows_hold(&rule->allows, &subject, &s->path_mattered);
}

struct confirm {
	struct scanner *s;
	const struct scan_fragment *f;
	scan_found found;
	void *ctx;
	struct gg_error *err;
};

static int
confirm_match(struct confirm *c, struct scan_rule *rule,
    const struct span *spans, unsigned groups)
{
	struct scan_hit hit = { .rule = rule,
		.match = trim(c->f->text, spans[0]) };

	hit.secret = secret_of(rule, spans, groups, hit.match);
	if (hit.secret.begin == REGEX_NONE || !judge(c->s, c->f, rule, &hit))
		return 0;
	return c->found(c->ctx, &hit, c->err);
}

/* All matches that begin in the window, but for what is done. */
static int
search_window(struct confirm *c, struct scan_rule *rule, struct span window,
    size_t *done)
{
	struct regex *re = pattern_regex(&rule->regex);
	struct span spans[REGEX_GROUPS_MAX + 1];
	unsigned flags = (c->f->first ? 0 : REGEX_NOT_BOL) |
	    (c->f->last ? 0 : REGEX_NOT_EOL);
	size_t from = window.begin > *done ? window.begin : *done;
	int rc;

	/* What ends at the window's end begins before it. */
	while (from < window.end) {
		rc = regex_search(re, c->f->text, from, window.end - 1, flags,
		    spans, c->err);
		if (rc <= 0)
			return rc;
		from = spans[0].end > spans[0].begin ? spans[0].end :
						       spans[0].end + 1;
		*done = from;
		if ((rc = confirm_match(c, rule, spans, regex_groups(re))) != 0)
			return rc;
	}
	return 0;
}

/* Further back, until a match reaches the end that was announced. */
static int
confirm_window(struct confirm *c, struct scan_rule *rule, struct span window,
    size_t *done)
{
	size_t back = rule->width < FIRST_LOOK_BACK ? rule->width :
						      FIRST_LOOK_BACK;
	size_t most = rule->width < SCAN_LOOK_BACK ? rule->width :
						     SCAN_LOOK_BACK;
	int rc;

	while ((rc = search_window(c, rule, window, done)) == 0 &&
	    *done < window.end && window.begin > *done && back < most) {
		size_t more = back * (WIDEN_BY - 1);

		if (more > most - back)
			more = most - back;
		back += more;
		window.begin -= more < window.begin ? more : window.begin;
	}
	return rc;
}

static int
by_begin(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

static int
confirm_rule(struct confirm *c, struct scan_rule *rule, struct windows *w)
{
	size_t done = 0;
	int rc = 0;

	if (rule->path.text != NULL &&
	    !pattern_matches(&rule->path, c->f->path)) {
		c->s->path_mattered = true;
		return 0;
	}
	if (!has_keyword(c->s, rule, c->f->text))
		return 0;
	qsort(w->v, w->n, sizeof(*w->v), by_begin);
	for (size_t i = 0; rc == 0 && i < w->n; i++)
		rc = confirm_window(c, rule, w->v[i], &done);
	return rc;
}

int
scanner_scan(struct scanner *s, const struct scan_fragment *f, scan_found found,
    void *ctx, struct gg_error *err)
{
	struct confirm c = { s, f, found, ctx, err };
	int rc, late = 0;

	s->lower_made = s->path_mattered = false;
	if ((rc = find_candidates(s, f->text, err)) != 0)
		return rc;
	for (size_t i = 0; i < s->rules.n; i++) {
		if (s->windows[i].n == 0)
			continue;
		rc = confirm_rule(&c, &s->rules.v[i], &s->windows[i]);
		/* The other rules are asked all the same. */
		if (rc == GG_E_LIMIT)
			late = rc;
		else if (rc != 0)
			return rc;
	}
	return late;
}

bool
scanner_path_mattered(const struct scanner *s)
{
	return s->path_mattered;
}

/* ---- paths ---- */

const struct scan_rule *
scanner_path_rule(struct scanner *s, struct view path, const char *commit,
    size_t *at)
{
	struct allow_subject subject = { .path = path, .commit = commit };

	while (path.n > 0 && *at < s->rules.n) {
		struct scan_rule *rule = &s->rules.v[(*at)++];

		if (rule->regex.text == NULL &&
		    pattern_matches(&rule->path, path) &&
		    !allows_hold(&s->rules.files[rule->file].allows, &subject,
			NULL) &&
		    !allows_hold(&rule->allows, &subject, NULL))
			return rule;
	}
	return NULL;
}

bool
scanner_skips_path(struct scanner *s, struct view path, const char *commit)
{
	struct allow_subject subject = { .path = path, .commit = commit };

	for (size_t i = 0; i < s->rules.n_files; i++)
		if (!allows_hold(&s->rules.files[i].allows, &subject, NULL))
			return false;
	return s->rules.n_files > 0;
}
