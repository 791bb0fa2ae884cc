"""pkt-lines, bare HTTP and raw pushes: what no git client would send.

    rq = push_request([(old, new, "refs/heads/x")], pack=EMPTY_PACK)
    a = Raw(g.address).post(receive_path(), rq, token)
    report = parse_report(a.body)
"""

import base64
import hashlib
import socket
import struct

ZERO = "0" * 40
FLUSH, DELIM = b"0000", b"0001"
EMPTY_PACK = b"PACK" + struct.pack(">II", 2, 0)
EMPTY_PACK += hashlib.sha1(EMPTY_PACK).digest()
PUSH_TYPE = "application/x-git-receive-pack-request"
FETCH_TYPE = "application/x-git-upload-pack-request"
CAPS = "report-status side-band-64k object-format=sha1 agent=raw/1"


def pkt(data):
    data = data.encode() if isinstance(data, str) else data
    return b"%04x" % (len(data) + 4) + data


def lines(data):
    """The payloads of a sequence of pkt-lines; b"" for flush and delim."""
    out = []
    while data:
        n = int(data[:4], 16)
        if n < 4:
            out.append(b"")
            data = data[4:]
            continue
        assert len(data) >= n, "a pkt-line is cut"
        out.append(data[4:n])
        data = data[n:]
    return out


def commands(updates, caps=CAPS, options=None, shallow=()):
    """The command section of a push; options: None for no section."""
    out = b"".join(pkt(f"shallow {s}") for s in shallow)
    for i, (old, new, ref) in enumerate(updates):
        line = f"{old} {new} ".encode() + (ref if isinstance(ref, bytes) else ref.encode())
        out += pkt(line + (b"\0" + caps.encode() if i == 0 else b""))
    out += FLUSH
    if options is not None:
        out += b"".join(pkt(o) for o in options) + FLUSH
    return out


class Report:
    """unpack: its word; refs: name to "ok" or the reason; text: band 2."""

    def __init__(self, raw, text, banded):
        self.text, self.banded = text, banded
        found = [line.decode().rstrip("\n") for line in lines(raw)]
        self.lines = [line for line in found if line]
        self.unpack, self.refs, self.options = None, {}, {}
        last = None
        for line in self.lines:
            word, _, rest = line.partition(" ")
            if word == "unpack":
                self.unpack = rest
            elif word == "ok":
                last, self.refs[rest] = rest, "ok"
            elif word == "ng":
                last, _, reason = rest.partition(" ")
                self.refs[last] = reason
            elif word == "option":
                self.options.setdefault(last, []).append(rest)
            else:
                raise AssertionError(f"report line {line!r}")


def parse_report(body, banded=True):
    if not banded:
        return Report(body, "", False)
    report, text, ended = b"", b"", False
    for line in lines(body):
        assert not ended, "something after the flush-pkt"
        if line == b"":
            ended = True
        elif line[0] == 1:
            report += line[1:]
        elif line[0] == 2:
            text += line[1:]
        else:
            raise AssertionError(f"band {line[0]}: {line[1:]!r}")
    assert ended, "no flush-pkt at the end"
    return Report(report, text.decode("utf-8", "replace"), True)


class RawAnswer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def basic(token, user="x"):
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


class Raw:
    """One connection; every byte of the request is the caller's."""

    def __init__(self, address, timeout=60):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout)
        self.address, self.data = address, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def head(self, method, path, headers=(), token=None):
        """headers: pairs; a Host and a Basic credential are added."""
        rows = [f"{method} {path} HTTP/1.1"]
        if not any(k.lower() == "host" for k, _ in headers):
            rows.append(f"Host: {self.address}")
        if token:
            rows.append(f"Authorization: {basic(token)}")
        rows += [f"{k}: {v}" for k, v in headers]
        self.send("\r\n".join(rows).encode() + b"\r\n\r\n")

    def chunk(self, data):
        self.send(b"%x\r\n" % len(data) + data + b"\r\n")

    def _more(self):
        piece = self.sock.recv(65536)
        self.data += piece
        return bool(piece)

    def _line(self):
        while b"\r\n" not in self.data:
            assert self._more(), f"closed in a line: {self.data[:200]!r}"
        line, self.data = self.data.split(b"\r\n", 1)
        return line

    def _take(self, n):
        while len(self.data) < n:
            assert self._more(), f"closed after {len(self.data)} of {n} bytes"
        out, self.data = self.data[:n], self.data[n:]
        return out

    def _chunks(self):
        out = b""
        while n := int(self._line().split(b";")[0], 16):
            out += self._take(n)
            assert self._take(2) == b"\r\n"
        while self._line():
            pass
        return out

    def answer(self, skip_continue=True):
        while True:
            status = int(self._line().split()[1])
            headers = {}
            while line := self._line():
                k, _, v = line.decode("latin-1").partition(":")
                headers[k.strip().lower()] = v.strip()
            if status != 100 or not skip_continue:
                break
        if status == 100:
            return RawAnswer(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            while self._more():
                pass
            body, self.data = self.data, b""
        return RawAnswer(status, headers, body)

    def get(self, path, token=None, headers=()):
        self.head("GET", path, headers, token)
        return self.answer()

    def post(self, path, body, token=None, headers=(), kind=PUSH_TYPE):
        self.head("POST", path, [("Content-Type", kind), ("Content-Length", len(body)), *headers], token)
        self.send(body)
        return self.answer()


def get(address, path, token=None, headers=()):
    with Raw(address) as r:
        return r.get(path, token, headers)


def post(address, path, body, token=None, headers=(), kind=PUSH_TYPE):
    with Raw(address) as r:
        return r.post(path, body, token, headers, kind)


def push(g, updates, pack=b"", token=None, repository="demo/app", caps=CAPS, options=None, shallow=()):
    """A whole raw push; its report (None and the answer when it has none)."""
    a = post(g.address, f"/{repository}.git/git-receive-pack", commands(updates, caps, options, shallow) + pack, token)
    assert a.status == 200, (a.status, a.text)
    return parse_report(a.body, "side-band-64k" in caps)
