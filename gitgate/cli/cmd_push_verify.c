/*
 * gitgate pushes verify: that a push's entries are in the log, by the log's
 * own proof, and that what was recorded of it (or a copy that was kept
 * elsewhere) is what they say. On the gate's machine.
 */
#include "cli/cli.h"
#include "cli/logged.h"
#include "cli/remote.h"

#include "audit/checkpoint.h"
#include "audit/tile_read.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "role/kept_policy.h"
#include "store/auditlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct proof {
	const char *key, *name; /* the entry's member; the recording's file */
	const char *file;       /* a copy; NULL: the recording */
	char hex[DIGEST_SHA256_HEX_SIZE]; /* "": there is none */
	size_t same, other;
};

struct check {
	struct proof of[2];
	const char *key;     /* of the log; NULL: as the gate has it */
	struct strv faults;  /* of the index */
	struct strv digests; /* of policies, as logged */
	json_t *entries;
	char *dir; /* the log's */
	struct buf note;
	struct checkpoint at; /* borrows from note */
	size_t n_updates, n_bad;
};
static void
check_release(struct check *c)
{
	strv_release(&c->faults);
	strv_release(&c->digests);
	json_decref(c->entries);
	buf_release(&c->note);
	free(c->dir);
}
GG_DEFINE_AUTO_RELEASE(check);

static int
hash_file(const char *path, char hex[DIGEST_SHA256_HEX_SIZE],
    struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	GG_AUTO(digest_ctx) d = digest_ctx_new();
	unsigned char raw[DIGEST_SHA256_BYTES];
	char piece[65536];
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return gg_fail(err, GG_E_NOTFOUND, "%s is not there", path);
	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno != EINTR)
			return gg_fail(err, GG_E_SYS, "%s", path);
		if (n > 0)
			digest_ctx_update(d, piece, (size_t)n);
	}
	digest_ctx_final(d, raw);
	hex_encode(raw, sizeof(raw), hex);
	return 0;
}

/* Read first: as root the store's owner may not read the copies. */
static int
hash_copies(struct check *c, struct gg_error *err)
{
	int rc;

	for (size_t i = 0; i < GG_COUNT(c->of); i++)
		if (c->of[i].file != NULL &&
		    (rc = hash_file(c->of[i].file, c->of[i].hex, err)) != 0)
			return rc;
	return 0;
}

/* Where no copy was named: what is still recorded. */
static int
hash_recorded(struct check *c, const struct config *conf, const char *push,
    struct gg_error *err)
{
	int rc;

	if (c->of[0].file != NULL || c->of[1].file != NULL)
		return 0;
	for (size_t i = 0; i < GG_COUNT(c->of); i++) {
		GG_AUTO_MEM char *path = path_f("%s/pushes/%s/%s",
		    conf->state_dir, push, c->of[i].name);

		rc = hash_file(path, c->of[i].hex, err);
		if (rc == GG_E_NOTFOUND)
			say("%s: not recorded, or removed\n", c->of[i].name);
		else if (rc != 0)
			return rc;
	}
	return 0;
}

/* -- in the log -- */

static int
open_log(struct check *c, const struct config *conf, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
	GG_AUTO_MEM char *own = path_f("%s/log/vkey", conf->state_dir);
	char root[CHECKPOINT_ROOT_SIZE];
	struct note_vkey key;
	int rc;

	c->dir = path_f("%s/log", conf->state_dir);
	if (c->key != NULL &&
	    note_vkey_parse(view_str(c->key), &key, NULL) == 0)
		rc = 0;
	else if ((rc = file_read(c->key ? c->key : own, &text, err)) == 0) {
		struct view line = buf_view(&text);

		while (line.n > 0 && line.p[line.n - 1] == '\n')
			line.n--;
		rc = note_vkey_parse(line, &key, err);
	}
	if (rc == 0)
		rc = auditlog_fetch_dir(c->dir, "checkpoint", &c->note, err);
	if (rc == 0)
		rc = checkpoint_open(buf_view(&c->note), &key, &c->at, err);
	if (rc != 0)
		return gg_wrap(err, rc, "the log's checkpoint");
	checkpoint_root_base64(&c->at.root, root);
	say("log %s: %llu entries, root %s, signed with key %08x\n", key.name,
	    (unsigned long long)c->at.size, root, key.id);
	return 0;
}

/* An entry as it was hashed: personal values are commitments in it. */
static int
read_entry(const struct check *c, uint64_t index, struct buf *bundle,
    struct view *out, struct gg_error *err)
{
	struct tile t = {
		.is_bundle = true, .n = index / TILE_WIDTH, .width = TILE_WIDTH
	};
	struct view rest;
	int rc;

	if (t.n == c->at.size / TILE_WIDTH)
		t.width = (unsigned)(c->at.size % TILE_WIDTH);
	if ((rc = tile_fetch(auditlog_fetch_dir, c->dir, &t, bundle, err)) != 0)
		return rc;
	rest = buf_view(bundle);
	for (uint64_t at = index - index % TILE_WIDTH;
	     tile_next_entry(&rest, out, NULL) == 1; at++)
		if (at == index)
			return 0;
	return gg_fail(err, GG_E_CORRUPT, "it is not in its bundle");
}

