/* Trailers of commit messages, and what agents' tools write there. */
#include "model/provenance.h"

#include "base/error.h"
#include "base/text.h"

#include <strings.h>

/* -- trailers -- */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct view
trim(struct view v)
{
	while (v.n > 0 && is_space(*v.p))
		view_skip(&v, 1);
	while (v.n > 0 && is_space(v.p[v.n - 1]))
		v.n--;
	return v;
}

static bool
next_line(struct view *rest, struct view *line)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(rest, '\n', line)) {
		*line = *rest;
		*rest = view_of(NULL, 0);
	}
	return true;
}

static bool
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-';
}

/* "Key: value", blanks allowed before the colon only. */
static bool
split_trailer(struct view line, struct view *key, struct view *value)
{
	size_t n = 0, end;

	while (n < line.n && is_key_char(line.p[n]))
		n++;
	end = n;
	while (n > 0 && n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	if (end == 0 || n == line.n || line.p[n] != ':')
		return false;
	*key = view_of(line.p, end);
	*value = trim(view_of(line.p + n + 1, line.n - n - 1));
	return true;
}

/* A comment in git's eyes: neither a trailer nor anything else. */
static bool
is_comment(struct view line)
{
	return line.n > 0 && line.p[0] == '#';
}

/* The last paragraph; false where that is also the first one. */
static bool
last_paragraph(struct view message, struct view *out)
{
	struct view rest = message, line;
	const char *start = NULL;
	bool blank = false;

	*out = view_of(NULL, 0);
	while (next_line(&rest, &line)) {
		if (trim(line).n == 0) {
			blank = true;
			continue;
		}
		if (blank)
			start = line.p;
		blank = false;
		if (start != NULL)
			*out = view_of(start,
			    (size_t)(line.p + line.n - start));
	}
	return start != NULL;
}

static bool
is_gits_own(struct view line)
{
	return view_has_prefix(line, "Signed-off-by: ") ||
	    view_has_prefix(line, "(cherry picked from commit ");
}

/* As git counts: all trailers, or one of git's own and a quarter of them. */
static bool
is_trailer_block(struct view block)
{
	size_t trailers = 0, others = 0;
	bool own = false, folds = false;
	struct view line, key, value;

	while (next_line(&block, &line)) {
		if (is_comment(line)) {
			folds = false;
			continue;
		}
		if (is_space(line.p[0])) {
			others += !folds;
			continue;
		}
		folds = is_gits_own(line) || split_trailer(line, &key, &value);
		own = own || is_gits_own(line);
		trailers += folds;
		others += !folds;
	}
	return own ? trailers * 3 >= others : trailers > 0 && others == 0;
}

/* The continuation lines of a trailer, added to its value. */
static void
unfold(struct view *rest, struct buf *value)
{
	struct view next = *rest, line;

	while (next_line(&next, &line) && line.n > 0 && is_space(line.p[0])) {
		buf_addc(value, ' ');
		buf_addv(value, trim(line));
		*rest = next;
	}
}

void
trailers_each(struct view message, trailer_found found, void *ctx)
{
	struct view rest, line, key, value;

	if (!last_paragraph(message, &rest) || !is_trailer_block(rest))
		return;
	while (next_line(&rest, &line)) {
		GG_AUTO_RELEASE(buf) whole = BUF_INIT(message.n + 1);

		if (is_comment(line) || line.n == 0 || is_space(line.p[0]) ||
		    !split_trailer(line, &key, &value))
			continue;
		buf_addv(&whole, value);
		unfold(&rest, &whole);
		if (buf_check(&whole, NULL) != 0)
			gg_die("no memory for a trailer");
		found(ctx, key, trim(buf_view(&whole)));
	}
}

/* -- claims -- */

struct view
link_last_component(struct view link)
{
	struct view head;

	if (view_cut(&link, '?', &head))
		link = head;
	if (view_cut(&link, '#', &head))
		link = head;
	while (view_cut(&link, '/', &head))
		;
	return link;
}

bool
checkpoint_id_is_valid(struct view id)
{
	unsigned char raw[6];

	return ulid_is_valid(id) || hex_decode(id, raw, sizeof(raw));
}

const char *
claim_kind_name(enum claim_kind k)
{
	static const char *const names[] = { "tool", "model", "session", "link",
		"human", "flag", "checkpoint", "share" };

	return names[k];
}

void
claims_release(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].value);
	*c = (struct claims){ .n = 0 };
}

