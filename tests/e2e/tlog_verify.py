#!/usr/bin/python3
"""Verify a gitgate audit log with nothing but its files and its public key.

Written from the specifications alone (RFC 6962, RFC 8032, C2SP signed-note,
tlog-checkpoint, tlog-tiles, tlog-proof and tlog-cosignature, docs/formats.md), so that it shares no line
with the program that wrote the log. Only the standard library is used.

    tlog_verify.py [--witness VKEY]... [--since FILE] VKEY DIRECTORY
    tlog_verify.py [--witness VKEY]... --receipt [--opening FILE] VKEY FILE

prints the size and root that were checked, or the first fault (status 1).
Every witness that is named must have cosigned the checkpoint; --since names a
checkpoint that was kept elsewhere, which the log must continue.
As a module: verify(directory, vkey) -> (size, root_base64), or LogError.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import sys

FULL = 256  # hashes in a full tile, entries in a full bundle


class LogError(Exception):
    """The first fault, beginning with the file it is in."""


# -- Ed25519, RFC 8032 section 5.1, verification only -----------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P != 0:
        return None
    return P - x if x & 1 != sign else x


def decompress(raw):
    y = int.from_bytes(raw, "little")
    sign = y >> 255
    y &= 2**255 - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(n, p):
    result = (0, 1, 1, 0)
    while n > 0:
        if n & 1:
            result = add(result, p)
        p = add(p, p)
        n >>= 1
    return result


def same_point(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (
        p[1] * q[2] - q[1] * p[2]
    ) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(h, "little") % ORDER
    return same_point(multiply(s, BASE), add(r, multiply(k, a)))


# -- notes and checkpoints ---------------------------------------------------


def unbase64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # one text per value: b64decode() lets spare bits pass
    return raw if base64.b64encode(raw).decode() == text else None


def parse_vkey(vkey, kind=1):
    """(name, id, 32 bytes) of "name+hex+base64"; kind 4: of a witness."""
    parts = vkey.split("+", 2)
    raw = unbase64(parts[2]) if len(parts) == 3 else None
    if raw is None or len(raw) != 33 or raw[0] != kind:
        raise LogError("the verifier key is not an Ed25519 one of its kind")
    name = parts[0]
    key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if not name or key_id.hex() != parts[1].lower():
        raise LogError("the verifier key does not fit its name and id")
    return name, key_id, raw[1:]


def signatures(note, name, key_id):
    """(text, what lines of this key carry behind the key's id)"""
    text, gap, tail = note.rpartition(b"\n\n")
    if not gap or not tail.endswith(b"\n"):
        raise LogError("checkpoint: not a signed note")
    found = []
    for line in tail[:-1].split(b"\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)".encode(), line)
        raw = match and unbase64(match[2].decode())
        if not raw or len(raw) <= 4:
            raise LogError("checkpoint: a bad signature line")
        if match[1] == name.encode() and raw[:4] == key_id:
            found.append(raw[4:])
    return text + b"\n", found


def open_checkpoint(note, vkey):
    """(size, root) of a note that the key has signed."""
    name, key_id, public = parse_vkey(vkey)
    text, found = signatures(note, name, key_id)
    if not all(ed25519_verify(public, text, raw) for raw in found):
        raise LogError("checkpoint: the signature is wrong")
    if not found:
        raise LogError("checkpoint: not signed with this key")
    return parse_checkpoint(text, name)


def cosigned_at(note, vkey):
    """When the witness with this key cosigned a note (seconds), or None."""
    name, key_id, public = parse_vkey(vkey, kind=4)
    text, found = signatures(note, name, key_id)
    when = None
    for raw in found:
        when = int.from_bytes(raw[:8], "big")
        message = b"cosignature/v1\ntime %d\n" % when + text
        if len(raw) != 72 or not ed25519_verify(public, message, raw[8:]):
            raise LogError("checkpoint: the cosignature of %s is wrong" % name)
    return when


def check_witnesses(note, witnesses):
    for vkey in witnesses:
        if cosigned_at(note, vkey) is None:
            raise LogError("checkpoint: not cosigned by " + vkey.split("+")[0])


def parse_checkpoint(text, name):
    lines = text.decode("utf-8", "strict").split("\n")
    if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1]:
        raise LogError("checkpoint: malformed")
    if lines[0] != name:
        raise LogError("checkpoint: of another log: " + lines[0])
    root = unbase64(lines[2])
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise LogError("checkpoint: bad size")
    if root is None or len(root) != 32:
        raise LogError("checkpoint: bad root")
    return int(lines[1]), root


