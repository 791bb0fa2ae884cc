"""A push of 500 MB: no process of the gate holds much of it at any time."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import processes
import pytest

from gate import PROTECT_MAIN, SANITIZED, Gate, hold_id, make_upstream, ref
from upstreams import git

MIB = 1 << 20
MOST_KIB = 64 << 10
# Time goes into the gate, not into compressing noise.
CLIENT = {
    "core.compression": "0",
    "pack.compression": "0",
    "core.bigFileThreshold": "1m",
    "pack.threads": "1",
}


class Watch(threading.Thread):
    """Peaks of anonymous memory of a process and all below it, by name."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.peaks, self.over, self.samples = root, {}, threading.Event(), 0

    def look(self, pid):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
            args = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return
        rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if "RssAnon" in rows:
            name = " ".join(os.path.basename(a.decode("utf-8", "replace")) for a in args[:2])
            self.peaks[name] = max(self.peaks.get(name, 0), int(rows["RssAnon"].split()[0]))

    def run(self):
        while not self.over.wait(0.02):
            for pid in (self.root, *(p.pid for p in processes.descendants(self.root))):
                self.look(pid)
            self.samples += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def noise(work, branch, size):
    """A commit with one incompressible file on a new branch; its id."""
    p = subprocess.Popen(["git", *(x for k, v in CLIENT.items() for x in ("-c", f"{k}={v}")), "fast-import", "--quiet"],
                         cwd=work.path, stdin=subprocess.PIPE)
    p.stdin.write(f"commit refs/heads/{branch}\ncommitter C <c@example.com> 1700000000 +0000\ndata 1\nx\n"
                  f"from refs/heads/main^0\nM 100644 inline noise\ndata {size}\n".encode())
    piece = os.urandom(MIB)
    for i in range(size // MIB):
        p.stdin.write(i.to_bytes(8, "big") + piece[8:])
    p.stdin.write(b"\n")
    p.stdin.close()
    assert p.wait() == 0
    return work.head(branch)


@pytest.fixture
def place(tmp_path):
    bare = make_upstream(tmp_path / "up.git", {"a": "1"})
    for key, value in (*CLIENT.items(), ("transfer.unpackLimit", "1"), ("gc.auto", "0"), ("receive.autogc", "false")):
        git("config", key, value, cwd=bare)
    with Gate(tmp_path, repositories=[{"path": "demo/app", "upstream": str(bare)}], rules=[PROTECT_MAIN]) as gate:
        yield gate, bare
    shutil.rmtree(tmp_path)  # some gigabytes that nobody looks at again


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep memory of their own")
def test_large_pushes_in_little_memory(place):
    gate, bare = place
    token, ann = gate.token("bot", "agents"), gate.token("ann", "maintainers")
    work = gate.clone(token)
    for key, value in CLIENT.items():
        work.run("config", key, value)
    big, smaller = noise(work, "big", 500 * MIB), noise(work, "smaller", 100 * MIB)
    with Watch(gate.process.pid) as watch:
        work.push("big", ok=True)
        assert ref(bare, "refs/heads/big") == big
        held = work.push("smaller:refs/heads/main", ok=False)
        id = hold_id(held)
        assert gate.review(id, ann).status == 200
        gate.wait_hold(id, ann, "forwarded")
        assert ref(bare, "refs/heads/main") == smaller
    assert watch.samples > 20
    roles = ("gitgate-gate", "gitgate-inspector", "gitgate-courier", "git index-pack")
    for role in roles:
        assert any(name.startswith(role) for name in watch.peaks), (role, watch.peaks)
    print({k: f"{v / 1024:.1f} MiB" for k, v in sorted(watch.peaks.items())})
    over = {name: kib for name, kib in watch.peaks.items() if kib >= MOST_KIB}
    assert not over, over
