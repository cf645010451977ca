"""What `explain` prints of texts that came from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from streams.operate import explain
from streams.settings import Settings


def test_no_text_from_outside_steers_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    template = SimpleNamespace(name="A\x1b[2J\rbadge\x9b1m")

    @asynccontextmanager
    async def site(_: Settings) -> AsyncIterator[Any]:
        yield SimpleNamespace(catalog=catalog)

    async def catalog() -> Any:
        compiled = SimpleNamespace(revision="r", turns={}, active=[])
        document = SimpleNamespace(templates={"t": template}, compiled=compiled)
        return SimpleNamespace(document=document, compiled=compiled, revision="r\x1b]0;")

    async def nothing(*_: object) -> Any:
        return []

    async def progress(*_: object) -> Any:
        return SimpleNamespace(templates={}, badges={}, badge=lambda _: None), None

    monkeypatch.setattr(explain, "site", site)
    monkeypatch.setattr(explain, "published", nothing)
    monkeypatch.setattr(explain, "issuances", nothing)
    monkeypatch.setattr(explain, "counted", nothing)
    monkeypatch.setattr(explain, "read_progress", progress)

    lines = asyncio.run(explain.explain(Settings(), 42, "t"))

    assert "A [2J badge 1m (t): inactive" in lines
    assert all(line.isprintable() for line in lines)
