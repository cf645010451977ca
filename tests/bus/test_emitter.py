"""A badge event's bytes are what the Avro library makes of the same values."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from uuid import UUID

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.badges import Decision, User
from streams.bus import schemas
from streams.bus.built_in import NoRegistry
from streams.bus.emitter import EVENT_TYPES, BadgeEmitter
from streams.bus.reader import FRAME_BYTES
from streams.settings import Settings

BADGE = UUID(int=1)
TEMPLATE = UUID(int=2)
TEXTS = st.text(max_size=80) | st.text(min_size=8_000, max_size=8_300)
EMITTER = BadgeEmitter(NoRegistry(), Settings(bus="redis"), "badges")
asyncio.run(EMITTER.start())


@dataclass(frozen=True)
class Texts:
    """What an event says about a template."""

    id: str
    name: str | None
    description: str | None
    image_url: str | None


@pytest.mark.parametrize("kind", EVENT_TYPES)
@settings(max_examples=60, deadline=None)
@given(
    learner=st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200),
    is_active=st.booleans(),
    texts=st.tuples(TEXTS, TEXTS, TEXTS),
    provider=TEXTS,
    said=st.tuples(*[st.none() | st.text(min_size=1, max_size=200)] * 3),
)
def test_an_event_has_the_bytes_of_the_avro_library(
    kind: str,
    learner: int,
    is_active: bool,
    texts: tuple[str, str, str],
    provider: str,
    said: tuple[str | None, str | None, str | None],
) -> None:
    name, description, image_url = said
    template = Texts(str(TEMPLATE), name, description, image_url)
    decision = Decision(
        kind,  # type: ignore[arg-type]
        str(TEMPLATE),
        learner,
        1,
        BADGE,
        UUID(int=3),
        datetime(2026, 1, 1, tzinfo=UTC),
        "cause",
        (),
    )

    event = EMITTER.encode(decision, User(learner, is_active, *texts), template, provider)

    username, email, full_name = texts
    user = {
        "id": learner,
        "is_active": is_active,
        "pii": {"username": username, "email": email, "name": full_name},
    }
    about = {
        "uuid": str(TEMPLATE),
        "origin": provider,
        "name": name,
        "description": description,
        "image_url": image_url,
    }
    payload = {"badge": {"uuid": str(BADGE), "user": user, "template": about}}
    assert event.value[FRAME_BYTES:] == _written(schemas.schema(EVENT_TYPES[kind]), payload)
    assert event.key[FRAME_BYTES:] == _written("string", str(BADGE))


def _written(schema: object, value: object) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()
