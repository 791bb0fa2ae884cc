"""Delivery of the audit log: whatever fails or dies, every entry arrives, in
its order; only what arrived already may come again."""

import base64
import hashlib
import hmac
import json
import os
import re
import resource
import signal
import stat

import pytest
import yaml
from crash import CRASH_BUILD, needs_crash_build
from gate import BIN, PROTECT_MAIN, ROOT, hold_id, http, until
from sinks import Journal, Journald, Receiver, assert_complete, join_parts, parse_syslog, seqs
from websession import Browserless

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture
def sink():
    s = Receiver()
    yield s
    s.close()


@pytest.fixture
def out(tmp_path):
    d = tmp_path / "out"
    d.mkdir()
    return d


def begin(make_gate, *targets, bin=BIN, env=None, **config):
    g = make_gate(rules=[PROTECT_MAIN], config={"audit-delivery": list(targets), **config}, bin=bin, env=env)
    g.aud = g.token("aud", "auditors")
    until("that is logged", lambda: g.audit(g.aud, type="admin.token.create"), log=g.log)
    return g


def delivery(g, name):
    """What is known of it; before the gate has looked: nothing."""
    p = g.cli("audit", "delivery", "show", name, "--json", check=False)
    return json.loads(p.stdout) if p.returncode == 0 else {"state": "unknown", "behind": -1, "cursor": -1, "error": ""}


def logged(g, type, n):
    until(f"{n} {type}", lambda: len(g.audit(g.aud, type=type)) >= n, log=g.log)


def acts(g, n):
    """n entries more: tokens are made."""
    for i in range(n):
        g.token(f"bot{i}")


def log_size(g):
    return max(e["seq"] for e in g.audit(g.aud)) + 1


def settled(g, name, least=0):
    """All that is in the log arrived there: the number of entries. The acts
    of the command line come after a moment."""

    def done():
        d = delivery(g, name)
        return d["behind"] == 0 and d["cursor"] >= least and d["cursor"] == log_size(g) and d["cursor"]

    return until("all is delivered", done, 60, g.log)


def of_file(path):
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(x) for x in text.splitlines()]


# -- a file --


def test_a_file_has_the_whole_log_and_goes_on(make_gate, out):
    file = out / "audit.jsonl"
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    n = settled(g, "disk")
    assert of_file(file) == g.audit(g.aud)
    acts(g, 3)
    assert settled(g, "disk", n + 3) >= n + 3
    assert of_file(file) == g.audit(g.aud)
    assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0
    g.stop()
    g.start()
    settled(g, "disk", n + 4)
    # what a stop cuts off may come again
    assert_complete(seqs(of_file(file)))


def test_a_file_that_is_rotated_away_begins_anew(make_gate, out):
    """logrotate: renamed, or copied and emptied; nobody tells the gate."""
    file, old = out / "audit.csv", out / "audit.csv.1"
    g = begin(make_gate, {"name": "disk", "file": str(file), "format": "csv"})
    n = settled(g, "disk")
    file.rename(old)
    acts(g, 2)
    settled(g, "disk", n + 2)
    os.truncate(file, 0)
    acts(g, 1)
    m = settled(g, "disk", n + 3)
    first, rest = (x.read_text().splitlines() for x in (old, file))
    assert first[0].startswith("seq,time,type,") and rest[0] == first[0]
    assert [int(x.split(",")[0]) for x in first[1:]] == list(range(n))
    assert [int(x.split(",")[0]) for x in rest[1:]] == [m - 1]


def test_a_full_disk_leaves_no_torn_record(make_gate, out):
    file = out / "audit.jsonl"
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    n = settled(g, "disk")
    (pid,) = g.pids("messenger")
    size = file.stat().st_size
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 100, hard))
    acts(g, 2)
    until("it fails", lambda: delivery(g, "disk")["state"] == "retrying", log=g.log)
    assert file.stat().st_size == size
    assert "File too large" in delivery(g, "disk")["error"]
    g.said("event=delivery_failed")
    metrics = http("GET", f"{g.url}/metrics").text
    assert 'gitgate_delivery_lag_entries{target="disk"} 0' not in metrics
    assert 'gitgate_delivery_failures_total{target="disk"} 0' not in metrics
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    g.cli("audit", "delivery", "retry", "disk")
    settled(g, "disk", n + 2)
    assert of_file(file) == g.audit(g.aud)
    until("it is said", lambda: "event=delivery_resumed" in g.log(), log=g.log)  # after the cursor
    d = delivery(g, "disk")
    assert (d["state"], d["error"], d["attempts"], d["failing_since"]) == ("delivering", "", 0, None)


