"""Recorded pushes: their time line, the same again from the recorded bytes,
how long they are kept, and what deletion leaves."""

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import subprocess
import time

import pytest
import yaml

from crash import Place, needs_crash_build
from gate import ACCESS, PROTECT_MAIN, Git, hold_id, http, ref, until

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


def test_a_push_to_a_branch_that_is_gone(make_gate, tmp_path):
    """What it stood on is not upstream any more, nor in the mirror: a recorded
    push opens and comes out the same, and a new one cannot stand on it."""
    g = make_gate(rules=RULES)
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    noise = "".join(hashlib.sha256(b"%d" % i).hexdigest() + "\n" for i in range(2000))
    work.run("checkout", "-q", "-b", "feat")
    work.commit({"big": noise})
    base = work.head()
    work.push("feat", ok=True)
    ids, tips = [], []
    for text, files, ok in (("more\n", {}, True), ("more\nand\n", {"keys/a": "k"}, False)):
        work.commit({"big": noise + text, **files})
        work.push("feat", ok=ok)
        ids.append(push_id(g, bot))
        tips.append(work.head())
    work.push(":feat", ok=True)
    mirror = g.state / "mirrors" / "demo" / "app.git"

    def gone():
        Git(g.dir, g.home).run("ls-remote", "-q", g.remote(bot))
        has = subprocess.run(["git", "-c", "safe.directory=*", "cat-file", "-e", base], cwd=mirror, capture_output=True)
        return has.returncode != 0

    until("the mirror does not have it", gone, log=g.log)
    for id, tip in zip(ids, tips):
        assert replay(g, id)["same"]
        assert "big" in g.cli("pushes", "diff", id).stdout
        out = tmp_path / id
        g.cli("pushes", "checkout", id, out)
        tree = subprocess.run(["git", "-c", "safe.directory=*", "rev-parse", "refs/pushed/1", "HEAD~1^{tree}"], cwd=out, capture_output=True, text=True, check=True)
        assert tree.stdout.split()[0] == tip
        assert (out / "big").read_text().startswith(noise)
    # what lies apart is nobody's base: only its branch's tip is sent
    pack = work.run("pack-objects", "--stdout", "--revs", "-q", input=f"{tips[0]}\n^{base}\n".encode()).stdout
    a = receive_pack(g, bot, pack, tips[0])
    assert a.status == 200 and b"ng refs/heads/again invalid push" in a.body, a.text
    assert ref(g.upstream, "refs/heads/again") is None


def receive_pack(g, token, pack, new):
    line = f"{'0' * 40} {new} refs/heads/again\0report-status side-band-64k agent=git/2.39.5".encode()
    auth = base64.b64encode(f"x:{token}".encode()).decode()
    return http(
        "POST",
        g.url + "/demo/app.git/git-receive-pack",
        b"%04x" % (len(line) + 4) + line + b"0000" + pack,
        {"Authorization": f"Basic {auth}", "Content-Type": "application/x-git-receive-pack-request"},
    )


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
    # the client may have its answer before the record is there
    until("it is recorded", lambda: g.api("GET", "/pushes", bot).json["pushes"])
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


# -- retention --

NOW = {"forwarded": "1s", "failed": "1s", "denied": "1s", "refused": "1s"}


def is_gone(g, id):
    return not recording(g, id).exists()


def cut_pushes(g):
    """What the log says was removed; entries of several repositories are for
    auditors."""
    return [p for e in g.audit(g.token("olga", "auditors"), type="retention.cut") for p in e["pushes"]]


