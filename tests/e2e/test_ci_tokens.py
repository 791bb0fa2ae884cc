"""Pipelines push with ID tokens: whose keys are fetched, when, how often; what
a token may; what a lying, slow or absent issuer costs."""

import base64
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import time

import pytest

from gate import PROTECT_MAIN, Git, contents_below, hold_id, http, make_upstream, ref, until
import idp
from issuer import DISCOVERY, JWKS, Authority, Issuer, Key, b64, mint

AUDIENCE = "gitgate"


def issuer_config(i, **more):
    c = {
        "name": "ci",
        "issuer": i.url,
        "audience": AUDIENCE,
        "principal": "ci:{sub}",
        "groups": [{"group": "agents", "when": {"kind": "pipeline"}}],
    }
    c.update(more)
    return {k: v for k, v in c.items() if v is not None}


@pytest.fixture
def issuer():
    with Issuer() as i:
        yield i


@pytest.fixture
def place(make_gate, tmp_path, issuer):
    """A gate with two repositories that believes the issuer."""

    def make(*issuers, limits=None):
        bares = [make_upstream(tmp_path / "upstream" / f"{n}.git", {"README": "hello\n"}) for n in ("app", "lib")]
        config = {"identity": {"issuers": list(issuers) or [issuer_config(issuer)]}, "limits": limits or {}}
        g = make_gate(
            repositories=[{"path": f"demo/{b.stem}", "upstream": str(b)} for b in bares],
            access=[{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}],
            config=config,
        )
        g.upstream = bares[0]
        return g

    return make


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def info_refs(g, token=None, repository="demo/app", headers=None, service="git-upload-pack"):
    h = headers if headers is not None else bearer(token)
    return http("GET", f"{g.url}/{repository}.git/info/refs?service={service}", headers=h)


def events(g, name):
    return [x for x in g.log().splitlines() if f"event={name}" in x]


# -- the main job --


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_clone_and_push_with_the_token_as_password(make_gate, tmp_path, alg):
    with Issuer(alg=alg) as i:
        g = make_gate(config={"identity": {"issuers": [issuer_config(i, algorithms=[alg])]}})
        token = i.mint({"sub": "job-7"})
        w = g.clone(token)
        tip = w.commit({"a": "a\n"})
        w.push("HEAD:refs/heads/topic", ok=True)
        assert ref(g.upstream, "refs/heads/topic") == tip
        assert i.count == {DISCOVERY: 1, JWKS: 1}


def test_push_with_a_bearer_header(place, issuer):
    g = place()
    token = issuer.mint()
    extra = ("-c", f"http.extraHeader=Authorization: Bearer {token}")
    Git(g.dir, g.home).run(*extra, "clone", "-q", g.remote(), str(g.dir / "w"))
    w = Git(g.dir / "w", g.home)
    tip = w.commit({"a": "a\n"})
    w.run(*extra, "push", "-q", "origin", "HEAD:refs/heads/topic")
    assert ref(g.upstream, "refs/heads/topic") == tip


