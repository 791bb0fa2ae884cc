"""Tokens that somebody made up, took, or got for something else, against a
running gate: each is refused with its reason, and nothing comes of it."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization

from gate import Git, http, make_upstream, ref
from issuer import Issuer, Key, b64, mint

AUDIENCE = "gitgate"


def config_of(i, **more):
    """An issuer without a profile; a None takes a key away."""
    c = {"name": "ci", "issuer": i.url, "audience": AUDIENCE, "principal": "ci:{sub}", "groups": [{"group": "agents", "when": {"kind": "pipeline"}}]}
    return {k: v for k, v in {**c, **more}.items() if v is not None}


def profile_of(i, profile, require, **more):
    return config_of(i, name=profile, profile=profile, require=require, principal=None, groups=[{"group": "agents", "when": dict(require)}], **more)


@pytest.fixture
def place(make_gate, tmp_path):
    """A gate with demo/app and demo/lib that believes these issuers."""

    def make(*issuers):
        bares = [make_upstream(tmp_path / "upstream" / f"{n}.git", {"README": "hello\n"}) for n in ("app", "lib")]
        g = make_gate(
            repositories=[{"path": f"demo/{b.stem}", "upstream": str(b)} for b in bares],
            access=[{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}],
            config={"identity": {"issuers": list(issuers)}},
        )
        g.upstream = bares[0]
        return g

    return make


def ask(g, token, repository="demo/app"):
    return http("GET", f"{g.url}/{repository}.git/info/refs?service=git-receive-pack", headers={"Authorization": f"Bearer {token}"})


def refused(g, token, why, repository="demo/app"):
    """With a reason for people, and nothing of the token in it."""
    a = ask(g, token, repository)
    assert a.status == 403 and a.text.startswith("gitgate: ") and why in a.text, (why, a.status, a.text)
    assert a.headers["Content-Type"].startswith("text/plain")
    for part in token.split("."):
        assert len(part) < 8 or part not in a.text


def hs256(claims, secret, **header):
    body = b64({"alg": "HS256", "typ": "JWT", **header}) + "." + b64(claims)
    return body + "." + b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())


def signed(key, header, payload):
    """Any header and any payload's text, signed with the key."""
    body = b64(header) + "." + b64(payload)
    return body + "." + b64(key.sign(body.encode()))


# -- signatures --


def test_secrets_that_everybody_knows(place):
    """HMAC with the public key as the secret, in each form that a verifier
    which goes by the token's `alg` could hold it in."""
    with Issuer(alg="RS256") as i:
        g = place(config_of(i, algorithms=["RS256"]))
        public = i.keys[0].private.public_key()
        pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
        spki, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
        forms = [public.public_bytes(e, f) for e in (pem, der) for f in (spki, pkcs1)]
        forms += [json.dumps(i.keys[0].jwk).encode(), i.keys[0].jwk["n"].encode(), b""]
        for secret in forms:
            refused(g, hs256(i.claims(), secret, kid=i.keys[0].kid), "shared secret")
        assert i.asked == 0
        assert ask(g, i.mint()).status == 200


def test_no_signature(place):
    with Issuer() as i:
        g = place(config_of(i))
        head, body, sig = i.mint().split(".")
        for alg in ("none", "None", "NONE", "nOnE"):
            refused(g, f"{b64({'alg': alg})}.{body}.{sig}", "not signed")
            refused(g, f"{b64({'alg': alg})}.{body}.AA", "not signed")
        refused(g, f"{head}.{body}.", "not signed")
        refused(g, f"{head}.{body}.AA", "signature is wrong")
        # r and s of nothing, and of the curve's order
        n = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        for raw in (bytes(64), n + n, bytes(31) + b"\1" + bytes(32), bytes(63), bytes(65), bytes(128)):
            refused(g, f"{head}.{body}.{b64(raw)}", "signature is wrong")
        # as OpenSSL writes it
        der = bytes.fromhex("3006020101020101")
        refused(g, f"{head}.{body}.{b64(der)}", "signature is wrong")
        assert ask(g, f"{head}.{body}.{sig}").status == 200


