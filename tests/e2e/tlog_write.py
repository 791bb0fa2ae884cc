"""Write a log as whoever has its key could: any entries, chained, hashed and
signed as they should be. From the specifications, as tlog_verify.py."""

import base64
import json
import os

import tlog_verify as t
from witness import ed25519_sign


def chained(entries):
    """The entries with seq and prev as their places want them."""
    last = {}
    for i, e in enumerate(entries):
        e = {k: v for k, v in e.items() if k != "prev"} | {"seq": i}
        place = (e.get("repository"), e.get("ref"))
        if all(isinstance(x, str) for x in place):
            if place in last:
                e["prev"] = last[place]
            last[place] = i
        yield json.dumps(e, sort_keys=True, separators=(",", ":")).encode()


def put(directory, path, data):
    path = os.path.join(directory, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def write(directory, key_line, entries):
    """key_line: of the gate's log key, PRIVATE+KEY+name+id+base64."""
    _, _, name, key_id, key = key_line.strip().split("+", 4)
    lines = list(chained(entries))
    edge, level, n = t.Edge(), [t.leaf_hash(x) for x in lines], 0
    for leaf in level:
        edge.add(leaf)
    for first in range(0, len(lines), t.FULL):
        some = lines[first : first + t.FULL]
        put(directory, t.tile_path("entries", first // t.FULL, len(some)), b"".join(len(x).to_bytes(2, "big") + x for x in some))
    while level:
        full = []
        for first in range(0, len(level), t.FULL):
            some = level[first : first + t.FULL]
            put(directory, t.tile_path(n, first // t.FULL, len(some)), b"".join(some))
            if len(some) == t.FULL:
                full.append(t.complete_root(some))
        level, n = full, n + 1
    text = f"{name}\n{len(lines)}\n{base64.b64encode(edge.root()).decode()}\n".encode()
    _, signature = ed25519_sign(base64.b64decode(key)[1:33], text)
    line = base64.b64encode(bytes.fromhex(key_id) + signature).decode()
    put(directory, "checkpoint", text + f"\n\u2014 {name} {line}\n".encode())
