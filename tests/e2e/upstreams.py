"""Real upstream servers on loopback for tests, and hostile ones.

Each is a context manager that picks a free port, keeps its files below a
directory it is given, and takes the server down at its end. What has a
`repo(name)` makes a bare repository that the server serves and yields
(path, url).
"""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

USER, PASSWORD = "deploy", "s3cr3t-p%ss/word"

GIT_ENV = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "C O Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "init.defaultBranch",
    "GIT_CONFIG_VALUE_1": "main",
}


def git(*args, cwd=None, stdin=None, check=True, text=True):
    if isinstance(stdin, str) and not text:
        stdin = stdin.encode()
    p = subprocess.run(["git", *map(str, args)], cwd=cwd, input=stdin, text=text, env=GIT_ENV, capture_output=True)
    if check and p.returncode != 0:
        raise AssertionError(f"git {args}: {p.stderr}")
    return p.stdout.strip() if text else p.stdout


def make_bare(path):
    """A bare repository that takes what tests send."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    git("init", "-q", "--bare", path)
    for key, value in (
        ("http.receivepack", "true"),
        ("receive.advertisePushOptions", "true"),
        ("receive.autogc", "false"),
        ("gc.auto", "0"),
        ("uploadpack.allowAnySHA1InWant", "true"),
    ):
        git("config", key, value, cwd=path)
    return path


def commit(bare, files, parent=None, message="commit", ref=None):
    """Write a commit object into a bare repository; yields its id."""
    with_index = {**GIT_ENV, "GIT_INDEX_FILE": str(Path(bare) / f"index-{os.getpid()}-{threading.get_ident()}")}

    def run(*args, stdin=None):
        p = subprocess.run(["git", *args], cwd=bare, input=stdin, env=with_index, capture_output=True, check=True)
        return p.stdout.decode().strip()

    Path(with_index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
    if parent:
        run("read-tree", parent)
    for name, data in files.items():
        data = data.encode() if isinstance(data, str) else data
        blob = run("hash-object", "-w", "--stdin", stdin=data)
        run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = run("write-tree")
    oid = run("commit-tree", tree, "-m", message, *(["-p", parent] if parent else []))
    Path(with_index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
    if ref:
        run("update-ref", ref, oid)
    return oid


def free_port():
    """For what cannot be told to take any port. From below the ports that the
    kernel gives out by itself, so that no connection takes it before the
    server has it, or while the server is down."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", random.randrange(20000, first) if first > 24000 else 0))
            return s.getsockname()[1]


def wait_port(port, process, seconds=60):
    """Until something accepts there: the event to wait for is the accept."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"server ended: {process.args}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"no server at port {port}")


@contextlib.contextmanager
def running(argv, port, log, **kwargs):
    # A signal for the group: servers fork workers and CGI programs.
    with open(log, "ab") as out:
        p = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **kwargs)
    try:
        if port:
            wait_port(port, p)
        yield p
    finally:
        for sig, wait in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, sig)
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(wait)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)  # what it left behind


class Server:
    def __init__(self, root, base, **more):
        self.root, self.base = Path(root), base
        self.__dict__.update(more)

    def repo(self, name):
        path = make_bare(self.root / f"{name}.git")
        subprocess.run(["chmod", "-R", "a+rwX", str(path)], check=True)
        return path, f"{self.base}/{name}.git"


def open_up(path):
    """Servers that drop privileges must reach the files of the test."""
    path = Path(path).resolve()
    for p in (path, *path.parents):
        if p.stat().st_uid == os.geteuid() and p != Path("/"):
            p.chmod(p.stat().st_mode | 0o755)


def make_certificate(dir, name="localhost"):
    key, cert = Path(dir) / "tls.key", Path(dir) / "tls.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
        check=True, capture_output=True)
    return key, cert


APACHE = """
ServerRoot "{dir}"
ServerName localhost
PidFile {dir}/pid
ErrorLog {dir}/error.log
Listen 127.0.0.1:{port}
Mutex file:{dir} default
LoadModule mpm_event_module {modules}/mod_mpm_event.so
StartServers 1
ServerLimit 1
MinSpareThreads 1
MaxSpareThreads 25
MaxRequestWorkers 25
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule env_module {modules}/mod_env.so
LoadModule setenvif_module {modules}/mod_setenvif.so
LoadModule cgid_module {modules}/mod_cgid.so
ScriptSock {sockets}/cgid.sock
{user}
LogFormat "%H %m %U%q %>s %k" short
CustomLog {dir}/access.log short
SetEnv GIT_PROJECT_ROOT {root}
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnv GIT_CONFIG_COUNT 1
SetEnv GIT_CONFIG_KEY_0 safe.directory
SetEnv GIT_CONFIG_VALUE_0 *
SetEnvIf Git-Protocol ".*" GIT_PROTOCOL=$0
ScriptAlias / /usr/lib/git-core/git-http-backend/
<Location />
  {auth}
