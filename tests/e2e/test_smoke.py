"""The main job once, in order: if this fails, nothing else is worth reading."""

import subprocess

from gate import BIN, hold_id, ref, vkey


def test_push_hold_approve_log(g):
    bot = g.token("bot", "agents")
    ann = g.token("ann", "maintainers")
    work = g.clone(bot)
    first = work.head()

    work.run("checkout", "-q", "-b", "feature")
    feature = work.commit({"a.txt": "a\n"}, "a feature")
    work.push("feature", ok=True)
    assert ref(g.upstream, "refs/heads/feature") == feature

    work.run("checkout", "-q", "main")
    wanted = work.commit({"b.txt": "b\n"}, "for main")
    held = work.push("main", ok=False)
    assert "held for approval" in held.stderr
    assert ref(g.upstream, "refs/heads/main") == first
    id = hold_id(held)
    hold = g.hold(id, ann)
    assert hold["state"] == "pending" and hold["principal"] == "bot"

    assert g.review(id, bot).status == 403
    assert g.review(id, ann, comment="fine").status == 200
    g.wait_hold(id, ann, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == wanted

    p = subprocess.run(
        [BIN / "gitgate", "audit", "verify", "--key", vkey(g), str(g.state / "log")], capture_output=True, text=True
    )
    assert p.returncode == 0, p.stderr + p.stdout
    g.stop()
