"""A hold's page in a browser: what the script adds, what is there without
it, and whether everybody can read and use it."""

import os
import urllib.parse
from pathlib import Path

import pytest

from chromium import ACCESSIBLE, By, Keys, active, decide, emulate, fresh, in_all_sizes, make_browser, sign_in, small_png, text_of
from gate import Gate, hold_id, ref, until
from test_hold_page import MAIN, MIGRATIONS, NEW, OLD, PASSWORD, png


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    with Gate(tmp_path_factory.mktemp("browser"), rules=[MIGRATIONS, MAIN]) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        gate.user("ann", PASSWORD, "maintainers", "dba", "auditors")
        gate.user("bob", PASSWORD, "maintainers")
        gate.bot_token = gate.token("ci-agent", "agents")
        gate.ann_token = gate.token("ann", "maintainers", "dba", "auditors")
        gate.bob_token = gate.token("bob", "maintainers")
        yield gate


def hold(g, branch, files=None, message="change", options=()):
    w = g.clone(g.bot_token)
    new = w.commit(files or {"a.txt": "a\n"}, message)
    push = w.push(*[x for o in options for x in ("-o", o)], f"HEAD:refs/heads/{branch}", ok=False)
    return hold_id(push), new, w


def telling(g, branch):
    """A push with one of everything that a page can show."""
    id, _, w = hold(g, branch, {"src/user.c": OLD, "assets/logo.png": png(10), "docs/old-name.md": "# Users\n\nText.\n", "tool.sh": "#!/bin/sh\n"})
    for token in (g.ann_token, g.bob_token):
        assert g.review(id, token).status == 200
    g.wait_hold(id, g.ann_token, "forwarded")
    w.commit(
        {"migrations/0042_users.sql": "ALTER TABLE users ADD COLUMN email TEXT;\nCREATE INDEX users_email ON users (email);\n"},
        "Add a column for the e-mail address\n\nNeeded by the newsletter; the index is for look-ups by address.",
    )
    w.write({"src/user.c": NEW, "assets/logo.png": png(200), "bidi.c": "if (admin) /* \u202e } \u2066if\u2069 */ \nzero\u200bwidth\n",
             "long.txt": "a very long line without any end " * 20 + "\n" + "w" * 300 + "\n",
             "src/deep/er/and/deeper/still/a_rather_long_file_name_for_a_phone.c": "int x;\n"})  # fmt: skip
    w.run("mv", "docs/old-name.md", "docs/users.md")
    (w.path / "tool.sh").chmod(0o755)
    w.run("add", "-A")
    w.run("commit", "-q", "-m", "Greet users with their address")
    push = w.push("-o", "agent.session=s-1234", "-o", "agent.prompt=Add an e-mail column to the users table and show it.",
                  f"HEAD:refs/heads/{branch}", ok=False)  # fmt: skip
    id = hold_id(push)
    assert g.review(id, g.bob_token, comment="The index is a good idea.").status == 200
    return id, w


def open_hold(b, g, id, user="ann"):
    fresh(b, g)
    sign_in(b, user)
    b.get(f"{g.url}/-/holds/{id}")


def test_from_the_link_to_upstream_without_a_reload(g, browser):
    id, new, _ = hold(g, "live", {"migrations/1.sql": "ALTER TABLE t ADD c TEXT;\n"}, "Add a column")
    fresh(browser, g)
    browser.get(f"{g.url}/-/holds/{id}")
    assert urllib.parse.unquote(browser.current_url).endswith(f"/-/login?next=/-/holds/{id}")
    sign_in(browser)
    text = " ".join(text_of(browser).split())
    for words in ("ci-agent wants to create refs/heads/live", "Schema migrations need a DBA.", "0 of 1 from dba", "0 of 2 from maintainers"):
        assert words in text, words
    assert any("ALTER TABLE" in e.text for e in browser.find_elements(By.CSS_SELECTOR, ".guarded tr.add"))
    decide(browser, "approve", "reads well")
    assert "approved by ann" in text_of(browser) and "reads well" in text_of(browser)
    # the page as it is now follows by itself: it is never loaded again
    browser.execute_script("window.__same = true; document.querySelector('#needs').dataset.old = '1'")
    assert g.review(id, g.bob_token, comment="and well tested").status == 200
    g.wait_hold(id, g.ann_token, "forwarded")
    until("the page follows", lambda: "Upstream has it." in text_of(browser, "next"))
    assert browser.execute_script("return window.__same") is True
    assert browser.find_element(By.ID, "state").text == "forwarded" and browser.title.startswith("forwarded")
    assert "and well tested" in browser.find_element(By.ID, "needs").text
    assert browser.find_elements(By.ID, "decide") == [], "there is nothing left to decide"
    assert ref(g.upstream, "refs/heads/live") == new


