"""What the tests ask the kernel, independently of the collector."""
import os
from collections import namedtuple

# start and end as /proc/locks shows them; end None for EOF. depth 0: holder; 1 and more: waiter.
Lock = namedtuple("Lock", "kind mode pid dev ino start end depth")


def read(*path):
    """The text of /proc/PATH, or None when it is gone."""
    try:
        with open(os.path.join("/proc", *map(str, path)), encoding="utf-8",
                  errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid):
    """The children of all threads of a process."""
    found = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            found += [int(c) for c in (read(pid, "task", tid, "children") or "").split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def descendants(pid):
    """All of them, nearest first."""
    found = []
    for child in children(pid):
        found.append(child)
        found += descendants(child)
    return found


def _parse_lock(words):
    """A Lock of the words behind the number, or None."""
    depth = 0
    while words and words[0] == "->":
        depth += 1
        words = words[1:]
    # "<none>:0": who waits for a lease to be given up; the line names no file.
    if len(words) < 7 or words[4].count(":") != 2:
        return None
    major, minor, ino = words[4].split(":")
    return Lock(words[0], words[2], int(words[3]), os.makedev(int(major, 16), int(minor, 16)),
                int(ino), int(words[5]), None if words[6] == "EOF" else int(words[6]), depth)


def locks():
    """The entries of /proc/locks, in its order. The kernel hands it out in pieces of a page: while
    locks come and go, an entry that is there all the time may be skipped."""
    found = [_parse_lock(line.split()[1:]) for line in read("locks").splitlines()]
    return [lock for lock in found if lock]


def held_locks(pid):
    """What a process holds, by its descriptors: exact for each of them, unlike locks()."""
    found = []
    try:
        descriptors = os.listdir(f"/proc/{pid}/fdinfo")
    except (FileNotFoundError, ProcessLookupError):
        return found
    for descriptor in descriptors:
        for line in (read(pid, "fdinfo", descriptor) or "").splitlines():
            if line.startswith("lock:"):
                found.append(_parse_lock(line.split()[2:]))
    return [lock for lock in found if lock]


def state(pid, tid=None):
    """One letter of /proc/PID/stat, or None when it is gone."""
    text = read(pid, "stat") if tid is None else read(pid, "task", tid, "stat")
    return text.rpartition(")")[2].split()[0] if text else None


def syscall(pid, tid=None):
    """The number of the system call that a blocked thread is in, or None."""
    text = read(pid, "syscall") if tid is None else read(pid, "task", tid, "syscall")
    first = (text or "running").split()[0]
    return None if first == "running" else int(first)


def is_waiting_for_lock(pid):
    """Blocked in fcntl or flock (x86-64: 72, 73; aarch64: 25, 32)."""
    numbers = (72, 73) if os.uname().machine == "x86_64" else (25, 32)
    return syscall(pid) in numbers and state(pid) == "S"
