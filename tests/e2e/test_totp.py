"""Local accounts with one-time codes: asked for, used once, counted, and set
up at the first sign-in where the gate wants them of everybody."""

import base64
import hashlib
import hmac
import html
import json
import os
import pty
import re
import struct
import subprocess
import time

import idp
import pytest
from gate import PROTECT_MAIN, http, until
from websession import Browserless, token_in

STEP = 30


def code(secret, step):
    """RFC 6238, written again here."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"


def now():
    return int(time.time()) // STEP


def wrong(secret):
    """A code of none of the steps that could count in this test."""
    near = {code(secret, now() + d) for d in range(-5, 40)}
    return next(c for c in (f"{n:06d}" for n in range(1000)) if c not in near)


def modules_of_svg(page):
    """The picture of a page's QR code, "1" for each dark module."""
    svg = page.split('<svg class="qr"')[1].split("</svg>")[0]
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", svg)}
    return ["".join("1" if (x, y) in dark else "0" for x in range(size)) for y in range(size)]


def modules_of_terminal(text):
    """The same of block characters, on which dark is what is not drawn."""
    halves = {"█": "00", "▄": "10", "▀": "01", " ": "11"}
    lines = [x for x in text.splitlines() if x and set(x) <= set(halves)]
    rows = ["".join(halves[c][half] for c in line) for line in lines for half in (0, 1)]
    return rows[: len(lines[0])]


class Person(Browserless):
    """Signs in step by step."""

    def password(self, user="ann", password="a long password", next=None):
        form = self.get("/-/login" + (f"?next={next}" if next else ""))
        self.page = self.post("/-/login", csrf=token_in(form.text), user=user, password=password, next=next)
        return self.page

    def field(self, name):
        return self.page.text.split(f'name="{name}" value="')[1].split('"')[0]

    def code(self, code, **more):
        fields = {"csrf": token_in(self.page.text), "step": self.field("step"), "next": self.field("next"), **more}
        self.page = self.post("/-/login", code=code, **fields)
        return self.page

    @property
    def is_in(self):
        return self.get("/-/holds").status == 200


@pytest.fixture
def ann(g):
    g.user("ann", "a long password", "maintainers")
    said = g.cli("user", "totp", "ann").stdout
    key, uri = said.splitlines()
    secret = key.removeprefix("key: ")
    assert uri.startswith("otpauth://totp/") and f"secret={secret}" in uri and ":ann?" in uri
    return secret


def test_code_is_asked_for_and_used_once(g, ann):
    p = Person(g)
    a = p.password(next="/-/pushes")
    assert a.status == 200 and 'autocomplete="one-time-code"' in a.text
    assert ann not in a.text and not p.is_in, "a password alone opens nothing"
    first = now()
    a = p.code(code(ann, first))
    assert a.status == 303 and a.headers["Location"] == "/-/pushes" and p.is_in
    # the same code again, within its time: seen over a shoulder
    thief = Person(g)
    thief.password()
    a = thief.code(code(ann, first))
    assert a.status == 403 and "used already" in a.text and not thief.is_in
    # and one from before it
    a = thief.code(code(ann, first - 1))
    assert a.status == 403 and not thief.is_in
    a = thief.code(code(ann, now() + 1)[:3] + " " + code(ann, now() + 1)[3:])
    assert a.status == 303 and thief.is_in, "a clock that is ahead, and a blank"
    audit = g.audit(g.token("aud", "auditors"))
    kinds = [e["type"] for e in audit if e["type"].startswith("session.")]
    assert kinds == ["session.login", "session.failure", "session.failure", "session.login"]


    def noted():
        acts = g.cli("audit", "query", "--type", "admin.user.totp", "--json").stdout
        return acts if '"subject": "ann"' in acts else None

    acts = until("the administrator's act is in the log", noted)
    assert ann not in str(audit) + acts and ann not in g.log()


def test_step_is_one_browsers_and_one_time(g, ann):
    p = Person(g)
    p.password()
    other = Person(g)
    other.password()
    # a step that another browser began
    step = p.field("step")
    a = other.code(code(ann, now()), step=step)
    assert a.status == 403 and not other.is_in
    # the form is not ours
    assert p.code(code(ann, now()), csrf="x" * 43).status == 403 and not p.is_in
    p.password()
    step = p.field("step")
    assert p.code(wrong(ann)).status == 403
    assert p.field("step") != step
    a = p.code(code(ann, now()), step=step)
    assert a.status == 403 and not p.is_in, "a step that is over"
    assert p.post("/-/login", csrf=token_in(a.text), step="nonsense", code="1").status == 403


