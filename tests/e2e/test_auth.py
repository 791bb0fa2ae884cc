"""Who pushes and fetches: tokens as git sends them, and what git then shows."""

import base64

import pytest

import pktline
from gate import ACCESS, Gate, Git, contents_below, http, make_upstream, ref, until

PATH = "/a/b.git/info/refs?service=git-upload-pack"
READERS = {"principals": {"groups": ["readers"]}, "repositories": ["a/*"], "allow": ["fetch"]}


class Place:
    def __init__(self, gate, root, bare):
        self.gate, self.root, self.bare = gate, root, bare
        self.good = gate.token("bot", "agents")
        self.reader = gate.token("reader", "readers")
        self.revoked = gate.token("gone", "agents")
        gate.cli("token", "revoke", "gone")
        self.expired = gate.cli("token", "create", "late", "--group", "agents", "--expires", "1s").stdout.strip()
        until("it has expired", lambda: pktline.get(gate.address, PATH, self.expired).status == 401)
        self.unknown = self.good[:-4] + "AAAA"

    def git(self, *args, at="", config=(), **kw):
        flags = [x for c in config for x in ("-c", c)]
        return Git(self.root, self.gate.home).run(*flags, *args, f"http://{at}{self.gate.address}/a/b.git", check=False, **kw)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("auth")
    bare = make_upstream(root / "up.git", {"a": "1"})
    with Gate(root, repositories=[{"path": "a/b", "upstream": str(bare)}], access=[*ACCESS, READERS]) as gate:
        yield Place(gate, root, bare)


@pytest.mark.parametrize("user", ["x", "bot", "x-access-token", "oauth2", "", "a%20b", "%C3%BC"])
def test_basic_with_any_name(place, user):
    p = place.git("ls-remote", at=f"{user}:{place.good}@")
    assert p.returncode == 0 and ref(place.bare, "main") in p.stdout, p.stderr


@pytest.mark.parametrize("header", ["Authorization: Bearer {}", "AUTHORIZATION: bearer {}", "authorization: BEARER {}"])
def test_bearer_by_extra_header(place, header):
    p = place.git("ls-remote", config=["http.extraHeader=" + header.format(place.good)])
    assert p.returncode == 0, p.stderr


def test_basic_by_extra_header_as_ci_does(place):
    text = base64.b64encode(f"x-access-token:{place.good}".encode()).decode()
    p = place.git("ls-remote", config=[f"http.extraHeader=AUTHORIZATION: basic {text}"])
    assert p.returncode == 0, p.stderr


def test_credential_helper(place):
    helper = f"!f() {{ test \"$1\" = get && echo username=bot && echo password={place.good}; }}; f"
    p = place.git("ls-remote", config=[f"credential.helper={helper}"])
    assert p.returncode == 0, p.stderr


REFUSED = [("unknown", "not a token of this gate"), ("expired", "this token is expired"), ("revoked", "this token is revoked")]


@pytest.mark.parametrize("which,text", REFUSED)
def test_refused_in_the_address(place, which, text):
    """401: git shows the words and forgets the credential."""
    token = getattr(place, which)
    p = place.git("ls-remote", at=f"x:{token}@")
    assert p.returncode == 128
    assert f"remote: gitgate: {text}" in p.stderr and "Authentication failed" in p.stderr, p.stderr
    a = pktline.get(place.gate.address, PATH, token)
    assert a.status == 401 and a.headers["www-authenticate"].startswith("Basic realm=")
    assert a.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("which,text", REFUSED)
def test_refused_bearer(place, which, text):
    """403: after a 401 git would ask for a name and hide the words."""
    p = place.git("ls-remote", config=[f"http.extraHeader=Authorization: Bearer {getattr(place, which)}"])
    assert p.returncode == 128
    assert f"remote: gitgate: {text}" in p.stderr and "The requested URL returned error: 403" in p.stderr, p.stderr
    assert "could not read Username" not in p.stderr


@pytest.mark.parametrize("which,text", REFUSED)
def test_refused_push(place, which, text):
    """The second request of a push is checked like the first."""
    token = getattr(place, which)
    a = pktline.get(place.gate.address, "/a/b.git/info/refs?service=git-receive-pack", token)
    assert a.status == 401 and text in a.text
    a = pktline.post(place.gate.address, "/a/b.git/git-receive-pack", b"0000", token)
    assert a.status == 401 and text in a.text
    a = pktline.post(place.gate.address, "/a/b.git/git-receive-pack", b"0000", None, [("Authorization", f"Bearer {token}")])
    assert a.status == 403 and text in a.text


def test_revoked_at_once(place):
    token = place.gate.token("brief", "agents")
    assert pktline.get(place.gate.address, PATH, token).status == 200
    place.gate.cli("token", "revoke", "brief")
    assert pktline.get(place.gate.address, PATH, token).status == 401


def test_without_a_credential(place):
    p = place.git("ls-remote")
    assert p.returncode == 128 and "could not read Username" in p.stderr
    p = place.git("ls-remote", config=["http.extraHeader=X-Other: 1"])
    assert p.returncode == 128 and "could not read Username" in p.stderr


def test_two_credentials(place):
    headers = [f"http.extraHeader=Authorization: Bearer {place.good}", f"http.extraHeader=Authorization: Bearer {place.unknown}"]
    p = place.git("ls-remote", config=headers)
    assert p.returncode == 128 and "remote: gitgate: two Authorization headers" in p.stderr, p.stderr
    both = [("Authorization", f"Bearer {place.good}"), ("authorization", pktline.basic(place.good))]
    a = pktline.get(place.gate.address, PATH, None, both)
    assert a.status == 400 and a.text.startswith("gitgate: two Authorization headers")


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Bearer", "Bearer a b", "Basic " + "QQ==", "Basic " + "A" * 20000])
def test_malformed_headers(place, value):
    a = pktline.get(place.gate.address, PATH, None, [("Authorization", value)])
    assert a.status in (400, 401, 403), (value[:30], a.status)
    assert a.headers["content-type"].startswith("text/plain")


def test_may_fetch_but_not_push(place):
    p = place.git("ls-remote", at=f"x:{place.reader}@")
    assert p.returncode == 0, p.stderr
    a = pktline.get(place.gate.address, "/a/b.git/info/refs?service=git-receive-pack", place.reader)
    assert a.status == 403 and a.text == "gitgate: reader may not push to this repository\n"
    work = place.gate.clone(place.reader, "a/b")
    work.commit({"b": "1"})
    p = work.run("push", "origin", "HEAD:refs/heads/x", check=False)
    assert p.returncode == 128 and "remote: gitgate: reader may not push to this repository" in p.stderr, p.stderr
    assert ref(place.bare, "refs/heads/x") is None


def test_tokens_are_in_no_log_and_on_no_disk(place):
    """After all of the above: neither what was good nor what was refused."""
    work = place.gate.clone(place.good, "a/b")
    work.commit({"c": "1"})
    work.push("HEAD:refs/heads/y", ok=True)
    http("GET", place.gate.url + "/-/api/v1/holds", headers={"Authorization": f"Bearer {place.good}"})
    tokens = [place.good, place.reader, place.revoked, place.expired, place.unknown]
    encoded = [pktline.basic(t).split()[1] for t in tokens]
    place.gate.said("auth_failed")
    for file, text in [(place.gate.log_file, place.gate.log_file.read_bytes()), *contents_below(place.gate.state)]:
        for secret in [*tokens, *encoded]:
            assert secret.encode() not in text, file
