#include "proto/receive_request.h"

#include "model/refname.h"
#include "proto/caps.h"
#include "proto/pktline.h"

#include <stdlib.h>
#include <string.h>

enum expects {
	EXPECTS_SHALLOW, /* or the first command */
	EXPECTS_COMMAND, /* or the flush-pkt behind them */
	EXPECTS_OPTION,
	EXPECTS_NOTHING,
};

struct receive_parser {
	struct receive_limits limits;
	struct strv offered;
	enum expects expects;
	struct buf pending; /* the pkt-line that is not whole yet */
	uint64_t n_bytes;
};

struct receive_request *
receive_request_new(const struct receive_limits *limits, const char *offered)
{
	struct receive_request *rq = calloc(1, sizeof(*rq));
	struct receive_parser *p = calloc(1, sizeof(*p));

	if (rq == NULL || p == NULL || (rq->agent = strdup("")) == NULL)
		gg_die("no memory for a push");
	p->limits = *limits;
	buf_init(&p->pending, LARGE_PACKET_MAX);
	if (caps_parse(view_str(offered), &p->offered, NULL) != 0)
		gg_die("our own capabilities are malformed");
	rq->parser = p;
	return rq;
}

void
receive_request_free(struct receive_request *rq)
{
	if (rq == NULL)
		return;
	ref_updates_release(&rq->updates);
	strv_release(&rq->caps);
	strv_release(&rq->push_options);
	strv_release(&rq->shallow);
	free(rq->agent);
	strv_release(&rq->parser->offered);
	buf_release(&rq->parser->pending);
	free(rq->parser);
	free(rq);
}

static int
fail_limit(struct receive_request *rq, const char *limit, uint64_t most,
    struct gg_error *err)
{
	rq->limit = limit;
	return gg_fail(err, GG_E_LIMIT, "more than %llu",
	    (unsigned long long)most);
}

/* One capability that the client asks for: was it offered, and like this? */
static int
check_cap(const struct receive_parser *p, const char *cap, struct gg_error *err)
{
	struct view value = view_str(cap), name;
	bool has_value = view_cut(&value, '=', &name);
	GG_AUTO_MEM char *key = has_value ? view_dup(name) : strdup(cap);
	const char *ours;

	if (key == NULL)
		return gg_fail(err, GG_E_NOMEM, "capability");
	if ((ours = caps_value(&p->offered, key)) == NULL)
		return gg_fail(err, GG_E_PEER,
		    "capability %.100s was not offered", key);
	if (has_value != (*ours != '\0'))
		return gg_fail(err, GG_E_PEER, "capability %.100s is malformed",
		    key);
	if (strcmp(key, "object-format") == 0 && !view_eq_str(value, ours))
		return gg_fail(err, GG_E_PEER,
		    "object format %.40s is not supported here",
		    cap + strlen("object-format="));
	return 0;
}

static int
take_caps(struct receive_request *rq, struct view list, struct gg_error *err)
{
	const char *agent;
	int rc;

	if ((rc = caps_parse(list, &rq->caps, err)) != 0)
		return rc;
	for (size_t i = 0; i < rq->caps.n; i++)
		if ((rc = check_cap(rq->parser, rq->caps.v[i], err)) != 0)
			return rc;
	rq->atomic = caps_has(&rq->caps, "atomic");
	rq->quiet = caps_has(&rq->caps, "quiet");
	rq->side_band_64k = caps_has(&rq->caps, "side-band-64k");
	rq->push_options_on = caps_has(&rq->caps, "push-options");
	if (caps_has(&rq->caps, "report-status-v2"))
		rq->report = REPORT_STATUS_V2;
	else if (caps_has(&rq->caps, "report-status"))
		rq->report = REPORT_STATUS_V1;
	if ((agent = caps_value(&rq->caps, "agent")) != NULL) {
		free(rq->agent);
		if ((rq->agent = strdup(agent)) == NULL)
			return gg_fail(err, GG_E_NOMEM, "agent");
	}
	return 0;
}

