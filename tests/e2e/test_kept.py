"""Refs that policy keeps at the gate: accepted, served, never sent upstream."""

import json
import os
import subprocess

import pytest

import make
import raw_push
from gate import PROTECT_MAIN, Git, hold_id, http, make_upstream, ref, until
from test_upstreams import site
from websession import Browserless

KEEP = {
    "name": "keep-transcripts",
    "when": {"refs": ["refs/notes/**", "refs/entire/**", "refs/heads/kept/**"]},
    "then": "keep",
}
HOLD_ENTIRE = {
    "name": "look-at-transcripts",
    "when": {"refs": ["refs/entire/held/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
}
NOTES = "refs/notes/ai"


class Place:
    def __init__(self, g):
        self.g = g
        self.bot = g.token("bot", "agents")
        self.ann = g.token("ann", "maintainers", "auditors", "admins")

    def clone(self):
        return self.g.clone(self.bot)

    def upstream(self, *args, check=True):
        p = subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=self.g.upstream, capture_output=True, text=True)
        assert not check or p.returncode == 0, p.stderr
        return p

    def upstream_lacks(self, work, *revs, against="origin/main"):
        """Not one object behind these revisions is upstream."""
        oids = {line.split()[0] for line in work.out("rev-list", "--objects", *revs, "--not", against).splitlines()}
        assert oids
        answer = self.upstream_check(oids)
        assert all(line.endswith(" missing") for line in answer), answer

    def upstream_check(self, oids):
        p = subprocess.run(
            ["git", "-c", "safe.directory=*", "cat-file", "--batch-check"], cwd=self.g.upstream,
            input="".join(o + "\n" for o in oids), capture_output=True, text=True, check=True,
        )
        return p.stdout.splitlines()

    def served(self, pattern="refs/notes/*"):
        out = Git(self.g.dir, self.g.home).out("ls-remote", self.g.remote(self.bot), pattern)
        return dict(reversed(line.split("\t")) for line in out.splitlines())

    def entries(self, **query):
        return self.g.audit(self.ann, **query)

    def last_push(self):
        """{} as long as there is none."""
        return (self.g.api("GET", "/pushes", self.ann).json["pushes"] or [{}])[0]


@pytest.fixture
def place(make_gate):
    return Place(make_gate(rules=[PROTECT_MAIN, KEEP, HOLD_ENTIRE]))


def note(work, text, commit="HEAD", ref="ai"):
    work.run("notes", f"--ref={ref}", "append", "-m", text, commit)
    return work.head(f"refs/notes/{ref}")


def orphan(work, text):
    """A commit of its own, with nothing that upstream may have."""
    blob = work.out("hash-object", "-w", "--stdin", input=text)
    tree = work.out("mktree", input=f"100644 blob {blob}\tfull.jsonl\n")
    return work.out("commit-tree", tree, "-m", f"Checkpoint: {text}")


def test_two_clients_share_notes_that_upstream_never_gets(place):
    a, b = place.clone(), place.clone()
    first = note(a, "s_1: written by a machine")
    p = a.push(NOTES, ok=True)
    assert f"gitgate: {NOTES} is kept at the gate, not sent upstream" in p.stderr
    assert place.served() == {NOTES: first}
    b.run("fetch", "-q", "origin", f"{NOTES}:refs/notes/theirs")
    assert b.head("refs/notes/theirs") == first
    b.run("fsck", "--strict")
    # One goes on, the other, who knows nothing of that, is told by git itself.
    note(b, "another", ref="theirs")
    second = b.head("refs/notes/theirs")
    b.push(f"refs/notes/theirs:{NOTES}", ok=True)
    note(a, "meanwhile")
    p = a.push(NOTES, ok=False)
    assert "rejected" in p.stderr and "fetch first" in p.stderr
    a.run("fetch", "-q", "origin", f"{NOTES}:refs/notes/theirs")
    a.run("notes", "--ref=ai", "merge", "-q", "-s", "union", "refs/notes/theirs")
    a.push(NOTES, ok=True)
    assert place.served() == {NOTES: a.head(NOTES)}
    assert a.run("merge-base", "--is-ancestor", second, NOTES, check=False).returncode == 0
    place.upstream_lacks(a, NOTES)
    assert place.upstream("for-each-ref", "--format=%(refname)").stdout.split() == ["refs/heads/main"]


def test_what_is_said_of_it(place):
    work = place.clone()
    oid = note(work, "x")
    p = work.push("-o", "gitgate.dry-run", NOTES, ok=False)
    assert "dry run: would be kept at the gate" in p.stderr
    assert place.served() == {}
    work.push(NOTES, ok=True)
    push = place.last_push()
    assert push["state"] == "kept" and push["outcome"]["state"] == "kept"
    (u,) = push["updates"]
    assert (u["verdict"], u["keep"]) == ("allow", True)
    assert [(r["rule"], r["verdict"]) for r in u["reasons"]] == [("keep-transcripts", "keep")]
    entries = place.entries(push=push["id"])
    assert [e["type"] for e in entries] == ["push.received", "ref.update", "keep.intended", "keep.result"]
    assert entries[1]["keep"] is True and entries[3]["result"] == "ok" and entries[3]["new"] == oid
    assert place.entries(type="forward.intended") == []
    a = place.g.api("GET", f"/audit/timeline?repository=demo/app&ref={NOTES}", place.ann)
    assert [(s["how"], s["new"]) for s in a.json["steps"]] == [("kept", oid)]
    assert "gitgate_pushes_kept_total 1\n" in http("GET", place.g.url + "/metrics").text
    p = place.g.cli("policy", "explain", push["id"])
    assert "keep-transcripts" in p.stdout and "keep" in p.stdout
    p = place.g.cli("pushes", "replay", push["id"], check=False)
    assert p.returncode == 0, p.stdout + p.stderr


def test_two_hundred_refs_in_one_push(place):
    """As Entire does it: a ref for each checkpoint, in batches."""
    work = place.clone()
    names = {}
    for i in range(200):
        names[f"refs/entire/checkpoints/{i % 100:02d}/{i:012x}"] = orphan(work, f"transcript {i}\n")
    work.run("update-ref", "--stdin", input="".join(f"create {n} {o}\n" for n, o in names.items()))
    p = work.push("refs/entire/*:refs/entire/*", ok=True)
    assert "and so are 195 more refs of this push" in p.stderr
    assert place.served("refs/entire/*") == names
    place.upstream_lacks(work, *names)
    # Delete some, force one: as any ref, by policy.
    gone = list(names)[:3]
    work.push("--delete", *gone, ok=True)
    other = orphan(work, "again\n")
    moved = list(names)[5]
    work.push(f"{other}:{moved}", ok=False)
    work.push(f"+{other}:{moved}", ok=True)
    want = {n: o for n, o in names.items() if n not in gone} | {moved: other}
    assert place.served("refs/entire/*") == want
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", "refs/entire/*:refs/entire/*")
    fresh.run("fsck", "--strict")
    place.upstream_lacks(work, other)


def test_held_then_kept(place):
    work = place.clone()
    oid = orphan(work, "a transcript\n")
    name = "refs/entire/held/1"
    p = work.push(f"{oid}:{name}", ok=False)
    assert "when approved it is kept at the gate, not sent upstream" in p.stderr
    id = hold_id(p)
    assert place.served("refs/entire/*") == {}
    hold = place.g.hold(id, place.ann)
    assert hold["updates"][0]["keep"] is True and hold["updates"][0]["verdict"] == "hold"
    assert place.g.review(id, place.ann).status == 200
    hold = place.g.wait_hold(id, place.ann, "kept", "failed", "stale")
    assert hold["state"] == "kept" and hold["outcome"]["state"] == "kept"
    assert place.served("refs/entire/*") == {name: oid}
    types = [e["type"] for e in place.entries(push=hold["push"])]
    assert types[-3:] == ["keep.intended", "keep.result", "hold.closed"] and "forward.intended" not in types
    place.upstream_lacks(work, oid)
    p = place.g.remote_cli(place.ann, "wait", id)
    assert p.returncode == 0, p.stderr


def test_a_grant_lifts_the_hold_and_not_the_keeping(place):
    work = place.clone()
    name = "refs/entire/held/1"
    work.run("checkout", "-q", orphan(work, "one"))
    for more in ({}, {"grant": {"for": "10m"}}):
        work.commit({"full.jsonl": f"{more}\n"})
        id = hold_id(work.push(f"HEAD:{name}", ok=False))
        a = place.g.api("POST", f"/holds/{id}/approve", place.ann, {"comment": "", **more})
        assert a.status == 200, a.text
        place.g.wait_hold(id, place.ann, "kept")
    third = work.commit({"full.jsonl": "three\n"})
    p = work.push(f"HEAD:{name}", ok=True)
    assert "allowed by grant" in p.stderr and f"{name} is kept at the gate" in p.stderr
    assert place.served("refs/entire/*") == {name: third}
    assert ref(place.g.upstream, name) is None


def test_held_and_upstream_gets_it(place):
    """Then nobody shall find another one here."""
    work = place.clone()
    name = "refs/entire/held/1"
    id = hold_id(work.push(f"{orphan(work, 'one')}:{name}/x", ok=False))
    place.upstream("update-ref", name, "main")
    place.g.review(id, place.ann)
    hold = place.g.wait_hold(id, place.ann, "kept", "failed", "stale")
    assert hold["state"] == "stale" and "itself now" in hold["outcome"]["message"], hold
    assert place.served("refs/entire/*").keys() == {name}


def test_never_together_with_what_goes_upstream(place):
    work = place.clone()
    oid = work.commit({"a": "a\n"})
    note(work, "about it")
    was = place.served("refs/*")
    p = work.push(NOTES, "HEAD:refs/heads/topic", ok=False)
    assert f"denied by rule kept: {NOTES} is kept at the gate: push it apart from refs/heads/topic" in p.stderr
    assert place.served("refs/*") == was and ref(place.g.upstream, "refs/heads/topic") is None
    work.push(NOTES, ok=True)
    note(work, "more")
    p = work.push(NOTES, "HEAD:refs/heads/topic", ok=False)
    assert f"{NOTES} is kept at the gate: push it apart" in p.stderr
    work.push("HEAD:refs/heads/topic", ok=True)
    work.push(NOTES, ok=True)
    assert ref(place.g.upstream, "refs/heads/topic") == oid
    place.upstream_lacks(work, NOTES, against="HEAD")


def test_what_stands_on_a_kept_ref_does_not_get_out(place):
    """The client leaves out of its pack what it sees that we have."""
    work = place.clone()
    work.commit({"secret": "of the kept branch\n"})
    work.push("HEAD:refs/heads/kept/base", ok=True)
    work.run("fetch", "-q")
    work.commit({"open": "on top of it\n"})
    p = work.push("HEAD:refs/heads/open", ok=False)
    assert "missing commit" in p.stderr and "a ref that only the gate keeps" in p.stderr
    assert ref(place.g.upstream, "refs/heads/open") is None
    place.upstream_lacks(work, "HEAD")
    work.push("--delete", "refs/heads/kept/base", ok=True)
    work.push("HEAD:refs/heads/open", ok=True)  # whole now, and judged whole
    assert ref(place.g.upstream, "refs/heads/open") == work.head()


def test_upstream_has_it_itself(place):
    work = place.clone()
    there = place.upstream("rev-parse", "main").stdout.strip()
    place.upstream("update-ref", NOTES, there)
    note(work, "x")
    p = work.push("--force", NOTES, ok=False)
    assert f"denied by rule kept: upstream has {NOTES} itself; only a ref that upstream has not can be kept" in p.stderr
    p = work.push(f"{NOTES}:{NOTES}/below", ok=False)
    assert f"a ref that {NOTES}/below cannot stand beside is there already" in p.stderr
    assert ref(place.g.upstream, NOTES) == there


def test_upstream_gets_it_later(place):
    """Upstream's is shown; ours is not lost, and comes back."""
    work = place.clone()
    ours = note(work, "x")
    work.push(NOTES, ok=True)
    theirs = place.upstream("rev-parse", "main").stdout.strip()
    place.upstream("update-ref", NOTES, theirs)
    assert place.served() == {NOTES: theirs}
    place.g.said("event=kept_shadowed")
    assert place.entries(type="ref.out-of-band")[-1]["ref"] == NOTES
    place.upstream("update-ref", "-d", NOTES)
    assert place.served() == {NOTES: ours}
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", f"{NOTES}:{NOTES}")
    fresh.run("fsck", "--strict")


def test_policy_changes_its_mind(place):
    work = place.clone()
    note(work, "x")
    work.push(NOTES, ok=True)
    place.g.policy({"access": [{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}],
                    "rules": []})
    place.g.reload()
    note(work, "y")
    p = work.push(NOTES, ok=False)
    assert f"denied by rule kept: {NOTES} is kept at the gate, and no rule keeps it now" in p.stderr
    work.push("--delete", NOTES, ok=True)
    assert place.served() == {} and ref(place.g.upstream, NOTES) is None
    work.push(NOTES, ok=True)  # now it is upstream's, by its whole history
    assert ref(place.g.upstream, NOTES) == work.head(NOTES)


def test_after_a_restart(place):
    """Nothing is lost, nothing is taken for a movement of upstream's."""
    work = place.clone()
    oid = note(work, "x")
    work.push(NOTES, ok=True)
    assert place.served() == {NOTES: oid}
    place.g.stop()
    place.g.start()
    assert place.served() == {NOTES: oid}
    work.run("remote", "set-url", "origin", place.g.remote(place.bot))
    work.push("--delete", NOTES, ok=True)
    assert place.served() == {}
    place.g.stop()
    place.g.start()
    assert place.served() == {}
    assert place.entries(type="ref.out-of-band") == []


def test_a_lost_mirror_heals(place):
    work = place.clone()
    for i in range(3):
        note(work, f"note {i}")
        work.push(NOTES, ok=True)
    place.g.stop()
    subprocess.run(["rm", "-rf", str(place.g.state / "mirrors")], check=True)
    place.g.start()
    assert place.served() == {NOTES: work.head(NOTES)}
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", f"{NOTES}:{NOTES}")
    fresh.run("fsck", "--strict")
    assert fresh.head(NOTES) == work.head(NOTES)
    note(fresh, "and on")
    fresh.push(NOTES, ok=True)
    assert "event=kept_lost" not in place.g.log()


def test_limits(make_gate):
    place = Place(make_gate(rules=[KEEP], config={"limits": {"kept-refs": 2, "kept-size": "20KiB"}}))
    work = place.clone()
    for name in "ab":
        note(work, name, ref=name)
        work.push(f"refs/notes/{name}", ok=True)
    note(work, "c", ref="c")
    p = work.push("refs/notes/c", ok=False)
    assert "limit kept-refs: " in p.stderr
    work.push("--delete", "refs/notes/a", ok=True)
    work.push("refs/notes/c", ok=True)
    big = work.path / "big"
    big.write_bytes(os.urandom(30000))
    work.run("notes", "--ref=b", "add", "-f", "-C", work.out("hash-object", "-w", str(big)), "HEAD")
    p = work.push("refs/notes/b", ok=False)
    assert "limit kept-size: " in p.stderr
    assert set(place.served()) == {"refs/notes/b", "refs/notes/c"}
    kept = place.g.state / "kept" / "demo" / "app.git"
    until("what was refused is gone", lambda: len(list(kept.iterdir())) == 3)


def test_an_administrator_lists_and_drops(place):
    g, work = place.g, place.clone()
    oid = note(work, "x")
    work.push(NOTES, ok=True)
    assert g.cli("kept", "list").stdout.split()[3:5] == ["demo/app", "1"]
    (row,) = json.loads(g.cli("kept", "list", "demo/app", "--json").stdout)
    assert (row["ref"], row["oid"], row["principal"], row["push"]) == (NOTES, oid, "bot", place.last_push()["id"])
    assert g.cli("kept", "drop", "demo/app", "refs/notes/other", check=False).returncode == 1
    assert g.cli("kept", "drop", "demo/app", NOTES).returncode == 0
    assert place.served() == {}
    assert g.cli("kept", "drop", "demo/app", NOTES, check=False).returncode == 1
    (e,) = until("the act is in the log", lambda: place.entries(type="admin.kept.drop"), log=g.log)
    assert (e["repository"], e["ref"], e["old"], e["principal"] != "") == ("demo/app", NOTES, oid, True)
    a = g.api("GET", f"/audit/timeline?repository=demo/app&ref={NOTES}", place.ann)
    assert [(s["how"], s["gap"]) for s in a.json["steps"]] == [("dropped", False), ("kept", False)]
    # What is dropped can be fetched by nobody, not by its id either.
    fresh = place.clone()
    assert fresh.run("fetch", "-q", "origin", oid, check=False).returncode != 0
    work.push(NOTES, ok=True)
    assert place.served() == {NOTES: oid}


def test_a_doctor_misses_what_is_gone(place):
    work = place.clone()
    note(work, "x")
    work.push(NOTES, ok=True)
    at = f"{place.g.state}/kept/demo/app.git/{place.last_push()['id']}"
    assert " is gone: a ref that the gate keeps" not in place.g.cli("doctor", check=False).stdout
    os.rename(at, at + ".away")
    p = place.g.cli("doctor", check=False)
    assert p.returncode == 1 and f"{at} is gone: a ref that the gate keeps" in p.stdout


def test_what_web_and_api_show(place):
    g, work = place.g, place.clone()
    for name in ("a<b>", "b", "c"):
        note(work, name, ref=name)
    work.push("refs/notes/*:refs/notes/*", ok=True)
    (r,) = g.api("GET", "/repositories", place.bot).json["repositories"]
    assert r["kept"]["refs"] == 3 and r["kept"]["bytes"] > 0 and r["kept"]["shadowed"] == 0
    one = g.api("GET", "/repositories/kept?repository=demo/app&limit=2", place.bot).json
    assert [k["ref"] for k in one["kept"]] == ["refs/notes/a<b>", "refs/notes/b"] and one["next"] == "refs/notes/b"
    two = g.api("GET", f"/repositories/kept?repository=demo/app&cursor={one['next']}", place.bot).json
    assert [k["ref"] for k in two["kept"]] == ["refs/notes/c"] and two["next"] is None
    assert two["kept"][0]["oid"] == work.head("refs/notes/c") and two["kept"][0]["push"] == place.last_push()["id"]
    nobody = g.token("nobody")
    assert g.api("GET", "/repositories/kept?repository=demo/app", nobody).status == 404
    place.upstream("update-ref", "refs/notes/b", "main")
    place.served()
    (r,) = g.api("GET", "/repositories", place.bot).json["repositories"]
    assert r["kept"]["shadowed"] == 1
    g.user("web", "correct horse battery", "agents")
    web = Browserless(g, "web", "correct horse battery")
    page = web.get("/-/repositories").text
    assert "3 kept at the gate" in page and "upstream has 1 of these names, too" in page
    page = web.get("/-/repositories/kept?repository=demo/app").text
    assert "refs/notes/a&lt;b&gt;" in page and "refs/notes/a<b>" not in page
    assert "upstream does not have them" in page


def test_hidden_and_carried_refs(make_gate, tmp_path):
    """hide-refs hides kept refs as any; refs: narrows upstream's, not ours."""
    bare = make_upstream(tmp_path / "up" / "app.git", {"README": "hello\n"}, branches=["other"])
    site = {"path": "demo/app", "upstream": str(bare), "refs": ["refs/heads/main"], "hide-refs": ["refs/notes/secret/**"]}
    g = make_gate(rules=[KEEP], repositories=[site])
    place = Place(g)
    work = place.clone()
    oid = note(work, "x")
    work.push(NOTES, ok=True)
    assert place.served("refs/*") == {"refs/heads/main": work.head(), NOTES: oid}
    note(work, "y", ref="secret/y")
    p = work.push("refs/notes/secret/y", ok=False)
    assert "is hidden and cannot be moved" in p.stderr
    g.config["repositories"] = [{**site, "hide-refs": ["refs/notes/**"]}]
    g.write_config()
    g.reload()
    assert place.served("refs/*") == {"refs/heads/main": work.head()}
    assert g.api("GET", "/repositories/kept?repository=demo/app", place.bot).json["kept"] == []
    fresh = place.clone()
    assert fresh.run("fetch", "-q", "origin", oid, check=False).returncode != 0


def test_recordings_go_and_what_is_kept_stays(make_gate):
    g = make_gate(rules=[KEEP], config={"retention": {"default": {"forwarded": "1s"}}})
    place = Place(g)
    work = place.clone()
    oid = note(work, "x")
    work.push(NOTES, ok=True)
    id = place.last_push()["id"]
    until("its recording is removed", lambda: not (g.state / "pushes" / id).exists(), log=g.log)
    g.stop()
    subprocess.run(["rm", "-rf", str(g.state / "mirrors")], check=True)
    g.start()
    assert place.served() == {NOTES: oid}
    place.clone().run("fetch", "-q", "origin", NOTES)


@pytest.mark.parametrize("kind", ["http", "ssh"])
def test_other_upstreams(make_gate, tmp_path, kind):
    """Nothing of it depends on what upstream is; nothing is asked of it."""
    with site(kind, tmp_path / kind) as s:
        g = make_gate(repositories=[s.entry], rules=[KEEP])
        g.upstream = s.bare
        place = Place(g)
        work = place.clone()
        note(work, "x")
        work.push(NOTES, ok=True)
        assert place.served() == {NOTES: work.head(NOTES)}
        place.upstream_lacks(work, NOTES)
        work.commit({"a": "a\n"})
        work.push("HEAD:refs/heads/topic", ok=True)
        assert place.upstream("for-each-ref", "--format=%(refname)").stdout.split() == ["refs/heads/main", "refs/heads/topic"]


LINES = 500


def text(n):
    return "".join(f"line {i}\n" for i in range(n))


def test_what_a_client_smuggles_along(place):
    """A kept object that no branch needs does not go in a branch's pack, and
    is no base of one."""
    work = place.clone()
    blob = work.out("hash-object", "-w", "--stdin", input=text(LINES))
    tree = work.out("mktree", input=f"100644 blob {blob}\tfull.jsonl\n")
    kept = work.out("commit-tree", tree, "-m", "a transcript")
    work.push(f"{kept}:refs/entire/1", ok=True)
    work.write({"a": text(LINES + 1)})
    new = work.commit()
    old = work.head("origin/main")
    names = [n.split()[0] for n in work.out("rev-list", "--objects", "HEAD", "--not", "origin/main").split("\n")]
    commands = [("0" * 40, new, "refs/heads/topic")]
    # whole, and with the transcript in it
    pack = work.run("pack-objects", "--stdout", input="".join(n + "\n" for n in [*names, blob]).encode()).stdout
    a = raw_push.push(place.g, place.bot, commands, pack)
    assert f"missing blob {blob}" in a.refs["refs/heads/topic"][1], a.text
    # thin: one of its objects is a delta to the transcript
    at = work.out("rev-parse", "HEAD:a")
    tail = f"line {LINES}\n".encode()
    size = len(text(LINES))
    delta = make.delta(size, size + len(tail), make.copy(0, size), make.insert(tail))
    whole = [make.Obj(work.out("cat-file", "-t", n), work.run("cat-file", work.out("cat-file", "-t", n), n, input=b"").stdout)
             for n in names if n != at]
    thin = make.pack(*whole, make.ref_delta(blob, delta))
    a = raw_push.push(place.g, place.bot, commands, thin)
    assert f"missing blob {blob}" in a.refs["refs/heads/topic"][1], a.text
    assert ref(place.g.upstream, "refs/heads/topic") is None
    place.upstream_lacks(work, kept)
    # The same objects and no more: taken.
    pack = work.run("pack-objects", "--stdout", input="".join(n + "\n" for n in names).encode()).stdout
    a = raw_push.push(place.g, place.bot, commands, pack)
    assert a.ok, a.text
    place.upstream_lacks(work, kept)
    assert old == ref(place.g.upstream, "refs/heads/main")


def test_what_was_dropped_can_be_removed_for_good(place):
    g, work = place.g, place.clone()
    gone = orphan(work, "to be forgotten\n")
    work.push(f"{gone}:refs/entire/1", ok=True)
    for i in range(3):
        note(work, f"note {i}")
        work.push(NOTES, ok=True)
    g.cli("kept", "drop", "demo/app", "refs/entire/1")
    assert place.served("refs/*").keys() == {"refs/heads/main", NOTES}
    before = g.api("GET", "/repositories", place.bot).json["repositories"][0]["kept"]["bytes"]
    assert g.cli("kept", "prune", "demo/app").stdout.startswith("4 packs became one of ")
    kept = g.state / "kept" / "demo" / "app.git"
    (only,) = kept.iterdir()
    held = work.run("verify-pack", "-v", *only.glob("*.idx")).stdout
    assert work.head(NOTES) in held and gone not in held
    after = g.api("GET", "/repositories", place.bot).json["repositories"][0]["kept"]["bytes"]
    assert 0 < after < before
    assert " is gone: a ref that the gate keeps" not in g.cli("doctor", check=False).stdout
    (e,) = until("the act is in the log", lambda: place.entries(type="admin.kept.prune"), log=g.log)
    assert (e["repository"], e["packs"]) == ("demo/app", 4)
    # It is enough for a mirror that is lost, and more may come.
    g.stop()
    subprocess.run(["rm", "-rf", str(g.state / "mirrors")], check=True)
    g.start()
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", f"{NOTES}:{NOTES}")
    fresh.run("fsck", "--strict")
    note(fresh, "and on")
    fresh.push(NOTES, ok=True)
    assert len(list(kept.iterdir())) == 2
