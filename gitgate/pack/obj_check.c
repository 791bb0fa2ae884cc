#include "pack/obj_check.h"

#include "base/auto.h"
#include "base/num.h"
#include "pack/entry_name.h"

/* ---- lines ---- */

static bool
take_line(struct view *in, struct view *line)
{
	return view_cut(in, '\n', line);
}

/* "key <40 hex>\n" at the front of *in. */
static bool
take_oid_line(struct view *in, const char *key, struct oid *out)
{
	struct view rest = *in, line;

	if (!view_has_prefix(rest, key) || !take_line(&rest, &line))
		return false;
	view_skip(&line, strlen(key));
	if (!oid_parse(line, out))
		return false;
	*in = rest;
	return true;
}

static bool
has_nul(struct view v)
{
	return v.n > 0 && memchr(v.p, '\0', v.n) != NULL;
}

/* ---- idents ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
ident_tail_is_valid(struct view v)
{
	struct view num;
	uint64_t secs;

	if (v.n == 0 || v.p[0] != ' ')
		return false;
	view_skip(&v, 1);
	if (!view_cut(&v, ' ', &num) || num.n == 0 || num.n > 19)
		return false;
	if (num.n > 1 && num.p[0] == '0')
		return false;
	if (num_parse(num, INT64_MAX, &secs, NULL) != 0)
		return false;
	return v.n == 5 && (v.p[0] == '+' || v.p[0] == '-') &&
	    is_digit(v.p[1]) && is_digit(v.p[2]) && is_digit(v.p[3]) &&
	    is_digit(v.p[4]);
}

/* "Name <mail> seconds zone": one '<', one '>', in this order. */
static bool
ident_is_valid(struct view v)
{
	struct view name, email;

	if (!view_cut(&v, '<', &name) || !view_cut(&v, '>', &email))
		return false;
	if (name.n == 0 || name.p[name.n - 1] != ' ')
		return false;
	if (memchr(name.p, '>', name.n) != NULL ||
	    (email.n > 0 && memchr(email.p, '<', email.n) != NULL))
		return false;
	return ident_tail_is_valid(v);
}

void
ident_parse(struct view line, struct ident *out)
{
	struct view rest = line, zone;
	uint64_t secs = 0;
	struct view num;

	*out = (struct ident){ 0 };
	if (!view_cut(&rest, '<', &out->name)) {
		out->name = line;
		return;
	}
	while (out->name.n > 0 && out->name.p[out->name.n - 1] == ' ')
		out->name.n--;
	if (!view_cut(&rest, '>', &out->email)) {
		out->email = rest;
		return;
	}
	while (rest.n > 0 && rest.p[0] == ' ')
		view_skip(&rest, 1);
	zone = rest;
	if (!view_cut(&zone, ' ', &num))
		num = rest;
	if (num_parse(num, INT64_MAX, &secs, NULL) == 0)
		out->time = (int64_t)secs;
}

static int
check_ident(struct view *in, const char *key, unsigned relax,
    struct gg_error *err)
{
	struct view line;

	if (!view_has_prefix(*in, key) || !take_line(in, &line))
		return gg_fail(err, GG_E_PEER, "no %sline where it belongs",
		    key);
	view_skip(&line, strlen(key));
	if (!(relax & RELAX_IDENT) && !ident_is_valid(line))
		return gg_fail(err, GG_E_PEER, "malformed %sline", key);
	return 0;
}

/* ---- further headers, of commits and tags ---- */

/* Headers that mean something to git: a second one could be read by one
 * program and passed over by another. */
static const char *const single[] = { "encoding", "gpgsig", "gpgsig-sha256" };
static const char *const reserved[] = { "tree", "parent", "author", "committer",
	"object", "type", "tag", "tagger" };

static int
check_header_name(struct view name, unsigned *seen, struct gg_error *err)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return gg_fail(err, GG_E_PEER, "malformed header");
	for (size_t i = 0; i < GG_COUNT(reserved); i++)
		if (view_eq_str(name, reserved[i]))
			return gg_fail(err, GG_E_PEER,
			    "header %s twice or out of order", reserved[i]);
	for (size_t i = 0; i < GG_COUNT(single); i++) {
		if (!view_eq_str(name, single[i]))
			continue;
		if (*seen & (1U << i))
			return gg_fail(err, GG_E_PEER, "header %s twice",
			    single[i]);
		*seen |= 1U << i;
	}
	return 0;
}

/* Everything up to the empty line (or the end). */
static int
check_headers(struct view in, struct gg_error *err)
{
	unsigned seen = 0;
	bool first = true;
	struct view line, name;
	int rc;

	for (; in.n > 0; first = false) {
		if (!take_line(&in, &line))
			return gg_fail(err, GG_E_PEER, "unterminated header");
		if (line.n == 0)
			return 0;
		if (line.p[0] == ' ' && !first)
			continue;
		if (!view_cut(&line, ' ', &name) || name.n == 0)
			return gg_fail(err, GG_E_PEER, "malformed header");
		if ((rc = check_header_name(name, &seen, err)) != 0)
			return rc;
	}
	return 0;
}

