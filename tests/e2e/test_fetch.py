"""Clone and fetch through the gate, by git and by hand-made requests."""

import gzip
import os
import subprocess
import threading
from pathlib import Path

import pytest

import pktline
import processes
from gate import ACCESS, Gate, Git, http, make_upstream, ref, until
from pktline import DELIM, FETCH_TYPE, FLUSH, ZERO, pkt
from upstreams import Hostile, git, http_answer, pkt as adv_pkt

DAY = 86400
EPOCH = 1700000000


class Place:
    """One gate for the whole file; every test has its own upstream."""

    def __init__(self, gate, root):
        self.gate, self.root, self.n = gate, root, 0
        self.token = gate.token("bot", "agents")
        self.stranger = gate.token("nobody", "strangers")

    def upstream(self, name, commits=0, **kw):
        bare = make_upstream(self.root / "up" / f"{name}.git", **kw)
        if commits:
            history(bare, commits)
        return bare

    def url(self, name, folder="t", token=None, suffix=".git"):
        return f"http://x:{token or self.token}@{self.gate.address}/{folder}/{name}{suffix}"

    def clone(self, name, *args, folder="t", config=(), check=True, **kw):
        self.n += 1
        path = self.root / f"clone{self.n}"
        at = Git(self.root, self.gate.home)
        flags = [x for c in config for x in ("-c", c)]
        p = at.run(*flags, "clone", "-q", *args, self.url(name, folder), path, check=check, **kw)
        work = Git(path, self.gate.home)
        work.result = p
        return work

    def git(self):
        return Git(self.root, self.gate.home)

    def fetch_v2(self, name, *args, folder="t"):
        """A bare fetch command; the answer as text."""
        body = pkt("command=fetch\n") + DELIM + b"".join(pkt(a + "\n") for a in args) + FLUSH
        return pktline.post(self.gate.address, f"/{folder}/{name}.git/git-upload-pack", body, self.token,
                            [("Git-Protocol", "version=2")], FETCH_TYPE)

    def fetch_v0(self, name, *wants, folder="t", caps="ofs-delta", depth=()):
        body = pkt(f"want {wants[0]} {caps}\n") + b"".join(pkt(f"want {w}\n") for w in wants[1:])
        body += b"".join(pkt(d + "\n") for d in depth) + FLUSH + pkt("done\n")
        return pktline.post(self.gate.address, f"/{folder}/{name}.git/git-upload-pack", body, self.token, (), FETCH_TYPE)

    def refreshes(self):
        for line in http("GET", self.gate.url + "/metrics").text.splitlines():
            if line.startswith("gitgate_mirror_refreshes_total "):
                return int(line.split()[1])
        raise AssertionError("no such metric")


def history(bare, n, branch="main", since=EPOCH):
    """n commits a day apart; a.txt changes in each, and d/ gets a file."""
    out = []
    for i in range(1, n + 1):
        data = f"content {i}\n" * 20
        out.append(f"commit refs/heads/{branch}\nmark :{i}\n"
                   f"committer C O <c@example.com> {since + i * DAY} +0000\ndata 4\nc{i:03d}"
                   f"{chr(10)}{'from :' + str(i - 1) + chr(10) if i > 1 else ''}"
                   f"M 100644 inline a.txt\ndata {len(data)}\n{data}"
                   f"M 100644 inline d/{i}.txt\ndata {len(str(i))}\n{i}\n")
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=bare, input="".join(out).encode(), check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("fetch")
    (root / "up").mkdir()
    hide = ["refs/heads/secret", "refs/internal/**", "refs/tags/hidden-*"]
    gate = Gate(
        root,
        repositories=[
            {"path": "hide/*", "upstream": f"{root}/up/*.git", "hide-refs": hide},
            {"path": "t/*", "upstream": f"{root}/up/*.git"},
        ],
        access=[*ACCESS, {"principals": {"anonymous": True}, "repositories": ["t/public"], "allow": ["fetch"]}],
        config={"limits": {"fetch-request-size": "1MiB", "fetch-wants": 100}},
    )
    with gate:
        yield Place(gate, root)


