"""gitgate audit verify against witnesses, a policy and a checkpoint kept elsewhere."""

import base64
import functools
import json
import os
import shutil
import subprocess

import pytest

import tlog_verify
import webserver
from gate import BIN
from witness import Witness

WHEN = 1795331538
AT = "2026-11-22T07:12:18.000Z"


@pytest.fixture(scope="module")
def witnesses():
    made = [Witness(name=f"example.com/w{i}", seed=bytes([i + 1]) * 32) for i in range(3)]
    yield made
    for w in made:
        w.close()


class Log:
    """A log in a directory of its own; another one may share its key."""

    def __init__(self, maker, path, n, key_of=None):
        path.mkdir()
        if key_of is not None:
            shutil.copy(key_of.path / "key", path / "key")
        done = subprocess.run([maker, "make", str(path), str(n)], check=True, capture_output=True, text=True)
        self.path, self.log, self.vkey = path, path / "log", done.stdout.strip()

    def note(self, name="checkpoint"):
        return (self.log / name).read_text()

    def cosign(self, witnesses, name="checkpoint", when=WHEN):
        note = self.note()
        text = note.rpartition("\n\n")[0] + "\n"
        lines = "".join(w.cosign(text.encode(), when).decode() for w in witnesses)
        (self.log / name).write_text(note + lines)


@pytest.fixture
def make_log(maker, tmp_path):
    n = [0]

    def make(size, key_of=None):
        n[0] += 1
        return Log(maker, tmp_path / f"log{n[0]}", size, key_of)

    return make


def verify(*args):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GITGATE_")}
    return subprocess.run([BIN / "gitgate", "audit", "verify", *map(str, args)], capture_output=True, text=True, env=env, timeout=60, check=False)


def policy(path, log, witnesses, rest):
    lines = [f"log {log.vkey}"] if log else []
    lines += [f"witness {name} {w.vkey}" for name, w in zip("abc", witnesses)]
    file = path / "policy"
    file.write_text("\n".join([*lines, *rest, ""]))
    return file


def test_who_cosigned(make_log, witnesses, tmp_path):
    log = make_log(300)
    a, b, c = witnesses
    log.cosign([a, b])
    plain = verify("--key", log.vkey, log.log)
    assert plain.returncode == 0 and "cosigned" not in plain.stdout
    two = policy(tmp_path, log, witnesses, ["group g 2 a b c", "quorum g"])
    p = verify("--policy", two, log.log)
    assert p.returncode == 0, p.stderr
    lines = p.stdout.splitlines()
    assert lines[0].startswith("verified 300 entries, root ")
    for name, w in zip("ab", (a, b)):
        key = "+".join(w.vkey.split("+")[:2])
        assert f"cosigned: 300 entries at {AT} by {name} ({key})" in lines
    assert "quorum: g" in lines and p.stdout.count("cosigned: ") == 2
    said = json.loads(verify("--policy", two, "--json", log.log).stdout)
    assert said["verified"] is True and said["size"] == 300
    assert [x["witness"] for x in said["cosigned"]["by"]] == ["a", "b"]
    assert said["cosigned"]["by"][0]["time"] == AT and said["cosigned"]["size"] == 300
    # the same in short, and one who has not
    assert verify("--key", log.vkey, "--witness", a.vkey, "--witness", b.vkey, log.log).returncode == 0
    p = verify("--key", log.vkey, "--witness", a.vkey, "--witness", c.vkey, log.log)
    assert p.returncode == 1 and not p.stdout
    assert "the quorum (2 of 2) is not met: cosigned by example.com/w0; not by example.com/w2" in p.stderr
    p = verify("--policy", policy(tmp_path, log, witnesses, ["group g all a b c", "quorum g"]), "--json", log.log)
    assert p.returncode == 1 and json.loads(p.stdout)["verified"] is False
    assert "cosigned by a, b; not by c" in json.loads(p.stdout)["error"]
    # a program that shares no code with ours agrees
    keys = [w.vkey for w in witnesses]
    tlog_verify.verify(log.log, log.vkey, keys[:2])
    with pytest.raises(tlog_verify.LogError, match="not cosigned by example.com/w2"):
        tlog_verify.verify(log.log, log.vkey, keys)
    # a witness that the policy knows, and a line that is not its
    bad = log.note().splitlines(keepends=True)
    at = next(i for i, line in enumerate(bad) if a.name in line)
    raw = bytearray(base64.b64decode(bad[at].split(" ")[2]))
    raw[-1] ^= 1
    bad[at] = f"\u2014 {a.name} {base64.b64encode(raw).decode()}\n"
    (log.log / "checkpoint").write_text("".join(bad))
    for args in (["--policy", policy(tmp_path, log, witnesses, ["quorum b"])], ["--key", log.vkey, "--witness", a.vkey]):
        p = verify(*args, log.log)
        assert p.returncode == 1 and "checkpoint: the signature of example.com/w0 is wrong" in p.stderr
    with pytest.raises(tlog_verify.LogError, match="cosignature of example.com/w0 is wrong"):
        tlog_verify.verify(log.log, log.vkey, keys[:1])
    assert verify("--key", log.vkey, "--witness", b.vkey, log.log).returncode == 0  # a stranger's line


