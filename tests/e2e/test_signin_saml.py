"""Signing in by SAML 2.0 at a real provider (npm samlp), and what a hostile
one, or somebody between, may send instead. tests/unit/test_saml.c has more of
the latter, signed by itself."""

import base64
import html
import re
import subprocess
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import idp
import pytest
from gate import PROTECT_MAIN, Gate, hold_id, http, ref, until
from websession import Browserless, token_in

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
USERS = {
    "alice": {"groups": ["dba", "dev"], "mail": "alice@example.com"},
    "bob": {"groups": "dev"},
    "guest": {"nameid_format": TRANSIENT, "groups": "dba"},
}
HOLD = {**PROTECT_MAIN, "approvals": {"required": 1, "from": ["dba"]}}


def provider(sp, dir, name="corp", **more):
    metadata = dir / f"{name}.xml"
    metadata.write_text(http("GET", sp.metadata).text)
    return {"name": name, "title": "Corp", "kind": "saml", "idp-metadata-file": str(metadata),
            "groups": [{"from": "groups"}], **more}  # fmt: skip


@pytest.fixture(scope="module")
def sp(tmp_path_factory):
    with idp.saml(tmp_path_factory.mktemp("idp"), users=USERS) as sp:
        yield sp


@pytest.fixture(scope="module")
def module_gate(tmp_path_factory, sp):
    tmp = tmp_path_factory.mktemp("saml")
    providers = [
        provider(sp, tmp),
        provider(sp, tmp, "strict", **{"require-signed-response": True}),
        provider(sp, tmp, "open", **{"allow-idp-initiated": True}),
        provider(sp, tmp, "mail", principal="{mail}", email="mail", **{"trust-email": True}),
    ]
    config = {"identity": {"providers": providers}, "limits": {"sign-in-tries": 100000, "sign-ins-pending-per-address": 10000}}
    with Gate(tmp, rules=[HOLD], config=config) as g:
        yield g


@pytest.fixture
def g(module_gate, sp):
    yield module_gate
    sp.ask("configure", users=USERS, saml={}, acs=None)


def begin(g, s, name="corp", next=None):
    """Press the button; the address at the provider."""
    form = s.get("/-/login" + (f"?next={urllib.parse.quote(next)}" if next else ""))
    assert f'action="/-/login/{name}"' in form.text
    page = s.post(f"/-/login/{name}", csrf=token_in(form.text), next=next)
    assert page.status == 200, page.text
    return html.unescape(re.search(r'<a id="go" href="([^"]*)"', page.text)[1])


def deliver(g, name, fields):
    """The provider's form, from another site: without cookies."""
    h = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://idp.example.com", "Sec-Fetch-Site": "cross-site"}
    return http("POST", f"{g.url}/-/saml/{name}/acs", urllib.parse.urlencode(fields), h)


def finish(s, answer):
    assert answer.status == 303, answer.text
    assert answer.headers.get_all("Set-Cookie") is None
    return s.get(answer.headers["Location"])


def answered(g, sp, s, who="alice", name="corp"):
    """The form that an honest provider gives."""
    action, fields = sp.sign_in(begin(g, s, name), who)
    assert urllib.parse.urlsplit(action).path == f"/-/saml/{name}/acs"
    return fields


def sign_in(g, sp, who="alice", name="corp"):
    s = Browserless(g)
    done = finish(s, deliver(g, name, answered(g, sp, s, who, name)))
    assert done.status == 303, done.text
    s.csrf = token_in(s.get("/-/holds").text)
    return s


def is_signed_in(s):
    return s.get("/-/holds").status == 200


def refused(g, name, fields, why):
    """Refused, with its reason in the log, and nobody is signed in."""
    before = len(g.log())
    a = deliver(g, name, fields)
    assert a.status in (403, 413), (a.status, a.text)
    assert "gitgate-session" not in str(a.headers)
    if a.status == 403:
        g.said(why, since=before)
    return a


def xml_of(fields):
    return base64.b64decode(fields["SAMLResponse"]).decode()


