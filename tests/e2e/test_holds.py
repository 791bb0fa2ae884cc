"""A hold from its opening to every one of its ends."""

import concurrent.futures
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from gate import BIN, PROTECT_MAIN, SANITIZED, hold_id, http, ref, until, vkey
from streamed_push import StreamedPush, request_body
from websession import Browserless

EXPIRES_2S = {
    "name": "short-lived",
    "when": {"refs": ["refs/heads/short/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
    "expires": "2s",
}
WAITING = {
    "name": "patient",
    "when": {"refs": ["refs/heads/wait/**"]},
    "then": "hold",
    "approvals": {"required": 1, "from": ["maintainers"]},
    "wait": "60s",
}


class Place:
    """A gate with a bot, reviewers and an auditor, and a clone of the bot's."""

    def __init__(self, g):
        self.g = g
        self.bot = g.token("bot", "agents")
        self.ann = g.token("ann", "maintainers")
        self.bob = g.token("bob", "maintainers")
        self.eve = g.token("eve", "dba")
        self.auditor = g.token("audrey", "auditors")
        self.admin = g.token("root", "admins")
        self.work = g.clone(self.bot)
        self.first = self.work.head()

    def hold(self, name="main", *options, files=None, work=None):
        """Push a new commit to a held branch; (hold id, commit)."""
        work = work or self.work
        new = work.commit(files or {"f.txt": f"{time.monotonic_ns()}\n"}, f"for {name}")
        args = [x for o in options for x in ("-o", o)]
        return hold_id(work.push(*args, f"HEAD:refs/heads/{name}", ok=False)), new

    def reset(self):
        self.work.run("fetch", "-q")
        self.work.run("reset", "-q", "--hard", "origin/main")

    def state(self, id):
        return self.g.hold(id, self.ann)["state"]

    def upstream(self, name):
        return ref(self.g.upstream, f"refs/heads/{name}")

    def log_of(self, id):
        """Types (and states) of the entries about a hold, in their order."""
        push = self.g.hold(id, self.auditor)["push"]
        return [
            e["type"] + (":" + e["state"] if "state" in e else "") for e in self.g.audit(self.auditor, push=push)
        ]

    def verify(self):
        p = subprocess.run(
            [BIN / "gitgate", "audit", "verify", "--strict", "--key", vkey(self.g), str(self.g.state / "log")],
            capture_output=True,
            text=True,
        )
        assert p.returncode == 0, p.stderr + p.stdout


OPENING = ["push.received", "ref.update", "hold.opened"]


@pytest.fixture
def p(make_gate):
    return Place(make_gate(rules=[PROTECT_MAIN, EXPIRES_2S, WAITING], config={"limits": {"max-wait": "30s"}}))


# -- opening --


def test_link_and_durability(p):
    new = p.work.commit({"a": "a"}, "held")
    held = p.work.push("HEAD:refs/heads/main", ok=False)
    id = hold_id(held)
    url = f"http://127.0.0.1:0/-/holds/{id}"
    assert f"remote: review: {url}" in held.stderr
    assert f"held for approval: {url}" in held.stderr.split("! [remote rejected]")[1]
    assert "needs 1 approval from maintainers   (rule protect-main)" in held.stderr
    before = p.g.hold(id, p.ann)
    assert before["url"] == url

    # what is pending is served to nobody
    other = p.g.clone(p.bot)
    assert other.run("cat-file", "-e", new, check=False).returncode != 0
    raw = other.run("-c", "protocol.version=0", "fetch", "origin", new, check=False)
    assert raw.returncode != 0

    p.g.stop()
    p.g.start()
    assert p.g.hold(id, p.ann) == before
    p.g.kill()
    p.g.start()
    assert p.g.hold(id, p.ann) == before
    assert p.g.review(id, p.ann, comment="after two restarts").status == 200
    p.g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("main") == new
    assert p.g.clone(p.bot).head("origin/main") == new
    p.verify()


def test_same_push_joins_newer_supersedes(p):
    id, first = p.hold()
    again = p.work.push("HEAD:refs/heads/main", ok=False)
    assert hold_id(again) == id and "the same push is held already" in again.stderr
    # another principal's same push is a hold of its own
    carl = p.g.token("carl", "agents")
    p.work.run("push", p.g.remote(carl), "HEAD:refs/heads/main", check=False)
    pending = p.g.api("GET", "/holds?state=pending", p.ann).json["holds"]
    assert sorted(h["principal"] for h in pending) == ["bot", "carl"]

    newer, second = p.hold()
    assert newer != id
    assert p.state(id) == "superseded"
    push = p.g.api("GET", "/pushes/" + p.g.hold(id, p.ann)["push"], p.ann).json
    assert push["state"] == "aborted" and push["outcome"]["state"] == "superseded"
    assert p.log_of(id) == [*OPENING, "hold.closed:superseded"]
    assert p.g.review(id, p.ann).status == 409
    # carl's is not touched by the bot's newer push
    assert [h["state"] for h in p.g.api("GET", "/holds?principal=carl", p.ann).json["holds"]] == ["pending"]
    # a push to another ref supersedes nothing
    other, _ = p.hold("short/x")
    assert p.state(newer) == "pending" and other != newer
    p.verify()


# -- the ends --


def test_every_end_and_its_entries(p):
    id, new = p.hold()
    assert p.g.review(id, p.ann, comment="fine").status == 200
    p.g.wait_hold(id, p.ann, "forwarded")
    assert p.log_of(id) == [
        *OPENING, "hold.review:approved", "forward.intended", "forward.result", "hold.closed:forwarded",
    ]  # fmt: skip
    entries = p.g.audit(p.auditor, push=p.g.hold(id, p.ann)["push"])
    for e in entries:
        if e["type"] in ("ref.update", "forward.intended", "forward.result"):
            assert (e["ref"], e["old"], e["new"]) == ("refs/heads/main", p.first, new)
            assert e["hold"] == id and e["principal"] == "bot"
    judged, *sent = [e for e in entries if e["type"] in ("ref.update", "forward.intended", "forward.result")]
    assert judged["verdict"] == "hold" and judged["rules"] and judged["kind"] == "fast-forward"
    for e in sent:  # each stands on its own: by which rules, of which pack, by which policy
        assert {k: e[k] for k in ("kind", "verdict", "rules", "policy", "report", "pack_sha256")} == {
            k: judged[k] for k in ("kind", "verdict", "rules", "policy", "report", "pack_sha256")
        }
    assert entries[3]["reviewer"] == "ann" and entries[3]["comment"] == "fine"
    assert entries[4]["reviewers"] == entries[5]["reviewers"] == ["ann"] and entries[5]["result"] == "ok"

    p.reset()
    id, _ = p.hold()
    assert p.g.review(id, p.ann, "reject", "no ünicode\nplease").status == 200
    h = p.g.hold(id, p.ann)
    assert h["state"] == "rejected" and "no ünicode" in h["outcome"]["message"]
    assert p.log_of(id) == [*OPENING, "hold.review:rejected", "hold.closed:rejected"]
    assert p.g.review(id, p.bob).status == 409

    id, _ = p.hold()
    assert p.g.review(id, p.ann, "withdraw").status == 403
    assert p.g.review(id, p.bot, "withdraw", "a mistake").status == 200
    assert p.state(id) == "withdrawn"
    assert p.log_of(id) == [*OPENING, "hold.closed:withdrawn"]
    id, _ = p.hold()
    assert p.g.review(id, p.admin, "withdraw").status == 200
    assert p.state(id) == "withdrawn"

    p.reset()
    id, _ = p.hold("short/x")
    p.g.wait_hold(id, p.ann, "expired")
    assert p.log_of(id) == [*OPENING, "hold.closed:expired"]
    assert p.g.review(id, p.ann).status == 409
    assert p.upstream("short/x") is None
    assert p.upstream("main") == new
    p.g.quarantine_is_empty()
    p.verify()


def test_stale_when_upstream_moves(p):
    id, _ = p.hold()
    direct = p.g.dir / "direct"
    p.work.run("clone", "-q", p.g.upstream, direct)
    mover = type(p.work)(direct, p.g.home)
    moved = mover.commit({"direct": "1"}, "not through the gate")
    mover.push("HEAD:refs/heads/main", ok=True)
    assert p.g.review(id, p.ann).status == 200
    h = p.g.wait_hold(id, p.ann, "stale")
    assert "stale" in json.dumps(h["outcome"])
    assert p.upstream("main") == moved
    log = p.log_of(id)
    assert log[-1] == "hold.closed:stale" and log[3] == "hold.review:approved", log
    p.verify()


def test_stale_when_another_hold_lands(p):
    id, _ = p.hold()
    carl = p.g.token("carl", "agents")
    other = p.g.clone(carl)
    theirs = other.commit({"c": "c"}, "carl's")
    second = hold_id(other.push("HEAD:refs/heads/main", ok=False))
    assert p.g.review(second, p.ann).status == 200
    p.g.wait_hold(second, p.ann, "forwarded")
    p.g.wait_hold(id, p.ann, "stale")
    assert p.log_of(id) == [*OPENING, "hold.closed:stale"]
    assert p.upstream("main") == theirs
    assert p.g.review(id, p.ann).status == 409


def test_upstream_refuses_an_approved_push(p):
    id, _ = p.hold()
    hook = p.g.upstream / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'frozen until monday' >&2\nexit 1\n")
    hook.chmod(0o755)
    assert p.g.review(id, p.ann).status == 200
    h = p.g.wait_hold(id, p.ann, "failed")
    assert "pre-receive hook declined" in json.dumps(h["outcome"])
    assert p.log_of(id)[-2:] == ["forward.result", "hold.closed:failed"]
    assert p.upstream("main") == p.first
    p.verify()


# -- who may, and how many --


def test_approvals_add_up_and_people_are_distinct(make_gate):
    p = Place(
        make_gate(
            rules=[
                {**PROTECT_MAIN, "approvals": {"required": 2, "from": ["maintainers"]}},
                {
                    "name": "migrations",
                    "when": {"paths": ["migrations/**"]},
                    "then": "hold",
                    "approvals": {"required": 1, "from": ["dba"]},
                },
            ]
        )
    )
    id, new = p.hold(files={"migrations/1.sql": "create"})
    needs = p.g.hold(id, p.ann)["needs"]
    assert {n["rule"]: (n["required"], n["from"]) for n in needs} == {
        "protect-main": (2, ["maintainers"]),
        "migrations": (1, ["dba"]),
    }
    assert p.g.review(id, p.bot).status == 403
    assert p.g.review(id, p.auditor).status == 403
    assert p.g.review(id, p.ann).status == 200
    assert p.g.review(id, p.ann).status == 403  # once is enough
    assert p.g.review(id, p.g.token("ann", "maintainers")).status == 403  # the same person, another token
    assert p.g.review(id, p.g.token("ANN", "maintainers")).status == 403
    assert p.state(id) == "pending"
    assert p.g.review(id, p.eve).status == 200
    assert p.state(id) == "pending" and p.upstream("main") == p.first
    assert p.g.review(id, p.bob).status == 200
    h = p.g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("main") == new
    reviewers = {n["rule"]: [r["reviewer"] for r in n["reviews"]] for n in h["needs"]}
    assert reviewers == {"protect-main": ["ann", "bob"], "migrations": ["eve"]}

    # one rejection ends it, whatever came before
    p.reset()
    id, _ = p.hold(files={"migrations/2.sql": "drop"})
    assert p.g.review(id, p.ann).status == 200
    assert p.g.review(id, p.eve, "reject").status == 200
    assert p.state(id) == "rejected"
    assert p.g.review(id, p.bob).status == 409


def test_never_by_the_pusher_nor_an_author(make_gate):
    g = make_gate(
        rules=[
            PROTECT_MAIN,
            {
                "name": "own",
                "when": {"refs": ["refs/heads/own/**"]},
                "then": "hold",
                "approvals": {"required": 1, "from": ["maintainers"], "allow-self": True},
            },
        ]
    )
    p = Place(g)
    mia = g.token("mia", "maintainers", "agents")
    g.user("mia", "correct horse battery", "maintainers")
    work = g.clone(mia)
    id, _ = p.hold(work=work)
    assert g.review(id, mia).status == 403
    # the same name by her account: the page refuses, and does not offer it
    web = Browserless(g, "mia", "correct horse battery")
    page = web.get(f"/-/holds/{id}")
    assert f'action="/-/holds/{id}/approve"' not in page.text
    assert "nobody reviews their own push" in page.text
    assert web.post(f"/-/holds/{id}/approve", comment="me").status == 403
    assert p.state(id) == "pending"

    # an author, a committer (by name or by address) may not either
    for i, env in enumerate(
        (
            {"GIT_AUTHOR_NAME": "ann"},
            {"GIT_COMMITTER_NAME": "Ann"},
            {"GIT_AUTHOR_EMAIL": "ann"},
        )
    ):
        (work.path / "x").write_text(str(i))
        work.run("add", "-A")
        work.run("commit", "-q", "-m", "as ann", env=env)
        work.commit({"y": str(i)}, "on top of it")
        id = hold_id(work.push("HEAD:refs/heads/main", ok=False))
        a = g.review(id, p.ann)
        assert a.status == 403 and "commits of their own" in a.json["detail"], a.text
        work.run("reset", "-q", "--hard", "origin/main")
    g.user("ann", "correct horse battery", "maintainers")
    page = Browserless(g, "ann", "correct horse battery").get(f"/-/holds/{id}").text
    assert f'action="/-/holds/{id}/approve"' not in page and "commits of their own" in page
    assert p.state(id) == "pending"
    assert g.review(id, p.bob).status == 200

    # unless the rule says so
    id, new = p.hold("own/x", work=work)
    assert g.review(id, mia).status == 200
    g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("own/x") == new


def test_eight_reviewers_at_once(p):
    """Approvals and rejections together: exactly one of them ends it."""
    for _ in range(2 if SANITIZED else 4):
        p.reset()
        before = p.upstream("main")
        id, new = p.hold()
        people = [p.g.token(f"r{i}", "maintainers") for i in range(8)]
        start = threading.Barrier(8)

        def act(i):
            start.wait()
            return p.g.review(id, people[i], "approve" if i % 2 else "reject").status

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = list(pool.map(act, range(8)))
        assert sorted(got) == [200] + [409] * 7, got
        approved = got.index(200) % 2 == 1
        p.g.wait_hold(id, p.ann, "forwarded" if approved else "rejected")
        assert p.upstream("main") == (new if approved else before)
        log = p.log_of(id)
        assert sum(x.startswith("hold.review") for x in log) == 1
        assert sum(x.startswith("hold.closed") for x in log) == 1
    p.verify()


# -- waiting in place --


def start_push(p, *args):
    """git push in the background, its stderr collected."""
    return subprocess.Popen(
        ["git", "push", "origin", *args], cwd=p.work.path, env=p.work.env, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def pending_hold(p):
    found = until(
        "a hold is pending", lambda: p.g.api("GET", "/holds?state=pending", p.ann).json["holds"], log=p.g.log
    )
    return found[0]["id"]


@pytest.mark.parametrize("how", ["rule", "option"])
def test_waiting_until_approved(p, how):
    hook = p.g.upstream / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'upstream says hello'\n")
    hook.chmod(0o755)
    new = p.work.commit({"w": "w"}, "waits")
    if how == "rule":
        branch, git = "wait/x", start_push(p, "HEAD:refs/heads/wait/x")
    else:
        branch, git = "main", start_push(p, "-o", "gitgate.wait=20s", "HEAD:refs/heads/main")
    id = pending_hold(p)
    assert p.g.review(id, p.ann).status == 200
    _, err = git.communicate(timeout=60)
    assert git.returncode == 0, err
    assert f"remote: review: http://127.0.0.1:0/-/holds/{id}" in err
    assert "remote: gitgate: waiting up to" in err
    assert "remote: gitgate: approved by ann" in err
    assert "remote: upstream says hello" in err
    assert p.upstream(branch) == new


def test_waiting_until_rejected(p):
    p.work.commit({"w": "w"}, "waits")
    git = start_push(p, "-o", "gitgate.wait=20s", "HEAD:refs/heads/main")
    id = pending_hold(p)
    assert p.g.review(id, p.ann, "reject", "not before\nMonday\x1b[31m").status == 200
    _, err = git.communicate(timeout=60)
    assert git.returncode == 1
    assert "rejected by ann: not before Monday" in err and "\x1b[31m" not in err
    assert p.upstream("main") == p.first


def test_waiting_ends_as_the_hold_does(p):
    """Withdrawn, superseded or the time over: the client hears of it."""
    p.work.commit({"w": "w"}, "waits")
    git = start_push(p, "HEAD:refs/heads/wait/x")
    assert p.g.review(pending_hold(p), p.bot, "withdraw", "never mind").status == 200
    assert "withdrawn by bot: never mind" in git.communicate(timeout=60)[1]
    assert git.returncode == 1
    git = start_push(p, "HEAD:refs/heads/wait/x")
    id = pending_hold(p)
    p.hold("wait/x", "gitgate.wait=0s")
    assert "superseded" in git.communicate(timeout=60)[1] and git.returncode == 1
    assert p.state(id) == "superseded"
    # the restart of the gate is no end: still held
    p.work.commit({"w": "2"}, "waits")
    git = start_push(p, "HEAD:refs/heads/wait/x")
    until("it waits", lambda: waiting(p.g) == 1, log=p.g.log)
    p.g.stop()
    err = git.communicate(timeout=60)[1]
    assert git.returncode == 1 and "the push stays held" in err
    id = hold_id(type("Push", (), {"stderr": err}))
    p.g.start()
    assert p.g.review(id, p.ann).status == 200
    p.g.wait_hold(id, p.ann, "forwarded")


def waiting(g):
    for line in http("GET", g.url + "/metrics").text.splitlines():
        if line.startswith("gitgate_waiting_clients "):
            return int(float(line.split()[1]))
    raise AssertionError("no gauge of waiting clients")


def test_the_pusher_goes_away(p):
    new = p.work.commit({"w": "w"}, "waits")
    git = start_push(p, "HEAD:refs/heads/wait/x")
    id = pending_hold(p)
    until("it waits", lambda: waiting(p.g) == 1)
    os.killpg(git.pid, signal.SIGKILL)
    git.communicate()
    # noticed without anybody's help: at the latest when a keepalive fails
    until("nobody waits", lambda: waiting(p.g) == 0, log=p.g.log)
    assert p.state(id) == "pending"
    assert p.g.review(id, p.ann).status == 200
    p.g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("wait/x") == new


def test_keepalive_while_waiting(p):
    """Twelve seconds of nothing: the line is never silent for long."""
    new = p.work.commit({"w": "w"}, "waits")
    body = request_body(p.work, "refs/heads/main", p.first, new, ["gitgate.wait=12s"])
    raw = StreamedPush(p.g, p.bot, body)
    begin = time.monotonic()
    raw.read_all()
    took = time.monotonic() - begin
    assert 11 <= took < 60, took
    assert b"ng refs/heads/main held for approval: http" in raw.raw
    assert raw.raw.count(b"0005\1") >= 2
    times = [begin, *(t for t, _ in raw.arrivals)]
    assert max(b - a for a, b in zip(times, times[1:])) < 10


def test_waiting_no_longer_than_max_wait(make_gate):
    p = Place(make_gate(rules=[PROTECT_MAIN, WAITING], config={"limits": {"max-wait": "1s", "waiting-pushes": 1}}))
    p.work.commit({"w": "w"}, "waits")
    for args in (["HEAD:refs/heads/wait/x"], ["-o", "gitgate.wait=1h", "HEAD:refs/heads/main"]):
        begin = time.monotonic()
        held = p.work.push(*args, ok=False)
        assert "waiting up to 1 s" in held.stderr and "still held" in held.stderr
        assert time.monotonic() - begin < 60  # not the hour
        assert p.state(hold_id(held)) == "pending"
    bad = p.work.push("-o", "gitgate.wait=soon", "HEAD:refs/heads/main", ok=False)
    assert "invalid push: gitgate.wait is a duration" in bad.stderr


def threads(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("Threads:"):
            return int(line.split()[1])


def test_waiting_clients_cost_no_thread(make_gate):
    n = 40 if SANITIZED else 200
    p = Place(
        make_gate(rules=[PROTECT_MAIN], config={"limits": {"max-wait": "10m", "waiting-pushes": n}})
    )
    new = p.work.commit({"w": "w"}, "waits")
    body = request_body(p.work, "refs/heads/main", p.first, new, ["gitgate.wait=10m"])
    (pid,) = p.g.pids("gate")
    first = StreamedPush(p.g, p.bot, body)
    first.read_until(b"waiting up to 600 s")
    before = threads(pid)
    clients = [first]
    for _ in range(n - 1):
        clients.append(StreamedPush(p.g, p.bot, body))
        clients[-1].read_until(b"waiting up to 600 s")
    until("all wait", lambda: waiting(p.g) == n)
    # those that served the pushes end when they were idle for a while
    until(f"few threads are left ({before} at first)", lambda: threads(pid) <= before + 2, log=p.g.log)
    # one more is too many: told so by the ordinary answer, at once
    late = StreamedPush(p.g, p.bot, body)
    late.read_all()
    assert b"ng refs/heads/main held for approval: http" in late.raw
    assert waiting(p.g) == n
    # the gate goes on working, and one decision answers all
    holds = p.g.api("GET", "/holds", p.ann).json["holds"]
    assert len(holds) == 1
    assert p.g.review(holds[0]["id"], p.ann).status == 200
    for c in clients:
        assert b"ok refs/heads/main" in c.read_all(), c.raw
        c.close()
    assert p.upstream("main") == new


# -- gitgate wait, and the command line --


def test_wait_command(p):
    id, _ = p.hold()
    url = f"{p.g.url}/-/holds/{id}"
    env = {"GITGATE_URL": p.g.url, "GITGATE_TOKEN": p.bot}
    assert p.g.remote_cli(p.bot, "wait", id, "--timeout", "1s", check=False).returncode == 3
    assert p.g.remote_cli(p.bot, "wait", "nonsense", check=False).returncode == 2
    assert p.g.remote_cli(p.bot, "wait", check=False).returncode == 2
    assert p.g.remote_cli(p.bot, "wait", id, "--timeout", "soon", check=False).returncode == 2
    waiter = subprocess.Popen(
        [BIN / "gitgate", "wait", url], env={**p.work.env, "GITGATE_TOKEN": p.bot}, stdout=subprocess.PIPE
    )
    assert p.g.remote_cli(p.ann, "holds", "approve", id, "--comment", "by hand").returncode == 0
    waiter.communicate(timeout=60)
    assert waiter.returncode == 0
    h = p.g.hold(id, p.ann)
    assert h["state"] == "forwarded" and h["needs"][0]["reviews"][0]["comment"] == "by hand"
    assert p.g.remote_cli(p.bot, "holds", "approve", id, check=False).returncode == 1

    p.reset()
    id, _ = p.hold()
    assert p.g.remote_cli(p.bot, "holds", "reject", id, check=False).returncode == 1
    assert p.g.remote_cli(p.ann, "holds", "reject", id).returncode == 0
    assert p.g.remote_cli(p.bot, "wait", id, check=False).returncode == 1
    id, _ = p.hold()
    listed = json.loads(p.g.remote_cli(p.ann, "holds", "list", "--state", "pending", "--json").stdout)
    assert [h["id"] for h in listed["holds"]] == [id]
    shown = json.loads(p.g.remote_cli(p.ann, "holds", "show", id, "--json").stdout)
    assert shown == p.g.hold(id, p.ann)
    assert p.g.remote_cli(p.bot, "holds", "withdraw", id).returncode == 0
    assert p.state(id) == "withdrawn"
    assert env["GITGATE_TOKEN"] not in p.g.log()


# -- approved, but not upstream yet --


def test_upstream_away_at_approval(p):
    id, new = p.hold()
    away = p.g.upstream.with_suffix(".away")
    p.g.upstream.rename(away)
    assert p.g.review(id, p.ann).status == 200
    until("a try failed", lambda: "event=upstream_failed" in p.g.log() or tries(p, id) > 0, log=p.g.log)
    assert p.state(id) == "approved"
    away.rename(p.g.upstream)
    p.g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("main") == new
    assert p.log_of(id).count("hold.closed:forwarded") == 1
    p.verify()


def tries(p, id):
    import sqlite3

    with sqlite3.connect(f"file:{p.g.state / 'gitgate.db'}?mode=ro", uri=True) as db:
        return db.execute("SELECT attempts FROM hold WHERE id = ?", (id,)).fetchone()[0]


def test_restart_between_approval_and_forward(p):
    id, new = p.hold()
    away = p.g.upstream.with_suffix(".away")
    p.g.upstream.rename(away)
    assert p.g.review(id, p.ann).status == 200
    assert p.state(id) == "approved"
    p.g.kill()
    away.rename(p.g.upstream)
    p.g.start()
    p.g.wait_hold(id, p.ann, "forwarded")
    assert p.upstream("main") == new
    log = p.log_of(id)
    assert log.count("forward.intended") == 1 and log[-1] == "hold.closed:forwarded", log
    p.verify()


def test_words_that_are_no_utf8(p):
    """Bytes from outside stay readable in the log; no field is dropped."""
    new = p.work.commit({"x": "x"}, "bytes")
    body = request_body(p.work, b"refs/heads/\xff", "0" * 40, new)
    answer = StreamedPush(p.g, p.bot, body).read_all()
    assert b"invalid push" in answer
    refused = p.g.audit(p.auditor, type="push.refused")
    assert refused[-1]["reason"].startswith("invalid push")

    hook = p.g.upstream / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes(b"#!/bin/sh\nprintf 'no: \\377\\n' >&2; exit 1\n")
    hook.chmod(0o755)
    # more claims than an entry of the log has room for
    long = [b"agent.prompt%d=" % i + b"\xc3\xa9" * 2000 for i in range(40)]
    options = [b"agent.session=a\xff", *long, b"gitgate.wait=0s"]
    body = request_body(p.work, "refs/heads/main", p.first, new, options)
    answer = StreamedPush(p.g, p.bot, body).read_all()
    assert b"/-/holds/" in answer, answer
    id = answer.split(b"/-/holds/")[1][:26].decode()
    h = p.g.hold(id, p.ann)
    assert h["claimed"]["agent.session"] == "a\ufffd"
    assert h["claimed"]["agent.prompt39"] == "\u00e9" * 2000
    (entry,) = [e for e in p.g.audit(p.auditor, push=h["push"]) if e["type"] == "ref.update"]
    assert entry["claimed"]["agent.session"] == "a\ufffd"
    assert entry["claimed"]["agent.prompt0"] == "\u00e9" * 500
    # a comment as long and as costly as it may be
    assert p.g.review(id, p.ann, comment="\u0001" * 4000).status == 200
    h = p.g.wait_hold(id, p.ann, "failed")
    assert h["outcome"]["refs"][0]["ref"] == "refs/heads/main" and h["outcome"]["refs"][0]["message"]
    assert p.log_of(id)[3:] == ["hold.review:approved", "forward.intended", "forward.result", "hold.closed:failed"]
    p.verify()
