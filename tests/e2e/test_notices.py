"""Notices: who is told of what, that none is lost, and what is not in them."""

import base64
import email
import email.policy
import hashlib
import hmac
import json
import socketserver
import subprocess
import threading
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gate import hold_id, ref, until
from sinks import Receiver

HOLD_MAIN = {
    "name": "protect-main",
    "when": {"refs": ["refs/heads/main"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
    "message": "Main is protected.",
}
HOLD_DB = {
    "name": "migrations",
    "when": {"paths": ["migrations/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["dba"]},
}
KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class MailServer(socketserver.ThreadingTCPServer):
    """As much of SMTP as a message needs."""

    daemon_threads = True

    def __init__(self):
        self.got, self.refuse = [], 0
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                say = lambda line: self.wfile.write(line.encode() + b"\r\n")
                say("220 mail.test ESMTP")
                for line in self.rfile:
                    word = line.split(b":")[0].split()[0].upper()
                    if word == b"MAIL":
                        envelope = {"from": line.split(b"<")[1].split(b">")[0].decode(), "to": []}
                    elif word == b"RCPT":
                        envelope["to"].append(line.split(b"<")[1].split(b">")[0].decode())
                    elif word == b"DATA":
                        say("354 go on")
                        text = b""
                        for part in self.rfile:
                            if part == b".\r\n":
                                break
                            text += part
                        if outer.refuse > 0:
                            outer.refuse -= 1
                            say("451 later")
                            continue
                        outer.got.append((envelope, text))
                    elif word == b"QUIT":
                        say("221 bye")
                        return
                    say("250 ok")

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def mail():
    with MailServer() as server:
        yield server
        server.shutdown()


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()


def told(make_gate, tmp_path, notices, rules=(HOLD_MAIN,), **config):
    secret = tmp_path / "secret"
    secret.write_text(f"whsec_{KEY}\n")
    secret.chmod(0o600)
    for n in notices:
        if "webhook" in n:
            n.setdefault("secret-file", str(secret))
    g = make_gate(rules=list(rules), config={"notices": notices, **config})
    g.bot = g.token("ci/agent", "agents")
    g.ann = g.token("ann", "maintainers", "dba")
    return g


def push_held(g, files=None, ref="main"):
    work = g.clone(g.bot)
    work.commit(files or {"a": f"{time.time_ns()}\n"})
    return work, hold_id(work.push(f"HEAD:refs/heads/{ref}", ok=False))


def verify(headers, body):
    """Standard Webhooks, from its text."""
    h = {k.lower(): v for k, v in headers.items()}
    signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + body
    want = base64.b64encode(hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()).decode()
    assert f"v1,{want}" in h["webhook-signature"].split()
    assert abs(int(h["webhook-timestamp"]) - time.time()) < 300


def test_the_check_above_knows_the_specifications_vector():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    text = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    mac = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest())
    assert mac == b"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_hold_from_its_beginning_to_its_end(make_gate, tmp_path, receiver):
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url + "/in"}])
    _, held = push_held(g)
    assert g.api("POST", f"/holds/{held}/approve", g.ann, {"comment": "fine"}).status == 200
    notices = receiver.wait(3, g.log)
    assert [n["type"] for n in notices] == ["hold.held", "hold.approved", "hold.forwarded"]
    first = notices[0]["data"]
    assert first["hold"] == held and first["url"].endswith(f"/-/holds/{held}")
    assert first["repository"] == "demo/app" and first["principal"] == "ci/agent"
    (update,) = first["updates"]
    assert update["ref"] == "refs/heads/main" and update["rules"][0]["rule"] == "protect-main"
    assert first["needs"] == [{"rule": "protect-main", "required": 1, "from": ["maintainers"]}]
    assert notices[1]["data"]["reviewer"] == "ann" and notices[1]["data"]["complete"] is True
    for p in receiver.posts:
        assert p.path == "/in" and p.headers["Content-Type"] == "application/json"
        verify(p.headers, p.body)
    assert len({p.headers["webhook-id"] for p in receiver.posts}) == 3


def test_signed_by_each_key_of_the_file(make_gate, tmp_path, receiver):
    """While a secret is changed a receiver may know the old one or the new;
    one of them is an Ed25519 key ("v1a")."""
    pair = ed25519.Ed25519PrivateKey.generate()
    raw = pair.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    secret = tmp_path / "both"
    secret.write_text(f"whsec_{KEY}\nwhsk_{base64.b64encode(raw).decode()}\n")
    secret.chmod(0o600)
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url, "secret-file": str(secret), "events": ["held"]}])
    push_held(g)
    receiver.wait(1, g.log)
    ((_, headers, body, _, _),) = receiver.posts
    verify(headers, body)
    h = {k.lower(): v for k, v in headers.items()}
    (sig,) = [s[4:] for s in h["webhook-signature"].split() if s.startswith("v1a,")]
    signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + body
    pair.public_key().verify(base64.b64decode(sig), signed)
    with pytest.raises(InvalidSignature):
        pair.public_key().verify(base64.b64decode(sig), signed + b" ")


