#!/usr/bin/python3
"""What a hold's page costs: bytes, and time to its first byte, on this
machine.

    tests/bench/page.py [ROUNDS]

The push has a commit of a few files, then one of many lines. One connection
per request, as http.client makes it; the figure is the median. It prints a
table and judges nothing.
"""

import http.client
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from gate import PROTECT_MAIN, Gate, hold_id  # noqa: E402
from websession import Browserless  # noqa: E402

PASSWORD = "correct horse battery"
PUSHES = {
    "20 lines in 4 files": {f"f{i}.c": f"int x{i};\n" * 5 for i in range(4)},
    "3,000 lines in 30 files": {f"f{i}.c": "".join(f"int x{n} = {n};\n" for n in range(100)) for i in range(30)},
    "200,000 lines in 100 files": {f"f{i}.c": "".join(f"int x{n} = {n};\n" for n in range(2000)) for i in range(100)},
}


def measure(session, address, path, rounds):
    first, body = [], b""
    for _ in range(rounds):
        c = http.client.HTTPConnection(address)
        at = time.monotonic()
        c.request("GET", path, headers=session.headers())
        answer = c.getresponse()
        answer.read(1)
        first.append((time.monotonic() - at) * 1000)
        body = answer.read()
        c.close()
    without = re.sub(rb"<table class=\"diff.*?</table>", b"", body, flags=re.S)
    return statistics.median(first), len(body), len(without)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory(prefix="gitgate-bench-") as root, Gate(Path(root), rules=[PROTECT_MAIN]) as g:
        g.user("ann", PASSWORD, "maintainers")
        session = Browserless(g, "ann", PASSWORD)
        token = g.token("bench", "agents")
        print("| held push | first byte, ms | page, kB | without its diff, kB |\n| --- | ---: | ---: | ---: |")
        for n, (name, files) in enumerate(PUSHES.items()):
            work = g.clone(token)
            work.commit(files)
            id = hold_id(work.push("HEAD:refs/heads/main", ok=False))
            ms, size, without = measure(session, g.address, f"/-/holds/{id}", rounds)
            print(f"| {name} | {ms:.1f} | {size / 1000:.0f} | {without / 1000:.0f} |")


if __name__ == "__main__":
    main()
