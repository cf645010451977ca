"""Who is in a group, as a broker says."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError

from streams.kafka import insides


class NewCluster:
    """Has no place for groups yet, the first `away` times that it is asked."""

    def __init__(self, away: int) -> None:
        self.away = away

    async def describe_consumer_groups(self, groups: list[str]) -> list[Any]:
        self.away -= 1
        if self.away >= 0:
            raise GroupCoordinatorNotAvailableError
        return [SimpleNamespace(groups=[(0, groups[0], "Stable", "", "", [("", "", "/10.0.0.7", b"", b"")])])]


async def test_a_new_cluster_is_given_the_time_to_make_a_place_for_groups() -> None:
    found = await insides.members(NewCluster(2), "tracker", patience=5)

    assert [member.host for member in found] == ["10.0.0.7"]


async def test_it_is_not_waited_for_without_end() -> None:
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await insides.members(NewCluster(1_000), "tracker", patience=0.2)