# -- the tree ----------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def complete_root(hashes):
    while len(hashes) > 1:
        hashes = [
            node_hash(hashes[i], hashes[i + 1])
            for i in range(0, len(hashes), 2)
        ]
    return hashes[0]


class Edge:
    """Roots of complete subtrees, largest first: (leaves, hash)."""

    def __init__(self):
        self.parts = []

    def add(self, leaf):
        part = (1, leaf)
        while self.parts and self.parts[-1][0] == part[0]:
            n, left = self.parts.pop()
            part = (2 * n, node_hash(left, part[1]))
        self.parts.append(part)

    def root(self):
        if not self.parts:
            return hashlib.sha256(b"").digest()
        acc = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            acc = node_hash(left, acc)
        return acc


# -- files ---------------------------------------------------------------------


def tile_path(level, n, width):
    groups = ["%03d" % (n % 1000)]
    while n >= 1000:
        n //= 1000
        groups.insert(0, "x%03d" % (n % 1000))
    path = "tile/%s/%s" % (level, "/".join(groups))
    return path if width == FULL else "%s.p/%d" % (path, width)


def read_file(directory, path):
    try:
        with open(os.path.join(directory, path), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def read_tile(directory, level, n, width):
    """(path, bytes); a partial tile may have given way to the full one."""
    for w in {width: 0, FULL: 0}:
        path = tile_path(level, n, w)
        data = read_file(directory, path)
        if data is not None:
            return path, data, w
    raise LogError("%s is missing" % tile_path(level, n, width))


def read_hashes(directory, level, n, width):
    path, data, w = read_tile(directory, level, n, width)
    if len(data) != 32 * w:
        raise LogError("%s: %d bytes" % (path, len(data)))
    return path, [data[i : i + 32] for i in range(0, 32 * width, 32)]


def read_bundle(directory, n, width):
    path, data, w = read_tile(directory, "entries", n, width)
    entries, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        at += 2 + size
        if at > len(data) or at - size < 2:
            raise LogError("%s: ends within an entry" % path)
        entries.append(data[at - size : at])
    if len(entries) != w:
        raise LogError("%s: %d entries" % (path, len(entries)))
    return path, entries[:width]


# -- entries -------------------------------------------------------------------


def no_repeats(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key is repeated")
    return keys


def no_such_value(text):
    raise ValueError("value " + text)


def is_allowed(value):
    if isinstance(value, dict):
        return all(is_allowed(v) for v in value.values())
    if isinstance(value, list):
        return all(is_allowed(v) for v in value)
    return isinstance(value, (str, int))  # bool is an int


def entry_fault(raw, index, last):
    """What is wrong with an entry, or None. last: (repository, ref) -> index"""
    try:
        entry = json.loads(
            raw.decode("ascii"),
            object_pairs_hook=no_repeats,
            parse_float=no_such_value,
            parse_constant=no_such_value,
        )
    except (ValueError, RecursionError) as e:
        return str(e)
    if not isinstance(entry, dict) or not is_allowed(entry):
        return "not an entry"
    if entry.get("v") != 1 or not isinstance(entry.get("type"), str):
        return "no version or type"
    if entry.get("seq") != index:
        return "it says it is %s" % entry.get("seq")
    time = entry.get("time")
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    if not isinstance(time, str) or not re.fullmatch(form, time, re.ASCII):
        return "no time"
    pair = (entry.get("repository"), entry.get("ref"))
    if not all(isinstance(x, str) for x in pair):
        return "prev without a ref" if "prev" in entry else None
    was = last.get(pair)
    last[pair] = index
    if entry.get("prev") != was:
        return "prev is %s, not %s" % (entry.get("prev"), was)
    return None


# -- the whole -----------------------------------------------------------------


class Checker:
    """Computes all hashes from the entries and compares the files with them.

    faults: (index, level, message if the entries are good, message if they
    are not); level -1 is an entry that breaks a rule of the log.
    """

    def __init__(self, directory, size, old_size=0):
        self.directory = directory
        self.size = size
        self.old_size = old_size
        self.old_root = None  # of the first old_size entries
        self.edge = Edge()
        self.levels = [[]]
        self.tile_n = [0]
        self.last = {}
        self.faults = []

    def compare(self, level):
        mine = self.levels[level]
        n = self.tile_n[level]
        if not mine:
            return
        path, theirs = read_hashes(self.directory, level, n, len(mine))
        for i, (a, b) in enumerate(zip(mine, theirs)):
            if a != b:
                at = (n * FULL + i) * FULL**level
                good = "%s: hash %d is not that of its entries" % (path, i)
                bad = good
                if level == 0:
                    bundle = tile_path("entries", n, len(mine))
                    bad = "%s: entry %d is not what was logged" % (bundle, at)
                self.faults.append((at, level, good, bad))
                return

    def push(self, level, value):
        if level == len(self.levels):
            self.levels.append([])
            self.tile_n.append(0)
        self.levels[level].append(value)
        if len(self.levels[level]) == FULL:
            self.compare(level)
            self.push(level + 1, complete_root(self.levels[level]))
            self.levels[level] = []
            self.tile_n[level] += 1

    def run(self):
        for first in range(0, self.size, FULL):
            width = min(FULL, self.size - first)
            path, entries = read_bundle(self.directory, first // FULL, width)
            for i, raw in enumerate(entries):
                fault = entry_fault(raw, first + i, self.last)
                if fault:
                    text = "%s: entry %d: %s" % (path, first + i, fault)
                    self.faults.append((first + i, -1, text, text))
                leaf = leaf_hash(raw)
                self.edge.add(leaf)
                if first + i + 1 == self.old_size:
                    self.old_root = self.edge.root()
                self.push(0, leaf)
        for level in range(len(self.levels)):
            self.compare(level)

    def judge(self, root):
        is_good = self.edge.root() == root
        faults = self.faults
        if not is_good:
            # hashes further up only repeat what an entry's own one says
            faults = [f for f in faults if f[1] <= 0] or faults
        if faults:
            at = min(faults, key=lambda f: f[:2])
            raise LogError(at[2] if is_good else at[3])
        if not is_good:
            raise LogError("checkpoint: not the root of the entries")


def beginning(data, level, width):
    """The first bytes of a good tile: so many entries or hashes."""
    if level != "entries":
        return data[: 32 * width]
    at = 0
    for _ in range(width):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def check_partials(directory, size):
    """Those of earlier sizes are beginnings of what was verified; a later one
    is no part of the log of this size."""
    for parent, _, names in os.walk(os.path.join(directory, "tile")):
        for path in (os.path.relpath(os.path.join(parent, x), directory) for x in names):
            m = re.fullmatch(r"tile/(entries|[0-9]+)/([x0-9/]+)\.p/([1-9][0-9]*)", path)
            if m is None:
                continue
            level, n, width = m[1], int("0" + re.sub("[x/]", "", m[2])), int(m[3])
            if tile_path(level, n, width) != path:
                continue
            left = (size >> 8 * (0 if level == "entries" else int(level))) - n * FULL
            if width >= min(left, FULL):
                continue
            mine = read_file(directory, path)
            good = read_tile(directory, level, n, min(left, FULL))[1]
            if mine is not None and mine != beginning(good, level, width):
                raise LogError("%s: not the first of the whole tile" % path)


def verify(directory, vkey, witnesses=(), since=None):
    """Check everything; (size, root in base64), or LogError."""
    parse_vkey(vkey)
    note = read_file(directory, "checkpoint")
    if note is None:
        raise LogError("checkpoint is missing")
    old_size, old_root = 0, None
    try:
        size, root = open_checkpoint(note, vkey)
        check_witnesses(note, witnesses)
        if since is not None:
            old_size, old_root = open_checkpoint(since, vkey)
    except UnicodeDecodeError:
        raise LogError("checkpoint: not UTF-8") from None
    if old_size > size:
        raise LogError("forked: it had %d entries, and now %d" % (old_size, size))
    checker = Checker(directory, size, old_size)
    checker.run()
    checker.judge(root)
    check_partials(directory, size)
    if old_size > 0 and checker.old_root != old_root:
        raise LogError("forked: the first %d entries were others" % old_size)
    return size, base64.b64encode(root).decode()


# -- personal data -------------------------------------------------------------


def canonical(value):
    """Compact JSON with sorted keys in ASCII; \\uXXXX in upper case, DEL as it is."""

    def escape(m):
        return "\x7f" if m[1] == "u007f" else "\\" + m[1][0] + m[1][1:].upper()

    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return re.sub(r"\\(u[0-9a-f]{4}|.)", escape, text)


def open_entry(raw, opening):
    """An entry with the values that its hashes commit to, or LogError."""
    entry = json.loads(raw)
    for place, one in opening.items():
        *above, member = place.split(".")
        holder = entry
        for name in above:
            holder = holder.get(name, {})
        salted = bytes.fromhex(one["salt"]) + canonical(one["value"]).encode("ascii")
        if len(one["salt"]) != 32 or holder.get(member) != {"sha256": hashlib.sha256(salted).hexdigest()}:
            raise LogError("%s is not what was logged" % place)
        holder[member] = one["value"]
    return entry


# -- receipts (C2SP tlog-proof) ------------------------------------------------


def inclusion_root(index, size, leaf, proof):
    """The root that a proof gives (RFC 9162 section 2.1.3.2), or None."""
    if index >= size:
        return None
    fn, sn, acc = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            acc = node_hash(p, acc)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            acc = node_hash(acc, p)
        fn, sn = fn >> 1, sn >> 1
    return acc if sn == 0 else None


def consistent(old, old_root, size, root, proof):
    """Does a proof (RFC 9162 section 2.1.4.2) join these two trees?"""
    if old == 0 or old > size:
        return old == 0 and not proof
    if old == size:
        return not proof and old_root == root
    if old & (old - 1) == 0:
        proof = [old_root] + proof
    if not proof:
        return False
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


def verify_receipt(text, vkey, entry=None):
    """(index, entry) that a receipt proves; its own entry if none is given."""
    head, gap, note = text.partition(b"\n\n")
    lines = head.split(b"\n")
    if not gap or lines.pop(0) != b"c2sp.org/tlog-proof@v1":
        raise LogError("not a receipt")
    if lines and lines[0].startswith(b"extra "):
        carried = unbase64(lines.pop(0)[6:].decode())
        if carried is None:
            raise LogError("a bad extra line")
        entry = carried if entry is None else entry
    if entry is None:
        raise LogError("the receipt does not carry its entry")
    match = lines and re.fullmatch(b"index (0|[1-9][0-9]{0,18})", lines.pop(0))
    proof = [unbase64(line.decode()) for line in lines]
    if not match or any(p is None or len(p) != 32 for p in proof):
        raise LogError("a malformed receipt")
    size, root = open_checkpoint(note, vkey)
    index = int(match[1])
    if inclusion_root(index, size, leaf_hash(entry), proof) != root:
        raise LogError("the receipt does not prove this entry")
    return index, entry


def main(argv):
    usage = argparse.ArgumentParser(description="Verify a gitgate audit log.")
    usage.add_argument("--witness", action="append", default=[], metavar="VKEY")
    usage.add_argument("--since", metavar="FILE")
    usage.add_argument("--receipt", action="store_true")
    usage.add_argument("--opening", metavar="FILE", help="of the receipt's entry")
    usage.add_argument("vkey")
    usage.add_argument("where", metavar="DIRECTORY|FILE")
    o = usage.parse_args(argv[1:])
    try:
        if o.receipt:
            with open(o.where, "rb") as f:
                text = f.read()
            index, entry = verify_receipt(text, o.vkey)
            check_witnesses(text.partition(b"\n\n")[2], o.witness)
            if o.opening is not None:
                with open(o.opening, "rb") as f:
                    entry = json.dumps(open_entry(entry, json.load(f))).encode()
            print(index, entry.decode("ascii"))
            return 0
        since = None
        if o.since is not None:
            with open(o.since, "rb") as f:
                since = f.read()
        print(*verify(o.where, o.vkey, o.witness, since))
    except (LogError, UnicodeDecodeError) as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
