"""What threads wait for, of every kind, without the shim: the `waits` of the JSON form, and the
lines under a backtrace. Nothing here runs under the shim."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import Skip, victim_path, wait_until  # noqa: E402


def is_in(pid, word):
    """Whether it sleeps in a function of the kernel whose name has the word."""
    return word in (proc.read(pid, "wchan") or "")


def is_reading(pid, descriptor):
    """Blocked in read(), or another call with its number, of this descriptor."""
    words = (proc.read(pid, "syscall") or "").split()
    return proc.state(pid) == "S" and len(words) > 1 and int(words[1], 16) == descriptor


def waits_of(case, pid):
    """(the wait of the main thread, all waits by (pid, tid))"""
    view = case.json_now("stacks", str(pid))
    found = {(w["pid"], w["tid"]): w for w in view["waits"]}
    assert len(found) == len(view["waits"]), "a thread waits once"
    return found.get((pid, pid)), found


def ways(wait):
    """[[(pid, tid)]] of all needs."""
    return [[(way["pid"], way["tid"]) for way in need["ways"]] for need in wait["needs"]]


def blocked(case, code, inside):
    """An actor that was sent a line and now sleeps in the kernel's function `inside`."""
    actor = case.actor()
    actor.send(code)
    wait_until(lambda: is_in(actor.pid, inside), f"{code} to block")
    return actor


