"""The inspector's jobs, driven over frames; upstreams are real repositories
and the courier is played by git pack-objects."""
import os
import signal
import subprocess

import pytest

import frames
from frames import Reader

GIT_ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null",
               HOME="/nonexistent", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@x",
               GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@x",
               GIT_AUTHOR_DATE="1700000000 +0000",
               GIT_COMMITTER_DATE="1700000000 +0000")
ZERO = "0" * 40


def git(where, *args, data=None, check=True):
    done = subprocess.run(["git", "-C", str(where), *args], input=data,
                          env=GIT_ENV, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise AssertionError("git %s: %s" % (args, done.stderr.decode()))
    return done.stdout.decode(errors="replace").strip()


def refs_of(repo):
    out = git(repo, "for-each-ref", "--format=%(refname) %(objectname)")
    return dict(line.split() for line in out.splitlines())


class World:
    """An upstream, a state directory, and jobs between them."""

    def __init__(self, tmp):
        self.upstream = tmp / "upstream"
        self.mirrors = tmp / "state" / "mirrors"
        self.quarantine = tmp / "state" / "quarantine"
        self.mirror = self.mirrors / "app.git"
        self.upstream.mkdir()
        self.mirrors.mkdir(parents=True)
        self.quarantine.mkdir()
        git(self.upstream, "init", "-q", "--bare", "-b", "main")
        self.n = 0

    def commit(self, ref="refs/heads/main", parents=None, text=None):
        """A commit with one more file on top of ref; ref then names it."""
        self.n += 1
        if parents is None:
            old = git(self.upstream, "rev-parse", "-q", "--verify", ref,
                      check=False)
            parents = [old] if old else []
        blob = git(self.upstream, "hash-object", "-w", "--stdin",
                   data=(text or "text %d\n" % self.n).encode())
        tree = git(self.upstream, "mktree", data=(
            "100644 blob %s\tfile-%d\n" % (blob, self.n)).encode())
        args = ["commit-tree", tree, "-m", "commit %d" % self.n]
        for p in parents:
            args += ["-p", p]
        new = git(self.upstream, *args)
        git(self.upstream, "update-ref", ref, new)
        return new

    def advert(self, **kw):
        if "head_target" not in kw and "head_oid" not in kw:
            kw["head_target"] = git(self.upstream, "symbolic-ref", "HEAD")
        return frames.advert(refs_of(self.upstream), **kw)

    def inspector(self, **kw):
        return frames.Inspector(self.mirrors, self.quarantine, **kw)

    def pack_for(self, need):
        """What upstream's upload-pack would send for want/have lines."""
        lines = b""
        for line in need.decode().splitlines():
            word, hexid = line.split()
            lines += (hexid if word == "want" else "^" + hexid).encode()
            lines += b"\n"
        done = subprocess.run(
            ["git", "-C", str(self.upstream), "pack-objects", "--thin",
             "--revs", "--stdout", "-q"], input=lines, env=GIT_ENV,
            stdout=subprocess.PIPE, check=True)
        return done.stdout

    def update(self, refs=(), pack=None, ok=True, advert=None, env=None,
               break_off=False, **over):
        """Run JOB_MIRROR; (changed, clean, packs), or (code, message) of
        JOB_FAILED, or None when the inspector died."""
        inspector = self.inspector(env=env)
        peer = inspector.peer
        fd = frames.memfd(advert or self.advert())
        peer.send("JOB_MIRROR", frames.mirror_job(str(self.mirror), refs,
                                                  **over), [fd])
        os.close(fd)
        name, body, fds = peer.recv()
        self.need = b""
        if name == "MIRROR_NEED":
            self.need = frames.read_all(fds[0])
            os.close(fds[0])
            data = pack if pack is not None else self.pack_for(self.need)
            r, w = os.pipe()
            peer.send("MIRROR_PACK", fds=[r])
            os.close(r)
            try:
                frames.write_all(w, data)
            except BrokenPipeError:
                pass
            os.close(w)
            if break_off:
                inspector.close()
                return None
            if ok:
                try:
                    peer.send("MIRROR_PACK_OK")
                except BrokenPipeError:
                    pass
            name, body, fds = peer.recv()
        inspector.close()
        r = Reader(body)
        if name == "MIRROR_DONE":
            return bool(r.u8()), bool(r.u8()), r.u32()
        if name == "JOB_FAILED":
            code, _, message = r.u8(), r.str(), r.str()
            return code, message
        assert name is None, name
        return None

    def check(self, refs=None):
        """The mirror is upstream's image and git finds no fault in it."""
        assert refs_of(self.mirror) == (refs if refs is not None else
                                        refs_of(self.upstream))
        git(self.mirror, "fsck", "--full", "--strict",
            "--connectivity-only")
        left = [n for n in os.listdir(self.mirror) if "incoming" in n]
        assert left == []


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_first_fill(world):
    world.commit()
    world.commit("refs/heads/topic")
    assert world.update() == (True, True, 1)
    world.check()
    assert git(world.mirror, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert b"have" not in world.need
