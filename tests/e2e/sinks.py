"""Where the audit log is delivered to, for tests: what was taken, in its
order."""

import array
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import processes
import pytest
import webserver

from gate import until

RSYSLOGD = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def seqs(entries):
    return [e["seq"] for e in entries]


def assert_complete(got, first=0, last=None):
    """Every number from first to last; ones that came before may come again,
    but no new one before its predecessor."""
    new = list(dict.fromkeys(got))
    assert new == list(range(first, (last if last is not None else max(new)) + 1)), new


class Post(NamedTuple):
    path: str
    headers: dict
    body: bytes
    status: object  # what was answered
    time: float

    @property
    def json(self):
        return json.loads(self.body)


class Receiver:
    """Takes what is posted. `answers`: what to say next, before 204s: a
    status, (status, headers), "cut" (take it, answer nothing), "wait" (until
    released)."""

    def __init__(self):
        self.posts, self.answers = [], []
        self.release = threading.Event()
        outer = self

        class Handler(webserver.Quiet):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.body()
                said = outer.answers.pop(0) if outer.answers else 204
                status, headers = said if isinstance(said, tuple) else (said, {})
                outer.posts.append(Post(self.path, dict(self.headers.items()), body, status, time.monotonic()))
                if said == "wait":
                    outer.release.wait(60)
                if said in ("cut", "wait"):
                    self.close_connection = True
                    return
                self.answer(status, headers=headers)

        self.server = webserver.LocalServer(Handler)
        self.port, self.url = self.server.port, self.server.url

    def close(self):
        self.release.set()
        self.server.close()

    def wait(self, n, log=None):
        """Until there are n posts: what they said."""
        until(f"{n} posts", lambda: len(self.posts) >= n, log=lambda: f"came: {self.posts}\n{log() if log else ''}")
        return [p.json for p in list(self.posts)]

    def entries(self, statuses=(204,)):
        """Of the posts that were answered so: all entries, as they came."""
        return [json.loads(x) for p in list(self.posts) if p.status in statuses for x in p.body.splitlines()]


class Journal:
    """A datagram socket that reads the journal's native protocol."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.got, self.n_files = [], 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            except OSError:
                return
            for level, kind, fds in control:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and data == b""
                data = self.slurp(array.array("i", fds)[0])
            if data == b"end":
                return
            self.got.append(self.parse(data))

    def slurp(self, fd):
        import fcntl

        self.n_files += 1
        with os.fdopen(fd, "rb") as f:
            seals = fcntl.fcntl(f, 1034)  # F_GET_SEALS
            assert seals == 0xF, "what systemd-journald asks: shrink, grow, write and seal"
            f.seek(0)
            return f.read()

    @staticmethod
    def parse(data):
        fields = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, eq, value = line.partition(b"=")
            if not eq:
                (n,) = struct.unpack("<Q", data[:8])
                value, data = data[8 : 8 + n], data[8 + n :]
                assert data[:1] == b"\n"
                data = data[1:]
            assert name.decode().isupper()
            fields[name.decode()] = value.decode()
        return fields

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(self.path)
            s.send(b"end")
        self.socket.close()


def parse_syslog(message):
    """RFC 5424, as far as we write it: (pri, fields, parameters, text)."""
    pri, rest = message[1:].split(b">", 1)
    version, time, host, app, procid, msgid, rest = rest.split(b" ", 6)
    assert (version, app, procid) == (b"1", b"gitgate", b"-") and rest.startswith(b"[gitgate@32473 ")
    data, text = rest.split(b"] ", 1)
    params = {}
    for p in data[len(b"[gitgate@32473 ") :].split():
        k, v = p.split(b"=", 1)
        params[k.decode()] = v.strip(b'"').decode()
    return int(pri), {"time": time.decode(), "host": host.decode(), "msgid": msgid.decode()}, params, text


def join_parts(messages):
    """The entries of syslog messages, those in several parts put together."""
    entries, parts = [], []
    for m in messages:
        _, _, params, text = parse_syslog(m)
        parts = parts + [text] if int(params.get("part", 1)) > 1 else [text]
        if params.get("part") == params.get("parts"):
            entry = json.loads(b"".join(parts))
            assert str(entry["seq"]) == params["seq"] and entry["type"] == params["type"]
            entries.append(entry)
    return entries


class Rsyslog:
    """Debian's rsyslogd, not as root, on a port of its own; everything it
    takes is a line of `file`, as it came."""

    def __init__(self, dir, way, pki=None, input=None):
        """input: the line of its configuration that takes messages from the
        socket `socket`, for the way "unix"."""
        self.dir, self.way, self.input = Path(dir), way, input
        self.dir.mkdir(parents=True, exist_ok=True)
        self.file, self.port_file = self.dir / "got", self.dir / "port"
        self.log = self.dir / "rsyslog.log"
        self.port = 0
        self.pki = pki
        self.process = None

    def config(self):
        if self.way == "unix":
            # the machine's own /dev/log is not ours
            load, take = 'module(load="imuxsock" SysSock.Use="off")', self.input[:-1] + ' ruleset="all")'
        elif self.way == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", self.port))
                self.port = s.getsockname()[1]
            load, take = 'module(load="imudp")', f'input(type="imudp" address="127.0.0.1" port="{self.port}" ruleset="all")'
        else:
            driver = ' StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"' if self.way == "tls" else ""
            load = f'module(load="imtcp"{driver})'
            take = (
                f'input(type="imtcp" address="127.0.0.1" port="{self.port}" listenPortFileName="{self.port_file}" ruleset="all")'
            )
        files = ""
        if self.way == "tls":
            files = " ".join(f'DefaultNetstreamDriver{k}File="{v}"' for k, v in self.pki.items())
        return f"""
