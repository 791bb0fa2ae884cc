"""The API as DESIGN section 14 names it, and what auditors do with the log."""

import json
import shutil
import subprocess

import jsonschema
import pytest

import tlog_verify
from gate import ACCESS, BIN, PROTECT_MAIN, Gate, hold_id, http, make_upstream, until, vkey
from websession import Browserless

ULID = {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
OID = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
TEXT = {"type": "string"}


def exactly(required, **optional):
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def list_of(schema):
    return {"type": "array", "items": schema}


def or_null(schema):
    return {"anyOf": [schema, {"type": "null"}]}


UPDATE = exactly(
    {
        "ref": TEXT,
        "old": OID,
        "new": OID,
        "kind": {"enum": ["create", "fast-forward", "force", "delete", "tag-move"]},
        "verdict": {"enum": ["allow", "hold", "deny"]},
        "reasons": list_of(
            exactly(
                {
                    "rule": TEXT,
                    "verdict": {"enum": ["allow", "hold", "deny"]},
                    "message": TEXT,
                    "paths": list_of(exactly({"path": TEXT, "change": TEXT, "commit": or_null({"type": "string"})})),
                },
                paths_total={"type": "integer"},
                same=list_of(TEXT),
            )
        ),
    },
    grants=list_of(ULID),
)
REVIEW = exactly({"reviewer": TEXT, "verdict": {"enum": ["approve", "reject"]}, "comment": TEXT, "time": TIME})
NEED = exactly(
    {"rule": TEXT, "required": {"type": "integer"}, "from": list_of(TEXT), "reviews": list_of(REVIEW)},
    allow_self={"type": "boolean"}, wait_ms={"type": "integer"}, expires_ms={"type": "integer"},
)  # fmt: skip
OUTCOME = exactly(
    {"state": TEXT, "message": TEXT},
    refs=list_of(exactly({"ref": TEXT, "status": {"enum": ["ok", "ng"]}, "message": TEXT})),
    hold=ULID,
)
COMMON = {
    "id": ULID,
    "url": {"type": "string", "pattern": "^http://"},
    "repository": TEXT,
    "principal": TEXT,
    "created": TIME,
    "updates": list_of(UPDATE),
    "outcome": or_null(OUTCOME),
    "claimed": {"type": "object"},
    "verified": {"type": "object"},
    "policy_digest": {"type": "string"},
}
HOLD_STATES = "pending approved forwarded failed stale rejected expired withdrawn superseded".split()
HOLD = exactly(
    {**COMMON, "state": {"enum": HOLD_STATES}, "expires": TIME, "push": ULID, "needs": list_of(NEED)},
    closed=or_null(TIME),
    provenance={"type": "object"},
)
PUSH_STATES = "receiving denied invalid held forwarding forwarded failed aborted".split()
PUSH = exactly(
    {**COMMON, "state": {"enum": PUSH_STATES}}, decided=or_null(TIME), done=or_null(TIME), hold=or_null(TEXT)
)
PROBLEM = exactly({"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT})


def check(value, schema):
    jsonschema.validate(value, schema)
    return value


def problem(a, status):
    assert a.status == status, (a.status, a.text)
    assert a.headers["Content-Type"] == "application/problem+json"
    assert check(a.json, PROBLEM)["status"] == status
    return a.json["detail"]


DENY_SECRET = {"name": "no-secret", "when": {"paths": ["secret/**"]}, "then": "deny", "message": "Not here."}


class Place:
    """Two repositories, people of every kind, pushes of every outcome."""

    def __init__(self, g):
        self.g = g
        self.bot = g.token("bot", "agents")
        self.carl = g.token("carl", "agents")
        self.ann = g.token("ann", "maintainers")
        self.audrey = g.token("audrey", "auditors")
        self.zoe = g.token("zoe", "strangers")
        g.user("ann", "correct horse battery", "maintainers")
        self.work = g.clone(self.bot)
        self.first = self.work.head()
        self.other = g.clone(self.bot, repository="demo/other")
        self.private = g.clone(self.carl, repository="private/one")

        w = self.work
        w.run("checkout", "-q", "-b", "feature")
        self.feature = w.commit({"a": "a"}, "allowed")
        w.push("-o", "agent.session=s1", "feature", ok=True)
        w.run("checkout", "-q", "main")
        self.landed = w.commit({"b": "b"}, "approved")
        self.approved = hold_id(w.push("main", ok=False))
        assert g.review(self.approved, self.ann, comment="fine").status == 200
        g.wait_hold(self.approved, self.ann, "forwarded")
        w.commit({"c": "c"}, "rejected")
        self.rejected = hold_id(w.push("main", ok=False))
        assert g.review(self.rejected, self.ann, "reject", "no").status == 200
        self.denied_commit = w.commit({"secret/key": "hush", "d\xfc": "d"}, "denied")
        assert "denied by rule no-secret" in w.push("HEAD:refs/heads/denied", ok=False).stderr
        w.run("reset", "-q", "--hard", self.landed)
        w.commit({"e": "e"}, "pending")
        self.pending = hold_id(w.push("-o", "agent.session=s2", "main", ok=False))
        for i in range(3):
            self.private.commit({"p": str(i)}, "private")
            self.private.push("HEAD:refs/heads/main", ok=False)


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    dir = tmp_path_factory.mktemp("api")
    repositories = [
        {"path": n, "upstream": str(make_upstream(dir / "upstream" / f"{i}.git", {"README": "hello\n"}))}
        for i, n in enumerate(("demo/app", "demo/other", "private/one"))
    ]
    access = [
        {**ACCESS[0], "repositories": ["demo/*"]},
        {"principals": {"names": ["carl"]}, "repositories": ["private/*"], "allow": ["fetch", "push"]},
    ]
    private = {**PROTECT_MAIN, "name": "private", "when": {"repositories": ["private/*"]}}
    private["approvals"] = {"required": 1, "from": ["owners"]}
    main = {**PROTECT_MAIN, "when": {"repositories": ["demo/*"], "refs": ["refs/heads/main"]}}
    with Gate(dir, repositories=repositories, access=access, rules=[main, private, DENY_SECRET]) as g:
        g.upstream = dir / "upstream" / "0.git"
        yield Place(g)


# -- holds --


def test_hold(p):
    h = check(p.g.hold(p.approved, p.ann), HOLD)
    assert h["id"] == p.approved and h["state"] == "forwarded"
    assert h["url"].endswith("/-/holds/" + p.approved)
    assert (h["repository"], h["principal"]) == ("demo/app", "bot")
    (u,) = h["updates"]
    assert (u["ref"], u["old"], u["new"]) == ("refs/heads/main", p.first, p.landed)
    assert (u["kind"], u["verdict"]) == ("fast-forward", "hold")
    assert u["reasons"][0]["rule"] == "protect-main" and u["reasons"][0]["message"] == "Main needs a maintainer."
    (n,) = h["needs"]
    assert (n["rule"], n["required"], n["from"]) == ("protect-main", 1, ["maintainers"])
    assert [(r["reviewer"], r["verdict"], r["comment"]) for r in n["reviews"]] == [("ann", "approve", "fine")]
    assert h["outcome"]["state"] == "forwarded"
    h = check(p.g.hold(p.pending, p.ann), HOLD)
    assert h["outcome"] is None and h["claimed"] == {"agent.session": "s2"}
    assert h["created"] < h["expires"]
    h = check(p.g.hold(p.rejected, p.ann), HOLD)
    assert h["outcome"]["state"] == "rejected" and "no" in h["outcome"]["message"]


def test_hold_lists(p):
    def ids(token=p.ann, **q):
        q = "&".join(f"{k}={v}" for k, v in q.items())
        a = p.g.api("GET", f"/holds?{q}", token)
        check(a.json, exactly({"holds": list_of(HOLD), "next": or_null(TEXT)}))
        return [h["id"] for h in a.json["holds"]], a.json["next"]

    assert ids() == ([p.pending, p.rejected, p.approved], None)
    assert ids(state="pending") == ([p.pending], None)
    assert ids(state="rejected", repository="demo/app") == ([p.rejected], None)
    assert ids(repository="demo/other") == ([], None)
    assert ids(repository="private/one") == ([], None)
    assert ids(principal="bot", limit=1)[0] == [p.pending]
    assert ids(ref="refs/heads/main", until="2020-01-01") == ([], None)
    # by cursor: all of them, each once
    seen, cursor = [], None
    for _ in range(10):
        got, cursor = ids(limit=1, **({"cursor": cursor} if cursor else {}))
        seen += got
        if cursor is None:
            break
    assert seen == [p.pending, p.rejected, p.approved]
    # carl's newer holds are not ann's to see, and take no place on her page
    assert ids(limit=2)[0] == [p.pending, p.rejected]
    assert len(ids(p.carl)[0]) == 6 and len(ids(p.audrey)[0]) == 6
    assert ids(p.zoe) == ([], None)
    for bad in ("state=nonsense", "cursor=nonsense", "limit=x", "limit=100000", "since=yesterday"):
        problem(p.g.api("GET", f"/holds?{bad}", p.ann), 400)


def test_reviews_through_the_api(p):
    id = p.pending
    for verb in ("approve", "reject", "withdraw"):
        problem(p.g.api("POST", f"/holds/{id}/{verb}", None, {}), 401)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", "nonsense", {}), 401)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", p.zoe, {}), 404)
        problem(p.g.api("POST", f"/holds/01JD0000000000000000000000/{verb}", p.ann, {}), 404)
        problem(p.g.api("POST", f"/holds/{p.approved}/{verb}", p.bot if verb == "withdraw" else p.ann, {}), 409)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", p.ann, '{"comment":1}'), 400)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", p.ann, "[]"), 400)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", p.ann, '{"comment":"' + "x" * 5000 + '"}'), 400)
        problem(p.g.api("POST", f"/holds/{id}/{verb}", p.ann, "x", {"Content-Type": "text/plain"}), 415)
        a = p.g.api("GET", f"/holds/{id}/{verb}", p.ann)
        assert a.status == 405 and a.headers["Allow"] == "POST"
        a = p.g.api("POST", f"/holds/{id}/{verb}", p.ann, "x" * 70000)
        assert a.status == 413
    problem(p.g.review(id, p.bot), 403)
    problem(p.g.review(id, p.carl), 403)
    problem(p.g.review(id, p.audrey), 403)
    problem(p.g.review(id, p.ann, "withdraw"), 403)
    assert p.g.hold(id, p.ann)["state"] == "pending"
    assert p.g.api("POST", "/holds/" + id, p.ann, {}).status == 405
    assert p.g.api("GET", "/nothing", p.ann).status == 404

    # the answer is the hold as it is then
    p.other.commit({"x": "x"}, "one more")
    other = hold_id(p.other.push("main", ok=False))
    a = p.g.review(other, p.ann, comment="ok")
    h = check(a.json, HOLD)
    assert h["state"] in ("approved", "forwarded") and h["needs"][0]["reviews"][0]["comment"] == "ok"
    p.g.wait_hold(other, p.ann, "forwarded")
    # with the web session and its token
    p.other.commit({"x": "y"}, "one more")
    other = hold_id(p.other.push("main", ok=False))
    s = Browserless(p.g, "ann", "correct horse battery")
    url = f"{p.g.url}/-/api/v1/holds/{other}/reject"
    head = s.headers({"Content-Type": "application/json"})
    problem(http("POST", url, "{}", head), 403)
    a = http("POST", url, '{"comment":"by session"}', {**head, "X-CSRF-Token": s.csrf})
    assert a.status == 200 and check(a.json, HOLD)["state"] == "rejected"


