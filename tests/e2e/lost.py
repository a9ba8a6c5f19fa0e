"""POSIX locks that a program believes in and has not: dropped by a close, not inherited, never held; and what
looks alike and is as it should be."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import wait_until  # noqa: E402

KINDS = ("posix-lock-dropped", "lock-not-inherited", "unlock-not-held")
UNLOCK = "fcntl.lockf({}, fcntl.LOCK_UN)"
OPEN_AND_CLOSE = "os.close(path_of('f'))"


def found(case):
    """(kind, severity, finding) of what the report says of lost locks."""
    view = case.json("report")
    return [(f["kind"], f["severity"], f) for f in view["findings"] if f["kind"] in KINDS]


def recorded(case):
    return case.actor(shim="preload")


def told(case, kind, *severities):
    """The only finding; of this kind and one of these severities."""
    all_of_them = found(case)
    assert len(all_of_them) == 1, json.dumps(all_of_them, indent=1)
    assert all_of_them[0][0] == kind and all_of_them[0][1] in severities, all_of_them[0][:2]
    return all_of_them[0][2]


def quiet(case):
    assert not found(case), json.dumps(found(case), indent=1)


@tap.test("another process gets the lock before the first unlocks: an error, alive and dead")
def _(case):
    first, second = recorded(case), recorded(case)
    first.do("fd = posix('f')")
    first.do(OPEN_AND_CLOSE)
    second.do("fd = posix('f')")
    finding = told(case, "posix-lock-dropped", "error")
    assert finding["pids"][0] == first.pid and f"(pid {second.pid}) got it" in finding["headline"], finding
    second.do(UNLOCK.format("fd"))
    first.do(UNLOCK.format("fd"))
    assert first.finish() == 0 and second.finish() == 0
    finding = told(case, "posix-lock-dropped", "error")
    assert f"(pid {second.pid}) got it" in finding["headline"], finding
    assert "it was unlocked" in finding["evidence"], finding["evidence"]


@tap.test("somebody who is not recorded has it at the unlock: the kernel tells")
def _(case):
    first, second = recorded(case), case.actor()
    first.do("fd = posix('f')")
    first.do(OPEN_AND_CLOSE)
    second.do("fd = posix('f')")
    first.do(UNLOCK.format("fd"))
    assert f"process {second.pid} got it" in told(case, "posix-lock-dropped", "error")["headline"]


@tap.test("the victim, as long as it thinks that it has the lock; its innocent twin")
def _(case):
    victim = case.victim("close-drops")
    wait_until(lambda: found(case), "10 ms to pass")
    finding = told(case, "posix-lock-dropped", "warning")
    assert finding["pids"] == [victim.pid], finding
    for stack in finding["stacks"]:
        assert "main" in views.functions(stack["frames"]), stack


@tap.test("a close of other files, and another open of the same one")
def _(case):
    case.victim("close-keeps").finish()
    quiet(case)


@tap.test("nobody got it: a warning; both places are shown")
def _(case):
    first = recorded(case)
    first.do("fd = posix('f', start=10, length=5)")
    first.do(OPEN_AND_CLOSE)
    first.do("time.sleep(0.05)")
    finding = told(case, "posix-lock-dropped", "warning")
    assert [s["label"] for s in finding["stacks"]] == [
        "it closed another descriptor of the file here", "it had taken the lock here"], finding
    names = [views.functions(s["frames"]) for s in finding["stacks"]]
    assert names[0][0] != names[1][0] or names[0] != names[1], names


for _title, _call in (("dup2 over it", "os.dup2(os.open('/dev/null', 0), other)"),
                      ("fclose", "os.fdopen(other).close()"),
                      ("close_range", "os.closerange(other, other + 1)")):
    @tap.test(f"{_title} closes as well")
    def _(case, call=_call):
        first, second = recorded(case), recorded(case)
        first.do("fd = posix('f')")
        first.do("other = path_of('f')")
        quiet(case)
        first.do(call)
        second.do("fd = posix('f')")
        told(case, "posix-lock-dropped", "error")


@tap.test("just before the unlock, before its own close, before the end: at most a note")
def _(case):
    first = recorded(case)
    first.do(f"fd = posix('f'); {OPEN_AND_CLOSE}; {UNLOCK.format('fd')}")
    first.do(f"fd = posix('g'); os.close(path_of('g')); os.close(fd)")
    first.do(f"fd = posix('h'); os.close(path_of('h')); posix(fd); {UNLOCK.format('fd')}")
    for kind, severity, finding in found(case):
        assert kind == "posix-lock-dropped" and severity != "error", finding


@tap.test("unlock by close, a lock-stat-reopen-dup2-close loop, other files, flock and OFD: nothing")
def _(case):
    first, second = recorded(case), recorded(case)
    first.do("fd = posix('f'); os.close(fd)")
    for _ in range(3):
        first.do("fd = posix('f')")
        second.do("os.rename(path_of('n') and 'n', 'f')")
        first.do("new = path_of('f'); os.dup2(new, fd); os.close(new)")
        second.do("taken = posix('f'); os.close(taken)")
    first.do("fd = posix('f'); other = path_of('o'); os.close(other)")
    second.do("o = posix('o')")
    first.do("a = flock('fl'); os.close(path_of('fl')); b = ofd('of'); os.close(path_of('of'))")
    first.do("keep = path_of('f')")
    first.do(UNLOCK.format("fd") + "; os.close(keep)")
    second.do("fd = posix('f')")
    quiet(case)


@tap.test("the lock's own descriptor is closed and a duplicate is left: told if that is unlocked")
def _(case):
    first, second = recorded(case), recorded(case)
    first.do("fd = posix('f'); left = os.dup(fd); os.close(fd)")
    second.do("fd = posix('f')")
    quiet(case)
    first.do(UNLOCK.format("left"))
    told(case, "posix-lock-dropped", "error")


@tap.test("a child unlocks what its parent had locked; one that takes its own lock is innocent")
def _(case):
    first = recorded(case)
    first.do("fd = posix('f', length=1)")
    first.do("child('posix(fd, start=5, length=1); fcntl.lockf(fd, fcntl.LOCK_UN, 1, 5)')")
    quiet(case)
    pid = first.do("child('fcntl.lockf(fd, fcntl.LOCK_UN)')")
    finding = told(case, "lock-not-inherited", "warning")
    assert finding["pids"] == [pid], finding
    assert [s["label"] for s in finding["stacks"]] == ["it unlocked here",
                                                       "its parent had taken the lock here"], finding


@tap.test("an unlock of what was never locked is a note; of more than was locked nothing")
def _(case):
    first = recorded(case)
    first.do("fd = posix('f', start=10, length=5)")
    first.do(UNLOCK.format("fd"))
    quiet(case)
    first.do(UNLOCK.format("fd"))
    finding = told(case, "unlock-not-held", "note")
    assert finding["pids"] == [first.pid] and "f, which it had not locked" in finding["headline"]


if __name__ == "__main__":
    tap.main()