</Location>
{tls}
"""


def short_directory():
    """For sockets, whose paths have at most 107 bytes: pytest's own
    directories may be longer."""
    path = Path(tempfile.mkdtemp(prefix="gg-", dir="/tmp"))
    path.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(path, "www-data")
    return path


@contextlib.contextmanager
def apache(dir, tls=False, auth=True):
    """apache2 with git-http-backend; Basic auth with USER and PASSWORD."""
    dir = Path(dir)
    root = dir / "repos"
    root.mkdir(parents=True)
    open_up(root)
    port, cert, tls_text = free_port(), None, ""
    if tls:
        key, cert = make_certificate(dir)
        tls_text = (f"LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nSSLEngine on\n"
                    f"SSLCertificateFile {cert}\nSSLCertificateKeyFile {key}\n")
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD, text=True,
                            capture_output=True, check=True).stdout
    (dir / "users").write_text(f"{USER}:{hashed}")
    (dir / "users").chmod(0o644)
    auth_text = (f'AuthType Basic\n  AuthName "git"\n  AuthUserFile {dir}/users\n  Require valid-user'
                 if auth else "Require all granted")
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    conf = dir / "apache.conf"
    sockets = short_directory()
    conf.write_text(APACHE.format(dir=dir, sockets=sockets, root=root, port=port, auth=auth_text, tls=tls_text, user=user,
                                  modules="/usr/lib/apache2/modules"))
    try:
        with running(["apache2", "-DFOREGROUND", "-f", str(conf)], port, dir / "out.log"):
            # Its CGI daemon starts beside it.
            while not list(sockets.glob("cgid.sock*")):
                time.sleep(0.01)
            scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
            yield Server(root, f"{scheme}://{host}:{port}", ca=cert, access_log=dir / "access.log", dir=dir)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


NGINX = """
daemon off; master_process on; {user}
pid {dir}/pid; error_log {dir}/error.log;
events {{ }}
http {{
  access_log {dir}/access.log;
  client_body_temp_path {dir}/body; fastcgi_temp_path {dir}/fastcgi; proxy_temp_path {dir}/proxy;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location / {{
      fastcgi_pass unix:{sockets}/fcgi.sock;
      fastcgi_read_timeout 300s;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param GIT_PROJECT_ROOT {root};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param GIT_CONFIG_COUNT 1;
      fastcgi_param GIT_CONFIG_KEY_0 safe.directory;
      fastcgi_param GIT_CONFIG_VALUE_0 *;
      fastcgi_param REMOTE_USER pusher;
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(dir):
    """nginx, fcgiwrap and git-http-backend, without authentication."""
    dir = Path(dir)
    root = dir / "repos"
    root.mkdir(parents=True)
    open_up(root)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    sockets = short_directory()
    (dir / "nginx.conf").write_text(NGINX.format(dir=dir, sockets=sockets, root=root, port=port, user=user))
    try:
        with running(["fcgiwrap", "-c", "4", "-f", "-s", f"unix:{sockets}/fcgi.sock"], None, dir / "fcgi.log"):
            while not (sockets / "fcgi.sock").exists():
                time.sleep(0.01)
            with running(["nginx", "-p", str(dir), "-e", str(dir / "error.log"), "-c", str(dir / "nginx.conf")],
                         port, dir / "out.log"):
                yield Server(root, f"http://127.0.0.1:{port}", dir=dir, access_log=dir / "access.log")
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


@contextlib.contextmanager
def sshd(dir):
    """An OpenSSH server that knows one deploy key; needs no root."""
    dir = Path(dir)
    root = dir / "repos"
    root.mkdir(parents=True)
    port = free_port()
    for name in ("host", "deploy", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(dir / name)], check=True)
    (dir / "authorized").write_text((dir / "deploy.pub").read_text())
    host_key = " ".join((dir / "host.pub").read_text().split()[:2])
    (dir / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (dir / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nPidFile none\n"
        f"AuthorizedKeysFile {dir}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        "AcceptEnv GIT_PROTOCOL\nLogLevel VERBOSE\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with running([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(dir / "sshd_config")],
                 port, dir / "sshd.log"):
        user = pwd.getpwuid(os.geteuid()).pw_name
        yield Server(root, f"ssh://{user}@127.0.0.1:{port}{root}", key=dir / "deploy", stranger=dir / "stranger",
                     known_hosts=dir / "known_hosts", log=dir / "sshd.log", port=port, user=user, dir=dir)


@contextlib.contextmanager
def local(dir):
    root = Path(dir) / "repos"
    root.mkdir(parents=True)
    yield Server(root, str(root), dir=Path(dir))


def pkt(text):
    data = text.encode() if isinstance(text, str) else text
    return b"%04x" % (len(data) + 4) + data


class Hostile:
    """A TCP server that answers each connection by a script.

    script(conn, request) gets the socket and the bytes of the request's head
    (and body, as far as Content-Length says); what it does is its business.
    `requests` holds what came. `stop` is set when the test is over."""

    def __init__(self, script):
        self.script, self.requests, self.stop = script, [], threading.Event()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while not self.stop.is_set():
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        with conn, contextlib.suppress(OSError):
            while (request := self.read_request(conn)) is not None:
                self.requests.append(request)
                if self.script(conn, request) != "next":
                    return

    @staticmethod
    def read_request(conn):
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return None
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"expect":
                conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < length:
            more = conn.recv(65536)
            if not more:
                break
            body += more
        return head + b"\r\n\r\n" + body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.sock.close()


def http_answer(body, kind, status="200 OK", length=None):
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n").encode() + body


def receive_advert(refs=(), caps="report-status delete-refs side-band-64k atomic push-options"):
    """info/refs of git-receive-pack as bytes of HTTP."""
    lines = list(refs) or [("0" * 40, "capabilities^{}")]
    out = pkt("# service=git-receive-pack\n") + b"0000"
    for i, (oid, name) in enumerate(lines):
        out += pkt(f"{oid} {name}" + (f"\0{caps}" if i == 0 else "") + "\n")
    return http_answer(out + b"0000", "application/x-git-receive-pack-advertisement")


def report(*lines, band=1):
    inner = b"".join(pkt(line + "\n") for line in lines) + b"0000"
    return pkt(bytes([band]) + inner) + b"0000"
