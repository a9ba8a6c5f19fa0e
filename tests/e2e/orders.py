"""Deadlocks that did not happen yet: what is told of the order in which locks were taken, and what
not. Everything runs one after the other: nobody ever waits."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import victim_path  # noqa: E402

KINDS = ("lock-order", "upgrade-deadlock")


def orders(view):
    return [f for f in view["findings"] if f["kind"] in KINDS]


def run(case, *scripts):
    """Runs the victim to its end; what a report says of orders."""
    result = case.run([victim_path("orders"), *scripts], "run")
    assert result.returncode == 0, result.stderr
    return orders(case.json("report"))


def names(case, finding):
    """The files' names that the finding's sentence has, in its order."""
    return re.findall(re.escape(os.path.realpath(case.dir)) + r"/([^/, ]+)", finding["headline"])


def guilty(title, scripts, kind="lock-order", files=None):
    @tap.test(f"{title}: {kind}")
    def _(case):
        found = run(case, *scripts)
        assert [f["kind"] for f in found] == [kind], json.dumps(found, indent=1)
        if files:
            assert names(case, found[0]) == files, found[0]["headline"]


def innocent(title, *scripts):
    @tap.test(f"{title}: nothing")
    def _(case):
        found = run(case, *scripts)
        assert not found, json.dumps(found, indent=1)


def ring(kind, count):
    """Each actor has one file and takes the next one's."""
    return [f"{kind}f{i}+ {kind}f{(i + 1) % count}+" for i in range(count)]


for _kind in "pof":
    guilty(f"two files in both orders, {_kind}", [f"{_kind}a+ {_kind}b+", f"{_kind}b+ {_kind}a+"],
           files=["a", "b", "b", "a"])
    innocent(f"two files in one order, {_kind}", *[f"{_kind}a+ {_kind}b+"] * 2)
guilty("flock and POSIX", ["fa+ pb+", "pb+ fa+"])
guilty("POSIX and OFD locks see each other", ["pa+ ob+", "pb+ oa+"])
innocent("flock and POSIX do not see each other", "fa+ pb+", "fb+ pa+")
guilty("a reader and a writer", ["pa< pb+", "pb< pa+"])
innocent("readers", "pa< pb<", "pb< pa<")
innocent("readers, and no writer that could wait for them", "pa+ pb<", "pb< pa<")
guilty("three in a ring", ring("f", 3))
guilty("13 in a ring", ring("p", 13))
guilty("50 in a ring", ring("o", 50))
innocent("three, not quite a ring", "fa+ fb+", "fb+ fc+", "fa+ fc+")
innocent("a gate", "pg+ pa+ pb+", "pg+ pb+ pa+")
guilty("a gate that two readers pass at once", ["pg< pa+ pb+", "pg< pb+ pa+"])
guilty("a gate that was given back", ["pg+ pg- pa+ pb+", "pg+ pb+ pa+"])
guilty("a gate of one of them only", ["pg+ pa+ pb+", "pb+ pa+"])
guilty("a gate now, and none the next time", ["pg+ pa+ pb+ pb- pa- pg- pa+ pb+", "pg+ pb+ pa+"])
innocent("another gate each time, but always one",
         "pg+ pa+ pb+ pb- pa- pg- ph+ pa+ pb+", "pg+ ph+ pb+ pa+")
guilty("three in a ring with a gate for two of them: the third is not kept out of a pair",
       ["pg+ fa+ fb+", "fb+ fc+", "fc+ fb+"], files=["b", "c", "c", "b"])
innocent("hand over hand", "fa+ fb+ fa- fc+ fb- fd+ fc-", "fa+ fb+ fa- fc+ fb- fd+ fc-")
innocent("a trylock as the second lock", "fa+ fb+", "fb+ fa?")
guilty("a trylock as the first lock", ["fa+ fb+", "fb? fa+"])
innocent("a trylock with back-off", "fa+ fb+", "*3 fb+ fa? fa- fb-")
guilty("two ranges of one file", ["pa+@0,10 pa+@10,10", "pa+@10,10 pa+@0,10"])
innocent("ranges that do not touch", "pa+@0,10 pb+@0,10", "pb+@10,10 pa+@0,10")
innocent("ranges in order", *["pa+@0,1 pa+@8,1 pa+@16,1"] * 3)
innocent("one thread, both orders at different times", "fa+ fb+ fb- fa- fb+ fa+")
guilty("both orders at different times, by two processes", ["fa+ fb+ fb- fa- fb+ fa+"] * 2)
guilty("two threads, flock", ["&fa+ fb+ fb- fa-", "&fb+ fa+"])
innocent("two threads, POSIX: one owner", "&pa+ pb+ pb- pa-", "&pb+ pa+")
innocent("philosophers with an order", *[f"f{min(i, (i + 1) % 5)}+ f{max(i, (i + 1) % 5)}+"
                                         for i in range(5)])
