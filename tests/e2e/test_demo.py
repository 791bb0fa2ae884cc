"""make demo's script, and then its printed steps by hand."""

import os
import re
import subprocess

import pytest
from gate import BIN, ROOT, http, until
from upstreams import free_port


@pytest.fixture
def demo(tmp_path):
    env = {
        **os.environ,
        "GITGATE_DEMO_DIR": str(tmp_path / "demo"),
        "GITGATE_DEMO_PORT": str(free_port()),
        "GITGATE_BUILD": str(BIN),
    }

    def run(*args):
        return subprocess.run(
            [ROOT / "scripts/demo.sh", *args], capture_output=True, text=True, env=env, timeout=300, cwd=tmp_path
        )

    yield run
    run("stop")


def one(pattern, text):
    found = re.search(pattern, text)
    assert found, f"{pattern}\n{text}"
    return found.group(1)


def sh(command):
    p = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, f"{command}\n{p.stdout}{p.stderr}"
    return p.stdout


def test_demo_and_its_printed_steps(demo, tmp_path):
    p = demo()
    assert p.returncode == 0, p.stdout + p.stderr
    text = p.stdout

    # what it says of itself
    landed = one(r"upstream has feature/hello at ([0-9a-f]{40})", text)
    assert "held for approval" in text and "(rule migrations)" in text
    link = one(r"review link +(http://\S+/-/holds/[0-9A-Z]{26})", text)
    upstream = one(r"git -C (\S+) log --oneline main", text)
    assert sh(f"git -C {upstream} rev-parse feature/hello").strip() == landed
    before = sh(f"git -C {upstream} rev-parse main")
    assert sh(f"git -C {upstream} log --oneline main").count("\n") == 1

    # without a session the link asks to sign in, and comes back to the hold
    url = link.split("/-/")[0]
    page = http("GET", link)
    assert page.status in (302, 303) and "/-/login" in page.headers["Location"]
    # with the printed password one gets in
    password = one(r"password +(\S+)", text)
    jar = tmp_path / "jar"
    form = sh(f"curl -sf -c {jar} -b {jar} {url}/-/login")
    fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
    data = {**fields, "user": "reviewer", "password": password}
    names = set(re.findall(r'<input[^>]*name="([^"]+)"', form))
    assert set(data) >= names, names
    args = " ".join(f"--data-urlencode '{k}={v}'" for k, v in data.items() if k in names)
    sh(f"curl -sf -o /dev/null -c {jar} -b {jar} -H 'Origin: {url}' {args} {url}/-/login")
    shown = sh(f"curl -sf -c {jar} -b {jar} {link}")
    assert "migrations/0002_name.sql" in shown and "alter table users add name text;" in shown

    # the printed command approves, as it stands
    command = one(r"(GITGATE_URL=\S+ GITGATE_TOKEN=\S+ \\\n +\S+ holds approve \S+ --comment \"looks good\")", text)
    sh(command)
    until("main moves upstream", lambda: sh(f"git -C {upstream} rev-parse main") != before)
    assert sh(f"git -C {upstream} log --oneline main").count("\n") == 2
    assert "users have names" in sh(f"git -C {upstream} log --oneline main")

    # the log verifies, as printed
    verify = one(r"(\S+ audit verify --key \$\(cat \S+\) \S+)", text)
    sh(verify)

    # a second demo replaces the first, and stop ends it
    assert demo("stop").returncode == 0
    with pytest.raises(OSError):
        http("GET", url + "/healthz", timeout=5)
    sh(verify)


def test_demo_does_not_take_another_servers_port(demo):
    p = demo()
    assert p.returncode == 0, p.stdout + p.stderr
    pid_file = one(r"log (\S+)/gitgate.log", p.stdout) + "/pid"
    pid = open(pid_file).read()
    os.unlink(pid_file)  # as if it were somebody else's
    try:
        again = demo()
        assert again.returncode == 1 and "something else answers" in again.stderr
    finally:
        open(pid_file, "w").write(pid)
