"""`docs/formats.md` shows what the code writes, and names every field and header of it."""

import asyncio
import functools
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import ormsgpack
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import (
    Activity,
    Badge,
    Brought,
    Decision,
    Import,
    Judgement,
    Order,
    Progress,
    State,
    User,
    dump,
    evolve,
    judge,
    moment,
)
from streams.badges.packing import LONG
from streams.bridge import cursor
from streams.bus import built_in
from streams.bus.activities import activity_of, import_line, line, order_line, parsed
from streams.bus.emitter import GENERATION, KEY_SCHEMA, REASON, REISSUED, BadgeEmitter, BadgeEvent
from streams.bus.entries import EntryId
from streams.bus.reader import Event, Reader
from streams.bus.registry import Registry
from streams.bus.schemas import BADGE_AWARDED, BADGE_EVENTS, event_types, schema
from streams.catalog import CatalogDocument, in_force, load_catalog
from streams.errors import UnreadableError
from streams.headers import Headers
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.outcomes import Issued, Occurrence
from streams.kafka import consents, dead_letters, orders, origin
from streams.kafka.forgotten import of_order
from streams.kafka.topics import topics
from streams.relay import cursor as feed_cursor
from streams.relay import importing, issuance, next_step, rows, seen
from streams.relay.badge_events import word_of
from streams.relay.doubt import Doubt
from streams.relay.failing import Failing
from streams.relay.issuance import Issuance
from streams.relay.steps import Issue
from streams.relay.table import forgotten_row
from streams.runtime import recovery
from streams.settings import Settings
from streams.tracker.rows import pack
from tests.bus.messages import message

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
CATALOG = """
version: 1
organizations:
  - id: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11
templates:
  - id: 0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10
    organization: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11
    name: Kafka Apprentice
    requirements:
      - id: passed
        event_type: org.openedx.learning.course.passing.status.updated.v1
        rules: [{path: is_passing, operator: eq, value: true}]
  - id: 3c1d5a0f-7e0d-4b0e-a8f8-0d1a6f6f7a21
    organization: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11
    name: Stream Master
    requirements:
      - id: both
        event_type: org.openedx.learning.course.passing.status.updated.v1
        count: 2
        distinct: course.course_key
"""
BUS = "learning-badges-lifecycle"
AT = datetime(2026, 3, 14, 15, 9, 27, tzinfo=UTC)


class OneSchema(Registry):
    """Gives every schema the same id."""

    async def register(self, subject: str, text: str) -> int:
        return 3


def record(topic: str, partition: int, offset: int, key: bytes, value: bytes, headers: Headers) -> Any:
    timestamp = int(AT.timestamp() * 1000)
    return ConsumerRecord(topic, partition, offset, timestamp, 0, key, value, None, 0, 0, tuple(headers))


# The way of one message: what is on the bus, what track makes of it, what the relay makes of that.


@functools.cache
def on_the_bus() -> Any:
    real = message("course_passing_status_updated.as_lms_emits")
    return record(BUS, 3, 1207, real.key, real.value, real.headers)


@functools.cache
def activity_line() -> bytes:
    real = message("course_passing_status_updated.as_lms_emits")
    reader = Reader(Registry(Settings()), "test", frozenset({real.event_type}))
    reader._texts[real.schema_id] = json.dumps(real.schema)
    event = reader.read(real.value, real.headers, on_the_bus().timestamp)
    assert event is not None
    return line(event, on_the_bus(), 0)


@functools.cache
def activity() -> Activity:
    read = activity_of(parsed(activity_line()), event_types())
    assert read is not None
    return read


@functools.cache
def catalog() -> CatalogDocument:
    return load_catalog(CATALOG)


@functools.cache
def judged() -> tuple[Progress, Decision]:
    progress, [decision] = judge(catalog().compiled, Progress.initial(), activity())
    return progress, decision


@functools.cache
def badge_on_the_bus() -> tuple[BadgeEvent, Any]:
    emitter = BadgeEmitter(OneSchema(Settings()), Settings(), BUS)
    asyncio.run(emitter.start())
    progress, decision = judged()
    event = emitter.encode(decision, progress.user, catalog().templates[decision.template], "credly")
    return event, record(BUS, 1, 88, event.key, event.value, event.headers)


def a_cursor() -> cursor.Cursor:
    """Of a stream in which the message is an entry."""
    last = EntryId(1773500967000, 3)
    earlier = cursor.Read(EntryId(1773500961000, 0), 1199)
    return cursor.Cursor(cursor.Read(last, 1207), 0, last.offset, (earlier,))


def pending() -> Issuance:
    """A badge whose issue may have been called."""
    _, placed = badge_on_the_bus()
    _, decision = judged()
    user = activity().data["user"]
    data = {"uuid": str(decision.badge), "template": {"uuid": decision.template}, "user": user}
    seen = Event(BADGE_AWARDED, str(decision.id), decision.time.isoformat().encode(), -1, user["id"], data)
    desired = issuance.desire(None, word_of(seen, placed))
    step = next_step.next_step(desired, AT, CREDLY)
    assert isinstance(step, Issue)
    return next_step.intend(desired, step, AT, CREDLY)


