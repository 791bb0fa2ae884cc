"""Claims and records of how commits were made, kept and joined: whichever came
first, whoever brought them, marked by what they rest on; on pages, in the API
and the log, and gone with the recording."""

import json
import re
import sqlite3
from contextlib import closing

import jsonschema
import pytest

from gate import ROOT, Gate, hold_id, make_upstream, ref, until
from issuer import Issuer
from websession import Browserless

PASSWORD = "a long pass phrase"
RULES = [
    {"name": "look", "when": {"refs": ["refs/heads/look/**"]}, "then": "hold", "approvals": {"from": ["maintainers"]}},
    {"name": "no", "when": {"refs": ["refs/heads/no/**"]}, "then": "deny"},
]
CHECKPOINT = "0123456789ab"


def note(path, ranges, model="opus-4", session="conv-1", human="Ann <ann@example.com>"):
    s = {"agent_id": {"tool": "claude", "id": session, "model": model}, "human_author": human}
    body = {"schema_version": "authorship/3.0.0", "base_commit_sha": "0" * 40, "prompts": {}, "sessions": {"s_c9883b05a2487d": s}, "humans": {}}
    return f"{path}\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 {ranges}\n---\n{json.dumps(body)}\n"


def add_note(w, commit, text, fresh=False):
    if fresh:  # as a clone that never fetched them has it
        w.run("update-ref", "-d", "refs/notes/ai", check=False)
    w.run("notes", "--ref=ai", "add", "-f", "-F", "-", commit, input=text)


def checkpoint(w, id=CHECKPOINT, session="entire-1", prompt="Add a column.\n"):
    """An Entire checkpoint, as `entire` makes them: a ref of its own."""
    files = {
        "metadata.json": json.dumps({"checkpoint_id": id, "strategy": "manual-commit", "branch": "main", "files_touched": ["a.txt"],
                                     "sessions": [{"metadata": "0/metadata.json", "prompt": "0/prompt.txt"}]}),
        "0/metadata.json": json.dumps({"session_id": session, "agent": "Claude Code", "model": "opus-4"}),
        "0/prompt.txt": prompt,
    }  # fmt: skip
    rows = {"": [], "0": []}
    for name, text in files.items():
        blob = w.run("hash-object", "-w", "--stdin", input=text).stdout.strip()
        where, _, base = name.rpartition("/")
        rows[where].append(f"100644 blob {blob}\t{base}")
    inner = w.run("mktree", input="\n".join(rows["0"]) + "\n").stdout.strip()
    tree = w.run("mktree", input="\n".join([*rows[""], f"040000 tree {inner}\t0"]) + "\n").stdout.strip()
    commit = w.out("commit-tree", "-m", f"Checkpoint: {id}", tree)
    w.run("update-ref", f"refs/entire/checkpoints/{id[-2:]}/{id}", commit)
    return f"refs/entire/checkpoints/{id[-2:]}/{id}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    bare = make_upstream(root / "app.git", {"README": "hello\n"})
    with Issuer(alg="RS256") as i:
        ci = {
            "name": "ci",
            "issuer": i.url,
            "audience": "gitgate",
            "principal": "ci:{sub}",
            "require": {"team": "demo"},
            "groups": [{"group": "agents", "when": {"team": "demo"}}],
            "session-claims": ["agent_run"],
        }
        config = {"identity": {"issuers": [ci]}}
        with Gate(root / "g", rules=RULES, repositories=[{"path": "demo/app", "upstream": str(bare)}], config=config) as g:
            g.upstream, g.issuer = bare, i
            g.bot, g.eve = g.token("bot", "agents"), g.token("eve", "agents")
            g.ann, g.olga = g.token("ann-cli", "maintainers"), g.token("olga", "auditors")
            g.user("ann", PASSWORD, "maintainers")
            g.web = Browserless(g, "ann", PASSWORD)
            yield g


OPENAPI = json.loads((ROOT / "gitgate" / "web" / "assets" / "openapi.json").read_text())


def as_described(value, name):
    schema = {"$ref": f"#/components/schemas/{name}"}
    jsonschema.Draft202012Validator(schema, resolver=jsonschema.RefResolver.from_schema(OPENAPI)).validate(value)
    return value


def push_of(g, hold):
    return g.hold(hold, g.ann)["push"]


def provenance(g, hold):
    p = as_described(g.hold(hold, g.ann), "Hold")["provenance"]
    assert p["complete"]
    return p


