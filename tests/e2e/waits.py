"""What threads wait for, of every kind, without the shim: the `waits` of the JSON form, and the
lines under a backtrace. Nothing here runs under the shim."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import Skip, wait_until  # noqa: E402


def is_in(pid, word):
    """Whether it sleeps in a function of the kernel whose name has the word."""
    return word in (proc.read(pid, "wchan") or "")


def waits_of(case, pid):
    """(the wait of the main thread, all waits by (pid, tid))"""
    view = case.json_now("stacks", str(pid))
    found = {(w["pid"], w["tid"]): w for w in view["waits"]}
    assert len(found) == len(view["waits"]), "a thread waits once"
    return found.get((pid, pid)), found


def ways(wait):
    """[[(pid, tid)]] of all needs."""
    return [[(way["pid"], way["tid"]) for way in need["ways"]] for need in wait["needs"]]


def blocked(case, code, inside):
    """An actor that was sent a line and now sleeps in the kernel's function `inside`."""
    actor = case.actor()
    actor.send(code)
    wait_until(lambda: is_in(actor.pid, inside), f"{code} to block")
    return actor


@tap.test("a parent waits for its child: that one, any of them, or one of a group")
def _(case):
    for call in ("os.waitpid(pid, 0)", "os.waitid(os.P_PID, pid, os.WEXITED)",
                 "os.waitid(os.P_PIDFD, os.pidfd_open(pid), os.WEXITED)"):
        actor = case.actor()
        other = actor.do("child()")
        child = actor.do("child()")
        actor.send(call.replace("pid,", f"{child},").replace("(pid)", f"({child})"))
        wait_until(lambda a=actor: is_in(a.pid, "do_wait"), "the call to wait")
        wait, every = waits_of(case, actor.pid)
        assert wait["kind"] == "child" and wait["unseen"] is None, wait
        assert ways(wait) == [[(child, None)]], (wait, other)
        assert f"(pid {child})" in wait["object"], wait
        assert every[(child, child)]["kind"] == "signal", "whom it waits for is looked at, too"
    actor = case.actor()
    children = [actor.do("child()") for _ in range(2)]
    actor.send("os.wait()")
    wait_until(lambda: is_in(actor.pid, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, actor.pid)
    assert ways(wait) == [[(child, None) for child in children]], wait
    assert wait["until_ns"] is None and not wait["ends_by_itself"], wait
    group = case.actor()
    first, second = group.do("child('os.setpgid(0, 0)')"), group.do("child()")
    group.send(f"os.waitpid(-{first}, 0)")
    wait_until(lambda: is_in(group.pid, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, group.pid)
    assert ways(wait) == [[(first, None)]], (wait, second)


@tap.test("a child in a pid namespace of its own is found by the number that its parent knows")
def _(case):
    if os.geteuid():
        raise Skip("needs root")
    outer = case.actor("unshare", "--pid", "--fork", "--mount-proc")
    inner, = wait_until(lambda: proc.children(outer.process.pid), "unshare to fork")
    child = outer.do("child()")
    outer.send(f"os.waitpid({child}, 0)")
    wait_until(lambda: is_in(inner, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, inner)
    assert ways(wait) == [[(proc.children(inner)[0], None)]], (wait, child)


@tap.test("who was stopped waits for SIGCONT, which anybody may send")
def _(case):
    actor = case.actor()
    os.kill(actor.pid, signal.SIGSTOP)
    wait_until(lambda: proc.state(actor.pid) == "T", "the stop")
    wait, _ = waits_of(case, actor.pid)
    assert wait["kind"] == "stopped" and ways(wait) == [[]], wait
    assert f"its parent is {os.path.realpath(sys.executable)} (pid {os.getpid()})" in \
        wait["unseen"], wait
    os.kill(actor.pid, signal.SIGCONT)


@tap.test("who is traced waits for its tracer")
def _(case):
    tracee, tracer = case.actor(), case.actor()
    tracer.do(f"_libc.ptrace(16, {tracee.pid}, None, None)")
    wait_until(lambda: proc.state(tracee.pid) == "t", "the stop")
    wait, _ = waits_of(case, tracee.pid)
    assert wait["kind"] == "traced" and ways(wait) == [[(tracer.pid, None)]], wait
    text = case.lockjam("stacks", str(tracee.pid), status=(0, 1, 2)).stdout
    assert f"(pid {tracer.pid}) traces it" in text, text
    tracer.kill()  # first: the tracee's end is its tracer's to see


@tap.test("a sleeper ends by itself, when is told")
def _(case):
    for code, length in (("time.sleep(500)", 500), ("_libc.sleep(700)", 700),
                         ("signal.sigtimedwait([signal.SIGUSR1], 300)", 300)):
        actor = case.actor()
        began = time.time_ns()
        actor.send(code)
        wait_until(lambda a=actor: is_in(a.pid, "nanosleep") or is_in(a.pid, "sigtimedwait"),
                   "the sleep")
        blocked_by = time.time_ns()
        wait, _ = waits_of(case, actor.pid)
        assert wait["kind"] == ("signal" if "sig" in code else "sleep"), wait
        assert wait["ends_by_itself"], wait
        if wait["until_ns"] is None:
            assert wait["since_ns"] is None, "what begins is known, and so is what it asked for"
            continue
        slack = 2 * 10**9
        assert began + length * 10**9 - slack < wait["until_ns"] < \
            blocked_by + length * 10**9 + slack, (wait, began)
        assert wait["since_ns"] is None or began - slack < wait["since_ns"] < blocked_by + slack


@tap.test("pause waits for a signal, which anybody may send")
def _(case):
    actor = blocked(case, "signal.pause()", "pause")
    wait, _ = waits_of(case, actor.pid)
    assert wait["unseen"] and ways(wait) == [[]] and not wait["ends_by_itself"], wait


@tap.test("the parent of a vfork waits for its child, though it sleeps uninterruptibly")
def _(case):
    victim = case.victim("vforking", shim=None)
    child, = proc.children(victim.pid)
    assert proc.state(victim.pid) == "D"
    wait, every = waits_of(case, victim.pid)
    assert wait["kind"] == "child" and ways(wait) == [[(child, None)]], wait
    assert (child, child) in every


@tap.test("who runs waits for nothing")
def _(case):
    victim = case.victim("running", "2", shim=None)
    _, every = waits_of(case, victim.pid)
    assert [tid for _, tid in every] == [victim.pid], every


if __name__ == "__main__":
    tap.main()
