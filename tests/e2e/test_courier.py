"""The courier's executable, driven as gate and supervisor drive it, against
real upstream servers and hostile ones."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

import courier_frames as cf
import upstreams as up
from courier_frames import ZERO
from gate import until

BUILD = Path(os.environ.get("GITGATE_BUILD", cf.ROOT / "build"))
EXECUTABLE = BUILD / "gitgate-courier"
LANDLOCK = "landlock" in Path("/sys/kernel/security/lsm").read_text() if Path(
    "/sys/kernel/security/lsm").exists() else False
# enum gg_code, as the messages carry it
NOTFOUND, STALE, UNAVAILABLE, REFUSED = 5, 6, 9, 10


class Failed(Exception):
    def __init__(self, code, message, maybe_applied):
        super().__init__(f"{code}: {message} (maybe applied: {maybe_applied})")
        self.code, self.message, self.maybe_applied = code, message, maybe_applied


class Courier:
    def __init__(self, dir, repositories, **limits):
        # short, whatever pytest's directory is: sockets of shared ssh
        # connections lie in it, and their paths have at most 107 bytes
        self.run_dir = Path(tempfile.mkdtemp(prefix="gg-", dir="/tmp"))
        self.log = Path(dir) / "courier.log"
        self.parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [EXECUTABLE, self.run_dir, "best-effort"], stderr=log, stdin=subprocess.DEVNULL, close_fds=False,
                env={"PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"},
                preexec_fn=lambda: (os.dup2(child.fileno(), 3), os.closerange(4, 256)))
        child.close()
        self.ident = 0
        self.gate = None
        self.configure(repositories, **limits)
        self.new_gate()

    def configure(self, repositories, **limits):
        fd = cf.memfile(cf.config(repositories, **limits))
        cf.send(self.parent, "COURIER_CONFIG", body=cf.u32(1), fds=[fd])
        os.close(fd)

    def new_gate(self):
        if self.gate is not None:
            self.gate.close()
        self.gate, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        cf.send(self.parent, "COURIER_GATE", fds=[other.fileno()])
        other.close()

    def close(self):
        self.parent.close()
        self.gate.close()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def ask(self, name, body, fds=()):
        self.ident += 1
        cf.send(self.gate, name, self.ident, body, fds)
        for fd in fds:
            os.close(fd)
        return self.ident

    def answer(self, ident, timeout=60):
        """The final answer to one request, and its texts."""
        text = b""
        while True:
            got = cf.receive(self.gate, timeout)
            assert got is not None, "the courier has gone"
            name, of, body, fds = got
            assert of == ident
            if name == "RELAY_TEXT":
                r = cf.Reader(body)
                text += r.bytes()
                r.end()
                continue
            if name == "REQUEST_FAILED":
                r = cf.Reader(body)
                failed = Failed(r.u8(), r.str(), bool(r.u8()))
                failed.text = text.decode()
                r.end()
                raise failed
            return name, body, fds, text.decode()

    def list(self, repository, service=1, settle=0):
        name, _, fds, _ = self.answer(self.ask("LIST_REFS", cf.blob(repository) + cf.u8(service) + cf.u8(settle)))
        assert name == "REFS"
        return cf.advert(cf.slurp(fds[0]))

    def fetch(self, repository, wants, haves=()):
        """The pack's bytes, from the pipe, and what FETCH_DONE says."""
        r, w = os.pipe()
        lines = "".join(f"want {o}\n" for o in wants) + "".join(f"have {o}\n" for o in haves)
        ident = self.ask("FETCH", cf.blob(repository), [cf.memfile(lines.encode()), w])
        got = []
        reader = threading.Thread(target=lambda: got.append(open(r, "rb").read()))
        reader.start()
        try:
            name, body, _, _ = self.answer(ident)
        finally:
            reader.join(30)
        assert name == "FETCH_DONE" and cf.Reader(body).u64() == len(got[0])
        return got[0]

    def send_relay(self, repository, updates, pack=None, atomic=0, options=()):
        lines = "".join(f"{o} {n} {r}\n" for o, n, r in updates).encode()
        fds = [cf.memfile(lines)]
        if pack is not None:
            fds.append(cf.memfile(pack) if isinstance(pack, bytes) else os.open(pack, os.O_RDONLY))
        body = cf.blob(repository) + cf.blob("01JD000000000000000000000Z") + cf.u8(atomic)
        return self.ask("RELAY", body + cf.u8(pack is not None) + cf.strv(options), fds)

    def relay(self, *args, timeout=60, **kwargs):
        name, _, fds, text = self.answer(self.send_relay(*args, **kwargs), timeout)
        assert name == "RELAY_DONE"
        unpack, refs = cf.relay_result(cf.slurp(fds[0]))
        return unpack, refs, text


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as stack:
        def go(repositories, **limits):
            c = Courier(tmp_path, repositories, **limits)
            stack.callback(c.close)
            return c
        yield go


