"""One activity judged by its learner's progress, or set aside without a trace in the progress."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import UUID

import fastavro
import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import (
    Judgement,
    Order,
    Ordered,
    Progress,
    Source,
    User,
    badge_id,
    decide,
    decision_id,
    evolve,
)
from streams.bus.activities import line, order_line
from streams.bus.emitter import REASON as BECAUSE
from streams.bus.emitter import REISSUED
from streams.bus.reader import Event
from streams.bus.schemas import BADGE_AWARDED, BADGE_REVOKED, schema
from streams.catalog import patterns
from streams.headers import header
from streams.kafka.dead_letters import DETAIL, REASON, left_at
from streams.kafka.forgotten import of_order, over_before
from streams.kafka.orders import FORGET, ORDER, reissue
from streams.tracker import tracking
from streams.tracker.rows import is_over, pack, unpack
from streams.tracker.tracking import Tracking
from tests.bus.memory import record, record_of, take
from tests.runtime.recording import LARGEST, RecordingUnit
from tests.runtime.world import Sent
from tests.tracker.scene import LEARNER, PASSED, SETTINGS, TEMPLATE, catalog, tracker

NOT_PASSING: dict[str, object] = {"path": "is_passing", "operator": "eq", "value": False}
KEY = b"%d" % LEARNER
ACTIVITIES = "badge-streams-activities"
FORGOTTEN = record(None, [(ORDER, FORGET)], key=KEY, topic=ACTIVITIES)
LATER_MS = 1_800_000_000_000
"""After what the recorded event says of its time."""


def activity(
    offset: int = 7,
    key: bytes | None = KEY,
    id: int = 1,
    *,
    source: dict[str, object] | None = None,
    **changes: object,
) -> ConsumerRecord:
    """The passing status as rekey has forwarded it; `offset` is where it was on the bus."""
    first = record_of(PASSED, offset=offset)
    time = dict(PASSED.headers)["ce_time"]
    event = Event(PASSED.event_type, str(UUID(int=id)), time, -1, LEARNER, PASSED.payload)
    value = orjson.loads(line(event, first, SETTINGS.source_epoch))
    value["source"] |= source or {}
    value |= {name: changes.pop(name) for name in ("type", "data") if name in changes}
    made = record(orjson.dumps(value), (), key=key, topic=ACTIVITIES, offset=100 + offset)
    return replace(made, **changes)


def later(offset: int = 7, id: int = 1) -> ConsumerRecord:
    """The same, written to the bus now, in the future of what happened."""
    return activity(offset, id=id, source={"timestamp": LATER_MS}, timestamp=LATER_MS)


async def tracked(
    *records: ConsumerRecord,
    rows: Mapping[bytes, bytes] | None = None,
    where: dict[str, object] | None = None,
) -> RecordingUnit:
    _, unit = await tracking_of(*records, rows=rows, where=where)
    return unit


async def tracking_of(
    *records: ConsumerRecord,
    rows: Mapping[bytes, bytes] | None = None,
    where: dict[str, object] | None = None,
) -> tuple[Tracking, RecordingUnit]:
    here = await tracker(catalog(where) if where else catalog())
    unit = RecordingUnit(here.names.activities, here.names.progress, rows)
    track = Tracking(here, unit)
    await take(records, track.step)
    track.store()
    return track, unit


def forgotten(at: ConsumerRecord) -> bytes:
    """The row of a learner of whom is known only that an order was given to forget them."""
    return pack(Progress.initial(), of_order(at.timestamp))


def reasons(unit: RecordingUnit) -> list[bytes | None]:
    return [header(sent.headers, REASON) for sent in unit.sent]


async def test_an_activity_that_fulfils_a_template_awards_its_badge_and_is_remembered() -> None:
    unit = await tracked(activity())

    [sent] = unit.sent
    assert header(sent.headers, "ce_type") == BADGE_AWARDED.encode()
    assert str(badge_id(TEMPLATE, LEARNER)).encode() in (sent.key or b"")
    progress = unpack(unit.table[KEY] or b"")[0]
    assert progress.badges[TEMPLATE].held
    assert unit.read == {("bus", 0): (SETTINGS.source_epoch, 7)}


async def test_several_activities_of_a_learner_are_one_write_and_one_award() -> None:
    unit = await tracked(activity(7, id=1), activity(8, id=2), activity(9, id=3))

    assert list(unit.table) == [KEY]
    assert len(unit.sent) == 1
    assert unit.read == {("bus", 0): (SETTINGS.source_epoch, 9)}


async def test_an_activity_seen_before_changes_nothing() -> None:
    before = await tracked(activity())
    unit = await tracked(activity(), rows={KEY: before.table[KEY] or b""})
    assert (unit.sent, unit.table) == ([], {})


@pytest.mark.parametrize("learner", [2**63, 2**64 - 1])
async def test_a_learner_whom_no_badge_event_can_name_is_set_aside(learner: int) -> None:
    data = {**PASSED.payload, "user": {**PASSED.payload["user"], "id": learner}}

    unit = await tracked(activity(key=b"%d" % learner, data=data))

    assert (reasons(unit), unit.table) == ([b"no_activity"], {})


async def test_an_activity_on_which_no_rule_holds_changes_nothing() -> None:
    unit = await tracked(activity(), where=NOT_PASSING)
    assert (unit.sent, unit.table) == ([], {})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (PASSED.value, b"not JSON"),
        (b"[]", b"not a JSON object"),
        (b"{}", b"source: missing"),
        (activity(data={}).value, b"data.user: names no learner"),
        (b"", b"not JSON"),
        (None, b"not JSON"),
    ],
)
async def test_what_is_no_activity_is_set_aside_as_it_is(value: bytes | None, why: bytes) -> None:
    unit = await tracked(activity(value=value))

    [letter] = unit.sent
    assert header(letter.headers, REASON) == b"no_activity"
    assert (header(letter.headers, DETAIL) or b"").startswith(why)
    assert (letter.key, letter.value) == (KEY, value)
    assert left_at(letter.headers) == Source(ACTIVITIES, 0, 107)
    assert (unit.table, unit.read) == ({}, {})


async def test_an_activity_under_another_key_is_not_judged_where_it_is() -> None:
    unit = await tracked(activity(key=b"43"), activity(key=None))
    assert (reasons(unit), unit.table) == ([b"wrong_key"] * 2, {})


async def test_an_activity_of_a_type_that_no_rule_names_any_more_changes_nothing() -> None:
    unit = await tracked(activity(type="org.example.unheard.of.v1"))
    assert (unit.sent, unit.table) == ([], {})


async def test_a_progress_that_grows_too_large_is_kept_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "PROGRESS_BYTES", 50)
    unit = await tracked(activity())
    assert (reasons(unit), unit.table) == ([b"progress_too_large"], {})


async def test_a_progress_at_its_bound_gives_up_what_is_out_of_the_catalog_and_the_learner_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [row] = (await tracked(activity())).table.values()
    gone = {"v": 1, "c": "another", "p": {}, "i": [], "r": {"gone": {"r": [["x" * 2_000], 5]}}}
    monkeypatch.setattr(tracking, "PROGRESS_BYTES", 2_000)

    unit = await tracked(activity(), rows={KEY: orjson.dumps(gone)})

    assert reasons(unit) == [None]
    assert unit.table[KEY] == row


async def test_an_activity_that_cannot_be_judged_is_set_aside_and_the_next_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judgements = iter((lambda *_: 1 // 0, decide))
    monkeypatch.setattr("streams.tracker.tracking.decide", lambda *of: next(judgements)(*of))
    unit = await tracked(activity(7, id=1), activity(8, id=2))
    assert reasons(unit) == [b"judging_failed", None]


async def test_a_text_too_long_for_a_pattern_costs_its_own_record_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "STEPS", 100)
    long: dict[str, object] = {"path": "course.course_key", "operator": "matches", "value": ".*none.*"}
    unit = await tracked(activity(), where=long)
    assert (reasons(unit), unit.table) == ([b"text_too_long"], {})


async def test_a_record_too_large_for_the_dead_letters_goes_without_its_value() -> None:
    unit = await tracked(activity(value=b"\1" * LARGEST))
    [letter] = unit.sent
    assert (letter.key, letter.value) == (KEY, None)


async def test_who_holds_a_badge_more_and_who_less_is_told() -> None:
    order = record(None, [(ORDER, FORGET)], key=KEY, topic=ACTIVITIES)
    awarded, unit = await tracking_of(activity())
    rows = {KEY: unit.table[KEY] or b""}

    forgotten, _ = await tracking_of(order, rows=rows)
    both, _ = await tracking_of(activity(), order)

    assert awarded.held == {TEMPLATE: 1}
    assert forgotten.held == {TEMPLATE: -1}
    assert both.held == {TEMPLATE: 0}


async def test_the_order_to_forget_deletes_a_progress_and_what_came_before_it() -> None:
    kept = (await tracked(activity())).table[KEY] or b""

    assert (await tracked(FORGOTTEN, rows={KEY: kept})).table == {KEY: forgotten(FORGOTTEN)}
    assert (await tracked(activity(), FORGOTTEN)).table == {KEY: forgotten(FORGOTTEN)}
    assert (await tracked(FORGOTTEN)).table == {KEY: forgotten(FORGOTTEN)}
    assert unpack(forgotten(FORGOTTEN))[0] == Progress.initial()


async def test_after_it_is_forgotten_a_learner_begins_again() -> None:
    unit = await tracked(activity(7, id=1), FORGOTTEN, later(8, id=2))
    assert unpack(unit.table[KEY] or b"")[0].badges[TEMPLATE].held


async def test_what_is_read_again_of_a_forgotten_learner_changes_nothing() -> None:
    # As after expired offsets, under another epoch, or from a dead letter that somebody else redrives.
    other_epoch = activity(9, id=3, source={"epoch": 7})
    redriven = activity(1, id=4, source={"topic": "badge-streams-dead-letters", "epoch": 2**40})
    unit = await tracked(activity(), other_epoch, redriven, rows={KEY: forgotten(FORGOTTEN)})

    assert (unit.sent, unit.table) == ([], {})


async def test_what_happened_before_and_is_written_later_is_of_the_past_too() -> None:
    late = later()
    order = replace(FORGOTTEN, timestamp=late.timestamp - 1)
    unit = await tracked(order, late)
    assert (unit.sent, unit.table) == ([], {KEY: forgotten(order)})


async def test_a_learner_who_is_forgotten_twice_is_so_since_the_second_time() -> None:
    second = replace(FORGOTTEN, timestamp=FORGOTTEN.timestamp + 1)
    assert (await tracked(second, FORGOTTEN)).table == {KEY: forgotten(second)}
    assert (await tracked(second, rows={KEY: forgotten(FORGOTTEN)})).table == {KEY: forgotten(second)}


async def test_a_row_is_over_once_it_says_nothing_and_its_learner_was_forgotten_long_ago() -> None:
    now = datetime.fromtimestamp(FORGOTTEN.timestamp / 1000, UTC) + timedelta(days=91)
    alone, again = forgotten(FORGOTTEN), pack(unpack(await awarded())[0], 1)
    assert is_over(KEY, alone, over_before(now, 90))
    assert not is_over(KEY, alone, over_before(now, 92))
    assert not is_over(KEY, again, over_before(now, 90))
    assert not is_over(KEY, pack(Progress.initial(), None), over_before(now, 90))


async def awarded(user: User | None = None) -> bytes:
    """The progress of a learner who holds the badge, and of whom no more than this is known."""
    kept = unpack((await tracked(activity())).table[KEY] or b"")[0]
    return pack(replace(kept, user=user), None)


def told(sent: Sent) -> dict[str, str]:
    """What a badge event says of its learner."""
    value = fastavro.schemaless_reader(BytesIO((sent.value or b"")[5:]), schema(BADGE_AWARDED), None)
    pii: dict[str, str] = value["badge"]["user"]["pii"]
    return pii


def order(key: bytes | None = KEY, template: str | None = None) -> ConsumerRecord:
    return record(None, reissue(template), key=key, topic=ACTIVITIES)


@pytest.mark.parametrize("template", [None, TEMPLATE])
async def test_an_award_is_said_again_by_order_with_what_is_known_of_the_learner_now(
    template: str | None,
) -> None:
    first = (await tracked(activity())).sent[0]
    ada = User(LEARNER, True, "ada", "ada@example.org", "Ada")
    unit = await tracked(order(template=template), rows={KEY: await awarded(ada)})

    [sent] = unit.sent
    assert told(sent) == {"username": "ada", "email": "ada@example.org", "name": "Ada"}
    assert sent.headers == (*first.headers, (REISSUED, b"1"))
    assert unit.table == {}


async def test_a_revocation_is_said_again_by_order() -> None:
    held = unpack(await awarded())[0]
    badge = replace(held.badges[TEMPLATE], revoked=held.badges[TEMPLATE].awarded + 1, revoked_by="a penalty")
    after = Judgement(None, b"", held.user, held.catalog, {}, {TEMPLATE: badge}, ())
    revoked = pack(evolve(held, after), None)
    [sent] = (await tracked(order(), rows={KEY: revoked})).sent

    assert header(sent.headers, "ce_type") == BADGE_REVOKED.encode()
    id = decision_id(badge_id(TEMPLATE, LEARNER), "revoked", 1)
    assert header(sent.headers, "ce_id") == str(id).encode()


@pytest.mark.parametrize(("key", "template"), [(KEY, str(UUID(int=9))), (b"1", None)])
async def test_there_is_nothing_to_say_again_of_what_was_never_decided(
    key: bytes, template: str | None
) -> None:
    unit = await tracked(order(key, template), rows={KEY: await awarded()})
    assert (unit.sent, unit.table) == ([], {})


@pytest.mark.parametrize("before", [None, User(LEARNER, True, "ada", "", "")])
async def test_what_a_learner_holds_is_said_again_when_more_of_them_becomes_known(
    before: User | None,
) -> None:
    unit = await tracked(activity(8, id=2), rows={KEY: await awarded(before)})

    [sent] = unit.sent
    assert told(sent)["email"] == PASSED.payload["user"]["pii"]["email"]
    assert header(sent.headers, REISSUED) is None
    assert (await tracked(activity(9, id=3), rows={KEY: unit.table[KEY] or b""})).sent == []


def by_hand(order: Ordered, user: User | None = None) -> ConsumerRecord:
    given = Order(
        order,
        TEMPLATE,
        LEARNER,
        str(UUID(int=5)),
        datetime(2026, 3, 15, tzinfo=UTC),
        user,
        ("grace", "a contest"),
    )
    return record(order_line(given), (), key=KEY, topic=ACTIVITIES)


async def test_a_badge_is_awarded_by_order_to_a_learner_whom_only_the_order_names() -> None:
    ada = User(LEARNER, True, "ada", "ada@example.org", "Ada")
    [sent] = (await tracked(by_hand("award", ada))).sent

    assert told(sent) == {"username": "ada", "email": "ada@example.org", "name": "Ada"}


async def test_what_is_known_of_a_learner_stays_when_an_order_says_something_else() -> None:
    ada = User(LEARNER, True, "ada", "ada@example.org", "Ada")
    unit = await tracked(
        by_hand("revoke", User(LEARNER, True, "x", "x", "x")), rows={KEY: await awarded(ada)}
    )

    assert len(unit.sent) == 1
    assert unpack(unit.table[KEY] or b"")[0].user == ada


async def test_who_ordered_an_award_and_why_is_known_of_the_badge() -> None:
    unit = await tracked(by_hand("award"))

    [badge] = unpack(unit.table[KEY] or b"")[0].badges.values()
    assert (badge.ordered, badge.note, badge.revoked_note) == (True, ["grace", "a contest"], None)
    assert header(unit.sent[0].headers, BECAUSE) is None


async def test_why_a_badge_is_revoked_by_order_goes_with_it_also_when_it_is_said_again() -> None:
    unit = await tracked(by_hand("revoke"), rows={KEY: await awarded()})
    [again] = (await tracked(order(), rows={KEY: unit.table[KEY] or b""})).sent

    assert [header(sent.headers, BECAUSE) for sent in (*unit.sent, again)] == [b"a contest"] * 2
    [badge] = unpack(unit.table[KEY] or b"")[0].badges.values()
    assert badge.revoked_note == ["grace", "a contest"]


def brought(**known: object) -> ConsumerRecord:
    line = {
        "order": "import",
        "learner": LEARNER,
        "id": str(UUID(int=6)),
        "time": "2027-01-01T00:00:00+00:00",
        "templates": {TEMPLATE: {"awarded": "2026-01-01T00:00:00+00:00", **known}},
        "user": {"username": "ada", "email": "ada@example.org", "name": "Ada"},
    }
    return record(orjson.dumps(line), (), key=KEY, topic=ACTIVITIES)


async def test_what_is_imported_is_stored_and_said_to_nobody() -> None:
    track, unit = await tracking_of(brought(fulfilled=["passed"]))

    progress = unpack(unit.table[KEY] or b"")[0]
    assert unit.sent == []
    assert progress.badges[TEMPLATE].imported
    assert progress.user == User(LEARNER, True, "ada", "ada@example.org", "Ada")
    assert track.held == {TEMPLATE: 1}
    again, second = await tracking_of(brought(fulfilled=["passed"]), rows={KEY: unit.table[KEY] or b""})
    assert (second.table, second.sent, again.held) == ({}, [], {})


async def test_a_badge_that_is_imported_as_revoked_is_held_by_nobody() -> None:
    track, unit = await tracking_of(brought(revoked="2026-02-01T00:00:00+00:00"))

    assert not unpack(unit.table[KEY] or b"")[0].badges[TEMPLATE].held
    assert track.held == {}


async def test_nothing_is_imported_of_a_learner_who_was_forgotten_before() -> None:
    assert (await tracked(brought(), rows={KEY: forgotten(FORGOTTEN)})).table == {}


async def test_an_import_under_another_learners_key_is_set_aside() -> None:
    unit = await tracked(replace(brought(), key=b"9"))

    assert (reasons(unit), unit.table) == ([b"wrong_key"], {})


async def test_what_is_said_again_and_is_too_large_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "x" * LARGEST
    unit = await tracked(order(), rows={KEY: await awarded(User(LEARNER, True, "ada", "", name))})
    assert reasons(unit) == [b"too_large"]


async def test_an_order_for_nobody_is_set_aside() -> None:
    for key in (None, b"nobody", b""):
        unit = await tracked(replace(FORGOTTEN, key=key), order(key))
        assert (reasons(unit), unit.table) == ([b"no_activity"] * 2, {})


async def test_what_an_event_leaves_empty_of_a_learner_stays_as_it_was_known() -> None:
    named = (await tracked(activity(7, id=1))).table[KEY] or b""
    data = dict(PASSED.payload)
    nameless = data | {"user": data["user"] | {"pii": data["user"]["pii"] | {"name": "", "username": "new"}}}

    unit = await tracked(activity(8, id=2, data=nameless), rows={KEY: named})

    before, after = unpack(named)[0].user, unpack(unit.table[KEY] or b"")[0].user
    assert before is not None
    assert after == replace(before, username="new")
