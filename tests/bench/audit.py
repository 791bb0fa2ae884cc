#!/usr/bin/python3
"""A log of 100,000 entries, a month of pushes: written, verified, searched.

    tests/bench/audit.py [ENTRIES] [sqlite|postgresql]

tests/bench/fill.c writes the log as a gate does, some 22,000 pushes, from one
and from eight threads; then again with the index and the pushes' rows. A gate
starts with that. Times of searches are those of a gate to the first byte, over
a new connection each time: the median, the fastest, and what the gate's threads
ran for it (with nothing to do a gate uses none); and the fastest of the command
line, its start included. A machine that does other work moves all but CPU.
"""

import contextlib
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import postgres  # noqa: E402
from gate import BIN, Gate  # noqa: E402

ORIGIN = "gate.example.com/audit"
ROUNDS = 9


def size_of(path):
    """Bytes on disk, and files."""
    files = [p for p in (Path(path), *Path(path).rglob("*")) if p.is_file()]
    return sum(p.stat().st_blocks * 512 for p in files), len(files)


def fill(state, n, threads, *store):
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    p = subprocess.run([BIN / "tests/bench/fill", state, str(n), str(threads), *store], capture_output=True, text=True, check=True)
    print("-", p.stdout.splitlines()[0] + (f", with the index ({store[0].split(':')[0]})" if store else ""))
    return p.stdout.splitlines()[1]


def timed(args, env=None):
    """Wall and CPU seconds, and MiB of one command."""
    at = time.monotonic()
    p = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})})
    said = p.stdout.read()
    _, status, used = os.wait4(p.pid, 0)
    wall = time.monotonic() - at
    assert status == 0, said
    return f"{wall:.2f} s ({used.ru_utime + used.ru_stime:.2f} s of CPU), {used.ru_maxrss / 1024:.0f} MiB: {said.splitlines()[0]}"


def first_byte(g, token, query):
    c = http.client.HTTPConnection(*g.address.split(":"))
    c.connect()
    at = time.monotonic()
    c.request("GET", "/-/api/v1/audit?" + urllib.parse.urlencode(query), headers={"Authorization": f"Bearer {token}"})
    c.sock.recv(1)
    ms = (time.monotonic() - at) * 1000
    c.close()
    return ms


def command(g, query):
    args = [x for k, v in query.items() for x in (f"--{k}", v)]
    at = time.monotonic()
    subprocess.run([BIN / "gitgate", "--config", g.config_file, "audit", "query", *args, "--json"], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - at) * 1000


def cases(g, token):
    ask = lambda q: g.api("GET", "/audit?" + urllib.parse.urlencode(q), token).json["entries"]
    held = ask({"verdict": "hold", "limit": 1})[0]
    deep = "2000"
    return {
        "nothing": {}, "nothing, the last pages": {"cursor": deep},
        "repository": {"repository": "team/r7"}, "repository and ref": {"repository": "team/r7", "ref": "refs/heads/b3"},
        "ref": {"ref": "refs/heads/b3"}, "principal": {"principal": "agent-7"}, "type": {"type": "ref.update"},
        "type, the last pages": {"type": "ref.update", "cursor": deep}, "push": {"push": held["push"]}, "hold": {"hold": held["hold"]},
        "verdict": {"verdict": "deny"}, "reviewer": {"reviewer": "person-10"}, "rule": {"rule": "rule-7"}, "rule that there is not": {"rule": "none"},
        "a day that was before": {"until": "2020-01-01"}, "since": {"since": "2020-01-01"},
        "type and verdict, none": {"type": "push.received", "verdict": "deny"}, "rule and type, none": {"rule": "rule-7", "type": "push.received"},
        "rule and reviewer": {"rule": "rule-0", "reviewer": "person-10"}, "repository, rule and principal": {"repository": "team/r7", "rule": "rule-7", "principal": "agent-7"},
        "path, rare": {"path": "src/part3/file151.c"}, "path, a directory": {"path": "src/part3/"}, "path, of all": {"path": "src/"},
        "path and ref": {"path": "src/part3/", "ref": "refs/heads/b3"}, "glob": {"path": "src/part3/*1.c"}, "glob, wide": {"path": "**/*1.c"},
        "glob, none": {"path": "**/*.sql"}, "glob, of all, and a type that is none": {"path": "src/**", "type": "none"},
    }  # fmt: skip


def cpu(g):
    """Milliseconds that the gate's threads have run, whatever else did."""
    (pid,) = g.pids("gate")
    return sum(int(t.read_text().split()[0]) for t in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def search(g, token):
    print("\n| by | first byte, ms | fastest | CPU, ms | command line, ms |\n| --- | ---: | ---: | ---: | ---: |")
    for name, q in cases(g, token).items():
        before = cpu(g)
        ms = [first_byte(g, token, q) for _ in range(ROUNDS)]
        used = (cpu(g) - before) / ROUNDS
        line = [command(g, q) for _ in range(5)]
        print(f"| {name} | {statistics.median(ms):.1f} | {min(ms):.1f} | {used:.1f} | {min(line):.0f} |")
    ms = []
    for _ in range(ROUNDS):
        at = time.monotonic()
        g.api("GET", "/audit/timeline?repository=team/r7&ref=refs/heads/b3", token)
        ms.append((time.monotonic() - at) * 1000)
    print(f"| timeline of a ref | {statistics.median(ms):.1f} | {min(ms):.1f} | | |")


def start(g):
    """A gate's start until it is ready, in ms."""
    at = time.monotonic()
    g.start()
    return (time.monotonic() - at) * 1000


def measure(root, n, database):
    for threads in (1, 8):
        key = fill(root / f"t{threads}", n, threads)
    log = root / "t8" / "log"
    blocks, files = size_of(log)
    opened, _ = size_of(log / "private")
    print(f"- on disk: {blocks / 2**20:.0f} MiB in {files} files, {opened / 2**20:.0f} MiB of it openings")
    print("- verify a directory:", timed([BIN / "gitgate", "audit", "verify", "--key", key, log]))

    rules = [{"name": "rest", "when": {"refs": ["refs/heads/*"]}, "then": "hold", "approvals": {"required": 1, "from": ["maintainers"]}}]
    config = {"log-origin": ORIGIN, "log-key": str(root / "gate" / "state" / "log.key"), "store": database}
    g = Gate(root, rules=rules, config=config, start=False)
    key = fill(g.state, n, 8, database)
    if database == "sqlite":
        print(f"- the database: {size_of(g.state / 'gitgate.db')[0] / 2**20:.0f} MiB")
    with g:
        first = start(g)
        g.stop()
        print(f"- start of a gate: {first:.0f} ms the first time, then {start(g):.0f} ms")
        token = g.token("olga", "auditors")
        print("- verify a URL:", timed([BIN / "gitgate", "audit", "verify", "--key", key, g.url], {"GITGATE_URL": g.url, "GITGATE_TOKEN": token}))
        search(g, token)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    root = Path(tempfile.mkdtemp(prefix="gitgate-bench-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        database = "sqlite"
        if "postgresql" in sys.argv[2:]:
            database = stack.enter_context(postgres.cluster()).url
        measure(root, n, database)


if __name__ == "__main__":
    main()
