"""People sign in by OpenID Connect: with a certified provider, and with one
that lies in every way that a relying party has to notice."""

import hashlib
import hmac
import html
import json
import re
import time
import urllib.parse

import idp
import pytest
from cryptography.hazmat.primitives import serialization

from gate import PROTECT_MAIN, http, until, hold_id
from issuer import Key, b64, mint
from standin_op import PUBLIC, Person, StandIn
from websession import Browserless, token_in

PASSWORD = "correct horse battery"


@pytest.fixture
def op():
    with StandIn() as x:
        yield x


@pytest.fixture
def g(make_gate, op):
    return make_gate(rules=[PROTECT_MAIN], config=op.config(limits={"sign-in-tries": 200}))


def entries(g, type):
    admin = getattr(g, "auditor", None)
    if admin is None:
        admin = g.auditor = g.token("auditor", "auditors")
    return g.api("GET", f"/audit?type={type}", admin).json["entries"]


def held(g, email="ada@agents.example", token=None):
    """A push that waits for maintainers; its hold."""
    work = g.clone(token or g.token("bot", "agents"))
    work.write({"f": email})
    work.run("add", "-A")
    env = {"GIT_AUTHOR_EMAIL": email, "GIT_COMMITTER_EMAIL": email, "GIT_AUTHOR_NAME": "X Y", "GIT_COMMITTER_NAME": "X Y"}
    work.run("commit", "-q", "-m", "change", env=env)
    return hold_id(work.push("HEAD:main", ok=False))


def approve(p, id):
    return p.post(f"/-/holds/{id}/approve", comment="fine")


# -- the way through --


def test_a_person_signs_in_and_approves(g, op):
    p = Person(g)
    url = p.begin(next="/-/pushes")
    a = p.back(op.approve(url, sub="s1", preferred_username="ann", groups=["maintainers", "no group!"], email="ann@example.com", email_verified=True))
    assert a.status == 303 and a.headers["Location"] == "/-/pushes"
    cookie = next(c for c in a.headers.get_all("Set-Cookie") if c.startswith("__Host-gitgate="))
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    account = p.get("/-/account").text
    for part in ("corp:ann", "maintainers", "ann@example.com", "Corp", "127.0.0.1"):
        assert part in account, account
    assert "no group!" not in account
    # the secret-less client names itself in the form; the code is PKCE's
    headers, form = op.forms[0]
    assert form["client_id"] == op.client_id and "Authorization" not in headers
    assert len(form["code_verifier"]) == 43 and "client_secret" not in form
    login = entries(g, "session.login")[0]
    assert login["principal"] == "corp:ann"
    assert {"provider": "corp", "issuer": op.url, "subject": "s1"}.items() <= login["auth"].items()
    id = held(g)
    p.csrf = token_in(account)
    assert approve(p, id).status == 303
    g.wait_hold(id, g.token("watch", "maintainers"), "forwarded")
    review = entries(g, "hold.review")[0]
    assert review["reviewer"] == "corp:ann" and review["reviewer_issuer"] == op.url and review["reviewer_subject"] == "s1"


def test_groups_of_claims_decide(g, op):
    id = held(g)
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann", groups=["others"])
    assert approve(p, id).status in (403, 404)
    q = Person(g)
    q.sign_in(op, sub="s2", preferred_username="bob", groups="maintainers")
    assert approve(q, id).status == 303


def test_a_client_secret_is_the_messengers(make_gate, op, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret %&\n")
    secret.chmod(0o600)
    g = make_gate(config=op.config({"client-secret-file": str(secret)}))
    Person(g).sign_in(op, sub="s1", preferred_username="ann")
    headers, form = op.forms[0]
    assert headers["Authorization"].startswith("Basic ") and "client_id" not in form
    assert "s3cret" not in g.log()
    assert str(secret) not in [w for x in g.cli("doctor", check=False).stdout.splitlines() if not x.startswith("ok") for w in x.split()]
    secret.chmod(0o644)
    said = g.cli("doctor", check=False).stdout
    assert f"client-secret-file {secret} is open to others" in said


# -- tokens that are not good --


def _foreign(op):
    return lambda claims: mint(Key("ES256", kid=op.keys[0].kid), claims)


def _hs(secret):
    def make(claims):
        body = b64({"typ": "JWT", "alg": "HS256"}) + "." + b64(claims)
        return body + "." + b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())

    return make


