"""Search in an audit log of 100,000 entries, a month of pushes:

    /usr/bin/python3 tests/bench/audit.py [ENTRIES]

Fills the index of an empty store with synthetic entries and measures what
`store_audit_query` runs, by the command line (its start included).
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("GITGATE_BUILD", ROOT / "build"))
N = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
REPOSITORIES, PRINCIPALS, REFS, RULES, PEOPLE, PATHS = 40, 200, 50, 20, 30, 2000


def entry(i):
    """Three entries of each push; every tenth push is held."""
    push, step = divmod(i, 3)
    e = {
        "v": 1, "seq": i, "time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1.79e9 + i * 26)),
        "type": ("push.received", "ref.update", "forward.result")[step], "push": f"01JD{push:022d}",
        "repository": f"team/r{push % REPOSITORIES}", "principal": f"agent-{push % PRINCIPALS}",
        "ref": f"refs/heads/b{push % REFS}", "old": "0" * 40, "new": f"{push:040x}", "kind": "fast-forward",
        "verdict": ("allow", "hold", "deny")[0 if push % 10 else 1 + push // 10 % 2],
        "rules": [{"rule": f"rule-{push % RULES}", "verdict": "allow", "matches": 1}], "result": "ok",
    }  # fmt: skip
    if push % 10 == 0:
        e.update(hold=f"01JE{push:022d}", reviewers=[f"person-{push % PEOPLE}"])
    return e


def fill(path):
    db = sqlite3.connect(path)
    for i in range(N):
        e = entry(i)
        db.execute(
            "INSERT INTO audit_index (number, time_ms, type, repository, ref, principal, push, verdict, hold, entry) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (i, (1790000000 + i * 26) * 1000, e["type"], e["repository"], e["ref"], e["principal"], e["push"], e["verdict"], e.get("hold", ""), json.dumps(e)),
        )
        db.executemany(
            "INSERT INTO audit_word VALUES (?,?,?)", [("rule", r["rule"], i) for r in e["rules"]] + [("reviewer", p, i) for p in e.get("reviewers", [])]
        )
        if i % 3 == 0:
            db.executemany("INSERT INTO audit_path VALUES (?,?)", [(f"src/{i % PATHS}", e["push"]), ("src/", e["push"])])
    db.commit()


def main():
    with tempfile.TemporaryDirectory() as d:
        (Path(d) / "policy.d").mkdir()
        (Path(d) / "state").mkdir(mode=0o700)
        config = Path(d) / "gitgate.yaml"
        config.write_text(f"listen: 127.0.0.1:0\npublic-url: http://127.0.0.1\nstate-dir: {d}/state\npolicy-dir: {d}/policy.d\nrepositories:\n  - path: a/b\n    upstream: /srv/b.git\n")

        def query(*args):
            start = time.monotonic()
            p = subprocess.run([BIN / "gitgate", "--config", config, "audit", *args, "--json"], capture_output=True, check=True, text=True)
            return (time.monotonic() - start) * 1000, json.loads(p.stdout)

        query("query")
        fill(Path(d) / "state" / "gitgate.db")
        last = N // 3 - 1
        held = last - last % 10
        cases = {
            "newest": [], "repository": ["--repository", "team/r7"], "ref": ["--ref", "refs/heads/b7"], "principal": ["--principal", "agent-7"],
            "type": ["--type", "ref.update"], "push": ["--push", f"01JD{held:022d}"], "hold": ["--hold", f"01JE{held:022d}"],
            "verdict": ["--verdict", "deny"], "reviewer": ["--reviewer", "person-10"], "rule": ["--rule", "rule-7"],
            "path, rare": ["--path", "src/999"], "path, everywhere": ["--path", "src/"], "none such": ["--rule", "no-such"],
            "time": ["--since", "2026-10-01", "--until", "2026-10-02"],
            "several": ["--repository", "team/r7", "--rule", "rule-7", "--principal", "agent-7"],
        }  # fmt: skip
        print(f"{N} entries; milliseconds, with the start of the command")
        for name, args in cases.items():
            times = sorted((query("query", *args) for _ in range(5)), key=lambda x: x[0])
            print(f"{name:18} {times[2][0]:7.1f}   {len(times[0][1]['entries'])} entries")
        ms, a = query("timeline", "team/r7", "refs/heads/b7")
        print(f"{'timeline':18} {ms:7.1f}   {len(a['steps'])} steps")


main()
