"""The LMS's keys: kept, read again when they may have changed, and never more often than that."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streams.api.keys import (
    FRESH_SECONDS,
    MOST_BYTES,
    UNKNOWN_SECONDS,
    Keys,
    KeysMissingError,
    from_file,
    from_url,
    parsed,
)
from streams.api.tokens import KEPT_SECONDS, RefusedError, Tokens
from streams.clock import Clock
from streams.errors import ConfigurationError
from tests.api.world import AUDIENCE, ISSUER, jwks, key, token


class Lms:
    """Shows its keys, as often as it is asked; `away` it does not answer."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked = 0
        self.away = False
        self.now = 1_000.0

    @property
    def keys(self) -> Keys:
        return Keys(self.fetch, Clock(monotonic=lambda: self.now))

    async def fetch(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise TimeoutError
        return jwks(*self.names)


async def test_they_are_read_once_and_kept() -> None:
    lms = Lms("one")
    keys = lms.keys

    for _ in range(5):
        assert len(await keys.find("one")) == 1

    assert lms.asked == 1


async def test_many_who_come_at_once_have_them_read_once() -> None:
    lms = Lms("one")
    keys = lms.keys

    await asyncio.gather(*(keys.find("one") for _ in range(20)))

    assert lms.asked == 1


async def test_a_new_key_is_found_at_once_and_strangers_do_not_have_them_read_again_and_again() -> None:
    lms = Lms("one")
    keys = lms.keys
    await keys.find("one")
    lms.names = ("one", "two")

    lms.now += UNKNOWN_SECONDS
    assert len(await keys.find("two")) == 1
    for n in range(50):
        assert await keys.find(f"stranger {n}") == []

    assert lms.asked == 2


async def test_a_key_that_is_gone_is_believed_no_more_after_a_while() -> None:
    lms = Lms("one")
    keys = lms.keys
    await keys.find("one")
    lms.names = ("two",)

    lms.now += FRESH_SECONDS + 1
    await keys.find("one")  # has them read, and does not wait for it
    await asyncio.sleep(0.01)

    assert await keys.find("one") == []


async def test_while_the_lms_is_away_its_keys_are_believed_on() -> None:
    lms = Lms("one")
    keys = lms.keys
    await keys.find("one")
    lms.away = True

    lms.now += FRESH_SECONDS + 1
    await keys.find("one")
    await asyncio.sleep(0.01)

    assert len(await keys.find("one")) == 1


async def test_without_any_key_nobody_is_recognized_until_there_is_one() -> None:
    lms = Lms("one")
    lms.away = True
    keys = lms.keys

    for _ in range(5):
        with pytest.raises(KeysMissingError):
            await keys.find("one")
    assert lms.asked == 1
    lms.away, lms.now = False, lms.now + UNKNOWN_SECONDS
    assert len(await keys.find("one")) == 1


async def test_a_token_that_names_no_key_is_tried_by_each() -> None:
    assert len(await Lms("one", "two").keys.find(None)) == 2


async def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(jwks("one"))
    now = 0.0
    keys = Keys(from_file(file), Clock(monotonic=lambda: now))
    assert await keys.find("two") == []

    file.write_bytes(jwks("one", "two"))
    now = UNKNOWN_SECONDS

    assert len(await keys.find("two")) == 1


def _public(value: Any) -> bytes:
    made: bytes = value.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


def test_a_pem_file_is_a_key() -> None:
    [(name, found)] = parsed(_public(key("one")))

    assert name is None
    assert found.public_numbers() == key("one").public_key().public_numbers()


def test_of_a_set_only_what_the_lms_signs_with_counts() -> None:
    secret = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}
    curve = json.loads(
        jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
    )
    keys = [secret, curve, *json.loads(jwks("one"))["keys"]]

    assert [name for name, _ in parsed(json.dumps({"keys": keys}).encode())] == ["one"]


REFUSED: dict[str, Callable[[], bytes]] = {
    "a private JWK": lambda: json.dumps(
        {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key("one")))]}
    ).encode(),
    "a private PEM": lambda: key("one").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "a short key": lambda: _public(rsa.generate_private_key(65_537, 1_024)),
    "a symmetric key alone": lambda: b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
    "another kind of key": lambda: _public(ec.generate_private_key(ec.SECP256R1())),
    "nothing": lambda: b"",
    "a page": lambda: b"<html>502 Bad Gateway</html>",
    "no set": lambda: b"{}",
    "a set of texts": lambda: b'{"keys": ["x"]}',
    "half a key": lambda: b'{"keys": [{"kty": "RSA", "n": "AQAB"}]}',
    "too much": lambda: b" " * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_public_key_of_an_lms_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        parsed(REFUSED[name]())


async def test_an_address_is_asked_and_what_it_answers_is_bounded() -> None:
    async def answer(request: web.Request) -> web.Response:
        match request.match_info["what"]:
            case "keys":
                return web.Response(body=jwks("one"))
            case "much":
                return web.Response(body=b"x" * (3 * MOST_BYTES))
            case "elsewhere":
                raise web.HTTPFound("/keys")
        return web.Response(status=500)

    application = web.Application()
    application.router.add_get("/{what}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        assert await from_url(f"{address}/keys")() == jwks("one")
        assert len(await from_url(f"{address}/much")()) <= 2 * MOST_BYTES
        for wrong in ("elsewhere", "broken"):
            with pytest.raises(ConfigurationError):
                await from_url(f"{address}/{wrong}")()
    finally:
        await runner.cleanup()


async def test_a_token_is_looked_at_again_after_a_while_and_never_believed_beyond_its_end() -> None:
    lms, clock = Lms("ours"), Clock()
    shift = 0.0

    def wall() -> Any:
        return clock.wall() + timedelta(seconds=shift)

    tokens = Tokens(lms.keys, (ISSUER,), AUDIENCE, Clock(wall=wall))
    shown = token(user_id=42)
    ending = token(user_id=42, exp=int(clock.wall().timestamp()) + 2)
    assert (await tokens.caller(shown)).user_id == 42
    assert (await tokens.caller(ending)).user_id == 42
    lms.names = ("others",)
    tokens._keys = lms.keys

    assert (await tokens.caller(shown)).user_id == 42
    shift = 3.0
    with pytest.raises(RefusedError):
        await tokens.caller(ending)
    shift = KEPT_SECONDS + 1
    with pytest.raises(RefusedError):
        await tokens.caller(shown)
