"""The catalog changes while learners go on: each activity is judged by one catalog only."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_OID, uuid5

import orjson
import pytest
import yaml
from aiokafka import AIOKafkaConsumer

from streams import metrics
from streams.badges import Progress
from streams.catalog import in_force, load_catalog
from streams.catalog.in_force import CatalogInForce, Revision
from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.sandbox import lms, publisher
from streams.sandbox.audit import latest, read_topic, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.process import Deadline, Process
from streams.sandbox.publisher import Emission, Placed, Publisher
from streams.settings import Settings
from streams.tracker.rows import unpack
from tests import pages
from tests.here import on_bus

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
COURSE = "course-v1:DemoX+Kafka101+2026"
TEMPLATES = 8
"""A half-applied catalog shows in some learner's badges; each of them costs an event for each activity."""
RATE = 1_000
SECONDS = 8
"""Events per second, and long enough for three catalogs to be published meanwhile."""


def one_course(*names: str) -> str:
    """A catalog of a template for each name; all of them want the same of the same course."""
    rules = [
        {"path": "is_passing", "operator": "eq", "value": True},
        {"path": "course.course_key", "operator": "eq", "value": COURSE},
    ]
    requirement = {"id": "passed", "event_type": lms.PASSING, "rules": rules}
    templates = [
        {"id": template(name), "organization": ORGANIZATION, "name": name, "requirements": [requirement]}
        for name in names
    ]
    organizations = [{"id": ORGANIZATION, "api_key": {"env": "CREDLY_NONE"}}]
    return yaml.safe_dump({"version": 1, "organizations": organizations, "templates": templates})


