"""What an attacker can do by way of somebody's browser. Every route of the
source is asked, so that a new one cannot be forgotten: forms of other sites,
links that change something, headers, and texts of pushers on every page."""

import contextlib
import html.parser
import json
import re
import sqlite3
import urllib.parse

import pytest

from gate import PROTECT_MAIN, ROOT, Gate, hold_id, http, until
from test_hold_page import png
from test_openapi import NOBODY, routes
from test_secrets import checked
from websession import Browserless, token_in

PASSWORD = "correct horse battery"
EVIL_HOST = "evil.example"

# Texts that become markup where somebody forgets to escape them: in text, in
# an attribute of either quote or none, in a script, a comment, after a decoding.
RUN = "window.__xss=1"
PAYLOAD = (
    f"<script>{RUN}</script>\"><img src=x onerror={RUN}>'><svg/onload={RUN}>` onmouseover={RUN} "
    f"\" onfocus=\"{RUN}\" autofocus x=' onload='{RUN}' --><iframe src=javascript:{RUN}>"
    f"</textarea></title></style></script></pre><a href=javascript:{RUN}>&lt;script&gt;{RUN}&#60;/script&#62; ]]> ${{{RUN}}} \u202e\u2066\ufeff"
)
# What git lets a ref be called: no space, no ~^:?*[\
REF_PAYLOAD = f"\"><img/src=x/onerror={RUN}>'`<script>{RUN}</script>&lt;b&gt;\u202e"
# Names of people: git takes < > and newlines out.
NAME_PAYLOAD = f"\" onmouseover=\"{RUN}\" ' onload='{RUN}' ` javascript:{RUN} &lt;script&gt;"
GIF_HTML = b"GIF89a/*" + f"<html><script>{RUN}</script>*/=1;".encode() + bytes([0]) * 8
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'


def marked(place, text=PAYLOAD):
    return f"zz-{place}-zz {text}"


# -- the table of places: each has a mark that must be seen on some page --

POLICY = {
    "access": [
        {"principals": {"groups": ["agents", "maintainers"]}, "repositories": ["**"], "allow": ["fetch", "push"]},
        {"principals": {"groups": ["readers"]}, "repositories": ["**"], "allow": ["fetch"]},
    ],
    "rules": [
        {"name": "look-at-all", "when": {"refs": ["refs/heads/held/**"]}, "then": "hold",
         "approvals": {"required": 1, "from": ["maintainers"]}, "message": marked("rule-message")},
        {"name": "deny", "when": {"refs": ["refs/heads/denied/**"]}, "then": "deny", "message": marked("deny-message")},
        {"name": "no-secrets", "when": {"secrets": True}, "then": "deny", "message": marked("secret-message")},
    ],
    "grants": [{"name": "incident", "principals": {"groups": ["agents"]}, "repositories": ["demo/*"],
                "verbs": ["create", "fast-forward"], "max": "4h", "approvals": {"required": 1, "from": ["maintainers"]}}],
}  # fmt: skip
SEEN = {
    "rule-message", "deny-message", "secret-message", "ref", "path", "subject", "body", "trailer", "author", "email",
    "blob", "session", "url", "prompt", "comment", "withdrawal", "grant-reason", "grant-comment", "grant-ref", "upstream",
    "agent", "query", "secret-path", "link", "note-model", "note-tool", "note-session", "note-human", "note-path", "checkpoint-prompt",
    "checkpoint-branch", "trace-model",
}  # fmt: skip


def push_evil(w, branch, files=None, ok=False):
    """A push in which every text is hostile; the push and its commit."""
    w.write({
        f"dir/zz-path-zz\"><img src=x onerror={RUN}>\n' javascript:{RUN} `.txt": marked("blob") + "\n</td></tr></table>" + PAYLOAD + "\n",
        "fake.png": f"<html><script>{RUN}</script>", "poly.gif": GIF_HTML, "real.png": png(9), "x.svg": SVG,
        **(files or {}),
    })  # fmt: skip
    link = w.path / "link"
    if not link.is_symlink():
        link.symlink_to(marked("link")[:180])
    w.run("add", "-A")
    who = {f"GIT_{x}_{y}": marked(z, NAME_PAYLOAD) for x in ("AUTHOR", "COMMITTER") for y, z in (("NAME", "author"), ("EMAIL", "email"))}
    message = f"{marked('subject')}\n\n{marked('body')}\n\nReviewed-by: {marked('trailer')}\nAgent-Session: {marked('trailer')}\nEntire-Checkpoint: {CHECKPOINT}\n"
    w.run("commit", "-q", "-m", message, env=who)
    options = (f"agent.session={marked('session')}", f"agent.url=javascript:{RUN}//zz-url-zz", f"agent.prompt={marked('prompt')}", f"agent.<b>x{PAYLOAD[:40]}=y")
    p = w.push(*[x for o in options for x in ("-o", o)], f"HEAD:refs/heads/{branch}", ok=ok,
               env={"GIT_HTTP_USER_AGENT": "git/2 " + marked("agent")[:150].encode("ascii", "ignore").decode()})  # fmt: skip
    return p, w.head()


