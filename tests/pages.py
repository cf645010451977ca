"""A worker's pages, at the address that its log names."""

import re
import urllib.request

_ADDRESS = re.compile(r"pages at (http://[\d.:]+)/health")


def address(log: str) -> str | None:
    """Where the pages are, by the worker's last start; None where the log does not say so yet."""
    return next(reversed(_ADDRESS.findall(log)), None)


def read(log: str, name: str) -> bytes:
    """What the worker serves under `name`."""
    found = address(log)
    assert found is not None, log
    with urllib.request.urlopen(f"{found}/{name}", timeout=5) as answer:
        body: bytes = answer.read()
    return body
