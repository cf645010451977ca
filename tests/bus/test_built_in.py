"""A site without a registry: badge events by the pinned schemas, under ids of our own."""

import json

import pytest

from streams.bus import built_in, schemas
from streams.bus.built_in import NoRegistry
from streams.bus.emitter import KEY_SCHEMA
from streams.bus.reader import Reader
from streams.bus.registry import LARGEST_ID, Registry, registry_of
from streams.errors import UnreadableError
from streams.settings import Settings
from tests.bus.conftest import TIMESTAMP_MS
from tests.bus.messages import message
from tests.bus.registry_server import RegistryServer

AWARDED = message("badge_awarded.credly")
WANTED = schemas.event_types()


def framed(schema_id: int) -> bytes:
    """The recorded badge event under this id."""
    return b"\0" + schema_id.to_bytes(4, "big") + AWARDED.avro


def test_an_id_stays_what_it_is_on_every_site_and_in_every_version() -> None:
    # Records under these ids are on badge topics. If a new schema changes one: decision 0025.
    assert built_in.id_of(schemas.schema(schemas.BADGE_AWARDED)) == 0xB6818379
    assert built_in.id_of(schemas.schema(schemas.BADGE_REVOKED)) == 0xAF73900D
    assert built_in.id_of(KEY_SCHEMA) == 0xF248018F


def test_no_two_schemas_have_one_id_and_no_registry_gives_it() -> None:
    ids = {built_in.id_of(schemas.schema(event_type)) for event_type in WANTED}

    assert len(ids) == len(WANTED)
    assert min(ids) > LARGEST_ID
    assert max(ids) < 2**32


def test_what_changes_no_byte_changes_no_id() -> None:
    schema = schemas.schema(schemas.BADGE_AWARDED)

    assert built_in.id_of({**schema, "doc": "Said otherwise."}) == built_in.id_of(schema)


async def test_what_is_written_without_a_registry_is_read_without_one() -> None:
    none = registry_of(Settings(bus="redis", registry=""))
    schema_id = await none.register("a subject", json.dumps(schemas.schema(schemas.BADGE_AWARDED)))

    event = Reader(none, "test", WANTED).read(framed(schema_id), AWARDED.headers, TIMESTAMP_MS)

    assert event is not None
    assert event.data == AWARDED.payload


@pytest.mark.parametrize("schema_id", [3, LARGEST_ID, 2**31, 2**32 - 1])
def test_an_id_that_is_none_of_ours_is_set_aside_at_once(schema_id: int) -> None:
    reader = Reader(NoRegistry(), "test", WANTED)

    with pytest.raises(UnreadableError) as refused:
        reader.read(framed(schema_id), AWARDED.headers, TIMESTAMP_MS)

    assert refused.value.reason == "unknown_schema"
    assert str(schema_id) in refused.value.detail
    assert "no registry" in refused.value.detail


async def test_a_site_that_gets_a_registry_later_reads_what_it_wrote_before(
    server: RegistryServer, client: Registry
) -> None:
    before = await NoRegistry().register("a subject", json.dumps(AWARDED.schema))

    event = Reader(client, "test", WANTED).read(framed(before), AWARDED.headers, TIMESTAMP_MS)

    assert event is not None
    assert not server.asked


async def test_a_registry_is_not_asked_for_an_id_that_it_cannot_have_given(
    server: RegistryServer, client: Registry
) -> None:
    with pytest.raises(UnreadableError, match="unknown_schema"):
        Reader(client, "test", WANTED).read(framed(2**31 + 1), AWARDED.headers, TIMESTAMP_MS)

    assert not server.asked


@pytest.mark.parametrize("event_type", sorted(WANTED))
def test_every_pinned_schema_is_in_the_table(event_type: str) -> None:
    text = built_in.text(built_in.id_of(schemas.schema(event_type)))

    assert text is not None
    assert json.loads(text) == schemas.schema(event_type)