def test_keys_that_the_token_brings(place):
    """Neither taken from the token nor fetched from where it says."""
    with Issuer() as i, Issuer() as evil:
        g = place(config_of(i))
        key = Key(kid=i.keys[0].kid)
        evil.keys = [key]
        claims = i.claims()
        for more in (
            {"jwk": key.jwk},
            {"jku": f"{evil.url}/jwks"},
            {"x5u": f"{evil.url}/cert"},
            {"x5c": [base64.b64encode(b"x").decode()]},
            {"jwk": key.jwk, "jku": f"{evil.url}/jwks", "kid": None},
        ):
            refused(g, mint(key, claims, **more), "signature is wrong")
        assert evil.asked == 0
        # they do no harm beside a signature that is good
        assert ask(g, i.mint(jku=f"{evil.url}/jwks")).status == 200
        assert evil.asked == 0


def test_key_ids_that_mean_something_elsewhere(place):
    with Issuer() as i:
        g = place(config_of(i))
        assert ask(g, i.mint()).status == 200
        key = Key()
        for kid in ("../../../dev/null", "/proc/self/environ", "' OR '1'='1", "x'; DROP TABLE tokens; --", f"{i.url}/jwks", "%s%n", "", "\n", "a" * 1000, "\u0130"):
            refused(g, mint(key, i.claims(), kid=kid), "no key with")
        for kid in (7, ["a"], {"a": 1}, True, "a" * 2000):
            refused(g, mint(key, i.claims(), kid=kid), "key id")
        assert ask(g, i.mint()).status == 200


def test_one_issuers_key_is_not_anothers(place):
    """Also where both call their keys the same."""
    with Issuer() as a, Issuer() as b:
        b.keys[0].kid = a.keys[0].kid
        g = place(config_of(a), config_of(b, name="other", principal="other:{sub}"))
        assert ask(g, a.mint()).status == ask(g, b.mint()).status == 200
        refused(g, a.mint(key=b.keys[0]), "signature is wrong")
        refused(g, b.mint(key=a.keys[0]), "signature is wrong")


def test_an_algorithm_that_is_not_the_issuers(place):
    """Good signatures by keys that are in the set, too."""
    with Issuer(alg="RS256") as i:
        i.keys.append(Key("ES256"))
        g = place(config_of(i, algorithms=["RS256"]))
        refused(g, i.mint(key=i.keys[1]), "not allowed for its issuer")
        # one key's name with another's algorithm
        refused(g, i.mint(alg="PS256"), "not allowed for its issuer")
        refused(g, i.mint(alg="RS512"), "not allowed for its issuer")
        refused(g, mint(i.keys[1], i.claims(), kid=i.keys[0].kid, alg="RS256"), "signature is wrong")
        assert ask(g, i.mint()).status == 200


# -- shapes --


def test_other_shapes(place):
    with Issuer() as i:
        g = place(config_of(i))
        key, claims = i.keys[0], i.claims()
        head = {"alg": "ES256", "kid": key.kid}
        text = json.dumps(claims)
        refused(g, signed(key, head, text[:-1] + ', "sub": "admin"}'), "a claim twice")
        refused(g, signed(key, head, '{"sub": "admin", ' + text[1:]), "a claim twice")
        refused(g, signed(key, json.dumps(head)[:-1] + ', "alg": "ES256"}', text), "a member twice")
        refused(g, signed(key, head, "admin"), "no claims")
        refused(g, signed(key, head, json.dumps([claims])), "no claims")
        refused(g, signed(key, head, ""), "no claims")
        for more, why in (
            ({"crit": ["exp"]}, "crit"),
            ({"crit": []}, "crit"),
            ({"b64": False}, "b64"),
            ({"zip": "DEF"}, "zip"),
            ({"enc": "A128GCM"}, "enc"),
            ({"typ": "at+jwt"}, "type"),
            ({"typ": "logout+jwt"}, "type"),
        ):
            refused(g, signed(key, {**head, **more}, text), why)
        # padding, spare bits, white space are other writings of the same bytes
        h, body, sig = i.mint(claims).split(".")
        assert ask(g, f"{h}.{body}.{sig}").status == 200
        refused(g, f"{h}.{body}.{sig}==", "base64url")
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        twin = sig[:-1] + last[last.index(sig[-1]) + 1]
        refused(g, f"{h}.{body}.{twin}", "base64url")


