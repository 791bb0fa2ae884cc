#!/usr/bin/python3
"""How long a page takes to its first byte, with 10,000 holds and pushes.

    tests/bench/pages.py [HOLDS]

For somebody who may decide on those that wait (every tenth), over a new
connection each time. It prints a table and judges nothing.
"""

import http.client
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from gate import PROTECT_MAIN, Gate, hold_id  # noqa: E402
from websession import Browserless  # noqa: E402

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PASSWORD = "correct horse battery"
ROUNDS = 25


def multiply(file, hold, n):
    """Copies of one hold and its push, older than it; every tenth waits."""
    db = sqlite3.connect(file)
    columns = {t: [r[1] for r in db.execute(f"PRAGMA table_info({t})")] for t in ("push", "hold")}
    (push,) = db.execute("SELECT push_id FROM hold WHERE id = ?", (hold,)).fetchone()
    for i in range(n):
        id = "01JD" + "".join(ALPHABET[i // 32**k % 32] for k in (3, 2, 1, 0)) + "0" * 18
        for table, one in (("push", push), ("hold", hold)):
            state = "denied" if table == "push" else "rejected" if i % 10 else "pending"
            put = {"id": id, "push_id": id, "key": str(i), "state": state}
            values = ", ".join(f"'{put[c]}'" if c in put else c for c in columns[table])
            db.execute(f"INSERT INTO {table} ({', '.join(columns[table])}) SELECT {values} FROM {table} WHERE id = ?", (one,))
    db.commit()
    db.close()


def first_byte(g, session, path):
    c = http.client.HTTPConnection(*g.address.split(":"))
    c.connect()
    at = time.monotonic()
    c.request("GET", path, headers=session.headers())
    c.sock.recv(1)
    ms = (time.monotonic() - at) * 1000
    c.close()
    return ms


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    root = Path(tempfile.mkdtemp(prefix="gitgate-bench-"))
    try:
        with Gate(root, rules=[PROTECT_MAIN]) as g:
            g.user("ann", PASSWORD, "maintainers", "auditors")
            work = g.clone(g.token("bot", "agents"))
            work.commit({"a.txt": "a\n"})
            id = hold_id(work.push("main", ok=False))
            g.stop()
            multiply(g.state / "gitgate.db", id, n)
            g.start()
            s = Browserless(g, "ann", PASSWORD)
            print("| page | first byte, ms (median) | slowest |\n| --- | ---: | ---: |")
            for name, path in (
                ("a hold", f"/-/holds/{id}"), ("mine to decide", "/-/holds?view=mine"), ("all open", "/-/holds?view=open"),
                ("done", "/-/holds?view=done"), ("a text that none has", "/-/holds?view=all&text=nothing-like-it"),
                ("pushes", "/-/pushes"), ("repositories", "/-/repositories"), ("audit log", "/-/audit"),
            ):  # fmt: skip
                ms = [first_byte(g, s, path) for _ in range(ROUNDS)]
                print(f"| {name} | {statistics.median(ms):.1f} | {max(ms):.1f} |")
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