def secret_file(dir, text, name="secret"):
    path = Path(dir) / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


class Site:
    """An upstream of some kind with one repository, and its config entry."""

    def __init__(self, server, kind, **credential):
        self.server, self.kind, self.credential = server, kind, credential
        self.bare, self.url = server.repo("app")
        self.entry = {"path": "acme/app", "upstream": self.url, "kind": kind, **credential}


@contextlib.contextmanager
def site(kind, dir):
    dir = Path(dir) / "upstream"
    dir.mkdir()
    if kind == "local":
        with up.local(dir) as s:
            yield Site(s, cf.LOCAL)
    elif kind == "ssh":
        with up.sshd(dir) as s:
            yield Site(s, cf.SSH, ssh_key=s.key, known_hosts=s.known_hosts)
    elif kind == "nginx":
        with up.nginx(dir) as s:
            yield Site(s, cf.HTTP)
    else:
        secret = secret_file(dir, up.PASSWORD)
        with up.apache(dir / "apache", tls=kind == "https") as s:
            credential = {"username": up.USER, "password_file": secret}
            if s.ca:
                credential["ca_file"] = s.ca
            yield Site(s, cf.HTTP, **credential)


KINDS = ["local", "http", "https", "nginx", "ssh"]


@pytest.fixture(params=KINDS)
def any_site(request, tmp_path):
    with site(request.param, tmp_path) as s:
        yield s


@pytest.fixture
def local_site(tmp_path):
    with site("local", tmp_path) as s:
        yield s


def scratch(dir, upstream=None):
    """A repository of the pusher's, with upstream's objects."""
    bare = up.make_bare(Path(dir) / "scratch.git")
    if upstream is not None:
        up.git("fetch", "-q", upstream, "+refs/*:refs/*", cwd=bare)
    return bare


def pack(bare, new, old=(), thin=False):
    revs = "\n".join([*new, *(f"^{o}" for o in old)]) + "\n"
    args = ["pack-objects", "--stdout", "--revs", "-q"] + (["--thin"] if thin else [])
    return up.git(*args, cwd=bare, stdin=revs, text=False)


def ref(bare, name):
    out = up.git("rev-parse", "-q", "--verify", name, cwd=bare, check=False)
    return out or ZERO


def open_for_all(path):
    subprocess.run(["chmod", "-R", "a+rwX", str(path)], check=True)


def seed(s, **files):
    oid = up.commit(s.bare, files or {"README": "hello\n"}, ref="refs/heads/main")
    open_for_all(s.bare)
    return oid


