"""The pages as a reviewer's browser shows them, and as an attacker asks for
them: headless Chromium for what only a browser can tell, plain HTTP for the
rest."""

import os
import re
import urllib.parse

import pytest

from chromium import PASSWORD, By, decide, fresh, in_all_sizes, injected, make_browser, open_all, press, sign_in, text_of
from gate import PROTECT_MAIN, Gate, hold_id, http, ref, until
from websession import Browserless, token_in


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    """One gate for the module; its links are links to itself."""
    with Gate(tmp_path_factory.mktemp("web"), rules=[HOLD_ALL]) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        for name, groups in (("ann", ["maintainers", "auditors"]), ("bob", ["maintainers"]), ("zoe", ["strangers"])):
            gate.user(name, PASSWORD, *groups)
        gate.bot_token = gate.token("bot", "agents")
        gate.ann_token = gate.token("ann", "maintainers", "auditors")
        yield gate


HOLD_ALL = {**PROTECT_MAIN, "name": "look-at-all", "when": {"refs": ["refs/**"]}, "message": "Somebody has to look."}


def push_held(g, files=None, branch="main", message="change", options=()):
    """Push to a held branch from a fresh clone; (link, id, commit, clone)."""
    work = g.clone(g.bot_token)
    new = work.commit(files or {"f.txt": "one\n"}, message)
    args = [x for o in options for x in ("-o", o)]
    held = work.push(*args, f"HEAD:refs/heads/{branch}", ok=False)
    link = re.search(r"remote: review: (\S+)", held.stderr).group(1)
    return link, hold_id(held), new, work


# -- the reviewer's way --


def test_from_the_link_to_upstream(g, browser):
    link, id, new, _ = push_held(
        g, {"README": "hello\nworld\n", "new/file.c": "int x;\n"}, message="Say more\n\nBecause it was too short."
    )
    fresh(browser, g)
    browser.get(link)
    assert urllib.parse.unquote(browser.current_url) == f"{g.url}/-/login?next=/-/holds/{id}"
    sign_in(browser)
    assert browser.current_url == link
    text = text_of(browser)
    for word in (
        "demo/app", "pending", "bot", "refs/heads/main", "look-at-all", "Somebody has to look.", "maintainers",
        "Say more", "Because it was too short.", "Ada Agent", "ada@agents.example", new, "README", "new/file.c",
    ):  # fmt: skip
        assert word in text, word
    added = [e.text for e in browser.find_elements(By.CSS_SELECTOR, ".diff tr.add")]
    assert any("world" in t for t in added) and any("int x;" in t for t in added), added
    assert not browser.find_elements(By.CSS_SELECTOR, ".diff tr.del")
    decide(browser, "approve", "good words")
    assert browser.current_url == link
    g.wait_hold(id, g.ann_token, "forwarded")
    assert ref(g.upstream, "refs/heads/main") == new
    # without a reload by hand
    until("the page follows", lambda: "Upstream has it." in text_of(browser))
    assert "forwarded" in browser.find_element(By.TAG_NAME, "h1").text
    assert "good words" in text_of(browser)


def test_rejecting_without_scripts(g, tmp_path):
    link, id, new, work = push_held(g, {"README": "goodbye\n"}, branch="noscript")
    b = make_browser(tmp_path / "profile", scripts=False)
    try:
        b.get(link)
        sign_in(b, "bob")
        assert b.current_url == link
        lines = [e.text for e in b.find_elements(By.CSS_SELECTOR, ".diff tr.add, .diff tr.del")]
        assert any("goodbye" in t for t in lines) and any("hello" in t for t in lines), lines
        # a new branch is shown against where it left HEAD, not against nothing
        assert "(nothing)" not in text_of(b)
        assert len(b.find_elements(By.CSS_SELECTOR, ".file")) == 1, "one commit, shown once"
        decide(b, "reject", "not like this")
        assert b.current_url == link
        text = text_of(b)
        assert "rejected" in text and "rejected by bob: not like this" in text
        assert not b.find_elements(By.CSS_SELECTOR, "button[formaction$='/approve']")
        assert b.get_cookie("gitgate-session")["httpOnly"]
        press(b, b.find_element(By.CSS_SELECTOR, "form[action='/-/logout'] button"))
        assert b.current_url == g.url + "/-/login"
        b.get(link)
        assert "/-/login?next=" in b.current_url
    finally:
        b.quit()
    h = g.hold(id, g.ann_token)
    assert h["state"] == "rejected"
    assert ref(g.upstream, "refs/heads/noscript") is None