def test_a_comment_being_written_is_kept(g, browser):
    id, _, w = hold(g, "typing")
    open_hold(browser, g, id)
    browser.find_element(By.ID, "comment").send_keys("half a sentence")
    assert g.review(id, g.bob_token, comment="me too").status == 200
    until("the other review is there", lambda: "me too" in text_of(browser, "needs"))
    assert browser.find_element(By.ID, "comment").get_attribute("value") == "half a sentence"
    # when it can no longer be sent it goes, and the page says why
    assert g.api("POST", f"/holds/{id}/withdraw", g.bot_token, {}).status == 200
    until("its end is there", lambda: "It was taken back" in text_of(browser, "next"))
    assert browser.find_elements(By.ID, "decide") == []


def test_the_same_without_scripts(g, tmp_path):
    id, new, _ = hold(g, "plain", {"migrations/2.sql": "ALTER TABLE t ADD d TEXT;\n"})
    b = make_browser(tmp_path / "profile", scripts=False)
    try:
        open_hold(b, g, id)
        assert "Schema migrations need a DBA." in text_of(b)
        assert not b.find_element(By.ID, "keys-open").is_displayed(), "what needs the script is not offered"
        b.find_element(By.LINK_TEXT, "Side by side").send_keys(Keys.ENTER)
        until("side by side", lambda: b.find_elements(By.CSS_SELECTOR, "table.split"))
        decide(b, "approve", "fine")
        assert "approved by ann" in text_of(b)
        assert g.review(id, g.bob_token).status == 200
        g.wait_hold(id, g.ann_token, "forwarded")
        b.refresh()
        assert "Upstream has it." in text_of(b) and ref(g.upstream, "refs/heads/plain") == new
    finally:
        b.quit()


def test_keys(g, browser):
    id, _ = telling(g, "keys")
    open_hold(browser, g, id)
    page = browser.find_element(By.TAG_NAME, "body")
    page.send_keys("j")
    assert active(browser).tag_name == "summary" and "migrations/0042" in active(browser).text
    active(browser).send_keys("j")
    assert "assets/logo.png" in active(browser).text
    active(browser).send_keys("k")
    assert "migrations/0042" in active(browser).text
    active(browser).send_keys("r")
    assert active(browser).text == "Reject"
    active(browser).send_keys("a")
    assert active(browser).text == "Approve"
    assert g.hold(id, g.ann_token)["state"] == "pending", "a key alone decides nothing"
    active(browser).send_keys("c")
    assert active(browser).get_attribute("id") == "comment"
    active(browser).send_keys("jar?")
    assert active(browser).get_attribute("value") == "jar?", "in a text they are letters"
    browser.find_element(By.ID, "keys-open").send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "keys")
    assert dialog.is_displayed() and "next and previous file" in dialog.text
    # and who does not want them switches them off
    browser.find_element(By.ID, "keys-on").click()
    dialog.find_element(By.CSS_SELECTOR, "button").click()
    before = active(browser)
    before.send_keys("a")
    assert active(browser).text != "Approve"
    browser.execute_script("localStorage.clear()")


def take_documented(b, url, directory):
    """What README and docs show (SCREENSHOTS=docs/screenshots)."""
    for name, width, height, scheme in (("hold-light-wide", 1200, 940, "light"), ("hold-dark-phone", 390, 844, "dark")):
        emulate(b, width, scheme, height)
        b.get(url)
        Path(f"{directory}/{name}.png").write_bytes(small_png(b.get_screenshot_as_png()))