global(workDirectory="{self.dir}" maxMessageSize="64k" {files})
{load}
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="read" type="string" string="%pri% %timereported:::date-rfc3339% %app-name% %msgid% %structured-data% %msg%\\n")
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{self.file}" template="raw")
    action(type="omfile" file="{self.dir}/read" template="read")
}}
{take}
"""

    def start(self):
        """On a port of its own, another one each time."""
        self.launch()
        until("rsyslog listens", self.is_listening, log=self.log.read_text)
        return self

    def launch(self):
        self.port = 0
        conf = self.dir / "rsyslog.conf"
        conf.write_text(self.config())
        self.port_file.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [RSYSLOGD, "-n", "-f", str(conf), "-i", str(self.dir / "pid")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def is_listening(self):
        assert self.process.poll() is None, self.log.read_text()
        if self.way == "udp":
            return self.has_udp_port()
        if self.way == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                return s.connect_ex(str(self.socket)) == 0
        if not self.port_file.exists() or not self.port_file.read_text().strip():
            return False
        self.port = int(self.port_file.read_text())
        return True

    def has_udp_port(self):
        """rsyslog cannot be told to take any free one; who else took the one
        that was free a moment ago makes it begin with another."""
        if "Could not create udp listener" in self.log.read_text():
            self.kill()
            self.log.write_text("")
            self.launch()
        mine = processes.descriptors(self.process.pid).values()
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            words = line.split()
            if words[1].endswith(f":{self.port:04X}") and f"socket:[{words[9]}]" in mine:
                return True
        return False

    @property
    def socket(self):
        return re.search('socket="([^"]+)"', self.input, re.I).group(1)

    def read(self):
        """What it understood of each message: a line each."""
        return (self.dir / "read").read_text().splitlines()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def messages(self):
        if not self.file.exists():
            return []
        return [x for x in self.file.read_bytes().split(b"\n") if x]

    def entries(self):
        return join_parts(self.messages())


class Journald:
    """systemd's own journald, not as root and with directories of its own."""

    EXECUTABLE = Path("/lib/systemd/systemd-journald")

    def __init__(self):
        # a socket's path must be short
        self.dir = Path(tempfile.mkdtemp(prefix="journal-"))
        (self.dir / "log").mkdir()
        self.socket = self.dir / "run" / "socket"
        self.process = None

    def start(self):
        shutil.rmtree(self.dir / "run", ignore_errors=True)
        (self.dir / "run").mkdir()
        env = {"RUNTIME_DIRECTORY": str(self.dir / "run"), "LOGS_DIRECTORY": str(self.dir / "log"), "SYSTEMD_LOG_TARGET": "console"}
        with open(self.dir / "out", "ab") as log:
            self.process = subprocess.Popen([self.EXECUTABLE, "gitgate"], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def listens():
            if self.process.poll() is not None:
                said = (self.dir / "out").read_text()
                if "cgroup root" in said:
                    self.close()
                    pytest.skip("journald does not run where control groups cannot be seen")
                raise AssertionError(said)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                return s.connect_ex(str(self.socket)) == 0

        until("journald listens", listens)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def got(self):
        """What journalctl says of the gate, as it came."""
        p = subprocess.run(
            ["journalctl", "-D", str(self.dir / "log"), "--all", "-o", "json", "-q", "SYSLOG_IDENTIFIER=gitgate"],
            capture_output=True,
            text=True,
        )
        return [json.loads(x) for x in p.stdout.splitlines()]
