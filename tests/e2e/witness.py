"""A witness of transparency logs, written from C2SP tlog-witness and
tlog-cosignature alone: standard library only, one log per origin.

    w = Witness([log_vkey]); w.url; w.vkey; w.close()
"""

import base64
import hashlib
import http.server
import threading
import time

import tlog_verify as t


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

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with me.lock:
                    status, answer, kind = me.answer(self.path, body)
                    me.requests.append((body.split(b"\n")[0].decode(), status))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

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
        if old != known:
            return 409, b"%d\n" % known, "text/x.tlog.size"
        if not t.consistent(old, known_root, size, root, proof):
            return 422, b"not consistent\n", plain
        self.seen[origin] = (size, root)
        return 200, self.cosign(text), plain

    def cosign(self, text, now=None):
        now = int(time.time()) if now is None else now
        _, sig = ed25519_sign(self.seed, b"cosignature/v1\ntime %d\n" % now + text)
        raw = self.id + now.to_bytes(8, "big") + sig
        return f"\u2014 {self.name} {base64.b64encode(raw).decode()}\n".encode()


def check_cosignature(note, vkey):
    """The time at which the witness with this key signed the checkpoint; None."""
    return t.cosigned_at(note.encode(), vkey)
