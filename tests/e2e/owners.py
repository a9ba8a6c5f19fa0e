"""Who really holds: of locks that belong to open file descriptions the kernel tells nobody, or who
took them once. Nothing runs under the shim."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import SRCDIR, Skip, wait_until  # noqa: E402


def locks_of(case, path):
    """The locks of a file, and the notes, of the running system."""
    view = case.json_now("graph", case.path(path))
    return view["locks"], [note["text"] for note in view["notes"]]


def only_holders(case, path):
    """The holders of a file that has one entry."""
    locks, _ = locks_of(case, path)
    assert len(locks) == 1, locks
    return locks[0]["holders"]


def text_of(case, path):
    return case.lockjam("graph", case.path(path)).stdout


def waiter(case, request):
    """An actor that waits for a lock."""
    actor = case.actor()
    actor.send(request)
    wait_until(lambda: proc.is_waiting_for_lock(actor.pid), "the request to wait")
    return actor


@tap.test("copies of one open file description are one holder")
def _(case):
    for request in ("ofd('ofd', READ)", "flock('flock')"):
        path = request.partition("'")[2].partition("'")[0]
        actor = case.actor()
        actor.do(f"fd = {request}")
        actor.do("copy = os.dup(fd)")
        heir = actor.do("child()")
        if path == "flock":
            waiter(case, "flock('flock', wait=True)")
        holder, = only_holders(case, path)
        assert holder["pid"] == actor.pid and holder["shared_with"] == [heir], (holder, heir)
        assert f"the same open file description is also in {os.path.realpath(sys.executable)} " \
            f"(pid {heir})" in text_of(case, path)


@tap.test("several descriptions of one process, and of several, are several holders")
def _(case):
    for request in ("ofd('ofd', READ)", "flock('flock', READ)"):
        path = request.partition("'")[2].partition("'")[0]
        first, second = case.actor(), case.actor()
        first.do(f"a, b, c = {request}, {request}, os.dup(0)")
        first.do("d = os.dup(a)")
        second.do(request)
        waiter(case, request.replace("READ", "WRITE, wait=True"))
        holders = only_holders(case, path)
        assert [h["pid"] for h in holders].count(first.pid) == 2, holders
        assert [h["pid"] for h in holders].count(second.pid) == 1, holders
        assert not any(h["shared_with"] for h in holders), holders


@tap.test("a lock whose taker has ended is its heirs'")
def _(case):
    actor = case.actor()
    actor.do("fd = flock('file')")
    heirs = [actor.do("child(survives=True)") for _ in range(2)]
    stranger = actor.do("child('os.close(fd)', survives=True)")
    actor.kill()
    blocked = waiter(case, "flock('file', wait=True)")
    locks, _ = locks_of(case, "file")
    holder, = locks[0]["holders"]
    assert sorted([holder["pid"], *holder["shared_with"]]) == sorted(heirs), (locks, stranger)
    assert holder["taken_by"] == actor.pid and holder["inherited"], holder
    assert [w["pid"] for w in locks[0]["waiters"]] == [blocked.pid], locks
    assert f"inherited from process {actor.pid}, which has ended" in text_of(case, "file")


@tap.test("a lock passed over a socket is the receiver's, though its taker lives")
def _(case):
    for request in ("flock('flock')", "ofd('ofd')", "lease('lease')"):
        path = request.partition("'")[2].partition("'")[0]
        actor = case.actor()
        actor.do(f"socket_end, other_end = pass_over({request})")
        receiver = actor.do("child('received = receive(socket_end)')")
        holder, = only_holders(case, path)
        assert holder["pid"] == receiver, (holder, receiver, actor.pid)
        if path != "ofd":
            assert "which does not have it any more" in text_of(case, path)


@tap.test("a lock in flight belongs to nobody, and that is said")
def _(case):
    for request in ("flock('flock')", "ofd('ofd')"):
        path = request.partition("'")[2].partition("'")[0]
        actor = case.actor()
        actor.do(f"locked = {request}")
        ino = os.stat(case.path(path)).st_ino
        actor.do("socket_end, other_end = pass_over(locked)")
        view = case.json_now("graph")
        lock, = [lock for lock in view["locks"] if lock["ino"] == ino]
        assert [h["pid"] for h in lock["holders"]] == [None], lock
        notes = [note["text"] for note in view["notes"]]
        socket_fd = actor.do("socket_end.fileno()")
        assert any(f"process {actor.pid} has 1 descriptors waiting in its socket {socket_fd}" in n
                   for n in notes), notes
        assert lock["holders"][0]["owner_unknown"] or \
            any("may not be read" in note for note in notes), (lock, notes)


@tap.test("a lock that only a mapping keeps is the mapping process's")
def _(case):
    actor = case.actor()
    actor.do("fd = flock('file')")
    actor.do("os.truncate('file', 4096)")
    actor.do("import mmap")
    actor.do("mapping = mmap.mmap(fd, 4096)")
    actor.do("[os.close(n) for n in map(int, os.listdir('/proc/self/fd'))"
             " if n > 2 and os.path.exists(f'/proc/self/fd/{n}')]")
    holder, = only_holders(case, "file")
    assert (holder["pid"], holder["evidence"]) == (actor.pid, "inferred"), holder
    assert holder["through_mapping"], holder
    assert "kept by a mapping of the file" in text_of(case, "file")


@tap.test("a process whose main thread has ended holds on")
def _(case):
    actor = case.actor()
    actor.do("a, b, c = posix('posix'), flock('flock'), ofd('ofd')")
    actor.do("thread(time.sleep, 100)")
    actor.send("_libc.pthread_exit(None)")
    wait_until(lambda: proc.state(actor.pid) == "Z", "the main thread to end")
    for path in ("posix", "flock", "ofd"):
        holder, = only_holders(case, path)
        assert holder["pid"] == actor.pid, (path, holder)
    assert text_of(case, "flock").startswith(os.path.realpath(sys.executable))


@tap.test("whoever has the dead taker's pid by now is not named")
def _(case):
    try:
        with open("/proc/sys/kernel/ns_last_pid", "r+", encoding="ascii"):
            pass
    except OSError as error:
        raise Skip(f"the next pid cannot be chosen: {error}") from error
    starter = case.actor()
    taker, heir = starter.do("taker_of('file')")
    for _ in range(200):
        innocent = starter.do(f"next_pid({taker})")
        if innocent == taker:
            break
    else:
        raise Skip("others were faster to take the pid, 200 times")
    assert any(lock.kind == "FLOCK" and lock.pid == innocent for lock in proc.locks())
    holder, = only_holders(case, "file")
    assert holder["pid"] == heir, (holder, innocent, heir)
    assert innocent not in [h["pid"] for h in views.parties(case.json_now("graph"), "holders")]


@tap.test("waiting threads are named")
def _(case):
    for kind in ("posix", "flock", "ofd"):
        holder = case.actor()
        holder.do(f"{kind}({kind!r})")
        many = case.actor()
        idle = many.do("thread(time.sleep, 100)")
        other = many.do(f"thread(posix, 'elsewhere {kind}')")
        tid = many.do(f"thread({kind}, {kind!r}, wait=True)")
        wait_until(lambda t=tid, m=many: proc.syscall(m.pid, t) in (72, 73, 25, 32), "it to wait")
        locks, _ = locks_of(case, kind)
        party, = locks[0]["waiters"]
        assert (party["pid"], party["tid"]) == (many.pid, tid), (locks, idle, other)
        assert f", thread {tid}\n" in text_of(case, kind)


@tap.test("two threads that wait for two ranges are not mixed up")
def _(case):
    for kind in ("posix", "ofd"):
        case.actor().do(f"{kind}({kind!r}, WRITE, 0, 100)")
        many = case.actor()
        asked = {(10, 19): "10, 10", (20, 20): "20, 1"}
        tids = {many.do(f"thread({kind}, {kind!r}, WRITE, {args}, wait=True)"): asked_for
                for asked_for, args in asked.items()}
        for tid in tids:
            wait_until(lambda t=tid, m=many: proc.syscall(m.pid, t) in (72, 25), "it to wait")
        locks, _ = locks_of(case, kind)
        found = {w["tid"]: (w["start"], w["end"]) for w in locks[0]["waiters"]}
        assert found == tids, (found, tids)


@tap.test("32-bit programs that wait are read by their own numbers")
def _(case):
    source = os.path.join(SRCDIR, "tests/victims/wait-posix32.S")
    for kind, command in (("posix", 14), ("ofd", 38)):
        program = case.path(f"wait32-{kind}")
        built = case.run(["gcc", "-m32", "-nostdlib", "-static", f"-DCOMMAND={command}", source,
                          "-o", program]) if shutil.which("gcc") else None
        if not built or built.returncode or os.uname().machine != "x86_64":
            raise Skip("no 32-bit program can be made here")
        holder = case.actor()
        holder.do(f"fd = {kind}('lock', WRITE, 0, 100)")
        victim = case.start([program])
        wait_until(lambda v=victim: v.process.poll() is not None or proc.state(v.pid) == "S" and
                   proc.syscall(v.pid) == 221, "it to wait")
        if victim.process.poll() is not None:
            raise Skip("the kernel runs no 32-bit programs")
        locks, _ = locks_of(case, "lock")
        party, = locks[0]["waiters"]
        assert (party["pid"], party["start"], party["end"]) == (victim.pid, 10, 14), locks
        assert party["tid"] == victim.pid, party
        holder.kill()


@tap.test("innocent: after the release nobody holds")
def _(case):
    actor = case.actor()
    actor.do("fd = flock('file')")
    heir = actor.do("child()")
    actor.do("fcntl.flock(fd, fcntl.LOCK_UN)")
    locks, notes = locks_of(case, "file")
    assert not locks, (locks, heir)
    assert any("nobody is seen" in note for note in notes), notes


if __name__ == "__main__":
    tap.main()
