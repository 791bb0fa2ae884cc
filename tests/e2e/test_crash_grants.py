"""kill -9 of the gate between the log and the store, for each change of a
grant: what never came to be is taken back in the log, and can be done again."""

import pytest
from crash import Place, needs_crash_build
from gate import ACCESS, PROTECT_MAIN, GateError, until

pytestmark = needs_crash_build

POLICY = {
    "access": ACCESS,
    "grants": [
        {
            "name": "g",
            "principals": {"names": ["bot"]},
            "repositories": ["demo/app"],
            "verbs": ["fast-forward"],
            "approvals": {"from": ["maintainers"]},
        }
    ],
    "rules": [PROTECT_MAIN],
}


@pytest.fixture
def make(make_gate, tmp_path):
    def made(point):
        place = Place(make_gate, tmp_path, point)
        place.gate.policy(POLICY)
        assert place.gate.reload()
        return place

    return made


def cut_off(place, *args):
    """A call that kills the gate."""
    place.arm()
    try:
        a = place.gate.api(*args)
        raise AssertionError(f"it was answered: {a.status} {a.text}")
    except (OSError, GateError):
        pass
    except Exception as e:  # http.client's own: the answer was cut off
        if isinstance(e, AssertionError):
            raise
        assert type(e).__module__ == "http.client", e
    place.back()


ASK = {"repositories": ["demo/app"], "verbs": ["fast-forward"], "for": "30m", "reason": "why"}


def ask(place):
    a = place.gate.api("POST", "/grants", place.bot, ASK)
    assert a.status == 201, a.text
    return a.json["id"]


def said(place, what):
    entries = [e.get("entry", e) for e in place.gate.audit(place.ann, type=f"grant.{what}")]
    return [e.get("void", False) for e in entries]


def state(place, id):
    return place.gate.api("GET", f"/grants/{id}", place.ann).json["state"]


def test_asked(make):
    place = make("gate.grant-asked")
    cut_off(place, "POST", "/grants", place.bot, ASK)
    assert place.gate.api("GET", "/grants", place.ann).json["grants"] == []
    until("it is taken back", lambda: said(place, "asked") == [False, True], log=place.gate.log)
    ask(place)
    assert said(place, "asked") == [False, True, False]
    place.check_log()


@pytest.mark.parametrize("verb, what, after", [("approve", "approved", "active"), ("reject", "rejected", "rejected")])
def test_reviewed(make, verb, what, after):
    place = make("gate.grant-reviewed")
    id = ask(place)
    cut_off(place, "POST", f"/grants/{id}/{verb}", place.ann, {})
    assert state(place, id) == "asked"
    until("it is taken back", lambda: said(place, what) == [False, True], log=place.gate.log)
    place.work.commit({"a": "a\n"})
    place.work.push("main", ok=False)
    a = place.gate.api("POST", f"/grants/{id}/{verb}", place.ann, {})
    assert a.status == 200 and a.json["state"] == after
    assert said(place, what) == [False, True, False]
    place.check_log()


def test_revoked(make):
    """Nobody was told that it is over, so it is not: it can be revoked again."""
    place = make("gate.grant-moved")
    id = ask(place)
    assert place.gate.api("POST", f"/grants/{id}/approve", place.ann, {}).status == 200
    cut_off(place, "POST", f"/grants/{id}/revoke", place.ann, {})
    assert state(place, id) == "active"
    until("it is taken back", lambda: said(place, "revoked") == [False, True], log=place.gate.log)
    assert place.gate.api("POST", f"/grants/{id}/revoke", place.ann, {}).status == 200
    assert said(place, "revoked") == [False, True, False]
    place.work.commit({"a": "a\n"})
    place.work.push("main", ok=False)
    place.check_log()


def test_a_restart_takes_nothing_back(make):
    place = make("none")
    id = ask(place)
    assert place.gate.api("POST", f"/grants/{id}/approve", place.ann, {}).status == 200
    place.gate.kill()
    place.gate.start()
    place.back()
    oid = place.work.commit({"a": "a\n"})
    place.work.push("main", ok=True)
    assert place.landed(oid) == 1 and state(place, id) == "active"
    assert said(place, "asked") == said(place, "approved") == [False]
    place.check_log()
