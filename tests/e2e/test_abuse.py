"""Limits on requests and refused credentials: what the refused see, who is
not refused, and when it is over."""

import pytest

import pktline
from gate import PROTECT_MAIN, http, ref, until
from pktline import EMPTY_PACK, FLUSH, ZERO, commands, parse_report
from test_stalled import stalled
from websession import Browserless, token_in

# Behind this "proxy" a test can be any client.
PROXY = {"trusted-proxies": ["127.0.0.1"]}


def as_client(address, token=None):
    h = {"X-Forwarded-For": address}
    if token:
        h["Authorization"] = f"Bearer {token}"
    return h


def limited(g, limit):
    text = http("GET", g.url + "/metrics").text
    return int(text.split(f'gitgate_limited_total{{limit="{limit}"}} ')[1].split()[0])


def retry(a):
    assert a.status == 429, (a.status, a.text)
    seconds = int(a.headers["Retry-After"])
    assert 1 <= seconds <= 900
    return seconds


INFO = "/demo/app.git/info/refs?service=git-receive-pack"


@pytest.fixture
def by_address(make_gate):
    return make_gate(config={**PROXY, "limits": {"requests-per-address": 2}})


def use_up(g, address, token=None, path=INFO, n=2):
    for _ in range(n):
        assert http("GET", g.url + path, headers=as_client(address, token)).status != 429


def test_per_address_in_every_form(by_address):
    g = by_address
    bot = g.token("bot", "agents")
    use_up(g, "192.0.2.1", bot)
    a = http("GET", g.url + INFO, headers=as_client("192.0.2.1", bot))
    # 2 per minute: one every 30 s
    assert retry(a) <= 30
    assert a.headers["Content-Type"].startswith("text/plain")
    assert a.text.startswith("gitgate: limit requests-per-address: too many requests; try again in ")
    a = http("GET", g.url + "/-/api/v1/holds", headers=as_client("192.0.2.1", bot))
    assert retry(a) and a.headers["Content-Type"] == "application/problem+json"
    assert a.json["status"] == 429 and a.json["title"] == "Too many requests"
    assert "requests-per-address" in a.json["detail"]
    a = http("GET", g.url + "/-/login", headers=as_client("192.0.2.1"))
    assert retry(a) and a.headers["Content-Type"].startswith("text/html") and "Too many requests" in a.text
    a = http("POST", g.url + "/-/api/v1/holds/01JD0000000000000000000000/approve", "{}", as_client("192.0.2.1", bot))
    assert retry(a)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert http("GET", g.url + path, headers=as_client("192.0.2.1")).status == 200
    # others are not meant
    assert http("GET", g.url + INFO, headers=as_client("192.0.2.2", bot)).status == 200
    assert limited(g, "requests-per-address") == 4
    g.said("event=limited", 'limit="requests-per-address" who="192.0.2.1"')


def test_ipv6_is_counted_by_64(by_address):
    g = by_address
    for i in range(2):
        assert http("GET", g.url + INFO, headers=as_client(f"2001:db8:1:2::{i:x}")).status == 401
    assert retry(http("GET", g.url + INFO, headers=as_client("2001:db8:1:2:ffff::1")))
    assert http("GET", g.url + INFO, headers=as_client("2001:db8:1:3::1")).status == 401


def test_a_forged_header_helps_nobody(make_gate):
    """Without a trusted proxy the connection's address counts."""
    g = make_gate(config={"limits": {"requests-per-address": 2}})
    said = [http("GET", g.url + INFO, headers=as_client(f"192.0.2.{i}")).status for i in range(6)]
    assert said == [401] * 2 + [429] * 4


def test_a_principal_recovers(make_gate):
    """One every second: the wait that is named is enough."""
    g = make_gate(config={"limits": {"requests-per-principal": 60}})
    bot, other = g.token("bot", "agents"), g.token("other", "agents")

    def ask(token):
        return http("GET", g.url + INFO, headers={"Authorization": f"Bearer {token}"})

    def refused():
        a = ask(bot)
        return a if a.status == 429 else None

    a = until("bot is limited", refused, log=g.log)
    assert retry(a) == 1 and "limit requests-per-principal" in a.text
    # another one from the same address is not meant
    assert ask(other).status == 200
    until("bot recovers", lambda: ask(bot).status == 200)


def test_git_prints_the_reason(make_gate):
    g = make_gate(config={"limits": {"requests-per-principal": 4}})
    bot = g.token("bot", "agents")
    work = g.clone(bot)  # info/refs, two fetch commands
    work.commit({"a": "1"})
    until("limited", lambda: http("GET", g.url + INFO, headers={"Authorization": f"Bearer {bot}"}).status == 429)
    said = "remote: gitgate: limit requests-per-principal: too many requests; try again in "

    def refused(*args):
        p = work.run(*args, check=False)
        return p if said in p.stderr else None

    assert until("a push says it", lambda: refused("push", "origin", "HEAD:refs/heads/x")).returncode != 0
    assert until("a fetch says it", lambda: refused("fetch")).returncode != 0


