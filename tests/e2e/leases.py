"""Leases: who holds one, and who waits in open() until it is given up. Nothing runs under the
shim."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import wait_until  # noqa: E402


def is_waiting(pid):
    """Whether the kernel has it wait for a lease: its line names the file by nothing."""
    return any(" BREAKER " in line and f" {pid} " in line
               for line in proc.read("locks").splitlines())


def opener(case, path, how):
    """A process that opens the file, and waits."""
    actor = case.actor()
    actor.send(f"os.open({path!r}, os.{how})")
    wait_until(lambda: is_waiting(actor.pid), "the open() to wait")
    return actor


def entry(case, path):
    """The JSON of the only lock of a file, and the lines of its text."""
    view = case.json_now("graph", path)
    assert len(view["locks"]) == 1, view
    assert not any("understood" in note["text"] for note in view["notes"]), view["notes"]
    text = case.lockjam("graph", path).stdout
    return view["locks"][0], text


@tap.test("a lease nobody minds is a hold without waiters")
def _(case):
    holder = case.actor()
    holder.do("lease('file')")
    lock, text = entry(case, case.path("file"))
    assert (lock["kind"], lock["mode"]) == ("lease", "write"), lock
    party, = lock["holders"]
    assert party["pid"] == holder.pid and not party["breaking"] and not lock["waiters"], lock
    assert "told the holder" not in text, text


@tap.test("who opens a file under a write lease waits for its holder")
def _(case):
    holder = case.actor()
    holder.do("lease('file')")
    reader = opener(case, case.path("file"), "O_RDONLY")
    lock, text = entry(case, case.path("file"))
    assert lock["mode"] == "write", "a lease that may be kept for reading was one for writing"
    assert lock["holders"][0]["breaking"], lock
    party, = lock["waiters"]
    assert (party["pid"], party["blocked_by"], party["mode"]) == (reader.pid, holder.pid, "read")
    assert views.lines(text)[:2] == [("holds", holder.pid, "WRITE", "file"),
                                     ("waits", reader.pid, "READ", "file")], text
    assert "the kernel has told the holder to give it up" in text, text
    assert "has to wait until the lease is given up" in text, text
    holder.do("fcntl.fcntl(3, fcntl.F_SETLEASE, fcntl.F_UNLCK)")
    reader.line()
    assert not case.json_now("graph", case.path("file"))["locks"]


@tap.test("several openers queue for a read lease, in their order")
def _(case):
    case.actor().do("os.close(path_of('file'))")
    holder = case.actor()
    holder.do("lease('file', READ)")
    case.actor().do("os.close(os.open('file', os.O_RDONLY))")  # innocent: readers do not mind
    first = opener(case, case.path("file"), "O_RDWR")
    second = opener(case, case.path("file"), "O_WRONLY")
    lock, text = entry(case, case.path("file"))
    assert lock["mode"] == "read", lock
    assert [w["pid"] for w in lock["waiters"]] == [first.pid, second.pid], lock
    assert [w["mode"] for w in lock["waiters"]] == ["write", "write"], lock
    assert f"queued behind the waiter {os.path.realpath(sys.executable)} (pid {first.pid})" \
        in text, text


@tap.test("a lease whose taker has ended is kept by the child that shares its descriptor")
def _(case):
    holder = case.actor()
    holder.do("lease('file')")
    heir = holder.do("child(survives=True)")
    holder.kill()
    lock, text = entry(case, case.path("file"))
    party, = lock["holders"]
    assert party["pid"] == heir and party["inherited"], (lock, heir)
    assert "inherited" in text, text


if __name__ == "__main__":
    tap.main()
