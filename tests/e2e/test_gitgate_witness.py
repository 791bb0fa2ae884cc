"""gitgate-witness: what it signs, what it refuses, and what it never does."""

import base64
import concurrent.futures
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import pki
import tlog_verify
import webserver
from crash import CRASH_BUILD
from gate import SANITIZED, until, vkey
from gate import http as ask
from witness import PaperLog, Process, Witness, check_cosignature

SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = SIGSUM + "+5202289b+Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJVDfzAux5zxAP"
SIGSUM_NOTES = {
    1: ("KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY="),
    3: ("RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=", "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go="),
    5: ("QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=", "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww="),
}
ONE_TO_THREE = "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nKgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


@pytest.fixture
def witness(tmp_path):
    """Factory of processes that are stopped at the test's end."""
    made = []

    def make(*logs, start=True, **kw):
        kw.setdefault("dir", tmp_path / f"w{len(made)}")
        made.append(Process(logs=[log if isinstance(log, str) else log.vkey for log in logs], **kw))
        return made[-1].start() if start else made[-1]

    yield make
    for w in made:
        w.stop()


def sigsum(size):
    root, sig = SIGSUM_NOTES[size]
    return f"{SIGSUM}\n{size}\n{root}\n\n\u2014 {SIGSUM} {sig}\n"


def signed_at(w, note, a):
    assert a.status == 200, (a.status, a.text)
    return check_cosignature(note + a.text, w.vkey)


def test_requests_of_litewitness(witness):
    """Vector (g) of the reference."""
    w = witness(SIGSUM_KEY)
    assert w.add("old 1\n" + ONE_TO_THREE + "\n" + sigsum(3)).status == 409
    assert signed_at(w, sigsum(1), w.add("old 0\n\n" + sigsum(1))) == pytest.approx(time.time(), abs=3600)
    assert w.add("old 1\n" + ONE_TO_THREE + "\n" + sigsum(5)).status == 422
    assert w.add("old 1\n\n" + sigsum(3)).status == 422
    assert signed_at(w, sigsum(3), w.add("old 1\n" + ONE_TO_THREE + "\n" + sigsum(3)))
    a = w.add("old 1\n" + ONE_TO_THREE + "\n" + sigsum(3))
    assert (a.status, a.headers["Content-Type"], a.text) == (409, "text/x.tlog.size", "3\n")
    note = w.read(SIGSUM)
    assert tlog_verify.open_checkpoint(note.encode(), SIGSUM_KEY)[0] == 3 and check_cosignature(note, w.vkey)
    w.stop()
    w.start()
    assert w.read(SIGSUM) == note
    assert signed_at(w, sigsum(3), w.add("old 3\n\n" + sigsum(3)))  # what was signed may be asked for again


def test_statuses(witness):
    log, other = PaperLog().grow(9), PaperLog("other.example").grow(3)
    w = witness(log)
    first = log.request(0, 5)
    for why, body, status in (
        ("nothing", "", 400),
        ("no request", "x\n\n" + log.note(5), 400),
        ("no note", "old 0\n\nx", 400),
        ("no checkpoint", "old 0\n\nx\n\n\u2014 log.example AAAAAAAA\n", 400),
        ("an unknown log", other.request(0), 404),
        ("another's key", "old 0\n\n" + log.note(5, seed=b"x" * 32), 403),
        ("a changed size", first.replace("\n5\n", "\n6\n"), 403),
        ("no signature of the log", first.replace("\u2014 log.example ", "\u2014 who "), 403),
        ("a shorter one", log.request(6, 5), 400),
        ("a proof that nobody asked for", log.request(0, 5).replace("old 0\n", "old 0\n" + "A" * 43 + "=\n"), 422),
        ("an old size that is not ours", log.request(3, 5), 409),
        ("too large", "old 0\n" + "x" * 100000, 413),
    ):
        assert w.add(body).status == status, why
    assert w.read(log.origin) is None
    assert w.add(first.replace("\n\n", "\n\n", 1)).status == 200
    assert ask("GET", w.url + "/add-checkpoint").status == 405
    assert ask("POST", w.url + "/healthz", b"").status == 405
    assert ask("GET", w.url + "/healthz").text == "ok\n"
    assert ask("GET", f"{w.url}/{'0' * 64}/checkpoint").status == 404
    assert ask("GET", w.url + "/../state/vkey").status in (400, 404)
    # unknown signatures are passed over, and not kept
    longer = log.request(5, 7) + "\u2014 stranger AAAAAAAA\n"
    assert w.add(longer).status == 200
    assert "stranger" not in w.read(log.origin)
    # the log's other root for a size: proof of a fork, kept as evidence
    fork = log.branch(3).grow(4, "other")
    a = w.add(f"old 7\n\n{fork.note()}")
    assert (a.status, a.text) == (409, "7\n")
    assert w.add(fork.grow(2).request(7)).status == 422
    (evidence,) = w.state.glob("*.fork")
    text = evidence.read_text()
    assert fork.note(7) in text and log.note(7).rstrip() in text and "another root" in text
    assert w.text().count("event=log_forked") == 1
    assert "FORKED" in (p := w.check()).stdout and p.returncode == 1
    metrics = ask("GET", w.url + "/metrics").text
    assert 'gitgate_witness_log_forked{log="log.example"} 1' in metrics
    assert 'gitgate_witness_log_entries{log="log.example"} 7' in metrics
    assert "gitgate_witness_cosignatures_total 2" in metrics
    # the history that was signed goes on
    assert w.add(log.request(7, 9)).status == 200


