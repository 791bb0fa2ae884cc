"""Running it: stop and start, reload, health, what is away, one state each."""

import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import postgres
import pytest
import yaml
from gate import BIN, PROTECT_MAIN, everything_below, hold_id, http, make_upstream, ref, until, vkey

DENY_DOCS = {"name": "no-docs", "when": {"paths": ["docs/**"]}, "then": "deny", "message": "Docs are frozen."}


def verified(g):
    p = g.cli("audit", "verify", "--key", vkey(g), str(g.state / "log"))
    return p.stdout


# -- stop and start --


def test_stop_and_start_keep_holds(g):
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    wanted = work.commit({"a": "a\n"}, "for main")
    id = hold_id(work.push("main", ok=False))
    before = g.hold(id, ann)
    g.stop()
    assert not g.pids("gate")
    g.start()
    after = g.hold(id, ann)
    assert {k: v for k, v in after.items() if k != "url"} == {k: v for k, v in before.items() if k != "url"}
    assert after["state"] == "pending"
    assert g.review(id, ann).status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == wanted
    verified(g)


def test_stop_tells_those_who_wait(g):
    """A client in the middle of waiting gets a normal refusal, not a cut."""
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    work.commit({"a": "a\n"}, "for main")
    p = subprocess.Popen(
        ["git", "push", "-o", "gitgate.wait=10m", "origin", "main"],
        cwd=work.path, env=work.env, stderr=subprocess.PIPE, text=True,
    )
    (hold,) = until("held", lambda: g.api("GET", "/holds?state=pending", ann).json["holds"])
    until("it waits", lambda: "gitgate_waiting_clients 1" in http("GET", g.url + "/metrics").text)
    g.stop()
    err = p.communicate(timeout=60)[1]
    assert p.returncode == 1 and "held for approval: " in err and hold["id"] in err
    g.start()
    assert g.hold(hold["id"], ann)["state"] == "pending"


# -- reload --


def test_reload_of_policy_and_config(g, tmp_path):
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.run("checkout", "-q", "-b", "one")
    work.commit({"docs/a": "a\n"}, "docs")
    work.push("one", ok=True)

    g.policy({"rules": [DENY_DOCS]}, "20-docs.yaml")
    other = make_upstream(tmp_path / "other.git", {"README": "other\n"})
    g.config["repositories"].append({"path": "demo/other", "upstream": str(other)})
    assert g.reload()
    work.run("checkout", "-q", "-b", "two")
    work.commit({"docs/b": "b\n"}, "more docs")
    assert "denied by rule no-docs: Docs are frozen." in work.push("two", ok=False).stderr
    # a repository that came with the reload, through a courier with new walls
    more = g.clone(bot, "demo/other")
    more.run("checkout", "-q", "-b", "x")
    tip = more.commit({"x": "x\n"})
    more.push("x", ok=True)
    assert ref(other, "refs/heads/x") == tip
    assert "config.loaded" in g.cli("audit", "query", "--type", "config.loaded").stdout


@pytest.mark.parametrize(
    "file, text, where",
    [
        ("policy", "rules:\n  - name: x\n    when: {refz: [main]}\n    then: deny\n", r"10-test\.yaml:3: .*refz"),
        ("policy", "rules:\n  - name: x\n    when: {refs: ['[']}\n    then: deny\n", r"10-test\.yaml:3: "),
        ("policy", "rules: [\n", r"10-test\.yaml:\d+: "),
        ("config", "sandbox: maybe\n", r"gitgate\.yaml:1: "),
        ("config", None, r"state-dir.*only with a restart"),
    ],
    ids=["unknown key", "bad glob", "no yaml", "bad value", "another state-dir"],
)
def test_a_broken_reload_changes_nothing(make_gate, file, text, where):
    g = make_gate(rules=[PROTECT_MAIN, DENY_DOCS])
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    if file == "policy":
        g.policy(text)
        assert not g.reload()
    else:
        if text is None:
            g.config["state-dir"] = str(g.dir / "elsewhere")
            g.write_config()
        else:
            g.config_file.write_text(text + g.config_file.read_text())
        before = g.log()
        g.process.send_signal(signal.SIGHUP)
        until("refused", lambda: "event=reload_failed" in g.log()[len(before):], log=g.log)
    (line,) = [x for x in g.log().splitlines() if "event=reload_failed" in x]
    assert re.search(where, line), line
    assert line.startswith("<3>")
    # the old rules are in force, for old and new clients
    work.commit({"docs/a": "a\n"}, "docs")
    assert "denied by rule no-docs" in work.push("HEAD:refs/heads/y", ok=False).stderr
    assert http("GET", g.url + "/readyz").status == 200


