"""Ways around a rule on paths or refs, each tried with the real client or with
a raw one. A rule holds what touches migrations/ for agents, another denies
sealed/, a third holds migrations/ on release branches for everybody."""

import itertools
import os
import subprocess

import make
import pytest
import raw_push
from gate import ACCESS, Gate, Git, hold_id, make_upstream, ref

RULES = [
    {
        "name": "migrations",
        "when": {"refs": ["refs/heads/**"], "principals": {"groups": ["agents"]}, "paths": ["migrations/**"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["dba"]},
    },
    {
        "name": "sealed",
        "when": {"refs": ["**"], "principals": {"groups": ["agents"]}, "paths": ["sealed/**"]},
        "then": "deny",
    },
    {
        "name": "release-migrations",
        "when": {"refs": ["refs/heads/release/**"], "paths": ["migrations/**"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["dba"]},
    },
    {
        "name": "tag-migrations",
        "when": {"refs": ["refs/tags/**"], "paths": ["migrations/**"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["dba"]},
    },
    {
        "name": "protect",
        "when": {"refs": ["refs/heads/main"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["maintainers"]},
    },
    {
        "name": "scripts-keep-their-mode",
        "when": {"refs": ["refs/heads/**"], "paths": ["bin/**"], "changes": ["mode", "symlink", "submodule"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["maintainers"]},
    },
]
BASE = {
    "README": "hello\n",
    "migrations/001.sql": "create table a;\n",
    "migrations/002.sql": "create table b;\n",
    "bin/run": "#!/bin/sh\n",
    "src/a.c": "int a;\n",
    "src/b.c": "int b;\n",
}
SERIAL = itertools.count()


class World:
    """One gate; every test works on branches of its own."""

    def __init__(self, tmp):
        self.bare = make_upstream(tmp / "upstream" / "app.git", BASE, branches=["release/1"])
        self.gate = Gate(tmp, repositories=[{"path": "demo/app", "upstream": str(self.bare)}], rules=RULES)

    def __enter__(self):
        g = self.gate.__enter__()
        self.bot = g.token("bot", "agents")
        self.other = g.token("other", "agents")
        self.ann = g.token("ann", "maintainers")
        self.dba = g.token("dora", "dba", "maintainers")
        self.base = ref(self.bare, "refs/heads/main")
        return self

    def __exit__(self, *exc):
        self.gate.__exit__(*exc)

    def clone(self, token=None):
        w = self.gate.clone(token or self.bot)
        w.run("checkout", "-q", "--detach", self.base)
        w.branch = f"b{next(SERIAL)}"
        return w

    def upstream_has(self, name, rev, work):
        """Put a commit on an upstream branch, past the gate."""
        work.run("-c", "safe.directory=*", "push", "-q", str(self.bare), f"+{rev}:{name}")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("evasion")) as w:
        yield w


def commit_tree(work, tree, *parents, message="made"):
    args = [x for p in parents for x in ("-p", p)]
    return work.out("commit-tree", "-m", message, *args, tree)


def tree_with(work, like, **changes):
    """The tree of a commit with entries set ("mode,oid") or removed (None);
    names use / for __."""
    env = {"GIT_INDEX_FILE": str(work.path / ".git" / f"i{next(SERIAL)}")}
    work.run("read-tree", like, env=env)
    for name, value in changes.items():
        name = name.replace("__", "/")
        if value is None:
            work.run("update-index", "--force-remove", name, env=env)
        else:
            work.run("update-index", "--add", "--cacheinfo", f"{value},{name}", env=env)
    return work.out("write-tree", env=env)


def blob(work, text):
    return work.out("hash-object", "-w", "--stdin", input=text)


def held(world, work, *what, rule="migrations", ok=False):
    """Push; it must be held by this rule; the set of paths it names."""
    p = work.push(*what, ok=False)
    assert "held for approval" in p.stderr, p.stderr
    h = world.gate.hold(hold_id(p), world.dba)
    reasons = [r for u in h["updates"] for r in u["reasons"] if r["rule"] == rule]
    assert reasons, h
    for u in h["updates"]:
        assert ref(world.bare, u["ref"]) == (None if u["old"] == make.ZERO else u["old"])
    return {(m["path"], m["change"]) for r in reasons for m in r["paths"]}


def lands(world, work, *what):
    work.push(*what, ok=True)
    for w in what:
        if ":" in w:
            rev, _, name = w.lstrip("+").partition(":")
            assert ref(world.bare, name) == (work.head(rev) if rev else None)


def denied(world, work, *what, reason="denied by rule sealed"):
    p = work.push(*what, ok=False)
    assert reason in p.stderr, p.stderr
    return p


# -- every commit counts --


def test_changed_in_the_middle_and_reverted_in_the_tip(world):
    w = world.clone()
    w.commit({"src/a.c": "int a1;\n"})
    w.commit({"migrations/003.sql": "drop table a;\n"}, "the middle")
    w.run("revert", "--no-edit", "HEAD")
    assert w.out("diff", "--name-only", world.base, "HEAD", "--", "migrations") == ""
    assert {p for p, _ in held(world, w, f"HEAD:refs/heads/{w.branch}")} == {"migrations/003.sql"}


def test_several_refs_of_which_one_is_innocent(world):
    w = world.clone()
    good = w.commit({"src/a.c": "int a2;\n"})
    bad = w.commit({"migrations/003.sql": "drop table a;\n"})
    paths = held(world, w, f"{good}:refs/heads/{w.branch}", f"{bad}:refs/heads/{w.branch}-x")
    assert paths == {("migrations/003.sql", "added")}
    assert ref(world.bare, f"refs/heads/{w.branch}") is None
    sealed = w.commit({"sealed/x": "x\n"})
    p = denied(world, w, f"{good}:refs/heads/{w.branch}", f"{sealed}:refs/heads/{w.branch}-y")
    assert "not forwarded" in p.stderr
    assert ref(world.bare, f"refs/heads/{w.branch}") is None
    lands(world, w, f"{good}:refs/heads/{w.branch}")


@pytest.mark.parametrize("deep", [1, 30])
def test_deep_below_other_commits(world, deep):
    w = world.clone()
    w.commit({"migrations/001.sql": "x\n"})
    w.run("checkout", "-q", world.base, "--", "migrations")
    for i in range(deep):
        w.commit({"src/a.c": f"int {i};\n"})
    assert ("migrations/001.sql", "modified") in held(world, w, f"HEAD:refs/heads/{w.branch}")


# -- merges --


@pytest.fixture
def sides(world):
    """Both sides of a merge: main's moved on in migrations (vetted, at
    upstream on the branch `ours`), the feature has only source."""
    w = world.clone()
    w.main = w.commit({"migrations/002.sql": "create table b2;\n", "src/a.c": "int m;\n"}, "on main")
    world.upstream_has(f"refs/heads/main-{w.branch}", w.main, w)
    w.run("checkout", "-q", "--detach", world.base)
    w.feature = w.commit({"src/b.c": "int f;\n"}, "feature")
    return w


def test_a_clean_merge_of_main_is_not_held(world, sides):
    sides.run("merge", "-q", "--no-edit", sides.main)
    lands(world, sides, f"HEAD:refs/heads/{sides.branch}")


def test_evil_merge(world, sides):
    sides.run("merge", "-q", "--no-commit", "--no-ff", sides.main)
    sides.commit({"migrations/666.sql": "drop table a;\n"}, "merge")
    assert held(world, sides, f"HEAD:refs/heads/{sides.branch}") == {("migrations/666.sql", "added")}


def test_evil_merge_of_a_file_that_one_side_changed(world, sides):
    sides.run("merge", "-q", "--no-commit", "--no-ff", sides.main)
    sides.commit({"migrations/002.sql": "drop table b;\n"}, "merge")
    assert {p for p, _ in held(world, sides, f"HEAD:refs/heads/{sides.branch}")} == {"migrations/002.sql"}


@pytest.mark.parametrize("how", ["ours", "path", "theirs-by-order"])
def test_a_merge_that_drops_mains_change(world, sides, how):
    if how == "ours":
        sides.run("merge", "-q", "--no-edit", "-s", "ours", sides.main)
    elif how == "path":
        sides.run("merge", "-q", "--no-commit", "--no-ff", sides.main)
        sides.run("checkout", "-q", world.base, "--", "migrations/002.sql")
        sides.commit(message="merge")
    else:
        m = commit_tree(sides, sides.feature + "^{tree}", sides.main, sides.feature)
        sides.run("checkout", "-q", "--detach", m)
    assert {p for p, _ in held(world, sides, f"HEAD:refs/heads/{sides.branch}")} == {"migrations/002.sql"}


def test_octopus(world, sides):
    w = sides
    w.run("checkout", "-q", "--detach", world.base)
    third = w.commit({"docs": "d\n"})
    w.run("checkout", "-q", "--detach", w.feature)
    w.run("merge", "-q", "--no-edit", w.main, third)
    assert len(w.out("rev-list", "--parents", "-1", "HEAD").split()) == 4
    clean = w.head()
    lands(world, w, f"HEAD:refs/heads/{w.branch}")
    evil = blob(w, "drop\n")
    t = tree_with(w, clean, **{"migrations/009.sql": f"100644,{evil}"})
    m = commit_tree(w, t, w.feature, w.main, third)
    assert held(world, w, f"{m}:refs/heads/{w.branch}-evil") == {("migrations/009.sql", "added")}
    t = tree_with(w, clean, **{"migrations/002.sql": f"100644,{blob(w, BASE['migrations/002.sql'])}"})
    m = commit_tree(w, t, third, w.feature, w.main)
    assert {p for p, _ in held(world, w, f"{m}:refs/heads/{w.branch}-drop")} == {"migrations/002.sql"}


def test_a_parent_named_twice_or_an_ancestor(world):
    """Merges that git would not make."""
    w = world.clone()
    a = w.commit({"src/a.c": "int q;\n"})
    evil = tree_with(w, a, **{"migrations/001.sql": f"100644,{blob(w, 'drop')}"})
    m = commit_tree(w, evil, a, world.base)
    assert {p for p, _ in held(world, w, f"{m}:refs/heads/{w.branch}")} == {"migrations/001.sql"}
    raw = w.out("cat-file", "commit", m).replace(world.base, a)
    m = w.out("hash-object", "-t", "commit", "-w", "--stdin", "--literally", input=raw + "\n")
    p = w.push(f"{m}:refs/heads/{w.branch}-twice", ok=False)
    assert "held for approval" in p.stderr or "invalid push" in p.stderr


def test_a_merge_with_an_unrelated_root(world):
    w = world.clone()
    w.run("checkout", "-q", "--orphan", "o")
    w.run("rm", "-rqf", ".")
    root = w.commit({"migrations/000.sql": "drop\n"})
    assert held(world, w, f"{root}:refs/heads/{w.branch}-root") == {("migrations/000.sql", "added")}
    t = tree_with(w, world.base, **{"migrations/000.sql": f"100644,{blob(w, 'drop')}"})
    m = commit_tree(w, t, world.base, root)
    assert ("migrations/000.sql", "added") in held(world, w, f"{m}:refs/heads/{w.branch}-m")


# -- refs --


def test_a_commit_that_lies_on_an_open_branch_is_vetted_anew(world):
    """Upstream has it on a branch outside the rule's refs: there it was never
    held, on a release branch it has to be."""
    w = world.clone(world.ann)
    new = w.commit({"migrations/100.sql": "x\n"})
    lands(world, w, f"HEAD:refs/heads/{w.branch}")
    assert held(world, w, f"{new}:refs/heads/release/{w.branch}", rule="release-migrations") == {
        ("migrations/100.sql", "added")
    }
    assert held(world, w, "HEAD:refs/heads/release/1", rule="release-migrations") == {("migrations/100.sql", "added")}
    # within the refs of the agents' rule it lies already: nothing to hold
    bot = world.clone()
    bot.run("fetch", "-q", "origin")
    lands(world, bot, f"{new}:refs/heads/{bot.branch}")


def test_a_branch_from_an_old_commit(world):
    w = world.clone()
    lands(world, w, f"{world.base}:refs/heads/{w.branch}")
    # at release too: its commits are those of release/1
    lands(world, w, f"{world.base}:refs/heads/release/{w.branch}")


def test_forced_back_and_forth(world):
    w = world.clone(world.ann)
    a = w.commit({"src/a.c": "int 1;\n"})
    b = w.commit({"migrations/200.sql": "x\n"})
    world.upstream_has(f"refs/heads/release/{w.branch}", b, w)
    # back: the migration is taken away from the branch
    back = held(world, w, f"+{a}:refs/heads/release/{w.branch}", rule="release-migrations")
    assert back == {("migrations/200.sql", "deleted")}
    world.upstream_has(f"refs/heads/release/{w.branch}", a, w)
    assert held(world, w, f"{b}:refs/heads/release/{w.branch}", rule="release-migrations") == {
        ("migrations/200.sql", "added")
    }
    # sideways: both sides count
    world.upstream_has(f"refs/heads/release/{w.branch}", b, w)
    w.run("checkout", "-q", "--detach", a)
    c = w.commit({"migrations/201.sql": "y\n"})
    both = {p for p, _ in held(world, w, f"+{c}:refs/heads/release/{w.branch}", rule="release-migrations")}
    assert both == {"migrations/200.sql", "migrations/201.sql"}


def test_deleted_then_created(world):
    w = world.clone()
    new = w.commit({"src/a.c": "int d;\n"})
    lands(world, w, f"{new}:refs/heads/{w.branch}")
    lands(world, w, f":refs/heads/{w.branch}")
    bad = w.commit({"migrations/300.sql": "x\n"})
    assert held(world, w, f"{bad}:refs/heads/{w.branch}") == {("migrations/300.sql", "added")}


def test_root_commits(world):
    w = world.clone()
    w.run("checkout", "-q", "--orphan", "fresh")
    w.commit({"src/a.c": "int o;\n"})
    assert {p for p, _ in held(world, w, f"HEAD:refs/heads/{w.branch}")} == {"migrations/001.sql", "migrations/002.sql"}
    w.run("rm", "-rqf", "migrations")
    w.run("commit", "-q", "--amend", "-m", "without")
    lands(world, w, f"HEAD:refs/heads/{w.branch}")


def test_tags(world):
    w = world.clone()
    w.commit({"src/a.c": "int t;\n"})
    w.run("tag", "-a", "-m", "t", f"good-{w.branch}")
    lands(world, w, f"HEAD:refs/heads/{w.branch}")
    # all of base's history is new to the tags' rule: no tag covers it yet
    bad = w.commit({"migrations/400.sql": "x\n"})
    w.run("tag", "-a", "-m", "t", f"bad-{w.branch}")
    w.run("tag", "-a", "-m", "t", f"outer-{w.branch}", f"bad-{w.branch}")
    for name in ("bad", "outer"):
        paths = held(world, w, f"refs/tags/{name}-{w.branch}", rule="tag-migrations")
        assert ("migrations/400.sql", "added") in paths
    assert ("migrations/400.sql", "added") in held(
        world, w, f"{bad}:refs/tags/light-{w.branch}", rule="tag-migrations"
    )
    tree = w.out("rev-parse", "HEAD^{tree}")
    paths = {p for p, _ in held(world, w, f"{tree}:refs/tags/tree-{w.branch}", rule="tag-migrations")}
    assert paths == {"migrations/001.sql", "migrations/002.sql", "migrations/400.sql"}
    w.run("tag", "-a", "-m", "t", f"a-tree-{w.branch}", tree)
    held(world, w, f"refs/tags/a-tree-{w.branch}", rule="tag-migrations")
    sub = w.out("rev-parse", "HEAD:src")
    lands(world, w, f"{sub}:refs/tags/sub-{w.branch}")
    sealed = tree_with(w, "HEAD", sealed__x=f"100644,{blob(w, 'x')}")
    denied(world, w, f"{sealed}:refs/tags/sealed-{w.branch}")


def test_notes_and_other_refs_are_judged(world):
    w = world.clone()
    t = tree_with(w, world.base, sealed__x=f"100644,{blob(w, 'x')}")
    m = commit_tree(w, t, world.base)
    for name in ("refs/notes/x", "refs/changes/01/1/1", "refs/x"):
        denied(world, w, f"{m}:{name}-{w.branch}")


# -- what is not honoured --


def test_replace_refs_and_grafts_hide_nothing(world):
    w = world.clone()
    clean = w.commit({"src/a.c": "int r;\n"})
    w.run("checkout", "-q", "--detach", world.base)
    bad = w.commit({"migrations/500.sql": "x\n"})
    # upstream says that the bad commit is to be read as the clean one
    world.upstream_has(f"refs/replace/{bad}", clean, w)
    assert held(world, w, f"{bad}:refs/heads/{w.branch}") == {("migrations/500.sql", "added")}
    # and a pusher may move such a ref only by the rules for that ref
    t = tree_with(w, world.base, sealed__x=f"100644,{blob(w, 'x')}")
    m = commit_tree(w, t, world.base)
    denied(world, w, f"{m}:refs/replace/{clean}")
    mirror = next((world.gate.state / "mirrors").rglob("*.git"))
    child = w.commit({"src/a.c": "int g;\n"})
    (mirror / "info").mkdir(exist_ok=True)
    (mirror / "info" / "grafts").write_text(f"{bad} {clean}\n{child} {clean}\n")
    try:
        assert held(world, w, f"{child}:refs/heads/{w.branch}") == {("migrations/500.sql", "added")}
    finally:
        (mirror / "info" / "grafts").unlink()
        world.upstream_has(f"refs/replace/{bad}", bad, w)
        subprocess.run(["git", "-c", "safe.directory=*", "update-ref", "-d", f"refs/replace/{bad}"], cwd=world.bare, check=True)


def test_a_shallow_push_hides_no_parents(world, tmp_path):
    w = world.clone()
    w.commit({"migrations/600.sql": "x\n"})
    w.commit({"src/a.c": "int s;\n"})
    w.run("branch", "-f", "shallow")
    cut = Git(tmp_path / "cut", world.gate.home)
    Git(tmp_path, world.gate.home).run("clone", "-q", "--depth", "1", "-b", "shallow", f"file://{w.path}", str(cut.path))
    cut.run("remote", "set-url", "origin", world.gate.remote(world.bot))
    p = cut.push(f"HEAD:refs/heads/{w.branch}", ok=False)
    # whether read as a root (all its paths count) or refused: not landed
    assert "held for approval" in p.stderr or "invalid push" in p.stderr or "shallow" in p.stderr, p.stderr
    assert ref(world.bare, f"refs/heads/{w.branch}") is None


def test_a_shallow_line_for_a_commit_whose_parents_are_known(world):
    """It would make the commit a root and all before it unseen."""
    w = world.clone()
    bad = w.commit({"migrations/601.sql": "x\n"})
    tip = w.commit({"src/a.c": "int k;\n"})
    name = f"refs/heads/{w.branch}"
    pack = subprocess.run(
        ["git", "pack-objects", "--stdout", "-q", "--revs"],
        cwd=w.path,
        env=w.env,
        input=f"{tip}\n^{world.base}\n".encode(),
        capture_output=True,
        check=True,
    ).stdout
    for shallow in ([tip], [bad], [world.base], [tip, bad]):
        r = raw_push.push(world.gate, world.bot, [(make.ZERO, tip, name)], pack, shallow=shallow)
        assert r.reasons and r.reasons[0].startswith(("held for approval", "invalid push")), r
        assert ref(world.bare, name) is None


def test_a_symbolic_ref_is_judged_as_its_target(world):
    git = ["git", "-c", "safe.directory=*", "symbolic-ref"]
    alias = "refs/heads/alias"
    subprocess.run([*git, alias, "refs/heads/main"], cwd=world.bare, check=True)
    try:
        w = world.clone()
        w.commit({"src/a.c": "int y;\n"})
        held(world, w, f"HEAD:{alias}", rule="protect")
        assert ref(world.bare, "refs/heads/main") == world.base
    finally:
        subprocess.run([*git, "-d", alias], cwd=world.bare, check=True)


def test_a_symbolic_ref_whose_target_upstream_hides(world):
    """receive-pack does not show main; through the alias it moves it."""
    git = ["git", "-c", "safe.directory=*"]
    alias = "refs/heads/alias2"
    subprocess.run([*git, "symbolic-ref", alias, "refs/heads/main"], cwd=world.bare, check=True)
    subprocess.run([*git, "config", "receive.hideRefs", "refs/heads/main"], cwd=world.bare, check=True)
    try:
        w = world.clone()
        w.commit({"src/a.c": "int hid;\n"})
        held(world, w, f"HEAD:{alias}", rule="protect")
        assert ref(world.bare, "refs/heads/main") == world.base
    finally:
        subprocess.run([*git, "config", "--unset", "receive.hideRefs"], cwd=world.bare, check=True)
        subprocess.run([*git, "symbolic-ref", "-d", alias], cwd=world.bare, check=True)


def test_an_alias_of_a_hidden_ref_is_hidden(make_gate, tmp_path):
    bare = make_upstream(tmp_path / "up.git", {"a": "1"}, branches=["secret"])
    subprocess.run(
        ["git", "-c", "safe.directory=*", "symbolic-ref", "refs/heads/alias", "refs/heads/secret"], cwd=bare, check=True
    )
    before = ref(bare, "refs/heads/secret")
    g = make_gate(repositories=[{"path": "demo/app", "upstream": str(bare), "hide-refs": ["refs/heads/secret"]}])
    w = g.clone(g.token("bot", "agents"))
    w.commit({"a": "2"})
    p = w.push("HEAD:refs/heads/alias", ok=False)
    assert "hidden" in p.stderr and ref(bare, "refs/heads/secret") == before, p.stderr


def test_a_ref_that_became_symbolic_between_pushes(world):
    """The same name and value as before; only where it points is new."""
    name = f"refs/heads/late-{next(SERIAL)}"
    w = world.clone()
    lands(world, w, f"{world.base}:{name}")
    w.commit({"src/a.c": "int z;\n"})
    # the gate has looked at it as it was, and nothing moved since
    sealed = commit_tree(w, tree_with(w, world.base, sealed__x=f"100644,{blob(w, 'x')}"), world.base)
    for _ in range(2):
        denied(world, w, f"{sealed}:{name}")
    subprocess.run(
        ["git", "-c", "safe.directory=*", "symbolic-ref", name, "refs/heads/main"], cwd=world.bare, check=True
    )
    try:
        held(world, w, f"HEAD:{name}", rule="protect")
        assert ref(world.bare, "refs/heads/main") == world.base
    finally:
        subprocess.run(["git", "-c", "safe.directory=*", "symbolic-ref", "-d", name], cwd=world.bare, check=True)


# -- paths --


def test_renamed_out_of_the_directory_and_into_it(world):
    w = world.clone()
    (w.path / "old").mkdir()
    w.run("mv", "migrations/001.sql", "old/001.sql")
    w.run("commit", "-q", "-m", "out")
    assert held(world, w, f"HEAD:refs/heads/{w.branch}") == {("migrations/001.sql", "deleted")}
    w.run("checkout", "-q", "--detach", world.base)
    w.run("mv", "src/a.c", "migrations/a.c")
    w.run("commit", "-q", "-m", "in")
    assert held(world, w, f"HEAD:refs/heads/{w.branch}-in") == {("migrations/a.c", "added")}
    w.run("checkout", "-q", "--detach", world.base)
    w.run("mv", "migrations", "elsewhere")
    w.run("commit", "-q", "-m", "all of it")
    paths = {p for p, _ in held(world, w, f"HEAD:refs/heads/{w.branch}-dir")}
    assert paths == {"migrations/001.sql", "migrations/002.sql"}


def test_a_change_of_mode(world):
    w = world.clone()
    w.run("update-index", "--chmod=+x", "migrations/001.sql")
    w.run("commit", "-q", "-m", "mode")
    assert held(world, w, f"HEAD:refs/heads/{w.branch}") == {("migrations/001.sql", "mode")}
    w.run("checkout", "-qf", "--detach", world.base)
    w.commit({"bin/run": "#!/bin/sh\nset -e\n"})
    lands(world, w, f"HEAD:refs/heads/{w.branch}-text")
    w.run("update-index", "--chmod=+x", "bin/run")
    w.run("commit", "-q", "-m", "mode")
    paths = held(world, w, f"HEAD:refs/heads/{w.branch}-bin", rule="scripts-keep-their-mode")
    assert paths == {("bin/run", "mode")}


@pytest.mark.parametrize("mode", ["120000", "160000", "100644"])
def test_something_else_in_place_of_the_directory(world, mode):
    w = world.clone()
    oid = "1" * 40 if mode == "160000" else blob(w, "elsewhere")
    none = {f"migrations/{f}": None for f in ("001.sql", "002.sql")}
    t = tree_with(w, world.base, **none, migrations=f"{mode},{oid}")
    m = commit_tree(w, t, world.base)
    paths = {p for p, _ in held(world, w, f"{m}:refs/heads/{w.branch}")}
    assert paths == {"migrations", "migrations/001.sql", "migrations/002.sql"}
    # from a root that never had the directory: the entry alone
    only = tree_with(w, commit_tree(w, w.out("mktree", input="")), migrations=f"{mode},{oid}")
    assert {p for p, _ in held(world, w, f"{commit_tree(w, only)}:refs/heads/{w.branch}-alone")} == {"migrations"}


TWINS = {
    "upper": b"MIGRATIONS",
    "mixed": b"Migrations",
    "long-s": "migration\u017f".encode(),  # folds to s
    "fullwidth-no": None,
    "hfs-zwnj": "migra\u200ctions".encode(),
    "hfs-bom": "\ufeffmigrations".encode(),
    "hfs-rlm-end": "migrations\u200f".encode(),
    "dot": b"migrations.",
    "dots": b"migrations...",
    "space": b"migrations ",
    "dot-space": b"migrations. .",
    "stream": b"migrations::$INDEX_ALLOCATION",
    "short": b"MIGRAT~1",
    "short-lower": b"migrat~1",
    "short-2": b"MIGRAT~2",
}


@pytest.mark.parametrize("name", [k for k, v in TWINS.items() if v])
def test_twins_of_the_directory(world, name):
    w = world.clone()
    text = make.blob(b"drop\n")
    below = make.tree((b"100644", b"900.sql", text))
    top = make.tree((b"40000", TWINS[name], below))
    new = make.commit(top, [world.base])
    refname = f"refs/heads/{w.branch}"
    r = raw_push.push(world.gate, world.bot, [(make.ZERO, new.oid, refname)], make.pack(text, below, top, new))
    assert r.reasons and r.reasons[0].startswith("held for approval"), r
    h = world.gate.hold(r.reasons[0].rsplit("/", 1)[1], world.dba)
    paths = {m["path"] for u in h["updates"] for x in u["reasons"] if x["rule"] == "migrations" for m in x["paths"]}
    assert any(p.endswith("/900.sql") and not p.startswith("migrations/9") for p in paths), h


def test_normalisation_forms(make_gate, tmp_path):
    """A rule written NFC, a path pushed NFD, and the other way round."""
    nfc, nfd = "m\u00e9ta/", "me\u0301ta/"
    g = make_gate(
        rules=[
            {"name": "a", "when": {"paths": [nfc + "**"]}, "then": "deny"},
            {"name": "b", "when": {"paths": ["de\u0301p\u00f4t/**"]}, "then": "deny"},
        ]
    )
    bot = g.token("bot", "agents")
    w = g.clone(bot)
    for i, path in enumerate([nfc, nfd, "M\u00c9TA/", "D\u00c9PO\u0302T/", "d\u00e9p\u00f4t/"]):
        w.run("checkout", "-q", "--detach", "origin/main")
        w.commit({path + "x": "x\n"})
        p = w.push(f"HEAD:refs/heads/n{i}", ok=False)
        assert "denied by rule" in p.stderr, (path, p.stderr)


# -- quarantine is no base --


def pack_of(*objects):
    return make.pack(*objects)


@pytest.fixture(params=["denied", "held"])
def shut_in(request, world):
    """A push that lies in quarantine or was denied; its objects."""
    n = next(SERIAL)
    folder = b"sealed" if request.param == "denied" else b"migrations"
    text = make.blob(b"shut in %d\n" % n * 50)
    below = make.tree((b"100644", b"s", text))
    top = make.tree((b"40000", folder, below))
    new = make.commit(top, [world.base])
    r = raw_push.push(world.gate, world.bot, [(make.ZERO, new.oid, f"refs/heads/shut-{n}")], make.pack(text, below, top, new))
    assert r.reasons[0].startswith("denied by rule" if request.param == "denied" else "held for"), r
    return n, text, below, top, new


@pytest.mark.parametrize("who", ["bot", "other", "ann"])
def test_objects_of_a_refused_push_are_no_base(world, shut_in, who):
    n, text, below, top, new = shut_in
    token = getattr(world, who)
    gone = "invalid push: .*(missing|not found|unresolved|did not receive|unable)"
    name = f"refs/heads/steal-{n}-{who}"

    def refused(tip, *objects, at=name):
        import re

        r = raw_push.push(world.gate, token, [(make.ZERO, tip if isinstance(tip, str) else tip.oid, at)], make.pack(*objects))
        assert r.reasons and re.match(gone, r.reasons[0]), r
        assert ref(world.bare, at) is None

    refused(new)  # the commit itself
    refused(new, new)  # without its trees
    flat = make.tree((b"100644", b"copy", text))
    refused(make.commit(flat, [world.base]), flat, make.commit(flat, [world.base]))  # a blob of it elsewhere
    sub = make.tree((b"40000", b"copy", below))
    refused(make.commit(sub, [world.base]), sub, make.commit(sub, [world.base]))  # a tree
    empty = make.tree()
    child = make.commit(empty, [new])
    refused(child, empty, child)  # a child of the commit
    t = make.tag(new)
    refused(t, t, at=f"refs/tags/steal-{n}-{who}")
    refused(new, at=f"refs/tags/steal-{n}-{who}")
    refused(text, at=f"refs/tags/steal-{n}-{who}-blob")
    # a thin pack whose delta stands on the blob
    longer = make.blob(text.data + b"more\n")
    d = make.delta(len(text.data), len(longer.data), make.copy(0, len(text.data)), make.insert(b"more\n"))
    top2 = make.tree((b"100644", b"copy", longer))
    c = make.commit(top2, [world.base])
    refused(c, top2, c, make.ref_delta(text, d))


def test_objects_in_quarantine_are_not_served(world, shut_in):
    n, text, below, top, new = shut_in
    w = world.clone(world.other)
    for oid in (new.oid, top.oid, text.oid):
        p = w.run("fetch", "origin", oid, check=False)
        assert p.returncode != 0, p.stderr
        assert w.run("cat-file", "-e", oid, check=False).returncode != 0
    assert new.oid not in w.out("ls-remote", "origin")


def test_denied_objects_sent_again_in_two_halves(world):
    """First a push that is denied with the blob, then one that only moves it
    out of the protected path without sending it."""
    w = world.clone()
    w.commit({"sealed/x": "the blob\n"})
    denied(world, w, f"HEAD:refs/heads/{w.branch}")
    moved = w.out("rev-parse", "HEAD:sealed/x")
    t = tree_with(w, world.base, **{"src/x": f"100644,{moved}"})
    m = commit_tree(w, t, world.base)
    # the honest way, with the blob in the pack, is another change and lands
    lands(world, w, f"{m}:refs/heads/{w.branch}")


def test_what_upstream_refused_of_a_push_is_no_base(world):
    """Of two refs upstream takes one: the other's objects are gone."""
    hook = world.bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase $1 in *-no) echo no >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    try:
        w = world.clone()
        good = w.commit({"src/a.c": "int good;\n"})
        bad = w.commit({"src/a.c": "int bad;\n"})
        p = w.push(f"{good}:refs/heads/{w.branch}", f"{bad}:refs/heads/{w.branch}-no", ok=False)
        assert "upstream refused" in p.stderr, p.stderr
        assert ref(world.bare, f"refs/heads/{w.branch}") == good
        assert ref(world.bare, f"refs/heads/{w.branch}-no") is None
        name = f"refs/heads/{w.branch}-again"
        r = raw_push.push(world.gate, world.other, [(make.ZERO, bad, name)], make.pack())
        assert r.reasons and r.reasons[0].startswith("invalid push: "), r
        # the one that was taken is one, for everybody
        other = world.clone(world.other)
        other.run("fetch", "-q", "origin")
        lands(world, other, f"{good}:{name}")
    finally:
        hook.unlink()


# -- names of repositories --


def test_case_variants_of_a_repository(make_gate):
    g = make_gate(
        access=[*ACCESS[:0], {"principals": {"groups": ["agents"]}, "repositories": ["demo/app"], "allow": ["fetch", "push"]}],
        rules=[{"name": "shut", "when": {"repositories": ["demo/app"], "refs": ["refs/heads/main"]}, "then": "deny"}],
    )
    bot = g.token("bot", "agents")
    w = g.clone(bot)
    w.commit({"a": "1\n"})
    assert "denied by rule shut" in w.push("HEAD:main", ok=False).stderr
    for name in ("Demo/App", "DEMO/app", "demo/APP", "demo/app.GIT", "demo//app", "demo/./app", "demo/x/../app", "demo%2fapp", "demo/app%00", "demo/app.git.git"):
        w.run("remote", "set-url", "origin", f"http://x:{bot}@{g.address}/{name}")
        p = w.run("push", "origin", "HEAD:main", check=False)
        assert p.returncode != 0, (name, p.stderr)
        assert "denied by rule shut" in p.stderr or "not found" in p.stderr or "40" in p.stderr, (name, p.stderr)
    assert ref(g.upstream, "refs/heads/main") == w.head("HEAD~1")


# -- limits --


def test_a_huge_change_is_held(make_gate):
    g = make_gate(
        rules=[{"name": "sealed", "when": {"paths": ["sealed/**"]}, "then": "hold", "approvals": {"from": ["dba"]}}],
        config={"limits": {"listed-paths": 20, "walk-commits": 10}},
    )
    bot, dba = g.token("bot", "agents"), g.token("dora", "dba")
    w = g.clone(bot)
    w.commit({f"d/{i}": f"{i}\n" for i in range(40)})
    p = w.push("HEAD:refs/heads/wide", ok=False)
    h = g.hold(hold_id(p), dba)
    assert {r["rule"] for u in h["updates"] for r in u["reasons"]} >= {"sealed"}
    assert "too large" in str(h), h
    w.run("checkout", "-q", "--detach", "origin/main")
    w.commit({"sealed/x": "x\n"})
    for i in range(20):
        w.commit({"f": f"{i}\n"})
    p = w.push("HEAD:refs/heads/long", ok=False)
    assert g.hold(hold_id(p), dba)["state"] == "pending"
    assert ref(g.upstream, "refs/heads/long") is None