def of_commit(p, commit):
    (c,) = [c for c in p["commits"] if c["commit"] == commit]
    return c, [p["records"][i] for i in c["records"]]


def newest_push(g, **query):
    q = "&".join(f"{k}={v}" for k, v in query.items())
    return g.api("GET", f"/pushes?limit=1&{q}", g.olga).json["pushes"][0]["id"]


def marked_lines(html, file):
    part = html.split(f"<code>{file}</code></h4>")[1].split("</table>")[0]
    return [(m, int(n)) for m, n in re.findall(r'<i class="by">(.)</i>(?:<span class="vh">[^<]*</span>)?(\d+)</td>', part)]


def test_a_note_before_the_branch(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"a.txt": "1\n2\n3\n4\n"})
    add_note(w, tip, note("a.txt", "2-3"))
    w.push("refs/notes/ai", ok=True)
    hold = hold_id(w.push("HEAD:refs/heads/look/before", ok=False))
    p = provenance(g, hold)
    c, (r,) = of_commit(p, tip)
    assert c["level"] == "claim" and c["claims"] == [] and not c["more"]
    assert r["source"] == "git-ai" and r["key"] == f"commit:{tip}" and r["level"] == "claim"
    assert r["claimed_by"]["principal"] == "bot" and r["claimed_by"]["state"] == "forwarded"
    assert r["claimed_by"]["push"] == newest_push(g, ref="refs/notes/ai") and p["brought"] == []
    page = g.web.get(f"/-/holds/{hold}").text
    for text in ("only said", "a git-ai note", "opus-4", "conv-1", "Beside a line's number"):
        assert text in page, text
    assert marked_lines(page, "a.txt") == [("A", 2), ("A", 3)]
    assert marked_lines(g.web.get(f"/-/holds/{hold}?view=split").text, "a.txt") == [("A", 2), ("A", 3)]
    # the whole file, read on demand
    blob = w.out("rev-parse", f"{tip}:a.txt")
    whole = g.web.get(f"/-/holds/{hold}/file?oid={blob}").text
    assert [int(n) for n in re.findall(r'id="L(\d+)"><td class="n one"><i', whole)] == [2, 3]
    # what the notes' own push says, and of what
    own = g.web.get(f"/-/pushes/{r['claimed_by']['push']}").text
    assert 'id="provenance"' in own and tip[:12] in own
    shown = g.remote_cli(g.ann, "pushes", "show", push_of(g, hold)).stdout
    assert "record: git-ai, claimed by bot" in shown and "model opus-4" in shown


def test_lines_are_marked_only_in_the_version_that_is_meant(place):
    g, w = place, place.clone(place.bot)
    first = w.commit({"v.txt": "1\n2\n3\n"})
    second = w.commit({"v.txt": "0\n1\n2\n3\n"})
    add_note(w, first, note("v.txt", "1-2"), fresh=True)
    w.run("push", "-q", "-f", "origin", "refs/notes/ai")
    hold = hold_id(w.push("HEAD:refs/heads/look/versions", ok=False))
    page = g.web.get(f"/-/holds/{hold}").text
    assert marked_lines(page, "v.txt") == [], "all changes show the file as the second commit has it"
    page = g.web.get(f"/-/holds/{hold}?commit={first}").text
    assert marked_lines(page, "v.txt") == [("A", 1), ("A", 2)]
    assert marked_lines(g.web.get(f"/-/holds/{hold}?commit={second}").text, "v.txt") == []


def test_another_principals_note_behind_the_branch(place):
    g, w, e = place, place.clone(place.bot), place.clone(place.eve)
    tip = w.commit({"b.txt": "1\n2\n"}, "Change b\n\nAssisted-by: claude:opus-4\n")
    hold = hold_id(w.push("HEAD:refs/heads/look/other", ok=False))
    assert of_commit(provenance(g, hold), tip)[1] == []
    e.run("fetch", "-q", str(w.path), "HEAD")
    add_note(e, tip, note("b.txt", "1", model="evil-1"), fresh=True)
    e.run("push", "-q", "-f", "origin", "refs/notes/ai")
    add_note(w, tip, note("b.txt", "1-2"), fresh=True)
    w.run("push", "-q", "-f", "origin", "refs/notes/ai")
    c, records = of_commit(provenance(g, hold), tip)
    assert [x["kind"] for x in c["claims"]] == ["tool", "model"]
    # the commit's own pusher comes first; nobody is passed off as somebody else
    assert [r["claimed_by"]["principal"] for r in records] == ["bot", "eve"]
    page = g.web.get(f"/-/holds/{hold}").text
    assert "by <strong>eve</strong> with a git-ai note" in page
    assert marked_lines(page, "b.txt") == [("A", 1), ("A", 2)]