int
obj_check_commit(struct view raw, unsigned relax, struct gg_error *err)
{
	struct oid oid;
	int rc;

	if (has_nul(raw))
		return gg_fail(err, GG_E_PEER, "NUL in a commit");
	if (!take_oid_line(&raw, "tree ", &oid))
		return gg_fail(err, GG_E_PEER, "no tree line where it belongs");
	while (take_oid_line(&raw, "parent ", &oid))
		continue;
	if (view_has_prefix(raw, "parent "))
		return gg_fail(err, GG_E_PEER, "malformed parent line");
	if ((rc = check_ident(&raw, "author ", relax, err)) != 0 ||
	    (rc = check_ident(&raw, "committer ", relax, err)) != 0)
		return rc;
	return check_headers(raw, err);
}

int
commit_parse(struct view raw, struct commit_fields *out, struct gg_error *err)
{
	struct view line;
	struct oid oid;

	*out = (struct commit_fields){ 0 };
	if (!take_oid_line(&raw, "tree ", &out->tree))
		return gg_fail(err, GG_E_PEER, "commit without a tree");
	out->parents = raw;
	while (take_oid_line(&raw, "parent ", &oid))
		out->n_parents++;
	while (take_line(&raw, &line) && line.n > 0) {
		struct ident *id = NULL;

		if (view_has_prefix(line, "author ") &&
		    out->author.name.p == NULL)
			id = &out->author;
		else if (view_has_prefix(line, "committer ") &&
		    out->committer.name.p == NULL)
			id = &out->committer;
		if (id == NULL)
			continue;
		view_skip(&line, id == &out->author ? 7 : 10);
		ident_parse(line, id);
	}
	out->message = raw;
	return 0;
}

void
commit_parent(const struct commit_fields *c, uint32_t i, struct oid *out)
{
	struct view v = c->parents;

	view_skip(&v, (size_t)i * (sizeof("parent \n") - 1 + OID_HEX));
	if (!take_oid_line(&v, "parent ", out))
		memset(out, 0, sizeof(*out));
}

/* ---- tags ---- */

static bool
kind_parse(struct view v, enum object_kind *out)
{
	static const struct {
		const char *word;
		enum object_kind kind;
	} kinds[] = { { "commit", OBJECT_COMMIT }, { "tree", OBJECT_TREE },
		{ "blob", OBJECT_BLOB }, { "tag", OBJECT_TAG } };

	for (size_t i = 0; i < GG_COUNT(kinds); i++)
		if (view_eq_str(v, kinds[i].word)) {
			*out = kinds[i].kind;
			return true;
		}
	return false;
}

static int
take_tag_head(struct view *raw, struct tag_fields *out, struct gg_error *err)
{
	struct view line;

	if (!take_oid_line(raw, "object ", &out->target))
		return gg_fail(err, GG_E_PEER, "tag without an object line");
	if (!view_has_prefix(*raw, "type ") || !take_line(raw, &line))
		return gg_fail(err, GG_E_PEER, "tag without a type line");
	view_skip(&line, 5);
	if (!kind_parse(line, &out->kind))
		return gg_fail(err, GG_E_PEER, "tag of an unknown type");
	return 0;
}

int
tag_parse(struct view raw, struct tag_fields *out, struct gg_error *err)
{
	return take_tag_head(&raw, out, err);
}

int
obj_check_tag(struct view raw, unsigned relax, struct gg_error *err)
{
	struct tag_fields tag;
	struct view line;
	int rc;

	if (has_nul(raw))
		return gg_fail(err, GG_E_PEER, "NUL in a tag");
	if ((rc = take_tag_head(&raw, &tag, err)) != 0)
		return rc;
	if (!view_has_prefix(raw, "tag ") || !take_line(&raw, &line) ||
	    line.n == strlen("tag "))
		return gg_fail(err, GG_E_PEER, "tag without a name");
	for (size_t i = 0; i < line.n && !(relax & RELAX_TAG_NAME); i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return gg_fail(err, GG_E_PEER,
			    "control character in a tag's name");
	/* tags older than git 0.99 have no tagger */
	if (view_has_prefix(raw, "tagger ") &&
	    (rc = check_ident(&raw, "tagger ", relax, err)) != 0)
		return rc;
	return check_headers(raw, err);
}

/* ---- trees ---- */

static int
take_mode(struct view *raw, struct tree_entry *out, struct gg_error *err)
{
	struct view digits;

	if (!view_cut(raw, ' ', &digits) || digits.n == 0 || digits.n > 7)
		return gg_fail(err, GG_E_PEER, "malformed mode in a tree");
	out->padded = digits.p[0] == '0';
	out->mode = 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '7')
			return gg_fail(err, GG_E_PEER,
			    "malformed mode in a tree");
		out->mode = out->mode * 8 + (uint32_t)(digits.p[i] - '0');
	}
	return 0;
}

