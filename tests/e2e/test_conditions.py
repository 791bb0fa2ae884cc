"""The conditions of policy through a running gate: what the inspector says of
a real push is what the rules are about."""
import subprocess

from gate import hold_id, make_upstream, ref

OWNERS = "* @ann\n/db/ @acme/dba\n/free/\n"


def deny(name, **when):
    return {"name": name, "then": "deny", "when": when, "message": "no: " + name}


def refused(work, rule):
    push = work.push("HEAD:refs/heads/work", ok=False)
    assert "no: " + rule in push.stderr, push.stderr
    work.run("reset", "-q", "--hard", "origin/main")


def test_contents(make_gate):
    g = make_gate(rules=[
        deny("large", paths=["**", "!assets/**"], **{"blob-larger-than": "10KiB"}),
        deny("authors", commits={"author-email": ["*@evil.example"]}),
        deny("subject", commits={"subject": ["fixup! **"]}),
        deny("lines", **{"more-than": {"lines": 100}}),
        deny("files", **{"more-than": {"files": 10}}),
        deny("never", during=[{"until": "2001-01-01"}]),
        deny("frozen", refs=["refs/heads/frozen"],
             outside=[{"since": "2001-01-01", "until": "2001-01-02"}]),
    ])
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a.bin": "x" * 10241})
    refused(work, "large")
    work.commit({"a": "1\n" * 60})
    work.commit({"a": "2\n" * 60})
    refused(work, "lines")
    work.commit({"f%d" % i: "x\n" for i in range(11)})
    refused(work, "files")
    work.commit({"a": "x\n"}, "fixup! a/b")
    refused(work, "subject")
    work.write({"a": "y\n"})
    work.run("add", "-A")
    work.run("commit", "-qm", "hers", "--author", "Eve <eve@Evil.example>")
    refused(work, "authors")
    # a later commit does not take it back
    work.commit({"b.bin": "x" * 20000})
    work.run("rm", "-q", "b.bin")
    work.run("commit", "-qm", "gone")
    refused(work, "large")

    work.commit({"assets/a.bin": "x" * 20000, "b": "1\n" * 90})
    frozen = work.push("HEAD:refs/heads/frozen", ok=False)
    assert "no: frozen" in frozen.stderr
    work.push("HEAD:refs/heads/fine", ok=True)
    assert ref(g.upstream, "refs/heads/fine") == work.head()


def test_signed_commits(make_gate, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    g = make_gate(start=False, rules=[
        deny("signed", commits={"signed-by": {"allowed-signers": "signers"}})])
    (g.policy_dir / "signers").write_text("ann " + key.with_suffix(".pub").read_text())
    g.start()
    work = g.clone(g.token("bot", "agents"))
    sign = ["-c", "gpg.format=ssh", "-c", "user.signingkey=%s" % key]
    work.write({"a": "1\n"})
    work.run("add", "-A")
    work.run(*sign, "commit", "-q", "-S", "-m", "signed")
    work.push("HEAD:refs/heads/work", ok=True)
    work.commit({"a": "2\n"}, "not signed")
    work.run(*sign, "commit", "-q", "-S", "--allow-empty", "-m", "signed again")
    push = work.push("HEAD:refs/heads/work", ok=False)
    assert "no: signed" in push.stderr


def test_codeowners_of_the_branch_and_not_of_the_push(make_gate, tmp_path):
    upstream = make_upstream(tmp_path / "o" / "app.git", {"CODEOWNERS": OWNERS})
    g = make_gate(
        repositories=[{"path": "demo/app", "upstream": str(upstream)}],
        policy={
            "codeowners-groups": {"@acme/dba": "dba"},
            "access": [{"principals": {"groups": ["agents", "dba", "people"]},
                        "repositories": ["**"], "allow": ["fetch", "push"]}],
            "rules": [{"name": "owners", "then": "hold",
                       "when": {"refs": ["refs/heads/main"]},
                       "approvals": {"from-codeowners": True, "from": ["people"]}}],
        })
    bot, ann, dan = g.token("bot", "agents"), g.token("ann", "people"), g.token("dan", "dba")
    work = g.clone(bot)
    # the push names itself an owner: that counts for nothing
    work.commit({"CODEOWNERS": "* @bot\n", "db/1.sql": "x\n"})
    push = work.push("main", ok=False)
    assert "held for approval" in push.stderr, push.stderr
    hold = g.hold(hold_id(push), ann)
    needs = sorted((n["from"], n.get("people", [])) for n in hold["needs"])
    assert needs == [([], ["ann"]), (["dba"], [])]
    assert g.review(hold["id"], ann).status == 200
    assert g.hold(hold["id"], ann)["state"] == "pending"
    assert g.review(hold["id"], dan).status == 200
    g.wait_hold(hold["id"], ann, "forwarded")
    assert ref(upstream, "refs/heads/main") == work.head()


def test_a_machine_does_not_answer_for_its_owner(make_gate, tmp_path):
    upstream = make_upstream(tmp_path / "o" / "app.git", {"CODEOWNERS": OWNERS})
    g = make_gate(
        repositories=[{"path": "demo/app", "upstream": str(upstream)}],
        policy={
            "codeowners-groups": {"@acme/dba": "dba"},
            "access": [{"principals": {"groups": ["agents", "dba", "people"]},
                        "repositories": ["**"], "allow": ["fetch", "push"]}],
            "rules": [{"name": "owners", "then": "hold",
                       "when": {"refs": ["refs/heads/main"]},
                       "approvals": {"from-codeowners": True, "from": ["people"]}}],
        })
    work = g.clone(g.token("bot", "agents"))
    work.commit({"db/1.sql": "x\n", "f": "x\n"})
    ann = g.token("ann", "people")
    hold = g.hold(hold_id(work.push("main", ok=False)), ann)
    assert sorted((n["from"], n.get("people", [])) for n in hold["needs"]) == [([], ["ann"]), (["dba"], [])]
    helper = g.cli("token", "create", "helper", "--group", "agents", "--owner", "ann").stdout.strip()
    assert "none of your groups" in g.review(hold["id"], helper).text
    # asked for a group of its own, it counts for that alone
    both = g.cli("token", "create", "both", "--group", "dba", "--owner", "ann").stdout.strip()
    assert g.review(hold["id"], both).status == 200
    assert g.hold(hold["id"], ann)["state"] == "pending"
