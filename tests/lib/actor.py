"""A process that does what it is told: one line of Python on its standard input, one line of answer.

    actor = case.actor()                   # or case.actor("unshare", "-m")
    actor.do("a = posix('file')")          # returns when it is done
    pid = actor.do("child('flock(a)')")    # the answer is the expression's value
    actor.send("posix('file', wait=True)") # does not wait for the answer: the call blocks

Run as a program it is that process; it needs nothing but Python's own library.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
READ, WRITE = fcntl.F_RDLCK, fcntl.F_WRLCK


def die_with_parent():
    """What an actor starts ends with it."""
    parent = os.getppid()
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(99)


def path_of(file, flags=os.O_RDWR | os.O_CREAT):
    """A descriptor: of a path it is opened."""
    return os.open(file, flags, 0o666) if isinstance(file, str) else file


def _lock(command, file, mode, start, length):
    fd = path_of(file)
    fcntl.fcntl(fd, command, struct.pack("hhqqi", mode, os.SEEK_SET, start, length, 0))
    return fd


def posix(file, mode=WRITE, start=0, length=0, wait=False):
    """fcntl(2)'s lock of a process; its descriptor."""
    return _lock(fcntl.F_SETLKW if wait else fcntl.F_SETLK, file, mode, start, length)


def ofd(file, mode=WRITE, start=0, length=0, wait=False):
    """fcntl(2)'s lock of an open file description; its descriptor."""
    return _lock(fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, file, mode, start, length)


def flock(file, mode=WRITE, wait=False):
    """flock(2); its descriptor."""
    fd = path_of(file)
    fcntl.flock(fd, (fcntl.LOCK_EX if mode == WRITE else fcntl.LOCK_SH) |
                (0 if wait else fcntl.LOCK_NB))
    return fd


def lease(file, mode=WRITE):
    """F_SETLEASE; a breaking is not answered. Its descriptor."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    fd = path_of(file, os.O_RDONLY) if mode == READ else path_of(file)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, mode)
    return fd


def child(code="", survives=False):
    """A forked child that runs the code, then sleeps; its pid once the code is done (or blocks
    in its last line, if that begins with `block:`). A survivor outlives us for some minutes: the
    test that knows its pid ends it."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        if survives:
            signal.alarm(300)
        else:
            die_with_parent()
        os.close(ready)
        before, _, blocking = code.partition("block:")
        exec(before.strip(), globals())
        os.write(told, b"x")
        os.close(told)
        exec(blocking.strip(), globals())
        while True:
            signal.pause()
    os.close(told)
    assert os.read(ready, 1) == b"x", "the child failed"
    os.close(ready)
    return pid


def thread(function, *arguments, **options):
    """Runs it in another thread; that one's number."""
    told = threading.Semaphore(0)
    tid = []

    def run():
        tid.append(threading.get_native_id())
        told.release()
        function(*arguments, **options)
        threading.Event().wait()
    threading.Thread(target=run, daemon=True).start()
    told.acquire()
    return tid[0]


def pass_over(fd, close=True):
    """The descriptor into a socket queue, where it stays: (receiving end, sending end)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(ours, [b"x"], [fd])
    if close:
        os.close(fd)
    return theirs, ours


def receive(sock):
    """A descriptor out of a socket queue."""
    return socket.recv_fds(sock, 1, 1)[1][0]


def taker_of(path):
    """Lets a child take a flock and end, while its own child keeps it: (the dead one's pid, the
    heir's)."""
    told, tell = os.pipe()
    taker = os.fork()
    if taker == 0:
        fd = flock(path)
        heir = child("", survives=True)
        os.write(tell, str(heir).encode())
        os.close(fd)
        os._exit(0)
    os.waitpid(taker, 0)
    os.close(tell)
    return taker, int(os.read(told, 20))


def next_pid(pid):
    """Forks a child that sleeps; it has this pid if nobody else forks at the same moment, else it
    is ended at once. The pid it got."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
        file.write(str(pid - 1))
    got = child()
    if got != pid:
        os.kill(got, signal.SIGKILL)
        os.waitpid(got, 0)
    return got


def main():
    """Reads lines until the end of its input."""
    print("ready", flush=True)
    scope = globals()
    for line in sys.stdin:
        line = line.strip()
        try:
            try:
                code = compile(line, "told", "eval")
            except SyntaxError:
                exec(line, scope)
                print("done", flush=True)
            else:
                print("done", repr(eval(code, scope)), flush=True)
        except Exception as error:  # whatever it is, the test is told
            print("failed", repr(error), flush=True)


if __name__ == "__main__":
    main()
