"""A client for receive-pack that sends what it is told, byte for byte."""

import base64
import http.client
import socket

from gate import Answer

CAPS = b"report-status object-format=sha1 agent=raw/1"


def pkt(data):
    return b"%04x" % (len(data) + 4) + data


def body(commands, pack=b"", caps=CAPS, shallow=(), options=None):
    """commands: (old, new, ref) as text."""
    out = b"".join(pkt(b"shallow " + s.encode()) for s in shallow)
    for i, (old, new, ref) in enumerate(commands):
        line = f"{old} {new} {ref}".encode()
        out += pkt(line + (b"\0 " + caps if i == 0 else b""))
    out += b"0000"
    if options is not None:
        out += b"".join(pkt(o.encode()) for o in options) + b"0000"
    return out + pack


def headers(token):
    basic = base64.b64encode(f"x:{token}".encode()).decode()
    return {
        "Authorization": f"Basic {basic}",
        "Content-Type": "application/x-git-receive-pack-request",
        "Accept": "application/x-git-receive-pack-result",
    }


class Report:
    """What the gate said: unpack's line and a line for each ref."""

    def __init__(self, answer):
        self.status, self.text = answer.status, answer.text
        self.unpack, self.refs = None, {}
        at = 0
        while at + 4 <= len(answer.body) and answer.status == 200:
            n = int(answer.body[at : at + 4], 16)
            line = answer.body[at + 4 : at + n].decode("utf-8", "replace").rstrip("\n")
            at += max(n, 4)
            word, _, rest = line.partition(" ")
            if word == "unpack":
                self.unpack = rest
            elif word in ("ok", "ng"):
                name, _, why = rest.partition(" ")
                self.refs[name] = (word == "ok", why)

    @property
    def ok(self):
        return self.status == 200 and bool(self.refs) and all(r[0] for r in self.refs.values())

    @property
    def reasons(self):
        return [r[1] for r in self.refs.values() if not r[0]]

    def __repr__(self):
        return f"{self.status} unpack={self.unpack!r} {self.refs} {self.text[:500]!r}"


def post(g, token, data, repository="demo/app", timeout=120):
    host, port = g.address.rsplit(":", 1)
    c = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        c.request("POST", f"/{repository}.git/git-receive-pack", data, headers(token))
        r = c.getresponse()
        return Report(Answer(r.status, r.headers, r.read()))
    finally:
        c.close()


def push(g, token, commands, pack=b"", repository="demo/app", **kw):
    return post(g, token, body(commands, pack, **kw), repository)


def connect(g, token, length, repository="demo/app"):
    """A socket with the head of a push already sent."""
    host, port = g.address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=120)
    head = f"POST /{repository}.git/git-receive-pack HTTP/1.1\r\nHost: {g.address}\r\n"
    for k, v in headers(token).items():
        head += f"{k}: {v}\r\n"
    s.sendall((head + f"Content-Length: {length}\r\n\r\n").encode())
    return s
