"""The lock victims through `run`, `graph` and `report`: alive, killed and ended; JSON and text;
and against /proc/locks, which knows no names but the truth."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import wait_until  # noqa: E402

KINDS = {"posix": "posix", "lockf": "posix", "ofd": "ofd", "flock": "flock"}
LONG = {"POSIX": "posix", "OFDLCK": "ofd", "FLOCK": "flock"}


def kernel_holders(pid):
    """As views.holders(), from the kernel's word on a process's descriptors."""
    return sorted((lock.pid, LONG[lock.kind], lock.mode.lower(), lock.start,
                   -1 if lock.end is None else lock.end) for lock in proc.held_locks(pid))


def whole(pid, kind, mode="write"):
    return (pid, kind, mode, 0, -1)


def check(view, holders, waiters):
    found = (views.holders(view), views.waiters(view))
    assert found == (sorted(holders), sorted(waiters)), f"{found}\nexpected {holders} {waiters}"


def add_waiting(name, kind):
    @tap.test(f"wait-{name}: one holder, two waiters, alive and dead")
    def _(case):
        victim = case.victim(f"wait-{name}")
        waiting = [int(w[7:]) for w in victim.said if w.startswith("waiter ")]
        alive = case.json("graph")
        check(alive, [whole(victim.pid, kind)], [(w, kind, "write") for w in waiting])
        assert not alive["findings"], alive["findings"]
        assert case.lockjam("graph", "-o", case.session).returncode == 0
        for party in views.parties(alive, "holders") + views.parties(alive, "waiters"):
            assert party["evidence"] == "observed", party
            assert party["since_ns"] and party["for_ns"] is not None, party
            names = views.functions(party["stack"])
            assert "main" in names and "take" in names, names
        order = [w["pid"] for w in views.parties(alive, "waiters")]
        assert order == waiting, f"queue order {order}, asked in {waiting}"

        victim.kill_all()
        dead = case.json("report")
        check(dead, [whole(victim.pid, kind)], [(w, kind, "write") for w in waiting])
        for before, after in zip(views.parties(alive, "holders"), views.parties(dead, "holders")):
            assert before["stack"] == after["stack"], (before["stack"], after["stack"])
            assert after["evidence"] == "recorded", after

    @tap.test(f"alone-{name}: one holder, nobody waits, nothing is found")
    def _(case):
        victim = case.victim(f"alone-{name}")
        view = case.json("graph")
        check(view, [whole(victim.pid, kind)], [])
        assert not view["findings"], view["findings"]
        assert victim.finish() == 0
        after = case.json("report")
        check(after, [], [])
        assert not after["findings"], after["findings"]


for _name, _kind in KINDS.items():
    add_waiting(_name, _kind)


@tap.test("the text form: the lines of holders and waiters, byte for byte")
def _(case):
    victim = case.victim("wait-posix")
    waiting = [int(w[7:]) for w in victim.said if w.startswith("waiter ")]
    exe = os.readlink(f"/proc/{victim.pid}/exe")
    path = os.path.realpath(case.path("lock"))
    # Who still runs, right after `ready`, has no backtrace: nothing is stopped for a graph.
    wait_until(lambda: proc.syscall(victim.pid) in (0, 63), "the holder to read its input")
    text = case.text("graph")
    wanted = [f"{exe} (pid {victim.pid}) holding WRITE lock for {path}"] + [
        f"  {exe} (pid {pid}) ++WAITING++ for WRITE lock on {path}" for pid in waiting]
    found = [line for line in text.splitlines() if " lock for " in line or " lock on " in line]
    assert found == wanted, text
    # Details stand under their line, further in than it; backtraces come last.
    assert f"\nBacktrace of process {victim.pid}:\n" in text, text
    tail = text.partition(f"Backtrace of process {victim.pid}:\n")[2]
    assert re.match(r" #0 0x[0-9a-f]{16} in \S+ \(", tail), text
    assert " ++WAITING++ " not in tail, text


@tap.test("the text of a session is the same twice")
def _(case):
    victim = case.victim("wait-flock")
    victim.kill_all()
    assert case.text("report") == case.text("report")


@tap.test("ranges: split, merge, upgrade, downgrade, SEEK_CUR, SEEK_END, to EOF")
def _(case):
    victim = case.victim("ranges-posix")
    view = case.json("graph")
    found = views.holders(view)
    kernel = kernel_holders(victim.pid)
    assert len(kernel) == 8, kernel
    assert found == kernel, f"{found}\nkernel {kernel}"
    victim.kill_all()
    assert views.holders(case.json("report")) == kernel


@tap.test("several READ holders share one lock")
def _(case):
    victim = case.victim("readers-posix")
    readers = [int(w[7:]) for w in victim.said if w.startswith("reader ")]
    view = case.json("graph")
    check(view, [whole(p, "posix", "read") for p in [victim.pid, *readers]], [])
    assert not view["findings"], view["findings"]
    assert len(view["locks"]) == 1, "one entry for a lock that three share"


@tap.test("an upgrade waits and keeps its READ lock")
def _(case):
    victim = case.victim("upgrade-posix")
    child = int(victim.word("waiter"))
    view = case.json("graph")
    check(view, [whole(p, "posix", "read") for p in (victim.pid, child)],
          [(child, "posix", "write")])
    (waiter,) = views.parties(view, "waiters")
    assert waiter["blocked_by"] == victim.pid, waiter


@tap.test("close() of another descriptor drops a POSIX lock")
def _(case):
    victim = case.victim("close-drops")
    check(case.json("graph"), [], [])
    victim.kill_all()
    check(case.json("report"), [], [])


@tap.test("what close() of something else does not drop")
def _(case):
    victim = case.victim("close-keeps")
    view = case.json("graph")
    check(view, [whole(victim.pid, "posix"), whole(victim.pid, "flock")], [])
    assert not view["findings"], view["findings"]


@tap.test("a flock outlives the process that took it, in its child")
def _(case):
    victim = case.victim("flock-inherited")
    heir = int(victim.word("heir"))
    view = case.json("graph")
    check(view, [whole(heir, "flock")], [])
    assert views.parties(view, "holders")[0]["inherited"], view["locks"]
    os.kill(heir, 9)
    wait_until(lambda: proc.state(heir) in (None, "Z"), "death of the heir")
    check(case.json("graph"), [], [])


@tap.test("an unlock by the child releases what it shares with its parent")
def _(case):
    victim = case.victim("flock-handed-back")
    check(case.json("graph"), [], [])
    victim.kill_all()
    check(case.json("report"), [], [])


@tap.test("locks that survive execve are carried over")
def _(case):
    victim = case.victim("exec-keeps")
    view = case.json("graph")
    check(view, [(victim.pid, "posix", "write", 10, 29), whole(victim.pid, "flock", "read")], [])
    assert all(h["carried_over_exec"] for h in views.parties(view, "holders")), view["locks"]
    victim.kill_all()
    dead = case.json("report")
    check(dead, [(victim.pid, "posix", "write", 10, 29), whole(victim.pid, "flock", "read")], [])
    images = sorted(p["image"] for p in dead["processes"] if p["pid"] == victim.pid)
    assert images == [0, 1], dead["processes"]


@tap.test("locks that execve closes are gone")
def _(case):
    case.victim("exec-closes")
    check(case.json("graph"), [], [])


@tap.test("a polling waiter: tries and since when, in JSON and in text")
def _(case):
    victim = case.victim("polling")
    child = int(victim.word("waiter"))
    view = case.json("graph")
    check(view, [whole(victim.pid, "posix")], [(child, "posix", "write")])
    (waiter,) = views.parties(view, "waiters")
    assert waiter["state"] == "polling" and waiter["tries"] >= 10, waiter
    assert waiter["since_ns"] and waiter["blocked_by"] == victim.pid, waiter
    (again,) = views.parties(case.json("graph"), "waiters")
    assert again["tries"] >= waiter["tries"], again
    # The same moment on the wall clock, but for what the two readings of the clock differ.
    assert abs(again["since_ns"] - waiter["since_ns"]) < 100_000_000, again
    text = case.text("graph").splitlines()
    where = next(i for i, line in enumerate(text) if "++WAITING++" in line)
    assert any(views.POLLING.match(line) for line in text[where + 1:where + 4]), text


@tap.test("polling that has ended is no wait")
def _(case):
    victim = case.victim("polling-ended")
    holder = int(victim.word("holder"))
    check(case.json("graph"), [whole(holder, "posix")], [])


@tap.test("an ABBA deadlock of flocks: each holds and each waits")
def _(case):
    victim = case.victim("abba-flock")
    one, other = int(victim.word("one")), int(victim.word("other"))
    view = case.json("graph")
    first, second = (os.path.realpath(case.path(n)) for n in ("first", "second"))
    assert views.holders(view, first) == [whole(one, "flock")], view["locks"]
    assert views.waiters(view, first) == [(other, "flock", "write")], view["locks"]
    assert views.holders(view, second) == [whole(other, "flock")], view["locks"]
    assert views.waiters(view, second) == [(one, "flock", "write")], view["locks"]
    assert all(f["kind"] == "deadlock-cycle" for f in view["findings"]), view["findings"]


def kill_at_once(victim, pids):
    """Ends processes that wait for each other in such a way that none is granted anything."""
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, sign)
            wait_until(lambda p=pid, s=sign: proc.state(p) in
                       ((None, "Z", "X") if s == signal.SIGKILL else ("T",)), "a signal")
    if victim.pid in pids:
        victim.process.wait()
    else:
        victim.kill()


def add_deadlock(name, words, others):
    @tap.test(f"{name}: the same deadlock alive and killed, none when one goes first")
    def _(case):
        victim = case.victim(name)
        pids = [int(victim.word(w)) for w in words]
        [alive] = case.json("graph")["findings"]
        kill_at_once(victim, pids)
        [dead] = case.json("report")["findings"]
        for key in ("kind", "severity", "pids", "count"):
            assert alive[key] == dead[key], (key, alive[key], dead[key])
        assert dead["kind"] == "deadlock-cycle" and sorted(dead["pids"]) == sorted(pids), dead
        assert dead["evidence"].startswith("recorded: each of them still waited"), dead
        assert alive["evidence"].startswith("observed twice"), alive
        assert "DEADLOCK" in case.text("report")

    @tap.test(f"{name}: the one that is killed first lets the next go on")
    def _(case):
        victim = case.victim(name)
        gone = int(victim.word(others[0]))
        os.kill(gone, signal.SIGKILL)
        for other in others[1:]:
            pid = int(victim.word(other))
            wait_until(lambda p=pid: proc.state(p) in (None, "Z", "X"), "the next to end")
        victim.kill()
        assert not views.findings(case.json("report"), "deadlock-cycle")


add_deadlock("abba-flock", ("one", "other"), ("one", "other"))
add_deadlock("ring-mixed", ("one", "two", "three"), ("one", "three", "two"))


@tap.test("ordered flocks, killed in mid-wait: no cycle either")
def _(case):
    victim = case.victim("abba-flock-ordered")
    kill_at_once(victim, [int(victim.word("waiter")), victim.pid])
    assert not case.json("report")["findings"]


@tap.test("ordered flocks: one waits, no cycle")
def _(case):
    victim = case.victim("abba-flock-ordered")
    waiter = int(victim.word("waiter"))
    view = case.json("graph")
    first = os.path.realpath(case.path("first"))
    assert whole(victim.pid, "flock") in views.holders(view, first), view["locks"]
    assert views.waiters(view) == [(waiter, "flock", "write")], view["locks"]
    assert not views.findings(view, "deadlock-cycle"), view["findings"]


@tap.test("a target is a pid, a name or a path")
def _(case):
    victim = case.victim("wait-posix")
    waiting = [int(w[7:]) for w in victim.said if w.startswith("waiter ")]
    everything = ([whole(victim.pid, "posix")], [(w, "posix", "write") for w in waiting])
    for target in (str(victim.pid), "wait-posix", os.path.realpath(case.path("lock"))):
        check(case.json("graph", target), *everything)
    result = case.lockjam("graph", "-o", case.session, "no-such-program-runs", status=(2,))
    assert result.stderr.startswith("lockjam: "), result.stderr


@tap.test("the live system is read without -o")
def _(case):
    env_session = case.victim("wait-posix", shim=None)
    text = case.lockjam("graph", str(env_session.pid)).stdout
    assert ("holds", env_session.pid, "WRITE", "lock") in views.lines(text), text


if __name__ == "__main__":
    tap.main()
