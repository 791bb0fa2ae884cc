"""Server-sent events: what happens is told to who may know, once, and who
comes back hears what was missed."""

import json
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from gate import BIN, hold_id, http, until

HOLD_MAIN = {
    "name": "protect-main",
    "when": {"refs": ["refs/heads/main"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
}
ACCESS = [
    {"principals": {"groups": ["agents"]}, "repositories": ["demo/*"], "allow": ["fetch", "push"]},
    {"principals": {"groups": ["strangers"]}, "repositories": ["other/*"], "allow": ["fetch"]},
]


class Stream:
    """A client that listens."""

    def __init__(self, g, token, query="", headers=None):
        request = urllib.request.Request(f"{g.url}/-/api/v1/events{query}")
        request.add_header("Authorization", f"Bearer {token}")
        for k, v in (headers or {}).items():
            request.add_header(k, v)
        self.answer = urllib.request.urlopen(request, timeout=60)
        self.type = self.answer.headers["Content-Type"]
        self.events, self.lines = [], []
        self.ended = False
        # the first line is there before anything may be missed
        self.lines.append(self.answer.readline())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        event = {}
        try:
            for line in self.answer:
                self.lines.append(line)
                word, _, rest = line.decode().rstrip("\n").partition(": ")
                if word:
                    event[word] = rest
                elif "event" in event:
                    self.events.append((event["event"], event.get("id"), json.loads(event["data"])))
                if not word:
                    event = {}
        except (OSError, ValueError):
            pass
        self.ended = True

    def types(self):
        return [data.get("type") for _, _, data in list(self.events)]

    def wait(self, type, log=None):
        until(f"{type} is told", lambda: type in self.types(), log=log)
        return next(e for e in list(self.events) if e[2].get("type") == type)

    def close(self):
        # a read in the other thread holds the buffer's lock: cut below it
        self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def place(make_gate):
    g = make_gate(rules=[HOLD_MAIN], access=ACCESS)
    g.bot = g.token("ci/agent", "agents")
    g.ann = g.token("ann", "maintainers")
    g.eve = g.token("eve", "strangers")
    return g


def push_held(g):
    work = g.clone(g.bot)
    work.commit({"a": f"{time.time_ns()}\n"})
    return hold_id(work.push("HEAD:refs/heads/main", ok=False))


def test_a_hold_is_followed_to_its_end(place):
    g = place
    s = Stream(g, g.ann)
    assert s.type.startswith("text/event-stream") and s.lines[0] == b"retry: 2000\n"
    held = push_held(g)
    kind, index, data = s.wait("hold.opened", g.log)
    assert kind == "hold" and data["hold"] == held and data["repository"] == "demo/app"
    assert data["principal"] == "ci/agent" and int(index) >= 0
    assert g.api("POST", f"/holds/{held}/approve", g.ann, {}).status == 200
    assert s.wait("hold.review", g.log)[2]["reviewer"] == "ann"
    closed = s.wait("hold.closed", g.log)[2]
    assert closed["state"] == "forwarded"
    # what is told has happened
    assert g.api("GET", f"/holds/{held}", g.ann).json["state"] == "forwarded"
    ids = [int(i) for _, i, _ in s.events]
    assert ids == sorted(set(ids))
    s.close()


def test_pushes_are_told_to_who_may_fetch(place):
    g = place
    bot, eve, ann = Stream(g, g.bot), Stream(g, g.eve), Stream(g, g.ann)
    work = g.clone(g.bot)
    work.commit({"b": "1\n"})
    work.push("HEAD:refs/heads/free", ok=True)
    held = push_held(g)
    assert bot.wait("forward.result", g.log)[2]["ref"] == "refs/heads/free"
    assert bot.wait("hold.opened", g.log)[2]["hold"] == held
    # a maintainer is asked for the hold and hears of it, of the free push not
    ann.wait("hold.opened", g.log)
    assert not any(d.get("ref") == "refs/heads/free" for _, _, d in ann.events)
    assert eve.events == []
    for s in (bot, eve, ann):
        s.close()


def test_what_was_missed_is_told_again(place):
    g = place
    s = Stream(g, g.bot)
    first = push_held(g)
    s.wait("hold.opened", g.log)
    s.close()
    last = s.events[-1][1]
    second = push_held(g)
    again = Stream(g, g.bot, headers={"Last-Event-ID": last})
    until("the second hold", lambda: any(d.get("hold") == second and d["type"] == "hold.opened" for _, _, d in again.events), log=g.log)
    assert not any(d.get("hold") == first and d["type"] == "hold.opened" for _, _, d in again.events)
    again.close()
    far = Stream(g, g.bot, "?since=999999999")
    until("to begin anew", lambda: far.events, log=g.log)
    assert far.events[0][0] == "reset"
    far.close()


def test_filters(place):
    g = place
    held = push_held(g)
    one, other = Stream(g, g.bot, f"?hold={held}"), Stream(g, g.bot, "?repository=other/x")
    all_ = Stream(g, g.bot)
    work = g.clone(g.bot)
    work.commit({"c": "1\n"})
    work.push("HEAD:refs/heads/free", ok=True)
    all_.wait("forward.result", g.log)
    assert g.api("POST", f"/holds/{held}/withdraw", g.bot, {}).status == 200
    one.wait("hold.closed", g.log)
    assert {d["hold"] for _, _, d in one.events} == {held}
    all_.wait("hold.closed", g.log)
    assert other.events == []
    for s in (one, other, all_):
        s.close()


@pytest.mark.parametrize("query, status", [("?hold=x", 400), ("?hold=", 400)])
def test_wrong_arguments(place, query, status):
    a = http("GET", f"{place.url}/-/api/v1/events{query}", headers={"Authorization": f"Bearer {place.bot}"})
    assert a.status == status


def test_nobody_listens_unknown(place):
    assert http("GET", f"{place.url}/-/api/v1/events").status == 401


def test_too_many_listeners(make_gate):
    g = make_gate(config={"limits": {"event-streams": 3, "event-streams-per-principal": 2}})
    a, b = g.token("a", "agents"), g.token("b", "agents")
    open_ = [Stream(g, a), Stream(g, a)]
    refused = lambda t: http("GET", f"{g.url}/-/api/v1/events", headers={"Authorization": f"Bearer {t}"})
    assert refused(a).status == 429 and "event-streams-per-principal" in refused(a).text
    open_.append(Stream(g, b))
    c = g.token("c", "agents")
    assert refused(c).status == 429 and "limit event-streams:" in refused(c).text
    open_[0].close()
    work = g.clone(b)

    def room():
        """Who has gone is noticed when there is something to tell (or by a
        keepalive: tests/unit/test_http_server.c)."""
        work.commit()
        work.push("HEAD:refs/heads/x", ok=True)
        try:
            open_.append(Stream(g, c))
        except OSError:
            return False
        return True

    until("there is room again", room, log=g.log)
    for s in open_[1:]:
        s.close()


def test_a_stop_lets_them_go(place):
    g = place
    s = Stream(g, g.bot)
    began = time.monotonic()
    g.stop()
    until("the stream ends", lambda: s.ended)
    # well before shutdown-grace
    assert time.monotonic() - began < 18


def test_wait_hears_of_the_end(place):
    g = place
    held = push_held(g)
    s = Stream(g, g.bot)
    p = subprocess.Popen([BIN / "gitgate", "wait", "--url", g.url, held], env={"PATH": "/usr/bin:/bin", "GITGATE_TOKEN": g.bot}, stdout=subprocess.PIPE, text=True)
    assert g.api("POST", f"/holds/{held}/approve", g.ann, {}).status == 200
    s.wait("hold.closed", g.log)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0 and "forwarded" in out
    s.close()
