"""lockjam run --protect: handlers that interrupt the allocator and call it do no harm. LOCKJAM_TEST_SIGNALS
sets another number of signals (make check-signals: 100,000)."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402
from lib.case import LOCKJAM, Skip, victim_path, wait_until  # noqa: E402

SIGNALS = int(os.environ.get("LOCKJAM_TEST_SIGNALS", "10000"))
SECONDS = 120
DEMO_SIGNALS = int(os.environ.get("LOCKJAM_TEST_SIGNALS", "2000"))
DEMO_SECONDS = 120 + DEMO_SIGNALS // 200


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


def demo_server(case, *options):
    """The demo's mail server in a storm of signals."""
    os.mkdir(case.path("mail"))
    return case.start([LOCKJAM, "run", "-o", case.session, *options, "--",
                       victim_path("maild", "demo"), case.path("mail"), str(DEMO_SIGNALS)])


@tap.test(f"the demo's server survives {DEMO_SIGNALS} signals, its data whole", DEMO_SECONDS)
def _(case):
    server = demo_server(case, "--protect")
    said = server.process.stdout.read()
    assert server.process.wait() == 0, said
    assert f"has told its client {DEMO_SIGNALS} times, its messages are whole\n" in said, said
    assert said.count("has got the mailbox") == 2 and said.count("is done") == 4, said
    view = case.json("report")
    kinds = {f["kind"] for f in views.findings(view)}
    assert "heap-reentered" in kinds and "deadlock-heap" not in kinds, kinds
    (handler,) = [h for h in case.json("signals", "--offline")["signals"] if h["deliveries"]]
    assert (handler["function"], handler["deliveries"]) == ("idle_handler", DEMO_SIGNALS), handler
    assert "emergency arena served" in str(view["notes"]), view["notes"]


@tap.test("without protection the same storm hangs it, or ends it", DEMO_SECONDS)
def _(case):
    server = demo_server(case)
    for line in server.process.stdout:
        if "no progress" in line or "ended by signal" in line:
            break
        assert "whole" not in line, line
    # On a busy machine "no progress" may come too early.
    wait_until(lambda: {f["kind"] for f in case.json("report")["findings"]} &
               {"heap-reentered", "deadlock-heap"}, "the heap to be re-entered", DEMO_SECONDS)


@tap.test("a clean program under --protect is not told of")
def _(case):
    result = case.run([LOCKJAM, "run", "--protect", "-o", case.session, "--", "sh", "-c",
                       "exit 7"])
    assert result.returncode == 7, result
    assert not case.json("report")["notes"]


if __name__ == "__main__":
    tap.main()
