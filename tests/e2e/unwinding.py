"""The shim's stacks are those that glibc and libunwind see, whatever the shape of the frames."""
import glob
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib import segment, tap  # noqa: E402

LIMIT = 64  # frames that the shim keeps


def recorded(session, pid):
    """{number of the lock: return addresses}"""
    path, = glob.glob(os.path.join(session, f"{pid}-*.seg"))
    record = segment.Segment(path)
    stacks = dict(record.records(segment.STACKS))
    pcs = [struct.unpack("<Q", r)[0] for _, r in record.records(segment.PCS)]
    found = {}
    for _, lock in record.records(segment.LOCKS):
        state, = struct.unpack_from("<B", lock, 4)
        start, = struct.unpack_from("<Q", lock, 24)
        stack, = struct.unpack_from("<I", lock, 76)
        if state == 3 and stack:
            count, first = struct.unpack_from("<II", stacks[stack], 4)
            found[start // 2] = pcs[first:first + count]
    return found


def check_against(case, oracle):
    victim = case.victim("unwinding")
    found = recorded(case.session, victim.pid)
    shapes = [line.split() for line in victim.said if line.startswith(oracle + " ")]
    if not shapes and oracle == "libunwind":
        raise tap.Skip("libunwind.so.8 is not installed")
    assert len(shapes) == 9, victim.said
    for _, number, shape, *pcs in shapes:
        expected = [int(pc, 16) for pc in pcs]
        # The innermost frames are take() and what it calls; the lock and the backtrace were asked for
        # at different places of it.
        stack = found.get(int(number), [])
        begin = next((i for i, pc in enumerate(stack) if pc == expected[0]), None)
        assert begin is not None and begin <= 2, f"{shape}: {stack}\nexpected {expected}"
        assert stack[begin:] == expected[:LIMIT - begin], (
            f"{shape}: {[hex(pc) for pc in stack]}\nexpected {[hex(pc) for pc in expected]}")


SHAPES = "plain, large and aligned frames, callbacks, threads, handlers"


@tap.test(f"{SHAPES}: as glibc's backtrace()")
def _(case):
    check_against(case, "glibc")


@tap.test(f"{SHAPES}: as libunwind's unw_backtrace()")
def _(case):
    check_against(case, "libunwind")


if __name__ == "__main__":
    tap.main()