@pytest.mark.parametrize("limit", ["requests-per-principal", "requests-per-address"])
def test_a_push_begun_is_refused_in_gits_words(make_gate, limit):
    g = make_gate(config={"limits": {limit: 2}})
    bot = g.token("bot", "agents")
    ann = {"Authorization": f"Bearer {bot}"}
    until("limited", lambda: http("GET", g.url + INFO, headers=ann).status == 429)
    new = ref(g.upstream, "refs/heads/main")
    body = commands([(ZERO, new, "refs/heads/x")]) + EMPTY_PACK
    a = pktline.post(g.address, "/demo/app.git/git-receive-pack", body, bot, ())
    assert a.status == 200
    report = parse_report(a.body)
    said = report.text + report.unpack + str(report.refs)
    assert f"limit {limit}: too many requests; try again in " in said, said
    assert ref(g.upstream, "refs/heads/x") is None
    a = pktline.post(g.address, "/demo/app.git/git-upload-pack", FLUSH, bot, (), "application/x-git-upload-pack-request")
    assert a.status == 200 and b"ERR gitgate: limit " + limit.encode() in a.body


def test_refused_credentials(make_gate):
    g = make_gate(config={**PROXY, "limits": {"failed-auth": 3}})
    bot = g.token("bot", "agents")
    bad = bot[:-1] + ("a" if bot[-1] != "a" else "b")
    for _ in range(3):
        assert http("GET", g.url + INFO, headers=as_client("192.0.2.1", bad)).status == 403
    a = http("GET", g.url + INFO, headers=as_client("192.0.2.1", bad))
    # 3 in 15 minutes: one in 300 s
    assert 290 <= retry(a) <= 300
    assert "limit failed-auth: not a token of this gate; and too many credentials" in a.text
    a = http("GET", g.url + "/-/api/v1/holds", headers=as_client("192.0.2.1", bad))
    assert retry(a) and a.json["status"] == 429
    # good ones of that address go through, and none at all are still asked for
    assert http("GET", g.url + INFO, headers=as_client("192.0.2.1", bot)).status == 200
    assert http("GET", g.url + INFO, headers=as_client("192.0.2.1")).status == 401
    assert http("GET", g.url + INFO, headers=as_client("192.0.2.2", bad)).status == 403
    assert limited(g, "failed-auth") == 2


def test_sign_in_says_when(make_gate):
    g = make_gate(config={"limits": {"sign-in-tries": 2}})
    b = Browserless(g)
    csrf = token_in(b.get("/-/login").text)
    said = [b.post("/-/login", csrf=csrf, user="ann", password="wrong") for _ in range(3)]
    assert [a.status for a in said] == [403, 403, 429]
    assert retry(said[2]) <= 900


def test_limits_off_and_reload(make_gate):
    g = make_gate(config={"limits": {"requests-per-address": 2, "requests-per-principal": 0, "failed-auth": 0}})
    until("limited", lambda: http("GET", g.url + INFO).status == 429)
    g.config["limits"]["requests-per-address"] = 0
    assert g.reload()
    assert {http("GET", g.url + INFO, headers={"Authorization": "Bearer nonsense"}).status for _ in range(30)} == {403}


def test_full_gate_says_so_before_the_pack(make_gate):
    """info/refs: 429 with Retry-After while a principal's pushes are in hand."""
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"concurrent-pushes-per-principal": 1}})
    bot, other = g.token("bot", "agents"), g.token("other", "agents")
    work = g.clone(bot)
    work.commit({"a": "1"})
    with stalled(g, bot):
        until("it is in hand", lambda: http("GET", g.url + INFO, headers={"Authorization": f"Bearer {bot}"}).status == 429)
        a = http("GET", g.url + INFO, headers={"Authorization": f"Bearer {bot}"})
        assert retry(a) == 10 and "limit concurrent-pushes-per-principal" in a.text
        p = work.run("push", "origin", "HEAD:refs/heads/x", check=False)
        assert p.returncode != 0 and "remote: gitgate: limit concurrent-pushes-per-principal" in p.stderr
        assert http("GET", g.url + INFO, headers={"Authorization": f"Bearer {other}"}).status == 200
        # one that came from an earlier info/refs hears it in git's words
        body = commands([(ZERO, ref(g.upstream, "refs/heads/main"), "refs/heads/y")]) + EMPTY_PACK
        a = pktline.post(g.address, "/demo/app.git/git-receive-pack", body, bot, ())
        assert a.status == 200 and "limit concurrent-pushes-per-principal" in parse_report(a.body).refs["refs/heads/y"]
    until("its place is free", lambda: http("GET", g.url + INFO, headers={"Authorization": f"Bearer {bot}"}).status == 200)
    work.push("HEAD:refs/heads/x", ok=True)
