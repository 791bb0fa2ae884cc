"""What an auditor sees and where it leads: every link of the pages goes
somewhere, the three ways to ask take the same words, and what came of a push
is said as it was."""

import html
import json
import re
import urllib.parse

import pytest
from gate import PROTECT_MAIN, ROOT, Gate, Git, hold_id, make_upstream
from issuer import Issuer
from websession import Browserless

PASSWORD = "a long pass phrase"
KEEP = {"name": "keep-notes", "when": {"refs": ["refs/notes/**"]}, "then": "keep"}
LINK = re.compile(r'<a [^>]*href="(/-/[^"#]*)')


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A push that was held and approved on its page, one that was denied, one
    whose refs are kept, one of a job, and a ref that moved without the gate."""
    root = tmp_path_factory.mktemp("pages")
    bare = make_upstream(root / "app.git", {"README": "hello\n"}, branches=("dev",))
    deny = {"name": "never", "when": {"refs": ["refs/heads/no/**"]}, "then": "deny"}
    with Issuer(alg="RS256") as i:
        ci = {"name": "ci", "issuer": i.url, "audience": "gitgate", "principal": "ci:{sub}", "require": {"team": "demo"},
              "groups": [{"group": "agents", "when": {"team": "demo"}}], "session-claims": ["agent_run"]}  # fmt: skip
        with Gate(root, rules=[PROTECT_MAIN, KEEP, deny], repositories=[{"path": "demo/app", "upstream": str(bare)}],
                  config={"identity": {"issuers": [ci]}}) as g:  # fmt: skip
            g.olga_token = g.token("olga", "auditors")
            g.user("olga", PASSWORD, "auditors")
            g.user("ann", PASSWORD, "maintainers")
            w = g.clone(g.token("bot", "agents"))
            g.tip = w.commit({"a.txt": "1\n"})
            claims = ["agent.session=run-7 (verified)", "agent.session: run-7 (verified: the credential names it)=x"]
            g.held = hold_id(w.push("HEAD:refs/heads/main", *(x for c in claims for x in ("-o", c)), ok=False))
            w.run("notes", "--ref=ai", "add", "-m", "x", g.tip)
            w.push("refs/notes/ai", ok=True)
            ann = Browserless(g, "ann", PASSWORD)
            page = ann.get(f"/-/holds/{g.held}").text
            assert ann.post(re.search(rf'action="(/-/holds/{g.held}/approve)"', page).group(1), comment="fine").status == 303
            g.wait_hold(g.held, g.olga_token, "forwarded")
            w.push("HEAD:refs/heads/no/x", ok=False)
            job = g.clone(i.mint(i.claims(sub="job-1", team="demo", agent_run="run-7")))
            job.commit({"b.txt": "2\n"})
            job.push("HEAD:refs/heads/job", "-o", "agent.session=run-7", ok=True)
            Git(bare, root).run("update-ref", "refs/heads/dev", g.tip)
            job.run("fetch", "-q")
            g.web = Browserless(g, "olga", PASSWORD)
            yield g


def push_to(g, ref):
    return g.api("GET", f"/pushes?ref={ref}", g.olga_token).json["pushes"][0]["id"]


def test_every_link_leads_somewhere(place):
    """From the audit page on, as a person clicks."""
    g, seen, todo, came_from = place, set(), ["/-/audit", "/-/repositories"], {}
    while todo:
        path = todo.pop()
        a = g.web.get(path)
        assert a.status == 200, f"{path}, linked from {came_from.get(path)}: {a.status}"
        seen.add(path)
        if "text/html" not in a.headers["Content-Type"] or len(seen) > 300:
            continue
        for link in map(html.unescape, LINK.findall(a.text)):
            # a file's text and other filters of a list are tested elsewhere
            if link not in seen and link not in todo and not re.search(r"[?&](text|view|state|older|cursor)=|/file\?", link):
                todo.append(link)
                came_from[link] = path
    assert len(seen) < 300
    timeline = f"/-/audit/timeline?repository={urllib.parse.quote('demo/app', safe='')}&ref={urllib.parse.quote('refs/heads/main', safe='')}"
    push = push_to(g, "refs/heads/main")
    for page in (timeline, f"/-/pushes/{push}", f"/-/holds/{g.held}", f"/-/audit?push={push}"):
        assert page in seen, page


def test_from_entry_to_push_to_hold_and_back(place):
    g = place
    push = push_to(g, "refs/heads/main")

    def links(path):
        return set(map(html.unescape, LINK.findall(g.web.get(path).text)))

    entries = links(f"/-/audit?push={push}")
    (result,) = [e["seq"] for e in g.audit(g.olga_token, push=push, type="forward.result")]
    assert {f"/-/pushes/{push}", f"/-/holds/{g.held}", f"/-/api/v1/audit/{result}/receipt"} <= entries
    (timeline,) = [x for x in entries if x.startswith("/-/audit/timeline")]
    assert {timeline, f"/-/holds/{g.held}", f"/-/audit?push={push}", f"/-/api/v1/audit/{result}/receipt"} <= links(f"/-/pushes/{push}")
    assert {timeline, f"/-/pushes/{push}", "/-/audit?reviewer=ann"} <= links(f"/-/holds/{g.held}")
    assert {f"/-/pushes/{push}", "/-/audit?reviewer=ann"} <= links("/-/audit?reviewer=ann")
    steps = links(timeline)
    assert {f"/-/pushes/{push}", f"/-/holds/{g.held}"} <= steps
    (explained,) = [x for x in steps if x.startswith("/-/audit/explain")]
    assert {timeline, f"/-/pushes/{push}", f"/-/holds/{g.held}"} <= links(explained)


# What is asked for, and how many entries the fixture made of it (None: some).
FILTERS = [
    {"repository": "demo/app", "type": "ref.out-of-band"},
    {"ref": "refs/heads/main", "type": "forward.result"},
    {"ref": "main", "type": "forward.result"},
    {"principal": "ci:job-1", "type": "push.received"},
    {"reviewer": "ann", "type": "hold.review"},
    {"rule": "never"},
    {"path": "a.txt", "verdict": "hold"},
    {"verdict": "approve"},
    {"since": "1h", "type": "forward.result"},
    {"until": "2100-01-01", "type": "hold.closed"},
    {"until": "30d"},
    {"verdict": "denied"},
    {"type": "hold.*"},
    {"since": "yesterday"},
    {"path": "a["},
]


@pytest.mark.parametrize("query", FILTERS, ids=lambda q: "-".join(q.values()).replace("/", "."))
def test_command_api_and_page_take_the_same_words(place, query):
    g = place
    api = g.api("GET", "/audit?" + urllib.parse.urlencode(query), g.olga_token)
    page = g.web.get("/-/audit?" + urllib.parse.urlencode(query))
    options = [x for k, v in query.items() for x in (f"--{k}", v)]
    near = g.cli("audit", "query", "--json", *options, check=False)
    far = g.remote_cli(g.olga_token, "audit", "query", "--json", *options, check=False)
    if api.status == 400:
        assert page.status == 400 and near.returncode != 0 and far.returncode != 0
        (name,) = [k for k in query if k in ("verdict", "since", "path", "type")]
        for said in (api.json["detail"], page.text):
            assert name in said
        for said in (near.stderr, far.stderr):
            assert name in said or query[name] in said
        return
    found = [e["seq"] for e in api.json["entries"]]
    assert page.status == 200 and found == [int(n) for n in re.findall(r'<tr><td class="n">(\d+)</td>', page.text)]
    assert bool(found) == (query != {"until": "30d"})
    for p in (near, far):
        assert p.returncode == 0 and found == [e["seq"] for e in json.loads(p.stdout)["entries"]]


def test_the_table_names_entries_and_what_came_of_them(place):
    g = place
    push = push_to(g, "refs/heads/main")
    lines = g.remote_cli(g.olga_token, "audit", "query", "--push", push).stdout.splitlines()
    rows = {r[2]: r for r in (re.split(r"  +", line.strip()) for line in lines[1:])}
    assert re.split(r"  +", lines[0].strip()) == ["entry", "time", "type", "repository", "ref", "principal", "outcome", "push"]
    assert rows["hold.review"][6] == "approve by ann" and rows["forward.result"][6] == "ok" and rows["ref.update"][6] == "hold"
    receipt = g.remote_cli(g.olga_token, "audit", "receipt", rows["hold.review"][0]).stdout
    assert f"\nindex {rows['hold.review'][0]}\n" in receipt


def test_what_is_kept_is_not_called_upstream(place):
    g = place
    page = g.web.get("/-/pushes/" + push_to(g, "refs/notes/ai")).text
    assert "refs/notes/ai</code> is kept at the gate" in page and "is upstream" not in page
    said = g.remote_cli(g.olga_token, "audit", "explain-ref", "demo/app", "refs/notes/ai").stdout
    assert "rule keep-notes; it stays at the gate" in said


def test_a_session_that_the_credential_names_is_marked(place):
    """In words that no claim can have, nor its name: what pushers say is in quotes."""
    g = place
    mark = " agent.session: run-7 (verified: the credential names it)"
    for ref, proven in (("refs/heads/job", True), ("refs/heads/main", False)):
        push = push_to(g, ref)
        shown = g.remote_cli(g.olga_token, "pushes", "show", push).stdout
        explained = g.remote_cli(g.olga_token, "audit", "explain-ref", "demo/app", ref).stdout
        assert (mark in shown) == (mark in explained) == proven
        verified = g.api("GET", f"/pushes/{push}", g.olga_token).json["verified"]
        assert verified.get("session") == ("run-7" if proven else None)
    for said in (shown, explained):
        assert 'agent.session: "run-7 (verified)"\n' in said
        assert ' "agent.session: run-7 (verified: the credential names it)": x\n' in said


def test_a_gate_with_a_damaged_log_says_what_to_do(g, tmp_path):
    """And that helps: the file that is named, from a copy."""
    token = g.token("bot", "agents")
    w = g.clone(token)
    w.commit({"a": "1\n"})
    w.push("HEAD:refs/heads/topic", ok=True)
    g.stop()
    log = g.state / "log"
    size = (log / "checkpoint").read_text().split("\n")[1]
    name = f"tile/0/000.p/{size}"
    good = (log / name).read_bytes()
    (log / name).write_bytes(bytes([good[0] ^ 1]) + good[1:])
    g.start(wait=False)
    assert g.process.wait(60) == 1
    for words in (f"{log} is damaged: ", "gitgate audit verify", "The log does not fit"):
        assert words in g.log(), g.log()
    page = (ROOT / "docs" / "operations.md").read_text()
    assert "### The log does not fit" in page and "*the audit log is damaged*" in page
    p = g.cli("audit", "verify", "--key", log / "vkey", log, check=False)
    assert p.returncode == 1 and p.stderr.startswith(f"gitgate: {name}: ")
    (log / name).write_bytes(good)
    assert "verified" in g.cli("audit", "verify", "--key", log / "vkey", log).stdout
    g.start()
    g.clone(token).push("HEAD:refs/heads/again", ok=True)


def test_who_asks_wrongly_is_told_what_to_do(place, tmp_path):
    g = place
    p = g.remote_cli(g.olga_token, "audit", "explain-ref", "demo/app", "notes/ai", check=False)
    assert p.returncode == 1 and "full name (refs/heads/main)" in p.stderr
    p = g.remote_cli(g.olga_token, "audit", "explain-ref", "demo/app", "main", "12345678", check=False)
    assert p.returncode == 1 and "no step of this ref to that value" in p.stderr
    p = g.cli("--config", tmp_path / "none.yaml", "pushes", "replay", push_to(g, "refs/heads/main"), check=False)
    assert p.returncode == 1 and "on the gate's machine" in p.stderr and "--config" in p.stderr
