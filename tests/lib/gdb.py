"""gdb's view of a stopped program, and how another one agrees with it, frame by frame.

A frame is (function, [(argument, value)], place): the place is "FILE:LINE", "from LIBRARY" or "". What
gdb writes differently on purpose is brought to one form: structs are `...` there and `{...}` here; a
value that is the same at the entry of the function is written twice there; of a library without
lines it gives the name that the loader used.
"""
import os
import re
import shutil
import subprocess

_ARGUMENTS = re.compile(r"\((\)|[A-Za-z_][\w#]*(@entry)?=)")
_NAME = re.compile(r"([A-Za-z_][\w#]*(?:@entry)?)=")

_PLACE = re.compile(r" (?:at (\S+:\d+)|(from \S+))$")
_MARK = "--- mark of the test ---"


def find():
    return shutil.which("gdb")


def backtraces(pids):
    """The frames of each process, innermost first, up to main(). One gdb, which reads libc once."""
    command = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
               "-iex", "set auto-load python-scripts off", "-iex", "set width 0",
               "-iex", "set backtrace limit 10000"]
    for pid in pids:
        command += ["-ex", f"attach {pid}", "-ex", f"echo \\n{_MARK}\\n", "-ex", "backtrace",
                    "-ex", f"echo \\n{_MARK}\\n", "-ex", "detach"]
    # gdb prints characters beyond ASCII as its locale allows.
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    out = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return [_parse(part) for part in out.decode("utf-8", "replace").split(_MARK)[1::2]]


def _parse(text):
    frames = []
    for line in text.split("\n"):
        match = re.match(r"#\d+\s+(?:0x[0-9a-f]+ in )?(.*)$", line)
        if match:
            frames.append(parse_frame(match.group(1)))
    return frames


def parse_frame(line):
    """"FUNCTION (ARGUMENTS) at FILE:LINE"."""
    place = _PLACE.search(line)
    line, place = (line[:place.start()], place[1] or place[2]) if place else (line, "")
    for match in re.finditer(r" (?=\()", line):
        rest = line[match.end():]
        if _ARGUMENTS.match(rest) and rest.endswith(")"):
            return line[:match.start()], _merge_entries(split(rest[1:-1])), place
    return line, [], place


def split(text):
    """[(name, value)] of "a=1, b=\"x, y=2\", c={...}"."""
    starts, quote, depth, at = [], None, 0, 0
    while at < len(text):
        c = text[at]
        if quote:
            if c == "\\":
                at += 1
            elif c == quote:
                quote = None
        elif c in "\"'":
            quote = c
        elif c in "({":
            depth += 1
        elif c in ")}":
            depth -= 1
        elif depth == 0 and (at == 0 or text[at - 2:at] == ", ") and _NAME.match(text, at):
            starts.append(at)
        at += 1
    parts = [text[a:b - 2 if b < len(text) else b]
             for a, b in zip(starts, starts[1:] + [len(text)])]
    return [tuple(part.split("=", 1)) for part in parts]


def _merge_entries(pairs):
    """`n=n@entry=5` is n=5; `n=6, n@entry=5` is n=6; of a lost one the value at entry stays."""
    known = {}
    for name, value in pairs:
        base, _, is_entry = name.partition("@")
        if not is_entry:
            value = re.sub(rf"^{re.escape(base)}@entry=", "", value)
            known[base] = "{...}" if value == "..." else value
        elif known.get(base) == "<optimized out>" or base not in known:
            known[base] = "@entry=" + value
    return list(known.items())


class Agreement:
    """Counts, and what does not agree."""

    def __init__(self):
        self.frames = self.frames_same = self.arguments = self.arguments_same = 0
        self.places = self.places_same = 0
        self.more, self.wrong, self.missing, self.elsewhere = [], [], [], []

    def add(self, other):
        for name in ("frames", "frames_same", "arguments", "arguments_same", "places",
                     "places_same", "more", "wrong", "missing", "elsewhere"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self):
        return (f"frames {self.frames_same}/{self.frames}, places "
                f"{self.places_same}/{self.places}, arguments "
                f"{self.arguments_same}/{self.arguments}, known only here {len(self.more)}")