def test_time_never_goes_back(witness):
    """A signature from the future is on disk; the next one is not before it."""
    log = PaperLog().grow(4)
    w = witness(log)
    assert w.add(log.request(0, 2)).status == 200
    w.stop()
    (page,) = (p for p in w.state.iterdir() if len(p.name) == 64)
    later = int(time.time()) + 7200
    text = log.note(2)
    seed = base64.b64decode(w.key.read_text().strip().split("+", 4)[4])[1:]
    line = Witness.sign_as(seed, w.vkey, text.rpartition("\n\n")[0].encode() + b"\n", later)
    page.write_text(text + line)
    w.start()
    assert check_cosignature(w.read(log.origin), w.vkey) == later
    assert signed_at(w, log.note(4), w.add(log.request(2, 4))) == later


def test_two_histories_at_once(witness):
    """Many ask at the same time with two continuations: one of them wins."""
    log = PaperLog().grow(5)
    w = witness(log)
    assert w.add(log.request(0)).status == 200
    branches = [log.branch(5).grow(3, word) for word in ("a", "b")]
    bodies = [(b, size, b.request(5, size)) for b in branches for size in (6, 7, 8)] * 6
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda x: w.add(x[2]), bodies))
    signed = {(id(b), size) for (b, size, _), a in zip(bodies, answers) if a.status == 200}
    assert len(signed) == 1 and {a.status for a in answers} <= {200, 409}
    (won,) = signed
    note = w.read(log.origin)
    assert int(note.split("\n")[1]) == won[1]
    b = next(b for b in branches if id(b) == won[0])
    assert note.startswith(b.note(won[1]).rpartition("\n\n")[0])


@pytest.mark.skipif(not (CRASH_BUILD / "gitgate-witness").exists(), reason="no build with failpoints: make FAILPOINTS=1")
@pytest.mark.parametrize("point", ["witness-signed", "witness-written", "file-written"])
def test_killed_while_signing(witness, tmp_path, point):
    """Whatever the moment: what was not written was not told, and what was
    written binds. A half-written file is no file."""
    log = PaperLog().grow(5)
    armed = tmp_path / "armed"
    w = witness(log, bin=CRASH_BUILD, env={"GITGATE_FAILPOINT": f"{point}=kill:{armed}"})
    assert w.add(log.request(0)).status == 200
    a, b = (log.branch(5).grow(1, word) for word in "ab")
    armed.touch()
    with pytest.raises(OSError):
        w.add(a.request(5))
    assert w.process.wait(60) == -9
    armed.unlink(missing_ok=True)
    w.start()
    assert not list(w.state.glob("*.tmp"))
    if point == "witness-written":
        assert w.read(log.origin).startswith(a.note().rpartition("\n\n")[0])
        assert w.add(b.request(5)).text == "6\n"
        assert signed_at(w, a.note(), w.add(a.request(6)))
    else:
        assert int(w.read(log.origin).split("\n")[1]) == 5
        assert signed_at(w, b.note(), w.add(b.request(5)))
        assert w.add(a.request(5)).status == 409


