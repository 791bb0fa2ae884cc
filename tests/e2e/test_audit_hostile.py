"""Somebody tries to make the log, or what is shown of it, say something else."""

import concurrent.futures
import json
import re
import shutil
import sqlite3
import subprocess

import pytest
from gate import PROTECT_MAIN, hold_id, until, vkey
from websession import Browserless

PASSWORD = "correct horse battery"

NO_KEYS = {"name": "no-keys", "when": {"paths": ["keys/**"]}, "then": "deny", "message": "Keys do not belong here."}


def push_id(g, token):
    return g.api("GET", "/pushes", token).json["pushes"][0]["id"]


@pytest.fixture
def watched(make_gate):
    g = make_gate(rules=[PROTECT_MAIN, NO_KEYS])
    g.bot, g.ann, g.olga = g.token("bot", "agents"), g.token("ann", "maintainers"), g.token("olga", "auditors")
    until("the tokens are logged", lambda: len(g.audit(g.olga, type="admin.token.create")) == 3)
    g.work = g.clone(g.bot)
    return g


def push(g, name, files, ok=True):
    g.work.run("checkout", "-q", "-b", name, "main")
    g.work.commit(files)
    g.work.push(name, ok=ok)
    return push_id(g, g.bot)


def database(g):
    return sqlite3.connect(g.state / "gitgate.db", timeout=30)


def test_who_follows_misses_nothing_that_the_index_could_not_take(watched):
    """An entry that the database refuses holds back those behind it: a cursor
    behind a later one would leave it out for ever."""
    g = watched
    push(g, "one", {"a": "1\n"})
    gap = g.audit(g.olga)[-1]["seq"] + 2
    with database(g) as db:
        db.execute(
            f"CREATE TRIGGER lost BEFORE INSERT ON audit_index WHEN NEW.number = {gap}"
            " BEGIN SELECT RAISE(ABORT, 'out of order'); END"
        )
    db.close()
    push(g, "two", {"b": "1\n"})
    push(g, "three", {"c": "1\n"})
    until("the refusal is noticed", lambda: "out of order" in g.log())
    seen = [e["seq"] for e in g.audit(g.olga)]
    assert seen == list(range(gap))
    a = g.api("GET", "/audit/export?format=jsonl", g.olga)
    assert a.headers["Gitgate-Next-Cursor"] == str(gap)
    with database(g) as db:
        db.execute("DROP TRIGGER lost")
    db.close()

    def whole():
        seqs = [e["seq"] for e in g.audit(g.olga)]
        return len(seqs) > gap + 4 and seqs == list(range(len(seqs)))

    until("the index is whole", whole, log=g.log)
    last = g.audit(g.olga)[-1]["seq"]
    push(g, "four", {"d": "1\n"})
    until("it takes new ones at once", lambda: g.audit(g.olga)[-1]["seq"] > last + 2, log=g.log)
    assert whole()


def test_a_database_that_says_something_else_than_the_log(watched):
    g = watched
    id = push(g, "one", {"a": "1\n"})
    other = push(g, "two", {"b": "1\n"})

    def replay():
        return json.loads(g.cli("pushes", "replay", id, "--json", check=False).stdout)

    until("it is in the tiles", lambda: replay()["same"])
    pack = g.state / "pushes" / id / "pack"
    proof = lambda: g.cli("pushes", "verify", id, "--pack", pack, check=False)
    assert proof().returncode == 0

    def lie(*change):
        with database(g) as db:
            for sql, args in change:
                db.execute(sql, args)
        db.close()

    (updates,) = database(g).execute("SELECT updates FROM push WHERE id = ?", (id,)).fetchone()
    for was, now in (('"refs/heads/one"', '"refs/heads/won"'), ('"allow"', '"deny"')):
        lie(("UPDATE push SET updates = ? WHERE id = ?", (updates.replace(was, now), id)))
        a = replay()
        assert not a["same"] and any("does not have what entry" in f for f in a["faults"]), a
    lie(("UPDATE push SET updates = ? WHERE id = ?", (updates, id)))
    assert replay()["same"]

    # the index over the log is the database's word, too
    rows = "SELECT number, entry FROM audit_index WHERE push = ? AND type = 'ref.update'"
    ((number, entry),) = database(g).execute(rows, (id,)).fetchall()
    lie(("UPDATE audit_index SET entry = ? WHERE number = ?", (entry.replace("allow", "hold"), number)))
    assert any("not what the database's index has" in f for f in replay()["faults"])
    assert proof().returncode == 1 and "fault: " in proof().stdout
    lie(("UPDATE audit_index SET entry = ?, push = ? WHERE number = ?", (entry, other, number)))
    assert any("0 ref updates of it, the database 1" in f for f in replay()["faults"])
    assert proof().returncode == 1
    lie(("UPDATE audit_index SET push = ? WHERE number = ?", (id, number)))
    assert replay()["same"] and proof().returncode == 0


