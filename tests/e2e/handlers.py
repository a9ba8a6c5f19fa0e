"""The victims with signal handlers through `run`, `report`, `signals` and `graph`: what is found,
with which stack, alive and dead; and the innocent twins, in which nothing may be found."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402

FUNCTIONS = ("printf", "fprintf", "puts", "fputs", "fwrite", "fflush", "syslog", "exit",
             "localtime", "pthread_mutex_lock", "malloc", "calloc", "realloc", "free", "memalign")
ALLOCATOR = re.compile(r"^(_int_|__libc_)?(malloc|free|calloc|realloc|unlink_chunk)|"
                       r"^(malloc|unlink|sysmalloc|systrim|alloc_perturb|tcache|checked)|"
                       r"^_?_?(int_)?(malloc|free)")


def only_finding(view, kind):
    found = views.findings(view)
    assert [f["kind"] for f in found] == [kind], [(f["kind"], f["headline"]) for f in found]
    return found[0]


def stack_of(finding):
    """Names of the frames of the call in the handler."""
    assert finding["stacks"], finding
    return views.functions(finding["stacks"][0]["frames"])


def check_stack(names, wanted):
    assert views.is_subsequence(wanted, names), f"{names}\nexpected {wanted}"


def same_when_dead(case, victim, kind):
    """The finding of a live process, and of the same process killed: frames must be equal."""
    alive = views.findings(case.json("report"), kind)
    victim.kill_all()
    dead = views.findings(case.json("report"), kind)
    assert len(alive) == len(dead) >= 1, (alive, dead)
    for before, after in zip(alive, dead):
        frames = [[s["frames"] for s in f["stacks"]][0] for f in (before, after)]
        assert frames[0] == frames[1], "\n".join(str(views.functions(f)) for f in frames)
    return dead[0]


def add_reentered(name):
    @tap.test(f"{name}: the allocator was interrupted and called again")
    def _(case):
        victim = case.victim(name)
        finding = only_finding(case.json("report"), "heap-reentered")
        assert finding["severity"] == "error" and finding["pids"] == [victim.pid], finding
        names = stack_of(finding)
        check_stack(names, ["malloc", "xmalloc", "on_alarm", "<signal>", "churn", "main"])
        inner = names[names.index("<signal>") + 1]
        assert ALLOCATOR.match(inner), f"{inner} is not of the allocator: {names}"
        assert case.lockjam("report", "-o", case.session).returncode == 1
        same_when_dead(case, victim, "heap-reentered")


add_reentered("heap-single")
add_reentered("heap-single-nopie")


@tap.test("heap-threaded: the thread waits for itself, its waiter for it")
def _(case):
    victim = case.victim("heap-threaded")
    waiter = int(victim.word("waiter"))
    view = case.json("report")
    finding = views.findings(view, "deadlock-heap")[0]
    assert finding["severity"] == "error" and finding["pids"] == [victim.pid], finding
    wanted = ["malloc", "xzmalloc", "on_alarm", "<signal>", "churn", "main"]
    check_stack(stack_of(finding), wanted)
    assert [w["pid"] for w in views.parties(view, "waiters")] == [waiter], view["locks"]
    now = [b for b in view["backtraces"] if b["pid"] == victim.pid and b["of"] == "now"]
    check_stack(views.functions(now[0]["frames"]), wanted)

    text = case.lockjam("graph", "-o", case.session, status=(1,)).stdout
    assert ("holds", victim.pid, "WRITE", "lock") in views.lines(text), text
    assert ("waits", waiter, "WRITE", "lock") in views.lines(text), text
    assert text.startswith("DEADLOCK"), text
    assert re.search(r"^ #\d+ 0x[0-9a-f]+ in on_alarm \(signo=.*\) at .*heap-threaded\.c:\d+$",
                     text, re.M), text
    assert re.search(r"^ #\d+ <signal handler called>$", text, re.M), text

    before = stack_of(finding)
    os.kill(waiter, 9)
    victim.kill_all()
    dead = case.json("report")
    finding = views.findings(dead, "deadlock-heap")
    assert finding, [f["headline"] for f in dead["findings"]]
    assert stack_of(finding[0]) == before, (stack_of(finding[0]), before)
    assert [h["pid"] for h in views.parties(dead, "holders")] == [victim.pid], dead["locks"]


def add_call(function):
    @tap.test(f"{function} in a handler")
    def _(case):
        victim = case.victim("handler-calls", function)
        view = case.json("report")
        found = views.findings(view)
        finding = [f for f in found if stack_of(f)[0] == function][0]
        # What libc allocates for the function is not told beside it.
        assert [stack_of(f)[0] for f in found] == [function], [f["headline"] for f in found]
        assert finding["headline"].startswith(f"{function}() was called"), finding["headline"]
        assert finding["severity"] == "warning" and finding["count"] == 1, finding
        check_stack(stack_of(finding), [function, "on_alarm", "<signal>", "crunch", "main"])
        assert case.lockjam("report", "-o", case.session).returncode == 1

        (handler,) = [h for h in case.json("signals")["signals"] if h["signal"] == "SIGALRM"]
        assert handler["function"] == "on_alarm", handler
        assert (handler["deliveries"], handler["current"]) == (1, True), handler
        calls = {c["function"]: c["count"] for c in handler["calls"]}
        assert calls.get(function) == 1, calls
        same_when_dead(case, victim, "unsafe-call-in-handler")


for _function in FUNCTIONS:
    add_call(_function)


def add_innocent(name):
    @tap.test(f"{name}: nothing is found")
    def _(case):
        victim = case.victim(name)
        for command in ("report", "graph"):
            view = case.json(command, status=(0,))
            assert not view["findings"], view["findings"]
        assert victim.finish() == 0
        assert not case.json("report", status=(0,))["findings"]


for _name in ("handler-safe", "outside-handlers"):
    add_innocent(_name)


@tap.test("signals: flags and deliveries of a handler, in JSON and in text")
def _(case):
    case.victim("handler-safe")
    (handler,) = case.json("signals")["signals"]
    assert handler["signal"] == "SIGALRM" and handler["function"] == "on_alarm", handler
    assert "SA_RESTART" in handler["flags"] and "SA_SIGINFO" in handler["flags"], handler
    assert handler["deliveries"] >= 100 and handler["by_user"] == 0, handler
    assert handler["calls"] == [], handler
    text = case.text("signals")
    assert "SIGALRM" in text and "on_alarm" in text and "SA_RESTART" in text, text


@tap.test("signals: what is found, who sent it, what it called and interrupted, errno by name")
def _(case):
    victim = case.victim("handler-told")
    (h,) = case.json("signals")["signals"]
    assert [(f["kind"], f["severity"]) for f in h["findings"]] == [
        ("unsafe-call-in-handler", "warning"), ("unportable-call-in-handler", "note"),
        ("errno-clobbered", "warning")], h["findings"]
    assert (h["errno_before"], h["errno_after"]) == ("EINTR", "EBADF"), h
    assert (h["by_user"], h["by_timer"], h["by_kernel"]) == (1, 1, 0), h
    assert h["last_sender"] == int(victim.word("sender")), h
    assert h["last_sender_name"].endswith("handler-told"), h
    assert h["safe_calls"] == ["write", "kill"], h
    calls = {c["function"]: c for c in h["calls"]}
    assert {"getenv", "localtime"} <= set(calls), calls
    assert calls["getenv"]["safe_in_libc"] and not calls["localtime"]["safe_in_libc"], calls
    assert "time zone" in calls["localtime"]["why"], calls
    assert h["calls_interrupted"], h
    assert h["installed_with"] == ["sigaction"], h

    text = case.text("signals")
    for line in (r"    warning \[unsafe-call-in-handler\]: localtime\(\) was called in ",
                 r"    note \[unportable-call-in-handler\]: getenv\(\) was called in ",
                 r"    2 deliveries \(1 by user, 1 by timer, 0 by kernel\), .*, last from pid "
                 + victim.word("sender") + r" \(\S*handler-told\)$",
                 r"    called localtime 2 times \(not async-signal-safe\): it .*time zone",
                 r"    called getenv 2 times \(safe in glibc, not by POSIX\)$",
                 r"    called write, kill \(safe\)$",
                 r"    these calls interrupted ",
                 r"    changed errno \d+ times, first from EINTR to EBADF$"):
        assert re.search("^" + line, text, re.M), f"{line}\n{text}"
    assert "      #0 " not in text and "      #0 " in case.text("signals", "--all")


@tap.test("signals: equal handlers of equal processes are one paragraph")
def _(case):
    for _index in range(3):
        case.victim("handler-safe", shim="preload")
    assert len(case.json("signals")["signals"]) == 3
    text = case.text("signals")
    assert text.count("SIGALRM on_alarm") == 1, text
    assert re.search(r"^    the same in 2 more processes, \d+ deliver", text, re.M), text
    assert case.text("signals", "--all").count("SIGALRM on_alarm") == 3


@tap.test("a handler on an alternate stack: the stack goes on where it was interrupted")
def _(case):
    victim = case.victim("altstack")
    finding = only_finding(case.json("report"), "unsafe-call-in-handler")
    check_stack(stack_of(finding), ["malloc", "on_alarm", "<signal>", "crunch", "main"])
    same_when_dead(case, victim, "unsafe-call-in-handler")


@tap.test("where an unsafe call does no harm it is a note: raise(), sigsuspend()")
def _(case):
    case.victim("sync-handlers")
    found = views.findings(case.json("report"))
    assert [(f["kind"], f["severity"]) for f in found] == [("unsafe-call-in-handler", "note")] * 2
    texts = " ".join(f["evidence"] for f in found)
    assert "sent itself the signal by raise()" in texts, texts
    assert "blocked but in sigsuspend()" in texts, texts
    case.lockjam("report", "-o", case.session, status=(0,))


@tap.test("what was interrupted is named, also where libc called the program back")
def _(case):
    case.victim("in-stdio")
    found = only_finding(case.json("report"), "unsafe-call-in-handler")
    assert found["severity"] == "warning" and "localtime()" in found["headline"], found
    assert "interrupted fwrite(), which is not on POSIX's list" in found["evidence"], found


@tap.test("nested handlers: each call belongs to its own handler")
def _(case):
    victim = case.victim("nested")
    view = case.json("report")
    stacks = {stack_of(f)[0]: stack_of(f) for f in views.findings(view)}
    assert sorted(stacks) == ["malloc", "puts"], stacks
    check_stack(stacks["malloc"],
                ["malloc", "on_usr1", "<signal>", "on_alarm", "<signal>", "crunch", "main"])
    check_stack(stacks["puts"], ["puts", "on_alarm", "<signal>", "crunch", "main"])
    depth = {h["signal"]: h["max_depth"] for h in case.json("signals")["signals"]}
    assert depth == {"SIGALRM": 1, "SIGUSR1": 2}, depth
    same_when_dead(case, victim, "unsafe-call-in-handler")


@tap.test("siglongjmp out of nested handlers leaves no handler behind")
def _(case):
    case.victim("longjmp-out")
    view = case.json("report")
    finding = only_finding(view, "unsafe-call-in-handler")
    assert finding["count"] == 1, finding
    check_stack(stack_of(finding), ["malloc", "on_usr2", "<signal>", "main"])
    deliveries = {h["signal"]: h["deliveries"] for h in case.json("signals")["signals"]}
    assert deliveries == {"SIGALRM": 20, "SIGUSR1": 20, "SIGUSR2": 1}, deliveries


@tap.test("handlers left in every way: what follows is innocent")
def _(case):
    case.victim("left-handlers")
    finding = only_finding(case.json("report"), "unsafe-call-in-handler")
    assert finding["count"] == 5, finding
    check_stack(stack_of(finding), ["calloc", "jump_within", "<signal>", "main"])


@tap.test("a jump out of a handler that had interrupted malloc() or fwrite()")
def _(case):
    victim = case.victim("jump-out")
    found = views.findings(case.json("report"))
    assert [(f["kind"], f["severity"], f["count"]) for f in found] \
        == [("jump-out-of-handler", "warning", 1)] * 2, found
    stacks = {f["signal"]: stack_of(f) for f in found}
    check_stack(stacks["SIGUSR1"], ["longjmp", "on_usr1", "<signal>", "write_slowly", "main"])
    check_stack(stacks["SIGALRM"],
                ["siglongjmp", "on_alarm", "<signal>", "jump_out_of_malloc", "main"])
    usr1 = [f for f in found if f["signal"] == "SIGUSR1"][0]
    assert "longjmp() left the handler on_usr1() of SIGUSR1, which had interrupted fwrite()" \
        in usr1["headline"], usr1
    case.lockjam("report", "-o", case.session, status=(1,))
    same_when_dead(case, victim, "jump-out-of-handler")


@tap.test("a jump out of a handler that cuts off nothing is none")
def _(case):
    case.victim("jump-harmless")
    view = case.json("report", status=(0,))
    assert not view["findings"], view["findings"]
    jumps = {h["signal"]: h["jumps"] for h in case.json("signals")["signals"]}
    assert jumps == {"SIGALRM": [{"function": "siglongjmp", "count": 2}],
                     "SIGUSR1": [{"function": "siglongjmp", "count": 2}],
                     "SIGUSR2": [], "SIGHUP": []}, jumps
    assert "left by siglongjmp 2 times" in case.text("signals")


@tap.test("C++: an exception out of a handler")
def _(case):
    case.victim("thrown-out")
    found = views.findings(case.json("report"))
    counts = {stack_of(f)[0]: f["count"] for f in found}
    assert counts.pop("malloc") == 10, counts
    assert not set(counts) - {"pthread_once", "__cxa_atexit"}, counts


@tap.test("optimised code: inlined frames, file and line, enum flags by name")
def _(case):
    victim = case.victim("inlined")
    view = case.json("report")
    (holder,) = views.parties(view, "holders")
    check_stack(views.functions(holder["stack"]), ["mailbox_lock", "mailbox_open", "main"])
    inlined = [f for f in holder["stack"] if f["function"] == "mailbox_lock"]
    assert inlined[0]["kind"] == "inline" and inlined[0]["address"] is None, inlined
    assert inlined[0]["file"].endswith("inlined.c") and inlined[0]["line"] > 0, inlined

    finding = only_finding(view, "unsafe-call-in-handler")
    check_stack(stack_of(finding),
                ["calloc", "xzmalloc", "index_tellexpunge", "idle_update", "idle_handler",
                 "<signal>", "crunch", "main"])
    update = [f for f in finding["stacks"][0]["frames"] if f["function"] == "idle_update"][0]
    assert update["arguments"] == "flags=(IDLE_MAILBOX | IDLE_ALERT)", update
    # Nothing in the program keeps it; the frame that the kernel made does.
    handler = [f for f in finding["stacks"][0]["frames"] if f["function"] == "idle_handler"][0]
    assert handler["arguments"].startswith("signo=14, info=0x"), handler
    text = case.text("report")
    assert "idle_update (flags=(IDLE_MAILBOX | IDLE_ALERT)) at " in text, text
    # What is inlined has the address of where it stands; what it is inlined into has none.
    assert re.search(r"#\d+ 0x[0-9a-f]+ in index_tellexpunge \(", text), text
    assert re.search(r"#\d+ idle_update \(", text), text
    same_when_dead(case, victim, "unsafe-call-in-handler")


@tap.test("C++: demangled names")
def _(case):
    victim = case.victim("cxx")
    view = case.json("report")
    (holder,) = views.parties(view, "holders")
    names = views.functions(holder["stack"])
    assert any(n.startswith("mail::Store::lock") for n in names), names
    finding = only_finding(view, "unsafe-call-in-handler")
    names = stack_of(finding)
    assert names[0] == "malloc" and any(n.startswith("operator new") for n in names), names
    same_when_dead(case, victim, "unsafe-call-in-handler")


if __name__ == "__main__":
    tap.main()
