/* Every command, its arguments and its help. */
#include "cli/cli.h"

static int
cmd_version(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	say("gitgate %s\n", GG_VERSION);
	return cli_flush();
}

#define LOCAL                                                       \
	"\n\nRuns on the gate's machine, with --config FILE, else " \
	"GITGATE_CONFIG, else\n/etc/gitgate/gitgate.yaml."
#define REMOTE                                                         \
	"\n\nSpeaks to a running gate: --url URL or GITGATE_URL, and " \
	"--token-file FILE or\nGITGATE_TOKEN."
#define LIST                                                      \
	"[--state S] [--repository R] [--principal P] [--ref F] " \
	"[--limit N] [--cursor C] [--json]"

#define AUDIT_FILTERS                                                 \
	"[--repository R] [--ref F] [--principal P] [--reviewer P] "  \
	"[--rule N] [--path F] [--verdict V] [--type T] [--push ID] " \
	"[--hold ID] [--since D] [--until D]"
#define EITHER                                                          \
	"\n\nAsks the gate at --url or GITGATE_URL; with --config, or " \
	"without a URL, the local\nstore."

const struct command cli_commands[] = {
	{ "serve", "",
	    "Run the gate in the foreground. The log goes to "
	    "standard error; /readyz answers\n200 once it is ready. SIGHUP "
	    "reads configuration and policy again, SIGTERM ends\nit." LOCAL,
	    cmd_serve },
	{ "check", "[--limits]",
	    "Read configuration and policy as the gate "
	    "would. Prints a summary, or the first\nfault as file:line: "
	    "message and exits 1. --limits prints every limit, its\ndefault "
	    "and what it bounds, as a Markdown table." LOCAL,
	    cmd_check },
	{ "doctor", "[--json]",
	    "Look at the kernel, git, libraries, "
	    "directories and key files that a gate needs.\nExits 1 when "
	    "something would keep it from working." LOCAL,
	    cmd_doctor },
	{ "token create",
	    "NAME [--group G]... [--owner PERSON] [--expires 90d]",
	    "Make a token for a principal, machine or person, and print it, "
	    "alone, once: only\nits SHA-256 is kept. --expires is a duration,"
	    " a date or \"never\". --owner names the person that the machine "
	    "acts for: where\napprovals are counted, its pushes are that "
	    "person's." LOCAL,
	    cmd_token_create },
	{ "token list", "[--json]",
	    "Show the tokens, without their secrets." LOCAL, cmd_token_list },
	{ "token revoke", "ID|NAME",
	    "Revoke one token by its id, or every "
	    "token of a principal." LOCAL,
	    cmd_token_revoke },
	{ "user add",
	    "NAME [--group G]... [--email E]... --password-stdin|--no-password",
	    "Add a local account that may sign in on the web. The password "
	    "is the first line\nof standard input, at least 8 characters; "
	    "without one, people sign in by a\nprovider (user link). --email: "
	    "addresses by which commits name this person, who\nthen may not "
	    "approve them." LOCAL,
	    cmd_user_add },
	{ "user list", "[--json]", "Show the local accounts." LOCAL,
	    cmd_user_list },
	{ "user passwd", "NAME --password-stdin",
	    "Change an account's "
	    "password and end its sessions." LOCAL,
	    cmd_user_passwd },
	{ "user totp", "NAME [--remove]",
	    "Ask an account for a one-time code beside its password: prints "
	    "a new key, once, to\nbe added to an authenticator app, and ends "
	    "its sessions. --remove: no code is\nasked for any more; with "
	    "identity: totp: required it is set up anew at the next\n"
	    "sign-in." LOCAL,
	    cmd_user_totp },
	{ "user remove", "NAME",
	    "Remove an account, its sessions and its links." LOCAL,
	    cmd_user_remove },
	{ "user email", "NAME [ADDRESS]...",
	    "Say by which e-mail addresses commits name the person of an "
	    "account; they\nreplace those of before." LOCAL,
	    cmd_user_email },
	{ "user link", "NAME --provider P --subject S",
	    "Whoever signs in by provider P as its subject S is the account "
	    "NAME from now on:\none person, with the groups of both. Ends the "
	    "subject's sessions." LOCAL,
	    cmd_user_link },
	{ "user links", "[--json]",
	    "Show whom the providers' subjects are here: the name of their "
	    "first sign-in, or\nthe account that they are linked to." LOCAL,
	    cmd_user_links },
	{ "user unlink", "--provider P --subject S",
	    "Forget a subject and end its sessions; its next sign-in is like "
	    "its first." LOCAL,
	    cmd_user_unlink },
	{ "user sign-out", "NAME", "End all sessions of a person." LOCAL,
	    cmd_user_sign_out },
	{ "holds list", LIST, "List holds, newest first." REMOTE,
	    cmd_holds_list },
	{ "holds show", "ID [--json]",
	    "Show one hold: what is asked for, "
	    "why it is held, who has reviewed." REMOTE,
	    cmd_holds_show },
	{ "holds approve", "ID [--comment TEXT] [--json]",
	    "Approve a hold. "
	    "Exits 1 when you may not or it is no longer pending." REMOTE,
	    cmd_holds_approve },
	{ "holds reject", "ID [--comment TEXT] [--json]",
	    "Reject a hold; "
	    "one rejection ends it." REMOTE,
	    cmd_holds_reject },
	{ "holds deny", "ID [--comment TEXT] [--json]",
	    "The same as holds "
	    "reject." REMOTE,
	    cmd_holds_reject },
	{ "holds withdraw", "ID [--comment TEXT] [--json]",
	    "Take back your "
	    "own push while it is held." REMOTE,
	    cmd_holds_withdraw },
	{ "wait", "ID|URL [--timeout 30m] [--json]",
	    "Wait for the end of a "
	    "hold and print its state. Exits 0 when it was forwarded,\n1 "
	    "after any other end, 3 when it is still pending at the timeout." REMOTE,
	    cmd_wait },
	{ "credential",
	    "[--url URL] [--audience A] [--from S] [--env NAME] "
	    "[--file FILE] [--command C [--shell]] get|store|erase",
	    "A credential helper for git in a pipeline: gives git the ID "
	    "token that the CI\nsystem mints for this job, fresh for each "
	    "git process, and only for the gate at\n--url, GITGATE_URL or the "
	    "audience. The audience is that URL unless --audience\nsays "
	    "otherwise. --from is auto, github, gitlab (or env: the variable "
	    "of --env,\nGITGATE_ID_TOKEN), buildkite, circleci, kubernetes "
	    "(a projected file), file or\ncommand (split at blanks; --shell: "
	    "run by sh). Set it up with\n\n  git config "
	    "credential.https://gate.example.com.helper \\\n    \"!gitgate "
	    "credential --audience https://gate.example.com\"",
	    cmd_credential },
	{ "pushes list", LIST, "List recorded pushes, newest first." REMOTE,
	    cmd_pushes_list },
	{ "pushes show", "ID [--json]", "Show one recorded push." REMOTE,
	    cmd_pushes_show },
	{ "pushes checkout", "ID DIR",
	    "Make a git repository at DIR (which "
	    "must not exist) that holds exactly what was\npushed, refused "
	    "pushes too: refs/pushed/<n> is the n-th ref update,\n"
	    "refs/upstream/ what upstream has." LOCAL,
	    cmd_pushes_checkout },
	{ "pushes diff", "ID [--commits]",
	    "Print what a recorded push changes as a unified diff that git "
	    "apply takes:\nthe net change of each ref, and with --commits that "
	    "of each commit. As recorded,\nelse from a fresh inspection." LOCAL,
	    cmd_pushes_diff },
	{ "pushes replay", "ID [--policy DIR] [--json]",
	    "Inspect and judge a recorded push again from the recorded "
	    "bytes, against the\nrefs of then and by the policy of then (or "
	    "of DIR), and say whether it comes out\nthe same; exits 1 when "
	    "not. Recorded files that are not what was recorded are\nnamed." LOCAL,
	    cmd_pushes_replay },
	{ "pushes keep",
	    "ID|--repository R [--since D] [--until D] --reason TEXT",
	    "A legal hold: keep a recording, or those of a repository's pushes "
	    "that came\nbetween two times, whatever retention says. Prints its "
	    "id." LOCAL,
	    cmd_pushes_keep },
	{ "pushes kept", "[--json]",
	    "Show the legal holds, newest first; released ones, too." LOCAL,
	    cmd_pushes_kept },
	{ "pushes release", "KEEP --reason TEXT",
	    "End a legal hold: retention goes on." LOCAL, cmd_pushes_release },
	{ "pushes verify", "ID [--pack FILE] [--report FILE] [--key VKEY]",
	    "Prove that each entry of a push is in the log, up to its signed "
	    "checkpoint, and that\nwhat is recorded of it (pack, report, policy) "
	    "is what they say; or, with --pack and\n--report, a copy that was "
	    "kept elsewhere. Exits 1 when it is not." LOCAL,
	    cmd_pushes_verify },
	{ "kept list", "[REPOSITORY] [--json]",
	    "What policy keeps at the gate (then: keep): the refs of one "
	    "repository, or how many\nrefs and bytes each has." LOCAL,
	    cmd_kept_list },
	{ "kept drop", "REPOSITORY REF",
	    "Keep this ref no longer: it is not served any more, and a push "
	    "may make it anew." LOCAL,
	    cmd_kept_drop },
	{ "kept prune", "REPOSITORY",
	    "Write what the kept refs still reach into one pack, and remove "
	    "those of all pushes\nbefore." LOCAL,
	    cmd_kept_prune },
	{ "findings list", "[--repository R] [--limit N] [--cursor C] [--json]",
	    "List the findings that reviewers have allowed, newest first." REMOTE,
	    cmd_findings_list },
	{ "findings allow",
	    "FINGERPRINT --repository R --comment WHY [--expires 30d] [--json]",
	    "Say that what a push was refused for is no secret: the same "
	    "finding in the same\npath of the repository passes until then "
	    "(a duration or a date, at most 366\ndays). For the groups "
	    "security, admin and admins, never for who pushed it." REMOTE,
	    cmd_findings_allow },
	{ "findings revoke", "ID [--comment TEXT] [--json]",
	    "End what findings allow began." REMOTE, cmd_findings_revoke },
	{ "grant create",
	    "--repository R... [--ref F]... [--path P]... --verb V... "
	    "--reason TEXT [--for 30m] [--principal P] [--json]",
	    "Ask for access or approvals in advance, for a limited time: for "
	    "yourself, or for a\nprincipal. Verbs: fetch and push give access; "
	    "create, fast-forward, force, delete\nand tag-move let updates of "
	    "that kind through where a rule holds them. Policy's\n`grants:` "
	    "says who may ask for what, and who approves." REMOTE,
	    cmd_grant_create },
	{ "grant list",
	    "[--state S] [--principal P] [--limit N] [--cursor C] [--json]",
	    "List grants, newest first: yours, and those that you may "
	    "approve." REMOTE,
	    cmd_grant_list },
	{ "grant show", "ID [--json]",
	    "Show one grant and exactly what it "
	    "covers." REMOTE,
	    cmd_grant_show },
	{ "grant approve", "ID [--comment TEXT] [--json]",
	    "Approve a grant that somebody else asked for." REMOTE,
	    cmd_grant_approve },
	{ "grant reject", "ID [--comment TEXT] [--json]",
	    "Reject a grant that was asked for." REMOTE, cmd_grant_reject },
	{ "grant revoke", "ID [--comment TEXT] [--json]",
	    "End a grant at once, or withdraw one that was only asked for." REMOTE,
	    cmd_grant_revoke },
	{ "audit query", AUDIT_FILTERS " [--limit N] [--cursor C] [--json]",
	    "Search the audit log, newest first. D "
	    "is a date, a time, or how long ago (7d);\n--path a path that the "
	    "push changes, with a slash at its end a directory above,\nor a "
	    "glob as in a policy." EITHER,
	    cmd_audit_query },
	{ "audit timeline", "REPOSITORY REF [--limit N] [--cursor C] [--json]",
	    "Show every value that a ref had, newest first: when, by whom, "
	    "approved by whom, or\nwithout the gate." EITHER,
	    cmd_audit_timeline },
	{ "audit explain-ref",
	    "REPOSITORY REF [OID] [--key VKEY] [--policy FILE] "
	    "[--witness VKEY]... [--json]",
	    "Say of one value of a ref (the newest, or OID) who moved it "
	    "there, how that was decided\nand by whom, what is claimed of its "
	    "making (tool, session, prompt), and that the log\nhas it: the "
	    "receipts are verified here, with the key that you give.",
	    cmd_audit_explain_ref },
	{ "audit export",
	    "[--format jsonl|csv|ecs|ocsf|github] [--follow] "
	    "[--cursor C] " AUDIT_FILTERS,
	    "Write the audit log, oldest first, in a form that others read "
	    "(docs/audit-export.md).\n--follow: go on with what comes; "
	    "--cursor: from this entry (its \"seq\") on." EITHER,
	    cmd_audit_export },
	{ "audit delivery list", "[--json]",
	    "Show where the audit log is delivered to (audit-delivery), up to "
	    "which entry it\narrived, and what went wrong." LOCAL,
	    cmd_delivery_list },
	{ "audit delivery show", "NAME [--json]", "Show one of them." LOCAL,
	    cmd_delivery_show },
	{ "audit delivery retry", "NAME",
	    "Try at once, after the target was mended." LOCAL,
	    cmd_delivery_retry },
	{ "audit delivery set-cursor", "NAME SEQ",
	    "Go on with entry SEQ: an earlier one to deliver again, a later "
	    "one to leave out\nwhat a target refuses. The audit log says "
	    "so." LOCAL,
	    cmd_delivery_set_cursor },
	{ "audit delivery forget", "NAME",
	    "Forget how far a target came that is no longer configured. One "
	    "of that name then\nbegins anew." LOCAL,
	    cmd_delivery_forget },
	{ "audit receipt", "[--opening] INDEX | --push ID [--dir DIR] [--json]",
	    "Print the receipt of an entry: what proves, with nothing but the "
	    "log's public\nkey, that the entry was logged. --push: the "
	    "receipts of all entries of a push, each\nas a new file in DIR "
	    "(here), or as JSON. --opening: salts and values of the entry's "
	    "personal data instead,\nof which the receipt has hashes." REMOTE,
	    cmd_audit_receipt },
	{ "audit verify",
	    "[--key VKEY] [--policy FILE | --witness VKEY ...] "
	    "[--since FILE] [--strict] DIR|URL | --receipt FILE [--entry FILE] "
	    "[--opening FILE] [--json]",
	    "Verify a whole audit log from its files with nothing but its "
	    "public key (or a\nfile that holds it). Prints the checked size "
	    "and root, or the first fault and\nexits 1; then what the entries "
	    "say that does not fit together (findings: a ref that\nmoved "
	    "without the gate, a push sent without its approvals; --strict: "
	    "exits 1 for\nthem, too). --policy (C2SP "
	    "tlog-policy) or --witness: whose cosignatures there must\nbe. "
	    "--since: a checkpoint that was kept elsewhere, which the log "
	    "must continue.\n--receipt: one receipt instead, offline; prints "
	    "the entry that it proves, the one\nthat it carries or that of "
	    "--entry.",
	    cmd_audit_verify },
	{ "audit accept-database", "--reason TEXT [--json]",
	    "Let the gate start with a database that is older than its audit "
	    "log, where there is\nno newer one; prints what was revoked or "
	    "decided since and must be done again." LOCAL,
	    cmd_audit_accept },
	{ "audit erase",
	    "--principal NAME | --push ID | --addr ADDRESS | "
	    "SEQ[-SEQ]... --reason TEXT [--before D] [--recordings] [--force] "
	    "[--dry-run] [--json]",
	    "Erase personal data from the audit log and from the database: "
	    "addresses, programs,\ncomments, reasons, claims of the entries in "
	    "which a person acted, of a push, with an\naddress, or by number. "
	    "Names stay, and the log stays verifiable: an entry\n\"redaction\" "
	    "says what was erased and why. --recordings: the recordings of the "
	    "pushes\ngo as well. --force: although a legal hold keeps them. "
	    "--dry-run: only say what\nwould go." LOCAL,
	    cmd_audit_erase },
	{ "audit rotate-key", "[--retire]",
	    "Make another key for the audit log; print its public half, and the "
	    "line for\npolicy files. From the gate's next start both sign, and "
	    "the log says so\n(key.rotate); with --retire the old one no longer "
	    "does." LOCAL,
	    cmd_audit_rotate_key },
	{ "notices list",
	    "[--state due|delivered|failed] [--limit N] [--cursor C] [--json]",
	    "Show the notices that were sent or are to be, newest first, and "
	    "what became of\nthem." LOCAL,
	    cmd_notices_list },
	{ "notices replay", "ID",
	    "Deliver a notice once more, with the same id." LOCAL,
	    cmd_notices_replay },
	{ "notices test", "TARGET",
	    "Send a test notice to one target of the configuration. Prints "
	    "its id." LOCAL,
	    cmd_notices_test },
	{ "policy check", "[DIR]",
	    "Read the policy files of DIR, else of "
	    "the configuration, and say what is wrong\nor what can never "
	    "match." LOCAL,
	    cmd_policy_check },
	{ "policy explain", "PUSH [--policy DIR] [--json]",
	    "Judge a recorded push again, by the policy of the configuration "
	    "or of DIR, and\nsay of each rule whether it matched and why." LOCAL,
	    cmd_policy_explain },
	{ "policy test",
	    "[--since 30d] [--policy DIR] [--repository R] [--json]",
	    "Judge the recorded pushes again and show those whose verdict "
	    "would be another.\nExits 1 when there are any." LOCAL,
	    cmd_policy_test },
	{ "version", "", "Print the version.", cmd_version },
	{ NULL, NULL, NULL, NULL },
};
