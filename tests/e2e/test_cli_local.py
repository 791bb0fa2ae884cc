"""The command line without a running gate: local commands, exit codes, and the
HTTP client against a server that this file plays."""

import json
import os
import re
import socket
import sqlite3
import stat
import subprocess

import pytest

from webserver import LocalServer, Quiet

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GITGATE = os.path.join(ROOT, os.environ.get("GITGATE_BUILD", "build"), "gitgate")
ID = "01JD0000000000000000000000"
OTHER = "01JD0000000000000000000001"

CONFIG = """\
listen: 127.0.0.1:0
public-url: http://127.0.0.1:8080
state-dir: {dir}/state
policy-dir: {dir}/policy.d
repositories:
  - path: demo/app
    upstream: {dir}/app.git
"""

POLICY = """\
access:
  - principals: {groups: [agents]}
    repositories: ["demo/*"]
    allow: [fetch, push]
rules:
  - name: main
    when: {refs: ["refs/heads/main"]}
    then: deny
    message: "not here"
"""


class Box:
    """A directory with a configuration, and a way to run gitgate in it."""

    def __init__(self, path):
        self.dir = str(path)
        self.config = os.path.join(self.dir, "gitgate.yaml")
        self.write("gitgate.yaml", CONFIG.format(dir=self.dir))
        os.mkdir(os.path.join(self.dir, "policy.d"))
        self.write("policy.d/10-main.yaml", POLICY)
        subprocess.run(["git", "init", "-q", "--bare", self.dir + "/app.git"],
                       check=True)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run(self, *args, env=None, stdin="", config=True, timeout=60):
        clean = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        if config:
            clean["GITGATE_CONFIG"] = self.config
        clean.update(env or {})
        return subprocess.run([GITGATE, *args], env=clean, input=stdin,
                              capture_output=True, text=True, timeout=timeout,
                              cwd=self.dir, check=False)

    def ok(self, *args, **kw):
        r = self.run(*args, **kw)
        assert r.returncode == 0, r.stderr
        return r.stdout

    def acts(self):
        db = sqlite3.connect(self.dir + "/state/gitgate.db")
        rows = db.execute("SELECT entry FROM admin_act ORDER BY id").fetchall()
        db.close()
        return [json.loads(r[0]) for r in rows]


@pytest.fixture(name="box")
def _box(tmp_path):
    return Box(tmp_path)


# -- help, version, usage --

def commands(box):
    text = box.ok("--help")
    return [re.split(r" [A-Z\[-]|$", line.strip())[0]
            for line in text.splitlines() if line.startswith("  ")]


def test_every_command_has_help(box):
    names = commands(box)
    assert len(names) >= 20
    for name in names:
        out = box.ok(*name.split(), "--help", config=False)
        assert out.startswith("usage: gitgate " + name), name
        assert len(out.splitlines()) >= 3, name


def test_every_command_is_in_the_manual(box):
    with open(os.path.join(ROOT, "man", "gitgate.1"), encoding="utf-8") as f:
        manual = f.read()
    for name in commands(box):
        assert re.search(r"Cm %s( |$)" % name, manual, re.M), name


def test_version(box):
    assert re.fullmatch(r"gitgate \d+\.\d+\.\d+\n", box.ok("version"))
    assert box.ok("--version") == box.ok("version")


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["holds"], ["holds", "nonsense"], ["check", "--bogus"],
    ["check", "extra"], ["token", "create"], ["token", "create", "a b"],
    ["token", "create", "bot", "--group"],
    ["token", "create", "bot", "--group", "no\x1bgroup"],
    ["token", "create", "bot", "--expires", "soon"],
    ["token", "create", "bot", "--expires", "2001-01-01"],
    ["token", "revoke", "a b"], ["user", "add", "ann"],
    ["user", "add", "ann", "--password-stdin=x"],
    ["wait"], ["wait", "123"], ["wait", ID + "/../x"],
    ["wait", "ftp://h/-/holds/" + ID], ["wait", ID, "--timeout", "x"],
    ["holds", "show", "../holds"], ["holds", "approve"],
    ["holds", "list", "--limit", "999999"], ["holds", "list"],
    ["holds", "list", "--url", "file:///etc/passwd"],
    ["holds", "list", "--url", "http://u:p@h/"],
    ["pushes", "checkout", ID], ["audit", "verify", "."],
    ["audit", "query", "--since", "yesterday"],
    ["audit", "query", "--cursor", "x"], ["-x"], ["--config"],
])
def test_usage_errors_exit_2(box, args):
    r = box.run(*args)
    assert r.returncode == 2, (args, r.stdout, r.stderr)
    assert r.stdout == ""
    assert "\x1b" not in r.stderr
    assert r.stderr