def test_who_pushed_is_known_and_the_token_is_nowhere(place, issuer):
    g = place()
    token = issuer.mint({"sub": "job-7", "jti": "id-of-this-token", "kind": "pipeline"})
    w = g.clone(token)
    w.commit({"a": "a\n"})
    w.push("HEAD:refs/heads/topic", ok=True)
    bad = token[:-8] + ("A" * 8)
    assert info_refs(g, bad).status == 403
    admin = g.token("eve", "auditors")
    entries = [e for e in g.audit(admin) if e["type"] == "push.received"]
    assert len(entries) == 1
    assert entries[0]["principal"] == "ci:job-7"
    auth = entries[0]["auth"]
    assert auth["method"] == "oidc" and auth["credential"] == "id-of-this-token"
    assert auth["issuer"] == "ci" and auth["subject"] == "job-7"
    assert auth["verified"] == {"sub": "job-7", "kind": "pipeline"}
    failures = [e for e in g.audit(admin) if e["type"] == "auth.failure"]
    assert failures and "signature" in failures[0]["reason"]
    push = entries[0]["push"]
    page = http("GET", f"{g.url}/-/pushes/{push}", headers=bearer(admin))
    assert page.status == 200
    for name, value in {"issuer": "ci", "subject": "job-7", "kind": "pipeline"}.items():
        assert re.search(f"<dt>{name}</dt><dd[^>]*>{value}</dd>", page.text), page.text
    a = g.api("GET", f"/pushes/{push}", admin)
    assert a.json["verified"] == {
        "auth": "oidc",
        "principal": "ci:job-7",
        "issuer": "ci",
        "subject": "job-7",
        "claims": {"sub": "job-7", "kind": "pipeline"},
    }
    g.stop()
    # not the token, not its payload, not its signature
    for part in (token, bad, token.split(".")[1], token.split(".")[2]):
        assert part not in g.log()
        for path, content in contents_below(g.state):
            assert part.encode() not in content, path


def test_the_owner_of_a_job_is_the_pusher_under_each_name(make_gate, issuer):
    """Somebody with two accounts and one address approves with neither."""
    config = issuer_config(issuer, owner="{user}")
    g = make_gate(rules=[PROTECT_MAIN], config={"identity": {"issuers": [config]}})
    for name in ("ann", "corp-ann"):
        g.cli("user", "add", name, "--no-password", "--email", "ann@example.com")
    w = g.clone(issuer.mint({"sub": "job-7", "user": "ann", "kind": "pipeline"}))
    w.commit({"a": "a\n"})
    id = hold_id(w.push("HEAD:main", ok=False))
    for name in ("ann", "corp-ann"):
        a = g.review(id, g.token(name, "maintainers"))
        assert a.status == 403 and "own push" in a.text, a.text
    assert g.review(id, g.token("rita", "maintainers")).status == 200


def test_a_token_without_an_id_is_named_by_its_hash(place, issuer):
    g = place()
    w = g.clone(issuer.mint({"jti": None}))
    w.commit({"a": "a\n"})
    w.push("HEAD:refs/heads/topic", ok=True)
    admin = g.token("eve", "auditors")
    (entry,) = [e for e in g.audit(admin) if e["type"] == "push.received"]
    assert re.fullmatch("[0-9a-f]{16}", entry["auth"]["credential"])


def test_the_api_takes_it_too(place, issuer):
    g = place()
    a = g.api("GET", "/pushes", issuer.mint())
    assert a.status == 200, a.text
    assert g.api("GET", "/pushes", issuer.mint({"aud": "other"})).status == 401


# -- what is refused, and how git is told --


