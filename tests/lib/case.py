"""One test's world: a private directory, the processes that it started, the commands under test.

A Case ends exactly what it started: it is the subreaper of its descendants, so whatever is still
there at the end is killed by pid and reaped, also what has left its process group or its parent.
"""
import ast
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib import proc

SRCDIR = os.environ.get("LOCKJAM_TEST_SRCDIR") or os.path.abspath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILDDIR = os.environ.get("LOCKJAM_TEST_BUILDDIR") or os.path.join(SRCDIR, "build")
LOCKJAM = os.environ.get("LOCKJAM_TEST_COMMAND") or os.path.join(BUILDDIR, "cli", "lockjam")
SHIM = os.environ.get("LOCKJAM_TEST_SHIM") or os.path.join(
    BUILDDIR, "preload", ".libs", "liblockjam.so")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)


def die_with_parent():
    """For Popen's preexec_fn: whoever kills a test kills what it started."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Skip(Exception):
    """Why a test cannot be run here."""


def victim_path(name, subject="victims"):
    """A program of tests/SUBJECT in the build tree."""
    path = os.path.join(BUILDDIR, "tests", subject, name)
    if not os.path.exists(path):
        raise Skip(f"{name} was not built")
    return path


def clean_environment():
    """The environment without anything of ours or of the test harness."""
    drop = ("LOCKJAM_", "MAKE", "MFLAGS", "LD_PRELOAD", "PYTHONDONTWRITEBYTECODE")
    env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    env["LC_ALL"] = "C"
    return env


def wait_until(predicate, what, seconds=20):
    """Polls the kernel's state, which has no event to wait for. The predicate's true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.005)


class Victim:
    """A process that prints `ready` when it is in its state and ends when its stdin is closed."""

    def __init__(self, process, is_run):
        self.process = process
        self.pid = process.pid  # of the victim itself, also below `lockjam run`, once it is ready
        self.said = []  # lines before `ready`
        self._is_run = is_run

    def line(self):
        """The next line of its output without the newline; fails at its end."""
        text = self.process.stdout.readline()
        assert text, f"victim ended early, status {self.process.wait()}, said {self.said}"
        return text.rstrip("\n")

    def await_ready(self):
        """Reads up to `ready`; the lines before it are kept in `said`. Returns self."""
        while True:
            text = self.line()
            if text == "ready":
                if self._is_run:
                    self.pid = proc.children(self.process.pid)[0]
                return self
            self.said.append(text)

    def word(self, key):
        """The rest of the line `KEY rest` that it said before `ready`."""
        for text in self.said:
            if text.startswith(key + " "):
                return text[len(key) + 1:]
        raise AssertionError(f"victim did not say {key!r} but {self.said}")

    def finish(self):
        """Closes its stdin and returns its exit status (negative: signal)."""
        self.process.stdin.close()
        return self.process.wait()

    def kill(self):
        """SIGKILL to the victim; the exit status of what was started, reaped."""
        os.kill(self.pid, signal.SIGKILL)
        return self.process.wait()

    def kill_all(self):
        """SIGKILL to its descendants first, so that nobody is granted anything on the way."""
        for pid in reversed(proc.descendants(self.pid)):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda p=pid: proc.state(p) in (None, "Z", "X"), "death of a child")
        return self.kill()


class Actor(Victim):
    """A process that does what it is told; see lib/actor.py."""

    def send(self, line):
        """Tells it a line without waiting for the answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def do(self, line):
        """Tells it a line, and waits; the value of its expression, if it has a literal one."""
        self.send(line)
        word, _, value = self.line().partition(" ")
        assert word == "done", f"{line}: {value}"
        try:
            return ast.literal_eval(value) if value else None
        except (ValueError, SyntaxError):
            return value


class Case:
    """See the top of the file. `dir` is this test's directory, `session` the session's in it."""

    def __init__(self):
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="lockjam test ", dir=base)
        self.session = os.path.join(self.dir, "a session")
        self._known = set(proc.children(os.getpid()))
        self._started = []

    def path(self, name):
        """A path in the test's directory."""
        return os.path.join(self.dir, name)

    def shim_environment(self):
        """The assignments that put a program under the shim without the command."""
        if not os.path.exists(SHIM):
            raise Skip("liblockjam.so was not built")
        os.makedirs(self.session, exist_ok=True)
        env = clean_environment()
        env.update(LD_PRELOAD=SHIM, LOCKJAM_DIR=self.session)
        return env

    def start(self, argv, shim=None, **options):
        """A Victim. shim: None without, "preload" by environment, "run" by `lockjam run -o`."""
        argv = list(argv)
        env = options.pop("env", None) or (
            self.shim_environment() if shim == "preload" else clean_environment())
        if shim == "run":
            argv = [LOCKJAM, "run", "-o", self.session, "--"] + argv
        options.setdefault("stderr", sys.stdout if options.pop("noisy", False) else None)
        prepare = options.pop("preexec_fn", None)
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.dir,
            start_new_session=True,
            preexec_fn=lambda: (die_with_parent(), prepare and prepare()), **options)
        self._started.append(process)
        return Victim(process, shim == "run")

    def victim(self, name, *arguments, shim="run", **options):
        """A program of tests/victims, ready."""
        return self.start([victim_path(name), *arguments], shim, **options).await_ready()

    def actor(self, *wrapper, **options):
        """A process that does what it is told (lib/actor.py), started by way of the command
        `wrapper`."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "actor.py")
        victim = self.start([*wrapper, sys.executable, script], **options)
        actor = Actor(victim.process, False).await_ready()
        actor.pid = actor.do("os.getpid()") if not wrapper else actor.pid
        return actor

    def run(self, argv, shim=None, **options):
        """Runs a command to its end; CompletedProcess with text output."""
        env = options.pop("env", None) or (
            self.shim_environment() if shim == "preload" else clean_environment())
        argv = list(argv)
        if shim == "run":
            argv = [LOCKJAM, "run", "-o", self.session, "--"] + argv
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", self.dir)
        options.setdefault("text", True)
        return subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, **options)

    def lockjam(self, *arguments, status=(0, 1), **options):
        """Runs lockjam; fails unless its exit status is one of `status`. CompletedProcess."""
        result = self.run([LOCKJAM, *arguments], **options)
        assert result.returncode in status, (
            f"lockjam {' '.join(arguments)}: exit status {result.returncode}\n"
            f"{result.stdout}{result.stderr}")
        return result

    def json(self, command, *arguments, **options):
        """The JSON object of `lockjam COMMAND --format json -o SESSION ARGUMENTS`."""
        result = self.lockjam(command, "--format", "json", "-o", self.session, *arguments,
                              **options)
        return json.loads(result.stdout)

    def json_now(self, command, *arguments, **options):
        """The JSON object of `lockjam COMMAND --format json ARGUMENTS`, of the running system."""
        return json.loads(self.lockjam(command, "--format", "json", *arguments, **options).stdout)

    def text(self, command, *arguments, **options):
        """The text of `lockjam COMMAND -o SESSION ARGUMENTS`."""
        return self.lockjam(command, "-o", self.session, *arguments, **options).stdout

    def _mine(self):
        return [p for p in proc.descendants(os.getpid()) if p not in self._known]

    def close(self):
        """Ends what is left; reaps it; removes the directory."""
        while True:
            left = self._mine()
            if not left:
                break
            for pid in left:
                _end(pid)
        for process in self._started:
            process.stdin.close()
            process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def _end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
