"""Children that have ended: who does not reap them is told, who is about to, or need not, is not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, tap, views  # noqa: E402
from lib.case import Skip, wait_until  # noqa: E402

PYTHON = """
import os, sys
os.fork() or os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


REAP_NS = 5_000_000_000  # analysis_children.c


def zombies(pid):
    return [p for p in proc.children(pid) if proc.state(p) == "Z"]


def look(case, *pids):
    """The findings about children, of the running system; none about who may be about to reap."""
    view = case.json_now("signals", *map(str, pids))
    found = views.findings(view, "unreaped-children")
    for child in (z for d in view["dispositions"] for z in d["unreaped"]):
        assert child["ended_ns"] and child["ended_ns"] <= view["time_ns"], child
    for pid in (p for f in found for p in f["pids"]):
        (parent,) = [d for d in view["dispositions"] if d["pid"] == pid]
        first = min(z["ended_ns"] for z in parent["unreaped"])
        assert view["time_ns"] - first >= REAP_NS, (view["time_ns"], first)
    return found


@tap.test("a handler that reaps one child per signal leaves others; who reaps is not told")
def _(case):
    if not os.path.exists("/proc/self/sched"):
        raise Skip("the kernel does not tell when a process last ran")
    plain = case.victim("unreaped", shim=None)
    victim = case.victim("unreaped")
    ignoring = case.victim("unreaped-ignored", shim=None)
    soon = case.victim("unreaped-soon", shim=None)
    stopped = int(soon.word("stopped"))
    lazy = case.start([sys.executable, "-c", PYTHON]).await_ready()
    pids = (plain.pid, victim.pid, ignoring.pid, soon.pid, stopped, lazy.pid)
    wait_until(lambda: zombies(lazy.pid), "the end of a child")
    assert [len(zombies(p)) for p in pids] == [2, 2, 1, 3, 3, 1], "the victims are not in their states"

    wait_until(lambda: sum(f["count"] for f in look(case, *pids)) == 5,
               "children that are left for some seconds")
    found = look(case, *pids)
    assert {p for f in found for p in f["pids"]} == {plain.pid, victim.pid, lazy.pid}, found
    (kept,) = [f for f in found if victim.pid in f["pids"]]
    assert kept["severity"] == "warning" and kept["process_count"] == 2, kept
    assert kept["count"] == 4 and "4 children that ended" in kept["headline"], kept
    (note,) = [f for f in found if lazy.pid in f["pids"]]
    assert note["severity"] == "note" and "it leaves SIGCHLD alone" in note["evidence"], note

    (recorded,) = look(case, victim.pid)
    assert recorded["handler"] == "on_child" and recorded["signal"] == "SIGCHLD", recorded
    assert "its handler ran 1 time, last " in recorded["evidence"], recorded
    assert views.functions(recorded["stacks"][0]["frames"])[-1] == "main", recorded
    left = {d["pid"]: sorted(z["pid"] for z in d["unreaped"])
            for d in case.json_now("signals", str(victim.pid))["dispositions"]}
    assert left == {victim.pid: zombies(victim.pid)}, left
    text = case.lockjam("signals", str(victim.pid)).stdout
    assert f"ended and not reaped: unreaped (pid {zombies(victim.pid)[0]}) " in text, text


if __name__ == "__main__":
    tap.main()
