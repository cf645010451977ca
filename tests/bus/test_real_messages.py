"""Every recorded message is read as what it says, and our bytes are those of the real producers."""

from datetime import datetime
from io import BytesIO
from uuid import UUID

import fastavro
import pytest

from streams.badges import Decision, User
from streams.bus import schemas
from streams.bus.emitter import BadgeEmitter
from streams.bus.registry import Registry
from streams.catalog import TemplateDeclaration
from streams.settings import Settings
from tests.bus.conftest import Read
from tests.bus.messages import Message, message, messages
from tests.bus.registry_server import RegistryServer

EVERY = pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
LEARNER = 42


@EVERY
async def test_a_real_message_reads_as_the_activity_that_it_is(
    message: Message, server: RegistryServer, read: Read
) -> None:
    server.holds(message.schema_id, message.schema)

    activity = await read(message.value, message.headers)

    assert activity is not None
    assert activity.type == message.event_type
    assert activity.id == message.attributes["ce_id"]
    assert activity.time == datetime.fromisoformat(message.attributes["ce_time"])
    assert activity.data == message.payload
    assert activity.learner == LEARNER


@EVERY
def test_our_schema_writes_the_bytes_of_the_real_producer(message: Message) -> None:
    body = BytesIO()

    fastavro.schemaless_writer(body, schemas.schema(message.event_type), message.decoded)

    assert body.getvalue() == message.avro


@pytest.mark.parametrize("kind", ["awarded", "revoked"])
async def test_our_badge_event_is_byte_for_byte_the_real_one(
    kind: str, server: RegistryServer, client: Registry
) -> None:
    real = message(f"badge_{kind}.credly")
    template = real.payload["template"]
    declared = TemplateDeclaration.model_validate(
        {
            "id": template["uuid"],
            "organization": "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11",
            "name": template["name"],
            "description": template["description"],
            "image_url": template["image_url"],
            "requirements": [{"id": "any", "event_type": real.event_type}],
        }
    )
    decision = Decision(
        kind,  # type: ignore[arg-type]
        template["uuid"],
        LEARNER,
        3,
        UUID(real.payload["uuid"]),
        UUID(real.attributes["ce_id"]),
        datetime.fromisoformat(real.attributes["ce_time"]),
        "cause",
        (),
    )
    emitter = BadgeEmitter(client, Settings(source="openedx/credentials/web"), real.topic)
    await emitter.start()

    user = User(LEARNER, True, "ada", "ada@example.com", "Ada Lövelace")
    event = emitter.encode(decision, user, declared, "credly")

    ours = {name: value for name, value in event.headers if name != "sourcehost"}
    assert [name for name, _ in event.headers] == [name for name, _ in real.headers] + ["ce_generation"]
    assert ours == {
        **{name: value for name, value in real.headers if name != "sourcehost"},
        "ce_generation": b"3",
    }
    assert event.value[5:] == real.avro
    assert event.key[5:] == real.key[5:]
    assert (real.subject, real.key_subject) == _subjects_of(event, server)


def _subjects_of(event: object, server: RegistryServer) -> tuple[str, str]:
    by_id = {id: subject for (subject, _), id in server.subjects.items()}
    ids = (getattr(event, part)[1:5] for part in ("value", "key"))
    value, key = (by_id[int.from_bytes(id, "big")] for id in ids)
    return value, key