const struct claim *
claims_first(const struct claims *c, enum claim_kind k)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].kind == k)
			return &c->v[i];
	return NULL;
}

struct reading {
	struct claims *out;
	const char *from;
	bool copilot; /* its logs are linked: co-authors are who asked */
};

static void
add(struct reading *r, enum claim_kind kind, struct view v)
{
	GG_AUTO_RELEASE(buf) safe = BUF_INIT(CLAIM_VALUE_MAX * 12);
	GG_AUTO_MEM char *raw = NULL;
	struct claims *c = r->out;

	v = trim(v);
	if (v.n == 0)
		return;
	if (v.n > CLAIM_VALUE_MAX) {
		c->cut = true;
		return;
	}
	if ((raw = view_dup(v)) == NULL)
		gg_die("no memory for a claim");
	text_safe_add(&safe, raw);
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].kind == kind &&
		    view_eq_str(buf_view(&safe), c->v[i].value))
			return;
	if (c->n == CLAIMS_MAX) {
		c->cut = true;
		return;
	}
	c->v[c->n] = (struct claim){ kind, buf_take(&safe), r->from };
	if (c->v[c->n].value == NULL)
		gg_die("no memory for a claim");
	c->n++;
}

static void
add_str(struct reading *r, enum claim_kind kind, const char *s)
{
	add(r, kind, view_str(s));
}

static bool
eq_nocase(struct view v, const char *s)
{
	return v.n == strlen(s) && strncasecmp(v.p, s, v.n) == 0;
}

/* "Name <address>" */
static bool
split_person(struct view v, struct view *name, struct view *address)
{
	if (v.n == 0 || v.p[v.n - 1] != '>' || !view_cut(&v, '<', name))
		return false;
	*name = trim(*name);
	*address = view_of(v.p, v.n - 1);
	return true;
}

static void
take_co_author(struct reading *r, struct view v)
{
	static const struct {
		const char *address, *tool;
	} agents[] = {
		{ "noreply@anthropic.com", "Claude Code" },
		{ "noreply@openai.com", "Codex" },
		{ "codex@openai.com", "Codex" },
		{ "cursoragent@cursor.com", "Cursor" },
		{ "amp@ampcode.com", "Amp" },
		{ "198982749+Copilot@users.noreply.github.com", "Copilot" },
	};
	struct view name, address;

	if (!split_person(v, &name, &address))
		return;
	for (size_t i = 0; i < GG_COUNT(agents); i++) {
		if (!eq_nocase(address, agents[i].address))
			continue;
		add_str(r, CLAIM_TOOL, agents[i].tool);
		/* Anthropic's name is that of the model */
		if (i == 0 && view_has_prefix(name, "Claude ") &&
		    !view_eq_str(name, "Claude Code"))
			add(r, CLAIM_MODEL, name);
		return;
	}
	if (r->copilot)
		add(r, CLAIM_HUMAN, v);
}

static bool
add_link(struct reading *r, struct view v)
{
	if (!view_has_prefix(v, "https://"))
		return false;
	add(r, CLAIM_LINK, v);
	return true;
}

static void
take_claude_session(struct reading *r, struct view v)
{
	struct view id = link_last_component(v);

	if (!add_link(r, v) && !view_has_prefix(v, "session_"))
		return;
	add_str(r, CLAIM_TOOL, "Claude Code");
	if (view_has_prefix(id, "session_"))
		add(r, CLAIM_SESSION, id);
}

static void
take_agent_logs(struct reading *r, struct view v)
{
	if (add_link(r, v) && view_has_prefix(v, "https://github.com/"))
		add_str(r, CLAIM_TOOL, "Copilot");
}

static void
take_amp_thread(struct reading *r, struct view v)
{
	add_str(r, CLAIM_TOOL, "Amp");
	add(r, CLAIM_SESSION, add_link(r, v) ? link_last_component(v) : v);
}

