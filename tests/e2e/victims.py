"""Every victim reaches its state and ends when it is told to, without lockjam: what the other
tests stand on. Kernel truth (/proc/locks) is what the lock victims claim."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap  # noqa: E402
from lib.case import wait_until  # noqa: E402

# name: (holders, waiters) of the victim's files as the kernel counts them
STATES = {
    "abba-flock": (2, 2), "abba-flock-ordered": (2, 1), "alone-flock": (1, 0),
    "alone-lockf": (1, 0), "alone-ofd": (1, 0), "alone-posix": (1, 0), "altstack": (0, 0),
    "altstack-held": (0, 0),
    "close-drops": (0, 0), "close-keeps": (2, 0), "cxx": (1, 0), "exec-closes": (0, 0),
    "exec-keeps": (2, 0), "flock-handed-back": (0, 0), "flock-inherited": (1, 0),
    "handler-safe": (0, 0), "heap-single": (0, 0), "heap-single-nopie": (0, 0),
    "heap-threaded": (1, 1), "in-stdio": (0, 0), "inlined": (1, 0), "interrupted-accept": (0, 0), "jump-harmless": (0, 0), "jump-out": (0, 0),
    "left-handlers": (0, 0), "longjmp-out": (0, 0),
    "nested": (0, 0), "thrown-out": (0, 0),
    "outside-handlers": (0, 0), "polling": (1, 0), "polling-ended": (1, 0),
    "ranges-posix": (8, 0), "readers-posix": (3, 0), "ring-mixed": (3, 3), "ring-posix": (13, 13),
    "reset-again": (0, 0), "reset-hup": (0, 0), "restarted-accept": (0, 0),
    "restarted-pipe": (0, 0), "sync-handlers": (0, 0), "upgrade-posix": (2, 1),
    "wait-flock": (1, 2), "wait-lockf": (1, 2), "wait-ofd": (1, 2), "wait-posix": (1, 2),
}


def count_locks(directory):
    """(holders, waiters) on the files of a directory."""
    files = {(e.stat().st_dev, e.stat().st_ino) for e in os.scandir(directory)}
    mine = [lock for lock in proc.locks() if (lock.dev, lock.ino) in files]
    waiters = sum(1 for lock in mine if lock.depth)
    return len(mine) - waiters, waiters


def add(name, expected):
    @tap.test(f"{name} reaches its state and ends")
    def _(case):
        victim = case.victim(name, shim=None)
        # /proc/locks comes in pieces: while others lock, one reading may repeat or skip a line.
        wait_until(lambda: count_locks(case.dir) == expected, f"holders and waiters {expected}", 5)
        status = victim.finish()
        assert status == 0, f"exit status {status}"


for _name, _expected in STATES.items():
    add(_name, _expected)

if __name__ == "__main__":
    tap.main()
