/* The rule table: its memory, its bytes. rules_read.c fills it. */
#include "scan/rules.h"

static void
pattern_release(struct scan_pattern *p)
{
	free(p->text);
	regex_free(p->re);
}

static void
patterns_release(struct scan_patterns *p)
{
	for (size_t i = 0; i < p->n; i++)
		pattern_release(&p->v[i]);
	free(p->v);
}

static void
allows_release(struct scan_allows *a)
{
	for (size_t i = 0; i < a->n; i++) {
		patterns_release(&a->v[i].regexes);
		patterns_release(&a->v[i].paths);
		strv_release(&a->v[i].commits);
		strv_release(&a->v[i].stopwords);
	}
	free(a->v);
}

void
scan_rules_release(struct scan_rules *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].id);
		free(r->v[i].description);
		pattern_release(&r->v[i].regex);
		pattern_release(&r->v[i].path);
		strv_release(&r->v[i].keywords);
		allows_release(&r->v[i].allows);
	}
	for (size_t i = 0; i < r->n_files; i++) {
		free(r->files[i].name);
		allows_release(&r->files[i].allows);
	}
	free(r->v);
	free(r->files);
	strv_release(&r->warnings);
	*r = (struct scan_rules){ 0 };
}

/* ---- check ---- */

static int
check_pattern(const struct scan_rules *r, uint32_t file,
    const struct scan_pattern *p, unsigned *groups, struct gg_error *err)
{
	GG_AUTO(regex) re = NULL;
	struct gg_error why = { 0 };
	int rc;

	if (p->text == NULL)
		return 0;
	if ((rc = regex_compile(p->text, &re, &why)) != 0)
		return gg_fail(err, (enum gg_code)rc, "%s:%u: %s",
		    r->files[file].name, (unsigned)p->line, why.msg);
	if (groups != NULL)
		*groups = regex_groups(re);
	return 0;
}

static int
check_allows(const struct scan_rules *r, uint32_t file,
    const struct scan_allows *a, struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->n; i++) {
		const struct scan_allow *one = &a->v[i];

		for (size_t k = 0; rc == 0 && k < one->regexes.n; k++)
			rc = check_pattern(r, file, &one->regexes.v[k], NULL,
			    err);
		for (size_t k = 0; rc == 0 && k < one->paths.n; k++)
			rc = check_pattern(r, file, &one->paths.v[k], NULL,
			    err);
	}
	return rc;
}

int
scan_rules_check(const struct scan_rules *r, struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n_files; i++)
		rc = check_allows(r, (uint32_t)i, &r->files[i].allows, err);
	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		const struct scan_rule *rule = &r->v[i];
		unsigned groups = 0;

		if ((rc = check_pattern(r, rule->file, &rule->regex, &groups,
			 err)) != 0 ||
		    (rc = check_pattern(r, rule->file, &rule->path, NULL,
			 err)) != 0 ||
		    (rc = check_allows(r, rule->file, &rule->allows, err)) != 0)
			return rc;
		if (rule->group > groups || rule->group > REGEX_GROUPS_MAX)
			return gg_fail(err, GG_E_INPUT,
			    "%s:%u: rule %s: secretGroup %u of a regex with "
			    "%u groups",
			    r->files[rule->file].name, (unsigned)rule->line,
			    rule->id, (unsigned)rule->group, groups);
	}
	return rc;
}

/* ---- bytes ---- */

static void
enc_pattern(struct buf *b, const struct scan_pattern *p)
{
	enc_u8(b, p->text != NULL);
	enc_str(b, p->text);
	enc_u32(b, p->line);
}

static void
enc_patterns(struct buf *b, const struct scan_patterns *p)
{
	enc_u32(b, (uint32_t)p->n);
	for (size_t i = 0; i < p->n; i++)
		enc_pattern(b, &p->v[i]);
}

static void
enc_allows(struct buf *b, const struct scan_allows *a)
{
	enc_u32(b, (uint32_t)a->n);
	for (size_t i = 0; i < a->n; i++) {
		enc_u8(b, a->v[i].all);
		enc_u8(b, (uint8_t)a->v[i].target);
		enc_patterns(b, &a->v[i].regexes);
		enc_patterns(b, &a->v[i].paths);
		enc_strv(b, &a->v[i].commits);
		enc_strv(b, &a->v[i].stopwords);
	}
}

