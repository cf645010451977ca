"""How a worker shows who it is and whom it trusts: certificates, authorities and tokens out of files."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from streams.bus.registry import Registry
from streams.errors import ConfigurationError
from streams.kafka.client import connection
from streams.settings import Settings
from tests.certificates import certificate


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[tuple[list[object], int]]:
    """A server that notes the certificate that each client has shown."""
    shown: list[object] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert"))
        writer.write(b".")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield shown, server.sockets[0].getsockname()[1]


def server_context(pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


async def test_a_worker_shows_its_certificate_to_brokers_that_ask_for_one(pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    asking = server_context(pair)
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_verify_locations(certificate)
    settings = Settings(
        kafka_security_protocol="SSL",
        kafka_ca_file=certificate,
        kafka_cert_file=certificate,
        kafka_key_file=key,
    )

    async with listening(asking) as (shown, port):
        trust = connection(settings)["ssl_context"]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname="localhost"
        )
        assert await reader.read() == b"."
        writer.close()

    assert shown != [None]


@pytest.mark.parametrize("wrong", ["missing", "no key", "encrypted"])
def test_a_certificate_that_cannot_be_used_is_one_clear_line(
    pair: tuple[Path, Path], tmp_path: Path, wrong: str
) -> None:
    certificate, key = pair
    locked = tmp_path / "locked.pem"
    lock = ["openssl", "rsa", "-aes256", "-passout", "pass:hush", "-in", str(key), "-out", str(locked)]
    subprocess.run(lock, check=True, capture_output=True)
    keys = {"missing": tmp_path / "none.pem", "no key": None, "encrypted": locked}
    settings = Settings(
        kafka_security_protocol="SSL", kafka_cert_file=certificate, kafka_key_file=keys[wrong]
    )

    with pytest.raises(ConfigurationError, match=r"^BADGES_KAFKA_CERT_FILE, BADGES_KAFKA_KEY_FILE: [^\n]+$"):
        connection(settings)


def test_a_key_without_its_certificate_is_refused(pair: tuple[Path, Path]) -> None:
    settings = Settings(kafka_security_protocol="SSL", kafka_key_file=pair[1])

    with pytest.raises(ConfigurationError, match=r"^BADGES_KAFKA_KEY_FILE: needs BADGES_KAFKA_CERT_FILE$"):
        connection(settings)


async def test_a_bearer_token_is_read_for_each_connection(tmp_path: Path) -> None:
    token = tmp_path / "token"
    settings = Settings(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="OAUTHBEARER",
        kafka_password_file=token,
    )
    provider = connection(settings)["sasl_oauth_token_provider"]

    for text in ("first", "second"):
        token.write_text(f"{text}\n")
        assert await provider.token() == text


async def test_a_registry_is_trusted_by_the_authorities_of_the_settings(pair: tuple[Path, Path]) -> None:
    async def schema(_: web.Request) -> web.Response:
        return web.json_response({"schema": "a schema"})

    application = web.Application()
    application.add_routes([web.get("/schemas/ids/7", schema)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(pair))
    await site.start()
    port = runner.addresses[0][1]
    registry = Registry(Settings(registry=f"https://localhost:{port}", registry_ca_file=pair[0]))
    await registry.start()
    try:
        async with asyncio.timeout(5):
            assert await registry.schema_by_id(7) == "a schema"
    finally:
        await registry.stop()
        await runner.cleanup()


async def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^BADGES_REGISTRY_CA_FILE: cannot be read"):
        await Registry(Settings(registry_ca_file=tmp_path / "none.pem")).start()