def test_killed_at_any_moment(witness):
    """Killed while one continuation is asked for; then another one is. At most
    one of both is ever signed, and it is the one that is remembered."""
    log = PaperLog().grow(3)
    w = witness(log)
    assert w.add(log.request(0)).status == 200
    at = 3
    for turn in range(12):
        one, other = (log.branch(at).grow(1, f"{turn}{word}") for word in "ab")
        answers = []

        def ask_for(branch, old=at):
            try:
                answers.append(w.add(branch.request(old)).status)
            except OSError:
                answers.append(None)

        asking = threading.Thread(target=ask_for, args=(one,))
        asking.start()
        time.sleep(turn * 0.0005)  # wherever it is by then
        w.stop(kill=True)
        asking.join()
        w.start()
        first = answers[0]
        second = w.add(other.request(at)).status
        assert second in ((409,) if first == 200 else (200, 409))
        log = other if second == 200 else one
        at += 1
        loser = one if second == 200 else other
        assert w.add(loser.request(at - 1)).status == 409
        assert w.add(f"old {at}\n\n{loser.note()}").status == 409
        assert signed_at(w, log.note(), w.add(log.request(at)))
        assert w.read(log.origin).startswith(log.note().rpartition("\n\n")[0])


@pytest.mark.skipif(not (CRASH_BUILD / "gitgate-witness").exists(), reason="no build with failpoints: make FAILPOINTS=1")
def test_what_cannot_be_written_is_not_signed(witness, tmp_path):
    log = PaperLog().grow(9)
    armed = tmp_path / "armed"
    w = witness(log, bin=CRASH_BUILD, env={"GITGATE_FAILPOINT": f"witness-write=fail:{armed}"})
    assert w.add(log.request(0, 5)).status == 200
    armed.touch()
    a = w.add(log.request(5, 7))
    assert a.status == 500 and "\u2014" not in a.text and "event=witness_broken" in w.text()
    armed.unlink()
    # nobody knows what the disk has: not before it was read again
    assert w.add(log.request(5, 7)).status == 500
    w.stop()
    w.start()
    assert w.add(log.request(5, 7)).status == 200


def test_it_does_not_start(witness, tmp_path):
    log = PaperLog().grow(2)
    w = witness(log)
    assert w.add(log.request(0)).status == 200

    def refused(words, w=w, code=2, command=None):
        p = subprocess.run(command or w.command(), capture_output=True, text=True, timeout=30, check=False)
        assert p.returncode == code and words in p.stderr, p.stderr

    refused("another gitgate-witness uses", code=1)
    w.stop()
    again = w.run("keygen", "--key", w.key, "--state", w.dir / "new", "x", check=False)
    assert again.returncode == 1 and "is there already" in again.stderr
    again = w.run("keygen", "--key", w.dir / "key2", "--state", w.state, "x", check=False)
    assert again.returncode == 1 and "directory of another key" in again.stderr and not (w.dir / "key2").exists()
    other = witness(log, start=False)
    assert (other.key.stat().st_mode & 0o777, other.state.stat().st_mode & 0o777) == (0o600, 0o700)
    refused("was made for the key", command=[*w.command(), "--key", str(other.key)])
    shutil.rmtree(other.state)
    other.state.mkdir()
    refused("not the directory of a witness", other)
    os.chmod(w.key, 0o644)
    refused("key", code=2)
    os.chmod(w.key, 0o600)
    refused("no log to watch", command=[x for x in w.command() if x not in ("--log", log.vkey)])
    refused("--listen ADDRESS:PORT or --follow", command=w.command()[:-4])
    refused("numeric address", command=[*w.command(), "--listen", "localhost:1"])
    refused("not a key", command=[*w.command(), "--log", "x"])
    refused("go together", command=[*w.command(), "--tls-key", "x"])
    # its memory is not what it wrote
    (page,) = (p for p in w.state.iterdir() if len(p.name) == 64)
    good = page.read_text()
    for bad in ("", good[:-2], good.replace("\n2\n", "\n1\n"), log.note()):
        page.write_text(bad)
        refused("is not what this witness wrote", code=1)
        assert w.check().returncode == 1
    page.write_text(good)
    assert w.check("--max-age", "1h").stdout.startswith("log.example 2 ")
    assert w.check("--max-age", "1h").returncode == 0
    w.start()


def test_walls(witness):
    w = witness(PaperLog())
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{w.process.pid}/status") if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1" and (SANITIZED or status["Seccomp"].strip() == "2")


