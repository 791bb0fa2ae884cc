"""The stand-in identity providers do what the tests of sign-in rely on."""

import base64
import hashlib
import json
import urllib.parse
import zlib

import idp
import pytest
from gate import http


def fetch(url, data=None, headers=None):
    a = http("POST" if data else "GET", url, data, headers)
    assert a.status == 200, a.text
    return a.body


def payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_openid_code_flow_with_pkce():
    accounts = {"alice": {"email": "alice@example.com", "email_verified": True, "groups": ["dba"]}}
    back = "http://127.0.0.1:1/back"
    with idp.oidc(accounts=accounts) as op:
        op.ask("client", redirect_uris=[back])
        found = json.loads(fetch(f"{op.url}/.well-known/openid-configuration"))
        assert found["issuer"] == op.url
        verifier = "v" * 50
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": op.client_id, "response_type": "code", "redirect_uri": back, "state": "st", "nonce": "no",
            "scope": "openid email groups", "code_challenge": challenge, "code_challenge_method": "S256",
        }
        url = f"{found['authorization_endpoint']}?{urllib.parse.urlencode(query)}"
        said_no = urllib.parse.parse_qs(urllib.parse.urlsplit(op.sign_in(url)).query)
        assert said_no["error"] == ["access_denied"]
        browser = idp.Visitor()
        answer = urllib.parse.parse_qs(urllib.parse.urlsplit(op.sign_in(url, "alice", browser)).query)
        assert answer["state"] == ["st"] and answer["iss"] == [op.url]
        # the browser is known now: no name is asked for
        assert "code=" in op.sign_in(url, None, browser)
        basic = base64.b64encode(f"{op.client_id}:{op.client_secret}".encode()).decode()
        form = {
            "grant_type": "authorization_code", "code": answer["code"][0], "redirect_uri": back,
            "code_verifier": verifier,
        }
        tokens = json.loads(
            fetch(found["token_endpoint"], urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {basic}"})
        )
        claims = payload(tokens["id_token"])
        assert claims["sub"] == "alice" and claims["groups"] == ["dba"] and claims["nonce"] == "no"
        assert claims["aud"] == op.client_id and claims["email_verified"] is True and "auth_time" in claims
        before = fetch(found["jwks_uri"])
        op.ask("rotate")
        assert fetch(found["jwks_uri"]) != before


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_issuer_mints_what_is_asked_for(alg):
    with idp.issuer(algs=[alg]) as ci:
        keys = json.loads(fetch(json.loads(fetch(f"{ci.url}/.well-known/openid-configuration"))["jwks_uri"]))["keys"]
        token = ci.mint(aud="https://gate.example.com", sub="repo:acme/app", nbf=None)
        claims = payload(token)
        assert claims["iss"] == ci.url and claims["sub"] == "repo:acme/app" and "nbf" not in claims
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        assert header["alg"] == alg and header["kid"] == keys[0]["kid"] and "d" not in keys[0]


def test_saml_answers_the_request(tmp_path):
    acs, issuer = "http://127.0.0.1:1/acs", "https://gate.example.com/saml"
    request = (
        f'<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0" '
        f'AssertionConsumerServiceURL="{acs}"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
        f"{issuer}</saml:Issuer></samlp:AuthnRequest>"
    )
    packed = zlib.compressobj(wbits=-15)
    deflated = base64.b64encode(packed.compress(request.encode()) + packed.flush()).decode()
    with idp.saml(tmp_path, users={"alice": {"groups": ["dba", "dev"]}}) as sp:
        query = urllib.parse.urlencode({"SAMLRequest": deflated, "RelayState": "rs"})
        action, fields = sp.sign_in(f"{sp.sso}?{query}", "alice")
        assert action == acs and fields["RelayState"] == "rs"
        xml = base64.b64decode(fields["SAMLResponse"]).decode()
        for part in ('InResponseTo="_r1"', f'Recipient="{acs}"', f"<saml:Audience>{issuer}<", ">alice<", ">dba<"):
            assert part in xml, (part, xml)
        assert "SignatureValue" in xml
        sp.ask("configure", users={"bob": {"nameid": "b-1"}}, acs=acs)
        loose = sp.ask("response", user="bob", saml={"audience": "other", "signAssertion": False})
        xml = base64.b64decode(loose).decode()
        assert ">b-1<" in xml and "SignatureValue" not in xml
        assert sp.sso in fetch(sp.metadata).decode()
