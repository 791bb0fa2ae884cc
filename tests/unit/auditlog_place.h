/* What the audit log's tests share: a directory each, entries, checks. */
#ifndef GITGATE_TESTS_AUDITLOG_PLACE_H
#define GITGATE_TESTS_AUDITLOG_PLACE_H

#include "base/fd.h"
#include "base/num.h"
#include "store/auditlog_priv.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define ORIGIN "gate.example.com/audit"

/* Every test has a directory of its own; log and key lie in it. */
struct place {
	char root[64], log[96], key[96];
};

static inline int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	/* Processes are killed here, no disk loses power: in memory a sync
	 * costs nothing. */
	(void)snprintf(p->root, sizeof(p->root), "%s/gitgate-log.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(p->root) == NULL)
		return -1;
	(void)snprintf(p->log, sizeof(p->log), "%s/log", p->root);
	(void)snprintf(p->key, sizeof(p->key), "%s/key", p->root);
	*state = p;
	return 0;
}

static inline int
teardown(void **state)
{
	struct place *p = *state;
	int rc = dir_remove(p->root, NULL);

	free(p);
	return rc;
}

static inline json_t *
entry(unsigned i)
{
	char oid[41];

	(void)snprintf(oid, sizeof(oid), "%040x", i);
	if (i % 5 == 4) /* without personal data */
		return json_pack("{s:s, s:s}", "type", "log.start", "new", oid);
	return json_pack("{s:s, s:s, s:s+, s:s, s:b, s:{s:o}, s:{s:s}}", "type",
	    "ref.update", "repository", "acme/app", "ref", "refs/heads/",
	    i % 3 == 0 ? "main" : "tr\xc3\xa4umerei", "new", oid, "forced",
	    i % 2, "client", "addr", json_sprintf("192.0.2.%u", i), "claimed",
	    "agent.prompt", "tr\xc3\xa4um \xf0\x9f\x98\x80 weiter");
}

static inline int
append(struct auditlog *l, unsigned from, unsigned n, uint64_t *first,
    struct gg_error *err)
{
	json_t **e = calloc(n, sizeof(*e));
	int rc;

	assert_non_null(e);
	for (unsigned i = 0; i < n; i++)
		assert_non_null(e[i] = entry(from + i));
	rc = auditlog_append(l, e, n, first, err);
	for (unsigned i = 0; i < n; i++)
		json_decref(e[i]);
	free(e);
	return rc;
}

static inline struct auditlog *
open_log(const struct place *p)
{
	struct auditlog *l = NULL;
	struct gg_error err = { 0 };

	if (auditlog_open(p->log, p->key, ORIGIN, &l, &err) != 0)
		fail_msg("open: %s", err.msg);
	return l;
}

static inline void
must_append(struct auditlog *l, unsigned from, unsigned n)
{
	struct gg_error err = { 0 };
	uint64_t first = UINT64_MAX;

	if (append(l, from, n, &first, &err) != 0)
		fail_msg("append: %s", err.msg);
	assert_int_equal(first, from);
}

/* Verify with the key that the key file holds. */
static inline int
verify_log(const struct place *p, uint64_t *size, char root[45],
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1000), vkey = BUF_INIT(1000);
	GG_AUTO(note_skey) k = NULL;
	char log[96];

	memcpy(log, p->log, sizeof(log));
	assert_int_equal(file_read_secret(p->key, &text, NULL), 0);
	assert_int_equal(note_skey_parse(buf_view(&text), &k, NULL), 0);
	note_vkey_format(note_skey_vkey(k), &vkey);
	return auditlog_verify(auditlog_fetch_dir, log, buf_str(&vkey), size,
	    root, err);
}

static inline void
must_verify(const struct place *p, uint64_t want)
{
	struct gg_error err = { 0 };
	char root[45];
	uint64_t size = UINT64_MAX;

	if (verify_log(p, &size, root, &err) != 0)
		fail_msg("verify: %s", err.msg);
	assert_int_equal(size, want);
}

static inline char *
read_entry(struct auditlog *l, uint64_t index)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(70000);
	struct gg_error err = { 0 };

	if (auditlog_read(l, index, &b, &err) != 0)
		fail_msg("read %u: %s", (unsigned)index, err.msg);
	return buf_take(&b);
}

static inline void
expect_entry(struct auditlog *l, unsigned i)
{
	GG_AUTO_MEM char *line = read_entry(l, i);
	char want[80];

	(void)snprintf(want, sizeof(want), "\"new\":\"%040x\"", i);
	assert_non_null(strstr(line, want));
	(void)snprintf(want, sizeof(want), "\"seq\":%u,", i);
	assert_non_null(strstr(line, want));
	assert_null(strstr(line, "192.0.2."));
	assert_null(strstr(line, "weiter"));
	if (i % 5 == 4)
		return;
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
		struct gg_error err = { 0 };

		if (auditlog_read_opened(l, i, &b, &err) != 0)
			fail_msg("open %u: %s", i, err.msg);
		(void)snprintf(want, sizeof(want), "\"addr\":\"192.0.2.%u\"",
		    i);
		assert_non_null(strstr(buf_str(&b), want));
		assert_non_null(strstr(buf_str(&b), " weiter\""));
		assert_null(strstr(buf_str(&b), "erased"));
	}
}

#endif
