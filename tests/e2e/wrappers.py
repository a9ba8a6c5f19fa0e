"""Every wrapped function is seen: a wrapper that does not record fails here under its own name."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import SRCDIR, victim_path  # noqa: E402
from lib.elf import exported  # noqa: E402


def unsafe_functions():
    """The functions of unsafe.def that are to be found: those with a reason."""
    with open(os.path.join(SRCDIR, "preload", "unsafe.def"), encoding="utf-8") as file:
        table = re.findall(r"^UNSAFE\((\w+), \w+, (.+)\)$", file.read(), re.M)
    names = exported()
    return [name for name, why in table if why != "0" and name in names]


def shown_name(name):
    """A finding names the function that the source calls: printf, not __printf_chk."""
    return re.sub(r"^__(?:isoc99_)?(\w+?)(?:_chk)?$", r"\1", name)


@tap.test("every lock that a wrapped function takes is recorded, every one it drops is not")
def _(case):
    case.victim("every-wrapper")
    view = case.json("graph")
    held = {os.path.basename(lock["file"]) for lock in view["locks"] if lock["holders"]}
    taken = {n for n in os.listdir(case.dir) if n.startswith("took-")}
    assert len(taken) == 9, taken
    assert held == taken, f"not seen: {sorted(taken - held)}; not held: {sorted(held - taken)}"
    recorded = {os.path.basename(lock["file"]) for lock in view["locks"]
                for h in lock["holders"] if h["since_ns"]}
    assert recorded == taken, f"known by the kernel only: {sorted(taken - recorded)}"


@tap.test("the same from the record alone, when the process is dead")
def _(case):
    victim = case.victim("every-wrapper")
    victim.kill_all()
    held = {os.path.basename(lock["file"]) for lock in case.json("report")["locks"]}
    taken = {n for n in os.listdir(case.dir) if n.startswith("took-")}
    assert held == taken, f"not seen: {sorted(taken - held)}; not held: {sorted(held - taken)}"


@tap.test("every function that installs a handler is seen")
def _(case):
    victim = case.victim("every-wrapper")
    wanted = set(victim.word("handlers").split())
    found = {h["signal"] for h in case.json("signals")["signals"]}
    assert found == wanted, (found, wanted)


@tap.test("every function of unsafe.def is seen in a handler", 300)
def _(case):
    functions = unsafe_functions()
    victim = case.start([victim_path("every-unsafe"), *functions], "preload",
                        env=dict(case.shim_environment(), MALLOC_CHECK_="0")).await_ready()
    missing = [line[8:] for line in victim.said if line.startswith("missing ")]
    assert not missing, missing
    called = dict(line.split()[1:] for line in victim.said if line.startswith("call "))
    view = case.json("signals")
    seen = {}
    for handler in view["signals"]:
        for call in handler["calls"]:
            seen.setdefault(call["function"], set()).add(handler["pid"])
    unseen = [name for pid, name in called.items()
              if int(pid) not in seen.get(name, set()) | seen.get(shown_name(name), set())]
    assert len(called) == len(functions) > 100, (len(called), len(functions))
    assert not unseen, f"{len(unseen)} of {len(functions)} not seen: {unseen}"
    assert views.findings(case.json("report"), "unsafe-call-in-handler")


if __name__ == "__main__":
    tap.main()
