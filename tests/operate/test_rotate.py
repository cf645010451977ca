"""A key is replaced before it expires, and the relay goes on without a call lost."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from streams.clock import Patience
from streams.errors import ConfigurationError, FatalError
from streams.operate.rotate import rotated
from streams.relay.keys import KeyRef
from streams.relay.pace import Limits
from streams.sandbox.credly import Token
from streams.sandbox.issuers.faults import Fault
from tests.relay.virtual import EPOCH, virtual_clock
from tests.relay.world import ANYWHERE, ORGANIZATION, TEMPLATE, World, both_with, event, in_world

OWN = "S3cret-Key-of-this-organization-alone"


def keyed(here: World, path: Path, days: float = 10) -> None:
    """The organization's key is in a file, and expires in so many days."""
    path.write_text(OWN + "\n")
    path.chmod(0o640)
    here.catalog(both_with(KeyRef(file=str(path))), here.templates)
    here.credly.add_organization(ORGANIZATION, OWN)
    here.credly.add_token(Token(ORGANIZATION, OWN, expires_at=(EPOCH + timedelta(days=days)).isoformat()))


async def rotate(here: World, within: timedelta | None = None) -> str:
    organization = next(iter(here.organizations))
    return await rotated(organization, virtual_clock(), ANYWHERE, within)


@in_world(Limits(in_flight=8, rate=50.0, key=Patience(4.0, 60.0)))
async def test_badges_are_issued_on_while_the_key_is_replaced(here: World, tmp_path: Path) -> None:
    keyed(here, tmp_path / "key")
    learners = range(200)
    here.say(*(event("awarded", learner) for learner in learners))
    await here.until(lambda: len(here.credly.badges) > 50)
    assert len(here.credly.badges) < len(learners)

    assert await rotate(here) == f"organization {ORGANIZATION}: its key was replaced"

    began = asyncio.get_running_loop().time()
    await here.settled()
    assert asyncio.get_running_loop().time() - began < 10
    assert here.held() == sorted((TEMPLATE, str(learner)) for learner in learners)
    assert not here.store.letters
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o640
    assert OWN not in (tmp_path / "key").read_text()


@pytest.mark.parametrize(("days", "replaced"), [(13, True), (15, False)])
@in_world()
async def test_it_is_replaced_only_if_it_expires_soon(
    here: World, tmp_path: Path, days: int, replaced: bool
) -> None:
    keyed(here, tmp_path / "key", days)

    said = await rotate(here, timedelta(days=14))

    assert ("was replaced" in said) == replaced
    assert ((tmp_path / "key").read_text().strip() != OWN) == replaced


@in_world()
async def test_a_new_key_that_is_lost_is_said_and_the_call_is_not_made_again(
    here: World, tmp_path: Path
) -> None:
    keyed(here, tmp_path / "key")
    here.credly.schedule([Fault("reset_after", call="tokens")])

    with pytest.raises(FatalError, match="the key may have been replaced"):
        await rotate(here)

    assert here.credly.happened(0) == 1
    assert (tmp_path / "key").read_text().strip() == OWN


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429])
@in_world()
async def test_a_key_that_may_not_be_replaced_stays(here: World, tmp_path: Path, status: int) -> None:
    keyed(here, tmp_path / "key")
    here.credly.schedule([Fault("error", call="tokens", status=status)])

    with pytest.raises(FatalError, match=f"its key was not replaced: {status}") as refused:
        await rotate(here)

    assert OWN not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@in_world()
async def test_nothing_is_asked_where_the_new_key_could_not_be_written(here: World, tmp_path: Path) -> None:
    keyed(here, tmp_path / "key")
    here.catalog(both_with(KeyRef(file=str(tmp_path / "gone" / "key"))), here.templates)

    with pytest.raises(ConfigurationError, match="No such file or directory"):
        await rotate(here)
    here.catalog(both_with(KeyRef(env="KEY")), here.templates)
    with pytest.raises(ConfigurationError, match="only a key in a file"):
        await rotate(here)

    assert here.calls("tokens") == []
