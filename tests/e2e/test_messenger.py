"""The messenger's executable against issuers that are honest, slow, lying and
hostile: where it goes, where it does not, what it says."""

import base64
import os
import socket
import urllib.parse
from pathlib import Path

import pytest

import courier_frames as cf
import messenger_frames as mf
import processes
from gate import SANITIZED, until
from issuer import DISCOVERY, JWKS, Authority, Issuer
from messenger_frames import ISSUER, PROVIDER, TOKEN, Failed, Messenger

LANDLOCK = Path("/sys/kernel/security/lsm").exists() and "landlock" in Path("/sys/kernel/security/lsm").read_text()


@pytest.fixture
def issuer():
    with Issuer() as i:
        yield i


@pytest.fixture
def messenger(tmp_path, issuer):
    with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": issuer.url}]) as m:
        yield m


def refused(m, code, *args, **kw):
    with pytest.raises(Failed) as e:
        m.run(*args, **kw)
    assert e.value.code == code, e.value
    return e.value.message


def test_a_document_is_fetched(messenger, issuer):
    issuer.headers = {"Cache-Control": "public, max-age=1234", "Retry-After": "77"}
    got = messenger.run(ISSUER, "ci", issuer.url + DISCOVERY)
    assert (got.status, got.max_age, got.retry_after) == (200, 1234, 77)
    assert issuer.url.encode() in got.body


def test_a_status_is_an_answer(messenger, issuer):
    assert messenger.run(ISSUER, "ci", issuer.url + "/nothing").status == 404


def test_an_unknown_name_is_refused(messenger, issuer):
    refused(messenger, mf.NOTFOUND, ISSUER, "other", issuer.url + DISCOVERY)
    refused(messenger, mf.NOTFOUND, PROVIDER, "ci", issuer.url + DISCOVERY)
    assert issuer.asked == 0


def test_redirects_are_not_followed(messenger, issuer):
    with Issuer() as other:
        issuer.jwks = (302, {"Location": other.url + JWKS}, b"")
        assert messenger.run(ISSUER, "ci", issuer.url + JWKS).status == 302
        assert other.asked == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{other}/jwks",
        "http://127.0.0.1:{other}/jwks",
        "http://localhost:{own}/jwks",
        "https://localhost:{other}/jwks",
        "https://[::1]:{other}/jwks",
        "https://[::ffff:127.0.0.1]:{other}/jwks",
        "https://0x7f000001:{other}/jwks",
        "https://2130706433:{other}/jwks",
        "https://127.1:{other}/jwks",
        "https://0.0.0.0:{other}/jwks",
        "https://169.254.169.254/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://192.168.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "http://example.com/jwks",
        "ftp://127.0.0.1:{other}/jwks",
        "gopher://127.0.0.1:{other}/jwks",
    ],
)
def test_a_document_cannot_send_us_inside(messenger, issuer, url):
    with Issuer() as other:
        refused(messenger, mf.REFUSED, ISSUER, "ci", url.format(other=other.port, own=issuer.port))
        assert other.asked == 0 and issuer.asked == 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", "jwks", "https://", "https://u:p@127.0.0.1/", "https://a b/", "https://x\r\nHost: y/", "//127.0.0.1/"])
def test_what_is_no_url(messenger, url):
    with pytest.raises(Failed) as e:
        messenger.run(ISSUER, "ci", url)
    assert e.value.code in (mf.INPUT, mf.REFUSED, mf.NOTFOUND)


def test_a_kept_connection_serves_nobody_else(tmp_path, issuer):
    """One issuer may name a loopback place; another's document may not lead
    to the connection that was made there."""
    with Issuer(Authority(tmp_path / "ca")) as inside:
        ca = inside.tls.ca_file
        issuers = [{"name": "own", "issuer": inside.url, "ca_file": ca}, {"name": "ci", "issuer": issuer.url, "ca_file": ca}]
        with Messenger(tmp_path, issuers=issuers) as m:
            assert m.run(ISSUER, "own", inside.url + JWKS).status == 200
            refused(m, mf.REFUSED, ISSUER, "ci", inside.url + JWKS)
            assert m.run(ISSUER, "own", inside.url + JWKS).status == 200
            assert inside.count[JWKS] == 2


