"""`lockjam stacks`: backtraces of any process. Who waits keeps its place in the queue, who runs is
stopped for its copy and not longer, and nobody stays stopped."""
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import LOCKJAM, Skip, victim_path, wait_until  # noqa: E402


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

    @tap.test(f"{kind}: waiters keep their places while `lockjam report` looks")
    def _(case):
        asked, order = granted(case, kind, lambda pids: case.lockjam("report", *map(str, pids)))
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


def copier(case, pid):
    """Copies the threads of pid over and over, until its standard input is closed."""
    return case.start([victim_path("copier", "stopping"), str(pid)]).await_ready()


def finish(tool):
    """Ends a copier; how many copies it made."""
    tool.process.stdin.close()
    words = tool.process.stdout.read().split()
    assert tool.process.wait() == 0, words
    assert words[0] == "copied" and words[words.index("other") + 1] in ("0", "0:"), words
    return int(words[1])


def is_frozen(pid):
    """Whether SIGSTOP has reached all of its threads."""
    return all(proc.state(pid, tid) in ("T", None) for tid in os.listdir(f"/proc/{pid}/task"))


def standing(pid):
    """Threads of pid that are in a stop of some tracer."""
    return [tid for tid in os.listdir(f"/proc/{pid}/task") if proc.state(pid, tid) == "t"]


@tap.test("a tracer that is killed, also while a thread stands, leaves nobody stopped", seconds=100)
def _(case):
    victim = case.victim("running", "3", shim=None)
    tids = [t for t in os.listdir(f"/proc/{victim.pid}/task") if int(t) != victim.pid]
    hits = rounds = 0
    while rounds < 60 or (hits < 10 and rounds < 600):
        rounds += 1
        tool = copier(case, victim.pid)
        if rounds % 2:  # at any moment; else frozen first, to see where it was killed
            os.kill(tool.pid, signal.SIGSTOP)
            wait_until(lambda t=tool: is_frozen(t.pid), "the stop of the tracer")
            hits += len(standing(victim.pid))
        os.kill(tool.pid, signal.SIGKILL)
        tool.process.wait()
        wait_until(lambda: is_untouched(victim.pid), "the release")
        wait_until(lambda: all(proc.state(victim.pid, t) == "R" for t in tids), "all running")
    assert hits >= 10, f"{hits} of {rounds} killed while a thread stood"
    print(f"# killed {rounds} times, {hits} times while a thread stood")
    assert victim.finish() == 0


@tap.test("signals that come while a thread is copied are neither lost nor doubled", seconds=100)
def _(case):
    victim = case.victim("counting", shim=None)
    for rounds in (1, 5000):
        tool = copier(case, victim.pid)
        victim.process.stdin.write(f"{rounds}\n")
        victim.process.stdin.flush()
        assert victim.line() == f"counted {3 * rounds}"
        copied = finish(tool)
    assert copied > 20, copied
    assert is_untouched(victim.pid) and victim.finish() == 0


@tap.test("SIGSTOP and SIGCONT while threads are copied: stopped is stopped, going is going")
def _(case):
    victim = case.victim("running", "3", shim=None)
    tids = [t for t in os.listdir(f"/proc/{victim.pid}/task") if int(t) != victim.pid]
    tool = copier(case, victim.pid)
    for _round in range(100):
        os.kill(victim.pid, signal.SIGSTOP)
        wait_until(lambda: all(proc.state(victim.pid, t) == "T" for t in tids), "stopped")
        assert all(proc.state(victim.pid, t) == "T" for t in tids)
        os.kill(victim.pid, signal.SIGCONT)
        wait_until(lambda: all(proc.state(victim.pid, t) != "T" for t in tids), "going")
    assert finish(tool) > 0
    assert is_untouched(victim.pid) and victim.finish() == 0


@tap.test("threads that end, exec and vfork while they are copied", seconds=100)
def _(case):
    victim = case.start([victim_path("churn"), "12"]).await_ready()
    tool = case.start([victim_path("copier", "stopping"), str(victim.pid)])
    assert victim.line() == "done" and victim.process.wait() == 0
    tool.process.stdin.close()
    assert tool.process.wait() == 0


@tap.test("a parent in vfork() sleeps uninterruptible: told where, and not touched")
def _(case):
    victim = case.start([victim_path("vforking")]).await_ready()
    view = stacks(case, str(victim.pid))
    backtrace = view["backtraces"][0]
    assert backtrace["stood_ns"] == 0 and "fork_and_wait" in functions(backtrace), view
    assert backtrace["doing"].startswith("in uninterruptible sleep"), backtrace
    assert backtrace["doing"].endswith("in vfork"), backtrace
    assert victim.finish() == 0