@pytest.mark.parametrize(
    "file, text, where",
    [
        ("policy", "rules:\n  - name: x\n    then: maybe\n", r"10-test\.yaml:3: "),
        ("config", "listne: x\n", r"gitgate\.yaml:1: .*listne"),
        ("nothing", "", r"policy\.d"),
    ],
)
def test_a_broken_start_is_refused(make_gate, file, text, where):
    g = make_gate(start=False)
    if file == "policy":
        g.policy(text)
    elif file == "config":
        g.config_file.write_text(text + g.config_file.read_text())
    else:
        shutil.rmtree(g.policy_dir)
    p = subprocess.run(
        [BIN / "gitgate", "--config", g.config_file, "serve"], capture_output=True, text=True, timeout=60
    )
    assert p.returncode == 1
    assert re.search(where, p.stderr), p.stderr
    assert not g.listen_file.exists() and not g.state.exists()


# -- health --


def samples(text):
    """Prometheus text 0.0.4, strictly; {name: value}."""
    found, kind, helped = {}, {}, set()
    for line in text.splitlines():
        if m := re.fullmatch(r"# HELP ([a-z_]+) (.+)", line):
            assert m[1] not in helped
            helped.add(m[1])
        elif m := re.fullmatch(r"# TYPE ([a-z_]+) (counter|gauge)", line):
            assert m[1] in helped and m[1] not in kind
            kind[m[1]] = m[2]
            assert m[1].endswith("_total") == (m[2] == "counter")
        else:
            m = re.fullmatch(r"(([a-z_]+)(?:\{[a-z_]+=\"[a-z-]+\"\})?) (\d+)", line)
            assert m and m[2] in kind and m[1] not in found, line
            found[m[1]] = int(m[3])
    assert text.endswith("\n") and {name.partition("{")[0] for name in found} == set(kind)
    return found


def test_health_and_metrics(make_gate):
    g = make_gate(rules=[PROTECT_MAIN, DENY_DOCS])
    assert (http("GET", g.url + "/healthz").status, http("GET", g.url + "/healthz").text.strip()) == (200, "ok")
    assert http("GET", g.url + "/readyz").text.strip() == "ready"
    a = http("GET", g.url + "/metrics")
    assert a.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    first = samples(a.text)
    assert first["gitgate_audit_writable"] == 1 and first["gitgate_pushes_total"] == 0

    bot = g.token("bot", "agents")
    work = g.clone(bot)
    base = work.head()
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/a", ok=True)
    work.push("HEAD:main", ok=False)
    work.run("reset", "-q", "--hard", base)
    work.commit({"docs/a": "a\n"})
    work.push("HEAD:refs/heads/b", ok=False)
    bad = subprocess.run(["git", "ls-remote", g.remote("ggt_" + "x" * 36)], capture_output=True, env=work.env)
    assert bad.returncode != 0
    def now():
        return samples(http("GET", g.url + "/metrics").text)

    until("counted", lambda: now()["gitgate_pushes_total"] >= 3)
    last = now()
    for name, more in (("pushes", 3), ("pushes_forwarded", 1), ("pushes_held", 1), ("pushes_denied", 1)):
        assert last[f"gitgate_{name}_total"] == first[f"gitgate_{name}_total"] + more, name
    assert last["gitgate_holds_pending"] == 1
    assert last["gitgate_auth_failures_total"] >= 1
    assert last["gitgate_fetches_total"] >= 1
    assert last["gitgate_audit_entries"] > first["gitgate_audit_entries"]
    # no names, addresses or tokens in there
    assert "bot" not in http("GET", g.url + "/metrics").text


def test_not_ready_without_a_courier(g):
    (pid,) = g.pids("courier")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert http("GET", g.url + "/readyz").status == 200  # slow is not gone
    finally:
        os.kill(pid, signal.SIGKILL)
    until("another courier", lambda: [p for p in g.pids("courier") if p != pid])
    until("ready again", lambda: http("GET", g.url + "/readyz").status == 200)
    g.said("event=role_died")


# -- files --


