/*
 * The schema, step by step, in SQL that both back ends take. A step that was
 * released is never edited: a change is a new step at the end.
 */
#include "store/store_priv.h"

static const char *const steps[] = {
	/* 1: what the first release keeps */
	"CREATE TABLE meta ("
	" key TEXT PRIMARY KEY,"
	" value TEXT NOT NULL);"

	"CREATE TABLE token ("
	" id TEXT PRIMARY KEY,"
	" hash TEXT NOT NULL UNIQUE,"
	" principal TEXT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" revoked_ms BIGINT NOT NULL,"
	" used_ms BIGINT NOT NULL);"
	"CREATE INDEX token_principal ON token (principal);"

	"CREATE TABLE account ("
	" name TEXT PRIMARY KEY,"
	" password_hash TEXT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" disabled_ms BIGINT NOT NULL);"

	"CREATE TABLE web_session ("
	" hash TEXT PRIMARY KEY,"
	" account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,"
	" csrf TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" used_ms BIGINT NOT NULL);"
	"CREATE INDEX web_session_account ON web_session (account);"
	"CREATE INDEX web_session_used ON web_session (used_ms);"

	"CREATE TABLE signin_failure ("
	" id TEXT PRIMARY KEY,"
	" key TEXT NOT NULL,"
	" time_ms BIGINT NOT NULL);"
	"CREATE INDEX signin_failure_key ON signin_failure (key, time_ms);"
	"CREATE INDEX signin_failure_time ON signin_failure (time_ms);"

	"CREATE TABLE push ("
	" id TEXT PRIMARY KEY,"
	" repository TEXT NOT NULL,"
	" principal TEXT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" auth_method TEXT NOT NULL,"
	" credential_id TEXT NOT NULL,"
	" client_addr TEXT NOT NULL,"
	" client_agent TEXT NOT NULL,"
	" state TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" decided_ms BIGINT NOT NULL,"
	" done_ms BIGINT NOT NULL,"
	" request TEXT,"
	" updates TEXT,"
	" outcome TEXT,"
	" policy_digest TEXT NOT NULL,"
	" report_digest TEXT NOT NULL);"
	"CREATE INDEX push_repository ON push (repository, id);"
	"CREATE INDEX push_principal ON push (principal, id);"
	"CREATE INDEX push_state ON push (state, id);"

	"CREATE TABLE push_update ("
	" push_id TEXT NOT NULL REFERENCES push (id) ON DELETE CASCADE,"
	" ref TEXT NOT NULL,"
	" old_oid TEXT NOT NULL,"
	" new_oid TEXT NOT NULL,"
	" PRIMARY KEY (push_id, ref));"
	"CREATE INDEX push_update_ref ON push_update (ref, push_id);"

	"CREATE TABLE hold ("
	" id TEXT PRIMARY KEY,"
	" push_id TEXT NOT NULL UNIQUE REFERENCES push (id),"
	" repository TEXT NOT NULL,"
	" principal TEXT NOT NULL,"
	" state TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" closed_ms BIGINT NOT NULL,"
	" updates TEXT,"
	" needs TEXT,"
	" outcome TEXT,"
	" key TEXT NOT NULL,"
	" report_digest TEXT NOT NULL,"
	" policy_digest TEXT NOT NULL,"
	" attempts BIGINT NOT NULL);"
	"CREATE UNIQUE INDEX hold_pending_key ON hold (key)"
	" WHERE state = 'pending';"
	"CREATE INDEX hold_key ON hold (key);"
	"CREATE INDEX hold_repository ON hold (repository, id);"
	"CREATE INDEX hold_principal ON hold (principal, id);"
	"CREATE INDEX hold_state ON hold (state, id);"

	"CREATE TABLE review ("
	" hold_id TEXT NOT NULL REFERENCES hold (id) ON DELETE CASCADE,"
	" number BIGINT NOT NULL,"
	" reviewer TEXT NOT NULL,"
	" comment TEXT NOT NULL,"
	" verdict TEXT NOT NULL,"
	" time_ms BIGINT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" PRIMARY KEY (hold_id, number),"
	" UNIQUE (hold_id, reviewer));"

	"CREATE TABLE audit_index ("
	" number BIGINT PRIMARY KEY,"
	" time_ms BIGINT NOT NULL,"
	" type TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" ref TEXT NOT NULL,"
	" principal TEXT NOT NULL,"
	" push TEXT NOT NULL,"
	" entry TEXT NOT NULL);"
	"CREATE INDEX audit_time ON audit_index (time_ms);"
	"CREATE INDEX audit_type ON audit_index (type, number);"
	"CREATE INDEX audit_repository ON audit_index (repository, number);"
	"CREATE INDEX audit_ref ON audit_index (ref, number);"
	"CREATE INDEX audit_principal ON audit_index (principal, number);"
	"CREATE INDEX audit_push ON audit_index (push, number);"

	"CREATE TABLE admin_act ("
	" id TEXT PRIMARY KEY,"
	" entry TEXT NOT NULL);",

	/* 2: findings that a reviewer has allowed, and who pushed them */
	"CREATE TABLE finding_allowance ("
	" id TEXT PRIMARY KEY,"
	" fingerprint TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" reviewer TEXT NOT NULL,"
	" comment TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" revoked_ms BIGINT NOT NULL,"
	" revoker TEXT NOT NULL);"
	"CREATE INDEX finding_allowance_in_force"
	" ON finding_allowance (repository, expires_ms);"

	"CREATE TABLE finding_pusher ("
	" repository TEXT NOT NULL,"
	" fingerprint TEXT NOT NULL,"
	" principal TEXT NOT NULL,"
	" push_id TEXT NOT NULL,"
	" PRIMARY KEY (repository, fingerprint, principal));",

	/* 3: notices on their way */
	"CREATE TABLE notice ("
	" id TEXT PRIMARY KEY,"
	" entry BIGINT NOT NULL,"
	" target TEXT NOT NULL,"
	" event TEXT NOT NULL,"
	" hold_id TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" body TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" next_ms BIGINT NOT NULL,"
	" attempts BIGINT NOT NULL,"
	" state TEXT NOT NULL,"
	" done_ms BIGINT NOT NULL,"
	" last_error TEXT NOT NULL);"
	"CREATE UNIQUE INDEX notice_once ON notice (entry, target)"
	" WHERE entry >= 0;"
	"CREATE INDEX notice_due ON notice (state, next_ms);",

	/* 4: grants */
	"CREATE TABLE access_grant ("
	" id TEXT PRIMARY KEY,"
	" principal TEXT NOT NULL,"
	" asked_by TEXT NOT NULL,"
	" entry TEXT NOT NULL,"
	" hold_id TEXT NOT NULL,"
	" owner_name TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" state TEXT NOT NULL,"
	" scope TEXT NOT NULL,"
	" required BIGINT NOT NULL,"
	" from_groups TEXT NOT NULL,"
	" for_ms BIGINT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" active_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" closed_ms BIGINT NOT NULL,"
	" closer TEXT NOT NULL,"
	" uses BIGINT NOT NULL,"
	" used_ms BIGINT NOT NULL);"
	"CREATE INDEX access_grant_principal ON access_grant (principal, state);"
	"CREATE INDEX access_grant_asker ON access_grant (asked_by, state);"
	"CREATE INDEX access_grant_state ON access_grant (state, expires_ms);"
	"CREATE INDEX access_grant_hold ON access_grant (hold_id);"

	"CREATE TABLE grant_review ("
	" grant_id TEXT NOT NULL REFERENCES access_grant (id)"
	" ON DELETE CASCADE,"
	" number BIGINT NOT NULL,"
	" reviewer TEXT NOT NULL,"
	" comment TEXT NOT NULL,"
	" verdict TEXT NOT NULL,"
	" time_ms BIGINT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" aliases TEXT NOT NULL,"
	" PRIMARY KEY (grant_id, number),"
	" UNIQUE (grant_id, reviewer));",

	/* 5: people of identity providers. Sessions live for hours: those of
	 * before end here, and their people sign in again. */
	"DROP TABLE web_session;"
	"CREATE TABLE web_session ("
	" hash TEXT PRIMARY KEY,"
	" id TEXT NOT NULL UNIQUE,"
	" person TEXT NOT NULL,"
	" provider TEXT NOT NULL,"
	" issuer TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" group_names TEXT NOT NULL,"
	" aliases TEXT NOT NULL,"
	" csrf TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" used_ms BIGINT NOT NULL,"
	" signed_in_ms BIGINT NOT NULL,"
	" client_addr TEXT NOT NULL);"
	"CREATE INDEX web_session_person ON web_session (person);"
	"CREATE INDEX web_session_subject ON web_session (provider, subject);"
	"CREATE INDEX web_session_used ON web_session (used_ms);"

	"CREATE TABLE person_link ("
	" provider TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" issuer TEXT NOT NULL,"
	" person TEXT NOT NULL,"
	" person_key TEXT NOT NULL,"
	" by_admin BIGINT NOT NULL,"
	" aliases TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" used_ms BIGINT NOT NULL,"
	" PRIMARY KEY (provider, subject));"
	"CREATE INDEX person_link_key ON person_link (person_key);"
	"CREATE UNIQUE INDEX person_link_name ON person_link (person_key)"
	" WHERE by_admin = 0;"

	"CREATE TABLE sign_in ("
	" hash TEXT PRIMARY KEY,"
	" provider TEXT NOT NULL,"
	" browser TEXT NOT NULL,"
	" next TEXT NOT NULL,"
	" data TEXT NOT NULL,"
	" client_addr TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL);"
	"CREATE INDEX sign_in_created ON sign_in (created_ms);"
	"CREATE INDEX sign_in_addr ON sign_in (client_addr);"

	"ALTER TABLE account ADD COLUMN aliases TEXT NOT NULL DEFAULT '[]';"
	"ALTER TABLE account ADD COLUMN"
	" totp_secret TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;"
	"ALTER TABLE token ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE push ADD COLUMN identity TEXT;"
	"ALTER TABLE review ADD COLUMN aliases TEXT NOT NULL DEFAULT '[]';",

	/* 6: what issuers' tokens were used for */
	"CREATE TABLE token_use ("
	" hash TEXT PRIMARY KEY,"
	" issuer TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" client TEXT NOT NULL,"
	" expires_ms BIGINT NOT NULL);"
	"CREATE INDEX token_use_expires ON token_use (expires_ms);",

	/* 7: SAML assertions are used once. */
	"CREATE TABLE saml_assertion ("
	" issuer TEXT NOT NULL,"
	" id TEXT NOT NULL,"
	" end_ms BIGINT NOT NULL,"
	" PRIMARY KEY (issuer, id));"
	"CREATE INDEX saml_assertion_end ON saml_assertion (end_ms);",

	/* 8: pushes that ended lately */
	"CREATE INDEX push_done ON push (repository, done_ms);",

	/* 9: whether a machine reviewed, with names of whom it acts for */
	"ALTER TABLE review ADD COLUMN machine BIGINT NOT NULL DEFAULT 0;"
	"ALTER TABLE grant_review ADD COLUMN"
	" machine BIGINT NOT NULL DEFAULT 0;",

	/* 10: what is open and what is done, each newest first. The words are
	 * those of store_priv.h's HOLD_IS_OPEN and HOLD_IS_DONE. */
	"CREATE INDEX hold_open ON hold (id)"
	" WHERE COALESCE(state, '') IN ('pending', 'approved');"
	"CREATE INDEX hold_done ON hold (id)"
	" WHERE COALESCE(state, '') NOT IN ('pending', 'approved');",

	/* 11: more that the audit log is searched by. The index is made anew
	 * from the log when the gate starts. */
	"DELETE FROM audit_index;"
	"DELETE FROM meta WHERE key = 'audit-indexed';"
	"ALTER TABLE audit_index ADD COLUMN"
	" verdict TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE audit_index ADD COLUMN hold TEXT NOT NULL DEFAULT '';"
	"CREATE INDEX audit_verdict ON audit_index (verdict, number);"
	"CREATE INDEX audit_hold ON audit_index (hold, number);"
	"CREATE INDEX audit_place ON audit_index (repository, ref, number);"
	"CREATE TABLE audit_word ("
	" kind TEXT NOT NULL,"
	" word TEXT NOT NULL,"
	" number BIGINT NOT NULL,"
	" PRIMARY KEY (kind, word, number));"
	"CREATE TABLE audit_path ("
	" path TEXT NOT NULL,"
	" push TEXT NOT NULL REFERENCES push (id) ON DELETE CASCADE,"
	" PRIMARY KEY (path, push));"
	"CREATE INDEX audit_path_push ON audit_path (push);",

	/* 12: recordings go, and some must not */
	"ALTER TABLE push ADD COLUMN purged_ms BIGINT NOT NULL DEFAULT 0;"
	"CREATE INDEX push_recorded ON push (id) WHERE purged_ms = 0;"
	"CREATE INDEX push_policy ON push (policy_digest)"
	" WHERE purged_ms = 0;"
	"CREATE TABLE push_keep ("
	" id TEXT PRIMARY KEY,"
	" push_id TEXT NOT NULL,"
	" repository TEXT NOT NULL,"
	" since_ms BIGINT NOT NULL,"
	" until_ms BIGINT NOT NULL,"
	" reason TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" released_ms BIGINT NOT NULL);"
	"CREATE INDEX push_keep_push ON push_keep (push_id)"
	" WHERE released_ms = 0;"
	"CREATE INDEX push_keep_repository ON push_keep (repository)"
	" WHERE released_ms = 0;",

	/* 13: what pushes claim of how commits were made */
	"CREATE TABLE provenance ("
	" push_id TEXT NOT NULL REFERENCES push (id) ON DELETE CASCADE,"
	" number BIGINT NOT NULL,"
	" repository TEXT NOT NULL,"
	" key TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" record TEXT NOT NULL,"
	" PRIMARY KEY (push_id, number));"
	"CREATE INDEX provenance_key ON provenance (repository, key, push_id);",

	/* 14: all that the audit log is searched by, in one index that grows
	 * at its end; times are read from it too. */
	"DROP INDEX audit_time;"
	"CREATE INDEX audit_all ON audit_index (number, time_ms, type, verdict,"
	" repository, ref, principal, push, hold);",

	/* 15: refs that stay at the gate */
	"CREATE TABLE kept_ref ("
	" repository TEXT NOT NULL,"
	" ref TEXT NOT NULL,"
	" oid TEXT NOT NULL,"
	" push TEXT NOT NULL,"
	" principal TEXT NOT NULL,"
	" time_ms BIGINT NOT NULL,"
	" PRIMARY KEY (repository, ref));"
	"CREATE TABLE kept_push ("
	" push TEXT PRIMARY KEY,"
	" repository TEXT NOT NULL,"
	" bytes BIGINT NOT NULL);"
	"CREATE TABLE kept_repository ("
	" repository TEXT PRIMARY KEY,"
	" version BIGINT NOT NULL,"
	" refs BIGINT NOT NULL,"
	" bytes BIGINT NOT NULL);",

	/* 16: personal data that is to be erased */
	"CREATE TABLE erasure ("
	" id TEXT PRIMARY KEY,"
	" done_ms BIGINT NOT NULL,"
	" data TEXT NOT NULL);"
	"ALTER TABLE push ADD COLUMN erase_ms BIGINT NOT NULL DEFAULT 0;",

	/* 17: how far the audit log was delivered */
	"CREATE TABLE delivery ("
	" name TEXT PRIMARY KEY,"
	" next_seq BIGINT NOT NULL,"
	" generation BIGINT NOT NULL,"
	" attempts BIGINT NOT NULL,"
	" retry_ms BIGINT NOT NULL,"
	" delivered_ms BIGINT NOT NULL,"
	" failing_ms BIGINT NOT NULL,"
	" refused BIGINT NOT NULL,"
	" last_error TEXT NOT NULL);",
};