def test_a_checkpoint_in_a_push_of_its_own(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"c.txt": "1\n"}, f"Change c\n\nEntire-Checkpoint: {CHECKPOINT}\n")
    hold = hold_id(w.push("HEAD:refs/heads/look/entire", ok=False))
    assert of_commit(provenance(g, hold), tip)[0]["level"] == "claim"
    name = checkpoint(w)
    w.push(name, ok=True)
    c, (r,) = of_commit(provenance(g, hold), tip)
    assert c["level"] == r["level"] == "prompt" and r["key"] == f"checkpoint:{CHECKPOINT}"
    assert r["prompt"] == "Add a column.\n" and r["claimed_by"]["principal"] == "bot"
    page = g.web.get(f"/-/holds/{hold}").text
    assert "prompt text given" in page and "Add a column." in page and "<details><summary>Show the prompt" in page
    # and from the checkpoint's side
    brought = as_described(g.api("GET", f"/pushes/{r['claimed_by']['push']}", g.ann).json, "Push")["provenance"]
    (mine,) = [brought["records"][i] for i in brought["brought"]]
    assert [x["commit"] for x in mine["named_by"]] == [tip] and mine["named_by"][0]["claimed_by"]["push"] == push_of(g, hold)
    own = g.web.get(f"/-/pushes/{r['claimed_by']['push']}").text
    assert tip[:12] in own and "Change c" in own


def test_a_rejected_push_is_marked_and_a_denied_one_says_nothing(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"d.txt": "1\n"})
    add_note(w, tip, note("d.txt", "1", model="rejected-1"), fresh=True)
    first = hold_id(w.push("HEAD:refs/heads/look/d1", "+refs/notes/ai:refs/notes/ai", ok=False))
    assert of_commit(provenance(g, first), tip)[1][0]["claimed_by"]["state"] == "held"
    assert g.review(first, g.ann, "reject", "no").status == 200
    add_note(w, tip, note("d.txt", "1", model="denied-1"), fresh=True)
    w.push("HEAD:refs/heads/no/d", "+refs/notes/ai:refs/notes/ai", ok=False)
    second = hold_id(w.push("HEAD:refs/heads/look/d2", ok=False))
    (r,) = of_commit(provenance(g, second), tip)[1]
    assert r["claimed_by"]["state"] == "denied" and "rejected-1" in json.dumps(r)
    page = g.web.get(f"/-/holds/{second}").text
    assert re.search(r"in <a href=\"/-/pushes/[0-9A-Z]+\">push [0-9A-Z]+</a> <time[^>]*>[^<]*</time> <span class=\"badge denied\">denied</span>", page)
    assert "denied-1" not in page


def job(g, **claims):
    return g.issuer.mint(g.issuer.claims(sub="job-1", team="demo", **claims))


def test_an_issuer_says_what_names_a_session(place):
    g = place
    assert "session-claims" in g.config_file.read_text()
    w = g.clone(job(g, agent_run="run-7", run_id="run-8"))
    for session, proven in (("run-7", True), ("run-8", False)):
        w.run("reset", "-q", "--hard", "origin/main")
        tip = w.commit({"e.txt": session}, f"e\n\nAmp-Thread-ID: {session}\n")
        add_note(w, tip, note("e.txt", "1", session=session), fresh=True)
        hold = hold_id(w.push("-o", f"agent.session={session}", f"HEAD:refs/heads/look/{session}", "+refs/notes/ai:refs/notes/ai", ok=False))
        c, (r,) = of_commit(provenance(g, hold), tip)
        assert (c["level"] == "verified-session") == proven == (r["verified_sessions"] == [session])
        assert [x["verified"] for x in c["claims"] if x["kind"] == "session"] == [proven]
        page = g.web.get(f"/-/holds/{hold}").text
        assert ("the credential names it" in page) == proven == ("session verified" in page)
    assert r["level"] == "claim"


