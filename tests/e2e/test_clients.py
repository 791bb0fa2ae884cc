"""Clients other than git: dulwich, pygit2 (libgit2), and one of long ago."""

import re
import subprocess

import pytest

import pktline
from gate import Gate, Git, make_upstream, ref
from pktline import ZERO, parse_report, pkt

RULES = [
    {"name": "no-denied", "when": {"refs": ["refs/heads/denied*"]}, "then": "deny", "message": "Not this one."},
    {"name": "hold-held", "when": {"refs": ["refs/heads/held*"]}, "then": "hold", "approvals": {"from": ["maintainers"]}},
]
DENIED = "denied by rule no-denied: Not this one."
HELD = re.compile(r"held for approval: http://\S+/-/holds/[0-9A-HJKMNP-TV-Z]{26}")


class Place:
    def __init__(self, gate, root):
        self.gate, self.root = gate, root
        self.token = gate.token("bot", "agents")

    def upstream(self, name):
        bare = make_upstream(self.root / "up" / f"{name}.git", {"a": "1", "d/b": "2" * 5000})
        return bare, f"http://{self.gate.address}/t/{name}.git"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("clients")
    (root / "up").mkdir()
    with Gate(root, rules=RULES, repositories=[{"path": "t/*", "upstream": f"{root}/up/*.git"}]) as gate:
        yield Place(gate, root)


# -- dulwich --


@pytest.fixture
def dulwich(place):
    porcelain = pytest.importorskip("dulwich.porcelain")
    client = pytest.importorskip("dulwich.client")

    class Client:
        def __init__(self, name):
            self.bare, self.url = place.upstream(name)
            self.http = client.HttpGitClient(f"http://{place.gate.address}", username="x", password=place.token)
            self.path = f"/t/{name}.git"
            self.dir = place.root / f"dulwich-{name}"
            self.repo = porcelain.clone(self.url, str(self.dir), username="x", password=place.token)

        def commit(self, name, text):
            (self.dir / name).write_text(text)
            self.repo.stage([name])
            return self.repo.do_commit(b"by dulwich", committer=b"D <d@example.com>", author=b"D <d@example.com>")

        def push(self, *names):
            """The status per ref, as dulwich tells it."""
            oid = self.repo.head()
            r = self.http.send_pack(self.path, lambda refs: {n: oid for n in names}, self.repo.generate_pack_data)
            return r.ref_status or {}

    return Client


def test_dulwich_pushes(place, dulwich):
    c = dulwich("dpush")
    oid = c.commit("new", "1").decode()
    assert all(v is None for v in c.push(b"refs/heads/x").values())
    assert ref(c.bare, "refs/heads/x") == oid
    c.commit("new", "2")
    assert all(v is None for v in c.push(b"refs/heads/x").values())
    assert ref(c.bare, "refs/heads/x") == c.repo.head().decode()
    said = c.push(b"refs/heads/denied", b"refs/heads/y")
    assert said[b"refs/heads/denied"] == DENIED, said
    assert said[b"refs/heads/y"] == "not forwarded: refs/heads/denied was refused"
    said = c.push(b"refs/heads/held")
    assert HELD.fullmatch(said[b"refs/heads/held"]), said
    for name in ("denied", "y", "held"):
        assert ref(c.bare, f"refs/heads/{name}") is None


def test_dulwich_clones_and_fetches(place, dulwich):
    c = dulwich("dfetch")
    assert c.repo.head().decode() == ref(c.bare, "main")
    assert (c.dir / "d" / "b").read_text() == "2" * 5000
    work = place.gate.clone(place.token, "t/dfetch")
    new = work.commit({"more": "x"})
    work.push("HEAD:refs/heads/main", ok=True)
    got = c.http.fetch(c.path, c.repo)
    assert got.refs[b"refs/heads/main"].decode() == new
    assert c.repo[new.encode()].message == b"change\n"


# -- pygit2 --


