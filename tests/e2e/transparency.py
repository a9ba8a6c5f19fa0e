"""Transparency: tables of calls (tests/transparency/*.c) give the same output, byte for byte,
without the shim, with it, and under `lockjam run`."""
import os
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import case as lib_case, tap  # noqa: E402
from lib.case import SHIM, Skip, clean_environment, victim_path  # noqa: E402

TABLES = ("fcntl", "invalid", "signals", "dispositions", "interrupt", "processes", "limits",
          "functions", "functions-fortified")
UNDER = {"preload": "the shim", "run": "lockjam run", "late": "a shim that was attached"}


def sections(text):
    """{case: its lines} of a table's output."""
    found = {}
    name = None
    for line in text.splitlines():
        if line.startswith("== "):
            name = line[3:]
            found[name] = []
        elif name:
            found[name].append(line)
    return found


def late_environment(case):
    """The environment in which a program opens the shim and is attached to before main()."""
    os.makedirs(case.session, exist_ok=True)
    return dict(clean_environment(), LATCH_SHIM=SHIM, LATCH_FOLDER=case.session,
                LD_PRELOAD=victim_path(".libs/opener.so", "latch"))


def run_table(case, table, shim):
    """Output and exit status of a table in a directory of its own, so that files do not differ."""
    where = case.path(shim or "plain")
    os.mkdir(where)
    if shim == "late":
        options = {"env": late_environment(case)}
    else:
        options = {"shim": shim}
    result = case.run([victim_path(table, "transparency")], cwd=where, **options)
    own = [line for line in result.stderr.splitlines() if line.startswith("lockjam: ")]
    assert len(own) <= (shim == "run"), own  # `run` tells once at its end that it has findings
    errors = [line for line in result.stderr.splitlines() if line not in own]
    return result.returncode, result.stdout, errors


def differences(plain, other):
    """Lines that say how the second output differs from the first, case by case."""
    found = []
    want, have = sections(plain), sections(other)
    for name in want:
        if want[name] == have.get(name):
            continue
        found.append(f"case {name!r}:")
        for i, line in enumerate(want[name]):
            got = (have.get(name) or [])[i:i + 1]
            if got != [line]:
                found.append(f"  without: {line}")
                found.append(f"  with:    {got[0] if got else '(nothing)'}")
    return found


def add(table, shim):
    @tap.test(f"{table} gives the same under {UNDER[shim]}", 180)
    def _(case):
        plain = run_table(case, table, None)
        shimmed = run_table(case, table, shim)
        assert shim != "late" or os.listdir(case.session), "it was not attached to"
        wrong = differences(plain[1], shimmed[1])
        assert not wrong, "\n".join(wrong)
        assert shimmed == plain, f"without: {plain}\nwith: {shimmed}"


for _table in TABLES:
    for _shim in UNDER:
        add(_table, _shim)


@tap.test("the tables show the same twice without the shim")
def _(case):
    for table in TABLES:
        first = run_table(case, table, None)
        os.rename(case.path("plain"), case.path("plain-" + table))
        second = run_table(case, table, None)
        os.rename(case.path("plain"), case.path("again-" + table))
        wrong = differences(first[1], second[1])
        assert not wrong, f"{table}\n" + "\n".join(wrong)


def compare(case, argv, **options):
    """Runs argv without and with the shim; their equal results."""
    plain = case.run(argv, **options)
    shimmed = case.run(argv, "preload", **options)
    results = [(r.returncode, r.stdout, r.stderr) for r in (plain, shimmed)]
    assert results[0] == results[1], f"without: {results[0]}\nwith: {results[1]}"
    return plain


@tap.test("a static program is not shimmed and not broken")
def _(case):
    compare(case, [victim_path("static-pie", "transparency")])
    assert os.listdir(case.session) == [], "a static program wrote a segment"


@tap.test("a setuid program is not broken")
def _(case):
    if os.getuid():
        raise Skip("only root can make a program of another user")
    program = os.path.join(lib_case.BUILDDIR, "tests", "transparency", "setuid-copy")
    with open(victim_path("fcntl", "transparency"), "rb") as source, open(program, "wb") as copy:
        copy.write(source.read())
    try:
        os.chown(program, 65534, 65534)
        os.chmod(program, 0o4755)
        os.chmod(case.dir, 0o777)
        if os.statvfs(program).f_flag & os.ST_NOSUID:
            raise Skip("the build tree is mounted nosuid")
        plain, shimmed = (case.run([program, "refused requests"], shim)
                          for shim in (None, "preload"))
        assert (plain.returncode, plain.stdout) == (shimmed.returncode, shimmed.stdout)
        assert stat.S_ISDIR(os.stat(case.session).st_mode)
    finally:
        os.unlink(program)


@tap.test("a program that is given no session directory runs as ever")
def _(case):
    argv = [victim_path("fcntl", "transparency"), "refused requests"]
    plain = case.run(argv)
    for directory in (None, "", "/nowhere/at/all", "/etc/passwd", "relative"):
        env = dict(case.shim_environment(), LOCKJAM_DIR=directory or "")
        if directory is None:
            del env["LOCKJAM_DIR"]
        shimmed = case.run(argv, env=env)
        assert (shimmed.returncode, shimmed.stdout, shimmed.stderr) == (
            plain.returncode, plain.stdout, plain.stderr), directory


@tap.test("output into a broken pipe and a full device is the program's affair")
def _(case):
    for shim in (None, "preload"):
        env = case.shim_environment() if shim else lib_case.clean_environment()
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run(["/bin/echo", "text"], env=env, stdout=full, check=False,
                                    stderr=subprocess.PIPE, text=True)
        assert (result.returncode, "No space left" in result.stderr) == (1, True), result
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.Popen(  # the default action, which Python has set aside
            ["/usr/bin/yes"], env=env, stdout=writer, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        os.close(writer)
        assert process.wait() == -signal.SIGPIPE


if __name__ == "__main__":
    tap.main()
