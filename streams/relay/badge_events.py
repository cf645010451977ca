"""Badge events as the bus carries them."""

from collections.abc import Mapping
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from streams.badges import Activity
from streams.bus import schemas
from streams.bus.emitter import GENERATION
from streams.errors import UnreadableError
from streams.headers import header
from streams.issuers.outcomes import Recipient
from streams.relay.issuance import (
    KeptRecord,
    Kind,
    Word,
)

GENERATION_DIGITS = 18
"""A rank, twice a generation, must be a 64-bit number for the table's JSON."""
KINDS: Mapping[str, Kind] = {schemas.BADGE_AWARDED: "awarded", schemas.BADGE_REVOKED: "revoked"}


def word_of(activity: Activity, record: ConsumerRecord) -> Word:
    """What a decoded record says; raise `UnreadableError` if it makes no sense."""
    badge, template = activity.data["uuid"], activity.data["template"]["uuid"]
    try:
        badge, template = str(UUID(badge)), template.lower()
        given = header(record.headers, GENERATION)
        generation = None if given is None else _generation(given)
    except ValueError:
        raise UnreadableError("bad_badge", "its id is no UUID, or its generation no number") from None
    user = activity.user
    assert user is not None
    return Word(
        kind=KINDS[activity.type],
        badge=badge,
        template=template,
        learner=activity.learner,
        generation=generation,
        decision=activity.id,
        time=activity.time,
        recipient=Recipient(user.username, user.email, user.name),
        original=KeptRecord(record.value, tuple(record.headers)),
    )


def _generation(given: bytes) -> int:
    if not given.isdigit() or len(given) > GENERATION_DIGITS:
        raise ValueError("no number of a decision")
    return int(given)