# -- pushes --


def test_pushes(p):
    def pushes(**q):
        a = p.g.api("GET", "/pushes?" + "&".join(f"{k}={v}" for k, v in q.items()), q.pop("token", p.ann))
        assert a.status == 200, a.text
        return check(a.json, exactly({"pushes": list_of(PUSH), "next": or_null(TEXT)}))["pushes"]

    of_app = pushes(repository="demo/app")
    assert [x["state"] for x in of_app] == ["held", "denied", "denied", "forwarded", "forwarded"]
    (denied,) = pushes(repository="demo/app", ref="refs/heads/denied")
    assert denied["state"] == "denied" and denied["hold"] is None
    assert denied["updates"][0]["verdict"] == "deny"
    reasons = {r["rule"]: r for r in denied["updates"][0]["reasons"]}
    assert reasons["no-secret"]["paths"] == [{"path": "secret/key", "change": "added", "commit": p.denied_commit}]
    one = p.g.api("GET", "/pushes/" + denied["id"], p.ann)
    moment = exactly({"time": TIME, "event": TEXT}, who=TEXT, hold=ULID, state=TEXT, message=TEXT)
    assert check(one.json.get("timeline"), list_of(moment))
    assert check({k: v for k, v in one.json.items() if k not in ("timeline", "provenance")}, PUSH) == denied
    assert one.json["provenance"] == {"commits": [], "records": [], "brought": [], "brought_all": 0, "complete": True}
    (landed,) = pushes(repository="demo/app", ref="refs/heads/feature")
    assert landed["state"] == "forwarded" and landed["claimed"] == {"agent.session": "s1"}
    assert landed["updates"][0]["new"] == p.feature and landed["outcome"]["refs"][0]["status"] == "ok"
    held = p.g.api("GET", "/pushes/" + p.g.hold(p.pending, p.ann)["push"], p.ann).json
    assert held["hold"].endswith(p.pending) and held["state"] == "held"
    problem(p.g.api("GET", "/pushes/" + denied["id"], p.zoe), 404)
    problem(p.g.api("GET", "/pushes/" + denied["id"]), 401)
    assert "demo/app" in {x["repository"] for x in pushes()} <= {"demo/app", "demo/other"}
    assert {x["principal"] for x in pushes(principal="carl", token=p.carl)} == {"carl"}
    seen, cursor = [], ""
    while cursor is not None:
        a = p.g.api("GET", f"/pushes?limit=2&cursor={cursor}", p.ann).json
        assert len(a["pushes"]) == 2 or a["next"] is None, "a page with a next is full"
        seen += [x["id"] for x in a["pushes"]]
        cursor = a["next"]
    assert seen == [x["id"] for x in pushes()] and len(seen) >= 5
    for bad in ("state=nonsense", "cursor=x", "limit=-1", "until=x"):
        problem(p.g.api("GET", f"/pushes?{bad}", p.ann), 400)


