"""policy.d/schema.json says of a file what the loader says of it; the files
and recipes that are shipped load."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GITGATE_BUILD", ROOT / "build"))
SCHEMA = json.loads((ROOT / "policy.d" / "schema.json").read_text())
SHIPPED = sorted((ROOT / "policy.d").glob("*.yaml"))


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """texts, kind -> the loader's word on each ("ok" or a message)."""
    tmp = tmp_path_factory.mktemp("schema")
    program = tmp / "loader_check"
    cmd = [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE",
           "-I%s" % (ROOT / "gitgate"), "-o", str(program),
           str(ROOT / "tests" / "lib" / "loader_check.c"),
           str(BUILD / "libgitgate.a"),
           "-lyaml", "-lunistring", "-ljansson", "-lcrypto"]
    if "GITGATE_SAN" in os.environ:
        cmd.append("-fsanitize=address,undefined")
    subprocess.run(cmd, check=True)

    def load(texts, kind="policy"):
        files = []
        for i, text in enumerate(texts):
            path = tmp / ("%d.yaml" % i)
            path.write_text(text)
            files.append(str(path))
        done = subprocess.run([str(program), kind] + files, check=True,
                              stdout=subprocess.PIPE, text=True)
        lines = done.stdout.splitlines()
        assert len(lines) == len(texts)
        return lines
    return load


def schema_accepts(text):
    data = yaml.safe_load(text)
    return Draft202012Validator(SCHEMA).is_valid({} if data is None else data)


def test_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_shipped_files(loader):
    assert len(SHIPPED) >= 3
    texts = [path.read_text() for path in SHIPPED]
    assert loader(texts) == ["ok"] * len(texts)
    for path, text in zip(SHIPPED, texts):
        assert schema_accepts(text), path


def test_shipped_configs(loader):
    files = sorted((ROOT / "examples").glob("*.yaml"))
    texts = [path.read_text() for path in files]
    assert len(texts) >= 2
    assert loader(texts, "config") == ["ok"] * len(texts)


