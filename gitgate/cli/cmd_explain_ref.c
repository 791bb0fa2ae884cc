/*
 * gitgate audit explain-ref: who moved a ref, with whose approval, from which
 * prompt, and whether the log says so. What the log says is printed from
 * receipts that were verified here, not from what the gate answers beside.
 */
#include "cli/audit_trust.h"
#include "cli/remote.h"

#include "audit/receipt.h"

#include <string.h>

#define LINE_BYTES  ((size_t)1 << 20)
#define RULES_SHOWN 10

struct proof {
	const struct tlog_policy *policy;
	bool key_is_given;
	json_t *entries; /* as they are in the log, each verified */
	struct checkpoint newest;
	struct tlog_policy_found found; /* of that one */
};

/* -- verifying -- */

static int
check_one(struct proof *p, const json_t *r, struct gg_error *err)
{
	const json_t *text = json_object_get(r, "receipt");
	GG_AUTO_RELEASE(receipt) x = { 0 };
	struct tlog_policy_found found;
	struct checkpoint c;
	json_t *entry;
	int rc = receipt_parse(view_of(json_string_value(text),
				   json_string_length(text)),
	    &x, err);

	if (rc != 0)
		return rc;
	if (!x.has_entry)
		return gg_fail(err, GG_E_CORRUPT,
		    "a receipt does not carry its entry");
	if ((rc = tlog_policy_open(p->policy, x.checkpoint, &c, &found, err)) !=
		0 ||
	    (rc = receipt_verify(&x, buf_view(&x.entry), found.log, NULL,
		 err)) != 0 ||
	    (rc = trust_check_quorum(p->policy, &found, err)) != 0)
		return rc;
	entry = json_loadb(x.entry.p, x.entry.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (entry == NULL || json_array_append_new(p->entries, entry) != 0)
		return gg_fail(err, GG_E_CORRUPT, "an entry is no JSON");
	if (c.size >= p->newest.size) {
		p->newest = c;
		p->found = found;
	}
	return 0;
}

static const json_t *
last_of(const json_t *entries, const char *type)
{
	const json_t *e, *last = NULL;
	size_t i;

	json_array_foreach(entries, i, e)
	{
		if (strcmp(json_str(e, "type"), type) == 0)
			last = json_is_true(json_object_get(e, "void")) ? NULL :
									  e;
	}
	return last;
}

/* The entry that says how a ref moved: type by the step's `how`. */
static const char *
type_of(const json_t *step)
{
	const char *how = json_str(step, "how");

	return strcmp(how, "push") == 0 ? "forward.result" :
	    strcmp(how, "kept") == 0    ? "keep.result" :
	    strcmp(how, "dropped") == 0 ? "admin.kept.drop" :
					  "ref.out-of-band";
}

/* The movement itself has to be among what is proven: the gate chose what it
 * sent. */
static int
check_step(const struct proof *p, const json_t *answer, struct gg_error *err)
{
	static const char *const same[] = { "old", "new", "time" };
	const json_t *step = json_object_get(answer, "step");
	const json_t *e = last_of(p->entries, type_of(step));

	if (e == NULL ||
	    strcmp(json_str(e, "ref"), json_str(answer, "ref")) != 0 ||
	    strcmp(json_str(e, "repository"), json_str(answer, "repository")) !=
		0)
		return gg_fail(err, GG_E_CORRUPT,
		    "no entry of the log proves this step");
	for (size_t i = 0; i < GG_COUNT(same); i++)
		if (strcmp(json_str(e, same[i]), json_str(step, same[i])) != 0)
			return gg_fail(err, GG_E_CORRUPT,
			    "the gate says another %s than its log", same[i]);
	return 0;
}

static int
verify(struct proof *p, const json_t *answer, struct gg_error *err)
{
	const json_t *receipts = json_object_get(answer, "receipts"), *r;
	size_t i;
	int rc;

	json_array_foreach(receipts, i, r)
	{
		if ((rc = check_one(p, r, err)) != 0)
			return gg_wrap(err, rc, "entry %lld",
			    (long long)json_integer_value(json_object_get(r,
				"index")));
	}
	return check_step(p, answer, err);
}

/* -- for people -- */

#define line(label, ...)                                           \
	do {                                                       \
		GG_AUTO_RELEASE(buf) text_ = BUF_INIT(LINE_BYTES); \
		buf_addf(&text_, __VA_ARGS__);                     \
		say_safe(label, buf_str(&text_));                  \
	} while (0)

static void
print_who(const struct proof *p, const json_t *step)
{
	bool past = strcmp(json_str(step, "how"), "out-of-band") == 0;
	const json_t *e = past ? NULL : last_of(p->entries, type_of(step));
	const json_t *auth = json_object_get(e, "auth");

	if (e == NULL) {
		line("who:       ", "unknown: it was moved without the gate");
		return;
	}
	line("who:       ", "%s%s%s, by %s %s%s%s", json_str(e, "principal"),
	    json_str(e, "owner")[0] ? " for " : "", json_str(e, "owner"),
	    json_str(auth, "method"), json_str(auth, "credential"),
	    json_str(auth, "issuer")[0] ? " of " : "",
	    json_str(auth, "issuer"));
	line("push:      ", "%s", json_str(step, "push"));
}

static void
print_verdict(const struct proof *p)
{
	const json_t *e = last_of(p->entries, "ref.update"), *r;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);
	size_t i;

	if (e == NULL)
		return;
	buf_adds(&b, json_str(e, "verdict"));
	json_array_foreach(json_object_get(e, "rules"), i, r)
	{
		if (i == RULES_SHOWN)
			break;
		buf_addf(&b, "%s%s", i == 0 ? " by rule " : ", ",
		    json_str(r, "rule"));
	}
	if (json_is_true(json_object_get(e, "keep")))
		buf_adds(&b, "; it stays at the gate, upstream is not told");
	say_safe("verdict:   ", buf_str(&b));
}

