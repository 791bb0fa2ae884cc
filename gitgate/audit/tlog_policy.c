#include "audit/tlog_policy.h"

#include "base/fd.h"
#include "base/num.h"

#include <stdlib.h>

#define FIELD_MAX_BYTES 2048 /* a vkey, a name, a URL */

struct member {
	bool is_group;
	size_t i; /* of witnesses, or of the groups before this one */
};

struct tlog_policy_group {
	char *name;
	struct member *v;
	size_t n, k; /* k of n */
	int line;
};

/* A name is a member of one group at most: so each witness counts once. */
struct named {
	const char *name;
	int line;
	struct member what;
	bool is_taken;
};

struct parsing {
	struct tlog_policy *p;
	const char *file;
	int line;
	struct named names[TLOG_POLICY_WITNESSES_MAX + TLOG_POLICY_GROUPS_MAX];
	size_t n_names;
};

struct tlog_policy *
tlog_policy_new(void)
{
	struct tlog_policy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->logs = calloc(TLOG_POLICY_LOGS_MAX, sizeof(*p->logs));
	p->witnesses = calloc(TLOG_POLICY_WITNESSES_MAX, sizeof(*p->witnesses));
	p->groups = calloc(TLOG_POLICY_GROUPS_MAX, sizeof(*p->groups));
	if (p->logs == NULL || p->witnesses == NULL || p->groups == NULL) {
		tlog_policy_free(p);
		return NULL;
	}
	return p;
}

void
tlog_policy_free(struct tlog_policy *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_logs; i++)
		free(p->logs[i].url);
	for (size_t i = 0; i < p->n_witnesses; i++) {
		free(p->witnesses[i].name);
		free(p->witnesses[i].url);
	}
	for (size_t i = 0; i < p->n_groups; i++) {
		free(p->groups[i].name);
		free(p->groups[i].v);
	}
	free(p->logs);
	free(p->witnesses);
	free(p->groups);
	free(p->quorum);
	free(p);
}

/* -- logs and witnesses -- */

static int
take_url(struct view url, char **out, struct gg_error *err)
{
	*out = NULL;
	if (url.n == 0)
		return 0;
	if (url.n > FIELD_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "the URL is too long");
	*out = view_dup(url);
	return *out != NULL ? 0 : gg_fail(err, GG_E_NOMEM, "policy");
}

int
tlog_policy_add_log(struct tlog_policy *p, struct view vkey, struct view url,
    struct gg_error *err)
{
	struct tlog_policy_log log = { 0 };
	int rc;

	if (p->n_logs == TLOG_POLICY_LOGS_MAX)
		return gg_fail(err, GG_E_INPUT, "more than %d logs",
		    TLOG_POLICY_LOGS_MAX);
	if ((rc = note_vkey_parse(vkey, &log.key, err)) != 0)
		return rc;
	if (log.key.type != NOTE_ED25519)
		return gg_fail(err, GG_E_INPUT,
		    "the key of %s is not one of a log (type 1)", log.key.name);
	for (size_t i = 0; i < p->n_logs; i++)
		if (memcmp(p->logs[i].key.pub, log.key.pub,
			sizeof(log.key.pub)) == 0)
			return gg_fail(err, GG_E_INPUT,
			    "the key of %s is that of another log, too",
			    log.key.name);
	if ((rc = take_url(url, &log.url, err)) != 0)
		return rc;
	p->logs[p->n_logs++] = log;
	return 0;
}

int
tlog_policy_add_witness(struct tlog_policy *p, struct view name,
    struct view vkey, struct view url, struct gg_error *err)
{
	struct tlog_policy_witness w = { 0 };
	int rc;

