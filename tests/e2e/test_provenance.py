"""What a push says of its making: hooks/client/provenance says it, rules ask
for it, and only a session that the token names is verified."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gate import Gate, hold_id, make_upstream, ref
from issuer import Issuer
from websession import Browserless

CLIENT = Path(__file__).resolve().parents[2] / "hooks" / "client" / "provenance"
PASSWORD = "a long pass phrase"
RULES = [
    {"name": "said", "when": {"refs": ["refs/heads/said/**"], "provenance": {"require": "session"}}, "then": "deny", "message": "Which session?"},
    {
        "name": "proven",
        "when": {"refs": ["refs/heads/proven/**"], "provenance": {"require": "session", "verified": True}},
        "then": "hold",
        "approvals": {"from": ["maintainers"]},
    },
    {"name": "look", "when": {"refs": ["refs/heads/look/**"]}, "then": "hold", "approvals": {"from": ["maintainers"]}},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("provenance")
    bare = make_upstream(root / "app.git", {"README": "hello\n"})
    with Issuer(alg="RS256") as i:
        ci = {
            "name": "ci",
            "issuer": i.url,
            "audience": "gitgate",
            "profile": "github-actions",
            "require": {"repository_owner_id": 65},
            "groups": [{"group": "agents", "when": {"repository_owner_id": 65}}],
        }
        g = Gate(root / "g", rules=RULES, repositories=[{"path": "demo/app", "upstream": str(bare)}], config={"identity": {"issuers": [ci]}})
        with g:
            g.upstream, g.issuer = bare, i
            g.bot, g.ann_token = g.token("bot", "agents"), g.token("ann-cli", "maintainers")
            g.user("ann", PASSWORD, "maintainers")
            yield g


def job(g, run_id):
    claims = {
        "repository": "demo/app",
        "repository_owner": "demo",
        "repository_owner_id": "65",
        "event_name": "push",
        "ref": "refs/heads/main",
        "sub": "repo:demo/app:ref:refs/heads/main",
        "actor": "octocat",
        "run_id": run_id,
    }
    return g.issuer.mint(g.issuer.claims(**claims))


def client(w, *args, input=None, check=True, **env):
    return subprocess.run([CLIENT, *args], cwd=w.path, env={**w.env, **env}, input=input, capture_output=True, text=True, check=check)


def options(w):
    return sorted(w.run("config", "--local", "--get-all", "push.pushOption", check=False).stdout.splitlines())


def claimed(g, push):
    return g.hold(hold_id(push), g.ann_token)["claimed"]


def test_a_run_says_its_session(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"a": "1"})
    push = w.push("HEAD:refs/heads/said/1", ok=False)
    assert "rule said: Which session?" in push.stderr and f"commit {tip[:7]} (no session)" in push.stderr
    p = client(w, "run", "git", "push", "-q", "origin", "HEAD:refs/heads/said/1", GITGATE_SESSION="s-1")
    assert ref(g.upstream, "refs/heads/said/1") == tip, p.stderr
    assert options(w) == []
    # beside configuration that is in the environment already, and all of it
    (w.path / "prompt").write_text("Add a column.\n")
    env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "push.pushOption", "GIT_CONFIG_VALUE_0": "agent.note=kept"}
    env |= {"GITGATE_SESSION_FROM": "NOT_SET MINE", "MINE": "a $(id) 'b' \"c\"\nd", "GITGATE_PROMPT_FILE": "prompt", "GITGATE_MODEL": "m-5"}
    p = client(w, "run", "git", "push", "origin", "HEAD:refs/heads/look/1", check=False, **env, GITGATE_URL="https://runs.example/1")
    assert claimed(g, p) == {
        "agent.note": "kept",
        "agent.session": "a $(id) 'b' \"c\"d",
        "agent.prompt-sha256": hashlib.sha256(b"Add a column.\n").hexdigest(),
        "agent.model": "m-5",
        "agent.url": "https://runs.example/1",
    }
    assert p.returncode == 1
    assert client(w, "run", "sh", "-c", "exit 7", check=False).returncode == 7


def test_a_repository_says_it_until_it_is_cleared(place):
    g, w = place, place.clone(place.bot)
    w.run("config", "--add", "push.pushOption", "gitgate.wait=0s")
    w.commit({"b": "1"})
    client(w, "set", GITGATE_SESSION="s-1", GITGATE_PROMPT="do it")
    client(w, "set", input=json.dumps({"session_id": "s-2", "cwd": "/"}), GITGATE_STDIN="json", GITGATE_PROMPT="do it")
    digest = hashlib.sha256(b"do it").hexdigest()
    assert options(w) == [f"agent.prompt-sha256={digest}", "agent.session=s-2", "gitgate.wait=0s"]
    assert claimed(g, w.push("HEAD:refs/heads/look/2", ok=False)) == {"agent.session": "s-2", "agent.prompt-sha256": digest}
    client(w, "clear")
    assert options(w) == ["gitgate.wait=0s"]
    client(w, "clear")
    w.push("HEAD:refs/heads/said/2", ok=False)


def test_the_client_refuses_what_it_cannot_do(place):
    w = place.clone(place.bot)
    for args, env, why in (
        (["run"], {}, "run what?"),
        ([], {}, "run COMMAND"),
        (["set"], {"GITGATE_SESSION_FROM": "x;id"}, "no name of a variable"),
        (["set"], {"GITGATE_PROMPT_FILE": "missing"}, "cannot read missing"),
    ):
        p = client(w, *args, check=False, **env)
        assert p.returncode != 0 and why in p.stderr, (args, p)
    assert options(w) == []
    p = client(w, "--help")
    assert p.stdout.startswith("provenance - ") and "set -eu" not in p.stdout


def test_trailers_say_it_too(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"c": "1"}, "A change\n\nWhy.\n\nAmp-Thread-ID: T-1\n")
    w.push("HEAD:refs/heads/said/3", ok=True)
    w.commit({"c": "2"}, "Another one")
    w.push("HEAD:refs/heads/said/3", ok=False)
    assert ref(g.upstream, "refs/heads/said/3") == tip


def test_only_what_the_token_names_is_verified(place):
    g = place
    w = g.clone(job(g, "4711"))
    tip = w.commit({"d": "1"})
    w.push("-o", "agent.session=4711", "HEAD:refs/heads/proven/1", ok=True)
    assert ref(g.upstream, "refs/heads/proven/1") == tip
    # a session of somebody else's, a proven thing that is no session, none
    for i, session in enumerate(("4712", "refs/heads/main", "octocat", "")):
        w.commit({"d": f"no{i}"})
        w.push("-o", f"agent.session={session}", f"HEAD:refs/heads/proven/no{i}", ok=False)
    b = g.clone(g.bot)
    b.commit({"d": "2"})
    b.push("-o", "agent.session=4711", "HEAD:refs/heads/proven/2", ok=False)
    pages = []
    for session in ("4711", "4712"):
        w.commit({"d": session}, f"Change\n\nEntire-Session: {session}\n")
        id = hold_id(w.push("-o", f"agent.session={session}", f"HEAD:refs/heads/look/s{session}", ok=False))
        pages.append(Browserless(g, "ann", PASSWORD).get(f"/-/holds/{id}").text)
    assert "the credential names it, too" in pages[0] and pages[0].count("the credential of the push names it") == 1
    assert "the credential names it, too" not in pages[1]
    # it has the commit of the first one as well: proven is what the token says
    assert pages[1].count("the credential of the push names it") == 1


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_cannot_be_told_stops_the_run(place, tmp_path, shell):
    """In every shell: -e alone does not reach into $(...) of all of them."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    w = place.clone(place.bot, name=f"stops-{shell}")
    ran = tmp_path / "ran"
    for env in (
        {"GITGATE_SESSION": "s", "GITGATE_PROMPT_FILE": str(tmp_path / "none")},
        {"GITGATE_SESSION_FROM": "PATH;touch"},
        {"GITGATE_STDIN": "json"},
    ):
        for args in (["run", "touch", str(ran)], ["set"]):
            p = subprocess.run([shell, CLIENT, *args], cwd=w.path, env={**w.env, **env}, input="no JSON", capture_output=True, text=True)
            assert p.returncode != 0 and p.stderr, (env, args)
    assert not ran.exists() and options(w) == []
    # what looks like shell is text
    odd = f'a"b $(touch {ran}) `touch {ran}`; \\n end'
    subprocess.run([shell, CLIENT, "set"], cwd=w.path, env={**w.env, "GITGATE_SESSION": odd}, check=True)
    assert not ran.exists() and options(w) == ["agent.session=" + odd]
