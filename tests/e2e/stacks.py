"""Backtraces of blocked threads, taken without stopping them, beside those of gdb, which stops: the
same functions of the program at the same lines, from the innermost one to main()."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import Skip  # noqa: E402

FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(.*\) at (\S+):(\d+)$")


def gdb_frames(pid):
    """(function, source's base name, line) of the victim's own functions; the signal frame."""
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    done = subprocess.run(["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "bt"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C", "DEBUGINFOD_URLS": ""})
    found = []
    for line in done.stdout.splitlines():
        match = FRAME.match(line)
        if "<signal handler called>" in line:
            found.append(("<signal>",))
        elif match and "victims" in match.group(2):
            found.append((match.group(1), os.path.basename(match.group(2)), int(match.group(3))))
    if not found:
        raise Skip("gdb may not attach here: " + done.stderr.strip().replace("\n", "; "))
    return found


def our_frames(frames):
    found = []
    for frame in frames:
        if frame["kind"] == "signal":
            found.append(("<signal>",))
        elif "victims" in (frame.get("file") or ""):
            found.append((frame["function"], os.path.basename(frame["file"]), frame["line"]))
    return found


def add_comparison(name, *arguments):
    @tap.test(f"{name}: the same frames as gdb")
    def _(case):
        victim = case.victim(name, *arguments)
        view = case.json("graph")
        backtraces = [b for b in view["backtraces"] if b["of"] == "now" and b["pid"] == b["tid"]]
        assert backtraces, view["backtraces"]
        for backtrace in backtraces:
            assert our_frames(backtrace["frames"]) == gdb_frames(backtrace["pid"]), backtrace
        assert victim.pid in [b["pid"] for b in backtraces], backtraces


add_comparison("wait-posix")
add_comparison("wait-ofd")
add_comparison("heap-threaded")

if __name__ == "__main__":
    tap.main()