def _public_pem(op):
    return op.keys[0].private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _but(op, **changes):
    def make(claims):
        return op.mint_raw({k: v for k, v in {**claims, **changes}.items() if v is not None})

    return make


BAD_TOKENS = {
    "wrong signature": lambda op: _foreign(op),
    "a key that it does not show": lambda op: lambda claims: mint(Key("ES256"), claims),
    "none": lambda op: lambda claims: b64({"alg": "none", "typ": "JWT"}) + "." + b64(claims) + ".",
    "HS256 with the client's id": lambda op: _hs(op.client_id.encode()),
    "HS256 with the public key": lambda op: _hs(_public_pem(op)),
    "HS256 with the key set": lambda op: _hs(json.dumps({"keys": [op.keys[0].jwk]}).encode()),
    "another's audience": lambda op: _but(op, aud="another"),
    "two audiences, no azp": lambda op: _but(op, aud=[op.client_id, "another"]),
    "azp of another": lambda op: _but(op, azp="another"),
    "another issuer": lambda op: _but(op, iss="https://evil.example"),
    "issuer with a slash more": lambda op: _but(op, iss=op.url + "/"),
    "another nonce": lambda op: _but(op, nonce="x" * 43),
    "no nonce": lambda op: _but(op, nonce=None),
    "nonce as a list": lambda op: lambda c: op.mint_raw({**c, "nonce": [c["nonce"]]}),
    "expired": lambda op: _but(op, exp=int(time.time()) - 3600, iat=int(time.time()) - 7200, nbf=None),
    "no exp": lambda op: _but(op, exp=None),
    "no iat": lambda op: _but(op, iat=None),
    "not yet": lambda op: _but(op, nbf=int(time.time()) + 3600),
    "no subject": lambda op: _but(op, sub=None),
    "empty subject": lambda op: _but(op, sub=""),
    "another's access token": lambda op: _but(op, at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "a name that is none": lambda op: _but(op, preferred_username="ann <script>"),
    "no name": lambda op: _but(op, preferred_username=None),
    "no token": lambda op: lambda claims: "a.b.c",
    "a critical header": lambda op: lambda c: mint(op.keys[0], c, crit=["exp"]),
    "an access token's type": lambda op: lambda c: mint(op.keys[0], c, typ="at+jwt"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from gate import Gate

    with StandIn() as op:
        config = op.config(limits={"sign-in-tries": 1000})
        with Gate(tmp_path_factory.mktemp("oidc"), config=config) as g:
            yield g, op


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_tokens_sign_nobody_in(shared, name):
    g, op = shared
    op.token = BAD_TOKENS[name](op)
    p = Person(g)
    try:
        back = op.approve(p.begin(), sub="s1", preferred_username="ann", groups=["maintainers"])
        a = p.back(back)
    finally:
        op.token = None
    assert a.status == 403 and 'role="alert"' in a.text, (a.status, a.text)
    assert "__Host-gitgate" not in p.cookies or not p.cookies.get("__Host-gitgate")
    assert p.get("/-/account").status == 303
    assert "<script>" not in a.text.replace('<script src="/-/static/app.js"', "")
    # the same person, honestly, from the same browser
    p.sign_in(op, sub="s1", preferred_username="ann")


def test_algorithms_are_the_configurations(make_gate, op):
    g = make_gate(config=op.config({"algorithms": ["RS256"]}))
    p = Person(g)
    assert p.back(op.approve(p.begin(), sub="s1", preferred_username="ann")).status == 403
    assert make_refused(make_gate, op, {"algorithms": ["HS256"]})
    assert make_refused(make_gate, op, {"algorithms": ["none"]})


def make_refused(make_gate, op, provider):
    g = make_gate(config=op.config(provider), start=False)
    g.write_config()
    return g.cli("check", check=False).returncode == 1


def test_good_tokens_in_other_clothes(shared):
    g, op = shared
    digest = hashlib.sha256(b"at").digest()[:16]
    for n, change in enumerate(({"aud": [op.client_id, "another"], "azp": op.client_id}, {"aud": [op.client_id]}, {"at_hash": b64(digest)})):
        op.token = _but(op, **change)
        try:
            Person(g).sign_in(op, sub=f"clothes{n}", preferred_username=f"clothes{n}")
        finally:
            op.token = None


# -- answers that are not this browser's, or not this provider's --


def test_an_answer_is_good_once(g, op):
    p = Person(g)
    back = op.approve(p.begin(), sub="s1", preferred_username="ann")
    assert p.back(back).status == 303
    codes = len(op.forms)
    assert p.back(back).status == 403
    p.cookies.pop("__Host-gitgate")
    # a new code for the state that was used
    other = op.approve(p.begin(), sub="s1", preferred_username="ann")
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(other).query))["code"]
    assert p.back(re.sub(r"code=\w+", f"code={code}", back)).status == 403
    assert len(op.forms) == codes  # nobody asked the provider


def test_an_answer_is_for_its_browser(g, op):
    mallory, ann = Person(g), Person(g)
    back = op.approve(mallory.begin(), sub="m", preferred_username="mallory")
    # Mallory's answer in Ann's browser: with a cookie of her own, and without
    ann.get("/-/login")
    for cookies in (dict(ann.cookies), {}, {"__Host-gitgate-form": "x" * 43}, {"__Host-gitgate-form": "short"}):
        ann.cookies = cookies
        a = ann.back(back)
        assert a.status == 403 and not ann.cookies.get("__Host-gitgate")
    assert not op.forms
    assert mallory.back(back).status == 303  # and is still hers


def test_states_that_nobody_gave_out(g, op):
    p = Person(g)
    p.begin()
    for query in ("", "code=x", "state=", "code=x&state=" + "A" * 43, "code=x&state=" + "A" * 5000, f"error=access_denied&state={'A' * 43}"):
        a = p.get(f"/-/login/corp/callback?{query}")
        assert a.status == 403, query
    assert http("HEAD", g.url + "/-/login/corp/callback").status == 405
    assert p.get("/-/login/none/callback?code=x").status == 404
    assert p.post("/-/login/none").status == 404
    assert not op.forms


def test_mix_up_is_noticed(make_gate, op):
    with StandIn(name="other", client_id="other-client") as other:
        config = op.config()
        config["identity"]["providers"] += other.config()["identity"]["providers"]
        g = make_gate(config=config)
        p = Person(g)
        back = op.approve(p.begin("corp"), sub="s1", preferred_username="ann")
        # the answer of one provider at the callback of the other
        assert p.back(back.replace("/login/corp/", "/login/other/")).status == 403
        # an answer that says whose it is
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(op.approve(p.begin("corp"), sub="s1", preferred_username="ann")).query))
        query["iss"] = other.url
        assert p.get(f"/-/login/corp/callback?{urllib.parse.urlencode(query)}").status == 403
        # one that must say so, and does not
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(op.approve(p.begin("corp"), sub="s1", preferred_username="ann")).query))
        del query["iss"]
        assert p.get(f"/-/login/corp/callback?{urllib.parse.urlencode(query)}").status == 403
        assert not op.forms and not other.forms
        # the other one's people have its name
        p.sign_in(other, sub="s1", preferred_username="ann")
        assert "other:ann" in p.get("/-/account").text


