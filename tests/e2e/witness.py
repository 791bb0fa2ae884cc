"""A witness of transparency logs, written from C2SP tlog-witness and
tlog-cosignature alone: standard library only, one log per origin.

    w = Witness([log_vkey]); w.url; w.vkey; w.close()
"""

import base64
import hashlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import tlog_verify as t
import webserver
from gate import BIN, http as ask, until


def ed25519_sign(seed, message):
    """(public key, signature): RFC 8032 section 5.1.6."""

    def compress(p):
        z = pow(p[2], t.P - 2, t.P)
        return (p[1] * z % t.P | (p[0] * z % t.P & 1) << 255).to_bytes(32, "little")

    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public = compress(t.multiply(a, t.BASE))
    r = int.from_bytes(hashlib.sha512(digest[32:] + message).digest(), "little") % t.ORDER
    big_r = compress(t.multiply(r, t.BASE))
    k = int.from_bytes(hashlib.sha512(big_r + public + message).digest(), "little")
    return public, big_r + ((r + k * a) % t.ORDER).to_bytes(32, "little")


class Witness:
    def __init__(self, logs=(), name="example.com/witness", seed=b"w" * 32, port=0):
        self.name, self.seed = name, seed
        self.logs = {k.split("+")[0]: k for k in logs}
        self.seen = {}  # origin -> (size, root)
        self.lock = threading.Lock()
        self.requests = []  # the "old" of each, and the answer's status
        self.broken = None  # (status, body): answer this to everything
        public, _ = ed25519_sign(seed, b"")
        raw = b"\x04" + public
        self.id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(raw).decode()}"
        me = self

        class Handler(webserver.Quiet):
            def do_POST(self):
                body = self.body()
                with me.lock:
                    status, answer, kind = me.answer(self.path, body)
                    me.requests.append((body.split(b"\n")[0].decode(), status))
                self.answer(status, answer, {"Content-Type": kind})

        self.server = webserver.LocalServer(Handler, port)
        self.url = self.server.url

    def close(self):
        self.server.close()

    def answer(self, path, body):
        plain = "text/plain"
        if self.broken:
            return (*self.broken, plain)
        if path != "/add-checkpoint":
            return 404, b"", plain
        head, _, note = body.partition(b"\n\n")
        lines = head.decode().split("\n")
        old = int(lines[0].removeprefix("old "))
        proof = [base64.b64decode(line, validate=True) for line in lines[1:]]
        text = note.rpartition(b"\n\n")[0] + b"\n"
        origin = text.split(b"\n")[0].decode()
        if origin not in self.logs:
            return 404, b"unknown log\n", plain
        try:
            size, root = t.open_checkpoint(note, self.logs[origin])
        except t.LogError as e:
            return 403, str(e).encode(), plain
        known, known_root = self.seen.get(origin, (0, hashlib.sha256(b"").digest()))
        if old > size or len(proof) > 63:
            return 400, b"old is too large\n", plain
        if old != known or (old == size and root != known_root):
            return 409, b"%d\n" % known, "text/x.tlog.size"
        if not t.consistent(old, known_root, size, root, proof):
            return 422, b"not consistent\n", plain
        self.seen[origin] = (size, root)
        return 200, self.cosign(text), plain

    def cosign(self, text, now=None):
        now = int(time.time()) if now is None else now
        return self.sign_as(self.seed, self.vkey, text, now).encode()

    @staticmethod
    def sign_as(seed, vkey, text, now):
        """The line of a witness with this seed and key."""
        name, key_id, _ = vkey.split("+", 2)
        _, sig = ed25519_sign(seed, b"cosignature/v1\ntime %d\n" % now + text)
        raw = bytes.fromhex(key_id) + now.to_bytes(8, "big") + sig
        return f"\u2014 {name} {base64.b64encode(raw).decode()}\n"


def check_cosignature(note, vkey):
    """The time at which the witness with this key signed the checkpoint; None."""
    return t.cosigned_at(note.encode(), vkey)


