"""Grants: asked for, approved, used, expired, revoked, by CLI, API and page;
honoured at the moment of decision, and for nothing else than was approved."""

import json
import re
import shutil

import pytest
from gate import ROOT, Gate, hold_id, ref, until
from streamed_push import StreamedPush, request_body
from test_secrets import checked
from websession import Browserless

MIGRATIONS = {
    "name": "migrations",
    "when": {"paths": ["db/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["dba"]},
}
NO_FORCE = {"name": "no-force", "when": {"refs": ["refs/heads/main"], "updates": ["force"]}, "then": "deny"}
GRANT = {
    "name": "incident",
    "principals": {"groups": ["agents"]},
    "repositories": ["demo/*"],
    "refs": ["refs/heads/**"],
    "verbs": ["create", "fast-forward", "force", "delete"],
    "max": "4h",
    "approvals": {"required": 1, "from": ["dba"]},
}
ACCESS_GRANT = {
    "name": "visitors",
    "principals": {"groups": ["visitors"]},
    "repositories": ["demo/app"],
    "verbs": ["fetch", "push"],
    "approvals": {"from": ["maintainers"]},
}
ACCESS = [{"principals": {"groups": ["agents", "maintainers", "dba"]}, "repositories": ["**"], "allow": ["fetch", "push"]}]


def policy(*rules, grants=(GRANT, ACCESS_GRANT)):
    return {"access": ACCESS, "grants": list(grants), "rules": list(rules or (MIGRATIONS, NO_FORCE))}


class Place:
    def __init__(self, make_gate, *rules, grants=(GRANT, ACCESS_GRANT), **kw):
        self.g = g = make_gate(policy=policy(*rules, grants=grants), **kw)
        self.bot = g.token("bot", "agents")
        self.rita = g.token("rita", "dba")
        self.work = g.clone(self.bot)
        self.audit_token = g.token("aud", "auditors")

    def ask(self, token=None, status=201, **more):
        body = {"repositories": ["demo/app"], "refs": ["refs/heads/main"], "verbs": ["fast-forward"],
                "for": "30m", "reason": "incident 4711", **more}  # fmt: skip
        body = {k: v for k, v in body.items() if v is not None}
        a = self.g.api("POST", "/grants", token or self.bot, body)
        assert a.status == status, a.text
        return a.json if status == 201 else a.json["detail"]

    def act(self, id, verb, token=None, status=200):
        a = self.g.api("POST", f"/grants/{id}/{verb}", token or self.rita, {"comment": "ok"})
        assert a.status == status, a.text
        return a.json

    def granted(self, token=None, by=None, **more):
        id = self.ask(token, **more)["id"]
        assert self.act(id, "approve", by)["state"] == "active"
        return id

    def get(self, id, token=None):
        a = self.g.api("GET", f"/grants/{id}", token or self.rita)
        assert a.status == 200, a.text
        return a.json

    def entries(self, type, **query):
        return [e.get("entry", e) for e in self.g.audit(self.audit_token, type=type, **query)]

    def main(self):
        return ref(self.g.upstream, "refs/heads/main")


@pytest.fixture
def place(make_gate):
    return Place(make_gate)


def test_asked_approved_used_revoked(place):
    p = place
    p.work.commit({"db/0": "x"})
    p.work.push("main", ok=False)
    asked = p.ask(paths=["db/**"])
    assert asked["state"] == "asked" and asked["from"] == ["dba"] and asked["uses"] == 0
    assert asked["asked_by"] == asked["principal"] == "bot" and asked["entry"] == "incident"
    p.work.push("main", ok=False)  # asked for is not given
    active = p.act(asked["id"], "approve")
    assert active["state"] == "active" and active["reviews"][0]["reviewer"] == "rita"
    head = p.work.commit({"db/1": "x"})
    said = p.work.push("main", ok=True).stderr
    assert re.search(rf"gitgate: allowed by grant {asked['id']} \(approved by rita, until ....-..-..T..:..Z\)", said), said
    assert p.main() == head
    assert p.get(asked["id"])["uses"] == 1
    (update,) = [e for e in p.entries("ref.update", ref="refs/heads/main") if e["new"] == head and e["verdict"] == "allow"]
    assert update["grants"] == [asked["id"]] and update["rules"][0]["verdict"] == "hold"
    assert p.act(asked["id"], "revoke", p.bot)["state"] == "revoked"
    p.work.commit({"db/2": "x"})
    assert "held for approval" in p.work.push("main", ok=False).stderr
    assert p.main() == head
    p.act(asked["id"], "revoke", status=409)
    p.act(asked["id"], "approve", status=409)
    types = [(e["type"], e.get("reviewer") or e.get("by") or e["asked_by"]) for t in ("asked", "approved", "revoked") for e in p.entries(f"grant.{t}")]
    assert types == [("grant.asked", "bot"), ("grant.approved", "rita"), ("grant.revoked", "bot")]
    (asked_entry,) = p.entries("grant.asked")
    assert asked_entry["scope"]["paths"] == ["db/**"] and asked_entry["reason"] == "incident 4711"
    assert asked_entry["repository"] == "demo/app"


OUTSIDE = {
    "paths": dict(paths=["db/x/**"]),
    "twin of a path": dict(paths=["DB/**"]),
    "ref": dict(refs=["refs/heads/other"]),
    "verb": dict(verbs=["create", "delete"]),
    "repository": dict(repositories=["demo/other"]),
    "rule": dict(rules=["another"]),
}


def test_covers_nothing_else(place):
    """Every dimension: a grant that differs in one does not count."""
    p = place
    eve = p.g.token("eve", "agents")
    for more in OUTSIDE.values():
        p.granted(**more)
    p.granted(eve)
    p.work.commit({"db/1": "x"})
    assert "held for approval" in p.work.push("main", ok=False).stderr
    p.granted(paths=["db/**"])
    p.work.push("main", ok=True)


def test_denied_stays_denied_and_one_path_outside_holds(place):
    p = place
    p.granted(verbs=["fast-forward", "force"], paths=["db/a/**"])
    base = p.work.head()
    p.work.commit({"db/a/1": "x", "db/b": "x"})
    assert "held for approval" in p.work.push("main", ok=False).stderr
    p.work.run("reset", "-q", "--hard", base)
    p.work.commit({"db/a/1": "x"})
    p.work.push("main", ok=True)
    p.work.run("reset", "-q", "--hard", base)
    p.work.commit({"db/a/1": "y"})
    said = p.work.push("--force", "main", ok=False).stderr
    assert "denied by rule no-force" in said and p.main() != p.work.head()


def test_approver_must_be_one_that_the_rule_asks_for(make_gate):
    """Somebody else's approval of a grant is none of a DBA; the author's is
    none at all."""
    rule = {**MIGRATIONS, "approvals": {"required": 2, "from": ["dba", "ops"]}}
    grants = [{**GRANT, "approvals": {"from": ["dba", "helpers"]}}]
    p = Place(make_gate, rule, grants=grants)
    hal, carl, ann = (p.g.token(n, grp) for n, grp in (("hal", "helpers"), ("carl", "dba"), ("ada@agents.example", "dba")))
    p.granted(by=p.rita)
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=False)
    p.granted(by=hal)  # not of a group that the rule asks
    p.work.push("main", ok=False)
    p.granted(by=ann)  # author of the commit
    p.work.push("main", ok=False)
    p.granted(by=carl)
    said = p.work.push("main", ok=True).stderr
    assert said.count("allowed by grant") >= 2


def test_nobody_approves_their_own(place):
    p = place
    both = p.g.token("both", "agents", "dba")
    id = p.ask(both)["id"]
    assert "of their own" in p.act(id, "approve", both, status=403)["detail"]
    # asked for somebody else: not by who asked, nor by who gets it
    id = p.ask(p.rita, principal="both")["id"]
    assert "of their own" in p.act(id, "approve", p.rita, status=403)["detail"]
    assert "of their own" in p.act(id, "approve", both, status=403)["detail"]
    # who is not asked is not told that there is one
    said = [p.act(x, "approve", p.g.token("max", "maintainers"), status=404)["detail"] for x in (id, "0" * 26)]
    assert said[0] == said[1] and p.get(id)["state"] == "asked"
    carl = p.g.token("carl", "dba")
    assert p.act(id, "approve", carl)["state"] == "active"
    assert p.act(p.ask()["id"], "reject", carl)["state"] == "rejected"


def test_nobody_approves_their_own_by_another_name(place):
    """One person's address at two accounts; and a machine that asks for
    another one."""
    p = place
    for name in ("ann", "corp-ann"):
        p.g.cli("user", "add", name, "--no-password", "--email", "ann@example.com")
    ann, other = p.g.token("ann", "agents", "dba"), p.g.token("corp-ann", "dba")
    for id in (p.ask(ann)["id"], p.ask(p.g.token("zoe", "dba"), principal="ann")["id"]):
        assert "of their own" in p.act(id, "approve", other, status=403)["detail"]
    helper = p.g.cli("token", "create", "helper", "--group", "agents", "--owner", "ann").stdout.strip()
    for who in (ann, other):
        id = p.ask(helper, principal="bot")["id"]
        assert "of their own" in p.act(id, "approve", who, status=403)["detail"]
    assert p.act(id, "approve")["state"] == "active"


REFUSED = [
    ({"repositories": ["other/app"]}, 403, "no entry"),
    ({"repositories": ["**"]}, 403, "no entry"),
    ({"refs": None}, 403, "no entry"),
    ({"refs": ["refs/**"]}, 403, "no entry"),
    ({"verbs": ["tag-move"]}, 403, "no entry"),
    ({"verbs": ["push"], "refs": None}, 403, "no entry"),
    ({"for": "5h"}, 403, "at most"),
    ({"for": "25h"}, 400, "grant-max"),
    ({"for": "0s"}, 400, "more than 0"),
    ({"for": "soon"}, 400, "duration"),
    ({"for": None}, 400, "duration"),
    ({"reason": ""}, 400, "reason"),
    ({"reason": "x" * 501}, 400, "reason"),
    ({"verbs": None}, 400, "verbs"),
    ({"repositories": None}, 400, "repositories"),
    ({"paths": ["!db/x"]}, 400, "no !"),
    ({"paths": ["x"] * 17}, 400, "grant-scope"),
    ({"extra": 1}, 400, "unknown member"),
    ({"principal": "a b"}, 400, "principal"),
    ({"principal": "anonymous"}, 400, "principal"),
]


@pytest.mark.parametrize("more, status, words", REFUSED, ids=[json.dumps(r[0])[:40] for r in REFUSED])
def test_refused(shared, more, status, words):
    assert words in shared.ask(status=status, **more)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = []

    def make(**kw):
        made.append(Gate(tmp_path_factory.mktemp("grants"), **kw).__enter__())
        return made[-1]

    yield Place(make)
    for g in made:
        g.__exit__(None, None, None)


def test_who_asks_and_who_sees(shared):
    p = shared
    other = p.g.token("other", "maintainers")
    assert "no entry" in p.ask(other, status=403)
    assert "no entry" in p.ask(other, status=403, principal="bot")
    id = p.ask()["id"]
    assert p.g.api("GET", f"/grants/{id}", other).status == 404
    assert p.act(id, "revoke", other, status=404)
    assert id not in [x["id"] for x in p.g.api("GET", "/grants", other).json["grants"]]
    for token in (p.bot, p.rita, p.audit_token):
        assert id in [x["id"] for x in p.g.api("GET", "/grants?state=asked", token).json["grants"]]
    assert p.g.api("GET", "/grants?state=no", p.bot).status == 400
    assert p.g.api("GET", "/grants?limit=0", p.bot).status == 400
    first = p.g.api("GET", "/grants?limit=1", p.rita).json
    p.ask()
    assert len(first["grants"]) == 1
    assert p.act(id, "revoke", p.bot)["state"] == "withdrawn"


def test_limit_per_principal(make_gate):
    p = Place(make_gate, config={"limits": {"grants-per-principal": 2}})
    one = p.ask()["id"]
    p.ask()
    a = p.g.api("POST", "/grants", p.bot, {"repositories": ["demo/app"], "refs": ["refs/heads/x"],
                "verbs": ["create"], "for": "1m", "reason": "r"})  # fmt: skip
    assert a.status == 413 and "grants-per-principal" in a.json["detail"]
    p.act(one, "revoke", p.bot)
    p.ask()


def test_expires(place):
    p = place
    id = p.granted(**{"for": "1s"})
    until("it expires", lambda: p.get(id)["state"] == "expired", log=p.g.log)
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=False)
    assert [e["grant"] for e in p.entries("grant.expired")] == [id]


