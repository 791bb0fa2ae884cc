"""A push spoken by hand whose answer is read as it comes: packets and times,
which git does not show."""

import base64
import socket
import time
import urllib.request

ZERO = "0" * 40


def pkt(data):
    if isinstance(data, str):
        data = data.encode()
    return b"%04x" % (len(data) + 4) + data


def request_body(work, ref, old, new, options=()):
    """The body of one receive-pack request for what a work tree holds."""
    caps = "report-status side-band-64k agent=raw/1" + (" push-options" if options else "")
    name = ref if isinstance(ref, bytes) else ref.encode()
    body = pkt(f"{old} {new} ".encode() + name + b"\0" + caps.encode()) + b"0000"
    if options:
        body += b"".join(pkt(o) for o in options) + b"0000"
    if new != ZERO:
        have = f"^{old}\n" if old != ZERO else ""
        body += work.run("pack-objects", "--revs", "--stdout", "-q", input=f"{new}\n{have}".encode()).stdout
    return body


class StreamedPush:
    """One POST to git-receive-pack whose answer is read as it comes; the last
    hold_back bytes are sent by send_rest()."""

    def __init__(self, g, token, body, repository="demo/app", hold_back=0):
        host, port = g.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        auth = base64.b64encode(f"x:{token}".encode()).decode()
        head = (
            f"POST /{repository}.git/git-receive-pack HTTP/1.1\r\nHost: {g.address}\r\n"
            f"Authorization: Basic {auth}\r\nContent-Type: application/x-git-receive-pack-request\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        # A request opens its refs first, as git does.
        rq = urllib.request.Request(
            f"{g.url}/{repository}.git/info/refs?service=git-receive-pack", headers={"Authorization": f"Basic {auth}"}
        )
        urllib.request.urlopen(rq, timeout=60).read()
        self.rest = body[len(body) - hold_back :]
        self.socket.sendall(head.encode() + body[: len(body) - hold_back])
        self.raw = b""
        self.arrivals = []  # (monotonic time, bytes)

    def send_rest(self):
        self.socket.sendall(self.rest)

    def read_some(self):
        data = self.socket.recv(65536)
        self.arrivals.append((time.monotonic(), data))
        self.raw += data
        return data

    def read_until(self, words):
        while words not in self.raw:
            if not self.read_some():
                raise AssertionError(f"the answer ended without {words!r}: {self.raw!r}")

    def read_all(self):
        while self.read_some():
            pass
        return self.raw

    def close(self):
        self.socket.close()
