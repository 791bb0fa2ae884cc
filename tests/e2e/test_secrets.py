"""Secrets: a synthetic leak for each default rule, where it was put, and that
no more of it than a mask is seen anywhere; what is no secret; rule files in
gitleaks' format, whole; speed is in tests/bench/scan.py."""

import base64
import hashlib
import json
import os
import random
import re
import shutil
import string
import zlib
from pathlib import Path

import pytest

from gate import PROTECT_MAIN, ROOT, Gate, Git, contents_below, hold_id, ref, until

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
URL = ALNUM + "_-"
rng = random.Random(20261122)


def chars(alphabet, n):
    return "".join(rng.choice(alphabet) for _ in range(n))


def checked(prefix):
    """A token with its checksum, as GitHub, npm and gitgate make them."""
    body = chars(ALNUM, 30)
    crc, tail = zlib.crc32(body.encode()), ""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for _ in range(6):
        crc, d = divmod(crc, 62)
        tail = digits[d] + tail
    return prefix + body + tail


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(kind="RSA PRIVATE KEY"):
    body = base64.b64encode(rng.randbytes(600)).decode()
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----" % (kind, "\n".join(lines), kind)


def putty():
    body = base64.b64encode(rng.randbytes(200)).decode()
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "".join(x + "\n" for x in lines)


