"""lockjam run --protect: handlers that interrupt the allocator and call it do no harm."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import LOCKJAM, Skip, victim_path  # noqa: E402

SIGNALS = int(os.environ.get("LOCKJAM_TEST_SIGNALS", "30000"))  # 100,000 are a matter of time
SECONDS = 120


def run(case, *options):
    argv = [LOCKJAM, "run", "-o", case.session, *options, "--", victim_path("protected"),
            str(SIGNALS)]
    return case.run(argv, timeout=SECONDS)


@tap.test(f"{SIGNALS} signals whose handler allocates: the data stays intact, the bug is told", SECONDS)
def _(case):
    result = run(case, "--protect")
    assert result.returncode == 0 and "intact" in result.stdout, (result.returncode, result.stdout,
                                                                  result.stderr)
    view = case.json("report")
    kinds = {f["kind"] for f in views.findings(view)}
    assert "heap-reentered" in kinds and "deadlock-heap" not in kinds, kinds
    evidence = [f["evidence"] for f in views.findings(view) if f["kind"] == "heap-reentered"]
    assert any("emergency arena" in text for text in evidence), evidence
    served = [n["text"] for n in view["notes"] if "emergency arena served" in n["text"]]
    assert len(served) == 1, view["notes"]
    refused = [n["text"] for n in view["notes"] if "found no room" in n["text"]]
    assert not refused, refused


@tap.test("without protection the heap is re-entered, and nothing is said of an arena", SECONDS)
def _(case):
    env = dict(os.environ, VICTIM_SECONDS="5")
    argv = [LOCKJAM, "run", "-o", case.session, "--", victim_path("protected"), str(SIGNALS)]
    case.run(argv, env=env, timeout=SECONDS)
    view = case.json("report")
    kinds = {f["kind"] for f in views.findings(view)}
    assert kinds & {"heap-reentered", "deadlock-heap"}, kinds
    assert "emergency arena" not in str(view["notes"]) + str(view["findings"])


@tap.test("another allocator's program is protected as well", SECONDS)
def _(case):
    library = next((p for p in glob.glob("/usr/lib/*/libjemalloc.so.2")), None)
    if not library:
        raise Skip("libjemalloc.so.2 is not installed")
    env = dict(os.environ, LD_PRELOAD=library)
    argv = [LOCKJAM, "run", "-o", case.session, "--protect", "--", victim_path("protected"),
            str(SIGNALS)]
    result = case.run(argv, env=env, timeout=SECONDS)
    assert result.returncode == 0 and "intact" in result.stdout, result
    assert "emergency arena served" in str(case.json("report")["notes"])


@tap.test("a clean program under --protect is not told of")
def _(case):
    result = case.run([LOCKJAM, "run", "--protect", "-o", case.session, "--", "sh", "-c",
                       "exit 7"])
    assert result.returncode == 7, result
    assert not case.json("report")["notes"]


if __name__ == "__main__":
    tap.main()
