"""A file of tests that speaks TAP.

    @test("what must hold")
    def _(case): ...
    if __name__ == "__main__": main()

Tests run in the order of the file (or only those whose name contains an argument). Each gets a
fresh Case (lib.case), which ends whatever the test started; a test that runs longer than its time
fails, and the rest goes on.
"""
import os
import signal
import sys
import traceback

from lib.case import Case, Skip

_tests = []


def test(name, seconds=60):
    """Registers a test; `seconds` is its watchdog, not an expectation."""
    def register(function):
        _tests.append((name, seconds, function))
        return function
    return register


class Overdue(BaseException):
    """The watchdog: no `except Exception` of a test may swallow it."""


def _overdue(_signo, _frame):
    raise Overdue("the test did not end in time")


def _told_to_end(signo, _frame):
    sys.exit(128 + signo)  # by way of every `finally`: what was started is ended


def _run_one(seconds, function):
    """None, or what went wrong. Skip passes through."""
    case = Case()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        function(case)
        return None
    except Skip:
        raise
    except AssertionError as error:
        return f"{error}\n{_where(error)}"
    except (Exception, Overdue) as error:  # pylint: disable=broad-except
        return "".join(traceback.format_exception(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        case.close()


def _where(error):
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"at {os.path.basename(f.filename)}:{f.lineno} {f.line}" for f in frames[1:])


def _diagnose(text):
    for line in text.rstrip("\n").split("\n"):
        print("# " + line)


def main():
    """Runs the tests of the file; exit status 0 if none failed."""
    signal.signal(signal.SIGALRM, _overdue)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored where a shell started us with "&"
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signo, _told_to_end)
    wanted = sys.argv[1:]
    chosen = [t for t in _tests if not wanted or any(w in t[0] for w in wanted)]
    print(f"1..{len(chosen)}", flush=True)
    failures = 0
    for number, (name, seconds, function) in enumerate(chosen, 1):
        try:
            problem = _run_one(seconds, function)
        except Skip as skip:
            print(f"ok {number} - {name} # SKIP {skip}", flush=True)
            continue
        print(f"{'not ok' if problem else 'ok'} {number} - {name}")
        if problem:
            failures += 1
            _diagnose(problem)
        sys.stdout.flush()
    sys.exit(1 if failures else 0)
