"""Findings that the user knows: left out by a file of suppressions, counted, and never in silence."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import LOCKJAM, victim_path  # noqa: E402


def write(case, text):
    path = case.path("known")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def functions(view):
    return {f["function"] for f in view["findings"]}


def notes(view):
    return [note["text"] for note in view["notes"]]


@tap.test("by kind, function, handler, program and signal; what is left out is counted")
def _(case):
    case.victim("handler-why")
    everything = functions(case.json("report"))
    assert {"puts", "rand", "getenv"} <= everything, everything
    for line, left_out in (("unportable-call-in-handler", {"getenv"}),
                           ("unsafe-call-in-handler function=rand", {"rand"}),
                           ("* function=str*", {f for f in everything if f.startswith("str")}),
                           ("* handler=on_usr1 function=puts # why", {"puts"}),
                           ("* program=*/handler-why signal=SIGUSR1 function=puts", {"puts"}),
                           ("* program=handler-why", everything),
                           ("* handler=on_usr2\n* program=other\n* signal=SIGUSR2\n", set())):
        path = write(case, f"# known\n\n{line}\n")
        view = case.json("report", f"--suppress={path}", status=(0, 1))
        assert functions(view) == everything - left_out, (line, functions(view))
        told = [n for n in notes(view) if "suppressed by" in n]
        count = len(left_out)
        wanted = [f"{count} finding{'s' * (count > 1)} suppressed by {path}"] if count else []
        assert told == wanted, (line, told)


@tap.test("the exit status is that of what remains; by the environment, too")
def _(case):
    case.victim("handler-why")
    path = write(case, "unsafe-call-in-handler")
    case.json("report", f"--suppress={path}", status=(0,))
    case.lockjam("graph", "-o", case.session, f"--suppress={path}", status=(0,))
    result = case.run([LOCKJAM, "report", case.session], env=dict(os.environ, LOCKJAM_SUPPRESS=path))
    assert result.returncode == 0 and "suppressed by" in result.stdout, result
    assert views.findings(case.json("report")), "the record keeps them"


@tap.test("a suppression that fits nothing is told with --all")
def _(case):
    case.victim("handler-why")
    path = write(case, "unsafe-call-in-handler function=rand\n\ndeadlock-heap\n")
    assert not [n for n in notes(case.json("report", f"--suppress={path}")) if "nothing" in n]
    told = [n for n in notes(case.json("report", "--all", f"--suppress={path}")) if "nothing" in n]
    assert told == [f"{path}:3 suppresses nothing"], told


@tap.test("run: suppressed findings are one line, and do not count")
def _(case):
    path = write(case, "*")
    argv = [LOCKJAM, "run", "--error-exitcode=9", f"--suppress={path}", victim_path("handler-why")]
    result = case.run(argv, input="", stdin=None)
    assert result.returncode == 0, result
    (line,) = [l for l in result.stderr.splitlines() if l.startswith("lockjam: ")]
    assert line.endswith(f"findings suppressed by {path}"), line


@tap.test("what is wrong in the file is told with its line, before anything runs")
def _(case):
    for text, where, word in (("nonsense\n", ":1", "no kind"),
                              ("#\n* handlr=x\n", ":2", "handlr=x"),
                              ("* function=a function=b\n", ":1", "twice"),
                              ("* rand\n", ":1", "rand")):
        path = write(case, text)
        for argv in (["report", f"--suppress={path}"],
                     ["run", f"--suppress={path}", "/bin/echo", "ran"]):
            result = case.run([LOCKJAM, *argv])
            assert result.returncode not in (0, 1) and not result.stdout, result
            assert f"{path}{where}: " in result.stderr and word in result.stderr, result
    result = case.run([LOCKJAM, "report", "--suppress=/nonexistent/file"])
    assert result.returncode == 2 and "/nonexistent/file: No such file" in result.stderr, result


if __name__ == "__main__":
    tap.main()
