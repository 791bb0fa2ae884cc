"""A private PostgreSQL on loopback that a test can stop and start again."""

import contextlib
import glob
import itertools
import os
import shutil
import subprocess
import tempfile

import pytest

from upstreams import free_port


def programs():
    """The directory with initdb and pg_ctl, or None."""
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(os.path.realpath(found))
    dirs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(dirs[-1]) if dirs else None


class Cluster:
    def __init__(self, dir):
        self.bin, self.dir, self.data = programs(), dir, os.path.join(dir, "data")
        self.port, self.names = free_port(), itertools.count()
        self.url = f"postgresql://gitgate@127.0.0.1:{self.port}/postgres"

    def _run(self, program, *args):
        # the server refuses to run as root
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        p = subprocess.run(
            [*user, f"{self.bin}/{program}", "-D", self.data, *args],
            cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120,
        )
        assert p.returncode == 0, p.stderr

    def create(self):
        self._run("initdb", "-A", "trust", "-U", "gitgate", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def start(self):
        self._run(
            "pg_ctl", "-w", "-t", "60", "-l", f"{self.data}/server.log", "-o",
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={self.dir}", "start",
        )

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def _client(self, program, *args):
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "gitgate"]
        subprocess.run([f"{self.bin}/{program}", *at, *args], check=True, timeout=120)

    @contextlib.contextmanager
    def database(self, *options):
        """The URL of a new one in it, made with these options of createdb."""
        name = f"test{next(self.names)}"
        self._client("createdb", *options, name)
        yield self.url.removesuffix("postgres") + name
        self._client("dropdb", "--force", name)


@contextlib.contextmanager
def cluster():
    if programs() is None:
        pytest.skip("no PostgreSQL server here")
    # a short path, for its socket, that its own user can reach
    dir = tempfile.mkdtemp(prefix="gitgate-pg.", dir="/tmp")
    if os.geteuid() == 0:
        shutil.chown(dir, "postgres")
    c = Cluster(dir)
    try:
        c.create()
        c.start()
        yield c
    finally:
        with contextlib.suppress(AssertionError):
            c.stop("immediate")
        shutil.rmtree(dir, ignore_errors=True)
