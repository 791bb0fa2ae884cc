"""kill -9 of each process at each step of a push: what tests of that share.

Needs the build with failpoints (`make FAILPOINTS=1`): a process kills or
stops itself at a named place while a file lies there. Whatever dies where:
no push is lost, none lands twice, none is reported wrongly, and what the API
and the audit log say afterwards is what upstream has.
"""

import concurrent.futures
from pathlib import Path

import processes
import pytest
from gate import PROTECT_MAIN, ROOT, make_upstream, until, vkey
from upstreams import git

CRASH_BUILD = ROOT / "build" / "fp"
needs_crash_build = pytest.mark.skipif(
    not (CRASH_BUILD / "gitgate-gate").exists(), reason="no build with failpoints: make FAILPOINTS=1"
)
# How long a push whose relay may still be on its way stays open: silence for
# so long also ends a relay.
SHORT, LONG = "1500ms", "30s"


def hook(bare, name, text):
    path = Path(bare) / "hooks" / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


class Place:
    """A gate that will die at one place, an upstream that counts what lands."""

    def __init__(self, make_gate, tmp_path, point="none", how="kill", doubt=SHORT):
        self.bare = make_upstream(tmp_path / "upstream" / "app.git", {"README": "hello\n"})
        # The reflog counts what lands, hooks may not even run.
        git("config", "core.logAllRefUpdates", "true", cwd=self.bare)
        # Where the role that is to die may remove it, if it may anywhere.
        base = self.bare if point.startswith("courier") else tmp_path
        self.armed = base / "armed" if base == self.bare else None
        self.point, self.how = point, how
        state = tmp_path / "g0" / "gate" / "state"
        self.armed = self.armed or state / "armed"
        self.gate = make_gate(
            repositories=[{"path": "demo/app", "upstream": str(self.bare)}],
            rules=[PROTECT_MAIN],
            env={"GITGATE_FAILPOINT": f"{point}={how}:{self.armed}"},
            config={"limits": {"upstream-idle": doubt}},
            bin=CRASH_BUILD,
        )
        g = self.gate
        self.bot = g.token("bot", "agents")
        self.ann = g.token("ann", "maintainers", "auditors")
        self.work = g.clone(self.bot)
        self.first = self.work.head()
        # The command line's acts are in the log: nothing else is under way.
        until("tokens are logged", lambda: len(g.audit(self.ann, type="admin.token.create")) >= 2, log=g.log)

    def arm(self):
        self.armed.write_text("")

    def is_stopped(self):
        seen = (processes.stat(pid) for role in ("gate", "courier", "inspector") for pid in self.gate.pids(role))
        return any(p.state == "T" for p in seen if p)

    def push(self, *args):
        """A push during which the place is reached, and life after it."""
        self.arm()
        if self.how == "kill":
            p = self.work.run("push", "origin", *args, check=False)
        else:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                pushing = pool.submit(self.work.run, "push", "origin", *args, check=False)
                self.kill_all()
                p = pushing.result()
        self.back()
        return p

    def kill_all(self):
        until(f"{self.point} is reached", self.is_stopped, log=self.gate.log)
        self.gate.kill()
        self.armed.unlink(missing_ok=True)
        self.gate.start()

    def back(self):
        if not self.point.startswith("inspector"):
            until(f"{self.point} was reached", lambda: not self.armed.exists(), log=self.gate.log)
        self.armed.unlink(missing_ok=True)
        self.gate.wait_ready()
        self.work.run("remote", "set-url", "origin", self.gate.remote(self.bot))

    def landed(self, oid):
        """How often upstream took this commit."""
        logs = [p.read_text().splitlines() for p in (self.bare / "logs" / "refs").rglob("*") if p.is_file()]
        return sum(line.split()[1] == oid for log in logs for line in log)

    def pushes(self):
        a = self.gate.api("GET", "/pushes", self.ann)
        assert a.status == 200, a.text
        return a.json["pushes"]

    def settled(self, id):
        def done():
            p = self.gate.api("GET", f"/pushes/{id}", self.ann).json
            return p if p["state"] not in ("receiving", "forwarding") else None

        return until(f"push {id} has ended", done, log=self.gate.log)

    def check_log(self):
        p = self.gate.cli("audit", "verify", "--strict", "--key", vkey(self.gate), str(self.gate.state / "log"), check=False)
        assert p.returncode == 0, p.stdout + p.stderr


def check_results(place, push, oid):
    """The log's last word on a forward is what upstream has."""
    entries = [e.get("entry", e) for e in place.gate.audit(place.ann, push=push)]
    results = [e["result"] for e in entries if e["type"] == "forward.result" and e["new"] == oid]
    if results:
        assert (results[-1] == "ok") == (place.landed(oid) == 1), entries
    else:
        assert place.landed(oid) == 0, entries
        assert any(e["type"] == "push.refused" for e in entries), entries


WAIT = "touch there\nn=0\nwhile [ ! -e go ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done\n"


class Slow:
    """Upstream's hook waits until the test says go."""

    def __init__(self, place):
        self.bare = place.bare
        hook(self.bare, "pre-receive", WAIT)

    def wait(self, gate):
        until("the hook runs", (self.bare / "there").exists, log=gate.log)

    def go(self):
        (self.bare / "go").write_text("")
