"""Relays as they are run, on a real bus, against a simulator behind HTTP."""

import asyncio
from pathlib import Path

from streams.sandbox.bus import Bus
from streams.sandbox.credly import Credly, Server
from tests.relay.badge_bus import Word, catalog, know, relays, speaker, until

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"


async def test_a_decision_on_the_bus_becomes_a_badge_at_credly(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    credly = Credly()
    async with Server(credly) as server:
        organizations = {ORGANIZATION: [TEMPLATE]}
        know(credly, organizations)
        path = tmp_path / "catalog.yaml"
        path.write_text(catalog(server.url, organizations))
        commands = relays(sandbox, app_prefix, path)
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        relay = commands.start("relay", log=tmp_path / "relay.log")
        try:
            async with speaker(commands.parsed) as bus:
                await bus.say([Word("awarded", TEMPLATE, 7, 1)])
                await until(lambda: len(credly.held()) == 1, 30)
        finally:
            code = await asyncio.to_thread(relay.stop)
    assert credly.held()[0].earner == "7"
    assert code == 0
