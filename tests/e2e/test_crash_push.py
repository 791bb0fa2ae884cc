"""kill -9 of each process at each step of an allowed push, then on as if
nothing was (crash.py says what must hold then)."""

import concurrent.futures
import os
import signal
from pathlib import Path

import pytest
from crash import LONG, Place, Slow, check_results, needs_crash_build
from gate import ref, until
from test_provenance_records import add_note, note

pytestmark = needs_crash_build

# place, does it land, end states that are true then
DIRECT = [
    ("gate.received", False, "aborted"),
    ("gate.decided", False, "aborted"),
    ("gate.before-forward", False, "failed"),
    ("gate.after-forward", True, "forwarded"),
    ("gate.before-answer", True, "forwarded"),
    ("courier.relay-begin", False, "failed"),
    ("courier.relay-sent", True, "forwarded"),
    ("courier.relay-answered", True, "forwarded"),
    ("log.before-journal", False, "aborted"),
    ("log.after-journal", False, "aborted"),
    ("log.before-checkpoint", None, None),
    ("log.after-checkpoint", None, None),
]
# Here everything is killed at once, and started again.
WHOLE = ("gate.received", "gate.before-forward", "gate.after-forward", "courier.relay-begin", "courier.relay-sent")
ONE_ROLE = [("inspector.job", False, "invalid"), ("inspector.before-report", False, "invalid")]


@pytest.mark.parametrize(
    "point, lands, state, how",
    [(*d, "kill") for d in DIRECT + ONE_ROLE] + [(*d, "stop") for d in DIRECT if d[0] in WHOLE],
    ids=lambda v: str(v),
)
def test_direct_push(make_gate, tmp_path, point, lands, state, how):
    place = Place(make_gate, tmp_path, point, how)
    work = place.work
    work.run("checkout", "-q", "-b", "topic")
    oid = work.commit({"a": "a\n"})
    p = place.push("topic")
    there = ref(place.bare, "refs/heads/topic") == oid
    assert place.landed(oid) == int(there)
    for push in place.pushes():  # none when the log's writer was that early
        end = place.settled(push["id"])
        assert (end["state"] == "forwarded") == there, end
        check_results(place, push["id"], oid)
    if p.returncode == 0:
        assert there
    if lands is not None:
        assert (there, end["state"]) == (lands, state), p.stderr
    # A courier that dies after upstream's answer is found out by comparing.
    if point in ("courier.relay-sent", "courier.relay-answered") and how == "kill":
        assert p.returncode == 0, p.stderr
    if p.returncode != 0 and not point.startswith(("gate", "log")) and how == "kill":
        assert "gate unavailable: " in p.stderr
    place.gate.quarantine_is_empty()
    work.push("topic", ok=True)
    assert ref(place.bare, "refs/heads/topic") == oid and place.landed(oid) == 1
    place.check_log()


def test_records_of_a_push_that_came_to_nothing(make_gate, tmp_path):
    """They are stored before it goes upstream, and shown to nobody."""
    place = Place(make_gate, tmp_path, "gate.provenance-kept")
    g, work = place.gate, place.work
    oid = work.commit({"a": "a\n"})
    add_note(work, oid, note("a", "1"))
    place.push("refs/notes/ai")
    (push,) = place.pushes()
    assert place.settled(push["id"])["state"] == "aborted" and ref(place.bare, "refs/notes/ai") is None
    place.armed.unlink(missing_ok=True)
    work.push("refs/notes/ai", ok=True)
    work.push("HEAD:refs/heads/topic", ok=True)
    last = max(p["id"] for p in place.pushes())
    said = g.api("GET", f"/pushes/{last}", place.ann).json["provenance"]
    assert [r["claimed_by"]["state"] for r in said["records"]] == ["forwarded"] and len(said["commits"]) == 1
    place.check_log()


@pytest.mark.parametrize("point", ["mirror.before-refs", "inspector.job"])
def test_mirror_update(make_gate, tmp_path, point):
    """A fetch whose inspector dies fails; the next one is whole."""
    place = Place(make_gate, tmp_path, point)
    seed = place.bare.parent / "app.git.seed"
    work = type(place.work)(seed, place.gate.home)
    oid = work.commit({"b": "b\n"})
    work.run("push", "-q", str(place.bare), "HEAD:refs/heads/main")
    place.arm()
    assert place.work.run("fetch", "-q", check=False).returncode != 0
    place.armed.unlink(missing_ok=True)
    place.work.run("fetch", "-q")
    assert place.work.head("origin/main") == oid
    place.work.run("fsck", "--strict")


@pytest.mark.parametrize("victim", ["courier", "gate", "supervisor"])
def test_killed_while_upstream_works(make_gate, tmp_path, victim):
    """Upstream takes the push after its courier has died: that is what the
    gate must find out, though at first upstream looks untouched."""
    place = Place(make_gate, tmp_path, doubt=LONG)
    g = place.gate
    slow = Slow(place)
    place.work.run("checkout", "-q", "-b", "topic")
    oid = place.work.commit({"a": "a\n"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(place.work.push, "topic")
        slow.wait(g)
        if victim == "supervisor":
            roles = g.pids("gate")
            g.process.send_signal(signal.SIGKILL)
            g.process.wait()
            until("the gate ends", lambda: not any(Path(f"/proc/{p}").exists() for p in roles), log=g.log)
            g.start(wait=False)  # its courier waits for the one that relays
        else:
            (pid,) = g.pids(victim)
            os.kill(pid, signal.SIGKILL)
            if victim == "gate":
                until("a new gate", lambda: g.pids("gate") not in ([], [pid]), log=g.log)
        if victim == "courier":
            # The client is told while upstream still works on it.
            p = pushing.result()
            slow.go()
        else:
            slow.go()
            p = pushing.result()
    g.wait_ready()
    assert p.returncode == 1
    if victim == "courier":
        assert "gate unavailable: " in p.stderr and "not known yet" in p.stderr, p.stderr
    end = place.settled(place.pushes()[0]["id"])
    assert (end["state"], place.landed(oid)) == ("forwarded", 1)
    check_results(place, end["id"], oid)
    place.gate.quarantine_is_empty()
    place.check_log()