@tap.test("traced by somebody else: he is named; what stands in his stop is shown")
def _(case):
    victim = case.victim("running", "1", shim=None)
    runner = next(t for t in os.listdir(f"/proc/{victim.pid}/task") if int(t) != victim.pid)
    tracer = case.start([victim_path("stopper"), runner]).await_ready()
    by_tid = {b["tid"]: b for b in stacks(case, str(victim.pid))["backtraces"]}
    stopped = by_tid[int(runner)]
    assert "run" in functions(stopped) and stopped["stood_ns"] == 0, stopped
    assert f"stopped by its tracer stopper (pid {tracer.pid})" in stopped["doing"], stopped
    assert tracer.finish() == 0
    wait_until(lambda: is_untouched(victim.pid), "the tracer's end")
    tracer = case.start([victim_path("stopper"), runner, "seize"]).await_ready()
    by_tid = {b["tid"]: b for b in stacks(case, str(victim.pid))["backtraces"]}
    traced = by_tid[int(runner)]
    assert not traced["frames"], traced
    assert f"traced by stopper (pid {tracer.pid})" in traced["incomplete"], traced
    assert tracer.finish() == 0 and victim.finish() == 0


@tap.test("what cannot be looked at says why, and does not keep the others from being shown")
def _(case):
    victim = case.victim("running", "1", shim=None)
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    wait_until(lambda: proc.state(zombie) == "Z", "the zombie")
    gone = case.start(["/bin/true"])
    gone.process.wait()
    causes = {zombie: f"zombie until its parent {os.getpid()} asks", gone.pid: "no such process"}
    thread = next(int(t) for t in os.listdir(f"/proc/{victim.pid}/task") if int(t) != victim.pid)
    causes[thread] = f"a thread of process {victim.pid}"
    if "kthreadd" in (proc.read(2, "comm") or ""):
        causes[2] = "kernel thread"
    for pid, cause in causes.items():
        alone = case.run([LOCKJAM, "stacks", str(pid)])
        assert alone.returncode == 2 and not alone.stdout, alone
        assert alone.stderr.startswith(f"lockjam: {pid}: ") and cause in alone.stderr, alone
    view = stacks(case, str(victim.pid), *map(str, causes))
    assert {b["pid"] for b in view["backtraces"]} == {victim.pid}, view
    for pid, cause in causes.items():
        assert any(n["text"].startswith(f"{pid}: ") and cause in n["text"]
                   for n in view["notes"]), view["notes"]
    os.waitpid(zombie, 0)
    assert victim.finish() == 0


@tap.test("another user's process: not permitted, and status 2")
def _(case):
    if os.geteuid():
        raise Skip("not root")
    victim = case.victim("running", "1", shim=None)
    tool = shutil.copy(LOCKJAM, case.path("lockjam"))
    os.chmod(case.dir, 0o755)
    result = case.run([tool, "stacks", str(victim.pid)], user=65534, cwd="/")
    text = result.stdout + result.stderr
    assert result.returncode == 2 and ("not permitted" in text or "may not be looked at" in text), \
        result
    assert is_untouched(victim.pid) and victim.finish() == 0


@tap.test("a 32-bit program that runs is let go, and named as what it is")
def _(case):
    source = case.path("spin.c")
    with open(source, "w", encoding="ascii") as f:
        f.write("void _start(void) { for (;;) __asm__ volatile(\"\"); }\n")
    built = case.run(["gcc", "-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie",
                      "-o", case.path("spin"), source])
    if built.returncode:
        raise Skip("no compiler for 32-bit programs")
    try:
        victim = case.start([case.path("spin")])
    except OSError as error:
        raise Skip(f"32-bit programs do not run here: {error}") from error
    wait_until(lambda: proc.state(victim.pid) == "R", "the program")
    view = json.loads(case.lockjam("stacks", "--format=json", str(victim.pid),
                                   status=(0, 1, 2)).stdout)
    assert "32-bit" in view["backtraces"][0]["incomplete"], view
    assert is_untouched(victim.pid)
    wait_until(lambda: proc.state(victim.pid) == "R", "it runs on")


@tap.test("a process whose main thread has ended is no zombie: its other threads are shown")
def _(case):
    victim = case.victim("headless", shim=None)
    view = stacks(case, str(victim.pid))
    by_name = {b["frames"][-3]["function"] if b["frames"] else b["incomplete"]: b
               for b in view["backtraces"]}
    assert len(by_name) == 3 and by_name["compute"]["stood_ns"] > 0, view
    assert by_name["wait_for_end"]["stood_ns"] == 0, view
    assert "the thread has ended; its process goes on without it" in by_name, view
    assert victim.finish() == 0