def test_a_tree_that_cannot_be_files_is_checked_out_as_objects(watched, tmp_path):
    g = watched
    work = g.work
    blob = work.run("hash-object", "-w", "--stdin", input="x\n").stdout.strip()
    tree = work.run("mktree", input=f"100644 blob {blob}\t{'n' * 300}\n").stdout.strip()
    keys = work.run("mktree", input=f"040000 tree {tree}\tkeys\n").stdout.strip()
    commit = work.out("commit-tree", keys, "-p", "main", "-m", "long")
    work.push(f"{commit}:refs/heads/long", ok=False)
    id = push_id(g, g.bot)
    assert g.api("GET", f"/pushes/{id}", g.bot).json["state"] == "denied"
    out = tmp_path / "out"
    p = g.cli("pushes", "checkout", id, out)
    assert "the work tree is not complete" in p.stderr
    git = ["git", "-c", "safe.directory=*", "rev-parse", "refs/pushed/1", "refs/pushed/1^{tree}", "refs/pushed/1:keys"]
    assert subprocess.run(git, cwd=out, capture_output=True, text=True, check=True).stdout.split() == [commit, keys, tree]


def test_checkout_says_why_there_is_nothing(watched, tmp_path):
    g = watched
    work = g.work
    blob = work.run("hash-object", "-w", "--stdin", input="x\n").stdout.strip()
    raw = b"100644 .git\0" + bytes.fromhex(blob)
    tree = work.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", input=raw).stdout.decode().strip()
    commit = work.out("commit-tree", tree, "-p", "main", "-m", "evil")
    work.push(f"{commit}:refs/heads/evil", ok=False)
    p = g.cli("pushes", "checkout", push_id(g, g.bot), tmp_path / "out", check=False)
    assert p.returncode == 1 and "refused before policy judged it" in p.stderr
    assert not (tmp_path / "out").exists()
    denied = push(g, "keys", {"keys/a": "k\n"}, ok=False)
    g.config["retention"] = {"default": {"denied": "1s"}}
    assert g.reload()
    until("it is removed", lambda: not (g.state / "pushes" / denied).exists(), log=g.log)
    p = g.cli("pushes", "checkout", denied, tmp_path / "out", check=False)
    assert p.returncode == 1 and "was removed (retention)" in p.stderr


def test_when_a_reviewer_first_looked(watched):
    """Once for each who may decide, while it may be decided; nobody else's
    look is told, nor a program's."""
    g = watched
    for name, groups in (("bea", ["maintainers"]), ("carl", ["maintainers"]), ("dan", ["agents"])):
        g.user(name, PASSWORD, *groups)
    g.work.run("checkout", "-q", "main")
    g.work.commit({"a": "1\n"})
    hold = hold_id(g.work.push("main", ok=False))
    push = push_id(g, g.bot)
    bea, carl, dan = (Browserless(g, name, PASSWORD) for name in ("bea", "carl", "dan"))
    page = f"/-/holds/{hold}"
    g.hold(hold, g.ann)  # by the API
    for b in (bea, dan, bea):
        assert b.get(page).status == 200
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert {a.status for a in pool.map(lambda _: carl.get(page), range(4))} == {200}
    line = lambda: g.api("GET", f"/pushes/{push}", g.bot).json["timeline"]
    seen = lambda: [m["who"] for m in line() if m["event"] == "seen"]
    assert seen() == ["bea", "carl"]
    assert g.review(hold, g.ann).status == 200
    g.wait_hold(hold, g.ann, "forwarded")
    g.user("emil", PASSWORD, "maintainers")
    late = Browserless(g, "emil", PASSWORD)
    assert late.get(page).status == 200  # it is decided: nobody looks at what is asked
    assert seen() == ["bea", "carl"]
    order = [m["event"] for m in line() if m["event"] in ("held", "seen", "approved", "answered")]
    assert order == ["held", "seen", "seen", "approved", "answered"]
    entries = g.audit(g.olga, type="hold.seen")
    assert [(e["reviewer"], e["hold"], e["push"]) for e in entries] == [("bea", hold, push), ("carl", hold, push)]
    assert late.get(f"/-/pushes/{push}").text.count("first seen by") == 2


