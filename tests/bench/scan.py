#!/usr/bin/python3
"""How fast pushed bytes are scanned for secrets, beside `grep -c` over the
same bytes, and what memory a large push's scan takes.

    tests/bench/scan.py [--bytes N] [--rules FILE] [--push N]

The scan is that of the inspector itself: a push job over a pack that holds
the bytes as files, once with JOB_WANT_SECRETS and once without; the
difference is the scan. Bytes: files of /usr/share, text and binary as they
come. One core is used.
"""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import frames  # noqa: E402

ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="a",
           GIT_AUTHOR_EMAIL="a@x", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@x")
WANT_SECRETS = 8


def git(where, *args, data=None):
    return subprocess.run(["git", "-C", str(where), *args], input=data, env=ENV, check=True,
                          stdout=subprocess.PIPE).stdout


def gather(tree, want):
    """Copy files until there are so many bytes; the number of bytes."""
    total = n = 0
    for dir, subdirs, names in os.walk("/usr/share"):
        subdirs.sort()
        for name in sorted(names):
            path = Path(dir) / name
            if path.is_symlink() or not path.is_file():
                continue
            data = path.read_bytes()
            if not 0 < len(data) <= 32 << 20:
                continue
            (tree / str(n)).write_bytes(data)
            total, n = total + len(data), n + 1
            if total >= want:
                return total
    return total


def grow(tree, want):
    """More bytes than files exist: numbered lines, never the same blob."""
    line = b"a line of text that is long enough to be one, number %d\n"
    for i in range(want // (4 << 20)):
        (tree / ("big%d" % i)).write_bytes(b"".join(line % (i * 80000 + k) for k in range((4 << 20) // 60)))


def compile_rules(inspector, rules, out):
    name = os.path.basename(rules).encode()
    text = frames.memfd(frames.bytes_(name.decode()) + frames.u32(os.path.getsize(rules)) + Path(rules).read_bytes())
    inspector.peer.send("JOB_RULES", frames.u64(64 << 20) + frames.u8(1), [text, out])
    inspector.peer.expect("RULES_DONE")


def inspect(tmp, pack, new, rules_fd, wants):
    """One push job; seconds of CPU, and the peak of anonymous memory."""
    quarantine = Path(tempfile.mkdtemp(dir=tmp / "quarantine"))
    inspector = frames.Inspector(tmp / "mirrors", tmp / "quarantine")
    refs = frames.memfd(frames.push_job_refs([("0" * 40, new, "refs/heads/x")], []))
    report = os.memfd_create("report")
    pack_fd = os.open(pack, os.O_RDONLY)
    fds = [refs, pack_fd, report] + ([rules_fd] if wants else [])
    begun = time.monotonic()
    inspector.peer.send("JOB_PUSH", frames.push_job(str(tmp / "mirrors" / "m.git"), str(quarantine), wants=wants), fds)
    inspector.peer.send("PACK_END", frames.u64(os.path.getsize(pack)))
    inspector.peer.expect("REPORT")
    seconds = time.monotonic() - begun
    stat = Path("/proc/%d/stat" % inspector.process.pid).read_text().rsplit(")", 1)[1].split()
    cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    status = dict(x.split(":", 1) for x in Path("/proc/%d/status" % inspector.process.pid).read_text().splitlines())
    anon = int(status["RssAnon"].split()[0]) << 10
    peak = int(status["VmHWM"].split()[0]) << 10
    inspector.close()
    return seconds, cpu, anon, peak


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bytes", type=int, default=50 << 20)
    ap.add_argument("--push", type=int, default=0, help="pad the push to so many bytes")
    ap.add_argument("--rules", default=str(ROOT / "policy.d" / "secrets.toml"))
    args = ap.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        tree = tmp / "tree"
        for d in (tree, tmp / "mirrors", tmp / "quarantine"):
            d.mkdir()
        total = gather(tree, args.bytes)
        if args.push > total:
            grow(tree, args.push - total)
            total = sum(p.stat().st_size for p in tree.iterdir())
        git(tmp, "init", "-q", "--bare", "mirrors/m.git")
        git(tree, "init", "-q")
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", "all")
        new = git(tree, "rev-parse", "HEAD").decode().strip()
        pack = tmp / "pack"
        pack.write_bytes(git(tree, "pack-objects", "--revs", "--stdout", "-q", "--window=0", data=new.encode()))
        files = [str(p) for p in tree.iterdir() if p.is_file()]
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        for i in range(0, len(files), 500):
            subprocess.run(["grep", "-c", "secret", *files[i : i + 500]], stdout=subprocess.DEVNULL)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        grep = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
        out = os.memfd_create("rules")
        inspector = frames.Inspector(tmp / "mirrors", tmp / "quarantine")
        begun = time.monotonic()
        compile_rules(inspector, args.rules, out)
        compiled = time.monotonic() - begun
        inspector.close()
        _, without, base_anon, _ = inspect(tmp, pack, new, out, 0)
        seconds, cpu, anon, peak = inspect(tmp, pack, new, out, WANT_SECRETS)
        print("%s, %.0f MB in %d files" % (os.path.basename(args.rules), total / 1e6, len(files)))
        print("compiled in %.2f s" % compiled)
        print("scan: %.2f s of CPU, %.0f MB/s per core (reading the blobs included)" % (cpu - without, total / 1e6 / max(cpu - without, 0.001)))
        print("grep -c secret: %.2f s of CPU, %.0f MB/s" % (grep, total / 1e6 / max(grep, 0.001)))
        print("inspector: anonymous memory %.0f MB with, %.0f MB without; peak with mapped files %.0f MB" % (anon / 1e6, base_anon / 1e6, peak / 1e6))


if __name__ == "__main__":
    main()