def test_common_options_stand_anywhere(box):
    for args in (["--config", box.config, "check"],
                 ["check", "--config", box.config],
                 ["--config=" + box.config, "check"]):
        assert box.ok(*args, config=False).startswith("ok: ")


# -- check --

def test_check_prints_a_summary(box):
    out = box.ok("check")
    assert out.startswith("ok: 1 repositories, 1 rules in 1 files")


def test_check_names_file_and_line(box):
    box.write("gitgate.yaml", CONFIG.format(dir=box.dir) + "nonsense: 1\n")
    r = box.run("check")
    assert r.returncode == 1
    assert re.search(r"gitgate\.yaml:8: ", r.stderr), r.stderr


def test_check_looks_at_policy_too(box):
    box.write("policy.d/20-broken.yaml", "rules:\n  - name: x\n    the: deny\n")
    for args in (["check"], ["policy", "check"],
                 ["policy", "check", box.dir + "/policy.d"]):
        r = box.run(*args)
        assert r.returncode == 1, args
        assert re.search(r"20-broken\.yaml:\d+: ", r.stderr), r.stderr


def test_check_without_a_config_file(box):
    r = box.run("check", "--config", box.dir + "/missing.yaml")
    assert r.returncode == 1
    assert "missing.yaml" in r.stderr


def test_limits_are_a_table(box):
    rows = box.ok("check", "--limits").splitlines()
    assert rows[1] == "| --- | --- | --- |"
    assert any(r.startswith("| `pack-size` | 2GiB |") for r in rows)
    assert all(r.count("|") == 4 for r in rows)


# -- doctor --

def test_doctor(box):
    r = box.run("doctor")
    assert "git version" in r.stdout and "libgit2" in r.stdout
    assert "seccomp" in r.stdout and "Landlock" in r.stdout
    findings = json.loads(box.run("doctor", "--json").stdout)
    assert (r.returncode == 1) == any(f["health"] == "error" for f in findings)


def test_doctor_knows_the_libgit2_of_the_inspector(box):
    inspector = os.path.join(os.path.dirname(GITGATE), "gitgate-inspector")
    r = subprocess.run([inspector, "--versions"], capture_output=True,
                       text=True, stdin=subprocess.DEVNULL, timeout=30)
    assert r.returncode == 0 and r.stdout.startswith("libgit2 1.")
    assert r.stdout.strip() in box.run("doctor").stdout


def test_doctor_sees_an_open_key_and_a_missing_one(box):
    key = box.write("key", "secret\n", 0o644)
    box.write("gitgate.yaml", CONFIG.format(dir=box.dir) +
              "  - path: demo/two\n    upstream: https://h.example/x.git\n"
              "    credential: {username: u, password-file: %s}\n"
              "  - path: demo/three\n    upstream: https://h.example/x.git\n"
              "    credential: {username: u, password-file: %s/none}\n"
              % (key, box.dir))
    r = box.run("doctor")
    assert r.returncode == 1
    assert "open to others (mode 644)" in r.stdout
    assert "none cannot be read" in r.stdout
    assert "secret" not in r.stdout.replace("secret" + "s", "")


# -- tokens --

