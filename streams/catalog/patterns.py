"""The regular expressions of a catalog, in RE2: their time is linear in the text (decision 0052)."""

import re
from itertools import takewhile

import re2

from streams.errors import UnreadableError

PROGRAM = 2_000
"""Instructions of a pattern, at the most: a hundred whole course keys as alternatives are 1,500."""
STEPS = 2**24
"""The instructions of a pattern times the bytes of a text that it is given, at the most. RE2's slowest
patterns take 10 ns for each: 0.2 s. A pattern of 50 instructions may be given 335 kB."""
MEMORY = 2**18
"""Bytes that a pattern may use: it remembers the states that it was in. RE2 allows 8 MiB, which thousands of
patterns must not use."""
PREFIX = 64
"""Characters of a prefix that are looked up, at the most: most course keys are shorter."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_ESCAPED = re.compile(r"\\[^\w\s]", re.ASCII)
_SPECIAL = frozenset(".^$|?*+()[]{}\\")


class Pattern:
    """A compiled pattern; `prefix` begins each string that it matches.

    Raises `ValueError`, which says why, for what is no pattern or too large a one.
    """

    __slots__ = ("_longest", "_whole", "prefix")

    def __init__(self, pattern: str) -> None:
        options = re2.Options()
        options.max_mem = MEMORY
        options.log_errors = False
        options.never_capture = True
        try:
            compiled = re2.compile(pattern.encode(), options)
        except re2.error as error:
            raise ValueError(_said(error)) from None
        if compiled.programsize > PROGRAM:
            raise ValueError(
                f"compiles to {compiled.programsize} instructions, at most {PROGRAM} are allowed"
            )
        self.prefix = prefix(pattern)
        self._longest = STEPS // max(1, compiled.programsize)
        self._whole = compiled.fullmatch

    def __call__(self, text: str) -> bool:
        """Whether the whole text matches; raises `UnreadableError` for one that is too long."""
        if not text.startswith(self.prefix):
            return False
        data = text.encode(errors="replace")
        if len(data) > self._longest:
            raise UnreadableError(
                "text_too_long", f"{len(data)} bytes for a pattern that takes {self._longest}"
            )
        return self._whole(data) is not None


def prefix(pattern: str) -> str:
    """Plain text, maybe empty, with which every string begins that the pattern matches."""
    tokens = _TOKEN.findall(pattern)
    if r"\Q" in tokens or _has_alternatives(tokens):
        return ""
    plain = "".join(takewhile(bool, map(_plain, tokens)))
    if tokens[len(plain) : len(plain) + 1] in (["*"], ["?"], ["{"]):
        plain = plain[:-1]  # It may not be there.
    return plain[:PREFIX]


def _plain(token: str) -> str:
    """The character that a token always stands for; empty if there is none."""
    if len(token) == 1:
        return "" if token in _SPECIAL else token
    return token[1] if _ESCAPED.fullmatch(token) else ""


def _has_alternatives(tokens: list[str]) -> bool:
    """Whether there is a `|` outside all parentheses."""
    depth = 0
    for part in tokens:
        depth += (part == "(") - (part == ")")
        if part == "|" and depth == 0:
            return True
    return False


def _said(error: re2.error) -> str:
    said = error.args[0] if error.args else "unknown"
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
