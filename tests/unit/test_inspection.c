/*
 * A whole inspection over real repositories. Without arguments: the unit
 * tests. With arguments it is the driver of tests/e2e/test_packs_unit.py:
 *
 *   test_inspection JOB PACK|- [DIFF]
 *
 * JOB is a file of lines "key value" (see read_job()); the report is printed
 * as lines of text that are easy to compare. Exit code 0: a report was made;
 * 1: refused, "refused <code> <limit>: <message>".
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "base/num.h"
#include "pack/inspect.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* ---- the driver ---- */

struct input {
	struct push_job job;
	struct push_job_refs refs;
	size_t piece;
};

static struct oid
oid_of(struct view v)
{
	struct oid oid = { 0 };

	if (!view_eq_str(v, "0") && !oid_parse(v, &oid))
		gg_die("bad oid %.*s", (int)v.n, v.p);
	return oid;
}

static void
add_oid(struct oid **v, size_t *n, struct view text)
{
	*v = reallocarray(*v, *n + 1, sizeof(**v));
	if (*v == NULL)
		gg_die("no memory");
	(*v)[(*n)++] = oid_of(text);
}

static uint64_t
number(struct view v)
{
	uint64_t x = 0;

	if (num_parse(v, UINT64_MAX >> 1, &x, NULL) != 0)
		gg_die("bad number %.*s", (int)v.n, v.p);
	return x;
}

static void
set_default_limits(struct job_limits *l)
{
	*l = (struct job_limits){ .pack_bytes = 2147483648,
		.pack_objects = 2000000,
		.object_bytes = 1073741824,
		.delta_depth = 4095,
		.path_bytes = 4096,
		.tree_depth = 512,
		.walk_commits = 100000,
		.walk_entries = 20000000,
		.listed_paths = 50000,
		.wall_ms = 120000,
		.cpu_ms = 120000,
		.memory_bytes = 1073741824,
		.documents = 2000,
		.document_bytes = 262144,
		.documents_bytes = 4194304,
		.documents_read = 134217728 };
}

static void
set_limit(struct job_limits *l, struct view key, uint64_t x)
{
	const struct {
		const char *key;
		uint64_t *at;
	} all[] = {
		{ "pack-size", &l->pack_bytes },
		{ "pack-objects", &l->pack_objects },
		{ "object-size", &l->object_bytes },
		{ "delta-depth", &l->delta_depth },
		{ "path-length", &l->path_bytes },
		{ "tree-depth", &l->tree_depth },
		{ "walk-commits", &l->walk_commits },
		{ "walk-entries", &l->walk_entries },
		{ "listed-paths", &l->listed_paths },
		{ "inspection-time", &l->wall_ms },
		{ "inspection-cpu", &l->cpu_ms },
		{ "inspection-memory", &l->memory_bytes },
		{ "scan-blob-size", &l->scan_blob_bytes },
		{ "provenance-documents", &l->documents },
		{ "provenance-document", &l->document_bytes },
		{ "provenance-bytes", &l->documents_bytes },
		{ "provenance-read", &l->documents_read },
	};

	for (size_t i = 0; i < GG_COUNT(all); i++)
		if (view_eq_str(key, all[i].key)) {
			*all[i].at = x;
			return;
		}
	gg_die("no limit %.*s", (int)key.n, key.p);
}

/* "old new refname" */
static void
add_update(struct input *in, struct view v)
{
	struct view old, new;
	struct oid a, b;

	if (!view_cut(&v, ' ', &old) || !view_cut(&v, ' ', &new))
		gg_die("bad update");
	a = oid_of(old);
	b = oid_of(new);
	if (ref_updates_add(&in->refs.updates, &a, &b, v, 1000, NULL) != 0)
		gg_die("bad update");
}

/* "all", "none" or oids */
static void
add_scope(struct input *in, struct view v)
{
	struct push_job_scope *s = &in->refs.scopes[in->refs.n_scopes++];
	struct view one;

	s->needed = !view_eq_str(v, "none");
	s->covers_all = view_eq_str(v, "all");
	if (s->covers_all || !s->needed)
		return;
	while (view_cut(&v, ' ', &one))
		add_oid(&s->oids, &s->n_oids, one);
	if (v.n > 0)
		add_oid(&s->oids, &s->n_oids, v);
}

