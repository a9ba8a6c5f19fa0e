"""The command line: help, bad input, output that cannot be written, `env`."""
import json
import os
import shlex
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap  # noqa: E402
from lib.case import LOCKJAM, SRCDIR, clean_environment, victim_path  # noqa: E402

COMMANDS = ("run", "attach", "graph", "why", "stacks", "report", "signals", "env")


def refused(case, *arguments, status=2, word=None):
    """Runs what must be refused with one line; the line."""
    result = case.run([LOCKJAM, *arguments])
    assert result.returncode == status, (arguments, result)
    assert result.stdout == "" and result.stderr.count("\n") == 1, (arguments, result)
    assert result.stderr.startswith("lockjam: "), (arguments, result)
    assert word is None or word in result.stderr, (arguments, result)
    return result.stderr


@tap.test("--help and --version everywhere, and a man page for each command")
def _(case):
    whole = case.lockjam("--help", status=(0,)).stdout
    for command in COMMANDS:
        assert f"\n  {command} " in whole
        page = open(f"{SRCDIR}/docs/man/lockjam-{command}.1", encoding="utf-8").read()
        text = case.lockjam(command, "--help", status=(0,)).stdout
        assert text.startswith(f"Usage: lockjam {command} "), text
        for word in text.split():
            if word.startswith("--"):
                name = word.split("=")[0].strip("-").replace("-", "\\-")
                assert name in page.replace("-", "\\-") or name in ("help", "version"), (word, command)
        assert case.lockjam(command, "-h", status=(0,)).stdout == text
        assert case.lockjam(command, "--version", status=(0,)).stdout.startswith("lockjam ")


@tap.test("wrong usage: one line that says what to do, status 2")
def _(case):
    refused(case, "grph", word="did you mean lockjam graph?")
    refused(case, "nonsense", word="see lockjam --help")
    refused(case, "--nonsense", word="unknown option")
    refused(case, "graph", "--nonsense", word="lockjam graph --help")
    refused(case, "graph", "-o", word="needs a value")
    refused(case, "graph", "--format", "dotty", word="unknown format")
    refused(case, "env", "--format=json", word="unknown format")
    refused(case, "env", "operand", word="takes no argument")
    result = case.run([LOCKJAM])
    assert result.returncode == 2 and "Usage:" in result.stderr and result.stdout == ""


@tap.test("what is no session is refused: missing, foreign, hostile, from the future")
def _(case):
    os.mkdir(case.path("foreign"))
    for name, data in (("foreign/file", b"x"), ("empty.seg", b""), ("short.seg", b"LOCKJAM\0"),
                       ("noise.seg", os.urandom(5000)), ("text", b"text")):
        with open(case.path(name), "wb") as f:
            f.write(data)
    for command in ("graph", "report", "signals"):
        refused(case, command, "-o", "/none/at/all", word="/none/at/all")
        refused(case, command, "-o", "foreign")
        refused(case, command, "-o", "empty.seg")
        refused(case, command, "-o", "short.seg")
        refused(case, command, "-o", "noise.seg")
        refused(case, command, "-o", "text")
        refused(case, command, "-o", "")
    refused(case, "report", "no-such-directory")
    refused(case, "report", "999999999", word="999999999")
    refused(case, "graph", "999999999", word="999999999")


@tap.test("a segment of a future version is refused, and says so")
def _(case):
    case.run([LOCKJAM, "run", "-o", case.session, "/bin/sh", "-c", "kill -9 $$"])
    record = [n for n in os.listdir(case.session) if n.endswith(".seg")][0]
    with open(os.path.join(case.session, record), "r+b") as f:
        f.seek(8)
        f.write((99).to_bytes(4, "little") + (99).to_bytes(4, "little"))
    line = refused(case, "report", os.path.join(case.session, record))
    assert "version" in line or "newer" in line, line


@tap.test("output that cannot be written: a full device is an error, a broken pipe is quiet")
def _(case):
    case.victim("wait-posix")
    for command in ("graph", "report", "signals"):
        for form in ("text", "json"):
            argv = [LOCKJAM, command, "-o", case.session, "--format", form]
            with open("/dev/full", "w", encoding="ascii") as full:
                result = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True,
                                        env=clean_environment(), check=False)
            assert result.returncode == 2 and "No space left" in result.stderr, result
            for action in (signal.SIG_DFL, signal.SIG_IGN):
                reader, writer = os.pipe()
                os.close(reader)
                result = subprocess.run(
                    argv, stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
                    env=clean_environment(),
                    preexec_fn=lambda a=action: signal.signal(signal.SIGPIPE, a))
                os.close(writer)
                assert (result.returncode, result.stderr) == (-signal.SIGPIPE, ""), result
            closed = case.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", *argv])
            assert closed.returncode == 2 and "Bad file descriptor" in closed.stderr, closed