EVIL = "<img src=x onerror=window.__xss=1>"
EVIL_REF = "evil/<svg/onload=window.__xss=1>\"'&lt;"
EVIL_PATH = "<script>window.__xss=1</script>"


def push_evil(g):
    """A push in which every text that a page shows is hostile."""
    work = g.clone(g.bot_token)
    (work.path / EVIL_PATH.split("/")[0]).mkdir()
    (work.path / EVIL_PATH).write_text(f"{EVIL}\n<script>window.__xss=1</script>\n</td></tr></table>{EVIL}\n")
    (work.path / f"{EVIL}.txt").write_text(EVIL)
    (work.path / "to").symlink_to(f"/etc/{EVIL}")
    work.run("add", "-A")
    tree = work.out("write-tree")
    person = '" onmouseover="window.__xss=1" x=" <evil@x"\'> 1700000000 +0000'
    commit = f"tree {tree}\nparent {work.head()}\nauthor {person}\ncommitter {person}\n\n{EVIL}\n\n</pre>{EVIL}\n"
    new = work.out("hash-object", "-t", "commit", "-w", "--stdin", input=commit)
    held = work.push(
        "-o", f"agent.session={EVIL}", "-o", f"agent.<b>{EVIL}=x",
        f"{new}:refs/heads/{EVIL_REF}", env={"GIT_HTTP_USER_AGENT": f"git/2.0 {EVIL}"}, ok=False,
    )  # fmt: skip
    return held, new


def test_nothing_hostile_becomes_markup(g, browser):
    held, new = push_evil(g)
    id = hold_id(held)
    push = g.hold(id, g.ann_token)["push"]
    fresh(browser, g)
    sign_in(browser)
    for path in ("/-/holds", f"/-/holds/{id}", "/-/pushes", f"/-/pushes/{push}", f"/-/audit?push={push}",
                 f"/-/audit?repository={urllib.parse.quote(EVIL)}&type=%22%3E{urllib.parse.quote(EVIL)}",
                 f"/-/holds?state={urllib.parse.quote(EVIL)}", f"/-/nothing/{urllib.parse.quote(EVIL)}"):  # fmt: skip
        browser.get(g.url + path)
        assert injected(browser) == [], path
    browser.get(f"{g.url}/-/holds/{id}")
    open_all(browser)
    text = text_of(browser)
    for words in (EVIL, EVIL_PATH, f"refs/heads/{EVIL_REF}", "onmouseover", f"/etc/{EVIL}"):
        assert words in text, words
    decide(browser, "reject", f"{EVIL}</blockquote>")
    assert injected(browser) == []
    assert f"{EVIL}</blockquote>" in text_of(browser)
    # a principal's name has no such characters in the first place
    for name in (EVIL, "a<b", 'a"b', "a\nb", "a\u202eb"):
        assert g.cli("token", "create", name, check=False).returncode != 0
        assert g.cli("user", "add", name, "--password-stdin", input="x" * 20 + "\n", check=False).returncode != 0
    # the bare words on the way to git are no terminal codes either
    assert "\x1b" not in held.stderr