def test_list_and_fetch(any_site, start, tmp_path):
    first = seed(any_site)
    second = up.commit(any_site.bare, {"b": "b\n"}, first, ref="refs/heads/topic")
    up.git("tag", "-a", "-m", "v1", "v1", first, cwd=any_site.bare)
    open_for_all(any_site.bare)
    c = start([any_site.entry])

    a = c.list("acme/app", service=0)
    assert a["refs"]["refs/heads/main"] == first and a["refs"]["refs/heads/topic"] == second
    assert a["peeled"]["refs/tags/v1"] == first
    assert a["head"] == "refs/heads/main" and a["head_oid"] == first

    a = c.list("acme/app", service=1)
    assert set(a["refs"]) == {"refs/heads/main", "refs/heads/topic", "refs/tags/v1"}
    assert "atomic" in a["caps"] and "push-options" in a["caps"]

    mine = scratch(tmp_path)
    data = c.fetch("acme/app", [first])
    up.git("index-pack", "--stdin", cwd=mine, stdin=data, text=False)
    assert up.git("cat-file", "-t", first, cwd=mine) == "commit"
    up.git("update-ref", "refs/heads/main", first, cwd=mine)
    more = c.fetch("acme/app", [second], [first])
    assert len(more) < len(data) + 200
    up.git("index-pack", "--stdin", "--fix-thin", cwd=mine, stdin=more, text=False)
    up.git("update-ref", "refs/heads/topic", second, cwd=mine)
    up.git("fsck", "--strict", cwd=mine)


def test_list_unborn(any_site, start):
    c = start([any_site.entry])
    a = c.list("acme/app", service=0)
    assert a["refs"] == {}
    assert a["head"] == "refs/heads/main"
    assert c.list("acme/app", service=1)["refs"] == {}


def test_relay_create_update_delete(any_site, start, tmp_path):
    main = seed(any_site, README="".join(f"line {i}\n" for i in range(2000)))
    mine = scratch(tmp_path, any_site.bare)
    c = start([any_site.entry])
    c.list("acme/app")

    one = up.commit(mine, {"a": "a\n"}, main)
    unpack, refs, _ = c.relay("acme/app", [(ZERO, one, "refs/heads/x")], pack(mine, [one], [main]))
    assert (unpack, refs["refs/heads/x"][0]) == ("ok", True)
    assert ref(any_site.bare, "refs/heads/x") == one

    # thin: the delta's base is only upstream
    text = "".join(f"line {i}\n" for i in range(2000)) + "more\n"
    two = up.commit(mine, {"README": text}, one)
    thin = pack(mine, [two], [one], thin=True)
    assert len(thin) < 1000
    unpack, refs, _ = c.relay("acme/app", [(one, two, "refs/heads/x")], thin)
    assert (unpack, refs["refs/heads/x"][0]) == ("ok", True)

    unpack, refs, _ = c.relay("acme/app", [(two, ZERO, "refs/heads/x")])
    assert (unpack, refs["refs/heads/x"][0]) == ("ok", True)
    assert ref(any_site.bare, "refs/heads/x") == ZERO
    assert ref(any_site.bare, "refs/heads/main") == main


def test_relay_stale_moves_nothing(any_site, start, tmp_path):
    main = seed(any_site)
    mine = scratch(tmp_path, any_site.bare)
    other = up.commit(any_site.bare, {"o": "o\n"}, main)
    new = up.commit(mine, {"a": "a\n"}, main)
    c = start([any_site.entry])
    c.list("acme/app")
    up.git("update-ref", "refs/heads/main", other, cwd=any_site.bare)
    open_for_all(any_site.bare)
    try:
        _, refs, _ = c.relay("acme/app", [(main, new, "refs/heads/main")], pack(mine, [new], [main]))
        assert any_site.kind == cf.HTTP and not refs["refs/heads/main"][0]
    except Failed as e:
        assert any_site.kind != cf.HTTP
        assert (e.code, e.maybe_applied) == (STALE, False)
    assert ref(any_site.bare, "refs/heads/main") == other


