/*
 * A month of pushes in a real log: fill STATE-DIR ENTRIES THREADS [STORE]
 *
 * Appends about ENTRIES entries to STATE-DIR/log (key: STATE-DIR/log.key), as
 * a gate does, from THREADS threads at once; with STORE (a path, or the URL of
 * a PostgreSQL) into its index too, with the pushes' rows and paths. Prints
 * what it took. tests/bench/audit.py runs it.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"
#include "store/auditlog.h"
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN       "gate.example.com/audit"
#define REPOSITORIES 40
#define PRINCIPALS   200
#define PEOPLE       30
#define RULES        20
#define REFS         8
#define PATHS        2000
#define THREADS_MAX  64
/* One push makes at most so many entries. */
#define ENTRIES_MAX 8

static struct auditlog *the_log;
static struct store *the_store;
static uint64_t wanted, made;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct worker {
	pthread_t thread;
	unsigned n, of;
	uint64_t tips[REPOSITORIES][REFS]; /* what each ref has now */
};

struct one {
	uint64_t n; /* of all pushes */
	char id[ULID_SIZE], hold[ULID_SIZE];
	char repository[32], principal[32], ref[64], old[41], new[41];
	char rule[32], reviewer[32];
	const char *verdict;
};

static void
need(int rc, const struct gg_error *err)
{
	if (rc != 0)
		gg_die("fill: %s", err->msg);
}

static json_t *
of_push(const char *type, const struct one *p)
{
	return json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "type",
	    type, "push", p->id, "repository", p->repository, "principal",
	    p->principal, "owner", "somebody@example.com", "auth", "method",
	    "token", "credential", "01JD8Y0000000000000000TOKE", "client",
	    "addr", "192.0.2.7", "agent", "git/2.39.5");
}

static json_t *
of_ref(const char *type, const struct one *p)
{
	static const char digest[] =
	    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
	json_t *e = of_push(type, p);

	(void)json_object_update_new(e,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:i}],"
		      " s:s, s:s, s:s, s:{s:s}}",
		"ref", p->ref, "old", p->old, "new", p->new, "kind",
		"fast-forward", "verdict", p->verdict, "rules", "rule", p->rule,
		"verdict", p->verdict, "matches", 1, "policy", digest, "report",
		digest, "pack_sha256", digest, "claimed", "agent.session",
		"0190f6e2-6f3a-7c44"));
	if (p->hold[0] != '\0')
		(void)json_object_set_new(e, "hold", json_string(p->hold));
	return e;
}

static json_t *
of_hold(const char *type, const struct one *p)
{
	json_t *e = of_push(type, p);

	(void)json_object_update_new(e,
	    json_pack("{s:s, s:[{s:s, s:s}]}", "hold", p->hold, "rules", "rule",
		p->rule, "verdict", "hold"));
	return e;
}

static json_t *
review(const struct one *p)
{
	json_t *e = of_hold("hold.review", p);

	(void)json_object_update_new(e,
	    json_pack("{s:s, s:[s], s:s, s:s, s:s, s:s}", "reviewer",
		p->reviewer, "reviewer_groups", "maintainers", "reviewer_auth",
		"session", "verdict", "approve", "comment", "looks right",
		"state", "approved"));
	return e;
}

static json_t *
forward(const char *type, const struct one *p)
{
	json_t *e = of_ref(type, p);

	if (p->hold[0] != '\0')
		(void)json_object_set_new(e, "reviewers",
		    json_pack("[s]", p->reviewer));
	if (strcmp(type, "forward.result") == 0)
		(void)json_object_set_new(e, "result", json_string("ok"));
	return e;
}

/* Before the push is sent, and after; what a gate writes at once. */
static unsigned
entries_of(const struct one *p, bool late, json_t *e[ENTRIES_MAX])
{
	unsigned n = 0;

	if (!late) {
		e[n++] = of_push("push.received", p);
		e[n++] = of_ref("ref.update", p);
		if (p->hold[0] != '\0')
			e[n++] = of_hold("hold.opened", p);
		else if (strcmp(p->verdict, "allow") == 0)
			e[n++] = forward("forward.intended", p);
		return n;
	}
	if (p->hold[0] != '\0') {
		e[n++] = review(p);
		e[n++] = forward("forward.intended", p);
	}
	e[n++] = forward("forward.result", p);
	if (p->hold[0] != '\0')
		e[n++] = of_hold("hold.closed", p);
	return n;
}

static void
append(const struct one *p, bool late)
{
	json_t *e[ENTRIES_MAX];
	struct gg_error err = { 0 };
	unsigned n = entries_of(p, late, e);
	uint64_t first;

	need(auditlog_append(the_log, e, n, &first, &err), &err);
	for (unsigned i = 0; i < n; i++)
		json_decref(e[i]);
}