def add(bare, name="main", text="more\n"):
    """One more commit upstream, behind the gate's back."""
    tree = git("mktree", cwd=bare, stdin="100644 blob {}\tmore.txt\n".format(
        git("hash-object", "-w", "--stdin", cwd=bare, stdin=text)))
    old = ref(bare, f"refs/heads/{name}")
    new = git("commit-tree", tree, "-m", text, *(["-p", old] if old else []), cwd=bare)
    git("update-ref", f"refs/heads/{name}", new, cwd=bare)
    return new


def all_refs(bare):
    return set(git("for-each-ref", "--format=%(objectname) %(refname)", cwd=bare).splitlines())


# -- what git does every day --


@pytest.mark.parametrize("version", [0, 1, 2])
def test_clone_then_fetch(place, version):
    bare = place.upstream(f"daily{version}", 12)
    git("branch", "side", "main~3", cwd=bare)
    git("tag", "light", "main~1", cwd=bare)
    git("tag", "-a", "-m", "t", "heavy", "main~2", cwd=bare)
    v = f"protocol.version={version}"
    work = place.clone(f"daily{version}", config=[v])
    work.run("fsck", "--strict")
    assert work.head() == ref(bare, "main")
    assert work.out("symbolic-ref", "HEAD") == "refs/heads/main"
    seen = work.out("-c", v, "ls-remote", "origin").splitlines()
    assert {line.replace("\t", " ") for line in seen if not line.endswith(("HEAD", "^{}"))} == all_refs(bare)
    assert f"{ref(bare, 'main~2')}\trefs/tags/heavy^{{}}" in seen
    new = add(bare)
    git("tag", "later", new, cwd=bare)
    work.run("-c", v, "fetch", "-q", "origin")
    assert work.head("origin/main") == new == work.head("later")
    git("branch", "-D", "side", cwd=bare)
    work.run("-c", v, "fetch", "-q", "--prune", "origin")
    assert "origin/side" not in work.out("branch", "-r")


def test_ls_remote_symref_and_unborn_head(place):
    bare = place.upstream("symref", 2)
    git("branch", "trunk", "main", cwd=bare)
    git("symbolic-ref", "HEAD", "refs/heads/trunk", cwd=bare)
    assert "ref: refs/heads/trunk\tHEAD" in place.git().out("ls-remote", "--symref", place.url("symref"), "HEAD")
    empty = place.upstream("unborn")
    git("symbolic-ref", "HEAD", "refs/heads/trunk", cwd=empty)
    work = place.clone("unborn")
    assert work.out("symbolic-ref", "HEAD") == "refs/heads/trunk"
    assert place.git().out("ls-remote", place.url("unborn")) == ""
    old = place.clone("unborn", config=["protocol.version=0"])
    assert old.run("rev-parse", "-q", "--verify", "HEAD", check=False).returncode == 1


@pytest.mark.parametrize("version", [0, 2])
def test_shallow(place, version):
    bare = place.upstream(f"shallow{version}", 20)
    v = f"protocol.version={version}"
    work = place.clone(f"shallow{version}", "--depth=3", config=[v])
    assert work.out("rev-list", "--count", "HEAD") == "3"
    work.run("-c", v, "fetch", "-q", "--deepen=4")
    assert work.out("rev-list", "--count", "HEAD") == "7"
    work.run("-c", v, "fetch", "-q", "--unshallow")
    assert work.out("rev-list", "--count", "HEAD") == "20"
    work.run("fsck", "--strict")
    since = place.clone(f"shallow{version}", f"--shallow-since={EPOCH + 15 * DAY + 1} +0000", config=[v])
    assert since.out("rev-list", "--count", "HEAD") == "5"
    git("branch", "old", "main~6", cwd=bare)
    without = place.clone(f"shallow{version}", "--shallow-exclude=old", config=[v])
    assert without.out("rev-list", "--count", "HEAD") == "6"


