"""Writes what the plugin has to know of the product: which events rules can use, and where they are sent.

Run by `make reference`; the argument is the file to write. Where Tutor is, the product is not installed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from streams.bus.publication import PUBLICATIONS


def module() -> Iterator[str]:
    """The file's lines."""
    yield '"""The events that rules can use: type, topic without prefix, key field, who sends it.'
    yield ""
    yield "Made from `streams/bus/publication.py` by `make reference`; not to be edited."
    yield '"""'
    yield ""
    yield "EVENTS = ("
    for name, how in PUBLICATIONS.items():
        yield "    ("
        yield from (f'        "{value}",' for value in (name, how.topic, how.key, how.service))
        yield "    ),"
    yield ")"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(module()) + "\n", encoding="utf-8")
