"""The running roles from outside: what they hold open, what walls they are
behind, what they were given. What the walls refuse is tried from inside by
tests/unit/test_sandbox.c (inspector) and test_gate_walls.c (gate, courier)."""

import os
import re
import subprocess
from pathlib import Path

import processes
import pytest
from gate import BIN, ROOT, SANITIZED, Gate, contents_below, hold_id, http, make_upstream, until
from processes import descriptors as files

MARK = "a-secret-that-nobody-else-has-7f3a"
ROLES = ("gate", "courier", "messenger", "inspector")
# What reading /proc says of a process that has ended.
GONE = (FileNotFoundError, ProcessLookupError)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="roles are not dumpable: only root may look at them")


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("walls")
    keys = tmp / "keys"
    keys.mkdir()
    (keys / "password").write_text(MARK + "\n")
    (keys / "jwks").write_text('{"keys":[]}')
    bare = make_upstream(tmp / "upstream" / "app.git", {"README": "hello\n"})
    far = {"username": "x", "password-file": str(keys / "password")}
    gate = Gate(
        tmp,
        repositories=[
            {"path": "demo/app", "upstream": str(bare)},
            {"path": "far/app", "upstream": "http://127.0.0.1:1/far.git", "credential": far},
        ],
        rules=[{"name": "hold-x", "when": {"refs": ["refs/heads/x"]}, "then": "hold", "approvals": {"from": ["dba"]}}],
        config={"identity": {"issuers": [{"name": "ci", "issuer": "https://issuer.invalid", "jwks-file": str(keys / "jwks"), "audience": "a", "principal": "ci:{sub}"}]}},
        env={"CI_JOB_TOKEN": MARK, "GITGATE_TOKEN": MARK, "SSH_AUTH_SOCK": f"/tmp/{MARK}", "AWS_SECRET_ACCESS_KEY": MARK},
    )
    gate.keys = keys
    with gate as g:
        g.bot = g.token("bot", "agents")
        w = g.clone(g.bot)
        w.commit({"a": "a\n"})
        w.push("HEAD:refs/heads/landed", ok=True)
        g.held = hold_id(w.push("HEAD:refs/heads/x", ok=False))
        # the courier has used the password
        w.run("ls-remote", g.remote(g.bot, "far/app"), check=False)
        until("a pool", lambda: g.pids("inspector"), log=g.log)
        yield g


def proc(pid, name):
    return (Path("/proc") / str(pid) / name).read_bytes()


def status(pid):
    return dict(x.split(":\t", 1) for x in proc(pid, "status").decode().splitlines() if ":\t" in x)


def sockets(pid):
    return {x[8:-1] for x in files(pid).values() if x.startswith("socket:[")}


def listening():
    """inode -> address, of everything that listens here."""
    found = {}
    for kind in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", kind).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for x in lines:
            f = x.split()
            if f[3] == "0A":
                found[f[9]] = f[1]
    for x in Path("/proc/net/unix").read_text().splitlines()[1:]:
        f = x.split()
        if int(f[3], 16) & 0x10000:
            found[f[6]] = f[7] if len(f) > 7 else "?"
    return found


def udp_and_raw():
    found = set()
    for kind in ("udp", "udp6", "raw", "raw6", "packet"):
        try:
            lines = Path("/proc/net", kind).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        found |= {x.split()[9 if kind != "packet" else 8] for x in lines}
    return found


def each(g):
    """(role, pid) of all that run; inspectors come and go."""

    def all_roles():
        found = [(r, p) for r in ROLES for p in g.pids(r)]
        return found if {r for r, _ in found} == set(ROLES) else None

    return until("all roles run", all_roles, log=g.log)


def test_every_role_is_behind_walls(g):
    for role, pid in each(g):
        try:
            until("walls", lambda: status(pid)["NoNewPrivs"] == "1" and (SANITIZED or status(pid)["Seccomp"] == "2"))
            filters, limits = status(pid).get("Seccomp_filters", "0"), proc(pid, "limits").decode()
        except GONE:
            assert role == "inspector"
            continue
        if not SANITIZED:
            # not dumpable: its /proc files are root's, whoever it runs as
            assert filters >= "1", role
        assert [x.split()[4:6] for x in limits.splitlines() if x.startswith("Max core")] == [["0", "0"]], role