def _plain(function):
    """A function's name without what is written in more than one way.

    libc's own names for its functions are here those of its users. gdb sometimes leaves the types
    of parameters on C++ names."""
    name = re.sub(r"^(__GI_)?_*", "", function).removesuffix(" const")
    if name.endswith(")") and not name.endswith("operator()"):
        depth = 0
        for at in range(len(name) - 1, -1, -1):
            depth += (name[at] == ")") - (name[at] == "(")
            if depth == 0:
                return name[:at]
    return name


def _is_same(theirs, ours):
    if theirs == ours:
        return True
    # A reference to a struct: what is known of it is said here.
    return theirs == "{...}" and re.fullmatch(r"(@entry=)?@0x[0-9a-f]+|<optimized out>", ours)


def _last_of_path(name):
    """The last part of a path of Rust, without what is generic: gdb builds names from DWARF's scopes
    (`mail::{impl#1}::put`, `run::{closure#0}`), the linker's have the types (`<Folder as Store>::put`,
    `run::{{closure}}`)."""
    while re.search(r"<[^<>]*>", name):
        name = re.sub(r"(::)?<[^<>]*>", "", name)
    return "closure" if "{closure" in name.split("::")[-1] else name.split("::")[-1]


def _is_same_function(theirs, ours):
    # Of a lambda gdb says `operator()`, without the function that it stands in.
    return _plain(theirs) == _plain(ours) or (
        theirs == "operator()" and ours.endswith("::operator()")) or (
        "::" in theirs and "::" in ours and _last_of_path(theirs) == _last_of_path(ours))


def _pair(theirs, ours):
    """[(their frame, ours or None)]: by position if there are as many, else by name. gdb ends at main."""
    ends = [i for i, frame in enumerate(ours)
            if frame[0] == "main" or (theirs and frame[0] == theirs[-1][0])]
    ours = ours[:ends[0] + 1] if ends else ours
    if len(theirs) == len(ours):
        return list(zip(theirs, ours))
    pairs, at = [], 0
    for frame in theirs:
        found = next((i for i in range(at, len(ours))
                      if _is_same_function(frame[0], ours[i][0])), None)
        pairs.append((frame, None if found is None else ours[found]))
        at = at if found is None else found + 1
    return pairs


def compare(theirs, ours):
    """Frames of ours against gdb's; ours may go on behind main()."""
    result = Agreement()
    for (function, arguments, place), own in _pair(theirs, ours):
        result.frames += 1
        if own is None or not _is_same_function(function, own[0]):
            result.missing.append(f"{function}, here {own and own[0]}")
        else:
            result.frames_same += 1
        if own is not None:
            _compare_places(result, function, place, own[2])
            _compare_arguments(result, function, arguments, dict(own[1]))
    return result


def _compare_places(result, function, theirs, ours):
    """gdb names no object for the program itself and the vdso: there is nothing to compare."""
    if not theirs:
        return
    result.places += 1
    if theirs == ours or (theirs.startswith("from ") and ours.startswith("from ") and
                          os.path.realpath(theirs[5:]) == os.path.realpath(ours[5:])):
        result.places_same += 1
    else:
        result.elsewhere.append(f"{function}: at {theirs}, here {ours or '(none)'}")


def _compare_arguments(result, function, arguments, mine):
    for name, value in arguments:
        own = mine.get(name, "(missing)")
        line = f"{function}: {name}={value}, here {own}"
        result.arguments += 1
        if _is_same(value, own):
            result.arguments_same += 1
        elif value == "<optimized out>" and own not in ("(missing)", "<unavailable>"):
            result.more.append(line)
        else:
            result.wrong.append(line)
