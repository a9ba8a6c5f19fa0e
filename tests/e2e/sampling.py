"""`lockjam attach`: processes that know nothing of lockjam, recorded from outside while they run, read
when they are dead. Victims, and innocent twins."""
import os
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, segment, tap, views  # noqa: E402
from lib.case import (LOCKJAM, Skip, clean_environment, die_with_parent, victim_path,  # noqa: E402
                      wait_until)

HELD, WAITING = 3, 1  # enum seg_lock_state
STATE_AT, STACK_AT, SINCE_AT = 4, 76, 48  # in struct seg_lock
TID_AT, PLACE_AT = 4, 40  # in struct seg_thread
LAST_LOOK_AT = 2128  # in struct seg_header
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


def has_place(case, pid):
    """Whether the record says where the process's main thread is."""
    record = records(case).get(pid)
    return record and any(struct.unpack_from("<i", r, TID_AT)[0] == pid and
                          struct.unpack_from("<I", r, PLACE_AT)[0]
                          for _, r in record.records(segment.THREADS))


def await_recorded(case, waiters, holder=None):
    """Until the waits, and where they and the holder are, stand in the record."""
    wait_until(lambda: all((WAITING, True) in lock_states(case, pid) for pid in waiters)
               and (not holder or has_place(case, holder)), "waits and stacks in the record")


def add_holder(name, kind):
    @tap.test(f"{name}: holder, waiters, since and stacks from the record, all killed meanwhile")
    def _(case):
        victim = case.victim(name, shim=None)
        waiters = sorted(int(x.split()[1]) for x in victim.said if x.startswith("waiter "))
        recorder = Recorder(case, victim.pid)
        await_recorded(case, waiters, victim.pid)
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


def queue_of(waiters):
    """What /proc/locks says of them. One reading may skip or repeat lines while others lock."""
    try:
        return [lock[:7] for lock in proc.locks() if lock.pid in waiters]
    except ValueError:  # half a line, or a lock whose file is going
        return []


@tap.test("nothing is changed in who is recorded: nobody traces it, and the queue keeps its order")
def _(case):
    victim = case.victim("wait-posix", shim=None)
    waiters = [int(x.split()[1]) for x in victim.said if x.startswith("waiter ")]
    before = wait_until(lambda: len(queue_of(waiters)) == 2 and queue_of(waiters), "the queue")
    recorder = Recorder(case, "--interval=10ms", victim.pid)
    tracers = set()
    wait_until(lambda: [tracers.add(proc.read(pid, "status").split("TracerPid:")[1].split()[0])
                        for pid in [victim.pid] + waiters]
               and all((WAITING, True) in lock_states(case, pid) for pid in waiters), "stacks")
    out, _err = recorder.finish(signal.SIGINT)
    assert tracers == {"0"}, tracers
    wait_until(lambda: queue_of(waiters) == before, "the queue to be seen in its order", 5)
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
    # They still wait, but nobody saw whether all the time.
    wait_until(lambda: case.text("graph").count("and now") == 3, "the record to be of the past")
    live = views.parties(case.json("graph"), "waiters")
    assert all(w["seen_until_ns"] and w["evidence"] == "observed" and
               w["for_ns"] == w["seen_until_ns"] - w["since_ns"] for w in live), live
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


def members(victim):
    """The pids that a victim named before it was ready."""
    return sorted(int(x.split()[1]) for x in victim.said)


def add_ring(name):
    @tap.test(f"{name}: a deadlock is told at once, and once; and it stands in the record of the dead")
    def _(case):
        check_ring(case, name)

    @tap.test(f"{name}, open: no deadlock, told or recorded")
    def _(case):
        check_open_ring(case, name)


def check_ring(case, name):
    victim = case.victim(name, shim=None)
    pids = members(victim)
    recorder = Recorder(case, name)
    told = ""
    while "DEADLOCK" not in told:  # comes while they live, and the recorder runs
        told = recorder.process.stderr.readline()
        assert told, "the recorder ended"
    assert told.startswith("lockjam: DEADLOCK: "), told
    await_recorded(case, pids)
    wait_until(lambda: all(seen_again(case, pid) for pid in pids), "a second look")
    victim.kill()  # all members die with it, at one time: nobody is granted anything
    out, err = recorder.finish(status=1)
    assert "DEADLOCK" not in err and "recorded by sampling: two looks" in out, (out, err)
    view = case.json("report", status=(1,))
    found = views.findings(view)
    assert [f["kind"] for f in found] == ["deadlock-cycle"] and \
        found[0]["process_count"] == len(pids), found
    assert "how we know: recorded by sampling" in case.text("report", status=(1,))


def seen_again(case, pid):
    """Whether what the process waits for was seen by the look that its header names."""
    record = records(case)[pid]
    last_ns, = struct.unpack_from("<Q", record.data, LAST_LOOK_AT)
    return all(last_ns > struct.unpack_from("<Q", r, SINCE_AT)[0]
               for _, r in record.records(segment.LOCKS) if r[STATE_AT] == WAITING)


