"""Recorded pushes: their time line, the same again from the recorded bytes,
how long they are kept, and what deletion leaves."""

import hashlib
import json
import subprocess

import pytest
import yaml

from gate import ACCESS, PROTECT_MAIN, hold_id

NO_KEYS = {
    "name": "no-keys",
    "when": {"paths": ["keys/**"]},
    "then": "deny",
    "message": "Keys do not belong here.",
}
RULES = [PROTECT_MAIN, NO_KEYS]


def push_id(g, token):
    return g.api("GET", "/pushes", token).json["pushes"][0]["id"]


def recording(g, id):
    return g.state / "pushes" / id


def replay(g, id, *args):
    p = g.cli("pushes", "replay", id, "--json", *args, check=False)
    assert p.stdout, p.stderr
    answer = json.loads(p.stdout)
    assert p.returncode == (0 if answer["same"] else 1)
    return answer


def one_of_each(g, bot, ann):
    """Push ids of an allowed, a denied, a held and an approved push."""
    work = g.clone(bot)
    ids = {}
    work.run("checkout", "-q", "-b", "topic")
    work.commit({"src/a": "1\n"})
    work.commit({"src/a": "2\n", "src/b": "new\n"})
    work.push("topic", ok=True)
    ids["forwarded"] = push_id(g, bot)
    work.run("checkout", "-q", "-b", "leak", "main")
    work.commit({"keys/a": "k\n"})
    work.commit({"keys/a": None, "fine": "x\n"})
    work.push("leak", ok=False)
    ids["denied"] = push_id(g, bot)
    work.run("checkout", "-q", "main")
    work.commit({"README": "hello again\n"})
    hold = hold_id(work.push("main", ok=False))
    ids["approved"] = push_id(g, bot)
    assert g.review(hold, ann, comment="well done").status == 200
    g.wait_hold(hold, ann, "forwarded")
    work.commit({"README": "and again\n"})
    work.push("main", ok=False)
    ids["held"] = push_id(g, bot)
    return work, ids


def test_time_line(make_gate):
    g = make_gate(rules=RULES)
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    _, ids = one_of_each(g, bot, ann)
    lines = {k: g.api("GET", f"/pushes/{id}", bot).json["timeline"] for k, id in ids.items()}
    read = ["begun", "commands", "inspecting", "received", "inspected", "judged"]
    for line in lines.values():
        assert [m["time"] for m in line] == sorted(m["time"] for m in line)
    events = {k: [m["event"] for m in line] for k, line in lines.items()}
    for found in events.values():
        assert sorted(found[:6]) == sorted(read), found
        assert found[0] == "begun" and found[5] == "judged"
    assert sorted(events["forwarded"][6:]) == ["answered", "decided", "done", "intended"]
    assert sorted(events["denied"][6:]) == ["decided", "done"]
    assert sorted(events["held"][6:]) == ["decided", "held"]
    assert sorted(events["approved"][6:]) == [
        "answered",
        "approved",
        "closed",
        "decided",
        "done",
        "held",
        "intended",
    ]
    (review,) = [m for m in lines["approved"] if m["event"] == "approved"]
    assert review["who"] == "ann" and review["message"] == "well done"
    assert lines["denied"][-1]["state"] == "denied"
    shown = g.remote_cli(bot, "pushes", "show", ids["approved"]).stdout
    assert "approved ann well done" in shown


