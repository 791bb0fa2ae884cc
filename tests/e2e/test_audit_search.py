"""Search in the audit log: by all paths of a push, by patterns, and by what a
hold was about; over the API, the page and the command line, on both stores."""

import json
import urllib.parse

import pytest

from gate import PROTECT_MAIN, hold_id
from websession import Browserless

PASSWORD = "correct horse battery"
RULES = [
    PROTECT_MAIN,
    {"name": "no-secrets", "when": {"paths": ["secrets/**"]}, "then": "deny"},
]


def work_on(g):
    """One push of each kind; g.pushes: their ids by what they are."""
    g.bot = g.token("ci/agent", "agents")
    g.ann = g.token("ann", "maintainers")
    g.root = g.token("root", "auditors")
    g.user("rita", PASSWORD, "auditors")
    work = g.clone(g.bot)
    g.pushes = {}

    def push(name, files, branch, ok):
        before = {e["push"] for e in g.audit(g.root, type="push.received")}
        work.commit(files)
        said = work.push(f"HEAD:refs/heads/{branch}", ok=ok)
        (g.pushes[name],) = {e["push"] for e in g.audit(g.root, type="push.received")} - before
        work.run("reset", "-q", "--hard", "HEAD~1")
        return said

    push("allowed", {"src/deep/a.c": "a\n", "src/b.h": "b\n", "Sa.txt": "a\n", "sb.txt": "b\n"}, "topic", True)
    push("docs", {"docs/r\u00e9sum\u00e9.md": "x\n", "docs/100%.md": "y\n", "Sc.txt": "c\n"}, "docs", True)
    push("denied", {"secrets/key": "k\n"}, "bad", False)
    g.held = hold_id(push("held", {"migrations/001.sql": "create\n"}, "main", False))
    assert g.review(g.held, g.ann).status == 200
    g.wait_hold(g.held, g.ann, "forwarded")
    return g


def on_the_page(g, session, query):
    a = session.get("/-/audit?" + urllib.parse.urlencode({**query, "limit": 200}))
    assert a.status == 200, a.text
    return a.text


def same_everywhere(g, session, **query):
    """The entries, which API, page, command line and local store agree on."""
    found = g.audit(g.root, **query)
    args = [x for k, v in query.items() for x in (f"--{k}", v)]
    far = json.loads(g.remote_cli(g.root, "audit", "query", *args, "--json").stdout)
    near = json.loads(g.cli("audit", "query", *args, "--json").stdout)
    by_seq = lambda entries: sorted(e["seq"] for e in entries)
    assert by_seq(far["entries"]) == by_seq(near["entries"]) == by_seq(found)
    page = on_the_page(g, session, query)
    assert page.count("<summary>entry</summary>") == len(found)
    return found


def check_paths(g):
    session = Browserless(g, "rita", PASSWORD)
    pushes = lambda **q: {e["push"] for e in same_everywhere(g, session, **q)}
    only = lambda *names: {g.pushes[n] for n in names}
    # no rule named any of the first two pushes' paths
    for path in ("src/deep/a.c", "src/", "src/deep/", "src/**", "**/*.c", "src/*.h", "src/?.h", "s[rx]c/**"):
        assert pushes(path=path) == only("allowed"), path
    for path in ("docs/r\u00e9sum\u00e9.md", "docs/r*", "docs/**", "docs/100%.md"):
        assert pushes(path=path) == only("docs"), path
    assert pushes(path="migrations/**") == pushes(path="migrations/001.sql") == only("held")
    assert pushes(path="**/key") == only("denied")
    # where a language orders them one with "s" stands between
    assert pushes(path="S*.txt") == only("allowed", "docs")
    assert pushes(path="s*.txt") == only("allowed")
    assert pushes(path="**") == only("allowed", "docs", "denied", "held")
    for path in ("src", "SRC/**", "rc/b.h", "src/*.c", "%", "docs/100_.md", "x/**", "src/deep"):
        assert pushes(path=path) == set(), path
    # with others
    assert pushes(path="src/**", ref="refs/heads/topic") == only("allowed")
    assert pushes(path="src/**", ref="refs/heads/main") == set()
    assert pushes(path="**", ref="refs/heads/main", type="forward.result") == only("held")
    assert pushes(path="migrations/**", reviewer="ann") == only("held")

    a = g.api("GET", "/audit?path=src/%5B", g.root)
    assert a.status == 400 and "path" in a.text
    bad = g.cli("audit", "query", "--path", "src/[", check=False)
    assert bad.returncode != 0 and "path" in bad.stderr


def check_holds(g):
    session = Browserless(g, "rita", PASSWORD)
    of_hold = same_everywhere(g, session, rule="protect-main", push=g.pushes["held"])
    types = [e["type"] for e in of_hold]
    assert types == ["ref.update", "hold.opened", "hold.review", "forward.intended", "forward.result", "hold.closed"]
    (opened,) = (e for e in of_hold if e["type"] == "hold.opened")
    assert opened["needs"] == [{"rule": "protect-main", "required": 1, "from": ["maintainers"]}]
    by_ann = [e["type"] for e in same_everywhere(g, session, reviewer="ann")]
    assert by_ann == ["hold.review", "forward.intended", "forward.result", "hold.closed"]
    assert same_everywhere(g, session, reviewer="ann", rule="no-secrets") == []


def test_by_path_and_by_hold(make_gate):
    g = work_on(make_gate(rules=RULES))
    check_paths(g)
    check_holds(g)


@pytest.mark.parametrize("order", ["bytes", "language"])
def test_on_postgresql(database_server, make_gate, order):
    options = {"bytes": [], "language": ["--template=template0", "--locale-provider=icu", "--icu-locale=en-US"]}
    with database_server.database(*options[order]) as url:
        g = work_on(make_gate(rules=RULES, config={"store": url}))
        check_paths(g)
        check_holds(g)
        g.stop()


def test_only_so_many_paths(make_gate):
    """Those that a rule named are always found, of the others the first."""
    g = make_gate(rules=RULES, config={"limits": {"searched-paths": 3}})
    root = g.token("root", "auditors")
    work = g.clone(g.token("ci/agent", "agents"))
    work.commit({f"many/{i}": "x" for i in range(9)} | {"secrets/key": "k"})
    work.push("HEAD:refs/heads/topic", ok=False)
    found = [i for i in range(9) if g.audit(root, path=f"many/{i}")]
    assert 0 < len(found) <= 3
    assert g.audit(root, path="secrets/key") != []