def test_an_answer_that_is_too_large(tmp_path, issuer):
    with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": issuer.url}], messenger_bytes=5000) as m:
        issuer.jwks = b" " * 5000
        assert len(m.run(ISSUER, "ci", issuer.url + JWKS).body) == 5000
        issuer.jwks = b" " * 5001
        assert "messenger-answer" in refused(m, mf.LIMIT, ISSUER, "ci", issuer.url + JWKS)


def test_a_slow_issuer_costs_only_its_own(tmp_path, issuer):
    with Issuer() as slow:
        issuers = [{"name": "ci", "issuer": issuer.url}, {"name": "slow", "issuer": slow.url}]
        with Messenger(tmp_path, issuers=issuers, messenger_ms=120000) as m:
            slow.hold()
            waits = [m.ask(ISSUER, "slow", slow.url + JWKS) for _ in range(5)]
            until("all are asked", lambda: slow.count[JWKS] == 5)
            assert m.run(ISSUER, "ci", issuer.url + JWKS).status == 200
            slow.release()
            assert [m.answer(w).status for w in waits] == [200] * 5


def test_an_answer_that_is_too_late(tmp_path, issuer):
    with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": issuer.url}], messenger_ms=500) as m:
        issuer.hold()
        assert "messenger-timeout" in refused(m, mf.LIMIT, ISSUER, "ci", issuer.url + JWKS)


def test_no_more_errands_than_the_limit(tmp_path, issuer):
    with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": issuer.url}], errands=3) as m:
        issuer.hold()
        waits = [m.ask(ISSUER, "ci", issuer.url + JWKS) for _ in range(3)]
        assert "limit errands" in refused(m, mf.LIMIT, ISSUER, "ci", issuer.url + JWKS)
        issuer.release()
        assert [m.answer(w).status for w in waits] == [200] * 3


def test_tls_is_verified(tmp_path):
    good, bad = Authority(tmp_path / "good"), Authority(tmp_path / "bad")
    with Issuer(good) as i:
        for ca in (bad.ca_file, None):
            with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": i.url, "ca_file": ca}]) as m:
                refused(m, mf.UNAVAILABLE, ISSUER, "ci", i.url + JWKS)
        assert i.asked == 0
    with Issuer(Authority(tmp_path / "name", "other.example")) as i:
        with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": i.url, "ca_file": i.tls.ca_file}]) as m:
            refused(m, mf.UNAVAILABLE, ISSUER, "ci", i.url + JWKS)


