"""docs/audit.md: every command that it shows is run, in its order."""

import re
import subprocess

from gate import BIN, ROOT, hold_id, http, until, vkey
from witness import Process, Witness

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


def test_commands_of_the_auditors_page(g, tmp_path):
    real = Process(tmp_path / "w1", [vkey(g)]).start()
    python = Witness([vkey(g)])
    try:
        run_the_page(g, tmp_path, (real, python))
    finally:
        python.close()
        real.stop()


def run_the_page(g, tmp_path, witnesses):
    g.config["witnesses"] = {"list": [{"key": w.vkey, "url": w.url} for w in witnesses]}
    g.config["limits"] = {"witness-pause": "50ms"}
    assert g.reload()
    names = ("security", "customer")
    lines = [f"witness {name} {w.vkey}\n" for name, w in zip(names, witnesses)]
    (tmp_path / "gate.policy").write_text(f"log {vkey(g)}\n{''.join(lines)}group both all {' '.join(names)}\nquorum both\n")
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "a"}, "one")
    work.push("HEAD:refs/heads/one", ok=True)
    hold, ann = hold_id(work.push("HEAD:refs/heads/main", ok=False)), g.token("ann", "maintainers")
    assert g.review(hold, ann).status == 200
    g.wait_hold(hold, ann, "forwarded")
    (tmp_path / "auditor.token").write_text(g.token("audrey", "auditors") + "\n")
    (tmp_path / "gate.vkey").write_text(vkey(g) + "\n")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    blocks = FENCE.findall((ROOT / "docs" / "audit.md").read_text())
    script = "".join(body for info, body in blocks if info == "sh run")
    assert script.count("gitgate audit ") == 11 and "tlog_verify.py" in script
    for was, now in (("https://gate.example.com", g.url), ("/var/backups/gitgate/log", str(g.state / "log"))):
        assert was in script
        script = script.replace(was, now)
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}

    def all_signed():
        note = http("GET", g.url + "/-/log/checkpoint").text
        return note.count("\u2014") == 3 and note == http("GET", g.url + "/-/log/cosigned").text

    until("all is signed", all_signed, log=g.log)
    p = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert p.returncode == 0, p.stderr
    assert p.stdout.count("verified") == 8 and p.stdout.count("cosigned: ") == 4 and '"verdict":"allow"' in re.sub(r"\s", "", p.stdout)
    assert re.search(r"^who: +bot, by token", p.stdout, re.M) and re.search(r"^approved: +ann, by token", p.stdout, re.M)
    # and they can fail: one byte of one entry
    g.stop()
    size = int((g.state / "log" / "checkpoint").read_text().split("\n")[1])
    tile = g.state / "log" / "tile" / "entries" / "000.p" / str(size)
    data = bytearray(tile.read_bytes())
    data[20] ^= 1
    tile.write_bytes(data)
    (local,) = (line for line in script.splitlines() if line.startswith("gitgate audit verify") and str(g.state) in line)
    p = subprocess.run(["sh", "-c", local], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert p.returncode == 1 and f"tile/entries/000.p/{size}" in p.stderr
