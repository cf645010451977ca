"""What operators do about badges: have them said again, give them the past, award and revoke them."""

import asyncio
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import yaml

from streams.badges import Badge, Judgement, Progress, badge_id, evolve, stamp
from streams.errors import FatalError
from streams.issuers.outcomes import Refused as No
from streams.kafka.orders import ORDER, REISSUE, TEMPLATE
from streams.kafka.topics import topics
from streams.operate.dead_letters import Filter
from streams.operate.ordering import ends, worked_off
from streams.operate.refused import refused
from streams.operate.site import site
from streams.relay import issuance, rows
from streams.relay.issuance import desire, learned
from streams.relay.steps import Issue
from streams.sandbox import lms
from streams.tracker.rows import pack
from tests.relay.badge_bus import until
from tests.relay.virtual import EPOCH
from tests.relay.world import event, recipient
from tests.sites import letters
from tests.whole.full_site import ORGANIZATION, TEMPLATES, FullSite

NEW = "3c1d5a0f-7e0d-4b0e-a8f8-0d1a6f6f7a21"
NAMES = ("activities", "progress", "issuances")


class Tables:
    """A site's topics with the rows of each; one without rows is not there."""

    def __init__(self, **rows: dict[bytes, bytes]) -> None:
        self.topics = SimpleNamespace(**{name: SimpleNamespace(name=name) for name in NAMES})
        self._rows = rows

    async def partitions(self, topic: str) -> list[int]:
        return [0, 1] if topic in self._rows else []

    async def rows(self, topic: str) -> Any:
        for row in self._rows[topic].items():
            yield row


def tables(*, kind: issuance.Kind = "awarded", generation: int = 1, knows: bool = True) -> Tables:
    """A refused badge of learner 1, and what the tracker knows of it."""
    wanted = desire(None, event(kind))
    row = learned(wanted, Issue(recipient(1), EPOCH), No("422"), EPOCH)
    badge = Badge(generation, stamp(EPOCH), ["an activity"])
    known = {row.template: badge} if knows else {}
    progress = evolve(Progress.initial(), Judgement(None, b"", None, "", {}, known, ()))
    return Tables(
        activities={},
        progress={b"1": pack(progress, None), b"2": pack(Progress.initial(), None)},
        issuances={event(kind).badge.encode(): orjson.dumps(rows.dump(row))},
    )


async def test_a_refused_award_that_the_tracker_knows_is_ordered_to_be_said_again() -> None:
    found = await refused(cast(Any, tables()))
    word = event("awarded")
    order = found.order(b"\0\0\0\0\1H" + word.badge.encode())
    assert order is not None
    assert (order["topic"], order["key"], order["value"]) == ("activities", b"1", None)
    assert dict(order["headers"]) == {ORDER: REISSUE, TEMPLATE: word.template.encode()}
    assert found.order(badge_id(word.template, 2).bytes) is None
    assert found.order(None) is None


@pytest.mark.parametrize(
    "there", [tables(kind="revoked"), tables(generation=2), tables(knows=False), Tables(issuances={})]
)
async def test_any_other_letter_is_sent_as_it_is(there: Tables) -> None:
    assert not (await refused(cast(Any, there))).awards


async def passed(full: FullSite, learner: int, email: str) -> None:
    user = lms.user(learner)
    data = {
        "is_passing": True,
        "course": lms.course("course-v1:DemoX+Kafka101+2026"),
        "user": user | {"pii": user["pii"] | {"email": email}},
    }
    await full.emit(list(full.press.publish([lms.Happening(lms.PASSING, datetime.now(UTC), learner, data)])))