def test_a_line_that_a_crash_cut_off_is_taken_back(make_gate, out):
    file = out / "audit.jsonl"
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    n = settled(g, "disk")
    with open(file, "a") as f:
        f.write('{"seq":99,"ty')
    acts(g, 1)
    settled(g, "disk", n + 1)
    assert of_file(file) == g.audit(g.aud)


def test_what_is_no_file_of_ours_is_left_alone(make_gate, out):
    file, other = out / "audit.jsonl", out / "other"
    other.write_text("mine\n")
    file.symlink_to(other)
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    until("it is refused", lambda: delivery(g, "disk")["state"] == "refused", log=g.log)
    assert "is a symbolic link" in delivery(g, "disk")["error"] and other.read_text() == "mine\n"
    file.unlink()
    os.mkfifo(file)
    g.cli("audit", "delivery", "retry", "disk")
    until("that, too", lambda: "is not a file" in delivery(g, "disk")["error"], log=g.log)
    file.unlink()
    file.write_text("x" * (3 << 20))
    g.cli("audit", "delivery", "retry", "disk")
    until("and that", lambda: "too long to be ours" in delivery(g, "disk")["error"], log=g.log)
    # nobody's words are cut off because no line end follows them
    file.write_text("a line\nmine, too")
    g.cli("audit", "delivery", "retry", "disk")
    until("and words", lambda: "that is not ours" in delivery(g, "disk")["error"], log=g.log)
    assert file.read_text() == "a line\nmine, too"
    file.unlink()
    g.cli("audit", "delivery", "retry", "disk")
    settled(g, "disk")
    assert of_file(file) == g.audit(g.aud)


def test_a_directory_that_is_made_later(make_gate, out):
    file = out / "later" / "audit.jsonl"
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    until("it fails", lambda: "No such file" in delivery(g, "disk")["error"], log=g.log)
    file.parent.mkdir()
    # the messenger's walls are built anew for it
    until("it is tried again", lambda: g.cli("audit", "delivery", "retry", "disk") and file.exists(), log=g.log)
    settled(g, "disk")
    assert_complete(seqs(of_file(file)))


def test_what_was_erased_is_not_delivered(make_gate, out):
    file = out / "audit.jsonl"
    g = begin(make_gate, {"name": "disk", "file": str(file)})
    bot, ann = g.token("bot", "agents"), g.token("ann", "maintainers")
    work = g.clone(bot)
    work.commit({"a": "1\n"})
    held = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    assert g.review(held, ann, comment="marker-comment").status == 200
    g.wait_hold(held, ann, "forwarded")
    settled(g, "disk")
    assert "marker-comment" in file.read_text(), "entries go out opened"
    g.cli("audit", "erase", "--principal", "ann", "--reason", "asked for")
    until("downstream is told", lambda: any(e["type"] == "redaction" for e in of_file(file)), log=g.log)
    os.truncate(file, 0)
    g.cli("audit", "delivery", "set-cursor", "disk", 0)
    until("all comes again", lambda: any(e["type"] == "redaction" for e in of_file(file)), log=g.log)
    settled(g, "disk")
    assert "marker-comment" not in file.read_text()
    (review,) = [e for e in of_file(file) if e["type"] == "hold.review"]
    assert review["comment"] == "[erased]" and "comment" in review["erased"]


def test_types_and_where_it_begins(make_gate, out):
    tokens, new = out / "tokens", out / "new"
    g = begin(make_gate)
    acts(g, 1)
    logged(g, "admin.token.create", 2)
    n = log_size(g)
    g.config["audit-delivery"] = [
        {"name": "tokens", "file": str(tokens), "types": ["admin.*", "!admin.user.*"]},
        {"name": "new", "file": str(new), "from": "now"},
    ]
    assert g.reload()
    until("it has begun", lambda: len(json.loads(g.cli("audit", "delivery", "list", "--json").stdout)["deliveries"]) == 2, log=g.log)
    acts(g, 1)
    logged(g, "admin.token.create", 3)
    settled(g, "tokens", n + 1)
    settled(g, "new", n + 1)
    assert [e["type"] for e in of_file(tokens)] == ["admin.token.create"] * 3
    assert min(seqs(of_file(new))) >= n
    assert_complete(seqs(of_file(new)), min(seqs(of_file(new))))


