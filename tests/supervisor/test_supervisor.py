"""Workers that end are started again; all end together; what no restart helps ends the site."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from streams.errors import ConfigurationError
from streams.supervisor.supervisor import Patience
from tests.supervisor.fakes import SWIFT, Fake, RunSite, exists, until


async def test_a_worker_that_dies_is_started_again_and_the_other_goes_on(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay) as running:
        await until(lambda: tracker.serves and relay.serves)
        os.kill(tracker.pids[0], signal.SIGKILL)
        await until(lambda: len(tracker.pids) == 2 and tracker.serves)

        health = await (await running.get("/health")).json()

    assert {name: said["restarts"] for name, said in health["workers"].items()} == {"tracker": 1, "relay": 0}
    assert len(relay.pids) == 1


async def test_each_end_is_said_in_one_line_with_its_code(
    run_site: RunSite, tracker: Fake, relay: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    tracker.does("exit 7")

    async with run_site(tracker, relay):
        await until(lambda: len(tracker.pids) == 3)

    said = [message for message in caplog.messages if "exit code 7" in message]
    assert said[:2] == [
        "The tracker ended, exit code 7; it is started again in 0.01 s",
        "The tracker ended, exit code 7; it is started again in 0.02 s",
    ]


def test_pauses_double_up_to_the_longest_and_begin_again_after_a_steady_run() -> None:
    patience = Patience()
    pauses = [0.0]
    for _ in range(7):
        pauses.append(patience.pause(ran=5, before=pauses[-1]))

    assert pauses[1:] == [1, 2, 4, 8, 16, 30, 30]
    assert patience.pause(ran=60, before=30) == 1


async def test_a_wrong_configuration_ends_the_site_and_every_worker(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay) as running:
        await until(lambda: tracker.serves and relay.serves)
        relay.does("exit 2")
        os.kill(relay.pids[0], signal.SIGKILL)

        with pytest.raises(ConfigurationError, match="the relay cannot run with this configuration"):
            await asyncio.wait_for(running.running, 20)

    assert ("tracker", "finished its unit") in running.lines
    assert all(not exists(pid) for pid in (*tracker.pids, *relay.pids))


async def test_a_signal_ends_every_worker_after_its_work(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay) as running:
        await until(lambda: tracker.serves and relay.serves)
        await running.end()

    assert {("tracker", "finished its unit"), ("relay", "finished its unit")} <= set(running.lines)
    assert [exists(fake.pids[0]) for fake in (tracker, relay)] == [False, False]


async def test_a_worker_that_does_not_end_in_time_is_killed(run_site: RunSite, tracker: Fake) -> None:
    tracker.does("deaf")

    async with run_site(tracker, patience=Patience(end=0.05)) as running:
        await until(lambda: tracker.serves)
        await running.end()

    assert not exists(tracker.pids[0])


@pytest.mark.parametrize("trouble", ["stalled", "stopped"])
async def test_a_worker_that_is_no_longer_live_is_ended_and_started_again(
    run_site: RunSite, tracker: Fake, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr("streams.supervisor.pages.ANSWER_SECONDS", 0.5)
    async with run_site(tracker, patience=replace(SWIFT, end=0.2)):
        await until(lambda: tracker.serves)
        if trouble == "stalled":
            tracker.does("stalled")
        else:
            os.kill(tracker.pids[0], signal.SIGSTOP)
        await until(lambda: len(tracker.pids) > 1)

    assert not exists(tracker.pids[0])


async def test_a_zombie_of_somebody_else_is_collected(run_site: RunSite, tracker: Fake) -> None:
    async with run_site(tracker):
        await until(lambda: tracker.serves)
        orphan = os.posix_spawn("/bin/true", ["true"], {})

        await until(lambda: not exists(orphan))