def test_single_branch_and_tags(place):
    bare = place.upstream("single", 9)
    git("branch", "side", "main~4", cwd=bare)
    git("tag", "-a", "-m", "t", "on-side", "side", cwd=bare)
    git("tag", "on-main", "main", cwd=bare)
    work = place.clone("single", "--single-branch", "--branch=side")
    assert work.out("branch", "-r") == "origin/side"
    assert work.out("tag") == "on-side"
    work.run("fetch", "-q", "--tags", "origin")
    assert work.out("tag").split() == ["on-main", "on-side"]
    assert place.clone("single", "--no-tags").out("tag") == ""
    at_tag = place.clone("single", "--branch=on-side", "--depth=1")
    assert at_tag.head() == ref(bare, "side")


def missing(work):
    lines = work.out("rev-list", "--objects", "--all", "--missing=print").splitlines()
    return [line[1:] for line in lines if line.startswith("?")]


@pytest.mark.parametrize("spec,count", [("blob:none", 40), ("tree:0", 20), ("blob:limit=100", 20)])
def test_partial_clone(place, spec, count):
    name = "partial-" + spec.replace(":", "-").replace("=", "-")
    bare = place.upstream(name, 20)
    work = place.clone(name, "--no-checkout", f"--filter={spec}")
    gone = missing(work)
    assert len(gone) == count, gone
    # what was left out comes when it is looked at
    log = work.out("log", "-p", "--format=%s")
    assert log == git("log", "-p", "--format=%s", "main", cwd=bare)
    work.run("fsck", "--strict")


def test_partial_clone_after_upstream_rewrote_history(place):
    """The mirror then holds objects that nothing reaches: what is asked for
    lazily must still come, and what was taken back must not."""
    bare = place.upstream("rewrite", 12)
    dropped = git("rev-parse", "main", "main:a.txt", "main^{tree}", cwd=bare).splitlines()
    work = place.clone("rewrite", "--filter=blob:none", "--no-checkout")
    git("update-ref", "refs/heads/main", "main~4", cwd=bare)
    add(bare)
    work.run("fetch", "-q", "origin")
    shown = work.out("log", "-p", "--format=%s", "origin/main")
    assert shown == git("log", "-p", "--format=%s", "main", cwd=bare)
    fresh = place.clone("rewrite", "--filter=blob:none", "--no-checkout")
    for oid in dropped:
        assert "not our ref" in place.fetch_v2("rewrite", f"want {oid}", "done").text
        p = fresh.run("-c", "protocol.version=0", "fetch", "-q", "origin", oid, check=False)
        assert p.returncode == 128 and "not our ref" in p.stderr, p.stderr


@pytest.mark.parametrize("spec", ["sparse:oid=main:a.txt", "combine:blob:none+tree:1", "tree:17"])
def test_refused_filters(place, spec):
    if not (place.root / "up" / "filters.git").exists():
        place.upstream("filters", 2)
    p = place.clone("filters", f"--filter={spec}", check=False).result
    assert p.returncode == 128
    if spec != "tree:17":
        assert "gitgate: filter" in p.stderr and "is not supported" in p.stderr, p.stderr


# -- what is seen, and what may be wanted --


@pytest.fixture(scope="module")
def hidden(place):
    bare = place.upstream("h", 5)
    place.secret = add(bare, "secret", "hush\n")
    place.secret_blob = ref(bare, "refs/heads/secret:more.txt")
    git("update-ref", "refs/internal/ci/1", place.secret, cwd=bare)
    git("tag", "hidden-1", place.secret, cwd=bare)
    return bare


@pytest.mark.parametrize("version", [0, 1, 2])
def test_hidden_refs_are_not_shown(place, hidden, version):
    v = f"protocol.version={version}"
    seen = place.git().out("-c", v, "ls-remote", place.url("h", "hide"))
    assert "refs/heads/main" in seen
    assert place.secret not in seen and "secret" not in seen and "internal" not in seen
    work = place.clone("h", "--mirror", folder="hide", config=[v])
    assert work.run("cat-file", "-e", place.secret, check=False).returncode != 0
    # the same upstream without hide-refs shows them: the test could fail
    assert place.secret in place.git().out("-c", v, "ls-remote", place.url("h"))


