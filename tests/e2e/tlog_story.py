#!/usr/bin/python3
"""What the entries of a log say together, by docs/formats.md ("What entries
say together"): the second opinion beside `gitgate audit verify`, with no line
of it in common.

    tlog_story.py VKEY DIRECTORY

verifies the log (tlog_verify.py) and prints one line for each finding.
"""

import datetime
import sys

import tlog_verify


def entries(directory, size):
    import json

    for first in range(0, size, tlog_verify.FULL):
        _, raw = tlog_verify.read_bundle(directory, first // tlog_verify.FULL, min(tlog_verify.FULL, size - first))
        yield from (json.loads(r) for r in raw)


class Story:
    def __init__(self):
        self.found = []  # (entry, kind)
        self.refs = {}  # (repository, ref) -> [value, push, entry]
        self.jumps = {}  # the same -> [[from, to, entry]]
        self.untold = {}  # repository -> entry
        self.pushes = {}  # push -> what is known of it
        self.latest = None

    def tell(self, e, kind):
        self.found.append((e["seq"], kind))

    def read(self, e):
        self.clock(e)
        what = e["type"].replace(".", "_").replace("-", "_")
        getattr(self, what, lambda e: None)(e)

    def clock(self, e):
        now = datetime.datetime.fromisoformat(e["time"])
        back = self.latest is not None and (self.latest - now).total_seconds() > 5
        if back:
            self.tell(e, "clock")
        if self.latest is None or now > self.latest or back:
            self.latest = now

    # -- refs

    def ref_out_of_band(self, e):
        if e["kind"] == "more":
            self.untold[e["repository"]] = e["seq"]
        else:
            self.moved(e)

    def moved(self, e):
        place = (e["repository"], e["ref"])
        old, new, push = e["old"], e["new"], e.get("push")
        if place in self.refs and self.refs[place][0] != old:
            value, by, at = self.refs[place]
            if push and by == push and value == new:
                return
            jumps = self.jumps.setdefault(place, [])
            for j in jumps:
                if j[0] == old:
                    j[0] = new
                    if j[0] == j[1]:
                        jumps.remove(j)
                    return
            if self.untold.get(e["repository"], -1) <= at:
                jumps.append([value, old, e])
        self.refs[place] = [new, push, e["seq"]]

    def end(self):
        for jumps in self.jumps.values():
            for _, _, e in jumps:
                self.tell(e, "gap")
        return sorted(self.found)

    # -- pushes

    def push_of(self, e):
        return self.pushes.setdefault(e["push"], {"updates": {}, "needs": None, "reviews": {}, "judged": False, "denied": False})

    def ref_update(self, e):
        p = self.push_of(e)
        p["denied"] |= e["verdict"] == "deny"
        p["updates"][e["ref"]] = {"at": (e["old"], e["new"]), "held": e["verdict"] == "hold", "intended": False}

    def push_refused(self, e):
        self.pushes.pop(e["push"], None)

    def hold_opened(self, e):
        self.push_of(e)["needs"] = e.get("needs")

    def hold_review(self, e):
        reviews = self.push_of(e)["reviews"]
        if e.get("void"):
            reviews.pop(e["reviewer"], None)
        else:
            reviews[e["reviewer"]] = e

    def update_of(self, e):
        p = self.push_of(e)
        return p, None if p["denied"] else p["updates"].get(e["ref"])

    def forward_intended(self, e):
        p, u = self.update_of(e)
        if u is None:
            self.tell(e, "unannounced")
            return
        u["intended"] = True
        self.compare(e, p, u)

    def forward_result(self, e):
        if e["result"] != "ok":
            return
        p, u = self.update_of(e)
        if u is None or not u["intended"]:
            self.tell(e, "unannounced")
        if u is not None:
            self.compare(e, p, u)
        self.moved(e)

    def compare(self, e, p, u):
        if u["at"] != (e["old"], e["new"]):
            self.tell(e, "altered")
        if u["held"] and not p["judged"]:
            p["judged"] = True
            self.judge(e, p)

    def judge(self, e, p):
        yes = {n: r for n, r in p["reviews"].items() if r["verdict"] == "approve"}
        for _ in set(p["reviews"]) - set(yes):
            self.tell(e, "unapproved")
        for need in p["needs"] or []:
            groups, people = need.get("from", []), [x.lower() for x in need.get("people", [])]
            counts = [
                n for n, r in yes.items()
                if not groups and not people or n.lower() in people or set(groups) & set(r.get("reviewer_groups", []))
            ]  # fmt: skip
            if len(counts) < need["required"]:
                self.tell(e, "unapproved")
        if not p["needs"] and not yes:
            self.tell(e, "unapproved")
        for _ in set(e.get("reviewers", [])) - set(yes):
            self.tell(e, "unapproved")


def findings(directory, size):
    """[(entry, kind)] of a log whose files were verified."""
    story = Story()
    for e in entries(directory, size):
        story.read(e)
    return story.end()


def main(argv):
    try:
        size, _ = tlog_verify.verify(argv[2], argv[1])
    except tlog_verify.LogError as e:
        print(e, file=sys.stderr)
        return 1
    for entry, kind in findings(argv[2], size):
        print(f"{kind}, entry {entry}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
