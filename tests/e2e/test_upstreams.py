"""The main job over each real upstream, and what upstreams do wrong.

G1: whatever upstream says, no credential of it is seen anywhere. G3: what
somebody else pushed to upstream meanwhile is never overwritten.
"""

import base64
import contextlib
import os
import shutil
import urllib.parse
import uuid
from pathlib import Path

import processes
import pytest
import upstreams as up
from gate import PROTECT_MAIN, contents_below, hold_id, http, until, vkey

NEEDS = {
    "local": [],
    "http": ["apache2"],
    "https": ["apache2"],
    "nginx": ["nginx", "fcgiwrap"],
    "ssh": ["sshd", "ssh"],
}

# What upstream's hooks do: refuse one ref, take what may be taken, and say
# the secret as often as they can.
UPDATE = """
echo "upstream looks at $1, secret {secret}" >&2
[ "$1" != refs/heads/refused ] || {{ echo "not on {secret} my watch" >&2; exit 1; }}
"""
POST_RECEIVE = """
echo "$GIT_PUSH_OPTION_0" >>options
if [ -e slow ]; then touch there; n=0; while [ ! -e go ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done; fi
"""


class Site:
    def __init__(self, server, credential, secrets, says="none"):
        self.server, self.secrets = server, secrets
        self.bare, self.url = server.repo("app")
        self.entry = {"path": "demo/app", "upstream": self.url}
        if credential:
            self.entry["credential"] = {k: str(v) for k, v in credential.items()}
        self.first = up.commit(self.bare, {"README": "hello\n"}, ref="refs/heads/main")
        up.git("symbolic-ref", "HEAD", "refs/heads/main", cwd=self.bare)
        for name, text in (("update", UPDATE), ("post-receive", POST_RECEIVE)):
            hook = self.bare / "hooks" / name
            if name == "update":
                text = text.format(secret=says)
            hook.write_text("#!/bin/sh\n" + text)
            hook.chmod(0o755)
        self.open()

    def open(self):
        for p in (self.bare, *self.bare.rglob("*")):
            p.chmod(0o777 if p.is_dir() else p.stat().st_mode | 0o666)

    def ref(self, name):
        return up.git("rev-parse", "-q", "--verify", name, cwd=self.bare, check=False) or None

    def move(self, name, files, parent):
        """Somebody else pushes to upstream, past the gate."""
        oid = up.commit(self.bare, files, parent, ref=name)
        self.open()
        return oid


@contextlib.contextmanager
def site(kind, dir):
    missing = [p for p in NEEDS[kind] if not shutil.which(p, path=up.GIT_ENV["PATH"])]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    dir = Path(dir)
    dir.mkdir()
    if kind == "local":
        with up.local(dir) as s:
            yield Site(s, {}, [])
    elif kind == "ssh":
        with up.sshd(dir) as s:
            key = s.key.read_text().split("\n")[1:-2]
            yield Site(s, {"ssh-key": s.key, "known-hosts": s.known_hosts}, key)
    elif kind == "nginx":
        with up.nginx(dir) as s:
            yield Site(s, {}, [])
    else:
        secret = dir / "secret"
        secret.write_text(up.PASSWORD + "\n")
        secret.chmod(0o600)
        forms = [up.PASSWORD, urllib.parse.quote(up.PASSWORD, safe=""),
                 base64.b64encode(f"{up.USER}:{up.PASSWORD}".encode()).decode()]
        with up.apache(dir / "apache", tls=kind == "https") as s:
            credential = {"username": up.USER, "password-file": secret}
            if s.ca:
                credential["ca-file"] = s.ca
            yield Site(s, credential, forms, up.PASSWORD)


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_no_places(make_gate, tmp_path, kind):
    """Where the repository and our files lie is told to the log only."""
    with site(kind, tmp_path / "upstream") as s:
        job = Job(make_gate, s)
        g, work = job.gate, job.work
        job.branch("topic")
        away = s.bare.with_name("away")
        s.bare.rename(away)
        p = work.run("push", "origin", "topic", check=False)
        text = p.stderr.replace(str(work.path), "")
        assert "[redacted]" in text and str(tmp_path) not in text, p.stderr
        g.said(str(s.bare))
        away.rename(s.bare)
        # a hook that says where it is
        (s.bare / "hooks" / "update").write_text("#!/bin/sh\necho in $PWD >&2\nexit 1\n")
        p = work.push("topic", ok=False)
        assert "upstream refused" in p.stderr and "in [redacted]" in p.stderr, p.stderr
        assert str(s.bare) not in p.stderr


