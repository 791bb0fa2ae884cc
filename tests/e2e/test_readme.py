"""What README.md says is so: its commands run, its tables are the program's.

A fenced block's second word says how it is run:
  make    targets of the Makefile (made elsewhere; here they must exist)
  run     in order, with -eu, in one place; paths and hosts are put there
  fails   with run: the last command must end with 1, as the text says
Blocks of sh without such a word are an error. Installation, servers and
clients are real: sudo and systemctl are small programs of this test, the
upstreams are an sshd and an apache.
"""

import os
import re
import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest
import upstreams
import yaml
from gate import BIN, ROOT, http, until

README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
BLOCKS = [(info.split(), body) for info, body in FENCE.findall(README)]
OPERATIONS = [(info.split(), body) for info, body in FENCE.findall((ROOT / "docs/operations.md").read_text())]


COMMANDS = [body for info, body in OPERATIONS if info == ["sh", "run"]]


def test_every_block_is_known():
    for info, body in BLOCKS + OPERATIONS:
        assert info in ([], ["sh", "make"], ["sh", "run"], ["sh", "run", "fails"], ["nginx"], ["apache"], ["haproxy"], ["yaml"]), body
        if not info:
            # pictures and what is printed, never commands
            assert not re.search(r"^(\$ |sudo |git |gitgate |make)", body, re.M), body


def test_configuration_is_taken(tmp_path):
    """What is shown as YAML, put into a configuration, is valid."""
    identity = FENCE.findall((ROOT / "docs/identity.md").read_text())
    shown = [body for info, body in BLOCKS if info == ["yaml"]] + [body for info, body in identity if info == "yaml" and body.startswith("tls:")]
    assert len(shown) >= 2
    for text in shown:
        whole = {"state-dir": "/s", "policy-dir": "/p", "public-url": "https://h", "repositories": [{"path": "a", "upstream": "/u"}]}
        file = tmp_path / "gitgate.yaml"
        file.write_text(yaml.safe_dump({**whole, **yaml.safe_load(text)}))
        p = subprocess.run([BIN / "gitgate", "--config", file, "check"], capture_output=True, text=True)
        assert "gitgate.yaml:" not in p.stderr, (text, p.stderr)


def test_make_targets_exist():
    named = [line.split()[1] for info, body in BLOCKS if info == ["sh", "make"] for line in body.splitlines()]
    assert named == ["demo", "test"]
    for target in named:
        p = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert p.returncode == 0, p.stderr


# -- tables --


def section(name):
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    return found.group(1)


def rows(text):
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_limits_are_the_programs():
    p = subprocess.run([BIN / "gitgate", "check", "--limits"], capture_output=True, text=True, check=True)
    assert rows(section("Limits")) == rows(p.stdout)


def test_metrics_are_the_programs(make_gate, tmp_path):
    g = make_gate(config={"audit-delivery": [{"name": "disk", "file": str(tmp_path / "out" / "audit")}]})
    shown = [[name.strip("`"), kind, text] for name, kind, text in rows(section("Metrics"))[2:]]
    served = []
    kinds = {}
    text = http("GET", g.url + "/metrics").text
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# TYPE"):
            kinds[words[2]] = words[3]
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP"):
            served.append([words[2], kinds[words[2]], words[3]])
    assert shown == served


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = FENCE.sub("", page.read_text())
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                heads = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
                slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}
                assert anchor in slugs, f"{page.name}: {target}"