def test_relay_atomic(any_site, start, tmp_path):
    main = seed(any_site)
    mine = scratch(tmp_path, any_site.bare)
    new = up.commit(mine, {"a": "a\n"}, main)
    hook = any_site.bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase $1 in *bad) echo "no $1 here" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    open_for_all(any_site.bare)
    c = start([any_site.entry])
    c.list("acme/app")
    updates = [(ZERO, new, "refs/heads/good"), (ZERO, new, "refs/heads/bad")]
    _, refs, text = c.relay("acme/app", updates, pack(mine, [new], [main]), atomic=1)
    assert not refs["refs/heads/good"][0] and not refs["refs/heads/bad"][0]
    assert "no refs/heads/bad here" in text
    assert ref(any_site.bare, "refs/heads/good") == ZERO
    _, refs, _ = c.relay("acme/app", updates, pack(mine, [new], [main]))
    assert refs["refs/heads/good"][0] and not refs["refs/heads/bad"][0]
    assert refs["refs/heads/bad"][1] == "hook declined"


def test_relay_options_and_redaction(any_site, start, tmp_path):
    main = seed(any_site)
    mine = scratch(tmp_path, any_site.bare)
    new = up.commit(mine, {"a": "a\n"}, main)
    hook = any_site.bare / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\n"
        f"printf 'got %s %s {up.PASSWORD.replace('%', '%%')}\\n' \"$GIT_PUSH_OPTION_0\" \"$GIT_PUSH_OPTION_1\" >&2\n"
        "printf 'https://bob:hunter2@host/ \\033[31mred\\033[0m\\n' >&2\n"
        "exit 1\n")
    hook.chmod(0o755)
    open_for_all(any_site.bare)
    c = start([any_site.entry])
    c.list("acme/app")
    _, refs, text = c.relay(
        "acme/app", [(main, new, "refs/heads/main")], pack(mine, [new], [main]), options=["a=b", "c d"])
    assert refs["refs/heads/main"][:2] == (False, "pre-receive hook declined")
    assert "got a=b c d" in text
    assert "\x1b" not in text and "hunter2" not in text and "https://[redacted]@host/ [31mred" in text
    if "password_file" in any_site.credential:
        assert up.PASSWORD not in text and "got a=b c d [redacted]" in text


@pytest.mark.parametrize("config, kwargs", [
    (("receive.advertiseAtomic", "false"), {"atomic": 1}),
    (("receive.advertisePushOptions", "false"), {"options": ["x=y"]}),
])
def test_what_upstream_cannot_is_refused(any_site, start, tmp_path, config, kwargs):
    main = seed(any_site)
    up.git("config", *config, cwd=any_site.bare)
    mine = scratch(tmp_path, any_site.bare)
    new = up.commit(mine, {"a": "a\n"}, main)
    c = start([any_site.entry])
    with pytest.raises(Failed) as e:
        c.relay("acme/app", [(main, new, "refs/heads/main")], pack(mine, [new], [main]), **kwargs)
    assert (e.value.code, e.value.maybe_applied) == (REFUSED, False)
    assert ref(any_site.bare, "refs/heads/main") == main


def test_unknown_repository(local_site, start):
    c = start([local_site.entry])
    with pytest.raises(Failed) as e:
        c.list("acme/none")
    assert e.value.code == NOTFOUND


def test_upstream_is_gone(start, tmp_path):
    c = start([
        {"path": "a/local", "upstream": tmp_path / "none.git", "kind": cf.LOCAL},
        {"path": "a/http", "upstream": f"http://127.0.0.1:{up.free_port()}/x.git", "kind": cf.HTTP},
    ])
    for name in ("a/local", "a/http"):
        with pytest.raises(Failed) as e:
            c.list(name)
        assert e.value.code == UNAVAILABLE
        with pytest.raises(Failed) as e:
            c.relay(name, [("1" * 40, ZERO, "refs/heads/x")])
        assert (e.value.code, e.value.maybe_applied) == (UNAVAILABLE, False)


