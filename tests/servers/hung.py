"""Debian's programs, hung by a process that keeps the file which they want, and looked at without the
shim: the graph, the report, the core of gcore. Under `lockjam run` the same, for comparison."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import hang, proc, tap, views  # noqa: E402
from lib.case import LOCKJAM, wait_until  # noqa: E402

# SQLite locks bytes behind the first GiB: pending, reserved, and 510 that readers share.
PENDING_BYTE, LOCK_BYTES = 0x40000000, 512
def told_again(case, pid, core, names, *arguments):
    """A core's frames are those of the living process."""
    report = hang.view(case, "report", *arguments, core)
    assert report["core"]["pid"] == pid and report["core"]["file"] == core, report["core"]
    found = hang.names_of(report, pid)
    assert views.is_subsequence(names, found), (names, found, report["notes"])


def core_waits(case, core, pid, tid, kind):
    """A core alone tells which thread waited for what kind of lock; of which file, nobody can know."""
    lock, = hang.view(case, "report", core)["locks"]
    assert (lock["file"], lock["kind"], lock["mode"], lock["start"], lock["end"]) == (
        None, kind, "write", 0, None) and not lock["holders"], lock
    waits, = lock["waiters"]
    assert (waits["pid"], waits["tid"], waits["evidence"], waits["blocked_by"]) == (
        pid, tid, "inferred", None), waits
    assert waits["descriptor"] >= 3, waits
    text = case.lockjam("report", core).stdout
    assert f"(pid {pid}) ++WAITING++ for WRITE lock on a file that is not known\n" in text, text


def add_python(kind, place):
    @tap.test(f"python3 waits for a {kind} lock in its {place} thread".replace("thread thread",
                                                                            "other thread"))
    def _(case):
        path = case.path("cyrus.index")
        holder = hang.hold(case, path, kind)
        waiter = case.start(hang.waiter_argv(path, kind, place))
        tid = hang.waiting(waiter.pid, "any")
        assert (tid == waiter.pid) == (place == "main"), tid
        hang.shows_waiter(case, holder.pid, waiter.pid, path, "python3")
        core = hang.moved(case, hang.gcore(case, waiter.pid))
        names = hang.names_of(hang.view(case, "report", core), waiter.pid, tid)
        assert names[0] == ("flock" if kind == "flock" else "fcntl64"), names
        core_waits(case, core, waiter.pid, tid, kind)
        assert ("PyEval_EvalCode" if place == "main" else "start_thread") in names, names
        assert holder.finish() == 0
        assert waiter.finish() == 0


for _kind in ("posix", "flock", "ofd"):
    for _place in ("main", "thread"):
        add_python(_kind, _place)


@tap.test("the same python3 under lockjam run: since when and where, too")
def _(case):
    path = case.path("cyrus.index")
    holder = hang.hold(case, path)
    waiter = case.start(hang.waiter_argv(path), "run")
    pid = wait_until(lambda: proc.children(waiter.pid), "the program to start")[0]
    hang.waiting(pid)
    for arguments in (["-o", case.session], [path], [str(pid)], []):
        graph = hang.view(case, "graph", *arguments)
        waits, = hang.lock_of(graph, path)["waiters"]
        assert waits["pid"] == pid and waits["since_ns"] and waits["stack"], (arguments, waits)
        assert "PyEval_EvalCode" in views.functions(waits["stack"]), waits["stack"]
        assert waits["blocked_by"] == holder.pid, (arguments, waits)
    assert holder.finish() == 0
    assert waiter.finish() == 0


def sqlite(case, program="sqlite3"):
    """(holder, sqlite3 that polls for its file, the file). It never blocks in a lock request."""
    hang.need("sqlite3")
    path = case.path("mail.db")
    case.run(["sqlite3", path, "CREATE TABLE t(x);"])
    holder = hang.hold(case, path, "posix", PENDING_BYTE, LOCK_BYTES)
    poller = case.start([program, "-bail", "-cmd", ".timeout 60000", path,
                         "INSERT INTO t VALUES(1);"])
    hang.polling(poller.pid, path)
    return holder, poller, path


