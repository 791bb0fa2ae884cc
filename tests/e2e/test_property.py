"""Random small histories against a second, plain implementation of the rule in
docs/inspection.md: which protected paths does each update bring?

The reference reads whole trees with git cat-file and knows nothing of packs,
subtrees or bounds. Every push goes through the whole gate; a rule over each
set of refs holds whatever it touches, and says which paths."""

import itertools
import os
import random
import time

import make
import pytest
from gate import Gate, hold_id, make_upstream, ref

SECONDS = float(os.environ.get("GITGATE_PROPERTY_SECONDS", 10))
SEED = int(os.environ.get("GITGATE_PROPERTY_SEED", 20240611))
PATHS = ["m", "m/a", "m/b", "m/d/c", "s/a", "s/b", "t"]
PROTECTED = ("m",)
# Rule name -> the refs that it covers.
SCOPES = {"all": "refs/heads/**", "release": "refs/heads/r/**"}
RULES = [
    {
        "name": name,
        "when": {"refs": [refs], "paths": ["m/**"]},
        "then": "hold",
        "approvals": {"required": 1, "from": ["dba"]},
    }
    for name, refs in SCOPES.items()
]


def is_protected(path):
    return path == "m" or path.startswith("m/")


def covers(scope, name):
    return name.startswith("refs/heads/r/" if scope == "release" else "refs/heads/")


class History:
    """Commits made from scratch: each is a map of path to content."""

    def __init__(self, work, rng, honest):
        self.work, self.rng, self.honest = work, rng, honest
        self.trees, self.parents, self.order = {}, {}, []
        self.serial = itertools.count()

    def make(self, tree, *parents):
        env = {"GIT_INDEX_FILE": str(self.work.path / ".git" / "index-made")}
        (self.work.path / ".git" / "index-made").unlink(missing_ok=True)
        lines = "".join(f"{mode} {self.blob(text)}\t{path}\n" for path, (mode, text) in sorted(tree.items()))
        self.work.run("update-index", "--index-info", input=lines, env=env)
        oid = self.work.out("write-tree", env=env)
        now = 2000000000 + len(self.order) if self.honest else self.rng.randrange(1, 2000000000)
        date = {"GIT_COMMITTER_DATE": f"@{now} +0000"}
        args = [x for p in parents for x in ("-p", p)]
        new = self.work.out("commit-tree", "-m", f"c{next(self.serial)}", *args, oid, env=date)
        self.trees[new], self.parents[new] = tree, parents
        self.order.append(new)
        return new

    _blobs = {}

    def blob(self, text):
        obj = make.blob(text.encode())
        if obj.oid not in self._blobs.setdefault(self.work.path, set()):
            self.work.run("hash-object", "-w", "--stdin", input=text)
            self._blobs[self.work.path].add(obj.oid)
        return obj.oid

    # -- what happens in a history --

    def changed(self, tree):
        tree = dict(tree)
        for _ in range(self.rng.choice([0, 1, 1, 1, 2])):
            path = self.rng.choice(PATHS)
            act = self.rng.random()
            if act < 0.25:
                tree.pop(path, None)
            elif act < 0.35 and path in tree:
                mode, text = tree[path]
                tree[path] = ("100755" if mode == "100644" else "100644", text)
            elif act < 0.45 and path in tree:  # a rename
                to = self.rng.choice(PATHS)
                put(tree, to, tree.pop(path))
            else:
                put(tree, path, (self.rng.choice(["100644", "100644", "120000"]), self.rng.choice("abc")))
        return tree

    def merged(self, *parents):
        """A clean merge where that can be, then perhaps something evil."""
        tree = {}
        for path in set().union(*(self.trees[p] for p in parents)):
            put(tree, path, self.rng.choice([self.trees[p].get(path) for p in parents]))
        if len(parents) == 2 and self.rng.random() < 0.7:
            bases = self.bases(*parents)
            base = self.trees[bases[0]] if bases else {}
            tree = {}
            a, b = (self.trees[p] for p in parents)
            for path in sorted(set(a) | set(b) | set(base)):
                o, x, y = base.get(path), a.get(path), b.get(path)
                put(tree, path, y if x == o else x)
        return self.changed(tree) if self.rng.random() < 0.3 else tree

    def grow(self):
        rng, tips = self.rng, self.order[-5:]
        act = rng.random()
        if act < 0.05:
            return self.make(self.changed({}))
        if act < 0.35 and len(tips) > 1:
            parents = rng.sample(tips, min(len(tips), rng.choice([2, 2, 2, 3])))
            return self.make(self.merged(*parents), *parents)
        parent = rng.choice(tips)
        if act < 0.5 and self.parents[parent]:  # a revert
            return self.make(dict(self.trees[self.parents[parent][0]]), parent)
        return self.make(self.changed(self.trees[parent]), parent)

    # -- the reference --

    def reach(self, *tips):
        seen, todo = set(), [t for t in tips if t]
        while todo:
            c = todo.pop()
            if c not in seen:
                seen.add(c)
                todo += self.parents[c]
        return seen

    def bases(self, a, b):
        common = self.reach(a) & self.reach(b)
        return sorted(c for c in common if not any(c != d and c in self.reach(d) for d in common))

    def of_commit(self, c):
        parents, here = self.parents[c], self.trees[c]
        if len(parents) < 2:
            before = self.trees[parents[0]] if parents else {}
            return {p for p in set(here) | set(before) if here.get(p) != before.get(p)}
        paths = set(here).union(*(self.trees[p] for p in parents))
        for p, q in itertools.combinations(parents, 2):
            for b in self.bases(p, q):
                paths |= set(self.trees[b])
        return {p for p in paths if not self.explained(c, p)}

    def explained(self, c, path):
        """Some parent's value, and every other parent has the same or left
        the path as each of their merge bases has it."""
        value = self.trees[c].get(path)
        for winner in self.parents[c]:
            if self.trees[winner].get(path) != value:
                continue
            if all(self.yields(winner, other, path, value) for other in self.parents[c] if other != winner):
                return True
        return False

    def yields(self, winner, other, path, value):
        theirs = self.trees[other].get(path)
        if theirs == value:
            return True
        bases = self.bases(winner, other)
        return all((self.trees[b].get(path) if b else None) == theirs for b in bases or [None])

    def touched(self, refs, scope, name, old, new):
        base = [v for r, v in refs.items() if covers(scope, r)] + [old]
        paths = set()
        for c in self.reach(new) - self.reach(*base):
            paths |= self.of_commit(c)
        if old and new and old not in self.reach(new):  # forced: both ends
            a, b = self.trees[old], self.trees[new]
            paths |= {p for p in set(a) | set(b) if a.get(p) != b.get(p)}
        return {p for p in paths if is_protected(p)}


