"""Signals that a program does not notice: swallowed by SA_RESTART, or whose handler is gone."""
import os
import platform
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import Skip, wait_until  # noqa: E402


def need_x86():
    if platform.machine() != "x86_64":
        raise Skip("the victim looks at x86-64's registers")


def only_finding(view, kind):
    (found,) = views.findings(view)
    assert found["kind"] == kind, found
    return found


@tap.test("SA_RESTART repeats accept(): the handler's flag is not seen")
def _(case):
    victim = case.victim("restarted-accept")
    service = int(victim.word("service"))
    found = only_finding(case.json("report"), "restarted-wait")
    assert found["severity"] == "warning" and found["pids"] == [service], found
    assert found["count"] == 1, found
    assert "on_hup() of SIGHUP" in found["headline"], found
    assert "accept() on descriptor" in found["headline"], found
    assert "after the last one the thread sits in accept()" in found["evidence"], found
    assert found["evidence"].endswith(", its first sleep since"), found
    frames = [f["function"] for f in found["stacks"][0]["frames"]]
    assert "accept" in frames[0] and "swallow_main" in frames, frames
    assert victim.finish() == 0
    dead = only_finding(case.json("report", "--offline"), "restarted-wait")
    assert "sits in" not in dead["evidence"], dead


def add_innocent(name, *words):
    @tap.test(f"{' '.join((name,) + words)}: nothing is found")
    def _(case):
        if name == "racing":
            need_x86()
        victim = case.victim(name, *words)
        for view in case.json("report"), case.json("report", "--offline"):
            assert not view["findings"], view["findings"]
        assert view["processes"], "nothing was recorded"
        assert victim.finish() == 0


for _name in ("restarted-pipe", "reset-again", "handler-flags-meant"):
    add_innocent(_name)
for _mode in ("pipe", "mask", "short", "early-pipe", "early-short"):
    add_innocent("racing", _mode)


@tap.test("SIGTERM between the look at a flag and poll(): proven by where it came")
def _(case):
    need_x86()
    victim = case.victim("racing", "flag")
    service = int(victim.word("service"))
    found = only_finding(case.json("report"), "flag-race")
    assert found["severity"] == "warning" and found["pids"] == [service], found
    assert found["count"] == 1 and found["signal"] == "SIGTERM", found
    assert "on_term() of SIGTERM ran right before" in found["headline"], found
    assert "blocked in poll()" in found["headline"], found
    assert "no time limit" in found["evidence"], found
    assert "after the last one the thread sits in it" in found["evidence"], found
    frames = views.functions(found["stacks"][0]["frames"])
    assert views.is_subsequence(["wait_once", "serve"], frames), frames
    assert victim.finish() == 0
    dead = only_finding(case.json("report", "--offline"), "flag-race")
    assert "sits in" not in dead["evidence"], dead


@tap.test("SIGTERM a moment before poll(), and no other sleep since: inferred, a note")
def _(case):
    victim = case.victim("racing", "early")
    service = int(victim.word("service"))
    found = wait_until(lambda: case.json("report")["findings"], "a second in poll()")[0]
    assert (found["kind"], found["severity"]) == ("flag-race", "note"), found
    assert found["pids"] == [service] and "waits in poll() since" in found["headline"], found
    assert found["evidence"].startswith("inferred: "), found
    case.lockjam("report", str(service), status=(0,))
    assert victim.finish() == 0
    assert not case.json("report", "--offline")["findings"]


@tap.test("accept() that ends with EINTR has its race by construction: a note")
def _(case):
    victim = case.victim("interrupted-accept")
    service = int(victim.word("service"))
    found = only_finding(case.json("report"), "flag-race")
    assert found["severity"] == "note" and found["pids"] == [service], found
    assert "in accept()" in found["headline"], found
    assert "ended the call with EINTR once" in found["evidence"], found
    case.lockjam("report", str(service), status=(0,))
    (handler,) = [h for h in case.json("signals", str(service))["signals"] if h["deliveries"]]
    assert not handler["interruptions"], handler
    (ending,) = handler["endings"]
    assert (ending["call"], ending["count"], ending["acted"]) == ("accept", 1, 0), ending
    assert ending["limit_ns"] is None, ending
    assert "1 delivery ended accept()" in case.lockjam("signals", str(service)).stdout
    assert victim.finish() == 0


