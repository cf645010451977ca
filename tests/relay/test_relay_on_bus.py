"""Relays as they are run, on a real bus, against a simulator behind HTTP."""

import asyncio
import random
import re
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from streams.issuers.credly.requests import authorization, issue, timestamp
from streams.issuers.issuer import Award, Cause, Wanted
from streams.issuers.outcomes import Recipient
from streams.kafka.client import partitions_of, reader
from streams.kafka.dead_letters import DETAIL, REASON
from streams.kafka.topics import topics
from streams.relay.issuance import done
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.credly import CredlySimulator, Fault, Manners, Server
from streams.sandbox.groups import committed
from streams.sandbox.process import Process
from tests import pages
from tests.relay.badge_bus import (
    KEY,
    Word,
    all_done,
    catalog,
    dead_letters,
    issuances,
    know,
    relays,
    speaker,
    until,
)

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
OTHER_ORGANIZATION = "7f0b9c0d-1111-4f0e-8d0a-0f2a7d0c1b22"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
DUPLICATES = "3c1d5a0f-7e0d-4b0e-a8f8-0d1a6f6f7a21"
UNKNOWN = "4d2e6b10-8f1e-4c1f-b9a9-1e2b707080b2"
OTHER_TEMPLATE = "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11"
ORGANIZATIONS = {ORGANIZATION: [TEMPLATE], OTHER_ORGANIZATION: [OTHER_TEMPLATE]}
WITH_DUPLICATES = {ORGANIZATION: [TEMPLATE, DUPLICATES], OTHER_ORGANIZATION: [OTHER_TEMPLATE]}
RATE = 120
FAST = {"BADGES_ISSUER_RATE": "100000", "BADGES_ISSUER_IN_FLIGHT": "32", "BADGES_ISSUER_LAG_SECONDS": "1"}

# One kind after the other, for so many calls; then all of them mixed.
KINDS = [
    Fault("error", status=503, body="echo", last=5),
    Fault("error", status=500, body="html", last=5),
    Fault("error", status=429, retry_after="1", last=3),
    Fault("error", status=429, body="echo", last=3),
    Fault("error", status=401, body="echo", last=1),
    Fault("error", status=200, body="html", last=5),
    Fault("lost", status=502, body="binary", last=5),
    Fault("lost", status=201, body="empty", last=5),
    Fault("reset_before", last=5),
    Fault("reset_after", last=5),
    Fault("slow", seconds=2, last=5),
    Fault("slow_before", seconds=2, last=5),
]
STORM = [
    Fault("error", share=0.03, status=503),
    Fault("error", share=0.02, status=500, body="html"),
    Fault("error", share=0.01, status=429, retry_after="1"),
    Fault("error", share=0.005, status=429, body="empty"),
    Fault("error", share=0.001, status=401),
    Fault("lost", share=0.02, status=502, body="binary"),
    Fault("reset_before", share=0.02),
    Fault("reset_after", share=0.02),
    Fault("slow", share=0.01, seconds=2),
    Fault("slow_before", share=0.01, seconds=2),
]