def test_a_database_that_is_older_than_the_log(watched, tmp_path):
    """With it a revoked token would be good again, and what took effect would
    be called void: the gate does not start, unless an administrator says so."""
    g = watched
    spy = g.token("spy", "agents")
    g.work.run("checkout", "-q", "main")
    g.work.commit({"a": "1\n"})
    hold = hold_id(g.work.push("main", ok=False))
    p = g.cli("audit", "accept-database", "--reason", "x", check=False)
    assert p.returncode == 1 and "not older" in p.stderr
    g.stop()
    old = [f for f in g.state.iterdir() if f.name.startswith("gitgate.db")]
    for f in old:
        shutil.copy(f, tmp_path / f.name)
    g.start()
    (token,) = [t["id"] for t in json.loads(g.cli("token", "list", "--json").stdout)["tokens"] if "spy" in t.values()]
    g.cli("token", "revoke", token)
    assert g.review(hold, g.ann, comment="fine").status == 200
    g.wait_hold(hold, g.ann, "forwarded")
    until("it is logged", lambda: g.audit(g.olga, type="admin.token.revoke"))
    assert g.api("GET", "/pushes", spy).status == 401
    before = g.audit(g.olga)
    g.stop()
    for f in g.state.glob("gitgate.db*"):
        f.unlink()
    for f in old:
        shutil.copy(tmp_path / f.name, f)

    for _ in range(2):
        g.start(wait=False)
        assert g.process.wait(60) == 1
        assert "older than the audit log" in g.log() and "accept-database" in g.log()
    assert g.cli("audit", "accept-database", check=False).returncode == 2
    said = g.cli("audit", "accept-database", "--reason", "the disk is lost").stdout
    assert re.search(rf"admin.token.revoke .*subject={token}\b", said)
    assert re.search(rf"hold.review .*reviewer=ann hold={hold}", said)
    g.start()
    after = g.audit(g.olga)
    assert after[: len(before)] == before
    until("the log says so", lambda: g.audit(g.olga, type="admin.database.accept"))
    (e,) = g.audit(g.olga, type="admin.database.accept")
    assert e["reason"] == "the disk is lost" and e["first"] < len(before) < e["size"]  # log.stop, at least
    # nothing that took effect is taken back, now or after another start
    g.stop()
    g.start()
    assert not any(e.get("void") for e in g.audit(g.olga))
    # what was decided can be decided again, and upstream has it already
    assert g.hold(hold, g.ann)["state"] == "pending"
    assert g.review(hold, g.ann).status == 200
    g.wait_hold(hold, g.ann, "forwarded", "stale")


def test_a_movement_by_hand_is_explained(watched):
    g = watched
    git = ["git", "-c", "safe.directory=*", "-c", "user.name=E", "-c", "user.email=e@example.com"]
    out = lambda *a: subprocess.run([*git, *a], cwd=g.upstream, capture_output=True, text=True, check=True).stdout.strip()
    now = out("commit-tree", "main^{tree}", "-p", "main", "-m", "by hand")
    out("update-ref", "refs/heads/main", now)
    g.clone(g.bot)
    g.token("other", "agents")  # an entry behind it
    (moved,) = g.audit(g.olga, type="ref.out-of-band")
    until("there is a later one", lambda: g.audit(g.olga)[-1]["seq"] > moved["seq"])
    a = g.api("GET", "/audit/explain?repository=demo/app&ref=main", g.olga).json
    assert [e["seq"] for e in a["entries"]] == [r["index"] for r in a["receipts"]] == [moved["seq"]]
    p = g.remote_cli(g.olga, "audit", "explain-ref", "demo/app", "main", "--key", vkey(g), check=False)
    assert p.returncode == 0 and now in p.stdout, p.stdout + p.stderr