def test_service_manager_is_told(witness, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(tmp_path / "notify"))
        s.settimeout(60)
        w = witness(PaperLog(), env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert s.recv(4096).startswith(b"READY=1\n")
        w.stop()
        assert s.recv(4096).startswith(b"STOPPING=1")


def test_tls(witness, tmp_path):
    ca = pki.CA()
    ca.save(tmp_path, "ca")
    chain, key = ca.issue("ip:127.0.0.1", usage=[pki.SERVER]).save(tmp_path / "tls", "w")
    w = witness(PaperLog(), args=["--tls-certificate", chain, "--tls-key", key])
    context = pki.client_context(tmp_path / "ca.crt")
    url = w.url.replace("http:", "https:")
    assert ask("GET", url + "/healthz", tls=context).status == 200
    ca.issue("ip:127.0.0.1", usage=[pki.SERVER]).save(tmp_path / "tls", "w")
    w.process.send_signal(signal.SIGHUP)
    until("the new one is in force", lambda: "event=tls_loaded" in w.text(), log=w.text)
    assert ask("GET", url + "/healthz", tls=context).status == 200


# -- following ---------------------------------------------------------------


@pytest.fixture
def served(maker, tmp_path):
    """A log's files over HTTP; which is another directory's by a word."""

    root = tmp_path / "www"
    server = webserver.LocalServer(functools.partial(webserver.Files, directory=root))

    class Served:
        url = f"{server.url}/log"

        def make(self, n, name="a"):
            path = tmp_path / name
            path.mkdir(exist_ok=True)
            if name != "a" and not (path / "key").exists():
                shutil.copy(tmp_path / "a" / "key", path / "key")
            self.vkey = subprocess.run([maker, "make", path, str(n)], check=True, capture_output=True, text=True).stdout.strip()
            return path / "log"

        def show(self, log):
            """As one move: what is read is never half of each."""
            link = tmp_path / "link"
            root.mkdir(exist_ok=True)
            link.symlink_to(log)
            os.replace(link, root / "log")

    yield Served()
    server.close()


def entries(w):
    """What its directory says it has signed: (entries, forked)."""
    p = w.check()
    words = p.stdout.split()
    return (int(words[1]), "FORKED" in words) if words else (0, False)


def test_following_a_log(witness, served):
    log = served.make(300)
    served.show(log)
    w = witness(served.vkey, args=["--follow", served.url, "--interval", "50ms"])
    until("it was signed", lambda: entries(w) == (300, False), log=w.text)
    served.make(500)
    until("it goes on", lambda: entries(w) == (800, False), log=w.text)
    (page,) = (p for p in w.state.iterdir() if len(p.name) == 64)
    note = page.read_text()
    assert tlog_verify.open_checkpoint(note.encode(), served.vkey)[0] == 800 and check_cosignature(note, w.vkey)
    # a tile that does not fit is no proof of anything
    good = log / "tile" / "0" / "002"
    kept = good.read_bytes()
    copy = served.make(0, "b").parent / "copy"
    shutil.copytree(log, copy)
    (copy / "tile" / "0" / "003.p" / "32").write_bytes(bytes(32 * 32))
    w.stop()
    served.make(100)
    shutil.copytree(log, copy, dirs_exist_ok=True)
    for tile in (copy / "tile" / "0").rglob("*"):
        if tile.is_file():
            tile.write_bytes(bytes(tile.stat().st_size))
    served.show(copy)
    w.start()
    until("it is said", lambda: "do not fit its checkpoint" in w.text(), log=w.text)
    assert entries(w) == (800, False) and good.read_bytes() == kept
    served.show(log)
    until("it goes on", lambda: entries(w) == (900, False), log=w.text)


@pytest.mark.parametrize("size, why", [(300, "another root for the same number"), (700, "does not begin with"), (5, "shorter than what was signed")])
def test_following_a_fork(witness, served, size, why):
    log = served.make(300)
    served.show(log)
    w = witness(served.vkey, args=["--follow", served.url, "--interval", "50ms"])
    until("it was signed", lambda: entries(w) == (300, False), log=w.text)
    other = served.make(size, "b")
    served.show(other)
    until("it is an alarm", lambda: entries(w) == (300, True), log=w.text)
    assert w.check().returncode == 1
    (evidence,) = w.state.glob("*.fork")
    text = evidence.read_text()
    assert why in text and (other / "checkpoint").read_text() in text
    until("it is said", lambda: "event=log_forked" in w.text() and why in w.text(), log=w.text)
    # it is not followed there, and not forgotten by a restart
    w.stop()
    served.show(log)
    w.start()
    assert entries(w) == (300, True)


# -- a gate and its witnesses ------------------------------------------------


def test_a_gate_whose_log_was_put_back(make_gate, witness, tmp_path):
    """Cosigned by gitgate-witness and by one from the specification; then log
    and database are put back to an older state together."""
    python = Witness(name="example.com/w0", seed=b"0" * 32)
    real = witness(start=False)
    g = make_gate(config={"limits": {"witness-pause": "50ms"}}, start=False)
    try:
        g.start()
        real.logs = [vkey(g)]
        real.start()
        python.logs[vkey(g).split("+")[0]] = vkey(g)
        both = [{"key": w.vkey, "url": w.url} for w in (real, python)]
        g.config["witnesses"] = {"list": both, "quorum": 2, "require": True}
        assert g.reload()

        def ready():
            return ask("GET", g.url + "/readyz").status == 200

        until("a quorum signed", ready, log=g.log)
        bot = g.token("bot", "agents")
        work = g.clone(bot)
        work.commit({"a": "a"}, "one")
        work.push("HEAD:refs/heads/one", ok=True)

        def all_signed():
            note = ask("GET", g.url + "/-/log/checkpoint").text
            return note == ask("GET", g.url + "/-/log/cosigned").text and note.count("\u2014") == 3 and note

        note = until("all is signed", all_signed, log=g.log)
        assert check_cosignature(note, real.vkey) and check_cosignature(note, python.vkey)
        words = [x for w in (real, python) for x in ("--witness", w.vkey)]
        said = json.loads(g.cli("audit", "verify", "--key", vkey(g), *words, "--json", g.state / "log").stdout)
        assert [x["witness"] for x in said["cosigned"]["by"]] == ["example.com/real", "example.com/w0"]
        # one that nobody can reach follows the gate by its URL
        follower = witness(args=["--follow", g.url, "--interval", "50ms"], start=False)
        follower.logs = [vkey(g)]
        follower.start()
        until("it followed", lambda: entries(follower)[0] > 0, log=follower.text)
        follower.stop()
        # what it signed is a checkpoint that was kept elsewhere
        (kept,) = (p for p in follower.state.iterdir() if len(p.name) == 64)
        p = g.cli("audit", "verify", "--key", vkey(g), "--since", kept, g.state / "log", check=False)
        assert p.returncode == 0, p.stderr
        g.stop()
        shutil.copytree(g.state, tmp_path / "copy", symlinks=True)
        g.start()
        until("a quorum signed", ready, log=g.log)
        work.run("remote", "set-url", "origin", g.remote(bot))
        work.push("HEAD:refs/heads/two", ok=True)
        note = until("all is signed", all_signed, log=g.log)
        follower.args[1] = g.url
        follower.start()
        until("it followed", lambda: entries(follower)[0] >= int(note.split("\n")[1]), log=follower.text)
        follower.stop()
        g.stop()
        shutil.rmtree(g.state)
        shutil.copytree(tmp_path / "copy", g.state, symlinks=True)
        g.start(wait=False)
        until("both know better", lambda: g.log().count("event=witness_forked") >= 2, log=g.log)
        until("it listens", lambda: g.listen_file.exists() and "\n" in g.listen_file.read_text())
        assert not ready()
        work.run("remote", "set-url", "origin", g.remote(bot))
        p = work.run("push", "origin", "HEAD:refs/heads/three", check=False)
        assert p.returncode != 0 and "another history" in p.stderr
        follower.args[1] = g.url
        follower.start()
        until("it is an alarm", lambda: entries(follower)[1], log=follower.text)
    finally:
        python.close()


def test_a_policy_while_the_logs_key_changes(make_gate, tmp_path):
    """Both keys sign for a while, and either is enough; what then would not start is refused before."""
    w = Witness(name="example.com/only")
    file = tmp_path / "witnesses.policy"
    g = make_gate(config={"limits": {"witness-pause": "50ms"}})
    try:
        old = w.logs[vkey(g).split("+")[0]] = vkey(g)

        def write(*logs):
            file.write_text("".join(f"log {k}\n" for k in logs) + f"witness w {w.vkey} {w.url}/\nquorum w\n")

        def again():
            g.stop()
            g.start()  # ready: a quorum signed

        def retire():
            return g.cli("audit", "rotate-key", "--retire", check=False)

        write(old)
        g.config["witnesses"] = {"policy": str(file), "require": True}
        assert g.reload(), g.log()
        p = g.cli("audit", "rotate-key")
        new = p.stdout.strip()
        assert new != old and p.stderr.endswith(f": log {new}\n") and len(p.stderr.splitlines()) == 1
        again()
        assert vkey(g) == new and g.reload()
        until("the new key's is signed", lambda: "restart the gate" not in (p := retire()).stderr and p, log=g.log)
        p = retire()
        assert p.returncode == 1 and f"{file} does not name the new key" in p.stderr
        assert p.stderr.endswith(f"first add the line: log {new}\n")
        write(PaperLog(origin=old.split("+")[0]).vkey)
        assert not g.reload() and f"add the line: log {new}" in g.log()
        write(new, old)
        assert g.reload() and retire().returncode == 0
        w.logs[new.split("+")[0]] = new
        again()
        write(old)
        assert not g.reload() and g.log().count(f"add the line: log {new}") == 2
        write()
        assert g.reload()
    finally:
        w.close()


def test_a_gate_with_a_policy(make_gate, witness, tmp_path):
    """One of ours and one of two others: a number could not say it."""
    others = [Witness(name="example.com/same", seed=bytes([i]) * 32) for i in range(2)]
    real = witness(start=False)
    file = tmp_path / "witnesses.policy"
    g = make_gate(config={"limits": {"witness-pause": "50ms"}})
    try:
        real.logs = [vkey(g)]
        real.start()

        def write(quorum, log=vkey(g), url=real.url):
            file.write_text(
                f"log {log}\nwitness real {real.vkey} {url}\n"
                + "".join(f"witness o{i} {w.vkey} {w.url}/\n" for i, w in enumerate(others))
                + f"group others any o0 o1\n{quorum}\n"
            )

        def ready():
            return ask("GET", g.url + "/readyz").status == 200

        def refused(words):
            assert not g.reload() and words in g.log()
            p = g.cli("check", check=False)
            assert p.returncode == 1 and words in p.stderr

        g.config["witnesses"] = {"policy": str(file), "require": True}
        refused(f"policy: {file}")
        for quorum, words in (
            ("quorum none", "the gate needs witnesses, and a quorum of them"),
            ("quorum nobody", f"{file}:6: quorum"),
            ("", "no quorum line"),
        ):
            write(quorum)
            refused(words)
        both = "group both all real others\nquorum both"
        write(both, log=PaperLog().vkey)
        refused("about other logs")
        write(both, url="")
        refused(f"{file}:2: the gate cannot ask real without its URL")
        write(both, url="http://elsewhere.example")
        refused(f"{file}:2")
        write(both, log=PaperLog(origin=vkey(g).split("+")[0]).vkey)
        assert not g.reload() and f"does not name a key that signs this log; add the line: log {vkey(g)}" in g.log()
        write(both)
        assert g.reload(), g.log()
        assert g.cli("check").stdout.startswith("ok: ")
        until("all were asked", lambda: all(w.requests for w in others), log=g.log)
        assert not ready()
        bot = g.token("bot", "agents")
        work = g.clone(bot)
        work.commit({"a": "a"}, "one")
        p = work.run("push", "origin", "HEAD:refs/heads/one", check=False)
        assert p.returncode != 0 and "have not confirmed" in p.stderr
        others[1].logs[vkey(g).split("+")[0]] = vkey(g)
        until("a quorum signed", ready, log=g.log)
        work.push("HEAD:refs/heads/one", ok=True)
        until("it is verified", lambda: g.cli("audit", "verify", "--policy", file, g.state / "log", check=False).returncode == 0, log=g.log)
        # it is kept over a restart
        g.stop()
        g.start()
        until("a quorum signed", ready, log=g.log)
        # other terms need a signature by them
        write("quorum o0")
        assert g.reload()
        until("there is none", lambda: not ready(), log=g.log)
        write(both)
        assert g.reload()
        until("a quorum signed", ready, log=g.log)
    finally:
        for w in others:
            w.close()
