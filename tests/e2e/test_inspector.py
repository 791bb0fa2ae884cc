"""The inspector's jobs, driven over frames; upstreams are real repositories
and the courier is played by git pack-objects."""
import os
import signal
import subprocess
import time

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


def until(condition):
    """The other process is on its way there."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.001)


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


def test_nothing_to_do(world):
    world.commit()
    world.update()
    assert world.update() == (False, True, 1)
    assert world.need == b""


def test_empty_upstream_and_unborn_head(world):
    assert world.update() == (True, True, 0)
    world.check({})
    assert git(world.mirror, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert world.update() == (False, True, 0)


def test_unknown_head_is_not_invented(world):
    world.commit()
    assert world.update(advert=frames.advert(refs_of(world.upstream)))[0]
    out = subprocess.run(["git", "ls-remote", str(world.mirror)], env=GIT_ENV,
                         stdout=subprocess.PIPE).stdout.decode()
    assert "HEAD" not in out and "refs/heads/main" in out


def test_detached_head(world):
    first = world.commit()
    world.commit()
    git(world.upstream, "update-ref", "--no-deref", "HEAD", first)
    assert world.update(advert=world.advert(head_oid=first))[0]
    assert git(world.mirror, "rev-parse", "HEAD") == first


def test_incremental_sends_thin_packs(world):
    world.commit()
    world.update()
    world.commit()
    world.commit("refs/heads/topic",
                 parents=[git(world.upstream, "rev-parse", "main")])
    assert world.update() == (True, True, 2)
    assert b"have" in world.need
    world.check()


def test_thin_delta_base_is_in_the_mirror(world):
    big = "\n".join("line %d" % i for i in range(5000))
    world.commit(text=big)
    world.update()
    world.commit(text=big + "\nand one more\n")
    assert world.update()[0]
    world.check()


def test_no_new_objects_only_refs(world):
    tip = world.commit()
    world.update()
    git(world.upstream, "update-ref", "refs/heads/copy", tip)
    assert world.update() == (True, True, 1)
    assert world.need == b""
    world.check()


def test_force_leaves_it_unclean_until_repacked(world):
    world.commit()
    lost = world.commit()
    world.update()
    world.commit(parents=[])
    assert world.update() == (True, False, 2)
    world.check()
    assert world.update() == (False, False, 2)
    git(world.mirror, "cat-file", "-e", lost)
    assert repack(world) == (False, True, 1)
    assert subprocess.run(["git", "-C", str(world.mirror), "cat-file", "-e",
                           lost], stderr=subprocess.DEVNULL).returncode != 0
    world.check()
    assert any(n.endswith(".bitmap") for n in
               os.listdir(world.mirror / "objects" / "pack"))


def repack(world):
    inspector = world.inspector()
    inspector.peer.send("JOB_REPACK", frames.mirror_job(str(world.mirror)))
    body, _ = inspector.peer.expect("MIRROR_DONE")
    inspector.close()
    r = Reader(body)
    return bool(r.u8()), bool(r.u8()), r.u32()


def test_rewind_is_no_fast_forward(world):
    first = world.commit()
    world.commit()
    world.update()
    git(world.upstream, "update-ref", "refs/heads/main", first)
    assert world.update() == (True, False, 1)
    world.check()


def test_delete(world):
    world.commit()
    world.commit("refs/heads/gone")
    world.update()
    git(world.upstream, "update-ref", "-d", "refs/heads/gone")
    assert world.update() == (True, False, 1)
    world.check()


def test_rename_keeps_everything_reachable(world):
    tip = world.commit()
    world.update()
    git(world.upstream, "update-ref", "refs/heads/new", tip)
    git(world.upstream, "update-ref", "-d", "refs/heads/main")
    assert world.update() == (True, True, 1)
    world.check()


def test_delete_of_all(world):
    world.commit()
    world.update()
    git(world.upstream, "update-ref", "-d", "refs/heads/main")
    assert world.update() == (True, False, 1)
    world.check({})


def test_directory_and_file_change_places(world):
    world.commit("refs/heads/a")
    world.update()
    git(world.upstream, "update-ref", "-d", "refs/heads/a")
    world.commit("refs/heads/a/b")
    assert world.update()[0]
    world.check()
    git(world.upstream, "update-ref", "-d", "refs/heads/a/b")
    world.commit("refs/heads/a")
    assert world.update()[0]
    world.check()


def test_tags(world):
    tip = world.commit()
    git(world.upstream, "tag", "light", tip)
    git(world.upstream, "tag", "-a", "-m", "x", "heavy", tip)
    git(world.upstream, "tag", "-a", "-m", "x", "nested", "heavy")
    git(world.upstream, "tag", "-a", "-m", "x", "of-a-tree", tip + "^{tree}")
    world.update()
    world.check()
    out = git(world.mirror, "show-ref", "--tags", "-d").splitlines()
    assert "%s refs/tags/heavy^{}" % tip in out
    assert "%s refs/tags/nested^{}" % tip in out
    assert not any("light^{}" in line for line in out)
    world.commit()
    git(world.upstream, "tag", "-f", "-a", "-m", "y", "heavy", "main")
    assert world.update() == (True, False, 2)
    world.check()


def test_tag_moved_later_is_peeled_anew(world):
    world.commit()
    git(world.upstream, "tag", "v", "main")
    world.update()
    git(world.upstream, "tag", "-f", "-a", "-m", "y", "v", "main")
    assert world.update()[0]
    packed = (world.mirror / "packed-refs").read_text()
    assert packed.count("^") == 1


def test_many_refs(world):
    tip = world.commit()
    text = "".join("create refs/heads/b%d %s\n" % (i, tip)
                   for i in range(3000))
    git(world.upstream, "update-ref", "--stdin", data=text.encode())
    assert world.update() == (True, True, 1)
    world.check()
    assert len(refs_of(world.mirror)) == 3001
    new = world.commit()
    text = "".join("update refs/heads/b%d %s\n" % (i, new)
                   for i in range(0, 3000, 2))
    git(world.upstream, "update-ref", "--stdin", data=text.encode())
    assert world.update()[0]
    assert world.need.count(b"want") == 1
    world.check()


def test_refs_that_are_not_carried(world):
    world.commit()
    world.commit("refs/pull/1/head")
    assert world.update(refs=["refs/heads/**", "refs/tags/**"])[0]
    refs = refs_of(world.upstream)
    del refs["refs/pull/1/head"]
    world.check(refs)


def test_head_to_a_branch_that_is_not_carried_has_no_name(world):
    world.commit()
    world.commit("refs/heads/topic")
    world.update(refs=["refs/heads/topic"])
    assert "main" not in (world.mirror / "HEAD").read_text()


def untouched(world, was):
    assert refs_of(world.mirror) == was
    git(world.mirror, "fsck", "--full", "--strict")
    assert mirror_has_no_new_pack(world)


def mirror_has_no_new_pack(world):
    return len([n for n in os.listdir(world.mirror / "objects" / "pack")
                if n.endswith(".pack")]) == 1


@pytest.fixture
def moved(world):
    """A mirror that is one commit behind."""
    world.commit()
    world.update()
    world.was = refs_of(world.mirror)
    world.commit()
    return world


def test_a_pack_that_nobody_vouched_for(moved):
    assert moved.update(break_off=True) is None
    untouched(moved, moved.was)
    assert moved.update()[0]
    moved.check()


def test_a_whole_pack_waits_for_its_voucher(moved):
    inspector = moved.inspector()
    fd = frames.memfd(moved.advert())
    inspector.peer.send("JOB_MIRROR", frames.mirror_job(str(moved.mirror)),
                        [fd])
    os.close(fd)
    _, fds = inspector.peer.expect("MIRROR_NEED")
    r, w = os.pipe()
    inspector.peer.send("MIRROR_PACK", fds=[r])
    os.close(r)
    frames.write_all(w, moved.pack_for(frames.read_all(fds[0])))
    os.close(w)
    os.close(fds[0])
    until(lambda: any(moved.mirror.glob("incoming-*/pack/*.idx")))
    # That nothing comes is what is tested.
    inspector.peer.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        inspector.peer.recv()
    inspector.close()
    assert inspector.wait() == 0
    untouched(moved, moved.was)


def test_a_pack_cut_short(moved):
    first = moved.update(pack=b"")
    assert first[0] != 0 and "early EOF" in first[1]
    untouched(moved, moved.was)
    whole = moved.pack_for(moved.need)
    code, message = moved.update(pack=whole[:-21])
    assert code == 3 and message
    untouched(moved, moved.was)
    assert moved.update()[0]
    moved.check()


def test_garbage_instead_of_a_pack(moved):
    code, message = moved.update(pack=b"HTTP/1.1 500 no\r\n" * 100)
    assert code == 3 and "pack signature mismatch" in message
    untouched(moved, moved.was)


def pack_of(world, *oids):
    return subprocess.run(
        ["git", "-C", str(world.upstream), "pack-objects", "--stdout", "-q"],
        input="".join(o + "\n" for o in oids).encode(), env=GIT_ENV,
        stdout=subprocess.PIPE, check=True).stdout


def test_a_pack_that_lacks_a_tree(moved):
    tip = git(moved.upstream, "rev-parse", "main")
    code, _ = moved.update(pack=pack_of(moved, tip))
    assert code == 3
    untouched(moved, moved.was)


def test_a_pack_that_lacks_a_blob(moved):
    tip = git(moved.upstream, "rev-parse", "main")
    tree = git(moved.upstream, "rev-parse", "main^{tree}")
    code, _ = moved.update(pack=pack_of(moved, tip, tree))
    assert code == 3
    untouched(moved, moved.was)


def test_a_pack_that_lacks_a_parent(moved):
    moved.commit()
    objects = [git(moved.upstream, "rev-parse", "main" + s)
               for s in ("", "^{tree}", ":file-3")]
    code, _ = moved.update(pack=pack_of(moved, *objects))
    assert code == 3
    untouched(moved, moved.was)
    assert moved.update()[0]
    moved.check()


def test_a_pack_that_lacks_the_tip(moved):
    blob = git(moved.upstream, "rev-parse", "main:file-2")
    code, message = moved.update(pack=pack_of(moved, blob))
    assert code == 3 and "asked for" in message
    untouched(moved, moved.was)


def test_leftovers_are_removed(moved):
    junk = moved.mirror / "incoming-1-1" / "pack"
    junk.mkdir(parents=True)
    (junk / "tmp_pack_x").write_text("x")
    (moved.mirror / "objects" / "pack" / "tmp_pack_y").write_text("x")
    assert moved.update()[0]
    moved.check()
    assert not (moved.mirror / "objects" / "pack" / "tmp_pack_y").exists()


def test_broken_packed_refs_heal(moved):
    (moved.mirror / "packed-refs").write_text("nonsense\n")
    changed, clean, _ = moved.update()
    assert changed and not clean
    moved.check()


def test_loose_refs_do_not_shadow(moved):
    tip = moved.was["refs/heads/main"]
    (moved.mirror / "refs" / "heads").mkdir(exist_ok=True, parents=True)
    (moved.mirror / "refs" / "heads" / "main").write_text(tip + "\n")
    assert moved.update()[0]
    moved.check()


def test_gate_that_leaves_ends_the_job(moved):
    inspector = moved.inspector()
    fd = frames.memfd(moved.advert())
    inspector.peer.send("JOB_MIRROR", frames.mirror_job(str(moved.mirror)),
                        [fd])
    _, fds = inspector.peer.expect("MIRROR_NEED")
    r, w = os.pipe()
    inspector.peer.send("MIRROR_PACK", fds=[r])
    os.close(r)
    # The pipe stays open and empty; only the socket's end can tell.
    inspector.close()
    assert inspector.wait() == 0
    os.close(w)
    untouched(moved, moved.was)


def test_shallow_upstream(world, tmp_path):
    world.commit()
    world.commit()
    cut = world.commit()
    full = world.upstream
    world.upstream = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=1",
                    "file://%s" % full, str(world.upstream)], env=GIT_ENV,
                   check=True)
    assert world.update(advert=world.advert(head_target="refs/heads/main",
                                            shallow=[cut]))[0]
    world.check()


# Serving


def serve(world, request=b"", advert=None, **job):
    """(answer, None) or (None, (code, message))."""
    inspector = world.inspector()
    r, w = os.pipe()
    req = frames.memfd(request)
    refs = frames.memfd(advert or b"")
    inspector.peer.send("JOB_SERVE", frames.serve_job(
        str(world.mirror), **job), [req, w, refs])
    for fd in (w, req, refs):
        os.close(fd)
    name, body, _ = inspector.peer.recv()
    if name == "JOB_FAILED":
        reader = Reader(body)
        answer, why = None, (reader.u8(), reader.str(), reader.str())
    else:
        assert name == "SERVE_READY"
        out = b""
        while True:
            piece = os.read(r, 65536)
            if not piece:
                break
            out += piece
        answer, why = out, None
    os.close(r)
    inspector.close()
    return answer, why


def pkt(text):
    return b"%04x" % (len(text) + 4) + text


@pytest.fixture
def served(world):
    world.first = world.commit()
    world.secret = world.commit("refs/heads/secret")
    world.tip = world.commit()
    git(world.upstream, "tag", "-a", "-m", "x", "v1", "main")
    world.update()
    return world


def test_serve_v0_advertisement(served):
    out, why = serve(served, advertise=True)
    assert why is None
    assert served.tip.encode() + b" refs/heads/main" in out
    assert b"refs/heads/secret" in out and b"session-id" not in out
    assert b"filter" in out


def test_serve_hides(served):
    out, _ = serve(served, advertise=True, hide=["refs/heads/secret"])
    assert b"refs/heads/main" in out
    assert b"secret" not in out and served.secret.encode() not in out


@pytest.mark.parametrize("protocol", ["", "version=2"])
def test_serve_hides_the_head_of_a_hidden_branch(served, protocol):
    request = pkt(b"command=ls-refs\n") + b"0001" + b"0000"
    out, _ = serve(served, request, advertise=not protocol, protocol=protocol,
                   hide=["refs/heads/main", "refs/tags"])
    assert served.secret.encode() in out
    assert served.tip.encode() not in out


def test_serve_v2_ls_refs(served):
    request = (pkt(b"command=ls-refs\n") + b"0001" + pkt(b"peel\n") +
               pkt(b"symrefs\n") + b"0000")
    out, _ = serve(served, request, protocol="version=2")
    assert b"refs/tags/v1 peeled:" + served.tip.encode() in out
    assert b"HEAD symref-target:refs/heads/main" in out


def fetch_request(want, extra=b""):
    return (pkt(b"command=fetch") + b"0001" + pkt(b"ofs-delta") +
            pkt(b"no-progress") + extra + pkt(b"want %s\n" % want.encode()) +
            pkt(b"done\n") + b"0000")


def test_serve_v2_fetch(served, tmp_path):
    out, why = serve(served, fetch_request(served.tip), protocol="version=2")
    assert why is None and b"packfile\n" in out
    got = tmp_path / "got"
    got.mkdir()
    git(got, "init", "-q", "--bare")
    pack = b""
    rest = out[out.index(b"packfile\n") + 9:]
    while rest[:4] != b"0000":
        n = int(rest[:4], 16)
        assert rest[4:5] == b"\x01"
        pack, rest = pack + rest[5:n], rest[n:]
    git(got, "index-pack", "--stdin", "--check-self-contained-and-connected",
        data=pack)
    git(got, "cat-file", "-e", served.tip + "^{tree}")


def test_serve_filters(served):
    for spec, ok in ((b"blob:none", True), (b"blob:limit=10", True),
                     (b"tree:0", True), (b"tree:17", False),
                     (b"object:type=commit", True),
                     (b"sparse:oid=main", False),
                     (b"combine:blob:none+tree:0", False)):
        out, _ = serve(served, fetch_request(
            served.tip, pkt(b"filter " + spec)), protocol="version=2")
        assert (b"packfile\n" in out) == ok, spec


def test_wants_in_a_clean_mirror_must_exist(served):
    assert serve(served, fetch_request(served.first), protocol="version=2",
                 wants=[served.first])[1] is None
    code, _, message = serve(served, wants=["12" * 20])[1]
    assert code == 10 and message == "not our ref " + "12" * 20


def test_wants_in_an_unclean_mirror_must_be_reachable(served):
    lost = served.tip
    served.commit(parents=[served.first])
    git(served.upstream, "tag", "-d", "v1")
    assert served.update()[1] is False
    up = served.upstream
    main_tree = git(up, "rev-parse", "main^{tree}")
    main_blob = git(up, "rev-parse", "main:file-4")
    for want, ok in ((served.first, True), (main_tree, True),
                     (main_blob, True), (served.secret, True),
                     (lost, False),
                     (git(up, "rev-parse", lost + "^{tree}"), False),
                     (git(up, "rev-parse", lost + ":file-3"), False)):
        why = serve(served, fetch_request(want), protocol="version=2",
                    wants=[want], clean=False)[1]
        assert (why is None) == ok, want
        # The refs that may be seen also count when they come as a file.
        why = serve(served, fetch_request(want), protocol="version=2",
                    wants=[want], clean=False, advert=frames.advert(
                        {"refs/heads/main": refs_of(up)["refs/heads/main"]}))
        assert (why[1] is None) == (ok and want != served.secret), want
    assert serve(served, wants=[served.secret], clean=False,
                 hide=["refs/heads/secret"])[1][0] == 10


def test_the_walk_for_wants_is_bounded(served):
    blob = git(served.upstream, "rev-parse", served.tip + ":file-3")
    code, _, message = serve(served, wants=[blob], clean=False,
                             walk_entries=2)[1]
    assert code == 4 and "too much history" in message


# What every job shares


def test_frames_out_of_order_end_it(world):
    inspector = world.inspector()
    inspector.peer.send("PACK_END", frames.u64(0))
    assert inspector.peer.recv()[0] == "JOB_FAILED"
    inspector.close()
    assert inspector.wait() == 1


def test_a_gate_that_leaves_an_idle_inspector(world):
    inspector = world.inspector()
    inspector.close()
    assert inspector.wait() == 0


def test_usage():
    program = os.path.join(frames.BUILD, "gitgate-inspector")
    done = subprocess.run([program, "/tmp"], stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"usage" in done.stderr


# A push


class Push:
    """A commit on top of upstream's main that only the pusher has."""

    def __init__(self, world, tmp):
        world.old = world.commit(text="one\n" * 2000)
        world.update()
        self.world = world
        self.clone = tmp / "clone"
        subprocess.run(["git", "clone", "-q", "--bare", str(world.upstream),
                        str(self.clone)], env=GIT_ENV, check=True)
        upstream, world.upstream = world.upstream, self.clone
        world.n = 100
        self.new = world.commit(text="one\n" * 2000 + "two\n")
        world.upstream = upstream
        self.pack = subprocess.run(
            ["git", "-C", str(self.clone), "pack-objects", "--thin", "--revs",
             "--stdout", "-q"], input=("%s\n^%s\n" % (self.new, world.old))
            .encode(), env=GIT_ENV, stdout=subprocess.PIPE, check=True).stdout
        self.quarantine = world.quarantine / "01TEST"
        self.quarantine.mkdir()
        self.pack_path = tmp / "pack"
        self.report_path = tmp / "report"
        self.report_fd = os.open(self.report_path, os.O_RDWR | os.O_CREAT)

    def start(self, updates=None, env=None, **job):
        if updates is None:
            updates = [(self.world.old, self.new, "refs/heads/main")]
        self.inspector = self.world.inspector(env=env)
        self.peer = self.inspector.peer
        self.pack_path.write_bytes(b"")
        pack = os.open(self.pack_path, os.O_RDONLY)
        refs = frames.memfd(frames.push_job_refs(
            updates, [self.world.old], self.world.old))
        self.peer.send("JOB_PUSH", frames.push_job(
            str(self.world.mirror), str(self.quarantine), **job),
            [refs, pack, self.report_fd])
        os.close(refs)
        os.close(pack)

    def append(self, data, name):
        with open(self.pack_path, "ab") as f:
            f.write(data)
        self.peer.send(name, frames.u64(os.path.getsize(self.pack_path)))

    def failure(self):
        body, _ = self.peer.expect("JOB_FAILED")
        r = Reader(body)
        self.inspector.close()
        return r.u8(), r.str(), r.str()

    def report(self):
        body, _ = self.peer.expect("REPORT")
        data = self.report_path.read_bytes()
        assert Reader(body).u64() == len(data)
        return data


