#include "role/recorded.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "ipc/codec.h"
#include "provenance/read.h"
#include "role/inspection_order.h"
#include "role/kept_refs.h"
#include "role/secret_rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- upstream's refs of that day -- */

static int
write_shared(const struct config *c, const struct buf *bytes, const char *hex,
    char **path, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/adverts", c->state_dir);
	int rc;

	*path = path_f("%s/%s", dir, hex);
	if (access(*path, R_OK) == 0)
		return 0;
	if ((rc = dir_make(dir, 0700, err)) != 0)
		return rc;
	return file_write(*path, buf_view(bytes), 0600, false, err);
}

int
recorded_keep_refs(const struct config *c, const struct advert *refs,
    const char *push_dir, json_t *request, struct gg_error *err)
{
	GG_AUTO_MEM char *own = path_f("%s/upstream", push_dir);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO_MEM char *shared = NULL;
	char hex[DIGEST_SHA256_HEX_SIZE];
	int rc;

	advert_encode(refs, &bytes);
	if ((rc = buf_check(&bytes, err)) != 0)
		return rc;
	digest_sha256_hex(buf_view(&bytes), hex);
	(void)json_object_set_new(request, "refs_sha256", json_string(hex));
	if ((rc = write_shared(c, &bytes, hex, &shared, err)) != 0)
		return rc;
	if (link(shared, own) == 0)
		return 0;
	/* Swept away between the two calls, or too many links to it. */
	return file_write(own, buf_view(&bytes), 0600, false, err);
}

void
recorded_sweep_refs(const struct config *c)
{
	GG_AUTO_MEM char *dir = path_f("%s/adverts", c->state_dir);
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strlen(e->d_name) != 2 * DIGEST_SHA256_BYTES)
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    st.st_nlink == 1)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		(void)closedir(d);
}

static int
read_refs(const struct config *c, const char *push_id, struct advert **out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/upstream", c->state_dir,
	    push_id);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	int rc = file_read(path, &bytes, err);

	if (rc != 0)
		return rc;
	return advert_decode(buf_view(&bytes), out, err);
}

/* -- the push as structs -- */

void
strv_from_json(const json_t *array, struct strv *out)
{
	size_t i;
	json_t *v;

	json_array_foreach(array, i, v) if (json_is_string(v))
	    strv_add(out, json_string_value(v));
}

int
updates_from_json(const json_t *updates, struct ref_updates *out,
    struct gg_error *err)
{
	size_t i;
	json_t *u;
	int rc;

