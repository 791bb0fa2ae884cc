"""What the entries of a log say together: whoever has the key can sign
anything, but not leave out one act and have the rest fit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tlog_story
import tlog_verify
import tlog_write
from gate import BIN, PROTECT_MAIN, hold_id, until, vkey

TWO = PROTECT_MAIN | {"approvals": {"required": 2, "from": ["maintainers"]}}
NO_KEYS = {"name": "no-keys", "when": {"paths": ["keys/**"]}, "then": "deny"}


@pytest.fixture
def busy(make_gate):
    """Of each kind: allowed, denied, held and sent, rejected, by hand."""
    g = make_gate(rules=[TWO, NO_KEYS])
    bot, root = g.token("bot", "agents"), g.token("root", "auditors")
    g.ann, g.bob = g.token("ann", "maintainers"), g.token("bob", "maintainers")
    work = g.clone(bot)
    for i in range(2):
        work.commit({"a": f"{i}\n"})
        work.push("HEAD:refs/heads/topic", ok=True)
    work.commit({"keys/k": "k\n"})
    work.push("HEAD:refs/heads/bad", ok=False)
    work.run("reset", "-q", "--hard", "HEAD~1")
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    for who in (g.ann, g.bob):
        assert g.review(held, who).status == 200
    g.wait_hold(held, g.ann, "forwarded")
    work.commit({"b": "1\n"})
    rejected = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert g.review(rejected, g.ann, "reject").status == 200
    subprocess.run(["git", "-c", "safe.directory=*", "update-ref", "refs/heads/topic", "refs/heads/main~2"], cwd=g.upstream, check=True)
    work.run("fetch", "-q", "origin")
    until("the movement is seen", lambda: g.audit(root, type="ref.out-of-band"))
    work.commit({"c": "1\n"})
    work.push("-f", "HEAD:refs/heads/topic", ok=True)
    g.stop()
    return g


def verify(g, log, *args):
    return subprocess.run([BIN / "gitgate", "audit", "verify", "--key", vkey(g), *args, log], capture_output=True, text=True, timeout=60)


def found(g, log):
    """(entry, kind) of each, on which both verifiers agree."""
    p = verify(g, log, "--json")
    assert p.returncode == 0, p.stderr
    report = json.loads(p.stdout)
    ours = sorted((f["entry"], f["kind"]) for f in report["findings"])
    size, _ = tlog_verify.verify(log, vkey(g))
    assert ours == tlog_story.findings(log, size)
    assert sum(report["counts"].values()) == len(ours)
    return [(kind, report["findings"][i]["text"]) for i, (_, kind) in enumerate(ours)]


def entries_of(g):
    log = str(g.state / "log")
    size, _ = tlog_verify.verify(log, vkey(g))
    return list(tlog_story.entries(log, size))


def forged(g, tmp_path, entries):
    """A log of other entries, signed with the gate's own key."""
    log = str(tmp_path / "forged")
    key = next(p for p in Path(g.state).parent.rglob("*") if p.is_file() and p.read_bytes().startswith(b"PRIVATE+KEY+"))
    tlog_write.write(log, key.read_text(), entries)
    return log


def of_type(entries, type, **fields):
    return [e for e in entries if e["type"] == type and all(e.get(k) == v for k, v in fields.items())]


def test_a_true_log_fits_together(busy, tmp_path):
    log = str(busy.state / "log")
    assert {"hold.review", "ref.out-of-band", "forward.result"} <= {e["type"] for e in entries_of(busy)}
    assert found(busy, log) == []
    p = verify(busy, log, "--strict")
    assert p.returncode == 0 and "finding" not in p.stdout and "entry" not in p.stdout
    # and what is written here is what the gate would write
    again = forged(busy, tmp_path, entries_of(busy))
    for name in ("tile/entries/000.p", "tile/0/000.p"):
        mine, theirs = (Path(x, name, str(len(entries_of(busy)))).read_bytes() for x in (again, log))
        assert mine == theirs


def test_a_review_left_out(busy, tmp_path):
    all = entries_of(busy)
    one = of_type(all, "hold.review", reviewer="bob")[0]
    log = forged(busy, tmp_path, [e for e in all if e is not one])
    tells = found(busy, log)
    assert [k for k, _ in tells] == ["unapproved"] * 2
    assert "1 of the 2 approvals that rule protect-main needs" in tells[0][1]
    p = verify(busy, log)
    assert p.returncode == 0 and "verified" in p.stdout and "2 findings" in p.stdout
    assert verify(busy, log, "--strict").returncode == 1


def test_another_old_value(busy, tmp_path):
    all = entries_of(busy)
    push = of_type(all, "forward.result", ref="refs/heads/topic")[1]["push"]
    for e in all:
        if e.get("push") == push and e.get("ref"):
            e["old"] = "12" * 20
    tells = found(busy, forged(busy, tmp_path, all))
    assert [k for k, _ in tells] == ["gap"]
    assert "refs/heads/topic moved without the gate" in tells[0][1] and "121212121212" in tells[0][1]
    # in one entry only
    all = entries_of(busy)
    of_type(all, "forward.result", push=push)[0]["old"] = "12" * 20
    assert [k for k, _ in found(busy, forged(busy, tmp_path, all))] == ["altered", "gap"]


def test_other_things_left_out(busy, tmp_path):
    all = entries_of(busy)

    def without(type, **fields):
        gone = of_type(all, type, **fields)
        assert gone
        return [k for k, _ in found(busy, forged(busy, tmp_path, [e for e in all if e not in gone]))]

    assert without("ref.out-of-band") == ["gap"]
    push = of_type(all, "forward.result", ref="refs/heads/topic")[1]["push"]
    assert without("forward.intended", push=push) == ["unannounced"]
    assert without("ref.update", push=push) == ["unannounced"] * 2
    assert without("forward.result", push=push) == ["gap"]


def test_the_clock_went_back(busy, tmp_path):
    all = entries_of(busy)
    all[5]["time"] = "2020-01-01T00:00:00.000Z"
    log = forged(busy, tmp_path, all)
    assert [k for k, _ in found(busy, log)] == ["clock"]
    assert verify(busy, log, "--strict").returncode == 0


def test_as_a_program(busy, tmp_path):
    all = entries_of(busy)
    log = forged(busy, tmp_path, [e for e in all if e["type"] != "hold.review"])
    script = Path(tlog_story.__file__)
    p = subprocess.run([sys.executable, script, vkey(busy), log], capture_output=True, text=True)
    assert p.returncode == 0 and "unapproved, entry" in p.stdout
    Path(log, "checkpoint").write_bytes(b"x")
    assert subprocess.run([sys.executable, script, vkey(busy), log], capture_output=True).returncode == 1
