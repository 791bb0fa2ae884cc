"""TLS in the gate: git over it, renewing its certificate, hostile handshakes."""

import hashlib
import os
import signal
import socket
import ssl
import subprocess

import pytest
import yaml

import pki
from gate import PROTECT_MAIN, Gate, hold_id, http, make_upstream, ref, until

WAITING = {
    "name": "wait-here",
    "when": {"refs": ["refs/heads/wait/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
    "wait": "60s",
}


class TlsGate(Gate):
    """A gate that speaks TLS with a certificate of self.ca."""

    def __init__(self, dir, config=None, tls=None, server=None, **kw):
        self.ca = pki.CA()
        self.tls_dir = dir / "tls"
        self.ca_file, _ = self.ca.save(self.tls_dir, "ca")
        self.server = server or self.ca.issue("dns:localhost", "ip:127.0.0.1", usage=[pki.SERVER])
        cert, key = self.server.save(self.tls_dir, "server")
        config = {
            "public-url": "https://localhost",
            "tls": {"certificate": cert, "key": key, **(tls or {})},
            **(config or {}),
        }
        super().__init__(dir, config=config, **kw)
        self.tls = pki.client_context(self.ca_file)
        (self.home / ".gitconfig").write_text(f"[http]\n\tsslCAInfo = {self.ca_file}\n")

    def shown(self):
        """The serial number of the certificate that a new connection sees."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as s:
            with self.tls.wrap_socket(s, server_hostname="127.0.0.1") as t:
                return int(t.getpeercert()["serialNumber"], 16)

    def metric(self, name):
        text = http("GET", self.url + "/metrics", tls=self.tls).text
        return int(text.split(f"\n{name} ")[1].split()[0])


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    with TlsGate(tmp_path_factory.mktemp("tls"), rules=[PROTECT_MAIN, WAITING], config={"limits": {"request-idle": "3s"}}) as gate:
        yield gate


def test_git_and_pages(g):
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    work.commit({"a": "1"})
    work.push("HEAD:refs/heads/free", ok=True)
    assert ref(g.upstream, "refs/heads/free") == work.head()
    held = work.push("HEAD:refs/heads/main", ok=False)
    assert g.review(hold_id(held), ann).status == 200
    g.wait_hold(hold_id(held), ann, "forwarded")
    work.run("fetch", "-q")
    assert work.head("origin/main") == work.head()
    page = http("GET", g.url + "/-/login", tls=g.tls)
    assert page.status == 200 and "max-age=" in page.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" in http("GET", g.url + "/-/holds", tls=g.tls).headers


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Packing a lot may take longer than others may be idle."""
    with TlsGate(tmp_path_factory.mktemp("patient")) as gate:
        yield gate


@pytest.mark.parametrize("buffered", [True, False], ids=["length", "chunked"])
def test_large_push_and_clone(patient, buffered):
    """24 MiB each way; chunked with Expect: 100-continue."""
    g = patient
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    noise = os.urandom(24 << 20)
    work.commit({"noise": noise})
    post = str(64 << 20) if buffered else "1024"
    work.run("config", "http.postBuffer", post)
    work.push(f"HEAD:refs/heads/large-{buffered}", ok=True, env={"GIT_CURL_VERBOSE": "0"})
    again = g.clone(bot, args=["-b", f"large-{buffered}"])
    assert hashlib.sha256((again.path / "noise").read_bytes()).digest() == hashlib.sha256(noise).digest()


def test_packing_longer_than_a_connection_may_be_idle(g):
    """What git does between the refs and its push, it does without one."""
    work = g.clone(g.token("bot", "agents"))
    work.commit({"p": os.urandom(8 << 20)}, "packs slowly")
    work.run("config", "http.postBuffer", str(64 << 20))  # one request, which curl cannot repeat
    hook = work.path / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\nsleep 5\n")
    hook.chmod(0o755)
    work.push("HEAD:refs/heads/slowly", ok=True)
    assert ref(g.upstream, "refs/heads/slowly") == work.head()


def test_waiting_in_place(g):
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    work.commit({"w": "w"}, "waits")
    p = subprocess.Popen(["git", "push", "origin", "HEAD:refs/heads/wait/x"], cwd=work.path, env=work.env, stderr=subprocess.PIPE, text=True)
    found = until("it waits", lambda: [h for h in g.api("GET", "/holds?state=pending", ann).json["holds"] if "wait/x" in str(h)], log=g.log)
    assert g.review(found[0]["id"], ann).status == 200
    assert p.wait(60) == 0, p.stderr.read()
    assert ref(g.upstream, "refs/heads/wait/x") == work.head()


def test_versions_and_alpn(g):
    host, port = g.address.split(":")

    def speak(least, most, alpn=()):
        context = pki.client_context(g.ca_file)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version, context.maximum_version = least, most
        if alpn:
            context.set_alpn_protocols(list(alpn))
        with socket.create_connection((host, int(port)), timeout=30) as s:
            with context.wrap_socket(s, server_hostname="localhost") as t:
                return t.version(), t.selected_alpn_protocol()

    v = ssl.TLSVersion
    assert speak(v.TLSv1_3, v.TLSv1_3)[0] == "TLSv1.3"
    assert speak(v.TLSv1_2, v.TLSv1_2)[0] == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        speak(v.TLSv1, v.TLSv1_1)
    assert speak(v.TLSv1_2, v.TLSv1_3, ["h2", "http/1.1"])[1] == "http/1.1"


def test_plain_http_and_noise_get_nothing(g):
    host, port = g.address.split(":")
    for bytes_ in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 4096, b"\x80" * 100):
        with socket.create_connection((host, int(port)), timeout=30) as s:
            s.sendall(bytes_)
            s.settimeout(30)
            got = b""
            try:
                while piece := s.recv(4096):
                    got += piece
            except ConnectionError:
                pass
            assert b"HTTP/" not in got
    assert http("GET", g.url + "/healthz", tls=g.tls).status == 200


def test_stalled_handshakes_block_nobody_and_end(g):
    """A handshake that does not go on is an idle connection: request-idle."""
    host, port = g.address.split(":")
    stalled = []
    for i in range(60):
        s = socket.create_connection((host, int(port)), timeout=30)
        if i % 2:  # half of a ClientHello's record
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(20))
        stalled.append(s)
    assert http("GET", g.url + "/healthz", tls=g.tls).status == 200
    for s in stalled:
        s.settimeout(60)
        try:
            assert s.recv(4096)[:1] in (b"", b"\x15")
        except ConnectionError:
            pass
        s.close()


