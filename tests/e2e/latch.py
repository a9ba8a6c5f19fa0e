"""The shim opened by a running program, which calls lockjam_attach() and lockjam_detach() itself: nothing
comes out differently, everything is as before afterwards, and what is recorded in between is true."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import segment, tap, views  # noqa: E402
from lib.case import SHIM, victim_path, wait_until  # noqa: E402

# How long the busy programs run; `make check-rounds` asks for more.
SECONDS = int(os.environ.get("LOCKJAM_TEST_ROUNDS_SECONDS", "6"))
RUNNING, EXITED, DETACHED = 0, 2, 3

OPEN = (f"shim = ctypes.CDLL({SHIM!r}); "
        "shim.lockjam_attach.restype = shim.lockjam_detach.restype = ctypes.c_int64; "
        "shim.lockjam_attach.argtypes = [ctypes.c_char_p]")


def attach(case, actor):
    """The program opens the shim and has itself recorded in the case's session; how many calls."""
    os.makedirs(case.session, exist_ok=True)
    actor.do(OPEN)
    count = actor.do(f"shim.lockjam_attach({case.session.encode()!r})")
    assert count > 0, count
    return count


def detach(actor):
    count = actor.do("shim.lockjam_detach()")
    assert count > 0, count


def records(case, pid):
    """The segments of a process, by image."""
    names = sorted((n for n in os.listdir(case.session) if n.startswith(f"{pid}-")),
                   key=lambda n: int(n[:-4].split("-")[2]))
    return [segment.Segment(os.path.join(case.session, n)) for n in names]


def add_rounds(name):
    @tap.test(f"{name}: recorded and not recorded in turn, a busy program works as ever", SECONDS + 180)
    def _(case):
        folder = case.path("rounds")
        os.makedirs(folder)
        result = case.run([victim_path(name, "latch"), SHIM, folder, "1000000", str(SECONDS)],
                          timeout=SECONDS + 150)
        assert result.returncode == 0, (result.returncode, result.stdout, result.stderr)
        counts = {w: int(n) for w, n in (line.split()[:2] for line in result.stdout.splitlines())}
        print("#", ", ".join(f"{k} {v}" for k, v in counts.items()))
        assert all(counts.values()), counts


add_rounds("rounds-now")
add_rounds("rounds-lazy")


@tap.test("opened and not attached, it does nothing: no record, no handler, no call changed")
def _(case):
    actor = case.actor()
    os.makedirs(case.session)
    actor.do(OPEN)
    assert actor.do("shim.lockjam_detach()") == -2  # ENOENT
    actor.do("flock('a')")
    assert actor.do("child('flock(path_of(\"b\"))')")
    assert os.listdir(case.session) == []
    assert case.json_now("graph", str(actor.pid))["processes"][0]["recorded"] is False


@tap.test("preloaded, it refuses: it records already")
def _(case):
    actor = case.actor(shim="preload")
    actor.do(OPEN)
    assert actor.do("shim.lockjam_attach(None)") == -114  # EALREADY


@tap.test("what was held before is taken over and says so; what comes later is recorded with its stack")
def _(case):
    actor = case.actor()
    for line in ("a = flock('flock')", "b = posix('posix', start=5, length=10)", "c = ofd('ofd', READ)",
                 "d = os.dup(a)", "e = posix('posix', READ, start=100, length=1)"):
        actor.do(line)
    attach(case, actor)
    actor.do("f = flock('later')")
    view = case.json("graph")
    held = sorted((os.path.basename(lock["file"]), h["kind"] if "kind" in h else lock["kind"],
                   h["mode"], h["start"], h["taken_before_attach"])
                  for lock in view["locks"] for h in lock["holders"])
    assert held == [("flock", "flock", "write", 0, True), ("later", "flock", "write", 0, False),
                    ("ofd", "ofd", "read", 0, True), ("posix", "posix", "read", 100, True),
                    ("posix", "posix", "write", 5, True)], held
    assert all(h["evidence"] == "observed" for h in views.parties(view, "holders"))
    text = case.text("graph")
    assert text.count("taken before attach") == 4, text
    assert any("recording since" in n["text"] for n in view["notes"]), view["notes"]
    # They end like any other.
    actor.do("os.close(d)")
    actor.do("os.close(a)")
    actor.do("os.close(os.open('posix', os.O_RDONLY))")
    actor.do("fcntl.fcntl(c, fcntl.F_OFD_SETLK, struct.pack('hhqqi', fcntl.F_UNLCK, 0, 0, 0, 0))")
    left = [h for h in views.parties(case.json("graph"), "holders")]
    assert len(left) == 1 and not left[0]["taken_before_attach"] and left[0]["stack"], left


