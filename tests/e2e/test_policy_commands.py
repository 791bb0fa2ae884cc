"""policy explain, policy test and dry runs: what policy says, asked beforehand
and afterwards."""

import json

import make
import raw_push
import yaml

from gate import ACCESS, PROTECT_MAIN, hold_id, http, ref

DENY_SECRETS = {
    "name": "no-keys",
    "when": {"paths": ["keys/**"]},
    "then": "deny",
    "message": "Keys do not belong here.",
}


def push_id(g, token, n=0):
    return g.api("GET", "/pushes", token).json["pushes"][n]["id"]


def policy_dir(tmp_path, rules, name="other"):
    d = tmp_path / name
    d.mkdir()
    (d / "10.yaml").write_text(yaml.safe_dump({"access": ACCESS, "rules": rules}))
    return d


def test_explain_by_the_same_and_by_another_policy(make_gate, tmp_path):
    g = make_gate(rules=[PROTECT_MAIN, DENY_SECRETS])
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.run("checkout", "-q", "-b", "topic")
    work.commit({"keys/a": "k\n"})
    work.commit({"keys/a": None})
    work.push("topic", ok=False)
    id = push_id(g, bot)

    e = json.loads(g.cli("policy", "explain", id, "--json").stdout)
    assert e["verdict"] == "deny" and e["recorded"] == "deny" and e["same_policy"] is True
    assert e["updates"][0]["reasons"][0]["rule"] == "no-keys"
    assert "no-keys" in g.cli("policy", "explain", id).stdout

    other = policy_dir(tmp_path, [PROTECT_MAIN])
    e = json.loads(g.cli("policy", "explain", id, "--policy", other, "--json").stdout)
    assert e["verdict"] == "allow" and e["recorded"] == "deny" and e["same_policy"] is False
    assert g.cli("policy", "explain", "nonsense", check=False).returncode == 2
    assert not list((g.state / "quarantine").iterdir())


def push_files(g, token, name, files, parent):
    """A new branch with the upstream's README and {folder: {name: blob}}, made
    without git; its tip."""
    folders = {f: make.tree(*((b"100644", n.encode(), b) for n, b in sorted(inside.items()))) for f, inside in files.items()}
    top = make.tree((b"100644", b"README", make.blob(b"hello\n")), *((b"40000", f.encode(), t) for f, t in sorted(folders.items())))
    new = make.commit(top, [parent])
    blobs = [b for inside in files.values() for b in inside.values()]
    refs = http("GET", f"{g.url}/demo/app.git/info/refs?service=git-receive-pack", headers=raw_push.headers(token))
    assert refs.status == 200
    r = raw_push.push(g, token, [(make.ZERO, new.oid, name)], make.pack(new, top, *folders.values(), *blobs))
    assert r.ok, r
    return new.oid


def test_policy_test_over_many_pushes(make_gate, tmp_path):
    """Forwarded pushes lie in the mirror by now and count as new all the same."""
    g = make_gate(rules=[PROTECT_MAIN])
    bot = g.token("bot", "agents")
    ann = g.token("ann", "maintainers")
    work = g.clone(bot)
    n = 210  # more than one page of them
    before, files = work.head(), {}
    for i in range(n):
        start, files = (before, files) if i % 7 == 0 else (work.head(), {})
        folder, name = ("keys", f"k{i}") if i % 10 == 0 else ("src", f"f{i}")
        files = {**files, folder: {**files.get(folder, {}), name: make.blob(b"%d\n" % i)}}
        before = push_files(g, bot, f"refs/heads/b{i}", files, start)
    work.commit({"x": "1\n"})
    held = work.push("main", ok=False)
    g.review(hold_id(held), ann)
    g.wait_hold(hold_id(held), ann, "forwarded")

    same = g.cli("policy", "test", "--since", "1d", timeout=280)
    assert f"{n + 1} pushes judged, 0 would change, 0 could not" in same.stdout

    other = policy_dir(tmp_path, [DENY_SECRETS])
    changed = g.cli("policy", "test", "--policy", other, "--json", check=False, timeout=280)
    assert changed.returncode == 1
    t = json.loads(changed.stdout)
    assert t["judged"] == n + 1 and t["failed"] == 0
    moved = [p for p in t["pushes"] if p["recorded"] != p["now"]]
    # the 21 with a key, those on top of them (every seventh starts from the
    # branch before), and the hold that is none any more
    denied = [p for p in moved if p["now"] == "deny"]
    assert len(denied) >= 21 and all("no-keys" in p["why"] for p in denied)
    assert [p for p in moved if p["recorded"] == "hold" and p["now"] == "allow"]
    assert t["changed"] == len(moved)


def test_dry_run_forwards_and_holds_nothing(make_gate):
    g = make_gate(rules=[PROTECT_MAIN, DENY_SECRETS])
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    before = ref(g.upstream, "refs/heads/main")
    work.commit({"a": "a\n"})

    p = work.push("-o", "gitgate.dry-run", "main", ok=False)
    assert "dry run: would be held" in p.stderr and "protect-main" in p.stderr
    p = work.push("-o", "gitgate.dry-run", "HEAD:refs/heads/free", ok=False)
    assert "dry run: would be allowed" in p.stderr
    work.commit({"keys/a": "a\n"})
    p = work.push("-o", "gitgate.dry-run", "HEAD:refs/heads/free", ok=False)
    assert "dry run: would be denied by rule no-keys" in p.stderr and "keys/a" in p.stderr

    assert ref(g.upstream, "refs/heads/main") == before
    assert ref(g.upstream, "refs/heads/free") is None
    assert g.api("GET", "/holds", bot).json["holds"] == []
    assert not list((g.state / "quarantine").iterdir())
    states = [x["state"] for x in g.api("GET", "/pushes", bot).json["pushes"]]
    assert states == ["aborted"] * 3


def test_preview_through_the_api(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    bot = g.token("bot", "agents")
    stranger = g.token("eve", "nobody")
    work = g.clone(bot)
    work.commit({"a": "a\n"})
    work.push("main", ok=False)
    id = push_id(g, bot)
    a = g.api("GET", f"/pushes/{id}/preview", bot)
    assert a.status == 200 and a.json["verdict"] == "hold" and a.json["same_policy"] is True
    assert a.json["needs"][0]["rule"] == "protect-main"
    assert isinstance(a.json["trace"], list)
    g.policy({"access": ACCESS, "rules": []})
    assert g.reload()
    a = g.api("GET", f"/pushes/{id}/preview", bot)
    assert a.json["verdict"] == "allow" and a.json["recorded"] == "hold" and a.json["same_policy"] is False
    assert g.api("GET", f"/pushes/{id}/preview", stranger).status == 404
    assert g.api("GET", f"/pushes/{id}/preview").status == 401
