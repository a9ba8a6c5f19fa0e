"""What recording costs a lock of threads that nobody else wants, at each level of LOCKJAM_TRACK; beside the
tools that look for deadlocks of threads."""
import os
import shutil
import subprocess

from lib.case import SRCDIR, victim_path
from measure import medians, table, under

COUNT = 4000000
KINDS = {"mutex": "mutex lock + unlock", "recursive": "recursive mutex", "nested": "mutex inside of a mutex",
         "rdlock": "rwlock, read", "wrlock": "rwlock, write", "spin": "spin lock",
         "sem": "semaphore, wait + post", "cond": "condition signalled, nobody waits"}


def runner(case, argv, level=None):
    """A function that runs it once; its figure."""
    env = dict(case.shim_environment(), LOCKJAM_TRACK=level) if level else None

    def run():
        result = case.run(argv, env=env, cwd=case.dir)
        assert result.returncode == 0, result
        return float(result.stdout.split()[-1])
    return run


def with_thread_sanitizer(case):
    """The same program, built with it; None where that cannot be done."""
    program = case.path("locks-tsan")
    compiler = shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return None
    built = subprocess.run([compiler, "-O2", "-fsanitize=thread", "-pthread", "-o", program,
                            os.path.join(SRCDIR, "tests", "bench", "locks.c")], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return program if built.returncode == 0 else None


def peers(case, program, kind):
    variants = {}
    for tool in ("helgrind", "drd"):
        valgrind = under("valgrind", f"--tool={tool}", "--log-file=/dev/null")
        if valgrind:
            variants[f"valgrind --tool={tool}"] = runner(case, [*valgrind, program, kind, "100000"])
    sanitized = with_thread_sanitizer(case)
    if sanitized:
        variants["-fsanitize=thread"] = runner(case, [sanitized, kind, "1000000"])
    return variants


def bench_mutex(case):
    program = victim_path("locks", "bench")
    for kind, title in KINDS.items():
        argv = [program, kind, str(COUNT)]
        variants = {"without": runner(case, argv)}
        variants.update({level: runner(case, argv, level) for level in ("off", "count", "full")})
        if kind == "mutex":
            variants.update(peers(case, program, kind))
        table(f"{title}, uncontended", "ns", medians(variants), "without",
              "1.5 x" if kind == "mutex" else "")
    argv = [program, "contended", "2000000", "4"]
    table("one mutex, four threads", "ns", medians({
        "without": runner(case, argv), "full": runner(case, argv, "full")}), "without")