def test_iss_may_be_left_out_where_it_is_not_promised(make_gate):
    with StandIn() as op:
        op.names_issuer = False
        Person(make_gate(config=op.config())).sign_in(op, sub="s1", preferred_username="ann")


def test_errors_are_shown_safely(g, op):
    for error, words in (("access_denied", "given up there"), ("<img src=x>", "answered with an error"), ("server_error", "error of its own")):
        p = Person(g)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(p.begin()).query))
        query = urllib.parse.urlencode({"error": error, "error_description": "<b>Call 555</b>", "state": asked["state"], "iss": op.url})
        a = p.get(f"/-/login/corp/callback?{query}")
        assert a.status == 403 and words in a.text
        assert "Call 555" not in a.text and "<img" not in a.text
        # that sign-in is over
        assert p.get(f"/-/login/corp/callback?{query.replace('error=', 'code=')}").status == 403


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/-/..//evil.example", "/-/\\evil", "javascript:x", "/-/logout", "/-/holds%0d%0aX: y"])
def test_next_leads_to_this_gate_only(shared, next):
    g, op = shared
    p = Person(g)
    a = p.back(op.approve(p.begin(next=urllib.parse.quote(next, safe="%")), sub="s1", preferred_username="ann"))
    assert a.status == 303 and a.headers["Location"] == "/-/holds"
    p.cookies = {}
    p.get("/-/login")
    form = {"csrf": token_in(p.get("/-/login").text), "next": next}
    a = p.post("/-/login/corp", **form)
    url = html.unescape(re.search(r'id="go" href="([^"]*)"', a.text)[1])
    a = p.back(op.approve(url, sub="s1", preferred_username="ann"))
    assert a.headers["Location"] == "/-/holds"


