"""Locks of threads: what the shim records of each wrapped function, and what is told of those
that somebody waits for; alive and dead."""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import segment, tap, views  # noqa: E402
from lib.case import clean_environment, victim_path, wait_until  # noqa: E402

HOLD_HELD = 2


def held_addresses(case, pid):
    """What the lists of a process hold, read with the second reader: {address: (kind, mode)}."""
    found = {}
    for name in os.listdir(case.session):
        if not name.startswith(f"{pid}-") or not name.endswith(".seg"):
            continue
        for _, record in segment.Segment(os.path.join(case.session, name)).records(segment.LISTS):
            top, = struct.unpack_from("<I", record, 12)
            for i in range(top):
                address, site, state, kind, mode = struct.unpack_from(
                    "<QQBBB", record, segment.HOLDS_AT + 32 * i)
                if address and state == HOLD_HELD:
                    assert site, hex(address)
                    found[address] = (kind, mode)
    return found


def said(victim, word):
    return {int(line.split()[2], 16): line.split()[1] for line in victim.said
            if line.startswith(word + " ")}


@tap.test("every lock that a wrapped function takes is in its thread's list, what it gives back is not")
def _(case):
    victim = case.victim("every-lock")
    held, taken, dropped = held_addresses(case, victim.pid), said(victim, "took"), said(victim, "drop")
    assert len(taken) > 55 and len(dropped) >= 5, (len(taken), len(dropped))
    unseen = [name for address, name in taken.items() if address not in held]
    kept = [name for address, name in dropped.items() if address in held]
    assert not unseen and not kept, f"not recorded: {unseen}; still recorded: {kept}"
    assert set(held) == set(taken), {hex(a) for a in set(held) ^ set(taken)}
    for address, name in taken.items():
        mode = 1 if "rdlock" in name else 2
        kind = 2 if "rwlock" in name else 3 if "spin" in name else 4 if "sem" in name else 1
        assert held[address] == (kind, mode), (name, held[address])
    assert not case.json("graph")["locks"], "locks that nobody waits for stay out of the graph"


@tap.test("LOCKJAM_TRACK: off records nothing of them, count only how many")
def _(case):
    for level in ("off", "count"):
        victim = case.victim("every-lock", env=dict(clean_environment(), LOCKJAM_TRACK=level))
        assert not held_addresses(case, victim.pid), level
        assert victim.finish() == 0


def pairs(view):
    """[(file without its address, holder's tid, {waiters' tids})]"""
    return sorted((re.sub(r" 0x[0-9a-f]+", "", lock["file"]),
                   lock["holders"][0]["tid"] if lock["holders"] else None,
                   sorted(w["tid"] for w in lock["waiters"])) for lock in view["locks"])


@tap.test("two threads, two mutexes: who holds and who waits, by name, alive and killed")
def _(case):
    victim = case.victim("abba-mutex")
    first, second = int(victim.word("first")), int(victim.word("second"))
    expected = [("mutex (cache_lock)", first, [second]), ("mutex (index_table+0x10)", second, [first])]
    alive = case.json("graph")
    assert pairs(alive) == expected, pairs(alive)
    found = views.findings(alive, "deadlock-cycle")
    assert len(found) == 1 and "(cache_lock)" in found[0]["headline"], alive["findings"]
    for lock in alive["locks"]:
        assert lock["kind"] == "mutex" and int(lock["address"], 16), lock
        for party in lock["holders"] + lock["waiters"]:
            assert party["evidence"] == "observed", party
            assert views.functions(party["stack"])[0] == "take", party
        assert lock["waiters"][0]["since_ns"], lock
    text = case.text("graph")
    assert re.search(r" \(pid \d+\) holding WRITE lock for mutex 0x[0-9a-f]+ \(cache_lock\)\n", text), text
    assert re.search(r"\+\+WAITING\+\+ for WRITE lock on mutex 0x[0-9a-f]+ \(cache_lock\)\n", text), text
    assert f"thread {second}" in text, text
    victim.kill_all()
    dead = case.json("report")
    assert pairs(dead) == expected, pairs(dead)
    assert len(views.findings(dead, "deadlock-cycle")) == 1, dead["findings"]
    for party in views.parties(dead, "holders") + views.parties(dead, "waiters"):
        assert party["evidence"] == "recorded", party