SQLITE_NAMES = ["clock_nanosleep", "usleep", "sqlite3InvokeBusyHandler", "sqlite3_prepare_v2"]


@tap.test("sqlite3 that polls: its file's holder is shown, and from its core where it is")
def _(case):
    program = shutil.copy(hang.need("sqlite3"), case.path("sqlite of mine"))
    holder, poller, path = sqlite(case, program)
    for target in ([], [path], [str(holder.pid)], [str(poller.pid)]):
        lock = hang.lock_of(hang.view(case, "graph", *target), path)
        assert [h["pid"] for h in lock["holders"]] == [holder.pid], (target, lock)
        assert (lock["holders"][0]["start"], lock["holders"][0]["end"]) == (
            PENDING_BYTE, PENDING_BYTE + LOCK_BYTES - 1), lock
        assert not lock["waiters"], lock  # nobody can tell, and nobody claims it
    # What is seen instead: a file that it has open is locked, and where it is.
    report = hang.view(case, "report", str(poller.pid))
    assert f"(pid {poller.pid}) holds no lock and waits for none, but has {path} open" in str(
        report["notes"]), report["notes"]
    assert views.is_subsequence(SQLITE_NAMES, hang.names_of(report, poller.pid)), report
    core = hang.gcore(case, poller.pid)
    told_again(case, poller.pid, core, SQLITE_NAMES)
    core = hang.moved(case, core)
    told_again(case, poller.pid, core, SQLITE_NAMES)
    # The program is gone: its part of the stack has no names; with --exe it is found again.
    os.rename(program, case.path("elsewhere/program"))
    told_again(case, poller.pid, core, SQLITE_NAMES, "--exe", case.path("elsewhere/program"))
    report = hang.view(case, "report", core)
    assert not report["locks"] and "do not have the file locks" in str(report["notes"]), report
    assert "No thread waited for a file lock." in case.lockjam("report", core).stdout
    other = case.lockjam("report", "--exe", "/bin/sh", core)
    assert "/bin/sh" in other.stdout + other.stderr, other
    assert holder.finish() == 0
    quiet = hang.view(case, "graph", str(os.getpid()))
    assert "but has" not in str(quiet["notes"]), quiet["notes"]
    assert poller.finish() == 0
    rows = case.run(["sqlite3", path, "SELECT x FROM t;"])
    assert rows.stdout == "1\n", rows


def dpkg_root(case):
    root = case.path("root")
    for name in ("updates", "info", "triggers"):
        os.makedirs(os.path.join(root, "var/lib/dpkg", name))
    for name in ("status", "available", "triggers/Lock"):
        open(os.path.join(root, "var/lib/dpkg", name), "w", encoding="ascii").close()
    return root, os.path.join(root, "var/lib/dpkg/triggers/Lock")


@tap.test("dpkg that waits for its triggers, on a private root")
def _(case):
    hang.need("dpkg")
    hang.need_root("dpkg configures for root only")
    root, path = dpkg_root(case)
    holder = hang.hold(case, path)
    dpkg = case.start(["dpkg", f"--root={root}", "--force-script-chrootless", "--log=/dev/null",
                       "--configure", "-a"])
    hang.waiting(dpkg.pid)
    graph = hang.shows_waiter(case, holder.pid, dpkg.pid, path, "dpkg")
    # What dpkg holds while it waits is a part of the story.
    assert hang.lock_of(hang.view(case, "report", "dpkg"), path)["waiters"], "report by name"
    held = {os.path.relpath(lock["file"], root): [h["pid"] for h in lock["holders"]]
            for lock in hang.view(case, "graph", "dpkg")["locks"] if lock["file"] != path}
    for name in ("var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend"):
        assert held.get(name) == [dpkg.pid], (held, graph)
    core = hang.moved(case, hang.gcore(case, dpkg.pid))
    told_again(case, dpkg.pid, core, ["fcntl64"])
    core_waits(case, core, dpkg.pid, dpkg.pid, "posix")
    told_again(case, dpkg.pid, core, ["fcntl64"], "--exe", hang.need("dpkg"))
    assert holder.finish() == 0
    assert dpkg.finish() == 0


