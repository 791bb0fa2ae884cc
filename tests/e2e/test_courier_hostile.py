"""The courier when upstream, the gate or the operator do the unexpected."""

import contextlib
import os
import select
import signal
import subprocess
import threading
from pathlib import Path

import pytest

import courier_frames as cf
import upstreams as up
from courier_frames import ZERO
from processes import descendants
from test_courier import (LANDLOCK, NOTFOUND, REFUSED, UNAVAILABLE, Failed, open_for_all, pack, ref, scratch,
                          secret_file, seed, site, start, local_site)  # noqa: F401

ONE, TWO = "1" * 40, "2" * 40
PACK = b"PACK" + os.urandom(3000)
ADVERT = "application/x-git-receive-pack-advertisement"
RESULT = "application/x-git-receive-pack-result"


def entry(server, **more):
    return {"path": "acme/app", "upstream": f"{server.base}/app.git", "kind": cf.HTTP, **more}


def hang(conn, server):
    """Keep the connection open without a word."""
    server.stop.wait(30)


@pytest.mark.parametrize("answer, message", [
    (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "redirects"),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500"),
    (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "refused our credential"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/html\r\n\r\nhi", "content type text/html"),
    (up.http_answer(b"", "x" + ADVERT), "content type"),
    (up.http_answer(b"", ADVERT), "begin with its service"),
    (up.http_answer(up.pkt("# service=git-upload-pack\n") + b"0000", ADVERT), "begin with its service"),
    (up.http_answer(up.pkt("# service=git-receive-pack\n") + b"0000zzzz", ADVERT), ""),
    (up.http_answer(up.pkt("# service=git-receive-pack\n") + b"0000", ADVERT), ""),
    (up.http_answer(up.pkt("# service=git-receive-pack\n") + b"0000" + up.pkt(f"{ONE} ../x\0a\n") + b"0000", ADVERT), ""),
    (up.receive_advert([(ONE, "refs/heads/a")])[:-4], ""),
    (up.http_answer(up.pkt("# service=git-receive-pack\n"), ADVERT, length=1000), ""),
    (b"", ""),
    (b"\0\xff\0garbage\r\n\r\n", ""),
], ids=range(14))
def test_bad_advertisement(start, answer, message):
    with up.Hostile(lambda conn, request: conn.sendall(answer)) as h:
        c = start([entry(h)])
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert e.value.code == UNAVAILABLE and message in e.value.message
        with pytest.raises(Failed) as e:
            c.relay("acme/app", [(ONE, ZERO, "refs/heads/a")])
        assert (e.value.code, e.value.maybe_applied) == (UNAVAILABLE, False)
        assert all(r.startswith(b"GET /app.git/info/refs?service=git-receive-pack ") for r in h.requests)


def posts(answer, caps="report-status delete-refs side-band-64k"):
    """A server with one ref that answers POST with `answer`."""
    def script(conn, request):
        if request.startswith(b"GET"):
            conn.sendall(up.receive_advert([(ONE, "refs/heads/a")], caps))
            return "next"
        conn.sendall(answer)
        return None
    return up.Hostile(script)


def result(body):
    return up.http_answer(body, RESULT)


OK = ("unpack ok", "ok refs/heads/a")


@pytest.mark.parametrize("answer", [
    b"",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    up.http_answer(up.report(*OK), "text/plain"),
    result(b""),
    result(b"0000"),
    result(up.report()),
    result(up.report("unpack ok", "ok refs/heads/other")),
    result(up.report("unpack ok", "ok refs/heads/a", "ok refs/heads/a")),
    result(up.report("unpack ok", "ok refs/heads/a", "ok refs/heads/b")),
    result(up.report("ok refs/heads/a")),
    result(up.report(*OK)[:-4]),
    result(up.report(*OK) + b"0000"),
    result(up.report(*OK, band=4)),
    result(up.pkt(b"\x03fatal: gone\n")),
    result(b"0003"),
    result(b"fff0x"),
    up.http_answer(up.report(*OK), RESULT, length=100000),
], ids=range(18))
def test_bad_answer_to_a_push(start, answer):
    with posts(answer) as h:
        c = start([entry(h)])
        c.list("acme/app")
        with pytest.raises(Failed) as e:
            c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK)
        assert (e.value.code, e.value.maybe_applied) == (UNAVAILABLE, True)
        assert len([r for r in h.requests if r.startswith(b"POST")]) == 1


