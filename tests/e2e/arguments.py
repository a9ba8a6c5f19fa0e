#!/usr/bin/env python3
"""Argument values against gdb's, of the same program in the same moment."""
import os
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
OBJECTS = ["virtual", "references", "enums", "constructor", "template", "objects", "lambda"]


def build(case, compiler, source, flags):
    compiler = os.environ.get(compiler.upper()) or shutil.which(compiler)
    if not gdb.find():
        raise Skip("gdb is not installed")
    if not compiler:
        raise Skip("there is no compiler of this kind")
    program = os.path.join(case.dir, "program")
    subprocess.run([*compiler.split(), "-w", "-g", *flags,
                    os.path.join(SRCDIR, "tests", "arguments", source), "-o", program], check=True)
    return program


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


# Frames of functions whose last call became a jump: gdb infers them, here they are not shown. What
# they passed on is known here if it is certain by which way.
DIFFERENT = tuple(name + "," for name in (
    "tail_middle", "__GI_qsort", "__vfprintf_internal", "__GI__IO_flush_all", "__GI__IO_fflush",
    "__scandir64", "__old_nftw", "__pthread_kill_internal", "___pthread_once",
)) + ("buffered_vfprintf: ",)


LESS = ("here <unavailable>", "here <optimized out>", "here (missing)")


def is_known(line):
    return line.startswith(DIFFERENT)


def is_guess(line):
    """Of registers that calls do not keep gdb shows what is in them now; clang's debug information
    names such registers also behind the call. Here they are what they are: lost."""
    return line.endswith("here <optimized out>") or ", here @entry=" in line


def check(case, compiler, source, flags, scenes, may_guess=False):
    """All scenes agree, but for what DIFFERENT says."""
    program = build(case, compiler, source, flags)
    total, problems = gdb.Agreement(), []
    for scene, (theirs, ours) in zip(scenes, look(case, program, scenes)):
        found = gdb.compare(theirs, ours)
        print(f"# {source} {' '.join(flags)} {scene}: {found}")
        for line in found.more:
            print(f"#   more: {line}")
        problems += [f"{scene}: {line}" for line in found.wrong
                     if not (may_guess and is_guess(line)) and not is_known(line)]
        problems += [f"{scene}: no frame {f}" for f in found.missing if not is_known(f)]
        total.add(found)
    print(f"# {source} {' '.join(flags)}: {total}")
    assert not problems, "\n".join(problems)


@tap.test("values of every type, as gdb prints them", 120)
def _(case):
    check(case, "cc", "values.c", ["-O0"], VALUES)


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


def add(compiler, source, flags, scenes):
    @tap.test(f"{source} by {compiler} {' '.join(flags)}: frames and arguments are gdb's", 240)
    def _(case):
        check(case, compiler, source, flags, scenes, compiler == "clang")


for level in ("-O0", "-O1", "-O2", "-O3", "-Og"):
    add("cc", "calls.c", [level], CALLS)
for level in ("-O0", "-O2", "-Og"):
    add("c++", "objects.cc", [level], OBJECTS)
for level in ("-O0", "-O2"):
    add("clang", "calls.c", [level], CALLS)
add("cc", "calls.c", ["-O2", "-gdwarf-4"], CALLS)
add("cc", "library.c", ["-O1"], LIBRARY)


if __name__ == "__main__":
    tap.main()