def test_asked_expires(make_gate):
    p = Place(make_gate, config={"limits": {"grant-wait": "1s"}})
    id = p.ask()["id"]
    until("it expires", lambda: p.get(id)["state"] == "expired", log=p.g.log)
    p.act(id, "approve", status=409)


def test_policy_that_no_longer_gives_it(place):
    """A grant is worth no more than what policy lets one ask for."""
    p = place
    p.granted()
    p.g.policy(policy(grants=()))
    assert p.g.reload()
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=False)


def test_revoked_while_the_push_is_under_way(place):
    """Connected and half sent with an active grant, decided without."""
    p = place
    id = p.granted()
    old, new = p.main(), p.work.commit({"db/1": "x"})
    body = request_body(p.work, "refs/heads/main", old, new)
    push = StreamedPush(p.g, p.bot, body, hold_back=20)
    until("the push is being received", lambda: p.g.api("GET", "/pushes?state=receiving", p.rita).json["pushes"], log=p.g.log)
    p.act(id, "revoke", p.rita)
    push.send_rest()
    answer = push.read_all()
    push.close()
    assert b"held for approval" in answer and b"allowed by grant" not in answer
    assert p.main() == old


def test_rules_that_want_none(make_gate):
    strict = {**MIGRATIONS, "approvals": {"from": ["dba"], "grant": False}}
    p = Place(make_gate, strict)
    p.granted()
    p.work.commit({"db/1": "x"})
    id = hold_id(p.work.push("main", ok=False))
    a = p.g.api("POST", f"/holds/{id}/approve", p.rita, {"comment": "", "grant": {"for": "10m"}})
    assert a.status == 403 and "each time" in a.json["detail"]
    assert p.g.hold(id, p.rita)["state"] == "pending"


