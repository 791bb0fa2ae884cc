"""Inspection of whole packs, without the gate around it.

Drives build/tests/unit/test_inspection (its driver mode) over the packs of
tests/packs/make.py and over histories made with git.
"""

import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "packs"))
import make  # noqa: E402

DRIVER = os.environ.get("GITGATE_INSPECTION_DRIVER") or os.path.join(
    ROOT, os.environ.get("GITGATE_BUILD", "build"),
    "tests/unit/test_inspection")
pytestmark = pytest.mark.skipif(not os.path.exists(DRIVER),
                                reason="make units was not run")
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
       "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
       "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.com",
       "ASAN_OPTIONS": "detect_leaks=1"}
CASES = list(make.kinds())
GOOD = [c for c in CASES if c.reason is None]


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.lines = done.stdout.decode().splitlines()
        self.err = done.stderr.decode()

    def all(self, word):
        return [x.split(" ") for x in self.lines if x.split(" ")[0] == word]

    def paths(self):
        """path -> kinds of change, over all commits."""
        return {x[5]: int(x[1]) for x in self.all("path")}

    def net(self):
        return {x[5]: int(x[1]) for x in self.all("net")}

    @property
    def refused(self):
        return self.lines[-1] if self.code == 1 else None


def inspect(tmp, mirror, updates, pack=None, *extra, diff=None, diff_max=None,
            clean=1, scopes=("all",), advertised=()):
    """One run; extra: further lines of the job."""
    quarantine = tmp / "quarantine"
    subprocess.run(["rm", "-rf", str(quarantine)], check=True)
    quarantine.mkdir()
    lines = ["mirror %s" % mirror, "quarantine %s" % quarantine,
             "clean %d" % clean]
    lines += ["update %s %s %s" % u for u in updates]
    lines += ["advertised %s" % a for a in advertised]
    lines += ["scope %s" % s for s in scopes]
    lines += extra
    (tmp / "job").write_text("\n".join(lines) + "\n")
    args = [DRIVER, str(tmp / "job"), "-"]
    if pack is not None:
        (tmp / "pack").write_bytes(pack)
        args[2] = str(tmp / "pack")
    if diff is not None:
        args.append(str(diff))
    env = dict(ENV)
    if diff_max is not None:
        env["DIFF_MAX"] = str(diff_max)
    result = Result(subprocess.run(args, env=env, capture_output=True,
                                   timeout=120))
    assert result.code in (0, 1), result.err
    return result


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.git"
    make.write_base(str(path))
    return path


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_kind(case, base, tmp_path):
    r = inspect(tmp_path, base, case.commands, case.pack,
                advertised=[make.BASE.oid])
    if case.reason is None:
        assert r.code == 0, r.lines
        return
    assert r.code == 1, r.lines
    code, limit, message = re.match(r"refused (\S+) (\S*): (.*)",
                                    r.refused).groups()
    assert re.search(case.reason, message), r.refused
    assert limit == (case.limit or "")
    assert code == ("limit" if case.limit else "peer")


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_pieces_of_any_size(piece, base, tmp_path):
    for case in GOOD:
        r = inspect(tmp_path, base, case.commands, case.pack,
                    "piece %d" % piece)
        assert r.code == 0, r.lines


def test_good_pack_in_an_unclean_mirror(base, tmp_path):
    for case in GOOD:
        r = inspect(tmp_path, base, case.commands, case.pack, clean=0,
                    advertised=[make.BASE.oid])
        assert r.code == 0, (case.name, r.lines)


# ---- what a push changes -------------------------------------------------

ADD, MODIFY, DELETE, MODE, SYMLINK, SUBMODULE = 1, 2, 4, 8, 16, 32


