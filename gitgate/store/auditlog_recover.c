/* What happens before the first append: keys, checkpoint, tiles, journal. */
#include "base/fd.h"
#include "base/text.h"
#include "store/auditlog_priv.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
exists(const char *dir, const char *name)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Files that a crash left half written by file_write(). */
static void
remove_temporaries(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (view_has_suffix(view_str(e->d_name), ".tmp"))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
}

static int
make_key(const char *key_file, const char *origin, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1024);
	unsigned char seed[SIGN_SEED_BYTES];
	int rc;

	random_bytes(seed, sizeof(seed));
	rc = note_skey_format(view_str(origin), seed, &text, err);
	explicit_bzero(seed, sizeof(seed));
	buf_addc(&text, '\n');
	if (rc == 0)
		rc = buf_check(&text, err);
	if (rc == 0)
		rc = file_write(key_file, buf_view(&text), 0600, true, err);
	if (text.p != NULL)
		explicit_bzero(text.p, text.alloc);
	return rc;
}

static int
load_key(struct auditlog *l, const char *key_file, const char *origin,
    bool is_new, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096), vkey = BUF_INIT(1024);
	struct view first, second;
	struct stat st;
	int rc;

	if (lstat(key_file, &st) != 0 && errno == ENOENT) {
		if (!is_new)
			return gg_fail(err, GG_E_INPUT,
			    "the audit log in %s exists, but not the key that "
			    "signs it: put %s back",
			    l->dir, key_file);
		if ((rc = make_key(key_file, origin, err)) != 0)
			return rc;
	}
	rc = file_read_secret(key_file, &text, err);
	second = buf_view(&text);
	if (!view_cut(&second, '\n', &first)) {
		first = second;
		second = (struct view){ 0 };
	}
	if (rc == 0)
		rc = note_skey_parse(first, &l->key, err);
	if (rc == 0 && second.n > 0)
		rc = note_skey_parse(second, &l->old_key, err);
	if (text.p != NULL)
		explicit_bzero(text.p, text.alloc);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", key_file);
	if (strcmp(note_skey_vkey(l->key)->name, origin) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s is the key of %s, but the log's origin is %s", key_file,
		    note_skey_vkey(l->key)->name, origin);
	if (l->old_key != NULL &&
	    strcmp(note_skey_vkey(l->old_key)->name, origin) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s: the old key is not of this log", key_file);
	note_vkey_format(note_skey_vkey(l->key), &vkey);
	if ((rc = buf_check(&vkey, err)) != 0)
		return rc;
	l->vkey_text = buf_take(&vkey);
	return l->vkey_text ? 0 : gg_fail(err, GG_E_NOMEM, "no memory");
}

int
log_open_checkpoint(const struct auditlog *l, struct view note,
    struct checkpoint *c, const struct note_vkey **k, struct gg_error *err)
{
	const struct note_vkey *used = note_skey_vkey(l->key);
	int rc = checkpoint_open(note, used, c, err);

	if (rc != 0 && l->old_key != NULL &&
	    checkpoint_open(note, note_skey_vkey(l->old_key), c, NULL) == 0) {
		used = note_skey_vkey(l->old_key);
		rc = 0;
	}
	if (rc == 0 && k != NULL)
		*k = used;
	return rc;
}

/* Which keys signed the last checkpoint, and are they those of now? */
static void
compare_keys(struct auditlog *l, struct view note)
{
	const struct note_vkey *k = note_skey_vkey(l->key);
	struct note n;

	if (note_parse(note, &n, NULL) != 0)
		return;
	l->is_key_new = note_verify(&n, k, NULL, NULL) != 0;
	for (size_t i = 0; i < n.n_sigs; i++)
		if (view_eq_str(n.sigs[i].name, k->name) &&
		    n.sigs[i].id != k->id &&
		    (l->old_key == NULL ||
			n.sigs[i].id != note_skey_vkey(l->old_key)->id))
			l->gone_key = n.sigs[i].id;
}

static int
read_checkpoint(struct auditlog *l, uint64_t *size, struct merkle_hash *root,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(NOTE_MAX_BYTES);
	struct checkpoint c;
	int rc;

	rc = auditlog_fetch_dir(l->dir, "checkpoint", &note, err);
	if (rc == 0)
		rc = log_open_checkpoint(l, buf_view(&note), &c, NULL, err);
	if (rc != 0)
		return gg_wrap(err, rc, "%s/checkpoint", l->dir);
	compare_keys(l, buf_view(&note));
	*size = c.size;
	*root = c.root;
	return 0;
}

/* One entry that is on disk: its place in the chains. */
static int
note_entry(struct auditlog *l, uint64_t index, struct view entry,
    struct gg_error *err)
{
	struct entry_facts f;
	int rc;