# -- renewing --


def renew(g, **kw):
    new = g.ca.issue("dns:localhost", "ip:127.0.0.1", usage=[pki.SERVER], **kw)
    new.save(g.tls_dir, "server")
    return new


def test_renewed_without_a_signal(g):
    """By rename, while a connection is open that goes on."""
    host, port = g.address.split(":")
    old = g.shown()
    with socket.create_connection((host, int(port)), timeout=30) as s, g.tls.wrap_socket(s, server_hostname="localhost") as t:
        t.settimeout(30)

        def asked():
            """On the old connection, so that it is not an idle one."""
            t.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nok\n"):
                piece = t.recv(4096)
                assert piece, answer
                answer += piece
            return answer.startswith(b"HTTP/1.1 200")

        assert asked()
        new = renew(g)
        until("the new certificate is shown", lambda: asked() and g.shown() == new.cert.serial_number, log=g.log)
        assert new.cert.serial_number != old and asked()
    end = int(new.cert.not_valid_after.replace(tzinfo=__import__("datetime").timezone.utc).timestamp())
    until("it is measured", lambda: g.metric("gitgate_tls_certificate_expiry_seconds") == end, log=g.log)


def test_renewed_by_sighup(g):
    new = renew(g)
    assert g.reload()
    assert g.shown() == new.cert.serial_number


