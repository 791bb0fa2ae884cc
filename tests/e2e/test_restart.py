"""Kills and quick starts: what is left of the last run does nothing any more
when the next one works, and the next one comes up by itself."""

import concurrent.futures
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import make
import processes
import pytest
import raw_push
from crash import SHORT, hook
from gate import PROTECT_MAIN, contents_below, everything_below, http, make_upstream, ref, until
from witness import PaperLog, Process


def family(leader):
    """Processes of the session that a gate's supervisor leads or led."""
    return {p.pid for p in processes.everything() if p.session == leader and p.state != "Z"}


def is_alive(pid):
    p = processes.stat(pid)
    return p is not None and p.state != "Z"


def kill_supervisor(gate):
    """SIGKILL to it alone; its process id."""
    pid = gate.process.pid
    gate.process.kill()
    gate.process.wait()
    return pid


def serve(gate, **kw):
    """Another `gitgate serve` with the gate's configuration."""
    return subprocess.Popen(
        [str(gate.bin / "gitgate"), "--config", str(gate.config_file), "serve"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        **kw,
    )


@contextlib.contextmanager
def locked(path):
    """Stands for a process that holds a lock, and does not die yet."""
    with open(path, "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # after who was killed
        yield


def is_up(gate):
    """It listens; it need not be ready."""
    with contextlib.suppress(OSError):
        return gate.address and http("GET", gate.url + "/healthz", timeout=5).status == 200


def settled(gate, token, id):
    def done():
        p = gate.api("GET", f"/pushes/{id}", token).json
        return p if p["state"] not in ("receiving", "forwarding") else None

    return until(f"push {id} has ended", done, log=gate.log)


# -- the whole --


def test_nothing_survives_its_supervisor(g):
    """The kernel ends the children: none of them has to notice."""
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    for n in range(5):
        roles = [p for role in ("gate", "messenger", "inspector") for p in g.pids(role)]
        assert len(roles) >= 3
        os.kill(roles[0], signal.SIGSTOP)  # one that would never notice
        old = kill_supervisor(g)
        g.start()
        until("all have ended", lambda old=old: not family(old), log=g.log)
        work.run("remote", "set-url", "origin", g.remote(bot))
        work.commit({"a": f"{n}\n"})
        work.push(f"HEAD:refs/heads/t{n}", ok=True)
        assert ref(g.upstream, f"refs/heads/t{n}") == work.head()


def test_the_gate_of_before_is_waited_for(make_gate):
    """One that cannot even be killed yet, in the middle of a write."""
    gate = make_gate()
    gate.kill()
    with locked(gate.state / "log" / "lock"):
        gate.start(wait=False)
        until("it waits", lambda: "event=log_busy" in gate.log(), log=gate.log)
        assert gate.process.poll() is None
    gate.wait_ready()
    assert gate.log().count("event=log_busy") == 1


def test_the_supervisor_of_before_is_waited_for(make_gate):
    gate = make_gate()
    gate.kill()
    started = gate.log().count("event=started")
    with locked(gate.state / "lock"):
        gate.start(wait=False)
        until("it waits", lambda: "event=start_waits role=supervisor for=\"lock\"" in gate.log(), log=gate.log)
        assert gate.log().count("event=started") == started and len(family(gate.process.pid)) == 1
        # said by then, taken when it goes on
        gate.process.send_signal(signal.SIGHUP)
    gate.wait_ready()
    until("the reload was taken", lambda: "event=reloaded" in gate.log(), log=gate.log)
    assert gate.log().count("event=start_waits") == 1


def test_start_after_kill_again_and_again(make_gate):
    """The same port, at once, with clients connected: no start fails."""
    gate = make_gate(rules=[PROTECT_MAIN])
    bot = gate.token("bot", "agents")
    gate.config["listen"] = gate.address
    work = gate.clone(bot)
    for n in range(8):
        host, port = gate.address.split(":")
        with socket.create_connection((host, int(port))) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in s.recv(100)
            if n % 2:
                gate.kill()
            else:
                kill_supervisor(gate)
            gate.start()
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/topic", ok=True)
    assert gate.log().count("event=started role=gate") == 9


def run_dir(gate):
    return Path((gate.state / "run-dir").read_text().strip())


@pytest.mark.skipif("RUNTIME_DIRECTORY" in os.environ, reason="there the service manager removes it")
def test_what_is_left_in_tmp_goes(make_gate):
    """When the next one stops: a courier of before may still use it. Not what
    another one works with, nor what was never gitgate's."""
    gate, other = make_gate(), make_gate()
    left = run_dir(gate)
    gate.kill()
    (left / "socket").touch()
    gate.start()
    assert run_dir(gate) == left and (left / "socket").exists()
    gate.stop()
    assert not left.exists()
    gate.start()
    assert run_dir(gate) != left and run_dir(gate).is_dir()
    gate.stop()
    for text in (str(run_dir(other)), str(gate.home), "/tmp/gitgate-../xyz", "/tmp/gitgate-", ""):
        (gate.state / "run-dir").write_text(text + "\n")
        gate.start()
        gate.stop()
    assert run_dir(other).is_dir() and gate.home.is_dir()


def start_by(gate, *command, **kw):
    """By somebody with odd habits."""
    gate.write_config()
    gitgate = [str(gate.bin / "gitgate"), "--config", str(gate.config_file), "serve"]
    gate.process = subprocess.Popen([*command, *gitgate], start_new_session=True, **kw)
    gate.wait_ready()


def test_closed_standard_descriptors(make_gate):
    """What is opened first must not become where lines of the log go."""
    gate = make_gate(start=False)
    start_by(gate, "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    gate.clone(gate.token("bot", "agents")).push("HEAD:refs/heads/topic", ok=True)
    gate.stop()
    assert [p for p, text in contents_below(gate.state) if b"event=" in text] == []


def test_started_by_who_ignores_its_children(make_gate):
    """A role that ends is seen nevertheless."""
    gate = make_gate(start=False)
    start_by(gate, stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    [courier] = gate.pids("courier")
    os.kill(courier, signal.SIGKILL)
    until("there is another one", lambda: gate.pids("courier") not in ([], [courier]))
    gate.stop()


# -- the database, the disk --


def psql(url, sql):
    """A client that dies while its statement runs, which it goes on doing."""
    p = subprocess.Popen(["psql", "-X", "-q", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write(f"BEGIN;\n{sql};\n\\echo begun\nSELECT pg_sleep(3);\nCOMMIT;\n")
    p.stdin.close()
    assert p.stdout.readline() == "begun\n"
    return p


@pytest.mark.skipif(shutil.which("psql") is None, reason="no psql here")
def test_a_transaction_of_before_on_postgresql(database, make_gate):
    gate = make_gate(config={"store": database})
    bot = gate.token("bot", "agents")
    gate.kill()
    p = psql(database, "LOCK TABLE audit_index, meta, push IN EXCLUSIVE MODE")
    gate.start(wait=False)
    p.kill()
    p.wait()
    gate.wait_ready()
    work = gate.clone(bot)
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/topic", ok=True)


def test_a_transaction_of_before_on_sqlite(make_gate):
    gate = make_gate()
    gate.kill()
    db = sqlite3.connect(gate.state / "gitgate.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    gate.start(wait=False)
    until("a gate starts", lambda: gate.pids("gate"), log=gate.log)
    time.sleep(0.5)  # its first write waits, if it is there by then
    db.execute("ROLLBACK")
    db.close()
    gate.wait_ready()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_no_room_at_the_start(make_gate, tmp_path):
    """It says so, and starts when there is some again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        gate = make_gate(config={"state-dir": str(disk / "state")}, start=False)
        (disk / "fill").write_bytes(bytes(5 << 20))
        gate.start(wait=False)
        assert gate.process.wait(60) == 1
        said = gate.log().splitlines()[-1]
        assert f"gitgate: there is no room in the state directory {disk}/state: " in said, said
        (disk / "fill").unlink()
        gate.start()
        gate.stop()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        gate.start(wait=False)
        assert gate.process.wait(60) == 1
        assert "Read-only file system" in gate.log().splitlines()[-1], gate.log()
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        gate.start()
        gate.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_witness_of_before_is_waited_for(tmp_path):
    w = Process(tmp_path / "w", [PaperLog().vkey]).start()
    w.stop(kill=True)
    w.listen_file.write_text("127.0.0.1:12345\nand more\n")
    with locked(w.state / "lock"), open(w.log_file, "ab") as log:
        w.process = subprocess.Popen(w.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        time.sleep(0.3)  # it waits, if it came so far by then
        assert w.process.poll() is None
    until("it has started", lambda: w.is_up(1), log=w.text)
    assert w.listen_file.read_text().count("\n") == 1
    w.stop()


# -- beside another --


def stamps(gate):
    """Names, sizes and times of what a start may touch."""
    found = {}
    for path in (*everything_below(gate.state), gate.listen_file):
        st = path.lstat()
        found[str(path)] = (st.st_mode, st.st_size, st.st_mtime_ns, st.st_ino)
    return found


@contextlib.contextmanager
def frozen(gate):
    """Whatever changes meanwhile, it was not this gate."""
    pids = family(gate.process.pid)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        until("all stand still", lambda: all(processes.stat(p).state == "T" for p in pids))
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def other_listener():
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield s, f"127.0.0.1:{s.getsockname()[1]}"


def test_what_stays_taken_is_refused(make_gate):
    """The right to the state directory comes before all that changes it; and a
    port that is another's is named."""
    gate, other = make_gate(), make_gate(start=False)
    with other_listener() as (_, at), frozen(gate):
        other.config["listen"] = at
        other.start(wait=False)
        before = stamps(gate)
        second = serve(gate)
        said = second.communicate(timeout=60)[1]
        assert second.returncode == 1
        assert stamps(gate) == before
        assert other.process.wait(60) == 1
    assert http("GET", gate.url + "/readyz").status == 200
    last = said.splitlines()[-1]
    assert f"another `gitgate serve` (process {gate.process.pid}) has the state directory {gate.state}: " in last, said
    assert said.count("event=start_waits") == 1 and "event=started" not in said
    host, port = at.split(":")
    assert f"cannot listen on {host} port {port}: another process does" in other.log(), other.log()
    assert other.log().count("event=start_waits") == 1 and other.listen_file.read_text() == ""


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_waits_can_be_stopped(g, sig):
    second = serve(g)
    assert "event=start_waits" in second.stderr.readline()
    second.send_signal(sig)
    begin = time.monotonic()
    second.communicate(timeout=60)
    assert second.returncode == 0 and time.monotonic() - begin < 8
    assert http("GET", g.url + "/readyz").status == 200


def test_a_port_that_becomes_free(make_gate):
    gate = make_gate(start=False)
    with other_listener() as (s, at):
        gate.config["listen"] = at
        gate.start(wait=False)
        until("it waits", lambda: 'event=start_waits role=gate for="port"' in gate.log(), log=gate.log)
        s.close()
        gate.wait_ready()
    assert gate.address == at


# -- signals --


def test_signals_at_any_moment_of_a_start(make_gate):
    """SIGTERM ends it with 0 and nothing is left; SIGHUP ends nothing."""
    gate = make_gate()
    gate.stop()
    for n in range(10):
        gate.start(wait=False)
        leader = gate.process.pid
        until("it sees to signals", lambda: blocks(leader), log=gate.log)
        time.sleep(n * 0.04)
        gate.process.send_signal(signal.SIGHUP)
        gate.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        assert gate.process.wait(60) == 0, gate.log()
        assert time.monotonic() - begin < 10
        until("nobody is left", lambda: not family(leader), log=gate.log)
    gate.start()


def blocks(pid):
    text = (Path("/proc") / str(pid) / "status").read_text()
    blocked = int(re.search(r"^SigBlk:\s*([0-9a-f]+)", text, re.M)[1], 16)
    return blocked >> (signal.SIGTERM - 1) & 1


def test_reload_during_stop(make_gate):
    """It is not begun any more: systemd would take it for a start."""
    gate = make_gate(rules=[PROTECT_MAIN])
    gate.process.send_signal(signal.SIGTERM)
    until("it stops", lambda: "event=stopping role=supervisor" in gate.log(), log=gate.log)
    with contextlib.suppress(ProcessLookupError):
        for _ in range(20):
            gate.process.send_signal(signal.SIGHUP)
    assert gate.process.wait(60) == 0
    assert "event=reload" not in gate.log() and "event=role_died" not in gate.log()


def test_a_gate_starts_again_with_what_is_in_force(make_gate):
    """Not with what somebody is writing into the file."""
    gate = make_gate()
    gate.config_file.write_text("listen: [\n")
    [before] = gate.pids("gate")
    os.kill(before, signal.SIGKILL)
    until("another gate", lambda: gate.pids("gate") not in ([], [before]), log=gate.log)
    gate.wait_ready()
    gate.process.send_signal(signal.SIGHUP)
    until("the file is refused", lambda: "event=reload_failed" in gate.log(), log=gate.log)
    assert http("GET", gate.url + "/readyz").status == 200


# -- one role --


def test_roles_that_always_die(g):
    """They are started again, not as fast as they can die."""
    roles = ("gate", "courier", "messenger")
    begin = time.monotonic()
    for _ in range(4):
        pids = [until(f"a {role}", lambda role=role: g.pids(role), log=g.log)[0] for role in roles]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until("they have gone", lambda pids=pids: not any(map(is_alive, pids)), log=g.log)
    g.wait_ready()
    # the first were old enough to be started again at once
    assert time.monotonic() - begin > 3 * 0.9
    for role in roles:
        assert len(re.findall(rf'event=role_died role=supervisor process="{role}"', g.log())) == 4
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/topic", ok=True)


@pytest.mark.parametrize("victim", ["gate", "supervisor"])
def test_an_inspection_ends_with_its_gate(g, victim):
    """Also the git that indexes for it; and what it wrote goes."""
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    text = make.blob(os.urandom(200000))
    top = make.tree((b"100644", b"x", text))
    new = make.commit(top, [work.head()])
    body = raw_push.body([(make.ZERO, new.oid, "refs/heads/cut")], make.pack(text, top, new))
    quarantine = g.state / "quarantine"

    def indexing():
        """The git that does, and its inspector; others come and go."""
        if not any(quarantine.iterdir()):
            return None
        busy = [
            p for p in processes.everything() if p.session == session and p.name == "git" and "index-pack" in processes.argv(p.pid)
        ]
        return {p.pid for p in busy} | {p.parent for p in busy}

    session = g.process.pid
    with raw_push.connect(g, bot, len(body)) as s:
        s.sendall(body[:-1000])
        busy = until("git indexes", indexing, log=g.log)
        assert len(busy) == 2
        if victim == "gate":
            [before] = g.pids("gate")
            os.kill(before, signal.SIGKILL)
        else:
            kill_supervisor(g)
        until("both have ended", lambda: not any(map(is_alive, busy)), log=g.log)
        if victim == "gate":
            until("another gate", lambda: g.pids("gate") not in ([], [before]), log=g.log)
            g.wait_ready()
        else:
            g.start()
    until("the quarantine is empty", lambda: not any(quarantine.iterdir()), log=g.log)
    (push,) = g.api("GET", "/pushes", ann).json["pushes"]
    assert settled(g, ann, push["id"])["state"] == "aborted"


HOOKED = {
    "access": [{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}],
    "rules": [{"name": "ask", "when": {"hook": "slow"}, "then": "hold"}],
}


@pytest.mark.parametrize("victim", ["gate", "supervisor"])
def test_a_hook_program_ends_with_its_gate(make_gate, tmp_path, victim):
    """And what it began, though it left for a session of its own."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    program = hooks / "slow"
    # both are found by their argument
    name = f"slow-{os.getpid()}-{tmp_path.name}"
    program.write_text(f"#!/bin/sh\nsetsid sh -c 'while :; do sleep 0.1; done' {name} &\nexec sh -c 'while :; do sleep 0.1; done' {name}\n")
    program.chmod(0o755)
    g = make_gate(policy=HOOKED, config={"hooks-dir": str(hooks), "limits": {"hook-time": "10m"}})
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "a\n"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(work.run, "push", "origin", "HEAD:refs/heads/topic", check=False)
        until("it and its child run", lambda: len(named(name)) == 2, log=g.log)
        if victim == "gate":
            os.kill(g.pids("gate")[0], signal.SIGKILL)
        else:
            kill_supervisor(g)
        until("both have ended", lambda: not named(name), log=g.log)
        assert pushing.result().returncode != 0
    if victim == "supervisor":
        g.start()


def named(word):
    """Processes with this argument."""
    return [p.pid for p in processes.everything() if word in processes.argv(p.pid)]


# -- what has a relay in hand --


@pytest.fixture
def place(make_gate, tmp_path):
    """A gate that gives up soon on what may still be on its way."""
    bare = make_upstream(tmp_path / "upstream" / "app.git", {"README": "hello\n"})
    gate = make_gate(
        repositories=[{"path": "demo/app", "upstream": str(bare)}], config={"limits": {"upstream-idle": SHORT}}
    )
    gate.bare = bare
    gate.bot, gate.ann = gate.token("bot", "agents"), gate.token("ann", "maintainers", "auditors")
    gate.work = gate.clone(gate.bot)
    return gate


def test_a_relay_outlives_its_supervisor(place):
    """Its courier ends it, and no other one works meanwhile: so the gate does
    not take for lost what then lands."""
    g = place
    # Each of its lines is a sign of life: no silence ends it.
    hook(g.bare, "pre-receive", "touch there\nn=0\nwhile [ ! -e go ] && [ $n -lt 300 ]; do echo at it >&2; sleep 0.1; n=$((n+1)); done\n")
    oid = g.work.commit({"a": "a\n"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(g.work.run, "push", "origin", "HEAD:refs/heads/topic", check=False)
        until("upstream is at it", (g.bare / "there").exists, log=g.log)
        [courier] = g.pids("courier")
        kill_supervisor(g)
        g.start(wait=False)
        assert pushing.result().returncode != 0
        until("it listens", lambda: is_up(g), log=g.log)
        not_ready = "not ready: the courier is not running"
        until("it says why it is not ready", lambda: http("GET", g.url + "/readyz").text.strip() == not_ready, log=g.log)
        (push,) = g.api("GET", "/pushes", g.ann).json["pushes"]
        until("the next courier waits", lambda: "event=start_waits role=supervisor for=\"courier\"" in g.log(), log=g.log)
        # for longer than it would take a relay that nobody has for lost
        time.sleep(2.5)
        assert is_alive(courier) and g.pids("courier") == [], g.log()
        assert g.api("GET", f"/pushes/{push['id']}", g.ann).json["state"] == "forwarding"
        (g.bare / "go").write_text("")
    assert settled(g, g.ann, push["id"])["state"] == "forwarded"
    assert ref(g.bare, "refs/heads/topic") == oid
    assert not is_alive(courier) and len(g.pids("courier")) == 1
    g.work.run("remote", "set-url", "origin", g.remote(g.bot))
    g.work.push("HEAD:refs/heads/other", ok=True)