def test_retention_by_repository_and_kind(make_gate, tmp_path):
    """Denied pushes go, forwarded ones of this repository stay, a held one
    never goes; what went is in the log with its digests, and a copy proves
    itself by them."""
    times = {
        "default": {"forwarded": "1s", "denied": "forever"},
        "repositories": [{"path": "demo/*", "forwarded": "forever", "denied": "2s"}],
    }
    g = make_gate(rules=RULES, config={"retention": times})
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    assert "denied 2s" in g.cli("check").stdout
    work = g.clone(bot)
    work.run("checkout", "-q", "-b", "leak", "main")
    work.commit({"keys/a": "k\n"})
    work.push("leak", ok=False)
    denied = push_id(g, bot)
    copies = {n: (recording(g, denied) / n).read_bytes() for n in ("pack", "report")}
    work.run("checkout", "-q", "-b", "topic", "main")
    work.commit({"src/a": "1\n"})
    work.push("topic", ok=True)
    forwarded = push_id(g, bot)
    work.run("checkout", "-q", "main")
    work.commit({"README": "x\n"})
    work.push("main", ok=False)
    held = push_id(g, bot)

    until("the denied push is removed", lambda: is_gone(g, denied), log=g.log)
    until(
        "its row is marked",
        lambda: g.api("GET", f"/pushes/{denied}", bot).json["timeline"][-1]["event"] == "removed",
    )
    assert not is_gone(g, forwarded) and not is_gone(g, held)
    (cut,) = cut_pushes(g)
    assert cut["push"] == denied and cut["reason"] == "age" and cut["state"] == "denied"
    assert cut["pack_sha256"] == hashlib.sha256(copies["pack"]).hexdigest()
    assert cut["report"] == hashlib.sha256(copies["report"]).hexdigest()
    assert replay(g, forwarded)["same"] and replay(g, held)["same"]

    for name, data in copies.items():
        file = tmp_path / name
        file.write_bytes(data)
        assert ": what was logged" in g.cli("pushes", "verify", denied, f"--{name}", file).stdout
        flip(file)
        other = g.cli("pushes", "verify", denied, f"--{name}", file, check=False)
        assert other.returncode == 1 and "NOT what was logged" in other.stdout
    assert g.cli("pushes", "replay", denied, check=False).returncode == 1
    assert g.cli("pushes", "keep", denied, "--reason", "too late", check=False).returncode == 1
    assert g.api("GET", f"/pushes/{denied}", bot).json["updates"][0]["verdict"] == "deny"


def test_legal_hold(make_gate):
    g = make_gate(rules=RULES)
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    _, ids = one_of_each(g, bot, ann)
    one = g.cli("pushes", "keep", ids["denied"], "--reason", "case 17").stdout.strip()
    for args in ([ids["denied"]], ["--reason", "x"], [ids["denied"], "--repository", "demo/app", "--reason", "x"]):
        assert g.cli("pushes", "keep", *args, check=False).returncode == 2
    g.config["retention"] = {"default": NOW}
    g.write_config()
    g.reload()
    gone = ["forwarded", "approved"]
    until("the others are removed", lambda: all(is_gone(g, ids[k]) for k in gone), log=g.log)
    all_of = g.cli("pushes", "keep", "--repository", "demo/app", "--since", "1d", "--reason", "case 18").stdout.strip()
    g.cli("pushes", "release", one, "--reason", "case 17 is closed")
    assert g.cli("pushes", "release", one, "--reason", "again", check=False).returncode == 1
    assert {k["id"] for k in json.loads(g.cli("pushes", "kept", "--json").stdout)} == {one, all_of}
    # the second legal hold covers it: a whole look at all recordings passes it by
    work = g.clone(bot, name="more")
    work.run("checkout", "-q", "-b", "leak2")
    work.commit({"keys/b": "k\n"})
    work.push("leak2", ok=False)
    assert not is_gone(g, ids["denied"])
    olga = g.token("olga", "auditors")
    line = g.api("GET", f"/pushes/{ids['denied']}", olga).json["timeline"]
    assert [m["message"] for m in line if m["event"] == "kept"] == ["case 17", "case 18"]
    # whoever it is about does not learn of it
    until("it is logged", lambda: len(g.audit(olga, type="retention.keep")) == 2)
    assert g.audit(bot, type="retention.keep") == []
    line = g.api("GET", f"/pushes/{ids['denied']}", bot).json["timeline"]
    assert not {"kept", "released"} & {m["event"] for m in line}
    g.cli("pushes", "release", all_of, "--reason", "case 18 is closed")
    until("it is removed now", lambda: is_gone(g, ids["denied"]), log=g.log)
    assert not is_gone(g, ids["held"])
    log = g.audit(g.token("otto", "auditors"))
    kinds = [e["type"] for e in log if e["type"] in ("retention.keep", "retention.release")]
    assert sorted(kinds) == ["retention.keep"] * 2 + ["retention.release"] * 2
    asked = [p["push"] for p in cut_pushes(g)]
    assert len(asked) == len(set(asked)) and ids["held"] not in asked