def test_a_session_proves_nothing_of_others(place):
    """Who knows the name of another's session, or has one, says no more of
    another's commit by it than anybody does."""
    g, e = place, place.clone(place.eve)
    w = g.clone(job(g, agent_run="run-9"))
    mine = w.commit({"s.txt": "mine\n"}, "s\n\nEntire-Session: run-9\n")
    hold = hold_id(w.push("HEAD:refs/heads/look/session", ok=False))
    e.run("fetch", "-q", str(w.path), "HEAD")
    add_note(e, mine, note("s.txt", "1", session="run-9", model="evil-2"), fresh=True)
    e.run("push", "-q", "-f", "origin", "refs/notes/ai")
    c, (r,) = of_commit(provenance(g, hold), mine)
    assert c["level"] == "verified-session", "by the message and the credential of its own push"
    assert r["claimed_by"]["principal"] == "eve" and r["level"] == "claim" and r["verified_sessions"] == []
    page = g.web.get(f"/-/holds/{hold}").text
    assert "a credential names it, too" not in page and page.count("session verified") == 1
    shown = g.remote_cli(g.ann, "pushes", "show", push_of(g, hold)).stdout
    assert "session run-9 (verified)" in shown
    e.commit({"u.txt": "1\n"}, 'u\n\nEntire-Session: run-9 (verified)\nEntire-Agent: "x", session run-9 (verified)\n')
    words = push_of(g, hold_id(e.push("HEAD:refs/heads/look/words", ok=False)))
    shown = g.remote_cli(g.ann, "pushes", "show", words).stdout
    assert 'session "run-9 (verified)"' in shown and 'tool "\\"x\\", session run-9 (verified)"' in shown

    b = g.clone(g.bot)
    theirs = b.commit({"t.txt": "theirs\n"})
    hold = hold_id(b.push("HEAD:refs/heads/look/theirs", ok=False))
    w.run("fetch", "-q", str(b.path), "HEAD")
    add_note(w, theirs, note("t.txt", "1", session="run-9"), fresh=True)
    w.run("push", "-q", "-f", "origin", "refs/notes/ai")
    c, (r,) = of_commit(provenance(g, hold), theirs)
    assert r["level"] == "verified-session" and r["claimed_by"]["principal"] == "ci:job-1"
    assert c["level"] == "claim", "the session is the job's, the commit is not"


def test_a_record_of_half_a_megabyte(place):
    """It is kept without its lists: a page reads hundreds of records."""
    g, w = place, place.clone(place.bot)
    tip = w.commit({"large.txt": "1\n"})
    head, lines = note("p" * 3000, "1").split("\n", 1)
    entry, rest = lines.split("\n", 1)
    add_note(w, tip, "\n".join([head] + [entry] * 200 + [rest]), fresh=True)
    w.run("push", "-q", "-f", "origin", "refs/notes/ai")
    c, (r,) = of_commit(provenance(g, hold_id(w.push("HEAD:refs/heads/look/large", ok=False))), tip)
    assert r["cut"] and "files" not in r and "sessions" not in r
    assert (r["model"], r["session"]) == ("opus-4", "conv-1")


def test_the_log_says_it_in_few_words(place):
    g, w = place, place.clone(place.bot)
    w.commit({"f.txt": "1\n"}, f"f\n\nAssisted-by: claude:opus-4\nEntire-Checkpoint: {CHECKPOINT}\n")
    w.commit({"f.txt": "2\n"}, "by hand")
    push = push_of(g, hold_id(w.push("HEAD:refs/heads/look/log", ok=False)))
    (e,) = g.audit(g.olga, push=push, type="ref.update")
    # the first commit is new where only the rule's refs are looked at
    assert e["claimed"] == {"commits": {"with": 1, "without": 2, "tools": ["claude"], "models": ["opus-4"], "checkpoints": [CHECKPOINT]}}
    tip = w.commit({"f.txt": "3\n"})
    add_note(w, tip, note("f.txt", "1"), fresh=True)
    w.run("push", "-q", "-f", "origin", "refs/notes/ai")
    (e,) = g.audit(g.olga, push=newest_push(g, ref="refs/notes/ai"), type="ref.update")
    assert e["claimed"] == {"commits": {"with": 0, "without": 1, "records": {"git-ai": 1}}}


def explained(g, *args, **kw):
    return g.remote_cli(g.ann, "audit", "explain-ref", "demo/app", *args, **kw)