class Work:
    """A work tree, and the mirror as it was when upstream() was called."""

    def __init__(self, tmp):
        self.tmp, self.dir, self.mirror = tmp, tmp / "w", tmp / "m.git"
        self.clock = 1700000000
        self.git("init", "-q", "-b", "main", str(self.dir), cwd=tmp)

    def git(self, *args, cwd=None, data=None):
        env = dict(ENV, GIT_AUTHOR_DATE="@%d +0000" % self.clock,
                   GIT_COMMITTER_DATE="@%d +0000" % self.clock)
        return subprocess.run(("git",) + args, cwd=cwd or self.dir, env=env,
                              input=data, check=True,
                              capture_output=True).stdout.decode().strip()

    def submodule(self, name):
        (self.dir / name).mkdir()
        self.git("update-index", "--add", "--cacheinfo",
                 "160000,%s,%s" % ("1" * 40, name))

    def commit(self, message="m", **files):
        """files: name=text; None removes. The new commit's id."""
        for name, text in files.items():
            self.put(name.replace("__", "/"), text)
        return self.save(message)

    def put(self, name, text):
        path = self.dir / name
        if text is None:
            self.git("rm", "-rq", name)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def save(self, message="m", *args):
        self.clock += 60
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *args)
        return self.git("rev-parse", "HEAD")

    def tree_commit(self, like, parents):
        """A commit of the index's or a given tree with these parents."""
        self.clock += 60
        args = [x for p in parents for x in ("-p", p)]
        return self.git("commit-tree", "-m", "merge", *args, like)

    def upstream(self):
        self.git("clone", "-q", "--bare", ".", str(self.mirror))
        return self.git("rev-parse", "HEAD")

    def push_all(self, updates, *extra, **kw):
        """Many refs at once, of objects that upstream lacks."""
        revs = "".join("%s\n" % u[1] for u in updates)
        out = subprocess.run(["git", "pack-objects", "--stdout", "-q",
                              "--revs"], cwd=self.dir, env=ENV,
                             input=revs.encode(), check=True,
                             capture_output=True).stdout
        return inspect(self.tmp, self.mirror, updates, out, *extra, **kw)

    def push(self, old, new, *extra, ref="refs/heads/main", objects=None,
             **kw):
        """objects: exactly these in the pack, instead of what git thinks
        that upstream lacks."""
        revs = "".join("%s\n" % r for r in (new,)) + "".join(
            "^%s\n" % r for r in self.git(
                "for-each-ref", "--format=%(objectname)",
                cwd=self.mirror).split())
        args = ["--revs", "--thin"]
        if objects is not None:
            args, revs = [], "".join("%s\n" % o for o in objects)
        out = subprocess.run(["git", "pack-objects", "--stdout", "-q"] + args,
                             cwd=self.dir, env=ENV, input=revs.encode(),
                             check=True, capture_output=True).stdout
        kw.setdefault("advertised", [old] if old != make.ZERO else [])
        return inspect(self.tmp, self.mirror, [(old, new, ref)], out, *extra,
                       **kw)


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


def test_every_kind_of_change(work):
    work.commit(a="1\n", b="2\n", c="3\n", d__x="4\n", e="5\n", f="6\n")
    old = work.upstream()
    work.put("a", "changed\n")
    os.chmod(work.dir / "b", 0o755)
    work.put("c", None)
    work.put("new/file", "n\n")
    os.remove(work.dir / "e")
    os.symlink("a", work.dir / "e")
    work.put("d", None)
    work.put("d", "now a file\n")
    work.put("f", None)
    work.put("f/below", "now a directory\n")
    work.submodule("sub")
    r = work.push(old, work.save())
    assert r.code == 0, r.lines
    assert r.paths() == {
        "a": MODIFY, "b": MODE, "c": DELETE, "new/file": ADD,
        "e": MODIFY | MODE | SYMLINK, "d": ADD, "d/x": DELETE, "f": DELETE,
        "f/below": ADD, "sub": ADD | SUBMODULE}
    assert r.all("update") == [["update", "fast-forward", "1", "-"]]


def test_rename_shows_both_sides(work):
    work.commit(a="same\n" * 9)
    old = work.upstream()
    work.git("mv", "a", "b")
    assert work.push(old, work.save()).paths() == {"a": DELETE, "b": ADD}


def test_every_commit_counts_not_only_the_ends(work):
    work.commit(a="1\n")
    old = work.upstream()
    work.commit(migrations__1="x\n")
    r = work.push(old, work.commit(migrations__1=None))
    assert len(r.all("commit")) == 2
    assert [x[5] for x in r.all("path")] == ["migrations/1", "migrations/1"]


def merge_setup(work):
    """base; main changes `m`, the feature `f`; both change nothing else."""
    base = work.commit(m="1\n", f="1\n", both="1\n", gone="1\n")
    work.git("checkout", "-q", "-b", "feature")
    feature = work.commit(f="2\n")
    work.git("checkout", "-q", "main")
    main = work.commit(m="2\n")
    return base, main, feature


def merged(work, main, feature, **files):
    work.git("checkout", "-q", main)
    work.git("merge", "-q", "--no-commit", "--no-ff", feature)
    for name, text in files.items():
        work.put(name, text)
    work.git("add", "-A")
    tree = work.git("write-tree")
    work.git("merge", "--abort")
    return work.tree_commit(tree, [main, feature])


