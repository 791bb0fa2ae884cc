"""The audit log: searched, told as a ref's history, and in others' forms."""

import base64
import csv
import io
import json
import re
import sqlite3
import subprocess

import jsonschema
import pytest

from export_schemas import SCHEMAS
from gate import PROTECT_MAIN, ROOT, hold_id, until

RULES = [
    PROTECT_MAIN,
    {"name": "no-secrets", "when": {"paths": ["secrets/**"]}, "then": "deny", "message": "Not here."},
    {"name": "docs", "when": {"paths": ["docs/**"]}, "then": "allow"},
]


@pytest.fixture
def busy(make_gate):
    """A gate with one of everything in its log."""
    return work_on(make_gate(rules=RULES))


def work_on(g):
    g.bot = g.token("ci/agent", "agents")
    g.ann = g.token("ann", "maintainers")
    g.root = g.token("root", "auditors")
    work = g.clone(g.bot)
    g.first = work.head()
    work.commit({"docs/a/b.md": "1", "=cmd|'/c calc'!A1": "x"}, "docs")
    g.held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert g.review(g.held, g.ann, comment="=1+1, \"fine\"").status == 200
    g.wait_hold(g.held, g.ann, "forwarded")
    g.main = work.head()
    work.commit({"secrets/key": "2"})
    work.push("HEAD:refs/heads/side", ok=False)
    work.run("reset", "-q", "--hard", "HEAD~1")
    work.push("HEAD:refs/heads/other", ok=True)
    g.work = work
    return g


def seqs(entries):
    return [e["seq"] for e in entries]


def test_search_by_every_field(busy):
    g = busy
    everything = g.audit(g.root)
    of = lambda **q: g.audit(g.root, **q)
    where = lambda test: [e["seq"] for e in everything if test(e)]

    assert seqs(of(verdict="deny")) == where(lambda e: e.get("verdict") == "deny") != []
    assert seqs(of(hold=g.held)) == where(lambda e: e.get("hold") == g.held) != []
    reviewed = where(lambda e: e.get("reviewer") == "ann" or "ann" in e.get("reviewers", []))
    assert seqs(of(reviewer="ann")) == reviewed and len(reviewed) >= 3
    ruled = where(lambda e: any(r["rule"] == "no-secrets" for r in e.get("rules", [])))
    assert seqs(of(rule="no-secrets")) == ruled != []
    both = of(rule="protect-main", reviewer="ann")
    assert seqs(both) == [s for s in reviewed if s in seqs(of(rule="protect-main"))]
    mixed = of(verdict="deny", rule="no-secrets", repository="demo/app", principal="ci/agent", path="secrets/")
    assert seqs(mixed) == where(lambda e: e.get("verdict") == "deny")
    assert of(rule="no-secrets", reviewer="ann") == []

    denied = {e["push"] for e in everything if e.get("verdict") == "deny"}
    for path in ("secrets/key", "secrets/"):
        assert seqs(of(path=path)) == where(lambda e: e.get("push") in denied)
    assert len({e["push"] for e in of(path="docs/a/")}) >= 1
    assert of(path="secrets") == of(path="ecrets/key") == of(path="%") == []
    assert of(rule="no-secrets' OR '1'='1") == []

    # page by page, both ways
    one = [a for a in paged(g, rule="protect-main", limit=1)]
    assert sorted(one) == seqs(of(rule="protect-main"))
    again = [a for a in paged(g, rule="protect-main", limit=1, order="oldest")]
    assert again == sorted(one)

    # the command line says the same, over the API and from the store
    for args in (["--rule", "no-secrets"], ["--reviewer", "ann"], ["--path", "secrets/"], ["--verdict", "deny"], ["--hold", g.held]):
        far = json.loads(over_the_api(g, "audit", "query", *args, "--json"))
        near = json.loads(g.cli("audit", "query", *args, "--json").stdout)
        assert far == near and far["entries"]


def test_search_and_timeline_on_postgresql(database, make_gate):
    g = work_on(make_gate(rules=RULES, config={"store": database}))
    test_search_by_every_field(g)
    test_the_timeline_of_a_ref(g)
    g.stop()


