"""Personal data of the audit log: commitments, openings, erasure."""

import hashlib
import json
import shutil

import pytest

import tlog_verify
from crash import CRASH_BUILD, needs_crash_build
from gate import PROTECT_MAIN, contents_below, hold_id, until, vkey
from websession import Browserless

ADDR = "203.0.113.77"
SECRETS = (ADDR, "marker-agent", "marker-session", "marker-comment", "marker-reason")
CONFIG = {"trusted-proxies": ["127.0.0.1"]}


def found_below(directory, words):
    """Which of the words are in which file, byte by byte."""
    return {
        (str(path.relative_to(directory)), w)
        for path, data in contents_below(directory)
        for w in words
        if w.encode() in data
    }


def push_all(g):
    """A held push with everything personal, approved, and one by somebody else."""
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers", "auditors")
    work = g.clone(bot)
    for name, value in (("http.extraHeader", f"X-Forwarded-For: {ADDR}"), ("http.userAgent", "git/marker-agent")):
        work.run("config", name, value)
    work.commit({"README": "again\n"})
    hold = hold_id(work.push("-o", "agent.session=marker-session", "HEAD:refs/heads/main", ok=False))
    push = g.hold(hold, ann)["push"]
    headers = {"X-Forwarded-For": ADDR}
    g.api("POST", f"/holds/{hold}/approve", ann, {"comment": "marker-comment"}, headers)
    g.wait_hold(hold, ann, "forwarded")
    other = g.clone(g.token("eve", "agents"))
    other.run("config", "http.extraHeader", "X-Forwarded-For: 198.51.100.5")
    other.commit({"other": "x\n"})
    other.push("HEAD:refs/heads/other", ok=True)
    until("the other push has ended", lambda: g.audit(ann, principal="eve", type="forward.result"), log=g.log)
    return bot, ann, hold, push


def erase(g, *args, check=True, reason="asked for, marker-reason"):
    p = g.cli("audit", "erase", "--json", "--reason", reason, *args, check=False)
    assert not check or p.returncode == 0, p.stdout + p.stderr
    return json.loads(p.stdout) if p.returncode == 0 else p


def verify(g, log=None):
    return g.cli("audit", "verify", "--key", vkey(g), str(log or g.state / "log"), check=False)


def opened(g, ann, **query):
    return {e["seq"]: e for e in g.audit(ann, **query)}