static const char *
find(struct view v, const char *needle)
{
	return v.n > 0 ? memmem(v.p, v.n, needle, strlen(needle)) : NULL;
}

/* AGENT:MODEL [TOOL]..., "Agent / model", "Agent (model)", or a person. */
static void
take_assisted(struct reading *r, struct view v)
{
	const char *at = find(v, " [");
	struct view name, model;

	if (split_person(v, &name, &model)) {
		add(r, CLAIM_HUMAN, v);
		return;
	}
	if (at != NULL)
		v.n = (size_t)(at - v.p);
	v = trim(v);
	model = v;
	if ((at = find(v, " / ")) != NULL) {
		name = view_of(v.p, (size_t)(at - v.p));
		view_skip(&model, name.n + 3);
	} else if (v.n > 0 && v.p[v.n - 1] == ')' &&
	    (at = find(v, " (")) != NULL) {
		name = view_of(v.p, (size_t)(at - v.p));
		view_skip(&model, name.n + 2);
		model.n--;
	} else if (!view_cut(&model, ':', &name) ||
	    view_has_prefix(model, "//")) {
		name = v;
		model.n = 0;
	}
	add(r, CLAIM_TOOL, name);
	add(r, CLAIM_MODEL, model);
}

static void
take_flag(struct reading *r, struct view v)
{
	if (eq_nocase(v, "true") || eq_nocase(v, "yes"))
		add_str(r, CLAIM_FLAG, "an agent took part");
}

static void
take_checkpoint(struct reading *r, struct view v)
{
	if (checkpoint_id_is_valid(v))
		add(r, CLAIM_CHECKPOINT, v);
}

static void
take_share(struct reading *r, struct view v)
{
	add(r, CLAIM_SHARE, v);
}

static void
take_session(struct reading *r, struct view v)
{
	add(r, CLAIM_SESSION, v);
}

static void
take_tool(struct reading *r, struct view v)
{
	add(r, CLAIM_TOOL, v);
}

static void
take_trailer(void *ctx, struct view key, struct view value)
{
	static const struct {
		const char *key;
		void (*take)(struct reading *r, struct view v);
	} known[] = {
		{ "Co-authored-by", take_co_author },
		{ "Claude-Session", take_claude_session },
		{ "Agent-Logs-Url", take_agent_logs },
		{ "Amp-Thread-ID", take_amp_thread },
		{ "Assisted-by", take_assisted },
		{ "Generated-by", take_assisted },
		{ "Ai-assisted", take_flag },
		{ "Entire-Checkpoint", take_checkpoint },
		{ "Entire-Attribution", take_share },
		{ "Entire-Session", take_session },
		{ "Entire-Agent", take_tool },
	};
	struct reading *r = ctx;

	for (size_t i = 0; i < GG_COUNT(known); i++) {
		if (!eq_nocase(key, known[i].key))
			continue;
		r->from = known[i].key;
		known[i].take(r, value);
	}
}

static void
note_copilot(void *ctx, struct view key, struct view value)
{
	struct reading *r = ctx;

	if (eq_nocase(key, "Agent-Logs-Url") &&
	    view_has_prefix(value, "https://github.com/"))
		r->copilot = true;
}

/* Claude Code's line in the body: the robot, and a link around the name. */
static void
take_generated_line(struct reading *r, struct view message)
{
	static const char start[] = "\xf0\x9f\xa4\x96 Generated with [";
	struct view line, name;

	while (next_line(&message, &line)) {
		if (!view_has_prefix(line, start))
			continue;
		view_skip(&line, sizeof(start) - 1);
		r->from = "Generated with";
		if (view_cut(&line, ']', &name) &&
		    view_has_prefix(line, "(https://"))
			add(r, CLAIM_TOOL, name);
	}
}

void
claims_of_message(struct claims *out, struct view message)
{
	struct reading r = { .out = out };

	*out = (struct claims){ .n = 0 };
	trailers_each(message, note_copilot, &r);
	trailers_each(message, take_trailer, &r);
	take_generated_line(&r, message);
}
