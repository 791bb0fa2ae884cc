"""The walls of running inspectors, seen from outside. What they keep from
happening is tried from inside by tests/unit/test_sandbox.c."""
import os

import pytest

from processes import descriptors
from test_inspector import Push, World, git, until  # noqa: F401
import frames

SANITIZED = frames.is_sanitized()


def status(pid):
    fields = {}
    for line in open("/proc/%d/status" % pid):
        key, _, value = line.partition(":")
        fields[key] = value.strip()
    return fields


def limits(pid):
    """{name: (soft, hard)}"""
    out = {}
    for line in open("/proc/%d/limits" % pid).readlines()[1:]:
        name, soft, hard = line[:26].strip(), *line[26:].split()[:2]
        out[name] = (soft, hard)
    return out


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def idle(world):
    inspector = world.inspector()
    pid = inspector.process.pid
    # no-new-privs is the first wall and the filter the last.
    until(lambda: status(pid)["NoNewPrivs"] == "1" and (SANITIZED or status(pid)["Seccomp_filters"] != "0"))
    yield inspector
    inspector.close()


def test_idle(idle):
    now = status(idle.process.pid)
    assert now["NoNewPrivs"] == "1"
    if not SANITIZED:
        assert now["Seccomp"] == "2" and now["Seccomp_filters"] == "1"
        assert now["Threads"] == "1"
    assert limits(idle.process.pid)["Max core file size"] == ("0", "0")


def test_idle_has_no_files_open_but_its_socket(idle):
    # while it walls itself in it has Landlock's descriptor open
    until(lambda: set(descriptors(idle.process.pid)) <= {0, 1, 2, 3})


def test_what_was_left_open_is_closed(world, tmp_path):
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    inspector = world.inspector(leave_open=[secret])
    pid = inspector.process.pid
    until(lambda: status(pid)["NoNewPrivs"] == "1")
    assert str(tmp_path / "secret") not in descriptors(pid).values()
    inspector.close()
    os.close(secret)


@pytest.mark.skipif(SANITIZED, reason="no filters in a sanitizer build")
def test_in_a_push(world, tmp_path):
    push = Push(world, tmp_path)
    push.start(memory_bytes=300 << 20, cpu_ms=7000, pack_bytes=1 << 20)
    pid = push.inspector.process.pid
    push.append(push.pack[:20], "PACK_MORE")
    until(lambda: status(pid)["Seccomp_filters"] == "2")
    now = limits(pid)
    assert now["Max data size"][0] == str(300 << 20)
    assert now["Max cpu time"] == ("7", "12")
    assert int(now["Max file size"][0]) < 128 << 20
    children = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    for child in children:
        seen = status(int(child))
        assert seen["NoNewPrivs"] == "1" and seen["Seccomp"] == "2"
    push.append(push.pack[20:], "PACK_END")
    assert push.report()
    push.inspector.close()


@pytest.mark.skipif(SANITIZED, reason="no filters in a sanitizer build")
def test_required_is_the_default_of_nothing(world):
    inspector = world.inspector(mode="optional")
    assert inspector.wait() == 2
    inspector.close()
