"""External decisions: what a hook program is asked and may answer, what it
can reach, and that whatever goes wrong with it denies."""

import json
import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest

import frames
import processes
import webserver
from gate import ACCESS, BIN, ROOT, SANITIZED, hold_id, ref, until

SCHEMA = json.loads((ROOT / "policy.d" / "hook-input.schema.json").read_text())
ALLOW = """echo '{"verdict": "allow"}'\n"""


def put(dir, name, text, mode=0o755):
    path = Path(dir) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)
    return path


def rule(hook, name=None, refs=("refs/heads/*",)):
    return {
        "name": name or f"ask-{hook}",
        "when": {"refs": list(refs), "hook": hook},
        "approvals": {"required": 1, "from": ["maintainers"]},
    }


class Runner:
    """A gitgate-hook alone, asked over frames."""

    def __init__(self, dir):
        self.dir = Path(dir)

    def ask(self, program, input=b"{}", wall_ms=20000, out_max=65536):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def place():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)
            os.closerange(4, 256)

        p = subprocess.Popen(
            [str(BIN / "gitgate-hook"), str(self.dir), "required"],
            preexec_fn=place,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "GITGATE_TOKEN": "t", "HOME": "/root"},
        )
        theirs.close()
        peer = frames.Peer(ours)
        fds = [frames.memfd(input), frames.memfd()]
        try:
            body = frames.bytes_(str(self.dir / program)) + frames.u64(wall_ms) + frames.u64(out_max)
            peer.send("JOB_HOOK", body, fds)
            r = frames.Reader(peer.expect("HOOK_DONE")[0])
            code, late, n, words = r.u32(), r.u8(), r.u64(), r.str()
            assert r.data == b""
            out = frames.read_all(fds[1])
        finally:
            for fd in fds:
                os.close(fd)
            peer.close()
            assert p.wait(60) == 0
        return code, bool(late), n, words, out


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path / "hooks")


def test_runner_passes_bytes_on(runner):
    put(runner.dir, "h", "cat; echo words >&2; exit 7\n")
    big = os.urandom(60000)
    assert runner.ask("h", big) == (7, False, 60000, "words\n", big)
    put(runner.dir, "h", "kill -TERM $$\n")
    assert runner.ask("h")[0] == 128 + 15
    put(runner.dir, "h", "yes w | head -c 100000 >&2; echo ok\n")
    code, _, n, words, out = runner.ask("h")
    assert (code, n, out) == (0, 3, b"ok\n") and len(words) == 400


@pytest.mark.parametrize(
    "name, text, mode, words",
    [
        ("missing", None, 0, "not there"),
        ("plain", ALLOW, 0o644, "not executable"),
        ("odd", None, 0o755, "cannot execute"),
    ],
)
def test_runner_cannot_start_it(runner, name, text, mode, words):
    runner.dir.mkdir()
    if name == "odd":
        (runner.dir / name).write_bytes(b"\x01\x02\x03")
        (runner.dir / name).chmod(mode)
    elif text:
        put(runner.dir, name, text, mode)
    code, late, n, said, _ = runner.ask(name)
    assert code == 127 and not late and n == 0 and words in said


def test_runner_has_no_patience(runner):
    put(runner.dir, "h", "exec sleep 1000\n")
    began = time.monotonic()
    assert runner.ask("h", wall_ms=300)[1] is True
    # closing its output is no way out
    put(runner.dir, "h", "exec >&- 2>&-; exec sleep 1000\n")
    assert runner.ask("h", wall_ms=300)[1] is True
    assert time.monotonic() - began < 100
    put(runner.dir, "h", "exec yes\n")
    code, late, n, _, out = runner.ask("h", out_max=1000)
    assert not late and n > 1000 and len(out) <= 1000


def alive(pid):
    p = processes.stat(pid)
    return p is not None and p.state != "Z"


def test_runner_leaves_nothing_behind(runner):
    """Children in the background, in sessions of their own, that hold the
    pipes: the answer does not wait for them, and they end."""
    put(
        runner.dir,
        "h",
        "sleep 1000 & echo $!\n"
        "setsid sleep 1000 & echo $!\n"
        "( setsid sh -c 'sleep 1000 & echo $!; exec sleep 1000' & )\n"
        "sleep 0.3\n",
    )
    code, late, _, _, out = runner.ask("h", wall_ms=60000)
    pids = out.decode().split()
    assert code == 0 and not late and len(pids) == 3
    assert not [p for p in pids if alive(p)]


def test_runner_environment(runner):
    put(runner.dir, "h", "env | sort; pwd; ls /proc/self/fd 2>/dev/null; echo $#\n")
    out = runner.ask("h")[4].decode().splitlines()
    assert [x for x in out if "=" in x and not x.startswith(("_=", "PWD=", "OLDPWD=", "SHLVL="))] == [
        "HOME=/nonexistent",
        "LC_ALL=C.UTF-8",
        "PATH=/usr/bin:/bin",
    ]
    assert "/" in out and out[-1] == "0"