@pytest.mark.parametrize("kind", ["http", "https"])
def test_wrong_password(kind, start, tmp_path):
    with site(kind, tmp_path) as s:
        s.entry["password_file"] = secret_file(tmp_path, "wrong", "wrong")
        c = start([s.entry])
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert (e.value.code, e.value.message) == (UNAVAILABLE, "upstream refused our credential")
        assert "wrong" not in c.log.read_text()


def test_readable_secret_is_refused(start, tmp_path):
    with site("http", tmp_path) as s:
        Path(s.entry["password_file"]).chmod(0o644)
        c = start([s.entry])
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert "chmod 600" in e.value.message


def test_unknown_ca_is_refused(start, tmp_path):
    with site("https", tmp_path) as s:
        del s.entry["ca_file"]
        c = start([s.entry])
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert "certificate" in e.value.message


def test_credential_helper(start, tmp_path):
    with site("http", tmp_path) as s:
        helper = tmp_path / "helper"
        state = tmp_path / "state"
        state.mkdir()
        secret_file(state, "log key", "log-key")
        # a helper is inside the courier's walls: no state directory
        helper.write_text(
            "#!/bin/sh\ntest \"$1 $2\" = 'vault get' || exit 1\n"
            "while read -r line && test -n \"$line\"; do asked=$asked$line,; done\n"
            f"test \"$asked\" = protocol=http,host={s.server.base.split('/')[-1]}, || exit 2\n"
            + (f"cat {state}/log-key && exit 3\n" if LANDLOCK else "")
            + f"printf '%s\\n' 'username={up.USER}' 'password={up.PASSWORD}'\n")
        helper.chmod(0o755)
        for key in ("username", "password_file"):
            del s.entry[key]
        s.entry["helper"] = f"{helper} vault"
        seed(s)
        c = start([s.entry])
        assert "refs/heads/main" in c.list("acme/app")["refs"]


def test_keep_alive(start, tmp_path):
    with site("http", tmp_path) as s:
        main = seed(s)
        mine = scratch(tmp_path, s.bare)
        new = up.commit(mine, {"a": "a\n"}, main)
        c = start([s.entry])
        c.list("acme/app")
        c.relay("acme/app", [(main, new, "refs/heads/main")], pack(mine, [new], [main]))
        c.close()

        def lines():  # written after the answer
            return [line.split() for line in s.server.access_log.read_text().splitlines()]

        until("apache logged both requests", lambda: len(lines()) >= 2)
        time_of = lines()
        assert [(w[1], w[3], w[4]) for w in time_of] == [("GET", "200", "0"), ("POST", "200", "1")]


def rss_anon(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.mark.parametrize("kind", ["local", "nginx", "ssh"])
def test_big_pack_needs_no_memory(kind, start, tmp_path):
    with site(kind, tmp_path) as s:
        main = seed(s)
        up.git("config", "receive.unpackLimit", "1", cwd=s.bare)
        mine = scratch(tmp_path, s.bare)
        up.git("config", "core.compression", "0", cwd=mine)
        up.git("config", "core.bigFileThreshold", "1m", cwd=mine)
        new = up.commit(mine, {"big": os.urandom(96 << 20)}, main)
        file = tmp_path / "pack"
        with open(file, "wb") as f:
            subprocess.run(["git", "pack-objects", "--stdout", "--revs", "-q", "--window=0"], cwd=mine, check=True,
                           input=f"{new}\n^{main}\n".encode(), stdout=f, env=up.GIT_ENV)
        assert file.stat().st_size > 96 << 20
        c = start([s.entry])
        c.list("acme/app")
        peak, stop = [0], threading.Event()

        def watch():
            while not stop.wait(0.02):
                peak[0] = max(peak[0], rss_anon(c.process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        unpack, refs, _ = c.relay("acme/app", [(main, new, "refs/heads/main")], file, timeout=300)
        stop.set()
        watcher.join()
        assert unpack == "ok" and refs["refs/heads/main"][0]
        if "GITGATE_SAN" not in os.environ:
            assert 0 < peak[0] < 24 << 20
