"""kill -9 of each process at each step of a held push."""

import os
import signal

import pytest
from crash import LONG, Place, Slow, check_results, needs_crash_build
from gate import GateError, hold_id, ref, until

pytestmark = needs_crash_build


def approve(place, id):
    """An approval whose answer may be cut off."""
    try:
        return place.gate.review(id, place.ann).status
    except (OSError, GateError):
        return None
    except Exception as e:  # http.client's own: the answer was cut off
        assert type(e).__module__ == "http.client", e
        return None


def pending(place):
    a = place.gate.api("GET", "/holds?state=pending", place.ann)
    assert a.status == 200, a.text
    return a.json["holds"]


def test_hold_opened(make_gate, tmp_path):
    place = Place(make_gate, tmp_path, "gate.held")
    oid = place.work.commit({"a": "a\n"})
    p = place.push("main")
    assert p.returncode != 0
    (hold,) = pending(place)
    again = place.work.push("main", ok=False)
    assert hold_id(again) == hold["id"]
    assert ref(place.bare, "refs/heads/main") == place.first
    assert approve(place, hold["id"]) == 200
    place.gate.wait_hold(hold["id"], place.ann, "forwarded")
    assert place.landed(oid) == 1
    check_results(place, hold["push"], oid)
    place.gate.quarantine_is_empty()
    place.check_log()


def test_review_before_it_was_stored(make_gate, tmp_path):
    """What the log says of it, it takes back: the hold is still pending."""
    place = Place(make_gate, tmp_path, "gate.reviewed")
    oid = place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    place.arm()
    assert approve(place, id) is None
    place.back()
    hold = place.gate.hold(id, place.ann)
    assert hold["state"] == "pending" and place.landed(oid) == 0

    def reviews():
        entries = [e.get("entry", e) for e in place.gate.audit(place.ann, type="hold.review")]
        return [e.get("void", False) for e in entries]

    until("the review is taken back", lambda: reviews() == [False, True], log=place.gate.log)
    assert approve(place, id) == 200
    place.gate.wait_hold(id, place.ann, "forwarded")
    assert place.landed(oid) == 1 and reviews() == [False, True, False]
    place.check_log()


def ends(place, push):
    entries = [e.get("entry", e) for e in place.gate.audit(place.ann, type="hold.closed", push=push)]
    return [e.get("state", "void" if e.get("void") else None) for e in entries]


def test_withdrawal_before_it_was_stored(make_gate, tmp_path):
    """The end is in the log first; what did not come to be is taken back."""
    place = Place(make_gate, tmp_path, "gate.hold-closing")
    place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    push = place.gate.hold(id, place.ann)["push"]
    place.arm()
    try:
        place.gate.review(id, place.bot, "withdraw")
    except Exception as e:  # the answer was cut off
        assert isinstance(e, (OSError, GateError)) or type(e).__module__ == "http.client", e
    place.back()
    assert place.gate.hold(id, place.ann)["state"] == "pending"
    until("the end is taken back", lambda: ends(place, push) == ["withdrawn", "void"], log=place.gate.log)
    assert place.gate.review(id, place.bot, "withdraw").status == 200
    assert ends(place, push) == ["withdrawn", "void", "withdrawn"]
    place.check_log()


def test_superseding_before_it_was_stored(make_gate, tmp_path):
    place = Place(make_gate, tmp_path, "gate.hold-opening")
    place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    push = place.gate.hold(id, place.ann)["push"]
    place.work.commit({"a": "b\n"})
    assert place.push("main").returncode != 0
    assert place.gate.hold(id, place.ann)["state"] == "pending"
    until("the end is taken back", lambda: ends(place, push) == ["superseded", "void"], log=place.gate.log)
    newer = hold_id(place.work.push("main", ok=False))
    assert newer != id and place.gate.hold(id, place.ann)["state"] == "superseded"
    assert ends(place, push) == ["superseded", "void", "superseded"]
    place.check_log()


@pytest.mark.parametrize(
    "point, how",
    [
        ("gate.hold-before-forward", "kill"),
        ("gate.hold-after-forward", "kill"),
        ("gate.hold-after-forward", "stop"),
        ("courier.relay-begin", "kill"),
        ("courier.relay-begin", "stop"),
        ("courier.relay-sent", "kill"),
        ("courier.relay-answered", "kill"),
    ],
)
def test_approved_hold(make_gate, tmp_path, point, how):
    place = Place(make_gate, tmp_path, point, how)
    oid = place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    place.arm()
    assert approve(place, id) == 200
    if how == "stop":
        place.kill_all()
    place.back()
    hold = place.gate.wait_hold(id, place.ann, "forwarded", "failed", "stale")
    assert hold["state"] == "forwarded", hold["outcome"]
    assert ref(place.bare, "refs/heads/main") == oid and place.landed(oid) == 1
    assert place.settled(hold["push"])["state"] == "forwarded"
    check_results(place, hold["push"], oid)
    place.gate.quarantine_is_empty()
    place.work.run("checkout", "-q", "-b", "topic")
    place.work.commit({"b": "b\n"})
    place.work.push("topic", ok=True)
    place.check_log()


def test_held_stays_held(make_gate, tmp_path):
    place = Place(make_gate, tmp_path)
    oid = place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    place.gate.kill()
    place.gate.start()
    assert place.gate.hold(id, place.ann)["state"] == "pending"
    assert os.listdir(place.gate.state / "quarantine") and place.landed(oid) == 0
    assert approve(place, id) == 200
    place.gate.wait_hold(id, place.ann, "forwarded")
    assert place.landed(oid) == 1


def test_courier_killed_while_upstream_works_on_a_hold(make_gate, tmp_path):
    """The hold is sent again; upstream's compare-and-swap takes one of them."""
    place = Place(make_gate, tmp_path, doubt=LONG)
    slow = Slow(place)
    oid = place.work.commit({"a": "a\n"})
    id = hold_id(place.work.push("main", ok=False))
    assert approve(place, id) == 200
    slow.wait(place.gate)
    (pid,) = place.gate.pids("courier")
    (place.bare / "there").unlink()
    os.kill(pid, signal.SIGKILL)
    slow.wait(place.gate)  # the second try is at upstream as well
    slow.go()
    hold = place.gate.wait_hold(id, place.ann, "forwarded", "failed", "stale")
    assert hold["state"] == "forwarded", hold["outcome"]
    assert ref(place.bare, "refs/heads/main") == oid and place.landed(oid) == 1
    place.gate.quarantine_is_empty()
    place.check_log()