/* Was it logged, and then could not take effect? */
static bool
is_taken_back(const json_t *entries, size_t at)
{
	const json_t *e = json_array_get(entries, at), *later;

	for (size_t i = at + 1; i < json_array_size(entries); i++) {
		later = json_array_get(entries, i);
		if (strcmp(json_str(later, "type"), json_str(e, "type")) == 0 &&
		    strcmp(json_str(later, "reviewer"),
			json_str(e, "reviewer")) == 0)
			return json_is_true(json_object_get(later, "void"));
	}
	return false;
}

static void
print_reviews(const struct proof *p)
{
	const json_t *e;
	size_t i, n = 0;

	json_array_foreach(p->entries, i, e)
	{
		bool approved = strcmp(json_str(e, "verdict"), "approve") == 0;

		if (strcmp(json_str(e, "type"), "hold.review") != 0 ||
		    json_is_true(json_object_get(e, "void")) ||
		    is_taken_back(p->entries, i))
			continue;
		n++;
		line(approved ? "approved:  " : "rejected:  ",
		    "%s, by %s, %s (entry %lld)", json_str(e, "reviewer"),
		    json_str(e, "reviewer_auth"), json_str(e, "time"),
		    (long long)json_integer_value(json_object_get(e, "seq")));
	}
	if (n == 0)
		line("approved:  ", "by nobody: no hold");
}

static void
print_log(const struct proof *p)
{
	char root[CHECKPOINT_ROOT_SIZE];
	GG_AUTO_RELEASE(buf) b = BUF_INIT(LINE_BYTES);
	const json_t *e;
	size_t i;

	json_array_foreach(p->entries, i, e)
	    buf_addf(&b, "%s%lld", i > 0 ? ", " : "",
		(long long)json_integer_value(json_object_get(e, "seq")));
	checkpoint_root_base64(&p->newest.root, root);
	line("log:       ",
	    "verified: %s %s in the tree of size %llu, root %s, signed by %s",
	    i == 1 ? "entry" : "entries", buf_str(&b),
	    (unsigned long long)p->newest.size, root, p->found.log->name);
	if (trust_has_witnesses(p->policy))
		trust_say(p->policy, &p->found, p->newest.size, p->newest.size);
	if (!p->key_is_given)
		line("           ",
		    "the key is the gate's own word: give --key with the one "
		    "that you keep");
}

