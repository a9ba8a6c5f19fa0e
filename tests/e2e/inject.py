"""The way into a running process, and out of it: the thread that is taken to make the calls goes on
as if nothing had been. With a stand-in for the shim (tests/inject/standin.c), then with the shim.

LOCKJAM_TEST_ROUNDS: how often a busy program is attached to and detached from.
LOCKJAM_TEST_STEP: of the tracer's calls of ptrace(), each how-manieth it is killed at.
"""
import fcntl
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import BUILDDIR, SHIM, Skip, clean_environment, victim_path, wait_until  # noqa: E402

STANDIN = os.path.join(BUILDDIR, "tests", "inject", ".libs", "liblockjam.so")
DOOR = os.path.join(BUILDDIR, "tests", "inject", ".libs", "libdoor.so")
KILLER = os.path.join(BUILDDIR, "tests", "inject", ".libs", "libkiller.so")
LIMIT = 6  # seconds: all rounds fit in, also on a machine that is busy
MANY = int(os.environ.get("LOCKJAM_TEST_ROUNDS", "20"))
STEP = int(os.environ.get("LOCKJAM_TEST_STEP", "3"))
# Any stop ends epoll_wait() with EINTR, also that of SIGSTOP. It is stopped with the second call, and
# with the fourth that is made good.
FIRST = {"epoll_wait": 5}
EINTR, ETIMEDOUT, EAGAIN = 4, 110, 11

# name: seconds, (result, errno) at the end
TIMED = {
    "ppoll": (0, 0), "poll": (0, 0), "select": (0, 0), "pselect": (0, 0), "epoll_wait": (0, 0),
    "epoll_pwait": (0, 0), "nanosleep": (0, 0), "clock_nanosleep": (0, 0),
    "sem_timedwait": (-1, ETIMEDOUT), "cond_timedwait": (ETIMEDOUT, 0),
}
# name: what ends it, (result, errno)
ENDLESS = {
    "pause": ("signal", (-1, EINTR)), "sigsuspend": ("signal", (-1, EINTR)),
    "sigwaitinfo": ("signal", (signal.SIGUSR1, 0)), "read": ("byte", (1, 0)),
    "recv": ("byte", (1, 0)), "poll": ("byte", (1, 0)), "ppoll": ("byte", (1, 0)),
    "select": ("byte", (1, 0)), "epoll_wait": ("byte", (1, 0)), "wait": ("byte", (1, 0)),
    "fgetc": ("byte", (1, 0)),
    "epoll_pwait": ("signal", (-1, EINTR)), "pselect": ("signal", (-1, EINTR)),
    "accept": ("connection", (1, 0)), "sem_wait": ("signal", (0, 0)),
}


def blocked(case, name, seconds=0, argument=None):
    """tests/inject/blocked in one call; its standard input is one end of a pair of sockets."""
    ours, theirs = socket.socketpair()
    argv = [victim_path("blocked", "inject"), name, str(seconds)]
    if name == "accept":
        argv.append(case.path("socket"))
    if argument:
        argv.append(argument)
    victim = case.start(argv, preexec_fn=lambda: os.dup2(theirs.fileno(), 0))
    theirs.close()
    victim.await_ready()
    victim.event = ours
    wait_until(lambda: proc.state(victim.pid) == "S", f"{name} to block")
    return victim


def fire(case, victim, event):
    if event == "signal":
        os.kill(victim.pid, signal.SIGUSR1)
    elif event == "connection":
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(case.path("socket"))
    else:
        victim.event.send(b"x")


def injector(case, *arguments):
    """What tests/inject/injector prints."""
    return case.run([victim_path("injector", "inject"), *map(str, arguments)]).stdout.strip()


def attach(case, pid, timeout=5000, library=STANDIN):
    return injector(case, "attach", pid, library, case.dir, timeout)


def rounds(case, pid, library, count):
    """Attached to and detached from, again and again."""
    for i in range(count):
        said = attach(case, pid, 20000, library)
        assert said.startswith("ok "), f"round {i}: {said}"
        said = injector(case, "detach", pid, 20000)
        assert said.startswith("ok "), f"round {i}: {said}"


def outcome(victim):
    """(result, errno), milliseconds"""
    words = victim.line().split()
    return (int(words[1]), int(words[2])), int(words[3])