def test_an_inspector_has_one_socket_and_no_file(g):
    def has_ended(pid):
        p = processes.stat(pid)
        return p is None or p.state == "Z"

    def holds_only_that(pid):
        """One that has just begun still has open what its walls are made of."""
        open_now = list(files(pid).values())
        mine = [x for x in open_now if x.startswith("socket:")]
        rest = {x for x in open_now if not x.startswith("socket:")}
        return has_ended(pid) or (len(mine) == 1 and rest <= {"/dev/null", str(g.log_file)})

    for pid in g.pids("inspector"):
        until("it holds its socket and nothing else", lambda: holds_only_that(pid), log=lambda: str(files(pid)))
        assert not sockets(pid) & set(listening())


@pytest.mark.parametrize("role", ["courier", "messenger"])
def test_who_goes_out_listens_on_nothing(g, role):
    (pid,) = g.pids(role)
    assert not sockets(pid) & set(listening())
    assert not sockets(pid) & udp_and_raw()
    below_state = {n: x for n, x in files(pid).items() if x.startswith(str(g.state))}
    # an empty file that is only held: no other courier works meanwhile
    locks = [str(g.state / "courier-lock")] if role == "courier" else []
    assert list(below_state.values()) == locks
    for n in below_state:
        flags = re.search(r"^flags:\s*([0-7]+)", proc(pid, f"fdinfo/{n}").decode(), re.M)[1]
        assert int(flags, 8) & os.O_ACCMODE == os.O_RDONLY


def test_the_gate_listens_on_one_port_only(g):
    (pid,) = g.pids("gate")
    heard = [listening()[s] for s in sockets(pid) if s in listening()]
    assert len(heard) == 1 and int(heard[0].rsplit(":", 1)[1], 16) == int(g.address.rsplit(":", 1)[1])


def test_the_gate_has_no_credential_and_no_config_open(g):
    (pid,) = g.pids("gate")
    named = {x for x in files(pid).values() if x.startswith("/") and "(deleted)" not in x}
    known = (str(g.state), "/dev/", str(g.log_file), str(g.listen_file))
    assert all(x.startswith(known) for x in named), named
    assert not any(str(g.keys) in x for x in named)


def test_the_supervisor_has_no_sockets_to_peers(g):
    assert not sockets(g.process.pid) & set(listening())
    assert not sockets(g.process.pid) & udp_and_raw()


def test_no_secret_in_what_others_can_see(g):
    for role, pid in each(g):
        try:
            assert MARK.encode() not in proc(pid, "cmdline")
            # credential helpers may need what whoever starts gitgate set
            if role != "courier":
                assert MARK.encode() not in proc(pid, "environ"), role
        except GONE:
            assert role == "inspector"
    assert MARK not in g.log()
    for path, content in contents_below(g.state):
        assert MARK.encode() not in content, path
    for path in ("/metrics", "/healthz", "/readyz"):
        assert MARK not in http("GET", g.url + path).text


def test_the_gates_memory_never_had_the_password(g):
    """Not even in bytes that were freed."""
    (pid,) = g.pids("gate")
    seen = 0
    for line in proc(pid, "maps").decode().splitlines():
        span, perms = line.split()[:2]
        if perms[:2] != "rw" or "[v" in line:
            continue
        low, high = (int(x, 16) for x in span.split("-"))
        if high - low > 1 << 30:
            continue
        try:
            with open(f"/proc/{pid}/mem", "rb") as f:
                f.seek(low)
                data = f.read(high - low)
        except PermissionError:
            pytest.skip("this root may not read other processes")
        except OSError:
            continue
        seen += len(data)
        assert MARK.encode() not in data, line
    assert seen > 1 << 16


@pytest.mark.skipif(SANITIZED, reason="a sanitizer build holds more open")
def test_the_messenger_holds_no_file(g):
    """The configuration came by a socket; a secret is read when it is used."""
    (pid,) = g.pids("messenger")
    named = {x for x in files(pid).values() if x.startswith("/") and "(deleted)" not in x}
    assert named <= {"/dev/null", str(g.log_file)}, named


def test_executables_are_linked_with_what_their_role_needs():
    if SANITIZED:
        pytest.skip("a sanitizer build is linked in its own way")
    p = subprocess.run([ROOT / "tests/lint/links.sh", str(BIN)], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
