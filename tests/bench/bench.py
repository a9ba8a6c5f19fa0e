"""The figures of docs/performance.md: ratios, measured side by side in one run.

Each figure is the median of several rounds; in every round all variants run one after the other,
so that what else the machine does meets all of them. Usage: make bench [ROUNDS=N]."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc  # noqa: E402
from lib.case import BUILDDIR, Case, LOCKJAM, SRCDIR, victim_path, wait_until  # noqa: E402
from measure import ROUNDS, medians, milliseconds, number_of, table, under  # noqa: E402
from mutex import bench_mutex  # noqa: E402
from sampling import bench_sampling  # noqa: E402
from standstill import bench_stall  # noqa: E402

def bench_malloc(case):
    pairs = victim_path("pairs", "bench")
    table("malloc + free", "ns", medians({
        "without": lambda: number_of(case, [pairs, "malloc", "5000000"]),
        "lockjam": lambda: number_of(case, [pairs, "malloc", "5000000"], "preload"),
    }), "without", "1.15 x")


def bench_calls(case):
    """Functions of unsafe.def outside handlers: the thunk is a load, a branch and a jump."""
    pairs = victim_path("pairs", "bench")
    for function in ("fileno", "rand"):
        found = medians({
            "without": lambda f=function: number_of(case, [pairs, f, "20000000"]),
            "lockjam": lambda f=function: number_of(case, [pairs, f, "20000000"], "preload"),
        })
        table(f"{function}(), outside handlers", "ns", found, "without")
        print(f"  the thunk: {found['lockjam'] - found['without']:.2f} ns (budget: 2 ns)")


def sanitized(case, compiler, source):
    """A program built for ThreadSanitizer, or None."""
    path = case.path("tsan-" + compiler)
    command = under(compiler, "-O2", "-g", "-D_GNU_SOURCE", "-fsanitize=thread", "-I" + SRCDIR,
                    os.path.join(SRCDIR, source), "-o", path, "-lpthread")
    return path if command and case.run(command).returncode == 0 else None


def bench_delivery(case):
    """A signal to oneself, and a timer's, with a handler that does nothing and with one that calls what is
    unsafe; beside ThreadSanitizer, which writes a report for each of malloc's calls: few of them, then."""
    delivery = victim_path("delivery", "bench")
    compilers = [(c, sanitized(case, c, "tests/bench/delivery.c")) for c in ("gcc", "clang")]
    for way, call, count in (("raise", "nothing", 50000), ("kill", "nothing", 50000), ("timer", "nothing", 2000),
                             ("raise", "strtok", 50000), ("raise", "malloc", 50000)):
        variants = {
            "without": lambda a=(way, call, str(count)): number_of(case, [delivery, *a]),
            "lockjam": lambda a=(way, call, str(count)): number_of(case, [delivery, *a], "preload"),
        }
        few = str(20 if call == "malloc" else count)
        # ThreadSanitizer keeps a timer's signals back until the program calls it.
        for name, program in compilers if way != "timer" else ():
            if program:
                variants[f"{name} -fsanitize=thread"] = lambda p=program, a=(way, call, few): number_of(
                    case, ["env", "TSAN_OPTIONS=exitcode=0", p, *a])
        title = f"a signal by {way}" + (f", its handler calls {call}()" if call != "nothing" else "")
        table(title, "ns", medians(variants), "without")


def bench_locks(case):
    pairs = victim_path("pairs", "bench")
    variants = {
        "without": lambda: number_of(case, [pairs, "lock", "200000"]),
        "lockjam": lambda: number_of(case, [pairs, "lock", "200000"], "preload"),
        "lockjam, under 10 frames": lambda: number_of(case, [pairs, "lock", "200000", "10"], "preload"),
    }
    strace = under("strace", "-f", "-o", "/dev/null", "-e", "trace=fcntl,flock")
    helgrind = under("valgrind", "--tool=helgrind", "--log-file=/dev/null")
    if strace:
        variants["strace -f -e trace=fcntl,flock"] = lambda: number_of(
            case, [*strace, pairs, "lock", "2000"])
    if helgrind:
        variants["valgrind --tool=helgrind"] = lambda: number_of(
            case, [*helgrind, pairs, "lock", "20000"])
    table("fcntl lock + unlock under 20 frames", "ns", medians(variants), "without", "2.0 x")
    for title, word in (("that would wait", "wait"), ("that would wait, while another is held", "nested")):
        found = medians({
            "without": lambda w=word: number_of(case, [pairs, w, "200000"]),
            "lockjam": lambda w=word: number_of(case, [pairs, w, "200000"], "preload"),
        })
        table(f"fcntl lock + unlock under 20 frames, {title}", "ns", found, "without")


def bench_orders(case):
    """The search for lock orders, alone: models from a generator, from 1,000 edges on."""
    generator = victim_path("orders", "bench")
    for title, word in (("all agree", "agree"), ("100 inversions", "invert"), ("one ring of all", "ring"),
                        ("all orders, behind one gate", "gate")):
        print(f"\nlock orders: {title} (ms; ns for each edge and doubling)")
        for edges in (1000, 10000, 100000, 1000000):
            found = medians({"": lambda e=edges, w=word: number_of(case, [generator, w, str(e)])})[""]
            print(f"  {edges:9} edges of {max(1, edges // 10):7} processes {found:10.1f} "
                  f"{found * 1e6 / edges / (edges.bit_length()):10.1f}")