def test_beginning_takes_our_own_form(g, op):
    p = Person(g)
    csrf = token_in(p.get("/-/login").text)
    assert p.post("/-/login/corp", csrf="x" * 43).status == 403
    assert p.post("/-/login/corp", csrf=None).status == 403
    assert p.post("/-/login/corp", csrf=csrf, headers={"Origin": "https://evil.example"}).status == 403
    assert p.post("/-/login/corp", csrf=csrf, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert http("GET", g.url + "/-/login/corp").status == 405
    assert op.asked == 0


# -- a provider that is away, slow, or not what it was --


def test_a_provider_that_is_away(g, op):
    op.down = True
    p = Person(g)
    csrf = token_in(p.get("/-/login").text)
    assert p.post("/-/login/corp", csrf=csrf).status == 503
    g.said("event=provider_failed")
    g.user("lea", PASSWORD)
    Person(g, "lea", PASSWORD)  # others sign in meanwhile


def test_a_provider_that_is_away_is_not_asked_in_a_loop(make_gate, op):
    """One question in the time of cooling down, however many want to know."""
    g = make_gate(config=op.config(limits={"issuer-cool-down": "1h"}))
    op.down = True
    p = Person(g)
    csrf = token_in(p.get("/-/login").text)
    for _ in range(5):
        assert p.post("/-/login/corp", csrf=csrf).status == 503
    assert op.asked == 1


@pytest.mark.parametrize("what", [
    b"{", b"[]", {"issuer": "https://evil.example"}, (500, {}, b""), (302, {"Location": "https://evil.example"}, b""),
    {"authorization_endpoint": "javascript:alert(1)"}, {"authorization_endpoint": 'https://x/"><b>'},
    {"token_endpoint": "file:///etc/passwd"}, {"jwks_uri": None}, {"authorization_endpoint": "https://x/#f"},
])  # fmt: skip
def test_discovery_that_is_not_good(make_gate, op, what):
    op.discovery = {**op.metadata(), **what} if isinstance(what, dict) else what
    g = make_gate(config=op.config())
    p = Person(g)
    a = p.post("/-/login/corp", csrf=token_in(p.get("/-/login").text))
    assert a.status == 503, a.text


@pytest.mark.parametrize("answer", [(500, {}, b""), (200, {}, b"{"), (200, {}, b"{}"), (200, {}, b'{"id_token": 5}'), (302, {"Location": "https://evil.example"}, b""), (400, {}, b"<b>no</b>"), (200, {}, b'{"id_token": "' + b"a" * 20000 + b'"}')])
def test_token_answers_that_are_not_good(shared, answer):
    g, op = shared
    op.token_answer = answer
    p = Person(g)
    try:
        a = p.back(op.approve(p.begin(), sub="s1", preferred_username="ann"))
    finally:
        op.token_answer = None
    assert a.status in (403, 503) and "<b>no" not in a.text


def test_keys_are_fetched_again_when_they_change(make_gate, op):
    g = make_gate(config=op.config(limits={"issuer-cool-down": "1s", "sign-in-tries": 10000}))
    Person(g).sign_in(op, sub="s1", preferred_username="ann")

    def status():
        p = Person(g)
        return p.back(op.approve(p.begin(), sub="s1", preferred_username="ann")).status

    op.rotate(keep=False)
    until("the new key is found", lambda: status() == 303, log=g.log)
    # one that is nowhere is asked for once a cool-down, and never believed
    op.token = lambda claims: mint(Key("ES256"), claims)
    before = op.count["/jwks"]
    until("it was asked for", lambda: status() == 403 and op.count["/jwks"] > before, log=g.log)
    assert status() == 403


def test_few_workers_wait_for_a_provider(make_gate, op):
    import threading

    g = make_gate(config=op.config(limits={"sign-ins-waiting": 2, "messenger-timeout": "30s"}))
    people = [Person(g) for _ in range(6)]
    forms = [token_in(p.get("/-/login").text) for p in people]
    op.hold()
    answers = []
    threads = [threading.Thread(target=lambda p=p, f=f: answers.append(p.post("/-/login/corp", csrf=f).status)) for p, f in zip(people, forms)]
    for t in threads:
        t.start()
    try:
        until("all but two were sent away", lambda: len(answers) == 4)
        assert answers == [503] * 4
        assert http("GET", g.url + "/readyz").status == 200
    finally:
        op.release()
        for t in threads:
            t.join()
    assert sorted(answers) == [200, 200] + [503] * 4


# -- limits --


def test_sign_ins_under_way_are_bounded(make_gate, op):
    g = make_gate(config=op.config(limits={"sign-ins-pending-per-address": 3}))
    p = Person(g)
    for _ in range(3):
        p.begin()
    a = p.post("/-/login/corp", csrf=token_in(p.get("/-/login").text))
    assert a.status == 429 and "sign-ins-pending-per-address" in a.text
    g = make_gate(config=op.config(limits={"sign-ins-pending": 2}))
    p = Person(g)
    back = [p.begin() for _ in range(2)]
    a = p.post("/-/login/corp", csrf=token_in(p.get("/-/login").text))
    assert a.status == 429 and "sign-ins-pending)" in a.text
    # one that is finished makes room
    p.back(op.approve(back[0], sub="s1", preferred_username="ann"))
    p.cookies.pop("__Host-gitgate")
    p.begin()


def test_a_sign_in_has_its_time(make_gate, op):
    g = make_gate(config=op.config(limits={"sign-in-time": "1s"}))
    p = Person(g)
    back = op.approve(p.begin(), sub="s1", preferred_username="ann")
    g.stop()
    g.config["limits"] = {"sign-in-time": "1ms"}
    g.start()
    assert p.back(back).status == 403 and not op.forms


def test_a_restart_loses_no_sign_in(g, op):
    p = Person(g)
    back = op.approve(p.begin(), sub="s1", preferred_username="ann")
    g.stop()
    g.start()
    assert p.back(back).status == 303


def test_failures_are_counted_by_address(make_gate, op):
    g = make_gate(config=op.config(limits={"sign-in-tries": 3}))
    p = Person(g)
    for _ in range(3):
        assert p.back(op.approve(p.begin(), sub="s", preferred_username="a b")).status == 403
    assert p.get(f"/-/login/corp/callback?code=x&state={'A' * 43}").status == 429
    a = p.post("/-/login/corp", csrf=token_in(p.get("/-/login").text))
    assert a.status == 429 and a.headers["Retry-After"]
    failure = entries(g, "session.failure")
    assert len(failure) == 3 and failure[0]["auth"]["provider"] == "corp" and "principal" not in failure[0]


def test_another_site_locks_nobody_out(make_gate, op):
    """Any page can make browsers send answers that nobody asked for."""
    g = make_gate(config=op.config(limits={"sign-in-tries": 3}))
    p = Person(g)
    p.get("/-/login")
    for query in (f"code=x&state={'A' * 43}", "error=access_denied", "") * 2:
        assert p.get(f"/-/login/corp/callback?{query}").status == 403
    assert p.back(op.approve(p.begin(), sub="s1", preferred_username="ann")).status == 303
    assert not entries(g, "session.failure")
    assert len(entries(g, "auth.failure")) == 1  # an entry a minute


def test_a_network_is_one_client(make_gate, op):
    """Who has one IPv6 address has its /64."""
    g = make_gate(config={**op.config(limits={"sign-in-tries": 3, "sign-ins-pending-per-address": 2}),
                          "trusted-proxies": ["127.0.0.1"]})  # fmt: skip
    p = Person(g)
    token = token_in(p.get("/-/login").text)

    def post(path, address, **form):
        return p.post(path, {"X-Forwarded-For": address}, csrf=token, **form)

    said = [post("/-/login/corp", f"2001:db8::{n}").status for n in range(1, 4)]
    assert said == [200, 200, 429]
    assert post("/-/login/corp", "2001:db8:0:1::1").status == 200
    said = [post("/-/login", f"2001:db8::{n}", user=f"user{n}", password="x").status for n in range(1, 5)]
    assert said == [403, 403, 403, 429]


# -- who somebody is --


def test_a_recycled_name_is_refused(g, op):
    Person(g).sign_in(op, sub="old", preferred_username="ann")
    for name in ("ann", "ANN"):
        p = Person(g)
        a = p.back(op.approve(p.begin(), sub="new", preferred_username=name))
        assert a.status == 403 and "belongs to somebody else" in a.text
    # the first one keeps the name, whatever they are called later
    p = Person(g)
    p.sign_in(op, sub="old", preferred_username="renamed")
    assert "corp:ann" in p.get("/-/account").text
    links = json.loads(g.cli("user", "links", "--json").stdout)["links"]
    assert [(x["person"], x["subject"], x["issuer"], x["linked"]) for x in links] == [("corp:ann", "old", op.url, False)]
    # an administrator decides otherwise: then the name is free, the sessions over
    g.cli("user", "unlink", "--provider", "corp", "--subject", "old")
    assert p.get("/-/account").status == 303
    Person(g).sign_in(op, sub="new", preferred_username="ann")


def test_a_name_of_a_local_account_is_not_taken(g, op):
    g.user("corp:ann", PASSWORD, "maintainers")
    p = Person(g)
    assert p.back(op.approve(p.begin(), sub="s1", preferred_username="ann")).status == 403
    Person(g).sign_in(op, sub="s2", preferred_username="bob")
    assert g.cli("user", "add", "corp:Bob", "--no-password", check=False).returncode == 1


def test_a_linked_account_is_one_person(make_gate, op):
    two = {**PROTECT_MAIN, "approvals": {"required": 2, "from": ["maintainers"]}}
    g = make_gate(rules=[two], config=op.config())
    g.user("ann", PASSWORD, "maintainers")
    g.cli("user", "link", "ann", "--provider", "corp", "--subject", "s1")
    assert g.cli("user", "link", "ann", "--provider", "corp", "--subject", "s1", check=False).returncode == 1
    assert g.cli("user", "link", "bob", "--provider", "corp", "--subject", "s2", check=False).returncode == 1
    assert g.cli("user", "link", "ann", "--provider", "nope", "--subject", "s2", check=False).returncode == 2
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="whoever", groups=["dba"])
    account = p.get("/-/account").text
    assert "<code>ann</code>" in account and "dba" in account and "maintainers" in account
    id = held(g)
    assert approve(p, id).status == 303
    # the same human with a password, and with a token
    local = Browserless(g, "ann", PASSWORD)
    assert local.post(f"/-/holds/{id}/approve").status == 403
    token = g.token("ann", "maintainers")
    assert g.review(id, token).status == 403
    assert g.hold(id, token)["state"] == "pending"
    # another one counts
    q = Person(g)
    q.sign_in(op, sub="s2", preferred_username="bob", groups=["maintainers"])
    assert approve(q, id).status == 303
    g.wait_hold(id, token, "forwarded")
    # the account's end is the end of what was linked to it
    g.cli("user", "remove", "ann")
    assert p.get("/-/account").status == 303