@pytest.mark.parametrize("files, want", [
    ({}, []),                     # clean
    ({"f": "1\n"}, ["f"]),        # the feature's change is dropped
    ({"m": "1\n"}, ["m"]),        # main's change is dropped
    ({"evil": "x\n"}, ["evil"]),  # something that neither side has
    ({"both": "x\n"}, ["both"]),
    ({"gone": None}, ["gone"]),   # a removal that neither side made
    ({"f": "3\n"}, ["f"]),
])
def test_merge(work, files, want):
    base, main, feature = merge_setup(work)
    old = work.upstream()
    m = merged(work, main, feature, **files)
    r = work.push(old, m, scopes=(main,))
    merge = r.lines.index([x for x in r.lines if x.startswith(
        "commit " + m)][0])
    paths = []
    for line in r.lines[merge + 1:]:
        if not line.startswith("path "):
            break
        paths.append(line.split(" ")[5])
    assert paths == want


def test_criss_cross_is_judged_by_every_base(work):
    base, main, feature = merge_setup(work)
    x = merged(work, main, feature)
    y = merged(work, feature, main, f="3\n")
    old = work.upstream()
    # f: 2 in x, 3 in y, the bases have 1 and 2
    t = work.git("rev-parse", y + "^{tree}")
    r = work.push(old, work.tree_commit(t, [x, y]), scopes=(x, ))
    assert "f" in [p[5] for p in r.all("path")]


def test_scope_decides_what_is_new(work):
    work.commit(a="1\n")
    work.git("checkout", "-q", "-b", "open")
    on_branch = work.commit(secret="1\n")
    work.git("checkout", "-q", "main")
    old = work.upstream()
    # upstream has the commit, but on a branch that the rule does not cover
    r = work.push(old, on_branch, scopes=("all", old, "none"),
                  advertised=[old, on_branch])
    assert [len(s) - 1 for s in r.all("scope")] == [0, 1, 0]
    assert r.paths() == {"secret": ADD}


def test_force_has_the_net_difference(work):
    work.commit(a="1\n")
    work.commit(b="1\n")
    old = work.upstream()
    work.git("reset", "-q", "--hard", "HEAD~1")
    r = work.push(old, work.commit(c="1\n"))
    assert r.all("update")[0][1] == "force"
    assert r.net() == {"b": DELETE, "c": ADD}


def test_a_lying_clock_does_not_make_a_fast_forward(work):
    work.commit(a="1\n")
    old = work.upstream()
    work.git("checkout", "-q", "--orphan", "other")
    work.clock = 10
    new = work.commit(b="1\n")
    assert work.push(old, new).all("update")[0][1] == "force"
    work.git("checkout", "-q", "main")
    work.clock = 10
    new = work.commit(b="1\n")
    assert work.push(old, new).all("update")[0][1] == "fast-forward"


def test_tags(work):
    work.commit(a="1\n")
    old = work.upstream()
    work.git("tag", "-a", "-m", "t", "v1")
    v1 = work.git("rev-parse", "v1")
    r = work.push(make.ZERO, v1, ref="refs/tags/v1", advertised=[old])
    assert r.all("update") == [["update", "create", "4", "-"]]
    new = work.commit(b="1\n")
    r = work.push(old, new, ref="refs/tags/v0")
    assert r.all("update") == [["update", "tag-move", "1", "-"]]
    assert r.net() == {"b": ADD}


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1"])
def test_an_old_value_that_the_mirror_lacks_is_our_fault(work, ref):
    work.commit(a="1\n")
    base = work.upstream()
    r = work.push("9" * 40, work.commit(b="1\n"), ref=ref, advertised=[base])
    assert r.code == 1 and r.refused.startswith("refused unavailable"), r.lines


@pytest.mark.parametrize("limit, why", [
    ("walk-commits 2", "walk-commits"), ("listed-paths 3", "listed-paths"),
    ("walk-entries 8", "walk-entries")])
def test_too_large_says_so(work, limit, why):
    work.commit(a="1\n")
    old = work.upstream()
    for i in range(5):
        new = work.commit(**{"f%d" % i: "1\n"})
    r = work.push(old, new, "limit " + limit)
    assert r.code == 0, r.lines
    assert r.all("update")[0][3] == why


@pytest.mark.parametrize("limit, name", [
    ("path-length 20", "a/" * 12 + "f"), ("tree-depth 6", "a/" * 8 + "f")])
def test_paths_have_limits(work, limit, name):
    work.commit(a0="1\n")
    old = work.upstream()
    work.put(name, "1\n")
    r = work.push(old, work.save(), "limit " + limit)
    assert "refused limit " + limit.split(" ")[0] in r.refused