def test_listen_file_and_modes(g):
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", g.listen_file.read_text())
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/a", ok=True)
    work.push("main", ok=False)
    assert stat.S_IMODE(g.state.stat().st_mode) == 0o700
    for p in everything_below(g.state):
        try:
            mode = stat.S_IMODE(p.lstat().st_mode)
        except FileNotFoundError:
            continue
        if p.is_symlink():
            continue
        public = p.name == "vkey" or p.parent.name.startswith(("tile", "x")) or "tile" in p.parts
        assert mode & 0o077 == 0 or (public and mode & 0o022 == 0), (p, oct(mode))
    assert stat.S_IMODE((g.state / "log-key").stat().st_mode) == 0o600
    assert stat.S_IMODE((g.state / "gitgate.db").stat().st_mode) == 0o600


def test_doctor_of_a_running_gate(g):
    p = g.cli("doctor", "--json", check=False)
    found = json.loads(p.stdout)
    assert p.returncode == 0, found
    assert not [f for f in found if f["health"] == "error"]
    g.state.chmod(0o755)
    assert "open to others" in g.cli("doctor", check=False).stdout
    g.state.chmod(0o700)


def test_a_second_gate_on_the_same_state_is_refused(g, tmp_path):
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    second = {**g.config, "listen-file": str(tmp_path / "second-listen")}
    file = tmp_path / "second.yaml"
    file.write_text(yaml.safe_dump(second))
    p = subprocess.run([BIN / "gitgate", "--config", file, "serve"], capture_output=True, text=True, timeout=60)
    assert p.returncode == 1 and re.search(r"in use|another|lock", p.stderr), p.stderr
    assert http("GET", g.url + "/readyz").status == 200
    work.commit({"a": "a\n"})
    work.push("HEAD:refs/heads/a", ok=True)
    g.stop()
    verified(g)


def moved(g, work):
    """The gate has another port after a restart."""
    token = re.search(r"//(x:[^@]+@)", work.out("remote", "get-url", "origin"))[1]
    work.run("remote", "set-url", "origin", f"http://{token}{g.address}/demo/app.git")
    return work


def test_a_log_behind_the_database_is_refused(g):
    """Somebody put an older log back, or cut its end and signed anew."""
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.commit({"a": "a\n"})
    g.stop()
    older = g.dir / "older"
    shutil.copytree(g.state / "log", older)
    g.start()
    moved(g, work).push("HEAD:refs/heads/a", ok=True)
    g.stop()
    newer = g.dir / "newer"
    (g.state / "log").rename(newer)
    older.rename(g.state / "log")
    g.start(wait=False)
    assert g.process.wait(60) == 1
    assert re.search(r"the audit log has \d+ entries, but the database has seen \d+", g.log()), g.log()
    # nothing was written to it: with the right one back it goes on
    shutil.rmtree(g.state / "log")
    newer.rename(g.state / "log")
    g.start()
    verified(g)


def test_an_empty_log_under_a_used_database_is_refused(g):
    g.token("bot", "agents")
    until("the act is in the log", lambda: "admin.token.create" in g.cli("audit", "query").stdout)
    g.stop()
    kept = g.dir / "kept"
    (g.state / "log").rename(kept)
    g.start(wait=False)
    assert g.process.wait(60) == 1, "a log that vanished was replaced in silence"
    shutil.rmtree(g.state / "log", ignore_errors=True)
    kept.rename(g.state / "log")
    g.start()
    verified(g)


# -- the disk is full --

