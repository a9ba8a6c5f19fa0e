"""The story of the README from end to end: a mail server that hangs, its graph, its end, its report."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.case import victim_path  # noqa: E402

HANDLER = ["mem_get", "index_tell_expunged", "index_tell_changes", "idle_update", "idle_handler",
           None]
INTERRUPTED = ["index_rewrite", "serve_busy", "start_service", "main"]  # free() or mem_get()


def frames(text, title):
    """(function, rest) of the backtrace behind a title; function None for a signal frame."""
    found = []
    for line in text.partition(title)[2].lstrip("\n").split("\n"):
        match = re.match(r" +#\d+ (?:0x[0-9a-f]{16} in )?(.*)", line)
        if not match:
            break
        name = match[1].partition(" (")[0]
        found.append((None if name == "<signal handler called>" else name, match[1]))
    return found


def of_program(found):
    """What is the program's own: without the inner functions of libc, which need its symbols."""
    return [f for f in found if f[0] is None or "maild.c:" in f[1]]


def places(found):
    """Function, file and line of each."""
    return [(f[0], f[1].rpartition(" at ")[2]) for f in found]


@tap.test("the holder hangs in the heap, is shown, dies, and is shown again with the same frames")
def _(case):
    os.mkdir(case.path("mail"))
    server = case.start([victim_path("maild", "demo"), case.path("mail")], "run")
    while "no progress" not in server.line():
        pass
    text = case.lockjam("graph", "-o", case.session, status=(1,)).stdout
    holder = int(re.search(r"^\S.* \(pid (\d+)\) holding WRITE lock for ", text, re.M)[1])
    assert len(re.findall(r"^  \S.* \+\+WAITING\+\+ for WRITE lock on ", text, re.M)) == 2, text
    assert re.search(r"^DEADLOCK in the heap: .*\(pid %d\)" % holder, text), text
    assert "    taken in index_lock at " in text and "\n      asked for in index_lock at " in text
    living = of_program(frames(text, f"Backtrace of process {holder}:\n"))
    names = [f[0] for f in living]
    assert names in (HANDLER + INTERRUPTED, HANDLER + ["mem_get"] + INTERRUPTED), text
    assert any("flags=(IDLE_MAILBOX | IDLE_ALERT)" in f[1] for f in living), text

    os.kill(holder, signal.SIGKILL)
    said = server.process.stdout.read()
    assert said.count("has got the mailbox") == 2 and server.process.wait() == 0, said

    text = case.lockjam("report", case.session, status=(1,)).stdout
    assert "[deadlock-heap, error]" in text and "1 killed" in text, text
    dead = of_program(frames(text, f"Backtrace of process {holder}:\n"))
    # The record keeps the first call of its site: its values may be those of an earlier message.
    assert dead[:6] == living[:6] and places(dead) == places(living), f"{text}\nliving: {living}"
    assert " calls malloc() in a handler\n" in text.partition("== Last events")[2], text


if __name__ == "__main__":
    tap.main()