@tap.test("names with newlines, blanks, escapes and bytes that are no UTF-8")
def _(case):
    name = case.path("a\nb\\ \x1b[31m").encode() + b"\xff"
    script = b"exec 9>\"$1\"; flock -x 9; echo ready; read x"
    victim = case.start(["/bin/sh", "-c", script, "sh", name], "run").await_ready()
    text = case.text("graph")
    line = [x for x in text.split("\n") if " holding WRITE lock for " in x]
    assert len(line) == 1 and line[0].endswith("a\\nb\\\\ \\033[31m\\377"), text
    found = case.json("graph")
    locks = [x for x in found["locks"] if x["file"] and "�" in x["file"]]
    assert len(locks) == 1 and bytes.fromhex(locks[0]["file_hex"]) == name, found
    victim.finish()


@tap.test("env: assignments for a shell and for systemd, and where to look")
def _(case):
    result = case.run([LOCKJAM, "env", "-o", "re'c"])
    assert result.returncode == 0 and "lockjam graph -o " in result.stderr, result
    script = result.stdout + '\nprintf "%s\\n" "$LOCKJAM_DIR" "$LD_PRELOAD"; exec kill -9 $$'
    under = case.run(["/bin/sh", "-c", script])
    assert under.stdout.split("\n")[0] == case.path("re'c"), under
    assert os.path.basename(under.stdout.split("\n")[1]) == "liblockjam.so"
    unit = case.run([LOCKJAM, "env", "-o", "50%", "--format=systemd"]).stdout.split("\n")
    assert unit[0] == "[Service]" and unit[2] == f'Environment="LOCKJAM_DIR={case.dir}/50%%"', unit
    assert shlex.split(unit[1])[0].startswith("Environment=LD_PRELOAD=/"), unit


@tap.test("env that cannot print leaves no directory")
def _(case):
    base = "/run/lockjam" if os.geteuid() == 0 else f"/dev/shm/lockjam-{os.geteuid()}"
    for target, status in (("/dev/full", 2), (None, -signal.SIGPIPE)):
        reader, writer = os.pipe()
        os.close(reader)
        out = open(target, "w", encoding="ascii") if target else writer
        with subprocess.Popen([LOCKJAM, "env"], stdout=out, stderr=subprocess.PIPE, text=True,
                              env=clean_environment()) as process:
            err = process.communicate()[1]
        assert (process.returncode, err.count("\n")) == (status, 1 if target else 0), err
        assert not [n for n in os.listdir(base) if n.endswith(f"-{process.pid}")]
        os.close(writer)


@tap.test("targets: a pid, a name, a path; what is not asked for is left out")
def _(case):
    victim = case.victim("wait-posix")
    everything = case.json("graph")
    assert len(everything["locks"]) >= 1
    path = everything["locks"][0]["file"]
    by_path = case.json("graph", path)
    assert [x["file"] for x in by_path["locks"]] == [path], by_path
    by_name = case.json("graph", "wait-posix")
    assert by_name["locks"], by_name
    pids = [h["pid"] for lock in everything["locks"] for h in lock["holders"]]
    assert case.json("graph", str(pids[0]))["locks"]
    none = case.run([LOCKJAM, "graph", "-o", case.session, "no-such-command"])
    assert none.returncode == 2 or "No file locks" in none.stdout, none
    victim.finish()


@tap.test("the JSON form has what docs/json.md promises, in each command that reads")
def _(case):
    victim = case.victim("wait-posix")
    common = {"format_version", "lockjam", "command", "dir", "live", "time_ns", "processes",
              "locks", "waits", "findings", "backtraces", "notes"}
    page = open(f"{SRCDIR}/docs/json.md", encoding="utf-8").read()
    seen = set()

    def collect(value):
        if isinstance(value, dict):
            seen.update(value)
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                collect(item)
    for command, more in (("graph", set()), ("signals", {"signals", "dispositions"}),
                          ("report", {"signals", "events"})):
        found = case.json(command)
        assert set(found) == common | more, (command, set(found))
        collect(found)
    found = json.loads(case.lockjam("stacks", "--format=json", str(victim.pid)).stdout)
    assert set(found) == common, set(found)
    collect(found)
    missing = [key for key in seen if f"`{key}`" not in page]
    assert not missing, f"not in docs/json.md: {missing}"
    victim.finish()


if __name__ == "__main__":
    tap.main()
