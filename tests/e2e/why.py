"""lockjam why: from a process that is stuck to the cause, on the running system, under the shim and
without it, and of the dead."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import LOCKJAM, wait_until  # noqa: E402


def why(case, pid, *arguments):
    """The `why` object."""
    return case.json_now("why", str(pid), *arguments)["why"]


def brief(it):
    """What a failure shows."""
    return it["sentence"], it["cause"], it["advice"], [link["doing"] for link in it["links"]]


def told(case, pid, *arguments, status=(0, 1)):
    return case.lockjam("why", str(pid), *arguments, status=status).stdout


def waiter(case, request):
    """An actor that waits for a lock."""
    actor = case.actor()
    actor.send(request)
    wait_until(lambda: proc.is_waiting_for_lock(actor.pid), "the request to wait")
    return actor


@tap.test("a chain that ends in a stopped process: who, and what to do")
def _(case):
    holder, middle = case.actor(), case.actor()
    holder.do("posix('a')")
    middle.do("posix('b')")
    middle.send("posix('a', wait=True)")
    wait_until(lambda: proc.is_waiting_for_lock(middle.pid), "the request to wait")
    last = waiter(case, "posix('b', wait=True)")
    os.kill(holder.pid, signal.SIGSTOP)
    wait_until(lambda: proc.state(holder.pid) == "T", "the holder to stop")
    it = why(case, last.pid)
    assert it["stuck"] and it["cause"] == "stopped" and it["cause_pid"] == holder.pid, brief(it)
    assert [link["pid"] for link in it["links"]] == [last.pid, middle.pid, holder.pid], brief(it)
    assert it["advice"]["end_pid"] == holder.pid and it["advice"]["goes_on"] == 2, brief(it)
    text = told(case, last.pid)
    first = text.splitlines()[0]
    assert "waits for a WRITE lock on" in first and "held by" in first, first
    assert first.endswith(f"(pid {holder.pid}), which is stopped by a signal"), first
    assert f"What to do: let it go on: kill -CONT {holder.pid}; or end " in text, text
    os.kill(holder.pid, signal.SIGCONT)


@tap.test("a holder that runs is shown where it runs, and is nobody's fault")
def _(case):
    victim = case.start([sys.executable, "-c", "print('ready', flush=True)\nwhile True: pass"])
    victim.await_ready()
    it = why(case, victim.pid)
    assert it["cause"] == "running" and not it["stuck"] and it["links"][0]["frames"], brief(it)
    assert "is not stuck: it is running" in told(case, victim.pid, status=(0,))
    assert not why(case, victim.pid, "--no-stop")["links"][0]["frames"]


@tap.test("an idle process is not stuck")
def _(case):
    actor = case.actor()
    actor.do("posix('a')")
    it = why(case, actor.pid)
    assert not it["stuck"] and not it["advice"]["text"], brief(it)
    assert "is not stuck: it " in told(case, actor.pid, status=(0,))


for _count in (2, 3, 13, 50):
    def _ring(case, count=_count):
        victim = case.victim("ring-of", str(count))
        pids = [int(line.split()[1]) for line in victim.said]
        outside = victim.pid
        it = case.json("why", str(pids[0]))["why"]
        assert it["cause"] == "deadlock" and it["sentence"].startswith("DEADLOCK: "), it["sentence"]
        seen = [link["pid"] for link in it["links"]]
        assert sorted(seen[:-1]) == sorted(pids) and seen[-1] == seen[0], (seen, pids)
        assert all(link["in_cycle"] for link in it["links"]), brief(it)
        assert it["advice"]["end_pid"] in pids and it["advice"]["goes_on"] == count - 1, it["advice"]
        assert case.json("why", str(outside))["why"]["cause"] != "deadlock"
        for pid in pids:  # who is stopped does not go on when his neighbour ends
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda p=pid: proc.state(p) == "T", "a member to stop")
        victim.kill_all()
        dead = case.json("why", str(pids[-1]))["why"]
        assert dead["cause"] == "deadlock", dead["sentence"]
        assert sorted({link["pid"] for link in dead["links"]}) == sorted(pids), dead["links"]
    tap.test(f"a ring of {_count}: every edge, alive and dead")(_ring)


@tap.test("who waits behind a deadlock is told of it")
def _(case):
    victim = case.victim("abba-flock")
    first = int(victim.word("one"))
    late = case.start([sys.executable, "-c", "import fcntl, sys; f = open('first', 'r+');"
                       "print('ready', flush=True); fcntl.flock(f, fcntl.LOCK_EX)"],
                      shim="preload").await_ready()
    wait_until(lambda: proc.is_waiting_for_lock(late.pid), "the request to wait")
    it = case.json("why", str(late.pid))["why"]
    assert it["cause"] == "deadlock" and not it["links"][0]["in_cycle"], brief(it)
    assert "is in a deadlock: " in it["sentence"] and f"(pid {first})" in it["sentence"], brief(it)
    result = case.lockjam("why", "-o", case.session, str(late.pid), status=(1,))
    assert "How we know: observed twice" in result.stdout, result.stdout


@tap.test("ordered locking is a chain, not a circle")
def _(case):
    victim = case.victim("abba-flock-ordered")
    for pid in proc.descendants(victim.pid):
        it = case.json("why", str(pid))["why"]
        assert it["cause"] not in ("deadlock", "circle"), it["sentence"]


@tap.test("a holder that waits for itself in the heap")
def _(case):
    victim = case.victim("heap-threaded")
    pid = int(victim.word("waiter"))
    it = case.json("why", str(pid))["why"]
    assert it["cause"] == "heap" and it["cause_pid"] == victim.pid, brief(it)
    assert it["sentence"].endswith("which waits for itself in the heap"), it["sentence"]
    assert it["advice"]["end_pid"] == victim.pid and it["advice"]["goes_on"] == 1, it["advice"]


def kinds(view):
    return sorted(f["kind"] for f in view["findings"])


@tap.test("graph says the cause over a tree; a stopped holder is a finding")
def _(case):
    holder = case.actor()
    holder.do("posix('a')")
    waiter(case, "posix('a', wait=True)")
    assert "blocked-while-holding" not in kinds(case.json_now("graph", case.path("a")))
    os.kill(holder.pid, signal.SIGSTOP)
    wait_until(lambda: proc.state(holder.pid) == "T", "the holder to stop")
    view = case.json_now("graph", case.path("a"))
    cause = view["locks"][0]["cause"]
    assert cause.startswith("1 waits for ") and cause.endswith(", which is stopped by a signal"), cause
    assert kinds(view) == ["blocked-while-holding"], kinds(view)
    text = case.lockjam("graph", case.path("a"), status=(1,)).stdout
    assert f"Cause: {cause}\n" in text, text
    os.kill(holder.pid, signal.SIGCONT)


@tap.test("services that queue for the one that accepts are silent, however long")
def _(case):
    holder = case.actor()
    holder.do("posix('accept lock')")
    holder.send("[s := __import__('socket').socket(), s.bind(('127.0.0.1', 0)), s.listen(), s.accept()]")
    wait_until(lambda: proc.syscall(holder.pid) in (43, 288, 202, 242), "accept")
    for _n in range(2):
        waiter(case, "posix('accept lock', wait=True)")
    view = case.json_now("graph", "--long-hold=1ms", "--long-wait=1ms", case.path("accept lock"))
    assert not kinds(view), kinds(view)
    assert view["locks"][0]["cause"].startswith("2 wait for "), view["locks"][0]["cause"]


@tap.test("who waits for longer than the threshold is noted")
def _(case):
    holder = case.actor()
    holder.do("posix('a')")
    late = waiter(case, "posix('a', wait=True)")
    view = case.json_now("graph", "--long-wait=1ms", case.path("a"))
    assert kinds(view) == ["long-wait"], kinds(view)
    assert f"(pid {late.pid}) has waited for " in view["findings"][0]["headline"], view["findings"]
    assert not kinds(case.json_now("graph", case.path("a")))


@tap.test("a file lock and a child: the parent waits for who waits for its lock")
def _(case):
    parent = case.actor()
    parent.do("posix('a')")
    parent.do("pid = child(\"block:posix('a', wait=True)\")")
    parent.send("os.waitpid(pid, 0)")
    wait_until(lambda: proc.syscall(parent.pid) in (61, 260), "waitpid")
    it = why(case, parent.pid)
    assert it["cause"] == "deadlock", brief(it)
    assert [link["in_cycle"] for link in it["links"]] == [True] * 3, brief(it)
    free = case.actor()
    free.do("posix('b')")
    free.do("pid = child(\"block:time.sleep(300)\")")
    free.send("os.waitpid(pid, 0)")
    wait_until(lambda: proc.syscall(free.pid) in (61, 260), "waitpid")
    late = waiter(case, "posix('b', wait=True)")
    it = why(case, late.pid)
    assert it["cause"] == "sleep" and len(it["links"]) == 3, brief(it)


@tap.test("one PID, and one that there is")
def _(case):
    for arguments in ((), ("1", "2"), ("sh",), ("999999999",), ("-o", "none", "1")):
        result = case.run([LOCKJAM, "why", *arguments])
        assert result.returncode == 2 and not result.stdout, (arguments, result)
        assert result.stderr.count("\n") == 1, (arguments, result)


if __name__ == "__main__":
    tap.main()
