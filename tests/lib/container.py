"""Processes in namespaces and roots of their own, looked at from outside."""
import json
import os
import re
import shutil
import subprocess

from lib import hang, proc
from lib.case import BUILDDIR, Skip

CASE = "/case"

# Starts what it is told, one command in JSON a line; answers with its pid here, and where it shall
# wait for the line `ready` of the command, after that.
_STARTER = """
import json, subprocess, sys
print("ready", flush=True)
started = []
for line in sys.stdin:
    argv, is_awaited = json.loads(line)
    started.append(subprocess.Popen(argv, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE if is_awaited else None))
    while is_awaited and started[-1].stdout.readline() not in (b"ready\\n", b""):
        pass
    print("started", started[-1].pid, flush=True)
"""


def need_namespaces():
    made = subprocess.run(["unshare", "-mpf", "--mount-proc", "true"], check=False,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if made.returncode:
        raise Skip("no namespaces here: " + made.stderr.strip())


def start(case, prepare, argv, **options):
    """Runs argv in a mount and pid namespace, after the shell has run `prepare` in it. Its processes
    end with it."""
    need_namespaces()
    return case.start(["unshare", "-mpf", "--mount-proc", "--kill-child", "sh", "-ec",
                       prepare + '\nexec "$@"', "sh", *argv], **options)


def pids(victim):
    """{pid inside: pid outside} of all processes below."""
    found = {}
    for pid in proc.descendants(victim.process.pid):
        line = re.search(r"^NSpid:\s+(.*)$", proc.read(pid, "status") or "", re.M)
        if line:
            found[int(line[1].split()[-1])] = pid
    return found


def outside(victim, inner):
    """The pid that a process of the container has here."""
    return pids(victim)[inner]


class Container:
    """A container with Python in it, which starts processes as it is told."""

    def __init__(self, case, prepare, enter=()):
        self.victim = start(case, prepare, [*enter, hang.PYTHON, "-c", _STARTER])
        self.victim.await_ready()

    def spawn(self, argv, is_awaited=False):
        """Starts a command, and waits for its `ready`; (pid inside, pid outside)."""
        self.victim.process.stdin.write(json.dumps([argv, is_awaited]) + "\n")
        self.victim.process.stdin.flush()
        while True:
            words = self.victim.line().split()
            if words[:1] == ["started"]:
                return int(words[1]), outside(self.victim, int(words[1]))


def copy_program(program, root, directory):
    """A program and its libraries below root, all in one directory (absolute, inside) that the machine
    itself has not; its path inside. Its loader finds them there."""
    os.makedirs(root + directory, exist_ok=True)
    wanted = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    loader = None
    for path in re.findall(r"(/\S+) \(0x", wanted):
        shutil.copy(path, root + directory)
        if "/ld-linux" in path or "/ld64" in path:
            loader = path
    os.makedirs(os.path.dirname(root + loader), exist_ok=True)
    shutil.copy(loader, root + loader)
    shutil.copy(program, root + directory)
    return os.path.join(directory, os.path.basename(program))


def server_root(package):
    """Where ./quickstart has unpacked what a package needs and the machine has not; None if it has
    not."""
    path = os.path.join(BUILDDIR, "servers", package, "root")
    return path if os.path.isdir(path) else None


def overlay(case, package, prepare):
    """A container whose root is the machine's with a package over it, after the shell has run `prepare`
    where `root` is that root. What is written there goes with it; the case's directory is CASE."""
    over = case.path("overlay")
    root = server_root(package)
    os.mkdir(over)
    return Container(case, f"""mount -t tmpfs none '{over}'
        cd '{over}'
        mkdir lower upper work root
        {f"cp -a '{root}/.' lower/" if root else ""}
        mount -t overlay overlay -o lowerdir=lower:/,upperdir=upper,workdir=work root
        mount -t proc proc root/proc
        mount --rbind /dev root/dev
        mkdir -p root{CASE} root/old
        mount --bind '{case.dir}' root{CASE}
        {prepare}
        cd root
        pivot_root . old
        umount -l old""", ["chroot", "."])