static bool
cut_oid(struct view *line, struct oid *out)
{
	struct view hex;

	return view_cut(line, ' ', &hex) && oid_parse(hex, out);
}

static int
take_update(struct receive_request *rq, struct view line, struct gg_error *err)
{
	uint64_t most = rq->parser->limits.ref_updates;
	struct oid old_oid, new_oid;

	if (!cut_oid(&line, &old_oid) || !cut_oid(&line, &new_oid))
		return gg_fail(err, GG_E_PEER,
		    "a command is not \"<old-oid> <new-oid> <refname>\"");
	if (!refname_is_valid(line))
		return gg_fail(err, GG_E_PEER, "bad refname \"%.*s\"",
		    (int)(line.n > 200 ? 200 : line.n), line.p);
	if (oid_eq(&old_oid, &new_oid))
		return gg_fail(err, GG_E_PEER, "no change of %.*s",
		    (int)(line.n > 200 ? 200 : line.n), line.p);
	if (rq->updates.n >= most)
		return fail_limit(rq, "ref-updates", most, err);
	return ref_updates_add(&rq->updates, &old_oid, &new_oid, line,
	    (size_t)most, err);
}

static int
take_command(struct receive_request *rq, struct view line, struct gg_error *err)
{
	struct view command;
	int rc;

	if (view_has_prefix(line, "push-cert"))
		return gg_fail(err, GG_E_PEER,
		    "push certificates are not accepted");
	if (rq->updates.n == 0 && view_cut(&line, '\0', &command)) {
		if ((rc = take_caps(rq, pkt_text(line), err)) != 0)
			return rc;
		line = command;
	} else {
		line = pkt_text(line);
	}
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return gg_fail(err, GG_E_PEER, "a command has a NUL byte");
	rq->parser->expects = EXPECTS_COMMAND;
	return take_update(rq, line, err);
}

static int
take_shallow(struct receive_request *rq, struct view line, struct gg_error *err)
{
	struct oid oid;

	view_skip(&line, strlen("shallow "));
	line = pkt_text(line);
	if (!oid_parse(line, &oid) || oid_is_zero(&oid))
		return gg_fail(err, GG_E_PEER, "bad shallow line");
	strv_addv(&rq->shallow, line);
	return strv_check(&rq->shallow, err);
}

static int
take_option(struct receive_request *rq, struct view line, struct gg_error *err)
{
	uint64_t most = rq->parser->limits.push_options;

	line = pkt_text(line);
	if (rq->push_options.n >= most)
		return fail_limit(rq, "push-options", most, err);
	if (line.n > PUSH_OPTION_MAX_BYTES)
		return gg_fail(err, GG_E_PEER,
		    "a push option has more than %d bytes",
		    PUSH_OPTION_MAX_BYTES);
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return gg_fail(err, GG_E_PEER,
			    "a push option has a control byte");
	}
	strv_addv(&rq->push_options, line);
	return strv_check(&rq->push_options, err);
}

static int
take_line(struct receive_request *rq, struct view line, struct gg_error *err)
{
	switch (rq->parser->expects) {
	case EXPECTS_SHALLOW:
		if (view_has_prefix(line, "shallow "))
			return take_shallow(rq, line, err);
		return take_command(rq, line, err);
	case EXPECTS_COMMAND:
		return take_command(rq, line, err);
	case EXPECTS_OPTION:
		return take_option(rq, line, err);
	case EXPECTS_NOTHING:
		break;
	}
	return gg_fail(err, GG_E_PEER, "a line after the last one");
}