def paged(g, **q):
    cursor = None
    while True:
        args = "&".join(f"{k}={v}" for k, v in q.items()) + (f"&cursor={cursor}" if cursor else "")
        a = g.api("GET", f"/audit?{args}", g.root).json
        yield from seqs(a["entries"])
        cursor = a["next"]
        if cursor is None:
            return


def test_the_timeline_of_a_ref(busy):
    g = busy
    url = "/audit/timeline?repository=demo/app&ref=refs/heads/main"
    (step,) = g.api("GET", url, g.root).json["steps"]
    assert (step["old"], step["new"], step["how"]) == (g.first, g.main, "push")
    assert step["principal"] == "ci/agent" and step["reviewers"] == ["ann"] and step["hold"] == g.held
    assert step["gap"] is False

    git = ["git", "-c", "safe.directory=*"]
    subprocess.run([*git, "update-ref", "refs/heads/main", g.first], cwd=g.upstream, check=True)
    g.clone(g.bot)
    steps = g.api("GET", url, g.root).json["steps"]
    assert [(s["how"], s["old"], s["new"], s["gap"]) for s in steps] == [
        ("out-of-band", g.main, g.first, False),
        ("push", g.first, g.main, False),
    ]
    # one by one; the older one is known to lie before it
    a = g.api("GET", url + "&limit=1", g.root).json
    assert a["steps"] == steps[:1]
    b = g.api("GET", url + f"&limit=1&cursor={a['next']}", g.root).json
    assert b["steps"] == steps[1:] and b["next"] is None

    far = json.loads(over_the_api(g, "audit", "timeline", "demo/app", "refs/heads/main", "--json"))
    near = json.loads(g.cli("audit", "timeline", "demo/app", "refs/heads/main", "--json").stdout)
    assert far == near == {"steps": steps, "next": None}
    text = g.cli("audit", "timeline", "demo/app", "refs/heads/main").stdout
    assert "without the gate" in text and "ci/agent, approved by ann" in text

    # a branch by its short name; HEAD is a name of its own
    assert g.api("GET", "/audit/timeline?repository=demo/app&ref=main", g.root).json["steps"] == steps
    assert json.loads(g.cli("audit", "timeline", "demo/app", "main", "--json").stdout)["steps"] == steps
    full = g.audit(g.root, ref="refs/heads/main")
    assert g.audit(g.root, ref="main") == full != []
    for cli in (over_the_api(g, "audit", "query", "--ref", "main", "--json"), g.cli("audit", "query", "--ref", "main", "--json").stdout):
        assert sorted(seqs(json.loads(cli)["entries"])) == seqs(full)
    assert g.audit(g.root, ref="HEAD") == []
    assert g.api("GET", "/audit?order=latest", g.root).status == 400

    assert g.api("GET", "/audit/timeline?repository=demo/app", g.root).status == 400
    stranger = g.token("stranger", "nobody")
    assert g.api("GET", url, stranger).status == 404
    assert g.api("GET", url, g.bot).status == 200  # may fetch it


def test_a_gap_is_shown_as_one(make_gate):
    """While the mirror was away nobody looked: what lies between is unknown."""
    g = make_gate()
    g.bot, g.root = g.token("ci/agent", "agents"), g.token("root", "auditors")
    work = g.clone(g.bot)
    one = work.commit({"a": "1"})
    work.push("HEAD:refs/heads/main", ok=True)
    g.stop()
    subprocess.run(["rm", "-rf", str(g.state / "mirrors")], check=True)
    tree = subprocess.run(
        ["git", "-c", "safe.directory=*", "-c", "user.name=E", "-c", "user.email=e@example.com", "commit-tree", "main^{tree}", "-p", "main", "-m", "x"],
        cwd=g.upstream, check=True, capture_output=True, text=True,
    ).stdout.strip()
    subprocess.run(["git", "-c", "safe.directory=*", "update-ref", "refs/heads/main", tree], cwd=g.upstream, check=True)
    g.start()
    work.run("pull", "-q", "--rebase", work.out("remote", "get-url", "origin").rsplit("@", 1)[0] + "@" + g.remote().split("//")[1], "main")
    work.run("remote", "set-url", "origin", g.remote(g.bot))
    two = work.commit({"a": "2"})
    work.push("HEAD:refs/heads/main", ok=True)
    steps = g.api("GET", "/audit/timeline?repository=demo/app&ref=refs/heads/main", g.root).json["steps"]
    assert [(s["new"], s["gap"]) for s in steps] == [(two, True), (one, False)]


