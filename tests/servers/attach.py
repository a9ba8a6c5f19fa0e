"""Programs of Debian that run already: the shim is loaded into them (lockjam attach --inject), they
are recorded, it is taken off again, and their work goes on all the time."""
import os
import re
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import container, dovecot, proc, tap  # noqa: E402
from lib.case import SHIM, Skip, wait_until  # noqa: E402

ROUNDS = 5


def need(program):
    path = shutil.which(program, path="/usr/bin:/usr/sbin:/bin")
    if not path:
        raise Skip(f"{program} is not installed")
    return path


def attach(case, *pids):
    """What it says, a line per process."""
    said = case.lockjam("attach", "--inject", "--timeout=20s", "-o", case.session,
                        *map(str, pids), status=(0,)).stderr.splitlines()
    for line in said:
        assert re.search(r": recording into .* \([1-9]\d* calls? redirected, (no|\d+) locks? taken over\)$",
                         line), line
    print(f"# {said[0]}")
    return said


def detach(case, *pids):
    said = case.lockjam("attach", "--detach", "--timeout=20s", *map(str, pids), status=(0,)).stderr
    assert said.count("the recording has ended") == len(pids), said


def work_through(case, pid, work):
    """Rounds of attaching and detaching with `work` before, in and after each."""
    for i in range(ROUNDS):
        work(3 * i)
        attach(case, pid)
        work(3 * i + 1)
        detach(case, pid)
        work(3 * i + 2)


@tap.test("sqlite3: its transactions, and the locks of them", 120)
def _(case):
    shell = case.start([need("sqlite3"), "-batch", case.path("data.db")])

    def say(text):
        shell.process.stdin.write(text + "\n")
        shell.process.stdin.flush()

    def work(number):
        say(f"begin immediate; insert into t values({number}); commit; select count(*) from t;")
        assert shell.line() == str(number + 1)
    say("create table t(x); select 'created';")
    assert shell.line() == "created"
    work_through(case, shell.pid, work)
    say("begin immediate; select 'begun';")
    assert shell.line() == "begun"
    said = attach(case, shell.pid)
    assert "no locks" not in said[0], said
    graph = case.text("graph", str(shell.pid))
    assert "taken before attach" in graph and "data.db" in graph, graph
    say("commit; begin immediate; select 'again';")
    assert shell.line() == "again"
    graph = case.text("graph", str(shell.pid))
    assert "data.db" in graph and "taken before attach" not in graph, graph
    detach(case, shell.pid)
    say("commit; select 'done';")
    assert shell.line() == "done"
    assert shell.finish() == 0


THREADS = """
import fcntl, sys, threading
over = False
counts = [0, 0, 0, 0]
def lock(number):
    while not over:
        with open(f"lock{number % 2}", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_EX)
            counts[number] += 1
threads = [threading.Thread(target=lock, args=(i,)) for i in range(4)]
for t in threads: t.start()
print("ready", flush=True)
for line in sys.stdin:
    print(min(counts), flush=True)
over = True
for t in threads: t.join()
"""


@tap.test("python3: threads that lock files all the time", 120)
def _(case):
    victim = case.start([need("python3"), "-c", THREADS]).await_ready()
    seen = [0]

    def work(_number):
        def has_grown():
            victim.process.stdin.write("?\n")
            victim.process.stdin.flush()
            count = int(victim.line())
            grown = count > seen[0]
            seen[0] = max(count, seen[0])
            return grown
        wait_until(has_grown, "every thread to get its lock")
    work_through(case, victim.pid, work)
    assert victim.finish() == 0


@tap.test("redis-server: commands, and the child that saves", 120)
def _(case):
    path = case.path("socket")
    os.makedirs(case.path("data"))
    server = case.start([need("redis-server"), "--port", "0", "--unixsocket", path, "--dir",
                         case.path("data"), "--save", "", "--daemonize", "no"])
    client = socket.socket(socket.AF_UNIX)

    def connect():
        try:
            client.connect(path)
            return True
        except OSError:
            return False
    wait_until(connect, "the server to listen")
    stream = client.makefile("rw", newline="\r\n")

    def command(text):
        stream.write(text + "\r\n")
        stream.flush()
        return stream.readline().strip()

    def work(number):
        assert command("INCR counter") == f":{number + 1}"
        assert command("BGSAVE") == "+Background saving started"
        wait_until(lambda: not proc.children(server.pid), "the end of the child")
        assert os.path.getsize(case.path("data/dump.rdb")) > 0
    work_through(case, server.pid, work)
    assert command("DBSIZE") == ":1"


def imap_pid(server):
    """The process of a session, by its name."""
    pids = [pid for pid in container.pids(server.victim).values()
            if (proc.read(pid, "comm") or "").strip() == "imap"]
    return pids[0] if len(pids) == 1 else None


@tap.test("dovecot: an imap process that sits in epoll_wait(), in a container", 120)
def _(case):
    server, port = dovecot.start(case)
    client = dovecot.logged_in(port, "joe")
    pid = wait_until(lambda: imap_pid(server), "the imap process")
    if not os.path.exists(f"/proc/{pid}/root{SHIM}"):
        raise Skip("the container does not have liblockjam.so")

    def work(number):
        assert client.append("INBOX", None, None, dovecot.MESSAGE)[0] == "OK"
        assert client.select("INBOX")[1] == [str(number + 1).encode()]
    work_through(case, pid, work)
    assert client.logout()[0] == "BYE"


if __name__ == "__main__":
    tap.main()