def test_token_life(box):
    r = box.run("token", "create", "ci/build", "--group", "agents",
                "--group", "bots", "--expires", "30d")
    assert r.returncode == 0
    assert r.stderr == ""
    assert re.fullmatch(r"ggt_[0-9A-Za-z]{36}\n", r.stdout)
    token = r.stdout.strip()
    listed = json.loads(box.ok("token", "list", "--json"))["tokens"]
    assert len(listed) == 1
    assert listed[0]["principal"] == "ci/build"
    assert listed[0]["groups"] == ["agents", "bots"]
    assert listed[0]["state"] == "valid"
    assert listed[0]["used"] is None
    text = box.ok("token", "list")
    assert listed[0]["id"] in text and "agents, bots" in text
    assert token not in text + json.dumps(listed)
    # only its hash is kept
    for root, _, files in os.walk(box.dir + "/state"):
        for name in files:
            with open(os.path.join(root, name), "rb") as f:
                assert token.encode() not in f.read(), name
    assert box.ok("token", "revoke", listed[0]["id"]) == "revoked 1\n"
    assert box.ok("token", "revoke", "ci/build") == "revoked 0\n"
    assert json.loads(box.ok("token", "list", "--json"))["tokens"][0][
        "state"] == "revoked"
    r = box.run("token", "revoke", "nobody")
    assert r.returncode == 1
    assert "nobody" in r.stderr


def test_token_that_never_expires(box):
    box.ok("token", "create", "bot", "--expires", "never")
    assert json.loads(box.ok("token", "list", "--json"))["tokens"][0][
        "expires"] is None


def test_a_token_nobody_can_read_is_an_error(box):
    with open("/dev/full", "w", encoding="ascii") as full:
        r = subprocess.run([GITGATE, "--config", box.config, "token", "create",
                            "bot"], stdout=full, stderr=subprocess.PIPE,
                           check=False)
    assert r.returncode == 1


def test_state_is_private(box):
    box.ok("token", "create", "bot")
    state = box.dir + "/state"
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(state + "/gitgate.db").st_mode) == 0o600


def test_acts_are_noted_when_they_happen(box):
    box.ok("token", "create", "bot", "--group", "agents")
    assert box.run("token", "revoke", "nobody").returncode == 1
    box.ok("token", "revoke", "bot")
    box.ok("user", "add", "ann", "--password-stdin", stdin="long enough\n")
    assert box.run("user", "add", "ann", "--password-stdin",
                   stdin="long enough\n").returncode == 1
    box.ok("user", "passwd", "ann", "--password-stdin", stdin="even longer\n")
    box.ok("user", "remove", "ann")
    acts = box.acts()
    assert sorted(a["type"] for a in acts) == [
        "admin.token.create", "admin.token.revoke", "admin.user.add",
        "admin.user.passwd", "admin.user.remove"]
    assert all(a["principal"].startswith("local:") for a in acts)
    assert "long" not in json.dumps(acts)


# -- users --

def test_user_life(box):
    box.ok("user", "add", "ann", "--group", "dba", "--password-stdin",
           stdin="correct horse\n")
    r = box.run("user", "add", "ann", "--password-stdin", stdin="12345678\n")
    assert r.returncode == 1
    assert "already" in r.stderr
    users = json.loads(box.ok("user", "list", "--json"))["users"]
    assert users[0]["name"] == "ann"
    assert users[0]["groups"] == ["dba"]
    assert "ann" in box.ok("user", "list")
    db = sqlite3.connect(box.dir + "/state/gitgate.db")
    before = db.execute("SELECT password_hash FROM account").fetchone()[0]
    db.close()
    assert before.startswith("$argon2id$")
    box.ok("user", "passwd", "ann", "--password-stdin", stdin="other horse\n")
    db = sqlite3.connect(box.dir + "/state/gitgate.db")
    assert db.execute("SELECT password_hash FROM account").fetchone()[0] != before
    db.close()
    assert box.run("user", "passwd", "bob", "--password-stdin",
                   stdin="other horse\n").returncode == 1
    box.ok("user", "remove", "ann")
    assert box.run("user", "remove", "ann").returncode == 1


@pytest.mark.parametrize("password", ["", "\n", "1234567\n", "\u00e9" * 7 + "\n",
                                      "x" * 2000 + "\n"])
def test_bad_passwords_are_refused(box, password):
    r = box.run("user", "add", "ann", "--password-stdin", stdin=password)
    assert r.returncode == 2, r.stderr
    assert json.loads(box.ok("user", "list", "--json"))["users"] == []


# -- audit, pushes: local --

def test_audit_query_of_an_empty_log(box):
    assert json.loads(box.ok("audit", "query", "--json")) == {
        "entries": [], "next": None}
    assert box.ok("audit", "query", "--since", "7d").startswith("entry")


