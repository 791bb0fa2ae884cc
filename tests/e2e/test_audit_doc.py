"""docs/audit.md: every command that it shows is run, in its order."""

import re
import subprocess

from gate import BIN, ROOT, vkey

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


def test_commands_of_the_auditors_page(g, tmp_path):
    work = g.clone(g.token("bot", "agents"))
    work.commit({"a": "a"}, "one")
    work.push("HEAD:refs/heads/one", ok=True)
    (tmp_path / "auditor.token").write_text(g.token("audrey", "auditors") + "\n")
    (tmp_path / "gate.vkey").write_text(vkey(g) + "\n")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    blocks = FENCE.findall((ROOT / "docs" / "audit.md").read_text())
    script = "".join(body for info, body in blocks if info == "sh run")
    assert script.count("gitgate audit ") == 6 and "tlog_verify.py" in script
    for was, now in (("https://gate.example.com", g.url), ("/var/backups/gitgate/log", str(g.state / "log"))):
        assert was in script
        script = script.replace(was, now)
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}

    p = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert p.returncode == 0, p.stderr
    assert p.stdout.count("verified") == 4 and '"verdict":"allow"' in re.sub(r"\s", "", p.stdout)
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
