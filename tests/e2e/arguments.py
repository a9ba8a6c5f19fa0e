#!/usr/bin/env python3
"""Frames (function, place, argument values) against gdb's, of the same program in the same moment.

Each program's agreement is printed, and each disagreement with its reason; one without a reason
fails the test."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
from lib import gdb, proc, tap
from lib.case import BUILDDIR, SRCDIR, Skip, wait_until

FRAMES = os.path.join(BUILDDIR, "tests", "arguments", "frames")
VALUES = ["integers", "floats", "enums", "characters", "strings", "pointers", "aggregates", "many"]
CALLS = ["kept", "passed", "lost", "idle", "by_value", "local_pair", "recursive", "tail", "loops",
         "indirect", "on_stack", "changes", "callback"]
LIBRARY = ["printf", "fwrite", "qsort", "bsearch", "tsearch", "scandir", "nftw", "phdr", "raise",
           "once", "exit", "abort"]
PLACES = ["deep", "altstack", "nested", "restorer", "malloc", "vdso"]
RUST = ["method", "dynamic", "generic", "closure"]
OBJECTS = ["virtual", "references", "enums", "constructor", "template", "objects", "lambda"]


def run_quietly(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def build(case, compiler, source, flags):
    path = os.environ.get(compiler.upper()) or shutil.which(compiler)
    if not gdb.find():
        raise Skip("gdb is not installed")
    if not path:
        raise Skip(f"there is no {compiler}")
    program = case.path("program")
    quiet = "-Awarnings" if compiler == "rustc" else "-w"
    run_quietly(*path.split(), quiet, "-g", *flags,
                os.path.join(SRCDIR, "tests", "arguments", source), "-o", program)
    return program


def separate(program):
    """Its debug information goes to a file beside it, which its .gnu_debuglink names."""
    if not shutil.which("objcopy"):
        raise Skip("there is no objcopy")
    run_quietly("objcopy", "--only-keep-debug", program, program + ".debug")
    run_quietly("strip", "--strip-all", program)
    run_quietly("objcopy", f"--add-gnu-debuglink={program}.debug", program)


def frames(pid, *mode):
    out = subprocess.run([FRAMES, str(pid), *mode], stdout=subprocess.PIPE, check=True).stdout
    return [gdb.parse_frame(line) for line in out.decode("utf-8", "replace").split("\n") if line]


def look(case, program, scenes, *mode):
    """[(what gdb sees, what we see)] of the program in each scene."""
    children = [case.start([program, scene]).await_ready() for scene in scenes]
    ours = []
    for child in children:
        wait_until(lambda p=child.pid: proc.state(p) == "S", "the program to pause")
        ours.append(frames(child.pid, *mode))
    theirs = gdb.backtraces([child.pid for child in children])
    for child in children:
        child.kill()
    if not any(theirs):
        raise Skip("gdb may not look into processes here")
    assert len(theirs) == len(ours), f"{len(theirs)} backtraces of gdb, expected {len(ours)}"
    return list(zip(theirs, ours))


KNOWN = {
    "__GI__IO_flush_all, here None": "two jumps after each other: only one is looked for",
    "__GI__IO_fflush, here None": "two jumps after each other: only one is looked for",
    "__old_nftw, here __new_nftw": "gdb takes the symbol's first version, the program is linked to the other",
}
# Functions that passed their arguments on by a jump: gdb takes what registers hold further in for
# what they held then; here only what the way leaves no doubt about.
PASSED_ON = ("buffered_vfprintf: ", "__vfprintf_internal: ")
STATEMENT = "gdb goes back to where a statement began; the row of the call itself is ours (addr2line's)"
PLACES_MIN = 0.9  # of gdb's places, with optimisation; without it all of them
GUESS = "gdb shows what is in a register that calls do not keep: here it is lost"


def reason(line, is_optimised, may_guess):
    """Why we differ from gdb in this line, and are right; None: no reason is known."""
    if is_optimised and re.search(r": at \S+:\d+, here \S+:\d+$", line):
        return STATEMENT
    if line in KNOWN:
        return KNOWN[line]
    if line.startswith(PASSED_ON):
        return "passed on by a jump: here it is known only if it is certain by which way"
    if may_guess and (line.endswith("here <optimized out>") or ", here @entry=" in line):
        return GUESS
    return None


LESS = ("here <unavailable>", "here <optimized out>", "here (missing)")


def judge(scene, found, is_optimised, may_guess):
    """Prints the disagreements; those without a reason."""
    problems = []
    for line in found.more:
        print(f"#   more: {line}")
    for line in found.wrong + found.missing + found.elsewhere:
        why = reason(line, is_optimised, may_guess)
        print(f"#   differs: {line} ({why or 'why is not known'})")
        if not why:
            problems.append(f"{scene}: {line}")
    return problems


def check(case, name, program, scenes, is_optimised=False, may_guess=False):
    """All scenes agree, but for what has a reason."""
    total, problems = gdb.Agreement(), []
    for scene, (theirs, ours) in zip(scenes, look(case, program, scenes)):
        found = gdb.compare(theirs, ours)
        print(f"# {name} {scene}: {found}")
        problems += judge(scene, found, is_optimised, may_guess)
        total.add(found)
    print(f"# {name}: {total}")
    assert total.frames and not problems, "\n".join(problems)
    assert total.places_same >= PLACES_MIN * total.places, total


@tap.test("values of every type, as gdb prints them", 120)
def _(case):
    check(case, "values.c", build(case, "cc", "values.c", ["-O0"]), VALUES)


@tap.test("without a stop no value is wrong: what is not known is said to be", 240)
def _(case):
    wrong, total, unavailable = [], 0, 0
    for source, flags, scenes in (("values.c", ["-O0"], VALUES), ("calls.c", ["-O0"], CALLS),
                                  ("calls.c", ["-O2"], CALLS), ("library.c", ["-O1"], LIBRARY)):
        program = build(case, "cc", source, flags)
        for theirs, ours in look(case, program, scenes, "running"):
            found = gdb.compare(theirs, ours)
            total += found.arguments
            unavailable += sum(line.endswith(LESS) for line in found.wrong)
            wrong += [line for line in found.wrong
                      if not line.endswith(LESS) and ", here @entry=" not in line]
    print(f"# {total} arguments, not known without a stop {unavailable}")
    assert not wrong, "\n".join(wrong)


@tap.test("a restorer without unwind information, behind code that has some", 60)
def _(case):
    program = build(case, "cc", "places.c", ["-O1"])
    child = case.start([program, "restorer"]).await_ready()
    wait_until(lambda: proc.state(child.pid) == "S", "the program to pause")
    for mode in (["running"], []):
        names = [frame[0] for frame in frames(child.pid, *mode)]
        signal = names.index("<signal handler called>")
        assert names[signal - 1] == "on_signal" and "before_restorer" not in names, names
        assert names[signal + 1:][-6:-3] == ["crunch", "run", "main"], names


def add_corrupt(scene, words):
    @tap.test(f"a spoilt stack ({scene}): its whole part, and why it ends there", 60)
    def _(case):
        program = build(case, "cc", "places.c", ["-O0", "-fno-omit-frame-pointer"])
        (theirs, ours), = look(case, program, [scene])
        print(f"# gdb: {[f[0] for f in theirs]}, here: {[f[0] for f in ours]}")
        assert [f[0] for f in ours[:3]] == [f[0] for f in theirs[:3]], (theirs, ours)
        assert ours[-1][0].startswith("stopped: ") and words in ours[-1][0], ours
        assert len(ours) < 10, len(ours)


add_corrupt("same", "the same one again")
add_corrupt("inner", "lies inside this one")


def add(compiler, source, flags, scenes, is_separate=False):
    name = f"{source} by {compiler} {' '.join(flags)}" + (", stripped" if is_separate else "")

    @tap.test(f"{name}: frames, places and arguments are gdb's", 240)
    def _(case):
        program = build(case, compiler, source, flags)
        if is_separate:
            separate(program)
        check(case, name, program, scenes, "-O0" not in flags, compiler == "clang")


for level in ("-O0", "-O1", "-O2", "-O3", "-Og"):
    add("cc", "calls.c", [level], CALLS)
for level in ("-O0", "-O2", "-Og"):
    add("c++", "objects.cc", [level], OBJECTS)
for level in ("-O0", "-O2"):
    add("clang", "calls.c", [level], CALLS)
    add("cc", "places.c", [level, "-DGAP"], PLACES)
add("cc", "calls.c", ["-O2", "-gdwarf-4"], CALLS)
add("cc", "calls.c", ["-O2"], CALLS, is_separate=True)
add("cc", "library.c", ["-O1"], LIBRARY)
for level in ("0", "2"):
    for names in ([], ["-Csymbol-mangling-version=v0"]):
        add("rustc", "rust.rs", [f"-Copt-level={level}", *names], RUST)


if __name__ == "__main__":
    tap.main()
