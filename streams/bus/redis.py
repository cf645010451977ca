"""The Redis that is the bus of many sites: a client out of settings, and its troubles in words."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as NoAnswerError

from streams.settings import Settings, read_secret, tls

TROUBLES = (RedisError, OSError, TimeoutError)
"""What a client raises where Redis does not do what it is asked; asking again may help."""
CONNECT_SECONDS = 5.0
BLOCK_SECONDS = 5.0
"""How long a command may have Redis wait for something new, at the most."""
ANSWER_SECONDS = BLOCK_SECONDS + 5.0
"""Otherwise Redis answers in milliseconds, or in a second where its host is busy."""


class _Credentials(CredentialProvider):
    """User name and password, read for each connection: somebody may change the file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """For `AUTH`."""
        file = self._settings.redis_password_file
        password = "" if file is None else read_secret(file, "BADGES_REDIS_PASSWORD_FILE")
        user = self._settings.redis_username
        return (user, password) if user else (password,)


def client(settings: Settings) -> Redis:
    """A client that has not connected yet. Its troubles are `TROUBLES`, raised at once: it tries once.

    Answers are bytes, in the shapes of RESP 2. Raises `ConfigurationError` where a file cannot be read.
    """
    options: dict[str, Any] = {}
    if settings.redis.startswith("rediss:"):
        tls(settings.redis_ca_file, "BADGES_REDIS_CA_FILE")
        options["ssl_ca_certs"] = settings.redis_ca_file and str(settings.redis_ca_file)
    if settings.redis_username or settings.redis_password_file:
        credentials = _Credentials(settings)
        credentials.get_credentials()
        options["credential_provider"] = credentials
    connected: Redis = Redis.from_url(
        settings.redis,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        **options,
    )
    # As they are: redis-py makes a dictionary of an entry, in which a doubled field is lost.
    for command in ("XRANGE", "XREAD"):
        connected.set_response_callback(command, _as_it_is)
    return connected


def _as_it_is(response: Any, **kwargs: Any) -> Any:
    return response


async def eviction(redis: Redis) -> str:
    """By which policy any key may be evicted once Redis' memory is full.

    Empty where none may be, or Redis does not tell us.
    """
    try:
        memory = await redis.info("memory")
    except ResponseError:
        return ""
    policy = str(memory.get("maxmemory_policy", ""))
    return policy if memory.get("maxmemory") and policy.startswith("allkeys") else ""


def trouble(error: BaseException) -> str:
    """What an operator is told of an error that is one of `TROUBLES`."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    match error:
        case AuthenticationError() | NoPermissionError():
            return f"it refuses the user name or password: {said}"
        case BusyLoadingError():
            return "it is loading its data"
        case ReadOnlyError():
            return "it is a replica that may not be written to"
        case OutOfMemoryError():
            return "its memory is full"
        case NoAnswerError() | TimeoutError():
            return "no answer"
        case _:
            return said
