"""Witnesses of the audit log: who sign it, and who find out that it was cut."""

import json
import shutil
import time

import pytest

import tlog_verify
from gate import GateError, http, until, vkey
from witness import Witness, check_cosignature, ed25519_sign

QUICK = {"witness-pause": "50ms"}


def test_cosignature_of_the_reference():
    """Vector (h): litewitness's test key over a checkpoint of Tessera's."""
    seed = bytes.fromhex("31ffc2116ecbe003acaa800ab70757bd7d53206e3febef6a6d0796d95530b34f")
    w = Witness(seed=seed)
    try:
        assert w.vkey == "example.com/witness+10a1c019+BGSEitir7W6FmBs7OHWyUrh2frtLAvcDrKOx5xu9ao5Q"
        text = b"example.com/log/testdata\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n"
        line = (
            "\u2014 example.com/witness EKHAGQAAAABkGFDLrmZkA5eToo2vmcDP2Ldak/TokWThPiNuLJ2jnFO/"
            "8W1ZfxbsZvcbRzBsCr+R02eWKRUrD5t/rAnG5n2up6daBw==\n"
        )
        assert w.cosign(text, 1679315147).decode() == line
        assert check_cosignature(text.decode() + "\n" + line, w.vkey) == 1679315147
    finally:
        w.close()
    public, sig = ed25519_sign(seed, b"x")
    assert tlog_verify.ed25519_verify(public, b"x", sig)


@pytest.fixture
def witnesses():
    """Two, who do not know the log yet."""
    both = [Witness(name=f"example.com/w{i}", seed=bytes([i]) * 32) for i in range(2)]
    yield both
    for w in both:
        w.close()


def begin(make_gate, witnesses, **more):
    """A gate with these witnesses; it listens, and may not be ready yet."""
    listed = {"list": [{"key": w.vkey, "url": w.url} for w in witnesses], **more}
    g = make_gate(config={"witnesses": listed, "limits": QUICK}, start=False)
    again(g)
    return g


def again(g):
    g.start(wait=False)
    until("gitgate listens", lambda: g.process.poll() is None and readyz(g) is not None, log=g.log)


def readyz(g):
    try:
        return http("GET", g.url + "/readyz").status
    except OSError:
        return None


def ready(g):
    until("it is ready", lambda: readyz(g) == 200, log=g.log)


def unready(g):
    until("it is not ready", lambda: readyz(g) == 503, log=g.log)


def introduce(g, witnesses):
    key = vkey(g)
    for w in witnesses:
        w.logs[key.split("+")[0]] = key


def published(g, name="cosigned"):
    a = http("GET", f"{g.url}/-/log/{name}")
    return a.text if a.status == 200 else None


def refused(work, ref):
    """What git says of a push that the gate does not even begin with."""
    p = work.run("push", "origin", "HEAD:" + ref, check=False)
    assert p.returncode != 0
    return p.stderr


def size_of(note):
    return int(note.split("\n")[1]) if note else -1


def all_signed(g):
    """The newest checkpoint has every line, and so has what was kept."""
    note = published(g, "checkpoint")
    return note.count("\u2014 example.com/w") == 2 and published(g) == note and note


def test_checkpoints_are_cosigned(make_gate, witnesses, tmp_path):
    g = begin(make_gate, witnesses)
    introduce(g, witnesses)
    bot = g.token("bot", "agents")
    note = until("all is signed", lambda: all_signed(g))
    now = time.time()
    for w in witnesses:
        assert abs(check_cosignature(note, w.vkey) - now) < 3600
    tlog_verify.open_checkpoint(note.encode(), vkey(g))
    # the log goes on; the proof from the last size is taken without a question
    before = [len(w.requests) for w in witnesses]
    work = g.clone(bot)
    work.commit({"a": "a"}, "one")
    work.push("HEAD:refs/heads/one", ok=True)
    grown = until("the grown log is signed", lambda: (n := all_signed(g)) and size_of(n) > size_of(note) and n)
    for w, seen in zip(witnesses, before):
        assert {status for _, status in w.requests[seen:]} == {200}
        assert w.seen[grown.split("\n")[0]][0] == size_of(grown)
    # receipts carry what witnesses signed
    audrey = g.token("audrey", "auditors")
    receipt = g.api("GET", "/audit/0/receipt", audrey).text
    assert check_cosignature(receipt.partition("\n\n")[2], witnesses[0].vkey)
    tlog_verify.verify_receipt(receipt.encode(), vkey(g))
    file = tmp_path / "receipt"
    file.write_text(receipt)
    both = [x for w in witnesses for x in ("--witness", w.vkey)]
    p = g.cli("audit", "verify", "--key", vkey(g), *both, "--receipt", file)
    assert p.stdout.startswith("verified: entry 0 of the log ") and p.stdout.count("cosigned: ") == 2
    said = json.loads(g.cli("audit", "verify", "--key", vkey(g), *both, "--json", "--receipt", file).stdout)
    assert said["index"] == 0 and len(said["cosigned"]["by"]) == 2 and json.loads(said["entry"])["seq"] == 0
    file.write_text("".join(line for line in receipt.splitlines(keepends=True) if " example.com/w1 " not in line))
    p = g.cli("audit", "verify", "--key", vkey(g), *both, "--json", "--receipt", file, check=False)
    assert p.returncode == 1 and "not by example.com/w1" in p.stderr and json.loads(p.stdout)["verified"] is False
    metrics = http("GET", g.url + "/metrics").text
    assert "gitgate_witnesses_forked 0" in metrics and "gitgate_witness_age_seconds" in metrics


