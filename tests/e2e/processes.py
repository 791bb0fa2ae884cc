"""What /proc says of processes that may end while it is read: of one that is
gone there is nothing, and that is no failure."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    parent: int
    name: str
    state: str
    session: int


def stat(pid):
    """The process, or None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, rest = text.split("(", 1)[1].rsplit(")", 1)
    state, parent, _, session = rest.split()[:4]
    return Process(int(pid), int(parent), name, state, int(session))


def argv(pid):
    """What it was started with; nothing of one that is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [x.decode("utf-8", "replace") for x in text.split(b"\0")[:-1]]


def everything():
    """Every process there is. By their parents, not by /proc/PID/children:
    that may leave one out while another one ends."""
    found = (stat(name) for name in os.listdir("/proc") if name.isdigit())
    return [p for p in found if p]


def children(pid):
    return [p for p in everything() if p.parent == pid]


def descendants(pid):
    """Those below pid, each before its own children."""
    by_parent = {}
    for p in everything():
        by_parent.setdefault(p.parent, []).append(p)
    found = list(by_parent.get(pid, ()))
    for p in found:
        found += by_parent.get(p.pid, ())
    return found


def descriptors(pid):
    """fd -> what it is; a fd that is closed meanwhile is none."""
    found = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found
