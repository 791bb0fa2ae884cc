"""make install, the systemd unit and the manual pages."""

import ctypes
import os
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from gate import BIN, PROTECT_MAIN, ROOT, SANITIZED, Gate, hold_id, http, ref, until

PROGRAMS = ("gitgate-gate", "gitgate-inspector", "gitgate-courier", "gitgate-hook", "gitgate-messenger", "gitgate-saml")


def make_install(dest, prefix):
    """What is installed is the build under test; nothing is built here."""
    subprocess.run(
        ["make", "-s", "-o", "all", "install", f"DESTDIR={dest}", f"PREFIX={prefix}", f"B={BIN}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def tree(dest):
    return {
        "/" + str(p.relative_to(dest)): stat.S_IMODE(p.stat().st_mode) for p in dest.rglob("*") if p.is_file()
    }


def test_install_puts_every_file_in_its_place(tmp_path):
    make_install(tmp_path, "/usr")
    found = tree(tmp_path)
    assert found.pop("/usr/bin/gitgate") == 0o755
    assert found.pop("/usr/bin/gitgate-witness") == 0o755
    for name in PROGRAMS:
        assert found.pop(f"/usr/lib/gitgate/{name}") == 0o755
    for name in ("opa", "ticket"):
        assert found.pop(f"/usr/share/gitgate/hooks/{name}") == 0o755
    assert found.pop("/usr/share/gitgate/client/provenance") == 0o755
    assert set(found.values()) == {0o644}
    wanted = {
        "/usr/lib/systemd/system/gitgate.service",
        "/usr/lib/sysusers.d/gitgate.conf",
        "/usr/lib/tmpfiles.d/gitgate.conf",
        "/usr/lib/systemd/system/gitgate-witness.service",
        "/usr/share/man/man1/gitgate.1",
        "/usr/share/man/man1/gitgate-witness.1",
        "/usr/share/man/man5/gitgate.yaml.5",
        "/usr/share/doc/gitgate/README.md",
        "/usr/share/doc/gitgate/docs/operations.md",
        "/usr/share/doc/gitgate/docs/screenshots/hold-light-wide.png",
        "/usr/share/doc/gitgate/policy.d/schema.json",
        "/usr/share/doc/gitgate/policy.d/10-protected-branches.yaml",
        "/usr/share/doc/gitgate/examples/gitgate.yaml",
        "/usr/share/doc/gitgate/examples/Jenkinsfile",
        "/usr/share/doc/gitgate/examples/container/entrypoint.sh",
        "/usr/share/doc/gitgate/examples/issuers/gitlab.yaml",
    }
    assert wanted <= set(found), wanted - set(found)
    assert not [f for f in found if not f.startswith("/usr/")]


def test_installed_gate_serves_from_any_prefix(tmp_path):
    """The roles are found beside where gitgate was put, not where PREFIX was
    when it was built."""
    make_install(tmp_path, "/opt/gg")
    g = Gate(tmp_path / "g")
    g.write_config()
    program = tmp_path / "opt/gg/bin/gitgate"
    p = subprocess.Popen(
        [program, "--config", g.config_file, "serve"], stdin=subprocess.DEVNULL, stderr=open(g.log_file, "wb")
    )
    g.process = p
    try:
        g.wait_ready()
        for role in ("gate", "courier"):
            (pid,) = g.pids(role)
            exe = os.path.realpath(f"/proc/{pid}/exe")
            assert exe == str(tmp_path / f"opt/gg/lib/gitgate/gitgate-{role}")
    finally:
        g.stop(check=False)
    assert p.returncode == 0


@pytest.fixture
def notify_socket(tmp_path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(str(tmp_path / "notify"))
    s.settimeout(60)
    yield s
    s.close()


def datagram(s):
    return dict(line.split("=", 1) for line in s.recv(4096).decode().splitlines())


def test_service_manager_is_told(tmp_path, notify_socket):
    g = Gate(tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    g.start(wait=False)
    try:
        first = datagram(notify_socket)
        assert first == {"READY": "1", "STATUS": "serving"}
        assert http("GET", g.url + "/healthz").status == 200, "told only when it listens"
        for role in ("gate", "courier", "inspector"):
            for pid in until(role, lambda r=role: g.pids(r)):
                env = open(f"/proc/{pid}/environ", "rb").read()
                assert b"NOTIFY_SOCKET" not in env

        assert g.reload()
        begun = datagram(notify_socket)
        assert begun["RELOADING"] == "1" and begun["MONOTONIC_USEC"].isdigit()
        assert datagram(notify_socket) == {"READY": "1", "STATUS": "serving, configuration reloaded"}

        g.policy("rules: [")
        assert not g.reload()
        assert datagram(notify_socket)["RELOADING"] == "1"
        refused = datagram(notify_socket)
        assert refused["READY"] == "1" and "refused" in refused["STATUS"]
    finally:
        g.stop(check=False)
    assert datagram(notify_socket) == {"STOPPING": "1"}


def test_notify_socket_may_be_abstract(tmp_path):
    name = f"gitgate-test-{os.getpid()}-{tmp_path.name}"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("\0" + name)
    s.settimeout(60)
    with s:
        g = Gate(tmp_path, env={"NOTIFY_SOCKET": "@" + name})
        with g:
            assert datagram(s)["READY"] == "1"


def test_interrupt_of_the_whole_group_is_an_orderly_stop(g):
    """^C at a terminal goes to every process at once."""
    os.killpg(g.process.pid, signal.SIGINT)
    assert g.process.wait(60) == 0
    assert "event=role_died" not in g.log()
    for role in ("supervisor", "gate", "courier"):
        assert f"event=stopping role={role}" in g.log()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("name", ["gitgate", "gitgate-witness"])
def test_unit_is_valid_and_confined(tmp_path, name):
    make_install(tmp_path, "/usr")
    unit = tmp_path / f"usr/lib/systemd/system/{name}.service"
    text = unit.read_text()
    assert "@BINDIR@" not in text and f"ExecStart=/usr/bin/{name} " in text
    # the verifier wants the program to be there
    here = tmp_path / f"{name}.service"
    here.write_text(text.replace(f"/usr/bin/{name}", str(tmp_path / f"usr/bin/{name}")))
    p = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True, timeout=60
    )
    assert p.returncode == 0 and here.name not in p.stderr, p.stderr
    p = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25", str(here)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert p.returncode == 0, p.stdout[-300:] + p.stderr


def allowed_calls(group="@system-service"):
    p = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True)
    found = set()
    for word in p.stdout.split("\n")[1:]:
        word = word.strip()
        if word.startswith("@"):
            found |= allowed_calls(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers' own calls")
def test_unit_lets_the_inner_walls_be_built():
    """Every call that an inspector may make, and those that build its walls,
    are in the unit's filter (or it would fail only under systemd)."""
    text = (ROOT / "systemd/gitgate.service").read_text()
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        for word in line.split():
            allowed |= allowed_calls(word) if word.startswith("@") else {word}
    source = (ROOT / "gitgate/sandbox/calls.c").read_text()
    inspector = source.split("inspector_calls[]", 1)[1].split("};", 1)[0]
    calls = set(re.findall(r"ALLOW\((\w+)\)", inspector))
    assert {"seccomp", "landlock_restrict_self", "mmap"} <= calls
    unknown = {"futex_waitv"}  # younger than some systemd; not needed by glibc
    assert calls - allowed - unknown == set()


def test_sysusers_and_tmpfiles_are_understood(tmp_path):
    if not shutil.which("systemd-sysusers") or not shutil.which("systemd-tmpfiles"):
        pytest.skip("systemd-sysusers is not here")
    if os.geteuid() != 0:
        pytest.skip("needs root to give directories away")
    make_install(tmp_path, "/usr")
    (tmp_path / "etc").mkdir()
    for tool, conf, more in (("sysusers", "sysusers.d", []), ("tmpfiles", "tmpfiles.d", ["--create"])):
        p = subprocess.run(
            [f"systemd-{tool}", f"--root={tmp_path}", *more, str(tmp_path / f"usr/lib/{conf}/gitgate.conf")],
            capture_output=True,
            text=True,
        )
        assert p.returncode == 0, p.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    uid = re.search(r"^gitgate:[^:]*:(\d+):", passwd, re.M).group(1)
    keys = (tmp_path / "etc/gitgate/keys").stat()
    assert stat.S_IMODE(keys.st_mode) == 0o700 and str(keys.st_uid) == uid
    etc = (tmp_path / "etc/gitgate").stat()
    assert stat.S_IMODE(etc.st_mode) == 0o750 and etc.st_uid == 0


# -- manual pages (that each command has one: test_cli_local.py) --


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not here")
@pytest.mark.parametrize("page", sorted((ROOT / "man").glob("*.[1-9]")), ids=lambda p: p.name)
def test_manual_pages_are_clean(page):
    p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout


@pytest.mark.skipif(SANITIZED, reason="the sanitizers' own memory")
def test_nothing_makes_code_at_run_time(tmp_path):
    """MemoryDenyWriteExecute of the unit, as the kernel can do it too: the
    whole job works where no memory may become executable."""
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1

    def refuse():
        if libc.prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
            os._exit(99)

    if subprocess.run(["true"], preexec_fn=refuse).returncode == 99:
        pytest.skip("this kernel has no PR_SET_MDWE")
    g = Gate(tmp_path, rules=[PROTECT_MAIN])
    g.write_config()
    with open(g.log_file, "wb") as log:
        g.process = subprocess.Popen(
            [BIN / "gitgate", "--config", g.config_file, "serve"],
            stdin=subprocess.DEVNULL, stderr=log, start_new_session=True, preexec_fn=refuse,
        )
    try:
        g.wait_ready()
        bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
        work = g.clone(bot)
        wanted = work.commit({"a": "a\n" * 1000})
        id = hold_id(work.push("main", ok=False))
        assert g.review(id, ann).status == 200
        g.wait_hold(id, ann, "forwarded")
        assert ref(g.upstream, "refs/heads/main") == wanted
    finally:
        g.stop(check=False)


def test_credentials_of_the_service_manager(tmp_path):
    """The unit's example of LoadCredential=, as systemd hands it over."""
    unit = (ROOT / "systemd/gitgate.service").read_text()
    name = re.search(r"^# ssh-key: (\$CREDENTIALS_DIRECTORY/[\w-]+)$", unit, re.M).group(1)
    assert f"LoadCredential={name.split('/')[1]}:" in unit
    g = Gate(tmp_path, repositories=[
        {"path": "acme/app", "upstream": "ssh://git@git.example.com/acme/app.git",
         "credential": {"ssh-key": name, "known-hosts": str(tmp_path / "known_hosts")}},
    ])
    g.write_config()
    (tmp_path / "known_hosts").write_text("")
    key = tmp_path / "credentials" / name.split("/")[1]
    key.parent.mkdir()
    key.write_text("secret\n")
    key.chmod(0o400)
    env = {"CREDENTIALS_DIRECTORY": str(key.parent)}
    assert g.cli("check", env=env).returncode == 0
    assert str(key) in g.cli("doctor", env=env).stdout
    key.chmod(0o644)
    assert "open to others" in g.cli("doctor", env=env, check=False).stdout
