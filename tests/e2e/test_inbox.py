"""Lists: what waits for whom, filters, pages, rights, and that they follow
what happens without moving what one is about to press."""

import sqlite3
import urllib.parse

import pytest

from gate import PROTECT_MAIN, Gate, hold_id, http, make_upstream, until
from test_hold_page import PASSWORD, all_words, check_references, tree
from websession import Browserless

RULES = [
    {"name": "migrations", "when": {"refs": ["refs/heads/**"], "paths": ["migrations/**"]}, "then": "hold",
     "approvals": {"required": 1, "from": ["dba"]}, "message": "Schema migrations need a DBA."},
    {"name": "two-of-us", "when": {"refs": ["refs/heads/**"]}, "then": "hold",
     "approvals": {"required": 2, "from": ["maintainers"]}},
    {"name": "no-tags", "when": {"refs": ["refs/tags/**"]}, "then": "deny", "message": "Tags are made by the release job."},
]  # fmt: skip
ACCESS = [
    {"principals": {"groups": ["agents", "maintainers", "dba"]}, "repositories": ["demo/*", "acme/*"], "allow": ["fetch", "push"]},
    {"principals": {"groups": ["agents", "secretive"]}, "repositories": ["secret/*"], "allow": ["fetch", "push"]},
]


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    root = tmp_path_factory.mktemp("inbox")
    for name in ("demo/app", "acme/site", "acme/tools", "secret/plans"):
        make_upstream(root / "up" / f"{name}.git", {"README": "hello\n"})
    repositories = [{"path": "demo/app", "upstream": str(root / "up/demo/app.git")},
                    {"path": "secret/plans", "upstream": str(root / "up/secret/plans.git")},
                    {"path": "demo/gone", "upstream": str(root / "up/nothing.git")},
                    {"path": "acme/*", "upstream": str(root / "up/acme/*.git")},
                    {"path": "empty/*", "upstream": str(root / "up/empty/*.git")}]  # fmt: skip
    with Gate(root, repositories=repositories, rules=RULES, access=ACCESS) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        gate.bot = gate.token("ci-agent", "agents")
        for name, *groups in (("ann", "maintainers", "auditors"), ("bob", "maintainers"), ("dora", "dba"),
                              ("pat", "agents"), ("zoe", "strangers")):  # fmt: skip
            gate.user(name, PASSWORD, *groups)
            setattr(gate, name, gate.token(name, *groups))
        gate.sessions = {}
        yield gate


def push(g, branch, files=None, repository="demo/app", token=None, **kw):
    w = g.clone(token or g.bot, repository)
    w.commit(files or {f"{branch}.txt": "a\n"}, **kw)
    return hold_id(w.push(f"HEAD:refs/heads/{branch}", ok=False))


def page(g, user, path):
    """As a valid page, by this person."""
    if user not in g.sessions:
        g.sessions[user] = Browserless(g, user, PASSWORD)
    a = g.sessions[user].get(path)
    assert a.status == 200, a.text
    root = tree(a.text)
    check_references(root, path)
    return root


def rows(root):
    return [e.get("data-row") for e in root.iter() if e.get("data-row")]


def row(root, id):
    return all_words(next(e for e in root.iter() if e.get("data-row") == id))


def mine(g, user):
    return rows(page(g, user, "/-/holds?view=mine&limit=200"))


def test_what_waits_for_whom(g):
    id = push(g, "whose", {"migrations/1.sql": "x\n"})
    by_ann = push(g, "own", token=g.ann)
    assert {id, by_ann} <= set(mine(g, "bob"))
    assert id in mine(g, "ann") and by_ann not in mine(g, "ann"), "nobody decides on a push of one's own"
    assert id in mine(g, "dora") and by_ann not in mine(g, "dora"), "only what asks for a DBA"
    assert mine(g, "pat") == []
    # who has said yes has no more to say; it is still open
    assert g.review(id, g.bob).status == 200
    assert id not in mine(g, "bob") and id in mine(g, "ann")
    text = row(page(g, "bob", "/-/holds?view=open"), id)
    for words in ("demo/app", "pending", "ci-agent", "verified by token", "wants to create refs/heads/whose",
                  "0 of 1 from dba", "Schema migrations need a DBA. (rule migrations)", "1 of 2 from maintainers"):  # fmt: skip
        assert words in text, (words, text)
    # the API answers alike
    listed = g.api("GET", "/holds?view=mine&limit=200", g.ann).json["holds"]
    assert id in [h["id"] for h in listed] and by_ann not in [h["id"] for h in listed]
    assert g.api("GET", "/holds?view=wrong", g.ann).status == 400
    # done is done
    assert g.review(id, g.dora, "reject").status == 200
    assert id not in mine(g, "ann") and id not in rows(page(g, "ann", "/-/holds?view=open"))
    assert "rejected" in row(page(g, "ann", "/-/holds?view=done"), id)