@pytest.fixture
def push(world, tmp_path):
    p = Push(world, tmp_path)
    yield p
    p.inspector.close()


def test_push_in_one_piece(push):
    push.start()
    push.append(push.pack, "PACK_END")
    report = push.report()
    assert b"file-101" in report and bytes.fromhex(push.new) in report
    push.peer.send("JOB_END")
    assert push.inspector.wait() == 0


def test_push_that_grows_byte_by_byte(push):
    push.start()
    for i in range(len(push.pack)):
        push.append(push.pack[i:i + 1], "PACK_MORE")
    push.append(b"", "PACK_END")
    assert b"file-101" in push.report()


def test_push_reads_no_further_than_its_end_was_told(push):
    push.start()
    push.append(push.pack, "PACK_END")
    push.report()
    # The socket's end, without JOB_END, is an end too.
    push.inspector.close()
    assert push.inspector.wait() == 0


def test_push_with_a_diff(push):
    push.start()
    push.append(push.pack, "PACK_END")
    push.report()
    fd = frames.memfd()
    for ceiling in (1 << 20, 1 << 20):
        push.peer.send("DIFF", frames.u64(ceiling), [fd])
        body, _ = push.peer.expect("DIFF_DONE")
        n = Reader(body).u64()
        assert 0 < n <= ceiling
    assert b"two" in frames.read_all(fd)
    os.close(fd)
    push.peer.send("JOB_END")
    assert push.inspector.wait() == 0