def test_people_with_one_address_are_one(make_gate, op):
    two = {**PROTECT_MAIN, "approvals": {"required": 2, "from": ["maintainers"]}}
    g = make_gate(rules=[two], config=op.config())
    g.cli("user", "add", "ann", "--group", "maintainers", "--email", "ann@example.com", "--password-stdin", input=PASSWORD + "\n")
    id = held(g)
    local = Browserless(g, "ann", PASSWORD)
    assert local.post(f"/-/holds/{id}/approve").status == 303
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="annie", groups=["maintainers"], email="Ann@example.com", email_verified=True)
    assert approve(p, id).status == 403
    # the address unverified: whose it is, is not known
    q = Person(g)
    q.sign_in(op, sub="s2", preferred_username="q", groups=["maintainers"], email="ann@example.com", email_verified=False)
    assert "ann@example.com" not in q.get("/-/account").text
    assert approve(q, id).status == 303


@pytest.mark.parametrize("verified", [True, "true", False])
def test_an_author_does_not_approve(g, op, verified):
    id = held(g, email="ann@example.com")
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann", groups=["maintainers"], email="ann@example.com", email_verified=verified)
    assert approve(p, id).status == (303 if verified is False else 403)
    if verified:
        # nor with a token of the same name
        assert g.review(id, g.token("corp:ann", "maintainers")).status == 403