def test_a_secret_is_never_granted(place):
    p = place
    rule = {"name": "secrets", "when": {"secrets": True}, "then": "hold", "approvals": {"from": ["dba"]}}
    shutil.copy(ROOT / "policy.d" / "secrets.toml", p.g.policy_dir)
    p.g.policy(policy(rule, MIGRATIONS))
    assert p.g.reload()
    p.granted()
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=True)
    p.work.commit({"conf/a.ini": f"token = {checked('ghp_')}\n"})
    said = p.work.push("main", ok=False).stderr
    assert "held for approval" in said and "(rule secrets)" in said


def test_too_large_is_never_granted(make_gate):
    p = Place(make_gate, MIGRATIONS, config={"limits": {"listed-paths": 3}})
    p.granted()
    p.work.commit({f"db/{i}": "x" for i in range(10)})
    assert "held for approval" in p.work.push("main", ok=False).stderr


# -- with the review of a hold --


def test_approve_and_the_same(place):
    p = place
    p.work.commit({"db/0": "x"})
    id = hold_id(p.work.push("main", ok=False))
    a = p.g.api("POST", f"/holds/{id}/approve", p.rita, {"comment": "fine", "grant": {"for": "10m"}})
    assert a.status == 200, a.text
    p.g.wait_hold(id, p.rita, "forwarded")
    (g,) = p.g.api("GET", "/grants?state=active", p.rita).json["grants"]
    assert g["hold"] == id and g["principal"] == "bot" and g["rules"] == ["migrations"]
    assert (g["repositories"], g["refs"], g["paths"], g["verbs"]) == (["demo/app"], ["refs/heads/main"], ["db/**"], ["fast-forward"])
    head = p.work.commit({"db/1": "x", "other": "y"})
    assert f"allowed by grant {g['id']}" in p.work.push("main", ok=True).stderr
    assert p.main() == head
    p.work.push("HEAD:refs/heads/new", ok=True)  # it brings nothing new
    p.work.commit({"db/2": "x"})
    p.work.push("HEAD:refs/heads/new", ok=False)
    eve = p.g.token("eve", "agents")
    work = p.g.clone(eve)
    work.commit({"db/3": "x"})
    work.push("main", ok=False)
    p.act(g["id"], "revoke")
    p.work.commit({"db/4": "x"})
    p.work.push("main", ok=False)
    assert [e["hold"] for t in ("asked", "approved", "active", "revoked") for e in p.entries(f"grant.{t}")] == [id] * 4


