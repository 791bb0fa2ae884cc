"""Clients that go away, at every point of a push: nothing waits for them.

A request that is still counted holds the gate's stop up for the whole grace
(a minute here), so a quick stop says that none was left behind; a handler that
waits for ever is in the log, and in the count of pushes that never ended."""

import os
import re
import signal
import socket
import struct
import time

import make
import pytest
import raw_push
from gate import PROTECT_MAIN, http, ref, until

QUICK = 30
LASTING = "a handler does not end"


def begin(make_gate, **limits):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": limits})
    g.bot = g.token("bot", "agents")
    g.main = ref(g.upstream, "refs/heads/main")
    return g


@pytest.fixture
def place(make_gate):
    """Time enough to have all in hand before the first is cut for its silence."""
    return begin(make_gate, **{"request-idle": "15s", "shutdown-grace": "60s"})


def request(g, name, old="0" * 40):
    """A whole push of one new commit."""
    text = make.blob(name.encode() * 5000)
    top = make.tree((b"100644", b"f", text))
    new = make.commit(top, [g.main])
    return raw_push.body([(old, new.oid, f"refs/heads/{name}")], make.pack(text, top, new))


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def half_close(s):
    """Says no more but listens: hears the connection's end."""
    s.shutdown(socket.SHUT_WR)
    try:
        while s.recv(65536):
            pass
    except ConnectionError:
        pass
    s.close()


LEAVE = {"close": socket.socket.close, "reset": reset, "half-close": half_close}


def stops_quickly(g):
    begin = time.monotonic()
    assert g.stop() == 0
    assert time.monotonic() - begin < QUICK
    assert "role_died" not in g.log() and LASTING not in g.log()
    assert list((g.state / "quarantine").iterdir()) == []


def metric(g, name):
    return int(re.search(rf"^gitgate_{name} (\d+)$", http("GET", g.url + "/metrics").text, re.M).group(1))


def others_in_hand(g):
    return metric(g, "http_requests") - 1  # it counts itself


def begin_at(g, points):
    """A client for each point that has sent so much of a push."""
    socks = []
    for i, point in enumerate(points):
        data = request(g, f"part-{i}")
        socks.append(raw_push.connect(g, g.bot, len(data)))
        socks[-1].sendall(data[: point if point >= 0 else len(data) + point])
    return socks


# Before the handler takes the body, within commands, at the pack, within it.
POINTS = [0, 0, 0, 4, 100, 200, 260, -1]


@pytest.mark.parametrize("how", LEAVE)
def test_gone_after_they_were_seen(how, place):
    """Each handler hears of it and ends."""
    g = place
    socks = begin_at(g, POINTS)
    until("all are in hand", lambda: others_in_hand(g) == len(socks), log=g.log)
    for s in socks:
        LEAVE[how](s)
    until("each has ended", lambda: metric(g, "pushes_total") == len(socks), log=g.log)
    until("nothing is in hand", lambda: others_in_hand(g) == 0, log=g.log)
    assert metric(g, "pushes_forwarded_total") == 0
    stops_quickly(g)


@pytest.mark.parametrize("how", LEAVE)
def test_gone_and_then_stopped(how, place):
    """Nobody looks whether the gate has seen them come or go."""
    for s in begin_at(place, POINTS):
        LEAVE[how](s)
    stops_quickly(place)


@pytest.mark.parametrize("how", LEAVE)
def test_gone_within_a_refused_body(how, place):
    """The refusal is known (a wrong old value); the rest is being dropped."""
    for i in range(4):
        data = request(place, f"refused-{i}", old="1" * 40)
        s = raw_push.connect(place, place.bot, len(data) + 100000)
        s.sendall(data)
        LEAVE[how](s)
    stops_quickly(place)


def test_gone_right_behind_its_bytes(make_gate):
    """The gate is told of the last ones and of the end in one."""
    place = begin(make_gate, **{"request-idle": "5m", "shutdown-grace": "60s"})
    data = request(place, "behind")
    s = raw_push.connect(place, place.bot, len(data) + 100000)
    s.sendall(data[:-100])
    until("its commands are read", lambda: place.api("GET", "/pushes?state=receiving", place.bot).json["pushes"], log=place.log)
    (pid,) = place.pids("gate")
    os.kill(pid, signal.SIGSTOP)
    try:
        s.sendall(data[-100:])
        s.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    until("nothing is in hand", lambda: others_in_hand(place) == 0, seconds=10, log=place.log)
    stops_quickly(place)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_gone_before_the_answer(how, place):
    """All was said: what the gate has read goes on without its client."""
    for i in range(4):
        data = request(place, f"all-{i}")
        s = raw_push.connect(place, place.bot, len(data))
        s.sendall(data)
        LEAVE[how](s)
    until("none is in hand", lambda: others_in_hand(place) == 0, log=place.log)
    place.quarantine_is_empty()
    stops_quickly(place)


def test_silent_clients_are_let_go(make_gate):
    """Still connected, say nothing more: cut after request-idle."""
    place = begin(make_gate, **{"request-idle": "2s", "shutdown-grace": "60s"})
    for s in begin_at(place, POINTS):
        s.settimeout(60)
        try:
            assert b"ok refs/" not in s.recv(65536)
        except ConnectionError:
            pass
        s.close()
    until("each has ended", lambda: metric(place, "pushes_total") == len(POINTS), log=place.log)
    stops_quickly(place)


def test_stopped_while_they_are_silent(make_gate):
    """Connected and silent to the end: cut when the grace is over."""
    g = begin(make_gate, **{"shutdown-grace": "1s"})
    socks = begin_at(g, POINTS)
    until("all are in hand", lambda: others_in_hand(g) == len(socks), log=g.log)
    stops_quickly(g)
    for s in socks:
        s.close()


def test_connections_without_a_request(place):
    """Idle ones, and ones within their head, hold nothing up."""
    host, port = place.address.split(":")
    socks = [socket.create_connection((host, int(port))) for _ in range(6)]
    for s in socks[3:]:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
    stops_quickly(place)
    for s in socks:
        s.close()
