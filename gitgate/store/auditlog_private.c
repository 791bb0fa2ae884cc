/*
 * Openings on disk: one file for each bundle of entries that has any,
 * private/<the bundle's number, as in a tile's path>. Written before the
 * bundle is, and whole each time; by whoever holds private_mu.
 */
#include "base/failpoint.h"
#include "base/fd.h"
#include "store/auditlog_priv.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUNDLES "tile/entries"

/* "private/x001/234" into out. */
static void
private_path(uint64_t n, char out[TILE_PATH_SIZE])
{
	const struct tile t = {
		.is_bundle = true, .n = n, .width = TILE_WIDTH
	};
	char path[TILE_PATH_SIZE];

	tile_path(&t, path);
	(void)snprintf(out, TILE_PATH_SIZE, LOG_PRIVATE "%s",
	    path + strlen(BUNDLES));
}

int
private_bundle_read(const char *dir, uint64_t n, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) file = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES + 1);
	GG_AUTO_MEM char *full = NULL;
	char path[TILE_PATH_SIZE];
	struct view records;
	int rc;

	private_path(n, path);
	full = path_f("%s/%s", dir, path);
	rc = file_read(full, &file, err);
	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_CORRUPT, "%s is too long", path);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", path);
	if ((rc = private_bundle_parse(buf_view(&file), &records, err)) != 0)
		return gg_wrap(err, rc, "%s", path);
	buf_addv(out, records);
	return buf_check(out, err);
}

int
private_bundle_write(const char *dir, uint64_t n, struct view records,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) file = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	char path[TILE_PATH_SIZE];
	int rc;

	private_bundle_format(records, &file);
	if ((rc = buf_check(&file, err)) != 0)
		return rc;
	private_path(n, path);
	return log_file_write(dir, path, buf_view(&file), err);
}

/* -- publishing -- */

/* Cut the next n records off; is one of those from number `from` on not
 * empty? */
static struct view
cut_records(struct view *rest, uint64_t n, uint64_t from, bool *any)
{
	struct view all = *rest, one;

	*any = false;
	for (uint64_t i = 0; i < n && tile_next_entry(rest, &one, NULL) == 1;
	     i++)
		*any = *any || (i >= from && one.n > 0);
	all.n -= rest->n;
	return all;
}

static int
publish(struct auditlog *l, uint64_t old, uint64_t size, struct gg_error *err)
{
	uint64_t at = old / TILE_WIDTH * TILE_WIDTH;
	GG_AUTO_RELEASE(buf) work = BUF_INIT(l->tail_open.max);
	struct view rest;
	int rc;

	(void)pthread_mutex_lock(&l->mu);
	buf_addv(&work,
	    records_from(buf_view(&l->tail_open), at - l->tail_first));
	(void)pthread_mutex_unlock(&l->mu);
	if ((rc = buf_check(&work, err)) != 0)
		return rc;
	rest = buf_view(&work);
	for (; rc == 0 && at < size; at += TILE_WIDTH) {
		uint64_t n = size - at < TILE_WIDTH ? size - at : TILE_WIDTH;
		bool any;
		struct view some = cut_records(&rest, n,
		    old > at ? old - at : 0, &any);

		if (any)
			rc = private_bundle_write(l->dir, at / TILE_WIDTH, some,
			    err);
	}
	return rc;
}

int
log_private_publish(struct auditlog *l, uint64_t old, uint64_t size,
    struct gg_error *err)
{
	int rc;

	(void)pthread_mutex_lock(&l->private_mu);
	rc = publish(l, old, size, err);
	(void)pthread_mutex_unlock(&l->private_mu);
	return rc;
}

/* -- at the start -- */

/* Files half written by a crash: their openings may be erased by now. */
static void
remove_temporaries(const char *dir, unsigned depth)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (view_has_suffix(view_str(e->d_name), ".tmp")) {
			(void)unlinkat(dirfd(d), e->d_name, 0);
		} else if (e->d_name[0] == 'x' && depth < TILE_LEVELS) {
			GG_AUTO_MEM char *sub = path_f("%s/%s", dir, e->d_name);

			remove_temporaries(sub, depth + 1);
		}
	}
	if (d != NULL)
		(void)closedir(d);
}

int
log_private_load(struct auditlog *l, uint64_t size, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/" LOG_PRIVATE, l->dir);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PRIVATE_BUNDLE_MAX_BYTES);
	struct view rest, one;
	int rc;

	remove_temporaries(dir, 0);
	if (size % TILE_WIDTH == 0)
		return 0;
	if ((rc = private_bundle_read(l->dir, size / TILE_WIDTH, &b, err)) != 0)
		return rc;
	rest = buf_view(&b);
	for (uint64_t i = 0; i < size % TILE_WIDTH; i++) {
		/* Later ones may be missing where they had nothing to open;
		 * there are more where a crash came before the checkpoint. */
		if (tile_next_entry(&rest, &one, NULL) != 1)
			one = (struct view){ 0 };
		log_record_add(&l->tail_open, one);
	}
	return buf_check(&l->tail_open, err);
}
