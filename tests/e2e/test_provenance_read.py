"""What agents' tools write beside the code, with git itself: notes, traces and
checkpoints become records, rules hear of them, and secrets in them are found
and masked."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from gate import Gate, hold_id, make_upstream, ref

ROOT = Path(__file__).resolve().parents[2]
DENY_SECRETS = {"name": "no-secrets", "when": {"refs": ["!refs/heads/look/**", "!refs/notes/**"], "secrets": True}, "then": "deny"}
RULES = [
    {"name": "said", "when": {"refs": ["refs/heads/said/**"], "provenance": {"require": "session"}}, "then": "deny"},
    {"name": "asked", "when": {"refs": ["refs/heads/asked/**"], "provenance": {"require": "prompt"}}, "then": "deny"},
    {"name": "look", "when": {"refs": ["refs/heads/look/**", "refs/notes/**"], "secrets": True}, "then": "hold", "approvals": {"from": ["maintainers"]}},
    DENY_SECRETS,
]
SECRET = "ghp_0EBz6yPPk3yYzrRjOkSNuEaAEE8cIh2eDKqj"
ULID = "01K9ZQ8T6W3F4N5P6R7S8T9V0A"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    bare = make_upstream(root / "app.git", {"README": "hello\n"})
    with Gate(root / "g", rules=RULES, repositories=[{"path": "demo/app", "upstream": str(bare)}], start=False) as g:
        shutil.copy(ROOT / "policy.d" / "secrets.toml", g.policy_dir)
        g.upstream = bare
        g.start()
        g.bot = g.token("bot", "agents")
        # what is there before counts for nothing below
        g.clone(g.bot).push("-o", "agent.session=s", "-o", "agent.prompt=p", "HEAD:refs/heads/said/0", "HEAD:refs/heads/asked/0", ok=True)
        yield g


def brought(g):
    """The records of the last push, as the API gives them."""
    id = g.api("GET", "/pushes", g.bot).json["pushes"][0]["id"]
    p = g.api("GET", f"/pushes/{id}", g.bot).json["provenance"]
    assert p["complete"]
    return id, [p["records"][i] for i in p["brought"]]


def replayed(g, id):
    answer = json.loads(g.cli("pushes", "replay", id, "--json", check=False).stdout)
    assert answer["same"], answer


def note(session="conv_1"):
    about = {
        "schema_version": "authorship/3.0.0",
        "base_commit_sha": "1" * 40,
        "prompts": {},
        "sessions": {"s_c9883b05a2487d": {"agent_id": {"tool": "claude", "id": session, "model": "opus"}, "human_author": "Ann <ann@example.org>"}},
        "humans": {},
    }
    return f"src/main.c\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-2\n---\n{json.dumps(about)}"


def trace(path="src/main.c", **more):
    conversation = {
        "url": "https://agents.example/c/12",
        "contributor": {"type": "ai", "model_id": "anthropic/claude-opus-4-5"},
        "ranges": [{"start_line": 1, "end_line": 2}],
        "related": [{"type": "session", "url": "https://agents.example/s/run-12"}],
    }
    record = {"version": "0.1.0", "id": "550e8400-e29b-41d4-a716-446655440000", "timestamp": "2026-01-25T10:00:00Z"}
    return json.dumps({**record, "files": [{"path": path, "conversations": [conversation]}], **more}) + "\n"


def checkpoints(w, ids, prompt="Add a column.\n", under=lambda id: ""):
    """Commits like those of Entire's hook, one for each id."""
    lines = []
    for i, id in enumerate(ids):
        files = {
            "metadata.json": {"checkpoint_id": id, "strategy": "manual-commit", "branch": "topic", "files_touched": ["a"], "sessions": [{}]},
            "0/metadata.json": {"session_id": f"s-{id}", "agent": "Claude Code"},
            "0/prompt.txt": prompt,
            "0/full.jsonl": '{"type":"user"}\n' * 9,
            "0/content_hash.txt": "ab" * 32,
        }
        lines.append(f"commit refs/put/{i}\nmark :{i + 1}\ncommitter Entire <e@entire.local> 1700000000 +0000\ndata 12\nCheckpoint: \ndeleteall\n")
        for name, text in files.items():
            text = text if isinstance(text, str) else json.dumps(text)
            lines.append(f"M 100644 inline {under(id)}{name}\ndata {len(text)}\n{text}\n")
        lines.append(f"\nget-mark :{i + 1}\nreset refs/put/{i}\nfrom {'0' * 40}\n\n")
    return w.run("fast-import", "--quiet", "--force", input="".join(lines)).stdout.split()


