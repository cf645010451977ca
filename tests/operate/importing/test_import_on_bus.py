"""The credentials service's learners, taken along to real workers, and what happens to them then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import yaml
from aiokafka.structs import TopicPartition

from streams.badges import badge_id
from streams.kafka.topics import topics
from streams.sandbox import lms, publisher
from streams.sandbox.audit import read_topic
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.credly import CredlyBadge, CredlySimulator, Server
from streams.sandbox.groups import committed
from streams.sandbox.lms import Happening
from streams.sandbox.process import Process
from streams.sandbox.publisher import Publisher
from tests.here import on_bus
from tests.operate.importing.database import (
    EITHER,
    NULLS,
    ONE,
    SAMPLE,
    TWO,
    Object,
    sample,
)
from tests.relay.badge_bus import KEY, issuances, know, until
from tests.whole.full_site import ORGANIZATION, PACE, FullSite

NAMES = "username,lms_user_id\nlearner2,1002\nlearner6,1006\n"
A, B = "course-v1:X+A+1", "course-v1:X+B+1"


def at_credly(credly: CredlySimulator) -> None:
    """Have Credly hold what the sample's app has issued there."""
    templates = {o["pk"]: o["fields"]["uuid"] for o in sample() if o["model"] == "badges.badgetemplate"}
    know(credly, {ORGANIZATION: tuple(templates.values())})
    credentials = {o["pk"]: o["fields"] for o in sample() if o["model"] == "credentials.usercredential"}
    for object in sample():
        if object["model"] == "badges.credlybadge" and (id := object["fields"]["external_uuid"]):
            of = credentials[object["pk"]]
            badge = CredlyBadge(
                id=id,
                organization=ORGANIZATION,
                template=templates[of["credential_id"]],
                email=f"{of['username']}@example.org",
                first_name="",
                last_name="",
                earner="",
                issued_at=of["created"],
                expires_at=None,
                state=object["fields"]["state"],
            )
            credly.badges[id] = badge


def externals() -> dict[tuple[int, str], str]:
    """Credly's ids of the badges that are held there, by learner and template."""
    by_name = {o["fields"]["username"]: o["fields"]["lms_user_id"] for o in _of("core.user")}
    by_name["learner6"] = 1006
    templates = {o["pk"]: o["fields"]["uuid"] for o in _of("badges.badgetemplate")}
    credentials = {o["pk"]: o["fields"] for o in _of("credentials.usercredential")}
    found = {}
    for object in _of("badges.credlybadge"):
        of, id = credentials[object["pk"]], object["fields"]["external_uuid"]
        if id and of["status"] == "awarded":
            found[by_name[of["username"]], templates[of["credential_id"]]] = id
    return found


def _of(model: str) -> list[Object]:
    return [object for object in sample() if object["model"] == model]


@asynccontextmanager
async def site(bus: Bus, folder: Path) -> AsyncIterator[FullSite]:
    """A site under the imported catalog, and a Credly that has what the app has issued; no worker runs."""
    name, credly = f"import-{uuid4().hex[:8]}", CredlySimulator()
    at_credly(credly)
    async with Server(credly) as server:
        file = folder / "catalog.yaml"
        commands = on_bus(bus, name, catalog=file, partitions=2, CREDLY_KEY_OF_THE_TEST=KEY, **PACE)
        declared = yaml.safe_load(await asyncio.to_thread(commands.run, "import", "catalog", str(SAMPLE)))
        for organization in declared["organizations"]:
            organization |= {"url": server.url, "api_key": {"env": "CREDLY_KEY_OF_THE_TEST"}}
        file.write_text(yaml.safe_dump(declared))
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        press = Publisher(await publisher.register(bus.registry, name), name)
        workers: dict[str, Process] = {}
        here = FullSite(commands, credly, press, bus.kafka, folder, workers)
        try:
            yield here
        finally:
            for worker in workers.values():
                worker.stop()


async def import_state(here: FullSite) -> str:
    (here.folder / "names.csv").write_text(NAMES)
    options = ["--catalog", str(here.folder / "catalog.yaml"), "--learners", str(here.folder / "names.csv")]
    return await here.run("import", "state", str(SAMPLE), *options, "--yes")


