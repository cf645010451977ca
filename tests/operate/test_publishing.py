"""What `catalog publish` refuses before it asks anybody."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.errors import CatalogError
from streams.operate.catalog import publish, shown
from streams.operate.terminal import table
from streams.settings import Settings

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"


@pytest.mark.parametrize(
    ("organization", "named"),
    [
        ({"api_key": {"file": "/proc/self/environ"}}, "BADGES_ISSUER_KEY_DIR"),
        ({"api_key": {"file": "../../passwd"}}, "BADGES_ISSUER_KEY_DIR"),
        ({"api_key": {"env": "KAFKA_PASSWORD"}}, "BADGES_ISSUER_KEY_ENV_PREFIX"),
        ({"url": "https://anywhere.example.org"}, "BADGES_ISSUER_HOSTS"),
    ],
)
def test_a_catalog_that_the_relay_would_refuse_is_not_published(
    organization: dict[str, Any], named: str
) -> None:
    catalog = {"version": 1, "organizations": [{"id": ORGANIZATION} | organization]}

    with pytest.raises(CatalogError, match=f"^organization {ORGANIZATION}: .*{named}"):
        asyncio.run(publish(Settings(), orjson.dumps(catalog), datetime.now(UTC)))


def test_a_listing_steers_no_terminal_whatever_was_published_or_set_aside() -> None:
    lines = list(table(("name",), [("A\x1b[2J\r\x9b1m",), ("B",)]))

    assert all(line.isprintable() for line in lines)
    assert {len(line) for line in lines} == {len("│ name"), len("│ A [2J  1m"), len("│ B")}


def test_a_revision_that_is_no_text_is_shown_as_far_as_it_is_one() -> None:
    assert shown(b"version: 1 # \xff\x1b[2J\n") == "version: 1 # \ufffd [2J"
