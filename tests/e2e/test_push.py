"""Pushes of every kind through the gate, by git and byte by byte."""

import hashlib
import os
import threading

import pytest

import make
import pktline
from gate import Gate, hold_id, http, make_upstream, ref, until
from pktline import CAPS, EMPTY_PACK, FLUSH, PUSH_TYPE, ZERO, Raw, commands, parse_report, pkt
from upstreams import git

RULES = [
    {"name": "no-denied", "when": {"refs": ["refs/heads/denied*"]}, "then": "deny", "message": "Not this one."},
    {"name": "hold-held", "when": {"refs": ["refs/heads/held*"]}, "then": "hold", "approvals": {"from": ["maintainers"]}},
]


class Place:
    def __init__(self, gate, root):
        self.gate, self.root, self.n = gate, root, 0
        self.token = gate.token("bot", "agents")
        self.ann = gate.token("ann", "maintainers")

    def upstream(self, name, **kw):
        kw.setdefault("files", {"README": "hello\n"})
        bare = make_upstream(self.root / "up" / f"{name}.git", **kw)
        git("config", "receive.advertisePushOptions", "true", cwd=bare)
        return bare

    def work(self, name, *args, folder="t", token=None):
        return self.gate.clone(token or self.token, f"{folder}/{name}", args=args)

    def push(self, name, updates, *args, folder="t", **kw):
        return pktline.push(self.gate, updates, *args, token=kw.pop("token", self.token), repository=f"{folder}/{name}", **kw)

    def post(self, name, body, headers=(), folder="t", token=None):
        return pktline.post(self.gate.address, f"/{folder}/{name}.git/git-receive-pack", body, token or self.token, headers)

    def left(self):
        """Names in quarantine of pushes that no hold needs."""
        q = self.gate.state / "quarantine"
        held = {h["push"] for h in self.gate.api("GET", "/holds?state=pending", self.ann).json["holds"]}
        return [x for x in (os.listdir(q) if q.exists() else []) if x not in held]

    def nothing_left(self):
        until("quarantine is empty", lambda: not self.left(), log=lambda: f"{self.left()}\n{self.gate.log()}")

    def metric(self, name):
        return int(http("GET", self.gate.url + "/metrics").text.split(f"\n{name} ")[1].split()[0])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("push")
    (root / "up").mkdir()
    gate = Gate(
        root,
        rules=RULES,
        repositories=[
            {"path": "hide/*", "upstream": f"{root}/up/*.git", "hide-refs": ["refs/heads/secret", "refs/internal/**"]},
            {"path": "t/*", "upstream": f"{root}/up/*.git"},
        ],
    )
    with gate:
        yield Place(gate, root)


def raw_commit(work, *files):
    """A pack of HEAD~1..HEAD as git makes it."""
    return work.run("pack-objects", "--revs", "--stdout", "-q", input=b"HEAD\n^HEAD~1\n").stdout


# -- what git does every day --


def test_life_of_a_branch(place):
    bare, work = place.upstream("life"), place.work("life")
    first = work.commit({"a": "1"})
    work.push("HEAD:refs/heads/topic", ok=True)
    assert ref(bare, "refs/heads/topic") == first
    second = work.commit({"a": "2"})
    work.push("HEAD:refs/heads/topic", ok=True)
    assert ref(bare, "refs/heads/topic") == second
    work.run("reset", "-q", "--hard", first)
    other = work.commit({"a": "3"})
    p = work.push("HEAD:refs/heads/topic", ok=False)
    assert "non-fast-forward" in p.stderr or "fetch first" in p.stderr
    work.push("--force", "HEAD:refs/heads/topic", ok=True)
    assert ref(bare, "refs/heads/topic") == other
    work.push("--delete", "topic", ok=True)
    assert ref(bare, "refs/heads/topic") is None
    assert work.push("--delete", "topic", ok=False)
    # the mirror and upstream are whole
    git("fsck", "--strict", cwd=bare)
    assert place.work("life").out("branch", "-r").split()[-1] == "origin/main"
    place.nothing_left()