def test_what_is_no_compact_jws_is_no_token(place):
    """JWE and JSON serialization do not even look like one."""
    with Issuer() as i:
        g = place(config_of(i))
        h, body, sig = i.mint().split(".")
        for token in (
            f"{h}.{body}.{sig}.{sig}.{sig}",
            f"{b64({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.a.b.c.d",
            json.dumps({"payload": body, "protected": h, "signature": sig}).replace(" ", ""),
            f"{h}.{body}",
            f"{h}.{body}.{sig}.",
        ):
            a = ask(g, token)
            assert a.status in (400, 401, 403), (token, a.status)
        assert i.asked == 0
        # too much of one is not read at all
        assert ask(g, i.mint({"x": "y" * 20000})).status in (400, 403, 413, 431)
        assert ask(g, i.mint()).status == 200


# -- claims --


def test_somebody_elses_token(place):
    """Made for another, by another, at another time."""
    with Issuer(path="/a") as i:
        g = place(config_of(i, **{"max-lifetime": "10m"}))
        now = int(time.time())
        for claims, why in (
            ({"aud": None}, "(aud)"),
            ({"aud": ""}, "(aud)"),
            ({"aud": []}, "(aud)"),
            ({"aud": "https://github.com/acme"}, "somebody else (aud): ask for one with the audience gitgate"),
            ({"aud": i.url}, "somebody else (aud)"),
            ({"aud": "Gitgate"}, "somebody else (aud)"),
            ({"aud": "gitgate "}, "somebody else (aud)"),
            ({"aud": [AUDIENCE, "sts.amazonaws.com"]}, "more than one audience"),
            ({"aud": {AUDIENCE: AUDIENCE}}, "(aud)"),
            ({"iss": i.url + "/"}, "no issuer"),
            ({"iss": i.url[:-1]}, "no issuer"),
            ({"iss": i.url + "/b"}, "no issuer"),
            ({"iss": i.url.upper()}, "no issuer"),
            ({"iss": [i.url]}, "no issuer"),
            ({"iss": None}, "no issuer"),
            ({"exp": now - 61, "iat": now - 600}, "expired"),
            ({"exp": None}, "(exp)"),
            ({"exp": str(now + 60)}, '"exp" is not a time'),
            ({"exp": now + 60.5}, '"exp" is not a time'),
            ({"exp": 2**62}, '"exp" is not a time'),
            ({"iat": None}, "(iat)"),
            ({"iat": now + 3600, "exp": now + 3700}, "in the future"),
            ({"nbf": now + 3600}, "not valid yet"),
            ({"exp": now + 86400}, "lives longer than the 600 s"),
            ({"sub": None}, "(sub)"),
            ({"sub": ""}, "(sub)"),
            ({"sub": 0}, "(sub)"),
            ({"sub": "a b"}, 'claim "sub" has a character'),
            ({"sub": "a\nb"}, 'claim "sub" has a character'),
            ({"sub": "\u0430dmin"}, 'claim "sub" has a character'),
            ({"sub": "a" * 200}, "longer than 128 bytes"),
        ):
            refused(g, i.mint(claims), why)
        assert ask(g, i.mint()).status == 200


def test_a_person_cannot_be_had_by_a_subject(place):
    """The issuer's own text stands before what a token says."""
    with Issuer() as i:
        g = place(config_of(i, groups=[{"from": "teams", "prefix": "ci-"}]))
        # an account of that name, and its group, are not reached
        a = ask(g, i.mint({"sub": "ann", "teams": ["agents", "auditors"]}))
        assert a.status == 404, a.text
        token = g.token("x", "auditors")
        assert not [e for e in g.audit(token) if e.get("principal") == "ann"]


# -- pipelines of forks, and of others --


def github(**claims):
    return {"repository": "demo/app", "repository_id": "74", "repository_owner": "demo", "repository_owner_id": "65", "event_name": "push", "ref": "refs/heads/main", "sub": "repo:demo/app:ref:refs/heads/main", "actor": "octocat", **claims}


def gitlab(**claims):
    return {"project_path": "demo/app", "project_id": "20", "job_project_id": "20", "namespace_id": "72", "namespace_path": "demo", "pipeline_source": "push", "user_login": "ann", "sub": "project_path:demo/app:ref_type:branch:ref:main", **claims}


def circleci(**claims):
    return {"sub": "org/a/project/b/user/c", "oidc.circleci.com/vcs-origin": "github.com/demo/app", "oidc.circleci.com/ssh-rerun": False, **claims}


def buildkite(**claims):
    return {"sub": "organization:demo:pipeline:app", "organization_slug": "demo", "pipeline_slug": "app", "organization_id": "o-1", "build_branch": "main", **claims}


