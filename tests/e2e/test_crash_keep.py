"""kill -9 of the gate at each step of a push that it keeps, then on as if
nothing was (crash.py says what must hold then)."""

import os

import pytest
from crash import Place, needs_crash_build
from gate import ACCESS, hold_id, ref, until

pytestmark = needs_crash_build

NOTES = "refs/notes/ai"
RULES = [
    {"name": "keep", "when": {"refs": ["refs/notes/**"]}, "then": "keep"},
    {"name": "look", "when": {"refs": ["refs/notes/held/**"]}, "then": "hold",
     "approvals": {"required": 1, "from": ["maintainers"]}},
]
# place, is it kept, end state
DIRECT = [
    ("gate.keep-decided", False, "aborted"),
    ("gate.keep-intended", False, "failed"),
    ("gate.keep-stored", False, "failed"),
    ("gate.keep-changed", True, "kept"),
    ("gate.keep-recorded", True, "kept"),
]


def keeping(place):
    place.gate.policy({"access": ACCESS, "rules": RULES})
    place.gate.reload()


def served(place):
    return place.work.out("ls-remote", "origin", "refs/notes/*").split("\t")[0]


@pytest.mark.parametrize("point, kept, state", DIRECT, ids=lambda v: str(v))
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_direct(make_gate, tmp_path, point, kept, state, how):
    place = Place(make_gate, tmp_path, point, how)
    keeping(place)
    work = place.work
    work.run("notes", "--ref=ai", "add", "-m", "a transcript", "HEAD")
    oid = work.head(NOTES)
    p = place.push(NOTES)
    assert p.returncode != 0  # nobody told it that it was taken
    (push,) = place.pushes()
    assert place.settled(push["id"])["state"] == state
    assert served(place) == (oid if kept else "")
    results = [e["result"] for e in place.gate.audit(place.ann, push=push["id"]) if e["type"] == "keep.result"]
    assert results == ([] if state == "aborted" else ["ok" if kept else "failed"])
    place.gate.quarantine_is_empty()
    packs = place.gate.state / "kept" / "demo" / "app.git"
    until("only what is kept has a pack", lambda: len(os.listdir(packs) if packs.exists() else []) == int(kept))
    work.push(NOTES, ok=True)
    assert served(place) == oid
    fresh = place.gate.clone(place.bot)
    fresh.run("fetch", "-q", "origin", f"{NOTES}:{NOTES}")
    fresh.run("fsck", "--strict")
    assert ref(place.bare, NOTES) is None
    place.check_log()


@pytest.mark.parametrize("point", ["gate.hold-before-keep", "gate.keep-stored", "gate.hold-after-keep"])
def test_held(make_gate, tmp_path, point):
    """The decision stands: what was approved is kept after all, once."""
    place = Place(make_gate, tmp_path, point)
    keeping(place)
    work = place.work
    work.run("notes", "--ref=held/x", "add", "-m", "a transcript", "HEAD")
    oid = work.head("refs/notes/held/x")
    id = hold_id(work.push("refs/notes/held/x", ok=False))
    place.arm()
    place.gate.review(id, place.ann)
    place.back()
    hold = place.gate.wait_hold(id, place.ann, "kept", "failed", "stale")
    assert hold["state"] == "kept"
    assert served(place) == oid
    results = [e["result"] for e in place.gate.audit(place.ann, push=hold["push"]) if e["type"] == "keep.result"]
    assert results == ["ok"]
    place.gate.quarantine_is_empty()
    place.check_log()


@pytest.mark.parametrize("point, told", [("gate.keep-cut", True), ("gate.keep-lost", False)])
def test_the_store_does_not_answer(make_gate, tmp_path, point, told):
    """What was kept is not called failed: the store is asked again."""
    place = Place(make_gate, tmp_path, point, "fail")
    keeping(place)
    work = place.work
    work.run("notes", "--ref=ai", "add", "-m", "a transcript", "HEAD")
    place.arm()
    p = work.run("push", "origin", NOTES, check=False)
    place.armed.unlink()
    (push,) = place.pushes()
    assert (p.returncode == 0) is told, p.stderr
    assert told or f"it is not known yet whether it was kept (push {push['id']})" in p.stderr
    assert place.settled(push["id"])["state"] == "kept"
    assert served(place) == work.head(NOTES)
    results = [e["result"] for e in place.gate.audit(place.ann, push=push["id"]) if e["type"] == "keep.result"]
    assert results == ["ok"]
    place.gate.quarantine_is_empty()
    place.check_log()