def test_notes(place):
    g, w = place, place.clone(place.bot)
    tip = w.commit({"src/main.c": "1\n2\n"})
    w.run("notes", "--ref", "ai", "add", "-m", note(), tip)
    w.push("HEAD:refs/heads/said/1", ok=False)
    # the note vouches for the commit where both come together
    w.push("HEAD:refs/heads/said/1", "refs/notes/ai", ok=True)
    assert ref(g.upstream, "refs/heads/said/1") == tip
    id, records = brought(g)
    (r,) = records
    assert (r["source"], r["key"], r["tool"], r["model"], r["session"]) == ("git-ai", f"commit:{tip}", "claude", "opus", "conv_1")
    assert r["files"][0]["path"] == "src/main.c" and r["files"][0]["ranges"] == [[1, 2]]
    replayed(g, id)
    # the next push of notes brings only what is new
    other = w.commit({"src/main.c": "1\n2\n3\n"})
    w.run("notes", "--ref", "ai", "add", "-m", note("conv_2"), other)
    w.push("refs/notes/ai", ok=True)
    assert [r["key"] for r in brought(g)[1]] == [f"commit:{other}"]
    # a note on the way by itself says nothing for a later push
    w.push("HEAD:refs/heads/said/2", ok=False)


def test_traces(place):
    g, w = place, place.clone(place.bot)
    one = w.commit({"src/main.c": "1\n2\n", ".agent-trace/traces.jsonl": trace(tool={"name": "cursor"})})
    named = trace("src/other.c", vcs={"type": "git", "revision": one})
    two = w.commit({"src/other.c": "1\n2\n", ".agent-trace/traces.jsonl": trace(tool={"name": "cursor"}) + named})
    w.push("HEAD:refs/heads/said/traces", ok=True)
    id, records = brought(g)
    assert [(r["key"], r["commit"], r["files"][0]["path"]) for r in records] == [
        (f"commit:{one}", one, "src/main.c"),
        (f"commit:{one}", two, "src/other.c"),
    ]
    assert records[0]["tool"] == "cursor" and records[0]["session"] == "run-12" and records[0]["link"] == "https://agents.example/c/12"
    replayed(g, id)
    w.commit({"src/main.c": "3\n", ".agent-trace/traces.jsonl": "{not JSON\n"})
    w.push("HEAD:refs/heads/said/traces", ok=False)
    # a record that cannot be read is said to be so, and refuses nothing
    w.push("HEAD:refs/heads/broken", ok=True)
    assert "no JSON" in brought(g)[1][-1]["unreadable"]


@pytest.mark.parametrize("id", [ULID, "0123456789ab"])
def test_a_checkpoint(place, id):
    g, w = place, place.clone(place.bot)
    (new,) = checkpoints(w, [id])
    tip = w.commit({"a": "1\n"}, f"Change\n\nEntire-Checkpoint: {id}\n")
    branch, own = f"refs/heads/asked/{id}", f"refs/entire/checkpoints/{id[-2:]}/{id}"
    w.push(f"HEAD:{branch}", ok=False)
    w.push(f"HEAD:{branch}", f"{new}:{own}", ok=True)
    assert ref(g.upstream, branch) == tip and ref(g.upstream, own) == new
    push, records = brought(g)
    (r,) = [r for r in records if r["source"] == "entire"]
    assert r["key"] == f"checkpoint:{id}" and r["strategy"] == "manual-commit" and r["files_touched"] == ["a"]
    (s,) = r["sessions"]
    assert (s["session"], s["tool"], s["prompt"]) == (f"s-{id}", "Claude Code", "Add a column.\n")
    assert s["prompt_sha256"] == hashlib.sha256(b"Add a column.\n").hexdigest()
    assert s["transcript_bytes"] == 9 * 16 and s["transcript_sha256"] == "ab" * 32
    assert b'"type":"user"' not in (g.state / "pushes" / push / "report").read_bytes()
    replayed(g, push)