# ---- connectivity --------------------------------------------------------

def test_what_is_only_hidden_in_the_mirror_is_no_base(work):
    """A mirror that is not clean: reachable from what is advertised, or
    refused."""
    work.commit(a="1\n")
    work.git("checkout", "-q", "-b", "hidden")
    hidden = work.commit(h="secret\n")
    work.git("checkout", "-q", "main")
    old = work.upstream()
    blob = work.git("rev-parse", hidden + ":h")
    work.git("update-index", "--add", "--cacheinfo", "100644,%s,x" % blob)
    work.clock += 60
    tree = work.git("write-tree")
    new = work.tree_commit(tree, [old])
    r = work.push(old, new, clean=0, advertised=[old], objects=[new, tree])
    assert r.code == 1 and "missing blob " + blob in r.refused
    r = work.push(old, new, clean=0, advertised=[old, hidden],
                  objects=[new, tree])
    assert r.code == 0, r.lines
    on_hidden = work.tree_commit(tree, [hidden])
    r = work.push(old, on_hidden, clean=0, advertised=[old])
    assert r.code == 1 and "missing commit " + hidden in r.refused


def test_a_hidden_object_is_no_base_of_a_delta(work):
    work.commit(a="1\n")
    work.git("checkout", "-q", "-b", "hidden")
    secret = make.blob(b"secret\n")
    hidden = work.commit(h="secret\n")
    work.git("checkout", "-q", "main")
    old = work.upstream()
    more = make.blob(b"secret\nmore\n")
    d = make.delta(7, 12, make.copy(0, 7), make.insert(b"more\n"))
    top = make.tree((b"100644", b"x", more))
    new = make.commit(top, [old])
    pack = make.pack(top, new, make.ref_delta(secret, d))
    for advertised, code in (([old], 1), ([old, hidden], 0)):
        r = inspect(work.tmp, work.mirror, [(old, new.oid, "refs/heads/main")],
                    pack, clean=0, advertised=advertised)
        assert r.code == code, r.lines
        if code:
            assert "missing blob " + secret.oid in r.refused
    r = inspect(work.tmp, work.mirror, [(old, new.oid, "refs/heads/main")],
                pack, advertised=[old])
    assert r.code == 0


def test_old_trees_count_as_reachable(work):
    work.commit(a="first\n")
    blob = work.git("rev-parse", "HEAD:a")
    work.commit(a="second\n")
    work.commit(a="third\n")
    old = work.upstream()
    work.git("update-index", "--add", "--cacheinfo", "100644,%s,x" % blob)
    new = work.tree_commit(work.git("write-tree"), [old])
    r = work.push(old, new, clean=0,
                  objects=[new, work.git("rev-parse", new + "^{tree}")])
    assert r.code == 0, r.lines


def test_shallow_stops_where_parents_are_unknown(work):
    work.commit(a="1\n")
    old = work.upstream()
    orphan_parent = "d" * 40
    tree = work.git("rev-parse", "HEAD^{tree}")
    raw = ("tree %s\nparent %s\nauthor A <a@b> 1 +0000\n"
           "committer A <a@b> 1 +0000\n\nm\n" % (tree, orphan_parent))
    new = work.git("hash-object", "-t", "commit", "-w", "--stdin",
                   data=raw.encode())
    pack = make.pack(make.Obj("commit", raw.encode()))
    r = inspect(work.tmp, work.mirror, [(make.ZERO, new, "refs/heads/s")],
                pack, advertised=[old])
    assert r.code == 1
    r = inspect(work.tmp, work.mirror, [(make.ZERO, new, "refs/heads/s")],
                pack, "shallow " + new, advertised=[old])
    assert r.code == 0, r.lines
    assert r.paths() == {"a": ADD}


# ---- fsck overrides ------------------------------------------------------

@pytest.mark.parametrize("name, override, accepted", [
    ("mode-padded", "zeroPaddedFilemode=ignore", True),
    ("mode-664", "badFilemode=warn", True),
    ("bad-ident", "badDate=ignore", None),
    ("name-dotgit", "hasDotgit=ignore", False),
    ("name-dotdot", "hasDotdot=warn", False),
    ("duplicate-entry", "duplicateEntries=ignore", False),
    ("unsorted", "treeNotSorted=ignore", False),
    ("gitmodules-url", "gitmodulesUrl=ignore", False),
    ("nul-in-message", "nulInCommit=ignore", False),
])
def test_fsck_override(name, override, accepted, base, tmp_path):
    case = [c for c in CASES if c.name == name][0]
    r = inspect(tmp_path, base, case.commands, case.pack, "fsck " + override)
    if accepted is not None:
        assert (r.code == 0) == accepted, r.lines