/* From the entry's bytes up to the signed root. */
static int
prove(const struct check *c, uint64_t index, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bundle = BUF_INIT(TILE_BUNDLE_MAX_BYTES + 1);
	struct view text;
	struct merkle_proof proof = { 0 };
	struct merkle_hash leaf;
	int rc;

	if (index >= c->at.size)
		return gg_fail(err, GG_E_NOTFOUND,
		    "no checkpoint covers it yet: try again");
	if ((rc = read_entry(c, index, &bundle, &text, err)) != 0 ||
	    (rc = tile_prove_inclusion(auditlog_fetch_dir, c->dir, index,
		 c->at.size, &proof, err)) != 0)
		return rc;
	merkle_leaf(text, &leaf);
	if (!merkle_verify_inclusion(&leaf, index, c->at.size, &proof,
		&c->at.root))
		return gg_fail(err, GG_E_CORRUPT,
		    "its bytes do not lead to the signed root");
	return 0;
}

static void
check_inclusion(struct check *c, const json_t *e)
{
	uint64_t index = (uint64_t)json_integer_value(json_object_get(e,
	    "seq"));
	struct gg_error err = { 0 };
	int rc = prove(c, index, &err);
	GG_AUTO_MEM char *line = NULL;

	line = path_f("entry %llu: %s%s%s: %s", (unsigned long long)index,
	    json_str(e, "type"), *json_str(e, "ref") ? " " : "",
	    json_str(e, "ref"), rc == 0 ? "in the log" : err.msg);
	say_safe("", line);
	c->n_bad += rc != 0;
}

/* -- what was recorded -- */

static void
compare_entry(struct check *c, const json_t *e)
{
	const char *policy = json_str(e, "policy");

	if (*policy != '\0' && !strv_has(&c->digests, policy))
		strv_add(&c->digests, policy);
	c->n_updates += strcmp(json_str(e, "type"), "ref.update") == 0;
	for (size_t i = 0; i < GG_COUNT(c->of); i++) {
		struct proof *p = &c->of[i];
		const char *logged = json_str(e, p->key);

		if (p->hex[0] == '\0' || *logged == '\0')
			continue;
		if (strcmp(logged, p->hex) == 0) {
			p->same++;
			continue;
		}
		p->other++;
		say("entry %lld: %s ",
		    (long long)json_integer_value(json_object_get(e, "seq")),
		    p->key);
		say_safe("", logged);
	}
}

static void
say_policies(struct check *c, const struct config *conf)
{
	for (size_t i = 0; i < c->digests.n; i++) {
		GG_AUTO(ruleset) rs = NULL;
		struct gg_error err = { 0 };
		int rc = kept_policy_load(conf, c->digests.v[i], &rs, &err);

		say_safe("policy ", c->digests.v[i]);
		if (rc == 0) {
			say("  its files are what was logged\n");
			continue;
		}
		say_safe("  ", err.msg);
		c->n_bad += rc != GG_E_NOTFOUND;
	}
}

static void
say_files(struct check *c)
{
	for (size_t i = 0; i < GG_COUNT(c->of); i++) {
		const struct proof *p = &c->of[i];
		bool good = p->other == 0 && p->same > 0;

		if (p->hex[0] == '\0')
			continue;
		say("%s of the %s is %s: %s\n", p->key,
		    p->file != NULL ? "file" : "recording", p->hex,
		    good ? "what was logged" : "NOT what was logged");
		c->n_bad += !good;
	}
}

static int
check_push(struct check *c, const struct config *conf, struct store *s,
    const char *push, struct gg_error *err)
{
	json_t *e;
	size_t i;
	int rc;

	if ((rc = hash_recorded(c, conf, push, err)) != 0 ||
	    (rc = open_log(c, conf, err)) != 0 ||
	    (rc = logged_entries(conf, s, NULL, push, &c->entries, &c->faults,
		 err)) != 0)
		return rc;
	json_array_foreach(c->entries, i, e)
	{
		check_inclusion(c, e);
		compare_entry(c, e);
	}
	if ((rc = strv_check(&c->faults, err)) != 0 ||
	    (rc = strv_check(&c->digests, err)) != 0)
		return rc;
	say_policies(c, conf);
	say_files(c);
	for (i = 0; i < c->faults.n; i++)
		say_safe("fault: ", c->faults.v[i]);
	if (c->n_updates == 0)
		say("the log has no ref update of this push\n");
	return 0;
}

int
cmd_pushes_verify(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(check)
	c = { .of = { { .key = "pack_sha256", .name = "pack" },
		  { .key = "report", .name = "report" } } };
	const struct option_spec specs[] = {
		{ "pack", OPT_TEXT, &c.of[0].file },
		{ "report", OPT_TEXT, &c.of[1].file },
		{ "key", OPT_TEXT, &c.key },
	};
	GG_AUTO(config) conf = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;
	bool good;

	buf_init(&c.note, NOTE_MAX_BYTES + 1);
	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 1, 1, &w,
		&err) != 0 ||
	    remote_check_id(w.v[0], &err) != 0)
		return cli_usage(&err);
	if (hash_copies(&c, &err) != 0 ||
	    cli_store(cli, &conf, &s, &err) != 0 ||
	    check_push(&c, conf, s, w.v[0], &err) != 0)
		return cli_fail(&err);
	good = c.n_updates > 0 && c.faults.n == 0 && c.n_bad == 0;
	return cli_flush() == CLI_YES && good ? CLI_YES : CLI_NO;
}