def test_what_a_diff_may_hold(g, browser, tmp_path):
    """Binary, rename, mode, symlink, submodule, bidi, bytes that are no UTF-8."""
    up = g.clone(g.bot_token)
    up.write({"old name.txt": "".join(f"line {i}\n" for i in range(30)), "tool": "#!/bin/sh\n", "gone": "going\n"})
    up.commit({}, "base")
    held = up.push("HEAD:refs/heads/kinds", ok=False)
    assert g.review(hold_id(held), g.ann_token).status == 200
    g.wait_hold(hold_id(held), g.ann_token, "forwarded")

    up.run("mv", "old name.txt", "new name.txt")
    (up.path / "tool").chmod(0o755)
    (up.path / "link").symlink_to("../../etc/passwd")
    (up.path / "gone").unlink()
    up.write(
        {
            "picture.bin": bytes(range(256)) * 8,
            "bidi.c": "if (admin) /* \u202e } \u2066if\u2069 */\nzero\u200bwidth\n",
            "empty": "",
            "control.txt": b"esc \x1b[2J bell \x07 latin \xe9 end\n",
            "no-newline": "no newline",
        }
    )
    os.write(fd := os.open(os.fsencode(up.path) + b"/latin-\xe9.txt", os.O_CREAT | os.O_WRONLY), b"x\n")
    os.close(fd)
    up.run("add", "-A")
    up.run("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/sub")
    up.run("commit", "-q", "-m", "all kinds")
    id = hold_id(up.push("HEAD:refs/heads/kinds", ok=False))
    fresh(browser, g)
    sign_in(browser)
    browser.get(f"{g.url}/-/holds/{id}")
    open_all(browser)
    text = text_of(browser)
    files = {}
    for f in browser.find_elements(By.CSS_SELECTOR, ".file"):
        files[f.find_element(By.TAG_NAME, "h4").text] = f.text

    def about(name):
        (found,) = [t for h, t in files.items() if name in h]
        return found

    assert "U+202E" in about("bidi.c") and "U+2066" in about("bidi.c") and "U+200B" in about("bidi.c")
    assert "\u202e" not in text and "\u200b" not in text
    assert "inary" in about("picture.bin")
    assert "../../etc/passwd" in about("link")
    assert "1" * 40 in about("vendor/sub")
    assert "going" in about("gone")
    assert "100755" in about("tool") or "executable" in about("tool") or "mode" in about("tool"), about("tool")
    assert "old name.txt → new name.txt" in about("new name.txt") and "every byte is the same" in about("new name.txt")
    assert "\x1b" not in browser.page_source and "\x07" not in browser.page_source
    assert any("latin-" in h for h in files), list(files)
    assert len(files) == 11, list(files)
    assert injected(browser) == []
    h = g.hold(id, g.ann_token)
    assert h["updates"][0]["reasons"]


def test_a_cut_diff_says_so(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"diff-size": "64KiB"}})
    g.user("ann", PASSWORD, "maintainers")
    work = g.clone(g.token("bot", "agents"))
    work.commit(
        {"a-small": "small\n", "huge.txt": "".join(f"this is line {i}\n" for i in range(40000)), "z-last": "last\n"}
    )
    id = hold_id(work.push("HEAD:refs/heads/main", ok=False))
    page = Browserless(g, "ann", PASSWORD).get(f"/-/holds/{id}").text
    assert "this is line 5<" in page and "this is line 39999<" not in page
    assert "not shown" in page and "huge.txt" in page and "z-last" in page
    assert len(page) < 2_000_000


def test_looks(g, browser):
    """Nothing runs over the edge, on a phone or a desk, by day or night."""
    link, id, _, _ = push_held(
        g,
        {
            "README": "hello\n" + "a very long line without any end " * 20 + "\n" + "w" * 300 + "\n",
            "src/deep/er/and/deeper/still/a_rather_long_file_name_for_a_phone.c": "int main(void)\n{\n\treturn 0;\n}\n",
            "migrations/0042_users.sql": "ALTER TABLE users ADD COLUMN email TEXT;\n",
        },
        branch="looks",
        message="Add the users' e-mail address\n\nNeeded by the newsletter; see the ticket.",
        options=["agent.session=s-1234", "agent.prompt=Please add an e-mail column to the users table."],
    )
    push_evil(g)
    shots = os.environ.get("SCREENSHOTS")
    fresh(browser, g)
    if shots:
        browser.save_screenshot(f"{shots}/login.png")
    sign_in(browser)
    push = g.hold(id, g.ann_token)["push"]
    pages = {"inbox": "/-/holds?state=all", "hold": f"/-/holds/{id}", "pushes": "/-/pushes", "push": f"/-/pushes/{push}", "audit": "/-/audit"}
    sizes = [(w, s) for w in (390, 1280) for s in ("light", "dark")]
    try:
        for name, path in pages.items():
            for size in in_all_sizes(browser, g.url + path, sizes):
                over = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over <= 0, (name, size, over)
                if shots and (size[1] == "light" or name in ("inbox", "hold")):
                    shot(browser, f"{shots}/{name}-{size[0]}-{size[1]}.png")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    # every field has its label, every page its language and title
    browser.get(link)
    assert browser.execute_script(
        "return [...document.querySelectorAll('input:not([type=hidden]),textarea')]"
        ".every(e => document.querySelector('label[for=\"' + e.id + '\"]'))"
    )
    assert browser.execute_script("return document.documentElement.lang") == "en"


def shot(b, file):
    import base64

    data = b.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
    with open(file, "wb") as f:
        f.write(base64.b64decode(data))


# -- the attacker's way --