@pytest.mark.parametrize(
    "text, said",
    [
        ("whsec_!!", "is no base64"),
        ("whsec_" + base64.b64encode(b"short").decode(), "has 24 to 64 bytes"),
        ("nonsense-key-text", "begins with whsec_ or whsk_"),
    ],
)
def test_a_secret_that_is_none_is_said_and_not_shown(make_gate, tmp_path, receiver, text, said):
    secret = tmp_path / "bad"
    secret.write_text(text + "\n")
    secret.chmod(0o600)
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url, "secret-file": str(secret)}])
    g.cli("notices", "test", "hook")
    until("it is said", lambda: said in g.log(), log=g.log)
    assert receiver.posts == [] and text not in g.log()


def test_a_private_place_wants_leave(make_gate, tmp_path, receiver):
    """Given up at once: whoever may write a notice's URL is not to reach the
    inside of the house."""
    url = f"https://127.0.0.1:{receiver.port}"
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": url}])
    g.cli("notices", "test", "hook")
    listed = lambda: json.loads(g.cli("notices", "list", "--json", "--state", "failed").stdout)["notices"]
    until("it is given up", listed, log=g.log)
    assert "an address that only the configuration may name" in listed()[0]["error"]
    assert listed()[0]["attempts"] == 1


def test_rejected_and_withdrawn_are_told_once(make_gate, tmp_path, receiver):
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url}])
    _, a = push_held(g)
    assert g.api("POST", f"/holds/{a}/reject", g.ann, {"comment": "no"}).status == 200
    _, b = push_held(g)
    assert g.api("POST", f"/holds/{b}/withdraw", g.bot, {}).status == 200
    notices = receiver.wait(4, g.log)
    assert sorted(n["type"] for n in notices) == sorted(["hold.held", "hold.rejected", "hold.held", "hold.withdrawn"])
    rejected = next(n for n in notices if n["type"] == "hold.rejected")
    assert rejected["data"]["hold"] == a and "rejected by ann: no" in rejected["data"]["reason"]


def test_who_is_told_of_what(make_gate, tmp_path, receiver):
    """Events, repositories, rules and groups; each target apart."""
    u = receiver.url
    g = told(
        make_gate,
        tmp_path,
        [
            {"name": "ends", "webhook": u + "/ends", "events": ["rejected"]},
            {"name": "dba", "webhook": u + "/dba", "groups": ["dba"]},
            {"name": "by-rule", "webhook": u + "/rule", "rules": ["migr*"], "events": ["held"]},
            {"name": "elsewhere", "webhook": u + "/elsewhere", "repositories": ["other/*"]},
            {"name": "all", "webhook": u + "/all", "repositories": ["demo/*"]},
        ],
        rules=[HOLD_MAIN, HOLD_DB],
    )
    _, a = push_held(g)
    assert g.api("POST", f"/holds/{a}/reject", g.ann, {}).status == 200
    _, b = push_held(g, {"migrations/1": "x\n"}, "feature")

    def heard():
        return sorted((p.path, p.json["data"]["event"], p.json["data"]["hold"]) for p in receiver.posts)

    want = sorted(
        [
            ("/all", "held", a),
            ("/all", "rejected", a),
            ("/all", "held", b),
            ("/ends", "rejected", a),
            ("/dba", "held", b),
            ("/rule", "held", b),
        ]
    )
    until("all are told", lambda: len(receiver.posts) >= len(want), log=g.log)
    assert heard() == want


def test_tried_again_with_the_same_id(make_gate, tmp_path, receiver):
    receiver.answers = [503]
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url, "events": ["held"]}])
    push_held(g)
    receiver.wait(2, g.log)
    first, second = receiver.posts
    assert (first.status, second.status) == (503, 204) and first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    verify(second.headers, second.body)
    listed = lambda: json.loads(g.cli("notices", "list", "--json").stdout)["notices"]
    until("it is delivered", lambda: listed()[0]["state"] == "delivered", log=g.log)
    assert listed()[0]["attempts"] == 2


