"""Reads tests/dialogs/*.smtp, whose form the README.md there describes. Text is held as Latin-1: one character an octet.
"""

import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent.parent / "dialogs"
MARKS = ("C:", "C<", "S:", "S<", "M:", "R:", "|")
SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclasses.dataclass
class Line:
    number: int
    mark: str  # one of MARKS; of a directive its word
    text: str


@dataclasses.dataclass
class Dialog:
    file: str
    title: str
    settings: list
    lines: list = dataclasses.field(default_factory=list)

    def setting(self, name, fallback=None):
        return ([value for key, value in self.settings if key == name] or [fallback])[-1]

    def all(self, name):
        return [value for key, value in self.settings if key == name]

    def has(self, mark):
        return any(line.mark == mark for line in self.lines)


def read_line(text, number):
    for mark in MARKS:
        if text.startswith(mark):
            rest = text[len(mark):]
            return Line(number, mark, rest.removeprefix(" "))
    word, _, rest = text.strip().partition(" ")
    return Line(number, word, rest)


def read_file(path):
    head, dialogs = [], []
    for number, text in enumerate(path.read_bytes().decode("latin-1").split("\n"), 1):
        setting = re.match(r"([a-z]+):(.*)", text)
        if not text or text.startswith("#"):
            continue
        if text.startswith("== "):
            dialogs.append(Dialog(path.name, text[3:], list(head)))
        elif setting:
            (dialogs[-1].settings if dialogs else head).append((setting[1], setting[2].strip()))
        else:
            dialogs[-1].lines.append(read_line(text, number))
    return dialogs


def read_all(role):
    """All dialogs in which this end, server or client, is tested."""
    dialogs = [dialog for path in sorted(FOLDER.glob("*.smtp")) for dialog in read_file(path)]
    return [dialog for dialog in dialogs if dialog.setting("role", "server") == role]


def unescape(text):
    text = re.sub(r"\\\{(\d+):(.*?)\}", lambda found: int(found[1]) * found[2], text)
    simple = {"r": "\r", "n": "\n", "0": "\0"}
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)",
                  lambda found: chr(int(found[1][1:], 16)) if len(found[1]) > 1 else simple.get(found[1], found[1]),
                  text)


def matches(pattern, text):
    """`*` in the pattern stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def seconds(text):
    return int(text[:-1]) * SECONDS[text[-1]]


def octets(lines):
    """The bytes of lines with the marks C:, C<, S: and S<."""
    return "".join(unescape(line.text) + ("" if line.mark.endswith("<") else "\r\n") for line in lines).encode("latin-1")


def pieces(data, chance):
    """The data in random pieces: mostly short ones, so that every place is a border now and then."""
    while data:
        bound = len(data) if chance.random() < 0.25 else min(len(data), 12)
        length = chance.randint(1, bound)
        yield data[:length]
        data = data[length:]
