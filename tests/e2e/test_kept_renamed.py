"""A repository with kept refs gets another name in the configuration: nothing
is lost, it is said, and the page's way brings them over."""

import pytest
from gate import PROTECT_MAIN, hold_id, ref, until

KEEP = {"name": "keep-notes", "when": {"refs": ["refs/notes/**"]}, "then": "keep"}
NOTES = "refs/notes/ai"
WARNING = "demo/app is not in the configuration: nobody can fetch what the gate keeps of it (refs: 1)"


@pytest.fixture
def place(make_gate):
    g = make_gate(rules=[PROTECT_MAIN, KEEP])
    g.bot, g.ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    g.work = g.clone(g.bot)
    g.tip = g.work.commit({"a": "1\n"})
    g.held = hold_id(g.work.push("HEAD:refs/heads/main", ok=False))
    g.work.run("notes", "--ref=ai", "add", "-m", "x", g.tip)
    g.work.push(NOTES, ok=True)
    g.kept_push = g.api("GET", f"/pushes?ref={NOTES}", g.ann).json["pushes"][0]["id"]
    g.old = g.config["repositories"][0]
    g.new = {**g.old, "path": "demo/new"}
    return g


def served(g, name):
    out = g.work.out("ls-remote", g.remote(g.bot, name), "refs/notes/*")
    return dict(reversed(line.split("\t")) for line in out.splitlines())


def test_it_is_said_and_nothing_is_lost(place):
    g, oid = place, place.work.head(NOTES)
    assert WARNING not in g.log() and "nobody can fetch" not in g.cli("doctor").stdout
    g.config["repositories"] = [g.new]
    assert g.reload()
    until("it is said", lambda: "event=config_doubtful" in g.log() and WARNING in g.log(), log=g.log)
    assert "demo/app has refs that the gate keeps, and is not in the configuration" in g.cli("doctor").stdout
    assert served(g, "demo/new") == {} and "demo/app" in g.cli("kept", "list").stdout
    assert g.work.run("ls-remote", g.remote(g.bot, "demo/app"), check=False).returncode != 0
    p = g.cli("pushes", "replay", g.kept_push, check=False)
    assert p.returncode == 1 and "demo/app is not in the configuration any more: put its entry back" in p.stderr
    # what is approved meanwhile waits, and goes when the name is back
    assert g.review(g.held, g.ann).status == 200
    until("it cannot go", lambda: "event=push_failed" in g.log(), log=g.log)
    assert ref(g.upstream, "main") != g.tip and g.hold(g.held, g.ann)["state"] == "approved"
    g.stop()
    g.config["repositories"] = [g.new, g.old]
    g.start()
    g.wait_hold(g.held, g.ann, "forwarded")
    assert ref(g.upstream, "main") == g.tip and served(g, "demo/app") == {NOTES: oid}
    assert g.cli("pushes", "replay", g.kept_push).stdout.endswith("it comes out the same\n")


def test_brought_to_the_new_name(place):
    """As docs/operations.md says: both names, fetch, push, drop, prune."""
    g, oid = place, place.work.head(NOTES)
    g.config["repositories"] = [g.new, g.old]
    assert g.reload()
    g.work.run("update-ref", "-d", NOTES)
    g.work.run("fetch", "-q", g.remote(g.bot, "demo/app"), f"+{NOTES}:{NOTES}")
    g.work.run("push", "-q", g.remote(g.bot, "demo/new"), NOTES)
    assert served(g, "demo/new") == served(g, "demo/app") == {NOTES: oid}
    assert g.api("POST", f"/holds/{g.held}/reject", g.ann, {"comment": "push it to the new name"}).status == 200
    g.cli("kept", "drop", "demo/app", NOTES)
    assert g.cli("kept", "prune", "demo/app").stdout.startswith("1 pack became one of ")
    g.config["repositories"] = [g.new]
    assert g.reload() and WARNING not in g.log()
    assert "nobody can fetch" not in g.cli("doctor").stdout
    assert served(g, "demo/new") == {NOTES: oid} and ref(g.upstream, NOTES) is None
