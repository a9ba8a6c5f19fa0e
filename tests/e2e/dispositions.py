"""lockjam signals on processes that are not recorded: what the kernel tells of their signals."""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import wait_until  # noqa: E402

# Two threads that block what BLOCKED names; one sleeps in accept(), the main one in read().
WAITER = """
import signal, socket, sys, threading
for name in %r:
    signal.signal(name, lambda *_: None)
for name in %r:
    signal.signal(name, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, %r)
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
threading.Thread(target=s.accept, daemon=True).start()
print("ready", flush=True)
sys.stdin.buffer.raw.read(1)
"""
# Its second thread blocks what the first one takes, and both block the other.
LONE = """
import signal, socket, sys, threading
for name in %r, %r:
    signal.signal(name, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
def wait():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    s.accept()
threading.Thread(target=wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.buffer.raw.read(1)
"""
CAUGHT = [int(signal.SIGHUP), int(signal.SIGUSR1)]
IGNORED = [int(signal.SIGUSR2)]


def start(case, blocked):
    """A process whose threads sit in read() and accept()."""
    child = case.start([sys.executable, "-c", WAITER % (CAUGHT, IGNORED, blocked)]).await_ready()
    wait_until(lambda: len(calls(case, child.pid)) == 2, "both threads in their calls")
    return child


def look(case, pid):
    result = case.lockjam("signals", "--format", "json", "--threshold=10ms", str(pid))
    (found,) = json.loads(result.stdout)["dispositions"]
    assert found["pid"] == pid
    return found


def calls(case, pid):
    """{name of the call: its thread}"""
    return {t["call"]: t for t in look(case, pid)["threads"] if t["call"] in ("read", "accept4",
                                                                              "accept")}


@tap.test("caught and ignored signals of a process that is not recorded")
def _(case):
    child = start(case, [])
    found = look(case, child.pid)
    assert {"SIGHUP", "SIGUSR1"} <= set(found["caught"].split(",")), found
    assert "SIGUSR2" in found["ignored"] and "SIGUSR2" not in found["caught"], found
    assert "signal" not in found["caught"], "libc's own are no handlers of the program"
    assert found["pending"] == found["stuck"] == "none", found
    text = case.lockjam("signals", str(child.pid)).stdout
    assert f"(pid {child.pid}): not recorded, as the kernel has it" in text, text
    assert "nobody can take them" not in text, text


@tap.test("a signal that all threads block is told; one that somebody takes is not")
def _(case):
    child = start(case, [int(signal.SIGTERM)])
    os.kill(child.pid, signal.SIGTERM)
    os.kill(child.pid, signal.SIGHUP)
    wait_until(lambda: look(case, child.pid)["pending"] == "SIGTERM", "SIGHUP to be taken")
    assert look(case, child.pid)["stuck"] == "SIGTERM"
    text = case.lockjam("signals", "--threshold=50ms", str(child.pid)).stdout
    assert re.search(r"pending SIGTERM: for \d+ms at least, at each of \d+ looks", text), text
    assert "pending SIGTERM: blocked by every thread, nobody can take them" in text, text
    assert proc.state(child.pid) == "S"


@tap.test("where a handler with SA_RESTART would hide the signal")
def _(case):
    child = start(case, [])
    found = calls(case, child.pid)
    assert all(t["restarts"] is True for t in found.values()), found
    sleeper = case.start([sys.executable, "-c", "import signal; print('ready', flush=True); "
                                                "signal.pause()"]).await_ready()
    wait_until(lambda: look(case, sleeper.pid)["threads"][0]["call"] == "pause", "pause()")
    assert look(case, sleeper.pid)["threads"][0]["restarts"] is False
    text = case.lockjam("signals", str(child.pid)).stdout
    assert "goes on waiting after a handler with SA_RESTART" in text, text


