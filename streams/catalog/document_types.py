"""What a text of a catalog document may be, besides what pydantic's own types say."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    StringConstraints,
    WithJsonSchema,
)

from streams.badges import Duration, parse_time
from streams.catalog.durations import parse_duration, parse_exact_duration
from streams.catalog.texts import LANGUAGE, parse_texts

_PLACE = r"https?://([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?"
URL_PATTERN = _PLACE + "(/v1)?/?"
ENDPOINT_PATTERN = _PLACE + "(/[a-zA-Z0-9._~!$&'()*+,;=:@%/-]*)?"
UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _parsed(parse: Callable[[str], Any], **schema: Any) -> tuple[Any, ...]:
    """A string that is parsed into another type; in the JSON Schema it stays a string."""

    def validate(value: object) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        return parse(value)

    return BeforeValidator(validate), WithJsonSchema({"type": "string", **schema})


def _moment(text: str) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ValueError("must be an ISO 8601 time, like 2026-09-01T00:00:00+00:00")
    return moment


def _address(url: str) -> str:
    _safe(url)
    if not re.fullmatch(URL_PATTERN, url):
        # Whatever else it held would be a request that the catalog's author chooses.
        raise ValueError("must be https://, a host, a port and /v1 at most: the rest is the issuer's")
    return url


def _endpoint(url: str) -> str:
    _safe(url)
    if not re.fullmatch(ENDPOINT_PATTERN, url):
        raise ValueError(
            "must be https://, a host, a port and a path: no query, which is no place for a secret"
        )
    return url


def _safe(url: str) -> None:
    """Refuse an address that shows a secret to the network, or is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
        host = parts.hostname or ""
        host.encode("idna")
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    if "@" in parts.netloc:
        raise ValueError("must hold no user name or password: a catalog only says where a secret is")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https: only on this machine (127.0.0.1, localhost) may it be http")


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _external_id(value: object) -> str:
    """The text of what an issuer calls a template; some number theirs."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a string or a whole number")
    text = str(value)
    if not _VISIBLE.fullmatch(text):
        raise ValueError("must be 1 to 200 characters without blanks")
    return normal_id(text)


def normal_id(text: str) -> str:
    """The id as it is compared: of a UUID the case does not matter."""
    return text.lower() if re.fullmatch(UUID_PATTERN, text) else text


# What no issuer's id is longer than, and what a path or a filter can hold.
_VISIBLE = re.compile(r"\S{1,200}")
_N = r"\d+([.,]\d+)?"
_EXACT = f"({_N}W)?({_N}D)?(T(?=.)({_N}H)?({_N}M)?({_N}S)?)?"

Name = Annotated[str, StringConstraints(min_length=1)]
Uuid = Annotated[str, StringConstraints(pattern=UUID_PATTERN), AfterValidator(str.lower)]
Url = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": f"^{URL_PATTERN}$"})
]
Endpoint = Annotated[
    str, AfterValidator(_endpoint), WithJsonSchema({"type": "string", "pattern": f"^{ENDPOINT_PATTERN}$"})
]
Moment = Annotated[datetime, *_parsed(_moment)]
Exact = Annotated[timedelta, *_parsed(parse_exact_duration, pattern=f"^P(?=.){_EXACT}$")]
Calendar = Annotated[Duration, *_parsed(parse_duration, pattern=rf"^P(?=.)(\d+Y)?(\d+M)?{_EXACT}$")]
ExternalId = Annotated[
    str, BeforeValidator(_external_id), WithJsonSchema({"type": ["string", "integer"], "maxLength": 200})
]
DottedPath = Annotated[str, StringConstraints(pattern=r"^[^.]+(\.[^.]+)*$")]

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": f"^{LANGUAGE}$"},
    "additionalProperties": _TEXT,
}
ForLearners = Annotated[
    dict[str, str], BeforeValidator(parse_texts), WithJsonSchema({"anyOf": [_TEXT, _TEXTS]})
]
