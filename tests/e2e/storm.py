"""Thousands of deaths: every segment that SIGKILL left behind can be read, the dead hold nothing,
and a session of them is reported on. LOCKJAM_TEST_DEATHS sets another number."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import proc, segment, tap, views  # noqa: E402
from lib.case import victim_path  # noqa: E402

DEATHS = int(os.environ.get("LOCKJAM_TEST_DEATHS", "2000"))
SEED = int(os.environ.get("LOCKJAM_TEST_SEED", "0")) or random.randrange(1, 1 << 32)


def check_no_dead_holder(view):
    dead = {p["pid"] for p in view["processes"] if p["state"] != "live"}
    wrong = [h for h in views.parties(view, "holders")
             if h["pid"] in dead and h["evidence"] in ("observed", "inferred")]
    assert not wrong, f"seed {SEED}: the dead hold {wrong[:3]}"


@tap.test(f"{DEATHS} processes killed while locking, forking and handling signals", 300)
def _(case):
    storm = case.start([victim_path("storm"), str(DEATHS), "4", str(SEED)], "preload").await_ready()
    paths = [os.path.join(case.session, n) for n in os.listdir(case.session)]
    assert len(paths) > DEATHS * 0.9, f"seed {SEED}: {len(paths)} segments of {DEATHS} deaths"
    torn, unready = 0, 0
    for path in paths:
        problem, torn_here = segment.check(path)
        unready += problem == "not ready"
        assert problem in (None, "not ready"), f"seed {SEED}: {path}: {problem}"
        torn += torn_here
    # One process can be torn in as many records as it had threads and handlers at work.
    print(f"# {len(paths)} segments, {unready} killed before they were ready, {torn} torn records")

    # The storm's parent lives: what it shows of its children is what the kernel says now.
    start = time.monotonic()
    check_no_dead_holder(case.json("graph"))
    graph_seconds = time.monotonic() - start
    kernel = [lock for lock in proc.locks() if lock.pid in set(proc.children(storm.pid))]
    assert not kernel, kernel
    storm.finish()

    start = time.monotonic()
    view = case.json("report")
    print(f"# graph {graph_seconds:.1f} s, report of {len(view['processes'])} processes "
          f"{time.monotonic() - start:.1f} s")
    check_no_dead_holder(view)
    # The storm's own record is gone: it recorded nothing and ended by itself.
    assert len(view["processes"]) >= len(paths) - unready - 1, (len(view["processes"]), len(paths))
    # Those that died while they began are told once, with their number; nothing else was lost.
    lost = [n for n in view["notes"] if ".seg" in n["text"]]
    assert len(lost) <= 1, [n["text"] for n in lost]
    text = case.text("report")
    assert "== What is wrong ==" in text, text[:2000]


if __name__ == "__main__":
    tap.main()
