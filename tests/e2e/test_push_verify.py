"""gitgate pushes verify: entries in the log, and recordings that are theirs."""

import sqlite3

import pytest

from gate import PROTECT_MAIN, hold_id, until, vkey


@pytest.fixture
def g(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    g.bot, g.ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(g.bot)
    work.commit({"a": "1\n"})
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert g.review(held, g.ann).status == 200
    g.wait_hold(held, g.ann, "forwarded")
    g.id = g.api("GET", "/pushes", g.bot).json["pushes"][0]["id"]
    until("all is in the tiles", lambda: verify(g).returncode == 0)
    return g


def verify(g, *args):
    return g.cli("pushes", "verify", g.id, *args, check=False)


def flipped(path, at=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_each_entry_and_recording(g, tmp_path):
    lines = verify(g).stdout.splitlines()
    assert lines[0].startswith("log ") and "signed with key" in lines[0]
    kinds = [x.split()[2].rstrip(":") for x in lines if x.startswith("entry ") and x.endswith(": in the log")]
    assert kinds == ["push.received", "ref.update", "hold.opened", "hold.review", "forward.intended", "forward.result", "hold.closed"]
    assert any("refs/heads/main: in the log" in x for x in lines)
    assert "  its files are what was logged" in lines
    assert [x.split()[0] for x in lines if x.endswith(" of the recording") or ": what was logged" in x] == ["pack_sha256", "report"]
    # with the key from elsewhere, as text and as a file
    file = tmp_path / "key"
    file.write_text(vkey(g) + "\n")
    for key in (vkey(g), file):
        assert verify(g, "--key", key).returncode == 0
    other = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    p = verify(g, "--key", other)
    assert p.returncode == 1 and "checkpoint" in p.stderr


@pytest.mark.parametrize("name", ["pack", "report"])
def test_another_recording(g, name):
    path = g.state / "pushes" / g.id / name
    flipped(path, 20)
    p = verify(g)
    assert p.returncode == 1 and "of the recording" in p.stdout and "NOT what was logged" in p.stdout
    path.unlink()
    p = verify(g)
    assert p.returncode == 0 and f"{name}: not recorded, or removed" in p.stdout


def test_another_policy(g):
    (rules,) = (g.state / "policies").glob("*/*.yaml")
    rules.write_text(rules.read_text().replace("maintainers", "agents"))
    assert verify(g).returncode == 1


def test_another_log(g):
    g.stop()
    bundle = max((g.state / "log/tile/entries/000.p").iterdir(), key=lambda p: int(p.name))
    data = bundle.read_bytes()
    at = data.index(b'"hold.review"')
    bundle.write_bytes(data[:at] + b'"hold.rewiev"' + data[at + 13 :])
    p = verify(g)
    assert p.returncode == 1 and "do not lead to the signed root" in p.stdout and "fault: " in p.stdout


def test_a_database_that_leaves_the_verdict_out(g):
    g.stop()
    db = sqlite3.connect(g.state / "gitgate.db")
    with db:
        db.execute("DELETE FROM audit_index WHERE type = 'ref.update'")
    db.close()
    p = verify(g)
    assert p.returncode == 1 and "no ref update" in p.stdout
