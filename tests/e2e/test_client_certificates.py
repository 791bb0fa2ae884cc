"""Machines known by their TLS certificate: the gate's own handshake, and a
trusted proxy's word (RFC 9440)."""

import base64
import itertools
import json
from http.client import HTTPConnection

import pytest

import pki
from gate import ACCESS, Gate, http, until
from test_tls import TlsGate

RULES = [
    {"require": {"spiffe": "spiffe://corp.example/ci/*"}, "principal": "ci:{spiffe-path}",
     "groups": [{"group": "agents"}, {"group": "deployers", "when": {"spiffe": "spiffe://corp.example/ci/deploy"}}]},
    {"require": {"dns": "*.build.example"}, "principal": "host:{dns}", "groups": [{"group": "agents"}]},
    {"require": {"email": "*@agents.example"}, "principal": "mail:{email}", "groups": [{"group": "agents"}]},
]
INFO = "/demo/app.git/info/refs?service=git-receive-pack"


class CertGate(TlsGate):
    def __init__(self, dir, tls=None, rules=RULES, config=None, **kw):
        self.clients = pki.CA("Clients")
        self.n = itertools.count()
        (dir / "tls").mkdir(parents=True)
        self.client_ca, _ = self.clients.save(dir / "tls", "client-ca")
        config = {"identity": {"client-certificates": rules}, "limits": {"failed-auth": 0}, **(config or {})}
        super().__init__(dir, tls={"client-ca": self.client_ca, **(tls or {})}, config=config, **kw)

    def files(self, certificate):
        return certificate.save(self.dir / "client-keys", f"c{next(self.n)}")

    def get(self, certificate, path=INFO, headers=None, method="GET", body=None):
        context = pki.client_context(self.ca_file, self.files(certificate) if certificate else None)
        return http(method, self.url + path, body, headers, tls=context)


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    only_them = {"name": "no-deployers", "when": {"refs": ["refs/heads/no"], "principals": {"groups": ["deployers"]}}, "then": "deny"}
    with CertGate(tmp_path_factory.mktemp("certs") / "g", rules=RULES, policy={"access": ACCESS, "rules": [only_them]}) as gate:
        yield gate


def test_a_push_with_a_certificate(g):
    me = g.clients.issue("uri:spiffe://corp.example/ci/deploy")
    cert, key = g.files(me)
    flags = ["-c", f"http.sslCert={cert}", "-c", f"http.sslKey={key}"]
    work = g.clone(args=flags)
    work.run("config", "http.sslCert", cert)
    work.run("config", "http.sslKey", key)
    work.commit({"a": "1"})
    work.push("HEAD:refs/heads/by-certificate", ok=True)
    denied = work.push("HEAD:refs/heads/no", ok=False)
    assert "denied by rule no-deployers" in denied.stderr
    auditor = g.token("eve", "auditor")
    entries = until("it is forwarded", lambda: g.audit(auditor, type="ref.update"), log=g.log)
    said = json.dumps(entries)
    assert '"principal": "ci:ci/deploy"' in said, said
    assert '"method": "certificate"' in said and me.spki[:16] in said, said


@pytest.mark.parametrize("name", [
    "uri:spiffe://corp.example/ci/build", "dns:a.build.example", "dns:A.Build.Example", "email:bot@agents.example",
])
def test_identities(g, name):
    assert g.get(g.clients.issue(name)).status == 200


def test_no_rule_is_no_identity(g):
    """Valid, but nobody: as without one."""
    for c in (g.clients.issue("dns:elsewhere.example"), g.clients.issue(common_name="a.build.example"),
              g.clients.issue("uri:spiffe://corp.example/ci/a/b"), g.clients.issue("uri:https://corp.example/ci/x"),
              g.clients.issue("dns:*.build.example"), None):
        a = g.get(c)
        assert a.status == 401, a.text


def test_refused(g):
    evil = pki.CA("Clients")  # the same name, another key
    name = "dns:a.build.example"
    for certificate, words in [
        (g.clients.issue(name, start=-9, end=-2), "it has expired"),
        (g.clients.issue(name, start=2, end=9), "it is not valid yet"),
        (evil.issue(name), "client certificate refused"),
        (g.ca.issue(name), "the gate does not know who issued it"),
        (g.clients.issue(name, usage=[pki.SERVER]), "client certificate refused"),
        (g.clients.issue(name, usage=None), "its extended key usage is not clientAuth"),
        (g.clients.issue(name, rsa_bits=1024), "too weak"),
        (g.clients.issue(name, ca=True), "it is a CA's"),
        (g.clients.issue("uri:spiffe://corp.example/ci/x", "uri:spiffe://corp.example/ci/y"), "its SPIFFE ID is malformed"),
        (g.clients.issue("uri:spiffe://corp.example/ci/../x"), "its SPIFFE ID is malformed"),
        (g.clients.issue("dns:a.build.example", "dns:b.build.example"), "lacks a name"),
    ]:
        a = g.get(certificate)
        assert a.status == 403 and a.text.startswith("gitgate: ") and words in a.text, (words, a.status, a.text)
        a = g.get(certificate, "/-/api/v1/pushes")
        assert a.status == 403 and words in a.json["detail"], (words, a.status, a.text)


def test_a_header_counts_before_a_certificate(g):
    bot = g.token("bot", "agents")
    expired = g.clients.issue("dns:a.build.example", start=-9, end=-2)
    assert g.get(expired, headers={"Authorization": f"Bearer {bot}"}).status == 200
    good = g.clients.issue("dns:a.build.example")
    assert g.get(good, headers={"Authorization": "Bearer nonsense"}).status == 403


