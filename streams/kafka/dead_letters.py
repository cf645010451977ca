"""Dead letters: records set aside whole, with the reason in their headers.

Headers of a letter, after those of its record:

======================== ========================================================================
`dead-letter-reason`     a stable word
`dead-letter-detail`     more about it
`dead-letter-agent`      who set the record aside
`dead-letter-origin`     `epoch:partition:offset:topic` of the original record
======================== ========================================================================

A record without a value and without `dead-letter-origin`, but with `dead-letter-redriven`, is no letter but a
mark: the letter at `partition:offset` of this topic was sent again, under the epoch in `dead-letter-epoch`.
Who ordered that, and why, is in `dead-letter-by` and `dead-letter-why`, where it was ordered in the console.
"""

import logging
from typing import Protocol
from uuid import UUID

from streams.badges import Source
from streams.errors import UnreadableError
from streams.headers import Headers, header
from streams.kafka.origin import Original

REASON = "dead-letter-reason"
DETAIL = "dead-letter-detail"
AGENT = "dead-letter-agent"
ORIGIN = "dead-letter-origin"
REDRIVEN = "dead-letter-redriven"
EPOCH = "dead-letter-epoch"
BY = "dead-letter-by"
WHY = "dead-letter-why"
_OF_A_LETTER = frozenset({REASON, DETAIL, AGENT, ORIGIN})

REASONS = {
    "no_type": "no event type, or more than one",
    "no_id": "no event id, more than one, or no UUID",
    "no_frame": "the value does not begin as those of the bus do",
    "bad_batch": "a batch of records that cannot be unpacked within bounds",
    "bad_body": "not what its schema says",
    "unknown_schema": "the registry has no schema of that id",
    "bad_schema": "the writer's schema is no Avro, or not safe to read with",
    "not_resolvable": "the writer's schema lacks what is needed here",
    "newer_library": "written by a newer version of openedx-events than the schemas here are of",
    "no_learner": "it names no learner",
    "no_activity": "not the line of JSON that an activity is",
    "wrong_key": "an activity or an order under the key of another learner",
    "no_template": "an order for a template that is not active",
    "text_too_long": "a pattern meets a text that is longer than it may be",
    "judging_failed": "judging it failed",
    "progress_too_large": "the learner's progress would become too large",
    "too_large": "larger than our topics take",
    "bad_badge": "a badge event whose id or generation is none",
    "origin": "it does not say where it was first",
    "forgotten": "a badge event while the badge is being deleted",
    "refused": "the issuer refused the badge",
}
"""Every reason, in words; `docs/operate.md` says the way out of each."""

DETAIL_CHARACTERS = 500
"""Enough for a sentence; what is quoted in it came from outside and may be of any length."""
KEY_BYTES = 1024
"""Of the key of a record too large for the dead letters: enough to know it by, and sure to fit."""

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """Takes records to send; a unit of work is one."""

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Send a record; raise `UnreadableError` where it is larger than the topic takes."""


def set_aside(outbox: Outbox, topic: str, agent: str, original: Original, error: UnreadableError) -> None:
    """Send the original of a record to the dead letters of `topic`, with the reason.

    A record that is larger than the dead letters take goes without its value; its origin says where
    the value still is.
    """
    from streams import metrics  # dear, and what else is here is read by commands

    source = original.source
    reasons = [
        (REASON, error.reason.encode()),
        (DETAIL, error.detail[:DETAIL_CHARACTERS].encode("utf-8", "replace")),
        (AGENT, agent.encode()),
        (ORIGIN, f"{source.epoch}:{source.partition}:{source.offset}:{source.topic}".encode()),
    ]
    metrics.DEAD_LETTERS.labels(agent, error.reason).inc()
    # Without the detail, which may quote the record.
    log.warning("%s sets a record aside: %s", agent, error.reason, extra=_identity(original.headers))
    try:
        outbox.send(topic, key=original.key, value=original.value, headers=[*original.headers, *reasons])
    except UnreadableError:  # decision 0008
        outbox.send(topic, key=original.key and original.key[:KEY_BYTES], value=None, headers=reasons)


def of_its_record(letter: Headers) -> list[tuple[str, bytes]]:
    """A letter's headers without those that made its record a letter."""
    return [(name, value) for name, value in letter if name not in _OF_A_LETTER]


def left_at(letter: Headers) -> Source | None:
    """Where the original of a letter is; None where the letter does not say."""
    try:
        epoch, partition, offset, topic = (header(letter[::-1], ORIGIN) or b"").decode().split(":", 3)
        return Source(topic, int(partition), int(offset), int(epoch))
    except ValueError:
        return None


def _identity(headers: Headers) -> dict[str, str]:
    """The message's id for the log, if it is a UUID: the sender may have written anything."""
    try:
        return {"ce_id": str(UUID((header(headers, "ce_id") or b"").decode("ascii")))}
    except ValueError:
        return {}