def test_sign_in_is_guarded(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"limits": {"sign-in-tries": 4}})
    g.user("ann", PASSWORD, "maintainers")
    auditor = g.token("audrey", "auditors")
    a = http("GET", g.url + "/-/holds")
    assert a.status == 303 and urllib.parse.unquote(a.headers["Location"]) == "/-/login?next=/-/holds"

    s = Browserless(g, "ann", PASSWORD)
    (cookie,) = [c for c in s.last.headers.get_all("Set-Cookie") if c.startswith("gitgate-session=")]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Domain" not in cookie
    assert "Secure" not in cookie  # public-url is http; test_web_api has the other one
    assert cookie.split("=", 1)[1].split(";")[0] not in (g.state / "gitgate.db").read_bytes().decode("latin-1")
    # the session's id is new at every sign-in
    assert Browserless(g, "ann", PASSWORD).cookies["gitgate-session"] != s.cookies["gitgate-session"]

    out = Browserless(g, "ann", PASSWORD)
    kept = dict(out.cookies)
    assert out.post("/-/logout", csrf="x" * 43).status == 403
    assert out.get("/-/holds").status == 200
    assert out.post("/-/logout").status == 303
    out.cookies = kept
    assert out.get("/-/holds").status == 303, "the server has forgotten it"

    stranger = Browserless(g)
    for name, password in (("ann", "wrong"), ("ann", ""), ("secret typed as a name", "x"), ("nobody", PASSWORD)):
        form = stranger.get("/-/login")
        a = stranger.post("/-/login", csrf=token_in(form.text), user=name, password=password)
        assert a.status == 403 and "Name or password is wrong." in a.text
    form = stranger.get("/-/login")
    a = stranger.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD)
    assert a.status == 429 and int(a.headers["Retry-After"]) > 0
    assert s.get("/-/holds").status == 200, "who is in stays in"
    types = [e["type"] for e in g.audit(auditor) if e["type"].startswith("session.")]
    assert types.count("session.login") == 3 and types.count("session.logout") == 1
    failures = g.audit(auditor, type="session.failure")
    assert len(failures) == 4
    assert [e.get("principal") for e in failures] == ["ann", "ann", None, None]
    assert "secret typed" not in str(failures)


def test_refused_tokens_are_gathered(make_gate):
    g = make_gate(rules=[PROTECT_MAIN])
    auditor = g.token("audrey", "auditors")
    for i in range(20):
        assert g.api("GET", "/holds", f"not-a-token-{i}").status == 401
        assert http("GET", g.remote("nonsense").replace("x:nonsense@", "") + "/info/refs?service=git-receive-pack",
                    headers={"Authorization": "Basic eDp5"}).status == 401  # fmt: skip
    (entry,) = g.audit(auditor, type="auth.failure")
    assert entry["client"]["addr"] == "127.0.0.1" and entry["count"] == 1 and entry["reason"]
    assert "not-a-token" not in str(entry)


def test_forms_of_others_are_refused(g):
    link, id, _, _ = push_held(g, branch="csrf")
    ann = Browserless(g, "ann", PASSWORD)
    act = f"/-/holds/{id}/approve"
    bob = Browserless(g, "bob", PASSWORD)
    for fields, headers in (
        ({"csrf": None}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": "A" * 43}, {}),
        ({"csrf": bob.csrf}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Origin": "null"}),
        ({}, {"Origin": g.url + ".evil.example"}),
    ):
        a = ann.post(act, headers=headers, **fields)
        assert a.status == 403, (fields, headers, a.status)
    # the API with a session: JSON only, and with the token in its header
    for headers in ({}, {"X-CSRF-Token": bob.csrf}, {"X-CSRF-Token": ann.csrf, "Origin": "https://evil.example"}):
        a = http("POST", f"{g.url}/-/api/v1/holds/{id}/approve", "{}",
                 ann.headers({"Content-Type": "application/json", **headers}))  # fmt: skip
        assert a.status == 403, headers
    a = http("POST", f"{g.url}/-/api/v1/holds/{id}/approve", "{}",
             ann.headers({"Content-Type": "text/plain", "X-CSRF-Token": ann.csrf}))  # fmt: skip
    assert a.status == 415
    # a comment is text, and not without end
    for comment in ("x" * 4001, b"caf\xe9"):
        assert ann.post(act, comment=comment).status in (400, 413)
    # GET and HEAD change nothing, whatever the path
    for path in (act, act + "?csrf=" + ann.csrf, f"/-/holds/{id}/reject", f"/-/holds/{id}/withdraw", "/-/logout"):
        for method in ("GET", "HEAD"):
            assert http(method, g.url + path, headers=ann.headers()).status == 405
    assert http("GET", f"{g.url}/-/api/v1/holds/{id}/approve", headers=ann.headers()).status == 405
    assert g.hold(id, g.ann_token)["state"] == "pending" and g.hold(id, g.ann_token)["needs"][0]["reviews"] == []
    # signing in is a form too: nobody is signed in as somebody else unawares
    evil = Browserless(g)
    form = evil.get("/-/login")
    a = evil.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD,
                  headers={"Sec-Fetch-Site": "cross-site"})  # fmt: skip
    assert a.status == 403
    other = Browserless(g)
    a = other.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD)
    assert a.status == 403
    # and at last the honest one
    assert ann.post(act, headers={"Sec-Fetch-Site": "same-origin", "Origin": g.url}).status == 303
    g.wait_hold(id, g.ann_token, "forwarded")