@tap.test("taken off, the record has ended; attached again, there is a new one")
def _(case):
    actor = case.actor()
    actor.do("a = flock('file')")
    attach(case, actor)
    assert actor.do(f"shim.lockjam_attach({case.session.encode()!r})") == -114
    detach(actor)
    actor.do("b = flock('unseen')")
    first, = records(case, actor.pid)
    assert (first.state, first.image) == (DETACHED, 0)
    view = case.json("report")
    assert "detached" in [p["state"] for p in view["processes"]], view["processes"]
    assert not [h for h in views.parties(view, "holders") if h["evidence"] == "recorded"], view
    actor.do(f"shim.lockjam_attach({case.session.encode()!r})")
    first, second = records(case, actor.pid)
    assert (first.state, second.state, second.image) == (DETACHED, RUNNING, 1)
    files = sorted(os.path.basename(lock["file"]) for lock in case.json("graph")["locks"])
    assert files == ["file", "unseen"], files
    actor.do("os.close(b)")
    assert actor.finish() == 0
    assert records(case, actor.pid)[-1].state == EXITED


@tap.test("a thread that was blocked in a request, with or without us, confuses nobody")
def _(case):
    holder, actor = case.actor(), case.actor()
    holder.do("a = flock('file'); b = posix('posix')")
    actor.do("thread(flock, 'file', wait=True); thread(posix, 'posix', wait=True)")
    attach(case, actor)
    holder.do("os.close(a); os.close(b)")
    actor.do("c = posix('after', wait=True)")
    detach(actor)
    attach_again = f"shim.lockjam_attach({case.session.encode()!r})"
    holder.do("d = flock('file2')")
    assert actor.do(attach_again) > 0
    actor.do("thread(flock, 'file2', wait=True)")
    detach(actor)
    assert actor.do(attach_again) > 0
    holder.do("os.close(d)")  # granted to a request that another record has
    actor.do("e = flock('file2x')")

    def files():
        view = case.json("graph")
        return sorted((os.path.basename(lock["file"]), h["pid"]) for lock in view["locks"]
                      for h in lock["holders"])
    wanted = [(n, actor.pid) for n in ("after", "file", "file2", "file2x", "posix")]
    wait_until(lambda: files() == wanted, f"{wanted}, have {files()}")


@tap.test("children are followed: forked, and executed by every way that passes through us")
def _(case):
    actor = case.actor()
    attach(case, actor)
    forked = actor.do("child('block: flock(\"forked\"); signal.pause()')")
    lock = ("import fcntl, os, sys, signal\\nfd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)\\n"
            "fcntl.flock(fd, fcntl.LOCK_EX)\\nif sys.argv[2:]: print(1, flush=True)\\nsignal.pause()")
    actor.do(f"code = '''{lock}'''")
    actor.do("import subprocess")
    actor.do("def go(name, **o): p = subprocess.Popen([sys.executable, '-c', code, name, '1'], "
             "stdout=subprocess.PIPE, preexec_fn=die_with_parent, **o); p.stdout.readline(); return p.pid")
    popen = actor.do("go('popen')")
    environment = actor.do("go('environment', env={'LD_PRELOAD': '', 'A': 'b'})")
    spawn = actor.do("os.posix_spawn(sys.executable, [sys.executable, '-c', code, 'spawn'], os.environ)")
    execl = actor.do("child('block: os.execlp(sys.executable, sys.executable, \"-c\", code, \"execlp\")')")
    assert actor.do("'LD_PRELOAD' in os.environ or 'LOCKJAM_DIR' in os.environ") is False
    wanted = sorted([("forked", forked), ("popen", popen), ("environment", environment),
                     ("spawn", spawn), ("execlp", execl)])

    def recorded():
        return sorted((os.path.basename(lock["file"]), h["pid"])
                      for lock in case.json("graph")["locks"] for h in lock["holders"] if h["stack"])
    wait_until(lambda: recorded() == wanted, f"{wanted}, have {recorded()}")
    # An environment that was cleared stays so.
    cleared = actor.do("subprocess.run(['/usr/bin/env'], env={}, stdout=subprocess.PIPE).stdout")
    assert b"LD_PRELOAD" not in cleared, cleared
    detach(actor)
    passed = actor.do("subprocess.run(['/usr/bin/env'], stdout=subprocess.PIPE).stdout")
    assert b"LOCKJAM" not in passed, passed


@tap.test("a child is its own: taken off there, it is recorded no more, and its parent still is")
def _(case):
    actor = case.actor()
    attach(case, actor)
    actor.do(f"session = {case.session.encode()!r}")
    alone = actor.do("child('assert shim.lockjam_detach() > 0; flock(\"alone\")')")
    again = actor.do("child('assert shim.lockjam_detach() > 0; assert shim.lockjam_attach(session) > 0; "
                     "flock(\"again\")')")
    actor.do("a = flock('parent')")
    held = {os.path.basename(lock["file"]): (h["pid"], bool(h["stack"]))
            for lock in case.json("graph")["locks"] for h in lock["holders"]}
    assert held == {"again": (again, True), "parent": (actor.pid, True)}, held
    assert not records(case, alone)


@tap.test("the name of a Cyrus service is known, though its environment may be anything by now")
def _(case):
    actor = case.actor("env", "CYRUS_SERVICE=imaps")
    actor.do("os.environ['CYRUS_SERVICE'] = 'other'")
    attach(case, actor)
    actor.do("a = flock('file')")
    assert "imaps (pid " in case.text("graph"), case.text("graph")


