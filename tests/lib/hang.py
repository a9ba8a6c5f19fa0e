"""A program that is hung by somebody else: the holder of a file that it wants, and what lockjam has
to say about both, about each of them, and about a core of the program."""
import json
import os
import re
import shutil
import subprocess

from lib import proc, views
from lib.case import Skip, wait_until

PYTHON = "/usr/bin/python3"  # Debian's, whatever runs the tests
SLEEPS = (35, 230) if os.uname().machine == "x86_64" else (101, 115)  # nanosleep, clock_nanosleep
REQUESTS = ("fcntl64", "fcntl", "flock")
# F_OFD_SETLK is 37, F_OFD_SETLKW 38: Python 3.11 has no names for them.
_HOLDER = """
import fcntl, os, struct, sys
path, kind, start, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
if kind == "flock":
    fcntl.flock(fd, fcntl.LOCK_EX)
else:
    fcntl.fcntl(fd, 37 if kind == "ofd" else fcntl.F_SETLK,
                struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
print("ready", flush=True)
sys.stdin.read()
"""

_WAITER = """
import fcntl, os, struct, sys, threading
path, kind, place = sys.argv[1:]
fd = os.open(path, os.O_RDWR)
def index_lock():
    if kind == "flock":
        fcntl.flock(fd, fcntl.LOCK_EX)
    else:
        fcntl.fcntl(fd, 38 if kind == "ofd" else fcntl.F_SETLKW,
                    struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
if place == "main":
    index_lock()
else:
    thread = threading.Thread(target=index_lock)
    thread.start()
    thread.join()
"""


def need(program):
    path = shutil.which(program)
    if not path:
        raise Skip(f"{program} is not installed")
    return path


def need_root(why):
    if os.getuid():
        raise Skip(f"needs root: {why}")


def holder_argv(path, kind="posix", start=0, length=0):
    """Python that locks a range of `path` for WRITE, says `ready`, and keeps it until stdin's end."""
    return [PYTHON, "-c", _HOLDER, path, kind, str(start), str(length)]


def waiter_argv(path, kind="posix", place="main"):
    """Python that waits for the whole file for WRITE, and ends when it has it; in another thread with
    place="thread"."""
    return [PYTHON, "-c", _WAITER, path, kind, place]


def hold(case, path, kind="posix", start=0, length=0, **options):
    """The process that keeps the lock, once it has it."""
    if not os.path.exists(PYTHON):
        raise Skip(f"{PYTHON} is not installed")
    return case.start(holder_argv(path, kind, start, length), **options).await_ready()


def waiting(pid, tid=None):
    """Waits until a thread is blocked in the request of a lock; its number. For a process that may
    wait on any of its threads, `tid` is "any"."""
    def blocked():
        try:
            tids = os.listdir(f"/proc/{pid}/task") if tid == "any" else [str(tid or pid)]
        except FileNotFoundError:
            return None
        numbers = (72, 73) if os.uname().machine == "x86_64" else (25, 32)
        return next((int(t) for t in tids
                     if proc.syscall(pid, t) in numbers and proc.state(pid, t) == "S"), None)
    return wait_until(blocked, f"process {pid} to wait for a lock")


def asleep(pid):
    """Waits until a process sleeps for some time."""
    wait_until(lambda: proc.syscall(pid) in SLEEPS, f"process {pid} to sleep")


def polling(pid, path):
    """Waits until a process has the file open and sleeps between two tries."""
    wait_until(lambda: path in opened(pid) and proc.syscall(pid) in SLEEPS,
               f"process {pid} to poll for {path}")


def opened(pid):
    """Where the descriptors of a process lead to."""
    found = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    except FileNotFoundError:
        pass
    return found


def view(case, *arguments, **options):
    return json.loads(case.lockjam(*arguments, "--format", "json", **options).stdout)


def lock_of(graph, path):
    """The lock of a file in a graph."""
    found = [lock for lock in graph["locks"] if lock["file"] == path]
    assert len(found) == 1, (path, graph["locks"], graph["notes"])
    return found[0]


def names_of(graph, pid, tid=None):
    """The functions of one thread's stack of now; __flock and flock are one, as debug information has
    the one and the table of symbols the other."""
    found = [b["frames"] for b in graph["backtraces"]
             if b["pid"] == pid and b["of"] == "now" and tid in (None, b["tid"])]
    assert found, (pid, graph["backtraces"], graph["notes"])
    return [re.sub(r"^__(?=[a-z])", "", name) for name in views.functions(found[0])]


def shows_waiter(case, holder, waiter, path, name):
    """All ways to ask for the graph show the holder with its stack, and the waiter under it."""
    for target in (["--all"], [path], [name], [str(waiter)], [str(holder)]):
        graph = view(case, "graph", *target)
        lock = lock_of(graph, path)
        assert [h["pid"] for h in lock["holders"]] == [holder], (target, lock)
        assert [(w["pid"], w["blocked_by"]) for w in lock["waiters"]] == [(waiter, holder)], (
            target, lock)
        assert "read" in names_of(graph, holder), names_of(graph, holder)
        text = case.lockjam("graph", *target).stdout
        assert _pair(views.lines(text), holder, waiter, os.path.basename(path)), text
        assert f"\nBacktrace of process {holder}:\n #0 0x" in text, text
    report = view(case, "report", str(waiter))
    assert lock_of(report, path)["waiters"] == lock_of(graph, path)["waiters"], report["locks"]
    stacks = view(case, "stacks", str(holder), str(waiter))
    assert "read" in names_of(stacks, holder), stacks["backtraces"]
    tid = waiting(waiter, "any")
    assert names_of(stacks, waiter, tid)[0] in REQUESTS, (tid, stacks["backtraces"])
    return graph


def _pair(lines, holder, waiter, name):
    at = lines.index(("holds", holder, "WRITE", name))
    return lines[at + 1] in [("waits", waiter, mode, name) for mode in ("READ", "WRITE")]


def gcore(case, pid):
    """gdb's core of a process that goes on; its path."""
    need("gcore")
    subprocess.run(["gcore", "-o", case.path("core"), str(pid)], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return case.path(f"core.{pid}")


def moved(case, core):
    """The core in another directory."""
    os.makedirs(case.path("elsewhere"), exist_ok=True)
    return shutil.move(core, case.path("elsewhere/" + os.path.basename(core)))
