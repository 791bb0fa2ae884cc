"""Documents of provenance that inspection takes out of a push: which, how much
of them, and what a limit does. Driven without the gate, as test_packs_unit."""

import make
import pytest
from test_packs_unit import DRIVER, Work

pytestmark = pytest.mark.skipif(not DRIVER, reason="make units was not run")
ULID = "01K9ZQ8T6W3F4N5P6R7S8T9V0A"
NOTES = "refs/notes/ai"


@pytest.fixture
def work(tmp_path):
    w = Work(tmp_path)
    w.first = w.commit(a="1\n")
    return w


def plain(s):
    return bytes(s, "ascii").decode("unicode_escape").encode("latin-1").decode()


def documents(r):
    """(kind, key, part, text) of each."""
    assert r.code == 0, r.lines
    return [(d[1], d[4], d[5], plain(d[8])) for d in r.all("document")]


def told(r):
    """How many were met, and the limit that cut them."""
    return tuple(r.all("documents")[0][1:]) if r.all("documents") else None


def note(work, rev, text, ref=NOTES):
    work.git("notes", "--ref", ref, "add", "-f", "-m", text, rev)
    return work.git("rev-parse", ref)


def put_tree(work, files, parent=None):
    """A commit whose tree is just this."""
    return put_trees(work, [files], parent)[0]


def put_trees(work, trees, parent=None):
    """A commit of each, in one run of git."""
    lines = []
    for i, files in enumerate(trees):
        lines.append(f"commit refs/put/{i}\nmark :{i + 1}\ncommitter c <c@x> 1700000000 +0000\ndata 0\n")
        lines.append(f"from {parent}\ndeleteall\n" if parent else "deleteall\n")
        lines += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
        lines.append(f"\nget-mark :{i + 1}\nreset refs/put/{i}\nfrom {make.ZERO}\n\n")
    return work.git("fast-import", "--quiet", "--force", data="".join(lines).encode()).split()


def checkpoint(id, session="s-1", prompt="Do it.\n", under=""):
    return {
        f"{under}metadata.json": '{"checkpoint_id":"%s"}' % id,
        f"{under}0/metadata.json": '{"session_id":"%s"}' % session,
        f"{under}0/prompt.txt": prompt,
        f"{under}0/context.md": "context\n",
        f"{under}0/full.jsonl": "{}\n" * 100,
        f"{under}0/content_hash.txt": "ab" * 32 + "\n",
        f"{under}tasks/x/metadata.json": "{}",
    }


def taken(id, session="s-1", prompt="Do it.\n"):
    return [
        ("checkpoint", id, "-", '{"checkpoint_id":"%s"}' % id),
        ("session", id, "0", '{"session_id":"%s"}' % session),
        ("prompt", id, "0", prompt),
        ("transcript", id, "0", "ab" * 32 + "\n"),
    ]


# ---- notes


def test_notes_that_changed(work):
    other, third = work.commit(b="1\n"), work.commit(c="1\n")
    note(work, work.first, "one")
    old = note(work, other, "two")
    work.upstream()
    work.git("fetch", "-q", str(work.dir), f"{NOTES}:{NOTES}", cwd=work.mirror)
    note(work, other, "two, again")
    new = note(work, third, "three")
    r = work.push(old, new, ref=NOTES)
    assert sorted(documents(r)) == sorted([("note", other, "-", "two, again\n"), ("note", third, "-", "three\n")])
    assert told(r) == ("2", "-") and [d[3] for d in r.all("document")] == ["-1", "-1"]
    # a removal says nothing; another ref is none of git-ai's
    work.git("notes", "--ref", NOTES, "remove", other)
    assert documents(work.push(new, work.git("rev-parse", NOTES), ref=NOTES)) == []
    assert documents(work.push(make.ZERO, new, ref="refs/notes/ai-stash")) == []
    assert told(work.push(make.ZERO, new, ref="refs/heads/notes/ai")) is None


def test_notes_are_found_below_any_fan_out(work):
    """git rewrites the whole tree when it goes one level deeper."""
    commits = [f"{i:040x}" for i in range(1, 60)]
    flat = put_tree(work, {c: f"note {c}" for c in commits[:58]})
    work.git("update-ref", NOTES, flat)
    work.upstream()
    work.git("fetch", "-q", str(work.dir), f"{NOTES}:{NOTES}", cwd=work.mirror)
    deep = {f"{c[:2]}/{c[2:4]}/{c[4:]}": f"note {c}" for c in commits}
    deep["README"] = deep["ab/x"] = "no note"
    r = work.push(flat, put_tree(work, deep, flat), ref=NOTES)
    assert documents(r) == [("note", commits[58], "-", f"note {commits[58]}")]
    assert len(documents(work.push(make.ZERO, put_tree(work, deep), ref=NOTES))) == 59


# ---- Agent Trace