CHECKPOINT = "0123456789ab"


def push_records(w, commit):
    """What tools wrote down of its making, in each format, all of it hostile."""
    note = {"schema_version": "authorship/3.0.0", "base_commit_sha": commit, "prompts": {}, "humans": {}, "sessions": {"s_c9883b05a2487d": {
        "agent_id": {"tool": marked("note-tool"), "id": marked("note-session"), "model": marked("note-model")}, "human_author": marked("note-human", NAME_PAYLOAD)}}}  # fmt: skip
    path = json.dumps("zz-note-path-zz\"><img src=x onerror=" + RUN + "> <b>.txt")
    lines = f"{path}\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-2\nx.svg\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-3\n---\n"
    w.run("notes", "--ref=ai", "add", "-f", "-F", "-", commit, input=lines + json.dumps(note))
    blobs = {
        "metadata.json": json.dumps({"checkpoint_id": CHECKPOINT, "strategy": "manual-commit", "branch": marked("checkpoint-branch"), "files_touched": [PAYLOAD],
                                     "sessions": [{"metadata": "0/metadata.json", "prompt": "0/prompt.txt"}]}),
        "0/metadata.json": json.dumps({"session_id": marked("note-session"), "agent": marked("note-tool"), "model": marked("note-model")}),
        "0/prompt.txt": marked("checkpoint-prompt") + "\n</pre></details>" + PAYLOAD + "\n",
    }  # fmt: skip
    ids = {n: w.run("hash-object", "-w", "--stdin", input=t).stdout.strip() for n, t in blobs.items()}
    inner = w.run("mktree", input="".join(f"100644 blob {ids[f'0/{n}']}\t{n}\n" for n in ("metadata.json", "prompt.txt"))).stdout.strip()
    tree = w.run("mktree", input=f"100644 blob {ids['metadata.json']}\tmetadata.json\n040000 tree {inner}\t0\n").stdout.strip()
    ref = f"refs/entire/checkpoints/{CHECKPOINT[-2:]}/{CHECKPOINT}"
    w.run("update-ref", ref, w.out("commit-tree", "-m", "Checkpoint", tree))
    w.push("refs/notes/ai", ref, ok=True)


def trace(path):
    """An Agent Trace file."""
    who = {"type": "ai", "model_id": marked("trace-model")[:250]}
    o = {"version": "0.1.0", "id": "550e8400-e29b-41d4-a716-446655440000", "timestamp": "2026-01-23T14:30:00Z", "tool": {"name": marked("note-tool")},
         "files": [{"path": path, "conversations": [{"contributor": who, "ranges": [{"start_line": 1, "end_line": 2}]}]}]}  # fmt: skip
    return json.dumps(o) + "\n"


class Place:
    pass


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    with Gate(tmp_path_factory.mktemp("safety"), policy=POLICY, start=False) as g:
        p = Place()
        p.g = g
        (g.policy_dir / "secrets.toml").write_bytes((ROOT / "policy.d" / "secrets.toml").read_bytes())
        g.start()
        g.config["public-url"] = g.url
        assert g.reload()
        p.bot = g.token("bot", "agents")
        p.ann = g.token("ann", "maintainers")
        p.root = g.token("root", "admins", "auditors", "maintainers", "security")
        for name, *groups in (("root", "admins", "auditors", "maintainers", "security"), ("ann", "maintainers"), ("bob", "maintainers"),
                              ("ray", "readers"), ("zoe", "strangers")):  # fmt: skip
            g.user(name, PASSWORD, *groups)
        p.sessions = {n: Browserless(g, n, PASSWORD) for n in ("root", "ann", "bob", "ray", "zoe")}
        fill(p)
        yield p