# Python's handlers set a flag; siginterrupt() gives them SA_RESTART.
READER = """
import os, signal
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda *_: None)
signal.siginterrupt(signal.SIGHUP, False)
print("ready", flush=True)
os.read(0, 1)
"""


@tap.test("how long it went on waiting: the next signal finds it in the same wait, or the look does")
def _(case):
    reader = case.start([sys.executable, "-c", READER], "run").await_ready()

    def handler(number):
        (found,) = [h for h in case.json("signals", str(reader.pid))["signals"]
                    if h["signo"] == number and h["current"]]
        return found

    def send(number):
        wait_until(lambda: proc.state(reader.pid) == "S", "read()")
        before = handler(number)["deliveries"]
        os.kill(reader.pid, number)
        wait_until(lambda: handler(number)["deliveries"] > before, "the handler")

    send(signal.SIGHUP)
    (swallowed,) = handler(signal.SIGHUP)["interruptions"]
    assert (swallowed["call"], swallowed["waited_ns"]) == ("read", 0), swallowed
    wait_until(lambda: proc.state(reader.pid) == "S", "read()")
    found = only_finding(case.json("report"), "restarted-wait")
    assert "read() on descriptor 0, its first sleep since" in found["evidence"], found
    send(signal.SIGUSR1)
    (swallowed,) = handler(signal.SIGHUP)["interruptions"]
    assert swallowed["waited_ns"] > 0, swallowed
    (found,) = views.findings(case.json("report"), "restarted-wait")
    assert "another signal found it there" in found["evidence"], found
    assert "first sleep since;" not in found["evidence"], "Python made the call again"
    text = case.lockjam("signals", str(reader.pid)).stdout
    assert re.search(r"went on waiting, for \S+ at least", text), text
    reader.finish()


@tap.test("SA_RESETHAND: the second SIGHUP would kill")
def _(case):
    victim = case.victim("reset-hup")
    found = only_finding(case.json("report"), "reset-handler")
    assert found["severity"] == "warning", found
    assert found["headline"].startswith("the next SIGHUP will end "), found
    assert "on_hup()" in found["headline"], found
    victim.finish()
    only_finding(case.json("report"), "reset-handler")


@tap.test("more handlers than can be recorded: all that are missing are counted")
def _(case):
    victim = case.victim("many-handlers")
    view = case.json("signals", "--all")
    recorded = len(view["signals"])
    texts = [n["text"] for n in view["notes"] if "installations of handlers" in n["text"]]
    assert recorded >= 256, recorded
    assert len(texts) == 1 and f": {1000 - recorded} installations" in texts[0], (recorded, texts)
    assert victim.finish() == 0


@tap.test("one handler, installed with different flags in two places")
def _(case):
    victim = case.victim("handler-flags")
    found = only_finding(case.json("report"), "handler-flags")
    assert found["severity"] == "warning" and found["pids"] == [victim.pid], found
    assert "on_hup() of SIGHUP is installed without SA_RESTART by main() at " in found["headline"]
    assert " and with SA_RESTART by reload() at handler-flags.c:" in found["headline"], found
    assert "once the first way, by sigaction(), once the other, by signal(); in force now: the other" in (
        found["evidence"]), found
    tops = [views.functions(s["frames"])[0] for s in found["stacks"]]
    assert tops == ["main", "reload"], tops
    ways = {h["flags"]: h["installed_with"] for h in case.json("signals")["signals"]}
    assert ways == {"0": ["sigaction"], "SA_RESTART": ["signal"]}, ways
    victim.finish()
    assert "in force at its end" in only_finding(case.json("report"), "handler-flags")["evidence"]


if __name__ == "__main__":
    tap.main()
