"""SQLite never blocks in the kernel: it asks with F_SETLK, is refused, sleeps, asks again. A writer
that holds a transaction and three that are kept waiting are a holder and three polling waiters."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import LOCKJAM, Skip, wait_until  # noqa: E402


def start_writer(case, mode):
    """sqlite3 in a transaction that it does not end before it is told. It may have to wait, too: its
    COMMIT asks for the whole file, of which a poller holds a part for a moment at each try."""
    writer = case.start(["sqlite3", "-bail", "-cmd", ".timeout 60000", case.path("db")], "preload")
    writer.process.stdin.write(
        f"PRAGMA journal_mode={mode};\nCREATE TABLE t(x);\nBEGIN IMMEDIATE;\n"
        "INSERT INTO t VALUES(1);\nSELECT 'ready';\n")
    writer.process.stdin.flush()
    return writer.await_ready()


def start_poller(case, value):
    return case.start(["sqlite3", "-bail", "-cmd", ".timeout 60000", case.path("db"),
                       f"INSERT INTO t VALUES({value});"], "preload")


def polling(case, count):
    """The waiters of the graph once `count` of them have tried at least twice."""
    def look():
        waiting = views.parties(case.json("graph"), "waiters")
        ready = [w for w in waiting if w["state"] == "polling" and w["tries"] >= 2]
        return ready if len({w["pid"] for w in ready}) == count else None
    return wait_until(look, f"{count} polling waiters", 30)


def add(mode, suffix):
    @tap.test(f"sqlite3 with journal_mode={mode}: a writer and three that poll")
    def _(case):
        if not shutil.which("sqlite3"):
            raise Skip("sqlite3 is not installed")
        started = time.time_ns()
        writer = start_writer(case, mode)
        pollers = [start_poller(case, value) for value in (2, 3, 4)]
        waiting = polling(case, 3)
        assert sorted(w["pid"] for w in waiting) == sorted(p.pid for p in pollers), waiting
        for waiter in waiting:
            assert started < waiter["since_ns"] < time.time_ns() and waiter["for_ns"] > 0, waiter
            assert waiter["blocked_by"] == writer.pid and waiter["mode"] == "write", waiter
        text = case.text("graph")
        path = os.path.realpath(case.path("db")) + suffix
        assert f"(pid {writer.pid}) holding WRITE lock for {path}\n" in text, text
        for poller in pollers:
            assert f"(pid {poller.pid}) ++WAITING++ for WRITE lock on {path}\n" in text, text
        assert len([line for line in text.splitlines() if views.POLLING.match(line)]) == 3, text
        assert not views.findings(case.json("report"), "deadlock-cycle")

        writer.process.stdin.write("COMMIT;\n")
        assert writer.finish() == 0
        assert [p.finish() for p in pollers] == [0, 0, 0]
        rows = case.run(["sqlite3", case.path("db"), "SELECT sum(x) FROM t;"], "preload")
        assert rows.stdout == "10\n", rows
        assert not views.parties(case.json("graph"), "waiters")


add("delete", "")
add("wal", "-shm")


@tap.test("sqlite3 under lockjam run: the same output and status, no findings")
def _(case):
    if not shutil.which("sqlite3"):
        raise Skip("sqlite3 is not installed")
    script = ("CREATE TABLE t(x, y);\nWITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c "
              "LIMIT 5000) INSERT INTO t SELECT n, hex(n) FROM c;\nSELECT count(*), sum(x) FROM t;\n"
              "SELECT nothing;\n")
    plain = case.run(["sqlite3", case.path("one")], input=script, stdin=None)
    shimmed = case.run([LOCKJAM, "run", "--", "sqlite3", case.path("two")], input=script, stdin=None)
    assert (plain.returncode, plain.stdout, plain.stderr) == (
        shimmed.returncode, shimmed.stdout, shimmed.stderr), (plain, shimmed)


if __name__ == "__main__":
    tap.main()