def test_tags(place):
    bare, work = place.upstream("tags"), place.work("tags")
    work.commit({"a": "1"})
    work.run("tag", "light")
    work.run("tag", "-a", "-m", "one", "heavy")
    work.push("light", "heavy", ok=True)
    assert ref(bare, "refs/tags/light") == work.head("light")
    assert ref(bare, "refs/tags/heavy") == work.head("heavy")
    assert ref(bare, "refs/tags/heavy^{commit}") == work.head("light")
    work.commit({"a": "2"})
    work.run("tag", "-f", "light")
    work.run("tag", "-f", "-a", "-m", "two", "heavy")
    assert "already exists" in work.push("light", ok=False).stderr
    work.push("--force", "light", "heavy", ok=True)
    assert ref(bare, "refs/tags/heavy") == work.head("heavy")
    work.run("tag", "-a", "-m", "tag of a tag", "deep", "heavy")
    work.run("tag", "blob", "HEAD:a")
    work.push("deep", "blob", ok=True)
    assert ref(bare, "refs/tags/deep^{commit}") == work.head()
    work.push("--delete", "light", "heavy", "deep", "blob", ok=True)
    assert git("for-each-ref", "refs/tags", cwd=bare) == ""


def test_two_hundred_refs(place):
    bare, work = place.upstream("refs"), place.work("refs")
    oid = work.commit({"a": "1"})
    work.push(*[f"HEAD:refs/heads/b/{i:03d}" for i in range(200)], ok=True)
    made = git("for-each-ref", "--format=%(objectname)", "refs/heads/b", cwd=bare).split()
    assert made == [oid] * 200
    work.push("--delete", *[f"b/{i:03d}" for i in range(200)], ok=True)
    assert git("for-each-ref", "refs/heads/b", cwd=bare) == ""


def test_atomic(place):
    bare, work = place.upstream("atomic"), place.work("atomic")
    work.commit({"a": "1"})
    p = work.push("--atomic", "HEAD:refs/heads/x", "HEAD:refs/heads/denied", ok=False)
    assert "denied by rule no-denied: Not this one." in p.stderr
    assert "not forwarded: refs/heads/denied was refused" in p.stderr
    assert ref(bare, "refs/heads/x") is None
    hook = bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in */bad) echo "no bad refs" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    p = work.push("--atomic", "HEAD:refs/heads/x", "HEAD:refs/heads/bad", ok=False)
    assert ref(bare, "refs/heads/x") is None and ref(bare, "refs/heads/bad") is None
    assert "no bad refs" in p.stderr and "upstream refused: " in p.stderr
    # without atomic upstream's report is passed on ref by ref
    p = work.push("--porcelain", "HEAD:refs/heads/x", "HEAD:refs/heads/bad", ok=False)
    assert ref(bare, "refs/heads/x") == work.head() and ref(bare, "refs/heads/bad") is None
    assert "*\tHEAD:refs/heads/x\t[new branch]" in p.stdout, p.stdout
    assert "!\tHEAD:refs/heads/bad\t[remote rejected] (upstream refused: hook declined)" in p.stdout, p.stdout
    place.nothing_left()


def test_atomic_only_where_upstream_has_it(place):
    bare = place.upstream("noatomic")
    git("config", "receive.advertiseAtomic", "false", cwd=bare)
    work = place.work("noatomic")
    work.commit({"a": "1"})
    p = work.run("push", "--atomic", "origin", "HEAD:refs/heads/x", check=False)
    assert p.returncode != 0 and "does not support --atomic" in p.stderr
    r = place.push("noatomic", [(ZERO, work.head(), "refs/heads/x")], raw_commit(work), caps=CAPS + " atomic")
    assert r.refs["refs/heads/x"] != "ok"
    assert ref(bare, "refs/heads/x") is None
    work.push("HEAD:refs/heads/x", ok=True)


def test_push_options(place):
    bare = place.upstream("options")
    hook = bare / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\necho "n=$GIT_PUSH_OPTION_COUNT 0=$GIT_PUSH_OPTION_0 1=$GIT_PUSH_OPTION_1" >&2\n')
    hook.chmod(0o755)
    work = place.work("options")
    work.commit({"a": "1"})
    p = work.push("-o", "ci.skip", "-o", "gitgate.wait=1s", "-o", "agent.session=s1", "-o", "two words", "HEAD:refs/heads/x", ok=True)
    assert "remote: n=2 0=ci.skip 1=two words" in p.stderr, p.stderr
    git("config", "receive.advertisePushOptions", "false", cwd=bare)
    work.commit({"a": "2"})
    p = work.push("-o", "ci.skip", "HEAD:refs/heads/x", ok=False)
    assert "upstream takes no push options (ci.skip)" in p.stderr
    work.push("-o", "agent.session=s1", "HEAD:refs/heads/x", ok=True)
    work.commit({"a": "3"})
    for option, text in (("gitgate.wait=soon", "gitgate.wait is a duration"), ("gitgate.nonsense=1", "unknown push option")):
        p = work.push("-o", option, "HEAD:refs/heads/x", ok=False)
        assert "invalid push: " in p.stderr and text in p.stderr