def test_recipes(loader):
    """Every block of the cookbook is a whole policy file that loads."""
    page = (ROOT / "docs" / "policy-cookbook.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    assert len(blocks) >= 5
    for block, said in zip(blocks, loader(blocks)):
        assert said == "ok", block
        assert schema_accepts(block), block


def rule(**more):
    return json.dumps({"rules": [dict({"name": "r", "then": "deny"}, **more)]})


def hold(**more):
    return rule(then="hold", **more)


def when(**more):
    return rule(when=more)


def access(**more):
    return json.dumps({"access": [dict(
        {"principals": {"names": ["a"]}, "repositories": ["a"],
         "allow": ["fetch"]}, **more)]})


def commits(**more):
    return when(commits=more)


def signed(**more):
    return commits(**{"signed-by": more})


def window(**more):
    return when(during=[more])


def without(key):
    entry = {"principals": {"names": ["a"]}, "repositories": ["a"],
             "allow": ["fetch"]}
    del entry[key]
    return json.dumps({"access": [entry]})


def grant(gone=None, **more):
    entry = {"name": "g", "principals": {"names": ["a"]},
             "repositories": ["acme/*"], "verbs": ["force"],
             "approvals": {"from": ["dba"]}}
    entry.update(more)
    entry.pop(gone, None)
    return json.dumps({"grants": [entry]})


GOOD = [
    "grants: []", grant(), grant(verbs=["fetch", "push", "delete"]),
    grant(refs=["refs/heads/*"], paths=["db/**"], max="8h"),
    grant(approvals={"from": ["a", "b"], "required": 20}),
    grant(principals={"groups": ["g"], "except-groups": ["x"]}),
    hold(approvals={"grant": False}),
    "", "# nothing\n", "{}", "rules: []", "access: []", 
    rule(), rule(then="allow"), hold(), access(),
    hold(approvals={}), hold(approvals={"required": 20, "from": []}),
    hold(approvals={"allow-self": True, "from": ["dba"]}),
    hold(wait="0s", expires="72h"), hold(expires="1ms"),
    hold(expires="000000001d"), rule(message="ä" * 500), rule(name="A" * 64),
    rule(when={}), when(repositories=["acme/*", "!acme/x"]),
    when(refs=["!**"]), when(paths=["!!a", "a\\*", "[!a-z]", "[]]", "[!]]",
                                    "[a\\]]", "[\\]]", "a**b", "\\***", "]"]),
    when(paths=["x" * 512]), when(paths=["ä" * 512]),
    when(updates=["create", "fast-forward", "force", "delete", "tag-move"]),
    when(changes=["add", "modify", "delete", "mode", "symlink", "submodule"]),
    when(principals={}), when(principals={"names": [], "groups": []}),
    when(principals={"names": ["a:b@c/d+e-f.g_h"], "anonymous": True}),
    access(principals={"anonymous": True}),
    access(principals={"groups": ["g"], "except-groups": ["x"]}),
    access(allow=["push", "fetch"]), access(allow=["push", "push"]),
    when(**{"blob-larger-than": "10MiB"}), when(**{"blob-larger-than": 0}),
    when(secrets=True), commits(message=["**x**", "!Revert**"]),
    commits(**{"author-email": ["!*@corp.example"], "subject": ["*"]}),
    signed(openpgp="keys.asc"), signed(**{"allowed-signers": "k"}),
    signed(openpgp="a", require=False),
    when(**{"more-than": {"commits": 0, "files": 5, "lines": 1000000000}}),
    window(days=["mon", "sun"]), window(**{"from": "23:59"}),
    window(to="24:00"), window(since="2026-12-20"),
    window(until="2027-01-02T08:00:00.5+01:00"),
    window(days=["fri"], timezone="Europe/Berlin"),
    when(outside=[{"days": ["mon"]}]), when(hook="opa.sh"),
    json.dumps({"rules": [{"name": "r", "when": {"hook": "opa"},
                           "wait": "1s"}]}),
    hold(approvals={"from-codeowners": True, "from": ["dba"]}),
    "codeowners-groups: {'@acme/dba': dba, \"x@y.z\": people}",
]

BAD = [
    "grants: {}", grant("name"), grant("principals"), grant("repositories"),
    grant("verbs"), grant("approvals"), grant(name="a b"), grant(until="1h"),
    grant(verbs=[]), grant(verbs=["write"]), grant(max="0h"), grant(max=5),
    grant(repositories=["acme/*", "!acme/x"]), grant(refs=["!a"]),
    grant(paths=["!a"]), grant(refs=[]), grant(paths=["["]),
    grant(paths=["a"], verbs=["push", "create"]), grant(approvals={}),
    grant(approvals={"from": []}),
    grant(approvals={"from": ["a"], "required": 0}),
    grant(approvals={"from": ["a"], "allow-self": True}),
    grant(principals={}), grant(principals={"anonymous": True}),
    grant(principals={"names": ["a"], "anonymous": True}),
    hold(approvals={"grant": "no"}),
    "[]", "text", "5", "rule: []", "rules: {}", "rules: text", "rules: [a]",
    "rules:", "access: {}", "access:", "partial: true",
    rule(extra=1), json.dumps({"rules": [{"then": "deny"}]}),
    json.dumps({"rules": [{"name": "r"}]}), rule(then="reject"),
    rule(then=None), rule(name=""), rule(name="a b"), rule(name="A" * 65),
    rule(name="-a"), rule(name=5), rule(name="too-large"),
    rule(approvals={}), rule(wait="1s"), rule(expires="1s"),
    hold(approvals={"required": 0}), hold(approvals={"required": 21}),
    hold(approvals={"required": "1"}), hold(approvals={"required": 1.5}),
    hold(approvals={"required": -1}), hold(approvals={"needed": 1}),
    hold(approvals=[]), hold(approvals={"from": "dba"}),
    hold(approvals={"from": ["a b"]}), hold(approvals={"from": [""]}),
    hold(approvals={"allow-self": "no"}), hold(wait="1"), hold(wait=1),
    hold(wait="1 s"), hold(wait="-1s"), hold(wait="1w"),
    hold(expires="0s"), hold(expires="000h"), hold(expires="1234567890s"),
    rule(message=""), rule(message="a\nb"), rule(message="a\u007f"),
    rule(message="a" * 501), rule(message=["a"]),
    rule(when=[]), rule(when="always"), rule(when=None),
    when(branch=["a"]), when(updates=[]), when(updates=["push"]),
    when(updates="create"), when(changes=[]), when(changes=["rename"]),
    when(repositories=[]), when(refs=[]), when(paths=[]), when(paths="a"),
    when(paths=[""]), when(paths=["!"]), when(paths=[1]), when(paths=[True]),
    when(paths=["["]), when(paths=["[]"]), when(paths=["[!]"]),
    when(paths=["[a/b]"]), when(paths=["[a\\/b]"]), when(paths=["a\\"]),
    when(paths=["[a\\"]), when(paths=["***"]), when(paths=["a****"]),
    when(paths=["a\tb"]), when(paths=["x" * 513]), when(paths=[["a"]]),
    when(principals=[]), when(principals={"users": ["a"]}),
    when(principals={"names": ["anonymous"]}),
    when(principals={"names": ["-a"]}), when(principals={"names": "a"}),
    when(principals={"groups": ["x" * 129]}),
    when(principals={"anonymous": 1}),
    when(**{"blob-larger-than": "x"}), when(**{"blob-larger-than": -1}),
    when(**{"blob-larger-than": "1234567890"}), when(secrets=False),
    when(secrets="true"), when(commits={}), commits(author="x"),
    commits(message="x"), commits(message=[]), commits(subject=["["]),
    signed(), signed(require=True), signed(openpgp="a/b"),
    signed(openpgp=".a"), signed(openpgp=""), signed(openpgp=["a"]),
    signed(openpgp="a", require="yes"), when(**{"more-than": {}}),
    when(**{"more-than": {"files": "1"}}), when(**{"more-than": 5}),
    when(**{"more-than": {"bytes": 1}}),
    when(**{"more-than": {"lines": 1000000001}}),
    when(during="x"), when(outside="x"), when(during=[]), window(),
    window(timezone="UTC"), window(days=[]), window(days=["friday"]),
    window(**{"from": "24:00"}), window(to="00:00"), window(to="24:01"),
    window(to="9:00"), window(days=["mon"], timezone="/etc"),
    window(days=["mon"], timezone=""), window(since="tomorrow"),
    window(since="2026-00-01"), window(since="2026-01-01T00:00:00"),
    window(until="2026-01-01T24:00:00Z"), window(days=["mon"], at="1"),
    when(hook="a/b"), when(hook=""), when(hook=".x"), when(hook=["x"]),
    json.dumps({"rules": [{"name": "r", "when": {}}]}),
    hold(approvals={"from-codeowners": "yes"}),
    "codeowners-groups: [a]", "codeowners-groups: {a: [b]}",
    "codeowners-groups: {a: 'b c'}", "codeowners-groups:",
    without("principals"), without("repositories"), without("allow"),
    access(extra=1), access(principals={}), access(principals={"names": []}),
    access(principals={"except-groups": ["x"]}),
    access(principals={"anonymous": False}), access(repositories=[]),
    access(allow=[]), access(allow=["admin"]), access(allow="fetch"),
    # plain words that YAML readers do not agree on
    "rules: [{name: no, then: deny}]", "rules: [{name: 1.5, then: deny}]",
    "rules: [{name: r, then: deny, when: {paths: [2026-01-01]}}]",
    "rules: [{name: r, then: deny, message: 0x1f}]",
    "rules: [{name: r, then: deny, message: ~}]",
]


def test_good(loader):
    for text, said in zip(GOOD, loader(GOOD)):
        assert said == "ok", text
        assert schema_accepts(text), text


def test_bad(loader):
    for text, said in zip(BAD, loader(BAD)):
        assert said.startswith("p:1: "), (text, said)
        assert not schema_accepts(text), text
