#!/usr/bin/python3
"""Packs: good, malformed and malicious ones, made byte by byte.

kinds() yields every case; write_base(DIR) makes the bare repository that
they stand on. As a script: make.py DIR writes base.git and NAME.pack files.
Standard library only, and every byte is the same on every run.
"""

import hashlib
import os
import struct
import sys
import zlib
from typing import NamedTuple, Optional

TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4, "ofs": 6, "ref": 7}
ZERO = "0" * 40
WHO = b"A U Thor <author@example.com> 1700000000 +0000"


# ---- objects -------------------------------------------------------------

class Obj(NamedTuple):
    kind: str
    data: bytes

    @property
    def oid(self):
        head = b"%s %d\0" % (self.kind.encode(), len(self.data))
        return hashlib.sha1(head + self.data).hexdigest()


def blob(data):
    return Obj("blob", data)


def entry(mode, name, oid):
    """One raw tree entry; mode and name as bytes, oid as Obj or hex."""
    oid = oid if isinstance(oid, str) else oid.oid
    return mode + b" " + name + b"\0" + bytes.fromhex(oid)


def tree(*entries):
    """A tree of raw (mode, name, Obj) triples, in the order given."""
    return Obj("tree", b"".join(entry(*e) for e in entries))


def commit(tree_, parents=(), author=WHO, committer=WHO, extra=b"",
           message=b"message\n"):
    lines = b"tree " + tree_.oid.encode() + b"\n"
    for p in parents:
        p = p if isinstance(p, str) else p.oid
        lines += b"parent " + p.encode() + b"\n"
    lines += b"author " + author + b"\ncommitter " + committer + b"\n"
    return Obj("commit", lines + extra + b"\n" + message)


def tag(target, name=b"v1", kind=None, tagger=WHO):
    kind = kind or target.kind
    return Obj("tag", b"object " + target.oid.encode() + b"\ntype " +
               kind.encode() + b"\ntag " + name + b"\ntagger " + tagger +
               b"\n\nmessage\n")


# ---- packs ---------------------------------------------------------------

def head(kind, size):
    """An entry's type and size."""
    n = TYPES[kind]
    out, c = bytearray(), (n << 4) | (size & 15)
    size >>= 4
    while size:
        out.append(c | 0x80)
        c, size = size & 0x7f, size >> 7
    out.append(c)
    return bytes(out)


def varint(n):
    out = bytearray()
    while True:
        c, n = n & 0x7f, n >> 7
        out.append(c | (0x80 if n else 0))
        if not n:
            return bytes(out)


def offset(n):
    """The distance of an offset delta's base."""
    out = [n & 0x7f]
    n >>= 7
    while n:
        n -= 1
        out.append(0x80 | (n & 0x7f))
        n >>= 7
    return bytes(reversed(out))


def full(obj, size=None):
    """A whole object; size: announce another one."""
    n = len(obj.data) if size is None else size
    return head(obj.kind, n) + zlib.compress(obj.data)


def ref_delta(base, delta):
    oid = base if isinstance(base, str) else base.oid
    return head("ref", len(delta)) + bytes.fromhex(oid) + zlib.compress(delta)


def ofs_delta(distance, delta):
    return head("ofs", len(delta)) + offset(distance) + zlib.compress(delta)


def insert(data):
    """Delta instructions that add data as it is."""
    out = b""
    for i in range(0, len(data), 127):
        piece = data[i:i + 127]
        out += bytes([len(piece)]) + piece
    return out


def copy(at, n):
    """A delta instruction that copies from the base."""
    op, args = 0x80, b""
    for i in range(4):
        b = (at >> (8 * i)) & 0xff
        if b:
            op |= 1 << i
            args += bytes([b])
    for i in range(3):
        b = (n >> (8 * i)) & 0xff
        if b:
            op |= 0x10 << i
            args += bytes([b])
    return bytes([op]) + args


def delta(base_len, result_len, *instructions):
    return varint(base_len) + varint(result_len) + b"".join(instructions)


