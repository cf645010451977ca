"""When there is a bridge, and what it is a member of."""

import pytest

from streams.bridge.agents import build
from streams.errors import ConfigurationError
from streams.settings import Settings


def test_where_the_bus_is_kafka_a_bridge_says_that_it_has_nothing_to_do() -> None:
    with pytest.raises(ConfigurationError, match="BADGES_BUS"):
        build(Settings())