def test_hidden_refs_cannot_be_wanted(place, hidden):
    place.git().out("ls-remote", place.url("h", "hide"))
    for oid in (place.secret, place.secret_blob):
        a = place.fetch_v2("h", f"want {oid}", "done", folder="hide")
        assert a.status == 200 and f"not our ref {oid}" in a.text and b"PACK" not in a.body
        a = place.fetch_v0("h", oid, folder="hide")
        assert f"not our ref {oid}" in a.text and b"PACK" not in a.body
        assert b"PACK" in place.fetch_v2("h", f"want {oid}", "done").body
    for name in ("refs/heads/secret", "refs/internal/ci/1", "refs/tags/hidden-1"):
        a = place.fetch_v2("h", f"want-ref {name}", "done", folder="hide")
        assert "no such ref" in a.text and b"PACK" not in a.body
    main = ref(hidden, "main")
    for name in ("refs/heads/secret", "secret", "heads/secret", "hidden-1", "tags/hidden-1", "refs/internal/ci/1"):
        told = place.fetch_v2("h", f"want {main}", f"deepen-not {name}", "done", folder="hide")
        nothing = place.fetch_v2("h", f"want {main}", "deepen-not no-such-thing", "done", folder="hide")
        assert b"PACK" not in told.body and b"PACK" not in nothing.body, name
        told0 = place.fetch_v0("h", main, caps="deepen-not", depth=[f"deepen-not {name}"], folder="hide")
        assert b"PACK" not in told0.body, name


def test_hidden_head(place):
    """HEAD upstream stands on a hidden branch: it is not shown either."""
    bare = place.upstream("hh", 3)
    secret = add(bare, "secret")
    git("symbolic-ref", "HEAD", "refs/heads/secret", cwd=bare)
    for version in (0, 2):
        seen = place.git().out("-c", f"protocol.version={version}", "ls-remote", "--symref", place.url("hh", "hide"))
        assert secret not in seen and "secret" not in seen
    told = place.fetch_v2("hh", f"want {ref(bare, 'refs/heads/main')}", "deepen-not HEAD", "done", folder="hide")
    assert "no such ref" in told.text and b"PACK" not in told.body


def test_wants_outside_of_what_is_advertised(place):
    bare = place.upstream("wants", 4)
    place.git().out("ls-remote", place.url("wants"))
    dangling = git("hash-object", "-w", "--stdin", cwd=bare, stdin="never sent")
    for oid in (dangling, "1" * 40):
        for a in (place.fetch_v2("wants", f"want {oid}", "done"), place.fetch_v0("wants", oid)):
            assert a.status == 200 and "not our ref" in a.text and b"PACK" not in a.body
    # a commit in the middle is reachable and is given
    assert b"PACK" in place.fetch_v2("wants", f"want {ref(bare, 'main~2')}", "done").body


def test_held_and_denied_objects_are_not_served(make_gate):
    rules = [
        {"name": "hold-main", "when": {"refs": ["refs/heads/main"]}, "then": "hold", "approvals": {"from": ["maintainers"]}},
        {"name": "no-bad", "when": {"refs": ["refs/heads/bad"]}, "then": "deny"},
    ]
    g = make_gate(rules=rules)
    token = g.token("bot", "agents")
    work, other = g.clone(token), g.clone(token)
    held = work.commit({"held": "x\n"})
    assert "held for approval" in work.push("main", ok=False).stderr
    denied = work.commit({"denied": "y\n"})
    assert "denied by rule no-bad" in work.push("HEAD:refs/heads/bad", ok=False).stderr
    for oid in (held, denied, work.head("HEAD:denied"), work.head("HEAD~1:held")):
        for version in (0, 2):
            p = other.run("-c", f"protocol.version={version}", "fetch", "-q", "origin", oid, check=False)
            assert p.returncode == 128 and "not our ref" in p.stderr, p.stderr
    assert held not in other.out("ls-remote", "origin")


