"""Processes in containers and chroots, with their holder and their waiter inside and lockjam outside:
paths as they see them, their pids here and there, names from the files of their own root."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import container, hang, tap, views  # noqa: E402
from lib.case import clean_environment  # noqa: E402

TOOLS = "/only here/tools"  # no such directory on the machine


def both_pids(case, path, inside):
    """The graph has the pids of here, and under them those that they have inside."""
    lines = case.lockjam("graph", path).stdout.splitlines()
    for outer, inner in inside.items():
        at = next(i for i, line in enumerate(lines) if f" (pid {outer}) " in line)
        details = lines[at + 1:at + 5]
        assert f"pid {inner} in its namespace" in [d.strip() for d in details], lines
        assert "path as it sees it, in a mount namespace of its own" in "\n".join(lines), lines
    processes = hang.view(case, "graph", path)["processes"]
    assert inside.items() <= {p["pid"]: p["ns_pid"] for p in processes}.items(), processes


def add_kind(kind):
    @tap.test(f"a mount and pid namespace with a tmpfs of its own: a {kind} lock")
    def _(case):
        hang.need_root("it makes namespaces")
        path = "/mnt/cyrus.index"
        inside = container.Container(case, "mount -t tmpfs none /mnt")
        inner, holder = inside.spawn(hang.holder_argv(path, kind), True)
        inner_waiter, waiter = inside.spawn(hang.waiter_argv(path, kind))
        assert inner != holder and inner_waiter != waiter, (inner, holder)
        hang.waiting(waiter)
        assert not os.path.exists(path)
        hang.shows_waiter(case, holder, waiter, path, "python3")
        both_pids(case, path, {holder: inner, waiter: inner_waiter})
        core = hang.moved(case, hang.gcore(case, waiter))
        names = hang.names_of(hang.view(case, "report", core), waiter)
        assert "PyEval_EvalCode" in names, names


add_kind("posix")
add_kind("flock")
add_kind("ofd")


def private_root(case):
    """A root with flock(1), cat and sh, whose libraries the machine does not have at that place."""
    root = case.path("root")
    for program in ("flock", "cat", "sh"):
        container.copy_program(hang.need(program), root, TOOLS)
    os.mkdir(root + "/dev")
    open(root + "/dev/null", "w", encoding="ascii").close()  # sh gives it to what it puts behind
    return root


ENVIRONMENT = dict(clean_environment(), LD_LIBRARY_PATH=TOOLS)
STARTS = ["flock", "start_main"]


def starts(graph, pid):
    """The functions of a stack: debug information calls them otherwise than the table of symbols."""
    return [re.sub("^libc_|_impl$", "", name) for name in hang.names_of(graph, pid)]


def start_chroot(case):
    """(flock(1) that holds a lock in a chroot, one that waits, the root)."""
    root = private_root(case)
    base = ["chroot", root, TOOLS + "/flock", "/index", TOOLS + "/cat"]
    holder = case.start(base, env=ENVIRONMENT)
    holder.process.stdin.write("ready\n")
    holder.process.stdin.flush()
    holder.await_ready()
    waiter = case.start(base, env=ENVIRONMENT)
    hang.waiting(waiter.pid)
    return holder.pid, waiter.pid, root


def stands_alone(case, holder, waiter, path, targets):
    """The lock, its parties, and the names of the waiter's stack, from the files of their own root."""
    for target in targets:
        lock = hang.lock_of(hang.view(case, "graph", *target), path)
        assert [h["pid"] for h in lock["holders"]] == [holder], (target, lock)
        assert [w["pid"] for w in lock["waiters"]] == [waiter], (target, lock)
    names = starts(hang.view(case, "stacks", str(waiter)), waiter)
    assert views.is_subsequence(STARTS, names), names
    return names


def core_alone(case, core, pid, names, root):
    """The core's stack has the living one's names; nothing is made up when the files are gone."""
    report = hang.view(case, "report", "--sysroot", root, core)
    found = starts(report, pid)
    assert views.is_subsequence(STARTS, found) and len(found) == len(names), (found, names, report)
    shutil.rmtree(root + TOOLS)
    report = hang.view(case, "report", core)
    assert "libc.so.6" in str(report["notes"]), report["notes"]
    assert not views.findings(report), report["findings"]


@tap.test("a chroot whose programs and libraries are only there")
def _(case):
    hang.need_root("it calls chroot()")
    holder, waiter, root = start_chroot(case)
    names = stands_alone(case, holder, waiter, root + "/index",
                         ([], [str(waiter)], ["flock"], [root + "/index"]))
    core_alone(case, hang.moved(case, hang.gcore(case, waiter)), waiter, names, root)


# In the root: $0 is the directory of the tools. A command in the background has no input, but 3.
PIVOTED = """
exec 3<&0
"$0/flock" /index "$0/sh" -c ': >/held; exec "$0/cat"' "$0" <&3 & echo "holder $!"
until [ -e /held ]; do :; done
"$0/flock" /index "$0/cat" <&3 & echo "waiter $!"
echo ready
wait
"""


@tap.test("a container: mount and pid namespaces and a root of its own, pivot_root as docker does")
def _(case):
    hang.need_root("it makes namespaces")
    root = private_root(case)
    os.mkdir(root + "/old")
    victim = container.start(
        case, f"mount --bind '{root}' '{root}'; cd '{root}'; pivot_root . old",
        ["/old/usr/sbin/chroot", ".", TOOLS + "/sh", "-c", PIVOTED, TOOLS], env=ENVIRONMENT)
    victim.await_ready()
    inside = {word: int(victim.word(word)) for word in ("holder", "waiter")}
    holder = container.outside(victim, inside["holder"])
    waiter = container.outside(victim, inside["waiter"])
    hang.waiting(waiter)
    both_pids(case, "/index", {holder: inside["holder"], waiter: inside["waiter"]})
    names = stands_alone(case, holder, waiter, "/index",
                         ([], [str(waiter)], [str(holder)], ["flock"], ["/index"]))
    text = case.lockjam("graph", str(waiter)).stdout
    assert f"{TOOLS}/flock (pid {waiter}) ++WAITING++ for WRITE lock on /index\n" in text, text
    core_alone(case, hang.moved(case, hang.gcore(case, waiter)), waiter, names, root)


if __name__ == "__main__":
    tap.main()