def test_what_is_signed_later(maker, make_log, witnesses, tmp_path):
    """The newest entries wait for their witnesses; `cosigned` is what has them."""
    log = make_log(300)
    log.cosign(witnesses, "cosigned")
    kept = log.note("cosigned")
    two = policy(tmp_path, log, witnesses, ["group g 2 a b c", "quorum g"])
    subprocess.run([maker, "make", str(log.path), "20"], check=True, capture_output=True)
    assert log.note().split("\n")[1] == "320"
    p = verify("--policy", two, log.log)
    assert p.returncode == 0, p.stderr
    assert "the newest 20 entries are not cosigned yet" in p.stdout and "verified 320" in p.stdout
    assert json.loads(verify("--policy", two, "--json", log.log).stdout)["cosigned"]["size"] == 300
    # what they signed is of another log of the same key, or of a longer one
    other = make_log(300, key_of=log)
    other.cosign(witnesses, "cosigned")
    (log.log / "cosigned").write_text(other.note("cosigned"))
    p = verify("--policy", two, log.log)
    assert p.returncode == 1 and "not what its witnesses signed" in p.stderr
    (other.log / "cosigned").write_text("nonsense")
    p = verify("--policy", two, other.log)
    assert p.returncode == 1 and p.stderr.startswith("gitgate: cosigned: ")
    log.cosign(witnesses, "cosigned")
    short = make_log(5, key_of=log)
    (short.log / "cosigned").write_text(log.note("cosigned"))
    p = verify("--policy", two, short.log)
    assert p.returncode == 1 and "witnesses signed 320 entries, and the checkpoint has 5" in p.stderr
    (log.log / "cosigned").write_text(kept)


def test_a_checkpoint_kept_elsewhere(maker, make_log, tmp_path):
    log = make_log(257)
    kept = tmp_path / "kept"
    kept.write_text(log.note())
    key = ["--key", log.vkey, "--since", kept]
    assert "continues the 257 entries" in verify(*key, log.log).stdout
    subprocess.run([maker, "make", str(log.path), "300"], check=True, capture_output=True)
    p = verify(*key, log.log)
    assert p.returncode == 0 and "verified 557" in p.stdout and f"continues the 257 entries of {kept}" in p.stdout
    assert json.loads(verify(*key, "--json", log.log).stdout)["continues"] == 257
    tlog_verify.verify(log.log, log.vkey, since=kept.read_bytes())
    # the same key, another history: longer, as long, shorter
    for size, why in ((300, "first 257 entries are not those"), (257, "first 257 entries are not those"), (3, "had 257 entries, and now it has 3")):
        other = make_log(size, key_of=log)
        assert verify("--key", log.vkey, other.log).returncode == 0
        p = verify(*key, other.log)
        assert p.returncode == 1 and "the log is forked: the log" in p.stderr and why in p.stderr
        assert kept.read_text() in p.stdout and other.note() in p.stdout
        with pytest.raises(tlog_verify.LogError, match="^forked: "):
            tlog_verify.verify(other.log, log.vkey, since=kept.read_bytes())
        said = json.loads(verify(*key, "--json", other.log).stdout)
        assert said["fork"] == [kept.read_text(), other.note()] and said["verified"] is False
    # what was kept is not the log's
    stranger = make_log(3)
    p = verify("--key", log.vkey, "--since", stranger.log / "checkpoint", log.log)
    assert p.returncode == 1 and "not signed by a log that the policy names" in p.stderr
    kept.write_text(kept.read_text().replace("\n257\n", "\n256\n"))
    p = verify(*key, log.log)
    assert p.returncode == 1 and f"--since {kept}: the signature" in p.stderr


def test_over_http(make_log, witnesses, tmp_path):
    log = make_log(300)
    log.cosign(witnesses[:2])
    kept = tmp_path / "kept"
    kept.write_text(make_log(3, key_of=log).note())

    with webserver.LocalServer(functools.partial(webserver.Files, directory=log.path)) as server:
        url = f"{server.url}/log"
        two = policy(tmp_path, log, witnesses, ["group g 2 a b c", "quorum g"])
        p = verify("--policy", two, url)
        assert p.returncode == 0 and "verified 300" in p.stdout and p.stdout.count("cosigned: ") == 2, p.stderr
        p = verify("--policy", two, "--since", kept, url)
        assert p.returncode == 1 and "the log is forked" in p.stderr and kept.read_text() in p.stdout


@pytest.mark.parametrize(
    "args, words",
    [
        (["{log}"], "give the log's key"),
        (["--policy", "{nolog}", "{log}"], "the policy names no log"),
        (["--policy", "{broken}", "{log}"], "broken:1: a line begins with"),
        (["--policy", "{policy}", "--witness", "x", "{log}"], "not both"),
        (["--policy", "{policy}", "--key", "{other}", "{log}"], "does not name the log"),
        (["--key", "{vkey}", "--witness", "{vkey}", "{log}"], "not one of a witness"),
        (["--key", "{vkey}", "--witness", "{w}", "--witness", "{w}", "{log}"], "another witness, too"),
        (["--key", "{w}", "{log}"], "not one of a log"),
        (["--policy", "/nonexistent", "{log}"], "--policy: /nonexistent"),
        (["--policy", "{policy}", "--since", "x", "--receipt", "y"], "give the directory"),
    ],
)
def test_wrong_words(make_log, witnesses, tmp_path, args, words):
    log = make_log(3)
    (tmp_path / "broken").write_text("nothing\n")
    (tmp_path / "nolog").write_text("quorum none\n")
    names = {
        "log": log.log,
        "vkey": log.vkey,
        "other": make_log(1).vkey,
        "w": witnesses[0].vkey,
        "policy": policy(tmp_path, log, witnesses, ["quorum none"]),
        "broken": tmp_path / "broken",
        "nolog": tmp_path / "nolog",
    }
    p = verify(*(a.format(**names) for a in args))
    assert p.returncode == 2 and words in p.stderr, p.stderr