def check_open_ring(case, name):
    victim = case.victim(name, "open", shim=None)
    pids = members(victim)
    sleeper = int(victim.said[-1].split()[1])  # the last member
    recorder = Recorder(case, name)
    await_recorded(case, [pid for pid in pids if pid != sleeper])
    victim.kill()
    out, err = recorder.finish()
    assert "DEADLOCK" not in out + err, (out, err)
    assert not views.findings(case.json("report", status=(0,)))


add_ring("ring-posix")


@tap.test("the duration ends it; JSON is the report's")
def _(case):
    victim = case.victim("wait-posix", shim=None)
    result = case.lockjam("attach", "-o", case.session, "--duration=300ms", "--format=json",
                          str(victim.pid), status=(0,))
    assert '"command": "attach"' in result.stdout and '"interval_ns"' in result.stdout, result


@tap.test("a recorder that is killed anywhere leaves records that can be read")
def _(case):
    busy = case.start(["nice", victim_path("crowd"), "100000000"])  # never at rest
    for number in range(8):
        case.session = case.path(f"session {number}")
        recorder = Recorder(case, "--interval=10ms", busy.pid)
        wait_until(lambda: records(case).get(busy.pid) and
                   records(case)[busy.pid].events > 4 * number, "a record that grows")
        recorder.finish(signal.SIGKILL, -signal.SIGKILL)
        for name in os.listdir(case.session):
            if name.endswith(".seg"):
                problem, torn = segment.check(os.path.join(case.session, name))
                assert problem in (None, "not ready") and torn <= 1, (name, problem, torn)
        case.json("report")
    busy.kill()


@tap.test("another program in the same process is another record; later ones of its name are found")
def _(case):
    script = "exec 9>lock; flock -x 9; echo ready; read x; exec /bin/cat"
    victim = case.start(["/bin/sh", "-c", script]).await_ready()
    recorder = Recorder(case, victim.pid, "alone-posix", "alone-ofd")
    out, err = recorder.finish(status=2)  # nobody of these names: told at once
    assert "no such process" in err and not os.path.exists(case.session), (out, err)
    first = case.victim("alone-posix", shim=None)
    recorder = Recorder(case, victim.pid, "alone-posix")
    for process in (victim, first):
        wait_until(lambda p=process: HELD in dict(lock_states(case, p.pid)), "its hold")
    later = case.victim("alone-posix", case.path("another"), shim=None)
    wait_until(lambda: HELD in dict(lock_states(case, later.pid)), "the hold of one that came later")
    victim.process.stdin.write("go on\n")
    victim.process.stdin.flush()
    wait_until(lambda: records(case)[victim.pid].image == 1 and
               HELD in dict(lock_states(case, victim.pid)), "the record of the other program")
    for process in (first, later, victim):
        process.finish()
    recorder.finish()
    view = case.json("report", status=(0,))
    states = {(p["pid"], p["image"]): p["state"] for p in view["processes"]}
    assert states[victim.pid, 0] == "execed" and states[victim.pid, 1] == "exited", states
    assert any(e["text"] == "has executed another program" for e in view["events"]), view["events"]


def as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


@tap.test("what cannot be recorded: said in one line, status 2, and nothing left behind")
def _(case):
    def refused(word, *arguments, **options):
        result = case.run([LOCKJAM, "attach", *arguments], **options)
        assert result.returncode == 2 and word in result.stderr, result
        assert result.stderr.count("\n") == 1 and not result.stdout, result

    refused("no such process", "-o", case.session, "999999999")
    refused("No such file", "-o", case.path("no/such/place"), str(os.getpid()))
    refused("no PID or command name")
    case.lockjam("attach", "-o", case.path("twice"), "--duration=10ms", str(os.getpid()))
    records_before = sorted(os.listdir(case.path("twice")))
    refused("has records already", "-o", case.path("twice"), str(os.getpid()))
    assert sorted(os.listdir(case.path("twice"))) == records_before
    refused("not a duration", "--duration=5", "1")
    refused("less than 10ms", "--interval=1ms", "1")
    assert not os.path.exists(case.session)
    if os.getuid() == 0:
        os.chmod(case.dir, 0o777)
        victim = case.victim("alone-ofd", shim=None)
        refused("may not be looked at", "-o", case.session, str(victim.pid), preexec_fn=as_nobody)
        assert not os.path.exists(case.session)


@tap.test("a full disk: it goes on, and says what is missing")
def _(case):
    if os.getuid() or not shutil.which("unshare"):
        raise Skip("not root")
    victim = case.victim("wait-posix", shim=None)
    os.mkdir(case.session)
    for size in ("16k", "64k"):
        script = (f'mount -t tmpfs -o size={size} none "$1" || exit 77; shift; exec "$@"')
        result = case.run(["unshare", "-m", "sh", "-c", script, "sh", case.session, LOCKJAM, "attach",
                           "-o", case.session, "--duration=300ms", str(victim.pid)])
        if result.returncode == 77:
            raise Skip("no tmpfs can be mounted")
        assert result.returncode == 0 and "the session's file system was full" in result.stdout, result
        assert size != "16k" or "No space left on device: it is not recorded" in result.stderr, result
        assert [x[:2] for x in views.lines(result.stdout)][0] == ("holds", victim.pid), result


if __name__ == "__main__":
    tap.main()
