"""The log that gitgate writes, read by a verifier that shares no code."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import tlog_verify
from gate import BIN

VKEY = (
    "example.com/log/testdata+33d7b496+"
    "AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
)
CHECKPOINT = (
    "example.com/log/testdata\n3\n"
    "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n\n"
    "\u2014 example.com/log/testdata M9e0lvAQRtH832pk2RTbeSeZMkp4FZSdJYFBUjO5S"
    "KxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=\n"
)


@pytest.fixture
def make_log(maker, tmp_path):
    def make(n):
        done = subprocess.run(
            [maker, "make", str(tmp_path), str(n)],
            check=True,
            capture_output=True,
            text=True,
        )
        return str(tmp_path / "log"), done.stdout.strip()

    return make


def test_ed25519_rfc8032():
    public = bytes.fromhex(
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    )
    good = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert tlog_verify.ed25519_verify(public, b"\xaf\x82", good)
    assert not tlog_verify.ed25519_verify(public, b"\xaf\x83", good)
    for at in range(64):
        bad = bytearray(good)
        bad[at] ^= 1
        assert not tlog_verify.ed25519_verify(public, b"\xaf\x82", bytes(bad))


def test_published_checkpoint():
    size, root = tlog_verify.open_checkpoint(CHECKPOINT.encode(), VKEY)
    edge = tlog_verify.Edge()
    for word in (b"one", b"two", b"three"):
        edge.add(tlog_verify.leaf_hash(word))
    assert (size, root) == (3, edge.root())
    assert tlog_verify.Edge().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("n", [0, 1, 3, 255, 256, 257, 300, 513])
def test_agrees_with_the_writer(make_log, n):
    log, vkey = make_log(n)
    size, root = tlog_verify.verify(log, vkey)
    assert size == n
    with open(os.path.join(log, "checkpoint"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    assert lines[:3] == ["gate.example.com/audit", str(n), root]


def test_log_that_grew(make_log):
    log, vkey = make_log(200)
    make_log(200)
    assert tlog_verify.verify(log, vkey)[0] == 400


def test_another_key_is_refused(make_log):
    log, _ = make_log(2)
    with pytest.raises(tlog_verify.LogError, match="checkpoint"):
        tlog_verify.verify(log, VKEY)


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ],
)
def test_a_flipped_bit_names_its_file(make_log, name):
    log, vkey = make_log(300)
    path = os.path.join(log, name)
    with open(path, "rb") as f:
        good = f.read()
    for at in {0, 1, len(good) // 3, len(good) // 2, len(good) - 1}:
        bad = bytearray(good)
        bad[at] ^= 1
        with open(path, "wb") as f:
            f.write(bad)
        with pytest.raises(tlog_verify.LogError) as fault:
            tlog_verify.verify(log, vkey)
        assert str(fault.value).startswith(name), at
    os.unlink(path)
    with pytest.raises(tlog_verify.LogError, match=name):
        tlog_verify.verify(log, vkey)


@pytest.mark.parametrize("name", ["tile/0/000.p/200", "tile/entries/000.p/200"])
def test_a_flipped_bit_of_an_earlier_size(make_log, name):
    """A partial tile stays until the full one is there, and is served."""
    log, _ = make_log(200)
    _, vkey = make_log(20)
    path = os.path.join(log, name)
    with open(path, "rb") as f:
        good = f.read()

    def program():
        return subprocess.run([BIN / "gitgate", "audit", "verify", "--key", vkey, log], capture_output=True, text=True)

    assert tlog_verify.verify(log, vkey)[0] == 220 and program().returncode == 0
    bad = [good[:-1], good + b"x", b""]
    for at in (0, 1, len(good) // 2, len(good) - 1):
        bad.append(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    for data in bad:
        with open(path, "wb") as f:
            f.write(data)
        with pytest.raises(tlog_verify.LogError, match=name):
            tlog_verify.verify(log, vkey)
        p = program()
        assert p.returncode == 1 and f"{name}: it is not" in p.stderr, p.stderr
    os.unlink(path)  # nobody has to keep it
    assert tlog_verify.verify(log, vkey)[0] == 220 and program().returncode == 0


def test_what_no_log_has_is_passed_over(make_log):
    """Who gives a log away could let its verifier walk in circles, or stumble."""
    log, vkey = make_log(300)
    for i in range(20):
        os.symlink(".", os.path.join(log, f"tile/x{i:03}"))
        os.symlink("..", os.path.join(log, f"tile/0/{i}"))
    for name in ("tile/junk.p/5", "tile/.p/5", "tile/0/-1.p/5", "tile/-1/000.p/5", "tile/0/1.p/5", "tile/0/000.p/05"):
        os.makedirs(os.path.dirname(os.path.join(log, name)), exist_ok=True)
        with open(os.path.join(log, name), "w") as f:
            f.write("what no log has")
    p = subprocess.run([BIN / "gitgate", "audit", "verify", "--key", vkey, log], capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    assert tlog_verify.verify(log, vkey)[0] == 300


def test_as_a_program(make_log):
    log, vkey = make_log(5)
    script = tlog_verify.__file__
    done = subprocess.run([script, vkey, log], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.split()[0] == "5"
    os.truncate(os.path.join(log, "tile/entries/000.p/5"), 20)
    done = subprocess.run([script, vkey, log], capture_output=True, text=True)
    assert done.returncode == 1
    assert "tile/entries/000.p/5" in done.stderr


GOPATH = Path(os.environ.get("GOPATH", "/usr/share/gocode"))


@pytest.mark.skipif(
    not shutil.which("go") or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="without Go's own verifier: golang-1.19-go and golang-golang-x-mod-dev are 450 MB",
)
def test_go_agrees(make_log, tmp_path):
    log, vkey = make_log(700)
    program = tmp_path / "verify"
    env = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(tmp_path / "cache"),
        "CGO_ENABLED": "0",
    }
    source = Path(tlog_verify.__file__).with_suffix(".go")
    subprocess.run(["go", "build", "-o", program, source], check=True, env=env)

    def run():
        return subprocess.run([program, vkey, log], capture_output=True, text=True)

    size, root = tlog_verify.verify(log, vkey)
    assert run().stdout == "%d %s\n" % (size, root)
    for name in ("tile/entries/001", "tile/0/000", "tile/1/000.p/2"):
        path = Path(log) / name
        good = path.read_bytes()
        path.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
        assert run().returncode == 1
        path.write_bytes(good)
    assert run().returncode == 0