def test_nobody_there(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": url}]) as m:
            refused(m, mf.UNAVAILABLE, ISSUER, "ci", url + JWKS)
            assert "event=errand_failed" in m.log.read_text()


def test_a_token_request_carries_the_clients_secret(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3:cr et&+\n")
    secret.chmod(0o600)
    seen = []

    def token(method, path, headers, body):
        seen.append((method, headers, body))
        return 200, {}, b"{}"

    with Issuer() as i:
        i.extra = token
        providers = [
            {"name": "secret", "issuer": i.url, "client_id": "an id", "client_secret_file": secret},
            {"name": "public", "issuer": i.url, "client_id": "an id"},
        ]
        form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": "c"}).encode()
        with Messenger(tmp_path, providers=providers) as m:
            assert m.run(TOKEN, "secret", i.url + "/token", form).status == 200
            # a new secret counts without anything being told
            secret.write_text("second\n")
            assert m.run(TOKEN, "secret", i.url + "/token", form).status == 200
            assert m.run(TOKEN, "public", i.url + "/token", form).status == 200
            log = m.log.read_text()
    assert [s[0] for s in seen] == ["POST"] * 3
    assert {s[1]["Content-Type"] for s in seen} == {"application/x-www-form-urlencoded"}
    basic = [base64.b64decode(s[1]["Authorization"].split()[1]).decode() for s in seen[:2]]
    assert basic == ["an+id:s3%3Acr+et%26%2B", "an+id:second"]
    assert seen[0][2] == form
    assert seen[2][1]["Authorization"] is None and seen[2][2] == form + b"&client_id=an+id"
    assert "s3:" not in log and "second" not in log


def test_a_secret_that_others_can_read_is_not_used(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    secret.chmod(0o644)
    with Issuer() as i, Messenger(tmp_path, providers=[{"name": "p", "issuer": i.url, "client_id": "c", "client_secret_file": secret}]) as m:
        refused(m, mf.INPUT, TOKEN, "p", i.url + "/token", b"a=b")
        assert i.asked == 0


def test_answers_go_to_who_asked(messenger, issuer):
    """A gate that died gets nothing; its successor's first request is
    another one, with the same number."""
    issuer.hold()
    messenger.ask(ISSUER, "ci", issuer.url + JWKS)
    until("it was asked", lambda: issuer.asked == 1)
    messenger.new_gate()
    messenger.ident = 0
    issuer.release()
    got = messenger.run(ISSUER, "ci", issuer.url + DISCOVERY)
    assert b"jwks_uri" in got.body


def test_a_new_config_counts_at_once(messenger, issuer):
    with Issuer() as other:
        messenger.configure(issuers=[{"name": "two", "issuer": other.url}])
        assert messenger.run(ISSUER, "two", other.url + JWKS).status == 200
        refused(messenger, mf.NOTFOUND, ISSUER, "ci", issuer.url + JWKS)


@pytest.mark.skipif(not LANDLOCK, reason="this kernel has no Landlock")
def test_other_files_need_other_walls(tmp_path, issuer):
    """What it was asked before is answered first."""
    with Messenger(tmp_path, issuers=[{"name": "ci", "issuer": issuer.url}]) as m:
        issuer.hold()
        waits = m.ask(ISSUER, "ci", issuer.url + JWKS)
        until("it was asked", lambda: issuer.asked == 1)
        ca = Authority(tmp_path / "ca").ca_file
        m.configure(issuers=[{"name": "ci", "issuer": issuer.url, "ca_file": ca}])
        issuer.release()
        assert m.answer(waits).status == 200
        assert m.process.wait(60) == 75


@pytest.mark.skipif(os.geteuid() != 0, reason="it is not dumpable: only root may look at it")
def test_it_is_behind_walls_and_listens_on_nothing(messenger, issuer):
    assert messenger.run(ISSUER, "ci", issuer.url + JWKS).status == 200
    proc = Path("/proc") / str(messenger.process.pid)
    status = dict(x.split(":\t", 1) for x in (proc / "status").read_text().splitlines() if ":\t" in x)
    assert status["NoNewPrivs"] == "1"
    if not SANITIZED:
        assert status["Seccomp"] == "2"
    listening = {x.split()[9] for x in Path("/proc/net/tcp").read_text().splitlines()[1:] if x.split()[3] == "0A"}
    mine = {x[8:-1] for x in processes.descriptors(messenger.process.pid).values() if x.startswith("socket:[")}
    assert mine and not mine & listening


@pytest.mark.parametrize("body", [b"", cf.u8(9) + cf.blob("") * 4, cf.u8(0) + cf.blob("ci")])
def test_a_gate_that_breaks_the_protocol_is_left(messenger, issuer, body):
    fd = cf.memfile(b"")
    cf.send(messenger.gate, "ERRAND", 1, body, [fd])
    os.close(fd)
    assert cf.receive(messenger.gate) is None
    messenger.new_gate()
    assert messenger.run(ISSUER, "ci", issuer.url + JWKS).status == 200


def test_it_ends_with_its_supervisor(messenger, issuer):
    issuer.hold()
    messenger.ask(ISSUER, "ci", issuer.url + JWKS)
    until("it was asked", lambda: issuer.asked == 1)
    messenger.parent.close()
    assert messenger.process.wait(60) == 0
    issuer.release()


def test_it_ends_when_told_to(messenger, issuer):
    issuer.hold()
    messenger.ask(ISSUER, "ci", issuer.url + JWKS)
    until("it was asked", lambda: issuer.asked == 1)
    cf.send(messenger.parent, "MESSENGER_SHUTDOWN", body=cf.u32(60000))
    assert messenger.process.wait(60) == 0
    issuer.release()