def test_what_is_sent(start, tmp_path):
    """Nothing but what was asked for, and byte for byte."""
    caps = "report-status report-status-v2 delete-refs quiet atomic side-band-64k ofs-delta push-options object-format=sha1 agent=x"
    advert = [(ONE, "refs/heads/a"), (TWO, ".have")]

    def script(conn, request):
        if request.startswith(b"GET"):
            conn.sendall(up.receive_advert(advert, caps))
        else:
            conn.sendall(result(up.report("unpack ok", "ok refs/heads/a", "option refname refs/heads/b")))
        return "next"

    with up.Hostile(script) as h:
        token = secret_file(tmp_path, "t0ken")
        c = start([entry(h, token_file=token)])
        assert c.list("acme/app")["refs"] == {"refs/heads/a": ONE}
        unpack, refs, _ = c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK, options=["k=v"])
        assert unpack == "ok" and refs["refs/heads/a"][:2] == (True, "")
        assert [o.removeprefix("option ") for o in refs["refs/heads/a"][2]] == ["refname refs/heads/b"]
        assert len(h.requests) == 2
        head, body = h.requests[1].split(b"\r\n\r\n", 1)
        first = f"{ONE} {TWO} refs/heads/a\0 report-status-v2 side-band-64k push-options object-format=sha1 agent=gitgate/"
        n = int(body[:4], 16)
        assert body[4:n].startswith(first.encode())
        assert body[n:] == b"0000" + up.pkt("k=v") + b"0000" + PACK
        headers = head.decode().split("\r\n")
        assert "Authorization: Bearer t0ken" in headers
        assert f"Content-Length: {len(body)}" in headers
        assert "Content-Type: application/x-git-receive-pack-request" in headers


def test_secret_in_upstreams_words(start, tmp_path):
    """Upstream sends our credential back in every place it has."""
    import base64
    pair = base64.b64encode(f"{up.USER}:{up.PASSWORD}".encode()).decode()
    inner = b"".join(up.pkt(x + "\n") for x in ("unpack ok", f"ng refs/heads/a {pair}")) + b"0000"
    # the text is torn inside the secret
    half = len(up.PASSWORD) // 2
    answer = (up.pkt(b"\x02pw " + up.PASSWORD[:half].encode()) + up.pkt(b"\x02" + up.PASSWORD[half:].encode() + b"\n")
              + up.pkt(b"\x01" + inner) + b"0000")
    with posts(result(answer)) as h:
        c = start([entry(h, username=up.USER, password_file=secret_file(tmp_path, up.PASSWORD))])
        c.list("acme/app")
        _, refs, text = c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK)
        assert text == "pw [redacted]\n"
        assert pair.rstrip("=") not in refs["refs/heads/a"][1] and "[redacted]" in refs["refs/heads/a"][1]
    with posts(result(up.pkt(b"\x03no " + up.PASSWORD.encode()))) as h:
        c.configure([entry(h, username=up.USER, password_file=tmp_path / "secret")])
        with pytest.raises(Failed) as e:
            c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK)
        assert "no [redacted]" in e.value.message
    assert up.PASSWORD not in c.log.read_text() and pair not in c.log.read_text()


def test_upstreams_text_is_cut(start):
    answer = b"".join(up.pkt(b"\x02" + b"x" * 999 + b"\n") for _ in range(50)) + up.report(*OK)
    with posts(result(answer)) as h:
        c = start([entry(h)], upstream_text_bytes=5000)
        _, refs, text = c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK)
        assert refs["refs/heads/a"][0]
        assert len(text) < 5100 and "cut here" in text