def with_xml(fields, xml):
    return {**fields, "SAMLResponse": base64.b64encode(xml.encode()).decode()}


def test_groups_of_the_provider_decide_an_approval(g, sp):
    work = g.clone(g.token("bot", "agents"))
    new = work.commit({"a": "a\n"})
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    bob = sign_in(g, sp, "bob")
    assert "corp:bob" in bob.get("/-/holds").text
    assert bob.post(f"/-/holds/{held}/approve").status == 404  # not asked: not shown
    alice = sign_in(g, sp, "alice")
    assert alice.post(f"/-/holds/{held}/approve").status == 303
    until("it landed", lambda: ref(g.upstream, "main") == new, log=g.log)
    assert "corp:alice" in str([e for e in audit(g) if "review" in str(e)])


def audit(g):
    g.auditor = getattr(g, "auditor", None) or g.token("auditor", "auditors")
    return g.audit(g.auditor)


def test_back_to_where_one_was(g, sp):
    s = Browserless(g)
    _, fields = sp.sign_in(begin(g, s, next="/-/pushes"), "alice")
    done = finish(s, deliver(g, "corp", fields))
    assert done.status == 303 and done.headers["Location"] == "/-/pushes"


def test_the_log_says_who_vouched(g, sp):
    sign_in(g, sp)
    logins = [e for e in audit(g) if "session.login" in str(e)]
    assert sp.entity_id in str(logins) and "corp:alice" in str(logins)


def test_response_signed_too(g, sp):
    sp.ask("configure", saml={"signResponse": True})
    assert is_signed_in(sign_in(g, sp, name="strict"))
    sp.ask("configure", saml={"signResponse": True, "signAssertion": False})
    assert is_signed_in(sign_in(g, sp, name="strict"))
    assert is_signed_in(sign_in(g, sp))
    sp.ask("configure", saml={})
    refused(g, "strict", answered(g, sp, Browserless(g), name="strict"), "require-signed-response")


def test_attributes_name_the_person(g, sp):
    s = sign_in(g, sp, name="mail")
    assert "mail:alice@example.com" in s.get("/-/holds").text
    refused(g, "mail", answered(g, sp, Browserless(g), "bob", "mail"), "an attribute of principal is missing")


def test_transient_names(g, sp):
    refused(g, "corp", answered(g, sp, Browserless(g), "guest"), "transient")
    sp.ask("configure", users={"guest": {"nameid_format": TRANSIENT, "nameid": "one", "mail": "guest@example.com"}})
    sign_in(g, sp, "guest", "mail")
    sp.ask("configure", users={"guest": {"nameid_format": TRANSIENT, "nameid": "two", "mail": "guest@example.com"}})
    assert "mail:guest@example.com" in sign_in(g, sp, "guest", "mail").get("/-/holds").text


# -- what goes with the browser --


def test_another_browser_cannot_finish(g, sp):
    """Login CSRF: the attacker's answer in the victim's browser."""
    attacker, victim = Browserless(g), Browserless(g)
    victim.get("/-/login")
    answer = deliver(g, "corp", answered(g, sp, attacker))
    assert finish(victim, answer).status == 403
    assert not is_signed_in(victim)
    # nor one that has never been here
    assert http("GET", g.url + answer.headers["Location"]).status == 403
    # the one that began still can, once
    assert finish(attacker, answer).status == 303
    assert finish(attacker, answer).status == 403


def test_codes_are_for_one_use_each(g, sp):
    s = Browserless(g)
    fields = answered(g, sp, s)
    # the relay state is no code
    assert s.get("/-/login/corp/finish?code=" + fields["RelayState"]).status == 403
    fields = answered(g, sp, s)
    answer = deliver(g, "corp", fields)
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["Location"]).query)["code"][0]
    # and the code is no relay state
    refused(g, "corp", {**fields, "RelayState": code}, "answered before")
    assert s.get("/-/login/corp/finish").status == 403
    assert s.get("/-/login/corp/finish?code=x").status == 403
    assert not is_signed_in(s)


