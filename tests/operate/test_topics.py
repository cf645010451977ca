"""The topics as an operator's command finds them."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from streams.kafka import checks
from streams.kafka.topics import topics
from streams.operate import topics as ours
from streams.operate.site import Site
from streams.settings import Settings

WANTED = topics(Settings()).all
PARTITIONS = {topic.name: topic.partitions for topic in WANTED}
CONFIGS = {
    topic.name: {"cleanup.policy": topic.cleanup, "segment.bytes": "1", "retention.ms": "-1"}
    for topic in WANTED
}


class Here:
    """A site of which only the topics are looked at."""

    topics = topics(Settings())

    async def admin(self) -> None:
        """No client."""


async def test_topics_just_made_are_waited_for_until_every_broker_asked_has_heard_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: Iterator[Any] = iter([({}, {}), (PARTITIONS, {}), (PARTITIONS, CONFIGS)])

    async def look(*_: Any) -> Any:
        return next(answers)

    monkeypatch.setattr(checks, "look", look)
    monkeypatch.setattr(ours, "PAUSE_SECONDS", 1e-6)

    rows = await ours.look(cast(Site, Here()), made=PARTITIONS)

    assert [row.fault for row in rows if row.fault] == []