def test_wait_in_place(place):
    bare, work = place.upstream("wait"), place.work("wait")
    oid = work.commit({"a": "1"})
    p = work.push("-o", "gitgate.wait=0s", "HEAD:refs/heads/held", ok=False)
    id = hold_id(p)
    done = []
    t = threading.Thread(target=lambda: done.append(work.push("-o", "gitgate.wait=2m", "HEAD:refs/heads/held")))
    t.start()
    until("it waits", lambda: place.metric("gitgate_waiting_clients") == 1, log=place.gate.log)
    assert place.gate.review(id, place.ann).status == 200
    t.join(60)
    assert done[0].returncode == 0, done[0].stderr
    assert hold_id(done[0]) == id
    assert ref(bare, "refs/heads/held") == oid
    work.commit({"a": "2"})
    p = work.push("-o", "gitgate.wait=1s", "HEAD:refs/heads/held", ok=False)
    assert "held for approval: http" in p.stderr


def test_thin_pack(place):
    """A delta against what only upstream has: index-pack must find it."""
    lines = "".join(f"{hashlib.sha1(str(i).encode()).hexdigest()}\n" for i in range(5000))
    bare = place.upstream("thin", files={"big": lines})
    work = place.work("thin")
    before = ref(bare, "HEAD")
    for i in range(3):
        work.commit({"big": lines.replace("f", "F", i + 1)})
        trace = work.path / ".git" / "trace"
        work.push("HEAD:refs/heads/main", ok=True, env={"GIT_TRACE_PACKET": str(trace)})
        assert ref(bare, "main") == work.head()
    pushed = [p for p in (place.gate.state / "pushes").glob("*/pack") if b"PACK" == p.read_bytes()[:4]]
    small = [p for p in pushed if p.stat().st_size < 20000]
    assert small, "no pack was thin: the test tests nothing"
    assert before != ref(bare, "main")
    git("fsck", "--strict", cwd=bare)


def test_empty_pack(place):
    """A new branch at a commit that is there already; by git and by hand."""
    bare, work = place.upstream("empty"), place.work("empty")
    work.push("origin/main:refs/heads/again", ok=True)
    assert ref(bare, "refs/heads/again") == ref(bare, "main")
    r = place.push("empty", [(ZERO, work.head(), "refs/heads/by-hand")], EMPTY_PACK)
    assert r.unpack == "ok" and r.refs == {"refs/heads/by-hand": "ok"}
    r = place.push("empty", [(work.head(), ZERO, "refs/heads/by-hand")], caps=CAPS + " delete-refs")
    assert r.refs == {"refs/heads/by-hand": "ok"} and ref(bare, "refs/heads/by-hand") is None
    # a new object announced and no pack sent
    r = place.push("empty", [(ZERO, work.head(), "refs/heads/by-hand")])
    assert "the pack is missing" in r.refs["refs/heads/by-hand"]


def test_first_push_to_an_empty_upstream(place):
    bare = place.upstream("void", files=None)
    work = place.work("void")
    oid = work.commit({"a": "1"})
    work.push("HEAD:refs/heads/main", ok=True)
    assert ref(bare, "refs/heads/main") == oid
    assert place.work("void").head() == oid


def test_shallow_clone_pushes(place):
    bare, seed = place.upstream("deep"), place.work("deep")
    for i in range(5):
        seed.commit({"a": str(i)})
    seed.push("HEAD:refs/heads/main", ok=True)
    work = place.work("deep", "--depth=1")
    oid = work.commit({"b": "1"})
    work.push("HEAD:refs/heads/main", ok=True)
    assert ref(bare, "main") == oid
    git("fsck", "--strict", cwd=bare)
    # history that was never there: what is cut off is missing upstream
    far = place.upstream("far")
    p = work.run("push", place.gate.remote(place.token, "t/far"), "HEAD:refs/heads/cut", check=False)
    assert p.returncode == 1 and "upstream refused: " in p.stderr, p.stderr
    assert ref(far, "refs/heads/cut") is None and not (far / "shallow").exists()
    place.nothing_left()


