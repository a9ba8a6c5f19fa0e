"""`lockjam attach`: processes that know nothing of lockjam, recorded from outside while they run, read
when they are dead. Victims, and innocent twins."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, segment, tap, views  # noqa: E402
from lib.case import LOCKJAM, clean_environment, die_with_parent, wait_until  # noqa: E402

HELD, WAITING = 3, 1  # enum seg_lock_state
STATE_AT, KIND_AT, STACK_AT = 4, 5, 76
EXITED = 2  # enum seg_state


class Recorder:
    """A running `lockjam attach -o SESSION`; it dies with the test."""

    def __init__(self, case, *arguments):
        self.case = case
        self.process = subprocess.Popen(
            [LOCKJAM, "attach", "-o", case.session, *map(str, arguments)], cwd=case.dir,
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def finish(self, signo=None, status=0):
        """(stdout, stderr) at its end, by a signal or by itself."""
        if signo:
            self.process.send_signal(signo)
        out, err = self.process.communicate()
        assert self.process.returncode == status, (self.process.returncode, out, err)
        return out, err


def records(case):
    """The readable segments of the session, by pid; of several images the last."""
    found = {}
    try:
        names = sorted(os.listdir(case.session), key=lambda n: n.split("-")[2:])
    except FileNotFoundError:
        return found
    for name in names:
        if not name.endswith(".seg"):
            continue
        try:
            found[int(name.split("-")[0])] = segment.Segment(os.path.join(case.session, name))
        except ValueError:
            pass
    return found


def lock_states(case, pid):
    """[(state, has a stack)] of the locks in a process's record, free ones left out."""
    record = records(case).get(pid)
    if not record:
        return []
    return [(r[STATE_AT], r[STACK_AT:STACK_AT + 4] != b"\0\0\0\0")
            for _, r in record.records(segment.LOCKS)
            if r[STATE_AT] and not record.is_torn(r)]


def await_recorded(case, waiters):
    """Until the waits, and where they are, stand in the record."""
    wait_until(lambda: all((WAITING, True) in lock_states(case, pid) for pid in waiters),
               "waits with their stacks in the record")


def add_holder(name, kind):
    @tap.test(f"{name}: holder, waiters, since and stacks from the record, all killed meanwhile")
    def _(case):
        victim = case.victim(name, shim=None)
        waiters = sorted(int(x.split()[1]) for x in victim.said if x.startswith("waiter "))
        recorder = Recorder(case, victim.pid)
        await_recorded(case, waiters)
        victim.kill_all()
        out, err = recorder.finish()  # all targets are gone
        assert "recording" in err and "what was shorter was not seen" in out, (out, err)
        view = case.json("report", status=(0,))
        assert not view["live"] and not views.findings(view), view
        assert views.holders(view) == [(victim.pid, kind, "write", 0, -1)], view["locks"]
        assert views.waiters(view) == [(pid, kind, "write") for pid in waiters], view["locks"]
        for party in views.parties(view, "holders") + views.parties(view, "waiters"):
            assert party["evidence"] == "recorded" and party["since_at_least"], party
            assert party["since_ns"] and party["for_ns"] is not None, party
        for party in views.parties(view, "waiters"):
            names = views.functions(party["stack"])
            assert views.is_subsequence(["take", "wait_for_it", "main"], names) or \
                views.is_subsequence(["wait_for_it", "main"], names), names
            assert any(f["file"] and f["file"].endswith("wait.h") and f["line"] > 0
                       for f in party["stack"]), party["stack"]
            assert party["tid"] == party["pid"], party
        back = [b for b in view["backtraces"] if b["pid"] == victim.pid]
        assert back and "main" in views.functions(back[0]["frames"]) and back[0]["seen_ns"], back
        text = case.text("graph")
        assert "for at least" in text and "seen since" in text, text
        assert [x[:2] for x in views.lines(text)] == \
            [("holds", victim.pid)] + [("waits", pid) for pid in waiters], text
        problems = [segment.check(os.path.join(case.session, n))
                    for n in os.listdir(case.session) if n.endswith(".seg")]
        assert problems and all(p == (None, 0) for p in problems), problems


for _name, _kind in (("wait-posix", "posix"), ("wait-flock", "flock"), ("wait-ofd", "ofd")):
    add_holder(_name, _kind)


@tap.test("nothing is changed in who is recorded: nobody traces it, and the queue keeps its order")
def _(case):
    victim = case.victim("wait-posix", shim=None)
    waiters = [int(x.split()[1]) for x in victim.said if x.startswith("waiter ")]
    before = [lock[:7] for lock in proc.locks() if lock.pid in waiters]
    recorder = Recorder(case, "--interval=10ms", victim.pid)
    tracers = set()
    wait_until(lambda: [tracers.add(proc.read(pid, "status").split("TracerPid:")[1].split()[0])
                        for pid in [victim.pid] + waiters]
               and all((WAITING, True) in lock_states(case, pid) for pid in waiters), "stacks")
    out, _err = recorder.finish(signal.SIGINT)
    assert tracers == {"0"}, tracers
    assert [lock[:7] for lock in proc.locks() if lock.pid in waiters] == before
    assert "LOCKJAM" not in proc.read(victim.pid, "environ")
    assert "liblockjam" not in proc.read(victim.pid, "maps")
    # It still runs: the report shows the present, with the times of the record.
    assert [x[:2] for x in views.lines(out)] == \
        [("holds", victim.pid)] + [("waits", pid) for pid in waiters], out
    assert "for at least" in out and f"Backtrace of process {victim.pid}:" in out, out
    assert victim.finish() == 0


@tap.test("killed recorder: what it had seen is there, and until when it looked is said")
def _(case):
    victim = case.victim("wait-flock", shim=None)
    waiters = sorted(int(x.split()[1]) for x in victim.said if x.startswith("waiter "))
    recorder = Recorder(case, victim.pid)
    await_recorded(case, waiters)
    recorder.finish(signal.SIGKILL, -signal.SIGKILL)
    victim.kill_all()
    view = case.json("report", status=(0,))
    assert views.waiters(view) == [(pid, "flock", "write") for pid in waiters], view["locks"]
    assert any("the last look was at" in n["text"] for n in view["notes"]), view["notes"]


def add_clean(name):
    @tap.test(f"{name}: a program without fault has no finding, status 0")
    def _(case):
        victim = case.victim(name, shim=None)
        recorder = Recorder(case, victim.pid)
        wait_until(lambda: any(HELD in [s for s, _ in lock_states(case, pid)]
                               for pid in records(case)), "a hold in the record")
        assert victim.finish() == 0
        out, err = recorder.finish()
        assert "Nothing was found." in out and "DEADLOCK" not in out + err, (out, err)
        assert records(case)[victim.pid].state == EXITED, "how it ended is known"


for _name in ("alone-posix", "alone-flock", "alone-ofd"):
    add_clean(_name)


@tap.test("the duration ends it; JSON is the report's")
def _(case):
    victim = case.victim("wait-posix", shim=None)
    result = case.lockjam("attach", "-o", case.session, "--duration=300ms", "--format=json",
                          str(victim.pid), status=(0,))
    assert '"command": "attach"' in result.stdout and '"interval_ns"' in result.stdout, result


if __name__ == "__main__":
    tap.main()
