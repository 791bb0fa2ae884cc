"""Clients that stall keep nobody else from the gate."""

import base64
import contextlib
import socket

from gate import http, make_upstream


def stalled(gate, token):
    """A push of which only the headers come."""
    host, port = gate.address.split(":")
    s = socket.create_connection((host, int(port)), timeout=30)
    basic = base64.b64encode(f"x:{token}".encode()).decode()
    s.sendall(
        f"POST /demo/app.git/git-receive-pack HTTP/1.1\r\nHost: {gate.address}\r\n"
        f"Authorization: Basic {basic}\r\nContent-Type: application/x-git-receive-pack-request\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    return s


def test_refused_pushes_take_no_worker(make_gate, tmp_path):
    bare = make_upstream(tmp_path / "up.git", {"a": "1"})
    g = make_gate(
        repositories=[{"path": "demo/app", "upstream": str(bare)}],
        config={"limits": {"concurrent-pushes": 1}},
    )
    bot = g.token("bot", "agents")
    with contextlib.ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(stalled(g, bot))
        assert http("GET", g.url + "/-/login", timeout=20).status == 200
        assert g.clone(bot).head()