def test_trust_email(make_gate, op):
    g = make_gate(rules=[PROTECT_MAIN], config=op.config({"trust-email": True, "email": "mail"}))
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann", mail="ann@example.com")
    assert "ann@example.com" in p.get("/-/account").text


def test_an_owner_is_the_pusher(g, op):
    agent = g.cli("token", "create", "agent", "--group", "agents", "--group", "maintainers", "--owner", "corp:ann").stdout.strip()
    id = held(g, token=agent)
    watch = g.token("watch", "maintainers")
    assert g.hold(id, watch)["verified"]["owner"] == "corp:ann"
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann", groups=["maintainers"])
    a = approve(p, id)
    assert a.status == 403 and "own push" in a.text
    assert "corp:ann" in p.get(f"/-/holds/{id}").text
    # nor does the agent approve what its owner did
    other = held(g, token=g.token("corp:ann", "agents"))
    assert g.review(other, agent).status == 403
    assert entries(g, "push.received")[1]["owner"] == "corp:ann"
    # and takes back what was pushed for her
    assert p.post(f"/-/holds/{id}/withdraw").status == 303


# -- sessions --


def test_sign_out_everywhere(g, op):
    who = {"sub": "s1", "preferred_username": "ann"}
    here, there, third = Person(g), Person(g), Person(g)
    for p in (here, there, third):
        p.sign_in(op, **who)
    other = Person(g)
    other.sign_in(op, sub="s2", preferred_username="bob")
    page = here.get("/-/account").text
    ends = re.findall(r'action="(/-/account/sessions/\w+/end)"', page)
    assert len(ends) == 2 and "this one" in page
    assert other.post(ends[0]).status == 404  # not theirs: nothing ends
    assert there.get("/-/account").status == third.get("/-/account").status == 200
    assert here.post(ends[0], csrf="wrong").status == 403
    assert here.post(ends[0]).status == 303
    assert third.get("/-/account").status == 303  # the newest is listed first
    assert there.get("/-/account").status == 200
    assert here.post("/-/account/sign-out").status == 303
    assert here.get("/-/account").status == there.get("/-/account").status == 303
    assert other.get("/-/account").status == 200
    g.cli("user", "sign-out", "corp:bob")
    assert other.get("/-/account").status == 303
    assert {e.get("reason") for e in entries(g, "session.ended")} == {None, "everywhere"}