def test_who_wrote_a_commit_does_not_decide_on_it(g):
    w = g.clone(g.bot)
    w.run("config", "user.name", "bob")
    w.commit({"b.txt": "x"})
    w.run("-c", "user.name=bob", "commit", "-q", "--amend", "--no-edit", "--author", "bob <bob@example.com>")
    id = hold_id(w.push("HEAD:refs/heads/authored", ok=False))
    assert id in mine(g, "ann") and id not in mine(g, "bob")


def test_the_default_is_what_one_is_there_for(g):
    id = push(g, "default")

    def current(user):
        return [all_words(e) for e in page(g, user, "/-/holds").iter("a") if e.get("aria-current") == "page"]

    assert any(w.startswith("Mine to decide") for w in current("bob"))
    assert any(w.startswith("All open") for w in current("pat"))
    assert id in rows(page(g, "pat", "/-/holds"))
    # counts: in the tabs, and in the navigation of every page
    n = len(mine(g, "bob"))
    n = n if n <= 20 else "20+"
    assert f"Mine to decide {n} All open" in all_words(page(g, "bob", "/-/holds"))
    assert f"Holds {n} to decide" in all_words(page(g, "bob", "/-/audit"))
    assert "to decide" not in all_words(page(g, "pat", "/-/pushes")).split("Sign out")[0]


def test_filters(g):
    a = push(g, "filter-a", {"migrations/2.sql": "x\n", "docs/100%_sure.md": "x"})
    b = push(g, "filter-b", repository="acme/site")
    c = push(g, "filter-c", token=g.pat)

    def found(**q):
        got = rows(page(g, "ann", "/-/holds?" + urllib.parse.urlencode({"view": "open", "limit": 200, **q})))
        return [x for x in (a, b, c) if x in got]

    assert found() == [a, b, c]
    assert found(repository="acme/site") == [b]
    assert found(principal="pat") == [c]
    assert found(ref="refs/heads/filter-b") == found(ref="filter-b") == [b]
    assert found(rule="migrations") == [a] and found(rule="migration_") == []
    assert found(text="FILTER-a") == [a] and found(text="acme/") == [b]
    assert found(text="need a DBA") == [a]
    assert found(text="fil%er") == [] and found(text="f_lter") == [], "no wild cards"
    assert found(text="reasons") == [], "what is searched is what it says, not how it is written down"
    assert found(text="'; DROP TABLE hold; --") == []
    assert found(principal="pat", text="filter") == [c] and found(principal="pat", rule="migrations") == []
    # they stay in the links, and are in the form
    root = page(g, "ann", "/-/holds?view=open&text=a%26b&rule=migrations")
    links = [e.get("href") for e in root.iter("a")]
    assert "/-/holds?text=a%26b&rule=migrations&view=done" in links
    fields = {e.get("name"): e.get("value") for e in root.iter("input")}
    assert fields["text"] == "a&b" and fields["rule"] == "migrations" and fields["view"] == "open"
    assert "No hold fits these filters." in all_words(root)
    assert g.sessions["ann"].get("/-/holds?text=" + "x" * 201).status == 400
    assert g.sessions["ann"].get("/-/holds?state=wrong").status == 400


def test_pages_of_a_list(g):
    ids = [push(g, f"paged-{i}", repository="acme/tools") for i in range(3)]
    seen, path = [], "/-/holds?view=open&repository=acme%2Ftools&limit=2"
    root = page(g, "ann", path)
    seen += rows(root)
    (older,) = [e.get("href") for e in root.iter("a") if e.get("rel") == "next"]
    assert "repository=acme%2Ftools" in older and "view=open" in older
    seen += rows(page(g, "ann", older + "&limit=2"))
    assert seen == ids[::-1]


def test_empty_lists_say_what_to_expect(g):
    assert "No rule asks for an approval of your groups." in all_words(page(g, "zoe", "/-/holds?view=mine"))
    assert "No push is held at the moment." in all_words(page(g, "zoe", "/-/holds"))
    push(g, "for-others")
    assert "wait for others" in all_words(page(g, "pat", "/-/holds?view=mine"))
    assert "No push to a repository that you may fetch" in all_words(page(g, "zoe", "/-/pushes"))
    assert "There is no repository that you may fetch." in all_words(page(g, "zoe", "/-/repositories"))