def test_one_command_says_it_all(place, tmp_path):
    """Who moved it, with whose approval, from which prompt, and is it so."""
    g, w = place, place.clone(place.bot)
    tip = w.commit({"g.txt": "1\n2\n"}, f"g\n\nEntire-Checkpoint: {CHECKPOINT}\n")
    hold = hold_id(w.push("-o", "agent.session=s-1", "HEAD:refs/heads/look/all", ok=False))
    if not ref(g.upstream, f"refs/entire/checkpoints/{CHECKPOINT[-2:]}/{CHECKPOINT}"):
        w.push(checkpoint(w), ok=True)
    assert g.review(hold, g.ann, comment="looks right").status == 200
    g.wait_hold(hold, g.ann, "forwarded")
    key = g.state / "log" / "vkey"
    said = explained(g, "refs/heads/look/all", tip, "--key", key).stdout
    for text in ("who:       bot, by token", "verdict:   hold by rule look", "approved:  ann-cli, by token", "agent.session: s-1",
                 "prompt: Add a column.", f"value:     {tip}", "log:       verified: entries "):  # fmt: skip
        assert text in said, (text, said)
    assert re.search(r"in the tree of size \d+, root \S{44}, signed by \S+", said)
    o = json.loads(explained(g, "refs/heads/look/all", tip[:10], "--key", key, "--json").stdout)
    assert o["log"]["verified"] and o["log"]["key"] == "given" and o["step"]["new"] == tip
    assert [e["type"] for e in o["log"]["entries"]][-1] in ("forward.result", "hold.closed")
    assert o["push"]["provenance"]["commits"][0]["level"] == "prompt"
    as_described({k: v for k, v in o.items() if k != "log"}, "Explained")
    assert json.loads(explained(g, "refs/heads/look/all", "--json").stdout)["log"]["key"] == "of the gate"
    # another key proves nothing; a value that it never had is not found
    other = Gate(tmp_path, start=True)
    with other:
        p = explained(g, "refs/heads/look/all", "--key", other.state / "log" / "vkey", check=False)
        assert p.returncode == 1 and "verified" not in p.stdout
    assert explained(g, "refs/heads/look/all", "abcd1234", check=False).returncode == 1
    assert explained(g, "refs/heads/look/all", "x", check=False).returncode != 0
    # the page says the same
    page = g.web.get(f"/-/audit/explain?repository=demo/app&ref=refs/heads/look/all&oid={tip}").text
    for text in ("<strong>bot</strong>", "approved by <strong>ann-cli</strong>", "Add a column.", "entries are in the tree of size", "/receipt"):
        assert text in page, text
    line = g.web.get("/-/audit/timeline?repository=demo/app&ref=refs/heads/look/all").text
    assert "/-/audit/explain?" in line and "s-1" in line and CHECKPOINT in line
    assert g.api("GET", "/audit/explain?repository=demo/app&ref=refs/heads/look/all", g.token("zoe", "strangers")).status == 404


def test_records_go_with_the_recording(make_gate):
    g = make_gate(rules=RULES, config={})
    g.ann, g.olga = g.token("ann-cli", "maintainers"), g.token("olga", "auditors")
    w = g.clone(g.token("bot", "agents"))
    kept = w.commit({"a.txt": "1\n"})
    add_note(w, kept, note("a.txt", "1"))
    w.push("refs/notes/ai", ok=True)
    first = newest_push(g)
    g.cli("pushes", "keep", first, "--reason", "case 1")
    tip = w.commit({"a.txt": "2\n"})
    add_note(w, tip, note("a.txt", "1"))
    w.push("refs/notes/ai", ok=True)
    second = newest_push(g)
    hold = hold_id(w.push("HEAD:refs/heads/look/x", ok=False))
    assert len(of_commit(provenance(g, hold), tip)[1]) == 1
    g.config["retention"] = {"default": {"forwarded": "1s"}}
    g.write_config()
    g.reload()
    until("the record is gone", lambda: all(c["commit"] != tip for c in provenance(g, hold)["commits"]), log=g.log)
    assert len(of_commit(provenance(g, hold), kept)[1]) == 1, "a legal hold keeps it"
    shown = g.api("GET", f"/pushes/{second}", g.olga).json
    assert shown["state"] == "forwarded" and shown["provenance"]["brought_all"] == 0


def test_what_is_kept_has_a_limit(make_gate):
    """And the page says which."""
    g = make_gate(rules=RULES, config={"limits": {"provenance-kept": "2KiB"}})
    g.ann = g.token("ann-cli", "maintainers")
    g.user("ann", PASSWORD, "maintainers")
    w = g.clone(g.token("bot", "agents"))
    for i in range(8):
        add_note(w, w.commit({f"{i}.txt": "1\n"}), note(f"{i}.txt", "1"))
    hold = hold_id(w.push("HEAD:refs/heads/look/many", "refs/notes/ai", ok=False))
    p = as_described(g.hold(hold, g.ann), "Hold")["provenance"]
    assert 0 < p["brought_all"] < 8 and p["limit"] == "provenance-kept"
    assert "the limit provenance-kept was reached" in Browserless(g, "ann", PASSWORD).get(f"/-/holds/{hold}").text


