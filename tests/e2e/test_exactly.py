"""G2: what lands is exactly the tuple that was judged or approved, whatever
happens to files, refs and other pushes between."""

import concurrent.futures
import shutil
import subprocess

import pytest
import upstreams as up
from gate import PROTECT_MAIN, hold_id, ref, until, vkey


@pytest.fixture
def place(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    g.bot, g.ann, g.bob = g.token("bot", "agents"), g.token("ann", "maintainers", "auditors"), g.token("bob", "maintainers")
    g.work = g.clone(g.bot)
    g.first = g.work.head()
    return g


def hold(g, files, start=None, branch="main"):
    """A held push of one commit on `start`; its commit and hold."""
    g.work.run("checkout", "-q", "--detach", start or g.first)
    oid = g.work.commit(files)
    return oid, hold_id(g.work.push(f"+HEAD:refs/heads/{branch}", ok=False))


def objects(bare):
    return set(up.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=bare).split())


def pack_of(path):
    """Where the recorded pack of the only push lies."""
    (pack,) = path.glob("pushes/*/pack")
    return pack


def other_pack(tmp_path, bare, parent):
    """A valid pack of a commit that nobody approved."""
    evil = up.make_bare(tmp_path / "evil.git")
    up.git("fetch", "-q", bare, "+refs/*:refs/*", cwd=evil)
    oid = up.commit(evil, {"evil": "evil\n"}, parent)
    data = up.git("pack-objects", "--stdout", "--revs", "-q", cwd=evil, stdin=f"{oid}\n^{parent}\n", text=False)
    return oid, data


@pytest.mark.parametrize("how", ["swapped", "cut", "gone"])
def test_recorded_pack_is_tampered_with(place, tmp_path, how):
    """The new oid is what upstream gets or nothing: a pack that does not
    bring it lands nothing, and the hold says that it failed."""
    g = place
    oid, id = hold(g, {"a": "a\n"})
    pack = pack_of(g.state)
    if how == "swapped":
        evil, data = other_pack(tmp_path, g.upstream, g.first)
        pack.write_bytes(data)
    elif how == "cut":
        pack.write_bytes(pack.read_bytes()[:-25])
    else:
        pack.unlink()
    shutil.rmtree(g.state / "quarantine" / pack.parent.name / "objects", ignore_errors=True)
    assert g.review(id, g.ann).status == 200
    if how == "gone":
        # Nothing could be sent: it stays approved, and says why in the log.
        until("it was tried", lambda: "recorded pack" in g.log(), log=g.log)
        assert g.hold(id, g.ann)["state"] == "approved"
    else:
        assert g.wait_hold(id, g.ann, "failed", "forwarded")["state"] == "failed"
    assert ref(g.upstream, "refs/heads/main") == g.first
    if how == "swapped":
        assert evil not in objects(g.upstream)
    # The next push is judged on its own and works.
    g.work.run("checkout", "-q", "--detach", g.first)
    g.work.commit({"b": "b\n"})
    g.work.push("HEAD:refs/heads/topic", ok=True)


def test_stored_tuple_is_tampered_with(place):
    """The store says what is approved: with another new oid in it upstream has
    no such object, and nothing moves."""
    g = place
    oid, id = hold(g, {"a": "a\n"})
    g.work.run("checkout", "-q", "--detach", g.first)
    evil = g.work.commit({"evil": "evil\n"})
    g.stop()
    sql = f"UPDATE hold SET updates = replace(updates, '{oid}', '{evil}') WHERE id = '{id}'"
    changed = subprocess.run(
        ["/usr/bin/python3", "-c", "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nn=c.execute(sys.argv[2]).rowcount\n"
         "c.commit()\nprint(n)", str(g.state / "gitgate.db"), sql], capture_output=True, text=True, check=True)
    assert changed.stdout.strip() == "1"
    g.start()
    a = g.review(id, g.ann)
    if a.status == 200:
        assert g.wait_hold(id, g.ann, "failed", "forwarded", "stale")["state"] == "failed"
    assert ref(g.upstream, "refs/heads/main") == g.first


def test_approval_is_for_one_push(place):
    """Of one ref, of one new oid: a second push to it needs its own."""
    g = place
    one, id = hold(g, {"a": "a\n"})
    assert g.review(id, g.ann).status == 200
    g.wait_hold(id, g.ann, "forwarded")
    two, second = hold(g, {"b": "b\n"}, start=one)
    assert g.hold(second, g.ann)["state"] == "pending" and ref(g.upstream, "refs/heads/main") == one
    # An answer to the first again changes nothing for the second.
    assert g.review(id, g.bob).status == 409
    assert g.hold(second, g.ann)["state"] == "pending" and ref(g.upstream, "refs/heads/main") == one


