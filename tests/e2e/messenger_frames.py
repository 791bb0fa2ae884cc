"""The messenger's executable, driven as gate and supervisor drive it."""

import os
import socket
import subprocess
from pathlib import Path

import courier_frames as cf

BUILD = Path(os.environ.get("GITGATE_BUILD", cf.ROOT / "build"))
EXECUTABLE = BUILD / "gitgate-messenger"
# enum errand_kind, enum notice_kind
ISSUER, PROVIDER, TOKEN, NOTICE, WITNESS, DELIVERY = range(6)
WEBHOOK, SLACK, EMAIL = range(3)
# enum delivery_kind, enum syslog_way
TO_WEBHOOK, TO_FILE, TO_SYSLOG, TO_JOURNALD = range(4)
TLS, TCP, UDP, UNIX = range(4)
# enum gg_code, as the messages carry it
PEER = 3
LIMIT, NOTFOUND, INPUT, UNAVAILABLE, REFUSED = 4, 5, 8, 9, 10


class Failed(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Done:
    def __init__(self, status, max_age, retry_after, body):
        self.status, self.max_age, self.retry_after, self.body = status, max_age, retry_after, body


def config(issuers=(), providers=(), notices=(), witnesses=(), deliveries=(), **limits):
    """config_messenger_encode()."""
    assert set(limits) <= set(cf.LIMITS)
    out = b"".join(cf.u64(limits.get(name, default)) for name, default in cf.LIMITS.items())
    out += cf.u32(len(issuers))
    for i in issuers:
        out += cf.blob(i["name"]) + cf.blob(i["issuer"]) + b"".join(cf.optional(i.get(k)) for k in ("jwks_uri", "jwks_file", "ca_file"))
    out += cf.u32(len(providers))
    for p in providers:
        out += cf.blob(p["name"]) + cf.blob(p["issuer"])
        out += b"".join(cf.optional(p.get(k)) for k in ("client_id", "client_secret_file", "ca_file"))
    out += cf.u32(len(notices))
    for n in notices:
        out += cf.blob(n["name"]) + cf.u8(n["kind"])
        out += b"".join(cf.optional(n.get(k)) for k in ("url_file", "url", "secret_file", "username", "password_file", "from"))
        out += cf.strv(n.get("to", [])) + cf.optional(n.get("ca_file")) + cf.u8(n.get("allow_private", False))
    out += cf.u32(len(witnesses))
    for w in witnesses:
        out += cf.blob(w["name"]) + cf.blob(w["url"]) + cf.optional(w.get("ca_file"))
    out += cf.u32(len(deliveries))
    for d in deliveries:
        out += cf.blob(d["name"]) + cf.u8(d["kind"]) + cf.optional(d.get("url")) + cf.optional(d.get("path"))
        out += cf.u8(d.get("way", TLS)) + cf.optional(d.get("host")) + cf.u32(d.get("port", 0)) + cf.u64(d.get("max_message", 8192))
        out += b"".join(cf.optional(d.get(k)) for k in ("secret_file", "header_file", "ca_file")) + cf.u8(d.get("allow_private", False))
    return out


def batch(*records, head="", content_type="application/x-ndjson"):
    """delivery_batch_begin(), delivery_batch_add(): (seq, text) each."""
    out = cf.blob(content_type) + cf.blob(head)
    for seq, text in records:
        out += cf.u64(seq) + cf.u8(5) + cf.blob("2026-11-22T07:00:00.000Z") + cf.blob("test.entry")
        out += b"".join(cf.blob("") for _ in range(5)) + cf.blob(text)
    return out


class Messenger:
    def __init__(self, dir, sandbox="best-effort", **config):
        self.log = Path(dir) / "messenger.log"
        self.parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [EXECUTABLE, sandbox],
                stderr=log,
                stdin=subprocess.DEVNULL,
                close_fds=False,
                env={"PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0", "https_proxy": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"},
                preexec_fn=lambda: (os.dup2(child.fileno(), 3), os.closerange(4, 256)),
            )
        child.close()
        self.ident = 0
        self.early = {}
        self.gate = None
        self.configure(**config)
        self.new_gate()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def configure(self, **c):
        fd = cf.memfile(config(**c))
        cf.send(self.parent, "MESSENGER_CONFIG", body=cf.u32(1), fds=[fd])
        os.close(fd)

    def new_gate(self):
        if self.gate is not None:
            self.gate.close()
        self.gate, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        cf.send(self.parent, "MESSENGER_GATE", fds=[other.fileno()])
        other.close()

    def close(self):
        self.parent.close()
        self.gate.close()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def ask(self, kind, name, url="", body=b"", id="", subject=""):
        self.ident += 1
        fd = cf.memfile(body)
        cf.send(self.gate, "ERRAND", self.ident, cf.u8(kind) + b"".join(cf.blob(x) for x in (name, url, id, subject)), [fd])
        os.close(fd)
        return self.ident

    def answer(self, ident, timeout=60):
        while ident not in self.early:
            got = cf.receive(self.gate, timeout)
            assert got is not None, "the messenger has gone\n" + self.log.read_text()
            self.early[got[1]] = got
        name, _, body, fds = self.early.pop(ident)
        r = cf.Reader(body)
        if name == "ERRAND_FAILED":
            failed = Failed(r.u8(), r.str())
            r.end()
            raise failed
        assert name == "ERRAND_DONE"
        done = Done(r.u32(), r.u64(), r.u64(), cf.slurp(fds[0]))
        r.end()
        return done

    def run(self, *args, **kw):
        return self.answer(self.ask(*args, **kw))
