"""Processes in namespaces and roots of their own, looked at from outside."""
import os
import re
import shutil
import subprocess

from lib import proc
from lib.case import Skip

# Starts the two commands that `--` separates as a holder and a waiter, and says their pids here.
_PAIR = """
import subprocess, sys
at = sys.argv.index("--")
holder = subprocess.Popen(sys.argv[1:at], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert holder.stdout.readline() == b"ready\\n"
waiter = subprocess.Popen(sys.argv[at + 1:])
print("holder", holder.pid)
print("waiter", waiter.pid)
print("ready", flush=True)
sys.stdin.read()
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


def pair(python, holder, waiter):
    """The command that starts a holder (which says `ready`) and then a waiter."""
    return [python, "-c", _PAIR, *holder, "--", *waiter]


def pids(victim):
    """{pid inside: pid outside} of all processes below."""
    found = {}
    for pid in proc.descendants(victim.process.pid):
        line = re.search(r"^NSpid:\s+(.*)$", proc.read(pid, "status") or "", re.M)
        if line:
            found[int(line[1].split()[-1])] = pid
    return found


def inside(victim, word):
    """(pid inside, pid outside) of whom the victim told by this word."""
    own = int(victim.word(word))
    return own, pids(victim)[own]


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
