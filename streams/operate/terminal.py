"""How a command shows a listing, and how far it has come."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
import orjson

from streams.logs import blanked
from streams.operate.meter import Meter

SOON_SECONDS = 1.0
"""What takes no longer needs no bar."""
Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    """A line for the head and for each row, in columns as wide as their widest text."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield aligned(row, widths)


def aligned(row: Row, widths: Iterable[int]) -> str:
    """A line of columns that are at least so wide. It is never cut: a terminal wraps it."""
    texts = (blanked(text).ljust(width) for text, width in zip(row, widths, strict=True))
    return "│ " + " │ ".join(texts).rstrip()


def as_json(value: Mapping[str, Any]) -> str:
    """One line."""
    return orjson.dumps(value, default=str).decode()


class Bar(Meter):
    """A bar on standard error, for what takes longer than a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._total = self._passed = 0
        self._shown: Any = None

    def expect(self, offsets: int) -> None:
        """So many more are to be read: the bar begins anew."""
        self.close()
        self._total, self._passed = offsets, 0

    def advance(self, offsets: int) -> None:
        """So many are passed."""
        self._passed += offsets
        if self._shown is not None:
            self._shown.update(offsets)
        elif time.monotonic() - self._began > SOON_SECONDS:
            self._shown = click.progressbar(length=self._total, label=self._what, file=sys.stderr)
            self._shown.update(self._passed)

    def close(self) -> None:
        """End the line."""
        if self._shown is not None:
            self._shown.render_finish()
            self._shown = None


def is_terminal() -> bool:
    """Whether a person reads what is printed on standard error."""
    return sys.stderr.isatty()


@contextmanager
def meter(what: str, *, beside_output: bool = False) -> Iterator[Meter]:
    """A bar where standard error is a terminal; with `beside_output` only if the output goes elsewhere."""
    if not is_terminal() or (beside_output and sys.stdout.isatty()):
        yield Meter()
        return
    bar = Bar(what)
    try:
        yield bar
    finally:
        bar.close()
