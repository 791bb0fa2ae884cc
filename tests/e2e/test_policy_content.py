"""Conditions that look into commits: what the inspector finds for them in real
pushes, from signatures that git itself made to CODEOWNERS upstream."""

import subprocess

import pytest

from gate import ACCESS, hold_id, make_upstream, ref


def rule(name, when, then="deny", **more):
    return {"name": name, "when": when, "then": then, **more}


def upstream_with(tmp_path, files):
    bare = make_upstream(tmp_path / "up" / "app.git", files)
    return [{"path": "demo/app", "upstream": str(bare)}], bare


@pytest.fixture
def ssh_key(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return key


def sign_with(work, key):
    work.run("config", "gpg.format", "ssh")
    work.run("config", "user.signingkey", key)


def test_commits_signed_by_git_with_ssh(make_gate, tmp_path, ssh_key):
    g = make_gate()
    (g.policy_dir / "signers").write_text("ada@example.com " + ssh_key.with_suffix(".pub").read_text())
    when = {"refs": ["refs/heads/main"], "commits": {"signed-by": {"allowed-signers": "signers"}}}
    g.policy({"access": ACCESS, "rules": [rule("signed", when)]})
    assert g.reload(), g.log()
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    sign_with(work, ssh_key)

    work.run("commit", "-q", "--allow-empty", "-S", "-m", "signed")
    work.push("main", ok=True)
    # one that is not, in the middle
    work.run("commit", "-q", "--allow-empty", "-m", "unsigned")
    work.run("commit", "-q", "--allow-empty", "-S", "-m", "signed again")
    p = work.push("main", ok=False)
    assert "denied by rule signed" in p.stderr and work.head("HEAD~1")[:7] in p.stderr
    assert work.head()[:7] not in p.stderr.split("denied by rule")[0].replace(work.head("HEAD~1")[:7], "")

    # signed by a stranger
    work.run("reset", "-q", "--hard", "HEAD~2")
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    sign_with(work, other)
    work.run("commit", "-q", "--allow-empty", "-S", "-m", "by a stranger")
    assert "denied by rule signed" in work.push("main", ok=False).stderr

    # a signature moved to another commit
    sign_with(work, ssh_key)
    work.run("reset", "-q", "--hard", "HEAD~1")
    work.run("commit", "-q", "--allow-empty", "-S", "-m", "honest")
    raw = work.out("cat-file", "commit", "HEAD") + "\n"
    forged = raw.replace("honest", "forged")
    oid = work.out("hash-object", "-t", "commit", "-w", "--stdin", input=forged)
    assert "denied by rule signed" in work.push(f"{oid}:refs/heads/main", ok=False).stderr


def test_commits_signed_by_git_with_openpgp(make_gate, tmp_path):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    env = {"GNUPGHOME": str(home), "PATH": "/usr/bin:/bin"}

    def gpg(*args):
        return subprocess.run(["gpg", "--batch", "-q", *args], env=env, check=True, capture_output=True, text=True).stdout

    gpg("--passphrase", "", "--quick-generate-key", "ada <ada@example.com>", "ed25519", "sign", "never")
    g = make_gate()
    (g.policy_dir / "keys.asc").write_text(gpg("--armor", "--export", "ada@example.com"))
    g.policy({"access": ACCESS, "rules": [rule("signed", {"commits": {"signed-by": {"openpgp": "keys.asc"}}})]})
    assert g.reload(), g.log()
    work = g.clone(g.token("bot", "agents"))
    try:
        work.run("-c", "user.signingkey=ada@example.com", "commit", "-q", "--allow-empty", "-S", "-m", "signed", env=env)
        work.push("HEAD:refs/heads/a", ok=True)
        work.commit({"x": "1"}, "unsigned")
        assert "denied by rule signed" in work.push("HEAD:refs/heads/a", ok=False).stderr
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=env)


def test_more_than_counts_lines_as_a_diff_does(make_gate, tmp_path):
    old = "".join(f"line {i}\n" for i in range(1000))
    repositories, bare = upstream_with(tmp_path, {"big.txt": old})
    g = make_gate(repositories=repositories, rules=[rule("small-steps", {"more-than": {"lines": 20}})])
    work = g.clone(g.token("bot", "agents"))
    lines = old.splitlines(True)
    lines[10:15] = ["changed\n"] * 5
    work.commit({"big.txt": "".join(lines)})
    work.push("HEAD:refs/heads/few", ok=True)
    work.commit({"new.txt": "x\n" * 11})
    p = work.push("HEAD:refs/heads/few2", ok=True)  # 11 lines more than what upstream has
    work.commit({"other.txt": "x\n" * 21})
    p = work.push("HEAD:refs/heads/many", ok=False)
    assert "denied by rule small-steps" in p.stderr
    # binary files have no lines
    work.run("reset", "-q", "--hard", "HEAD~1")
    work.commit({"blob": b"\0" + b"\n" * 500})
    work.push("HEAD:refs/heads/binary", ok=True)


def test_large_blobs(make_gate):
    g = make_gate(rules=[rule("no-big-files", {"blob-larger-than": "64KiB"})])
    work = g.clone(g.token("bot", "agents"))
    work.commit({"ok.bin": b"x" * 65536})
    work.push("HEAD:refs/heads/a", ok=True)
    work.commit({"dir/big.bin": b"y" * 65537})
    work.commit({"dir/big.bin": None})  # gone again, but it would be in the history
    p = work.push("HEAD:refs/heads/a", ok=False)
    assert "denied by rule no-big-files" in p.stderr and "dir/big.bin" in p.stderr


def test_codeowners_of_the_branch_decide_never_the_pushs_own(make_gate, tmp_path):
    repositories, bare = upstream_with(
        tmp_path, {".github/CODEOWNERS": "*  @acme/everyone\n/db/ @acme/dba\n/db/docs/ @carol\n", "db/a.sql": "1\n"}
    )
    g = make_gate(
        repositories=repositories,
        policy={
            "access": ACCESS,
            "codeowners-groups": {"@acme/dba": "dba", "@acme/everyone": "maintainers"},
            "rules": [
                rule(
                    "owners",
                    {"refs": ["refs/heads/main"]},
                    then="hold",
                    approvals={"from-codeowners": True, "from": ["maintainers"]},
                )
            ],
        },
    )
    bot, ann, dan = g.token("bot", "agents"), g.token("ann", "maintainers"), g.token("dan", "dba")
    work = g.clone(bot)
    # the push takes db/ away from its owners: that does not count
    work.commit({"db/a.sql": "2\n", ".github/CODEOWNERS": "* @acme/everyone\n"})
    id = hold_id(work.push("main", ok=False))
    needs = g.hold(id, ann)["needs"]
    assert sorted(n["from"] for n in needs) == [["dba"], ["maintainers"]]
    assert g.review(id, ann).status == 200
    assert g.hold(id, ann)["state"] == "pending"
    assert g.review(id, dan).status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(bare, "refs/heads/main") == work.head()

    # a person by name
    work.run("fetch", "-q")
    work.run("reset", "-q", "--hard", "origin/main~1")
    g2 = work.commit({"db/docs/x": "x\n"})
    assert g2
    held = work.push("HEAD:refs/heads/main", "--force", ok=False)
    assert "held for approval" in held.stderr