# -- other systems' forms --


def over_the_api(g, *args):
    return g.remote_cli(g.root, *args, "--url", g.url).stdout


def export(g, format, *args):
    far = over_the_api(g, "audit", "export", "--format", format, *args)
    near = g.cli("audit", "export", "--format", format, *args).stdout
    return far, near


def lines(text):
    return [json.loads(x) for x in text.splitlines()]


def test_jsonl_is_the_log_itself(busy):
    g = busy
    everything = g.audit(g.root)
    _, near = export(g, "jsonl")
    got = lines(near)
    assert got[: len(everything)] == everything
    assert [e["type"] for e in lines(g.cli("audit", "export", "--verdict", "deny").stdout)] == ["ref.update"]


def test_csv_is_rfc_4180_and_no_formula(busy):
    g = busy
    everything = g.audit(g.root)
    far, _ = export(g, "csv")
    raw = subprocess.run(
        [str(g.bin / "gitgate"), "--config", str(g.config_file), "audit", "export", "--format", "csv"], capture_output=True, check=True
    ).stdout
    assert raw.count(b"\r\n") >= len(everything) + 1
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    head, rows = rows[0], rows[1:]
    assert {len(r) for r in rows} == {len(head)}
    rows = [dict(zip(head, r)) for r in rows]
    assert [int(r["seq"]) for r in rows][: len(everything)] == seqs(everything)
    comment = next(r["comment"] for r in rows if r["comment"])
    assert comment == "'=1+1, \"fine\""
    for r in rows:
        for v in r.values():
            assert v[:1] not in set("=+-@\t\r")
    assert any("no-secrets=deny" in r["rules"] for r in rows)


ECS = {  # https://www.elastic.co/docs/reference/ecs: names, and their types
    "@timestamp": str, "ecs.version": str, "event.kind": str, "event.category": list, "event.type": list,
    "event.action": str, "event.outcome": str, "event.module": str, "event.dataset": str, "event.sequence": int,
    "event.id": str, "event.reason": str, "observer.vendor": str, "observer.product": str, "observer.type": str,
    "user.name": str, "user.id": str, "user.domain": str, "source.ip": str, "user_agent.original": str,
    "rule.name": str, "rule.ruleset": str,
}
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/vcs/
OTEL = {
    "vcs.repository.name": str, "vcs.owner.name": str, "vcs.ref.head.name": str, "vcs.ref.head.revision": str,
    "vcs.ref.head.type": str, "vcs.ref.base.revision": str,
}  # fmt: skip
ECS_CATEGORIES = {"api", "authentication", "configuration", "iam"}
ECS_TYPES = {"access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "end", "error", "group", "info", "start", "user"}


def flat(o, prefix=""):
    for k, v in o.items():
        if isinstance(v, dict) and prefix + k != "gitgate":
            yield from flat(v, f"{prefix}{k}.")
        elif prefix + k != "gitgate":
            yield prefix + k, v


def test_ecs(busy):
    g = busy
    far, near = export(g, "ecs")
    known = {**ECS, **OTEL}
    records = lines(near)
    assert records[: len(lines(far))] == lines(far)
    for r in records:
        for name, v in flat(r):
            assert name in known, name
            assert isinstance(v, known[name]), name
        assert r["event"]["kind"] in {"event", "alert"}
        assert r["event"]["outcome"] in {"success", "failure", "unknown"}
        assert set(r["event"]["category"]) <= ECS_CATEGORIES and set(r["event"]["type"]) <= ECS_TYPES
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r["@timestamp"])
    denied = next(r for r in records if "denied" in r["event"]["type"])
    assert denied["event"]["outcome"] == "failure" and denied["rule"]["name"]
    assert denied["vcs"]["ref"]["head"]["name"] == "refs/heads/side"
    assert denied["vcs"]["owner"]["name"] == "demo" and denied["vcs"]["repository"]["name"] == "app"


