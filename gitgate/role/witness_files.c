#include "role/witness_files.h"

#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
witness_file_name(struct view origin, char out[BOOK_NAME_SIZE])
{
	unsigned char sum[DIGEST_SHA256_BYTES];

	digest_sha256(origin.p, origin.n, sum);
	hex_encode(sum, sizeof(sum), out);
}

/* -- keys -- */

static int
cosigning_vkey(const struct note_skey *key, struct note_vkey *out,
    struct gg_error *err)
{
	const struct note_vkey *k = note_skey_vkey(key);

	return note_vkey_make(view_str(k->name), NOTE_COSIGNATURE, k->pub, out,
	    err);
}

int
witness_read_key(const char *file, struct note_skey **key,
    struct note_vkey *vkey, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
	GG_AUTO(note_skey) k = NULL;
	int rc = file_read_secret(file, &text, err);

	if (rc == 0)
		rc = note_skey_parse(buf_view(&text), &k, err);
	if (text.p != NULL)
		explicit_bzero(text.p, text.alloc);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", file);
	if ((rc = cosigning_vkey(k, vkey, err)) != 0)
		return rc;
	*key = gg_take(k);
	return 0;
}

int
witness_read_vkey(const char *dir, struct note_vkey *out, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/vkey", dir);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
	int rc = file_read(path, &text, err);

	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_INPUT,
		    "%s is not the directory of a witness: gitgate-witness "
		    "keygen makes it with the key",
		    dir);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", path);
	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	rc = note_vkey_parse(buf_view(&text), out, err);
	if (rc == 0 && out->type != NOTE_COSIGNATURE)
		rc = gg_fail(err, GG_E_INPUT, "not a witness's key");
	return rc == 0 ? 0 : gg_wrap(err, rc, "%s", path);
}

/* A file that was not there before, durable. */
static int
write_new(const char *path, struct view v, mode_t mode, struct gg_error *err)
{
	GG_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    mode);
	int rc;

	if (fd < 0)
		return gg_fail(err, errno == EEXIST ? GG_E_EXISTS : GG_E_SYS,
		    "%s%s", path, errno == EEXIST ? " is there already" : "");
	rc = fd_write_all(fd, v, err);
	if (rc == 0 && fsync(fd) != 0)
		rc = gg_fail(err, GG_E_SYS, "sync of %s", path);
	return rc;
}

static int
write_pair(const char *key_file, const char *dir, struct view skey,
    struct view vkey, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/vkey", dir);
	struct stat st;
	int rc;

	if ((rc = dir_make(dir, 0700, err)) != 0)
		return rc;
	if (stat(path, &st) == 0)
		return gg_fail(err, GG_E_EXISTS,
		    "%s is the directory of another key", dir);
	if ((rc = write_new(key_file, skey, 0600, err)) != 0)
		return rc;
	/* last: a directory with it has a key */
	return file_write(path, vkey, 0644, true, err);
}

int
witness_keygen(const char *key_file, const char *dir, const char *name,
    struct buf *vkey, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) skey = BUF_INIT(4096);
	GG_AUTO(note_skey) key = NULL;
	unsigned char seed[SIGN_SEED_BYTES];
	struct note_vkey k;
	int rc;

	random_bytes(seed, sizeof(seed));
	rc = note_skey_format(view_str(name), seed, &skey, err);
	explicit_bzero(seed, sizeof(seed));
	if (rc == 0)
		rc = note_skey_parse(buf_view(&skey), &key, err);
	if (rc == 0)
		rc = cosigning_vkey(key, &k, err);
	buf_addc(&skey, '\n');
	if (rc == 0) {
		note_vkey_format(&k, vkey);
		buf_addc(vkey, '\n');
		rc = write_pair(key_file, dir, buf_view(&skey), buf_view(vkey),
		    err);
	}
	if (skey.p != NULL)
		explicit_bzero(skey.p, skey.alloc);
	return rc;
}

/* -- evidence -- */

bool
witness_has_fork(const char *dir, const char *name)
{
	GG_AUTO_MEM char *path = path_f("%s/%s.fork", dir, name);
	struct stat st;

	return stat(path, &st) == 0;
}

bool
witness_write_fork(const char *dir, const char *name, const char *why,
    struct view ours, struct view theirs)
{
	GG_AUTO_MEM char *path = path_f("%s/%s.fork", dir, name);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(2 * NOTE_MAX_BYTES + 1024);

	buf_addf(&text, "%s\n\nthis was signed:\n\n", why);
	buf_addv(&text, ours);
	buf_adds(&text, "\nand this:\n\n");
	buf_addv(&text, theirs);
	return buf_check(&text, NULL) == 0 &&
	    file_write(path, buf_view(&text), 0600, true, NULL) == 0;
}

void
witness_clean(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!view_has_suffix(view_str(e->d_name), ".tmp"))
			continue;
		GG_AUTO_MEM char *path = path_f("%s/%s", dir, e->d_name);

		(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
}

/* -- looking from outside -- */

static int
look_at(const char *dir, const char *name, const struct note_vkey *k,
    witness_book_fn *fn, void *ctx, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(NOTE_MAX_BYTES);
	GG_AUTO_MEM char *origin = NULL;
	char want[BOOK_NAME_SIZE];
	struct checkpoint c;
	uint64_t time_s;
	struct note n;
	int rc;

	if ((rc = file_read(path, &text, err)) != 0 ||
	    (rc = note_parse(buf_view(&text), &n, err)) != 0 ||
	    (rc = note_verify(&n, k, &time_s, err)) != 0 ||
	    (rc = checkpoint_parse(n.text, &c, err)) != 0)
		return gg_wrap(err, GG_E_CORRUPT, "%s", path);
	witness_file_name(c.origin, want);
	if (strcmp(want, name) != 0)
		return gg_fail(err, GG_E_CORRUPT, "%s is of another log", path);
	if ((origin = view_dup(c.origin)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "origin");
	fn(ctx, origin, c.size, time_s, witness_has_fork(dir, name));
	return 0;
}

int
witness_book_check(const char *dir, witness_book_fn *fn, void *ctx,
    struct gg_error *err)
{
	struct note_vkey k;
	struct dirent *e;
	DIR *d;
	int rc = witness_read_vkey(dir, &k, err);

	if (rc != 0)
		return rc;
	if ((d = opendir(dir)) == NULL)
		return gg_fail(err, GG_E_SYS, "%s", dir);
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (strlen(e->d_name) == BOOK_NAME_SIZE - 1 &&
		    strchr(e->d_name, '.') == NULL)
			rc = look_at(dir, e->d_name, &k, fn, ctx, err);
	(void)closedir(d);
	return rc;
}