def test_bad_requests_are_refused_in_words(place):
    bare = place.upstream("odd", 2)
    main = ref(bare, "main")
    place.git().out("ls-remote", place.url("odd"))
    for args in (["want x"], [f"want {main}", "frobnicate"], [f"want {main}", "deepen -1"], [f"want {main}", "packfile-uris https"]):
        a = place.fetch_v2("odd", *args, "done")
        assert a.status == 200 and "ERR gitgate" in a.text, (args, a.text)
    body = pkt("command=object-info\n") + DELIM + pkt("size") + FLUSH
    a = pktline.post(place.gate.address, "/t/odd.git/git-upload-pack", body, place.token, [("Git-Protocol", "version=2")], FETCH_TYPE)
    assert "not offered" in a.text
    many = place.fetch_v2("odd", *[f"want {i:040x}" for i in range(1, 102)], "done")
    assert "limit fetch-wants" in many.text
    for junk in (b"zzzz", b"0003", b"fff0abc", b"\0" * 100, b"0000" * 50):
        a = pktline.post(place.gate.address, "/t/odd.git/git-upload-pack", junk, place.token, (), FETCH_TYPE)
        assert a.status < 500, (junk, a.status)
    assert place.clone("odd").head() == main


# -- bodies --


def test_large_negotiation_comes_gzipped(place):
    bare = place.upstream("many", 3)
    work = place.clone("many")
    work.run("checkout", "-q", "--orphan", "other")
    work.commit({"x": "0"})
    subprocess.run(["git", "fast-import", "--quiet"], cwd=work.path, check=True, input="".join(
        f"commit refs/heads/n{i}\ncommitter C <c@e> {EPOCH + 100 * DAY + i} +0000\ndata 1\nx\n" for i in range(600)).encode())
    add(bare)
    trace = work.path / "trace"
    work.run("-c", "protocol.version=0", "fetch", "-q", "origin", env={"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1"})
    assert "Content-Encoding: gzip" in trace.read_text()
    assert work.head("origin/main") == ref(bare, "main")


def test_gzip_bombs_and_other_codings(place):
    place.upstream("bomb", 1)
    path = "/t/bomb.git/git-upload-pack"

    def send(body, coding):
        return pktline.post(place.gate.address, path, body, place.token,
                            [("Content-Encoding", coding), ("Git-Protocol", "version=2")], FETCH_TYPE)

    bomb = gzip.compress(b"0" * (100 << 20))
    assert len(bomb) < 1 << 20
    gate = place.gate.pids("gate")[0]
    before = peak_kib(gate)
    a = send(bomb, "gzip")
    assert a.status == 413 and "limit fetch-request-size" in a.text
    assert peak_kib(gate) - before < 16 << 10
    a = send(b"0" * ((1 << 20) + 1), "identity")
    assert a.status == 413 and "limit fetch-request-size" in a.text
    assert send(gzip.compress(b"0000")[:-5], "gzip").status == 400
    assert send(b"not gzip", "gzip").status == 400
    for coding in ("br", "deflate", "gzip, gzip", "zstd", "compress"):
        a = send(b"0000", coding)
        assert a.status == 415 and coding in a.text, (coding, a.status, a.text)
    assert place.clone("bomb").head()


def peak_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


# -- freshness --


def test_upstream_change_shows_at_once(place):
    bare = place.upstream("fresh", 2)
    for version in (0, 2):
        work = place.clone("fresh", config=[f"protocol.version={version}"])
        for i in range(3):
            new = add(bare, text=f"{version} {i}\n")
            work.run("-c", f"protocol.version={version}", "fetch", "-q")
            assert work.head("origin/main") == new
        git("update-ref", "refs/heads/main", "main~2", cwd=bare)
        assert ref(bare, "main") in work.out("ls-remote", "origin", "main")


def asleep(gate):
    """No thread of the gate is at work: who is in hand waits for something."""
    (pid,) = gate.pids("gate")
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
                return False
        except OSError:
            continue  # it ended
    return True


