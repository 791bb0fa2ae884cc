"""What breaks, refuses: nothing goes upstream, the pusher is told, what was
held or logged is still there, and when it works again so does the gate."""

import contextlib
import os
import sqlite3
import subprocess
import threading

import make
import pytest
import raw_push
from gate import ACCESS, BIN, PROTECT_MAIN, ROOT, GateError, hold_id, http, ref, until, vkey

FAIL_BUILD = ROOT / "build" / "fp"
needs_fail_build = pytest.mark.skipif(
    not (FAIL_BUILD / "gitgate-gate").exists(), reason="no build with failpoints: make FAILPOINTS=1"
)


class Place:
    def __init__(self, make_gate, tmp_path, point=None, **kw):
        self.armed = tmp_path / "armed"
        if point:
            kw.update(env={"GITGATE_FAILPOINT": f"{point}=fail:{self.armed}"}, bin=FAIL_BUILD)
        self.g = make_gate(rules=[PROTECT_MAIN], **kw)
        self.bot = self.g.token("bot", "agents")
        self.ann = self.g.token("ann", "maintainers", "auditors")
        self.work = self.g.clone(self.bot)
        self.n = 0

    def commit(self):
        self.n += 1
        return self.work.commit({f"f{self.n}": f"{self.n}\n"})

    def hold(self):
        """A pending hold for main."""
        self.commit()
        return hold_id(self.work.push("HEAD:main", ok=False))

    def works(self):
        new = self.commit()
        name = f"refs/heads/works-{self.n}"
        self.work.push(f"HEAD:{name}", ok=True)
        assert ref(self.g.upstream, name) == new

    def refused(self, *words, name="refs/heads/refused"):
        before = self.refs()
        self.commit()
        p = self.work.run("push", "origin", f"HEAD:{name}", check=False)
        assert p.returncode != 0, p.stderr
        for w in words:
            assert w in p.stderr, p.stderr
        assert self.refs() == before
        return p

    def refs(self):
        git = ["git", "-c", "safe.directory=*", "for-each-ref"]
        return subprocess.run(git, cwd=self.g.upstream, capture_output=True, text=True, check=True).stdout

    def log_verifies(self):
        args = [BIN / "gitgate", "audit", "verify", "--strict", "--key", vkey(self.g), str(self.g.state / "log")]
        p = subprocess.run(args, capture_output=True, text=True)
        assert p.returncode == 0, p.stdout + p.stderr


@pytest.fixture
def place(make_gate, tmp_path):
    return Place(make_gate, tmp_path)


# -- the inspector --