def put(tree, path, value):
    """A path may not be a file and a directory."""
    if value is None:
        return
    for other in list(tree):
        if other.startswith(path + "/") or path.startswith(other + "/"):
            del tree[other]
    tree[path] = value


@pytest.fixture
def world(tmp_path):
    bare = make_upstream(tmp_path / "upstream" / "app.git", {"t": "a"})
    with Gate(tmp_path, repositories=[{"path": "demo/app", "upstream": str(bare)}], rules=RULES) as g:
        g.bare = bare
        g.bot, g.dba = g.token("bot", "agents"), g.token("dora", "dba")
        yield g


def found(g, push):
    """{(ref, rule): paths} of a held push."""
    got = {}
    for u in g.hold(hold_id(push), g.dba)["updates"]:
        for r in u["reasons"]:
            got[u["ref"], r["rule"]] = {m["path"] for m in r["paths"]}
    return got


@pytest.mark.parametrize("clock", ["honest", "lying"])
def test_the_gate_agrees_with_the_reference(world, clock):
    """With dates that lie it may look at more than it has to, never at less:
    it does not walk all of history to find out that it need not."""
    g, rng, honest = world, random.Random(SEED), clock == "honest"
    work = g.clone(g.bot)
    h = History(work, rng, honest)
    h.trees[work.head()], h.parents[work.head()] = {"t": ("100644", "a")}, ()
    h.order.append(work.head())
    refs = {"refs/heads/main": work.head()}
    end = time.monotonic() + SECONDS
    held = landed = 0
    while time.monotonic() < end or held < 3 or landed < 2:
        for _ in range(rng.randrange(1, 5)):
            h.grow()
        names = rng.sample(["refs/heads/main", "refs/heads/x", "refs/heads/r/1", "refs/heads/r/2"], rng.choice([1, 1, 2]))
        updates = {n: rng.choice(h.order[-4:]) for n in names}
        updates = {n: new for n, new in updates.items() if refs.get(n) != new}
        if not updates:
            continue
        want = {}
        for n, new in updates.items():
            for scope in SCOPES:
                if covers(scope, n) and (paths := h.touched(refs, scope, n, refs.get(n), new)):
                    want[n, scope] = paths
        p = work.push(*[f"+{new}:{n}" for n, new in updates.items()])
        note = f"seed {SEED}, step {held + landed}: {updates} on {refs} in {work.path}\n{p.stderr}"
        if want:
            held += 1
            assert p.returncode == 1 and "held for approval" in p.stderr, (want, note)
            got = found(g, p)
            assert got == want if honest else all(want[k] <= got.get(k, set()) for k in want), (got, want, note)
            if rng.random() < 0.5:
                continue
            # so that what is vetted differs between branches and scopes
            work.run("push", "-q", str(g.bare), *[f"+{new}:{n}" for n, new in updates.items()])
        elif honest or p.returncode == 0:
            landed += 1
            assert p.returncode == 0, note
        else:
            continue
        refs.update(updates)
        for n, new in updates.items():
            assert ref(g.bare, n) == new
    print(f"held {held}, landed {landed}")
