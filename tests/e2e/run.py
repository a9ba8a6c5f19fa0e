"""lockjam run: the command's statuses, signals, streams and environment, and what it leaves."""
import os
import pty
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.case import (  # noqa: E402
    LOCKJAM, SHIM, Skip, clean_environment, victim_path, wait_until)


def sh(case, script, *options, **more):
    """`lockjam run OPTIONS sh -c SCRIPT`."""
    return case.run([LOCKJAM, "run", *options, "--", "/bin/sh", "-c", script], **more)


def sessions(pid):
    """What one lockjam process left in the directory of this user's sessions."""
    base = "/run/lockjam" if os.geteuid() == 0 else f"/dev/shm/lockjam-{os.geteuid()}"
    names = os.listdir(base) if os.path.isdir(base) else []
    # Named by time and maker's pid; other tests make theirs meanwhile.
    return [os.path.join(base, name) for name in names if name.split(".")[0].endswith(f"-{pid}")]


def run_unkept(case, *arguments, text=None, env=None):
    """`lockjam run ARGUMENTS`: its status, output, messages, and the sessions that it left."""
    with subprocess.Popen([LOCKJAM, "run", *arguments], stdin=subprocess.PIPE, cwd=case.dir,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=env or clean_environment()) as process:
        out, err = process.communicate(text)
    return process.returncode, out, err, sessions(process.pid)


@tap.test("exit statuses are the command's own")
def _(case):
    for status in (0, 1, 2, 125, 126, 127, 255):
        assert sh(case, f"exit {status}").returncode == status


@tap.test("a death by signal is passed on, without a second core file")
def _(case):
    for signo in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGINT):
        result = sh(case, f"kill -{int(signo)} $$")
        assert result.returncode == -signo, (signo, result)
    assert not [name for name in os.listdir(case.dir) if name.startswith("core")]


@tap.test("125, 126 and 127 as env(1), each with one line")
def _(case):
    plain_file = case.path("plain")
    with open(plain_file, "w", encoding="ascii") as f:
        f.write("text")
    for argv, status in ((["no-such-command"], 127), (["./none"], 127), ([plain_file], 126),
                         (["/"], 126), ([""], 127), ([], 125), (["--no-such-option", "x"], 125),
                         (["-o", "/proc/none/x", "true"], 125), (["-o", plain_file, "true"], 125),
                         (["--error-exitcode=300", "true"], 125)):
        result, out, err, left = run_unkept(case, *argv)
        assert (result, out, left) == (status, "", []), (argv, result, out, err, left)
        assert err.startswith("lockjam: ") and err.count("\n") == 1, err


@tap.test("streams and arguments are the command's; a clean run says nothing and leaves nothing")
def _(case):
    assert run_unkept(case, "cat", "-", text="in\n") == (0, "in\n", "", [])
    assert run_unkept(case, "/bin/echo", "-o", "--help", "--", "a b") == (
        0, "-o --help -- a b\n", "", [])


@tap.test("closed streams are closed in the command too")
def _(case):
    script = '"$0" run /bin/sh -c "ls -l /proc/self/fd | grep -c pipe" <&- 2>&-'
    result = case.run(["/bin/sh", "-c", script, LOCKJAM])
    plain = case.run(["/bin/sh", "-c", "/bin/sh -c 'ls -l /proc/self/fd | grep -c pipe' <&- 2>&-"])
    assert result.stdout == plain.stdout, (result, plain)
    assert case.run(["/bin/sh", "-c", '"$0" run true >&- 2>&- <&-', LOCKJAM]).returncode == 0


@tap.test("LD_PRELOAD of the caller is kept behind the shim, and the directory is absolute")
def _(case):
    env = dict(clean_environment(), LD_PRELOAD=" libm.so.6:libdl.so.2")
    result = sh(case, 'echo "$LD_PRELOAD"; echo "$LOCKJAM_DIR"', "-o", "rec", env=env)
    assert result.stdout == f"{os.path.realpath(SHIM)}: libm.so.6:libdl.so.2\n{case.dir}/rec\n", result
    inside = f"{LOCKJAM!r} run /bin/sh -c 'echo $LD_PRELOAD'"
    assert sh(case, inside).stdout == os.path.realpath(SHIM) + "\n"


@tap.test("dispositions and mask of signals are the caller's")
def _(case):
    def odd():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
    script = ["/bin/grep", "-E", "Sig(Ign|Blk|Cgt)", "/proc/self/status"]
    for setup in (None, odd):
        plain = case.run(script, preexec_fn=setup)
        under = case.run([LOCKJAM, "run", *script], preexec_fn=setup)
        assert (under.stdout, under.returncode) == (plain.stdout, 0), (under, plain)


RECEIVER = """
import os, signal, sys
names = ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM")
numbers = [getattr(signal, "SIG" + name) for name in names]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
for _ in names:
    print(signal.sigwait(numbers).name, flush=True)
sys.exit(7)
"""