def test_audit_query_reads_the_local_index(box):
    box.ok("audit", "query")
    db = sqlite3.connect(box.dir + "/state/gitgate.db")
    for i in range(3):
        entry = {"seq": i, "type": "ref.update", "ref": "refs/heads/\u202ex",
                 "time": "2026-01-0%dT00:00:00.000Z" % (i + 1)}
        db.execute("INSERT INTO audit_index (number, time_ms, type, repository, ref, principal, push, entry)"
                   " VALUES (?,?,?,?,?,?,?,?)",
                   (i, i * 1000, "ref.update", "r", entry["ref"], "p", "",
                    json.dumps(entry)))
    db.commit()
    db.close()
    r = box.run("audit", "query", "--limit", "2")
    assert "\u202e" not in r.stdout
    assert "\\u{202e}" in r.stdout
    assert "more: --cursor 1" in r.stderr
    page = json.loads(box.ok("audit", "query", "--limit", "2", "--json"))
    assert [e["seq"] for e in page["entries"]] == [2, 1]
    page = json.loads(box.ok("audit", "query", "--cursor", page["next"], "--json"))
    assert [e["seq"] for e in page["entries"]] == [0]


def test_audit_verify_of_nothing(box):
    key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    for where in (box.dir + "/none", box.dir, box.config):
        r = box.run("audit", "verify", "--key", key, where)
        assert r.returncode == 1, where
        assert r.stdout == ""


def git(*args, cwd=None, env=None):
    full = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null",
                GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@x",
                GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@x")
    full.update(env or {})
    return subprocess.run(["git", *args], cwd=cwd, env=full, check=True,
                          capture_output=True).stdout


