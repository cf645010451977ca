"""A learner is forgotten at a site where others go on learning."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.api.consents import Writer
from streams.badges import Progress, badge_id
from streams.errors import FatalError
from streams.kafka.consents import Consent, consent_of
from streams.kafka.topics import topics
from streams.relay.issuance import gone
from streams.relay.rows import issuances
from streams.sandbox.bus import Bus
from streams.sandbox.credly import Fault
from streams.sandbox.process import tail
from streams.tracker.rows import unpack
from tests.here import on_bus
from tests.relay.badge_bus import catalog, until
from tests.whole.full_site import ORGANIZATION, PARTITIONS, TEMPLATES, FullSite


def test_nothing_is_left_of_a_forgotten_learner_but_what_ages_out(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # when
        said = await full.run("forget", "--learner", "3")
        # then
        names = topics(full.commands.parsed)
        progress, forgotten = unpack((await full.table(names.progress.name))[b"3"])
        assert (progress, forgotten is not None) == (Progress.initial(), True)
        table = await full.table(names.issuances.name)
        assert all(gone(issuance) for _, issuance in issuances(table.items()) if issuance.learner == 3)
        assert full.badges_of(3) == 0
        assert f"{len(TEMPLATES)} badges are deleted" in said
        latest_day = (datetime.now(UTC) + timedelta(days=15)).date().isoformat()
        assert f"{names.activities.name}: {latest_day}" in said
        assert all(topic.name in said for topic in names.all if topic != names.catalog)

    loop.run(scenario())


def test_pages_for_everybody_of_a_forgotten_learner_are_taken_back(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        settings = full.commands.parsed
        topic = topics(settings).consents.name
        async with aclosing(Writer(settings, topic)) as write:
            for learner in (2, 4):
                consent = Consent(learner, TEMPLATES[0], f"link-of-{learner}", 1)
                await write(badge_id(TEMPLATES[0], learner), consent)

        said = await full.run("forget", "--learner", "2")

        left = [consent_of(raw) for raw in (await full.table(topic)).values()]
        assert [consent.learner for consent in left] == [4]
        assert "1 pages of hers for everybody are taken back" in said

    loop.run(scenario())


def test_the_others_keep_their_progress_and_their_badges(full: FullSite, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        names = topics(full.commands.parsed)
        before = await full.table(names.progress.name)
        await full.run("forget", "--learner", "3")
        after = await full.table(names.progress.name)
        assert {**after, b"3": b""} == {**before, b"3": b""}
        assert [full.badges_of(learner) for learner in (1, 4)] == [len(TEMPLATES)] * 2

    loop.run(scenario())


def test_a_badge_that_credly_does_not_delete_is_named_and_can_be_tried_again(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        full.credly.schedule([Fault("error", call="erase", status=403, last=1)])
        with pytest.raises(FatalError, match="ended with 1"):
            await full.run("forget", "--learner", "5")
        assert full.badges_of(5) == 1
        await full.run("forget", "--learner", "5")
        assert full.badges_of(5) == 0

    loop.run(scenario())


def test_a_relay_that_starts_after_it_has_forgotten_goes_on(full: FullSite, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        await full.run("forget", "--learner", "6")
        log = full.workers["relay"].log
        full.stop("relay")
        before = log.read_text()
        full.start("relay")
        try:
            ready = 2 * PARTITIONS
            await until(lambda: log.read_text().removeprefix(before).count(": ready at offset") >= ready, 30)
        except TimeoutError as error:
            error.add_note(tail(log))
            raise

    loop.run(scenario())


def test_who_commands_while_no_tracker_runs_is_told_so(sandbox: Bus, app_prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(catalog("http://localhost:1", {ORGANIZATION: TEMPLATES}))
    commands = on_bus(sandbox, app_prefix, catalog=file, partitions=1)
    commands.run("topics", "--create", "--all")

    with pytest.raises(FatalError, match="is it running"):
        commands.run("forget", "--learner", "1", "--within", "2")
