"""Mail servers of Debian in a container of their own, on a port of the loopback interface: hung at a
mailbox's index by another process, as in the case that lockjam was made for. lockjam is outside."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import container, cyrus, dovecot, hang, proc, tap, views  # noqa: E402
from lib.case import wait_until  # noqa: E402
from lib.dovecot import MESSAGE, logged_in  # noqa: E402


def append_without_answer(client, mailbox):
    """Sends APPEND; the answer comes when the server goes on."""
    client.send(b"A1 APPEND %s {%d+}\r\n%s\r\n" % (mailbox.encode(), len(MESSAGE), MESSAGE))


def answer(client, tag=b"A1"):
    while True:
        line = client.readline()
        assert line, "the server closed the connection"
        if line.startswith(tag):
            return line.split()[1]


def waiter_behind(holder, path):
    """Who waits for the file of this path in the holder's container, alone."""
    ino = os.stat(f"/proc/{holder}/root{path}").st_ino

    def find():
        found = [lock.pid for lock in proc.locks() if lock.ino == ino and lock.depth]
        return found[0] if len(found) == 1 and proc.is_waiting_for_lock(found[0]) else None
    return wait_until(find, f"somebody to wait for {path}")


def hung(case, server, path, holder, client, name, wanted):
    """A server's process waits for `path`: all that lockjam tells of it, living and as a core."""
    waiter = waiter_behind(holder, path)
    hang.shows_waiter(case, holder, waiter, path, name)
    names = hang.names_of(hang.view(case, "stacks", str(waiter)), waiter)
    assert views.is_subsequence(wanted, names), names
    core = hang.moved(case, hang.gcore(case, waiter))
    report = hang.view(case, "report", "--sysroot", f"/proc/{waiter}/root", core)
    names = hang.names_of(report, waiter)
    assert views.is_subsequence(wanted, names), (names, report["notes"])
    os.kill(holder, 9)
    assert answer(client) == b"OK"


@tap.test("dovecot: imap waits for the log of a mailbox's index", 120)
def _(case):
    server, port = dovecot.start(case)
    assert logged_in(port, "joe").append("INBOX", None, None, MESSAGE)[0] == "OK"
    path = "/srv/mail/joe/dovecot.index.log"
    _, holder = server.spawn(hang.holder_argv(path), True)
    client = logged_in(port, "joe")
    append_without_answer(client, "INBOX")
    hung(case, server, path, holder, client, "imap",
         ["fcntl64", "file_wait_lock", "mail_index_lock_fd", "command_exec", "io_loop_run"])


def idle_services(case, server):
    """They queue behind the one that sits in accept(): that is normal, and no finding."""
    path = "/srv/cyrus/conf/socket/imap-0.lock"

    def holder():
        locks = hang.view(case, "graph", "imapd")["locks"]
        lock = next((lock for lock in locks if lock["file"] == path), None)
        return lock["holders"][0]["pid"] if lock and lock["holders"] and lock["waiters"] else None
    idle = wait_until(holder, "two idle services")
    report = hang.view(case, "report", str(idle))
    assert not views.findings(report), report["findings"]
    assert idle in container.pids(server.victim).values(), idle
    names = hang.names_of(hang.view(case, "stacks", str(idle)), idle)
    assert "signals_select" in names or "accept" in names, names


@tap.test("cyrus: imapd waits for a mailbox's index; its idle ones queue for the next connection", 120)
def _(case):
    server, port = cyrus.start(case)
    first = logged_in(port, "anonymous")
    assert first.create("projects")[0] == "OK"
    assert first.setacl("projects", "anonymous", "lrswipkxtea")[0] == "OK"
    assert first.append("projects", None, None, MESSAGE)[0] == "OK"
    root = f"/proc/{container.outside(server.victim, 1)}/root"
    path, = [os.path.join(top, "cyrus.index")[len(root):] for top, _, names in
             os.walk(root + "/srv/cyrus/mail") if "cyrus.index" in names]
    _, holder = server.spawn(hang.holder_argv(path), True)
    client = logged_in(port, "anonymous")
    append_without_answer(client, "projects")
    idle_services(case, server)
    hung(case, server, path, holder, client, "imapd",
         ["fcntl64", "lock_setlock", "mailbox_lock_index", "append_check"])


if __name__ == "__main__":
    tap.main()