def held() -> Issuance:
    """The same after the issuer's answer."""
    before = pending()
    assert before.recipient is not None
    step = Issue(before.recipient, before.time)
    return issuance.learned(before, step, Issued("9f0c1a52-7c1e-4bb0-9a53-1d0e6f1f7a10", "pending"), AT)


def set_aside() -> list[tuple[str, bytes]]:
    """The headers of a dead letter."""
    sent: list[tuple[str, bytes]] = []
    outbox = SimpleNamespace(send=lambda *_, headers, **__: sent.extend(headers))
    error = UnreadableError("bad_body", "it ends early")
    dead_letters.set_aside(cast(Any, outbox), "", "rekey", origin.on_the_bus(on_the_bus()), error)
    return sent


def beside_the_offset() -> str:
    owner = "badge-streams-3f0c9d1b7a52e864"
    return str(recovery.written(recovery.Commit(0, 0, 811, {(BUS, 3): (0, 1207)}, owner)).metadata)


def orders_at() -> int:
    return of_order(int(AT.timestamp() * 1000))


def order_about_a_badge() -> str:
    user = User(42, True, "ada", "ada@example.com", "Ada Lövelace")
    id, template = "3f8f5c9a-6a0b-4f5e-9a1c-2b7d6e5f4a3b", "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
    return order_line(Order("award", template, 42, id, AT, user, ("grace", "won the contest"))).decode()


def imported() -> bytes:
    user = User(42, True, "ada", "ada@example.com", "Ada Lövelace")
    id, template = "b0c5a0b8-57f4-5e2c-9f0e-1d1a4a7c3e55", "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
    brought = Brought(("r1",), AT.replace(year=2025), AT.replace(year=2025, month=9), ("r2",))
    return import_line(Import(42, id, AT, {template: brought}, user))


def imported_badge() -> bytes:
    template, held = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "9f0c1a52-7c1e-4bb0-9a53-1d0e6f1f7a10"
    return importing.line("awarded", template, 42, AT.replace(year=2025), held=held, state="pending")


def as_json(value: Any) -> str:
    return orjson.dumps(value, default=lambda raw: f"h'{raw.hex()}'").decode()


def as_lines(headers: Headers) -> str:
    return "\n".join(f"{name}: {value.decode()}" for name, value in headers)


EXAMPLES: dict[str, tuple[Callable[[], str], ...]] = {
    "Activities": (lambda: activity_line().decode(),),
    "Origin": (lambda: as_lines(origin.origin_headers(on_the_bus(), 0)),),
    "Badge events": (lambda: as_lines(badge_on_the_bus()[0].headers),),
    "Progress": (lambda: as_json(dump(judged()[0])),),
    "Issuances": (lambda: as_json(rows.dump(pending())), lambda: as_json(rows.dump(held()))),
    "Feeds": (
        lambda: seen.line(a_badge_seen()).decode(),
        lambda: seen.line("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10").decode(),
        lambda: feed_cursor.dump(read_to()).decode(),
    ),
    "Forgotten learners": (
        lambda: as_json(ormsgpack.unpackb(pack(Progress.initial(), orders_at()))),
        lambda: forgotten_row(b"42", moment(orders_at())).decode(),
    ),
    "Dead letters": (lambda: as_lines(set_aside()[-4:]),),
    "Orders": (
        lambda: as_lines([(orders.ORDER, orders.FORGET)]),
        lambda: as_lines(orders.reissue("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10")),
    ),
    "Orders about a badge": (order_about_a_badge,),
    "Imports": (lambda: imported().decode(), lambda: imported_badge().decode()),
    "Beside an offset": (beside_the_offset,),
    "Cursors": (lambda: cursor.dump(a_cursor()).decode(),),
    "Consents": (lambda: consents.line(a_consent()).decode(),),
}


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_is_what_the_code_writes(heading: str) -> None:
    shown = re.findall(r"```(?:json)?\n(.*?)```", section(heading), re.DOTALL)
    written = [example() for example in EXAMPLES[heading]]

    assert len(shown) == len(written)
    for example, real in zip(shown, written, strict=True):
        separator = "" if real.startswith("{") else "\n"
        assert as_shown(separator.join(line.strip() for line in example.splitlines()), real)


def a_consent() -> consents.Consent:
    return consents.Consent(42, "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "AAECAwQFBgcICQoLDA0ODw", orders_at())


def section(heading: str) -> str:
    """What stands under a heading of the page."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def named(heading: str) -> list[str]:
    """The first column of the tables under a heading."""
    return re.findall(r"^\| `([\w-]+)` \|", section(heading), re.MULTILINE)


def as_shown(shown: str, real: str) -> bool:
    """Whether the text is the one shown; `…` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), real, re.DOTALL) is not None


