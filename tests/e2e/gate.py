"""A whole gitgate for one test: config, policy, processes, accounts, API.

    with Gate(tmp_path, repositories=[{"path": "demo/app", "upstream": bare}]) as g:
        token = g.token("bot", "agents")
        work = g.clone(token)
        ...

Nothing has a fixed port, nothing sleeps to be in time: `until()` polls a
condition and fails loudly with the gate's log when it never comes true.
"""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import processes
import yaml

ROOT = Path(__file__).resolve().parents[2]
# A directory with gitgate and its roles: another build (san, fp) is tested
# by naming it.
BIN = Path(os.environ.get("GITGATE_BUILD", ROOT / "build")).resolve()
SANITIZED = BIN.name == "san"

ACCESS = [
    {
        "principals": {"groups": ["agents", "maintainers", "dba", "release-managers"]},
        "repositories": ["**"],
        "allow": ["fetch", "push"],
    }
]
PROTECT_MAIN = {
    "name": "protect-main",
    "when": {"refs": ["refs/heads/main"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
    "message": "Main needs a maintainer.",
}


class GateError(AssertionError):
    pass


def until(what, condition, seconds=60, log=None):
    """Poll until condition() is true; its value."""
    end = time.monotonic() + seconds * (4 if SANITIZED else 1)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise GateError(f"never came true: {what}\n{log() if log else ''}")
        time.sleep(0.02)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def http(method, url, body=None, headers=None, timeout=60, tls=None):
    """One request; never raises for a status, never follows a redirect. tls:
    an ssl.SSLContext for https."""
    if isinstance(body, dict):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    rq = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    handlers = [urllib.request.HTTPSHandler(context=tls)] if tls else []
    opener = urllib.request.build_opener(NoRedirect, *handlers)
    try:
        with opener.open(rq, timeout=timeout) as r:
            return Answer(r.status, r.headers, r.read())
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.headers, e.read())


class Git:
    """A work tree and the environment that its git runs in."""

    def __init__(self, path, home):
        self.path, self.home = Path(path), Path(home)

    @property
    def env(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada Agent",
            "GIT_AUTHOR_EMAIL": "ada@agents.example",
            "GIT_COMMITTER_NAME": "Ada Agent",
            "GIT_COMMITTER_EMAIL": "ada@agents.example",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *args, check=True, input=None, env=None, timeout=300):
        p = subprocess.run(
            ["git", *map(str, args)],
            cwd=self.path,
            env={**self.env, **(env or {})},
            input=input,
            capture_output=True,
            text=not isinstance(input, bytes),
            timeout=timeout,
            errors=None if isinstance(input, bytes) else "replace",
        )
        if check and p.returncode != 0:
            raise GateError(f"git {args}: exit {p.returncode}\n{p.stderr}")
        return p

    def out(self, *args, **kw):
        return self.run(*args, **kw).stdout.strip()

    def write(self, files):
        for name, data in files.items():
            path = self.path / name
            if data is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())

    def commit(self, files=None, message="change"):
        """Write files (None: delete), commit; the new id."""
        self.write(files or {})
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self, rev="HEAD"):
        return self.out("rev-parse", rev)

    def push(self, *args, ok=None, **kw):
        """git push origin ARGS. ok True/False: the exit code must say so."""
        p = self.run("push", "origin", *args, check=False, **kw)
        if ok is True and p.returncode != 0:
            raise GateError(f"push {args} failed:\n{p.stderr}")
        if ok is False and p.returncode == 0:
            raise GateError(f"push {args} should have failed:\n{p.stderr}")
        if p.returncode not in (0, 1):
            raise GateError(f"push {args}: exit {p.returncode}\n{p.stderr}")
        return p


def make_upstream(path, files=None, branches=()):
    """A bare repository with one commit on main (files) and branches there."""
    path = Path(path)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*args, cwd=path, **kw):
        return subprocess.run(
            ["git", "-c", "user.name=Root", "-c", "user.email=root@example.com", *args],
            cwd=cwd,
            env=env,
            check=True,
            capture_output=True,
            **kw,
        )

    path.parent.mkdir(parents=True, exist_ok=True)
    git("init", "-q", "--bare", "-b", "main", str(path), cwd=path.parent)
    if files:
        seed = path.parent / (path.name + ".seed")
        git("init", "-q", "-b", "main", str(seed), cwd=path.parent)
        work = Git(seed, path.parent)
        work.commit(files, "first")
        for b in ("main", *branches):
            git("push", "-q", str(path), f"HEAD:refs/heads/{b}", cwd=seed)
    return path