def test_runner_is_walled_in(runner, tmp_path):
    secret = tmp_path / "state" / "log-key"
    secret.parent.mkdir()
    secret.write_text("key")
    places = [secret.parent, runner.dir, "/tmp", "/var/tmp", "/dev/shm", "/etc", "/usr/lib"]
    put(
        runner.dir,
        "h",
        f"cat {secret} && echo READ\nls {secret.parent} && echo LISTED\ncat /etc/shadow && echo READ\n"
        "cat /proc/1/environ && echo READ\n"
        + "".join(f"echo x >{p}/gg-hook-was-here && echo WROTE {p}\n" for p in places)
        + "echo end\n",
    )
    assert runner.ask("h")[4] == b"end\n"


# -- in a gate --


@pytest.fixture
def asked(make_gate, tmp_path):
    """A gate whose rule asks the program `h`; say(text) writes it."""

    class Asked:
        def __init__(self):
            self.dir = tmp_path / "hooks"
            self.say(ALLOW)
            limits = {"hook-time": "5s" if SANITIZED else "1s", "hook-output": "2KiB"}
            self.gate = make_gate(rules=[rule("h")], config={"hooks-dir": str(self.dir), "limits": limits})
            self.bot = self.gate.token("bot", "agents")
            self.ann = self.gate.token("ann", "maintainers")
            self.auditor = self.gate.token("audi", "auditors")
            self.work = self.gate.clone(self.bot)
            self.n = 0

        def say(self, text, mode=0o755):
            put(self.dir, "h", text, mode)

        def push(self, ok):
            self.n += 1
            self.work.commit({f"f{self.n}": f"{self.n}\n"}, f"change {self.n}")
            return self.work.push(f"HEAD:refs/heads/b{self.n}", ok=ok)

        def verdict(self, v, message=""):
            self.say(f"""cat >/dev/null; printf '%s' '{json.dumps({"verdict": v, "message": message})}'\n""")

    return Asked()


def test_verdicts_and_messages(asked):
    g = asked.gate
    asked.push(ok=True)
    asked.verdict("deny", "Ask in #releases \x1b[31m first")
    p = asked.push(ok=False)
    assert "Ask in #releases" in p.stderr and "\x1b" not in p.stderr and "ask-h" in p.stderr
    asked.verdict("hold", "One more look")
    p = asked.push(ok=None)
    assert "One more look" in p.stderr
    id = hold_id(p)
    assert g.review(id, asked.ann).status == 200
    g.wait_hold(id, asked.bot, "forwarded")

    entries = [e for e in g.audit(asked.auditor) if e["type"] == "ref.update"]
    assert [e["rules"][0]["verdict"] for e in entries] == ["allow", "deny", "hold"]
    assert {e["rules"][0]["rule"] for e in entries} == {"ask-h"}
    until("every runner has ended", lambda: not g.pids("hook"))
    # explained later by what it said then; today it would say something else
    asked.verdict("deny")
    for push, was in zip(g.api("GET", "/pushes", asked.bot).json["pushes"], ("hold", "deny", "allow")):
        e = json.loads(g.cli("policy", "explain", push["id"], "--json").stdout)
        assert e["trace"][0]["rule"] == "ask-h" and e["trace"][0]["conditions"][-1]["name"] == "hook"
        assert e["verdict"] == e["recorded"] == was
    assert "3 pushes judged, 0 would change" in g.cli("policy", "test").stdout


@pytest.mark.parametrize(
    "text, mode, says",
    [
        ("echo oh no >&2; exit 3\n", 0o755, "ended with 3: oh no"),
        ("kill -9 $$\n", 0o755, "ended with 137"),
        ("exec sleep 1000\n", 0o755, "limit hook-time"),
        ("exec yes\n", 0o755, "limit hook-output"),
        ("true\n", 0o755, "answer is not"),
        ("echo allow\n", 0o755, "answer is not"),
        ("""echo '{"verdict": "maybe"}'\n""", 0o755, "answer is not"),
        ("""echo '{"verdict": "allow", "verdict": "deny"}'\n""", 0o755, "answer is not"),
        ("""echo '{"verdict": "allow", "sudo": true}'\n""", 0o755, "answer is not"),
        ("""echo '{"verdict": "allow"} {"verdict": "allow"}'\n""", 0o755, "answer is not"),
        ("""echo '{"verdict": "allow"}'; exit 1\n""", 0o755, "ended with 1"),
        (ALLOW, 0o644, "not executable"),
        (None, 0, "not there"),
    ],
)
def test_whatever_goes_wrong_denies(asked, text, mode, says):
    if text is None:
        (asked.dir / "h").unlink()
    else:
        asked.say(text, mode)
    p = asked.push(ok=False)
    flat = " ".join(p.stderr.replace("remote:", " ").split())
    assert "hook h" in flat and says in flat, p.stderr
    assert ref(asked.gate.upstream, f"refs/heads/b{asked.n}") is None
    asked.gate.said("event=hook_failed")