class Process:
    """gitgate-witness itself: keygen, start, stop; state and key below dir."""

    def __init__(self, dir, logs=(), name="example.com/real", args=(), bin=BIN, env=None):
        self.dir, self.args, self.logs, self.bin, self.env = Path(dir), list(args), list(logs), Path(bin), env or {}
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key, self.state, self.listen_file = self.dir / "key", self.dir / "state", self.dir / "listen"
        self.log_file, self.process, self.listens = self.dir / "log", None, "--follow" not in self.args
        if not self.key.exists():
            self.vkey = self.run("keygen", "--key", self.key, "--state", self.state, name).stdout.strip()

    def run(self, *args, check=True):
        p = subprocess.run([self.bin / "gitgate-witness", *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
        assert not check or p.returncode == 0, p.stderr
        return p

    def command(self):
        listen = ["--listen", "127.0.0.1:0", "--listen-file", self.listen_file] if self.listens else []
        logs = [x for k in self.logs for x in ("--log", k)]
        return [str(x) for x in (self.bin / "gitgate-witness", "--key", self.key, "--state", self.state, *logs, *listen, *self.args)]

    def start(self):
        self.listen_file.unlink(missing_ok=True)
        before = self.starts()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.env})
        # before it says so a signal to stop just kills it
        until("the witness is up", lambda: self.is_up(before), log=self.text)
        return self

    def starts(self):
        return self.text().count("event=started") if self.log_file.exists() else 0

    def is_up(self, before):
        assert self.process.poll() is None, self.text()
        return self.starts() > before and (not self.listens or "\n" in self.listen_file.read_text())

    def text(self):
        return self.log_file.read_text(errors="replace")

    @property
    def url(self):
        return "http://" + self.listen_file.read_text().strip()

    def stop(self, kill=False):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.process.wait(60)
        assert kill or code == 0, self.text()
        assert "Sanitizer" not in self.text() and "runtime error" not in self.text(), self.text()

    def add(self, body):
        return ask("POST", self.url + "/add-checkpoint", body.encode() if isinstance(body, str) else body)

    def read(self, origin):
        a = ask("GET", f"{self.url}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")
        return a.text if a.status == 200 else None

    def check(self, *args):
        return self.run("check", "--state", self.state, *args, check=False)


class PaperLog:
    """A log of which only checkpoints and proofs exist; branch() forks it."""

    def __init__(self, origin="log.example", seed=b"l" * 32, leaves=()):
        self.origin, self.seed, self.leaves = origin, seed, list(leaves)
        public, _ = ed25519_sign(seed, b"")
        raw = b"\x01" + public
        self.id = hashlib.sha256(origin.encode() + b"\n" + raw).digest()[:4]
        self.vkey = f"{origin}+{self.id.hex()}+{base64.b64encode(raw).decode()}"

    def grow(self, n, word="entry"):
        self.leaves += [t.leaf_hash(f"{word} {len(self.leaves) + i}".encode()) for i in range(n)]
        return self

    def branch(self, at):
        return PaperLog(self.origin, self.seed, self.leaves[:at])

    def root(self, leaves):
        edge = t.Edge()
        for h in leaves:
            edge.add(h)
        return edge.root()

    def note(self, size=None, seed=None):
        size = len(self.leaves) if size is None else size
        text = f"{self.origin}\n{size}\n{base64.b64encode(self.root(self.leaves[:size])).decode()}\n"
        _, sig = ed25519_sign(seed or self.seed, text.encode())
        return f"{text}\n\u2014 {self.origin} {base64.b64encode(self.id + sig).decode()}\n"

    def proof(self, old, leaves, whole=True):
        """RFC 6962 section 2.1.2: SUBPROOF."""
        n = len(leaves)
        if old == n:
            return [] if whole else [self.root(leaves)]
        k = 1
        while 2 * k < n:
            k *= 2
        if old <= k:
            return [*self.proof(old, leaves[:k], whole), self.root(leaves[k:])]
        return [*self.proof(old - k, leaves[k:], False), self.root(leaves[:k])]

    def request(self, old, size=None, proof_of=None):
        size = len(self.leaves) if size is None else size
        proof = self.proof(proof_of or old, self.leaves[:size]) if 0 < old <= size else []
        lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
        return f"old {old}\n{lines}\n{self.note(size)}"