def test_both_reviewers_count(make_gate):
    p = Place(make_gate, {**MIGRATIONS, "approvals": {"required": 2, "from": ["dba"]}})
    carl = p.g.token("carl", "dba")
    p.work.commit({"db/0": "x"})
    id = hold_id(p.work.push("main", ok=False))
    for token in (p.rita, carl):
        assert p.g.api("POST", f"/holds/{id}/approve", token, {"grant": {"for": "10m"}}).status == 200
    p.g.wait_hold(id, p.rita, "forwarded")
    (g,) = p.g.api("GET", "/grants?state=active", p.rita).json["grants"]
    assert [r["reviewer"] for r in g["reviews"]] == ["rita", "carl"]
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=True)


def test_one_reviewer_of_two_is_not_enough(make_gate):
    p = Place(make_gate, {**MIGRATIONS, "approvals": {"required": 2, "from": ["dba"]}})
    carl = p.g.token("carl", "dba")
    p.work.commit({"db/0": "x"})
    id = hold_id(p.work.push("main", ok=False))
    assert p.g.api("POST", f"/holds/{id}/approve", p.rita, {"grant": {"for": "10m"}}).status == 200
    (g,) = p.g.api("GET", "/grants", p.rita).json["grants"]
    assert g["state"] == "asked"
    assert "with its hold" in p.act(g["id"], "approve", carl, status=403)["detail"]
    assert p.g.review(id, carl).status == 200
    p.g.wait_hold(id, p.rita, "forwarded")
    until("it is active", lambda: p.get(g["id"])["state"] == "active", log=p.g.log)
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=False)


