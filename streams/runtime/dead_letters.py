"""Dead letters: records set aside whole, with the reason in their headers."""

import logging
from collections.abc import Sequence
from uuid import UUID

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

log = logging.getLogger(__name__)

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
    # Without the detail, which may quote the record.
    log.warning("%s sets a record aside: %s", agent, error.reason, extra=_identity(headers))
    try:
        unit.send(topic, key=key, value=record.value, headers=[*headers, *reasons])
    except UnreadableError:
        unit.send(topic, key=key and key[:KEY_BYTES], value=None, headers=reasons)


def _identity(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """The message's id for the log, if it is a real one: anything may stand there."""
    given = next((value for name, value in headers if name == "ce_id"), b"")
    try:
        return {"ce_id": str(UUID(given.decode("ascii")))}
    except (ValueError, AttributeError):
        return {}
