"""Delivery of the audit log to Debian's rsyslog: over TLS, TCP and UDP, with
the receiver killed and started again in between."""

import json
import re
import shutil
import tempfile

import pki
import pytest
from gate import ROOT, until
from sinks import RSYSLOGD, Rsyslog, assert_complete, parse_syslog, seqs
from test_delivery import acts, begin, delivery, log_size, settled

pytestmark = pytest.mark.skipif(RSYSLOGD is None, reason="rsyslog is not installed")


@pytest.fixture(params=["tcp", "tls", "udp"])
def way(request):
    return request.param


@pytest.fixture
def receiver(tmp_path, way):
    files = None
    if way == "tls":
        ca = pki.CA()
        ca.save(tmp_path / "pki", "ca")
        cert, key = ca.issue("ip:127.0.0.1", usage=(pki.SERVER,)).save(tmp_path / "pki", "server")
        files = {"CA": tmp_path / "pki" / "ca.crt", "Cert": cert, "Key": key}
    r = Rsyslog(tmp_path / "rsyslog", way, files).start()
    yield r
    r.close()


def target(receiver, **more):
    t = {"name": "syslog", "syslog": f"{receiver.way}://127.0.0.1:{receiver.port}", **more}
    if receiver.way == "tls":
        t.setdefault("ca-file", str(receiver.pki["CA"]))
    return t


def everything_is_there(g, receiver):
    want = g.audit(g.aud)
    until("the receiver wrote all", lambda: seqs(receiver.entries())[-1:] == seqs(want)[-1:], log=g.log)
    got = receiver.entries()
    assert_complete(seqs(got), 0, want[-1]["seq"])
    assert all(e == want[e["seq"]] for e in got)
    return got


def test_rsyslog_gets_every_entry(make_gate, receiver):
    g = begin(make_gate, target(receiver))
    bot = g.token("ci/agent", "agents")
    work = g.clone(bot)
    work.commit({"a": "1\n"})
    work.push(*(f"HEAD:refs/heads/feature/{i}" for i in range(40)), "HEAD:refs/heads/main")
    n = settled(g, "syslog", 45)
    got = everything_is_there(g, receiver)
    assert seqs(got) == list(range(n)), "nothing died: nothing came twice"
    pris = {e["type"]: parse_syslog(m)[0] for m, e in zip(receiver.messages(), got)}
    assert pris["ref.update"] == 109 and all(p in (108, 109) for p in pris.values())


def test_a_receiver_that_was_away_misses_nothing(make_gate, receiver):
    """Killed while nothing is under way; over TCP and TLS what it did not
    read comes again, and UDP is told of the closed port, if it is."""
    g = begin(make_gate, target(receiver))
    n = settled(g, "syslog")
    everything_is_there(g, receiver)
    receiver.kill()
    acts(g, 3)
    if receiver.way != "udp":
        until("it fails", lambda: delivery(g, "syslog")["state"] == "retrying", log=g.log)
        assert delivery(g, "syslog")["cursor"] == n
    if receiver.way == "udp":
        # if nobody tells of the closed port it is lost
        until("it went out or failed", lambda: delivery(g, "syslog")["behind"] == 0 or delivery(g, "syslog")["error"], log=g.log)
    receiver.start()
    g.config["audit-delivery"] = [target(receiver)]
    assert g.reload()
    if receiver.way == "udp":
        # an admin sends it once more
        g.cli("audit", "delivery", "retry", "syslog")
        settled(g, "syslog", n + 3)
        g.cli("audit", "delivery", "set-cursor", "syslog", n)
    g.cli("audit", "delivery", "retry", "syslog")
    settled(g, "syslog", n + 3)
    everything_is_there(g, receiver)