def metric(g, name):
    import re

    return int(re.search(rf"^{name} (\d+)$", http("GET", g.url + "/metrics").text, re.M).group(1))


def test_no_more_than_the_disk_may_have(make_gate):
    """Over the ceiling the oldest go first."""
    g = make_gate(config={"limits": {"recordings-size": "100KiB"}})
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    ids = []
    for i in range(4):
        work.run("checkout", "-q", "-b", f"b{i}", "main")
        noise = b"".join(hashlib.sha256(b"%d %d" % (i, n)).digest() for n in range(1300))
        work.commit({"noise": noise})
        work.push(f"b{i}", ok=True)
        ids.append(push_id(g, bot))
    until("the two oldest are removed", lambda: is_gone(g, ids[0]) and is_gone(g, ids[1]), log=g.log)
    until("the figure says so", lambda: 0 < metric(g, "gitgate_recordings_bytes") <= 100 * 1024)
    assert not is_gone(g, ids[2]) and not is_gone(g, ids[3])
    assert metric(g, "gitgate_recordings_oldest_seconds") < 3600
    assert [p["reason"] for p in cut_pushes(g)] == ["size", "size"]


def test_what_belongs_to_nobody_is_swept(make_gate):
    import os

    g = make_gate(rules=RULES)
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.run("checkout", "-q", "-b", "topic")
    work.commit({"src/a": "1\n"})
    work.push("topic", ok=True)
    mine = push_id(g, bot)
    g.stop()
    old, new = "01ARZ3NDEKTSV4RRFFQ69G5FAV", mine[:10] + "Z" * 16
    for name in (old, new):
        (g.state / "pushes" / name).mkdir()
        (g.state / "pushes" / name / "pack").write_bytes(b"x")
    unused = g.state / "policies" / ("0" * 64)
    unused.mkdir()
    (unused / "a.yaml").write_text("rules: []\n")
    for d in (g.state / "policies").iterdir():
        os.utime(d, (0, 0))
    g.policy({"access": ACCESS, "rules": []})
    g.start()
    until("it is swept", lambda: is_gone(g, old) and not unused.exists(), log=g.log)
    assert not is_gone(g, new) and not is_gone(g, mine)
    assert replay(g, mine)["same_policy"], "its policy is still there"
    assert cut_pushes(g) == [{"push": old, "reason": "orphan"}]


@pytest.mark.parametrize(
    "bad, why",
    [
        ({"default": {"forwarded": "soon"}}, "duration"),
        ({"default": {"forwarded": "0s"}}, "more than nothing"),
        ({"default": {"held": "1d"}}, "held"),
        ({"repositories": [{"forwarded": "1d"}]}, "path is missing"),
        ({"repositories": {"path": "x"}}, "list"),
    ],
)
def test_retention_that_makes_no_sense(make_gate, bad, why):
    g = make_gate(start=False, config={"retention": bad})
    p = g.cli("check", check=False)
    assert p.returncode == 1 and why in p.stderr, p.stderr


# -- whatever dies where --


@needs_crash_build
@pytest.mark.parametrize("point", ["gate.retention-logged", "gate.retention-removed"])
def test_a_crash_between_log_files_and_rows(make_gate, tmp_path, point):
    """What was begun is finished, and logged once."""
    place = Place(make_gate, tmp_path, point)
    g = place.gate
    place.work.run("checkout", "-q", "-b", "topic")
    place.work.commit({"a": "a\n"})
    place.work.push("topic", ok=True)
    id = push_id(g, place.bot)
    place.arm()
    g.config["retention"] = {"default": NOW}
    g.write_config()
    g.reload()
    place.back()
    until(
        "its row is marked",
        lambda: g.api("GET", f"/pushes/{id}", place.bot).json["timeline"][-1]["event"] == "removed",
        log=g.log,
    )
    assert is_gone(g, id)
    assert [p["push"] for p in cut_pushes(g)] == [id]
    place.check_log()