static int
cmp_str(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
refuse_doubles(const struct ref_updates *u, struct gg_error *err)
{
	GG_AUTO_MEM const char **names = calloc(u->n, sizeof(*names));

	if (names == NULL)
		return gg_fail(err, GG_E_NOMEM, "refnames");
	for (size_t i = 0; i < u->n; i++)
		names[i] = u->v[i].refname;
	qsort(names, u->n, sizeof(*names), cmp_str);
	for (size_t i = 1; i < u->n; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return gg_fail(err, GG_E_PEER,
			    "%.200s is named by two commands", names[i]);
	return 0;
}

/* A flush-pkt: 1 when the section is complete, 0 when options follow. */
static int
take_flush(struct receive_request *rq, struct gg_error *err)
{
	struct receive_parser *p = rq->parser;
	int rc;

	if (p->expects == EXPECTS_SHALLOW) {
		if (rq->shallow.n > 0)
			return gg_fail(err, GG_E_PEER, "no command");
		rq->probe = true;
	} else if (p->expects == EXPECTS_COMMAND) {
		if ((rc = refuse_doubles(&rq->updates, err)) != 0)
			return rc;
		if (rq->push_options_on) {
			p->expects = EXPECTS_OPTION;
			return 0;
		}
	}
	p->expects = EXPECTS_NOTHING;
	return 1;
}

/* Move bytes of piece to the pkt-line in the making, not one too many. */
static void
fill(struct receive_parser *p, struct view *piece)
{
	size_t want = 4, n;
	unsigned len = 0;

	if (p->pending.n >= 4) {
		/* pkt_next() has seen these four digits: they are good */
		for (int i = 0; i < 4; i++) {
			char c = p->pending.p[i];

			len = len * 16 +
			    (unsigned)(c <= '9' ? c - '0' :
						  (c | 32) - 'a' + 10);
		}
		want = len;
	}
	n = want - p->pending.n;
	if (n > piece->n)
		n = piece->n;
	buf_add(&p->pending, piece->p, n);
	view_skip(piece, n);
	p->n_bytes += n;
}

static int
take_pending(struct receive_request *rq, struct gg_error *err)
{
	struct receive_parser *p = rq->parser;
	struct view in = buf_view(&p->pending), body;
	enum pkt_kind kind;
	int rc;

	if ((rc = buf_check(&p->pending, err)) != 0)
		return rc;
	if ((rc = pkt_next(&in, &kind, &body, err)) <= 0)
		return rc;
	if (kind == PKT_FLUSH)
		rc = take_flush(rq, err);
	else if (kind == PKT_DATA)
		rc = take_line(rq, body, err);
	else
		rc = gg_fail(err, GG_E_PEER,
		    "unexpected pkt-line in the command list");
	buf_clear(&p->pending);
	return rc;
}

int
receive_request_feed(struct receive_request *rq, struct view piece,
    size_t *used, struct gg_error *err)
{
	struct receive_parser *p = rq->parser;
	size_t all = piece.n;
	int rc = 0;

	*used = 0;
	if (p->expects == EXPECTS_NOTHING)
		return gg_fail(err, GG_E_PEER, "the command list is over");
	while (rc == 0 && piece.n > 0) {
		fill(p, &piece);
		if (p->n_bytes > p->limits.command_bytes)
			rc = fail_limit(rq, "command-bytes",
			    p->limits.command_bytes, err);
		else
			rc = take_pending(rq, err);
	}
	if (rc < 0)
		p->expects = EXPECTS_NOTHING;
	else
		*used = all - piece.n;
	return rc;
}

bool
receive_request_wants_pack(const struct receive_request *rq)
{
	for (size_t i = 0; i < rq->updates.n; i++)
		if (!oid_is_zero(&rq->updates.v[i].new_oid))
			return true;
	return false;
}

int
receive_request_check_tail(const struct receive_request *rq, uint64_t at,
    struct view piece, struct gg_error *err)
{
	static const char magic[] = "PACK";

	if (piece.n > 0 && !receive_request_wants_pack(rq))
		return gg_fail(err, GG_E_PEER,
		    "bytes after the command list, where no pack is due");
	for (size_t i = 0; i < piece.n && at + i < 4; i++)
		if (piece.p[i] != magic[at + i])
			return gg_fail(err, GG_E_PEER,
			    "what follows the command list is no pack");
	return 0;
}
