#include "cli/audit_trust.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"

#include <string.h>

#define VKEY_MAX_BYTES 4096
#define LAST_SECOND    253402300799U /* of the year 9999 */
#define KEY_TEXT_SIZE  (NOTE_NAME_MAX_BYTES + 16)

/* The key itself ("name+hash+base64"), or a file that holds it. */
static int
read_vkey(const char *option, const char *arg, struct buf *out,
    struct gg_error *err)
{
	const char *plus = strchr(arg, '+');
	int rc;

	if (plus != NULL && strchr(plus + 1, '+') != NULL) {
		buf_adds(out, arg);
		return buf_check(out, err);
	}
	if ((rc = file_read(arg, out, err)) != 0)
		return gg_wrap(err, rc, "%s", option);
	while (out->n > 0 && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	return 0;
}

static int
add_witnesses(struct tlog_policy *p, const struct strv *keys,
    struct gg_error *err)
{
	for (size_t i = 0; i < keys->n; i++) {
		GG_AUTO_RELEASE(buf) vkey = BUF_INIT(VKEY_MAX_BYTES);
		struct view rest, name;
		int rc = read_vkey("--witness", keys->v[i], &vkey, err);

		if (rc != 0)
			return rc;
		rest = buf_view(&vkey);
		if (!view_cut(&rest, '+', &name))
			name = rest;
		rc = tlog_policy_add_witness(p, name, buf_view(&vkey),
		    view_str(""), err);
		if (rc != 0)
			return gg_wrap(err, rc, "--witness");
	}
	return tlog_policy_k_of_all(p, keys->n, err);
}

/* Leave only the log of this key. */
static int
narrow(struct tlog_policy *p, struct view vkey, struct gg_error *err)
{
	GG_AUTO(tlog_policy) one = tlog_policy_new();
	struct tlog_policy_log was;
	int rc;

	if (one == NULL)
		return gg_fail(err, GG_E_NOMEM, "policy");
	rc = tlog_policy_add_log(one, vkey, view_str(""), err);
	if (rc != 0)
		return gg_wrap(err, rc, "--key");
	for (size_t i = 0; i < p->n_logs; i++) {
		if (p->logs[i].key.id != one->logs[0].key.id ||
		    strcmp(p->logs[i].key.name, one->logs[0].key.name) != 0)
			continue;
		was = p->logs[0];
		p->logs[0] = p->logs[i];
		p->logs[i] = was;
		while (p->n_logs > 1)
			free(p->logs[--p->n_logs].url);
		return 0;
	}
	return gg_fail(err, GG_E_INPUT,
	    "--key: the policy does not name the log %s with this key",
	    one->logs[0].key.name);
}

static int
take_key(struct tlog_policy *p, const char *key, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(VKEY_MAX_BYTES);
	int rc = read_vkey("--key", key, &vkey, err);

	if (rc != 0)
		return rc;
	if (p->n_logs > 0)
		return narrow(p, buf_view(&vkey), err);
	return tlog_policy_add_log(p, buf_view(&vkey), view_str(""), err);
}

int
trust_read(const struct trust_options *o, struct tlog_policy **out,
    struct gg_error *err)
{
	GG_AUTO(tlog_policy) p = NULL;
	int rc;

	if (o->policy != NULL && o->witnesses.n > 0)
		return gg_fail(err, GG_E_INPUT,
		    "give the witnesses by --policy or by --witness, not both");
	if (o->policy != NULL) {
		if ((rc = tlog_policy_load(o->policy, &p, err)) != 0)
			return gg_wrap(err, rc, "--policy");
	} else if ((p = tlog_policy_new()) == NULL) {
		return gg_fail(err, GG_E_NOMEM, "policy");
	} else if ((rc = add_witnesses(p, &o->witnesses, err)) != 0) {
		return rc;
	}
	if (o->key != NULL && (rc = take_key(p, o->key, err)) != 0)
		return rc;
	if (p->n_logs == 0)
		return gg_fail(err, GG_E_INPUT,
		    "give the log's key: --key VKEY%s",
		    o->policy != NULL ? "; the policy names no log" : "");
	*out = gg_take(p);
	return 0;
}

bool
trust_has_witnesses(const struct tlog_policy *p)
{
	return p->n_witnesses > 0;
}

static void
list_names(const struct tlog_policy *p, const struct tlog_policy_found *f,
    bool has, struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < p->n_witnesses; i++) {
		if (f->has[i] != has)
			continue;
		buf_addf(out, "%s%s", between, p->witnesses[i].name);
		between = ", ";
	}
	if (between[0] == '\0')
		buf_adds(out, "nobody");
}

int
trust_check_quorum(const struct tlog_policy *p,
    const struct tlog_policy_found *f, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) has = BUF_INIT(200), lacks = BUF_INIT(200);

	if (f->is_met)
		return 0;
	list_names(p, f, true, &has);
	list_names(p, f, false, &lacks);
	return gg_fail(err, GG_E_CORRUPT,
	    "the quorum (%s) is not met: cosigned by %s; not by %s", p->quorum,
	    buf_str(&has), buf_str(&lacks));
}

static void
format_time(uint64_t time_s, char out[CLOCK_RFC3339_SIZE])
{
	if (time_s > LAST_SECOND)
		(void)snprintf(out, CLOCK_RFC3339_SIZE, "%llu",
		    (unsigned long long)time_s);
	else
		clock_format((int64_t)time_s * 1000, out);
}

static void
format_key(const struct note_vkey *k, char out[KEY_TEXT_SIZE])
{
	(void)snprintf(out, KEY_TEXT_SIZE, "%s+%08x", k->name, k->id);
}

void
trust_say(const struct tlog_policy *p, const struct tlog_policy_found *f,
    uint64_t size, uint64_t of)
{
	char at[CLOCK_RFC3339_SIZE], key[KEY_TEXT_SIZE];

	for (size_t i = 0; i < p->n_witnesses; i++) {
		GG_AUTO_RELEASE(buf) line = BUF_INIT(2048);

		if (!f->has[i])
			continue;
		format_time(f->time_s[i], at);
		format_key(&p->witnesses[i].key, key);
		buf_addf(&line, "%llu entries at %s by %s (%s)",
		    (unsigned long long)size, at, p->witnesses[i].name, key);
		say_safe("cosigned: ", buf_str(&line));
	}
	say_safe("quorum: ", p->quorum);
	if (size < of)
		say("the newest %llu entries are not cosigned yet\n",
		    (unsigned long long)(of - size));
}

void
trust_report(const struct tlog_policy *p, const struct tlog_policy_found *f,
    uint64_t size, json_t *report)
{
	char at[CLOCK_RFC3339_SIZE], key[KEY_TEXT_SIZE];
	json_t *all = json_array();

	for (size_t i = 0; i < p->n_witnesses; i++) {
		if (!f->has[i])
			continue;
		format_time(f->time_s[i], at);
		format_key(&p->witnesses[i].key, key);
		json_array_append_new(all,
		    json_pack("{s:s, s:s, s:s}", "witness",
			p->witnesses[i].name, "key", key, "time", at));
	}
	json_object_set_new(report, "cosigned",
	    json_pack("{s:I, s:s, s:o}", "size", (json_int_t)size, "quorum",
		p->quorum, "by", all));
}