def test_push_of_deletes_only(push):
    push.start(updates=[(push.world.old, ZERO, "refs/heads/main")],
               has_pack=False)
    assert push.report()


def test_push_of_garbage(push):
    push.start()
    push.append(b"GARBAGE" * 100, "PACK_END")
    code, _, message = push.failure()
    assert code == 3 and message
    assert push.inspector.wait() == 1


def test_push_that_failed_lets_the_gate_finish_its_sentence(push):
    push.start()
    push.append(b"GARBAGE" * 100, "PACK_MORE")
    push.peer.expect("JOB_FAILED")
    for _ in range(3):
        push.append(b"more", "PACK_MORE")
    push.append(b"", "PACK_END")
    push.inspector.close()
    assert push.inspector.wait() == 1


def test_push_cut_short(push):
    push.start()
    push.append(push.pack[:-5], "PACK_END")
    assert push.failure()[0] == 3


def test_push_beyond_a_limit_names_it(push):
    push.start(pack_bytes=len(push.pack) - 1)
    push.append(push.pack, "PACK_END")
    code, limit, _ = push.failure()
    assert (code, limit) == (4, "pack-size")


def test_push_with_an_end_before_what_was_read(push):
    push.start()
    push.append(push.pack, "PACK_MORE")
    push.peer.send("PACK_END", frames.u64(len(push.pack) + 1))
    assert push.failure()[0] == 3


