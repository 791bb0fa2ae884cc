"""Ways to get what the gate keeps past it."""

import http.client

import pytest

import make
import raw_push
from gate import PROTECT_MAIN, Answer, ref, until
from test_kept import HOLD_ENTIRE, KEEP, LINES, Place, text


@pytest.fixture
def place(make_gate):
    return Place(make_gate(rules=[PROTECT_MAIN, KEEP, HOLD_ENTIRE]))


def on_its_way(place, data, at):
    """A push of which a part has come; the rest is sent by calling it."""
    host, port = place.g.address.rsplit(":", 1)
    c = http.client.HTTPConnection(host, int(port), timeout=60)
    c.putrequest("POST", "/demo/app.git/git-receive-pack")
    for name, value in {**raw_push.headers(place.bot), "Content-Length": len(data)}.items():
        c.putheader(name, str(value))
    c.endheaders()
    c.send(data[:at])

    def rest():
        c.send(data[at:])
        r = c.getresponse()
        return raw_push.Report(Answer(r.status, r.headers, r.read()))

    return rest


def objects(work, oids):
    return [make.Obj(work.out("cat-file", "-t", n), work.run("cat-file", work.out("cat-file", "-t", n), n, input=b"").stdout)
            for n in oids]


def test_kept_while_a_branch_is_on_its_way(place):
    """What is kept after a branch's push has begun is no base of it either."""
    work = place.clone()
    place.served("refs/*")  # the mirror has all of upstream
    blob = work.out("hash-object", "-w", "--stdin", input=text(LINES))
    tree = work.out("mktree", input=f"100644 blob {blob}\tfull.jsonl\n")
    kept = work.out("commit-tree", tree, "-m", "a transcript")
    work.write({"a": text(LINES + 1)})
    new = work.commit()
    names = [n.split()[0] for n in work.out("rev-list", "--objects", "HEAD", "--not", "origin/main").split("\n")]
    at = work.out("rev-parse", "HEAD:a")
    size, tail = len(text(LINES)), f"line {LINES}\n".encode()
    delta = make.delta(size, size + len(tail), make.copy(0, size), make.insert(tail))
    thin = make.pack(*objects(work, [n for n in names if n != at]), make.ref_delta(blob, delta))
    data = raw_push.body([("0" * 40, new, "refs/heads/topic")], thin)
    rest = on_its_way(place, data, len(data) - len(thin) + 20)
    (branch,) = until("the gate has it in hand", lambda: place.g.api("GET", "/pushes", place.ann).json["pushes"])
    assert branch["state"] == "receiving"
    quarantine = place.g.state / "quarantine" / branch["id"]
    until("its inspector works", quarantine.exists, log=place.g.log)
    work.push(f"{kept}:refs/entire/1", ok=True)
    assert place.served("refs/entire/*") == {"refs/entire/1": kept}
    a = rest()
    assert a.refs["refs/heads/topic"] == (False, "stale: refs came to be kept at the gate meanwhile: push again"), a.text
    assert ref(place.g.upstream, "refs/heads/topic") is None
    a = raw_push.post(place.g, place.bot, data)
    assert f"missing blob {blob}" in a.text, a.text
    work.push("HEAD:refs/heads/topic", ok=True)
    place.upstream_lacks(work, kept)