def add_calls(what, library):
    @tap.test(f"a call with a time limit ends when it would have, {what}")
    def _(case):
        victims = {name: blocked(case, name, LIMIT) for name in TIMED}
        for victim in victims.values():
            rounds(case, victim.pid, library, 2)
        wrong = []
        for name, victim in victims.items():
            result, ms = outcome(victim)
            print(f"# {name}: {ms} ms")
            if result != TIMED[name] or not LIMIT * 1000 <= ms < LIMIT * 1000 + 500:
                wrong.append(f"{name}: {result} after {ms} ms")
        assert not wrong, wrong

    @tap.test(f"a call without a time limit ends with its event, and not before, {what}")
    def _(case):
        victims = {name: blocked(case, name) for name in ENDLESS}
        wrong = []
        for name, (event, expected) in ENDLESS.items():
            victim = victims[name]
            rounds(case, victim.pid, library, 3)
            wait_until(lambda v=victim: proc.state(v.pid) == "S", f"{name} to go on waiting")
            fire(case, victim, event)
            result, _ms = outcome(victim)
            if result != expected:
                wrong.append(f"{name}: {result}, not {expected}")
        assert not wrong, wrong


add_calls("with a stand-in", STANDIN)
add_calls("with the shim", SHIM)


def kill_at(case, pid, number, moment, library=STANDIN):
    """Attaches with an injector that is killed at its call `number` of ptrace(), "KILL_BEFORE" or
    "KILL_AFTER" it. False: it has not made so many."""
    env = clean_environment()
    env.update({"LD_PRELOAD": KILLER, "KILL_AT": str(number), moment: "1"})
    result = case.run([victim_path("injector", "inject"), "attach", str(pid), library, case.dir,
                       "20000"], env=env)
    # The thread may have gone on to attach by itself, after the one before was killed.
    is_early = "is being recorded already" in result.stdout
    assert result.returncode in (0, -signal.SIGKILL) or is_early, result.stdout
    return result.returncode != 0


def is_in_call(pid):
    """Nearly all signals are blocked during our calls."""
    text = proc.read(pid, "status")
    return int(re.search(r"SigBlk:\s*(\w+)", text).group(1), 16) >> 40


def kill_often(case, victim, numbers, moment):
    """Kills the injector at each of these calls; the victim goes back to where it was each time."""
    for number in numbers:
        if not kill_at(case, victim.pid, number, moment):
            return number
        wait_until(lambda: not is_in_call(victim.pid) and proc.state(victim.pid) == "S",
                   f"the way back, call {number}")
        injector(case, "detach", victim.pid)  # if the thread had come so far by itself
    return None


@tap.test("killed at any call of ptrace, lockjam leaves a thread that finds back by itself")
def _(case):
    seconds = 21 // STEP  # all kills fit in
    for name in ("pause", "read", "epoll_wait", "nanosleep", "poll"):
        event, expected = ENDLESS.get(name, (None, (0, 0)))
        for moment in ("KILL_BEFORE", "KILL_AFTER"):
            victim = blocked(case, name, 0 if event else seconds)
            last = kill_often(case, victim, range(FIRST.get(name, 1), 400, STEP), moment)
            assert last, "it made 400 calls"
            if event:
                fire(case, victim, event)
            result, ms = outcome(victim)
            print(f"# {name}: {last} calls, {result}, {ms} ms")
            assert result == expected, f"{name}: {result}, not {expected}"
            assert event or seconds * 1000 <= ms < seconds * 1000 + 500, f"{name}: {ms} ms"


def switches(pid):
    """How often the main thread has given up the processor, or lost it."""
    return proc.read(pid, "status").split("ctxt_switches:")[1:]


@tap.test("who waits where nothing can be repeated exactly is left alone, and why is said")
def _(case):
    expected = {"mutex": "waits for a lock", "futex": "waits for a lock",
                "recv-timeo": "waits at a socket with a time limit",
                "sigtimedwait": "waits for a signal with a time limit"}
    for name, text in expected.items():
        victim = blocked(case, name, 30)
        before = switches(victim.pid)
        said = attach(case, victim.pid, 100)
        assert said.startswith("failed") and text in said, f"{name}: {said}"
        assert switches(victim.pid) == before, name
        victim.kill()


@tap.test("a thread that waits for a lock is not touched: another one makes the calls")
def _(case):
    path = case.path("lock")
    with open(path, "w", encoding="ascii") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        victim = blocked(case, "fcntl", argument=path)
        wait_until(lambda: proc.is_waiting_for_lock(victim.pid), "the wait")
        before = switches(victim.pid)
        rounds(case, victim.pid, SHIM, 3)
        assert switches(victim.pid) == before, (before, switches(victim.pid))
    assert outcome(victim)[0] == (0, 0)


@tap.test("a call that has to wait for the loader is given up, and the thread is where it was")
def _(case):
    victim = blocked(case, "door", argument=DOOR)
    assert victim.line() == "in constructor"
    said = attach(case, victim.pid, 500)
    assert said.startswith("failed -110") and "loader" in said, said
    assert not is_in_call(victim.pid)
    os.kill(victim.pid, signal.SIGUSR1)
    assert outcome(victim)[0] == (-1, EINTR)


