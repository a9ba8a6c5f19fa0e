"""Locks and signal handlers: locks that a handler takes and the code that it interrupts may hold, with what
truly happens for each kind; the innocent twins; and what a handler came into, as evidence."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import tap, views  # noqa: E402

DROPS = "gets it at once, and its unlock or close() ends both"
WAITS = "waits for ever if the code that it interrupts holds it"
CAME = "SIGUSR1 came once while the interrupted code held the WRITE lock"
UNBLOCKED = "SIGUSR1 was not blocked when the WRITE lock"
# scene: (severity, in the headline, in the evidence, where the second stack is from)
GUILTY = {
    "posix-held": ("error", DROPS, CAME, "the interrupted code had taken it"),
    "posix-tried": ("error", DROPS, CAME, "the interrupted code had taken it"),
    "posix-free": ("warning", DROPS, UNBLOCKED, "taken with SIGUSR1 unblocked"),
    "flock-one": ("warning", DROPS, UNBLOCKED, "taken with SIGUSR1 unblocked"),
    "ofd-two": ("warning", WAITS, UNBLOCKED, "taken with SIGUSR1 unblocked"),
    "flock-two": ("warning", WAITS, UNBLOCKED, "taken with SIGUSR1 unblocked"),
    "posix-and-ofd": ("warning", WAITS, UNBLOCKED, "taken with SIGUSR1 unblocked"),
}
INNOCENT = ("posix-blocked", "flock-blocked", "posix-let-in", "ofd-tried", "flock-tried", "another-file",
            "other-bytes", "readers")


def add_guilty(scene, severity, headline, evidence, label):
    @tap.test(f"lock-in-handler: {scene}")
    def _(case):
        victim = case.victim("lock-in-handler", scene)
        view = case.json("report", status=(1,))
        (finding,) = views.findings(view, "lock-in-handler")
        # The interrupted code then unlocks what the handler has unlocked: that may be told, too.
        assert {f["kind"] for f in views.findings(view)} <= {"lock-in-handler", "unlock-not-held"}
        assert finding["severity"] == severity, finding
        assert finding["pids"] == [victim.pid] and finding["count"] == 1, finding
        assert finding["signal"] == "SIGUSR1" and finding["handler"] == "on_usr1", finding
        assert headline in finding["headline"], finding["headline"]
        assert evidence in finding["evidence"], finding["evidence"]
        labels = [s["label"] for s in finding["stacks"]]
        assert labels == ["asked for in the handler of SIGUSR1", label], labels
        inside, outside = (views.functions(s["frames"]) for s in finding["stacks"])
        assert views.is_subsequence(["take_inside", "on_usr1", "main"], inside), inside
        assert views.is_subsequence(["hold", "main"], outside), outside
        assert "take_inside" not in outside, outside
        # Both stacks are shown, also of a warning.
        text = case.text("report")
        assert "asked for in the handler of SIGUSR1:" in text and label + ":" in text, text


for _scene, _row in GUILTY.items():
    add_guilty(_scene, *_row)


def add_innocent(scene):
    @tap.test(f"no lock-in-handler: {scene}")
    def _(case):
        case.victim("lock-in-handler", scene)
        view = case.json("report", status=(0,))
        assert not view["findings"], view["findings"]


for _scene in INNOCENT:
    add_innocent(_scene)


@tap.test("a handler that waited for another process's lock")
def _(case):
    victim = case.victim("lock-in-handler", "waited")
    (finding,) = views.findings(case.json("report", status=(1,)))
    assert (finding["kind"], finding["severity"]) == ("lock-in-handler", "warning"), finding
    assert finding["pids"] == [victim.pid], finding
    assert "waited for the WRITE lock (POSIX, bytes 0-9)" in finding["headline"], finding
    assert "a request of its slept for " in finding["evidence"], finding
    assert ", the last time process " in finding["evidence"], finding
    assert [s["label"] for s in finding["stacks"]] == ["asked for in the handler of SIGUSR1"]


@tap.test("a handler that waits for itself: the deadlock, and whose fault it is")
def _(case):
    victim = case.victim("lock-in-handler", "ofd-stuck")
    deadlock, cause = views.findings(case.json("report", status=(1,)))
    assert deadlock["kind"] == "deadlock-cycle", deadlock
    assert cause["kind"] == "lock-in-handler" and cause["pids"] == [victim.pid], cause
    assert "its request has not been answered; SIGUSR1 came once while" in cause["evidence"], cause


@tap.test("locks that a handler came into, in the evidence, in signals and in JSON")
def _(case):
    case.victim("lock-in-handler", "unsafe-held")
    (finding,) = views.findings(case.json("report"))
    assert finding["kind"] == "unsafe-call-in-handler", finding
    assert "; the interrupted code held the WRITE lock (flock) of " in finding["evidence"], finding
    (held,) = finding["held"]
    assert held["file"] == case.path("lock") and held["kind"] == "flock", held
    assert (held["mode"], held["start"], held["end"]) == ("write", 0, None), held
    assert views.is_subsequence(["hold", "main"], views.functions(held["taken"])), held
    assert finding["stacks"][1]["label"] == "the interrupted code had taken its lock", finding
    (handler,) = case.json("signals")["signals"]
    (lock,) = handler["interrupted_locks"]
    assert (lock["count"], lock["dropped"], lock["kind"]) == (1, 0, "flock"), lock
    text = case.text("signals")
    assert "1 delivery came while the WRITE lock (flock, whole file) of " in text, text
    assert " was held, taken in hold at " in text, text


@tap.test("a handler that came into no lock")
def _(case):
    case.victim("lock-in-handler", "unsafe-free")
    (finding,) = views.findings(case.json("report"))
    assert finding["held"] == [] and "held" not in finding["evidence"], finding
    (handler,) = case.json("signals")["signals"]
    assert handler["interrupted_locks"] == [], handler


if __name__ == "__main__":
    tap.main()
