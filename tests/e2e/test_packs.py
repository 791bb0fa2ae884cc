"""Crafted packs through the whole gate: refused with a reason in a normal git
answer, nothing at upstream, nothing left behind, and the next push works."""

import itertools
import random
import re
import socket
import struct
import subprocess

import make
import pytest
import raw_push
from gate import Gate, ref, until

CASES = list(make.kinds())
BAD = [c for c in CASES if c.reason is not None]
GOOD = [c for c in CASES if c.reason is None]
SERIAL = itertools.count()


class World:
    def __init__(self, tmp):
        self.bare = tmp / "base.git"
        make.write_base(str(self.bare))
        self.gate = Gate(tmp, repositories=[{"path": "demo/app", "upstream": str(self.bare)}])

    def __enter__(self):
        g = self.gate.__enter__()
        self.token = g.token("bot", "agents")
        self.pids = (g.pids("gate"), g.pids("courier"))
        return self

    def __exit__(self, *exc):
        self.gate.__exit__(*exc)

    def refs(self):
        git = ["git", "-c", "safe.directory=*", "for-each-ref", "--format=%(refname) %(objectname)"]
        return subprocess.run(git, cwd=self.bare, capture_output=True, text=True, check=True).stdout

    def left(self):
        """What refused pushes left on disk."""
        state = self.gate.state
        return sorted(p.relative_to(state) for p in (state / "quarantine").glob("*"))

    def push(self, commands, pack):
        return raw_push.push(self.gate, self.token, commands, pack)

    def honest(self):
        """A small push of something new, which has to land."""
        n = next(SERIAL)
        text = make.blob(b"honest %d\n" % n)
        top = make.tree((b"100644", b"hello", text))
        new = make.commit(top, [make.BASE])
        name = f"refs/heads/honest-{n}"
        r = self.push([(make.ZERO, new.oid, name)], make.pack(text, top, new))
        assert r.ok, (r, self.gate.log())
        assert ref(self.bare, name) == new.oid
        self.gate.quarantine_is_empty()

    def same_processes(self):
        return (self.gate.pids("gate"), self.gate.pids("courier")) == self.pids


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("packs")) as w:
        yield w


def renamed(case, suffix):
    """The case's commands on a ref of its own."""
    return [(old, new, f"{ref}-{suffix}") for old, new, ref in case.commands]


# The gate itself sees that these are no pack at all.
EARLY = {"cut-at-0": "the pack is missing", "no-signature": "is no pack"}


@pytest.mark.parametrize("case", BAD, ids=[c.name for c in BAD])
def test_refused(case, world):
    before = world.refs()
    recorded = set((world.gate.state / "pushes").glob("*/pack"))
    r = world.push(case.commands, case.pack)
    assert r.status == 200 and r.unpack is not None, r
    assert len(r.reasons) == len(case.commands), r
    start = f"limit {case.limit}: " if case.limit else "invalid push: "
    for why in r.reasons:
        assert why.startswith(start), r
        assert re.search(EARLY.get(case.name, case.reason), why), r
    assert world.refs() == before
    assert world.left() == []
    assert set((world.gate.state / "pushes").glob("*/pack")) == recorded
    assert world.same_processes()
    world.honest()


@pytest.mark.parametrize("case", GOOD, ids=[c.name for c in GOOD])
def test_accepted(case, world):
    commands = renamed(case, f"ok-{case.name}")
    r = world.push(commands, case.pack)
    assert r.ok, r
    for _, new, name in commands:
        assert ref(world.bare, name) == new
    world.gate.quarantine_is_empty()


def honest_body(name):
    text = make.blob(b"cut %s\n" % name.encode() * 400)
    top = make.tree((b"100644", b"hello", text))
    new = make.commit(top, [make.BASE])
    return raw_push.body([(make.ZERO, new.oid, f"refs/heads/{name}")], make.pack(text, top, new))


def gone_silently(world):
    """All that the aborted push left is removed, and nobody took its place."""

    def none_in_hand():
        a = world.gate.api("GET", "/pushes?state=receiving", world.token)
        return a.status == 200 and a.json["pushes"] == []

    until("no push is being received", none_in_hand, log=world.gate.log)
    # the store is told first, then the inspector ends, then the files go
    world.gate.quarantine_is_empty()


def test_cut_at_random_points(world):
    """A whole request with a cut pack: refused like any other."""
    rng = random.Random(7)
    data = honest_body("cut")
    at = data.index(b"0000PACK") + 4
    before = world.refs()
    for n in [at, at + 1] + [rng.randrange(at, len(data)) for _ in range(12)]:
        r = raw_push.post(world.gate, world.token, data[:n])
        assert r.status == 200 and len(r.reasons) == 1, (n, r)
        assert r.reasons[0].startswith("invalid push: "), (n, r)
    for n in [1, 3, 4, 60, at - 5, at - 1]:
        r = raw_push.post(world.gate, world.token, data[:n])
        assert r.status in (200, 400) and not r.ok, (n, r)
    assert world.refs() == before
    assert world.left() == []
    world.honest()


@pytest.mark.parametrize("how", ["half-closed", "closed", "reset"])
def test_the_connection_ends_early(how, world):
    """Content-Length says more than was sent."""
    rng = random.Random(11)
    data = honest_body("gone")
    at = data.index(b"0000PACK") + 4
    before = world.refs()
    for n in [0, 10, at, at + 12, rng.randrange(at, len(data)), len(data) - 1]:
        s = raw_push.connect(world.gate, world.token, len(data))
        s.sendall(data[:n])
        if how == "half-closed":
            s.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := s.recv(4096):
                    answer += piece
            except OSError:
                pass
            assert b"ok refs/" not in answer
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    gone_silently(world)
    assert world.refs() == before
    assert world.same_processes()
    world.honest()


def test_many_bad_pushes_at_once(world):
    """The pool is not worn out by them."""
    import concurrent.futures

    before = world.refs()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda c: world.push(c.commands, c.pack), BAD[:: len(BAD) // 18]))
    assert not any(r.ok for r in done)
    for r in done:
        assert r.status == 200 and re.match("invalid push|limit ", r.reasons[0]), r
    assert world.refs() == before and world.left() == []
    assert world.same_processes()
    world.honest()