def test_two_hundred_checkpoints_and_the_branch(place):
    g, w = place, place.clone(place.bot)
    ids = [f"{i + 7:012x}" for i in range(200)]
    new = checkpoints(w, ids)
    refs = [f"{c}:refs/entire/checkpoints/{id[-2:]}/{id}" for c, id in zip(new, ids)]
    w.push(*refs, ok=True)
    id, records = brought(g)
    assert sorted(r["key"] for r in records) == [f"checkpoint:{id}" for id in ids]
    replayed(g, id)
    old, later = checkpoints(w, ["aa0000000001", "bb0000000002"], under=lambda id: f"{id[:2]}/{id[2:]}/")
    branch = "refs/heads/entire/checkpoints/v1"
    w.push(f"{old}:{branch}", ok=True)
    assert [r["key"] for r in brought(g)[1]] == ["checkpoint:aa0000000001"]
    w.push(f"+{later}:{branch}", ok=True)
    assert [r["key"] for r in brought(g)[1]] == ["checkpoint:bb0000000002"]


def test_secrets_in_them_are_found_and_masked(place):
    g, w = place, place.clone(place.bot)
    (new,) = checkpoints(w, [ULID], prompt=f"Use {SECRET} for it.\n")
    w.push(f"{new}:refs/entire/checkpoints/0A/{ULID}", ok=False)
    tip = w.commit({"s": "1\n"})
    w.run("notes", "--ref", "ai-2", "add", "-m", note(SECRET), tip)
    hold_id(w.push("+refs/notes/ai-2:refs/notes/ai", ok=False))
    id, records = brought(g)
    (r,) = [r for r in records if r["key"] == f"commit:{tip}"]
    assert r["session"] == "ghp_..." and r["cut"] is True
    assert SECRET.encode() not in (g.state / "pushes" / id / "report").read_bytes()
    assert SECRET not in g.log()


def test_what_is_hostile_is_only_text(place):
    g, w = place, place.clone(place.bot)
    deep = "[" * 100000
    wide = "a\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 " + ",".join(["1-2"] * 30000)
    about = '{"schema_version":"authorship/3.0.0","schema_version":"authorship/3.0.0"}'
    tips = [w.commit({"h": f"{i}\n"}) for i in range(5)]
    texts = [f"a\n---\n{deep}", f"{wide}\n---\n" + note().split("---\n")[1], f"a\n---\n{about}", "../../etc/passwd\n  h_31dce776f88375 1\n" + note(), "x"]
    for tip, text in zip(tips, texts):
        w.run("notes", "--ref", "ai-3", "add", "-F", "-", tip, input=text)
    w.push("+refs/notes/ai-3:refs/notes/ai", ok=True)
    got = {r["key"][len("commit:") :]: r for r in brought(g)[1]}
    said = [got[tip].get("unreadable", "") for tip in tips]
    assert "nested too deep" in said[0] and said[1] == "" and "duplicate" in said[2] and said[3] == "" and said[4] == "no line ---"
    assert len(got[tips[1]]["files"][0]["ranges"]) == 30000
    assert got[tips[3]]["cut"] is True and [f["path"] for f in got[tips[3]]["files"]] == ["src/main.c"]


def test_limits_of_the_configuration(make_gate):
    g = make_gate(config={"limits": {"provenance-documents": 1, "provenance-document": "100KiB"}})
    g.bot = g.token("bot", "agents")
    w = g.clone(g.bot)
    for i in range(2):
        w.run("notes", "--ref", "ai", "add", "-m", note(), w.commit({"a": f"{i}\n"}))
    w.push("refs/notes/ai", ok=True)
    id, records = brought(g)
    assert len(records) == 1 and g.api("GET", f"/pushes/{id}", g.bot).json["provenance"]["limit"] == "provenance-documents"
    replayed(g, id)
    w.run("notes", "--ref", "ai", "add", "-F", "-", w.commit({"a": "2\n"}), input=note().replace("---", "# comment\n" * 20000 + "---"))
    w.push("refs/notes/ai", ok=True)
    id, records = brought(g)
    assert records[0]["cut"] is True and g.api("GET", f"/pushes/{id}", g.bot).json["provenance"]["limit"] == "provenance-document"