static void
read_line(struct input *in, struct view key, struct view v)
{
	struct view name;

	if (view_eq_str(key, "mirror"))
		in->job.mirror = view_dup(v);
	else if (view_eq_str(key, "quarantine"))
		in->job.quarantine = view_dup(v);
	else if (view_eq_str(key, "clean"))
		in->job.mirror_clean = number(v) != 0;
	else if (view_eq_str(key, "piece"))
		in->piece = (size_t)number(v);
	else if (view_eq_str(key, "fsck"))
		strv_addv(&in->job.fsck, v);
	else if (view_eq_str(key, "shallow"))
		strv_addv(&in->job.shallow, v);
	else if (view_eq_str(key, "update"))
		add_update(in, v);
	else if (view_eq_str(key, "advertised"))
		add_oid(&in->refs.advertised, &in->refs.n_advertised, v);
	else if (view_eq_str(key, "head"))
		in->refs.head = oid_of(v);
	else if (view_eq_str(key, "scope"))
		add_scope(in, v);
	else if (view_eq_str(key, "limit") && view_cut(&v, ' ', &name))
		set_limit(&in->job.limits, name, number(v));
	else
		gg_die("bad key %.*s", (int)key.n, key.p);
}

static void
read_job(struct input *in, const char *path)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1 << 20);
	struct gg_error err;
	struct view rest, line, key;

	set_default_limits(&in->job.limits);
	in->piece = 65536;
	in->job.push_id = view_dup(view_str("p"));
	if (file_read(path, &text, &err) != 0)
		gg_die("%s", err.msg);
	rest = buf_view(&text);
	while (view_cut(&rest, '\n', &line))
		if (view_cut(&line, ' ', &key))
			read_line(in, key, line);
}

static void
print_escaped(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s > ' ' && *s < 0x7f && *s != '\\')
			putchar(*s);
		else
			printf("\\x%02x", (unsigned char)*s);
}

static void
print_paths(const char *what, const struct path_changes *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		const struct path_change *p = &paths->v[i];

		printf("%s %u %o %o %" PRIu64 " ", what, p->kinds, p->old_mode,
		    p->new_mode, p->new_bytes);
		print_escaped(p->path);
		printf("\n");
	}
}

static void
print_report(const struct change_report *r)
{
	char hex[OID_HEX + 1];

	for (size_t i = 0; i < r->n_commits; i++) {
		oid_format(&r->commits[i].oid, hex);
		printf("commit %s %u ", hex, r->commits[i].n_parents);
		print_escaped(r->commits[i].author_email);
		printf("\n");
		print_paths("path", &r->commits[i].paths);
	}
	for (size_t i = 0; i < r->n_updates; i++) {
		const struct update_report *u = &r->updates[i];

		printf("update %s %d %s\n", update_kind_name(u->kind),
		    (int)u->object, u->too_large ? u->too_large_why : "-");
		for (size_t s = 0; s < r->n_scopes; s++) {
			printf("scope");
			for (size_t k = 0; k < u->scopes[s].n; k++)
				printf(" %u", u->scopes[s].v[k]);
			printf("\n");
		}
		print_paths("net", &u->net);
	}
}

static void
print_documents(const struct change_report *r)
{
	static const char *const kinds[] = { "note", "trace", "checkpoint",
		"session", "prompt", "transcript" };

	for (size_t i = 0; i < r->n_documents; i++) {
		const struct document *d = &r->documents[i];

		printf("document %s %u %d %s %s %" PRIu64 " %s%s ",
		    kinds[d->kind], d->update, (int32_t)d->commit, d->key,
		    *d->part != '\0' ? d->part : "-", d->bytes,
		    d->cut ? "cut" : "whole", d->masked ? ",masked" : "");
		print_escaped(d->text);
		printf("\n");
	}
	if (r->documents_all > 0 || r->documents_incomplete != NULL)
		printf("documents %" PRIu64 " %s\n", r->documents_all,
		    r->documents_incomplete != NULL ? r->documents_incomplete :
						      "-");
}

static int
feed_file(struct inspection *in, const char *path, size_t piece,
    struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	GG_AUTO_MEM char *bytes = malloc(piece);
	ssize_t n;
	int rc;

	if (fd < 0 || bytes == NULL)
		gg_die("%s", path);
	while ((n = read(fd, bytes, piece)) > 0)
		if ((rc = inspection_feed(in, view_of(bytes, (size_t)n),
			 err)) != 0)
			return rc;
	return inspection_finish(in, err);
}

static int
write_diff(struct inspection *in, const char *path, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	const char *max = getenv("DIFF_MAX");
	uint64_t written = 0;

	if (fd < 0)
		gg_die("%s", path);
	return inspection_diff(in, fd,
	    max != NULL ? number(view_str(max)) : 4194304, &written, err);
}