def test_replay(g, sp):
    s = Browserless(g)
    fields = answered(g, sp, s)
    assert finish(s, deliver(g, "corp", fields)).status == 303
    refused(g, "corp", fields, "over, too old")
    # under a sign-in of its own: it does not answer that
    relay = answered(g, sp, Browserless(g))["RelayState"]
    refused(g, "corp", {**fields, "RelayState": relay}, "does not answer this sign-in")


def test_an_answer_to_somebody_elses_sign_in(g, sp):
    mine, theirs = answered(g, sp, Browserless(g)), answered(g, sp, Browserless(g), "bob")
    refused(g, "corp", {**mine, "SAMLResponse": theirs["SAMLResponse"]}, "does not answer this sign-in")


def test_a_sign_in_that_nobody_began(g, sp):
    sp.ask("configure", acs="http://127.0.0.1:0/-/saml/corp/acs")
    loose = sp.ask("response", user="alice", saml={"audience": "http://127.0.0.1:0/-/saml/corp"})
    refused(g, "corp", {"SAMLResponse": loose}, "over, too old")
    refused(g, "corp", {"SAMLResponse": loose, "RelayState": "x"}, "over, too old")


def test_begun_at_the_provider_where_that_is_allowed(g, sp):
    sp.ask("configure", acs="http://127.0.0.1:0/-/saml/open/acs")
    loose = {"SAMLResponse": sp.ask("response", user="alice", saml={"audience": "http://127.0.0.1:0/-/saml/open"})}
    a = deliver(g, "open", loose)
    assert a.status == 303 and "gitgate-session=" in str(a.headers)
    refused(g, "open", loose, "used before")
    sp.ask("configure", acs=None)
    # an answer to a sign-in is not one that nobody asked for
    fields = answered(g, sp, Browserless(g), name="open")
    refused(g, "open", {**fields, "RelayState": "x"}, "not under way")


def test_unknown_places(g):
    assert deliver(g, "nobody", {"SAMLResponse": "x"}).status == 404
    assert http("GET", g.url + "/-/saml/nobody/metadata").status == 404
    assert http("GET", g.url + "/-/saml/corp/acs").status == 405
    assert http("GET", g.url + "/-/login/nobody/finish?code=x").status == 404


# -- hostile answers --


@pytest.mark.parametrize(
    "saml, why",
    [
        ({"signAssertion": False}, "is not signed"),
        ({"signatureAlgorithm": "rsa-sha1"}, "method rsa-sha1 is not accepted"),
        ({"digestAlgorithm": "sha1"}, "digest sha1 is not accepted"),
        ({"signatureAlgorithm": "rsa-sha1", "digestAlgorithm": "sha1", "signResponse": True}, "rsa-sha1 is not accepted"),
        ({"issuer": "https://evil.example.com"}, "another issuer"),
        ({"lifetimeInSeconds": -120}, "has expired"),
    ],
)
def test_hostile_provider(g, sp, saml, why):
    sp.ask("configure", saml=saml)
    refused(g, "corp", answered(g, sp, Browserless(g)), why)


def test_another_key(g, sp, tmp_path):
    key, cert = (p.read_text() for p in idp.certificate(tmp_path, "evil"))
    for more in ({}, {"signResponse": True}, {"signResponse": True, "signAssertion": False}):
        # its certificate goes with the signature
        sp.ask("configure", saml={"key": key, "cert": cert, **more})
        refused(g, "corp", answered(g, sp, Browserless(g)), "not by a key")


def test_another_place(g, sp):
    sp.ask("configure", acs="https://other.example.com/acs")
    s = Browserless(g)
    _, fields = sp.sign_in(begin(g, s), "alice")
    refused(g, "corp", fields, "Destination")
    fields = sp.sign_in(begin(g, s), "alice")[1]
    xml = re.sub(' Destination="[^"]*"', "", xml_of(fields))
    refused(g, "corp", with_xml(fields, xml), "Recipient")