static void
print_step(const struct proof *p, const json_t *answer)
{
	const json_t *step = json_object_get(answer, "step");
	const json_t *push = json_object_get(answer, "push");

	line("ref:       ", "%s in %s", json_str(answer, "ref"),
	    json_str(answer, "repository"));
	line("value:     ", "%s", json_str(step, "new"));
	line("before:    ", "%s%s", json_str(step, "old"),
	    json_is_true(json_object_get(step, "gap")) ?
		" (how it came to that is not in the log)" :
		"");
	line("when:      ", "%s", json_str(step, "time"));
	print_who(p, step);
	if (json_is_object(push)) {
		print_verdict(p);
		print_reviews(p);
		remote_claimed("claimed:   ", push);
		remote_provenance(json_object_get(push, "provenance"));
	}
	print_log(p);
}

/* -- the command -- */

static void
say_proof(const struct proof *p, json_t *answer)
{
	char root[CHECKPOINT_ROOT_SIZE];
	json_t *log;

	checkpoint_root_base64(&p->newest.root, root);
	log = json_pack("{s:b, s:s, s:I, s:s, s:s, s:O}", "verified", 1,
	    "origin", p->found.log->name, "size", (json_int_t)p->newest.size,
	    "root", root, "key", p->key_is_given ? "given" : "of the gate",
	    "entries", p->entries);
	if (trust_has_witnesses(p->policy))
		trust_report(p->policy, &p->found, p->newest.size, log);
	(void)json_object_set_new(answer, "log", log);
	say_json(answer);
}

static int
fetch(const struct cli *cli, const struct words *w, json_t **answer,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(16384);
	GG_AUTO(api) a = NULL;
	int rc;

	if ((rc = api_open(cli, NULL, &a, err)) != 0)
		return rc;
	buf_adds(&path, "-/api/v1/audit/explain");
	api_query(&path, "repository", w->v[0]);
	api_query(&path, "ref", w->v[1]);
	api_query(&path, "oid", w->n > 2 ? w->v[2] : NULL);
	if ((rc = buf_check(&path, err)) != 0)
		return rc;
	return api_call(a, "GET", buf_str(&path), NULL, answer, err);
}

static int
explain(struct cli *cli, const struct words *w, struct trust_options *o,
    struct gg_error *err)
{
	GG_AUTO(tlog_policy) policy = NULL;
	struct proof p = { .key_is_given = o->key != NULL ||
		    o->policy != NULL };
	json_t *answer = NULL;
	int rc;

	if (p.key_is_given && (rc = trust_read(o, &policy, err)) != 0)
		return rc;
	if ((rc = fetch(cli, w, &answer, err)) != 0)
		return rc;
	if (!p.key_is_given) {
		o->key = json_str(answer, "vkey");
		rc = trust_read(o, &policy, err);
	}
	p.policy = policy;
	p.entries = json_array();
	if (rc == 0)
		rc = verify(&p, answer, err);
	if (rc == 0 && cli->json)
		say_proof(&p, answer);
	else if (rc == 0)
		print_step(&p, answer);
	json_decref(p.entries);
	json_decref(answer);
	return rc;
}

int
cmd_audit_explain_ref(struct cli *cli, int argc, char **argv)
{
	struct trust_options o = { 0 };
	const struct option_spec specs[] = { { "key", OPT_TEXT, &o.key },
		{ "policy", OPT_TEXT, &o.policy },
		{ "witness", OPT_LIST, &o.witnesses } };
	struct gg_error err = { 0 };
	struct words w;
	int rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), 2, 3, &w,
	    &err);

	if (rc != 0)
		return cli_usage(&err);
	rc = explain(cli, &w, &o, &err);
	strv_release(&o.witnesses);
	if (rc == GG_E_INPUT)
		return cli_usage(&err);
	return rc == 0 ? cli_flush() : cli_fail(&err);
}