def test_a_rejected_hold_grants_nothing(make_gate):
    p = Place(make_gate, {**MIGRATIONS, "approvals": {"required": 2, "from": ["dba"]}})
    carl = p.g.token("carl", "dba")
    p.work.commit({"db/0": "x"})
    id = hold_id(p.work.push("main", ok=False))
    assert p.g.api("POST", f"/holds/{id}/approve", p.rita, {"grant": {"for": "10m"}}).status == 200
    assert p.g.review(id, carl, "reject").status == 200
    (g,) = p.g.api("GET", "/grants", p.rita).json["grants"]
    until("it is withdrawn", lambda: p.get(g["id"])["state"] == "withdrawn", log=p.g.log)


@pytest.mark.parametrize("grant, status", [({"for": "31m"}, 400), ({"for": "x"}, 400), ({}, 400), ("30m", 400), ({"for": "1m", "x": 1}, 400)])
def test_wrong_grants_with_a_review(shared, grant, status):
    p = shared
    p.work.commit({"db/%s" % abs(hash(str(grant))): "x"})
    id = hold_id(p.work.push("main", ok=False))
    a = p.g.api("POST", f"/holds/{id}/approve", p.rita, {"grant": grant})
    assert a.status == status, a.text
    assert p.g.hold(id, p.rita)["state"] == "pending"
    assert p.g.review(id, p.rita, "reject").status == 200


# -- pages and command line --


def test_pages(place):
    p = place
    p.g.user("carl", "correct horse", "dba")
    carl = Browserless(p.g, "carl", "correct horse")
    id = p.ask(paths=["db/**"], reason="<b>now</b>")["id"]
    listed = carl.get("/-/grants?state=asked").text
    assert id in listed and "&lt;b&gt;now&lt;/b&gt;" in listed
    page = carl.get(f"/-/grants/{id}").text
    for words in ("<code>db/**</code>", "<code>demo/app</code>", "<code>refs/heads/main</code>", "move refs forward", "<strong>bot</strong>"):
        assert words in page, words
    assert carl.post(f"/-/grants/{id}/approve", csrf="wrong").status == 403
    assert p.get(id)["state"] == "asked"
    assert carl.post(f"/-/grants/{id}/approve", comment="go").status == 303
    assert p.get(id)["state"] == "active"
    assert carl.post(f"/-/grants/{id}/revoke").status == 303
    assert p.get(id)["state"] == "revoked"
    assert carl.post(f"/-/grants/{id}/approve").status == 409
    a = carl.post("/-/grants", principal="bot", repositories="demo/app", refs="refs/heads/a, refs/heads/b",
                  **{"verb-create": "1", "for": "5m", "reason": "why"})  # fmt: skip
    assert a.status == 303, a.text
    asked = p.get(a.headers["Location"].rsplit("/", 1)[1])
    assert asked["refs"] == ["refs/heads/a", "refs/heads/b"] and asked["asked_by"] == "carl"
    assert carl.post("/-/grants", repositories="x/y", **{"for": "5m", "reason": "why", "verb-push": "1"}).status == 403


def test_hold_page_offers_it_in_words(place):
    p = place
    p.g.user("carl", "correct horse", "dba")
    carl = Browserless(p.g, "carl", "correct horse")
    p.work.commit({"db/0": "x"})
    id = hold_id(p.work.push("main", ok=False))
    page = carl.get(f"/-/holds/{id}").text
    offer = page[page.index('<fieldset class="grant">') :]
    offer = offer[: offer.index("</fieldset>")]
    for words in ("<strong>bot</strong>", "<code>db/**</code>", "<code>demo/app</code>", "<code>refs/heads/main</code>", "<code>migrations</code>", 'value="10m"'):
        assert words in offer, words
    assert carl.post(f"/-/holds/{id}/approve", comment="", grant="10m").status == 303
    p.g.wait_hold(id, p.rita, "forwarded")
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=True)


