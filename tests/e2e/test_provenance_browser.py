"""Claims and records in a browser: everybody can read them, with scripts and
without, and a line's mark does not hide its number."""

import pytest

from chromium import ACCESSIBLE, PASSWORD, By, Keys, in_all_sizes, make_browser, sign_in
from gate import Gate, hold_id, until
from test_provenance_records import CHECKPOINT, RULES, add_note, checkpoint, note

# Marks of the page that lie over the number beside them.
HIDDEN = """
return [...document.querySelectorAll('td.n .by')].map((mark) => {
  const range = document.createRange();
  range.selectNode(mark.parentNode.lastChild);
  const a = mark.getBoundingClientRect(), b = range.getBoundingClientRect();
  return a.right > b.left + 0.5 && b.width > 0 ? mark.parentNode.textContent : null;
}).filter((x) => x !== null);
"""


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    main = {"name": "main", "when": {"refs": ["refs/heads/main"]}, "then": "hold", "approvals": {"from": ["maintainers"]}}
    with Gate(tmp_path_factory.mktemp("browser"), rules=[*RULES, main]) as gate:
        gate.config["public-url"] = gate.url
        assert gate.reload()
        gate.user("ann", PASSWORD, "maintainers", "auditors")
        bot, ann = gate.token("ci-agent", "agents"), gate.token("ann", "maintainers", "auditors")
        w = gate.clone(bot)
        w.commit({"long.txt": "".join(f"{i}\n" for i in range(1200))})
        w.push("HEAD:refs/heads/base", ok=True)
        tip = w.commit({"a.txt": "1\n2\n3\n4\n", "long.txt": "".join(f"{i}\n" for i in range(1190)) + "x\n" * 12},
                       f"Change a\n\nAssisted-by: claude:opus-4\nEntire-Checkpoint: {CHECKPOINT}\n")  # fmt: skip
        text = note("a.txt", "1-2,4").replace("a.txt\n", "long.txt\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1188-1200\na.txt\n", 1)
        add_note(w, tip, text)
        w.push("refs/notes/ai", checkpoint(w, prompt="Add the numbers.\nThen look at them. " + "word" * 100 + "\n"), ok=True)
        gate.held = hold_id(w.push("HEAD:refs/heads/look/a", ok=False))
        hold = hold_id(w.push("-o", "agent.session=s-1", "HEAD:refs/heads/main", ok=False))
        assert gate.review(hold, ann).status == 200
        gate.wait_hold(hold, ann, "forwarded")
        push, notes = (gate.api("GET", f"/pushes?limit=1&ref={r}", ann).json["pushes"][0]["id"] for r in ("refs/heads/main", "refs/notes/ai"))
        where = "repository=demo/app&ref=refs/heads/main"
        gate.pages = {
            "hold": f"/-/holds/{gate.held}", "split": f"/-/holds/{gate.held}?view=split",
            "file": f"/-/holds/{gate.held}/file?oid={w.out('rev-parse', tip + ':a.txt')}", "push": f"/-/pushes/{push}", "notes": f"/-/pushes/{notes}",
            "timeline": f"/-/audit/timeline?{where}", "explain": f"/-/audit/explain?{where}&oid={tip}",
        }  # fmt: skip
        yield gate


def test_everybody_can_read_them(g, browser):
    browser.get(g.url + "/-/login")
    sign_in(browser, "ann")
    wrong = []
    for name, path in g.pages.items():
        for size in in_all_sizes(browser, g.url + path, ((360, "light"), (1400, "dark"))):
            wrong += [(name, *size, w) for w in browser.execute_script(ACCESSIBLE)]
            wrong += [(name, *size, "hidden", w) for w in browser.execute_script(HIDDEN)]
            shown = browser.execute_script("return document.body.innerText.includes('Add the numbers.')")
            assert shown == (name in ("hold", "split", "push", "notes", "explain")), name
            marks = browser.find_elements(By.CSS_SELECTOR, "td.n .by")
            assert len(marks) == {"hold": 16, "split": 16, "push": 16, "file": 3}.get(name, 0), (name, len(marks))
    assert wrong == [], wrong[:10]


def test_they_are_there_without_scripts(g, tmp_path):
    b = make_browser(tmp_path / "profile", scripts=False)
    try:
        b.get(g.url + "/-/login")
        sign_in(b, "ann")
        b.get(g.url + g.pages["hold"])
        assert len(b.find_elements(By.CSS_SELECTOR, "td.n .by")) == 16
        record = b.find_element(By.CSS_SELECTOR, ".record:has(details)")
        assert record.text and "Add the numbers." not in record.text
        record.find_element(By.CSS_SELECTOR, "details summary").send_keys(Keys.ENTER)
        until("the prompt is shown", lambda: "Add the numbers." in record.text)
    finally:
        b.quit()
