"""`lockjam stacks`: backtraces of any process. Who waits keeps its place in the queue, who runs is
stopped for its copy and not longer, and nobody stays stopped."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import LOCKJAM, victim_path, wait_until  # noqa: E402


def stacks(case, *arguments, **options):
    """The object that `lockjam stacks --format=json` prints."""
    return json.loads(case.lockjam("stacks", "--format=json", *arguments, **options).stdout)


def functions(backtrace):
    return [f["function"] for f in backtrace["frames"]]


def is_untouched(pid):
    """Nobody traces its threads, and none is in a stop."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        status = proc.read(pid, "task", tid, "status") or ""
        if "TracerPid:\t0\n" not in status or proc.state(pid, tid) in "tT":
            return False
    return True


@tap.test("blocked threads are not stopped, running ones are, and are told by the time they stood")
def _(case):
    victim = case.victim("running", "3", shim=None)
    by_tid = {b["tid"]: b for b in stacks(case, str(victim.pid))["backtraces"]}
    assert len(by_tid) == 4, by_tid
    blocked = by_tid.pop(victim.pid)
    assert blocked["stood_ns"] == 0 and "main" in functions(blocked), blocked
    for backtrace in by_tid.values():
        assert "run" in functions(backtrace) and backtrace["stood_ns"] > 0, backtrace
        assert backtrace["name"].startswith("runner"), backtrace
    assert is_untouched(victim.pid)
    assert victim.finish() == 0


@tap.test("--no-stop: of running threads is said that they run, and nobody traces them")
def _(case):
    victim = case.victim("running", "1", shim=None)
    by_tid = {b["tid"]: b for b in stacks(case, "--no-stop", str(victim.pid))["backtraces"]}
    blocked = by_tid.pop(victim.pid)
    assert "main" in functions(blocked), blocked
    for backtrace in by_tid.values():
        assert not backtrace["frames"] and "running" in backtrace["incomplete"], backtrace
        assert backtrace["stood_ns"] == 0
    trace = case.run(["strace", "-f", "-e", "trace=ptrace", LOCKJAM, "stacks", "--no-stop",
                      str(victim.pid)]) if os.path.exists("/usr/bin/strace") else None
    assert trace is None or "ptrace(" not in trace.stderr, trace.stderr


def granted(case, kind, look):
    """In which order the waiters of one lock get it, after look(pids) was there."""
    victim = case.start([victim_path("queue"), kind, "8"]).await_ready()
    pids = [int(line.split()[1]) for line in victim.said if line.startswith("waiter ")]
    assert len(pids) == 8
    look(pids)
    wait_until(lambda: all(proc.is_waiting_for_lock(p) for p in pids), "all waiting again")
    victim.process.stdin.close()
    order = [int(line.split()[1]) for line in victim.process.stdout if line.startswith("granted ")]
    assert victim.process.wait() == 0
    return pids, order


def stop_and_go(case, pids):
    """What a debugger does to the first waiter: a stop of ptrace, and on when the others have
    closed up."""
    tracer = case.start([victim_path("stopper"), str(pids[0])]).await_ready()
    rest = set(pids[1:])
    wait_until(lambda: all(proc.is_waiting_for_lock(p) for p in rest), "the others waiting")
    assert tracer.finish() == 0


def add_queue(kind):
    @tap.test(f"{kind}: waiters keep their places while `lockjam stacks` looks")
    def _(case):
        def look(pids):
            for _round in range(3):
                view = stacks(case, *map(str, pids))
                assert {b["pid"] for b in view["backtraces"]} == set(pids)
                assert all(b["stood_ns"] == 0 and "main" in functions(b)
                           for b in view["backtraces"]), view
        asked, order = granted(case, kind, look)
        assert order == asked, (asked, order)

    @tap.test(f"{kind}: a stop of ptrace changes the order, so the test above can fail")
    def _(case):
        asked, order = granted(case, kind, lambda pids: stop_and_go(case, pids))
        assert sorted(order) == sorted(asked) and order != asked, (asked, order)


for _kind in ("posix", "ofd", "flock"):
    add_queue(_kind)


@tap.test("a process that SIGSTOP has stopped is looked at, and stays as stopped as it was")
def _(case):
    victim = case.victim("running", "2", shim=None)
    os.kill(victim.pid, signal.SIGSTOP)
    tids = os.listdir(f"/proc/{victim.pid}/task")
    wait_until(lambda: all(proc.state(victim.pid, t) == "T" for t in tids), "the stop")
    view = stacks(case, str(victim.pid))
    assert all(b["frames"] and b["stood_ns"] == 0 for b in view["backtraces"]), view
    assert all(proc.state(victim.pid, t) == "T" for t in tids)
    os.kill(victim.pid, signal.SIGCONT)
    assert victim.finish() == 0


if __name__ == "__main__":
    tap.main()
