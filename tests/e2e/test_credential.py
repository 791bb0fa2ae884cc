"""gitgate credential: git in a pipeline gets the job's own token, and only
the gate gets it."""

import subprocess
import time

import pytest
from ci import Ci
from gate import BIN, PROTECT_MAIN, Git

GATE = "https://gate.example.com"
OLD = "protocol=https\nhost=gate.example.com\n\n"
NEW = "capability[]=authtype\ncapability[]=state\n" + OLD


@pytest.fixture
def ci(tmp_path):
    with Ci(tmp_path) as c:
        yield c


def ask(env, *args, question=OLD, action="get", code=0):
    """(answer as a dict, stderr) of one call as git makes it."""
    p = subprocess.run(
        [str(BIN / "gitgate"), "credential", *args, action],
        input=question, capture_output=True, text=True, env=env, timeout=120,
    )
    assert p.returncode == code, (p.returncode, p.stderr)
    pairs = [line.split("=", 1) for line in p.stdout.splitlines()]
    return {k: v for k, v in pairs}, p.stderr


@pytest.mark.parametrize("which", ["github", "gitlab", "buildkite", "circleci", "jenkins"])
def test_each_ci_system_mints_for_the_gate(ci, which):
    make = getattr(ci, which)
    env = make(GATE) if which in ("gitlab", "jenkins") else make()
    got, _ = ask(env, "--audience", GATE)
    assert got["username"] == "oidc" and got["password"].startswith("eyJ")
    assert abs(int(got["password_expiry_utc"]) - time.time() - 600) < 300
    if which not in ("gitlab", "jenkins"):
        assert ci.minted == [GATE]
        # each git process has a token of its own
        again, _ = ask(env, "--audience", GATE)
        assert again["password"] != got["password"]


def test_both_forms_of_the_protocol(ci):
    env = ci.github()
    got, _ = ask(env, "--url", GATE, question=NEW)
    assert set(got) == {"capability[]", "authtype", "credential", "ephemeral", "password_expiry_utc"}
    assert got["capability[]"] == "authtype" and got["authtype"] == "Bearer" and got["ephemeral"] == "1"
    assert got["credential"].count(".") == 2
    got, _ = ask(env, "--url", GATE, question="username=me\n" + OLD)
    assert set(got) == {"username", "password", "password_expiry_utc"} and got["username"] == "me"
    for action in ("store", "erase", "something-new"):
        before = len(ci.minted)
        assert ask(env, "--url", GATE, action=action) == ({}, "")
        assert len(ci.minted) == before


@pytest.mark.parametrize(
    "protocol,host",
    [
        ("https", "evil.example"),
        ("https", "gate.example.com.evil.example"),
        ("https", "gate.example.com:8443"),
        ("http", "gate.example.com"),
        ("https", "gate.example.com@evil.example"),
    ],
)
def test_no_other_host_gets_the_token(ci, protocol, host):
    env = ci.github()
    for capability in ("", "capability[]=authtype\n"):
        question = f"{capability}protocol={protocol}\nhost={host}\n\n"
        assert ask(env, "--audience", GATE, question=question) == ({}, "")
    assert ci.minted == [], "not even minted"


def test_a_submodule_of_another_host_gets_nothing(ci):
    """The same with git: the helper is set for all hosts, and two ask."""
    env = {**ci.github(), "GIT_ASKPASS": "false"}
    subprocess.run(["git", "config", "--global", "credential.helper", f"!gitgate credential --url {GATE}"], env=env, check=True)
    ours = subprocess.run(["git", "credential", "fill"], input=OLD, env=env, capture_output=True, text=True)
    assert ours.returncode == 0 and "password=eyJ" in ours.stdout
    other = OLD.replace("gate.example.com", "evil.example")
    theirs = subprocess.run(["git", "credential", "fill"], input=other, env=env, capture_output=True, text=True)
    assert theirs.returncode != 0 and "eyJ" not in theirs.stdout + theirs.stderr
    assert len(ci.minted) == 1


def test_not_over_plain_http(ci):
    question = "protocol=http\nhost=gate.internal\n\n"
    got, said = ask(ci.github(), "--url", "http://gate.internal", question=question, code=1)
    assert got == {"quit": "1"} and "plain http" in said and ci.minted == []


