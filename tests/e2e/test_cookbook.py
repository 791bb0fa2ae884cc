"""Every recipe of docs/policy-cookbook.md does what its title says: a push
that it means, and one that it does not. Judged by tests/lib/policy_eval.c,
which calls the evaluator that the gate calls."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GITGATE_BUILD", ROOT / "build"))
PAGE = (ROOT / "docs" / "policy-cookbook.md").read_text()
RECIPES = dict(re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```yaml\n(.*?)^```$",
                          PAGE, re.M | re.S))
SIGNER = ("ann@corp.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
          "Mqs1pdVJKFIyjwr/qGcXfJPKZO1ZFl0dKhCFkMRDUJo\n")
AGENT = {"groups": ["agents"]}
SESSION = "a\n\nClaude-Session: https://claude.ai/code/session_7\n"

FIRST = "11" * 20  # what policy_eval calls the first commit
NOTE = {"source": "git-ai", "key": "commit:" + FIRST, "session": "s"}
CHECKPOINT = {"source": "entire", "key": "checkpoint:0123456789ab",
              "sessions": [{"part": "0", "session": "s"}]}


def paths(*names, **more):
    return dict({"commits": [{"paths": list(names)}]}, **more)


def commit(**c):
    return {"commits": [c]}


def change(path, *kinds, **more):
    return dict({"path": path, "kinds": list(kinds)}, **more)


def lines(n):
    return paths({"path": "a.c", "kinds": ["modify"], "added": n})


# title: the verdict, pushes that the recipe means, pushes that it does not
CASES = {
    "Agents push, a maintainer approves what reaches main": ("hold",
        [AGENT, {"ref": "refs/heads/release/1/x"}],
        [{"groups": ["maintainers"]}, dict(AGENT, ref="refs/heads/x")]),
    "Nobody rewrites history": ("deny",
        [{"kind": "force"}, {"kind": "delete"},
         {"ref": "refs/tags/v1", "kind": "tag-move"}],
        [{}, {"ref": "refs/tags/v2", "kind": "create"},
         {"ref": "refs/heads/x", "kind": "force"}]),
    "Migrations need a DBA, on every branch": ("hold",
        [paths("migrations/1.sql"), paths("Migrations/1.sql"),
         paths("db/migrate/x", ref="refs/heads/x")],
        [paths("migrations/README.md"), paths("src/a")]),
    "Two people for what runs the pipeline, both sides of a rename": ("hold",
        [paths(".github/workflows/ci.yml"), paths("x/Jenkinsfile"),
         paths(".GitHub/workflows/ci.yml")], [paths("src/github.c")]),
    "No symlinks, no submodules": ("deny",
        [dict(AGENT, **paths(change("a", "add", "symlink"))),
         dict(AGENT, **paths(change("a", "modify", "submodule")))],
        [dict(AGENT, **paths("a")), paths(change("a", "add", "symlink"))]),
    "Migrations during an incident, without a review of each": ("hold",
        [paths("migrations/1.sql"), paths("deploy/secrets/a")],
        [paths("src/a")]),
    "An agent has its own corner": ("deny",
        [dict(AGENT, ref="refs/heads/x"), dict(AGENT, ref="refs/tags/v1")],
        [dict(AGENT, ref="refs/heads/agents/x"), dict(AGENT),
         {"ref": "refs/heads/x"}]),
    "Keep the client waiting for the approval": ("hold",
        [{"ref": "refs/heads/hotfix/a"}], [{}]),
    "Nobody but the release managers touches a release": ("deny",
        [{"ref": "refs/tags/v1", "kind": "create"},
         {"ref": "refs/heads/release/1"}],
        [{"ref": "refs/tags/v1", "groups": ["release-managers"]},
         {"ref": "refs/tags/x", "kind": "create"}]),
    "No force, anywhere": ("deny", [{"kind": "force", "ref": "refs/heads/x"}],
        [{"kind": "force", "ref": "refs/heads/agents/x"}, {}]),
    "Branches are deleted by whoever may make them": ("deny",
        [dict(AGENT, kind="delete")],
        [dict(AGENT, kind="delete", ref="refs/heads/agents/x"),
         {"kind": "delete"}]),
    "CODEOWNERS decides who approves": ("hold",
        [paths("db/1.sql", owners="* @ann\n/db/ @acme/database\n"),
         paths("x")], [paths("x", ref="refs/heads/x")]),
    "Who owns CODEOWNERS": ("hold",
        [paths("CODEOWNERS"), paths(".github/CODEOWNERS"),
         paths("docs/codeowners")], [paths("owners")]),
    "Lock files change with a person's eyes on them": ("hold",
        [dict(AGENT, **paths("go.sum")),
         dict(AGENT, **paths("web/package-lock.json"))],
        [dict(AGENT, **paths("package.json")), paths("go.sum")]),
    "Submodules point where they point": ("hold",
        [paths(change("lib", "modify", "submodule")), paths(".gitmodules"),
         paths(change(".GITMODULES", "add"))], [paths("lib/x")]),
    "No binaries over 5 MiB": ("deny",
        [paths(change("a.bin", "add", bytes=5 * 2**20 + 1))],
        [paths(change("a.bin", "add", bytes=5 * 2**20)),
         paths(change("assets/a.bin", "add", bytes=2**30), "src/a")]),
    "Nothing on Friday evening": ("hold",
        [{"now": "2026-11-20T14:00:00Z"}, {"now": "2026-11-22T22:59:59Z"},
         {"now": "2026-11-23T07:59:59Z"}, {"now": "2026-07-17T13:00:00Z"}],
        [{"now": "2026-11-20T13:59:59Z"}, {"now": "2026-11-23T08:00:00Z"},
         {"now": "2026-07-17T12:59:59Z"},
         {"now": "2026-11-22T12:00:00Z", "ref": "refs/heads/x"}]),
    "Production moves in working hours only": ("deny",
        [{"ref": "refs/heads/production", "now": "2026-11-20T13:59:59Z"},
         {"ref": "refs/heads/production", "now": "2026-11-20T22:00:00Z"},
         {"ref": "refs/heads/production", "now": "2026-11-21T15:00:00Z"}],
        [{"ref": "refs/heads/production", "now": "2026-11-20T14:00:00Z"},
         {"ref": "refs/heads/production", "now": "2026-07-17T13:00:00Z"},
         {"now": "2026-11-21T15:00:00Z"}]),
    "Closed over the turn of the year": ("deny",
        [{"now": "2026-12-18T23:00:00Z"}, {"now": "2027-01-03T22:59:59Z"}],
        [{"now": "2026-12-18T22:59:59Z"}, {"now": "2027-01-03T23:00:00Z"},
         {"now": "2026-12-25T00:00:00Z", "groups": ["release-managers"]}]),
    "Infrastructure takes one of security and one of operations": ("hold",
        [paths("terraform/x"), paths("a/b.tf")], [paths("a/b.tfx")]),
    "Provenance has refs of its own": ("deny",
        [{"ref": "refs/notes/commits", "kind": "force"},
         {"ref": "refs/entire/s/1", "kind": "delete"},
         paths(change("a", "add", bytes=2**21), ref="refs/notes/x")],
        [paths("a", ref="refs/notes/x"),
         paths(change("a", "add", bytes=2**21))]),
    "Notes and session records have terms of their own": ("deny",
        [{"ref": "refs/notes/ai"}, {"ref": "refs/heads/entire/checkpoints/v1"},
         dict(AGENT, ref="refs/entire/checkpoints/ab/x", repository="public/x"),
         dict(AGENT, **paths("full.jsonl", ref="refs/entire/checkpoints/ab/x",
              findings=[{"path": "full.jsonl", "commit": 0}]))],
        [dict(AGENT, **paths("full.jsonl", ref="refs/entire/checkpoints/ab/x")),
         {}, dict(AGENT, ref="refs/notes/ai")]),
    "Rules about messages and authors leave notes and session records alone": (
        "deny",
        [commit(author="x@elsewhere.example", message="APP-1: a"),
         commit(author="x@corp.example", message="a"),
         dict(commit(author="git-ai@local"), ref="refs/heads/entire/x")],
        [dict(commit(author="git-ai@local", message=""), ref=ref)
         for ref in ("refs/notes/ai", "refs/entire/checkpoints/ab/x",
                     "refs/heads/entire/checkpoints/v1")] +
        [commit(author="x@corp.example", message="APP-1: a")]),
    "Notes and session records stay at the gate": ("keep",
        [{"ref": "refs/notes/ai"},
         paths("full.jsonl", ref="refs/entire/checkpoints/ab/x")],
        [{}, {"ref": "refs/heads/entire/checkpoints/v1"},
         paths("full.jsonl", ref="refs/entire/checkpoints/ab/x",
               findings=[{"path": "full.jsonl", "commit": 0}])]),
    "Agents say which session a push is from": ("deny",
        [dict(AGENT, **commit()),
         dict(AGENT, claimed={"agent.model": "m"}, **commit()),
         dict(AGENT, claimed={"agent.session": ""}, **commit()),
         dict(AGENT, commits=[{"message": SESSION}, {}]),
         dict(AGENT, **commit(message="a\n\nAi-assisted: true\n")),
         dict(AGENT, commits=[{"message": SESSION}], net=["x"]),
         dict(AGENT, commits=[{"message": SESSION}], **{"too-large": True}),
         dict(AGENT, records=[dict(NOTE, session="")], **commit()),
         dict(AGENT, records=[dict(NOTE, unreadable="why")], **commit()),
         dict(AGENT, records=[dict(NOTE, key="commit:" + "9" * 40)],
              **commit()),
         dict(AGENT, records=[NOTE], commits=[{}, {}]),
         dict(AGENT, records=[CHECKPOINT], **commit()),
         dict(AGENT, records=[CHECKPOINT],
              **commit(message="a\n\nEntire-Checkpoint: 0123456789ac\n")),
         dict(AGENT, records=[NOTE], net=["x"])],
        [dict(AGENT, claimed={"agent.session": "s-1"}, **commit()),
         dict(AGENT, records=[NOTE], **commit()),
         dict(AGENT, records=[NOTE], commits=[{}, {"message": SESSION}]),
         dict(AGENT, records=[{"source": "agent-trace", "commit": FIRST,
              "key": "commit:" + "9" * 40, "files": [{"path": "a"},
              {"path": "b", "session": "s"}]}], **commit()),
         dict(AGENT, records=[CHECKPOINT],
              **commit(message="a\n\nEntire-Checkpoint: 0123456789ab\n")),
         dict(AGENT, claimed={"agent.session": "s-1"}, net=["x"]),
         dict(AGENT, commits=[{"message": SESSION}] * 2),
         dict(AGENT, kind="delete"),
         dict(AGENT, ref="refs/notes/ai", **commit()), commit()]),
    "Only a proven session reaches main without a person": ("hold",
        [dict(AGENT, claimed={"agent.session": "1"}, **commit()),
         dict(AGENT, claimed={"agent.session": "1"},
              verified={"session": "2"}, **commit()),
         dict(AGENT, claimed={"agent.session": "1"}, verified={"ref": "1"},
              **commit()),
         dict(AGENT, verified={"session": "1"}, **commit())],
        [dict(AGENT, claimed={"agent.session": "1"},
              verified={"session": "1"}, **commit()),
         dict(AGENT, claimed={"agent.session": "9"}, verified={"run_id": "9"},
              **commit()),
         dict(AGENT, verified={"session": "session_7"},
              **commit(message=SESSION)),
         dict(AGENT, ref="refs/heads/x", **commit())]),
    "No secrets": ("deny",
        [paths("a", findings=[{"path": "a", "commit": 0}]),
         {"findings": [{"path": ""}]}], [paths("a"),
         paths("a", findings=[{"commit": 0, "fingerprint": "f"}],
               allowed=["f"])]),
    "Commits on main are signed": ("deny",
        [commit(), commit(signature="-----BEGIN SSH SIGNATURE-----\nx\n")],
        [dict(commit(), ref="refs/heads/x")]),
    "Authors have an address of ours": ("deny",
        [commit(author="x@evil.example"), commit(author="a@corp.example.x"),
         {"commits": [{}, {"author": ""}]}],
        [commit(author="Bob@Corp.Example"),
         commit(author="ci@bots.corp.example", committer="x@evil.example")]),
    "A message carries a ticket": ("deny",
        [commit(message="a fix\n"), commit(message="a fix\n\nPROJ-1\n")],
        [commit(message="PROJ-12 a/b: fix\n"), commit(message="Merge x\n"),
         commit(message="fix (PROJ-7)")]),
    "Nothing that is not finished": ("deny",
        [commit(message="fixup! a/b\n"), commit(message="WIP\n")],
        [commit(message="a\n\nfixup! b\n")]),
    "Big changes get a second pair of eyes": ("hold",
        [lines(5001), paths(*["f%d" % i for i in range(201)]),
         {"commits": [{}] * 51}],
        [lines(5000), paths(*["f%d" % i for i in range(200)]),
         {"commits": [{"paths": ["f%d" % (i % 9) for i in range(9)]}] * 50}]),
    "A file becomes executable": ("hold",
        [dict(AGENT, **paths(change("a", "mode")))],
        [dict(AGENT, **paths(change("bin/a", "mode"))),
         dict(AGENT, **paths(change("a", "modify"))),
         paths(change("a", "mode"))]),
    "The image that everything runs in": ("hold",
        [paths("Dockerfile"), paths("dockerfile")], [paths("x/Dockerfile")]),
    "git's own files steer other people's git": ("hold",
        [dict(AGENT, **paths("a/.gitattributes"))],
        [paths("a/.gitattributes"), dict(AGENT, **paths("gitattributes"))]),
    "Contractors read, and push to one place": ("deny",
        [{"groups": ["contractors"]}],
        [{"groups": ["contractors"], "ref": "refs/heads/contractors/x"}, {}]),
    "Licences are the lawyers'": ("hold",
        [paths("LICENSE"), paths("a/COPYING.txt")], [paths("a/license/b")]),
    "Somebody else decides: Open Policy Agent": ("deny",
        [{"repository": "payments/api", "hook": {"verdict": "deny"}},
         {"repository": "payments/api", "hook": {}},
         {"repository": "payments/api"}],
        [{"repository": "payments/api", "hook": {"verdict": "allow"}},
         {"hook": {"verdict": "deny"}}]),
}
NO_RULES = {"Anyone may read"}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """policy text, cases -> the evaluator's answers."""
    tmp = tmp_path_factory.mktemp("cookbook")
    program = tmp / "policy_eval"
    libs = subprocess.run(["pkg-config", "--libs", "yaml-0.1", "jansson",
                           "libcrypto", "librnp"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()
    cmd = [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE",
           "-I%s" % (ROOT / "gitgate"), "-o", str(program),
           str(ROOT / "tests" / "lib" / "policy_eval.c"),
           str(BUILD / "libgitgate.a"), "-lunistring"] + libs
    if "GITGATE_SAN" in os.environ:
        cmd.append("-fsanitize=address,undefined")
    subprocess.run(cmd, check=True)
    count = iter(range(10**6))

    def run(text, cases, signers=SIGNER, secrets=True, **env):
        policy = tmp / ("%d" % next(count))
        policy.mkdir()
        (policy / "a.yaml").write_text(text)
        (policy / "allowed_signers").write_text(signers)
        if secrets:
            (policy / "secrets.toml").write_text("")
        done = subprocess.run([str(program), str(policy)],
                              input=json.dumps(cases), text=True,
                              stdout=subprocess.PIPE, check=True,
                              env=dict(os.environ, **env))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(cases)
        return answers
    return run


def test_every_recipe_has_its_test():
    assert set(RECIPES) == set(CASES) | NO_RULES
    assert len(CASES) >= 22


def said(answer):
    kept = answer["updates"][0].get("keep") and answer["verdict"] == "allow"
    return "keep" if kept else answer["verdict"]


@pytest.mark.parametrize("title", sorted(CASES))
def test_recipe(judge, title):
    verdict, meant, others = CASES[title]
    answers = judge(RECIPES[title], meant + others)
    for case, answer in zip(meant, answers):
        assert said(answer) == verdict, case
        reasons = answer["updates"][0]["reasons"]
        assert reasons, case
        assert verdict != "hold" or answer["needs"], case
    for case, answer in zip(others, answers[len(meant):]):
        if verdict == "keep":
            assert said(answer) != "keep", (case, answer)
        else:
            assert said(answer) == "allow", (case, answer)


def needs(answer):
    return [(n["required"], n["from"], n.get("people", []))
            for n in answer["needs"]]


def test_owners_become_needs(judge):
    github = "* @ann @bob\n/db/ @acme/database\n/db/free\ndocs/* x@y.z\n"
    gitlab = ("[Code] @ann\nsrc/\n[Data][2]\n/db/ @acme/other\n"
              "^[Docs]\n*.md @doc\n!/db/skip\n[Code]\n!src/gen/\n")
    ask = [("a", github), ("db/x/y", github), ("db/free", github),
           ("docs/a", github), ("docs/a/b", github), ("x", ""),
           ("a/src/b", gitlab), ("db/x", gitlab), ("src/a.md", gitlab),
           ("README.md", gitlab), ("src/gen/x", gitlab)]
    answers = judge(RECIPES["CODEOWNERS decides who approves"],
                    [paths(p, owners=o) for p, o in ask])
    both, any_maintainer = (1, [], ["ann", "bob"]), (1, ["maintainers"], [])
    assert [needs(a) for a in answers] == [
        [both], [(1, ["dba"], [])], [any_maintainer], [(1, [], ["x@y.z"])],
        [both], [any_maintainer], [(1, [], ["ann"])],
        [(2, ["acme/other"], [])], [(1, [], ["ann"])], [any_maintainer],
        [any_maintainer]]
    # several sets of owners: each is a need
    answer = judge(RECIPES["CODEOWNERS decides who approves"],
                   [paths("a", "db/x", "b", owners=github)])[0]
    assert needs(answer) == [both, (1, ["dba"], [])]


def test_uncertain_scan_holds(judge):
    answer = judge(RECIPES["No secrets"],
                   [paths("a", incomplete="a blob was too large")])[0]
    assert answer["verdict"] == "hold" and len(answer["needs"]) == 1


def test_hook_verdicts(judge):
    text = RECIPES["Somebody else decides: Open Policy Agent"]
    held, failed = judge(text, [
        {"repository": "payments/api",
         "hook": {"verdict": "hold", "message": "Ask Ann."}},
        {"repository": "payments/api", "hook": {}}])
    assert held["verdict"] == "hold"
    assert needs(held) == [(1, ["payments"], [])]
    assert held["updates"][0]["reasons"][0]["message"] == "Ask Ann."
    assert "no answer" in failed["updates"][0]["reasons"][0]["message"]


def test_hook_input_is_as_documented(judge, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(
        (ROOT / "policy.d" / "hook-input.schema.json").read_text())
    out = tmp_path / "input.json"
    case = paths(*["p%d" % i for i in range(1500)], repository="payments/api",
                 hook={"verdict": "allow"}, groups=["agents"],
                 findings=[{"path": "p1", "commit": 0, "line": 3}])
    judge(RECIPES["Somebody else decides: Open Policy Agent"], [case],
          HOOK_INPUT=str(out))
    said = json.loads(out.read_text())
    jsonschema.Draft202012Validator(schema).validate(said)
    assert said["paths_total"] == 1500 and len(said["paths"]) == 1000
    assert said["principal"]["groups"] == ["agents"]
    # nothing is said that is not documented
    assert set(said) == set(schema["properties"])


def test_signed_commit(judge, tmp_path):
    """The one recipe whose other side needs a key."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                    str(key)], check=True)
    payload = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nx\n"
    (tmp_path / "p").write_text(payload)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f",
                    str(key), str(tmp_path / "p")], check=True)
    good = commit(signature=(tmp_path / "p.sig").read_text(), payload=payload)
    other = commit(signature=good["commits"][0]["signature"],
                   payload=payload + "y")
    public = key.with_suffix(".pub").read_text()
    text = RECIPES["Commits on main are signed"]
    signers = "ann@corp.example " + public
    verdicts = [a["verdict"] for a in
                judge(text, [good, other, commit()], signers=signers)]
    assert verdicts == ["allow", "deny", "deny"]
    assert judge(text, [good])[0]["verdict"] == "deny"
    both = {"commits": good["commits"] + commit()["commits"]}
    assert judge(text, [both], signers=signers)[0]["verdict"] == "deny"


def test_broken_keys_and_no_secret_rules(judge):
    with pytest.raises(subprocess.CalledProcessError):
        judge(RECIPES["Commits on main are signed"], [], signers="nonsense")
    with pytest.raises(subprocess.CalledProcessError):
        judge(RECIPES["No secrets"], [], secrets=False)