def test_everybody_can_read_and_use_it(g, browser):
    id, w = telling(g, "looks")
    shots = os.environ.get("SCREENSHOTS")
    push = g.hold(id, g.ann_token)["push"]
    oid = w.out("rev-parse", "HEAD:src/user.c")
    pages = {
        "hold": f"/-/holds/{id}", "split": f"/-/holds/{id}?view=split", "commit": f"/-/holds/{id}?commit={w.head()}",
        "file": f"/-/holds/{id}/file?oid={oid}", "inbox": "/-/holds?state=all", "pushes": "/-/pushes",
        "push": f"/-/pushes/{push}", "audit": "/-/audit", "missing": "/-/holds/01JD0000000000000000000000",
    }  # fmt: skip
    open_hold(browser, g, id)
    wrong = []
    try:
        for name, path in pages.items():
            for size in in_all_sizes(browser, g.url + path):
                wrong += [(name, *size, w) for w in browser.execute_script(ACCESSIBLE)]
                if shots and "docs" not in shots:
                    browser.save_screenshot(f"{shots}/{name}-{size[0]}-{size[1]}.png")
        assert wrong == [], wrong[:10]
        if shots:
            take_documented(browser, g.url + pages["hold"], shots)
        # the decision is in reach wherever one has scrolled to
        emulate(browser, 360, "light", 640)
        browser.get(g.url + pages["hold"])
        for y in (0, 900, 100000):
            browser.execute_script(f"scrollTo(0, {y})")
            button = browser.find_element(By.CSS_SELECTOR, "button[formaction$='/approve']")
            box = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", button)
            assert 0 < box["top"] and box["bottom"] <= 640, (y, box)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


FAULTS = {
    "contrast": "document.querySelector('.meta').style.color = '#999'",
    "no name": "document.querySelector('.brand').textContent = ''",
    "no label": "document.querySelector('#decide label').textContent = ''",
    "no alternative text": "document.querySelector('main').append(document.createElement('img'))",
    "skips a level": "document.querySelector('h2').outerHTML = '<h4>x</h4>'",
    "no language": "document.documentElement.lang = ''",
    "not one main": "document.querySelector('main').outerHTML = '<div><h1>x</h1></div>'",
    "an id twice": "document.querySelectorAll('section').forEach((e) => { e.id = 'same'; })",
    "without headings": "document.querySelector('thead').remove()",
    "wider than the window": "document.querySelector('h1').style.width = '5000px'",
    "too small": "document.querySelector('.who button').style = 'height:9px;min-height:0;padding:0;overflow:hidden'",
    "a control in a control": "document.querySelector('summary').append(document.createElement('button'))",
}


@pytest.mark.parametrize("words", FAULTS)
def test_the_checks_find_faults(g, browser, words):
    # another test of this worker may have left a hold that is decided
    if "/-/holds/" not in browser.current_url or not all(browser.find_elements(By.CSS_SELECTOR, x) for x in ("table.diff", "#decide label")):
        id, _, _ = hold(g, "faults")
        open_hold(browser, g, id)
    browser.refresh()
    assert browser.execute_script(ACCESSIBLE) == []
    browser.execute_script(FAULTS[words])
    assert any(words in w for w in browser.execute_script(ACCESSIBLE)), browser.execute_script(ACCESSIBLE)


def test_focus_is_seen_and_goes_in_reading_order(g, browser):
    id, _, _ = hold(g, "focus", {"a.txt": "a\n", "b.txt": "b\n"})
    open_hold(browser, g, id)
    tops, names = [], []
    for _ in range(60):
        active(browser).send_keys(Keys.TAB)
        style = browser.execute_script(
            """var e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
            return [e.tagName, e.textContent.trim(), s.outlineStyle, parseFloat(s.outlineWidth), r.top + scrollY];"""
        )
        if style[0] == "BODY":
            break
        assert style[2] != "none" and style[3] >= 2, style
        names.append(style[1])
        tops.append(style[4])
    assert names[0] == "Skip to content"
    order = [next(i for i, n in enumerate(names) if n.startswith(w)) for w in ("Holds", "the recorded push", "Side by side", "a.txt", "Approve", "Reject")]
    assert order == sorted(order), names


def test_the_page_obeys_its_own_policy(g, browser):
    """The browser's console has no complaint of the content policy."""
    id, w = telling(g, "policy")
    open_hold(browser, g, id)
    browser.get_log("browser")
    browser.get(f"{g.url}/-/holds/{id}?view=split")
    pictures = browser.find_elements(By.CSS_SELECTOR, ".images img")
    assert len(pictures) == 2
    for p in pictures:
        browser.execute_script("arguments[0].scrollIntoView()", p)
        until("the picture is there", lambda: browser.execute_script("return arguments[0].naturalWidth", p) == 8)
    assert [m for m in browser.get_log("browser") if m["level"] == "SEVERE"] == []
