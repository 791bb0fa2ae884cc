#!/usr/bin/python3
"""What the gate costs: the same work through it and straight to upstream.

    make bench            or  tests/bench/run.py [ROUNDS]

Upstream is git-http-backend behind nginx, the client is git, both ways take
turns in one run, and each figure is the median. The gate has rules on paths,
so that it looks at every commit. It prints a table and judges nothing.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from gate import Gate, Git  # noqa: E402
from upstreams import nginx  # noqa: E402

RULES = [
    {"name": "migrations", "when": {"refs": ["refs/heads/**"], "paths": ["migrations/**"]}, "then": "hold",
     "approvals": {"required": 1, "from": ["dba"]}},
    {"name": "no-rewrite", "when": {"refs": ["refs/heads/main"], "updates": ["force", "delete"]}, "then": "deny"},
]
SMALL, LARGE = 1, 10000


def fill(work, branch, files):
    """A branch on main with one commit that adds so many small files."""
    text = [f"commit refs/heads/{branch}\ncommitter C <c@example.com> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"]
    for i in range(files):
        data = f"{branch} {i} {os.urandom(20).hex()}\n"
        text.append(f"M 100644 inline {branch}/{i % 100}/{i}\ndata {len(data)}\n{data}\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=work.path, input="".join(text).encode(), check=True)


def timed(work, *args):
    at = time.monotonic()
    work.run(*args)
    return (time.monotonic() - at) * 1000


class Bench:
    def __init__(self, root, gate, server):
        direct, self.direct = server.repo("direct")
        behind, _ = server.repo("behind")
        token = gate.token("bench", "agents")
        self.gated = gate.remote(token, "bench/behind")
        (root / "work").mkdir()
        self.root, self.work = root, Git(root / "work", gate.home)
        self.work.run("init", "-q", "-b", "main")
        self.work.run("config", "gc.auto", "0")
        self.work.commit({f"d{i}/f": "x" * i for i in range(50)})
        for url in (self.direct, self.gated):
            self.work.run("push", "-q", url, "main")
        self.n, self.figures = 0, {}

    def both(self, name, act):
        """One turn each way; who goes first changes from turn to turn."""
        self.n += 1
        ways = [("direct", self.direct), ("gate", self.gated)]
        for way, url in ways if self.n % 2 else reversed(ways):
            self.figures.setdefault(name, {}).setdefault(way, []).append(act(url))

    def push(self, name, files):
        branch = f"b{self.n}"
        fill(self.work, branch, files)
        self.both(name, lambda url: timed(self.work, "push", "-q", url, branch))

    def clone(self, name):
        def act(url):
            to = self.root / "clone"
            ms = timed(self.work, "clone", "-q", "--bare", url, to)
            shutil.rmtree(to)
            return ms

        self.both(name, act)

    def fetch(self, name):
        self.both(name, lambda url: timed(self.work, "ls-remote", "-q", url, "main"))

    def table(self):
        yield "| what | direct, ms | through the gate, ms | ratio |"
        yield "| --- | ---: | ---: | ---: |"
        for name, both in self.figures.items():
            a, b = (statistics.median(both[way]) for way in ("direct", "gate"))
            yield f"| {name} (median of {len(both['gate'])}) | {a:.0f} | {b:.0f} | {b / a:.2f} |"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    root = Path(tempfile.mkdtemp(prefix="gitgate-bench-"))
    try:
        with nginx(root / "server") as server:
            repositories = [{"path": "bench/*", "upstream": f"{server.base}/*.git"}]
            with Gate(root, repositories=repositories, rules=RULES) as gate:
                bench = Bench(root, gate, server)
                for i in range(rounds):
                    bench.fetch("ls-remote")
                    bench.push("push, 1 commit with 1 file", SMALL)
                    if i % 3 == 0:
                        bench.push("push, 10,000 new files", LARGE)
                        bench.clone("clone of all that was pushed")
                print("\n".join(bench.table()))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
