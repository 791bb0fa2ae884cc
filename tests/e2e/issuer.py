"""A stand-in for who mints ID tokens: discovery, keys, rotation, and every
way in which such a service can be slow, down or lying.

    with Issuer(tmp_path) as i:
        config = {"identity": {"issuers": [{"name": "ci", "issuer": i.url, ...}]}}
        token = i.mint({"sub": "job", "aud": "gitgate"})

i.count["/jwks"] says how often its keys were asked for.
"""

import base64
import collections
import datetime
import ipaddress
import json
import ssl
import threading
import time
import uuid
from pathlib import Path

import webserver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/jwks"


def b64(data):
    if isinstance(data, (dict, list)):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, width=None):
    return b64(n.to_bytes(width or (n.bit_length() + 7) // 8, "big"))


class Key:
    """A signing key: RS256, ES256 or EdDSA."""

    def __init__(self, alg="ES256", kid=None):
        self.alg, self.kid = alg, kid or uuid.uuid4().hex[:12]
        if alg == "RS256":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            raise ValueError(alg)

    def sign(self, data):
        if self.alg == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.alg == "EdDSA":
            return self.private.sign(data)
        r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @property
    def jwk(self):
        public = self.private.public_key()
        base = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg == "RS256":
            n = public.public_numbers()
            return {**base, "kty": "RSA", "n": number(n.n), "e": number(n.e)}
        if self.alg == "ES256":
            n = public.public_numbers()
            return {**base, "kty": "EC", "crv": "P-256", "x": number(n.x, 32), "y": number(n.y, 32)}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {**base, "kty": "OKP", "crv": "Ed25519", "x": b64(raw)}


def mint(key, claims, **header):
    """A token as key's owner makes it; header members that are None are left out."""
    head = {"typ": "JWT", "alg": key.alg, "kid": key.kid, **header}
    body = b64({k: v for k, v in head.items() if v is not None}) + "." + b64(claims)
    return body + "." + b64(key.sign(body.encode()))


class Authority:
    """A certificate authority of one test, and a server certificate of it."""

    def __init__(self, directory, name="127.0.0.1"):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.ca_file = directory / "ca.pem"
        self.cert_file = directory / "server.pem"
        self.key_file = directory / "server.key"
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority " + uuid.uuid4().hex[:6])])
        now = datetime.datetime.utcnow()

        def cert(subject, public, extensions):
            b = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
            b = b.serial_number(x509.random_serial_number())
            b = b.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
            for e, critical in extensions:
                b = b.add_extension(e, critical)
            return b.sign(ca_key, hashes.SHA256())

        try:
            san = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            san = x509.DNSName(name)
        ca = cert(ca_name, ca_key.public_key(), [(x509.BasicConstraints(True, 0), True)])
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        leaf = cert(subject, key.public_key(), [(x509.SubjectAlternativeName([san]), False)])
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(ca.public_bytes(pem))
        self.cert_file.write_bytes(leaf.public_bytes(pem))
        self.key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def server_context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.cert_file, self.key_file)
        return c


class Handler(webserver.Quiet):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def serve(self):
        answer = self.server.issuer.answer(self.command, self.path, self.headers, self.body())
        if answer is None:  # down: the connection just ends
            self.close_connection = True
            return
        status, headers, data = answer
        self.answer(status, data, {"Content-Type": "application/json", **headers})

    do_GET = do_POST = serve


class Issuer:
    """
    tls: an Authority; its ca_file is what the gate must believe.
    Change at any time: `discovery` and `jwks` (None: the honest ones; a dict,
    bytes, or a tuple (status, headers, bytes)), `headers` (added to answers),
    `down` (True: connections are closed without an answer), `extra` (a
    function (method, path, headers, body) whose answer, if any, goes first).
    hold() makes answers wait for release().
    """

    def __init__(self, tls=None, alg="ES256", path=""):
        self.keys = [Key(alg)]
        self.count = collections.Counter()
        self.discovery = self.jwks = self.extra = None
        self.headers = {}
        self.down = False
        self.path = path
        self.tls = tls
        self._go = threading.Event()
        self._go.set()
        self._lock = threading.Lock()
        self._server = webserver.LocalServer(Handler, tls=tls.server_context() if tls else None)
        self._server.issuer = self
        self.port, self.url = self._server.port, self._server.url + path

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.release()
        self._server.close()

    # -- what it says --

    @property
    def asked(self):
        """Requests of any kind that arrived so far."""
        return sum(self.count.values())

    def hold(self):
        self._go.clear()

    def release(self):
        self._go.set()

    def rotate(self, keep=True, alg=None):
        """A new key signs from now on; the old ones are kept in the set."""
        fresh = Key(alg or self.keys[0].alg)
        self.keys = [fresh] + (self.keys if keep else [])
        return fresh

    def metadata(self):
        return {
            "issuer": self.url,
            "jwks_uri": self.url + JWKS,
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        }

    def answer(self, method, path, headers, body):
        name = path[len(self.path) :] if path.startswith(self.path) else path
        with self._lock:
            self.count[name.split("?")[0]] += 1
        self._go.wait(60)
        if self.down:
            return None
        if self.extra is not None:
            said = self.extra(method, path, headers, body)
            if said is not None:
                return said
        if name == DISCOVERY:
            what = self.metadata() if self.discovery is None else self.discovery
        elif name == JWKS:
            what = {"keys": [k.jwk for k in self.keys]} if self.jwks is None else self.jwks
        else:
            return 404, {}, b"{}"
        if isinstance(what, tuple):
            return what
        return 200, self.headers, what if isinstance(what, bytes) else json.dumps(what).encode()

    def claims(self, **claims):
        """Claims of a token that lives ten minutes; None takes one away."""
        now = int(time.time())
        base = {"iss": self.url, "sub": "job", "aud": "gitgate", "kind": "pipeline", "iat": now, "nbf": now, "exp": now + 600, "jti": uuid.uuid4().hex}
        return {k: v for k, v in {**base, **claims}.items() if v is not None}

    def mint(self, claims=None, key=None, **header):
        """A token of this issuer, by its newest key or another one."""
        return mint(key or self.keys[0], self.claims(**(claims or {})), **header)