@tap.test("signals sent to lockjam are handed on, its status is the command's")
def _(case):
    with subprocess.Popen([LOCKJAM, "run", sys.executable, "-c", RECEIVER], text=True,
                          env=clean_environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"):
            os.kill(process.pid, getattr(signal, name))
            assert process.stdout.readline() == name + "\n"
        assert process.wait() == 7


def fork_in_terminal():
    """pty.fork(), where there are pseudo-terminals."""
    try:
        return pty.fork()
    except OSError as error:
        raise Skip(f"no pseudo-terminal: {error}") from error


@tap.test("^C of a terminal reaches the command once and leaves lockjam waiting")
def _(case):
    pid, terminal = fork_in_terminal()
    if pid == 0:
        os.execve(LOCKJAM, [LOCKJAM, "run", "/bin/bash", "-c",
                            "trap 'echo got' INT; echo ready; read x; read x; exit 5"],
                  clean_environment())
    seen = b""

    def read_until(word):
        nonlocal seen
        while word not in seen:
            seen += os.read(terminal, 100)
    read_until(b"ready")
    os.write(terminal, b"\x03")
    read_until(b"got")
    os.write(terminal, b"a\nb\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert seen.count(b"got") == 1
    os.close(terminal)


def stopped(pid):
    """Is it stopped by job control?"""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


@tap.test("^Z stops both, and both go on")
def _(case):
    # A shell with job control: the job gets a process group of its own.
    pid, terminal = fork_in_terminal()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], dict(clean_environment(), PS1="$ "))
    seen = b""

    def read_until(word):
        nonlocal seen
        while word not in seen:
            seen += os.read(terminal, 1000)
        before, _, seen = seen.partition(word)
        return before
    read_until(b"$ ")
    os.write(terminal, f"'{LOCKJAM}' run /bin/sh -c 'echo rea\"\"dy $$ .; read x; echo \"<$x>\"'\n".encode())
    read_until(b"ready ")
    child = int(read_until(b" ."))
    os.write(terminal, b"\x1a")
    read_until(b"Stopped")
    read_until(b"$ ")  # the prompt: the line that says so has the command in it
    # The shell has only seen lockjam stop: until the command has too, it may take what we type.
    wait_until(lambda: stopped(child), "the command stops")
    os.write(terminal, b"fg\n")
    read_until(b"read x")
    os.write(terminal, b"word\n")
    read_until(b"<word>")
    os.write(terminal, b"exit\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


@tap.test("-o keeps the session, also an existing one, and nothing else's directory")
def _(case):
    for _ in range(2):
        assert sh(case, "true", "-o", "rec").returncode == 0
    assert os.path.isdir(case.path("rec"))
    os.mkdir(case.path("full"))
    with open(case.path("full/file"), "w", encoding="ascii"):
        pass
    assert sh(case, "true", "-o", "full").returncode == 125
    assert os.listdir(case.path("full")) == ["file"]


@tap.test("a daemon that goes on keeps its session, and is told about")
def _(case):
    daemon = victim_path("alone-posix")
    script = f"exec 9<>{case.path('fifo')!r}; setsid {daemon!r} <&9 >{case.path('out')!r} 2>&1 & "
    script += f"until grep -q ready {case.path('out')!r}; do :; done"
    os.mkfifo(case.path("fifo"))
    status, _, err, left = run_unkept(case, "/bin/sh", "-c", script)
    assert status == 0 and len(left) == 1, (err, left)
    directory = left[0]
    assert "still alive" in err and directory in err, err
    graph = case.run([LOCKJAM, "graph", "-o", directory])
    assert " holding WRITE lock for " in graph.stdout, graph
    case.close()
    # As an administrator would.
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))
    os.rmdir(directory)


@tap.test("findings: on stderr, or told where; --error-exitcode")
def _(case):
    victim = victim_path("handler-calls")
    plain = case.run([LOCKJAM, "run", victim, "puts"])
    assert plain.returncode == 0 and "[unsafe-call-in-handler, warning]" in plain.stderr, plain
    kept = case.run([LOCKJAM, "run", "-o", "rec", "--error-exitcode=77", victim, "puts"])
    assert kept.returncode == 77, kept
    assert "lockjam: " in kept.stderr and f"see lockjam report {case.dir}/rec\n" in kept.stderr
    assert kept.stdout == plain.stdout
    innocent = case.run([LOCKJAM, "run", "--error-exitcode=77", victim_path("handler-safe")])
    assert (innocent.returncode, innocent.stderr) == (0, ""), innocent


@tap.test("what cannot be shimmed is said in one line, and runs")
def _(case):
    static = victim_path("static-pie", "transparency")
    result = case.run([LOCKJAM, "run", static])
    assert "statically" in result.stderr and result.returncode == 0, result
    if os.geteuid() != 0:
        raise Skip("only root can make a setuid program of another user")
    copy = case.path("true")
    shutil.copy("/bin/true", copy)
    os.chown(copy, 65534, 65534)
    os.chmod(copy, 0o4755)
    result = case.run([LOCKJAM, "run", copy])
    assert "setuid" in result.stderr and result.stderr.count("\n") == 1, result
    assert result.returncode == 0, result


@tap.test("a shim that cannot be used is an error of lockjam's")
def _(case):
    blank = case.path("with blank.so")
    os.symlink("/nowhere", case.path("nowhere.so"))
    with open(blank, "w", encoding="ascii"):
        pass
    for path in (blank, case.path("nowhere.so"), "/none"):
        env = dict(clean_environment(), LOCKJAM_SHIM=path)
        result, _, err, left = run_unkept(case, "true", env=env)
        assert result == 125 and err.count("\n") == 1 and not left, (err, left)


if __name__ == "__main__":
    tap.main()