def public_key(cert):
    return subprocess.run(["openssl", "x509", "-in", str(cert), "-pubkey", "-noout"], capture_output=True, check=True).stdout


def test_encrypted(g, sp):
    cert = sp.cert.read_text()
    sp.ask("configure", saml={"encryptionCert": cert, "encryptionPublicKey": public_key(sp.cert).decode()})
    refused(g, "corp", answered(g, sp, Browserless(g)), "encrypted")


def once(text, what, by):
    assert what in text, what
    return text.replace(what, by, 1)


def forged(x):
    """The assertion of somebody else, without the signature, under another id."""
    a = re.search(r"<saml:Assertion .*?</saml:Assertion>", x, re.S)[0]
    e = re.sub(r"<Signature .*?</Signature>", "", a, flags=re.S).replace(">alice<", ">admin<")
    return a, re.sub(r' ID="[^"]*"', ' ID="_evil"', e, count=1)


def first(x):
    a, e = forged(x)
    return x.replace(a, e + a)


def last(x):
    a, e = forged(x)
    return x.replace(a, a + e)


def inside(x):
    a, e = forged(x)
    return x.replace(a, e.replace("</saml:Assertion>", a + "</saml:Assertion>"))


def in_extensions(x):
    a, e = forged(x)
    return once(x.replace(a, e), "<samlp:Status>", f"<samlp:Extensions>{a}</samlp:Extensions><samlp:Status>")


def in_object(x):
    a, e = forged(x)
    sig = re.search(r"<Signature .*?</Signature>", x, re.S)[0]
    plain = a.replace(sig, "")
    return x.replace(a, e.replace("<saml:Subject>", once(sig, "</Signature>", f"<Object>{plain}</Object></Signature>") + "<saml:Subject>"))


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda x: x.replace(">alice<", ">admin<"), "was changed"),
        (lambda x: x.replace(">dev<", ">dba<"), "was changed"),
        (lambda x: re.sub(r"<Signature .*</Signature>", "", x, flags=re.S), "is not signed"),
        (lambda x: x.replace("rsa-sha256", "hmac-sha256"), "hmac-sha256 is not accepted"),
        (first, "2 assertions"),
        (last, "2 assertions"),
        (inside, "2 assertions"),
        (in_extensions, "2 assertions"),
        (in_object, "2 assertions"),
        (lambda x: '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + x.replace(">alice<", ">&b;<"), "document type"),
        (lambda x: "<!DOCTYPE a [" + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "lol"}">' for i in range(9))
            + "]>" + x.replace(">alice<", ">&e8;<"), "document type"),
        (lambda x: x.replace(SUCCESS, SUCCESS.replace("Success", "Responder")), "status Responder"),
        (lambda x: x.replace("<samlp:Status>", "<samlp:Status><a/>" * 2), "well-formed"),
        (lambda x: "x" + x, "not XML"),
        (lambda x: "<a>" * 50000, "well-formed"),
    ],
)  # fmt: skip
def test_changed_on_its_way(g, sp, change, why):
    fields = answered(g, sp, Browserless(g))
    refused(g, "corp", with_xml(fields, change(xml_of(fields))), why)


def test_a_comment_does_not_cut_a_name(g, sp):
    sp.ask("configure", users={"admin.evil": {"groups": "dev"}})
    s = Browserless(g)
    fields = answered(g, sp, s, "admin.evil")
    a = deliver(g, "corp", with_xml(fields, xml_of(fields).replace(">admin.evil<", ">admin<!-- -->.evil<")))
    if a.status == 303:
        finish(s, a)
        assert "corp:admin.evil" in s.get("/-/holds").text
    else:
        assert a.status == 403 and not is_signed_in(s)


def test_no_message(g, sp):
    for field, why in (("!!", "not base64"), ("", "not XML"), ("A" * 400000, "saml-response")):
        relay = answered(g, sp, Browserless(g))["RelayState"]
        refused(g, "corp", {"RelayState": relay, "SAMLResponse": field}, why)
    relay = answered(g, sp, Browserless(g))["RelayState"]
    refused(g, "corp", {"RelayState": relay}, "answer is missing")
    assert deliver(g, "corp", {"SAMLResponse": "A" * 1000000}).status == 413