@tap.test("the same in one order: one waits, nothing is wrong")
def _(case):
    victim = case.victim("abba-mutex", "ordered")
    view = case.json("graph")
    assert pairs(view) == [("mutex (cache_lock)", int(victim.word("first")),
                            [int(victim.word("second"))])], pairs(view)
    assert not [f for f in view["findings"] if f["severity"] == "error"], view["findings"]


@tap.test("two processes, two mutexes in shared memory: one lock for both, and the deadlock")
def _(case):
    victim = case.victim("abba-shared")
    other = int(victim.word("other"))

    def parties():
        locks = [lock for lock in case.json("graph")["locks"]
                 if {p["pid"] for p in lock["holders"] + lock["waiters"]} <= {victim.pid, other}]
        return sorted((lock["holders"][0]["pid"], lock["waiters"][0]["pid"])
                      for lock in locks if lock["holders"] and lock["waiters"])
    wait_until(lambda: len(parties()) == 2, "both of them to wait")
    assert parties() == sorted([(victim.pid, other), (other, victim.pid)]), parties()
    found = [f for f in views.findings(case.json("graph"), "deadlock-cycle")
             if set(f["pids"]) == {victim.pid, other}]
    assert len(found) == 1 and "of several processes" in found[0]["headline"], found


@tap.test("a mutex whose owner has ended, and a robust one that was taken over")
def _(case):
    victim = case.victim("ended-owner")
    held = held_addresses(case, victim.pid)
    assert len(held) == 2, held
    locks = [lock for lock in case.json("graph")["locks"]
             if any(w["pid"] == victim.pid for w in lock["waiters"])]
    assert len(locks) == 1 and "(orphan)" in locks[0]["file"], locks
    assert [w["tid"] for w in locks[0]["waiters"]] == [int(victim.word("waiter"))], locks
    holder, = locks[0]["holders"]
    assert holder["pid"] is None, holder
    assert f"thread {victim.word('owner')} has it, and has ended" in holder["owner_unknown"], holder


KINDS = {"condition": "condition", "timed": "condition", "semaphore": "semaphore",
         "locking": "semaphore", "barrier": "barrier", "joining": "join"}


def check_waits(view, victim):
    said_waits = {line.split()[1]: int(line.split()[2]) for line in victim.said
                  if line.startswith("wait ")}
    found = {w["tid"]: w for w in view["waits"]}
    for name, tid in said_waits.items():
        assert tid in found, f"{name} is not seen: {sorted(found)}, {said_waits}"
        assert found[tid]["kind"] == KINDS[name], (name, found[tid])
        assert found[tid]["since_ns"], (name, found[tid])
        assert found[tid]["ends_by_itself"] == (name == "timed"), (name, found[tid])
    ways = {name: [w["tid"] for n in found[tid]["needs"] for w in n["ways"]]
            for name, tid in said_waits.items()}
    assert "(queue_filled)" in found[said_waits["condition"]]["object"], found
    assert re.search(r"signalled once, .* before this wait", found[said_waits["condition"]]["unseen"])
    assert "posted once" in found[said_waits["semaphore"]]["unseen"], found
    assert victim.pid in ways["semaphore"], ways
    # Posted only ever by who had taken it: a lock, and who has it is known.
    assert ways["locking"] == [victim.pid] and not found[said_waits["locking"]]["unseen"], found
    assert ways["joining"] == [int(victim.word("idle"))], ways
    assert found[said_waits["barrier"]]["unseen"], found
    wrong = [f for f in view["findings"] if f["severity"] == "error" and victim.pid in f["pids"]]
    assert not wrong, wrong


@tap.test("what threads wait for beside locks: who signalled, posted, took, is waited for")
def _(case):
    victim = case.victim("recorded-waits")
    check_waits(case.json("why", str(victim.pid)), victim)
    # Beside another process, whose records are left out.
    case.victim("abba-mutex")
    check_waits(case.json("why", str(victim.pid)), victim)
    check_waits(case.json("graph"), victim)


@tap.test("threads that are cancelled in a wait, or come to its time limit, wait no more")
def _(case):
    victim = case.victim("cancelled-waits")
    assert not held_addresses(case, victim.pid)
    assert case.run([victim_path("cancelled-waits")]).returncode == 0, "without the shim"
    assert not [w for w in case.json("why", str(victim.pid))["waits"]
                if w["kind"] in ("condition", "semaphore", "join")]
    assert victim.finish() == 0


if __name__ == "__main__":
    tap.main()