SECRETS = {
    "aws-access-key": lambda: "AKIA" + chars(string.ascii_uppercase + "234567", 16),
    "aws-secret-key": lambda: chars(ALNUM + "/+", 40),
    "github-token": lambda: checked("ghp_"),
    "github-fine-grained-token": lambda: "github_pat_%s_%s" % (chars(ALNUM, 22), chars(ALNUM, 59)),
    "gitlab-token": lambda: "glpat-" + chars(URL, 20),
    "slack-token": lambda: "xoxb-%s-%s-%s" % (chars(string.digits, 12), chars(string.digits, 12), chars(ALNUM, 24)),
    "slack-webhook": lambda: "T%s/B%s/%s" % (chars(string.ascii_uppercase, 8), chars(string.ascii_uppercase, 8), chars(ALNUM, 24)),
    "stripe-key": lambda: "sk_live_" + chars(ALNUM, 24),
    "google-api-key": lambda: "AIza" + chars(URL, 34) + "x",
    "google-oauth-secret": lambda: "GOCSPX-" + chars(URL, 28),
    "npm-token": lambda: checked("npm_"),
    "pypi-token": lambda: "pypi-AgEIcHlwaS5vcmc" + chars(URL, 80),
    "private-key": pem,
    "putty-private-key": putty,
    "age-secret-key": lambda: "AGE-SECRET-KEY-1" + chars("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "jwt": lambda: "ey%s.ey%s.%s" % (chars(ALNUM, 34), chars(ALNUM, 60), chars(URL, 43)),
    "azure-storage-key": lambda: chars(ALNUM + "+/", 86) + "==",
    "azure-client-secret": lambda: "%s8Q~%s" % (chars(ALNUM, 3), chars(ALNUM, 34)),
    "digitalocean-token": lambda: "dop_v1_" + chars(HEX, 64),
    "sendgrid-key": lambda: "SG.%s.%s" % (chars(URL, 22), chars(URL, 43)),
    "twilio-key": lambda: "SK" + chars(HEX, 32),
    "telegram-bot-token": lambda: "%s:AA%s" % (chars("123456789", 10), chars(URL, 33)),
    "openai-key": lambda: "sk-proj-" + chars(ALNUM, 48),
    "anthropic-key": lambda: "sk-ant-api03-" + chars(URL, 93),
    "vault-token": lambda: "hvs." + chars(ALNUM, 90),
    "docker-hub-token": lambda: "dckr_pat_" + chars(URL, 27),
    "terraform-cloud-token": lambda: "%s.atlasv1.%s" % (chars(ALNUM, 14), chars(ALNUM, 67)),
    "huggingface-token": lambda: "hf_" + chars(string.ascii_letters, 34),
    "shopify-token": lambda: "shpat_" + chars(HEX, 32),
    "grafana-token": lambda: "glsa_%s_%s" % (chars(ALNUM, 32), chars(HEX, 8)),
    "gitgate-token": lambda: checked("ggt_"),
    "generic-secret": lambda: chars(ALNUM, 48),
}
# What stands before it, on its line; everything else stands as a value.
BEFORE = {
    "aws-secret-key": "aws_secret_access_key = ",
    "slack-webhook": "url: https://hooks.slack.com/services/",
    "azure-storage-key": "AccountName=x;AccountKey=",
    "generic-secret": "client_secret = '",
    "private-key": "",
    "putty-private-key": "Private-Lines: 4\n",
}
AFTER = {"generic-secret": "'"}

DENY = {"name": "no-secrets", "when": {"secrets": True}, "then": "deny", "message": "No secrets."}


def leak(rule, secret):
    """Text with the secret, and the line that it begins in."""
    before = "first line\nsecond line\n" + BEFORE.get(rule, "value = ")
    return before + secret + AFTER.get(rule, "") + "\nlast line\n", before.count("\n") + 1


@pytest.fixture(scope="module")
def module_gate(tmp_path_factory):
    """One gate with our own rules, for tests that leave nothing behind."""
    dir = tmp_path_factory.mktemp("secrets")
    g = Gate(dir, policy={"access": [{"principals": {"groups": ["agents", "maintainers"]}, "repositories": ["**"], "allow": ["fetch", "push"]}], "rules": [DENY]}, start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    with g:
        g.start()
        g.agent = g.token("bot", "agents")
        g.user("ann", "a long password", "maintainers", "admins")
        g.admin = g.token("boss", "maintainers", "admins")
        yield g


def records(g):
    """Every byte of what the gate has recorded, the packs left out: they are
    the push itself."""
    for p, content in contents_below(g.state):
        if p.name != "pack" and "quarantine" not in p.parts and "mirrors" not in p.parts:
            yield p, content


def nowhere(g, secret, *texts):
    """No line of the secret, nor its middle, is in these texts, in what was
    recorded or in the operators' log."""
    parts = [x for x in secret.split("\n") if len(x) >= 12]
    needles = [p for x in parts for p in (x, x[len(x) // 3 : -2])]
    for n in needles:
        for t in texts:
            assert n not in t
        assert n not in g.log()
        for path, data in records(g):
            assert n.encode() not in data, path


@pytest.mark.parametrize("rule", SECRETS)
def test_each_rule_finds_its_leak(module_gate, rule):
    g = module_gate
    secret = SECRETS[rule]()
    text, line = leak(rule, secret)
    work = g.clone(g.agent)
    work.commit({"conf/settings.txt": text})
    said = work.push("HEAD:refs/heads/leak", ok=False).stderr
    assert "denied by rule no-secrets" in said
    found = re.search(r"conf/settings\.txt \(secret (\S+), line (\d+): (\S+?), commit", said)
    assert found, said
    assert found.group(1) == rule and int(found.group(2)) == line, said
    shown = found.group(3)
    assert shown.endswith("...") and secret.startswith(shown[:-3]) and len(shown) <= 7
    api = g.api("GET", "/pushes?limit=1", g.admin)
    nowhere(g, secret, said, api.text)
    assert ref(g.upstream, "refs/heads/leak") is None


def test_every_default_rule_has_a_leak():
    text = (ROOT / "policy.d" / "secrets.toml").read_text()
    assert sorted(re.findall(r'^id = "([^"]+)"', text, re.M)) == sorted(SECRETS)


def test_added_and_taken_out_again(module_gate):
    g = module_gate
    secret = checked("ghp_")
    work = g.clone(g.agent)
    bad = work.commit({"a.txt": "x = %s\n" % secret})
    work.commit({"a.txt": "x = 1\n"})
    said = work.push("HEAD:refs/heads/gone", ok=False).stderr
    assert "a.txt (secret github-token, line 1: ghp_..., commit %s)" % bad[:7] in said
    nowhere(g, secret, said)


def test_brought_by_a_merge(module_gate):
    g = module_gate
    secret = checked("npm_")
    work = g.clone(g.agent)
    base = work.head()
    work.commit({"one": "1\n"})
    work.run("checkout", "-q", "-b", "side", base)
    work.commit({"two": "2\n"})
    work.run("merge", "-q", "--no-ff", "--no-commit", "main")
    work.commit({"evil": "\n\n%s\n" % secret}, "merge")
    said = work.push("HEAD:refs/heads/merged", ok=False).stderr
    assert "evil (secret npm-token, line 3" in said


def test_in_messages(module_gate):
    g = module_gate
    work = g.clone(g.agent)
    one, two = checked("ghp_"), checked("gho_")
    work.commit({"a": "a\n"}, "subject\n\nuse %s here" % one)
    said = work.push("HEAD:refs/heads/message", ok=False).stderr
    assert "secret github-token, line 3: ghp_..." in said
    nowhere(g, one, said)
    work = g.clone(g.agent)
    work.run("tag", "-a", "-m", "version\n\n" + two, "v1")
    said = work.push("refs/tags/v1", ok=False).stderr
    assert "secret github-token, line 3: gho_..." in said
    nowhere(g, two, said)


def test_old_secrets_are_old(make_gate, tmp_path):
    """What upstream has already is not found again: moved, or merged."""
    g = make_gate(rules=[])
    work = g.clone(g.token("bot", "agents"))
    secret = checked("ghp_")
    work.commit({"old": "x\n" * 50 + secret + "\n"})
    work.push("HEAD:main", ok=True)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.policy({"rules": [DENY]}, "20-secrets.yaml")
    assert g.reload()
    work.run("mv", "old", "new")
    work.commit(message="moved")
    work.push("HEAD:main", ok=True)
    text = (work.path / "new").read_text()
    work.commit({"new": text + "more\n"}, "touched")
    said = work.push("HEAD:main", ok=False).stderr
    assert "new (secret github-token, line 51" in said, "a new blob holds it"


def test_a_replay_finds_what_was_found(make_gate, tmp_path):
    """A secret that git sends again, though upstream has it, was none of this
    push, and is none when the push is judged again, however much the mirror
    has by then; what the push brings itself is found again."""
    g = make_gate(rules=[])
    bot = g.token("bot", "agents")
    old, new = checked("ghp_"), checked("ghp_")
    work = g.clone(bot)
    work.commit({"old": old + "\n"})
    work.push("HEAD:main", ok=True)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.policy({"rules": [DENY]}, "20-secrets.yaml")
    assert g.reload()
    ids = []
    for branch, files in (("again", {"moved": old + "\n"}), ("more", {"moved": old + "\n", "new": new + "\n"})):
        (tmp_path / branch).mkdir()
        alone = Git(tmp_path / branch, work.home)  # it knows nothing of upstream's
        alone.run("init", "-q")
        alone.run("remote", "add", "origin", g.remote(bot))
        alone.commit(files)
        alone.push(f"HEAD:refs/heads/{branch}", ok=branch == "again")
        ids.append(g.api("GET", "/pushes?limit=1", bot).json["pushes"][0]["id"])
    for id, verdict in zip(ids, ("allow", "deny")):
        a = json.loads(g.cli("pushes", "replay", id, "--json", check=False).stdout)
        assert a["same"] and a["recorded"] == a["verdict"] == verdict, a


def test_same_secret_on_a_ref_without_rule(make_gate):
    """A rule for one branch sees the secret although another branch of the
    same push, which it does not cover, brings it first."""
    g = make_gate(policy={"access": [{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}], "rules": [{**DENY, "when": {"refs": ["refs/heads/main"], "secrets": True}}]}, start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.start()
    work = g.clone(g.token("bot", "agents"))
    base, other = work.head(), checked("ghp_")
    work.run("checkout", "-q", "-b", "c", base)
    work.commit({"c": other + "\n"}, "on c")
    work.run("checkout", "-q", "-b", "d", base)
    work.commit({"c": other + "\n", "d": "d\n"}, "on d")
    for first, second in (("c:refs/heads/aa", "d:main"), ("d:main", "c:refs/heads/zz")):
        said = work.push(first, second, ok=False).stderr
        assert "c (secret github-token, line 1" in said, said


def test_masked_for_reviewers(make_gate):
    """A held push shows its diff: without the secret, on any page."""
    hold = {**PROTECT_MAIN, "when": {"secrets": True}, "name": "look"}
    g = make_gate(policy={"access": [{"principals": {"groups": ["agents", "maintainers"]}, "repositories": ["**"], "allow": ["fetch", "push"]}], "rules": [hold]}, start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.start()
    token, boss = g.token("bot", "agents"), g.token("boss", "maintainers", "admins")
    work = g.clone(token)
    one, key = checked("ghp_"), pem()
    work.commit({"a.txt": "before\nx = '%s'\nafter\n" % one, "key.pem": key + "\n"}, "subject with " + one)
    push = work.push("HEAD:main", ok=False)
    id, said = hold_id(push), push.stderr
    diff = g.api("GET", "/holds/%s/diff" % id, boss)
    page = g.api("GET", "/holds/%s" % id, boss)
    if diff.status == 200:
        assert "ghp_..." in diff.text and "before" in diff.text
    (record,) = (g.state / "pushes").glob("*/diff")
    data = record.read_bytes()
    assert b"x = 'ghp_...'" in data and b"before" in data
    for secret in (one, key):
        nowhere(g, secret, said, diff.text, page.text)
    entries = json.dumps(g.audit(boss))
    assert one not in entries and one[4:20] not in entries


def test_no_false_alarm(module_gate):
    g = module_gate
    sha = hashlib.sha512(b"x").digest()
    names = {
        "package-lock.json": json.dumps({"integrity": "sha512-" + base64.b64encode(sha).decode(), "token": chars(ALNUM, 40)}),
        "Cargo.lock": 'checksum = "%s"\n' % hashlib.sha256(b"y").hexdigest(),
        "uuids.yaml": "".join('secret_key: "%08x-1234-4abc-8def-%012x"\n' % (rng.getrandbits(32), rng.getrandbits(48)) for _ in range(20)),
        "tests/fixture.py": 'PASSWORD = "correct horse battery staple"\napi_key = "your_api_key_goes_here_1234567"\n'
        'token = os.environ["TOKEN"]\naws = "AKIAIOSFODNN7EXAMPLE"\nghp = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"\n'
        'secret = "projects/acme/secrets/db/versions/latest"\n',
        "forged.txt": checked("ggt_")[:-1] + "\n" + "ggt_" + "a" * 36 + "\n",
        "sums.txt": "".join("%s  file%d\n" % (hashlib.sha256(b"%d" % i).hexdigest(), i) for i in range(200)),
        "public.pem": "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % base64.b64encode(rng.randbytes(200)).decode(),
        "logo.bin": b"\x00\x01" + checked("ghp_").encode(),
        "code.c": (ROOT / "gitgate" / "pack" / "report_make.c").read_text(),
        "rules.toml": (ROOT / "policy.d" / "secrets.toml").read_text(),
        "page.html": "<div style='token' class='password'>" + "lorem ipsum " * 400,
    }
    work = g.clone(g.agent)
    work.commit(names)
    work.push("HEAD:refs/heads/fine", ok=True)


def test_not_switched_off_by_the_push(module_gate):
    g = module_gate
    work = g.clone(g.agent)
    secret = checked("ghp_")
    work.commit({"a": secret + " # gitleaks:allow\n", ".gitleaksignore": "a:github-token:1\n"})
    assert "a (secret github-token, line 1" in work.push("HEAD:refs/heads/off", ok=False).stderr


def test_large_blobs(make_gate):
    """Over the limit a blob is not scanned, and that is no free pass; below
    it, a secret is found across the blocks that it is read in."""
    g = make_gate(policy={"access": [{"principals": {"groups": ["agents"]}, "repositories": ["**"], "allow": ["fetch", "push"]}], "rules": [DENY]}, config={"limits": {"scan-blob-size": "4MiB"}}, start=False)
    shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
    g.start()
    work = g.clone(g.token("bot", "agents"))
    key, lines = pem(), "some text\n"
    n = (1 << 20) // len(lines) - 5
    secret = checked("ghp_")
    work.commit({"big": lines * n + key + "\n" + lines * 150000 + secret + "\n"})
    said = work.push("HEAD:refs/heads/big", ok=False).stderr
    assert "big (secret private-key, line %d" % (n + 1) in said, said
    line = n + key.count("\n") + 1 + 150000 + 1
    assert "big (secret github-token, line %d" % line in said, said
    work = g.clone(g.token("bot2", "agents"))
    work.commit({"huge": lines * 500000})
    said = work.push("HEAD:refs/heads/huge", ok=False).stderr
    assert "no-secrets" in said, "not scanned is not clean"


def test_explained_and_tested_against_the_past(make_gate, tmp_path):
    """Recorded pushes are scanned again, by rules that came later too."""
    g = make_gate(rules=[])
    work = g.clone(g.token("bot", "agents"))
    secret = checked("ghp_")
    work.commit({"a": secret + "\n"})
    work.push("HEAD:refs/heads/a", ok=True)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(ROOT / "policy.d" / "secrets.toml", other)
    (other / "10-access.yaml").write_text((g.policy_dir / "10-test.yaml").read_text())
    (other / "20-secrets.yaml").write_text(json.dumps({"rules": [DENY]}))
    p = g.cli("policy", "test", "--policy", other, "--json", check=False)
    (push,) = json.loads(p.stdout)["pushes"]
    assert push["recorded"] == "allow" and push["now"] == "deny", p.stdout
    p = g.cli("policy", "explain", push["push"], "--policy", other)
    assert "verdict: deny" in p.stdout and "1 found" in p.stdout
    nowhere(g, secret, p.stdout)


def test_broken_rules_are_refused(make_gate):
    g = make_gate(rules=[DENY], start=False)
    file = g.policy_dir / "mine.toml"
    file.write_text("[[rules]]\nid = 'x'\nregex = 'abc[0-9]+'\n")
    g.start()
    work = g.clone(g.token("bot", "agents"))
    for bad, line in (("[[rules]]\nid = 'x'\n\nregex = '(abc'\n", 4), ("[[rules]]\nid = 'x'\nregex = 'a'\nentropy = 'high'\n", 4), ("[extend]\nuseDefault = true\n", 1), ("a = \n", 1)):
        file.write_text(bad)
        before = g.log()
        assert not g.reload()
        assert "mine.toml:%d: " % line in g.log()[len(before) :], g.log()[len(before) :]
    work.commit({"f": "abc12345\n"})
    said = work.push("HEAD:main", ok=False).stderr
    assert "secret x, line 1" in said, "the old rules stay in force"
    file.write_text("[[rules]]\nid = 'y'\nregex = 'abcd+'\n")
    assert g.reload()
    work.push("HEAD:main", ok=True)
    assert len(list((g.state / "rules").glob("*.db"))) == 1


def shared_rules():
    dir = Path(os.environ.get("GITGATE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    return dir / "gitleaks.toml"


def test_gitleaks_rules_whole(make_gate):
    if not shared_rules().is_file():
        pytest.skip("no %s (GITGATE_SHARED_DATA names its folder)" % shared_rules())
    g = make_gate(rules=[DENY], start=False)
    (g.policy_dir / "gitleaks.toml").write_bytes(shared_rules().read_bytes())
    g.start()
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "token = '%s'\n" % checked("ghp_"), "x.p12": b"\x30\x82\x00"})
    said = work.push("HEAD:main", ok=False).stderr
    assert "a (secret github-pat, line 1: ghp_..." in said
    assert "x.p12 (secret pkcs12-file" in said
    work = g.clone(g.token("bot2", "agents"))
    work.commit({"a": "nothing to see\n"})
    work.push("HEAD:main", ok=True)