def test_a_session_is_new_at_each_sign_in(g, op):
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann")
    first = p.cookies["__Host-gitgate"]
    p.get("/-/login")
    # a session that somebody planted is not used, and a new one replaces it
    p.cookies["__Host-gitgate"] = "A" * 43
    p.sign_in(op, sub="s1", preferred_username="ann")
    second = p.cookies["__Host-gitgate"]
    assert second not in (first, "A" * 43)


def test_sessions_end(make_gate, op):
    g = make_gate(config=op.config())
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann")
    old = dict(p.cookies)

    def signed_in(**config):
        g.config.update(config)
        assert g.reload()
        p.cookies = dict(old)
        return p.get("/-/account").status == 200

    assert signed_in(limits={})
    providers = g.config["identity"]
    assert not signed_in(identity={})  # its provider is gone
    assert signed_in(identity=providers)
    other = {**providers["providers"][0], "issuer": "https://other.example"}
    assert not signed_in(identity={"providers": [other]})  # another one by its name
    assert signed_in(identity=providers)
    assert not signed_in(limits={"session-idle": "1ms"})
    assert not signed_in(limits={})  # over is over
    p = Person(g)
    p.sign_in(op, sub="s1", preferred_username="ann")
    old = dict(p.cookies)
    assert not signed_in(limits={"session-lifetime": "1ms"})
    g.user("lea", PASSWORD)
    g.config["limits"] = {}
    assert g.reload()
    lea = Person(g, "lea", PASSWORD)
    g.config["identity"] = {**providers, "local-accounts": False}
    assert g.reload()
    assert lea.get("/-/account").status == 303
    page = lea.get("/-/login").text
    assert 'name="password"' not in page and "Sign in with Corp" in page
    assert lea.post("/-/login", csrf=token_in(page), user="lea", password=PASSWORD).status == 403


