"""Signals that end a program, or never reach it, by what it left as it was: SIGPIPE in servers, and
what execve() keeps and takes away."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402


def look(case, *pids):
    """The findings about signals of processes that run."""
    view = case.json_now("signals", "--threshold=100ms", *map(str, pids), status=(0, 1))
    return view["findings"]


def kinds(found):
    return [(f["kind"], f["severity"], f["signal"]) for f in found]


@tap.test("a server that SIGPIPE would end is a note, one that it ended a warning")
def _(case):
    for shim in None, "run":
        plain = case.victim("sigpipe", "default", shim=shim)
        (found,) = look(case, plain.pid)
        assert kinds([found]) == [("sigpipe-default", "note", "SIGPIPE")], found
        assert "it has 1 connection to a socket on which it listens;" in found["evidence"], found
        text = case.lockjam("signals", str(plain.pid)).stdout
        assert "    note [sigpipe-default]: SIGPIPE would end " in text, text
        plain.finish()
    victim = case.victim("sigpipe", "dies")
    victim.process.stdin.write("\n")
    victim.process.stdin.flush()
    assert victim.process.wait() == -signal.SIGPIPE
    view = case.json("report")
    (found,) = views.findings(view)
    assert kinds([found]) == [("sigpipe-default", "warning", "SIGPIPE")], found
    assert found["pids"] == [victim.pid] and "a server, was ended by SIGPIPE" in found["headline"]
    assert [p["killed_by"] for p in view["processes"] if p["pid"] == victim.pid] == ["SIGPIPE"]
    assert "killed by SIGPIPE" in case.text("report")


@tap.test("SIGPIPE ignored or blocked, one child for each connection, no server at all: nothing")
def _(case):
    for mode in "ignored", "blocked", "child":
        victim = case.victim("sigpipe", mode, shim=None)
        pids = [victim.pid] + ([int(victim.word("child"))] if mode == "child" else [])
        assert not look(case, *pids), look(case, *pids)
    victim = case.victim("sigpipe", "pipe")
    victim.process.stdin.write("\n")
    victim.process.stdin.flush()
    assert victim.process.wait() == -signal.SIGPIPE
    assert not case.json("report")["findings"]


def executed(case, mode):
    victim = case.victim("exec-signals", mode)
    assert proc.state(victim.pid), mode
    return victim


@tap.test("a handler that execve() took away, and the signal that then ended the program")
def _(case):
    victim = executed(case, "handler")
    os.kill(victim.pid, signal.SIGHUP)
    assert victim.process.wait() == -signal.SIGHUP
    (found,) = views.findings(case.json("report"))
    assert kinds([found]) == [("signal-lost-by-exec", "warning", "SIGHUP")], found
    assert found["headline"].startswith("SIGHUP ended ") and "by execve()" in found["headline"]


@tap.test("a signal that was blocked before execve() does not reach the program")
def _(case):
    victim = executed(case, "blocked")
    os.kill(victim.pid, signal.SIGTERM)
    found = [f for f in look(case, victim.pid) if f["kind"] == "signal-lost-by-exec"]
    assert kinds(found) == [("signal-lost-by-exec", "warning", "SIGTERM")], found
    assert "it was blocked before its execve() and still is" in found[0]["headline"], found
    victim = executed(case, "term")
    found = look(case, victim.pid)
    assert kinds(found) == [("signal-lost-by-exec", "note", "SIGTERM")], found


@tap.test("what is put right after execve(), or meant, is not told")
def _(case):
    for mode, signo in (("again", signal.SIGHUP), ("nohup", signal.SIGHUP), ("own", signal.SIGTERM),
                        ("opened", 0)):
        victim = executed(case, mode)
        os.kill(victim.pid, signo)
        found = [f for f in look(case, victim.pid) if f["kind"] == "signal-lost-by-exec"]
        assert not found, found
        victim.kill()
    victim = executed(case, "nohup")
    os.kill(victim.pid, signal.SIGTERM)
    assert victim.process.wait() == -signal.SIGTERM
    found = views.findings(case.json("report"), "signal-lost-by-exec")
    assert not found, found


if __name__ == "__main__":
    tap.main()