def test_superseded_hold_cannot_be_approved(place):
    """The newer push takes the place of the older; the older's approval is
    worth nothing for it."""
    g = place
    one, first = hold(g, {"a": "a\n"})
    two, second = hold(g, {"b": "b\n"})
    assert g.hold(first, g.ann)["state"] == "superseded"
    assert g.review(first, g.ann).status == 409
    assert g.hold(second, g.ann)["state"] == "pending"
    assert ref(g.upstream, "refs/heads/main") == g.first


def test_pushed_again_after_approval(place):
    """A hold's approval does not open the ref for what is pushed while it is
    under way."""
    g = place
    hook = g.upstream / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\ntouch there\nn=0\nwhile [ ! -e go ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done\n")
    hook.chmod(0o755)
    one, id = hold(g, {"a": "a\n"})
    assert g.review(id, g.ann).status == 200
    until("it is at upstream", (g.upstream / "there").exists, log=g.log)
    g.work.run("checkout", "-q", "--detach", g.first)
    g.work.commit({"b": "b\n"})
    p = g.work.push("HEAD:refs/heads/main", ok=False)
    second = hold_id(p)
    assert second != id
    (g.upstream / "go").write_text("")
    g.wait_hold(id, g.ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == one
    # What it was based on is no longer there.
    g.wait_hold(second, g.ann, "stale")


def test_two_holds_of_one_ref(place):
    """Of two pushers, both approved at once: one lands, one is stale."""
    g = place
    for n in range(3):
        start = ref(g.upstream, "refs/heads/main")
        holds = {}
        for who in ("eve", "joe"):
            token = g.token(f"{who}{n}", "agents")
            work = g.clone(token)
            oid = work.commit({who: f"{n}\n"})
            holds[hold_id(work.push("main", ok=False))] = oid
        assert all(g.hold(id, g.ann)["state"] == "pending" for id in holds)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda id: g.review(id, g.ann), holds))
        assert 200 in [a.status for a in answers] and {a.status for a in answers} <= {200, 409}
        ends = {id: g.wait_hold(id, g.ann, "forwarded", "stale", "failed") for id in holds}
        states = sorted(h["state"] for h in ends.values())
        assert states == ["forwarded", "stale"], [h["outcome"] for h in ends.values()]
        (winner,) = [id for id, h in ends.items() if h["state"] == "forwarded"]
        assert ref(g.upstream, "refs/heads/main") == holds[winner] != start
    assert g.cli("audit", "verify", "--strict", "--key", vkey(g), str(g.state / "log")).returncode == 0


def test_two_pushes_of_one_ref(place):
    """The same, without holds: one is ok, the other is told that it is stale,
    and the log says so of each."""
    g = place
    oids = {}
    works = []
    for who in ("eve", "joe"):
        work = g.clone(g.bot)
        oids[who] = work.commit({who: "x\n"})
        works.append(work)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda w: w.push("HEAD:refs/heads/topic"), works))
    codes = [p.returncode for p in done]
    assert sorted(codes) == [0, 1], [p.stderr for p in done]
    assert ref(g.upstream, "refs/heads/topic") == list(oids.values())[codes.index(0)]
    loser = done[codes.index(1)].stderr
    assert "stale: upstream moved" in loser or "[rejected]" in loser, loser


def test_forward_has_its_decision_in_the_log(place):
    """G5: each ref that moved has its verdict, its intent, its outcome, in
    that order, with the very tuple; a held one its review before that."""
    g = place
    oid, id = hold(g, {"a": "a\n"})
    assert g.review(id, g.ann).status == 200
    g.wait_hold(id, g.ann, "forwarded")
    push = g.hold(id, g.ann)["push"]
    entries = [e.get("entry", e) for e in g.audit(g.ann, push=push)]
    types = [e["type"] for e in entries]
    order = ["push.received", "ref.update", "hold.opened", "hold.review", "forward.intended", "forward.result"]
    assert [t for t in types if t in order] == order, types
    for e in entries:
        if e["type"] in ("ref.update", "forward.intended", "forward.result"):
            assert (e["ref"], e["old"], e["new"]) == ("refs/heads/main", g.first, oid)
    assert entries[types.index("forward.result")]["result"] == "ok"
    assert entries[types.index("forward.intended")]["reviewers"] == ["ann"]
