"""What the page of a hold says, as its HTML: who, what, why, and the change
in each way of showing it; and what a reviewer can ask for beside it."""

import contextlib
import os
import re
import shutil
import signal
import struct
import threading
import urllib.parse
import zlib

import html5lib
import pytest

from gate import ROOT, Gate, hold_id, http, until
from test_secrets import checked
from websession import Browserless

PASSWORD = "correct horse battery"
MIGRATIONS = {
    "name": "migrations",
    "when": {"refs": ["refs/heads/**"], "paths": ["migrations/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["dba"]},
    "message": "Schema migrations need a DBA.",
}
MAIN = {
    "name": "protect-main",
    "when": {"refs": ["refs/heads/**"]},
    "then": "hold",
    "approvals": {"required": 2, "from": ["maintainers"]},
}
OLD = "int\nmain(void)\n{\n\treturn lookup(name, OLD_FLAGS);\n}\n"
NEW = "int\nmain(void)\n{\n\treturn lookup(name, NEW_FLAGS);\n}\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\0'


def png(red):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([red, 60, 60]) * 8) * 8
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    with Gate(tmp_path_factory.mktemp("page"), rules=[MIGRATIONS, MAIN]) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        for name, *groups in (("ann", "maintainers", "dba", "auditors"), ("bob", "maintainers"), ("zoe", "strangers")):
            gate.user(name, PASSWORD, *groups)
        gate.bot_token = gate.token("bot", "agents")
        gate.ann_token = gate.token("ann", "maintainers", "dba", "auditors")
        gate.bob_token = gate.token("bob", "maintainers")
        yield gate


@pytest.fixture(scope="module")
def held(g):
    """(id, clone, commits) of a push with one of everything."""
    w = g.clone(g.bot_token)
    w.write({"src/user.c": OLD, "logo.png": png(10), "old name.md": "# Users\n\nText.\n", "tool.sh": "#!/bin/sh\n"})
    w.commit({}, "base")
    id = hold_id(w.push("HEAD:refs/heads/page", ok=False))
    for token in (g.ann_token, g.bob_token):
        assert g.review(id, token).status == 200
    g.wait_hold(id, g.ann_token, "forwarded")
    first = w.commit({"migrations/1.sql": "ALTER TABLE t ADD c TEXT;\n"}, "Add a column\n\nFor the newsletter.")
    w.write({"src/user.c": NEW, "logo.png": png(200), "picture.svg": SVG, "fake.png": "\0not a picture\n"})
    w.run("mv", "old name.md", "new name.md")
    (w.path / "tool.sh").chmod(0o755)
    w.run("add", "-A")
    w.run("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/sub")
    w.run("commit", "-q", "-m", "Use the new flags\n\nCo-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>\nClaude-Session: https://claude.ai/code/session_<b>7\n")
    push = w.push("-o", "agent.session=s-1", "-o", "agent.model=m", "HEAD:refs/heads/page", ok=False)
    id = hold_id(push)
    assert g.review(id, g.bob_token, comment="The index is a good idea.").status == 200
    return id, w, (first, w.head())


def tree(text):
    """The parsed page; the parser finds nothing wrong."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    root = parser.parse(text)
    assert parser.errors == [], [(at, code, text.splitlines()[at[0] - 1][max(0, at[1] - 80):at[1]]) for at, code, _ in parser.errors][:3]
    return root


def words(e):
    return " ".join("".join(e.itertext()).split())


def all_words(e):
    """With a blank between elements, where a page has a new line."""
    return " ".join(" ".join(e.itertext()).split())


def files(root):
    return [e for e in root.iter("details") if "file" in e.get("class", "").split()]


def name_of(file):
    return words(next(file.iter("h4")))


def ann(g):
    return Browserless(g, "ann", PASSWORD)


def test_what_is_asked_and_why(g, held):
    id, w, (first, last) = held
    text = ann(g).get(f"/-/holds/{id}").text
    root = tree(text)
    said = all_words(root)
    assert "bot wants to update refs/heads/page with 2 commits in 8 files" in said
    assert "pending: demo/app" in words(next(root.iter("title")))
    assert "hold by rule migrations Schema migrations need a DBA. migrations/1.sql added in" in said
    assert "0 of 1 from dba for rule migrations" in said
    assert "1 of 2 from maintainers for rule protect-main approved by bob" in said
    assert "The index is a good idea." in said
    assert w.head() in said and "Add a column" in said and "For the newsletter." in said
    # what is proved stands before what is only said
    assert said.index("verified principal bot") < said.index("claimed by the pusher; proves nothing agent.")
    for claim in ("agent.session s-1", "agent.model m"):
        assert said.index(claim) > said.index("proves nothing")
    commit = said[said.index("Use the new flags"):]
    assert "claimed by the commit message tool Claude Code model Claude Opus 4.5 link https://claude.ai/code/session_<b>7 session session_<b>7" in commit
    assert "names it, too" not in said
    assert re.search(r"expires in \d+ ", said)


def test_protected_files_come_first(g, held):
    id, *_ = held
    root = tree(ann(g).get(f"/-/holds/{id}").text)
    shown = files(root)
    assert "guarded" in shown[0].get("class") and name_of(shown[0]) == "migrations/1.sql"
    assert "rule migrations" in words(next(shown[0].iter("summary")))
    assert not any("guarded" in f.get("class") for f in shown[1:])
    # each has its place in the list above, in the same order
    (nav,) = [n for n in root.iter("nav") if n.get("aria-label") == "Changed files"]
    links = [a.get("href") for a in nav.iter("a")]
    assert links == [f"#{f.get('id')}" for f in shown]
    assert "old name.md → new name.md" in [name_of(f) for f in shown], "an exact rename is one entry"


def about(root, name):
    (f,) = [f for f in files(root) if name in name_of(f)]
    return f


def test_kinds_of_change(g, held):
    id, *_ = held
    root = tree(ann(g).get(f"/-/holds/{id}").text)
    assert "every byte is the same" in words(about(root, "new name.md"))
    assert "mode 100644 → 100755" in words(about(root, "tool.sh")) and "Only its mode" in words(about(root, "tool.sh"))
    assert f"commit {'1' * 40}" in words(about(root, "vendor/sub")) and "submodule" in words(about(root, "vendor/sub"))
    logo = about(root, "logo.png")
    assert [i.get("alt") for i in logo.iter("img")] == ["old picture of logo.png", "new picture of logo.png"]
    assert list(about(root, "picture.svg").iter("img")) == []
    assert "binary" in words(logo)


def test_words_are_marked_in_both_ways(g, held):
    id, *_ = held
    for view, table in (("", "unified"), ("?view=split", "split")):
        root = tree(ann(g).get(f"/-/holds/{id}{view}").text)
        user = about(root, "src/user.c")
        assert [words(m) for m in user.iter("mark")] == ["OLD_FLAGS", "NEW_FLAGS"]
        assert table in next(user.iter("table")).get("class")
    # old beside new, on one row
    (row,) = [r for r in user.iter("tr") if list(r.iter("mark"))]
    assert [words(c) for c in row] == ["4", "- return lookup(name, OLD_FLAGS);", "4", "+ return lookup(name, NEW_FLAGS);"]
    assert all("view=split" in a.get("href") for a in root.iter("a") if "commit=" in a.get("href"))


def test_one_commit_at_a_time(g, held):
    id, _, (first, last) = held
    root = tree(ann(g).get(f"/-/holds/{id}").text)
    links = {words(a)[-12:]: a.get("href") for a in root.iter("a") if "commit=" in a.get("href")}
    assert set(links) == {first[:12], last[:12]}
    root = tree(ann(g).get(links[first[:12]].split("#")[0]).text)
    assert [name_of(f) for f in files(root)] == ["migrations/1.sql"]
    assert f"Commit {first[:12]} Add a column" in all_words(root)
    root = tree(ann(g).get(f"/-/holds/{id}/diff?commit={last}").text)
    assert "migrations/1.sql" not in [name_of(f) for f in files(root)] and len(files(root)) == 7


def test_the_only_commit_is_the_whole(g):
    w = g.clone(g.bot_token)
    new = w.commit({"one.txt": "one\n"}, "just one")
    id = hold_id(w.push("HEAD:refs/heads/single", ok=False))
    root = tree(ann(g).get(f"/-/holds/{id}?commit={new}").text)
    assert [name_of(f) for f in files(root)] == ["one.txt"]


def links_below(file, what):
    return [a.get("href") or a.get("src") for a in file.iter() if what in (a.get("href") or a.get("src") or "")]


def test_a_whole_file_on_demand(g, held):
    id, *_ = held
    root = tree(ann(g).get(f"/-/holds/{id}").text)
    old, new = links_below(about(root, "src/user.c"), "/file?oid=")
    for link, flags in ((old, "OLD_FLAGS"), (new, "NEW_FLAGS")):
        a = ann(g).get(link)
        page = tree(a.text)
        assert a.status == 200 and flags in words(page) and "src/user.c" in words(next(page.iter("h1")))
        assert [e.get("id") for e in page.iter("tr") if e.get("id")] == [f"L{i}" for i in range(1, 6)]


def test_pictures_are_pictures(g, held):
    id, w, _ = held
    s = ann(g)
    root = tree(s.get(f"/-/holds/{id}").text)
    old, new = links_below(about(root, "logo.png"), "/image?oid=")
    for link, red in ((old, 10), (new, 200)):
        a = s.get(link)
        assert a.status == 200 and a.body == png(red)
        assert a.headers["Content-Type"] == "image/png" and a.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in a.headers["Content-Security-Policy"] and "no-store" in a.headers["Cache-Control"]
    for name in ("picture.svg", "fake.png", "src/user.c"):
        oid = w.out("rev-parse", f"HEAD:{name}")
        a = s.get(f"/-/holds/{id}/image?oid={oid}")
        assert a.status == 415 and a.headers["Content-Type"].startswith("text/html"), name


def test_only_the_change_can_be_asked_for(g, held):
    id, w, (first, _) = held
    oid = w.out("rev-parse", "HEAD:src/user.c")
    other = g.clone(g.bot_token)
    other.commit({"other.txt": "another push\n"}, "other")
    other_id = hold_id(other.push("HEAD:refs/heads/other", ok=False))
    s = ann(g)
    unchanged = w.out("rev-parse", "HEAD~2:README") if w.run("cat-file", "-e", "HEAD~2:README", check=False).returncode == 0 else w.out("rev-parse", "HEAD^{tree}")
    for path, status in (
        (f"file?oid={oid}", 200),
        (f"file?oid={unchanged}", 404),
        (f"file?oid={first}", 404),
        ("file?oid=" + "0" * 40, 404),
        ("file?oid=../../etc/passwd", 400),
        ("file", 400),
        ("image?oid=", 400),
        (f"diff?commit={w.head('HEAD~2')}", 404),
        ("diff?commit=x", 400),
        ("diff?ref=refs/heads/none", 404),
        ("diff", 404),
        ("diff?ref=refs/heads/page&skip=x", 400),
        ("diff?ref=refs/heads/page&skip=100", 200),
    ):
        a = s.get(f"/-/holds/{id}/{path}")
        assert a.status == status, (path, a.status)
        tree(a.text)
    for path in (f"file?oid={oid}", f"image?oid={oid}", "diff?ref=refs/heads/page"):
        assert s.get(f"/-/holds/{other_id}/{path}").status == 404, path
        assert http("GET", f"{g.url}/-/holds/{id}/{path}").status == 303
        assert Browserless(g, "zoe", PASSWORD).get(f"/-/holds/{id}/{path}").status == 404
        assert http("POST", f"{g.url}/-/holds/{id}/{path}", "", s.headers()).status == 405


def test_an_ended_hold_shows_what_was_recorded(g):
    w = g.clone(g.bot_token)
    w.commit({"end.png": png(1), "end.txt": "text\n"}, "to be rejected")
    id = hold_id(w.push("HEAD:refs/heads/ended", ok=False))
    s = ann(g)
    oid = w.out("rev-parse", "HEAD:end.txt")
    assert s.get(f"/-/holds/{id}/file?oid={oid}").status == 200
    assert g.review(id, g.ann_token, "reject").status == 200
    text = s.get(f"/-/holds/{id}").text
    root = tree(text)
    assert "This hold has ended: of the change, what was recorded is shown." in words(root)
    assert "/file?oid=" not in text and list(root.iter("img")) == [] and len(files(root)) == 2
    for path in (f"file?oid={oid}", f"image?oid={oid}", "diff?ref=refs/heads/ended"):
        a = s.get(f"/-/holds/{id}/{path}")
        assert a.status == 404 and "has ended" in a.text


def test_a_large_diff_is_read_to_its_end(make_gate):
    """What the record has cut is counted, and read on from the objects."""
    g = make_gate(rules=[MAIN], config={"limits": {"diff-size": "64KiB"}})
    g.user("ann", PASSWORD, "maintainers")
    w = g.clone(g.token("bot", "agents"))
    w.commit({f"f{i:02}.txt": "".join(f"file {i} line {n}\n" for n in range(200)) for i in range(40)}, "many files")
    id = hold_id(w.push("HEAD:refs/heads/main", ok=False))
    s, seen, path, rounds = ann(g), set(), f"/-/holds/{id}", 0
    while path is not None:
        root = tree(s.get(path).text)
        rounds += 1
        for f in files(root):
            if f"line 199" in words(f):
                seen.add(name_of(f))
        notes = [p for p in root.iter("p") if "cut" in p.get("class", "")]
        links = {words(a): a.get("href") for p in notes for a in p.iter("a")}
        path = links.get("Next part") or links.get("Read on from the objects")
        for n, _ in re.findall(r"not shown: (\d+) files, (\d+) lines", " ".join(map(words, notes))):
            # a file that was begun is not among the files that are not shown
            assert len(seen) + int(n) in (39, 40), (len(seen), n)
        assert rounds < 30
    assert seen == {f"f{i:02}.txt" for i in range(40)} and rounds > 2


def test_secrets_stay_masked_on_demand(make_gate):
    g = make_gate(rules=[{**MAIN, "name": "look", "when": {"secrets": True}}], start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.start()
    g.user("ann", PASSWORD, "maintainers")
    w = g.clone(g.token("bot", "agents"))
    secret = checked("ghp_")
    new = w.commit({"a.txt": f"before\nx = '{secret}'\nafter\n"}, "one")
    id = hold_id(w.push("HEAD:refs/heads/main", ok=False))
    oid = w.out("rev-parse", "HEAD:a.txt")
    for path in (f"file?oid={oid}", f"diff?commit={new}", "diff?ref=refs/heads/main"):
        text = ann(g).get(f"/-/holds/{id}/{path}").text
        assert "ghp_..." in text and "before" in text, path
        assert secret not in text and secret[4:20] not in text, path


def test_questions_have_limits(make_gate):
    g = make_gate(rules=[MAIN], config={"limits": {"concurrent-views": 1, "view-size": "1KiB"}})
    g.user("ann", PASSWORD, "maintainers")
    w = g.clone(g.token("bot", "agents"))
    w.commit({"big.txt": "x" * 2000, "small.txt": "y\n"}, "sizes")
    id = hold_id(w.push("HEAD:refs/heads/main", ok=False))
    oid = {n: w.out("rev-parse", f"HEAD:{n}.txt") for n in ("big", "small")}
    one = f"/-/holds/{id}/file?oid={oid['small']}"
    sessions, answers = [ann(g), ann(g)], []
    askers = [threading.Thread(target=lambda s=s: answers.append(s.get(one))) for s in sessions]
    idle = g.pids("inspector")
    for pid in idle:
        with contextlib.suppress(ProcessLookupError):  # one that was at its end
            os.kill(pid, signal.SIGSTOP)
    try:
        for t in askers:
            t.start()
        # one waits for its inspector; the other is not kept waiting
        until("one is refused", lambda: answers)
        assert answers[0].status == 503 and "Try again soon" in answers[0].text
        # what needs no inspector is served all the same
        assert sessions[0].get(f"/-/holds/{id}").status == 200
    finally:
        for pid in idle:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for t in askers:
            t.join()
    assert [a.status for a in answers] == [503, 200]
    a = ann(g).get(f"/-/holds/{id}/file?oid={oid['big']}")
    assert a.status == 413 and "limit view-size" in a.text
    # none is left behind
    for _ in range(3):
        assert sessions[0].get(one).status == 200


def test_the_page_is_light(g, held):
    """Without the diff, and all that it loads."""
    id, *_ = held
    text = ann(g).get(f"/-/holds/{id}").text
    without = re.sub(r"<table class=\"diff.*?</table>", "", text, flags=re.S)
    size = len(without.encode())
    for path in re.findall(r'(?:href|src)="(/-/static/[^"]*)"', text):
        a = http("GET", g.url + path)
        assert a.status == 200 and "immutable" in a.headers["Cache-Control"]
        size += len(a.body)
    assert size < 100_000, size


def test_the_live_part_is_part_of_the_page(g, held):
    id, *_ = held
    whole, live = (tree(ann(g).get(f"/-/holds/{id}{q}").text) for q in ("", "?part=live"))

    def parts(root):
        return {e.get("id"): words(e) for e in root.iter() if e.get("id") in ("state", "next", "needs", "decide")}

    assert parts(whole) == parts(live) and len(parts(live)) == 4
    assert files(live) == []


def test_every_page_is_valid(g, held):
    """No parse error; ids are unique, labels and references lead somewhere."""
    id, w, (first, _) = held
    push = g.hold(id, g.ann_token)["push"]
    oid = w.out("rev-parse", "HEAD:src/user.c")
    s = ann(g)
    for path in ("/-/holds", "/-/holds?state=all", f"/-/holds/{id}", f"/-/holds/{id}?view=split", "/-/pushes",
                 f"/-/holds/{id}/file?oid={oid}", f"/-/holds/{id}/diff?commit={first}", f"/-/pushes/{push}", "/-/audit",
                 "/-/holds/01JD0000000000000000000000", "/-/holds?state=wrong"):  # fmt: skip
        root = tree(s.get(path).text)
        check_references(root, path)
    check_references(tree(Browserless(g).get("/-/login").text), "/-/login")


def check_references(root, path):
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids)), path
    for e in root.iter():
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            for target in (e.get(attribute) or "").split():
                assert target in ids, (path, attribute, target)
        if (e.get("href") or "").startswith("#"):
            assert urllib.parse.unquote(e.get("href")[1:]) in ids, (path, e.get("href"))
        assert not any(a.startswith("on") or a == "style" for a in e.keys()), path
