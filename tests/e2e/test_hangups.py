"""Clients that go away, at every point of a push: nothing waits for them.

A request that is still counted holds the gate's stop up for the whole grace
(20 s here), so a quick stop says that none was left behind."""

import socket
import struct
import time

import make
import pytest
import raw_push
from gate import PROTECT_MAIN, ref, until

QUICK = 10


@pytest.fixture
def place(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"request-idle": "2s", "shutdown-grace": "20s"}})
    g.bot = g.token("bot", "agents")
    g.main = ref(g.upstream, "refs/heads/main")
    return g


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
    assert "role_died" not in g.log()
    assert list((g.state / "quarantine").iterdir()) == []


def leave_at(g, how, points):
    """One client for each point: sends so much of a push, then goes."""
    for i, point in enumerate(points):
        data = request(g, f"gone-{how}-{i}")
        s = raw_push.connect(g, g.bot, len(data))
        s.sendall(data[: point if point >= 0 else len(data) + point])
        LEAVE[how](s)


# Before the handler takes the body, within commands, at the pack, within it.
POINTS = [0, 0, 0, 4, 100, 200, 260, -1]


@pytest.mark.parametrize("how", LEAVE)
def test_gone_and_then_stopped(how, place):
    """The stop comes while the gate may not yet have seen them go."""
    leave_at(place, how, POINTS)
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


@pytest.mark.parametrize("how", ["close", "reset"])
def test_gone_before_the_answer(how, place):
    """All was said: the push goes on without its client."""
    for i in range(4):
        data = request(place, f"all-{i}")
        s = raw_push.connect(place, place.bot, len(data))
        s.sendall(data)
        LEAVE[how](s)
    until("they have landed", lambda: all(ref(place.upstream, f"refs/heads/all-{i}") for i in range(4)), log=place.log)
    until("quarantines are gone", lambda: not list((place.state / "quarantine").iterdir()), log=place.log)
    stops_quickly(place)


def test_silent_clients_are_let_go(place):
    """Still connected, say nothing more: cut after request-idle."""
    silent = []
    for i, point in enumerate(POINTS):
        data = request(place, f"silent-{i}")
        silent.append(raw_push.connect(place, place.bot, len(data)))
        silent[-1].sendall(data[: point if point >= 0 else len(data) + point])
    for s in silent:
        s.settimeout(60)
        try:
            assert b"ok refs/" not in s.recv(65536)
        except ConnectionError:
            pass
        s.close()
    stops_quickly(place)


def test_connections_without_a_request(place):
    """Idle ones, and ones within their head, hold nothing up."""
    host, port = place.address.split(":")
    socks = [socket.create_connection((host, int(port))) for _ in range(6)]
    for s in socks[3:]:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
    stops_quickly(place)
    for s in socks:
        s.close()
