"""Lists in a browser: keys, what follows by itself, and whether everybody can
read and use them."""

import os
from pathlib import Path

import pytest

from chromium import ACCESSIBLE, By, Keys, active, emulate, fresh, in_all_sizes, make_browser, sign_in, small_png, text_of
from gate import Gate, hold_id, make_upstream, until
from test_hold_page import PASSWORD
from test_inbox import RULES


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    root = tmp_path_factory.mktemp("lists")
    for name in ("demo/app", "acme/site", "acme/website-with-a-long-name"):
        make_upstream(root / "up" / f"{name}.git", {"README": "hello\n"})
    repositories = [{"path": "demo/app", "upstream": str(root / "up/demo/app.git")},
                    {"path": "demo/gone", "upstream": str(root / "up/nothing.git")},
                    {"path": "acme/*", "upstream": str(root / "up/acme/*.git")}]  # fmt: skip
    with Gate(root, repositories=repositories, rules=RULES) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        gate.user("ann", PASSWORD, "maintainers", "dba", "auditors")
        gate.bot = gate.token("ci-agent", "agents")
        gate.ann = gate.token("ann", "maintainers", "dba", "auditors")
        gate.bob = gate.token("bob", "maintainers")
        yield gate


def push(g, branch, files=None, repository="demo/app"):
    w = g.clone(g.bot, repository)
    w.commit(files or {f"{branch}.txt": "a\n"})
    return hold_id(w.push(f"HEAD:refs/heads/{branch}", ok=False))


def open_list(b, g, path):
    fresh(b, g)
    sign_in(b)
    b.get(g.url + path)


def row(b, id):
    found = b.find_elements(By.CSS_SELECTOR, f"[data-row='{id}']")
    return found[0] if found else None


def top(b, id):
    return b.execute_script("return arguments[0].getBoundingClientRect().top", row(b, id))


def test_it_follows_and_nothing_moves(g, browser):
    a, b = push(g, "follow-a"), push(g, "follow-b")
    open_list(browser, g, "/-/holds?view=mine&text=follow")
    browser.execute_script("window.__same = true")
    until("the number is in the title", lambda: browser.title.startswith("("))
    page = browser.find_element(By.TAG_NAME, "body")
    page.send_keys("j")
    active(browser).send_keys("j")
    assert browser.execute_script("return arguments[0].contains(document.activeElement)", row(browser, a))
    where = top(browser, a), top(browser, b)
    before = browser.title
    # a review is seen in its row, and the row keeps the focus
    assert g.review(a, g.bob).status == 200
    until("the review is there", lambda: "1 of 2 from maintainers" in row(browser, a).text, log=g.log)
    assert browser.execute_script("return arguments[0].contains(document.activeElement)", row(browser, a))
    # one that is new is announced; what is there stays where it is
    c = push(g, "follow-c")
    button = until("it is announced", lambda: browser.find_elements(By.CSS_SELECTOR, "#news button"), log=g.log)[0]
    assert button.text == "1 new hold: show" and row(browser, c) is None
    news = browser.find_element(By.ID, "news")
    assert news.get_attribute("aria-live") == "polite" and news.get_attribute("role") == "status"
    assert (top(browser, a), top(browser, b)) == where
    assert browser.title != before
    # one that went is marked, not removed
    assert g.api("POST", f"/holds/{b}/withdraw", g.bot, {}).status == 200
    until("it is marked", lambda: "gone" in row(browser, b).get_attribute("class"), log=g.log)
    assert (top(browser, a), top(browser, b)) == where
    d = push(g, "follow-d")
    until("both are counted", lambda: browser.find_element(By.ID, "news").text == "2 new holds: show", log=g.log)
    # shown when one asks for it
    active(browser).send_keys("n")
    until("they are shown", lambda: row(browser, c) and row(browser, d))
    assert row(browser, b) is None and browser.find_element(By.ID, "news").text == ""
    assert browser.execute_script("return arguments[0].contains(document.activeElement)", row(browser, d))
    # and it goes on
    assert g.review(d, g.bob, "reject").status == 200
    until("it is marked", lambda: "gone" in row(browser, d).get_attribute("class"), log=g.log)
    assert browser.execute_script("return window.__same") is True, "the page was never loaded again"


def test_pushes_follow(g, browser):
    open_list(browser, g, "/-/pushes?text=seen-push")
    push(g, "seen-push")
    until("it is announced", lambda: browser.find_element(By.ID, "news").text == "1 new push: show", log=g.log)
    browser.find_element(By.CSS_SELECTOR, "#news button").click()
    until("it is shown", lambda: "refs/heads/seen-push" in browser.find_element(By.ID, "list").text)


