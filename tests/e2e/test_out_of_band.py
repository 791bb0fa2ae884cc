"""Upstream moves without the gate: told once, never wrongly."""

import subprocess
import time

import pytest

from crash import Place, needs_crash_build
from gate import ACCESS, PROTECT_MAIN, Git, hold_id, http, ref, until

TYPE = "ref.out-of-band"


@pytest.fixture
def watched(make_gate):
    g = make_gate()
    g.bot = g.token("ci/agent", "agents")
    g.root = g.token("root", "admins")
    g.clone(g.bot)  # the first look: nothing to compare with
    return g


def look(g):
    """A refresh: every fetch is one."""
    Git(g.dir, g.home).run("ls-remote", "-q", g.remote(g.bot))


def found(g):
    return [(e["kind"], e.get("ref"), e.get("old"), e.get("new")) for e in g.audit(g.root, type=TYPE)]


def upstream(g, *args, input=None):
    git = ["git", "-c", "safe.directory=*", "-c", "user.name=Eve", "-c", "user.email=eve@example.com"]
    p = subprocess.run([*git, *args], cwd=g.upstream, capture_output=True, text=True, check=True, input=input)
    return p.stdout.strip()


def commit_upstream(g, parent="main"):
    return upstream(g, "commit-tree", f"{parent}^{{tree}}", "-p", parent, "-m", "by hand")


ZERO = "0" * 40


def test_what_is_moved_by_hand_is_told_once(watched):
    g = watched
    assert found(g) == []
    assert g.api("GET", "/repositories", g.bot).json["repositories"][0]["out_of_band"] is None
    was = ref(g.upstream, "main")
    now = commit_upstream(g)
    upstream(g, "update-ref", "refs/heads/main", now)
    upstream(g, "update-ref", "refs/heads/side", was)
    upstream(g, "tag", "-a", "-m", "v1", "v1", was)
    tag = ref(g.upstream, "refs/tags/v1")
    look(g)
    assert sorted(found(g)) == [
        ("create", "refs/heads/side", ZERO, was),
        ("create", "refs/tags/v1", ZERO, tag),
        ("move", "refs/heads/main", was, now),
    ]
    look(g)
    assert len(found(g)) == 3
    upstream(g, "update-ref", "refs/heads/main", was)  # forced back
    upstream(g, "update-ref", "-d", "refs/heads/side")
    upstream(g, "update-ref", "refs/tags/v1", now)
    look(g)
    assert sorted(found(g)[3:]) == [
        ("delete", "refs/heads/side", was, ZERO),
        ("move", "refs/heads/main", now, was),
        ("move", "refs/tags/v1", tag, now),
    ]
    first = g.audit(g.root, type=TYPE)[0]
    again = [e for e in g.audit(g.root, type=TYPE, ref=first["ref"]) if e["seq"] != first["seq"]]
    assert "prev" not in first and again[0]["prev"] == first["seq"]
    g.said("event=out_of_band")
    (r,) = g.api("GET", "/repositories", g.bot).json["repositories"]
    assert r["out_of_band"] == g.audit(g.root, type=TYPE)[-1]["time"]
    assert "\ngitgate_out_of_band_total 6\n" in http("GET", g.url + "/metrics").text


def test_our_own_pushes_are_no_movement(watched):
    g = watched
    work = g.clone(g.bot)
    for i in range(3):
        work.commit({"a": str(i)})
        work.push("HEAD:refs/heads/main", f"HEAD:refs/heads/b{i}", ok=True)
    work.push(":refs/heads/b0", "HEAD:refs/tags/v1", ok=True)
    work.push("--force", "HEAD~2:refs/heads/b1", ok=True)
    look(g)
    assert found(g) == []


def test_what_lies_between_two_of_ours(watched):
    """Ours, then a hand's, then ours again: only the hand's is told."""
    g = watched
    work = g.clone(g.bot)
    mine = work.commit({"a": "1"})
    work.push("HEAD:refs/heads/main", ok=True)
    hand = commit_upstream(g)
    upstream(g, "update-ref", "refs/heads/main", hand)
    work.run("fetch", "-q")
    work.run("reset", "-q", "--hard", "origin/main")
    work.commit({"a": "2"})
    work.push("HEAD:refs/heads/main", ok=True)
    look(g)
    assert found(g) == [("move", "refs/heads/main", mine, hand)]


def test_while_the_gate_was_away(watched):
    g = watched
    work = g.clone(g.bot)
    mine = work.commit({"a": "1"})
    work.push("HEAD:refs/heads/main", ok=True)
    g.stop()
    hand = commit_upstream(g)
    upstream(g, "update-ref", "refs/heads/main", hand)
    g.start()
    look(g)
    assert found(g) == [("move", "refs/heads/main", mine, hand)]
    g.stop()
    g.start()
    look(g)
    assert len(found(g)) == 1


def test_what_we_took_away_is_put_back_by_hand(watched):
    """A push of ours once led to the value: that explains nothing where a later
    one led away from it, nor where the log has said that a hand was at it."""
    g = watched
    work = g.clone(g.bot)
    work.run("checkout", "-q", "-b", "t")
    mine = work.commit({"a": "1"})
    work.push("t", ok=True)
    made = time.monotonic()
    until("it is certain which came first", lambda: time.monotonic() > made + 1.2)
    work.push(":t", ok=True)
    work.push("t:refs/heads/other", ok=True)  # upstream has its commit
    assert found(g) == []
    upstream(g, "update-ref", "refs/heads/t", mine)
    look(g)
    assert found(g) == [("create", "refs/heads/t", ZERO, mine)]
    upstream(g, "update-ref", "-d", "refs/heads/t")
    look(g)
    assert found(g)[1:] == [("delete", "refs/heads/t", mine, ZERO)]
    upstream(g, "update-ref", "refs/heads/t", mine)
    look(g)
    assert found(g)[2:] == [("create", "refs/heads/t", ZERO, mine)]
    # and ours are explained again
    work.push(":t", ok=True)
    work.push("t", ok=True)
    work.push(":t", ok=True)
    look(g)
    assert len(found(g)) == 3