def test_nobody_sees_more_than_before(g):
    id = push(g, "plan", repository="secret/plans")
    # whoever is asked for an approval sees the hold, but not the repository
    assert id in mine(g, "bob")
    for path in ("/-/holds?view=all", "/-/holds?view=open", "/-/pushes", "/-/repositories", "/-/holds?view=open&text=plans"):
        for user in ("dora", "zoe"):
            text = g.sessions.setdefault(user, Browserless(g, user, PASSWORD)).get(path).text
            assert "secret/" not in text, (path, user)
    assert "secret/plans" not in all_words(page(g, "bob", "/-/repositories"))
    assert "secret/plans" in all_words(page(g, "ann", "/-/repositories")), "auditors see all"
    assert http("GET", g.url + "/-/api/v1/repositories").status == 401
    # no count tells of it, either
    assert "All open 0" in all_words(page(g, "zoe", "/-/holds"))


def repositories(g, token):
    a = g.api("GET", "/repositories", token)
    assert a.status == 200
    return {r["name"]: r for r in a.json["repositories"]}


def test_repositories(g):
    g.clone(g.bot, "acme/site")
    assert g.clone(g.bot, "acme/tools").head()
    with pytest.raises(AssertionError):
        g.clone(g.bot, "demo/gone")
    all = repositories(g, g.ann)
    assert list(all) == sorted(all)
    site = all["acme/site"]
    assert site["pattern"] == "acme/*" and site["mirror"]["state"] == "current" and site["mirror"]["refreshed"]
    assert site["upstream"].endswith("/acme/site.git") and all["demo/app"]["pattern"] is None
    gone = all["demo/gone"]
    assert gone["mirror"]["state"] == "failed" and gone["mirror"]["failed"] and gone["mirror"]["why"]
    assert gone["last_push"] is None and gone["open_holds"] == 0
    # others get to know that it failed, not where upstream is or what it said
    bob = repositories(g, g.bob)
    assert "upstream" not in bob["acme/site"]
    assert bob["demo/gone"]["mirror"]["why"] == "upstream could not be read; auditors see what it said"
    # open holds, the last push
    before = bob["demo/app"]["open_holds"]
    id = push(g, "counted")
    now = repositories(g, g.bob)["demo/app"]
    assert now["open_holds"] == before + 1 and now["last_push"] == g.hold(id, g.ann)["push"]
    text = all_words(page(g, "ann", "/-/repositories"))
    for words in ("Configured by name", "Seen below acme/*", "Seen below empty/*", "Nobody has fetched or pushed one yet.", "up to date"):
        assert words in text, words
    assert "empty/*" not in all_words(page(g, "bob", "/-/repositories"))


def test_mirrors_of_before_are_seen(make_gate, tmp_path):
    """After a start nobody has asked for it yet, but it was fetched once."""
    make_upstream(tmp_path / "up" / "acme" / "site.git", {"README": "hello\n"})
    g = make_gate(repositories=[{"path": "acme/*", "upstream": str(tmp_path / "up/acme/*.git")}])
    token = g.token("ann", "maintainers")
    g.clone(token, "acme/site")
    g.stop()
    g.start()
    assert repositories(g, token)["acme/site"]["mirror"] == {"state": "unread", "refreshed": None, "failed": None}


def test_pushes_and_a_push(g):
    id = push(g, "told", {"migrations/3.sql": "x\n"})
    push_id = g.hold(id, g.ann)["push"]
    text = row(page(g, "ann", "/-/pushes?state=held&rule=migrations"), push_id)
    for words in ("held", "demo/app", "refs/heads/told", "ci-agent", "bytes"):
        assert words in text, (words, text)
    assert push_id not in rows(page(g, "ann", "/-/pushes?state=denied"))
    assert g.review(id, g.bob, comment="fine by me").status == 200
    assert g.review(id, g.ann).status == 200
    assert g.review(id, g.dora).status == 200
    g.wait_hold(id, g.ann, "forwarded")

    def line():
        root = page(g, "ann", f"/-/pushes/{push_id}")
        return [all_words(li).split("UTC ", 1)[1] for ol in root.iter("ol") if ol.get("class") == "line" for li in ol.iter("li")]

    until("the end is in the index", lambda: line()[-1].startswith("the hold ended"), log=g.log)
    assert line() == [
        "received and inspected", "hold refs/heads/told by rule migrations , two-of-us", "held for approval",
        "approved by bob : fine by me", "approved by ann", "approved by dora", "sent upstream: refs/heads/told",
        "upstream took refs/heads/told", "the hold ended: forwarded",
    ]  # fmt: skip
    text = all_words(page(g, "ann", f"/-/pushes/{push_id}"))
    for words in ("Schema migrations need a DBA.", "Its hold and reviews", "verified", "refs/heads/told is upstream"):
        assert words in text, words


