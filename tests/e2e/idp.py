"""Real identity providers on loopback: children that run tests/npm/*.mjs.

    with idp.oidc(accounts={"alice": {"email": "a@example.com", ...}}) as op:
        ... op.url is the issuer, op.client_id and op.client_secret its client ...
        op.ask("client", redirect_uris=[...])
        back = op.sign_in(authorization_url, "alice")   # where the browser goes

    with idp.issuer(algs=["ES256"]) as ci:
        token = ci.mint(aud="https://gate.example.com", sub="...")

    with idp.saml(tmp_path, users={"alice": {"groups": ["dba"]}}) as sp:
        action, fields = sp.sign_in(redirect_url, "alice")  # the form to post

A provider picks a free port and ends with the test, whatever ends the test.
"""

import contextlib
import html
import http.cookiejar
import json
import os
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests/npm"
PACKAGES = Path(os.environ.get("GITGATE_NPM", ROOT / "build/npm"))


class Provider:
    """One provider's process; what it said when it listened are attributes."""

    def __init__(self, script, **options):
        if not (PACKAGES / "stamp").exists():
            raise AssertionError(f"{PACKAGES} lacks the identity providers: run scripts/npm.sh (make test does)")
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            ["node", str(SCRIPTS / script), json.dumps(options)],
            env={"PATH": os.environ["PATH"], "GITGATE_NPM": str(PACKAGES), "HOME": "/nonexistent"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.__dict__.update(self._line())

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=30)
            raise AssertionError(f"the provider ended: {self.said()}")
        return json.loads(line)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def ask(self, command, **options):
        """One command of the script's; its answer."""
        self.process.stdin.write(json.dumps({"do": command, **options}) + "\n")
        self.process.stdin.flush()
        answer = self._line()
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["ok"]

    def mint(self, header=None, kid=None, expires_in=300, **claims):
        """issuer() only: a signed token; a claim of None is left out."""
        return self.ask("mint", claims=claims, header=header, kid=kid, expires_in=expires_in)

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class OpenID(Provider):
    def sign_in(self, url, login=None, browser=None):
        """Follow an authorization URL as a browser; without a login, say no.

        Returns the address outside of the provider that the browser is sent
        to. Give the same Visitor again to be known by its cookies.
        """
        browser = browser or Visitor()
        page = browser.follow(url, self.url)
        while page.outside is None:
            if 'name="login"' not in page.text:
                raise AssertionError(f"no sign-in page: {page.status} {page.text}")
            action, fields = form_in(page.text)
            fields.update({"action": "login", "login": login} if login else {"action": "cancel"})
            page = browser.follow(urllib.parse.urljoin(page.url, action), self.url, fields)
            if page.status >= 400:
                raise AssertionError(f"not signed in: {page.status} {page.text}")
        return page.outside


class Saml(Provider):
    def sign_in(self, url, login):
        """Follow a redirect of the service provider; the form to post back."""
        page = Visitor().follow(f"{url}&{urllib.parse.urlencode({'login': login})}", self.url)
        if page.status != 200:
            raise AssertionError(f"not signed in: {page.status} {page.text}")
        return form_in(page.text)


class Page:
    def __init__(self, url, status, text, outside=None):
        self.url, self.status, self.text, self.outside = url, status, text, outside


class Visitor:
    """Cookies and redirects within one origin; leaving it ends the visit."""

    def __init__(self):
        jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=None))
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(jar), NoRedirect, urllib.request.ProxyHandler({})
        )

    def follow(self, url, origin, fields=None):
        for _ in range(20):
            data = urllib.parse.urlencode(fields).encode() if fields is not None else None
            try:
                a = self.opener.open(urllib.request.Request(url, data=data), timeout=60)
            except urllib.error.HTTPError as e:
                a = e
            with a:
                status, text, to = a.status, a.read().decode("utf-8", "replace"), a.headers.get("Location")
            if status not in (301, 302, 303, 307, 308):
                return Page(url, status, text)
            url, fields = urllib.parse.urljoin(url, to), None
            if not url.startswith(origin + "/"):
                return Page(url, status, text, outside=url)
        raise AssertionError(f"redirects without an end: {url}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def form_in(text):
    """(action, fields) of the page's form."""
    action = re.search(r'<form[^>]*\baction="([^"]*)"', text)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", text):
        name, value = (re.search(rf'\b{k}="([^"]*)"', tag) for k in ("name", "value"))
        if name:
            fields[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
    return html.unescape(action[1]), fields


@contextlib.contextmanager
def running(provider):
    try:
        yield provider
    finally:
        provider.stop()


def oidc(accounts=None, client=None, alg="RS256"):
    """An OpenID provider; its commands are in tests/npm/oidc_provider.mjs."""
    return running(OpenID("oidc_provider.mjs", accounts=accounts or {}, client=client or {}, alg=alg))


def issuer(algs=("RS256",)):
    """An issuer of any token; its commands are in tests/npm/mock_issuer.mjs."""
    return running(Provider("mock_issuer.mjs", algs=list(algs)))


def qr_reader():
    """Reads QR codes: .ask("read", rows=["0110...", ...])."""
    return running(Provider("qr_reader.mjs"))


def certificate(directory, name="idp"):
    """A new key and a certificate that it signed itself; their paths."""
    key, cert = Path(directory) / f"{name}.key", Path(directory) / f"{name}.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )
    return key, cert


def saml(directory, users=None, acs=None, entity_id=None, **samlp):
    """A SAML provider; its commands are in tests/npm/saml_idp.mjs."""
    key, cert = certificate(directory)
    options = {"acs": acs, "entity_id": entity_id}
    options = {k: v for k, v in options.items() if v is not None}
    provider = Saml("saml_idp.mjs", key=str(key), cert=str(cert), users=users or {}, saml=samlp, **options)
    provider.key, provider.cert = key, cert
    return running(provider)