# ---- the diff ------------------------------------------------------------

def records(path):
    data, out = path.read_bytes(), []
    while data:
        n = int.from_bytes(data[1:5], "big")
        out.append((chr(data[0]), data[5:5 + n]))
        data = data[5 + n:]
    return out


def test_diff_shows_net_and_commits(work, tmp_path):
    work.commit(a="1\n2\n3\n")
    old = work.upstream()
    first = work.commit("say two", a="1\ntwo\n3")
    # one commit is the whole difference: it is shown once
    r = work.push(old, first, diff=tmp_path / "diff")
    assert r.code == 0
    got = records(tmp_path / "diff")
    assert "".join(k for k, _ in got) == "UFH --++\\"
    assert (b"two" in [b for k, b in got if k == "+"])
    assert got[0][1].count(old.encode()) == 1
    new = work.commit("say one", a="one\ntwo\n3")
    r = work.push(old, new, diff=tmp_path / "diff2")
    assert r.code == 0
    got = records(tmp_path / "diff2")
    assert "".join(k for k, _ in got).count("C") == 2 and got[1][0] == "F"
    newest, oldest = [b for k, b in got if k == "C"]
    assert new.encode() in newest and newest.endswith(b"say one")
    assert first.encode() in oldest and oldest.endswith(b"say two")


def test_diff_of_a_blob_behind_a_tag(base, tmp_path):
    case = [c for c in CASES if c.name == "tag-of-blob"][0]
    r = inspect(tmp_path, base, case.commands, case.pack,
                diff=tmp_path / "diff")
    assert r.code == 0
    assert [k for k, _ in records(tmp_path / "diff")] == ["U", "F", "H", "+"]


def test_diff_flags(work, tmp_path):
    work.commit(a="1\n")
    old = work.upstream()
    (work.dir / "binary").write_bytes(b"a\0b")
    (work.dir / "large").write_bytes(b"x\n" * (1 << 20))
    os.symlink("a", work.dir / "link")
    work.submodule("sub")
    work.push(old, work.save(), diff=tmp_path / "diff")
    flags = {}
    for kind, body in records(tmp_path / "diff"):
        if kind == "C":
            break
        if kind == "F":
            n = int.from_bytes(body[0:4], "big")
            m = int.from_bytes(body[4 + n:8 + n], "big")
            # two modes, two sizes, then the flags
            flags[body[8 + n:8 + n + m].decode()] = body[8 + n + m + 24]
    assert flags == {"binary": 1, "large": 8, "link": 4, "sub": 2}


@pytest.mark.parametrize("most", [600, 900, 2000])
def test_diff_says_what_it_left_out(work, tmp_path, most):
    work.commit(a="1\n")
    old = work.upstream()
    for i in range(20):
        work.put("f%02d" % i, "line\n" * 30)
    work.push(old, work.save(), diff=tmp_path / "diff", diff_max=most)
    assert (tmp_path / "diff").stat().st_size <= most
    kind, body = records(tmp_path / "diff")[-1]
    assert kind == "X"
    files = int.from_bytes(body[-16:-8], "big")
    lines = int.from_bytes(body[-8:], "big")
    shown = [b for k, b in records(tmp_path / "diff") if k == "F"]
    assert files + len(shown) in (20, 21) and lines <= 30


def test_a_large_blob_needs_little_memory(work, tmp_path):
    work.commit(a="1\n")
    old = work.upstream()
    with open(work.dir / "big", "wb") as f:
        for i in range(64):
            f.write(os.urandom(1 << 20))
    r = work.push(old, work.save(), "limit inspection-memory %d" % (40 << 20))
    assert r.code == 0, r.lines
    assert r.all("path")[0][4] == str(64 << 20)


def test_memory_is_a_limit(base, tmp_path):
    """A delta that inflates to 256 MiB, with 64 MiB to do it in."""
    readme = make.README
    n = 256 << 20
    d = make.delta(len(readme.data), n,
                   *[make.copy(0, len(readme.data))] * (n // len(readme.data)),
                   make.copy(0, n % len(readme.data)))
    top = make.tree((b"100644", b"README", readme))
    new = make.commit(top)
    r = inspect(tmp_path, base, [(make.ZERO, new.oid, "refs/heads/x")],
                make.pack(readme, top, new, make.ref_delta(readme, d)),
                "limit inspection-memory %d" % (64 << 20))
    assert r.code == 1 and "limit inspection-memory" in r.refused