def record_push(box):
    """A mirror with one commit, and a recorded thin pack with another."""
    box.ok("token", "list")
    work, mirror = box.dir + "/work", box.dir + "/state/mirrors/demo/app.git"
    git("init", "-q", "-b", "main", work)
    with open(work + "/file", "w", encoding="ascii") as f:
        f.write("line\n" * 500)
    git("add", ".", cwd=work)
    git("commit", "-qm", "one", cwd=work)
    old = git("rev-parse", "HEAD", cwd=work).decode().strip()
    git("clone", "-q", "--mirror", work, mirror)
    with open(work + "/file", "a", encoding="ascii") as f:
        f.write("more\n")
    git("commit", "-qam", "two", cwd=work)
    new = git("rev-parse", "HEAD", cwd=work).decode().strip()
    pack = subprocess.run(["git", "pack-objects", "--revs", "--thin", "--stdout",
                           "-q"], input=("%s\n^%s\n" % (new, old)).encode(),
                          cwd=work, check=True, capture_output=True).stdout
    os.makedirs(box.dir + "/state/pushes/" + ID)
    with open(box.dir + "/state/pushes/" + ID + "/pack", "wb") as f:
        f.write(pack)
    db = sqlite3.connect(box.dir + "/state/gitgate.db")
    updates = [{"ref": "refs/heads/main", "old": old, "new": new},
               {"ref": "refs/heads/gone", "old": old, "new": "0" * 40}]
    row = {"id": ID, "repository": "demo/app", "principal": "bot", "group_names": "[]", "auth_method": "token",
           "credential_id": "", "client_addr": "", "client_agent": "", "state": "denied", "created_ms": 1,
           "decided_ms": 2, "done_ms": 2, "request": "{}", "updates": json.dumps(updates), "policy_digest": "",
           "report_digest": ""}
    db.execute(f"INSERT INTO push ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    db.commit()
    db.close()
    return old, new


def test_pushes_checkout(box):
    old, new = record_push(box)
    out = box.ok("pushes", "checkout", ID, "again")
    assert "refs/pushed/1 is refs/heads/main at " + new in out
    again = box.dir + "/again"
    assert git("rev-parse", "HEAD", cwd=again).decode().strip() == new
    assert git("rev-parse", "refs/upstream/heads/main",
               cwd=again).decode().strip() == old
    assert not os.path.exists(again + "/.git/objects/info/alternates")
    git("fsck", "--full", "--strict", cwd=again)
    with open(again + "/file", encoding="ascii") as f:
        assert f.read().endswith("more\n")
    # nothing that is there is touched
    r = box.run("pushes", "checkout", ID, "again")
    assert r.returncode == 1
    assert os.path.exists(again + "/file")


def test_pushes_checkout_of_a_broken_pack_leaves_nothing(box):
    record_push(box)
    with open(box.dir + "/state/pushes/" + ID + "/pack", "r+b") as f:
        f.seek(20)
        f.write(b"\xff\xff\xff")
    r = box.run("pushes", "checkout", ID, "again")
    assert r.returncode == 1
    assert not os.path.exists(box.dir + "/again")
    assert box.run("pushes", "checkout", OTHER, "x").returncode == 1


# -- the HTTP client --

class Gate(Quiet):
    """Answers from server.answers: path -> list of (status, body)."""

    def serve(self):
        server = self.server
        server.seen.append((self.command, self.path, self.headers.get("Authorization"), self.body().decode()))
        queue = server.answers.get(self.path.split("?")[0], [(404, {})])
        status, reply = queue.pop(0) if len(queue) > 1 else queue[0]
        text = reply if isinstance(reply, str) else json.dumps(reply)
        self.answer(status, text.encode(), {"Location": text} if status == 302 else None)

    do_GET = do_POST = serve


@pytest.fixture(name="gate")
def _gate():
    with LocalServer(Gate) as server:
        server.answers, server.seen = {}, []
        yield server


def hold(state, **more):
    h = {"id": ID, "state": state, "repository": "demo/app", "principal": "bot",
         "created": "2026-01-01T00:00:00Z", "outcome": None, "url": "http://x",
         "push": OTHER, "needs": [{"rule": "r", "required": 1, "from": ["dba"],
                                   "reviews": []}],
         "updates": [{"ref": "refs/heads/\x1b]0;x\x07", "old": "0" * 40,
                      "new": "1" * 40, "kind": "create", "verdict": "hold",
                      "reasons": [{"rule": "r", "verdict": "hold",
                                   "message": "m", "paths": [
                                       {"path": "a\nb", "change": "added",
                                        "commit": "1" * 40}]}]}]}
    h.update(more)
    return h


def env_of(gate):
    return {"GITGATE_URL": gate.url, "GITGATE_TOKEN": "ggt_secret"}


def test_holds_list_and_show_are_safe_for_terminals(box, gate):
    gate.answers["/-/api/v1/holds"] = [(200, {"holds": [hold("pending")],
                                              "next": ID})]
    gate.answers["/-/api/v1/holds/" + ID] = [(200, hold("pending"))]
    r = box.run("holds", "list", "--repository", "demo/a&b", "--state",
                "pending", env=env_of(gate))
    assert r.returncode == 0
    assert "\x1b" not in r.stdout and "\\x1b]0;x\\x07" in r.stdout
    assert "more: --cursor " + ID in r.stderr
    assert gate.seen[0][:3] == ("GET", "/-/api/v1/holds?state=pending&"
                                "repository=demo%2Fa%26b", "Bearer ggt_secret")
    out = box.ok("holds", "show", ID, env=env_of(gate))
    assert "\x1b" not in out and "a\\x0ab (added, commit 111111111111)" in out
    out = box.ok("holds", "show", ID, "--json", env=env_of(gate))
    assert json.loads(out) == hold("pending")
    assert "\x1b" not in out


@pytest.mark.parametrize("verb,path", [("approve", "approve"),
                                       ("reject", "reject"), ("deny", "reject"),
                                       ("withdraw", "withdraw")])
def test_deciding(box, gate, verb, path):
    gate.answers["/-/api/v1/holds/%s/%s" % (ID, path)] = [
        (200, hold("approved")),
        (409, {"title": "Conflict", "detail": "no longer \x1bpending"})]
    out = box.ok("holds", verb, ID, "--comment", 'so "be" it', env=env_of(gate))
    assert out == "hold %s approved\n" % ID
    assert gate.seen[0][0] == "POST"
    assert json.loads(gate.seen[0][3]) == {"comment": 'so "be" it'}
    r = box.run("holds", verb, ID, env=env_of(gate))
    assert r.returncode == 1
    assert "409" in r.stderr and "no longer ?pending" in r.stderr


@pytest.mark.parametrize("state,code", [("forwarded", 0), ("rejected", 1),
                                        ("failed", 1), ("stale", 1),
                                        ("expired", 1), ("superseded", 1)])
def test_wait_ends_with_the_hold(box, gate, state, code):
    gate.answers["/-/api/v1/holds/" + ID] = [
        (200, hold(state, outcome={"state": state, "message": "said so"}))]
    r = box.run("wait", gate.url + "/-/holds/" + ID)
    assert r.returncode == code
    assert r.stdout == "hold %s %s: said so\n" % (ID, state)


def test_wait_polls_through_an_outage(box, gate):
    gate.answers["/-/api/v1/holds/" + ID] = [
        (200, hold("pending")), (503, "busy"), (200, hold("forwarded"))]
    assert box.run("wait", ID, env=env_of(gate)).returncode == 0
    assert sum(path.endswith("/holds/" + ID) for _, path, *_ in gate.seen) == 3


def test_wait_times_out_with_3(box, gate):
    gate.answers["/-/api/v1/holds/" + ID] = [(200, hold("approved"))]
    r = box.run("wait", ID, "--timeout", "1s", env=env_of(gate))
    assert r.returncode == 3
    assert r.stdout == "hold %s approved\n" % ID


def test_wait_for_an_unknown_hold(box, gate):
    r = box.run("wait", ID, env=env_of(gate))
    assert r.returncode == 1
    assert "404" in r.stderr


def test_wait_asks_the_configured_gate_whatever_the_link_says(box, gate):
    gate.answers["/-/api/v1/holds/" + ID] = [(200, hold("forwarded"))]
    box.ok("wait", "http://evil.example/-/holds/" + ID, env=env_of(gate))
    assert len(gate.seen) == 1


def test_redirects_are_not_followed(box, gate):
    gate.answers["/-/api/v1/holds"] = [(302, gate.url + "/elsewhere")]
    r = box.run("holds", "list", env=env_of(gate))
    assert r.returncode == 1
    assert "redirects" in r.stderr or "302" in r.stderr
    assert len(gate.seen) == 1


def test_no_answer_is_an_error(box):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % s.getsockname()[1]
        r = box.run("holds", "list", "--url", url)
    assert r.returncode == 1
    assert r.stderr


def test_answers_of_something_else_are_errors(box, gate):
    for reply in ("<html>", "[]", "null", ""):
        gate.answers["/-/api/v1/holds"] = [(200, reply)]
        r = box.run("holds", "list", env=env_of(gate))
        assert r.returncode == 1, reply
        assert "does not answer like a gate" in r.stderr


def test_token_file(box, gate):
    gate.answers["/-/api/v1/pushes"] = [(200, {"pushes": [], "next": None})]
    path = box.write("token", "ggt_file\n")
    box.ok("pushes", "list", "--token-file", path, "--url", gate.url)
    assert gate.seen[0][2] == "Bearer ggt_file"
    os.chmod(path, 0o644)
    r = box.run("pushes", "list", "--token-file", path, "--url", gate.url)
    assert r.returncode == 2
    assert "ggt_file" not in r.stderr
    r = box.run("pushes", "list", "--url", gate.url,
                env={"GITGATE_TOKEN": "a\r\nX: y"})
    assert r.returncode == 2
    assert "X: y" not in r.stderr


def test_audit_query_prefers_what_is_on_the_command_line(box, gate):
    gate.answers["/-/api/v1/audit"] = [(200, {"entries": [], "next": None})]
    box.ok("audit", "query", "--since", "2026-01-01", "--type", "ref.update",
           env=env_of(gate))
    assert gate.seen[-1][1] == ("/-/api/v1/audit?type=ref.update&since="
                                "2026-01-01T00%3A00%3A00.000Z")
    box.ok("--config", box.config, "audit", "query", env=env_of(gate))
    assert len(gate.seen) == 1


def test_audit_verify_sends_no_token_elsewhere(box, gate):
    other = {"GITGATE_URL": "http://127.0.0.1:1", "GITGATE_TOKEN": "ggt_secret"}
    r = box.run("audit", "verify", "--key", "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", gate.url, env=other)
    assert r.returncode == 1
    assert all(s[2] is None for s in gate.seen)
