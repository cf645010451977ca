"""Dead letters: records set aside whole, with the reason in their headers."""

from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.badges import Source
from streams.errors import UnreadableError
from streams.runtime import Unit

REASON = "dead-letter-reason"
DETAIL = "dead-letter-detail"
AGENT = "dead-letter-agent"
ORIGIN = "dead-letter-origin"
REDRIVEN = "dead-letter-redriven"

DETAIL_CHARACTERS = 500
KEY_BYTES = 1024


def set_aside(
    unit: Unit,
    topic: str,
    agent: str,
    record: ConsumerRecord,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes]],
    source: Source,
    error: UnreadableError,
) -> None:
    """Send `record` to the dead letters with its original key and headers.

    A record that is larger than the dead letters take goes without its value; its origin says where
    the value still is.
    """
    reasons = [
        (REASON, error.reason.encode()),
        (DETAIL, error.detail[:DETAIL_CHARACTERS].encode("utf-8", "replace")),
        (AGENT, agent.encode()),
        (ORIGIN, f"{source.epoch}:{source.partition}:{source.offset}:{source.topic}".encode()),
    ]
    metrics.DEAD_LETTERS.labels(agent, error.reason).inc()
    try:
        unit.send(topic, key=key, value=record.value, headers=[*headers, *reasons])
    except UnreadableError:
        unit.send(topic, key=key and key[:KEY_BYTES], value=None, headers=reasons)