	json_array_foreach(updates, i, u)
	{
		const char *ref = json_string_value(json_object_get(u, "ref"));
		struct view old_hex =
		    view_str(json_string_value(json_object_get(u, "old")));
		struct view new_hex =
		    view_str(json_string_value(json_object_get(u, "new")));
		struct oid a, b;

		if (ref == NULL || !oid_parse(old_hex, &a) ||
		    !oid_parse(new_hex, &b))
			return gg_fail(err, GG_E_CORRUPT,
			    "stored ref update %zu is damaged", i);
		rc = ref_updates_add(out, &a, &b, view_str(ref), 100000, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Held by policy, allowed by a grant: what policy said is asked for. */
static bool
was_lifted(const json_t *update)
{
	const json_t *r;
	size_t i;

	if (json_array_size(json_object_get(update, "grants")) == 0)
		return false;
	json_array_foreach(json_object_get(update, "reasons"), i, r)
	{
		const char *word = json_string_value(json_object_get(r,
		    "verdict"));

		if (word != NULL && strcmp(word, "hold") == 0)
			return true;
	}
	return false;
}

bool
recorded_verdict(const struct stored_push *push, enum verdict *out)
{
	enum verdict v = VERDICT_ALLOW;
	size_t i;
	json_t *u;

	json_array_foreach(push->updates, i, u)
	{
		const char *word = json_string_value(json_object_get(u,
		    "verdict"));

		if (word == NULL)
			return false;
		if (strcmp(word, "deny") == 0)
			v = VERDICT_DENY;
		else if (strcmp(word, "hold") == 0 || was_lifted(u))
			v = verdict_strictest(v, VERDICT_HOLD);
	}
	*out = v;
	return json_array_size(push->updates) > 0;
}

/* -- judging again -- */

struct rerun {
	const struct config *config;
	const struct ruleset *rs;
	const struct stored_push *push;
	struct repo_ref repo;
	struct principal principal;
	struct ref_updates updates;
	struct strv shallow;
	struct advert *upstream;
	const char **symrefs;
	unsigned char *places;
	bool has_pack;
	char *quarantine;
	struct change_report *before; /* NULL: it is gone, or not as it was */
	int rules_fd, diff_fd;
	struct oid head;
	int64_t at_ms; /* when it was judged */
	unsigned char salt[JOB_SALT_BYTES];
};

static void
rerun_release(struct rerun *r)
{
	struct gg_error ignored;

	if (r->quarantine != NULL)
		(void)dir_remove(r->quarantine, &ignored);
	free(r->quarantine);
	change_report_free(r->before);
	repo_ref_release(&r->repo);
	principal_release(&r->principal);
	ref_updates_release(&r->updates);
	strv_release(&r->shallow);
	advert_free(r->upstream);
	free(r->symrefs);
	free(r->places);
}
GG_DEFINE_AUTO_RELEASE(rerun);

void
rejudged_release(struct rejudged *r)
{
	change_report_free(r->report);
	decision_free(r->decision);
	*r = (struct rejudged){ 0 };
}

static enum auth_method
method_of(const char *word)
{
	for (enum auth_method m = AUTH_ANONYMOUS; m <= AUTH_CERTIFICATE; m++)
		if (strcmp(auth_method_name(m), word) == 0)
			return m;
	return AUTH_ANONYMOUS;
}

static int
load_rerun(struct rerun *r, struct gg_error *err)
{
	const json_t *request = r->push->request, *symrefs;
	char id[ULID_SIZE];
	int rc;

	rc = config_find_repository(r->config, view_str(r->push->repository),
	    &r->repo, err);
	if (rc != 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "%s is not in the configuration any more: put its entry "
		    "back, with the upstream of then",
		    r->push->repository);
	if ((rc = updates_from_json(r->push->updates, &r->updates, err)) != 0 ||
	    (rc = read_refs(r->config, r->push->id, &r->upstream, err)) != 0)
		return rc;
	r->principal.name = path_f("%s", r->push->principal);
	r->principal.method = method_of(r->push->auth_method);
	r->principal.credential_id = path_f("%s", r->push->credential_id);
	push_identity_read(r->push->identity, &r->principal);
	strv_copy(&r->principal.groups, &r->push->groups);
	strv_from_json(json_object_get(request, "shallow"), &r->shallow);
	r->has_pack = json_is_true(json_object_get(request, "has_pack"));
	r->places = kept_places(&r->updates, r->upstream);
	r->symrefs = calloc(r->updates.n + 1, sizeof(*r->symrefs));
	if (r->symrefs == NULL)
		return gg_fail(err, GG_E_NOMEM, "recorded push");
	symrefs = json_object_get(request, "symrefs");
	for (size_t i = 0; i < r->updates.n; i++)
		r->symrefs[i] = json_string_value(json_object_get(symrefs,
		    r->updates.v[i].refname));
	(void)oid_parse(view_str(json_string_value(json_object_get(request,
			    "head"))),
	    &r->head);
	r->at_ms = json_integer_value(json_object_get(json_object_get(request,
							  "timings"),
	    "judged"));
	if (r->at_ms == 0)
		r->at_ms = r->push->created_ms;
	if (recorded_report_read(r->config, r->push->id, r->push->report_digest,
		&r->before, NULL) != 0)
		r->before = NULL;
	ulid_new(id);
	r->quarantine = path_f("%s/quarantine/%s", r->config->state_dir, id);
	return 0;
}

/*
 * Not as of a clean mirror: what the push brought may lie in the mirror by
 * now, and must count as new all the same. The refs of that day are the base.
 */
static struct inspection_order
order_of(const struct rerun *r)
{
	return (struct inspection_order){
		.config = r->config,
		.ruleset = r->rs,
		.repo = &r->repo,
		.principal = &r->principal,
		.updates = &r->updates,
		.upstream = r->upstream,
		.kept_is_base = kept_is_base(r->rs, r->repo.name, &r->principal,
		    &r->updates, r->upstream),
		.head = r->head,
		.shallow = &r->shallow,
		.push_id = r->push->id,
		.quarantine = r->quarantine,
		.has_pack = r->has_pack,
		.mirror_clean = false,
		.recorded = true,
		.before = r->before,
		.sandbox_required = r->config->sandbox == SANDBOX_REQUIRED,
		.rules_fd = r->rules_fd,
		.salt = r->salt,
	};
}

static int
open_pack(const struct rerun *r, uint64_t *n, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/pack",
	    r->config->state_dir, r->push->id);
	GG_AUTO_FD fd = open(r->has_pack ? path : "/dev/null",
	    O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		gg_fail(err, GG_E_NOTFOUND, "the pack of push %s is gone",
		    r->push->id);
		return -1;
	}
	*n = r->has_pack ? (uint64_t)st.st_size : 0;
	return fd_take(&fd);
}

static int
write_diff(const struct rerun *r, int inspector, struct gg_error *err)
{
	const struct limits *l = &r->config->limits;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	GG_AUTO_MEM char *limit = NULL;
	int rc;

	enc_u64(&body, l->diff_bytes);
	rc = frame_send(inspector, MSG_DIFF, 0, buf_view(&body), &r->diff_fd, 1,
	    err);
	return rc != 0 ?
	    rc :
	    inspector_expect(inspector, MSG_DIFF_DONE, MSG_NONE,
		clock_mono_ms() + (int64_t)l->inspection_ms, &f, &limit, err);
}

static int
inspect_again(const struct rerun *r, int inspector, struct change_report **out,
    char digest[DIGEST_SHA256_HEX_SIZE], struct gg_error *err)
{
	struct inspection_order o = order_of(r);
	GG_AUTO_MEM char *limit = NULL;
	uint64_t n = 0;
	GG_AUTO_FD report = fd_memfile("report", view_str(""), err);
	GG_AUTO_FD pack = report < 0 ? -1 : open_pack(r, &n, err);
	int rc;

	if (report < 0 || pack < 0)
		return err->code;
	rc = inspection_order_send(&o, inspector, pack, report, err);
	if (rc == 0)
		rc = inspection_order_wait(&o, inspector, report, n, out,
		    digest, &limit, err);
	if (rc == GG_E_LIMIT && limit != NULL && *limit != '\0')
		return gg_wrap(err, rc, "limit %s", limit);
	return rc == 0 && r->diff_fd >= 0 ? write_diff(r, inspector, err) : rc;
}

/* The reason that this rule gave for this ref when the push was judged. */
static const json_t *
reason_then(const struct stored_push *push, const char *ref, const char *rule)
{
	const json_t *u, *r;
	const char *s;
	size_t i, k;

	json_array_foreach(push->updates, i, u)
	{
		s = json_string_value(json_object_get(u, "ref"));
		if (s == NULL || strcmp(s, ref) != 0)
			continue;
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		{
			s = json_string_value(json_object_get(r, "rule"));
			if (s != NULL && strcmp(s, rule) == 0)
				return r;
		}
	}
	return NULL;
}

/* A program's answer belongs to its time: what it said then counts. */
static int
not_asked(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err)
{
	const char *ref = "", *rule = "", *word = NULL, *message = "";
	const json_t *then;

	(void)program;
	(void)err;
	(void)json_unpack((json_t *)(uintptr_t)input, "{s:s, s:{s:s}}", "rule",
	    &rule, "update", "ref", &ref);
	then = reason_then(ctx, ref, rule);
	(void)json_unpack((json_t *)(uintptr_t)then, "{s:s, s?s}", "verdict",
	    &word, "message", &message);
	out->verdict = VERDICT_ALLOW;
	for (enum verdict v = VERDICT_DENY; word != NULL && v <= VERDICT_ALLOW;
	     v++)
		if (strcmp(word, verdict_name(v)) == 0)
			out->verdict = v;
	out->message = word != NULL ? path_f("%s%sas it answered then", message,
					  *message != '\0' ? "; " : "") :
				      path_f("the hook was not asked again");
	return 0;
}

int
recorded_rejudge(const struct config *c, struct store *store,
    const struct ruleset *rs, const struct rejudge_fds *fds,
    const struct stored_push *push, json_t *trace, struct rejudged *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rerun)
	r = { .config = c,
		.rs = rs,
		.push = push,
		.rules_fd = fds->rules,
		.diff_fd = fds->diff };
	GG_AUTO_RELEASE(rejudged) j = { 0 };
	GG_AUTO_RELEASE(strv) allowed = STRV_INIT;
	json_t *records = NULL;
	int rc;

	if (fds->rules > 0 &&
	    (rc = secret_rules_salt(c->state_dir, r.salt, err)) != 0)
		return rc;
	if ((rc = load_rerun(&r, err)) != 0 ||
	    (rc = store_allowance_in_force(store, r.repo.name, r.at_ms,
		 &allowed, err)) != 0 ||
	    (rc = inspect_again(&r, fds->inspector, &j.report, j.report_digest,
		 err)) != 0 ||
	    (rc = provenance_read(j.report, &records, err)) != 0)
		return rc;
	struct policy_input in = {
		.repository = r.repo.name,
		.principal = &r.principal,
		.updates = &r.updates,
		.symref_targets = r.symrefs,
		.places = r.places,
		.report = j.report,
		.now_wall_ms = r.at_ms,
		.claimed = json_object_get(push->request, "claimed"),
		.records = records,
		.earlier = json_object_get(push->request, "earlier_records"),
		.allowed_findings = &allowed,
		.hook = not_asked,
		.hook_ctx = (void *)(uintptr_t)push,
		.trace = trace,
	};

	rc = policy_evaluate(rs, &in, &j.decision, err);
	json_decref(records);
	if (rc != 0)
		return rc;
	*out = j;
	j = (struct rejudged){ 0 };
	return 0;
}

json_t *
recorded_explanation(const struct ruleset *rs, const struct stored_push *push,
    const struct rejudged *r, json_t *trace)
{
	const char *digest = ruleset_digest(rs);
	enum verdict was = VERDICT_DENY;
	bool judged = recorded_verdict(push, &was);

	return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:b, s:o, s:o, s:O}",
	    "push", push->id, "repository", push->repository, "verdict",
	    verdict_name(r->decision->verdict), "recorded",
	    judged ? verdict_name(was) : NULL, "policy_digest", digest,
	    "same_policy", strcmp(digest, push->policy_digest) == 0, "updates",
	    decision_updates_json(r->decision), "needs",
	    decision_needs_json(r->decision), "trace", trace);
}