def test_no_push_without_a_quorum(make_gate, witnesses):
    """They do not know the log: nobody pushes until enough of them do."""
    g = begin(make_gate, witnesses, quorum=1, require=True)
    bot = g.token("bot", "agents")
    until("it was asked", lambda: 404 in [s for _, s in witnesses[0].requests])
    assert http("GET", g.url + "/readyz").status == 503
    work = g.clone(bot)
    work.commit({"a": "a"}, "one")
    assert "witnesses have not confirmed" in refused(work, "refs/heads/one")
    introduce(g, witnesses[:1])
    ready(g)
    work.push("HEAD:refs/heads/one", ok=True)
    # it says nothing any more: after witness-wait pushes are refused
    witnesses[0].broken = (500, b"")
    g.config["limits"] = {**QUICK, "witness-wait": "100ms"}
    assert g.reload()
    unready(g)
    assert "witness-wait" in refused(work, "refs/heads/two")
    witnesses[0].broken = None
    ready(g)
    g.config["limits"] = QUICK
    assert g.reload()
    work.push("HEAD:refs/heads/two", ok=True)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b""),
        (200, b"nonsense"),
        (200, "\u2014 example.com/w0 AAAAAAAA\n".encode()),
        (200, b"\n\n"),
        (409, b""),
        (409, b"x"),
        (302, b""),
        (200, b"x" * 100000),
        (200, "old"),
        (200, "far"),
    ],
)
def test_a_hostile_witness(make_gate, witnesses, answer):
    """Whatever one says, the other's signature counts, and only that."""
    bad, good = witnesses
    if answer[1] == "old":  # a good signature, of another checkpoint
        answer = (200, bad.cosign(b"gate.example.com\n1\n" + b"A" * 43 + b"=\n"))
    elif answer[1] == "far":  # of this checkpoint, in another time
        bad.answer_real = bad.answer
        bad.answer = lambda path, body: (200, bad.cosign(body.partition(b"\n\n")[2].rpartition(b"\n\n")[0] + b"\n", 5), "text/plain")
    if answer[1] != "far":
        bad.broken = answer
    g = begin(make_gate, witnesses, quorum=1, require=True)
    introduce(g, witnesses)
    note = until("one signed", lambda: (n := published(g)) and bad.requests and n)
    assert "\u2014 example.com/w1 " in note and "example.com/w0" not in note
    ready(g)
    g.said("witness_failed")


def test_an_older_copy_is_caught(make_gate, witnesses, tmp_path):
    """Log and database are put back to an older state together, so that the
    gate alone cannot see it; then it goes on. The witnesses remember."""
    g = begin(make_gate, witnesses, quorum=2, require=True)
    introduce(g, witnesses)
    until("all is signed", lambda: all_signed(g))
    ready(g)
    bot = g.token("bot", "agents")
    work = g.clone(bot)
    work.commit({"a": "a"}, "one")
    work.push("HEAD:refs/heads/one", ok=True)
    g.stop()
    copy = tmp_path / "copy"
    shutil.copytree(g.state, copy, symlinks=True)
    g.start()
    ready(g)
    work.run("remote", "set-url", "origin", g.remote(bot))
    for i in range(2):
        work.push(f"HEAD:refs/heads/gone{i}", ok=True)
    until("all is signed", lambda: all_signed(g))
    g.stop()
    shutil.rmtree(g.state)
    shutil.copytree(copy, g.state, symlinks=True)
    again(g)
    until("both know better", lambda: "gitgate_witnesses_forked 2" in http("GET", g.url + "/metrics").text)
    g.said("witness_forked")
    assert http("GET", g.url + "/readyz").status == 503
    work.run("remote", "set-url", "origin", g.remote(bot))
    assert "another history" in refused(work, "refs/heads/two")
    # the log grows past what they signed: it is another history all the same
    audrey = g.token("audrey", "auditors")
    for i in range(12):
        g.token(f"filler{i}", "agents")
    until("it is longer", lambda: len(g.audit(audrey)) > witnesses[0].seen[published(g, "checkpoint").split("\n")[0]][0])
    until("the proof is refused", lambda: any(s == 422 for _, s in witnesses[0].requests))
    assert "witness.forked" in {e["type"] for e in g.audit(audrey)}
    assert http("GET", g.url + "/readyz").status == 503
    assert "gitgate_witnesses_forked 2" in http("GET", g.url + "/metrics").text