@pytest.mark.parametrize("way", ["tls"], indirect=True)
def test_a_receiver_that_proves_nothing_gets_nothing(make_gate, tmp_path, receiver):
    other = pki.CA()
    stranger, _ = other.save(tmp_path / "pki", "other")
    g = begin(make_gate, target(receiver, **{"ca-file": str(stranger)}))
    until("it fails", lambda: delivery(g, "syslog")["state"] == "retrying", log=g.log)
    assert "its certificate" in delivery(g, "syslog")["error"]
    # a certificate of the right authority, for somebody else
    g.config["audit-delivery"] = [target(receiver) | {"syslog": f"tls://localhost:{receiver.port}"}]
    assert g.reload()
    g.cli("audit", "delivery", "retry", "syslog")
    until("that, too", lambda: "hostname mismatch" in delivery(g, "syslog")["error"].lower(), log=g.log)
    assert delivery(g, "syslog")["cursor"] == 0 and receiver.messages() == []
    g.config["audit-delivery"] = [target(receiver)]
    assert g.reload()
    g.cli("audit", "delivery", "retry", "syslog")
    settled(g, "syslog")
    everything_is_there(g, receiver)


def test_what_is_cut_over_tcp_comes_again(make_gate):
    """A receiver that takes half of a batch and goes away; then one that keeps
    the connection open, so that nobody knows what it has read."""
    import socket
    import threading

    server = socket.create_server(("127.0.0.1", 0))
    got, how = [], ["cut", "keep"]
    done = threading.Event()

    def serve():
        while True:
            try:
                c, _ = server.accept()
            except OSError:
                return
            act = how.pop(0) if how else "take"
            data = b""
            if act == "cut":
                c.recv(10)
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif act == "keep":
                while part := c.recv(65536):
                    data += part
                done.wait(60)
            else:
                while part := c.recv(65536):
                    data += part
                got.append(data)
            c.close()

    threading.Thread(target=serve, daemon=True).start()
    g = begin(
        make_gate,
        {"name": "syslog", "syslog": f"tcp://127.0.0.1:{server.getsockname()[1]}"},
        limits={"delivery-timeout": "1s"},
    )
    until("it is late", lambda: "keeps the connection open" in g.log(), log=g.log)
    assert delivery(g, "syslog")["cursor"] == 0
    done.set()
    g.cli("audit", "delivery", "retry", "syslog")
    settled(g, "syslog")
    data, entries = b"".join(got), []
    while data:
        n, _, data = data.partition(b" ")
        entries.append(json.loads(parse_syslog(data[: int(n)])[3]))
        data = data[int(n) :]
    assert entries == g.audit(g.aud) and log_size(g) == len(entries)
    server.close()


def test_rsyslog_on_a_local_socket_as_the_page_says(make_gate, tmp_path):
    """Its line is taken from the page; what rsyslog understands of a message
    is what was sent, not only its bytes. After a restart nothing is missing."""
    page = (ROOT / "docs" / "audit-export.md").read_text()
    (line,) = re.findall(r"^ *(input\(type=\"imuxsock\".*\))$", page, re.M)
    (said,) = re.findall(r'Socket="([^"]+)"', line)
    assert f"syslog: unix:{said}" in page
    short = tempfile.mkdtemp(prefix="syslog-")  # a socket's path must be short
    receiver = Rsyslog(tmp_path / "rsyslog", "unix", input=line.replace(said, f"{short}/log")).start()
    try:
        g = begin(make_gate, {"name": "syslog", "syslog": f"unix:{short}/log"})
        n = settled(g, "syslog")
        everything_is_there(g, receiver)
        receiver.kill()
        acts(g, 2)
        until("it fails", lambda: delivery(g, "syslog")["state"] == "retrying", log=g.log)
        receiver.start()
        g.cli("audit", "delivery", "retry", "syslog")
        settled(g, "syslog", n + 2)
        got = everything_is_there(g, receiver)
        for entry, m, read in zip(got, receiver.messages(), receiver.read(), strict=True):
            pri, fields, params, text = parse_syslog(m)
            data = "[gitgate@32473 " + " ".join(f'{k}="{v}"' for k, v in params.items()) + "]"
            when = entry["time"].replace("Z", "+00:00")
            rest = f'gitgate {entry["type"]} {data} {text.decode()}'
            assert read in (f"{pri} {when} {rest}", f"{pri} {entry['time']} {rest}")
    finally:
        receiver.close()
        shutil.rmtree(short)