def test_what_a_commit_adds_to_its_traces(work):
    work.put(".agent-trace/traces.jsonl", '{"n":1}\n{"n":2}\n')
    work.save()
    old = work.upstream()
    work.put(".agent-trace/traces.jsonl", '{"n":1}\n{"n":2}\n{"n":3}\n')
    one = work.save()
    work.put(".agent-trace/traces.jsonl", '{"n":0}\n{"n":2}\n{"n":3}\n{"n":4}')
    work.put(".agent-trace/deep/er.json", '{\n"n":5}\n')
    work.put(".agent-trace/README", "no trace")
    work.put("docs/.agent-trace/traces.jsonl", '{"n":6}\n')
    two = work.save()
    r = work.push(old, two)
    path = ".agent-trace/traces.jsonl"
    assert documents(r) == [
        ("trace", path, "-", '{"n":3}\n'),
        ("trace", ".agent-trace/deep/er.json", "-", '{\n"n":5}\n'),
        ("trace", path, "-", '{"n":0}\n{"n":4}\n'),
    ]
    commits = [c[1] for c in r.all("commit")]
    assert [commits[int(d[3])] for d in r.all("document")] == [one, two, two]
    # a symlink is no trace, nor is a file that only lost lines or went
    (work.dir / ".agent-trace/link.jsonl").symlink_to("/etc/passwd")
    work.put(path, '{"n":0}\n{"n":2}\n')
    work.put(".agent-trace/deep/er.json", None)
    assert documents(work.push(old, work.save())) == documents(r)


def test_a_rewritten_trace_is_read_without_its_past(work):
    work.put(".agent-trace/t.jsonl", '{"n":1}\n')
    work.save()
    old = work.upstream()
    work.git("reset", "-q", "--hard", work.first)
    work.put(".agent-trace/t.jsonl", '{"n":2}\n')
    r = work.push(old, work.save())
    assert r.all("update")[0][1] == "force"
    assert documents(r) == [("trace", ".agent-trace/t.jsonl", "-", '{"n":2}\n')]


def test_where_no_rule_looks_at_commits(work):
    """The two ends say what is new: nothing of what upstream has."""
    path = ".agent-trace/deep/t.jsonl"
    work.put(path, '{"n":1}\n')
    work.save()
    old = work.upstream()
    work.put(path, '{"n":1}\n{"n":2}\n')
    work.save()
    work.put(path, '{"n":1}\n{"n":2}\n{"n":3}\n')
    work.put(".agent-trace/README", "no trace")
    new = work.save()
    wanted = [("trace", path, "-", '{"n":2}\n{"n":3}\n')]
    r = work.push(old, new, scopes=())
    assert documents(r) == wanted and r.all("commit") == []
    assert [d[3] for d in r.all("document")] == ["-1"]
    # a new ref goes by upstream's HEAD, and what lies there is none of the push
    assert documents(work.push(make.ZERO, new, f"head {old}", ref="refs/heads/x", scopes=(), advertised=[old])) == wanted
    assert documents(work.push(make.ZERO, old, ref="refs/heads/y", scopes=(), advertised=[old])) == []
    assert documents(work.push(old, work.commit(b="2\n"), scopes=())) == wanted


# ---- Entire


@pytest.mark.parametrize("id", [ULID, "0123456789ab"])
def test_a_checkpoint_of_its_own_ref(work, id):
    work.upstream()
    new = put_tree(work, checkpoint(id))
    ref = f"refs/entire/checkpoints/{id[-2:]}/{id}"
    r = work.push(make.ZERO, new, ref=ref)
    assert documents(r) == taken(id)
    assert [d[6] for d in r.all("document")][3] == "300"
    assert all("context" not in line and "{}" not in line for line in r.lines if line.startswith("document "))
    for other in (f"refs/entire/checkpoints/xx/{id}", f"refs/entire/checkpoints/{id[-2:]}/{id[1:]}", f"refs/entire/{id}", f"refs/heads/{id}"):
        assert documents(work.push(make.ZERO, new, ref=other)) == [], other


def test_the_branch_of_checkpoints(work):
    branch = "refs/heads/entire/checkpoints/v1"
    a, b, c = "0123456789ab", "01ffffffffff", ULID
    tree = checkpoint(a, under=f"{a[:2]}/{a[2:]}/") | checkpoint(b, under=f"{b[:2]}/{b[2:]}/")
    old = put_tree(work, tree)
    work.git("update-ref", branch, old)
    work.upstream()
    tree |= checkpoint(c, under=f"{c[:2]}/{c[2:]}/")
    tree |= checkpoint(b, session="s-2", under=f"{b[:2]}/{b[2:]}/")
    tree |= {"README.md": "x", "zz/metadata.json": "{}", "01/short/metadata.json": "{}", "01/" + "x" * 60 + "/metadata.json": "{}"}
    r = work.push(old, put_tree(work, tree, old), ref=branch)
    assert sorted(documents(r)) == sorted(taken(b, session="s-2") + taken(c))
    keys = [d[4] for d in r.all("document")]
    assert keys == sorted(keys), "those of one checkpoint stand together"
    assert len(documents(work.push(make.ZERO, put_tree(work, tree), ref=branch))) == 12


