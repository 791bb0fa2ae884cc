"""Frames and records as the courier and its two neighbours exchange them.

The numbers come from the tables of the C source, so that a new message or
limit does not make this file wrong.
"""

import array
import os
import re
import socket
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _table(path, macro):
    text = (ROOT / path).read_text()
    return [
        [part.strip() for part in m.group(1).split(",")]
        for m in re.finditer(r"^%s\((.*)\)$" % macro, text, re.M)
    ]


TYPES = {row[0]: i + 1 for i, row in enumerate(_table("gitgate/ipc/messages.def", "MSG"))}
NAMES = {number: name for name, number in TYPES.items()}
LIMITS = {row[0]: int(row[3]) for row in _table("gitgate/config/limits.def", "LIMIT")}

LOCAL, HTTP, SSH = 0, 1, 2
ZERO = "0" * 40


def u8(x):
    return struct.pack(">B", x)


def u32(x):
    return struct.pack(">I", x)


def u64(x):
    return struct.pack(">Q", x)


def blob(x):
    x = x.encode() if isinstance(x, str) else x
    return u32(len(x)) + x


def strv(items):
    return u32(len(items)) + b"".join(blob(i) for i in items)


def optional(x):
    return u8(0) if x is None else u8(1) + blob(str(x))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        assert self.at + n <= len(self.data), "record ends early"
        part = self.data[self.at : self.at + n]
        self.at += n
        return part

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def bytes(self):
        return self.take(self.u32())

    def str(self):
        return self.bytes().decode()

    def strv(self):
        return [self.str() for _ in range(self.u32())]

    def oid(self):
        return self.take(20).hex()

    def end(self):
        assert self.at == len(self.data), "bytes after the last field"


CREDENTIAL = ("username", "password_file", "token_file", "helper", "ssh_key", "known_hosts", "ca_file")


def config(repositories, **limits):
    """config_courier_encode(): repositories are dicts with path, upstream,
    kind and the fields of CREDENTIAL."""
    assert set(limits) <= set(LIMITS)
    out = b"".join(u64(limits.get(name, default)) for name, default in LIMITS.items())
    out += u8(0) + u32(len(repositories))
    for r in repositories:
        assert set(r) <= {"path", "upstream", "kind", *CREDENTIAL}, r
        out += blob(r["path"]) + blob(str(r["upstream"])) + u8(r["kind"]) + u8(0)
        out += b"".join(optional(r.get(field)) for field in CREDENTIAL)
    return out


def advert(data):
    """advert_decode()."""
    r = Reader(data)
    a = {"caps": r.strv(), "head": r.str() if r.u8() else None, "head_oid": r.oid()}
    a["shallow"] = [r.oid() for _ in range(r.u32())]
    a["refs"], a["peeled"], a["symrefs"] = {}, {}, {}
    for _ in range(r.u32()):
        oid, flags, name = r.oid(), r.u8(), r.str()
        a["refs"][name] = oid
        if flags & 1:
            a["peeled"][name] = r.oid()
        if flags & 2:
            a["symrefs"][name] = r.str()
    r.end()
    return a


def relay_result(data):
    """relay_result_decode(): (unpack message or "ok", {ref: (ok, message, options)})."""
    r = Reader(data)
    ok, message = r.u8(), r.str()
    refs = {}
    for _ in range(r.u32()):
        name = r.str()
        refs[name] = (bool(r.u8()), r.str(), r.strv())
    r.end()
    return ("ok" if ok else message), refs


def memfile(data):
    fd = os.memfd_create("test")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def slurp(fd):
    with os.fdopen(fd, "rb") as f:
        f.seek(0)
        return f.read()


def send(sock, name, ident=0, body=b"", fds=()):
    head = struct.pack(">IHHI", 12 + len(body), TYPES[name], len(fds), ident)
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([head + body], control)


def receive(sock, timeout=30):
    """(name, id, body, fds), or None at the end."""
    sock.settimeout(timeout)
    data, control, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(4 * 4))
    if not data:
        return None
    fds = array.array("i")
    for level, kind, payload in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(payload)
    length, number, n_fds, ident = struct.unpack(">IHHI", data[:12])
    assert length == len(data) and n_fds == len(fds)
    return NAMES[number], ident, data[12:], list(fds)