	if ((rc = entry_parse(entry, &f, err)) != 0)
		return gg_wrap(err, rc, "entry %llu",
		    (unsigned long long)index);
	if (f.seq != index)
		return gg_fail(err, GG_E_CORRUPT, "entry %llu says it is %llu",
		    (unsigned long long)index, (unsigned long long)f.seq);
	return f.has_pair ? prev_map_set(&l->prev, &f.pair, index, err) : 0;
}

/* From an entry on. */
static int
scan_bundles(struct auditlog *l, uint64_t from, uint64_t size,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(TILE_BUNDLE_MAX_BYTES + 1);
	struct view rest, entry;
	int rc;

	for (uint64_t at = from / TILE_WIDTH * TILE_WIDTH;
	     from < size && at < size;) {
		struct tile t = { .is_bundle = true,
			.n = at / TILE_WIDTH,
			.width = TILE_WIDTH };

		if (size - at < TILE_WIDTH)
			t.width = (unsigned)(size - at);
		rc = tile_fetch(auditlog_fetch_dir, l->dir, &t, &b, err);
		if (rc != 0)
			return rc;
		rest = buf_view(&b);
		for (; tile_next_entry(&rest, &entry, NULL) == 1; at++)
			if (at >= from &&
			    (rc = note_entry(l, at, entry, err)) != 0)
				return rc;
	}
	return 0;
}

static int
take_replayed(void *ctx, uint64_t index, struct view entry, struct view opening,
    struct gg_error *err)
{
	struct auditlog *l = ctx;
	int rc;

	if ((rc = note_entry(l, index, entry, err)) != 0)
		return rc;
	log_record_add(&l->tail, entry);
	log_record_add(&l->tail_open, opening);
	l->durable = index + 1;
	rc = buf_check(&l->tail, err);
	return rc != 0 ? rc : buf_check(&l->tail_open, err);
}

static int
load_published(struct auditlog *l, struct gg_error *err)
{
	struct merkle_hash want, root;
	uint64_t size = 0;
	int rc;

	if ((rc = read_checkpoint(l, &size, &want, err)) != 0)
		return rc;
	if ((rc = tree_load(&l->tree, l->dir, size, err)) != 0)
		return rc;
	merkle_tree_root(&l->tree.merkle, &root);
	if (!merkle_hash_eq(&root, &want))
		return gg_fail(err, GG_E_CORRUPT,
		    "the tiles do not give the root that was signed for %llu "
		    "entries",
		    (unsigned long long)size);
	if ((rc = log_check_cosigned(l, size, &root, err)) != 0)
		return rc;
	rc = scan_bundles(l, log_refs_load(l, size), size, err);
	if (rc != 0)
		return rc;
	l->published = size;
	l->durable = size;
	l->tail_first = size / TILE_WIDTH * TILE_WIDTH;
	buf_addv(&l->tail, buf_view(&l->tree.tail));
	l->tail_published_bytes = l->tail.n;
	rc = buf_check(&l->tail, err);
	return rc != 0 ? rc : log_private_load(l, size, err);
}

static int
start_new(struct auditlog *l, struct gg_error *err)
{
	int rc;

	if ((rc = tree_load(&l->tree, l->dir, 0, err)) != 0)
		return rc;
	rc = log_write_checkpoint(l, err);
	tree_release(&l->tree);
	return rc;
}

/* Which file, and what to do, for whoever reads one line of a log. */
static int
say_damaged(const struct auditlog *l, struct gg_error *err)
{
	struct gg_error why = { 0 };

	if (err != NULL)
		why = *err;
	return gg_fail(err, GG_E_CORRUPT,
	    "audit log %s is damaged: %.200s; \"gitgate audit verify\" names "
	    "the file, docs/operations.md (\"The log does not fit\") what to do",
	    l->dir, why.msg);
}

int
log_recover(struct auditlog *l, const char *key_file, const char *origin,
    struct gg_error *err)
{
	bool is_new = !exists(l->dir, "checkpoint");
	int rc;

	remove_temporaries(l->dir);
	if ((rc = journal_open(&l->journal, l->dir, err)) != 0)
		return rc;
	/* The first checkpoint is written before anything else is. */
	if (is_new && (l->journal.size > 0 || exists(l->dir, "tile")))
		return gg_fail(err, GG_E_CORRUPT,
		    "%s/checkpoint is missing, but the log is not empty: "
		    "restore it from a copy of the same moment",
		    l->dir);
	if ((rc = load_key(l, key_file, origin, is_new, err)) != 0)
		return rc;
	if (is_new && (rc = start_new(l, err)) != 0)
		return rc;
	if ((rc = load_published(l, err)) == 0)
		rc = journal_replay(&l->journal, l->published, take_replayed, l,
		    err);
	if (rc == 0)
		rc = tree_check_nothing_beyond(l->dir, l->durable, err);
	if (rc == GG_E_CORRUPT)
		return say_damaged(l, err);
	l->queued = l->durable;
	return rc;
}