/* The row that the paths hang on; as after a decision. */
static void
store_row(const struct one *p)
{
	struct stored_push row = { .id = (char *)(uintptr_t)p->id,
		.repository = (char *)(uintptr_t)p->repository,
		.principal = (char *)(uintptr_t)p->principal,
		.state = PUSH_RECEIVING,
		.created_ms = clock_wall_ms() };
	struct gg_error err = { 0 };
	char a[64], b[64];

	(void)snprintf(a, sizeof(a), "src/part%u/file%u.c",
	    (unsigned)(p->n % PATHS / 50), (unsigned)(p->n % PATHS));
	(void)snprintf(b, sizeof(b), "docs/page%u.md", (unsigned)(p->n % 100));
	row.request = json_pack("{s:b}", "atomic", 0);
	row.updates =
	    json_pack("[{s:s, s:s, s:s, s:[{s:s, s:[{s:s}, {s:s}]}]}]", "ref",
		p->ref, "old", p->old, "new", p->new, "reasons", "rule",
		p->rule, "paths", "path", a, "path", b);
	need(store_push_add(the_store, &row, &err), &err);
	row.state = strcmp(p->verdict, "deny") == 0 ? PUSH_DENIED :
						      PUSH_FORWARDING;
	need(store_push_update(the_store, &row, PUSH_RECEIVING, &err), &err);
	json_decref(row.request);
	json_decref(row.updates);
}

static void
make_push(struct worker *w, uint64_t n, struct one *p)
{
	/* A repository has one worker, so that its refs' values follow. */
	unsigned repo = w->n + (unsigned)(n % (REPOSITORIES / w->of)) * w->of;
	unsigned ref = (unsigned)(n / 7 % REFS);
	uint64_t *tip = &w->tips[repo][ref];

	*p = (struct one){ .n = n, .verdict = "allow" };
	ulid_new(p->id);
	if (n % 10 == 0) {
		ulid_new(p->hold);
		p->verdict = "hold";
	} else if (n % 20 == 1) {
		p->verdict = "deny";
	}
	(void)snprintf(p->repository, sizeof(p->repository), "team/r%u", repo);
	(void)snprintf(p->principal, sizeof(p->principal), "agent-%u",
	    (unsigned)(n % PRINCIPALS));
	(void)snprintf(p->ref, sizeof(p->ref), "refs/heads/b%u", ref);
	(void)snprintf(p->rule, sizeof(p->rule), "rule-%u",
	    (unsigned)(n % RULES));
	(void)snprintf(p->reviewer, sizeof(p->reviewer), "person-%u",
	    (unsigned)(n / 10 % PEOPLE));
	(void)snprintf(p->old, sizeof(p->old), "%040llx",
	    (unsigned long long)*tip);
	(void)snprintf(p->new, sizeof(p->new), "%040llx",
	    (unsigned long long)n + 1);
	if (strcmp(p->verdict, "deny") != 0)
		*tip = n + 1;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct one p;

	for (uint64_t n = w->n;; n += w->of) {
		pthread_mutex_lock(&mutex);
		made = auditlog_size(the_log);
		pthread_mutex_unlock(&mutex);
		if (made >= wanted)
			return NULL;
		make_push(w, n, &p);
		append(&p, false);
		if (the_store != NULL)
			store_row(&p);
		if (strcmp(p.verdict, "deny") != 0)
			append(&p, true);
	}
}

static void
index_it(void *ctx, uint64_t index, const char *json, size_t n)
{
	struct gg_error err = { 0 };

	(void)ctx;
	need(store_audit_add(the_store, index, json, n, &err), &err);
}

static unsigned
number(const char *text, unsigned most)
{
	uint64_t x = 0;
	struct gg_error err = { 0 };

	need(num_parse(view_str(text), most, &x, &err), &err);
	return (unsigned)x;
}

int
main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	GG_AUTO_MEM char *dir = NULL, *key = NULL;
	struct gg_error err = { 0 };
	unsigned threads;
	int64_t start, ms;

	if (argc < 4)
		gg_die("fill STATE-DIR ENTRIES THREADS [STORE]");
	wanted = number(argv[2], 100000000);
	threads = number(argv[3], REPOSITORIES);
	dir = path_f("%s/log", argv[1]);
	key = path_f("%s/log.key", argv[1]);
	need(auditlog_open(dir, key, ORIGIN, &the_log, &err), &err);
	if (argc > 4) {
		need(store_open(argv[4], argv[1], &the_store, &err), &err);
		auditlog_on_append(the_log, index_it, NULL);
	}
	start = clock_mono_ms();
	for (unsigned i = 0; i < threads; i++) {
		workers[i].n = i;
		workers[i].of = threads;
		if (pthread_create(&workers[i].thread, NULL, work,
			&workers[i]) != 0)
			gg_die("fill: no thread");
	}
	for (unsigned i = 0; i < threads; i++)
		(void)pthread_join(workers[i].thread, NULL);
	ms = clock_mono_ms() - start;
	made = auditlog_size(the_log);
	printf("%llu entries in %lld ms: %llu a second, %u threads\n%s\n",
	    (unsigned long long)made, (long long)ms,
	    (unsigned long long)(made * 1000 / (uint64_t)(ms > 0 ? ms : 1)),
	    threads, auditlog_vkey(the_log));
	auditlog_close(the_log);
	store_free(the_store);
	return 0;
}