def test_an_inspector_killed_at_work(place):
    g = place.g
    before = place.refs()
    text = make.blob(os.urandom(4000))
    top = make.tree((b"100644", b"x", text))
    new = make.commit(top, [place.work.head()])
    body = raw_push.body([(make.ZERO, new.oid, "refs/heads/killed")], make.pack(text, top, new))
    s = raw_push.connect(g, place.bot, len(body))
    s.sendall(body[:-1000])
    until("the inspector is at work", lambda: list((g.state / "quarantine").glob("*")), log=g.log)
    for pid in g.pids("inspector"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    s.sendall(body[-1000:])
    answer = b""
    while piece := s.recv(4096):
        answer += piece
        if b"0000" in answer.split(b"\r\n\r\n", 1)[-1]:
            break
    s.close()
    assert b"200 OK" in answer and b"ng refs/heads/killed gate unavailable: " in answer, answer
    assert place.refs() == before
    assert list((g.state / "quarantine").glob("*")) == []
    place.works()


def test_inspectors_that_cannot_start(make_gate, tmp_path):
    """The pool is empty for a while; it comes back by itself."""
    import shutil

    bin = tmp_path / "bin"
    bin.mkdir()
    for p in ("gitgate", "gitgate-gate", "gitgate-courier", "gitgate-inspector"):
        shutil.copy2(BIN / p, bin / p)
    place = Place(make_gate, tmp_path, bin=bin)
    place.works()
    (bin / "gitgate-inspector").rename(bin / "away")
    for pid in place.g.pids("inspector"):
        with contextlib.suppress(ProcessLookupError):  # it was at its end
            os.kill(pid, 9)
    new = place.commit()
    pushing = threading.Thread(target=place.work.push, args=("HEAD:refs/heads/waited",))
    pushing.start()
    until("one could not be started", lambda: "inspector_failed role=supervisor" in place.g.log(), log=place.g.log)
    assert place.g.pids("inspector") == []
    (bin / "away").rename(bin / "gitgate-inspector")
    pushing.join()
    assert ref(place.g.upstream, "refs/heads/waited") == new
    until("the pool is back", lambda: len(place.g.pids("inspector")) >= 2, log=place.g.log)
    place.works()


# -- files between inspection and review --


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_report_that_was_altered(place, how):
    g = place.g
    id = place.hold()
    first = ref(g.upstream, "refs/heads/main")
    report = g.state / "pushes" / g.hold(id, place.ann)["push"] / "report"
    data = report.read_bytes()
    if how == "gone":
        report.unlink()
    else:
        report.write_bytes(data[:-10] if how == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    a = g.review(id, place.ann)
    assert a.status >= 400 and a.headers["Content-Type"].startswith("application/problem+json"), a.text
    assert a.json["title"] or a.json["detail"]
    if how != "gone":
        assert "altered" in a.text, a.text
    assert g.hold(id, place.ann)["state"] == "pending"
    assert ref(g.upstream, "refs/heads/main") == first
    report.write_bytes(data)
    assert g.review(id, place.ann).status == 200
    g.wait_hold(id, place.ann, "forwarded")


@pytest.mark.parametrize("how", ["flipped", "gone"])
def test_a_recorded_pack_that_was_altered(place, how):
    """Upstream never gets objects that nobody looked at."""
    g = place.g
    id = place.hold()
    first, reviewed = ref(g.upstream, "refs/heads/main"), place.work.head()
    pack = g.state / "pushes" / g.hold(id, place.ann)["push"] / "pack"
    data = pack.read_bytes()
    if how == "gone":
        pack.unlink()
    else:
        pack.write_bytes(data[:40] + bytes([data[40] ^ 0xFF]) + data[41:])
    assert g.review(id, place.ann).status == 200
    if how == "gone":
        until("it was tried", lambda: "recorded pack" in g.log(), log=g.log)
        assert g.hold(id, place.ann)["state"] == "approved"
        assert ref(g.upstream, "refs/heads/main") == first
    else:
        # Upstream cannot read it and gets the pack that was looked at, which is
        # in quarantine (without that it fails: test_exactly.py).
        g.wait_hold(id, place.ann, "forwarded")
        assert ref(g.upstream, "refs/heads/main") == reviewed
        subprocess.run(["git", "-c", "safe.directory=*", "fsck", "--full", "--strict"], cwd=g.upstream, check=True, capture_output=True)
    place.works()


# -- the audit log --


@needs_fail_build
def test_an_audit_log_that_cannot_be_written(make_gate, tmp_path):
    place = Place(make_gate, tmp_path, "log.write")
    g = place.g
    id = place.hold()
    first = ref(g.upstream, "refs/heads/main")
    place.works()
    place.armed.write_text("")
    # the first one finds out
    place.refused("gate unavailable", "audit log")
    # from then on the advertisement says so
    a = http("GET", f"{g.url}/demo/app.git/info/refs?service=git-receive-pack", headers=raw_push.headers(place.bot))
    assert a.status == 503 and "audit log" in a.text
    assert a.headers["Content-Type"].startswith("text/plain")
    place.refused("audit log")
    assert http("GET", g.url + "/readyz").status == 503
    # a review is not taken, and nothing moves
    a = g.review(id, place.ann)
    assert a.status == 503, a.text
    assert g.hold(id, place.ann)["state"] == "pending"
    assert ref(g.upstream, "refs/heads/main") == first
    # reading goes on
    place.work.run("fetch", "-q", "origin")
    place.armed.unlink()
    until("the gate is back", lambda: g.log().count("event=started role=gate") == 2, log=g.log)
    g.wait_ready()
    place.work.run("remote", "set-url", "origin", g.remote(place.bot))  # another port
    place.works()
    assert g.hold(id, place.ann)["state"] == "pending"
    assert g.review(id, place.ann).status == 200
    g.wait_hold(id, place.ann, "forwarded")
    place.log_verifies()


# -- the store --


def test_a_database_that_is_locked(place):
    """It waits a little; then it refuses."""
    g = place.g
    id = place.hold()
    first = ref(g.upstream, "refs/heads/main")
    db = sqlite3.connect(g.state / "gitgate.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    answers = []
    review = threading.Thread(target=lambda: answers.append(g.review(id, place.ann)))
    review.start()
    try:
        place.refused("gate unavailable")
    finally:
        review.join()
        db.execute("ROLLBACK")
        db.close()
    assert answers[0].status in (500, 503), answers[0].text
    until("the index has what was logged meanwhile", lambda: g.audit(place.ann, type="push.refused"), log=g.log)
    assert ref(g.upstream, "refs/heads/main") == first
    until("the hold is pending", lambda: g.hold(id, place.ann)["state"] == "pending", log=g.log)
    place.works()
    assert g.review(id, place.ann).status == 200
    g.wait_hold(id, place.ann, "forwarded")
    place.log_verifies()


# -- directories --


@pytest.mark.parametrize("name", ["quarantine", "pushes"])
def test_a_directory_that_cannot_be_made(place, name):
    """Its parent is a file for a while, as after an error of the disk."""
    g = place.g
    place.works()
    (g.state / name).rename(g.state / "away")
    (g.state / name).write_text("")
    try:
        place.refused("gate unavailable")
    finally:
        (g.state / name).unlink()
        (g.state / "away").rename(g.state / name)
    # inspectors that started meanwhile see another directory, and fail
    until("it works again", lambda: place.work.push("HEAD:refs/heads/again").returncode == 0, log=g.log)
    place.works()


# -- policy --


@pytest.mark.parametrize(
    "text, what",
    [
        ("rules: [", "10-test.yaml"),
        ("rulez: []\n", "rulez"),
        ("rules:\n  - name: x\n    when: {paths: ['[']}\n    then: deny\n", "10-test.yaml"),
        ("rules:\n  - name: x\n    then: maybe\n", "then must be"),
    ],
)
def test_a_broken_policy_at_reload_keeps_the_old_one(place, text, what):
    g = place.g
    g.policy(text)
    assert g.reload() is False
    assert what in g.log().rsplit("event=reload_failed", 1)[1]
    first = ref(g.upstream, "refs/heads/main")
    place.hold()
    assert ref(g.upstream, "refs/heads/main") == first
    place.works()
    g.policy({"access": ACCESS, "rules": [{"name": "shut", "then": "deny"}]})
    assert g.reload() is True
    place.refused("denied by rule shut")
    g.policy(text)
    g.stop()
    with pytest.raises(GateError):
        g.start()
    assert g.process.wait(60) != 0


def test_no_policy_at_all_lets_nobody_in(make_gate):
    g = make_gate(policy={"rules": []})
    bot = g.token("bot", "agents")
    a = http("GET", f"{g.url}/demo/app.git/info/refs?service=git-receive-pack", headers=raw_push.headers(bot))
    assert a.status == 404


@needs_fail_build
def test_a_policy_that_cannot_be_evaluated(make_gate, tmp_path):
    place = Place(make_gate, tmp_path, "gate.evaluate")
    place.armed.write_text("")
    place.refused("gate unavailable: the policy cannot be evaluated")
    assert list((place.g.state / "quarantine").glob("*")) == []
    place.armed.unlink()
    place.works()


# -- the kernel --


@needs_fail_build
def test_a_kernel_without_landlock(make_gate, tmp_path):
    armed = tmp_path / "armed"
    armed.write_text("")
    env = {"GITGATE_FAILPOINT": f"sandbox.landlock=fail:{armed}"}
    g = make_gate(env=env, bin=FAIL_BUILD, start=False)
    g.start(wait=False)
    assert g.process.wait(60) != 0
    assert "Landlock" in g.log(), g.log()
    assert not g.listen_file.exists() or g.listen_file.read_text() == ""
    p = g.cli("doctor", check=False, env=env)
    assert p.returncode != 0 and "Landlock" in p.stdout + p.stderr, p.stdout
    g.config["sandbox"] = "best-effort"
    g.start()
    assert "event=sandbox_weak" in g.log()