def test_push_whose_gate_leaves(push):
    push.start()
    push.append(push.pack[:20], "PACK_MORE")
    push.inspector.close()
    assert push.inspector.wait() == 0


def test_push_that_takes_too_long(push):
    push.start(wall_ms=1)
    push.append(push.pack, "PACK_END")
    code, limit, _ = push.failure()
    assert (code, limit) == (4, "inspection-time")


def test_push_that_burns_too_much(push):
    push.start()
    push.append(push.pack[:20], "PACK_MORE")
    # It is past its set-up when its git child has made the quarantine's
    # objects; the kernel's signal is sent by hand here.
    until((push.quarantine / "objects").exists)
    os.kill(push.inspector.process.pid, signal.SIGXCPU)
    code, limit, _ = push.failure()
    assert (code, limit) == (4, "inspection-cpu")


def test_a_slow_sender_is_no_slow_inspection(push):
    push.start(wall_ms=400)
    push.append(push.pack[:20], "PACK_MORE")
    # Waiting itself is what is tested.
    signal.sigtimedwait([], 0.6)
    push.append(push.pack[20:], "PACK_END")
    assert push.report()


def test_push_touches_nothing_but_its_quarantine(push):
    was = sorted(os.listdir(push.world.mirror / "objects" / "pack"))
    push.start()
    push.append(push.pack, "PACK_END")
    push.report()
    assert sorted(os.listdir(push.world.mirror / "objects" / "pack")) == was
    assert any(push.quarantine.rglob("*.pack"))


def failpoint(name, flag):
    """Dies at the first passage. The flag lies where the walls allow its
    removal."""
    flag.write_text("")
    return {"GITGATE_FAILPOINT": "%s=kill:%s" % (name, flag)}


needs_failpoints = pytest.mark.skipif(
    not frames.has_failpoints(), reason="needs a build with FAILPOINTS=1")


@needs_failpoints
@pytest.mark.parametrize("place", ["inspector.job", "mirror.before-refs"])
def test_killed_in_a_mirror_job(moved, place):
    env = failpoint(place, moved.mirror / "flag")
    assert moved.update(env=env) is None
    assert not (moved.mirror / "flag").exists()
    assert refs_of(moved.mirror) == moved.was
    git(moved.mirror, "fsck", "--full", "--strict")
    assert moved.update()[0]
    moved.check()


@needs_failpoints
@pytest.mark.parametrize("place", ["inspector.job",
                                   "inspector.before-report"])
def test_killed_in_a_push_job(push, place):
    push.start(env=failpoint(place, push.quarantine / "flag"))
    try:
        push.append(push.pack, "PACK_END")
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert push.peer.recv()[0] is None
    assert push.inspector.wait() == -signal.SIGKILL
