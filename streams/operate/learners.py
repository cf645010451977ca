"""The learners of a CSV file, for whom something is ordered: all lines are right, or none counts."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from unicodedata import category

from streams.badges import User
from streams.bus.activities import LARGEST
from streams.errors import ConfigurationError

COLUMNS = ("learner", "username", "email", "name")
LONGEST = 255
"""Characters of a text about a learner: the longest that the LMS keeps, a name."""
MOST = 100_000
"""Learners of one file: their orders are one transaction, of eight seconds and 170 MiB."""
MOST_BYTES = 64 * 1024 * 1024
"""Of a file: six hundred for each of so many learners."""
SHOWN = 20
"""Faults that are said, a screen of them; the others are counted."""


def learners(raw: bytes) -> Mapping[int, User | None]:
    """By LMS user id what the file says of the learner, in the file's order.

    The head names the columns: `learner`, and for learners of whom the site has never heard `username`,
    `email` and `name`. Raises `ConfigurationError` with the faults of all lines.
    """
    found: dict[int, User | None] = {}
    lines: dict[int, int] = {}
    faults: list[str] = []
    for number, row in _rows(raw, faults):
        try:
            id, user = _learner(row)
            if id in lines:
                raise ValueError(f"learner {id} is on line {lines[id]} already")
        except ValueError as error:
            faults.append(f"line {number}: {error}")
        else:
            lines[id], found[id] = number, user
    if not found and not faults:
        faults.append("names no learner")
    if len(found) > MOST:
        faults.append(f"names {len(found)} learners: give at most {MOST} at once")
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise ConfigurationError("\n".join(f"--csv: {fault}" for fault in [*faults[:SHOWN], *more]))
    return found


def is_line(text: str, longest: int) -> bool:
    """Whether a text is one line of at most so many characters, which can be written as UTF-8."""
    # Names in Persian have joiners, which `isprintable` refuses.
    return len(text) <= longest and not any(category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)


def _rows(raw: bytes, faults: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each line that is not blank, by column, with its number; what is no CSV is a fault."""
    if len(raw) > MOST_BYTES:
        faults.append(f"larger than {MOST_BYTES} bytes")
        return
    try:
        text = raw.decode("utf-8-sig")  # a spreadsheet writes the mark of the byte order
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        faults.append(f"line {line}: not UTF-8; save it as CSV UTF-8")
        return
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    head: list[str] | None = None
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if head is None:
                head = [name.lower() for name in row]
                if fault := _head(head):
                    faults.append(f"line {reader.line_num}: {fault}")
                    return
            elif len(row) != len(head):
                faults.append(f"line {reader.line_num}: {len(row)} columns, and {len(head)} in the head")
            else:
                yield reader.line_num, dict(zip(head, row, strict=True))
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: no CSV: {error}")


def _head(head: list[str]) -> str:
    """What is wrong with the names of the columns."""
    wrong = [name for name in head if name not in COLUMNS]
    if wrong or "learner" not in head or len({*head}) < len(head):
        named = ", ".join(repr(name) for name in head)
        return f"the head names the columns {named}; they are {', '.join(COLUMNS)}, with commas between"
    return ""


def _learner(row: Mapping[str, str]) -> tuple[int, User | None]:
    text = row["learner"]
    # Python's int also takes signs, underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise ValueError(f"learner: {text[:LONGEST]!r} is no LMS user id")
    told = {name: row.get(name, "") for name in COLUMNS[1:]}
    if not any(told.values()):
        return int(text), None
    for name, value in told.items():
        if not value:
            raise ValueError(f"{name}: missing; give username, email and name, or none of them")
        if not is_line(value, LONGEST):
            raise ValueError(f"{name}: not one line of at most {LONGEST} characters")
    local, at, host = told["email"].rpartition("@")
    if not (local and at and host) or " " in told["email"]:
        raise ValueError(f"email: {told['email']!r} is no e-mail address")
    return int(text), User(int(text), True, told["username"], told["email"], told["name"])