def test_a_denied_push_says_why(g):
    w = g.clone(g.bot)
    w.commit({"t": "1"})
    w.run("tag", "v1")
    w.push("-o", "agent.session=s-7", "v1", ok=False)
    (p,) = g.api("GET", "/pushes?ref=refs/tags/v1", g.ann).json["pushes"]
    text = all_words(page(g, "ann", f"/-/pushes/{p['id']}"))
    for words in ("denied", "Tags are made by the release job.", "deny refs/tags/v1 by rule no-tags", "claimed by the pusher", "s-7"):
        assert words in text, words


def plan(db, sql):
    return " / ".join(r[3] for r in db.execute("EXPLAIN QUERY PLAN " + sql))


def test_ten_thousand_holds_are_no_matter(make_gate):
    """Each list is read from an index in its order, however many there are."""
    g = make_gate(rules=RULES[:2])
    g.ann = g.token("ann", "maintainers", "auditors")
    bot = g.token("bot", "agents")
    w = g.clone(bot)
    w.commit({"a.txt": "1"})
    id = hold_id(w.push("HEAD:refs/heads/a", ok=False))
    g.stop()
    db = sqlite3.connect(g.state / "gitgate.db")
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    db.row_factory = sqlite3.Row
    hold = dict(db.execute("SELECT * FROM hold WHERE id = ?", (id,)).fetchone())
    push = dict(db.execute("SELECT * FROM push WHERE id = ?", (hold["push_id"],)).fetchone())

    def copies(row, state):
        for i in range(10_000):
            new = "01JD" + "".join(alphabet[i // 32**k % 32] for k in range(4)) + "0" * 18
            put = {"id": new, "push_id": new, "key": str(i), "state": state(i)}
            yield [put.get(k, v) for k, v in row.items()]

    for table, row, state in (("push", push, lambda i: "denied"), ("hold", hold, lambda i: "rejected" if i % 10 else "pending")):
        db.executemany(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", copies(row, state))
    db.row_factory = None
    db.commit()
    order = " ORDER BY id DESC LIMIT 51"
    for where, index in (
        ("COALESCE(state, '') IN ('pending', 'approved')", "hold_open"),
        ("COALESCE(state, '') NOT IN ('pending', 'approved')", "hold_done"),
        ("state = 'pending' AND lower(needs) LIKE '%x%'", "hold_state"), ("repository = 'demo/app'", "hold_repository"),
        ("principal = 'bot'", "hold_principal"), ("lower(updates) LIKE '%x%'", "sqlite_autoindex_hold_1"),
    ):  # fmt: skip
        how = plan(db, f"SELECT * FROM hold WHERE 1 = 1 AND {where}{order}")
        assert index in how and "TEMP B-TREE" not in how, (where, how)
    db.close()
    g.start()
    assert len(g.api("GET", "/holds?view=mine&limit=200", g.ann).json["holds"]) > 0
    assert len(g.api("GET", "/holds?view=done&limit=200", g.ann).json["holds"]) == 200
    assert g.api("GET", "/holds?text=nothing-like-it", g.ann).json["holds"] == []
    # and nothing of it is counted to its end
    assert repositories(g, g.ann)["demo/app"]["open_holds"] == 1001


def test_lists_on_postgresql(database, make_gate):
    """The same statements, and the same answers."""
    g = make_gate(rules=[PROTECT_MAIN], config={"store": database})
    g.ann, bot = g.token("ann", "maintainers", "auditors"), g.token("bot", "agents")
    w = g.clone(bot)
    w.commit({"100%.txt": "1"})
    id = hold_id(w.push("main", ok=False))

    def found(q):
        a = g.api("GET", f"/holds?{q}", g.ann)
        assert a.status == 200, a.text
        return [h["id"] for h in a.json["holds"]]

    for q in ("view=mine", "view=open", "rule=protect-main", "text=MAIN", "text=Needs%20a", "ref=main"):
        assert found(q) == [id], q
    for q in ("view=done", "rule=protect", "text=m_in", "text=m%25n", "text=%5C"):
        assert found(q) == [], q
    assert repositories(g, g.ann)["demo/app"]["open_holds"] == 1
    assert g.api("GET", "/pushes?text=main&rule=protect-main", g.ann).json["pushes"]
    assert g.review(id, g.ann, "reject").status == 200
    assert found("view=done") == [id] and found("view=mine") == []
