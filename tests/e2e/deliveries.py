"""Signals in great number and at awkward moments: each delivery is counted once, nothing that handlers
call is lost or told twice, and clean daemons are not told of. LOCKJAM_TEST_SIGNALS sets another number
(make check-signals: 100,000)."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402

SIGNALS = int(os.environ.get("LOCKJAM_TEST_SIGNALS", "10000"))
SECONDS = 300


def deliveries(case):
    """{signal: deliveries} of all processes of the session together."""
    found = {}
    for handler in case.json("signals", "--offline")["signals"]:
        name = handler["signal"]
        found[name] = found.get(name, 0) + handler["deliveries"]
    return found


def nothing_is_lost(view):
    # What others lock meanwhile is no loss.
    notes = [note["text"] for note in view["notes"] if not note["text"].startswith("/proc/locks ")]
    assert not notes, notes


def add_storm(name, threads):
    @tap.test(f"{name}: twice {SIGNALS} signals to {1 + threads} threads: two findings, counts exact", SECONDS)
    def _(case):
        case.victim(name, str(SIGNALS), str(threads))
        view = case.json("report")
        counts = {f["function"]: f["count"] for f in view["findings"]}
        assert counts == {"rand": SIGNALS, "strtok": SIGNALS}, view["findings"]
        assert len(view["findings"]) == 2, view["findings"]
        nothing_is_lost(view)
        assert deliveries(case) == {"SIGRTMIN+0": SIGNALS, "SIGRTMIN+1": SIGNALS}


for _name in ("deliveries", "deliveries-jemalloc", "deliveries-cxx"):
    for _threads in (0, 3):
        add_storm(_name, _threads)


@tap.test(f"the same {SIGNALS} signals whose handlers call nothing: counted, and nothing is found", SECONDS)
def _(case):
    case.victim("deliveries", str(SIGNALS), "3", "innocent")
    view = case.json("report", status=(0,))
    assert not view["findings"], view["findings"]
    nothing_is_lost(view)
    assert deliveries(case) == {"SIGRTMIN+0": SIGNALS, "SIGRTMIN+1": SIGNALS}


def add_moment(what, processes):
    @tap.test(f"signals at any moment of {what}: one finding, counts exact", SECONDS)
    def _(case):
        victim = case.victim("moments", what, str(SIGNALS // 10))
        view = case.json("report")
        handled = int(victim.word("handled"))
        (found,) = view["findings"]
        assert (found["kind"], found["function"]) == ("unsafe-call-in-handler", "strtok"), found
        assert found["count"] == handled, (found["count"], handled)
        assert deliveries(case) == {"SIGURG": handled}, (deliveries(case), handled)
        nothing_is_lost(view)
        assert len(view["processes"]) >= processes, len(view["processes"])


# How many processes, or images of them, have something to tell.
for _what, _processes in (("fork", 41), ("exec", 161), ("dlopen", 1), ("lazy", 41), ("thread", 1),
                          ("exit", 41)):
    add_moment(_what, _processes)


def add_together(threads, *words):
    @tap.test(f"handlers in {threads} threads at once, nested{' '.join(('',) + words)}: none is lost")
    def _(case):
        case.victim("together", str(threads), *words)
        view = case.json("report")
        told = [(f["signal"], f["function"], f["count"]) for f in view["findings"]]
        assert sorted(told) == [("SIGUSR1", "strtok", threads), ("SIGUSR2", "strtok", threads)], told
        found = {f["signal"]: f for f in view["findings"]}
        for name, wanted in (("SIGUSR1", ["on_first", "<signal>", "thread_main"]),
                             ("SIGUSR2", ["on_second", "<signal>", "on_first", "<signal>",
                                          "thread_main"])):
            names = views.functions(found[name]["stacks"][0]["frames"])
            assert views.is_subsequence(["strtok", *wanted], names), names
        nothing_is_lost(view)
        depths = {h["signal"]: h["max_depth"] for h in case.json("signals")["signals"]}
        assert depths == {"SIGUSR1": 1, "SIGUSR2": 2}, depths


for _words in ((), ("altstack",)):
    add_together(2, *_words)
    add_together(50, *_words)


def add_deep(depth):
    @tap.test(f"handlers of {depth} signals nest: each is counted, the innermost call is found")
    def _(case):
        case.victim("nested-deep", str(depth))
        view = case.json("report")
        (found,) = view["findings"]
        last = f"SIGRTMIN+{depth - 1}"
        assert (found["function"], found["signal"], found["count"]) == ("strtok", last, 1), found
        names = views.functions(found["stacks"][0]["frames"])
        if depth <= 5:
            assert views.is_subsequence(["on_signal", "<signal>"] * depth + ["main"], names), names
        assert views.is_subsequence(["strtok"] + ["on_signal", "<signal>"] * 5, names[:50]), names
        handlers = {h["signal"]: (h["deliveries"], h["max_depth"])
                    for h in case.json("signals")["signals"]}
        assert handlers == {f"SIGRTMIN+{i}": (1, i + 1) for i in range(depth)}, handlers
        nothing_is_lost(view)


add_deep(5)
add_deep(25)


@tap.test("more sites than there is room for: one finding, counts exact")
def _(case):
    case.victim("many-sites", "20")
    view = case.json("report")
    (found,) = view["findings"]
    assert (found["function"], found["severity"], found["count"]) == ("strtok", "warning", 20 * 512), found
    assert "main" in views.functions(found["stacks"][0]["frames"]), found
    nothing_is_lost(view)


@tap.test("a child that was forked in a handler stays in it: what it calls there is a note")
def _(case):
    case.victim("forked-in-handler")
    view = case.json("report")
    told = {(f["function"], f["severity"], f["count"]) for f in view["findings"]}
    assert told == {("fork", "warning", 1), ("strtok", "note", 3), ("rand", "warning", 2)}, told
    (note,) = [f for f in view["findings"] if f["function"] == "strtok"]
    assert "in a process that was forked in it" in note["evidence"], note["evidence"]
    names = views.functions(note["stacks"][0]["frames"])
    assert views.is_subsequence(["strtok", "on_alarm", "<signal>", "crunch", "main"], names), names


def add_daemon(way):
    @tap.test(f"a clean daemon that learns of its signals by {way}: nothing is found")
    def _(case):
        daemon = case.victim("clean-daemon", way)
        for _round in range(20):
            os.kill(daemon.pid, signal.SIGHUP)
            assert sorted([daemon.line(), daemon.line()]) == ["CHLD", "HUP"]
            os.kill(daemon.pid, signal.SIGUSR1)
            assert daemon.line() == "USR1"
        for view in (case.json("report", status=(0,)), case.json("graph", status=(0,))):
            assert not views.findings(view) and not view["findings"], view["findings"]
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.process.wait() == 0
        view = case.json("report", status=(0,))
        assert not view["findings"], view["findings"]
        if way in ("pipe", "flags"):
            assert deliveries(case) == {"SIGHUP": 20, "SIGCHLD": 20, "SIGUSR1": 20, "SIGTERM": 1}


for _way in ("pipe", "flags", "signalfd", "sigwait"):
    add_daemon(_way)

if __name__ == "__main__":
    tap.main()
