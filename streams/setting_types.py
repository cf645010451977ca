"""What a setting's text may be, besides what pydantic's own types say."""

import re
import shlex
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator

TOPIC_PART = r"^[a-zA-Z0-9._-]{1,200}$"
HOST = r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
PAGES = r"(?i)(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]):([0-9]{1,5})"
REDIS_URL = r"rediss?://@?([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[0-9]{0,4})?"
WEB_URL = r"https?://([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\s,?#]*)?"


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


def _empty_is_none(value: object) -> object:
    return value or None


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(map(str.lower, value))
    if not all(map(re.compile(HOST).fullmatch, hosts)):
        raise ValueError("must be host or host:port, more of them separated by commas")
    return hosts


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(re.compile(f"https?://{HOST}").fullmatch, value)):
        raise ValueError("must be https://host, or with :port, more of them separated by commas")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        ip_network(network)
    return value


def _pages(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        found = re.fullmatch(PAGES, one)
        if found is None or not 0 < int(found[1]) < 65_536:
            raise ValueError("must be host:port, more of them separated by commas")
    return value


def _brokers(value: str) -> str:
    from aiokafka.conn import collect_hosts  # dear, and a command that asks no broker goes without

    with suppress(ValueError):
        if all(host and 0 < port < 65_536 for host, port, _ in collect_hosts(value, randomize=False)):
            return value
    raise ValueError("must be host:port, more of them separated by commas")


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if value and not (host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError("must be host:port")
    return value


def _command(value: str) -> str:
    try:
        shlex.split(value)
    except ValueError as error:
        raise ValueError(f"is no command: {error}") from None
    return value


def _source(value: str) -> str:
    if not re.fullmatch(r"[!-~]{1,255}", value):
        raise ValueError("must be 1 to 255 characters of ASCII without blanks: our events are known by it")
    return value


def _instance_id(value: str) -> str:
    if value and not re.fullmatch(TOPIC_PART, value):
        raise ValueError("must be made of letters, digits, dots, dashes and underscores")
    return value


def _url(value: str) -> str:
    _parts(value)
    if value and not re.fullmatch(WEB_URL, value):
        raise ValueError("must be one URL, like http://badges-api")
    return value


def _keys_url(value: str) -> str:
    _parts(value)
    if value and not re.fullmatch(WEB_URL + r"(\?[^\s#]*)?", value):
        raise ValueError("must be one URL, like https://lms.example.org/jwks.json")
    return value


def _registry_url(value: str) -> str:
    if "@" in _parts(value).netloc:
        raise ValueError(
            "must hold no user name or password: that is what BADGES_REGISTRY_USERNAME and "
            "BADGES_REGISTRY_PASSWORD_FILE are for"
        )
    if value and not re.fullmatch(WEB_URL, value):
        raise ValueError("must be one URL, like http://registry:8081")
    return value


def _redis_url(value: str) -> str:
    parts = _parts(value)
    if parts.username or parts.password:
        raise ValueError(
            "must hold no user name or password: that is what BADGES_REDIS_USERNAME and "
            "BADGES_REDIS_PASSWORD_FILE are for"
        )
    if not re.fullmatch(REDIS_URL, value):
        raise ValueError("must be one URL, like redis://redis:6379/0")
    return value


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    parts.port  # noqa: B018 - reading it checks it
    return parts


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Hosts = Annotated[Names, AfterValidator(_hosts)]
Origins = Annotated[Names, AfterValidator(_origins)]
Networks = Annotated[Names, AfterValidator(_networks)]
Pages = Annotated[Names, AfterValidator(_pages)]
"""Where workers' pages are."""
File = Annotated[Path | None, BeforeValidator(_empty_is_none)]
Brokers = Annotated[str, AfterValidator(_brokers)]
Address = Annotated[str, AfterValidator(_address)]
"""Where to listen; empty: where each worker does by itself."""
Source = Annotated[str, AfterValidator(_source)]
InstanceId = Annotated[str, AfterValidator(_instance_id)]
Command = Annotated[str, AfterValidator(_command)]
Url = Annotated[str, AfterValidator(_url)]
KeysUrl = Annotated[str, AfterValidator(_keys_url)]
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
