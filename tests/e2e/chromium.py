"""Headless Chromium: making one, and what people do in it. Who imports this
is skipped where Selenium is missing."""

import collections
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from gate import until

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402, F401

PASSWORD = "correct horse battery"
CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
# Of a page, what not everybody could read or use.
ACCESSIBLE = Path(__file__).with_name("accessible.js").read_text()


def make_browser(dir, scripts=True):
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium here")
    o = webdriver.ChromeOptions()
    o.binary_location = CHROMIUM
    for a in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
        "--window-size=1280,900", f"--user-data-dir={dir}",
    ):  # fmt: skip
        o.add_argument(a)
    if not scripts:
        o.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    b = webdriver.Chrome(options=o, service=Service(DRIVER))
    b.set_page_load_timeout(60)
    return b


def sign_in(b, user="ann", password=PASSWORD):
    b.find_element(By.ID, "user").send_keys(user)
    b.find_element(By.ID, "password").send_keys(password)
    press(b, b.find_element(By.CSS_SELECTOR, "form button.primary"))
    assert b.find_elements(By.CSS_SELECTOR, "form[action='/-/logout']"), text_of(b)


def press(b, button):
    """Click what sends a form, and wait for the page after it."""
    old = b.find_element(By.TAG_NAME, "html").id
    button.click()

    def new_page():
        try:
            return b.find_element(By.TAG_NAME, "html").id != old and b.find_element(By.TAG_NAME, "main")
        except WebDriverException:
            return None

    until("the next page is there", new_page)


def fresh(b, g):
    b.get(g.url + "/-/login")
    b.delete_all_cookies()
    b.get(g.url + "/-/login")


def text_of(b, id=None):
    """The text of the page, or of one part; "" while another one is coming."""
    try:
        return (b.find_element(By.ID, id) if id else b.find_element(By.TAG_NAME, "body")).text
    except WebDriverException:
        return ""


def open_all(b):
    b.execute_script("document.querySelectorAll('details').forEach(function (d) { d.open = true; });")


def decide(b, verb, comment=""):
    button = b.find_element(By.CSS_SELECTOR, f"button[formaction$='/{verb}']")
    if comment:
        button.find_element(By.XPATH, "ancestor::form").find_element(By.TAG_NAME, "textarea").send_keys(comment)
    press(b, button)


def injected(b):
    """Elements and attributes that no page of ours has."""
    return b.execute_script(
        """
        var bad = [];
        document.querySelectorAll("*").forEach(function (e) {
            for (var a of e.attributes)
                if (a.name.startsWith("on") || /javascript:/i.test(a.value) && a.name != "value")
                    bad.push(e.tagName + " " + a.name);
        });
        document.querySelectorAll("img,svg,iframe,object,embed,b,style,script").forEach(function (e) {
            if (!/^\\/-\\/static\\/app\\.js\\?v=[0-9a-f]{16}$/.test(e.getAttribute("src"))) bad.push(e.outerHTML);
        });
        if (window.__xss !== undefined) bad.push("it ran");
        return bad;
        """
    )


def active(b):
    return b.switch_to.active_element


def emulate(b, width, scheme, height=900):
    b.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    b.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def in_all_sizes(b, url, sizes=tuple((w, s) for w in (360, 800, 1400) for s in ("light", "dark"))):
    """Open a page and all its details, and lay it out for each (width, scheme)
    that is yielded: only the style knows of them, so once is loaded enough."""
    b.get(url)
    open_all(b)
    for width, scheme in sizes:
        emulate(b, width, scheme)
        yield width, scheme


def small_png(data):
    """The same picture with at most 256 colours: a third of the size."""
    width, height = struct.unpack(">II", data[16:24])
    at, packed = 8, b""
    while at < len(data):
        (n,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        packed += data[at + 8 : at + 8 + n] if kind == b"IDAT" else b""
        at += 12 + n
    deep = {2: 3, 6: 4}[data[25]]
    raw, stride, rows, above = zlib.decompress(packed), width * deep, [], bytes(width * deep)
    for y in range(height):
        row = bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        unfilter(raw[y * (stride + 1)], row, above, deep)
        rows.append([bytes(row[x : x + 3]) for x in range(0, stride, deep)])
        above = row
    counted = collections.Counter(c for r in rows for c in r)
    palette = [c for c, _ in counted.most_common(256)]
    nearest = {c: min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(c, palette[i]))) for c in counted}
    body = b"".join(b"\0" + bytes(nearest[c] for c in r) for r in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", b"".join(palette))
            + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b""))  # fmt: skip


def unfilter(kind, row, above, deep):
    """PNG, section 9: what was taken away from each byte comes back."""
    for i in range(len(row)):
        a, b, c = (row[i - deep], above[i], above[i - deep]) if i >= deep else (0, above[i], 0)
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 0xFF
