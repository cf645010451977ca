"""The reconciler against Credly's simulator through much trouble of every kind, in virtual time."""

import asyncio
import random
from collections import Counter

import pytest

from streams.relay.issuance import Word, done
from streams.sandbox.credly import Fault, Manners
from tests.relay.world import ORGANIZATION, STORM, TEMPLATE, Term, World, in_order, in_world

BAD = Manners(list_lag=0.9, rate=40.0, burst=4)
"""Lists lag a little less than a look-up waits, and more calls are made than Credly takes."""


EVERY_KIND = {
    "an answer of 503": Fault("error", share=0.3, status=503),
    "an answer of 500 in HTML": Fault("error", share=0.3, status=500, body="html"),
    "429 with Retry-After": Fault("error", share=0.2, status=429, retry_after="1"),
    "429 without": Fault("error", share=0.2, status=429, body="empty"),
    "401": Fault("error", share=0.05, status=401),
    "200 of a page in between": Fault("error", share=0.2, status=200, body="html"),
    "an error after the work": Fault("lost", share=0.3, status=502, body="binary"),
    "a reset before the work": Fault("reset_before", share=0.3),
    "a reset after it": Fault("reset_after", share=0.3),
    "a slow answer": Fault("slow", share=0.1, seconds=60),
    "slow work": Fault("slow_before", share=0.1, seconds=29.9),
}


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("seed", range(4))
@in_world()
async def test_through_every_kind_of_trouble_credly_ends_with_the_last_word(
    here: World, seed: int, archived: bool, duplicates: bool
) -> None:
    await endure(here, STORM, seed, archived=archived, duplicates=duplicates)


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("kind", EVERY_KIND)
@in_world()
async def test_through_one_kind_of_trouble_credly_ends_with_the_last_word(
    here: World, kind: str, duplicates: bool
) -> None:
    await endure(here, [EVERY_KIND[kind]], seed=1, duplicates=duplicates, words=200)


async def endure(
    here: World, faults: list[Fault], seed: int, *, archived: bool = False, duplicates: bool, words: int = 800
) -> None:
    """Many words, trouble and crashes: Credly ends with the last words' badges, none twice, in order."""
    draw = random.Random(seed)
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=duplicates)
    here.credly.schedule(faults)
    here.credly.manners = BAD
    said: list[Word] = []
    term = Term()
    for number in range(words):
        if archived and number % 200 == 100:
            here.credly.add_template(ORGANIZATION, TEMPLATE, "archived", duplicates)
        elif archived and number % 200 == 160:
            here.credly.add_template(ORGANIZATION, TEMPLATE, "active", duplicates)
        said.append(term.turn(draw.randrange(200)))
        here.say(said[-1])
        if draw.random() < 0.05:
            here.say(draw.choice(said))
        await asyncio.sleep(draw.random() * 0.1)
        if draw.random() < 0.02:
            here.restart()
    await here.settled(within=100_000, every=1.0)
    assert any(entry.status == 429 and not entry.fault for entry in here.credly.journal)
    met = {entry.fault for entry in here.credly.journal}
    assert met >= {fault.kind for fault in faults if fault.kind != "slow_before"}
    assert sorted(map(int, (b.earner for b in here.credly.held()))) == sorted(term.held)
    assert all(done(here.issuance(word.learner)) for word in said)
    # In order within a badge: an issue, its revocation, the next issue.
    for learner in range(200):
        own = [e for e in here.credly.journal if e.done and e.earner == str(learner)]
        assert in_order([e.call for e in own])
        issues = Counter(e.issued_at for e in own if e.call == "issue")
        assert max(issues.values(), default=0) <= 1
    assert not here.store.letters