def test_a_link_gives_no_right(g):
    link, id, _, _ = push_held(g, branch="norights")
    path = f"/-/holds/{id}"
    assert http("GET", g.url + path).status == 303
    assert g.api("GET", f"/holds/{id}").status == 401
    zoe = Browserless(g, "zoe", PASSWORD)
    a = zoe.get(path)
    assert a.status == 404 and "demo/app" not in a.text
    assert zoe.post(path + "/approve", comment="x").status == 404
    assert "norights" not in zoe.get("/-/holds?state=all").text
    assert "norights" not in zoe.get("/-/pushes").text
    assert "norights" not in zoe.get("/-/audit").text
    # the pusher sees it, and may not decide
    a = http("POST", f"{g.url}/-/api/v1/holds/{id}/approve", "{}",
             {"Authorization": f"Bearer {g.bot_token}", "Content-Type": "application/json"})  # fmt: skip
    assert a.status == 403
    assert g.hold(id, g.ann_token)["state"] == "pending"


def test_headers_of_every_page(g):
    link, id, _, _ = push_held(g, branch="headers")
    ann = Browserless(g, "ann", PASSWORD)
    push = g.hold(id, g.ann_token)["push"]
    for path in ("/-/login", "/-/holds", f"/-/holds/{id}", "/-/pushes", f"/-/pushes/{push}", "/-/audit", "/",
                 "/-/holds/01JD0000000000000000000000", "/-/holds?state=wrong", "/-/audit?since=wrong"):  # fmt: skip
        for session in (ann, Browserless(g)):
            a = session.get(path)
            csp = a.headers["Content-Security-Policy"]
            assert "default-src 'none'" in csp and "frame-ancestors 'none'" in csp and "unsafe" not in csp, path
            assert "form-action 'self'" in csp and "base-uri 'none'" in csp
            assert a.headers["X-Frame-Options"] == "DENY" and a.headers["X-Content-Type-Options"] == "nosniff"
            assert a.headers["Referrer-Policy"] == "no-referrer"
            assert "no-store" in a.headers["Cache-Control"], path
            assert a.status < 500
    # no inline script or style, which the policy would not let run
    html = ann.get(f"/-/holds/{id}").text
    assert re.findall(r"<script(?! src=\"/-/static/app\.js\?v=[0-9a-f]{16}\" defer></script>)", html) == []
    assert "<style" not in html and " style=" not in html and " on" not in re.sub(r">[^<]*<", "><", html)


def test_next_leads_nowhere_else(g):
    for bad in ("https://evil.example/", "//evil.example", "/\\evil.example", "/-/../..//evil.example", "javascript:alert(1)",
                "/-//evil.example", "/-/holds\r\nSet-Cookie: x=1", "/-/login?next=/-/login", "/-/\\evil.example", "evil",
                "/-/holds@evil.example", "https:/-/holds", "\t//evil.example", "/-/holds/%0d%0aX: y"):  # fmt: skip
        s = Browserless(g)
        form = s.get("/-/login?next=" + urllib.parse.quote(bad, safe=""))
        a = s.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD, next=bad)
        assert a.status == 303
        where = a.headers["Location"]
        assert where == "/-/holds" or (where == bad and where.startswith("/-/holds/")), (bad, where)
        assert a.headers["X"] is None and "x=1" not in str(a.headers.get_all("Set-Cookie"))
        a = s.get("/-/login?next=" + urllib.parse.quote(bad, safe=""))
        assert a.status == 303 and a.headers["Location"] in ("/-/holds", bad if bad.startswith("/-/holds/") else "")
