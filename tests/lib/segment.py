"""A second reader of preload/segment.h, written from the header alone: what it cannot read, the
format does not say. Sizes and offsets are those of SEG_VERSION 4
(only the header is longer than in 1)."""
import struct

MAGIC = 0x004D414A4B434F4C
# Bytes of a record, by enum seg_table_id.
RECORDS = (56, 32, 88, 176, 400, 24, 8, 72, 40, 1, 1, 80, 128, 48, 4096, 120, 104)
PCS, EVENTS, STRINGS, SLICES = 6, 8, 9, 10
LOCKS, RESOURCES, THREADS, STACKS = 2, 1, 0, 5
LISTS, HOLDS_AT = 14, 160  # the table, and where in a record its holds begin
HEADER = struct.Struct("<QIIIIQII ii Q II QQ IiQ II QQ IIII")
TABLE = struct.Struct("<QIIII")
TABLES_AT = 136
MORE_TABLES_AT, MORE_TABLES = 2208, 8  # those from 16 on, in headers that are so long
LOST_BUSY_AT = 120


class Segment:
    """The bytes of one segment and its directory of tables. Raises ValueError if it is none."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if len(self.data) < 2120:
            raise ValueError("not ready" if not self.data.strip(b"\0") else "too short")
        fields = HEADER.unpack_from(self.data)
        if fields[0] != MAGIC:
            raise ValueError("not ready" if fields[0] == 0 else "bad magic")
        (_, self.version, _, self.header_size, self.table_count, self.file_size, _, _, self.pid,
         self.ppid, self.start_time, self.image) = fields[:12]
        self.state = fields[15]
        self.events = fields[20]
        self.lost_busy, = struct.unpack_from("<I", self.data, LOST_BUSY_AT)
        self.tables = [TABLE.unpack_from(self.data, TABLES_AT + i * TABLE.size)
                       for i in range(self.table_count)]
        if self.header_size >= MORE_TABLES_AT + MORE_TABLES * TABLE.size:
            self.tables += [TABLE.unpack_from(self.data, MORE_TABLES_AT + i * TABLE.size)
                            for i in range(MORE_TABLES)]

    def records(self, table):
        """(index, bytes) of the used records of a table."""
        offset, size, capacity, used, _dropped = self.tables[table]
        for i in range(min(used, capacity)):
            yield i + 1, self.data[offset + i * size:offset + (i + 1) * size]

    def is_torn(self, record):
        """An odd sequence number: its writer was killed inside it, or it is a slot's first use."""
        return struct.unpack_from("<I", record)[0] & 1


def _check_tables(segment):
    ranges = []
    for i, (offset, size, capacity, used, _dropped) in enumerate(segment.tables):
        if not capacity:
            continue
        if i < len(RECORDS) and size != RECORDS[i]:
            return f"table {i}: records of {size} bytes"
        end = offset + size * capacity
        if end > segment.file_size:
            return f"table {i}: ends at {end}, the file at {segment.file_size}"
        if used > capacity:
            return f"table {i}: {used} used of {capacity}"
        ranges.append((offset, end))
    ranges.sort()
    if any(a[1] > b[0] for a, b in zip(ranges, ranges[1:])):
        return "tables overlap"
    return None


def _check_locks(segment):
    """Indices of locks lie inside their tables; counts torn records."""
    torn = 0
    used = [t[3] for t in segment.tables]
    for index, record in segment.records(LOCKS):
        if segment.is_torn(record):
            torn += 1
            continue
        state, kind, mode, _flags, resource, thread = struct.unpack_from("<BBBBII", record, 4)
        start, end = struct.unpack_from("<QQ", record, 24)
        stack, = struct.unpack_from("<I", record, 76)
        if state == 0:
            continue
        if state > 4 or not 1 <= kind <= 4 or not 1 <= mode <= 2 or start > end:
            return f"lock {index}: state {state} kind {kind} mode {mode} {start}-{end}", torn
        if not 0 < resource <= used[RESOURCES] or thread > used[THREADS] or stack > used[STACKS]:
            return f"lock {index}: resource {resource} thread {thread} stack {stack}", torn
    return None, torn


def check(path):
    """(what is wrong or None, torn records). "not ready": killed before the header was complete."""
    try:
        segment = Segment(path)
    except ValueError as error:
        return str(error), 0
    if segment.file_size != len(segment.data):
        return f"file_size {segment.file_size}, has {len(segment.data)}", 0
    return _check_both(segment)


def _check_both(segment):
    problem = _check_tables(segment)
    if problem:
        return problem, 0
    return _check_locks(segment)
