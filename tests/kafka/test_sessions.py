"""What a consumer knows of its session with the group."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from streams.kafka.insides import GroupConsumer

HEARTBEAT = HeartbeatRequest("group", 1, "member")
SYNC = SyncGroupRequest("group", 1, "member", None, [])
JOIN = JoinGroupRequest("group", 8_000, 30_000, "", None, "consumer", [])


def consumer_of(error_code: int) -> GroupConsumer:
    """A consumer whose group answers everything with this code."""

    async def send(request: object) -> Any:
        return SimpleNamespace(error_code=error_code)

    consumer = GroupConsumer.__new__(GroupConsumer)
    consumer._closed = True
    consumer._coordinator = SimpleNamespace(_send_req=send)
    consumer._note_when_heard()
    return consumer


@pytest.mark.parametrize(
    ("request_", "error_code", "heard"),
    [
        (HEARTBEAT, 0, True),
        (SYNC, 0, True),
        (HEARTBEAT, 27, True),  # a rebalance: the group waits for its members
        (HEARTBEAT, 25, False),  # it does not know the member
        (JOIN, 0, False),  # answered only when all have joined
    ],
)
async def test_a_session_counts_from_when_the_last_request_was_sent_that_a_member_is_answered(
    request_: object, error_code: int, heard: bool
) -> None:
    consumer = consumer_of(error_code)
    before = time.monotonic()

    await consumer._coordinator._send_req(request_)

    assert (before <= consumer.heard_at <= time.monotonic()) == heard