@tap.test("a parent waits for its child: that one, any of them, or one of a group")
def _(case):
    for call in ("os.waitpid(pid, 0)", "os.waitid(os.P_PID, pid, os.WEXITED)",
                 "os.waitid(os.P_PIDFD, os.pidfd_open(pid), os.WEXITED)"):
        actor = case.actor()
        other = actor.do("child()")
        child = actor.do("child()")
        actor.send(call.replace("pid,", f"{child},").replace("(pid)", f"({child})"))
        wait_until(lambda a=actor: is_in(a.pid, "do_wait"), "the call to wait")
        wait, every = waits_of(case, actor.pid)
        assert wait["kind"] == "child" and wait["unseen"] is None, wait
        assert ways(wait) == [[(child, None)]], (wait, other)
        assert f"(pid {child})" in wait["object"], wait
        assert every[(child, child)]["kind"] == "signal", "whom it waits for is looked at, too"
    actor = case.actor()
    children = [actor.do("child()") for _ in range(2)]
    actor.send("os.wait()")
    wait_until(lambda: is_in(actor.pid, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, actor.pid)
    assert ways(wait) == [[(child, None) for child in children]], wait
    assert wait["until_ns"] is None and not wait["ends_by_itself"], wait
    group = case.actor()
    first, second = group.do("child('os.setpgid(0, 0)')"), group.do("child()")
    group.send(f"os.waitpid(-{first}, 0)")
    wait_until(lambda: is_in(group.pid, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, group.pid)
    assert ways(wait) == [[(first, None)]], (wait, second)


@tap.test("a child in a pid namespace of its own is found by the number that its parent knows")
def _(case):
    if os.geteuid():
        raise Skip("needs root")
    outer = case.actor("unshare", "--pid", "--fork", "--mount-proc")
    inner, = wait_until(lambda: proc.children(outer.process.pid), "unshare to fork")
    child = outer.do("child()")
    outer.send(f"os.waitpid({child}, 0)")
    wait_until(lambda: is_in(inner, "do_wait"), "the call to wait")
    wait, _ = waits_of(case, inner)
    assert ways(wait) == [[(proc.children(inner)[0], None)]], (wait, child)


@tap.test("who was stopped waits for SIGCONT, which anybody may send")
def _(case):
    actor = case.actor()
    os.kill(actor.pid, signal.SIGSTOP)
    wait_until(lambda: proc.state(actor.pid) == "T", "the stop")
    wait, _ = waits_of(case, actor.pid)
    assert wait["kind"] == "stopped" and ways(wait) == [[]], wait
    assert f"its parent is {os.path.realpath(sys.executable)} (pid {os.getpid()})" in \
        wait["unseen"], wait
    os.kill(actor.pid, signal.SIGCONT)


@tap.test("who is traced waits for its tracer")
def _(case):
    tracee, tracer = case.actor(), case.actor()
    tracer.do(f"_libc.ptrace(16, {tracee.pid}, None, None)")
    wait_until(lambda: proc.state(tracee.pid) == "t", "the stop")
    wait, _ = waits_of(case, tracee.pid)
    assert wait["kind"] == "traced" and ways(wait) == [[(tracer.pid, None)]], wait
    text = case.lockjam("stacks", str(tracee.pid), status=(0, 1, 2)).stdout
    assert f"(pid {tracer.pid}) traces it" in text, text
    tracer.kill()  # first: the tracee's end is its tracer's to see


@tap.test("a sleeper ends by itself, when is told")
def _(case):
    for code, length in (("time.sleep(500)", 500), ("_libc.sleep(700)", 700),
                         ("signal.sigtimedwait([signal.SIGUSR1], 300)", 300)):
        actor = case.actor()
        began = time.time_ns()
        actor.send(code)
        wait_until(lambda a=actor: is_in(a.pid, "nanosleep") or is_in(a.pid, "sigtimedwait"),
                   "the sleep")
        blocked_by = time.time_ns()
        wait, _ = waits_of(case, actor.pid)
        assert wait["kind"] == ("signal" if "sig" in code else "sleep"), wait
        assert wait["ends_by_itself"], wait
        if wait["until_ns"] is None:
            assert wait["since_ns"] is None, "what begins is known, and so is what it asked for"
            continue
        slack = 2 * 10**9
        assert began + length * 10**9 - slack < wait["until_ns"] < \
            blocked_by + length * 10**9 + slack, (wait, began)
        assert wait["since_ns"] is None or began - slack < wait["since_ns"] < blocked_by + slack


@tap.test("pause waits for a signal, which anybody may send")
def _(case):
    actor = blocked(case, "signal.pause()", "pause")
    wait, _ = waits_of(case, actor.pid)
    assert wait["unseen"] and ways(wait) == [[]] and not wait["ends_by_itself"], wait


@tap.test("the parent of a vfork waits for its child, though it sleeps uninterruptibly")
def _(case):
    victim = case.victim("vforking", shim=None)
    child, = proc.children(victim.pid)
    assert proc.state(victim.pid) == "D"
    wait, every = waits_of(case, victim.pid)
    assert wait["kind"] == "child" and ways(wait) == [[(child, None)]], wait
    assert (child, child) in every


PIPE = "pipe_read"


@tap.test("a reader of a pipe waits for all who have the write end, itself among them")
def _(case):
    actor = case.actor()
    actor.do("r, w = os.pipe()")
    writers = [actor.do("child()") for _ in range(2)]
    reader = actor.do("child('os.close(w)')")
    actor.send("os.read(r, 1)")
    wait_until(lambda: is_in(actor.pid, PIPE), "the read to block")
    wait, every = waits_of(case, actor.pid)
    assert wait["kind"] == "pipe" and wait["unseen"] is None, wait
    assert ways(wait) == [[(pid, None) for pid in sorted([actor.pid, *writers])]], (wait, reader)
    assert all((pid, pid) in every for pid in writers) and (reader, reader) not in every, every
    alone = case.actor()
    alone.do("r, w = os.pipe()")
    alone.send("os.read(r, 1)")
    wait_until(lambda: is_in(alone.pid, PIPE), "the read to block")
    wait, _ = waits_of(case, alone.pid)
    assert ways(wait) == [[(alone.pid, None)]] and wait["unseen"] is None, wait
    text = case.lockjam("stacks", str(alone.pid)).stdout
    assert " waits for input of pipe:[" in text and \
        f"(pid {alone.pid}) holds the write end\n" in text, text


@tap.test("who fills a pipe waits for its readers")
def _(case):
    actor = case.actor()
    actor.do("r, w = os.pipe()")
    reader = actor.do("child('os.close(w)')")
    actor.do("child('os.close(r)')")
    actor.do("os.close(r)")
    actor.send("os.write(w, bytes(1 << 20))")
    wait_until(lambda: is_in(actor.pid, "pipe_write"), "the write to block")
    wait, _ = waits_of(case, actor.pid)
    assert ways(wait) == [[(reader, None)]] and wait["unseen"] is None, wait
    assert wait["object"].startswith("room in pipe:["), wait


@tap.test("a FIFO: who opens it, and who reads it")
def _(case):
    actor = case.actor()
    actor.do("os.mkfifo('fifo')")
    actor.send("os.open('fifo', os.O_WRONLY)")
    wait_until(lambda: is_in(actor.pid, "wait_for_partner"), "the open to block")
    wait, _ = waits_of(case, actor.pid)
    assert wait["kind"] == "pipe" and wait["unseen"] and ways(wait) == [[]], wait
    assert "the FIFO fifo for reading" in wait["object"], wait
    reader, decoy = case.actor(), case.actor()
    decoy.do("os.mkdir('other')")
    decoy.do("os.mkfifo('other/fifo')")
    decoy.do("os.open('other/fifo', os.O_RDWR)")
    reader.do("fd = os.open('fifo', os.O_RDONLY)")
    reader.send("os.read(fd, 1)")
    wait_until(lambda: is_in(reader.pid, PIPE), "the read to block")
    wait, _ = waits_of(case, reader.pid)
    assert ways(wait) == [[(actor.pid, None)]], (wait, decoy.pid)
    assert wait["object"] == f"input of the FIFO {case.path('fifo')}", wait


SETS = {"poll": ["p = select.poll()", "[p.register(fd, select.POLLIN) for fd in (a, b)]",
                 "p.poll({ms})"],
        "select": ["select.select([a], [b], [], {s})"],
        "epoll": ["p = select.epoll()", "[p.register(fd, select.EPOLLIN) for fd in (a, b)]",
                  "p.poll({s})"],
        "epoll in epoll": ["q = select.epoll()",
                           "[q.register(fd, select.EPOLLIN) for fd in (a, b)]",
                           "p = select.epoll()", "p.register(q.fileno(), select.EPOLLIN)",
                           "p.poll({s})"]}


def is_polling(pid):
    return any(is_in(pid, word) for word in ("poll", "select"))


@tap.test("a set of descriptors is one need with the ways of all, with or without a limit of time")
def _(case):
    for name, lines in SETS.items():
        for limit in (None, 900):
            actor = case.actor()
            actor.do("import select")
            actor.do("a, wa = os.pipe()")
            actor.do("b, wb = os.pipe()")
            if name == "select":  # the second is asked for room: fill it; its reader is a child
                actor.do("b, wb = wb, b")
                actor.do("os.set_blocking(b, False)")
                actor.do("exec('try:\\n while 1: os.write(b, bytes(4096))\\nexcept OSError: 0')")
            first = actor.do("child('os.close(wb)')")
            second = actor.do("child('os.close(wa)')")
            actor.do("os.close(wa), os.close(wb)")
            for line in lines[:-1]:
                actor.do(line)
            actor.send(lines[-1].format(s=limit or ("None" if name == "select" else -1),
                                        ms=limit * 1000 if limit else -1))
            wait_until(lambda a=actor: is_polling(a.pid), f"{name} to block")
            wait, _ = waits_of(case, actor.pid)
            assert wait["kind"] == "events" and wait["unseen"] is None, (name, wait)
            assert sorted(ways(wait)[0]) == sorted([(first, None), (second, None)]), (name, wait)
            assert wait["ends_by_itself"] == bool(limit), (name, wait)


@tap.test("a set in which one descriptor can be anybody's is no proof; nor is a dead number")
def _(case):
    actor = case.actor()
    actor.do("import select")
    actor.do("a, w = os.pipe()")
    actor.do("s = socket.create_server(('127.0.0.1', 0))")
    actor.send("select.select([a, s], [], [])")
    wait_until(lambda: is_polling(actor.pid), "select to block")
    wait, _ = waits_of(case, actor.pid)
    assert (actor.pid, None) in ways(wait)[0] and wait["unseen"], wait
    other = case.actor()
    other.do("import select")
    other.do("a, w = os.pipe()")
    other.do("p = select.epoll()")
    other.do("p.register(a, select.EPOLLIN)")
    other.do("copy = os.dup(a)")  # keeps it in the set
    other.do("os.dup2(0, a)")
    other.send("p.poll(-1)")
    wait_until(lambda: is_polling(other.pid), "epoll_wait to block")
    wait, _ = waits_of(case, other.pid)
    assert "was closed" in wait["unseen"], wait


@tap.test("eventfd, timerfd, signalfd, pidfd, inotify and terminals")
def _(case):
    actor = case.actor()
    actor.do("fd = _libc.eventfd(0, 0)")
    actor_fd = actor.do("fd")
    heir = actor.do("child()")
    actor.send("os.read(fd, 8)")
    wait_until(lambda: is_reading(actor.pid, actor_fd), "the read to block")
    wait, _ = waits_of(case, actor.pid)
    assert ways(wait) == [[(actor.pid, None), (heir, None)]] and wait["unseen"], wait
    timer = case.actor()
    timer.do("fd = _libc.timerfd_create(1, 0)")
    timer.do("_libc.timerfd_settime(fd, 0, struct.pack('4q', 0, 0, 400, 0), None)")
    timer_fd = timer.do("fd")
    timer.send("os.read(fd, 8)")
    wait_until(lambda: is_reading(timer.pid, timer_fd), "the read to block")
    wait, _ = waits_of(case, timer.pid)
    assert wait["kind"] == "sleep" and wait["ends_by_itself"], wait
    assert 300 * 10**9 < wait["until_ns"] - time.time_ns() < 401 * 10**9, wait
    watcher = case.actor()
    child = watcher.do("child()")
    watcher.do("import select")
    watcher.do(f"fd = os.pidfd_open({child})")
    watcher.send("select.select([fd], [], [])")
    wait_until(lambda: is_polling(watcher.pid), "select to block")
    wait, _ = waits_of(case, watcher.pid)
    assert ways(wait) == [[(child, None)]] and wait["unseen"] is None, wait
    files = case.actor()
    files.do("fd = _libc.inotify_init()")
    descriptor = files.do("fd")
    files.send("os.read(fd, 8)")
    wait_until(lambda: is_reading(files.pid, descriptor), "the read to block")
    wait, _ = waits_of(case, files.pid)
    assert wait["kind"] == "events" and "any process" in wait["unseen"], wait
    terminal = case.actor()
    terminal.do("a, b = os.openpty()")
    descriptor = terminal.do("b")
    terminal.send("os.read(b, 1)")
    wait_until(lambda: is_reading(terminal.pid, descriptor), "the read to block")
    wait, _ = waits_of(case, terminal.pid)
    assert wait["kind"] == "terminal" and wait["unseen"], wait


# By the thread's name: kind of the wait, of the lock; the owner, None: nobody can be named.
FUTEXES = {"normal": "mutex", "recursive": "mutex", "checking": "mutex", "adaptive": "mutex",
           "robust": "mutex", "inheriting": "mutex", "shared": "mutex", "timed": "mutex",
           "orphan": "mutex", "reader": "rwlock", "writer": "rwlock", "upgrader": "rwlock",
           "stream": "stream", "condition": "condition", "semaphore": "semaphore",
           "barrier": "barrier", "join": "join", "word": "futex"}
LOCKS = ("mutex", "rwlock", "stream")


def parties_of(view, tid):
    """(the lock that a thread waits for, itself as its waiter)"""
    (lock, waiter), = [(lock, w) for lock in view["locks"] for w in lock["waiters"]
                       if w["tid"] == tid]
    return lock, waiter


@tap.test("what a thread waits for in futex(), and who has it, without any record")
def _(case):
    if os.uname().machine != "x86_64":
        del FUTEXES["stream"]
    victim = case.victim("futex-waits", shim=None)
    view = case.json_now("stacks", str(victim.pid))
    assert not views.findings(view, "deadlock-cycle"), view["findings"]
    tids = {b["name"]: b["tid"] for b in view["backtraces"]}
    waits = {w["tid"]: w for w in view["waits"]}
    for name, kind in FUTEXES.items():
        wait = waits[tids[name]]
        assert wait["kind"] == ("lock" if kind in LOCKS else kind), (name, wait)
        assert wait["ends_by_itself"] == (name == "timed"), (name, wait)
        if kind in LOCKS:
            lock, _ = parties_of(view, tids[name])
            holder, = lock["holders"]
            assert lock["kind"] == kind and lock["kind"] in wait["object"] or kind == "stream", lock
            owner = None if name in ("orphan", "upgrader") else victim.pid
            assert (holder["pid"], holder["tid"]) == (owner, owner), (name, lock)
            assert parties_of(view, tids[name])[1]["mode"] == \
                ("read" if name == "reader" else "write"), (name, lock)
        elif kind == "join":
            assert ways(wait) == [[(victim.pid, victim.pid)]] and not wait["unseen"], wait
        else:
            assert wait["unseen"] and ways(wait) == [[]], wait
    assert "has ended" in parties_of(view, tids["orphan"])[0]["holders"][0]["owner_unknown"]
    assert "readers" in parties_of(view, tids["upgrader"])[0]["holders"][0]["owner_unknown"]


@tap.test("a mutex between processes: its owner is found in the other one")
def _(case):
    victim = case.victim("shared-mutex", shim=None)
    child = int(victim.word("waiter"))
    for target, start in (("stacks", child), ("graph", child)):
        view = case.json_now(target, str(start))
        lock, _ = parties_of(view, child)
        holder, = lock["holders"]
        assert lock["kind"] == "mutex" and holder["pid"] == victim.pid, lock
    wait, = [w for w in view["waits"] if w["tid"] == child]
    assert ways(wait) == [[(victim.pid, victim.pid)]] and wait["unseen"] is None, wait


@tap.test("in a pid namespace of its own a mutex's owner is found by the number inside")
def _(case):
    if os.geteuid():
        raise Skip("needs root")
    victim = case.start(["unshare", "--pid", "--fork", "--mount-proc",
                         victim_path("futex-waits")]).await_ready()
    inner, = proc.children(victim.process.pid)
    view = case.json_now("stacks", str(inner))
    tids = {b["name"]: b["tid"] for b in view["backtraces"]}
    for name in ("normal", "recursive", "robust", "reader"):
        holder, = parties_of(view, tids[name])[0]["holders"]
        assert (holder["pid"], holder["tid"]) == (inner, inner), (name, holder)
    wait, = [w for w in view["waits"] if w["tid"] == tids["join"]]
    assert ways(wait) == [[(inner, inner)]], wait


def reading(case, lines, name="s", code="s.recv(1)"):
    """An actor that was told the lines and now reads from its socket `name`."""
    actor = case.actor()
    for line in lines:
        actor.do(line)
    descriptor = actor.do(f"{name}.fileno()")
    actor.send(code)
    wait_until(lambda: is_reading(actor.pid, descriptor), f"{code} to block")
    return actor


@tap.test("a unix socket: who has its other end; or has not accepted it")
def _(case):
    actor = case.actor()
    actor.do("s, t = socket.socketpair()")
    heir = actor.do("child('s.close()')")
    actor.do("t.close()")
    descriptor = actor.do("s.fileno()")
    actor.send("s.recv(1)")
    wait_until(lambda: is_reading(actor.pid, descriptor), "recv to block")
    wait, _ = waits_of(case, actor.pid)
    assert wait["kind"] == "socket" and ways(wait) == [[(heir, None)]], wait
    assert wait["unseen"] is None and not wait["ends_by_itself"], wait
    timed = reading(case, ["s, t = socket.socketpair()", "s.setsockopt(socket.SOL_SOCKET, "
                           "socket.SO_RCVTIMEO, struct.pack('qq', 500, 0))"])
    wait, _ = waits_of(case, timed.pid)
    assert ways(wait) == [[(timed.pid, None)]] and wait["ends_by_itself"], wait
    server = case.actor()
    server.do("l = socket.socket(socket.AF_UNIX)")
    server.do("l.bind('server')")
    server.do("l.listen()")
    client = reading(case, ["s = socket.socket(socket.AF_UNIX)", "s.connect('server')"])
    wait, _ = waits_of(case, client.pid)
    assert ways(wait) == [[(server.pid, None)]], wait
    assert "accepted" in wait["needs"][0]["ways"][0]["how"], wait
    server.do("c, _ = l.accept()")
    wait, _ = waits_of(case, client.pid)
    assert ways(wait) == [[(server.pid, None)]], wait
    assert wait["needs"][0]["ways"][0]["how"] == "has its other end", wait
    descriptor = server.do("l.fileno()")
    server.send("l.accept()")
    wait_until(lambda: is_reading(server.pid, descriptor), "accept to block")
    wait, _ = waits_of(case, server.pid)
    assert wait["kind"] == "accept" and wait["unseen"] and ways(wait) == [[]], wait
    alone = reading(case, ["s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
                           "s.bind('box')"])
    wait, _ = waits_of(case, alone.pid)
    assert wait["kind"] == "socket" and "anybody" in wait["unseen"], wait


@tap.test("TCP on loopback: who has the other end, also between IPv4 and IPv6; UDP is anybody's")
def _(case):
    for family, host in (("AF_INET", "127.0.0.1"), ("AF_INET6", "::")):
        server = case.actor()
        server.do(f"l = socket.create_server(('{host}', 0), family=socket.{family}, "
                  f"dualstack_ipv6={family == 'AF_INET6'})")
        port = server.do("l.getsockname()[1]")
        client = reading(case, [f"s = socket.create_connection(('127.0.0.1', {port}))"])
        wait, _ = waits_of(case, client.pid)
        assert ways(wait) == [[(server.pid, None)]], wait
        assert "accepted" in wait["needs"][0]["ways"][0]["how"], wait
        server.do("c, _ = l.accept()")
        wait, every = waits_of(case, client.pid)
        assert ways(wait) == [[(server.pid, None)]] and wait["unseen"] is None, wait
        assert wait["kind"] == "socket" and f"127.0.0.1:{port}" in wait["object"], wait
        assert wait["idle_ns"] is not None and (server.pid, server.pid) in every, wait
    other = reading(case, ["s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
                           "s.bind(('127.0.0.1', 0))"])
    wait, _ = waits_of(case, other.pid)
    assert wait["kind"] == "remote" and "(UDP)" in wait["object"] and wait["unseen"], wait


@tap.test("a socket of another network namespace: its other end cannot be seen, and that is said")
def _(case):
    if os.geteuid():
        raise Skip("needs root")
    actor = case.actor("unshare", "--net")
    actor.do("s, t = socket.socketpair()")
    pid = actor.do("os.getpid()")
    descriptor = actor.do("s.fileno()")
    actor.send("s.recv(1)")
    wait_until(lambda: is_reading(pid, descriptor), "recv to block")
    wait, _ = waits_of(case, pid)
    assert wait["kind"] == "socket" and "network namespace" in wait["unseen"], wait


@tap.test("two threads that lock two mutexes in both orders are a deadlock, without any record")
def _(case):
    victim = case.victim("futex-waits", "abba", shim=None)
    found, = views.findings(case.json_now("stacks", str(victim.pid)), "deadlock-cycle")
    assert found["pids"][0] == victim.pid, found


@tap.test("System V semaphores and queues: who operated on them last")
def _(case):
    owner = case.actor()
    sem, queue = owner.do("_libc.semget(0, 2, 0o1600)"), owner.do("_libc.msgget(0, 0o1600)")
    try:
        owner.do(f"_libc.semop({sem}, struct.pack('Hhh', 1, 1, 0), 1)")
        taker = case.actor()
        taker.do(f"_libc.semop({sem}, struct.pack('Hhh', 1, -1, 0), 1)")
        waiter = case.actor()
        waiter.send(f"_libc.semop({sem}, struct.pack('Hhh', 1, -1, 0), 1)")
        wait_until(lambda: is_in(waiter.pid, "sem"), "semop to block")
        wait, every = waits_of(case, waiter.pid)
        assert wait["kind"] == "semaphore" and ways(wait) == [[(taker.pid, None)]], wait
        assert wait["unseen"] and (taker.pid, taker.pid) in every, wait
        timed = case.actor()
        timed.send(f"_libc.semtimedop({sem}, struct.pack('Hhh', 0, -1, 0), 1, "
                   "struct.pack('qq', 500, 0))")
        wait_until(lambda: is_in(timed.pid, "sem"), "semtimedop to block")
        wait, _ = waits_of(case, timed.pid)
        assert wait["kind"] == "semaphore" and wait["ends_by_itself"], wait
        receiver = case.actor()
        owner.do(f"_libc.msgsnd({queue}, struct.pack('q8s', 1, b'x'), 8, 0)")
        receiver.send(f"_libc.msgrcv({queue}, bytes(64), 8, 2, 0)")
        wait_until(lambda: is_in(receiver.pid, "msgrcv"), "msgrcv to block")
        wait, _ = waits_of(case, receiver.pid)
        assert wait["kind"] == "message" and ways(wait) == [[(owner.pid, None)]], wait
    finally:
        owner.do(f"_libc.semctl({sem}, 0, 0)")
        owner.do(f"_libc.msgctl({queue}, 0, None)")


@tap.test("who runs waits for nothing")
def _(case):
    victim = case.victim("running", "2", shim=None)
    _, every = waits_of(case, victim.pid)
    assert [tid for pid, tid in every if pid == victim.pid] == [victim.pid], every


if __name__ == "__main__":
    tap.main()