PROFILES = [
    (
        "github-actions",
        {"repository_owner_id": 65},
        github,
        [
            ({"repository_owner_id": "66"}, "repository_owner_id"),
            ({"repository_owner_id": "650"}, "repository_owner_id"),
            ({"repository_owner_id": None}, "repository_owner_id"),
            ({"event_name": "pull_request"}, "pull_request "),
            ({"event_name": "pull_request_target"}, "pull_request_target"),
            ({"event_name": "workflow_run"}, "workflow_run"),
            ({"event_name": "issue_comment"}, "issue_comment"),
            ({"event_name": None}, "event_name"),
            ({"repository": "demo/app evil"}, '"repository" has a character'),
        ],
    ),
    (
        "gitlab",
        {"namespace_id": 72},
        gitlab,
        [
            ({"namespace_id": "73"}, "namespace_id"),
            ({"project_id": "99", "pipeline_source": "merge_request_event"}, "a fork's"),
            ({"project_id": "99"}, "a fork's"),
            ({"job_project_id": "99"}, "a fork's"),
            ({"job_project_id": None, "pipeline_source": "merge_request_event"}, "may be a fork's"),
            ({"project_id": None, "job_project_id": None}, "project_id"),
        ],
    ),
    (
        "circleci",
        {"oidc.circleci.com/vcs-origin": "github.com/demo/*"},
        circleci,
        [
            ({"oidc.circleci.com/vcs-origin": "github.com/evil/app"}, "vcs-origin"),
            ({"oidc.circleci.com/vcs-origin": "github.com/demo-evil/app"}, "vcs-origin"),
            ({"oidc.circleci.com/vcs-origin": None}, "CIRCLE_OIDC_TOKEN_V2"),
            ({"oidc.circleci.com/ssh-rerun": True}, "with SSH"),
            ({"oidc.circleci.com/ssh-rerun": "false"}, "with SSH"),
            ({"oidc.circleci.com/ssh-rerun": None}, "ssh-rerun"),
        ],
    ),
    (
        "buildkite",
        {"organization_id": "o-1"},
        buildkite,
        [
            ({"organization_id": "o-2"}, "organization_id"),
            ({"organization_id": None}, "--claim organization_id"),
            ({"build_branch": "evil:main"}, "fork"),
        ],
    ),
]


@pytest.mark.parametrize("profile,require,claims,bad", PROFILES, ids=[p[0] for p in PROFILES])
def test_pipelines_of_forks_and_of_others(place, profile, require, claims, bad):
    with Issuer(alg="RS256", path="/org/a" if profile == "circleci" else "") as i:
        g = place(profile_of(i, profile, require))
        for more, why in bad:
            refused(g, i.mint(claims(**more)), why)
        w = g.clone(i.mint(claims()))
        tip = w.commit({"a": "a\n"})
        w.push("HEAD:refs/heads/topic", ok=True)
        assert ref(g.upstream, "refs/heads/topic") == tip


def test_a_job_of_another_repository(place):
    """Same organization, same audience: the claim decides, whatever the case."""
    with Issuer(alg="RS256") as i:
        g = place(profile_of(i, "github-actions", {"repository_owner_id": 65}, repositories="{repository}"))
        refused(g, i.mint(github(repository="demo/lib")), "another repository")
        refused(g, i.mint(github(repository="demo/app2")), "another repository")
        refused(g, i.mint(github(repository=None)), "repository")
        assert ask(g, i.mint(github(repository="Demo/App"))).status == 200
        assert ask(g, i.mint(github(repository="demo/lib")), "demo/lib").status == 200


def test_service_accounts_of_a_cluster(place):
    """Made anew under the same name it is another account."""

    def account(name="builder", uid="u-1", sub=None):
        return {
            "sub": sub or f"system:serviceaccount:ci:{name}",
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": name, "uid": uid}, "pod": {"name": "p", "uid": "u-9"}},
        }

    with Issuer(alg="RS256") as i:
        g = place(profile_of(i, "kubernetes", {"kubernetes.io/serviceaccount/uid": "u-1"}))
        refused(g, i.mint(account(uid="u-2")), "serviceaccount/uid")
        refused(g, i.mint(account(sub="system:serviceaccount:ci:admin")), "not a service account's")
        refused(g, i.mint({**account(), "kubernetes.io": {"namespace": "ci"}}), "kubernetes.io/serviceaccount/name")
        refused(g, i.mint({**account(), "kubernetes.io": "ci"}), "kubernetes.io/namespace")
        refused(g, i.mint({**account(), "aud": ["https://kubernetes.default.svc"]}), "somebody else (aud)")
        assert ask(g, i.mint(account())).status == 200