guilty("philosophers", [f"f{i}+ f{(i + 1) % 5}+" for i in range(5)])
guilty("two readers that upgrade, POSIX", ["pa< pa+", "pa< pa+"], "upgrade-deadlock")
guilty("two readers that upgrade, OFD", ["oa< oa+", "oa< oa+"], "upgrade-deadlock")
innocent("flock gives up the old mode first", "fa< fa+", "fa< fa+")
innocent("one reader that upgrades", "*5 pa< pa+ pa-", "pa< pa-")
innocent("upgrades of different ranges", "pa<@0,10 pa+@0,10", "pa<@10,10 pa+@10,10")
innocent("upgrades behind a gate", "pg+ pa< pa+", "pg+ pa< pa+")
innocent("what is had already is not waited for", "pa+ pb+ pa<", "pa+ pb+ pa<")
guilty("70 locks held", [" ".join(f"ff{i}+" for i in range(70)), "ff69+ ff0+"], files=["f0", "f69", "f69", "f0"])
innocent("70 locks held, in order", *[" ".join(f"ff{i}+" for i in range(70))] * 2)


@tap.test("what is told of an order: both places of each, who, how often, when")
def _(case):
    found, = run(case, "*5 pa+ pb+ pb- pa-", "pb+ pa+")
    assert (found["severity"], found["process_count"]) == ("warning", 2), found
    assert found["count"] == 6, found["count"]
    assert " 5 times while it held a WRITE lock on " in found["evidence"], found["evidence"]
    assert " 1 time while it held a WRITE lock on " in found["evidence"], found["evidence"]
    assert 0 < found["first_ns"] <= found["last_ns"], found
    labels = [s["label"] for s in found["stacks"]]
    for i, pid in enumerate(found["pids"]):
        took, asked = labels[2 * i:2 * i + 2]
        assert took.startswith(f"pid {pid} took its WRITE lock on "), labels
        assert asked.startswith(f"pid {pid}, holding it, asked for a WRITE lock on "), labels
    for stack in found["stacks"]:
        assert views.is_subsequence(["lock_range", "act", "main"], views.functions(stack["frames"])), stack


@tap.test("more orders than there is room for: that is said")
def _(case):
    script = " ".join(f"pa+ pb{i}+ pb{i}- pa-" for i in range(4500))
    halves = script.split(" pa+ pb2200+")
    result = case.run([victim_path("orders"), "=" + halves[0], "= pa+ pb2200+" + halves[1]], "run")
    assert result.returncode == 0, result.stderr
    view = case.json("report")
    assert not orders(view), view["findings"]
    notes = [n["text"] for n in view["notes"] if "lock orders were not recorded" in n["text"]]
    assert len(notes) == 1, view["notes"]


def class_of(title, scripts, is_told):
    @tap.test(f"{title}: {'a note' if is_told else 'nothing'}")
    def _(case):
        found = run(case, *scripts)
        assert [(f["kind"], f["severity"]) for f in found] == [("lock-order", "note")] * is_told, found
        if is_told:
            assert found[0]["headline"].endswith(": the same files in two places"), found[0]


class_of("two files in one order here, in the other there",
         ["pjoe/h+ pjoe/i+", "pann/i+ pann/h+"], True)
class_of("many places, one note", [f"p{n}/h+ p{n}/i+" for n in "abcd"] +
         [f"p{n}/i+ p{n}/h+" for n in "efgh"], True)
class_of("a file of all, and one of each place", ["pall+ pjoe/i+", "pann/i+ pall+"], True)
class_of("everywhere in one order", [f"p{n}/h+ p{n}/i+" for n in "abcd"], False)
class_of("a gate of each place", ["pjoe/g+ pjoe/h+ pjoe/i+", "pann/g+ pann/i+ pann/h+"], False)
class_of("a gate for all", ["pg+ pjoe/h+ pjoe/i+", "pg+ pann/i+ pann/h+"], False)
class_of("one thread", ["pjoe/h+ pjoe/i+ pjoe/i- pjoe/h- pann/i+ pann/h+"], False)
class_of("across places", ["pjoe/h+ pann/i+", "pann/i+ pbob/h+"], True)
class_of("two of one kind in the order of their names", ["pann/i+ pjoe/i+", "pjoe/i+ psue/i+"], False)


@tap.test("both orders in one place and in others: the place is told, once")
def _(case):
    found = run(case, "pjoe/h+ pjoe/i+", "pjoe/i+ pjoe/h+", "pann/i+ pann/h+")
    assert [f["severity"] for f in found] == ["warning"], found


@tap.test("each order in a session of its own: told of both together, in any order, and not of one")
def _(case):
    sessions = []
    for i, script in enumerate(("pa+ pb+", "pb+ pa+", "pa+ pb+")):
        case.session = case.path(f"session {i}")
        sessions.append(case.session)
        assert not run(case, script)
    for others in (sessions[1:], sessions[1:2], sessions[:1] + sessions[2:]):
        case.session = next(s for s in sessions if s not in others)
        told = json.loads(case.lockjam("report", "--format", "json", case.session, *others).stdout)
        found, = orders(told)
        assert found["process_count"] == 2 and 0 < found["first_ns"] < found["last_ns"], found
        assert all(s["frames"] for s in found["stacks"]), found
        assert found["evidence"].count(" of another session asked for a ") == 1, found["evidence"]
        assert any("other sessions" in n["text"] for n in told["notes"]), told["notes"]
    told = json.loads(case.lockjam("report", "--format", "json", sessions[0], sessions[2]).stdout)
    assert not told["findings"], told["findings"]


if __name__ == "__main__":
    tap.main()
