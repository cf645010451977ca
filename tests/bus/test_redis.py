"""The client of the Redis that is the bus, on a real one."""

from pathlib import Path

import pytest
from redis import exceptions

from streams.bus.redis import TROUBLES, client, trouble
from streams.errors import ConfigurationError
from streams.sandbox.redis import Redis
from streams.settings import Settings
from tests.certificates import certificate


async def ping(settings: Settings) -> str:
    """What is said of Redis; `good` where it answers."""
    redis = client(settings)
    try:
        await redis.execute_command("PING")
    except TROUBLES as error:
        return trouble(error)
    finally:
        await redis.aclose()
    return "good"


def settings(redis: Redis, password: Path | None = None, username: str = "") -> Settings:
    return Settings(redis=redis.url, redis_password_file=password, redis_username=username)


async def test_a_redis_is_reached_by_its_url(redis_server: Redis) -> None:
    assert await ping(settings(redis_server)) == "good"


async def test_a_redis_that_is_away_is_said_to_be(redis_server: Redis) -> None:
    redis_server.stop()

    assert "Connect call failed" in await ping(settings(redis_server))


async def test_a_password_is_read_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with Redis(options={"requirepass": "hush"}) as redis:
        assert "refuses the user name or password" in await ping(settings(redis))
        assert "refuses the user name or password" in await ping(settings(redis, file))

        file.write_text("hush\n")

        assert await ping(settings(redis, file)) == "good"
        assert await ping(settings(redis, file, "default")) == "good"


async def test_a_redis_behind_tls_is_trusted_by_its_authorities_alone(tmp_path: Path) -> None:
    ours, key = certificate(tmp_path, "redis")
    others, _ = certificate(tmp_path, "others")
    with Redis() as plain:
        port = plain.port
    files = {"tls-cert-file": str(ours), "tls-key-file": str(key), "tls-ca-cert-file": str(ours)}
    options = {"tls-port": str(port), "tls-auth-clients": "no", **files}
    with Redis(options=options):
        url = f"rediss://127.0.0.1:{port}"

        assert await ping(Settings(redis=url, redis_ca_file=ours)) == "good"
        assert "certificate verify failed" in await ping(Settings(redis=url, redis_ca_file=others))
        assert "certificate verify failed" in await ping(Settings(redis=url))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.BusyLoadingError("LOADING"), "it is loading its data"),
        (exceptions.ReadOnlyError("READONLY"), "it is a replica that may not be written to"),
        (exceptions.OutOfMemoryError("OOM"), "its memory is full"),
        (exceptions.TimeoutError("Timeout reading from redis:6379"), "no answer"),
        (exceptions.NoPermissionError("NOPERM"), "it refuses the user name or password: NOPERM"),
        (exceptions.MasterDownError("MASTERDOWN\nlink"), "MASTERDOWN link"),
        (OSError(), "OSError"),
    ],
)
def test_a_trouble_is_said_in_words(error: Exception, said: str) -> None:
    assert isinstance(error, TROUBLES)
    assert trouble(error) == said


def test_a_password_file_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="password"):
        client(Settings(redis_password_file=tmp_path / "password"))


def test_authorities_that_cannot_be_read_are_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BADGES_REDIS_CA_FILE"):
        client(Settings(redis="rediss://localhost", redis_ca_file=tmp_path / "ca.pem"))