def test_fetches_share_refreshes(tmp_path):
    """Ten ask while one refresh is under way: one more serves them all."""
    go, asked = threading.Event(), threading.Event()

    def script(conn, request):
        asked.set()
        assert go.wait(60)
        line = f"{ZERO} capabilities^{{}}\0multi_ack side-band-64k agent=x"
        body = adv_pkt("# service=git-upload-pack\n") + b"0000" + adv_pkt(line) + b"0000"
        conn.sendall(http_answer(body, "application/x-git-upload-pack-advertisement"))
        return "next"

    with Hostile(script) as up:
        with Gate(tmp_path, repositories=[{"path": "a/b", "upstream": f"{up.base}/b.git"}]) as gate:
            token = gate.token("bot", "agents")
            found = []

            def ask():
                found.append(pktline.get(gate.address, "/a/b.git/info/refs?service=git-upload-pack", token).status)

            def metric(name):
                text = http("GET", gate.url + "/metrics").text
                return int(text.split(f"\n{name} ")[1].split()[0])

            threads = [threading.Thread(target=ask) for _ in range(11)]
            threads[0].start()
            assert asked.wait(30)
            for t in threads[1:]:
                t.start()
            # ours is a request in hand as well
            until("all wait for the refresh", lambda: metric("gitgate_http_requests") >= 12 and asleep(gate), log=gate.log)
            go.set()
            for t in threads:
                t.join(60)
            assert found == [200] * 11, gate.log()
            assert metric("gitgate_mirror_refreshes_total") == 2
            assert len(up.requests) == 2


def test_upstream_down_then_heals(place):
    bare = place.upstream("down", 3)
    work = place.clone("down")
    away = bare.with_name("away.git")
    bare.rename(away)
    p = work.run("fetch", check=False)
    assert p.returncode == 128 and "remote: gitgate: gate unavailable: " in p.stderr, p.stderr
    p = place.git().run("ls-remote", place.url("down"), check=False)
    assert p.returncode == 128
    away.rename(bare)
    add(bare)
    work.run("fetch", "-q")
    assert work.head("origin/main") == ref(bare, "main")


# -- the forms of a request --


def test_dumb_protocol(place):
    place.upstream("dumb", 1)
    for path in ("info/refs", "info/refs?service=", "info/refs?service=git-annex", "HEAD", "objects/info/packs",
                 "objects/12/" + "3" * 38, "objects/pack/pack-" + "1" * 40 + ".pack"):
        a = pktline.get(place.gate.address, f"/t/dumb.git/{path}", place.token)
        assert a.status == 403 and a.text.startswith("gitgate: ") and a.text.rstrip("\n").count("\n") == 0, path
        assert a.headers["content-type"].startswith("text/plain")
    p = place.git().run("ls-remote", place.url("dumb"), check=False, env={"GIT_SMART_HTTP": "0"})
    assert p.returncode == 128 and "smart HTTP" in p.stderr


@pytest.mark.parametrize("suffix", [".git", "", "/", ".git/"])
def test_forms_of_the_address(place, suffix):
    bare = place.root / "up" / "forms.git"
    if not bare.exists():
        place.upstream("forms", 1)
    assert ref(bare, "main") in place.git().out("ls-remote", place.url("forms", suffix=suffix))


def test_odd_host_headers(place):
    place.upstream("host", 1)
    for host in ("gate.example.com", "[::1]:99", "", "x" * 300):
        a = pktline.get(place.gate.address, "/t/host.git/info/refs?service=git-upload-pack", place.token, [("Host", host)])
        assert a.status == 200, host


def test_wrong_methods_and_types(place):
    place.upstream("method", 1)
    a = pktline.post(place.gate.address, "/t/method.git/git-upload-pack", b"0000", place.token, (), "text/plain")
    assert a.status == 415
    a = pktline.get(place.gate.address, "/t/method.git/git-upload-pack", place.token)
    assert a.status == 405
    a = pktline.post(place.gate.address, "/t/method.git/info/refs?service=git-upload-pack", b"", place.token)
    assert a.status == 405


# -- who may --