# https://schema.ocsf.io: what must be there, and which numbers there are
OCSF_BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
OCSF_REQUIRED = {6003: OCSF_BASE | {"actor", "api", "src_endpoint"}, 3002: OCSF_BASE | {"user"}}
OCSF_KNOWN = {
    "activity_id", "activity_name", "category_uid", "category_name", "class_uid", "class_name", "type_uid", "severity_id",
    "severity", "status_id", "status", "status_detail", "time", "metadata", "src_endpoint", "user", "service", "api",
    "actor", "http_request", "action_id", "action", "disposition_id", "disposition", "resources", "unmapped",
}  # fmt: skip
OCSF_METADATA = {"version", "product", "event_code", "uid", "sequence", "logged_time", "correlation_uid", "profiles"}


def test_ocsf(busy):
    g = busy
    g.user("eve", "correct horse battery", "maintainers")
    assert g.api("GET", "/audit", "ggt_" + "0" * 40).status == 401
    until("the refusal is logged", lambda: g.audit(g.root, type="auth.failure"), seconds=90)
    records = lines(export(g, "ocsf")[1])
    classes = set()
    for r in records:
        classes.add(r["class_uid"])
        assert OCSF_REQUIRED[r["class_uid"]] <= set(r) <= OCSF_KNOWN
        assert r["category_uid"] == r["class_uid"] // 1000
        assert r["type_uid"] == r["class_uid"] * 100 + r["activity_id"]
        assert r["activity_id"] in {6003: {0, 1, 2, 3, 4, 99}, 3002: {0, 1, 2, 99}}[r["class_uid"]]
        assert r["severity_id"] in range(0, 7) and r["status_id"] in (0, 1, 2, 99)
        assert isinstance(r["time"], int) and r["time"] > 10**12
        assert set(r["metadata"]) <= OCSF_METADATA and {"version", "product"} <= set(r["metadata"])
        assert {"name", "vendor_name"} <= set(r["metadata"]["product"])
        assert set(r["src_endpoint"]) & {"ip", "name"}
        if r["class_uid"] == 6003:
            assert r["api"]["operation"] and r["actor"]["user"]["name"]
            assert ("action_id" in r) == ("disposition_id" in r)
        else:
            assert r["user"]["name"] and r["service"]["name"]
    assert classes == {3002, 6003}
    by = {}
    for r in records:
        if "action_id" in r:
            by[r["unmapped"]["gitgate"]["verdict"]] = (r["action_id"], r["disposition_id"])
    assert by["deny"] == (2, 2) and by["hold"] == (2, 3) and by["allow"] == (1, 1) and by["approve"] == (1, 8)


# GitHub, "Audit log events for your enterprise", and its stream's samples
GITHUB = {
    "@timestamp": int, "created_at": int, "_document_id": str, "action": str, "actor": str, "actor_ip": str,
    "user_agent": str, "repo": str, "repository": str, "org": str, "transport_protocol": int,
    "transport_protocol_name": str, "external_identity_nameid": str,
}  # fmt: skip


def test_github(busy):
    g = busy
    records = lines(export(g, "github")[1])
    for r in records:
        for k, v in r.items():
            assert k.startswith("gitgate_") or isinstance(v, GITHUB[k]), k
    pushed = [r for r in records if r["action"] == "git.push"]
    assert {r["gitgate_ref"] for r in pushed} == {"refs/heads/main", "refs/heads/other"}
    assert pushed[0]["actor"] == "ci/agent" and pushed[0]["repo"] == "demo/app" and pushed[0]["org"] == "demo"
    assert pushed[0]["transport_protocol"] == 1 and pushed[0]["transport_protocol_name"] == "http"
    assert [r["gitgate_ref"] for r in records if r["action"] == "git.reject"] == ["refs/heads/side"]