# -- the forms of a request --


def test_probe_leaves_no_trace(place):
    bare, work = place.upstream("probe"), place.work("probe")
    gate = place.gate

    def state():
        return (sorted(os.listdir(gate.state / "pushes")), len(gate.audit(place.ann)), place.metric("gitgate_pushes_total"),
                gate.api("GET", "/pushes?repository=t/probe", place.ann).json["pushes"])

    before = state()
    a = place.post("probe", FLUSH)
    assert a.status == 200 and a.body == b""
    until("nothing is left", lambda: state() == before)  # cleared after the answer
    oid = work.commit({"a": os.urandom(100000)})
    trace = work.path / ".git" / "trace"
    work.run("-c", "http.postBuffer=1", "push", "-q", "origin", "HEAD:refs/heads/x",
             env={"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1"})
    assert ref(bare, "refs/heads/x") == oid
    sent = trace.read_text().lower()
    assert "content-length: 4" in sent and "transfer-encoding: chunked" in sent, "no probe: the test tests nothing"
    until("the push is counted", lambda: state()[2] > before[2])  # after the answer, too
    after = state()
    assert len(after[0]) == len(before[0]) + 1 and after[2] == before[2] + 1 and len(after[3]) == 1
    types = [e["type"] for e in gate.audit(place.ann, repository="t/probe")]
    assert types.count("push.received") == 1 and "push.refused" not in types