/* One step, or 1 when there is nothing left to do. The lock makes two
 * processes that start at once take turns. */
static int
migrate_one(struct store *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int64_t have;
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, "gitgate schema", err)) != 0 ||
	    (rc = s->driver->script(t.db,
		 "CREATE TABLE IF NOT EXISTS"
		 " schema_version (version BIGINT NOT NULL)",
		 err)) != 0 ||
	    (rc = tx_query(&t,
		 "SELECT COALESCE(MAX(version), 0)"
		 " FROM schema_version",
		 NULL, 0, &r, err)) != 0)
		return rc;
	have = rows_i(&r, 0, 0);
	if (have > (int64_t)GG_COUNT(steps))
		return gg_fail(err, GG_E_REFUSED,
		    "the database has schema %lld, this program knows %zu:"
		    " use the newer gitgate",
		    (long long)have, GG_COUNT(steps));
	if (have == (int64_t)GG_COUNT(steps))
		return 1;
	if ((rc = s->driver->script(t.db, steps[have], err)) != 0 ||
	    (rc = tx_query(&t, "DELETE FROM schema_version", NULL, 0, NULL,
		 err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO schema_version (version)"
		 " VALUES ($1)",
		 arg_i(have + 1))) != 0)
		return rc;
	return tx_commit(&t, err);
}

/* The usual start: everything is there, and nobody has to be waited for. */
static bool
is_current(struct store *s)
{
	GG_AUTO_RELEASE(rows) r = { 0 };

	return store_read(s, "SELECT version FROM schema_version", NULL, 0, &r,
		   NULL) == 0 &&
	    r.n_rows == 1 && rows_i(&r, 0, 0) == (int64_t)GG_COUNT(steps);
}

int
store_migrate(struct store *s, struct gg_error *err)
{
	int rc;

	if (is_current(s))
		return 0;
	while ((rc = migrate_one(s, err)) == 0)
		;
	return rc == 1 ? 0 : gg_wrap(err, rc, "schema");
}
