"""What is signed by a command: a process that is asked line by line, and begun again where it fails."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.issuers.issuer import Signed
from streams.issuers.open_badges.keys import Key, read_key
from streams.relay import signing
from streams.relay.signing import Signer, SigningError
from tests.issuers.open_badges.a_badge import key, pem, public_pem
from tests.relay.signing_command import alive

ROOT = Path(__file__).parents[2]
DATA = (b"one", b"the other")
Started = Callable[[], list[int]]


@pytest.fixture(autouse=True)
def _modules_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """The ids of the processes that were begun."""
    file = tmp_path / "starts"
    return lambda: [int(line) for line in file.read_text().split()] if file.exists() else []


@asynccontextmanager
async def signer(folder: Path, manner: str = "good", *seeds: int) -> AsyncIterator[Signer]:
    argv = (sys.executable, "-m", "tests.relay.signing_command", manner, str(folder / "starts"))
    signer = Signer((*argv, *map(str, seeds or (1,))))
    try:
        yield signer
    finally:
        await signer.close()


def elsewhere(seed: int = 1) -> Key:
    return read_key(public_pem(seed))


def asking(*data: bytes) -> Signed[list[bytes]]:
    """Steps that want this signed, and come to the signatures."""
    return list((yield data))


def signatures(*data: bytes, seed: int = 1) -> list[bytes]:
    return [key(seed).sign(one) or b"" for one in data]


async def test_a_key_in_a_file_needs_no_command() -> None:
    assert await Signer(()).signed(read_key(pem()), asking(*DATA)) == signatures(*DATA)


async def test_one_process_signs_all_and_ends_with_the_relay(tmp_path: Path, started: Started) -> None:
    async with signer(tmp_path) as here:
        for number in range(5):
            data = (b"%d" % number, b"\n")
            assert await here.signed(elsewhere(), asking(*data)) == signatures(*data)
        together = [here.signed(elsewhere(), asking(b"a%d" % n, b"b")) for n in range(20)]
        assert await asyncio.gather(*together) == [signatures(b"a%d" % n, b"b") for n in range(20)]

    [pid] = started()
    assert not alive(pid)


async def test_a_keys_secret_is_the_same_wherever_the_key_is(tmp_path: Path) -> None:
    async with signer(tmp_path) as here:
        assert await here.secret(elsewhere()) == await Signer(()).secret(read_key(pem()))


async def test_another_key_is_another_process(tmp_path: Path, started: Started) -> None:
    async with signer(tmp_path, "good", 1, 2) as here:
        for seed in (1, 2, 1):
            assert await here.signed(elsewhere(seed), asking(*DATA)) == signatures(*DATA, seed=seed)

        assert len(started()) == 3
        assert [alive(pid) for pid in started()] == [False, False, True]


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("ends", "has ended with 3"),
        ("hangs", "has not answered in 0.5 s"),
        ("lies", "no signature by the key"),
        ("babbles", "no base64"),
    ],
)
async def test_a_command_that_fails_is_ended_and_begun_again(
    tmp_path: Path, started: Started, manner: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = manner in ("ends", "hangs")
    async with signer(tmp_path, manner) as here:
        if later:
            await here.signed(elsewhere(), asking(*DATA))
        with monkeypatch.context() as soon:
            if manner == "hangs":
                soon.setattr(signing, "ANSWER_SECONDS", 0.5)
            with pytest.raises(SigningError, match=why):
                await here.signed(elsewhere(), asking(*DATA))
        if later:
            assert await here.signed(elsewhere(), asking(*DATA)) == signatures(*DATA)
            assert len(started()) == 2

    assert not any(map(alive, started()))


async def test_who_gives_up_leaves_no_answer_to_others(tmp_path: Path) -> None:
    async with signer(tmp_path) as here:
        await here.secret(elsewhere())
        waiting = asyncio.ensure_future(here.signed(elsewhere(), asking(b"given up")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await here.signed(elsewhere(), asking(*DATA)) == signatures(*DATA)


@pytest.mark.parametrize(
    ("argv", "why"),
    [((), "BADGES_SIGNING_COMMAND names no command"), (("/nowhere/sign",), "No such file or directory")],
)
async def test_where_there_is_no_command_it_is_said(argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(SigningError, match=why):
        await Signer(argv).signed(elsewhere(), asking(*DATA))