def held_back(case, *words, shim=None):
    """(the finding of a process that holds back a signal or None, its pid)"""
    victim = case.victim("held-back", *words, shim=shim)
    if words == ("stopped",):
        os.kill(victim.pid, signal.SIGSTOP)
        wait_until(lambda: proc.state(victim.pid) == "T", "the stop")
    elif words != ("busy",):
        wait_until(lambda: proc.state(victim.pid) == "S", "its sleep")
    result = case.lockjam("signals", "--format=json", "--threshold=200ms", str(victim.pid))
    view = json.loads(result.stdout)
    found = [f for f in view["findings"] if f["kind"] == "signal-blocked"]
    assert len(found) < 2 and len(view["findings"]) == len(found), view["findings"]
    (kernel,) = view["dispositions"]
    assert (kernel["held_back"] != "none") == bool(found), (kernel, found)
    assert result.returncode == any(f["severity"] != "note" for f in found), result.returncode
    if words == ("stopped",):
        os.kill(victim.pid, signal.SIGCONT)
    victim.finish()
    return (found + [None])[0], victim.pid


@tap.test("a signal that is blocked for longer than the threshold")
def _(case):
    for shim in None, "run":
        found, pid = held_back(case, "process", shim=shim)
        assert found["severity"] == "warning" and found["pids"] == [pid], found
        assert found["signal"] == "SIGTERM", found
        assert "blocked by its only thread" in found["headline"], found
        assert "none of its threads ran in between; its main thread is in read()" in (
            found["evidence"]), found
    assert found["handler"] == "take", found
    found, pid = held_back(case, "threads")
    assert found["headline"].endswith("blocked by all its 2 threads"), found
    found, pid = held_back(case, "thread")
    assert "to which it was sent" in found["headline"], found


@tap.test("a signal that is blocked by who may be about to let it in: a note")
def _(case):
    found, _ = held_back(case, "busy")
    assert found["severity"] == "note", found
    assert "threads of it ran in between" in found["evidence"], found


for _mode in ("open", "ignored", "default", "signalfd", "sigwait", "ppoll", "child", "stopped"):
    @tap.test(f"held-back {_mode}: no signal is held back")
    def _(case, mode=_mode):
        found, _ = held_back(case, mode)
        assert found is None, found


@tap.test("held-back handler: what a running handler blocks is not held back")
def _(case):
    found, _ = held_back(case, "handler", shim="run")
    assert found is None, found


@tap.test("which thread can take a signal: one alone, none")
def _(case):
    child = case.start([sys.executable, "-c", LONE % (int(signal.SIGHUP), int(signal.SIGUSR1))])
    child.await_ready()
    wait_until(lambda: calls(case, child.pid), "the thread in its call")
    threads = {t["tid"]: t for t in look(case, child.pid)["threads"]}
    takers = [t for t in threads.values() if "SIGHUP" in t["can_take"]]
    assert [t["tid"] for t in takers] == [child.pid], threads
    assert not [t for t in threads.values() if "SIGUSR1" in t["can_take"]], threads
    text = case.lockjam("signals", str(child.pid)).stdout
    assert re.search(rf"^    thread {child.pid}\b.*; it alone can take .*SIGHUP", text, re.M), text
    assert "    caught, but blocked by every thread now: SIGUSR1\n" in text, text


def attach(case, *words):
    """The findings in the record of a victim that was sampled for a moment, and killed."""
    victim = case.victim("held-back", *words, shim=None)
    wait_until(lambda: proc.state(victim.pid) == "S", "its sleep")
    case.lockjam("attach", "-o", case.session, "--duration=1300ms", str(victim.pid))
    victim.process.kill()
    victim.process.wait()
    return victim.pid, case.json("report")["findings"]


@tap.test("who records from outside sees that a signal is held back, and tells it afterwards")
def _(case):
    pid, found = attach(case, "process")
    (found,) = found
    assert (found["kind"], found["severity"]) == ("signal-blocked", "warning"), found
    assert found["pids"] == [pid] and found["signal"] == "SIGTERM", found
    assert found["evidence"].startswith("sampled: pending at each of "), found
    assert found["last_ns"] - found["first_ns"] >= 1000000000, found


@tap.test("who records from outside knows who takes their signals")
def _(case):
    _, found = attach(case, "signalfd")
    assert not found, found


@tap.test("a process that is gone is a clear error")
def _(case):
    child = start(case, [])
    child.finish()
    result = case.lockjam("signals", str(child.pid), status=(2,))
    assert "no such process" in result.stderr, result.stderr


if __name__ == "__main__":
    tap.main()
