import io
import json
from collections import Counter
from datetime import datetime

import fastavro
import pytest

from streams.bus import schemas
from streams.sandbox import lms, publisher
from streams.sandbox.lms import Happening
from streams.sandbox.publisher import FAULTS, Publisher, source_topics, subjects

IDS = {subject: number for number, subject in enumerate(subjects("dev"), start=1)}


def test_the_same_seed_tells_the_same_story_and_writes_the_same_bytes() -> None:
    one, two = ([*_spoilt(seed=7)] for _ in range(2))
    assert one == two
    assert one != [*_spoilt(seed=8)]


def test_a_learner_s_life_does_not_depend_on_how_many_others_there_are() -> None:
    few = [h for h in lms.term(1, 3) if h.learner == 2]
    many = [h for h in lms.term(1, 9) if h.learner == 2]
    assert few == many


def test_a_term_is_in_order_of_time() -> None:
    times = [happening.time for happening in lms.term(1, 20)]
    assert times == sorted(times)


def test_most_passing_statuses_say_no_and_most_repeat_what_was_said() -> None:
    # given
    said: dict[tuple[int, str], bool] = {}
    counts: Counter[str] = Counter()
    # when
    for happening in lms.term(1, 100):
        if happening.type == lms.PASSING:
            where = (happening.learner, happening.data["course"]["course_key"])
            counts["all"] += 1
            counts["false"] += not happening.data["is_passing"]
            counts["repeated"] += said.get(where) == happening.data["is_passing"]
            counts["lost"] += said.get(where) is True and not happening.data["is_passing"]
            said[where] = happening.data["is_passing"]
    # then
    assert counts["false"] > counts["all"] / 2
    assert counts["repeated"] > counts["all"] / 2
    assert counts["lost"] > 10


@pytest.mark.parametrize("event_type", sorted(publisher.PUBLISHED))
def test_every_kind_of_event_happens_and_can_be_read_back(event_type: str) -> None:
    # given
    happening = next(h for h in lms.term(1, 40) if h.type == event_type)
    # when
    emission = next(Publisher(IDS, "dev").publish([happening]))
    # then
    assert emission.value is not None
    body = io.BytesIO(emission.value[5:])
    (payload,) = fastavro.schemaless_reader(body, schemas.schema(event_type), None).values()
    assert payload == happening.data
    assert body.read() == b""


def test_a_passing_status_is_written_byte_for_byte_as_the_real_producer_does() -> None:
    # given
    pii = {"username": "ada", "email": "ada@example.com", "name": "Ada Lövelace"}
    ada = {"id": 42, "is_active": True, "pii": pii}
    data = {"is_passing": True, "course": lms.course("course-v1:OpenedX+DemoX+DemoCourse"), "user": ada}
    time = datetime.fromisoformat("2026-03-14T15:09:26.535897+00:00")
    # when
    emission = next(Publisher(IDS, "dev").publish([Happening(lms.PASSING, time, 42, data)]))
    # then
    assert emission.topic == "dev-learning-badges-lifecycle"
    assert emission.key is not None
    assert emission.value is not None
    assert emission.key[5:].hex() == "44" + b"course-v1:OpenedX+DemoX+DemoCourse".hex()
    assert emission.value[5:].hex() == (
        "0144636f757273652d76313a4f70656e6564582b44656d6f582b44656d6f436f757273650000005401066164611e616461"
        "406578616d706c652e636f6d1a416461204cc3b676656c616365"
    )
    assert emission.headers == (
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/avro"),
        ("ce_datacontenttype", b"application/avro"),
        ("ce_type", b"org.openedx.learning.course.passing.status.updated.v1"),
        ("ce_id", emission.id.encode()),
        ("ce_source", b"openedx/lms/web"),
        ("ce_time", b"2026-03-14T15:09:26.535897+00:00"),
        ("ce_minorversion", b"0"),
        ("sourcehost", b"lms.example.internal"),
        ("sourcelib", b"11.2.0"),
    )


def test_schemas_are_registered_as_the_real_producers_register_them() -> None:
    # when
    registered = subjects("dev")
    # then
    value = registered[
        "dev-learning-badges-lifecycle-org.openedx.learning.course.passing.status.updated.v1.CloudEvent"
    ]
    assert value == json.dumps(json.loads(value), sort_keys=True)
    keys = {text for subject, text in registered.items() if "-string" in subject}
    assert '{"name": "course_key", "type": "string"}' in keys


def test_every_fault_comes_up_and_is_marked_with_its_fate() -> None:
    fates = {e.fault: e.fate for e in _spoilt(seed=1) if e.fault}
    assert fates.keys() == {*FAULTS, "written twice"}
    assert set(fates.values()) == {"read", "dropped", "dead letter"}


def test_the_topics_carry_the_prefix() -> None:
    assert "learning-badges-lifecycle" in source_topics()
    assert "dev-learning-badges-lifecycle" in source_topics("dev")


def _spoilt(seed: int) -> list[publisher.Emission]:
    press = Publisher(IDS, "dev", seed)
    return [*press.spoil(press.publish(lms.term(seed, 30)), repeated=0.05, rubbish=0.1)]