def fill(p):
    g = p.g
    w = g.clone(p.bot)
    # kept pending: what the pages show
    said, p.commit = push_evil(w, f"held/zz-ref-zz{REF_PAYLOAD}")
    p.hold = hold_id(said)
    p.push = g.hold(p.hold, p.root)["push"]
    p.work = w
    push_records(w, p.commit)
    # what went through: its history is explained
    p.moved = f"refs/heads/open/zz-ref-zz{REF_PAYLOAD}"
    push_evil(w, p.moved.removeprefix("refs/heads/"), {"a": "0", ".agent-trace/traces.jsonl": trace("a")}, ok=True)
    # ended in each way
    closed, _ = push_evil(w, "held/rejected", {"a": "1"})
    assert g.review(hold_id(closed), p.root, "reject", marked("comment")).status == 200
    p.rejected = hold_id(closed)
    taken, _ = push_evil(w, "held/taken", {"a": "2"})
    assert g.review(hold_id(taken), p.bot, "withdraw", marked("withdrawal")).status == 200
    # upstream says no, in its words: git's own would not say these
    hook = g.upstream / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    refused, _ = push_evil(w, "held/refused", {"a": "3"})
    assert g.review(hold_id(refused), p.root).status == 200
    p.refused = hold_id(refused)
    push = g.wait_hold(p.refused, p.root, "failed")["push"]
    hook.unlink()
    said = marked("upstream")
    outcome = {"state": "failed", "message": said, "refs": [{"ref": "refs/heads/held/refused", "status": "ng", "message": said}]}
    with contextlib.closing(sqlite3.connect(g.state / "gitgate.db", timeout=30)) as db, db:
        for table, id in (("hold", p.refused), ("push", push)):
            assert db.execute(f"UPDATE {table} SET outcome = ? WHERE id = ?", (json.dumps(outcome), id)).rowcount == 1
    push_evil(w, "denied/x", {"a": "4"})
    secret = f"zz-secret-path-zz\"><img src=x onerror={RUN}>.ini"
    push_evil(w, "secret", {secret: f"token = {checked('ghp_')}\n"})
    ask = {"repositories": ["demo/app"], "refs": [f"refs/heads/zz-grant-ref-zz{REF_PAYLOAD}"], "verbs": ["create"], "for": "30m", "reason": marked("grant-reason")}
    p.grants = []
    for verb in ("approve", "reject", None):
        a = g.api("POST", "/grants", p.bot, ask)
        assert a.status == 201, a.text
        p.grants.append(a.json["id"])
        if verb:
            assert g.api("POST", f"/grants/{p.grants[-1]}/{verb}", p.root, {"comment": marked("grant-comment")}).status == 200
    p.grant = p.grants[-1]
    a = g.api("POST", "/findings", p.root, {"fingerprint": "ab" * 32, "repository": "demo/app", "comment": marked("finding"), "expires": "30d"})
    assert a.status == 201, a.text
    p.finding = a.json["id"]


def filled(p, path, other=NOBODY):
    """A route's path with ids of what is there."""
    id = other
    for part, known in (("/holds/", p.hold), ("/pushes/", p.push), ("/grants/", p.grant), ("/findings/", p.finding)):
        if part in path:
            id = known
    return path.replace("**", "checkpoint").replace("*", id).replace("+", "corp").replace("#", "1")


def all_gets(p):
    """(flags, path) of every route that GET may ask, with what it needs."""
    oid = {n: p.work.out("rev-parse", f"{p.commit}:{n}") for n in ("fake.png", "real.png", "poly.gif", "x.svg")}
    for flags, path, _ in routes():
        if "ROUTE_POST" in flags:
            continue
        path = filled(p, path)
        if path.endswith("/diff"):
            path += "?commit=" + p.commit
        elif path.endswith("/file"):
            path += "?oid=" + oid["x.svg"]
        elif path.endswith("/image"):
            path += "?oid=" + oid["real.png"]
        elif path.endswith("/repositories/kept"):
            path += "?repository=demo/app"
        elif path.endswith("/timeline"):
            path += "?repository=demo/app&ref=refs/heads/held/rejected"
        elif path.endswith("/explain"):
            path += "?repository=demo/app&ref=" + urllib.parse.quote(p.moved, safe="")
        elif path.endswith("/export"):
            yield from ((flags, f"{path}?format={f}") for f in ("jsonl", "csv", "ecs", "ocsf"))
            path += "?format=github"
        yield flags, path


def all_posts(p):
    for flags, path, _ in routes():
        if "ROUTE_POST" in flags:
            yield flags, filled(p, path)


# -- texts --

TAGS = set(
    "html head meta title link script body a header nav div form input button main h1 h2 h3 h4 h5 p dl dt dd code table thead tbody tr th td "
    "span time label select option textarea details summary ul ol li pre del ins mark section article aside figure figcaption img strong em "
    "fieldset legend footer small kbd blockquote svg path rect br hr caption colgroup col output progress q samp s u i b abbr dialog".split()
)
OURS = re.compile(r"(/-/|#|\?|$)[^\s\"'<>]*$")