def test_gone_is_final_and_can_be_replayed(make_gate, tmp_path, receiver):
    receiver.answers = [410]
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url, "events": ["held"]}])
    push_held(g)
    listed = lambda *a: json.loads(g.cli("notices", "list", "--json", *a).stdout)["notices"]
    until("it is given up", lambda: listed("--state", "failed"), log=g.log)
    (row,) = listed()
    assert "410" in row["error"] and row["target"] == "hook" and row["event"] == "held"
    g.said("notice_failed")
    g.cli("notices", "replay", row["id"])
    receiver.wait(2, g.log)
    assert receiver.posts[1].headers["webhook-id"] == row["id"]
    until("it is delivered", lambda: listed()[0]["state"] == "delivered", log=g.log)
    auditor = g.token("aud", "auditors")
    until("the replay is in the log", lambda: g.audit(auditor, type="admin.notice.replay"), log=g.log)
    (act,) = g.audit(auditor, type="admin.notice.replay")
    assert act["notice"] == row["id"]


def test_a_killed_gate_forgets_no_notice(make_gate, tmp_path, receiver):
    """Nobody listens; the gate is killed; afterwards all of it is told once."""
    receiver.close()
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": f"http://127.0.0.1:{receiver.port}"}])
    _, held = push_held(g)
    assert g.api("POST", f"/holds/{held}/reject", g.ann, {}).status == 200
    g.kill()
    server = Receiver()
    try:
        g.config["notices"][0]["webhook"] = server.url
        g.start()
        notices = server.wait(2, g.log)
        assert sorted(n["type"] for n in notices) == ["hold.held", "hold.rejected"]
    finally:
        server.close()


def test_nothing_old_is_told_to_a_new_target(make_gate, tmp_path, receiver):
    g = told(make_gate, tmp_path, [])
    push_held(g)
    secret = tmp_path / "secret"
    g.config["notices"] = [{"name": "hook", "webhook": receiver.url, "secret-file": str(secret), "events": ["held"]}]
    g.stop()
    g.start()
    _, second = push_held(g)
    (notice, *_) = receiver.wait(1, g.log)
    assert notice["data"]["hold"] == second, "it was told of the first one"


def test_a_program_is_told(make_gate, tmp_path, receiver):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    program = hooks / "page"
    program.write_text(f"#!/bin/sh\nexec curl -sf --data-binary @- -H 'Content-Type: application/json' {receiver.url}/program\n")
    program.chmod(0o755)
    g = told(make_gate, tmp_path, [{"name": "pager", "program": "page", "events": ["held"]}], **{"hooks-dir": str(hooks)})
    _, held = push_held(g)
    (notice,) = receiver.wait(1, g.log)
    assert notice["type"] == "hold.held" and notice["data"]["hold"] == held


def test_slack_gets_text_and_a_button(make_gate, tmp_path, receiver):
    url = tmp_path / "slack"
    url.write_text(receiver.url + "/services/T0/B0/secret\n")
    url.chmod(0o600)
    g = told(make_gate, tmp_path, [{"name": "chat", "slack-url-file": str(url), "events": ["held"]}])
    work, held = push_held(g, ref="main")
    (m,) = receiver.wait(1, g.log)
    assert receiver.posts[0].path == "/services/T0/B0/secret"
    assert m["text"].startswith("held: demo/app refs/heads/main by ci/agent")
    section, actions = m["blocks"]
    assert section["text"]["type"] == "plain_text" and "protect-main" in section["text"]["text"]
    assert actions["elements"][0]["url"].endswith(f"/-/holds/{held}")
    assert "T0/B0/secret" not in g.log()


def test_mail_is_plain_text_with_the_facts(make_gate, tmp_path, mail):
    mail.refuse = 1
    rule = {**HOLD_MAIN, "when": {"refs": ["refs/heads/**"]}, "message": "Ruft die Datenbänker: \u202egefährlich"}
    server = {"server": f"smtp://127.0.0.1:{mail.server_address[1]}", "from": "gate@example.com", "to": ["ann@example.com", "ops@example.com"]}
    g = told(make_gate, tmp_path, [{"name": "mail", "email": server, "events": ["held"]}], rules=[rule])
    _, held = push_held(g, ref="ein-sehr-langer-und-schöner-zweig-" + "ü" * 40)
    until("the mail", lambda: mail.got, log=g.log)
    envelope, raw = mail.got[0]
    assert envelope == {"from": "gate@example.com", "to": ["ann@example.com", "ops@example.com"]}
    assert all(len(line) <= 78 for line in raw.split(b"\r\n")), raw
    m = email.message_from_bytes(raw, policy=email.policy.default)
    assert m["From"] == "gate@example.com" and m["To"] == "ann@example.com, ops@example.com"
    assert m["Subject"] == f"held: demo/app refs/heads/ein-sehr-langer-und-schöner-zweig-{'ü' * 40} by ci/agent"
    assert m["Auto-Submitted"] == "auto-generated" and m["Date"] and m["Message-ID"].endswith("@example.com>")
    text = m.get_content()
    assert m.get_content_type() == "text/plain" and f"/-/holds/{held}" in text
    assert "needs       1 approval from maintainers (rule protect-main)" in text
    assert "Ruft die Datenbänker: \\u{202e}gefährlich" in text