def test_command_line(place):
    p = place
    made = p.g.remote_cli(p.bot, "grant", "create", "--repository", "demo/app", "--ref", "refs/heads/main", "--path", "db/**",
                          "--verb", "fast-forward", "--for", "10m", "--reason", "why", "--json")  # fmt: skip
    id = json.loads(made.stdout)["id"]
    assert id in p.g.remote_cli(p.rita, "grant", "list", "--state", "asked").stdout
    assert "db/**" in p.g.remote_cli(p.rita, "grant", "show", id).stdout
    assert "active" in p.g.remote_cli(p.rita, "grant", "approve", id, "--comment", "go").stdout
    p.work.commit({"db/1": "x"})
    p.work.push("main", ok=True)
    assert p.g.remote_cli(p.bot, "grant", "approve", id, check=False).returncode == 1
    assert "revoked" in p.g.remote_cli(p.rita, "grant", "revoke", id).stdout
    assert p.g.remote_cli(p.rita, "grant", "revoke", id, check=False).returncode == 1
    other = p.g.remote_cli(p.bot, "grant", "create", "--repository", "demo/app", "--ref", "refs/heads/x", "--verb", "create",
                           "--for", "10m", "--reason", "why").stdout.split()[1]  # fmt: skip
    assert "rejected" in p.g.remote_cli(p.rita, "grant", "reject", other).stdout
    usage = p.g.remote_cli(p.bot, "grant", "create", "--repository", "demo/app", check=False)
    assert usage.returncode == 2 and "--reason" in usage.stderr


# -- access --


def test_access_by_grant(place):
    p = place
    vera, max = p.g.token("vera", "visitors"), p.g.token("max", "maintainers")
    url = p.g.remote(vera)

    def reads():
        return p.work.run("ls-remote", url, check=False).returncode == 0

    assert not reads()
    id = p.granted(vera, by=max, verbs=["fetch", "push"], refs=["refs/heads/v/*"])
    assert reads()
    work = p.g.clone(vera)
    work.commit({"a": "b"})
    work.push("HEAD:refs/heads/v/1", ok=True)
    said = work.push("HEAD:refs/heads/w", ok=False).stderr
    assert "no grant that is in force" in said
    assert ref(p.g.upstream, "refs/heads/w") is None
    # it gives access, not approval
    work.commit({"db/1": "b"})
    assert "held for approval" in work.push("HEAD:refs/heads/v/2", ok=False).stderr
    assert p.get(id, max)["uses"] >= 2
    p.act(id, "revoke", max)
    assert not reads()
    assert work.run("push", "origin", "HEAD:refs/heads/v/3", check=False).returncode != 0
    assert ref(p.g.upstream, "refs/heads/v/3") is None


def test_fetch_alone_gives_no_push(place):
    p = place
    vera, max = p.g.token("vera", "visitors"), p.g.token("max", "maintainers")
    p.granted(vera, by=max, verbs=["fetch"], refs=None)
    work = p.g.clone(vera)
    work.commit({"a": "b"})
    assert work.run("push", "origin", "HEAD:refs/heads/v", check=False).returncode != 0
    assert ref(p.g.upstream, "refs/heads/v") is None


# -- judging again --


def test_dry_run_preview_and_policy_test(place):
    p = place
    id = p.granted()
    p.work.commit({"db/1": "x"})
    said = p.work.push("-o", "gitgate.dry-run", "main", ok=False).stderr
    assert "would be allowed" in said and f"allowed by grant {id}" in said
    assert p.get(id)["uses"] == 0
    p.work.push("main", ok=True)
    assert p.get(id)["uses"] == 1
    push = next(x for x in p.g.api("GET", "/pushes", p.bot).json["pushes"] if x["state"] == "forwarded")
    assert push["updates"][0]["grants"] == [id] and push["updates"][0]["verdict"] == "allow"
    seen = p.g.api("GET", f"/pushes/{push['id']}/preview", p.bot).json
    # policy alone is asked: it says now what it said then
    assert seen["verdict"] == "hold" and seen["recorded"] == "hold"
    tested = p.g.cli("policy", "test", check=False)
    # (a dry run is not recorded whole)
    assert "2 pushes judged, 0 would change" in tested.stdout, tested.stderr