@pytest.fixture
def libgit2(place):
    pygit2 = pytest.importorskip("pygit2")

    class Callbacks(pygit2.RemoteCallbacks):
        def __init__(self):
            super().__init__(credentials=pygit2.UserPass("x", place.token))
            self.told, self.text = {}, ""

        def push_update_reference(self, refname, message):
            self.told[refname] = message

        def sideband_progress(self, string):
            self.text += string

    class Client:
        def __init__(self, name):
            self.bare, self.url = place.upstream(name)
            self.dir = place.root / f"libgit2-{name}"
            self.repo = pygit2.clone_repository(self.url, str(self.dir), callbacks=Callbacks())

        def commit(self, name, text):
            (self.dir / name).write_text(text)
            self.repo.index.add(name)
            who = pygit2.Signature("P", "p@example.com")
            parents = [self.repo.head.target]
            return str(self.repo.create_commit("HEAD", who, who, "by libgit2", self.repo.index.write_tree(), parents))

        def push(self, *names):
            told = Callbacks()
            self.repo.remotes["origin"].push([f"{self.repo.head.name}:{n}" for n in names], callbacks=told)
            return told

        def fetch(self):
            self.repo.remotes["origin"].fetch(callbacks=Callbacks())

    return Client


def test_libgit2_pushes(place, libgit2):
    c = libgit2("gpush")
    oid = c.commit("new", "1")
    assert c.push("refs/heads/x").told == {"refs/heads/x": None}
    assert ref(c.bare, "refs/heads/x") == oid
    oid = c.commit("new", "2")
    assert c.push("refs/heads/x").told == {"refs/heads/x": None}
    assert ref(c.bare, "refs/heads/x") == oid
    said = c.push("refs/heads/denied", "refs/heads/y").told
    assert said == {"refs/heads/denied": DENIED, "refs/heads/y": "not forwarded: refs/heads/denied was refused"}
    told = c.push("refs/heads/held")
    assert HELD.fullmatch(told.told["refs/heads/held"]), told.told
    for name in ("denied", "y", "held"):
        assert ref(c.bare, f"refs/heads/{name}") is None


def test_libgit2_clones_and_fetches(place, libgit2):
    c = libgit2("gfetch")
    assert str(c.repo.head.target) == ref(c.bare, "main")
    work = place.gate.clone(place.token, "t/gfetch")
    new = work.commit({"more": "x"})
    work.push("HEAD:refs/heads/main", ok=True)
    c.fetch()
    assert str(c.repo.references["refs/remotes/origin/main"].target) == new


# -- a client that knows nothing but the oldest form --


def test_old_client(place):
    """report-status and no sideband, no agent; v0 without any capability."""
    bare, _ = place.upstream("old")
    work = place.gate.clone(place.token, "t/old")
    oid = work.commit({"new": "1"})
    pack = work.run("pack-objects", "--revs", "--stdout", "-q", input=b"HEAD\n^HEAD~1\n").stdout
    for name, want in (("x", "ok"), ("denied", DENIED)):
        r = pktline.push(place.gate, [(ZERO, oid, f"refs/heads/{name}")], pack, place.token, "t/old", caps="report-status")
        assert r.unpack == "ok" and r.refs == {f"refs/heads/{name}": want}
    # newline after each command line, as git once sent them
    body = pkt(f"{ZERO} {oid} refs/heads/z\0report-status\n") + pktline.FLUSH + pack
    a = pktline.post(place.gate.address, "/t/old.git/git-receive-pack", body, place.token)
    assert parse_report(a.body, False).refs == {"refs/heads/z": "ok"}
    body = pkt(f"want {oid}\n") + pktline.FLUSH + pkt("done\n")
    a = pktline.post(place.gate.address, "/t/old.git/git-upload-pack", body, place.token, (), pktline.FETCH_TYPE)
    assert a.body.startswith(b"0008NAK\nPACK"), a.body[:40]
    Git(place.root, place.gate.home).run("init", "-q", "--bare", "old-copy")
    p = subprocess.run(["git", "index-pack", "--strict", "--stdin"], cwd=place.root / "old-copy", input=a.body[8:], capture_output=True)
    assert p.returncode == 0, p.stderr