def pack(*entries, count=None, version=2, trailer=None):
    """entries: Obj or raw bytes."""
    body = b"PACK" + struct.pack(">II", version,
                                 len(entries) if count is None else count)
    for e in entries:
        body += full(e) if isinstance(e, Obj) else e
    return body + (hashlib.sha1(body).digest() if trailer is None else trailer)


# ---- the base ------------------------------------------------------------

README = blob(b"".join(b"line %d of the readme\n" % i for i in range(40)))
LIB = blob(b"int f(void);\n")
BASE_DIR = tree((b"100644", b"lib.h", LIB))
BASE_TREE = tree((b"100644", b"README", README), (b"40000", b"src", BASE_DIR))
BASE = commit(BASE_TREE, message=b"base\n")
BASE_OBJECTS = (README, LIB, BASE_DIR, BASE_TREE, BASE)


def write_base(path):
    """A bare repository whose refs/heads/main is BASE; its oid."""
    for d in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        os.makedirs(os.path.join(path, d), exist_ok=True)
    with open(os.path.join(path, "HEAD"), "w") as f:
        f.write("ref: refs/heads/main\n")
    with open(os.path.join(path, "config"), "w") as f:
        f.write("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    for obj in BASE_OBJECTS:
        d = os.path.join(path, "objects", obj.oid[:2])
        os.makedirs(d, exist_ok=True)
        raw = b"%s %d\0" % (obj.kind.encode(), len(obj.data)) + obj.data
        with open(os.path.join(d, obj.oid[2:]), "wb") as f:
            f.write(zlib.compress(raw))
    with open(os.path.join(path, "refs/heads/main"), "w") as f:
        f.write(BASE.oid + "\n")
    return BASE.oid


# ---- the cases -----------------------------------------------------------

class Case(NamedTuple):
    name: str
    pack: bytes
    commands: list  # (old, new, refname)
    reason: Optional[str]  # regex of the refusal; None: well-formed
    limit: Optional[str] = None  # key of the limit that is hit


def _on_branch(name, pack_, tip, reason=None, limit=None):
    oid = tip if isinstance(tip, str) else tip.oid
    return Case(name, pack_, [(ZERO, oid, "refs/heads/" + name)], reason,
                limit)


def _good():
    text = blob(b"hello\n")
    top = tree((b"100644", b"README", README), (b"100644", b"hello", text),
               (b"40000", b"src", BASE_DIR))
    new = commit(top, [BASE])
    yield _on_branch("good", pack(text, top, new), new)
    yield _on_branch("empty", pack(), BASE)
    # objects that upstream has already may come again
    yield _on_branch("known-objects", pack(text, top, new, README, BASE), new)
    longer = blob(README.data + b"one more line\n")
    d = delta(len(README.data), len(longer.data), copy(0, len(README.data)),
              insert(b"one more line\n"))
    top = tree((b"100644", b"README", longer))
    new = commit(top, [BASE])
    yield _on_branch("thin", pack(top, new, ref_delta(README, d)), new)
    yield _on_branch("ref-delta", pack(top, new, README, ref_delta(README, d)),
                     new)
    first = full(README)
    yield _on_branch("ofs-delta",
                     pack(first, ofs_delta(len(first), d), top, new), new)
    modes = tree((b"100755", b"a", text), (b"120000", b"b", text),
                 (b"160000", b"c", "1" * 40), (b"40000", b"d", BASE_DIR))
    new = commit(modes)
    yield _on_branch("modes", pack(text, modes, new), new)
    v1 = tag(BASE)
    yield Case("tag", pack(v1), [(ZERO, v1.oid, "refs/tags/v1")], None)
    v2 = tag(v1)
    yield Case("tag-of-tag", pack(v1, v2), [(ZERO, v2.oid, "refs/tags/v2")],
               None)
    t = tag(text)
    yield Case("tag-of-blob", pack(text, t), [(ZERO, t.oid, "refs/tags/b")],
               None)
    t = tag(BASE_TREE)
    yield Case("tag-of-tree", pack(t), [(ZERO, t.oid, "refs/tags/t")], None)


def _framing():
    text = blob(b"hello\n" * 20)
    top = tree((b"100644", b"hello", text))
    new = commit(top)
    whole = pack(text, top, new)

    def bad(name, data, reason, limit=None):
        return _on_branch(name, data, new, reason, limit)

    yield bad("trailing-bytes", whole + b"x", "pack has trailing bytes")
    yield bad("second-pack", whole + whole, "pack has trailing bytes")
    for n in range(0, len(whole), 16):
        yield bad("cut-at-%d" % n, whole[:n], "pack is cut off")
    yield bad("cut-before-last", whole[:-1], "pack is cut off")
    yield bad("bad-trailer", whole[:-20] + b"\0" * 20, "SHA1|corrupt")
    yield bad("no-signature", b"PACX" + whole[4:], "no signature")
    # git reads version 3 and has never written it; libgit2 does not read it
    yield bad("version-3", pack(text, top, new, version=3), "pack version 3")
    yield bad("duplicate-objects", pack(text, top, new, text), "twice")
    yield bad("version-4", pack(text, top, new, version=4), "pack version 4")
    yield bad("count-more", pack(text, top, new, count=4),
              "pack entry|cut off|unknown type|pack entry 3")
    yield bad("count-less", pack(text, top, new, count=2),
              "trailing bytes")
    yield bad("count-huge", pack(text, top, new, count=0xffffffff),
              "too many objects", "pack-objects")
    for kind in (0, 5):
        raw = bytes([kind << 4]) + zlib.compress(b"")
        yield bad("type-%d" % kind, pack(raw, top, new), "unknown type")
    yield bad("size-more", pack(full(text, len(text.data) + 1), top, new),
              "shorter than it says")
    yield bad("size-less", pack(full(text, len(text.data) - 1), top, new),
              "longer than it says")
    yield bad("size-over-wide", pack(b"\xbf" + b"\xff" * 10 + b"\x01", top),
              "over-wide size")
    yield bad("not-deflate", pack(head("blob", 5) + b"\xff" * 20, top, new),
              "does not inflate")
    raw = zlib.compress(text.data)
    raw = raw[:-1] + bytes([raw[-1] ^ 1])
    yield bad("bad-adler", pack(head("blob", len(text.data)) + raw, top, new),
              "does not inflate")


def _bombs():
    top = tree((b"100644", b"README", README))
    new = commit(top)
    big = 2 << 30
    d = delta(len(README.data), big,
              *[copy(0, 0xffff)] * 2048)
    yield _on_branch("delta-bomb", pack(README, top, new,
                                        ref_delta(README, d)), new,
                     "too large", "object-size")
    d = delta(big, 10, copy(0, 10))
    yield _on_branch("delta-huge-base", pack(README, top, new,
                                             ref_delta(README, d)), new,
                     "too large", "object-size")
    yield _on_branch("announced-huge",
                     pack(head("blob", big) + zlib.compress(b"x"), top, new),
                     new, "too large", "object-size")
    zeros = zlib.compressobj(9)
    raw = zeros.compress(b"\0" * (1 << 20)) + zeros.flush()
    yield _on_branch("zip-bomb", pack(head("blob", 10) + raw, top, new), new,
                     "longer than it says")
    yield _on_branch("huge-commit",
                     pack(head("commit", 65 << 20) + zlib.compress(b"x")),
                     new, "too large", "object-size")


def _deltas():
    top = tree((b"100644", b"README", README))
    new = commit(top)
    a, b = "a" * 40, "b" * 40
    d = delta(10, 10, copy(0, 10))

    def bad(name, data, reason, limit=None):
        return _on_branch(name, data, new, reason, limit)

    yield bad("cyclic-ref-delta",
              pack(README, top, new, ref_delta(a, d), ref_delta(b, d)),
              "unresolved|missing|delta")
    yield bad("ofs-zero", pack(README, top, new, ofs_delta(0, d)),
              "out of bounds")
    yield bad("ofs-before-pack", pack(README, top, new, ofs_delta(1 << 20, d)),
              "out of bounds")
    yield bad("ofs-into-entry", pack(README, top, new, ofs_delta(3, d)),
              "not an entry")
    n = len(README.data)
    yield bad("delta-empty", pack(README, top, new, ref_delta(README, b"")),
              "empty delta")
    yield bad("delta-head-cut", pack(README, top, new,
                                     ref_delta(README, b"\xff")),
              "malformed delta")
    yield bad("delta-base-size", pack(README, top, new,
                                      ref_delta(README, delta(n + 1, 3,
                                                              copy(0, 3)))),
              "delta|apply")
    yield bad("delta-past-base", pack(README, top, new,
                                      ref_delta(README,
                                                delta(n, 9, copy(n - 1, 9)))),
              "delta|apply")
    yield bad("delta-opcode-0", pack(README, top, new,
                                     ref_delta(README, delta(n, 3, b"\0"))),
              "delta|apply")


# Names that must not be in a tree, and what the refusal says of them.
NAMES = {
    "dotgit": b".git", "dotgit-upper": b".GIT", "dotgit-mixed": b".gIt",
    "dotgit-ntfs-short": b"git~1", "dotgit-ntfs-short-upper": b"GIT~1",
    "dotgit-hfs": ".g\u200cit".encode(), "dotgit-hfs-end": ".git\u200d".encode(),
    "dotgit-hfs-begin": "\ufeff.git".encode(),
    "dotgit-space": b".git ", "dotgit-dot": b".git.", "dotgit-dots": b".git. .",
    "dotgit-stream": b".git::$INDEX_ALLOCATION", "dotgit-backslash": b"x\\.git",
    "dotgit-backslash-first": b".git\\config",
    "dot": b".", "dotdot": b"..", "slash": b"a/b", "absolute": b"/etc",
    "empty-name": b"",
}


def _trees():
    text = blob(b"hello\n")

    def bad(name, top, reason, *more):
        new = commit(top)
        return _on_branch(name, pack(text, top, new, *more), new, reason)

    for name, raw in NAMES.items():
        yield bad("name-" + name, tree((b"100644", raw, text)),
                  r"tree|dotgit|hasDot|\.git|fullPathname|emptyName|slash")
    yield bad("unsorted", tree((b"100644", b"b", text), (b"100644", b"a", text)),
              "order|not properly sorted|sorted")
    yield bad("duplicate-entry", tree((b"100644", b"a", text),
                                      (b"100755", b"a", text)),
              "duplicate|twice")
    sub = tree((b"100644", b"x", text))
    yield bad("file-and-dir", tree((b"100644", b"a", text),
                                   (b"100644", b"a.b", text),
                                   (b"40000", b"a", sub)),
              "duplicate|twice", sub)
    yield bad("mode-padded", tree((b"0100644", b"a", text)), "zero-padded")
    yield bad("mode-padded-dir", tree((b"040000", b"a", sub)), "zero-padded",
              sub)
    yield bad("mode-664", tree((b"100664", b"a", text)), "mode")
    yield bad("mode-odd", tree((b"100000", b"a", text)), "mode")
    yield bad("mode-over-wide", tree((b"37777777777777100644", b"a", text)),
              "mode|tree")
    yield bad("mode-not-octal", tree((b"100689", b"a", text)), "mode|tree")
    yield bad("mode-empty", tree((b"", b"a", text)), "mode|tree")
    yield bad("null-id", tree((b"100644", b"a", ZERO)),
              "null")
    yield bad("dir-is-blob", tree((b"40000", b"a", text)),
              "not a|child objects")
    yield bad("file-is-tree", tree((b"100644", b"a", sub)),
              "not a|child objects|invalid tree", sub)
    yield bad("gitmodules-symlink", tree((b"120000", b".gitmodules", text)),
              "gitmodules")
    evil = blob(b'[submodule "x"]\n\tpath = x\n\turl = -u./payload\n')
    yield bad("gitmodules-url", tree((b"100644", b".gitmodules", evil)),
              "gitmodules", evil)
    evil = blob(b'[submodule "../x"]\n\tpath = x\n\turl = https://x/\n')
    yield bad("gitmodules-name", tree((b"100644", b".gitmodules", evil)),
              "gitmodules", evil)
    cut = Obj("tree", tree((b"100644", b"a", text)).data[:-5])
    yield bad("tree-cut", cut, "tree|short|truncated")


def _commits():
    text = blob(b"hello\n")
    top = tree((b"100644", b"hello", text))
    t = b"tree " + top.oid.encode() + b"\n"
    who = b"author " + WHO + b"\ncommitter " + WHO + b"\n"

    def bad(name, raw, reason, *more):
        new = Obj("commit", raw)
        return _on_branch(name, pack(text, top, new, *more), new, reason)

    p = b"parent " + BASE.oid.encode() + b"\n"
    yield bad("two-trees", t + t + who + b"\nm\n",
              "author|tree|missing|line")
    yield bad("two-authors", t + b"author " + WHO + b"\n" + who + b"\nm\n",
              "author|line")
    yield bad("late-author", t + who + b"author " + WHO + b"\n\nm\n",
              "author")
    yield bad("late-parent", t + who + p + b"\nm\n", "parent")
    yield bad("parent-first", p + t + who + b"\nm\n", "tree|invalid")
    yield bad("committer-first", t + b"committer " + WHO + b"\nauthor " + WHO +
              b"\n\nm\n", "author")
    yield bad("no-committer", t + b"author " + WHO + b"\n\nm\n", "committer")
    yield bad("encoding-twice", t + who + b"encoding a\nencoding b\n\nm\n",
              "encoding twice")
    yield bad("gpgsig-twice", t + who + b"gpgsig a\n b\ngpgsig c\n\nm\n",
              "gpgsig twice")
    yield bad("nul-in-header", t + b"author \0" + WHO + b"\n" + who + b"\nm\n",
              "NUL|nul")
    yield bad("nul-in-message", t + who + b"\nm\0m\n", "NUL|nul")
    yield bad("bad-ident", t + b"author A <a@b> x y\n" + who[-70:] + b"\nm\n",
              "author|ident|date|line")
    yield bad("ident-two-mails", t + b"author A <a@b> <c@d> 1 +0000\n"
              b"committer " + WHO + b"\n\nm\n", "author|date|line")
    yield bad("upper-case-tree", b"tree " + top.oid.upper().encode() + b"\n" +
              who + b"\nm\n", "tree")
    yield bad("no-blank-line", t + who + b"m\n", "header|malformed")
    yield bad("tree-is-blob", b"tree " + text.oid.encode() + b"\n" + who +
              b"\nm\n", "not a|invalid commit")


def _gaps():
    text = blob(b"hello\n")
    top = tree((b"100644", b"hello", text))
    new = commit(top)
    gone = "missing|did not receive expected|not found|unable to read"
    yield _on_branch("missing-blob", pack(top, new), new, gone)
    yield _on_branch("missing-tree", pack(text, new), new, gone)
    orphan = commit(top, ["d" * 40])
    yield _on_branch("missing-parent", pack(text, top, orphan), orphan, gone)
    yield _on_branch("missing-tip", pack(text, top, new), "e" * 40,
                     "missing|unneeded")
    extra = blob(b"nobody needs me\n")
    yield _on_branch("unneeded-object", pack(text, top, new, extra), new,
                     "pack holds unneeded object " + extra.oid)
    t = tag(text, kind="commit")
    yield Case("tag-wrong-type", pack(text, t),
               [(ZERO, t.oid, "refs/tags/w")], "not a|invalid tag")
    yield Case("branch-to-tag", pack(text, top, new, tag(new)),
               [(ZERO, tag(new).oid, "refs/heads/t")], "must point to a commit")
    yield Case("branch-to-blob", pack(text), [(ZERO, text.oid, "refs/heads/b")],
               "must point to a commit")
    yield Case("branch-to-tree", pack(text, top),
               [(ZERO, top.oid, "refs/heads/t")], "must point to a commit")


def kinds():
    """Every case. Names are unique."""
    for group in (_good, _framing, _bombs, _deltas, _trees, _commits, _gaps):
        yield from group()


def main(directory):
    os.makedirs(directory, exist_ok=True)
    write_base(os.path.join(directory, "base.git"))
    for case in kinds():
        with open(os.path.join(directory, case.name + ".pack"), "wb") as f:
            f.write(case.pack)
        print(case.name, len(case.pack), case.limit or "-",
              case.reason or "good", sep="\t")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make.py DIR")
    main(sys.argv[1])
