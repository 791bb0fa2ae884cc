"""gitgate's frames (gitgate/ipc/frame.h, codec.h) spoken from Python, for
tests that drive one role alone."""
import array
import fcntl
import os
import re
import socket
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("GITGATE_BUILD", os.path.join(ROOT, "build"))
TIMEOUT_SECONDS = 120


def message_numbers():
    text = open(os.path.join(ROOT, "gitgate/ipc/messages.def")).read()
    names = re.findall(r"^MSG\((\w+),", text, re.M)
    return {name: i + 1 for i, name in enumerate(names)}


NUMBERS = message_numbers()
NAMES = {number: name for name, number in NUMBERS.items()}


def program_holds(word):
    try:
        with open(os.path.join(BUILD, "gitgate-inspector"), "rb") as f:
            return word in f.read()
    except FileNotFoundError:
        return False


def has_failpoints():
    """Was the inspector built with FAILPOINTS=1?"""
    return program_holds(b"GITGATE_FAILPOINT")


def is_sanitized():
    """With SAN=1?"""
    return program_holds(b"__asan_init")


def u8(x):
    return struct.pack(">B", x)


def u32(x):
    return struct.pack(">I", x)


def u64(x):
    return struct.pack(">Q", x)


def bytes_(x):
    if isinstance(x, str):
        x = x.encode()
    return u32(len(x)) + x


def strv(items):
    return u32(len(items)) + b"".join(bytes_(i) for i in items)


def oid(hexid):
    return bytes.fromhex(hexid)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        assert len(self.data) >= n, "a field is missing"
        head, self.data = self.data[:n], self.data[n:]
        return head

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def str(self):
        return self.take(self.u32()).decode()


def memfd(data=b""):
    fd = os.memfd_create("test")
    write_all(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def read_all(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    out = b""
    while True:
        piece = os.read(fd, 1 << 20)
        if not piece:
            return out
        out += piece


class Peer:
    """One end of a socket on which a role speaks."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(TIMEOUT_SECONDS)

    def send(self, name, body=b"", fds=(), ident=0):
        head = struct.pack(">IHHI", 12 + len(body), NUMBERS[name], len(fds),
                           ident)
        socket.send_fds(self.sock, [head + body], list(fds))

    def recv(self):
        """(name, body, fds), or (None, b"", []) at the end."""
        try:
            data, anc, flags, _ = self.sock.recvmsg(
                65536, socket.CMSG_SPACE(3 * 4))
        except ConnectionResetError:
            return self.recv()  # told once, before the last words
        if not data:
            return None, b"", []
        fds = array.array("i")
        for _, _, cdata in anc:
            fds.frombytes(cdata)
        length, kind, n_fds, _ = struct.unpack(">IHHI", data[:12])
        assert not flags & socket.MSG_TRUNC
        assert length == len(data) and n_fds == len(fds)
        return NAMES[kind], data[12:], list(fds)

    def expect(self, name):
        got, body, fds = self.recv()
        if got == "JOB_FAILED" and name != got:
            r = Reader(body)
            raise AssertionError("job failed: code %d limit %r: %s" %
                                 (r.u8(), r.str(), r.str()))
        assert got == name, "%s instead of %s" % (got, name)
        return body, fds

    def close(self):
        self.sock.close()


def limits(**over):
    names = ["pack_bytes", "pack_objects", "object_bytes", "delta_depth",
             "path_bytes", "tree_depth", "walk_commits", "walk_entries",
             "listed_paths", "wall_ms", "cpu_ms", "memory_bytes",
             "scan_blob_bytes", "documents", "document_bytes",
             "documents_bytes", "documents_read"]
    values = dict(pack_bytes=2 << 30, pack_objects=2000000,
                  object_bytes=1 << 30, delta_depth=4095, path_bytes=4096,
                  tree_depth=512, walk_commits=100000, walk_entries=20000000,
                  listed_paths=50000, wall_ms=600000, cpu_ms=900000,
                  memory_bytes=1 << 30, scan_blob_bytes=32 << 20,
                  documents=2000, document_bytes=256 << 10,
                  documents_bytes=4 << 20, documents_read=128 << 20)
    values.update(over)
    return b"".join(u64(values[n]) for n in names)


def mirror_job(mirror, refs=(), **over):
    return bytes_(mirror) + strv(refs) + u8(1) + limits(**over)


def serve_job(mirror, advertise=False, protocol="", hide=(), wants=(),
              clean=True, **over):
    return (bytes_(mirror) + u8(advertise) + bytes_(protocol) + strv(hide) +
            strv(wants) + u8(clean) + u8(1) + limits(**over))


def push_job(mirror, quarantine, has_pack=True, wants=0, salt=bytes(32),
             **over):
    return (bytes_("01TEST") + bytes_(mirror) + bytes_(quarantine) +
            u8(has_pack) + u8(1) + u8(1) + u8(0) + u8(wants) + salt + strv([]) +
            strv([]) + limits(**over))


def push_job_refs(updates, advertised, head="0" * 40):
    """updates: (old, new, refname); one scope that covers all."""
    out = u32(len(updates))
    for old, new, name in updates:
        out += oid(old) + oid(new) + bytes_(name)
    out += u32(len(advertised)) + b"".join(oid(a) for a in advertised)
    return out + oid(head) + u32(1) + u8(1) + u8(1) + u32(0) + u8(0) + u32(0)


def advert(refs, head_target=None, head_oid="0" * 40, shallow=()):
    """refs: {name: hex} as advert_encode() writes them."""
    out = strv([]) + u8(head_target is not None)
    if head_target is not None:
        out += bytes_(head_target)
    out += oid(head_oid) + u32(len(shallow))
    out += b"".join(oid(s) for s in shallow) + u32(len(refs))
    for name in sorted(refs, key=lambda n: n.encode()):
        out += oid(refs[name]) + u8(0) + bytes_(name)
    return out


class Inspector:
    """A gitgate-inspector with its socket at descriptor 3."""

    def __init__(self, mirrors, quarantine, mode="required", env=None,
                 leave_open=()):
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        fd = theirs.fileno()
        # Out of the way of what is closed, and back.
        kept = [fcntl.fcntl(f, fcntl.F_DUPFD, 904 + i)
                for i, f in enumerate(leave_open)]

        def place():
            # As the supervisor does: the socket at 3, the rest closed.
            os.dup2(fd, 3)
            os.set_inheritable(3, True)
            os.closerange(4, 256)
            for other in kept:
                os.dup2(other, other - 900)
                os.close(other)

        self.process = subprocess.Popen(
            [os.path.join(BUILD, "gitgate-inspector"), str(mirrors),
             str(quarantine), mode], preexec_fn=place, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env=dict(os.environ, **(env or {})))
        theirs.close()
        for other in kept:
            os.close(other)
        self.peer = Peer(ours)

    def wait(self):
        return self.process.wait(timeout=TIMEOUT_SECONDS)

    def close(self):
        self.peer.close()
        if self.process.poll() is None:
            self.process.wait(timeout=TIMEOUT_SECONDS)