# -- a webhook --


def signed(headers, body):
    h = {k.lower(): v for k, v in headers.items()}
    text = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(base64.b64decode(KEY), text, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in h["webhook-signature"].split()


def secret(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def test_a_webhook_that_fails_in_every_way_gets_everything(make_gate, tmp_path, sink):
    """500, a cut connection, "come again later": the same batch comes with
    the same id, and nothing overtakes it."""
    sink.answers = [500, "cut", (429, {"Retry-After": "4"})]
    g = begin(
        make_gate,
        {
            "name": "siem",
            "webhook": sink.url,
            "secret-file": secret(tmp_path / "secret", f"whsec_{KEY}"),
            "header-file": secret(tmp_path / "header", "Authorization: Splunk 1234\nX-Source: gate"),
        },
    )
    settled(g, "siem")
    assert sink.entries() == g.audit(g.aud)
    failed = [p for p in sink.posts if p.status != 204]
    assert [p.status for p in failed] == [500, "cut", 429]
    later = sink.posts.index(failed[-1])
    assert sink.posts[later + 1].time - failed[-1].time >= 4
    first = next(p for p in sink.posts if p.status == 204)
    for _, headers, body, status, _ in sink.posts:
        assert signed(headers, body) and headers["Content-Type"] == "application/x-ndjson"
        assert headers["Authorization"] == "Splunk 1234" and headers["X-Source"] == "gate"
        if status != 204:
            assert (headers["webhook-id"], body) == (first.headers["webhook-id"], first.body)
    ids = [p.headers["webhook-id"] for p in sink.posts if p.status == 204]
    assert len(set(ids)) == len(ids)
    for p in sink.posts:
        inside = seqs(json.loads(x) for x in p.body.splitlines())
        assert p.headers["webhook-id"].startswith(f"audit-{inside[0]}-{inside[-1]}-")
    assert "Splunk 1234" not in g.log() and KEY not in g.log()


def test_a_refusal_for_good_is_loud_and_waits_for_somebody(make_gate, sink):
    sink.answers = [400] * 9
    g = begin(make_gate, {"name": "siem", "webhook": sink.url})
    until("it is refused", lambda: delivery(g, "siem")["state"] == "refused", log=g.log)
    d = delivery(g, "siem")
    assert d["cursor"] == 0 and "answered 400" in d["error"] and d["behind"] > 0
    g.said("event=delivery_refused", 'target="siem"')
    assert 'gitgate_delivery_refused{target="siem"} 1' in http("GET", f"{g.url}/metrics").text
    doctor = json.loads(g.cli("doctor", "--json", check=False).stdout)
    (said,) = [f for f in doctor if "siem" in f["what"]]
    assert said["health"] == "error" and "answered 400" in said["what"]
    for who, group in (("ada", "auditors"), ("ben", "maintainers")):
        g.user(who, "correct horse battery", group)
        page = Browserless(g, who, "correct horse battery").get("/-/audit").text
        assert ("<h2>Delivery</h2>" in page and "it answered 400" in page) == (who == "ada")
    listed = g.api("GET", "/audit/delivery", g.aud)
    assert listed.status == 200 and listed.json["deliveries"][0]["state"] == "refused"
    assert g.api("GET", "/audit/delivery", g.token("bot")).status == 403
    # what it does not take is left out, which the log says
    sink.answers = []
    logged(g, "admin.token.create", 2)
    n = log_size(g)
    assert g.cli("audit", "delivery", "set-cursor", "siem", n + 99, check=False).returncode == 1
    assert "cursor is 0 to" in g.cli("audit", "delivery", "set-cursor", "siem", n + 99, check=False).stderr
    g.cli("audit", "delivery", "set-cursor", "siem", "1")
    settled(g, "siem", n)
    assert_complete(seqs(sink.entries()), 1)
    logged(g, "admin.delivery.cursor", 1)
    (act,) = g.audit(g.aud, type="admin.delivery.cursor")
    assert (act["delivery"], act["from"], act["to"]) == ("siem", 0, 1)
    # and back: again, which a receiver knows by the number
    g.cli("audit", "delivery", "set-cursor", "siem", "0")
    until("all comes again", lambda: seqs(sink.entries()).count(1) == 2, log=g.log)
    settled(g, "siem")
    assert set(seqs(sink.entries())) >= set(range(n))


def test_a_batch_that_is_too_large_is_halved(make_gate, sink):
    g = begin(make_gate, limits={"delivery-batch-entries": "16"})
    acts(g, 12)
    until("the acts are logged", lambda: log_size(g) >= 13, log=g.log)
    sink.answers = [413, 413]
    g.config["audit-delivery"] = [{"name": "siem", "webhook": sink.url}]
    assert g.reload()
    until("it has begun", lambda: sink.entries(), log=g.log)
    settled(g, "siem", 13)
    assert_complete(seqs(sink.entries()))
    sizes = [len(p.body.splitlines()) for p in sink.posts]
    assert sizes[0] > sizes[1] > sizes[2] and max(sizes) <= 16
    assert max(sizes[2:]) <= sizes[1] // 2


def test_limits_of_a_batch(make_gate, sink):
    """At most so many entries; or so many bytes, but always one."""
    g = begin(make_gate, {"name": "siem", "webhook": sink.url}, limits={"delivery-batch-entries": "2"})
    acts(g, 5)
    settled(g, "siem", 6)
    assert max(len(p.body.splitlines()) for p in sink.posts) == 2
    g.config["limits"] = {"delivery-batch-bytes": "100"}
    assert g.reload()
    del sink.posts[:]
    g.cli("audit", "delivery", "set-cursor", "siem", "0")
    until("all comes again", lambda: {0, 5} <= set(seqs(sink.entries())), log=g.log)
    assert {len(p.body.splitlines()) for p in sink.posts[1:]} == {1}


def test_who_does_not_answer_holds_up_nobody(make_gate, out, sink):
    sink.answers = ["wait"]
    file = out / "audit.jsonl"
    g = begin(
        make_gate,
        {"name": "slow", "webhook": sink.url},
        {"name": "disk", "file": str(file)},
        limits={"delivery-timeout": "2s"},
    )
    until("it hangs", lambda: sink.posts, log=g.log)
    bot = g.token("ci/agent", "agents")
    work = g.clone(bot)
    work.commit({"a": "1\n"})
    work.push("HEAD:refs/heads/feature", ok=True)
    until("the push is delivered", lambda: any(e["type"] == "forward.result" for e in of_file(file)), log=g.log)
    until("it is late", lambda: "limit delivery-timeout" in g.log(), log=g.log)
    sink.release.set()
    g.cli("audit", "delivery", "retry", "slow")
    settled(g, "slow", 5)
    assert_complete(seqs(sink.entries()))


@pytest.mark.parametrize("role", ["gate", "messenger", "supervisor"])
def test_killed_at_any_moment_nothing_is_left_out(make_gate, out, sink, role):
    file, sock = out / "audit.jsonl", out / "journal"
    journal = Journal(sock)
    sink.answers = [500, 204, "cut", 204]
    g = begin(
        make_gate,
        {"name": "siem", "webhook": sink.url},
        {"name": "disk", "file": str(file)},
        {"name": "journal", "journald": str(sock)},
        limits={"delivery-batch-entries": "3"},
    )
    for i in range(3):
        acts(g, 3)
        if role == "supervisor":
            g.kill()
            g.start()
        else:
            for pid in g.pids(role):
                os.kill(pid, signal.SIGKILL)
            g.wait_ready()
    for name in ("siem", "disk", "journal"):
        g.cli("audit", "delivery", "retry", name)
    n = settled(g, "siem", 10)
    settled(g, "disk", n)
    settled(g, "journal", n)
    assert_complete(seqs(sink.entries((204, 500, "cut"))), 0, None)
    assert set(seqs(sink.entries())) >= set(range(n))
    assert_complete(seqs(of_file(file)))
    assert_complete([int(f["GITGATE_SEQ"]) for f in journal.got])
    by_seq = {e["seq"]: e for e in g.audit(g.aud)}
    assert all(by_seq[e["seq"]] == e for e in of_file(file) + sink.entries())
    journal.close()


# -- the journal and local syslog --


def test_the_journals_fields(make_gate, out):
    sock = out / "journal"
    journal = Journal(sock)
    g = begin(make_gate, {"name": "journal", "journald": str(sock)})
    bot = g.token("ci/agent", "agents")
    work = g.clone(bot)
    work.commit({"a": "1\n"})
    # so many refs make an entry that is too large for a datagram
    work.push("HEAD:refs/heads/feature", ok=True)
    settled(g, "journal")
    entries = g.audit(g.aud)
    until("all is read", lambda: len(journal.got) >= len(entries), log=g.log)
    for f in journal.got:
        e = json.loads(f["MESSAGE"])
        assert e == entries[int(f["GITGATE_SEQ"])]
        assert f["GITGATE_TYPE"] == e["type"] and f["GITGATE_TIME"] == e["time"]
        for key in ("repository", "ref", "principal", "push", "hold"):
            assert f.get("GITGATE_" + key.upper(), "") == e.get(key, "")
        assert f["PRIORITY"] in "45" and f["SYSLOG_IDENTIFIER"] == "gitgate" and f["SYSLOG_FACILITY"] == "13"
    journal.close()


@pytest.mark.skipif(not Journald.EXECUTABLE.exists(), reason="systemd is not installed")
def test_systemds_journald_has_every_entry(make_gate):
    journal = Journald().start()
    try:
        g = begin(make_gate, {"name": "journal", "journald": str(journal.socket)})
        n = settled(g, "journal")
        until("the journal has them", lambda: len(journal.got()) >= n, log=g.log)
        journal.kill()
        acts(g, 2)
        until("it fails", lambda: delivery(g, "journal")["state"] == "retrying", log=g.log)
        journal.start()
        g.cli("audit", "delivery", "retry", "journal")
        n = settled(g, "journal", n + 2)
        until("the journal has these, too", lambda: {int(f["GITGATE_SEQ"]) for f in journal.got()} >= set(range(n)), log=g.log)
        got, want = journal.got(), g.audit(g.aud)
        assert_complete([int(f["GITGATE_SEQ"]) for f in got])
        assert all(json.loads(f["MESSAGE"]) == want[int(f["GITGATE_SEQ"])] for f in got)
        assert got[0]["GITGATE_TYPE"] == want[0]["type"] and got[0]["_TRANSPORT"] == "journal"
    finally:
        journal.close()


def test_a_local_syslog_in_several_parts(make_gate, out):
    import socket
    import threading

    sock, got = out / "log", []
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(str(sock))
    s.settimeout(60)

    def listen():
        while (m := s.recv(65536)) != b"end":
            got.append(m)

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        g = begin(make_gate, {"name": "local", "syslog": f"unix:{sock}", "max-message": 480})
        bot = g.token("ci/agent", "agents")
        work = g.clone(bot)
        work.commit({"a": "1\n"})
        work.push("HEAD:refs/heads/feature", ok=True)
        settled(g, "local")
        want = g.audit(g.aud)
        until("all is read", lambda: join_parts(got)[-1:] == want[-1:], log=g.log)
    finally:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.connect(str(sock))
            end.send(b"end")
        reader.join()
        s.close()
    assert join_parts(got) == want and max(map(len, got)) <= 480
    assert any("part" in parse_syslog(m)[2] for m in got)
    pri, fields, params, _ = parse_syslog(got[0])
    assert pri == 13 * 8 + 5 and fields["msgid"] == want[0]["type"] and fields["time"] == want[0]["time"]


# -- configuration --


def test_targets_come_and_go_with_the_configuration(make_gate, out):
    a, b = out / "a", out / "b"
    g = begin(make_gate, {"name": "a", "file": str(a)})
    n = settled(g, "a")
    g.config["audit-delivery"] = [{"name": "b", "file": str(b)}]
    assert g.reload()
    acts(g, 2)
    m = settled(g, "b", n + 2)
    assert seqs(of_file(a)) == list(range(n)) and seqs(of_file(b)) == list(range(m))
    assert delivery(g, "a")["state"] == "not configured" and delivery(g, "a")["cursor"] == n
    # it goes on where it was
    g.config["audit-delivery"].append({"name": "a", "file": str(a)})
    assert g.reload()
    m = settled(g, "a", m)
    assert_complete(seqs(of_file(a)))
    no = g.cli("audit", "delivery", "forget", "a", check=False)
    assert no.returncode == 1 and "is configured" in no.stderr
    g.config["audit-delivery"] = []
    assert g.reload()
    g.cli("audit", "delivery", "forget", "a")
    assert g.cli("audit", "delivery", "show", "a", check=False).returncode == 1
    until("that is logged", lambda: g.audit(g.aud, type="admin.delivery.forget"), log=g.log)


@pytest.mark.parametrize(
    "target, line, said",
    [
        ({"name": "x"}, 2, "each has one of webhook, file, syslog and journald"),
        ({"name": "x", "file": "/a/b", "journald": True}, 2, "each has one of"),
        ({"name": "X", "file": "/a/b"}, 2, "name must be 1 to 60 of a-z"),
        ({"file": "/a/b"}, 2, "name must be 1 to 60"),
        ({"name": "x", "webhook": "http://siem.example.com/"}, 3, "must be an https:// URL"),
        ({"name": "x", "webhook": "https://u:p@siem.example.com/"}, 3, "must be an https:// URL"),
        ({"name": "x", "syslog": "tls://"}, 3, "syslog must be tls://HOST"),
        ({"name": "x", "syslog": "tls://a b"}, 3, "syslog must be tls://HOST"),
        ({"name": "x", "syslog": "tcp://a:0"}, 3, "syslog must be tls://HOST"),
        ({"name": "x", "syslog": "tcp://a:70000"}, 3, "syslog must be tls://HOST"),
        ({"name": "x", "syslog": "unix:relative"}, 3, "syslog must be tls://HOST"),
        ({"name": "x", "journald": False}, 3, "journald must be true or the absolute path"),
        ({"name": "x", "journald": "relative"}, 3, "journald must be true or the absolute path"),
        ({"name": "x", "file": "/a/b", "secret-file": "s"}, 2, "go with webhook"),
        ({"name": "x", "syslog": "udp://a", "ca-file": "s"}, 4, "ca-file goes with"),
        ({"name": "x", "file": "/a/b", "max-message": 1000}, 4, "max-message goes with syslog"),
        ({"name": "x", "syslog": "udp://a", "max-message": 100}, 4, "max-message"),
        ({"name": "x", "file": "/a/b", "format": "xml"}, 4, "format"),
        ({"name": "x", "file": "/a/b", "types": ["[", "b"]}, 5, "types"),
        ({"name": "x", "file": "/a/b", "from": "yesterday"}, 4, "from"),
        ({"name": "x", "file": "/a/b", "colour": "red"}, 4, "colour"),
        ({"name": "x", "file": "/"}, 2, "in a directory of its own"),
        ({"name": "x", "file": "/audit"}, 2, "in a directory of its own"),
        ({"name": "x", "file": "//etc//audit"}, 2, "in a directory of its own"),
        ({"name": "x", "file": "/var/log/gitgate/"}, 2, "in a directory of its own"),
        ({"name": "x", "file": "state/audit"}, 2, "must not get at"),
        ({"name": "x", "file": "audit"}, 2, "give it a directory of its own"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(make_gate, target, line, said):
    g = make_gate(start=False)
    g.config = {"audit-delivery": [target], **g.config}
    g.write_config()
    p = g.cli("check", check=False)
    assert p.returncode == 1, p.stdout
    assert said in p.stderr and f"gitgate.yaml:{line}: " in p.stderr, p.stderr


def test_the_pages_example_is_valid(make_gate):
    text = (ROOT / "docs" / "audit-export.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    g = make_gate(start=False)
    g.config |= yaml.safe_load(block)
    g.write_config()
    assert len(g.config["audit-delivery"]) == 4 and g.cli("check").returncode == 0


def test_doctor_looks_at_a_deliverys_files(make_gate, tmp_path):
    header = tmp_path / "header"
    header.write_text("A: b\n")
    header.chmod(0o644)
    g = make_gate(start=False)
    g.config["audit-delivery"] = [{"name": "siem", "webhook": "https://siem.example.com/", "header-file": str(header)}]
    g.write_config()
    said = lambda: {f["what"]: f["health"] for f in json.loads(g.cli("doctor", "--json", check=False).stdout)}
    assert said()[f"header-file {header} is open to others (mode 644)"] == "error"
    header.chmod(0o600)
    assert said()[f"header-file {header}"] == "ok"


@pytest.mark.parametrize("secret", ["notice", "header", "tls"])
def test_a_file_is_not_beside_a_secret(make_gate, out, secret):
    """The messenger may write all of the file's directory, and read it."""
    g = make_gate(start=False)
    g.config["audit-delivery"] = [{"name": "disk", "file": str(out / "audit.jsonl")}]
    if secret == "notice":
        g.config["notices"] = [{"name": "hook", "webhook": "https://n.example.com/", "secret-file": str(out / "s")}]
    elif secret == "header":
        g.config["audit-delivery"].append({"name": "siem", "webhook": "https://siem.example.com/", "header-file": str(out / "s")})
    else:
        g.config |= {"public-url": "https://g.example.com", "tls": {"certificate": str(out / "c"), "key": str(out / "s")}}
    g.write_config()
    p = g.cli("check", check=False)
    assert p.returncode == 1 and f"must not get at {out}/s" in p.stderr, p.stderr


def test_twice_the_same_is_an_error(make_gate, out):
    g = make_gate(start=False)
    for other in ({"name": "a", "file": str(out / "b")}, {"name": "b", "file": str(out / "a")}):
        g.config["audit-delivery"] = [{"name": "a", "file": str(out / "a")}, other]
        g.write_config()
        p = g.cli("check", check=False)
        assert p.returncode == 1 and ("a twice" in p.stderr or "a writes it already" in p.stderr), p.stderr


def test_cursors_in_postgresql(database, make_gate, sink):
    sink.answers = [503, 400]
    g = begin(make_gate, {"name": "siem", "webhook": sink.url}, store=database)
    until("it is refused", lambda: delivery(g, "siem")["state"] == "refused", log=g.log)
    assert delivery(g, "siem")["attempts"] == 2 and delivery(g, "siem")["cursor"] == 0
    g.cli("audit", "delivery", "retry", "siem")
    n = settled(g, "siem")
    g.cli("audit", "delivery", "set-cursor", "siem", 1)
    until("it comes again", lambda: seqs(sink.entries()).count(1) == 2, log=g.log)
    settled(g, "siem", n + 1)
    assert set(seqs(sink.entries())) >= set(range(n + 1)) and seqs(sink.entries()).count(0) == 1
    g.config["audit-delivery"] = []
    assert g.reload()
    g.cli("audit", "delivery", "forget", "siem")
    g.stop()


# -- between a target's answer and the cursor --


@pytest.mark.parametrize("role", ["gate", "messenger", "supervisor"])
def test_what_was_on_its_way_when_a_process_died_comes_again(make_gate, sink, role):
    """The receiver has read it all and not answered: nobody may count it as
    arrived."""
    sink.answers = ["wait"]
    g = begin(make_gate, {"name": "siem", "webhook": sink.url})
    until("it is on its way", lambda: sink.posts, log=g.log)
    if role == "supervisor":
        g.kill()
        g.start()
    else:
        (pid,) = g.pids(role)
        os.kill(pid, signal.SIGKILL)
    sink.release.set()
    g.wait_ready()
    settled(g, "siem")
    assert_complete(seqs(sink.entries()))


@needs_crash_build
@pytest.mark.parametrize("point, again", [("delivery.write", False), ("delivery.written", True), ("delivery.acked", True)])
def test_killed_between_the_file_and_the_cursor(make_gate, out, point, again):
    """Before the write, after it, and after the gate was told."""
    file, armed = out / "audit.jsonl", out / "armed"
    if point == "delivery.acked":
        armed = out.parent / "g0" / "gate" / "state" / "armed"
    g = begin(
        make_gate, {"name": "disk", "file": str(file)}, bin=CRASH_BUILD, env={"GITGATE_FAILPOINT": f"{point}=kill:{armed}"}
    )
    n = settled(g, "disk")
    armed.touch()
    acts(g, 1)
    until("it died", lambda: not armed.exists() and "event=role_died" in g.log(), log=g.log)
    g.wait_ready()
    g.cli("audit", "delivery", "retry", "disk")
    settled(g, "disk", n + 1)
    assert_complete(seqs(of_file(file)))
    assert (len(of_file(file)) > log_size(g)) == again


@needs_crash_build
def test_a_store_that_takes_no_cursor_does_not_flood_the_receiver(make_gate, tmp_path, sink):
    """What arrived comes again, for nobody knows it any more; with pauses."""
    armed = tmp_path / "g0" / "gate" / "state" / "armed"
    env = {"GITGATE_FAILPOINT": f"delivery.store=fail:{armed}"}
    g = begin(make_gate, {"name": "siem", "webhook": sink.url}, bin=CRASH_BUILD, env=env)
    n, posts = settled(g, "siem"), len(sink.posts)
    armed.touch()
    acts(g, 1)
    until("it came three times", lambda: len(sink.posts) >= posts + 3, log=g.log)
    assert sink.posts[posts + 2].time - sink.posts[posts].time > 2
    armed.unlink()
    settled(g, "siem", n + 1)
    assert_complete(seqs(sink.entries()))