def test_replay_comes_out_the_same(make_gate, tmp_path):
    """By the policy of then, against the refs of then, though the mirror has
    moved on, upstream was forced elsewhere and the policy is another one."""
    g = make_gate(rules=RULES)
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work, ids = one_of_each(g, bot, ann)
    want = {"forwarded": "allow", "denied": "deny", "approved": "hold", "held": "hold"}
    for kind, id in ids.items():
        a = replay(g, id)
        assert a["same"] and a["same_policy"] and a["verdict"] == a["recorded"] == want[kind], (kind, a)
        assert any(t["rule"] == "protect-main" for t in a["trace"])

    subprocess.run(["git", "update-ref", "refs/heads/topic", "refs/heads/main"], cwd=g.upstream, check=True)
    subprocess.run(["git", "update-ref", "-d", "refs/heads/main"], cwd=g.upstream, check=True)
    g.policy({"access": ACCESS, "rules": []})
    g.reload()
    g.clone(bot)
    work.run("checkout", "-q", "-b", "after")
    work.commit({"later": "1\n"})
    work.push("after", ok=True)
    for kind, id in ids.items():
        a = replay(g, id)
        assert a["same"] and a["same_policy"], (kind, a)
    assert replay(g, push_id(g, bot))["same_policy"]

    other = tmp_path / "other"
    other.mkdir()
    (other / "a.yaml").write_text(yaml.safe_dump({"access": ACCESS, "rules": [PROTECT_MAIN]}))
    a = replay(g, ids["denied"], "--policy", other)
    assert not a["same"] and not a["same_policy"]
    assert a["recorded"] == "deny" and a["verdict"] == "allow"
    assert "refs/heads/leak" in a["differences"][0] and "no-keys" in a["differences"][0]
    assert replay(g, ids["held"], "--policy", other)["same"]
    said = g.cli("pushes", "replay", ids["denied"], "--policy", other, check=False)
    assert "does not come out the same" in said.stdout and said.returncode == 1
    assert not list((g.state / "quarantine").glob("*/*/tmp*"))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_replay_finds_what_was_tampered_with(make_gate):
    g = make_gate(rules=RULES)
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    _, ids = one_of_each(g, bot, ann)
    id = ids["forwarded"]
    for name in ("report", "trace", "pack"):
        path = recording(g, id) / name
        before = path.read_bytes()
        flip(path)
        a = replay(g, id)
        assert not a["same"] and any(name in f for f in a["faults"]), (name, a)
        path.write_bytes(before)
    assert replay(g, id)["same"]
    # the kept policy is checked, too
    digest = g.api("GET", f"/pushes/{id}", bot).json["policy_digest"]
    kept = g.state / "policies" / digest / "10-test.yaml"
    text = kept.read_text()
    kept.write_text(text.replace("deny", "allow"))
    p = g.cli("pushes", "replay", id, check=False)
    assert p.returncode == 1 and "not the one of its name" in p.stderr
    kept.write_text(text)
    # the database says something else than the log does
    if (g.state / "gitgate.db").exists():
        import sqlite3

        db = sqlite3.connect(g.state / "gitgate.db")
        db.execute("UPDATE push SET report_digest = ? WHERE id = ?", ("0" * 64, id))
        db.commit()
        db.close()
        a = replay(g, id)
        assert not a["same"] and any("of the log has report" in f for f in a["faults"]), a


def test_refused_before_policy_has_nothing_to_replay(make_gate):
    g = make_gate(config={"limits": {"pack-size": "1KiB"}})
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.run("checkout", "-q", "-b", "big")
    work.commit({"big": hashlib.sha512(b"x").hexdigest() * 400, "r": bytes(range(256)) * 8})
    (work.path / "r").write_bytes(b"".join(hashlib.sha256(bytes([i])).digest() for i in range(200)))
    work.commit()
    work.push("big", ok=False)
    p = g.cli("pushes", "replay", push_id(g, bot), check=False)
    assert p.returncode == 1 and p.stdout == ""


@pytest.mark.parametrize("kind", ["forwarded", "denied", "held"])
def test_diff_applies(make_gate, tmp_path, kind):
    """What `pushes diff` prints makes the new tree out of the old one."""
    g = make_gate(rules=RULES)
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    old = work.head()
    branch = {"forwarded": "topic", "denied": "leak", "held": "main"}[kind]
    if branch != "main":
        work.run("checkout", "-q", "-b", branch)
    files = {
        "README": "hello\nworld",
        "a dir/b\ttab": "1\n2\n3\n",
        "empty": "",
        "ümlaut": "x\n",
    }
    if kind == "denied":
        files["keys/a"] = "k\n"
    work.commit(files)
    work.commit({"empty": None, "second": "\n\n"})
    work.push(branch, ok=kind == "forwarded")
    text = subprocess.run(
        [str(g.bin / "gitgate"), "--config", str(g.config_file), "pushes", "diff", push_id(g, bot)],
        capture_output=True,
        check=True,
    ).stdout
    new = work.out("rev-parse", "HEAD^{tree}")
    work.run("checkout", "-q", old)
    work.run("apply", "--index", "-", input=text)
    assert work.out("write-tree") == new
    commits = g.cli("pushes", "diff", push_id(g, bot), "--commits").stdout
    assert commits.count("# commit ") == 2