def template(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


def passes(learners: Iterable[int]) -> list[lms.Happening]:
    """Each learner passes the course once."""
    start = datetime(2026, 3, 2, 8, tzinfo=UTC)
    course = lms.course(COURSE)
    return [
        lms.Happening(
            lms.PASSING,
            start + timedelta(seconds=n),
            n,
            {"is_passing": True, "course": course, "user": lms.user(n)},
        )
        for n in learners
    ]


async def progress(commands: Commands) -> dict[int, Progress]:
    settings = commands.parsed
    rows = latest(await read_topic(settings, topics(settings).progress.name))
    return {int(key): unpack(raw)[0] for key, raw in rows.items()}


def catalog_page(tracker: Process) -> dict[str, object]:
    """What the tracker's health says of its catalog."""
    page: dict[str, object] = orjson.loads(pages.read(tracker.log.read_text(), "health"))["catalog"]
    return page


def wait_for(trackers: Sequence[Process], what: str, key: str, value: object) -> None:
    deadline = Deadline(10, what)
    while any(catalog_page(tracker)[key] != value for tracker in trackers):
        deadline.wait()


def test_every_decision_follows_from_the_old_catalog_or_the_new_one(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    sets = {side: [f"{side} {n}" for n in range(TEMPLATES)] for side in ("old", "new")}
    files = {side: tmp_path / f"{side}.yaml" for side in sets}
    for side, names in sets.items():
        files[side].write_text(one_course(*names))
    rules = {side: load_catalog(file.read_text()).compiled.revision for side, file in files.items()}
    commands = on_bus(sandbox, app_prefix, catalog=files["old"], partitions=4)
    commands.run("topics", "--create", "--all")
    press = Publisher(asyncio.run(publisher.register(sandbox.registry, app_prefix)), app_prefix)
    token = pages.shown_to_us(tmp_path)
    trackers = [commands.start("tracker", log=tmp_path / f"tracker{n}.log", **token) for n in (1, 2)]
    placed: list[Placed] = []

    async def emit(emissions: Sequence[Emission]) -> None:
        await publisher.emit(sandbox.kafka, emissions, rate=RATE, placed=placed.extend)

    async def term() -> None:
        await emit(list(press.publish(passes([0]))))
        await settled(commands.parsed, placed, within=60)
        async with asyncio.TaskGroup() as group:
            group.create_task(emit(list(press.publish(passes(range(1, RATE * SECONDS))))))
            for side in ("new", "old", "new"):
                await asyncio.sleep(SECONDS / 6)
                await asyncio.to_thread(commands.run, "catalog", "publish", str(files[side]))
        # when nothing is under way any more
        wait_for(trackers, "both trackers go by the new catalog", "rules", rules["new"])
        await emit(list(press.publish(passes([RATE * SECONDS]))))
        await settled(commands.parsed, placed, within=60)

    try:
        asyncio.run(term())
    finally:
        for tracker in trackers:
            tracker.stop()

    # then
    ids = {frozenset(map(template, names)): side for side, names in sets.items()}
    judged = asyncio.run(progress(commands))
    by_side: defaultdict[str, set[int]] = defaultdict(set)
    for learner, known in judged.items():
        held = ids.get(frozenset(known.badges))
        assert held is not None, f"learner {learner} has badges of a mixture"
        assert {badge.catalog for badge in known.badges.values()} == {rules[held]}
        by_side[held].add(learner)
    assert len(judged) == len(placed) == RATE * SECONDS + 1
    assert 0 in by_side["old"]
    assert RATE * SECONDS in by_side["new"]
    assert min(map(len, by_side.values())) > RATE / 20
    said = commands.run("explain", "--learner", "0", "--template", template("old 0"))
    published = commands.run("catalog", "history").splitlines()
    assert [line.split()[-2:] for line in published] == [[str(TEMPLATES), "templates"]] * 3
    assert f"under the rules of catalog {published[1].split()[1]}" in said


def test_a_faulty_catalog_on_the_topic_is_refused_aloud_and_changes_nothing(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    file = tmp_path / "catalog.yaml"
    file.write_text(one_course("one"))
    commands = on_bus(sandbox, app_prefix, catalog=file, partitions=1)
    commands.run("topics", "--create", "--all")
    settings = commands.parsed
    tracker = commands.start("tracker", log=tmp_path / "tracker.log", **pages.shown_to_us(tmp_path))
    try:
        deadline = Deadline(30, "the tracker has its catalog")
        while "is in force" not in tracker.log.read_text():
            deadline.wait()
        before = catalog_page(tracker)
        # when
        faulty = b"version: 1\ntemplates: [{}]\n"
        asyncio.run(in_force.publish(settings, topics(settings).catalog.name, faulty, "by-hand"))
        # then
        deadline = Deadline(10, "the catalog is refused")
        while not (after := catalog_page(tracker))["last_refusal"]:
            deadline.wait()
        assert after["revision"] == before["revision"]
        assert any("templates[0].id" in fault for fault in after["last_refusal"])  # type: ignore[attr-defined]
        assert commands.run("catalog", "history").rstrip().endswith("by-hand refused")
    finally:
        assert tracker.stop() == 0


async def test_while_a_large_catalog_is_compiled_the_worker_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    large = in_force.Revision("large", 0, 0, in_force.pack(one_course(*map(str, range(1_000))).encode()))
    monkeypatch.setattr(in_force, "_read", lambda *_: asyncio.sleep(0, ([large], 1)))
    catalogs = in_force.CatalogInForce(Settings(), "catalog")
    consumer: Any = None
    loading = asyncio.ensure_future(catalogs.load_from(consumer))
    heartbeats = 0

    while not loading.done():
        await asyncio.sleep(0.001)
        heartbeats += 1

    assert len(catalogs.document.templates) == 1_000
    # It takes 0.3 s at least; on the loop there would be one or two.
    assert heartbeats > 10


@pytest.mark.parametrize("text", [b"\x1f\x8bnot gzip", b"", b"{}"])
def test_what_is_no_catalog_at_all_is_refused_too(text: bytes) -> None:
    with pytest.raises(ConfigurationError):
        in_force.unpack(text)


def published(name: str, *templates: str) -> Revision:
    return Revision(name, 0, 0, in_force.pack(one_course(*templates).encode()))


def on_the_topic(monkeypatch: pytest.MonkeyPatch, *revisions: Revision) -> None:
    """The catalog topic holds these."""

    async def read(*_: object) -> tuple[list[Revision], int]:
        return list(revisions), len(revisions)

    monkeypatch.setattr(in_force, "_read", read)


def named(id: str) -> set[str]:
    """The names under which metrics know a template."""
    samples = [sample for family in metrics.TEMPLATE_INFO.collect() for sample in family.samples]
    return {sample.labels["name"] for sample in samples if sample.labels["template"] == id}


async def test_metrics_name_the_templates_of_the_catalog_in_force_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalogs = CatalogInForce(Settings(), "catalogs")
    on_the_topic(monkeypatch, published("first", "Kafka 101"))
    await catalogs.load_from(cast(AIOKafkaConsumer, None))
    assert named(template("Kafka 101")) == {"Kafka 101"}

    on_the_topic(monkeypatch, published("second", "Kafka 102"))
    await catalogs.load_from(cast(AIOKafkaConsumer, None))

    assert named(template("Kafka 101")) == set()
    assert named(template("Kafka 102")) == {"Kafka 102"}


async def test_a_command_that_needs_a_catalog_says_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalogs = CatalogInForce(Settings(), "catalogs")
    on_the_topic(monkeypatch)

    with pytest.raises(ConfigurationError, match="the topic catalogs holds none"):
        await catalogs.load_from(cast(AIOKafkaConsumer, None))

    assert not catalogs.loaded.is_set()
    assert catalogs.describe() == {"revision": None, "last_refusal": None}