def test_slow_upstream(start):
    def script(conn, request):
        if request.startswith(b"GET") and h.requests.count(request) == 1:
            conn.sendall(up.receive_advert([(ONE, "refs/heads/a")]))
            return "next"
        hang(conn, h)
        return None
    with up.Hostile(script) as h:
        c = start([entry(h)], upstream_idle_ms=1000, upstream_total_ms=4000)
        c.list("acme/app")
        for ask, maybe in ((lambda: c.list("acme/app"), False),
                           (lambda: c.relay("acme/app", [(ONE, TWO, "refs/heads/a")], PACK), True)):
            with pytest.raises(Failed) as e:
                ask()
            assert (e.value.code, e.value.maybe_applied) == (UNAVAILABLE, maybe)


def test_upstream_drips(start):
    """A byte now and then keeps nobody past upstream-total."""
    def script(conn, request):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 9999\r\n\r\n" % ADVERT.encode())
        while not h.stop.wait(0.2):
            conn.sendall(b"0")
    with up.Hostile(script) as h:
        c = start([entry(h)], upstream_total_ms=1500)
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert e.value.code == UNAVAILABLE


def test_refs_are_bounded(start):
    advert = up.receive_advert([(ONE, f"refs/heads/{i:03}") for i in range(20)])
    with up.Hostile(lambda conn, request: conn.sendall(advert)) as h:
        c = start([entry(h)], upstream_refs=19)
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert "upstream-refs" in e.value.message


def test_many_requests_wait_their_turn(start):
    """32 threads; what is more is queued, not lost."""
    release, count, peak, lock = threading.Event(), [0], [0], threading.Lock()
    full = threading.Event()

    def script(conn, request):
        with lock:
            count[0] += 1
            peak[0] = max(peak[0], count[0])
            if count[0] == 32:
                full.set()
        release.wait(20)
        with lock:
            count[0] -= 1
        conn.sendall(up.receive_advert([(ONE, "refs/heads/a")]))

    with up.Hostile(script) as h:
        c = start([entry(h)])
        asked = {c.ask("LIST_REFS", cf.blob("acme/app") + cf.u8(1) + cf.u8(0)) for _ in range(40)}
        assert full.wait(20)
        release.set()
        for _ in range(40):
            name, ident, _, fds = cf.receive(c.gate)
            assert name == "REFS"
            asked.remove(ident)
            os.close(fds[0])
        assert not asked and peak[0] == 32


def test_malformed_requests(local_site, start):  # noqa: F811
    c = start([local_site.entry])
    main = seed(local_site)
    for lines in (b"", b"x\n", f"{ZERO} {ZERO} refs/heads/a\n".encode(), f"{ONE} {TWO} refs/heads/a".encode(),
                  f"{ONE} {TWO} ../a\n".encode(), f"{ONE} {TWO} refs/heads/a\n{ONE} {TWO} refs/heads/a\n".encode()):
        body = cf.blob("acme/app") + cf.blob("id") + cf.u8(0) + cf.u8(0) + cf.strv([])
        with pytest.raises(Failed) as e:
            c.answer(c.ask("RELAY", body, [cf.memfile(lines)]))
        assert (e.value.code, e.value.maybe_applied) == (REFUSED, False)
    # a frame out of the grammar ends the gate's connection, not the courier
    for body in (b"", cf.blob("acme/app"), cf.blob("acme/app") + cf.u8(0) + cf.u8(0) + b"x"):
        c.ask("LIST_REFS", body)
        assert cf.receive(c.gate) is None
        c.new_gate()
    assert c.list("acme/app")["refs"] == {"refs/heads/main": main}


def test_fetch_that_nobody_reads(local_site, start):  # noqa: F811
    main = seed(local_site, big="".join(f"{i * 7919 % 104729}\n" for i in range(300000)))
    c = start([local_site.entry])
    r, w = os.pipe()
    os.close(r)
    with pytest.raises(Failed):
        c.answer(c.ask("FETCH", cf.blob("acme/app"), [cf.memfile(f"want {main}\n".encode()), w]))
    with pytest.raises(Failed) as e:
        c.fetch("acme/app", [TWO])
    assert e.value.code == UNAVAILABLE
    assert len(c.fetch("acme/app", [main])) > 1000