static int
inspect_all(struct input *i, const char *pack, const char *diff,
    const char **limit, struct gg_error *err)
{
	GG_AUTO(inspection) in = NULL;
	GG_AUTO(change_report) report = NULL;
	int rc;

	if ((rc = inspection_begin(&i->job, &i->refs, &in, limit, err)) != 0)
		return rc;
	if (i->job.has_pack)
		rc = feed_file(in, pack, i->piece, err);
	if (rc != 0 || (rc = inspection_report(in, &report, err)) != 0)
		return rc;
	print_report(report);
	print_documents(report);
	return diff != NULL ? write_diff(in, diff, err) : 0;
}

static int
drive(const char *job, const char *pack, const char *diff)
{
	struct input in = { 0 };
	struct gg_error err = { 0 };
	const char *limit = "";
	int rc;

	read_job(&in, job);
	in.job.has_pack = strcmp(pack, "-") != 0;
	rc = inspect_all(&in, pack, diff, &limit, &err);
	push_job_release(&in.job);
	push_job_refs_release(&in.refs);
	if (rc == 0)
		return 0;
	printf("refused %s %s: %s\n", gg_code_name(rc), limit, err.msg);
	return 1;
}

/* ---- unit tests ---- */

struct place {
	char dir[64];
	struct input in;
};

/* A mirror without objects, and a quarantine beside it. */
static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	GG_AUTO_MEM char *packs = NULL;

	assert_non_null(p);
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/gg-inspect-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->in.job.push_id = path_f("p");
	p->in.job.mirror = path_f("%s/mirror", p->dir);
	p->in.job.quarantine = path_f("%s/quarantine", p->dir);
	set_default_limits(&p->in.job.limits);
	packs = path_f("%s/objects/pack", p->in.job.mirror);
	assert_int_equal(dir_make(packs, 0700, NULL), 0);
	assert_int_equal(dir_make(p->in.job.quarantine, 0700, NULL), 0);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	push_job_release(&p->in.job);
	push_job_refs_release(&p->in.refs);
	assert_int_equal(dir_remove(p->dir, NULL), 0);
	free(p);
	return 0;
}

#define SOME_OID "1111111111111111111111111111111111111111"

static void
a_delete_needs_no_pack(void **state)
{
	struct place *p = *state;
	GG_AUTO(inspection) in = NULL;
	GG_AUTO(change_report) report = NULL;
	const char *limit;
	struct gg_error err;

	add_update(&p->in, view_str(SOME_OID " 0 refs/heads/x"));
	assert_int_equal(inspection_begin(&p->in.job, &p->in.refs, &in, &limit,
			     &err),
	    0);
	assert_int_equal(inspection_finish(in, &err), 0);
	assert_int_equal(inspection_report(in, &report, &err), 0);
	assert_int_equal(report->n_updates, 1);
	assert_int_equal(report->updates[0].kind, UPDATE_DELETE);
	assert_string_equal(limit, "");
}

static void
a_tip_that_nobody_has_is_refused(void **state)
{
	struct place *p = *state;
	GG_AUTO(inspection) in = NULL;
	GG_AUTO(change_report) report = NULL;
	const char *limit;
	struct gg_error err;

	p->in.job.mirror_clean = true;
	add_update(&p->in, view_str("0 " SOME_OID " refs/heads/x"));
	assert_int_equal(inspection_begin(&p->in.job, &p->in.refs, &in, &limit,
			     &err),
	    0);
	assert_int_equal(inspection_report(in, &report, &err), GG_E_PEER);
	assert_string_equal(err.msg, "missing object " SOME_OID);
}

static void
a_malformed_pack_is_refused_while_it_comes(void **state)
{
	struct place *p = *state;
	GG_AUTO(inspection) in = NULL;
	const char *limit;
	struct gg_error err;

	p->in.job.has_pack = true;
	assert_int_equal(inspection_begin(&p->in.job, &p->in.refs, &in, &limit,
			     &err),
	    0);
	assert_int_equal(inspection_feed(in, view_str("PACX"), &err), 0);
	assert_int_equal(inspection_feed(in, view_str("123456789"), &err),
	    GG_E_PEER);
	assert_string_equal(err.msg, "pack has no signature");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_delete_needs_no_pack, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_tip_that_nobody_has_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_malformed_pack_is_refused_while_it_comes, setup,
		    teardown),
	};

	if (argc > 2)
		return drive(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
