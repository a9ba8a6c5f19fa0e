"""Reading what lockjam prints: JSON objects and the lines of the text form."""
import os
import re

HOLDER = re.compile(r"^(?P<name>.*) \(pid (?P<pid>-?\d+)\) holding (?P<mode>READ|WRITE) lock "
                    r"for (?P<path>.*)$")
WAITER = re.compile(r"^(?P<indent> +)(?P<name>.*) \(pid (?P<pid>-?\d+)\) \+\+WAITING\+\+ for "
                    r"(?P<mode>READ|WRITE) lock on (?P<path>.*)$")
POLLING = re.compile(r"^ +polling, (?P<tries>\d+) (try|tries) in (?P<time>\S+)")


def holders(view, path=None):
    """Sorted (pid, kind, mode, start, end) of all holders, or of those of one file."""
    return sorted((h["pid"], lock["kind"], h["mode"], h["start"],
                   -1 if h["end"] is None else h["end"])
                  for lock in view["locks"] if path in (None, lock["file"])
                  for h in lock["holders"])


def waiters(view, path=None):
    """Sorted (pid, kind, mode) of all waiters, or of those of one file."""
    return sorted((w["pid"], lock["kind"], w["mode"])
                  for lock in view["locks"] if path in (None, lock["file"])
                  for w in lock["waiters"])


def parties(view, key):
    """All holders or all waiters, as they stand in the JSON."""
    return [party for lock in view["locks"] for party in lock[key]]


def findings(view, kind=None):
    """The findings, or those of one kind."""
    return [f for f in view["findings"] if kind in (None, f["kind"])]


def functions(frames):
    """Names of a stack, innermost first; a signal frame is "<signal>". With libc's debug
    information malloc() is __libc_malloc and puts() is _IO_puts: they lose that prefix here."""
    return ["<signal>" if f["kind"] == "signal" else
            re.sub(r"^(__GI_)?(__libc_|_IO_)(?=[a-z])", "", f["function"] or "?") for f in frames]


def is_subsequence(wanted, names):
    """Whether `wanted` stands in `names` in this order, other frames between them allowed."""
    rest = iter(names)
    return all(any(name == have for have in rest) for name in wanted)


def lines(text):
    """The holder and waiter lines of the text form without the ends of the paths' directories:
    [(role, pid, mode, file)]; all other lines are details."""
    found = []
    for line in text.splitlines():
        for role, pattern in (("waits", WAITER), ("holds", HOLDER)):
            match = pattern.match(line)
            if match:
                found.append((role, int(match["pid"]), match["mode"],
                              os.path.basename(match["path"])))
                break
    return found