@tap.test("apt-get that asks again and again: dpkg's lock of its root and its holder")
def _(case):
    hang.need("apt-get")
    hang.need_root("apt-get installs for root only")
    root, _ = dpkg_root(case)
    path = os.path.join(root, "var/lib/dpkg/lock-frontend")
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial",
                 "var/cache/apt/archives/partial"):
        os.makedirs(os.path.join(root, name))
    holder = hang.hold(case, path)
    apt = case.start(["apt-get", "-q", "-o", f"Dir={root}", "-o", "DPkg::Lock::Timeout=60", "-o",
                      f"Dir::State::status={root}/var/lib/dpkg/status", "install", "-y"])
    while not apt.line().startswith("Waiting for cache lock: Could not get lock"):
        pass
    hang.asleep(apt.pid)  # between two tries it has the file not even open
    lock = hang.lock_of(hang.view(case, "graph", path), path)
    assert [h["pid"] for h in lock["holders"]] == [holder.pid], lock
    core = hang.moved(case, hang.gcore(case, apt.pid))
    told_again(case, apt.pid, core, ["clock_nanosleep", "pkgCacheFile::Open",
                                     "CommandLine::DispatchArg"])


@tap.test("a program of another user, hung by a third one's")
def _(case):
    hang.need("setpriv")
    hang.need_root("it takes other users' ids")
    os.chmod(case.dir, 0o777)
    path = case.path("cyrus.index")
    open(path, "w", encoding="ascii").close()
    os.chmod(path, 0o666)
    as_user = ["setpriv", "--clear-groups", "--reset-env"]
    holder = case.start([*as_user, "--reuid=8", "--regid=8",
                         *hang.holder_argv(path, "flock")]).await_ready()
    waiter = case.start([*as_user, "--reuid=65534", "--regid=65534",
                         *hang.waiter_argv(path, "flock")])
    hang.waiting(waiter.pid)
    hang.shows_waiter(case, holder.pid, waiter.pid, path, "python3")
    users = {p["pid"]: (p["uid"], p["ppid"]) for p in
             hang.view(case, "report", str(waiter.pid))["processes"]}
    # Who has the other ends of what they wait for may stand there, too.
    assert users[holder.pid] == (8, os.getpid()) and users[waiter.pid] == (65534, os.getpid()), users
    # The waiter's user may look, too: what the kernel hides from it is said, and not made up.
    own = case.run([*as_user, "--reuid=65534", "--regid=65534", LOCKJAM, "graph", str(waiter.pid)])
    assert own.returncode == 0, own
    assert f"(pid {holder.pid})" in own.stdout and f"(pid {waiter.pid}) ++WAITING++" in own.stdout, own
    assert "may not be read (run as root)" in own.stdout, own.stdout


CROWD = """
import fcntl, os, signal, sys
def child(number, is_holder):
    fd = os.open(f"index-{number}", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(fd, fcntl.LOCK_EX) if is_holder else os.write(told[1], b".")
    os.write(told[1], b".") if is_holder else fcntl.lockf(fd, fcntl.LOCK_EX)
    signal.pause()
told = os.pipe()
for is_holder in (True, False):
    for number in range(100):
        pid = os.fork()
        if not pid:
            child(number, is_holder)
        os.read(told[0], 1)
        print("holder" if is_holder else "waiter", pid)
print("ready", flush=True)
sys.stdin.read()
"""


@tap.test("of a hundred pairs, whoever is asked for: the holder's backtrace")
def _(case):
    crowd = case.start([hang.PYTHON, "-c", CROWD]).await_ready()
    pids = {word: [int(said.split()[1]) for said in crowd.said if said.startswith(word)]
            for word in ("holder", "waiter")}
    for at in (0, 70, 99):
        holder, waiter = pids["holder"][at], pids["waiter"][at]
        hang.waiting(waiter)
        for target in (str(holder), str(waiter), case.path(f"index-{at}")):
            graph = hang.view(case, "graph", target)
            assert "pause" in hang.names_of(graph, holder), graph["backtraces"]
            assert not [n for n in graph["notes"] if "not looked at" in n["text"]], graph["notes"]


if __name__ == "__main__":
    tap.main()
