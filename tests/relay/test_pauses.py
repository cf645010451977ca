"""What slows or pauses an organization's calls, and what lets them go on, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.clock import Patience
from streams.relay.issuance import Kind
from streams.relay.keys import KeyRef
from streams.relay.pace import Limits
from streams.relay.terms import OrganizationTerms, TemplateTerms
from streams.sandbox.credly import Endpoint, Fault, Reply
from tests.relay.world import (
    BASE,
    KEY,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    TEMPLATE,
    World,
    both_with,
    event,
    in_world,
    issued,
    now,
    play,
    recipient,
)

BRISK = Limits(in_flight=8, rate=1e6, key=Patience(30, 60), template=Patience(30, 300))


def behind_a_firewall(here: World, refuses: str) -> None:
    """Have a proxy refuse each call whose body holds these characters."""
    handle = here.credly.handle
    page = b"<html><head><title>Forbidden</title></head></html>"

    def guarded(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(403, page) if refuses.encode() in body else handle(method, path, headers, body)

    here.credly.handle = guarded  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("retry_after", ["7", None])
@in_world(Limits(in_flight=1, rate=5))
async def test_throttling_is_obeyed_and_lowers_the_rate_for_a_while(
    here: World, retry_after: str | None
) -> None:
    here.credly.schedule([Fault("error", status=429, retry_after=retry_after, first=20, last=20)])
    organization = next(iter(here.organizations))
    here.say(*(event("awarded", n) for n in range(40)))
    await here.until(lambda: organization.rate < 5)
    since = now()
    assert organization.rate == 2.5
    await here.settled()
    times = [at for at, _ in here.wire.started]
    gap = min(at for at in times if at > since) - since
    assert gap > (6.9 if retry_after else 0.9)
    assert organization.rate > 2.5
    assert len(here.held()) == 40


@in_world()
async def test_a_call_that_is_throttled_is_made_again(here: World) -> None:
    here.credly.schedule([Fault("error", status=429, retry_after="1", call="issue", share=0.5)])
    here.say(*(event("awarded", n) for n in range(30)))
    await here.settled()
    assert len(here.credly.held()) == len(issued(here)) == 30


@pytest.mark.parametrize("status", [401, 403])
@in_world(BRISK)
async def test_a_refused_key_pauses_its_organization_until_it_works_again(
    here: World, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    here.credly.schedule([Fault("error", ORGANIZATION, status=status)])
    here.say(*(event("awarded", n) for n in range(50)))
    here.say(*(event("awarded", n, template=OTHER_TEMPLATE) for n in range(50)))
    await here.until(lambda: len(here.held()) == 50, within=10)
    await asyncio.sleep(3600)
    said = [record for record in caplog.records if "is paused" in record.message]
    assert len(said) == 1
    mine = [entry for entry in here.credly.journal if entry.organization == ORGANIZATION]
    assert len(mine) < 3600 / 30 + 10
    here.credly.schedule([])
    await here.settled(within=120)
    assert len(here.held()) == 100


@in_world(retry=Patience(1.0, 300.0))
async def test_a_firewall_that_forbids_single_badges_costs_only_these(here: World) -> None:
    behind_a_firewall(here, "<script>")
    here.say(*(event("awarded", n, who=recipient(n, name="Ada <script>")) for n in range(6)))
    here.say(*(event("awarded", n) for n in range(6, 200)))
    await here.until(lambda: len(here.held()) == 194, within=60)
    assert not any(organization.held for organization in here.organizations)
    await here.settled()
    assert len(here.store.letters) == 6
    assert here.store.letters[0].why == "403: an HTML page: Forbidden"
    assert len(here.held()) == 194


@in_world()
async def test_a_badge_that_was_forbidden_for_a_while_is_issued(here: World) -> None:
    here.credly.schedule([Fault("error", call="issue", status=403, last=5)])
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]
    assert here.issuance().forbidden == 0


@in_world()
async def test_a_key_that_may_not_write_pauses_its_organization_and_costs_no_badge(here: World) -> None:
    handle, tokens = here.credly.handle, orjson.dumps({"data": [{"token": KEY, "write_enabled": False}]})

    def read_only(method: str, path: str, *more: Any) -> Reply:
        if path.endswith("/authorization_tokens"):
            return Reply(200, tokens)
        return Reply(403, b"") if method == "POST" else handle(method, path, *more)

    here.credly.handle = read_only  # type: ignore[method-assign, assignment]
    here.say(*(event("awarded", n) for n in range(5)))
    await asyncio.sleep(7_200)
    assert [organization.held for organization in here.organizations] == ["the key has no right to write", ""]
    assert not here.store.letters
    here.credly.handle = handle  # type: ignore[method-assign]
    await here.settled()
    assert len(here.held()) == 5


@in_world()
async def test_a_new_key_in_the_file_is_used_at_once(here: World, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("expired\n")
    here.catalog(both_with(KeyRef(file=str(path))), here.templates)
    here.say(event("awarded"))
    await asyncio.sleep(5)
    assert here.credly.badges == {}
    path.write_text(KEY + "\n")
    await here.settled(within=2.5)
    assert here.held() == [(TEMPLATE, "1")]


@pytest.mark.parametrize("reference", ["file", "env"])
@in_world()
async def test_a_missing_key_pauses_its_organization_without_a_call(
    here: World, reference: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    missing = KeyRef(file=str(path)) if reference == "file" else KeyRef(env="NO_SUCH_KEY")
    here.catalog(both_with(missing), here.templates)
    here.say(event("awarded"))
    await asyncio.sleep(100)
    assert here.wire.started == []
    if reference == "file":
        path.write_text(KEY)
        await here.settled(within=2.5)


@in_world(BRISK, key=KeyRef(env="WRONG"))
async def test_a_corrected_reference_in_the_catalog_frees_a_paused_organization(here: World) -> None:
    here.say(*(event("awarded", n) for n in range(100)))
    await asyncio.sleep(100)
    assert here.wire.started == []
    right = OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))
    here.catalog([right], here.templates)
    await here.settled(within=10)


@in_world(BRISK)
async def test_badges_that_wait_for_a_missing_key_move_with_their_template(here: World) -> None:
    moved = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d99"
    here.credly.add_template(OTHER_ORGANIZATION, moved)
    good = OrganizationTerms(OTHER_ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))
    without_key = OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env="NONE"))
    here.catalog([without_key, good], {moved: TemplateTerms(moved, moved, ORGANIZATION)})
    here.say(*(event("awarded", n, template=moved) for n in range(50)))
    await asyncio.sleep(60)

    here.catalog([without_key, good], {moved: TemplateTerms(moved, moved, OTHER_ORGANIZATION)})
    await here.settled(within=60)

    assert len(here.held()) == 50


@in_world(BRISK)
async def test_an_organization_that_leaves_the_catalog_and_returns_goes_on(here: World) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(*(event("awarded", n) for n in range(100)))
    await asyncio.sleep(100)
    for in_force in ([], here.terms):
        here.catalog(in_force, here.templates)
        await asyncio.sleep(100)
    here.wire.away.clear()
    await here.settled(within=100)


@in_world()
async def test_the_breaker_lets_one_call_try_during_an_outage_and_everything_through_after_it(
    here: World,
) -> None:
    here.say(event("awarded", 0))
    await here.settled()
    here.say(*(event("awarded", n) for n in range(500)))
    here.wire.away.add(ORGANIZATION)
    await asyncio.sleep(1)
    begun, here.wire.most_in_flight = len(here.wire.started), Counter()
    await asyncio.sleep(3600)
    assert len(here.wire.started) - begun < 3600 / 30
    assert here.wire.most_in_flight[ORGANIZATION] == 1
    here.wire.away.clear()
    await here.settled(within=90)
    assert len(here.held()) == 500


def test_an_outage_of_one_organization_never_slows_the_other() -> None:
    async def alone(here: World) -> None:
        here.say(*(event("awarded", n, template=OTHER_TEMPLATE) for n in range(300)))
        await here.settled()
        took["alone"] = now()

    async def beside(here: World) -> None:
        here.wire.away.add(ORGANIZATION)
        for n in range(300):
            here.say(event("awarded", n), event("awarded", n, template=OTHER_TEMPLATE))
        await here.until(lambda: len(here.held()) == 300)
        took["beside"] = now()

    took: dict[str, float] = {}
    play(alone)
    play(beside)
    assert took["beside"] == pytest.approx(took["alone"], rel=0.1)


@in_world()
async def test_one_badge_that_always_fails_waits_longer_each_time_and_holds_nobody_up(here: World) -> None:
    poison = event("awarded", 13)
    original = here.credly.handle

    def handle(method: str, target: str, headers: Any, body: bytes) -> Any:
        if b'"issuer_earner_id":"13"' in body:
            here.credly.schedule([Fault("error", status=500)])
        try:
            return original(method, target, headers, body)
        finally:
            here.credly.schedule([])

    here.credly.handle = handle  # type: ignore[method-assign]
    here.say(poison, *(event("awarded", n) for n in range(100, 200)))
    await here.until(lambda: len(here.held()) == 100, within=10)
    await asyncio.sleep(3600)
    assert len(here.calls("issue")) < 100 + 80
    here.say(event("awarded", 14))
    await here.until(lambda: len(here.held()) == 101, within=1)


@pytest.mark.parametrize("kind", ["awarded", "revoked"])
@pytest.mark.parametrize("trouble", [Fault("error", status=500), Fault("error", status=200, body="html")])
@in_world()
async def test_what_fails_while_look_ups_work_waits_longer_each_time(
    here: World, kind: Kind, trouble: Fault
) -> None:
    here.say(event("awarded"))
    await here.settled()
    call: Endpoint = "revoke" if kind == "revoked" else "issue"
    here.credly.schedule([replace(trouble, call=call)])
    here.say(event("revoked") if kind == "revoked" else event("awarded", 2))
    await asyncio.sleep(3600)
    assert len(here.calls(call)) < 80
    here.credly.schedule([])
    await here.settled(within=61)