SMALL_DISK = os.environ.get("GITGATE_TEST_SMALL_DISK")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, to mount a small disk")
@pytest.mark.skipif(SMALL_DISK is not None, reason="this is the inner run")
def test_full_disk(tmp_path):
    """The tests below, in a mount namespace of their own with a small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    p = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         'mount -t tmpfs -o size=48m tmpfs "$GITGATE_TEST_SMALL_DISK" && exec "$@"', "sh",
         sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         f"--basetemp={tmp_path / 'inner'}", __file__, "-k", "small_disk"],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}, "GITGATE_TEST_SMALL_DISK": str(disk)},
        capture_output=True, text=True, timeout=400,
    )
    if "unshare:" in p.stderr or ("mount:" in p.stderr and "permission denied" in p.stderr):
        pytest.skip("may not mount here")
    assert p.returncode == 0, p.stdout + p.stderr
    assert " passed" in p.stdout and "skipped" not in p.stdout


inner = pytest.mark.skipif(SMALL_DISK is None, reason="runs inside of test_full_disk")


class Filler:
    """A file that takes the room but for so many bytes."""

    def __init__(self, left):
        self.path = f"{SMALL_DISK}/filler"
        with open(self.path, "wb") as f:
            until("the rest of the room is taken", lambda: self.take(f.fileno(), left))

    @staticmethod
    def take(fd, left):
        """False: the gate took some of it in between."""
        fs = os.statvfs(SMALL_DISK)
        try:
            os.posix_fallocate(fd, 0, fs.f_bavail * fs.f_frsize - left)
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)


@pytest.fixture
def small(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"state-dir": SMALL_DISK + "/state", "limits": {"disk-reserve": "4MiB"}}, start=False)
    g.state = Path(SMALL_DISK) / "state"
    g.start()
    yield g
    if g.process.poll() is None:
        g.stop(check=False)
    shutil.rmtree(g.state)


def refused(p):
    # 128 where it ended at info/refs already
    assert p.returncode in (1, 128), p.stderr
    assert re.search(r"remote rejected|gate unavailable", p.stderr), p.stderr
    assert "hung up" not in p.stderr and "unexpected disconnect" not in p.stderr, p.stderr
    return p.stderr


@inner
def test_small_disk_a_push_that_does_not_fit(small):
    g = small
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    base = work.head()
    wanted = work.commit({"a": "a\n"}, "for main")
    id = hold_id(work.push("main", ok=False))
    work.run("reset", "-q", "--hard", base)
    work.commit({"big": os.urandom(12 << 20)}, "big")
    with Filler(10 << 20):
        said = refused(work.run("push", "origin", "HEAD:refs/heads/big", check=False))
        assert "limit disk-reserve: " in said, said
        assert ref(g.upstream, "refs/heads/big") is None
        assert g.hold(id, ann)["state"] == "pending"
        # a small one still fits: the big one left nothing behind
        work.run("reset", "-q", "--hard", base)
        work.commit({"small": "s\n"}, "small")
        work.push("HEAD:refs/heads/small", ok=True)
    assert g.review(id, ann).status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == wanted
    verified(g)


@inner
def test_small_disk_with_no_room_at_all(small):
    g = small
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    base = work.head()
    wanted = work.commit({"a": "a\n"}, "for main")
    id = hold_id(work.push("main", ok=False))
    work.run("reset", "-q", "--hard", base)
    tip = work.commit({"b": "b\n"}, "small")
    with Filler(0):
        for _ in range(3):
            refused(work.run("push", "origin", "HEAD:refs/heads/b", check=False))
        assert ref(g.upstream, "refs/heads/b") is None
        # a review that cannot be recorded is refused, and nothing lands
        a = g.review(id, ann)
        assert a.status >= 500, a.text
        assert ref(g.upstream, "refs/heads/main") == base
        assert http("GET", g.url + "/healthz").status == 200
    # with room again: without anybody's help, or the readiness says so
    g.wait_ready()
    moved(g, work).push("HEAD:refs/heads/b", ok=True)
    assert ref(g.upstream, "refs/heads/b") == tip
    assert g.hold(id, ann)["state"] == "pending"
    assert g.review(id, ann).status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == wanted
    verified(g)


# -- PostgreSQL --


@pytest.fixture
def server():
    """One that is stopped and started."""
    with postgres.cluster() as c:
        yield c


def test_postgresql(server, make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"store": server.url})
    assert not (g.state / "gitgate.db").exists()
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    base = work.head()
    feature = work.commit({"f": "f\n"}, "feature")
    work.push("HEAD:refs/heads/feature", ok=True)
    assert ref(g.upstream, "refs/heads/feature") == feature
    work.run("reset", "-q", "--hard", base)
    wanted = work.commit({"a": "a\n"}, "for main")
    id = hold_id(work.push("main", ok=False))
    tip = work.commit({"c": "c\n"}, "later")

    server.stop()
    a = until("not ready", lambda: (r := http("GET", g.url + "/readyz")).status == 503 and r)
    assert "database" in a.text
    p = work.run("push", "origin", "HEAD:refs/heads/c", check=False)
    assert p.returncode != 0 and "gate unavailable" in p.stderr, p.stderr
    assert ref(g.upstream, "refs/heads/c") is None
    assert g.review(id, ann).status == 503
    assert http("GET", g.url + "/healthz").status == 200

    server.start()
    until("ready again", lambda: http("GET", g.url + "/readyz").status == 200, log=g.log)
    work.push("HEAD:refs/heads/c", ok=True)
    assert ref(g.upstream, "refs/heads/c") == tip
    assert g.hold(id, ann)["state"] == "pending"
    assert g.review(id, ann).status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == wanted
    g.stop()
    verified(g)


def test_database_away_at_start(server, make_gate):
    server.stop()
    g = make_gate(config={"store": server.url}, start=False)
    g.start(wait=False)
    assert g.process.wait(60) == 1
    assert "store" in g.log()
    server.start()
    g.start()
