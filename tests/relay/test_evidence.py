"""What counted for a badge reaches its issuer, where the catalog wants it."""

from dataclasses import replace
from typing import Any

import pytest

from streams.bus.emitter import EVIDENCE
from streams.issuers.issuer import Evidence
from streams.relay.badge_events import evidence_in
from streams.relay.issuance import KeptRecord, Word
from tests.relay.virtual import EPOCH
from tests.relay.world import World, event, in_world

SAID = b'[{"name":"Pass two courses","at":"2026-03-14T15:09:26+00:00","values":["Kafka 101"]}]'
TOLD = {"type": "IdEvidence", "title": "Pass two courses", "description": "2026-03-14: Kafka 101"}


def telling(said: bytes = SAID) -> Word:
    return replace(event("awarded"), original=KeptRecord(b"value", ((EVIDENCE, said),)))


def evidence_at_credly(here: World) -> list[Any]:
    return list(here.badge().evidence)


@in_world(evidence=True)
async def test_what_counted_is_at_credly_and_no_longer_here(here: World) -> None:
    await here.follows(telling())
    assert evidence_at_credly(here) == [TOLD]
    [raw] = here.store.table.values()
    assert b"Kafka" not in raw


@in_world(evidence=False)
async def test_what_counted_is_not_told_by_another_catalog(here: World) -> None:
    await here.follows(telling())
    assert evidence_at_credly(here) == []


@in_world(evidence=True)
async def test_a_badge_without_evidence_or_with_what_is_none_is_issued(here: World) -> None:
    await here.follows(telling(b'{"name": 7'))
    assert evidence_at_credly(here) == []


@pytest.mark.parametrize(
    "said",
    [b"", b"7", b"{}", b"[7]", b'[{"name":"x"}]', b'[{"name":"x","at":7}]', b'[{"name":"x","at":"x"}]'],
)
def test_what_is_no_evidence_is_none(said: bytes) -> None:
    assert evidence_in(((EVIDENCE, said),)) == ()


def test_evidence_may_have_no_values() -> None:
    said = b'[{"name":"x","at":"2026-03-14T15:09:26+00:00"}]'
    assert evidence_in(((EVIDENCE, said),)) == (Evidence("x", EPOCH),)
    assert Evidence("x", EPOCH).description == "2026-03-14"
