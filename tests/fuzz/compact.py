#!/usr/bin/python3
"""Makes a seed for the fuzzer from a real segment: the same records, without the unused room.

    compact.py SEGMENT OUTPUT [SLICE-BYTES]

Facts about the layout: preload/segment.h (header of 2120 bytes, directory of tables at 136).
"""
import struct
import sys

HEADER, DIRECTORY, ENTRY, TABLES = 2120, 136, 24, 12
EVENTS, SLICES = 8, 10


def main():
    data = open(sys.argv[1], "rb").read()
    slice_max = int(sys.argv[3]) if len(sys.argv) > 3 else 4096
    header, body = bytearray(data[:HEADER]), b""
    for table in range(TABLES):
        at = DIRECTORY + ENTRY * table
        offset, size, capacity, used, dropped = struct.unpack_from("<QIIII", header, at)
        if table == EVENTS:
            written, = struct.unpack_from("<Q", header, 104)
            used = min(capacity, max(used, written))
        if table == SLICES:
            used = min(used, slice_max)
        struct.pack_into("<QIIII", header, at, HEADER + len(body), size, used, used, dropped)
        body += data[offset:offset + size * used]
        body += b"\0" * (-len(body) % 8)
    struct.pack_into("<Q", header, 24, HEADER + len(body))
    open(sys.argv[2], "wb").write(bytes(header) + body)


main()