def test_another_root_for_the_same_size(make_gate, witnesses):
    """C2SP has no status of its own for it: 409 with the size that was sent."""
    g = begin(make_gate, witnesses, quorum=2, require=True)
    until("they were asked", lambda: all(w.requests for w in witnesses), log=g.log)
    note = until("there is an entry", lambda: (n := published(g, "checkpoint")) and size_of(n) > 0 and n, log=g.log)
    for w in witnesses:
        w.seen[note.split("\n")[0]] = (size_of(note), b"x" * 32)
    introduce(g, witnesses)
    until("both know better", lambda: "gitgate_witnesses_forked 2" in http("GET", g.url + "/metrics").text, log=g.log)
    # what the first one knows is an entry, with which the second may see the log
    g.said("with another root")
    assert readyz(g) == 503


def test_a_cut_log_is_found_at_the_start(make_gate, witnesses, tmp_path):
    """The log's files alone are older than what they themselves say was signed."""
    g = begin(make_gate, witnesses)
    introduce(g, witnesses)
    until("all is signed", lambda: all_signed(g))
    g.stop()
    copy = tmp_path / "copy"
    shutil.copytree(g.state / "log", copy)
    g.start()
    had = size_of((copy / "checkpoint").read_text())
    until("more was signed", lambda: size_of(published(g)) > had)
    g.stop()
    signed = (g.state / "log" / "cosigned").read_bytes()
    shutil.rmtree(g.state / "log")
    shutil.copytree(copy, g.state / "log")
    (g.state / "log" / "cosigned").write_bytes(signed)
    with pytest.raises(GateError):
        g.start()
    assert "witnesses signed" in g.log(), g.log()


def test_another_key(make_gate, witnesses):
    """New and old key sign for a while; then the old one is gone."""
    g = begin(make_gate, witnesses)
    introduce(g, witnesses)
    audrey = g.token("audrey", "auditors")
    until("all is signed", lambda: all_signed(g))
    log, old = str(g.state / "log"), vkey(g)
    assert g.cli("audit", "rotate-key", "--retire", check=False).returncode == 1
    new = g.cli("audit", "rotate-key").stdout.strip()
    assert g.cli("audit", "rotate-key", check=False).returncode == 1
    early = g.cli("audit", "rotate-key", "--retire", check=False)
    assert early.returncode == 1 and "restart the gate" in early.stderr
    g.stop()
    g.start()
    assert new != old and vkey(g) == new
    said = until("it was said", lambda: [e for e in g.audit(audrey, type="key.rotate")])
    assert [e["key"] for e in said] == [new]
    first = until("all is signed", lambda: (n := all_signed(g)) and size_of(n) > said[0]["seq"] and n)
    assert tlog_verify.open_checkpoint(first.encode(), old) == tlog_verify.open_checkpoint(first.encode(), new)
    assert 0 < tlog_verify.verify(log, old)[0] <= tlog_verify.verify(log, new)[0]  # it may grow meanwhile
    g.stop()
    introduce(g, witnesses)
    g.cli("audit", "rotate-key", "--retire")
    g.start()
    until("it was said", lambda: len(g.audit(audrey, type="key.rotate")) == 2)
    gone = g.audit(audrey, type="key.rotate")[-1]
    assert (gone["key"], gone["retired"]) == (new, old.split("+")[1])
    n = until("it is signed", lambda: (n := all_signed(g)) and size_of(n) > gone["seq"] and n)
    tlog_verify.open_checkpoint(n.encode(), new)
    with pytest.raises(tlog_verify.LogError):
        tlog_verify.open_checkpoint(n.encode(), old)
    receipt = g.api("GET", "/audit/0/receipt", audrey).text
    tlog_verify.verify_receipt(receipt.encode(), new)
    # started once more there is nothing more to say
    g.stop()
    g.start()
    assert len(g.audit(audrey, type="key.rotate")) == 2