def test_workloads_of_a_trust_domain(place, tmp_path):
    """JWT-SVIDs: no `iss`, keys of the bundle that are for them alone."""
    key, other, tls = Key(), Key(), Key()
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"keys": [{**key.jwk, "use": "jwt-svid"}, {**other.jwk, "use": "jwt-svid"}, {**tls.jwk, "use": "x509-svid"}]}))
    domain = "spiffe://acme.example"
    rule = {"sub": f"{domain}/ci/builder"}
    g = place({"name": "mesh", "profile": "spiffe", "issuer": domain, "jwks-file": str(bundle), "audience": AUDIENCE, "groups": [{"group": "agents", "when": rule}]})
    now = int(time.time())

    def svid(signer=key, header=None, **claims):
        c = {"sub": f"{domain}/ci/builder", "aud": [AUDIENCE], "exp": now + 300, **claims}
        return mint(signer, {k: v for k, v in c.items() if v is not None}, **(header or {}))

    assert ask(g, svid()).status == 200
    # `kid` and `typ` may be absent
    assert ask(g, svid(signer=other, header={"kid": None, "typ": None})).status == 200
    assert ask(g, svid(header={"typ": "JOSE"})).status == 200
    refused(g, svid(signer=tls), "no key with")
    refused(g, svid(signer=Key(kid=key.kid)), "signature is wrong")
    refused(g, svid(header={"jku": "https://evil.example/"}), "JWT-SVID")
    refused(g, svid(exp=None), "(exp)")
    refused(g, svid(exp=now - 90), "expired")
    refused(g, svid(exp=now + 86400), "lives longer")
    refused(g, svid(aud=[AUDIENCE, "other"]), "more than one audience")
    for sub in ("spiffe://acme.example.evil/ci/builder", "spiffe://acme.example", "spiffe://acme.example/", "spiffe://acme.exampl/ci", "SPIFFE://acme.example/ci/builder"):
        refused(g, svid(sub=sub), "no issuer")
    # another workload is somebody, who may nothing
    assert ask(g, svid(sub=f"{domain}/web")).status == 404


def test_git_is_told_why(place):
    """A person who reads the job's log sees the sentence, and the token not."""
    with Issuer(alg="RS256") as i:
        g = place(profile_of(i, "github-actions", {"repository_owner_id": 65}))
        token = i.mint(github(event_name="pull_request_target"))
        p = Git(g.dir, g.home).run("-c", f"http.extraHeader=Authorization: Bearer {token}", "ls-remote", g.remote(), check=False)
        assert p.returncode != 0 and "remote: gitgate: " in p.stderr and "pull_request_target" in p.stderr
        for part in token.split("."):
            assert part not in p.stderr and part not in g.log()


def test_mistakes_are_refused_before_the_gate_starts(make_gate, tmp_path):
    """`gitgate check` names file and line; a reload keeps what was."""
    with Issuer() as i:
        g = make_gate(config={"identity": {"issuers": [config_of(i)]}})
        assert ask(g, i.mint()).status in (200, 404)
        g.config["identity"]["issuers"] = [{"name": "g", "profile": "github-actions", "audience": AUDIENCE}]
        assert not g.reload()
        p = g.cli("check", check=False)
        assert p.returncode != 0 and "`require` must say whose" in p.stderr and "gitgate.yaml:" in p.stderr, p.stderr
        assert ask(g, i.mint()).status in (200, 404)


def test_doubts_are_told(make_gate):
    """Bound by a name only: it works, and check and the log say so."""
    by_name = {"repository_owner": "acme"}
    issuer = {"name": "g", "issuer": "https://token.actions.githubusercontent.com", "audience": AUDIENCE, "principal": "github:{repository}", "groups": [{"group": "agents", "when": by_name}]}
    g = make_gate(config={"identity": {"issuers": [issuer]}})
    g.said("event=config_doubtful", "repository_owner_id")
    p = g.cli("check")
    assert "warning: " in p.stderr and "repository_owner_id" in p.stderr
    issuer["require"] = {"repository_owner_id": 65}
    assert g.reload()
    assert "warning" not in g.cli("check").stderr
    assert g.log().count("event=config_doubtful") == 1