def test_back_and_forth_by_us_only(watched):
    """However often, and whenever somebody looks between."""
    g = watched
    work = g.clone(g.bot)
    work.run("checkout", "-q", "-b", "t")
    work.commit({"a": "1"})
    for i in range(3):
        work.push("t", "t:refs/heads/u", ok=True)
        if i == 1:
            look(g)
        work.push(":t", ok=True)
        work.push("--force", "main:refs/heads/u", ok=True)
    work.push("t", ok=True)
    g.stop()
    g.start()
    look(g)
    assert found(g) == []


def test_the_default_branch_while_the_gate_was_away(watched):
    g = watched
    g.stop()
    upstream(g, "symbolic-ref", "HEAD", "refs/heads/other")
    upstream(g, "update-ref", "refs/heads/other", "refs/heads/main")
    g.start()
    look(g)
    assert [x for x in found(g) if x[1] == "HEAD"] == [("default-branch", "HEAD", "refs/heads/main", "refs/heads/other")]
    g.stop()
    g.start()
    look(g)
    assert len(found(g)) == 2


def test_by_hand_to_what_waits_for_approval(watched):
    """What a held push wants is not ours before it is approved."""
    g = watched
    g.policy({"access": ACCESS, "rules": [PROTECT_MAIN]})
    assert g.reload()
    work = g.clone(g.bot)
    was = work.head()
    now = work.commit({"a": "1"})
    held = hold_id(work.push("main", ok=False))
    upstream(g, "fetch", "-q", work.path, f"{now}:refs/heads/main")
    look(g)
    assert found(g) == [("move", "refs/heads/main", was, now)]
    g.wait_hold(held, g.bot, "stale")


def test_another_upstream_under_the_same_name(watched, tmp_path):
    """Where config points elsewhere there is nothing to compare with."""
    g = watched
    upstream(g, "update-ref", "refs/heads/main", commit_upstream(g))
    other = tmp_path / "other.git"
    subprocess.run(["git", "clone", "-q", "--bare", g.upstream, other], check=True)
    g.config["repositories"][0]["upstream"] = str(other)
    assert g.reload()
    look(g)
    assert found(g) == []


def test_thousands_at_once(watched):
    g = watched
    main = ref(g.upstream, "main")
    lines = "".join(f"create refs/heads/r{i:04} {main}\n" for i in range(1500))
    upstream(g, "update-ref", "--stdin", input=lines)
    look(g)
    entries = g.audit(g.root, type=TYPE, limit=1000)
    assert len(entries) == 1001
    assert entries[0]["seen_at_once"] == 1500
    assert entries[-1]["kind"] == "more" and entries[-1]["refs"] == 500


def test_what_a_forge_moves_by_itself_and_what_is_not_carried(make_gate):
    g = make_gate()
    g.bot, g.root = g.token("ci/agent", "agents"), g.token("root", "admins")
    g.clone(g.bot)
    upstream(g, "update-ref", "refs/pull/1/head", ref(g.upstream, "main"))
    look(g)
    assert found(g) == []
    g.config["repositories"][0]["refs"] = ["refs/pull/**", "refs/heads/**"]
    assert g.reload()
    upstream(g, "update-ref", "refs/pull/2/head", ref(g.upstream, "main"))
    upstream(g, "tag", "v1", "main")
    look(g)
    assert [x[1] for x in found(g)] == ["refs/pull/2/head"]


def test_the_default_branch(watched):
    g = watched
    upstream(g, "symbolic-ref", "HEAD", "refs/heads/other")
    upstream(g, "update-ref", "refs/heads/other", ref(g.upstream, "main"))
    look(g)
    assert sorted(found(g)) == [
        ("create", "refs/heads/other", ZERO, ref(g.upstream, "main")),
        ("default-branch", "HEAD", "refs/heads/main", "refs/heads/other"),
    ]


def test_holds_on_it_become_stale(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    g.bot, g.root = g.token("ci/agent", "agents"), g.token("root", "admins")
    work = g.clone(g.bot)
    work.commit({"a": "1"})
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    upstream(g, "update-ref", "refs/heads/main", commit_upstream(g))
    look(g)
    g.wait_hold(held, g.root, "stale")
    assert len(found(g)) == 1


def test_an_approved_hold_is_ours(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    g.bot, g.root = g.token("ci/agent", "agents"), g.token("root", "admins")
    ann = g.token("ann", "maintainers")
    work = g.clone(g.bot)
    work.commit({"a": "1"})
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert g.review(held, ann).status == 200
    g.wait_hold(held, ann, "forwarded")
    look(g)
    assert found(g) == []


@needs_crash_build
@pytest.mark.parametrize("point", ["gate.after-forward", "gate.before-forward"])
def test_a_crash_in_the_middle_of_a_forward(make_gate, tmp_path, point):
    """Upstream has it, the store does not know yet: it is ours all the same."""
    place = Place(make_gate, tmp_path, point)
    place.work.commit({"a": "1"})
    place.push("HEAD:refs/heads/side")
    g = place.gate
    g.bot, g.root = place.bot, place.ann
    look(g)
    assert found(g) == []
