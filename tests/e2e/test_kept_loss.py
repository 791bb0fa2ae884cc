"""What is kept is not lost."""

import os
import subprocess
import threading

import pytest

from gate import PROTECT_MAIN, everything_below, hold_id, until
from test_kept import HOLD_ENTIRE, KEEP, Place, note


@pytest.fixture
def place(make_gate):
    return Place(make_gate(rules=[PROTECT_MAIN, KEEP, HOLD_ENTIRE]))


def test_a_held_push_outlives_pruning(place):
    """What it stands on was dropped meanwhile: its pack alone is not whole."""
    g, work = place.g, place.clone()
    first = note(work, "the first")
    work.push(f"{first}:refs/entire/1", ok=True)
    work.run("fetch", "-q", "origin", "refs/entire/*:refs/entire/*")
    second = note(work, "on top of it")
    id = hold_id(work.push(f"{second}:refs/entire/held/1", ok=False))
    g.cli("kept", "drop", "demo/app", "refs/entire/1")
    assert place.served("refs/entire/*") == {}
    p = g.cli("kept", "prune", "demo/app", check=False)
    assert p.returncode == 1 and "held to be kept: 1; they may stand on what would go" in p.stderr, p.stdout + p.stderr
    assert g.review(id, place.ann).status == 200
    g.wait_hold(id, place.ann, "kept", "failed", "stale")
    # the mirror follows when the hold has ended, or when somebody fetches
    assert place.served("refs/entire/*") == {"refs/entire/held/1": second}
    assert g.cli("kept", "prune", "demo/app").returncode == 0
    g.stop()
    subprocess.run(["rm", "-rf", str(g.state / "mirrors")], check=True)
    g.start()
    assert place.served("refs/entire/*") == {"refs/entire/held/1": second}
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", "refs/entire/*:refs/entire/*")
    fresh.run("fsck", "--strict")


def test_pruning_writes_nothing_into_the_mirror(place):
    """An inspector that is at it removes what a dead job seems to have left."""
    g, work = place.g, place.clone()
    for i in range(2):
        big = work.path / "big"
        big.write_bytes(os.urandom(8 << 20))
        work.run("notes", "--ref=big", "add", "-f", "-C", work.out("hash-object", "-w", str(big)), "HEAD")
        work.push("refs/notes/big", ok=True)
    assert place.served("refs/notes/*")  # the mirror has it
    objects = g.state / "mirrors" / "demo" / "app.git" / "objects"
    done, seen = threading.Event(), set()

    def watch():
        while not done.is_set():
            seen.update(p for p in everything_below(objects) if p.name.startswith(("tmp_", ".tmp-")))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        assert g.cli("kept", "prune", "demo/app").stdout.startswith("2 packs became one of ")
    finally:
        done.set()
        watching.join()
    assert not seen
    (kept,) = (g.state / "kept" / "demo" / "app.git").iterdir()
    assert {p.suffix for p in kept.iterdir()} >= {".pack", ".idx"} and not (kept / "objects").exists()


def test_kept_after_upstream_lost_what_it_stands_on(place):
    """Its pack has not what upstream had then; a pruned one has."""
    g, work = place.g, place.clone()
    base = work.head()
    work.commit({"a": "a\n"})
    place.upstream("update-ref", "refs/heads/topic", "main")
    work.push("HEAD:refs/heads/topic", ok=True)
    work.run("fetch", "-q")
    work.commit({"b": "b\n"})
    work.push("HEAD:refs/heads/kept/base", ok=True)
    place.served("refs/*")
    place.upstream("update-ref", "-d", "refs/heads/topic")
    place.upstream("gc", "-q", "--prune=now")
    assert place.served("refs/heads/*") == {"refs/heads/main": base, "refs/heads/kept/base": work.head()}
    g.cli("kept", "prune", "demo/app")
    g.stop()
    subprocess.run(["rm", "-rf", str(g.state / "mirrors")], check=True)
    g.start()
    assert place.served("refs/heads/*") == {"refs/heads/main": base, "refs/heads/kept/base": work.head()}
    fresh = place.clone()
    fresh.run("fsck", "--strict")


def test_a_held_push_stands_on_what_upstream_lost(place):
    """The mirror was repacked before somebody approved."""
    g, work = place.g, place.clone()
    work.commit({"a": "a\n"})
    place.upstream("update-ref", "refs/heads/topic", "main")
    work.push("HEAD:refs/heads/topic", ok=True)
    work.run("fetch", "-q")
    work.commit({"b": "b\n"})
    id = hold_id(work.push("HEAD:refs/entire/held/1", ok=False))
    mirror = g.state / "mirrors" / "demo" / "app.git"
    place.upstream("update-ref", "-d", "refs/heads/topic")
    place.served("refs/*")
    until("it is repacked", lambda: (mirror / "attic" / "pack").exists(), log=g.log)
    assert g.review(id, place.ann).status == 200
    g.wait_hold(id, place.ann, "kept", "failed", "stale")
    assert place.served("refs/entire/*") == {"refs/entire/held/1": work.head()}
    fresh = place.clone()
    fresh.run("fetch", "-q", "origin", "refs/entire/*:refs/entire/*")
    fresh.run("fsck", "--strict")