def test_no_path_no_content_no_claim(make_gate, tmp_path, receiver):
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url}], rules=[HOLD_MAIN, HOLD_DB])
    work = g.clone(g.bot)
    work.commit({"migrations/Top-Secret-Name": "blob-content-here\n"}, message="subject-of-commit")
    work.push("HEAD:refs/heads/main", "-o", "agent.prompt=claimed-prompt", ok=False)
    receiver.wait(1, g.log)
    for p in receiver.posts:
        for word in (b"Top-Secret-Name", b"blob-content-here", b"subject-of-commit", b"claimed-prompt"):
            assert word not in p.body


def test_a_test_notice(make_gate, tmp_path, receiver):
    g = told(make_gate, tmp_path, [{"name": "hook", "webhook": receiver.url}])
    id = g.cli("notices", "test", "hook").stdout.strip()
    (notice,) = receiver.wait(1, g.log)
    assert notice["type"] == "test" and receiver.posts[0].headers["webhook-id"] == id
    p = g.cli("notices", "test", "nobody", check=False)
    assert p.returncode == 1 and "no notice named nobody" in p.stderr


@pytest.mark.parametrize(
    "notice, said",
    [
        ({"name": "x"}, "each has one of webhook, slack-url-file, email and program"),
        ({"name": "x", "webhook": "http://example.com/", "secret-file": "s"}, "webhook must be an https:// URL"),
        ({"name": "x", "webhook": "https://u:p@example.com/", "secret-file": "s"}, "without a user in it"),
        ({"name": "x", "webhook": "https://example.com/"}, "webhook needs a secret-file"),
        ({"name": "X", "program": "p"}, "name must be 1 to 60 of a-z"),
        ({"name": "x", "program": "../p"}, "program must be the name of a file in hooks-dir"),
        ({"name": "x", "slack-url-file": "s", "events": ["denied"]}, '"denied" is none of held'),
        ({"name": "x", "email": {"server": "smtp://m", "from": "a@b"}}, "email needs server, from and to"),
        ({"name": "x", "email": {"server": "smtp://m", "from": "a b@c", "to": ["d@e"]}}, "from must be one address"),
        ({"name": "x", "email": {"server": "smtp://m", "from": "a@c", "to": ["d@e\nBcc: x@y"]}}, "control"),
        ({"name": "x", "email": {"server": "smtp://m", "from": "a@c", "to": ["d"]}}, '"d" is not an address'),
        ({"name": "x", "what": 1}, 'unknown key "what"'),
    ],
)
def test_a_wrong_notice_is_refused_with_its_line(make_gate, notice, said):
    g = make_gate(config={"notices": [notice]}, start=False)
    g.write_config()
    p = g.cli("check", check=False)
    assert p.returncode == 1 and said in p.stderr and "gitgate.yaml:" in p.stderr, p.stderr


def test_upstream_that_moved_without_the_gate_is_told_once(make_gate, tmp_path, receiver):
    u = receiver.url
    g = told(
        make_gate,
        tmp_path,
        [
            {"name": "all", "webhook": u + "/all"},
            {"name": "holds", "webhook": u + "/holds", "groups": ["dba"]},
            {"name": "only", "webhook": u + "/only", "events": ["out-of-band"], "repositories": ["demo/*"]},
        ],
    )
    g.clone(g.bot)
    main = ref(g.upstream, "main")
    for name in ("one", "two"):
        subprocess.run(["git", "-c", "safe.directory=*", "branch", name, main], cwd=g.upstream, check=True)
    g.clone(g.bot)
    receiver.wait(2, g.log)
    push_held(g)  # told to all but /only, so nothing more was on its way
    receiver.wait(3, g.log)
    got = {p.path: p.json for p in receiver.posts[:2]}
    assert sorted(got) == ["/all", "/only"]
    n = got["/only"]
    assert n["type"] == "ref.out-of-band"
    assert n["data"]["repository"] == "demo/app" and n["data"]["refs_total"] == 2
    assert (n["data"]["ref"], n["data"]["new"], n["data"]["kind"]) == ("refs/heads/one", main, "create")
    assert n["data"]["url"].endswith("/-/audit?type=ref.out-of-band&repository=demo/app")