class Page(html.parser.HTMLParser):
    """What a browser would make of it, as far as that can do harm."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.bad, self.said, self.links = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in TAGS:
            self.bad.append(f"<{tag}>")
        for name, value in attrs:
            self.said.append(value or "")
            if name.startswith("on") or name in ("style", "srcdoc", "autofocus") and tag not in ("input", "textarea"):
                self.bad.append(f"<{tag} {name}>")
            if not re.fullmatch(r"[a-z][a-z-]*", name):
                self.bad.append(f"<{tag}: {name}>")
            if name in ("href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcset"):
                self.links.append(value)
                if not OURS.match(value or ""):
                    self.bad.append(f"<{tag} {name}={value}>")
        if tag == "script" and not re.fullmatch(r"/-/static/app\.js\?v=[0-9a-f]{16}", given.get("src") or ""):
            self.bad.append("a script")
        if tag == "img" and not re.fullmatch(r"/-/holds/[0-9A-Z]{26}/image\?oid=[0-9a-f]{40}", given.get("src") or ""):
            self.bad.append("a picture")
        if tag in ("svg", "b", "iframe"):
            self.bad.append(f"<{tag}>")

    def handle_data(self, data):
        self.said.append(data)

    def handle_comment(self, data):
        self.bad.append("a comment")


def test_the_parser_finds_what_it_is_for():
    for text in (PAYLOAD, f"<p>{PAYLOAD}</p>", f'<a href="{PAYLOAD}">', "<a href=javascript:1>", "<img src=x>", "<p style=x>", "<p onx=1>", "<a href=//evil.example/>",
                 "<script>1</script>", "<svg onload=1>", "<!-- x -->", f'<input value="{NAME_PAYLOAD}">'):  # fmt: skip
        assert Page(text).bad, text
    assert Page('<p class="x">1 &lt;b&gt;</p><a href="/-/holds/x">y</a>').bad == []


def pages_with_texts(p):
    evil = urllib.parse.quote(marked("query"), safe="")
    yield from (path for flags, path in all_gets(p) if "ROUTE_API" not in flags and "/static/" not in path)
    for id in (p.rejected, p.refused):
        yield f"/-/holds/{id}"
    for g in p.grants:
        yield f"/-/grants/{g}"
    for o in p.g.api("GET", "/pushes?limit=50", p.root).json["pushes"]:
        yield f"/-/pushes/{o['id']}"
    for state in ("all", evil):
        yield f"/-/holds?state={state}"
    for key in ("repository", "ref", "principal", "type", "since", "push", "cursor"):
        yield f"/-/audit?{key}={evil}"
    for page in ("holds", "pushes", "grants"):
        for key in ("state", "repository", "principal", "ref", "cursor", "limit"):
            yield f"/-/{page}?{key}={evil}"
    for query in (f"file?oid={evil}", f"image?oid={evil}", f"diff?ref={evil}", f"diff?commit={evil}", f"diff?ref={evil}&skip={evil}"):
        yield f"/-/holds/{p.hold}/{query}"
    yield f"/-/login?next={evil}"
    yield f"/-/{evil}"


def test_no_text_becomes_markup(p):
    said, asked = [], 0
    for session in ("root", None):
        s = p.sessions[session] if session else Browserless(p.g)
        for path in pages_with_texts(p):
            a = s.get(path)
            assert a.status < 500, (path, a.status)
            for value in a.headers.values():
                assert RUN not in value, path
            if not a.headers["Content-Type"].startswith("text/html"):
                assert a.headers["Content-Type"].split(";")[0] in ("text/plain", "image/png", "application/samlmetadata+xml"), (path, a.headers["Content-Type"])
                continue
            asked += 1
            page = Page(a.text)
            assert page.bad == [], (path, page.bad)
            assert not set("\u202e\u2066\ufeff") & set(a.text), path
            said += page.said
    text = "".join(said)
    unseen = {x for x in SEEN if f"zz-{x}-zz" not in text}
    assert asked > 40 and not unseen, unseen


def test_texts_in_the_api_are_json(p):
    for flags, path in all_gets(p):
        if "ROUTE_API" not in flags or path.endswith("/events"):
            continue
        a = http("GET", p.g.url + path, headers={"Authorization": f"Bearer {p.root}"})
        assert a.status == 200, (path, a.text)
        kind = a.headers["Content-Type"].split(";")[0]
        assert a.headers["X-Content-Type-Options"] == "nosniff" and "html" not in kind and "xml" not in kind, path
        if kind == "application/json":
            json.loads(a.body)
            assert a.body.isascii() or path.endswith("openapi.json"), path
        else:
            assert kind in ("text/plain", "application/octet-stream", "text/csv", "application/x-ndjson"), (path, kind)
            assert RUN not in a.text or "attachment" in (a.headers["Content-Disposition"] or ""), path


def test_pictures_are_nothing_else(p):
    s = p.sessions["root"]
    for name, status in (("fake.png", 415), ("x.svg", 415), ("real.png", 200), ("poly.gif", 200)):
        oid = p.work.out("rev-parse", f"{p.commit}:{name}")
        a = s.get(f"/-/holds/{p.hold}/image?oid={oid}")
        assert a.status == status, name
        if status == 200:
            # whatever else its bytes could be: it is shown as a picture, and opened alone it runs nothing
            assert a.headers["Content-Type"] == "image/" + name[-3:] and a.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in a.headers["Content-Security-Policy"] and "default-src 'none'" in a.headers["Content-Security-Policy"]
            assert "no-store" in a.headers["Cache-Control"]
            assert a.headers["Cross-Origin-Resource-Policy"] == "same-origin"


# -- state --


def state_of(p):
    """All that the store and the log's index hold, but for the times of last
    use, and meta, where the gate's own rounds note how far they have come."""
    db = sqlite3.connect(f"file:{p.g.state / 'gitgate.db'}?mode=ro", uri=True, timeout=30)
    db.row_factory = sqlite3.Row
    found = {}
    try:
        for (t,) in [tuple(r) for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'meta'")]:
            rows = [{k: r[k] for k in r.keys() if not re.search("used", k)} for r in db.execute(f'SELECT * FROM "{t}"')]
            found[t] = sorted(map(str, rows))
    finally:
        db.close()
    return found


def settled(p):
    """The state once nothing goes on in it."""
    last = [None]

    def same():
        now = state_of(p)
        same, last[0] = now == last[0], now
        return same

    until("nothing goes on", same)
    return last[0]


def test_asking_changes_nothing(p):
    """GET and HEAD of every route, of what there is, by who may do all."""
    before = settled(p)
    s = p.sessions["root"]
    for flags, path in all_gets(p):
        for method in ("GET", "HEAD"):
            if path.endswith("/events") and method == "GET":
                continue
            a = http(method, p.g.url + path, headers=s.headers())
            assert a.status < 500, path
    # every act, by GET and HEAD, also with the form in the address
    gets = {re.sub(r"\?.*", "", path) for _, path in all_gets(p)}
    for flags, path in all_posts(p):
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
            if path in gets and method in ("GET", "HEAD"):
                continue
            a = http(method, f"{p.g.url}{path}?csrf={s.csrf}&comment=x&user=ann&password=x", headers={**s.headers(), "X-CSRF-Token": s.csrf})
            assert a.status == 405, (method, path, a.status)
            assert "POST" in a.headers["Allow"]
    after = settled(p)
    assert {t for t in after if after[t] != before[t]} == set()


# Who signs in has no session; a provider's answer comes from its site.
ANYBODY = {"/-/login", "/-/login/corp", "/-/saml/corp/acs", "/-/logout"}


def test_forms_of_other_sites_do_nothing(p):
    s, other = p.sessions["root"], p.sessions["bob"]
    tries = (
        ({"csrf": None}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": "A" * 43}, {}),
        ({"csrf": other.csrf}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
        ({}, {"Origin": f"https://{EVIL_HOST}"}),
        ({}, {"Origin": "null"}),
        ({}, {"Origin": p.g.url + "." + EVIL_HOST}),
    )
    more = {"comment": "x", "user": "ann", "password": PASSWORD, "repositories": "demo/app", "verbs": "create", "for": "30m", "reason": "x", "SAMLResponse": "x"}
    before = settled(p)
    asked = 0
    for flags, path in all_posts(p):
        if "ROUTE_API" in flags:
            continue
        assert ("ROUTE_ANYBODY" in flags) == (path in ANYBODY), "a form for everybody: how is it kept from other sites?"
        if path == "/-/login":
            continue  # below, without a session
        for fields, headers in tries:
            a = s.post(path, headers=headers, **{**more, **fields})
            want = (403, 404) if path in ANYBODY else (403,)
            assert a.status in want, (path, fields, headers, a.status)
            asked += 1
        # nor in a body of another type
        for kind in ("application/json", "text/plain"):
            a = http("POST", p.g.url + path, json.dumps({**more, "csrf": s.csrf}), s.headers({"Content-Type": kind}))
            assert a.status in (400, 403, 404, 415), (path, kind, a.status)
    assert asked >= 9 * len(tries)
    # with a session, the API wants its token in a header, which no form sends, and JSON
    for flags, path in all_posts(p):
        if "ROUTE_API" not in flags:
            continue
        good = {"Content-Type": "application/json", "X-CSRF-Token": s.csrf}
        for change in ({"X-CSRF-Token": None}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other.csrf}, {"Origin": f"https://{EVIL_HOST}"}, {"Origin": "null"},
                       {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):  # fmt: skip
            a = http("POST", p.g.url + path, "{}", s.headers({k: v for k, v in {**good, **change}.items() if v is not None}))
            assert a.status == 403, (path, change, a.status)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""):
            a = http("POST", p.g.url + path, "{}", s.headers({**good, "Content-Type": kind}))
            assert a.status == 415, (path, kind, a.status)
    after = settled(p)
    assert {t for t in after if after[t] != before[t]} - {"audit_index"} == set()


def test_sign_in_is_no_form_of_others(p):
    """Neither is somebody signed in as the attacker, nor with a session that
    the attacker knows."""
    evil = Browserless(p.g)
    form = evil.get("/-/login")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": f"https://{EVIL_HOST}"}):
        assert evil.post("/-/login", headers=headers, csrf=token_in(form.text), user="ann", password=PASSWORD).status == 403
    other = Browserless(p.g)
    assert other.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD).status == 403
    planted = "B" * 43
    victim = Browserless(p.g)
    victim.cookies["gitgate-session"] = planted
    form = victim.get("/-/login")
    a = victim.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD)
    assert a.status == 303 and victim.cookies["gitgate-session"] != planted
    evil.cookies["gitgate-session"] = planted
    assert evil.get("/-/holds").status == 303
    # nor does an address name a session
    for path in (f"/-/holds?gitgate-session={victim.cookies['gitgate-session']}", f"/-/holds;gitgate-session={victim.cookies['gitgate-session']}"):
        assert http("GET", p.g.url + path).status in (303, 404)
    for c in a.headers.get_all("Set-Cookie"):
        assert "HttpOnly" in c and "SameSite=" in c and "Path=/" in c and "Domain" not in c, c