def test_an_older_checkpoint_is_its_own_session(work):
    work.upstream()
    new = put_tree(work, {"metadata.json": '{"session_id":"s"}', "prompt.txt": "Do.\n", "full.jsonl": "x", "full.jsonl.001": "yz"})
    r = work.push(make.ZERO, new, ref=f"refs/entire/checkpoints/{ULID[-2:]}/{ULID}")
    assert documents(r) == [("checkpoint", ULID, "-", '{"session_id":"s"}'), ("prompt", ULID, "-", "Do.\n"), ("transcript", ULID, "-", "")]
    assert r.all("document")[2][6] == "3"
    new = put_tree(work, {"0/metadata.json": "{}", "0/prompt.txt": "no root, no checkpoint"})
    assert documents(work.push(make.ZERO, new, ref=f"refs/entire/checkpoints/{ULID[-2:]}/{ULID}")) == []


# ---- limits


def test_limits_cut_and_say_so(work):
    work.upstream()
    note(work, work.first, "x" * 1000)
    note(work, work.commit(b="1\n"), "y" * 1000)
    new = note(work, work.commit(c="1\n"), "\u00e9" * 500)

    def push(*limits):
        r = work.push(make.ZERO, new, *limits, ref=NOTES)
        assert r.code == 0, r.lines
        return [(len(plain(d[8]).encode()), d[6], d[7]) for d in r.all("document")], told(r)

    whole = [(1001, "1001", "whole")] * 3
    assert push() == (whole, ("3", "-"))
    assert push("limit provenance-documents 3") == (whole, ("3", "-"))
    assert push("limit provenance-documents 2") == (whole[:2], ("3", "provenance-documents"))
    assert push("limit provenance-documents 0") == ([], None)
    assert push("limit provenance-document 1001") == (whole, ("3", "-"))
    got, why = push("limit provenance-document 101")
    assert why == ("3", "provenance-document") and {x[2] for x in got} == {"cut"}
    assert sorted(x[0] for x in got) == [100, 101, 101], "a character is not cut in two"
    got, why = push("limit provenance-bytes 2500")
    assert why == ("3", "provenance-bytes") and [x[2] for x in got] == ["whole", "whole", "cut"]
    assert push("limit provenance-read 2500") == (whole[:2], ("2", "provenance-read"))
    assert push("limit walk-entries 0")[1][1] == "walk-entries"


def test_traces_are_cut_between_lines(work):
    old = work.upstream()
    work.put(".agent-trace/t.jsonl", '{"n":1}\n{"n":2}\n{"n":3}\n')
    r = work.push(old, work.save(), "limit provenance-document 17")
    assert documents(r) == [("trace", ".agent-trace/t.jsonl", "-", '{"n":1}\n{"n":2}\n')]
    assert r.all("document")[0][7] == "cut"
    # what is old need not be taken, but it has to be read
    work.put(".agent-trace/t.jsonl", '{"n":0}\n')
    r = work.push(old, work.save(), "limit provenance-read 40")
    assert len(r.all("document")) == 1 and told(r) == ("1", "provenance-read")


def test_two_hundred_checkpoints(work):
    """Pushed as Entire does: that many refs at once."""
    work.upstream()
    ids = [f"{i:012x}" for i in range(200)]
    tips = put_trees(work, [checkpoint(id, prompt=f"prompt {id}\n") for id in ids])
    r = work.push_all([(make.ZERO, tip, f"refs/entire/checkpoints/{id[-2:]}/{id}") for id, tip in zip(ids, tips)])
    assert documents(r) == [d for id in ids for d in taken(id, prompt=f"prompt {id}\n")]
    assert [int(d[2]) for d in r.all("document")] == [i for i in range(200) for _ in range(4)]
    assert told(r) == ("800", "-")


def test_what_is_too_large_to_read_is_left_alone(work):
    """Its size is looked at first."""
    work.upstream()
    work.git("config", "core.bigFileThreshold", "1m")
    large = work.tmp / "large"
    with large.open("wb") as f:
        f.truncate(20 << 20)
    blob = work.git("hash-object", "-w", str(large))
    tree = work.git("mktree", data=f"100644 blob {blob}\t{work.first}\n".encode())
    new = work.tree_commit(tree, [])
    r = work.push(make.ZERO, new, f"limit provenance-read {(20 << 20) - 1}", ref=NOTES)
    assert documents(r) == [] and told(r) == ("0", "provenance-read")
    r = work.push(make.ZERO, new, ref=NOTES)
    assert [d[6:8] for d in r.all("document")] == [[str(20 << 20), "cut"]] and told(r) == ("1", "provenance-document")