def test_keys(g, browser):
    a, b = push(g, "keys-a"), push(g, "keys-b")
    open_list(browser, g, "/-/holds?view=open&text=keys-")
    page = browser.find_element(By.TAG_NAME, "body")
    page.send_keys("j")
    active(browser).send_keys("j")
    assert active(browser).get_attribute("href").endswith(a)
    active(browser).send_keys("k")
    assert active(browser).get_attribute("href").endswith(b)
    active(browser).send_keys("/")
    assert active(browser).get_attribute("id") == "f-text"
    active(browser).send_keys("jk?")
    assert active(browser).get_attribute("value") == "jk?", "in a text they are letters"
    browser.find_element(By.ID, "keys-open").send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "keys")
    assert dialog.is_displayed() and "next and previous hold" in dialog.text
    dialog.find_element(By.CSS_SELECTOR, "button").click()
    browser.find_element(By.CSS_SELECTOR, f"[data-row='{b}'] a").send_keys(Keys.ENTER)
    until("the hold is open", lambda: browser.current_url.endswith(b) and browser.find_elements(By.ID, "decide"))


def test_without_scripts(g, tmp_path):
    id = push(g, "plain")
    b = make_browser(tmp_path / "profile", scripts=False)
    try:
        open_list(b, g, "/-/holds?view=open")
        assert not b.find_element(By.ID, "keys-open").is_displayed()
        b.find_element(By.ID, "f-text").send_keys("plain" + Keys.ENTER)
        until("it is filtered", lambda: "text=plain" in b.current_url and b.find_elements(By.CSS_SELECTOR, "[data-row]"))
        assert [e.get_attribute("data-row") for e in b.find_elements(By.CSS_SELECTOR, "[data-row]")] == [id]
        b.find_element(By.LINK_TEXT, "Done").click()
        until("no hold is done", lambda: "No hold fits these filters." in text_of(b))
    finally:
        b.quit()


def test_everybody_can_read_and_use_them(g, browser):
    id = push(g, "a-rather-long-branch-name/for-a-phone-that-is-narrow/and-more", {"migrations/1.sql": "x\n"}, "acme/website-with-a-long-name")
    g.review(id, g.bob, comment="The index is a good idea.")
    done = push(g, "done", repository="acme/site")
    g.review(done, g.bob, "reject", "not before the release")
    with pytest.raises(AssertionError):
        g.clone(g.bot, "demo/gone")
    shots = os.environ.get("SCREENSHOTS")
    pages = {
        "inbox": "/-/holds", "inbox-open": "/-/holds?view=open&text=a", "inbox-done": "/-/holds?view=done",
        "inbox-none": "/-/holds?view=mine&rule=none", "pushes": "/-/pushes", "push": f"/-/pushes/{g.hold(done, g.ann)['push']}",
        "repositories": "/-/repositories", "grants": "/-/grants", "audit": "/-/audit", "account": "/-/account",
    }  # fmt: skip
    open_list(browser, g, "/-/holds")
    wrong = []
    try:
        for name, path in pages.items():
            for size in in_all_sizes(browser, g.url + path):
                wrong += [(name, *size, w) for w in browser.execute_script(ACCESSIBLE)]
        assert wrong == [], wrong[:10]
        if shots:
            take_documented(browser, g, shots)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def take_documented(b, g, directory):
    """What README and docs show (SCREENSHOTS=docs/screenshots); to somebody who
    does not see where upstream is."""
    push(g, "email", {"migrations/0042_users.sql": "ALTER TABLE users ADD COLUMN email TEXT;\n"})
    push(g, "main", repository="acme/site")
    g.user("kim", PASSWORD, "maintainers")
    emulate(b, 1200, "light")
    fresh(b, g)
    sign_in(b, "kim")
    for name, path, scheme in (("inbox-light", "/-/holds", "light"), ("repositories-dark", "/-/repositories", "dark")):
        emulate(b, 1200, scheme, 620)
        b.get(g.url + path)
        Path(f"{directory}/{name}.png").write_bytes(small_png(b.get_screenshot_as_png()))


def test_lists_obey_their_own_policy(g, browser):
    open_list(browser, g, "/-/holds")
    browser.get_log("browser")
    for path in ("/-/holds", "/-/pushes", "/-/repositories", "/-/audit"):
        browser.get(g.url + path)
    assert [m for m in browser.get_log("browser") if m["level"] == "SEVERE"] == []
    size = len(browser.page_source)
    for name in ("style.css", "app.js", "icon.svg"):
        size += browser.execute_async_script("var done = arguments[1]; fetch('/-/static/' + arguments[0]).then(r => r.text()).then(t => done(t.length))", name)
    assert size < 100_000, size