def full_progress() -> Progress:
    badge = Badge(
        1,
        2,
        ["because"],
        "activity",
        "catalog",
        True,
        3,
        "revoked_by",
        "revoked_catalog",
        True,
        ["by", "why"],
        ["b", "w"],
    )
    long = [str(number) for number in range(LONG + 1)]
    state = State(1, 2, long, 4, "distinct", [5], ["id"], ["key"], True)
    user = User(42, True, "username", "email", "name")
    full = Judgement(None, b"", user, "", {"template": {"requirement": state}}, {"template": badge}, ())
    return evolve(Progress.initial(), full)


def a_badge_seen() -> seen.Seen:
    return seen.Seen("9f0c1a52-7c1e-4bb0-9a53-1d0e6f1f7a10", "revoked", AT)


def read_to() -> feed_cursor.Cursor:
    event = Occurrence("0c2f9a39-7e4c-5f3b-9a7e-2d1f0a3c4b5d", "state_changed", AT)
    return feed_cursor.after(feed_cursor.Cursor(), [event], AT)


def full_issuance() -> Issuance:
    doubt = Doubt("revoke", AT)
    return replace(
        pending(),
        held="id",
        state="x",
        sure=True,
        adopted=True,
        found=True,
        past=("id",),
        renews=True,
        loose=doubt,
        refused="x",
        attempts=1,
        failing=Failing(AT, AT),
        forbidden=1,
        answer="x",
        answered_at=AT,
        seen=a_badge_seen(),
        reason="x",
    )


def test_the_fields_of_a_progress_are_named() -> None:
    row = ormsgpack.unpackb(pack(full_progress(), 1))

    assert named("Progress") == [*row, *(field.name for kind in (State, Badge) for field in fields(kind))]


def test_the_places_of_a_requirement_and_of_a_badge_are_in_the_order_of_the_tables() -> None:
    requirements, stored = full_progress().templates["template"]
    [badge] = full_progress().badges.values()
    [(_, _, state)] = full_progress().states

    assert stored == [getattr(badge, f.name) for f in fields(Badge)]
    assert requirements["requirement"] == [getattr(state, f.name) for f in fields(State)]


def test_the_fields_of_an_issuance_are_named() -> None:
    assert sorted(named("Issuances")) == sorted(rows.dump(full_issuance()))


def test_a_full_issuance_lacks_no_field() -> None:
    empty = [f.name for f in fields(Issuance) if getattr(full_issuance(), f.name) in (None, "", 0, False)]

    assert empty == []


def test_the_headers_of_dead_letters_are_named() -> None:
    declared = [value for value in vars(dead_letters).values() if str(value).startswith("dead-letter-")]

    assert named("Dead letters") == declared


def test_what_stands_beside_an_offset_is_named() -> None:
    assert named("Beside an offset") == list(orjson.loads(beside_the_offset()))


def test_the_fields_of_an_order_about_a_badge_are_named() -> None:
    assert named("Orders about a badge") == list(orjson.loads(order_about_a_badge()))


def test_the_fields_of_an_import_are_named() -> None:
    line = orjson.loads(imported())
    [brought] = line["templates"].values()

    assert sorted(named("Imports")) == sorted([*line, *brought])


def test_the_other_headers_are_named() -> None:
    assert named("Origin") == [origin.ORIGIN, origin.ORIGIN_KEY]
    assert named("Orders") == [orders.ORDER, orders.TEMPLATE]
    assert f"`{REISSUED}: 1`" in section("Badge events")
    assert f"`{GENERATION}`" in section("Badge events")
    assert f"`{REASON}`" in section("Badge events")


def test_the_fields_of_a_consent_are_named() -> None:
    said = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section("Consents"), re.MULTILINE)))

    assert said == list(orjson.loads(consents.line(a_consent())))


def test_the_fields_of_a_cursor_are_named() -> None:
    assert named("Cursors") == list(orjson.loads(cursor.dump(a_cursor())))


def test_a_revision_is_named_after_its_document_and_gzipped() -> None:
    [shown] = re.findall(r"```\n(\w+)-\d{8}T\d{6}Z\n```", section("Catalog revisions"))

    assert shown == catalog().revision
    assert load_catalog(in_force.unpack(in_force.pack(CATALOG.encode()))).revision == shown


def test_the_ids_of_the_built_in_schemas_are_named() -> None:
    schemas = {t: schema(t) for t in sorted(BADGE_EVENTS)} | {"the key": KEY_SCHEMA}

    assert [f"{built_in.id_of(schema):08x}" for schema in schemas.values()] == re.findall(
        r"`([0-9a-f]{8})` \|$", section("Frame"), re.MULTILINE
    )


def test_every_topic_of_ours_has_its_row() -> None:
    names = topics(Settings.model_construct(app_id="{app}", relay_id="{relay}", bus="redis"))

    assert [
        t.name for t in (*names.bridge, *names.tracker, *names.relay, *names.api) if f"`{t.name}`" not in PAGE
    ] == []
