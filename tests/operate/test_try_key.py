"""Whether a key signs is known before the first badge."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from streams.errors import ConfigurationError, FatalError
from streams.operate.try_key import tried
from streams.relay.keys import KeyRef
from streams.relay.organizations import Organizations
from tests.issuers.open_badges.a_badge import key, pem, public_pem
from tests.relay.simulated import CREDLY, OPEN_BADGES, ORGANIZATION, Nobody, Simulated
from tests.relay.virtual import virtual_clock
from tests.relay.world import ANYWHERE, QUICK, Wire, both_with

ROOT = Path(__file__).parents[2]
NAME = key().name


async def asked(text: str, simulated: Simulated = OPEN_BADGES, *signing: str) -> str:
    """What is said of an organization with this key."""
    allowed = replace(ANYWHERE, environ={"KEY": text}, signing=signing)
    organizations = Organizations(QUICK, Wire(Nobody()), virtual_clock(), allowed)
    organizations.take(both_with(KeyRef(env="KEY"), simulated), {})
    try:
        return await tried(next(iter(organizations)))
    finally:
        await organizations.close()


async def test_a_key_in_a_file_is_named() -> None:
    assert await asked(pem()) == f"organization {ORGANIZATION}: its key signs, and is {NAME}"


@pytest.mark.parametrize("manner", ["good", "lies"])
async def test_a_command_is_tried(manner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = (sys.executable, "-m", "tests.relay.signing_command", manner, str(tmp_path / "starts"), "1")

    if manner == "good":
        assert NAME in await asked(public_pem(), OPEN_BADGES, *command)
    else:
        with pytest.raises(FatalError, match=f"no signature by the key; the key is {NAME}"):
            await asked(public_pem(), OPEN_BADGES, *command)


async def test_where_no_command_signs_the_keys_name_is_told_too() -> None:
    with pytest.raises(FatalError, match=f"BADGES_SIGNING_COMMAND names no command; the key is {NAME}"):
        await asked(public_pem())


async def test_what_is_no_key_and_what_signs_nothing_is_said() -> None:
    with pytest.raises(FatalError, match="its key is no key in PEM"):
        await asked("key")
    with pytest.raises(ConfigurationError, match="its key signs no badges"):
        await asked("key", CREDLY)
