"""What `lockjam attach` costs: its own processor time, and what the recorded processes notice."""
import os
import subprocess
import time

from lib import proc, segment
from lib.case import LOCKJAM, clean_environment, die_with_parent, victim_path, wait_until
from measure import ROUNDS

SECONDS = 10


def used_ns(pid):
    """Time on a processor."""
    return int(proc.read(pid, "schedstat").split()[0])


def stacks(case):
    """How many of the session's records have a stack."""
    count = 0
    for name in os.listdir(case.session) if os.path.isdir(case.session) else ():
        try:
            record = segment.Segment(os.path.join(case.session, name))
            count += record.tables[segment.STACKS][3] > 0
        except (ValueError, IsADirectoryError):
            pass
    return count


def cost(case, target, expected):
    """(percent of a processor in SECONDS, milliseconds until all is recorded) of a recorder."""
    case.session = case.path(f"session-{time.monotonic_ns()}")
    recorder = subprocess.Popen([LOCKJAM, "attach", "-o", case.session, str(target)],
                                env=clean_environment(), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    wait_until(lambda: stacks(case) >= expected, "all stacks", 60)
    time.sleep(1)  # a look more, to see that nothing has changed
    first_ns = used_ns(recorder.pid)
    time.sleep(SECONDS)
    percent = (used_ns(recorder.pid) - first_ns) / SECONDS / 1e7
    recorder.kill()
    recorder.wait()
    return percent, first_ns / 1e6


def bench_sampling(case):
    """Prints a table."""
    print("\nlockjam attach, a look every 100 ms: percent of one processor; ms until all is recorded")
    queue, alone = victim_path("queue"), victim_path("alone-posix")
    for label, argv, expected in (
            ("one process, one lock", [alone], 0),
            ("200 waiters (posix)", [queue, "posix", "200"], 201),
            ("200 waiters (flock)", [queue, "flock", "200"], 201),
            ("200 waiters (ofd)", [queue, "ofd", "200"], 201),
            ("always changing, 4 threads", ["nice", victim_path("crowd"), "1000000000"], 0)):
        victim = case.start(argv)
        if "changing" not in label:
            victim.await_ready()
        found = sorted(cost(case, victim.pid, expected) for _ in range(min(ROUNDS, 3)))
        percent, begin = found[len(found) // 2]
        print(f"  {label:32} {percent:6.2f} % {begin:8.0f} ms")
        victim.kill()