def test_who_asks_to_be_forgotten(make_gate):
    """A push of notes says nothing else about itself: its records go, too."""
    g = make_gate(rules=RULES)
    g.ann, g.olga = g.token("ann-cli", "maintainers"), g.token("olga", "auditors")
    w = g.clone(g.token("bot", "agents"))
    tip = w.commit({"a.txt": "1\n"})
    add_note(w, tip, note("a.txt", "1", human="Zora <zora@example.com>"))
    w.push("refs/notes/ai", ok=True)
    push = newest_push(g)
    said = lambda: g.api("GET", f"/pushes/{push}", g.ann).text
    assert "zora@example.com" in said()
    g.cli("audit", "erase", "--push", push, "--reason", "request 1")
    until("its records are gone", lambda: "zora@example.com" not in said(), log=g.log)
    (e,) = g.audit(g.olga, push=push, type="ref.update")
    assert e["claimed"] == {"erased": True} and "claimed" in e["erased"]


def test_a_checkpoint_that_came_before(make_gate):
    """Entire pushes its refs apart. What the same principal brought before, and
    policy let through, counts for a commit that names it; and then as well as
    when the push is judged again, whatever came since."""
    rules = [
        {"name": "prompted", "when": {"refs": ["refs/heads/**"], "provenance": {"require": "prompt"}}, "then": "deny"},
        {"name": "held", "when": {"refs": ["refs/entire/**"], "principals": {"groups": ["maintainers"]}}, "then": "hold", "approvals": {"from": ["maintainers"]}},
    ]
    g = make_gate(rules=rules)
    bot, eve, ann = g.token("bot", "agents"), g.token("eve", "agents"), g.token("ann", "maintainers")
    pushes, verdicts = [], []

    def push(w, name, ok):
        p = w.push(f"HEAD:refs/heads/{name}", ok=ok)
        pushes.append(g.api("GET", "/pushes?limit=1", ann).json["pushes"][0]["id"])
        verdicts.append("allow" if ok else "deny")
        return p.stderr

    w, e, a = g.clone(bot), g.clone(eve), g.clone(ann)
    named = w.commit({"a.txt": "1\n"}, f"a\n\nEntire-Checkpoint: {CHECKPOINT}\n")
    assert "no prompt" in push(w, "never", ok=False)
    e.push(checkpoint(e, prompt="Not the bot's.\n"), ok=True)
    assert "no prompt" in push(w, "of-another", ok=False)
    w.run("push", "-q", "-f", "origin", checkpoint(w))
    push(w, "mine", ok=True)
    # what waits for a reviewer was not let through
    a.run("fetch", "-q", str(w.path), "HEAD")
    a.run("reset", "-q", "--hard", named)
    a.commit({"b.txt": "1\n"}, "b\n\nEntire-Checkpoint: ab0123456789\n")
    hold = hold_id(a.push(checkpoint(a, id="ab0123456789"), ok=False))
    push(a, "waiting", ok=False)
    assert g.review(hold, g.token("olga", "maintainers"), "approve", "fine").status == 200
    g.wait_hold(hold, ann, "forwarded")
    push(a, "approved", ok=True)
    def all_the_same():
        for id, verdict in zip(pushes, verdicts):
            again = json.loads(g.cli("pushes", "replay", id, "--json", check=False).stdout)
            assert again["same"] and again["verdict"] == verdict, again

    def said(session):
        with closing(sqlite3.connect(g.state / "gitgate.db", timeout=30)) as db:
            return [id for id, text in db.execute("SELECT id, request FROM push") if session in text]

    all_the_same()
    # what is erased of a checkpoint is so where a later push was judged by it
    brought = g.api("GET", f"/pushes?limit=1&principal=bot&ref=refs/entire/checkpoints/{CHECKPOINT[-2:]}/{CHECKPOINT}", ann).json["pushes"][0]["id"]
    assert pushes[2] in said("entire-1")
    g.cli("audit", "erase", "--push", brought, "--reason", "request 2")
    until("its session is nowhere", lambda: pushes[2] not in said("entire-1"), log=g.log)
    all_the_same()