# -- a provider that others wrote --


ACCOUNTS = {
    "alice": {"preferred_username": "alice", "email": "alice@example.com", "email_verified": True, "groups": ["maintainers"]},
    "bob": {"preferred_username": "bob", "email": "bob@example.com", "email_verified": True, "groups": ["others"]},
}


def certified(op, secret, alg):
    secret.write_text(op.client_secret)
    secret.chmod(0o600)
    return {
        "public-url": PUBLIC,
        "limits": {"messenger-timeout": "60s"},
        "identity": {"providers": [{
            "name": "corp", "kind": "oidc", "issuer": op.url, "client-id": op.client_id, "client-secret-file": str(secret),
            "scopes": ["openid", "email", "profile", "groups"], "groups": [{"from": "groups", "only": ["maintainers"]}],
            "algorithms": [alg],
        }]},
    }  # fmt: skip


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_certified_provider(make_gate, tmp_path, alg):
    with idp.oidc(accounts=ACCOUNTS, alg=alg) as op:
        op.ask("client", redirect_uris=[f"{PUBLIC}/-/login/corp/callback"])
        g = make_gate(rules=[PROTECT_MAIN], config=certified(op, tmp_path / "secret", alg))
        p = Person(g)
        a = p.back(op.sign_in(p.begin(), "alice"))
        assert a.status == 303, a.text
        account = p.get("/-/account").text
        assert "corp:alice" in account and "maintainers" in account and "alice@example.com" in account
        if alg != "RS256":
            return
        q = Person(g)
        a = q.back(op.sign_in(q.begin()))  # gives up there
        assert a.status == 403 and "given up there" in a.text
        a = q.back(op.sign_in(q.begin(), "bob"))
        assert a.status == 303
        id = held(g)
        q.csrf = token_in(q.get("/-/account").text)
        p.csrf = token_in(account)
        assert approve(q, id).status in (403, 404)
        assert approve(p, id).status == 303


def test_in_a_browser(make_gate, tmp_path):
    from chromium import By, make_browser

    with idp.oidc(accounts=ACCOUNTS) as op:
        g = make_gate(rules=[PROTECT_MAIN], config=certified(op, tmp_path / "secret", "RS256"))
        g.config["public-url"] = g.url
        assert g.reload()
        op.ask("client", redirect_uris=[f"{g.url}/-/login/corp/callback"])
        b = make_browser(tmp_path / "browser")
        try:
            b.get(f"{g.url}/-/account")
            b.find_element(By.CSS_SELECTOR, "form[action='/-/login/corp'] button").click()
            field = until("the provider asks", lambda: b.find_elements(By.NAME, "login"))[0]
            field.send_keys("alice")
            b.find_element(By.CSS_SELECTOR, "button[value=login]").click()
            until("signed in", lambda: b.current_url == f"{g.url}/-/account" and "corp:alice" in b.page_source, log=lambda: b.page_source)
            b.find_element(By.CSS_SELECTOR, "form[action='/-/account/sign-out'] button").click()
            until("signed out", lambda: b.find_elements(By.CSS_SELECTOR, "form[action='/-/login/corp']"))
        finally:
            b.quit()