class Gate:
    def __init__(self, dir, repositories=None, rules=None, access=None, policy=None, config=None, env=None, start=True, bin=BIN):
        self.bin = Path(bin)
        self.dir = Path(dir) / "gate"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.home = self.dir / "home"
        self.home.mkdir(exist_ok=True)
        self.state = self.dir / "state"
        self.policy_dir = self.dir / "policy.d"
        self.policy_dir.mkdir(exist_ok=True)
        self.config_file = self.dir / "gitgate.yaml"
        self.log_file = self.dir / "gitgate.log"
        self.listen_file = self.dir / "listen"
        self.upstream = None
        if repositories is None:
            self.upstream = make_upstream(Path(dir) / "upstream" / "app.git", {"README": "hello\n"})
            repositories = [{"path": "demo/app", "upstream": str(self.upstream)}]
        self.config = {
            "listen": "127.0.0.1:0",
            "listen-file": str(self.listen_file),
            "public-url": "http://127.0.0.1:0",
            "state-dir": str(self.state),
            "policy-dir": str(self.policy_dir),
            "repositories": repositories,
            **(config or {}),
        }
        self.policy(policy if policy is not None else {"access": access or ACCESS, "rules": rules or []})
        self.env = env or {}
        self.process = None
        self.n_clones = 0
        self.tls = None  # an ssl.SSLContext where the gate speaks TLS
        self._start = start

    # -- files --

    def policy(self, content, name="10-test.yaml"):
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        (self.policy_dir / name).write_text(text)

    def write_config(self):
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def said(self, *words, since=0):
        """Its log has them (after the first `since` characters): soon, since
        many a thing is logged when the client has heard of it."""
        until(f"{words} logged", lambda: all(w in self.log()[since:] for w in words), log=self.log)

    # -- processes --

    def __enter__(self):
        self.write_config()
        if self._start:
            self.start()
        return self

    def __exit__(self, *exc):
        if self.process is not None and self.process.poll() is None:
            self.stop(check=False)
        if SANITIZED and exc[0] is None:
            bad = re.findall(r".*(?:ERROR: \w+Sanitizer|runtime error:).*", self.log())
            assert not bad, "\n".join(bad)

    def start(self, wait=True):
        self.write_config()
        self.listen_file.unlink(missing_ok=True)
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [str(self.bin / "gitgate"), "--config", str(self.config_file), "serve"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **self.env},
        )
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        def ready():
            if self.process.poll() is not None:
                raise GateError(f"gitgate ended with {self.process.returncode}\n{self.log()}")
            if not self.listen_file.exists() or "\n" not in self.listen_file.read_text():
                return False
            try:
                return http("GET", self.url + "/readyz", timeout=5, tls=self.tls).status == 200
            except (OSError, HTTPException):  # the second: it ended in the middle of its answer
                return False

        until("gitgate is ready", ready, seconds, self.log)

    @property
    def address(self):
        return self.listen_file.read_text().strip()

    @property
    def url(self):
        return f"{self.scheme}://{self.address}"

    @property
    def scheme(self):
        return "https" if "certificate" in self.config.get("tls", {}) else "http"

    def stop(self, check=True, seconds=90):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise GateError("gitgate did not stop\n" + self.log())
        if check and code != 0:
            raise GateError(f"gitgate stopped with {code}\n{self.log()}")
        return code

    def kill(self):
        """SIGKILL to the supervisor and all it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pids(self, role):
        """Process ids of "gate", "courier", "inspector" below this gate."""
        program = f"gitgate-{role}"
        mine = (p.pid for p in processes.children(self.process.pid))
        return [pid for pid in mine if os.path.basename(next(iter(processes.argv(pid)), "")) == program]

    def quarantine_is_empty(self):
        """Soon: what was forwarded or has ended after a hold is removed when
        its end is known. (What is refused goes before the client hears it.)"""
        q = self.state / "quarantine"
        until("the quarantine is empty", lambda: not q.exists() or not os.listdir(q), log=self.log)

    def reload(self):
        """SIGHUP, and wait until it was taken or refused; True if taken."""
        before = self.log()
        self.write_config()
        self.process.send_signal(signal.SIGHUP)
        new = until(
            "the reload was answered",
            lambda: [x for x in self.log()[len(before) :].splitlines() if "role=supervisor" in x and ("event=reloaded" in x or "event=reload_failed" in x)],
            log=self.log,
        )
        return "event=reloaded" in new[-1]

    def cli(self, *args, check=True, input=None, env=None, timeout=60):
        p = subprocess.run(
            [str(self.bin / "gitgate"), "--config", str(self.config_file), *map(str, args)],
            input=input,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=timeout,
        )
        if check and p.returncode != 0:
            raise GateError(f"gitgate {args}: exit {p.returncode}\n{p.stderr}")
        return p

    def remote_cli(self, token, *args, check=True, timeout=60):
        """A command that speaks to the running gate."""
        return self.cli(*args, check=check, timeout=timeout, env={"GITGATE_URL": self.url, "GITGATE_TOKEN": token})

    # -- people and machines --

    def token(self, name, *groups):
        args = ["token", "create", name]
        for g in groups:
            args += ["--group", g]
        return self.cli(*args).stdout.strip()

    def user(self, name, password, *groups):
        args = ["user", "add", name, "--password-stdin"]
        for g in groups:
            args += ["--group", g]
        self.cli(*args, input=password + "\n")

    # -- git --

    def remote(self, token=None, repository="demo/app"):
        at = f"x:{token}@" if token else ""
        return f"{self.scheme}://{at}{self.address}/{repository}.git"

    def clone(self, token=None, repository="demo/app", name=None, args=()):
        self.n_clones += 1
        path = self.dir / (name or f"work{self.n_clones}")
        Git(self.dir, self.home).run("clone", "-q", *args, self.remote(token, repository), str(path))
        return Git(path, self.home)

    # -- the API --

    def api(self, method, path, token=None, body=None, headers=None):
        h = {"Accept": "application/json", **(headers or {})}
        if token:
            h["Authorization"] = f"Bearer {token}"
        if body is not None:
            h.setdefault("Content-Type", "application/json")
        return http(method, f"{self.url}/-/api/v1{path}", body, h, tls=self.tls)

    def hold(self, id, token):
        a = self.api("GET", f"/holds/{id}", token)
        assert a.status == 200, a.text
        return a.json

    def review(self, id, token, verdict="approve", comment=""):
        return self.api("POST", f"/holds/{id}/{verdict}", token, {"comment": comment})

    def wait_hold(self, id, token, *states, seconds=60):
        def done():
            h = self.hold(id, token)
            return h if h["state"] in states else None

        return until(f"hold {id} is {states}", done, seconds, self.log)

    def audit(self, token, **query):
        """All entries, oldest first."""
        found, cursor = [], None
        while True:
            q = dict(query)
            if cursor is not None:
                q["cursor"] = cursor
            args = "&".join(f"{k}={urllib.request.quote(str(v), safe='')}" for k, v in q.items())
            a = self.api("GET", f"/audit?{args}", token)
            assert a.status == 200, a.text
            found += a.json["entries"]
            cursor = a.json["next"]
            if cursor is None:
                return sorted(found, key=lambda e: e["seq"])


HOLD_LINK = re.compile(r"/-/holds/([0-9A-HJKMNP-TV-Z]{26})")


def hold_id(push):
    """The hold that a refused push names."""
    found = HOLD_LINK.search(push.stderr)
    assert found, push.stderr
    return found.group(1)


def everything_below(directory):
    """Every file and directory of a tree that others change meanwhile (a
    quarantine is removed after the client was told)."""
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield Path(parent, name)


def contents_below(directory):
    """(path, bytes) of every regular file of such a tree."""
    for path in everything_below(directory):
        try:
            if path.is_file():
                yield path, path.read_bytes()
        except FileNotFoundError:
            continue  # it went since


def ref(bare, name):
    """Value of a ref in a bare repository, None when it has none."""
    p = subprocess.run(
        ["git", "-c", "safe.directory=*", "rev-parse", "-q", "--verify", name],
        cwd=bare,
        capture_output=True,
        text=True,
    )
    return p.stdout.strip() or None


def vkey(g):
    """The verifier key of the gate's log, as the checkpoint's reader needs it."""
    return (g.state / "log" / "vkey").read_text().strip()
