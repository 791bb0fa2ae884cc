"""Erasure where something is in its way: an index that is late, a damaged
opening, a reader of the database, a crash at the end, other spellings."""

import contextlib
import sqlite3
import subprocess
import threading
import time

import tlog_verify
from crash import CRASH_BUILD, needs_crash_build
from gate import PROTECT_MAIN, hold_id, http, until, vkey
from issuer import Issuer
from test_erasure import ADDR, CONFIG, erase, found_below, opened, push_all, verify

V6, V6_GROUP = "2001:db8:77::abcd", "2001:db8:77::/64"


def begin(make_gate, tmp_path, point=None, how="kill", **config):
    """A gate, and the file that arms the failpoint."""
    armed = tmp_path / "g0" / "gate" / "state" / "armed"
    more = {} if point is None else {"bin": CRASH_BUILD, "env": {"GITGATE_FAILPOINT": f"{point}={how}:{armed}"}}
    return make_gate(rules=[PROTECT_MAIN], config={**CONFIG, **config}, **more), armed


def refuse(g, addr):
    """An entry auth.failure of this address."""
    assert g.api("GET", "/audit", "no-token-at-all", headers={"X-Forwarded-For": addr}).status == 401


def database(g, mode="ro"):
    return sqlite3.connect(f"file:{g.state}/gitgate.db?mode={mode}", uri=True, timeout=30)


def requests(g):
    with contextlib.closing(database(g)) as db:
        return db.execute("SELECT done_ms, data FROM erasure ORDER BY id").fetchall()


def test_what_is_hashed_is_the_same_in_any_language(make_gate, tmp_path):
    """Control characters, DEL, what looks like an escape, and what needs two."""
    g, _ = begin(make_gate, tmp_path)
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers", "auditors")
    work = g.clone(bot)
    work.commit({"README": "again\n"})
    words = "é\u2028\U0001f600\\u007f\\\"</ẞ\ufeff"
    hold = hold_id(work.push("-o", f"agent.session={words}", "HEAD:refs/heads/main", ok=False))
    comment = words + "marker-comment\x7f\x1b\b\f\n\r\t\x01\x85"
    assert g.api("POST", f"/holds/{hold}/reject", ann, {"comment": comment}, {"X-Forwarded-For": ADDR}).status == 200
    until("it is over", lambda: g.audit(ann, type="hold.closed"), log=g.log)
    key, entries = vkey(g), opened(g, ann)
    assert {words, comment} <= {e.get("comment") or e.get("claimed", {}).get("agent.session") for e in entries.values()}
    for seq, e in entries.items():
        raw = tlog_verify.verify_receipt(g.api("GET", f"/audit/{seq}/receipt", ann).text.encode(), key)[1]
        assert tlog_verify.open_entry(raw, g.api("GET", f"/audit/{seq}/opening", ann).json) == e
    # what was said is not in how the hold ended, either
    erase(g, "--principal", "ann")
    assert not found_below(g.state, ["marker-comment", ADDR])
    assert verify(g).returncode == 0


