"""Where each event is published."""

import pytest

from streams.bus.description import envelope, fields
from streams.bus.publication import LEARNING, PUBLICATIONS, REPEATED, read_on
from streams.bus.schemas import BADGE_EVENTS, event_types
from streams.catalog.fields import Field, field


def test_every_event_that_a_rule_can_use_has_its_publication() -> None:
    assert set(PUBLICATIONS) == event_types() - BADGE_EVENTS
    assert set(REPEATED) <= set(PUBLICATIONS)


@pytest.mark.parametrize("event_type", sorted(PUBLICATIONS))
def test_a_key_is_a_text_that_is_always_there(event_type: str) -> None:
    # Where it is null, or a record, the bus's producer drops the event.
    wrapper, _, path = PUBLICATIONS[event_type].key.partition(".")
    members = {field.path: field for field in fields(event_type)}

    assert wrapper == envelope(event_type)
    assert (members[path].kind, members[path].optional) == ("string", False)
    assert "." not in path or not members[path.rpartition(".")[0]].optional


@pytest.mark.parametrize(
    ("event", "topics", "reads"),
    [
        ("course.passing.status.updated.v1", {"dev-learning-badges-lifecycle"}, True),
        ("certificate.created.v1", {"dev-learning-badges-lifecycle"}, False),
        ("certificate.created.v1", {"dev-mine"}, False),
        ("course.enrollment.created.v1", {"dev-learning-badges-lifecycle"}, False),
        ("course.enrollment.created.v1", {"dev-learning-badges-lifecycle", "dev-mine"}, None),
        ("course.enrollment.created.v1", {"dev-learning-enrollment-lifecycle"}, True),
    ],
)
def test_a_site_reads_an_event_if_it_reads_the_topic_that_the_event_is_sent_on(
    event: str, topics: set[str], reads: bool | None
) -> None:
    assert read_on(LEARNING + event, frozenset(topics), "dev") is reads


@pytest.mark.parametrize("event_type", sorted(event_types()))
def test_what_is_said_of_a_field_is_what_rules_are_checked_by(event_type: str) -> None:
    for described in fields(event_type):
        found = field(event_type, described.path)

        assert isinstance(found, Field), found
        assert (found.kinds == {"other"}) == (described.kind in ("record", "map", "array")), described