def inserts(case, shim, transactions=5000, rows=1, directory=None, pragma="synchronous=off"):
    """Milliseconds of so many transactions of so many inserts."""
    path = os.path.join(directory or case.dir, "bench.db")
    for suffix in ("", "-journal", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
    one = "BEGIN;" + "INSERT INTO t VALUES(random());" * rows + "COMMIT;\n"
    script = f"PRAGMA {pragma};\nCREATE TABLE t(x);\n" + one * transactions
    start = time.monotonic()
    result = case.run(["sqlite3", path], shim, input=script, stdin=None)
    assert result.returncode == 0, result.stderr
    return (time.monotonic() - start) * 1000


def bench_sqlite(case):
    if not shutil.which("sqlite3"):
        return
    disk = tempfile.mkdtemp(prefix="bench-", dir=BUILDDIR)
    try:
        for title, options in (
                ("500 transactions of one insert, on disk, as sqlite3 comes",
                 dict(transactions=500, directory=disk, pragma="synchronous=full")),
                ("500 transactions of 100 inserts, on a tmpfs, synchronous=off",
                 dict(transactions=500, rows=100)),
                ("5,000 transactions of one insert, on a tmpfs, synchronous=off",
                 dict(transactions=5000))):
            found = medians({"without": lambda o=options: inserts(case, None, **o),
                             "lockjam": lambda o=options: inserts(case, "preload", **o)})
            table(f"sqlite3: {title}", "ms", found, "without")
            print(f"  throughput: {found['without'] / found['lockjam']:.3f} of without "
                  "(budget: 0.97)")
    finally:
        shutil.rmtree(disk)


def resident(path):
    return os.stat(path).st_blocks * 512


def bench_memory(case):
    """Resident bytes of a segment: what it has written pages of, on a tmpfs."""
    print("\nresident bytes of a segment (budget: 65536)")
    for name, victim in (("one lock", "alone-posix"), ("a handler, no finding", "handler-safe"),
                         ("a finding with its stack", "heap-single"),
                         ("8 ranges", "ranges-posix")):
        process = case.victim(victim, shim="preload")
        path, = [n for n in os.listdir(case.session) if n.startswith(f"{process.pid}-")]
        print(f"  {name:42} {resident(os.path.join(case.session, path)):12}")
        process.kill_all()
    before = set(os.listdir(case.session))
    inserts(case, "preload")
    for name in set(os.listdir(case.session)) - before:
        print(f"  {'sqlite3 after 5,000 transactions':42} "
              f"{resident(os.path.join(case.session, name)):12}")


def bench_crowd(case, shim, count=1000):
    """One row of processes that hold and wait; with the shim also their session."""
    crowd = case.start([victim_path("crowd", "bench"), str(count)], shim).await_ready()
    wait_until(lambda: sum(lock.depth > 0 for lock in proc.locks()) >= count, "all to wait", 60)

    def read_locks():
        start = time.monotonic()
        proc.read("locks")
        return (time.monotonic() - start) * 1000

    variants = {
        "lslocks": lambda: milliseconds(["lslocks"]),
        "lockjam graph": lambda: milliseconds([LOCKJAM, "graph"]),
        "lockjam graph --format=json": lambda: milliseconds([LOCKJAM, "graph", "--format", "json"]),
        "reading /proc/locks": read_locks,
    }
    if shim:
        variants["lockjam graph of the session"] = lambda: milliseconds(
            [LOCKJAM, "graph", "-o", case.session])
    title = "recorded by the shim" if shim else "without the shim"
    table(f"{count} holders and {count} waiters in {2 * count} processes, {title}", "ms",
          medians(variants), "lslocks", "0.33 x")
    crowd.process.kill()
    wait_until(lambda: sum(lock.depth > 0 for lock in proc.locks()) < count, "all to end", 60)


def bench_idle(case, count=5000):
    """A system full of processes that have nothing to do with locks, and one contended OFD lock,
    for whose holder and waiter all of them have to be looked at."""
    holder, waiter = case.actor(), case.actor()
    holder.do("fd = posix('posix')")
    before = medians({"posix": lambda: milliseconds([LOCKJAM, "graph", case.path("posix")])})
    crowd = case.start([victim_path("crowd", "bench"), str(count), "idle"]).await_ready()
    variants = {
        "lslocks": lambda: milliseconds(["lslocks"]),
        "lockjam graph, a POSIX lock": lambda: milliseconds([LOCKJAM, "graph"]),
    }
    table(f"{count} idle processes", "ms", medians(variants), "lslocks")
    print(f"  without them {before['posix']:.1f} ms")
    holder.do("fd = ofd('ofd')")
    waiter.send("ofd('ofd', wait=True)")
    wait_until(lambda: proc.is_waiting_for_lock(waiter.pid), "the request to wait")
    variants = {
        "lslocks": lambda: milliseconds(["lslocks"]),
        "lockjam graph, an OFD lock and a waiter": lambda: milliseconds([LOCKJAM, "graph"]),
    }
    table(f"{count} idle processes", "ms", medians(variants), "lslocks")
    crowd.process.kill()


def bench_graph(case):
    bench_crowd(case, None)
    bench_crowd(case, "preload")
    bench_idle(case)


def main():
    subjects = [bench_malloc, bench_calls, bench_delivery, bench_locks, bench_orders, bench_sqlite,
                bench_memory, bench_graph, bench_stall, bench_sampling, bench_mutex]
    for subject in subjects:
        if len(sys.argv) > 1 and subject.__name__[6:] not in sys.argv[1:]:
            continue
        case = Case()
        try:
            subject(case)
        finally:
            case.close()


if __name__ == "__main__":
    print(f"median of {ROUNDS} rounds, all variants in each; "
          f"{os.cpu_count()} processors, Linux {os.uname().release}")
    main()
