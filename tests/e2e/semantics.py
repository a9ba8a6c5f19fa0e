"""The shim's picture of a process's own locks against the kernel's: thousands of random requests
of every kind, dups and closes on a few files; after each one the record must say what
/proc/self/fdinfo says. LOCKJAM_TEST_SEED repeats a run."""
import fcntl
import glob
import os
import random
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import segment, tap  # noqa: E402
from lib.case import SHIM, clean_environment  # noqa: E402

STEPS = int(os.environ.get("LOCKJAM_TEST_STEPS", "2000"))
F_OFD_SETLK, F_OFD_SETLKW = 37, 38
FLOCK = struct.Struct("hhqqi4x")
KINDS = {"POSIX": 1, "OFDLCK": 2, "FLOCK": 3}
SIZE = 200


def kernel_locks(fds, pid="self"):
    """{(kind, mode, inode, start, end)} that the kernel shows for these descriptors."""
    found = set()
    for fd in fds:
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
            for line in file:
                if not line.startswith("lock:"):
                    continue
                _, _, kind, _, mode, _, device, start, end = line.split()
                found.add((KINDS[kind], 2 if mode == "WRITE" else 1, int(device.split(":")[2]),
                           int(start), (1 << 64) - 1 if end == "EOF" else int(end)))
    return found


def recorded_locks(path):
    record = segment.Segment(path)
    inodes = {i: struct.unpack_from("<Q", r, 16)[0] for i, r in record.records(segment.RESOURCES)}
    found = set()
    for _, lock in record.records(segment.LOCKS):
        state, kind, mode, _, resource = struct.unpack_from("<BBBBI", lock, 4)
        if state == 3:
            found.add((kind, mode, inodes[resource], *struct.unpack_from("<QQ", lock, 24)))
    return found


class Walk:
    """One random step after another. The kernel is the only judge of what is allowed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = [f"file-{n}" for n in range(3)]
        for name in self.names:
            with open(name, "wb") as file:
                file.write(bytes(SIZE))
        self.fds = [self.open() for _ in range(5)]

    def open(self):
        return os.open(self.random.choice(self.names), os.O_RDWR)

    def pick(self):
        return self.random.choice(self.fds)

    def step(self):
        steps = [self.record_lock] * 8 + [self.whole_lock] * 4 + [self.lockf] * 3
        steps += [self.seek, self.dup, self.dup2, self.close, self.close_unrelated]
        step = self.random.choice(steps)
        try:
            return step.__name__, step()
        except OSError as error:
            return step.__name__, error

    def record_lock(self):
        command = self.random.choice((fcntl.F_SETLK, fcntl.F_SETLKW, F_OFD_SETLK))
        kind = self.random.choice((fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK))
        if command == fcntl.F_SETLKW and kind != fcntl.F_UNLCK and self.others_hold():
            command = fcntl.F_SETLK  # we would wait for ourselves
        whence = self.random.choice((os.SEEK_SET, os.SEEK_SET, os.SEEK_CUR, os.SEEK_END))
        start = self.random.randrange(-20, 60)
        length = self.random.choice((0, 1, 5, 10, 20, -5, -10))
        fd = self.pick()
        fcntl.fcntl(fd, command, FLOCK.pack(kind, whence, start, length, 0))
        return fd, command, kind, whence, start, length

    def others_hold(self):
        return any(kind == 2 for kind, *_ in kernel_locks(self.fds))

    def whole_lock(self):
        operation = self.random.choice((fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN))
        fd = self.pick()
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
        return fd, operation

    def lockf(self):
        command = self.random.choice((os.F_TLOCK, os.F_ULOCK, os.F_TEST))
        fd, length = self.pick(), self.random.choice((0, 5, 15, -5))
        os.lockf(fd, command, length)
        return fd, command, length

    def seek(self):
        return os.lseek(self.pick(), self.random.randrange(100), os.SEEK_SET)

    def dup(self):
        if len(self.fds) < 12:
            self.fds.append(self.random.choice((os.dup, fcntl_dup))(self.pick()))

    def dup2(self):
        source, target = self.pick(), self.pick()
        os.dup2(source, target)
        return source, target

    def close(self):
        fd = self.pick()
        self.fds.remove(fd)
        os.close(fd)
        if len(self.fds) < 4:
            self.fds.append(self.open())
        return fd

    def close_unrelated(self):
        os.close(self.open())


def fcntl_dup(fd):
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def walk(seed):
    """The program under the shim. Reading our record must not open what we lock."""
    path, = glob.glob(os.path.join(os.environ["LOCKJAM_DIR"], f"{os.getpid()}-*.seg"))
    steps = Walk(seed)
    trace = []
    for number in range(STEPS):
        trace.append((number, *steps.step()))
        kernel, recorded = kernel_locks(steps.fds), recorded_locks(path)
        if kernel != recorded:
            print(*trace[-8:], f"kernel only {sorted(kernel - recorded)}",
                  f"recorded only {sorted(recorded - kernel)}", sep="\n")
            sys.exit(1)


@tap.test(f"{STEPS} random requests: the record is what the kernel says", 300)
def _(case):
    seed = os.environ.get("LOCKJAM_TEST_SEED") or str(random.randrange(1 << 32))
    session = case.path("walk")
    os.mkdir(session)
    env = clean_environment()
    env.update(LD_PRELOAD=SHIM, LOCKJAM_DIR=session, LOCKJAM_TEST_STEPS=str(STEPS))
    result = subprocess.run([sys.executable, os.path.abspath(__file__), "walk", seed], env=env,
                            cwd=case.dir, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"seed {seed}\n{result.stdout}{result.stderr}"


@tap.test("threads and the handlers that interrupt them: the record is what the kernel says", 120)
def _(case):
    victim = case.victim("crowd")
    path, = glob.glob(os.path.join(case.session, f"{victim.pid}-*.seg"))
    kernel = kernel_locks(os.listdir(f"/proc/{victim.pid}/fdinfo"), victim.pid)
    recorded = recorded_locks(path)
    lost = segment.Segment(path).lost_busy
    assert kernel == recorded, (f"kernel only {sorted(kernel - recorded)}\n"
                                f"recorded only {sorted(recorded - kernel)}\nlost {lost}")
    assert not lost, lost


if __name__ == "__main__":
    if sys.argv[1:2] == ["walk"]:
        walk(int(sys.argv[2]))
    else:
        tap.main()