def test_retention_and_replay_over_postgresql(database, make_gate):
    g = make_gate(rules=RULES, config={"store": database})
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    _, ids = one_of_each(g, bot, ann)
    for id in ids.values():
        assert replay(g, id)["same"]
    g.cli("pushes", "keep", ids["approved"], "--reason", "case 17")
    g.config["retention"] = {"default": NOW}
    g.write_config()
    g.reload()
    until("they are removed", lambda: is_gone(g, ids["forwarded"]) and is_gone(g, ids["denied"]), log=g.log)
    assert not is_gone(g, ids["approved"]) and not is_gone(g, ids["held"])
    assert sorted(p["push"] for p in cut_pushes(g)) == sorted([ids["forwarded"], ids["denied"]])
    g.stop()


def attic_of(g):
    return g.state / "mirrors" / "demo" / "app.git" / "attic" / "pack"


def lose(g, bot):
    """A push whose branch upstream loses: its id; what it brought lies in the attic, where it came two days ago."""
    work = g.clone(bot)
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/topic", ok=True)
    id = push_id(g, bot)
    work.run("fetch", "-q")  # the mirror has it, too
    subprocess.run(["git", "update-ref", "-d", "refs/heads/topic"], cwd=g.upstream, check=True)
    work.run("fetch", "-q", "--prune")
    until("it is repacked", lambda: attic_of(g).is_dir() and list(attic_of(g).glob("*.mtimes")), log=g.log)
    g.stop()
    then = time.time() - 2 * 86400
    for path in attic_of(g).iterdir():
        os.utime(path, (then, then))
    with contextlib.closing(sqlite3.connect(f"{g.state}/gitgate.db")) as db, db:
        db.execute("UPDATE push SET created_ms = 1")
    return id


def look_again(g):
    """A start looks; behind the attics it looks for policies that nobody needs."""
    g.stop()
    unused = g.state / "policies" / ("0" * 64)
    unused.mkdir(mode=0o700)
    os.utime(unused, (1, 1))
    g.write_config()
    g.start()
    until("it was looked", lambda: not unused.exists(), log=g.log)
    # newer git writes a .rev, too
    return sorted(path.suffix for path in attic_of(g).iterdir() if path.suffix != ".rev")


ATTIC = [".idx", ".mtimes", ".pack"]


def test_what_upstream_lost_goes_with_the_recordings(make_gate):
    g = make_gate(rules=RULES)
    bot, root = g.token("bot", "agents"), g.token("root", "auditors")
    id = lose(g, bot)
    assert look_again(g) == ATTIC and replay(g, id)["same"]
    g.config["retention"] = {"default": {"forwarded": "1s"}}
    look_again(g)
    until("the recording is gone", lambda: not recording(g, id).exists(), log=g.log)
    assert look_again(g) == []
    (said,) = until("it is logged", lambda: g.audit(root, type="retention.attic"), log=g.log)
    assert (said["repository"], said["packs"], said["reason"]) == ("demo/app", 1, "unneeded") and said["bytes"] > 0


def test_what_upstream_lost_goes_in_time(make_gate):
    g = make_gate(rules=RULES)
    bot, root, ann = g.token("bot", "agents"), g.token("root", "auditors"), g.token("ann", "maintainers")
    id = lose(g, bot)
    g.config["retention"] = {"attic": "3d"}
    assert look_again(g) == ATTIC
    g.config["retention"] = {"attic": "36h"}
    # not while something waits, which may stand on it
    work = g.clone(bot, name="other")
    work.commit({"README": "again\n"})
    hold = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert look_again(g) == ATTIC
    assert g.review(hold, ann, "reject").status == 200
    g.wait_hold(hold, ann, "rejected")
    # nor under a legal hold
    g.cli("pushes", "keep", id, "--reason", "case 12")
    assert look_again(g) == ATTIC and not g.audit(root, type="retention.attic")
    (keep,) = json.loads(g.cli("pushes", "kept", "--json").stdout)
    g.cli("pushes", "release", keep["id"], "--reason", "closed")
    assert look_again(g) == []
    (said,) = until("it is logged", lambda: g.audit(root, type="retention.attic"), log=g.log)
    assert (said["repository"], said["packs"], said["reason"]) == ("demo/app", 1, "age")
    for bad in ("0s", "soon", ["1d"]):
        g.config["retention"] = {"attic": bad}
        g.write_config()
        assert g.cli("check", check=False).returncode != 0
