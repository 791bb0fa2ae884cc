"""A hostile OpenID provider over issuer.Issuer, and a browser's way through it.

    with StandIn() as op:
        g = make_gate(config=op.config())
        b = Person(g)
        url = b.begin("corp")                 # the authorization URL
        back = op.approve(url, sub="s1", preferred_username="ann")
        a = b.back(back)                      # the callback's answer

`op.mint_with(fn)`: fn(claims) -> the ID token, in place of the honest one.
"""

import base64
import hashlib
import html
import json
import re
import urllib.parse
import uuid

from gate import until
from issuer import Issuer
from websession import Browserless, token_in

PUBLIC = "https://gate.example.com"


class StandIn(Issuer):
    def __init__(self, name="corp", client_id="gate-client", **kw):
        super().__init__(**kw)
        self.name, self.client_id = name, client_id
        self.codes, self.forms = {}, []
        self.names_issuer = True
        self.token = None  # fn(claims) -> ID token
        self.token_answer = None  # (status, headers, bytes) in place of any
        self.extra = self._endpoints

    def metadata(self):
        return {
            **super().metadata(),
            "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/token",
            "authorization_response_iss_parameter_supported": self.names_issuer,
        }

    def config(self, provider=None, limits=None, **identity):
        p = {
            "name": self.name, "title": "Corp", "kind": "oidc", "issuer": self.url, "client-id": self.client_id,
            "groups": [{"from": "groups"}], **(provider or {}),
        }
        return {
            "public-url": PUBLIC,
            "identity": {"providers": [p], **identity},
            # a busy machine is not a slow provider
            "limits": {"messenger-timeout": "60s", **(limits or {})},
        }

    def approve(self, url, **claims):
        """As if the person had agreed: the address of the way back."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert asked["response_type"] == "code" and asked["client_id"] == self.client_id
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split()
        code = uuid.uuid4().hex
        self.codes[code] = {"asked": asked, "claims": claims}
        answer = {"code": code, "state": asked["state"]}
        if self.names_issuer:
            answer["iss"] = self.url
        return f"{asked['redirect_uri']}?{urllib.parse.urlencode(answer)}"

    def _endpoints(self, method, path, headers, body):
        if method != "POST" or not path.endswith("/token"):
            return None
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.forms.append((dict(headers), form))
        if self.token_answer:
            return self.token_answer
        known = self.codes.pop(form.get("code"), None)
        if known is None or known["asked"]["redirect_uri"] != form["redirect_uri"]:
            return 400, {}, b'{"error":"invalid_grant"}'
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != known["asked"]["code_challenge"]:
            return 400, {}, b'{"error":"invalid_grant"}'
        claims = self.claims(**{"aud": self.client_id, "nonce": known["asked"]["nonce"], **known["claims"]})
        token = (self.token or self.mint_raw)(claims)
        return 200, {}, json.dumps({"id_token": token, "access_token": "at", "token_type": "Bearer"}).encode()

    def mint_raw(self, claims):
        return self.mint({k: claims.get(k) for k in {*claims, "iss", "sub", "aud", "iat", "nbf", "exp", "jti"}})


class Person(Browserless):
    """A browser that signs in by a provider."""

    def begin(self, provider="corp", **fields):
        """Press the provider's button; where the browser is sent."""
        self.page = self.get("/-/login" + (f"?next={fields.pop('next')}" if "next" in fields else ""))
        form = self.page.text.split(f'action="/-/login/{provider}"')[1]
        fields = {"csrf": token_in(form), "next": html.unescape(re.search(r'name="next" value="([^"]*)"', form)[1]), **fields}
        # a provider that did not answer in time is asked again, as the page says
        a = until("the provider was asked", lambda: (x := self.post(f"/-/login/{provider}", **fields)).status != 503 and x)
        assert a.status == 200, a.text
        url = re.search(r'id="go" href="([^"]*)"', a.text)[1]
        assert a.headers["Refresh"] == "0; url=" + html.unescape(url)
        return html.unescape(url)

    def back(self, url):
        """Come back from there."""
        u = urllib.parse.urlsplit(url)
        assert f"{u.scheme}://{u.netloc}" == PUBLIC
        return self.get(f"{u.path}?{u.query}")

    def sign_in(self, op, provider=None, **claims):
        a = self.back(op.approve(self.begin(provider or op.name), **claims))
        assert a.status == 303, a.text
        self.csrf = token_in(self.get("/-/account").text)
        return a