def test_claims_that_do_not_fit(place, issuer):
    g = place()
    now = int(time.time())
    cases = [
        ({"exp": now - 120}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": now + 3600}, "nbf|not valid"),
        ({"iat": None}, "iat"),
        ({"aud": "https://github.com/acme"}, "aud"),
        ({"aud": [AUDIENCE, "other"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://issuer.example"}, "no issuer"),
        ({"iss": None}, "no issuer"),
        ({"sub": None}, "sub"),
        ({"exp": now + 10 * 86400}, "long"),
    ]
    for claims, why in cases:
        a = info_refs(g, issuer.mint(claims))
        assert a.status == 403 and re.search(why, a.text), (claims, a.text)
        assert a.headers["Content-Type"].startswith("text/plain")


def test_signatures_that_do_not_fit(place, issuer):
    g = place()
    good = issuer.mint()
    head, body, sig = good.split(".")
    other = Key(kid=issuer.keys[0].kid)
    none = b64({"alg": "none", "kid": other.kid}) + "." + body + "."
    bad = [
        mint(other, issuer.claims()),
        head + "." + body + "." + b64(bytes(64)),
        head + "." + b64(issuer.claims(sub="admin")) + "." + sig,
        none,
        none + "AAAA",
        mint(issuer.keys[0], issuer.claims(), alg="HS256"),
        issuer.mint(jwk=other.jwk, key=other),
        issuer.mint(crit=["exp"]),
        issuer.mint(typ="at+jwt+other"),
        "eyJ.eyJ.x",
        "eyJ..",
    ]
    for token in bad:
        a = info_refs(g, token)
        assert a.status == 403 and a.text.startswith("gitgate: "), (token, a.text)
    assert info_refs(g, good).status == 200


def test_how_the_client_is_told(place, issuer):
    g = place()
    a = info_refs(g, headers={})
    assert a.status == 401 and a.headers["WWW-Authenticate"].startswith("Basic ")
    bad = issuer.mint({"aud": "other"})
    basic = base64.b64encode(f"x:{bad}".encode()).decode()
    a = info_refs(g, headers={"Authorization": f"Basic {basic}"})
    assert a.status == 401 and "aud" in a.text and a.headers["WWW-Authenticate"].startswith("Basic ")
    p = Git(g.dir, g.home).run("-c", f"http.extraHeader=Authorization: Bearer {bad}", "ls-remote", g.remote(), check=False)
    assert "remote: gitgate: " in p.stderr and "aud" in p.stderr
    p = Git(g.dir, g.home).run("ls-remote", g.remote(bad), check=False)
    assert "remote: gitgate: " in p.stderr and "Authentication failed" in p.stderr


# -- keys: rotation, floods, one flight --


def test_a_new_key_costs_one_fetch(place, issuer):
    g = place(limits={"issuer-cool-down": "1ms"})
    old = issuer.keys[0]
    assert info_refs(g, issuer.mint()).status == 200
    issuer.rotate()
    w = g.clone(issuer.mint())
    w.commit({"a": "a\n"})
    w.push("HEAD:refs/heads/topic", ok=True)
    assert info_refs(g, issuer.mint(key=old)).status == 200
    assert issuer.count == {DISCOVERY: 2, JWKS: 2}
    # one that the issuer takes away is no key any more
    issuer.rotate(keep=False)
    assert info_refs(g, issuer.mint()).status == 200
    a = info_refs(g, issuer.mint(key=old))
    assert a.status == 403 and "key id" in a.text


def test_within_the_cool_down_nobody_is_asked(place, issuer):
    g = place()
    old = issuer.keys[0]
    assert info_refs(g, issuer.mint()).status == 200
    issuer.rotate()
    a = info_refs(g, issuer.mint())
    assert a.status == 403 and "key id" in a.text
    assert issuer.count[JWKS] == 1
    assert info_refs(g, issuer.mint(key=old)).status == 200


def test_known_keys_serve_while_the_issuer_is_down(place, issuer):
    g = place(limits={"issuer-cool-down": "1ms"})
    old = issuer.keys[0]
    assert info_refs(g, issuer.mint()).status == 200
    issuer.down = True
    issuer.rotate()
    a = info_refs(g, issuer.mint())
    assert a.status == 503 and "issuer ci" in a.text
    assert info_refs(g, issuer.mint(key=old)).status == 200
    issuer.down = False
    assert info_refs(g, issuer.mint()).status == 200


def test_a_real_provider(place):
    """oauth2-mock-server: another writing of documents, keys and tokens."""
    with idp.issuer(algs=["ES256", "RS256"]) as real:
        g = place(issuer_config(real, algorithms=["ES256", "RS256"]))
        tokens = [real.mint(kid=k, aud=AUDIENCE, sub="job-9", kind="pipeline") for k in [key["kid"] for key in real.keys]]
        assert len(tokens) == 2
        for n, token in enumerate(tokens):
            w = g.clone(token)
            w.commit({f"f{n}": "x\n"})
            w.push(f"HEAD:refs/heads/topic{n}", ok=True)
        fresh = real.mint(aud="other", sub="job-9", kind="pipeline")
        assert info_refs(g, fresh).status == 403


def test_a_flood_of_key_ids_asks_once(place, issuer):
    g = place()
    assert info_refs(g, issuer.mint()).status == 200
    asked = issuer.asked
    for n in range(40):
        assert info_refs(g, issuer.mint(kid=f"no-{n}")).status == 403
    assert issuer.asked == asked
    # nor do ids with the issuer down
    issuer.down = True
    assert info_refs(g, issuer.mint(kid="x")).status == 403
    assert info_refs(g, issuer.mint()).status == 200


def test_first_uses_at_once_make_one_fetch(place, issuer):
    g = place(limits={"messenger-timeout": "120s"})
    issuer.hold()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        asking = [pool.submit(info_refs, g, issuer.mint()) for _ in range(10)]
        until("it is asked", lambda: issuer.asked == 1, log=g.log)
        issuer.release()
        assert {a.result().status for a in asking} == {200}
    assert issuer.count == {DISCOVERY: 1, JWKS: 1}


def test_a_slow_issuer_does_not_take_all_workers(place, issuer):
    g = place(limits={"issuer-waiting": 4, "messenger-timeout": "120s"})
    static = g.token("bot", "agents")
    issuer.hold()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(info_refs, g, issuer.mint()) for _ in range(12)]
        # all but as many as may wait are answered while it is still slow
        until("the rest was answered", lambda: sum(a.done() for a in asking) >= 8, log=g.log)
        early = [a.result() for a in asking if a.done()]
        assert {a.status for a in early} == {503}
        assert all(a.headers["Retry-After"] for a in early)
        assert info_refs(g, static).status == 200
        issuer.release()
        late = [a.result().status for a in asking if a.result() not in early]
        assert late and set(late) == {200}


def test_an_issuer_that_is_down(place, issuer):
    """The gate starts without it, says so, and asks it once per cool-down."""
    issuer.down = True
    g = place()
    for _ in range(3):
        a = info_refs(g, issuer.mint())
        assert a.status == 503 and "issuer ci" in a.text and a.headers["Retry-After"], a.text
    assert a.headers["Content-Type"].startswith("text/plain")
    assert issuer.count[DISCOVERY] <= 2  # libcurl may try a closed connection again
    assert events(g, "issuer_failed")
    # another credential has nothing to do with it
    assert info_refs(g, g.token("bot", "agents")).status == 200
    p = Git(g.dir, g.home).run("-c", f"http.extraHeader=Authorization: Bearer {issuer.mint()}", "ls-remote", g.remote(), check=False)
    assert "remote: gitgate: " in p.stderr and "try again" in p.stderr


# -- what an issuer may say --


LIES = [
        {"issuer": "https://other.example", "jwks_uri": "{url}/jwks"},
        {"issuer": "{url}/", "jwks_uri": "{url}/jwks"},
        {"jwks_uri": "{url}/jwks"},
        {"issuer": "{url}"},
        {"issuer": "{url}", "jwks_uri": 7},
        {"issuer": "{url}", "jwks_uri": "http://127.0.0.1:{other}/jwks"},
        {"issuer": "{url}", "jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{url}", "jwks_uri": "{url}/jwks#" + "x" * 5000},
        b"not json",
        b"[]",
        b"",
        b'{"issuer":"a","issuer":"b"}',
        (302, {"Location": "/jwks"}, b""),
        (500, {}, b"{}"),
        (200, {}, b" " * 300000),
]
BROKEN_SETS = [b"not json", b"[]", b'{"keys":7}', (302, {"Location": DISCOVERY}, b""), (404, {}, b""), (200, {}, b'{"keys":[' + b" " * 300000 + b"]}")]


def filled(what, **values):
    """A document with {name} in its texts replaced."""
    if not isinstance(what, dict):
        return what
    for k, v in values.items():
        what = {x: y.replace("{%s}" % k, v) if isinstance(y, str) else y for x, y in what.items()}
    return what


def test_what_an_issuer_may_not_say(place, issuer):
    """As many issuers as there are lies; the honest one is none the worse."""
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(Issuer())
        liars = [stack.enter_context(Issuer()) for _ in LIES]
        broken = [stack.enter_context(Issuer()) for _ in BROKEN_SETS]
        for i, lie in zip(liars, LIES):
            i.discovery = filled(lie, url=i.url, other=str(other.port))
        for i, keys in zip(broken, BROKEN_SETS):
            i.jwks = keys
        named = [issuer_config(i, name=f"n{n}", principal=f"n{n}:{{sub}}") for n, i in enumerate(liars + broken)]
        g = place(issuer_config(issuer), *named)
        for n, i in enumerate(liars + broken):
            a = info_refs(g, i.mint())
            assert a.status == 503, (n, a.text)
            # what is wrong is for the log, not for who pushes
            assert "127.0.0.1" not in a.text
            assert any(f'issuer="n{n}"' in x for x in events(g, "issuer_failed")), (n, events(g, "issuer_failed"))
        assert [i.count[JWKS] for i in liars] == [0] * len(liars) and other.asked == 0
        assert [i.count[JWKS] for i in broken] == [1] * len(broken)
        assert info_refs(g, issuer.mint()).status == 200


def test_keys_of_a_named_place_or_a_file(make_gate, tmp_path, issuer):
    """jwks-uri: no discovery; jwks-file: nobody is asked."""
    pinned = tmp_path / "keys.json"
    pinned.write_text(json.dumps({"keys": [k.jwk for k in issuer.keys]}))
    for more in ({"jwks-uri": issuer.url + JWKS}, {"jwks-file": str(pinned)}):
        g = make_gate(config={"identity": {"issuers": [issuer_config(issuer, **more)]}})
        assert info_refs(g, issuer.mint()).status == 200
    assert issuer.count == {JWKS: 1}
    # a pinned file that is replaced counts after a reload
    issuer.rotate(keep=False)
    new = tmp_path / "new.json"
    new.write_text(json.dumps({"keys": [k.jwk for k in issuer.keys]}))
    os.rename(new, pinned)
    assert g.reload()
    assert info_refs(g, issuer.mint()).status == 200
    assert issuer.count == {JWKS: 1}


def test_tls_with_its_own_authority(make_gate, tmp_path):
    good, bad = Authority(tmp_path / "good"), Authority(tmp_path / "bad")
    with Issuer(good) as i:
        g = make_gate(config={"identity": {"issuers": [issuer_config(i, **{"ca-file": str(bad.ca_file)})]}})
        assert info_refs(g, i.mint()).status == 503
        assert i.asked == 0
        # the right one, in force without a restart
        g.config["identity"]["issuers"][0]["ca-file"] = str(good.ca_file)
        assert g.reload()
        assert info_refs(g, i.mint()).status == 200


def test_a_reload_changes_issuers(place, issuer):
    g = place()
    assert info_refs(g, issuer.mint()).status == 200
    with Issuer() as other:
        g.config["identity"]["issuers"] = [issuer_config(other)]
        assert g.reload()
        assert info_refs(g, other.mint()).status == 200
        assert info_refs(g, issuer.mint()).status == 403
        # keys are not remembered over it
        g.config["identity"]["issuers"] = [issuer_config(issuer)]
        assert g.reload()
        asked = issuer.count[JWKS]
        assert info_refs(g, issuer.mint()).status == 200
        assert issuer.count[JWKS] == asked + 1
        g.config["identity"]["issuers"] = []
        assert g.reload()
        assert info_refs(g, issuer.mint()).status == 403


# -- one repository --


def test_a_token_serves_one_repository(place, issuer):
    g = place()
    token = issuer.mint()
    w = g.clone(token)
    for service in ("git-upload-pack", "git-receive-pack"):
        a = info_refs(g, token, "demo/lib", service=service)
        assert a.status == 403 and "another repository" in a.text
    failures = [e for e in g.audit(g.token("eve", "auditors")) if e["type"] == "auth.failure"]
    assert "another repository" in failures[0]["reason"]
    w.commit({"a": "a\n"})
    w.push("HEAD:refs/heads/topic", ok=True)
    assert info_refs(g, issuer.mint(), "demo/lib").status == 200
    # a restart does not forget
    g.stop()
    g.start()
    assert info_refs(g, token, "demo/lib").status == 403
    assert info_refs(g, token, "demo/app").status == 200


def test_what_it_may_not_do_binds_nothing(place, issuer):
    g = place()
    token = issuer.mint()
    assert info_refs(g, token, "demo/nothing").status == 404
    assert info_refs(g, token, "demo/lib").status == 200


def test_two_first_uses_at_once_have_one_winner(place, issuer):
    g = place()
    for _ in range(5):
        token = issuer.mint()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [(r, pool.submit(info_refs, g, token, r)) for r in ("demo/app", "demo/lib") * 4]
            won = {r for r, a in asked if a.result().status == 200}
            lost = {r for r, a in asked if a.result().status == 403}
        assert len(won) == 1 and len(lost) == 1 and won != lost


def test_the_other_writing_of_a_signature_is_the_same_token(place, issuer):
    """ECDSA: (r, n - s) is good, too."""
    g = place()
    token = issuer.mint()
    assert info_refs(g, token).status == 200
    head, body, sig = token.split(".")
    raw = base64.urlsafe_b64decode(sig + "==")
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = n - int.from_bytes(raw[32:], "big")
    twin = f"{head}.{body}.{b64(raw[:32] + s.to_bytes(32, 'big'))}"
    assert info_refs(g, twin).status == 200
    assert info_refs(g, twin, "demo/lib").status == 403


def test_the_issuers_repositories(place, issuer):
    g = place(issuer_config(issuer, repositories=["{repository}"]))
    assert info_refs(g, issuer.mint({"repository": "demo/app"}), "demo/app").status == 200
    a = info_refs(g, issuer.mint({"repository": "demo/app"}), "demo/lib")
    assert a.status == 403, a.text


# -- the messenger's end --


def test_a_messenger_that_dies_with_a_fetch_in_hand(place, issuer):
    g = place(limits={"messenger-timeout": "120s"})
    issuer.hold()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(info_refs, g, issuer.mint())
        until("it is asked", lambda: issuer.asked == 1, log=g.log)
        (pid,) = g.pids("messenger")
        os.kill(pid, signal.SIGKILL)
        issuer.release()
        # asked again, of the one that was started since
        assert asking.result().status == 200
    assert g.pids("messenger") != [pid]


def test_a_messenger_that_hangs(place, issuer):
    g = place(limits={"messenger-timeout": "1s"})
    (pid,) = g.pids("messenger")
    os.kill(pid, signal.SIGSTOP)
    try:
        a = info_refs(g, issuer.mint())
        assert a.status == 503 and "try again" in a.text
    finally:
        os.kill(pid, signal.SIGCONT)
    assert info_refs(g, g.token("bot", "agents")).status == 200


def test_stopping_does_not_wait_for_an_issuer(place, issuer):
    g = place(limits={"shutdown-grace": "1s", "messenger-timeout": "60s"})
    issuer.hold()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(info_refs, g, issuer.mint())
        until("it is asked", lambda: issuer.asked == 1, log=g.log)
        assert g.stop() == 0  # in less than the issuer's 60 s
        issuer.release()
        # it was let go with words, or its connection ended
        with contextlib.suppress(OSError):
            assert asking.result().status == 503