@tap.test("in a namespace of its own it does nothing")
def _(case):
    actor = case.actor()
    os.makedirs(case.session)
    actor.do("libc = ctypes.CDLL(None); libc.dlmopen.restype = ctypes.c_void_p; "
             "libc.dlsym.restype = ctypes.c_void_p")
    actor.do(f"h = ctypes.c_void_p(libc.dlmopen(-1, {SHIM.encode()!r}, 2))")
    verb = actor.do("libc.dlsym(h, b'lockjam_attach')")
    assert verb
    call = f"ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)({verb})"
    assert actor.do(f"{call}({case.session.encode()!r})") == -95  # ENOTSUP
    assert os.listdir(case.session) == []


@tap.test("where its thread-local storage finds no room, it cannot be opened, and nothing has happened")
def _(case):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise tap.Skip("no C compiler")
    with open(case.path("room.c"), "w", encoding="ascii") as file:
        file.write("static __thread char room[48]; char *room_of(void) { return room; }\n")
    result = case.run([compiler, "-shared", "-fPIC", "-ftls-model=initial-exec", "-o", "room.so",
                       "room.c"])
    assert result.returncode == 0, result.stderr
    for i in range(200):
        shutil.copy(case.path("room.so"), case.path(f"room{i}.so"))
    actor = case.actor()
    actor.do("import itertools")
    actor.send("for i in itertools.count(): ctypes.CDLL(os.path.abspath(f'room{i}.so'))")
    assert "static TLS" in actor.line()
    actor.send(OPEN)
    answer = actor.line()
    assert "static TLS" in answer, answer
    actor.do("a = flock('file')")
    assert case.json_now("graph", str(actor.pid))["locks"]


@tap.test("handlers that were there are seen, and are the program's own before, meanwhile and after")
def _(case):
    actor = case.actor()
    actor.do("got = []; signal.signal(signal.SIGUSR1, lambda *a: got.append(a[0]))")
    actor.do("number = 134 if os.uname().machine == 'aarch64' else 13  # rt_sigaction")
    actor.do("libc = ctypes.CDLL(None); raw = ctypes.create_string_buffer(32)")
    actor.do("def kernel(): libc.syscall(number, 10, None, raw, 8); return raw.raw.hex()")
    before = actor.do("kernel()")
    attach(case, actor)
    assert actor.do("kernel()") != before
    actor.do("os.kill(os.getpid(), signal.SIGUSR1)")
    assert actor.do("len(got)") == 1
    seen, = [h for h in case.json("signals")["signals"] if h["signal"] == "SIGUSR1"]
    assert seen["deliveries"] == 1, seen
    detach(actor)
    assert actor.do("kernel()") == before
    actor.do("os.kill(os.getpid(), signal.SIGUSR1)")
    assert actor.do("len(got)") == 2


@tap.test("sqlite, loaded before or later, calls through a table of its own: its locks are seen")
def _(case):
    for name, early in (("early", True), ("late", False)):
        actor = case.actor()
        if early:
            actor.do("import sqlite3; db = sqlite3.connect('early.db', isolation_level=None)")
        attach(case, actor)
        if not early:
            actor.do("import sqlite3; db = sqlite3.connect('late.db', isolation_level=None)")
        actor.do("db.execute('create table if not exists t(x)'); db.execute('begin exclusive')")
        held = [h for lock in case.json("graph")["locks"] for h in lock["holders"]
                if h["pid"] == actor.pid and lock["file"].endswith(f"{name}.db")]
        assert held and all(h["stack"] for h in held), (name, held)
        detach(actor)
        assert actor.do("db.execute('commit'); db.execute('select count(*) from t').fetchall()") is None
        actor.kill()


@tap.test("what is asked for and cannot be is refused, and nothing is left")
def _(case):
    actor = case.actor()
    os.makedirs(case.session)
    actor.do(OPEN)
    assert actor.do("shim.lockjam_attach(b'relative')") == -22  # EINVAL
    assert actor.do("shim.lockjam_attach(b'/' + b'x' * 5000)") == -22
    actor.do("import resource; n = resource.getrlimit(resource.RLIMIT_FSIZE); "
             "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, n[1]))")
    assert actor.do(f"shim.lockjam_attach({case.session.encode()!r})") == -27  # EFBIG
    actor.do("resource.setrlimit(resource.RLIMIT_FSIZE, n)")
    actor.do("n = resource.getrlimit(resource.RLIMIT_NOFILE); "
             "resource.setrlimit(resource.RLIMIT_NOFILE, (3, n[1]))")
    answer = actor.do(f"shim.lockjam_attach({case.session.encode()!r})")
    actor.do("resource.setrlimit(resource.RLIMIT_NOFILE, n)")
    assert answer == -24, answer  # EMFILE
    assert os.listdir(case.session) == []
    attach(case, actor)
    detach(actor)


if __name__ == "__main__":
    tap.main()