def test_page_by_page_over_the_api(busy):
    g = busy
    everything = g.audit(g.root)
    text, cursor = "", ""
    for _ in range(len(everything)):
        a = g.api("GET", f"/audit/export?format=csv&limit=5&cursor={cursor}", g.root)
        assert a.status == 200 and a.headers["Content-Type"].startswith("text/csv")
        text, cursor = text + a.text, a.headers["Gitgate-Next-Cursor"]
        if int(cursor) > everything[-1]["seq"]:
            break
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [int(r["seq"]) for r in rows][: len(everything)] == seqs(everything)
    a = g.api("GET", f"/audit/export?format=jsonl&cursor={int(cursor) + 1000}", g.root)
    assert a.text == "" and a.headers["Gitgate-Next-Cursor"] == str(int(cursor) + 1000)
    assert g.api("GET", "/audit/export?format=xml", g.root).status == 400
    assert g.api("GET", "/audit/export?format=csv", g.bot).status == 403
    assert g.api("GET", "/audit/export?format=csv").status == 401


def test_follow_goes_on_with_what_comes(busy, tmp_path):
    g = busy
    out = tmp_path / "out"
    with open(out, "wb") as f:
        p = subprocess.Popen(
            [str(g.bin / "gitgate"), "--config", str(g.config_file), "audit", "export", "--follow", "--type", "forward.result"],
            stdout=f,
        )
    try:
        before = until("what is there", lambda: out.read_text().count("\n"))
        g.work.push("HEAD:refs/heads/more", ok=True)
        until("what came", lambda: out.read_text().count("\n") == before + 1)
        assert lines(out.read_text())[-1]["ref"] == "refs/heads/more"
    finally:
        p.kill()
        p.wait()


def test_no_secret_leaves(busy):
    g = busy
    for format in ("jsonl", "csv", "ecs", "ocsf", "github"):
        for text in export(g, format):
            for secret in (g.bot, g.ann, g.root):
                assert secret not in text
                assert base64.b64encode(secret.encode()).decode() not in text


# -- by their schemas --


def types_documented():
    text = (ROOT / "docs" / "formats.md").read_text()
    table = text.split("| `log.start`")[1].split("\n\n")[0]
    for line in ("| `log.start`" + table).splitlines():
        names, _, fields = line.strip("| ").split(" | ", 2)
        for name in re.findall(r"`([a-z.-]+)`", names):
            yield name, fields


DIGEST = "ab" * 32
CLIENTS = [{"addr": "192.0.2.7", "agent": "git/2.39.5"}, {"addr": "2001:db8::1", "agent": ""}, {"addr": "[erased]", "agent": "[erased]"}]
REFS = [
    {"ref": "refs/heads/main", "old": "0" * 40, "new": "1" * 40, "kind": "create"},
    {"ref": "refs/tags/v1", "old": "1" * 40, "new": "0" * 40, "kind": "delete"},
    {"ref": "HEAD", "old": "refs/heads/a", "new": "refs/heads/b", "kind": "default-branch"},
    {},
]
VERDICTS = {"ref.update": ["allow", "hold", "deny"], "hold.review": ["approve", "reject"]}


def entries_of_every_type():
    """What the documentation says an entry may have, with values that are
    odd: an address of the other kind, one that was erased, no repository."""
    for name, fields in types_documented():
        person = {"principal": "ci/agent", "auth": {"method": "token", "credential": "T", "issuer": "https://i", "subject": "[erased]"}}
        for i, client in enumerate(CLIENTS):
            e = {"type": name, "time": "2026-11-22T07:00:00.000Z", "v": 1}
            if not name.startswith(("log.", "config.", "key.", "witness.", "retention.cut", "retention.attic", "ref.out")) and name != "auth.failure":
                e |= person
            if name.startswith(("push.", "ref.update", "hold.", "forward.")):
                e |= {"push": "01JD8Y", "repository": "acme/app" if i else "app", "client": client}
            if name.startswith(("session.", "auth.", "account.", "finding.")):
                e["client"] = client
            if "reviewer" in fields or name.startswith("grant.approved"):
                e |= {"reviewer": "ann", "reviewer_auth": "password", "reviewer_addr": client["addr"]}
            if "`reason`" in fields:
                e["reason"] = "why"
            if name == "hold.closed":
                e["state"] = ["forwarded", "expired", "rejected"][i]
            if name == "forward.result":
                e["result"] = ["ok", "failed", "ok"][i]
            refs = REFS if name.startswith(("ref.", "forward.")) else [{}]
            for r in refs:
                for v in VERDICTS.get(name, [None]):
                    rules = {"verdict": v, "rules": [{"rule": "r", "verdict": v}], "policy": DIGEST} if v else {}
                    yield {**e, **r, **({"repository": "a/b/c"} if r else {}), **rules}