int
tree_next(struct view *raw, struct tree_entry *out, struct gg_error *err)
{
	int rc;

	if (raw->n == 0)
		return 0;
	if ((rc = take_mode(raw, out, err)) != 0)
		return rc;
	if (!view_cut(raw, '\0', &out->name) || raw->n < OID_BYTES)
		return gg_fail(err, GG_E_PEER, "tree is cut off");
	if (out->name.n == 0)
		return gg_fail(err, GG_E_PEER, "empty name in a tree");
	memcpy(out->oid.b, raw->p, OID_BYTES);
	view_skip(raw, OID_BYTES);
	return 1;
}

static unsigned
char_at(const struct tree_entry *e, size_t i)
{
	if (i < e->name.n)
		return (unsigned char)e->name.p[i];
	return i == e->name.n && (e->mode & MODE_TYPE) == MODE_TREE ? '/' : 0;
}

int
tree_entry_cmp(const struct tree_entry *a, const struct tree_entry *b)
{
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int c = memcmp(a->name.p, b->name.p, n);
	unsigned x, y;

	if (c != 0)
		return c;
	x = char_at(a, n);
	y = char_at(b, n);
	if (x != y)
		return x < y ? -1 : 1;
	/* equal so far, and the shorter one has ended: "a" and "a" or a tree
	 * "a" and a file "a/...", which no checked tree holds */
	return a->name.n == b->name.n ? 0 : a->name.n < b->name.n ? -1 : 1;
}

static int
check_mode(const struct tree_entry *e, unsigned relax, struct gg_error *err)
{
	if (e->padded && !(relax & RELAX_PADDED_MODE))
		return gg_fail(err, GG_E_PEER, "zero-padded mode in a tree");
	switch (e->mode) {
	case MODE_TREE:
	case MODE_FILE:
	case MODE_EXEC:
	case MODE_SYMLINK:
	case MODE_GITLINK:
		return 0;
	default:
		break;
	}
	if ((relax & RELAX_FILE_MODE) && (e->mode & ~0777U) == 0100000)
		return 0;
	return gg_fail(err, GG_E_PEER, "mode %o in a tree", e->mode);
}

static int
check_entry(const struct tree_entry *e, unsigned relax, struct gg_error *err)
{
	int rc;

	if ((rc = check_mode(e, relax, err)) != 0)
		return rc;
	if (oid_is_zero(&e->oid))
		return gg_fail(err, GG_E_PEER, "null id in a tree");
	return entry_name_check(e->name, (e->mode & MODE_TYPE) == MODE_SYMLINK,
	    err);
}

/*
 * Names of files seen that a later entry may begin with: a tree of the same
 * name sorts behind all of "name!", "name-x" and "name.y".
 */
struct prefixes {
	struct view *v;
	size_t n;
	size_t alloc;
};

static void
prefixes_release(struct prefixes *p)
{
	free(p->v);
}
GG_DEFINE_AUTO_RELEASE(prefixes);

static int
same_as_file(struct prefixes *p, const struct tree_entry *e,
    struct gg_error *err)
{
	struct view *top;
	void *more;

	for (; p->n > 0; p->n--) {
		top = &p->v[p->n - 1];
		if (top->n <= e->name.n &&
		    memcmp(top->p, e->name.p, top->n) == 0)
			break;
	}
	if (p->n > 0 && p->v[p->n - 1].n == e->name.n)
		return gg_fail(err, GG_E_PEER, "a name twice in a tree");
	if ((e->mode & MODE_TYPE) == MODE_TREE)
		return 0;
	if (p->n == p->alloc) {
		more = reallocarray(p->v, p->alloc + 32, sizeof(*p->v));
		if (more == NULL)
			return gg_fail(err, GG_E_NOMEM, "tree check");
		p->v = more;
		p->alloc += 32;
	}
	p->v[p->n++] = e->name;
	return 0;
}

int
obj_check_tree(struct view raw, unsigned relax, struct gg_error *err)
{
	GG_AUTO_RELEASE(prefixes) files = { 0 };
	struct tree_entry e, before = { 0 };
	int rc, got;

	while ((got = tree_next(&raw, &e, err)) == 1) {
		if ((rc = check_entry(&e, relax, err)) != 0)
			return rc;
		if (before.name.n > 0 && view_eq(before.name, e.name))
			return gg_fail(err, GG_E_PEER,
			    "a name twice in a tree");
		if (before.name.n > 0 && tree_entry_cmp(&before, &e) >= 0)
			return gg_fail(err, GG_E_PEER, "tree is not in order");
		if ((rc = same_as_file(&files, &e, err)) != 0)
			return rc;
		before = e;
	}
	return got;
}