def test_no_place_of_our_own(make_gate, tmp_path):
    with site("local", tmp_path / "upstream") as s:
        job = Job(make_gate, s)
        g = job.gate
        job.branch("topic")
        (g.state / "pushes").rename(g.state / "away")
        (g.state / "pushes").write_text("no directory\n")
        p = job.push("topic", ok=False)
        assert "gate unavailable: " in p.stderr and "[state]/pushes" in p.stderr, p.stderr
        assert str(g.state) not in p.stderr
        g.said(f"{g.state}/pushes")
        for path in ("/pushes", "/audit"):
            a = g.api("GET", path, job.ann)
            assert a.status == 200 and "[state]" in a.text and str(g.state) not in a.text, a.text


class Job:
    """One gate over one upstream, and everything that was said."""

    def __init__(self, make_gate, s, **limits):
        self.site, self.said = s, []
        self.gate = make_gate(repositories=[s.entry], rules=[PROTECT_MAIN], config={"limits": limits})
        self.bot = self.gate.token("bot", "agents")
        self.ann = self.gate.token("ann", "maintainers", "auditors")
        self.work = self.gate.clone(self.bot)

    def push(self, *args, **kw):
        p = self.work.push(*args, **kw)
        self.said.append(p.stderr)
        return p

    def branch(self, name, start="origin/main"):
        self.work.run("checkout", "-q", "-B", name, start)
        return self.work.commit({name: name}, name)

    def approve(self, id):
        a = self.gate.review(id, self.ann)
        assert a.status == 200, a.text
        self.said.append(a.text)

    def check_secrets(self):
        """Nothing said, logged, stored or answered holds a secret."""
        g = self.gate
        for path in ("/pushes", "/holds", "/audit"):
            a = g.api("GET", path, self.ann)
            assert a.status == 200
            self.said.append(a.text)
        self.said.append(g.log())
        self.said.append(http("GET", g.url + "/metrics").text)
        for secret in self.site.secrets:
            for text in self.said:
                assert secret not in text
            for f, content in contents_below(g.state):
                assert secret.encode() not in content, f

    def check_processes(self):
        seen = 0
        for pid in [self.gate.process.pid, *(p.pid for p in processes.descendants(self.gate.process.pid))]:
            for name in ("cmdline", "environ"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    text = Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
                    seen += 1
                    assert not any(secret in text for secret in self.site.secrets), pid
        assert seen >= 8

    def check_log(self):
        p = self.gate.cli("audit", "verify", "--key", vkey(self.gate), str(self.gate.state / "log"))
        assert p.returncode == 0


@pytest.mark.parametrize("kind", list(NEEDS))
def test_main_job(make_gate, tmp_path, kind):
    with site(kind, tmp_path / "upstream") as s:
        job = Job(make_gate, s)
        g, work = job.gate, job.work
        assert work.head() == s.first

        # allowed; upstream's words and the push option arrive
        oid = job.branch("topic")
        p = job.push("-o", "ci.skip", "topic", ok=True)
        assert s.ref("refs/heads/topic") == oid
        assert "upstream looks at refs/heads/topic" in p.stderr
        assert (s.bare / "options").read_text().splitlines() == ["ci.skip"]

        # refused by upstream's own hook: its words, its reason
        job.branch("refused")
        p = job.push("refused", ok=False)
        assert "upstream refused: hook declined" in p.stderr and "my watch" in p.stderr
        assert s.ref("refs/heads/refused") is None

        # the two together, atomically: neither; otherwise: the one
        job.branch("fine")
        p = job.push("--atomic", "fine", "refused", ok=False)
        assert s.ref("refs/heads/fine") is None and s.ref("refs/heads/refused") is None
        p = job.push("fine", "refused", ok=False)
        assert s.ref("refs/heads/fine") == work.head("fine") and s.ref("refs/heads/refused") is None

        # held, approved, landed; nothing of it on any command line meanwhile
        (s.bare / "slow").write_text("")
        oid = job.branch("main")
        id = hold_id(job.push("main", ok=False))
        assert s.ref("refs/heads/main") == s.first
        job.approve(id)
        until("upstream's hook runs", (s.bare / "there").exists, log=g.log)
        job.check_processes()
        (s.bare / "slow").unlink()
        (s.bare / "go").write_text("")
        g.wait_hold(id, job.ann, "forwarded")
        assert s.ref("refs/heads/main") == oid

        # G3: somebody moves upstream between our advertisement and our push
        work.run("fetch", "-q")
        mine = job.branch("topic", "origin/topic")
        hook = work.path / ".git" / "hooks" / "pre-push"
        theirs = up.commit(s.bare, {"theirs": "theirs\n"}, s.ref("refs/heads/topic"))
        s.open()
        hook.write_text(f"#!/bin/sh\nenv -i PATH=\"$PATH\" GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory "
                        f"GIT_CONFIG_VALUE_0='*' git -C {s.bare} update-ref refs/heads/topic {theirs}\n")
        hook.chmod(0o755)
        p = job.push("topic", ok=False)
        assert "stale: upstream moved" in p.stderr
        assert s.ref("refs/heads/topic") == theirs != mine
        hook.unlink()
        s.open()

        # ... and while a push is held
        work.run("fetch", "-q")
        job.branch("main", "origin/main")
        id = hold_id(job.push("main", ok=False))
        theirs = s.move("refs/heads/main", {"x": "x\n"}, s.ref("refs/heads/main"))
        job.approve(id)
        g.wait_hold(id, job.ann, "stale")
        assert s.ref("refs/heads/main") == theirs

        job.check_secrets()
        job.check_log()


def test_wrong_password(make_gate, tmp_path):
    """401 of upstream is told as its refusal, without what was tried."""
    with site("http", tmp_path / "upstream") as s:
        job = Job(make_gate, s)
        Path(s.entry["credential"]["password-file"]).write_text("wr0ng-secret\n")
        s.secrets = ["wr0ng-secret", base64.b64encode(f"{up.USER}:wr0ng-secret".encode()).decode()]
        job.branch("topic")
        p = job.work.run("push", "origin", "topic", check=False)
        assert p.returncode != 0 and "gate unavailable: " in p.stderr
        job.said.append(p.stderr)
        job.check_secrets()


# -- upstreams that misbehave --


class Backend:
    """git-http-backend behind a server that misbehaves on demand: `mode` says
    how, for GET (info/refs) or POST (the push)."""

    def __init__(self, bare, env):
        self.bare, self.env, self.mode, self.advert = bare, env, "ok", "ok"
        self.free = up.threading.Event()
        self.server = up.Hostile(self.script)

    def run(self, request):
        head, body = request.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        path, _, query = target.partition("?")
        if headers.get("transfer-encoding") == "chunked":
            raise AssertionError("the courier knows the length")
        env = {**up.GIT_ENV, "GIT_PROJECT_ROOT": str(self.bare.parent), "GIT_HTTP_EXPORT_ALL": "1",
               "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": method, "REMOTE_USER": "x",
               "CONTENT_TYPE": headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body)),
               "GIT_PROTOCOL": headers.get("git-protocol", "")}
        p = up.subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
        head, body = p.stdout.split(b"\r\n\r\n", 1)
        fields = dict(x.split(": ", 1) for x in head.decode().split("\r\n"))
        assert "Content-Type" in fields, (target, p)
        return body, fields["Content-Type"], fields.get("Status", "200 OK")

    def script(self, conn, request):
        is_push = request.startswith(b"POST") and b"/git-receive-pack " in request.split(b"\r\n", 1)[0]
        mode = self.mode if is_push else self.advert if request.startswith(b"GET") else "ok"
        return getattr(self, mode)(conn, request)

    def ok(self, conn, request):
        conn.sendall(up.http_answer(*self.run(request)))
        return "next"

    def gone(self, conn, request):
        """Nothing at all."""

    def lost(self, conn, request):
        """Done, but nobody hears of it."""
        self.run(request)

    def half(self, conn, request):
        """Done, and cut off in the middle of saying so."""
        body, kind, status = self.run(request)
        conn.sendall(up.http_answer(body[: len(body) // 2], kind, status, length=len(body)))

    def half_undone(self, conn, request):
        body = up.report("unpack ok", "ok refs/heads/topic")
        conn.sendall(up.http_answer(body[:-8], "application/x-git-receive-pack-result", length=len(body)))

    def error(self, conn, request):
        conn.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\noops\n")
        return "next"

    def redirect(self, conn, request):
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n")
        return "next"

    def garbage(self, conn, request):
        conn.sendall(up.http_answer(b"zzzz" + os.urandom(2000), "application/x-git-receive-pack-result"))

    def other_ref(self, conn, request):
        conn.sendall(up.http_answer(up.report("unpack ok", "ok refs/heads/other"),
                                    "application/x-git-receive-pack-result"))

    def slow(self, conn, request):
        self.free.wait(30)

    def flood(self, conn, request):
        body, kind, status = self.run(request)
        text = up.pkt(b"\x02" + b"flood of words\n" * 4000)
        conn.sendall(up.http_answer(text * 200 + body, kind, status))


@pytest.fixture
def backend(tmp_path):
    # A name of its own: who had this port before may still send requests.
    bare = up.make_bare(tmp_path / "upstream" / f"{uuid.uuid4().hex}.git")
    first = up.commit(bare, {"README": "hello\n"}, ref="refs/heads/main")
    up.git("symbolic-ref", "HEAD", "refs/heads/main", cwd=bare)
    b = Backend(bare, {})
    b.first = first
    with b.server:
        yield b
        b.free.set()


@pytest.fixture
def job(make_gate, backend):
    class Here:
        entry = {"path": "demo/app", "upstream": f"{backend.server.base}/{backend.bare.name}"}
        secrets = []

        @staticmethod
        def ref(name):
            return up.git("rev-parse", "-q", "--verify", name, cwd=backend.bare, check=False) or None

    return Job(make_gate, Here, **{"upstream-idle": "1500ms"})


@pytest.mark.parametrize("mode", ["gone", "half_undone", "error", "redirect", "garbage", "other_ref", "slow"])
def test_push_fails(backend, job, mode):
    """A clear refusal, nothing done, and the next one lands."""
    oid = job.branch("topic")
    backend.mode = mode
    p = job.push("topic", ok=False)
    assert "(gate unavailable: " in p.stderr or "(upstream refused: " in p.stderr
    assert job.site.ref("refs/heads/topic") is None
    (push,) = job.gate.api("GET", "/pushes", job.ann).json["pushes"]
    until("the push has failed",
          lambda: job.gate.api("GET", f"/pushes/{push['id']}", job.ann).json["state"] == "failed", log=job.gate.log)
    backend.mode = "ok"
    job.push("topic", ok=True)
    assert job.site.ref("refs/heads/topic") == oid
    job.check_log()


@pytest.mark.parametrize("mode", ["lost", "half", "flood"])
def test_push_succeeds_all_the_same(backend, job, mode):
    """Upstream took it, whatever became of its answer: ok is the truth."""
    oid = job.branch("topic")
    backend.mode = mode
    p = job.push("topic", ok=True)
    assert job.site.ref("refs/heads/topic") == oid
    assert len(p.stderr) < 4 << 20
    (push,) = job.gate.api("GET", "/pushes", job.ann).json["pushes"]
    assert push["state"] == "forwarded"


@pytest.mark.parametrize("mode", ["gone", "error", "redirect", "garbage", "slow"])
def test_advertisement_fails(backend, job, mode):
    oid = job.branch("topic")
    backend.advert = mode
    p = job.work.run("push", "origin", "topic", check=False)
    assert p.returncode != 0 and "gate unavailable: " in p.stderr
    p = job.work.run("fetch", check=False)
    assert p.returncode != 0 and "gate unavailable: " in p.stderr
    backend.advert = "ok"
    job.push("topic", ok=True)
    assert job.site.ref("refs/heads/topic") == oid


@pytest.mark.parametrize("what, mode", [("advert", "gone"), ("mode", "error"), ("mode", "half_undone"), ("mode", "lost")])
def test_approved_hold_lands_when_upstream_is_back(backend, job, what, mode):
    oid = job.branch("main")
    id = hold_id(job.push("main", ok=False))
    setattr(backend, what, mode)
    before = len(backend.server.requests)
    job.approve(id)
    if mode != "lost":
        until("it was tried", lambda: len(backend.server.requests) > before, log=job.gate.log)
        assert job.gate.hold(id, job.ann)["state"] == "approved"
        assert job.site.ref("refs/heads/main") == backend.first
    setattr(backend, what, "ok")
    job.gate.wait_hold(id, job.ann, "forwarded")
    assert job.site.ref("refs/heads/main") == oid
    job.check_log()
