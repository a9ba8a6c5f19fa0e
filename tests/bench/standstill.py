"""How long it takes to the first graph and to the backtraces, and how long the target stands still for
them, beside lslocks, gdb and eu-stack. The target measures itself (stall.c).

A tool's output is counted: who shows no frames gets no figure."""
import mmap
import os
import re
import statistics
import struct
import subprocess
import time

from measure import ROUNDS, under
from lib import proc
from lib.case import LOCKJAM, clean_environment, victim_path, wait_until

# name, threads, frames, waiters, and of how many processes the backtraces are asked for
SHAPES = [
    ("1 thread of 20 frames", 1, 20, 1, 1),
    ("50 threads of 20 frames", 50, 20, 1, 1),
    ("1 thread of 2,000 frames", 1, 2000, 1, 1),
    ("200 waiters of 20 frames behind a holder: backtraces of the holder and of 9 waiters",
     1, 20, 200, 10),
]
FRAME = re.compile(r"\bstall_frame\b")


class Results:
    """The struct results of stall.c."""

    SIZE = 56

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(self.SIZE)
            self._map = mmap.mmap(file.fileno(), self.SIZE)

    def take(self):
        """What was measured since the last call: (stopped, longest gap, mean of the short gaps), in us."""
        wanted = struct.unpack_from("Q", self._map)[0] + 1
        self._map[0:8] = struct.pack("Q", wanted)  # at once: pack_into would write zeros first
        wait_until(lambda: struct.unpack_from("Q", self._map, 8)[0] == wanted, "the results")
        stopped, _, longest, short, count = struct.unpack_from("5Q", self._map, 16)
        assert count > 0, "the target did not run"
        return stopped / 1000, longest / 1000, short / count / 1000


class Target:
    """A program in one of the shapes, and what is asked about it."""

    def __init__(self, case, threads, frames, waiters, asked):
        self.results = Results(case.path("results"))
        self.victim = victim = case.start([victim_path("stall", "bench"), case.path("results"), str(threads),
                             str(frames), str(waiters)]).await_ready()
        self.waiters = [int(said.split()[1]) for said in victim.said]
        self.asked = [str(pid) for pid in [victim.pid, *self.waiters[:asked - 1]]]
        self.frames = (threads + asked - 1) * frames
        self._ino = os.stat(case.path("index")).st_ino

    def queue(self):
        """The waiters in the order in which they would be granted the lock."""
        return [lock.pid for lock in proc.locks() if lock.ino == self._ino and lock.depth]

    def switches(self):
        """How often the waiters' threads were put on a processor."""
        return sum(int(count) for pid in self.waiters for count in re.findall(
            r"ctxt_switches:\s+(\d+)", proc.read(pid, "status")))

    def gdb(self):
        return [["gdb", "-nx", "-q", "-iex", "set debuginfod enabled off", "-p", pid, "-batch",
                 "-ex", "thread apply all bt"] for pid in self.asked]

    def tools(self):
        """{title: (command lines, whether frames are expected)}."""
        found = {"lockjam graph": ([[LOCKJAM, "graph"]], False),
                 "lslocks": ([["lslocks"]], False),
                 "lockjam stacks": ([[LOCKJAM, "stacks", "--all", *self.asked]], True)}
        if under("gdb"):
            found["gdb"] = (self.gdb(), True)
        if under("eu-stack"):
            found["eu-stack -n 0"] = (
                [["eu-stack", "-n", "0", "-p", pid] for pid in self.asked], True)
        return found


def run_one(target, argv):
    """(milliseconds, output, whether the order of the queue changed) of one command."""
    queue, start = target.queue(), time.monotonic()
    printed = subprocess.run(argv, env=clean_environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             errors="replace", check=False).stdout
    return (time.monotonic() - start) * 1000, printed, target.queue() != queue


def run(target, commands):
    """Figures of one run of a tool, and what it printed."""
    switches = target.switches()
    target.results.take()
    runs = [run_one(target, argv) for argv in commands]
    stopped, longest, _ = target.results.take()
    return {"ms": sum(taken for taken, _, _ in runs), "stopped": stopped, "longest": longest,
            "requeued": sum(changed for _, _, changed in runs),
            "switches": target.switches() - switches}, "\n".join(text for _, text, _ in runs)


def shown(target, title, text, wants_frames):
    """How much of what was asked for the output has; fails if that is nothing."""
    if wants_frames:
        share = len(FRAME.findall(text)) / target.frames
        assert share > 0, f"{title} shows no frames:\n{text[:2000]}"
        assert share >= 1 or "lockjam" not in title, f"{title} shows {share:.3f} of the frames"
        return f"{share:.2f} of the frames"
    assert all(pid in text for pid in [target.asked[0], str(target.waiters[-1])]) or (
        title == "lslocks"), f"{title} shows no waiter:\n{text[:2000]}"
    assert target.asked[0] in text, f"{title} shows no holder:\n{text[:2000]}"
    return "the graph"


def measure(target):
    """{title: {figure: median}} and {title: what it showed}; also of no tool at all: what the machine
    itself does."""
    rounds, notes = {}, {}
    for _ in range(ROUNDS):
        figures, _ = run(target, [["sleep", "0.2"]])
        rounds.setdefault("(no tool, 200 ms)", []).append(figures)
        for title, (commands, wants_frames) in target.tools().items():
            figures, text = run(target, commands)
            notes[title] = shown(target, title, text, wants_frames)
            rounds.setdefault(title, []).append(figures)
    return {title: {key: statistics.median(f[key] for f in found) for key in found[0]}
            for title, found in rounds.items()}, notes


def show(title, found, notes):
    """Times are compared with lslocks for the graph and with gdb for the backtraces."""
    print(f"\n{title} (budget: running 100 us, waiters: no switch, none queued again)")
    print(f"  {'':28} {'ms':>9} {'':>9} {'stopped us':>11} {'longest gap us':>15} "
          f"{'switches':>9} {'requeued':>9}")
    for name, f in found.items():
        base = found.get("lslocks" if "graph" in notes.get(name, "") else "gdb", f)
        ratio = f"{f['ms'] / base['ms']:7.2f} x" if name in notes else ""
        print(f"  {name:28} {f['ms']:9.1f} {ratio:>9} {f['stopped']:11.1f} {f['longest']:15.1f} "
              f"{f['switches']:9.0f} {f['requeued']:9.0f}  {notes.get(name, '')}", flush=True)


def bench_stall(case):
    for title, threads, frames, waiters, asked in SHAPES:
        target = Target(case, threads, frames, waiters, asked)
        show(title, *measure(target))
        target.victim.kill_all()
