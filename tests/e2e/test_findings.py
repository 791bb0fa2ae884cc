"""A finding that is no secret: named to who pushed it, allowed by somebody
else, for one repository and for a time, in the log first."""

import json
import re
import shutil

import pytest

from gate import ROOT, make_upstream, ref, until
from test_secrets import checked

RULE = {"name": "no-secrets", "when": {"secrets": True}, "then": "deny", "message": "Take it out."}
NAMED = re.compile(r"finding ([0-9a-f]{64}): (\S+) in (\S+?):(\d+)")


@pytest.fixture
def world(make_gate, tmp_path):
    repos = [
        {"path": f"demo/{n}", "upstream": str(make_upstream(tmp_path / "up" / f"{n}.git", {"README": "x\n"}))}
        for n in ("app", "other")
    ]
    g = make_gate(repositories=repos, start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.policy({"access": [{"principals": {"groups": ["agents", "security"]}, "repositories": ["**"],
                          "allow": ["fetch", "push"]}], "rules": [RULE]})
    g.start()
    return g


def allow(g, token, print, repository="demo/app", expires="30d"):
    return g.api("POST", "/findings", token,
                 {"fingerprint": print, "repository": repository, "comment": "a test", "expires": expires})


def test_a_finding_is_allowed_by_somebody_else(world):
    g = world
    bot, sue = g.token("bot", "agents", "security"), g.token("sue", "security")
    secret = checked("ghp_")
    work, other = g.clone(bot), g.clone(bot, "demo/other")
    for w in (work, other):
        w.commit({"conf/a.ini": f"# one\ntoken = {secret}\n"}, "config")
    p = work.push("HEAD:refs/heads/x", ok=False)
    flat = re.sub(r"\s*\nremote: ?", "\n", p.stderr)
    print, name, path, line = NAMED.search(flat).groups()
    assert (path, line) == ("conf/a.ini", "2") and secret not in p.stderr
    assert f"gitgate findings allow {print} --repository demo/app" in flat
    first = g.api("GET", "/pushes", bot).json["pushes"][0]["id"]

    # not by the pusher, in whatever groups; not by an agent
    assert allow(g, bot, print).status == 403
    assert allow(g, g.token("agent2", "agents"), print).status == 403
    p = g.remote_cli(sue, "findings", "allow", print, "--repository", "demo/app", "--comment", "the tests' own",
                     "--expires", "30d", "--json")
    a = json.loads(p.stdout)
    assert a["in_force"] is True and a["reviewer"] == "sue"

    # elsewhere it is still one, here it passes
    assert NAMED.search(re.sub(r"\s*\nremote: ?", "\n", other.push("HEAD:refs/heads/x", ok=False).stderr))
    assert "finding" not in work.push("HEAD:refs/heads/x", ok=True).stderr
    # as of the time of the first push it was not allowed
    e = g.api("GET", f"/pushes/{first}/preview", bot).json
    assert e["verdict"] == "deny" and e["recorded"] == "deny"
    work.commit({"conf/b.ini": f"token = {secret}\n"}, "another path")
    work.push("HEAD:refs/heads/y", ok=False)

    assert print in g.remote_cli(sue, "findings", "list", "--repository", "demo/app").stdout
    assert "revoked" in g.remote_cli(sue, "findings", "revoke", a["id"]).stdout
    assert g.remote_cli(sue, "findings", "revoke", a["id"], check=False).returncode == 1
    work.run("checkout", "-q", "-b", "again", "origin/main")
    # the blob of x is upstream's by now, and new to nobody; this one is new
    work.commit({"conf/a.ini": f"# two\n\ntoken = {secret}\n"}, "config again")
    assert print in work.push("HEAD:refs/heads/z", ok=False).stderr.replace("\nremote: ", "")
    assert ref(g.config["repositories"][0]["upstream"], "refs/heads/z") is None

    entries = [e for e in g.audit(g.token("audi", "auditors")) if e["type"].startswith("finding.")]
    assert [e["type"] for e in entries] == ["finding.allowed", "finding.revoked"]
    assert entries[0]["finding"] == print and entries[0]["principal"] == "sue"
    assert entries[0]["allowance"] == entries[1]["allowance"] == a["id"]
    assert entries[0]["comment"] == "the tests' own" and entries[0]["auth"]["method"] == "token"
    assert secret not in g.log()


def test_an_allowance_ends(world):
    g = world
    bot, sue = g.token("bot", "agents"), g.token("sue", "security")
    work = g.clone(bot)
    work.commit({"a": f"token = {checked('ghp_')}\n"})
    print = NAMED.search(re.sub(r"\s*\nremote: ?", "\n", work.push("HEAD:refs/heads/x", ok=False).stderr))[1]
    a = allow(g, sue, print, expires="1s")
    assert a.status == 201, a.text
    def over():
        return not g.api("GET", "/findings", sue).json["findings"][0]["in_force"]

    until("it has expired", over)
    work.push("HEAD:refs/heads/x", ok=False)
    assert allow(g, sue, print, expires="1h").status == 201
    work.push("HEAD:refs/heads/x", ok=True)