def test_what_is_hashed_and_shown(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    _, ann, hold, push = push_all(g)
    entries = opened(g, ann)
    review = next(e for e in entries.values() if e["type"] == "hold.review")
    assert review["comment"] == "marker-comment" and review["reviewer_addr"] == ADDR
    update = next(e for e in entries.values() if e["type"] == "ref.update" and e["push"] == push)
    assert update["client"] == {"addr": ADDR, "agent": "git/marker-agent"}
    assert update["claimed"]["agent.session"] == "marker-session"
    # not in what is hashed, nor in what is served
    key = vkey(g)
    tlog_verify.verify(str(g.state / "log"), key)
    assert not found_below(g.state / "log" / "tile", SECRETS)
    assert g.api("GET", "/../../log/private/000", ann).status in (400, 404)
    p = verify(g)
    assert p.returncode == 0 and "openings" in p.stdout, p.stdout + p.stderr
    # who has receipt and opening can check a value, by either program
    for seq, e in entries.items():
        receipt = g.api("GET", f"/audit/{seq}/receipt", ann).text.encode()
        opening = g.api("GET", f"/audit/{seq}/opening", ann).json
        raw = tlog_verify.verify_receipt(receipt, key)[1]
        assert tlog_verify.open_entry(raw, opening) == e
        for place in opening:
            wrong = {**opening, place: {**opening[place], "value": "other"}}
            with pytest.raises(tlog_verify.LogError, match=place):
                tlog_verify.open_entry(raw, wrong)
    seq = review["seq"]
    names = [g.dir / "receipt", g.dir / "opening"]
    for args, name in ((["receipt", str(seq)], names[0]), (["receipt", "--opening", str(seq)], names[1])):
        name.write_text(g.remote_cli(ann, "audit", *args).stdout)
    check = ["audit", "verify", "--key", key, "--receipt", str(names[0]), "--opening", str(names[1])]
    assert json.loads(g.cli(*check).stdout.splitlines()[-1]) == review
    assert tlog_verify.main(["", "--receipt", "--opening", str(names[1]), key, str(names[0])]) == 0
    names[1].write_text(names[1].read_text().replace("marker-comment", "marker-forgery"))
    p = g.cli(*check, check=False)
    assert p.returncode == 1 and "comment" in p.stderr
    assert tlog_verify.main(["", "--receipt", "--opening", str(names[1]), key, str(names[0])]) == 1
    assert g.api("GET", f"/audit/{seq}/opening", g.token("zoe")).status == 404
    # without openings: as from outside
    copy = g.dir / "outside"
    shutil.copytree(g.state / "log", copy, ignore=shutil.ignore_patterns("private"))
    p = verify(g, copy)
    assert p.returncode == 0 and "openings" not in p.stdout


def test_erase_a_push(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    bot, ann, hold, push = push_all(g)
    before = opened(g, ann)
    checkpoint = (g.state / "log" / "checkpoint").read_text().split("\n")
    receipts = g.api("GET", f"/pushes/{push}/receipts?limit=100", ann).json["receipts"]

    dry = erase(g, "--push", push, "--dry-run")
    assert dry["values"] > 10 and dry["redactions"] == [] and dry["ranges"]
    assert {s: e for s, e in opened(g, ann).items() if s in before} == before
    done = erase(g, "--push", push)
    assert (done["values"], done["ranges"], done["places"]) == (dry["values"], dry["ranges"], dry["places"])
    assert len(done["redactions"]) == 1
    after = opened(g, ann)
    said = after[done["redactions"][0]]
    assert said["type"] == "redaction" and said["push"] == push and said["entries"] == done["ranges"]
    assert said["reason"] == "asked for, marker-reason" and said["principal"].startswith("local:")
    # what it was, with the values gone; the others as they were
    for seq in before:
        e = after[seq]
        if e.get("push") != push:
            assert e == before[seq]
            continue
        gone = e.pop("erased", [])
        assert gone or e == before[seq]
        names = {n.split(".")[0] for n in gone}
        assert {k: v for k, v in e.items() if k not in names} == {
            k: v for k, v in before[seq].items() if k not in names
        }
        assert not any(w in json.dumps(e) for w in SECRETS)
        assert e["principal"] == before[seq]["principal"]
    # pages and lists say so
    p = g.api("GET", f"/pushes/{push}", ann).json
    assert p["claimed"] == {} and not any(w in json.dumps(p) for w in SECRETS)
    assert g.hold(hold, ann)["needs"][0]["reviews"][0]["comment"] == "[erased]"
    some = min(s for s, e in after.items() if e.get("push") == push)
    assert g.api("GET", f"/audit/{some}/opening", ann).json == {}
    g.user("sam", "correct horse battery", "maintainers", "auditors")
    b = Browserless(g, "sam", "correct horse battery")
    for page in (f"/-/pushes/{push}", f"/-/holds/{hold}", "/-/audit"):
        text = b.get(page).text
        assert not [w for w in SECRETS[:-1] if w in text], page
    assert "[erased]" in b.get(f"/-/holds/{hold}").text
    for form in ("jsonl", "csv", "ecs", "ocsf", "github"):
        text = g.remote_cli(ann, "audit", "export", "--format", form, "--push", push, "--type", "ref.update").stdout
        assert text and not [w for w in SECRETS[:-1] if w in text], form
        assert form not in ("ecs", "ocsf", "github") or '"ip":"[erased]"' not in text
    # again there is nothing to erase
    assert erase(g, "--push", push)["values"] == 0
    # the tree is what it was: receipts of before prove their entries
    key = vkey(g)
    for r in receipts:
        tlog_verify.verify_receipt(r["receipt"].encode(), key)
    p = verify(g)
    assert p.returncode == 0 and "erased" in p.stdout, p.stdout + p.stderr
    tlog_verify.verify(str(g.state / "log"), key)
    now = g.api("GET", f"/pushes/{push}/receipts?limit=100", ann).json["receipts"]
    entry = {r["index"]: tlog_verify.verify_receipt(r["receipt"].encode(), key)[1] for r in now}
    for r in receipts:
        assert entry[r["index"]] == tlog_verify.verify_receipt(r["receipt"].encode(), key)[1]
    assert int(checkpoint[1]) <= len(after)
    # the reason can be erased as well, by number
    erase(g, str(done["redactions"][0]), reason="the reason named somebody")
    # on no disk any more
    assert not found_below(g.state, SECRETS)
    g.stop()
    assert not found_below(g.state, SECRETS)
    g.start()
    assert opened(g, g.token("audrey", "auditors"), push=push)


def test_erase_a_person(make_gate):
    """By name: what they did as a pusher and as a reviewer, and nobody else's."""
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    bot, ann, hold, push = push_all(g)
    done = erase(g, "--principal", "ann")
    entries = opened(g, ann)
    assert all(e["reviewer"] == "ann" for e in entries.values() if "comment" in e.get("erased", []))
    review = next(e for e in entries.values() if e["type"] == "hold.review")
    assert review["comment"] == "[erased]" == review["reviewer_addr"] and review["reviewer"] == "ann"
    update = next(e for e in entries.values() if e["type"] == "ref.update" and e["push"] == push)
    assert update["client"]["addr"] == ADDR
    assert not found_below(g.state, ["marker-comment"])
    assert done["values"] >= 2
    # by address: wherever it is, and nothing else
    done = erase(g, "--addr", ADDR)
    assert set(done["places"]) <= {"client.addr", "client.agent", "reviewer_addr", "asked_addr", "by_addr"}
    update = opened(g, ann)[update["seq"]]
    assert update["client"] == {"addr": "[erased]", "agent": "[erased]"}
    assert update["claimed"]["agent.session"] == "marker-session"
    assert not found_below(g.state, [ADDR, "marker-agent"])
    assert found_below(g.state, ["198.51.100.5"])
    assert verify(g).returncode == 0


def test_what_stays(make_gate):
    """A legal hold keeps, a push under way is not touched, bad words are refused."""
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    bot, ann, _, push = push_all(g)
    g.cli("pushes", "keep", push, "--reason", "case 12")
    kept = erase(g, "--push", push)
    assert kept["values"] == 0 and kept["kept"] > 3
    assert erase(g, "--addr", ADDR)["kept"] > 3
    forced = erase(g, "--push", push, "--force")
    assert forced["values"] > 10 and "kept" not in forced
    assert g.audit(ann, type="redaction")[0]["forced"] is True
    work = g.clone(bot)
    work.commit({"README": "third\n"})
    hold = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    held = g.hold(hold, ann)["push"]
    waiting = erase(g, "--push", held)
    assert waiting["values"] == 0 and waiting["open"] >= 2
    for args in ([], ["x"], ["5-3"], ["--push", "x"], ["--push", push, "--addr", ADDR], ["1", "--recordings"]):
        p = g.cli("audit", "erase", "--reason", "r", *args, check=False)
        assert p.returncode == 2, args
    assert g.cli("audit", "erase", "1", check=False).returncode == 2


def test_recordings_go_as_well(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    _, ann, _, push = push_all(g)
    assert (g.state / "pushes" / push / "pack").exists()
    erase(g, "--push", push, "--recordings")
    until("the recording is gone", lambda: not (g.state / "pushes" / push).exists(), log=g.log)
    cut = until("its removal is logged", lambda: g.audit(ann, type="retention.cut"), log=g.log)
    assert cut[0]["pushes"][0]["push"] == push and cut[0]["pushes"][0]["reason"] == "erasure"


def test_a_damaged_opening_is_named(make_gate, tmp_path):
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    _, ann, _, _ = push_all(g)
    entries = opened(g, ann)
    g.stop()
    private = g.state / "log" / "private" / "000"
    good = private.read_bytes()
    assert verify(g).returncode == 0
    for at in range(0, len(good), 97):
        private.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        p = verify(g)
        assert p.returncode == 1 and "private/000" in p.stderr, (at, p.stderr)
    # a forger who makes the hash anew: the entry tells
    rest = good[36:].replace(b"marker-comment", b"marker-forgery", 1)
    private.write_bytes(b"GGP1" + hashlib.sha256(rest).digest() + rest)
    p = verify(g)
    seq = next(s for s, e in entries.items() if e["type"] == "hold.review")
    assert p.returncode == 1 and f"entry {seq}" in p.stderr and "comment" in p.stderr, p.stderr
    # one that is gone, and no entry says so
    private.unlink()
    p = verify(g)
    assert p.returncode == 1 and "no entry says that it was erased" in p.stderr
    private.write_bytes(good)
    g.start()


@needs_crash_build
@pytest.mark.parametrize(
    "point",
    ["gate.erasure-begun", "gate.erasure-logged", "log.erased-bundle", "log.erased", "gate.erasure-erased", "gate.erasure-copied"],
)
def test_killed_at_each_step(make_gate, tmp_path, point):
    armed = tmp_path / "g0" / "gate" / "state" / "armed"
    g = make_gate(
        rules=[PROTECT_MAIN], config=CONFIG, bin=CRASH_BUILD, env={"GITGATE_FAILPOINT": f"{point}=kill:{armed}"}
    )
    _, ann, _, push = push_all(g)
    armed.write_text("")
    done = erase(g, "--push", push)
    assert not armed.exists()
    g.wait_ready()
    said = g.audit(ann, type="redaction")
    # in batches, which are small in this build, each logged once
    assert done["values"] > 10 and [e["seq"] for e in said] == done["redactions"] and len(said) > 1
    numbers = [n for e in said for a, b in e["entries"] for n in range(a, b + 1)]
    assert len(set(numbers)) == len(numbers) == done["entries"]
    erase(g, *map(str, done["redactions"]), reason="x")
    assert not found_below(g.state, SECRETS)
    assert verify(g).returncode == 0


def test_on_postgresql(database, make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={**CONFIG, "store": database})
    _, ann, hold, push = push_all(g)
    assert erase(g, "--push", push)["values"] > 10
    assert all("erased" in e for e in g.audit(ann, push=push) if e["type"] == "ref.update")
    assert g.hold(hold, ann)["needs"][0]["reviews"][0]["comment"] == "[erased]"
    assert not found_below(g.state, [w for w in SECRETS if w != "marker-reason"])
    g.stop()


def test_retention(make_gate):
    """What is older than the configuration says goes by itself; a legal hold stops it."""
    g = make_gate(rules=[PROTECT_MAIN], config=CONFIG)
    _, ann, _, push = push_all(g)
    g.cli("pushes", "keep", push, "--reason", "case 12")
    until("the hold is logged", lambda: g.audit(ann, type="retention.keep"), log=g.log)
    n = len(g.audit(ann))
    g.stop()
    g.config["retention"] = {"personal-data": "1ms"}
    g.write_config()
    g.start()
    (said,) = until("it is logged", lambda: g.audit(ann, type="redaction"), log=g.log)
    assert said["reason"] == "retention: personal-data" and "principal" not in said
    gone = lambda: [e["seq"] for e in g.audit(ann) if "erased" in e]  # noqa: E731
    erased = until("it is done", gone, log=g.log)
    entries = opened(g, ann)
    assert all(entries[s].get("push") != push for s in erased)
    assert {e["seq"] for e in entries.values() if e["seq"] < n and e.get("principal") == "eve" and "client" in e} <= set(erased)
    # released, and looked at again
    (keep,) = json.loads(g.cli("pushes", "kept", "--json").stdout)
    g.cli("pushes", "release", keep["id"], "--reason", "closed")
    g.stop()
    g.start()
    until("that goes, too", lambda: not found_below(g.state / "log", [ADDR]), log=g.log)
    until("and its copies", lambda: not found_below(g.state, [ADDR]), log=g.log)
    p = verify(g)
    assert p.returncode == 0, p.stderr
    assert all("erased" not in e for e in g.audit(ann, type="redaction"))
    for bad in ("0s", "soon", ["1d"]):
        g.config["retention"] = {"personal-data": bad}
        g.write_config()
        assert g.cli("check", check=False).returncode != 0