@dataclass
class Place:
    """A bus with a simulator beside it."""

    credly: CredlySimulator
    commands: Commands
    logs: Path

    @asynccontextmanager
    async def relay(self, name: str = "relay", **more: str) -> AsyncIterator[Process]:
        shown = pages.shown_to_us(self.logs)
        process = self.commands.start("relay", log=self.logs / f"{name}.log", **shown, **more)
        try:
            yield process
        finally:
            await asyncio.to_thread(process.stop)

    async def caught_up(self, within: float) -> None:
        """Wait until the relays have committed everything that is on the badge topic."""
        settings = self.commands.parsed
        async with reader(settings) as consumer:
            ends = await consumer.end_offsets(await partitions_of(consumer, topics(settings).badges.name))
        written = {place: end for place, end in ends.items() if end}
        await committed(settings, settings.relay_id, written, within=within)

    async def measured(self, metric: str, organization: str, value: float, within: float) -> None:
        """Wait until the relay's page says so."""
        line = re.compile(rf'^{metric}{{issuer="credly",organization="{organization}"}} (\S+)$', re.M)
        async with asyncio.timeout(within):
            found: list[str] = []
            while [float(text) for text in found] != [value]:
                await asyncio.sleep(0.1)
                found = line.findall(await self.page("metrics"))

    def address(self, name: str = "relay") -> str:
        """Where a relay's pages are."""
        found = re.search(r"http://127\.0\.0\.1:\d+", (self.logs / f"{name}.log").read_text())
        assert found is not None
        return found[0]

    async def page(self, what: str, name: str = "relay") -> str:
        """One of a relay's pages."""
        shown = {"Authorization": f"Bearer {pages.TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=shown) as session,
            session.get(f"{self.address(name)}/{what}") as response,
        ):
            return await response.text()

    async def lagging(self, records: int, within: float) -> None:
        """Wait until the relay's page says that it lags by so many records."""
        async with asyncio.timeout(within):
            while sum((await self.lag()).values()) != records:
                await asyncio.sleep(0.1)

    async def lag(self) -> dict[str, int]:
        """The relay's lag by partition."""
        lag: dict[str, int] = orjson.loads(await self.page("health"))["lag"]
        return lag

    def held(self) -> set[tuple[str, int]]:
        held = [(badge.template, int(badge.earner)) for badge in self.credly.held()]
        assert len(held) == len(set(held)), "a badge is held twice"
        return set(held)


@asynccontextmanager
async def place(
    bus: Bus,
    name: str,
    path: Path,
    organizations: Mapping[str, Sequence[str]] = ORGANIZATIONS,
    partitions: int = 4,
    **more: str,
) -> AsyncIterator[Place]:
    credly = CredlySimulator()
    know(credly, organizations)
    async with Server(credly) as server:
        file = path / "catalog.yaml"
        file.write_text(catalog(server.url, organizations))
        commands = relays(bus, name, file, partitions, **(FAST | more))
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        yield Place(credly, commands, path)


def story(seed: int, learners: int) -> Iterator[Word]:
    """Awards of three templates, many of them revoked, many of those awarded again."""
    draw = random.Random(seed)
    told: list[Word] = []
    waiting = [
        Word("awarded", template, n, 1)
        for n in range(learners)
        for template in (TEMPLATE, DUPLICATES, OTHER_TEMPLATE)
    ]
    while waiting:
        word = waiting.pop(draw.randrange(min(len(waiting), 200)))
        told.append(word)
        yield word
        if draw.random() < 0.03:
            yield draw.choice(told)
        if word.kind == "awarded" and draw.random() < 0.35:
            waiting.insert(draw.randrange(100), Word("revoked", word.template, word.learner, word.generation))
        elif word.kind == "revoked" and draw.random() < 0.6:
            again = Word("awarded", word.template, word.learner, word.generation + 1)
            waiting.insert(draw.randrange(100), again)


def last_words(words: Sequence[Word]) -> dict[tuple[str, int], Word]:
    last: dict[tuple[str, int], Word] = {}
    for word in words:
        place = (word.template, word.learner)
        if place not in last or (word.generation, word.kind) > (last[place].generation, last[place].kind):
            last[place] = word
    return last


async def trouble(credly: CredlySimulator, parked: Callable[[], bool]) -> None:
    """Archive a template for a while, make each kind of trouble alone; leave with all kinds mixed."""
    credly.add_template(OTHER_ORGANIZATION, OTHER_TEMPLATE, "archived")
    await until(parked, 60)
    credly.add_template(OTHER_ORGANIZATION, OTHER_TEMPLATE)
    for fault in KINDS:
        credly.schedule([fault])
        await until(lambda: credly.happened(0) >= (fault.last or 1), 60)  # noqa: B023
    credly.schedule(STORM)