void
scan_rules_encode(const struct scan_rules *r, struct buf *out)
{
	enc_u32(out, (uint32_t)r->n_files);
	for (size_t i = 0; i < r->n_files; i++) {
		enc_str(out, r->files[i].name);
		enc_allows(out, &r->files[i].allows);
	}
	enc_u32(out, (uint32_t)r->n);
	for (size_t i = 0; i < r->n; i++) {
		const struct scan_rule *rule = &r->v[i];
		uint64_t entropy;

		memcpy(&entropy, &rule->entropy, sizeof(entropy));
		enc_str(out, rule->id);
		enc_str(out, rule->description);
		enc_pattern(out, &rule->regex);
		enc_pattern(out, &rule->path);
		enc_u32(out, rule->group);
		enc_u64(out, entropy);
		enc_strv(out, &rule->keywords);
		enc_allows(out, &rule->allows);
		enc_u32(out, rule->file);
		enc_u32(out, rule->line);
		enc_u32(out, rule->width);
	}
}

#define LIST_MAX 100000

static void *
room(uint32_t n, size_t each)
{
	void *p = calloc((size_t)n + 1, each);

	if (p == NULL)
		gg_die("no memory for secret rules");
	return p;
}

static void
read_pattern(struct dec *d, struct scan_pattern *p)
{
	bool there = dec_u8(d) == 1;
	char *text = dec_str(d, SCAN_PATTERN_MAX);

	p->line = dec_u32(d);
	if (there)
		p->text = text;
	else
		free(text);
}

static void
read_patterns(struct dec *d, struct scan_patterns *p)
{
	uint32_t n = dec_count(d, 9);

	if (d->failed)
		return;
	p->v = room(n, sizeof(*p->v));
	for (p->n = 0; p->n < n && !d->failed; p->n++) {
		read_pattern(d, &p->v[p->n]);
		if (p->v[p->n].text == NULL)
			d->failed = true;
	}
}

static void
read_allows(struct dec *d, struct scan_allows *a)
{
	uint32_t n = dec_count(d, 18);

	if (d->failed)
		return;
	a->v = room(n, sizeof(*a->v));
	for (a->n = 0; a->n < n && !d->failed; a->n++) {
		struct scan_allow *one = &a->v[a->n];
		uint8_t target;

		one->all = dec_u8(d) == 1;
		if ((target = dec_u8(d)) > SCAN_TARGET_LINE)
			d->failed = true;
		else
			one->target = (enum scan_target)target;
		read_patterns(d, &one->regexes);
		read_patterns(d, &one->paths);
		dec_strv(d, &one->commits, LIST_MAX);
		dec_strv(d, &one->stopwords, LIST_MAX);
	}
}

static void
read_rule(struct dec *d, size_t n_files, struct scan_rule *rule)
{
	uint64_t entropy;

	rule->id = dec_str(d, SCAN_ID_MAX);
	rule->description = dec_str(d, SCAN_PATTERN_MAX);
	read_pattern(d, &rule->regex);
	read_pattern(d, &rule->path);
	rule->group = dec_u32(d);
	entropy = dec_u64(d);
	memcpy(&rule->entropy, &entropy, sizeof(entropy));
	dec_strv(d, &rule->keywords, LIST_MAX);
	read_allows(d, &rule->allows);
	rule->file = dec_u32(d);
	rule->line = dec_u32(d);
	rule->width = dec_u32(d);
	if (rule->file >= n_files || rule->group > REGEX_GROUPS_MAX)
		d->failed = true;
}

int
scan_rules_decode(struct view v, struct scan_rules *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(scan_rules) r = { 0 };
	struct dec d = dec_of(v);
	uint32_t n = dec_count(&d, 8);
	int rc;

	if (!d.failed)
		r.files = room(n, sizeof(*r.files));
	for (; r.n_files < n && !d.failed; r.n_files++) {
		r.files[r.n_files].name = dec_str(&d, SCAN_PATTERN_MAX);
		read_allows(&d, &r.files[r.n_files].allows);
	}
	n = dec_count(&d, 50);
	if (!d.failed)
		r.v = room(n, sizeof(*r.v));
	for (; !d.failed && r.n < n; r.n++)
		read_rule(&d, r.n_files, &r.v[r.n]);
	if ((rc = dec_end(&d, err)) != 0)
		return gg_wrap(err, rc, "secret rules");
	*out = r;
	r = (struct scan_rules){ 0 };
	return 0;
}