	if (p->n_witnesses == TLOG_POLICY_WITNESSES_MAX)
		return gg_fail(err, GG_E_INPUT, "more than %d witnesses",
		    TLOG_POLICY_WITNESSES_MAX);
	if ((rc = note_vkey_parse(vkey, &w.key, err)) != 0)
		return rc;
	if (w.key.type != NOTE_COSIGNATURE)
		return gg_fail(err, GG_E_INPUT,
		    "the key of %s is not one of a witness (type 4)",
		    w.key.name);
	for (size_t i = 0; i < p->n_witnesses; i++)
		if (memcmp(p->witnesses[i].key.pub, w.key.pub,
			sizeof(w.key.pub)) == 0)
			return gg_fail(err, GG_E_INPUT,
			    "the key of %s is that of another witness, too",
			    w.key.name);
	if ((rc = take_url(url, &w.url, err)) != 0)
		return rc;
	if ((w.name = view_dup(name)) == NULL) {
		free(w.url);
		return gg_fail(err, GG_E_NOMEM, "policy");
	}
	p->witnesses[p->n_witnesses++] = w;
	return 0;
}

int
tlog_policy_k_of_all(struct tlog_policy *p, size_t k, struct gg_error *err)
{
	struct tlog_policy_group *g = &p->groups[0];

	if (k > p->n_witnesses || p->n_groups != 0)
		return gg_fail(err, GG_E_INPUT, "no quorum of %zu witnesses",
		    k);
	p->quorum = k == 0 ? path_f("none") :
			     path_f("%zu of %zu", k, p->n_witnesses);
	p->root.kind = k == 0 ? QUORUM_NONE : QUORUM_GROUP;
	if (k == 0)
		return 0;
	if ((g->v = calloc(p->n_witnesses, sizeof(*g->v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	for (size_t i = 0; i < p->n_witnesses; i++)
		g->v[i] = (struct member){ .i = i };
	g->n = p->n_witnesses;
	g->k = k;
	p->n_groups = 1;
	return 0;
}

/* -- the file -- */

/* The next word of a line; empty: there is none. */
static struct view
next_word(struct view *line)
{
	struct view w;
	size_t n = 0;

	while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t'))
		view_skip(line, 1);
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	w = view_of(line->p, n);
	view_skip(line, n);
	return w;
}

static struct named *
find_name(struct parsing *s, struct view name)
{
	for (size_t i = 0; i < s->n_names; i++)
		if (view_eq_str(name, s->names[i].name))
			return &s->names[i];
	return NULL;
}

static int
check_new_name(struct parsing *s, struct view name, struct gg_error *err)
{
	const struct named *was;

	if (name.n == 0)
		return gg_fail(err, GG_E_INPUT, "a name is missing");
	if (name.n > NOTE_NAME_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "the name is too long");
	if (view_eq_str(name, "none"))
		return gg_fail(err, GG_E_INPUT,
		    "\"none\" has its own meaning: take another name");
	if ((was = find_name(s, name)) != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "the name %s is taken by line %d", was->name, was->line);
	return 0;
}

static int
take_log(struct parsing *s, struct view rest, struct gg_error *err)
{
	struct view vkey = next_word(&rest), url = next_word(&rest);
	int rc;

	if (vkey.n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "a log line is: log <vkey> [<url>]");
	if (next_word(&rest).n != 0)
		return gg_fail(err, GG_E_INPUT, "words behind the URL");
	if ((rc = tlog_policy_add_log(s->p, vkey, url, err)) == 0)
		s->p->logs[s->p->n_logs - 1].line = s->line;
	return rc;
}

static int
take_witness(struct parsing *s, struct view rest, struct gg_error *err)
{
	struct view name = next_word(&rest), vkey = next_word(&rest);
	struct view url = next_word(&rest);
	struct tlog_policy_witness *w;
	size_t i = s->p->n_witnesses;
	int rc;

	if (vkey.n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "a witness line is: witness <name> <vkey> [<url>]");
	if (next_word(&rest).n != 0)
		return gg_fail(err, GG_E_INPUT, "words behind the URL");
	if ((rc = check_new_name(s, name, err)) != 0 ||
	    (rc = tlog_policy_add_witness(s->p, name, vkey, url, err)) != 0)
		return rc;
	w = &s->p->witnesses[i];
	w->line = s->line;
	s->names[s->n_names++] = (struct named){
		.name = w->name, .line = s->line, .what.i = i
	};
	return 0;
}

static int
add_member(struct parsing *s, struct tlog_policy_group *g, struct view name,
    struct gg_error *err)
{
	struct named *m = find_name(s, name);
	struct member *more;

	if (m == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "%.*s is not the name of a witness or group on a line "
		    "before",
		    (int)(name.n > 100 ? 100 : name.n), name.p);
	if (m->is_taken)
		return gg_fail(err, GG_E_INPUT, "%s is a member already",
		    m->name);
	more = reallocarray(g->v, g->n + 1, sizeof(*more));
	if (more == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	g->v = more;
	g->v[g->n++] = m->what;
	m->is_taken = true;
	return 0;
}

static int
take_threshold(struct tlog_policy_group *g, struct view word,
    struct gg_error *err)
{
	uint64_t k;

	if (g->n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "a group line is: group <name> all|any|<k> <member>...");
	if (view_eq_str(word, "any"))
		k = 1;
	else if (view_eq_str(word, "all"))
		k = g->n;
	else if (num_parse(word, g->n, &k, NULL) != 0 || k == 0 ||
	    word.p[0] == '0')
		return gg_fail(err, GG_E_INPUT,
		    "a group of %zu needs \"all\", \"any\" or a number from 1 "
		    "to %zu",
		    g->n, g->n);
	g->k = (size_t)k;
	return 0;
}

static int
take_group(struct parsing *s, struct view rest, struct gg_error *err)
{
	struct view name = next_word(&rest), k = next_word(&rest), member;
	struct tlog_policy_group *g = &s->p->groups[s->p->n_groups];
	int rc;

	if (s->p->n_groups == TLOG_POLICY_GROUPS_MAX)
		return gg_fail(err, GG_E_INPUT, "more than %d groups",
		    TLOG_POLICY_GROUPS_MAX);
	if ((rc = check_new_name(s, name, err)) != 0)
		return rc;
	if ((g->name = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	g->line = s->line;
	s->p->n_groups++;
	while ((member = next_word(&rest)).n != 0)
		if ((rc = add_member(s, g, member, err)) != 0)
			return rc;
	if ((rc = take_threshold(g, k, err)) != 0)
		return rc;
	/* only now: it is no member of itself */
	s->names[s->n_names++] = (struct named){ .name = g->name,
		.line = s->line,
		.what = { .is_group = true, .i = s->p->n_groups - 1 } };
	return 0;
}

static int
take_quorum(struct parsing *s, struct view rest, struct gg_error *err)
{
	struct view name = next_word(&rest);
	const struct named *m;

	if (s->p->root.kind != QUORUM_UNSET)
		return gg_fail(err, GG_E_INPUT, "a second quorum");
	if (name.n == 0 || next_word(&rest).n != 0)
		return gg_fail(err, GG_E_INPUT,
		    "a quorum line is: quorum <name>|none");
	m = find_name(s, name);
	if (m == NULL && !view_eq_str(name, "none"))
		return gg_fail(err, GG_E_INPUT,
		    "quorum: no witness or group on a line before has this "
		    "name");
	if ((s->p->quorum = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	s->p->root.kind = m == NULL ? QUORUM_NONE :
	    m->what.is_group        ? QUORUM_GROUP :
				      QUORUM_WITNESS;
	s->p->root.i = m == NULL ? 0 : m->what.i;
	return 0;
}

static bool
has_control_bytes(struct view line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static int
take_line(struct parsing *s, struct view line, struct gg_error *err)
{
	static const struct {
		const char *word;
		int (*take)(struct parsing *s, struct view rest,
		    struct gg_error *err);
	} kinds[] = { { "log", take_log }, { "witness", take_witness },
		{ "group", take_group }, { "quorum", take_quorum } };
	struct view word;

	if (has_control_bytes(line))
		return gg_fail(err, GG_E_INPUT,
		    "control characters (is it a file with CRLF?)");
	word = next_word(&line);
	if (word.n == 0 || word.p[0] == '#')
		return 0;
	for (size_t i = 0; i < GG_COUNT(kinds); i++)
		if (view_eq_str(word, kinds[i].word))
			return kinds[i].take(s, line, err);
	return gg_fail(err, GG_E_INPUT,
	    "a line begins with log, witness, group or quorum");
}

int
tlog_policy_parse(struct view text, const char *file, struct tlog_policy **out,
    struct gg_error *err)
{
	GG_AUTO(tlog_policy) p = tlog_policy_new();
	GG_AUTO_MEM struct parsing *s = calloc(1, sizeof(*s));
	struct view line;
	int rc;

	if (p == NULL || s == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	if (text.n > TLOG_POLICY_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "%s is larger than %zu bytes",
		    file, TLOG_POLICY_MAX_BYTES);
	s->p = p;
	s->file = file;
	while (text.n > 0) {
		s->line++;
		if (!view_cut(&text, '\n', &line))
			return gg_fail(err, GG_E_INPUT,
			    "%s:%d: the last line does not end", file, s->line);
		if ((rc = take_line(s, line, err)) != 0)
			return gg_wrap(err, rc, "%s:%d", file, s->line);
	}
	if (p->root.kind == QUORUM_UNSET)
		return gg_fail(err, GG_E_INPUT, "%s has no quorum line", file);
	*out = gg_take(p);
	return 0;
}

int
tlog_policy_load(const char *file, struct tlog_policy **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(TLOG_POLICY_MAX_BYTES + 1);
	int rc = file_read(file, &text, err);

	if (rc != 0)
		return gg_wrap(err, rc, "%s", file);
	return tlog_policy_parse(buf_view(&text), file, out, err);
}

/* -- the quorum -- */

bool
tlog_policy_is_met(const struct tlog_policy *p, const bool *has)
{
	bool met[TLOG_POLICY_GROUPS_MAX] = { false };

	/* a group's members stand before it */
	for (size_t i = 0; i < p->n_groups; i++) {
		const struct tlog_policy_group *g = &p->groups[i];
		size_t n = 0;

		for (size_t m = 0; m < g->n; m++)
			n += g->v[m].is_group ? met[g->v[m].i] : has[g->v[m].i];
		met[i] = n >= g->k;
	}
	switch (p->root.kind) {
	case QUORUM_NONE:
		return true;
	case QUORUM_WITNESS:
		return has[p->root.i];
	case QUORUM_GROUP:
		return met[p->root.i];
	case QUORUM_UNSET:
		break;
	}
	return false;
}

/* -- checkpoints -- */

static int
find_signer(const struct tlog_policy *p, const struct note *n,
    const struct checkpoint *c, const struct note_vkey **signer,
    struct gg_error *err)
{
	*signer = NULL;
	for (size_t i = 0; i < p->n_logs; i++) {
		const struct note_vkey *k = &p->logs[i].key;
		int rc;

		if (!view_eq_str(c->origin, k->name))
			continue;
		rc = note_verify(n, k, NULL, err);
		if (rc != 0 && rc != GG_E_NOTFOUND)
			return rc;
		if (rc == 0 && *signer == NULL)
			*signer = k;
	}
	if (*signer == NULL && p->n_logs > 0)
		return gg_fail(err, GG_E_CORRUPT,
		    "it is not signed by a log that the policy names, or with "
		    "the key given: it is another log's, or the log's key was "
		    "replaced (entry key.rotate)");
	return 0;
}

int
tlog_policy_open(const struct tlog_policy *p, struct view msg,
    struct checkpoint *c, struct tlog_policy_found *found, struct gg_error *err)
{
	struct tlog_policy_found f = { 0 };
	struct checkpoint at;
	struct note n;
	int rc;

	if ((rc = note_parse(msg, &n, err)) != 0 ||
	    (rc = checkpoint_parse(n.text, &at, err)) != 0 ||
	    (rc = find_signer(p, &n, &at, &f.log, err)) != 0)
		return rc;
	for (size_t i = 0; i < p->n_witnesses; i++) {
		rc = note_verify(&n, &p->witnesses[i].key, &f.time_s[i], err);
		if (rc != 0 && rc != GG_E_NOTFOUND)
			return rc;
		f.has[i] = rc == 0;
	}
	f.is_met = tlog_policy_is_met(p, f.has);
	*c = at;
	*found = f;
	return 0;
}

const struct tlog_policy_log *
tlog_policy_find_log(const struct tlog_policy *p, struct view origin)
{
	for (size_t i = 0; i < p->n_logs; i++)
		if (view_eq_str(origin, p->logs[i].key.name))
			return &p->logs[i];
	return NULL;
}