async def test_credly_follows_the_bus_through_trouble_while_relays_crash(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    words = list(story(seed=5, learners=400))
    last = last_words(words)
    half = len(words) // 2

    def logs() -> str:
        return "".join(log.read_text() for log in tmp_path.glob("?.log"))

    async with place(sandbox, app_prefix, tmp_path, WITH_DUPLICATES) as here:
        settings = here.commands.parsed
        here.credly.add_template(ORGANIZATION, DUPLICATES, allow_duplicate_badges=True)
        # when
        async with speaker(settings) as bus, here.relay("1") as crashing, here.relay("2"):
            await bus.say(words[:100])
            await until(lambda: len(here.credly.badges) > 20, 40)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(bus.say(words[100:half], RATE))
                tasks.create_task(trouble(here.credly, lambda: "is parked" in logs()))
            await bus.say(words[half : half + 300], RATE)
            crashing.kill()
            async with here.relay("3"):
                await bus.say(words[half + 300 :], RATE)
                mixed = sum(here.credly.happened(place) > 0 for place in range(len(STORM)))
                here.credly.schedule([])
                table = await all_done(settings, len(last), within=120, said=last.values())
                pages = [await here.page(page, n) for page in ("metrics", "health") for n in "23"]
        # then
        assert len(last) == 1_200
        assert mixed > len(STORM) / 2
        assert here.held() == {place for place, word in last.items() if word.kind == "awarded"}
        assert {badge: issuance.decision for badge, issuance in table.items()} == {
            str(word.badge): str(word.id) for word in last.values()
        }
        assert not any(issuance.refused for issuance in table.values())
        assert_once_and_in_order(here.credly, words)
        assert "is paused" in logs()
        for told in (logs(), *pages):
            assert_nothing_personal(told)


async def test_a_relay_that_was_paused_and_replaced_issues_nothing_twice(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    words = [Word("awarded", TEMPLATE, n, 1) for n in range(600)]
    async with place(sandbox, app_prefix, tmp_path, BADGES_ISSUER_RATE="100") as here:
        here.credly.manners = Manners(latency=0.1)
        async with speaker(here.commands.parsed) as bus, here.relay("1") as paused:
            await bus.say(words)
            await until(lambda: len(here.credly.badges) > 50, 40)
            # when
            paused.send(signal.SIGSTOP)
            async with here.relay("2"):
                await all_done(here.commands.parsed, len(words), within=60)
                paused.send(signal.SIGCONT)
                # then
                assert await asyncio.to_thread(paused.wait, 40) != 0
                await bus.say([Word("revoked", TEMPLATE, 1, 1)])
                await until(lambda: len(here.held()) == len(words) - 1, 20)
        assert_once_and_in_order(here.credly, words)
        refused = [entry for entry in here.credly.journal if entry.call == "issue" and not entry.done]
        # The stop may hit each call in flight between its last check and the socket: it goes out afterwards.
        assert len(refused) <= here.commands.parsed.issuer_in_flight


def assert_nothing_personal(told: str) -> None:
    """Neither keys nor anything of a learner but the number."""
    for secret in (KEY, authorization(KEY).removeprefix("Basic "), "example.org", "Ada"):
        assert secret not in told


def assert_once_and_in_order(credly: CredlySimulator, words: Sequence[Word]) -> None:
    """Each decision has at most one 201, and what happened to each badge happened in the bus's order."""
    times = {timestamp(word.time): word.generation for word in words}
    issues = Counter(
        (entry.template, entry.earner, entry.issued_at)
        for entry in credly.journal
        if entry.call == "issue" and entry.done
    )
    assert {decision: n for decision, n in issues.items() if n > 1} == {}
    steps: defaultdict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for entry in credly.journal:
        if entry.done:
            steps[(entry.template, entry.earner)].append((entry.call, times.get(entry.issued_at, 0)))
    for taken in steps.values():
        calls = [call for call, _ in taken]
        assert calls == ["issue" if place % 2 == 0 else "revoke" for place in range(len(calls))]
        generations = [generation for call, generation in taken if call == "issue"]
        assert generations == sorted(generations)


async def test_an_outage_of_one_organization_holds_neither_the_stream_nor_the_other(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    words = [Word("awarded", template, n, 1) for n in range(400) for template in (TEMPLATE, OTHER_TEMPLATE)]
    async with place(
        sandbox, app_prefix, tmp_path, BADGES_ISSUER_RATE="60", BADGES_ISSUER_IN_FLIGHT="8"
    ) as here:
        here.credly.schedule([Fault("error", ORGANIZATION, status=503)])
        async with speaker(here.commands.parsed) as bus, here.relay():
            await bus.say(words[:2])
            await until(lambda: len(here.held()) == 1, 40)
            assert len(await here.lag()) == 8
            # when
            for part in range(2, len(words), 200):
                await bus.say(words[part : part + 200])
                # then
                await here.caught_up(within=40)
            await here.lagging(0, within=20)
            await until(lambda: len(here.held()) == 400, 40)
            assert {template for template, _ in here.held()} == {OTHER_TEMPLATE}
            tried = [entry for entry in here.credly.journal if entry.organization == ORGANIZATION]
            assert len(tried) < 50
            await here.measured("badges_issuer_pending", ORGANIZATION, 400, within=20)
            await here.measured("badges_issuer_pending", OTHER_ORGANIZATION, 0, within=20)
            await here.measured("badges_issuer_breaker_open", ORGANIZATION, 1, within=20)
            await here.measured(
                "badges_issuer_key_expiry_timestamp_seconds", OTHER_ORGANIZATION, 1893456000, 20
            )
            # when
            here.credly.schedule([])
            # then
            await until(lambda: len(here.held()) == 800, 80)
            await here.measured("badges_issuer_pending", ORGANIZATION, 0, within=20)
            await here.measured("badges_issuer_breaker_open", ORGANIZATION, 0, within=20)
            told = await here.page("metrics")
        # At its rate, but for the noise of the machine.
        times = sorted(e.at for e in here.credly.journal if e.done and e.organization == ORGANIZATION)
        assert (len(times) - 1) / (times[-1] - times[0]) < 66
        for organization in ORGANIZATIONS:
            issued = f'{{call="issue",issuer="credly",organization="{organization}",outcome="issued"}} 400.0'
            assert f"badges_issuer_calls_total{issued}" in told
        assert f'{{call="template",issuer="credly",organization="{ORGANIZATION}",outcome="deferred"}}' in told
        assert (
            f'badges_issuer_oldest_pending_seconds{{issuer="credly",organization="{ORGANIZATION}"}} 0.0'
            in told
        )
        for histogram in ("issuer_call", "issue_latency"):
            assert (
                f'badges_{histogram}_seconds_count{{issuer="credly",organization="{OTHER_ORGANIZATION}"}}'
                in told
            )


async def test_what_cannot_be_issued_is_set_aside_whole_with_its_reason(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    word = Word("awarded", TEMPLATE, 1, 1)
    async with place(sandbox, app_prefix, tmp_path) as here:
        here.credly.schedule([Fault("error", call="issue", status=422, body="echo")])
        async with speaker(here.commands.parsed) as bus, here.relay():
            # when
            await bus.say([word])
            [refused] = await dead_letters(here.commands.parsed, 1, within=40)
            # then
            headers = dict(refused.headers)
            assert (headers["ce_id"].decode(), headers[REASON], headers[DETAIL]) == (
                str(word.id),
                b"refused",
                b"422: user [hidden] with Basic [hidden] is not welcome",
            )
            sent = bus.event(word)
            assert (refused.key, refused.value) == (sent.key, sent.value)
            assert list(refused.headers)[: len(sent.headers)] == sent.headers
            told_by_page = await here.page("metrics")
    said = (tmp_path / "relay.log").read_text()
    assert "is refused" in said
    assert "is not welcome" not in said
    assert_nothing_personal(said)
    assert_nothing_personal(told_by_page)
    assert 'badges_dead_letters_total{agent="relay",reason="refused"} 1.0' in told_by_page


async def test_events_of_other_services_are_none_of_our_business(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    async with place(sandbox, app_prefix, tmp_path) as here:
        ours = here.commands.parsed
        theirs = ours.model_copy(update={"source": "openedx/credentials/web"})
        async with speaker(ours) as bus, speaker(theirs) as other, here.relay():
            # when
            await other.say([Word("awarded", TEMPLATE, 1, 1)])
            await bus.say([Word("awarded", TEMPLATE, 2, 1)])
            await until(lambda: here.held() == {(TEMPLATE, 2)}, 40)
            await here.caught_up(within=20)
            table = await issuances(ours)
        # then
        assert set(table) == {str(Word("awarded", TEMPLATE, 2, 1).badge)}


async def test_a_decision_that_is_sent_again_under_its_original_key_finds_its_issuance(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    async with place(sandbox, app_prefix, tmp_path) as here:
        settings, word = here.commands.parsed, Word("awarded", TEMPLATE, 1, 1)
        refusals = [Fault("error", call="issue", status=422, last=1)]
        here.credly.schedule(refusals)
        async with speaker(settings) as bus, here.relay():
            await bus.say([word])
            [letter] = await dead_letters(settings, 1, within=40)
            # when
            again = [(name, value) for name, value in letter.headers if not name.startswith("dead-letter")]
            await bus.put(
                topics(settings).decisions.name,
                letter.key,
                letter.value,
                [*again, ("origin", f"0:{letter.partition}:{letter.offset}:0:{letter.topic}".encode())],
            )
            # then
            await until(lambda: here.held() == {(TEMPLATE, 1)}, 20)
            table = await all_done(settings, 1, within=20)
        assert not table[str(word.badge)].refused


def issue_before(credly: CredlySimulator, learner: int) -> None:
    """Issue a badge as another relay of the site has."""
    word = Word("awarded", TEMPLATE, learner, 1)
    who = Recipient(f"user{learner}", f"user{learner}@example.org", f"Ada No{learner}")
    wanted = Wanted(TEMPLATE, (f"b:{learner}",), unique=True)
    asked = issue(ORGANIZATION, Award(wanted, who, Cause(word.time), None, notify=False))
    reply = credly.handle("POST", asked.path, {"Authorization": authorization(KEY)}, asked.body or b"")
    assert reply.status == 201


async def test_a_new_relay_touches_no_live_badge_while_it_reads_the_history(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given badges that another relay issued: held by learners, but for one whose revocation was not made
    learners = range(1, 21)
    between = [Word("awarded", UNKNOWN, n, 1) for n in range(4_100)]  # more than a unit takes
    words = [Word("awarded", TEMPLATE, n, 1) for n in learners]
    words += [*between, *(Word("revoked", TEMPLATE, n, 1) for n in learners)]
    words += [*between, *(Word("awarded", TEMPLATE, n, 2) for n in learners[:-1])]
    async with place(
        sandbox, app_prefix, tmp_path, partitions=1, BADGES_EARNER_PREFIX="b:", BADGES_ISSUER_RATE="10000"
    ) as here:
        for n in learners:
            issue_before(here.credly, n)
        before = {badge.id for badge in here.credly.held()}
        async with speaker(here.commands.parsed) as bus:
            await bus.say(words)
        # when
        async with here.relay():
            await until(lambda: len(here.credly.held()) < len(before), 60)
            async with asyncio.timeout(40):
                while True:
                    table = (await issuances(here.commands.parsed)).values()
                    mine = [issuance for issuance in table if issuance.template == TEMPLATE]
                    if len(mine) == len(learners) and all(map(done, mine)):
                        break
                    await asyncio.sleep(0.2)
        # then
        assert {badge.earner for badge in here.credly.badges.values() if not badge.held} == {"b:20"}
        assert len(here.credly.badges) == len(before)
        assert sum(issuance.held in before for issuance in mine) == len(learners) - 1