def test_pushes_on_the_command_line(p, tmp_path):
    (denied,) = p.g.api("GET", "/pushes?ref=refs/heads/denied", p.ann).json["pushes"]
    listed = json.loads(p.g.remote_cli(p.ann, "pushes", "list", "--state", "denied", "--json").stdout)
    assert denied["id"] in [x["id"] for x in listed["pushes"]]
    shown = json.loads(p.g.remote_cli(p.ann, "pushes", "show", denied["id"], "--json").stdout)
    assert [m["event"] for m in shown.pop("timeline")][-1] == "done"
    assert shown.pop("provenance")["complete"]
    assert shown == denied
    assert "refs/heads/denied" in p.g.remote_cli(p.ann, "pushes", "show", denied["id"]).stdout
    assert p.g.remote_cli(p.zoe, "pushes", "show", denied["id"], check=False).returncode == 1

    # exactly as pushed, though it was denied
    dir = tmp_path / "as pushed"
    p.g.cli("pushes", "checkout", denied["id"], dir)
    git = type(p.work)(dir, p.g.home)
    assert git.head() == git.head("refs/pushed/1") == p.denied_commit
    assert (dir / "secret" / "key").read_text() == "hush"
    assert git.head("HEAD^{tree}") == p.work.head(p.denied_commit + "^{tree}")
    assert git.out("status", "--porcelain") == ""
    git.run("fsck", "--strict", "--full")
    assert git.out("rev-list", "HEAD") == p.work.out("rev-list", p.denied_commit)
    assert not (dir / ".git" / "objects" / "info" / "alternates").exists()
    assert p.g.cli("pushes", "checkout", denied["id"], dir, check=False).returncode == 1
    # the held one too, and one that upstream has
    for id in (p.pending, p.approved):
        push = p.g.hold(id, p.ann)["push"]
        dir = tmp_path / id
        p.g.cli("pushes", "checkout", push, dir)
        assert type(p.work)(dir, p.g.home).head() == p.g.hold(id, p.ann)["updates"][0]["new"]