async def followed(commands: Commands) -> None:
    """Wait until both workers have worked off what was sent."""
    settings, names = commands.parsed, topics(commands.parsed)
    for topic, group in ((names.activities, settings.app_id), (names.decisions, settings.relay_id)):
        records = await read_topic(settings, topic.name)
        ends: dict[int, int] = {}
        for record in records:
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        wanted = {TopicPartition(topic.name, number): end for number, end in ends.items()}
        await committed(settings, group, wanted, within=60)


async def tables(here: FullSite) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    names = topics(here.commands.parsed)
    return await here.table(names.progress.name), await here.table(names.issuances.name)


async def said_on_the_bus(here: FullSite) -> list[tuple[str, str]]:
    """Kind and badge of each badge event."""
    records = await read_topic(here.commands.parsed, topics(here.commands.parsed).badges.name)
    badges = [r for r in records if any(name == "ce_generation" for name, _ in r.headers)]
    return sorted(
        (dict(r.headers)["ce_type"].decode().split(".")[-2], (r.key or b"")[-36:].decode()) for r in badges
    )


def happened(*statuses: tuple[int, str, bool]) -> list[Happening]:
    return [
        Happening(
            lms.PASSING,
            datetime.now(UTC),
            learner,
            {"is_passing": passing, "course": lms.course(course), "user": lms.user(learner)},
        )
        for learner, course, passing in statuses
    ]


async def test_learners_go_on_with_what_they_have(sandbox: Bus, tmp_path: Path) -> None:
    async with site(sandbox, tmp_path) as here:
        there = set(here.credly.badges)
        said = await import_state(here)
        here.start("tracker")
        here.start("relay")
        await followed(here.commands)
        await until(lambda: len(here.credly.badges) == len(there) + 3, 60)
        table = await issuances(here.commands.parsed)

        explained = await here.run("explain", "--learner", "1001", "--template", ONE)
        assert ", generation 1, by import " in explained
        assert "by the rules of the service that it was imported from" in explained
        assert ": import, 20" in explained
        assert "17 fulfilments and 15 badges are there" in said
        assert await said_on_the_bus(here) == []
        # What the app had awarded and never issued is issued; nothing else is asked about any badge.
        issued = [here.credly.badges[id] for id in here.credly.badges if id not in there]
        assert sorted((b.earner, b.template) for b in issued) == [("1004", ONE), ("1004", TWO), ("1007", ONE)]
        calls = [entry for entry in here.credly.journal if "/badges" in entry.path]
        assert [entry.method for entry in calls] == ["POST"] * 3
        for (learner, template), held in externals().items():
            assert table[str(badge_id(template, learner))].held == held

        before = await tables(here)
        await import_state(here)
        await followed(here.commands)

        assert await tables(here) == before
        assert len(here.credly.badges) == len(there) + 3

        one, two = externals()[1001, ONE], externals()[1002, TWO]
        await here.emit(
            list(
                here.press.publish(
                    happened(
                        (1001, A, False),  # loses what it holds
                        (1002, B, True),  # completes what it holds already, and two badges more
                        (1003, A, True),  # passes again what it lost, and the app never awarded again
                        (1006, B, True),  # completes what was revoked
                        (1004, A, False),  # loses what the relay has issued
                    )
                )
            )
        )
        await until(lambda: here.credly.badges[one].state == "revoked", 60)
        await until(lambda: here.badges_of(1003) == here.badges_of(1006) == 1, 60)
        await until(lambda: all(not b.held for b in issued if (b.earner, b.template) == ("1004", ONE)), 60)

        assert here.credly.badges[two].held
        assert await said_on_the_bus(here) == sorted(
            (kind, str(badge_id(template, learner)))
            for kind, template, learner in (
                ("revoked", ONE, 1001),
                ("awarded", ONE, 1003),
                ("awarded", TWO, 1006),
                ("revoked", ONE, 1004),
                ("awarded", EITHER, 1002),
                ("awarded", NULLS, 1002),
            )
        )
