"""Clients that stall or come in crowds: nobody else is kept out, no limit is."""

import base64
import concurrent.futures
import contextlib
import socket

from gate import http, make_upstream
from websession import Browserless, token_in


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
        assert http("GET", g.url + "/-/login", timeout=45).status == 200
        assert g.clone(bot).head()


def test_guesses_at_once_are_counted(make_gate, tmp_path):
    bare = make_upstream(tmp_path / "up.git", {"a": "1"})
    g = make_gate(
        repositories=[{"path": "demo/app", "upstream": str(bare)}],
        config={"limits": {"sign-in-tries": 3}},
    )
    g.user("ann", "correct horse battery staple", "maintainers")
    b = Browserless(g)
    csrf = token_in(b.get("/-/login").text)

    def guess(i):
        return b.post("/-/login", csrf=csrf, user="ann", password=f"wrong {i}").status

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        said = sorted(pool.map(guess, range(12)))
    # two are computed at a time
    assert set(said) == {403, 429} and said.count(403) <= 4, said