# -- the audit log --


def test_audit_filters(p):
    all = p.g.audit(p.audrey)
    assert [e["seq"] for e in all] == list(range(len(all)))
    assert all[0]["type"] == "log.start"

    def seqs(**q):
        return [e["seq"] for e in p.g.audit(p.audrey, **q)]

    def expect(test):
        return [e["seq"] for e in all if test(e)]

    assert seqs(type="ref.update") == expect(lambda e: e["type"] == "ref.update") != []
    assert seqs(repository="demo/app") == expect(lambda e: e.get("repository") == "demo/app") != []
    assert seqs(ref="refs/heads/feature") == expect(lambda e: e.get("ref") == "refs/heads/feature") != []
    assert seqs(principal="carl") == expect(lambda e: e.get("principal") == "carl") != []
    assert seqs(principal="nobody") == []
    middle = all[len(all) // 2]["time"]
    assert seqs(since=middle) == expect(lambda e: e["time"] >= middle)
    assert seqs(until=middle) in (expect(lambda e: e["time"] < middle), expect(lambda e: e["time"] <= middle))
    assert seqs(since=middle, until="2100-01-01", type="hold.review", repository="demo/app") == expect(
        lambda e: e["time"] >= middle and e["type"] == "hold.review" and e.get("repository") == "demo/app"
    )
    # who moved main, from what to what, and who approved it
    (entry,) = [e for e in p.g.audit(p.audrey, ref="refs/heads/main", repository="demo/app", type="forward.result")]
    assert (entry["old"], entry["new"], entry["reviewers"]) == (p.first, p.landed, ["ann"])
    # newest first, by cursor, full pages
    a = p.g.api("GET", "/audit?limit=3", p.audrey).json
    assert [e["seq"] for e in a["entries"]] == [len(p.g.audit(p.audrey)) - 1 - i for i in range(3)]
    b = p.g.api("GET", f"/audit?limit=3&cursor={a['next']}", p.audrey).json
    assert b["entries"][0]["seq"] == a["entries"][-1]["seq"] - 1
    for bad in ("since=x", "until=x", "limit=0x", "cursor=x"):
        problem(p.g.api("GET", f"/audit?{bad}", p.audrey), 400)


def test_who_may_read_the_log(p):
    problem(p.g.api("GET", "/audit"), 401)
    # others: what concerns repositories they may fetch, nothing of people
    seen = p.g.audit(p.ann)
    assert "demo/app" in {e["repository"] for e in seen} <= {"demo/app", "demo/other"}
    assert not [e for e in seen if e["type"].split(".")[0] in ("session", "auth", "admin", "log")]
    assert p.g.audit(p.zoe) == []
    assert p.g.audit(p.ann, repository="private/one") == []
    a = p.g.api("GET", "/audit?limit=4", p.ann).json
    assert len(a["entries"]) == 4, "what is not theirs takes no place on the page"
    n = settled_size(p)
    for path, anybody in (("checkpoint", True), (f"tile/0/000.p/{n}", True), (f"tile/entries/000.p/{n}", False)):
        a = http("GET", f"{p.g.url}/-/log/{path}")
        if anybody:
            assert a.status == 200 and a.body
        else:
            assert a.status == 401
            assert http("GET", f"{p.g.url}/-/log/{path}", headers={"Authorization": f"Bearer {p.ann}"}).status == 403
    for path in ("../gitgate.db", "tile/0/../../journal", "%2e%2e/gitgate.db", "tile/%2e%2e/journal"):
        assert http("GET", f"{p.g.url}/-/log/{path}", headers={"Authorization": f"Bearer {p.audrey}"}).status in (400, 404)
    for path in ("vkey", "journal", "lock", "tile/entries/x/journal", ""):
        assert http("GET", f"{p.g.url}/-/log/{path}", headers={"Authorization": f"Bearer {p.audrey}"}).status == 404


def settled_size(p):
    """Entries that the signed checkpoint covers, once it covers all."""

    def signed():
        n = len(p.g.audit(p.audrey))
        return n if n == int(http("GET", p.g.url + "/-/log/checkpoint").text.split("\n")[1]) else None

    return until("the checkpoint covers all", signed, log=p.g.log)


def test_the_log_verifies(p, tmp_path):
    n = settled_size(p)
    key = vkey(p.g)
    env = {"PATH": "/usr/bin:/bin", "GITGATE_URL": p.g.url, "GITGATE_TOKEN": p.audrey}

    def verify(where, key=key, **more):
        return subprocess.run(
            [BIN / "gitgate", "audit", "verify", "--key", key, str(where)],
            capture_output=True, text=True, env={**env, **more},
        )  # fmt: skip

    remote = verify(p.g.url)
    assert remote.returncode == 0 and f"verified {n} entries" in remote.stdout, remote.stderr
    assert verify(p.g.url + "/-/log").stdout == remote.stdout
    local = verify(p.g.state / "log")
    assert local.stdout.startswith(remote.stdout) and "values are what was logged, 0 were erased" in local.stdout
    size, root = tlog_verify.verify(str(p.g.state / "log"), key)
    assert f"verified {size} entries, root {root}\n" == remote.stdout
    # without an auditor's token, or with another key, it does not pass
    assert verify(p.g.url, GITGATE_TOKEN=p.ann).returncode == 1
    other = key.split("+")
    assert verify(p.g.url, key="+".join([other[0], "00000000", other[2]])).returncode in (1, 2)
    # one byte of one entry changed in a copy
    copy = tmp_path / "log"
    shutil.copytree(p.g.state / "log", copy)
    bundle = max((copy / "tile" / "entries").rglob("*.p/*"), key=lambda f: int(f.name))
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"ann"', b'"amy"', 1))
    assert b'"ann"' in data
    bad = verify(copy)
    assert bad.returncode == 1 and "entries" in bad.stderr
    with pytest.raises(tlog_verify.LogError):
        tlog_verify.verify(str(copy), key)


def is_sealed_form(stored, shown):
    """What is hashed has commitments where what is shown has personal data."""
    stored = json.loads(stored)
    return stored.keys() == shown.keys() and all(
        shown[k] == v or '{"sha256": "' in json.dumps(v) for k, v in stored.items()
    )


def test_receipts(p, tmp_path):
    """Who may read an entry gets what proves it; two verifiers agree."""
    key = vkey(p.g)
    env = {"PATH": "/usr/bin:/bin", "GITGATE_URL": p.g.url, "GITGATE_TOKEN": p.audrey}

    def cli(*args, **more):
        return subprocess.run(
            [BIN / "gitgate", "audit", *args], capture_output=True, text=True, env={**env, **more}, cwd=tmp_path
        )

    push = p.g.hold(p.approved, p.audrey)["push"]
    entries = {e["seq"]: e for e in p.g.audit(p.audrey, push=push)}
    assert {e["type"] for e in entries.values()} >= {"push.received", "ref.update", "hold.review", "forward.result"}
    # one by one, through API and command
    some = min(entries)
    one = p.g.api("GET", f"/audit/{some}/receipt", p.audrey)
    assert one.status == 200 and one.text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    index, entry = tlog_verify.verify_receipt(one.text.encode(), key)
    assert index == some and is_sealed_form(entry, entries[some])
    assert b"127.0.0.1" not in entry and entries[some]["client"]["addr"] == "127.0.0.1"
    assert tlog_verify.verify_receipt(cli("receipt", str(some)).stdout.encode(), key) == (index, entry)
    # all of a push, by pages, as files
    got, cursor = [], ""
    while cursor is not None:
        page = p.g.api("GET", f"/pushes/{push}/receipts?limit=2{cursor}", p.ann).json
        got += page["receipts"]
        assert 0 < len(page["receipts"]) <= 2
        cursor = page["next"] and "&cursor=" + page["next"]
    assert {r["index"]: r["type"] for r in got} == {i: e["type"] for i, e in entries.items()}
    for r in got:
        assert is_sealed_form(tlog_verify.verify_receipt(r["receipt"].encode(), key)[1], entries[r["index"]])
    files = cli("receipt", "--push", push).stdout.splitlines()
    assert len(files) == len(entries) and not cli("receipt", "--push", push).stdout
    assert len(json.loads(cli("receipt", "--push", push, "--json").stdout)) == len(entries)
    # checked offline, by the command and by the other verifier
    file = tmp_path / f"entry-{some}.tlog-proof"
    good = cli("verify", "--key", key, "--receipt", str(file), GITGATE_URL="")
    assert good.returncode == 0 and f"verified: entry {some} of the log" in good.stdout, good.stderr
    assert is_sealed_form(good.stdout.splitlines()[1], entries[some])
    (tmp_path / "entry").write_bytes(entry + b"\n")
    assert cli("verify", "--key", key, "--receipt", str(file), "--entry", "entry").returncode == 0
    (tmp_path / "entry").write_bytes(entry.replace(b'"bot"', b'"bob"'))
    bad = cli("verify", "--key", key, "--receipt", str(file), "--entry", "entry")
    assert bad.returncode == 1 and "does not prove" in bad.stderr
    for args in (["--receipt", str(file)], ["--key", key], ["--key", key, "--entry", "entry", "log"]):
        assert cli("verify", *args).returncode == 2
    for args in (["x"], ["1", "--push", push], [], ["--push", "x"]):
        assert cli("receipt", *args).returncode in (1, 2) and not cli("receipt", *args).stdout
    # only for who may read the entry
    start = next(e["seq"] for e in p.g.audit(p.audrey) if e["type"] == "log.start")
    theirs = p.g.audit(p.audrey, repository="private/one")[0]["seq"]
    for token, index, status in (
        (p.ann, some, 200), (p.zoe, some, 404), (None, some, 401), (p.ann, start, 404), (p.audrey, start, 200),
        (p.ann, theirs, 404), (p.carl, theirs, 200), (p.ann, 10**9, 404), (p.ann, "01", 404), (p.ann, 10**19, 404),
    ):  # fmt: skip
        assert p.g.api("GET", f"/audit/{index}/receipt", token).status == status, (index, status)
    problem(p.g.api("GET", f"/pushes/{push}/receipts", p.zoe), 404)
    # linked from the push's page
    b = Browserless(p.g, "ann", "correct horse battery")
    assert f"/-/api/v1/audit/{some}/receipt" in b.get(f"/-/pushes/{push}").text


def test_audit_query_command(p):
    args = ("audit", "query", "--repository", "demo/app", "--type", "hold.review", "--json")

    def remote_query(token, *args):
        env = {"PATH": "/usr/bin:/bin", "GITGATE_URL": p.g.url, "GITGATE_TOKEN": token}
        return json.loads(subprocess.run([BIN / "gitgate", *args], env=env, capture_output=True, check=True).stdout)

    remote = remote_query(p.audrey, *args)
    local = json.loads(p.g.cli(*args).stdout)
    assert remote == local
    assert [e["verdict"] for e in remote["entries"]] == ["reject", "approve"] and remote["next"] is None
    lines = p.g.cli("audit", "query", "--ref", "refs/heads/feature").stdout
    assert "forward.result" in lines and "demo/app" in lines
    assert json.loads(p.g.cli("audit", "query", "--since", "2100-01-01", "--json").stdout)["entries"] == []
    assert p.g.cli("audit", "query", "--since", "someday", check=False).returncode == 2
    assert remote_query(p.zoe, "audit", "query", "--json")["entries"] == []