def test_what_was_refused_for_an_address_is_issued_to_the_one_that_the_lms_says_now(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given
        mine, other = TEMPLATES
        await passed(full, 301, "learner301@nowhere")
        async with asyncio.timeout(30):
            while len(found := await letters(full.commands.parsed, Filter(reason="refused"))) < len(
                TEMPLATES
            ):
                await asyncio.sleep(0.1)
        with pytest.raises(FatalError, match="2 differences"):
            await full.run("reconcile")
        assert (await full.run("explain", "--learner", "301")).count("issuer: refused") == 2
        # when
        await passed(full, 301, "learner301@example.org")
        [letter] = [one for one in found if str(badge_id(mine, 301)).encode() in (one.record.key or b"")]
        await full.run("dead-letters", "redrive", letter.id)
        said = await full.run("reissue", "--learner", "301", "--template", other)
        # then
        assert f"of template {other}: said again, awarded, generation 1" in said
        await until(lambda: full.badges_of(301) == 2, 30)
        emails = {badge.email for badge in full.credly.badges.values() if badge.earner == "301"}
        assert emails == {"learner301@example.org"}
        assert (await full.run("explain", "--learner", "301")).count("issuer: issued as") == 2
        assert await full.run("reconcile") == ""

    loop.run(scenario())


def test_nothing_is_said_again_of_whom_nothing_was_decided(full: FullSite, loop: asyncio.Runner) -> None:
    with pytest.raises(FatalError, match="nothing was decided"):
        loop.run(full.run("reissue", "--learner", "987654321"))


async def publish_new(full: FullSite) -> None:
    """Put a catalog in force that has one more template, which asks what the others do."""
    catalog = yaml.safe_load(Path(full.commands.settings["BADGES_CATALOG"]).read_text())
    catalog["templates"].append(catalog["templates"][0] | {"id": NEW})
    file = full.folder / "new.yaml"
    file.write_text(yaml.safe_dump(catalog))
    full.credly.add_template(ORGANIZATION, NEW)
    await full.run("catalog", "publish", str(file))
    log = full.folder / "tracker.log"
    await until(lambda: "is in force: 3 templates" in log.read_text(), 30)


async def judged(full: FullSite) -> None:
    """Wait until the tracker has judged all that is among the activities."""
    async with site(full.commands.parsed) as at:
        await worked_off(at, at.settings.app_id, await ends(at, at.topics.activities.name), within=30)


def held(full: FullSite, template: str) -> set[str]:
    return {badge.earner for badge in full.credly.held() if badge.template == template}


def test_a_new_badge_is_given_the_past_and_learners_are_given_badges_by_hand(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given
        await publish_new(full)
        first, other = TEMPLATES
        everybody = held(full, other)
        run = full.run

        # when
        said = await run("catch-up", "--template", NEW)
        await until(lambda: held(full, NEW) == everybody, 30)
        before = await full.table(topics(full.commands.parsed).progress.name)
        assert await run("catch-up", "--template", NEW.upper()) == said
        await judged(full)

        # then
        assert await full.table(topics(full.commands.parsed).progress.name) == before

        # when
        file = full.folder / "learners.csv"
        file.write_text("learner,username,email,name\n901,ada,ada@example.org,Ada Lovelace\n2,,,\n")
        ordered = await run(
            "award", "--template", first, "--csv", str(file), "--reason", "won", "--by", "grace"
        )
        revoked = await run("revoke", "--template", first, "--learner", "1", "--reason", "a mistake")
        await until(lambda: held(full, first) == (everybody | {"901"}) - {"1"}, 30)

        # then
        ids = dict(line.split("\t")[::-1] for line in ordered.splitlines())
        assert list(ids) == ["901", "2"]
        told = await run("explain", "--learner", "901")
        assert f"by order {ids['901']}" in told
        assert "ordered by grace: won" in told
        told = await run("explain", "--learner", "1")
        assert f"because of order {revoked.split()[0]}" in told
        assert f"ordered by {getuser()}: a mistake" in told
        [badge] = [b for b in full.credly.badges.values() if (b.template, b.earner) == (first, "1")]
        assert badge.revocation_reason == "a mistake"

    loop.run(scenario())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("catch-up", "--template", ORGANIZATION), "is not in the catalog in force"),
        (("award", "--template", ORGANIZATION, "--learner", "1", "--reason", "won"), "is not in the catalog"),
        (("award", "--template", TEMPLATES[0], "--learner", "1", "--reason", " "), "--reason: one line of"),
    ],
)
def test_what_cannot_be_ordered_is_refused(
    full: FullSite, loop: asyncio.Runner, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(FatalError, match=f"ended with 2.*{said}"):
        loop.run(full.run(*arguments))