def test_pages_take_no_certificate(g):
    """A browser offers one by itself: no page and no form of another site acts by it."""
    good = g.clients.issue("dns:a.build.example")
    assert g.get(good, "/-/holds").status == 303
    expired = g.clients.issue("dns:a.build.example", start=-9, end=-2)
    assert g.get(expired, "/-/login").status == 200
    path = "/-/api/v1/holds/01JD0000000000000000000000/withdraw"
    h = {"Content-Type": "application/json"}
    assert g.get(good, path, {**h, "Origin": "https://evil.example"}, "POST", "{}").status == 403
    assert g.get(good, path, {**h, "Sec-Fetch-Site": "cross-site"}, "POST", "{}").status == 403
    assert g.get(good, path, h, "POST", "{}").status == 404


def test_the_header_of_a_stranger_is_ignored(g):
    good = g.clients.issue("dns:a.build.example")
    value = ":" + base64.b64encode(good.der).decode() + ":"
    assert g.get(None, headers={"Client-Cert": value}).status == 401


def test_intermediates(g):
    middle = pki.CA("Middle", parent=g.clients)
    assert g.get(middle.issue("dns:a.build.example")).status == 200


# -- revocation, and trust that changes while the gate runs --


def test_revocation_and_new_trust(tmp_path):
    dir = tmp_path / "g"
    crl = dir / "tls" / "clients.crl"
    g = CertGate(dir, tls={"client-crl": [str(crl)]}, config={"limits": {"failed-auth": 0}})
    crl.write_bytes(g.clients.crl())
    with g:
        good, bad = g.clients.issue("dns:a.build.example"), g.clients.issue("dns:b.build.example")
        assert g.get(good).status == g.get(bad).status == 200
        crl.write_bytes(g.clients.crl(bad))
        until("it is revoked", lambda: g.get(bad).status == 403, log=g.log)
        assert "it was revoked" in g.get(bad).text
        assert g.get(good).status == 200
        # a broken list changes nothing
        crl.write_text("nothing\n")
        until("it is said", lambda: "no revocation list in it" in g.log(), log=g.log)
        assert g.get(bad).status == 403 and g.get(good).status == 200
        # one that is out of date refuses everybody (from here on with a reload,
        # which does not wait for the gate to look)
        crl.write_bytes(g.clients.crl(start=-5, end=-1))
        assert g.reload()
        until("out of date", lambda: g.get(good).status == 403, log=g.log)
        assert "the gate's revocation list is out of date" in g.get(good).text
        crl.write_bytes(g.clients.crl())
        assert g.reload()
        until("good again", lambda: g.get(good).status == 200, log=g.log)
        # another CA: its certificates count, the old one's no longer
        other = pki.CA("Others")
        other.save(dir / "tls", "client-ca")
        crl.write_bytes(other.crl())
        assert g.reload()
        until("the new CA", lambda: g.get(other.issue("dns:c.build.example")).status == 200, log=g.log)
        assert g.get(good).status == 403


# -- behind a proxy --


def der_header(certificate):
    return ":" + base64.b64encode(certificate.der).decode() + ":"


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A gate that speaks plain HTTP and believes what stands before it."""
    dir = tmp_path_factory.mktemp("behind")
    clients = pki.CA("Clients")
    ca_file, _ = clients.save(dir / "tls", "client-ca")
    with Gate(dir, config={
        "limits": {"failed-auth": 0},
        "public-url": "https://localhost", "trusted-proxies": ["127.0.0.0/8"],
        "tls": {"client-ca": ca_file, "client-certificate-header": True},
        "identity": {"client-certificates": RULES},
    }, access=ACCESS) as g:
        g.clients = clients
        yield g


def test_a_trusted_proxy_hands_it_on(behind):
    def ask(*headers):
        host, port = behind.address.split(":")
        c = HTTPConnection(host, int(port), timeout=60)
        c.putrequest("GET", INFO)
        for k, v in headers:
            c.putheader(k, v)
        c.endheaders()
        a = c.getresponse()
        text = a.read().decode(errors="replace")
        c.close()
        return a.status, text

    good = behind.clients.issue("dns:a.build.example")
    value = der_header(good)
    assert ask(("Client-Cert", value))[0] == 200
    assert ask()[0] == 401
    middle = pki.CA("Middle", parent=behind.clients)
    deep = middle.issue("dns:a.build.example")
    assert ask(("Client-Cert", der_header(deep)))[0] == 403
    assert ask(("Client-Cert", der_header(deep)), ("Client-Cert-Chain", der_header(middle)))[0] == 200
    for bad in (":", "::", ":AAAA", "AAAA:", ":!!!!:", ":AAAA:", value + ", " + value, value[:-9] + ":", value + ";a=1"):
        status, text = ask(("Client-Cert", bad))
        assert status == 403 and "client certificate refused" in text, (bad[:40], status, text)
    assert ask(("Client-Cert", value), ("Client-Cert", value))[0] == 403
    assert ask(("Client-Cert", der_header(behind.clients.issue("dns:a.build.example", start=-9, end=-2))))[0] == 403
    assert ask(("Client-Cert", value), ("Client-Cert-Chain", ", ".join([der_header(middle)] * 20)))[0] == 403


def test_a_proxys_own_certificate_is_nobodys(tmp_path):
    """The proxy speaks TLS to the gate with a certificate of its own."""
    with CertGate(tmp_path / "g", config={"trusted-proxies": ["127.0.0.1"], "identity": {"client-certificates": RULES}}) as g:
        assert g.get(g.clients.issue("dns:a.build.example")).status == 401