def test_password_changed_between_the_steps(g, ann):
    p = Person(g)
    p.password()
    g.cli("user", "passwd", "ann", "--password-stdin", input="another long password\n")
    assert p.code(code(ann, now())).status == 403 and not p.is_in
    p.password(password="another long password")
    g.cli("user", "remove", "ann")
    assert p.code(code(ann, now())).status == 403 and not p.is_in


def test_wrong_codes_are_counted(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"sign-in-tries": 4}})
    g.user("ann", "a long password", "maintainers")
    secret = g.cli("user", "totp", "ann", "--json").stdout.split('"secret": "')[1].split('"')[0]
    p = Person(g)
    p.password()
    for _ in range(3):
        assert p.code(wrong(secret)).status == 403
    again = {"csrf": token_in(p.page.text), "step": p.field("step")}
    assert p.code(wrong(secret)).status == 429
    # the right one is too late now, and so is a new beginning
    assert p.post("/-/login", code=code(secret, now()), **again).status in (403, 429)
    assert http("GET", g.url + "/-/login").status == 200
    fresh = Person(g)
    form = fresh.get("/-/login")
    a = fresh.post("/-/login", csrf=token_in(form.text), user="ann", password="a long password")
    assert a.status == 429 and not fresh.is_in and not p.is_in


def test_removing(g, ann):
    p = Person(g)
    p.password()
    assert p.code(code(ann, now())).status == 303 and p.is_in
    assert [u["totp"] for u in json.loads(g.cli("user", "list", "--json").stdout)["users"]] == [True]
    g.cli("user", "totp", "ann", "--remove")
    assert not p.is_in, "its sessions have ended"
    assert p.password().status == 303 and p.is_in, "no code is asked for"
    assert g.cli("user", "totp", "nobody", check=False).returncode == 1


def test_keys_are_qr_codes(make_gate):
    """On the page that sets codes up, and on a terminal, never in a pipe."""
    g = make_gate(rules=[PROTECT_MAIN], config={"identity": {"totp": "required"}})
    g.user("ann", "a long password", "maintainers")
    page = Person(g).password().text
    uri = html.unescape(page.split('id="otpauth" href="')[1].split('"')[0])
    outside, inside = pty.openpty()
    args = [str(g.bin / "gitgate"), "--config", str(g.config_file), "user", "totp", "ann"]
    p = subprocess.Popen(args, stdout=inside, stdin=subprocess.DEVNULL)
    os.close(inside)
    said = b""
    while True:
        try:
            part = os.read(outside, 65536)
        except OSError:  # the last one has closed its end
            part = b""
        if not part:
            break
        said += part
    os.close(outside)
    assert p.wait(60) == 0
    text = said.decode().replace("\r\n", "\n")
    with idp.qr_reader() as reader:
        assert reader.ask("read", rows=modules_of_svg(page)) == uri
        assert reader.ask("read", rows=modules_of_terminal(text)) == text.splitlines()[1]
    assert "█" not in g.cli("user", "totp", "ann").stdout


def test_required_codes_are_set_up_at_the_first_sign_in(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"identity": {"totp": "required"}})
    g.user("ann", "a long password", "maintainers")
    p = Person(g)
    a = p.password(next="/-/audit")
    assert a.status == 200 and "Set up one-time codes" in a.text and not p.is_in
    secret = a.text.split('<code id="secret">')[1].split("</code>")[0].replace(" ", "")
    assert f"secret={secret}&" in html.unescape(a.text) and len(secret) == 32
    a = p.code(wrong(secret))
    assert a.status == 403 and secret in a.text.replace(" ", ""), "the same key, once more"
    # two begin at once: the first one that shows a code is the account's
    other = Person(g)
    theirs = other.password().text.split('<code id="secret">')[1].split("</code>")[0].replace(" ", "")
    assert theirs != secret
    used = now()
    a = p.code(code(secret, used))
    assert a.status == 303 and a.headers["Location"] == "/-/audit" and p.is_in
    assert other.code(code(theirs, now())).status == 403 and not other.is_in
    # from now on it is asked for, and what set it up is used
    q = Person(g)
    a = q.password()
    assert "Your code" in a.text and secret not in a.text
    assert q.code(code(secret, used)).status == 403
    assert q.code(code(secret, max(used + 1, now()))).status == 303 and q.is_in
    types = [e["type"] for e in g.audit(g.token("aud", "auditors"))]
    assert types.count("account.totp") == 1
    assert secret not in g.log()
