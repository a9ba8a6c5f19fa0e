"""The way into a running process, and out of it: the thread that is taken to make the calls goes on
as if nothing had been. With a stand-in for the shim (tests/inject/standin.c)."""
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import BUILDDIR, victim_path, wait_until  # noqa: E402

STANDIN = os.path.join(BUILDDIR, "tests", "inject", ".libs", "liblockjam.so")
ROUNDS = 10
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
    "epoll_pwait": ("signal", (-1, EINTR)), "pselect": ("signal", (-1, EINTR)),
    "accept": ("connection", (1, 0)), "sem_wait": ("signal", (0, 0)),
}


def blocked(case, name, seconds=0):
    """tests/inject/blocked in one call; its standard input is one end of a pair of sockets."""
    ours, theirs = socket.socketpair()
    argv = [victim_path("blocked", "inject"), name, str(seconds)]
    if name == "accept":
        argv.append(case.path("socket"))
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


def attach(case, pid, timeout=5000):
    return injector(case, "attach", pid, STANDIN, case.dir, timeout)


def rounds(case, pid, count=ROUNDS):
    """Attached to and detached from, again and again."""
    for i in range(count):
        said = attach(case, pid)
        assert said.startswith("ok 7 "), f"round {i}: {said}"
        said = injector(case, "detach", pid)
        assert said.startswith("ok 7 "), f"round {i}: {said}"


def outcome(victim):
    """(result, errno), milliseconds"""
    words = victim.line().split()
    return (int(words[1]), int(words[2])), int(words[3])


@tap.test("a call with a time limit ends when it would have")
def _(case):
    victims = {name: blocked(case, name, 3) for name in TIMED}
    for victim in victims.values():
        rounds(case, victim.pid, 3)
    wrong = []
    for name, victim in victims.items():
        result, ms = outcome(victim)
        print(f"# {name}: {ms} ms")
        if result != TIMED[name] or not 3000 <= ms < 3300:
            wrong.append(f"{name}: {result} after {ms} ms")
    assert not wrong, wrong


@tap.test("a call without a time limit ends with its event, and not before")
def _(case):
    victims = {name: blocked(case, name) for name in ENDLESS}
    wrong = []
    for name, (event, expected) in ENDLESS.items():
        victim = victims[name]
        rounds(case, victim.pid)
        assert proc.state(victim.pid) == "S", name
        fire(case, victim, event)
        result, _ms = outcome(victim)
        if result != expected:
            wrong.append(f"{name}: {result}, not {expected}")
    assert not wrong, wrong


@tap.test("who waits where nothing can be repeated exactly is left alone, and why is said")
def _(case):
    expected = {"mutex": "waits for a lock", "futex": "waits for a lock",
                "recv-timeo": "waits at a socket with a time limit",
                "sigtimedwait": "waits for a signal with a time limit"}
    for name, text in expected.items():
        victim = blocked(case, name, 30)
        switches = proc.read(victim.pid, "status").split("ctxt_switches:")[1]
        said = attach(case, victim.pid, 100)
        assert said.startswith("failed") and text in said, f"{name}: {said}"
        assert proc.read(victim.pid, "status").split("ctxt_switches:")[1] == switches, name
        victim.kill()


@tap.test("a thread in a handler is left alone")
def _(case):
    victim = blocked(case, "handler")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.line() == "in handler"
    wait_until(lambda: proc.state(victim.pid) == "S", "pause")
    said = attach(case, victim.pid, 100)
    assert re.search(r"runs a signal handler", said), said


if __name__ == "__main__":
    tap.main()