@pytest.mark.parametrize("form", ["length", "chunked", "tiny-chunks", "expect", "expect-chunked"])
def test_bodies(place, form):
    name = f"body-{form}"
    bare, work = place.upstream(name), place.work(name)
    oid = work.commit({"a": os.urandom(3000)})
    body = commands([(ZERO, oid, "refs/heads/x")]) + raw_commit(work)
    path = f"/t/{name}.git/git-receive-pack"
    chunked = "chunk" in form
    headers = [("Content-Type", PUSH_TYPE)]
    headers += [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", len(body))]
    headers += [("Expect", "100-continue")] if "expect" in form else []
    with Raw(place.gate.address) as r:
        if "expect" in form:
            r.head("POST", path, headers)
            assert r.answer(skip_continue=False).status == 401, "nobody is asked for a body that is refused"
    with Raw(place.gate.address) as r:
        r.head("POST", path, headers, place.token)
        if "expect" in form:
            assert r.answer(skip_continue=False).status == 100
        size = 7 if form == "tiny-chunks" else 2000
        if chunked:
            for i in range(0, len(body), size):
                r.chunk(body[i : i + size])
            r.send(b"0\r\n\r\n")
        else:
            r.send(body)
        a = r.answer()
        assert a.status == 200 and parse_report(a.body).refs == {"refs/heads/x": "ok"}
        # the connection goes on
        assert r.get("/healthz").status == 200
    assert ref(bare, "refs/heads/x") == oid


@pytest.mark.parametrize("band", [True, False])
@pytest.mark.parametrize("kind", ["report-status", "report-status-v2", ""])
def test_reports(place, kind, band):
    name = f"report-{kind or 'none'}-{band}"
    bare, work = place.upstream(name), place.work(name)
    caps = " ".join(filter(None, [kind, "side-band-64k" if band else "", "agent=raw/1"]))
    oid = work.commit({"a": "1"})
    pack = raw_commit(work)
    for target, want in (("ok", "ok"), ("denied", "denied by rule no-denied: Not this one."), ("held", "held for approval: http")):
        r = place.push(name, [(ZERO, oid, f"refs/heads/{target}")], pack, caps=caps)
        assert ref(bare, f"refs/heads/{target}") == (oid if target == "ok" else None)
        if kind:
            assert r.unpack == "ok" and list(r.refs) == [f"refs/heads/{target}"]
            assert r.refs[f"refs/heads/{target}"].startswith(want)
        else:
            assert r.lines == []
        assert r.banded is band
        if band and target == "held":
            assert "/-/holds/" in r.text


def test_porcelain(place):
    place.upstream("porcelain")
    work = place.work("porcelain")
    work.commit({"a": "1"})
    p = work.push("--porcelain", "HEAD:refs/heads/denied", "HEAD:refs/heads/x", ok=False)
    assert "!\tHEAD:refs/heads/denied\t[remote rejected] (denied by rule no-denied: Not this one.)" in p.stdout
    assert "!\tHEAD:refs/heads/x\t[remote rejected] (not forwarded: refs/heads/denied was refused)" in p.stdout
    p = work.push("--porcelain", "HEAD:refs/heads/held", ok=False)
    assert "[remote rejected] (held for approval: " in p.stdout
    p = work.push("--porcelain", "HEAD:refs/heads/x", ok=True)
    assert "*\tHEAD:refs/heads/x\t[new branch]" in p.stdout and p.stdout.endswith("Done\n")


# -- refused --


def test_invalid_commands(place):
    bare, work = place.upstream("bad"), place.work("bad")
    old, oid = ref(bare, "main"), work.commit({"a": "1"})
    pack = raw_commit(work)
    good = (ZERO, oid, "refs/heads/x")
    cases = [
        ([good, good], CAPS, "named by two commands"),
        ([(ZERO, oid, "refs/heads/x"), (ZERO, old, "refs/heads/x")], CAPS, "named by two commands"),
        ([(ZERO, ZERO, "refs/heads/x")], CAPS, "no change"),
        ([(oid, old, "refs/heads/main")], CAPS, "stale: upstream moved"),
        ([(ZERO, oid, "refs/heads/main")], CAPS, "stale: upstream moved"),
        ([(old, ZERO, "refs/heads/absent")], CAPS, "stale: upstream moved"),
        *[([(ZERO, oid, n)], CAPS, "bad refname") for n in (
            "HEAD", "main", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a b", "refs/heads/a\x7f",
            "refs/heads/", "refs/heads//a", "refs/heads/@{x}", "refs/heads/a~1", "refs/../../x", "/refs/heads/a", "refs")],
    ]
    for updates, caps, want in cases:
        body = pack if any(new != ZERO for _, new, _ in updates) else b""
        a = place.post("bad", commands(updates, caps) + body)
        assert a.status == 200, (updates, a.text)
        r = parse_report(a.body)
        assert want in " ".join([r.unpack, *r.refs.values()]), (updates, r.lines)
        assert "ok" not in r.refs.values()
    for body, want in (
        (commands([good], CAPS + " frobnicate") + pack, "frobnicate was not offered"),
        (commands([good], CAPS + " push-cert=abc") + pack, "push-cert was not offered"),
        (commands([good], CAPS.replace("sha1", "sha256")) + pack, "object format sha256"),
        (pkt(f"push-cert\0{CAPS}\n") + pkt("certificate version 0.1\n") + FLUSH, "push certificates are not accepted"),
        (pkt("nonsense") + FLUSH, "a command is not"),
        (b"zzzz", ""),
        (commands([good])[:-4], "it ends before its commands do"),
        (pkt(f"{ZERO} {oid} refs/heads/x\0{CAPS}\0more") + FLUSH + pack, ""),
    ):
        a = place.post("bad", body)
        assert a.status in (200, 400) and want in a.text, (body[:100], a.status, a.text)
        assert b"ok refs" not in a.body
    assert git("for-each-ref", "--format=%(refname) %(objectname)", cwd=bare) == f"refs/heads/main {old}"
    place.nothing_left()
    work.push("HEAD:refs/heads/x", ok=True)


def test_content_codings(place):
    place.upstream("coding")
    for coding in ("gzip", "deflate", "br", "x-gzip"):
        a = place.post("coding", b"\x1f\x8b" + b"0" * 50, [("Content-Encoding", coding)])
        assert a.status == 415 and a.text.startswith("gitgate: "), coding
    a = pktline.post(place.gate.address, "/t/coding.git/git-receive-pack", FLUSH, place.token, (), "text/plain")
    assert a.status == 415


def test_branches_hold_commits(place):
    bare, work = place.upstream("noncommit"), place.work("noncommit")
    work.commit({"a": "1"})
    work.run("tag", "-a", "-m", "t", "heavy")
    for what in ("HEAD:a", "HEAD^{tree}", "heavy"):
        p = work.push(f"{work.head(what)}:refs/heads/x", ok=False)
        assert "invalid push: " in p.stderr, (what, p.stderr)
        assert ref(bare, "refs/heads/x") is None
    place.nothing_left()


def test_hidden_refs_cannot_be_moved(place):
    bare = place.upstream("hidden")
    git("branch", "secret", "main", cwd=bare)
    git("update-ref", "refs/internal/1", "main", cwd=bare)
    work = place.work("hidden", folder="hide")
    old, oid = ref(bare, "main"), work.commit({"a": "1"})
    a = pktline.get(place.gate.address, "/hide/hidden.git/info/refs?service=git-receive-pack", place.token)
    assert b"refs/heads/main" in a.body and b"secret" not in a.body and b"internal" not in a.body
    for name in ("refs/heads/secret", "refs/internal/1", "refs/internal/new"):
        p = work.push(f"HEAD:{name}", ok=False)
        assert "is hidden" in p.stderr, p.stderr
        for was in (old, ZERO):
            r = place.push("hidden", [(was, oid, name)], raw_commit(work), folder="hide")
            assert "is hidden" in r.refs[name]
            r = place.push("hidden", [(was if was != ZERO else oid, ZERO, name)], folder="hide", caps=CAPS + " delete-refs")
            assert "is hidden" in r.refs[name]
    assert ref(bare, "refs/heads/secret") == old == ref(bare, "refs/internal/1")
    assert ref(bare, "refs/internal/new") is None


def test_hidden_objects_are_no_base(place):
    """A commit that only a hidden ref holds upstream: it must be sent whole."""
    bare = place.upstream("base")
    seed = place.work("base")
    hush = seed.commit({"hush": "secret\n"})
    seed.run("push", "-q", str(bare), "HEAD:refs/heads/secret")
    top = seed.commit({"more": "1"})
    r = place.push("base", [(ZERO, top, "refs/heads/x")], raw_commit(seed), folder="hide")
    assert r.refs["refs/heads/x"].startswith("invalid push: "), r.refs
    r = place.push("base", [(ZERO, hush, "refs/heads/x")], EMPTY_PACK, folder="hide")
    assert r.refs["refs/heads/x"].startswith("invalid push: "), r.refs
    assert ref(bare, "refs/heads/x") is None
    # the same push where nothing is hidden: it stands on what is there
    r = place.push("base", [(ZERO, top, "refs/heads/x")], raw_commit(seed))
    assert r.refs["refs/heads/x"] == "ok"


def test_symbolic_refs_upstream(make_gate):
    g = make_gate(rules=[{"name": "protect-main", "when": {"refs": ["refs/heads/main"]}, "then": "deny"}])
    git("symbolic-ref", "refs/heads/alias", "refs/heads/main", cwd=g.upstream)
    work = g.clone(g.token("bot", "agents"))
    old = ref(g.upstream, "main")
    work.commit({"a": "1"})
    for spec in ("HEAD:refs/heads/alias", "--force HEAD:refs/heads/alias", "--delete alias"):
        p = work.push(*spec.split(), ok=False)
        assert "denied by rule protect-main" in p.stderr, p.stderr
    assert ref(g.upstream, "main") == old == ref(g.upstream, "refs/heads/alias")
    # made after the gate has seen the refs: no value moves, a name does
    git("branch", "topic", "main", cwd=g.upstream)
    work.run("fetch", "-q")
    git("symbolic-ref", "refs/heads/topic", "refs/heads/main", cwd=g.upstream)
    p = work.push("HEAD:refs/heads/topic", ok=False)
    assert "denied by rule protect-main" in p.stderr, p.stderr
    assert ref(g.upstream, "main") == old


# -- limits --

TINY = {
    "pack-size": "100KiB",
    "object-size": "50KiB",
    "pack-objects": 40,
    "delta-depth": 5,
    "ref-updates": 8,
    "command-bytes": "4KiB",
    "push-options": 3,
    "path-length": 60,
    "tree-depth": 8,
    "walk-commits": 6,
    "listed-paths": 15,
    "concurrent-pushes": 2,
    "concurrent-pushes-per-principal": 1,
    "header-size": "8KiB",
    "form-size": "1KiB",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    (root / "up").mkdir()
    # a rule that looks at paths: without one there is nothing to walk for
    rule = {"name": "look", "when": {"paths": ["**/nothing"]}, "then": "deny"}
    repositories = [{"path": "t/*", "upstream": f"{root}/up/*.git"}]
    with Gate(root, repositories=repositories, rules=[rule], config={"limits": TINY}) as gate:
        yield Place(gate, root)


def fill_pack_size(work):
    work.commit({f"f{i}": os.urandom(45 << 10) for i in range(3)})


def fill_object_size(work):
    work.commit({"f": b"a" * (60 << 10)})


def fill_pack_objects(work):
    for i in range(4):
        work.commit({f"{i}/f{k}": f"{i} {k}" for k in range(11)})


def fill_path_length(work):
    work.commit({"d/" + "x" * 70: "1"})


def fill_tree_depth(work):
    work.commit({"/".join("abcdefghijkl"): "1"})


REFUSALS = {
    "pack-size": (fill_pack_size, ()),
    "object-size": (fill_object_size, ()),
    "pack-objects": (fill_pack_objects, ()),
    "path-length": (fill_path_length, ()),
    "tree-depth": (fill_tree_depth, ()),
    "ref-updates": (None, tuple(f"HEAD:refs/heads/b{i}" for i in range(9))),
    "push-options": (None, ("-o", "a", "-o", "b", "-o", "c", "-o", "d", "HEAD:refs/heads/x")),
    "command-bytes": (None, tuple(f"HEAD:refs/heads/{str(i) * 200}/{str(i) * 200}/{str(i) * 200}" for i in range(8))),
}


@pytest.mark.parametrize("key", REFUSALS)
@pytest.mark.parametrize("buffered", [True, False])
def test_limits(tiny, key, buffered):
    """Named to the client, nothing stays, and the next push works."""
    name = f"{key}-{buffered}"
    bare, work = tiny.upstream(name), tiny.work(name)
    fill, args = REFUSALS[key]
    if not buffered:
        work.run("config", "http.postBuffer", "1000")
    if fill:
        fill(work)
    else:
        work.commit({"a": "1"})
    p = work.push(*(args or ("HEAD:refs/heads/x",)), ok=False)
    assert f"limit {key}: " in p.stderr, p.stderr
    assert git("for-each-ref", "--format=%(refname)", cwd=bare) == "refs/heads/main"
    tiny.nothing_left()
    work.run("checkout", "-q", "-b", "next", "origin/main")
    work.commit({"ok": "1"})
    work.push("HEAD:refs/heads/next", ok=True)


def test_refusals_leave_nothing_at_once(tiny):
    """Refused while the pack is being read: what reads it writes no more when
    the client hears the end."""
    tiny.upstream("often")
    work = tiny.work("often")
    fill_pack_size(work)
    pack = raw_commit(work)
    for i in range(15):
        r = tiny.push("often", [(ZERO, work.head(), "refs/heads/x")], pack)
        assert r.refs["refs/heads/x"].startswith("limit pack-size: ")
        assert tiny.left() == [], i


def test_delta_depth(tiny):
    """Chains as long as allowed pass, one more is refused."""
    name = "delta"
    bare = tiny.upstream(name)
    for n, good in ((5, True), (6, False)):
        blobs = [make.blob(b"base of all\n" * 3)]
        entries = [make.full(blobs[0])]
        for i in range(n):
            was = blobs[-1].data
            blobs.append(make.blob(was + b"%d\n" % i))
            d = make.delta(len(was), len(was) + 2, make.copy(0, len(was)), make.insert(b"%d\n" % i))
            entries.append(make.ofs_delta(len(entries[-1]), d))
        tree = make.tree(*[(b"100644", b"f%d" % i, b) for i, b in enumerate(blobs)])
        commit = make.commit(tree)
        r = tiny.push(name, [(ZERO, commit.oid, f"refs/heads/x{n}")], make.pack(*entries, tree, commit))
        said = r.refs[f"refs/heads/x{n}"]
        assert said == "ok" if good else said.startswith("limit delta-depth: "), (n, said)
        assert ref(bare, f"refs/heads/x{n}") == (commit.oid if good else None)
    tiny.nothing_left()


def test_limit_of_one_commit_line(tiny):
    """A single command that never ends is refused before it is read whole."""
    tiny.upstream("line")
    with Raw(tiny.gate.address) as r:
        r.head("POST", "/t/line.git/git-receive-pack", [("Content-Type", PUSH_TYPE), ("Transfer-Encoding", "chunked")], tiny.token)
        r.chunk(b"fff0" + b"a" * 65516)
        r.send(b"0\r\n\r\n")
        a = r.answer()
    assert a.status in (200, 400) and "command-bytes" in a.text, a.text


@pytest.mark.parametrize("key", ["walk-commits", "listed-paths"])
def test_too_large_to_look_at_is_held(tiny, key):
    bare, work = tiny.upstream(key), tiny.work(key)
    if key == "walk-commits":
        for i in range(8):
            work.commit(message=str(i))
    else:
        work.commit({f"f{i}": str(i) for i in range(20)})
    p = work.push("HEAD:refs/heads/x", ok=False)
    assert "held for approval" in p.stderr and f"limit {key}" in p.stderr, p.stderr
    assert ref(bare, "refs/heads/x") is None
    assert tiny.gate.hold(hold_id(p), tiny.ann)["state"] == "pending"


def test_walk_entries_is_held(make_gate):
    """The objects are all there and proven; only their comparison is cut."""
    g = make_gate(
        rules=[{"name": "look", "when": {"paths": ["**/nothing"]}, "then": "deny"}], config={"limits": {"walk-entries": 400}}
    )
    work = g.clone(g.token("bot", "agents"))
    for i in range(12):
        work.commit({f"{i}": "x", **({f"f{k}": "x" for k in range(30)} if i == 0 else {})})
    p = work.push("HEAD:refs/heads/x", ok=False)
    assert "limit walk-entries" in p.stderr, p.stderr
    assert "held for approval" in p.stderr, p.stderr
    assert ref(g.upstream, "refs/heads/x") is None


def open_push(place, name, token):
    """A push that has begun and goes on for as long as it is not closed."""
    r = Raw(place.gate.address)
    r.head("POST", f"/t/{name}.git/git-receive-pack", [("Content-Type", PUSH_TYPE), ("Content-Length", 10000)], token)
    r.send(b"00")
    return r


def test_concurrent_pushes(tiny):
    bare, work = tiny.upstream("many"), tiny.work("many")
    tokens = [tiny.gate.token(f"p{i}", "agents") for i in range(2)]
    work.commit({"a": "1"})

    def refused_with(token, key):
        p = work.run("push", tiny.gate.remote(token, "t/many"), "HEAD:refs/heads/x", check=False)
        return p.returncode != 0 and f"limit {key}: " in p.stderr

    with open_push(tiny, "many", tokens[0]):
        until("one of p0 is in hand", lambda: refused_with(tokens[0], "concurrent-pushes-per-principal"), log=tiny.gate.log)
        assert ref(bare, "refs/heads/x") is None
        with open_push(tiny, "many", tokens[1]):
            until("two are in hand", lambda: refused_with(tiny.token, "concurrent-pushes"), log=tiny.gate.log)
            assert ref(bare, "refs/heads/x") is None
    until("slots are free again", lambda: work.run("push", "origin", "HEAD:refs/heads/x", check=False).returncode == 0, log=tiny.gate.log)
    tiny.nothing_left()


def test_header_size(tiny):
    tiny.upstream("header")
    a = pktline.get(tiny.gate.address, "/t/header.git/info/refs?service=git-upload-pack", tiny.token, [("X-Long", "x" * 9000)])
    assert a.status == 431 and "limit header-size" in a.text
    a = pktline.get(tiny.gate.address, "/t/header.git/info/refs?service=git-upload-pack", tiny.token, [(f"X-{i}", "x" * 80) for i in range(100)])
    assert a.status == 431
    # larger than what the server reads at all
    with Raw(tiny.gate.address) as r:
        try:
            r.head("GET", "/healthz", [("X-Long", "x" * (4 << 20))])
            assert r.answer().status == 431
        except (ConnectionError, AssertionError):
            pass
    assert http("GET", tiny.gate.url + "/healthz").status == 200


def test_form_size(tiny):
    for method, path in (("POST", "/-/login"), ("POST", "/-/api/v1/holds/01JD0000000000000000000000/approve")):
        a = pktline.post(tiny.gate.address, path, b"x=" + b"y" * 5000, None, (), "application/x-www-form-urlencoded")
        assert a.status == 413 and "limit form-size" in a.text, (path, a.status, a.text)
