"""A worker's pages, at the address that its log names."""

import re
import urllib.request
from pathlib import Path

TOKEN = "a-token"
"""Whoever shows it sees what the pages say by name."""

_ADDRESS = re.compile(r"pages at (http://[\d.:]+)/health")


def address(log: str) -> str | None:
    """Where the pages are, by the worker's last start; None where the log does not say so yet."""
    return next(reversed(_ADDRESS.findall(log)), None)


def shown_to_us(folder: Path) -> dict[str, str]:
    """The setting by which a worker's pages know the token; its file lies in the folder."""
    file = folder / "pages-token"
    file.write_text(TOKEN)
    return {"BADGES_HTTP_TOKEN_FILE": str(file)}


def read(log: str, name: str) -> bytes:
    """What the worker serves under `name`, with the token."""
    found = address(log)
    assert found is not None, log
    request = urllib.request.Request(f"{found}/{name}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        body: bytes = answer.read()
    return body