# -- headers --

PUBLIC = re.compile(r"/-/static/|/-/api/v1/openapi\.json|/-/log/(checkpoint|tile/[0-9])")


def check_headers(a, path, https=False):
    h = a.headers
    assert h["X-Content-Type-Options"] == "nosniff", path
    assert ("no-store" in h["Cache-Control"]) == (not PUBLIC.match(path) or a.status >= 400), (path, a.status, h["Cache-Control"])
    assert h["Access-Control-Allow-Origin"] is None, path
    assert h["Server"] is None and h["X-Powered-By"] is None
    if (h["Content-Type"] or "").startswith("text/html"):
        csp = h["Content-Security-Policy"]
        assert "unsafe" not in csp and "*" not in csp and "data:" not in csp, path
        for words in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'"):
            assert words in csp or (words == "form-action 'self'" and "/-/login" in path and "form-action" in csp), (path, words)
        assert h["X-Frame-Options"] == "DENY" and h["Referrer-Policy"] == "no-referrer", path
        assert h["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert (h["Strict-Transport-Security"] is not None) == https, path


def askings(p):
    """Every route, by everybody, well and wrongly asked."""
    for flags, path in all_gets(p):
        if not path.endswith("/events"):
            yield "GET", path
            yield "POST", path
        yield "GET", re.sub(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", NOBODY, path).replace("/events", "/events?hold=x")
        yield "DELETE", path
    for flags, path in all_posts(p):
        yield "POST", path
        yield "GET", path + "/x"
    yield "GET", f"/-/holds/{p.hold}/image?oid={p.work.out('rev-parse', p.commit + ':fake.png')}"
    for path in ("/-/nothing", "/-/static/nothing", "/-/log/nothing", "/-/holds?since=x&limit=x", "/-/%00", "/-/api/v1/nothing", "/nothing", "/favicon.ico"):
        yield "GET", path


def test_headers_of_every_answer(p):
    kinds = set()
    for who in ("root", "zoe", None):
        s = p.sessions[who] if who else Browserless(p.g)
        for method, path in askings(p):
            a = http(method, p.g.url + path, "" if method == "POST" else None, s.headers())
            if a.status == 400 and path == "/-/%00":
                continue
            check_headers(a, path)
            kinds.add((a.status, (a.headers["Content-Type"] or "").split(";")[0]))
    for status in (200, 400, 403, 404, 415):
        assert (status, "text/html") in kinds, status
    assert {401, 404, 403} <= {s for s, kind in kinds if kind == "application/problem+json"}


def test_over_https(make_gate):
    g = make_gate(rules=[PROTECT_MAIN], config={"public-url": "https://gate.example"})
    g.user("ann", PASSWORD, "maintainers")
    s = Browserless(g)
    form = s.get("/-/login")
    a = s.post("/-/login", csrf=token_in(form.text), user="ann", password=PASSWORD, headers={"Origin": "https://gate.example"})
    assert a.status == 303
    for c in a.headers.get_all("Set-Cookie"):
        assert c.startswith("__Host-") and "Secure" in c and "HttpOnly" in c and "Path=/" in c and "Domain" not in c, c
    assert s.post("/-/logout", csrf="x", headers={"Origin": "http://gate.example"}).status == 403
    for path in ("/-/holds", "/-/account", "/-/login", "/-/holds/" + NOBODY, "/-/audit"):
        check_headers(s.get(path), path, https=True)
    assert http("GET", g.url + "/-/holds").headers["Strict-Transport-Security"]


def test_static_files_are_kept(p):
    page = p.sessions["ann"].get("/-/holds").text
    for name in ("app.js", "style.css", "icon.svg"):
        (address,) = set(re.findall(rf'"(/-/static/{re.escape(name)}\?v=[0-9a-f]+)"', page))
        a = http("GET", p.g.url + address)
        assert "immutable" in a.headers["Cache-Control"] and a.headers["Set-Cookie"] is None
        assert http("GET", p.g.url + address, headers={"If-None-Match": a.headers["ETag"]}).status == 304
        wrong = http("GET", f"{p.g.url}/-/static/{name}?v=0000000000000000")
        assert "immutable" not in wrong.headers["Cache-Control"], "another version is not kept for ever under this name"


def test_no_link_goes_where_the_request_says(p):
    """Addresses are those of public-url, whatever a client or a proxy says."""
    heads = {"X-Forwarded-Host": EVIL_HOST, "X-Forwarded-Proto": "gopher", "Forwarded": f"host={EVIL_HOST}", "X-Original-URL": f"//{EVIL_HOST}", "X-Rewrite-URL": f"//{EVIL_HOST}"}
    for host in (EVIL_HOST, f"{EVIL_HOST}:80", None):
        for flags, path in all_gets(p):
            if path.endswith("/events"):
                continue
            for who in ("root", None):
                s = p.sessions[who] if who else Browserless(p.g)
                a = http("GET", p.g.url + path, headers=s.headers({**heads, **({"Host": host} if host else {})}))
                assert EVIL_HOST not in a.text and EVIL_HOST not in str(a.headers), (path, host)
                assert a.status < 500
    asked = http("GET", f"{p.g.url}/-/api/v1/holds/{p.hold}", headers={"Host": EVIL_HOST, "Authorization": f"Bearer {p.root}"})
    assert asked.json["url"] == f"{p.g.url}/-/holds/{p.hold}"


NEXTS = [
    f"https://{EVIL_HOST}/", f"//{EVIL_HOST}", f"///{EVIL_HOST}", f"/\\{EVIL_HOST}", f"\\\\{EVIL_HOST}", f"https:{EVIL_HOST}", f"https:/{EVIL_HOST}", f"/-/..//{EVIL_HOST}",
    f"/-//{EVIL_HOST}", f"/-/\\{EVIL_HOST}", f"/-/%2f%2f{EVIL_HOST}", f"%2f%2f{EVIL_HOST}", f"/%09/{EVIL_HOST}", f"\t//{EVIL_HOST}", f"/\t/{EVIL_HOST}", f"javascript:{RUN}",
    f"data:text/html,{PAYLOAD}", "/-/holds\r\nSet-Cookie: evil=1", "/-/holds%0d%0aSet-Cookie: evil=1", f"@{EVIL_HOST}", f"/-/@{EVIL_HOST}", f".{EVIL_HOST}", "/-/logout", "/-/login", "",
    f"/-/holds?x=//{EVIL_HOST}", f"/-/holds#//{EVIL_HOST}", "/-/\u2028", "/-/%e2%80%a8", "/-/" + "a" * 600,
]  # fmt: skip


def goes_here(g, where):
    """Would a browser, at the sign-in page, stay at this gate?"""
    at = urllib.parse.urljoin(g.url + "/-/login", where.replace("\\", "/"))
    return at.startswith(g.url + "/-/") and "\r" not in where and "\n" not in where


def test_next_leads_nowhere_else(p):
    g = p.g
    s = p.sessions["ann"]
    for next in NEXTS:
        quoted = urllib.parse.quote(next, safe="")
        a = s.get(f"/-/login?next={quoted}")
        assert a.status == 303 and goes_here(g, a.headers["Location"]), (next, a.headers["Location"])
        assert "evil" not in str(a.headers.get_all("Set-Cookie"))
        page = Browserless(g).get(f"/-/login?next={quoted}")
        assert page.status == 200 and Page(page.text).bad == [], next
    # as the form sends it, in one sign-in of each kind of address
    for next in (NEXTS[0], NEXTS[1], NEXTS[3], NEXTS[8], NEXTS[17]):
        b = Browserless(g)
        a = b.post("/-/login", csrf=token_in(b.get("/-/login").text), user="bob", password=PASSWORD, next=next)
        assert a.status == 303 and goes_here(g, a.headers["Location"]), (next, a.headers["Location"])
        assert a.headers["evil"] is None and "evil=" not in str(a.headers.get_all("Set-Cookie"))
    # and where an address that is not signed in is sent back to
    for path in (f"/-/holds/{p.hold}?x=%0d%0aX-Evil:1", f"/-/holds?next=//{EVIL_HOST}", "/-/grants"):
        a = http("GET", g.url + path)
        assert a.status == 303 and goes_here(g, a.headers["Location"]) and a.headers["X-Evil"] is None


# -- rights --


def test_a_link_alone_gives_no_right(p):
    """Every route that names something, by a stranger, a reader, a reviewer and
    nobody."""
    stranger, reader, reviewer = (p.sessions[n] for n in ("zoe", "ray", "bob"))
    asked = 0
    for flags, path in all_gets(p):
        if not re.search(r"/[0-7][0-9A-HJKMNP-TV-Z]{25}|/audit/1/", path):
            continue
        asked += 1
        a = stranger.get(path)
        assert a.status == 404, (path, a.status)
        for word in ("zz-", "demo/app", "bot", p.commit):
            assert word not in a.text, (path, word)
        # word for word what is said of what is not there
        none = stranger.get(re.sub(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", NOBODY, path))
        if none.status == 404 and "/audit/" not in path:
            assert re.sub(r'csrf" value="[^"]*', "", a.text) == re.sub(r'csrf" value="[^"]*', "", none.text), path
        assert Browserless(p.g).get(path).status == (401 if "ROUTE_API" in flags else 303), path
        assert reviewer.get(path).status == (404 if "/audit/" in path else 200), path
        if "/grants/" not in path and "/audit/" not in path:
            assert reader.get(path).status == 200, path
    assert asked >= 9
    before = settled(p)
    for flags, path in all_posts(p):
        if not re.search(r"/(holds|grants|findings)/[0-7]", path):
            continue
        for s, want in ((stranger, (403, 404)), (reader, (403, 404))):
            if "ROUTE_API" in flags:
                a = http("POST", p.g.url + path, "{}", s.headers({"Content-Type": "application/json", "X-CSRF-Token": s.csrf}))
            else:
                a = s.post(path, comment="x")
            assert a.status in want, (path, a.status)
    after = settled(p)
    assert {t for t in after if after[t] != before[t]} - {"audit_index"} == set()
    for page in ("/-/holds?state=all", "/-/pushes", "/-/grants", "/-/audit"):
        assert "zz-" not in stranger.get(page).text, page


# -- in a browser --


def test_nothing_runs_even_without_the_policy(p, tmp_path):
    """With the pages' Content-Security-Policy switched off, so that it is not
    what keeps the texts from running."""
    from chromium import injected, make_browser, open_all, sign_in

    b = make_browser(tmp_path / "profile")
    try:
        b.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        # that it is off: a script written into the page runs
        b.get(p.g.url + "/-/login")
        b.execute_script("document.body.appendChild(document.createElement('script')).textContent = 'window.__inline = 1'")
        assert b.execute_script("return window.__inline") == 1
        b.get(p.g.url + f"/-/login?next={urllib.parse.quote(marked('query'), safe='')}")
        assert injected(b) == []
        sign_in(b, "root", PASSWORD)
        push = p.g.hold(p.hold, p.root)["push"]
        for path in (f"/-/holds/{p.hold}", f"/-/holds/{p.refused}", f"/-/holds/{p.rejected}", f"/-/holds/{p.hold}/diff?commit={p.commit}",
                     f"/-/holds/{p.hold}/file?oid={p.work.out('rev-parse', p.commit + ':x.svg')}", "/-/holds?state=all", "/-/pushes", f"/-/pushes/{push}",
                     "/-/audit", "/-/grants", f"/-/grants/{p.grant}", "/-/account", f"/-/audit?ref={urllib.parse.quote(marked('query'), safe='')}"):  # fmt: skip
            b.get(p.g.url + path)
            open_all(b)
            assert [x for x in injected(b) if "/image?oid=" not in x] == [], path
            assert not b.execute_script("return window.__xss"), path
        # opened by themselves, with what could be run in them
        for name in ("poly.gif", "fake.png", "x.svg"):
            b.get(f"{p.g.url}/-/holds/{p.hold}/image?oid={p.work.out('rev-parse', p.commit + ':' + name)}")
            assert not b.execute_script("return window.__xss"), name
    finally:
        b.quit()


# -- what others say: a provider of sign-ins, a hook program --


def test_what_a_provider_says_is_text(make_gate):
    from standin_op import Person, StandIn

    with StandIn() as op:
        g = make_gate(rules=[PROTECT_MAIN], config=op.config(provider={"title": marked("title", '"><img src=x>')}))
        p = Person(g)
        said = [p.get("/-/login")]
        # an honest name, and everything else hostile; then a hostile name
        p.sign_in(op, sub=marked("sub", NAME_PAYLOAD), preferred_username="ann", name=PAYLOAD, groups=["maintainers", PAYLOAD, marked("group")],
                  email=f'"{marked("email", NAME_PAYLOAD)}"@x.example', email_verified=True)  # fmt: skip
        said += [p.get(path) for path in ("/-/account", "/-/holds", "/-/grants")]
        assert "zz-title-zz" in said[0].text and "zz-group-zz" not in said[1].text
        for claims in ({"preferred_username": PAYLOAD}, {"preferred_username": f'a"onx={RUN}'}, {"preferred_username": "\u202eann"}):
            other = Person(g)
            a = other.back(op.approve(other.begin(), sub="s2", **claims))
            assert a.status >= 400 and other.get("/-/holds").status == 303, claims
            said.append(a)
        evil = urllib.parse.quote(marked("error"), safe="")
        for query in (f"error={evil}&error_description={evil}&error_uri=javascript:{RUN}", f"code={evil}&state={evil}&iss={evil}", f"state={evil}", ""):
            other = Person(g)
            other.begin()
            said.append(other.get(f"/-/login/corp/callback?{query}"))
        for a in said:
            if a.headers["Content-Type"].startswith("text/html"):
                assert Page(a.text).bad == [], a.text
            check_headers(a, "/-/login/", https=True)


def test_what_a_hook_says_is_text(make_gate):
    from test_hooks import put, rule

    g = make_gate(rules=[rule("ask")], start=False)
    put(g.dir / "hooks", "ask", "cat >/dev/null; cat <<'X'\n" + json.dumps({"verdict": "hold", "message": marked("hook")}) + "\nX\n")
    g.config["hooks-dir"] = str(g.dir / "hooks")
    g.start()
    g.user("ann", PASSWORD, "maintainers")
    w = g.clone(g.token("bot", "agents"))
    w.commit({"a": "a"}, "change")
    id = hold_id(w.push("HEAD:refs/heads/x", ok=False))
    s = Browserless(g, "ann", PASSWORD)
    push = g.hold(id, g.token("ann", "maintainers"))["push"]
    for path in (f"/-/holds/{id}", f"/-/pushes/{push}"):
        page = Page(s.get(path).text)
        assert page.bad == [] and "zz-hook-zz" in "".join(page.said), path