@needs_crash_build
def test_the_newest_entries_are_waited_for(make_gate, tmp_path):
    """They are in the log before they are in the index that is looked at."""
    g, armed = begin(make_gate, tmp_path, "log.before-index", "fail")
    ann = g.token("ann", "auditors")
    until("the act is logged", lambda: g.audit(ann, type="admin.token.create"), log=g.log)
    size = lambda: int((g.state / "log" / "checkpoint").read_text().split("\n")[1])  # noqa: E731
    n = size()
    armed.write_text("")
    asked = threading.Thread(target=refuse, args=(g, ADDR))
    asked.start()
    until("it is in the log", lambda: size() > n, log=g.log)
    command = [str(g.bin / "gitgate"), "--config", str(g.config_file), "audit", "erase", "--addr", ADDR]
    p = subprocess.Popen([*command, "--reason", "r"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until("it was asked for", lambda: requests(g), log=g.log)
    # more than a turn of who erases: it would have looked by now
    end = time.monotonic() + 1.5
    while p.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    armed.unlink()
    out, err = p.communicate(timeout=60)
    asked.join(60)
    assert p.returncode == 0 and "erased 0" not in out, out + err
    assert not found_below(g.state, [ADDR])


@needs_crash_build
def test_killed_at_the_end_the_request_is_forgotten_too(make_gate, tmp_path):
    """It names whom it is about, and the database has had it."""
    g, armed = begin(make_gate, tmp_path, "gate.erasure-over")
    push_all(g)
    armed.write_text("")
    done = erase(g, "--addr", ADDR)
    assert not armed.exists() and done["values"] > 3
    g.wait_ready()
    assert not found_below(g.state, [ADDR])


def test_nobody_is_told_while_the_database_has_it(make_gate, tmp_path):
    """Somebody reads: the write-ahead log cannot be emptied, and it is said."""
    g, _ = begin(make_gate, tmp_path)
    push_all(g)
    with contextlib.closing(database(g)) as db:
        db.execute("BEGIN")
        db.execute("SELECT COUNT(*) FROM push").fetchall()
        command = [str(g.bin / "gitgate"), "--config", str(g.config_file), "audit", "erase", "--addr", ADDR]
        p = subprocess.Popen([*command, "--reason", "r"], stdout=subprocess.PIPE, text=True)
        until("it waits", lambda: "its WAL could not be emptied" in g.log(), 60, g.log)
        assert p.poll() is None
        db.rollback()
    assert p.communicate(timeout=120)[0].startswith("erased ") and p.returncode == 0
    assert not found_below(g.state, [ADDR])


def test_what_fails_is_not_tried_all_the_time(make_gate, tmp_path):
    """An error that stays must not fill the service's log."""
    g, _ = begin(make_gate, tmp_path)
    with contextlib.closing(database(g, "rw")) as db, db:
        db.execute("INSERT INTO erasure (id, done_ms, data) VALUES ('0', 0, '{\"batch\": {}}')")
    said = lambda n: g.log().count("an erasure is damaged") >= n  # noqa: E731
    until("it is said", lambda: said(1), log=g.log)
    began = time.monotonic()
    until("twice again", lambda: said(3), log=g.log)
    assert time.monotonic() - began > 2


def test_other_spellings_of_an_address(make_gate, tmp_path):
    g, _ = begin(make_gate, tmp_path)
    refuse(g, V6)
    refuse(g, ADDR)
    # what failed sign-ins are counted by
    with contextlib.closing(database(g, "rw")) as db, db:
        db.execute("INSERT INTO signin_failure (id, key, time_ms) VALUES ('0', ?, 1)", (f"addr:{V6_GROUP}",))
    assert all(found_below(g.state, [w]) for w in (V6, V6_GROUP, ADDR))
    assert erase(g, "--addr", "2001:0DB8:0077:0:0::ABCD")["values"] >= 1
    assert not found_below(g.state, [V6, V6_GROUP])
    assert erase(g, "--addr", f"::ffff:{ADDR}")["values"] >= 1
    assert not found_below(g.state, [ADDR])
    for bad in ("203.0.113.777", "ann", "203.0.113.0/24"):
        assert erase(g, "--addr", bad, check=False).returncode == 2
    assert verify(g).returncode == 0


def test_where_pipelines_came_from(make_gate, tmp_path):
    """The store keeps the network of a token's first use, which is in no entry where it only fetched."""
    other = "198.51.100.9"
    nets = {ADDR: "203.0.113.0/24", V6: "2001:db8:77::/48", other: "198.51.100.0/24"}
    with Issuer() as issuer:
        ci = {"name": "ci", "issuer": issuer.url, "audience": "gitgate", "principal": "ci:{sub}"}
        ci["groups"] = [{"group": "agents", "when": {"kind": "pipeline"}}]
        g, _ = begin(make_gate, tmp_path, identity={"issuers": [ci]})
        tokens = {a: issuer.mint() for a in nets}

        def fetch(token, addr):
            url = f"{g.url}/demo/app.git/info/refs?service=git-upload-pack"
            headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": addr}
            assert http("GET", url, headers=headers).status == 200

        def kept():
            return {w for _, w in found_below(g.state, nets.values())}

        moved = lambda: g.log().count("event=token_moved")  # noqa: E731
        for addr, token in tokens.items():
            fetch(token, addr)
        assert kept() == set(nets.values())
        fetch(tokens[other], ADDR)
        until("it is noticed", lambda: moved() == 1, log=g.log)
        erase(g, "--addr", ADDR, "--dry-run")
        assert kept() == set(nets.values())
        # its network, and no other; the token is still for one repository, and nobody knows whence
        erase(g, "--addr", ADDR)
        assert kept() == {nets[V6], nets[other]}
        fetch(tokens[ADDR], other)
        assert kept() == {nets[V6], nets[other]}
        fetch(tokens[other], ADDR)
        until("that of others still is", lambda: moved() > 1, log=g.log)
        assert moved() == 2
        with contextlib.closing(database(g)) as db:
            assert db.execute("SELECT COUNT(*) FROM token_use").fetchone() == (3,)
        erase(g, "--addr", V6)
        assert kept() == {nets[other]}
        # by name: rows do not say whose they are
        erase(g, "--principal", "somebody")
        assert not kept()
        # an act with an address takes them as well, one without does not
        ann = g.token("ann", "auditors")
        fetch(issuer.mint(), ADDR)
        refuse(g, other)
        (refused,) = until("it is logged", lambda: g.audit(ann, type="auth.failure"), log=g.log)
        (created,) = until("that, too", lambda: g.audit(ann, type="admin.token.create"), log=g.log)
        assert erase(g, str(created["seq"]))["places"] == []
        assert kept() == {nets[ADDR]}
        assert "client.addr" in erase(g, str(refused["seq"]))["places"]
        assert not kept()


def test_a_clock_that_was_wrong_once_does_not_end_retention(make_gate, tmp_path):
    """An entry that says it is of the future is no reason to keep those behind it."""
    g, _ = begin(make_gate, tmp_path)
    refuse(g, V6)
    ann = g.token("ann", "auditors")
    (wrong,) = until("it is logged", lambda: g.audit(ann, type="auth.failure"), log=g.log)
    refuse(g, ADDR)
    until("that, too", lambda: len(g.audit(ann, type="auth.failure")) == 2, log=g.log)
    g.stop()
    with contextlib.closing(database(g, "rw")) as db, db:
        (text,) = db.execute("SELECT entry FROM audit_index WHERE number = ?", (wrong["seq"],)).fetchone()
        text = text.replace(wrong["time"], "2999-01-01T00:00:00.000Z")
        db.execute("UPDATE audit_index SET entry = ? WHERE number = ?", (text, wrong["seq"]))
    g.config["retention"] = {"personal-data": "1ms"}
    g.write_config()
    g.start()
    until("the other goes", lambda: not found_below(g.state, [ADDR]), log=g.log)
    assert found_below(g.state, [V6])