@tap.test("a thread in a handler is left alone")
def _(case):
    victim = blocked(case, "handler")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.line() == "in handler"
    wait_until(lambda: proc.state(victim.pid) == "S", "pause")
    said = attach(case, victim.pid, 100)
    assert re.search(r"runs a signal handler", said), said


def latch(case, *arguments, status=0):
    """The one line that `lockjam attach ARGUMENTS` says on stderr."""
    return case.lockjam("attach", *map(str, arguments), status=(status,)).stderr.strip()


@tap.test("the command attaches, tells what it did, and detaches")
def _(case):
    if not os.path.exists(SHIM):
        raise Skip("liblockjam.so was not built")
    victim = case.victim("alone-posix", shim=None)
    said = latch(case, "--inject", "-o", case.session, victim.pid)
    assert re.fullmatch(rf"lockjam: alone-posix \(pid {victim.pid}\): recording into {case.session} "
                        r"\(\d+ calls redirected, [1-9]\d* locks? taken over\)", said), said
    assert "taken before attach" in case.text("graph")
    said = latch(case, "--inject", "-o", case.session, victim.pid, status=2)
    assert "is being recorded already" in said, said
    said = latch(case, "--detach", victim.pid)
    assert re.fullmatch(rf"lockjam: alone-posix \(pid {victim.pid}\): the recording has ended "
                        r"\(\d+ calls put back\)", said), said
    said = latch(case, "--detach", victim.pid, status=2)
    assert "is not being recorded" in said, said
    assert victim.finish() == 0


@tap.test("who cannot be attached to hears why, and goes on")
def _(case):
    pid = case.start([victim_path("blocked", "inject"), "pause"], shim="preload").await_ready().pid
    assert "is being recorded already" in latch(case, "--inject", pid, status=2)
    assert "is no PID" in latch(case, "--inject", "imapd", status=2)
    assert "no such process" in latch(case, "--inject", 2 ** 22 - 1, status=2)
    other = case.start([victim_path("blocked", "inject"), "pause"]).await_ready().pid
    assert "has no liblockjam.so in it" in latch(case, "--detach", other, status=2)
    os.kill(other, signal.SIGSTOP)
    wait_until(lambda: proc.state(other) == "T", "SIGSTOP")
    assert "is stopped" in latch(case, "--inject", other, status=2)
    os.kill(other, signal.SIGCONT)
    assert proc.state(pid) == "S"


@tap.test("a static program is refused")
def _(case):
    victim = case.start([victim_path("blocked-static", "inject"), "pause"]).await_ready()
    said = latch(case, "--inject", victim.pid, status=2)
    assert "is statically linked" in said, said


def busy(case):
    return case.start([victim_path("busy", "inject"), case.path("counter")]).await_ready()


def finish_busy(victim):
    """Ends it; what it has done."""
    victim.process.stdin.close()
    lines = victim.process.stdout.read().split("\n")
    assert lines[-2] == "fine", lines
    assert victim.process.wait() == 0
    return ", ".join(lines[:-2])


@tap.test("a busy program goes on unchanged when lockjam is killed in the middle, again and again", 900)
def _(case):
    if not os.path.exists(SHIM):
        raise Skip("liblockjam.so was not built")
    victim = busy(case)
    kills = 0
    for moment in ("KILL_BEFORE", "KILL_AFTER"):
        for number in range(1, 100, 2 * STEP):
            if not kill_at(case, victim.pid, number, moment, SHIM):
                break
            kills += 1
            injector(case, "detach", victim.pid, 20000)
    print(f"# killed {kills} times; meanwhile: {finish_busy(victim)}")


@tap.test("a busy program goes on unchanged through rounds of attaching and detaching", 3600)
def _(case):
    if not os.path.exists(SHIM):
        raise Skip("liblockjam.so was not built")
    os.makedirs(case.session)
    victim = busy(case)
    stood = []
    for i in range(MANY):
        for arguments in (("attach", victim.pid, SHIM, case.session, 20000),
                          ("detach", victim.pid, 20000)):
            said = injector(case, *arguments)
            if not said.startswith("ok "):
                raise AssertionError(f"round {i}: {said}, victim: {proc.state(victim.pid)}")
            stood.append(int(said.split()[4]))
        for name in os.listdir(case.session):
            os.unlink(os.path.join(case.session, name))
    meanwhile = finish_busy(victim)
    stood.sort()
    print(f"# {MANY} rounds; its thread was away for {stood[len(stood) // 2]} us at the median, "
          f"{stood[-1]} us at most; meanwhile: {meanwhile}")


if __name__ == "__main__":
    tap.main()