# -- our side of it --


def test_our_metadata(g, sp):
    text = http("GET", g.url + "/-/saml/corp/metadata").text
    assert 'entityID="http://127.0.0.1:0/-/saml/corp"' in text
    assert 'Location="http://127.0.0.1:0/-/saml/corp/acs"' in text and "X509Certificate" not in text


def test_signed_requests(make_gate, sp, tmp_path):
    key, cert = idp.certificate(tmp_path, "gate")
    saml = {"sp-key-file": str(key), "sp-certificate-file": str(cert), "entity-id": "urn:our-own"}
    g = make_gate(config={"identity": {"providers": [provider(sp, tmp_path, **saml)]}})
    url = begin(g, Browserless(g))
    query = urllib.parse.urlsplit(url).query
    signed, signature = query.split("&Signature=")
    (tmp_path / "sig").write_bytes(base64.b64decode(urllib.parse.unquote(signature)))
    (tmp_path / "signed").write_text(signed)
    (tmp_path / "public").write_bytes(public_key(cert))
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", str(tmp_path / "public"), "-signature", str(tmp_path / "sig"),
                    str(tmp_path / "signed")], check=True, capture_output=True)  # fmt: skip
    text = http("GET", g.url + "/-/saml/corp/metadata").text
    body = "".join(cert.read_text().split("-----")[2].split())
    assert body in text and 'AuthnRequestsSigned="true"' in text and 'entityID="urn:our-own"' in text
    assert is_signed_in(sign_in(g, sp))


def test_files_that_are_wrong_are_said_and_seen_again(make_gate, sp, tmp_path):
    g = make_gate(config={"identity": {"providers": [provider(sp, tmp_path)]}})
    metadata = tmp_path / "corp.xml"
    good = metadata.read_text()
    for bad, why in ((None, "corp.xml"), ("<a/>", "EntityDescriptor"), (good.replace("HTTP-Redirect", "x"), "HTTP-Redirect")):
        if bad is None:
            metadata.unlink()
        else:
            metadata.write_text(bad)
        s = Browserless(g)
        page = s.post("/-/login/corp", csrf=token_in(s.get("/-/login").text))
        assert page.status == 503
        g.said(why)
    metadata.write_text(good)
    assert is_signed_in(sign_in(g, sp))


def test_many_at_once(g, sp):
    """Each gets its own answer, whichever process comes first."""
    browsers = [Browserless(g) for _ in range(6)]
    fields = [answered(g, sp, s, who) for s, who in zip(browsers, ["alice", "bob"] * 3)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda f: deliver(g, "corp", f), fields))
    for s, a, who in zip(browsers, answers, ["alice", "bob"] * 3):
        finish(s, a)
        assert f"corp:{who}" in s.get("/-/holds").text


def test_in_a_browser(make_gate, sp, tmp_path):
    """The Lax cookie is not sent with the provider's form, and need not be."""
    from chromium import By, make_browser

    g = make_gate(config={"identity": {"providers": [provider(sp, tmp_path)]}})
    # another site than the provider's: 127.0.0.1 and localhost
    g.config["public-url"] = g.url.replace("127.0.0.1", "localhost")
    assert g.reload()
    b = make_browser(tmp_path / "browser")
    try:
        b.get(g.config["public-url"] + "/-/login?next=/-/pushes")
        b.find_element(By.CSS_SELECTOR, "form[action='/-/login/corp'] button").click()
        until("the provider's page", lambda: b.find_elements(By.NAME, "login"))
        b.find_element(By.NAME, "login").send_keys("alice")
        b.find_element(By.CSS_SELECTOR, "button").click()
        until("our page", lambda: b.current_url.endswith("/-/pushes") and "corp:alice" in b.page_source)
    finally:
        b.quit()
