"""SIGTERM while pushes are in hand and while clients wait."""

import base64
import concurrent.futures
import signal
import socket
import time

import pytest
from gate import PROTECT_MAIN, GateError, hold_id, ref, until

WAIT = "touch there\nn=0\nwhile [ ! -e go ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done\n"


@pytest.fixture
def place(make_gate):
    return begin(make_gate, "2s")


def begin(make_gate, grace):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"shutdown-grace": grace}})
    g.bot, g.ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    g.work = g.clone(g.bot)
    g.first = g.work.head()
    return g


def slow_hook(g):
    hook = g.upstream / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\n" + WAIT)
    hook.chmod(0o755)


def start_again(g, token):
    g.start()
    g.work.run("remote", "set-url", "origin", g.remote(token))


def test_waiting_clients_hear_that_it_stays_held(place):
    g = place
    works = [g.work] + [g.clone(g.token(f"bot{n}", "agents")) for n in range(3)]
    for n, w in enumerate(works):
        w.commit({f"f{n}": "x\n"})
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        pushing = [pool.submit(w.push, "-o", "gitgate.wait=10m", "main") for w in works]

        def all_wait():
            a = g.api("GET", "/holds?state=pending", g.ann)
            return len(a.json["holds"]) == len(works)

        until("all are held", all_wait, log=g.log)
        begin = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - begin < 30
        done = [p.result() for p in pushing]
    for p in done:
        assert p.returncode == 1
        assert "held for approval: " in p.stderr
    ids = [hold_id(p) for p in done]
    start_again(g, g.bot)
    assert {g.hold(i, g.ann)["state"] for i in ids} == {"pending"}
    assert g.review(ids[0], g.ann).status == 200
    g.wait_hold(ids[0], g.ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == g.work.head()


def test_push_in_hand_is_finished(make_gate):
    """Upstream answers within the grace: the client hears ok."""
    g = begin(make_gate, "30s")
    slow_hook(g)
    oid = g.work.commit({"a": "a\n"})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pushing = pool.submit(g.work.push, "HEAD:refs/heads/topic")
        until("upstream is at it", (g.upstream / "there").exists, log=g.log)
        stopping = pool.submit(g.stop)
        until("the gate stops", lambda: g.log().count("event=stopping") >= 2, log=g.log)
        (g.upstream / "go").write_text("")
        p = pushing.result()
        assert stopping.result() == 0
    assert p.returncode == 0, p.stderr
    assert ref(g.upstream, "refs/heads/topic") == oid
    start_again(g, g.bot)
    (push,) = g.api("GET", "/pushes", g.ann).json["pushes"]
    assert push["state"] == "forwarded"


def test_push_in_hand_outlasts_the_grace(place):
    """The gate stops all the same; the next one finds out what became of it."""
    g = place
    slow_hook(g)
    oid = g.work.commit({"a": "a\n"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(g.work.run, "push", "origin", "HEAD:refs/heads/topic", check=False)
        until("upstream is at it", (g.upstream / "there").exists, log=g.log)
        begin = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - begin < 30
        p = pushing.result()
    assert p.returncode == 1 and "not known yet" in p.stderr, p.stderr
    assert "role_died" not in g.log()
    assert ref(g.upstream, "refs/heads/topic") is None
    start_again(g, g.bot)
    (g.upstream / "go").write_text("")

    def state():
        (push,) = g.api("GET", "/pushes", g.ann).json["pushes"]
        return push["state"] if push["state"] != "forwarding" else None

    assert until("its end is known", state, log=g.log) == "forwarded"
    assert ref(g.upstream, "refs/heads/topic") == oid


def test_upload_in_hand_is_refused_or_finished(place):
    """A client that is still sending: the gate ends within its grace, and a
    push that it cut has left nothing."""
    g = place
    host, port = g.address.split(":")
    with socket.create_connection((host, int(port))) as s:
        auth = base64.b64encode(f"x:{g.bot}".encode()).decode()
        oid = "1" * 40
        line = f"{'0' * 40} {oid} refs/heads/topic\0 report-status side-band-64k".encode()
        body = b"%04x" % (len(line) + 4) + line + b"0000" + b"PACK\0\0\0\2\0\0\0\1"
        s.sendall(
            f"POST /demo/app.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}\r\n"
            f"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n\r\n".encode() + body
        )
        until("it is received", lambda: g.api("GET", "/pushes", g.ann).json["pushes"], log=g.log)
        begin = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - begin < 30
    start_again(g, g.bot)

    def ended():
        pushes = g.api("GET", "/pushes", g.ann).json["pushes"]
        return all(p["state"] in ("aborted", "invalid") for p in pushes)

    until("it is closed", ended, log=g.log)
    g.quarantine_is_empty()
    g.work.commit({"a": "a\n"})
    g.work.push("HEAD:refs/heads/topic", ok=True)


def test_second_signal_changes_nothing(place):
    g = place
    g.process.send_signal(signal.SIGTERM)
    g.process.send_signal(signal.SIGTERM)
    assert g.process.wait(60) == 0
    with pytest.raises(GateError):
        g.wait_ready(1)