@tap.test("--max-frames: what is cut off is counted")
def _(case):
    victim = case.victim("stall", "100", shim=None)
    by_tid = {b["tid"]: b for b in stacks(case, str(victim.pid))["backtraces"]}
    whole = [b for tid, b in by_tid.items() if tid != victim.pid][0]
    for limit in (1, 10, len(whole["frames"])):
        view = stacks(case, f"--max-frames={limit}", str(victim.pid))
        cut = [b for b in view["backtraces"] if b["tid"] == whole["tid"]][0]
        assert len(cut["frames"]) == limit
        # Where it is in its innermost function, and whether it is in one more, changes.
        outer = functions(whole).index("descend")
        inner = functions(cut).index("read_clock") + 1 if "read_clock" in functions(cut) else None
        if inner:
            total = limit + cut["frames_left_out"]
            assert total - inner == len(whole["frames"]) - outer, (cut, len(whole["frames"]))
    text = case.lockjam("stacks", "--max-frames=1", str(victim.pid)).stdout
    assert " more frames)" in text, text
    assert victim.finish() == 0


@tap.test("the time that a thread stands is seen from inside, and is none with --no-stop")
def _(case):
    for options, has_stalls in ((["--no-stop"], False), ([], True)):
        victim = case.victim("stall", "2000", shim=None)
        for _round in range(3):
            view = stacks(case, *options, str(victim.pid))
        backtrace = [b for b in view["backtraces"] if b["tid"] != victim.pid][0]
        assert has_stalls == (functions(backtrace).count("descend") == 2001), backtrace["incomplete"]
        victim.process.stdin.close()
        stalls = victim.process.stdout.read().split("\n")[:-1]
        assert victim.process.wait() == 0
        assert bool(stalls) == has_stalls, stalls
        print(f"# {options}: {stalls}")


@tap.test("50 threads that wait at one place are one backtrace; --all shows each")
def _(case):
    victim = case.victim("running", "50", "asleep", shim=None)
    text = case.lockjam("stacks", str(victim.pid)).stdout
    assert ", 50 threads alike: " in text and text.count("Backtrace of process") == 2, text
    assert "(asleep, in pause)" in text, text
    every = case.lockjam("stacks", "--all", str(victim.pid)).stdout
    count = len(os.listdir(f"/proc/{victim.pid}/task"))
    assert every.count(f"Backtrace of process {victim.pid}, thread ") == count, every
    assert victim.finish() == 0


@tap.test("report PID: what each thread is doing, whom it waits for, and where all of them are")
def _(case):
    victim = case.victim("running", "3", shim=None)
    queue = case.start([victim_path("queue"), "flock", "2"]).await_ready()
    waiters = [int(line.split()[1]) for line in queue.said if line.startswith("waiter ")]
    # --all: threads that run may all be at one place.
    text = case.lockjam("report", "--all", str(victim.pid), str(waiters[1])).stdout
    part = text.partition("== What is being done ==\n")[2].partition("\n==")[0]
    assert f"(pid {victim.pid}), 4 threads\n" in part and "    3 threads: running\n" in part, text
    assert f"(pid {waiters[1]}): waits for a WRITE lock on " in part, text
    # Behind the first waiter, who is behind the holder, who sits in read().
    chain = [int(line.partition("(pid ")[2].partition(")")[0]) for line in part.splitlines()
             if line.startswith("    ") and "(pid " in line]
    assert chain == [waiters[0], queue.pid], part
    assert f"(pid {queue.pid}): in read of descriptor 0 (pipe:" in part, part
    for tid in os.listdir(f"/proc/{victim.pid}/task"):
        assert f"\nBacktrace of process {victim.pid}, thread {tid} (" in text, text
    for pid in (waiters[1], queue.pid):
        assert f"\nBacktrace of process {pid}:\n" in text, text
    assert f"command: {victim_path('running')} 3\n" in text, text
    view = json.loads(case.lockjam("report", "--format=json", "--no-stop",
                                   str(victim.pid)).stdout)
    assert len(view["backtraces"]) == 4 and not any(b["stood_ns"] for b in view["backtraces"])
    assert view["processes"][0]["ppid"] == os.getpid(), view["processes"]
    assert victim.finish() == 0


@tap.test("graph: a holder that runs is not stopped; that it runs is said")
def _(case):
    script = ("import fcntl, os\n"
              "held = open('lock', 'w'); fcntl.lockf(held, fcntl.LOCK_EX)\n"
              "if os.fork() == 0:\n"
              "    fcntl.lockf(open('lock', 'w'), fcntl.LOCK_EX)\n"
              "print('ready', flush=True)\n"
              "while True: pass\n")
    victim = case.start([sys.executable, "-c", script]).await_ready()
    child = proc.children(victim.pid)[0]
    wait_until(lambda: proc.is_waiting_for_lock(child), "the waiter")
    view = json.loads(case.lockjam("graph", "--format=json", str(victim.pid)).stdout)
    holder = [b for b in view["backtraces"] if b["pid"] == victim.pid][0]
    assert not holder["frames"] and "running" in holder["incomplete"], holder
    assert holder["stood_ns"] == 0
    os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    tap.main()
