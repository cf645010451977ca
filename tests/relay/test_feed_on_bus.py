"""What happens at Credly by others' hands, on a real bus."""

import asyncio
from pathlib import Path

import aiohttp

from streams.relay.issuance import done
from streams.sandbox.bus import Bus
from tests.relay.badge_bus import Word, all_done, issuances, speaker, until_table
from tests.relay.test_relay_on_bus import ORGANIZATION, TEMPLATE, place


async def hint(address: str, organization: str) -> int:
    """What a webhook of Credly is answered."""
    body = b'{"id": "1", "event_type": "badge.state.changed"}'
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/hints/{organization}", data=body) as answer,
    ):
        return answer.status


async def test_what_people_do_at_credly_is_in_the_table_soon(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given badges of several partitions, whose learners are known to Credly
    words = [Word("awarded", TEMPLATE, n, 1) for n in range(8)]
    did = {0: "accepted", 1: "rejected", 2: "revoked", 3: "deleted"}
    async with place(sandbox, app_prefix, tmp_path, BADGES_ISSUER_FEED_SECONDS="1") as here:
        settings = here.commands.parsed
        async with speaker(settings) as bus, here.relay("1") as first:
            await bus.say(words)
            table = await all_done(settings, len(words), within=40)
            # when
            held = {n: table[str(words[n].badge)].held or "" for n in did}
            for n in (0, 1):
                here.credly.set_state(held[n], did[n])
            await until_table(settings, words[1], lambda known: known.state == "rejected", within=20)
            await asyncio.to_thread(first.stop)
            for n in (2, 3):
                here.credly.set_state(held[n], "" if did[n] == "deleted" else did[n])
            # then
            async with here.relay("2", BADGES_ISSUER_FEED_SECONDS="3600"):
                for n in (2, 3):
                    await until_table(settings, words[n], lambda known: known.state == did[n], within=40)  # noqa: B023
                # and when Credly says that something has happened
                here.credly.set_state(table[str(words[4].badge)].held or "", "accepted")
                assert await hint(here.address("2"), ORGANIZATION) == 200
                await until_table(settings, words[4], lambda known: known.state == "accepted", within=20)
                assert await hint(here.address("2"), "another") == 404
                told = await here.page("metrics", "2")
                table = await issuances(settings)
        # then
        states = {n: table[str(word.badge)].state for n, word in enumerate(words)}
        assert states == {n: (did | {4: "accepted"}).get(n, "pending") for n in range(len(words))}
        assert all(map(done, table.values()))
        calls = [entry for entry in here.credly.journal if entry.call not in ("feed", "tokens", "template")]
        assert [entry.call for entry in calls] == ["issue"] * len(words)
        where = f'issuer="credly",organization="{ORGANIZATION}"'
        assert f"badges_issuer_feed_as_of_timestamp_seconds{{{where}}}" in told
        assert f"badges_issuer_feed_gaps_total{{{where}}} 0.0" in told