def test_a_missing_permission_is_named(ci):
    got, said = ask(ci.github(permission=False), "--url", GATE, code=1)
    assert got == {"quit": "1"} and "permissions: id-token: write is missing" in said
    got, said = ask(ci.gitlab(None), "--url", GATE, code=1)
    assert got == {"quit": "1"} and f"id_tokens: {{GITGATE_ID_TOKEN: {{aud: {GATE}}}}}" in said
    # no CI system at all: somebody at a desk; git goes on and asks
    got, said = ask(ci.env, "--url", GATE, code=1)
    assert got == {} and "--from" in said
    p = subprocess.run(
        ["git", "-c", f"credential.helper=!gitgate credential --url {GATE}", "credential", "fill"],
        input=OLD, env=ci.github(permission=False), capture_output=True, text=True,
    )
    assert "id-token: write" in p.stderr and "told us to quit" in p.stderr


def test_one_retry_and_no_secret_in_errors(ci):
    env = ci.github()
    ci.failures = [503]
    assert "password" in ask(env, "--url", GATE)[0]
    ci.failures = [503, 503, 503]
    got, said = ask(env, "--url", GATE, code=1)
    assert got == {"quit": "1"} and "503" in said and ci.failures == [503]
    ci.failures = [403]
    assert "403" in ask(env, "--url", GATE, code=1)[1] and ci.failures == []
    for bad in ("", "two words", "x" * 20000):
        ci.value = bad
        _, said = ask(env, "--url", GATE, code=1)
        assert "token" in said and "xxxx" not in said
        assert ci.request_token not in said
    ci.issuer.down = True
    _, said = ask(env, "--url", GATE, code=1)
    assert "GitHub" in said and ci.request_token not in said


def test_a_token_for_somebody_else_stays(ci, tmp_path):
    """Such as the service account's own, that opens the cluster's API."""
    token = tmp_path / "token"
    token.write_text(ci.mint("https://kubernetes.default.svc") + "\n")
    for source in ("file", "kubernetes"):
        got, said = ask(ci.env, "--url", GATE, "--from", source, "--file", str(token), code=1)
        assert got == {"quit": "1"} and "kubernetes.default.svc" in said and "eyJ" not in said
    token.write_text(ci.mint(["other", GATE]) + "\n")
    assert "password" in ask(ci.env, "--url", GATE, "--file", str(token))[0]
    # the file is read again: what projects it renews it
    token.write_text(ci.mint(GATE, exp=int(time.time()) - 3600) + "\n")
    got, said = ask(ci.env, "--url", GATE, "--file", str(token), code=1)
    assert "has expired" in said and "eyJ" not in said
    token.write_text(ci.mint("gitgate-production"))
    assert "password" in ask(ci.env, "--url", GATE, "--audience", "gitgate-production", "--file", str(token))[0]


def test_own_ways(ci, tmp_path):
    env = {**ci.env, "MY_TOKEN": "from-the-environment"}
    assert ask(env, "--url", GATE, "--env", "MY_TOKEN")[0]["password"] == "from-the-environment"
    assert ask(env, "--url", GATE, "--command", "printf %s printed")[0]["password"] == "printed"
    assert ask(env, "--url", GATE, "--shell", "--command", 'printf %s "$MY_TOKEN"')[0]["password"] == env["MY_TOKEN"]
    assert ask({**env, "GITGATE_URL": GATE}, "--env", "MY_TOKEN")[0]["password"] == env["MY_TOKEN"]


def test_usage(ci):
    for args, says in (
        ((), "which gate"),
        (("--audience", "no-url"), "which gate"),
        (("--url", "https://user@gate.example.com"), "which gate"),
        (("--url", GATE, "--from", "teamcity"), "teamcity"),
    ):
        assert says in ask(ci.env, *args, code=2)[1]


def test_push_with_a_static_token(g, ci, tmp_path):
    """The same set-up for a job that has only a token of the gate's own."""
    token = tmp_path / "token"
    token.write_text(g.token("agent", "agents") + "\n")
    helper = f"!gitgate credential --url {g.url} --file {token}"
    path = tmp_path / "work"
    env = {"PATH": ci.env["PATH"]}
    setting = ("-c", f"credential.{g.url}.helper={helper}")
    work = Git(tmp_path, ci.home)
    work.run(*setting, "clone", "-q", g.remote(), str(path), env=env)
    work = Git(path, ci.home)
    work.commit({"a": "1"})
    work.run(*setting, "push", "-q", "origin", "HEAD:refs/heads/topic", env=env)
    assert str(token.read_text().strip()) not in (path / ".git/config").read_text()
    # a protected branch is held as always
    p = work.run(*setting, "push", "origin", "HEAD:main", env=env, check=False)
    assert p.returncode == 1 and PROTECT_MAIN["name"] in p.stderr