def test_broken_pair_keeps_the_old(g):
    good = g.shown()
    failures = g.metric("gitgate_tls_reload_failures_total")
    key = g.tls_dir / "server.key"
    other = g.ca.issue("dns:localhost", usage=[pki.SERVER])
    (g.tls_dir / "new").write_bytes(other.key_pem)
    (g.tls_dir / "new").chmod(0o600)
    mine = key.read_bytes()
    os.replace(g.tls_dir / "new", key)
    until("it is said", lambda: "the key does not belong to the certificate" in g.log(), log=g.log)
    assert g.metric("gitgate_tls_reload_failures_total") == failures + 1
    assert g.metric("gitgate_tls_stale") == 1
    assert g.shown() == good
    before = len(g.log())
    assert not g.reload()
    assert "the key does not belong to the certificate" in g.log()[before:]
    assert g.shown() == good
    key.write_bytes(mine)
    until("all is well", lambda: g.metric("gitgate_tls_stale") == 0, log=g.log)
    assert g.shown() == good


def test_expiry_is_told(g):
    renew(g, end=3)
    until("it is said", lambda: "event=tls_expires" in g.log(), log=g.log)
    renew(g)


def pushes(work, name):
    return work.run("push", "origin", f"HEAD:{name}", check=False).returncode == 0


def test_what_the_gate_refuses_no_role_takes(tmp_path):
    """Nor one that has to be started again."""
    with TlsGate(tmp_path / "g") as g:
        bot = g.token("bot", "agents")
        work = g.clone(bot)
        elsewhere = make_upstream(tmp_path / "elsewhere.git", {"README": "hello\n"})
        was = yaml.safe_dump(g.config)
        g.config["tls"]["certificate"] = str(tmp_path / "not-there.pem")
        g.config["repositories"][0]["upstream"] = str(elsewhere)
        assert not g.reload()
        # a courier that starts again is away for a moment
        until("it is pushed", lambda: pushes(work, "refs/heads/one"), log=g.log)
        [gate] = g.pids("gate")
        os.kill(gate, signal.SIGKILL)
        until("the next one is there", lambda: g.pids("gate") not in ([], [gate]), log=g.log)
        g.wait_ready()
        work.run("remote", "set-url", "origin", g.remote(bot))
        until("it is pushed", lambda: pushes(work, "refs/heads/two"), log=g.log)
        for name in "refs/heads/one", "refs/heads/two":
            assert ref(g.upstream, name) == work.head() and ref(elsewhere, name) is None
        g.config = yaml.safe_load(was)
        assert g.reload()


def test_switching_tls_off_needs_a_restart(g):
    tls = g.config.pop("tls")
    url = g.config["public-url"]
    g.config["public-url"] = "http://localhost"
    try:
        before = len(g.log())
        assert not g.reload()
        assert "needs a restart" in g.log()[before:]
    finally:
        g.config["tls"], g.config["public-url"] = tls, url
    assert g.reload()


@pytest.mark.parametrize("fault, words", [
    ("key", "does not belong"), ("order", "did not issue"), ("open", "is open to others"),
    ("empty", "no certificate in it"), ("passphrase", "no private key in it"), ("short", "too short"),
])
def test_a_broken_pair_at_start(tmp_path, fault, words):
    g = TlsGate(tmp_path, start=False)
    cert, key = g.tls_dir / "server.crt", g.tls_dir / "server.key"
    if fault == "key":
        key.write_bytes(g.ca.issue("dns:x").key_pem)
    elif fault == "order":
        cert.write_bytes(cert.read_bytes() + pki.CA("Another").pem)
    elif fault == "open":
        key.chmod(0o644)
    elif fault == "empty":
        cert.write_text("nothing\n")
    elif fault == "passphrase":
        subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", key], check=True, capture_output=True)
    elif fault == "short":
        g.ca.issue("dns:localhost", usage=[pki.SERVER], rsa_bits=1024).save(g.tls_dir, "server")
    with g:
        said = g.cli("doctor", check=False)
        assert said.returncode == 1 and words in said.stdout, said.stdout
        g.start(wait=False)
        assert g.process.wait(60) != 0
        assert words in g.log()


def test_doctor_says_how_long(tmp_path):
    with TlsGate(tmp_path, start=False) as g:
        g.write_config()
        out = g.cli("doctor", check=False).stdout
        assert "certificate" in out and "ends" in out, out