def test_named_tests_exist():
    for g in (row for row in rows(section("Security")) if re.fullmatch(r"G\d", row[0])):
        named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`|`::(\w+)`", g[2])
        assert named, g
        file = None
        for path, name, more in named:
            file = path or file
            assert (ROOT / file).exists(), file
            if name or more:
                assert re.search(rf"\b{name or more}\b", (ROOT / file).read_text()), (file, name or more)


def test_log_events_are_the_programs():
    text = (ROOT / "docs/operations.md").read_text()
    table = rows(text.split("### Log events", 1)[1])[2:]
    source = (ROOT / "gitgate/base/events.def").read_text()
    defined = re.findall(r'^EVENT\((\w+), (\w+), "([^"]+)"\)', source, re.M)
    assert table == [[f"`{name}`", level.lower(), text] for name, level, text in defined]


def test_log_types_are_the_programs():
    """Every type of audit entry that the code writes is in docs/formats.md."""
    table = (ROOT / "docs/formats.md").read_text()
    listed = set()
    for row in rows(table):
        if len(row) == 3:
            listed |= set(re.findall(r"`((?:\w+\.)+\w+)`", row[0]))
    family = r'"((?:admin|log|config|push|hold|ref|forward|session|auth|grant)(?:\.[a-z]+)+)"'
    written = set()
    for f in (ROOT / "gitgate").rglob("*.c"):
        written |= set(re.findall(family, re.sub(r'FAILPOINT\w*\("[^"]*"', "", f.read_text())))
    # places within entries are named alike
    written -= set(re.findall(r'\{ "(\w+\.\w+)", "", ', (ROOT / "gitgate/audit/private.c").read_text()))
    assert {"ref.update", "forward.result", "admin.token.create"} <= written
    assert written <= listed, written - listed


# -- commands --

SUDO = """#!/bin/sh
# Runs what it is told as whoever runs the test; users of the text are not
# there, so what names one is left out.
[ "$1" = -u ] && shift 2
cmd=$1; shift
[ "$cmd" = install ] && while [ "${1#-}" != "$1" ]; do
	case $1 in -o|-g) shift 2 ;; -m) mode="-m $2"; shift 2 ;; *) break ;; esac
done
exec "$cmd" ${mode-} "$@"
"""

SYSTEMCTL = r"""#!/bin/sh
# The unit's own commands, without systemd.
unit={dest}/usr/local/lib/systemd/system/gitgate.service
case "$*" in
daemon-reload) test -f $unit ;;
"enable --now gitgate")
	for step in ExecStartPre ExecStart; do
		cmd=$(sed -n "s,^$step=,,p" $unit | sed 's,/usr/local/,{dest}/usr/local/,g; s,/etc/gitgate,{dest}/etc/gitgate,g')
		case $step in
		ExecStartPre) $cmd || exit 1 ;;
		ExecStart) setsid $cmd >{dest}/log 2>&1 </dev/null & echo $! >{dest}/pid ;;
		esac
	done
	for i in $(seq 600); do
		curl -sf -o /dev/null {url}/readyz && exit 0
		sleep 0.1
	done
	cat {dest}/log >&2; exit 1 ;;
"enable --now gitgate-witness")
	unit={dest}/usr/local/lib/systemd/system/gitgate-witness.service
	WITNESS=$(sed -n 's,^Environment="WITNESS=\(.*\)"$,\1,p' $unit | sed 's,127.0.0.1:8090,{witness},')
	cmd=$(sed -n 's,^ExecStart=,,p' $unit | sed 's,/usr/local/,{dest}/usr/local/,g; s,/etc/,{dest}/etc/,g; s,/var/,{dest}/var/,g')
	eval "exec setsid $cmd" >{dest}/witness.log 2>&1 </dev/null &
	echo $! >{dest}/witness.pid
	for i in $(seq 600); do
		curl -sf -o /dev/null http://{witness}/healthz && exit 0
		sleep 0.1
	done
	cat {dest}/witness.log >&2; exit 1 ;;
"reload gitgate") kill -HUP $(cat {dest}/pid) ;;
"stop gitgate") kill $(cat {dest}/pid); while kill -0 $(cat {dest}/pid) 2>/dev/null; do sleep 0.05; done ;;
"start gitgate") exec systemctl enable --now gitgate ;;
*) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
"""

TMPFILES = """#!/bin/sh
while read -r kind path mode rest; do
	[ "$kind" != d ] || mkdir -p -m "$mode" "{dest}$path"
done <"$2"
"""

KEYGEN = """#!/bin/sh
{real} "$@" || exit
# what the text asks to do at the forge
for last; do :; done
case " $* " in *" -N "*) cat "$last.pub" >>{authorized} ;; esac
"""


class Place:
    """Where the commands of the README run."""

    def __init__(self, tmp, sshd, apache):
        self.dest, self.bin = tmp / "root", tmp / "bin"
        self.home = tmp / "home"
        for d in (self.dest, self.bin, self.home):
            d.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.witness = f"127.0.0.1:{s.getsockname()[1]}"
        self.cwd = self.home
        self.sshd, self.apache = sshd, apache
        fill = {"dest": self.dest, "url": self.url, "witness": self.witness, "authorized": sshd.dir / "authorized",
                "real": shutil.which("ssh-keygen")}
        self.program("sudo", SUDO)
        self.program("systemctl", SYSTEMCTL, fill)
        self.program("chown", "#!/bin/sh\nexit 0\n")
        self.program("systemd-sysusers", "#!/bin/sh\ntest -f \"$1\"\n")
        self.program("systemd-tmpfiles", TMPFILES, fill)
        self.program("ssh-keygen", KEYGEN, fill)
        # the build under test is installed, nothing is built here
        self.program("make", f"#!/bin/sh\nexec {shutil.which('make')} -s -C {ROOT} -o all B={BIN} DESTDIR={self.dest} \"$@\"\n")
        (self.home / "acme-token").write_text(upstreams.PASSWORD)
        (self.home / "scripts").symlink_to(ROOT / "scripts")

    def program(self, name, text, fill=None):
        for key, value in (fill or {}).items():
            text = text.replace("{" + key + "}", str(value))
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def here(self, text):
        s = self.sshd
        for what, to in (
            (r"-keyscan -t ed25519 git\.example\.com", f"-keyscan -p {s.port} -t ed25519 127.0.0.1"),
            (r"ssh://git@git\.example\.com", s.base),
            (r"https://git\.example\.com", self.apache.base),
            (r"x-access-token", upstreams.USER),
            (r"https://(agent:%s@)?gate\.example\.com", rf"http://\g<1>127.0.0.1:{self.port}"),
            (r"127\.0\.0\.1:8080", f"127.0.0.1:{self.port}"),
            (r"(?<![=\w])(/usr/local/|/etc/gitgate\b|/var/lib/gitgate\b|/var/backups\b)", rf"{self.dest}\1"),
        ):
            text = re.sub(what, to, text)
        return text

    def run(self, body, fails=False):
        script = f"set -eu\ntrap 'pwd >{self.home}/.cwd' EXIT\n" + self.here(body)
        p = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=300,
            env={
                "PATH": f"{self.bin}:{self.dest}/usr/local/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": str(self.home),
                "GITGATE_CONFIG": f"{self.dest}/etc/gitgate/gitgate.yaml",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
                "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
            },
        )
        self.cwd = Path((self.home / ".cwd").read_text().strip())
        log = self.dest / "log"
        seen = f"{body}\n{p.stdout}\n{p.stderr}\n{log.read_text() if log.exists() else ''}"
        assert p.returncode == (1 if fails else 0), seen
        return p.stdout + p.stderr

    def stop(self):
        for pid in (self.dest / "pid", self.dest / "witness.pid"):
            if not pid.exists():
                continue
            subprocess.run(["sh", "-c", f"kill $(cat {pid}) 2>/dev/null"], check=False)
            until("it has ended", lambda pid=pid: not Path(f"/proc/{pid.read_text().strip()}").exists())


def seed(server, name):
    path, _ = server.repo(name)
    first = upstreams.commit(path, {"README": "hello\n"}, ref="refs/heads/main")
    upstreams.git("symbolic-ref", "HEAD", "refs/heads/main", cwd=path)
    subprocess.run(["chmod", "-R", "a+rwX", str(path)], check=True)
    return path, first


@pytest.fixture
def place(tmp_path):
    if os.geteuid() == 0 and not shutil.which("sshd") and not Path("/usr/sbin/sshd").exists():
        pytest.skip("no sshd here")
    with upstreams.sshd(tmp_path / "ssh") as s, upstreams.apache(tmp_path / "www") as a:
        p = Place(tmp_path, s, a)
        yield p
        p.stop()


def value(bare, name):
    return upstreams.git("rev-parse", name, cwd=bare)


def test_commands_do_what_the_text_says(place):
    app, first = seed(place.sshd, "acme/app")
    seed(place.apache, "acme/other")
    said = {}
    for info, body in BLOCKS:
        if info[:2] != ["sh", "run"]:
            continue
        out = place.run(body, fails=info[2:] == ["fails"])
        said[body.strip().splitlines()[-1]] = out
        if body.startswith("git clone") or "git clone" in body:
            assert (place.home / "app/README").exists()
    # the feature landed, and main after the approval, through the deploy key
    assert "held for approval" in said["git push origin HEAD:main"]
    assert "waiting up to 2 s" in said["git push -o gitgate.wait=2s origin HEAD:main"]
    assert "denied by rule no-rewrite" in said["git push --force origin HEAD~1:main"]
    assert value(app, "feature/hello") == value(app, "main") != first
    # the other entry, over HTTP with a password file (pytest closes its
    # directories when another run starts; this server is another user)
    upstreams.open_up(place.apache.root)
    out = place.run("cd ..\ngit clone -q https://gate.example.com/acme/other.git\ntest -f other/README\n")
    # and each line of the output that the text shows was printed
    everything = "\n".join(said.values())
    for info, body in BLOCKS:
        if not info and "remote:" in body:
            for line in body.splitlines():
                line = re.sub(r"https://gate.example.com/-/holds/\w+", "LINK", line).rstrip()
                seen = re.sub(r"http://127.0.0.1:\d+/-/holds/\w+", "LINK", everything)
                assert line in seen, line


def install(place):
    """The README's commands until accounts and tokens are made."""
    for info, body in BLOCKS:
        if info == ["sh", "run"]:
            place.run(body)
        if "token list" in body:
            return


def test_backup_and_restore(place):
    """docs/operations.md: a copy made while the gate runs brings back holds,
    tokens and log, without mirrors and quarantine."""
    app, first = seed(place.sshd, "acme/app")
    install(place)
    place.run("""\
        git clone -q http://agent:$(cat agent.token)@127.0.0.1:8080/acme/app.git
        cd app
        echo one >one
        git add one
        git commit -q -m one
        git push origin HEAD:main
    """, fails=True)
    backup, restore = COMMANDS[:2]
    place.run(backup)
    # what comes after the backup is lost with the machine
    place.run("git push -q origin HEAD:refs/heads/later")
    state = place.dest / "var/lib/gitgate"
    before = {p.name for p in (state / "pushes").iterdir()}
    place.run(restore)
    assert not (state / "quarantine").exists() or not list((state / "quarantine").iterdir())
    after = {p.name for p in (state / "pushes").iterdir()}
    assert after < before
    place.run("""\
        export GITGATE_URL=http://127.0.0.1:8080
        export GITGATE_TOKEN=$(cat ../ann.token)
        hold=$(gitgate holds list --state pending --json | grep -o '"id": *"[0-9A-Z]*"' | head -n 1 | cut -d '"' -f 4)
        gitgate holds approve "$hold"
        gitgate wait "$hold" --timeout 1m
        git fetch -q origin
        gitgate audit verify --key /var/lib/gitgate/log/vkey /var/lib/gitgate/log
    """)
    assert value(app, "main") != first
    assert value(app, "later") == value(app, "main")


def test_run_a_witness(place):
    """docs/operations.md: its key, its unit, what the gate then has from it,
    and how it is watched."""
    seed(place.sshd, "acme/app")
    install(place)
    begin, watch = COMMANDS[2:]
    assert "keygen" in begin and " check " in watch
    place.run("cp /var/lib/gitgate/log/vkey gate.vkey\n")
    printed = place.run(begin)
    (vkey,) = re.findall(r"^witness\.example\.com/gate\+\S+$", printed, re.M)
    place.run(f"""\
        sudo tee -a /etc/gitgate/gitgate.yaml <<END
        witnesses: {{list: [{{key: "{vkey}", url: "http://{place.witness}"}}]}}
        END
        sudo systemctl reload gitgate
    """.replace("        ", ""))
    until("it has signed", lambda: "\n\u2014 witness.example.com/gate " in http("GET", place.url + "/-/log/checkpoint").text)
    assert place.run(watch).startswith("127.0.0.1")
    out = place.run(f"gitgate audit verify --key gate.vkey --witness '{vkey}' /var/lib/gitgate/log\n")
    assert "verified" in out and "cosigned: " in out
    # where it was never enabled, or has lost its directory
    place.run("rm -r /var/lib/gitgate-witness/state\n" + watch, fails=True)


def test_through_the_proxy(place, tmp_path):
    """The nginx example: TLS outside, a long push streams through."""
    if not shutil.which("nginx") and not Path("/usr/sbin/nginx").exists():
        pytest.skip("no nginx here")
    seed(place.sshd, "acme/app")
    install(place)
    (conf,) = [body for info, body in BLOCKS if info == ["nginx"]]
    dir = tmp_path / "nginx"
    dir.mkdir()
    key, cert = upstreams.make_certificate(dir)
    port = upstreams.free_port()
    conf = place.here(conf)
    for what, to in (("443 ssl", f"127.0.0.1:{port} ssl"), ("/etc/ssl/gate.crt", str(cert)),
                     ("/etc/ssl/gate.key", str(key)), ("gate.example.com", "localhost")):
        assert what in conf
        conf = conf.replace(what, to)
    temp = "".join(f"{t}_temp_path {dir}/{t};" for t in ("client_body", "fastcgi", "proxy", "uwsgi", "scgi"))
    (dir / "nginx.conf").write_text(
        f"daemon off; pid {dir}/pid; error_log {dir}/error.log; events {{ }}\n"
        f"http {{ access_log off; {temp}\n{conf}\n}}\n"
    )
    argv = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(dir), "-e", f"{dir}/error.log", "-c", f"{dir}/nginx.conf"]
    with upstreams.running(argv, port, dir / "out.log"):
        place.run(textwrap.dedent(f"""\
            export GIT_SSL_CAINFO={cert}
            git clone -q https://agent:$(cat agent.token)@localhost:{port}/acme/app.git tls
            cd tls
            git checkout -q -b big
            head -c 3000000 /dev/urandom >big.bin
            git add big.bin
            git commit -q -m big
            git push -q origin big
            cd ..
            test $(curl -s -o /dev/null -w '%{{http_code}}' --cacert {cert} https://localhost:{port}/metrics) = 404
            test $(curl -s -o /dev/null -w '%{{http_code}}' --cacert {cert} https://localhost:{port}/healthz) = 200
        """))