class Gatekeeper:
    """A pre-receive hook that says it is there and waits to be let go."""

    def __init__(self, bare):
        self.there, self.go = bare / "there", bare / "go"
        for fifo in (self.there, self.go):
            os.mkfifo(fifo)
        hook = bare / "hooks" / "pre-receive"
        hook.write_text(f"#!/bin/sh\necho there >{self.there}\nread x <{self.go}\n")
        hook.chmod(0o755)
        open_for_all(bare)

    def wait(self):
        assert self.there.read_text() == "there\n"

    def release(self):
        self.go.write_text("go\n")


def push_that_waits(s, tmp_path):
    main = seed(s)
    mine = scratch(tmp_path, s.bare)
    new = up.commit(mine, {"a": "a\n"}, main)
    keeper = Gatekeeper(s.bare)
    return [(main, new, "refs/heads/main")], pack(mine, [new], [main]), keeper


@pytest.mark.parametrize("kind", ["local", "ssh", "http"])
def test_no_secret_in_proc(kind, start, tmp_path):  # noqa: F811
    with site(kind, tmp_path) as s:
        updates, data, keeper = push_that_waits(s, tmp_path)
        c = start([s.entry])
        ident = c.send_relay("acme/app", updates, data)
        keeper.wait()
        pids = [c.process.pid, *(p.pid for p in descendants(c.process.pid))]
        assert (len(pids) > 1) == (kind != "http")
        key = (s.server.key.read_text().split("\n")[1:-2] if kind == "ssh" else [])
        for pid in pids:
            for name in ("cmdline", "environ"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    seen = Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
                    assert not any(secret in seen for secret in [up.PASSWORD, "s3cr3t", *key]), (pid, name)
        keeper.release()
        c.answer(ident)


def test_killed_courier_lets_upstream_finish(local_site, start, tmp_path):  # noqa: F811
    updates, data, keeper = push_that_waits(local_site, tmp_path)
    c = start([local_site.entry])
    c.send_relay("acme/app", updates, data)
    keeper.wait()
    child = descendants(c.process.pid)[0].pid
    end = os.pidfd_open(child)
    c.process.send_signal(signal.SIGKILL)
    c.process.wait()
    keeper.release()
    assert select.select([end], [], [], 20)[0]
    os.close(end)
    assert ref(local_site.bare, "refs/heads/main") == updates[0][1]


@pytest.mark.parametrize("how", ["shutdown", "eof"])
def test_end_waits_for_relays(how, local_site, start, tmp_path):  # noqa: F811
    updates, data, keeper = push_that_waits(local_site, tmp_path)
    c = start([local_site.entry])
    ident = c.send_relay("acme/app", updates, data)
    keeper.wait()
    if how == "shutdown":
        cf.send(c.parent, "COURIER_SHUTDOWN", body=cf.u32(20000))
    else:
        c.parent.close()
    with pytest.raises(subprocess.TimeoutExpired):
        c.process.wait(0.5)
    keeper.release()
    assert c.answer(ident)[0] == "RELAY_DONE"
    assert c.process.wait(60) == 0


def test_shutdown_grace_ends(local_site, start, tmp_path):  # noqa: F811
    updates, data, keeper = push_that_waits(local_site, tmp_path)
    c = start([local_site.entry])
    c.send_relay("acme/app", updates, data)
    keeper.wait()
    cf.send(c.parent, "COURIER_SHUTDOWN", body=cf.u32(300))
    assert c.process.wait(60) == 0
    keeper.release()


def test_new_gate_and_settled_list(local_site, start, tmp_path):  # noqa: F811
    updates, data, keeper = push_that_waits(local_site, tmp_path)
    c = start([local_site.entry])
    c.send_relay("acme/app", updates, data)
    keeper.wait()
    c.new_gate()
    assert c.list("acme/app")["refs"]["refs/heads/main"] == updates[0][0]
    settled = c.ask("LIST_REFS", cf.blob("acme/app") + cf.u8(1) + cf.u8(1))
    with pytest.raises(TimeoutError):
        c.answer(settled, timeout=0.5)
    keeper.release()
    _, _, fds, _ = c.answer(settled)
    assert cf.advert(cf.slurp(fds[0]))["refs"]["refs/heads/main"] == updates[0][1]


def test_hanging_hook_meets_the_limit(local_site, start, tmp_path):  # noqa: F811
    updates, data, keeper = push_that_waits(local_site, tmp_path)
    c = start([local_site.entry], upstream_total_ms=2000)
    ident = c.send_relay("acme/app", updates, data)
    keeper.wait()
    with pytest.raises(Failed) as e:
        c.answer(ident)
    assert (e.value.code, e.value.maybe_applied) == (UNAVAILABLE, True)
    keeper.release()


def test_reload(local_site, start, tmp_path):  # noqa: F811
    main = seed(local_site)
    c = start([local_site.entry])
    assert c.list("acme/app")["refs"]
    c.configure([{**local_site.entry, "path": "acme/renamed"}])
    while True:  # the two sockets have no order between them
        try:
            assert c.list("acme/renamed")["refs"] == {"refs/heads/main": main}
            break
        except Failed as e:
            assert e.code == NOTFOUND
    other = up.make_bare(tmp_path / "elsewhere" / "other.git")
    c.configure([local_site.entry, {"path": "acme/other", "upstream": other, "kind": cf.LOCAL}])
    assert c.process.wait(60) == 75


def test_replaced_secret(start, tmp_path):  # noqa: F811
    with site("http", tmp_path) as s:
        seed(s)
        c = start([s.entry])
        assert c.list("acme/app")["refs"]
        os.replace(secret_file(tmp_path, up.PASSWORD, "new"), s.entry["password_file"])
        assert c.process.wait(60) == 75


def accepted(s):
    return s.server.log.read_text().count("Accepted publickey")


def test_ssh_connection_is_shared(start, tmp_path):  # noqa: F811
    with site("ssh", tmp_path) as s:
        main = seed(s)
        mine = scratch(tmp_path, s.bare)
        new = up.commit(mine, {"a": "a\n"}, main)
        newer = up.commit(mine, {"a": "b\n"}, new)
        stranger = {**s.entry, "path": "acme/stranger", "ssh_key": s.server.stranger}
        c = start([s.entry, stranger])
        c.list("acme/app", service=0)
        c.relay("acme/app", [(main, new, "refs/heads/main")], pack(mine, [new], [main]))
        c.relay("acme/app", [(new, newer, "refs/heads/main")], pack(mine, [newer], [new]))
        assert len(c.fetch("acme/app", [newer])) > 100
        assert c.list("acme/app", service=0)["head"] == "refs/heads/main"
        assert accepted(s) == 1
        # another key never rides on that connection
        with pytest.raises(Failed) as e:
            c.list("acme/stranger")
        assert e.value.code == UNAVAILABLE and "Permission denied" in e.value.message
        assert accepted(s) == 1


def test_ssh_unknown_host(start, tmp_path):  # noqa: F811
    with site("ssh", tmp_path) as s:
        empty = tmp_path / "known"
        empty.write_text("")
        s.entry["known_hosts"] = empty
        c = start([s.entry])
        with pytest.raises(Failed) as e:
            c.list("acme/app")
        assert e.value.code == UNAVAILABLE and "Host key verification failed" in e.value.message
        assert empty.read_text() == "" and accepted(s) == 0


@pytest.mark.skipif(not LANDLOCK, reason="this kernel has no Landlock")
def test_hook_cannot_leave_the_walls(local_site, start, tmp_path):  # noqa: F811
    """Even code that upstream runs for us on this machine: no state, no other files."""
    main = seed(local_site)
    state = tmp_path / "state"
    state.mkdir()
    (state / "gitgate.db").write_text("db")
    hook = local_site.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\ncat {state}/gitgate.db && echo READ >&2\n(: >{state}/new) && echo WROTE >&2\nexit 0\n")
    hook.chmod(0o755)
    c = start([local_site.entry])
    _, refs, text = c.relay("acme/app", [(ZERO, main, "refs/heads/b")], pack(local_site.bare, [main]))
    assert refs["refs/heads/b"][0] and "READ" not in text and "WROTE" not in text
    assert not (state / "new").exists()