def test_unknown_repository(place):
    place.upstream("known", 1)
    p = place.git().run("ls-remote", f"http://{place.gate.address}/t/nowhere.git", check=False)
    assert p.returncode == 128 and "could not read Username" in p.stderr
    for path in ("t/none.git/x", "u/none.git", "../etc.git", "t/..%2fknown.git"):
        for token, want in ((None, (401, 400, 404)), (place.token, (404, 400))):
            a = pktline.get(place.gate.address, f"/{path}/info/refs?service=git-upload-pack", token)
            assert a.status in want, (path, token, a.status)
    assert pktline.get(place.gate.address, "/u/none.git/info/refs?service=git-upload-pack", None).status == 401
    a = pktline.get(place.gate.address, "/u/none.git/info/refs?service=git-upload-pack", place.token)
    assert a.status == 404 and a.text == "gitgate: repository not found\n"
    # what exists but is not for them is answered in the same words
    b = pktline.get(place.gate.address, "/t/known.git/info/refs?service=git-upload-pack", place.stranger)
    assert (b.status, b.text) == (a.status, a.text)
    p = place.git().run("ls-remote", place.url("known", token=place.stranger), check=False)
    assert p.returncode == 128 and "repository not found" in p.stderr


def test_anonymous_only_where_access_says_so(place):
    public, private = place.upstream("public", 2), place.upstream("private", 2)
    at = f"http://{place.gate.address}/t"
    assert ref(public, "main") in place.git().out("ls-remote", f"{at}/public")
    for version in (0, 2):
        place.git().run("-c", f"protocol.version={version}", "clone", "-q", f"{at}/public.git", place.root / f"anon{version}")
    p = place.git().run("ls-remote", f"{at}/private.git", check=False)
    assert p.returncode == 128 and "could not read Username" in p.stderr
    a = pktline.post(place.gate.address, "/t/private.git/git-upload-pack", pkt(f"want {ref(private, 'main')}\n") + FLUSH, None, (), FETCH_TYPE)
    assert a.status == 401 and a.headers["www-authenticate"].startswith("Basic ")
    # it may fetch, not push
    a = pktline.get(place.gate.address, "/t/public.git/info/refs?service=git-receive-pack")
    assert a.status == 401
    # a wrong token is not anonymous
    a = pktline.get(place.gate.address, "/t/public.git/info/refs?service=git-upload-pack", "wrong")
    assert a.status == 401


# -- what goes away in the middle --


def children(gate):
    """All descendants of the supervisor but the three roles."""
    return [p for p in processes.descendants(gate.process.pid) if not p.name.startswith("gitgate")]


def test_aborted_fetch_leaves_nothing(tmp_path):
    bare = make_upstream(tmp_path / "up.git", {"big": os.urandom(16 << 20)})
    with Gate(tmp_path, repositories=[{"path": "a/b", "upstream": str(bare)}],
              config={"limits": {"concurrent-fetches": 1}}) as gate:
        token = gate.token("bot", "agents")
        git_ = Git(tmp_path, gate.home)
        want = ref(bare, "main")
        assert want in git_.out("ls-remote", gate.remote(token, "a/b"))
        body = pkt(f"want {want} ofs-delta\n") + FLUSH + pkt("done\n")
        raw = pktline.Raw(gate.address)
        raw.head("POST", "/a/b.git/git-upload-pack", [("Content-Type", FETCH_TYPE), ("Content-Length", len(body))], token)
        raw.send(body)
        assert raw.sock.recv(1000).startswith(b"HTTP/1.1 200")
        until("git is sending", lambda: children(gate), log=gate.log)
        p = git_.run("ls-remote", gate.remote(token, "a/b"), check=False)
        assert p.returncode == 128 and "limit concurrent-fetches" in p.stderr, p.stderr
        raw.close()
        until("git has gone", lambda: not children(gate), log=gate.log)
        until("the slot is free", lambda: git_.run("ls-remote", gate.remote(token, "a/b"), check=False).returncode == 0,
              log=gate.log)
        assert Git(tmp_path, gate.home).run("clone", "-q", gate.remote(token, "a/b"), tmp_path / "again").returncode == 0
        until("no child is left", lambda: not children(gate), log=gate.log)