def test_check_names_the_missing_program(make_gate, tmp_path):
    dir = tmp_path / "hooks"
    put(dir, "there", ALLOW)
    g = make_gate(rules=[rule("there")], config={"hooks-dir": str(dir)})
    assert g.cli("check").returncode == 0
    g.policy({"access": ACCESS, "rules": [rule("there"), rule("gone")]})
    p = g.cli("check", check=False)
    assert p.returncode == 1 and "gone" in p.stderr and "not there" in p.stderr
    assert g.reload() is False
    put(dir, "gone", ALLOW, 0o644)
    p = g.cli("check", check=False)
    assert p.returncode == 1 and "not executable" in p.stderr
    (dir / "gone").chmod(0o755)
    assert g.reload() is True
    del g.config["hooks-dir"]
    g.write_config()
    p = g.cli("check", check=False)
    assert p.returncode == 1 and "hooks-dir" in p.stderr
    assert g.reload() is False


def test_hooks_dir_moves_with_a_reload(asked, tmp_path):
    asked.push(ok=True)
    put(tmp_path / "other", "h", """echo '{"verdict": "deny", "message": "from the other"}'\n""")
    asked.gate.config["hooks-dir"] = str(tmp_path / "other")
    assert asked.gate.reload() is True
    assert "from the other" in asked.push(ok=False).stderr


# -- the ones that come with gitgate --


def install(dir, name, **files):
    path = Path(dir) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((ROOT / "hooks" / name).read_bytes())
    path.chmod(0o755)
    assert (ROOT / "hooks" / name).stat().st_mode & stat.S_IXUSR
    for suffix, text in files.items():
        (Path(dir) / f"{name}.{suffix}").write_text(text)


def test_ticket(make_gate, tmp_path):
    dir = tmp_path / "hooks"
    install(dir, "ticket")
    g = make_gate(rules=[rule("ticket")], config={"hooks-dir": str(dir)})
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "1"}, "APP-12: begin")
    work.push("HEAD:refs/heads/x", ok=True)
    work.commit({"a": "2"}, "more of it")
    bad = work.head()
    work.commit({"a": "3"}, "OPS-7 the rest")
    p = work.push("HEAD:refs/heads/x", ok=False)
    assert "no ticket" in p.stderr and bad[:7] in p.stderr


class Opa(webserver.Quiet):
    """OPA's data API: POST /v1/data/gitgate/decision {"input": ...}."""

    def do_POST(self):
        self.server.inputs.append((self.path, json.loads(self.body())))
        status, answer = self.server.says
        self.answer(status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


@pytest.fixture
def opa():
    with webserver.LocalServer(Opa) as s:
        s.inputs, s.says = [], (200, {})
        yield s


def test_opa(make_gate, tmp_path, opa):
    dir = tmp_path / "hooks"
    install(dir, "opa", url=f"http://127.0.0.1:{opa.port}/v1/data/gitgate/decision\n")
    g = make_gate(rules=[rule("opa")], config={"hooks-dir": str(dir)})
    work = g.clone(g.token("bot", "agents"))
    cases = [
        ((200, {"result": {"verdict": "allow"}}), True, ""),
        ((200, {"result": {"verdict": "deny", "message": "not on a Friday"}}), False, "not on a Friday"),
        ((200, {"result": {"verdict": "hold", "message": "a look first"}}), None, "a look first"),
        ((200, {}), False, "no such decision"),
        ((200, {"result": True}), False, "no such decision"),
        ((200, {"result": {"verdict": "yes"}}), False, "answer is not"),
        ((500, {"code": "internal_error"}), False, "500"),
        ((200, b"<html>"), False, "hook opa"),
        ((200, b""), False, "hook opa"),
    ]
    for i, (answer, ok, says) in enumerate(cases):
        opa.says = answer
        work.commit({f"f{i}": "x"}, f"change {i}")
        p = work.push(f"HEAD:refs/heads/b{i}", ok=ok)
        assert says in p.stderr, (answer, p.stderr)
    path, body = opa.inputs[0]
    assert path == "/v1/data/gitgate/decision"
    jsonschema.Draft202012Validator(SCHEMA).validate(body["input"])
    assert body["input"]["repository"] == "demo/app" and body["input"]["rule"] == "ask-opa"
    assert body["input"]["principal"] == {"name": "bot", "groups": ["agents"], "method": "token"}
    opa.close()
    work.commit({"last": "x"})
    assert "hook opa" in work.push("HEAD:refs/heads/last", ok=False).stderr


@pytest.mark.parametrize("name", ["opa", "ticket"])
def test_help(name):
    p = subprocess.run([ROOT / "hooks" / name, "--help"], capture_output=True, text=True, check=True)
    assert p.stdout.startswith(f"{name} - ") and "#!/" not in p.stdout and "set -eu" not in p.stdout