def put_in_index(g, entries):
    """As if the log had them; the gate does not run."""
    with sqlite3.connect(g.state / "gitgate.db") as db:
        for seq, e in enumerate(entries, 10**6):
            db.execute(
                "INSERT INTO audit_index (number, time_ms, type, repository, ref, principal, push, verdict, hold, entry)"
                " VALUES (?, 0, ?, '', '', '', '', '', '', ?)",
                (seq, e["type"], json.dumps({**e, "seq": seq})),
            )
    db.close()


def test_csv_is_harmless(make_gate):
    g = make_gate()
    g.stop()
    texts = {
        "\uff1dcmd()": "'\uff1dcmd()",
        "\uff20SUM(A1)": "'\uff20SUM(A1)",
        "\t=1": "'\t=1",
        "-1;x": "'-1;x",
        "a\x1b[2Jb\x7f\x9b31m\x00"[:-1]: "a\ufffd[2Jb\ufffd\ufffd31m",
        "\u00a0caf\u00e9\n=2": "\u00a0caf\u00e9\n=2",
        'say "x"': 'say "x"',
    }
    time = "2026-11-22T07:00:00.000Z"
    put_in_index(g, [{"type": "hold.review", "time": time, "v": 1, "comment": t} for t in texts])
    p = [str(g.bin / "gitgate"), "--config", str(g.config_file), "audit", "export", "--format", "csv", "--cursor", str(10**6)]
    raw = subprocess.run(p, capture_output=True, check=True).stdout
    head = g.cli("audit", "export", "--format", "csv").stdout.splitlines()[0].split(",")
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    assert [r[head.index("comment")] for r in rows] == list(texts.values())


@pytest.mark.parametrize("format", ["ocsf", "ecs", "github"])
def test_every_type_is_valid_by_the_schema(make_gate, format):
    g = make_gate()
    g.stop()
    entries = list(entries_of_every_type())
    assert {"ref.update", "witness.forked", "hold.seen", "retention.keep", "session.ended"} <= {e["type"] for e in entries}
    put_in_index(g, entries)
    records = lines(g.cli("audit", "export", "--format", format, "--cursor", 10**6).stdout)
    assert len(records) == len(entries)
    schema = SCHEMAS[format]
    checker = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker(["ipv4", "ipv6"]))
    checker.check_schema(schema)
    for e, r in zip(entries, records):
        bad = jsonschema.exceptions.best_match(checker.iter_errors(r))
        assert bad is None, f"{bad.message} at {list(bad.path)}\n{json.dumps(r, indent=1)}"
    severe = {e["type"] for e, r in zip(entries, records) if r.get("severity_id") == 4 or r.get("event", {}).get("kind") == "alert"}
    assert format == "github" or severe == {"ref.out-of-band", "witness.forked"}


@pytest.mark.parametrize("format", ["ocsf", "ecs", "github"])
def test_real_entries_are_valid_by_the_schema(busy, format):
    records = lines(export(busy, format)[1])
    checker = jsonschema.Draft7Validator(SCHEMAS[format], format_checker=jsonschema.FormatChecker(["ipv4", "ipv6"]))
    for r in records:
        bad = jsonschema.exceptions.best_match(checker.iter_errors(r))
        assert bad is None, f"{bad.message} at {list(bad.path)}\n{json.dumps(r, indent=1)}"
    assert len(records) > 10
    # and the schema refuses what is wrong
    for breaks in ({"time": "soon", "@timestamp": 5}, {"odd": 1}, {"event": {}, "class_uid": 1, "action": ""}):
        assert not checker.is_valid({**records[0], **breaks})
